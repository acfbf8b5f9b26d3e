"""What a saved folder needs beyond save_pretrained: to be read by transformers 4 too, and a card that the Hub takes"""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

from cockpit.models.folder import read_json
from cockpit.models.hub_cache import is_hub_name
from cockpit.paths import local_path

COMMON_TOKENS = ("bos_token", "eos_token", "unk_token", "sep_token", "pad_token", "cls_token", "mask_token")
NEOX = {"rope_theta": "rotary_emb_base", "partial_rotary_factor": "rotary_pct"}
"""What transformers 4 calls these in configs of the gpt_neox family."""


def finish_saved(folder: Path) -> None:
    """Bring what save_pretrained has written into `folder`, of a model or an adapter, into its final form."""
    _name_base(folder)
    _rewrite(folder / "config.json", _config_for_both)
    _rewrite(folder / "tokenizer_config.json", _tokenizer_for_both)
    _write_preprocessors(folder)


def take_weights(source: Path, folder: Path) -> None:
    """Put the weights that lie in the folder `source` in place of those in `folder`."""
    for old in folder.glob("*.safetensors*"):
        old.unlink()
    for file in source.glob("*.safetensors*"):
        shutil.copyfile(file, folder / file.name)


def add_to_card(folder: Path, note: str) -> None:
    """Let the card of a saved adapter say `note` too."""
    card = folder / "README.md"
    if note and card.is_file():
        card.write_text(f"{card.read_text(encoding='utf-8').rstrip()}\n{note}", encoding="utf-8")


def name_base(folder: Path, name: str) -> None:
    """Let an adapter's adapter_config.json name the base `name`, of whatever revision is there."""
    _rewrite(folder / "adapter_config.json", lambda config: config.update(base_model_name_or_path=name, revision=None))


def _name_base(folder: Path) -> None:
    """Let an adapter's card name the base that its adapter_config.json names: a model of the Hub. A base that is a
    folder of this disk is left out of the card, as the Hub refuses one that names it."""
    adapter, card = folder / "adapter_config.json", folder / "README.md"
    if not adapter.is_file() or not card.is_file():
        return
    from huggingface_hub import ModelCard

    base = str(read_json(adapter).get("base_model_name_or_path") or "")
    is_on_hub = is_hub_name(base) and local_path(base) is None
    read = ModelCard.load(card, ignore_metadata_errors=True)
    tags = [tag for tag in read.data.tags or [] if not str(tag).startswith("base_model:")]
    read.data.tags = [*([f"base_model:adapter:{base}"] if is_on_hub else []), *tags]
    read.data.base_model = base if is_on_hub else None
    read.save(card)


def _config_for_both(config: dict[str, Any]) -> None:
    """Add the rotary embedding's figures, and the number of experts, under the names that transformers 4 reads: without
    them it takes the family's defaults, of the first silently."""
    for part in (config, *(value for key, value in config.items() if key.endswith("_config"))):
        if not isinstance(part, dict):
            continue
        if "num_local_experts" in part:  # Qwen3's families have had the other name until transformers 5
            part.setdefault("num_experts", part["num_local_experts"])
        rope = part.get("rope_parameters")
        if not isinstance(rope, dict):
            continue
        local = rope.get("sliding_attention")
        if isinstance(local, dict) and "rope_theta" in local:
            part["rope_local_base_freq"] = local["rope_theta"]
        rope = rope.get("full_attention", rope)
        plain = {key: rope[key] for key in ("rope_theta", "partial_rotary_factor") if rope.get(key) is not None}
        if part.get("model_type") == "gpt_neox":
            plain = {NEOX[key]: value for key, value in plain.items()}
        part.update(plain)
        if rope.get("rope_type", "default") != "default":
            part["rope_scaling"] = {key: value for key, value in rope.items() if key not in plain}


def _tokenizer_for_both(config: dict[str, Any]) -> None:
    """Name the class and the special tokens as both versions know them."""
    if config.get("tokenizer_class") == "TokenizersBackend":
        config["tokenizer_class"] = "PreTrainedTokenizerFast"
    more = config.get("extra_special_tokens")
    if not isinstance(more, list):
        return
    named = {
        key: value
        for key, value in config.items()
        if key.endswith("_token") and key not in COMMON_TOKENS and isinstance(value, str)
    }
    del config["extra_special_tokens"]
    if more:
        config["additional_special_tokens"] = more
    if named:  # transformers 5 then lists these alone; that the others are special stands in tokenizer.json too
        config["extra_special_tokens"] = named


def _write_preprocessors(folder: Path) -> None:
    """Write the files of their own that transformers 4 looks for what prepares images, videos and sound in."""
    processor = read_json(folder / "processor_config.json")
    parts: dict[str, tuple[str, ...]] = {
        "preprocessor_config.json": ("feature_extractor", "image_processor"),
        "video_preprocessor_config.json": ("video_processor",),
    }
    for name, keys in parts.items():
        found = [processor[key] for key in keys if isinstance(processor.get(key), dict)]
        if not found or (folder / name).exists():
            continue
        settings = {key: value for part in found for key, value in part.items()}
        settings["processor_class"] = processor.get("processor_class")
        (folder / name).write_text(json.dumps(settings, indent=2) + "\n", encoding="utf-8")


def _rewrite(file: Path, change: Any) -> None:
    content = read_json(file)
    if not content:
        return
    before = json.dumps(content)
    change(content)
    if json.dumps(content) != before:
        file.write_text(json.dumps(content, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")
