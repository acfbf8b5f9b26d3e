"""Rows of the embeddings and the head for new tokens, and what PEFT trains and saves of them"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import torch

from cockpit.engine.model.new_tokens import NewToken


def make_rows(model: Any, tokens: Sequence[NewToken]) -> None:
    """Give the model a row for each token, in the embeddings and in the head. A new one begins as the mean of the rows
    of its pieces: the same each time, so that a run that is resumed or loaded has the same base."""
    grow(model, max((token.id for token in tokens), default=-1) + 1)
    with torch.no_grad():
        for weight in _matrices(model):
            for token in tokens:
                if not token.is_known:
                    rows = weight[list(token.pieces)] if token.pieces else weight
                    weight[token.id] = rows.float().mean(0).to(weight.dtype)


def grow(model: Any, rows: int) -> None:
    """Let embeddings and head have at least so many rows; those that are new are the mean of the others, which is the
    likeliest nowhere."""
    had = model.get_input_embeddings().weight.shape[0]
    if rows <= had:
        return
    model.resize_token_embeddings(rows, mean_resizing=False)
    with torch.no_grad():
        for weight in _matrices(model):
            weight[had:] = weight[:had].float().mean(0).to(weight.dtype)


def _matrices(model: Any) -> Iterator[torch.Tensor]:
    """Embeddings, and head with its bias, each once."""
    embeddings, head = model.get_input_embeddings(), model.get_output_embeddings()
    yield embeddings.weight
    if head is not None and head.weight is not embeddings.weight:
        yield head.weight
    if getattr(head, "bias", None) is not None:
        yield head.bias


def embedding_names(model: Any) -> tuple[str, str]:
    """The last parts of the names of embeddings and head; the second is empty where there is no head of its own, which
    is so where both are one matrix."""
    embeddings, head = model.get_input_embeddings(), model.get_output_embeddings()
    names = {id(module): name.rpartition(".")[2] for name, module in model.named_modules()}
    is_own = head is not None and head.weight is not embeddings.weight
    return names[id(embeddings)], names[id(head)] if is_own else ""


def trained_rows(
    model: Any, tokens: Sequence[NewToken], whole: Sequence[str], *, by_unsloth: bool
) -> tuple[list[str], dict[str, list[int]]]:
    """What PEFT is told to train of embeddings and head besides those in `whole`: names for its modules_to_save, and
    rows for its trainable_token_indices. One matrix that both are is trained as one.

    Unsloth's own kernels take head and embeddings as whole matrices, and PEFT ties whole ones by their usual names
    alone; PEFT's rows leave out the bias of a head.
    """
    names = [name for name in filter(None, embedding_names(model)) if name not in whole]
    embeddings, head = model.get_input_embeddings(), model.get_output_embeddings()
    is_tied = head is not None and head.weight is embeddings.weight
    if by_unsloth and not (is_tied and names != ["embed_tokens"]):
        return names, {}
    has_bias = getattr(head, "bias", None) is not None and not is_tied
    with_bias = [name for name in names if has_bias and name == embedding_names(model)[1]]
    ids = sorted(token.id for token in tokens)
    return with_bias, {name: ids for name in names if name not in with_bias}


def give_head_a_bias(model: Any) -> None:
    """Let PEFT's wrapper of a head without a bias say so: TRL asks it."""
    head = model.get_output_embeddings()
    if head is not None and not hasattr(head, "bias"):
        head.bias = None


def save_only_what_is_trained(model: Any) -> None:
    """Keep PEFT from saving the embeddings beside the adapter, whole and as they were, as it does where they have more
    rows than those of the base's config: what is trained of them is in the adapter."""
    save = model.save_pretrained

    def save_adapter(*args: Any, **kwargs: Any) -> Any:
        return save(*args, **{"save_embedding_layers": False, **kwargs})

    model.save_pretrained = save_adapter
