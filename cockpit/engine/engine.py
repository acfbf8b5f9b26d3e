"""Engine: command loop, the worker thread, always ends with RunEnded"""

from __future__ import annotations

import contextlib
import os
import select
import stat
import threading
import time
import traceback

import msgspec
import psutil

from cockpit.engine.controls import Controls
from cockpit.engine.errors import first_line
from cockpit.engine.journal import Journal
from cockpit.engine.machine import Machine
from cockpit.engine.ownership import Ownership
from cockpit.engine.rank import Ranks
from cockpit.engine.rank_watch import RankWatch
from cockpit.engine.stack import imported, packages
from cockpit.engine.surroundings import Surroundings
from cockpit.engine.worker import Worker
from cockpit.paths import probes_folder, runs_folder, standby_folder
from cockpit.protocol.commands import (
    AnswerPrompts,
    AnyCommand,
    Chat,
    ChatBoth,
    Stop,
    StopReply,
    Train,
    Unload,
    UnreadableCommand,
)
from cockpit.protocol.event_log import newest_attempt
from cockpit.protocol.events import CommandAnswered, EngineExited, EngineStarted, ModelUnloaded, RunEnded, StopRequested
from cockpit.runs.folder import RunDir
from cockpit.runs.liveness import EngineIdentity
from cockpit.runs.ranks import wish_to_go_on

TICK_S = 0.1
HEARTBEAT_S = 1.0
READ_IDLE_S = 10.0
IDLE_S = 600.0
"""A model that nobody has looked at for so long is unloaded."""
NO_TRAIN_S = 120.0
"""An engine in a run folder that is not told to train within so long ends: who started it has gone."""
UNINTERRUPTED = ("compiling", "training", "evaluating", "sampling", "answering", "saving", "paused", "ready")
"""Phases in which the worker looks at a Stop itself, or will soon."""


