"""The user's settings: a price with its currency, and a sentence for all else."""

from pathlib import Path

import pytest

from cockpit.settings import Price, Settings, settings_file


@pytest.fixture
def file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path))
    path = settings_file()
    path.parent.mkdir()
    return path


def test_without_a_file_nothing_is_set(file: Path) -> None:
    assert Settings.read() == Settings()
    file.write_text("# nothing yet\n")
    assert Settings.read() == Settings()


@pytest.mark.parametrize(("said", "price"), [("2.49 EUR", Price(2.49, "EUR")), ("3 $", Price(3, "$"))])
def test_a_price(file: Path, said: str, price: Price) -> None:
    file.write_text(f"gpu_hour: {said}\n")
    assert Settings.read().gpu_hour == price


def test_a_price_is_written_with_its_currency() -> None:
    assert str(Price(1234.5, "JPY")) == "1,234.50 JPY a GPU-hour"
    assert Price(2.4, "EUR").of(1800) == "1.20 EUR"


@pytest.mark.parametrize(
    ("content", "why"),
    [
        ("gpu_hour:", "says gpu_hour: nothing, which is no price with its currency, such as gpu_hour: 2.49 EUR."),
        ("gpu_hour: 2.49", "says gpu_hour: 2.49, which is no price with its currency, such as gpu_hour: 2.49 EUR."),
        ("gpu_hour: -1 EUR", "says gpu_hour: -1 EUR, which is no price with its currency, such as gpu_hour: 2.49 EUR."),
        (
            "gpu-hour: 1 EUR",
            "has a setting 'gpu-hour', which there is not; there are: gpu_hour, notify, terminal_notify.",
        ),
        ("[1]", "does not hold settings by name, such as gpu_hour: 2.49 EUR."),
    ],
)
def test_what_cannot_be_meant(file: Path, content: str, why: str) -> None:
    file.write_text(content)
    with pytest.raises(ValueError) as refused:
        Settings.read()
    assert str(refused.value) == f"{file} {why}"


@pytest.mark.parametrize("content", [b"a: [", b"\xff\xfe"])
def test_a_damaged_file_ends_in_a_sentence(file: Path, content: bytes) -> None:
    file.write_bytes(content)
    with pytest.raises(ValueError, match=f"^{file} .+\\.$"):
        Settings.read()
