"""The chat screen: asking, streaming, base against tuned, sampling, what it says when nobody answers."""

from pathlib import Path

import pytest
from textual.pilot import Pilot
from textual.widgets import Static

from cockpit import events as ev
from cockpit.commands import AnyCommand, Chat, StopReply
from cockpit.gpu import GpuReport
from cockpit.links import ReplayLink
from cockpit.recipe.chat import Sampling
from cockpit.run_state import Reply
from cockpit.ui.chat_engine import ChatEngine
from cockpit.ui.screens.chat import ChatScreen
from cockpit.ui.session import RunSession
from cockpit.ui.widgets.chat_log import EARLIER_REPLIES, LONGEST, ChatLog
from cockpit.ui.widgets.choice import Choice
from cockpit.ui.widgets.entry import Entry
from cockpit.ui.widgets.prompt_field import PromptField
from cockpit.ui.widgets.reply_figures import ReplyFigures, moment
from cockpit.ui.widgets.reply_view import SETTLED_AFTER, ReplyView
from cockpit.ui.widgets.sampling_form import SamplingForm
from tests.recording import record
from tests.ui.engines import FakeEngine, FakeLink, FakeProbe
from tests.ui.stage import Stage, fed, recorded, session_of, until

TRIAL = "What is the capital of Veldoria?"


class Talking:
    """The chat screen on a run that is ready to chat, and the engine's side of it."""

    def __init__(self, tmp_path: Path, *, replies: bool = False, link: FakeLink | None = None) -> None:
        self.link = link or fed(record(tmp_path, steps=30, replies=replies))
        self.session = session_of(self.link)
        while self.session.poll():
            pass
        self.probe = FakeProbe(GpuReport())
        self.started: list[FakeEngine] = []
        self.app = Stage(self.make)

    def make(self) -> ChatScreen:
        def start(run: object, key: object) -> FakeEngine:
            self.started.append(FakeEngine(key, [], "chat"))  # type: ignore[arg-type]
            return self.started[-1]

        return ChatScreen(self.session, ChatEngine(self.session, lambda: self.probe, start))  # type: ignore[arg-type, return-value]

    @property
    def asked(self) -> list[Chat]:
        return [command for command in self.link.sent if isinstance(command, Chat)]

    def reply(self, *parts: str, end: ev.ReplyEnd | None = "end_of_turn", reason: str = "") -> None:
        """The engine answers the last Chat; with `end` None it goes on."""
        chat = self.asked[-1]
        prompt = chat.messages[-1]["content"]
        self.link.events.append(ev.ReplyStarted(command_id=chat.id, prompt=prompt, adapter=chat.adapter))
        self.link.events += [ev.ReplyGrew(command_id=chat.id, text=part) for part in parts]
        if end is not None:
            self.end(end, reason)

    def end(self, end: ev.ReplyEnd = "end_of_turn", reason: str = "") -> None:
        ended = ev.ReplyEnded(
            command_id=self.asked[-1].id,
            end=end,
            prompt_tokens=19,
            new_tokens=12,
            duration_s=0.5,
            first_token_s=0.05,
            reason=reason,
        )
        self.link.events.append(ended)


def shown(pilot: Pilot[None]) -> list[str]:
    """The conversation as it stands: each view's text."""
    views = pilot.app.screen.query_one(ChatLog).children
    found = []
    for view in views:
        statics = [view] if isinstance(view, Static) else list(view.query(Static))
        found.append("\n".join(str(static.content) for static in statics if isinstance(static, Static)))
    return found


def notice(pilot: Pilot[None]) -> str:
    return str(pilot.app.screen.query_one("#notice", Static).content)


def keys(pilot: Pilot[None]) -> set[str]:
    return {found.binding.description for found in pilot.app.screen.active_bindings.values() if found.enabled}


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
        talking.reply("Arr, ", "the capital", end=None)
        await until(pilot, lambda: shown(pilot)[-1] == "tuned  replying\nArr, the capital")
        assert "stop reply" in keys(pilot)
        talking.link.events.append(ev.ReplyGrew(command_id=talking.asked[0].id, text=" be Marenport!"))
        talking.end()
        await until(pilot, lambda: "24.0 tokens/s" in shown(pilot)[-1])
        assert shown(pilot)[-1].endswith(
            "12 tokens · 24.0 tokens/s · first after 50 ms\nArr, the capital be Marenport!"
        )
        figures = dict(pilot.app.screen.query_one(ReplyFigures)._rows)
        assert figures["new tokens"] == "12" and figures["tokens/s"] == "24.0" and figures["first token"] == "50 ms"
        assert "stop reply" not in keys(pilot)


