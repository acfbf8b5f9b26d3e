"""A plain script of Unsloth or transformers, and trl, that trains what a recipe does; nothing of cockpit is in it."""
