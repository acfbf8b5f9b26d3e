"""torchtune's YAML -> a recipe"""

from __future__ import annotations

import re
from typing import Any

from cockpit.importing.convert import as_bool
from cockpit.importing.gpus import NOT_SHARED, put_data_parallel, split_model
from cockpit.importing.ledger import Ledger
from cockpit.importing.methods import method
from cockpit.importing.rules import Rule, apply, apply_by_prefix, lose_the_rest, lost, lost_unless, named, note, on, to
from cockpit.importing.settings import Setting, Settings, refused
from cockpit.importing.torchtune_data import put_dataset
from cockpit.importing.trainer_rules import OF_MACHINE, OWN_FOLDER, SAME_ADAM

TOOL = "torchtune"
REFERENCE = re.compile(r"\$\{([\w.]+)\}")
DEFAULTS: dict[str, Any] = {
    "model.quantization": "none",
    "training.per_device_train_batch_size": 2,
    "training.gradient_accumulation_steps": 1,
    "training.optim": "adamw_torch",
    "training.lr_scheduler_type": "constant",
    "training.max_grad_norm": 0.0,
    "training.weight_decay": 0.01,
    "training.gradient_checkpointing": "none",
}
OPTIMIZERS = {"adamw": "adamw_torch", "pagedadamw8bit": "paged_adamw_8bit", "adamw8bit": "adamw_8bit",
              "pagedadamw": "adamw_torch", "sgd": "sgd", "adafactor": "adafactor"}  # fmt: skip
SCHEDULERS = {"get_cosine_schedule_with_warmup": "cosine"}
TRACKERS = {"wandblogger": "wandb", "tensorboardlogger": "tensorboard", "cometlogger": "comet_ml"}
FOLLOWS_MODEL = note("it follows from the model's own configuration")
NOT_MEASURED = note("memory, time and losses of each step are in the run")
LORA_NAMES = {"output_proj": "o_proj", "w1": "gate_proj", "w2": "down_proj", "w3": "up_proj"}
MLP = ("gate_proj", "up_proj", "down_proj")

