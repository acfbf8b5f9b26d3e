"""Compare: up to six runs side by side: curves, what they came to, where their recipes differ, what they answer."""

from __future__ import annotations

import asyncio
from itertools import zip_longest
from textwrap import wrap
from typing import TYPE_CHECKING, Any, ClassVar

from textual import on
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import VerticalScroll
from textual.content import Content
from textual.screen import Screen
from textual.widgets import Static

from cockpit.runs.comparison import AXES, CURVES, Compared, called, differing
from cockpit.runs.labels import STATES
from cockpit.text.numbers import UNKNOWN, count, duration, metric, percent
from cockpit.text.plain_text import plain_line, plain_text
from cockpit.ui.widgets.glyphs import glyphs
from cockpit.ui.widgets.key_bar import KeyBar
from cockpit.ui.widgets.overlay_chart import COLOURS, Curve, OverlayChart
from cockpit.ui.widgets.panel_tabs import PanelTabs
from cockpit.ui.widgets.top_line import TopLine

if TYPE_CHECKING:
    from cockpit.runs.folder import RunDir
    from cockpit.ui.widgets.top_line import EngineStatus

LABEL_CELLS = 30
LEAST_CELLS, MOST_CELLS = 12, 32
"""Of a run's column among the figures."""
PANELS = ("figures and recipes", "answers")


