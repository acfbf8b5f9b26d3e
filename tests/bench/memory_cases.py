"""The runs whose memory is measured: four architectures from 0.6 to 8 B, both backends, and what memory hangs on."""

from __future__ import annotations

from dataclasses import dataclass

from cockpit.recipe.document import RecipeDocument
from cockpit.recipe.recipe import Recipe

RECIPE = """
schema: 1
method: sft
about: {title: bench, description: A run whose memory is measured., needs: one GPU, duration: 2 min}
model: {name_or_path: none}
data:
  sources: [{name_or_path: none, format: text}]
training:
  gradient_accumulation_steps: 2
  max_steps: 3
"""
"""Two micro-batches a step: the second one meets the gradients of the first. The third step is measured closely."""
HELD_OUT = 4
"""Rows, where the evaluation is measured too."""


@dataclass(frozen=True)
class Case:
    """One run. `model` is one of tests.bench.random_models; rows fill `length` tokens; `more` are settings of further
    fields, as --set takes them."""

    backend: str
    model: str
    quantization: str
    rows: int
    length: int
    rank: int
    checkpointing: str
    more: tuple[str, ...] = ()

    @property
    def name(self) -> str:
        """Tells it from the others, and can be a file's name."""
        more = [setting.rpartition(".")[2].replace("=", "-") for setting in self.more]
        parts = (self.backend, self.model, self.quantization, f"{self.rows}x{self.length}", f"r{self.rank}")
        return "_".join([*parts, self.checkpointing, *more])

    def recipe(self, model: str, rows: str) -> Recipe:
        """The recipe, with the model's folder and the file of rows."""
        return self.document(model, rows).recipe()

    def document(self, model: str, rows: str) -> RecipeDocument:
        """As `recipe`, as a document."""
        document = RecipeDocument.parse(RECIPE, "bench.yaml")
        fields: dict[str, object] = {
            "backend": self.backend,
            "model.name_or_path": model,
            "model.max_seq_length": self.length,
            "model.quantization": self.quantization,
            "lora.r": self.rank,
            "lora.lora_alpha": self.rank,
            "data.sources.0.name_or_path": rows,
            "training.per_device_train_batch_size": self.rows,
            "training.gradient_checkpointing": self.checkpointing,
        }
        for name, value in fields.items():
            document.set(name, value)
        for setting in self.more:
            document.set_from_text(setting)
        return document


U, T = "unsloth", "transformers"
TESTED = f"data.eval_rows={HELD_OUT}"
CASES = (
    # Those that compile longest go first.
    Case(U, "gemma-3-4b", "nf4", 2, 2048, 16, "unsloth", (TESTED,)),
    Case(U, "gemma-3-4b", "nf4", 4, 1024, 16, "none"),
    Case(U, "llama-3-8b", "nf4", 8, 1024, 16, "none"),
    Case(T, "llama-3-8b", "nf4", 2, 2048, 16, "non_reentrant", (TESTED,)),
    Case(U, "llama-3-8b", "nf4", 2, 2048, 16, "unsloth", (TESTED,)),
    Case(U, "qwen3-8b", "nf4", 4, 1024, 16, "none"),
    Case(T, "gemma-3-4b", "nf4", 2, 2048, 16, "non_reentrant"),
    Case(U, "gemma-3-4b", "none", 1, 2048, 32, "unsloth"),
    Case(U, "llama-3-8b", "none", 4, 512, 64, "unsloth"),
    Case(T, "qwen3-8b", "nf4", 1, 2048, 32, "non_reentrant", ("training.optim=adamw_torch",)),
    Case(U, "qwen3-8b", "nf4", 1, 4096, 32, "unsloth", ("training.optim=paged_adamw_8bit",)),
    Case(T, "llama-3-8b", "none", 2, 1024, 16, "reentrant"),
    Case(U, "llama-3-8b", "int8", 2, 1024, 16, "unsloth"),
    Case(T, "llama-3-8b", "nf4", 4, 512, 16, "none"),
    Case(U, "qwen3-0.6b", "none", 8, 1024, 64, "none"),
    Case(T, "gemma-3-4b", "none", 2, 1024, 16, "none"),
    Case(U, "llama-3.2-1b", "nf4", 4, 2048, 16, "unsloth", ("training.packing=true",)),
    Case(T, "qwen3-0.6b", "nf4", 4, 2048, 64, "non_reentrant"),
    Case(U, "qwen3-0.6b", "none", 4, 1024, 16, "unsloth", ("finetuning_type=full",)),
    Case(T, "llama-3.2-1b", "int8", 4, 1024, 16, "non_reentrant"),
    Case(U, "llama-3.2-1b", "none", 2, 4096, 8, "non_reentrant"),
    Case(T, "qwen3-0.6b", "none", 4, 1024, 16, "none", (TESTED,)),
    Case(T, "llama-3.2-1b", "none", 2, 1024, 16, "none", ("finetuning_type=full", "training.optim=adamw_torch")),
    Case(U, "qwen3-0.6b", "nf4", 8, 512, 16, "unsloth", ("training.padding_free=true",)),
)


def case(name: str) -> Case:
    """The case of that name."""
    return next(one for one in CASES if one.name == name)
