"""What a run has saved, for other programs: adapter, merged model, GGUF, Hub."""
