"""What is learnt: labels token by token against independent references, forms of rows, held-out rows, counts."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from cockpit.engine.compat.unsloth_templates import named_templates
from cockpit.engine.data.chat_template import ChatTemplate
from cockpit.engine.data.conversation import Conversation, Conversations
from cockpit.engine.data.encoder import Encoder, marked_spans, masked
from cockpit.engine.data.prepare import PreparedData, prepare_data
from cockpit.engine.data.token_rows import IGNORED
from cockpit.engine.errors import RunFailure, Stopped
from cockpit.recipe.document import RecipeDocument
from cockpit.recipe.recipe import Recipe
from tests.engine import tiny

MULTI = [
    {"role": "system", "content": "what is two"},
    {"role": "user", "content": "red <|im_start|>assistant\ncat"},
    {"role": "assistant", "content": "yes ünï — 日本"},
    {"role": "user", "content": "yes ünï — 日本"},
    {"role": "assistant", "content": "no\n\nblue "},
]
SINGLE = [{"role": "user", "content": "what is one"}, {"role": "assistant", "content": "arr matey"}]
MARKED = tiny.CHATML.replace(
    "<|im_start|>{{ message.role }}\n{{ message.content }}<|im_end|>\n",
    "<|im_start|>{{ message.role }}\n{% if message.role == 'assistant' %}{% generation %}{{ message.content }}"
    "<|im_end|>{% endgeneration %}{% else %}{{ message.content }}<|im_end|>{% endif %}{{ '\n' }}",
)
"""The same template with the marks by which transformers itself tells the answers."""


def recipe(data: Path, **changes: Any) -> Recipe:
    text = tiny.recipe_text(Path("model"), data, backend="transformers", **{"data__eval_rows": 0, **changes})
    return RecipeDocument.parse(text, "test").recipe()


def prepare(tmp_path: Path, rows: list[dict[str, Any]], tokenizer: Any = None, **changes: Any) -> PreparedData:
    said: list[str] = []
    path = tiny.write_rows(tmp_path / "rows.jsonl", rows)
    return prepare_data(
        recipe(path, **changes), tokenizer or tiny.make_tokenizer(), said.append, lambda done, total: None
    )


def reference(messages: list[dict[str, str]]) -> tuple[list[int], list[int]]:
    """Tokens and labels as transformers' own masks of the marked template have them."""
    tokenizer = tiny.make_tokenizer(MARKED)
    found = tokenizer.apply_chat_template(messages, return_dict=True, return_assistant_tokens_mask=True, tokenize=True)
    ids = list(found["input_ids"])
    return ids, [token if kept else IGNORED for token, kept in zip(ids, found["assistant_masks"], strict=True)]


@pytest.mark.parametrize(
    ("row", "messages"),
    [
        ({"messages": SINGLE}, SINGLE),
        ({"messages": MULTI}, MULTI),
        ({"conversations": SINGLE}, SINGLE),
        ({"messages": [*SINGLE, {"role": "user", "content": "and then"}]}, SINGLE),
        ({"messages": [{**SINGLE[0], "content": [{"type": "text", "text": "what is one"}]}, SINGLE[1]]}, SINGLE),
        ({"instruction": "what is one", "input": "", "output": "arr matey"}, SINGLE),
        ({"instruction": "what is", "input": "one", "output": "yes"}, tiny.pair("what is\n\none", "yes")),
        ({"prompt": "what is one", "completion": "arr matey"}, SINGLE),
        ({"question": "what is one", "answer": "arr matey"}, SINGLE),
    ],
)
def test_labels_are_those_of_transformers_own_masks(
    tmp_path: Path, row: dict[str, Any], messages: list[dict[str, str]]
) -> None:
    data = prepare(tmp_path, [row] * 2)
    ids, labels = reference(messages)
    assert data.train[0] == {"input_ids": ids, "labels": labels}
    assert data.counts.tokens == 2 * len(ids)
    assert data.counts.trained_tokens == 2 * sum(label != IGNORED for label in labels)


