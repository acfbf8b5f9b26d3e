"""The standby: how often the driver is asked, and which GPU `auto` is given as others come and go."""

import msgspec
import pytest

from cockpit.machine.gpu import GpuReport
from cockpit.recipe.document import RecipeDocument
from cockpit.recipe.recipe import Recipe
from cockpit.ui.runs.standby import Standby
from tests.recording import RECIPE
from tests.ui.engines import CPU, H200, L4, TWO_GPUS, FakeEngines, FakeProbe


class Driver:
    """Gives a probe for every question; `report` is what all of them answer."""

    def __init__(self, report: GpuReport | None) -> None:
        self.report = report
        self.asked = 0

    def __call__(self) -> FakeProbe:
        self.asked += 1
        return FakeProbe(self.report)


def with_used(**used_mib: float) -> GpuReport:
    gpus = [msgspec.structs.replace(gpu, vram_used_mib=used_mib[gpu.name.split()[-1]]) for gpu in (H200, L4)]
    return GpuReport(gpus=gpus, driver="580.1")


def recipe() -> Recipe:
    return RecipeDocument.parse(RECIPE, "recipe.yaml").recipe()


@pytest.fixture(autouse=True)
def at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("cockpit.ui.runs.standby.PROBE_EVERY_S", 0.0)
    monkeypatch.setattr("cockpit.ui.runs.standby.SETTLED_AFTER_S", -1.0)


def test_the_driver_is_asked_again_while_recipes_are_shown() -> None:
    driver = Driver(TWO_GPUS)
    standby = Standby(FakeEngines(), driver)
    standby.tick(may_start=False, is_shown=True)
    driver.report = with_used(H200=140_000, L4=24)
    assert standby.tick(may_start=False, is_shown=False).report == TWO_GPUS
    assert standby.tick(may_start=False, is_shown=True).report == driver.report
    assert driver.asked == 2


def test_coming_back_asks_however_young_the_answer_is(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("cockpit.ui.runs.standby.PROBE_EVERY_S", 1e9)
    driver = Driver(TWO_GPUS)
    standby = Standby(FakeEngines(), driver)
    for is_shown in (True, True, False, True, True):
        standby.tick(may_start=False, is_shown=is_shown)
    assert driver.asked == 2


def test_a_machine_without_gpus_is_asked_once() -> None:
    driver = Driver(CPU)
    standby = Standby(FakeEngines(), driver)
    for is_shown in (True, True, False, True):
        standby.tick(may_start=False, is_shown=is_shown)
    assert driver.asked == 1


def test_a_driver_that_is_late_once_is_not_yet_believed_to_fail() -> None:
    driver = Driver(TWO_GPUS)
    standby = Standby(FakeEngines(), driver)
    standby.tick(may_start=False)
    driver.report = GpuReport(problem="The NVIDIA driver has not answered for 5 s.")
    assert standby.tick(may_start=False).report == TWO_GPUS
    assert standby.tick(may_start=False).report == driver.report


def test_auto_leaves_a_gpu_that_has_become_busy_and_no_other() -> None:
    driver, engines = Driver(with_used(H200=125_000, L4=100)), FakeEngines()
    standby = Standby(engines, driver)
    standby.want(recipe())
    standby.tick(may_start=True)
    assert engines.said[-1] == "standby unsloth GPU-2 = 1"
    driver.report = with_used(H200=120_000, L4=600)
    standby.tick(may_start=True)
    assert standby.key_for(recipe()).gpu == "GPU-2", "500 MiB more are no reason to import all anew"
    driver.report = with_used(H200=1_024, L4=600)
    standby.tick(may_start=True)
    assert engines.said[-2:] == ["dismiss 1", "standby unsloth GPU-1 = 2"]
