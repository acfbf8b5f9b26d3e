"""The two themes, and the same two in the sixteen colours of a plain terminal. One colour means one thing everywhere:

| variable | meaning | its sign |
|---|---|---|
| primary | this run: its loss, its state, the tuned model, what has the focus | ● |
| trained | the tokens that this run learns from: primary, bold and underlined | |
| secondary | others: the base model, other processes | ▒ |
| padding | what fills a batch up: as pale as others | ░ |
| accent | the plan: what is to come | |
| held-out | measured on rows that are not trained on | ◆ |
| changed | edited, and not saved yet | * |
| success | done, ready, as it should be | ✓ |
| warning | look at this | ▲ |
| error | wrong, failed, ended against the will | ✗ |

The sign says it where colours are not seen. All other colours are derived from these by Textual.
"""

from __future__ import annotations

from dataclasses import replace

from textual.theme import Theme

DARK = Theme(
    name="cockpit-dark",
    primary="#5cb8f2",
    secondary="#8796a8",
    accent="#b79cf2",
    success="#7fd491",
    warning="#f0b95b",
    error="#f5757f",
    foreground="#d5dde6",
    background="#0c1117",
    surface="#11181f",
    panel="#1a232d",
    dark=True,
    variables={
        "trained": "#5cb8f2",
        "padding": "#8796a8",
        "held-out": "#f49ad6",
        "changed": "#4fd6c4",
        "button": "#1a232d",
        "border": "#5cb8f2",
        "border-blurred": "#2c3947",
        "block-cursor-background": "#24445c",
        "block-cursor-foreground": "#f2f7fb",
        "block-cursor-blurred-background": "#1a232d",
        "block-hover-background": "#17212b",
        "input-cursor-background": "#d5dde6",
        "input-cursor-foreground": "#0c1117",
        "input-selection-background": "#5cb8f2 35%",
        "footer-background": "#11181f",
        "footer-key-foreground": "#5cb8f2",
        "footer-description-foreground": "#a9b6c3",
        "scrollbar": "#2c3947",
        "scrollbar-hover": "#3d4e60",
        "scrollbar-active": "#5cb8f2",
        "scrollbar-background": "#11181f",
        "scrollbar-background-hover": "#11181f",
        "scrollbar-background-active": "#11181f",
        "scrollbar-corner-color": "#11181f",
    },
)

LIGHT = Theme(
    name="cockpit-light",
    primary="#0b66a8",
    secondary="#66727f",
    accent="#6f45c2",
    success="#1c7a36",
    warning="#945d00",
    error="#b92534",
    foreground="#1d2730",
    background="#eef1f4",
    surface="#f9fafb",
    panel="#e1e7ec",
    dark=False,
    variables={
        "trained": "#0b66a8",
        "padding": "#66727f",
        "held-out": "#a8287f",
        "changed": "#00706a",
        "button": "#e1e7ec",
        "border": "#0b66a8",
        "border-blurred": "#b9c4ce",
        "block-cursor-background": "#c3ddf0",
        "block-cursor-foreground": "#0b1620",
        "block-cursor-blurred-background": "#e1e7ec",
        "block-hover-background": "#e8edf1",
        "input-cursor-background": "#1d2730",
        "input-cursor-foreground": "#f9fafb",
        "input-selection-background": "#0b66a8 25%",
        "footer-background": "#e1e7ec",
        "footer-key-foreground": "#0b66a8",
        "footer-description-foreground": "#3d4954",
        "scrollbar": "#b9c4ce",
        "scrollbar-hover": "#97a5b2",
        "scrollbar-active": "#0b66a8",
        "scrollbar-background": "#eef1f4",
        "scrollbar-background-hover": "#eef1f4",
        "scrollbar-background-active": "#eef1f4",
        "scrollbar-corner-color": "#eef1f4",
    },
)

THEMES = (DARK, LIGHT)

BLACK, RED, GREEN, BROWN, BLUE, MAGENTA, CYAN, SILVER, GREY, PINK, LIME, YELLOW, SKY, ROSE, AQUA, WHITE = (
    "#000000", "#aa0000", "#00aa00", "#aa5500", "#0000aa", "#aa00aa", "#00aaaa", "#aaaaaa",
    "#555555", "#ff5555", "#55ff55", "#ffff55", "#5555ff", "#ff55ff", "#55ffff", "#ffffff",
)  # fmt: skip
"""What Rich takes the sixteen colours for: each of these is sent as that colour of the terminal, and not as the grey
that is nearest to a soft green."""

DARK_16 = replace(
    DARK, primary=AQUA, secondary=SILVER, accent=MAGENTA, success=LIME, warning=YELLOW, error=PINK, foreground=WHITE,
    background=BLACK, surface=BLACK, panel=BLACK,
    variables={
        "trained": AQUA, "padding": SILVER, "held-out": ROSE, "changed": SKY, "button": GREY,
        "border": AQUA, "border-blurred": GREY,
        "block-cursor-background": BLUE, "block-cursor-foreground": WHITE,
        "block-cursor-blurred-background": GREY, "block-hover-background": GREY,
        "input-cursor-background": WHITE, "input-cursor-foreground": BLACK, "input-selection-background": CYAN,
        "footer-background": BLACK, "footer-key-foreground": AQUA, "footer-description-foreground": SILVER,
        "scrollbar": GREY, "scrollbar-hover": SILVER, "scrollbar-active": AQUA, "scrollbar-background": BLACK,
        "scrollbar-background-hover": BLACK, "scrollbar-background-active": BLACK, "scrollbar-corner-color": BLACK,
    },
)  # fmt: skip

LIGHT_16 = replace(
    LIGHT, primary=BLUE, secondary=GREY, accent=ROSE, success=GREEN, warning=BROWN, error=RED, foreground=BLACK,
    background=WHITE, surface=WHITE, panel=WHITE,
    variables={
        "trained": BLUE, "padding": GREY, "held-out": MAGENTA, "changed": CYAN, "button": SILVER,
        "border": BLUE, "border-blurred": SILVER,
        "block-cursor-background": AQUA, "block-cursor-foreground": BLACK,
        "block-cursor-blurred-background": SILVER, "block-hover-background": SILVER,
        "input-cursor-background": BLACK, "input-cursor-foreground": WHITE, "input-selection-background": SILVER,
        "footer-background": WHITE, "footer-key-foreground": BLUE, "footer-description-foreground": GREY,
        "scrollbar": SILVER, "scrollbar-hover": GREY, "scrollbar-active": BLUE, "scrollbar-background": WHITE,
        "scrollbar-background-hover": WHITE, "scrollbar-background-active": WHITE, "scrollbar-corner-color": WHITE,
    },
)  # fmt: skip


def themes_for(color_system: str | None) -> tuple[Theme, Theme]:
    """The dark and the light theme for what Rich says of the terminal: `standard` has sixteen colours. Their names are
    the same, so that what is remembered fits any terminal."""
    return (DARK_16, LIGHT_16) if color_system == "standard" else THEMES


def meanings(theme: Theme) -> dict[str, str]:
    """The colours that Textual does not know, for a theme that comes with Textual."""
    return {name: (DARK if theme.dark else LIGHT).variables[name] for name in OWN}


OWN = ("trained", "padding", "held-out", "changed", "button")
