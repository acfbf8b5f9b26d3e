"""The part of the script that trains, and saves what has come of it"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from cockpit.ejecting.layout import Argument, call, literal
from cockpit.ejecting.sides_training import STAND_INS, collator, given_afterwards, method_arguments, stand_in
from cockpit.recipe.checkpoints import checkpoint_plan
from cockpit.recipe.recipe import Recipe
from cockpit.recipe.scheduler import FOLLOWS_EVALUATIONS
from cockpit.recipe.training import CPU_OPTIMIZERS


def is_plain_trainer(recipe: Recipe) -> bool:
    """Whether transformers' own trainer trains: trl's loss is a kernel that no CPU runs; Unsloth has another there."""
    return recipe.backend == "transformers" and recipe.hardware.gpu == "none" and not recipe.kind.has_sides


def is_packed(recipe: Recipe) -> bool:
    """Whether rows share sequences. Unsloth does not pack on a CPU."""
    return recipe.training.packing and not (recipe.backend == "unsloth" and recipe.hardware.gpu == "none")


def training_lines(recipe: Recipe, reasons: Mapping[str, str], name: str) -> list[str]:
    """From the trainer's arguments to the adapter on the disk."""
    plain = is_plain_trainer(recipe)
    config, trainer = ("TrainingArguments", "Trainer") if plain else ("SFTConfig", "SFTTrainer")
    lines = [] if not plain else ["model.config.use_cache = False  # or joined rows would be taken for one"]
    if recipe.kind.has_sides:
        named = recipe.method.upper()
        config, trainer = f"{named}Config", "PairTrainer" if recipe.method == "dpo" else f"{named}Trainer"
        lines = collator(recipe, _pad_to(recipe))
    lines += call(f"arguments = {config}(", _arguments(recipe, name, plain=plain), reasons)
    holds_out = recipe.data.holds_out
    if holds_out:
        lines += ["", "", f"class MeasuringTrainer({trainer}):",
                  '    """Measuring draws random numbers; training goes on with those that it had."""', "",
                  "    def evaluate(self, *args, **kwargs):",
                  "        with torch.random.fork_rng():",
                  "            return super().evaluate(*args, **kwargs)", "", ""]  # fmt: skip
    given = ["    model=model,", "    args=arguments,", "    train_dataset=train_rows,"]
    given += ["    eval_dataset=measured_rows,"] if holds_out else []
    if recipe.method in STAND_INS:
        lines += stand_in(recipe)
        given = [line.replace("train_rows", "stand_in").replace("measured_rows", "stand_in") for line in given]
    given += ["    processing_class=tokenizer,"]
    if recipe.kind.has_sides:
        given.append(f"    data_collator={'MarkedCollator' if recipe.method == 'kto' else 'PairCollator'}(),")
    if recipe.method in ("dpo", "kto") and recipe.finetuning_type == "full":
        given.append("    ref_model=copy.deepcopy(model),")
    if plain:
        joined = is_packed(recipe) or recipe.training.padding_free
        given += [f"    data_collator=DataCollatorForLanguageModeling(pad_token_id=tokenizer.pad_token_id, "
                  f"padding_free={joined}, pad_to_multiple_of={_pad_to(recipe)}),"]  # fmt: skip
    if recipe.training.early_stopping_patience is not None:
        patience, threshold = recipe.training.early_stopping_patience, recipe.training.early_stopping_threshold
        given.append(f"    callbacks=[EarlyStoppingCallback({patience}, {literal(threshold)})],")
    lines += [f"trainer = {'MeasuringTrainer' if holds_out else trainer}(", *given, ")"]
    if recipe.method in STAND_INS:
        lines += given_afterwards(recipe)
    lines.append("trainer.train()")
    every, steps = recipe.training.eval_steps, recipe.training.max_steps
    if holds_out and not (every and steps and steps % every == 0):
        lines.append("trainer.evaluate()")
    lines.append("")
    place = literal(f"{name}-{'model' if recipe.finetuning_type == 'full' else 'adapter'}")
    own = (
        ', selected_adapters=["default"]'
        if recipe.method in ("dpo", "kto") and recipe.finetuning_type == "lora"
        else ""
    )
    return [*lines, f"model.save_pretrained({place}{own})", f"tokenizer.save_pretrained({place})"]


def _pad_to(recipe: Recipe) -> int | None:
    multiple = recipe.training.pad_to_multiple_of
    longest = min(recipe.training.max_length or recipe.model.max_seq_length, recipe.model.max_seq_length)
    return multiple if multiple is None or recipe.training.padding_free else min(multiple, longest)


