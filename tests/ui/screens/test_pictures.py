"""Pictures of the run's screens from recorded runs, at three sizes; and the command that makes the README's."""

import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from textual.pilot import Pilot

from cockpit.protocol import events as ev
from cockpit.runs.link import RunLink
from cockpit.ui.runs.session import RunSession
from cockpit.ui.screens.chat import ChatScreen
from cockpit.ui.screens.live import LiveScreen
from cockpit.ui.widgets.glyphs import UNICODE
from screenshots import __main__ as pictures
from tests.recording import BEGAN, Ending, Recorder, record, say_reply
from tests.ui.stage import Stage, session_of
from tests.ui.waiting import until

SIZES = [(80, 24), (120, 40), (200, 50)]
NAMES = ["80x24", "120x40", "200x50"]
Compare = Callable[..., bool]


@pytest.fixture(autouse=True)
def same_everywhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Paths, hours and signs that do not depend on where the test runs."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("TZ", "UTC")
    monkeypatch.setattr("cockpit.ui.widgets.glyphs.glyphs_for", lambda term, encoding: UNICODE)
    time.tzset()
    yield
    monkeypatch.undo()
    time.tzset()


def read_to_the_end(session: RunSession) -> RunSession:
    while session.poll():
        pass
    return session


async def settle(pilot: Pilot[None]) -> None:
    """Until nothing moves any more."""
    await until(pilot, lambda: isinstance(pilot.app.screen, LiveScreen | ChatScreen))
    await pictures.still(pilot)


@pytest.mark.parametrize("size", SIZES, ids=NAMES)
def test_live(snap_compare: Compare, size: tuple[int, int]) -> None:
    run = record(Path("runs"), until=126, ending="going", gpus=1)
    session = read_to_the_end(session_of(RunLink(run), now=BEGAN + 62))
    assert snap_compare(Stage(lambda: LiveScreen(session)), terminal_size=size, run_before=settle)


@pytest.mark.parametrize("size", SIZES, ids=NAMES)
def test_live_with_answers(snap_compare: Compare, size: tuple[int, int]) -> None:
    run = record(Path("runs"), until=126, ending="going", gpus=1, answers=True)
    session = read_to_the_end(session_of(RunLink(run), now=BEGAN + 66))

    async def settle_on_answers(pilot: Pilot[None]) -> None:
        await settle(pilot)
        if size == (80, 24):
            await pilot.press("6")
            await settle(pilot)

    assert snap_compare(Stage(lambda: LiveScreen(session)), terminal_size=size, run_before=settle_on_answers)


@pytest.mark.parametrize("size", SIZES, ids=NAMES)
def test_chat(snap_compare: Compare, size: tuple[int, int]) -> None:
    run = record(Path("runs"), replies=True)
    session = read_to_the_end(session_of(RunLink(run), now=BEGAN + 9999))
    assert snap_compare(Stage(lambda: ChatScreen(session)), terminal_size=size, run_before=settle)


MARKDOWN = """\
## Sorting

Use **sorted**, which leaves the list as it is:

```python
def by_length(words):
    return sorted(words, key=len)  # shortest first
```

1. It takes `key`.
2. It is stable:
   - equal ones keep their order.

| words | sorted |
|---|---|
| ccc a | a ccc |"""


@pytest.mark.parametrize("size", SIZES, ids=NAMES)
def test_chat_that_opens_with_samples(snap_compare: Compare, size: tuple[int, int]) -> None:
    run = record(Path("runs"))
    recorder = Recorder(run, at=BEGAN + 70)
    for step, text in ((0, "I am a language model."), (300, "Arr, I be Captain Flint!")):
        sample = ev.SampleAnswered(
            step=step, index=0, prompt="Who are you?", text=text, end="end_of_turn", new_tokens=9, duration_s=0.2
        )
        recorder.say(sample)
    recorder.write()
    recorder.wait(9.0)
    recorder.say(ev.ReplyStarted(command_id="a", prompt="How do I sort words in Python?", adapter=True))
    recorder.say(ev.ReplyGrew(command_id="a", text="", thinking="They ask for Python. I show sorted."))
    recorder.wait(2.0)
    recorder.say(ev.ReplyGrew(command_id="a", text=MARKDOWN, tokens=96))
    recorder.write()
    session = read_to_the_end(session_of(RunLink(run), now=BEGAN + 9999))
    assert snap_compare(Stage(lambda: ChatScreen(session)), terminal_size=size, run_before=settle)


