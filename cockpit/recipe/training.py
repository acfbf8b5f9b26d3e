"""How it is trained: TRL's fields under TRL's names."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Literal

from cockpit.recipe.scheduler import (
    FOLLOWS_EVALUATIONS,
    MAX_STEPS,
    Scheduler,
    SchedulerSettings,
    scheduler_conflicts,
)
from cockpit.recipe.section import Conflict, Field, Section, unit

Optimizer = Literal["adamw_torch", "adamw_torch_fused", "adamw_8bit", "paged_adamw_8bit", "adafactor", "sgd"]
CPU_OPTIMIZERS: dict[Optimizer, Optimizer] = {
    "adamw_8bit": "adamw_torch_fused",
    "paged_adamw_8bit": "adamw_torch_fused",
}
"""Those that need a GPU, and what takes their place on the CPU."""


class Training(Section):
    """The trainer."""

    per_device_train_batch_size: int = Field(default=2, ge=1, le=4096, json_schema_extra=unit("rows"))
    """Rows in memory at once. Larger is faster as long as it fits; trade it against accumulation."""

    gradient_accumulation_steps: int = Field(default=4, ge=1, le=4096)
    """Batches per optimizer step. Batch times accumulation is the effective batch: keep it when memory runs out."""

    fit: Literal["as_written", "auto"] = "as_written"
    """auto trains the same rows a step in the way that uses this GPU best: another micro-batch with as much less
    accumulation, no checkpointing where memory allows, other padding. The loss is the same."""

    max_steps: int | None = Field(default=None, ge=1, le=MAX_STEPS, json_schema_extra=unit("steps"))
    """Stop after this many optimizer steps; empty to count epochs."""

    num_train_epochs: float = Field(default=1.0, gt=0, le=10_000, json_schema_extra=unit("epochs"))
    """Passes over the rows; not used where max_steps is set."""

    learning_rate: float = Field(default=2e-4, gt=0, le=1)
    """Highest learning rate. 2e-4 for short runs; 2e-5 for long ones, or when results are poor."""

    lr_scheduler_type: Scheduler = "linear"
    """How the learning rate moves after the warm-up. reduce_lr_on_plateau and greedy follow the evaluations."""

    lr_scheduler_kwargs: SchedulerSettings | None = None
    """The scheduler's own settings; empty for transformers' defaults."""

    warmup_steps: int = Field(default=0, ge=0, le=MAX_STEPS, json_schema_extra=unit("steps"))
    """Steps over which the learning rate rises from 0."""

    warmup_ratio: float | None = Field(default=None, ge=0, lt=1)
    """Warm-up as a share of all steps; in place of warmup_steps."""

    optim: Optimizer = "adamw_8bit"
    """The optimizer. adamw_8bit saves memory on a GPU; the CPU takes adamw_torch_fused in its place."""

    weight_decay: float = Field(default=0.01, ge=0, le=1)
    """Pull of the trained weights towards zero."""

    max_grad_norm: float = Field(default=1.0, ge=0, le=1000)
    """Gradients longer than this are shortened to it; 0 for never."""

    neftune_noise_alpha: float | None = Field(default=None, gt=0, le=100)
    """NEFTune: noise on the embeddings while training, 5 to 15 is usual; better answers from few rows. Empty for none.
    Where rows are joined the noise is weaker, as it is spread over the length of what they are joined to."""

    max_length: int | None = Field(default=None, ge=16, le=1_048_576, json_schema_extra=unit("tokens"))
    """Longer rows are cut here; empty for model.max_seq_length."""

    packing: bool = False
    """Join short rows into full sequences: much faster on a GPU where rows are short. Rows do not see each other."""

    padding_free: bool = False
    """Join the rows of a batch in place of padding them. Faster for large batches; Unsloth compiles less for it."""

    group_by_length: bool = False
    """Put rows of like length into one batch: less padding where lengths differ much."""

    pad_to_multiple_of: int | None = Field(default=None, ge=1, le=1_048_576, json_schema_extra=unit("tokens"))
    """Pad batches to a multiple of this length. As much as max_length makes all batches alike, which compiles once.
    With padding_free it is the joined length that is padded."""

    gradient_checkpointing: Literal["none", "unsloth", "reentrant", "non_reentrant"] = "unsloth"
    """Compute activations again to save memory. unsloth takes about 30 % less than plain checkpointing, which Unsloth
    itself always makes reentrant on a GPU."""

    eval_steps: int | None = Field(default=None, ge=1, le=MAX_STEPS, json_schema_extra=unit("steps"))
    """Measure the held-out rows every so many steps, beside start and end; empty for only these two."""

    per_device_eval_batch_size: int | None = Field(default=None, ge=1, le=4096, json_schema_extra=unit("rows"))
    """Held-out rows in memory at once; empty for as many as in training."""

    load_best_model_at_end: bool = False
    """Save the weights of the best checkpoint in place of the last ones; needs eval_steps and output.save_steps."""

    metric_for_best_model: str = Field(default="eval_loss", pattern=r"^eval_[a-z0-9_]+$")
    """What makes a checkpoint the best, and what early stopping and schedules that follow the evaluations look at:
    eval_loss, or what evaluation measures of answers, such as eval_exact_match or eval_suite."""

    greater_is_better: bool | None = None
    """Whether more of metric_for_best_model is better; empty for no where it is a loss, else yes."""

    early_stopping_patience: int | None = Field(default=None, ge=1, le=10_000, json_schema_extra=unit("evaluations"))
    """End the run after so many evaluations in a row that got no better; empty for never."""

    early_stopping_threshold: float = Field(default=0.0, ge=0, le=1000)
    """How much better an evaluation must be to count for early stopping."""

    dataloader_num_workers: int = Field(default=0, ge=0, le=256)
    """Processes that prepare batches; 2 suits most GPU servers."""

    seed: int = Field(default=3407, ge=0, le=2**32 - 1)
    """Seed of the order of rows and of dropout."""

    def compares(self) -> bool:
        """Whether evaluations are compared with each other."""
        is_followed = self.lr_scheduler_type in FOLLOWS_EVALUATIONS
        return self.load_best_model_at_end or self.early_stopping_patience is not None or is_followed

    def conflicts(self) -> Iterator[Conflict]:
        if self.warmup_ratio is not None and self.warmup_steps:
            yield Conflict("warmup_ratio", "warmup_steps is set too", "keep one of the two")
        if self.packing:
            for field in ("padding_free", "group_by_length", "pad_to_multiple_of"):
                if getattr(self, field):
                    yield Conflict(field, "packing leaves no padding to save", "keep one of the two")
        yield from scheduler_conflicts(self)
        for field in ("early_stopping_patience", "load_best_model_at_end"):
            if getattr(self, field) and self.eval_steps is None:
                wrong = "it compares evaluations on the way, and eval_steps is empty"
                yield Conflict(field, wrong, "give eval_steps (and data.eval_rows), or leave this out")
