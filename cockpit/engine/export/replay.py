"""Prompts of a run through a model, greedily, with the logits of what the trained model has said"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
import torch
from transformers import GenerationConfig

from cockpit.engine.data.chat_template import ChatTemplate
from cockpit.engine.data.conversation import best_of
from cockpit.engine.data.message import Message
from cockpit.engine.data.row_reader import RowReader
from cockpit.engine.data.turn_ends import turn_end_ids
from cockpit.engine.errors import RunFailure
from cockpit.engine.export.unfit import CannotRun
from cockpit.engine.model.base_model import Say
from cockpit.engine.model.loading import Loaded, load_for_chat
from cockpit.models.folder import ModelFolder
from cockpit.recipe.recipe import Recipe
from cockpit.runs.folder import RunDir
from cockpit.suites.conversations import conversations

PROMPTS = 8
NEW_TOKENS = 32
LONGEST_PROMPT = 2048
ROWS_LOOKED_AT = 200


@dataclass(frozen=True)
class Replay:
    """One prompt through one model: its tokens, those that follow greedily, whether the turn was ended, and the logits
    after each place of the trained model's reply, [tokens, words]."""

    prompt_ids: list[int]
    reply_ids: list[int]
    ends: bool
    logits: np.ndarray[Any, Any]


def questions_of(recipe: Recipe, say: Say, most: int = PROMPTS) -> list[list[Message]]:
    """Conversations that end with a question, none about pictures: of the recipe's samples, its suite and its trial
    prompt, then of its rows. Raises RunFailure where there is none at all."""
    system = recipe.samples.system_prompt
    begin = [{"role": "system", "content": system}] if system.strip() else []
    found: list[list[Message]] = [[*begin, {"role": "user", "content": text}] for text in recipe.samples.prompts]
    if recipe.chat.trial_prompt.strip():
        found.append([{"role": "user", "content": recipe.chat.trial_prompt}])
    found += [list(talk) for talk in conversations(recipe.suite) if not any("image" in turn for turn in talk)]
    chosen = found[: max(1, most // 2)]
    for messages in _of_rows(recipe, say):
        if len(chosen) >= most:
            break
        if messages not in chosen:
            chosen.append(messages)
    chosen += [one for one in found if one not in chosen][: most - len(chosen)]
    if not chosen:
        raise RunFailure("The run has no prompt in words that could be put.", "Give samples.prompts in its recipe.")
    return chosen


def _of_rows(recipe: Recipe, say: Say) -> Iterator[list[Message]]:
    """What stands before the last answer of each row; nothing where the data is not here any more."""
    try:
        reader = RowReader(recipe.model_copy(update={"data": recipe.data.mixed()}), lambda text: None)
        for number, row in enumerate(reader.read(lambda sentence: None)):
            if number >= ROWS_LOOKED_AT:
                return
            content = best_of(row.content)
            if isinstance(content, str):
                yield [{"role": "user", "content": content[: max(1, min(200, len(content) // 2))]}]
            elif not content.images and not content.tools and content.messages[-1]["role"] == "assistant":
                yield [
                    {"role": turn["role"], "content": turn["content"]}
                    for turn in content.messages[:-1]
                    if isinstance(turn.get("content"), str)
                ]
    except RunFailure as failure:
        say(f"The rows of the run are not here, so that only its own prompts are put: {failure}")


class Trained:
    """What the run has saved, on its base, as training had it."""

    def __init__(self, run: RunDir, recipe: Recipe, say: Say) -> None:
        """Raises RunFailure. By plain transformers, whatever has trained it, unless only Unsloth can load it."""
        result = run.result
        if result is None:
            raise RunFailure("The run has saved nothing that could be compared with.")
        plain = recipe.model_copy(update={"backend": "transformers"})
        self._loaded: Loaded = load_for_chat(plain, result, say)
        self._loaded.model.eval()
        tokenizer = self._loaded.tokenizer
        self.template = ChatTemplate(tokenizer, recipe.data.instruction_part, recipe.data.response_part) if (
            tokenizer.chat_template
        ) else None  # fmt: skip
        self._thinks = recipe.chat.presets[0].enable_thinking
        mark = self.template.markers.reply_end if self.template else None
        named = self._loaded.model.generation_config.eos_token_id
        self._ends = turn_end_ids(named, tokenizer, mark)
        self.tokenizer = tokenizer

    def replay(self, messages: list[Message]) -> Replay:
        """The prompt rendered and tokenized as training does it."""
        if self.template is None:
            ids = list(self.tokenizer(str(messages[-1]["content"]))["input_ids"])
        else:
            text = self.template.prompt(list(messages), self._thinks)
            ids = list(self.tokenizer(text, add_special_tokens=False)["input_ids"])
        if len(ids) > LONGEST_PROMPT:
            raise RunFailure(f"The prompt has {len(ids):,} tokens.")
        return replayed(self._loaded.model, self._loaded.device, ids, ids, None, self._ends)


class Shipped:
    """A folder with an adapter or a whole model, loaded and asked as a plain program does: peft or transformers."""

    def __init__(self, folder: Path, base: str | None, recipe: Recipe) -> None:
        """`base`: where the adapter's base is, in place of what its config names. Raises CannotRun."""
        from transformers import AutoTokenizer

        _refuse_without_compressed_tensors(folder)
        self._thinks = recipe.chat.presets[0].enable_thinking
        is_adapter = (folder / "adapter_config.json").is_file()
        code = recipe.model.trust_remote_code
        try:
            self.tokenizer = AutoTokenizer.from_pretrained(folder, trust_remote_code=code)
            if is_adapter:
                from peft import PeftConfig, PeftModel

                named = base or PeftConfig.from_pretrained(folder).base_model_name_or_path or ""
                model = _plain(named, code)
                if len(self.tokenizer) > model.get_input_embeddings().weight.shape[0]:
                    model.resize_token_embeddings(len(self.tokenizer))
                self._model: Any = PeftModel.from_pretrained(model, str(folder))
            else:
                self._model = _plain(str(folder), code)
        except (OSError, ValueError, RuntimeError, KeyError) as error:
            raise CannotRun(f"A plain program cannot load it: {' '.join(str(error).split())[:300]}") from error
        self._model.eval()
        if torch.cuda.is_available() and not getattr(self._model, "is_quantized", False):
            self._model.to("cuda")
        self._ends = turn_end_ids(self._model.generation_config.eos_token_id, self.tokenizer, None)

    def replay(self, messages: list[Message], trained: Replay) -> Replay:
        """The prompt by its own template and tokenizer. Raises ValueError where these refuse it."""
        ids = self.prompt_ids(messages)
        device = next(self._model.parameters()).device
        return replayed(self._model, device, ids, trained.prompt_ids, trained.reply_ids, self._ends)

    def prompt_ids(self, messages: list[Message]) -> list[int]:
        """As a server makes them of a request."""
        if not self.tokenizer.chat_template:
            return list(self.tokenizer(str(messages[-1]["content"]))["input_ids"])
        text = self.tokenizer.apply_chat_template(
            list(messages), tokenize=False, add_generation_prompt=True, enable_thinking=self._thinks
        )
        return list(self.tokenizer(text, add_special_tokens=False)["input_ids"])


def _refuse_without_compressed_tensors(folder: Path) -> None:
    if ModelFolder.at(folder).quantized == "compressed-tensors" and find_spec("compressed_tensors") is None:
        raise RunFailure(
            "A model in 8-bit floats is verified by transformers through compressed-tensors, which is not installed.",
            "pip install compressed-tensors",
        )


def _plain(name: str, trust_remote_code: bool) -> Any:
    from transformers import AutoModelForCausalLM, AutoModelForImageTextToText

    from cockpit.paths import resolve

    folder = ModelFolder.at(Path(resolve(name)))
    kind = AutoModelForImageTextToText if folder.is_vision else AutoModelForCausalLM
    return kind.from_pretrained(resolve(name), dtype="auto", trust_remote_code=trust_remote_code)


def replayed(
    model: Any, device: Any, asked: list[int], prompt: list[int], reply: list[int] | None, ends: list[int]
) -> Replay:
    """`asked` answered greedily; the logits are those of `reply` after `prompt`, or of the answer itself."""
    ids = torch.tensor([asked], device=device)
    settings = GenerationConfig(
        do_sample=False, max_new_tokens=NEW_TOKENS, eos_token_id=ends or None, pad_token_id=ends[0] if ends else 0
    )
    with torch.inference_mode():
        own, model.generation_config = model.generation_config, settings
        try:
            drawn = model.generate(input_ids=ids, attention_mask=torch.ones_like(ids), generation_config=settings)
        finally:
            model.generation_config = own
        said = drawn[0, len(asked) :].tolist()
        reply = said if reply is None else reply
        whole = torch.tensor([[*prompt, *reply]], device=device)
        logits = model(input_ids=whole, attention_mask=torch.ones_like(whole)).logits[0, len(prompt) - 1 : -1]
    return Replay(asked, said, bool(said) and said[-1] in ends, logits.float().cpu().numpy())
