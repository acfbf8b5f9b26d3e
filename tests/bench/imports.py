"""What importing the training stack costs, whole and lean, in turn: python -m tests.bench.imports [--rounds N]

CPU seconds of a process that sees no GPU, its reading of torch's libraries included, and the modules that it has then.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
from statistics import median

CODE = """
import sys, time
from contextlib import nullcontext
from cockpit.engine import stack
if sys.argv[2] == "whole":
    stack.lean_imports = nullcontext
stack.import_stack(sys.argv[1])
print("\\n", time.process_time(), len(sys.modules))
"""


def imported(backend: str, how: str) -> tuple[float, int]:
    """CPU seconds and modules."""
    command = [sys.executable, "-c", CODE, backend, how]
    blind = os.environ | {"CUDA_VISIBLE_DEVICES": ""}
    printed = subprocess.check_output(command, env=blind, stderr=subprocess.DEVNULL)
    seconds, modules = printed.split()[-2:]
    return float(seconds), int(modules)


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=3)
    rounds = parser.parse_args().rounds
    for backend in ("transformers", "unsloth"):
        pairs = [(imported(backend, "whole"), imported(backend, "lean")) for _ in range(rounds)]
        whole, lean = (median(pair[way][0] for pair in pairs) for way in (0, 1))
        modules = " and ".join(f"{pairs[0][way][1]:,}" for way in (0, 1))
        print(
            f"{backend}: {whole:.1f} s of CPU whole, {lean:.1f} s lean ({lean / whole:.2f}); {modules} modules;"
            f" load {os.getloadavg()[0]:.1f}"
        )


if __name__ == "__main__":
    main()
