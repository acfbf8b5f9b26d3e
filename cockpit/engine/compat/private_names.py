"""Private names of torch, transformers, peft and unsloth that are leant on, where there is no public way"""

from __future__ import annotations

import functools
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING, Any, NamedTuple

if TYPE_CHECKING:
    from transformers import Trainer
else:
    Trainer = object

LEANT_ON = {
    "transformers.trainer:Trainer._save_checkpoint": "checkpoints are written to a temporary path and renamed",
    "transformers.trainer:Trainer._save_rng_state": "each of several ranks keeps its random numbers",
    "transformers.trainer:Trainer._get_train_sampler": "a resume finds the order of rows grouped by length again",
    "transformers.trainer:Trainer._get_grad_norm": "the gradient's norm before clipping is that of every step",
    "transformers.trainer:Trainer._load_optimizer_and_scheduler": "a resumed run takes up the schedule of its recipe",
    "transformers.trainer:Trainer._maybe_log_save_evaluate": "controls are taken after what a step has brought with it",
    "transformers.trainer:Trainer._save": "sharded weights are saved whole, in the form that one rank's have",
    "transformers.trainer:Trainer._save_optimizer_and_scheduler": "what their optimizer remembers is saved so too",
    "transformers.trainer:Trainer._load_from_checkpoint": "weights are taken up before they are sharded",
    "transformers.trainer:Trainer.set_initial_training_values": "steps can be added while it trains",
    "transformers.trainer:Trainer._load_best_model": "the run goes back to the best weights that are left",
    "accelerate.state:AcceleratorState.is_fsdp2": "ranks on the CPU share weights too",
    "transformers.trainer_pt_utils:LengthGroupedSampler": "rows are grouped by length",
    "transformers:AutoModelForImageTextToText._model_mapping": "a model is loaded by the class that it has",
    "transformers:Gemma3Processor._get_num_multimodal_tokens": "the tokens of images are counted before training",
    "transformers.masking_utils:is_tracing": "a pass is recorded as a CUDA graph with the masks that it has otherwise",
    "torch._dynamo:config.cache_size_limit": "hardware.dynamo_cache_size_limit is followed",
    "torch._dynamo:config.accumulated_cache_size_limit": "hardware.dynamo_accumulated_cache_size_limit is followed",
    "torch._dynamo:reset": "what was compiled to warm up is forgotten",
    "torch._inductor.async_compile:maybe_warm_pool": "the processes that compile are started before the first step",
    "trl.trainer.utils:_ChunkedLogProbFunction": "answers are compared on the CPU too",
    "torch.optim.lr_scheduler:LambdaLR.__init__": "a resumed run takes the rate that its recipe has now",
}
"""`module:name` of what must be there in the installed versions, and what it is there for."""
READ_BY_UNSLOTH = {
    "_unsloth_truncated_to": "rows that are cut already are joined and not read again",
    "unsloth_base_fast_generate": "a reply is drawn without a cache that must be compiled for",
    "_TORCH_VARLEN_ATTN": "joined rows are attended to by one kernel a layer with torch 2.11 too",
    "UNSLOTH_EXPERIMENTAL_HYBRID_PACKING": "linear attention is not probed for a minute where nothing is joined",
    "UNSLOTH_DECODE_CUDA_GRAPHS": "replies of Llama and Qwen3 are drawn by replayed CUDA graphs",
}
"""What unsloth looks for on a dataset or in the environment, and what it is there for."""


ENDLESS_EPOCHS = 1_000_000_000


class _SavedState:
    """Takes what is loaded in place of a scheduler or an optimizer, and keeps it; or gives what is saved."""

    def __init__(self, content: dict[str, Any] | None = None) -> None:
        self.content = content

    def load_state_dict(self, content: dict[str, Any]) -> None:
        self.content = content

    def state_dict(self) -> dict[str, Any] | None:
        return self.content


