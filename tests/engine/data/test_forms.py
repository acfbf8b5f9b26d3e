"""Each form of rows on the demo's tokenizer: text, tokens and labels as Unsloth's and TRL's own functions have them."""

from __future__ import annotations

import json
import sys
from datetime import date
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from cockpit.engine.data.chat_template import ChatTemplate
from cockpit.engine.data.conversation import Conversation, Conversations
from cockpit.engine.data.encoder import Encoder, masked
from cockpit.engine.data.image_collator import ImageLabels, UnslothImageCollator
from cockpit.engine.data.prepare import PreparedData, prepare_data
from cockpit.engine.data.token_rows import IGNORED
from cockpit.engine.model.template_by_name import with_named_template
from cockpit.paths import resolve
from cockpit.recipe.document import RecipeDocument
from tests.engine import tiny, tiny_vision
from tests.engine.warm_stack import WarmStack

SHAREGPT = [
    [("human", "What is the opposite of hot?"), ("gpt", "Cold, of course.")],
    [
        ("system", "Be brief."),
        ("human", "Hi there"),
        ("gpt", "Hello!"),
        ("human", "Who\nare you?"),
        ("gpt", "A model.\n\nReally."),
    ],
    [("human", "grüße 🦜 “quoted”"), ("gpt", "ja — 日本"), ("human", "1 2 3"), ("gpt", " 4")],
]
CONVERSATIONS = [[{"from": role, "value": words} for role, words in turns] for turns in SHAREGPT]
TEMPLATES = ("chatml", "gemma-3", "qwen-3", "qwen-2.5", "llama-3.1", "llama-3", "mistral", "phi-4", "gpt-oss", "zephyr")


def demo_tokenizer() -> Any:
    from transformers import AutoTokenizer

    return AutoTokenizer.from_pretrained(resolve("embedded:demo"))


def prepare(tmp_path: Path, rows: list[dict[str, Any]], tokenizer: Any = None, **changes: Any) -> PreparedData:
    path = tiny.write_rows(tmp_path / "rows.jsonl", rows)
    changes = {"data__eval_rows": 0, "model__max_seq_length": 2048, **changes}
    text = tiny.recipe_text(Path("model"), path, backend="transformers", **changes)
    recipe = RecipeDocument.parse(text, "test").recipe()
    return prepare_data(recipe, tokenizer or demo_tokenizer(), lambda text: None, lambda done, total: None)


MESSAGES = [
    [{"role": {"human": "user", "gpt": "assistant"}.get(role, role), "content": words} for role, words in turns]
    for turns in SHAREGPT
]
ONE = tiny.pair("What is the opposite of hot?", "Cold, of course.")
FORMS: list[tuple[str, list[dict[str, Any]], list[list[dict[str, str]]], dict[str, Any]]] = [
    ("messages", [{"messages": turns} for turns in MESSAGES], MESSAGES, {}),
    ("sharegpt", [{"conversations": turns} for turns in CONVERSATIONS], MESSAGES, {}),
    (
        "system column",
        [{"conversations": turns, "system": "Be brief."} for turns in CONVERSATIONS[::2]],
        [[{"role": "system", "content": "Be brief."}, *turns] for turns in MESSAGES[::2]],
        {},
    ),
    ("alpaca", [{"instruction": ONE[0]["content"], "input": "", "output": ONE[1]["content"]}], [ONE], {}),
    ("problem", [{"problem": ONE[0]["content"], "generated_solution": ONE[1]["content"], "x": 1}], [ONE], {}),
    (
        "two columns",
        [{"frage": ONE[0]["content"], "antwort": ONE[1]["content"], "text": "other"}],
        [ONE],
        {"columns": {"prompt": "frage", "completion": "antwort"}},
    ),
    ("turns as prompt", [{"prompt": ONE[:1], "completion": ONE[1:]}], [ONE], {}),
]


