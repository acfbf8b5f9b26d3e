"""The tuner with engines of which only the pace is known: what it chooses, keeps and leaves."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import msgspec
import pytest

from cockpit.data.row_lengths import KnownRows, RowLengths
from cockpit.launch.engines import EngineKey
from cockpit.preflight import outlook
from cockpit.preflight.outlook import fitted_here
from cockpit.preflight.tuned import lessons
from cockpit.protocol.events import Holder
from cockpit.recipe.recipe import Recipe
from cockpit.tuning import tuner
from cockpit.tuning.probe import MEASURED, WARM_UP, Probe
from cockpit.tuning.told import ProbeEnded, ProbeStarted, Told, TuneEnded, TuneStarted, decode, encode
from cockpit.tuning.tuner import Tuner
from tests.tuning.cards import CARD, card, recipe

Pace = Callable[[Recipe], float | Probe]


def pace(recipe: Recipe) -> float:
    """Fewer, larger batches are faster, best padded to 128; what changes more is fastest."""
    training = recipe.training
    base = 1000.0 / training.gradient_accumulation_steps * (1.3 if training.gradient_checkpointing == "none" else 1)
    base *= 1.1 if training.pad_to_multiple_of == 128 else 1
    return base * (2 if training.packing else 1)


def tuned(
    monkeypatch: pytest.MonkeyPatch, pace: Pace, gib: float = 139, budget_s: float = 1000.0, used_gib: float = 0.4
) -> list[Told]:
    """All that is told of a recipe that is tuned on a card of so many GiB."""

    class Prober:
        def __init__(self, **_: Any) -> None:
            self.open = True

        def probe(self, recipe: Recipe, _key: EngineKey, _until: float, is_behind: Any, heard: Any) -> Probe:
            assert self.open
            found = pace(recipe)
            if isinstance(found, Probe):
                return found
            probe = Probe(peak_mib=1000.0)
            for step in range(WARM_UP + MEASURED):
                probe.tokens.append(2000)
                probe.seconds.append(2000 / found)
                probe.losses.append(2.0 - step / 100)
                heard("training", probe)
                if is_behind(probe):
                    probe.outcome = "behind"
                    break
            return probe

        def close(self) -> None:
            self.open = False

    monkeypatch.setattr(tuner, "Prober", Prober)
    told: list[Told] = []
    report = card(gib, used_gib)
    others = [Holder(pid=7, name="jupyter", mib=used_gib * 1024)]
    report = msgspec.structs.replace(report, holders={"GPU-0": others})
    ended = Tuner(recipe(), "a recipe", report, budget_s, told.append).run()
    assert ended is told[-1]
    assert [decode(encode(one)) for one in told] == told
    return told


def ends(told: list[Told]) -> dict[str, ProbeEnded]:
    return {one.name: one for one in told if isinstance(one, ProbeEnded)}


def test_the_fastest_way_that_changes_nothing_else_is_chosen_and_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("os.getloadavg", lambda: (0.1, 0.1, 0.1))
    told = tuned(monkeypatch, pace)
    assert told[0] == TuneStarted(recipe="a recipe", gpu=CARD, budget_s=1000.0, total_mib=139 * 1024.0)
    ended = told[-1]
    assert isinstance(ended, TuneEnded)
    assert ended.name == "8 × 1, not checkpointed, rows padded to 128"
    assert ended.times == pytest.approx(4 * 1.3 * 1.1)
    assert ends(told)["packed"].tokens_s == pytest.approx(2 * 1000 * 1.3), "it is only shown"
    way = fitted_here(recipe("training.fit=auto"), card(139))
    assert way.said() == f"here {ended.name}, about 5.7 times as fast (written 2 × 4)"
    settings = {name: getattr(way.recipe.training, name.partition(".")[2]) for name in ended.settings}
    assert settings == ended.settings


def test_what_is_behind_is_ended_early(monkeypatch: pytest.MonkeyPatch) -> None:
    found = ends(tuned(monkeypatch, pace))
    assert found["as written, 2 × 4"].outcome == "measured"
    assert found["4 × 2, not checkpointed, rows joined, padded to 512"].outcome == "behind"


def test_losses_that_differ_are_told_and_not_chosen(monkeypatch: pytest.MonkeyPatch) -> None:
    def off(recipe: Recipe) -> float | Probe:
        if recipe.training.per_device_train_batch_size != 8:
            return pace(recipe)
        return Probe([2000] * 11, [0.1] * 11, [2.4] * 11)

    told = tuned(monkeypatch, off)
    first = ends(told)["8 × 1, not checkpointed, rows padded to 256"]
    assert first.loss_off == pytest.approx(2.4 / 1.95 - 1) and first.outcome == "measured"
    ended = told[-1]
    assert isinstance(ended, TuneEnded) and ended.name.startswith("4 × 2")


def test_what_runs_out_of_memory_is_passed_over_and_remembered(monkeypatch: pytest.MonkeyPatch) -> None:
    def spent(recipe: Recipe) -> float | Probe:
        if recipe.training.per_device_train_batch_size == 8 and recipe.training.gradient_checkpointing == "none":
            return Probe(outcome="out_of_memory", reason="Memory of the GPU ran out.")
        return pace(recipe)

    told = tuned(monkeypatch, spent)
    ended = told[-1]
    assert isinstance(ended, TuneEnded) and ended.name.startswith("8 × 1, rows padded to")
    assert {one.way for one in lessons().too_much}
    assert ends(told)["8 × 1, not checkpointed, rows padded to 256"].reason == "Memory of the GPU ran out."


def test_what_the_forecast_rules_out_is_named_and_not_tried(monkeypatch: pytest.MonkeyPatch) -> None:
    found = ends(tuned(monkeypatch, pace, gib=16))
    assert found["base in 16 bits"].outcome == "ruled_out" and found["base in 16 bits"].tokens_s is None


def test_the_budget_ends_it(monkeypatch: pytest.MonkeyPatch) -> None:
    told = tuned(monkeypatch, pace, budget_s=1e-9)
    assert len([one for one in told if isinstance(one, ProbeStarted)]) == 1
    ended = told[-1]
    assert isinstance(ended, TuneEnded) and (ended.settings, ended.number) == ({}, 1)
    assert fitted_here(recipe("training.fit=auto"), card(139)).differs is False


def test_an_interrupt_keeps_what_is_known(monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupted(recipe: Recipe) -> float:
        if recipe.training.gradient_accumulation_steps == 2:
            raise KeyboardInterrupt
        return pace(recipe)

    ended = tuned(monkeypatch, interrupted)[-1]
    assert isinstance(ended, TuneEnded) and ended.stopped
    assert ended.name == "8 × 1, not checkpointed, rows joined, padded to 512"
    assert fitted_here(recipe("training.fit=auto"), card(139)).times == pytest.approx(5.2)


def test_where_nothing_trains_nothing_is_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    told = tuned(monkeypatch, lambda _: Probe(outcome="failed", reason="No such file."))
    ended = told[-1]
    assert isinstance(ended, TuneEnded) and (ended.number, ended.settings) == (0, {})
    assert lessons().answers == ()


@pytest.mark.parametrize(
    ("used_gib", "load", "said"),
    [
        (30.0, 0.1, "Others use this GPU (jupyter 30 GiB): what is measured may be too slow."),
        (0.4, 900.0, " cores): what is measured may be too slow."),
        (0.4, 0.1, ""),
    ],
    ids=["others", "load", "quiet"],
)
def test_a_machine_that_is_busy_is_said_to_be(
    used_gib: float, load: float, said: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("os.getloadavg", lambda: (load, load, load))
    started = tuned(monkeypatch, pace, used_gib=used_gib)[0]
    assert isinstance(started, TuneStarted)
    assert started.busy.endswith(said) and bool(started.busy) == bool(said)


def test_what_fits_is_told_by_the_rows_that_the_first_probe_has_tokenized(monkeypatch: pytest.MonkeyPatch) -> None:
    assert not any("8 × 1, not checkpointed" in name for name in ends(tuned(monkeypatch, pace, gib=24)))
    rows = KnownRows()
    monkeypatch.setattr(rows, "of", lambda _recipe: RowLengths(400, 500, 20, 400 * 150))
    monkeypatch.setattr(outlook, "known_rows", lambda: rows)
    assert any("8 × 1, not checkpointed" in name for name in ends(tuned(monkeypatch, pace, gib=24)))
