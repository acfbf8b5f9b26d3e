"""The tune screen: which way a recipe trains fastest here, measured one way after another."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, ClassVar, Protocol

from textual import on
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import VerticalScroll
from textual.content import Content
from textual.screen import Screen
from textual.widgets import Static

from cockpit.text.numbers import duration, size
from cockpit.text.plain_text import plain_line
from cockpit.tuning.told import ProbeEnded, ProbeStarted, ProbeWent, Told, TuneEnded, TuneStarted
from cockpit.ui.widgets.entry import one_line
from cockpit.ui.widgets.glyphs import glyphs
from cockpit.ui.widgets.key_bar import KeyBar
from cockpit.ui.widgets.top_line import TopLine
from cockpit.ui.widgets.tune_table import TuneHeadings, TuneTable

if TYPE_CHECKING:
    from cockpit.tuning.told import Setting
    from cockpit.ui.widgets.top_line import EngineStatus

POLL_EVERY_S = 0.2
MIB = 1 << 20


class Tuning(Protocol):
    """A tuning that goes on somewhere else: cockpit.tuning.process.TuneProcess."""

    problem: str

    @property
    def is_running(self) -> bool: ...
    def poll(self) -> list[Told]: ...
    def stop(self) -> None: ...
    def end(self) -> None: ...


class TuneScreen(Screen[None]):
    """Shows each probe as it is told; leaving it ends the tuning."""

    CSS_PATH = "tune.tcss"
    HELP = (
        "Each line is a way to train this recipe, measured for a few steps by an engine of its own: the same real rows "
        "for all. Tokens/s are without padding, times are against the recipe as written, loss is how far its losses "
        "are off.\n"
        "Ways that change more than speed and memory are pale and never chosen: the rows of a step, the precision of "
        "the base. training.fit: auto takes the answer from then on, also without writing it."
    )
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("w", "write", "write", id="tune.write", tooltip="Write the fastest way into the recipe"),
        Binding("s", "stop", "stop", id="tune.stop", tooltip="End now, with what is known"),
        Binding("escape", "leave", "back", id="tune.leave", tooltip="Back; ends the measuring"),
    ]

    def __init__(
        self,
        name: str,
        tuning: Tuning,
        values: Callable[[str], object],
        write: Callable[[Mapping[str, Setting]], None],
        *,
        unsaved: int = 0,
    ) -> None:
        """`name` is the recipe's, `values` gives its fields, `write` changes them. `unsaved`: how many edits of it are
        not saved."""
        super().__init__()
        self._name, self._tuning, self._values, self._write = name, tuning, values, write
        self._started: TuneStarted | None = None
        self._ends: list[ProbeEnded] = []
        self._now: ProbeStarted | None = None
        self._went: ProbeWent | None = None
        self._over: TuneEnded | None = None
        self._is_written = False
        self.unsaved = unsaved

    def compose(self) -> ComposeResult:
        """The probes, and below them what comes of them."""
        yield TopLine(f"{self._name} {glyphs().dot} tune")
        with VerticalScroll(id="probes", classes="pane"):
            yield TuneHeadings()
            yield TuneTable(id="table")
        with VerticalScroll(id="choice", classes="pane"):
            yield Static("", id="choice-lines", markup=False)
        yield KeyBar()

    def on_mount(self) -> None:
        """Begin to poll."""
        self.query_one("#choice").border_title = Content("fastest so far")
        self.watch(self.app, "engine_status", self._show_status)
        self.set_interval(POLL_EVERY_S, self._tick)
        self._show()

    def on_unmount(self) -> None:
        """Nobody waits for it any longer."""
        self._tuning.end()

    def _show_status(self, status: EngineStatus) -> None:
        self.query_one(TopLine).set_status(status)

    def _tick(self) -> None:
        if not self.display or self._over is not None or self._tuning_failed():
            return
        told = self._tuning.poll()
        for one in told:
            self._take(one)
        if told or self._tuning_failed():
            self._show()
            self.refresh_bindings()

    def _take(self, told: Told) -> None:
        match told:
            case TuneStarted():
                self._started = told
            case ProbeStarted():
                self._now, self._went = told, None
            case ProbeWent():
                self._went = told
            case ProbeEnded():
                self._ends.append(told)
                self._now = None
            case TuneEnded():
                self._over, self._now = told, None

    def _tuning_failed(self) -> bool:
        return bool(self._tuning.problem)

    @property
    def _best(self) -> ProbeEnded | None:
        """The fastest way so far that changes nothing but speed and memory, as the tuner will choose it."""
        if self._over is not None:
            return next((one for one in self._ends if one.number == self._over.number), None)
        from cockpit.tuning.tuner import is_eligible

        found = [one for one in self._ends if is_eligible(one.outcome, one.marks, one.loss_off)]
        return max(found, key=lambda one: one.tokens_s or 0.0, default=None)

    def _show(self) -> None:
        best = self._best
        pane = self.query_one("#probes")
        pane.border_title = Content(self._title())
        pane.border_subtitle = Content(plain_line(self._started.busy if self._started is not None else ""))
        self.query_one(TuneTable).show(self._ends, self._now, self._went, best.number if best is not None else 0)
        self.query_one("#choice").border_title = Content("fastest" if self._over is not None else "fastest so far")
        self.query_one("#choice-lines", Static).update(self._choice(best))
        self._show_newest()

    @on(TuneTable.Resized)
    def _show_newest(self) -> None:
        """The last line, also once the table has grown and its lines are broken anew."""
        self.query_one("#probes").scroll_end(animate=False)

    def _title(self) -> str:
        if self._started is None:
            return "starting"
        total = f", {size(self._started.total_mib * MIB)}" if self._started.total_mib else ""
        where = f"{plain_line(self._started.gpu)}{total}" if self._started.gpu else "the CPU"
        if self._over is not None:
            return f"on {where}, took {duration(self._over.took_s)}"
        return f"on {where}, for {duration(self._started.budget_s)}"

    def _choice(self, best: ProbeEnded | None) -> Content:
        """What writing it would change, as a diff."""
        if self._tuning_failed():
            wrong = (f"{glyphs().failed} {line}" for line in self._tuning.problem.splitlines())
            return Content.styled("\n".join(wrong), "$error")
        if best is None:
            words = "No way could be measured." if self._over is not None else "Nothing is measured yet."
            return Content.styled(words, "$foreground-muted")
        if not best.settings:
            return Content("as written: nothing faster was measured")
        times = f", {best.times:.2f} times as fast as written" if best.times is not None else ""
        lines = [Content.styled(f"{plain_line(best.name)}{times}", "bold")]
        for field, value in best.settings.items():
            lines.append(Content.styled(f"- {field}: {_shown(self._values(field))}", "$error"))
            lines.append(Content.styled(f"+ {field}: {_shown(value)}", "$success"))
        return Content("\n").join(lines)

    # Keys

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        """Written is what was found in the end, once."""
        if action == "write":
            return self._over is not None and bool(self._over.settings) and not self._is_written
        return action != "stop" or (self._over is None and self._tuning.is_running)

    def action_write(self) -> None:
        """Into the recipe that is edited."""
        if self._over is None:
            return
        self._write(self._over.settings)
        self._is_written = True
        self.dismiss()

    def action_stop(self) -> None:
        """With what is known."""
        self._tuning.stop()

    def action_leave(self) -> None:
        """Back to the editor."""
        self.dismiss()


def _shown(value: object) -> str:
    from cockpit.recipe.fields import format_value

    return one_line(format_value(value)) or "empty"