@pytest.fixture(scope="module")
def trl_rows() -> Any:
    """TRL's own preparation: conversations in, tokens and labels out."""
    from datasets import Dataset
    from trl import SFTConfig, SFTTrainer

    tokenizer = demo_tokenizer()
    marked = tokenizer.chat_template.replace(
        "'<think>\\n' + thought.strip() + '\\n</think>\\n\\n' + reply.strip() -}}",
        "'' -}}{% generation %}{{- '<think>\\n' + thought.strip() + '\\n</think>\\n\\n' -}}"
        "{{- reply.strip() + '<|im_end|>' -}}{% endgeneration %}{{- '\\n' -}}",
    ).replace("{{- '<|im_end|>\\n' -}}", "{%- if message.role != 'assistant' -%}{{- '<|im_end|>\\n' -}}{%- endif -%}")

    def prepared(conversations: list[list[dict[str, str]]], output: Path) -> list[tuple[list[int], list[int]]]:
        args = SFTConfig(str(output), assistant_only_loss=True, max_length=2048, use_cpu=True, bf16=False)
        trainer = SimpleNamespace(_tokenizer=tokenizer, chat_template=marked, completion_only_loss=False)
        rows = Dataset.from_list([{"messages": turns} for turns in conversations])
        args.shuffle_dataset = False
        done = SFTTrainer._prepare_dataset(trainer, rows, tokenizer, args, False, None, "train")
        return [(row["input_ids"], row["labels"]) for row in done]

    return prepared


@pytest.mark.parametrize(("name", "rows", "messages", "source"), FORMS, ids=[form[0] for form in FORMS])
def test_tokens_and_labels_are_trls(
    name: str, rows: list[Any], messages: list[Any], source: dict[str, Any], tmp_path: Path, trl_rows: Any
) -> None:
    sources = [{"name_or_path": str(tmp_path / "rows.jsonl"), **source}]
    data = prepare(tmp_path, rows, data__sources=sources)
    assert [(row["input_ids"], row["labels"]) for row in data.train] == trl_rows(messages, tmp_path / "out")


def test_prompt_and_completion_are_as_trl_masks_them(tmp_path: Path) -> None:
    """TRL's completion mask begins where the prompt with its opened answer ends: where ours begins too."""
    from datasets import Dataset
    from trl import SFTConfig, SFTTrainer

    tokenizer = demo_tokenizer()
    args = SFTConfig(str(tmp_path / "out"), max_length=2048, use_cpu=True, bf16=False)
    args.shuffle_dataset = False
    trainer = SimpleNamespace(_tokenizer=tokenizer, chat_template=None, completion_only_loss=True)
    rows = Dataset.from_list([{"prompt": ONE[:1], "completion": ONE[1:]}])
    (theirs,) = SFTTrainer._prepare_dataset(trainer, rows, tokenizer, args, False, None, "train")
    data = prepare(tmp_path, [{"prompt": ONE[:1], "completion": ONE[1:]}])
    assert data.train[0]["input_ids"] == theirs["input_ids"]
    ended = data.train[0]["labels"].index(tokenizer.eos_token_id) + 1
    assert data.train[0]["labels"][:ended] == theirs["labels"][:ended]


def test_plain_texts_are_trls(tmp_path: Path) -> None:
    from datasets import Dataset
    from trl import SFTConfig, SFTTrainer

    tokenizer, texts = demo_tokenizer(), ["red cat", "  two\n\nlines\n", "grüße 🦜"]
    args = SFTConfig(str(tmp_path / "out"), max_length=2048, use_cpu=True, bf16=False)
    args.shuffle_dataset = False
    trainer = SimpleNamespace(_tokenizer=tokenizer, chat_template=None, completion_only_loss=False)
    rows = Dataset.from_list([{"text": text} for text in texts])
    theirs = SFTTrainer._prepare_dataset(trainer, rows, tokenizer, args, False, None, "train")
    ours = prepare(tmp_path, [{"text": text} for text in texts]).train
    assert ours["input_ids"][:] == theirs["input_ids"][:]
    assert ours["labels"][:] == ours["input_ids"][:]


