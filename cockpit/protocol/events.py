"""Engine -> readers: what happened. One frozen struct a line of a JSON Lines log, in the past tense.

`events.jsonl` holds the run, `chat.jsonl` the replies, `gpu.jsonl` the readings. Readers skip types and fields that
they do not know, so a newer engine can be read by an older app. Values have bounds (protocol/values.py), which are
checked where a line is decoded (protocol/event_lines.py). Events that come by the million are kept out of garbage
collection (gc=False).
"""

from __future__ import annotations

from collections.abc import Mapping
from math import nan
from typing import Literal

import msgspec

from cockpit.protocol.values import Amount, Attempt, Celsius, Count, Measurement, Moment, Pid, Seconds

Phase = Literal[
    "importing",  # the training stack is being imported; nothing of the run is known yet
    "standby",  # imported and waiting for Train
    "downloading",  # files of the model or the data come from the Hub; passed over where none are named
    "loading_model",
    "preparing_data",
    "compiling",  # the first optimizer step, which on a GPU compiles
    "training",
    "evaluating",
    "sampling",  # the recipe's prompts are answered
    "answering",  # held-out rows and the suite are answered, and the answers measured
    "saving",
    "paused",  # as was asked for; it goes on with the phase before
    "ready",  # training has ended; the model answers in the chat pane
]
Outcome = Literal["completed", "stopped", "failed", "out_of_memory"]
ReplyEnd = Literal["end_of_turn", "max_new_tokens", "stopped", "failed"]


class Event(msgspec.Struct, frozen=True, kw_only=True, tag_field="type"):
    """What every event carries. `seq` counts within one log; `at` is Unix time in seconds; `attempt` counts from 1."""

    seq: Count = 0
    at: Moment = 0.0
    attempt: Attempt = 1


class EngineStarted(Event, tag=True, frozen=True, kw_only=True):
    """The process named in engine.json began to write this log."""

    pid: Pid
    host: str
    backend: str


class PhaseStarted(Event, tag=True, frozen=True, kw_only=True):
    """The engine turned to something else; the phase before it has ended."""

    phase: Phase
    detail: str = ""


class PhaseProgressed(Event, tag=True, frozen=True, kw_only=True):
    """`done` of `total` `unit`s of the present phase; `total` is None where nobody can know it."""

    phase: Phase
    done: Amount
    total: Amount | None
    unit: str


class RunStarted(Event, tag=True, frozen=True, kw_only=True):
    """Training was asked for: what is trained, with what, on what. `base_sha256` is the fingerprint of the weights of a
    base that is a folder of this disk (models/fingerprint.py), by file; empty for one of the Hub. `fitted`: how the
    recipe was fitted to this machine, in words; empty where it is trained as written."""

    run_id: str
    recipe_name: str
    command: list[str]
    versions: dict[str, str]
    gpus: list[str]
    driver: str
    data_sha256: dict[str, str]
    base_sha256: dict[str, str] = {}
    fitted: str = ""


class SourceRead(msgspec.Struct, frozen=True, kw_only=True):
    """The rows that were taken of one source, by the name that the recipe gives it. `commit` is the Hub's; empty for
    files on this disk, whose hashes are in RunStarted."""

    name: str
    rows: Count
    commit: str = ""


class DataPrepared(Event, tag=True, frozen=True, kw_only=True):
    """The rows are rendered, tokenized and masked. Token counts are those of the training rows, one epoch."""

    train_rows: Count
    eval_rows: Count
    skipped_rows: Count
    truncated_rows: Count
    tokens: Count
    trained_tokens: Count
    sha256: str = ""
    """Of what the model is given: all tokens and labels, or all turns and images."""
    sources: tuple[SourceRead, ...] = ()
    """In the recipe's order. Empty in older logs."""
    split_rows: Count = 0
    """Rows with too many tokens, whose pieces count among the others."""
    duplicate_rows: Count = 0
    """Rows that stand in the data before, nearly equal ones too where these are left out."""
    shared_rows: Count = 0
    """Rows to measure on that are trained on too, or would be without being left out."""
    dropped_rows: Count = 0
    """Rows left out of training because they are one or the other."""
    long_rows: str = ""
    """data.long_rows, auto where it was empty. Empty in older logs, which truncated all long rows."""
    unit: str = "rows"
    """What the method learns from, in the plural: rows, texts, pairs, answers, prompts."""


class ScheduleChange(msgspec.Struct, frozen=True, kw_only=True):
    """After `step`, what was asked for holds: `rate_factor` times the learning rate that the recipe's schedule over
    `total_steps` has for each step."""

    step: Count
    rate_factor: Amount
    total_steps: Count


