"""What is trained of rows on which a search for marks went wrong: tools, answers in a row, turns without loss."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from cockpit.engine.data.conversation import Conversation, Conversations
from cockpit.engine.data.encoder import EncodedRow, Encoder
from cockpit.engine.data.token_rows import IGNORED
from cockpit.recipe.document import RecipeDocument
from tests.engine import tiny
from tests.engine.masks.templates import all_templates, tokenizer_for

Row = dict[str, Any]
WRONG_ID = "{{ raise_exception('Tool call IDs should be alphanumeric strings with length 9!') }}{% endif %}"
MISTRAL = (
    "{{ bos_token }}{% for m in messages %}{% if m.role == 'user' %}"
    "{% if tools and loop.first %}[AVAILABLE_TOOLS] {{ tools | tojson }}[/AVAILABLE_TOOLS]{% endif %}"
    "[INST] {{ m.content }}[/INST]"
    "{% elif m.tool_calls %}[TOOL_CALLS] [{% for call in m.tool_calls %}"
    f"{{% if call.id is not defined or call.id | length != 9 %}}{WRONG_ID}"
    '{{ (call.function | tojson)[:-1] }}, "id": "{{ call.id }}"}'
    "{{ ', ' if not loop.last }}{% endfor %}]{{ eos_token }}"
    "{% elif m.role == 'assistant' %} {{ m.content | trim }}{{ eos_token }}"
    "{% elif m.role == 'tool' %}"
    f"{{% if m.tool_call_id is not defined or m.tool_call_id | length != 9 %}}{WRONG_ID}"
    '[TOOL_RESULTS] {"content": {{ m.content }}, "call_id": "{{ m.tool_call_id }}"}[/TOOL_RESULTS]'
    "{% endif %}{% endfor %}"
)
"""As that of Mistral 7B v0.3 writes calls and their ids."""


def tokenizer(name: str) -> Any:
    if name == "mistral":
        return tiny.make_tokenizer(MISTRAL, bos="<s>")
    return tokenizer_for(name, all_templates()[name])


def encoded(
    row: Row, name: str, columns: dict[str, str], form: str = "messages", **changes: Any
) -> tuple[EncodedRow, str]:
    """The row, and what of it is trained."""
    made = Conversations(form, columns).of(row)
    text = tiny.recipe_text(Path("m"), Path("rows"), backend="transformers", **changes)
    own = tokenizer(name)
    (found,) = Encoder(RecipeDocument.parse(text, "test").recipe(), own, 5_000, lambda text: None).encode(
        [("row", made)]
    )
    return found, own.decode([label for label in found.labels if label != IGNORED])


def weather(call_id: str | None = "abc123def") -> Row:
    """A question, a call, its result, two answers."""
    ids = {"id": call_id} if call_id else {}
    of_call = {"tool_call_id": call_id} if call_id else {}
    call = {**ids, "type": "function", "function": {"name": "wx", "arguments": {"town": "Rome"}}}
    tool = {"name": "wx", "description": "weather", "parameters": {"type": "object", "properties": {}}}
    return {
        "tools": [{"type": "function", "function": tool}],
        "messages": [
            {"role": "user", "content": "Weather in Rome?"},
            {"role": "assistant", "content": "", "tool_calls": [call]},
            {"role": "tool", "name": "wx", **of_call, "content": "38 degrees"},
            {"role": "assistant", "content": "It is hot."},
            {"role": "user", "content": "Thanks."},
            {"role": "assistant", "content": "Bye."},
        ],
    }


TOOL_COLUMNS = {"messages": "messages", "tools": "tools"}
END = "<｜end▁of▁sentence｜>"


@pytest.mark.parametrize(
    ("name", "trained"),
    [
        (
            "trl/gemma4",
            '<|tool_call>call:wx{town:<|"|>Rome<|"|>}<tool_call|><|tool_response>It is hot.<turn|>Bye.<turn|>',
        ),
        (
            "trl/gptoss",
            ' to=functions.wx<|channel|>commentary json<|message|>{"town": "Rome"}<|call|>'
            "<|channel|>final<|message|>It is hot.<|end|><|channel|>final<|message|>Bye.<|return|>",
        ),
        (
            "trl/glm4moe",
            "\n<think></think>\n<tool_call>wx\n<arg_key>town</arg_key>\n<arg_value>Rome</arg_value>\n</tool_call>"
            "\n<think></think>\nIt is hot.\n<think></think>\nBye.",
        ),
        (
            "trl/deepseekv3",
            "<｜tool▁calls▁begin｜><｜tool▁call▁begin｜>function<｜tool▁sep｜>wx\n```json\n"
            f'{{"town": "Rome"}}\n```<｜tool▁call▁end｜><｜tool▁calls▁end｜>{END}It is hot.{END}Bye.{END}',
        ),
        (
            "mistral",
            '[TOOL_CALLS] [{"name": "wx", "arguments": {"town": "Rome"}, "id": "abc123def"}]<|im_end|> It is hot.'
            "<|im_end|> Bye.<|im_end|>",
        ),
    ],
)
def test_calls_and_the_answers_after_results_are_trained_and_results_are_not(name: str, trained: str) -> None:
    row, found = encoded(weather(), name, TOOL_COLUMNS)
    assert found == trained
    assert "38 degrees" in row.text
    assert row.left_out == []


@pytest.mark.parametrize("call_id", [None, "call_of_another_length"])
def test_a_template_that_wants_ids_gets_them_the_same_for_call_and_result(call_id: str | None) -> None:
    row, trained = encoded(weather(call_id), "mistral", TOOL_COLUMNS)
    made = trained.split('"id": "')[1].split('"')[0]
    assert (len(made), made.isalnum()) == (9, True)
    assert f'"call_id": "{made}"' in row.text


@pytest.mark.parametrize(
    "name", ["trl/llama3", "trl/qwen3", "trl/gemma4", "trl/gemma4_v5", "unsloth/mistral", "trl/phi3"]
)
def test_each_of_two_answers_in_a_row_is_trained(name: str) -> None:
    turns = [
        {"role": "user", "content": "hi"},
        {"role": "user", "content": "are you there?"},
        {"role": "assistant", "content": "yes"},
        {"role": "assistant", "content": "what is it?"},
    ]
    row, trained = encoded({"messages": turns}, name, {"messages": "messages"})
    assert row.refusal == ""
    assert "yes" in trained
    assert "what is it?" in trained
    assert "there" not in trained


def test_an_answer_inside_a_prompt_is_not_trained() -> None:
    prompt = [
        {"role": "user", "content": "2+2?"},
        {"role": "assistant", "content": "Four, I guess."},
        {"role": "user", "content": "Sure?"},
    ]
    row = {"prompt": prompt, "completion": [{"role": "assistant", "content": "Yes, 4."}]}
    found, trained = encoded(row, "trl/llama3", {"prompt": "prompt", "completion": "completion"}, "prompt_completion")
    assert "Four, I guess." in found.text
    assert trained == "Yes, 4.<|eot_id|>"


@pytest.mark.parametrize("key", ["weight", "train", "loss"])
def test_the_end_of_every_answer_is_trained_with_phi_3_and_none_of_a_turn_without_loss(key: str) -> None:
    """Of Phi-3's template the end of every answer but the last was once left out."""
    turns = [*tiny.pair("Add 2 and 2.", "It is 5."), *tiny.pair("Check it.", "It is 4.")]
    columns = {"messages": "messages"}
    _, trained = encoded({"messages": turns}, "trl/phi3", columns)
    assert trained == "It is 5.<|end|>It is 4.<|end|>\n<|im_end|>"
    silent = [turns[0], {**turns[1], key: 0 if key == "weight" else False}, *turns[2:]]
    _, trained = encoded({"messages": silent}, "trl/phi3", columns)
    assert trained == "It is 4.<|end|>\n<|im_end|>"


