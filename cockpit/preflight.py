"""Said before anything is loaded: what cannot work on this machine, and what this version does not do yet."""

from __future__ import annotations

from cockpit.recipe.field_path import FieldPath

NOT_YET: frozenset[str] = frozenset(
    {
        "finetuning_type",
        "samples",
        "model.trust_remote_code",
        "lora.finetune_vision_layers",
        "lora.loftq_config",
        "data.sources.0.subset",
        "data.sources.0.split",
        "data.sources.0.instruction",
        "data.sources.0.ratio",
        "data.sources.0.columns.image",
        "output.merged",
        "output.push_to_hub",
        "output.report_to",
        "output.logging_dir",
    }
)
"""Fields and sections that this version's engine does not serve. A form leaves them out."""


def is_not_yet(path: FieldPath) -> bool:
    """Whether the field, or the section it stands in, waits for a later version."""
    like = [str(0 if isinstance(part, int) else part) for part in path]
    return any(".".join(like[:depth]) in NOT_YET for depth in range(1, len(like) + 1))
