"""Rows with images: recognised, opened late, masked; a picture that is none is a bad row; they train on the CPU."""

from __future__ import annotations

import base64
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from cockpit.data.files import recognise
from cockpit.data.inputs import trains_images
from cockpit.engine.data.image_collator import carried_labels
from cockpit.engine.data.images import image_size, stored_image
from cockpit.engine.data.prepare import PreparedData, prepare_data
from cockpit.engine.data.token_rows import IGNORED
from cockpit.engine.errors import RunFailure
from cockpit.protocol.events import RunEnded, StepEnded
from cockpit.recipe.data import Columns
from cockpit.recipe.document import RecipeDocument
from cockpit.recipe.recipe import Recipe
from tests.engine import tiny, tiny_vision

INSTRUCTION = "Write the LaTeX representation for this image."
TURNS = "<bos><start_of_turn>user\n{user}<end_of_turn>\n<start_of_turn>model\n{model}<end_of_turn>\n"
SEEN = "\n\n<start_of_image>" + "<image_soft_token>" * tiny_vision.IMAGE_TOKENS + "<end_of_image>\n\n"


@pytest.fixture(scope="module")
def processor() -> Any:
    return tiny_vision.make_processor()


def recipe(path: Path, source: dict[str, Any] | None = None, **changes: Any) -> Recipe:
    sources = [{"name_or_path": str(path), **(source or {})}]
    changes = {"data__sources": sources, "data__eval_rows": 0, **changes}
    return RecipeDocument.parse(tiny.recipe_text(Path("model"), path, backend="transformers", **changes), "t").recipe()


def prepare(wanted: Recipe, processor: Any, said: list[str] | None = None) -> PreparedData:
    heard = said if said is not None else []
    return prepare_data(wanted, processor.tokenizer, heard.append, lambda done, total: None, processor)


def trained_text(data: PreparedData, processor: Any, row: int = 0) -> tuple[str, str]:
    """The row as the model is given it, and what of it is learnt."""
    assert data.collator is not None
    batch = data.collator(None)([data.train[row]])
    labels = batch["labels"][0]
    assert (labels[labels != IGNORED] == batch["input_ids"][0][labels != IGNORED]).all()
    return processor.tokenizer.decode(batch["input_ids"][0]), processor.tokenizer.decode(labels[labels != IGNORED])


def test_image_and_text_as_in_the_walk_through(tmp_path: Path, processor: Any) -> None:
    rows = [{"image": tiny_vision.draw(tmp_path / f"{n}.png", n).name, "text": f"x^{n}"} for n in range(3)]
    wanted = recipe(tiny.write_rows(tmp_path / "rows.jsonl", rows), {"instruction": INSTRUCTION})
    data = prepare(wanted, processor)
    assert trains_images(wanted)
    assert data.train[1]["messages"][0]["content"][1]["image"].size == (40, 30)
    text, learnt = trained_text(data, processor, 1)
    assert text == TURNS.format(user=INSTRUCTION + SEEN, model="x^1")
    assert learnt == "x^1<end_of_turn>"
    tokens = len(processor.tokenizer(text, add_special_tokens=False)["input_ids"])
    assert data.counts.tokens == 3 * tokens


@pytest.mark.parametrize("kind", ["bytes", "struct", "list", "base64"])
def test_pictures_are_given_in_several_ways(kind: str, tmp_path: Path, processor: Any) -> None:
    content = tiny_vision.draw(tmp_path / "a.png").read_bytes()
    value: Any = {
        "bytes": content,
        "struct": {"bytes": content, "path": "a.png"},
        "list": [{"bytes": None, "path": str(tmp_path / "a.png")}],
        "base64": "data:image/png;base64," + base64.b64encode(content).decode(),
    }[kind]
    path = tmp_path / "rows.parquet"
    pq.write_table(pa.Table.from_pylist([{"image": value, "text": "x"}] * 2), path)
    data = prepare(recipe(path), processor)
    text, learnt = trained_text(data, processor)
    assert (text, learnt) == (TURNS.format(user=SEEN, model="x"), "x<end_of_turn>")


def test_messages_with_images_of_several_turns(tmp_path: Path, processor: Any) -> None:
    first, second = (tiny_vision.draw(tmp_path / name, 3).name for name in ("a.png", "b.png"))
    parts = [{"type": "image", "image": first}, {"type": "text", "text": "What is it?"}]
    own = [{"role": "user", "content": parts}, {"role": "assistant", "content": "a line"}]
    more = [
        *own,
        {"role": "user", "content": [{"type": "image", "path": second}]},
        {"role": "assistant", "content": "two"},
    ]
    path = tiny.write_rows(tmp_path / "rows.jsonl", [{"messages": own}, {"messages": more}, {"messages": own}])
    form = recognise(path, Columns(), "auto")
    assert (form.form, form.has_images) == ("messages", True)
    data = prepare(recipe(path), processor)
    text, learnt = trained_text(data, processor, 1)
    assert text.count("<start_of_image>") == 2
    assert learnt == "a line<end_of_turn>two<end_of_turn>"


