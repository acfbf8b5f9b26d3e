"""RunLine: the line at the top of a run's screens: which run, how it stands, how far, how long still."""

from __future__ import annotations

from textual.content import Content

from cockpit.runs.labels import PHASES, STATES
from cockpit.runs.state import RunState
from cockpit.runs.status import State
from cockpit.text.numbers import UNKNOWN, count, duration, percent
from cockpit.text.plain_text import plain_line
from cockpit.ui.widgets.glyphs import glyphs
from cockpit.ui.widgets.lines import Lines
from cockpit.ui.widgets.state_signs import STATE_SIGNS


class RunLine(Lines):
    """`show` takes all that it says."""

    ALLOW_SELECT = False
    DEFAULT_CSS = """
    RunLine { height: 1; padding: 0 1; }
    """

    def __init__(self, *, id: str | None = None, classes: str | None = None) -> None:
        super().__init__(id=id, classes=classes)
        self._run_id, self._state = "", RunState()
        self._status: State = "starting"
        self._note = ""

    def show(self, run_id: str, status: State, state: RunState, note: str = "") -> None:
        """Draw the run. `note` stands in place of the phase, such as: finishing the step."""
        self._run_id, self._status, self._state, self._note = run_id, status, state, note
        self.redraw()

    def lines(self) -> list[Content]:
        left = self._run_name()
        width = self.content_size.width
        for short in (False, True):
            right = Content("   ").join(part for part in self._facts(short=short) if part)
            room = width - left.cell_length - right.cell_length
            if room >= 2:
                break
        return [left + " " * max(2, room) + right]

    def _run_name(self) -> Content:
        run_id = plain_line(self._run_id)
        recipe = plain_line(self._state.run.recipe_name) if self._state.run else ""
        dot = f" {glyphs().dot} "
        if recipe and run_id.startswith(f"{recipe}-"):
            return Content.assemble((recipe, "bold $primary"), (dot + run_id[len(recipe) + 1 :], "$foreground-muted"))
        return Content.styled(run_id, "bold $primary")

    def _facts(self, *, short: bool) -> list[Content]:
        state = self._state
        word, style = STATES[self._status], f"bold {STATE_SIGNS[self._status][1]}"
        if self._note:
            word, style = self._note, "bold $warning"
        elif self._status == "running" and state.is_paused:
            word, style = PHASES["paused"].name, "bold $warning"
        elif self._status == "running":
            word = PHASES[state.phase.phase].name if state.phase else STATES["starting"]
        facts = [Content.styled(word, style)]
        total = state.total_steps
        if total:
            share = percent(state.step / total)
            step = f"{count(state.step):>{len(count(total))}}/{count(total)}"
            facts.append(Content.assemble(("step ", "$foreground-muted"), (step, "bold"), f"{share:>6}"))
        if self._status == "running" and total:
            eta = self._eta(short=short)
            facts.append(" " * max(0, (12 if short else 20) - eta.cell_length) + eta)
        elif state.ended is not None and state.elapsed_s is not None:
            facts.append(Content.assemble(("in ", "$foreground-muted"), duration(state.elapsed_s)))
        return facts

    def _eta(self, *, short: bool) -> Content:
        eta = self._state.eta()
        if eta is None:
            return Content.assemble(("ETA ", "$foreground-muted"), UNKNOWN)
        left, spread = eta
        text = duration(left) if short else f"{duration(left)} ± {duration(spread)}"
        return Content.assemble(("ETA ", "$foreground-muted"), text)
