"""The data screen: what training will see of a recipe's rows."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, ClassVar, Protocol

from textual import events, on
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Container, VerticalScroll
from textual.content import Content
from textual.screen import Screen
from textual.widgets import Static

from cockpit.data.report import DataReport, Sample
from cockpit.data.report_text import not_used_by_source
from cockpit.text.numbers import count, duration
from cockpit.ui.widgets.figure_list import FigureList
from cockpit.ui.widgets.glyphs import glyphs
from cockpit.ui.widgets.key_bar import KeyBar
from cockpit.ui.widgets.length_chart import LengthChart
from cockpit.ui.widgets.panel_tabs import PanelTabs
from cockpit.ui.widgets.sample_view import SampleView, legend
from cockpit.ui.widgets.top_line import TopLine

if TYPE_CHECKING:
    from cockpit.ui.widgets.top_line import EngineStatus

POLL_EVERY_S = 0.1
POLICIES = ("keep", "drop", "drop_near")
"""Of data.duplicates, in the order of its key."""
PANELS = ("sample", "figures", "lengths", "remarks")
FOLLOWING = 12
"""Rows that are shown one below the other, at most."""
WIDE_FROM = 100
"""Cells from which on all panels show; below, one at a time."""


class Look(Protocol):
    """A look at the data that goes on somewhere else: cockpit.data.look.DataLook."""

    report: DataReport | None
    problem: str

    @property
    def seconds(self) -> float: ...
    def poll(self) -> bool: ...
    def end(self) -> None: ...


class DataScreen(Screen[None]):
    """Shows a report as soon as there is one; leaving it ends the look."""

    CSS_PATH = "data.tcss"
    HELP = (
        "What training will see of the data: the first rows as the tokenizer and the chat template make them. The "
        "model is not loaded. Tokens that a loss is taken on are bold and underlined, the others pale."
    )
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("n,right", "step(1)", "next", id="data.next", tooltip="Show the next row"),
        Binding("p,left", "step(-1)", "before", id="data.previous", tooltip="Show the row before"),
        Binding("h", "jump('high')", "high loss", id="data.high",
                tooltip="Show the next of the rows whose loss was furthest above the others in this run"),
        Binding("u", "jump('untrained')", "left out", id="data.untrained",
                tooltip="Show the next row in which nothing would be trained"),
        Binding("e", "jump('twice')", "equal", id="data.twice",
                tooltip="Show the next row that equals, or nearly equals, one before"),
        Binding("d", "duplicates", "duplicates", id="data.duplicates",
                tooltip="Keep rows that stand twice, leave them out, or nearly equal ones too: changes the recipe"),
        Binding("l", "jump('longest')", "longest", id="data.longest", tooltip="Show the longest row"),
        Binding("t", "jump('truncated')", "truncated", id="data.truncated",
                tooltip="Show the next row that is truncated"),
        Binding("1", "panel(0)", "sample", id="data.panel1", tooltip="Show the row", show=False),
        Binding("2", "panel(1)", "figures", id="data.panel2", tooltip="Show the figures", show=False),
        Binding("3", "panel(2)", "lengths", id="data.panel3", tooltip="Show how long the rows are", show=False),
        Binding("4", "panel(3)", "remarks", id="data.panel4", tooltip="Show why rows are left out", show=False),
        Binding("escape", "leave", "back", id="data.leave", tooltip="Back; ends the look"),
    ]  # fmt: skip

    def __init__(
        self, name: str, look: Look, *, unsaved: int = 0, set_duplicates: Callable[[str], Look | None] | None = None
    ) -> None:
        """`name` is the recipe's, `unsaved` how many edits of it are not saved. `set_duplicates` changes
        data.duplicates, and looks again."""
        super().__init__()
        self._set_duplicates = set_duplicates
        self._look = look
        self._name = name
        self._at = 0
        self._shown = False
        self.unsaved = unsaved

    def compose(self) -> ComposeResult:
        """All panels; which of them show is the style sheet's business."""
        yield TopLine(f"{self._name} {glyphs().dot} data")
        yield Static("", id="alarm", markup=False)
        yield PanelTabs(PANELS)
        with Container(id="panels"):
            yield SampleView(classes="pane")
            with Container(id="side"):
                yield FigureList(classes="pane")
                yield LengthChart(classes="pane")
                with VerticalScroll(id="remarks", classes="pane") as remarks:
                    remarks.border_title = Content("remarks")
                    yield Static("", id="remark-lines", markup=False)
        yield Static("", id="legend", markup=False)
        yield KeyBar()

    def on_mount(self) -> None:
        """Begin to poll."""
        self.action_panel(0)
        self._lay_out(self.app.size.width)
        self.query_one("#legend", Static).update(legend())
        self.watch(self.app, "engine_status", self._show_status)
        self.set_interval(POLL_EVERY_S, self._tick)
        self._tick()

    def on_unmount(self) -> None:
        """Nobody waits for the look any longer."""
        self._look.end()

    def on_resize(self, event: events.Resize) -> None:
        """All panels, or one at a time."""
        self._lay_out(event.size.width)

    def _lay_out(self, width: int) -> None:
        self.set_class(width < WIDE_FROM, "-tabbed")

    def _show_status(self, status: EngineStatus) -> None:
        self.query_one(TopLine).set_status(status)

    # The look

    def _tick(self) -> None:
        if self._shown or not self.display:  # all is said, or the screen is being removed
            return
        view = self.query_one(SampleView)
        if not self._look.poll():
            view.show_words("data", _waiting(self._look.seconds))
            return
        self._shown = True
        report = self._look.report
        if report is None:
            sentences = "\n".join(f"{glyphs().failed} {line}" for line in self._look.problem.splitlines())
            view.show_words("data", Content.styled(sentences, "$error"))
        else:
            self._show(report)
        self.refresh_bindings()

    def _show(self, report: DataReport) -> None:
        self.add_class("-looked")
        alarms = "\n".join(f"{glyphs().failed} {alarm}" for alarm in report.alarms())
        self.query_one("#alarm", Static).update(Content(alarms))
        self.set_class(bool(alarms), "-alarmed")
        self.query_one(FigureList).show(report)
        self.query_one(LengthChart).show(report)
        self.query_one("#remark-lines", Static).update(_remarks(report))
        remarks = report.left_out_rows or len(report.notes)
        sign = glyphs().failed if report.left_out_rows else glyphs().warn
        self.query_one(PanelTabs).mark(PANELS.index("remarks"), f"{sign}{remarks:,}" if remarks else "")
        if high := _of_kind(report, "high"):
            self._at = high[0]
        self._show_sample()

    def _show_sample(self) -> None:
        report, view = self._look.report, self.query_one(SampleView)
        if report is not None and report.samples:
            following = report.samples[self._at : self._at + FOLLOWING]
            view.show_sample(following, self._at + 1, len(report.samples))
        elif report is not None:
            view.show_words("no row", Content("No row of the data can be shown; the remarks say why."))

    # Keys

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        """Keys work once there is something to show."""
        report = self._look.report
        if action == "step":
            return report is not None and len(report.samples) > 1
        if action == "jump":
            return bool(report is not None and _of_kind(report, str(parameters[0])))
        if action == "duplicates":
            return report is not None and self._set_duplicates is not None and _has_duplicates(report)
        return not (action == "panel" and (report is None or not self.has_class("-tabbed")))

    def action_step(self, by: int) -> None:
        """The next row or the one before; the first comes after the last."""
        report = self._look.report
        if report is not None and report.samples:
            self._go_to((self._at + by) % len(report.samples))

    def action_jump(self, kind: str) -> None:
        """The next row of a kind, the first after the last."""
        found = _of_kind(self._look.report, kind) if self._look.report is not None else []
        if found and kind == "high":  # the furthest first, wherever they stand
            self._go_to(found[(found.index(self._at) + 1) % len(found)] if self._at in found else found[0])
        elif found:
            self._go_to(next((at for at in found if at > self._at), found[0]))

    def action_duplicates(self) -> None:
        """Another answer to what becomes of rows that stand twice; the data is looked at again."""
        report = self._look.report
        if report is None or self._set_duplicates is None:
            return
        policy = POLICIES[(POLICIES.index(report.duplicates) + 1) % len(POLICIES)]
        look = self._set_duplicates(policy)
        if look is not None:
            self._look.end()
            self._look, self._shown, self._at = look, False, 0
            self.unsaved += (report.duplicates == "keep") - (policy == "keep")
            self.remove_class("-looked", "-alarmed")
            self.notify(f"data.duplicates is {policy} now; the data is looked at again.", markup=False)
            self._tick()
            self.refresh_bindings()

    def _go_to(self, at: int) -> None:
        """Show another row, where another panel stands in its place too."""
        self._at = at
        self._show_sample()
        if self.has_class("-tabbed"):
            self.action_panel(PANELS.index("sample"))

    def action_panel(self, index: int) -> None:
        """Show one panel, where there is room for one."""
        for at in range(len(PANELS)):
            self.set_class(at == index, f"-panel{at}")
        self.query_one(PanelTabs).active = index
        # What is hidden takes no focus: it is given once the panel shows.
        self.call_after_refresh(self.query_one("#remarks" if PANELS[index] == "remarks" else SampleView).focus)

    @on(PanelTabs.Chosen)
    def _on_panel_chosen(self, event: PanelTabs.Chosen) -> None:
        self.action_panel(event.index)

    def action_leave(self) -> None:
        """Back to where it was opened from."""
        self.dismiss()


