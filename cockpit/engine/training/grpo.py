"""grpo: prompts and rewards -> TRL's GRPOTrainer, by Unsloth or not"""

from __future__ import annotations

import importlib.util
import time
from collections.abc import Iterator
from typing import Any

import torch
from trl.trainer.utils import RepeatSampler

from cockpit.engine.compat.log_probs import lend_log_probs
from cockpit.engine.data.prepare import PreparedData
from cockpit.engine.errors import RunFailure
from cockpit.engine.model.loading import Loaded
from cockpit.engine.training.callback import EventCallback
from cockpit.engine.training.preference import drop_needless_reference
from cockpit.engine.training.rewards import reward_functions, text_of
from cockpit.engine.training.step_metrics import StepMetrics
from cockpit.engine.training.trainer import run_trainer
from cockpit.protocol.events import CompletionScored
from cockpit.recipe.recipe import Recipe
from cockpit.text.plain_text import plain_text

STAND_IN = {"prompt": [{"role": "user", "content": "a"}]}
OWN = ("rewards", "enable_thinking", "use_vllm", "vllm_gpu_memory_utilization")
"""Fields of the section that are not GRPOConfig's in the same words."""
GIB = 1 << 30
SHOWN = 100
"""Steps of a run whose completions are shown, about."""


def make_trainer(recipe: Recipe, loaded: Loaded, data: PreparedData, settings: dict[str, Any]) -> Any:
    """A RunTrainer over TRL's, which draws completions, has them rewarded, and learns from their differences. Raises
    RunFailure."""
    from datasets import Dataset
    from trl import GRPOConfig, GRPOTrainer

    grpo = recipe.grpo
    if grpo.use_vllm and importlib.util.find_spec("vllm") is None:
        raise RunFailure("vLLM is not installed.", "Install vllm, or set grpo.use_vllm to false.")
    vllm = {"vllm_mode": "colocate", "vllm_gpu_memory_utilization": grpo.vllm_gpu_memory_utilization}
    thinking = {} if grpo.enable_thinking is None else {"enable_thinking": grpo.enable_thinking}
    args = GRPOConfig(
        **settings,
        **grpo.model_dump(exclude=set(OWN)),
        **(vllm if grpo.use_vllm else {}),
        use_vllm=grpo.use_vllm,
        chat_template_kwargs=thinking or None,
        reward_weights=[reward.weight for reward in grpo.rewards],
        num_generations_eval=1,
    )
    lend_log_probs()
    seen = Seen()
    trainer = _drawing(run_trainer(GRPOTrainer))(
        model=loaded.model,
        reward_funcs=[seen.watching(one) for one in reward_functions(grpo, loaded.tokenizer)],
        args=args,
        train_dataset=Dataset.from_list([STAND_IN]),
        eval_dataset=Dataset.from_list([STAND_IN]) if data.held_out is not None else None,
        processing_class=loaded.tokenizer,
    )
    trainer.train_dataset, trainer.eval_dataset = data.train, data.held_out
    trainer.seen, trainer.group, trainer.weights = seen, grpo.num_generations, args.reward_weights
    drop_needless_reference(trainer.model)
    return trainer


def _drawing(base: type) -> type[Any]:
    return type(f"Drawing{base.__name__}", (Drawing, base), {})


