"""recipe -> trainer; reads top to bottom"""

from __future__ import annotations

import math
import os
import shutil
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from cockpit.engine.base_model import best_dtype, named_dtype
from cockpit.engine.batching import batching, make_trainer
from cockpit.engine.callback import EventCallback
from cockpit.engine.data import PreparedData
from cockpit.engine.ending import Stopped
from cockpit.engine.journal import Journal
from cockpit.engine.loading import Loaded
from cockpit.engine.meter import StepMeter
from cockpit.engine.orders import Orders
from cockpit.events import AdapterSaved
from cockpit.recipe.recipe import Recipe
from cockpit.run_dir import RunDir

CPU_OPTIMIZERS = {"adamw_8bit": "adamw_torch_fused", "paged_adamw_8bit": "adamw_torch_fused"}


@dataclass(frozen=True)
class Trained:
    """What became of the training. `dropped`: a Stop without saving."""

    step: int
    stopped: bool
    dropped: bool


def train(
    recipe: Recipe,
    loaded: Loaded,
    data: PreparedData,
    run: RunDir,
    journal: Journal,
    orders: Orders,
    on_step: Callable[[int], None],
) -> Trained:
    """Train the adapter and tell the journal of each step. Raises whatever the stack raises."""
    from transformers import PrinterCallback

    trainer = make_trainer(recipe, loaded, data, arguments(recipe, loaded, data, run, journal))
    trainer.remove_callback(PrinterCallback)
    batches = math.ceil(len(trainer.train_dataset) / recipe.training.per_device_train_batch_size)
    callback = EventCallback(
        journal,
        orders,
        StepMeter(trainer),
        steps_per_epoch=math.ceil(batches / recipe.training.gradient_accumulation_steps),
        on_step=on_step,
    )
    trainer.add_callback(callback)
    _announce_evaluations(trainer, callback)
    _save_checkpoints_whole(trainer, callback, run, journal, recipe.output.save_total_limit)

    try:
        trainer.train()
        done = callback.step >= trainer.state.max_steps
        if done and data.held_out is not None and callback.evaluated_at != callback.step:
            trainer.evaluate()
    except Stopped:
        callback.dropped = orders.stop == "drop"
    stopped = callback.dropped or callback.step < trainer.state.max_steps
    return Trained(callback.step, stopped, callback.dropped)


def arguments(recipe: Recipe, loaded: Loaded, data: PreparedData, run: RunDir, journal: Journal) -> dict[str, Any]:
    """The recipe in SFTConfig's words."""
    training, output = recipe.training, recipe.output
    on_cpu = loaded.device.type == "cpu"
    optim = training.optim
    if on_cpu and optim in CPU_OPTIMIZERS:
        optim = CPU_OPTIMIZERS[optim]  # type: ignore[assignment]
        journal.log("info", f"{training.optim} needs a GPU; {optim} takes its place on the CPU.")
    dtype = _compute_dtype(recipe, loaded)
    os.environ["TENSORBOARD_LOGGING_DIR"] = output.logging_dir or str(run.path / "tensorboard")
    return {
        "output_dir": str(run.checkpoints),
        "run_name": run.id,
        "per_device_train_batch_size": training.per_device_train_batch_size,
        "gradient_accumulation_steps": training.gradient_accumulation_steps,
        "max_steps": training.max_steps or -1,
        "num_train_epochs": training.num_train_epochs,
        "learning_rate": training.learning_rate,
        "lr_scheduler_type": training.lr_scheduler_type,
        # A share of all steps where it is below 1.
        "warmup_steps": training.warmup_steps if training.warmup_ratio is None else training.warmup_ratio,
        "optim": optim,
        "weight_decay": training.weight_decay,
        "max_grad_norm": training.max_grad_norm,
        **batching(recipe, loaded, data),
        **_checkpointing(training.gradient_checkpointing),
        "eval_on_start": data.held_out is not None,
        "eval_strategy": "steps" if data.held_out is not None and training.eval_steps else "no",
        "eval_steps": training.eval_steps,
        "per_device_eval_batch_size": training.per_device_train_batch_size,
        "prediction_loss_only": True,
        "save_strategy": "steps" if output.save_steps else "no",
        "save_steps": output.save_steps or 1,
        "logging_steps": output.logging_steps,
        "logging_nan_inf_filter": False,  # a loss that is no number is shown as such, not as the mean before it
        "report_to": list(output.report_to) or "none",
        "disable_tqdm": True,
        "label_names": ["labels"],
        "dataloader_num_workers": training.dataloader_num_workers,
        "dataloader_pin_memory": not on_cpu,
        "seed": training.seed,
        "use_cpu": on_cpu,
        "bf16": dtype == torch.bfloat16,
        "fp16": dtype == torch.float16,
    }


