"""Starting engines: standby, for a run, for a resume, to chat; which of them a recipe can use"""

from __future__ import annotations

import os
import signal
import subprocess
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Protocol

from cockpit.disk import open_to_append, write_atomically
from cockpit.launch.bytecode import bytecode_environment
from cockpit.launch.meeting import Meeting
from cockpit.machine.child_environment import child_environment, python_command
from cockpit.machine.compile_cache import compile_cache
from cockpit.machine.cores import usable_cores
from cockpit.machine.gpu import DRIVERLESS, NONE, GpuReport
from cockpit.paths import probes_folder, runs_folder, standby_folder
from cockpit.protocol.commands import Train
from cockpit.protocol.event_log import newest_attempt
from cockpit.recipe.recipe import Recipe
from cockpit.runs.abort import tell_aborted
from cockpit.runs.engine_lock import RunTaken, name_holder, take_lock
from cockpit.runs.folder import RunDir, new_run_id
from cockpit.runs.link import RunLink, new_command_id
from cockpit.runs.liveness import EngineIdentity
from cockpit.runs.origin import mark_as_made_here
from cockpit.runs.status import is_active
from cockpit.runs.summary import RunSummary
from cockpit.text.plain_text import plain_line

CPU_NICE = 5
"""How far an engine that trains on the CPU stands back."""


