"""cockpit smoke: prompts with checks, put to what a run has trained, and to its base."""

from __future__ import annotations

import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from cockpit.cli.chat_target import Answering, answering
from cockpit.cli.ending import end, refuse
from cockpit.cli.moved_base import MovedBase
from cockpit.cli.target import TARGET_HELP, Target, find_target
from cockpit.cli.trust import TrustRemoteCode

if TYPE_CHECKING:
    from cockpit.recipe.suite import Suite
    from cockpit.suites.answer import Answer
    from cockpit.suites.report import Report

POLL_S = 0.03


def smoke(
    target: Annotated[str, typer.Argument(help=TARGET_HELP)],
    suite: Annotated[
        str | None, typer.Argument(help="A YAML file with a suite, or a recipe that has one; else the run's own.")
    ] = None,
    base: Annotated[bool, typer.Option("--base", help="Ask the base alone: the adapter is switched off.")] = False,
    both: Annotated[bool, typer.Option("--both", help="Ask the base too, and compare.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print a JSON document.")] = False,
    junit: Annotated[Path | None, typer.Option(help="Write the result there as JUnit XML.")] = None,
    model: MovedBase = None,
    trust_remote_code: TrustRemoteCode = False,
) -> None:
    """Put a suite's prompts to a trained run, or to a saved adapter or model, and check the replies.

    With --both each prompt that the base passes is kept or lost, and of the others more checks pass than before
    (better), fewer (worse) or as many (same). Prompts are answered several at once, greedily where the suite says
    nothing else.

    Exit status: 0 so many prompts pass as the suite's threshold says, 1 fewer do or there was no reply, 2 the suite or
    an option is wrong.
    """
    from cockpit.recipe.problem import RecipeError
    from cockpit.suites.ready import problems

    if base and both:
        end("--base and --both: give one of the two.", 2)
    if junit is not None and not junit.absolute().parent.is_dir():
        end(f"--junit: there is no folder {junit.absolute().parent}.", 2)
    found = find_target(target)
    try:
        name, asked = _suite(found, suite, trust_remote_code)
    except RecipeError as error:
        refuse([str(problem) for problem in error.problems])
    if wrong := problems(asked, name):
        refuse([str(problem) for problem in wrong])
    try:
        with answering(found, base=base or both, moved=model, trust=trust_remote_code) as engine:
            replies, duration_s = _replies(engine, asked, (True, False) if both else (not base,))
    except OSError as error:
        end(f"The suite could not be put: {error.strerror or error}.", 1)
    except KeyboardInterrupt:
        raise typer.Exit(130) from None
    report = _judged(asked, replies, duration_s, target, name)
    _show(report, as_json, junit)
    if not report.is_enough:
        raise typer.Exit(1)


def _suite(found: Target, named: str | None, trust: bool) -> tuple[str, Suite]:
    """The suite that is meant, and what it is called. Ends the command where there is none. Raises RecipeError."""
    from cockpit.recipe.document import RecipeDocument
    from cockpit.recipe.suite_file import find_suite
    from cockpit.runs.origin import is_made_here
    from cockpit.suites.ready import own_code

    if named is not None:
        return named, find_suite(named)
    run = found.run
    if run is None:
        kind = "GGUF file" if found.is_gguf else "folder"
        end(
            f"A {kind} has no suite of its own: name one, such as cockpit smoke {kind.split()[-1].upper()} suite.yaml.",
            2,
        )
    suite = RecipeDocument.load(run.recipe).recipe().suite
    if not (suite.learned or suite.kept):
        end(f"The recipe of {run.id} has no suite: name one, such as cockpit smoke {run.id} suite.yaml.", 2)
    if (code := own_code(suite)) and not trust and not is_made_here(run.path):
        end(
            f"The run {run.id} was made elsewhere, and its suite runs code (suite.{code}): read it in "
            f"{run.recipe}, then allow it with --trust-remote-code.",
            2,
        )
    return f"suite of {run.id}", suite


