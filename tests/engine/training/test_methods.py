"""Each kind of training by the real trainer: what it learns from, its figures, and a resume equal to the bit."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from cockpit.protocol.events import DataPrepared, RunEnded, TrainingPlanned
from tests.engine import tiny
from tests.engine.conftest import HostedRun
from tests.engine.training.resuming import figures, stopped, until_second_end, whole

Hosted = Callable[..., HostedRun]
SHORT = {"training__max_steps": 6, "lora__lora_dropout": 0.1, "data__eval_rows": 4}


@pytest.fixture(scope="session")
def texts(folder: Path) -> Path:
    """Plain texts."""
    rows = [
        {"text": f"the name of the colour is {colour} on day {day}"} for day in range(6) for colour in ("red", "blue")
    ]
    return tiny.write_rows(folder / "texts.jsonl", rows)


def gone_on_with(hosted: Hosted, data: Path, changes: dict[str, Any], after: int = 3) -> tuple[HostedRun, HostedRun]:
    """An undisturbed run, and one that was stopped and resumed: their figures are the same to the bit."""
    changes = {**changes, "data": data}
    undisturbed = whole(hosted, changes)
    first = stopped(hosted, after, **changes)
    again = hosted(resumed=first.run, **changes)
    until_second_end(again)
    assert figures(again) == figures(undisturbed)
    return undisturbed, again


def test_pretraining_learns_texts_whole_and_embeddings_at_a_rate_of_their_own(hosted: Hosted, texts: Path) -> None:
    changes = {
        **SHORT,
        "method": "pretraining",
        "lora__modules_to_save": ["embed_tokens", "lm_head"],
        "lora__r": 2,
        "pretraining__embedding_learning_rate": 0.001,
    }
    run, _ = gone_on_with(hosted, texts, changes)
    (prepared,) = run.all(DataPrepared)
    assert prepared.trained_tokens == prepared.tokens - prepared.train_rows, "all but the first token of each"
    assert run.all(TrainingPlanned)[0].trainable_parameters > 330 * 64, "the embeddings too"
    assert [event.outcome for event in run.all(RunEnded)] == ["completed"]
