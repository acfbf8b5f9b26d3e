"""Conversations in a run's folder: kept, found again, and none of the app's business where their file is damaged."""

from __future__ import annotations

from pathlib import Path

import pytest

from cockpit.runs.conversation import Conversation
from cockpit.runs.conversations import MOST, keep, kept_conversations
from cockpit.runs.folder import RunDir


def talk(prompt: str) -> Conversation:
    made = Conversation()
    made.ask(prompt, {False: "b", True: "t"}, image="/a.png")
    return made


def test_they_are_found_as_they_were_kept(tmp_path: Path) -> None:
    run = RunDir.create(tmp_path / "run")
    first, second = talk("one"), talk("two")
    keep(run, first)
    keep(run, second)
    first.ask_again({True: "u"})
    keep(run, first)
    found = kept_conversations(run)
    assert [one.id for one in found] == [first.id, second.id]
    assert found[0].turns == first.turns
    first.take_back()
    keep(run, first)
    assert [one.id for one in kept_conversations(run)] == [second.id], "an empty one is not kept"
    for number in range(MOST + 5):
        keep(run, talk(str(number)))
    assert len(kept_conversations(run)) == MOST


@pytest.mark.parametrize("content", [b"", b"{}", b'[{"id": "a", "turns": [{"prompt": 3}]}]', b"\xff", b"[" * 100_000])
def test_a_damaged_file_is_none(tmp_path: Path, content: bytes) -> None:
    run = RunDir.create(tmp_path / "run")
    run.conversations.write_bytes(content)
    assert kept_conversations(run) == []
    keep(run, talk("one"))
    assert len(kept_conversations(run)) == 1


def test_a_run_that_is_gone_keeps_nothing(tmp_path: Path) -> None:
    keep(RunDir(tmp_path / "gone"), talk("one"))
    assert not (tmp_path / "gone").exists()
