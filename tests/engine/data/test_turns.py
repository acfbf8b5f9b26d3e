"""Rows -> turns: what a row holds is in its turns, or counted as not used, or the row is refused with the reason."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from cockpit.data.files import recognise, rows_of
from cockpit.engine.data.conversation import Conversation, Conversations
from cockpit.recipe.data import Columns

Row = dict[str, Any]


def user(content: Any, **more: Any) -> Row:
    return {"role": "user", "content": content, **more}


def answer(content: Any, **more: Any) -> Row:
    return {"role": "assistant", "content": content, **more}


def thought(words: str, content: str = "a", **more: Any) -> Row:
    """An answer with its reasoning, as templates read it."""
    return {"role": "assistant", "content": content, "reasoning_content": words, "thinking": words, **more}


def call(name: str = "f", arguments: Any = None, **ids: str) -> Row:
    return {**ids, "type": "function", "function": {"name": name, "arguments": arguments or {}}}


def turned(rows: list[Row], folder: Path, **roles: str) -> tuple[list[Conversation | str], dict[str, int]]:
    """What a file of these rows is turned into, and how many rows have what is not used."""
    path = folder / "rows.jsonl"
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return turned_file(path, **roles)


def turned_file(path: Path, **roles: str) -> tuple[list[Conversation | str], dict[str, int]]:
    form = recognise(path, Columns(), "auto")
    made = Conversations(form.form, form.columns, named=form.named, roles=roles)
    turned = [made.of(row) for _, row in rows_of(path)]
    return turned, {one.words: one.rows for one in made.not_used.found("")}


QA = [user("q"), answer("a")]
FORMS: dict[str, tuple[Row, list[Row], dict[str, int]]] = {
    "history": (
        {"instruction": "q", "input": "", "output": "a", "history": [["q1", "a1"], ["q2", "a2"]]},
        [user("q1"), answer("a1"), user("q2"), answer("a2"), *QA], {},
    ),
    "history as JSON text": (
        {"instruction": "q", "output": "a", "history": '[["q1", "a1"]]'}, [user("q1"), answer("a1"), *QA], {},
    ),
    "history of turns": ({"instruction": "q", "output": "a", "history": QA}, [*QA, *QA], {}),
    "history that is empty": ({"instruction": "q", "output": "a", "history": []}, QA, {}),
    "context": ({"question": "q", "context": "c", "answer": "a"}, [user("q\n\nc"), answer("a")], {}),
    "instruction, input, answer": (
        {"instruction": "q", "input": "i", "answer": "a"}, [user("q\n\ni"), answer("a")], {},
    ),
    "solution beside the bare answer": (
        {"problem": "q", "solution": "a since b", "answer": "b"}, [user("q"), answer("a since b")], {"answer": 3},
    ),
    "reasoning": ({"question": "q", "reasoning": "r", "answer": "a"}, [user("q"), thought("r")], {}),
    "reasoning under another name": (
        {"Question": "q", "Complex_CoT": "r", "Response": "a", "id": 7}, [user("q"), thought("r")], {"id": 3},
    ),
    "reasoning that the answer has already": (
        {"prompt": "q", "thinking": "r", "completion": "<think>r</think>a"},
        [user("q"), answer("<think>r</think>a")], {"thinking": 3},
    ),
    "reasoning that is no text": ({"prompt": "q", "thinking": True, "completion": "a"}, QA, {"thinking": 3}),
    "an input that is a number": ({"instruction": "q", "input": 5, "output": "a"}, [user("q\n\n5"), answer("a")], {}),
    "an input of nought": ({"instruction": "q", "input": 0, "output": "a"}, [user("q\n\n0"), answer("a")], {}),
    "an input without an instruction": ({"instruction": "", "input": "q", "output": "a"}, QA, {}),
    "a question beside its instruction": (
        {"instruction": "i", "question": "q", "answer": "a"}, [user("i\n\nq"), answer("a")], {},
    ),
    "tools of the system turn": (
        {"messages": [{"role": "system", "content": None, "tools": '[{"name": "f"}]'}, *QA]}, QA, {},
    ),
    "an input that is an object": (
        {"instruction": "q", "input": {"ä": [1, None]}, "output": "a"},
        [user('q\n\n{"ä": [1, null]}'), answer("a")], {},
    ),
    "questions and answers by their roles": (
        {"system": "s", "user": "q", "assistant": "a"}, [{"role": "system", "content": "s"}, *QA], {},
    ),
    "tools beside prompt and completion": (
        {"prompt": "q", "completion": "a", "tools": "[]", "score": 3}, QA, {"score": 3},
    ),
    "turns as JSON text": ({"messages": json.dumps(QA), "id": 1}, QA, {"id": 3}),
    "pairs": (
        {"conversation": [{"human": "q", "assistant": "a"}, {"human": "q2", "assistant": "a2", "score": 1}]},
        [*QA, user("q2"), answer("a2")], {"score of turns": 3},
    ),
    "pairs with the system's words": (
        {"conversation": [{"system": "s", "input": "q", "output": "a"}, {"input": "q2", "output": "a2"}]},
        [{"role": "system", "content": "s"}, *QA, user("q2"), answer("a2")], {},
    ),
    "one turn each": ({"messages": [{"user": "q"}, {"assistant": "a"}]}, QA, {}),
    "text in place of content": ({"messages": [{"role": "user", "text": "q"}, answer("a")]}, QA, {}),
    "reasoning of a turn": (
        {"messages": [user("q"), answer("a", reasoning="r", reasoning_content="r", name="bob")]},
        [user("q"), thought("r")], {"name of turns": 3},
    ),
    "OpenAI's older calls": (
        {"messages": [
            user("q"),
            {"role": "assistant", "content": None, "function_call": {"name": "f", "arguments": '{"x": 1}'}},
            {"role": "function", "name": "f", "content": "3"},
            answer("a"),
        ]},
        [
            user("q"), answer("", tool_calls=[call(arguments={"x": 1})]),
            {"role": "tool", "content": "3", "name": "f"}, answer("a"),
        ], {},
    ),
    "ids of calls": (
        {"messages": [
            user("q"), answer("", tool_calls=[{**call(), "id": "c1", "index": 0}]),
            {"role": "tool", "tool_call_id": "c1", "content": {"t": 3}}, answer("a"),
        ]},
        [
            user("q"), answer("", tool_calls=[call(id="c1")]),
            {"role": "tool", "content": '{"t": 3}', "tool_call_id": "c1"}, answer("a"),
        ], {"index of calls of turns": 3},
    ),
    "LLaMA-Factory's v1": (
        {"messages": [
            user([{"type": "text", "value": "q"}], loss_weight=0.0),
            answer([
                {"type": "reasoning", "value": "r"}, {"type": "text", "value": "a"},
                {"type": "tool_call", "value": '{"name": "f", "arguments": {"x": 1}}'},
            ], loss_weight=1.0),
            {"role": "tool", "content": [{"type": "text", "value": "3"}], "loss_weight": 0.0},
            answer([{"type": "text", "value": "b"}], loss_weight=1.0),
        ], "extra_info": "x"},
        [
            user("q"), thought("r", tool_calls=[call(arguments={"x": 1})]), {"role": "tool", "content": "3"},
            answer("b"),
        ], {"extra_info": 3},
    ),
    "several calls in one part": (
        {"messages": [user("q"), answer([{"type": "tool_calls", "value": '[{"name": "f"}, {"name": "g"}]'}])]},
        [user("q"), answer("", tool_calls=[call(), call("g")])], {},
    ),
    "Anthropic's parts": (
        {"messages": [
            user([{"type": "text", "text": "q", "cache_control": {"type": "ephemeral"}}]),
            answer([
                {"type": "thinking", "thinking": "r", "signature": "s"},
                {"type": "tool_use", "id": "t1", "name": "f", "input": {"x": 1}},
            ]),
            user([{"type": "tool_result", "tool_use_id": "t1", "content": [{"type": "text", "text": "3"}]}]),
            answer([{"type": "text", "text": "a"}]),
        ]},
        [
            user("q"), thought("r", "", tool_calls=[call(arguments={"x": 1}, id="t1")]),
            {"role": "tool", "content": "3", "tool_call_id": "t1"}, answer("a"),
        ], {"cache_control of parts of turns": 3, "signature of parts of turns": 3},
    ),
    "parts of text under each name": (
        {"messages": [
            user([*({"type": "text", key: key[0]} for key in ("text", "value", "content")), "!"]),
            answer("a"),
        ]}, [user("tvc!"), answer("a")], {},
    ),
    "words after a call": (
        {"messages": [user("q"), answer([{"type": "tool_call", "value": '{"name": "f"}'}, "a"])]},
        [user("q"), answer("a", tool_calls=[call()])], {"the place of words after calls": 3},
    ),
    "turns that nobody answers": ({"messages": [*QA, user("and?")]}, QA, {"turns after the last answer": 3}),
    "two system turns": (
        {"system": "s", "messages": [{"role": "system", "content": "t"}, *QA]},
        [{"role": "system", "content": "t"}, *QA], {"system": 3},
    ),
    "empty and null columns": ({"messages": QA, "id": None, "tags": [], "note": " ", "meta": {}}, QA, {}),
}  # fmt: skip


@pytest.mark.parametrize("case", FORMS)
def test_what_a_row_holds_is_in_its_turns_or_counted(case: str, tmp_path: Path) -> None:
    row, messages, not_used = FORMS[case]
    made, unused = turned([row] * 3, tmp_path)
    assert [one.messages for one in made if isinstance(one, Conversation)] == [messages] * 3
    assert unused == not_used


WEIGHTED: list[tuple[list[Row], set[int], dict[str, int]]] = [
    ([user("q"), answer("a", weight=0), user("r"), answer("b", weight=1)], {1}, {}),
    ([user("q"), answer("a", train=False), user("r"), answer("b", train=True)], {1}, {}),
    ([user("q"), answer("a", loss=False), user("r"), answer("b")], {1}, {}),
    ([user("q", loss_weight=0.0), answer("a", loss_weight=1.0), user("r"), answer("b", loss_weight=0.0)], {3}, {}),
    ([user("q"), answer("a", loss_scale=0), user("r"), answer("b")], {1}, {}),
    ([user("q"), answer("a", weight=None), user("r"), answer("b", train=None)], set(), {}),
    ([user("q"), answer("a", weight=0.5)], set(), {"weight of turns other than 0 and 1": 2}),
    ([user("q", weight=1), answer("a")], set(), {"weight of turns that are no answers": 2}),
    ([user("q"), answer("a", weight="0")], set(), {"weight of turns": 2}),
]


@pytest.mark.parametrize(("turns", "untrained", "not_used"), WEIGHTED)
def test_weights_of_turns(turns: list[Row], untrained: set[int], not_used: dict[str, int], tmp_path: Path) -> None:
    made, unused = turned([{"messages": turns}] * 2, tmp_path)
    assert all(isinstance(one, Conversation) and one.untrained == untrained for one in made)
    assert unused == not_used
    with_system, _ = turned([{"messages": turns, "system": "s"}] * 2, tmp_path)
    assert isinstance(with_system[0], Conversation)
    assert with_system[0].untrained == {at + 1 for at in untrained}


def test_answers_within_a_prompt_are_not_trained(tmp_path: Path) -> None:
    prompt = [user("q"), answer("a"), user("sure?")]
    shapes: list[Row] = [
        {"prompt": prompt, "completion": [answer("yes")]},
        {"prompt": prompt, "completion": answer("yes")},
        {"prompt": prompt, "completion": "yes"},
        {"prompt": json.dumps(prompt), "completion": "yes"},
    ]
    for row in shapes:
        (made,), _ = turned([row], tmp_path)
        assert isinstance(made, Conversation)
        assert made.messages == [*prompt, answer("yes")]
        assert made.untrained == {1}
    (made,), _ = turned([{"instruction": "q", "output": "a", "history": [["b", "c"]], "system": "s"}], tmp_path)
    assert isinstance(made, Conversation)
    assert made.untrained == frozenset(), "what was answered before is trained, as LLaMA-Factory does it"


def test_images_beside_a_prompt_of_turns(tmp_path: Path) -> None:
    asked = [user([{"type": "image"}, {"type": "text", "text": "q"}])]
    shapes: list[Row] = [
        {"prompt": asked, "completion": [answer("a")], "images": ["x.png"]},
        {"prompt": [user("<image>q")], "completion": [answer("a")], "images": ["x.png"]},
        {"prompt": [user([{"type": "image_url", "image_url": {"url": "x.png"}}, "q"])], "completion": [answer("a")]},
    ]
    for row in shapes:
        (made,), unused = turned([row], tmp_path)
        assert isinstance(made, Conversation)
        assert made.images == ["x.png"]
        assert made.messages == [*asked, answer([{"type": "text", "text": "a"}])]
        assert unused == {}


def test_optional_columns_are_used_in_the_rows_that_have_them(tmp_path: Path) -> None:
    """Few rows, late rows, one name here and another there."""
    rows: list[Row] = [{"messages": QA} for _ in range(250)]
    rows[0]["system"] = "first"
    rows[30] |= {"system": None, "system_prompt": "other name"}
    rows[200]["system"] = "late"
    rows[210] |= {"tools": [{"name": "f"}], "functions": [{"name": "g"}]}
    made, unused = turned(rows, tmp_path)
    systems = {at: one.messages[0]["content"] for at, one in enumerate(made)
               if isinstance(one, Conversation) and one.messages[0]["role"] == "system"}  # fmt: skip
    assert systems == {0: "first", 30: "other name", 200: "late"}
    assert isinstance(made[210], Conversation)
    assert made[210].tools == [{"type": "function", "function": {"name": "f"}}]
    assert unused == {"functions": 1}
    alpaca: list[Row] = [{"instruction": "q", "output": "a"} for _ in range(150)]
    alpaca[149] |= {"input": "i"}
    made, _ = turned(alpaca, tmp_path)
    assert isinstance(made[149], Conversation)
    assert made[149].messages[0] == user("q\n\ni")


def test_a_named_column_is_the_only_one_for_its_part(tmp_path: Path) -> None:
    path = tmp_path / "rows.jsonl"
    rows = [
        {"instruction": "q", "notes": "n", "context": "c", "output": "a"},
        {"instruction": "q", "context": "c", "output": "a"},
    ]
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    form = recognise(path, Columns(input="notes"), "auto")
    made = Conversations(form.form, form.columns, named=form.named)
    questions = [one.messages[0]["content"] for one in (made.of(row) for row in rows) if isinstance(one, Conversation)]
    assert questions == ["q\n\nn", "q"]
    assert {one.words: one.rows for one in made.not_used.found("")} == {"context": 2}


REFUSED: dict[str, tuple[Row, str]] = {
    "a history of one": ({"instruction": "q", "output": "a", "history": [["q"]]}, "history is no list of [question, "),
    "a number to answer": ({"prompt": "q", "completion": 4}, "completion is a number (4), not text"),
    "no solution": ({"problem": "q", "solution": None, "answer": "4"}, "solution is missing"),
    "an undesired answer": ({"prompt": "q", "completion": "a", "label": False}, "its label says that"),
    "a part without words": ({"messages": [user([{"type": "text", "txt": "q"}]), answer("a")]},
                             "turn 1 has a part of the type text without text (its keys are type, txt)"),
    "a part of sound": ({"messages": [user([{"type": "audio", "audio": "x"}]), answer("a")]},
                        "turn 1 has a part of the type audio; a part is text, image, reasoning,"),
    "a call by the user": ({"messages": [user([{"type": "tool_call", "value": '{"name": "f"}'}]), answer("a")]},
                           "turn 1 is the user's, and has a part that only an answer has"),
    "a turn without a role": ({"messages": [{"who": "me", "says": "q"}, answer("a")]},
                              "turn 1 has no role (its keys are who, says)"),
    "no turns in the text": ({"messages": "hello"}, "messages is no list of turns: it is text"),
    "roles of usual names": ({"messages": [{"role": "Customer", "content": "q"}, {"role": "AI", "content": "a"}]},
                             "turn 1 has the role 'Customer', which is not known; data.roles: {customer: user, ai: "
                             "assistant} would say who it is"),
    "a role of no name": ({"messages": [{"role": "boss", "content": "q"}, answer("a")]},
                          "turn 1 has the role 'boss'; known are system, user, assistant, tool, and data.roles"),
}  # fmt: skip


@pytest.mark.parametrize("case", REFUSED)
def test_a_row_that_cannot_be_used_says_what_it_has(case: str) -> None:
    row, said = REFUSED[case]
    columns = {
        "messages": {"messages": "messages"},
        "instruction": {"prompt": "instruction", "completion": "output", "history": "history"},
        "prompt": {"prompt": "prompt", "completion": "completion"},
        "problem": {"prompt": "problem", "completion": "solution"},
    }[next(iter(row))]
    made = Conversations("messages" if "messages" in columns else "prompt_completion", columns)
    with pytest.raises(ValueError) as refused:
        made.of(row)
    assert str(refused.value).startswith(said)
    assert made.not_used.found("") == []


def test_roles_of_other_names(tmp_path: Path) -> None:
    turns = [{"from": "Customer", "value": "q"}, {"from": "AI", "value": "a"}]
    (made,), _ = turned([{"conversations": turns}], tmp_path, ai="assistant", Customer="user")
    assert isinstance(made, Conversation)
    assert made.messages == QA


def test_nulls_that_arrow_fills_up_with_are_gone_and_those_of_json_stay(tmp_path: Path) -> None:
    def row(name: str, **arguments: Any) -> Row:
        schema = {"type": "object", "properties": {key: {"type": "string"} for key in arguments}}
        tools = [{"name": name, "description": None, "parameters": schema}]
        turns = [user("q"), answer("", tool_calls=[{"id": name, "function": {"name": name, "arguments": arguments}}]),
                 {"role": "tool", "content": "r", "name": name}, answer("a")]  # fmt: skip
        return {"messages": turns, "tools": tools}

    rows = [row("f", town="Rome"), row("g", a="1", b="2")]
    path = tmp_path / "rows.parquet"
    pq.write_table(pa.Table.from_pylist(rows), path)
    (first, second), unused = turned_file(path)
    assert isinstance(first, Conversation)
    assert isinstance(second, Conversation)
    assert first.messages[1]["tool_calls"] == [call("f", {"town": "Rome"}, id="f")]
    assert second.messages[1]["tool_calls"] == [call("g", {"a": "1", "b": "2"}, id="g")]
    assert first.messages[0] == user("q")
    (tool,) = first.tools
    assert tool["function"] == {"name": "f", "parameters": rows[0]["tools"][0]["parameters"]}
    assert unused == {}
    (of_json,), _ = turned([row("f", town=None)], tmp_path)
    assert isinstance(of_json, Conversation)
    assert of_json.messages[1]["tool_calls"] == [call("f", {"town": None}, id="f")], "the model is to say null"


def test_csv_with_pandas_index_and_turns_as_json(tmp_path: Path) -> None:
    path = tmp_path / "rows.csv"
    path.write_text(
        ',messages,score\n0,"'
        + json.dumps(QA).replace('"', '""')
        + '",\n1,"'
        + json.dumps(QA).replace('"', '""')
        + '",3\n'
    )
    made, unused = turned_file(path)
    assert [one.messages for one in made if isinstance(one, Conversation)] == [QA, QA]
    assert unused == {"pandas' index Unnamed: 0": 2, "score": 1}
    path.write_text("prompt,completion\nq,a\n")
    assert [one.messages for one in turned_file(path)[0] if isinstance(one, Conversation)] == [QA]
