"""One token's forward pass recorded as CUDA graphs, and replayed: what is left to Python is attention over the cache

A pass that draws one token is some thousand small kernels, whose launches take longer than their work. They never
change, but for attention, which sees one key more each time. So a pass is recorded in pieces that end where a layer
gives its keys to the cache and begin again behind its attention; between two pieces the same functions run as ever,
on tensors as long as they are. Nothing is padded, so a replayed step gives the bits that the model itself would give.
That is not taken on trust: the first steps are computed both ways, and what differs is never replayed.
"""

from __future__ import annotations

import copy
import functools
from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass, field
from typing import Any

import torch
from torch.nn.attention import SDPBackend, sdpa_kernel
from torch.nn.functional import scaled_dot_product_attention
from torch.overrides import TorchFunctionMode
from transformers import DynamicCache
from transformers.cache_utils import DynamicLayer, DynamicSlidingWindowLayer
from transformers.masking_utils import create_masks_for_generate
from transformers.modeling_outputs import CausalLMOutputWithPast

from cockpit.engine.compat.private_names import masks_while_recorded
from cockpit.engine.errors import first_line

STEPS_CHECKED = 3
"""Steps of each recording that are computed both ways before it is trusted."""

Masks = dict[int, torch.Tensor | None]
"""What the attention of a layer is given, by the layer's number; None or nothing where all keys are seen."""


class CannotRecord(Exception):
    """The model's pass is not one that can be replayed; the text says why."""


@dataclass
class _Core:
    """A layer's attention: `keys`, `values` and `query` are written by the piece before it, `out` is for the next."""

    layer: int
    keys: torch.Tensor
    values: torch.Tensor
    query: torch.Tensor = field(init=False)
    out: torch.Tensor = field(init=False)
    settings: dict[str, Any] = field(init=False)
    repeats: int = field(init=False)
    """How often each head of the cache is repeated before attention is called; 1 where that knows of groups."""
    kernels: list[SDPBackend] = field(init=False)
    """The ones that attention might choose from."""

    def run(self, cache: DynamicCache, mask: torch.Tensor | None) -> None:
        keys, values = cache.update(self.keys, self.values, self.layer)
        keys, values = _repeated(keys, self.repeats), _repeated(values, self.repeats)
        with nullcontext() if self.kernels == _kernels() else sdpa_kernel(self.kernels):
            self.out.copy_(scaled_dot_product_attention(self.query, keys, values, attn_mask=mask, **self.settings))


def _kernels() -> list[SDPBackend]:
    """Those that attention may choose from now."""
    enabled = {
        SDPBackend.FLASH_ATTENTION: torch.backends.cuda.flash_sdp_enabled(),
        SDPBackend.EFFICIENT_ATTENTION: torch.backends.cuda.mem_efficient_sdp_enabled(),
        SDPBackend.CUDNN_ATTENTION: torch.backends.cuda.cudnn_sdp_enabled(),
        SDPBackend.MATH: torch.backends.cuda.math_sdp_enabled(),
    }
    return [kernel for kernel, is_enabled in enabled.items() if is_enabled]


def _repeated(heads: torch.Tensor, times: int) -> torch.Tensor:
    """[rows, heads, tokens, size], each head `times` in turn, as transformers' repeat_kv."""
    if times == 1:
        return heads
    rows, count, tokens, size = heads.shape
    return heads[:, :, None].expand(rows, count, times, tokens, size).reshape(rows, count * times, tokens, size)


