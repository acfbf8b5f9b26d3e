"""cockpit chat: questions to a trained run or a model, one from a script, or many on a terminal"""

from __future__ import annotations

import random
import sys
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from cockpit.cli.chat_target import answering
from cockpit.cli.ending import end
from cockpit.cli.moved_base import MovedBase
from cockpit.cli.target import TARGET_HELP, Target, find_target
from cockpit.cli.trust import TrustRemoteCode

if TYPE_CHECKING:
    from cockpit.cli.asking import Asker
    from cockpit.cli.questions import Questions
    from cockpit.cli.reply_printer import JsonPrinter, ReplyPrinter

Who = Literal["tuned", "both", "base"]


def chat(
    target: Annotated[str, typer.Argument(help=TARGET_HELP)],
    prompt: Annotated[
        str | None,
        typer.Option("--prompt", "-p", help="What to ask; - reads it from stdin. Without it, a chat line by line."),
    ] = None,
    base: Annotated[bool, typer.Option("--base", help="Ask the base model: the adapter is switched off.")] = False,
    both: Annotated[bool, typer.Option("--both", help="Ask base and tuned at the same time.")] = False,
    beside: Annotated[
        str | None,
        typer.Option(metavar="TARGET", help="Ask this too: another run or checkpoint. Both are loaded at once."),
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print a JSON object a question.")] = False,
    greedy: Annotated[bool, typer.Option("--greedy", help="Always take the likeliest token.")] = False,
    system: Annotated[str | None, typer.Option(help="The system's words before the question.")] = None,
    thinking: Annotated[
        bool | None, typer.Option("--thinking/--no-thinking", help="Let the model reason before it answers.")
    ] = None,
    preset: Annotated[str | None, typer.Option(help="A preset of the recipe; the first one without it.")] = None,
    temperature: Annotated[float | None, typer.Option(help="Above 0, at most 5.")] = None,
    top_p: Annotated[float | None, typer.Option(help="Draw from the likeliest tokens that make this share.")] = None,
    top_k: Annotated[int | None, typer.Option(help="Draw from so many likeliest tokens; 0 for all.")] = None,
    min_p: Annotated[
        float | None, typer.Option(help="Leave out what is less likely than this share of the best.")
    ] = None,
    seed: Annotated[int | None, typer.Option(help="The same seed draws the same reply.")] = None,
    max_tokens: Annotated[int | None, typer.Option(help="Longest reply.")] = None,
    repetition_penalty: Annotated[
        float | None, typer.Option(help="Above 1: what was said already is less likely.")
    ] = None,
    image: Annotated[Path | None, typer.Option(help="A picture to ask about, of a vision model.")] = None,
    model: MovedBase = None,
    trust_remote_code: TrustRemoteCode = False,
) -> None:
    """Ask a trained run, a checkpoint, a saved adapter or a model. The replies go to stdout, all else, what is reasoned
    before them among it, to stderr.

    With -p one question is asked; without it what stdin has, where that is a file or a pipe, and on a terminal one
    after the other, with what was said before (/help lists what else can be done there).
    What is not given is as the recipe's preset has it.

    Exit status: 0 answered, 1 not, 2 an option is wrong, 130 interrupted.
    """
    from cockpit.cli.questions import Questions
    from cockpit.paths import expanded, kind_of
    from cockpit.recipe.problem import RecipeError

    if base and both:
        end("--base and --both: give one of the two.", 2)
    if image is not None and kind_of(expanded(image)) != "file":
        end(f"There is no picture {image}; give the path of a file with --image.", 2)
    given: dict[str, Any] = {
        "do_sample": False if greedy else True if temperature is not None else None,
        "enable_thinking": thinking,
        "system_prompt": system,
        "temperature": temperature,
        "top_p": top_p,
        "top_k": top_k,
        "min_p": min_p,
        "seed": seed,
        "max_new_tokens": max_tokens,
        "repetition_penalty": repetition_penalty,
    }
    changes = {name: value for name, value in given.items() if value is not None}
    _check(changes)
    if beside is not None and (base or both):
        end("--beside is for two that were tuned; leave --base and --both out.", 2)
    asked = _question(prompt)
    if beside is not None and asked is None:
        end("--beside takes one question: give it with -p, or on stdin.", 2)
    found = find_target(target)
    other = find_target(beside) if beside is not None else None
    questions = Questions("base" if base else "both" if both else "tuned", preset, changes, image)
    try:
        if other is not None and asked is not None:
            _ask_two((found, other), questions, asked, as_json=as_json, trust=trust_remote_code, moved=model)
        elif asked is None:
            _talk(found, questions, as_json=as_json, moved=model, trust=trust_remote_code)
        else:
            _ask_once(found, questions, asked, as_json=as_json, moved=model, trust=trust_remote_code)
    except (RecipeError, OSError) as error:
        end(f"The question could not be put: {getattr(error, 'strerror', None) or error}.", 1)
    except KeyboardInterrupt:
        raise typer.Exit(130) from None


def _check(changes: dict[str, Any]) -> None:
    """Refuse what no preset could have, each option by its name."""
    from cockpit.recipe.chat import Sampling
    from cockpit.recipe.schema import find_place
    from cockpit.recipe.validation import refusal

    options = {"max_new_tokens": "max-tokens"}
    for name, value in changes.items():
        try:
            Sampling.model_validate({name: value})
        except ValueError:
            place = find_place(("chat", "presets", 0, name))
            assert place is not None
            _, right = refusal(place.type, value)
            end(f"--{options.get(name, name.replace('_', '-'))}: {value} cannot be; {right}.", 2)


def _question(given: str | None) -> str | None:
    """What is asked, from the option or from stdin; None for a chat on a terminal."""
    if given is None and sys.stdin is not None and sys.stdin.isatty():
        return None
    if given is None or given == "-":
        try:
            given = sys.stdin.read() if sys.stdin is not None else ""
        except UnicodeDecodeError:
            end("What stdin has is no UTF-8 text.", 2)
    if not given.strip():
        end("The prompt is empty; ask something with -p, or on stdin.", 2)
    return given.strip()


def printer(
    questions: Questions, prompt: str, target: str, as_json: bool, *, name: str = ""
) -> ReplyPrinter | JsonPrinter:
    """Where the replies to this question go."""
    from cockpit.cli.reply_printer import JsonPrinter, ReplyPrinter

    if as_json:
        return JsonPrinter(questions.adapters, target, prompt)
    return ReplyPrinter(questions.adapters, name=name)


def _ask_once(
    found: Target, questions: Questions, prompt: str, *, as_json: bool, moved: str | None, trust: bool
) -> None:
    from cockpit.cli.asking import Asker, EngineLeft, Unanswered

    while True:
        show = printer(questions, prompt, found.name, as_json)
        with answering(found, base=questions.who != "tuned", moved=moved, trust=trust) as engine:
            questions.take_recipe(engine.link.run)
            try:
                Asker(engine).ask(questions.chats(prompt), show)
                break
            except EngineLeft:
                continue
            except Unanswered as why:
                end(str(why), 1)
    if show.is_failed:
        raise typer.Exit(1)


def _ask_two(
    found: tuple[Target, Target], questions: Questions, prompt: str, *, as_json: bool, moved: str | None, trust: bool
) -> None:
    """Put the same prompt to both, with the same seed. Both load at once; what the first says is shown first."""
    from cockpit.cli.asking import LEFT, Asker, EngineLeft, Unanswered

    questions.changes.setdefault("seed", random.randrange(2**31))
    is_failed = False
    with ExitStack() as engines:
        opened = [
            (target, engines.enter_context(answering(target, base=False, moved=moved, trust=trust))) for target in found
        ]
        for number, (target, engine) in enumerate(opened):
            questions.take_recipe(engine.link.run)
            show = printer(questions, prompt, target.name, as_json, name=target.name)
            if number and not as_json:
                print(flush=True)
            try:
                Asker(engine).ask(questions.chats(prompt), show)
            except EngineLeft:
                end(LEFT, 1)
            except Unanswered as why:
                end(str(why), 1)
            is_failed = is_failed or show.is_failed
    if is_failed:
        raise typer.Exit(1)


def _talk(found: Target, questions: Questions, *, as_json: bool, moved: str | None, trust: bool) -> None:
    from cockpit.cli.asking import Asker, EngineLeft, Unanswered
    from cockpit.cli.line_chat import LineChat

    talk = LineChat(
        questions,
        has_base=found.has_base,
        show=lambda prompt: printer(questions, prompt, found.name, as_json),
    )
    while True:
        with answering(found, base=questions.who != "tuned", moved=moved, trust=trust) as engine:
            questions.take_recipe(engine.link.run)
            asker: Asker = Asker(engine)
            try:
                talk.run(asker, found.name)
                return
            except EngineLeft:
                continue
            except Unanswered as why:
                end(str(why), 1)
