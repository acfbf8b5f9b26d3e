"""CompletingEntry: a text field that offers completions under it: paths on this disk, and names that are known."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import ClassVar

from textual import events, on
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Vertical
from textual.content import Content
from textual.css.query import NoMatches
from textual.widgets import Input, OptionList

from cockpit.text.plain_text import plain_line, plain_text
from cockpit.ui.widgets.entry import Entry
from cockpit.ui.widgets.marked_list import MarkedList

ENTRIES_READ = 5000
OFFERS_SHOWN = 60
TALLEST = 10
"""Lines of the list at most, its frame included."""
FRAME = 2


@dataclass(frozen=True)
class Offer:
    """One completion: the whole text that the field gets, and a word on what it is."""

    value: str
    note: str = ""
    label: str = ""
    """What the list shows; empty for the value."""

    @property
    def leads_on(self) -> bool:
        """Whether more can be completed after it: a folder."""
        return self.value.endswith("/")


Offers = Callable[[str], Sequence[Offer]]


class CompletionEntry(Entry):
    """The field itself; its box owns the list."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("down", "offer(1)", "next offer", id="completion.down", tooltip="Mark the next completion", show=False),
        Binding("up", "offer(-1)", "offer before", id="completion.up", tooltip="Mark the one before", show=False),
        Binding("tab", "complete", "complete", id="completion.take", tooltip="Take the marked completion", show=False),
        Binding("enter", "take_or_submit", "take", id="completion.enter", show=False,
                tooltip="Take the marked completion; without one, be done with the field"),
        Binding("escape", "hide", "hide offers", id="completion.hide", tooltip="Close the list of completions",
                show=False),
        Binding("f4", "browse", "choose", id="completion.browse", tooltip="Show all that can be chosen here",
                key_display="F4"),
    ]  # fmt: skip

    def on_click(self) -> None:
        """Show what can be chosen."""
        if not self.box.is_open:
            self.box.browse()

    @property
    def box(self) -> CompletingEntry:
        """The widget around it."""
        assert isinstance(self.parent, CompletingEntry)
        return self.parent

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        """Without an open list its keys mean what they mean around the field."""
        return self.box.is_open if action in ("offer", "complete", "hide") else True

    def action_offer(self, step: int) -> None:
        """Move the mark in the list."""
        self.box.move_mark(step)

    def action_complete(self) -> None:
        """Take the marked offer, or the first; where it stands in the field already, close the list."""
        if not self.box.take(or_first=True):
            self.box.hide()

    async def action_take_or_submit(self) -> None:
        """Take the marked offer; without one, submit."""
        if not self.box.take(or_first=False):
            self.box.hide()
            await self.action_submit()

    def action_hide(self) -> None:
        """Close the list."""
        self.box.hide()

    def action_browse(self) -> None:
        """Open the list on what stands here, or on all where nothing would fit."""
        self.box.browse()


class OfferList(MarkedList):
    """The completions. It has no focus of its own: the field moves its mark, which is drawn as if it had."""

    DEFAULT_CSS = """
    OfferList {
        display: none;
        overlay: screen;
        width: 1fr;
        max-height: 100vh;
        border: round $primary;
        padding: 0 1;
        background: $panel;
        &.-open { display: block; }
        & > .option-list--option-highlighted {
            color: $block-cursor-foreground;
            background: $block-cursor-background;
            text-style: bold;
        }
    }
    """

    def __init__(self) -> None:
        super().__init__(markup=False)
        self.can_focus = False
        self._offers: Sequence[Offer] = ()

    def set_offers(self, offers: Sequence[Offer]) -> None:
        """List these, none of them marked."""
        self._offers = offers
        self.draw_rows()
        self.highlighted = None

    def row_ids(self) -> Sequence[str]:
        return [str(index) for index in range(len(self._offers))]

    def row_content(self, index: int, width: int) -> Content:
        offer = self._offers[index]
        note = f"  {offer.note}" if offer.note else ""
        row = Content.assemble("  ", plain_line(offer.label or offer.value), (note, "$foreground-muted"))
        return row.truncate(width, ellipsis=True)

    def on_click(self, event: events.Click) -> None:
        """One click takes an offer: it can be taken back by the same field."""
        event.prevent_default()
        index = event.style.meta.get("option")
        if index is not None:
            self.highlighted = index
            self.action_select()


