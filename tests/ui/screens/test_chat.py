"""The chat screen: asking, streaming, base against tuned, sampling, the prompt."""

import re
from pathlib import Path

import pytest

from cockpit.protocol import events as ev
from cockpit.protocol.commands import StopReply
from cockpit.recipe.chat import Sampling
from cockpit.ui.screens import chat
from cockpit.ui.screens.chat import ChatScreen
from cockpit.ui.widgets.chat_log import ChatLog
from cockpit.ui.widgets.choice import Choice
from cockpit.ui.widgets.entry import Entry
from cockpit.ui.widgets.prompt_field import PromptField
from cockpit.ui.widgets.reply_figures import ReplyFigures, rows_of
from cockpit.ui.widgets.sampling_form import SamplingForm
from tests.ui.drawn import text_of
from tests.ui.stage import Stage
from tests.ui.talking import TRIAL, Talking, keys, replying, shown
from tests.ui.waiting import ahead, resized, until


async def test_the_trial_prompt_stands_there_and_enter_sends_it(tmp_path: Path) -> None:
    talking = Talking(tmp_path)
    async with talking.app.run_test(size=(120, 40)) as pilot:
        field = pilot.app.screen.query_one(PromptField)
        assert field.text == TRIAL and field.has_focus
        await pilot.press("enter")
        (chat,) = talking.asked
        assert chat.messages == [{"role": "user", "content": TRIAL}]
        assert chat.adapter and not chat.do_sample and chat.max_new_tokens == 64
        assert field.text == ""
        assert shown(pilot) == [f"you\n{TRIAL}", "tuned  waiting"]


async def test_a_reply_streams_and_shows_its_figures(tmp_path: Path) -> None:
    talking = Talking(tmp_path)
    async with talking.app.run_test(size=(120, 40)) as pilot:
        await pilot.press("enter")
        await talking.was_asked(pilot)
        talking.reply("Arr, ", "the capital", end=None)
        await until(pilot, lambda: shown(pilot)[-1] == "tuned  replying\nArr, the capital")
        assert "stop reply" in keys(pilot)
        talking.link.events.append(ev.ReplyGrew(command_id=talking.asked[0].id, text=" be Marenport!"))
        talking.end()
        await until(pilot, lambda: "24.0 tokens/s" in shown(pilot)[-1])
        assert shown(pilot)[-1].endswith(
            "12 tokens · 24.0 tokens/s · first after 50 ms\nArr, the capital be Marenport!"
        )
        figures = dict(re.split(" {2,}", row) for row in text_of(pilot.app.screen.query_one(ReplyFigures)))
        assert figures["new tokens"] == "12" and figures["tokens/s"] == "24.0" and figures["first token"] == "50 ms"
        assert "stop reply" not in keys(pilot)


@pytest.mark.parametrize("after_s", [3600.0, 0.01])
async def test_keys_that_were_meant_for_the_screen_before_are_typed_nowhere(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, after_s: float
) -> None:
    monkeypatch.setattr(chat, "TYPED_AFTER_S", after_s)
    talking = Talking(tmp_path)
    app = Stage(lambda: ChatScreen(talking.session, by_itself=True))
    app.bind("q", "quit")
    async with app.run_test(size=(120, 40)) as pilot:
        field = pilot.app.screen.query_one(PromptField)
        if after_s < 1:
            await until(pilot, lambda: pilot.app.focused is field)
            await pilot.press("2", "q")
            assert field.text == "2q"
            app.screen.set_focus(None)
            await pilot.press("q")
            assert app.return_code == 0, "who clicks beside the prompt has its keys again"
        else:
            await pilot.press("2", "l", "s", "q")
            assert (pilot.app.focused, field.text) == (None, TRIAL)
            assert app.return_code is None
            await pilot.press("enter")
            await until(pilot, lambda: talking.asked)


