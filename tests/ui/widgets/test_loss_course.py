"""What the chart of the loss shows: without outliers, smoothed without lag, with every spike, and read step by step."""

import math
import random
from collections.abc import Iterable

import pytest

from cockpit.protocol import events as ev
from cockpit.runs.state import RunState
from cockpit.ui.widgets.axis import StepAxis
from cockpit.ui.widgets.loss_chart import LossChart
from cockpit.ui.widgets.loss_course import LossCourse, Reading, smoothing_span
from cockpit.ui.widgets.loss_readout import readout
from cockpit.ui.widgets.value_range import without_outliers
from tests.ui.drawn import rows_of


def run_of(losses: Iterable[float | None], held_out: dict[int, float] | None = None) -> RunState:
    """A run with these losses of step 1, 2 ..., and evaluations by step."""
    state = RunState()
    state.take(
        ev.StepEnded(step=step, total_steps=0, epoch=0, step_time_s=1, at=step, metrics={"loss": loss})
        for step, loss in enumerate(losses, 1)
    )
    for step, loss in (held_out or {}).items():
        state.apply(ev.Evaluated(step=step, duration_s=1, metrics={"eval_loss": loss}))
    return state


def course_of(state: RunState) -> LossCourse:
    return LossCourse(state.steps, state.held_out)


def smoothed(state: RunState, planned: int, dots: int = 240) -> list[float | None]:
    """Of each step from 1 on."""
    course, axis = course_of(state), StepAxis(0, planned, dots)
    shown = course.shown(0, planned, log=False, clips=True)
    assert shown is not None
    found = course.smoothed(axis, shown)
    return [found[axis.dot(step)] for step in range(1, state.step + 1)]


def test_the_span_of_smoothing_grows_with_the_run() -> None:
    assert [smoothing_span(steps) for steps in (0, 1, 30, 60, 130, 300, 700, 20_000, 10**6)] == [
        1, 1, 1, 3, 7, 15, 30, 1000, 50_000
    ]  # fmt: skip


