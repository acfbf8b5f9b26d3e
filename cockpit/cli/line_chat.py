"""A chat line by line on a terminal: a prompt, its reply, and a few commands that begin with a slash"""

from __future__ import annotations

import os
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING

from cockpit.cli.asking import Asker, EngineLeft, Show, Unanswered
from cockpit.cli.reply_printer import say

if TYPE_CHECKING:
    from cockpit.cli.questions import Questions

HELP = """\
/both /tuned /base   who answers from now on
/again               ask the last prompt once more
/new                 begin a new conversation
/system WORDS        the system's words before it; without words, none
/set NAME VALUE      how replies are drawn: temperature, top_p, top_k, min_p, seed, max_new_tokens, do_sample ...
/image FILE          a picture that the next prompt is about
/save FILE           what was said, as Markdown, or as JSONL where FILE ends so
/help /quit          this list; the end
A line that ends with \\ goes on in the next one. Ctrl-C stops a reply, Ctrl-D ends the chat."""
LINES_KEPT = 1000
LOOKS_EVERY_S = 30.0


class _Quit(Exception):
    """The person has had enough."""


class LineChat:
    """Reads lines from stdin until it ends. Questions of an engine that has gone are put to the next one."""

    def __init__(self, questions: Questions, *, has_base: bool, show: Callable[[str], Show]) -> None:
        """`show` gives where the replies to a prompt go."""
        self._questions, self._has_base, self._show = questions, has_base, show
        self._unanswered: str | None = None
        self._is_begun = False

    def run(self, asker: Asker, name: str) -> None:
        """Talk. Raises EngineLeft where the engine went away before it had answered, and Unanswered where it cannot."""
        from cockpit.cli.reply_printer import ReplyPrinter

        if not self._is_begun:
            _prepare_lines()
            asker.wait_until_ready(ReplyPrinter([]))
            say(f"{name}: {self._questions.who} answers. /help lists what can be done; Ctrl-D ends the chat.")
            self._is_begun = True
        with _looking_at(asker):
            try:
                if self._unanswered is not None:
                    self._ask(asker, self._unanswered)
                while True:
                    self._take(asker, self._read())
            except (_Quit, EOFError):
                return
            finally:
                _keep_lines()

    def _read(self) -> str:
        """What is asked or commanded, of several lines where they end with a backslash. Raises EOFError."""
        lines: list[str] = []
        while True:
            try:
                line = _line("... " if lines else "> ")
            except KeyboardInterrupt:
                say("\nCtrl-D ends the chat.")
                lines = []
                continue
            except UnicodeDecodeError:
                say("That was no UTF-8 text.")
                continue
            if not line.endswith("\\"):
                return "\n".join([*lines, line]).strip()
            lines.append(line[:-1])

    def _take(self, asker: Asker, line: str) -> None:
        if not line:
            return
        if not line.startswith("/"):
            self._ask(asker, line)
            return
        command, _, rest = line[1:].partition(" ")
        rest = rest.strip()
        questions = self._questions
        match command:
            case "tuned" | "base" | "both":
                if command != "tuned" and not self._has_base:
                    say("This is a whole model: there is no base to ask.")
                    return
                questions.who = command
                say(f"{command} answers from now on.")
            case "again":
                if questions.conversation.last_prompt is None:
                    say("Nothing has been asked yet.")
                else:
                    self._ask(asker, questions.conversation.last_prompt, again=True)
            case "new":
                questions.conversation.turns.clear()
                say("A new conversation.")
            case "system":
                questions.changes["system_prompt"] = rest
                say("The system's words are set." if rest else "No system's words.")
            case "set":
                self._set(*rest.partition(" ")[::2])
            case "image":
                path = Path(rest).expanduser()
                if not path.is_file():
                    say(f"There is no picture {rest}.")
                else:
                    questions.image = str(path.absolute())
            case "save":
                self._save(asker, rest)
            case "quit" | "exit" | "q":
                raise _Quit
            case "help" | "?":
                say(HELP)
            case _:
                say(f"There is no command /{command}; /help lists them. A prompt may begin with a blank and a slash.")

    def _ask(self, asker: Asker, prompt: str, *, again: bool = False) -> None:
        chats = self._questions.chats(prompt, asker.state.replies, again=again)
        self._unanswered = prompt
        try:
            asker.ask(chats, self._show(prompt), interruptible=True)
        except EngineLeft:
            raise
        except Unanswered:
            self._unanswered = None
            raise
        except OSError as error:
            say(f"The question could not be put: {error.strerror or error}.")
        self._unanswered = None
        self._questions.remember(prompt, chats, again=again)

    def _set(self, name: str, value: str) -> None:
        from pydantic import ValidationError

        from cockpit.recipe.chat import Sampling
        from cockpit.recipe.schema import find_place
        from cockpit.recipe.setting import setting_value
        from cockpit.recipe.validation import refusal

        place = find_place(("chat", "presets", 0, name))
        if place is None or name == "name":
            names = ", ".join(field for field in Sampling.model_fields if field != "name")
            say(f"There is no {name or 'field without a name'} to set; there are {names}.")
            return
        switched = {"on": "true", "off": "false"} if place.type.kind == "bool" else {}
        wanted = setting_value(place, switched.get(value.strip(), value.strip()))
        try:
            checked = Sampling.model_validate({name: wanted})
        except ValidationError:
            say(f"{name}: {value or 'nothing'} cannot be; {refusal(place.type, wanted)[1]}.")
            return
        self._questions.changes[name] = getattr(checked, name)
        say(f"{name} is {getattr(checked, name)}.")

    def _save(self, asker: Asker, name: str) -> None:
        from cockpit.disk import write_named
        from cockpit.runs.transcript import as_jsonl, as_markdown

        if not name:
            say("Name a file: /save FILE.md or /save FILE.jsonl.")
            return
        path = Path(name).expanduser().absolute()
        write = as_jsonl if path.suffix == ".jsonl" else as_markdown
        sampling = self._questions.sampling
        text = write(self._questions.conversation, asker.state.replies, system=sampling.system_prompt)
        try:
            write_named(path, text)
        except OSError as error:
            say(f"{path} cannot be written: {error.strerror or error}.")
            return
        say(f"Saved as {path}.")


