"""Fields that change nothing as the recipe stands, each with the field that makes it so"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import NamedTuple

from cockpit.recipe.methods.registry import METHODS
from cockpit.recipe.recipe import Recipe
from cockpit.recipe.scheduler import WITHOUT_WARMUP

SAVED_WITH_ADAPTER = (
    "r", "lora_alpha", "bias", "target_modules", "finetune_vision_layers", "finetune_language_layers",
    "finetune_attention_modules", "finetune_mlp_modules", "modules_to_save", "use_rslora", "use_dora",
    "init", "loftq_config.loftq_bits", "loftq_config.loftq_iter",
)  # fmt: skip


class Rule(NamedTuple):
    """`fields` are moot where `holds`; `why` says it in a few words."""

    holds: Callable[[Recipe], bool]
    why: str
    fields: tuple[str, ...]


def _of(section: str, *names: str) -> tuple[str, ...]:
    return tuple(f"{section}.{name}" for name in names)


WATCHDOG_FIGURES = {
    "margin_still": "rewards/margins",
    "kl_far": "kl",
    "reward_collapsed": "reward",
    "length_growing": "completions/mean_length",
}
"""What the watchdogs of some methods look at."""


def _is_unwatched(name: str, recipe: Recipe) -> bool:
    return name in recipe.kind.unwatched


def _lacks(figure: str, recipe: Recipe) -> bool:
    return all(one.name != figure for one in recipe.kind.figures)


RULES = (
    Rule(
        lambda recipe: recipe.model.quantization != "nf4",
        "model.quantization is not nf4",
        _of("model", "bnb_4bit_use_double_quant", "bnb_4bit_compute_dtype"),
    ),
    Rule(
        lambda recipe: not recipe.hardware.compile,
        "hardware.compile is off",
        _of("hardware", "dynamo_cache_size_limit", "dynamo_accumulated_cache_size_limit"),
    ),
    Rule(
        lambda recipe: recipe.finetuning_type == "full",
        "finetuning_type is full",
        _of("lora", *SAVED_WITH_ADAPTER, "lora_dropout", "random_state"),
    ),
    Rule(
        lambda recipe: recipe.model.adapter is not None,
        "model.adapter brings its own",
        _of("lora", *SAVED_WITH_ADAPTER),
    ),
    Rule(lambda recipe: recipe.lora.loftq_config is None, "LoftQ is off", ("lora.loftq_config.loftq_iter",)),
    Rule(
        lambda recipe: recipe.data.replay is None,
        "data.replay names no rows",
        _of("data.replay", "split", "max_rows", "share"),
    ),
    Rule(
        lambda recipe: recipe.data.validation is not None,
        "data.validation has the rows",
        _of("data", "eval_rows", "eval_share"),
    ),
    Rule(lambda recipe: recipe.data.eval_share is not None, "data.eval_share is set", ("data.eval_rows",)),
    Rule(
        lambda recipe: recipe.method == "pretraining",
        "method is pretraining",
        _of("data", "train_on", "keep_reasoning", "chat_template", "instruction_part", "response_part"),
    ),
    *(
        Rule(partial(_is_unwatched, name), "it says nothing of this method", (f"watchdogs.{name}",))
        for name in dict.fromkeys(name for method in METHODS.values() for name in method.unwatched)
    ),
    *(
        Rule(partial(_lacks, figure), "the method does not measure it", (f"watchdogs.{name}",))
        for name, figure in WATCHDOG_FIGURES.items()
    ),
    Rule(
        lambda recipe: recipe.data.train_on == "all",
        "data.train_on is all",
        _of("data", "instruction_part", "response_part"),
    ),
    Rule(
        lambda recipe: recipe.data.long_rows in ("truncate", "drop"),
        "data.long_rows splits none",
        ("data.overlap",),
    ),
    Rule(
        lambda recipe: recipe.training.max_steps is not None,
        "training.max_steps is set",
        ("training.num_train_epochs",),
    ),
    Rule(
        lambda recipe: recipe.training.lr_scheduler_type in WITHOUT_WARMUP,
        "this schedule has no warm-up",
        _of("training", "warmup_steps", "warmup_ratio"),
    ),
    Rule(lambda recipe: bool(recipe.training.warmup_ratio), "training.warmup_ratio is set", ("training.warmup_steps",)),
    Rule(
        lambda recipe: recipe.training.packing,
        "training.packing leaves no padding",
        _of("training", "padding_free", "group_by_length", "pad_to_multiple_of"),
    ),
    Rule(
        lambda recipe: not recipe.data.holds_out,
        "no rows are held out",
        (*_of("training", "eval_steps", "per_device_eval_batch_size"), "watchdogs.overfitting"),
    ),
    Rule(
        lambda recipe: not recipe.training.compares(),
        "no evaluations are compared",
        _of("training", "metric_for_best_model", "greater_is_better"),
    ),
    Rule(
        lambda recipe: recipe.training.early_stopping_patience is None,
        "early_stopping_patience is empty",
        ("training.early_stopping_threshold",),
    ),
    Rule(
        lambda recipe: not recipe.samples.prompts,
        "samples.prompts is empty",
        _of("samples", "every_steps", "max_new_tokens", "do_sample", "temperature", "enable_thinking", "system_prompt"),
    ),
    Rule(
        lambda recipe: not recipe.evaluation.rows,
        "evaluation.rows is 0",
        _of("evaluation", "metrics", "regex", "function", "max_new_tokens"),
    ),
    Rule(lambda recipe: not recipe.evaluation.answers, "nothing is answered", ("evaluation.every_steps",)),
    Rule(lambda recipe: not recipe.samples.do_sample, "samples.do_sample is off", ("samples.temperature",)),
    Rule(
        lambda recipe: recipe.hardware.devices == 1 and recipe.hardware.nodes == 1,
        "hardware.devices is 1",
        ("hardware.parallel",),
    ),
    Rule(lambda recipe: recipe.hardware.gpu == "none", "hardware.gpu is none", ("watchdogs.vram_nearly_full",)),
    Rule(lambda recipe: not recipe.output.report_to, "output.report_to is empty", ("output.logging_steps",)),
    Rule(
        lambda recipe: "tensorboard" not in recipe.output.report_to,
        "output.report_to has no tensorboard",
        ("output.logging_dir",),
    ),
    Rule(
        lambda recipe: recipe.output.save_steps is None,
        "output.save_steps is empty",
        ("output.save_total_limit",),
    ),
)


def moot_fields(recipe: Recipe) -> dict[str, str]:
    """Dotted paths of the fields that change nothing in this recipe, each with why in a few words."""
    found: dict[str, str] = {}
    for rule in RULES:
        if rule.holds(recipe):
            found |= {path: rule.why for path in rule.fields if path not in found}
    return found
