"""An ejected script trains what the run has trained: the same losses, step by step, to the last digit."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from cockpit.ejecting.script import script_of
from cockpit.protocol.events import Evaluated, StepEnded
from cockpit.recipe.document import RecipeDocument
from tests.engine import tiny
from tests.engine.conftest import HostedRun

WORDS = ["what", "is", "the", "name", "of", "a", "colour", "day", "red", "blue", "cat", "arr", "matey", "yes"]


def words(number: int, count: int) -> str:
    return " ".join(WORDS[(number * 7 + at * at) % len(WORDS)] for at in range(count))


def talk(folder: Path) -> Path:
    """Conversations of several turns, some too long, some without an answer or with one that is empty."""
    rows: list[dict[str, Any]] = []
    for number in range(30):
        turns = tiny.pair(words(number, 3), words(number, 1 + number * 5 % 30))
        turns += tiny.pair(words(number + 1, 2), words(number, 4)) if number % 3 == 0 else []
        turns += [{"role": "user", "content": "and what then"}] if number % 5 == 0 else []
        system = [{"role": "system", "content": "say arr"}] if number % 4 == 0 else []
        rows.append({"messages": [*system, *turns]})
    rows[6] = {"messages": [{"role": "assistant", "content": "nobody asked"}, *tiny.pair("so", "no")]}
    rows[7] = {"messages": [{"role": "user", "content": "nobody answers"}]}
    rows[8] = {"messages": tiny.pair("nothing is said", "")}
    rows[9] = {"messages": [{"role": "stranger", "content": "who is it"}, {"role": "assistant", "content": "no"}]}
    return tiny.write_rows(folder / "talk.jsonl", rows)


def shared(folder: Path) -> Path:
    """ShareGPT's turns, with system words in a column of their own."""
    return tiny.write_rows(
        folder / "shared.jsonl",
        [
            {
                "conversations": [{"from": "human", "value": words(n, 4)}, {"from": "gpt", "value": words(n, 6)}],
                "system": "be short" if n % 2 else "",
            }
            for n in range(24)
        ],
    )


def pairs(folder: Path) -> Path:
    """Alpaca's columns."""
    rows = [
        {"instruction": words(n, 3), "input": words(n, 2) if n % 3 else n, "output": words(n, 5)} for n in range(16)
    ]
    return tiny.write_rows(folder / "pairs.jsonl", rows)


def texts(folder: Path) -> Path:
    """Texts, of which some are split."""
    return tiny.write_rows(folder / "texts.jsonl", [{"text": words(n, 4 + n * 13 % 90)} for n in range(20)])


def chat(folder: Path) -> dict[str, Any]:
    sources = [{"name_or_path": str(talk(folder)), "format": "messages"}]
    return {"data__sources": sources, "data__train_on": "last_answer", "training__eval_steps": 2}


def plain_text(folder: Path) -> dict[str, Any]:
    return {"method": "pretraining", "data__sources": [{"name_or_path": str(texts(folder)), "format": "text"}]}


def mixture(folder: Path) -> dict[str, Any]:
    sources: list[dict[str, Any]] = [
        {"name_or_path": str(shared(folder)), "format": "sharegpt", "max_rows": 20},
        {"name_or_path": str(pairs(folder)), "format": "alpaca", "ratio": 0.5},
        {"name_or_path": str(texts(folder)), "format": "text", "ratio": 0.4},
    ]
    replay = {"name_or_path": str(talk(folder)), "share": 0.2}
    held_out = {"data__eval_rows": 0, "data__eval_share": 0.1}
    return {"data__sources": sources, "data__replay": replay, "data__duplicates": "drop", **held_out}


def packing(folder: Path) -> dict[str, Any]:
    measured = {"name_or_path": str(shared(folder)), "max_rows": 6}
    data = {"data__sources": [{"name_or_path": str(talk(folder))}], "data__eval_rows": 0, "data__validation": measured}
    return {**data, "training__packing": True, "training__gradient_checkpointing": "reentrant"}


