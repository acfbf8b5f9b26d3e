"""What training will see: figures counted by hand on a tiny dataset, samples token by token, and the same counts as
training's own."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from cockpit.data.report import DataReport, Sample
from cockpit.data.report_text import figures_of
from cockpit.data.row_losses import HighRow, RowLosses
from cockpit.engine.data import report as module
from cockpit.engine.data.prepare import prepare_data
from cockpit.engine.data.report import data_report
from cockpit.engine.errors import RunFailure
from cockpit.recipe.document import RecipeDocument
from cockpit.recipe.recipe import Recipe
from tests.engine import tiny, tiny_vision


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A tokenizer and a config, and no weights."""
    path = tmp_path_factory.mktemp("tokenizer")
    tiny.make_tokenizer().save_pretrained(path)
    (path / "config.json").write_text('{"model_type": "qwen3", "architectures": ["Qwen3ForCausalLM"]}')
    return path


def recipe(folder: Path, rows: Path, **changes: Any) -> Recipe:
    text = tiny.recipe_text(folder, rows, backend="transformers", **{"data__eval_rows": 0, **changes})
    return RecipeDocument.parse(text, "test").recipe()


def look(folder: Path, tmp_path: Path, rows: list[dict[str, Any]], **changes: Any) -> DataReport:
    return data_report(recipe(folder, tiny.write_rows(tmp_path / "rows.jsonl", rows), **changes), "mine", has_gpu=False)


def text(sample: Sample, trained: bool) -> str:
    return "".join(token.text for token in sample.tokens if token.trained == trained)


# <|im_start|> user \n z... <|im_end|> \n <|im_start|> a ss istan t \n q... <|im_end|> \n: a token each, as this
# tokenizer has learnt no word "assistant" at the beginning of a line.
def row(question: int, answer: int) -> dict[str, Any]:
    """A conversation of 13 + question + answer tokens, answer + 1 of them trained."""
    return {"messages": tiny.pair("z" * question, "q" * answer)}


def test_figures_are_those_counted_by_hand(folder: Path, tmp_path: Path) -> None:
    report = look(folder, tmp_path, [row(2, 3), row(4, 5), row(6, 8), row(10, 130)])
    assert report.lengths == [18, 22, 27, 153]
    assert (report.truncated_rows, report.truncated_share, report.max_length) == (1, 0.25, 128)
    assert report.tokens == 18 + 22 + 27 + 128
    # The long row is cut within its answer: 11 marks and 10 of the question are before it.
    assert report.trained_tokens == 4 + 6 + 9 + (128 - 21)
    assert (report.rows_seen, report.train_rows, report.held_out_rows, report.is_all) == (4, 4, 0, True)
    assert (report.batch_rows, report.accumulation, report.tokens_per_step) == (2, 2, 195.0)
    assert report.alarms() == []
    assert report.trains


def test_padding_is_what_fills_rows_up_to_the_longest_of_their_batch(folder: Path, tmp_path: Path) -> None:
    report = look(folder, tmp_path, [row(2, 3), row(2, 8)])  # 18 and 23 tokens, always in one batch
    assert report.padding_share == pytest.approx(5 / 46)
    assert [sample.padding for sample in report.samples] == [5, 0]
    alone = look(folder, tmp_path, [row(2, 3), row(2, 8)], training__per_device_train_batch_size=1)
    assert alone.padding_share == 0
    wider = look(folder, tmp_path, [row(2, 3), row(2, 8)], training__pad_to_multiple_of=32)
    assert wider.padding_share == pytest.approx((64 - 41) / 64)
    joined = {"training__padding_free": True, "training__pad_to_multiple_of": 32}
    behind = look(folder, tmp_path, [row(2, 3), row(2, 8)], **joined)
    assert behind.batching == "joined"
    assert behind.padding_share == pytest.approx((64 - 41) / 64), "what follows the last row"
    packed = look(folder, tmp_path, [row(2, 3), row(2, 8)], training__packing=True)
    assert (packed.batching, packed.sequences, packed.padding_share, packed.tokens_per_step) == ("packed", 1, 0, 41)


