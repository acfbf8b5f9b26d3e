"""The list and the card of the recipes say what fits into the GPU here, and who holds the rest."""

import re
from pathlib import Path

import msgspec
import pytest

from cockpit.machine.gpu import GpuReport
from cockpit.paths import user_recipes_folder
from cockpit.protocol.events import Holder
from tests.ui.a_gpu import GPU, REPORT
from tests.ui.engines import FakeProbe, flown, shown, write_recipe
from tests.ui.waiting import until


def line_of(text: str, name: str) -> str:
    """The line of the list with this recipe."""
    return next((line for line in text.splitlines() if f" {name} " in line), "")


async def test_which_recipes_fit_beside_those_who_hold_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
    monkeypatch.setattr("cockpit.ui.runs.standby.PROBE_EVERY_S", 0.1)
    probe = FakeProbe(REPORT)
    async with flown((120, 40), probe=probe, recipe="llama-3-8b") as (app, pilot):
        await until(pilot, lambda: "✓" in line_of(shown(app), "qwen3-8b"))
        assert "fits" in shown(app)
        await until(pilot, lambda: re.search(r"✓ [0-9.]+ GiB of 22 GiB free", shown(app)) is not None)
        assert "here 8 × 1, rows padded to 256 (written 2 × 4)" in " ".join(shown(app).split())
        full = msgspec.structs.replace(GPU, vram_used_mib=20 * 1024.0)
        probe.report = GpuReport(
            gpus=[full], driver="580.1", holders={"GPU-0": [Holder(pid=7, name="jupyter", mib=20 * 1024)]}
        )
        await until(pilot, lambda: "✗" in line_of(shown(app), "qwen3-8b"))
        await until(pilot, lambda: "held by jupyter 20 GiB" in shown(app))


async def test_a_machine_without_a_gpu_knows_of_none(tmp_path: Path) -> None:
    write_recipe(user_recipes_folder(), "mine")
    async with flown((120, 40), recipe="mine") as (app, pilot):
        await until(pilot, lambda: "needs    CPU" in shown(app))
        assert "✓" not in line_of(shown(app), "mine") and "✗" not in line_of(shown(app), "mine")
