"""A terminal cockpit for LoRA fine-tuning: pick a recipe, train, watch, chat."""

__version__ = "0.1.0"
