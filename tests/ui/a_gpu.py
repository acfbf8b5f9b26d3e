"""One GPU, of which somebody else holds a part."""

from cockpit.machine.gpu import GpuReport
from cockpit.protocol.events import GpuReading, Holder

GPU = GpuReading(
    index=0, uuid="GPU-0", name="NVIDIA RTX 4090", vram_used_mib=2048.0, vram_total_mib=24 * 1024.0,
    utilization_percent=0.0,
)  # fmt: skip
REPORT = GpuReport(gpus=[GPU], driver="580.1", holders={"GPU-0": [Holder(pid=7, name="jupyter", mib=2048)]})
