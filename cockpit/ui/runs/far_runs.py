"""FarRuns: what the app does with runs on other machines: each is asked of cockpit there, over ssh"""

from __future__ import annotations

import subprocess
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import IO, TYPE_CHECKING

from cockpit.remote.asked import USUAL_FORMS, queued_there
from cockpit.runs.elsewhere import Elsewhere, local_name
from cockpit.runs.label import Label
from cockpit.text.numbers import duration
from cockpit.text.plain_text import plain_line, plain_text
from cockpit.ui.runs.chat_engine import ChatEngine
from cockpit.ui.runs.past_runs import PastRuns

if TYPE_CHECKING:
    from cockpit.machine.gpu import GpuReport
    from cockpit.recipe.document import RecipeDocument
    from cockpit.remote.desk import Desk
    from cockpit.remote.host import Host as FarHost
    from cockpit.runs.folder import RunDir
    from cockpit.ui.runs.host import Host
    from cockpit.ui.runs.session import RunSession

OPENS_WITHIN_S = 60.0
"""How long a run that was started is waited for, to be shown."""

Then = Callable[[int, str, str], None]


@dataclass
class _Call:
    """cockpit at a host, under way; `then` is given its exit status, stdout and stderr."""

    process: subprocess.Popen[bytes]
    said: tuple[IO[bytes], IO[bytes]]
    then: Then


class FarChatEngine(ChatEngine):
    """A model that the run's host loads, on a GPU of its own choice."""

    def __init__(self, session: RunSession, far: FarRuns) -> None:
        super().__init__(session)
        self._far, self._of = far, session

    def load(self) -> None:
        """Have the host start an engine that loads what the run has saved."""
        if self.stage == "starting":
            return
        self.problem, self.stage = "", "starting"
        self._before = self._of.state.engine
        try:
            self._far.load(self._of.link.run, self._loaded)
        except ValueError as error:
            self._fail(str(error))

    def _loaded(self, why_not: str) -> None:
        if why_not:
            self._fail(why_not)

    def tick(self) -> None:
        """Its log tells that it has started."""
        if self.stage == "starting" and self._of.state.engine is not self._before:
            self.stage = "running"

    def end(self, *, discards: bool = False) -> None:
        """It ends by itself, once nobody looks at the run."""
        self.stage = "none"


