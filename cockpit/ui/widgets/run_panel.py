"""RunPanel: what is flying: model, adapter, rows, tokens, machine; what is known before the first step and stays."""

from __future__ import annotations

from typing import TYPE_CHECKING

from textual.app import ComposeResult
from textual.containers import VerticalScroll
from textual.content import Content
from textual.widgets import Static

from cockpit.runs.state import RunState
from cockpit.text.numbers import big_count, count
from cockpit.text.plain_text import plain_line
from cockpit.ui.widgets.glyphs import glyphs

if TYPE_CHECKING:
    from cockpit.recipe.recipe import Recipe

LABEL_CELLS = 14


class RunPanel(VerticalScroll, can_focus=True):
    """`show` takes the recipe and the run's state. Scrolls where there is no room for all of it."""

    HELP = "What is trained, on what. The recipe as resolved stands in the run's folder."
    DEFAULT_CSS = """
    RunPanel { height: auto; scrollbar-size-vertical: 1; }
    RunPanel > Static { height: auto; text-wrap: nowrap; text-overflow: ellipsis; }
    """

    def __init__(self, *, id: str | None = None, classes: str | None = None, can_focus: bool = True) -> None:
        super().__init__(id=id, classes=classes, can_focus=can_focus)
        self._facts: list[tuple[str, str]] = []
        self.border_title = Content("run")

    def compose(self) -> ComposeResult:
        """One text."""
        yield Static(markup=False)

    def show(self, recipe: Recipe, state: RunState, facts: list[tuple[str, str]] | None = None) -> None:
        """Draw what is known; `facts` stand in place of the recipe's, of a run that has none."""
        facts = facts_of(recipe, state) if facts is None else facts
        if facts != self._facts:
            self._facts = facts
            rows = [Content.assemble((f"{label:<{LABEL_CELLS}}", "$foreground-muted"), text) for label, text in facts]
            self.query_one(Static).update(Content("\n").join(rows))


def facts_of(recipe: Recipe, state: RunState) -> list[tuple[str, str]]:
    """(label, text), all of it plain; what the run has not told yet is left out."""
    from cockpit.recipe.sharing import sharing_text

    dot = f" {glyphs().dot} "
    sources = [plain_line(source.name_or_path) for source in recipe.data.mixed().sources]
    quantization = "" if recipe.model.quantization == "none" else f"{dot}{recipe.model.quantization}"
    facts = [
        ("model", f"{plain_line(recipe.model.name_or_path)}{quantization}"),
        _adapter(recipe, dot),
    ]
    if state.plan is not None and state.plan.total_parameters:
        trained, total = state.plan.trainable_parameters, state.plan.total_parameters
        facts.append(("trained", f"{big_count(trained)} of {big_count(total)} weights"))
    facts.append(("data", dot.join(sources)))
    if state.data is not None:
        rows = f"{count(state.data.train_rows)}"
        facts.append(
            (
                plain_line(state.data.unit),
                rows + (f"{dot}{count(state.data.eval_rows)} held out" if state.data.eval_rows else ""),
            )
        )
        dropped = [
            f"{count(number)} {what}"
            for number, what in (
                (state.data.skipped_rows, "left out"),
                (state.data.truncated_rows, "cut short"),
                (state.data.split_rows, "split"),
                (state.data.dropped_rows, "duplicates left out"),
            )
            if number
        ]
        if dropped:
            facts.append(("", dot.join(dropped)))
        facts.append(("tokens", f"{count(state.data.tokens)} an epoch"))
    facts.append(("batch", _batch(recipe)))
    if shared := sharing_text(recipe):
        facts.append(("shared", shared))
    if state.run is not None and state.run.fitted:
        facts.append(("fit", plain_line(state.run.fitted)))
    if state.run is not None:
        version = state.run.versions.get(recipe.backend, "")
        facts.append(("backend", plain_line(f"{recipe.backend} {version}".strip())))
    facts += [(plain_line(tracker)[: LABEL_CELLS - 1], plain_line(link)) for tracker, link in state.tracking.items()]
    if state.engine is not None:
        facts.append(("engine", f"pid {state.engine.pid}{dot}{plain_line(state.engine.host)}"))
    return facts


def _batch(recipe: Recipe) -> str:
    """`2 rows, 4 times a step`; of several GPUs `16 rows: 2 × 4 × 2 GPUs`; with grpo they are completions."""
    from cockpit.recipe.schedule import batches_text, effective_batch, rows_name

    rows = rows_name(recipe)
    if recipe.hardware.ranks > 1:
        return f"{count(effective_batch(recipe))} {rows}: {batches_text(recipe)}"
    batch, accumulation = recipe.training.per_device_train_batch_size, recipe.training.gradient_accumulation_steps
    return f"{batch:,} {rows if batch > 1 else rows[:-1]}" + (
        f", {accumulation:,} times a step" if accumulation > 1 else ""
    )


def _adapter(recipe: Recipe, dot: str) -> tuple[str, str]:
    if recipe.finetuning_type == "full":
        return "adapter", "none: every weight is trained"
    return "LoRA", f"rank {recipe.lora.r:,}{dot}alpha {recipe.lora.lora_alpha:,g}"