async def test_the_history_goes_along_and_a_new_conversation_forgets_it(tmp_path: Path) -> None:
    talking = Talking(tmp_path)
    async with talking.app.run_test(size=(120, 40)) as pilot:
        await pilot.press("enter")
        await talking.was_asked(pilot)
        talking.reply("Marenport.")
        await until(pilot, lambda: "tokens/s" in shown(pilot)[-1])
        ahead(pilot, *"and then")
        await pilot.press("ctrl+j")
        ahead(pilot, *"what")
        await pilot.press("enter")
        assert [message["content"] for message in talking.asked[-1].messages] == [TRIAL, "Marenport.", "and then\nwhat"]
        talking.reply("Nothing.")
        await until(pilot, lambda: "tokens/s" in shown(pilot)[-1])
        await pilot.press("ctrl+n")
        await until(pilot, lambda: shown(pilot) == ["A new conversation."])
        ahead(pilot, *"hi")
        await pilot.press("enter")
        assert [message["content"] for message in talking.asked[-1].messages] == ["hi"]
        talking.reply("Ahoy.")
        await until(pilot, lambda: len(shown(pilot)) == 2 and "Ahoy." in shown(pilot)[1])


async def test_who_comes_back_finds_the_conversation_and_sends_it_along(tmp_path: Path) -> None:
    talking = Talking(tmp_path, replies=True)
    async with talking.app.run_test(size=(120, 40)) as pilot:
        await pilot.press("enter")
        await talking.was_asked(pilot)
        talking.reply("Marenport.")
        await until(pilot, lambda: "tokens/s" in shown(pilot)[-1])
        pilot.app.screen.query_one("#who", Choice).value = "base"
        await until(pilot, lambda: len(talking.asked) == 2)
        talking.reply("No idea.")
        await until(pilot, lambda: "No idea." in shown(pilot)[-1])
        pilot.app.screen.query_one("#max_new_tokens", Entry).value = "17"
        ahead(pilot, *"and")
        await pilot.press("escape")
        await until(pilot, lambda: not isinstance(pilot.app.screen, ChatScreen))
        before = [["you"], ["tuned"], ["base"], ["you"], ["tuned"], ["Said"], ["you"], ["tuned"], ["base"]]
        await pilot.app.push_screen(talking.make())
        await until(pilot, lambda: [text.split()[:1] for text in shown(pilot)] == before)
        await until(pilot, lambda: "No idea." in shown(pilot)[-1])
        assert pilot.app.screen.query_one(PromptField).text == "and"
        assert pilot.app.screen.query_one("#who", Choice).value == "base"
        ahead(pilot, *" then")
        await pilot.press("enter")
        chat = talking.asked[-1]
        assert [message["content"] for message in chat.messages] == [TRIAL, "No idea.", "and then"]
        assert (chat.adapter, chat.max_new_tokens) == (False, 17)
        talking.reply("Ahoy.")
        await until(pilot, lambda: "Ahoy." in shown(pilot)[-1])
        await pilot.press("escape")
        await until(pilot, lambda: not isinstance(pilot.app.screen, ChatScreen))
        await pilot.app.push_screen(talking.make())
        assert pilot.app.screen.query_one(PromptField).text == "", "the trial prompt stays away"


async def test_what_was_hidden_stays_away(tmp_path: Path) -> None:
    talking = Talking(tmp_path, replies=True)
    async with talking.app.run_test(size=(120, 40)) as pilot:
        await pilot.press("x", "ctrl+n")
        assert pilot.app.screen.query_one(PromptField).text == ""
        await pilot.press("escape")
        await until(pilot, lambda: not isinstance(pilot.app.screen, ChatScreen))
        await pilot.app.push_screen(talking.make())
        await until(pilot, lambda: len(shown(pilot)) == 1 and "Enter sends" in shown(pilot)[0])
        assert pilot.app.screen.query_one(PromptField).text == ""


async def test_typing_replaces_the_trial_prompt(tmp_path: Path) -> None:
    talking = Talking(tmp_path)
    async with talking.app.run_test(size=(120, 40)) as pilot:
        field = pilot.app.screen.query_one(PromptField)
        await pilot.press("f4", "f4", *"hi", "f4", "f4", *" you")
        assert field.text == "hi you"
        await pilot.press("enter")
        assert talking.asked[0].messages == [{"role": "user", "content": "hi you"}]


async def test_while_a_reply_is_written_nothing_else_is_asked(tmp_path: Path) -> None:
    talking = Talking(tmp_path)
    async with replying(talking) as pilot:
        await pilot.press("f3")
        ahead(pilot, *"more")
        await pilot.press("enter")
        assert len(talking.asked) == 1
        assert talking.app.said == ["A reply is being written; Escape stops it."]
        assert pilot.app.screen.query_one(PromptField).text == "more"