def _has_duplicates(report: DataReport) -> bool:
    """Whether rows stand twice, or are looked for."""
    found = report.duplicate_rows or report.near_duplicate_rows or report.shared_rows
    return bool(found) or report.duplicates != "keep"


def _of_kind(report: DataReport, kind: str) -> list[int]:
    """Which samples are the longest, truncated, untrained, stand twice, or had a high loss."""
    samples = report.samples
    if kind == "high":
        excess = {at: sample.loss.excess for at, sample in enumerate(samples) if sample.loss is not None}
        return sorted(excess, key=lambda at: -excess[at])
    if kind == "longest":
        longest = max((sample.whole_tokens for sample in samples), default=0)
        return [at for at, sample in enumerate(samples) if sample.whole_tokens == longest][:1]
    kinds: dict[str, Callable[[Sample], bool]] = {
        "truncated": lambda sample: sample.is_truncated and not sample.refusal,
        "untrained": lambda sample: bool(sample.refusal),
        "twice": lambda sample: bool(sample.before),
    }
    return [at for at, sample in enumerate(samples) if kinds[kind](sample)]


def _waiting(seconds: float) -> Content:
    return Content.assemble(
        (f"{glyphs().wait} ", "$primary"),
        f"tokenizing ... {duration(seconds)}\n\n",
        (
            "The tokenizer's libraries are imported first, which takes most of the time. esc ends it.",
            "$foreground-muted",
        ),
    )


