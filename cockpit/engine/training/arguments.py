"""recipe -> what every trainer is told"""

from __future__ import annotations

from typing import Any

import torch

from cockpit.engine.data.prepare import PreparedData
from cockpit.engine.journal import Journal
from cockpit.engine.model.base_model import best_dtype, named_dtype
from cockpit.engine.model.loading import Loaded
from cockpit.engine.training.learning_rate import schedule_arguments
from cockpit.recipe.checkpoints import checkpoint_plan
from cockpit.recipe.recipe import Recipe
from cockpit.recipe.training import CPU_OPTIMIZERS
from cockpit.runs.folder import RunDir

TENSORBOARD = "tensorboard"
EXPERTS = ("num_experts", "num_local_experts", "n_routed_experts")
"""What configurations call the number of a layer's experts."""


def arguments(recipe: Recipe, loaded: Loaded, data: PreparedData, run: RunDir, journal: Journal) -> dict[str, Any]:
    """The recipe in the words of transformers' TrainingArguments, which TRL's own extend. How rows become batches, the
    method says."""
    training, output = recipe.training, recipe.output
    on_cpu = loaded.device.type == "cpu"
    optim = training.optim
    if on_cpu and optim in CPU_OPTIMIZERS:
        optim = CPU_OPTIMIZERS[optim]
        journal.log("info", f"{training.optim} needs a GPU; {optim} takes its place on the CPU.")
    dtype = compute_dtype(recipe, loaded)
    save_steps, _ = checkpoint_plan(recipe)
    return {
        "output_dir": str(run.checkpoints),
        "run_name": run.id,
        "per_device_train_batch_size": training.per_device_train_batch_size,
        "gradient_accumulation_steps": training.gradient_accumulation_steps,
        "max_steps": training.max_steps or -1,
        "num_train_epochs": training.num_train_epochs,
        "learning_rate": training.learning_rate,
        **schedule_arguments(training, has_held_out=data.held_out is not None),
        "optim": optim,
        "weight_decay": training.weight_decay,
        "max_grad_norm": training.max_grad_norm,
        "neftune_noise_alpha": training.neftune_noise_alpha,
        **_checkpointing(training.gradient_checkpointing),
        "eval_on_start": data.held_out is not None,
        "eval_strategy": "steps" if data.held_out is not None and training.eval_steps else "no",
        "eval_steps": training.eval_steps,
        "per_device_eval_batch_size": training.per_device_eval_batch_size or training.per_device_train_batch_size,
        "load_best_model_at_end": training.load_best_model_at_end,
        "metric_for_best_model": training.metric_for_best_model if training.compares() else None,
        "greater_is_better": training.greater_is_better,
        "prediction_loss_only": True,
        "save_strategy": "steps" if save_steps else "no",
        "save_steps": save_steps or 1,
        "logging_steps": output.logging_steps,
        "logging_nan_inf_filter": False,  # a loss that is no number is shown as such, not as the mean before it
        "report_to": [name for name in output.report_to if name != TENSORBOARD] or "none",
        "disable_tqdm": True,
        "label_names": ["labels"],
        "remove_unused_columns": False,
        "dataloader_num_workers": training.dataloader_num_workers,
        "dataloader_pin_memory": not on_cpu,
        "seed": training.seed,
        "use_cpu": on_cpu,
        **_sharing(recipe),
        "bf16": dtype == torch.bfloat16,
        "fp16": dtype == torch.float16,
    }


def compute_dtype(recipe: Recipe, loaded: Loaded) -> torch.dtype:
    """float32, or the 16-bit type that the forward pass is cast to."""
    dtype = getattr(loaded.model, "dtype", torch.float32)
    if dtype == torch.float32 and recipe.model.dtype != "float32" and loaded.device.type == "cuda":
        return named_dtype(recipe.model.dtype) or best_dtype()
    return dtype if dtype in (torch.bfloat16, torch.float16) else torch.float32


def may_leave_unused(loaded: Loaded) -> bool:
    """Whether a batch may pass by weights that are trained: those of experts that none of its tokens is sent to, or of
    what sees. Ranks then have to look for them at each step, which takes time."""
    config = loaded.model.config.get_text_config()
    return loaded.processor is not None or any(getattr(config, name, 0) for name in EXPERTS)


def _sharing(recipe: Recipe) -> dict[str, Any]:
    """How several ranks share the weights, where they do: each layer is a part that comes together while it works."""
    if not recipe.hardware.is_sharded:
        return {}
    return {
        "fsdp": True,
        "fsdp_config": {
            "version": 2,
            "auto_wrap_policy": "TRANSFORMER_BASED_WRAP",
            "reshard_after_forward": True,
            "state_dict_type": "FULL_STATE_DICT",
            "cpu_ram_efficient_loading": False,
        },
    }


def _checkpointing(mode: str) -> dict[str, Any]:
    if mode == "none":
        return {"gradient_checkpointing": False}
    if mode == "unsloth":
        return {"gradient_checkpointing": True}
    return {"gradient_checkpointing": True, "gradient_checkpointing_kwargs": {"use_reentrant": mode == "reentrant"}}
