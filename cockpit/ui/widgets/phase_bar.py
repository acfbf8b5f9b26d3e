"""PhaseBar: the phases of a run in one line: which are over and took how long, which one it is in and how far."""

from __future__ import annotations

from dataclasses import dataclass

from textual.content import Content

from cockpit.protocol.events import Phase, PhaseProgressed
from cockpit.runs.labels import PHASES
from cockpit.runs.state import RunState
from cockpit.runs.status import State
from cockpit.text.numbers import count, duration, percent, size
from cockpit.text.plain_text import plain_line
from cockpit.ui.widgets.glyphs import glyphs
from cockpit.ui.widgets.lines import Lines

ORDER: tuple[Phase, ...] = (
    "importing",
    "downloading",
    "loading_model",
    "preparing_data",
    "compiling",
    "training",
    "saving",
    "ready",
)
BETWEEN: tuple[Phase, ...] = ("evaluating", "sampling", "answering", "paused")
"""What interrupts the training and has no place of its own."""
LONGEST_BAR = 48


@dataclass(frozen=True)
class PhaseFigure:
    """One phase on the bar. `elapsed_s` None: not begun or not known. `broke`: the run ended in it, badly."""

    phase: Phase
    is_present: bool
    is_over: bool
    elapsed_s: float | None
    share: float | None = None
    detail: str = ""
    broke: bool = False


def phase_figures(
    state: RunState, now: float, status: State = "running", *, is_loaded: bool = True
) -> list[PhaseFigure]:
    """All phases in their order; what is done between steps, and a pause, count as the training that they interrupt.

    `is_loaded` tells whether a model that was ready to chat still is.
    """
    present = state.phase.phase if state.phase else None
    at_work: Phase = "training" if state.steps.step else "compiling"
    shown: dict[Phase, Phase] = {"standby": "importing", **dict.fromkeys(BETWEEN, at_work)}
    if _saves_checkpoint(state):
        shown["saving"] = "training"
    at = shown.get(present, present) if present else None
    reached = ORDER.index(at) if at else -1
    found = []
    for index, phase in enumerate(ORDER):
        spent = state.phase_s.get(phase)
        if phase == "downloading" and phase != at and spent is None:
            continue  # the model was here already
        if phase != at or state.phase is None:
            found.append(PhaseFigure(phase, False, index < reached, spent))
            continue
        broke = status in ("failed", "out_of_memory", "lost")
        until = state.ended.at if state.ended and phase != "ready" else now
        if present == phase and status != "lost":
            spent = (spent or 0.0) + max(0.0, until - state.phase.at)
        is_over = status == "stopped" and phase != "ready"
        if phase == "ready" and not is_loaded:
            found.append(PhaseFigure(phase, False, False, None))
            continue
        share, detail = (None, "") if broke or is_over else _progress(state, phase)
        found.append(PhaseFigure(phase, not (broke or is_over), is_over, spent, share, detail, broke))
    return found


def progress_text(state: RunState) -> str:
    """How far the present phase is: 3/6 packages; empty where the engine does not say."""
    progress = state.progress
    if state.phase is None or progress is None or progress.phase != state.phase.phase:
        return ""
    if progress.unit == "B":
        return _download_text(state, progress)
    unit = plain_line(progress.unit)
    return (
        f"{count(progress.done)}/{count(progress.total)} {unit}" if progress.total else f"{count(progress.done)} {unit}"
    )


def _download_text(state: RunState, progress: PhaseProgressed) -> str:
    """1.2 GiB/4.1 GiB, 45 MiB/s, 1 m 05 s left."""
    text = f"{size(progress.done)}/{size(progress.total)}"
    pace = state.progress_pace()
    return text if pace is None else f"{text}, {size(pace[0])}/s, {duration(pace[1])} left"


def _saves_checkpoint(state: RunState) -> bool:
    """Whether what is saved at present is a checkpoint, not the result of the run."""
    return state.phase is not None and state.phase.phase == "saving" and state.phase.detail.startswith("checkpoint")


def _progress(state: RunState, phase: Phase) -> tuple[float | None, str]:
    assert state.phase is not None
    progress = state.progress
    if state.phase.phase in BETWEEN:
        return None, PHASES[state.phase.phase].doing
    if phase == "training":
        detail = plain_line(state.phase.detail) if _saves_checkpoint(state) else ""
        return (state.step / state.total_steps if state.total_steps else None), detail and f"saving {detail}"
    if progress is not None and progress.phase == phase:
        return (progress.done / progress.total if progress.total else None), progress_text(state)
    return None, plain_line(state.phase.detail)[:40]


class PhaseBar(Lines):
    """`show` takes the run's state and the present (Unix seconds), which elapsed times are counted to."""

    HELP = "The phases of the run. Compiling is the first step; on a GPU it takes longer than all others."
    ALLOW_SELECT = False
    DEFAULT_CSS = """
    PhaseBar { height: 1; padding: 0 1; }
    """

    def __init__(self, *, id: str | None = None, classes: str | None = None) -> None:
        super().__init__(id=id, classes=classes)
        self._figures: list[PhaseFigure] = phase_figures(RunState(), 0.0)

    def show(self, state: RunState, now: float, status: State, *, is_loaded: bool = True) -> None:
        """Draw the phases as they stand."""
        self._figures = phase_figures(state, now, status, is_loaded=is_loaded)
        self.redraw()

    def lines(self) -> list[Content]:
        width = self.content_size.width
        for short, times in ((False, True), (True, True), (True, False)):
            parts = [self._part(figure, short=short, times=times) for figure in self._figures]
            room = width - sum(part.cell_length for part in parts) - 2 * (len(parts) - 1)
            if room >= 0:
                break
        for at, figure in enumerate(self._figures):
            cells = min(LONGEST_BAR, room - 1)
            if figure.is_present and figure.share is not None and cells >= 4:
                parts[at] = Content.assemble(parts[at], " ", _bar(figure.share, cells))
        return [Content("  ").join(parts)]

    def _part(self, figure: PhaseFigure, *, short: bool, times: bool) -> Content:
        signs = glyphs()
        name = PHASES[figure.phase].short if short else PHASES[figure.phase].name
        took = f" {duration(figure.elapsed_s)}" if times and figure.elapsed_s is not None else ""
        if figure.is_present and figure.phase == "ready":
            return Content.assemble((f"{signs.current} ", "$success"), (name, "bold"), " ready")
        if figure.is_present:
            briefly = short and not times  # the bar is worth more than the time, which the line above tells too
            known = figure.elapsed_s is not None and not (briefly and figure.share is not None)
            took = f" {duration(figure.elapsed_s)}" if known else ""
            detail = f" {figure.detail}" if figure.detail and not briefly else ""
            share = f" {percent(figure.share)}" if figure.share is not None and figure.phase == "training" else ""
            return Content.assemble(
                (f"{signs.current} ", "$primary"), (name, "bold"), detail, (took, "$foreground-muted"), share
            )
        if figure.broke:
            return Content.assemble((f"{signs.failed} {name}", "bold $error"), (took, "$foreground-muted"))
        if figure.is_over:
            return Content.assemble((f"{signs.done} ", "$success"), name, (took, "$foreground-muted"))
        return Content.styled(f"{signs.waiting} {name}", "$foreground-disabled")


def _bar(share: float, cells: int) -> Content:
    full, rest = ("━", "─") if glyphs().braille else ("=", "-")
    done = int(min(1.0, max(0.0, share)) * cells)
    return Content.assemble((full * done, "$primary"), (rest * (cells - done), "$foreground-disabled"))
