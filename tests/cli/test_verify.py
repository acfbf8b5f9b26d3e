"""cockpit verify: what it prints, its exit status, and what cannot be verified."""

from __future__ import annotations

import json
from importlib import import_module
from pathlib import Path

import msgspec
import pytest
from typer.testing import CliRunner

from cockpit.cli import cockpit
from cockpit.paths import runs_folder
from cockpit.runs.receipt import Receipt, ReplayedPrompt, limits_of, why_not
from tests.recording import record

module = import_module("cockpit.cli.verify")  # the package has a function of this name
PROMPT = ReplayedPrompt(
    prompt="Hi", prompt_tokens=3, prompt_differs="", trained_says="a", shipped_says="a", tokens=10, agreed=10,
    mean_kl=0.0, trained_ends=True, shipped_ends=True,
)  # fmt: skip


def receipt(**changes: object) -> Receipt:
    prompts, limits = [msgspec.structs.replace(PROMPT, **changes)], limits_of("adapter")
    why = why_not(prompts, limits)
    return Receipt(
        run="demo", form="adapter", path="/x", program="peft 1", made_at=1.0, limits=limits, prompts=prompts, why=why
    )


@pytest.mark.parametrize("changes", [{}, {"agreed": 1}])
def test_the_receipt_is_shown_and_its_status_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, changes: dict[str, object]
) -> None:
    record(runs_folder(), ending="completed")
    made = receipt(**changes)
    monkeypatch.setattr(module, "_receipt", lambda *arguments: made)
    out = tmp_path / "receipt.json"
    said = CliRunner().invoke(cockpit, ["verify", str(tmp_path), "last", "--out", str(out)])
    assert (said.exit_code, said.stdout.splitlines()) == (1 if changes else 0, made.lines())
    assert json.loads(out.read_text())["passed"] is made.passed
    as_json = CliRunner().invoke(cockpit, ["verify", str(tmp_path), "last", "--json"])
    assert json.loads(as_json.stdout)["agreement"] == (0.1 if changes else 1.0)


def test_what_cannot_be_verified(tmp_path: Path) -> None:
    def refused(*arguments: str) -> tuple[int, str]:
        result = CliRunner().invoke(cockpit, ["verify", *arguments])
        return result.exit_code, result.stderr.strip()

    gone = tmp_path / "gone"
    assert refused(str(gone), "last") == (2, f"There is nothing at {gone}; name a folder or a GGUF file.")
    assert refused(str(tmp_path), "last")[0] == 2
    record(runs_folder(), ending="completed")
    assert refused(str(tmp_path), "last", "--out", str(gone / "a.json")) == (2, f"--out: there is no folder {gone}.")
    assert refused(str(tmp_path), "nothing")[1].startswith("No run is called 'nothing'")
