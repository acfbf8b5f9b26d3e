"""An adapter's folder without weights, as PEFT saves one"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

CONFIG = {
    "peft_type": "LORA",
    "base_model_name_or_path": "maker/base",
    "revision": None,
    "r": 8,
    "lora_alpha": 32,
    "lora_dropout": 0.1,
    "bias": "none",
    "target_modules": ["v_proj", "q_proj"],
    "modules_to_save": None,
    "use_rslora": False,
    "use_dora": False,
}


def make_adapter(folder: Path, **changes: Any) -> Path:
    """`changes` are fields of adapter_config.json."""
    folder.mkdir(parents=True)
    (folder / "adapter_config.json").write_text(json.dumps(CONFIG | changes))
    header = b"{}"
    (folder / "adapter_model.safetensors").write_bytes(len(header).to_bytes(8, "little") + header)
    return folder
