"""recipe -> rendered, masked dataset"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any

from cockpit.engine.data.chat_template import ChatTemplate
from cockpit.engine.data.conversation import Prompt, best_of
from cockpit.engine.data.image_rows import ImageRows
from cockpit.engine.data.kept_rows import Progress, Sentences, Tokenized, packed_dataset
from cockpit.engine.data.prompts import PromptEncoder, PromptRows, Prompts
from cockpit.engine.data.row_choice import RowChoice, choose
from cockpit.engine.data.row_names import RowNames
from cockpit.engine.data.row_reader import RowReader
from cockpit.engine.data.sides import MarkedAnswers, Pairs
from cockpit.engine.data.token_rows import Integers, TokenRows
from cockpit.engine.data.tokenizing import Throttled, tokenized
from cockpit.engine.errors import RunFailure, first_line
from cockpit.protocol.events import DataPrepared
from cockpit.recipe.recipe import Recipe

if TYPE_CHECKING:
    from cockpit.engine.data.image_collator import MakeCollator

OF_READERS = ("", " of data.validation")
"""What each of two readers reads, in a sentence about the data."""

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
    names: Callable[[], RowNames] | None = None
    """Makes what tells of a row that is trained on where it stands; None for rows with images."""
    held: object = None
    """What the datasets need for as long as they live."""


def prepare_data(
    recipe: Recipe, tokenizer: Any, say: Say, progress: Progress, processor: Any | None = None
) -> PreparedData:
    """Read, render, tokenize, mask and cut the recipe's rows; those with images are checked and kept as turns.

    `processor` is that of a vision model. Raises RunFailure where nothing is left to learn.
    """
    said = [Sentences(say), Sentences(say)]
    several = (recipe.data.mixed(), recipe.data.validating())
    recipes = [recipe.model_copy(update={"data": data}) for data in several if data is not None]
    readers = [RowReader(one, heard) for one, heard in zip(recipes, said, strict=False)]
    if any(reader.has_images for reader in readers):
        return _with_images(recipe, tokenizer, processor, readers, say, progress)
    if recipe.kind.rows == "prompts":
        return _prompts(recipe, tokenizer, readers, say, progress)
    made = [
        tokenized(one, tokenizer, reader, max_tokens(recipe), heard, progress)
        for one, reader, heard in zip(recipes, readers, said, strict=False)
    ]
    return _texts(recipe, made, readers, say, progress)


def max_tokens(recipe: Recipe) -> int:
    """The most tokens of a row."""
    return min(recipe.training.max_length or recipe.model.max_seq_length, recipe.model.max_seq_length)


def pad_to(recipe: Recipe) -> int | None:
    """A multiple of how many tokens batches are padded to; None for as long as the longest row. No row is longer than
    max_tokens, and so no batch is padded beyond them, but for one whose rows are joined."""
    multiple = recipe.training.pad_to_multiple_of
    return multiple if multiple is None or recipe.training.padding_free else min(multiple, max_tokens(recipe))


def _texts(
    recipe: Recipe, made: list[Tokenized], readers: list[RowReader], say: Say, progress: Progress
) -> PreparedData:
    """Of the rows that are trained on and, where data.validation names them, those that are measured on."""
    length, rows = max_tokens(recipe), made[0].rows
    for one, reader, of in zip(made, readers, OF_READERS, strict=False):
        _refuse_none(len(one.rows), reader, of)
    choice = choose(recipe.data, rows, made[1].rows if len(made) > 1 else None)
    _tell(recipe, choice, say)
    held_out = _dataset(recipe, made[-1].rows, choice.held_out) if len(choice.held_out) else None
    packed = recipe.training.packing and can_pack(recipe, _has_gpu(), say)
    held: object = None
    if packed:
        train, held = packed_dataset(rows, choice.train, length, recipe.training.seed, Throttled(progress).again)
        say(f"{len(choice.train):,} rows are packed into {len(train):,} sequences of up to {length:,} tokens.")
    else:
        train = _dataset(recipe, rows, choice.train)
    return PreparedData(
        train=train,
        held_out=held_out,
        counts=DataPrepared(
            train_rows=len(train) if recipe.kind.has_sides else len(choice.train),
            eval_rows=len(held_out) if held_out is not None else 0,
            skipped_rows=sum(one.refused for one in made),
            truncated_rows=sum(one.truncated for one in made),
            tokens=int(rows.lengths[choice.train].sum()),
            trained_tokens=int(rows.trained[choice.train].sum()),
            sha256=_sha256_of([one.rows.sha256 for one in made]),
            sources=tuple(source for one in made for source in one.sources),
            split_rows=sum(one.split for one in made),
            duplicate_rows=choice.duplicates,
            shared_rows=choice.shared,
            dropped_rows=choice.dropped,
            long_rows=recipe.data.long_rows or "auto",
            unit=recipe.kind.unit,
        ),
        packed=packed,
        names=partial(RowNames, rows, choice.train),
        held=([one.rows for one in made], held),
    )


def _dataset(recipe: Recipe, rows: TokenRows, order: Integers) -> Any:
    """The rows `order`, as the trainer of the recipe's method takes them."""
    kinds = {"single": TokenRows.dataset, "pairs": Pairs, "marked": MarkedAnswers}
    return kinds[recipe.kind.rows](rows, order)


