"""The data screen: from the look to the report, row by row, its pictures at three sizes; and the editor's way there."""

from collections.abc import Callable
from functools import partial
from pathlib import Path

import msgspec
import pytest
from textual.pilot import Pilot
from textual.reactive import reactive

from cockpit.data.report import DataReport, Token
from cockpit.data.row_losses import HighRow, RowLosses
from cockpit.ui.screens.data import DataScreen
from cockpit.ui.widgets.glyphs import ASCII, UNICODE
from cockpit.ui.widgets.sample_view import content_of
from cockpit.ui.widgets.top_line import EngineStatus
from tests.data.reports import data_report
from tests.ui.editor_steps import editing, go_to
from tests.ui.engines import shown, write_recipe
from tests.ui.stage import Stage
from tests.ui.waiting import type_text, until

Compare = Callable[..., bool]
SIZES = [(80, 24), (120, 40), (200, 50)]
NAMES = ["80x24", "120x40", "200x50"]


class FakeLook:
    """Is over when the test says so."""

    def __init__(self, report: DataReport | None = None, problem: str = "") -> None:
        self.report, self.problem = report, problem
        self.seconds = 4.2
        self.ended = False

    def poll(self) -> bool:
        return self.report is not None or bool(self.problem)

    def end(self) -> None:
        self.ended = True


class DataStage(Stage):
    """With a machine that nothing is known of."""

    engine_status: reactive[EngineStatus] = reactive(EngineStatus, init=False)


def stage(look: FakeLook) -> DataStage:
    return DataStage(lambda: DataScreen("qwen3-8b-reasoning-chat", look))


@pytest.fixture(autouse=True)
def same_signs(monkeypatch: pytest.MonkeyPatch) -> None:
    """Signs that do not depend on where the test runs."""
    monkeypatch.setattr("cockpit.ui.widgets.glyphs.glyphs_for", lambda term, encoding: UNICODE)


async def drawn(pilot: Pilot[None]) -> None:
    await until(pilot, lambda: isinstance(pilot.app.screen, DataScreen) and pilot.app.screen.has_class("-looked"))
    await pilot.pause()


@pytest.mark.parametrize("size", SIZES, ids=NAMES)
def test_sample(snap_compare: Compare, size: tuple[int, int]) -> None:
    assert snap_compare(stage(FakeLook(data_report())), terminal_size=size, run_before=drawn)


@pytest.mark.parametrize("panel", ["2", "3", "4"])
def test_panels_where_there_is_room_for_one(snap_compare: Compare, panel: str) -> None:
    async def ready(pilot: Pilot[None]) -> None:
        await drawn(pilot)
        await pilot.press(panel)

    assert snap_compare(stage(FakeLook(data_report())), terminal_size=(80, 24), run_before=ready)


async def test_the_panel_that_shows_is_scrolled() -> None:
    app = stage(FakeLook(data_report()))

    def has_focus(name: str) -> bool:
        return name in str(app.screen.focused)

    async with app.run_test(size=(80, 24)) as pilot:
        await drawn(pilot)
        for key, focused in (("4", "remarks"), ("1", "SampleView")):
            await pilot.press(key)
            await until(pilot, partial(has_focus, focused))
        await app.run_action("screen.panel(2)")
        await until(pilot, lambda: "2,500 to 2,999" in shown(app))


async def test_the_next_row_is_shown_from_any_panel() -> None:
    app = stage(FakeLook(data_report()))
    async with app.run_test(size=(80, 24)) as pilot:
        await drawn(pilot)
        await pilot.press("2")
        await until(pilot, lambda: "rows seen" in shown(app))
        await pilot.press("n")
        await until(pilot, lambda: "2 of 4 · reasoning.jsonl:2" in shown(app))


async def test_a_tab_tells_that_rows_are_left_out() -> None:
    app = stage(FakeLook(data_report()))
    async with app.run_test(size=(80, 24)) as pilot:
        await drawn(pilot)
        assert f"4 remarks ✗{data_report().left_out_rows}" in shown(app)


def test_a_row_in_which_nothing_is_trained(snap_compare: Compare) -> None:
    async def ready(pilot: Pilot[None]) -> None:
        await drawn(pilot)
        await pilot.press("u")

    nothing = msgspec.structs.replace(data_report(), trained_tokens=0)
    assert snap_compare(stage(FakeLook(nothing)), terminal_size=(120, 40), run_before=ready)


async def test_rows_are_browsed_and_their_place_is_named() -> None:
    app = stage(FakeLook(data_report()))
    async with app.run_test(size=(120, 40)) as pilot:
        await drawn(pilot)
        assert "1 of 4 · reasoning.jsonl:1" in shown(app)
        await pilot.press("n", "right")
        await until(pilot, lambda: "3 of 4 · reasoning.jsonl:3" in shown(app))
        assert "cut here" in shown(app)
        assert "[red]a contradiction[/red]" in shown(app), "no string of a row is markup"
        assert shown(app).count("<mark>") == 1
        await pilot.press("n")
        await until(pilot, lambda: "1 image of 256 tokens, not shown" in shown(app))
        await pilot.press("n")
        await until(pilot, lambda: "34 padding" in shown(app))
        await pilot.press("u")
        await until(pilot, lambda: "Left out: no token of an answer" in shown(app))
        await pilot.press("p")
        await until(pilot, lambda: "1 of 4" in shown(app))