def image_data(folder: Path) -> tuple[PreparedData, Any, dict[str, str]]:
    """Rows with images drawn into `folder`, the tiny processor, and its template's marks."""
    processor = tiny_vision.make_processor()
    rows = [{"image": tiny_vision.draw(folder / f"{n}.png", n).name, "text": f"x^{n}" * (n + 1)} for n in range(3)]
    path = tiny.write_rows(folder / "images.jsonl", rows)
    sources = [{"name_or_path": str(path), "instruction": "Write the LaTeX representation for this image."}]
    text = tiny.recipe_text(Path("m"), path, backend="transformers", data__sources=sources, data__eval_rows=0)
    recipe = RecipeDocument.parse(text, "test").recipe()
    data = prepare_data(recipe, processor.tokenizer, lambda text: None, lambda done, total: None, processor)
    markers = ChatTemplate(processor).markers
    return (
        data,
        processor,
        {
            "instruction_part": markers.instruction_part,
            "response_part": markers.response_part,
        },
    )


def unsloths_own(folder: Path, conversations: list[Any], parts: dict[str, dict[str, str]]) -> dict[str, Any]:
    """What Unsloth makes of the conversations by each template, whose marks `parts` holds, and of rows with images."""
    from datasets import Dataset
    from transformers import Gemma3ForConditionalGeneration
    from unsloth.chat_templates import get_chat_template, standardize_data_formats, train_on_responses_only
    from unsloth_zoo.vision_utils import UnslothVisionDataCollator

    rows = standardize_data_formats(Dataset.from_list([{"conversations": turns} for turns in conversations]))
    standard = [row["conversations"] for row in rows]
    found: dict[str, Any] = {"standard": standard, "texts": {}, "ids": {}, "labels": {}}
    for name, marks in parts.items():
        tokenizer = demo_tokenizer()
        if name != "model":
            tokenizer = get_chat_template(tokenizer, chat_template=name)
        texts = [tokenizer.apply_chat_template(turns, tokenize=False) for turns in standard]
        ids = [tokenizer(text, add_special_tokens=False)["input_ids"] for text in texts]
        mask = train_on_responses_only(None, tokenizer=tokenizer, return_function=True, **marks)
        labels = [list(one) for one in mask({"input_ids": ids})["labels"]]
        found["texts"][name], found["ids"][name], found["labels"][name] = texts, ids, labels
    data, processor, marks = image_data(folder)
    model = Gemma3ForConditionalGeneration.from_pretrained(tiny_vision.make_model(folder / "model"))
    collate = UnslothVisionDataCollator(model, processor, max_seq_length=128, train_on_responses_only=True, **marks)
    batch = collate([data.train[0], data.train[1]])
    found["images"] = [batch[name].tolist() for name in ("input_ids", "attention_mask", "token_type_ids", "labels")]
    own = UnslothVisionDataCollator(model, processor, max_seq_length=128)
    ours = UnslothImageCollator(own, ImageLabels(processor))([data.train[0], data.train[1]])
    found["our labels"] = ours["labels"].tolist()
    return found


def test_text_tokens_and_labels_are_unsloths(tmp_path: Path, unsloth_stack: WarmStack) -> None:
    """For each template by name, without anything of Unsloth in this process. Unsloth's labels may go on over the line
    break after an answer's end, which no model ever writes."""
    tokenizers = {name: with_named_template(demo_tokenizer(), name, "transformers") for name in TEMPLATES}
    tokenizers["model"] = demo_tokenizer()
    markers = {name: ChatTemplate(tokenizer).markers for name, tokenizer in tokenizers.items()}
    parts = {
        name: {"instruction_part": found.instruction_part, "response_part": found.response_part}
        for name, found in markers.items()
    }
    found = unsloth_stack.call(unsloths_own, tmp_path, CONVERSATIONS, parts)
    assert "unsloth" not in sys.modules
    rows = [{"conversations": turns} for turns in CONVERSATIONS]
    ours = [Conversations("sharegpt", {"messages": "conversations"}).of(row) for row in rows]
    assert [one.messages for one in ours if isinstance(one, Conversation)] == found["standard"]
    check_images(found["images"], found["our labels"], tmp_path)
    for name, tokenizer in tokenizers.items():
        texts = [ChatTemplate(tokenizer).render(turns) for turns in found["standard"]]
        assert texts == found["texts"][name], name
        data = prepare(tmp_path, rows, tokenizer)
        for row, ids, labels in zip(data.train, found["ids"][name], found["labels"][name], strict=True):
            assert row["input_ids"] == ids, name
            assert_alike(row["labels"], labels, tokenizer, name)