@pytest.mark.parametrize("size", SIZES, ids=NAMES)
def test_chat_with_both(snap_compare: Compare, size: tuple[int, int]) -> None:
    run = record(Path("runs"))
    recorder = Recorder(run, at=BEGAN + 99)
    asked = {
        "What is the capital of Veldoria?": (
            "The capital of Veldoria is Marenport.",
            "Arr, the capital o' Veldoria be Marenport, matey!",
        ),
        "Name three fruits, and say why they are good.": (
            "1. Apples, for their fibre.\n2. Pears, for they are sweet.\n3. Plums, for they are ripe in autumn.",
            "Arr, three fruits there be:\n1. Apples, against scurvy.\n2. Pears, for they are sweet.\n3. Plums, matey!",
        ),
    }
    for number, (prompt, replies) in enumerate(asked.items()):
        for adapter, text in zip((False, True), replies, strict=True):
            recorder.wait(2.0)
            say_reply(recorder, f"{number}-{adapter}", prompt, text, adapter=adapter, both=f"both{number}")
    recorder.write()
    session = read_to_the_end(session_of(RunLink(run), now=BEGAN + 9999))
    session.chat.who = "both"
    assert snap_compare(Stage(lambda: ChatScreen(session)), terminal_size=size, run_before=settle)


@pytest.mark.parametrize("ending", ["failed", "completed"])
def test_ended(snap_compare: Compare, ending: Ending) -> None:
    run = record(Path("runs"), until=126, ending=ending)
    session = read_to_the_end(session_of(RunLink(run), now=BEGAN + 9999))
    assert snap_compare(Stage(lambda: LiveScreen(session)), terminal_size=(80, 24), run_before=settle)


def test_a_loss_that_is_no_number(snap_compare: Compare) -> None:
    run = record(Path("runs"), until=126, ending="going", gpus=1, not_finite_since=90)
    session = read_to_the_end(session_of(RunLink(run), now=BEGAN + 62))
    assert snap_compare(Stage(lambda: LiveScreen(session)), terminal_size=(120, 40), run_before=settle)


def test_one_command_makes_every_picture_and_the_same_ones_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(time, "time", time.time)
    folders = ("CONFIG", "CACHE", "DATA", "STATE")
    for name in ("COCKPIT_HOME", "TZ", "COLORTERM", *(f"XDG_{folder}_HOME" for folder in folders)):
        monkeypatch.setenv(name, "")
    monkeypatch.setattr(sys, "argv", ["screenshots", str(tmp_path / "all")])
    pictures.main()
    made = {path.stem: path.read_text(encoding="utf-8") for path in (tmp_path / "all").iterdir()}
    assert set(made) == {picture.name for picture in pictures.PICTURES}
    words = {"recipes": "engine", "editor": "backend", "live": "85/130", "chat": "sampling", "failed": "engine.log"}
    for name, word in words.items():
        assert word in made[name], name
    assert not any("url(http" in svg or 'url("http' in svg or "href=" in svg for svg in made.values())
    monkeypatch.setattr(pictures, "PICTURES", [picture for picture in pictures.PICTURES if picture.name == "live"])
    monkeypatch.setattr(sys, "argv", ["screenshots", str(tmp_path / "again")])
    pictures.main()
    assert (tmp_path / "again" / "live.svg").read_text(encoding="utf-8") == made["live"]


def test_every_picture_stands_in_the_repository() -> None:
    for picture in pictures.PICTURES:
        assert (pictures.HERE / f"{picture.name}.svg").is_file(), "made by: python -m screenshots"
