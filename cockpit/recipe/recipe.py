"""The whole recipe, and the combinations of fields that cannot work."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Literal

from cockpit.recipe.chat import Chat, Samples
from cockpit.recipe.data import Data
from cockpit.recipe.evaluation import ANSWER_METRICS, TRAINER_METRICS, Evaluation
from cockpit.recipe.lifecycle import Lifecycle
from cockpit.recipe.lora import Lora
from cockpit.recipe.methods.dpo import Dpo
from cockpit.recipe.methods.grpo import Grpo, reward_charts, reward_figures
from cockpit.recipe.methods.kto import Kto
from cockpit.recipe.methods.method import LOSS, Chart, Figure, Method, MethodName
from cockpit.recipe.methods.orpo import Orpo
from cockpit.recipe.methods.pretraining import Pretraining
from cockpit.recipe.methods.registry import METHODS
from cockpit.recipe.model import Hardware, Model
from cockpit.recipe.output import Output
from cockpit.recipe.section import Conflict, Field, Section
from cockpit.recipe.sharing_rules import sharing_conflicts
from cockpit.recipe.suite import Suite
from cockpit.recipe.training import Training
from cockpit.recipe.watchdogs import Watchdogs

EMBEDDINGS = ("embed_tokens", "lm_head")
"""What embeddings and head are called in most models."""


class About(Section):
    """The recipe's header: what it does and what it needs."""

    title: str = Field(default="", max_length=80)
    """One line."""

    description: str = ""
    """What the recipe does, and for whom it is."""

    needs: str = Field(default="", max_length=24)
    """The smallest machine that runs it: CPU, 8 GiB, 16 GiB (of VRAM)."""

    duration: str = Field(default="", max_length=40)
    """About how long it takes, and on what: 1 min on 2 CPU cores."""


