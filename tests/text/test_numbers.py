import pytest

from cockpit.text import numbers


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (None, "–"),
        (0, "0.0 s"),
        (9.94, "9.9 s"),
        (9.96, "10 s"),
        (59.6, "1 m 00 s"),
        (252, "4 m 12 s"),
        (7500, "2 h 05 m"),
        (200_000, "2 d 7 h"),
    ],
)
def test_durations(seconds: float | None, text: str) -> None:
    assert numbers.duration(seconds) == text


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (None, "–"),
        (1.2839, "1.284"),
        (0.0312, "0.0312"),
        (143.21, "143.2"),
        (1e-7, "1.00e-7"),
        (0, "0.0000"),
        (99.99, "99.990"),
    ],
)
def test_metrics(value: float | None, text: str) -> None:
    assert numbers.metric(value) == text


@pytest.mark.parametrize(
    ("value", "text"), [(None, "–"), (1.18e-4, "1.18e-4"), (0, "0"), (2e-4, "2.00e-4"), (0.01, "1.00e-2")]
)
def test_learning_rates(value: float | None, text: str) -> None:
    assert numbers.learning_rate(value) == text


@pytest.mark.parametrize(
    ("share", "text"), [(None, "–"), (0, "0 %"), (0.426, "42 %"), (0.29, "29 %"), (0.9999, "99 %"), (1, "100 %")]
)
def test_all_is_said_only_when_it_is_all(share: float | None, text: str) -> None:
    assert numbers.percent(share) == text


@pytest.mark.parametrize(
    ("size", "text"),
    [(None, "–"), (512, "512 B"), (3 * 2**20, "3.0 MiB"), (38 * 2**20, "38 MiB"), (2**40 * 1500, "1,500.0 TiB")],
)
def test_sizes(size: float | None, text: str) -> None:
    assert numbers.size(size) == text


@pytest.mark.parametrize("value", [float("nan"), float("inf"), -float("inf")])
def test_what_is_not_a_finite_number_is_called_so(value: float) -> None:
    assert numbers.metric(value) == numbers.learning_rate(value) == "NaN"


def test_counts() -> None:
    assert (numbers.count(10652), numbers.count(None)) == ("10,652", "–")


def test_json_holds_finite_numbers_alone() -> None:
    assert [numbers.finite(value) for value in (1.5, 0.0, None, float("inf"), float("-inf"), float("nan"))] == [
        1.5,
        0.0,
        *[None] * 4,
    ]


@pytest.mark.parametrize(
    ("value", "text"), [(8_030_261_248, "8.03 B"), (1_840_000, "1.84 M"), (256_000, "256 k"), (612, "612"), (0, "0")]
)
def test_counts_of_weights(value: int, text: str) -> None:
    assert numbers.big_count(value) == text
