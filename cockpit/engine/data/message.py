"""A turn as chat templates take it"""

from __future__ import annotations

from typing import Any

Message = dict[str, Any]
"""A turn: role; content, a text or a list of {"type": "text" | "image"} parts; tool_calls where it calls tools; the
reasoning of an answer under each of THOUGHTS; name and tool_call_id of what a tool returned."""
ROLES = ("system", "user", "assistant", "tool")
THOUGHTS = ("reasoning_content", "thinking")
"""What the reasoning before an answer is called in templates (the second by gpt-oss)."""