async def test_the_history_goes_along_and_a_new_conversation_forgets_it(tmp_path: Path) -> None:
    talking = Talking(tmp_path)
    async with talking.app.run_test(size=(120, 40)) as pilot:
        await pilot.press("enter")
        talking.reply("Marenport.")
        await until(pilot, lambda: "tokens/s" in shown(pilot)[-1])
        await pilot.press(*"and then", "ctrl+j", *"what", "enter")
        assert [message["content"] for message in talking.asked[-1].messages] == [TRIAL, "Marenport.", "and then\nwhat"]
        talking.reply("Nothing.")
        await until(pilot, lambda: "tokens/s" in shown(pilot)[-1])
        await pilot.press("ctrl+n")
        await until(pilot, lambda: shown(pilot) == ["A new conversation."])
        await pilot.press(*"hi", "enter")
        assert [message["content"] for message in talking.asked[-1].messages] == ["hi"]
        talking.reply("Ahoy.")
        await until(pilot, lambda: len(shown(pilot)) == 2 and "Ahoy." in shown(pilot)[1])


async def test_who_comes_back_finds_the_conversation_and_sends_it_along(tmp_path: Path) -> None:
    talking = Talking(tmp_path, replies=True)
    async with talking.app.run_test(size=(120, 40)) as pilot:
        await pilot.press("enter")
        talking.reply("Marenport.")
        await until(pilot, lambda: "tokens/s" in shown(pilot)[-1])
        await pilot.press("f3")
        talking.reply("No idea.")
        await until(pilot, lambda: "No idea." in shown(pilot)[-1])
        pilot.app.screen.query_one("#max_new_tokens", Entry).value = "17"
        await pilot.press(*"and", "escape")
        await until(pilot, lambda: not isinstance(pilot.app.screen, ChatScreen))
        before = [["you"], ["tuned"], ["base"], ["you"], ["tuned"], ["Said"], ["you"], ["tuned"], ["base"]]
        await pilot.app.push_screen(talking.make())
        await until(pilot, lambda: [text.split()[:1] for text in shown(pilot)] == before)
        await until(pilot, lambda: "No idea." in shown(pilot)[-1])
        assert pilot.app.screen.query_one(PromptField).text == "and"
        assert pilot.app.screen.query_one("#who", Choice).value == "base"
        await pilot.press(*" then", "enter")
        chat = talking.asked[-1]
        assert [message["content"] for message in chat.messages] == [TRIAL, "No idea.", "and then"]
        assert (chat.adapter, chat.max_new_tokens) == (False, 17)
        talking.reply("Ahoy.")
        await until(pilot, lambda: "Ahoy." in shown(pilot)[-1])
        await pilot.press("escape")
        await until(pilot, lambda: not isinstance(pilot.app.screen, ChatScreen))
        await pilot.app.push_screen(talking.make())
        assert pilot.app.screen.query_one(PromptField).text == "", "the trial prompt stays away"


async def test_what_was_put_away_stays_away(tmp_path: Path) -> None:
    talking = Talking(tmp_path, replies=True)
    async with talking.app.run_test(size=(120, 40)) as pilot:
        await pilot.press("x", "ctrl+n")
        assert pilot.app.screen.query_one(PromptField).text == ""
        await pilot.press("escape")
        await until(pilot, lambda: not isinstance(pilot.app.screen, ChatScreen))
        await pilot.app.push_screen(talking.make())
        await until(pilot, lambda: len(shown(pilot)) == 1 and shown(pilot)[0].startswith("Enter sends"))
        assert pilot.app.screen.query_one(PromptField).text == ""


async def test_typing_replaces_the_trial_prompt(tmp_path: Path) -> None:
    talking = Talking(tmp_path)
    async with talking.app.run_test(size=(120, 40)) as pilot:
        field = pilot.app.screen.query_one(PromptField)
        await pilot.press("f4", "f4", *"hi", "f4", "f4", *" you")
        assert field.text == "hi you"
        await pilot.press("enter")
        assert talking.asked[0].messages == [{"role": "user", "content": "hi you"}]