class CompareScreen(Screen[None]):
    """It reads each log once, as it is when the screen opens."""

    CSS_PATH = "compare.tcss"
    HELP = (
        "The runs that were picked, numbered; a number stands at the end of each curve. Below: what each came to and "
        "the fields of their recipes that differ, or what each answered last to the same prompts."
    )
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("x", "axis", "steps/tokens/time", id="compare.axis",
                tooltip="Count by steps, trained tokens or seconds"),
        Binding("h", "figure", "training/held-out", id="compare.figure",
                tooltip="The loss, or what else they are judged by, of training or of the held-out rows"),
        Binding("l", "log_scale", "log scale", id="compare.log_scale", tooltip="Draw the curves on the other scale"),
        Binding("1", "panel(0)", "figures", id="compare.figures", tooltip="What they came to; recipes", show=False),
        Binding("2", "panel(1)", "answers", id="compare.answers", tooltip="What they answered last", show=False),
        Binding("tab", "next_panel", "figures/answers", id="compare.next", tooltip="The other panel"),
        Binding("escape", "back", "back", id="compare.back", tooltip="Back to the recipes and runs"),
    ]  # fmt: skip

    def __init__(self, runs: list[RunDir]) -> None:
        super().__init__()
        self._compared = [Compared(run) for run in runs]
        self._facts: list[dict[str, Any]] = []
        self._fields: list[dict[str, Any]] = []
        self._axis, self._figure, self._panel = AXES[0], CURVES[0], 0
        self._is_read = False

    def compose(self) -> ComposeResult:
        """The curves above, one of the panels below."""
        yield TopLine(f"compare {len(self._compared)} runs")
        yield OverlayChart(classes="pane")
        yield PanelTabs(PANELS)
        with VerticalScroll(id="beside", classes="pane"):
            yield Static("", id="lines", markup=False)
        yield KeyBar()

    def on_mount(self) -> None:
        """Read the logs, in parts between which the app does all else."""
        self.watch(self.app, "engine_status", self._show_status)
        self._show()
        self.query_one("#beside").focus()
        self.run_worker(self._read(), group="read")

    def _show_status(self, status: EngineStatus) -> None:
        self.query_one(TopLine).set_status(status)

    async def _read(self) -> None:
        for one in self._compared:
            for _ in one.read():
                await asyncio.sleep(0)
        self._facts = [one.facts() for one in self._compared]
        self._fields = [one.fields() for one in self._compared]
        self._is_read = True
        self._show()

    def on_resize(self) -> None:
        """Columns of another width."""
        self.call_after_refresh(self._show)

    # What is shown

    def _show(self) -> None:
        chart = self.query_one(OverlayChart)
        chart.border_title = Content(f"{self._title} by {self._axis}")
        chart.border_subtitle = Content("  ").join(
            Content.styled(f"{number} {plain_line(one.run.id)}", f"${colour}")
            for number, (one, colour) in enumerate(zip(self._compared, COLOURS, strict=False), 1)
        )
        why = f"None of them has a {self._title} by {self._axis}." if self._is_read else "Reading their logs ..."
        curves = [Curve(number, one.curve(self._figure, self._axis)) for number, one in enumerate(self._compared, 1)]
        chart.show(curves if self._is_read else [], why)
        self.query_one(PanelTabs).active = self._panel
        lines = (self._figures() if self._panel == 0 else self._answers()) if self._is_read else []
        self.query_one("#lines", Static).update(Content("\n").join(lines))

    @property
    def _title(self) -> str:
        """What the curves are of."""
        label = called([one.state.main.label for one in self._compared])
        return f"held-out {label}" if self._figure == "held-out" else label

    @property
    def _cells(self) -> int:
        """Of a run's column."""
        room = self.query_one("#beside").scrollable_content_region.width or 80
        return min(MOST_CELLS, max(LEAST_CELLS, (room - self._label_cells) // len(self._compared) - 1))

    @property
    def _label_cells(self) -> int:
        return min(LABEL_CELLS, max(16, (self.size.width or 80) // 4))

    def _row(self, label: str, values: list[str], style: str = "") -> Content:
        cells = self._cells
        shown = (f" {_cut(value, cells):>{cells}}" for value in values)
        name = f"{_cut(label, self._label_cells):<{self._label_cells}}"
        return Content.assemble((name, "$foreground-muted"), *((text, style) for text in shown))

    def _heads(self) -> Content:
        cells = self._cells
        heads = (
            (f" {_cut(f'{number} {plain_line(one.run.id)}', cells):>{cells}}", f"bold ${colour}")
            for number, (one, colour) in enumerate(zip(self._compared, COLOURS, strict=False), 1)
        )
        return Content.assemble(" " * self._label_cells, *heads)

    def _figures(self) -> list[Content]:
        facts = self._facts
        best = (f"{metric(one['best_held_out'])} at {count(one['best_step'])}" for one in facts)
        rows = {
            "state": [STATES[one["state"]] for one in facts],
            "steps": [f"{count(one['step'])}/{count(one['total_steps'])}" for one in facts],
            f"{called([one['figure'] for one in facts])}, last steps": [metric(one["value"]) for one in facts],
            "held-out": [metric(one["held_out"]) for one in facts],
            "best held-out": [
                text if one["best_step"] is not None else UNKNOWN for one, text in zip(facts, best, strict=True)
            ],
            "time": [duration(one["took_s"]) for one in facts],
            "trained tokens": [count(one["trained_tokens"]) for one in facts],
        }
        measured = dict.fromkeys(name for one in facts for name in one["answers"])
        for name in measured:
            rows[name.removeprefix("eval_").replace("_", " ")] = [_share(one["answers"].get(name)) for one in facts]
        for name in dict.fromkeys(name for one in facts for name in one["evals"]):
            rows[plain_line(name)] = [one["evals"].get(name, UNKNOWN) for one in facts]
        lines = [self._heads(), *(self._row(label, values) for label, values in rows.items()), Content("")]
        names = differing(self._fields)
        if not names:
            is_whole = all(self._fields)
            return [*lines, Content("Their recipes train the same." if is_whole else "A recipe cannot be read.")]
        for name in names:
            lines.append(self._row(name, [_value(fields, name) for fields in self._fields], "$changed"))
        return lines

    def _answers(self) -> list[Content]:
        answers = [one.answers() for one in self._compared]
        prompts = dict.fromkeys(prompt for one in answers for prompt in one)
        if not prompts:
            return [Content("None of them was asked anything on its way; samples.prompts in a recipe asks.")]
        room = self.query_one("#beside").scrollable_content_region.width or 80
        cells = max(LEAST_CELLS, room // len(answers) - 2)
        lines: list[Content] = []
        for prompt in prompts:
            lines.append(Content.styled(plain_line(prompt), "bold"))
            columns = []
            for number, one in enumerate(answers, 1):
                said = one.get(prompt)
                mark = "" if said is None or said.passed is None else glyphs().done if said.passed else glyphs().failed
                text = f"{number} {mark} {plain_text(said.text) if said is not None else UNKNOWN}"
                columns.append(wrap(" ".join(text.split()), cells) or [""])
            for row in zip_longest(*columns, fillvalue=""):
                parts = [(f"{text:<{cells}}  ", f"${colour}") for text, colour in zip(row, COLOURS, strict=False)]
                lines.append(Content.assemble(*parts))
            lines.append(Content(""))
        return lines

    # Keys

    def action_axis(self) -> None:
        """Steps, tokens, seconds."""
        self._axis = AXES[(AXES.index(self._axis) + 1) % len(AXES)]
        self._show()

    def action_figure(self) -> None:
        """Of training, or of the held-out rows."""
        self._figure = CURVES[(CURVES.index(self._figure) + 1) % len(CURVES)]
        self._show()

    def action_log_scale(self) -> None:
        """The other scale."""
        chart = self.query_one(OverlayChart)
        chart.log_scale = not chart.log_scale
        chart.changed()

    def action_panel(self, index: int) -> None:
        """Show this one."""
        self._panel = index
        self._show()
        self.query_one("#beside").scroll_home(animate=False)

    def action_next_panel(self) -> None:
        """Show the other one."""
        self.action_panel((self._panel + 1) % len(PANELS))

    @on(PanelTabs.Chosen)
    def _on_panel_chosen(self, message: PanelTabs.Chosen) -> None:
        self.action_panel(message.index)

    def action_back(self) -> None:
        """Away."""
        self.dismiss()


def _cut(text: str, cells: int) -> str:
    return text if len(text) <= cells else f"{text[: cells - 1]}…"


def _share(value: float | None) -> str:
    return UNKNOWN if value is None else percent(value)


def _value(fields: dict[str, Any], name: str) -> str:
    import json

    if name not in fields:
        return UNKNOWN
    value = fields[name]
    return plain_line(value if isinstance(value, str) else json.dumps(value))
