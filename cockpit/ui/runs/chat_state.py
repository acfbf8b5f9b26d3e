"""ChatState: what the chat of one run keeps while another screen is shown"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from cockpit.runs.conversation import Conversation

if TYPE_CHECKING:
    from cockpit.ui.runs.chat_engine import ChatEngine


@dataclass
class ChatState:
    """The session has it, each chat screen uses it."""

    conversation: Conversation = field(default_factory=Conversation)
    asked: str | None = None
    """The prompt whose reply is being written."""
    adapter: bool = True
    """Whether the tuned model is asked, and not its base."""
    switched: bool = False
    """Whether base and tuned were switched while a reply was being written: the other is asked when it has ended."""
    sampling: dict[str, str] = field(default_factory=dict)
    """The texts of the sampling fields by name; empty before they were shown."""
    draft: str | None = None
    """What stood in the prompt field; None before it was shown."""
    image: str | None = None
    """The path of the picture that the next prompt is about."""
    hidden: int = 0
    """How many of the run's replies are not shown any more."""
    engine: ChatEngine | None = None
