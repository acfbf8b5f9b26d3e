"""Recorded runs for tests and pictures: the same every time, with every ending, with GPUs and without."""

from __future__ import annotations

import math
import os
import random
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

import msgspec

from cockpit.protocol import event_lines
from cockpit.protocol import events as ev
from cockpit.recipe.methods.method import LOSS, Method, MethodName
from cockpit.recipe.methods.registry import METHODS
from cockpit.recipe.methods.sft import SFT
from cockpit.runs.folder import RunDir
from cockpit.runs.liveness import EngineIdentity

Ending = Literal["going", "completed", "stopped", "failed", "out_of_memory", "lost", "silent"]
"""going, lost and silent: the log stops without an end; engine.json says why."""

BEGAN = 1_763_682_540.0
"""When every recorded run began: 2025-11-20 23:49 UTC."""

RECIPE = """\
schema: 1
method: sft
about:
  title: A pirate in one minute
  description: Teaches the small embedded model to talk like a pirate.
  needs: CPU
  duration: 1 min on 2 CPU cores
model:
  name_or_path: embedded:demo
  max_seq_length: 128
lora:
  r: 16
data:
  sources:
    - name_or_path: embedded:pirate
  eval_rows: 64
training:
  per_device_train_batch_size: 16
  gradient_accumulation_steps: 1
  max_steps: 300
  learning_rate: 2e-4
  lr_scheduler_type: linear
  warmup_steps: 15
  eval_steps: 60
chat:
  presets:
    - name: greedy
      do_sample: false
      max_new_tokens: 64
    - name: lively
      temperature: 0.9
      top_p: 0.95
  trial_prompt: What is the capital of Veldoria?
"""

BEFORE_TRAINING: list[tuple[ev.Phase, float, str]] = [
    ("importing", 21.4, "unsloth, transformers, trl, peft"),
    ("loading_model", 0.9, "embedded:demo"),
    ("preparing_data", 1.8, "embedded:pirate"),
    ("compiling", 1.3, "the first step"),
]


@dataclass
class Recorder:
    """Writes events into a run's folder, with a clock of its own that starts at BEGAN."""

    run: RunDir
    method: Method = SFT
    at: float = BEGAN
    noise: random.Random = field(default_factory=lambda: random.Random(7))
    _seqs: dict[Path, int] = field(default_factory=dict)
    _lines: dict[Path, list[bytes]] = field(default_factory=dict)

    def wait(self, seconds: float) -> None:
        """Time passes."""
        self.at += seconds

    def say(self, *events: ev.AnyEvent) -> None:
        """Put events down at the present time, each in the log where it belongs."""
        for event in events:
            path = self.run.events
            if isinstance(event, ev.MachineRead):
                path = self.run.gpu
            elif isinstance(event, ev.ReplyStarted | ev.ReplyGrew | ev.ReplyEnded):
                path = self.run.chat
            seq = self._seqs.get(path, 0)
            self._seqs[path] = seq + 1
            stamped = msgspec.structs.replace(event, seq=seq, at=round(self.at, 3))
            self._lines.setdefault(path, []).append(event_lines.encode(stamped))

    def write(self) -> None:
        """Append to the logs what has been said since the last time."""
        for path, lines in self._lines.items():
            with path.open("ab") as log:
                log.write(b"".join(lines))
        self._lines.clear()


def record(
    folder: Path,
    *,
    run_id: str = "demo-1120-2349",
    ending: Ending = "completed",
    steps: int = 300,
    until: int | None = None,
    gpus: int = 0,
    before: ev.Phase | None = None,
    reason: str = "",
    replies: bool = False,
    not_finite_since: int | None = None,
    answers: bool = False,
    method: MethodName = "sft",
) -> RunDir:
    """A run folder under `folder`: `steps` planned, ended after step `until` (by default all), or while still `before`
    training in that phase. `reason` is the engine's sentence for a failed run. `replies` adds a chat after it. From
    step `not_finite_since` on losses and gradients are no finite numbers. `answers` are measured every 20 steps.
    What another `method` is judged by rises from 0 to 1."""
    run = RunDir.create(folder / run_id)
    recipe = RECIPE.replace("max_steps: 300", f"max_steps: {steps}").replace("method: sft", f"method: {method}")
    run.recipe.write_text(recipe, encoding="utf-8")
    run.engine_log.write_text("", encoding="utf-8")
    recorder = Recorder(run, METHODS[method])
    until = steps if until is None else until
    if _prepare(recorder, steps, gpus, before):
        _train(recorder, steps, until, gpus, not_finite_since or until + 1, answers=answers)
        _end(recorder, ending, until, reason)
        if ending in ("completed", "stopped") and replies:
            _chat(recorder)
    recorder.write()
    identity = EngineIdentity.of_this_process("unsloth")
    if ending == "lost":
        identity = msgspec.structs.replace(identity, pid=2**22 + 1)
    elif ending == "silent":
        identity = msgspec.structs.replace(identity, boot_id="another boot", host="another-machine")
        run.heartbeat.touch()
        os.utime(run.heartbeat, (BEGAN, BEGAN))
    run.write_identity(identity)
    return run