def _prompts(recipe: Recipe, tokenizer: Any, readers: list[RowReader], say: Say, progress: Progress) -> PreparedData:
    """Prompts that the model answers while it trains: kept as turns, with the other columns of their rows."""
    encoder = PromptEncoder(recipe, tokenizer, max_tokens(recipe), say, near=False)
    told, made = Throttled(progress), list[PromptRows]()
    for reader, of in zip(readers, OF_READERS, strict=False):
        rows = PromptRows()
        for done, row in enumerate(reader.read(), 1):
            assert isinstance(row.content, Prompt)
            ((encoded,),) = encoder.encode([(row.where, row.content)])
            if encoded.refusal:
                (reader.leave_out if encoded.is_dropped else reader.refuse)(row.where, encoded.refusal)
            else:
                rows.add(row.content, encoded)
            told(done, reader.total)
        _refuse_none(len(rows), reader, of)
        made.append(rows)
    choice = choose(recipe.data, made[0], made[1] if len(made) > 1 else None)
    _tell(recipe, choice, say)
    progress(len(made[0]), len(made[0]))
    digests = [one.digests.tobytes() for one in made]
    return PreparedData(
        train=Prompts(made[0].rows, choice.train),
        held_out=Prompts(made[-1].rows, choice.held_out) if len(choice.held_out) else None,
        counts=DataPrepared(
            train_rows=len(choice.train),
            eval_rows=len(choice.held_out),
            skipped_rows=sum(reader.refused for reader in readers),
            truncated_rows=0,
            tokens=sum(made[0].lengths[at] for at in choice.train),
            trained_tokens=0,
            sha256=_sha256_of([hashlib.sha256(one).hexdigest() for one in digests]),
            sources=tuple(source for reader in readers for source in reader.read_of),
            duplicate_rows=choice.duplicates,
            shared_rows=choice.shared,
            dropped_rows=choice.dropped,
            long_rows=recipe.data.long_rows or "auto",
            unit=recipe.kind.unit,
        ),
    )


def _refuse_none(rows: int, reader: RowReader, of: str) -> None:
    """Raises RunFailure where there is no row."""
    if not rows:
        reason = f"No row of the data{of} can be learnt from. {reader.first_refusal}".rstrip()
        raise RunFailure(reason, "The data screen (F6 in the editor) and cockpit data show what is wrong with rows.")


def _tell(recipe: Recipe, choice: RowChoice, say: Say) -> None:
    """What is done with rows that stand twice. Raises RunFailure where none is left to train on."""
    data, unit, or_near = (
        recipe.data,
        recipe.kind.unit,
        ", or nearly equal ones," * (recipe.data.duplicates == "drop_near"),
    )
    if choice.held_out_rows < data.eval_rows:
        left = choice.rows - choice.dropped
        say(f"Held out are {choice.held_out_rows:,} {unit}, not {data.eval_rows:,}: there are {left:,} in all.")
    if choice.duplicates and data.duplicates == "keep":
        say(f"{_rows(unit, choice.duplicates, 'stand')} in the data before; data.duplicates: drop leaves them out.")
    elif choice.duplicates:
        say(f"{_rows(unit, choice.duplicates, 'are')} left out, as they{or_near} stand in the data before.")
    if choice.shared and data.duplicates == "keep":
        say(
            f"{_rows(unit, choice.shared, 'stand')} both in what is trained on and in what is measured on, which makes "
            "the measured loss too good; data.duplicates: drop leaves them out of training."
        )
    elif choice.shared:
        say(f"{_rows(unit, choice.shared, 'are')} left out of training, as they{or_near} are among those measured on.")
    if not len(choice.train):
        raise RunFailure(
            "No row is left to train on: all of them stand in what is measured on too.",
            "Give other rows in data.validation, or keep as data.duplicates.",
        )


def _rows(unit: str, count: int, verb: str) -> str:
    """3 rows are, 1 row is."""
    singular = {"are": "is", "stand": "stands"}
    return f"{count:,} {unit} {verb}" if count != 1 else f"1 {unit.removesuffix('s')} {singular[verb]}"


