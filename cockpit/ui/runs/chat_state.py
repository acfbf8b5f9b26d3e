"""ChatState: what the chat of one run keeps while another screen is shown"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Literal

from cockpit.runs.conversation import Conversation, Round, Turn
from cockpit.runs.state import RunState

if TYPE_CHECKING:
    from cockpit.ui.runs.chat_engine import ChatEngine

Who = Literal["tuned", "both", "base", "blind", "beside"]
Waits = Literal["", "prompt", "again"]
"""What is put once the model is loaded: what stands in the prompt field, or the last prompt anew."""
ADAPTERS: dict[Who, tuple[bool, ...]] = {
    "tuned": (True,),
    "both": (False, True),
    "base": (False,),
    "blind": (False, True),
    "beside": (True,),
}
"""Whether the adapter is on, of each that is asked of the run itself."""


@dataclass(frozen=True)
class Pair:
    """A reply of somebody else: its id, whose it is, and where it stands."""

    id: str
    name: str
    state: RunState


@dataclass
class ChatState:
    """The session has it, each chat screen uses it."""

    conversation: Conversation = field(default_factory=Conversation)
    asked: Round = field(default_factory=dict)
    """The replies that are being written; empty where none is."""
    who: Who = "tuned"
    """Who is asked."""
    switched: bool = False
    """Whether another was chosen while a reply was being written: that one is asked when it has ended."""
    waits: Waits = ""
    sampling: dict[str, str] = field(default_factory=dict)
    """The texts of the sampling fields by name; empty before they were shown."""
    draft: str | None = None
    """What stood in the prompt field; None before it was shown."""
    image: str | None = None
    """The path of the picture that the next prompt is about."""
    markdown: bool = True
    """Whether replies are drawn as Markdown, and not as they were written."""
    folds: bool | None = None
    """Whether reasoning is out of sight; None: once the answer begins."""
    edits: Turn | None = None
    """The last turn, while its prompt is edited: what is sent next takes its place."""
    hidden: int = 0
    """How many of the run's replies are not shown any more."""
    engine: ChatEngine | None = None
    pairs: dict[str, Pair] = field(default_factory=dict)
    """By the id of a reply of the run: what stands beside it."""