class Whole(NamedTuple):
    """What sharded weights are together, by their names, and what their optimizer remembers, as with one rank."""

    weights: dict[str, Any]
    optimizer: dict[str, Any]


class TrainerHooks(Trainer):
    """What transformers.Trainer does by private methods, under public names that a subclass may override.

    Goes before the backend's trainer among a class's bases.
    """

    lr_scheduler: Any
    optimizer: Any
    is_fsdp_enabled: bool
    is_sharded: bool = False
    """Whether each of several ranks has a share of the weights."""
    _whole: Whole | None = None

    def write_checkpoint(self, whole: Whole | None = None) -> None:
        """Write the state after the present step into a folder below `args.output_dir`; of sharded weights what they
        are together."""
        if whole is None:
            super()._save_checkpoint(self.model, None)
            return
        optimizer = self.optimizer
        self.optimizer, self._whole = _SavedState(whole.optimizer), whole
        try:
            with self._as_one():
                super()._save_checkpoint(self.model, None)
        finally:
            self.optimizer, self._whole = optimizer, None

    def load_weights(self, checkpoint: str) -> None:
        """Take up those of a checkpoint, before they are sharded."""
        with self._as_one():
            super()._load_from_checkpoint(checkpoint)

    def load_optimizer(self, saved: dict[str, Any]) -> None:
        """Let the optimizer of sharded weights go on as a checkpoint has `saved` it."""

    @contextmanager
    def _as_one(self) -> Iterator[None]:
        """Inside, the trainer saves and loads as with one rank."""
        is_sharded, self.is_fsdp_enabled = self.is_fsdp_enabled, False
        try:
            yield
        finally:
            self.is_fsdp_enabled = is_sharded

    def write_random_state(self, folder: str) -> None:
        """What ranks that are not the first do while that one does `write_checkpoint`: operations are summed up, and
        this rank's random numbers are written into `folder`, which is made where it is not there."""
        self.store_flos()
        super()._save_rng_state(folder)

    def train_sampler(self, sampler: Any) -> Any:
        """What draws the rows in place of the sampler that the trainer has made."""
        return sampler

    def gradient_measured(self, norm: Any) -> None:
        """Called at each step with the gradient's norm before clipping: a float or a tensor, None where unknown."""

    def load_schedule(self, saved: dict[str, Any]) -> None:
        """Take up the schedule as a checkpoint has `saved` it; state and optimizer are loaded already."""
        self.lr_scheduler.load_state_dict(saved)

    def load_best(self) -> None:
        """Load the weights of `state.best_model_checkpoint`; the trainer never does that by itself."""
        super()._load_best_model()

    def step_over(self) -> None:
        """Called after each step, once it was logged, measured and saved, and once more at the end of an epoch."""

    def create_accelerator_and_postprocess(self) -> None:
        """Gradients of sharded weights are summed up in single precision, as they are of whole ones."""
        if (plugin := self.args.fsdp_plugin_args) is not None and self.args.bf16:
            import torch
            from torch.distributed.fsdp import MixedPrecisionPolicy

            precision = MixedPrecisionPolicy(param_dtype=torch.bfloat16, reduce_dtype=torch.float32)
            plugin["mixed_precision_policy"] = precision
        super().create_accelerator_and_postprocess()
        if plugin is not None and not self.is_fsdp_enabled:
            _share_on_cpu(self.accelerator, plugin)
            self.is_fsdp_enabled = True

    def _save(self, output_dir: str | None = None, state_dict: dict[str, Any] | None = None) -> None:
        super()._save(output_dir, state_dict if self._whole is None else self._whole.weights)

    def _load_from_checkpoint(self, checkpoint: str, model: Any = None) -> None:
        if not self.is_sharded:  # else they were loaded before
            super()._load_from_checkpoint(checkpoint, model)

    def _save_checkpoint(self, model: Any, trial: Any) -> None:
        self.write_checkpoint()

    def _maybe_log_save_evaluate(self, *args: Any, **kwargs: Any) -> None:
        super()._maybe_log_save_evaluate(*args, **kwargs)
        self.step_over()

    def set_initial_training_values(self, *args: Any, **kwargs: Any) -> tuple[Any, ...]:
        """The number of epochs comes first; the loop over them ends with the last step, and steps may be added."""
        _, *others = super().set_initial_training_values(*args, **kwargs)
        return (ENDLESS_EPOCHS, *others)

    def _get_train_sampler(self, *args: Any, **kwargs: Any) -> Any:
        return self.train_sampler(super()._get_train_sampler(*args, **kwargs))

    def _get_grad_norm(self, *args: Any, **kwargs: Any) -> Any:
        norm = super()._get_grad_norm(*args, **kwargs)
        self.gradient_measured(norm)
        return norm

    def _load_optimizer_and_scheduler(self, checkpoint: Any) -> None:
        saved, of_optimizer = _SavedState(), _SavedState()
        scheduler, self.lr_scheduler = self.lr_scheduler, saved
        optimizer = self.optimizer
        try:
            if self.is_sharded:
                self.optimizer = of_optimizer
                with self._as_one():
                    super()._load_optimizer_and_scheduler(checkpoint)
            else:
                super()._load_optimizer_and_scheduler(checkpoint)
        finally:
            self.lr_scheduler, self.optimizer = scheduler, optimizer
        if of_optimizer.content is not None:
            self.load_optimizer(of_optimizer.content)
        if saved.content is not None:
            self.load_schedule(saved.content)

    def _load_best_model(self) -> None:
        pass  # it would take the checkpoint that it named last, which need not be there, nor be better


