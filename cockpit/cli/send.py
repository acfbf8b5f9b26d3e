"""cockpit send: ask something of a run that trains, and say what its engine answers."""

from __future__ import annotations

import shlex
import time
from typing import TYPE_CHECKING, Annotated

import typer

from cockpit.cli.ending import end, refuse
from cockpit.text.plain_text import plain_line

if TYPE_CHECKING:
    from cockpit.protocol.commands import AnyCommand
    from cockpit.protocol.events import CommandAnswered
    from cockpit.runs.folder import RunDir

ANSWERS_WITHIN_S = 10.0
"""An engine looks ten times a second; an import may hold it up for longer."""
POLL_S = 0.05
WORDS = "pause, resume, checkpoint, evaluate, sample, lr=FACTOR, steps=+NUMBER, stop, drop or unload"


def send(
    run: Annotated[str, typer.Argument(help="A run's id, a unique beginning of one, or last.")],
    what: Annotated[str, typer.Argument(help=f"{WORDS[0].upper()}{WORDS[1:]}.")],
) -> None:
    """Ask a run to do something: it is done between two steps.

    lr=0.5 halves the learning rate from the next step on; steps=+100 adds a hundred steps; stop saves, drop does not;
    unload lets go the model of a run that has ended. Exit status: 0 accepted, 1 refused or not answered, 2 no such
    request.
    """
    from cockpit.runs.folder import find_run

    try:
        found = find_run(run)
        command, done = asked_for(what)
    except LookupError as error:
        end(str(error), 2)
    except ValueError as error:
        refuse([str(error)])
    answer = _answer(found, command)
    if not answer.accepted:
        end(answer.text or "The engine has refused, and has not said why.", 1)
    print(answer.text or done)


def asked_for(what: str) -> tuple[AnyCommand, str]:
    """The command that the word means, and a sentence for when it was accepted. Raises ValueError with a sentence."""
    from cockpit.protocol import commands as cmd
    from cockpit.runs.link import new_command_id

    word, equals, value = what.strip().partition("=")
    id_ = new_command_id()
    plain: dict[str, tuple[AnyCommand, str]] = {
        "pause": (cmd.Pause(id=id_), "Training waits after the step in hand."),
        "resume": (cmd.Unpause(id=id_), "Training goes on."),
        "checkpoint": (cmd.SaveCheckpoint(id=id_), "A checkpoint is written after the step in hand."),
        "evaluate": (cmd.Evaluate(id=id_), "The held-out rows are measured after the step in hand."),
        "sample": (cmd.Sample(id=id_), "The prompts are answered after the step in hand."),
        "stop": (cmd.Stop(id=id_), "The run stops after the step in hand and saves."),
        "drop": (cmd.Stop(id=id_, save=False), "The run stops and saves nothing; checkpoints stay."),
        "unload": (cmd.Unload(id=id_), "The model is let go."),
    }
    if not equals and word in plain:
        return plain[word]
    if equals and word == "lr":
        factor = _factor(value)
        return cmd.ScaleLearningRate(id=id_, factor=factor), f"The learning rate is taken times {factor:g} from now on."
    if equals and word == "steps":
        steps = _steps(value)
        return cmd.AddSteps(id=id_, steps=steps), f"{steps:,} steps are added."
    raise ValueError(f"{plain_line(what)!r} is nothing that a run can be asked for; give one of: {WORDS}.")


def _factor(text: str) -> float:
    try:
        return float(text)
    except ValueError:
        raise ValueError(f"lr={plain_line(text)} names no factor; lr=0.5 halves the learning rate.") from None


def _steps(text: str) -> int:
    number = text.removeprefix("+").replace(",", "").replace("_", "")
    if not (text.startswith("+") and number.isdecimal()):
        raise ValueError(f"steps={plain_line(text)} does not say how many more; steps=+100 adds a hundred.")
    return int(number)


def _answer(run: RunDir, command: AnyCommand) -> CommandAnswered:
    """What the engine answers; ends the command where there is none, or where it says nothing."""
    from cockpit.protocol.event_log import EventReader
    from cockpit.protocol.events import CommandAnswered

    name, liveness = plain_line(run.id), run.liveness()
    if liveness in ("exited", "lost"):
        end(f"The run {name} has no engine any more that could be asked.", 1)
    reader = EventReader(run.events)
    reader.skip_to_end()
    try:
        run.send(command)
    except OSError as error:
        end(f"The run {name} could not be asked: {error.strerror or error}.", 1)
    deadline = time.monotonic() + ANSWERS_WITHIN_S
    while True:
        for event in reader.poll():
            if isinstance(event, CommandAnswered) and event.command_id == command.id:
                return event
        if time.monotonic() > deadline:
            end(
                f"The engine of {name} has not answered within {ANSWERS_WITHIN_S:.0f} s; it takes this up when it can. "
                f"Watch it with: cockpit attach {shlex.quote(name)}",
                1,
            )
        time.sleep(POLL_S)