def _judged(suite: Suite, replies: dict[bool, list[Answer]], duration_s: float, target: str, name: str) -> Report:
    """The replies to all prompts, which took `duration_s`, with what their checks find."""
    from cockpit.suites.answer import Row
    from cockpit.suites.checks import judge
    from cockpit.suites.report import Report

    rows = []
    for at, (half, _, prompt) in enumerate(suite.prompts()):
        judged = {adapter: judge(prompt.checks, of_it[at]) for adapter, of_it in replies.items()}
        rows.append(Row(half, prompt.title, judged.get(False), judged.get(True)))
    return Report(target, name, suite.threshold, rows, duration_s)


def _replies(engine: Answering, suite: Suite, adapters: tuple[bool, ...]) -> tuple[dict[bool, list[Answer]], float]:
    """The replies to all prompts in their order, by whether the adapter was on, and how long they took in seconds."""
    from cockpit.protocol import events as ev
    from cockpit.protocol.commands import AnswerPrompts, StopReply
    from cockpit.runs.link import new_command_id
    from cockpit.runs.state import RunState
    from cockpit.suites.answer import Answer
    from cockpit.suites.conversations import conversations

    state, talks = RunState(), conversations(suite)
    commands = [
        AnswerPrompts(
            id=new_command_id(),
            conversations=talks,
            adapter=adapter,
            enable_thinking=suite.enable_thinking,
            do_sample=suite.do_sample,
            max_new_tokens=suite.max_new_tokens,
            temperature=suite.temperature,
        )
        for adapter in adapters
    ]
    found: dict[str, dict[int, Answer]] = {command.id: {} for command in commands}
    sent_at: float | None = None
    progress = _Progress(len(talks) * len(commands))
    try:
        while (done := sum(map(len, found.values()))) < progress.total:
            gone = engine.is_gone()
            batch = engine.link.poll()
            for event in batch:
                state.apply(event)
                match event:
                    case ev.CommandAnswered(accepted=False) if event.command_id in found:
                        end(event.text, 1)
                    case ev.PromptAnswered() if event.command_id in found:
                        reply = Answer(event.text, event.end, event.new_tokens, event.thinking, event.reason)
                        found[event.command_id][event.index] = reply
            if gone and not batch:
                end(engine.why_gone(state), 1)
            if sent_at is None and not batch and engine.is_ready(state):
                for command in commands:
                    engine.link.send(command)
                sent_at = time.monotonic()
            progress.show(done, is_loaded=sent_at is not None)
            if not batch:
                time.sleep(POLL_S)
    except KeyboardInterrupt:
        if engine.started is None and sent_at is not None:  # the run's own engine goes on
            for command in commands:
                engine.link.send(StopReply(id=new_command_id(), chat_id=command.id))
        raise
    finally:
        progress.clear()
    replies = {command.adapter: [found[command.id][at] for at in range(len(talks))] for command in commands}
    return replies, time.monotonic() - (sent_at or time.monotonic())


class _Progress:
    """A line on stderr, where that is a terminal."""

    def __init__(self, total: int) -> None:
        self.total = total
        self._shown = ""

    def show(self, done: int, *, is_loaded: bool) -> None:
        text = f"{done} of {self.total} answered" if is_loaded else "the model is being loaded"
        if text != self._shown and sys.stderr.isatty():
            self._shown = text
            print(f"\r\x1b[K{text}", end="", file=sys.stderr, flush=True)

    def clear(self) -> None:
        if self._shown:
            print("\r\x1b[K", end="", file=sys.stderr, flush=True)


def _show(report: Report, as_json: bool, junit: Path | None) -> None:
    from cockpit.disk import write_named
    from cockpit.suites.junit import junit as junit_xml

    if as_json:
        import json

        print(json.dumps(report.document(), indent=2))
    else:
        for line in report.lines():
            print(line)
        print(report.summary())
    if junit is not None:
        try:
            write_named(junit, junit_xml(report))
        except OSError as error:
            end(f"--junit: {junit} cannot be written: {error.strerror or error}.", 1)