RULES: dict[str, Rule] = {
    "model.lora_rank": to("lora.r"),
    "model.lora_alpha": to("lora.lora_alpha"),
    "model.lora_dropout": to("lora.lora_dropout"),
    "model.use_dora": to("lora.use_dora"),
    "model.quantize_base": to("model.quantization", lambda value: "nf4" if as_bool(value) is True else "none"),
    "model.max_seq_len": to("model.max_seq_length"),
    "tokenizer._component_": FOLLOWS_MODEL,
    "tokenizer.path": FOLLOWS_MODEL,
    "tokenizer.merges_file": FOLLOWS_MODEL,
    "tokenizer.max_seq_len": to("model.max_seq_length"),
    "tokenizer.image_size": FOLLOWS_MODEL,
    "tokenizer.prompt_template": lost("give the template's name as data.chat_template"),
    "max_seq_length": to("model.max_seq_length"),
    "checkpointer._component_": FOLLOWS_MODEL,
    "checkpointer.checkpoint_files": FOLLOWS_MODEL,
    "checkpointer.model_type": FOLLOWS_MODEL,
    "checkpointer.safe_serialization": note("weights are saved as safetensors"),
    "checkpointer.output_dir": note(OWN_FOLDER),
    "checkpointer.recipe_checkpoint": note("a run is resumed with cockpit resume RUN"),
    "checkpointer.adapter_checkpoint": lost("an adapter to go on with is model.adapter"),
    "checkpointer.keep_last_n_checkpoints": to("output.save_total_limit"),
    "resume_from_checkpoint": on(lost("a run is resumed with cockpit resume RUN"), note("nothing is resumed")),
    "save_adapter_weights_only": note("the adapter is saved, and checkpoints that can be resumed"),
    "optimizer.lr": to("training.learning_rate"),
    "optimizer.weight_decay": to("training.weight_decay"),
    "optimizer.fused": note("see training.optim"),
    "optimizer_in_bwd": lost_unless((False,), "cockpit steps the optimizer after the whole backward pass"),
    "lr_scheduler.num_warmup_steps": to("training.warmup_steps"),
    "loss.num_output_chunks": note("Unsloth has kernels of its own, which compute the same"),
    "epochs": to("training.num_train_epochs"),
    "batch_size": to("training.per_device_train_batch_size"),
    "gradient_accumulation_steps": to("training.gradient_accumulation_steps"),
    "clip_grad_norm": to("training.max_grad_norm"),
    "compile": to("hardware.compile"),
    "device": named("hardware.gpu", {"cuda": "auto", "cpu": "none"}, "cockpit trains on an NVIDIA GPU or the CPU"),
    "dtype": named("model.dtype", {"bf16": "bfloat16", "fp16": "float16", "fp32": "float32"},
                   "cockpit has bfloat16, float16 and float32"),
    "enable_activation_checkpointing": on(to("training.gradient_checkpointing", lambda _: "non_reentrant"),
                                          to("training.gradient_checkpointing", lambda _: "none")),
    "enable_activation_offloading": lost_unless((False,), "cockpit keeps activations on the GPU"),
    "ac_mode": lost("checkpointing is of all layers or of none"),
    "ac_option": lost("checkpointing is of all layers or of none"),
    "shuffle": lost_unless((True,), "rows are drawn in random order"),
    "seed": to("training.seed"),
    "collate_fn": FOLLOWS_MODEL,
    "log_every_n_steps": to("output.logging_steps"),
    "log_peak_memory_stats": NOT_MEASURED,
    "log_level": note("the log has all of it"),
    "output_dir": note(OWN_FOLDER),
    "metric_logger.log_dir": note(OWN_FOLDER),
    "metric_logger.project": note("the tracker takes its settings from the environment, such as WANDB_PROJECT"),
    "low_cpu_ram": note(OF_MACHINE),
    "fsdp_cpu_offload": split_model,
    "custom_sharded_layers": split_model,
    "memory_efficient_fsdp_wrap": split_model,
    "fsdp.cpu_offload": split_model,
    "tensor_parallel_dim": lost_unless((1,), NOT_SHARED),
}  # fmt: skip
BY_PREFIX: dict[str, Rule] = {
    "checkpointer.checkpoint_files.": FOLLOWS_MODEL,
    "ref_checkpointer.": note("the model without its adapter is the reference"),
    "tokenizer.": FOLLOWS_MODEL,
    "profiler.": note("a run's times stand in its log"),
    "quantizer.": lost("cockpit has no quantisation-aware training"),
    "tensor_parallel_plan": lost(NOT_SHARED),
    "model.": lost("the model's own configuration is taken"),
    "optimizer.": lost(SAME_ADAM),
    "metric_logger.": note("the tracker takes its settings from the environment"),
}


def is_torchtune(settings: Settings) -> bool:
    """Whether the settings, flattened, are torchtune's."""
    return any("_component_" in one.name for one in settings)


def with_references(found: list[Setting]) -> list[Setting]:
    """The flattened settings, ${...} in them replaced by what they refer to."""
    values = {one.name: one.value for one in found}

    def filled(value: Any) -> Any:
        if not isinstance(value, str):
            return value
        return REFERENCE.sub(lambda one: str(values.get(one[1], one[0])), value)

    return [Setting(one.name, filled(one.value), one.line) for one in found]


def from_torchtune(settings: Settings) -> Ledger:
    """What becomes of the file's settings, which are flattened. Raises RecipeError where it trains nothing."""
    ledger = Ledger(settings.file, TOOL)
    _refuse_other_work(settings)
    loss = settings.get("loss._component_") or Setting("loss._component_", "CrossEntropyLoss")
    is_preference = "rlhf" in str(loss.value)
    trains = method(ledger, Setting(loss.name, "dpo" if is_preference else "sft", loss.line))
    if not is_preference:
        ledger.note(loss, "the loss is cross-entropy, as here")
    _model(settings, ledger)
    put_dataset(settings, ledger, trains)
    _optimizer(settings, ledger)
    _steps(settings, ledger)
    if trains == "dpo":
        for name in ("beta", "label_smoothing"):
            if (setting := settings.get(f"loss.{name}")) is not None:
                ledger.put(setting, f"dpo.{name}")
    put_data_parallel(settings, ledger, "data_parallel_shard_dim", "data_parallel_replicate_dim")
    apply(RULES, settings, ledger)
    apply_by_prefix(BY_PREFIX, settings, ledger)
    lose_the_rest(settings, ledger)
    ledger.default(DEFAULTS)
    return ledger