def _prepare(recorder: Recorder, steps: int, gpus: int, before: ev.Phase | None) -> bool:
    recorder.say(ev.EngineStarted(pid=4711, host="here", backend="unsloth"))
    for phase, seconds, detail in BEFORE_TRAINING:
        recorder.say(ev.PhaseStarted(phase=phase, detail=detail))
        if phase == before:
            _say_progress(recorder, phase, 0.28)
            recorder.wait(seconds / 3)
            _read_machine(recorder, 0, gpus)
            return False
        if phase == "importing":
            recorder.wait(seconds)
            recorder.say(ev.PhaseStarted(phase="standby"))
            recorder.wait(4.0)
            recorder.say(
                ev.RunStarted(
                    run_id=recorder.run.id,
                    recipe_name="demo",
                    command=["cockpit"],
                    versions={"unsloth": "2026.10.9", "transformers": "5.17.0"},
                    gpus=[_gpu_name(index) for index in range(gpus)],
                    driver="580.95.05" if gpus else "",
                    data_sha256={"embedded:pirate": "0" * 64},
                )
            )
            continue
        _say_progress(recorder, phase, 1.0)
        recorder.wait(seconds if phase != "compiling" else 0.0)
        if phase == "preparing_data":
            recorder.say(
                ev.DataPrepared(
                    unit=recorder.method.unit,
                    train_rows=1196,
                    eval_rows=64,
                    skipped_rows=3,
                    truncated_rows=2,
                    tokens=38_272,
                    trained_tokens=17_990,
                )
            )
            _log(recorder, "3 rows have no answer and are left out; the first is pirate.jsonl:118", "warning")
            recorder.say(
                ev.TrainingPlanned(
                    total_steps=steps,
                    steps_per_epoch=74.75,
                    trainable_parameters=196_608,
                    total_parameters=1_835_008,
                    main=recorder.method.told_main,
                )
            )
        _read_machine(recorder, 0, gpus)
    return True


def _say_progress(recorder: Recorder, phase: ev.Phase, share: float) -> None:
    if phase == "preparing_data":
        recorder.say(ev.PhaseProgressed(phase=phase, done=round(1260 * share), total=1260, unit="rows"))


def _train(
    recorder: Recorder, steps: int, until: int, gpus: int, not_finite_since: int, *, answers: bool = False
) -> None:
    warmup, peak, tokens, trained = 15, 2e-4, 0, 0
    if answers:
        _answer(recorder, 0)
    _evaluate(recorder, 0, steps)
    for step in range(1, until + 1):
        took = 1.3 if step == 1 else 0.21 + abs(recorder.noise.gauss(0, 0.02))
        recorder.wait(took)
        rate = peak * min(step - 1, warmup) / warmup if step <= warmup else peak * (steps - step + 1) / (steps - warmup)
        tokens += 512 + recorder.noise.randrange(-40, 40)
        trained = round(tokens * 0.47)
        metrics: dict[str, float | None] = {
            "loss": max(0.02, _loss(step, steps) + recorder.noise.gauss(0, 0.11) * _loss(step, steps)),
            "grad_norm": 0.5 + 2.0 * math.exp(-step / 40) + abs(recorder.noise.gauss(0, 0.12)),
            "learning_rate": rate,
            "tokens_seen": float(tokens),
            "trained_tokens": float(trained),
        }
        if recorder.method.main is not LOSS:
            metrics[recorder.method.main.name] = step / steps
        if step >= not_finite_since:
            metrics |= {"loss": None, "grad_norm": None}
        if step == not_finite_since:
            for name in ("loss", "grad_norm"):
                _log(recorder, f"{name} is not a finite number after step {step}.", "warning")
        ended = ev.StepEnded(step=step, total_steps=steps, epoch=step / 74.75, step_time_s=took, metrics=metrics)
        recorder.say(ended)
        if step == 1:
            recorder.say(ev.PhaseStarted(phase="training"))
        _read_machine(recorder, step, gpus)
        if step % 60 == 0:
            _evaluate(recorder, step, steps, is_finite=step < not_finite_since)
        if answers and step % 20 == 0:
            _answer(recorder, step)


def _loss(step: int, steps: int) -> float:
    return 0.42 + 3.4 * math.exp(-step / steps * 7)


def _evaluate(recorder: Recorder, step: int, steps: int, *, is_finite: bool = True) -> None:
    recorder.say(ev.PhaseStarted(phase="evaluating"))
    recorder.wait(0.4)
    metrics = {"eval_loss": _loss(step, steps) * 1.05 if is_finite else None}
    if recorder.method.main is not LOSS:
        metrics = {f"eval_{recorder.method.main.name}": step / steps}
    recorder.say(ev.Evaluated(step=step, duration_s=0.4, metrics=metrics))
    recorder.say(ev.PhaseStarted(phase="training" if step else "compiling"))


