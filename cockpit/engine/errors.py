"""How a run ends: every exception becomes a classified RunEnded with one sentence for the user."""

from __future__ import annotations

import errno
import re

from cockpit.machine.installed import INSTALL_STACK, NO_STACK, is_stack_missing
from cockpit.protocol.events import Relaunch, RunEnded
from cockpit.recipe.recipe import Recipe
from cockpit.recipe.relief import reliefs
from cockpit.text.plain_text import plain_line, without_logins

SENTENCE_CHARACTERS = 300
MAKE_ROOM = "Make room; a run resumes from its newest checkpoint with: cockpit resume."
SHARED_MEMORY = r"</?torch_[^>]*>|out of shared memory|insufficient shared memory"
"""What torch calls the files through which its processes share tensors, and what it says where a worker has died."""
NO_SHARED_MEMORY = (
    "The machine's shared memory (/dev/shm) is full, through which data loader workers hand over batches."
)
SHARE_MORE = (
    "Set training.dataloader_num_workers to 0, or give the container more (docker run --shm-size=8g, or --ipc=host)."
)
SEE_LOG = "The whole traceback is in the run's engine.log."


class RunFailure(Exception):
    """The run cannot go on; the text is a sentence for the user, `advice` another (may be empty)."""

    def __init__(self, reason: str, advice: str = "") -> None:
        super().__init__(without_logins(reason))
        self.advice = advice


class Stopped(Exception):
    """A Stop was asked for at a point where nothing is lost by leaving at once."""


def classify_error(error: BaseException, recipe: Recipe | None, step: int) -> RunEnded:
    """The end that `error` brings upon a run whose last finished step is `step`."""
    if isinstance(error, Stopped):
        return RunEnded(outcome="stopped", step=step)
    if isinstance(error, RunFailure):
        return RunEnded(outcome="failed", step=step, reason=_plain(str(error)), advice=_plain(error.advice))
    if is_stack_missing(error):
        reason = f"{NO_STACK} (there is no module {getattr(error, 'name', '')})."
        return RunEnded(outcome="failed", step=step, reason=_plain(reason), advice=INSTALL_STACK)
    if is_out_of_memory(error):
        where = "the GPU" if "cuda" in str(error).lower() else "the machine"
        return RunEnded(
            outcome="out_of_memory",
            step=step,
            reason=f"Memory of {where} ran out.",
            advice=memory_advice(recipe) if recipe else "",
            relaunches=tuple(Relaunch(**one._asdict()) for one in reliefs(recipe)) if recipe else (),
        )
    if re.search(SHARED_MEMORY, str(error), re.IGNORECASE):
        return RunEnded(outcome="failed", step=step, reason=NO_SHARED_MEMORY, advice=SHARE_MORE)
    if is_disk_full(error):
        place = getattr(error, "filename", None)
        reason = f"The disk is full ({place})." if place else "The disk is full."
        return RunEnded(outcome="failed", step=step, reason=_plain(reason), advice=MAKE_ROOM)
    if isinstance(error, OSError) and error.strerror:
        place = f" ({error.filename})" if error.filename else ""
        return RunEnded(outcome="failed", step=step, reason=_plain(f"{error.strerror}{place}."), advice=SEE_LOG)
    name, first = type(error).__name__, first_line(error)
    reason = name if first == name else f"{name}: {first}"
    return RunEnded(outcome="failed", step=step, reason=_plain(reason), advice=SEE_LOG)


def first_line(error: BaseException) -> str:
    """The first line of what the exception says, else its kind; not yet plain."""
    return next((line.strip() for line in str(error).splitlines() if line.strip()), type(error).__name__)


def is_out_of_memory(error: BaseException) -> bool:
    """Whether memory ran out, of the GPU or of the machine."""
    if isinstance(error, MemoryError) or type(error).__name__ in ("OutOfMemoryError", "CUDAOutOfMemoryError"):
        return True
    text = str(error).lower()
    return isinstance(error, RuntimeError) and bool(
        re.search(r"out of memory|can't allocate memory|status_alloc_failed", text)
    )


def is_disk_full(error: BaseException | None) -> bool:
    """Whether the disk took no more, as Python, safetensors and torch say it; also of what an exception came from."""
    while error is not None:
        if isinstance(error, OSError) and error.errno in (errno.ENOSPC, errno.EDQUOT):
            return True
        if re.search(
            r"no space left on device|disk quota exceeded|enforce fail at inline_container", str(error).lower()
        ):
            return True
        error = error.__cause__ or error.__context__
    return False


def memory_advice(recipe: Recipe) -> str:
    """What would need less memory, the strongest first, as far as this recipe has not done it yet."""
    training, advice = recipe.training, []
    length = min(training.max_length or recipe.model.max_seq_length, recipe.model.max_seq_length)
    if length > 512:
        advice.append(f"a shorter training.max_length (now {length:,})")
    batch = training.per_device_train_batch_size
    if batch > 1:
        advice.append(
            f"training.per_device_train_batch_size {max(1, batch // 2)} with gradient_accumulation_steps "
            f"{training.gradient_accumulation_steps * 2} (now {batch} and {training.gradient_accumulation_steps})"
        )
    if recipe.finetuning_type == "full":
        advice.append("finetuning_type lora")
    else:
        if recipe.lora.modules_to_save:
            advice.append("no lora.modules_to_save")
        if recipe.model.quantization != "nf4" and recipe.lora.loftq_config is None:
            advice.append("model.quantization nf4")
        if recipe.lora.r > 8:
            advice.append(f"a lower lora.r (now {recipe.lora.r})")
    if recipe.backend == "unsloth" and training.gradient_checkpointing != "unsloth":
        advice.append("training.gradient_checkpointing unsloth")
    elif training.gradient_checkpointing == "none":
        advice.append("training.gradient_checkpointing non_reentrant")
    return f"Try {', or '.join(advice)}." if advice else "Try a smaller model or a GPU with more memory."


def _plain(text: str) -> str:
    line = plain_line(text)
    return line if len(line) <= SENTENCE_CHARACTERS else line[: SENTENCE_CHARACTERS - 1] + "…"
