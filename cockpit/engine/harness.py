"""python -m cockpit.engine.harness: lm-evaluation-harness on what was trained, through the run's chat template"""

from __future__ import annotations

import argparse
import contextlib
import difflib
import json
import os
import sys
import time
import traceback
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from importlib import metadata
from math import isfinite
from pathlib import Path
from typing import Any

import msgspec

from cockpit.disk import write_atomically
from cockpit.engine.data.chat_template import ChatTemplate
from cockpit.engine.errors import RunFailure, classify_error
from cockpit.engine.model.loading import Loaded, load_for_chat
from cockpit.recipe.recipe import Recipe
from cockpit.runs.evals import Evaluation, TaskResult
from cockpit.text.streams import hide_logins

Say = Callable[[str], None]
LIKE_IT = 3


@dataclass(frozen=True)
class Asked:
    """Which `tasks`, by name, of those of the harness and of the YAML files in the folder `include`. `limit`: so many
    rows of each alone; `fewshot`: so many examples before each, None for what the task says."""

    tasks: Sequence[str]
    include: Path | None = None
    limit: int | None = None
    fewshot: int | None = None
    batch_size: int = 8


def evaluate(recipe: Recipe, saved: Path, asked: Asked, *, base: bool, target: str, say: Say) -> Evaluation:
    """Put the tasks to what lies in the folder `saved`, or to its base. Raises RunFailure where that cannot be loaded
    or a task is not there, and whatever the tasks raise."""
    from lm_eval import simple_evaluate
    from lm_eval.tasks import TaskManager

    manager = TaskManager(include_path=str(asked.include) if asked.include else None)
    _refuse_unknown(asked.tasks, manager.all_tasks)
    say("loading the model")
    loaded = load_for_chat(recipe.model_copy(update={"backend": "transformers"}), saved, say)
    if base and not loaded.adapted:
        raise RunFailure("This is a whole model, without an adapter that could be switched off: it has no base.")
    loaded.model.eval()
    template = _template(loaded, recipe)
    say(f"evaluating {', '.join(asked.tasks)}")
    begun = time.monotonic()
    with loaded.model.disable_adapter() if base else contextlib.nullcontext():
        found = simple_evaluate(
            model=_asked_through(loaded, template, recipe, asked.batch_size),
            tasks=list(asked.tasks),
            task_manager=manager,
            num_fewshot=asked.fewshot,
            limit=asked.limit,
            apply_chat_template=template is not None,
            fewshot_as_multiturn=template is not None,
            log_samples=False,
        )
    return Evaluation(
        target=target,
        weights="base" if base else "tuned",
        program=f"lm-eval {metadata.version('lm-eval')}",
        tasks={name: _result(figures, found["n-samples"].get(name)) for name, figures in found["results"].items()},
        is_templated=template is not None,
        made_at=time.time(),
        took_s=time.monotonic() - begun,
        limit=asked.limit,
        fewshot=asked.fewshot,
    )


def _refuse_unknown(tasks: Sequence[str], known: Sequence[str]) -> None:
    """Raises RunFailure where the harness has no such task."""
    for task in tasks:
        if task not in known:
            like = difflib.get_close_matches(task, known, LIKE_IT)
            raise RunFailure(
                f"lm-evaluation-harness has no task {task!r}.",
                f"Is it {' or '.join(like)}?" if like else "Its tasks: lm_eval ls tasks",
            )


def _template(loaded: Loaded, recipe: Recipe) -> ChatTemplate | None:
    if not loaded.tokenizer.chat_template:
        return None
    return ChatTemplate(loaded.tokenizer, recipe.data.instruction_part, recipe.data.response_part)


def _asked_through(loaded: Loaded, template: ChatTemplate | None, recipe: Recipe, batch_size: int) -> Any:
    """The harness's own wrapper of the model; conversations are rendered as training has rendered them."""
    from lm_eval.models.huggingface import HFLM

    thinks = recipe.chat.presets[0].enable_thinking

    class Templated(HFLM):
        def apply_chat_template(self, chat_history: list[dict[str, str]], add_generation_prompt: bool = True) -> str:
            assert template is not None
            if add_generation_prompt:
                return template.prompt(list(chat_history), thinks)
            return template.render(chat_history, continue_final_message=True, enable_thinking=thinks)

    return Templated(
        pretrained=loaded.model,
        tokenizer=loaded.tokenizer,
        backend="causal",
        batch_size=batch_size,
        max_length=loaded.context_tokens,
    )


def _result(figures: dict[str, Any], rows: dict[str, int] | None) -> TaskResult:
    """The harness calls a metric `acc,none` and its standard error `acc_stderr,none`; its last word is a filter."""
    metrics: dict[str, float] = {}
    stderr: dict[str, float] = {}
    for key, value in figures.items():
        name, comma, kept_by = key.partition(",")
        if not comma or not isinstance(value, int | float) or not isfinite(value):
            continue
        by = "" if kept_by == "none" else f" ({kept_by})"
        if name.endswith("_stderr"):
            stderr[name.removesuffix("_stderr") + by] = float(value)
        else:
            metrics[name + by] = float(value)
    return TaskResult(rows["effective"] if rows else int(figures.get("sample_len") or 0), metrics, stderr)


def main() -> int:
    """Evaluate, and write what was found; 0 where it was, 1 where not: the last line on stdout says why."""
    parser = argparse.ArgumentParser(prog="python -m cockpit.engine.harness")
    parser.add_argument("recipe", type=Path)
    parser.add_argument("saved", type=Path)
    parser.add_argument("--tasks", required=True)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--target", required=True)
    parser.add_argument("--include", type=Path)
    parser.add_argument("--limit", type=int)
    parser.add_argument("--fewshot", type=int)
    parser.add_argument("--batch-size", type=int, default=Asked.batch_size)
    parser.add_argument("--base", action="store_true")
    options = parser.parse_args()
    hide_logins()
    for name in ("HF_HUB_DISABLE_PROGRESS_BARS", "TQDM_DISABLE"):
        os.environ.setdefault(name, "1")
    tasks = json.loads(options.tasks)
    asked = Asked(tasks, options.include, options.limit, options.fewshot, options.batch_size)
    out = sys.stdout

    def say(words: str) -> None:
        print(words, file=out, flush=True)

    try:
        from cockpit.recipe.document import RecipeDocument

        say("importing lm-evaluation-harness")
        recipe = RecipeDocument.load(options.recipe).recipe()
        with contextlib.redirect_stdout(sys.stderr):  # tasks print what they like
            found = evaluate(recipe, options.saved, asked, base=options.base, target=options.target, say=say)
        write_atomically(options.out, msgspec.json.encode(found))
    except BaseException as error:
        traceback.print_exc()
        ending = classify_error(error, None, 0)
        say(f"{ending.reason} {ending.advice}".strip())
        return 1
    return 0


if __name__ == "__main__":
    status = main()
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(status)  # threads of the stack are not waited for
