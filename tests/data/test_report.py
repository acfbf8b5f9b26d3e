"""Histogram, shares and alarms of a data report."""

import msgspec
import pytest

from cockpit.data.report import Bin, DataReport, length_histogram
from cockpit.data.report_text import figures_of, share
from tests.data.reports import data_report


def test_bins_have_round_widths_and_hold_every_row() -> None:
    assert length_histogram([3, 3, 4, 7], 5) == [Bin(3, 3, 2), Bin(4, 4, 1), Bin(5, 5, 0), Bin(6, 6, 0), Bin(7, 7, 1)]
    assert length_histogram([20, 39, 40, 99], 3) == [Bin(0, 49, 3), Bin(50, 99, 1)]
    assert length_histogram([8], 1) == [Bin(8, 8, 1)]
    assert length_histogram([], 9) == []
    lengths = list(range(17, 4000, 13))
    bins = length_histogram(lengths, 20)
    assert len(bins) <= 20
    assert sum(one.rows for one in bins) == len(lengths)


@pytest.mark.parametrize(
    ("value", "written"),
    [(None, "–"), (0.0, "0 %"), (0.0004, "< 0.1 %"), (0.034, "3.4 %"), (0.42, "42 %"), (1.0, "100 %")],
)
def test_a_share_is_never_rounded_to_nothing(value: float | None, written: str) -> None:
    assert share(value) == written


def test_a_report_is_the_same_after_its_way_as_json() -> None:
    report = data_report()
    assert msgspec.json.decode(msgspec.json.encode(report), type=DataReport) == report


def test_figures_tell_what_was_not_looked_at() -> None:
    said = {figure.name: f"{figure.value} {figure.note}" for figure in figures_of(data_report())}
    assert said["rows seen"] == "2,500 the first of 19,252"
    assert said["padding"] == "31 % in batches of 2"
    mixed = {"sources": ["a", "b"], "rows_there": 120}
    for changes, note in (
        ({"is_all": True}, "all of them"),
        ({"is_all": True, "rows_held": 20_000}, "all taken of 20,000"),
        ({"is_all": True, "rows_held": None}, "all that are taken"),
        ({**mixed, "rows_seen": 100}, "a sample of 120"),
        ({**mixed, "rows_seen": 120}, "others will be drawn"),
    ):
        figure = figures_of(msgspec.structs.replace(data_report(), **changes))[0]
        assert (figure.name, figure.note) == ("rows seen", note)
    packed = msgspec.structs.replace(data_report(), batching="packed", sequences=120, padding_share=0.0)
    assert "packed into 120" in next(figure.note for figure in figures_of(packed) if figure.name == "padding")


def test_the_worst_alarm_comes_first() -> None:
    report = msgspec.structs.replace(data_report(), trained_tokens=0, stops=True)
    alarms = report.alarms()
    assert ["Nothing" in alarms[0], "3 of 2,500 rows" in alarms[1], "on_bad_row" in alarms[2]] == [True] * 3
    assert not report.trains
    assert data_report().trains
