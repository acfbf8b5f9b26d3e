"""cockpit eval: what it refuses; what is kept of a run, and where that is shown."""

from __future__ import annotations

import json
from importlib import import_module
from pathlib import Path

import msgspec
import pytest
from typer.testing import CliRunner

from cockpit.cli import cockpit
from cockpit.engine.export.card import card_of
from cockpit.paths import runs_folder
from cockpit.runs.evals import Evaluation, TaskResult, before_and_after, keep, kept_evaluations
from cockpit.runs.folder import RunDir
from cockpit.runs.origin import recipe_of_run
from cockpit.runs.summary import RunSummary
from cockpit.ui.widgets.run_card import card_of_run
from tests.recording import record

module = import_module("cockpit.cli.eval")
FOUND = Evaluation(
    target="demo", weights="tuned", program="lm-eval 0.4.13", is_templated=True, made_at=1.0, took_s=2.0,
    tasks={"arc": TaskResult(1200, {"acc": 0.5123, "acc_norm": 0.6}, {"acc": 0.0141})},
)  # fmt: skip


def said(*arguments: str) -> tuple[int, str]:
    result = CliRunner().invoke(cockpit, list(arguments))
    return result.exit_code, result.stderr.strip() or result.stdout.rstrip()


def a_run(run_id: str = "demo-1120-2349") -> RunDir:
    run = record(runs_folder(), run_id=run_id, ending="completed")
    (run.adapter / "adapter_config.json").write_text("{}")
    return run


def test_what_it_refuses(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    a_run()
    assert said("eval", "last", "--tasks", ",") == (2, "--tasks names no task; give some, such as arc_easy,hellaswag.")
    gone = tmp_path / "gone"
    assert said("eval", "last", "--tasks", "a", "--include", str(gone)) == (2, f"--include: there is no folder {gone}.")
    (tmp_path / "m.gguf").touch()
    assert said("eval", str(tmp_path / "m.gguf"), "--tasks", "a") == (2, module.NO_GGUF)
    monkeypatch.setattr(module, "find_spec", lambda name: None)
    assert said("eval", "last", "--tasks", "a") == (1, module.NEEDS_IT)


def test_it_is_printed_and_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    run = a_run()
    monkeypatch.setattr(module, "find_spec", lambda name: object())
    monkeypatch.setattr(module, "_what", lambda *arguments: (None, run.adapter))
    monkeypatch.setattr(module, "_evaluated", lambda *arguments: FOUND)
    assert said("eval", "last", "--tasks", "arc") == (
        0,
        "arc  acc       0.512 ± 0.014  1,200 rows\n"
        "arc  acc_norm  0.600          1,200 rows\n"
        "demo, by lm-eval 0.4.13 through its chat template.",
    )
    _, document = said("eval", "last", "--tasks", "arc", "--json")
    assert json.loads(document)["tasks"]["arc"]["metrics"]["acc_norm"] == 0.6
    assert kept_evaluations(run) == [FOUND, FOUND]


def test_what_was_kept_is_shown(tmp_path: Path) -> None:
    run, other = a_run(), a_run("demo-1121-0000")
    run.evals.write_text("{broken\n")
    keep(run, FOUND)
    keep(run, msgspec.structs.replace(FOUND, weights="base", tasks={"arc": TaskResult(1200, {"acc": 0.4}, {})}))
    keep(run, msgspec.structs.replace(FOUND, step=20, tasks={"arc": TaskResult(1200, {"acc": 0.1}, {})}))
    assert before_and_after(run) == [("arc acc", "0.400", "0.512 ± 0.014"), ("arc acc_norm", "–", "0.600")]
    status, table = said("compare", run.id, other.id)
    assert status == 0 and "0.512 ± 0.014" in next(line for line in table.splitlines() if line.startswith("arc acc "))
    listed = json.loads(said("runs", "--json")[1])
    assert {one["id"]: one["evals"] for one in listed}[run.id] == {"arc acc": "0.512 ± 0.014", "arc acc_norm": "0.600"}
    facts = card_of_run(RunSummary.of(run), None, None).facts
    assert [fact for fact in facts if "arc" in fact[1]] == [
        ("evals", "arc acc 0.400 → 0.512 ± 0.014"),
        ("", "arc acc_norm 0.600"),
    ]
    card = card_of(tmp_path, run, recipe_of_run(run.path).recipe())
    assert "## Evaluated\n\nBy lm-eval 0.4.13, through the chat template." in card
    assert "| arc acc | 0.400 | 0.512 ± 0.014 |" in card