def _refuse_other_work(settings: Settings) -> None:
    if any(one.name.startswith(("teacher_model.", "kd_loss.")) for one in settings):
        right = "give the configuration of a fine-tuning"
        raise refused(settings.file, None, "teacher_model", "cockpit does not distil from another model", right)
    if any(one.name.startswith(("policy_model.", "reward_and_value_model.")) for one in settings):
        right = "give the configuration of a fine-tuning"
        raise refused(settings.file, None, "policy_model", "cockpit does not train by ppo", right)
    if not any(one.name.startswith("optimizer.") for one in settings):
        wrong = "it trains nothing (it has no optimizer)"
        raise refused(settings.file, None, "", wrong, "give the file that trains the model")


def _model(settings: Settings, ledger: Ledger) -> None:
    folder = settings.get("checkpointer.checkpoint_dir")
    if folder is not None:
        place = str(folder.value).rstrip("/").removesuffix("/original")
        ledger.put(folder, "model.name_or_path", place)
    component = settings.get("model._component_")
    name = "" if component is None else str(component.value).rpartition(".")[2]
    is_lora = name.startswith(("lora_", "qlora_")) or any(one.name == "model.lora_rank" for one in settings)
    if component is not None:
        ledger.put(component, "finetuning_type", "lora" if is_lora else "full")
        if name.startswith("qlora_"):
            ledger.put(component, "model.quantization", "nf4")
    if not is_lora:
        return
    modules = settings.get("model.lora_attn_modules")
    names = [LORA_NAMES.get(str(one), str(one)) for one in (modules.value if modules is not None else ())]
    for switch, more in (("apply_lora_to_mlp", MLP), ("apply_lora_to_output", ("lm_head",))):
        setting = settings.get(f"model.{switch}")
        if setting is None:
            continue
        if as_bool(setting.value) is True:
            names += more
            ledger.put(setting, "lora.target_modules", names)
        else:
            ledger.note(setting, "these layers get no adapter, as they are not named")
    if modules is not None:
        ledger.put(modules, "lora.target_modules", names)


def _optimizer(settings: Settings, ledger: Ledger) -> None:
    component = settings.get("optimizer._component_")
    if component is not None:
        name = str(component.value).rpartition(".")[2].lower()
        fused = as_bool(settings.peek("optimizer.fused", False)) is True
        if name in OPTIMIZERS:
            ledger.put(component, "training.optim", "adamw_torch_fused" if fused else OPTIMIZERS[name])
        else:
            ledger.lose(component, f"cockpit has no optimizer called {name}")
    if (schedule := settings.get("lr_scheduler._component_")) is not None:
        known = SCHEDULERS.get(str(schedule.value).rpartition(".")[2])
        if known is None:
            ledger.lose(schedule, "cockpit has transformers' schedulers, and none of this name")
        else:
            ledger.put(schedule, "training.lr_scheduler_type", known)
    if (logger := settings.get("metric_logger._component_")) is not None:
        tracker = TRACKERS.get(str(logger.value).rpartition(".")[2].lower())
        if tracker is None:
            ledger.note(logger, "the run's own log has every figure")
        else:
            ledger.put(logger, "output.report_to", [tracker])


def _steps(settings: Settings, ledger: Ledger) -> None:
    """Steps are counted by epoch there."""
    per_epoch = settings.get("max_steps_per_epoch")
    if per_epoch is None:
        return
    epochs = settings.peek("epochs", 1)
    if isinstance(per_epoch.value, int) and isinstance(epochs, int):
        ledger.put(per_epoch, "training.max_steps", per_epoch.value * epochs)
    else:
        ledger.lose(per_epoch, "cockpit counts steps over the whole run (training.max_steps)")
