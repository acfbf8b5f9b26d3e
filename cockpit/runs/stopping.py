"""What a stop does in the phase that a run is in, and what it will have saved; for the app and for the commands"""

from __future__ import annotations

from dataclasses import dataclass

from cockpit.runs.labels import PHASES
from cockpit.runs.state import RunState

COMPILING = "The first step compiles, which takes minutes for some models and cannot be interrupted."
SAVED = "what was trained is saved, and the run ends. A checkpoint is left to resume from."


@dataclass(frozen=True)
class Stopping:
    """`sentence`: what becomes of a run that is asked to stop and save. `note`: that in a few words, while it is done.

    `saves`: whether anything will have been saved. `under_way`: what a second stop drops, as a noun; empty where
    nothing is under way that heeds it, so that only the end of the engine's process would end the run sooner.
    """

    sentence: str
    note: str
    saves: bool
    under_way: str = ""


def stopping(state: RunState) -> Stopping:
    """What a stop does where the run stands."""
    phase = state.phase.phase if state.phase else None
    has_stepped = len(state.steps) > state.steps.attempt_from
    if phase == "compiling":
        return Stopping(f"{COMPILING} After it {SAVED}", "stopping after the first step", True)
    if phase == "training":
        return Stopping(f"The step in hand is finished, {SAVED}", "stopping: finishing the step", True, "step")
    if phase == "paused" and has_stepped:
        return Stopping(f"Training waits after its step: {SAVED}", "stopping: saving", True)
    if phase == "sampling" and has_stepped:
        return Stopping(f"The sample is left where it is, {SAVED}", "stopping: leaving the sample", True)
    if phase == "answering" and has_stepped:
        return Stopping(f"The answers are left where they are, {SAVED}", "stopping: leaving the answers", True)
    if phase == "evaluating" and has_stepped:
        sentence = f"The evaluation is left where it is, {SAVED}"
        return Stopping(sentence, "stopping: leaving the evaluation", True, "evaluation")
    if phase == "evaluating" and state.step:
        sentence = "The evaluation is left where it is, the weights that were resumed are saved, and the run ends."
        return Stopping(sentence, "stopping: leaving the evaluation", True, "evaluation")
    if phase == "saving" and state.step < (state.total_steps or 0):
        return Stopping(f"The checkpoint is completed, {SAVED}", "stopping: saving", True)
    if phase == "saving":
        sentence = "No step is left to stop at: what was trained is being saved, and the run ends with that."
        return Stopping(sentence, "stopping: saving", True)
    if state.step:
        sentence = "No step has been taken since the resume: the run ends, and nothing more is saved. Checkpoints stay."
        return Stopping(sentence, "stopping: no step to save", False)
    return Stopping(
        "No step has been taken yet: the run ends, and nothing is saved.", "stopping: nothing to save", False
    )


def why_still_running(state: RunState) -> str:
    """Why a run that was asked to end at once has not, as a sentence."""
    phase = state.phase.phase if state.phase else None
    if phase == "compiling":
        return COMPILING
    if phase is None or stopping(state).under_way:
        return "It has been asked to drop what is under way and still works on it."
    return f"It has been asked to stop, and its phase is still: {PHASES[phase].doing}."
