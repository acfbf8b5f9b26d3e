"""The rows to learn from: sources, columns, shares, chat template, and what the loss is taken on."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Literal

from cockpit.recipe.section import Conflict, Field, Section, place, unit

RowFormat = Literal[
    "auto",
    "messages",  # a list of role/content turns
    "sharegpt",  # a list of from/value turns
    "alpaca",  # instruction, input, output
    "prompt_completion",
    "text",
    "image_text",
]


PARTS: dict[RowFormat, tuple[str, ...]] = {
    "messages": ("messages",),
    "sharegpt": ("messages",),
    "alpaca": ("prompt", "input", "completion"),
    "prompt_completion": ("prompt", "completion"),
    "text": ("text",),
    "image_text": ("image", "text", "prompt", "completion"),
}
"""The parts that a row of each form has; each may have a column of another name."""

MAX_ROWS = 1_000_000_000


class Columns(Section):
    """Which column of the source plays which part; empty for the usual name."""

    messages: str | None = None
    """Turns of a conversation."""

    prompt: str | None = None
    """What the user says: prompt, instruction, problem, question ..."""

    input: str | None = None
    """What belongs to the prompt in a column of its own (alpaca's input)."""

    completion: str | None = None
    """What the model should answer: completion, output, generated_solution ..."""

    text: str | None = None
    """Plain text."""

    image: str | None = None
    """The picture."""


class Source(Section):
    """One dataset."""

    name_or_path: str = Field(min_length=1, json_schema_extra=place(".json", ".jsonl", ".csv", ".parquet", ".txt"))
    """A file (JSON, JSONL, CSV, Parquet, text), a dataset's name on the Hub, or embedded:pirate, which is shipped."""

    subset: str | None = None
    """Which configuration of a Hub dataset; empty for its only one."""

    split: str = "train"
    """Which split to train on."""

    format: RowFormat = "auto"
    """The form of a row; auto looks at the columns of the first rows."""

    columns: Columns = Columns()
    """Column names, where they are not the usual ones."""

    instruction: str | None = None
    """The user's turn for rows that have none, as for images: Write the LaTeX representation for this image."""

    max_rows: int | None = Field(default=None, ge=1, le=MAX_ROWS, json_schema_extra=unit("rows"))
    """Take at most this many rows; empty for all."""

    ratio: float | None = Field(default=None, gt=0, lt=1)
    """This source's share of the mixture, its rows drawn with data.seed. One source of several is left without one."""

    def conflicts(self) -> Iterator[Conflict]:
        if self.format == "auto":
            return
        for part, name in self.columns:
            if name is not None and part not in PARTS[self.format]:
                wrong = f"rows of the form {self.format} have no {part}"
                right = f"they have {' and '.join(PARTS[self.format])}; or give auto as format"
                yield Conflict(f"columns.{part}", wrong, right)
        if self.instruction is not None and self.format != "image_text":
            wrong = f"rows of the form {self.format} have no place for an instruction of their own"
            yield Conflict("instruction", wrong, "leave it empty; it is for rows with images")


class Data(Section):
    """The rows."""

    sources: list[Source] = Field(min_length=1)
    """One dataset, or several in one mixture."""

    chat_template: str = Field(default="model", min_length=1)
    """model for the tokenizer's own, or one of Unsloth's by name: gemma-3, qwen-3, llama-3.1, chatml ..."""

    train_on_responses_only: bool = True
    """Take the loss on the answers alone, not on the questions."""

    instruction_part: str | None = None
    """What begins a user's turn in the template, such as <start_of_turn>user\\n; empty to find it."""

    response_part: str | None = None
    """What begins an answer in the template, such as <start_of_turn>model\\n; empty to find it."""

    eval_rows: int = Field(default=0, ge=0, le=MAX_ROWS, json_schema_extra=unit("rows"))
    """Rows held out of training to measure the loss on, a fifth of all at most; 0 for none."""

    on_bad_row: Literal["skip", "fail"] = "skip"
    """What to do with a row that cannot be used: count it and go on, or end the run."""

    seed: int = Field(default=42, ge=0, le=2**32 - 1)
    """Seed of the choice of held-out rows; training.seed shuffles the others."""

    def conflicts(self) -> Iterator[Conflict]:
        yield from self._mixture_conflicts()
        if self.instruction_part is not None and self.response_part is None:
            wrong = "response_part is empty, so the answers would not be found"
            yield Conflict("instruction_part", wrong, "give both, or leave both empty to find them")
        for field in ("instruction_part", "response_part"):
            if getattr(self, field) is not None and not self.train_on_responses_only:
                wrong = "it is not used, as train_on_responses_only is off"
                yield Conflict(field, wrong, "switch train_on_responses_only on, or leave it empty")

    def _mixture_conflicts(self) -> Iterator[Conflict]:
        shares = [source.ratio for source in self.sources]
        given = [index for index, share in enumerate(shares) if share is not None]
        if given and len(shares) == 1:
            yield Conflict("sources.0.ratio", "there is only one source", "leave it empty, or add a source")
        elif given and len(given) == len(shares):
            wrong = "every source has a ratio, so none says how large the mixture is"
            yield Conflict(f"sources.{given[-1]}.ratio", wrong, "leave one source without; it is taken whole")
        elif given and len(given) < len(shares) - 1:
            without = [index for index, share in enumerate(shares) if share is None]
            wrong = f"sources {' and '.join(map(str, without))} have no ratio"
            yield Conflict(f"sources.{without[1]}.ratio", wrong, "give all but one a ratio, or none")
        elif sum(share or 0 for share in shares) >= 1:
            wrong = "the ratios add up to 1 or more, so nothing is left for the source without one"
            yield Conflict(f"sources.{given[-1]}.ratio", wrong, "give ratios that add up to less than 1")
        images = [source.format == "image_text" for source in self.sources]
        if any(images) and not all(
            one or source.format == "auto" for one, source in zip(images, self.sources, strict=True)
        ):
            index = next(i for i, source in enumerate(self.sources) if source.format not in ("image_text", "auto"))
            wrong = "rows without images cannot be mixed with rows that have them"
            yield Conflict(f"sources.{index}.format", wrong, "give image_text for all sources, or for none")
