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
    "preference",  # a chosen and a rejected answer to one prompt
    "ranking",  # several answers to one prompt, the best first or with scores
    "prompts",  # prompts, with whatever a reward needs beside them
    "labelled",  # an answer and whether it is desired
]


PARTS: dict[RowFormat, tuple[str, ...]] = {
    "messages": ("messages", "system", "tools", "image"),
    "sharegpt": ("messages", "system", "tools", "image"),
    "alpaca": ("prompt", "input", "completion", "history", "reasoning", "system", "tools", "image"),
    "prompt_completion": ("prompt", "input", "completion", "history", "reasoning", "system", "tools", "image"),
    "text": ("text",),
    "image_text": ("image", "prompt", "completion", "text"),
    "preference": ("chosen", "rejected", "prompt", "messages", "input", "history", "system", "tools"),
    "ranking": ("ranked", "prompt", "messages", "input", "history", "system", "tools"),
    "prompts": ("prompt", "system"),
    "labelled": ("label", "messages", "prompt", "input", "completion", "history", "reasoning", "system", "tools"),
}
"""The parts that a row of each form has; each may have a column of another name."""

Role = Literal["system", "user", "assistant", "tool"]

TrainOn = Literal["answers", "last_answer", "all"]
"""What the loss is taken on."""
MAX_ROWS = 1_000_000_000


class Columns(Section):
    """Which column of the source plays which part; empty for the usual name."""

    messages: str | None = None
    """Turns of a conversation."""

    prompt: str | None = None
    """What the user says: prompt, instruction, problem, question ..."""

    input: str | None = None
    """What belongs to the prompt in a column of its own: input, context."""

    completion: str | None = None
    """What the model should answer: completion, output, generated_solution ..."""

    history: str | None = None
    """What was said before, as a list of [question, answer] pairs."""

    reasoning: str | None = None
    """The reasoning before the answer: reasoning, thinking, chain_of_thought ..."""

    chosen: str | None = None
    """The better answer of a pair: chosen, response_j ..."""

    rejected: str | None = None
    """The worse answer of a pair: rejected, response_k ..."""

    ranked: str | None = None
    """Several answers in a list, the best first, or each with its score."""

    label: str | None = None
    """Whether the answer is desired: label, kto_tag."""

    text: str | None = None
    """Plain text."""

    image: str | None = None
    """The picture: a path, or the bytes of its file."""

    system: str | None = None
    """What the system turn says, in a column of its own."""

    tools: str | None = None
    """The tools that the model may call, as a list or its JSON text."""


class Dataset(Section):
    """Where rows stand, and what they are like."""

    name_or_path: str = Field(min_length=1, json_schema_extra=place(".json", ".jsonl", ".csv", ".parquet", ".txt"))
    """A file (JSON, JSONL, CSV, Parquet, text), a folder of them, a dataset's name on the Hub, or embedded:pirate."""

    subset: str | None = None
    """Which configuration of a Hub dataset; empty for its only one or its default."""

    file: str | None = Field(default=None, min_length=1)
    """One file of a Hub dataset's repository, such as unified_chip2.jsonl; empty for what the dataset itself names."""

    split: str = Field(default="train", min_length=1)
    """Which split to train on: of a Hub dataset (train, train[:10%]), or of a folder that holds several."""

    format: RowFormat = "auto"
    """The form of a row; auto looks at the columns of the first rows."""

    columns: Columns = Columns()
    """Column names, where they are not the usual ones."""

    instruction: str | None = None
    """The user's turn for rows that have none, as for images: Write the LaTeX representation for this image."""

    max_rows: int | None = Field(default=None, ge=1, le=MAX_ROWS, json_schema_extra=unit("rows"))
    """Take at most this many rows; empty for all."""

    def conflicts(self) -> Iterator[Conflict]:
        for one, other in (("chosen", "rejected"), ("rejected", "chosen")):
            if getattr(self.columns, one) is not None and getattr(self.columns, other) is None:
                yield Conflict(f"columns.{one}", f"the column of the {other} answer is not named", "name both")
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


class Source(Dataset):
    """One dataset."""

    ratio: float | None = Field(default=None, gt=0, le=1000)
    """Rows drawn of this source for each row of the one source without a ratio: 0.25 adds 250 to 1,000 rows."""