@pytest.mark.parametrize("steps", [20, 60, 87, 300, 700, 5000])
@pytest.mark.parametrize("share_done", [0.3, 1.0])
def test_smoothing_does_not_lag_so_held_out_losses_lie_where_they_are(steps: int, share_done: float) -> None:
    """A loss that falls from 4 to 1, and held-out losses that are higher by 0.1 at every step."""
    true = [1.0 + 3.0 * math.exp(-step / (steps * 0.15)) for step in range(1, int(steps * share_done) + 1)]
    off = [(mean or 0.0) - loss for mean, loss in zip(smoothed(run_of(true), steps), true, strict=True)]
    settled = off[len(off) // 8 :]
    assert max(settled) < 0.1, "training is never drawn above what is held out"
    assert min(settled) > -0.1


def test_outliers_are_left_out_of_the_smoothed_loss_once_they_are_known_to_be_some() -> None:
    losses = [2.0 + 0.1 * math.sin(step) for step in range(400)]
    losses[200] = 143.2
    assert max(mean or 0.0 for mean in smoothed(run_of(losses), 400)) < 2.2
    assert (smoothed(run_of(losses[:201]), 400)[-1] or 0.0) > 10, "it may be the beginning of something"
    assert (smoothed(run_of([*losses[:300], *[14.1] * 40]), 400)[-1] or 0.0) > 10


def test_outliers_do_not_set_the_range_and_are_told() -> None:
    noise = random.Random(2)
    usual = [2.0 + noise.gauss(0, 0.1) for _ in range(300)]
    usual[100], usual[120] = 143.2, 60.0
    shown = course_of(run_of(usual)).shown(0, 300, log=False, clips=True)
    assert shown is not None and shown.above == 143.2 and shown.below is None and shown.high < 3
    everything = course_of(run_of(usual)).shown(0, 300, log=False, clips=False)
    assert everything is not None and (everything.high, everything.above) == (143.2, None)
    diverged = course_of(run_of([*usual[:90], *[14.1] * 10])).shown(0, 100, log=False, clips=True)
    assert diverged is not None and (diverged.high, diverged.above) == (14.1, None)
    part = course_of(run_of(usual)).shown(200, 300, log=False, clips=True)
    assert part is not None and part.above is None


def test_no_value_of_a_long_run_is_told_as_an_outlier_because_it_is_not_in_the_sample() -> None:
    noise = random.Random(4)
    losses = [2.0 + noise.gauss(0, 0.1) for _ in range(20_000)]
    shown = course_of(run_of(losses)).shown(0, 20_000, log=False, clips=True)
    assert shown is not None and (shown.low, shown.high) == (min(losses), max(losses))
    assert (shown.below, shown.above) == (None, None)


def test_the_newest_held_out_loss_is_always_shown() -> None:
    shown = course_of(run_of([2.0, 2.1] * 100, {50: 2.1, 200: 30.0})).shown(0, 200, log=False, clips=True)
    assert shown is not None and shown.high == 30.0


def test_the_log_scale_shows_what_is_above_0_and_tells_of_the_rest() -> None:
    shown = course_of(run_of([1.0, 0.1, 0.01, 0.0])).shown(0, 4, log=True, clips=True)
    assert shown is not None and (shown.low, shown.high, shown.below) == (0.01, 1.0, 0.0)
    assert course_of(run_of([0.0, -1.0])).shown(0, 2, log=True, clips=True) is None
    assert course_of(run_of([None, None])).shown(0, 2, log=False, clips=True) is None


@pytest.mark.parametrize(
    ("values", "wanted"),
    [
        ([], None),
        ([5.0], (5.0, 5.0)),
        ([1.0, 2.0, 99.0], (1.0, 99.0)),  # of three values none is an outlier
        ([2.0] * 40 + [50.0], (2.0, 50.0)),
        ([4 - step / 100 for step in range(300)], (1.01, 4.0)),
        ([*[1 + step % 10 / 10 for step in range(100)], 900.0, -900.0], (1.0, 1.9)),
    ],
)
def test_which_values_are_outliers(values: list[float], wanted: tuple[float, float] | None) -> None:
    assert without_outliers(values) == (wanted and pytest.approx(wanted))


def test_distances_on_a_log_scale_are_factors() -> None:
    values = [10 ** (step % 10 / 10) for step in range(100)] + [3e3, 1e9]
    assert without_outliers(values, log=True) == (1.0, 3e3)
    assert without_outliers(values) == (1.0, 10**0.9)


@pytest.mark.parametrize("clips", [True, False])
def test_no_spike_vanishes_however_long_the_run(clips: bool) -> None:
    losses, spike = [2.0 + step % 7 / 100 for step in range(60_000)], 34_567
    losses[spike - 1] = 50.0
    state, chart = run_of(losses), LossChart()
    chart.clips = clips
    chart.set_total(60_000)
    chart.set_course(state.steps, state.held_out)
    top, *others = rows_of(chart.draw(80, 20))
    left = others[0].index("│") + 1
    column = round(spike / 60_000 * (80 - left - 1)) + left
    assert [at for at, sign in enumerate(top) if at >= left and (sign == "↑" if clips else sign != " ")] == [column]


@pytest.mark.parametrize(("every", "marks"), [(60, range(10, 11)), (2, range(5, 12))])
def test_many_held_out_losses_are_a_curve_with_a_mark_at_the_newest(every: int, marks: range) -> None:
    held_out = {step: 4.0 + step / 600 for step in range(every, 601, every)}
    state, chart = run_of([2.0 + step % 2 for step in range(600)], held_out), LossChart()
    chart.set_total(600)
    chart.set_course(state.steps, state.held_out)
    rows = rows_of(chart.draw(80, 20))
    columns = [at for row in rows for at, sign in enumerate(row) if sign == "◆"]
    assert len(columns) in marks and max(columns) == 79
    left = rows[1].index("│") + 1
    drawn = {at for row in rows[:9] for at, sign in enumerate(row) if at >= left and sign != " "}  # above all training
    assert (len(drawn) == 80 - left) is (every == 2)


def test_steps_lie_in_the_columns_that_a_table_has_them_in() -> None:
    state = run_of([float(step) for step in range(1, 1001)])
    for first, last, dots in ((0, 1000, 150), (0, 1400, 61), (300, 316, 150), (17, 950, 2)):
        axis = StepAxis(first, last, dots)
        extents = state.steps.extents("loss", first, last, dots)
        for step in range(max(1, first), min(1000, last) + 1):
            begin, end = axis.steps_beside(step)
            assert extents[axis.dot(step)] == (max(1, begin), min(1000, end)) and begin <= step <= end
        assert axis.step(axis.dot(last)) == last and axis.step(-5) == first


def test_a_step_is_read_with_all_that_was_measured_there() -> None:
    course = course_of(run_of([1.5, 1.25, None, 1.0], {0: 4.0, 2: 1.75}))
    assert course.reading(2, (2, 2), 1.3) == Reading(2, 1.25, None, 1.3, (2, 1.75), None)
    assert course.reading(1, (1, 2), None) == Reading(1, 1.5, (1.25, 1.5), None, (0, 4.0), None)
    assert math.isnan(course.reading(3, (3, 3), None).loss or 0.0)
    assert course.reading(9, (9, 9), None) == Reading(9, None, None, None, (2, 1.75), None)


def test_a_reading_is_written_in_as_much_room_as_there_is() -> None:
    found = Reading(1264, 1.31, (1.12, 14.1), 1.284, (1200, 1.35), 1.18e-4)

    def written(cells: int) -> str:
        return " · ".join(figure.plain for figure in readout(found, "loss", cells))

    assert written(100) == (
        "step 1,264 · loss 1.310 (1.120 to 14.100) · smoothed 1.284 · ◆ 1.350 at 1,200 · rate 1.18e-4"
    )
    assert written(76) == "step 1,264 · loss 1.310 · smoothed 1.284 · ◆ 1.350 at 1,200 · rate 1.18e-4"
    assert written(56) == "step 1,264 · loss 1.310 · smoothed 1.284 · ◆ 1.350"
    assert written(10) == "step 1,264 · loss 1.310 · ◆ 1.350"
