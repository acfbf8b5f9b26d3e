"""What tuning tells while it goes on: one struct a line of JSON, in the past tense"""

from __future__ import annotations

import msgspec

Setting = bool | int | str | None
PROBE_OUTCOMES = {
    "behind": "behind, ended early",
    "out_of_memory": "out of memory",
    "failed": "failed",
    "late": "not done in time",
    "ruled_out": "not tried",
}
"""In words; one that was measured has figures in their place."""


class TuneStarted(msgspec.Struct, frozen=True, kw_only=True, tag=True):
    """`gpu` is empty for the CPU; `total_mib` are its memory. `busy`: what others do there, in a sentence."""

    recipe: str
    gpu: str
    budget_s: float
    total_mib: float | None = None
    busy: str = ""


class ProbeStarted(msgspec.Struct, frozen=True, kw_only=True, tag=True):
    """The probe `number` began. `forecast_bytes`: what it is forecast to take of the GPU. `marks` says what it changes
    beside speed and memory; such a way is never chosen unasked."""

    number: int
    name: str
    marks: str = ""
    forecast_bytes: int | None = None


class ProbeWent(msgspec.Struct, frozen=True, kw_only=True, tag=True):
    """How far the probe is."""

    number: int
    phase: str
    steps: int
    tokens_s: float | None = None


class ProbeEnded(msgspec.Struct, frozen=True, kw_only=True, tag=True):
    """`outcome`: measured, behind (ended early, as it was slower), out_of_memory, failed, late (no time was left) or
    ruled_out (by the forecast: it was not tried). `tokens_s` are without padding. `loss_off`: how far its losses are
    off those of the recipe as written, over the same steps, as a share; `times`: as fast as that."""

    number: int
    name: str
    outcome: str
    marks: str = ""
    reason: str = ""
    tokens_s: float | None = None
    times: float | None = None
    step_s: float | None = None
    first_step_s: float | None = None
    peak_mib: float | None = None
    loss: float | None = None
    loss_off: float | None = None
    settings: dict[str, Setting] = {}


class TuneEnded(msgspec.Struct, frozen=True, kw_only=True, tag=True):
    """`settings` are the fields that the fastest way changes that changes nothing but speed and memory, by their dotted
    names; empty where that is the recipe as written. `number`: its probe; 0 where none was measured."""

    number: int
    name: str
    settings: dict[str, Setting]
    times: float | None
    took_s: float
    stopped: bool = False


Told = TuneStarted | ProbeStarted | ProbeWent | ProbeEnded | TuneEnded


def encode(told: Told) -> str:
    """As a line."""
    return msgspec.json.encode(told).decode()


def decode(line: bytes | str) -> Told:
    """Raises msgspec.DecodeError where it is no such line."""
    return msgspec.json.decode(line, type=Told)
