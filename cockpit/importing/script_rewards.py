"""What a training script rewards completions for -> the recipe's rewards"""

from __future__ import annotations

from typing import Any

from cockpit.importing.ledger import Ledger
from cockpit.importing.program import Program
from cockpit.importing.settings import Setting
from cockpit.importing.values import Call

MODULE = "rewards"
"""Where the functions are looked for once they stand in a file of their own."""


def put_rewards(program: Program, trainer: Call, ledger: Ledger, *, is_unsloth: bool) -> None:
    """The functions by their names. They stand in the program, which is not run: they are to be put elsewhere."""
    given = trainer.keywords.get("reward_funcs")
    functions = [str(one) for one in (given if isinstance(given, list | tuple) else [given]) if one is not None]
    setting = Setting(f"{trainer.last}(reward_funcs)", functions, trainer.line)
    named = [name for name in functions if name.isidentifier()]
    weights = _given(program, "reward_weights")
    if isinstance(weights, list | tuple) and len(weights) == len(functions):
        by_name: dict[str, Any] = dict(zip(functions, weights, strict=True))
    else:
        by_name = {}
    rewards = [{"function": f"{MODULE}:{name}", "weight": by_name.get(name, 1.0)} for name in named]
    if not rewards or ledger.put(setting, "grpo.rewards", rewards):
        if len(named) < len(functions):
            others = ", ".join(name for name in functions if name not in named)
            ledger.lose(setting, f"{others}: rewards are Python functions with a name")
        else:
            ledger.lose(setting, f"put {', '.join(named)} into {MODULE}.py: grpo.rewards looks for them there")
    if is_unsloth:
        _make_whole(trainer, ledger)


def _make_whole(trainer: Call, ledger: Ledger) -> None:
    """Unsloth takes num_generations rows at a time where a step's rows are no multiple of them."""
    generations = ledger.value("grpo.num_generations") or 8
    rows = ledger.value("training.per_device_train_batch_size") or 4
    if rows * (ledger.value("training.gradient_accumulation_steps") or 2) % generations:
        setting = Setting(f"{trainer.last}(per_device_train_batch_size)", rows, trainer.line)
        ledger.put(setting, "training.per_device_train_batch_size", generations)


def _given(program: Program, name: str) -> Any:
    return next((call.keywords[name] for call in program.calls if name in call.keywords), None)