async def test_the_other_is_asked_when_a_reply_has_ended_during_which_they_were_switched(tmp_path: Path) -> None:
    talking = Talking(tmp_path)
    async with replying(talking) as pilot:
        await pilot.press("f3", "f3")
        assert len(talking.asked) == 1
        talking.end("end_of_turn")
        await until(pilot, lambda: len(talking.asked) == 2)
        assert [chat.adapter for chat in talking.asked] == [True, False]
        assert talking.asked[0].messages == talking.asked[1].messages


async def test_escape_stops_a_reply_and_then_goes_back(tmp_path: Path) -> None:
    talking = Talking(tmp_path)
    async with replying(talking) as pilot:
        await pilot.press("escape")
        stop = talking.link.sent[-1]
        assert isinstance(stop, StopReply) and stop.chat_id == talking.asked[0].id
        talking.end("stopped")
        await until(pilot, lambda: "stopped" in shown(pilot)[-1])
        await pilot.press("escape")
        await until(pilot, lambda: not isinstance(pilot.app.screen, ChatScreen))


async def test_sampling_fields_are_checked_and_sent(tmp_path: Path) -> None:
    talking = Talking(tmp_path)
    async with talking.app.run_test(size=(120, 40)) as pilot:
        form = pilot.app.screen.query_one(SamplingForm)
        await pilot.press("f4", "right")
        await until(pilot, lambda: form.query_one("#temperature", Entry).value == "0.9")
        assert form.query_one("#do_sample", Choice).value == "true"
        entry = form.query_one("#temperature", Entry)
        entry.value = "7"
        await until(pilot, lambda: form.sampling is None)
        assert form.problem == "temperature: give a number above 0 and up to 5"
        await pilot.press("f4", "enter")
        assert not talking.asked and talking.app.said == [form.problem]
        entry.value = "1"
        form.query_one("#top_k", Entry).value = "0"
        form.query_one("#repetition_penalty", Entry).value = "1.1"
        form.query_one("#system_prompt", Entry).value = "Be brief."
        form.query_one("#enable_thinking", Choice).value = "true"
        await until(pilot, lambda: form.sampling is not None)
        await pilot.press("enter")
        (chat,) = talking.asked
        assert (chat.repetition_penalty, chat.messages[0]) == (1.1, {"role": "system", "content": "Be brief."})
        assert (chat.temperature, chat.top_p, chat.top_k, chat.do_sample, chat.enable_thinking) == (
            1.0,
            0.95,
            0,
            True,
            True,
        )


async def test_f4_goes_to_the_sampling_fields_and_back(tmp_path: Path) -> None:
    talking = Talking(tmp_path)
    async with talking.app.run_test(size=(120, 40)) as pilot:

        def place() -> str | None:
            return pilot.app.focused.id if pilot.app.focused else None

        seen = []
        for key in ("f4", "up", "down", "down", "up", *10 * ["down"]):
            await pilot.press(key)
            seen.append(place())
        fields = [
            "temperature",
            "top_p",
            "top_k",
            "min_p",
            "seed",
            "repetition_penalty",
            "max_new_tokens",
            "enable_thinking",
        ]
        fields += 2 * ["system_prompt"]
        assert seen == ["preset", "preset", "do_sample", "temperature", "do_sample", *fields]
        assert "sampling" in keys(pilot)
        await pilot.press("f4")
        assert isinstance(pilot.app.focused, PromptField)


async def test_where_there_is_room_for_one_the_fields_stand_behind_a_key(tmp_path: Path) -> None:
    talking = Talking(tmp_path)
    async with talking.app.run_test(size=(60, 20)) as pilot:
        screen = pilot.app.screen
        talk, side = screen.query_one("#talk"), screen.query_one("#side")
        await until(pilot, lambda: talk.region.width == 60 and not side.region)
        await pilot.press("f4")
        await until(pilot, lambda: side.region.width == 60 and not talk.region)
        assert pilot.app.focused is not None and pilot.app.focused.id == "preset"
        assert "talk" in keys(pilot) and "run" not in keys(pilot)
        await pilot.press("escape")
        await until(pilot, lambda: isinstance(pilot.app.focused, PromptField) and talk.region.width == 60)
        assert "run" in keys(pilot) and "talk" not in keys(pilot)
        await pilot.press("f4", "down", "enter")
        await until(pilot, lambda: len(talking.asked) == 1 and talk.region.width == 60)
        await pilot.press("f4")
        await resized(pilot, 120, 40)
        await until(pilot, lambda: bool(talk.region) and bool(side.region))


