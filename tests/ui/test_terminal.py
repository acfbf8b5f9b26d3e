"""A terminal that goes away: the app ends by itself, quietly, and its engine without a run with it."""

import os
import re
import signal
import sys
import time
from collections.abc import Callable
from pathlib import Path

import psutil
import pytest

from cockpit.ui.terminal import GuardedOutput
from tests.terminal import Terminal

PROGRAM = """
import os, signal, subprocess, sys
from cockpit.launch.engines import StartedEngine
from cockpit.runs.link import RunLink
from cockpit.runs.folder import RunDir
from cockpit.paths import standby_folder
from cockpit.ui import terminal
from cockpit.ui.app import CockpitApp
from tests.ui.engines import FakeProbe

class Engines:
    def start_standby(self, key):
        run = RunDir.create(standby_folder() / "one")
        program = "import sys; sys.stdin.read()"
        process = subprocess.Popen([sys.executable, "-c", program], stdin=subprocess.PIPE, start_new_session=True)
        with open(os.environ["PID_FILE"], "w") as out:
            out.write(str(process.pid))
        return StartedEngine(key, RunLink(run), process)
    def start_engine(self, key, name):
        raise OSError("no engine here")

if os.environ.get("IGNORE_SIGHUP"):
    signal.signal(signal.SIGHUP, signal.SIG_IGN)
class StuckApp(CockpitApp):
    # Its main thread hangs in the kernel as soon as there is a FIFO.
    def _poll(self):
        super()._poll()
        if os.path.exists(os.environ["PID_FILE"] + ".fifo"):
            terminal.ENDS_WITHIN_S = 1.0
            open(os.environ["PID_FILE"] + ".hangs", "w").close()
            open(os.environ["PID_FILE"] + ".fifo").read()

app = StuckApp(engines=Engines(), probe=FakeProbe())
app.run()
sys.exit(app.return_code)
"""


def wait_until(holds: Callable[[], bool], timeout: float = 60) -> None:
    deadline = time.monotonic() + timeout
    while not holds():
        assert time.monotonic() < deadline, "it did not come to hold"
        time.sleep(0.01)  # a core that this took in a loop would be missing to who is waited for


@pytest.fixture
def pid_file(tmp_path: Path) -> Path:
    return tmp_path / "engine.pid"


def open_app(pid_file: Path, **environment: str) -> tuple[Terminal, psutil.Process]:
    """The app in a terminal, its standby started."""
    env = dict(os.environ) | {"PID_FILE": str(pid_file)} | environment
    terminal = Terminal([sys.executable, "-c", PROGRAM], env=env)
    terminal.wait_for("engine warming up")
    return terminal, psutil.Process(int(pid_file.read_text()))


def has_ended(process: psutil.Process) -> bool:
    try:
        return not process.is_running() or process.status() == psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return True


@pytest.mark.parametrize("environment", [{}, {"IGNORE_SIGHUP": "1"}], ids=["SIGHUP", "SIGHUP ignored"])
def test_a_lost_terminal_ends_the_app_and_its_standby(pid_file: Path, environment: dict[str, str]) -> None:
    terminal, engine = open_app(pid_file, **environment)
    with terminal:
        app = psutil.Process(terminal.pid)
        terminal.hang_up()
        wait_until(lambda: has_ended(app))
        wait_until(lambda: has_ended(engine))


def test_a_lost_terminal_ends_an_app_whose_main_thread_hangs(pid_file: Path) -> None:
    terminal, engine = open_app(pid_file)
    with terminal:
        app = psutil.Process(terminal.pid)
        os.mkfifo(f"{pid_file}.fifo")
        wait_until(Path(f"{pid_file}.hangs").exists)
        terminal.hang_up()
        wait_until(lambda: has_ended(app))
        wait_until(lambda: has_ended(engine))


def test_sigterm_ends_the_app_with_its_status(pid_file: Path) -> None:
    terminal, engine = open_app(pid_file)
    with terminal:
        os.kill(terminal.pid, signal.SIGTERM)
        assert terminal.wait_for_end() == 128 + signal.SIGTERM
        wait_until(lambda: has_ended(engine))
        assert b"\x1b[?1049l" in terminal.received


def test_keys_of_one_write_land_in_their_fields(pid_file: Path) -> None:
    """From the list of recipes into two groups of the editor's fields, before the editor has opened."""
    terminal, _ = open_app(pid_file)
    with terminal:
        keys = ["e", "pagedown", "9", "down", "1", "8", "enter", "0", ".", "5", "pagedown", "pagedown", "down", "7"]
        terminal.press_at_once(*keys)
        changes = ("16 → 9", "32 → 18", "0 → 0.5", "16 → 7")
        terminal.wait_for(lambda text: all(change in text for change in changes))


def test_quit_gives_the_terminal_back(pid_file: Path) -> None:
    terminal, engine = open_app(pid_file)
    with terminal:
        terminal.press("q")
        assert terminal.wait_for_end() == 0
        wait_until(lambda: has_ended(engine))
        assert b"\x1b]2;cockpit\x07" in terminal.received
        assert b"\x1b[23;2t" in terminal.received


def test_without_colour_no_colour_is_sent_and_the_focus_is_seen(pid_file: Path) -> None:
    terminal, _ = open_app(pid_file, NO_COLOR="1", COLORTERM="truecolor")
    with terminal:
        terminal.wait_for("▸ demo")
        colours = re.findall(rb"[34]8;2;(\d+);(\d+);(\d+)(?=[;m])", terminal.received)
        assert colours
        assert all(red == green == blue for red, green, blue in colours)


class Broken:
    """A file whose terminal is gone."""

    def write(self, text: str) -> int:
        raise OSError(5, "Input/output error")

    def flush(self) -> None:
        raise OSError(5, "Input/output error")


def test_writing_to_a_lost_terminal_is_noticed_and_does_no_harm() -> None:
    output = GuardedOutput(Broken())  # type: ignore[arg-type]
    assert output.write("text") == 4
    assert output.is_lost
    output.flush()


def test_a_terminal_of_sixteen_colours_is_sent_those_and_no_grey_for_blue(pid_file: Path) -> None:
    terminal, _ = open_app(pid_file, TEXTUAL_COLOR_SYSTEM="standard")
    with terminal:
        sent = terminal.received.decode(errors="replace")
        codes = {code for found in re.findall(r"\x1b\[([\d;]*)m", sent) for code in found.split(";")}
        assert not codes & {"38", "48"}, "no colour by its number or its parts"
        assert re.search(r"\x1b\[(?:0;)?1;96;\d+mcockpit", sent), "bright cyan: this run's colour"
