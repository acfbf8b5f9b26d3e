"""What is left out of the terminal's output changes nothing of what it shows."""

from __future__ import annotations

import os
import random

import pyte
import pytest

from cockpit.ui.sparing_output import SparingOutput

COLUMNS, ROWS = 40, 8
STYLES = ("", "1;38;5;75;48;5;16", "38;5;16", "38;2;1;2;3;48;2;4;5;6", "7")
TEXTS = ("a", "loss 0.5", "⣿⣷⣀", "  ", "", "┤│╭─", "●◆✓✗ done", "漢字", "e\u0301x", "👍 ok", "│ 1,234", "-" * 12)


class File:
    """A terminal of a size that can change, and what was written to it."""

    def __init__(self) -> None:
        self.screen = pyte.Screen(COLUMNS, ROWS)
        self.stream = pyte.Stream(self.screen)
        self.written: list[str] = []

    def write(self, text: str) -> int:
        self.written.append(text)
        self.stream.feed(text)
        return len(text)

    def flush(self) -> None:
        pass

    def fileno(self) -> int:
        return -1

    def isatty(self) -> bool:
        return True

    def seen(self) -> list[list[tuple[object, ...]]]:
        """Every cell with its style, and where the cursor is."""
        cells: list[list[tuple[object, ...]]] = [
            [tuple(self.screen.buffer[row][column]) for column in range(COLUMNS)] for row in range(ROWS)
        ]
        return [*cells, [(self.screen.cursor.y, self.screen.cursor.x)]]


def at(row: int, column: int) -> str:
    return f"\x1b[{row};{column}H"


def styled(text: str, style: str) -> str:
    return f"\x1b[{style}m{text}\x1b[0m" if style else text


def frame(noise: random.Random) -> str:
    """What Textual writes for a frame: lines from somewhere on, each in a few styles, and the cursor's place."""
    parts = []
    for row in sorted(noise.sample(range(1, ROWS), noise.randrange(1, ROWS))):
        parts.append(at(row, noise.choice((1, 1, 5))))
        parts += [styled(noise.choice(TEXTS), noise.choice(STYLES)) for _ in range(noise.randrange(3))]
        parts.append("\n")
    return "".join([*parts, at(noise.choice((1, 3)), 1)])


@pytest.mark.parametrize("seed", range(30))
def test_the_terminal_shows_the_same(seed: int) -> None:
    noise, plain, spared = random.Random(seed), File(), File()
    output = SparingOutput(spared)
    for _ in range(60):
        text = frame(noise)
        if noise.random() < 0.05:
            text = noise.choice(("\x1b[2J", "\x1b[?1049h", "\x1b]2;title\x07", "\x1b[?25l")) + text
        plain.write(text)
        output.write(text)
        assert spared.seen() == plain.seen()


def test_only_what_changes_is_sent() -> None:
    file = File()
    output = SparingOutput(file)
    line = at(2, 1) + styled("step 1,000", "1") + styled(" of 2,000", "") + at(1, 1)
    output.write(line)
    file.written.clear()
    output.write(line)
    output.write("\x1b[?2026h")
    output.write(line)
    output.write("\x1b[?2026l")
    assert file.written == []
    output.write(line.replace("1,000", "1,001"))
    assert file.written == [at(2, 10) + "\x1b[1m1\x1b[0m" + at(1, 1)]


def test_a_frame_that_changes_something_has_its_beginning_and_its_end() -> None:
    file = File()
    output = SparingOutput(file)
    for text in ("\x1b[?2026h", at(2, 3) + "x" + at(1, 1), "\x1b[?2026l"):
        output.write(text)
    assert "".join(file.written) == "\x1b[?2026h" + at(2, 3) + "x" + at(1, 1) + "\x1b[?2026l"


def test_a_cursor_that_moves_alone_is_moved() -> None:
    file = File()
    output = SparingOutput(file)
    output.write(at(2, 1) + "x" + at(1, 1))
    output.write(at(4, 7))
    assert (file.screen.cursor.y, file.screen.cursor.x) == (3, 6)


def test_after_what_may_have_changed_the_screen_all_is_sent() -> None:
    file = File()
    output = SparingOutput(file)
    text = at(2, 1) + "loss" + at(1, 1)
    for disturb in (output.forget, lambda: output.write("\x1b[?1049h"), lambda: output.write("\x1bc")):
        output.write(text)
        disturb()
        file.written.clear()
        output.write(text)
        assert "loss" in "".join(file.written)


def test_nothing_is_sent_behind_the_end_of_the_apps_own_screen() -> None:
    """The terminal puts the cursor back to where the shell had it."""
    file = File()
    output = SparingOutput(file)
    output.write(at(5, 1) + "x" + at(1, 1))
    file.written.clear()
    for text in ("\x1b[?1049l\x1b[?25h", "goodbye\r\n", "\x1b]2;shell\x07"):
        output.write(text)
    assert file.written == ["\x1b[?1049l\x1b[?25h", "goodbye\r\n", "\x1b]2;shell\x07"]


def test_another_size_of_the_terminal_is_noticed(monkeypatch: pytest.MonkeyPatch) -> None:
    file, size = File(), [os.terminal_size((40, 8))]
    monkeypatch.setattr(os, "get_terminal_size", lambda descriptor: size[0])
    output = SparingOutput(file)
    text = at(2, 1) + "loss" + at(1, 1)
    output.write(text)
    output.write(text)
    assert "".join(file.written).count("loss") == 1
    size[0] = os.terminal_size((41, 8))
    output.write(text)
    assert "".join(file.written).count("loss") == 2


def test_a_sign_whose_width_is_in_doubt_is_always_sent() -> None:
    file = File()
    output = SparingOutput(file)
    for _ in range(2):
        output.write(at(2, 1) + "漢字" + styled("next", "1") + at(1, 1))
    assert [written.count("漢字") for written in file.written] == [1, 1]
    assert [written.count("next") for written in file.written] == [1, 0]