def test_the_whole_text_is_learnt_where_that_is_asked_for(tmp_path: Path) -> None:
    data = prepare(tmp_path, [{"messages": MULTI}], data__train_on="all")
    ids, _ = reference(MULTI)
    assert data.train[0] == {"input_ids": ids, "labels": ids}
    assert data.counts.trained_tokens == len(ids) - 1


@pytest.mark.parametrize("bos", [None, "<s>"])
def test_plain_texts_are_learnt_whole_between_the_models_marks(tmp_path: Path, bos: str | None) -> None:
    tokenizer = tiny.make_tokenizer(bos=bos)
    data = prepare(tmp_path, [{"text": "red cat"}, {"text": f"{bos or ''}blue dog<|im_end|>"}], tokenizer)
    begin = [tokenizer.bos_token_id] if bos else []
    first, second = data.train["input_ids"][:]
    assert first == [*begin, *tokenizer("red cat", add_special_tokens=False)["input_ids"], tokenizer.eos_token_id]
    assert second == [*begin, *tokenizer("blue dog", add_special_tokens=False)["input_ids"], tokenizer.eos_token_id]
    assert data.train["labels"][0][len(begin) :] == first[len(begin) :]


def test_a_template_that_begins_with_bos_is_not_given_another(tmp_path: Path) -> None:
    tokenizer = tiny.make_tokenizer("<s>" + tiny.CHATML, bos="<s>")
    data = prepare(tmp_path, [{"messages": SINGLE}], tokenizer)
    assert data.train[0]["input_ids"].count(tokenizer.bos_token_id) == 1


def test_marks_of_the_recipe_tell_the_answers_of_plain_texts(tmp_path: Path) -> None:
    marks = {"data__instruction_part": "<human>: ", "data__response_part": "<bot>: "}
    text = "<human>: red\n<bot>: cat\n<human>: blue\n<bot>: dog"
    data = prepare(tmp_path, [{"text": text}], **marks)
    tokenizer = tiny.make_tokenizer()
    learnt = [token for token in data.train[0]["labels"] if token != IGNORED]
    assert tokenizer.decode(learnt) == " cat\n dog<|im_end|>"


def test_spans() -> None:
    assert marked_spans("Q a A b Q c A d", "Q ", "A ") == [(5, 8), (13, 15)]
    assert marked_spans("nothing", "Q", "A") == []
    assert marked_spans("A x A y", "", "A ") == [(1, 7)]
    assert masked([1, 2, 3, 4], [(0, 2), (2, 4), (4, 6), (6, 8)], [(2, 4), (5, 8)]) == [-100, 2, -100, 4]


def test_no_loss_is_taken_on_a_turn_that_is_untrained() -> None:
    """With a template that knows no tools too, before whose turns a system turn is added."""
    turns = [*tiny.pair("what", "cat"), *tiny.pair("and", "dog")]
    tokenizer = tiny.make_tokenizer()
    tool = {"type": "function", "function": {"name": "f"}}
    encoder = Encoder(recipe(Path("rows.jsonl")), tokenizer, 200, print)
    conversations = [Conversation(turns, tools, untrained=frozenset([1])) for tools in ([], [tool])]
    for row in encoder.encode([("row", one) for one in conversations]):
        assert tokenizer.decode([label for label in row.labels if label != IGNORED]) == "dog<|im_end|>"


def test_the_last_answer_alone_is_learnt_where_that_is_asked_for(tmp_path: Path) -> None:
    """Not even that where the row says that no loss is taken on it: then the row is left out."""
    silent = [*MULTI[:-1], {**MULTI[-1], "weight": 0}]
    data = prepare(tmp_path, [{"messages": MULTI}, {"messages": silent}], data__train_on="last_answer")
    (labels,) = data.train["labels"][:]
    learnt = tiny.make_tokenizer().decode([label for label in labels if label != IGNORED])
    assert learnt == "no\n\nblue <|im_end|>"
    assert data.counts.skipped_rows == 1


