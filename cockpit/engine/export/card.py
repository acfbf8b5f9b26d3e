"""The model card beside an export: base, data, recipe, figures, receipt, and how to serve it"""

from __future__ import annotations

import re
from pathlib import Path

from cockpit.launch.serving import serving
from cockpit.models.hub_cache import is_hub_name
from cockpit.paths import local_path
from cockpit.protocol.event_log import EventReader
from cockpit.protocol.events import AnyEvent, Evaluated, RunEnded, RunStarted, StepEnded
from cockpit.recipe.recipe import Recipe
from cockpit.recipe.schedule import effective_batch, rows_name
from cockpit.runs.evals import before_and_after, kept_evaluations
from cockpit.runs.folder import RunDir
from cockpit.runs.receipt import receipt_in
from cockpit.text.numbers import count, metric
from cockpit.text.plain_text import plain_line

CARD = "README.md"
TO_FILL_IN = "[More Information Needed]"
BEGINS = "<!-- what cockpit knows of this model -->"


def write_card(folder: Path, run: RunDir, recipe: Recipe) -> None:
    """Write the card into `folder`, in place of its README.md."""
    (folder / CARD).write_text(card_of(folder, run, recipe), encoding="utf-8")


def card_of(folder: Path, run: RunDir, recipe: Recipe) -> str:
    """The card of what lies in `folder`, as Markdown, below what its README.md says already. It names no folder of this
    machine."""
    card = folder / CARD
    text = _without_blanks(card.read_text(encoding="utf-8")) if card.is_file() else _front_matter(recipe)
    parts = [text, BEGINS, f"# {plain_line(recipe.about.title or run.id)}", *_facts(run, recipe)]
    parts += [*_evals(run), *_receipt(folder)]
    lines = [one.line for one in serving(folder, Path(), recipe, run.id, base=_named_base(recipe) or "BASE")]
    where = (
        f", with {_name(recipe.model.name_or_path)} in the folder BASE" if any(" BASE " in one for one in lines) else ""
    )
    parts += ["## Serve it", f"From the folder that holds it{where}:", "\n".join(f"    {line}" for line in lines)]
    return "\n\n".join(parts) + "\n"


def _without_blanks(text: str) -> str:
    """What a card says already: of PEFT's form, which nobody has filled in, its head and what was added to its end."""
    text = text.partition(BEGINS)[0].rstrip()
    if TO_FILL_IN not in text:
        return text
    head, _, rest = text.removeprefix("---").partition("\n---")
    notes = re.split(r"\n- PEFT [^\n]*", rest)[-1].strip() if "\n- PEFT " in rest else ""
    return f"---{head}\n---\n\n{notes}".rstrip()


def _front_matter(recipe: Recipe) -> str:
    named = f"base_model: {base}\n" if (base := _named_base(recipe)) else ""
    return f"---\n{named}library_name: transformers\npipeline_tag: text-generation\n---"


def _facts(run: RunDir, recipe: Recipe) -> list[str]:
    events = _events(run)
    started = next((event for event in reversed(events) if isinstance(event, RunStarted)), None)
    measured = [event for event in events if isinstance(event, Evaluated)]
    steps = [event for event in events if isinstance(event, StepEnded)]
    ended = next((event for event in reversed(events) if isinstance(event, RunEnded)), None)
    hashes, data = (started.base_sha256, started.data_sha256) if started else ({}, {})
    lora, training, main = recipe.lora, recipe.training, recipe.kind.main
    batch = effective_batch(recipe)
    rows = [
        ("base", _name(recipe.model.name_or_path)),
        *((f"base, {name}", value) for name, value in hashes.items()),
        *((f"data, {_name(name)}", f"sha256:{value}") for name, value in data.items()),
        ("method", f"{recipe.method}, {'all weights' if recipe.finetuning_type == 'full' else f'LoRA r {lora.r}'}"),
        (f"{rows_name(recipe)} a step", count(batch)),
        ("learning rate", f"{training.learning_rate:g}, {training.lr_scheduler_type}"),
        ("steps", count(ended.step if ended else None)),
        (f"{main.label}, last step", metric(steps[-1].figures.get(main.name)) if steps else "–"),
    ]
    if measured:
        first, last = (one.figures.get(f"eval_{main.name}") for one in (measured[0], measured[-1]))
        rows.append((f"held-out {main.label}", f"{metric(first)} before, {metric(last)} after"))
    versions = started.versions if started else {}
    rows += [(name, versions[name]) for name in ("torch", "transformers", "peft", "trl", "unsloth") if name in versions]
    table = ["| | |", "|---|---|", *(f"| {plain_line(a)} | {plain_line(b)} |" for a, b in rows)]
    return ["Made with cockpit.", "## Training", "\n".join(table)]


def _evals(run: RunDir) -> list[str]:
    """What lm-evaluation-harness has measured; the card of an export is made when it is made."""
    rows = before_and_after(run)
    if not rows:
        return []
    table = ["| task | base | tuned |", "|---|---|---|", *(f"| {plain_line(a)} | {b} | {c} |" for a, b, c in rows)]
    program = kept_evaluations(run)[-1].program
    return ["## Evaluated", f"By {plain_line(program)}, through the chat template.", "\n".join(table)]


def _receipt(folder: Path) -> list[str]:
    receipt = receipt_in(folder)
    if receipt is None:
        return []
    return ["## Is it what was trained", "\n".join(f"    {line}" for line in receipt.lines())]


def _named_base(recipe: Recipe) -> str:
    """The base's name on the Hub; empty where it is a folder, or one that cockpit brings."""
    base = recipe.model.name_or_path
    return base if is_hub_name(base) and local_path(base) is None and ":" not in base else ""


def _name(name_or_path: str) -> str:
    return Path(name_or_path).name if name_or_path.startswith(("/", "~", ".")) else name_or_path


def _events(run: RunDir) -> list[AnyEvent]:
    reader, events = EventReader(run.events), list[AnyEvent]()
    try:
        while batch := reader.poll():
            kept = (event for event in batch if isinstance(event, RunStarted | Evaluated | RunEnded | StepEnded))
            for event in kept:
                if isinstance(event, StepEnded) and events and isinstance(events[-1], StepEnded):
                    events[-1] = event  # the newest step alone
                else:
                    events.append(event)
    finally:
        reader.close()
    return events
