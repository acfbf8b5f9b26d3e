"""cockpit chat: one question to a trained run, from a script or a shell; nothing but the reply on stdout."""

from __future__ import annotations

import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from cockpit.cli.ending import end
from cockpit.cli.moved_base import MovedBase, settle_base
from cockpit.cli.trust import TrustRemoteCode, settle_trust
from cockpit.text.plain_text import PlainTextStream

if TYPE_CHECKING:
    from cockpit.launch.engines import StartedEngine
    from cockpit.protocol.commands import Chat
    from cockpit.runs.folder import RunDir
    from cockpit.runs.link import RunLink
    from cockpit.runs.state import RunState

POLL_S = 0.03
NO_BASE = "This is a whole model, without an adapter that could be switched off: there is no base to ask."
NEEDS_NO_BASE = "This is a whole model, which needs no base: leave --model out."


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
    from cockpit.runs.folder import RunDir, find_run

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
    folder = _folder(run)
    started: StartedEngine | None
    if folder is not None and kind_of(folder / "recipe.yaml") != "file":
        link, started = _open_folder(folder, base, model)
    else:
        try:
            found = find_run(run) if folder is None else RunDir(folder)
        except LookupError as error:
            end(str(error), 2)
        if base and found.result == found.model:
            end(NO_BASE, 2)
        if model is not None and found.result == found.model:
            end(NEEDS_NO_BASE, 2)
        settle_trust(found, trust_remote_code)
        link, started = _reach(found, settle_base(model, found))
    try:
        _ask(link, _command(link.run, _message(prompt, image), base, changes), started)
    except (RecipeError, OSError) as error:
        end(f"The question could not be put: {getattr(error, 'strerror', None) or error}.", 1)
    except KeyboardInterrupt:
        raise typer.Exit(130) from None
    finally:
        if started is not None:
            started.process.terminate()
            if folder is not None and started.link.run.path != folder:
                started.process.wait()
                started.link.run.remove()


def _folder(name: str) -> Path | None:
    """The folder that was named in place of a run; None where it is no path."""
    from cockpit.paths import expanded, kind_of, runs_folder

    is_run = kind_of(runs_folder() / name) == "folder" or kind_of(Path(name)) != "folder"
    if not name.startswith((".", "~")) and "/" not in name and is_run:
        return None
    try:
        return expanded(name).resolve()
    except (OSError, ValueError, RuntimeError) as error:  # a loop of links is a RuntimeError
        end(f"This is no path: {error}.", 2)


def _open_folder(folder: Path, base: bool, moved: str | None) -> tuple[RunLink, StartedEngine]:
    """An engine that answers with what is saved in the folder, an adapter's base at `moved` where one is given."""
    from cockpit.launch.engines import EngineKey, start_folder_engine
    from cockpit.launch.saved_recipe import recipe_of
    from cockpit.machine.gpu import GpuProbe
    from cockpit.models.saved_folder import SavedFolder
    from cockpit.paths import kind_of
    from cockpit.recipe.document import resolved_yaml
    from cockpit.runs.folder import RunDir

    saved = SavedFolder(folder)
    if moved is not None and kind_of(folder) == "folder":
        if not saved.is_adapter:
            end(NEEDS_NO_BASE, 2)
        # An adapter that lies in the folder of its run is checked by that run's record.
        saved = SavedFolder(folder, settle_base(moved, RunDir(folder.parent), folder))
    if defect := saved.defect():
        end(defect, 2)
    if base and not saved.is_adapter:
        end(NO_BASE, 2)
    try:
        recipe = recipe_of(saved)
        started = start_folder_engine(folder, EngineKey.of(recipe, GpuProbe().wait()), resolved_yaml(recipe))
    except (ValueError, OSError) as error:
        end(str(error), 1)
    return started.link, started


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


def _reach(run: RunDir, base: str | None) -> tuple[RunLink, StartedEngine | None]:
    """The run's own engine where it lives and has ended training, which has its base already, else a new one that loads
    what the run has saved, on the base at `base` where one is given."""
    from cockpit.launch.engines import EngineKey, start_chat_engine
    from cockpit.machine.gpu import GpuProbe
    from cockpit.recipe.problem import RecipeError
    from cockpit.runs.link import RunLink
    from cockpit.runs.moved_base import why_no_base, with_base
    from cockpit.runs.origin import recipe_of_run
    from cockpit.runs.summary import RunSummary

    if run.liveness() == "alive":
        if RunSummary.of(run).state == "running":
            end(f"The run {run.id} is still training; chat with it when it has ended.", 1)
        return RunLink(run), None
    if run.result is None:
        end(f"The run {run.id} has saved no adapter, so there is nothing to chat with.", 1)
    try:
        recipe = recipe_of_run(run.path).recipe()
        if run.result == run.adapter and (gone := why_no_base(with_base(recipe, base))):
            end(gone, 1)
        started = start_chat_engine(run, EngineKey.of(recipe, GpuProbe().wait()), base)
    except (RecipeError, ValueError, OSError) as error:
        end(str(error), 1)
    return started.link, started


def _ask(link: RunLink, command: Chat, started: StartedEngine | None) -> None:
    """Send the question once the model is there and print the reply as it comes."""
    from cockpit.protocol import events as ev
    from cockpit.runs.state import RunState

    state, stream, thinking = RunState(), PlainTextStream(), _Thinking()
    sent = False
    while True:
        gone = started.process.poll() is not None if started else link.liveness() in ("lost", "exited")
        batch = link.poll()
        for event in batch:
            state.apply(event)
            match event:
                case ev.CommandAnswered(command_id=command.id, accepted=False):
                    end(event.text, 1)
                case ev.ReplyGrew(command_id=command.id):
                    thinking.show(event.thinking, ends=bool(event.text))
                    print(stream.feed(event.text), end="", flush=True)
                case ev.ReplyEnded(command_id=command.id):
                    thinking.show("", ends=True)
                    rest = stream.end()
                    if event.new_tokens or event.end != "failed":
                        print(rest)
                    if event.end == "failed":
                        end(event.reason, 1)
                    return
        if gone and not batch:
            why = state.exited.reason if state.exited is not None else ""
            end(why or f"The engine has gone without a reply; its log: {link.run.engine_log}", 1)
        if not sent and not batch and _answers(state, started):
            link.send(command)
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


def _answers(state: RunState, started: StartedEngine | None) -> bool:
    """Whether the model is there; the log of an earlier engine does not count for one that we have started."""
    if started is None:
        return state.can_chat
    return state.can_chat and state.engine is not None and state.engine.pid == started.process.pid
