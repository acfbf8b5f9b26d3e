"""Several GPUs: which ones a recipe takes, and the sentence for each combination that cannot work."""

from __future__ import annotations

from dataclasses import dataclass, field
from importlib import metadata

import pytest

from cockpit.machine.gpu import GpuReport
from cockpit.models.folder import ModelFolder
from cockpit.preflight import devices, machine
from cockpit.preflight.checks import preflight
from cockpit.preflight.devices import count_devices, of_devices, with_devices_counted
from cockpit.preflight.room import all_places, gpu_rooms
from cockpit.protocol.events import GpuReading
from cockpit.recipe.document import RecipeDocument
from cockpit.recipe.problem import RecipeError
from tests.preflight.preflighting import document, files

__all__ = ["files"]


def gpus(*names: str, used: tuple[float, ...] = ()) -> GpuReport:
    readings = [
        GpuReading(
            index=index,
            uuid=f"GPU-{index}{index}{index}",
            name=name,
            vram_total_mib=81920.0,
            vram_used_mib=used[index] if used else 0.0,
        )
        for index, name in enumerate(names)
    ]
    return GpuReport(gpus=readings, driver="580.1")


FOUR = gpus(*["NVIDIA H100"] * 4)


@dataclass(frozen=True)
class Bad:
    """Settings of the sample recipe, and the one sentence that they get on a machine."""

    name: str
    settings: dict[str, object]
    says: str
    report: GpuReport = FOUR
    environment: dict[str, str] = field(default_factory=dict)
    reads: int = 0
    """Bytes of the model's weights, on a machine with 8 GiB of memory."""
    nccl: str = ""
    """The package that is missing."""


