"""A sound recipe with comments, which the tests change, and how a bad one is checked."""

from dataclasses import dataclass
from pathlib import Path

import pytest
from typer.testing import CliRunner

from cockpit.cli import cockpit

SAMPLE = """\
# yaml-language-server: $schema=recipe.schema.json
# A recipe for tests.
schema: 1
method: sft

about:
  title: A sample
  description: >-
    What it does,
    in two lines.
  needs: CPU
  duration: 1 min

backend: unsloth
model:
  name_or_path: embedded:demo  # ours
  max_seq_length: 256
  quantization: none
hardware:
  gpu: none

# The adapter.
lora:
  r: 16  # rank
  lora_alpha: 32
  target_modules:
    - q_proj  # query
    - v_proj

data:
  sources:
    - name_or_path: embedded:pirate
      format: messages
  eval_rows: 64

training:
  max_steps: 60
  learning_rate: 2e-3
  warmup_steps: 5
  gradient_checkpointing: none
"""


def changed(old: str, new: str) -> str:
    """The sample with `old`, which stands in it once, replaced by `new`."""
    assert SAMPLE.count(old) == 1, old
    return SAMPLE.replace(old, new)


@dataclass(frozen=True)
class Bad:
    """A recipe that is refused: the sample with some of its text replaced, and each problem from its line number on."""

    name: str
    changes: dict[str, str]
    says: list[str]


def checked(bad: Bad, folder: Path, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """What `cockpit recipes check bad.yaml` says on stderr, without the file's name; its status must be 2."""
    text = SAMPLE
    for old, new in bad.changes.items():
        assert text.count(old) == 1, old
        text = text.replace(old, new)
    (folder / "bad.yaml").write_text(text, encoding="utf-8", newline="")
    monkeypatch.chdir(folder)
    result = CliRunner().invoke(cockpit, ["recipes", "check", "bad.yaml"])
    assert result.exit_code == 2
    assert result.stdout == "0 recipes are fine, 1 not\n"
    return [line.removeprefix("bad.yaml:") for line in result.stderr.splitlines()]
