"""Replies with as few launches as the model allows: recorded passes, Unsloth's or cockpit's own"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from typing import Any

import torch

from cockpit.engine.chat.decode_graphs import DecodeGraphs
from cockpit.engine.compat.private_names import generate_with_growing_cache, unsloths_decode_graphs
from cockpit.engine.journal import Journal
from cockpit.engine.model.loading import Loaded
from cockpit.protocol.commands import Chat


class QuickDrawing:
    """How the tokens of replies are drawn: `draw` is the `generate` to call."""

    def __init__(self, loaded: Loaded, journal: Journal) -> None:
        model = loaded.model
        base = model.get_base_model() if hasattr(model, "get_base_model") else model
        self.alone, self.several = DecodeGraphs(base), DecodeGraphs(base)
        self._loaded = loaded
        self._journal = journal
        self._own: Callable[..., Any] | None = None

    @property
    def draw(self) -> Callable[..., Any]:
        """Takes what `generate` of the loaded model takes."""
        return self._own or self._loaded.model.generate

    @contextmanager
    def on(self, chat: Chat, *, rows: int, shared: bool) -> Iterator[None]:
        """Within, replies to that many `rows` are drawn so, where the weights are trained no more; `shared`: others are
        drawn meanwhile. Pictures are left to the model's own `generate`, which knows how they mask each other."""
        if not torch.is_inference_mode_enabled() or any(message.get("image") for message in chat.messages):
            yield
            return
        graphs = self.alone if rows == 1 else self.several
        could = not graphs.why_not
        with ExitStack() as within:
            if self._loaded.backend == "unsloth":
                if not shared:  # Unsloth's passes have one place for keys and values
                    within.enter_context(unsloths_decode_graphs())
                if could:
                    within.enter_context(self._without_static_cache(graphs.model))
            within.enter_context(graphs.replaying(chat.adapter))
            yield
        if could and graphs.why_not:
            what = "A reply is" if rows == 1 else "Several replies are"
            self._journal.log("info", f"{what} drawn without CUDA graphs: {graphs.why_not}.")

    @contextmanager
    def _without_static_cache(self, model: Any) -> Iterator[None]:
        own = generate_with_growing_cache(model)
        if own is None:
            yield
            return
        self._own, dtype = own, model.dtype
        try:
            with torch.autocast("cuda", dtype=dtype, enabled=dtype != torch.float32):
                yield
        finally:
            self._own = None
