"""cockpit eval: tasks of lm-evaluation-harness, put to what a run has trained through its own chat template"""

from __future__ import annotations

import json
import sys
import tempfile
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from cockpit.cli.ending import end
from cockpit.cli.moved_base import MovedBase, settle_base
from cockpit.cli.target import TARGET_HELP, Target, find_target
from cockpit.cli.trust import TrustRemoteCode, settle_trust

if TYPE_CHECKING:
    from cockpit.recipe.recipe import Recipe
    from cockpit.runs.evals import Evaluation

NEEDS_IT = (
    "Tasks are put by lm-evaluation-harness, which is not installed: pip install 'finetune-cockpit[eval]', or "
    "pip install lm-eval."
)
NO_BASE = "This is a whole model, without an adapter that could be switched off: there is no base to evaluate."
NO_GGUF = (
    "A GGUF file is not evaluated: lm-evaluation-harness is given the model itself. Name the run that it came from."
)


def eval_(
    target: Annotated[str, typer.Argument(help=TARGET_HELP)],
    tasks: Annotated[str, typer.Option(help="Names of tasks, with commas between: arc_easy,hellaswag.")],
    include: Annotated[
        Path | None, typer.Option(help="A folder with tasks of your own, as the harness has them in YAML.")
    ] = None,
    base: Annotated[bool, typer.Option("--base", help="Ask the base: the adapter is switched off.")] = False,
    limit: Annotated[int | None, typer.Option(min=1, help="So many rows of each task alone, to try it.")] = None,
    fewshot: Annotated[
        int | None, typer.Option(min=0, max=100, help="So many examples before each row; else as the task has it.")
    ] = None,
    batch_size: Annotated[int, typer.Option(min=1, max=4096, help="Rows that are asked at once.")] = 8,
    as_json: Annotated[bool, typer.Option("--json", help="Print a JSON document.")] = False,
    model: MovedBase = None,
    trust_remote_code: TrustRemoteCode = False,
) -> None:
    """Evaluate a run, a checkpoint, a saved adapter or a model with tasks of lm-evaluation-harness, through the chat
    template that it was trained with. What comes of a run is kept in its folder, and shown by compare, its card and
    the model card of its exports. Rows of the harness's own tasks come from the Hub.

    Exit status: 0 evaluated, 1 not, 2 an option is wrong, 130 interrupted.
    """
    from cockpit.runs.evals import keep

    names = [name.strip() for name in tasks.split(",") if name.strip()]
    if not names:
        end("--tasks names no task; give some, such as arc_easy,hellaswag.", 2)
    if include is not None and not include.is_dir():
        end(f"--include: there is no folder {include}.", 2)
    found = find_target(target)
    if found.is_gguf:
        end(NO_GGUF, 2)
    if base and not found.has_base:
        end(NO_BASE, 2)
    if find_spec("lm_eval") is None:
        end(NEEDS_IT, 1)
    if found.run is not None:
        settle_trust(found.run, trust_remote_code)
    recipe, saved = _what(found, model)
    options = ["--batch-size", str(batch_size)]
    options += ["--base"] if base else []
    options += ["--include", str(include.absolute())] if include is not None else []
    options += [] if limit is None else ["--limit", str(limit)]
    options += [] if fewshot is None else ["--fewshot", str(fewshot)]
    try:
        evaluation = _evaluated(found, recipe, saved, names, options)
        if found.run is not None:
            keep(found.run, evaluation)
    except KeyboardInterrupt:
        raise typer.Exit(130) from None
    except (OSError, ValueError) as error:
        end(f"It could not be evaluated: {getattr(error, 'strerror', None) or error}.", 1)
    if as_json:
        import msgspec

        print(json.dumps(msgspec.to_builtins(evaluation), indent=2))
    else:
        print("\n".join([*evaluation.lines(), evaluation.summary()]))


def _what(found: Target, moved: str | None) -> tuple[Recipe, Path]:
    """How it is loaded, and from where. Ends the command where there is nothing."""
    from cockpit.launch.saved_recipe import recipe_of
    from cockpit.models.saved_folder import SavedFolder
    from cockpit.recipe.problem import RecipeError
    from cockpit.runs.moved_base import why_no_base, with_base
    from cockpit.runs.origin import recipe_of_run

    if found.run is None:
        assert found.saved is not None
        saved = SavedFolder(found.saved) if moved is None else SavedFolder(found.saved, moved)
        if defect := saved.defect():
            end(defect, 2)
        try:
            return recipe_of(saved), found.saved
        except ValueError as error:
            end(str(error), 1)
    result = found.saved or found.run.result
    if result is None:
        end(f"The run {found.run.id} has saved no adapter, so there is nothing to evaluate.", 1)
    try:
        recipe = with_base(recipe_of_run(found.run.path).recipe(), settle_base(moved, found.run, found.saved))
    except RecipeError as error:
        end("\n".join(map(str, error.problems)), 2)
    if found.has_base and (gone := why_no_base(recipe)):
        end(gone, 1)
    return recipe, result


def _evaluated(found: Target, recipe: Recipe, saved: Path, tasks: list[str], options: list[str]) -> Evaluation:
    """What a process of its own has found. Ends the command where it has found nothing."""
    import msgspec

    from cockpit.cli.told_process import follow
    from cockpit.launch.engines import EngineKey, engine_environment
    from cockpit.machine.child_environment import python_command
    from cockpit.machine.gpu import GpuProbe
    from cockpit.recipe.document import resolved_yaml
    from cockpit.runs.evals import Evaluation

    key = EngineKey.to_ask(recipe, GpuProbe().wait())
    with tempfile.TemporaryDirectory() as name:
        place = Path(name)
        (place / "recipe.yaml").write_text(resolved_yaml(recipe), encoding="utf-8")
        log_file = (found.run.path if found.run is not None else place) / "eval.log"
        command = python_command("cockpit.engine.harness", str(place / "recipe.yaml"), str(saved))
        command += ["--tasks", json.dumps(tasks), "--out", str(place / "found.json"), "--target", found.name]
        with log_file.open("wb") as log:
            status, said = follow([*command, *options], engine_environment(key), log)
        if status or not (place / "found.json").is_file():
            if found.run is not None:
                print(f"It could not be evaluated; its log: {log_file}", file=sys.stderr)
            end(said or f"The process that evaluates ended with status {status}.", 1)
        evaluation = msgspec.json.decode((place / "found.json").read_bytes(), type=Evaluation)
    step = found.saved.name.rpartition("-")[2] if found.run is not None and found.saved is not None else ""
    return msgspec.structs.replace(evaluation, step=int(step) if step.isdecimal() else None)
