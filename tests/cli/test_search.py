"""cockpit search: what is refused, and what a search of recorded runs adds, stops, keeps and tells."""

from __future__ import annotations

import errno
import os
from io import BufferedReader
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import msgspec
import pytest
from typer.testing import CliRunner, Result

from cockpit.cli import cockpit, queue_runner
from cockpit.cli.search_runner import SearchRunner
from cockpit.disk import open_to_read
from cockpit.launch import engines
from cockpit.paths import runs_folder
from cockpit.protocol.commands import Stop
from cockpit.protocol.event_log import EventWriter
from cockpit.protocol.events import Evaluated, RunEnded
from cockpit.recipe.document import RecipeDocument
from cockpit.recipe.library import find_recipe
from cockpit.runs.folder import RunDir
from cockpit.runs.liveness import EngineIdentity
from cockpit.runs.queue import Queue, Waiting
from cockpit.runs.searches import Search
from cockpit.runs.winners import Winners
from cockpit.tuning.search_metric import comparable
from cockpit.tuning.search_space import space_of
from tests.recording import record

OVER = ("training.learning_rate=1e-4..1e-2", "lora.r=8,16")


def call(*arguments: str) -> Result:
    return CliRunner().invoke(cockpit, ["search", "demo", *arguments])


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--over", "lora.r=8"], "one value alone"),
        (["--over", "lora.r=8,x"], "lora.r: 'x' is text"),
        (["--over", "lora.rank=8,16"], "lora.rank"),
        (["--over", "training.learning_rate=1e-4..5"], "training.learning_rate"),
        (["--over", "lora.r=8,16", "--metric", "nonsense"], "give one of eval_loss, eval_mean_token_accuracy, eval_"),
        (["--over", "lora.r=8,16", "--metric", "eval_entropy"], "trials cannot be compared by it"),
        (["--over", "lora.r=8,16", "--metric", "eval_json_valid"], "trials cannot be compared by it"),
        (["--over", "lora.r=8,16", "--write", __file__], "there is such a file already"),
        (["--over", "lora.r=8,16", "--set", "data.eval_rows=0", "--set", "training.eval_steps="], "eval_steps=20"),
    ],
)
def test_what_cannot_be_searched_is_refused(arguments: list[str], said: str) -> None:
    done = call(*arguments)
    assert done.exit_code == 2 and said in done.output, done.output
    assert Queue().entries() == []


class Recorded:
    """A search whose runs are recorded here."""

    def __init__(self, trials: int = 6, over: tuple[str, ...] = OVER) -> None:
        self.said: list[str] = []
        self.trials, self.over = trials, over
        self.runner = self.resumed()

    def resumed(self) -> SearchRunner:
        recipe = find_recipe("demo").resolved_yaml()
        search = Search(name="demo", recipe=recipe, over=self.over, metric="eval_loss").begun()
        self.runner = SearchRunner(
            search, space_of(self.over), Queue(), self.said.append, trials=self.trials, folder="/"
        )
        return self.runner

    def begin(self) -> RunDir:
        """The trial that waits becomes a run that this process trains."""
        (entry,) = [one for one in Queue().entries() if one.is_waiting]
        run = RunDir.create(runs_folder() / entry.id)
        run.recipe.write_text(entry.recipe)
        run.write_identity(EngineIdentity.of_this_process("unsloth"))
        run.heartbeat.touch()
        Queue().write(msgspec.structs.replace(entry, run=run.id))
        return run

    def measure(self, run: RunDir, **losses: float | None) -> None:
        """Held-out losses: at10=2.0; None is one that is no finite number."""
        log = EventWriter(run.events)
        for step, loss in losses.items():
            log.append(Evaluated(step=int(step.removeprefix("at")), metrics={"eval_loss": loss}))
        log.close()

    def end(self, run: RunDir, outcome: str) -> None:
        log = EventWriter(run.events)
        log.append(RunEnded(outcome=outcome, step=20))  # type: ignore[arg-type]
        log.close()
        run.write_identity(msgspec.structs.replace(EngineIdentity.of_this_process("unsloth"), pid=2**22 + 1))


def stops(run: RunDir) -> list[Stop]:
    found = [msgspec.json.decode(path.read_bytes(), type=Stop) for path in (run.path / "commands").glob("*.json")]
    assert all(one.save for one in found), "what it has trained is saved"
    return found


def test_a_search_stops_what_is_behind_and_names_the_winner() -> None:
    recorded = Recorded()
    runs = []
    for loss in (1.2, 1.0, 1.1):
        assert recorded.runner.step()
        runs.append(recorded.begin())
        recorded.measure(runs[-1], at10=loss + 1, at20=loss)
        assert recorded.runner.step(), "one at a time"
        assert len(Queue().entries()) == len(runs) and not stops(runs[-1])
        recorded.end(runs[-1], "completed")
    written = RecipeDocument.parse(Queue().entries()[0].recipe, "first").recipe()
    assert (written.training.learning_rate, written.lora.r) == (2e-3, 16), "the recipe as it is comes first"

    recorded.runner.step()
    behind = recorded.begin()
    recorded.measure(behind, at10=1.5)
    recorded.runner.step()
    assert not stops(behind)
    recorded.measure(behind, at20=None)
    recorded.runner.step()
    recorded.runner.step()
    assert len(stops(behind)) == 1, "it is asked once"
    recorded.end(behind, "stopped")

    runner = recorded.resumed()  # as after a reboot
    runner.step()
    assert "stopped, as it is behind" in " ".join(recorded.said)
    assert len(runner.search.trials) == 5
    failed = recorded.begin()
    recorded.end(failed, "failed")
    runner.step()
    recorded.end(recorded.begin(), "completed")
    assert not runner.step(), "all six are over"

    found = runner.winner()
    assert found is not None and (found[0].run, found[1]) == (runs[1].id, 1.0)
    table = runner.table()
    assert runs[1].id in table[1] and "behind" in " ".join(table) and len(table) == 1 + 6
    entries = Queue().entries()
    winner = Winners().winner(entries, runner.search.id)
    assert winner is not None and winner.run == runs[1].id