@dataclass(frozen=True)
class EngineKey:
    """All that importing the stack settles for good: a standby serves only recipes that have its key."""

    backend: str
    gpu: str
    """UUID of the GPU, those of several with commas between them, `none` for the CPU, `driverless` where no NVIDIA
    driver was found."""
    compile: bool = True
    ranks: int = 1
    """Processes of this machine that train together, one to a GPU."""
    meeting: Meeting | None = None
    """Of several machines that train together."""

    @classmethod
    def of(cls, recipe: Recipe, report: GpuReport, meeting: Meeting | None = None) -> EngineKey:
        """The key with which a recipe is trained on this machine. Raises ValueError with a sentence where its GPU is
        not there, or it is for another number of machines than meet."""
        hardware, machines = recipe.hardware, 1 if meeting is None else meeting.nodes
        if hardware.nodes != machines:
            raise ValueError(f"hardware.nodes is {hardware.nodes}, and {machines} would train it; start it on each.")
        gpus = report.choose_several(hardware.gpu, hardware.gpus)
        ranks = 1 if hardware.is_spread else hardware.gpus
        return cls(recipe.backend, ",".join(gpus), hardware.compile, ranks, meeting)

    @classmethod
    def to_ask(cls, recipe: Recipe, report: GpuReport) -> EngineKey:
        """The key with which a recipe's model is asked, by one process: on one GPU, and where its layers are spread on
        as many as it was trained with, or as are here. What is here decides: the recipe may come from another machine,
        and GPUs that it names and that are not here are replaced by the freest."""
        hardware = recipe.hardware
        wanted = hardware.gpus if hardware.is_spread else 1
        named = "auto" if wanted == 1 and "," in hardware.gpu else hardware.gpu
        try:
            gpus = report.choose_several(named, wanted)
        except ValueError:
            gpus = report.choose_several("auto", max(1, min(wanted, len(report.visible()))))
        return cls(recipe.backend, ",".join(gpus), hardware.compile)

    def environment(self) -> dict[str, str]:
        """What the engine's environment holds beyond ours."""
        cache = compile_cache()
        extra = {
            # What was compiled is kept for the next run.
            "UNSLOTH_COMPILE_LOCATION": str(cache / "compiled"),
            "TORCHINDUCTOR_CACHE_DIR": os.environ.get("TORCHINDUCTOR_CACHE_DIR") or str(cache / "inductor"),
            "TRITON_CACHE_DIR": os.environ.get("TRITON_CACHE_DIR") or str(cache / "triton"),
            "UNSLOTH_DISABLE_STATISTICS": "1",
            "TOKENIZERS_PARALLELISM": "false",
            "PYTHONUNBUFFERED": "1",
        }
        if self.gpu == NONE:
            extra["CUDA_VISIBLE_DEVICES"] = ""
        elif self.gpu != DRIVERLESS:
            extra["CUDA_VISIBLE_DEVICES"] = self.gpu
        if self.ranks > 1 and self.gpu in (NONE, DRIVERLESS):
            # Ranks share the cores; left to themselves each would take all of them.
            extra["OMP_NUM_THREADS"] = os.environ.get("OMP_NUM_THREADS") or str(max(1, usable_cores() // self.ranks))
        if not self.compile:
            extra |= {"UNSLOTH_COMPILE_DISABLE": "1", "TORCHDYNAMO_DISABLE": "1"}
        return extra


class EngineProcess(Protocol):
    """What a starter needs of an engine's process; subprocess.Popen is one."""

    @property
    def pid(self) -> int: ...
    @property
    def stdin(self) -> IO[bytes] | None: ...
    def poll(self) -> int | None: ...
    def wait(self, timeout: float | None = None) -> int | None: ...
    def terminate(self) -> None: ...
    def kill(self) -> None: ...


@dataclass
class StartedEngine:
    """An engine that this process has started, and the link to its folder."""

    key: EngineKey
    link: RunLink
    process: EngineProcess

    def train(
        self,
        recipe_text: str,
        name: str,
        command: list[str],
        *,
        written: str | None = None,
        fitted: str = "",
        folder: str = "",
    ) -> RunDir:
        """Give the engine its run: `recipe_text` is the resolved YAML, `name` becomes the run's id with the time added.
        `written` is the recipe as it was before it was fitted to this machine, which is kept beside it, and `fitted`
        says how it was. `folder` is where functions of the user's own are looked for, empty for the working folder.

        A standby's folder is moved to the run's by the engine; the link follows. Raises OSError where the folder
        cannot be written (a full disk, say), and ends the engine then.
        """
        here = run = self.link.run
        with self._ended_where_it_fails():
            here.recipe.write_text(recipe_text, encoding="utf-8")
            if written is not None:
                here.written_recipe.write_text(written, encoding="utf-8")
            mark_as_made_here(here.path)
            if here.path.parent == standby_folder():
                run = RunDir(runs_folder() / new_run_id(name))
                run.path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
            train = Train(
                id=new_command_id(),
                run_id=run.id,
                command=command,
                recipe_name=name,
                fitted=fitted,
                folder=folder or _working_folder(),
            )
            here.send(train)
        if run != here:
            self.link.move_to(run)
        return run

    def resume(
        self, recipe_text: str, name: str, command: list[str], from_step: int | None = None, folder: str = ""
    ) -> RunDir:
        """Let the engine go on with the run in whose folder it was started; `recipe_text` is its recipe from now on,
        `folder` as in `train`.

        The recipe as it was stays beside it. Raises OSError where the folder cannot be written, and ends the engine
        then.
        """
        run = self.link.run
        train = Train(
            id=new_command_id(),
            run_id=run.id,
            command=command,
            recipe_name=name,
            resume=True,
            from_step=from_step,
            folder=folder or _working_folder(),
        )
        with self._ended_where_it_fails():
            before = run.recipe.read_text(encoding="utf-8")
            if before != recipe_text:
                write_atomically(run.path / f"recipe.attempt-{newest_attempt(run.events)}.yaml", before)
            write_atomically(run.recipe, recipe_text)
            mark_as_made_here(run.path)
            run.send(train)
        return run

    @contextmanager
    def _ended_where_it_fails(self) -> Iterator[None]:
        """An engine that cannot be given its run would wait for another one, and keep the folder."""
        try:
            yield
        except OSError:
            self.dismiss()
            self.process.terminate()
            raise

    def abort(self, step: int) -> None:
        """End the engine in the middle of whatever it does, and say so in its log in its place, after step `step`."""
        self.process.kill()
        self.process.wait()
        tell_aborted(self.link.run, step)

    def discard(self) -> None:
        """End the engine at once, and all that it has started, and remove its folder."""
        try:
            os.killpg(self.process.pid, signal.SIGKILL)  # it leads a session of its own
        except ProcessLookupError:
            pass
        self.process.wait()
        self.link.close()
        self.link.run.remove()

    def dismiss(self) -> None:
        """End a standby that has not been given a run: its stdin ends."""
        if self.process.stdin is not None:
            self.process.stdin.close()


def start_standby(key: EngineKey) -> StartedEngine:
    """Start an engine that imports the stack and waits. It ends when this process does, unless it was given a run."""
    _remove_lost(standby_folder())
    return _start(key, RunDir.create(standby_folder() / uuid.uuid4().hex[:12]), subprocess.PIPE)


def start_probe(key: EngineKey) -> StartedEngine:
    """Start an engine whose run is only to be measured, in a folder that is to be removed. As a standby it ends when
    this process does, unless it was given a run."""
    _remove_lost(probes_folder())
    return _start(key, RunDir.create(probes_folder() / uuid.uuid4().hex[:12]), subprocess.PIPE)


def start_engine(key: EngineKey, name: str) -> StartedEngine:
    """Start an engine in a run folder of its own, to be given its run at once."""
    return _start(key, new_run(name), subprocess.DEVNULL)


def new_run(name: str) -> RunDir:
    """An empty run folder; `name` becomes its id, with the time added."""
    return RunDir.create(runs_folder() / new_run_id(name))


def start_chat_engine(run: RunDir, key: EngineKey, base: str | None = None) -> StartedEngine:
    """Start an engine that loads what a past run has saved, and answers Chat. Its events go on in the run's own logs.
    `base`: where the base is, in place of the recipe's model.

    Raises ValueError with a sentence where the run has saved nothing, has links in what it has saved, or another
    engine still has it.
    """
    name, found = plain_line(run.id), run.liveness()
    if found == "alive":
        raise ValueError(f"The run {name} has an engine already; chat with that one.")
    if found == "silent" and is_active(RunSummary.of(run).state):
        raise ValueError(f"The run {name} may still be training elsewhere, where its engine is silent.")
    if run.result is None:
        raise ValueError(f"The run {name} has saved no adapter, so there is nothing to chat with.")
    if wrong := run.why_linked():
        raise ValueError(wrong)
    return _start(key, run, subprocess.DEVNULL, "--chat", *(["--model", base] if base else []))


def start_folder_engine(folder: Path, key: EngineKey, recipe_text: str) -> StartedEngine:
    """Start an engine that answers with what somebody has saved in `folder`, in a run folder that is to be removed.

    `recipe_text` says how it is loaded; full training in it means that the folder is a whole model.
    """
    return start_answering_engine(answering_run(folder, recipe_text), key)


def answering_run(folder: Path, recipe_text: str) -> RunDir:
    """The run folder for an engine that answers with what is saved in `folder`; it is to be removed. Raises OSError."""
    run = RunDir.create(standby_folder() / f"chat-{uuid.uuid4().hex[:12]}")
    run.recipe.write_text(recipe_text, encoding="utf-8")
    mark_as_made_here(run.path)
    is_adapter = (folder / "adapter_config.json").is_file()
    (run.adapter if is_adapter else run.model).symlink_to(folder.absolute())
    return run


def start_answering_engine(run: RunDir, key: EngineKey) -> StartedEngine:
    """Start the engine of an answering_run."""
    return _start(key, run, subprocess.DEVNULL, "--chat")


def start_gguf_engine(file: Path, gpu: str, recipe_text: str) -> StartedEngine:
    """Start an engine that answers with a GGUF file, in a run folder that is to be removed, on `gpu` of EngineKey."""
    run = RunDir.create(standby_folder() / f"chat-{uuid.uuid4().hex[:12]}")
    run.recipe.write_text(recipe_text, encoding="utf-8")
    mark_as_made_here(run.path)
    run.gguf.symlink_to(file.absolute())
    return _start(EngineKey("llama.cpp", gpu), run, subprocess.DEVNULL, "--chat")


def start_resuming_engine(run: RunDir, key: EngineKey, *, force: bool = False) -> StartedEngine:
    """Start an engine for a run that has ended, to go on with it. Its events go on in the run's own logs.

    `force`: an engine that is silent has the run no more. Raises ValueError with a sentence where another engine still
    has the run.
    """
    found = run.liveness()
    if found == "alive" or (found == "silent" and not force):
        raise ValueError(f"The run {plain_line(run.id)} has an engine still; it must end before the run can go on.")
    return _start(key, run, subprocess.DEVNULL, force=found == "silent")


def _working_folder() -> str:
    """Empty where it has gone."""
    try:
        return str(Path.cwd())
    except OSError:
        return ""


def _remove_lost(folder: Path) -> None:
    """Folders of engines that were killed, or could not import, are nobody's."""
    try:
        for path in folder.iterdir():
            if RunDir(path).liveness() == "lost":
                RunDir(path).remove()
    except OSError:
        pass  # there is no such folder yet, or another app is at it too


def _start(key: EngineKey, run: RunDir, stdin: int, *options: str, force: bool = False) -> StartedEngine:
    """The lock is taken here and handed to the engine: of two starters, one learns at once that it is too late.

    Raises ValueError with a sentence where another engine has the folder, OSError where it cannot be written.
    """
    try:
        lock = take_lock(run.path, force=force)
    except RunTaken as error:
        raise ValueError(str(error)) from None
    try:
        return _start_locked(key, run, stdin, lock, *options)
    finally:
        os.close(lock)


def _start_locked(key: EngineKey, run: RunDir, stdin: int, lock: int, *options: str) -> StartedEngine:
    # Training on the CPU takes every core; the app, and whatever else the person does there, go first.
    nice = str(CPU_NICE if key.gpu in (NONE, DRIVERLESS) else 0)
    options = ("--backend", key.backend, "--nice", nice, *options)
    if key.ranks > 1 or key.meeting is not None:
        command = _launcher(key, run, "--lock", str(lock), *options)
    else:
        command = python_command("cockpit.engine", str(run.path), *options, "--lock", str(lock))
    with open_to_append(run.engine_log) as log:
        process = subprocess.Popen(
            command,
            stdin=stdin,
            stdout=log,
            stderr=log,
            cwd=run.path,
            env=engine_environment(key),
            start_new_session=True,
            pass_fds=(lock,),
        )
    try:
        # The engine names itself again, beyond a power cut; until then nobody takes its run for one without an engine.
        run.write_identity(EngineIdentity.of_process(process.pid, key.backend), durable=False)
        run.touch_heartbeat()  # else other machines take the last engine's silence for this one's
        name_holder(lock, process.pid)
    except OSError:
        process.kill()
        process.wait()
        raise
    return StartedEngine(key, RunLink(run), process)


def start_node(key: EngineKey, run: RunDir) -> subprocess.Popen[bytes]:
    """Start the ranks of a machine that is not the first of several, for a run that the first one has begun. What they
    print lies in the run's folder. Raises OSError."""
    assert key.meeting is not None
    run.ranks.mkdir(exist_ok=True)
    with open_to_append(run.ranks / f"node-{key.meeting.node}.log") as log:
        return subprocess.Popen(
            _launcher(key, run, "--backend", key.backend),
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            cwd=run.path,
            env=engine_environment(key),
            start_new_session=True,
        )


def _launcher(key: EngineKey, run: RunDir, *options: str) -> list[str]:
    """The command that starts this machine's ranks."""
    meets = key.meeting.options() if key.meeting is not None else ()
    return python_command("cockpit.engine.torchrun", str(run.path), "--ranks", str(key.ranks), *meets, *options)


def engine_environment(key: EngineKey) -> dict[str, str]:
    """The environment of a process that imports the stack."""
    return child_environment() | bytecode_environment() | key.environment()
