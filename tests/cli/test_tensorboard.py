"""TensorBoard on a run's figures: served, ended, refused; without a network."""

import http.client
import json
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from typer.testing import CliRunner

from cockpit.cli import cockpit
from cockpit.paths import runs_folder
from cockpit.runs.folder import RunDir
from tests.recording import record

DEADLINE_S = 120.0


def run_with_figures() -> RunDir:
    """A run that has written its loss for TensorBoard, after the steps 1 and 2."""
    event_pb2 = pytest.importorskip("tensorboard.compat.proto.event_pb2")
    summary_pb2 = pytest.importorskip("tensorboard.compat.proto.summary_pb2")
    writers = pytest.importorskip("tensorboard.summary.writer.event_file_writer")
    run = record(runs_folder())
    writer = writers.EventFileWriter(str(run.path / "tensorboard"))
    for step, loss in ((1, 2.5), (2, 1.25)):
        value = summary_pb2.Summary.Value(tag="train/loss", simple_value=loss)
        writer.add_event(event_pb2.Event(wall_time=float(step), step=step, summary=summary_pb2.Summary(value=[value])))
    writer.close()
    return run


def free_port() -> int:
    with socket.socket() as there:
        there.bind(("127.0.0.1", 0))
        return int(there.getsockname()[1])


def asked(port: int, path: str) -> Any:
    """What the server says; None while it does not answer."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=DEADLINE_S)
    try:
        connection.request("GET", path)
        return json.loads(connection.getresponse().read())
    except (OSError, http.client.HTTPException, ValueError):
        return None
    finally:
        connection.close()


def refused(*arguments: str) -> tuple[int, str]:
    """The exit status and what was said, which is one line."""
    result = CliRunner().invoke(cockpit, ["tensorboard", "last", *arguments])
    assert result.stdout == "" and len(result.stderr.splitlines()) == 1, result.output
    return result.exit_code, result.stderr.strip()


def test_the_figures_are_served_until_ctrl_c(tmp_path: Path) -> None:
    run_with_figures()
    port, said = free_port(), tmp_path / "said"
    command = [sys.executable, "-m", "cockpit", "tensorboard", "last", "--port", str(port)]
    # Whoever runs the tests in the background may ignore Ctrl-C, which children would inherit.
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    with said.open("wb") as out:
        process = subprocess.Popen(command, stdout=out, stderr=out, start_new_session=True)
    signal.signal(signal.SIGINT, before)
    try:
        deadline, scalars = time.monotonic() + DEADLINE_S, None
        while not scalars and process.poll() is None and time.monotonic() < deadline:
            scalars = asked(port, "/data/plugin/scalars/scalars?run=.&tag=train%2Floss")
            time.sleep(0.05)
        assert scalars == [[1.0, 1, 2.5], [2.0, 2, 1.25]], said.read_text()
        process.send_signal(signal.SIGINT)
        assert process.wait(DEADLINE_S) == 0
    finally:
        process.kill()
        process.wait()
    assert f"TensorBoard on http://localhost:{port};" in said.read_text()
    assert "Traceback" not in said.read_text()
    assert asked(port, "/data/environment") is None


def test_ctrl_c_before_it_serves_ends_it_without_a_traceback(monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupted() -> None:
        raise KeyboardInterrupt

    run_with_figures()
    monkeypatch.setitem(sys.modules, "tensorboard.main", SimpleNamespace(run_main=interrupted))
    monkeypatch.setattr(sys, "argv", [])
    result = CliRunner().invoke(cockpit, ["tensorboard", "last", "--port", str(free_port())])
    assert (result.exit_code, result.stderr) == (0, "")


def test_a_port_that_is_taken() -> None:
    run_with_figures()
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        said = f"Port {port} is taken, perhaps by another TensorBoard; give a free one with --port."
        assert refused("--port", str(port)) == (1, said)


@pytest.mark.parametrize(("host", "reason"), [("192.0.2.1", "of '192.0.2.1': "), ("a..b", "which is no address")])
def test_an_address_that_is_not_this_machines(host: str, reason: str) -> None:
    run_with_figures()
    status, said = refused("--host", host, "--port", str(free_port()))
    assert (status, reason in said, said.endswith("--host.")) == (1, True, True)


def test_tensorboard_is_not_installed(monkeypatch: pytest.MonkeyPatch) -> None:
    run_with_figures()
    monkeypatch.setitem(sys.modules, "tensorboard.main", None)
    status, said = refused("--port", str(free_port()))
    assert (status, said.startswith("TensorBoard cannot be imported here (")) == (1, True)
    assert said.endswith("; install it with: pip install tensorboard")


def test_a_run_without_figures() -> None:
    run = record(runs_folder())
    nothing = f"The run {run.id} has no figures for TensorBoard:"
    assert refused() == (1, f"{nothing} train with --set output.report_to=tensorboard.")
    text = run.recipe.read_text()
    run.recipe.write_text(f"{text}output:\n  report_to: [tensorboard]\n")
    assert refused() == (1, f"{nothing} it has written none into {run.path / 'tensorboard'} yet.")
