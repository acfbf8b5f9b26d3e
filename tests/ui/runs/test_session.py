"""The run that the app looks at: its state, its end, what is sent to it; conversation; the engine of a past run."""

from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest

from cockpit.launch.engines import EngineKey
from cockpit.machine.gpu import GpuReport
from cockpit.protocol import events as ev
from cockpit.protocol.commands import Chat, Stop, StopReply, Unload
from cockpit.protocol.event_log import EventWriter
from cockpit.recipe.chat import Sampling
from cockpit.runs.conversation import Conversation
from cockpit.runs.folder import RunDir
from cockpit.runs.link import ReplayLink, RunLink
from cockpit.runs.liveness import EngineIdentity
from cockpit.runs.sentences import log_line
from cockpit.runs.state import Reply
from cockpit.text.plain_text import plain_text
from cockpit.ui.runs import session as session_module
from cockpit.ui.runs.chat_engine import ChatEngine
from cockpit.ui.runs.session import RunSession
from tests.recording import BEGAN, Ending, Recorder, record
from tests.ui.engines import FakeEngine, FakeLink, FakeProbe
from tests.ui.stage import NOW, fed, recorded, session_of

ENDINGS: list[Ending] = ["completed", "stopped", "failed", "out_of_memory"]


def read(session: RunSession) -> RunSession:
    """Poll until there is nothing new."""
    while session.poll():
        pass
    return session


@pytest.mark.parametrize("ending", ENDINGS)
def test_an_ended_run_says_how(tmp_path: Path, ending: Ending) -> None:
    session = read(session_of(RunLink(record(tmp_path, until=20, ending=ending))))
    assert session.status == ending and session.is_over
    assert session.state.step == 20


def test_a_run_whose_engine_lives_is_running(tmp_path: Path) -> None:
    session = read(session_of(RunLink(record(tmp_path, until=20, ending="going"))))
    assert session.status == "running" and not session.is_over


def test_an_engine_that_is_gone_without_an_end_is_lost(tmp_path: Path) -> None:
    session = read(session_of(RunLink(record(tmp_path, until=20, ending="lost"))))
    assert session.status == "lost" and session.is_over and not session.can_chat


def test_an_engine_elsewhere_that_is_not_heard_of_is_silent(tmp_path: Path) -> None:
    session = read(session_of(RunLink(record(tmp_path, until=20, ending="silent"))))
    assert session.status == "silent" and not session.is_over


def test_an_engine_that_said_goodbye_without_an_end_is_lost(tmp_path: Path) -> None:
    link = fed(record(tmp_path, until=20, ending="going"))
    link.events.append(ev.EngineExited(reason="somebody asked"))
    assert read(session_of(link)).status == "lost"


def test_events_that_are_still_unread_are_read_before_an_engine_counts_as_lost(tmp_path: Path) -> None:
    link = fed(record(tmp_path, until=20, ending="completed"))
    last, link.events = link.events[-5:], link.events[:-5]
    link.alive = "lost"
    session = session_of(link)
    session.poll()
    assert session.status == "running"
    link.events = last
    assert read(session).status == "completed"


def test_no_engine_yet_is_starting_and_later_slow(tmp_path: Path) -> None:
    link, now = FakeLink(RunDir(tmp_path / "run")), [NOW]
    link.alive = "starting"
    session = session_of(link, clock=lambda: now[0])
    assert read(session).status == "starting" and not session.is_slow_to_start
    now[0] += session_module.SLOW_START_AFTER_S + 1
    assert session.is_slow_to_start


def test_a_session_reads_from_the_beginning_whoever_has_read_before(tmp_path: Path) -> None:
    link = RunLink(record(tmp_path, until=20, ending="going"))
    while link.poll():
        pass
    session = read(session_of(link))
    assert session.state.engine is not None and session.state.step == 20


def test_a_stop_that_was_sent_counts_until_it_is_refused_and_a_drop_overrules(tmp_path: Path) -> None:
    link = fed(record(tmp_path, until=20, ending="going"))
    session = read(session_of(link))
    asked = [session.stop_asked]
    for save in (True, False):
        session.stop(save=save)
        asked.append(session.stop_asked)
    assert asked == [None, "save", "drop"]
    stops = [command for command in link.sent if isinstance(command, Stop)]
    assert [stop.save for stop in stops] == [True, False]
    link.events = [ev.CommandAnswered(command_id=stops[1].id, accepted=False, text="No.", command="Stop")]
    assert read(session).stop_asked == "save"


def began() -> list[ev.AnyEvent]:
    run = ev.RunStarted(run_id="r", recipe_name="r", command=[], versions={}, gpus=[], driver="", data_sha256={})
    return [ev.EngineStarted(pid=4711, host="here", backend="unsloth"), run, ev.PhaseStarted(phase="training")]


