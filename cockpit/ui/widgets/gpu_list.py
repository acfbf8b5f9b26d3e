"""GpuList: memory and load of several GPUs, a line each."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from textual.content import Content

from cockpit.protocol.events import GpuReading
from cockpit.ui.widgets.glyphs import glyphs
from cockpit.ui.widgets.lines import Lines
from cockpit.ui.widgets.memory_bar import gib, memory_bar
from cockpit.ui.widgets.vram_gauge import others_text, short_name, slowed_text, whole

LEAST_BAR = 4
PEAK_CELLS = 6


class GpuList(Lines):
    """`show` takes a reading of each GPU, and their peaks."""

    ALLOW_SELECT = False
    HELP = (
        "The GPUs of the run, a line each: memory that is used of what there is, its peak since the run began, how "
        "busy the GPU is, its temperature, its power. Who else holds memory, and what holds clocks down, stands on the "
        "edge."
    )
    DEFAULT_CSS = """
    GpuList { height: auto; }
    """

    def __init__(self, *, id: str | None = None, classes: str | None = None) -> None:
        super().__init__(id=id, classes=classes)
        self._gpus: Sequence[GpuReading] = ()
        self._peaks: Mapping[str, float] = {}
        self._past = ""
        self._edges: tuple[object, ...] = ()

    def show(self, gpus: Sequence[GpuReading], peaks: Mapping[str, float], *, past: str = "") -> None:
        """Draw them. `peaks` of the memory that was used, MiB by UUID; `past` says of when they are, where that is not
        the present."""
        self._gpus, self._peaks, self._past = gpus, peaks, past
        names = ", ".join(dict.fromkeys(map(short_name, gpus)))
        title = f"{len(gpus)} GPUs{past} {glyphs().dot} {names}"
        others = "; ".join(f"{gpu.index}: {told}" for gpu in gpus if (told := others_text(gpu)))
        below = slowed_text(gpus) if any(gpu.slowed_by for gpu in gpus) else Content(f"others {others}" * bool(others))
        if (title, below) != self._edges:
            self._edges = (title, below)
            self.border_title, self.border_subtitle = Content(title), below
        self.redraw()

    def lines(self) -> list[Content]:
        width = self.content_size.width
        index_cells = len(str(max((gpu.index for gpu in self._gpus), default=0)))
        bar = width - index_cells - len(_columns("", "", "", "", "")) - 2  # a blank before the bar, a cell for the sign
        has_peak = not self._past and bar - PEAK_CELLS >= LEAST_BAR
        bar = max(LEAST_BAR, bar - PEAK_CELLS * has_peak)
        peak_title = f" {'peak':>{PEAK_CELLS - 1}}" * has_peak
        title = "peak/GiB" if self._past else "GiB"
        head = f"{'':{index_cells}} {'VRAM':{bar}}" + _columns(title, peak_title, "%", "°C", "W")
        return [Content.styled(head, "$foreground-muted")] + [
            self._line(gpu, index_cells, bar, has_peak=has_peak) for gpu in self._gpus
        ]

    def _line(self, gpu: GpuReading, index_cells: int, bar_cells: int, *, has_peak: bool) -> Content:
        peak, total = self._peaks.get(gpu.uuid), gpu.vram_total_mib
        bar = memory_bar(bar_cells, gpu.vram_this_run_mib, gpu.vram_used_mib, total, peak)
        held = f"{gib(peak if self._past else gpu.vram_used_mib)}/{gib(total)}"
        peak_text = f" {gib(peak):>{PEAK_CELLS - 1}}" * has_peak
        load = (whole(gpu.utilization_percent), whole(gpu.temperature_c), whole(gpu.power_w))
        sign = (glyphs().warn, "$warning") if gpu.slowed_by else (" ", "")
        return Content.assemble(
            (f"{gpu.index:>{index_cells}} ", "$foreground-muted"), bar, _columns(held, peak_text, *load), sign
        )


def _columns(held: str, peak: str, use: str, celsius: str, watts: str) -> str:
    """The figures behind the bar, one blank at least before each; a cell is left for the sign."""
    return f" {held:>9}{peak} {use:>3} {celsius:>3} {watts:>4}"
