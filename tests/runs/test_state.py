from itertools import count
from math import isnan

import pytest

from cockpit.protocol import events as ev
from cockpit.runs.state import RunState


class Counted(float):
    """A number that counts what is calculated with it."""

    calculations = 0

    def __add__(self, other: float) -> float:
        Counted.calculations += 1
        return float(self) + other

    def __mul__(self, other: float) -> float:
        Counted.calculations += 1
        return float(self) * other

    __radd__, __rmul__ = __add__, __mul__


def step(
    number: int, loss: float | None = 1.0, at: float = 0.0, took_s: float = 2.0, tokens: float = 0, attempt: int = 1
) -> ev.StepEnded:
    metrics = {"tokens_seen": tokens} | ({"loss": loss} if loss is not None else {})
    return ev.StepEnded(
        step=number, total_steps=10, epoch=number / 10, step_time_s=took_s, metrics=metrics, at=at, attempt=attempt
    )


def planned(steps: int = 10) -> ev.TrainingPlanned:
    return ev.TrainingPlanned(total_steps=steps, steps_per_epoch=5, trainable_parameters=1, total_parameters=2)


def state_after(*events: ev.AnyEvent) -> RunState:
    state = RunState()
    for event in events:
        state.apply(event)
    return state


def test_nothing_is_known_at_first() -> None:
    state = RunState()
    assert (state.step, state.total_steps, state.eta(), state.tokens_per_s(), state.elapsed_s) == (
        0,
        None,
        None,
        None,
        None,
    )
    assert not state.can_chat


def test_a_resume_replaces_the_later_steps() -> None:
    state = state_after(
        *(step(n, loss=float(n)) for n in range(1, 7)), *(step(n, loss=10.0 + n, attempt=2) for n in (4, 5))
    )
    assert state.steps.step == [1, 2, 3, 4, 5]
    assert state.steps.metrics["loss"] == [1.0, 2.0, 3.0, 14.0, 15.0]
    assert {len(column) for column in (state.steps.at, state.steps.epoch, state.steps.step_time_s)} == {5}


def test_a_resumed_run_has_no_plan_until_it_is_made_anew() -> None:
    began = ev.EngineStarted(pid=2, host="h", backend="unsloth", attempt=2)
    state = state_after(planned(8), ev.PhaseStarted(phase="training"), *(step(n) for n in range(1, 9)), began)
    assert (state.total_steps, state.eta(), state.phase_s) == (None, None, {})
    assert state.steps.step == list(range(1, 9))
    state.apply(planned(12))
    assert (state.step, state.total_steps) == (8, 12)
    pace = state.eta()
    took = state.steps.step_time_s[-1] or 0.0
    assert pace is not None and pace[0] == pytest.approx(4 * took), "as in the attempt before"


def test_eta_leaves_the_compiling_step_out_and_is_the_median() -> None:
    times = [90.0, 2.0, 2.0, 2.0, 50.0]
    state = state_after(planned(), *(step(n, took_s=took) for n, took in zip(count(1), times, strict=False)))
    eta = state.eta()
    assert eta is not None
    assert eta[0] == pytest.approx(5 * 2.0)
    assert state_after(planned(), step(1, took_s=90), step(2)).eta() is None


def test_eta_counts_what_comes_between_the_steps() -> None:
    evaluated = ev.Evaluated(step=4, duration_s=6.0, metrics={"eval_loss": 1.0})
    steps = [step(n, took_s=2.0, at=100 + 2.0 * n + (6.0 if n > 4 else 0.0)) for n in range(1, 7)]
    state = state_after(planned(), *steps[:4], evaluated, *steps[4:])
    eta = state.eta()
    assert eta is not None
    assert eta[0] == pytest.approx(4 * (2.0 + 6.0 / 5) + 6.0)


def calculations_in(steps: list[int]) -> int:
    """How much is calculated with step times and losses while a run does these steps, its time left asked for each."""
    Counted.calculations = 0
    state = state_after(planned(100_000))
    for number in steps:
        state.apply(step(number, loss=Counted(1.0), took_s=Counted(2.0), at=2.0 * number))
        assert number < 4 or state.eta() == pytest.approx(((100_000 - number) * 2.0, 0.0))
    return Counted.calculations


def test_a_step_costs_no_more_in_a_long_run() -> None:
    few, many = calculations_in(list(range(1, 501))), calculations_in(list(range(1, 5001)))
    assert few >= 500, "what is done is counted"
    assert many <= 10 * few * 1.2


