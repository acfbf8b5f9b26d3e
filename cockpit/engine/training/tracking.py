"""Where else a run's figures can be seen: the links that trackers give once they have begun"""

from __future__ import annotations

import sys
from collections.abc import Iterator, Sequence
from typing import Any


def links(report_to: Sequence[str], run_id: str) -> Iterator[tuple[str, str]]:
    """(tracker, link) of each that says where it is seen: an address, or what shows it from its local files."""
    for name in report_to:
        if name == "tensorboard":
            yield name, f"cockpit tensorboard {run_id}"
        elif name == "wandb" and (run := getattr(sys.modules.get("wandb"), "run", None)) is not None:
            yield name, _of_wandb(run)


def _of_wandb(run: Any) -> str:
    """Offline it has no address, only a folder; wandb's `dir` is the one of its files."""
    return str(run.url) if run.url else f"wandb sync {str(run.dir).removesuffix('/files')}"