async def test_a_long_reply_is_counted_while_it_is_written(tmp_path: Path) -> None:
    talking = Talking(tmp_path)
    async with replying(talking) as pilot:
        told = talking.asked[0].id
        began = talking.session.state.replies[told].began_at
        talking.link.events.append(ev.ReplyGrew(command_id=told, text=" be", tokens=1312, at=began + 32))
        await until(pilot, lambda: "replying · 1,312 tokens · 41.0 tokens/s" in shown(pilot)[-1])
        figures = {label: value for label, (value,) in rows_of([talking.session.state.replies[told]])}
        assert (figures["new tokens"], figures["tokens/s"], figures["took"]) == ("1,312", "41.0", "32 s")
        assert figures["first token"] == figures["prompt tokens"] == "–"


async def test_while_somebody_types_a_reply_is_drawn_between_the_keys(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(chat, "TYPING_S", 3600.0)
    talking = Talking(tmp_path)
    async with replying(talking) as pilot:
        await pilot.press("x")
        await until(pilot, lambda: talking.session.state.replies)
        talking.link.events.append(ev.ReplyGrew(command_id=talking.asked[0].id, text=", matey"))
        await until(pilot, lambda: shown(pilot)[-1].endswith("Arr, matey"))
        monkeypatch.setattr(chat, "CLOCK_EVERY", 1 << 30)
        talking.link.events.append(ev.ReplyGrew(command_id=talking.asked[0].id, text=", ahoy"))
        polls = talking.link.polls
        await until(pilot, lambda: talking.link.polls > polls + 5)
        assert shown(pilot)[-1].endswith("Arr, matey"), "it was drawn since the last key"
        await pilot.press("y")
        await until(pilot, lambda: shown(pilot)[-1].endswith("Arr, matey, ahoy"))


async def test_greedy_replies_dim_what_they_do_not_use(tmp_path: Path) -> None:
    form = SamplingForm([Sampling(do_sample=False)])
    async with Stage(widgets=[form]).run_test(size=(40, 12)) as pilot:
        assert not form.query("#preset")
        assert form.query_one("#row-top_p").has_class("-unused")
        form.query_one("#do_sample", Choice).value = "true"
        await until(pilot, lambda: not form.query_one("#row-top_p").has_class("-unused"))


async def test_earlier_prompts_come_back(tmp_path: Path) -> None:
    field = PromptField()
    async with Stage(widgets=[field]).run_test(size=(60, 10)) as pilot:
        field.focus()
        field.remember("one")
        field.remember("two\nlines")
        await pilot.press("up")
        assert field.text == "two\nlines"
        await pilot.press("up", "up")
        assert field.text == "one"
        await pilot.press("down", "down")
        assert field.text == ""
        await pilot.press("x", "up")
        assert field.text == "x"


async def test_a_blank_prompt_is_not_sent() -> None:
    sent: list[str] = []

    class Listening(Stage):
        def on_prompt_field_submitted(self, message: PromptField.Submitted) -> None:
            sent.append(message.text)

    field = PromptField("  ")
    async with Listening(widgets=[field]).run_test(size=(60, 10)) as pilot:
        field.focus()
        await pilot.press("enter", "end", "x", "enter")
        await until(pilot, lambda: sent == ["x"])


@pytest.mark.parametrize("size", [(80, 24), (120, 40), (200, 50)])
async def test_everything_is_in_sight(tmp_path: Path, size: tuple[int, int]) -> None:
    async with Talking(tmp_path, replies=True).app.run_test(size=size) as pilot:
        screen = pilot.app.screen
        for kind in (ChatLog, PromptField, SamplingForm, ReplyFigures):
            region = screen.query_one(kind).region
            assert region.area and region.right <= size[0] and region.bottom <= size[1] - 1


async def test_the_prompt_leaves_the_screen_its_keys(tmp_path: Path) -> None:
    talking = Talking(tmp_path)
    async with talking.app.run_test(size=(120, 40)) as pilot:
        assert isinstance(pilot.app.focused, PromptField)
        active = {key: bound.binding.action for key, bound in pilot.app.screen.active_bindings.items()}
        for key, action in {"f3": "switch", "f4": "sampling", "f8": "export", "ctrl+n": "new_conversation"}.items():
            assert active[key] == action
