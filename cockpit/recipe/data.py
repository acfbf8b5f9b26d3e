"""The rows to learn from: sources, columns, shares, chat template, and what the loss is taken on."""

from __future__ import annotations

from typing import Literal

from cockpit.recipe.section import Field, Section, place, unit

RowFormat = Literal[
    "auto",
    "messages",  # a list of role/content turns
    "sharegpt",  # a list of from/value turns
    "alpaca",  # instruction, input, output
    "prompt_completion",
    "text",
    "image_text",
]


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
    """A file (JSON, JSONL, CSV, Parquet, text), a dataset's name on the Hub, or embedded:pirate, which cockpit ships."""

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

    max_rows: int | None = Field(default=None, ge=1, json_schema_extra=unit("rows"))
    """Take at most this many rows; empty for all."""

    ratio: float | None = Field(default=None, gt=0, lt=1)
    """This source's share of the mixture, rows sampled with data.seed. One source of several is left without a ratio."""


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

    eval_rows: int = Field(default=0, ge=0, json_schema_extra=unit("rows"))
    """Rows held out of training to measure the loss on; 0 for none."""

    on_bad_row: Literal["skip", "fail"] = "skip"
    """What to do with a row that cannot be used: count it and go on, or end the run."""

    seed: int = Field(default=42, ge=0, le=2**32 - 1)
    """Seed of sampling, shuffling and of the choice of held-out rows."""
