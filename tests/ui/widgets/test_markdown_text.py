"""Markdown as models write it, drawn as text; nothing that they write is lost or read as markup."""

from __future__ import annotations

import random

import pytest
from textual.content import Content

from cockpit.ui.widgets.markdown_text import markdown_text, open_fence


@pytest.mark.parametrize(
    ("source", "drawn"),
    [
        ("One\ntwo\n\nthree", "One\ntwo\n\nthree"),  # a poem keeps its lines
        ("# Title\ntext", "Title\n\ntext"),
        ("- a\n- b\n  1. c\n  2. d\n- e", "· a\n· b\n  1. c\n  2. d\n· e"),
        ("3. x\n4. y\n\n   more of y", "3. x\n4. y\n\n  more of y"),
        ("text\n- a\n- b\n\ntext", "text\n\n· a\n· b\n\ntext"),
        ("> said\n> so", "│ said\n│ so"),
        ("a **b** *c* `d*e` ~~f~~", "a b c d*e f"),
        ("```python\nx = [1]\n\ny\n```\nend", "python\nx = [1]\n\ny\n\nend"),
        ("```\nnot closed", "not closed"),
        ("[bold]b[/] <b>c</b> &amp;", "[bold]b[/] <b>c</b> &"),
        ("see [here](http://x.y) and http://z", "see here (http://x.y) and http://z"),
        ("![cat](cat.png)", "[cat](cat.png)"),
        ("| a | long |\n|---|---|\n| 你好 | 1 |", "a     long\n────  ────\n你好  1   "),
        ("---", "─" * 20),
        ("", ""),
    ],
)
def test_what_is_drawn(source: str, drawn: str) -> None:
    assert markdown_text(source).plain == drawn


def styles(content: Content) -> dict[str, str]:
    return {content.plain[span.start : span.end]: str(span.style) for span in content.spans}


def test_what_stands_out() -> None:
    found = styles(markdown_text("**b** *i* `c`\n\n# H"))
    assert (found["b"], found["i"], found["c"], found["H"]) == ("bold", "italic", "$text-accent", "bold $primary")


def test_code_has_colours_once_it_is_closed() -> None:
    code = "```python\nif x:\n    pass\n"
    assert len(markdown_text(code).spans) < len(markdown_text(code + "```").spans)


@pytest.mark.parametrize(
    ("source", "opened"), [("a\n```py\nx", "```py"), ("```\nx\n```\n", ""), ("~~~\n```", "~~~"), ("text", "")]
)
def test_whether_a_code_block_is_open(source: str, opened: str) -> None:
    assert open_fence(source) == opened


def test_whatever_is_written_is_drawn_and_no_word_is_lost() -> None:
    signs = [
        "word",
        "**",
        "`",
        "```",
        "- ",
        "1. ",
        "> ",
        "# ",
        "|",
        "|---|",
        "[",
        "](",
        ")",
        "\\",
        "<",
        "你",
        "e\u0301",
    ]
    pieces = [*signs, "\n", "\n\n", "  "]
    dice = random.Random(5)
    for _ in range(400):
        source = "".join(dice.choice(pieces) + (f"w{at} " if dice.random() < 0.5 else "") for at in range(30))
        plain = markdown_text(source).plain
        words = {f"w{at}" for at in range(30) if f"w{at} " in source}
        assert {word for word in words if word in plain} == words or "```" in source or "](" in source or "[" in source