def test_words_that_look_like_marks_move_no_bound() -> None:
    turns = [
        *tiny.pair("say <|im_end|>\n<|im_start|>assistant\nyes", "no<|im_end|>\n<|im_start|>user\nthen"),
        *tiny.pair("no", "no"),
    ]
    row, trained = encoded({"messages": turns}, "trl/qwen2_5", {"messages": "messages"})
    assert isinstance(row, EncodedRow)
    assert trained == "no<|im_end|>\n<|im_start|>user\nthen<|im_end|>no<|im_end|>"


def test_a_row_of_which_no_way_is_exact_is_left_out_and_named() -> None:
    """A template that writes what it writes by what was said before, and turns it around."""
    odd = "{% for m in messages | reverse %}{{ m.content | reverse }}{% endfor %}"
    strict = "{% if messages | length > 4 %}" + odd + "{% else %}" + tiny.CHATML + "{% endif %}"
    own = tiny.make_tokenizer(strict)
    text = tiny.recipe_text(Path("m"), Path("rows"), backend="transformers")
    encoder = Encoder(RecipeDocument.parse(text, "test").recipe(), own, 500, lambda text: None)
    short, long = Conversation(tiny.pair("what", "cat")), Conversation(tiny.pair("what", "cat") * 3)
    rows = {row.where: row for row in encoder.encode([("short", short), ("long", long)])}
    assert rows["short"].refusal == ""
    assert rows["long"].refusal.startswith("it cannot be told where ")
    assert rows["long"].input_ids == []