def test_going_back_costs_no_more_in_a_long_run() -> None:
    """As a damaged log may have it, again and again."""
    back_and_forth = [2000, 1999] * 500
    there, both = calculations_in(list(range(1, 2001))), calculations_in([*range(1, 2001), *back_and_forth])
    assert both - there <= there


def test_no_eta_once_it_has_ended() -> None:
    state = state_after(planned(), *(step(n) for n in range(1, 5)), ev.RunEnded(outcome="stopped", step=4))
    assert state.eta() is None


def test_tokens_a_second_over_the_steps_after_the_first() -> None:
    state = state_after(*(step(n, took_s=4.0 if n == 1 else 2.0, tokens=1000.0 * n) for n in range(1, 5)))
    assert state.tokens_per_s() == pytest.approx(500)


def test_a_metric_that_comes_later_has_no_past() -> None:
    late = ev.StepEnded(step=2, total_steps=2, epoch=1, step_time_s=1, metrics={"reward": 1.0})
    state = state_after(step(1), late)
    assert state.steps.metrics["reward"] == [None, 1.0]
    assert state.steps.metrics["loss"] == [1.0, None]
    assert state.steps.latest("loss") == 1.0
    assert state.steps.latest("nothing") is None


def test_a_loss_that_is_null_is_not_a_number_until_one_comes() -> None:
    state = state_after(planned(), *(step(n, loss=3.0, at=2.0 * n, tokens=10.0 * n) for n in range(1, 4)))
    metrics = dict.fromkeys(("loss", "tokens_seen"))
    state.apply(ev.StepEnded(step=4, total_steps=10, epoch=1, step_time_s=2.0, at=8.0, metrics=metrics))
    assert isnan(state.steps.latest("loss") or 0.0)
    assert state.tokens_per_s() is None
    assert state.eta() == pytest.approx((6 * 2.0, 0.0)), "the pace is measured all the same"
    state.apply(step(5, loss=3.0, at=10.0, tokens=50.0))
    assert state.steps.latest("loss") == 3.0


def test_replies_grow_by_their_command() -> None:
    ended = ev.ReplyEnded(command_id="b", end="stopped", prompt_tokens=1, new_tokens=1, duration_s=1, first_token_s=0.1)
    state = state_after(
        ev.ReplyStarted(command_id="a", prompt="p", adapter=True),
        ev.ReplyStarted(command_id="b", prompt="p", adapter=False),
        ev.ReplyGrew(command_id="a", text="Arr"),
        ev.ReplyGrew(command_id="b", text="Hello"),
        ev.ReplyGrew(command_id="a", text="!"),
        ev.ReplyGrew(command_id="unknown", text="?"),
        ended,
    )
    assert [(reply.text, reply.adapter, reply.ended) for reply in state.replies.values()] == [
        ("Arr!", True, None),
        ("Hello", False, ended),
    ]


def test_a_reply_is_counted_and_timed_while_it_grows() -> None:
    begun = ev.ReplyStarted(command_id="a", prompt="p", adapter=True, at=100.0)
    state = state_after(begun)
    reply = state.replies["a"]
    assert (reply.tokens, reply.took_s, reply.tokens_per_s) == (0, 0.0, None)
    state.apply(ev.ReplyGrew(command_id="a", text="Arr", tokens=10, at=102.0))
    state.apply(ev.ReplyGrew(command_id="a", text="!", tokens=250, at=110.0))
    assert (reply.tokens, reply.took_s, reply.tokens_per_s) == (250, 10.0, 25.0)
    whole = ev.ReplyEnded(
        command_id="a", end="end_of_turn", prompt_tokens=1, new_tokens=300, duration_s=10.5, first_token_s=0.1
    )
    state.apply(whole)
    assert (reply.took_s, reply.tokens_per_s) == (10.5, 300 / 10.5)


def test_one_can_chat_only_while_the_model_is_held() -> None:
    ready = ev.PhaseStarted(phase="ready")
    assert state_after(ready).can_chat
    assert not state_after(ready, ev.ModelUnloaded(reason="idle")).can_chat
    assert not state_after(ready, ev.EngineExited(reason="idle")).can_chat
    again = (ev.EngineExited(reason="idle"), ev.EngineStarted(pid=2, host="h", backend="unsloth"))
    assert not state_after(ready, *again).can_chat
    assert state_after(ready, *again, ready).can_chat


