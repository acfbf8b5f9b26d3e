"""Where rows come from: folders with splits, datasets of the Hub, mixtures by ratio."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Any

import datasets
import msgspec
import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from datasets.exceptions import DatasetNotFoundError

from cockpit.data.files import recognise, split_files
from cockpit.engine.beginning import data_hashes
from cockpit.engine.data import row_source
from cockpit.engine.data.prepare import PreparedData, prepare_data
from cockpit.engine.errors import RunFailure
from cockpit.recipe.data import Columns
from cockpit.recipe.document import RecipeDocument
from tests.engine import tiny, tiny_vision


def prepare(sources: list[dict[str, Any]], said: list[str] | None = None, **changes: Any) -> PreparedData:
    changes = {"data__sources": sources, "data__eval_rows": 0, **changes}
    text = tiny.recipe_text(Path("model"), Path("none"), backend="transformers", **changes)
    recipe = RecipeDocument.parse(text, "test").recipe()
    heard = said if said is not None else []
    return prepare_data(recipe, tiny.make_tokenizer(), heard.append, lambda done, total: None)


def pairs(count: int, start: int = 0) -> list[dict[str, str]]:
    return [{"question": f"what is {n}", "answer": f"arr {n}"} for n in range(start, start + count)]


def answers(data: PreparedData) -> list[int]:
    """The numbers that the rows answer with, in their order."""
    tokenizer = tiny.make_tokenizer()
    texts = [tokenizer.decode([token for token in row["labels"] if token >= 0]) for row in data.train]
    return [int(text.removeprefix("arr ").removesuffix("<|im_end|>")) for text in texts]


def test_a_mixture_is_drawn_and_shuffled_as_in_the_walk_through(tmp_path: Path) -> None:
    """Of the chat rows len(reasoning) x 0.25, those that pandas samples with the seed; all of them shuffled."""
    reasoning = tiny.write_rows(tmp_path / "reasoning.jsonl", pairs(101))
    chat = tiny.write_rows(tmp_path / "chat.jsonl", pairs(90, start=1000))
    said: list[str] = []
    sources: list[dict[str, Any]] = [{"name_or_path": str(reasoning)}, {"name_or_path": str(chat), "ratio": 0.25}]
    found = answers(prepare(sources, said))
    drawn = sorted(pd.Series(range(1000, 1090)).sample(int(101 * (1 - 0.75)), random_state=42))
    assert sorted(found) == [*range(101), *drawn]
    joined = [*range(101), *drawn]
    assert found == datasets.Dataset.from_dict({"n": joined}).shuffle(seed=42)["n"][:]
    assert said == ["Of chat.jsonl, 25 of 90 rows are drawn."]
    assert answers(prepare(sources)) == found
    assert answers(prepare(sources, data__seed=7)) != found


def test_a_source_with_too_few_rows_gives_what_it_has(tmp_path: Path) -> None:
    first = tiny.write_rows(tmp_path / "a.jsonl", pairs(20))
    second = tiny.write_rows(tmp_path / "b.jsonl", pairs(3, start=100))
    said: list[str] = []
    data = prepare([{"name_or_path": str(second), "ratio": 2.0}, {"name_or_path": str(first)}], said)
    assert data.counts.train_rows == 23
    assert said == ["Of b.jsonl, 3 of 3 rows are drawn: there are no 40."]
    with pytest.raises(RunFailure, match=r"A ratio of 0\.01 to 20 rows takes no row of b\.jsonl"):
        prepare([{"name_or_path": str(first)}, {"name_or_path": str(second), "ratio": 0.01}])


def test_rows_that_cannot_be_read_are_not_drawn(tmp_path: Path) -> None:
    first = tiny.write_rows(tmp_path / "a.jsonl", pairs(8))
    second = tiny.write_rows(tmp_path / "b.jsonl", pairs(4, start=100))
    second.write_text("truncated\n" + second.read_text())
    data = prepare([{"name_or_path": str(first)}, {"name_or_path": str(second), "ratio": 0.5}])
    assert sorted(answers(data)) == [*range(8), 100, 101, 102, 103]


def test_splits_of_a_folder(tmp_path: Path) -> None:
    for n in range(2):
        pq.write_table(pa.Table.from_pylist(pairs(3, start=3 * n)), tmp_path / f"train-0000{n}-of-00002.parquet")
    tiny.write_rows(tmp_path / "test.jsonl", pairs(2, start=50))
    assert [path.name for path in split_files(tmp_path, "train")][1] == "train-00001-of-00002.parquet"
    assert recognise(tmp_path, Columns(), "auto").rows == 6
    assert answers(prepare([{"name_or_path": str(tmp_path)}])) == [*range(6)]
    assert answers(prepare([{"name_or_path": str(tmp_path), "split": "test"}])) == [50, 51]
    with pytest.raises(RunFailure, match="has no split called dev; it has test, train"):
        prepare([{"name_or_path": str(tmp_path), "split": "dev"}])
    with pytest.raises(RunFailure, match=r"test\.jsonl is a file, which has no splits; leave split as train"):
        prepare([{"name_or_path": str(tmp_path / "test.jsonl"), "split": "test"}])
    (tmp_path / "empty").mkdir()
    with pytest.raises(RunFailure, match="empty is a folder without data"):
        prepare([{"name_or_path": str(tmp_path / "empty")}])


def test_what_the_datasets_library_has_saved(tmp_path: Path) -> None:
    splits = {"train": datasets.Dataset.from_list(pairs(5)), "test": datasets.Dataset.from_list(pairs(2, start=9))}
    datasets.DatasetDict(splits).save_to_disk(tmp_path / "saved")
    assert answers(prepare([{"name_or_path": str(tmp_path / "saved")}])) == [*range(5)]
    assert answers(prepare([{"name_or_path": str(tmp_path / "saved"), "split": "test"}])) == [9, 10]


def test_the_start_of_a_run_tells_the_hash_of_each_file(tmp_path: Path) -> None:
    first = tiny.write_rows(tmp_path / "a.jsonl", pairs(2))
    folder = tmp_path / "several"
    folder.mkdir()
    for n in range(2):
        tiny.write_rows(folder / f"test-{n}.jsonl", pairs(1 + n))
    sources = [{"name_or_path": str(first)}, {"name_or_path": str(folder), "split": "test"}, {"name_or_path": "o/r"}]
    text = tiny.recipe_text(Path("m"), first, data__sources=sources)
    hashes = data_hashes(RecipeDocument.parse(text, "t").recipe())
    assert list(hashes) == [str(first), f"{folder}: test-0.jsonl", f"{folder}: test-1.jsonl"]
    assert hashes[str(first)] == hashlib.sha256(first.read_bytes()).hexdigest()


def test_a_file_whose_name_is_not_utf_8_can_be_told_of(tmp_path: Path) -> None:
    folder = tmp_path / "mine" / "train"
    folder.mkdir(parents=True)
    tiny.write_rows(folder / "a\udcff.jsonl", pairs(1))
    text = tiny.recipe_text(Path("m"), folder, data__sources=[{"name_or_path": str(folder.parent)}])
    hashes = data_hashes(RecipeDocument.parse(text, "t").recipe())
    assert msgspec.json.encode(hashes).startswith(b'{"' + str(folder.parent).encode() + b": a.jsonl")


class FakeHub:
    """Stands in for datasets.load_dataset: hands out rows, or raises."""

    def __init__(self, outcome: Any) -> None:
        self.outcome = outcome
        self.asked: list[tuple[Any, ...]] = []

    def __call__(self, name: str, subset: str | None = None, *, data_files: str | None, split: str) -> Any:
        self.asked.append((name, subset, data_files, split))
        if isinstance(self.outcome, Exception):
            raise self.outcome
        return self.outcome


@pytest.fixture
def hub(monkeypatch: pytest.MonkeyPatch) -> Any:
    def put(outcome: Any) -> FakeHub:
        fake = FakeHub(outcome)
        monkeypatch.setattr(datasets, "load_dataset", fake)
        return fake

    return put


def test_a_dataset_of_the_hub(hub: Any) -> None:
    fake = hub(datasets.Dataset.from_list(pairs(7)))
    said: list[str] = []
    source = {"name_or_path": "owner/rows", "subset": "main", "file": "a.jsonl", "split": "train[:7]", "max_rows": 5}
    data = prepare([source], said)
    assert fake.asked == [("owner/rows", "main", "a.jsonl", "train[:7]")]
    assert answers(data) == [*range(5)]
    assert len(data.counts.sha256) == 64
    assert said == ["Fetching owner/rows from the Hub, where it is not in the cache here."]


def places(data: PreparedData) -> set[str | None]:
    """Where the rows that are trained on stand."""
    assert data.names is not None
    names = data.names()
    return {names.where(np.array(row["input_ids"]), np.array(row["labels"])) for row in data.train}


def test_files_of_one_base_name_are_told_apart(tmp_path: Path) -> None:
    paths = [tmp_path / name for name in ("one/de/rows.jsonl", "two/de/rows.jsonl", "other.jsonl")]
    for at, path in enumerate(paths):
        path.parent.mkdir(parents=True, exist_ok=True)
        tiny.write_rows(path, [*pairs(2, start=at * 100), {"question": "x", "answer": ""}])
    said: list[str] = []
    data = prepare([{"name_or_path": str(path)} for path in paths], said, data__on_bad_row="skip")
    assert places(data) == {f"{name}:{line}" for name in ("one/de/rows.jsonl", "two/de/rows.jsonl", "other.jsonl")
                            for line in (1, 2)}  # fmt: skip
    assert "Row left out: two/de/rows.jsonl:3: answer is empty." in said
    alone = prepare([{"name_or_path": str(paths[0])}], said, data__on_bad_row="skip")
    assert places(alone) == {"rows.jsonl:1", "rows.jsonl:2"}, "kept rows of the other names are not taken for these"


def test_parts_of_one_dataset_of_the_hub_are_told_apart(hub: Any) -> None:
    hub(datasets.Dataset.from_list(pairs(2)))
    both = [{"name_or_path": "owner/rows", "subset": "de"}, {"name_or_path": "owner/rows", "subset": "fr", "ratio": 1}]
    text = tiny.recipe_text(Path("m"), Path("n"), data__sources=both)
    sources = RecipeDocument.parse(text, "t").recipe().data.sources
    opened = row_source.open_sources(sources, lambda text: None)
    assert [where for rows in opened for where, _ in rows.rows(lambda error: None)] == [
        *("owner/rows (de train) row 1", "owner/rows (de train) row 2"),
        *("owner/rows (fr train) row 1", "owner/rows (fr train) row 2"),
    ]


def test_bad_rows_of_a_dataset_of_the_hub_have_a_place(hub: Any) -> None:
    hub(datasets.Dataset.from_list([*pairs(3), {"question": "x", "answer": ""}]))
    said: list[str] = []
    assert prepare([{"name_or_path": "owner/rows"}], said).counts.skipped_rows == 1
    assert said[-1] == "Row left out: owner/rows row 4: answer is empty."


def test_nulls_that_a_dataset_of_the_hub_fills_up_with_are_gone(hub: Any) -> None:
    rows = [{"prompt": "q", "completion": "a", "tools": [{"name": name, "parameters": {name: {"type": "string"}}}]}
            for name in ("town", "day")]  # fmt: skip
    table = pa.Table.from_pylist(rows)
    assert table.to_pylist()[0]["tools"][0]["parameters"] == {"town": {"type": "string"}, "day": None}
    hub(datasets.Dataset(table))
    source = RecipeDocument.parse(
        tiny.recipe_text(Path("m"), Path("n"), data__sources=[{"name_or_path": "owner/rows"}]), "t"
    ).recipe()
    opened = row_source.open_source(source.data.sources[0], lambda text: None)
    assert [row for _, row in opened.rows(lambda error: None)] == rows


def test_images_of_a_dataset_of_the_hub_are_left_as_they_are_stored(hub: Any, tmp_path: Path) -> None:
    content = tiny_vision.draw(tmp_path / "a.png").read_bytes()
    rows = datasets.Dataset.from_list([{"image": {"bytes": content, "path": None}, "text": "x"}] * 3)
    hub(rows.cast_column("image", datasets.Image()))
    source = RecipeDocument.parse(
        tiny.recipe_text(Path("m"), Path("n"), data__sources=[{"name_or_path": "owner/rows"}]), "t"
    ).recipe()
    opened = row_source.open_source(source.data.sources[0], lambda text: None)
    assert (opened.form.form, opened.form.has_images) == ("image_text", True)
    (_, row), *_ = opened.rows(lambda error: None)
    assert row["image"]["bytes"] == content


HUB_ERRORS = [
    (
        DatasetNotFoundError("Dataset 'o/r' is a gated dataset on the Hub. Visit the page to ask for access."),
        "The dataset o/r is gated: its owner has to let you in.",
    ),
    (DatasetNotFoundError("Dataset 'o/r' doesn't exist"), "There is no dataset o/r on the Hub, or it is private."),
    (
        ConnectionError("Couldn't reach 'o/r' on the Hub (OfflineModeIsEnabled)"),
        "The dataset o/r is not in the cache here, and the Hub cannot be reached: Couldn't reach 'o/r' on the Hub",
    ),
    (
        ValueError("BuilderConfig 'x' not found. Available: ['a', 'b']"),
        "The dataset o/r has several subsets, and none was given: BuilderConfig 'x' not found. Available: ['a', 'b']",
    ),
    (
        ValueError("Unknown split \"train\". Should be one of ['test']."),
        "The dataset o/r has no split train: Unknown split \"train\". Should be one of ['test'].",
    ),
    (RuntimeError("Dataset scripts are no longer supported"), "The dataset o/r cannot be loaded: Dataset scripts"),
    (OSError(28, "No space left on device"), "The dataset o/r cannot be loaded: "),
]


@pytest.mark.parametrize(("error", "said"), HUB_ERRORS, ids=[said[:40] for _, said in HUB_ERRORS])
def test_a_dataset_that_cannot_be_had_is_told_in_a_sentence(error: Exception, said: str, hub: Any) -> None:
    hub(error)
    with pytest.raises(RunFailure) as failure:
        prepare([{"name_or_path": "o/r"}])
    assert str(failure.value).startswith(said)
    assert "\n" not in str(failure.value)


def test_offline_the_library_itself_says_that_it_cannot_be_had(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(datasets.config, "HF_HUB_OFFLINE", True)
    monkeypatch.setattr(datasets.config, "HF_DATASETS_CACHE", str(tmp_path))
    with pytest.raises(RunFailure, match="The dataset o/r is not in the cache here, and the Hub cannot be reached"):
        prepare([{"name_or_path": "o/r"}])


def test_the_permutation_is_that_of_datasets() -> None:
    """What makes a mixture's order that of Dataset.shuffle."""
    theirs = datasets.Dataset.from_dict({"n": range(50)}).shuffle(seed=5)["n"][:]
    assert np.random.default_rng(5).permutation(50).tolist() == theirs


def test_lists_are_known_as_datasets_3_has_them(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delattr(datasets, "List")
    words, images = datasets.Value("string"), [datasets.Image()]
    assert row_source.without_decoding(words) is words
    assert row_source.without_decoding([words]) == [words]
    assert row_source.without_decoding(images) == [datasets.Image(decode=False)]
