"""cockpit chat: one question to a trained run, from a script or a shell; nothing but the reply on stdout."""

from __future__ import annotations

import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from cockpit.cli.chat_target import Answering, answering, find_target
from cockpit.cli.ending import end
from cockpit.cli.moved_base import MovedBase
from cockpit.cli.trust import TrustRemoteCode
from cockpit.text.plain_text import PlainTextStream

if TYPE_CHECKING:
    from cockpit.protocol.commands import Chat
    from cockpit.runs.folder import RunDir

POLL_S = 0.03
LEFT = "The engine was ended before it had answered."
LEAVES_WITHIN_S = 30.0
"""How long an engine that answers no more takes to end."""


def chat(
    run: Annotated[
        str, typer.Argument(help="A run's id, a unique beginning of one, last, or a folder with an adapter or a model.")
    ],
    prompt: Annotated[str, typer.Option("--prompt", "-p", help="What to ask.")],
    base: Annotated[bool, typer.Option(help="Ask the base model: the adapter is switched off.")] = False,
    greedy: Annotated[bool, typer.Option(help="Always take the likeliest token.")] = False,
    system: Annotated[str | None, typer.Option(help="The system's words before the question.")] = None,
    temperature: Annotated[float | None, typer.Option(help="Above 0, at most 5.", max=5)] = None,
    max_tokens: Annotated[int | None, typer.Option(help="Longest reply.", min=1, max=131_072)] = None,
    repetition_penalty: Annotated[
        float | None, typer.Option(help="Above 1: what was said already is less likely.", max=5)
    ] = None,
    image: Annotated[Path | None, typer.Option(help="A picture to ask about, of a vision model.")] = None,
    model: MovedBase = None,
    trust_remote_code: TrustRemoteCode = False,
) -> None:
    """Ask a trained run, or a saved adapter or model, one question. The answer goes to stdout, all else, what it
    reasons before among it, to stderr.

    What is not given is as the recipe's first preset has it.
    """
    from cockpit.paths import expanded, kind_of
    from cockpit.recipe.problem import RecipeError

    if not prompt.strip():
        end("The prompt is empty; ask something with -p.", 2)
    given = {
        "do_sample": False if greedy else True if temperature is not None else None,
        "system_prompt": system,
        "temperature": temperature,
        "max_new_tokens": max_tokens,
        "repetition_penalty": repetition_penalty,
    }
    changes: dict[str, Any] = {name: value for name, value in given.items() if value is not None}
    for name in ("temperature", "repetition_penalty"):
        if changes.get(name, 1) <= 0:
            end(f"--{name.replace('_', '-')} is above 0; {changes[name]} is not.", 2)
    if image is not None and kind_of(expanded(image)) != "file":
        end(f"There is no picture {image}; give the path of a file with --image.", 2)
    found = find_target(run)
    try:
        is_answered = False
        while not is_answered:
            with answering(found, base=base, moved=model, trust=trust_remote_code) as engine:
                is_answered = _ask(engine, _command(engine.link.run, _message(prompt, image), base, changes))
    except (RecipeError, OSError) as error:
        end(f"The question could not be put: {getattr(error, 'strerror', None) or error}.", 1)
    except KeyboardInterrupt:
        raise typer.Exit(130) from None


def _message(prompt: str, image: Path | None) -> dict[str, str]:
    from cockpit.paths import expanded

    about = {"image": str(expanded(image).absolute())} if image is not None else {}
    return {"role": "user", "content": prompt, **about}


def _command(run: RunDir, message: dict[str, str], base: bool, changes: dict[str, Any]) -> Chat:
    """The question, sampled as the recipe's first preset says, with `changes` to it."""
    from cockpit.protocol.commands import Chat
    from cockpit.recipe.document import RecipeDocument
    from cockpit.runs.link import new_command_id

    preset = RecipeDocument.load(run.recipe).recipe().chat.presets[0]
    sampling = preset.model_dump(exclude={"name"}) | changes
    system = sampling.pop("system_prompt")
    messages = [{"role": "system", "content": system}, message] if system.strip() else [message]
    return Chat(id=new_command_id(), messages=messages, adapter=not base, **sampling)


def _ask(engine: Answering, command: Chat) -> bool:
    """Send the question once the model is there and print the reply as it comes. False where an engine that somebody
    else had started was ended by them before it answered: another one can be asked."""
    from cockpit.protocol import events as ev
    from cockpit.runs.state import RunState

    state, stream, thinking = RunState(), PlainTextStream(), _Thinking()
    sent = is_shown = False
    refusal, refused_at = "", 0.0
    while True:
        gone = engine.is_gone()
        batch = engine.link.poll()
        for event in batch:
            state.apply(event)
            match event:
                case ev.CommandAnswered(command_id=command.id, accepted=False):
                    refusal, refused_at = event.text, time.monotonic()
                    if engine.started is not None:
                        end(refusal, 1)
                case ev.ReplyGrew(command_id=command.id):
                    is_shown = True
                    thinking.show(event.thinking, ends=bool(event.text))
                    print(stream.feed(event.text), end="", flush=True)
                case ev.ReplyEnded(command_id=command.id, end="stopped") if not is_shown and engine.started is None:
                    refusal, refused_at = LEFT, time.monotonic()
                case ev.ReplyEnded(command_id=command.id):
                    thinking.show("", ends=True)
                    rest = stream.end()
                    if event.new_tokens or event.end != "failed":
                        print(rest)
                    if event.end == "failed":
                        end(event.reason, 1)
                    if event.end == "stopped":
                        end(LEFT, 1)
                    return True
        if gone and not batch:
            if engine.started is None and not is_shown:
                time.sleep(POLL_S)  # its process may take a moment longer
                return False
            end(engine.why_gone(state), 1)
        if refusal and time.monotonic() > refused_at + LEAVES_WITHIN_S:
            end(refusal, 1)
        if not sent and not batch and engine.is_ready(state):
            engine.link.send(command)
            sent = True
        if not batch:
            time.sleep(POLL_S)


class _Thinking:
    """What the model reasons before it answers, on stderr: dim where that is a terminal."""

    def __init__(self) -> None:
        self._stream = PlainTextStream()
        self._is_open = False
        self._dim, self._plain = ("\x1b[2m", "\x1b[22m") if sys.stderr.isatty() else ("", "")

    def show(self, text: str, *, ends: bool) -> None:
        """More of it; `ends`: the answer begins."""
        if text:
            self._is_open = True
            print(f"{self._dim}{self._stream.feed(text)}{self._plain}", end="", file=sys.stderr, flush=True)
        if ends and self._is_open:
            self._is_open = False
            print(f"{self._dim}{self._stream.end()}{self._plain}\n", file=sys.stderr, flush=True)