def test_a_look_reads_only_what_is_new(monkeypatch: pytest.MonkeyPatch) -> None:
    recorded, looked, read = Recorded(), list[Queue](), list[Path]()
    for loss in (1.2, 1.0, 1.1):
        recorded.runner.step()
        run = recorded.begin()
        recorded.measure(run, at10=loss)
        recorded.runner.step()
        recorded.end(run, "completed")
    recorded.runner.step()
    going = recorded.begin()
    recorded.measure(going, at10=1.0)
    recorded.runner.step()

    def opened(path: Path, **more: bool) -> BufferedReader:
        read.append(path)
        return open_to_read(path, **more)

    def entries(queue: Queue) -> list[Waiting]:
        looked.append(queue)
        return its_entries(queue)

    its_entries = Queue.entries
    with monkeypatch.context() as patch:
        patch.setattr(Queue, "entries", entries)
        patch.setattr("cockpit.runs.best.open_to_read", opened)
        patch.setattr("cockpit.protocol.event_lines.decode_lines", lambda *_: pytest.fail("nothing is new"))
        assert recorded.runner.step()
    assert (len(looked), read) == (1, [])

    recorded.measure(going, at20=0.5)
    assert recorded.runner.step()
    assert recorded.runner.tried()[-1].measured == {10: 1.0, 20: 0.5}


def test_a_search_in_which_nothing_is_measured_has_no_winner() -> None:
    recorded = Recorded(trials=1)
    recorded.runner.step()
    recorded.end(recorded.begin(), "failed")
    assert not recorded.runner.step() and recorded.runner.winner() is None


@pytest.mark.parametrize(
    ("over", "own"),
    [
        ("lora.use_rslora=True,False", "False"),
        ("lora.use_rslora=true,false", "false"),
        ("lora.r=8,16", "16"),
        ("training.learning_rate=2e-3,4e-3", "2e-3"),
    ],
)
def test_a_search_over_a_list_begins_with_the_recipes_own_value_and_tries_each_once(over: str, own: str) -> None:
    recorded = Recorded(trials=5, over=(over,))
    while recorded.runner.step():
        waits = [one for one in Queue().entries() if one.is_waiting]
        if waits:
            recorded.end(recorded.begin(), "completed")
    found = recorded.resumed().search
    (field, _, choices) = over.partition("=")
    tried = [trial.values[field] for trial in found.trials]
    assert tried[0] == own and sorted(map(str, tried)) == sorted(choices.split(","))
    assert recorded.said[-1] == "All 2 combinations are tried."


def test_the_same_search_goes_on_in_one_process() -> None:
    document = find_recipe("demo")
    over = ("lora.r=8,16",)
    lock = Search(name="demo", recipe=document.resolved_yaml(), over=over, metric="eval_loss").take_lock()
    done = call("--over", over[0])
    assert done.exit_code == 2 and "Another process goes on with this very search" in done.output, done.output
    assert Queue().entries() == []
    os.close(lock)


def test_a_trial_that_cannot_be_kept_is_not_trained(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(_: Search) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(Search, "write", refuse)
    done = call("--over", "lora.r=8,16", "--set", "hardware.gpu=none")
    assert done.exit_code == 1 and "The search cannot be written: No space left on device." in done.output
    assert Queue().entries() == []


def test_what_trials_are_compared_by() -> None:
    of = {name: comparable(find_recipe(name).recipe()) for name in ("demo", "demo-dpo", "demo-grpo")}
    of_answers = {"eval_learned": True, "eval_kept": True, "eval_suite": True}
    assert of["demo"] == {"eval_loss": False, "eval_mean_token_accuracy": True} | of_answers
    assert of["demo-dpo"]["eval_rewards/margins"] and not of["demo-dpo"]["eval_loss"]
    assert of["demo-grpo"]["eval_reward"] and "eval_loss" not in of["demo-grpo"] and "eval_kl" not in of["demo-grpo"]


def test_the_engine_of_the_last_trial_lets_go_of_its_model(monkeypatch: pytest.MonkeyPatch) -> None:
    runs: list[RunDir] = []

    def start(key: object, name: str) -> Any:
        def train(recipe: str, name: str, command: list[str], **_: object) -> RunDir:
            runs.append(record(runs_folder(), run_id=f"{name}-{len(runs)}", ending="completed"))
            runs[-1].write_identity(EngineIdentity.of_this_process("unsloth"))
            runs[-1].heartbeat.touch()
            return runs[-1]

        return SimpleNamespace(train=train, link=SimpleNamespace(close=lambda: None))

    monkeypatch.setattr(engines, "start_engine", start)
    monkeypatch.setattr(queue_runner, "LOOK_EVERY_S", 0.01)
    done = call("--over", "lora.r=8,16", "--trials", "2", "--set", "hardware.gpu=none")
    assert done.exit_code == 0, done.output
    for run in runs:
        asked = [path.read_text() for path in (run.path / "commands").glob("*.json")]
        assert len(asked) == 1 and '"type":"Unload"' in asked[0], run.id
    assert len(runs) == 2


def test_another_metric_or_recipe_is_another_search() -> None:
    one = Search(name="demo", recipe="a", over=OVER, metric="eval_loss")
    assert one.id != msgspec.structs.replace(one, metric="eval_rewards/accuracies").id
    one.write()
    assert one.begun() == one and os.stat(one.path).st_mode & 0o777 == 0o600  # noqa: PTH116