def test_each_token_is_told_trained_or_masked_and_marks_stand_as_themselves(folder: Path, tmp_path: Path) -> None:
    said = tiny.pair("what is one", "arr ünï 日本\n\x1b[31mmatey [b]")
    sample = look(folder, tmp_path, [{"messages": said}]).samples[0]
    assert text(sample, True) == "arr ünï 日本\n[31mmatey [b]<|im_end|>"
    assert text(sample, False) == "<|im_start|>user\nwhat is one<|im_end|>\n<|im_start|>assistant\n\n"
    assert [token.text for token in sample.tokens if token.special] == ["<|im_start|>", "<|im_end|>"] * 2
    assert sample.where == "rows.jsonl:1"
    assert sample.trained_tokens == sum(token.trained for token in sample.tokens)


def test_rows_without_a_trained_token_raise_the_alarm_and_are_shown(folder: Path, tmp_path: Path) -> None:
    report = look(folder, tmp_path, [row(2, 3), row(140, 3), {"messages": []}])
    assert (report.left_out_rows, report.untrained_rows, report.rows_taken) == (2, 1, 1)
    assert report.alarms() == [
        "1 of 3 rows have no trained token, and are left out; the answers of some begin beyond 128 tokens: raise "
        "model.max_seq_length, or training.max_length where that is set."
    ]
    assert [(sample.where, bool(sample.refusal)) for sample in report.samples] == [
        ("rows.jsonl:1", False),
        ("rows.jsonl:2", True),
    ]
    assert not any(token.trained for token in report.samples[1].tokens)
    assert any("rows.jsonl:2" in reason and "128 tokens" in reason for reason in report.left_out)
    assert report.trains


def test_nothing_trained_and_a_row_that_ends_the_run_are_alarms(folder: Path, tmp_path: Path) -> None:
    nothing = look(folder, tmp_path, [row(140, 3)] * 2)
    assert "Nothing would be trained" in nothing.alarms()[0]
    assert (nothing.trains, nothing.trained_share, nothing.padding_share) == (False, None, None)
    ends = look(folder, tmp_path, [row(2, 3), row(140, 3)], data__on_bad_row="fail")
    assert "data.on_bad_row" in ends.alarms()[-1]
    assert not ends.trains


def test_a_long_file_is_looked_at_from_its_beginning(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "ROWS_AT_MOST", 10)
    report = look(folder, tmp_path, [row(2, 3)] * 30, data__eval_rows=4)
    assert (report.rows_seen, report.rows_there, report.is_all, report.held_out_rows) == (10, 30, False, 4)
    assert (report.train_rows, any(sample.held_out for sample in report.samples)) == (10, False)
    few = look(folder, tmp_path, [row(2, 3)] * 10, data__eval_rows=2)
    assert (few.is_all, few.train_rows, few.held_out_rows) == (True, 8, 2)
    assert sum(sample.held_out for sample in few.samples) == 2


