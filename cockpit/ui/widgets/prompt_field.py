"""PromptField: where prompts are typed: Enter sends, ctrl+j begins a new line."""

from __future__ import annotations

import shlex
from collections.abc import Sequence
from pathlib import Path
from typing import ClassVar
from urllib.parse import unquote

from textual import events
from textual.binding import Binding, BindingType
from textual.message import Message
from textual.widgets import TextArea

from cockpit.text.plain_text import plain_text

LONGEST_PATH = 16_384
"""Characters: Linux takes a path of 4,096 bytes, which may be escaped as three each."""


class PromptField(TextArea):
    """Posts Submitted; what is to become of the text then is the screen's business.

    The text that it begins with is an offer: selected when the field gets the focus, so that typing replaces it.
    """

    HELP = "Enter sends the prompt, ctrl+j begins a new line; up and down in an empty field bring earlier ones back."
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("ctrl+j", "new_line", "new line", id="prompt.new_line", tooltip="Begin a new line", show=False),
    ]
    DEFAULT_CSS = """
    PromptField { height: auto; min-height: 3; max-height: 9; scrollbar-size-vertical: 1; }
    """

    class Submitted(Message):
        """Enter was pressed; `text` is not blank."""

        def __init__(self, text: str) -> None:
            super().__init__()
            self.text = text

    class PictureGiven(Message):
        """The path of a picture was pasted, which is what terminals do with a file that is dropped on them."""

        def __init__(self, path: str) -> None:
            super().__init__()
            self.path = path

    def __init__(
        self, text: str = "", *, pictures: Sequence[str] = (), id: str | None = None, classes: str | None = None
    ) -> None:
        """`pictures`: suffixes of files that are taken as pictures; none where no picture can be asked about."""
        super().__init__(plain_text(text), id=id, classes=classes, soft_wrap=True, placeholder="Ask something")
        self.cursor_blink = False
        self.highlight_cursor_line = False
        self._offer = self.text
        self._pictures = tuple(pictures)
        self._earlier: list[str] = []
        self._recalled: int | None = None

    def remember(self, prompt: str) -> None:
        """A prompt that up brings back."""
        if not self._earlier or self._earlier[-1] != prompt:
            self._earlier.append(prompt)
        self._recalled = None

    def on_focus(self, event: events.Focus) -> None:
        """Select the offer, unless it is the terminal that got the focus back."""
        if self._offer and self.text == self._offer and not event.from_app_focus:
            self.select_all()

    async def _on_key(self, event: events.Key) -> None:
        if event.key == "enter":
            event.stop()
            event.prevent_default()
            if self.text.strip():
                self.post_message(self.Submitted(self.text.strip()))
            return
        if event.key in ("up", "down") and self._recalls():
            event.stop()
            event.prevent_default()
            self._recall(-1 if event.key == "up" else 1)
            return
        await super()._on_key(event)

    async def _on_paste(self, event: events.Paste) -> None:
        """Only what a terminal may show is pasted, and of a picture's path the picture."""
        picture = dropped_file(event.text, self._pictures)
        if picture:
            event.stop()
            event.prevent_default()
            self.post_message(self.PictureGiven(picture))
            return
        clean = plain_text(event.text)
        if clean == event.text:
            await super()._on_paste(event)
            return
        event.stop()
        event.prevent_default()
        self.insert(clean)

    def action_new_line(self) -> None:
        """Begin a new line where the cursor is."""
        self.insert("\n")

    def _recalls(self) -> bool:
        """Whether up and down walk through earlier prompts: the field is empty, or shows one of them."""
        shows_one = self._recalled is not None and self.text == self._earlier[self._recalled]
        return bool(self._earlier) and (not self.text or shows_one)

    def _recall(self, by: int) -> None:
        at = len(self._earlier) + by if self._recalled is None else self._recalled + by
        if at >= len(self._earlier):
            self._recalled = None
            self.text = ""
            return
        self._recalled = max(0, at)
        self.text = self._earlier[self._recalled]
        self.move_cursor(self.document.end)


def dropped_file(text: str, suffixes: Sequence[str]) -> str:
    """The path of a file that is there and has one of `suffixes`, as terminals write it: quoted, with backslashes, or
    as an address; empty where `text` is something else."""
    if not suffixes or len(text) > LONGEST_PATH:
        return ""
    try:
        (path,) = shlex.split(text.strip())
        path = unquote(path.removeprefix("file://")) if path.startswith("file:///") else path
        is_one = path.lower().endswith(tuple(suffixes)) and Path(path).expanduser().is_file()
    except (OSError, RuntimeError, ValueError):
        return ""
    return path if is_one else ""
