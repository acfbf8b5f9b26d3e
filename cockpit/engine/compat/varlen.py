"""torch's attention over joined rows, lent to Unsloth where that has one only from a later torch on"""

from __future__ import annotations

import functools
import inspect
import os
from collections.abc import Callable
from typing import Any

import torch


def lend_varlen_attention() -> None:
    """Let Unsloth attend to joined rows with one kernel a layer, also with torch 2.11. It takes torch's from 2.12 on,
    which knows heads that share keys and values (`enable_gqa`), and before that starts a kernel for every row of every
    layer: half the speed. UNSLOTH_TORCH_VARLEN=0 keeps Unsloth's own way."""
    from unsloth.utils import attention_dispatch

    if attention_dispatch._TORCH_VARLEN_ATTN is not None or os.environ.get("UNSLOTH_TORCH_VARLEN", "1") == "0":
        return
    try:
        from torch.nn.attention.varlen import varlen_attn
    except ImportError:
        return
    known = inspect.signature(varlen_attn).parameters
    if "window_size" in known and "enable_gqa" not in known:
        attention_dispatch._TORCH_VARLEN_ATTN = functools.partial(with_heads_repeated, varlen_attn)


def with_heads_repeated(
    attend: Callable[..., torch.Tensor],
    query: torch.Tensor,
    key: torch.Tensor,
    value: torch.Tensor,
    *lengths: Any,
    enable_gqa: bool = False,
    **settings: Any,
) -> torch.Tensor:
    """`attend` to [tokens, heads, size], with each head of keys and values repeated for the queries that share it."""
    if enable_gqa:
        times = query.shape[1] // key.shape[1]
        key, value = key.repeat_interleave(times, dim=1), value.repeat_interleave(times, dim=1)
    return attend(query, key, value, *lengths, **settings)
