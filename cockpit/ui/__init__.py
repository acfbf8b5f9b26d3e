"""Draws: Textual only; never torch, never the engine, no threads."""

import os

FRAMES_PER_S = "120"
"""At most. A key that comes right after a frame is seen with the next one, which with Textual's own 60 takes 17 ms."""

os.environ.setdefault("TEXTUAL_FPS", FRAMES_PER_S)  # Textual reads it when it is imported, which is here first