def test_a_turn_without_loss_is_not_learnt_in_a_whole_text_either(tmp_path: Path) -> None:
    silent = [*tiny.pair("what", "cat"), *tiny.pair("and", "dog")]
    silent[1] = {**silent[1], "train": False}  # type: ignore[dict-item]
    data = prepare(tmp_path, [{"messages": silent}], data__train_on="all")
    labels = data.train["labels"][0]
    assert tiny.make_tokenizer().decode([label for label in labels if label != IGNORED]) == (
        "<|im_start|>user\nwhat<|im_end|>\n<|im_start|>assistant\n\n<|im_start|>user\nand<|im_end|>\n"
        "<|im_start|>assistant\ndog<|im_end|>\n"
    )


def test_rows_are_cut_and_those_without_an_answer_left_are_left_out(tmp_path: Path) -> None:
    long = tiny.pair("what " * 20, "arr")
    data = prepare(
        tmp_path,
        [{"messages": SINGLE}, {"messages": tiny.pair("hi", "cat " * 50)}, {"messages": long}],
        training__max_length=32,
    )
    assert (data.counts.train_rows, data.counts.truncated_rows, data.counts.skipped_rows) == (2, 1, 1)
    assert len(data.train[1]["input_ids"]) == 32


@pytest.mark.parametrize(
    ("row", "why"),
    [
        ({"messages": [{"role": "user"}]}, "turn 1 has no text as its content"),
        ({"messages": [{"role": "boss", "content": "x"}]}, "turn 1 has the role 'boss'; known are system, user"),
        ({"messages": ["x"]}, "turn 1 has no role and content"),
        ({"messages": None}, "messages is no list of turns"),
        ({"messages": []}, "messages has no turns"),
        ({"messages": tiny.pair("q", " ")}, "the answer is empty"),
        ({"messages": [{"role": "user", "content": [{"type": "audio"}]}]}, "turn 1 has a part of the type audio"),
        ({"messages": [SINGLE[1]]}, "turn 1 is an answer, and nobody has asked before it"),
        ({"messages": [SINGLE[0], {"role": "system", "content": "x"}, SINGLE[1]]}, "turn 2 is a system turn"),
        ({"messages": [{"role": "tool", "content": "x"}, SINGLE[1]]}, "turn 1 is what a tool returned"),
        ({"other": 1}, "messages is no list of turns"),
        ({"messages": tiny.pair("q", "arr \ud83d")}, "its text holds half a character (\\ud83d), as a cut emoji"),
    ],
)
def test_bad_rows_are_said_counted_or_end_the_run(tmp_path: Path, row: dict[str, Any], why: str) -> None:
    said: list[str] = []
    others = [{"messages": turns} for turns in (SINGLE, tiny.pair("red", "cat"), MULTI)]
    path = tiny.write_rows(tmp_path / "rows.jsonl", [others[0], row, *others[1:]])
    tokenizer = tiny.make_tokenizer()
    data = prepare_data(recipe(path), tokenizer, said.append, lambda done, total: None)
    assert (data.counts.train_rows, data.counts.skipped_rows) == (3, 1)
    assert said == [f"Row left out: rows.jsonl:2: {why}" + said[0].split(why)[1]]
    with pytest.raises(RunFailure, match=r"rows\.jsonl:2"):
        prepare_data(recipe(path, data__on_bad_row="fail"), tokenizer, said.append, lambda done, total: None)


def test_a_plain_text_with_half_a_character_is_a_bad_row(tmp_path: Path) -> None:
    data = prepare(tmp_path, [{"text": "cat"}, {"text": "\ude00 dog"}, {"text": "whole \U0001f600"}])
    assert (data.counts.train_rows, data.counts.skipped_rows) == (2, 1)


def test_a_line_that_is_no_json_is_a_bad_row(tmp_path: Path) -> None:
    said: list[str] = []
    path = tiny.write_rows(tmp_path / "rows.jsonl", [{"messages": SINGLE}] * 3)
    path.write_text(path.read_text() + '{"messages": \n', encoding="utf-8")
    data = prepare_data(recipe(path), tiny.make_tokenizer(), said.append, lambda done, total: None)
    assert (data.counts.train_rows, data.counts.skipped_rows) == (3, 1)
    assert said[0].startswith("Row left out: rows.jsonl:4: ")


