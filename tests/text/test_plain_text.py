import pytest

from cockpit.text.plain_text import PlainTextStream, plain_line, plain_text, without_logins

HOSTILE = {
    "colour": ("\x1b[31mred\x1b[0m", "red"),
    "cursor": ("a\x1b[2J\x1b[1;1Hb", "ab"),
    "window title": ("\x1b]0;owned\x07text", "text"),
    "clipboard": ("\x1b]52;c;aGk=\x1b\\text", "text"),
    "unfinished osc": ("text\x1b]0;never ends", "text"),
    "device control": ("\x1bPq#0\x1b\\text", "text"),
    "eight-bit csi": ("\x9b31mred", "red"),
    "eight-bit osc": ("\x9d0;owned\x9ctext", "text"),
    "charset": ("\x1b(0lqk", "lqk"),
    "reset": ("a\x1bcb", "ab"),
    "lone escape": ("a\x1b", "a"),
    "bell and backspace": ("a\x07b\x08c\x00d\x7fe", "abcde"),
    "direction override": ("abc\u202edcba\u2066x", "abcdcbax"),
    "carriage return": ("shown\rhidden", "shown\nhidden"),
    "line separators": ("a\u2028b\u2029c\x85d", "abcd"),
    "tab": ("a\tb", "a    b"),
    "markup stays as it is": ("[bold red]x[/]", "[bold red]x[/]"),
    "other scripts": ("héllo 世界 🦜 سلام", "héllo 世界 🦜 سلام"),
    "joined emoji": ("👨‍👩‍👧", "👨‍👩‍👧"),
}


@pytest.mark.parametrize("name", HOSTILE)
def test_plain_text_leaves_only_what_can_be_shown(name: str) -> None:
    given, shown = HOSTILE[name]
    assert plain_text(given) == shown


@pytest.mark.parametrize("name", HOSTILE)
def test_plain_text_is_its_own_fixed_point(name: str) -> None:
    once = plain_text(HOSTILE[name][0])
    assert plain_text(once) == once


def test_one_line() -> None:
    assert plain_line(" a\n\n b\tc ") == "a b c"


@pytest.mark.parametrize("name", HOSTILE)
def test_a_stream_shows_the_same_however_it_is_truncated(name: str) -> None:
    given, shown = HOSTILE[name]
    stream = PlainTextStream()
    pieces = [stream.feed(char) for char in given]
    assert "".join(pieces) + stream.end() == shown


def test_a_stream_does_not_wait_for_ever() -> None:
    stream = PlainTextStream()
    assert stream.feed("before \x1b]0;") == "before "
    stream.feed("x" * 5000)
    assert stream.feed("after\x07 done").endswith("done")


@pytest.mark.parametrize("text", ["://" + "a" * 1_000_000, "a" * 1_000_000 + "://", "a://" * 250_000, "a:" * 500_000])
def test_a_megabyte_without_a_login_is_searched_in_one_pass(text: str) -> None:
    assert without_logins(f"{text} ://") == f"{text} ://"
    assert without_logins(f"{text} http://u:p@h") == f"{text} http://h"


def test_a_login_behind_a_scheme_of_any_length_is_taken_out() -> None:
    assert without_logins("a" * 100_000 + "://u:p@h") == "a" * 100_000 + "://h"
    assert without_logins("http://" + "p" * 100_000 + "@h") == "http://h"


@pytest.mark.parametrize(
    ("given", "shown"),
    [
        ("see https://ada:lovelace@hub.example/x", "see https://hub.example/x"),
        ("(http://hf_token@h:8080/a?b=c@d)", "(http://h:8080/a?b=c@d)"),
        ("https://ada:love@lace@h, http://h2", "https://h, http://h2"),
        ("socks5h://u:p@proxy:1 failed", "socks5h://proxy:1 failed"),
        ("https://medium.example/@ada", "https://medium.example/@ada"),
        ("https://h/x ada@h.example // a@b", "https://h/x ada@h.example // a@b"),
        (r'{"a":"https://h","b":"c@d"}', r'{"a":"https://h","b":"c@d"}'),
    ],
)
def test_logins_are_taken_out_of_addresses(given: str, shown: str) -> None:
    assert without_logins(given) == shown
