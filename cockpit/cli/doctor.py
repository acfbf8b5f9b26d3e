"""cockpit doctor: what of this machine keeps runs from working, each with what mends it"""

from __future__ import annotations

import json
from dataclasses import asdict
from typing import Annotated

import typer

SIGNS = {"ok": "✓", "warning": "▲", "bad": "✗"}
STYLES = {"ok": "green", "warning": "yellow", "bad": "bold red"}


def doctor(
    quick: Annotated[bool, typer.Option("--quick", help="Leave out what imports the training stack.")] = False,
    gpus: Annotated[bool, typer.Option("--gpus", help="Measure how fast the GPUs talk to each other too.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print a JSON array.")] = False,
) -> None:
    """Look at this machine: driver, training stack, disks, file system, memory, terminal, sessions, Hub, GPUs together.

    Exit status: 0 nothing is in the way, 1 something is.
    """
    from rich.console import Console
    from rich.text import Text

    from cockpit.preflight.probes import findings

    found = []
    console = Console(highlight=False, soft_wrap=True)
    for one in findings(quick=quick, link=gpus):
        found.append(one)
        if not as_json:
            console.print(Text.assemble((SIGNS[one.state], STYLES[one.state]), f" {one.name:<14}{one.said}"))
            if one.mend and one.state != "ok":
                console.print(Text(f"  {'':<14}→ {one.mend}", "dim"))
    if as_json:
        print(json.dumps([asdict(one) for one in found], indent=2))
    if any(one.state == "bad" for one in found):
        raise typer.Exit(1)