def test_elapsed_time_ends_with_the_run() -> None:
    started = ev.RunStarted(
        run_id="r", recipe_name="r", command=[], versions={}, gpus=[], driver="", data_sha256={}, at=100
    )
    assert state_after(started, step(1, at=130)).elapsed_s == 30
    assert state_after(started, step(1, at=130), ev.RunEnded(outcome="completed", step=1, at=140)).elapsed_s == 40


def test_what_the_machine_gave_is_the_attempts_and_readings_after_its_end_are_a_chats() -> None:
    def reading(at: float, used: float, own: float | None = None) -> ev.MachineRead:
        gpu = ev.GpuReading(
            index=0, uuid="G", name="H200", vram_used_mib=used, vram_this_run_mib=own, energy_j=3600 * at
        )
        return ev.MachineRead(
            step=0, gpus=[gpu], cpu_percent=0, rss_mib=used / 2, ram_used_mib=0, ram_total_mib=1, at=at
        )

    state = state_after(
        reading(1, 50, 40), reading(2, 90, 70), reading(3, 60), ev.RunEnded(outcome="failed", step=0, at=4)
    )
    state.apply(reading(5, 99, 99))
    use = state.machine_use
    assert (use.used_mib, use.own_mib, use.rss_mib) == ({"G": 90}, {"G": 70}, 45)
    assert len(state.machine) == 3 and use.energy_wh == 2
    state.apply(ev.EngineStarted(pid=1, host="h", backend="b", attempt=2, at=6))
    state.apply(reading(7, 20, 10))
    assert state.machine_use.used_mib == {"G": 20} and state.machine_use.energy_wh == 0


def test_where_memory_ran_out_the_peak_is_what_was_held_then() -> None:
    gpu = ev.GpuReading(index=0, uuid="G", name="H200", vram_used_mib=40, vram_this_run_mib=30)
    read = ev.MachineRead(step=0, gpus=[gpu], cpu_percent=0, rss_mib=1, ram_used_mib=0, ram_total_mib=1, at=1)
    memory = ev.OutOfMemory(phase="compiling", peak_bytes=100 << 20, others_bytes=10 << 20, total_bytes=120 << 20)
    use = state_after(read, ev.RunEnded(outcome="failed", step=0, memory=memory, at=2)).machine_use
    assert (use.used_mib, use.own_mib) == ({"G": 110}, {"G": 100})
    unknown = state_after(read, ev.RunEnded(outcome="failed", step=0, memory=ev.OutOfMemory(phase="x"), at=2))
    assert (unknown.machine_use.used_mib, unknown.machine_use.own_mib) == ({"G": 40}, {"G": 30})


def test_samples_a_second_are_told_by_the_share_of_the_epoch_once_the_rows_are_counted() -> None:
    state = state_after(*(step(number, took_s=2.0) for number in range(1, 6)))
    assert state.samples_per_s() is None
    state.apply(
        ev.DataPrepared(train_rows=80, eval_rows=0, skipped_rows=0, truncated_rows=0, tokens=1, trained_tokens=1)
    )
    assert state.samples_per_s() == pytest.approx(4.0)  # a tenth of 80 rows every 2 s


def test_answers_after_the_step_that_a_resume_begins_with_are_replaced() -> None:
    state = RunState()

    def answered(step: int, kept: float) -> None:
        for half in ("learned", "kept"):
            state.apply(
                ev.AnswerJudged(
                    step=step, half=half, index=0, title="p", text=f"{half} {kept}", end="end_of_turn", new_tokens=1,
                    passed=True,
                )
            )  # fmt: skip
        state.apply(ev.AnswersMeasured(step=step, duration_s=1, answers=2, new_tokens=2, metrics={"eval_kept": kept}))

    for step, kept in ((0, 1.0), (5, 0.5), (10, 0.25)):
        answered(step, kept)
    state.apply(ev.TrainingResumed(step=5, path="checkpoints/checkpoint-5"))
    assert state.answers_measured.step[:] == [0, 5]
    answered(5, 0.75)
    assert state.answers_measured.column("eval_kept") == [1.0, 0.75]
    assert [(one.step, one.text) for one in state.answers_given] == [
        *((0, "learned 1.0"), (0, "kept 1.0"), (5, "learned 0.75"), (5, "kept 0.75")),
    ]
