"""The charts of a run, mounted alone."""

import pytest
from textual.color import Color

from cockpit.protocol import events as ev
from cockpit.runs.state import RunState
from cockpit.ui.themes import THEMES
from cockpit.ui.widgets.loss_chart import LossChart
from cockpit.ui.widgets.run_schedule import RunSchedule
from cockpit.ui.widgets.schedule_chart import schedule_title, short_rate
from cockpit.ui.widgets.step_window import StepWindow
from tests.ui.colours import contrast
from tests.ui.drawn import all_text, plain, rows_of, steps_to, text_of
from tests.ui.stage import Stage
from tests.ui.waiting import until


async def test_loss_chart_shows_real_numbers_legend_and_last_value() -> None:
    chart = LossChart()
    async with Stage(widgets=[chart]).run_test(size=(80, 20)) as pilot:
        await until(pilot, lambda: "No step" in all_text(chart))
        state = steps_to(80)
        chart.set_total(100)
        for at, loss in ((0, 3.5), (50, 2.2)):
            state.apply(ev.Evaluated(step=at, duration_s=1, metrics={"eval_loss": loss}))
        chart.set_course(state.steps, state.held_out)
        await pilot.pause()
        text = all_text(chart)
        assert "2.013" in text  # the smoothed loss of the last step
        assert text.count("◆") == 2 and "100" in text
        assert plain(chart.border_subtitle) == "raw · smoothed over 5 · ◆ held out"


async def test_loss_chart_takes_in_only_what_is_new_and_starts_anew_after_a_resume() -> None:
    chart = LossChart()

    def is_drawn_of_all(state: RunState) -> bool:
        anew = LossChart()
        anew.set_course(state.steps, state.held_out)
        return rows_of(chart.draw(80, 20)) == rows_of(anew.draw(80, 20))

    async with Stage(widgets=[chart]).run_test(size=(80, 20)):
        state = steps_to(50)
        chart.set_course(state.steps, state.held_out)
        state.apply(ev.StepEnded(step=51, total_steps=100, epoch=1, step_time_s=1, at=51, metrics={"loss": 9.0}))
        chart.set_course(state.steps, state.held_out)
        assert is_drawn_of_all(state)
        assert "↑ up to 9.000" in plain(chart.border_subtitle)
        for step in range(30, 60):  # a new attempt goes back, past where the old one was
            event = ev.StepEnded(
                step=step, total_steps=100, epoch=1, step_time_s=1, at=100 + step, metrics={"loss": 1.0}
            )
            state.apply(event)
        chart.set_course(state.steps, state.held_out)
        assert is_drawn_of_all(state)
        assert "↑" not in plain(chart.border_subtitle)


async def test_loss_chart_switches_to_a_log_scale_and_copes_with_what_it_cannot_show() -> None:
    chart = LossChart()
    async with Stage(widgets=[chart]).run_test(size=(80, 20)) as pilot:
        state = steps_to(20)
        for step, loss in ((21, float("nan")), (22, 0.0), (23, float("inf"))):
            event = ev.StepEnded(step=step, total_steps=100, epoch=1, step_time_s=1, at=step, metrics={"loss": loss})
            state.apply(event)
        chart.set_course(state.steps, state.held_out)
        chart.log_scale = True
        await pilot.pause()
        assert str(chart.border_title) == "loss · log scale"
        assert plain(chart.border_subtitle).endswith("× NaN since step 23")
        assert any("⠤" in line or "⣀" in line or "⠒" in line for line in text_of(chart))


def step(number: int, loss: float | None) -> ev.StepEnded:
    return ev.StepEnded(step=number, total_steps=100, epoch=1, step_time_s=1, at=number, metrics={"loss": loss})


async def test_loss_chart_breaks_where_the_loss_is_no_number_and_marks_where_that_began() -> None:
    chart = LossChart()
    async with Stage(widgets=[chart]).run_test(size=(80, 20)) as pilot:
        state = steps_to(49)
        for number in range(50, 101):
            state.apply(step(number, None if number < 76 else 2.0))
        chart.set_total(100)
        chart.set_course(state.steps, state.held_out)
        await pilot.pause()
        rows = [line.ljust(80)[6:] for line in text_of(chart)[:-1]]
        crosses = [row.index("×") for row in rows if "×" in row]
        assert len(crosses) == 1
        after = crosses[0] + 1
        drawn = [any(row[column] not in " │┤" for row in rows) for column in range(74)]
        assert all(drawn[1:after])
        assert not any(drawn[after : after + 15])
        assert plain(chart.border_subtitle).endswith("× NaN at 26 steps")
        for at, loss in ((0, 4.0), (90, None)):
            state.apply(ev.Evaluated(step=at, duration_s=1, metrics={"eval_loss": loss}))
        chart.set_course(state.steps, state.held_out)
        await pilot.pause()
        assert all_text(chart).count("×") == 2


async def test_loss_chart_of_a_loss_that_never_was_a_number_says_so() -> None:
    chart = LossChart()
    async with Stage(widgets=[chart]).run_test(size=(80, 20)) as pilot:
        state = steps_to(0)
        state.apply(step(1, None))
        state.apply(step(2, None))
        chart.set_course(state.steps, state.held_out)
        await pilot.pause()
        assert "The loss is not a finite number since step 1." in all_text(chart)


@pytest.mark.parametrize("size", [(1, 1), (3, 2), (8, 4), (300, 100)])
async def test_charts_draw_at_any_size(size: tuple[int, int]) -> None:
    window = StepWindow()
    loss, schedule = LossChart(window), RunSchedule(window)
    state = steps_to(40)
    state.apply(step(41, None))
    loss.set_course(state.steps, state.held_out)
    schedule.set_plan([1e-4 * step for step in range(1000)])
    schedule.set_used(state.steps)
    for chart in (loss, schedule):
        canvas = chart.draw(*size)
        assert (canvas.width, canvas.height) == size