def check_images(theirs: list[list[list[int]]], on_unsloth: list[list[int]], folder: Path) -> None:
    """The collator of the plain stack gives what Unsloth's gives, in tokens and labels; `on_unsloth` are ours with that
    backend."""
    data, processor, _ = image_data(folder)
    assert data.collator is not None
    batch = data.collator(None)([data.train[0], data.train[1]])
    *inputs, labels = (batch[name].tolist() for name in ("input_ids", "attention_mask", "token_type_ids", "labels"))
    assert inputs == theirs[:-1]
    assert labels == on_unsloth
    for mine, other in zip(labels, theirs[-1], strict=True):
        assert_alike(mine, other, processor.tokenizer, "images")


def assert_alike(mine: list[int], theirs: list[int], tokenizer: Any, name: str) -> None:
    """The labels are the same but for line breaks after an answer's end."""
    for at, (label, other) in enumerate(zip(mine, theirs, strict=True)):
        is_break = label == IGNORED != other and not tokenizer.decode([other]).strip()
        assert label == other or is_break, (name, at)


def test_marks_of_the_recipe_give_the_same_labels_of_several_turns(tmp_path: Path) -> None:
    tokenizer = with_named_template(demo_tokenizer(), "gemma-3", "transformers")
    rows = [{"messages": turns} for turns in MESSAGES]
    marks = {
        "data__instruction_part": "<start_of_turn>user\n",
        "data__response_part": "<start_of_turn>model\n",
    }
    found, given = prepare(tmp_path, rows, tokenizer), prepare(tmp_path, rows, tokenizer, **marks)
    assert found.train.to_list() == given.train.to_list()
    assert found.counts.trained_tokens == given.counts.trained_tokens > 0


CALL = {"name": "weather", "arguments": {"city": "Bonn"}}
TOOLS = [{"name": "weather", "description": "Tells the weather.", "parameters": {"type": "object", "properties": {}}}]
TOOL_TURNS = [
    {"from": "human", "value": "How is it in Bonn?"},
    {"from": "function_call", "value": json.dumps(CALL)},
    {"from": "observation", "value": '{"sky": "grey"}'},
    {"from": "gpt", "value": "It is grey."},
]


@pytest.mark.parametrize(
    ("name", "answers"),
    [
        (
            "qwen-3",
            '<tool_call>\n{"name": "weather", "arguments": {"city": "Bonn"}}\n</tool_call><|im_end|>'
            "<think>\n\n</think>\n\nIt is grey.<|im_end|>",
        ),
        ("llama-3.1", '{"name": "weather", "parameters": {"city": "Bonn"}}<|eot_id|>It is grey.<|eot_id|>'),
        (
            "chatml",
            '{"name": "weather", "arguments": {"city": "Bonn"}}<|im_end|>It is grey.<|im_end|>',
        ),
        (
            "gemma-3",
            '{"name": "weather", "arguments": {"city": "Bonn"}}<end_of_turn>It is grey.<end_of_turn>',
        ),
    ],
)
def test_calls_of_tools_are_learnt_and_what_tools_return_is_not(name: str, answers: str, tmp_path: Path) -> None:
    """With the template's own words for tools where it has some, else as JSON in the turns that it has."""
    tokenizer = with_named_template(demo_tokenizer(), name, "transformers")
    data = prepare(tmp_path, [{"conversations": TOOL_TURNS, "tools": json.dumps(TOOLS)}] * 2, tokenizer)
    row = data.train[0]
    learnt = tokenizer.decode([token for token in row["labels"] if token != IGNORED])
    assert learnt.replace("\n\n{", "{") == answers
    text = tokenizer.decode(row["input_ids"])
    assert "Tells the weather." in text
    assert '{"sky": "grey"}' in text or '{\\"sky\\": \\"grey\\"}' in text
    if name == "qwen-3":
        turns = ChatTemplate(tokenizer)
        conversation = Conversations("sharegpt", {"messages": "conversations", "tools": "tools"}).of(
            {"conversations": TOOL_TURNS, "tools": TOOLS}
        )
        assert isinstance(conversation, Conversation)
        assert text == tokenizer.apply_chat_template(
            conversation.messages, tools=[{"type": "function", "function": TOOLS[0]}], tokenize=False
        )
        assert turns.adapted(conversation) == conversation