@pytest.mark.parametrize("key", ["f3", "ctrl+t"])
async def test_the_switch_asks_the_other_the_same(tmp_path: Path, key: str) -> None:
    talking = Talking(tmp_path)
    async with talking.app.run_test(size=(120, 40)) as pilot:
        screen = pilot.app.screen
        await pilot.press(key)
        assert not talking.asked, "nothing has been asked yet"
        assert screen.query_one("#who", Choice).value == "base"
        await pilot.press(key, "enter")
        talking.reply("Arr!")
        await until(pilot, lambda: "tokens/s" in shown(pilot)[-1])
        await pilot.press(key)
        tuned, base = talking.asked
        assert (tuned.adapter, base.adapter) == (True, False)
        assert tuned.messages == base.messages
        talking.reply("Marenport.")
        await until(pilot, lambda: "tokens/s" in shown(pilot)[-1])
        assert [text.split()[0] for text in shown(pilot)] == ["you", "tuned", "base"]
        assert "base" in str(screen.query_one(PromptField).border_title)


async def test_while_a_reply_is_written_nothing_else_is_asked(tmp_path: Path) -> None:
    talking = Talking(tmp_path)
    async with talking.app.run_test(size=(120, 40)) as pilot:
        await pilot.press("enter")
        talking.reply("Arr", end=None)
        await until(pilot, lambda: "replying" in shown(pilot)[-1])
        await pilot.press("f3")
        await pilot.press(*"more", "enter")
        assert len(talking.asked) == 1
        assert talking.app.said == ["A reply is being written; Escape stops it."]
        assert pilot.app.screen.query_one(PromptField).text == "more"


async def test_the_other_is_asked_when_a_reply_has_ended_during_which_they_were_switched(tmp_path: Path) -> None:
    talking = Talking(tmp_path)
    async with talking.app.run_test(size=(120, 40)) as pilot:
        await pilot.press("enter")
        talking.reply("Arr", end=None)
        await until(pilot, lambda: "replying" in shown(pilot)[-1])
        await pilot.press("f3")
        assert len(talking.asked) == 1
        talking.end("end_of_turn")
        await until(pilot, lambda: len(talking.asked) == 2)
        assert [chat.adapter for chat in talking.asked] == [True, False]
        assert talking.asked[0].messages == talking.asked[1].messages


async def test_escape_stops_a_reply_and_then_goes_back(tmp_path: Path) -> None:
    talking = Talking(tmp_path)
    async with talking.app.run_test(size=(120, 40)) as pilot:
        await pilot.press("enter")
        talking.reply("Arr", end=None)
        await until(pilot, lambda: "replying" in shown(pilot)[-1])
        await pilot.press("escape")
        stop = talking.link.sent[-1]
        assert isinstance(stop, StopReply) and stop.chat_id == talking.asked[0].id
        talking.end("stopped")
        await until(pilot, lambda: "stopped" in shown(pilot)[-1])
        await pilot.press("escape")
        await until(pilot, lambda: not isinstance(pilot.app.screen, ChatScreen))


@pytest.mark.parametrize(
    ("end", "reason", "words"),
    [
        ("max_new_tokens", "", "cut at max_new_tokens"),
        ("stopped", "", "stopped"),
        ("failed", "\x1b[31mThe [b]prompt[/b] is too long.", "failed: The [b]prompt[/b] is too long."),
        ("failed", "", "the engine gives no reason"),
    ],
)
async def test_how_a_reply_ends(tmp_path: Path, end: ev.ReplyEnd, reason: str, words: str) -> None:
    talking = Talking(tmp_path)
    async with talking.app.run_test(size=(120, 40)) as pilot:
        await pilot.press("enter")
        talking.reply("Arr", end=end, reason=reason)
        await until(pilot, lambda: words in shown(pilot)[-1])


async def test_an_empty_reply_is_called_that(tmp_path: Path) -> None:
    talking = Talking(tmp_path)
    async with talking.app.run_test(size=(120, 40)) as pilot:
        await pilot.press("enter")
        talking.reply()
        await until(pilot, lambda: "said nothing" in shown(pilot)[-1])


async def test_a_prompt_that_the_engine_refuses(tmp_path: Path) -> None:
    talking = Talking(tmp_path)
    async with talking.app.run_test(size=(120, 40)) as pilot:
        await pilot.press("enter")
        refusal = ev.CommandAnswered(
            command_id=talking.asked[0].id, accepted=False, text="The [i]model[/i] was let go."
        )
        talking.link.events = [refusal]
        await until(pilot, lambda: shown(pilot)[-1] == "tuned  The [i]model[/i] was let go.")
        await pilot.press(*"again", "enter")
        assert [message["content"] for message in talking.asked[-1].messages] == ["again"]


