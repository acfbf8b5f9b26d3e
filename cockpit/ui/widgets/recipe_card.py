"""What a card says of a recipe: with which model, adapter, data and trainer, and what would stop it."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from cockpit.text.numbers import UNKNOWN, count, duration, percent
from cockpit.ui.widgets.card import CardText
from cockpit.ui.widgets.forecast_facts import holders_text, memory_text

if TYPE_CHECKING:
    from cockpit.preflight.outlook import Outlook
    from cockpit.preflight.plan import Plan
    from cockpit.recipe.recipe import Recipe


def card_of_recipe(recipe: Recipe, plan: Plan | None, outlook: Outlook | None = None) -> CardText:
    """The card of a sound recipe; without a plan, of what the recipe alone says."""
    from cockpit.recipe.fields import format_value
    from cockpit.recipe.schedule import batches_text, rows_name

    training = recipe.training
    facts = [
        *_needs(recipe, plan),
        *_here(outlook),
        ("model", model_text(recipe)),
        _adapter(recipe),
        ("data", _data_text(recipe, plan)),
        (
            "train",
            f"{batches_text(recipe)} {rows_name(recipe)} a step, "
            f"{format_value(training.learning_rate)} {training.lr_scheduler_type.replace('_', ' ')}, {training.optim}",
        ),
    ]
    if plan is not None:
        steps = f"{count(plan.total_steps)}" if plan.total_steps else "known once the data is read"
        warmup = f", {count(plan.warmup_steps)} of them warm-up" if plan.total_steps and plan.warmup_steps else ""
        facts.append(("steps", steps + warmup))
    problems = [_short(problem) for problem in plan.problems] if plan is not None else []
    title = recipe.about.title or Path(recipe.model.name_or_path).name
    return CardText(title, recipe.about.description, facts, problems)


def _needs(recipe: Recipe, plan: Plan | None) -> list[tuple[str, str]]:
    """As the recipe's header has it, if it says anything."""
    is_for_gpu = recipe.about.needs.endswith("GiB")
    of_vram = " of VRAM" if is_for_gpu else ""
    without = "; no GPU here: hours" if is_for_gpu and plan is not None and plan.on_cpu else ""
    said = ", ".join(filter(None, (f"{recipe.about.needs}{of_vram}", recipe.about.duration)))
    return [("needs", said + without)] if said else []


def _here(outlook: Outlook | None) -> list[tuple[str, str]]:
    """Whether it fits into the GPU that it would take, beside whom, and how long it takes here."""
    if outlook is None:
        return []
    told = outlook.duration
    spent = f", {outlook.cost}" if outlook.cost is not None else ""
    takes = None if told is None else f"about {duration(told.seconds)} here{spent}"
    if outlook.on_cpu:
        return [] if takes is None else [("time", takes)]
    facts = [("VRAM", f"{memory_text(outlook).plain}; {takes or f'time {UNKNOWN}'}")]
    if outlook.fitted is not None:
        facts.append(("fit", outlook.fitted.said()))
    if outlook.room is not None and outlook.fit in ("tight", "does not fit") and outlook.room.holders:
        facts.append(("", f"held by {holders_text(outlook.room)}"))
    if outlook.room is not None and outlook.room.correction is not None:
        facts.append(("", f"corrected {outlook.room.correction.said()}"))
    return facts


def _adapter(recipe: Recipe) -> tuple[str, str]:
    if recipe.finetuning_type == "full":
        return "adapter", "none: every weight is trained"
    lora = recipe.lora
    targets = (
        lora.target_modules if isinstance(lora.target_modules, str) else f"{len(lora.target_modules)} kinds of layer"
    )
    return "LoRA", f"r {lora.r}, alpha {lora.lora_alpha:g}, {targets}"


def model_text(recipe: Recipe) -> str:
    """Which base, how it is held, and the longest row."""
    model = recipe.model
    return f"{model.name_or_path} · {quantization_text(recipe)}, {count(model.max_seq_length)} tokens"


def data_names(recipe: Recipe) -> str:
    """The sources, as the recipe names them."""
    return ", ".join(source.name_or_path for source in recipe.data.mixed().sources)


def quantization_text(recipe: Recipe) -> str:
    """How the base is held, in a word."""
    return {"none": "16-bit", "nf4": "nf4 (4-bit)", "int8": "int8"}[recipe.model.quantization]


def _data_text(recipe: Recipe, plan: Plan | None) -> str:
    found = f" · {plan.data.said}" if plan is not None and plan.data.said else ""
    return f"{data_names(recipe)}{found}{_held_out_text(recipe, plan)}"


def _held_out_text(recipe: Recipe, plan: Plan | None) -> str:
    """The recipe's number is the most there may be, as long as the rows are not known: a small file keeps most."""
    known = plan.held_out if plan is not None else None
    if known is not None:
        return f", {count(known)} held out" if known else ""
    if recipe.data.validation is not None:
        return f", measured on {recipe.data.validation.name_or_path or recipe.data.validation.split}"
    if recipe.data.eval_share is not None:
        return f", {percent(recipe.data.eval_share)} of all held out"
    return f", at most {count(recipe.data.eval_rows)} held out" if recipe.data.eval_rows else ""


def _short(problem: object) -> str:
    field, wrong, right = (str(getattr(problem, name, "")) for name in ("field", "wrong", "right"))
    return ": ".join(filter(None, (field, "; ".join(filter(None, (wrong, right))))))
