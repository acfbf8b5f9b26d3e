"""The themes: each meaning has a colour that no other has, that can be read, and that survives sixteen colours."""

from itertools import combinations

import pytest
from rich.color import ColorSystem
from textual import constants
from textual.color import Color
from textual.theme import Theme

from cockpit.ui.app import CockpitApp
from cockpit.ui.themes import DARK, DARK_16, LIGHT, LIGHT_16, OWN
from cockpit.ui.widgets.glyphs import ASCII, UNICODE, Glyphs
from cockpit.ui.widgets.state_signs import state_sign
from tests.ui.colours import contrast
from tests.ui.engines import FakeEngines, FakeProbe

MEANINGS = ("primary", "secondary", "accent", "held-out", "changed", "success", "warning", "error", "foreground")


def colours(theme: Theme) -> dict[str, Color]:
    return {name: Color.parse(theme.variables.get(name) or getattr(theme, name)) for name in MEANINGS}


@pytest.mark.parametrize("theme", [DARK, LIGHT], ids=lambda theme: theme.name)
def test_no_two_meanings_share_a_colour_and_each_can_be_read(theme: Theme) -> None:
    found = colours(theme)
    surface = Color.parse(theme.surface or "")
    for one, other in combinations(MEANINGS, 2):
        apart = sum(abs(a - b) for a, b in zip(found[one].rgb, found[other].rgb, strict=True))
        assert apart > 60, (one, other)
    for name, colour in found.items():
        assert contrast(colour, surface) >= 4.5, name


@pytest.mark.parametrize("theme", [DARK_16, LIGHT_16], ids=lambda theme: theme.name)
def test_in_sixteen_colours_each_meaning_still_has_its_own(theme: Theme) -> None:
    sent = {name: colour.rich_color.downgrade(ColorSystem.STANDARD).number for name, colour in colours(theme).items()}
    assert len(set(sent.values())) == len(MEANINGS), sent
    greys = {0, 7, 8, 15}
    assert {name for name, number in sent.items() if number in greys} == {"secondary", "foreground"}
    assert sent["success"] in (2, 10) and sent["error"] in (1, 9) and sent["warning"] in (3, 11)


@pytest.mark.parametrize(("system", "theme"), [("standard", DARK_16), ("truecolor", DARK), ("256", DARK)])
async def test_the_terminal_decides_which_of_them_is_shown(
    system: str, theme: Theme, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(constants, "COLOR_SYSTEM", system)
    app = CockpitApp(engines=FakeEngines(), probe=FakeProbe())
    app.fit_colours()
    async with app.run_test():
        assert app.current_theme is theme
        app.action_toggle_theme()
        assert app.theme == LIGHT.name


async def test_our_colours_have_a_value_in_themes_that_come_with_textual() -> None:
    app = CockpitApp(engines=FakeEngines(), probe=FakeProbe())
    async with app.run_test() as pilot:
        for name in ("textual-light", "nord", "ansi-dark"):
            app.theme = name
            await pilot.pause()
            dark = app.current_theme.dark
            assert {key: app.theme_variables[key] for key in OWN} == {
                key: (DARK if dark else LIGHT).variables[key] for key in OWN
            }


@pytest.mark.parametrize("signs", [UNICODE, ASCII])
def test_states_are_told_apart_by_their_signs_or_words_alone(signs: Glyphs, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("cockpit.ui.widgets.glyphs.glyphs_for", lambda term, encoding: signs)
    good = {state_sign(state)[0] for state in ("starting", "running", "completed", "stopped")}
    bad = {state_sign(state)[0] for state in ("silent", "lost", "damaged", "failed", "out_of_memory")}
    assert len(good) == 4 and not good & bad