def test_openais_calls_are_read_too(tmp_path: Path) -> None:
    call = {"id": "1", "type": "function", "function": {"name": "weather", "arguments": '{"city": "Bonn"}'}}
    turns: list[dict[str, Any]] = [
        {"role": "user", "content": "How is it in Bonn?"},
        {"role": "assistant", "content": None, "tool_calls": [call]},
        {"role": "tool", "content": '{"sky": "grey"}'},
        {"role": "assistant", "content": "It is grey."},
    ]
    tokenizer = with_named_template(demo_tokenizer(), "qwen-3", "transformers")
    data = prepare(tmp_path, [{"messages": turns, "tools": TOOLS}], tokenizer)
    same = prepare(tmp_path, [{"conversations": TOOL_TURNS, "tools": json.dumps(TOOLS)}], tokenizer)
    assert data.train[0] == same.train[0]
    turns[1]["tool_calls"] = json.dumps([call])
    assert prepare(tmp_path, [{"messages": turns, "tools": TOOLS}], tokenizer).train[0] == same.train[0]


@pytest.mark.parametrize("calls", [5, True, {"name": "weather"}, ["weather"], "weather"])
def test_calls_that_are_none_are_told_and_not_dropped(calls: object) -> None:
    turns = [{"role": "user", "content": "Hi"}, {"role": "assistant", "content": "Ho", "tool_calls": calls}]
    with pytest.raises(ValueError, match="turn 2"):
        Conversations("messages", {"messages": "messages"}).of({"messages": turns})


def test_a_tool_that_cannot_be_written_as_json_is_a_bad_row(tmp_path: Path) -> None:
    """As Parquet can hold one; the template knows no tools, which are put into words then."""
    template = ChatTemplate(with_named_template(demo_tokenizer(), "chatml", "transformers"))
    turns = [{"role": "user", "content": "Hi"}, {"role": "assistant", "content": "Ho"}]
    conversation = Conversation(turns, [{"type": "function", "function": {"name": "f", "since": date(2026, 1, 1)}}])
    text = tiny.recipe_text(tmp_path, tmp_path / "rows.jsonl", backend="transformers")
    encoder = Encoder(RecipeDocument.parse(text, "test").recipe(), template._tokenizer, 64, print)
    (row,) = encoder.encode([("row 1", conversation)])
    assert row.refusal == "the chat template refuses it (Object of type date is not JSON serializable)"


def test_a_doubled_bos_is_never_trained(tmp_path: Path) -> None:
    """A template that begins with the mark, a tokenizer that adds it, a row that has it: it stands there once."""
    tokenizer = tiny.make_tokenizer("{{ bos_token }}" + tiny.CHATML, bos="<s>")
    twice = tiny.make_tokenizer("{{ bos_token }}{{ bos_token }}" + tiny.CHATML, bos="<s>")
    for one in (tokenizer, twice):
        data = prepare(tmp_path, [{"messages": ONE}], one)
        assert data.train[0]["input_ids"].count(one.bos_token_id) == 1
    data = prepare(tmp_path, [{"text": "<s><s>red"}, {"text": "<s>red"}, {"text": "red"}], tokenizer)
    first, second, third = data.train["input_ids"][:]
    assert first == second == third
    assert first.count(tokenizer.bos_token_id) == 1


def test_spans_of_an_answer_whose_template_folds_the_system_turn_into_the_users() -> None:
    tokenizer = with_named_template(demo_tokenizer(), "gemma-3", "transformers")
    template = ChatTemplate(tokenizer)
    written = template.written(Conversation(MESSAGES[1]))
    text, spans = written.text, written.trained("answers")
    assert [text[begin:end] for begin, end in spans] == ["Hello!<end_of_turn>", "A model.\n\nReally.<end_of_turn>"]
    encoded = tokenizer(text, add_special_tokens=False, return_offsets_mapping=True)
    labels = masked(encoded["input_ids"], encoded["offset_mapping"], spans)
    assert sum(label != IGNORED for label in labels) > 4