class Recipe(Section):
    """What to train."""

    schema_: int = Field(default=1, alias="schema", ge=1, le=1)
    """Version of this file's form."""

    method: MethodName = "sft"
    """Kind of training: sft is supervised fine-tuning on examples, pretraining learns plain texts whole, dpo and
    orpo learn from pairs of a better and a worse answer, kto from answers that are marked as desired or not,
    grpo from rewards of what it writes itself."""

    about: About = About()
    """The header."""

    backend: Literal["unsloth", "transformers"] = "unsloth"
    """Who loads and patches the model: unsloth is fast; transformers is the plain stack with peft."""

    finetuning_type: Literal["lora", "full"] = "lora"
    """lora trains an adapter; full trains every weight, which takes many times the memory."""

    model: Model
    """Which model is tuned, and how it is loaded."""

    hardware: Hardware = Hardware()
    """Where the engine runs and what it may compile."""

    lora: Lora = Lora()
    """The adapter."""

    data: Data
    """The rows to learn from."""

    pretraining: Pretraining = Pretraining()
    """What is special about continued pretraining; for method pretraining alone."""

    dpo: Dpo = Dpo()
    """What is special about direct preference optimization; for method dpo alone."""

    orpo: Orpo = Orpo()
    """What is special about odds ratio preference optimization; for method orpo alone."""

    kto: Kto = Kto()
    """What is special about Kahneman-Tversky optimization; for method kto alone."""

    grpo: Grpo = Grpo()
    """What is special about group relative policy optimization; for method grpo alone."""

    training: Training = Training()
    """How it is trained."""

    samples: Samples = Samples()
    """Prompts answered while it trains."""

    evaluation: Evaluation = Evaluation()
    """Answers measured while it trains."""

    suite: Suite = Suite()
    """Prompts with checks, for cockpit smoke after training, and for evaluation.suite while it trains."""

    chat: Chat = Chat()
    """The chat pane after training."""

    watchdogs: Watchdogs = Watchdogs()
    """What is done when training shows a sign of going wrong."""

    lifecycle: Lifecycle = Lifecycle()
    """A machine that may vanish, and what is done when the run has ended."""

    output: Output = Output()
    """What the run leaves behind and whom it reports to."""

    @property
    def kind(self) -> Method:
        """What is known of its method."""
        return METHODS[self.method]

    @property
    def figures(self) -> tuple[Figure, ...]:
        """What its method measures, the rewards of the recipe among them."""
        own = self.kind.figures
        if self.method == "grpo":
            own = (own[0], *reward_figures(self.grpo), *own[1:])
        return own if self.kind.main is LOSS else (*own, LOSS)

    @property
    def charts(self) -> tuple[Chart, ...]:
        """What is drawn of that beside the main figure; the loss is the last of it where it is not that itself."""
        if self.kind.main is LOSS:
            return self.kind.charts
        by_function = reward_charts(self.grpo) if self.method == "grpo" else ()
        return (*self.kind.charts, *by_function, Chart("loss", (LOSS.name,)))

    @property
    def copies_model(self) -> bool:
        """Whether a copy of the model is kept to compare with: with an adapter the base is there already."""
        compares = self.method in ("dpo", "kto") or (self.method == "grpo" and self.grpo.beta > 0)
        return compares and self.finetuning_type == "full"

    def conflicts(self) -> Iterator[Conflict]:
        yield from self._of_other_methods()
        yield from self._method_conflicts()
        yield from self._weights_conflicts()
        yield from self._backend_conflicts()
        yield from self.sharing_conflicts()
        yield from self._schedule_conflicts()
        yield from self._token_conflicts()
        yield from self._answer_conflicts()

    def _of_other_methods(self) -> Iterator[Conflict]:
        """The union's sections: that of the method that is chosen alone may say something."""
        for name, method in METHODS.items():
            if method.settings is None or name == self.method:
                continue
            default = method.settings()
            for field, value in getattr(self, name):
                if value != getattr(default, field):
                    wrong = f"it is for method {name}, and method is {self.method}"
                    yield Conflict(f"{name}.{field}", wrong, f"leave it out, or give {name} as method")

    def _method_conflicts(self) -> Iterator[Conflict]:
        """Fields that the method does not take as they are."""
        for field, source in self.data.every_source():
            if source.format not in ("auto", *self.kind.forms):
                wrong = f"method {self.method} does not learn from rows of the form {source.format}"
                yield Conflict(f"{field}.format", wrong, f"give {' or '.join(('auto', *self.kind.forms))}")
        for fixed in self.kind.fixed:
            value: Any = self
            for part in fixed.field.split("."):
                value = getattr(value, part)
            if value not in fixed.values:
                yield Conflict(fixed.field, fixed.wrong, fixed.right)

        rate, lora = self.pretraining.embedding_learning_rate, self.lora
        targets = [] if lora.target_modules == "all-linear" else lora.target_modules
        whole = {name.rpartition(".")[2] for name in (*lora.modules_to_save, *targets)}
        if (
            self.method == "pretraining"
            and rate is not None
            and self.finetuning_type == "lora"
            and not whole & set(EMBEDDINGS)
        ):
            wrong = "neither embeddings nor head are trained"
            right = f"name {' and '.join(EMBEDDINGS)} in lora.modules_to_save, or leave it empty"
            yield Conflict("pretraining.embedding_learning_rate", wrong, right)

        if self.kind.has_sides and "lm_head" in {name.rpartition(".")[2] for name in targets}:
            at = next(at for at, name in enumerate(targets) if name.rpartition(".")[2] == "lm_head")
            wrong = f"{self.method} multiplies by the head itself, and would leave an adapter on it out"
            yield Conflict(f"lora.target_modules.{at}", wrong, "take it out")
        if self.method == "grpo":
            yield from self._grpo_conflicts()
        if self.method == "kto" and self.kto.loss_type == "kto" and self.training.per_device_train_batch_size < 2:
            wrong = "kto estimates its KL divergence from the rows of a batch, and there is one"
            right = "give 2 or more, or apo_zero_unpaired as kto.loss_type"
            yield Conflict("training.per_device_train_batch_size", wrong, right)

    def _grpo_conflicts(self) -> Iterator[Conflict]:
        grpo, training = self.grpo, self.training
        if not grpo.rewards:
            right = "give one at least, such as {regex: ...} or {function: module:function}"
            yield Conflict("grpo.rewards", "nothing is rewarded", right)
        batch = training.per_device_train_batch_size * training.gradient_accumulation_steps * self.hardware.ranks
        if batch % grpo.num_generations:
            wrong = f"it does not divide the {batch} completions of a step"
            right = "give a divisor of per_device_train_batch_size x gradient_accumulation_steps"
            yield Conflict("grpo.num_generations", wrong, right)
        longest = min(training.max_length or self.model.max_seq_length, self.model.max_seq_length)
        if grpo.max_completion_length >= longest:
            wrong = f"no room is left for a prompt within {longest:,} tokens"
            yield Conflict(
                "grpo.max_completion_length", wrong, f"give less than {longest}, or raise model.max_seq_length"
            )

    def _weights_conflicts(self) -> Iterator[Conflict]:
        quantization = self.model.quantization
        if self.finetuning_type == "full" and quantization != "none":
            wrong = f"{quantization} weights cannot be trained, and full trains every weight"
            yield Conflict("finetuning_type", wrong, "give lora, or none as model.quantization")
        if self.finetuning_type == "full" and self.model.adapter is not None:
            wrong = "full training has no adapter to go on with"
            yield Conflict("model.adapter", wrong, "leave it empty, or give lora as finetuning_type")
        if self.finetuning_type == "full" and self.output.merged != "none":
            yield Conflict("output.merged", "full training has no adapter to merge", "give none")
        if self.lora.loftq_config is not None and quantization != "none":
            wrong = f"LoftQ quantises the base itself, and model.quantization is {quantization}"
            yield Conflict("lora.loftq_config", wrong, "give none as model.quantization, or leave it empty")
        fresh = self.finetuning_type == "lora" and self.model.adapter is None
        if self.lora.has_halves and fresh and quantization != "none":
            wrong = f"{self.lora.init} begins with the weights themselves, and model.quantization is {quantization}"
            yield Conflict("lora.init", wrong, "give default, or none as model.quantization")
        if self.lora.has_halves and fresh and self.hardware.is_sharded:
            wrong = f"{self.lora.init} holds half of each weight still, which no rank has whole"
            yield Conflict("lora.init", wrong, "give default, or ddp as hardware.parallel")
        if self.output.merged == "merged_4bit" and quantization != "nf4":
            wrong = f"merged_4bit is for an nf4 base, and model.quantization is {quantization}"
            yield Conflict("output.merged", wrong, "give merged_16bit, or nf4 as model.quantization")

    def _answer_conflicts(self) -> Iterator[Conflict]:
        answers, training = self.evaluation, self.training
        if answers.suite and not any(self.suite.prompts()):
            yield Conflict("evaluation.suite", "the recipe has no suite", "give it prompts in suite, or give false")
        if answers.rows and not self.data.holds_out:
            wrong = "no rows are held out to answer, as data.eval_rows is 0"
            yield Conflict("evaluation.rows", wrong, "give data.eval_rows, eval_share or validation too, or give 0")
        if answers.rows and any(source.format == "image_text" for _, source in self.data.every_source()):
            yield Conflict("evaluation.rows", "rows with images are not answered", "give 0")
        metric = training.metric_for_best_model
        if training.compares() and metric not in (*TRAINER_METRICS, *ANSWER_METRICS):
            known = ", ".join((*TRAINER_METRICS, *answers.names()))
            right = f"give one of {known}, or have evaluation measure more"
            yield Conflict("training.metric_for_best_model", f"no evaluation measures {metric}", right)
        if training.compares() and metric in ANSWER_METRICS:
            if metric not in answers.names():
                wrong = f"evaluation does not measure {metric}"
                right = f"it measures {', '.join(answers.names()) or 'nothing'}; give one of these, or eval_loss"
                yield Conflict("training.metric_for_best_model", wrong, right)
            elif answers.every_steps not in (None, training.eval_steps):
                wrong = f"{metric} is compared at each evaluation, every {training.eval_steps} steps"
                yield Conflict("evaluation.every_steps", wrong, "leave it empty, or give training.eval_steps as much")

    def sharing_conflicts(self) -> Iterator[Conflict]:
        """What cannot work in the way in which several GPUs are to share the work."""
        of_method = {"backend": self.backend, "method": self.method}
        yield from sharing_conflicts(self.hardware, self.model, self.training, self.data, **of_method)

    def _token_conflicts(self) -> Iterator[Conflict]:
        targets = self.lora.target_modules if isinstance(self.lora.target_modules, list) else []
        for index, name in enumerate(targets if self.model.add_tokens and self.finetuning_type == "lora" else []):
            if name.rpartition(".")[2] in EMBEDDINGS:
                wrong = f"{name} has rows that are trained as they are for model.add_tokens"
                yield Conflict(f"lora.target_modules.{index}", wrong, "take it out, or leave add_tokens empty")

    def _backend_conflicts(self) -> Iterator[Conflict]:
        if self.backend == "unsloth":
            return
        if self.training.gradient_checkpointing == "unsloth":
            wrong = "unsloth checkpointing is Unsloth's own, and backend is transformers"
            yield Conflict("training.gradient_checkpointing", wrong, "give non_reentrant, reentrant or none")
        if self.output.merged == "merged_4bit":
            wrong = "merged_4bit is Unsloth's own, and backend is transformers"
            yield Conflict("output.merged", wrong, "give merged_16bit or none")

    def _schedule_conflicts(self) -> Iterator[Conflict]:
        longest = self.model.max_seq_length
        if self.training.max_length is not None and self.training.max_length > longest:
            wrong = f"rows of {self.training.max_length:,} tokens do not fit model.max_seq_length ({longest:,})"
            yield Conflict("training.max_length", wrong, f"give at most {longest}, or raise model.max_seq_length")
        if self.training.eval_steps is not None and not self.data.holds_out:
            wrong = "no rows are held out to measure, as data.eval_rows is 0"
            yield Conflict(
                "training.eval_steps", wrong, "give data.eval_rows, eval_share or validation too, or leave it empty"
            )
        saves, measures = self.output.save_steps, self.training.eval_steps
        if self.training.load_best_model_at_end and measures is not None and (saves is None or saves % measures):
            wrong = "every checkpoint must be measured to know the best"
            right = f"give output.save_steps {measures}, or a multiple of it"
            yield Conflict("training.load_best_model_at_end", wrong, right)
        if self.training.packing and any(source.format == "image_text" for _, source in self.data.every_source()):
            yield Conflict("training.packing", "rows with images cannot be packed", "give false")
        if self.output.row_losses and any(source.format == "image_text" for _, source in self.data.every_source()):
            yield Conflict("output.row_losses", "the loss by row is not kept for rows with images", "give false")
        is_checkpointed = self.finetuning_type == "lora" or self.output.save_steps is not None
        if self.samples.prompts and self.samples.every_steps is None and not is_checkpointed:
            wrong = "they are never asked: both samples.every_steps and output.save_steps are empty"
            yield Conflict("samples.prompts", wrong, "give one of the two")
