"""What earlier runs on this machine took: it corrects the memory forecast, and tells the time of a run like them.

Kept in one small file beside the runs. Where the file is damaged it is made anew from the runs that are still there.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import msgspec

from cockpit.disk import read_regular, write_atomically
from cockpit.models.folder import ModelFolder
from cockpit.models.published import described
from cockpit.models.shape import ModelShape
from cockpit.paths import home, local_path
from cockpit.preflight.memory import FORMULA, Device, Forecast, Lengths, forecast
from cockpit.protocol.values import UNREADABLE
from cockpit.recipe.document import RecipeDocument
from cockpit.recipe.methods.registry import METHODS
from cockpit.recipe.problem import RecipeError
from cockpit.recipe.recipe import Recipe
from cockpit.recipe.schedule import effective_batch
from cockpit.runs.folder import RunDir, all_runs
from cockpit.runs.measured import MeasuredRun
from cockpit.runs.status import is_active
from cockpit.runs.summary import RunSummary

FILE, LIMIT_BYTES, RUNS_KEPT = "measured.json", 4 << 20, 400
LOOKED_AT = 40
"""Runs that are read at once, the newest first; the others' turn comes the next time."""
FULL_ROWS = 0.9
"""Rows that on average have so much of the longest length fill the sequence, as the forecast takes them to do."""
PLAUSIBLE = (0.2, 3.0)
"""Measured by forecast; what lies outside was another process, or is damage."""
SCALED = (0.25, 4.0)
"""A step's time is told by its tokens from a run whose steps have a quarter to four times as many."""
ROOMY = Device(80 << 30, 80 << 30)
UNTIMED = (
    "max_steps", "num_train_epochs", "learning_rate", "warmup_steps", "warmup_ratio", "lr_scheduler_type",
    "lr_scheduler_kwargs", "seed",
)  # fmt: skip
"""Fields of the training that change no step's time and memory."""
FITTED = (
    "per_device_train_batch_size", "gradient_accumulation_steps", "gradient_checkpointing", "padding_free",
    "pad_to_multiple_of", "dataloader_num_workers", "fit",
)  # fmt: skip
"""Fields of the training that leave the rows of a step and its mathematics as they are."""
BESIDE = ("evaluation", "watchdogs", "lifecycle")
"""Sections that change no step."""
STACK = ("torch", "transformers", "trl", "peft", "unsloth", "bitsandbytes")


class Entry(msgspec.Struct, frozen=True, kw_only=True):
    """A run that was looked at. `kind` is what the forecast's error hangs on, `shape` the model's sizes, `work` all
    that the time of a step hangs on; empty strings: nothing was measured, and it need not be looked at again."""

    run: str
    ended_at: float = 0.0
    gpu: str = ""
    kind: str = ""
    shape: str = ""
    work: str = ""
    versions: str = ""
    rows_fill: bool = False
    ratio: float | None = None
    formula: int = 0
    step_s: float | None = None
    other_s: float | None = None
    pace: str = ""
    """All that the time of a step hangs on but the rows."""
    step_tokens: float | None = None
    """Of a usual step, padding left out."""


@dataclass(frozen=True)
class Correction:
    """A factor for the forecast, and how many runs it is from; `same_model`: they trained a model of that shape."""

    factor: float
    runs: int
    same_model: bool

    def said(self) -> str:
        """In words."""
        others = "" if self.same_model else " of other models"
        return f"{100 * (self.factor - 1):+.1f} %, from {self.runs} run{'s' * (self.runs != 1)}{others} measured here"


@dataclass(frozen=True)
class Duration:
    """Seconds that a run will take as runs of the same work took them here; `by_tokens`: as runs on other rows did,
    by the tokens of a step."""

    seconds: float
    runs: int
    by_tokens: bool = False

    def said(self) -> str:
        """In words, from what it is known."""
        runs = f"{self.runs} run{'s' * (self.runs != 1)}"
        if self.by_tokens:
            return f"by the tokens of a step, from {runs} of the same model and batch on other rows"
        return f"as {runs} of the same work took here"