@pytest.mark.parametrize("tells", [True, False], ids=["told by an event", "an older engine"])
def test_a_stop_is_for_one_attempt_whichever_of_two_apps_asks_for_it(tmp_path: Path, tells: bool) -> None:
    run = RunDir.create(tmp_path / "r")
    run.write_identity(EngineIdentity.of_this_process("unsloth"))

    def write(attempt: int, *events: ev.AnyEvent) -> None:
        log = EventWriter(run.events, attempt=attempt)
        for event in events:
            log.append(event)
        log.close()

    write(1, *began())
    one, other = (read(session_of(RunLink(run))) for _ in range(2))
    one.stop(save=True)
    assert (one.stop_asked, read(other).stop_asked) == ("save", None)
    (stop,) = run.take_commands()
    requested = [ev.StopRequested(save=True, command_id=stop.id)] if tells else []
    write(1, *requested, ev.CommandAnswered(command_id=stop.id, accepted=True, command="Stop" if tells else None))
    assert (read(one).stop_asked, read(other).stop_asked) == ("save", "save" if tells else None)
    write(1, ev.RunEnded(outcome="stopped", step=3), ev.EngineExited(reason="done"))
    write(2, *began())
    assert (read(one).stop_asked, read(other).stop_asked) == (None, None)
    assert (one.status, other.status) == ("running", "running")
    write(2, *([ev.StopRequested(save=True), ev.StopRequested(save=False)] if tells else []))
    assert (read(one).stop_asked, read(other).stop_asked) == (("drop", "drop") if tells else (None, None))


def test_what_is_asked_of_the_model(tmp_path: Path) -> None:
    link = fed(record(tmp_path))
    session = read(session_of(link))
    sampling = Sampling(temperature=0.5, top_p=0.9, top_k=7, max_new_tokens=9, do_sample=False, enable_thinking=True)
    asked = session.ask({False: [{"role": "user", "content": "hi"}]}, sampling)[False]
    session.stop_reply(asked)
    session.unload()
    chat, stop, unload = link.sent
    assert isinstance(chat, Chat) and isinstance(stop, StopReply) and isinstance(unload, Unload)
    assert (chat.id, chat.adapter, chat.temperature, chat.top_p, chat.top_k) == (asked, False, 0.5, 0.9, 7)
    assert (chat.max_new_tokens, chat.do_sample, chat.enable_thinking) == (9, False, True)
    assert stop.chat_id == asked


def test_only_a_run_that_ends_before_ones_eyes_was_seen_ending(tmp_path: Path) -> None:
    run = record(tmp_path)
    assert read(session_of(fed(run), now=BEGAN + 30)).was_seen_ending
    assert not read(session_of(fed(run), now=BEGAN + 9999)).was_seen_ending


def test_a_recording_has_a_time_of_its_own_and_takes_no_commands(tmp_path: Path) -> None:
    run = record(tmp_path)
    session = session_of(ReplayLink(run, speed=1e9))
    link = ReplayLink(run, speed=1e9)
    replayed = RunSession(link, session.recipe, session.document, look_at_engine_every_s=0.0)
    read(replayed)
    assert replayed.is_recording and not replayed.can_chat
    assert replayed.now() == recorded(run)[-1].at
    with pytest.raises(OSError, match="recording"):
        replayed.stop(save=True)


def test_a_long_log_is_read_in_bounded_parts(tmp_path: Path) -> None:
    session = session_of(RunLink(record(tmp_path, steps=6000, ending="going")))
    taken = [0]
    while session.poll():
        taken.append(len(session.state.steps.step))
    parts = [after - before for before, after in pairwise(taken)]
    assert taken[-1] == 6000 and 0 < max(parts) < 5000


def test_the_log_holds_the_engines_lines_and_the_landmarks(tmp_path: Path) -> None:
    session = read(session_of(RunLink(record(tmp_path, until=60, steps=60))))
    lines = [line.text for line in session.log]
    assert lines[0] == "Run demo-1120-2349 started on the CPU"
    for line in (
        "1,196 rows to train on, 64 held out, 3 left out, 2 cut short, 38,272 tokens an epoch (47 % trained)",
        "60 steps planned; 196,608 of 1,835,008 parameters are trained (10.71 %)",
        "Held-out loss 4.011 before training, measured in 0.4 s",
        "Adapter saved, 793 KiB",
        "Training is complete after step 60",
    ):
        assert line in lines
    assert any("pirate.jsonl:118" in line for line in lines)


