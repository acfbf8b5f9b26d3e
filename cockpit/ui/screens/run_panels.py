"""The charts and panels of a run's screen: what they show of it, their keys, and how they lie"""

from __future__ import annotations

from typing import TYPE_CHECKING, cast

from textual import on
from textual.binding import Binding, BindingType
from textual.screen import Screen

from cockpit.ui.widgets.answer_chart import AnswerChart
from cockpit.ui.widgets.figure_chart import FigureChart
from cockpit.ui.widgets.gauge import AT_THE_END, LAST_HEARD
from cockpit.ui.widgets.loss_chart import LossChart
from cockpit.ui.widgets.machine_column import MOST_GAUGES, MachineColumn
from cockpit.ui.widgets.now_panel import NowPanel
from cockpit.ui.widgets.panel_tabs import PanelTabs
from cockpit.ui.widgets.run_panel import RunPanel
from cockpit.ui.widgets.run_schedule import RunSchedule
from cockpit.ui.widgets.sample_panel import SamplePanel
from cockpit.ui.widgets.step_chart import StepChart

if TYPE_CHECKING:
    from cockpit.ui.runs.host import Host
    from cockpit.ui.runs.session import RunSession

PANELS = ("now", "learning rate", "log", "run", "samples", "answers")
LAYOUTS = ("grid", "stacked", "tabbed")

PANEL_BINDINGS: list[BindingType] = [
    Binding("l", "log_scale", "log scale", id="live.log_scale", tooltip="Draw the loss on the other scale"),
    Binding("y", "clip", "outliers", id="live.clip", show=False,
            tooltip="Leave outliers beyond the rim of the loss chart, or show them"),
    Binding("n", "next_chart", "figures", id="live.next_chart",
            tooltip="Show the next chart of what the method measures: rewards, margin ..."),
    Binding("z", "charts", "zoom", id="live.charts", tooltip="Zoom, pan and read the charts; z again leaves them"),
    Binding("1", "panel(0)", "now", id="live.panel1", tooltip="Show the present step and the machine", show=False),
    Binding("2", "panel(1)", "rate", id="live.panel2", tooltip="Show the learning-rate schedule", show=False),
    Binding("3", "panel(2)", "log", id="live.panel3", tooltip="Show the log", show=False),
    Binding("4", "panel(3)", "run", id="live.panel4", tooltip="Show what is trained, on what", show=False),
    Binding("5", "panel(4)", "samples", id="live.panel5", tooltip="Show what the model answers", show=False),
    Binding("6", "panel(5)", "answers", id="live.panel6", tooltip="Show how many answers are right", show=False),
    Binding("comma", "scrub(-1)", "sample before", id="live.sample_before", key_display=",", show=False,
            tooltip="The samples of an earlier step"),
    Binding("full_stop", "scrub(1)", "next sample", id="live.next_sample", key_display=".", show=False,
            tooltip="The samples of a later step"),
]  # fmt: skip
"""For the screen itself: of two classes, one alone can have bindings for a key."""


def layout_for(width: int, height: int) -> str:
    """How the panels lie: side by side, one under the other, or behind tabs where there is no room for that."""
    if width >= 100 and height >= 30:
        return "grid"
    return "stacked" if height >= 44 else "tabbed"


class RunPanels(Screen[None]):
    """A screen of one run, which has composed these widgets."""

    session: RunSession

    def show_loss(self) -> None:
        """The loss so far."""
        session, state = self.session, self.session.state
        loss = self.query_one(LossChart)
        loss.set_why_empty("No step was taken." if session.is_over else "The first step has not ended yet.")
        loss.set_course(state.steps, state.held_out, state.main)

    def show_figures(self) -> None:
        """What its method measures."""
        recipe, state = self.session.recipe, self.session.state
        why = "No step was taken." if self.session.is_over else "The first step has not ended yet."
        self.query_one(FigureChart).show(recipe.charts, recipe.figures, state.steps, state.held_out, why)
        self.set_class(bool(recipe.charts), "-figures")

    def show_answers(self) -> None:
        """How many answers were right."""
        asked, measured = self.session.recipe.evaluation, self.session.state.answers_measured
        why = "No answer was measured yet." if asked.answers else "The recipe's evaluation asks for no answers."
        self.query_one(AnswerChart).show(measured, why)
        self.set_class(asked.answers or len(measured) > 0, "-answers")

    def show_panels(self) -> None:
        """The present step, the machine, what is trained, and what the model answers."""
        self.query_one(NowPanel).show(self.session.state, cast("Host", self.app).price, self.session.recipe.figures)
        facts = self.session.facts
        self.query_one(RunPanel).show(self.session.recipe, self.session.state, facts)
        state, is_silent = self.session.state, self.session.status == "silent"
        self.set_class(bool(state.machine) and len(state.machine[-1].gpus) > MOST_GAUGES, "-many-gpus")
        past = AT_THE_END if self.session.is_over else LAST_HEARD if is_silent else ""
        self.query_one(MachineColumn).show(state.machine, state.machine_use, past=past)
        asks = bool(self.session.recipe.samples.prompts) or self.session.recipe.evaluation.answers
        self.query_one(SamplePanel).show(state.samples, state.answers_given, state.completions, has_prompts=asks)
        self.set_class(asks or bool(state.samples or state.answers_given or state.completions), "-samples")

    def show_schedule(self) -> None:
        """The learning rate, planned and used."""
        if self.session.facts is None:
            self.query_one(RunSchedule).show(self.session.recipe, self.session.state)
        else:
            self.query_one(RunSchedule).show_used(self.session.state)

    def action_log_scale(self) -> None:
        """The other scale."""
        chart = self.query_one(LossChart)
        chart.log_scale = not chart.log_scale

    def action_clip(self) -> None:
        """Outliers beyond the rim, or shown."""
        chart = self.query_one(LossChart)
        chart.clips = not chart.clips

    def action_next_chart(self) -> None:
        """The next of the method's charts; where there is room for one chart alone, in place of the loss and back."""
        chart, is_alone = self.query_one(FigureChart), self.has_class("-tabbed")
        if is_alone and not self.has_class("-in-place"):
            self.add_class("-in-place")
            return
        chart.show_next()
        self.set_class(is_alone and chart.at > 0, "-in-place")

    def action_charts(self) -> None:
        """To the loss chart, whose keys are those of both; and back."""
        self.set_focus(None if isinstance(self.focused, StepChart) else self.query_one(LossChart))

    def action_scrub(self, by: int) -> None:
        """The samples of another step."""
        self.query_one(SamplePanel).action_scrub(by)

    def action_panel(self, index: int) -> None:
        """Show one of the panels that share a place."""
        self._show_panel(index)

    def show_log(self) -> None:
        """Show the log, where panels share a place: something has begun that only it tells of."""
        self._show_panel(PANELS.index("log"))

    @on(PanelTabs.Chosen)
    def _on_panel_chosen(self, message: PanelTabs.Chosen) -> None:
        self._show_panel(message.index)

    def lay_out(self, width: int, height: int) -> None:
        """As there is room in so many cells."""
        chosen = layout_for(width, height)
        for layout in LAYOUTS:
            self.set_class(layout == chosen, f"-{layout}")
        self.refresh_bindings()

    def _show_panel(self, index: int) -> None:
        self.query_one(PanelTabs).active = index
        for at in range(len(PANELS)):
            self.set_class(at == index, f"-panel{at}")
