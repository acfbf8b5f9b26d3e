"""Runs side by side: picked in the list, drawn over each other, told in figures and answers."""

from cockpit.paths import runs_folder
from cockpit.protocol.event_log import EventWriter
from cockpit.protocol.events import AnswerJudged
from cockpit.ui.messages import CompareRuns
from cockpit.ui.screens.compare import CompareScreen
from cockpit.ui.widgets.overlay_chart import OverlayChart
from tests.recording import record
from tests.ui.engines import flown, shown
from tests.ui.waiting import until


async def test_runs_are_compared_by_figures_curves_and_answers() -> None:
    one = record(runs_folder(), run_id="one", steps=40)
    EventWriter(one.events).append(
        AnswerJudged(
            step=40, half="learned", index=0, title="Is it?", text="Aye, it be.", end="end_of_turn", new_tokens=4,
            passed=True,
        )
    )  # fmt: skip
    two = record(runs_folder(), run_id="two", steps=60, ending="stopped", until=20)
    two.recipe.write_text(two.recipe.read_text().replace("r: 16", "r: 4"))
    async with flown() as (app, pilot):
        app.post_message(CompareRuns([one, two]))
        await until(pilot, lambda: isinstance(app.screen, CompareScreen) and "lora.r" in shown(app))
        lines = [line.strip("│ ").split() for line in shown(app).split("\n")]
        assert ["1", "one", "2", "two"] in lines
        assert ["steps", "40/40", "20/60"] in lines and ["lora.r", "16", "4"] in lines
        chart = app.screen.query_one(OverlayChart)
        assert str(chart.border_title) == "loss by steps"
        await pilot.press("x", "x", "h")
        assert str(chart.border_title) == "held-out loss by seconds"
        await pilot.press("l")
        assert chart.log_scale
        await pilot.press("2")
        await until(pilot, lambda: "Their" not in shown(app) and "lora.r" not in shown(app))
        assert "1 ✓ Aye, it be." in shown(app) and "2 –" in shown(app)
        await pilot.press("escape")
        await until(pilot, lambda: not isinstance(app.screen, CompareScreen))


async def test_runs_that_train_the_same_say_so() -> None:
    runs = [record(runs_folder(), run_id=name, steps=10) for name in ("one", "two")]
    async with flown(size=(80, 24)) as (app, pilot):
        app.post_message(CompareRuns(runs))
        await until(pilot, lambda: "Their recipes train the same." in shown(app) or "trained tokens" in shown(app))
        await pilot.press("2")
        await until(pilot, lambda: "None of them was asked anything on its way" in shown(app))