class _Recorder(TorchFunctionMode):
    """Within, the pass of one token is recorded; `cache` is the one that the pass must be given."""

    def __init__(self, cache: DynamicCache) -> None:
        super().__init__()
        self.pieces: list[torch.cuda.CUDAGraph] = []
        self.cores: list[_Core] = []
        self._pool = torch.cuda.graph_pool_handle()
        self._open: _Core | None = None
        self._recording = False
        self._grow = cache.update
        cache.update = self._update

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        out = func(*args, **(kwargs or {}))
        if func is not scaled_dot_product_attention or self._open is None:
            return out
        core, self._open = self._open, None
        self._attended(core, out, *args, **(kwargs or {}))
        self.begin()
        return core.out

    def begin(self) -> None:
        self._piece = torch.cuda.CUDAGraph()
        # Other threads may ask the driver for memory meanwhile.
        self._piece.capture_begin(pool=self._pool, capture_error_mode="thread_local")
        self._recording = True

    def end(self) -> None:
        self._recording = False
        self._piece.capture_end()
        self.pieces.append(self._piece)

    def give_up(self) -> None:
        """Leave no capture open after an error."""
        if self._recording:
            try:
                self.end()
            except RuntimeError:
                torch.cuda.synchronize()

    def _update(self, keys: torch.Tensor, values: torch.Tensor, layer: int, *_: Any, **__: Any) -> Any:
        if self._open is not None:
            raise CannotRecord("its attention is not scaled_dot_product_attention")
        self.end()
        self._open = _Core(layer, keys, values)
        return self._grow(keys, values, layer)

    def _attended(self, core: _Core, out: Any, query: Any, key: Any, value: Any, *args: Any, **more: Any) -> None:
        core.settings = dict(zip(("attn_mask", "dropout_p", "is_causal"), args, strict=False)) | more
        core.settings.pop("attn_mask", None)
        core.repeats, rest = divmod(key.shape[1], core.keys.shape[1])
        if rest or value.shape[1] != key.shape[1] or core.settings.get("dropout_p") or core.settings.get("is_causal"):
            raise CannotRecord("its attention to the cache is not one that is known")
        core.query, core.out, core.kernels = query, torch.empty_like(out), _kernels()
        self.cores.append(core)


class _Step:
    """A recorded pass: its inputs, which stand at fixed addresses, and its logits."""

    def __init__(self, forward: Callable[..., Any], inputs: dict[str, Any], cache: DynamicCache, mask: Any) -> None:
        """`mask` is that of padding, or None where nothing is padded. Raises CannotRecord, or what the pass raises
        where a part of it cannot be recorded."""
        self._inputs = {name: value.clone() for name, value in inputs.items() if isinstance(value, torch.Tensor)}
        fixed = inputs | self._inputs | {"attention_mask": mask}
        self.checked = 0
        stream = torch.cuda.Stream()
        stream.wait_stream(torch.cuda.current_stream())
        usual_masks = masks_while_recorded() if mask is None else nullcontext()
        with torch.cuda.stream(stream), _without_cached_casts(), usual_masks:
            forward(**fixed, past_key_values=copy.deepcopy(cache))  # what is made at the first call is made
            own = copy.deepcopy(cache)
            recorder = _Recorder(own)
            torch.cuda.synchronize()
            try:
                with recorder:
                    recorder.begin()
                    self._logits = forward(**fixed, past_key_values=own).logits
                    recorder.end()
            except BaseException:
                recorder.give_up()
                raise
        torch.cuda.current_stream().wait_stream(stream)
        if len(recorder.cores) != len(cache.layers):
            raise CannotRecord("some of its layers have no keys and values of their own")
        self._pieces, self._cores = recorder.pieces, recorder.cores

    def replay(self, inputs: dict[str, Any], cache: DynamicCache, masks: Masks) -> torch.Tensor:
        for name, fixed in self._inputs.items():
            fixed.copy_(inputs[name])
        for piece, core in zip(self._pieces, self._cores, strict=False):
            piece.replay()
            core.run(cache, masks.get(core.layer))
        self._pieces[-1].replay()
        return self._logits.clone()


@contextmanager
def _without_cached_casts() -> Iterator[None]:
    """A cast that autocast keeps is gone when it ends, and a recording would go on reading it."""
    if not torch.is_autocast_enabled("cuda"):
        yield
        return
    with torch.autocast("cuda", dtype=torch.get_autocast_dtype("cuda"), cache_enabled=False):
        yield