SHARED = {"backend": "transformers", "training__gradient_checkpointing": "none", "hardware__devices": 2}
BAD = [
    Bad(
        "DeepSpeed that is not installed",
        {**SHARED, "hardware__parallel": "zero2"},
        "hardware.parallel: zero2 is DeepSpeed's, which is not installed here; give ddp",
    ),
    Bad(
        "DeepSpeed's shares of weights",
        {**SHARED, "model__quantization": "none", "hardware__parallel": "zero3"},
        "hardware.parallel: zero3 is DeepSpeed's, which is not installed here; give fsdp, which shares as much, or ddp",
    ),
    Bad(
        "layers over more GPUs than there are",
        {**SHARED, "hardware__devices": 8, "hardware__parallel": "layers"},
        "hardware.devices: 8 GPUs are asked for, and 4 are there; none trains 8 processes on the CPU.",
    ),
    Bad(
        "more GPUs than there are",
        {"hardware__devices": 8},
        "hardware.devices: 8 GPUs are asked for, and 4 are there; none trains 8 processes on the CPU.",
    ),
    Bad(
        "two GPUs of one",
        {"hardware__devices": 2},
        "hardware.devices: 2 GPUs are asked for, and 1 is there; none trains 2 processes on the CPU.",
        gpus("NVIDIA H200"),
    ),
    Bad(
        "two GPUs of none",
        {"hardware__devices": 2},
        "hardware.devices: 2 GPUs are asked for, and 0 are there; none trains 2 processes on the CPU.",
        GpuReport(),
    ),
    Bad(
        "GPUs that are hidden",
        {"hardware__devices": 3},
        "hardware.devices: 3 GPUs are asked for, and 2 are there; none trains 3 processes on the CPU.",
        environment={"CUDA_VISIBLE_DEVICES": "0,3"},
    ),
    Bad(
        "several, by the name of one",
        {"hardware__devices": 2, "hardware__gpu": "1"},
        "hardware.devices: 2 GPUs are asked for, and 1 names one; give auto.",
    ),
    Bad(
        "a name that is not there",
        {"hardware__devices": 2, "hardware__gpu": "0,7"},
        "hardware.devices: There is no GPU 7 here; there is 0 (NVIDIA H100, GPU-000), 1 (NVIDIA H100, GPU-111), "
        "2 (NVIDIA H100, GPU-222), 3 (NVIDIA H100, GPU-333). Give an index, a UUID, auto or none.",
    ),
    Bad(
        "two ranks on one card",
        {"hardware__devices": 2, "hardware__gpu": "1,1"},
        "hardware.gpu: GPU 1 is named twice, and two processes cannot train on one GPU; "
        "name each GPU once, or give auto",
    ),
    Bad(
        "two ranks on one card, by index and UUID",
        {"hardware__devices": 2, "hardware__gpu": "2,GPU-222"},
        "hardware.gpu: GPU 2 is named twice, and two processes cannot train on one GPU; "
        "name each GPU once, or give auto",
    ),
    Bad(
        "different GPUs",
        {"hardware__devices": 2},
        "hardware.devices: the GPUs are different ones (GPU 0 is a NVIDIA A100, GPU 1 is a Tesla T4), and each step "
        "would wait for the slowest; name equal ones in hardware.gpu, as 0,2",
        gpus("NVIDIA A100", "Tesla T4"),
    ),
    Bad(
        "slices of a GPU",
        {"hardware__devices": 2},
        "hardware.devices: Slices of a GPU (MIG) cannot train together, as they have no link to each other; give 1.",
        environment={"CUDA_VISIBLE_DEVICES": "MIG-1,MIG-2"},
    ),
    Bad(
        "a driver that does not answer",
        {"hardware__devices": 2},
        "hardware.devices: 2 GPUs cannot be looked up: The NVIDIA driver has not answered for 5 s.",
        GpuReport(problem="The NVIDIA driver has not answered for 5 s."),
    ),
    Bad(
        "UUIDs of which one is hidden",
        {"hardware__devices": 2, "hardware__gpu": "GPU-000,GPU-333"},
        "hardware.devices: GPU GPU-333 is hidden by CUDA_VISIBLE_DEVICES; it leaves 0 (NVIDIA H100, GPU-000), "
        "1 (NVIDIA H100, GPU-111).",
        environment={"CUDA_VISIBLE_DEVICES": "0,1"},
    ),
    Bad(
        "a UUID that several begin with",
        {"hardware__devices": 2, "hardware__gpu": "GPU-,0"},
        "hardware.devices: There is no GPU GPU- here; there is 0 (NVIDIA H100, GPU-000), 1 (NVIDIA H100, GPU-111), "
        "2 (NVIDIA H100, GPU-222), 3 (NVIDIA H100, GPU-333). Give an index, a UUID, auto or none.",
    ),
    Bad(
        "the loss by row",
        {"hardware__devices": 2, "output__row_losses": True},
        "output.row_losses: the loss by row is kept by one GPU alone, and hardware.devices is 2; "
        "give false, or 1 as hardware.devices",
    ),
    Bad(
        "the loss by row on the CPU",
        {"hardware__devices": 2, "hardware__gpu": "none", "output__row_losses": True},
        "output.row_losses: the loss by row is kept by one GPU alone, and hardware.devices is 2; "
        "give false, or 1 as hardware.devices",
        GpuReport(),
    ),
    Bad(
        "layers on two machines",
        {**SHARED, "hardware__nodes": 2, "hardware__parallel": "layers", "hardware__gpu": "auto"},
        "hardware.parallel: layers are spread over the GPUs of one machine, and hardware.nodes is 2; "
        "give fsdp or ddp, or 1 as hardware.nodes",
    ),
    Bad(
        "weights that the machine's memory does not hold once for each process",
        {**SHARED, "hardware__parallel": "fsdp", "training__optim": "sgd", "model__quantization": "none"},
        "hardware.parallel: each of 2 processes reads 6.0 GiB of weights into the machine's memory before it keeps its "
        "share, and 8.0 GiB are free there; give layers, which one process reads, or fewer GPUs of each machine",
        reads=6 << 30,
    ),
    Bad(
        "NCCL that is missing",
        {"hardware__devices": 2},
        "hardware.devices: nvidia-nccl-cu13, by which GPUs talk to each other, is not installed here; "
        "install it (pip install nvidia-nccl-cu13), or give 1",
        nccl="nvidia-nccl-cu13",
    ),
    Bad(
        "all of the CPU",
        {"hardware__devices": "all", "hardware__gpu": "none"},
        "hardware.devices: all counts GPUs, and gpu is none; give the number of processes",
    ),
    Bad(
        "fewer names than devices",
        {"hardware__devices": 4, "hardware__gpu": "0,1"},
        "hardware.gpu: it names 2 GPUs, and devices is 4; name as many as devices says, or give 2 as devices",
    ),
    Bad(
        "names for one device",
        {"hardware__gpu": "0,1"},
        "hardware.gpu: it names 2 GPUs, and devices is 1; name as many as devices says, or give 2 as devices",
    ),
    Bad(
        "auto among names",
        {"hardware__devices": 2, "hardware__gpu": "auto,1"},
        "hardware.gpu: auto and none stand alone; name the GPUs as 0,2, or give auto",
    ),
    Bad(
        "none among names",
        {"hardware__devices": 2, "hardware__gpu": "0,none"},
        "hardware.gpu: auto and none stand alone; name the GPUs as 0,2, or give auto",
    ),
    Bad(
        "all, by names",
        {"hardware__devices": "all", "hardware__gpu": "0,1"},
        "hardware.gpu: it names 2 GPUs, and devices is all; name as many as devices says, or give 2 as devices",
    ),
    Bad(
        "a name that is missing",
        {"hardware__devices": 2, "hardware__gpu": "0,"},
        "hardware.gpu: a name is missing between commas; write names as 0,2",
    ),
    Bad(
        "layers on the CPU",
        {"hardware__devices": 2, "hardware__gpu": "none", "hardware__parallel": "layers"},
        "hardware.parallel: layers are spread over GPUs, and hardware.gpu is none; give ddp, or auto",
    ),
    Bad(
        "Unsloth's shares",
        {"hardware__devices": 2, "hardware__parallel": "fsdp", "training__optim": "adamw_torch_fused"},
        "hardware.parallel: Unsloth has the whole model on each GPU here, and fsdp shares its weights; "
        "give transformers as backend, or ddp",
    ),
    Bad(
        "4-bit with zero3",
        {**SHARED, "hardware__parallel": "zero3", "model__quantization": "nf4"},
        "hardware.parallel: DeepSpeed's zero3 cannot share weights that are held as nf4; "
        "give fsdp, zero2 or ddp, or none as model.quantization",
    ),
    Bad(
        "8-bit with fsdp",
        {**SHARED, "hardware__parallel": "fsdp", "training__optim": "adamw_torch", "model__quantization": "int8"},
        "hardware.parallel: fsdp cannot share weights that are held as int8; "
        "give ddp, or nf4 or none as model.quantization",
    ),
    Bad(
        "an 8-bit optimizer with fsdp",
        {**SHARED, "hardware__parallel": "fsdp", "training__optim": "paged_adamw_8bit", "hardware__gpu": "auto"},
        "training.optim: paged_adamw_8bit remembers of whole weights, and with fsdp each GPU has a share of them; "
        "give adamw_torch_fused, or ddp as hardware.parallel",
    ),
    Bad(
        "reentrant checkpointing with fsdp",
        {
            **SHARED,
            "hardware__parallel": "fsdp",
            "training__optim": "sgd",
            "training__gradient_checkpointing": "reentrant",
        },
        "training.gradient_checkpointing: nobody has shown that shared weights come together again for reentrant "
        "checkpointing; give non_reentrant or none",
    ),
    Bad(
        "new tokens with fsdp",
        {**SHARED, "hardware__parallel": "fsdp", "training__optim": "sgd", "model__add_tokens": ["<call>"]},
        "model.add_tokens: the rows of new tokens are trained apart from their matrix, which fsdp shares; "
        "leave it empty, or give ddp as hardware.parallel",
    ),
    Bad(
        "pairs with fsdp",
        {
            **SHARED,
            "hardware__parallel": "fsdp",
            "training__optim": "sgd",
            "method": "dpo",
            "data__sources__0__format": "preference",
        },
        "hardware.parallel: nobody has shown that dpo learns the same from shared weights; give ddp",
    ),
]