def preferences(folder: Path) -> dict[str, Any]:
    """Pairs of texts and of whole conversations; some are equal, too long, or no answers to one prompt."""
    texts = [
        {"prompt": words(n, 3), "chosen": words(n, 5), "rejected": words(n + 1, 1 + n * 7 % 40)} for n in range(20)
    ]
    texts[3]["rejected"] = texts[3]["chosen"]
    texts[4]["chosen"] = ""
    for row in texts[::3]:
        row["system"] = "say arr"
    whole: list[dict[str, Any]] = []
    for n in range(12):
        before = [*tiny.pair(words(n, 2), words(n, 3)), {"role": "user", "content": words(n, 4)}]
        told = [[*before, {"role": "assistant", "content": words(n + side, 5 + side)}] for side in (0, 1)]
        whole.append({"chosen": told[0], "rejected": told[1] if n != 5 else tiny.pair("another", "prompt")})
    sources = [
        {"name_or_path": str(tiny.write_rows(folder / "pairs.jsonl", texts)), "format": "preference"},
        {"name_or_path": str(tiny.write_rows(folder / "whole.jsonl", whole)), "format": "preference"},
    ]
    own = {"beta": 0.2, "rpo_alpha": 0.5}
    return {"method": "dpo", "dpo": own, "data__sources": sources, "training__pad_to_multiple_of": 32}


def odds(folder: Path) -> dict[str, Any]:
    """The same pairs, learnt without a reference."""
    changes = preferences(folder)
    del changes["dpo"]
    return {**changes, "method": "orpo", "orpo": {"beta": 0.2, "disable_dropout": False}}


def marked(folder: Path) -> dict[str, Any]:
    """Answers with a mark: texts, and turns after prompts that hold answers too; some without a mark."""
    rows: list[dict[str, Any]] = []
    for n in range(24):
        before = [*tiny.pair(words(n, 2), words(n, 3)), {"role": "user", "content": words(n, 4)}]
        asked = before if n % 4 == 0 else [{"role": "user", "content": words(n, 3)}]
        told = [{"role": "assistant", "content": words(n, 1 + n * 5 % 30)}]
        rows.append({"prompt": asked, "completion": told, "label": n % 3 == 0 if n != 7 else None})
    sources = [{"name_or_path": str(tiny.write_rows(folder / "marked.jsonl", rows)), "format": "labelled"}]
    return {"method": "kto", "kto": {"beta": 0.2, "undesirable_weight": 1.5}, "data__sources": sources}


def both(folder: Path) -> dict[str, Any]:
    """Both answers of each pair, marked."""
    changes = preferences(folder)
    del changes["dpo"]
    return {**changes, "method": "kto", "kto": {"loss_type": "apo_zero_unpaired"}}


@pytest.mark.parametrize("changes", [chat, plain_text, mixture, packing, preferences, odds, marked, both])
def test_the_losses_are_the_same(
    hosted: Callable[..., HostedRun],
    model: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    changes: Callable[[Path], dict[str, Any]],
) -> None:
    changed = changes(tmp_path)
    more = {"lora__lora_dropout": 0.1, "training__num_train_epochs": 1.0, "training__warmup_steps": 1}
    text = tiny.recipe_text(model, Path("none"), backend="transformers", **{**more, **changed})
    run = hosted(text=text)
    run.until_ended()
    losses = [event.metrics["loss"] for event in run.all(StepEnded)]
    measured = [event.metrics["eval_loss"] for event in run.all(Evaluated)]
    run.close()
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "")
    script = script_of(RecipeDocument.parse(text, "tiny.yaml").recipe(), "tiny", {})
    names: dict[str, Any] = {"__name__": "__main__"}
    exec(compile(script, "ejected.py", "exec"), names)
    log = names["trainer"].state.log_history
    assert [entry["loss"] for entry in log if "loss" in entry] == losses
    assert [entry["eval_loss"] for entry in log if "eval_loss" in entry] == measured
    assert len(losses) == 6
    assert (tmp_path / "tiny-adapter" / "adapter_config.json").is_file()
