"""Hosts as they are written, and the command lines that reach them."""

from pathlib import Path

import pytest

from cockpit.remote.host import Host, why_failed
from tests.remote.far import Far


@pytest.mark.parametrize(
    ("url", "host", "name"),
    [
        ("ssh://gpu1", Host("gpu1"), "gpu1"),
        ("gpu1", Host("gpu1"), "gpu1"),
        ("ssh://ada@gpu1.lab:2222", Host("ada@gpu1.lab", 2222), "gpu1.lab:2222"),
        ("ssh://gpu1/opt/venv/bin/cockpit", Host("gpu1", command="/opt/venv/bin/cockpit"), "gpu1"),
    ],
)
def test_hosts_are_read_as_they_are_written(url: str, host: Host, name: str) -> None:
    assert Host.parse(url) == host
    assert host.name == name


@pytest.mark.parametrize(
    "url", ["ssh://", "ssh://-oProxyCommand=x", "ssh://a@-b", "ssh://a b", "ssh://a:0", "ssh://a:99999"]
)
def test_what_is_no_host_is_refused(url: str) -> None:
    with pytest.raises(ValueError) as error:
        Host.parse(url)
    shown = f"{url} is no host; write ssh://HOST, as in your ssh config, or ssh://USER@HOST:PORT/path/to/cockpit."
    assert str(error.value) == shown


def test_what_the_config_does_not_say_is_added(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    Far.at(tmp_path, monkeypatch)
    monkeypatch.setenv("XDG_RUNTIME_DIR", "/tmp")
    words = Host("gpu1", 2222, "/opt/cockpit").ssh(["runs", "--json"])
    assert words[:3] == ["ssh", "-T", "-oBatchMode=yes"]
    assert {"-oControlMaster=auto", "-oServerAliveInterval=5", "-oConnectTimeout=15"} <= set(words)
    assert words[-5:] == ["-p", "2222", "--", "gpu1", "sh -c '/opt/cockpit runs --json'"]
    assert "-oBatchMode=yes" not in Host("gpu1").ssh([], asks=True)


def test_what_the_config_says_is_left_alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    far = Far.at(tmp_path, monkeypatch)
    said = "controlpath /home/ada/.ssh/%C\nserveraliveinterval 60\nconnecttimeout 5\n"
    (far.place / "bin" / "ssh").write_text(f"#!/bin/sh\nprintf '{said}'\n".replace("%C", "%%C"))
    assert not [word for word in Host("gpu1").ssh([]) if word.startswith("-o") and word != "-oBatchMode=yes"]


def test_why_it_failed_is_a_sentence() -> None:
    assert why_failed("gpu1", 127, "x") == (
        "cockpit was not found on gpu1; install it there (pip install finetune-cockpit), or say where it is: "
        "ssh://gpu1/path/to/cockpit."
    )
    assert why_failed("gpu1", 255, "banner\nPermission denied (publickey)\n") == (
        "ssh does not reach gpu1: Permission denied (publickey)."
    )
    assert why_failed("gpu1", 255, "") == "ssh does not reach gpu1: it gives no reason."
    assert why_failed("gpu1", 3, "odd\x1b[31m") == "cockpit on gpu1 has ended with status 3: odd."
