"""What the chat does with a checkpoint or another run that is asked beside its own"""

from __future__ import annotations

from typing import TYPE_CHECKING

from textual.content import Content
from textual.widgets import Static

from cockpit.text.plain_text import plain_line, plain_text
from cockpit.ui.screens.beside_dialog import BesideDialog
from cockpit.ui.screens.chat_conversations import ConversationKeys
from cockpit.ui.widgets.chat_log import Others, ReplyBeside
from cockpit.ui.widgets.choice import Choice

if TYPE_CHECKING:
    from cockpit.ui.runs.beside import Beside, Candidate


class BesideKeys(ConversationKeys):
    """The chat screen is one."""

    _beside: Beside | None = None

    def action_beside(self) -> None:
        """Choose whom."""
        from cockpit.ui.runs.beside import candidates

        self.app.push_screen(BesideDialog(candidates(self.session)), self._ask_beside)

    @property
    def beside(self) -> Beside | None:
        """Who is asked beside the run now."""
        return self._beside if self._chat.who == "beside" else None

    def _ask_beside(self, candidate: Candidate | None) -> None:
        from cockpit.recipe.problem import RecipeError
        from cockpit.ui.runs.beside import Beside

        if candidate is None:
            return
        if self.beside is None or self.beside.name != candidate.name:
            self.end_beside()
            try:
                self._beside = Beside.of(candidate, self.session)
            except (RecipeError, ValueError, OSError) as error:
                self.notify(plain_text(f"It cannot be asked: {error}"), severity="error", markup=False)
                return
        assert self._beside is not None
        self._beside.load()
        who = self.query_one("#who", Choice)
        if who.value == "beside":
            self.turn_to_who("beside")
        else:
            who.value = "beside"  # which turns to it

    def turn_to_who(self, who: str) -> None:
        """Ask them from now on, and the last prompt too."""
        raise NotImplementedError

    def end_beside(self) -> None:
        """Let the one go that was asked beside; its replies stay."""
        if self._beside is not None:
            self._beside.end()
            self._beside = None

    def on_unmount(self) -> None:
        """What is loaded for this screen alone is loaded no longer."""
        self.end_beside()
        if self._chat.who == "beside":
            self._chat.who = "tuned"

    def others(self) -> list[Others]:
        """The replies of all that were asked beside the run."""
        found: dict[int, Others] = {}
        for pair in self._chat.pairs.values():
            state, present = pair.state, self._beside
            lives = present is not None and present.session.state is state and not present.is_gone
            found.setdefault(id(state), Others(set(), state.replies, state.answers, not lives)).asked.add(pair.id)
        return list(found.values())

    def reply_beside(self, reply: str) -> ReplyBeside | None:
        """What stands beside this reply of the run."""
        pair = self._chat.pairs.get(reply)
        return ReplyBeside(pair.id, pair.name, self.session.link.run.id) if pair is not None else None

    def name_beside(self) -> None:
        """Say who is asked beside, where somebody is."""
        beside, line = self.beside, self.query_one("#beside", Static)
        line.display = beside is not None
        if beside is not None:
            name = plain_line(beside.name)
            line.update(Content.assemble(("● ", "$primary"), (f"beside {name}", "bold")))
