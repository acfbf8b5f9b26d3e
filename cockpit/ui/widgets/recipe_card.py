"""RecipeCard: what the marked recipe does, with which model, adapter, data and trainer, and what would stop it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from textual import events
from textual.app import ComposeResult
from textual.containers import VerticalScroll
from textual.content import Content
from textual.widgets import Static

from cockpit.text.numbers import count, percent
from cockpit.text.plain_text import plain_line, plain_text

if TYPE_CHECKING:
    from cockpit.preflight.plan import Plan
    from cockpit.recipe.recipe import Recipe

LABEL_CELLS = 8
ROOMY = 30
"""Lines of the screen from which on the title stands apart."""


@dataclass(frozen=True)
class CardText:
    """What stands on the card: a title, a description, labelled lines, and lines that say what is wrong."""

    title: str = ""
    description: str = ""
    facts: Sequence[tuple[str, str]] = ()
    problems: Sequence[str] = ()


class RecipeCard(VerticalScroll):
    """Scrolls where the recipe says more than fits."""

    DEFAULT_CSS = """
    RecipeCard { scrollbar-size-vertical: 1; scrollbar-gutter: stable; padding: 0 0 0 1; }
    RecipeCard > Static { height: auto; }
    """
    HELP = "The marked recipe: what it does, what it trains with, and what would stop it on this machine."

    def __init__(self, *, id: str | None = None, classes: str | None = None) -> None:
        super().__init__(id=id, classes=classes)
        self._card = CardText()

    def compose(self) -> ComposeResult:
        """One text."""
        yield Static(markup=False)

    def show(self, card: CardText) -> None:
        """Show this; what was scrolled comes back to its beginning."""
        if card != self._card:
            self._card = card
            self.scroll_home(animate=False)
            self._draw()

    def on_resize(self, _event: events.Resize) -> None:
        """Lines are broken to the card's width."""
        self._draw()

    def _draw(self) -> None:
        card, width = self._card, max(20, self.scrollable_content_region.width)
        lines: list[Content] = []
        if card.title:
            lines += Content.styled(plain_text(card.title), "bold").wrap(width)
            if self.app.size.height >= ROOMY:
                lines.append(Content(""))
        if card.description:
            for paragraph in plain_text(card.description).strip().split("\n\n"):
                lines += Content(" ".join(paragraph.split())).wrap(width)
                lines.append(Content(""))
        for label, value in card.facts:
            wrapped = Content(plain_line(value)).wrap(width - LABEL_CELLS)
            for index, line in enumerate(wrapped or [Content("")]):
                shown = label if index == 0 else ""
                lines.append(Content.assemble((shown.ljust(LABEL_CELLS), "$foreground-muted"), line))
        if card.problems:
            lines.append(Content(""))
            for problem in card.problems:
                for index, line in enumerate(Content(plain_line(problem)).wrap(width - 2)):
                    lines.append(Content.assemble(("▲ " if index == 0 else "  ", "$warning"), line))
        self.query_one(Static).update(Content("\n").join(lines))


def card_of(recipe: Recipe, plan: Plan | None) -> CardText:
    """The card of a sound recipe; without a plan, of what the recipe alone says."""
    from cockpit.recipe.fields import format_value

    model, training = recipe.model, recipe.training
    facts = [
        ("model", f"{model.name_or_path} · {quantization_text(recipe)}, {count(model.max_seq_length)} tokens"),
        _adapter(recipe),
        ("data", _data_text(recipe, plan)),
        (
            "train",
            f"{training.per_device_train_batch_size} × {training.gradient_accumulation_steps} rows a step, "
            f"{format_value(training.learning_rate)} {training.lr_scheduler_type.replace('_', ' ')}, {training.optim}",
        ),
    ]
    if plan is not None:
        steps = f"{count(plan.total_steps)}" if plan.total_steps else "known once the data is read"
        warmup = f", {count(plan.warmup_steps)} of them warm-up" if plan.total_steps and plan.warmup_steps else ""
        facts.append(("steps", steps + warmup))
    is_for_gpu = recipe.about.needs.endswith("GiB")
    of_vram = " of VRAM" if is_for_gpu else ""
    without = "; no GPU here: hours" if is_for_gpu and plan is not None and plan.on_cpu else ""
    facts.append(("needs", f"{recipe.about.needs}{of_vram}, {recipe.about.duration}{without}"))
    problems = [_short(problem) for problem in plan.problems] if plan is not None else []
    return CardText(recipe.about.title, recipe.about.description, facts, problems)


def _adapter(recipe: Recipe) -> tuple[str, str]:
    if recipe.finetuning_type == "full":
        return "adapter", "none: every weight is trained"
    lora = recipe.lora
    targets = (
        lora.target_modules if isinstance(lora.target_modules, str) else f"{len(lora.target_modules)} kinds of layer"
    )
    return "LoRA", f"r {lora.r}, alpha {lora.lora_alpha:g}, {targets}"


def quantization_text(recipe: Recipe) -> str:
    """How the base is held, in a word."""
    return {"none": "16-bit", "nf4": "nf4 (4-bit)", "int8": "int8"}[recipe.model.quantization]


def _data_text(recipe: Recipe, plan: Plan | None) -> str:
    names = ", ".join(source.name_or_path for source in recipe.data.sources)
    found = f" · {plan.data.said}" if plan is not None and plan.data.said else ""
    return f"{names}{found}{_held_out_text(recipe, plan)}"


def _held_out_text(recipe: Recipe, plan: Plan | None) -> str:
    """The recipe's number is the most there may be, as long as the rows are not known: a small file keeps most."""
    known = plan.held_out if plan is not None else None
    if known is not None:
        return f", {count(known)} held out" if known else ""
    if recipe.data.eval_share is not None:
        return f", {percent(recipe.data.eval_share)} of all held out"
    return f", at most {count(recipe.data.eval_rows)} held out" if recipe.data.eval_rows else ""


def _short(problem: object) -> str:
    field, wrong, right = (str(getattr(problem, name, "")) for name in ("field", "wrong", "right"))
    return ": ".join(filter(None, (field, "; ".join(filter(None, (wrong, right))))))
