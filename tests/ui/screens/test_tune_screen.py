"""The tune screen: each way as it is measured, what would be chosen, and its way into the recipe."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from textual.pilot import Pilot

from cockpit.tuning import process
from cockpit.tuning.told import ProbeEnded, ProbeStarted, ProbeWent, Setting, Told, TuneEnded, TuneStarted
from cockpit.ui.screens.tune import TuneScreen
from cockpit.ui.widgets.glyphs import UNICODE
from cockpit.ui.widgets.tune_table import COLUMNS
from tests.ui.editor_steps import editing
from tests.ui.engines import is_at, shown, write_recipe
from tests.ui.stage import Stage
from tests.ui.waiting import until

SIZES = [(80, 24), (120, 40), (200, 50)]
NAMES = ["80x24", "120x40", "200x50"]
WAS: dict[str, object] = {
    "training.per_device_train_batch_size": 2,
    "training.gradient_accumulation_steps": 4,
    "training.gradient_checkpointing": "unsloth",
}
FASTEST: dict[str, Setting] = {
    "training.per_device_train_batch_size": 8,
    "training.gradient_accumulation_steps": 1,
    "training.gradient_checkpointing": "none",
}
NAME = "8 × 1, not checkpointed, rows joined, padded to 512"
STARTED = TuneStarted(recipe="llama-3-8b", gpu="NVIDIA H200", budget_s=300.0, total_mib=143_771.0,
                      busy="Others use this GPU (jupyter 2.0 GiB): what is measured may be too slow.")  # fmt: skip
WRITTEN = ProbeEnded(number=1, name="as written, 2 × 4", outcome="measured", tokens_s=1392.0, times=1.0,
                     peak_mib=6451.0, loss=2.1)  # fmt: skip
JOINED = ProbeEnded(number=2, name=NAME, outcome="measured", tokens_s=8727.0, times=6.27, peak_mib=23_961.0, loss=2.1,
                    loss_off=-0.0004, settings=FASTEST)  # fmt: skip
SLOWER = ProbeEnded(number=3, name="8 × 1, rows joined, padded to 512", outcome="behind", tokens_s=5100.0, times=3.66,
                    peak_mib=9100.0, loss=2.1, loss_off=0.0002)  # fmt: skip
SPENT = ProbeEnded(number=4, name="8 × 1, not checkpointed, rows padded to 2,048", outcome="out_of_memory",
                   reason="Memory of the GPU ran out: 138 GiB of 140 GiB were taken at most.")  # fmt: skip
PACKED = ProbeEnded(number=5, name="packed", outcome="measured", marks="more rows in a step", tokens_s=9900.0,
                    times=7.11, peak_mib=31_000.0, loss=2.3, loss_off=0.09)  # fmt: skip
GOING: list[Told] = [ProbeStarted(number=6, name="base in 16 bits", marks="another precision of the base"),
                     ProbeWent(number=6, phase="compiling", steps=0)]  # fmt: skip
ENDED = TuneEnded(number=2, name=NAME, settings=FASTEST, times=6.27, took_s=288.0)
ALL: list[Told] = [STARTED, WRITTEN, JOINED, SLOWER, SPENT, PACKED]


class FakeTuning:
    """Says one thing after another."""

    def __init__(self, told: list[Told], problem: str = "") -> None:
        self.told, self.problem, self.is_running = list(told), "", True
        self._problem = problem
        self.asked: list[str] = []

    def poll(self) -> list[Told]:
        told, self.told = self.told, []
        self.problem = self._problem
        return told

    def stop(self) -> None:
        self.asked.append("stop")

    def end(self) -> None:
        self.asked.append("end")


def screen(tuning: FakeTuning, written: dict[str, Setting] | None = None) -> TuneScreen:
    return TuneScreen("llama-3-8b", tuning, WAS.get, (written if written is not None else {}).update)


@pytest.fixture
def same_everywhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("TZ", "UTC")
    monkeypatch.setattr("cockpit.ui.widgets.glyphs.glyphs_for", lambda term, encoding: UNICODE)
    time.tzset()
    yield
    monkeypatch.undo()
    time.tzset()


@pytest.mark.parametrize("size", SIZES, ids=NAMES)
@pytest.mark.parametrize("told", [[*ALL, *GOING], [*ALL, ENDED]], ids=["going", "over"])
def test_picture(
    snap_compare: Callable[..., bool], size: tuple[int, int], told: list[Told], same_everywhere: None
) -> None:
    async def settle(pilot: Pilot[Any]) -> None:
        await until(pilot, lambda: "changes more: more rows in a step" in shown(pilot.app))
        await until(pilot, lambda: "+ training.gradient_accumulation_steps: 1" in shown(pilot.app))

    assert snap_compare(Stage(lambda: screen(FakeTuning(told))), terminal_size=size, run_before=settle)


async def test_what_is_fastest_so_far_is_told_while_it_goes_on_and_can_be_kept() -> None:
    tuning = FakeTuning([*ALL, *GOING])
    app = Stage(lambda: screen(tuning))
    async with app.run_test(size=(120, 40)) as pilot:
        await until(pilot, lambda: "- training.per_device_train_batch_size: 2" in shown(app))
        await until(pilot, lambda: "+ training.per_device_train_batch_size: 8" in shown(app))
        text = shown(app)
        assert "6.27 times as fast as written" in text
        assert "changes more: more rows in a step" in text and "the first step, which compiles on a GPU" in text
        await pilot.press("w")
        assert isinstance(app.screen, TuneScreen), "it is not over"
        await pilot.press("s")
        assert tuning.asked == ["stop"]
        tuning.told = [TuneEnded(number=2, name=NAME, settings=FASTEST, times=6.27, took_s=100.0, stopped=True)]
        await until(pilot, lambda: "took 1 m 40 s" in shown(app))


async def test_what_is_wrong_is_said() -> None:
    app = Stage(lambda: screen(FakeTuning([], "training.max_steps is wrong; give 3.")))
    async with app.run_test(size=(80, 24)) as pilot:
        await until(pilot, lambda: "training.max_steps is wrong; give 3." in shown(app))


async def test_nothing_faster_is_nothing_to_write() -> None:
    ended = TuneEnded(number=1, name="as written, 2 × 4", settings={}, times=1.0, took_s=60.0)
    app = Stage(lambda: screen(FakeTuning([STARTED, WRITTEN, ended])))
    async with app.run_test(size=(80, 24)) as pilot:
        await until(pilot, lambda: "as written: nothing faster was measured" in shown(app))
        await pilot.press("w")
        assert isinstance(app.screen, TuneScreen)


async def test_a_key_of_the_editor_measures_and_another_takes_the_fastest_over(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    tunings: list[FakeTuning] = []

    def start(recipe_text: str, budget_s: float) -> FakeTuning:
        assert "max_steps: 7" in recipe_text and budget_s == 300.0
        tunings.append(FakeTuning([*ALL, ENDED]))
        return tunings[-1]

    monkeypatch.setattr(process, "TuneProcess", start)
    path = write_recipe(tmp_path, "mine")
    path.write_text(path.read_text() + "\n")
    async with editing(path, (120, 48)) as (app, pilot, editor):
        editor.draft.type("training.max_steps", "7")
        await pilot.press("f4")
        await until(pilot, lambda: is_at(app, "TuneScreen") and "took 4 m 48 s" in shown(app))
        await pilot.press("w")
        await until(pilot, lambda: is_at(app, "EditorScreen"))
        assert tunings[0].asked == ["end"]
        assert {name: editor.draft.document.value(name) for name in FASTEST} == FASTEST
        await until(pilot, lambda: "gradient_checkpointing" in " ".join(shown(app).split()))


async def test_the_headings_stay_where_the_ways_are_scrolled() -> None:
    app = Stage(lambda: screen(FakeTuning([*ALL, *GOING])))
    async with app.run_test(size=(80, 24)) as pilot:
        await until(pilot, lambda: "base in 16 bits" in shown(app) and app.screen.query_one("#probes").scroll_y > 0)
        await until(pilot, lambda: all(heading in shown(app) for heading, _ in COLUMNS))
