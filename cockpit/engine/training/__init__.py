"""Rows -> a trained adapter or model: the trainer, its callback, checkpoints, resuming."""
