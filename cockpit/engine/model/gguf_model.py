"""A GGUF file, loaded and asked by llama.cpp through llama-cpp-python, as the programs that run such files do"""

from __future__ import annotations

import functools
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from cockpit.engine.errors import RunFailure, first_line

MOST_CONTEXT = 32_768
"""Tokens that a model is prepared for where its file allows more."""
INSTALL = "Install llama-cpp-python (pip install llama-cpp-python)."


class GgufModel:
    """The model in one file, with the chat template and the tokenizer that are in it."""

    def __init__(self, path: Path, context_tokens: int = MOST_CONTEXT, *, all_logits: bool = False) -> None:
        """`all_logits`: those of every token are kept. Raises RunFailure with a sentence."""
        try:
            import llama_cpp
        except (ImportError, RuntimeError, OSError) as error:
            raise RunFailure(f"A GGUF file needs llama-cpp-python: {first_line(error)}.", INSTALL) from error
        self._api: Any = llama_cpp
        try:
            trained = llama_cpp.Llama(str(path), vocab_only=True, verbose=False)
            kind = trained.metadata.get("general.architecture", "")
            trained_on = int(trained.metadata.get(f"{kind}.context_length", 0))
            trained.close()
            self._llama: Any = llama_cpp.Llama(
                str(path),
                n_ctx=min(context_tokens, trained_on or context_tokens),
                n_gpu_layers=-1 if llama_cpp.llama_supports_gpu_offload() else 0,
                logits_all=all_logits,
                verbose=False,
            )
        except (ValueError, OSError, RuntimeError) as error:
            raise RunFailure(
                f"llama.cpp cannot load {path.name}: {first_line(error)}.", "Copy the file again."
            ) from error
        self._vocabulary = llama_cpp.llama_model_get_vocab(self._llama.model)
        self.context_tokens: int = self._llama.n_ctx()
        self.template: str = str(self._llama.metadata.get("tokenizer.chat_template", ""))
        self.name: str = str(self._llama.metadata.get("general.name", path.stem))

    @property
    def all_special_tokens(self) -> list[str]:
        """Texts of the tokens that begin and end a text."""
        return [text for text in map(self._text, (self._llama.token_bos(), self._llama.token_eos())) if text]

    def decode(self, ids: Sequence[int], skip_special_tokens: bool = False) -> str:
        """The text of tokens, as a tokenizer of transformers gives it."""
        content: bytes = self._llama.detokenize(list(ids), special=not skip_special_tokens)
        return content.decode("utf-8", "replace")

    def prompt(self, messages: Sequence[dict[str, Any]], **variables: Any) -> str:
        """The conversation by the file's own chat template, up to where the answer begins; without one the last message
        as it stands. Raises ValueError where the template refuses it."""
        if not self.template:
            return str(messages[-1]["content"])
        return str(self._formatter(messages=list(messages), **variables).prompt)

    def prompt_ids(self, messages: Sequence[dict[str, Any]], **variables: Any) -> list[int]:
        """Its tokens, made as llama-cpp-python's chat completion makes them."""
        text = self.prompt(messages, **variables).encode()
        ids: list[int] = self._llama.tokenize(text, add_bos=not self.template, special=True)
        return ids

    def ends(self, token: int) -> bool:
        """Whether the token ends a turn."""
        return bool(self._api.llama_vocab_is_eog(self._vocabulary, token))

    def draw(self, ids: Sequence[int], *, seed: int | None = None, **sampling: Any) -> Iterator[int]:
        """The tokens that follow, without an end; greedy with temp=0."""
        if seed is not None:
            self._llama.set_seed(seed)
        return iter(self._llama.generate(list(ids), **({"min_p": 0.0, "repeat_penalty": 1.0} | sampling)))

    def logits(self, ids: Sequence[int]) -> Any:
        """Those after each of the tokens, [tokens, words]; needs `all_logits`."""
        self._llama.reset()
        self._llama.eval(list(ids))
        return self._llama.scores[: len(ids)].copy()

    @functools.cached_property
    def _formatter(self) -> Any:
        from llama_cpp.llama_chat_format import Jinja2ChatFormatter

        eos, bos = self._text(self._llama.token_eos()), self._text(self._llama.token_bos())
        return Jinja2ChatFormatter(template=self.template, eos_token=eos, bos_token=bos)

    def _text(self, token: int) -> str:
        if token < 0:
            return ""
        content: bytes = self._api.llama_vocab_get_text(self._vocabulary, token) or b""
        return content.decode("utf-8", "replace")