class FarRuns(PastRuns):
    """In place of NewRuns and PastRuns. `tick`, called ten times a second, waits for nothing."""

    def __init__(self, host: Host, desk: Desk) -> None:
        super().__init__(host)
        self._desk = desk
        self._calls: list[_Call] = []
        self._to_open: tuple[RunDir, float] | None = None

    # What the app asks

    def start(self, document: RecipeDocument) -> None:
        """Start a run at a host: the only one that is connected, or the one that the person chooses."""
        self._at_host(document, self._start_at)

    def queue(self, document: RecipeDocument) -> None:
        """Put a recipe into the queue of a host, chosen likewise, and have it worked through there."""
        self._at_host(document, self._queue_at)

    def _at_host(self, document: RecipeDocument, then: Callable[[FarHost, RecipeDocument], None]) -> None:
        from cockpit.recipe.problem import RecipeError

        try:
            document.recipe()
        except RecipeError as error:
            self._host.refuse_start(document, [str(problem) for problem in error.problems])
            return
        connected = [host for host in self._desk.hosts if self._desk.is_heard(host)]
        if not connected:
            self._host.refuse_start(document, [self._why_none()])
        elif len(connected) == 1:
            then(connected[0], document)
        else:
            names = [host.name for host in connected]
            self._host.ask_host(names, lambda at: then(connected[at], document))

    def resume(self, run: RunDir, *, force: bool = False) -> None:
        """Let it go on as far as it was planned."""
        self.resume_with(run, (), force=force)

    def resume_with(self, run: RunDir, settings: Sequence[str], *, force: bool = False) -> None:
        """Let it go on, with settings as `--set` takes them."""
        arguments = [
            "--detach",
            *(["--force"] if force else []),
            *(word for one in settings for word in ("--set", one)),
        ]
        self._ask(run, ["resume", *arguments], "goes on")

    def remove(self, run: RunDir) -> None:
        """Ask, and remove it there for good."""
        self._host.ask_removal(run, lambda: self._ask(run, ["delete", "--yes"], "was removed"), is_far=True)

    def label(self, run: RunDir) -> None:
        """Ask for its name, tags and note, and keep them there."""

        def given(label: Label) -> None:
            was = Label.of(run)
            tags = [word for tag in label.tags for word in ("--tag", tag)]
            untags = [word for tag in was.tags if tag not in label.tags for word in ("--untag", tag)]
            self._ask(run, ["label", f"--name={label.name}", f"--note={label.note}", *tags, *untags], "is labelled")

        self._host.ask_label(run, given)

    def export(self, run: RunDir) -> None:
        """Ask in which form, and have it exported there: what is made lies in the run's folder at its host."""
        elsewhere = Elsewhere.of(run.path)
        if elsewhere is None:
            self._refuse(f"Nobody knows on which host {plain_line(run.id)} is.")
            return
        where, name = plain_line(elsewhere.host), plain_line(run.id)

        def exported(status: int, out: str, said: str) -> None:
            last = next((line for line in reversed(f"{out}\n{said}".splitlines()) if line.strip()), "")
            if status:
                self._refuse(f"{name} was not exported: {plain_line(last) or 'no reason is told'}")
            else:
                self._host.notify(f"{name} is exported on {where}: {plain_line(last)}", markup=False)

        def chosen(form: str) -> None:
            try:
                self._call(run, ["export", "--as", form], exported)
            except ValueError as error:
                self._refuse(str(error))
            else:
                self._host.notify(f"Exporting {name} on {where} as {form} ...", markup=False)

        self._host.ask_form(run.id, USUAL_FORMS, chosen)

    def take_up_lost(self, session: RunSession) -> None:
        """That is for the machine it runs on."""

    def load(self, run: RunDir, then: Callable[[str], None]) -> None:
        """Have the host load what the run has saved, to chat with it; `then` is told why not, empty where it does.
        Raises ValueError with a sentence."""
        self._call(run, ["load"], lambda status, _out, said: then(plain_line(said) if status else ""))

    # How the hosts stand

    @property
    def report(self) -> GpuReport | None:
        """The GPUs of the first host that is connected."""
        reports = (self._desk.gpus(host) for host in self._desk.hosts if self._desk.is_heard(host))
        return next(filter(None, reports), None)

    def poll(self) -> GpuReport | None:
        """As of a GpuProbe: nothing where no host is connected, or its driver has not answered."""
        if not any(map(self._desk.is_heard, self._desk.hosts)):
            return None
        from cockpit.machine.gpu import GpuReport

        return self.report or GpuReport()

    def hosts(self) -> tuple[tuple[str, str], ...]:
        """Each host's name, and why it is not connected; empty where it is."""
        return tuple((host.name, self._missing(host)) for host in self._desk.hosts)

    def _missing(self, host: FarHost) -> str:
        if self._desk.is_heard(host):
            return ""
        heard_s = self._desk.heard_s(host)
        return "connecting" if heard_s is None else f"last heard {duration(heard_s)} ago"

    def _why_none(self) -> str:
        why = (self._desk.why_not(host) or f"{host.name} is not connected yet." for host in self._desk.hosts)
        return " ".join(map(plain_line, why))

    # How it is asked

    def tick(self) -> None:
        """Look at the calls; show the run that was started once its log is here."""
        for call in [call for call in self._calls if call.process.poll() is not None]:
            self._calls.remove(call)
            texts = []
            for stream in call.said:
                stream.seek(0)
                texts.append(plain_text(stream.read(1 << 16).decode(errors="replace")))
                stream.close()
            call.then(call.process.returncode, *texts)
        if self._to_open is not None:
            run, until = self._to_open
            if run.recipe.is_file() and run.events.is_file():
                self._to_open = None
                self._host.open_run(run)
            elif time.monotonic() > until:
                self._to_open = None

    def _start_at(self, host: FarHost, document: RecipeDocument) -> None:
        from cockpit.runs.folder import RunDir

        name = document.recipe().output.run_name or document.name
        arguments = ["train", "-", "--detach", "--set", f"output.run_name={name}"]

        def started(status: int, out: str, said: str) -> None:
            if status:
                self._host.refuse_start(document, said.strip().splitlines() or [f"{host.name} gives no reason."])
                return
            run_id = out.strip().splitlines()[0] if out.strip() else ""
            path = self._desk.folder / "runs" / local_name(run_id, host.name)
            self._to_open = RunDir(path), time.monotonic() + OPENS_WITHIN_S

        self._host.notify(f"Starting on {plain_line(host.name)} ...", markup=False)
        self._call_host(host, arguments, started, document.resolved_yaml())

    def _queue_at(self, host: FarHost, document: RecipeDocument) -> None:
        name = document.recipe().output.run_name or document.name

        def queued(status: int, _out: str, said: str) -> None:
            if status:
                self._host.refuse_start(document, said.strip().splitlines() or [f"{host.name} gives no reason."])
            else:
                waits = (
                    f"{plain_line(name)} waits in the queue of {plain_line(host.name)}, which is worked through there."
                )
                self._host.notify(waits, markup=False)

        self._call_host(host, queued_there(name), queued, document.resolved_yaml())

    def _ask(self, run: RunDir, command: list[str], done: str) -> None:
        def asked(status: int, _out: str, said: str) -> None:
            if status:
                self._refuse(said or "It was not done, for no reason that is told.")
            else:
                self._host.notify(f"{plain_line(run.id)} {done}.", markup=False)

        try:
            self._call(run, command, asked)
        except ValueError as error:
            self._refuse(str(error))

    def _call(self, run: RunDir, command: list[str], then: Then) -> None:
        elsewhere = Elsewhere.of(run.path)
        host = self._desk.host(elsewhere.host) if elsewhere is not None else None
        if elsewhere is None or host is None:
            raise ValueError(f"Nobody knows on which host {plain_line(run.id)} is.")
        if not self._desk.is_heard(host):
            raise ValueError(f"{plain_line(host.name)} is not connected: {self._missing(host)}.")
        name, *options = command
        self._call_host(host, [name, elsewhere.id, *options], then)

    def _call_host(self, host: FarHost, arguments: list[str], then: Then, given: str = "") -> None:
        stdin, out, said = (tempfile.TemporaryFile() for _ in range(3))  # noqa: SIM115 -- until it is over
        stdin.write(given.encode())
        stdin.seek(0)
        process = subprocess.Popen(host.ssh(arguments), stdin=stdin, stdout=out, stderr=said, start_new_session=True)
        stdin.close()
        self._calls.append(_Call(process, (out, said), then))