def test_of_several_sources_samples_are_mixed(folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    one = tiny.write_rows(tmp_path / "one.jsonl", [row(2, 3)] * 200)
    two = tiny.write_rows(tmp_path / "two.jsonl", [row(4, 5)] * 200)
    sources = [{"name_or_path": str(one)}, {"name_or_path": str(two), "ratio": 0.5}]
    whole = data_report(recipe(folder, one, data__sources=sources), "mine", has_gpu=False)
    assert (whole.rows_seen, whole.rows_there, whole.rows_held, whole.is_all) == (300, 300, 400, True)
    assert whole.notes == ["Of two.jsonl, 100 of 200 rows are drawn."]
    assert {sample.where.partition(":")[0] for sample in whole.samples} == {"one.jsonl", "two.jsonl"}
    monkeypatch.setattr(module, "ROWS_AT_MOST", 40)
    part = data_report(recipe(folder, one, data__sources=sources), "mine", has_gpu=False)
    assert (part.rows_seen, part.rows_there, part.is_all, part.notes) == (30, 300, False, [])
    few = [{"name_or_path": str(one), "max_rows": 20}, {"name_or_path": str(two), "ratio": 0.5}]
    others = data_report(recipe(folder, one, data__sources=few), "mine", has_gpu=False)
    assert (others.rows_seen, others.rows_there, others.is_all) == (30, 30, False), "ten others of two.jsonl are drawn"
    few[1]["max_rows"] = 20
    same = data_report(recipe(folder, one, data__sources=few), "mine", has_gpu=False)
    assert (same.rows_seen, same.rows_there, same.rows_held, same.is_all) == (30, 30, 400, True)


@pytest.mark.parametrize("changes", [{}, {"data__train_on": "all"}, {"data__chat_template": "gemma-3"}])
def test_counts_are_those_of_training_itself(folder: Path, tmp_path: Path, changes: dict[str, Any]) -> None:
    rows = [*tiny.chat_rows(30), row(4, 140), row(140, 1), {"messages": "none"}]
    asked = recipe(folder, tiny.write_rows(tmp_path / "rows.jsonl", rows), data__eval_rows=5, **changes)
    report = data_report(asked, "mine", has_gpu=False)
    from cockpit.engine.model.tokenizer import load_tokenizer
    from cockpit.models.folder import ModelFolder

    tokenizer, _ = load_tokenizer(ModelFolder.at(folder), asked)
    counts = prepare_data(asked, tokenizer, lambda _: None, lambda *_: None).counts
    assert (counts.train_rows, counts.eval_rows, counts.skipped_rows, counts.truncated_rows) == (
        report.train_rows,
        report.held_out_rows,
        report.left_out_rows,
        report.truncated_rows,
    )
    assert (counts.tokens, counts.trained_tokens) == (report.tokens, report.trained_tokens)


def test_what_rows_hold_and_training_does_not_use_is_told(folder: Path, tmp_path: Path) -> None:
    """In the report, and in the log of the run that trains on them; for each source."""
    asked, replied = tiny.pair("what is one", "arr")
    one = [{"id": number, "tags": [], "messages": [{**asked, "name": "Ann"}, replied]} for number in range(5)]
    two = [{"prompt": "what", "completion": "arr", "": None, "score": 3}] * 3
    paths = [tiny.write_rows(tmp_path / "one.jsonl", one), tiny.write_rows(tmp_path / "two.jsonl", two)]
    both = recipe(folder, paths[0], data__sources=[{"name_or_path": str(path)} for path in paths])
    report = data_report(both, "mine", has_gpu=False)
    told = [(one.source, one.kind, one.name, one.rows) for one in report.not_used]
    assert told == [
        ("one.jsonl", "column", "id", 5),
        ("one.jsonl", "turn", "name", 5),
        ("two.jsonl", "column", "score", 3),
    ]
    (figure,) = [one for one in figures_of(report) if one.name == "not used"]
    assert (figure.value, figure.note) == ("3", "id in 5 rows, name of turns in 5 rows, score in 3 rows")
    said: list[str] = []
    prepare_data(both, tiny.make_tokenizer(), said.append, lambda *_: None)
    assert said == [
        "Not used of one.jsonl: id in 5 rows, name of turns in 5 rows.",
        "Not used of two.jsonl: score in 3 rows.",
        "6 rows stand in the data before; data.duplicates: drop leaves them out.",
    ]
    (nothing,) = [one for one in figures_of(look(folder, tmp_path, [row(2, 3)])) if one.name == "not used"]
    assert (nothing.value, nothing.note) == ("0", "")


@pytest.mark.parametrize(
    "row",
    [
        {"messages": [*tiny.pair("q", "no"), *tiny.pair("r", "arr")]},
        {"messages": [*tiny.pair("q", "no"), *tiny.pair("r", "arr")]},
        {"prompt": [*tiny.pair("q", "no"), *tiny.pair("r", "arr")[:1]], "completion": tiny.pair("r", "arr")[1:]},
    ],
    ids=["weight", "train", "prompt"],
)
def test_answers_without_loss_are_not_trained(
    row: dict[str, Any], folder: Path, tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    key = request.node.callspec.id
    if key != "prompt":
        row["messages"][1][key] = 0 if key == "weight" else False
    sample = look(folder, tmp_path, [row]).samples[0]
    assert text(sample, True) == "arr<|im_end|>"
    assert "no<|im_end|>" in text(sample, False)


def test_a_row_without_any_answer_to_train_is_left_out_by_its_weights(folder: Path, tmp_path: Path) -> None:
    asked, replied = tiny.pair("q", "arr")
    report = look(folder, tmp_path, [{"messages": [asked, {**replied, "weight": 0}]}, row(2, 3)])
    assert report.left_out == ["rows.jsonl:1: none of its answers is to be trained, by their weights."]


@pytest.mark.parametrize(
    "changes",
    [
        {"data__long_rows": "split"},
        {"data__long_rows": "drop"},
        {"data__duplicates": "drop", "data__eval_rows": 3},
        {"data__duplicates": "drop_near"},
    ],
)
def test_long_rows_and_duplicates_are_those_of_training_itself(
    folder: Path, tmp_path: Path, changes: dict[str, Any]
) -> None:
    from cockpit.engine.model.tokenizer import load_tokenizer
    from cockpit.models.folder import ModelFolder

    rows = [*tiny.chat_rows(30), *tiny.chat_rows(4), row(4, 300), {"messages": tiny.pair("what", "arr " * 200)}]
    asked = recipe(folder, tiny.write_rows(tmp_path / "rows.jsonl", rows), **changes)
    report = data_report(asked, "mine", has_gpu=False)
    counts = prepare_data(
        asked, load_tokenizer(ModelFolder.at(folder), asked)[0], lambda _: None, lambda *_: None
    ).counts
    assert (report.train_rows, report.left_out_rows, report.truncated_rows, report.split_rows) == (
        counts.train_rows,
        counts.skipped_rows,
        counts.truncated_rows,
        counts.split_rows,
    )
    assert (report.dropped_rows, report.shared_rows) == (counts.dropped_rows, counts.shared_rows)
    assert (report.tokens, report.trained_tokens) == (counts.tokens, counts.trained_tokens)
    assert report.duplicate_rows == 4
    for sample in report.samples:
        assert sample.whole_tokens >= len(sample.tokens)


def test_a_file_to_measure_on_is_looked_at_too(folder: Path, tmp_path: Path) -> None:
    own = tiny.write_rows(tmp_path / "own.jsonl", [*tiny.chat_rows(2), row(3, 4)])
    rows = tiny.write_rows(tmp_path / "rows.jsonl", tiny.chat_rows(10))
    asked = recipe(folder, rows, data__validation={"name_or_path": str(own)})
    report = data_report(asked, "mine", has_gpu=False)
    assert (report.train_rows, report.held_out_rows, report.shared_rows, report.is_all) == (10, 3, 2, True)
    (figure,) = [one for one in figures_of(report) if one.name == "duplicates"]
    assert (figure.value, figure.note, figure.warns) == ("0", "2 measured too", True)


def test_plain_texts_and_the_demo(folder: Path, tmp_path: Path) -> None:
    report = look(folder, tmp_path, [{"text": "red cat"}, {"text": "blue dog"}])
    assert (text(report.samples[0], False), text(report.samples[0], True)) == ("re", "d cat<|im_end|>")
    assert any("Plain texts" in note for note in report.notes)
    demo = data_report(
        recipe(Path("embedded:demo"), Path("embedded:pirate"), model__max_seq_length=512), "demo", has_gpu=False
    )
    assert "matey" in "".join(text(sample, True) for sample in demo.samples)
    assert 0.3 < (demo.trained_share or 0) < 0.7


def test_images_are_marks_and_their_tokens_are_counted(tmp_path: Path) -> None:
    model = tmp_path / "model"
    tiny_vision.make_processor().save_pretrained(model)
    (model / "config.json").write_text(
        '{"model_type": "gemma3", "architectures": ["Gemma3ForConditionalGeneration"], "vision_config": {}}'
    )
    images = [tiny_vision.draw(tmp_path / f"{n}.png", n).name for n in range(3)]
    rows = [{"image": name, "text": f"x^{n}"} for n, name in enumerate(images)] + [{"image": "no.png", "text": "y"}]
    path = tiny.write_rows(tmp_path / "rows.jsonl", rows)
    source = {"name_or_path": str(path), "instruction": "Read it."}
    report = data_report(recipe(model, path, data__sources=[source]), "mine", has_gpu=False)
    assert (report.rows_taken, report.left_out_rows, report.batching) == (3, 1, "padded")
    assert "no.png" in report.left_out[0]
    sample = report.samples[1]
    assert (sample.images, sample.is_truncated) == (1, False)
    assert sample.image_tokens >= tiny_vision.IMAGE_TOKENS
    assert text(sample, True) == "x^1<end_of_turn>"
    assert text(sample, False).count("<start_of_image>") == 1
    assert sample.whole_tokens == len(sample.tokens) + sample.image_tokens
    assert report.tokens == 3 * sample.whole_tokens


def test_a_tokenizer_that_is_none_and_images_without_a_processor_are_told(folder: Path, tmp_path: Path) -> None:
    with pytest.raises(RunFailure, match="nowhere cannot be loaded"):
        look(tmp_path / "nowhere", tmp_path, [row(2, 3)])
    with pytest.raises(RunFailure, match="does not see"):
        look(folder, tmp_path, [{"image": "a.png", "text": "x"}], data__sources=[
            {"name_or_path": str(tmp_path / "rows.jsonl"), "format": "image_text", "instruction": "Read."}
        ])  # fmt: skip


def test_rows_of_a_run_with_a_high_loss_are_shown_wherever_they_stand(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One is among the rows that are looked at, one is a piece of a row beyond them, one is not there any more."""
    monkeypatch.setattr(module, "ROWS_AT_MOST", 3)
    monkeypatch.setattr(module, "SAMPLES", 1)
    path = tiny.write_rows(tmp_path / "rows.jsonl", [row(2, 3), row(4, 5), row(6, 8), row(1, 1), row(5, 300)])
    asked = recipe(folder, path, data__long_rows="split")
    places = ["rows.jsonl:2", "rows.jsonl:5, piece 2 of 3", "rows.jsonl:77"]
    highest = [HighRow(one, 4.0, 9, step=2, median=1.0, is_far=True) for one in places]
    losses = RowLosses(first_step=1, last_step=2, rows=5, far=3, highest=highest)
    report = data_report(asked, "mine", has_gpu=False, losses=losses)
    shown = {sample.where: sample.loss for sample in report.samples}
    assert {where: loss for where, loss in shown.items() if loss is not None} == dict(
        zip(places[:2], highest, strict=False)
    )
    assert (report.rows_seen, report.row_losses) == (3, losses)


def test_what_the_template_leaves_out_is_counted_in_rows_and_turns(folder: Path, tmp_path: Path) -> None:
    """ChatML has no place for reasoning nor for calls."""
    thought = [
        {**turn, "reasoning_content": "hm"} if turn["role"] == "assistant" else turn for turn in tiny.pair("q", "a")
    ]
    report = look(folder, tmp_path, [{"messages": thought * 2}, {"messages": thought}, row(1, 1)])
    (found,) = report.not_used
    assert (found.kind, found.name, found.rows, found.turns) == ("template", "reasoning of answers", 2, 3)
    (figure,) = [one for one in figures_of(report) if one.name == "not used"]
    words = "reasoning of answers, which the chat template leaves out, in 3 turns of 2 rows"
    assert (figure.value, figure.note) == ("1", words)
