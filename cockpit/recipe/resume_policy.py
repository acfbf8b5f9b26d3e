"""What of a recipe may be changed when its run resumes from a checkpoint"""

from __future__ import annotations

from cockpit.recipe.field_path import dotted
from cockpit.recipe.problem import Problem
from cockpit.recipe.recipe import Recipe
from cockpit.recipe.relief import keeps_rows
from cockpit.recipe.schedule import effective_batch
from cockpit.recipe.schema import leaves

CHANGEABLE = (
    "about",
    "chat",
    "samples",
    "evaluation",
    "suite",
    "watchdogs",
    "lifecycle",
    "output",
    "hardware",
    "training.fit",
    "training.max_steps",
    "training.num_train_epochs",
    "training.learning_rate",
    "training.lr_scheduler_type",
    "training.lr_scheduler_kwargs",
    "training.warmup_steps",
    "training.warmup_ratio",
    "training.max_grad_norm",
    "training.gradient_checkpointing",
    "training.eval_steps",
    "training.per_device_eval_batch_size",
    "training.load_best_model_at_end",
    "training.early_stopping_patience",
    "training.early_stopping_threshold",
    "training.dataloader_num_workers",
)
"""Sections and fields. The weights, the optimizer's state and the position in the data depend on all others. Schedule
and learning rate are taken up anew from the step that the run resumes from, as if they had always been so."""


BASE = ("model.name_or_path", "model.revision")
"""May be changed too where the weights there are known to be those of the run's base."""


BATCHES = (
    "training.per_device_train_batch_size",
    "training.gradient_accumulation_steps",
    "hardware.devices",
    "hardware.nodes",
)
"""May be changed together: where their product stays, each step has the same rows as before."""


def refused_changes(before: Recipe, after: Recipe, file: str, *, same_base: bool = False) -> list[Problem]:
    """A problem for each field that differs and may not; empty where the run can go on with `after`. `same_base`: the
    base of `after` was compared with that of `before`, and is the same model in another place."""
    changeable = CHANGEABLE + (BASE if same_base else ())
    is_same_step = effective_batch(before) == effective_batch(after)
    if is_same_step:
        changeable += BATCHES
    if keeps_rows(before) and keeps_rows(after):
        changeable += ("training.max_length",)
    was, now = dict(leaves(before)), dict(leaves(after))
    found = []
    for path in sorted(was.keys() | now.keys(), key=dotted):
        name = dotted(path)
        is_free = any(name == one or name.startswith(f"{one}.") for one in changeable)
        if was.get(path) != now.get(path) and not (is_free and (is_same_step or name not in BATCHES)):
            wrong = "it cannot be changed when a run goes on: weights, optimizer and order of rows depend on it"
            right = "start a new run for that"
            if name in BATCHES:
                right = f"keep their product, {effective_batch(before):,}, or start a new run for that"
            if name in BASE:
                right += ", or name the place that the base was moved to with --model"
            found.append(Problem(file, None, name, wrong, right))
    return found