def save_adapter(loaded: Loaded, run: RunDir, journal: Journal) -> None:
    """Adapter, tokenizer and chat template in the run's folder, whole or not at all."""
    journal.turn_to("saving", "the adapter")
    partial = run.path / "adapter.partial"
    shutil.rmtree(partial, ignore_errors=True)
    loaded.model.save_pretrained(str(partial))
    (loaded.processor or loaded.tokenizer).save_pretrained(str(partial))
    shutil.rmtree(run.adapter, ignore_errors=True)
    partial.rename(run.adapter)
    journal.tell(AdapterSaved(path=run.adapter.name, size_bytes=_size(run.adapter)))


def _compute_dtype(recipe: Recipe, loaded: Loaded) -> torch.dtype:
    """float32, or the 16-bit type that the forward pass is cast to."""
    dtype = getattr(loaded.model, "dtype", torch.float32)
    if dtype == torch.float32 and recipe.model.dtype != "float32" and loaded.device.type == "cuda":
        return named_dtype(recipe.model.dtype) or best_dtype()
    return dtype if dtype in (torch.bfloat16, torch.float16) else torch.float32


def _checkpointing(mode: str) -> dict[str, Any]:
    if mode == "none":
        return {"gradient_checkpointing": False}
    if mode == "unsloth":
        return {"gradient_checkpointing": True}
    return {"gradient_checkpointing": True, "gradient_checkpointing_kwargs": {"use_reentrant": mode == "reentrant"}}


def _announce_evaluations(trainer: Any, callback: EventCallback) -> None:
    """No callback is told that an evaluation begins."""
    evaluate = trainer.evaluate

    def evaluate_announced(*args: Any, **kwargs: Any) -> Any:
        callback.evaluation_begins()
        return evaluate(*args, **kwargs)

    trainer.evaluate = evaluate_announced


def _save_checkpoints_whole(
    trainer: Any, callback: EventCallback, run: RunDir, journal: Journal, limit: int | None
) -> None:
    """Checkpoints are written aside and renamed, so that one that is there is whole; one that fails costs no run."""
    save = trainer._save_checkpoint
    partial = run.checkpoints / ".partial"

    def save_whole(model: Any, trial: Any) -> None:
        journal.turn_to("saving", f"checkpoint {callback.step}")
        shutil.rmtree(partial, ignore_errors=True)
        trainer._get_output_dir = lambda trial=None: str(partial)
        try:
            save(model, trial)
            (written,) = partial.glob("checkpoint-*")
            place = run.checkpoints / written.name
            shutil.rmtree(place, ignore_errors=True)
            written.rename(place)
        except Exception as error:
            journal.log("warning", f"Checkpoint {callback.step} could not be saved: {error}")
            return
        finally:
            del trainer._get_output_dir
            shutil.rmtree(partial, ignore_errors=True)
        callback.checkpoint_saved(str(place.relative_to(run.path)), _size(place))
        kept = sorted(run.checkpoints.glob("checkpoint-*"), key=lambda path: int(path.name.rpartition("-")[2]))
        for old in kept[: -limit if limit else 0]:
            shutil.rmtree(old, ignore_errors=True)

    trainer._save_checkpoint = save_whole


def _size(folder: Path) -> int:
    return sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())
