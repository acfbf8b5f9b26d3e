"""What a field comes to that is left empty: `512` for training.max_length, where model.max_seq_length says so"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Literal

from cockpit.recipe.checkpoints import checkpoint_plan
from cockpit.recipe.number import number_text
from cockpit.recipe.recipe import Recipe

FOUND = "found by the usual names"
OFF = "none"


def _checkpoint_plan(part: Literal[0, 1], otherwise: str) -> Callable[[Recipe], str]:
    def words(recipe: Recipe) -> str:
        number = checkpoint_plan(recipe)[part]
        return otherwise if number is None else number_text(number)

    return words


def _greater_is_better(recipe: Recipe) -> str:
    return "off" if recipe.training.metric_for_best_model.endswith("loss") else "on"


def _cache_size(with_unsloth: str, plain: str) -> Callable[[Recipe], str]:
    return lambda recipe: with_unsloth if recipe.backend == "unsloth" else plain


def _timescale(recipe: Recipe) -> str:
    training = recipe.training
    if training.warmup_ratio:
        return "as many as the warm-up"
    return number_text(training.warmup_steps or 10_000)


def _warmup_lr_rate(recipe: Recipe) -> str:
    steps = recipe.training.warmup_steps
    return number_text(round(1 / steps, 6)) if steps else "1 / warm-up steps"


def _with_greedy(greedy: str, other: str) -> Callable[[Recipe], str]:
    return lambda recipe: greedy if recipe.training.lr_scheduler_type == "greedy" else other


_WORDS: dict[str, str | Callable[[Recipe], str]] = {
    "model.revision": "the newest",
    "model.adapter": "a fresh one",
    "model.add_tokens": OFF,
    "hardware.dynamo_cache_size_limit": _cache_size("1024", "8"),
    "hardware.dynamo_accumulated_cache_size_limit": _cache_size("1024", "256"),
    "lora.modules_to_save": OFF,
    "lora.loftq_config.loftq_bits": "no LoftQ",
    "lora.loftq_config.loftq_iter": "no LoftQ",
    "data.sources.subset": "the only one or the default",
    "data.sources.file": "those that the dataset names",
    "data.sources.columns.messages": FOUND,
    "data.sources.columns.prompt": FOUND,
    "data.sources.columns.input": FOUND,
    "data.sources.columns.completion": FOUND,
    "data.sources.columns.history": FOUND,
    "data.sources.columns.reasoning": FOUND,
    "data.sources.columns.text": FOUND,
    "data.sources.columns.image": FOUND,
    "data.sources.columns.system": FOUND,
    "data.sources.columns.tools": FOUND,
    "data.sources.instruction": OFF,
    "data.sources.max_rows": "all",
    "data.sources.ratio": "all of its rows",
    "data.replay.name_or_path": "no replay",
    "data.replay.split": "no replay",
    "data.replay.max_rows": "all",
    "data.replay.share": "no replay",
    "data.roles": "the usual names",
    "data.instruction_part": "found in the template",
    "data.response_part": "found in the template",
    "data.eval_share": OFF,
    "data.validation.name_or_path": OFF,
    "data.validation.split": OFF,
    "data.validation.max_rows": "all",
    "data.long_rows": "split texts, truncate talk",
    "data.overlap": lambda recipe: number_text((recipe.training.max_length or recipe.model.max_seq_length) // 8),
    "pretraining.embedding_learning_rate": lambda recipe: number_text(recipe.training.learning_rate),
    "dpo.rpo_alpha": OFF,
    "grpo.min_p": OFF,
    "grpo.enable_thinking": "as the template has it",
    "grpo.epsilon_high": lambda recipe: number_text(recipe.grpo.epsilon),
    "dpo.ld_alpha": OFF,
    "data.sources.columns.chosen": FOUND,
    "data.sources.columns.rejected": FOUND,
    "data.sources.columns.ranked": FOUND,
    "data.sources.columns.label": FOUND,
    "training.max_steps": "by epochs",
    "training.lr_scheduler_kwargs.num_cycles": lambda recipe: (
        "1" if recipe.training.lr_scheduler_type == "cosine_with_restarts" else "0.5"
    ),
    "training.lr_scheduler_kwargs.lr_end": "1e-7",
    "training.lr_scheduler_kwargs.power": "1",
    "training.lr_scheduler_kwargs.timescale": _timescale,
    "training.lr_scheduler_kwargs.min_lr": _with_greedy("0.001", "0"),
    "training.lr_scheduler_kwargs.min_lr_rate": "by min_lr",
    "training.lr_scheduler_kwargs.warmup_lr_rate": _warmup_lr_rate,
    "training.lr_scheduler_kwargs.num_decay_steps": "must be given",
    "training.lr_scheduler_kwargs.num_stable_steps": "all that are left",
    "training.lr_scheduler_kwargs.warmup_type": "linear",
    "training.lr_scheduler_kwargs.decay_type": "cosine",
    "training.lr_scheduler_kwargs.min_lr_ratio": "0",
    "training.lr_scheduler_kwargs.factor": _with_greedy("0.95", "0.1"),
    "training.lr_scheduler_kwargs.patience": "10",
    "training.lr_scheduler_kwargs.threshold": _with_greedy("1e-6", "1e-4"),
    "training.lr_scheduler_kwargs.threshold_mode": _with_greedy("abs", "rel"),
    "training.lr_scheduler_kwargs.cooldown": "0",
    "training.lr_scheduler_kwargs.eps": "1e-8",
    "training.lr_scheduler_kwargs.warmup": "0",
    "training.lr_scheduler_kwargs.max_lr": "1",
    "training.lr_scheduler_kwargs.smooth": "off",
    "training.lr_scheduler_kwargs.window_size": "50",
    "training.lr_scheduler_kwargs.reset_start": "500",
    "training.warmup_ratio": "by warmup_steps",
    "training.neftune_noise_alpha": OFF,
    "training.max_length": lambda recipe: number_text(recipe.model.max_seq_length),
    "training.pad_to_multiple_of": OFF,
    "training.eval_steps": "at both ends",
    "training.per_device_eval_batch_size": lambda recipe: number_text(recipe.training.per_device_train_batch_size),
    "training.greater_is_better": _greater_is_better,
    "training.early_stopping_patience": "never",
    "samples.prompts": OFF,
    "samples.every_steps": "at checkpoints",
    "samples.system_prompt": OFF,
    "evaluation.every_steps": "with each evaluation",
    "evaluation.regex": OFF,
    "evaluation.function": OFF,
    "lifecycle.deadline": "none",
    "lifecycle.preemption_command": OFF,
    "lifecycle.on_end": "nothing",
    "output.run_name": "the name of the recipe",
    "output.save_steps": _checkpoint_plan(0, "at the end alone"),
    "output.save_total_limit": _checkpoint_plan(1, "all"),
    "output.report_to": "nowhere",
    "output.logging_dir": "in the run's folder",
}


def when_unset(path: str, recipe: Recipe) -> str:
    """What the field at the dotted path comes to in this recipe while it is empty; empty text for a field that has a
    default of its own, and so is never empty."""
    words = _WORDS.get(re.sub(r"\.\d+(?=\.)", "", path), "")
    return words if isinstance(words, str) else words(recipe)