def _share_on_cpu(accelerator: Any, plugin: dict[str, Any]) -> None:
    """Let ranks on the CPU share weights as those on GPUs do: torch can, and accelerate asks GPUs alone to."""
    from accelerate.utils import DistributedType, FullyShardedDataParallelPlugin

    accelerator.state.fsdp_plugin = FullyShardedDataParallelPlugin(**plugin)
    accelerator.state.distributed_type = DistributedType.FSDP


def follows_evaluations(scheduler: Any) -> bool:
    """Whether the scheduler is no function of the step: it is told of each evaluation."""
    return not hasattr(scheduler, "lr_lambdas")


def set_schedule(scheduler: Any, source: Any) -> None:
    """Let a scheduler whose rates are functions of the step have those of `source`, one of the same kind."""
    scheduler.lr_lambdas = [source.lr_lambdas[0] for _ in scheduler.lr_lambdas]


def set_learning_rate(optimizer: Any, scheduler: Any, learning_rate: float, share: str) -> None:
    """Let the next step take the rate that the schedule, a function of the step, has after `scheduler.last_epoch` steps
    with `learning_rate` as its peak; a group of weights takes so much of it as it has under the name `share`."""
    rates = scheduler.lr_lambdas
    peaks = [learning_rate * group.get(share, 1.0) for group in optimizer.param_groups]
    scheduler.base_lrs = peaks
    for group, peak, rate in zip(optimizer.param_groups, peaks, rates, strict=True):
        group["initial_lr"] = peak
        group["lr"] = peak * rate(scheduler.last_epoch)
    scheduler._last_lr = [group["lr"] for group in optimizer.param_groups]


def logged_figures(trainer: Any) -> dict[str, list[float]]:
    """What a trainer of TRL has measured since it last logged, a number for each micro-step; empty for others."""
    measured = getattr(trainer, "_metrics", None) or getattr(trainer, "_stored_metrics", {})
    found: dict[str, list[float]] = measured.get("train", {})
    return found


def limit_recompiling(name: str, limit: int) -> None:
    """Set torch's `cache_size_limit` or `accumulated_cache_size_limit`: how often it may compile again."""
    import torch._dynamo

    setattr(torch._dynamo.config, name, limit)