class Replay(Dataset):
    """Rows of another dataset, mixed in so that the model forgets less of what it knows."""

    share: float = Field(default=0.1, gt=0, le=0.9)
    """Share of all rows trained on that come from it: 0.1 is every tenth row."""


class Validation(Section):
    """Rows to measure the loss on that are in a file or split of their own."""

    name_or_path: str | None = Field(
        default=None, min_length=1, json_schema_extra=place(".json", ".jsonl", ".csv", ".parquet", ".txt")
    )
    """A file, a folder or a dataset's name on the Hub, as of a source; empty for a split of the first source."""

    split: str | None = Field(default=None, min_length=1)
    """Which split to measure on, such as validation or test; empty for train, or a file's only one."""

    subset: str | None = None
    """Which configuration of a Hub dataset; empty for its only one or its default."""

    file: str | None = Field(default=None, min_length=1)
    """One file of a Hub dataset's repository; empty for what the dataset itself names."""

    format: RowFormat = "auto"
    """The form of a row; auto looks at the columns of the first rows."""

    columns: Columns = Columns()
    """Column names, where they are not the usual ones."""

    instruction: str | None = None
    """The user's turn for rows that have none, as for images; empty for that of the first source."""

    max_rows: int | None = Field(default=None, ge=1, le=MAX_ROWS, json_schema_extra=unit("rows"))
    """Measure on at most this many rows; empty for all."""

    def source(self, first: Source) -> Source:
        """As a source. What is left out is that of the `first` one of the training where it is a split of that."""
        if self.name_or_path is not None:
            more = {"split": self.split or "train", "instruction": self.instruction or first.instruction}
            return _as_source(self, set()).model_copy(update=more)
        given = self.model_dump(exclude={"name_or_path", "columns"}, exclude_defaults=True)
        columns = first.columns if self.columns == Columns() else self.columns
        return first.model_copy(update={"max_rows": None, "ratio": None, "columns": columns, **given})

    def conflicts(self) -> Iterator[Conflict]:
        if self.name_or_path is None and self.split is None and self.file is None and self.subset is None:
            wrong = "it names neither a file nor a split"
            yield Conflict("name_or_path", wrong, "give a file or dataset, or split for one of the first source's")
        elif self.name_or_path is not None:
            yield from _as_source(self, set()).conflicts()


def _as_source(section: Section, without: set[str]) -> Source:
    """The fields that a source has too; nothing is checked."""
    values = {name: value for name, value in section if name not in without}
    return Source.model_construct(**values)