class MainFigure(msgspec.Struct, frozen=True):
    """What a run is judged by: its name as StepEnded has it, with `eval_` before that of an evaluation; what it is
    called; and whether more of it is better."""

    name: str = "loss"
    label: str = "loss"
    rises: bool = False


LOSS = MainFigure()


class TrainingPlanned(Event, tag=True, frozen=True, kw_only=True):
    """All that is known before the first step."""

    total_steps: Count
    """Those that were asked for on the way among them."""
    steps_per_epoch: Amount
    trainable_parameters: Count
    total_parameters: Count
    main: MainFigure = LOSS
    recipe_steps: Count | None = None
    """The steps that the recipe alone gives. None in older logs, which have none of the fields from here on."""
    learning_rate: Amount | None = None
    """The recipe's highest one."""
    changes: tuple[ScheduleChange, ...] = ()
    """What earlier attempts were asked for and still holds, ascending in step; some may be for steps to come."""
    eval_steps: Count | None = None
    """Steps between two evaluations; None for start and end alone."""
    save_steps: Count | None = None
    """Steps between two checkpoints; None for none on the way."""
    saves_last: bool = False
    """Whether the state after the last step becomes a checkpoint."""
    sample_steps: Count | None = None
    """Steps between two times that the prompts are answered, beside each checkpoint."""
    samples: Count = 0
    """How many prompts are answered each time."""
    answer_steps: Count | None = None
    """Steps between two times that answers are measured, beside start and end; None for these alone."""
    answers: Count = 0
    """How many of them each time; 0 where none are."""


class ScheduleChanged(Event, tag=True, frozen=True, kw_only=True):
    """A reader has asked for another schedule, which holds from the step after `step` on: `factor` times the learning
    rate, `added_steps` more steps. `rate_factor` and `total_steps` are what that comes to in all."""

    step: Count
    rate_factor: Amount
    total_steps: Count
    factor: Amount = 1.0
    added_steps: Count = 0
    command_id: str = ""


class TrainingResumed(Event, tag=True, frozen=True, kw_only=True):
    """Training goes on after `step`, from the checkpoint at `path`, relative to the run folder, or anew where that is
    empty. What an earlier attempt did after that step is replaced."""

    step: Count
    path: str


class Measured(Event, frozen=True, kw_only=True):
    """An event with `metrics`: None was measured and is not a finite number, which JSON cannot hold; what is not there
    was not measured. In logs of older engines, which hold no None, it may have been either."""

    metrics: Mapping[str, Measurement | None]

    @property
    def figures(self) -> dict[str, float]:
        """The metrics, NaN where one is not a finite number."""
        return {name: nan if value is None else value for name, value in self.metrics.items()}


class StepEnded(Measured, tag=True, frozen=True, kw_only=True, gc=False):
    """One optimizer step. `metrics` by TRL's names (loss, learning_rate, grad_norm ...), plus tokens_seen (padding left
    out) and trained_tokens (with loss), both counted since the start of the run. `step_time_s` is wall time: `data_s`
    of it waiting for batches, `forward_backward_s` the model's on its device. `batch_tokens` are those of the step's
    batches, padding among them. These three are None in older logs. Of a run that cockpit did not start, epoch and time
    may not be known, and there is one for each step that was logged; `total_steps` is 0 where nobody has said it."""

    step: Count
    total_steps: Count
    epoch: Amount | None = None
    step_time_s: Seconds | None = None
    data_s: Seconds | None = None
    forward_backward_s: Seconds | None = None
    batch_tokens: Count | None = None


class Evaluated(Measured, tag=True, frozen=True, kw_only=True):
    """The held-out rows were measured after `step` (0: before any training). `duration_s` is None where another trainer
    does not tell it."""

    step: Count
    duration_s: Seconds | None = None


class SampleAnswered(Event, tag=True, frozen=True, kw_only=True):
    """The recipe's prompt at `index` was answered with the weights after `step` (0: before any training). `reason` is a
    sentence where it failed."""

    step: Count
    index: Count
    prompt: str
    text: str
    end: ReplyEnd
    new_tokens: Count
    duration_s: Seconds
    thinking: str = ""
    reason: str = ""


class CompletionScored(Event, tag=True, frozen=True, kw_only=True):
    """One of the completions that were drawn in `step` to be learnt from, and its rewards, by the recipe's names; None
    where a function gave none. `reward` is their weighted sum. Of a prompt's completions the best has `index` 0, the
    worst 1."""

    step: Count
    index: Count
    prompt: str
    text: str
    end: ReplyEnd
    new_tokens: Count
    reward: float
    rewards: dict[str, float | None]