class Experience:
    """What the entries tell."""

    def __init__(self, entries: Iterable[Entry] = ()) -> None:
        self.entries = tuple(entries)

    def correction(self, recipe: Recipe, shape: ModelShape, gpu: str, *, lengths_known: bool) -> Correction | None:
        """For a forecast; None where no run of that kind was measured here with this formula.

        Runs of the same model count fully. The mean of n runs of other models counts n / (n + 1): each model is off by
        something of its own as well. Runs whose rows did not fill the sequence tell only of the same work.
        """
        kind, work, form = kind_of(recipe), work_of(recipe), _form(shape)
        alike = [one for one in self.entries if one.ratio is not None and one.formula == FORMULA and one.gpu == gpu]
        if not lengths_known:
            same = [one for one in alike if one.work == work]
            if same:
                return Correction(_mean(same), len(same), same_model=True)
        alike = [one for one in alike if one.kind == kind and one.rows_fill]
        same = [one for one in alike if one.shape == form]
        if same:
            return Correction(_mean(same), len(same), same_model=True)
        if not alike:
            return None
        return Correction(_mean(alike) ** (len(alike) / (len(alike) + 1)), len(alike), same_model=False)

    def has_measured(self, recipe: Recipe, gpu: str) -> bool:
        """Whether the memory of the same work, rows and all, was measured on such a GPU."""
        work = work_of(recipe)
        return any(
            one.work == work and one.gpu == gpu and one.ratio is not None and one.formula == FORMULA
            for one in self.entries
        )

    def corrected(
        self, found: Forecast, recipe: Recipe, model: ModelFolder, gpu: str, *, lengths_known: bool = False
    ) -> tuple[Forecast, Correction | None]:
        """The forecast with what was learned in it."""
        shape = ModelShape.of(model.config)
        known = None if shape is None else self.correction(recipe, shape, gpu, lengths_known=lengths_known)
        return (found, None) if known is None else (found.scaled(known.factor), known)

    def step_s(self, recipe: Recipe, gpu: str) -> float | None:
        """Of the newest run of the same work; None where there was none here."""
        work = work_of(recipe)
        alike = [one.step_s for one in self.entries if one.work == work and one.gpu == gpu and one.step_s]
        return alike[-1] if alike else None

    def duration(
        self, recipe: Recipe, steps: int | None, gpu: str, *, lengths: Lengths | None = None
    ) -> Duration | None:
        """As runs of the same work took here; where the rows' `lengths` are known, as runs on other rows did, by the
        tokens of a step. None where neither was measured here, or the steps are not known."""
        if steps is None:
            return None
        work = work_of(recipe)
        timed = [one for one in self.entries if one.gpu == gpu and one.step_s is not None]
        alike = [one for one in timed if one.work == work]
        if alike:
            newest = alike[-1]
            return Duration(steps * (newest.step_s or 0.0) + (newest.other_s or 0.0), len(alike))
        pace, tokens = pace_of(recipe), 0.0 if lengths is None else step_tokens(recipe, lengths.mean)
        alike = [
            one
            for one in timed
            if one.pace == pace and one.step_tokens and SCALED[0] <= tokens / one.step_tokens <= SCALED[1]
        ]
        if not alike:
            return None
        newest = alike[-1]
        step_s = (newest.step_s or 0.0) * tokens / (newest.step_tokens or tokens)
        return Duration(steps * step_s + (newest.other_s or 0.0), len(alike), by_tokens=True)


def learned(folder: Path | None = None) -> Experience:
    """What the file holds, and the runs that have ended since; the file is brought up to date where it can be."""
    path = (folder or home()) / FILE
    entries = {one.run: one for one in _read(path)}
    fresh = [run for run in all_runs()[:RUNS_KEPT] if run.id not in entries][:LOOKED_AT]
    found = [entry for run in fresh if (entry := _looked_at(run)) is not None]
    for entry in found:
        entries[entry.run] = entry
    kept = sorted(entries.values(), key=lambda one: one.ended_at)[-RUNS_KEPT:]
    if found:
        with suppress(OSError):  # told next time from the runs themselves
            write_atomically(path, msgspec.json.encode(kept), durable=False)
    return Experience(kept)


def _read(path: Path) -> list[Entry]:
    """Entries that can be read; none where the file is damaged, as it can be made anew."""
    try:
        found: Any = json.loads(read_regular(path, LIMIT_BYTES, follow=False))
    except (OSError, ValueError, RecursionError):
        return []
    entries = []
    for one in found if isinstance(found, list) else []:
        try:
            entries.append(msgspec.convert(one, Entry))
        except (msgspec.ValidationError, *UNREADABLE):
            continue
    return [one for one in entries if one.ratio is None or PLAUSIBLE[0] <= one.ratio <= PLAUSIBLE[1]]


