"""Hostile run folders and working folders, given to real processes of the commands.

usage: python -m tests.torture.folders [--with-engine]
A failure is a planted module that ran, a file behind a link that was touched, a command that waits or ends with a
traceback, or one that takes more memory than MOST_MIB. sitecustomize is not planted: Python itself imports it before
our first line runs, from an empty entry of PYTHONPATH too. --with-engine also starts engines, which import the stack.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import cockpit
from cockpit.paths import runs_folder
from cockpit.runs.folder import RunDir
from tests.recording import record

PACKAGE = str(Path(cockpit.__file__).parents[1])
WITHIN_S = 120
MOST_MIB = 400
MODULES = (
    "msgspec", "typer", "psutil", "pydantic", "platformdirs", "datasets", "textual", "rich", "yaml", "json", "asyncio",
    "torch", "transformers", "numpy", "click", "multiprocessing", "readline",
)  # fmt: skip
FILES = ("events.jsonl", "gpu.jsonl", "chat.jsonl", "export.jsonl", "engine.json", "recipe.yaml", "heartbeat", "lease")
COMMANDS: dict[str, list[str]] = {
    "runs": ["runs"],
    "recipes": ["recipes"],
    "attach": ["attach", "bad"],
    "resume": ["resume", "bad"],
    "export": ["export", "bad", "--as", "adapter"],
}
CHAT = ["chat", "{run}", "-p", "Hello"]


@dataclass
class Trial:
    """One command in one hostile place; `why` is empty where all went well."""

    place: str
    command: str
    seconds: float
    mib: float
    why: str


def run_command(arguments: list[str], cwd: Path, python_path: str | None = None) -> tuple[float, float, str]:
    """Seconds, peak MiB, and what went wrong."""
    environment = os.environ | ({} if python_path is None else {"PYTHONPATH": python_path})
    # As the installed command does it, whose script lies in a folder of its own.
    script = Path(os.environ["COCKPIT_HOME"]).parent / "bin" / "cockpit"
    if not script.exists():
        script.parent.mkdir()
        script.write_text(f"import sys\nsys.path.append({PACKAGE!r})\nfrom cockpit.__main__ import main\nmain()\n")
    timer = ["/usr/bin/time", "-f", "%M"] if Path("/usr/bin/time").exists() else []
    command = [*timer, sys.executable, str(script), *arguments]
    began = time.monotonic()
    try:
        done = subprocess.run(
            command, cwd=cwd, env=environment, stdin=subprocess.DEVNULL, capture_output=True, text=True,
            errors="replace", timeout=WITHIN_S, check=False,
        )  # fmt: skip
    except subprocess.TimeoutExpired:
        return time.monotonic() - began, 0.0, f"it has not ended within {WITHIN_S} s"
    last = done.stderr.strip().rpartition("\n")[2]
    mib = int(last) / 1024 if timer and last.isdecimal() else 0.0
    why = "traceback" if "Traceback (most recent call last)" in done.stderr else ""
    return time.monotonic() - began, mib, why or (f"{mib:.0f} MiB" if mib > MOST_MIB else "")


def plant_modules(folder: Path, told: Path) -> None:
    """Modules that say in `told` that they ran."""
    for name in MODULES:
        (folder / f"{name}.py").write_text(f"open({str(told)!r}, 'a').write({name!r} + ' ')\n")


def with_modules(home: Path, commands: dict[str, list[str]]) -> Iterator[Trial]:
    """Modules in the run folder, which is the working folder too, and an empty or relative entry of PYTHONPATH."""
    run, told = RunDir(runs_folder() / "bad"), home / "ran"
    plant_modules(run.path, told)
    for path in (None, "", ":/nowhere", ".", PACKAGE):
        for name, arguments in commands.items():
            seconds, mib, why = run_command(arguments, run.path, path)
            ran = told.read_text() if told.exists() else ""
            told.unlink(missing_ok=True)
            yield Trial(f"modules, PYTHONPATH={path}", name, seconds, mib, why or (f"ran: {ran}" if ran else ""))


def with_files(kind: str, put: Callable[[Path], None], commands: dict[str, list[str]]) -> Iterator[Trial]:
    """`put` takes the place of each file in turn."""
    run = RunDir(runs_folder() / "bad")
    for file in FILES:
        path = run.path / file
        before = path.read_bytes() if path.exists() else None
        path.unlink(missing_ok=True)
        put(path)
        for name, arguments in commands.items():
            if (file, name) in (("engine.json", "attach"), ("engine.json", "resume")):
                continue  # an engine that may be about to begin is waited for
            yield Trial(f"{kind}: {file}", name, *run_command(arguments, run.path.parent))
        path.unlink()
        if before is not None:
            path.write_bytes(before)


def with_links(home: Path, commands: dict[str, list[str]]) -> Iterator[Trial]:
    """Files and folders of the run are links to what somebody holds dear."""
    run, dear = RunDir(runs_folder() / "bad"), home / "dear"
    dear.mkdir()
    for name in ("events.jsonl", "lease", "heartbeat", "engine.log", "export.jsonl", "export.log", "0-x.json"):
        (dear / name).write_text("")
        os.utime(dear / name, (1, 1))
        if name != "0-x.json":
            (run.path / name).unlink(missing_ok=True)
            (run.path / name).symlink_to(dear / name)
    shutil.rmtree(run.commands)
    run.commands.symlink_to(dear)
    before = {path.name: (path.stat().st_mtime, path.read_text()) for path in dear.iterdir()}
    for name, arguments in commands.items():
        if name == "attach":
            continue  # it waits: the log that is a link tells of no end
        seconds, mib, why = run_command(arguments, run.path.parent)
        after = {path.name: (path.stat().st_mtime, path.read_text()) for path in dear.iterdir()}
        changed = [name for name in before.keys() | after.keys() if before.get(name) != after.get(name)]
        yield Trial("links", name, seconds, mib, why or (f"changed: {changed}" if changed else ""))


def endless(path: Path) -> None:
    """A line of 3 GB without end; it takes no room on the disk."""
    with path.open("wb") as stream:
        stream.write(b'{"type":"LogWritten","text":"')
        stream.truncate(3 << 30)


def main(with_engine: bool) -> int:
    """Print a table of trials and failures."""
    trials: list[Trial] = []
    with tempfile.TemporaryDirectory() as name:
        home = Path(name)
        os.environ |= {"COCKPIT_HOME": str(home / "cockpit"), "XDG_CONFIG_HOME": str(home / "config")}
        record(runs_folder(), run_id="sound", steps=4)
        run = record(runs_folder(), run_id="bad", steps=4, ending="lost")
        commands = dict(COMMANDS)
        if with_engine:
            commands["chat"] = [part.replace("{run}", str(run.path)) for part in CHAT]
        for found in (
            with_modules(home, commands),
            with_files("FIFO", os.mkfifo, COMMANDS),
            with_files("device", lambda path: path.symlink_to("/dev/zero"), COMMANDS),
            with_files("3 GB", endless, COMMANDS),
            with_links(home, commands),
        ):
            for trial in found:
                trials.append(trial)
                if trial.why:
                    print(f"{trial.place:<36} {trial.command:<8} {trial.why}", flush=True)
    kinds = list(dict.fromkeys(trial.place.partition(":")[0].partition(",")[0] for trial in trials))
    print(f"{'place':<12}{'trials':>8}{'failures':>10}{'longest':>10}{'most memory':>14}")
    for kind in kinds:
        mine = [trial for trial in trials if trial.place.startswith(kind)]
        failed = sum(bool(trial.why) for trial in mine)
        longest, most = max(trial.seconds for trial in mine), max(trial.mib for trial in mine)
        print(f"{kind:<12}{len(mine):>8}{failed:>10}{longest:>8.1f} s{most:>10.0f} MiB")
    return min(1, sum(bool(trial.why) for trial in trials))


if __name__ == "__main__":
    sys.exit(main("--with-engine" in sys.argv[1:]))
