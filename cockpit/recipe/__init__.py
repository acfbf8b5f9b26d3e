"""What to train: pydantic models, YAML in and out. The only place that knows a field."""