def warm_compiler() -> None:
    """Start the processes that compile, and compile a function of one line. Needs a GPU; raises whatever torch does."""
    import torch
    import torch._dynamo
    from torch._inductor.async_compile import maybe_warm_pool

    try:
        maybe_warm_pool()
        numbers = torch.ones(64, device="cuda", requires_grad=True)
        torch.compile(lambda x: x.sin().sum())(numbers).backward()
    finally:
        torch._dynamo.reset()
        torch.cuda.empty_cache()


def attest_length(dataset: Any, length: int) -> None:
    """Tell Unsloth that a dataset's rows are tokenized and cut to `length` tokens: it joins no others."""
    dataset._unsloth_truncated_to = length


def skip_probe_of_joining() -> None:
    """Keep Unsloth from trying, for a minute, whether rows of a model with linear attention may be joined. It reads
    this when it makes a trainer; which recipe that is for is not known when the engine starts."""
    os.environ.setdefault("UNSLOTH_EXPERIMENTAL_HYBRID_PACKING", "0")


@contextmanager
def unsloths_decode_graphs() -> Iterator[None]:
    """Inside, Unsloth replays CUDA graphs for the families that it does so for: it reads this at each token. A reply
    during training has none, since their memory is not given back."""
    name = "UNSLOTH_DECODE_CUDA_GRAPHS"
    before = os.environ.get(name)
    os.environ.setdefault(name, "1")
    try:
        yield
    finally:
        if before is None:
            del os.environ[name]


@contextmanager
def masks_while_recorded() -> Iterator[None]:
    """Inside, transformers chooses masks while a CUDA graph is recorded as it does otherwise: it makes one for every
    pass then, as it may not look at what is padding; nothing is, here."""
    from transformers import masking_utils

    before = masking_utils.is_tracing
    masking_utils.is_tracing = lambda *_: False
    try:
        yield
    finally:
        masking_utils.is_tracing = before


def without_flex_attention(model: Any) -> None:
    """Let a model answer by scaled_dot_product_attention where it knows that: flex attention, which Unsloth chooses for
    large heads, is compiled anew for the lengths that replies have."""
    if getattr(model.config.get_text_config(), "_attn_implementation", "") == "flex_attention":
        with suppress(ValueError):
            model.set_attn_implementation("sdpa")


def generate_with_growing_cache(model: Any) -> Callable[..., Any] | None:
    """transformers' own `generate`, for a model for which Unsloth's would lay out the cache of the longest reply and
    compile; None where it does not."""
    unsloths = getattr(model.__dict__.get("generate"), "__name__", "")
    return functools.partial(type(model).generate, model) if unsloths == "unsloth_base_fast_generate" else None


@contextmanager
def renamed(model: Any, name: str) -> Iterator[None]:
    """Inside, the model counts as loaded by `name`, which libraries make paths and model cards of."""
    before = model.config._name_or_path
    model.config._name_or_path = name
    try:
        yield
    finally:
        model.config._name_or_path = before


def is_mapped(auto: Any, config: Any) -> bool:
    """Whether transformers has a class of its own for the model under `auto`, such as AutoModelForCausalLM."""
    return type(config) in auto._model_mapping


def image_tokens(processor: Any, sizes: list[tuple[int, int]]) -> int:
    """Tokens that a processor makes of images of these sizes (height, width); 0 where it does not tell."""
    try:
        return sum(map(int, processor._get_num_multimodal_tokens(image_sizes=sizes)["num_image_tokens"]))
    except Exception:
        return 0


def drop_weight_conversions(model: Any, keep: Callable[[Any], bool]) -> None:
    """Keep those that `keep` takes of the conversions by which transformers read the weights and writes them."""
    if found := getattr(model, "_weight_conversions", None):
        model._weight_conversions = [conversion for conversion in found if keep(conversion)]


def is_initialised(module: Any) -> bool:
    """Whether a module of sys.modules has been imported to its end, by whatever thread."""
    return not getattr(getattr(module, "__spec__", None), "_initializing", False)
