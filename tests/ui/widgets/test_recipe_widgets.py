"""The widgets of the start screen, each mounted alone."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from textual.app import App, ComposeResult
from textual.binding import Binding
from textual.containers import Vertical
from textual.widget import Widget

from cockpit.machine.gpu import GpuReport
from cockpit.preflight.plan import DataFound, Plan
from cockpit.protocol.events import LOSS
from cockpit.runs.folder import RunDir
from cockpit.runs.status import State
from cockpit.runs.summary import RunSummary
from cockpit.ui.themes import DARK
from cockpit.ui.widgets.card import Card, CardText
from cockpit.ui.widgets.key_bar import KeyBar
from cockpit.ui.widgets.recipe_list import RecipeList, RecipeRow, short_duration
from cockpit.ui.widgets.run_list import RunList, state_text, when
from cockpit.ui.widgets.schedule_preview import SchedulePreview
from cockpit.ui.widgets.top_line import EngineStatus, TopLine
from tests.ui.engines import H200, TWO_GPUS, shown, write_recipe
from tests.ui.waiting import until


class Bench(App[None]):
    """Mounts what it is given."""

    BINDINGS = [
        Binding("a", "press('a')", "first", id="a", tooltip="The first"),
        Binding("b", "press('b')", "second", id="b", tooltip="The second"),
        Binding("c", "press('c')", "hidden", id="c", tooltip="The third", show=False),
    ]

    def __init__(self, make: Callable[[], Widget]) -> None:
        super().__init__()
        self.register_theme(DARK)
        self.theme = DARK.name
        self._make = make
        self.pressed: list[str] = []

    def compose(self) -> ComposeResult:
        yield self._make()

    def action_press(self, key: str) -> None:
        self.pressed.append(key)


def summary(state: State = "completed", **changes: Any) -> RunSummary:
    known: dict[str, Any] = {
        "run": RunDir(Path("demo-1120-2349")),
        "recipe_name": "demo",
        "state": state,
        "step": 61,
        "total_steps": 80,
        "loss": 1.92,
        "eval_loss": None,
        "main": LOSS,
        "value": 1.92,
        "held_out": None,
        "course": (3.0, 2.5, 2.0, 1.92),
        "started_at": 1000.0,
        "attempts": 1,
    }
    return RunSummary(**(known | changes))


async def test_recipe_list_keeps_the_mark_on_its_recipe_when_others_come() -> None:
    app = Bench(RecipeList)
    async with app.run_test(size=(50, 8)) as pilot:
        recipes = app.query_one(RecipeList)
        rows = [RecipeRow("a", "alpha", "CPU", "1 min on 2 cores"), RecipeRow("b", "beta", "8 GiB", "50 min")]
        recipes.set_rows(rows)
        recipes.highlighted = 1
        recipes.set_rows([*rows[:1], RecipeRow("aa", "between", "CPU", "2 h"), *rows[1:]])
        await pilot.pause()
        assert recipes.highlighted == 2
        text = shown(app)
        assert "▸ beta" in text
        assert text.splitlines()[0].endswith("1 min")


async def test_recipe_list_shortens_names_and_keeps_the_columns() -> None:
    app = Bench(RecipeList)
    async with app.run_test(size=(40, 4)) as pilot:
        app.query_one(RecipeList).set_rows([RecipeRow("a", "a-very-long-name-" * 4, "16 GiB", "2 h", is_yours=True)])
        await pilot.pause()
        line = shown(app).splitlines()[0]
        assert "…" in line
        assert line.rstrip().endswith("2 h")
        assert len(line) <= 40


@pytest.mark.parametrize(
    ("text", "short"),
    [
        ("1 min on 2 CPU cores", "1 min"),
        ("about 2 h, on one H200", "2 h"),
        ("50 min", "50 min"),
        ("not measured", "–"),
    ],
)
def test_durations_are_short_in_the_list(text: str, short: str) -> None:
    assert short_duration(text) == short


@pytest.mark.parametrize(
    ("state", "said"),
    [
        ("running", "step 61/80"),
        ("completed", "61 steps"),
        ("stopped", "stopped 61"),
        ("failed", "failed 61"),
        ("lost", "lost 61"),
        ("out_of_memory", "no memory"),
        ("starting", "starting"),
    ],
)
def test_each_state_is_said(state: State, said: str) -> None:
    assert state_text(summary(state)) == said


def test_ages_have_one_unit() -> None:
    ages = [when(summary(), now=1000.0 + age) for age in (10, 120, 7200, 200_000)]
    assert ages == ["now", "2 m", "2 h", "2 d"]
    assert when(summary("running"), now=9999) == "live"


async def test_run_list_shows_nothing_yet_and_then_runs() -> None:
    app = Bench(RunList)
    async with app.run_test(size=(60, 6)) as pilot:
        await pilot.pause()
        assert "none yet" not in shown(app)  # nobody has looked
        app.query_one(RunList).set_rows([])
        await pilot.pause()
        assert "none yet" in shown(app)
        app.query_one(RunList).set_rows([summary("running"), summary("failed", run=RunDir(Path("x-[b]")))])
        await pilot.pause()
        text = shown(app)
        assert "▸ ● demo-1120-2349" in text
        assert "step 61/80" in text
        assert "live" in text
        assert "✗ x-[b]" in text


@pytest.mark.parametrize(("width", "has_room"), [(120, True), (64, True), (46, False), (36, False), (20, False)])
async def test_run_list_tells_attempts_where_there_is_room(width: int, has_room: bool) -> None:
    app = Bench(RunList)
    async with app.run_test(size=(width, 4)) as pilot:
        app.query_one(RunList).set_rows([summary(), summary(run=RunDir(Path("again")), attempts=12)])
        await pilot.pause()
        first, second, *_ = shown(app).splitlines()
        assert "attempts" not in first
        assert ("✓ again 12 attempts " in second) == has_room
        assert has_room or "att" not in second


async def test_run_list_tells_runs_of_one_day_apart_before_it_tells_their_state() -> None:
    app = Bench(RunList)
    ids = [f"gemma-3-4b-vision-1122-0004-{number}" for number in (2, 3)] + ["demo-1122-0004"]
    async with app.run_test(size=(50, 5)) as pilot:
        app.query_one(RunList).set_rows([summary(run=RunDir(Path(name))) for name in ids])
        await pilot.pause()
        rows = shown(app).splitlines()
        assert all(name in row for name, row in zip(ids, rows, strict=False))
        assert "steps" in rows[2] and "steps" not in rows[0]


async def test_card_breaks_lines_and_shows_problems_as_text() -> None:
    app = Bench(lambda: Card("What it is."))
    async with app.run_test(size=(40, 20)) as pilot:
        card = CardText(
            "Title", "word " * 30, [("model", "owner/name · 16-bit")], ["data: [b]missing\x1b[5m; give one"]
        )
        app.query_one(Card).show(card)
        await pilot.pause()
        text = shown(app)
        assert "model    owner/name · 16-bit" in text
        assert "▲ data: [b]missing; give one" in text


@pytest.mark.parametrize(
    ("status", "said"),
    [
        (EngineStatus(), "asking the GPU driver"),
        (EngineStatus(report=GpuReport()), "CPU only, no NVIDIA driver"),
        (EngineStatus(report=TWO_GPUS, gpu="GPU-2"), "GPU 1 of 2 L4  22 GiB free"),
        (EngineStatus(report=TWO_GPUS, gpu="none"), "CPU, as the recipe asks"),
        (EngineStatus(report=GpuReport(gpus=[H200]), gpu="GPU-1"), "GPU 0 H200  139 GiB free"),
        (EngineStatus("warm", pid=7, report=GpuReport()), "● engine warm (pid 7)"),
        (EngineStatus("importing", detail="trl", share=0.6, report=GpuReport()), "▰▰▰▱▱ trl"),
        (EngineStatus("failed", detail="it ended", report=GpuReport()), "✗ engine: it ended"),
        (EngineStatus(detail="There is no GPU 9 here.", report=GpuReport()), "There is no GPU 9 here."),
    ],
)
async def test_top_line_says_what_is_known(status: EngineStatus, said: str) -> None:
    app = Bench(lambda: TopLine("recipes"))
    async with app.run_test(size=(120, 3)) as pilot:
        app.query_one(TopLine).set_status(status)
        await pilot.pause()
        assert said in shown(app)
        assert "cockpit · recipes" in shown(app)


async def test_top_line_keeps_the_place_where_there_is_little_room() -> None:
    app = Bench(lambda: TopLine("a-recipe · edit"))
    async with app.run_test(size=(44, 3)) as pilot:
        app.query_one(TopLine).set_status(EngineStatus("warm", pid=4711, report=TWO_GPUS, gpu="GPU-1"))
        await pilot.pause()
        line = shown(app).splitlines()[0]
        assert "cockpit · a-recipe · edit" in line
        assert len(line) <= 44


async def test_preview_dims_an_old_plan_while_something_is_wrong(tmp_path: Path) -> None:
    from cockpit.recipe.document import RecipeDocument

    recipe = RecipeDocument.load(write_recipe(tmp_path, "mine")).recipe()
    plan = Plan(DataFound("alpaca, 90 rows", 90), 80, 10, 300, 30.0, 8, 15, [1e-4] * 300, ())
    app = Bench(lambda: Vertical(SchedulePreview()))
    async with app.run_test(size=(60, 20)) as pilot:
        preview = app.query_one(SchedulePreview)
        preview.show(recipe, plan)
        await pilot.pause()
        text = shown(app)
        assert "300" in text
        assert "8 rows (4 × 2)" in text
        assert "alpaca, 90 rows" in text
        preview.show(None, None)
        await pilot.pause()
        assert preview.has_class("-stale")
        assert "300" in shown(app)


async def test_key_bar_shows_the_keys_that_work_and_presses_them() -> None:
    app = Bench(KeyBar)
    async with app.run_test(size=(60, 5)) as pilot:
        await until(pilot, lambda: "a first" in shown(app))
        text = shown(app)
        assert "b second" in text
        assert "hidden" not in text
        await pilot.click(KeyBar, offset=(2, 0))
        await until(pilot, lambda: app.pressed == ["a"])
        await pilot.hover(KeyBar, offset=(11, 0))
        await pilot.pause()
        assert str(app.query_one(KeyBar).tooltip) == "The second"


async def test_key_bar_drops_keys_that_have_no_room() -> None:
    app = Bench(KeyBar)
    async with app.run_test(size=(22, 5)) as pilot:
        await until(pilot, lambda: "palette" in shown(app))
        assert "second" not in shown(app)
