"""recipe -> what training will see of its data, by the tokenizer alone, from the first rows"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence, Set
from typing import Any

import numpy as np

from cockpit.data.report import DataReport, NotUsed, Sample, Token
from cockpit.data.row_losses import HighRow, RowLosses
from cockpit.engine.data.encoder import EncodedRow, Say
from cockpit.engine.data.looked_rows import LookedRow, LookedRows, look_at_images, look_at_texts, look_elsewhere
from cockpit.engine.data.packing import packed_sequences
from cockpit.engine.data.preferences import EQUAL
from cockpit.engine.data.prepare import can_pack, max_tokens, pad_to
from cockpit.engine.data.row_choice import choose
from cockpit.engine.data.row_reader import RowReader
from cockpit.engine.data.side_encoder import BEYOND
from cockpit.engine.data.template_notes import left_out_by_template
from cockpit.engine.data.token_rows import BETTER, IGNORED, WORSE
from cockpit.engine.hub.models import tokenizer_folder
from cockpit.engine.model.tokenizer import load_tokenizer
from cockpit.models.folder import ModelFolder
from cockpit.protocol.events import SourceRead
from cockpit.recipe.data import Data, Source
from cockpit.recipe.recipe import Recipe
from cockpit.recipe.schedule import effective_batch, held_out_count, rows_name
from cockpit.text.plain_text import plain_line, plain_text

ROWS_AT_MOST = 2_500
"""Rows that are looked at, shared by the sources, so that the answer comes within seconds."""
SAMPLES, REFUSED_SAMPLES = 40, 10
"""Rows that are shown token by token: of those that are trained on, and of those in which nothing is."""
OF_A_KIND = 5
"""Rows that are truncated, and that stand twice, which are shown besides."""
SAMPLE_TOKENS = 100_000
"""Tokens of all samples together, about."""
ORDERS = 8
"""Controls of the rows over which the padding is averaged."""


def data_report(recipe: Recipe, name: str, *, has_gpu: bool, losses: RowLosses | None = None) -> DataReport:
    """Look at the first ROWS_AT_MOST rows as training would. `name` is the recipe's; `has_gpu` whether the run has one;
    `losses` are those of a run of it, whose highest rows are shown wherever they stand.

    Raises RunFailure where the tokenizer, the processor or the data is no good.
    """
    tokenizer, processor = load_tokenizer(ModelFolder.at(tokenizer_folder(recipe.model)), recipe)
    said: list[str] = []
    of_sources: list[str] = []
    validating = recipe.data.validating()
    recipe = recipe.model_copy(update={"data": recipe.data.mixed()})
    first = _first_rows(recipe)
    reader = RowReader(first, of_sources.append)
    looked = _look(first, tokenizer, processor, reader, said.append)
    measured = None
    if validating is not None:
        of_validation = _first_rows(recipe.model_copy(update={"data": validating}))
        held_reader = RowReader(of_validation, of_sources.append)
        measured = _look(of_validation, tokenizer, processor, held_reader, said.append)
    taken = looked.taken
    there = _rows_there(recipe, reader)
    is_all = all(map(_is_whole, recipe.data.sources, first.data.sources, reader.there, reader.read_of))
    chosen_from = recipe.data if is_all else recipe.data.model_copy(update={"eval_rows": 0, "eval_share": None})
    choice = choose(chosen_from, looked, measured)
    trained = [taken[at] for at in sorted(choice.train)]
    held_out = {id(taken[at]) for at in choice.held_out} if measured is None else set[int]()
    batches = _Batches(recipe, [row.tokens for row in trained], reader.has_images, has_gpu, said.append)
    padding = dict(zip(map(id, trained), batches.padding, strict=True))
    if is_all:  # of fewer rows others are drawn
        refusals = {f"Row left out: {one}" for one in reader.refusals}
        said = [one for one in of_sources if one not in refusals] + said
    high = {row.where: row for row in losses.highest} if losses is not None else {}
    shown = looked.shown
    if len(recipe.data.sources) > 1:  # training mixes them too
        shown = [shown[at] for at in np.random.default_rng(recipe.data.seed).permutation(len(shown))]
    beyond = high.keys() - {row.encoded.where for row in shown}
    shown = shown + look_elsewhere(recipe, tokenizer, beyond)
    equal, before = looked.duplicates()
    return DataReport(
        recipe=plain_line(name),
        model=plain_line(recipe.model.name_or_path),
        template=plain_line(recipe.data.chat_template),
        sources=[f"{name}, {form}" for name, form in zip(reader.names, reader.forms, strict=True)],
        rows_there=there,
        rows_held=_sum(reader.there),
        rows_seen=looked.count + reader.refused,
        is_all=is_all,
        train_rows=len(trained) // 2 if recipe.kind.rows == "pairs" else len(trained),
        held_out_rows=_held_out(recipe, looked.count - choice.dropped if is_all else there, measured, validating),
        left_out_rows=reader.refused,
        untrained_rows=sum(map(_is_untrained, looked.shown)),
        left_out=[plain_line(one) for one in reader.refusals],
        not_used=[*reader.not_used, *_left_out_by_template(looked, reader)],
        stops=recipe.data.on_bad_row == "fail",
        max_length=max_tokens(recipe),
        lengths=[row.whole_tokens for row in taken],
        truncated_rows=sum(row.whole_tokens > row.tokens for row in taken),
        tokens=sum(row.tokens for row in trained),
        trained_tokens=sum(row.trained_tokens for row in trained),
        split_rows=looked.split,
        duplicates=recipe.data.duplicates,
        duplicate_rows=equal,
        near_duplicate_rows=len(before) - equal,
        shared_rows=choice.shared,
        dropped_rows=choice.dropped,
        batching=batches.kind,
        batch_rows=recipe.training.per_device_train_batch_size,
        accumulation=recipe.training.gradient_accumulation_steps,
        sequences=batches.sequences,
        tokens_per_step=batches.tokens_per_step,
        padding_share=batches.padding_share,
        **_sides(recipe, looked),
        unit=recipe.kind.unit,
        step_unit=rows_name(recipe),
        row_losses=losses,
        samples=[
            _sample(
                row,
                tokenizer,
                padding.get(id(row), 0),
                id(row) in held_out,
                before,
                high.get(row.encoded.where),
                swapped=looked.is_swapped(row),
            )
            for row in _shown(shown, before, high.keys())
        ],
        notes=[plain_line(one) for one in said] + _of_template(recipe),
    )


def _sides(recipe: Recipe, looked: LookedRows) -> dict[str, Any]:
    """What is told of answers that are compared."""
    if not recipe.kind.has_sides:
        return {"sides": recipe.kind.rows}
    better, worse = ([row for row in looked.taken if row.encoded.side == side] for side in (BETTER, WORSE))
    return {
        "sides": recipe.kind.rows,
        "better_rows": len(better),
        "better_tokens": _mean([row.trained_tokens for row in better]),
        "worse_tokens": _mean([row.trained_tokens for row in worse]),
        "equal_pairs": sum(row.encoded.refusal == EQUAL and row.encoded.side == BETTER for row in looked.shown),
        "swapped_pairs": sum(row.encoded.side == BETTER and looked.is_swapped(row) for row in looked.taken),
    }


def _is_untrained(row: LookedRow) -> bool:
    """Whether the row is left out because nothing of it would be trained; of a pair the better one tells."""
    if row.encoded.side:
        return row.encoded.side == BETTER and row.encoded.refusal.startswith(BEYOND)
    return bool(row.encoded.refusal) and not row.trained_tokens


def _mean(numbers: list[int]) -> float | None:
    return sum(numbers) / len(numbers) if numbers else None


def _left_out_by_template(looked: LookedRows, reader: RowReader) -> list[NotUsed]:
    source = reader.names[0] if len(reader.names) == 1 else "all sources"
    return left_out_by_template((row.encoded.left_out for row in looked.shown), source)


def _first_rows(recipe: Recipe) -> Recipe:
    """The recipe with as many rows of each source as are looked at; none of them ends it."""
    share = max(1, ROWS_AT_MOST // len(recipe.data.sources))
    sources = [
        source.model_copy(update={"max_rows": min(source.max_rows or share, share)}) for source in recipe.data.sources
    ]
    return recipe.model_copy(update={"data": recipe.data.model_copy(update={"sources": sources, "on_bad_row": "skip"})})


def _is_whole(source: Source, first: Source, there: int | None, read: SourceRead) -> bool:
    """Whether the look at `first` has seen the very rows that training takes of `source`: of fewer rows a ratio draws
    others. `there` are its rows, None where they are not counted, `read` those that were taken."""
    at_most = first.max_rows or 0
    if source.max_rows == at_most:
        return True
    return source.ratio is None and read.rows < at_most if there is None else there <= at_most


def _sum(numbers: list[int | None]) -> int | None:
    """None where one of them is not known."""
    known = [number for number in numbers if number is not None]
    return sum(known) if len(known) == len(numbers) else None


def _rows_there(recipe: Recipe, reader: RowReader) -> int | None:
    """Rows that the recipe takes of its sources; None where one does not say without being read."""
    sizes = []
    for source, there in zip(recipe.data.sources, reader.there, strict=True):
        if there is None:
            return None
        sizes.append((source.ratio, min(there, source.max_rows or there)))
    whole = sum(size for ratio, size in sizes if ratio is None)
    return sum(size if ratio is None else min(size, int(whole * ratio)) for ratio, size in sizes)


def _held_out(recipe: Recipe, rows: int | None, measured: LookedRows | None, validating: Data | None) -> int | None:
    """Of `rows` rows, or of a file or split of their own as far as that was looked at."""
    if measured is not None and validating is not None:
        return len(measured.taken) if len(measured.shown) < ROWS_AT_MOST else validating.sources[0].max_rows
    if rows is None:
        return None
    return held_out_count(rows, recipe.data) if rows else 0


def _look(recipe: Recipe, tokenizer: Any, processor: Any | None, reader: RowReader, say: Say) -> LookedRows:
    if reader.has_images:
        return look_at_images(recipe, tokenizer, processor, reader, say)
    return look_at_texts(recipe, tokenizer, reader, say)


def _of_template(recipe: Recipe) -> list[str]:
    if recipe.backend != "unsloth" or recipe.data.chat_template == "model":
        return []
    name = plain_line(recipe.data.chat_template)
    return [
        f"Shown is the text of Unsloth's template {name}; Unsloth itself may give its special tokens ids of their own "
        "where this tokenizer has none."
    ]


class _Batches:
    """How rows of these tokens share batches."""

    def __init__(self, recipe: Recipe, lengths: list[int], images: bool, has_gpu: bool, say: Say) -> None:
        training = recipe.training
        rows = training.per_device_train_batch_size
        packed = training.packing and not images and can_pack(recipe, has_gpu, say)
        joined = training.padding_free and not packed and not images and (has_gpu or recipe.backend == "transformers")
        self.kind: Any = "packed" if packed else "joined" if joined else "padded"
        sides = 2 if recipe.kind.rows == "pairs" else 1
        self.padding = [0] * len(lengths)
        """Of each row, in one order."""
        self.padding_share: float | None = 0.0 if lengths else None
        self.sequences = len(packed_sequences(lengths, max_tokens(recipe))) if packed else None
        units = self.sequences or len(lengths) // sides
        at_once = min(units, effective_batch(recipe))
        self.tokens_per_step = sum(lengths) / units * at_once if lengths else None
        multiple = pad_to(recipe) or 1
        if self.kind == "joined" and lengths and multiple > 1:
            filled = _filled_up(lengths, rows, multiple, np.random.default_rng(training.seed))
            self.padding_share = filled / (filled + ORDERS * sum(lengths))
        if self.kind == "padded" and lengths:
            by_length = training.group_by_length and not images
            rng = np.random.default_rng(training.seed)
            step = effective_batch(recipe)
            mixed = (_together(rng.permutation(len(lengths) // sides), sides) for _ in range(ORDERS))
            controls = [_order(lengths, step, order, by_length) for order in mixed]
            fillings = [_filling(lengths, order, rows * sides, multiple) for order in controls]
            self.padding = fillings[0]
            filled = sum(map(sum, fillings))
            self.padding_share = filled / (filled + ORDERS * sum(lengths))


def _together(order: Any, sides: int) -> Any:
    """An order of rows of which each is so many answers, which stand one behind the other."""
    return (order[:, None] * sides + np.arange(sides)).reshape(-1)


def _filled_up(lengths: Sequence[int], batch: int, multiple: int, rng: Any) -> int:
    """Tokens behind the joined rows of each batch, in ORDERS orders."""
    filled = 0
    for _ in range(ORDERS):
        order = rng.permutation(len(lengths)).tolist()
        for at in range(0, len(order), batch):
            filled += -sum(lengths[row] for row in order[at : at + batch]) % multiple
    return filled


def _order(lengths: Sequence[int], step: int, mixed: Any, by_length: bool) -> list[int]:
    """An order of the rows, of which a step takes `step`: `mixed`, or by length within stretches of up to 50 steps, as
    transformers does it."""
    order: list[int] = mixed.tolist()
    if not by_length:
        return order
    stretch = step * (min(len(order) // (step * 4), 50) or 1)
    parts = (order[at : at + stretch] for at in range(0, len(order), stretch))
    return [row for part in parts for row in sorted(part, key=lambda row: -lengths[row])]


def _filling(lengths: Sequence[int], order: Sequence[int], batch: int, multiple: int) -> list[int]:
    """Of each row, the tokens that fill it up to the longest of its batch, and that up to a multiple."""
    filling = [0] * len(lengths)
    for at in range(0, len(order), batch):
        rows = order[at : at + batch]
        longest = -(-max(lengths[row] for row in rows) // multiple) * multiple
        for row in rows:
            filling[row] = longest - lengths[row]
    return filling


def _shown(looked: list[LookedRow], before: Mapping[int, str], high: Set[str]) -> Iterator[LookedRow]:
    """The rows that are shown token by token, as they stand: the first, the longest, some that are cut or stand twice,
    and those whose loss was high."""
    left, tokens = {False: SAMPLES, True: REFUSED_SAMPLES}, 0
    taken = [row for row in looked if not row.encoded.refusal]
    longest = max(taken, key=lambda row: row.whole_tokens, default=None)
    wanted = {id(longest)}
    wanted |= {id(row) for row in [row for row in taken if row.whole_tokens > row.tokens][:OF_A_KIND]}
    wanted |= {id(row) for row in [row for row in taken if row.number in before][:OF_A_KIND]}
    wanted |= {id(row) for row in taken if row.encoded.where in high}
    for row in looked:
        refused = bool(row.encoded.refusal)
        if id(row) in wanted:
            yield row
        elif left[refused] and tokens < SAMPLE_TOKENS:
            left[refused] -= 1
            tokens += len(row.encoded.input_ids)
            yield row


def _sample(
    row: LookedRow,
    tokenizer: Any,
    padding: int,
    held_out: bool,
    before: Mapping[int, str],
    loss: HighRow | None,
    *,
    swapped: bool,
) -> Sample:
    encoded = row.encoded
    return Sample(
        where=plain_line(encoded.where),
        tokens=_tokens(encoded, tokenizer),
        whole_tokens=row.whole_tokens,
        padding=padding,
        images=row.images,
        image_tokens=row.image_tokens,
        held_out=held_out,
        refusal=plain_line(encoded.refusal),
        before="" if encoded.refusal else plain_line(before.get(row.number, "")),
        loss=loss,
        side={BETTER: "better", WORSE: "worse"}.get(encoded.side, ""),  # type: ignore[arg-type]
        swapped=swapped,
    )


def _tokens(row: EncodedRow, tokenizer: Any) -> list[Token]:
    special, tokens = tokenizer.added_tokens_decoder, []
    at = row.offsets[0][0] if row.offsets else 0
    for number, (token, label, (_, end)) in enumerate(zip(row.input_ids, row.labels, row.offsets, strict=False)):
        text = str(special[token]) if token in special else row.text[at:end]
        at = max(at, end)
        tokens.append(Token(plain_text(text), label != IGNORED and number > 0, token in special))
    return tokens
