"""cockpit queue: adding, grids, moving; when a recipe may begin beside others on one card."""

from __future__ import annotations

import errno
import json
import os
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import msgspec
import pytest
from typer.testing import CliRunner, Result

from cockpit.cli import cockpit
from cockpit.cli.queue_runner import QueueRunner
from cockpit.launch import engines
from cockpit.machine.gpu import GpuReport
from cockpit.paths import runs_folder
from cockpit.protocol.event_log import EventWriter
from cockpit.protocol.events import GpuReading, Holder, MachineRead, RunEnded
from cockpit.recipe.document import RecipeDocument
from cockpit.runs.folder import RunDir
from cockpit.runs.liveness import EngineIdentity
from cockpit.runs.queue import Queue
from tests.recording import record

MIB = 1024.0


def call(*arguments: str) -> Result:
    return CliRunner().invoke(cockpit, ["queue", *arguments])


def listed() -> list[dict[str, Any]]:
    return json.loads(call("list", "--json").stdout)  # type: ignore[no-any-return]


def test_recipes_are_added_moved_and_removed() -> None:
    assert "The queue is empty" in call("list").stdout
    assert call("add", "demo", "--set", "lora.r=4").exit_code == 0
    added = call("add", "demo", "--grid", "lora.r=8,16", "--grid", "training.learning_rate=1e-4,2e-4")
    assert added.exit_code == 0
    grid = [f"demo-r-{rank}-learning_rate-{rate}" for rank in (8, 16) for rate in ("1e-4", "2e-4")]
    assert [one["name"] for one in listed()] == ["demo", *grid]
    recipes = [RecipeDocument.parse(entry.recipe, "queued").recipe() for entry in Queue().entries()]
    assert [one.lora.r for one in recipes] == [4, 8, 8, 16, 16]
    assert [one.training.learning_rate for one in recipes[1:]] == [1e-4, 2e-4, 1e-4, 2e-4]
    assert call("move", "5", "1").exit_code == 0
    assert [one["name"] for one in listed()][:2] == [grid[3], "demo"]
    assert call("remove", "1").stdout == f"{grid[3]} is out of the queue.\n"
    assert len(listed()) == 4
    assert call("remove", "nothing").exit_code == 2


def test_nothing_is_added_where_one_is_wrong() -> None:
    assert call("add", "demo", "no-such-recipe").exit_code == 2
    assert call("add", "demo", "--grid", "lora.r=8,0").exit_code == 2
    assert call("add", "demo", "--grid", "lora.r").exit_code == 2
    assert listed() == []
    assert call("add", "demo", "--grid", "lora.r=8,x").stderr.startswith("--grid: lora.r: 'x' is text")
    later = call("add", "demo", "--grid", "lifecycle.deadline=03:50:00,yesterday")
    assert later.stderr.startswith("--grid: lifecycle.deadline: ")
    asked = call("add", "demo", "--set", "lifecycle.deadline=yesterday")
    assert asked.stderr.startswith("--set: lifecycle.deadline: ")


def test_an_empty_queue_says_so() -> None:
    ran = call("run")
    assert ran.exit_code == 0 and ran.stdout.startswith("The queue is empty.")
    assert call("add", "demo").exit_code == 0
    assert call("remove", "").exit_code == 2, "an empty id is not the beginning of the only one"


def test_a_queue_that_cannot_be_written_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    assert call("add", "demo").exit_code == 0

    def refuse(*_: object) -> None:
        raise OSError(errno.EROFS, os.strerror(errno.EROFS))

    monkeypatch.setattr(Queue, "write", refuse)
    monkeypatch.setattr(Queue, "remove", refuse)
    for command in (["add", "demo"], ["move", "1", "1"], ["remove", "1"]):
        refused = call(*command)
        sentence = f"The queue cannot be written: Read-only file system ({Queue().folder}).\n"
        assert (refused.exit_code, refused.stderr) == (1, sentence)


def test_one_process_works_through_it() -> None:
    lock = Queue().take_lock()
    assert call("run").exit_code == 2
    os.close(lock)
    assert call("run").exit_code == 0, "nothing to do"