def _remarks(report: DataReport) -> Content:
    """Where the rows come from, what of them is not used, why some are left out, and what training would say."""
    unit = report.unit
    template = "the model's own" if report.template == "model" else report.template
    lines = [Content.assemble(("data ", "$foreground-muted"), source) for source in report.sources]
    lines.append(Content.assemble(("template ", "$foreground-muted"), f"{template}, tokenizer of {report.model}"))
    for source, words in not_used_by_source(report.not_used):
        of_source = f" of {source}" * (len(report.sources) > 1)
        lines.append(Content.assemble((f"not used{of_source} ", "$warning"), words))
    if not report.is_all:
        seen, there = count(report.rows_seen), count(report.rows_there)
        of_one, of_several = f"the first {seen} of {there} {unit}", f"{seen} {unit} from the beginnings of the sources"
        several = len(report.sources) > 1
        lines.append(Content(f"These are {of_several}; training takes {there}." if several else f"These are {of_one}."))
    lines += [Content.assemble((f"{glyphs().failed} ", "$error"), reason) for reason in report.left_out]
    if report.left_out_rows > len(report.left_out):
        lines.append(Content(f"{count(report.left_out_rows)} {unit} are left out in all."))
    lines += [Content.assemble((f"{glyphs().warn} ", "$warning"), note) for note in report.notes]
    return Content("\n").join(lines)
