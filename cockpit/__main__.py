"""python -m cockpit, and the command `cockpit`."""

from __future__ import annotations

import sys


def main() -> None:
    """Open the app where no command is given; it paints sooner without the command line's own imports."""
    if len(sys.argv) == 1:
        from cockpit.cli.app import open_app

        sys.exit(open_app())
    for argument in sys.argv[1:]:
        if not argument.isascii() and argument.encode(errors="replace").decode() != argument:
            shown = argument.encode(errors="replace").decode()
            sys.exit(_refuse(f"The argument {shown!r} is not UTF-8; rename the file, or set a UTF-8 locale."))
    from cockpit.cli import cockpit

    cockpit()


def _refuse(sentence: str) -> int:
    print(sentence, file=sys.stderr)
    return 2


if __name__ == "__main__":
    main()
