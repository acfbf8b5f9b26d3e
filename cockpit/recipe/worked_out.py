"""Numbers that are each worked out when they are asked for. Imports nothing that takes time."""

from __future__ import annotations

from collections.abc import Sequence
from typing import overload


class WorkedOut(Sequence[float]):
    """Subclasses say how many numbers there are, and each of them."""

    def value(self, at: int) -> float:
        """The number at `at`, from 0 on."""
        raise NotImplementedError

    @overload
    def __getitem__(self, at: int) -> float: ...
    @overload
    def __getitem__(self, at: slice) -> list[float]: ...
    def __getitem__(self, at: int | slice) -> float | list[float]:
        if isinstance(at, slice):
            return [self.value(one) for one in range(*at.indices(len(self)))]
        from_start = at + len(self) if at < 0 else at
        if not 0 <= from_start < len(self):
            raise IndexError(at)
        return self.value(from_start)