def _arguments(recipe: Recipe, name: str, *, plain: bool) -> list[Argument]:
    training, output = recipe.training, recipe.output
    on_cpu = recipe.hardware.gpu == "none"

    def own(field: str, code: str | None = None) -> Argument:
        return Argument(field, code or literal(getattr(training, field)), f"training.{field}")

    length = "max_steps" if training.max_steps is not None else "num_train_epochs"
    optim = CPU_OPTIMIZERS.get(training.optim, training.optim) if on_cpu else training.optim
    warmup = training.warmup_steps if training.warmup_ratio is None else training.warmup_ratio
    warmup_field = "training.warmup_steps" if training.warmup_ratio is None else "training.warmup_ratio"
    found = [
        Argument("output_dir", literal(f"{name}-checkpoints")),
        own("per_device_train_batch_size"),
        own("gradient_accumulation_steps"),
        own(length),
        own("learning_rate"),
        own("lr_scheduler_type"),
        *_scheduler_settings(recipe),
        Argument("warmup_steps", literal(warmup), warmup_field),
        Argument("optim", literal(optim), "training.optim"),
        own("weight_decay"),
        own("max_grad_norm"),
        *([own("neftune_noise_alpha")] if training.neftune_noise_alpha is not None else []),
        *_checkpointing(recipe),
    ]
    if recipe.kind.has_sides:
        found += method_arguments(recipe)
    elif not plain:
        found += _batching(recipe)
    found += [Argument("train_sampling_strategy", literal("group_by_length"), "training.group_by_length")] * (
        training.group_by_length and not is_packed(recipe)
    )
    found += [*_evaluation(recipe), *_saving(recipe)]
    reporters = output.report_to or "none"
    found += [
        Argument("logging_steps", literal(output.logging_steps), "output.logging_steps"),
        Argument("report_to", literal(reporters), "output.report_to"),
        *([own("dataloader_num_workers")] if training.dataloader_num_workers else []),
        Argument("remove_unused_columns", "False"),
        own("seed"),
        *_precision(recipe),
    ]
    return found


def _scheduler_settings(recipe: Recipe) -> list[Argument]:
    training = recipe.training
    settings: dict[str, Any] = training.lr_scheduler_kwargs.given() if training.lr_scheduler_kwargs else {}
    if training.lr_scheduler_type in FOLLOWS_EVALUATIONS:
        settings["mode"] = "max" if training.greater_is_better else "min"
    cycles = settings.get("num_cycles")
    if cycles is not None and cycles == int(cycles):
        settings["num_cycles"] = int(cycles)
    return [Argument("lr_scheduler_kwargs", literal(settings), "training.lr_scheduler_kwargs")] if settings else []


def _checkpointing(recipe: Recipe) -> list[Argument]:
    mode, field = recipe.training.gradient_checkpointing, "training.gradient_checkpointing"
    found = [Argument("gradient_checkpointing", literal(mode != "none"), field)]
    if mode in ("reentrant", "non_reentrant"):
        found.append(Argument("gradient_checkpointing_kwargs", literal({"use_reentrant": mode == "reentrant"})))
    return found


def _batching(recipe: Recipe) -> list[Argument]:
    """How trl makes batches of rows that are tokenized, masked and cut already."""
    training, packed = recipe.training, is_packed(recipe)
    on_cpu = recipe.hardware.gpu == "none"
    joined = training.padding_free and not packed and (recipe.backend == "transformers" or not on_cpu)
    # trl takes a length to mean that rows are still to be cut, and then joins none.
    length = "None" if joined and recipe.backend == "transformers" else "MAX_LENGTH"
    return [
        Argument("max_length", length, "training.max_length"),
        Argument("packing", literal(packed), "training.packing"),
        Argument("padding_free", literal(joined or packed), "training.padding_free"),
        *(
            [Argument("pad_to_multiple_of", literal(_pad_to(recipe)), "training.pad_to_multiple_of")]
            if _pad_to(recipe)
            else []
        ),
        Argument("dataset_kwargs", literal({"skip_prepare_dataset": True})),
    ]


def _evaluation(recipe: Recipe) -> list[Argument]:
    training = recipe.training
    if not recipe.data.holds_out:
        return []
    found = [
        Argument("eval_on_start", "True"),
        Argument("eval_strategy", literal("steps" if training.eval_steps else "no"), "training.eval_steps"),
        *([Argument("eval_steps", literal(training.eval_steps))] if training.eval_steps else []),
        Argument(
            "per_device_eval_batch_size",
            literal(training.per_device_eval_batch_size or training.per_device_train_batch_size),
            "training.per_device_eval_batch_size",
        ),
        Argument("prediction_loss_only", "True"),
    ]
    if training.compares():
        found += [
            Argument("load_best_model_at_end", literal(training.load_best_model_at_end)),
            Argument("metric_for_best_model", literal(training.metric_for_best_model)),
            Argument("greater_is_better", literal(bool(training.greater_is_better))),
        ]
    return found


def _saving(recipe: Recipe) -> list[Argument]:
    steps, kept = checkpoint_plan(recipe)
    if steps is None:
        return [Argument("save_strategy", literal("no"))]
    found = [Argument("save_strategy", literal("steps")), Argument("save_steps", literal(steps), "output.save_steps")]
    return found + ([Argument("save_total_limit", literal(kept), "output.save_total_limit")] if kept else [])


def _precision(recipe: Recipe) -> list[Argument]:
    computes = "dtype" if recipe.backend == "transformers" else "model.dtype"
    on_cpu = [Argument("use_cpu", "True", "hardware.gpu")] if recipe.hardware.gpu == "none" else []
    sixteen = [Argument("bf16", f"{computes} == torch.bfloat16"), Argument("fp16", f"{computes} == torch.float16")]
    return [*on_cpu, *sixteen]
