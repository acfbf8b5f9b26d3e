"""What a desk asks of cockpit at a host, as command lines"""

from __future__ import annotations

from collections.abc import Sequence


def queued_there(name: str, group: str = "") -> list[str]:
    """Put the recipe on stdin into the queue there, and have that worked through."""
    of_group = ["--group", group] if group else []
    return ["queue", "add", "-", "--set", f"output.run_name={name}", "--start", *of_group]


USUAL_FORMS: Sequence[str] = ("adapter", "merged-16bit", "merged-4bit", "gguf:q8_0", "gguf:q4_k_m")
"""Forms that a desk offers; `cockpit export` there knows all."""