class Seen:
    """The completions that were rewarded last, and what each reward gave."""

    def __init__(self) -> None:
        self.prompts: list[Any] = []
        self.completions: list[Any] = []
        self.tokens: list[int] = []
        self.rewards: dict[str, list[float | None]] = {}

    def watching(self, reward: Any) -> Any:
        """The reward function, whose results are kept."""

        def watched(prompts: Any, completions: Any, completion_ids: Any, **columns: Any) -> Any:
            given = reward(prompts=prompts, completions=completions, completion_ids=completion_ids, **columns)
            self.prompts, self.completions = list(prompts), list(completions)
            self.tokens, self.rewards[reward.__name__] = [len(one) for one in completion_ids], list(given)
            return given

        watched.__name__ = reward.__name__
        return watched

    def ends_of_group(self, step: int, group: int, weights: list[float], longest: int) -> list[CompletionScored]:
        """The best and the worst of the first prompt's completions; none where nothing was rewarded yet."""
        scored = []
        for at in range(min(group, len(self.prompts))):
            rewards = {name: given[at] for name, given in self.rewards.items()}
            total = sum(weight * (one or 0.0) for weight, one in zip(weights, rewards.values(), strict=True))
            scored.append((total, at, rewards))
        scored.sort(key=lambda one: one[0])
        return [
            CompletionScored(
                step=step,
                index=index,
                prompt=plain_text(text_of(self.prompts[at])),
                text=plain_text(text_of(self.completions[at])),
                end="max_new_tokens" if self.tokens[at] >= longest else "end_of_turn",
                new_tokens=self.tokens[at],
                reward=total,
                rewards=rewards,
            )
            for index, (total, at, rewards) in enumerate([scored[-1], scored[0]] if len(scored) > 1 else [])
        ]


class Drawing:
    """Goes before a RunTrainer: what a step learns from is known only once it has been drawn."""

    drawn: dict[str, torch.Tensor]
    step_metrics: StepMetrics
    events: EventCallback
    seen: Seen
    group: int
    weights: list[float]
    state: Any
    args: Any
    _since: float
    _shown = 0

    def training_step(self, *args: Any, **kwargs: Any) -> Any:
        """First completions are drawn and rewarded, then learnt from: how long each takes, and what memory. Of several
        micro-steps the first draws for all."""
        self._since = time.perf_counter()
        _forget_peak()
        loss = super().training_step(*args, **kwargs)  # type: ignore[misc]
        self._take("learning")
        every = max(1, self.state.max_steps // SHOWN)
        step = self.state.global_step + 1
        if step % every == 0 and step != self._shown:
            self._shown = step
            longest = self.args.max_completion_length
            self.events.completions_drawn(self.seen.ends_of_group(step, self.group, self.weights, longest))
        return loss

    def compute_loss(self, model: Any, inputs: Any, *args: Any, **kwargs: Any) -> Any:
        """What was drawn is at hand."""
        self.drawn = {
            "input_ids": torch.cat([inputs["prompt_ids"], inputs["completion_ids"]], 1),
            "attention_mask": torch.cat([inputs["prompt_mask"], inputs["completion_mask"]], 1),
            "completion_mask": torch.cat([torch.zeros_like(inputs["prompt_mask"]), inputs["completion_mask"]], 1),
        }
        if model.training:
            self._take("generation")
        return super().compute_loss(model, inputs, *args, **kwargs)  # type: ignore[misc]

    def train_sampler(self, sampler: Any) -> Any:
        """Prompts in an order that depends on seed and epoch alone, so that a resumed run finds it again."""
        return PromptsOfEpoch(sampler) if isinstance(sampler, RepeatSampler) else sampler

    def _take(self, half: str) -> None:
        now = time.perf_counter()
        self.step_metrics.add_figures({f"{half}_time_s": [now - self._since]}, "sum")
        if torch.cuda.is_available():
            self.step_metrics.add_figures({f"{half}_memory_gib": [torch.cuda.max_memory_allocated() / GIB]}, "max")
        _forget_peak()
        self._since = now


def _forget_peak() -> None:
    if torch.cuda.is_available():
        torch.cuda.reset_peak_memory_stats()


class PromptsOfEpoch(torch.utils.data.Sampler[int]):
    """The prompts as TRL's sampler repeats them; the order is drawn anew from its seed and the epoch each time."""

    epoch = 0

    def __init__(self, sampler: Any) -> None:
        self._sampler = sampler

    def set_epoch(self, epoch: int) -> None:
        """Called by the data loader before each pass."""
        self.epoch = epoch

    def __len__(self) -> int:
        return len(self._sampler)

    def __iter__(self) -> Iterator[int]:
        if self._sampler.shuffle:
            self._sampler.generator = torch.Generator().manual_seed(self._sampler.seed + self.epoch)
        return iter(self._sampler)
