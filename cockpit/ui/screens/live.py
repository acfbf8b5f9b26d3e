"""Live: a run as it goes: phases, loss, learning rate, machine, figures of the present step, log."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from typing import TYPE_CHECKING, ClassVar, cast

from textual import events
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Container

from cockpit.runs.liveness import SILENT_AFTER_S
from cockpit.runs.sentences import LogLine
from cockpit.runs.status import is_resumable
from cockpit.text.numbers import duration, percent
from cockpit.text.plain_text import plain_line, plain_text
from cockpit.ui.messages import ExportRun, ResumeRun
from cockpit.ui.screens.run_controls import CONTROL_BINDINGS, CONTROLS, RunControls
from cockpit.ui.screens.run_panels import PANEL_BINDINGS, PANELS, RunPanels
from cockpit.ui.screens.run_retries import RETRY_BINDINGS, RunRetries
from cockpit.ui.screens.run_stops import STOP_BINDINGS, STOPS, RunStops
from cockpit.ui.widgets.alarm_bar import AlarmBar
from cockpit.ui.widgets.answer_chart import AnswerChart
from cockpit.ui.widgets.figure_chart import FigureChart
from cockpit.ui.widgets.glyphs import glyphs
from cockpit.ui.widgets.key_bar import KeyBar
from cockpit.ui.widgets.log_pane import LogPane
from cockpit.ui.widgets.loss_chart import LossChart
from cockpit.ui.widgets.machine_column import MachineColumn
from cockpit.ui.widgets.now_panel import NowPanel
from cockpit.ui.widgets.outcome_card import OutcomeCard, outcome_of, usual_step_s
from cockpit.ui.widgets.panel_tabs import PanelTabs
from cockpit.ui.widgets.phase_bar import PhaseBar
from cockpit.ui.widgets.run_line import BAD, RunLine
from cockpit.ui.widgets.run_panel import RunPanel
from cockpit.ui.widgets.run_schedule import RunSchedule
from cockpit.ui.widgets.sample_panel import SamplePanel
from cockpit.ui.widgets.step_window import StepWindow

if TYPE_CHECKING:
    from cockpit.protocol.events import CommandAnswered
    from cockpit.runs.crash import Crash
    from cockpit.ui.runs.host import Host
    from cockpit.ui.runs.session import RunSession

POLL_EVERY_S = 0.1
SHOWN_FOR_S = 0.25
"""How long figures stand at least: a run of a hundred steps a second is not to be read faster."""
CLOCK_EVERY_S = 0.5
"""Between two looks at the clock while nothing happens, and while a long log is read."""
NEWS_STAND_S = 1.05
"""The same after news: of a run of one step a second the next news moves the clock."""
BREATH_S = 0.001
"""Between two parts of a long log, for all else that the app has to do."""
KEYED_FOR_S = 0.15
"""How long a key has all the time: of a long log hardly anything is read until its frame is out."""
FIGURES_WAIT_S = 1.0
"""How long figures stand at most while keys are pressed."""
QUIET_S = 2.0
"""Without a key before another screen may open by itself."""
LOW = 30
"""Rows of a screen on which a card is short."""


class LiveScreen(RunPanels, RunStops, RunControls, RunRetries):
    """One run. It polls while it is visible; leaving it does not touch the run."""

    AUTO_FOCUS = ""
    CSS_PATH = "live.tcss"
    HELP = (
        "The run as it goes. It needs no app: leave this screen, quit or lose the connection, and it goes on; "
        "'cockpit attach' or the list of runs brings you back. s ends the run, with what was trained saved."
    )
    BINDINGS: ClassVar[list[BindingType]] = [
        *STOP_BINDINGS,
        *CONTROL_BINDINGS,
        *RETRY_BINDINGS,
        Binding("r", "resume", "resume", id="live.resume", tooltip="Resume from the newest checkpoint"),
        Binding("c", "chat", "chat", id="live.chat", tooltip="Talk to the model"),
        Binding("t", "talk", "ask it", id="live.talk", show=False,
                tooltip="Ask the model as it is now: it answers between two steps, and training waits"),
        Binding("x", "export", "export", id="live.export", tooltip="Save the adapter, a merged model or a GGUF"),
        Binding("x", "end_export", "end export", id="live.end_export",
                tooltip="End the export that is under way; nothing of it is left behind"),
        Binding("d", "data", "rows", id="live.data",
                tooltip="Show the rows whose loss was furthest above the others"),
        *PANEL_BINDINGS,
        Binding("escape", "recipes", "recipes", id="live.recipes", tooltip="Back to the recipes; the run goes on"),
    ]  # fmt: skip

    def __init__(self, session: RunSession) -> None:
        super().__init__()
        self.session = session
        self._shown_at = float("-inf")
        self._has_news = self._showed_news = False
        self._turns = 0
        """Those of the session that are shown."""
        self._is_reading = False
        """Whether a long log is read."""
        self._logged: LogLine | None = None
        self._went_to_chat = False
        self._crash: tuple[tuple[object, ...], Crash] | None = None
        self._keyed_at = 0.0
        self._told: list[CommandAnswered | None] = [None, None]
        self._keys_shown: list[bool | None] = []

    def compose(self) -> ComposeResult:
        """All panels; which of them show, and where, is the style sheet's business."""
        # Now, as each class that is set later has all of them styled anew.
        self.lay_out(self.app.size.width, self.app.size.height)
        self.add_class("-panel0")
        self.set_class(self.session.facts is not None, "-watched")
        steps_shown = StepWindow()
        yield RunLine()
        yield AlarmBar()
        yield PhaseBar()
        yield OutcomeCard()
        with Container(id="panels"):
            with Container(id="curves"):
                yield LossChart(steps_shown, classes="pane")
                yield FigureChart(steps_shown, classes="pane")
                yield AnswerChart(steps_shown, classes="pane")
            yield PanelTabs(PANELS)
            with Container(id="side"):
                yield MachineColumn(id="machine", can_focus=False)
                yield NowPanel(classes="pane")
                yield RunPanel(classes="pane")
            yield RunSchedule(steps_shown, classes="pane")
            with Container(id="words"):
                yield SamplePanel(classes="pane")
                yield LogPane(classes="pane")
        yield KeyBar()

    def on_mount(self) -> None:
        """Begin to poll."""
        self.set_interval(POLL_EVERY_S, self._tick)

    def on_resize(self, event: events.Resize) -> None:
        """Choose the layout for the new size."""
        self.lay_out(event.size.width, event.size.height)

    def on_key(self) -> None:
        """Somebody works here."""
        self._keyed_at = time.monotonic()

    def on_screen_resume(self) -> None:
        """Catch up with what happened while another screen was on top."""
        self._shown_at = float("-inf")
        self._tick()

    # What happens

    async def _read_on(self) -> None:
        """Read on in a long log, in parts between which the app does all else."""
        while self.display and self.app.screen is self and self.session.is_behind:
            has_time = time.monotonic() - self._keyed_at > KEYED_FOR_S
            if self.session.poll() if has_time else self.session.poll(part_s=0):
                self._has_news = True
            await asyncio.sleep(BREATH_S if has_time else 10 * BREATH_S)
        self._is_reading = False
        self._tick()

    def _tick(self) -> None:
        top = self.app.screen
        if not self.display or (top is not self and not top.is_modal):  # it is being removed, or covered
            return
        if top is not self:
            self._keyed_at = time.monotonic()  # who answers a dialog works here too
        if not self._is_reading:
            self._has_news |= self.session.poll()
            if self.session.is_behind and top is self:
                self._is_reading = True
                self.run_worker(self._read_on(), group="read")
        shown_for, keyed_for = time.monotonic() - self._shown_at, time.monotonic() - self._keyed_at
        waits = keyed_for < KEYED_FOR_S and shown_for < FIGURES_WAIT_S and top is self  # the key's frame goes first
        has_turned = self.session.turns != self._turns and not self._is_reading
        is_fresh = self._has_news and not self._is_reading
        stands_s = SHOWN_FOR_S if is_fresh else NEWS_STAND_S if self._showed_news else CLOCK_EVERY_S
        if has_turned or (shown_for >= stands_s and not waits):
            self._show()
        self._tell_refusals()
        self._go_to_chat(is_current=top is self)

    def show_now(self) -> None:
        self._show()

    def _show(self) -> None:
        is_first, self._shown_at = self._shown_at < 0, time.monotonic()
        self._showed_news = self._has_news and not self._is_reading
        self._has_news, self._turns = False, self.session.turns
        session, state = self.session, self.session.state
        self.query_one(RunLine).show(session.link.run.id, session.status, state, self._note(), self._app.price)
        alarms = {} if session.is_over else state.alarms
        self.query_one(AlarmBar).show(alarms)
        self.set_class(bool(alarms), "-alarmed")
        loaded = session.can_chat or session.is_recording
        self.query_one(PhaseBar).show(state, session.now(), session.status, is_loaded=loaded)
        refused = session.refused_start
        outcome = outcome_of(
            session.status,
            state,
            session.link.run,
            is_slow_to_start=session.is_slow_to_start,
            refusal=refused.text if refused else None,
            price=self._app.price,
            crash=self._crash_of(),
            is_low=self.app.size.height < LOW,
            silence_s=session.link.silence_s() if session.status == "silent" else None,
            is_watched=session.facts is not None,
            out_of_touch=session.why_out_of_touch if session.status == "silent" else "",
        )
        self.query_one(OutcomeCard).show(outcome)
        self.set_class(outcome is not None, "-has-card")
        self.set_class(outcome is not None and len(outcome.ways) > 2, "-tall-card")
        self._show_keys()
        share = f" {percent(state.step / state.total_steps)}" if state.total_steps else ""
        sign = f"{glyphs().warn} " if alarms else f"{glyphs().failed} " if session.status in BAD else ""
        self._app.set_terminal_title(f"{sign}{plain_line(session.link.run.id)}{share}")
        parts = (
            self.show_loss,
            self.show_figures,
            self.show_answers,
            self.show_schedule,
            self.show_panels,
            self._show_log,
        )
        for part in parts:
            if is_first:
                part()
            else:  # keys typed meanwhile do not wait for all of them
                self.call_later(self._show_part, part)

    def _note(self) -> str:
        """What stands in place of the phase: what a stop waits for, or that the engine gives no sign of life."""
        session = self.session
        if session.status == "running" and session.facts is None and not session.is_recording:
            silence_s = session.link.silence_s()
            if SILENT_AFTER_S < silence_s < float("inf"):
                usual_s = usual_step_s(session.state)
                usual = f" (usual step {duration(usual_s)})" if usual_s is not None else ""
                return f"silent for {duration(silence_s)}{usual}"
        return self.stop_note()

    def _crash_of(self) -> Crash | None:
        """What is known of a bad end: looked at once."""
        session, state = self.session, self.session.state
        is_bad = session.status in ("lost", "failed", "out_of_memory")
        if not is_bad or session.refused_start is not None or session.facts is not None:
            return None
        asked = (session.status, state.attempt, state.step, len(state.checkpoints))
        if self._crash is None or self._crash[0] != asked:
            from cockpit.runs.crash import Crash

            self._crash = (asked, Crash.of(session.link.run, state))
        return self._crash[1]

    def _show_part(self, part: Callable[[], None]) -> None:
        if self.display:  # it may be removed meanwhile
            part()

    def _show_keys(self) -> None:
        """The footer is made anew only when another set of keys works."""
        changing = (
            *CONTROLS,
            "read_alarms",
            "stop",
            "stop_early",
            "drop",
            "abort",
            "resume",
            "chat",
            "export",
            "end_export",
        )
        keys = [self.check_action(action, ()) for action in changing]
        if keys != self._keys_shown:
            self._keys_shown = keys
            self.refresh_bindings()

    def _show_log(self) -> None:
        new = []
        for line in reversed(self.session.log):
            if line is self._logged:
                break
            new.append(line)
        if new:
            self._logged = new[0]
            self.query_one(LogPane).add(new[::-1])

    def _tell_refusals(self) -> None:
        for at, answer in enumerate((self.session.refused_stop, self.session.refused_control)):
            if answer is not None and answer is not self._told[at]:
                self._told[at] = answer
                self.notify(plain_text(answer.text), severity="warning", markup=False)

    def _go_to_chat(self, *, is_current: bool) -> None:
        """Once, when the run has ended with a model to talk to, before the eyes of whoever watches it, and rests."""
        state, is_busy = self.session.state, time.monotonic() - self._keyed_at < QUIET_S
        if (
            self.session.is_recording
            or self._went_to_chat
            or not is_current
            or is_busy
            or state.ended is None
            or state.adapter is None
        ):
            return
        if state.ended.outcome in ("completed", "stopped") and state.can_chat:
            self._went_to_chat = True
            if self.session.was_seen_ending:
                self._app.show_chat(self.session, by_itself=True)

    # What is asked

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        """Only the keys that do something now."""
        session = self.session
        going = not session.is_over and session.takes_commands
        if action in STOPS:
            return going and action == self.stop_action()
        if action in ("retry", "relaunch"):
            return self.can_retry(action, parameters)
        if action == "read_alarms":
            return bool(session.state.alarms) and not session.is_over
        if action in CONTROLS:
            return going and session.stop_asked is None and self.can_be_asked(action)
        if action == "export":
            saved = session.state.adapter is not None and session.takes_commands
            return session.is_over and saved and not session.is_exporting
        if action == "end_export":
            return session.is_exporting
        if action == "resume":
            has_checkpoint = bool(session.state.checkpoints) or (
                self._crash is not None and self._crash[1].checkpoint is not None
            )
            return is_resumable(session.status) and has_checkpoint and session.takes_commands
        if action == "next_chart":
            return bool(session.recipe.charts)
        if action == "talk":
            return session.state.is_stepping and session.can_ask
        if action == "chat":
            return session.state.ended is not None and (session.state.adapter is not None or session.can_chat)
        if action == "data":
            return session.recipe.output.row_losses and bool(session.state.step) and session.takes_commands
        if action == "panel":
            return self.has_class("-tabbed")
        if action == "scrub":
            return len(session.state.samples) + len(session.state.answers_given) + len(session.state.completions) > 1
        return True

    def action_resume(self) -> None:
        """Go on with the run where it has ended."""
        self.post_message(ResumeRun(self.session.link.run))

    def action_export(self) -> None:
        """Ask in which form."""
        self.post_message(ExportRun(self.session.link.run))

    def action_end_export(self) -> None:
        """Ask whether to; in which form, where it has ended just now."""
        self.action_export()

    def action_chat(self) -> None:
        """Talk to the model, or load it for that."""
        self._went_to_chat = True
        self._app.show_chat(self.session)

    def action_talk(self) -> None:
        """Ask it while it trains."""
        self._app.show_chat(self.session)

    def action_data(self) -> None:
        """The rows of the run, those with a high loss first."""
        from cockpit.data.look import look_at_run
        from cockpit.ui.screens.data import DataScreen

        run = self.session.link.run
        try:
            self.app.push_screen(DataScreen(plain_text(run.id), look_at_run(run.id)))
        except OSError as error:
            self.notify(f"The rows cannot be looked at: {plain_text(str(error))}", severity="error", markup=False)

    def action_recipes(self) -> None:
        """Away; the run goes on."""
        self._app.show_recipes()

    @property
    def _app(self) -> Host:
        return cast("Host", self.app)