def _sha256_of(parts: list[str]) -> str:
    """That of the only part, or of all."""
    return parts[0] if len(parts) == 1 else hashlib.sha256("".join(parts).encode()).hexdigest()


def _with_images(
    recipe: Recipe, tokenizer: Any, processor: Any | None, readers: list[RowReader], say: Say, progress: Progress
) -> PreparedData:
    from cockpit.engine.data.image_collator import image_collator

    if recipe.training.packing:
        say("Rows with images are not packed.")
    made = []
    for reader, of in zip(readers, OF_READERS, strict=False):
        rows = image_rows(recipe, tokenizer, processor, say)
        _read_images(reader, rows, progress)
        _refuse_none(len(rows), reader, of)
        made.append(rows)
    rows = made[0]
    choice = choose(recipe.data, rows, made[1] if len(made) > 1 else None)
    _tell(recipe, choice, say)
    return PreparedData(
        train=rows.dataset(choice.train),
        held_out=made[-1].dataset(choice.held_out) if len(choice.held_out) else None,
        counts=DataPrepared(
            train_rows=len(choice.train),
            eval_rows=len(choice.held_out),
            skipped_rows=sum(reader.refused for reader in readers),
            truncated_rows=0,
            tokens=rows.tokens(choice.train),
            trained_tokens=rows.trained_tokens(choice.train),
            sha256=_sha256_of([one.sha256() for one in made]),
            sources=tuple(source for reader in readers for source in reader.read_of),
            duplicate_rows=choice.duplicates,
            shared_rows=choice.shared,
            dropped_rows=choice.dropped,
            long_rows=recipe.data.long_rows or "auto",
            unit=recipe.kind.unit,
        ),
        collator=image_collator(
            processor,
            max_tokens(recipe),
            recipe.backend,
            multiple=pad_to(recipe),
        ),
    )


def _read_images(reader: RowReader, rows: ImageRows, progress: Progress) -> None:
    """Take the rows of `reader` into `rows`."""
    told = Throttled(progress)
    for done, row in enumerate(reader.read(), 1):
        try:
            content = best_of(row.content)
            if isinstance(content, str):
                raise ValueError("it is a plain text among rows with images")
            rows.add(content, row.folder)
        except (ValueError, OSError) as error:
            reader.refuse(row.where, str(error))
        told(done, reader.total)
    progress(len(rows), len(rows))
    reader.summarise()


def image_rows(recipe: Recipe, tokenizer: Any, processor: Any | None, say: Say) -> ImageRows:
    """What takes rows with images in. Raises RunFailure where the model
    does not see, or its template is no good."""
    if processor is None:
        raise RunFailure(
            "The data has images, and this model does not see them.",
            "Give a vision model as model.name_or_path, or data without images.",
        )
    if recipe.data.keep_reasoning and recipe.backend == "unsloth":
        raise RunFailure(
            "With backend unsloth, rows with images cannot keep the reasoning that the chat template leaves out.",
            "Set data.keep_reasoning to false, or backend to transformers.",
        )
    if recipe.data.chat_template != "model":
        processor.tokenizer = tokenizer
        processor.chat_template = tokenizer.chat_template
    template = _image_template(recipe, processor)
    widest, train_on = _widest(recipe, processor), recipe.data.train_on
    return ImageRows(processor, template, max_tokens(recipe), train_on=train_on, widest=widest, say=say)


def _image_template(recipe: Recipe, processor: Any) -> ChatTemplate:
    if not getattr(processor, "chat_template", None):
        processor.chat_template = processor.tokenizer.chat_template
    if not processor.chat_template:
        raise RunFailure(
            "The model's processor has no chat template, and the data holds conversations.",
            "Set data.chat_template to one of Unsloth's, such as gemma-3.",
        )
    try:
        data = recipe.data
        return ChatTemplate(processor, data.instruction_part, data.response_part, keep_reasoning=data.keep_reasoning)
    except ValueError as error:
        raise RunFailure(first_line(error), "Set data.chat_template to another one.") from error


def _widest(recipe: Recipe, processor: Any) -> int | None:
    """Unsloth makes images at most as wide as the model's own; the plain stack leaves that to the processor."""
    size: Any = getattr(getattr(processor, "image_processor", None), "size", None)
    width = size.get("width") if isinstance(size, Mapping) else getattr(size, "width", None)
    return int(width) if width and recipe.backend == "unsloth" else None


def can_pack(recipe: Recipe, has_gpu: bool, say: Say) -> bool:
    """Whether rows can share sequences. Unsloth on a CPU switches packing off and would let them see each other."""
    if recipe.backend == "unsloth" and not has_gpu:
        say("With backend unsloth packing needs a GPU; rows are padded instead.")
        return False
    return True


def _has_gpu() -> bool:
    import torch

    return bool(torch.cuda.is_available())
