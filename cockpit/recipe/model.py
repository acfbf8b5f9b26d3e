"""Which model is tuned, how it is loaded, and on what."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Annotated, Literal

from cockpit.recipe.section import Conflict, Field, Section, place, unit

TokenText = Annotated[str, Field(min_length=1, max_length=200)]
Dtype = Literal["auto", "bfloat16", "float16", "float32"]
ALONE = ("grpo",)
"""Methods of which nobody has shown that several GPUs train them as one does."""
Parallel = Literal["auto", "ddp", "fsdp", "zero2", "zero3", "layers"]
SHARDED = ("fsdp", "zero2", "zero3")
"""Ways in which each GPU holds a part of what is trained, and rows of its own."""
Devices = Literal[1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16, "all"]


class Model(Section):
    """The base model."""

    name_or_path: str = Field(min_length=1, json_schema_extra=place())
    """A Hub name such as unsloth/gemma-3-4b-it, a local folder, or embedded:demo, the model that cockpit ships."""

    revision: str | None = None
    """Branch, tag or commit on the Hub; empty for the newest."""

    max_seq_length: int = Field(default=2048, ge=16, le=1_048_576, json_schema_extra=unit("tokens"))
    """The longest text the model is prepared for. Memory grows with it; shorten it first when memory runs out."""

    quantization: Literal["none", "nf4", "int8"] = "none"
    """How the frozen base is held: nf4 takes a quarter of the memory (QLoRA), int8 half, none is 16-bit."""

    bnb_4bit_use_double_quant: bool = True
    """Quantise the scales of nf4 too: 0.4 bits a weight less, at no cost in quality. Unsloth always does it."""

    bnb_4bit_compute_dtype: Dtype = "auto"
    """The type that nf4 weights are multiplied in; auto takes bfloat16 where the GPU has it. Unsloth takes that of
    model.dtype, and weights that are published in four bits keep their own."""

    dtype: Dtype = "auto"
    """Type of the weights that are not quantised; auto takes bfloat16 where the machine has it."""

    adapter: str | None = Field(default=None, min_length=1, json_schema_extra=place())
    """An adapter to go on training, in place of a fresh one: its folder, or a run of yours as RUN or RUN@STEP. Rank,
    layers and all else that lora says of an adapter are then its own."""

    add_tokens: list[TokenText] = []
    """New tokens, such as <call> or <answer>: each is one token from now on. Their embeddings and rows of the head are
    trained and saved with the adapter; Unsloth trains both whole for it."""

    trust_remote_code: bool = False
    """Run Python code from the model's repository. Only for a repository that you would run code from."""

    def conflicts(self) -> Iterator[Conflict]:
        for index, text in enumerate(self.add_tokens):
            if not text.strip():
                yield Conflict(f"add_tokens.{index}", "a token of blanks alone", "give text such as <call>")
            elif text in self.add_tokens[:index]:
                yield Conflict(f"add_tokens.{index}", "stands twice", "keep one of the two")


class Hardware(Section):
    """Where the engine runs and what it may compile."""

    gpu: str = "auto"
    """auto takes the freest GPU; or an index, a UUID, or none for the CPU. For several GPUs their names, as 0,2."""

    devices: Devices = 1
    """How many GPUs train together, each with micro-batches of its own in each step; all takes as many as there are.
    With hardware.gpu none so many processes share the CPU."""

    nodes: int = Field(default=1, ge=1, le=64)
    """How many machines train together, each with as many GPUs as devices says; cockpit train --nodes starts each of
    them, or cockpit slurm."""

    parallel: Parallel = "auto"
    """How several GPUs share the work. ddp: each has the whole model, and rows of its own. fsdp: each has a share of
    the weights (FSDP2), and rows of its own. layers: each has some of the layers, and they work one after another
    (device_map balanced). auto: ddp where the model fits each, else fsdp, else layers. zero2 and zero3: DeepSpeed."""

    compile: bool = True
    """Let the stack compile the model on a GPU: a slow first step, fast ones after it."""

    dynamo_cache_size_limit: int | None = Field(default=None, ge=1, le=4096)
    """How often one function may be compiled again for another shape (64 or more helps Gemma-3); empty for the
    backend's own: 1,024 with Unsloth, 8 with plain torch."""

    dynamo_accumulated_cache_size_limit: int | None = Field(default=None, ge=1, le=65536)
    """The same over all functions together (256 or more helps Gemma-3); empty for the backend's own: 1,024 with
    Unsloth, 256 with plain torch."""

    def conflicts(self) -> Iterator[Conflict]:
        names = [name.strip() for name in self.gpu.split(",")]
        if self.devices == "all" and names == ["none"]:
            yield Conflict("devices", "all counts GPUs, and gpu is none", "give the number of processes")
        elif len(names) > 1 and "" in names:
            yield Conflict("gpu", "a name is missing between commas", "write names as 0,2")
        elif len(names) > 1 and {"auto", "none"} & {name.lower() for name in names}:
            yield Conflict("gpu", "auto and none stand alone", "name the GPUs as 0,2, or give auto")
        elif len(names) > 1 and self.devices != len(names):
            wrong = f"it names {len(names)} GPUs, and devices is {self.devices}"
            yield Conflict("gpu", wrong, f"name as many as devices says, or give {len(names)} as devices")

    @property
    def gpus(self) -> int:
        """How many GPUs the run takes of a machine. `all` counts as one here: a run that is started has its number in
        its place."""
        return 1 if self.devices == "all" else self.devices

    @property
    def ranks(self) -> int:
        """How many processes train together, each with rows of its own; `all` counts as one here too."""
        return 1 if self.parallel == "layers" else self.gpus * self.nodes

    @property
    def is_sharded(self) -> bool:
        """Whether each process has a share of the weights."""
        return self.parallel in SHARDED and self.ranks > 1

    @property
    def is_spread(self) -> bool:
        """Whether one process has its layers on several GPUs."""
        return self.parallel == "layers" and self.gpus > 1