class DecodeGraphs:
    """Replays the passes of a model that answers, a recording for the adapter and one for the base.

    `why_not` says why this model is answered as ever; "" while nothing speaks against replaying.
    """

    def __init__(self, model: Any) -> None:
        self.model = model
        self.why_not = "" if torch.cuda.is_available() else "there is no NVIDIA GPU"
        self.replayed = 0
        """Passes that were replayed."""
        self._steps: dict[Any, _Step] = {}
        self._weights: tuple[int, ...] = ()
        self._cache: Any = None
        self._suits = self._padded = False

    @contextmanager
    def replaying(self, adapter: bool) -> Iterator[None]:
        """Within, passes of one token in inference mode are replayed; all else is the model's own. What torch.compile
        has replaced runs as it was written, so that nothing is compiled in front of a reply."""
        if self.why_not:
            yield
            return
        weights = tuple(weight.data_ptr() for weight in self.model.parameters())
        if weights != self._weights:
            self._steps.clear()
            self._weights = weights
        model, before = self.model, self.model.__dict__.get("forward")
        forward = model.forward

        @functools.wraps(forward)
        def step(*args: Any, **inputs: Any) -> Any:
            cache = inputs.get("past_key_values")
            if args or self.why_not or not self._can_replay(inputs, cache):
                return forward(*args, **inputs)
            return self._step(forward, adapter, inputs, cache)

        model.forward = step
        try:
            with torch.compiler.set_stance("force_eager"):
                yield
        finally:
            self._cache = None
            if before is None:
                del model.forward
            else:
                model.forward = before

    def _can_replay(self, inputs: dict[str, Any], cache: Any) -> bool:
        ids = inputs.get("input_ids")
        if ids is None or ids.dim() != 2 or ids.shape[1] != 1 or not torch.is_inference_mode_enabled():
            return False
        if cache is not self._cache:  # the first token of these replies
            self._cache = cache
            mask = inputs.get("attention_mask")
            self._padded = mask is not None and not bool(mask.all())
            self._suits = (
                type(cache) is DynamicCache
                and not cache.offloading
                and all(type(layer) in (DynamicLayer, DynamicSlidingWindowLayer) for layer in cache.layers)
                and (mask is None or mask.dim() == 2)
            )
        return self._suits

    def _step(self, forward: Callable[..., Any], adapter: bool, inputs: dict[str, Any], cache: DynamicCache) -> Any:
        own = {name: value for name, value in inputs.items() if name not in ("past_key_values", "attention_mask")}
        mask = inputs.get("attention_mask")
        full = tuple(layer.is_sliding and layer.cumulative_length + 1 >= layer.sliding_window for layer in cache.layers)
        key = (adapter, self._padded, full, *((name, _kind(value)) for name, value in sorted(own.items())))
        try:
            if key not in self._steps:
                self._steps[key] = _Step(forward, own, cache, mask if self._padded else None)
            step = self._steps[key]
            masks = self._masks(own, cache, mask) if self._padded or any(full) else {}
            if step.checked == STEPS_CHECKED:
                logits = step.replay(own, cache, masks)
                self.replayed += 1
                return CausalLMOutputWithPast(logits=logits, past_key_values=cache)
            logits = step.replay(own, copy.deepcopy(cache), masks)
        except Exception as error:  # whatever cannot be recorded is computed as ever
            self._give_up(first_line(error))
            return forward(**inputs)
        out = forward(**inputs)
        if not torch.equal(logits, out.logits):
            self._give_up("a replayed step is not what the model computes")
        step.checked += 1
        return out

    def _masks(self, inputs: dict[str, Any], cache: DynamicCache, padding: Any) -> Masks:
        """The masks that the model would make of `padding`, and of windows that are full."""
        config, ids = self.model.config, inputs["input_ids"]
        like = torch.empty((*ids.shape, 1), dtype=self.model.dtype, device=ids.device)
        made = create_masks_for_generate(config, like, padding, cache, inputs.get("position_ids"))
        if not isinstance(made, dict):
            return dict.fromkeys(range(len(cache.layers)), made)
        return {at: made[kind] for at, kind in enumerate(config.get_text_config().layer_types)}

    def _give_up(self, why: str) -> None:
        self._steps.clear()
        self.why_not = why


def _kind(value: Any) -> Any:
    return (value.shape, value.dtype) if isinstance(value, torch.Tensor) else value
