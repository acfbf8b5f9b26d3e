"""What transformers says of weights that a model lacks or that do not fit it: it goes on with random ones, we do not"""

from __future__ import annotations

import json
import logging
import pickle
import re
import struct
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager

from cockpit.engine.errors import first_line
from cockpit.text.plain_text import plain_line, plain_text

_row = re.compile(r"^(\S.*?)\s*\|\s*(MISSING|MISMATCH)\b", re.MULTILINE)
NOT_READABLE = (struct.error, pickle.UnpicklingError, EOFError, zipfile.BadZipFile)


class WeightsReport(logging.Handler):
    """Names of the weights that were `missing`, and of those that were `misfit`s, while a model was loaded."""

    def __init__(self) -> None:
        super().__init__(logging.WARNING)
        self.missing: list[str] = []
        self.misfits: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        """Take what the record says of weights."""
        for name, status in _row.findall(plain_text(record.getMessage())):
            (self.missing if status == "MISSING" else self.misfits).append(name)

    def wrong(self) -> str:
        """Why the model is incomplete, as the end of a sentence; empty where it is."""
        if self.misfits:
            return f"its weights have other shapes than its config.json says ({self.misfits[0]})"
        return f"its files lack weights that its config.json asks for ({self.missing[0]})" if self.missing else ""


@contextmanager
def weights_report() -> Iterator[WeightsReport]:
    """The report of what is loaded inside."""
    report, logger = WeightsReport(), logging.getLogger("transformers")
    logger.addHandler(report)
    try:
        yield report
    finally:
        logger.removeHandler(report)


def load_error(error: Exception) -> str:
    """What went wrong while a model was loaded, as the end of a sentence."""
    if isinstance(error, KeyError):
        return f"its config.json names {plain_line(str(error))}, which transformers does not know"
    if isinstance(error, json.JSONDecodeError):
        return f"one of its JSON files is broken ({first_line(error)})"
    if isinstance(error, NOT_READABLE):
        return f"its weights cannot be read ({first_line(error)})"
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    if len(lines) > 1 and lines[0].endswith(":"):
        return f"{lines[0]} {lines[1]}"
    return first_line(error)