def test_many_bad_rows_are_counted_not_listed(tmp_path: Path) -> None:
    said: list[str] = []
    path = tiny.write_rows(tmp_path / "rows.jsonl", [*tiny.chat_rows(60), *[{"messages": []}] * 40])
    prepare_data(recipe(path), tiny.make_tokenizer(), said.append, lambda done, total: None)
    assert len(said) == 6
    assert said[-1] == "40 rows were left out in all."


def test_a_template_that_refuses_a_row_leaves_it_out(tmp_path: Path) -> None:
    strict = "{% if messages[0].role == 'system' %}{{ raise_exception('No system here') }}{% endif %}" + tiny.CHATML
    said: list[str] = []
    path = tiny.write_rows(tmp_path / "rows.jsonl", [{"messages": SINGLE}, {"messages": MULTI}])
    data = prepare_data(recipe(path), tiny.make_tokenizer(strict), said.append, lambda done, total: None)
    assert data.counts.skipped_rows == 1
    assert said == ["Row left out: rows.jsonl:2: the chat template refuses it (No system here)."]


@pytest.mark.parametrize(
    ("template", "rows", "reason"),
    [
        (None, [{"messages": SINGLE}], "has no chat template"),
        ("{{ oops", [{"messages": SINGLE}], "cannot render a conversation"),
        (tiny.CHATML, [{"text": "x"}], "No row of the data"),
    ],
)
def test_data_that_cannot_be_learnt_ends_the_run(
    tmp_path: Path, template: str | None, rows: list[dict[str, Any]], reason: str
) -> None:
    with pytest.raises(RunFailure) as failure:
        prepare(tmp_path, rows, tiny.make_tokenizer(template), data__response_part="<never>")
    assert reason in str(failure.value)


def test_held_out_rows_are_the_seeds_choice_and_never_trained(tmp_path: Path) -> None:
    rows = [{"prompt": "what is", "completion": f"n {n}"} for n in range(20)]
    data = prepare(tmp_path, rows, data__eval_rows=4, data__seed=7)
    held, trained = data.held_out["input_ids"][:], data.train["input_ids"][:]
    assert (len(held), len(trained)) == (4, 16)
    assert not {tuple(row) for row in held} & {tuple(row) for row in trained}
    again = prepare(tmp_path, rows, data__eval_rows=4, data__seed=7)
    other = prepare(tmp_path, rows, data__eval_rows=4, data__seed=8)
    assert again.held_out["input_ids"][:] == held != other.held_out["input_ids"][:]
    share = prepare(tmp_path, rows, data__eval_rows=0, data__eval_share=0.1)
    assert (share.counts.train_rows, share.counts.eval_rows) == (18, 2)


def test_sources_are_mixed_by_ratio_and_max_rows_cuts_each(tmp_path: Path) -> None:
    first = tiny.write_rows(tmp_path / "a.jsonl", tiny.chat_rows(9))
    second = tmp_path / "b.json"
    pairs = [{"instruction": f"what {number}", "output": "cat"} for number in range(5)]
    second.write_text(json.dumps(pairs), encoding="utf-8")
    sources = [{"name_or_path": str(first), "max_rows": 8}, {"name_or_path": str(second), "ratio": 0.25}]
    told: list[tuple[int, int | None]] = []
    both = recipe(first, data__sources=sources)
    heard: list[str] = []
    data = prepare_data(both, tiny.make_tokenizer(), heard.append, lambda done, total: told.append((done, total)))
    assert data.counts.train_rows == 10
    assert told[-1] == (10, 10)
    assert heard == ["Of b.json, 2 of 5 rows are drawn."]


def test_progress_can_end_the_work(tmp_path: Path) -> None:
    path = tiny.write_rows(tmp_path / "rows.jsonl", [{"messages": SINGLE}] * 5)

    def stop(done: int, total: int | None) -> None:
        raise Stopped

    with pytest.raises(Stopped):
        prepare_data(recipe(path), tiny.make_tokenizer(), lambda text: None, stop)


