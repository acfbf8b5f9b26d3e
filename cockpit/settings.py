"""The user's own settings, which hold for every run: settings.yaml in cockpit's folder of the XDG config folder"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import platformdirs

from cockpit.disk import read_regular
from cockpit.text.plain_text import plain_line

LIMIT_BYTES = 1 << 16
_price = re.compile(r"(\d+(?:\.\d+)?)\s*([^\W\d]{1,8}|[$€£¥₹₩])")


@dataclass(frozen=True)
class Price:
    """What a GPU costs for an hour, and in which currency."""

    per_gpu_hour: float
    currency: str

    def of(self, gpu_seconds: float) -> str:
        """What so many seconds of one GPU cost: 0.42 EUR."""
        return f"{self.per_gpu_hour * gpu_seconds / 3600:,.2f} {self.currency}"

    def __str__(self) -> str:
        return f"{self.per_gpu_hour:,.2f} {self.currency} a GPU-hour"


@dataclass(frozen=True)
class Settings:
    """None, and empty: not set."""

    gpu_hour: Price | None = None
    notify: tuple[str, ...] = ()
    """Addresses of apprise, such as ntfy://ntfy.sh/topic, that are told of ends and watchdogs."""
    terminal_notify: bool = True
    """Whether the terminal is asked to tell too: bell, OSC 9 and OSC 777."""

    @classmethod
    def read(cls) -> Settings:
        """As the file says; all unset where there is none. Raises ValueError with a sentence."""
        path = settings_file()
        try:
            content = read_regular(path, LIMIT_BYTES).decode()
        except FileNotFoundError:
            return cls()
        except (OSError, UnicodeDecodeError) as error:
            raise _refused(path, f"cannot be read: {getattr(error, 'strerror', None) or error}") from None
        return cls(**{name: _READERS[name](value, path) for name, value in _fields(content, path).items()})


def settings_file() -> Path:
    """Where the settings lie. The file need not exist."""
    return platformdirs.user_config_path("cockpit") / "settings.yaml"


def _fields(content: str, path: Path) -> dict[str, Any]:
    from ruamel.yaml import YAML
    from ruamel.yaml.error import YAMLError

    try:
        found = YAML(typ="safe", pure=True).load(content)
    except YAMLError as error:
        raise _refused(path, f"is not YAML: {' '.join(str(error).split())}") from None
    if found is None:
        return {}
    if not isinstance(found, dict):
        raise _refused(path, "does not hold settings by name, such as gpu_hour: 2.49 EUR")
    for name in found:
        if name not in _READERS:
            known = ", ".join(_READERS)
            raise _refused(path, f"has a setting {name!r}, which there is not; there are: {known}")
    return {str(name): value for name, value in found.items()}


def _read_price(value: object, path: Path) -> Price:
    found = _price.fullmatch(str(value).strip()) if isinstance(value, str) else None
    if found is None:
        said = "nothing" if value is None else value
        raise _refused(path, f"says gpu_hour: {said}, which is no price with its currency, such as gpu_hour: 2.49 EUR")
    return Price(float(found[1]), found[2])


def _read_addresses(value: object, path: Path) -> tuple[str, ...]:
    found = [value] if isinstance(value, str) else value
    if not isinstance(found, list) or not all(isinstance(one, str) and ":" in one for one in found):
        raise _refused(path, "has notify, which is no list of addresses, such as notify: [ntfy://ntfy.sh/my-topic]")
    return tuple(found)


def _read_switch(value: object, path: Path) -> bool:
    if not isinstance(value, bool):
        raise _refused(path, f"says terminal_notify: {value}, which is neither true nor false")
    return value


def _refused(path: Path, why: str) -> ValueError:
    return ValueError(f"{plain_line(str(path))} {plain_line(why)}.")


_READERS: dict[str, Callable[[object, Path], Any]] = {
    "gpu_hour": _read_price,
    "notify": _read_addresses,
    "terminal_notify": _read_switch,
}
