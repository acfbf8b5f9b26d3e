"""The charts of a method's own figures, and its rows among the figures of the step."""

from __future__ import annotations

from cockpit.protocol.events import Evaluated, StepEnded
from cockpit.recipe.methods.registry import METHODS
from cockpit.runs.state import RunState
from cockpit.runs.steps import Steps
from cockpit.runs.table import Table
from cockpit.ui.widgets.figure_chart import FigureChart
from cockpit.ui.widgets.now_panel import NowPanel, rows_of
from cockpit.ui.widgets.step_window import StepWindow
from tests.ui.drawn import all_text, plain
from tests.ui.stage import Stage

DPO = METHODS["dpo"]
HELD_OUT: dict[str, float | None] = {"eval_loss": 0.1, "eval_rewards/margins": 7.25, "eval_rewards/accuracies": 0.5}


def rewards(step: int) -> dict[str, float | None]:
    """They part as the run goes on."""
    return {
        "loss": 1 / step,
        "rewards/chosen": step / 10,
        "rewards/rejected": -step / 20,
        "rewards/margins": 3 * step / 20,
        "rewards/accuracies": step / 100,
    }


def state_of(steps: int) -> RunState:
    state = RunState()
    for step in range(1, steps + 1):
        state.apply(StepEnded(step=step, total_steps=100, epoch=0.1, step_time_s=1.0, metrics=rewards(step)))
    state.apply(Evaluated(step=steps, duration_s=1.0, metrics=HELD_OUT))
    return state


async def test_the_next_chart_comes_with_each_call_and_marks_are_of_the_held_out_rows() -> None:
    window = StepWindow()
    chart = FigureChart(window, classes="pane")
    async with Stage(widgets=[chart]).run_test(size=(70, 16)) as pilot:
        chart.show(DPO.charts, DPO.figures, Steps(), Table(), "Nothing yet.")
        await pilot.pause()
        assert "Nothing yet." in all_text(chart)
        window.set_planned(100)
        window.set_newest(60)
        state = state_of(60)
        chart.show(DPO.charts, DPO.figures, state.steps, state.held_out, "")
        await pilot.pause()
        assert plain(chart.border_title) == "rewards · 1 of 2"
        assert plain(chart.border_subtitle) == "chosen 6.000 · rejected -3.000 · step 60"
        chart.show_next()
        await pilot.pause()
        assert plain(chart.border_title) == "preferred · 2 of 2"
        assert plain(chart.border_subtitle) == "preferred 0.6000 · step 60"
        assert all_text(chart).count("◆") == 1
        window.put_cursor(20)
        await pilot.pause()
        assert plain(chart.border_subtitle) == "preferred 0.2000 · step 20"
        chart.show_next()
        await pilot.pause()
        assert plain(chart.border_title) == "rewards · 1 of 2"


async def test_the_figures_of_a_method_stand_below_the_loss() -> None:
    rows = {row.label: row for row in rows_of(state_of(60), figures=DPO.figures)}
    assert list(rows)[:6] == ["loss", "held-out loss", "margin", "preferred", "reward chosen", "  of rejected"]
    margin = rows["margin"]
    assert (margin.value, margin.note, margin.direction, margin.falling_is_good) == (
        "9.000",
        "◆ 7.250",
        1,
        False,
    )
    assert rows["  of rejected"].falling_is_good
    assert not {"margin", "preferred"} & {row.label for row in rows_of(state_of(60))}, "sft has none"
    panel = NowPanel(classes="pane")
    async with Stage(widgets=[panel]).run_test(size=(50, 20)) as pilot:
        panel.show(state_of(60), figures=DPO.figures)
        await pilot.pause()
        assert "margin             9.000  ↑ ◆ 7.250" in all_text(panel)
