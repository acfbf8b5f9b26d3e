"""OutcomeCard: how a run has ended, why, what to do now, and where to read on. Hidden while there is nothing to say."""

from __future__ import annotations

from dataclasses import dataclass

from textual.content import Content
from textual.style import Style
from textual.widgets import Static

from cockpit.runs.cost import cost
from cockpit.runs.crash import Crash
from cockpit.runs.details import ends_of
from cockpit.runs.folder import RunDir
from cockpit.runs.labels import STATES
from cockpit.runs.ranks import rank_log
from cockpit.runs.state import RunState
from cockpit.runs.status import State
from cockpit.settings import Price
from cockpit.text.numbers import count, duration, metric, size
from cockpit.text.plain_text import plain_line, plain_text
from cockpit.ui.widgets.glyphs import glyphs

LOG_LINES, LOW_LOG_LINES = 3, 1
"""Of engine.log, of a run that is lost; the fewer on a low screen."""
RELAUNCH_KEYS = ("h", "j", "k")
"""None of them means anything while a run trains, so that no key which comes too late launches one."""


@dataclass(frozen=True)
class Way:
    """Something to do about it: the key that does it, which is also clicked, the screen's action, and what it does."""

    key: str
    action: str
    text: str


@dataclass(frozen=True)
class Outcome:
    """What the card says: `kind` is good, warning or bad; `lines` are (label, text), the label may be empty."""

    kind: str
    title: str
    lines: tuple[tuple[str, str], ...]
    ways: tuple[Way, ...] = ()


class OutcomeCard(Static):
    """`show` takes what it says, or None."""

    HELP = "How the run has ended. Paths and reasons can be marked with the mouse and copied with ctrl+c."
    DEFAULT_CSS = """
    OutcomeCard { display: none; height: auto; padding: 0 1; border: round $success; border-title-color: $success;
                  link-color: $footer-key-foreground; link-background: transparent; link-style: bold; }
    OutcomeCard.-good, OutcomeCard.-warning, OutcomeCard.-bad { display: block; }
    OutcomeCard.-warning { border: round $warning; border-title-color: $warning; }
    OutcomeCard.-bad { border: round $error; border-title-color: $error; }
    """

    def __init__(self, *, id: str | None = None, classes: str | None = None) -> None:
        super().__init__("", id=id, classes=classes, markup=False)
        self._outcome: Outcome | None = None

    def show(self, outcome: Outcome | None) -> None:
        """Draw it; for None, go away."""
        if outcome == self._outcome:
            return
        self._outcome = outcome
        for kind in ("good", "warning", "bad"):
            self.set_class(outcome is not None and outcome.kind == kind, f"-{kind}")
        if outcome is not None:
            self.border_title = Content(outcome.title)
            rows = [
                Content.assemble((f"{label}  " if label else "", "$foreground-muted"), text)
                for label, text in outcome.lines
            ]
            rows += [Content.assemble(Content.styled(way.key, _pressed(way)), f"  {way.text}") for way in outcome.ways]
            self.update(Content("\n").join(rows))


def outcome_of(
    status: State,
    state: RunState,
    run: RunDir,
    *,
    is_slow_to_start: bool = False,
    refusal: str | None = None,
    price: Price | None = None,
    crash: Crash | None = None,
    silence_s: float | None = None,
    is_low: bool = False,
    is_watched: bool = False,
    out_of_touch: str = "",
) -> Outcome | None:
    """What there is to say of a run that has ended or whose engine is not heard of; None while it goes its way.

    `refusal` is the engine's sentence where it has not taken the run up; `crash` what is known of a bad end; `is_low`:
    there is little room. `is_watched`: cockpit did not start it, so that nothing can be done here. `out_of_touch` says
    that its host is not heard.
    """
    if is_watched:
        return _watched_outcome(status, state, run, silence_s)
    signs = glyphs()
    path = rank_log(run, (state.ended.rank if state.ended is not None else None) or 0)
    log = Way("o", "engine_log", f"{plain_text(path.name)}  {plain_text(str(path))}")
    retry = Way("e", "retry", "edit and retry")
    ended = state.ended
    if status == "completed" and ended is not None:
        return Outcome("good", f"{signs.done} {STATES[status]}", _gains(state, run, price))
    if status == "stopped" and ended is not None:
        planned = f" of {count(state.total_steps)}" if state.total_steps else ""
        saved = _saved(state, run) or (("", "Nothing was saved."),)
        return Outcome(
            "warning", f"{signs.done} {STATES[status]} after step {count(ended.step)}{planned}", (*_said(state), *saved)
        )
    if status in ("failed", "out_of_memory") and ended is not None:
        where = f" at step {count(ended.step + 1)}" if state.steps.step else ""
        title = f"{signs.failed} {STATES[status]}{where}"
        left = tuple(crash.lines(LOW_LOG_LINES if is_low else LOG_LINES)) if crash is not None else ()
        return Outcome("bad", title, (*_said(state), *left), (*_resume(crash), *_relaunches(state), retry, log))
    if status == "failed" and refusal is not None:
        return Outcome("bad", f"{signs.failed} not started", (("", plain_text(refusal)),), (retry, log))
    if status == "lost":
        planned = f" of {count(state.total_steps)}" if state.total_steps else ""
        title = f"{signs.failed} {STATES[status]} after step {count(state.step)}{planned}"
        lines: tuple[tuple[str, str], ...] = (("", "The engine's process is gone without a word."),)
        if crash is not None:
            lines = tuple(crash.lines(LOW_LOG_LINES if is_low else LOG_LINES))
        return Outcome("bad", title, lines, (*_resume(crash), retry, log))
    if status == "silent" and out_of_touch:
        return Outcome("warning", "! not connected", (("", out_of_touch),))
    if status == "silent":
        host = plain_line(state.engine.host) if state.engine else "another machine"
        silence = duration(silence_s) if silence_s is not None else "30 s or more"
        usual = f" (usual step {duration(usual_s)})" if (usual_s := usual_step_s(state)) is not None else ""
        why = f"Silent for {silence}{usual}. The engine runs on {host}; it may be busy, or the network slow."
        return Outcome("warning", f"! {STATES[status]}", (("", why),), (log,))
    if status == "starting" and is_slow_to_start:
        return Outcome("warning", "! no engine yet", (("", "The engine has not said a word for 30 s."),), (log,))
    return None


