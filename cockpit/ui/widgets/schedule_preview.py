"""SchedulePreview: what the edits mean before the run: steps, data, and the learning rate at every step."""

from __future__ import annotations

from typing import TYPE_CHECKING

from textual import events
from textual.app import ComposeResult
from textual.containers import Vertical
from textual.content import Content
from textual.widgets import Static

from cockpit.text.numbers import count
from cockpit.text.plain_text import plain_line
from cockpit.ui.widgets.forecast_facts import forecast_facts, memory_text, tokens_text
from cockpit.ui.widgets.schedule_chart import ScheduleChart, schedule_title

if TYPE_CHECKING:
    from cockpit.preflight.outlook import Outlook
    from cockpit.preflight.plan import Plan
    from cockpit.recipe.recipe import Recipe

LABEL_CELLS = 7
MANY_EPOCHS = 20
"""Passes over the rows from which on a person is told what they do."""


class SchedulePreview(Vertical):
    """Given a recipe and its plan; while something is wrong the last plan stays, marked as such."""

    DEFAULT_CSS = """
    SchedulePreview > #facts { height: auto; min-height: 5; }
    SchedulePreview > ScheduleChart { height: 1fr; min-height: 6; }
    SchedulePreview.-stale > #facts { text-style: dim; }
    """

    def __init__(self, *, id: str | None = None, classes: str | None = None) -> None:
        super().__init__(id=id, classes=classes)
        self._facts = [("steps", Content("– while something is wrong"))]
        self._outlook: Outlook | None = None

    def compose(self) -> ComposeResult:
        """Facts above, the curve below."""
        yield Static(id="facts", markup=False)
        yield ScheduleChart(classes="pane")

    def on_mount(self) -> None:
        """Titles."""
        self.query_one("#facts").border_title = Content("plan")
        self.query_one(ScheduleChart).border_title = Content("learning rate")

    def on_resize(self, _event: events.Resize) -> None:
        """Lines are broken to the width."""
        self._draw()

    def show(self, recipe: Recipe | None, plan: Plan | None, outlook: Outlook | None = None) -> None:
        """Show the plan; without one keep the last and dim it."""
        self.set_class(recipe is None or plan is None, "-stale")
        if recipe is None or plan is None:
            return
        self._facts, self._outlook = facts_of(recipe, plan, outlook), outlook
        self._draw()
        chart = self.query_one(ScheduleChart)
        kind, known = recipe.training.lr_scheduler_type, len(plan.rates)
        chart.border_title = Content(schedule_title(kind, plan.warmup_steps, known, plan.total_steps))
        why = (
            f"{count(plan.total_steps)} steps"
            if plan.total_steps
            else "The steps are known once the data has been read."
        )
        chart.set_plan(plan.rates, why, plan.total_steps)

    def _draw(self) -> None:
        width = max(16, self.query_one("#facts").content_size.width - LABEL_CELLS)
        lines = []
        facts = self._facts if self._outlook is None else [*self._facts, *forecast_facts(self._outlook, width)]
        for label, value in facts:
            for index, line in enumerate(value.wrap(width)):
                lines.append(Content.assemble((label if index == 0 else "").ljust(LABEL_CELLS), line))
        self.query_one("#facts", Static).update(Content("\n").join(lines))


def facts_of(recipe: Recipe, plan: Plan, outlook: Outlook | None = None) -> list[tuple[str, Content]]:
    """Label and value of each line."""
    from cockpit.recipe.schedule import batches_text, step_text

    training, unit = recipe.training, recipe.kind.unit
    steps = Content.styled(count(plan.total_steps), "bold") if plan.total_steps else Content("–")
    if plan.epochs is not None:
        steps += f"  in {_epochs(plan.epochs)}"
    batch = batches_text(recipe)
    here = outlook.fitted.recipe.training if outlook is not None and outlook.fitted is not None else training
    most = tokens_text(outlook, here.gradient_accumulation_steps * recipe.hardware.ranks)
    facts = [
        ("steps", steps),
        ("a step", Content(f"{step_text(recipe)} ({batch}){most}")),
    ]
    if outlook is not None and outlook.shared:
        facts.append(("shared", Content(outlook.shared)))
    if plan.epochs is not None and plan.epochs >= MANY_EPOCHS:
        rows = f"{count(plan.train_rows)} {unit}" if plan.train_rows else f"the {unit}"
        remark = f"{_epochs(plan.epochs)} over {rows}: it will learn them by heart; fewer steps, or more {unit}"
        facts.append(("▲", Content.styled(remark, "$warning")))
    data = plan.data
    if data.is_problem:
        facts.append(("data", Content.styled(f"✗ {data.said}", "$error")))
    else:
        facts.append(("data", Content(data.said or "read when the run starts")))
    if plan.train_rows is not None:
        held_out = f", {count(plan.held_out)} held out" if plan.held_out else ""
        facts.append(("train", Content(f"{count(plan.train_rows)} {unit}{held_out}")))
    if plan.total_steps and 0 < len(plan.rates) < plan.total_steps:
        facts.append(("rate", Content(f"known to step {count(len(plan.rates))}, then as evaluations go")))
    if plan.adapter:
        facts.append(("lora", Content(f"goes on: {plan.adapter}")))
    for problem in plan.problems:
        if problem.field.startswith("data.") and data.is_problem:
            continue
        text = f"{problem.field}: {'; '.join(filter(None, (problem.wrong, problem.right)))}"
        facts.append(("▲", Content.styled(plain_line(text), "$warning")))
    return facts


def summary_of(recipe: Recipe, plan: Plan, outlook: Outlook | None = None) -> str:
    """The plan in one line, for narrow terminals."""
    from cockpit.recipe.schedule import rows_name

    training = recipe.training
    rows = f" of {count(plan.effective_batch)} {rows_name(recipe)}"
    steps = f"{count(plan.total_steps)} steps{rows}" if plan.total_steps else f"steps{rows}, number not known yet"
    data = f" · {plan.data.said}" if plan.data.said else ""
    if training.max_steps is not None and plan.epochs is not None:
        steps += f" · {_epochs(plan.epochs)}"
    if outlook is not None and outlook.room is not None:
        data = f" · {memory_text(outlook).plain}{data}"
    return f"{steps} · {training.lr_scheduler_type.replace('_', ' ')}{data}"


def _epochs(epochs: float) -> str:
    """8.7 epochs, 1 epoch, 0.03 epochs."""
    return f"{round(epochs, 1 if epochs >= 1 else 2):,g} epoch{'s' * (epochs != 1)}"
