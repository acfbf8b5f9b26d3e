"""Hosts of one desk: each is kept, or it is said why not."""

from pathlib import Path

import pytest

from cockpit.cli.desk import open_desk
from cockpit.remote.desk import Desk
from cockpit.remote.host import Host


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("ssh://alice@gpu", "ssh://bob@gpu"),
        ("ssh://bob@gpu", "ssh://gpu"),
        ("ssh://gpu", "ssh://gpu/opt/cockpit"),
    ],
)
def test_two_hosts_of_one_name_are_refused(one: str, other: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert open_desk([other, "ssh://gpu2", one]) == 2
    assert capsys.readouterr().err == (
        f"{one} and {other} are all called gpu here; give one of them, or an alias for each in your ssh config.\n"
    )


def test_a_host_that_is_named_twice_is_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COCKPIT_HOME", str(tmp_path))
    assert Desk.of([Host.parse("gpu"), Host.parse("ssh://gpu")]).hosts == [Host("gpu")]


def test_two_users_of_one_machine_have_desks_of_their_own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COCKPIT_HOME", str(tmp_path))
    folders = [Desk.of([Host.parse(url)]).folder.name for url in ("ssh://alice@gpu:22", "ssh://bob@gpu:22")]
    assert folders == ["alice@gpu:22", "bob@gpu:22"]