def test_a_failed_end_is_an_error_in_the_log() -> None:
    line = log_line(ev.RunEnded(outcome="failed", step=3, reason="No row is left."))
    assert line is not None and (line.level, line.text) == (
        "error",
        "Training has failed after step 3: No row is left.",
    )
    assert log_line(ev.PhaseStarted(phase="training")) is None


def replies(*texts: str) -> dict[str, Reply]:
    return {str(number): Reply(str(number), "", True, text) for number, text in enumerate(texts)}


def test_a_conversation_sends_its_history() -> None:
    talk = Conversation()
    assert talk.last_prompt is None
    assert talk.messages_for("one", {}) == [{"role": "user", "content": "one"}]
    talk.ask("one", {True: "0"})
    talk.ask("two", {True: "1"})
    known = replies("first", "second")
    assert [message["content"] for message in talk.messages_for("three", known)] == [
        "one",
        "first",
        "two",
        "second",
        "three",
    ]
    assert [message["role"] for message in talk.messages_for("three", known)] == ["user", "assistant"] * 2 + ["user"]


def test_asking_again_leaves_out_what_was_replied_before() -> None:
    talk = Conversation()
    talk.ask("one", {True: "0"})
    talk.ask("two", {True: "1"})
    known = replies("first", "second")
    again = talk.messages_for("two", known, again=True)
    assert [message["content"] for message in again] == ["one", "first", "two"]
    talk.ask_again({False: "2"})
    known |= {"2": Reply("2", "two", False, "other second")}
    assert talk.messages_for("three", known)[3]["content"] == "second"
    assert talk.messages_for("three", known, adapter=False)[3]["content"] == "other second"
    assert talk.messages_for("three", known, adapter=False)[1]["content"] == "first", "the base has not said anything"


def test_a_turn_without_a_reply_is_left_out() -> None:
    talk = Conversation()
    talk.ask("one", {True: "0"})
    talk.ask("two", {True: "1"})
    assert [message["content"] for message in talk.messages_for("three", replies("", "second"))] == [
        "two",
        "second",
        "three",
    ]


class Loading:
    """A past run, a driver and a starter of engines."""

    def __init__(self, run: RunDir, report: GpuReport | None = None, refuses: Exception | None = None) -> None:
        self.link = fed(run)
        self.link.alive = "lost"
        self.session = read(session_of(self.link))
        self.probe = FakeProbe(report)
        self.refuses = refuses
        self.started: list[FakeEngine] = []
        self.engine = ChatEngine(self.session, lambda: self.probe, self.start)  # type: ignore[arg-type, return-value]

    def start(self, run: RunDir, key: EngineKey) -> Any:
        if self.refuses:
            raise self.refuses
        self.started.append(FakeEngine(key, [], run.id))
        return self.started[-1]

    def tick(self) -> str:
        """The stage after it."""
        self.engine.tick()
        return self.engine.stage


def test_a_past_runs_model_is_loaded(tmp_path: Path) -> None:
    loading = Loading(record(tmp_path))
    loading.engine.load()
    assert loading.tick() == "probing" and not loading.started
    loading.probe.report = GpuReport()
    assert loading.tick() == "starting" and len(loading.started) == 1
    loading.engine.load()
    loading.link.events = [ev.EngineStarted(pid=1, host="here", backend="unsloth")]
    loading.link.alive = "alive"
    read(loading.session)
    assert loading.tick() == "running" and len(loading.started) == 1
    loading.link.events = [ev.PhaseStarted(phase="ready")]
    assert read(loading.session).can_chat


def test_an_engine_that_ends_before_it_speaks_has_failed(tmp_path: Path) -> None:
    loading = Loading(record(tmp_path), GpuReport())
    loading.engine.load()
    loading.engine.tick()
    loading.started[0].process.status = 1
    assert loading.tick() == "failed" and "status 1" in loading.engine.problem


def test_why_no_engine_could_be_started_is_said_plainly(tmp_path: Path) -> None:
    loading = Loading(record(tmp_path), GpuReport(), ValueError("The run \x1b[31mx has no adapter."))
    loading.engine.load()
    assert loading.tick() == "failed" and loading.engine.problem == "The run x has no adapter."
    assert plain_text(loading.engine.problem) == loading.engine.problem


def test_a_recording_is_the_same_every_time(tmp_path: Path) -> None:
    first, second = (record(tmp_path / name, replies=True, gpus=2) for name in ("a", "b"))
    for name in ("events.jsonl", "gpu.jsonl", "chat.jsonl", "recipe.yaml"):
        assert (first.path / name).read_bytes() == (second.path / name).read_bytes()
    recorder = Recorder(first)
    recorder.say(ev.LogWritten(level="info", text="more"))
    recorder.write()
    assert recorded(first)[-1].at >= BEGAN