@pytest.mark.parametrize(
    "losses", [[0.0], [1e308, 1.0], [-1e308, 1e308], [5e-324, 1.0], [1e-300, 1e300], [-1.0, 0.0, 2.0], [None, 3e-7]]
)
@pytest.mark.parametrize("log_scale", [False, True])
async def test_charts_draw_whatever_was_measured(losses: list[float | None], log_scale: bool) -> None:
    window = StepWindow()
    loss, schedule = LossChart(window), RunSchedule(window)
    schedule.set_plan([1e-4] * 90)
    state = steps_to(0)
    for number in range(1, 61):
        state.apply(step(number, losses[number % len(losses)]))
        if number % 20 == 0:
            state.apply(ev.Evaluated(step=number, duration_s=1, metrics={"eval_loss": losses[-1]}))
    loss.log_scale = log_scale
    window.read(True)
    for clips in (True, False):
        loss.clips = clips
        for size in ((70, 12), (5, 3)):
            loss.set_course(state.steps, state.held_out)
            schedule.set_used(state.steps)
            assert all(len(rows_of(chart.draw(*size))) == size[1] for chart in (loss, schedule))
            window.zoom(0.5)


async def test_the_present_stands_at_one_column_in_both_charts() -> None:
    window = StepWindow()
    loss, schedule = LossChart(window), RunSchedule(window)
    state = steps_to(87)
    schedule.set_plan([1.5e-4] * 700)
    schedule.set_used(state.steps)
    loss.set_course(state.steps, state.held_out)
    async with Stage(widgets=[loss, schedule]).run_test(size=(120, 40)) as pilot:
        await until(pilot, lambda: "┃" in all_text(schedule))
        for shown in ("700", "175"):
            assert text_of(loss)[-1].split()[-1] == shown
            present = {line.index("┃") for line in text_of(schedule) if "┃" in line}
            newest = max(at for line in text_of(loss)[:-1] for at, sign in enumerate(line) if "⠀" < sign <= "⣿")
            assert present == {newest}
            assert text_of(loss)[-1] == text_of(schedule)[-1]
            window.zoom(0.25)
            await pilot.pause()


async def test_the_planned_rate_and_on_top_what_was_used() -> None:
    chart = RunSchedule()
    async with Stage(widgets=[chart]).run_test(size=(80, 20)) as pilot:
        await until(pilot, lambda: "not known yet" in all_text(chart))
        chart.set_plan([2e-4 * (1 - step / 100) for step in range(100)])
        await pilot.pause()
        assert "2e-4" in all_text(chart) and "┃" not in all_text(chart)
        assert plain(chart.border_subtitle) == "planned"
        state = steps_to(50)
        chart.set_used(state.steps)
        await pilot.pause()
        assert "1.00e-4" in all_text(chart) and "┃" in all_text(chart) and "◆" in all_text(chart)
        assert plain(chart.border_subtitle) == "planned · used"
        drawn = {segment.style for y in range(18) for segment in chart.render_line(y) if segment.text.strip()}
        for name in ("schedule-chart--plan", "run-schedule--used"):
            assert chart.get_component_rich_style(name) in drawn, name
        state.apply(
            ev.StepEnded(step=51, total_steps=100, epoch=1, step_time_s=1, at=51, metrics={"learning_rate": None})
        )
        chart.set_used(state.steps)
        await pilot.pause()
        assert "1.00e-4" in all_text(chart) and "┃" in all_text(chart), "the planned rate"
        chart.set_plan([], "Count the rows first.")
        await pilot.pause()
        assert "┃" in all_text(chart) and "Count the rows first." not in all_text(chart), "what was used is still drawn"


async def test_a_rate_that_is_neither_planned_nor_used_says_why() -> None:
    chart = RunSchedule()
    async with Stage(widgets=[chart]).run_test(size=(80, 20)) as pilot:
        chart.set_plan([], "Count the rows first.")
        await until(pilot, lambda: "Count the rows first." in all_text(chart))


async def test_all_that_is_drawn_can_be_told_from_the_ground_in_both_themes() -> None:
    window = StepWindow()
    charts = LossChart(window, classes="pane"), RunSchedule(window, classes="pane")
    async with Stage(widgets=charts).run_test() as pilot:
        for theme in THEMES:
            pilot.app.theme = theme.name
            await pilot.pause()
            for chart in charts:
                ground = chart.background_colors[1]
                inks = {name: chart.get_component_rich_style(name).color for name in chart.INKS}
                ratios = {name: contrast(Color.from_rich_color(ink), ground) for name, ink in inks.items() if ink}
                assert len(ratios) == len(inks) and min(ratios.values()) >= 3, (theme.name, ratios)
            inks = {
                name: charts[0].get_component_rich_style(f"loss-chart--{name}").color for name in ("raw", "smoothed")
            }
            assert inks["raw"] != inks["smoothed"]


def test_titles_of_the_schedule() -> None:
    assert schedule_title("linear", 5) == "learning rate · linear, 5 warm-up steps"
    assert schedule_title("constant_with_warmup", 1) == "learning rate · constant with warmup, 1 warm-up step"
    assert schedule_title("greedy", 0, 55, 100) == "learning rate · greedy, from step 56 on as evaluations go"
    assert schedule_title("cosine", 2, 100, 100) == "learning rate · cosine, 2 warm-up steps"
    assert [short_rate(rate) for rate in (0, 2e-4, 1.5e-4, 1e-10)] == ["0", "2e-4", "1.5e-4", "1e-10"]
