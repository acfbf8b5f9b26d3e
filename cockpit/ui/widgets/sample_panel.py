"""SamplePanel: what the model answers as it trains, step by step, with what has changed"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import groupby
from typing import TYPE_CHECKING, ClassVar

from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import VerticalScroll
from textual.content import Content
from textual.style import Style
from textual.widgets import Static

from cockpit.text.numbers import count, metric
from cockpit.text.plain_text import plain_line, plain_text
from cockpit.text.word_diff import pieces
from cockpit.ui.widgets.glyphs import glyphs

if TYPE_CHECKING:
    from cockpit.protocol.events import AnswerJudged, CompletionScored, SampleAnswered

    Answer = SampleAnswered | AnswerJudged | CompletionScored

CHANGED = "bold underline $primary"
"""Told apart without colours too."""


class SamplePanel(VerticalScroll, can_focus=True):
    """`show` takes all answers. It shows the newest, until one goes back to earlier ones."""

    HELP = (
        "The recipe's prompts, answered before training, every few steps and at checkpoints; those of its suite and "
        "held-out rows where it has evaluation, with a sign whether they are right. Left and right go through the "
        "steps; words that were not in the answer before are bold and underlined. End goes to the newest again."
    )
    DEFAULT_CSS = """
    SamplePanel { scrollbar-size-vertical: 1; link-background: transparent; link-color: $primary; link-style: bold; }
    SamplePanel > Static { height: auto; }
    """
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("left", "scrub(-1)", "earlier", id="samples.back", tooltip="The answers of an earlier step"),
        Binding("right", "scrub(1)", "later", id="samples.on", tooltip="The answers of a later step"),
        Binding("end", "newest", "newest", id="samples.newest", tooltip="The newest answers, and those to come",
                show=False),
    ]  # fmt: skip

    def __init__(self, *, id: str | None = None, classes: str | None = None) -> None:
        super().__init__(id=id, classes=classes)
        self._rounds: list[list[Answer]] = []
        """The answers of each step, ascending."""
        self._newest: tuple[tuple[int, int], ...] = ()
        self._step: int | None = None
        """The one that is shown; None for the newest."""
        self._shown: object = None
        self._why_empty = "No prompt has been answered yet."

    def compose(self) -> ComposeResult:
        """One text."""
        yield Static(self._why_empty, markup=False)

    def on_mount(self) -> None:
        """Say what it will be."""
        self.border_title = Content("samples")

    def show(
        self,
        samples: Sequence[SampleAnswered],
        judged: Sequence[AnswerJudged] = (),
        completions: Sequence[CompletionScored] = (),
        *,
        has_prompts: bool = True,
    ) -> None:
        """Take the answers, each kind ascending in step; `has_prompts`: whether the recipe asks for any."""
        self._why_empty = "No prompt has been answered yet."
        if not has_prompts:
            self._why_empty = "The recipe has no samples.prompts that would be answered."
        kinds: tuple[Sequence[Answer], ...] = (samples, judged, completions)
        newest = tuple((id(one[-1]), len(one)) if one else (0, 0) for one in kinds)
        if newest != self._newest:
            self._newest = newest
            answers: list[Answer] = sorted([*samples, *judged, *completions], key=lambda one: one.step)
            self._rounds = [list(alike) for _, alike in groupby(answers, key=lambda one: one.step)]
        self._draw()

    def action_scrub(self, by: int) -> None:
        """Go to the answers of an earlier or later step."""
        if self._rounds:
            at = min(max(0, self._at + by), len(self._rounds) - 1)
            is_newest = at == len(self._rounds) - 1
            self._step = None if is_newest else self._rounds[at][0].step
            self._draw()
            self.scroll_home(animate=False)

    def action_newest(self) -> None:
        """Follow the newest answers."""
        self._step = None
        self._draw()

    @property
    def _at(self) -> int:
        """The index of the round that is shown; the one before, where a resume went back behind it."""
        last = len(self._rounds) - 1
        if self._step is None:
            return last
        known = [at for at, answers in enumerate(self._rounds) if answers[0].step <= (self._step or 0)]
        return known[-1] if known else last

    def _draw(self) -> None:
        at = self._at
        answers = self._rounds[at] if self._rounds else []
        before = self._before(at)
        shown = (self._why_empty, len(self._rounds), answers, before)
        if shown == self._shown:
            return
        self._shown = shown
        self.border_title, self.border_subtitle = self._title(), self._scrubber(at)
        texts = [answer_text(one, before.get(_asked(one))) for one in answers]
        self.query_one(Static).update(Content("\n").join(texts) if texts else Content(self._why_empty))

    def _before(self, at: int) -> dict[tuple[str, int], Answer]:
        """The last answer to each question before the round `at`."""
        wanted = {_asked(one) for one in self._rounds[at]} if self._rounds else set()
        found: dict[tuple[str, int], Answer] = {}
        for answers in reversed(self._rounds[: max(0, at)]):
            found |= {_asked(one): one for one in answers if _asked(one) in wanted - found.keys()}
            if len(found) == len(wanted):
                break
        return found

    def _title(self) -> Content:
        if not self._rounds:
            return Content("samples")
        step = self._rounds[self._at][0].step
        return Content(f"samples {glyphs().dot} " + (f"step {count(step)}" if step else "before training"))

    def _scrubber(self, at: int) -> Content:
        """The way to other steps, by the mouse too."""
        if len(self._rounds) < 2:
            return Content("")
        back, on = ("◂", "▸") if glyphs().braille else ("<", ">")
        return Content.assemble(
            (f" {back} ", Style.from_meta({"@click": "scrub(-1)"})),
            f"{at + 1} of {len(self._rounds)}",
            (f" {on} ", Style.from_meta({"@click": "scrub(1)"})),
        )


def _asked(answer: Answer) -> tuple[str, int]:
    """Which question it answers."""
    drawn = f"drawn {getattr(answer, 'prompt', '')}" if hasattr(answer, "rewards") else "samples"
    return getattr(answer, "half", drawn), answer.index


def _question(answer: Answer) -> tuple[str, str, str]:
    """The question on one line, why there is no answer, and what was reasoned."""
    from cockpit.protocol.events import CompletionScored, SampleAnswered

    if isinstance(answer, CompletionScored):
        parts = ", ".join(f"{plain_line(name)} {metric(value)}" for name, value in answer.rewards.items())
        return f"reward {metric(answer.reward)} ({parts}): {plain_line(answer.prompt)}", "", ""
    if isinstance(answer, SampleAnswered):
        return plain_line(answer.prompt), plain_line(answer.reason), answer.thinking
    sign = glyphs().done if answer.passed else glyphs().failed
    return f"{sign} {answer.half}: {plain_line(answer.title)}", plain_line(answer.why), ""


def answer_text(answer: Answer, before: Answer | None) -> Content:
    """Prompt and answer, the words marked that were not in the answer `before`."""
    question, why, thinking = _question(answer)
    asked = Content.styled(f"> {question}\n", "$foreground-muted")
    if answer.end == "failed":
        return asked + Content.styled(f"{glyphs().failed} {why or 'no answer'}", "$error")
    parts = [asked]
    if thinking:
        parts.append(Content.styled(f"(reasoned for {len(thinking.split()):,} words) ", "$foreground-muted"))
    known = before is not None and before.end != "failed"
    words, gone = compared(plain_text(answer.text), plain_text(before.text) if before is not None and known else None)
    parts.append(words)
    if answer.end == "max_new_tokens":
        parts.append(Content(" …"))
    if gone:
        parts.append(Content.styled(f" ({gone:,} word{'s' * (gone > 1)} gone)", "$foreground-muted"))
    return Content("").join(parts)


def compared(text: str, before: str | None) -> tuple[Content, int]:
    """The text with the words marked that are new, and how many are gone; nothing is new where there was none."""
    if before is None or text == before:
        return Content(text), 0
    parts, gone, in_place = [], 0, 0
    for mark, words in pieces(before, text):
        in_place = len(words.split()) if mark == "-" else in_place
        if mark != "-":
            gone += max(0, in_place - (len(words.split()) if mark == "+" else 0))
            in_place = 0
            bare = words.lstrip() if mark == "+" else ""
            parts += [Content(words.removesuffix(bare)), Content.styled(bare, CHANGED)]
    return Content("").join(parts), gone + in_place