class Engine:
    """One engine: it trains one run, or loads a past one, then chats.

    The thread that calls `run` takes commands, reads the machine and touches the heartbeat; a worker thread imports,
    trains and answers.
    """

    def __init__(
        self,
        run: RunDir,
        backend: str,
        *,
        chat_only: bool = False,
        base: str | None = None,
        own_process: bool = False,
        idle_s: float = IDLE_S,
        lock: int | None = None,
        ranks: Ranks | None = None,
        launcher: int | None = None,
    ) -> None:
        """`chat_only` loads what the run has saved, on the base at `base` where one is given. `own_process`: stdin and
        the end of the process are ours too, so that a worker which cannot be interrupted may be left behind. `lock` is
        the folder's, where a starter has handed it on. Of several `ranks` this is the engine of the first one; the
        process `launcher` has started all, and holds the lock for them. Raises OSError where the folder cannot be
        written, and RunTaken among them where another engine has it."""
        self._run = run
        self._identity = EngineIdentity.of_process(launcher or os.getpid(), backend)
        self._ownership = Ownership(run, self._identity, lock, launcher_holds=launcher is not None)
        self._watch = RankWatch(run, ranks.world) if ranks is not None and ranks.are_several else None
        self.lost_rank = False
        """Whether the run has ended because another rank had."""
        self.was_taken = False
        """Whether another engine has taken the run from this one."""
        self.handed_on: tuple[RunDir, int] | None = None
        """The run and its folder's lock, where the run goes on in a new engine of this process."""
        self._backend = backend
        self._chat_only = chat_only
        self._own_process = own_process
        self._idle_s = idle_s
        self._controls = Controls()
        known = newest_attempt(run.events)
        self._journal = Journal(run, max(1, known if chat_only else known + 1), self._ownership)
        self._found_log = known > 0
        self._machine = Machine()
        self._worker = Worker(
            run,
            backend,
            self._journal,
            self._controls,
            self._machine,
            chat_only=chat_only,
            base=base,
            may_fall_back=own_process and (self._watch is None or self._may_start_anew(ranks, launcher)),
            ranks=ranks,
            watch=self._watch,
        )
        self._terminated = threading.Event()
        self._signal = "SIGTERM"
        self._surroundings = Surroundings(run, self._journal, self._controls, self._worker)
        self._reason = ""
        self._unwanted = False
        waits = run.path.parent in (standby_folder(), probes_folder())
        self._stdin_matters = own_process and waits and _stdin_is_pipe()
        self._started = time.monotonic()
        self._made_at = time.time()
        self._beat_at = self._read_at = 0.0
        self._imported = 0

    def terminate(self, signal: str = "SIGTERM") -> None:
        """End as SIGTERM asks: finish the step, save, and go, within the recipe's grace. May be called from a signal
        handler or any thread."""
        self._signal = signal
        self._terminated.set()

    def run(self) -> None:
        """Work until there is nothing left to do. Raises OSError where the folder cannot be written."""
        identity = self._identity
        self._journal.emit(EngineStarted(pid=identity.pid, host=identity.host, backend=self._backend))
        if self._found_log or self._chat_only:
            self._refuse_stale_commands()
        self._worker.start()
        try:
            while not self._is_over():
                if self._is_taken():
                    break
                self._tick()
                self._terminated.wait(TICK_S) if not self._reason else time.sleep(TICK_S)
        finally:
            self._finish()

    def _is_taken(self) -> bool:
        """Whether another engine has the folder: commands and logs are then its own, and this one leaves both alone."""
        self.was_taken = self.was_taken or self._ownership.is_lost()
        if self.was_taken:
            self._controls.ask_stop(save=False)
        return self.was_taken

    def _refuse_stale_commands(self) -> None:
        """Commands from before this engine was started were for one that has gone; its Unload is not ours. Whoever sent
        them is told."""
        # Several ranks begin some seconds after the process that has started them, which is the engine for others.
        since = time.time() - process_age_s(self._identity.pid) if self._own_process else self._made_at
        for command in self._run.take_stale_commands(since):
            self._answer(command, "The engine that this was for has gone, and has not done it.", stale=True)

    def _tick(self) -> None:
        self._take_commands()
        now = time.monotonic()
        self._beat(now)
        self._look_at_ranks()
        self._show_import()
        if why := self._surroundings.look(is_leaving=bool(self._reason)):
            self._leave(why)
        if self._terminated.is_set():
            if not self._reason:
                self._surroundings.hurry()
            self._leave(f"The engine was told to end ({self._signal}).")
        if self._stdin_matters and not self._worker.begun and _stdin_has_ended():
            self._unwanted = True
            self._leave("Who started this standby has gone.")
        if self._is_forgotten(now):
            self._unwanted = not self._chat_only
            self._leave("Nobody has told this engine to train.")
        if self._worker.ready_at is not None and self._idle(now) > self._idle_s:
            self._leave("Nobody has looked at the run for a while.")

    @staticmethod
    def _may_start_anew(ranks: Ranks | None, launcher: int | None) -> bool:
        """Whether the process that has started all ranks can do so again."""
        return launcher is not None and ranks is not None and not ranks.on_several_machines

    @property
    def leaves_others(self) -> bool:
        """Whether ranks may be left that are to be ended, as the training was not over."""
        return self._watch is not None and not self._watch.are_done

    def _look_at_ranks(self) -> None:
        """A run of several ranks ends as soon as one of them has gone: the others would wait for it for ever."""
        if self._watch is None or self.lost_rank or (found := self._watch.look()) is None:
            return
        self.lost_rank = True
        if self._worker.fall_back(found):
            return
        self._worker.settle_end(msgspec.structs.replace(found, step=self._worker.step))
        self._reason = self._reason or found.reason
        self._controls.ask_stop(save=False)
        self._controls.leave()

    def _take_commands(self) -> None:
        """Do or refuse what was asked for since the last time. No command ends the run by being one that cannot be
        done, and none keeps the next one, which may be a Stop, from being taken."""
        if self._worker.is_falling_back:
            return
        for command in self._run.take_commands():
            try:
                self._take(command)
            except OSError:
                traceback.print_exc()  # the answer could not be written
            except Exception as error:
                traceback.print_exc()
                with contextlib.suppress(OSError):
                    self._answer(command, f"The engine failed to do this: {first_line(error).rstrip('.')}.")

    def _take(self, command: AnyCommand | UnreadableCommand) -> None:
        match command:
            case UnreadableCommand():
                self._journal.log("warning", f"A command was refused. {command.why}")
                self._answer(command, command.why)
            case Train():
                self._answer(command, self._train(command))
            case Stop():
                running = self._worker.begun and not self._worker.ended
                if running:
                    self._ask_stop(command.save, command.id)
                self._answer(command, "" if running else "Nothing is being trained.")
            case Chat() | ChatBoth() if self._worker.is_stepping and not self._controls.leaving:
                if why_not := self._controls.ask_between(command):
                    self._answer(command, why_not)
            case Chat() | ChatBoth() | AnswerPrompts():
                if self._worker.ready_at is None or self._controls.leaving:
                    self._answer(command, "There is no trained model to answer yet.")
                else:
                    self._controls.work.put(command)
            case StopReply():
                self._controls.end_reply(command.chat_id)
                self._answer(command, "")
            case Unload(pid=pid) if pid not in (None, self._identity.pid):
                self._answer(command, "The engine that this was for has gone.", stale=True)
            case Unload():
                running = self._worker.begun and not self._worker.ended
                self._answer(command, "The run is still going; stop it first." if running else "")
                if not running:
                    self._unwanted = not self._worker.begun and not self._chat_only
                    self._leave("Unloaded as asked.")
            case _:
                running = self._worker.begun and not self._worker.ended
                self._answer(command, self._controls.ask(command) if running else "Nothing is being trained.")

    def _train(self, train: Train) -> str:
        """Take the run up. Why not, else empty."""
        if self._worker.begun or self._chat_only:
            return "This engine has had its run; each run gets an engine of its own."
        if train.resume != self._found_log:
            return "There is nothing to resume here." if train.resume else "This run has begun already."
        if self._controls.leaving:
            return "This engine is about to end."
        if self._run.path.parent == standby_folder():
            if "/" in train.run_id or "\0" in train.run_id or train.run_id in ("", ".", ".."):
                return "A run's id is the name of a folder, without slashes."
            place = runs_folder() / train.run_id
            if place.exists():
                return f"There is a run {train.run_id} already."
            try:
                place.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
                self._run.path.rename(place)
            except OSError as error:
                return f"The run's folder cannot be made: {error.strerror or error}."
            self._run = self._worker.run = self._ownership.run = RunDir(place)
        self._worker.begin_run(train)
        return ""

    def _answer(self, command: AnyCommand | UnreadableCommand, why_not: str, *, stale: bool = False) -> None:
        kind = command.type if isinstance(command, UnreadableCommand) else type(command).__name__
        parts = [chat.id for chat in command.chats] if isinstance(command, ChatBoth) else []
        for id_ in (command.id, *parts):
            answer = CommandAnswered(command_id=id_, accepted=not why_not, text=why_not, command=kind, stale=stale)
            self._journal.emit(answer)

    def _ask_stop(self, save: bool, command_id: str = "") -> None:
        """Stop training and tell all readers. Raises OSError where they cannot be told; it holds all the same."""
        if self._controls.ask_stop(save):
            self._journal.emit(StopRequested(save=save, command_id=command_id))

    def _leave(self, reason: str) -> None:
        """End as soon as what is under way may be left."""
        if self._reason:
            return
        self._reason = reason
        self._controls.why = reason
        if self._worker.begun and not self._worker.ended:
            try:
                self._ask_stop(save=True)
            except OSError:
                traceback.print_exc()  # it holds all the same
        self._controls.leave()

    def _is_over(self) -> bool:
        if self._worker.is_done() or self.lost_rank:
            return True
        if not self._own_process or self._journal.phase in UNINTERRUPTED:
            return False
        # The worker is in the middle of an import or a load, which nothing interrupts, and nothing would be lost.
        if self._worker.begun and not self._worker.ended and self._controls.stop is not None:
            return True
        if self._worker.ended and self._reason and self._journal.phase == "loading_model":
            return True  # what was saved is loaded anew for a chat, which nobody wants any more
        return bool(self._reason) and not self._worker.begun

    def _finish(self) -> None:
        worker = self._worker
        if worker.falls_back:
            self._journal.close()
            if self._watch is None:
                self.handed_on = self._run, self._ownership.hand_on()
            else:
                wish_to_go_on(self._run)
                self._ownership.release()
            return
        self._controls.leave()
        self._surroundings.ask_no_more()
        if self._is_taken():
            self._journal.close()
            self._ownership.release()
            return
        try:
            self._refuse_the_rest()
        except OSError:
            traceback.print_exc()
        try:
            if self._controls.stop is not None:
                worker.end_run(RunEnded(outcome="stopped", step=worker.step, reason=self._controls.why))
            else:
                worker.end_run(RunEnded(outcome="failed", step=worker.step, reason="The engine ended unexpectedly."))
            self._surroundings.tell_end()
            reason = self._reason or worker.failure or "There is nothing left to do."
            if worker.ready_at is not None:
                self._journal.emit(ModelUnloaded(reason=reason))
            self._journal.emit(EngineExited(reason=reason))
        except OSError:
            traceback.print_exc()
        self._journal.close()
        self._ownership.release()
        never_used = self._unwanted or (self._terminated.is_set() and not worker.begun and not self._chat_only)
        if never_used and not self._found_log:
            self._run.remove()

    def _refuse_the_rest(self) -> None:
        """Answer what was asked for and will not be done: questions in the queue, commands since the last tick."""
        for asked in self._controls.unanswered():
            self._answer(asked, "The model was unloaded before it could answer.")
        self._take_commands()

    def _beat(self, now: float) -> None:
        try:
            if now - self._beat_at >= HEARTBEAT_S:
                self._beat_at = now
                if self._is_folder_gone():
                    return
                self._ownership.renew()
                if self._watch is None:
                    self._run.touch_heartbeat()
                else:
                    self._machine.other_ranks = self._watch.pids()
                    self._ownership.name_ranks((os.getpid(), *self._machine.other_ranks))
                    self._run.touch_heartbeat(self._watch.beat_at())
            training = self._worker.begun and not self._worker.ended
            if now - self._read_at >= (HEARTBEAT_S if training else READ_IDLE_S):
                self._read_at = now
                reading = self._machine.read(self._worker.step)
                self._journal.emit_reading(reading)
                if training and self._worker.watchdogs is not None:
                    self._worker.watchdogs.machine_read(reading.gpus)
        except OSError:
            traceback.print_exc()

    def _is_folder_gone(self) -> bool:
        """Whether the folder was moved or deleted; the run fails then, and says in the log, which is open, where."""
        gone = self._ownership.folder_gone()
        if gone is not None:
            self._worker.settle_end(
                RunEnded(outcome="failed", step=self._worker.step, reason=str(gone), advice=gone.advice)
            )
            self._controls.ask_stop(save=False)
            self._leave(str(gone))
        return gone is not None

    def _show_import(self) -> None:
        if self._journal.phase == "importing":
            done = imported(self._backend)
            if done != self._imported:
                self._imported = done
                self._journal.progress("importing", done, len(packages(self._backend)), "packages")

    def _is_forgotten(self, now: float) -> bool:
        return (
            not self._worker.begun
            and not self._chat_only
            and self._run.path.parent not in (standby_folder(), probes_folder())
            and now - self._started > NO_TRAIN_S
        )

    def _idle(self, now: float) -> float:
        """Seconds since a reader was last there, or since the model is ready."""
        assert self._worker.ready_at is not None
        since_ready = now - self._worker.ready_at
        try:
            return min(since_ready, max(0.0, time.time() - self._run.lease.stat().st_mtime))
        except OSError:
            return since_ready


def process_age_s(pid: int | None = None) -> float:
    """Seconds since a process was started, this one unless given, to a hundredth."""
    process = psutil.Process(pid)
    return time.clock_gettime(time.CLOCK_BOOTTIME) - (process.create_time() - psutil.boot_time())


def _stdin_is_pipe() -> bool:
    try:
        mode = os.fstat(0).st_mode
    except OSError:
        return False
    return stat.S_ISFIFO(mode) or stat.S_ISSOCK(mode)


def _stdin_has_ended() -> bool:
    try:
        readable, _, _ = select.select([0], [], [], 0)
        return bool(readable) and not os.read(0, 4096)
    except OSError:
        return True
