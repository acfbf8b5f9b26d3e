"""recipe -> rendered, masked dataset"""

from __future__ import annotations

import random
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from cockpit.engine.data.chat_template import ChatTemplate
from cockpit.engine.data.image_rows import ImageRows
from cockpit.engine.data.kept_rows import Progress, Sentences, packed_dataset
from cockpit.engine.data.row_reader import RowReader
from cockpit.engine.data.token_rows import Integers
from cockpit.engine.data.tokenizing import Throttled, tokenized
from cockpit.engine.errors import RunFailure, first_line
from cockpit.protocol.events import DataPrepared
from cockpit.recipe.data import Data
from cockpit.recipe.recipe import Recipe
from cockpit.recipe.schedule import held_out_count

if TYPE_CHECKING:
    from cockpit.engine.data.image_collator import MakeCollator

Say = Callable[[str], None]


@dataclass(frozen=True)
class PreparedData:
    """Datasets with input_ids and labels, cut to length; `held_out` is None where no row is held out.

    `packed`: the training rows have seq_lengths, and several rows each. `collator`: given the model, makes what
    collates rows with images, which are `messages` in place of tokens; None for all others.
    """

    train: Any
    held_out: Any
    counts: DataPrepared
    collator: MakeCollator | None = None
    packed: bool = False
    held: object = None
    """What the datasets need for as long as they live."""


def prepare_data(
    recipe: Recipe, tokenizer: Any, say: Say, progress: Progress, processor: Any | None = None
) -> PreparedData:
    """Read, render, tokenize, mask and cut the recipe's rows; those with images are checked and kept as turns.

    `processor` is that of a vision model. Raises RunFailure where nothing is left to learn.
    """
    said = Sentences(say)
    reader = RowReader(recipe, said)
    if reader.has_images:
        return _with_images(recipe, tokenizer, processor, reader, say, progress)
    return _texts(recipe, tokenizer, reader, said, progress)


def max_tokens(recipe: Recipe) -> int:
    """The most tokens of a row."""
    return min(recipe.training.max_length or recipe.model.max_seq_length, recipe.model.max_seq_length)


def pad_to(recipe: Recipe) -> int | None:
    """A multiple of how many tokens batches are padded to; None for as long as the longest row. No row is longer than
    max_tokens, and so no batch is padded beyond them."""
    multiple = recipe.training.pad_to_multiple_of
    return None if multiple is None else min(multiple, max_tokens(recipe))


def _texts(recipe: Recipe, tokenizer: Any, reader: RowReader, said: Sentences, progress: Progress) -> PreparedData:
    length = max_tokens(recipe)
    made = tokenized(recipe, tokenizer, reader, length, said, progress)
    rows = made.rows
    train_rows, held_out = _train_eval_split(recipe, len(rows), reader, said)
    packed = recipe.training.packing and can_pack(recipe, _has_gpu(), said)
    held: object = None
    if packed:
        train, held = packed_dataset(
            rows, train_rows, max_tokens(recipe), recipe.training.seed, Throttled(progress).again
        )
        said(f"{len(train_rows):,} rows are packed into {len(train):,} sequences of up to {length:,} tokens.")
    else:
        train = rows.dataset(train_rows)
    return PreparedData(
        train=train,
        held_out=rows.dataset(held_out) if len(held_out) else None,
        counts=DataPrepared(
            train_rows=len(train_rows),
            eval_rows=len(held_out),
            skipped_rows=made.refused,
            truncated_rows=made.truncated,
            tokens=int(rows.lengths[train_rows].sum()),
            trained_tokens=int(rows.trained[train_rows].sum()),
            sha256=rows.sha256,
            sources=made.sources,
        ),
        packed=packed,
        held=(rows, held),
    )


def _with_images(
    recipe: Recipe, tokenizer: Any, processor: Any | None, reader: RowReader, say: Say, progress: Progress
) -> PreparedData:
    from cockpit.engine.data.image_collator import image_collator

    rows, template = image_rows(recipe, tokenizer, processor)
    if recipe.training.packing:
        say("Rows with images are not packed.")
    length = max_tokens(recipe)
    told = Throttled(progress)
    for done, row in enumerate(reader.read(), 1):
        try:
            if isinstance(row.content, str):
                raise ValueError("it is a plain text among rows with images")
            rows.add(row.content, row.folder)
        except (ValueError, OSError) as error:
            reader.refuse(row.where, str(error))
        told(done, reader.total)
    progress(len(rows), len(rows))
    reader.summarise()
    train_rows, held_out = _train_eval_split(recipe, len(rows), reader, say)
    return PreparedData(
        train=rows.dataset(train_rows),
        held_out=rows.dataset(held_out) if len(held_out) else None,
        counts=_counts(rows, train_rows, held_out, reader),
        collator=image_collator(
            processor,
            template,
            length,
            recipe.backend,
            multiple=pad_to(recipe),
        ),
    )


