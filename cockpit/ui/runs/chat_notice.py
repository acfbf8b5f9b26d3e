"""Why nobody answers in the chat, and what would help, in a sentence."""

from __future__ import annotations

from typing import TYPE_CHECKING

from cockpit.runs.labels import PHASES
from cockpit.text.numbers import duration
from cockpit.text.plain_text import plain_line
from cockpit.ui.widgets.glyphs import glyphs
from cockpit.ui.widgets.phase_bar import progress_text

if TYPE_CHECKING:
    from cockpit.ui.runs.chat_engine import ChatEngine
    from cockpit.ui.runs.session import RunSession


def why_silent(session: RunSession, engine: ChatEngine, *, offers: bool = True) -> tuple[str, str]:
    """Why nobody answers, as (waiting, missing or bad; a sentence); both empty while the model is there. `offers`: with
    what would help."""
    offer = _offer(session) if offers else ""
    kind, why = _why_silent(session, engine)
    return kind, f"{why} {offer}".strip() if kind in ("missing", "bad") and not session.is_recording else why


def _why_silent(session: RunSession, engine: ChatEngine) -> tuple[str, str]:
    state = session.state
    if session.is_recording:
        return "missing", "This is a recording: it shows what was said and takes no prompts."
    if session.can_chat:
        return "", ""
    if session.can_ask:
        waited = f" It has waited {duration(state.made_wait_s)} so far." if state.made_wait_s else ""
        return "waiting", f"It is training: a question is answered between two steps, and training waits.{waited}"
    if engine.stage == "probing":
        return "waiting", "Asking the GPU driver ..."
    if engine.stage == "starting":
        return "waiting", "Starting an engine ..."
    if engine.stage == "failed":
        return "bad", engine.problem
    lives = state.exited is None and state.unloaded is None and session.liveness in ("alive", "silent")
    if lives and state.phase is not None:
        took = duration(max(0.0, session.now() - state.phase.at))
        return "waiting", f"{glyphs().current} {PHASES[state.phase.phase].name}  {progress_text(state)}  {took}"
    if lives and engine.stage == "running":
        return "waiting", "Starting an engine ..."
    if state.unloaded is not None:
        return "missing", f"The model is not loaded: {clause(state.unloaded.reason)}"
    if session.liveness == "lost" and (state.ended is None or engine.stage == "running"):
        return "bad", "The engine is gone without a word."
    if state.exited is not None and engine.stage == "running":
        return "bad", f"The engine has ended: {clause(state.exited.reason)}"
    return "missing", "The model is not loaded."


def _offer(session: RunSession) -> str:
    if session.state.adapter is None:
        return "This run has saved no adapter, so there is nothing to load."
    return "F5 loads it."


def clause(text: str) -> str:
    """One line, with one full stop at its end."""
    return plain_line(text).rstrip(".") + "."
