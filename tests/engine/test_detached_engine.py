"""The engine as a process of its own, for real: standby, training through Unsloth, chat, every way to go."""

from __future__ import annotations

import os
import signal
import stat
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from cockpit.launch.engines import EngineKey, StartedEngine, start_chat_engine, start_engine, start_standby
from cockpit.paths import standby_folder
from cockpit.protocol.commands import Chat, Stop, Train
from cockpit.protocol.events import (
    AdapterSaved,
    CommandAnswered,
    EngineExited,
    EngineStarted,
    Evaluated,
    MachineRead,
    ModelUnloaded,
    PhaseProgressed,
    ReplyEnded,
    ReplyGrew,
    ReplyStarted,
    RunEnded,
    RunStarted,
    StepEnded,
)
from cockpit.runs.folder import RunDir
from cockpit.runs.link import new_command_id
from tests.engine import tiny
from tests.engine.conftest import cockpit_home, kill
from tests.engine.follower import Follower
from tests.engine.warm_stack import WarmStack

PROMPT = "what is the name of red 3"
UNSLOTH = EngineKey("unsloth", "none")
PLAIN = EngineKey("transformers", "none")


class Finished(Follower):
    """A run through a standby, trained by Unsloth, ready for chat."""

    def __init__(self, started: StartedEngine, recipe: str) -> None:
        super().__init__(started.link)
        self.started = started
        self.standby = started.link.run.path
        self.until_phase("standby")
        self.run = started.train(recipe, "tiny run", ["cockpit", "train", "tiny"])
        self.until_phase("ready")


@pytest.fixture(scope="module")
def warm(folder: Path, plain_stack: WarmStack) -> Iterator[StartedEngine]:
    """A standby of plain transformers."""
    with cockpit_home(folder / "home"), plain_stack.starts_engines():
        started = start_standby(PLAIN)
    yield started
    kill(started)


@pytest.fixture(scope="module")
def finished(folder: Path, model: Path, rows: Path) -> Iterator[Finished]:
    with cockpit_home(folder / "home"):
        started = start_standby(UNSLOTH)
        try:
            changes: dict[str, Any] = {
                "training__max_steps": 12,
                "training__eval_steps": 5,
                "model__max_seq_length": 256,
            }
            run = Finished(started, tiny.recipe_text(model, rows, **changes))
        except BaseException:
            kill(started)
            raise
    yield run
    kill(started)


def test_the_standby_moved_to_its_run(finished: Finished) -> None:
    assert not finished.standby.exists()
    assert finished.run.path.is_dir()
    assert finished.run.id.startswith("tiny-run-")
    (started,) = finished.all(RunStarted)
    assert (started.run_id, started.recipe_name) == (finished.run.id, "tiny run")
    assert started.command == ["cockpit", "train", "tiny"]
    assert finished.link.liveness() == "alive"
    assert stat.S_IMODE(finished.run.path.stat().st_mode) == 0o700


def test_every_phase_and_step_is_told_in_order(finished: Finished) -> None:
    assert finished.phases() == [
        *("importing", "standby", "loading_model", "preparing_data", "evaluating", "compiling", "training"),
        *("evaluating", "training", "evaluating", "training", "evaluating"),
        *("saving", "saving", "ready"),  # the end's checkpoint, and the adapter
    ]
    assert [event.step for event in finished.all(StepEnded)] == list(range(1, 13))
    assert [event.step for event in finished.all(Evaluated)] == [0, 5, 10, 12]
    assert finished.all(StepEnded)[-1].figures["loss"] < finished.all(StepEnded)[0].figures["loss"]
    assert [event.outcome for event in finished.all(RunEnded)] == ["completed"]
    assert len(finished.all(AdapterSaved)) == 1
    packages = [event for event in finished.all(PhaseProgressed) if event.unit == "packages"]
    assert packages[-1].total == 6
    readings = finished.all(MachineRead)
    assert readings[-1].rss_mib > 100 and readings[-1].gpus == []
    of_the_run = [event.seq for event in finished.events if not isinstance(event, MachineRead | ReplyGrew)]
    assert of_the_run[:20] == list(range(20))


def test_the_log_says_what_libraries_print(finished: Finished) -> None:
    log = finished.run.engine_log.read_text()
    assert "training on CPU" in log
    assert "it/s]" not in log and "Traceback" not in log


def test_the_saved_adapter_answers_like_the_engine_through_plain_transformers(finished: Finished, model: Path) -> None:
    """Base and tuned, greedy: the very tokens that transformers and peft give for base + adapter."""
    import torch
    from peft import PeftModel
    from transformers import AutoModelForCausalLM, AutoTokenizer

    tuned, ended = finished.ask(PROMPT, do_sample=False, max_new_tokens=24)
    base, base_ended = finished.ask(PROMPT, do_sample=False, max_new_tokens=24, adapter=False)
    assert tuned != base
    tokenizer = AutoTokenizer.from_pretrained(finished.run.adapter)
    text = tokenizer.apply_chat_template(
        [{"role": "user", "content": PROMPT}], tokenize=False, add_generation_prompt=True, enable_thinking=False
    )
    ids = tokenizer(text, add_special_tokens=False, return_tensors="pt")
    plain = AutoModelForCausalLM.from_pretrained(model, dtype=torch.float32)

    def greedy(any_model: torch.nn.Module) -> tuple[str, int]:
        drawn = any_model.generate(**ids, do_sample=False, max_new_tokens=24)[0, ids["input_ids"].shape[1] :]
        return tokenizer.decode(drawn, skip_special_tokens=True), len(drawn)

    assert greedy(plain) == (base, base_ended.new_tokens)
    assert greedy(PeftModel.from_pretrained(plain, str(finished.run.adapter))) == (tuned, ended.new_tokens)
    assert ended.prompt_tokens == ids["input_ids"].shape[1]


