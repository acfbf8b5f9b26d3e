"""cockpit export: what a run has saved, in a form that other programs take."""

from __future__ import annotations

import subprocess
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from cockpit.cli.ending import end
from cockpit.cli.moved_base import MovedBase, settle_base
from cockpit.cli.trust import TrustRemoteCode, settle_trust

if TYPE_CHECKING:
    from cockpit.launch.engines import EngineKey, EngineProcess
    from cockpit.machine.gpu import GpuReport
    from cockpit.recipe.recipe import Recipe
    from cockpit.runs.folder import RunDir

POLL_S = 0.1
ENDS_WITHIN_S = 10.0


def export(
    run: Annotated[str, typer.Argument(help="A run's id, a unique beginning of one, or last.")],
    form: Annotated[
        str, typer.Option("--as", metavar="FORM", help="adapter, merged-16bit, merged-fp8, gguf:q8_0, gguf:q4_k_m ...")
    ],
    out: Annotated[
        Path | None, typer.Option(help="The folder to make; without it, one inside the run's folder.")
    ] = None,
    push: Annotated[
        str | None, typer.Option(metavar="OWNER/NAME", help="Push it to this repository of the Hub.")
    ] = None,
    private: Annotated[bool, typer.Option(help="Make the repository a private one.")] = False,
    receipt: Annotated[
        bool, typer.Option("--receipt/--no-receipt", help="Compare it with what was trained, and keep that beside it.")
    ] = True,
    as_json: Annotated[bool, typer.Option("--json", help="Print the events as JSON lines.")] = False,
    model: MovedBase = None,
    trust_remote_code: TrustRemoteCode = False,
) -> None:
    """Save a run's adapter, its merged model or a GGUF file as a folder of its own, and push it to the Hub. At its end
    prompts of the run are put to it, and to what was trained: receipt.json says whether both say the same.

    Exit status: 0 it stands, 1 it does not or is not what was trained, 2 what was asked for makes no sense.
    """
    from cockpit.launch.export_form import ExportForm, default_folder, why_not
    from cockpit.launch.exports import start_export
    from cockpit.machine.gpu import GpuProbe
    from cockpit.paths import expanded
    from cockpit.runs.folder import find_run
    from cockpit.runs.moved_base import why_no_base

    try:
        wanted = ExportForm.parse(form)
        found = find_run(run)
    except (LookupError, ValueError) as error:
        end(str(error), 2)
    if private and push is None:
        end("--private is for a repository of the Hub; name one with --push OWNER/NAME.", 2)
    settle_trust(found, trust_remote_code)
    base = settle_base(model, found)
    recipe, key = _loads_with(found, GpuProbe().wait(), base)
    place = expanded(out or default_folder(found, wanted)).absolute()
    wrong = why_not(found, recipe, wanted, key.gpu, place, push)
    if wanted.kind != "adapter" and found.result == found.adapter:
        wrong = wrong or why_no_base(recipe)
    if wrong:
        end(wrong, 2 if push and "repository" in wrong else 1)
    try:
        export_id, process = start_export(
            found, key, wanted.name, place, push=push, private=private, base=base, with_receipt=receipt
        )
    except OSError as error:
        end(f"The export cannot begin: {error.strerror or error} ({error.filename or found.path}).", 1)
    try:
        status = follow_export(found, export_id, process, place, as_json)
        if not as_json:
            _tell_serving(place, recipe, found)
        raise typer.Exit(status)
    except KeyboardInterrupt:
        end(end_export(process, place), 130)


def _tell_serving(place: Path, recipe: Recipe, run: RunDir) -> None:
    """How it is served, where it stands."""
    from cockpit.launch.serving import serving

    if place.is_dir():
        for one in serving(place, place, recipe, run.id):
            print(f"Serve it: {one.line}{'' if one.is_here else f'   ({one.program} is not installed here)'}")


def end_export(process: EngineProcess, place: Path) -> str:
    """End the export, which sweeps up after itself, and is swept up after where it does not end in time."""
    process.terminate()
    try:
        process.wait(ENDS_WITHIN_S)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
        _sweep(place)
    if place.is_dir() and any(place.iterdir()):
        return f"Ended: it was whole already and stands in {place}; it was not pushed."
    return "Ended: nothing was left behind."


def _sweep(place: Path) -> None:
    """Remove what an export has left that could not do so itself."""
    import shutil

    from cockpit.launch.export_form import temporary_paths

    for left in temporary_paths(place):
        shutil.rmtree(left, ignore_errors=True)


def _loads_with(run: RunDir, report: GpuReport, base: str | None) -> tuple[Recipe, EngineKey]:
    """The recipe with its base at `base`, and the key of the process that exports: without Unsloth it merges on the
    CPU."""
    from cockpit.launch.exports import export_key
    from cockpit.recipe.problem import RecipeError
    from cockpit.runs.moved_base import with_base
    from cockpit.runs.origin import recipe_of_run

    try:
        recipe = with_base(recipe_of_run(run.path).recipe(), base)
        return recipe, export_key(recipe, report)
    except RecipeError as error:
        end("\n".join(map(str, error.problems)), 2)
    except ValueError as error:
        end(str(error), 1)


def follow_export(run: RunDir, export_id: str, process: EngineProcess, place: Path, as_json: bool) -> int:
    """Print what the export tells until it has ended; the exit status."""
    from cockpit.cli.report import LineReport, report_for
    from cockpit.protocol.event_log import EventReader
    from cockpit.protocol.events import ExportEnded, ExportProgressed, ExportStarted
    from cockpit.runs.state import RunState

    report = report_for(as_json) if as_json else LineReport(sys.stdout)
    reader, state, ours = EventReader(run.export), RunState(), False
    while True:
        gone = process.poll() is not None
        batch = reader.poll()
        for event in batch:
            if isinstance(event, ExportStarted | ExportProgressed | ExportEnded):
                ours = event.export_id == export_id
            if ours:
                report.tell(event, state)
            if ours and isinstance(event, ExportEnded):
                return 1 if event.reason or event.unlike else 0
        if gone and not batch:
            _sweep(place)
            killed = " It was killed, as the system does where memory runs out." if process.poll() == -9 else ""
            end(f"The export has ended without a word; its log: {run.path / 'export.log'}.{killed}", 1)
        if not batch:
            time.sleep(POLL_S)
