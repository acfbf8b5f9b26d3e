"""A run is told by what its method is judged by: the same figure in lists, cards, lines, charts and commands."""

import json
from pathlib import Path

import pytest
from textual.content import Content
from typer.testing import CliRunner

from cockpit.cli import cockpit
from cockpit.cli.report import step_line
from cockpit.paths import runs_folder
from cockpit.protocol.events import RunEnded
from cockpit.recipe.methods.method import MethodName
from cockpit.recipe.methods.registry import METHODS
from cockpit.runs.best import best_held_out
from cockpit.runs.details import RunDetails
from cockpit.runs.folder import all_runs
from cockpit.runs.glance import Glance
from cockpit.runs.message import message_of
from cockpit.runs.opening import how_it_ended
from cockpit.runs.status_line import line
from cockpit.runs.summary import RunSummary
from cockpit.ui.widgets.loss_chart import LossChart
from cockpit.ui.widgets.now_panel import rows_of
from cockpit.ui.widgets.outcome_card import outcome_of
from cockpit.ui.widgets.run_card import card_of_run
from cockpit.ui.widgets.run_line import RunLine
from cockpit.ui.widgets.run_list import RunList
from tests.recording import record
from tests.ui.drawn import plain, state_of, text_of
from tests.ui.stage import Stage

JUDGED = {name: method.main.label for name, method in METHODS.items()}


def test_each_method_names_a_figure_and_what_its_rows_are() -> None:
    assert {
        "grpo": "reward",
        "dpo": "margin",
        "orpo": "margin",
        "kto": "margin",
        "sft": "loss",
    }.items() <= JUDGED.items()
    for method in METHODS.values():
        assert method.main.good and method.unit.endswith("s")
        assert method.main.label == "loss" or method.main in method.figures
        assert all(chart.figures != (method.main.name,) for chart in method.charts)  # it has a chart of its own


@pytest.mark.parametrize("method", ["grpo", "dpo"])
def test_what_is_kept_of_a_run_says_it(tmp_path: Path, method: MethodName) -> None:
    run, called = record(tmp_path, steps=120, method=method), JUDGED[method]
    summary, details, state = RunSummary.of(run), RunDetails.of(run), state_of(run)
    assert (summary.main.label, summary.value, summary.held_out) == (called, 1.0, 1.0)
    assert summary.course[-1] == 1.0 and summary.loss is not None
    assert details.ends is not None and details.ends.last > details.ends.first and details.held_out == (0.0, 1.0)
    assert best_held_out(run) == (1.0, 120)
    assert f"{called} 1.000  held-out 1.000" in line(Glance.at(run.path))
    assert f"  {called} 1.000  " in step_line(state)
    assert f"held-out {called} 0.0000 before, 1.000 now" in how_it_ended(state)
    ended = state.ended
    assert isinstance(ended, RunEnded)
    told = message_of(ended, run.id, state)
    assert told is not None and f"{called} 1.000 " in told.body and "held-out 1.000" in told.body
    facts = dict(card_of_run(summary, details, None).facts)
    assert facts[called] == "0.0458 → 0.9625 (means of 10 steps)" and facts["held-out"] == "0.0000 → 1.000"
    assert "loss" not in facts
    outcome = outcome_of("completed", state, run)
    assert outcome is not None
    assert f"{called} 0.0458 → 0.9625 (means of 10 steps)" in outcome.lines[0][1]
    assert f"held-out {called} 0.0000 → 1.000" in outcome.lines[0][1]
    first, held_out, best, *_ = rows_of(state)
    assert (first.label, first.value, first.falling_is_good) == (called, "1.000", False)
    assert (held_out.label.strip(), best.label.strip(), best.value) == ("held out", "highest", "1.000")


async def test_the_live_line_and_the_chart_lead_with_it(tmp_path: Path) -> None:
    state, runs = state_of(record(tmp_path, steps=60, ending="going", method="grpo")), RunList()
    run_line, chart = RunLine(), LossChart()
    async with Stage(widgets=[run_line, chart, runs]).run_test(size=(120, 30)) as pilot:
        run_line.show("a-run", "running", state)
        chart.set_course(state.steps, state.held_out, state.main)
        await pilot.pause()
        assert "reward 1.000 ↑  held-out 1.000 ↑" in text_of(run_line)[0] and "loss" not in text_of(run_line)[0]
        assert plain(chart.border_title) == "reward"
        assert "◆" in "".join("".join(segment.text for segment in chart.render_line(y)) for y in range(10))


def test_lists_of_several_methods_name_each_and_sort_each_by_its_own_direction() -> None:
    for run_id, method, steps in (("a", "grpo", 60), ("b", "grpo", 120), ("c", "sft", 60)):
        record(runs_folder(), run_id=run_id, method=method, steps=steps, until=60)  # type: ignore[arg-type]
    said = CliRunner().invoke(cockpit, ["runs", "--sort", "loss"]).stdout.splitlines()
    assert said[0].split()[:5] == ["run", "state", "step", "main", "figure"]
    assert [row.split()[0] for row in said[1:]] == ["c", "a", "b"]  # the loss first, then the highest reward
    assert "reward 1.000" in said[2] and "loss 0." in said[1]
    told = {one["id"]: one for one in json.loads(CliRunner().invoke(cockpit, ["runs", "--json"]).stdout)}
    assert (told["b"]["figure"], told["b"]["value"], told["b"]["best_held_out"]) == ("reward", 0.5, 0.5)


async def test_the_list_s_head_is_what_all_are_judged_by() -> None:
    runs = RunList()
    record(runs_folder(), run_id="a", method="grpo", steps=60)
    async with Stage(widgets=[runs]).run_test(size=(80, 12)) as pilot:
        for method, head in (("grpo", "reward"), ("sft", "figure")):
            record(runs_folder(), run_id=f"b-{method}", method=method, steps=60)  # type: ignore[arg-type]
            runs.set_rows([RunSummary.of(run) for run in all_runs()])
            await pilot.pause()
            assert head in Content(" ").join(runs.heads(80)).plain
