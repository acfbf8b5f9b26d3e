"""PastRuns: opening a run that is there already, going on with one that has ended, exporting what it has saved"""

from __future__ import annotations

import sys
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, cast

from cockpit.runs.status import MOST_TRIES
from cockpit.text.plain_text import plain_line, plain_text

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from cockpit.launch.engines import EngineProcess, StartedEngine
    from cockpit.recipe.document import RecipeDocument
    from cockpit.runs.folder import RunDir
    from cockpit.runs.label import Label
    from cockpit.runs.link import Link
    from cockpit.runs.resumable import ResumePoint
    from cockpit.ui.runs.host import Host
    from cockpit.ui.runs.session import RunSession

LETS_GO_WITHIN_S = 30.0
"""How long an engine that only chats is waited for before the run goes on."""


ELSEWHERE = "the run's log (esc) tells how it goes, F8"
"""Where the log is not in sight, as in the chat."""


@dataclass
class _Going:
    """A run that goes on as soon as the engine that chats with it has gone."""

    run: RunDir
    document: RecipeDocument
    point: ResumePoint
    until: float
    force: bool


@dataclass
class _Export:
    run: RunDir
    id: str
    process: EngineProcess
    is_unwanted: bool = False
    """Whether the person has ended it."""


class PastRuns:
    """What the app does with runs that lie on the disk. `tick`, called ten times a second, waits for nothing."""

    def __init__(self, host: Host) -> None:
        self._host = host
        self._going: _Going | None = None
        self._taken_up: dict[str, tuple[int, int, int]] = {}
        """Of runs that went on by themselves: the attempt that was lost, its checkpoint, how often from there."""
        self._exports: list[_Export] = []
        self._to_export: RunDir | None = None
        """The run whose export waits for the GPU driver."""

    def session(self, link: Link) -> RunSession | None:
        """The session of a run; None where its recipe cannot be read, which is said then."""
        from cockpit.ui.runs.session import RunSession

        document = self._document(link.run)
        return RunSession(link, document.recipe(), document) if document is not None else None

    def resume(self, run: RunDir, *, force: bool = False) -> None:
        """Ask how far the run is to go on, then let it; `force`: though its engine, out of sight, may still live."""
        from cockpit.runs.resumable import ResumePoint, SilentEngine

        document = self._document(run)
        if document is None:
            return
        try:
            point = ResumePoint.of(run, document.recipe(), force=force)
        except SilentEngine as error:
            if error.may_be_forced:
                self._host.ask_take_up(str(error), lambda: self.resume(run, force=True))
            else:
                self._refuse(str(error))
            return
        except ValueError as error:
            self._refuse(str(error))
            return

        def go_on(steps: int | None) -> None:
            if steps is not None:
                self._go_on(_Going(run, document, point, time.monotonic() + LETS_GO_WITHIN_S, force), steps)

        self._host.ask_steps(point, go_on)

    def take_up_lost(self, session: RunSession) -> None:
        """Let a run go on that was lost before the app's eyes, where its recipe says so: once for each attempt, and no
        more often than MOST_TRIES without a checkpoint further."""
        ended = session.state.ended
        is_lost = session.status == "lost" or (session.status == "failed" and ended is not None and ended.rank_lost)
        if not is_lost or session.recipe.lifecycle.on_lost != "resume" or not session.was_alive:
            return
        state, run = session.state, session.link.run
        newest = state.checkpoints[-1].step if state.checkpoints else 0
        attempt, step, tries = self._taken_up.get(run.id, (0, -1, 0))
        if attempt == state.attempt or not newest:
            return
        tries = tries + 1 if step == newest else 1
        self._taken_up[run.id] = (state.attempt, newest, tries)
        if tries > MOST_TRIES:
            return
        if (machines := session.recipe.hardware.nodes) > 1:
            why = f"{machines} machines train it, each of which must be started again."
            self._host.notify(f"{plain_line(run.id)} was lost: {why}", severity="warning", markup=False)
        else:
            self._host.notify(f"{plain_line(run.id)} was lost and goes on by itself (lifecycle.on_lost).", markup=False)
            self.resume_with(run, ())

    def resume_with(self, run: RunDir, settings: Sequence[str]) -> None:
        """Let the run go on as far as it was planned, with settings as `--set` takes them."""
        from cockpit.recipe.problem import RecipeError
        from cockpit.recipe.resume_policy import refused_changes
        from cockpit.runs.resumable import ResumePoint

        document = self._document(run)
        if document is None:
            return
        before = document.recipe()
        try:
            for setting in settings:
                document.set_from_text(setting)
            if refused := refused_changes(before, document.recipe(), "--set"):
                raise RecipeError(refused)
            point = ResumePoint.of(run, before)
        except (RecipeError, ValueError) as error:
            self._refuse(str(error))
            return
        going = _Going(run, document, point, time.monotonic() + LETS_GO_WITHIN_S, force=False)
        self._go_on(going, point.total_steps or point.step)

    def label(self, run: RunDir) -> None:
        """Ask for its name, tags and note, and keep them."""
        from cockpit.runs.label import changing

        def given(label: Label) -> None:
            try:
                with changing(run):
                    label.write(run)
            except OSError as error:
                self._refuse(f"The label cannot be written: {error.strerror or error}.")

        self._host.ask_label(run, given)

    def remove(self, run: RunDir) -> None:
        """Ask, and remove it for good."""
        from cockpit.runs.removal import remove, why_not_removable

        def agreed() -> None:
            try:
                remove(run)
            except (OSError, ValueError) as error:
                self._refuse(f"The run was not removed: {plain_line(str(error))}")

        if why_not := why_not_removable(run):
            self._host.notify(why_not, severity="warning", markup=False)
        else:
            self._host.ask_removal(run, agreed)

    def export(self, run: RunDir) -> None:
        """Ask in which form, then begin; the run's log tells how it goes. While one is under way: ask whether to end
        that."""
        from cockpit.launch.export_choices import export_choices
        from cockpit.launch.export_form import ExportForm, why_not
        from cockpit.launch.exports import export_key, start_export

        under_way = self._under_way(run)
        if under_way is not None:
            self._ask_to_end(under_way)
            return
        document, report = self._document(run), self._host.engine_status.report
        if document is None:
            return
        if report is None:
            self._to_export = run
            self._host.notify("Waiting for the GPU driver to answer; what can be exported is asked then.", markup=False)
            return
        recipe = document.recipe()
        try:
            key = export_key(recipe, report)
        except ValueError as error:
            self._refuse(str(error))
            return

        def chosen(choice: tuple[ExportForm, Path] | None) -> None:
            if choice is None:
                return
            form, folder = choice
            try:
                export_id, process = start_export(run, key, form.name, folder)
            except OSError as error:
                self._refuse(f"The export cannot begin: {error.strerror or error}.")
                return
            self._exports.append(_Export(run, export_id, process))
            ways = "the log tells how it goes, x" if self._host.show_log() else ELSEWHERE
            self._host.notify(f"Exporting as {form.name}; {ways} ends it.", markup=False)

        def wrong(form: ExportForm, folder: Path) -> str:
            return why_not(run, recipe, form, key.gpu, folder)

        self._host.ask_export(run, export_choices(run, recipe, key.gpu), wrong, chosen)

    def _under_way(self, run: RunDir) -> _Export | None:
        return next((export for export in self._exports if export.run.path == run.path), None)

    def _ask_to_end(self, export: _Export) -> None:
        def end() -> None:
            export.is_unwanted = True
            export.process.terminate()  # it sweeps up after itself

        self._host.ask_end_export(plain_line(export.run.id), end)

    def tick(self) -> None:
        """Tell of exports that have ended; go on with the run that waits, once its folder is free."""
        for export in [export for export in self._exports if export.process.poll() is not None]:
            self._exports.remove(export)
            self._tell_end(export)
        if self._to_export is not None and self._host.engine_status.report is not None:
            run, self._to_export = self._to_export, None
            self.export(run)
        session = self._host.session
        if session is not None:
            session.is_exporting = self._under_way(session.link.run) is not None
        from cockpit.runs.engine_lock import who_has
        from cockpit.runs.status import is_active
        from cockpit.runs.summary import RunSummary

        going = self._going
        report = self._host.engine_status.report
        if going is None or report is None:
            return
        if going.run.liveness() == "alive":
            if is_active(RunSummary.of(going.run).state):
                self._going = None
                self._refuse(who_has(going.run.path))
            elif time.monotonic() > going.until:
                self._going = None
                self._refuse("The engine that chats with this run does not let go of it.")
            return
        self._going = None
        self._start(going)

    def _tell_end(self, export: _Export) -> None:
        from cockpit.protocol.event_log import EventReader
        from cockpit.protocol.events import ExportEnded

        reader, told = EventReader(export.run.export), []
        while batch := reader.poll():
            told += [event for event in batch if isinstance(event, ExportEnded) and event.export_id == export.id]
        reader.close()
        if told and not told[-1].reason:
            self._host.notify(plain_text(f"Exported as {told[-1].form}: {told[-1].path}"), markup=False)
        elif export.is_unwanted:
            self._host.notify("The export has ended; nothing of it is left behind.", markup=False)
        else:
            why = f"{told[-1].reason} {told[-1].advice}" if told else f"its log: {export.run.path / 'export.log'}"
            self._refuse(f"The export has failed: {why}")

    def _go_on(self, going: _Going, steps: int) -> None:
        from cockpit.runs.resumable import let_chat_go

        if steps != (going.point.total_steps or going.point.step):
            going.document.set("training.max_steps", steps)
        self._going = going
        try:
            let_chat_go(going.run)
        except ValueError as error:
            self._going = None
            self._refuse(str(error))
        except OSError as error:
            self._going = None
            self._refuse(f"The run's folder cannot be written: {error.strerror or error}.")

    def _start(self, going: _Going) -> None:
        from cockpit.launch.engines import EngineKey
        from cockpit.preflight.checks import preflight
        from cockpit.preflight.devices import share_among
        from cockpit.recipe.problem import RecipeError

        document, report = going.document, self._host.engine_status.report
        assert report is not None and self._host.engines is not None
        try:
            if (machines := document.recipe().hardware.nodes) > 1:
                share_among(document, str(document.recipe().hardware.gpus), 1, report)
                one = f"This machine trains it alone, with as many rows a step as the {machines} before"
                self._host.notify(f"{one}; cockpit resume --nodes is for several.", markup=False)
            recipe = document.recipe()
            problems = preflight(recipe, report, document.file, document.line, resumes=True)
            if problems:
                raise RecipeError(problems)
            engine: StartedEngine = self._host.engines.start_resuming_engine(
                going.run, EngineKey.of(recipe, report), force=going.force
            )
            engine.resume(document.resolved_yaml(), going.point.recipe_name, ["cockpit", *sys.argv[1:]])
        except (RecipeError, OSError, ValueError) as error:
            self._refuse(str(error))
            return
        session = self.session(cast("Link", engine.link))
        if session is not None:
            session.is_engine_ours = True
            self._host.show_recipes()
            self._host.show_live(session)

    def _document(self, run: RunDir) -> RecipeDocument | None:
        from cockpit.recipe.problem import RecipeError
        from cockpit.runs.origin import distrust, recipe_of_run

        try:
            document = recipe_of_run(run.path)
            document.recipe()
            refusal = distrust(run.path)
        except RecipeError as error:
            self._refuse("\n".join(str(problem) for problem in error.problems))
            return None
        if refusal:
            self._host.notify(refusal, severity="warning", markup=False)
        return document

    def _refuse(self, sentence: str) -> None:
        self._host.notify(plain_text(sentence), severity="error", markup=False)
