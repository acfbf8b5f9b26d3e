"""The loss by row: against a forward pass of each row by hand, padded, joined and packed, and after a resume"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import msgspec
import pytest
import torch
from transformers import TrainerControl, TrainerState, TrainingArguments

from cockpit.data.row_losses import RowLoss, StepRows
from cockpit.engine.data.row_names import RowNames
from cockpit.engine.errors import RunFailure
from cockpit.engine.training.row_losses import RowLossWriter
from cockpit.protocol.events import LogWritten, StepEnded
from cockpit.runs.checkpoint import checkpoints
from tests.engine import tiny
from tests.engine.conftest import HostedRun
from tests.engine.training.resuming import stopped, until_second_end

Hosted = Callable[..., HostedRun]
ROWS = 40
KEPT: dict[str, Any] = {"output__row_losses": True, "data__eval_rows": 0, "data__on_bad_row": "skip"}


def kept(run: HostedRun) -> list[StepRows]:
    lines = run.run.row_losses.read_bytes().splitlines()
    return [msgspec.json.decode(line, type=StepRows) for line in lines]


@pytest.fixture(scope="module")
def data(folder: Path) -> Path:
    """Rows of different lengths."""
    rows = [{"messages": tiny.pair(f"what {'red ' * (i % 7)}{i}", f"arr {'blue ' * (i % 5)}{i}")} for i in range(ROWS)]
    return tiny.write_rows(folder / "row-losses.jsonl", rows)


def by_hand(model: Path, data: Path) -> dict[str, tuple[float, int]]:
    """Of each row alone: its loss before any training, and the tokens that have one."""
    import json

    import torch
    from transformers import AutoModelForCausalLM

    base, tokenizer = AutoModelForCausalLM.from_pretrained(model).eval(), tiny.make_tokenizer()
    found = {}
    for number, line in enumerate(data.read_text().splitlines(), 1):
        turns = json.loads(line)["messages"]
        whole = tokenizer.apply_chat_template(turns, tokenize=False)
        asked = tokenizer.apply_chat_template(turns[:1], tokenize=False, add_generation_prompt=True)
        ids = tokenizer(whole, add_special_tokens=False, return_tensors="pt", return_offsets_mapping=True)
        end = whole.rindex("<|im_end|>") + len("<|im_end|>")
        labels = ids.input_ids.clone()
        for at, (begin, stop) in enumerate(ids.offset_mapping[0].tolist()):
            if begin < len(asked) or stop > end:
                labels[0, at] = -100
        with torch.no_grad():
            loss = base(input_ids=ids.input_ids, labels=labels).loss
        found[f"{data}:{number}"] = (float(loss), int((labels[:, 1:] != -100).sum()))
    return found


@pytest.mark.parametrize(
    "changes",
    [
        {},
        {"training__padding_free": True},
        {"training__padding_free": True, "training__pad_to_multiple_of": 64},
        {"training__packing": True, "training__max_steps": 2},
    ],
    ids=["padded", "joined", "joined and padded", "packed"],
)
def test_each_row_has_the_loss_that_it_has_alone(
    hosted: Hosted, model: Path, data: Path, changes: dict[str, Any]
) -> None:
    """The first step's rows, as the weights are those of the base; of every step, the mean over all tokens."""
    run = hosted(data=data, **KEPT, **changes)
    run.until_ended()
    run.close()
    alone, found = by_hand(model, data), kept(run)
    assert not any(event.level == "warning" for event in run.all(LogWritten))
    ended = run.all(StepEnded)
    assert [one.step for one in found] == [event.step for event in ended]
    assert len(found[0].rows) >= 4
    names = {Path(name).name: value for name, value in alone.items()}
    for row in found[0].rows:
        assert (row.loss, row.tokens) == pytest.approx(names[Path(row.where).name], abs=2e-5)
    for one, event in zip(found, ended, strict=True):
        tokens = sum(row.tokens for row in one.rows)
        mean = sum((row.loss or 0.0) * row.tokens for row in one.rows) / tokens
        assert mean == pytest.approx(event.figures["loss"], abs=2e-5)


def test_steps_that_are_taken_anew_count_once_and_the_others_stay(hosted: Hosted, data: Path) -> None:
    first = stopped(hosted, 3, data=data, **KEPT, training__max_steps=8)
    (point,) = [one.step for one in checkpoints(first.run.checkpoints)]
    before = kept(first)
    with first.run.row_losses.open("ab") as stream:  # as if it had gone on, and was killed while it wrote
        later = StepRows(point + 1, [RowLoss("of the earlier attempt", 9.0, 3)])
        stream.write(msgspec.json.encode(later) + b'\n{"step": 9, "ro')
    again = hosted(resumed=first.run, data=data, **KEPT, training__max_steps=8)
    until_second_end(again)
    found = kept(again)
    assert [one.step for one in found] == list(range(1, 9))
    assert found[:point] == before[:point]
    assert not any(row.where == "of the earlier attempt" for one in found for row in one.rows)


def test_a_run_that_is_not_asked_for_it_keeps_none(hosted: Hosted) -> None:
    run = hosted(training__max_steps=1)
    run.until_ended()
    assert not run.run.row_losses.exists()


class Model(torch.nn.Module):  # type: ignore[misc]
    """Gives what it is told to."""

    def __init__(self, output: dict[str, Any]) -> None:
        super().__init__()
        self.output = SimpleNamespace(**output)

    def forward(self, **batch: torch.Tensor) -> SimpleNamespace:
        return self.output


@pytest.fixture
def step(tmp_path: Path) -> Callable[[dict[str, Any]], list[RowLoss]]:
    """A step of two tokens with loss, by a model that gives this output; what was kept of it."""
    names = SimpleNamespace(where=lambda ids, labels: "a row")
    writer = RowLossWriter(tmp_path / "row_losses.jsonl", cast(RowNames, names), lambda text: None)
    batch = {"input_ids": torch.tensor([[1, 2, 3, 4]]), "labels": torch.tensor([[-100, -100, 3, 4]])}

    def taken(output: dict[str, Any]) -> list[RowLoss]:
        model = Model(output)
        writer.listen(model, gives_no_logits=False)
        writer.take_batch(batch)
        model(**batch)
        state = TrainerState(global_step=1)
        writer.on_step_end(TrainingArguments(output_dir=str(tmp_path), use_cpu=True), state, TrainerControl())
        return msgspec.json.decode((tmp_path / "row_losses.jsonl").read_bytes(), type=StepRows).rows

    return taken


Step = Callable[[dict[str, Any]], list[RowLoss]]


def test_log_probabilities_are_taken_as_they_are(step: Step) -> None:
    told = {"log_probs": torch.tensor([[-9.0, -2.0, -4.0]]), "loss": torch.tensor(3.0)}
    assert step(told) == [RowLoss("a row", 3.0, 2)]


def test_a_model_that_tells_of_no_token_is_refused_in_a_sentence(step: Step) -> None:
    with pytest.raises(RunFailure, match=r"does not give the loss of single tokens"):
        step({"loss": torch.tensor(3.0), "logits": None})


def test_logits_give_the_loss(step: Step) -> None:
    logits = torch.zeros(1, 4, 8)
    assert step({"loss": torch.tensor(8.0).log(), "logits": logits})[0].loss == pytest.approx(2.0794415)


def test_a_loss_that_is_not_the_mean_over_its_tokens_is_refused(step: Step) -> None:
    with pytest.raises(RunFailure, match=r"loss is not the mean over its tokens"):
        step({"loss": torch.tensor(3.0), "logits": torch.zeros(1, 4, 8)})
