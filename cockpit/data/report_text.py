"""What a data report says in words and figures, the same in the command and on the screen"""

from __future__ import annotations

from typing import NamedTuple

from cockpit.data.report import DataReport, NotUsed, Sample
from cockpit.data.row_losses import HighRow, RowLosses
from cockpit.text.numbers import NOT_A_NUMBER, count, metric, percent
from cockpit.text.plain_text import plain_line


class Figure(NamedTuple):
    """One line: `value` is a number or a share, `note` says of what (may be empty)."""

    name: str
    value: str
    note: str
    warns: bool = False
    """Whether it is worth a second look."""


MUCH_PADDING, MUCH_CUT, LITTLE_TRAINED = 0.5, 0.1, 0.02


def figures_of(report: DataReport) -> list[Figure]:
    """The report's figures, in the order in which they are read."""
    trained = report.trained_share
    cut, padding = report.truncated_share, report.padding_share
    held_out = "" if report.is_all else f"of all {report.unit}"
    longest = max(report.lengths, default=None)
    return [
        Figure(f"{report.unit} seen", count(report.rows_seen), _of_which(report)),
        Figure(f"{report.unit} used", count(report.rows_taken), f"{count(report.train_rows)} to train on"),
        Figure("left out", count(report.left_out_rows), "", warns=report.left_out_rows > 0),
        Figure("not used", count(len(report.not_used)), not_used_words(report.not_used)),
        Figure("held out", count(report.held_out_rows), held_out),
        Figure("longest", count(longest), f"of at most {count(report.max_length)}"),
        Figure("truncated", share(cut), f"{count(report.truncated_rows)} {report.unit}", warns=(cut or 0) > MUCH_CUT),
        _duplicates(report),
        *_sides(report),
        Figure(
            "trained",
            share(trained),
            "of the tokens",
            warns=(trained or 0) < LITTLE_TRAINED and report.sides != "prompts",
        ),
        Figure("padding", share(padding), _batching(report), warns=(padding or 0) > MUCH_PADDING),
        Figure("tokens/step", count(report.tokens_per_step), _step(report)),
        *_row_losses(report.row_losses),
    ]


def _sides(report: DataReport) -> list[Figure]:
    """Of a method that compares answers: how long they are, and pairs that cannot be right."""
    if report.sides in ("single", "prompts"):
        return []
    lengths = f"{count(report.better_tokens)} better, {count(report.worse_tokens)} worse"
    if report.sides == "marked":
        desired = report.better_rows / report.rows_taken if report.rows_taken else None
        return [Figure("desired", share(desired), f"of the answers; tokens: {lengths}", warns=desired in (0.0, 1.0))]
    swapped, equal = report.swapped_pairs, report.equal_pairs
    return [
        Figure("answers", lengths, "tokens in the mean"),
        Figure("equal pairs", count(equal), "left out" * bool(equal), warns=equal > 0),
        Figure("swapped", count(swapped), "by their scores, or by another row" * bool(swapped), warns=swapped > 0),
    ]


SIDE_WORDS = {"better": "the better answer", "worse": "the worse answer"}


def _row_losses(found: RowLosses | None) -> list[Figure]:
    """Of a run, the rows whose loss was far above the rest."""
    if found is None:
        return []
    note = f"of {count(found.rows)} rows, steps {count(found.first_step)} to {count(found.last_step)}"
    return [Figure("high loss", count(found.far), note, warns=found.far > 0)]


def loss_words(row: HighRow) -> str:
    """Of a row and those that it is compared with: `loss 5.312 in step 12 (median 2.104)`."""
    value = metric(row.loss) if row.loss is not None else NOT_A_NUMBER
    far = ", far above" * row.is_far
    return f"loss {value} in step {count(row.step)} (median {metric(row.median)}{far})"


def _duplicates(report: DataReport) -> Figure:
    """Rows that stand twice, and what becomes of them."""
    parts = [f"{count(report.near_duplicate_rows)} nearly"] if report.near_duplicate_rows else []
    parts += [f"{count(report.shared_rows)} measured too"] if report.shared_rows else []
    if report.duplicates != "keep":
        parts.append(f"{count(report.dropped_rows)} left out")
    is_left = report.duplicates == "keep" and bool(report.duplicate_rows or report.shared_rows)
    return Figure("duplicates", count(report.duplicate_rows), ", ".join(parts), warns=is_left)


def share(value: float | None) -> str:
    """Percent, one decimal below ten: 3.4 %, 42 %; a share that is not 0 is never written as 0."""
    if value is None or value >= 0.1 or value == 0:
        return percent(value)
    return f"{value * 100:.1f} %" if value >= 0.001 else "< 0.1 %"


def facts_of(sample: Sample) -> list[str]:
    """What is said of a sample beside its text."""
    here = len(sample.tokens) + sample.image_tokens
    facts = [loss_words(sample.loss)] if sample.loss is not None else []
    facts += [f"like {sample.before}"] if sample.before else []
    facts += [f"{count(here)} tokens", f"{count(sample.trained_tokens)} trained"]
    if sample.side:
        facts.insert(0, SIDE_WORDS[sample.side])
    if sample.swapped:
        facts.append("swapped")
    if sample.images:
        images = f"{sample.images} image{'s' * (sample.images > 1)}"
        facts.append(f"{images} of {count(sample.image_tokens)} tokens, not shown")
    if sample.is_truncated:
        facts.append(f"cut from {count(sample.whole_tokens)}")
    if sample.padding:
        facts.append(f"{count(sample.padding)} padding")
    if sample.held_out:
        facts.append("held out")
    if sample.refusal:
        facts.append("left out")
    return facts


def not_used_words(not_used: list[NotUsed]) -> str:
    """What is not used, and in how many rows it stands: `id in 91 rows, name of turns in 3 rows`."""
    return ", ".join(f"{plain_line(one.words)} in {_where(one)}" for one in not_used)


def _where(one: NotUsed) -> str:
    rows = f"{count(one.rows)} row{'s' * (one.rows != 1)}"
    return rows if one.turns in (None, one.rows) else f"{count(one.turns)} turns of {rows}"


def not_used_by_source(not_used: list[NotUsed]) -> list[tuple[str, str]]:
    """Of each source that holds something which is not used: its name and the words."""
    sources = dict.fromkeys(one.source for one in not_used)
    return [(source, not_used_words([one for one in not_used if one.source == source])) for source in sources]


def _of_which(report: DataReport) -> str:
    if report.is_all:
        if report.rows_held is None:
            return "all that are taken"
        return "all of them" if report.rows_held == report.rows_there else f"all taken of {count(report.rows_held)}"
    if len(report.sources) == 1:
        return f"the first of {count(report.rows_there)}"
    if report.rows_there is None or report.rows_seen < report.rows_there:
        return f"a sample of {count(report.rows_there)}"
    return "others will be drawn"


def _batching(report: DataReport) -> str:
    if report.batching == "packed":
        return f"packed into {count(report.sequences)}"
    if report.batching == "joined":
        return "as rows are joined"
    return f"in batches of {count(report.batch_rows)}"


def _step(report: DataReport) -> str:
    unit = "sequences" if report.batching == "packed" else report.step_unit
    return f"{report.batch_rows} × {report.accumulation} {unit}"
