"""The line at the top of a screen: where one is on the left, engine and machine on the right."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from textual.content import Content
from textual.reactive import reactive
from textual.widget import Widget

from cockpit.text.plain_text import plain_line, plain_text

if TYPE_CHECKING:
    from cockpit.machine.gpu import GpuReport


BAR_CELLS = 5
Stage = Literal["none", "importing", "warm", "failed"]


@dataclass(frozen=True)
class EngineStatus:
    """What the top line says of engine and machine. `report` is None until the driver has answered.

    `share` of the import, 0 to 1, None where the engine does not say; `vram_mib` what the engine holds of its GPU, None
    where there is none; `note` says why an engine was replaced, until the new one is warm.
    """

    stage: Stage = "none"
    detail: str = ""
    share: float | None = None
    pid: int | None = None
    vram_mib: float | None = None
    note: str = ""
    gpu: str = ""
    report: GpuReport | None = None
    hosts: tuple[tuple[str, str], ...] = ()
    """Where runs are those of other machines: each one's name, and why it is not connected, empty where it is."""


class TopLine(Widget):
    """One line. `set_status` takes what is known; what is not known is not drawn."""

    DEFAULT_CSS = """
    TopLine { height: 1; padding: 0 1; text-wrap: nowrap; text-overflow: ellipsis; }
    """

    place: reactive[str] = reactive("")
    """Where one is: `recipes`, `demo · edit` ... May be a string that others wrote."""

    def __init__(self, place: str, *, id: str | None = None) -> None:
        super().__init__(id=id)
        self.set_reactive(TopLine.place, place)
        self._status: EngineStatus | None = None

    def set_status(self, status: EngineStatus | None) -> None:
        """Show engine and machine."""
        if status != self._status:
            self._status = status
            self.refresh()

    def render(self) -> Content:
        """The line, shortened on the right side first, so that the place stays."""
        left = Content.assemble(("cockpit", "bold $primary"), (" · ", "$foreground-muted"), plain_line(self.place))
        room = self.size.width - left.cell_length - 2
        right = Content("")
        for detail, short in ((2, False), (1, False), (1, True), (0, True)):
            parts = [part for part in (engine_text(self._status, detail), machine_text(self._status, short)) if part]
            right = Content("   ").join(parts)
            if right.cell_length <= room:
                break
        right = right.truncate(max(0, room), ellipsis=True)
        return left + " " * max(2, self.size.width - left.cell_length - right.cell_length) + right


def engine_text(status: EngineStatus | None, detail: int) -> Content:
    """What the standby does, or nothing where there is none; `detail` from 0, a word, to 2, all that is known."""
    if status is None:
        return Content("")
    if status.stage == "importing":
        note = f" {status.note}" if status.note and detail == 2 else ""
        text = Content.assemble(("◌ ", "$primary"), f"engine warming up{note}" if detail else "engine")
        if status.share is not None:
            done = round(status.share * BAR_CELLS)
            text += Content.assemble(" ", ("▰" * done, "$primary"), ("▱" * (BAR_CELLS - done), "$foreground-disabled"))
        if detail == 2:
            text += Content.styled(f" {status.detail or 'importing'}", "$foreground-muted")
        return text
    if status.stage == "warm":
        text = Content.assemble(("● ", "$success"), "engine warm" if detail else "warm")
        facts = [f"pid {status.pid}"] if status.pid else []
        if status.vram_mib is not None:
            facts.append(f"holds {status.vram_mib:,.0f} MiB of GPU")
        if facts and detail == 2:
            text += Content.styled(f" ({', '.join(facts)})", "$foreground-muted")
        return text
    if status.stage == "failed":
        return Content.assemble(("✗ ", "$error"), f"engine: {status.detail}" if detail == 2 else "engine failed")
    return Content.styled(status.detail, "$warning") if status.detail and detail else Content("")


def machine_text(status: EngineStatus | None, short: bool) -> Content:
    """The GPU that will be used and what is free on it, or that there is none."""
    if status is not None and status.hosts:
        return Content("   ").join(_host_text(name, missing, short) for name, missing in status.hosts)
    if status is None or status.report is None:
        return Content.styled("asking the GPU driver", "$foreground-muted")
    report = status.report
    if report.problem:
        return Content.assemble(("▲ ", "$warning"), "no GPU: driver fails" if short else plain_text(report.problem))
    if not report.gpus:
        return Content("CPU only" if short or report.driver else "CPU only, no NVIDIA driver")
    if status.gpu == "none":
        return Content("CPU" if short else "CPU, as the recipe asks")
    return Content(_gpu_text(report, status.gpu))


def _host_text(name: str, missing: str, short: bool) -> Content:
    if not missing:
        return Content.assemble(("● ", "$success"), plain_line(name))
    return Content.assemble(("◌ ", "$warning"), plain_line(name), "" if short else f" {missing}")


def _gpu_text(report: GpuReport, uuid: str) -> str:
    chosen = next((gpu for gpu in report.gpus if gpu.uuid == uuid), report.gpus[0])
    name = plain_line(chosen.name).removeprefix("NVIDIA ")
    free = ""
    if chosen.vram_total_mib is not None and chosen.vram_used_mib is not None:
        free = f"  {(chosen.vram_total_mib - chosen.vram_used_mib) / 1024:,.0f} GiB free"
    several = f" of {len(report.gpus)}" if len(report.gpus) > 1 else ""
    return f"GPU {chosen.index}{several} {name}{free}"