class Card:
    """One GPU of 40 GiB, or two; `start` stands in for engines: each run begins, and says what it holds."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.used = 500.0
        self.used_of_second: float | None = None
        self.holders: list[Holder] = []
        self.started: list[RunDir] = []
        self.folders: list[object] = []
        """Where functions of the user's own are looked for, of each."""
        self.said: list[str] = []
        monkeypatch.setattr(engines, "start_engine", self.start)
        monkeypatch.setattr("cockpit.preflight.machine.torch_cuda", lambda: None)
        monkeypatch.setattr("cockpit.preflight.checks.preflight", lambda *_, **__: [])
        monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)

    def report(self) -> GpuReport:
        used = [self.used, *([self.used_of_second] if self.used_of_second is not None else [])]
        gpus = [
            GpuReading(index=at, uuid=f"GPU-{at}", name="NVIDIA A100", vram_used_mib=one, vram_total_mib=40 * MIB)
            for at, one in enumerate(used)
        ]
        return GpuReport(gpus=gpus, driver="999.1", holders={"GPU-0": self.holders})

    def start(self, key: object, name: str) -> Any:
        def train(recipe: str, name: str, command: list[str], **more: object) -> RunDir:
            self.folders.append(more["folder"])
            run = record(runs_folder(), run_id=f"{name}-{len(self.started)}", ending="going", until=5)
            self.started.append(run)
            return run

        return SimpleNamespace(train=train, link=SimpleNamespace(close=lambda: None))

    def end(self, at: int, outcome: str = "completed", **more: bool) -> None:
        """The run has ended, and its engine has gone."""
        run, log = self.started[at], EventWriter(self.started[at].events)
        log.append(RunEnded(outcome=outcome, step=5, **more))  # type: ignore[arg-type]
        log.close()
        run.write_identity(msgspec.structs.replace(EngineIdentity.of_this_process("unsloth"), pid=2**22 + 1))

    def holds(self, at: int, *mib: float) -> None:
        """The run says what it holds of each GPU."""
        log = EventWriter(self.started[at].gpu)
        readings = [
            GpuReading(index=at, uuid=f"GPU-{at}", name="NVIDIA A100", vram_this_run_mib=one)
            for at, one in enumerate(mib)
        ]
        log.append(MachineRead(step=1, gpus=readings, cpu_percent=1, rss_mib=1, ram_used_mib=1, ram_total_mib=1))
        log.close()

    def runner(self, together: int | None = None, free_for_s: float = 0.0) -> QueueRunner:
        say = self.said.append
        return QueueRunner(Queue(), say, together=together, free_for_s=free_for_s, probe=self.report)


@pytest.fixture
def card(monkeypatch: pytest.MonkeyPatch) -> Card:
    return Card(monkeypatch)


def fill(many: int, *settings: str) -> None:
    recipes = ["llama-3-8b"] * many
    more = [part for one in ("training.fit=as_written", *settings) for part in ("--set", one)]
    assert call("add", *recipes, *more).exit_code == 0


def test_each_of_several_cards_needs_the_room(card: Card) -> None:
    fill(2, "hardware.devices=2")
    card.used_of_second = 36 * MIB
    runner = card.runner()
    runner.step()
    assert card.started == []
    assert "GPU 1 has 4.0 GiB free" in card.said[-1]
    card.used = card.used_of_second = 25 * MIB
    runner.step()
    assert len(card.started) == 1
    runner.step()
    assert "beside" in card.said[-1], "nothing is held yet, and all of it is promised"
    card.holds(0, 8 * MIB, 0.0)
    runner.step()
    assert len(card.started) == 1 and "GPU 1 has" in card.said[-1], "its second rank has loaded nothing yet"
    card.holds(0, 8 * MIB, 8 * MIB)
    runner.step()
    assert len(card.started) == 2


def test_several_share_a_card_where_their_forecasts_fit_together(card: Card) -> None:
    fill(6)
    runner = card.runner()
    for _ in range(8):
        assert runner.step()
    assert len(card.started) == 4, card.said  # "7.8 GiB each, of 40, though none of them holds anything yet"
    assert card.said[-1] == (
        "llama-3-8b waits: it needs 8.4 GiB with a little to spare, and GPU 0 has 8.3 GiB free beside 31 GiB that "
        "others of the queue will take."
    )
    for at in range(4):
        card.holds(at, 7 * MIB)
    card.used = 29 * MIB
    runner.step()
    assert len(card.started) == 4, "what they hold is not free, and what they will hold is promised"
    card.end(0)
    card.used = 22 * MIB
    runner.step()
    runner.step()
    assert len(card.started) == 5