class Data(Section):
    """The rows."""

    sources: list[Source] = Field(min_length=1)
    """One dataset, or several in one mixture."""

    replay: Replay | None = None
    """Rows of another dataset, mixed in so that the model forgets less of what it knows; empty for none."""

    roles: dict[str, Role] = {}
    """Whose turns those of other names are: {ai: assistant, customer: user}."""

    chat_template: str = Field(default="model", min_length=1)
    """model for the tokenizer's own, or one of Unsloth's by name: gemma-3, qwen-3, llama-3.1, chatml ..."""

    train_on: TrainOn = "answers"
    """Take the loss on the answers alone, on the last answer of each row, or on the whole text."""

    keep_reasoning: bool = False
    """Keep the reasoning of all answers in the text, which many templates leave out of all but the last."""

    instruction_part: str | None = None
    """What begins a user's turn in the template, such as <start_of_turn>user\\n; empty to find it."""

    response_part: str | None = None
    """What begins an answer in the template, such as <start_of_turn>model\\n; empty to find it."""

    eval_rows: int = Field(default=0, ge=0, le=MAX_ROWS, json_schema_extra=unit("rows"))
    """Rows held out of training to measure the loss on, a fifth of all at most; 0 for none."""

    eval_share: float | None = Field(default=None, gt=0, le=0.5)
    """Held-out rows as a share of all, in place of eval_rows: 0.05 is every twentieth row."""

    validation: Validation | None = None
    """Rows to measure the loss on from a file or split of their own, in place of eval_rows; empty for none."""

    long_rows: Literal["truncate", "split", "drop"] | None = None
    """Rows with too many tokens: cut them, train them in pieces, or leave them out; empty to split plain texts and
    truncate conversations."""

    overlap: int | None = Field(default=None, ge=0, le=1_000_000, json_schema_extra=unit("tokens"))
    """Tokens of the piece before that a piece of a split row begins with, to be read and not learnt again; empty for an
    eighth of a row."""

    duplicates: Literal["keep", "drop", "drop_near"] = "keep"
    """Rows that stand in the data before: keep them, leave equal ones out, or nearly equal ones too."""

    on_bad_row: Literal["skip", "fail"] = "skip"
    """What to do with a row that cannot be used: leave it out and count it, or end the run."""

    seed: int = Field(default=42, ge=0, le=2**32 - 1)
    """Seed of the held-out rows, of rows drawn by ratio, and of the order in which sources are mixed."""

    def mixed(self) -> Data:
        """What is trained on: replay stands among the sources, as one with a ratio. It is checked no more."""
        if self.replay is None:
            return self.model_copy(update={"validation": None})
        # Of all other rows, those of the source without a ratio are one part, the others as many as their ratios say.
        parts = 1 + sum(source.ratio or 0.0 for source in self.sources)
        ratio = self.replay.share / (1 - self.replay.share) * parts * (1 + 1e-12)  # 100 rows are not to become 99
        source = _as_source(self.replay, {"share"}).model_copy(update={"ratio": ratio})
        return self.model_copy(update={"sources": [*self.sources, source], "replay": None, "validation": None})

    def validating(self) -> Data | None:
        """What is measured on where that has a file or split of its own, as data that is taken whole."""
        if self.validation is None:
            return None
        source = self.validation.source(self.sources[0])
        return self.model_copy(update={"sources": [source], "replay": None, "validation": None})

    def every_source(self) -> list[tuple[str, Source]]:
        """All that is read: where it stands in the recipe, and the source that it is."""
        found = [(f"data.sources.{index}", source) for index, source in enumerate(self.sources)]
        if self.replay is not None:
            found.append(("data.replay", self.mixed().sources[-1]))
        if (validating := self.validating()) is not None:
            found.append(("data.validation", validating.sources[0]))
        return found

    @property
    def holds_out(self) -> bool:
        """Whether there are rows to measure on."""
        return bool(self.eval_rows or self.eval_share or self.validation)

    def conflicts(self) -> Iterator[Conflict]:
        yield from self._mixture_conflicts()
        if self.instruction_part is not None and self.response_part is None:
            wrong = "response_part is empty, so the answers would not be found"
            yield Conflict("instruction_part", wrong, "give both, or leave both empty to find them")
        if self.eval_share is not None and self.eval_rows:
            yield Conflict("eval_share", "eval_rows is set too", "keep one of the two")
        if self.validation is not None and (self.eval_share is not None or self.eval_rows):
            field = "eval_share" if self.eval_share is not None else "eval_rows"
            yield Conflict(field, "data.validation has the rows to measure on", "keep one of the two")
        if self.overlap is not None and self.long_rows in ("truncate", "drop"):
            wrong = f"no row is split, as long_rows is {self.long_rows}"
            yield Conflict("overlap", wrong, "give split as long_rows, or leave it empty")
        for field in ("instruction_part", "response_part"):
            if getattr(self, field) is not None and self.train_on == "all":
                wrong = "it is not used, as train_on is all"
                yield Conflict(field, wrong, "give answers or last_answer as train_on, or leave it empty")

    def _mixture_conflicts(self) -> Iterator[Conflict]:
        shares = [source.ratio for source in self.sources]
        given = [index for index, share in enumerate(shares) if share is not None]
        if given and len(shares) == 1:
            yield Conflict("sources.0.ratio", "there is only one source", "leave it empty, or add a source")
        elif given and len(given) == len(shares):
            wrong = "every source has a ratio, and none is left that they are ratios to"
            yield Conflict(f"sources.{given[-1]}.ratio", wrong, "leave one source without; it is taken whole")
        elif given and len(given) < len(shares) - 1:
            without = [index for index, share in enumerate(shares) if share is None]
            wrong = f"sources {' and '.join(map(str, without))} have no ratio"
            yield Conflict(f"sources.{without[1]}.ratio", wrong, "give all but one a ratio, or none")
        named = [(field.removeprefix("data."), source) for field, source in self.every_source()]
        if any(source.format == "image_text" for _, source in named):
            for field, source in named:
                if source.format in ("alpaca", "prompt_completion", "text"):
                    wrong = "rows without images cannot be mixed with rows that have them"
                    yield Conflict(f"{field}.format", wrong, "give image_text for all sources, or for none")
