"""What is asked of a loaded model of transformers or Unsloth, by kind of question"""

from __future__ import annotations

from collections.abc import Callable

from cockpit.engine.chat.batches import PromptBatches
from cockpit.engine.chat.replies import Chatter
from cockpit.engine.chat.side_by_side import SideBySide
from cockpit.engine.controls import Controls
from cockpit.engine.journal import Journal
from cockpit.protocol.commands import AnswerPrompts, Chat, ChatBoth, Question


class Answers:
    """Answers each question, and tells of it in the run's chat log."""

    def __init__(self, chatter: Chatter, journal: Journal, controls: Controls) -> None:
        self._chatter = chatter
        self._side_by_side = SideBySide(chatter, controls)
        self._batches = PromptBatches(chatter, journal, controls)

    @property
    def notes(self) -> list[str]:
        """What is odd about this model, a sentence each."""
        notes = []
        if self._chatter.template is None:
            notes.append("The model has no chat template: a prompt is given to it as it stands, without roles.")
        if not self._chatter.end_ids(self._chatter.loaded.model.generation_config):
            notes.append("No token of this model ends a turn: each reply goes on up to max_new_tokens.")
        return notes

    def warm_up(self, is_idle: Callable[[], bool]) -> None:
        """Have ready what the first replies would wait for, unless somebody asks already."""
        for adapter in (True, False):
            if is_idle():
                self._chatter.warm_up(adapter=adapter)

    def answer(self, asked: Question, *, trains: bool = False) -> None:
        """What goes wrong ends a reply, not the engine. `trains`: the weights are trained further afterwards."""
        match asked:
            case Chat():
                self._chatter.answer(asked, trains=trains)
            case ChatBoth():
                self._side_by_side.answer(asked, trains=trains)
            case AnswerPrompts():
                self._batches.answer(asked)
