"""Runs of which steps and memory count: nothing quantised, and no watchdog that minds random weights"""

from __future__ import annotations

RECIPE = """
schema: 1
method: sft
about: {{title: {title}, description: Of random weights., needs: one GPU, duration: 1 min}}
backend: {backend}
model: {{name_or_path: {model}, max_seq_length: {length}, quantization: none}}
data:
  sources: [{{name_or_path: {rows}, format: text}}]
training:
  per_device_train_batch_size: {batch}
  gradient_accumulation_steps: 1
  max_steps: {steps}
  gradient_checkpointing: none
watchdogs: {{loss_zero: "off", gradient_zero: "off", nothing_trained: "off", loss_nan: "off"}}
"""
