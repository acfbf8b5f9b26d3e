"""A probe: one engine in a process of its own trains a few steps of a recipe, and is ended"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, field

from cockpit.launch.engines import EngineKey, StartedEngine, start_probe
from cockpit.protocol.events import Evaluated, MachineRead, Phase, PhaseStarted, RunEnded, StepEnded
from cockpit.recipe.checkpoints import EVERY_STEPS
from cockpit.recipe.document import resolved_yaml
from cockpit.recipe.recipe import Recipe
from cockpit.recipe.scheduler import FOLLOWS_EVALUATIONS
from cockpit.runs.engine_output import EngineOutput
from cockpit.runs.labels import PHASES
from cockpit.runs.machine_use import MachineUse

WARM_UP, MEASURED = 3, 8
"""Steps that compile, and those that count."""
LONGEST_STEPS = EVERY_STEPS - 1
"""Steps of a run that nobody ends any more: no checkpoint is written before."""
COMPILING = 3.0
"""A step that takes so many times as long as the median compiles a new length: it does not count."""
POLL_S = 0.05
UNHEARD: dict[str, dict[str, object]] = {
    "data": {"eval_rows": 0, "eval_share": None, "validation": None},
    "training": {
        "fit": "as_written", "max_steps": LONGEST_STEPS, "eval_steps": None, "load_best_model_at_end": False,
        "early_stopping_patience": None, "metric_for_best_model": "eval_loss",
    },
    "output": {"save_steps": None, "report_to": [], "push_to_hub": None, "row_losses": False, "merged": "none"},
}  # fmt: skip
"""What a probe leaves out: all that is no training step."""
UNHEARD_SECTIONS = ("samples", "evaluation", "watchdogs", "lifecycle")
"""Of these it takes the defaults, which do nothing beside the steps."""


@dataclass
class Probe:
    """What was measured. `tokens` (padding left out), `seconds` and `losses` are those of each step. `reason` says why
    it has ended before all was measured."""

    tokens: list[int] = field(default_factory=list)
    seconds: list[float] = field(default_factory=list)
    losses: list[float] = field(default_factory=list)
    eval_loss: float | None = None
    """On the held-out rows, as it was measured last; what was measured before any training does not count."""
    first_step_s: float | None = None
    """From when it was told to train."""
    peak_mib: float | None = None
    gpu: str = ""
    outcome: str = "measured"
    """measured, behind, out_of_memory, failed or late."""
    reason: str = ""
    counted_from: int = WARM_UP
    """Steps that are not counted: those before compile."""

    @property
    def tokens_s(self) -> float | None:
        """Useful tokens per second."""
        steps = list(zip(self.tokens, self.seconds, strict=True))[self.counted_from :]
        if not steps:
            return None
        median = sorted(seconds for _, seconds in steps)[len(steps) // 2]
        usual = [(tokens, seconds) for tokens, seconds in steps if seconds <= COMPILING * median]
        return sum(tokens for tokens, _ in usual) / sum(seconds for _, seconds in usual)

    @property
    def counted(self) -> int:
        """Steps that count."""
        return max(0, len(self.seconds) - self.counted_from)


def probed(recipe: Recipe) -> Recipe:
    """The recipe with steps alone: nothing is evaluated, sampled or saved on the way."""
    changed = {name: type(getattr(recipe, name))() for name in UNHEARD_SECTIONS}
    changed |= {name: getattr(recipe, name).model_copy(update=update) for name, update in UNHEARD.items()}
    if recipe.training.lr_scheduler_type in FOLLOWS_EVALUATIONS:
        linear = {"lr_scheduler_type": "linear", "lr_scheduler_kwargs": None}
        changed["training"] = changed["training"].model_copy(update=linear)
    return recipe.model_copy(update=changed)


class Prober:
    """Probes one recipe after another; where there is room, the next engine imports while this one compiles."""

    def __init__(self, *, ahead: bool, used_mib: float = 0.0) -> None:
        """`ahead`: whether the next one is started beforehand. `used_mib`: what others hold of the GPU."""
        self._ahead, self._used_mib = ahead, used_mib
        self._spare: StartedEngine | None = None
        self._ready = False

    def close(self) -> None:
        """No engine is left."""
        if self._spare is not None:
            self._spare.discard()
            self._spare = None

    def probe(
        self,
        recipe: Recipe,
        key: EngineKey,
        until: float,
        is_behind: Callable[[Probe], bool],
        heard: Callable[[str, Probe], None],
        *,
        whole: bool = False,
    ) -> Probe:
        """Train, until enough was measured, it `is_behind`, or it is `until` in time.monotonic(). `heard` is told the
        phase, again and again. `whole`: the recipe is trained to its end, and what it evaluates too."""
        engine = self._engine(key)
        found, use = Probe(), MachineUse()
        try:
            engine.train(resolved_yaml(recipe if whole else probed(recipe)), "probe", [])
            self._follow(engine, found, use, until, is_behind, heard, MEASURED if not whole else LONGEST_STEPS)
        finally:
            engine.discard()
        if use.own_mib:
            found.peak_mib = max(use.own_mib.values())
        elif key.gpu in use.used_mib:  # the driver does not know whose it is
            found.peak_mib = max(0.0, use.used_mib[key.gpu] - self._used_mib)
        return found

    def _engine(self, key: EngineKey) -> StartedEngine:
        spare, self._spare = self._spare, None
        if spare is not None and spare.key == key and spare.process.poll() is None:
            return spare
        if spare is not None:
            spare.discard()
        return start_probe(key)

    def _follow(
        self,
        engine: StartedEngine,
        found: Probe,
        use: MachineUse,
        until: float,
        is_behind: Callable[[Probe], bool],
        heard: Callable[[str, Probe], None],
        enough: int,
    ) -> None:
        phase: Phase = "importing"
        told = time.time()
        while True:
            gone = engine.process.poll() is not None
            for event in engine.link.poll():
                if isinstance(event, PhaseStarted):
                    phase = event.phase
                    if phase == "loading_model" and self._ahead:
                        self._spare, self._ready = start_probe(engine.key), False
                elif isinstance(event, MachineRead):
                    use.take(event)
                    found.gpu = event.gpus[0].name if event.gpus else found.gpu
                elif isinstance(event, StepEnded):
                    _add(found, event)
                    if found.first_step_s is None:
                        found.first_step_s = event.at - told
                elif isinstance(event, Evaluated) and event.step:
                    found.eval_loss = event.figures.get("eval_loss")
                elif isinstance(event, RunEnded) and event.outcome == "completed":
                    found.counted_from = WARM_UP  # its steps were over before the next engine had imported
                    return
                elif isinstance(event, RunEnded):
                    found.outcome = "out_of_memory" if event.outcome == "out_of_memory" else "failed"
                    found.reason = event.reason
                    return
            heard(phase, found)
            if not self._is_quiet():
                found.counted_from = max(WARM_UP, len(found.seconds) + 1)
            if found.counted >= enough:
                return
            if is_behind(found):
                found.outcome = "behind"
                return
            if gone:
                found.outcome, found.reason = "failed", _last_words(engine)
                return
            if time.monotonic() > until:
                found.outcome, found.reason = "late", f"There was no time left while it was {PHASES[phase].name}."
                return
            time.sleep(POLL_S)

    def _is_quiet(self) -> bool:
        """Whether the next engine imports no more, which would take from this one's pace."""
        if self._spare is None or self._ready:
            return True
        events = self._spare.link.poll()
        self._ready = self._spare.process.poll() is not None or any(
            isinstance(event, PhaseStarted) and event.phase == "standby" for event in events
        )
        return self._ready


def _last_words(engine: StartedEngine) -> str:
    """Of an engine that has gone without a word of its own."""
    try:
        lines = EngineOutput(engine.link.run.engine_log).poll()
    except OSError:
        lines = []
    return f"The engine has gone: {lines[-1].text}" if lines else "The engine has gone."


def _add(found: Probe, event: StepEnded) -> None:
    seen = int(event.figures.get("tokens_seen", 0))
    found.tokens.append(seen - sum(found.tokens))
    found.seconds.append(event.step_time_s or 0.0)
    found.losses.append(event.figures.get("loss", float("nan")))