class AnswerJudged(Event, tag=True, frozen=True, kw_only=True):
    """An answer given with the weights after `step` (0: before any training): to the last turn of one of the first
    held-out rows, or to a prompt of the suite, whose `half` that is. `index` counts within the half, `title` says which
    one it is. `wanted` is the row's own answer; empty for a prompt. `passed` is whether all checks of a prompt hold; of
    a row, whether the answer is the wanted one. `why` is a sentence where it failed."""

    step: Count
    half: Literal["rows", "learned", "kept"]
    index: Count
    title: str
    text: str
    end: ReplyEnd
    new_tokens: Count
    passed: bool
    wanted: str = ""
    why: str = ""


class AnswersMeasured(Measured, tag=True, frozen=True, kw_only=True):
    """All answers were given with the weights after `step` and judged: eval_exact_match and eval_token_f1 of held-out
    rows, eval_learned and eval_kept of the suite, and what else the recipe asks for; means from 0 to 1."""

    step: Count
    duration_s: Seconds
    answers: Count
    new_tokens: Count


class CheckpointSaved(Event, tag=True, frozen=True, kw_only=True):
    """A complete checkpoint stands at `path`, relative to the run folder."""

    step: Count
    path: str
    size_bytes: Count


class TrackingStarted(Event, tag=True, frozen=True, kw_only=True):
    """One of the recipe's report_to has begun: `link` is an address, or the command that shows its local files."""

    tracker: str
    link: str


class AdapterSaved(Event, tag=True, frozen=True, kw_only=True):
    """Adapter and tokenizer (after full training, the whole model) stand at `path`, relative to the run folder."""

    path: str
    size_bytes: Count
    step: Count | None = None
    """The step whose weights these are: not the run's last where an earlier one was best. None in older logs."""


class ExportStarted(Event, tag=True, frozen=True, kw_only=True):
    """An export of what the run has saved began; it ends as `path`, a folder."""

    export_id: str
    form: str
    path: str


class ExportProgressed(Event, tag=True, frozen=True, kw_only=True):
    """The export turned to its next task, in a few words."""

    export_id: str
    task: str


class ExportEnded(Event, tag=True, frozen=True, kw_only=True):
    """The export stands whole at `path`, and in the Hub's repository where one is named; or `reason` says why it does
    not, and `advice` what would help (may be empty). `unlike` says why it is not what was trained; empty where the
    receipt beside it holds, and where there is none."""

    export_id: str
    form: str
    path: str
    size_bytes: Count = 0
    repository: str = ""
    reason: str = ""
    advice: str = ""
    unlike: str = ""


class LogWritten(Event, tag=True, frozen=True, kw_only=True):
    """A line for the log pane."""

    level: Literal["info", "warning", "error"]
    text: str


class CommandAnswered(Event, tag=True, frozen=True, kw_only=True):
    """The engine took a command up (`accepted`) or says in one sentence why it does not."""

    command_id: str
    accepted: bool
    text: str = ""
    command: str | None = None
    """Its type; empty where that cannot be read, None in older logs."""
    stale: bool = False
    """Whether it was sent to an engine that has gone without taking it."""


class StopRequested(Event, tag=True, frozen=True, kw_only=True):
    """Training is to end: after its step, which is saved; without `save` at once, with nothing saved. A later one
    without `save` overrules it. It holds until the attempt ends. Older logs have only the answer to the command."""

    save: bool
    command_id: str = ""
    """Of the Stop; empty where it was no command that asked for it."""


class WatchdogFired(Event, tag=True, frozen=True, kw_only=True):
    """A sign of something going wrong, after `step`; `watchdog` is the recipe's name for it, under `watchdogs`, and
    `action` what the recipe says is done. `finding`, `rule` and `advice` are sentences. It holds until it is cleared
    or the attempt ends."""

    watchdog: str
    step: Count
    action: Literal["warn", "pause", "stop"]
    finding: str
    rule: str = ""
    advice: str = ""


class WatchdogCleared(Event, tag=True, frozen=True, kw_only=True):
    """The sign is gone."""

    watchdog: str
    step: Count


class OutOfMemory(msgspec.Struct, frozen=True, kw_only=True):
    """What a run had taken when memory ran out in `phase`, in bytes, and the micro-batch in hand: `rows` of `tokens`,
    padding among them. 0 where nobody knows."""

    phase: str
    rows: Count = 0
    tokens: Count = 0
    asked_bytes: Count = 0
    peak_bytes: Count = 0
    others_bytes: Count = 0
    total_bytes: Count = 0


class Relaunch(msgspec.Struct, frozen=True, kw_only=True):
    """Settings, as `--set` takes them, that need less memory for the same effective batch. `resumes`: the run may go on
    from a checkpoint with them; else it begins anew."""

    settings: tuple[str, ...]
    why: str
    resumes: bool