def test_images_of_a_column_stand_where_the_words_say(tmp_path: Path, processor: Any) -> None:
    names = [tiny_vision.draw(tmp_path / f"{n}.png", n).name for n in range(3)]
    rows: list[dict[str, Any]] = [
        {"conversations": sharegpt("Is <image> like <image>?", "no"), "images": names[:2]},
        {"conversations": sharegpt("What is it?", "a line"), "images": names[2:]},
        {"conversations": sharegpt("<image><image>?", "none"), "images": names[2:]},
        {"conversations": sharegpt("<image>?", "none"), "images": names},
        {"conversations": sharegpt("And you?", "fine"), "images": []},
    ]
    said: list[str] = []
    data = prepare(recipe(tiny.write_rows(tmp_path / "rows.jsonl", rows)), processor, said)
    assert said == [
        "Row left out: rows.jsonl:3: its turns have more images than the row gives.",
        "Row left out: rows.jsonl:4: it has 2 more images than places for them (<image>) in its turns.",
    ]
    assert data.collator is not None
    shapes = [tuple(data.collator(None)([data.train[row]])["pixel_values"].shape) for row in (0, 1)]
    assert shapes == [(2, 3, 28, 28), (1, 3, 28, 28)]
    assert trained_text(data, processor, 1)[1] == "a line<end_of_turn>"
    assert trained_text(data, processor, 2) == (TURNS.format(user="And you?", model="fine"), "fine<end_of_turn>")
    both = data.collator(None)([data.train[1], data.train[2]])
    assert both["labels"].shape == both["input_ids"].shape
    assert int((both["labels"][1] != IGNORED).sum()) == len(processor.tokenizer("fine<end_of_turn>")["input_ids"])


def sharegpt(asked: str, answered: str) -> list[dict[str, str]]:
    return [{"from": "human", "value": asked}, {"from": "gpt", "value": answered}]


BAD = [
    ({"image": "none.png", "text": "x"}, "its image none.png is not there"),
    ({"image": "text.png", "text": "x"}, "its image text.png is no image"),
    ({"image": "truncated.png", "text": "x"}, "its image truncated.png is a damaged image"),
    ({"image": "https://there/a.png", "text": "x"}, "its image is an address on the web; give files on this disk"),
    ({"image": "data:image/png;base64,***", "text": "x"}, "its image is a data: address that is not base64"),
    ({"image": None, "text": "x"}, "image is missing"),
    ({"image": 3, "text": "x"}, "its image is neither a path nor the bytes of a file"),
    ({"image": "a.png", "text": ""}, "text is empty"),
    ({"image": "a.png", "text": "long " * 200}, "of them its image's, do not fit training.max_length (128), and a row"),
]


@pytest.mark.parametrize(("row", "why"), BAD)
def test_a_picture_that_is_none_is_a_bad_row(row: dict[str, Any], why: str, tmp_path: Path, processor: Any) -> None:
    good = {"image": tiny_vision.draw(tmp_path / "a.png").name, "text": "x"}
    (tmp_path / "text.png").write_text("no picture")
    (tmp_path / "truncated.png").write_bytes((tmp_path / "a.png").read_bytes()[:-30])
    path = tiny.write_rows(tmp_path / "rows.jsonl", [good, good, good, row])
    said: list[str] = []
    data = prepare(recipe(path), processor, said)
    assert (data.counts.train_rows, data.counts.skipped_rows) == (3, 1)
    assert said[0].startswith("Row left out: rows.jsonl:4: ")
    assert why in said[0]


def test_batches_are_padded_to_a_multiple(tmp_path: Path, processor: Any) -> None:
    rows = [{"image": tiny_vision.draw(tmp_path / f"{n}.png", n).name, "text": "x" * (n + 1)} for n in range(2)]
    wanted = recipe(tiny.write_rows(tmp_path / "rows.jsonl", rows), training__pad_to_multiple_of=64)
    data = prepare(wanted, processor)
    assert data.collator is not None
    batch = data.collator(None)([data.train[0], data.train[1]])
    assert batch["input_ids"].shape == batch["labels"].shape == (2, 64)
    assert (batch["labels"][batch["attention_mask"] == 0] == IGNORED).all()


