"""cockpit search: what is refused, and what a search of recorded runs adds, stops, keeps and tells."""

from __future__ import annotations

import os

import msgspec
import pytest
from typer.testing import CliRunner, Result

from cockpit.cli import cockpit
from cockpit.cli.search_runner import SearchRunner
from cockpit.paths import runs_folder
from cockpit.protocol.commands import Stop
from cockpit.protocol.event_log import EventWriter
from cockpit.protocol.events import Evaluated, RunEnded
from cockpit.recipe.document import RecipeDocument
from cockpit.recipe.library import find_recipe
from cockpit.runs.folder import RunDir
from cockpit.runs.liveness import EngineIdentity
from cockpit.runs.queue import Queue
from cockpit.runs.searches import Search
from cockpit.runs.winners import Winners
from cockpit.tuning.search_space import space_of

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
        (["--over", "lora.r=8,16", "--set", "data.eval_rows=0", "--set", "training.eval_steps="], "eval_steps=20"),
    ],
)
def test_what_cannot_be_searched_is_refused(arguments: list[str], said: str) -> None:
    done = call(*arguments)
    assert done.exit_code == 2 and said in done.output, done.output
    assert Queue().entries() == []


class Recorded:
    """A search whose runs are recorded here."""

    def __init__(self, trials: int = 6) -> None:
        self.said: list[str] = []
        self.trials = trials
        self.runner = self.resumed()

    def resumed(self) -> SearchRunner:
        recipe = find_recipe("demo").resolved_yaml()
        search = Search(name="demo", recipe=recipe, over=OVER, metric="eval_loss").begun()
        self.runner = SearchRunner(search, space_of(OVER), Queue(), self.said.append, trials=self.trials, folder="/")
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


def test_a_search_in_which_nothing_is_measured_has_no_winner() -> None:
    recorded = Recorded(trials=1)
    recorded.runner.step()
    recorded.end(recorded.begin(), "failed")
    assert not recorded.runner.step() and recorded.runner.winner() is None


def test_another_metric_or_recipe_is_another_search() -> None:
    one = Search(name="demo", recipe="a", over=OVER, metric="eval_loss")
    assert one.id != msgspec.structs.replace(one, metric="eval_rewards/accuracies").id
    one.write()
    assert one.begun() == one and os.stat(one.path).st_mode & 0o777 == 0o600  # noqa: PTH116