def test_whoever_holds_the_card_is_named_and_waited_for(card: Card) -> None:
    fill(1)
    card.used, card.holders = 36 * MIB, [Holder(pid=7, name="jupyter", mib=35 * MIB)]
    runner = card.runner()
    assert runner.step()
    assert card.started == []
    assert card.said == [
        "llama-3-8b waits: it needs 8.4 GiB with a little to spare, and GPU 0 has 4.0 GiB free; held by jupyter 35 GiB."
    ]  # fmt: skip
    runner.step()
    assert len(card.said) == 1, "said once"
    card.used, card.holders = 500.0, []
    runner.step()
    assert len(card.started) == 1


def test_the_room_has_to_be_there_for_a_while(card: Card, monkeypatch: pytest.MonkeyPatch) -> None:
    now = [0.0]
    monkeypatch.setattr("cockpit.cli.queue_runner.time", SimpleNamespace(monotonic=lambda: now[0]))
    fill(1)
    runner = card.runner(free_for_s=60.0)
    runner.step()
    now[0] = 59.0
    card.used = 39 * MIB
    runner.step()
    card.used = 500.0
    now[0] = 61.0
    runner.step()
    now[0] = 120.0
    runner.step()
    assert card.started == [], "the minute begins anew"
    now[0] = 121.5
    runner.step()
    assert len(card.started) == 1


def test_functions_are_looked_for_where_the_recipe_was_added(
    card: Card, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    taken_up: list[object] = []
    monkeypatch.setattr("cockpit.cli.taking_up.take_up", lambda run, folder: taken_up.append((run, folder)))
    (tmp_path / "beside").mkdir()
    monkeypatch.chdir(tmp_path / "beside")
    fill(1)
    monkeypatch.chdir("/")
    runner = card.runner()
    runner.step()
    assert card.folders == [str(tmp_path / "beside")]
    card.started[0].write_identity(msgspec.structs.replace(EngineIdentity.of_this_process("unsloth"), pid=2**22 + 1))
    runner.step()
    assert taken_up == [(card.started[0], str(tmp_path / "beside"))], "also once it was lost"
    card.started[0].write_identity(EngineIdentity.of_this_process("unsloth"))
    runner.step()
    assert len(taken_up) == 1, "its new engine has written nothing yet"


def test_a_run_that_lost_a_rank_is_taken_up_once(card: Card, monkeypatch: pytest.MonkeyPatch) -> None:
    taken_up: list[object] = []
    monkeypatch.setattr("cockpit.cli.taking_up.take_up", lambda run, folder: taken_up.append(run))
    fill(1)
    runner = card.runner()
    runner.step()
    card.end(0, "failed", rank_lost=True)
    runner.step()
    assert taken_up == card.started
    card.started[0].write_identity(EngineIdentity.of_this_process("unsloth"))
    card.started[0].heartbeat.touch()
    runner.step()
    assert len(taken_up) == 1 and Queue().entries()[0].tries == 1, "its new engine has written nothing yet"
    assert not any("failed" in said for said in card.said)


def test_what_fails_holds_nobody_up(card: Card) -> None:
    fill(3)
    runner = card.runner(together=1)
    runner.step()
    card.end(0, "failed")
    runner.step()
    assert len(card.started) == 2
    card.end(1)
    runner.step()
    card.end(2)
    assert runner.step() is False
    assert [entry.run for entry in runner.failed()] == [card.started[0].id]
    assert [one["state"] for one in listed()] == ["failed", "completed", "completed"]


def test_a_runner_that_comes_anew_goes_on_where_the_last_one_was(card: Card) -> None:
    fill(2)
    card.runner(together=1).step()
    anew = card.runner(together=1)
    anew.step()
    assert len(card.started) == 1, "it is still going"
    card.end(0)
    anew.step()
    assert len(card.started) == 2


def test_a_recipe_that_cannot_start_is_passed_over(card: Card, monkeypatch: pytest.MonkeyPatch) -> None:
    fill(2)

    def refuse(*_: object) -> None:
        raise OSError(28, "No space left on device")

    start: Callable[..., Any] = card.start
    monkeypatch.setattr(engines, "start_engine", refuse)
    runner = card.runner()
    assert runner.step()
    monkeypatch.setattr(engines, "start_engine", start)
    runner.step()
    (refused, begun) = listed()
    assert refused["state"] == "not started" and "No space left on device" in refused["why"]
    assert begun["run"] == card.started[0].id