def test_the_instruction_is_asked_of_the_users_own_images_and_not_of_texts(tmp_path: Path) -> None:
    shipped = RecipeDocument.parse(
        tiny.recipe_text(Path("m"), Path("n"), data__sources=[{"name_or_path": "o/r", "instruction": INSTRUCTION}]), "t"
    )
    assert trains_images(shipped.recipe())
    drawn = [{"image": tiny_vision.draw(tmp_path / "a.png").name, "text": "x"}]
    shipped.use_data(tiny.write_rows(tmp_path / "images.jsonl", drawn))
    assert shipped.value("data.sources.0.instruction") == INSTRUCTION
    assert trains_images(shipped.recipe())
    path = tiny.write_rows(tmp_path / "texts.jsonl", [{"text": "red cat"}])
    shipped.use_data(path)
    assert not trains_images(shipped.recipe())
    said: list[str] = []
    prepare_data(shipped.recipe(), tiny.make_tokenizer(), said.append, lambda done, total: None)
    assert said[0] == "The instruction is not used: texts.jsonl holds rows of the form text."


def test_a_model_that_does_not_see_is_not_given_pictures(tmp_path: Path) -> None:
    path = tiny.write_rows(tmp_path / "rows.jsonl", [{"image": tiny_vision.draw(tmp_path / "a.png").name, "text": "x"}])
    with pytest.raises(RunFailure, match="The data has images, and this model does not see them"):
        prepare_data(recipe(path), tiny.make_tokenizer(), lambda text: None, lambda done, total: None)


def test_labels_are_carried_over_the_tokens_of_an_image() -> None:
    assert carried_labels([1, 9, 2, 3], [-100, -100, 2, 3], [1, 9, 9, 9, 2, 3]) == [-100] * 4 + [2, 3]
    with pytest.raises(ValueError, match="in other tokens than the tokenizer"):
        carried_labels([1, 9, 2, 3], [-100, -100, 2, 3], [1, 9, 9, 7])


def test_a_model_that_sees_trains_on_texts_packed(tmp_path: Path, hosted: Callable[..., Any]) -> None:
    """As in the Gemma-3 walk-through: no row has an image, and the layers that see are left out."""
    model = tiny_vision.make_model(tmp_path / "model")
    path = tiny.write_rows(tmp_path / "rows.jsonl", [{"messages": tiny.pair(f"q {n}", "a" * n)} for n in range(1, 20)])
    text = tiny.recipe_text(
        model, path, backend="transformers", data__eval_rows=2, training__packing=True, training__max_steps=2
    )
    run = hosted(text=text)
    run.until_ended()
    (ended,) = run.all(RunEnded)
    assert (ended.outcome, ended.step) == ("completed", 2), ended.reason


def test_a_model_that_sees_trains_and_learns(tmp_path: Path, hosted: Callable[..., Any]) -> None:
    model = tiny_vision.make_model(tmp_path / "model")
    rows = [{"image": tiny_vision.draw(tmp_path / f"{n}.png", n).name, "text": f"x^{n % 2}"} for n in range(8)]
    path = tiny.write_rows(tmp_path / "rows.jsonl", rows)
    text = tiny.recipe_text(
        model,
        path,
        backend="transformers",
        data__eval_rows=2,
        lora__target_modules="all-linear",
        training__max_steps=4,
        training__dataloader_num_workers=1,
    )
    run = hosted(text=text)
    run.until_ended()
    (ended,) = run.all(RunEnded)
    assert (ended.outcome, ended.step) == ("completed", 4), ended.reason
    assert (run.run.adapter / "adapter_model.safetensors").is_file()
    assert (run.run.adapter / "processor_config.json").is_file()
    losses = [step.figures["loss"] for step in run.all(StepEnded)]
    assert losses[-1] < losses[0]


def test_half_a_character_is_a_bad_row(tmp_path: Path, processor: Any) -> None:
    tiny_vision.draw(tmp_path / "0.png", 0)
    rows = [{"image": "0.png", "text": "x \ud83d"}, {"image": "0.png", "text": "x"}]
    said: list[str] = []
    data = prepare(
        recipe(tiny.write_rows(tmp_path / "rows.jsonl", rows), {"instruction": INSTRUCTION}), processor, said
    )
    assert (data.counts.train_rows, data.counts.skipped_rows) == (1, 1)
    assert any(r"its text holds half a character (\ud83d)" in line for line in said)


def test_the_home_of_nobody_is_a_bad_path(tmp_path: Path) -> None:
    stored = stored_image("~no-one-of-this-name/a.png", tmp_path)
    with pytest.raises(ValueError, match=r"its image a\.png is not there"):
        image_size(stored)
