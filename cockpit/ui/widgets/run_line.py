"""RunLine: a run at a glance: which, how it stands, how far, is it getting better, does it fit, how long still."""

from __future__ import annotations

from textual.content import Content

from cockpit.runs.cost import cost
from cockpit.runs.labels import PHASES, STATES
from cockpit.runs.machine_use import fullest
from cockpit.runs.state import RunState
from cockpit.runs.status import State, is_active
from cockpit.settings import Price
from cockpit.text.numbers import NOT_A_NUMBER, UNKNOWN, count, duration, metric, percent
from cockpit.text.plain_text import plain_line
from cockpit.ui.widgets.glyphs import glyphs
from cockpit.ui.widgets.lines import Lines
from cockpit.ui.widgets.memory_bar import gib
from cockpit.ui.widgets.now_panel import arrow
from cockpit.ui.widgets.sparkline import trend
from cockpit.ui.widgets.state_signs import alarm_level, state_sign

FORMS = 11
"""From the longest line to the shortest; the first that fits is drawn."""
LEAST_SPREAD_S = 0.5
"""Of an ETA; less is not told."""
BAD = ("failed", "out_of_memory", "lost", "damaged")


class RunLine(Lines):
    """`show` takes all that it says. It turns amber or red, sign and ground, while a watchdog speaks and where the run
    has ended badly."""

    ALLOW_SELECT = False
    HELP = (
        "The run at a glance. The loss, or what else the method is judged by, is that of the last step; the arrow says "
        "where it goes, as far as noise does not "
        "explain it; memory is that of the fullest GPU, with what others hold of it."
    )
    DEFAULT_CSS = """
    RunLine { height: 1; padding: 0 1; }
    RunLine.-warning { background: $warning; color: $background; text-style: bold; }
    RunLine.-error { background: $error; color: $background; text-style: bold; }
    """

    def __init__(self, *, id: str | None = None, classes: str | None = None) -> None:
        super().__init__(id=id, classes=classes)
        self._run_id, self._state = "", RunState()
        self._status: State = "starting"
        self._note = ""
        self._price: Price | None = None
        self._direction: int | None = None
        """Of the main figure; the same in each form of the line."""
        self._level = ""

    def show(self, run_id: str, status: State, state: RunState, note: str = "", price: Price | None = None) -> None:
        """Draw the run. `note` stands in place of the phase, such as: finishing the step."""
        self._run_id, self._status, self._state, self._note, self._price = run_id, status, state, note, price
        level = "error" if status in BAD else "warning" if status == "silent" else ""
        if status == "running":
            level = alarm_level(state.alarms)
        if level != self._level:
            self._level = level
            for name in ("warning", "error"):
                self.set_class(name == level, f"-{name}")
        self.redraw()

    def lines(self) -> list[Content]:
        self._direction = self._state.steps.direction_of(self._state.main.name)
        width = self.content_size.width
        for form in range(FORMS):
            *facts, last = self._facts(form)
            left = Content("  ").join(fact for fact in facts if fact)
            room = width - left.cell_length - last.cell_length
            if room >= 2:
                break
        line = left + " " * max(2, room) + last
        return [Content(line.plain) if self._level else line]  # on amber and red the other colours are not to be read

    def _facts(self, form: int) -> list[Content]:
        """What the line says in this form; the last of them stands at its end."""
        return [
            self._run_name(form),
            self._word(),
            self._steps(form),
            self._main(form),
            self._held_out(form),
            self._memory(form),
            self._cost(form),
            self._time(form),
        ]

    def _run_name(self, form: int) -> Content:
        run_id = plain_line(self._run_id)
        recipe = plain_line(self._state.run.recipe_name) if self._state.run else ""
        if form >= 7:
            return Content("")
        if recipe and run_id.startswith(f"{recipe}-"):
            rest = f" {glyphs().dot} {run_id[len(recipe) + 1 :]}" if form < 5 else ""
            return Content.assemble((recipe, "bold $primary"), (rest, "$foreground-muted"))
        return Content.styled(run_id, "bold $primary")

    def _word(self) -> Content:
        state, (sign, colour) = self._state, state_sign(self._status)
        word = STATES[self._status]
        if self._note:
            word, colour = self._note, "$warning"
        elif self._status == "running" and state.is_paused:
            word, colour = PHASES["paused"].name, "$warning"
        elif self._status == "running":
            word = PHASES[state.phase.phase].name if state.phase else STATES["starting"]
        if self._level and self._status == "running":
            sign = glyphs().warn
        return Content.styled(f"{sign} {word}", f"bold {colour}")

    def _steps(self, form: int) -> Content:
        total = self._state.total_steps
        if not total:
            return Content("")
        step = f"{count(self._state.step):>{len(count(total))}}/{count(total)}"
        label = "step " if form < 4 else ""
        return Content.assemble((label, "$foreground-muted"), (step, "bold"), f" {percent(self._state.step / total)}")

    def _main(self, form: int) -> Content:
        main = self._state.main
        value = _short(self._state.steps.latest(main.name), form)
        if value == UNKNOWN:
            return Content("")
        style = "bold $error" if value == NOT_A_NUMBER else "bold"
        towards = arrow(self._direction, falling_is_good=not main.rises)
        return Content.assemble((f"{plain_line(main.label)} ", "$foreground-muted"), (value, style), " ", towards)

    def _held_out(self, form: int) -> Content:
        measured = [value for _, value in self._state.held_out_course]
        if not measured or form >= 9:
            return Content("")
        label = "held-out " if form < 2 else f"{glyphs().mark} "
        return Content.assemble(
            (label, "$held-out"),
            (_short(measured[-1], form), "bold"),
            " ",
            arrow(trend(measured, back=1), falling_is_good=not self._state.main.rises),
        )

    def _memory(self, form: int) -> Content:
        reading = self._state.machine[-1] if self._state.machine else None
        if reading is None or form >= 10:
            return Content("")
        gpu, peaks = fullest(reading.gpus), self._state.machine_use
        if gpu is not None:
            label, several = "VRAM", len(reading.gpus) > 1
            used, total, peak = gpu.vram_used_mib, gpu.vram_total_mib, peaks.used_mib.get(gpu.uuid)
            label = f"GPU {gpu.index}" if several else "VRAM"
        elif reading.gpus:  # they share the system's memory, or do not tell
            label, used, total, peak = "RAM", reading.ram_used_mib, reading.ram_total_mib, None
        else:
            label, used, total, peak = "RAM", reading.rss_mib, reading.ram_total_mib, peaks.rss_mib
        if peak is None:
            text = f"{gib(used)}/{gib(total)} GiB"
        elif not is_active(self._status):
            text = f"peak {gib(peak)}/{gib(total)} GiB"
        elif form < 3:
            text = f"{gib(used)} peak {gib(peak)} of {gib(total)} GiB"
        else:
            text = f"{gib(used)}/{gib(total)}{' GiB' if form < 8 else ''}"
        return Content.assemble((f"{label} ", "$foreground-muted"), text)

    def _cost(self, form: int) -> Content:
        spent = cost(self._state, self._price)
        return Content(spent) if spent is not None and form < 4 else Content("")

    def _time(self, form: int) -> Content:
        state = self._state
        if self._status == "running" and state.total_steps:
            eta = self._eta(short=form > 0)
            cells = 20 if form == 0 else 12 if form < 6 else 0
            return Content(" " * max(0, cells - eta.cell_length)) + eta
        if state.ended is not None and state.elapsed_s is not None:
            return Content.assemble(("in ", "$foreground-muted"), duration(state.elapsed_s))
        return Content("")

    def _eta(self, *, short: bool) -> Content:
        eta = self._state.eta()
        if eta is None:
            return Content.assemble(("ETA ", "$foreground-muted"), UNKNOWN)
        left, spread = eta
        is_sure = short or spread < LEAST_SPREAD_S
        text = duration(left) if is_sure else f"{duration(left)} ± {duration(spread)}"
        return Content.assemble(("ETA ", "$foreground-muted"), text)


def _short(value: float | None, form: int) -> str:
    """With a digit less where the line is short."""
    is_usual = value is not None and 0.01 <= abs(value) < 1000
    return f"{value:.3g}" if form >= 6 and is_usual else metric(value)
