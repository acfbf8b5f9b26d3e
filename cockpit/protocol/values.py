"""Which values a file of a run can hold: what lies outside is damage, and no reader has to think of it"""

from __future__ import annotations

from typing import Annotated

import msgspec

LONGEST_LINE = 8 << 20
"""Bytes of a line of a log. No writer writes a longer one, and no reader holds one: it is damage, and passed over."""
LATEST = 253_402_214_400.0
"""The end of the year 9999 in Unix time, which is all that a calendar can show."""
Moment = Annotated[float, msgspec.Meta(ge=0, le=LATEST)]
"""Unix time in seconds."""
Seconds = Annotated[float, msgspec.Meta(ge=0, le=1e10)]
"""A duration of up to three centuries."""
Count = Annotated[int, msgspec.Meta(ge=0, le=10**18)]
"""Steps, rows, tokens, parameters, bytes."""
Attempt = Annotated[int, msgspec.Meta(ge=1, le=10**9)]
Pid = Annotated[int, msgspec.Meta(ge=1, le=2**31 - 1)]
Amount = Annotated[float, msgspec.Meta(ge=0, le=1e18)]
"""How much of something: bytes done, MiB, percent, watts, epochs."""
Measurement = Annotated[float, msgspec.Meta(ge=-1e100, le=1e100)]
"""A metric: any number that can still be averaged and drawn."""
Celsius = Annotated[float, msgspec.Meta(ge=-1e4, le=1e4)]

UNREADABLE = (msgspec.DecodeError, UnicodeDecodeError, RecursionError)
"""What decoding a damaged content raises: it is no JSON, no UTF-8, or nested without end."""
