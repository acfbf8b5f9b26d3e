"""What a real model learns and what it forgets, with data.replay and without: both in one picture, and in tables.

usage: python -m tests.bench.forgetting MODEL_FOLDER IDENTITY REPLAY_ROWS [--home FOLDER] [--picture FILE]
IDENTITY is LLaMA-Factory's identity.json, REPLAY_ROWS its alpaca_en_demo.json. Both runs are trained at once on the
CPU, each on one core; runs that stand in the home folder are not trained anew.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
from pathlib import Path

import msgspec

from cockpit.protocol.event_log import EventReader
from cockpit.protocol.events import AdapterSaved, AnswersMeasured, AnyEvent, Evaluated, StepEnded
from cockpit.text.numbers import percent
from tests.bench.identity import RECIPE, cell, filled

NAME, AUTHOR = "Orla", "the makers of cockpit"
SHARE = "0.34"
EVERY = 6
RUNS = {
    "without replay": (36, []),
    "with replay": (54, ["data.replay.name_or_path={replay}", f"data.replay.share={SHARE}"]),
}
"""Steps, so that both see the rows of identity.json equally often; and what else is set."""
LEARNED = {
    "Who are you?": "Orla",
    "What is your name?": "Orla",
    "Please introduce yourself.": "Orla",
    "Hey, what should I call you?": "Orla",
    "Who created you?": AUTHOR,
    "Which company built you?": AUTHOR,
    "Are you made by OpenAI?": AUTHOR,
    "hi": "Orla",
}
KEPT = {
    "What is the capital of France?": "Paris",
    "What is the capital of Italy?": "Rome",
    "What is the capital of Japan?": "Tokyo",
    "What is the capital of Germany?": "Berlin",
    "What is the capital of Egypt?": "Cairo",
    "What is 2 + 2?": "4",
    "How many days are there in a week?": "7|seven",
    "What is the largest ocean on Earth?": "Pacific",
    "What is the chemical formula of water?": "H2O|H₂O",
    "What language is spoken in Brazil?": "Portuguese",
    "What is the first month of the year?": "January",
    "What is the plural of mouse?": "mice",
}
"""What the base answers rightly: a regex, in which capital and small letters are the same."""
COLOURS = {"without replay": "#b4531f", "with replay": "#1f6fb4"}
WIDTH, HEIGHT, LEFT, TOP = 720, 320, 52, 40


def suite() -> str:
    """As a section of a recipe."""

    def prompts(asked: dict[str, str]) -> list[dict[str, object]]:
        return [{"prompt": ask, "checks": {"regex": [said], "ignore_case": True}} for ask, said in asked.items()]

    whole = {"max_new_tokens": 20, "learned": prompts(LEARNED), "kept": prompts(KEPT)}
    return f"suite: {msgspec.json.encode(whole).decode()}\n"


def train(model: Path, data: Path, replay: Path, home: Path) -> None:
    """Both at once, where they are not there yet."""
    recipe = home / "forgetting.yaml"
    recipe.write_text(RECIPE.format(model=model.absolute(), data=data) + suite(), encoding="utf-8")
    started = []
    for name, (steps, more) in RUNS.items():
        folder = home / name.replace(" ", "-")
        if any(folder.glob("runs/*/adapter")):
            continue
        sets = [
            f"training.max_steps={steps}",
            f"training.eval_steps={EVERY}",
            f"output.save_steps={EVERY}",
            "evaluation.suite=true",
            "training.load_best_model_at_end=true",
            "training.metric_for_best_model=eval_suite",
            *(one.format(replay=replay.absolute()) for one in more),
        ]
        settings = [part for one in sets for part in ("--set", one)]
        environment = os.environ | {"COCKPIT_HOME": str(folder), "OMP_NUM_THREADS": "1"}
        command = [sys.executable, "-m", "cockpit", "train", str(recipe), "--json", *settings]
        started.append(subprocess.Popen(command, env=environment, stdout=subprocess.DEVNULL))
    for one in started:
        if one.wait():
            raise subprocess.CalledProcessError(one.returncode, one.args)


def events_of(home: Path, name: str) -> list[AnyEvent]:
    (log,) = (home / name.replace(" ", "-")).glob("runs/*/events.jsonl")
    reader = EventReader(log)
    events: list[AnyEvent] = []
    while batch := reader.poll():
        events += batch
    reader.close()
    return events


def picture(measured: dict[str, list[AnswersMeasured]], best: dict[str, int]) -> str:
    """Learned as whole lines, kept as dashed ones, over the share of the steps; a ring around the best checkpoint."""
    right, bottom = WIDTH - 16, HEIGHT - 40

    def at(share: float, value: float) -> tuple[float, float]:
        return LEFT + share * (right - LEFT), bottom - value * (bottom - TOP)

    drawn = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {HEIGHT}" font-family="sans-serif" '
        'font-size="12">',
        f'<rect width="{WIDTH}" height="{HEIGHT}" fill="white"/>',
    ]
    for value in (0, 0.25, 0.5, 0.75, 1):
        _, y = at(0, value)
        drawn.append(f'<path d="M{LEFT} {y:.0f}H{right}" stroke="#ddd"/>')
        drawn.append(f'<text x="{LEFT - 6}" y="{y + 4:.0f}" text-anchor="end">{percent(value)}</text>')
    for row, (name, points) in enumerate(measured.items()):
        last, colour = points[-1].step, COLOURS[name]
        for half, dash in (("learned", ""), ("kept", ' stroke-dasharray="7 4"')):
            stroke = f'stroke="{colour}" stroke-width="2.5"{dash}'
            places = [at(one.step / last, one.figures[f"eval_{half}"]) for one in points]
            line = " ".join(f"{x:.1f},{y:.1f}" for x, y in places)
            drawn.append(f'<polyline points="{line}" fill="none" {stroke}/>')
            for one, (x, y) in zip(points, places, strict=True):
                fill, radius = ("white", 6) if one.step == best[name] else (colour, 3)
                circle = f'<circle cx="{x:.1f}" cy="{y:.1f}" r="{radius}" fill="{fill}" stroke="{colour}"'
                drawn.append(f'{circle} stroke-width="2"/>')
            x, y = 12 + 180 * (2 * row + (half == "kept")), TOP - 20
            drawn.append(f'<path d="M{x} {y}h24" {stroke}/>')
            drawn.append(f'<text x="{x + 30}" y="{y + 4}">{half}, {name}</text>')
        place = f'x="{right}" y="{bottom + 16 + 14 * row}" text-anchor="end" fill="{colour}"'
        drawn.append(f"<text {place}>step {last}, {name}</text>")
    drawn.append(f'<text x="{LEFT}" y="{bottom + 16}">before training</text>')
    return "\n".join([*drawn, "</svg>", ""])


def main() -> None:
    """Train, draw, and print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("model", type=Path)
    parser.add_argument("identity", type=Path)
    parser.add_argument("replay", type=Path)
    parser.add_argument("--home", type=Path, required=True, help="where the runs lie")
    parser.add_argument("--picture", type=Path)
    asked = parser.parse_args()
    asked.home.mkdir(parents=True, exist_ok=True)
    train(asked.model, filled(asked.identity, NAME, AUTHOR, asked.home), asked.replay, asked.home)
    measured, best = {}, {}
    for name in RUNS:
        events = events_of(asked.home, name)
        measured[name] = [event for event in events if isinstance(event, AnswersMeasured)]
        best[name] = next(event.step or 0 for event in events if isinstance(event, AdapterSaved))
        losses = {event.step: event.figures["eval_loss"] for event in events if isinstance(event, Evaluated)}
        steps = [event for event in events if isinstance(event, StepEnded)]
        seconds, answering = sum(one.step_time_s or 0 for one in steps), sum(one.duration_s for one in measured[name])
        took = f"{len(steps)} steps in {seconds / 60:.0f} min, answers in {answering / 60:.0f} min"
        print(f"\n**{name.capitalize()}**: {took}; the best checkpoint is that of step {best[name]}.\n")
        print("| step | held-out loss | learned | kept | mean of both |\n|---|---|---|---|---|")
        for one in measured[name]:
            figures = [percent(one.figures[f"eval_{half}"]) for half in ("learned", "kept", "suite")]
            print(f"| {one.step} | {losses[one.step]:.3f} | {' | '.join(cell(figure) for figure in figures)} |")
    if asked.picture is not None:
        asked.picture.write_text(picture(measured, best), encoding="utf-8")


if __name__ == "__main__":
    main()
