"""The machine: GPUs through NVML, and the environment of child processes."""