class CompletingEntry(Vertical):
    """An entry with a list under it. `offers` is asked at each key for the text as it stands."""

    DEFAULT_CSS = """
    CompletingEntry { height: auto; }
    """

    def __init__(
        self, offers: Offers, value: str = "", *, placeholder: str = "", id: str | None = None, help: str = ""
    ):
        super().__init__(classes="completing")
        self._offers = offers
        self._shown: list[Offer] = []
        self._entry = CompletionEntry(value, placeholder=placeholder, id=id, help=help)

    def compose(self) -> ComposeResult:
        """Field and list."""
        yield self._entry
        yield OfferList()

    @property
    def entry(self) -> CompletionEntry:
        """The field."""
        return self._entry

    @property
    def is_open(self) -> bool:
        """Whether the list is shown."""
        return self._list is not None and self._list.has_class("-open")

    @property
    def _list(self) -> OfferList | None:
        try:
            return self.query_one(OfferList)
        except NoMatches:
            return None

    @on(Input.Changed)
    def _on_typed(self) -> None:
        if self._entry.has_focus:
            self._show(self._offers(self._entry.value))

    @on(OptionList.OptionSelected)
    def _on_clicked(self, event: OptionList.OptionSelected) -> None:
        event.stop()
        self._put(self._shown[event.option_index])
        self._entry.focus()

    @on(OptionList.OptionHighlighted)
    def _on_highlighted(self, event: OptionList.OptionHighlighted) -> None:
        event.stop()

    def on_resize(self) -> None:
        """There may be more or less room now. What was typed before the field had its place keeps its offers."""
        if self._list is not None and self.is_open:
            self._place(self._list, len(self._shown))

    def on_descendant_blur(self, _event: events.DescendantBlur) -> None:
        """The list belongs to the focused field."""
        self.hide()

    def move_mark(self, step: int) -> None:
        """Mark the next or previous offer, where the list is open."""
        offers = self._list
        if offers is not None and self.is_open:
            at = -1 if offers.highlighted is None and step > 0 else offers.highlighted or 0
            offers.highlighted = (at + step) % len(self._shown)

    def take(self, *, or_first: bool) -> bool:
        """Put the marked offer into the field. False where there is none to take.

        A mark that the wheel has scrolled out of sight is only brought back: nobody takes what is not seen.
        """
        offers = self._list
        if offers is None or not self.is_open:
            return False
        if offers.highlighted is not None and not offers.shows_mark():
            offers.scroll_to_highlight()
            return True
        at = offers.highlighted if offers.highlighted is not None else (0 if or_first else None)
        if at is None or self._shown[at].value == self._entry.value:
            return False
        self._put(self._shown[at])
        return True

    def hide(self) -> None:
        """Close the list."""
        if self._list is not None and self.is_open:
            self._list.remove_class("-open")
            self._entry.refresh_bindings()

    def browse(self) -> None:
        """Open the list; on everything where the field's text leads nowhere further."""
        offers = self._offers(self._entry.value)
        if [offer.value for offer in offers] in ([], [self._entry.value]):
            offers = self._offers("")
        self._show(offers, always=True)

    def _show(self, offers: Sequence[Offer], *, always: bool = False) -> None:
        shown = list(islice(offers, OFFERS_SHOWN))
        listed = self._list
        if listed is None:
            return
        if not shown or (not always and [offer.value for offer in shown] == [self._entry.value]):
            self.hide()
            return
        self._shown = shown
        self._place(listed, len(shown))
        listed.set_offers(shown)
        listed.add_class("-open")
        self._entry.refresh_bindings()

    def _place(self, listed: OfferList, rows: int) -> None:
        """Below the field, or above it where there is more room: never over what is typed."""
        above, below = self._entry.region.y, self.screen.size.height - self._entry.region.bottom
        wanted = min(TALLEST, rows + FRAME)
        is_above = below < wanted and above > below
        height = min(wanted, above if is_above else below)
        listed.styles.height = height
        listed.styles.offset = (0, -height - 1 if is_above else 0)

    def _put(self, offer: Offer) -> None:
        self.hide()
        self._entry.value = offer.value
        self._entry.cursor_position = len(offer.value)
        if offer.leads_on:
            self._show(self._offers(offer.value))


def path_offers(text: str, suffixes: Sequence[str]) -> list[Offer]:
    """Folders, and files with one of `suffixes`, that `text` is the beginning of.

    Names that no terminal may show are left out, hidden ones unless asked for by their dot. At most ENTRIES_READ names
    of a folder are looked at.
    """
    folder_text, slash, beginning = text.rpartition("/")
    folder = Path(folder_text + slash if slash else ".")
    try:
        with os.scandir(folder.expanduser()) as entries:
            found = [(entry.name, entry.is_dir()) for entry in islice(entries, ENTRIES_READ)]
    except (OSError, RuntimeError, ValueError):
        return []
    offers = []
    for name, is_folder in sorted(found, key=lambda entry: (not entry[1], entry[0].lower())):
        hidden = name.startswith(".") and not beginning.startswith(".")
        fits = is_folder or name.lower().endswith(tuple(suffixes))
        if fits and not hidden and name.startswith(beginning) and plain_text(name) == name:
            label = f"{name}{'/' if is_folder else ''}"
            offers.append(Offer(f"{folder_text}{slash}{label}", label=label))
    return offers


def name_offers(text: str, names: Sequence[Offer]) -> list[Offer]:
    """The names that contain `text`, whatever the case."""
    return [name for name in names if text.lower() in name.value.lower()]
