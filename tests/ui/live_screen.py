"""The live screen as tests read it: its line, its card, its keys."""

from textual.pilot import Pilot

from cockpit.ui.runs.session import RunSession
from cockpit.ui.screens.live import LiveScreen
from cockpit.ui.widgets.outcome_card import OutcomeCard
from cockpit.ui.widgets.run_line import RunLine
from tests.ui.stage import Stage


def line(pilot: Pilot[None]) -> str:
    return pilot.app.screen.query_one(RunLine).render().plain


def card(pilot: Pilot[None]) -> str:
    shown = pilot.app.screen.query_one(OutcomeCard)
    return f"{shown.border_title}\n{shown.content}" if shown.display else ""


def keys(pilot: Pilot[None]) -> dict[str, str]:
    active = pilot.app.screen.active_bindings.values()
    return {found.binding.key: found.binding.description for found in active if found.enabled}


def stage(session: RunSession) -> Stage:
    return Stage(lambda: LiveScreen(session))
