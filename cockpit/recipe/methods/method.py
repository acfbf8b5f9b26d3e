"""Method: what is known of a kind of training without torch"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from cockpit.protocol.events import MainFigure
from cockpit.recipe.data import RowFormat
from cockpit.recipe.section import Section

MethodName = Literal["sft", "pretraining", "dpo", "orpo", "kto", "grpo"]
Direction = Literal["up", "down", ""]


@dataclass(frozen=True)
class Figure:
    """A figure of a step or of an evaluation under the name that TRL logs it by; `eval_` goes before that of an
    evaluation. `label` has at most 14 characters; `good` is where it should go, empty where neither is better."""

    name: str
    label: str
    good: Direction = ""


@dataclass(frozen=True)
class Chart:
    """A chart of one or several figures on one scale, by their names; the title has at most 24 characters."""

    title: str
    figures: tuple[str, ...]


@dataclass(frozen=True)
class Fixed:
    """A field of the recipe that the method takes with one of these values alone: `wrong` says why, `right` what would
    do."""

    field: str
    values: tuple[object, ...]
    wrong: str
    right: str


LOSS = Figure("loss", "loss", "down")


@dataclass(frozen=True)
class Method:
    """`name` is the tag in the recipe, and that of its section where it has `settings`. `forms` are the forms of rows
    that it takes, the likeliest first."""

    name: MethodName
    title: str
    forms: tuple[RowFormat, ...]
    rows: Literal["single", "pairs", "marked", "prompts"] = "single"
    """What it learns from: examples, pairs of a better and a worse answer, answers that are marked as either, or
    prompts that it answers itself."""
    unit: str = "rows"
    """What one row of its data is, in the plural."""
    step_unit: str = ""
    """What the rows of a step are, where they are something else than `unit`."""
    settings: type[Section] | None = None
    main: Figure = LOSS
    """What a run is judged by: lists, cards and the line of a run lead with it, and with what it is of the held-out
    rows."""
    figures: tuple[Figure, ...] = ()
    charts: tuple[Chart, ...] = ()
    """Beside that of the main figure."""
    fixed: tuple[Fixed, ...] = ()
    unwatched: tuple[str, ...] = ()
    """Watchdogs whose signs mean nothing here, by their names in the recipe."""

    @property
    def told_main(self) -> MainFigure:
        """The main figure as the log has it."""
        return MainFigure(self.main.name, self.main.label, self.main.good == "up")

    @property
    def joins_rows(self) -> bool:
        """Whether its rows may share a sequence, or come in an order of their own."""
        return self.rows == "single"

    @property
    def sequences(self) -> int:
        """How many sequences the model is given for each row of a batch."""
        return 2 if self.rows == "pairs" else 1

    def trainer_rows(self, form: RowFormat) -> int:
        """How many rows of a batch a row of the data makes, by its form: a pair of answers that are marked is two."""
        return 2 if self.rows == "marked" and form != "labelled" else 1

    @property
    def has_sides(self) -> bool:
        """Whether its rows are answers that are better or worse."""
        return self.rows in ("pairs", "marked")
