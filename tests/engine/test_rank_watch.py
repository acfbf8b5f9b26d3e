"""RankWatch: which rank was the first to go, and how late a sign of life is; the ranks are processes without torch."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Iterator

import msgspec
import pytest

from cockpit.engine import rank_watch
from cockpit.engine.rank import ALL_GPUS, Rank, Ranks, is_loss_of_others
from cockpit.engine.rank_watch import RankWatch
from cockpit.paths import runs_folder
from cockpit.runs.folder import RunDir
from cockpit.runs.liveness import EngineIdentity
from cockpit.runs.ranks import RankEnd, RankFiles, forget_ranks, rank_log, ranks_of


@pytest.fixture
def run() -> RunDir:
    return RunDir.create(runs_folder() / "watched")


@pytest.fixture
def sleepers() -> Iterator[list[subprocess.Popen[bytes]]]:
    """Two processes that do nothing."""
    started = [subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"]) for _ in range(2)]
    yield started
    for one in started:
        one.kill()
        one.wait()


def begin(run: RunDir, sleepers: list[subprocess.Popen[bytes]]) -> list[RankFiles]:
    """Say in the place of ranks 1 and 2 that they are these processes."""
    found = []
    for rank, process in enumerate(sleepers, 1):
        files = RankFiles(run, rank)
        files.begin("transformers")
        identity = EngineIdentity.of_process(process.pid, "transformers")
        (run.ranks / f"{rank}.json").write_bytes(msgspec.json.encode(identity))
        found.append(files)
    return found


def test_ranks_that_live_or_have_not_begun_end_nothing(run: RunDir, sleepers: list[subprocess.Popen[bytes]]) -> None:
    watch = RankWatch(run, 3)
    assert watch.look() is None and watch.pids() == () and watch.beat_at() is None
    begin(run, sleepers)
    assert watch.look() is None and watch.pids() == tuple(one.pid for one in sleepers)


def test_the_heartbeat_is_as_late_as_the_latest_rank(run: RunDir, sleepers: list[subprocess.Popen[bytes]]) -> None:
    watch = RankWatch(run, 3)
    begin(run, sleepers)
    os.utime(run.ranks / "2.heartbeat", (1000.0, 1000.0))
    assert watch.beat_at() == 1000.0
    run.touch_heartbeat(watch.beat_at())
    assert run.silence_s() == pytest.approx(time.time() - 1000, abs=60)
    watch.are_done = True  # the others have left, as training is over
    assert watch.beat_at() is None


def test_a_rank_that_is_killed_is_named(run: RunDir, sleepers: list[subprocess.Popen[bytes]]) -> None:
    watch = RankWatch(run, 3)
    begin(run, sleepers)
    sleepers[1].kill()
    sleepers[1].wait()
    found = watch.look()
    assert found is not None and (found.outcome, found.rank) == ("failed", 2)
    assert found.reason == f"Rank 2 of 3 (process {sleepers[1].pid}) was killed, or has ended without a word."
    watch.are_done = True
    assert watch.look() is None


def test_the_rank_that_failed_is_told_and_not_those_that_lost_it(
    run: RunDir, sleepers: list[subprocess.Popen[bytes]]
) -> None:
    watch = RankWatch(run, 3)
    one, two = begin(run, sleepers)
    one.tell_end(RankEnd(outcome="failed", reason="RuntimeError: Connection closed by peer.", lost_others=True))
    assert watch.look() is None, "it may be seen soon whom it has lost"
    two.tell_end(RankEnd(outcome="out_of_memory", reason="Memory of the GPU ran out.", advice="Try less."))
    found = watch.cause()
    assert found is not None and (found.outcome, found.rank, found.advice) == ("out_of_memory", 2, "Try less.")
    assert found.reason == "Rank 2 of 3: Memory of the GPU ran out."


def test_a_rank_that_lost_the_others_is_told_where_nothing_else_is_known(
    run: RunDir, sleepers: list[subprocess.Popen[bytes]], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(rank_watch, "CAUSE_WITHIN_S", 0.05)
    watch = RankWatch(run, 3)
    one, _ = begin(run, sleepers)
    one.tell_end(RankEnd(outcome="failed", reason="NCCL timed out.", lost_others=True))
    found = watch.cause()
    assert found is not None and (found.rank, found.reason) == (1, "Rank 1 of 3: NCCL timed out.")


def test_a_rank_of_another_machine_is_lost_once_it_is_silent(
    run: RunDir, sleepers: list[subprocess.Popen[bytes]]
) -> None:
    watch = RankWatch(run, 3)
    begin(run, sleepers)
    elsewhere = msgspec.structs.replace(
        EngineIdentity.of_this_process("transformers"), boot_id="another", host="node7", pid=77
    )
    (run.ranks / "1.json").write_bytes(msgspec.json.encode(elsewhere))
    assert watch.look() is None and watch.pids() == (sleepers[1].pid,)
    long_ago = time.time() - 100
    os.utime(run.ranks / "1.heartbeat", (long_ago, long_ago))
    found = watch.look()
    assert found is not None and found.rank == 1
    assert found.reason.startswith("Rank 1 of 3 (process 77 on node7) has given no sign of life for 1")


def test_ranks_of_an_earlier_attempt_are_forgotten_and_their_output_stays(run: RunDir) -> None:
    RankFiles(run, 1).begin("transformers")
    rank_log(run, 1).write_text("what it said")
    forget_ranks(run)
    assert [path.name for path in run.ranks.iterdir()] == ["1.log"] and ranks_of(run) == [0, 1]
    assert RankFiles(run, 1).identity() is None and rank_log(run, 0) == run.engine_log


def test_one_rank_alone_sends_nothing() -> None:
    ranks = Ranks()
    assert ranks.share("a") == "a" and ranks.gather(1) == [1] and ranks.sum([0.1, 3]) == [0.1, 3]
    assert ranks.flag(True) and ranks.in_turn(lambda: 7) == 7 and not ranks.are_several
    ranks.wait(), ranks.leave(), ranks.join()  # type: ignore[func-returns-value]
    assert Rank(1, 4).is_first is False


def test_each_rank_sees_its_own_gpu_as_the_first_and_the_gauges_see_all(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in (("CUDA_VISIBLE_DEVICES", "GPU-a,GPU-b"), ("LOCAL_RANK", "1"), (ALL_GPUS, "")):
        monkeypatch.setenv(name, value)
    Rank(3, 4, 1).take_gpu()
    found = [os.environ[name] for name in ("CUDA_VISIBLE_DEVICES", "LOCAL_RANK", ALL_GPUS)]
    assert found == ["GPU-b", "0", "GPU-a,GPU-b"]
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "")
    Rank(1, 2, 1).take_gpu()
    assert os.environ["CUDA_VISIBLE_DEVICES"] == "", "on the CPU there is none to take"


def test_errors_of_connections_are_told_from_others() -> None:
    lost = RuntimeError("[gloo/transport/tcp/pair.cc:547] Connection closed by peer [127.0.0.1]:34")
    assert is_loss_of_others(lost)
    assert not is_loss_of_others(RuntimeError("mat1 and mat2 shapes cannot be multiplied"))
    assert not is_loss_of_others(ValueError("Connection closed by peer"))