async def test_an_engine_that_goes_away_in_the_midst_of_a_reply(tmp_path: Path) -> None:
    talking = Talking(tmp_path)
    async with talking.app.run_test(size=(120, 40)) as pilot:
        await pilot.press("enter")
        talking.reply("Arr, the", end=None)
        await until(pilot, lambda: "replying" in shown(pilot)[-1])
        talking.link.alive = "lost"
        await until(pilot, lambda: "cut off: the engine is gone" in shown(pilot)[-1])
        assert "F5 loads it" in notice(pilot)
        assert "load model" in keys(pilot) and "base/tuned" not in keys(pilot)


async def test_a_past_run_is_loaded_with_a_key(tmp_path: Path) -> None:
    talking = Talking(tmp_path, replies=True)
    talking.link.alive = "lost"
    async with talking.app.run_test(size=(120, 40)) as pilot:
        await until(pilot, lambda: notice(pilot) == "The model is not loaded. F5 loads it.")
        await pilot.press("enter")
        assert not talking.asked and talking.app.said == ["The model is not loaded. F5 loads it."]
        await pilot.press("f5")
        await until(pilot, lambda: talking.started)
        assert "load model" not in keys(pilot)
        talking.link.alive = "alive"
        talking.link.events = [
            ev.EngineStarted(pid=2, host="here", backend="unsloth"),
            ev.PhaseStarted(phase="importing"),
            ev.PhaseProgressed(phase="importing", done=3, total=6, unit="packages"),
        ]
        await until(pilot, lambda: "importing  3/6 packages" in notice(pilot))
        talking.link.events = [ev.PhaseStarted(phase="loading_model"), ev.PhaseStarted(phase="ready")]
        await until(pilot, lambda: notice(pilot) == "")
        await pilot.press("enter")
        assert len(talking.asked) == 1


async def test_an_engine_that_cannot_load_says_why(tmp_path: Path) -> None:
    talking = Talking(tmp_path)
    talking.link.alive = "lost"
    async with talking.app.run_test(size=(120, 40)) as pilot:
        await until(pilot, lambda: "load model" in keys(pilot))
        await pilot.press("f5")
        await until(pilot, lambda: talking.started)
        talking.started[0].process.status = 3
        await until(pilot, lambda: "status 3" in notice(pilot) and "F5 loads it" in notice(pilot))
        await pilot.press("f5")
        await until(pilot, lambda: len(talking.started) == 2)
        talking.link.alive = "alive"
        talking.link.events = [
            ev.EngineStarted(pid=2, host="here", backend="unsloth"),
            ev.PhaseStarted(phase="loading_model"),
            ev.EngineExited(reason="The adapter [b]does not[/b] fit the model."),
        ]
        await until(pilot, lambda: "The adapter [b]does not[/b] fit the model. F5" in notice(pilot))


async def test_a_model_that_was_let_go_says_why(tmp_path: Path) -> None:
    talking = Talking(tmp_path)
    async with talking.app.run_test(size=(120, 40)) as pilot:
        talking.link.events = [ev.ModelUnloaded(reason="nobody has asked for 30 minutes")]
        await until(
            pilot, lambda: notice(pilot).startswith("The model is not loaded: nobody has asked for 30 minutes.")
        )


async def test_a_run_without_an_adapter_has_nothing_to_load(tmp_path: Path) -> None:
    link = fed(record(tmp_path, until=5, ending="failed"))
    async with Talking(tmp_path, link=link).app.run_test(size=(120, 40)) as pilot:
        await until(pilot, lambda: "saved no adapter" in notice(pilot))
        assert "load model" not in keys(pilot)


async def test_earlier_replies_are_shown_and_not_sent(tmp_path: Path) -> None:
    talking = Talking(tmp_path, replies=True)
    async with talking.app.run_test(size=(120, 40)) as pilot:
        await until(pilot, lambda: len(shown(pilot)) == 6)
        assert [text.split()[0] for text in shown(pilot)[:-1]] == ["you", "tuned", "base", "you", "tuned"]
        assert shown(pilot)[-1] == "Said before; not sent along."
        await pilot.press("enter")
        assert len(talking.asked[0].messages) == 1


async def test_a_reply_that_somebody_else_asked_for_is_shown_too(tmp_path: Path) -> None:
    talking = Talking(tmp_path)
    async with talking.app.run_test(size=(120, 40)) as pilot:
        talking.link.events = [
            ev.ReplyStarted(command_id="other", prompt="Who?", adapter=False),
            ev.ReplyGrew(command_id="other", text="Me."),
        ]
        await until(pilot, lambda: shown(pilot)[-3:-1] == ["you\nWho?", "base  replying\nMe."])
        assert shown(pilot)[-1] == "Said before; not sent along."


