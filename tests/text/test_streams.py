"""What a process prints into its log holds no logins: prints, warnings, logging and tracebacks."""

from __future__ import annotations

import subprocess
import sys

PROGRAM = """
import logging, sys, warnings
from cockpit.text.streams import hide_logins

hide_logins()
print("a https://ada:lovelace@h1/x", "é")
warnings.warn("b https://ada:lovelace@h2")
logging.getLogger("stack").warning("c https://ada:lovelace@h3")
raise OSError("d https://ada:lovelace@h4")
"""


def test_nothing_that_is_printed_has_a_login() -> None:
    done = subprocess.run([sys.executable, "-c", PROGRAM], capture_output=True, text=True, check=False)
    assert done.stdout == "a https://h1/x é\n"
    assert all(f"https://h{number}" in done.stderr for number in (2, 3, 4))
    assert done.returncode == 1 and "lovelace" not in done.stderr
