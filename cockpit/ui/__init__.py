"""Draws: Textual only; never torch, never the engine, no threads."""
