"""The chart of what answers come to: its curves, and what its border says of a step."""

from __future__ import annotations

from cockpit.runs.table import Table
from cockpit.ui.widgets.answer_chart import AnswerChart
from cockpit.ui.widgets.step_window import StepWindow
from tests.ui.drawn import all_text, plain
from tests.ui.stage import Stage


def measured(*rows: tuple[int, float, float]) -> Table:
    table = Table()
    for step, learned, kept in rows:
        values = {"eval_learned": [learned], "eval_kept": [kept], "eval_suite": [(learned + kept) / 2]}
        table.add([step], values)
    return table


async def test_the_border_tells_the_newest_figures_and_those_of_the_step_that_is_read() -> None:
    window = StepWindow()
    chart = AnswerChart(window, classes="pane")
    async with Stage(widgets=[chart]).run_test(size=(70, 16)) as pilot:
        chart.show(Table(), "Nothing was asked.")
        await pilot.pause()
        assert "Nothing was asked." in all_text(chart)
        window.set_planned(100)
        window.set_newest(50)
        chart.show(measured((0, 0.0, 1.0), (20, 0.5, 1.0), (40, 1.0, 0.5)), "")
        await pilot.pause()
        assert plain(chart.border_title) == "answers · step 40"
        assert plain(chart.border_subtitle) == "learned 100 % · kept 50 % · suite 75 %"
        chart.focus()
        window.put_cursor(39)
        await pilot.pause()
        assert plain(chart.border_title) == "answers · step 20"
        assert plain(chart.border_subtitle) == "learned 50 % · kept 100 % · suite 75 %"
        window.put_cursor(1)
        await pilot.pause()
        assert plain(chart.border_title) == "answers · before training"
        drawn = all_text(chart)
        assert "100 %" in drawn and "0 %" in drawn
        assert drawn.count("◆") == 6, "three of what was learned, three of what was kept"


async def test_where_there_is_no_room_the_first_figures_are_told() -> None:
    window = StepWindow()
    chart = AnswerChart(window, classes="pane")
    async with Stage(widgets=[chart]).run_test(size=(33, 12)) as pilot:
        window.set_planned(100)
        window.set_newest(20)
        chart.show(measured((0, 0.0, 1.0), (20, 1.0, 0.5)), "")
        await pilot.pause()
        assert plain(chart.border_subtitle) == "learned 100 % · kept 50 %"