def _watched_outcome(status: State, state: RunState, run: RunDir, silence_s: float | None) -> Outcome | None:
    signs = glyphs()
    if status == "completed" and state.ended is not None:
        return Outcome("good", f"{signs.done} {STATES[status]}", _gains(state, run, None))
    if status == "failed" and state.ended is not None:
        title = f"{signs.failed} {STATES[status]} after step {count(state.step)}"
        return Outcome("bad", title, _said(state))
    if status == "silent":
        usual = f" (usual step {duration(usual_s)})" if (usual_s := usual_step_s(state)) is not None else ""
        why = f"Nothing was written for {duration(silence_s)}{usual}: it is slow, or has ended without a word."
        return Outcome("warning", f"! {STATES[status]}", (("", why),))
    return None


def usual_step_s(state: RunState) -> float | None:
    """Seconds of a usual step; None before there are any."""
    times = sorted(state.steps.pace())
    return times[len(times) // 2] if times else None


def _resume(crash: Crash | None) -> tuple[Way, ...]:
    if crash is None or crash.checkpoint is None:
        return ()
    return (Way("r", "resume", f"resume after step {count(crash.checkpoint)}"),)


def _pressed(way: Way) -> Style:
    return Style.from_meta({"@click": f"screen.{way.action}"})


def _relaunches(state: RunState) -> tuple[Way, ...]:
    """The ways to launch a run again that has run out of memory, and from where each goes on."""
    offered = state.ended.relaunches if state.ended else ()
    newest = state.checkpoints[-1].step if state.checkpoints else 0
    ways = []
    for at, (key, relaunch) in enumerate(zip(RELAUNCH_KEYS, offered, strict=False)):
        where = f"goes on after step {count(newest)}" if newest and relaunch.resumes else "begins anew"
        ways.append(Way(key, f"relaunch({at})", f"relaunch: {plain_line(relaunch.why)}; it {where}"))
    return tuple(ways)


def _said(state: RunState) -> tuple[tuple[str, str], ...]:
    assert state.ended is not None
    advice = "" if state.ended.relaunches else state.ended.advice  # what it says is ready to be pressed
    said = (("", plain_text(state.ended.reason)), ("try", plain_text(advice)))
    return tuple((label, text) for label, text in said if text)


def _gains(state: RunState, run: RunDir, price: Price | None) -> tuple[tuple[str, str], ...]:
    arrow = "→" if glyphs().braille else "->"
    took = f"{count(state.step)} steps in {duration(state.elapsed_s)}"
    spent = cost(state, price)
    facts = [f"{took}, {spent}" if spent is not None else took]
    called = plain_line(state.main.label)
    if ends := ends_of(state.steps, state.main.name):
        of = f" (means of {ends.steps} steps)" if ends.steps > 1 else ""
        facts.append(f"{called} {metric(ends.first)} {arrow} {metric(ends.last)}{of}")
    if (measured := state.before_and_after) is not None:
        before, after = measured
        facts.append(f"held-out {called} {metric(before)} {arrow} {metric(after)}")
    lines = [("", f" {glyphs().dot} ".join(facts))]
    if state.ended is not None and state.ended.reason:
        planned = f"after {count(state.step)} of {count(state.total_steps)} steps, " if state.total_steps else ""
        lines.append(("ended", f"{planned}as {plain_text(state.ended.reason)}"))
    return (*lines, *_saved(state, run))


def _saved(state: RunState, run: RunDir) -> tuple[tuple[str, str], ...]:
    """What was saved and where, and of which step it is where that is not the last one."""
    if state.adapter is None:
        return ()
    label, step = "model" if state.adapter.path == "model" else "adapter", state.adapter.step
    place = f"{plain_text(str(run.path / state.adapter.path))} ({size(state.adapter.size_bytes)})"
    if step is None or step == state.step:
        return ((label, place),)
    return ("best", f"the {label} is that of step {count(step)}, not the last one"), (label, place)
