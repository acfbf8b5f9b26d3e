"""What a run can be asked for from a screen while it trains: keys, questions, and the commands that come of them"""

from __future__ import annotations

from typing import TYPE_CHECKING

from textual.binding import Binding, BindingType
from textual.screen import Screen

from cockpit.protocol.commands import (
    AddSteps,
    Control,
    Evaluate,
    Pause,
    Sample,
    SaveCheckpoint,
    ScaleLearningRate,
    Unpause,
)
from cockpit.runs.link import new_command_id
from cockpit.text.plain_text import plain_text
from cockpit.ui.screens.questions import FACTORS, MORE, add_steps, alarms_on, scale_rate

if TYPE_CHECKING:
    from cockpit.ui.runs.session import RunSession

CONTROLS = ("pause", "unpause", "checkpoint", "sample", "evaluate", "scale_rate", "add_steps")
"""As the names of actions."""


CONTROL_BINDINGS: list[BindingType] = [
    Binding("p", "pause", "pause", id="live.pause", tooltip="Wait after the step in hand"),
    Binding("p", "unpause", "go on", id="live.unpause", tooltip="Go on with the training"),
    Binding("c", "checkpoint", "checkpoint", id="live.checkpoint", tooltip="Save a checkpoint after this step"),
    Binding("g", "sample", "sample", id="live.sample", tooltip="Have the recipe's prompts answered now"),
    Binding("e", "evaluate", "evaluate", id="live.evaluate", tooltip="Measure the held-out rows now", show=False),
    Binding("f", "scale_rate", "rate", id="live.rate", tooltip="Take a factor of the learning rate", show=False),
    Binding("m", "add_steps", "more steps", id="live.more", tooltip="Train for more steps", show=False),
    Binding("w", "read_alarms", "watchdogs", id="live.alarms", tooltip="Read what the watchdogs have found"),
]  # fmt: skip
"""For the screen itself: of two classes, one alone can have bindings for a key."""


class RunControls(Screen[None]):
    """A screen of one run. Its `check_action` says whether the run trains; `can_be_asked` says the rest."""

    session: RunSession

    def can_be_asked(self, action: str) -> bool:
        """Whether this makes sense as things stand."""
        state = self.session.state
        waits = state.is_paused or state.pause_requested
        if action in ("pause", "unpause"):
            return waits is (action == "unpause")
        if action == "sample":
            return bool(self.session.recipe.samples.prompts)
        if action == "evaluate":
            return state.data is not None and state.data.eval_rows > 0
        return state.plan is not None

    def action_pause(self) -> None:
        """Have the training wait."""
        self._ask(Pause(id=new_command_id()))

    def action_unpause(self) -> None:
        """Have it go on."""
        self._ask(Unpause(id=new_command_id()))

    def action_checkpoint(self) -> None:
        """Have a checkpoint saved."""
        self._ask(SaveCheckpoint(id=new_command_id()))

    def action_sample(self) -> None:
        """Have the prompts answered."""
        self._ask(Sample(id=new_command_id()))

    def action_evaluate(self) -> None:
        """Have the held-out rows measured."""
        self._ask(Evaluate(id=new_command_id()))

    def action_scale_rate(self) -> None:
        """Ask for the factor."""
        self.app.push_screen(scale_rate(self.session.state.steps.latest("learning_rate")), self._scale_rate)

    def action_add_steps(self) -> None:
        """Ask how many."""
        if total := self.session.state.total_steps:
            self.app.push_screen(add_steps(total), self._add_steps)

    def action_read_alarms(self) -> None:
        """Read what the watchdogs have found, and do something about it."""
        ways = [action for action in ("pause", "unpause", "scale_rate", "stop") if self.check_action(action, ())]
        self.app.push_screen(alarms_on(list(self.session.state.alarms.values()), ways), self._answer_alarms)

    async def _answer_alarms(self, answer: str | None) -> None:
        if answer not in (None, "close") and self.check_action(str(answer), ()):
            await self.run_action(str(answer))

    def _scale_rate(self, answer: str | None) -> None:
        if answer in FACTORS:
            self._ask(ScaleLearningRate(id=new_command_id(), factor=FACTORS[answer]))

    def _add_steps(self, answer: str | None) -> None:
        if answer is not None and answer.startswith(MORE):
            self._ask(AddSteps(id=new_command_id(), steps=int(answer.removeprefix(MORE))))

    def _ask(self, control: Control) -> None:
        try:
            self.session.control(control)
        except OSError as error:
            self.notify(f"The run could not be asked: {plain_text(str(error))}", severity="error", markup=False)
