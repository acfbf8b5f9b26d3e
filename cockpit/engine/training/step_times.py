"""Where the time of a step goes: waiting for its batches, forward and backward; what is left is the optimizer's"""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager

import torch


class StepTimes:
    """Seconds of the step in hand. A GPU works behind the program's back: there its own clock is asked, by events that
    are read once the step is over and all of its work is done, so that nothing waits for them."""

    def __init__(self) -> None:
        self.data_s = 0.0
        """Waited for batches so far."""
        self._model_s = 0.0
        self._on_device: list[tuple[torch.cuda.Event, torch.cuda.Event]] = []

    @contextmanager
    def data(self) -> Iterator[None]:
        """The trainer waits for its batches."""
        began = time.monotonic()
        try:
            yield
        finally:
            self.data_s += time.monotonic() - began

    @contextmanager
    def model(self) -> Iterator[None]:
        """The model goes forward and backward."""
        if torch.cuda.is_available() and torch.cuda.is_initialized():
            began, ended = (torch.cuda.Event(enable_timing=True) for _ in range(2))
            began.record()
            yield
            ended.record()
            self._on_device.append((began, ended))
            return
        since = time.monotonic()
        yield
        self._model_s += time.monotonic() - since

    def take(self) -> tuple[float, float]:
        """Of data, of forward and backward; the next step begins. Its device must have done the step's work."""
        model_s = self._model_s
        for began, ended in self._on_device:
            ended.synchronize()
            model_s += began.elapsed_time(ended) / 1000
        taken = (self.data_s, model_s)
        self.drop()
        return taken

    def drop(self) -> None:
        """Forget a step that was not finished."""
        self.data_s, self._model_s, self._on_device = 0.0, 0.0, []
