"""What phases, outcomes and states are called, the same on every screen and in every command."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from cockpit.protocol.events import Outcome, Phase
    from cockpit.runs.status import State


class PhaseLabel(NamedTuple):
    """`name` on a bar, `short` where there is little room, `doing` in a sentence: lower case, without a full stop."""

    name: str
    short: str
    doing: str


PHASES: dict[Phase, PhaseLabel] = {
    "importing": PhaseLabel("importing", "import", "importing the training stack"),
    "standby": PhaseLabel("waiting", "wait", "ready to start"),
    "downloading": PhaseLabel("downloading", "fetch", "downloading"),
    "loading_model": PhaseLabel("loading model", "model", "loading the model"),
    "preparing_data": PhaseLabel("preparing data", "data", "preparing the data"),
    "compiling": PhaseLabel("compiling", "compile", "the first step, which compiles on a GPU"),
    "training": PhaseLabel("training", "train", "training"),
    "evaluating": PhaseLabel("evaluating", "eval", "measuring the held-out rows"),
    "sampling": PhaseLabel("sampling", "sample", "answering the recipe's prompts"),
    "answering": PhaseLabel("answering", "answer", "answering held-out rows and the suite"),
    "saving": PhaseLabel("saving", "save", "saving"),
    "paused": PhaseLabel("paused", "pause", "paused"),
    "ready": PhaseLabel("chat", "chat", "ready to chat"),
}

STATES: dict[State, str] = {
    "starting": "starting",
    "running": "running",
    "silent": "silent",
    "lost": "lost",
    "damaged": "damaged",
    "completed": "completed",
    "stopped": "stopped",
    "failed": "failed",
    "out_of_memory": "out of memory",
}

OUTCOMES: dict[Outcome, str] = {
    "completed": "Training is complete",
    "stopped": "Training was stopped",
    "failed": "Training has failed",
    "out_of_memory": "Training ran out of memory",
}
"""The beginnings of sentences."""
