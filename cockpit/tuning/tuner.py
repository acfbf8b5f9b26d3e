"""Tuner: probes one way to train a recipe after another, within a budget of time, and keeps the fastest"""

from __future__ import annotations

import math
import os
import time
from collections.abc import Callable

from cockpit.launch.engines import EngineKey
from cockpit.machine.cores import usable_cores
from cockpit.machine.gpu import GpuReport
from cockpit.preflight.fitting import with_training
from cockpit.preflight.outlook import Forecaster
from cockpit.preflight.room import GpuRoom
from cockpit.preflight.tuned import chosen, lessons, remember, remember_too_much, way_of
from cockpit.recipe.recipe import Recipe
from cockpit.runs.folder import why_unwritable
from cockpit.text.numbers import size
from cockpit.text.plain_text import plain_line
from cockpit.tuning.probe import Probe, Prober
from cockpit.tuning.told import ProbeEnded, ProbeStarted, ProbeWent, Told, TuneEnded, TuneStarted
from cockpit.tuning.ways import Way, tried

BEHIND, SURE_STEPS = 0.75, 3
"""A way that after so many steps has less than this share of the best one's pace is not measured further."""
SAME_LOSS = 0.01
"""Losses that are off by no more are those of the recipe as written, but for rounding."""
AHEAD_CORES, AHEAD_MIB = 4, 40 * 1024
"""Of a machine and a GPU with room for the next engine beside the one that is measured."""
MUCH_MIB, MUCH_LOAD = 2048, 0.75
"""What others hold of the GPU, and processes that run for each core, from which on it is told."""
MIB = 1 << 20