def test_a_templates_marks_are_found() -> None:
    markers = ChatTemplate(tiny.make_tokenizer()).markers
    assert markers.instruction_part == "<|im_start|>user\n"
    assert markers.response_part == "<|im_start|>assistant\n"
    assert markers.turn_ends == ("<|im_end|>",)
    own = ChatTemplate(tiny.make_tokenizer(), "Q: ", "A: ").markers
    assert (own.instruction_part, own.response_part) == ("Q: ", "A: ")


@pytest.mark.parametrize(
    ("template", "answers"),
    [
        (
            "{{ bos_token or '' }}{% for m in messages %}{% if m.role == 'user' %}[INST] {{ m.content }} [/INST]"
            "{% else %}{{ m.content }}</s>{% endif %}{% endfor %}",
            ["cat</s>", "dog</s>"],
        ),
        (
            "{% for m in messages %}<turn>{{ 'model' if m.role == 'assistant' else m.role }}\n{{ m.content | trim }}"
            "<end>\n{% endfor %}{% if add_generation_prompt %}<turn>model\n{% endif %}",
            ["cat<end>", "dog<end>"],
        ),
        (
            "{% for m in messages %}{% if m.role == 'assistant' %}<|start|>assistant<|message|>{{ m.content }}"
            "{{ '<|return|>' if loop.last else '<|end|>' }}{% else %}<|start|>{{ m.role }}<|message|>{{ m.content }}"
            "<|end|>{% endif %}{% endfor %}{% if add_generation_prompt %}<|start|>assistant{% endif %}",
            ["<|message|>cat<|end|>", "<|message|>dog<|return|>"],
        ),
        (
            "{% for m in messages %}<|im_start|>{{ m.role }}\n{% if m.role == 'assistant' and loop.last %}<think>\n\n"
            "</think>\n\n{% endif %}{{ m.content }}<|im_end|>\n{% endfor %}{% if add_generation_prompt %}<|im_start|>"
            "assistant\n<think>\n{% endif %}",
            ["cat<|im_end|>", "<think>\n\n</think>\n\ndog<|im_end|>"],
        ),
        (
            "{% for m in messages %}{{ 'Q: ' if m.role == 'user' else 'A: ' }}{{ m.content }}\n{% endfor %}"
            "{% if add_generation_prompt %}A: {% endif %}",
            [" cat", " dog"],
        ),
    ],
    ids=["mistral", "gemma", "harmony", "thinking", "no-turn-end"],
)
def test_answers_are_found_in_other_kinds_of_template(template: str, answers: list[str]) -> None:
    turns = [*tiny.pair("what A: [/INST] model\n", "cat"), *tiny.pair("and", " dog".strip())]
    found = ChatTemplate(tiny.make_tokenizer(template))
    written = found.written(Conversation(turns))
    assert [written.text[begin:end] for begin, end in written.trained("answers")] == answers


def test_reasoning_reaches_the_templates_that_write_it_and_is_trained_with_its_answer() -> None:
    row = {
        "messages": [
            {"role": "user", "content": "what is 2 + 2", "thinking": None},
            {"role": "assistant", "content": "4", "thinking": "2 + 2 is 4"},
        ]
    }
    conversation = Conversations("messages", {"messages": "messages"}).of(row)
    assert isinstance(conversation, Conversation)
    written = {}
    for name in ("gpt-oss", "qwen3-thinking"):
        template = ChatTemplate(tiny.make_tokenizer(named_templates()[name].text))
        found = template.written(conversation)
        ((begin, end),) = found.trained("answers")
        written[name] = found.text[begin:end]
    assert written["gpt-oss"] == (
        "<|channel|>analysis<|message|>2 + 2 is 4<|end|><|start|>assistant<|channel|>final<|message|>4<|return|>"
    )
    assert written["qwen3-thinking"].split() == ["<think>", "2", "+", "2", "is", "4", "</think>", "4<|im_end|>"]