@contextmanager
def _looking_at(asker: Asker) -> Iterator[None]:
    """Within, the engine knows that somebody is there, however long the next line takes."""
    over = threading.Event()

    def touch() -> None:
        while not over.wait(LOOKS_EVERY_S):
            with suppress(OSError):
                asker.engine.link.run.touch_lease()

    thread = threading.Thread(target=touch, daemon=True)
    thread.start()
    try:
        yield
    finally:
        over.set()
        thread.join()


def _line(prompt: str) -> str:
    """A line of stdin, with editing where stdin and stdout are a terminal. Raises EOFError."""
    if sys.stdin.isatty() and sys.stdout.isatty():
        return input(prompt)
    print(prompt, end="", file=sys.stderr, flush=True)  # stdout has replies only
    line = sys.stdin.readline()
    if not line:
        raise EOFError
    return line.rstrip("\n")


def _history() -> Path:
    from cockpit.paths import home

    return home() / "chat_history"


def _prepare_lines() -> None:
    """Arrow keys and earlier lines, where Python was built with readline."""
    try:
        import readline
    except ImportError:
        return
    readline.set_history_length(LINES_KEPT)
    try:
        readline.read_history_file(_history())
    except OSError:
        pass  # there is none yet


def _keep_lines() -> None:
    try:
        import readline
    except ImportError:
        return
    if not sys.stdin.isatty():
        return
    try:
        path = _history()
        path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        os.close(os.open(path, os.O_WRONLY | os.O_CREAT, 0o600))  # what was asked is nobody else's to read
        readline.write_history_file(path)
    except OSError:
        pass  # the chat itself was answered