def image_rows(recipe: Recipe, tokenizer: Any, processor: Any | None) -> tuple[ImageRows, ChatTemplate]:
    """What takes rows with images in, and the template that it renders them with. Raises RunFailure where the model
    does not see, or its template is no good."""
    if processor is None:
        raise RunFailure(
            "The data has images, and this model does not see them.",
            "Give a vision model as model.name_or_path, or data without images.",
        )
    if recipe.data.chat_template != "model":
        processor.tokenizer = tokenizer
        processor.chat_template = tokenizer.chat_template
    template = _image_template(recipe, processor)
    widest = _widest(recipe, processor)
    return ImageRows(processor, template, max_tokens(recipe), train_on=recipe.data.train_on, widest=widest), template


def _image_template(recipe: Recipe, processor: Any) -> ChatTemplate:
    if not getattr(processor, "chat_template", None):
        processor.chat_template = processor.tokenizer.chat_template
    if not processor.chat_template:
        raise RunFailure(
            "The model's processor has no chat template, and the data holds conversations.",
            "Set data.chat_template to one of Unsloth's, such as gemma-3.",
        )
    try:
        return ChatTemplate(processor, recipe.data.instruction_part, recipe.data.response_part)
    except ValueError as error:
        raise RunFailure(first_line(error), "Set data.chat_template to another one.") from error


def _widest(recipe: Recipe, processor: Any) -> int | None:
    """Unsloth makes images at most as wide as the model's own; the plain stack leaves that to the processor."""
    size: Any = getattr(getattr(processor, "image_processor", None), "size", None)
    width = size.get("width") if isinstance(size, Mapping) else getattr(size, "width", None)
    return int(width) if width and recipe.backend == "unsloth" else None


def _train_eval_split(recipe: Recipe, rows: int, reader: RowReader, say: Say) -> tuple[Integers, Integers]:
    """The rows to train on and the held-out ones, of so many. Raises RunFailure where there is no row."""
    if not rows:
        reason = f"No row of the data can be learnt from. {reader.first_refusal}".rstrip()
        raise RunFailure(reason, "The data screen (F6 in the editor) and cockpit data show what is wrong with rows.")
    data = recipe.data
    held_out = held_out_rows(rows, data)
    if len(held_out) < data.eval_rows:
        say(f"Held out are {len(held_out):,} rows, not {data.eval_rows:,}: there are {rows:,} in all.")
    return train_order(rows, held_out, data), np.asarray(held_out, np.int64)


def held_out_rows(rows: int, data: Data) -> list[int]:
    """Which of `rows` rows are held out, ascending."""
    return sorted(random.Random(data.seed).sample(range(rows), held_out_count(rows, data)))


def train_order(rows: int, held_out: list[int], data: Data) -> Integers:
    """The other rows: as they stand where there is one source, shuffled with data.seed where several are mixed."""
    order = np.arange(rows) if len(data.sources) == 1 else np.random.default_rng(data.seed).permutation(rows)
    return order[~np.isin(order, held_out)]


def _counts(rows: ImageRows, train_rows: Integers, held_out: Integers, reader: RowReader) -> DataPrepared:
    return DataPrepared(
        train_rows=len(train_rows),
        eval_rows=len(held_out),
        skipped_rows=reader.refused,
        truncated_rows=0,
        tokens=rows.tokens(train_rows),
        trained_tokens=rows.trained_tokens(train_rows),
        sha256=rows.sha256(),
        sources=reader.read_of,
    )


def can_pack(recipe: Recipe, has_gpu: bool, say: Say) -> bool:
    """Whether rows can share sequences. Unsloth on a CPU switches packing off and would let them see each other."""
    if recipe.backend == "unsloth" and not has_gpu:
        say("With backend unsloth packing needs a GPU; rows are padded instead.")
        return False
    return True


def _has_gpu() -> bool:
    import torch

    return bool(torch.cuda.is_available())
