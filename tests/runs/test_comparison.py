"""Runs beside each other: figures, curves by steps, tokens and seconds, the last answers."""

from pathlib import Path

from cockpit.protocol.event_log import EventWriter
from cockpit.protocol.events import AnswerJudged
from cockpit.runs.comparison import MOST_POINTS, Compared, Said, differing, thinned
from cockpit.runs.folder import RunDir
from tests.recording import record


def compared(run: RunDir) -> Compared:
    found = Compared(run)
    for _ in found.read():
        pass
    return found


def test_curves_count_by_steps_tokens_and_seconds(tmp_path: Path) -> None:
    found = compared(record(tmp_path, steps=40))
    steps = found.state.steps
    assert found.curve("training", "steps") == list(zip(steps.step, steps.metrics["loss"], strict=True))
    tokens = found.curve("training", "tokens")
    assert [x for x, _ in tokens] == list(steps.metrics["trained_tokens"])
    seconds = [x for x, _ in found.curve("training", "seconds")]
    assert seconds[0] == steps.step_time_s[0]
    assert abs(seconds[-1] - seconds[0] - (steps.at[-1] - steps.at[0])) < 1e-6  # type: ignore[operator]
    held_out = found.curve("held-out", "steps")
    assert [x for x, _ in held_out] == list(found.state.held_out.step) and held_out[0][0] == 0


def test_long_curves_are_means() -> None:
    points = [(float(at), float(at % 2)) for at in range(4 * MOST_POINTS)]
    found = thinned(points)
    assert len(found) == MOST_POINTS
    assert found[0] == (1.5, 0.5) and found[-1][1] == 0.5


def test_what_was_answered_last_and_whether_it_was_right(tmp_path: Path) -> None:
    run = record(tmp_path, steps=40)
    log = EventWriter(run.events)
    for step, text in ((20, "No."), (40, "Aye.")):
        log.append(
            AnswerJudged(
                step=step, half="learned", index=0, title="Is it?", text=text, end="end_of_turn", new_tokens=2,
                passed=step == 40,
            )
        )  # fmt: skip
    assert compared(run).answers() == {"learned: Is it?": Said("Aye.", True)}


def test_fields_that_could_not_be_read_differ_from_none() -> None:
    assert differing([{"a": 1, "b": 2}, {"a": 1, "b": 3}, {}]) == ["b"]
