import errno
import os
import tracemalloc
from contextlib import closing
from pathlib import Path

import pytest

from cockpit.protocol import event_lines
from cockpit.protocol import events as ev
from cockpit.protocol.event_log import READ_BYTES, EventReader, EventWriter, newest_attempt


def logged(text: str) -> ev.LogWritten:
    return ev.LogWritten(level="info", text=text)


def texts(events: list[ev.AnyEvent]) -> list[str]:
    return [event.text for event in events if isinstance(event, ev.LogWritten)]


def test_every_event_type_survives_the_log(tmp_path: Path) -> None:
    samples: list[ev.AnyEvent] = [
        ev.EngineStarted(pid=1, host="h", backend="unsloth"),
        ev.PhaseStarted(phase="importing"),
        ev.PhaseProgressed(phase="preparing_data", done=1, total=None, unit="rows"),
        ev.RunStarted(
            run_id="r", recipe_name="demo", command=["a"], versions={"x": "1"}, gpus=[], driver="", data_sha256={}
        ),
        ev.DataPrepared(train_rows=1, eval_rows=2, skipped_rows=0, truncated_rows=0, tokens=3, trained_tokens=2),
        ev.TrainingPlanned(total_steps=1, steps_per_epoch=1.5, trainable_parameters=1, total_parameters=2),
        ev.ScheduleChanged(step=1, rate_factor=0.5, total_steps=2, factor=0.5),
        ev.TrainingResumed(step=1, path="checkpoints/checkpoint-1"),
        ev.ExportStarted(export_id="x", form="adapter", path="/out"),
        ev.ExportProgressed(export_id="x", task="writing"),
        ev.ExportEnded(export_id="x", form="adapter", path="/out", reason="No room."),
        ev.StepEnded(step=1, total_steps=2, epoch=0.5, step_time_s=0.1, metrics={"loss": 1.5}),
        ev.Evaluated(step=0, duration_s=1, metrics={"eval_loss": 2.5, "eval_x": None}),
        ev.CompletionScored(
            step=1, index=0, prompt="p", text="t", end="end_of_turn", new_tokens=2, reward=1.5, rewards={"regex": 1.0}
        ),
        ev.SampleAnswered(step=1, index=0, prompt="p", text="t", end="end_of_turn", new_tokens=2, duration_s=0.5),
        ev.AnswerJudged(
            step=1, half="kept", index=0, title="p", text="t", end="end_of_turn", new_tokens=2, passed=True
        ),
        ev.AnswersMeasured(step=1, duration_s=0.5, answers=3, new_tokens=6, metrics={"eval_kept": 1.0}),
        ev.CheckpointSaved(step=1, path="checkpoints/1", size_bytes=3),
        ev.TrackingStarted(tracker="tensorboard", link="cockpit tensorboard a"),
        ev.AdapterSaved(path="adapter", size_bytes=3),
        logged("x"),
        ev.CommandAnswered(command_id="c", accepted=False, text="no"),
        ev.StopRequested(save=True, command_id="c"),
        ev.WatchdogFired(watchdog="loss_nan", step=1, action="stop", finding="f"),
        ev.WatchdogCleared(watchdog="loss_nan", step=2),
        ev.RunEnded(outcome="completed", step=2),
        ev.ModelUnloaded(reason="idle"),
        ev.ReplyStarted(command_id="c", prompt="p", adapter=True),
        ev.ReplyGrew(command_id="c", text="t"),
        ev.ReplyEnded(
            command_id="c", end="end_of_turn", prompt_tokens=1, new_tokens=2, duration_s=1, first_token_s=None
        ),
        ev.PromptAnswered(
            command_id="c", index=0, text="t", end="end_of_turn", prompt_tokens=1, new_tokens=2, duration_s=1
        ),
        ev.MachineRead(
            step=1,
            gpus=[ev.GpuReading(index=0, uuid="GPU-1", name="H200")],
            cpu_percent=1,
            rss_mib=2,
            ram_used_mib=3,
            ram_total_mib=4,
        ),
        ev.EngineExited(reason="done"),
    ]
    assert {type(sample) for sample in samples} == set(ev.AnyEvent.__args__)
    writer = EventWriter(tmp_path / "log")
    written = [writer.append(sample) for sample in samples]
    assert EventReader(tmp_path / "log").poll() == written
    assert [event.seq for event in written] == list(range(len(samples)))


def test_a_truncated_last_line_waits_for_its_rest(tmp_path: Path) -> None:
    line = event_lines.encode(logged("whole"))
    path = tmp_path / "log"
    path.write_bytes(line + line[:20])
    reader = EventReader(path)
    assert texts(reader.poll()) == ["whole"]
    assert reader.poll() == []
    with path.open("ab") as log:
        log.write(line[20:])
    assert texts(reader.poll()) == ["whole"]


def test_a_truncated_line_of_a_dead_writer_spoils_nothing_after_it(tmp_path: Path) -> None:
    path = tmp_path / "log"
    path.write_bytes(event_lines.encode(logged("before")) + b'{"type":"LogWr')
    EventWriter(path, attempt=2).append(logged("after"))
    events = EventReader(path).poll()
    assert texts(events) == ["before", "after"]
    assert [(event.seq, event.attempt) for event in events] == [(0, 1), (2, 2)]


def test_unknown_types_and_fields_are_skipped(tmp_path: Path) -> None:
    path = tmp_path / "log"
    path.write_bytes(
        b'{"type":"FromTheFuture","seq":0}\n{"type":"LogWritten","level":"info","text":"x","new":1}\nno json\n[1]\n'
    )
    assert texts(EventReader(path).poll()) == ["x"]