class RunEnded(Event, tag=True, frozen=True, kw_only=True):
    """Training is over. `reason` and `advice` are sentences for the user, empty where the outcome says it all: all
    steps are done, or it was stopped as asked."""

    outcome: Outcome
    step: Count
    reason: str = ""
    advice: str = ""
    memory: OutOfMemory | None = None
    """Of a run that ran out of memory; None in older logs."""
    relaunches: tuple[Relaunch, ...] = ()
    """Ways to launch such a run again, the gentlest first."""
    rank: Count | None = None
    """Which of several ranks has brought this end, where it was not rank 0; its output is in ranks/ of the run."""
    rank_lost: bool = False
    """Whether that rank was killed, or has ended without a word."""


class ModelUnloaded(Event, tag=True, frozen=True, kw_only=True):
    """The chat model was let go; its memory is free."""

    reason: str


class EngineExited(Event, tag=True, frozen=True, kw_only=True):
    """Last of all: the process is about to end."""

    reason: str


class ReplyStarted(Event, tag=True, frozen=True, kw_only=True):
    """A reply to the Chat command `command_id` begins. `adapter` tells tuned (True) from base (False). `both` is the
    ChatBoth command that it is a part of, empty where it was asked by itself."""

    command_id: str
    prompt: str
    adapter: bool
    both: str = ""


class ReplyGrew(Event, tag=True, frozen=True, kw_only=True):
    """More of the reply's text; `thinking` is what the model reasons before it answers. `tokens` are all that it has
    drawn so far; 0 in older logs."""

    command_id: str
    text: str
    thinking: str = ""
    tokens: Count = 0


class ReplyEnded(Event, tag=True, frozen=True, kw_only=True):
    """The reply is whole (or was ended): figures of its generation. `first_token_s` is None when no token came."""

    command_id: str
    end: ReplyEnd
    prompt_tokens: Count
    new_tokens: Count
    duration_s: Seconds
    first_token_s: Seconds | None
    reason: str = ""


class PromptAnswered(Event, tag=True, frozen=True, kw_only=True):
    """The conversation at `index` of the AnswerPrompts command `command_id` was answered, together with others:
    `together` in all, which took `duration_s`. `thinking` is what the model reasoned before; `reason` is a sentence
    where it failed."""

    command_id: str
    index: Count
    text: str
    end: ReplyEnd
    prompt_tokens: Count
    new_tokens: Count
    duration_s: Seconds
    thinking: str = ""
    together: Count = 1
    reason: str = ""


class Holder(msgspec.Struct, frozen=True, kw_only=True):
    """A process that holds memory of a GPU. `name` is empty and `mib` None where driver or system hide them."""

    pid: int
    name: str = ""
    mib: float | None = None


class GpuReading(msgspec.Struct, frozen=True, kw_only=True, gc=False, omit_defaults=True):
    """One GPU at one moment. None: the driver does not say. `energy_j` is its counter's, since the driver was loaded;
    `slowed_by` says in a word or two each why its clocks are held down; `others` are the processes beside the run's
    that hold the most of its memory."""

    index: Count
    uuid: str
    name: str
    vram_used_mib: Amount | None = None
    vram_total_mib: Amount | None = None
    vram_this_run_mib: Amount | None = None
    utilization_percent: Amount | None = None
    temperature_c: Celsius | None = None
    power_w: Amount | None = None
    energy_j: Amount | None = None
    slowed_by: tuple[str, ...] = ()
    others: tuple[Holder, ...] = ()


class MachineRead(Event, tag=True, frozen=True, kw_only=True, gc=False):
    """Readings of the GPUs that the run uses, of the engine's own process, and of the machine."""

    step: Count
    gpus: list[GpuReading]
    cpu_percent: Amount
    rss_mib: Amount
    ram_used_mib: Amount
    ram_total_mib: Amount
    disk_free_mib: Amount | None = None
    """Of the disk that the run's folder lies on, for its owner. None in older logs."""


AnyEvent = (
    EngineStarted
    | PhaseStarted
    | PhaseProgressed
    | RunStarted
    | DataPrepared
    | TrainingPlanned
    | ScheduleChanged
    | TrainingResumed
    | StepEnded
    | Evaluated
    | SampleAnswered
    | CompletionScored
    | AnswerJudged
    | AnswersMeasured
    | CheckpointSaved
    | TrackingStarted
    | AdapterSaved
    | ExportStarted
    | ExportProgressed
    | ExportEnded
    | LogWritten
    | CommandAnswered
    | StopRequested
    | WatchdogFired
    | WatchdogCleared
    | RunEnded
    | ModelUnloaded
    | EngineExited
    | ReplyStarted
    | ReplyGrew
    | ReplyEnded
    | PromptAnswered
    | MachineRead
)
