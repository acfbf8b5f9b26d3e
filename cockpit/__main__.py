"""python -m cockpit, and the command `cockpit`."""

from __future__ import annotations

import os
import sys

HERE = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))  # noqa: PTH120, PTH100 -- pathlib has many imports


def forget_working_folder() -> None:
    """Import nothing from the working folder, which `python -m` and an empty entry of PYTHONPATH put on sys.path; it
    stays where PYTHONPATH names it in full, or holds this very package. The same goes for processes that libraries
    start: PYTHONSAFEPATH."""
    os.environ["PYTHONSAFEPATH"] = "1"
    named = {entry.rstrip("/") for entry in os.environ.get("PYTHONPATH", "").split(os.pathsep)}
    here = os.getcwd()  # noqa: PTH109
    if here != HERE and here not in named:
        sys.path[:] = [entry for entry in sys.path if entry not in ("", ".", here)]


forget_working_folder()


def main() -> None:
    """Open the app where no command is given; it paints sooner without the command line's own imports."""
    from cockpit.text.output import open_streams

    if len(sys.argv) == 1:
        from cockpit.cli.app import open_app

        sys.exit(open_app())
    if sys.argv[1].startswith("ssh://"):
        from cockpit.cli.desk import open_desk

        sys.exit(open_desk(sys.argv[1:]))
    output = open_streams()
    if sys.argv[1] == "status" and (asked := _quick_status(sys.argv[2:])) is not None:
        sys.stdout.flush()
        sys.exit(output.status(asked))
    for argument in sys.argv[1:]:
        if not argument.isascii() and argument.encode(errors="replace").decode() != argument:
            shown = argument.encode(errors="replace").decode()
            sys.exit(_refuse(f"The argument {shown!r} is not UTF-8; rename the file, or set a UTF-8 locale."))
    from cockpit.cli import cockpit

    status = 0
    try:
        cockpit()
    except SystemExit as ended:
        status = ended.code if isinstance(ended.code, int) else int(ended.code is not None)
    sys.stdout.flush()
    sys.exit(output.status(status))


def _quick_status(arguments: list[str]) -> int | None:
    """`cockpit status`, asked again and again, is answered before the command line is imported; None where it has
    something else to say, such as its help."""
    from cockpit.runs.status_line import asked_for, tell

    asked = asked_for(arguments)
    return None if asked is None else tell(asked[0], tmux=asked[1], as_json=asked[2])


def _refuse(sentence: str) -> int:
    print(sentence, file=sys.stderr)
    return 2


if __name__ == "__main__":
    main()