@pytest.mark.parametrize("bad", BAD, ids=lambda bad: bad.name)
def test_each_combination_that_cannot_work_has_its_sentence(bad: Bad, monkeypatch: pytest.MonkeyPatch) -> None:
    """Of the recipe, where no machine can do it; else of this machine."""
    for name, value in bad.environment.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setattr(devices, "missing_nccl", lambda: bad.nccl)
    monkeypatch.setattr(machine, "available_memory", lambda: 8 << 30)
    if bad.reads:
        monkeypatch.setattr(ModelFolder, "loaded_bytes", lambda *args, **kwargs: bad.reads)
    try:
        found = preflight(document(**{"hardware__gpu": "auto", **bad.settings}).recipe(), bad.report, "sample.yaml")
    except RecipeError as refused:
        found = refused.problems
    said = [f"{one.field}: {'; '.join(filter(None, (one.wrong, one.right)))}" for one in found]
    assert said == [bad.says]


def test_what_can_work_is_let_through(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(devices, "missing_nccl", lambda: "")
    for settings in (
        {"hardware__devices": 4, "hardware__gpu": "auto"},
        {"hardware__devices": 2, "hardware__gpu": "1,3"},
        {"hardware__devices": 3, "hardware__gpu": "none"},
    ):
        assert preflight(document(**settings).recipe(), FOUR, "sample.yaml") == []


def test_nccl_that_is_not_there_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(metadata, "requires", lambda name: ["numpy", "nvidia-nccl-cu99==2.30; platform == 'x'"])
    (problem,) = preflight(document(hardware__devices=2, hardware__gpu="auto").recipe(), FOUR, "sample.yaml")
    assert (problem.wrong, problem.right) == (
        "nvidia-nccl-cu99, by which GPUs talk to each other, is not installed here",
        "install it (pip install nvidia-nccl-cu99), or give 1",
    )
    monkeypatch.setattr(metadata, "requires", lambda name: ["numpy"])
    assert devices.missing_nccl() == ""


def test_auto_takes_the_freest_gpus_in_the_order_of_the_driver() -> None:
    report = gpus(*["NVIDIA H100"] * 4, used=(900.0, 5.0, 70000.0, 0.0))
    assert report.choose_several("auto", 2) == ("GPU-111", "GPU-333")
    assert report.choose_several("auto", 3) == ("GPU-000", "GPU-111", "GPU-333")
    assert report.choose_several("3,0", 2) == ("GPU-333", "GPU-000")
    assert report.choose_several("auto", 1) == (report.choose("auto"),)
    assert report.choose_several("none", 4) == ("none",)


def test_all_is_the_number_of_gpus_that_a_run_keeps() -> None:
    sample: RecipeDocument = document(hardware__gpu="auto", hardware__devices="all")
    assert with_devices_counted(sample.recipe(), gpus("A", "A")).hardware.ranks == 2
    assert all_places(sample.recipe(), gpus("A", "A")) == ("GPU-000", "GPU-111")
    assert count_devices(sample, FOUR).hardware.devices == 4
    assert sample.recipe().hardware.devices == 4
    alone = document(hardware__gpu="auto", hardware__devices="all")
    assert count_devices(alone, GpuReport()).hardware.devices == 1


def test_the_forecast_is_for_each_gpu_and_all_of_them_are_chosen() -> None:
    recipe = document(hardware__gpu="auto", hardware__devices=2).recipe()
    report = gpus(*["NVIDIA H100"] * 3, used=(50.0, 0.0, 10.0))
    assert [room.chosen for room in gpu_rooms(recipe, None, report)] == [False, True, True]


def test_a_method_that_draws_its_answers_takes_one_gpu(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(devices, "missing_nccl", lambda: "")
    sample = document(hardware__gpu="auto", hardware__devices=2).recipe().model_copy(update={"method": "grpo"})
    (problem,) = of_devices(sample, FOUR, ("GPU-000", "GPU-111"))
    assert (problem.field, problem.wrong, problem.right) == (
        "hardware.devices", "grpo trains on one GPU alone, and hardware.devices is 2", "give 1",
    )  # fmt: skip
