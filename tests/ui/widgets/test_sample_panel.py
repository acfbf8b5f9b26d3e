"""The panel of the model's answers while it trains, mounted alone."""

from textual.geometry import Offset
from textual.widgets import Static

from cockpit.protocol import events as ev
from cockpit.ui.widgets.sample_panel import CHANGED, SamplePanel, answer_text, compared
from tests.ui.drawn import HOSTILE, SHOWN, all_text, plain
from tests.ui.stage import Stage
from tests.ui.waiting import until


def answer(step: int, text: str, index: int = 0, **more: object) -> ev.SampleAnswered:
    facts = {"prompt": "Name fruits.", "end": "end_of_turn", "new_tokens": 9, "duration_s": 0.1} | more
    return ev.SampleAnswered(step=step, index=index, text=text, **facts)  # type: ignore[arg-type]


def marked(text: str, before: str) -> list[str]:
    content, _ = compared(text, before)
    return [content.plain[span.start : span.end] for span in content.spans if str(span.style) == CHANGED]


async def test_the_answers_are_scrubbed_through_the_steps_by_keys_and_by_mouse() -> None:
    panel = SamplePanel(classes="pane")
    rounds = [answer(step, text) for step, text in ((0, "Apples."), (10, "Arr, apples."), (20, "Arr, pears!"))]
    async with Stage(widgets=[panel]).run_test(size=(60, 8)) as pilot:
        panel.show([], has_prompts=False)
        await until(pilot, lambda: "has no samples.prompts" in all_text(panel.query_one(Static)))
        panel.show(rounds)
        await until(pilot, lambda: "Arr, pears!" in all_text(panel.query_one(Static)))
        assert (plain(panel.border_title), plain(panel.border_subtitle)) == ("samples · step 20", " ◂ 3 of 3 ▸ ")
        panel.focus()
        await pilot.press("left", "left", "left")
        assert plain(panel.border_title) == "samples · before training" and "Apples." in all_text(
            panel.query_one(Static)
        )
        rounds.append(answer(30, HOSTILE))
        panel.show(rounds)
        await until(pilot, lambda: plain(panel.border_subtitle) == " ◂ 1 of 4 ▸ ")
        arrow = Offset(panel.region.right - 4, panel.region.bottom - 1)
        await pilot.click(offset=arrow)
        await until(pilot, lambda: plain(panel.border_title) == "samples · step 10")
        panel.show(rounds[:1])  # a resume has gone back behind it
        await until(pilot, lambda: plain(panel.border_title) == "samples · before training")
        panel.show(rounds)
        await pilot.press("end")
        await until(pilot, lambda: SHOWN in all_text(panel.query_one(Static)))


def test_words_that_are_new_are_marked_and_those_that_are_gone_are_counted() -> None:
    assert marked("Arr, ripe pears and plums", "Apples, pears and plums") == ["Arr", "ripe"]
    assert compared("pears", "apples and pears")[1] == 2
    assert marked("the same", "the same") == []
    long = " ".join(map(str, range(3000)))
    assert compared(f"new {long}", long)[0].plain == f"new {long}"
    told = answer_text(answer(2, "b", end="max_new_tokens", thinking="so it is"), answer(1, "a b")).plain
    assert told == "> Name fruits.\n(reasoned for 3 words) b … (1 word gone)"
    failed = answer_text(answer(2, "", end="failed", reason="Too long."), answer(1, "a b")).plain
    assert failed.endswith("✗ Too long.") and not answer_text(answer(3, "x"), answer(2, "", end="failed")).spans[1:]


async def test_answers_to_the_suite_stand_with_the_samples_and_beside_their_own_last_ones() -> None:
    def judged(step: int, text: str, half: str = "kept", *, passed: bool) -> ev.AnswerJudged:
        facts = {"title": "Capital?", "end": "end_of_turn", "new_tokens": 2, "half": half, "index": 0}
        return ev.AnswerJudged(step=step, text=text, passed=passed, **facts)  # type: ignore[arg-type]

    samples = [answer(0, "Apples."), answer(10, "Arr, apples."), answer(20, "Arr, pears.")]
    answers = [judged(0, "It is Paris.", passed=True), judged(20, "It be Paris.", passed=False)]
    panel = SamplePanel(classes="pane")
    async with Stage(widgets=[panel]).run_test(size=(60, 12)) as pilot:
        panel.show(samples, answers)
        await until(pilot, lambda: "✗ kept: Capital?" in all_text(panel.query_one(Static)))
        assert plain(panel.border_title) == "samples · step 20"
        assert "It be Paris. (1 word gone)" not in all_text(panel.query_one(Static)), "a word was exchanged"
        panel.focus()
        await pilot.press("left")
        await until(pilot, lambda: plain(panel.border_title) == "samples · step 10")
        assert "Capital?" not in all_text(panel.query_one(Static))
        await pilot.press("left")
        await until(pilot, lambda: "✓ kept: Capital?" in all_text(panel.query_one(Static)))
    content = answer_text(answers[1], answers[0])
    assert [content.plain[span.start : span.end] for span in content.spans if str(span.style) == CHANGED] == ["be"]