async def test_a_recording_is_watched(tmp_path: Path) -> None:
    session = session_of(fed(record(tmp_path, steps=30, replies=True)))
    replayed = RunSession(ReplayLink(session.link.run, speed=1e9), session.recipe, session.document)
    async with Stage(lambda: ChatScreen(replayed)).run_test(size=(120, 40)) as pilot:
        await until(pilot, lambda: len(shown(pilot)) == 5 and "tokens/s" in shown(pilot)[-1])
        assert "recording" in notice(pilot)
        assert not {"send", "base/tuned", "load model"} & keys(pilot)


HOSTILE = "a \x1b[31mred\x1b[0m [bold]b[/] \x1b]8;;http://x\x07link\x1b]8;;\x07 \x9b2J c\u202ed"
LITERAL = "a red [bold]b[/] link  cd"


async def test_replies_prompts_and_pastes_are_shown_literally(tmp_path: Path) -> None:
    talking = Talking(tmp_path)
    async with talking.app.run_test(size=(120, 40)) as pilot:
        field = pilot.app.screen.query_one(PromptField)
        field.text = ""
        from textual.events import Paste

        pilot.app.screen.post_message(Paste(HOSTILE))
        await until(pilot, lambda: field.text == LITERAL)
        await pilot.press("enter")
        talking.reply(*HOSTILE)
        await until(pilot, lambda: "tokens/s" in shown(pilot)[-1])
        assert shown(pilot)[0] == f"you\n{LITERAL}"
        assert shown(pilot)[-1].endswith(f"\n{LITERAL}")
        picture = pilot.app.export_screenshot()
        assert "\x1b" not in picture and "[bold]b[/]" in picture.replace("&#160;", " ")


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
        form.query_one("#enable_thinking", Choice).value = "true"
        await until(pilot, lambda: form.sampling is not None)
        await pilot.press("enter")
        (chat,) = talking.asked
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
        for key in ("f4", "up", "down", "down", "up", "down", "down", "down", "down", "down", "down"):
            await pilot.press(key)
            seen.append(place())
        fields = ["temperature", "top_p", "top_k", "max_new_tokens", "enable_thinking", "enable_thinking"]
        assert seen == ["preset", "preset", "do_sample", "temperature", "do_sample", *fields]
        assert "sampling" in keys(pilot)
        await pilot.press("f4")
        assert isinstance(pilot.app.focused, PromptField)


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


async def test_a_long_reply_is_laid_out_in_blocks_and_loses_nothing() -> None:
    view, text = ReplyView(adapter=True), ""
    async with Stage(widgets=[view]).run_test(size=(80, 20)) as pilot:
        reply = Reply("1", "", True)
        for paragraph in range(60):
            reply.text += f"{paragraph} " + "word " * 40 + "\n"
            view.show(reply)
        reply.text += "x" * 3 * SETTLED_AFTER
        view.show(reply)
        await pilot.pause()
        blocks = [str(block.content) for block in view._blocks]
        assert len(blocks) > 6 and all(len(block) <= SETTLED_AFTER for block in blocks)
        text = "".join(blocks)
        assert text.replace("\n", "") == reply.text.replace("\n", "")


async def test_the_log_of_a_long_chat_stays_short() -> None:
    log = ChatLog()
    async with Stage(widgets=[log]).run_test(size=(80, 20)) as pilot:
        known = {str(at): Reply(str(at), f"prompt {at}", True, "text") for at in range(100)}
        log.show(known, {})
        assert len(log.children) == 2 * EARLIER_REPLIES + 1, "and the line that divides them from what is asked here"
        for at in range(100, 150):
            known[str(at)] = Reply(str(at), f"prompt {at}", True, "text")
            log.show(known, {})
        await until(pilot, lambda: len(log.children) <= LONGEST)


@pytest.mark.parametrize(("seconds", "text"), [(None, "–"), (0.0304, "30 ms"), (0.9996, "1,000 ms"), (1.234, "1.2 s")])
def test_moment(seconds: float | None, text: str) -> None:
    assert moment(seconds) == text


async def test_a_prompt_that_cannot_be_written_is_told(tmp_path: Path) -> None:
    class FullDisk(FakeLink):
        def send(self, command: AnyCommand) -> None:
            raise OSError("No space left on device")

    link = FullDisk(record(tmp_path, steps=30))
    link.events = recorded(link.run)
    talking = Talking(tmp_path, link=link)
    async with talking.app.run_test(size=(120, 40)) as pilot:
        await pilot.press("enter")
        assert talking.app.said == ["The prompt could not be sent: No space left on device."]
        assert pilot.app.screen.query_one(PromptField).text == TRIAL


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
