"""Markdown as a model writes it -> one text to be drawn: headings, lists, code, tables; none of it is read as markup"""

from __future__ import annotations

import functools
from collections.abc import Callable
from dataclasses import dataclass, field

from markdown_it import MarkdownIt
from markdown_it.token import Token
from rich.cells import cell_len
from textual.content import Content
from textual.highlight import highlight

from cockpit.ui.widgets.glyphs import glyphs

INLINE = {"strong": "bold", "em": "italic", "s": "strike", "link": "underline"}
CODE = "$text-accent"
LONGEST_HIGHLIGHT = 20_000
"""Characters of code; more of it in one piece is drawn without colours."""


def markdown_text(source: str) -> Content:
    """The whole of `source`, drawn. A code block that is not closed yet has no colours yet."""
    drawing = _Drawing(source)
    for token in _parser().parse(source):
        drawing.take(token)
    return drawing.end()


def open_fence(source: str) -> str:
    """The line that has opened the code block in which `source` ends; empty where it ends in none."""
    opened = ""
    for line in source.splitlines():
        text = line.strip()
        if opened:
            mark = opened.strip()[:3]
            if text.startswith(mark) and not text.strip(mark[0]):
                opened = ""
        elif text.startswith(("```", "~~~")):
            opened = line
    return opened


@functools.cache
def _parser() -> MarkdownIt:
    """What looks like HTML is what the model has written, and shown as it stands."""
    return MarkdownIt("commonmark", {"html": False}).enable(["table", "strikethrough"])


@dataclass
class _Drawing:
    source: str
    parts: list[Content] = field(default_factory=list)
    lists: list[int | None] = field(default_factory=list)
    """The next number of each list that is open; None where it has bullets."""
    quotes: int = 0
    bullet: str = ""
    """What goes before the next line of an item."""
    begins_list: bool = False
    """Whether the next line is the first of a list that stands in no other."""
    heading: int = 0
    rows: list[list[Content]] = field(default_factory=list)
    is_in_table: bool = False
    is_tight: bool = False

    def take(self, token: Token) -> None:
        """Draw one token more."""
        kind = token.type
        if kind in ("bullet_list_open", "ordered_list_open"):
            begin = token.attrs.get("start", 1)
            self.lists.append(int(begin) if kind.startswith("ordered") else None)
            self.begins_list = len(self.lists) == 1
        elif kind in ("bullet_list_close", "ordered_list_close"):
            self.lists.pop()
        elif kind == "list_item_open":
            number = self.lists[-1]
            self.bullet = f"{glyphs().dot} " if number is None else f"{number}. "
            if number is not None:
                self.lists[-1] = number + 1
        elif kind in ("blockquote_open", "blockquote_close"):
            self.quotes += 1 if kind.endswith("open") else -1
        elif kind == "heading_open":
            self.heading = int(token.tag[1:])
        elif kind == "heading_close":
            self.heading = 0
        elif kind == "paragraph_open":
            self.is_tight = token.hidden
        elif kind == "table_open":
            self.is_in_table, self.rows = True, []
        elif kind == "tr_open":
            self.rows.append([])
        elif kind == "table_close":
            self.is_in_table = False
            self._add(_table(self.rows), tight=False)
        elif kind == "inline":
            self._inline(token)
        elif kind in ("fence", "code_block"):
            self._add(self._code(token), tight=False)
        elif kind == "hr":
            self._add(Content.styled(_rule(20), "$foreground-muted"), tight=False)

    def end(self) -> Content:
        """All that was drawn."""
        return Content("").join(self.parts)

    def _inline(self, token: Token) -> None:
        content = _inline(token.children or [])
        if self.is_in_table:
            self.rows[-1].append(content)
            return
        if self.heading:
            content = content.stylize("bold $primary" if self.heading < 3 else "bold")
        self._add(content, tight=self.is_tight)

    def _add(self, content: Content, *, tight: bool) -> None:
        indent = "  " * max(0, len(self.lists) - 1) + f"{glyphs().axis} " * self.quotes
        first = indent + self.bullet
        rest = indent + " " * (cell_len(self.bullet) or (2 if self.lists else 0))
        if self.lists and not self.bullet:
            first = rest
        lines = content.split("\n", allow_blank=True)
        is_close = tight or bool(self.bullet and self.lists)
        gap = "" if not self.parts else "\n" if is_close and not self.begins_list else "\n\n"
        self.begins_list = False
        drawn = [
            Content.styled(first if at == 0 else rest, "$foreground-muted") + line for at, line in enumerate(lines)
        ]
        self.parts.append(Content(gap) + Content("\n").join(drawn))
        self.bullet = ""

    def _code(self, token: Token) -> Content:
        code = token.content.removesuffix("\n")
        language = token.info.strip().partition(" ")[0]
        last = self.source.rstrip("\n").splitlines()[-1].strip() if self.source.strip() else ""
        ends = token.map[1] if token.map else 0
        is_closed = ends < len(self.source.splitlines()) or (bool(last) and not last.strip("`~"))
        if not language or not is_closed or len(code) > LONGEST_HIGHLIGHT:
            body = Content.styled(code, CODE)
        else:
            body = _highlighted(code, language)
        head = Content.styled(f"{language}\n", "$foreground-muted") if language else Content("")
        return head + body


@functools.lru_cache(maxsize=32)
def _highlighted(code: str, language: str) -> Content:
    """Kept, as a reply that grows below it is drawn 16 times a second."""
    return highlight(code, language=language).rstrip("\n")


def _inline(tokens: list[Token]) -> Content:
    parts: list[Content] = []
    opened: list[tuple[str, int, str]] = []
    for token in tokens:
        kind = token.type
        if kind == "text":
            parts.append(Content(token.content))
        elif kind in ("softbreak", "hardbreak"):
            parts.append(Content("\n"))
        elif kind == "code_inline":
            parts.append(Content.styled(token.content, CODE))
        elif kind == "image":
            parts.append(Content(f"[{token.content}]({token.attrs.get('src', '')})"))
        elif kind.endswith("_open"):
            opened.append((kind.removesuffix("_open"), len(parts), str(token.attrs.get("href", ""))))
        elif kind.endswith("_close") and opened:
            name, begin, href = opened.pop()
            inside = Content("").join(parts[begin:]).stylize(INLINE.get(name, ""))
            if href and href != inside.plain:
                inside += Content.styled(f" ({href})", "$foreground-muted")
            parts[begin:] = [inside]
        else:
            parts.append(Content(token.content))
    return Content("").join(parts)


def _table(rows: list[list[Content]]) -> Content:
    """Columns as wide as their widest cell; the first row is the head."""
    widths = [
        max(cell_len(row[at].plain) for row in rows if at < len(row)) for at in range(max(map(len, rows), default=0))
    ]
    pad: Callable[[Content, int], Content] = lambda cell, width: cell + " " * (width - cell_len(cell.plain))
    lines = [Content("  ").join(pad(cell, width) for cell, width in zip(row, widths, strict=False)) for row in rows]
    if lines:
        lines[0] = lines[0].stylize("bold")
        lines.insert(1, Content.styled("  ".join(map(_rule, widths)), "$foreground-muted"))
    return Content("\n").join(lines)


def _rule(width: int) -> str:
    return ("─" if glyphs().braille else "-") * width
