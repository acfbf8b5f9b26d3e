"""cockpit ssh://HOST ...: the app at the desk, on the runs of other machines"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Sequence

from cockpit.cli.app import why_not_drawable


def open_desk(urls: Sequence[str]) -> int:
    """Connect to each host, where ssh may ask for passwords; then open the app on their runs. The exit status."""
    from cockpit.remote.desk import Desk
    from cockpit.remote.host import Host, why_failed
    from cockpit.ui.app import CockpitApp

    try:
        desk = Desk.of([Host.parse(url) for url in urls])
    except ValueError as error:
        return _refuse(str(error))
    if shutil.which("ssh") is None:
        return _refuse("There is no ssh here; install OpenSSH's client.")
    if why := why_not_drawable():
        return _refuse(why)
    for host in desk.hosts:
        asked = subprocess.run(host.ssh(["--version"], asks=True), capture_output=True, check=False)
        if asked.returncode:
            why = why_failed(host.name, asked.returncode, asked.stderr.decode(errors="replace"))
            print(why, file=sys.stderr)
            if len(desk.hosts) == 1:
                return 1
    try:
        desk.start()
    except OSError as error:
        return _refuse(f"Copies of their logs cannot be kept in {desk.folder}: {error.strerror or error}.")
    os.environ["COCKPIT_HOME"] = str(desk.folder)
    app = CockpitApp(desk=desk)
    try:
        app.run()
    finally:
        desk.close()
    return app.return_code or 0


def _refuse(sentence: str) -> int:
    print(sentence, file=sys.stderr)
    return 2
