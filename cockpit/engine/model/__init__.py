"""Recipe -> model, adapter, tokenizer."""