def test_tuned_and_base_at_the_same_time_answer_as_each_alone(finished: Finished) -> None:
    """Unsloth keeps the keys and values of the reply in hand in the model itself."""
    greedy: dict[str, Any] = {"do_sample": False, "max_new_tokens": 150}
    alone = {adapter: finished.ask(PROMPT, adapter=adapter, **greedy)[0] for adapter in (True, False)}
    assert finished.ask_both(PROMPT, **greedy) == alone
    before = len(finished.events)
    assert finished.ask_both(PROMPT, **greedy) == alone
    told = [event for event in finished.events[before:] if isinstance(event, ReplyStarted | ReplyEnded)]
    base, tuned = (event for event in told if isinstance(event, ReplyStarted))
    assert [event.command_id for event in told].index(tuned.command_id) == 1, "one has begun before the other is whole"
    assert (base.adapter, tuned.adapter) == (False, True)


def test_sampling_draws(finished: Finished) -> None:
    replies = {finished.ask(PROMPT, temperature=5.0, top_p=1.0, top_k=0, max_new_tokens=16)[0] for _ in range(3)}
    assert len(replies) > 1


def test_another_run_is_refused(finished: Finished) -> None:
    answer = finished.send(Train(id=new_command_id(), run_id="another", command=[]))
    assert not answer.accepted
    with pytest.raises(ValueError, match="has an engine already"):
        start_chat_engine(finished.run, UNSLOTH)


def test_a_killed_engine_is_lost_and_its_run_can_be_asked_again(finished: Finished, unsloth_stack: WarmStack) -> None:
    """Last in this module that uses the run: its engine is killed, and another one goes on in the same logs."""
    tuned, _ = finished.ask(PROMPT, do_sample=False, max_new_tokens=24)
    finished.started.process.kill()
    finished.started.process.wait(60)
    assert finished.link.liveness() == "lost"
    before = len(finished.events)
    with unsloth_stack.starts_engines():
        again = start_chat_engine(finished.run, UNSLOTH)
    try:
        follower = Follower(again.link, again.process)
        follower.until(lambda: follower.state.engine is not None and follower.state.engine.pid == again.process.pid)
        follower.until_phase("ready")
        assert follower.ask(PROMPT, do_sample=False, max_new_tokens=24)[0] == tuned
        again.process.terminate()
        follower.until_exited()
        assert again.process.wait(60) == 0
    finally:
        kill(again)
    assert len(follower.events) > before
    assert [event.outcome for event in follower.all(RunEnded)] == ["completed"]
    assert len(follower.all(EngineStarted)) == 2
    assert len(follower.all(ModelUnloaded)) == 1
    assert isinstance(follower.all(EngineExited)[-1], EngineExited)
    assert follower.link.liveness() == "exited"


def test_sigterm_finishes_the_step_saves_and_ends(folder: Path, model: Path, rows: Path, warm: StartedEngine) -> None:
    """Also: a hang-up, an interrupt and the end of its starter's pipe change nothing once it trains."""
    recipe = tiny.recipe_text(model, rows, backend="transformers", training__max_steps=10**6)
    with cockpit_home(folder / "home"):
        run = warm.train(recipe, "terminated", [])
    follower = Follower(warm.link)
    follower.until(lambda: follower.state.step >= 1)
    os.kill(warm.process.pid, signal.SIGHUP)
    os.kill(warm.process.pid, signal.SIGINT)
    warm.dismiss()
    reached = follower.state.step + 2
    follower.until(lambda: follower.state.step >= reached)
    warm.process.terminate()
    follower.until_exited()
    assert warm.process.wait(60) == 0
    (ended,) = follower.all(RunEnded)
    assert (ended.outcome, ended.step) == ("stopped", follower.state.step)
    assert (run.adapter / "adapter_config.json").is_file()
    assert isinstance(follower.events[-1], EngineExited)
    assert follower.link.liveness() == "exited"


def test_a_standby_ends_with_who_started_it(home: Path) -> None:
    started = start_standby(UNSLOTH)
    follower = Follower(started.link)
    follower.until_phase("importing")
    started.dismiss()
    assert started.process.wait(60) == 0
    assert list(standby_folder().iterdir()) == []


def test_stop_while_importing_ends_at_once(home: Path, model: Path, rows: Path) -> None:
    started = start_engine(PLAIN, "early")
    started.train(tiny.recipe_text(model, rows, backend="transformers"), "early", [])
    try:
        follower = Follower(started.link)
        follower.until(lambda: bool(follower.all(RunStarted)))
        started.link.send(Stop(id=new_command_id()))
        follower.until_exited()
        assert started.process.wait(60) == 0
    finally:
        kill(started)
    assert follower.phases() == ["importing"]
    assert [(event.outcome, event.step) for event in follower.all(RunEnded)] == [("stopped", 0)]


def test_a_standby_takes_no_chat_and_no_bad_run_id(home: Path) -> None:
    started = start_standby(PLAIN)
    try:
        follower = Follower(started.link)
        follower.until_phase("importing")
        chat = Chat(id=new_command_id(), messages=[{"role": "user", "content": "hi"}])
        assert not follower.send(chat).accepted
        RunDir.create(started.link.run.path.parent.parent / "runs" / "taken")
        for bad in ("../out", "taken", ""):
            answer = follower.send(Train(id=new_command_id(), run_id=bad, command=[]))
            assert not answer.accepted and answer.text.endswith((".", "already."))
        assert len(follower.all(CommandAnswered)) == 4
    finally:
        started.dismiss()
        kill(started)