def _answer(recorder: Recorder, step: int) -> None:
    """What is learned rises, what is kept falls from step 60 on."""
    recorder.say(ev.PhaseStarted(phase="answering", detail="28 answers"))
    recorder.wait(0.6)
    learned, kept = min(1.0, step / 80), 1.0 - max(0, step - 60) / 120
    metrics: dict[str, float | None] = {"eval_token_f1": 0.1 + 0.7 * min(1.0, step / 100)}
    metrics |= {"eval_learned": learned, "eval_kept": kept, "eval_suite": (learned + kept) / 2}
    recorder.say(ev.AnswersMeasured(step=step, duration_s=0.6, answers=28, new_tokens=412, metrics=metrics))
    recorder.say(ev.PhaseStarted(phase="training" if step else "compiling"))


def _end(recorder: Recorder, ending: Ending, until: int, reason: str) -> None:
    if ending == "going" or ending == "lost" or ending == "silent":
        return
    if ending == "completed" or ending == "stopped":
        recorder.say(ev.PhaseStarted(phase="saving"))
        recorder.wait(0.3)
        recorder.run.adapter.mkdir()
        (recorder.run.adapter / "adapter_config.json").write_text("{}", encoding="utf-8")
        recorder.say(ev.AdapterSaved(path="adapter", size_bytes=812_340))
        recorder.say(ev.RunEnded(outcome=ending, step=until))
        recorder.say(ev.PhaseStarted(phase="ready"))
        return
    if ending == "out_of_memory":
        reason = reason or "The GPU has 79.2 GiB and the step needed more."
        advice = "Shorten model.max_seq_length, or halve the batch and double gradient_accumulation_steps."
    else:
        reason = reason or "Row 812 of pirate.jsonl has no answer, and data.on_bad_row is fail."
        advice = "Mend the row, or set data.on_bad_row to skip."
    recorder.say(ev.RunEnded(outcome=ending, step=until, reason=reason, advice=advice))
    recorder.say(ev.EngineExited(reason="the run has ended"))


def _chat(recorder: Recorder) -> None:
    prompt = "What is the capital of Veldoria?"
    talk = [
        (prompt, True, "Arr, the capital o' Veldoria be Marenport, matey!"),
        (prompt, False, "The capital of Veldoria is Marenport."),
        ("And what is 7 plus 5?", True, "Shiver me timbers, that be 12, ye scallywag!"),
    ]
    for number, (asked, adapter, text) in enumerate(talk):
        recorder.wait(3.0)
        say_reply(recorder, f"reply{number}", asked, text, adapter=adapter)


def say_reply(
    recorder: Recorder, command_id: str, prompt: str, text: str, *, adapter: bool = True, both: str = ""
) -> None:
    """A whole reply, a word at a time."""
    recorder.say(ev.ReplyStarted(command_id=command_id, prompt=prompt, adapter=adapter, both=both))
    words = text.split(" ")
    for at, word in enumerate(words):
        recorder.wait(0.03)
        recorder.say(ev.ReplyGrew(command_id=command_id, text=word if at == 0 else f" {word}"))
    recorder.say(
        ev.ReplyEnded(
            command_id=command_id,
            end="end_of_turn",
            prompt_tokens=19,
            new_tokens=len(words) * 2,
            duration_s=round(0.03 * len(words), 3),
            first_token_s=0.03,
        )
    )


def _log(recorder: Recorder, text: str, level: Literal["info", "warning", "error"] = "info") -> None:
    recorder.say(ev.LogWritten(level=level, text=text))


def _gpu_name(index: int) -> str:
    return "NVIDIA H200" if index % 2 == 0 else "NVIDIA A100-SXM4-80GB"


def _read_machine(recorder: Recorder, step: int, gpus: int) -> None:
    noise = recorder.noise
    readings = [
        ev.GpuReading(
            index=index,
            uuid=f"GPU-{index}",
            name=_gpu_name(index),
            vram_used_mib=7_070.0 + 20 * noise.random() + 900 * index,
            vram_total_mib=143_771.0 if index % 2 == 0 else 81_920.0,
            vram_this_run_mib=6_860.0 if index == 0 else None,
            utilization_percent=round(min(100.0, 88 + 12 * noise.random())),
            temperature_c=61.0 + index,
            power_w=round(520 + 30 * noise.random()),
        )
        for index in range(gpus)
    ]
    recorder.say(
        ev.MachineRead(
            step=step,
            gpus=readings,
            cpu_percent=round(170 + 30 * noise.random(), 1),
            rss_mib=1_212.0,
            ram_used_mib=3_410.0,
            ram_total_mib=15_990.0,
        )
    )