def test_a_log_may_come_late_and_its_folder_may_move(tmp_path: Path) -> None:
    here, there = tmp_path / "here", tmp_path / "there"
    here.mkdir()
    reader = EventReader(here / "log")
    assert reader.poll() == []
    writer = EventWriter(here / "log")
    writer.append(logged("one"))
    assert texts(reader.poll()) == ["one"]
    here.rename(there)
    writer.append(logged("two"))
    assert texts(reader.poll()) == ["two"]


def test_bytes_that_are_no_utf8_spoil_one_line_only(tmp_path: Path) -> None:
    path = tmp_path / "log"
    path.write_bytes(b'{"type":"LogWritten","level":"info","text":"\xe9"}\n' + event_lines.encode(logged("after")))
    assert texts(EventReader(path).poll()) == ["after"]


def test_a_line_cut_off_by_a_full_disk_spoils_none_after_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "log"
    writer = EventWriter(path)
    write, left = os.write, [10, 0]

    def full(fd: int, data: bytes) -> int:
        if not left[0]:
            raise OSError(28, "No space left on device")
        return write(fd, data[: left.pop(0)])

    with monkeypatch.context() as disk:
        disk.setattr(os, "write", full)
        with pytest.raises(OSError, match="No space"):
            writer.append(logged("lost"))
    writer.append(logged("kept"))
    assert texts(EventReader(path).poll()) == ["kept"]


def test_a_log_that_is_out_of_reach_has_nothing_new(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """As on a network file system whose server is away for a moment."""
    log = EventWriter(tmp_path / "events.jsonl")
    reader = EventReader(tmp_path / "events.jsonl")
    log.append(logged("before"))
    assert len(reader.poll()) == 1
    log.append(logged("after"))

    def away(descriptor: int, size: int) -> bytes:
        raise OSError(errno.EIO, "Input/output error")

    with monkeypatch.context() as patch:
        patch.setattr(os, "read", away)
        assert reader.poll() == []
    assert texts(reader.poll()) == ["after"]
    reader.close()
    log.close()


def test_logins_are_not_written_but_what_was_said_stays(tmp_path: Path) -> None:
    log = EventWriter(tmp_path / "events.jsonl")
    address = "https://ada:lovelace@hub/x"
    log.append(logged(f'"{address}" cannot be reached'))
    log.append(ev.RunEnded(outcome="failed", step=0, reason=address, advice=address))
    log.append(ev.ReplyGrew(command_id="1", text=address))
    log.close()
    told, ended, said = EventReader(tmp_path / "events.jsonl").poll()
    assert isinstance(told, ev.LogWritten) and isinstance(ended, ev.RunEnded) and isinstance(said, ev.ReplyGrew)
    assert told.text == '"https://hub/x" cannot be reached'
    assert (ended.reason, ended.advice, said.text) == ("https://hub/x", "https://hub/x", address)


@pytest.fixture
def short_lines(monkeypatch: pytest.MonkeyPatch) -> int:
    """Lines of a log are no longer than this."""
    for module in ("cockpit.protocol.event_log", "cockpit.runs.log_ends"):
        monkeypatch.setattr(f"{module}.LONGEST_LINE", 1 << 20)
    return 1 << 20


def test_a_line_without_end_is_passed_over_and_takes_no_memory(tmp_path: Path, short_lines: int) -> None:
    path = tmp_path / "log"
    line = event_lines.encode(logged("kept"))
    with path.open("wb") as log:
        log.write(line)
        log.seek(64 * short_lines, os.SEEK_CUR)  # a hole
        log.write(b"\n" + line + b'{"type":"LogWritten"')
    reader = EventReader(path)
    tracemalloc.start()
    found = []
    for _ in range(64 * short_lines // READ_BYTES + 3):
        found += reader.poll()
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert texts(found) == ["kept", "kept"]
    assert peak < 8 * short_lines
    with path.open("ab") as log:
        log.write(b',"level":"info","text":"whole"}\n')
    assert texts(reader.poll()) == ["whole"]
    with closing(EventWriter(path)) as writer:
        assert writer.append(logged("next")).seq == 4


def test_a_writer_cuts_what_is_too_long_for_a_line(tmp_path: Path, short_lines: int) -> None:
    with closing(EventWriter(tmp_path / "log", attempt=3)) as writer:
        writer.append(logged("\x01" * short_lines))
    assert (tmp_path / "log").stat().st_size < short_lines
    (text,) = texts(EventReader(tmp_path / "log").poll())
    assert text.endswith("...")


def test_the_attempt_is_found_behind_a_long_last_line(tmp_path: Path) -> None:
    with closing(EventWriter(tmp_path / "log", attempt=3)) as writer:
        writer.append(logged("x" * 3 * READ_BYTES))
    assert newest_attempt(tmp_path / "log") == 3


def test_a_poll_within_a_long_line_is_not_the_end(tmp_path: Path) -> None:
    path, long = tmp_path / "log", "x" * 400_000
    with closing(EventWriter(path)) as writer:
        for text in ("before", long, "after"):
            writer.append(logged(text))
    with path.open("ab") as log:
        log.write(b'{"type":"FromTheFuture","text":"' + b"y" * 400_000 + b'"}\n' + event_lines.encode(logged("last")))
    reader, found = EventReader(path), []
    while batch := reader.poll():
        found += texts(batch)
    assert found == ["before", long, "after", "last"]
