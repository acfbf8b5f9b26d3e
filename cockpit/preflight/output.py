"""Whether a run can report to whom its recipe names"""

from __future__ import annotations

import importlib.util
import os
from collections.abc import Iterator

from cockpit.recipe.recipe import Recipe
from cockpit.recipe.section import Conflict

REPORTERS = {
    "azure_ml": (("azureml-core", "azureml.core.run"),),
    "dagshub": (("dagshub", "dagshub"), ("mlflow", "mlflow")),
    "flyte": (("flytekit", "flytekit"),),
}
"""Reporters that are not called as the one package that they need."""
KUBEFLOW = "KUBEFLOW_TRAINER_SERVER_URL"
"""What a Kubeflow TrainJob puts into the environment of its containers; the reporter needs no package."""


def of_output(recipe: Recipe) -> Iterator[Conflict]:
    for index, name in enumerate(recipe.output.report_to):
        field = f"output.report_to.{index}"
        if name == "kubeflow":
            if not os.environ.get(KUBEFLOW):
                yield Conflict(field, f"this is no Kubeflow TrainJob: {KUBEFLOW} is not set", "leave it out")
            continue
        missing = [package for package, module in _packages_of(name) if not _is_installed(module)]
        if missing:
            wrong = f"the package {missing[0]} is not installed here"
            yield Conflict(field, wrong, f"install it (pip install {' '.join(missing)}), or leave it out")


def _packages_of(reporter: str) -> tuple[tuple[str, str], ...]:
    """The packages that a reporter needs: as they are installed, and as they are imported."""
    return REPORTERS.get(reporter, ((reporter, reporter),))


def _is_installed(module: str) -> bool:
    try:
        return importlib.util.find_spec(module) is not None
    except ModuleNotFoundError:  # not even what it is a part of
        return False
