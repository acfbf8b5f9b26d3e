"""The callback and what a trainer measures, with a trainer that trains nothing; endings; the reply as it streams."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from transformers import TrainerControl, TrainerState

from cockpit.engine.chat.reply_stream import ReplyStream
from cockpit.engine.controls import Controls
from cockpit.engine.errors import RunFailure, Stopped, classify_error
from cockpit.engine.journal import Journal
from cockpit.engine.training.callback import EventCallback
from cockpit.engine.training.step_metrics import StepMetrics
from cockpit.engine.training.trainer import run_trainer
from cockpit.protocol.event_log import EventReader
from cockpit.protocol.events import (
    AnyEvent,
    EngineExited,
    Evaluated,
    LogWritten,
    PhaseStarted,
    StepEnded,
    TrainingPlanned,
)
from cockpit.recipe.document import RecipeDocument
from cockpit.runs.folder import RunDir
from tests.engine import tiny


class FakeTrainer:
    """Measures what it is told; its step ends as that of transformers does."""

    def __init__(self, losses: list[float], norm: float | None) -> None:
        self._losses = iter(losses)
        self._norm = None if norm is None else torch.tensor(norm)

    def end_step(self) -> None:
        self._get_grad_norm(None)

    def _get_grad_norm(self, model: Any, grad_norm: Any = None) -> Any:
        return self._norm

    def training_step(self, model: Any, inputs: dict[str, Any], items: int | None = None) -> torch.Tensor:
        inputs.clear()
        return torch.tensor(next(self._losses))


class Scene:
    """A callback between a journal that is read and a trainer that is none."""

    def __init__(self, folder: Path, losses: list[float], norm: float | None = 2.5, max_steps: int = 3) -> None:
        self.run = RunDir.create(folder / "run")
        self.journal = Journal(self.run)
        self.controls = Controls()
        self.trainer = run_trainer(FakeTrainer)(losses, norm)
        self.trainer.step_metrics = StepMetrics()
        self.told: list[int] = []
        self.metric: str | None = None
        self.save_strategy = "steps"
        self.callback = EventCallback(
            self.journal, self.controls, self.trainer.step_metrics, steps_per_epoch=4.5, on_step=self.told.append
        )
        self.state = TrainerState(max_steps=max_steps, global_step=0, epoch=0.0)
        self.control = TrainerControl()

    def call(self, name: str, **more: Any) -> None:
        args = SimpleNamespace(
            metric_for_best_model=self.metric,
            save_strategy=self.save_strategy,
            eval_strategy="no",
            learning_rate=0.1,
            lr_scheduler_type="linear",
        )
        getattr(self.callback, name)(args, self.state, self.control, **more)

    def step(self, batches: list[dict[str, torch.Tensor]], rate: float = 0.1) -> None:
        """One optimizer step of so many micro-steps."""
        self.call("on_step_begin")
        for index, batch in enumerate(batches):
            self.trainer.training_step(None, dict(batch))
            if index < len(batches) - 1:
                self.call("on_substep_end")
        self.trainer.end_step()
        optimizer = SimpleNamespace(param_groups=[{"lr": rate}])
        self.call("on_pre_optimizer_step", optimizer=optimizer)
        optimizer.param_groups[0]["lr"] = 99.0  # the schedule has moved on when the step ends
        self.state.global_step += 1
        self.call("on_step_end")

    def events(self, kind: type[AnyEvent] | None = None) -> list[Any]:
        found = EventReader(self.run.events).poll()
        return [event for event in found if kind is None or isinstance(event, kind)]


PADDED = {
    "input_ids": torch.tensor([[1, 2, 3, 4], [1, 2, 0, 0]]),
    "attention_mask": torch.tensor([[1, 1, 1, 1], [1, 1, 0, 0]]),
    "labels": torch.tensor([[1, -100, 3, 4], [-100, 2, -100, -100]]),
}
FLAT = {"input_ids": torch.tensor([[1, 2, 3]]), "labels": torch.tensor([[-100, 2, -100]])}
JOINED = {
    "input_ids": torch.tensor([[1, 2, 3, 4, 5, 0, 0, 0]]),
    "position_ids": torch.tensor([[0, 1, 2, 0, 1, 0, 0, 0]]),
    "labels": torch.tensor([[-100, 2, 3, -100, 5, -100, -100, -100]]),
}
"""Two rows, and padding behind them."""


def test_a_step_carries_what_its_micro_steps_were(tmp_path: Path) -> None:
    scene = Scene(tmp_path, [0.5, 0.25, 1.0, 1.0])
    scene.step([PADDED, FLAT], rate=0.1)
    scene.step([PADDED, PADDED], rate=0.2)
    first, second = scene.events(StepEnded)
    assert first.metrics == pytest.approx(
        {"loss": 0.75, "grad_norm": 2.5, "tokens_seen": 9, "trained_tokens": 4, "learning_rate": 0.1}
    )
    assert second.metrics == pytest.approx(
        {"loss": 2.0, "grad_norm": 2.5, "tokens_seen": 21, "trained_tokens": 10, "learning_rate": 0.2}
    )
    assert (first.step, first.total_steps, second.step) == (1, 3, 2)
    assert (first.batch_tokens, second.batch_tokens) == (11, 16)
    assert [event.phase for event in scene.events(PhaseStarted)] == ["compiling", "training"]
    assert scene.told == [1, 2]


def test_padding_behind_joined_rows_is_no_token_that_was_seen(tmp_path: Path) -> None:
    scene = Scene(tmp_path, [0.5])
    scene.step([JOINED], rate=0.1)
    (step,) = scene.events(StepEnded)
    assert (step.metrics["tokens_seen"], step.metrics["trained_tokens"], step.batch_tokens) == (5, 3, 8)


def test_a_figure_that_is_not_there_is_left_out(tmp_path: Path) -> None:
    scene = Scene(tmp_path, [0.5], norm=None)
    scene.step([FLAT])
    assert "grad_norm" not in scene.events(StepEnded)[0].metrics


def test_figures_that_are_no_numbers_are_null_and_said_when_they_begin_and_end(tmp_path: Path) -> None:
    nan = float("nan")
    scene = Scene(tmp_path, [nan, nan, 0.5, nan], max_steps=4)
    for _ in range(4):
        scene.step([FLAT])
    assert [event.metrics["loss"] for event in scene.events(StepEnded)] == [None, None, 0.5, None]
    assert [event.text for event in scene.events(LogWritten)] == [
        "loss is not a finite number after step 1.",
        "loss is a finite number again after step 3.",
        "loss is not a finite number after step 4.",
    ]


def test_an_evaluation_between_does_not_have_a_loss_that_is_no_number_said_again(tmp_path: Path) -> None:
    nan = float("nan")
    scene = Scene(tmp_path, [nan, nan], max_steps=2)
    for _ in range(2):
        scene.step([FLAT])
        scene.call("on_evaluate", metrics={"eval_loss": nan})
    assert [event.text for event in scene.events(LogWritten)] == [
        "loss is not a finite number after step 1.",
        "eval_loss is not a finite number after step 1.",
    ]


def test_the_plan_counts_packed_weights(tmp_path: Path) -> None:
    scene = Scene(tmp_path, [])
    model = torch.nn.Linear(4, 3, bias=False)
    packed = torch.nn.Linear(6, 1, bias=False).requires_grad_(False)
    packed.weight.quant_state = SimpleNamespace(shape=(4, 3))
    scene.call("on_train_begin", model=torch.nn.Sequential(model, packed))
    (plan,) = scene.events(TrainingPlanned)
    assert (plan.trainable_parameters, plan.total_parameters, plan.steps_per_epoch) == (12, 24, 4.5)


@pytest.mark.parametrize(
    ("strategy", "steps", "is_told"), [("no", 200, True), ("no", 199, False), ("steps", 9000, False)]
)
def test_a_long_run_without_checkpoints_is_told(tmp_path: Path, strategy: str, steps: int, is_told: bool) -> None:
    scene = Scene(tmp_path, [], max_steps=steps)
    scene.save_strategy = strategy
    scene.call("on_train_begin", model=torch.nn.Linear(4, 3))
    assert [event.text.startswith("No checkpoint is") for event in scene.events(LogWritten)] == [True] * is_told


def test_a_dropped_step_is_dropped_between_micro_steps(tmp_path: Path) -> None:
    scene = Scene(tmp_path, [0.5, 0.5])
    scene.controls.ask_stop(save=True)
    scene.trainer.training_step(None, dict(FLAT))
    scene.call("on_substep_end")
    assert not scene.control.should_training_stop
    scene.controls.ask_stop(save=False)
    scene.controls.ask_stop(save=True)
    scene.call("on_substep_end")
    assert scene.control.should_training_stop
    assert scene.callback.dropped
    assert scene.events(StepEnded) == []


def test_a_stop_waits_for_the_step_and_leaves_a_checkpoint_to_go_on_from(tmp_path: Path) -> None:
    scene = Scene(tmp_path, [0.5])
    scene.control.should_save = scene.control.should_evaluate = True
    scene.controls.ask_stop(save=True)
    scene.step([FLAT])
    control = scene.control
    assert (control.should_training_stop, control.should_save, control.should_evaluate) == (True, True, False)
    assert not scene.callback.dropped
    with pytest.raises(Stopped):
        scene.call("on_prediction_step")


def test_an_evaluation_tells_its_measures(tmp_path: Path) -> None:
    scene = Scene(tmp_path, [])
    scene.callback.evaluation_begins()
    scene.call("on_prediction_step", eval_dataloader=[1, 2])
    measures = {
        "eval_loss": 1.5,
        "eval_runtime": 3.0,
        "eval_samples_per_second": 2.0,
        "epoch": 1.0,
        "eval_x": float("nan"),
    }
    scene.call("on_evaluate", metrics=measures)
    (measured,) = scene.events(Evaluated)
    assert (measured.step, measured.metrics) == (0, {"eval_loss": 1.5, "eval_x": None})
    assert [event.text for event in scene.events(LogWritten)] == ["eval_x is not a finite number after step 0."]
    assert scene.callback.evaluated_at == 0


def test_a_metric_that_no_evaluation_gives_fails_the_run_at_the_first(tmp_path: Path) -> None:
    scene = Scene(tmp_path, [])
    scene.metric = "eval_bleu"
    with pytest.raises(RunFailure, match="gives no eval_bleu, only: eval_loss"):
        scene.call("on_evaluate", metrics={"eval_loss": 1.5, "eval_runtime": 3.0})


def test_a_closed_journal_takes_nothing_more(tmp_path: Path) -> None:
    scene = Scene(tmp_path, [])
    scene.journal.emit(EngineExited(reason="done"))
    scene.journal.close()
    scene.journal.log("info", "late")
    scene.journal.close()
    assert [type(event) for event in scene.events()] == [EngineExited]


@pytest.mark.parametrize(
    ("error", "outcome", "reason", "advice"),
    [
        (Stopped(), "stopped", "", ""),
        (RunFailure("It is\n\x1b[31mbroken.", "Mend it."), "failed", "It is broken.", "Mend it."),
        (
            torch.OutOfMemoryError("CUDA out of memory"),
            "out_of_memory",
            "Memory of the GPU ran out.",
            "lora.r (now 16)",
        ),
        (MemoryError(), "out_of_memory", "Memory of the machine ran out.", "max_length (now 2,048)"),
        (RuntimeError("DefaultCPUAllocator: can't allocate memory"), "out_of_memory", "Memory of the machine", "nf4"),
        (ValueError("\n  first line\nsecond"), "failed", "ValueError: first line", "engine.log"),
        (KeyboardInterrupt(), "failed", "KeyboardInterrupt", "engine.log"),
        (OSError(28, "No space left on device", "/x/y"), "failed", "The disk is full (/x/y).", "cockpit resume"),
        (ValueError("x" * 1000), "failed", "xxx…", "engine.log"),
    ],
)
def test_what_an_exception_means_for_the_run(
    error: BaseException, outcome: str, reason: str, advice: str, tmp_path: Path
) -> None:
    text = tiny.recipe_text(tmp_path, tmp_path / "x.jsonl", model__max_seq_length=2048, lora__r=16)
    ended = classify_error(error, RecipeDocument.parse(text, "x").recipe(), 7)
    assert (ended.outcome, ended.step) == (outcome, 7)
    assert reason in ended.reason and bool(reason) is bool(ended.reason)
    assert advice in ended.advice
    assert classify_error(error, None, 7).outcome == outcome


def test_a_reply_grows_by_whole_characters() -> None:
    tokenizer = tiny.make_tokenizer()
    grown: list[str] = []
    text = "ünï — 日本 🏴‍☠️ arr"
    stream = ReplyStream(tokenizer, lambda answer, thinking, tokens: grown.append(answer))
    stream.put(torch.tensor([[1, 2]]))
    for token in tokenizer(text, add_special_tokens=False)["input_ids"]:
        stream.put(torch.tensor([token]))
    stream.put(torch.tensor([tokenizer.eos_token_id]))
    stream.end()
    assert "".join(grown) == text
    assert not any("�" in piece for piece in grown)
    assert stream.last_token == tokenizer.eos_token_id
