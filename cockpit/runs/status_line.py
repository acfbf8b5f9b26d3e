"""What `cockpit status` prints: a run in one line, for a prompt, tmux or a script; quick to import"""

from __future__ import annotations

import json
import sys
from dataclasses import asdict
from math import isfinite

from cockpit.paths import runs_folder
from cockpit.runs.glance import Glance, newest_run
from cockpit.runs.labels import PHASES, STATES
from cockpit.text.numbers import count, duration, metric, percent
from cockpit.text.plain_text import plain_line

OPTIONS = ("--tmux", "--json")
COLOURS = {
    "running": "green", "completed": "green", "starting": "blue", "stopped": "yellow", "silent": "yellow",
    "damaged": "red", "failed": "red", "out_of_memory": "red", "lost": "red",
}  # fmt: skip
HEARD_WITHIN_S = 30.0
"""A silence that is longer is told."""


def asked_for(arguments: list[str]) -> tuple[str, bool, bool] | None:
    """RUN, --tmux and --json, where that is all that the command line holds: it is answered without typer then."""
    names = [one for one in arguments if one not in OPTIONS]
    if len(names) > 1 or any(name.startswith("-") for name in names):
        return None
    return (names[0] if names else "last"), "--tmux" in arguments, "--json" in arguments


def tell(run: str, *, tmux: bool, as_json: bool) -> int:
    """Print the line. The exit status: 2 where there is no such run; tmux then shows nothing."""
    folder, why = newest_run(runs_folder(), run)
    if folder is None:
        if not tmux:
            print(plain_line(why), file=sys.stderr)
        return 0 if tmux else 2
    found = Glance.at(folder)
    if as_json:
        plain = {name: None if isinstance(value, float) and not isfinite(value) else value
                 for name, value in asdict(found).items()}  # fmt: skip
        print(json.dumps({"id": plain.pop("run_id"), **plain, "folder": str(folder)}))
    else:
        print(for_tmux(found) if tmux else line(found))
    return 0


def line(found: Glance) -> str:
    """`demo-1120-2349  training  step 126/300 42 %  loss 0.7030  held-out 0.6581  ETA 40 s`."""
    return "  ".join([plain_line(found.run_id), _word(found), *_steps(found, "step "), *_figures(found), *_rest(found)])


def for_tmux(found: Glance) -> str:
    """A short one in tmux's colours."""
    name = plain_line(found.run_id).replace("#", "##")
    colour = "yellow" if found.alarms and found.state == "running" else COLOURS[found.state]
    value = [metric(found.value)] if found.value is not None else []
    eta = [duration(found.eta_s)] if found.eta_s is not None else []
    words = " ".join([_word(found), *_steps(found, ""), *value, *eta]).replace("#", "##")
    return f"#[fg={colour}]{name} {words}#[default]"


def _word(found: Glance) -> str:
    if found.state == "running" and found.alarms:
        return f"! {plain_line(found.alarms[-1]).replace('_', ' ')}"
    if found.state == "running" and found.phase in PHASES:
        return PHASES[found.phase].name
    return STATES[found.state]


def _steps(found: Glance, label: str) -> list[str]:
    if not found.total_steps:
        return []
    return [f"{label}{count(found.step)}/{count(found.total_steps)} {percent(found.step / found.total_steps)}"]


def _figures(found: Glance) -> list[str]:
    known = ((plain_line(found.figure), found.value), ("held-out", found.held_out))
    return [f"{name} {metric(value)}" for name, value in known if value is not None]


def _rest(found: Glance) -> list[str]:
    silence_s = found.silence_s or 0.0
    if found.state in ("silent", "lost") or (found.state == "running" and silence_s > HEARD_WITHIN_S):
        usual = f" (usual step {duration(found.step_s)})" if found.step_s is not None else ""
        return [f"silent for {duration(silence_s)}{usual}"]
    return [f"ETA {duration(found.eta_s)}"] if found.eta_s is not None else []