def _looked_at(run: RunDir) -> Entry | None:
    """None while the run may still end; an empty entry where it tells nothing."""
    if is_active(RunSummary.of(run).state):
        return None
    measured = MeasuredRun.of(run)
    try:
        recipe = RecipeDocument.load(run.recipe).recipe()
    except (RecipeError, OSError):
        return Entry(run=run.id)
    return Entry(run=run.id) if measured is None else entry_of(run.id, recipe, measured)


def entry_of(run: str, recipe: Recipe, measured: MeasuredRun) -> Entry:
    """What the run teaches. Its ratio is against what the formula says today, rows taken to fill the sequence."""
    model = described(recipe.model.name_or_path)
    shape = None if model is None else ModelShape.of(model.config)
    found = None if model is None or shape is None else forecast(shape, recipe, ROOMY, quantized=model.quantized)
    training = recipe.training
    limit = min(training.max_length or recipe.model.max_seq_length, recipe.model.max_seq_length)
    ratio = None
    if found is not None and measured.peak_mib is not None:
        exact = measured.peak_mib * 2**20 / found.peak.total
        ratio = exact if PLAUSIBLE[0] <= exact <= PLAUSIBLE[1] else None
    return Entry(
        run=run,
        ended_at=measured.ended_at,
        gpu=measured.gpu,
        kind=kind_of(recipe),
        shape="" if shape is None else _form(shape),
        work=work_of(recipe),
        versions=" ".join(f"{name} {measured.versions[name]}" for name in STACK if name in measured.versions),
        rows_fill=training.packing or measured.mean_tokens >= FULL_ROWS * limit,
        ratio=ratio,
        formula=FORMULA,
        step_s=measured.step_s,
        other_s=measured.other_s,
        pace=pace_of(recipe),
        step_tokens=step_tokens(recipe, measured.mean_tokens) or None,
    )


def kind_of(recipe: Recipe) -> str:
    """What the formula's error hangs on, beside the model."""
    training = recipe.training
    joined = "packed" if training.packing else "padding_free" if training.padding_free else "padded"
    parts = (recipe.backend, recipe.model.quantization, recipe.finetuning_type, training.gradient_checkpointing, joined)
    return " ".join(parts if recipe.method == "sft" else (*parts, recipe.method))


def step_tokens(recipe: Recipe, mean: float) -> float:
    """Tokens of a usual step, where a row has `mean` of them."""
    training = recipe.training
    limit = min(training.max_length or recipe.model.max_seq_length, recipe.model.max_seq_length)
    each = limit if training.packing else min(mean, limit)
    return each * effective_batch(recipe)


def pace_of(recipe: Recipe) -> str:
    """The same for recipes whose steps differ in their rows alone."""
    plain = _plain_work(recipe)
    del plain["data"], plain["model"]["max_seq_length"], plain["training"]["max_length"]
    return _digest(plain)


def work_of(recipe: Recipe) -> str:
    """The same for recipes whose steps do the same: all but how many there are, and what they are called."""
    return _digest(_plain_work(recipe))


def task_of(recipe: Recipe) -> str:
    """The same for recipes that train the same rows a step, whichever way they do it."""
    plain = _plain_work(recipe)
    for name in FITTED:
        del plain["training"][name]
    for section in BESIDE:
        plain.pop(section, None)
    plain["rows"] = effective_batch(recipe)
    return _digest(plain)


def _plain_work(recipe: Recipe) -> dict[str, Any]:
    plain = recipe.model_dump(mode="json", exclude={"about", "chat", "output", "samples", "suite", "schema_"})
    for method in METHODS.values():
        if method.name != recipe.method:
            plain.pop(method.name, None)
    for name in UNTIMED:
        plain["training"].pop(name, None)
    for named in (plain["model"], *plain["data"]["sources"]):
        named["name_or_path"] = str(local_path(named["name_or_path"]) or named["name_or_path"])
    # What was measured before there were several GPUs, and before there were other ways than ddp, counts on.
    if recipe.hardware.gpus == 1:
        del plain["hardware"]["devices"]
    if recipe.hardware.nodes == 1:
        del plain["hardware"]["nodes"]
    if recipe.hardware.ranks == 1 or recipe.hardware.parallel in ("auto", "ddp"):
        del plain["hardware"]["parallel"]
    return plain


def _digest(plain: dict[str, Any]) -> str:
    return hashlib.sha256(json.dumps(plain, sort_keys=True).encode()).hexdigest()[:16]


def _form(shape: ModelShape) -> str:
    return f"{shape.family} {shape.hidden} x {shape.layers}, {shape.parameters}"


def _mean(entries: list[Entry]) -> float:
    return sum(one.ratio or 1.0 for one in entries) / len(entries)