def test_trained_and_masked_differ_without_colours() -> None:
    spans = {
        str(content_of(sample).plain[span.start : span.end]).strip("↵\n"): str(span.style)
        for sample in data_report().samples[:1]
        for span in content_of(sample).spans
    }
    answer = next(style for words, style in spans.items() if "matey" in words)
    question = next(style for words, style in spans.items() if "fruits" in words)
    assert "bold underline" in answer
    assert "bold" not in question and "underline" not in question


def test_plain_signs_on_a_plain_terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("cockpit.ui.widgets.glyphs.glyphs_for", lambda term, encoding: ASCII)
    sample = msgspec.structs.replace(data_report().samples[0], tokens=[Token("a\n", True)])
    assert content_of(sample).plain.isascii()


async def test_it_waits_tells_what_is_wrong_and_ends_the_look() -> None:
    look = FakeLook()
    app = stage(look)
    async with app.run_test(size=(80, 24)) as pilot:
        await until(pilot, lambda: "tokenizing ... 4.2 s" in shown(app))
        look.problem = "data.sources.0: there is no such file [b]"
        await until(pilot, lambda: "✗ data.sources.0: there is no such file [b]" in shown(app))
        await pilot.press("n", "u", "2")
        await pilot.press("escape")
        await until(pilot, lambda: look.ended)
        assert not isinstance(app.screen, DataScreen)


async def test_a_report_without_rows_is_drawn() -> None:
    empty = msgspec.structs.replace(
        data_report(), samples=[], lengths=[], trained_tokens=0, tokens=0, padding_share=None, tokens_per_step=None
    )
    app = stage(FakeLook(empty))
    async with app.run_test(size=(120, 40)) as pilot:
        await drawn(pilot)
        assert "Nothing would be trained" in shown(app)
        assert "No row of the data can be shown" in shown(app)


async def test_the_editor_opens_it_on_what_is_edited(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[str] = []

    def look(text: str) -> FakeLook:
        asked.append(text)
        return FakeLook(data_report())

    monkeypatch.setattr("cockpit.data.look.DataLook", look)
    async with editing(write_recipe(tmp_path, "mine")) as (app, pilot, screen):
        await go_to(pilot, screen, "lora.r")
        await type_text(pilot, "32")
        await pilot.press("f6")
        await until(pilot, lambda: isinstance(app.screen, DataScreen))
        assert "r: 32" in asked[0]
        assert app.screen.unsaved == 1  # type: ignore[attr-defined]
        await pilot.press("escape")
        await until(pilot, lambda: app.screen is screen)
        await go_to(pilot, screen, "lora.r")
        await type_text(pilot, "x")
        await pilot.press("f6")
        await until(pilot, lambda: "Cannot look at the data" in shown(app))
        assert len(asked) == 1


async def test_keys_go_to_the_longest_the_truncated_and_the_row_that_stands_twice() -> None:
    report = data_report()
    first, *others = report.samples
    samples = [first, *others, msgspec.structs.replace(first, where="reasoning.jsonl:9", before="reasoning.jsonl:1")]
    app = stage(FakeLook(msgspec.structs.replace(report, samples=samples)))
    longest = max(samples, key=lambda sample: sample.whole_tokens)
    truncated = next(sample for sample in samples if sample.is_truncated and not sample.refusal)
    async with app.run_test(size=(120, 40)) as pilot:
        await drawn(pilot)
        for key, where in (("l", longest.where), ("t", truncated.where), ("e", "reasoning.jsonl:9")):
            await pilot.press(key)
            await until(pilot, lambda where=where: f" · {where}" in shown(app))  # type: ignore[misc]
        assert "like reasoning.jsonl:1" in shown(app)


async def test_of_a_run_the_row_with_the_highest_loss_comes_first_and_a_key_goes_to_the_next() -> None:
    report = data_report()
    first, second, third, last = report.samples
    high = HighRow(third.where, 3.25, 9, step=7, median=1.25, is_far=False)
    samples = [
        first,
        second,
        msgspec.structs.replace(third, loss=high),
        msgspec.structs.replace(last, loss=msgspec.structs.replace(high, loss=5.5, step=12, is_far=True)),
    ]
    losses = RowLosses(first_step=1, last_step=40, rows=2_493, far=1, highest=[])
    app = stage(FakeLook(msgspec.structs.replace(report, samples=samples, row_losses=losses)))
    async with app.run_test(size=(160, 40)) as pilot:
        await drawn(pilot)
        assert "loss 5.500 in step 12 (median 1.250, far above)" in shown(app)
        assert "of 2,493 rows, steps 1 to 40" in shown(app)
        await pilot.press("h")
        await until(pilot, lambda: "loss 3.250 in step 7 (median 1.250)" in shown(app))
        await pilot.press("h")
        await until(pilot, lambda: "loss 5.500" in shown(app))


async def test_a_key_leaves_duplicates_out_and_looks_again() -> None:
    asked: list[str] = []
    first = FakeLook(msgspec.structs.replace(data_report(), duplicate_rows=12))
    again = FakeLook(msgspec.structs.replace(data_report(), duplicates="drop", duplicate_rows=12, dropped_rows=12))

    def change(policy: str) -> FakeLook:
        asked.append(policy)
        return again

    app = DataStage(lambda: DataScreen("qwen3-8b-reasoning-chat", first, set_duplicates=change))
    async with app.run_test(size=(120, 40)) as pilot:
        await drawn(pilot)
        assert "12 left out" not in shown(app)
        await pilot.press("d")
        await until(pilot, lambda: "12 left out" in shown(app))
    assert (asked, first.ended) == (["drop"], True)