class Tuner:
    """`run` once."""

    def __init__(
        self, recipe: Recipe, name: str, report: GpuReport, budget_s: float, tell: Callable[[Told], None]
    ) -> None:
        """`tell` is told all that happens. Raises ValueError with a sentence where the recipe's GPU is not there."""
        self._recipe = with_training(recipe, fit="as_written")
        self._name, self._report, self._budget_s, self._tell = name, report, budget_s, tell
        self._key = EngineKey.of(self._recipe, report)
        self._forecaster = Forecaster()
        self._forecaster.learn()
        self._room = self._room_of(self._recipe)
        self._written: Probe | None = None
        self._best: tuple[int, Way, Probe] | None = None
        self._gpu = "" if self._room is None else self._room.reading.name

    def run(self) -> TuneEnded:
        """Probe until all ways were tried, the time is up, or KeyboardInterrupt; what is known then is kept."""
        began = time.monotonic()
        total = None if self._room is None else self._room.reading.vram_total_mib
        self._tell(
            TuneStarted(
                recipe=self._name, gpu=self._gpu, budget_s=self._budget_s, total_mib=total, busy=_busy(self._room)
            )
        )
        is_roomy = total is None or total >= AHEAD_MIB
        used = 0.0 if self._room is None else self._room.reading.vram_used_mib or 0.0
        stopped, quickest_s = False, 0.0
        prober = Prober(ahead=usable_cores() >= AHEAD_CORES and is_roomy, used_mib=used)
        try:
            joins = self._forecaster.joins(self._recipe, self._report)
            found = tried(self._recipe, self._room_of, lessons(), self._fastest, joins=joins)
            for number, way in enumerate(found, start=1):
                until = began + self._budget_s
                at = time.monotonic()
                if number > 1 and until - at < quickest_s / 2:  # it would hardly end
                    break
                if self._try(number, way, prober, until):
                    quickest_s = min(quickest_s or math.inf, time.monotonic() - at)
                if number == 1:
                    self._forecaster.learn()  # the rows are tokenized now
        except KeyboardInterrupt:
            stopped = True
        finally:
            prober.close()
        ended = self._ended(time.monotonic() - began, stopped=stopped)
        self._keep()
        self._tell(ended)
        return ended

    def _room_of(self, recipe: Recipe) -> GpuRoom | None:
        return self._forecaster.room(recipe, self._report, as_tokenized=True)

    def _fastest(self) -> Recipe:
        return self._recipe if self._best is None else self._best[1].recipe

    def _try(self, number: int, way: Way, prober: Prober, until: float) -> bool:
        """Whether it was tried, or ruled out."""
        room = self._room_of(way.recipe)
        needed = room.forecast.peak.total if room is not None and room.forecast is not None else None
        if room is not None and room.fit == "does not fit":
            reason = "The forecast rules it out."
            self._tell(ProbeStarted(number=number, name=way.name, marks=way.marks, forecast_bytes=needed))
            self._end(number, way, Probe(outcome="ruled_out", reason=reason))
            return False
        self._tell(ProbeStarted(number=number, name=way.name, marks=way.marks, forecast_bytes=needed))
        shown = ("", -1)

        def heard(phase: str, found: Probe) -> None:
            nonlocal shown
            if shown != (now := (phase, len(found.seconds))):
                shown = now
                self._tell(ProbeWent(number=number, phase=phase, steps=len(found.seconds), tokens_s=found.tokens_s))

        key = EngineKey.of(way.recipe, self._report)
        try:
            found = prober.probe(way.recipe, key, until, self._is_behind, heard)
        except OSError as error:
            found = Probe(outcome="failed", reason=why_unwritable(error))
        if found.outcome == "out_of_memory" and room is not None and room.free is not None and not way.marks:
            remember_too_much(way.recipe, self._gpu, room.free)
        if number == 1 and found.tokens_s is not None:
            self._written = found
        self._end(number, way, found)
        fastest = 0.0 if self._best is None else self._best[2].tokens_s or 0.0
        is_faster = (found.tokens_s or 0.0) > fastest
        if is_faster and is_eligible(found.outcome, way.marks, self._loss_off(found)):
            self._best = number, way, found
        return True

    def _is_behind(self, found: Probe) -> bool:
        if self._best is None or found.counted < SURE_STEPS:
            return False
        return (found.tokens_s or math.inf) < BEHIND * (self._best[2].tokens_s or 0.0)

    def _loss_off(self, found: Probe) -> float | None:
        """Of the mean over the steps that both have taken."""
        if self._written is None:
            return None
        both = list(zip(self._written.losses, found.losses, strict=False))
        written = sum(one for one, _ in both)
        return sum(other for _, other in both) / written - 1 if both and written else None

    def _times(self, found: Probe) -> float | None:
        written = None if self._written is None else self._written.tokens_s
        return None if not written or not found.tokens_s else found.tokens_s / written

    def _end(self, number: int, way: Way, found: Probe) -> None:
        counted = found.seconds[found.counted_from :]
        self._tell(
            ProbeEnded(
                number=number,
                name=way.name,
                outcome=found.outcome,
                marks=way.marks,
                reason=found.reason,
                tokens_s=found.tokens_s,
                times=self._times(found),
                step_s=sorted(counted)[len(counted) // 2] if counted else None,
                first_step_s=found.first_step_s,
                peak_mib=found.peak_mib,
                loss=sum(found.losses) / len(found.losses) if found.losses else None,
                loss_off=self._loss_off(found) if number > 1 else None,
                settings=way.settings(self._recipe),
            )
        )

    def _ended(self, took_s: float, *, stopped: bool) -> TuneEnded:
        if self._best is None:
            return TuneEnded(number=0, name="", settings={}, times=None, took_s=took_s, stopped=stopped)
        number, way, found = self._best
        return TuneEnded(
            number=number,
            name=way.name,
            settings=way.settings(self._recipe),
            times=self._times(found),
            took_s=took_s,
            stopped=stopped,
        )

    def _keep(self) -> None:
        """What fit: auto takes from now on."""
        if self._best is None:
            return
        _, way, found = self._best
        remember(
            self._recipe,
            self._gpu,
            settings=chosen(way.recipe.training),
            tokens_s=found.tokens_s,
            written=way_of(self._recipe.training),
            written_tokens_s=None if self._written is None else self._written.tokens_s,
            peak_mib=found.peak_mib,
        )


def is_eligible(outcome: str, marks: str, loss_off: float | None) -> bool:
    """Whether a way that was probed so may be chosen."""
    return outcome == "measured" and not marks and abs(loss_off or 0.0) <= SAME_LOSS


def _busy(room: GpuRoom | None) -> str:
    """What others do here meanwhile, in a sentence; empty where it is not worth a word."""
    held = [one for one in room.holders if (one.mib or 0.0) >= MUCH_MIB] if room is not None else []
    if held:
        names = ", ".join(f"{plain_line(one.name) or 'a process'} {size((one.mib or 0.0) * MIB)}" for one in held)
        return f"Others use this GPU ({names}): what is measured may be too slow."
    load, cores = os.getloadavg()[0], usable_cores()
    if load > MUCH_LOAD * cores:
        return f"This machine is busy ({load:.1f} processes on {cores} cores): what is measured may be too slow."
    return ""
