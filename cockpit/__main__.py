"""python -m cockpit, and the command `cockpit`."""

from __future__ import annotations

import sys


def main() -> None:
    """Open the app where no command is given; it paints sooner without the command line's own imports."""
    if len(sys.argv) == 1:
        from cockpit.cli.app import open_app

        sys.exit(open_app())
    from cockpit.cli import cockpit

    cockpit()


if __name__ == "__main__":
    main()
