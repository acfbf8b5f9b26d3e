"""The arguments of transformers' trainer, which most tools have under the same names"""

from __future__ import annotations

from typing import Any

from cockpit.importing.convert import as_bool, names_in
from cockpit.importing.gpus import split_model
from cockpit.importing.ledger import Ledger
from cockpit.importing.rules import Rule, lost, lost_unless, named, note, on, to, when
from cockpit.importing.settings import Setting

OPTIMIZERS = {
    "adamw_torch": "adamw_torch",
    "adamw_hf": "adamw_torch",
    "adamw": "adamw_torch",
    "adamw_torch_fused": "adamw_torch_fused",
    "adamw_8bit": "adamw_8bit",
    "adamw_bnb_8bit": "adamw_8bit",
    "paged_adamw_8bit": "paged_adamw_8bit",
    "adafactor": "adafactor",
    "sgd": "sgd",
}
NEAR = {"paged_adamw_32bit": "adamw_torch", "paged_adamw": "adamw_torch", "adamw_torch_8bit": "adamw_8bit"}
"""Optimizers that compute the same, or nearly, and are held in memory otherwise."""
NO_OPTIMIZER = "cockpit has the optimizers adamw_torch, adamw_torch_fused, adamw_8bit, paged_adamw_8bit, adafactor, sgd"
NO_VARIANT = "cockpit has no such variant of training"
NOT_LORA = "cockpit trains an adapter (lora) or every weight (full); the recipe trains an adapter"
OWN_FOLDER = "each run has a folder of its own, under runs/ of cockpit's"
FAST_ATTENTION = "the backend takes the fastest attention that there is"
OF_MACHINE = "how the work is spread over this machine is cockpit's own affair"
HUB = lost("after the run: cockpit export RUN --as adapter --push OWNER/NAME")
TRACKED = ("tensorboard", "wandb", "mlflow", "trackio", "swanlab", "comet_ml", "clearml", "codecarbon", "dvclive",
           "neptune", "azure_ml", "dagshub", "flyte", "kubeflow")  # fmt: skip


def optimizer(ledger: Ledger, setting: Setting) -> None:
    """The optimizer, or the one here that computes the same."""
    name = str(setting.value).strip().lower().removeprefix("optimizernames.")
    if name in NEAR:
        ledger.put(setting, "training.optim", NEAR[name])
    else:
        named("training.optim", OPTIMIZERS, NO_OPTIMIZER)(ledger, Setting(setting.name, name, setting.line))


def warmup(ledger: Ledger, setting: Setting) -> None:
    """Steps of warm-up, or a share of all where it is below 1."""
    value = setting.value
    is_share = isinstance(value, float) and 0 < value < 1
    ledger.put(setting, "training.warmup_ratio" if is_share else "training.warmup_steps")


def warmup_share(ledger: Ledger, setting: Setting) -> None:
    """A share of all steps; where warmup_steps are given too, these count."""
    if ledger.value("training.warmup_steps"):
        ledger.note(setting, "steps of warm-up are given too, and count")
    else:
        ledger.put(setting, "training.warmup_ratio")


def max_steps(ledger: Ledger, setting: Setting) -> None:
    """Steps; none, or fewer, means that epochs count."""
    if isinstance(setting.value, int | float) and setting.value <= 0:
        ledger.note(setting, "the epochs count, as here where max_steps is empty")
    else:
        ledger.put(setting, "training.max_steps")


def scheduler_settings(ledger: Ledger, setting: Setting) -> None:
    """lr_scheduler_kwargs, one by one."""
    if not isinstance(setting.value, dict):
        ledger.lose(setting, "it is no mapping of settings")
        return
    for name, value in setting.value.items():
        if not ledger.put(setting, f"training.lr_scheduler_kwargs.{name}", value):
            return


def report_to(ledger: Ledger, setting: Setting) -> None:
    """Where figures go."""
    value = setting.value
    names = [value] if isinstance(value, str) else value if isinstance(value, list) else [str(value)]
    names = [one for name in names for one in names_in(str(name))]
    if set(names) <= {"none", "None"}:
        ledger.note(setting, "figures go nowhere else, as here where report_to is empty")
    elif set(names) == {"all"}:
        ledger.lose(setting, "all that is installed there is not known here; name the trackers in output.report_to")
    elif unknown := [name for name in names if name not in TRACKED]:
        ledger.lose(setting, f"cockpit knows no tracker called {', '.join(unknown)}")
    else:
        ledger.put(setting, "output.report_to", list(dict.fromkeys(names)))


def save_strategy(ledger: Ledger, setting: Setting) -> None:
    """By steps as here; never, or by epochs, there is not."""
    said = str(setting.value).lower()
    if said == "steps":
        ledger.note(setting, "checkpoints are written every so many steps, as here")
        ledger.default({"output.save_steps": STEPS_OF_SAVING})
    elif said in ("no", "false"):
        ledger.lose(
            setting, "cockpit writes checkpoints all the same, every 200 steps where output.save_steps is empty"
        )
    else:
        ledger.lose(setting, f"cockpit writes checkpoints by steps and not by {said}; give output.save_steps")


def eval_strategy(ledger: Ledger, setting: Setting) -> None:
    """By steps as here; by epochs there is not."""
    said = str(setting.value).lower()
    if said == "steps":
        ledger.note(setting, "held-out rows are measured every so many steps, as here with training.eval_steps")
    elif said in ("no", "false"):
        ledger.note(setting, "nothing is measured, as here where no rows are held out")
    else:
        ledger.lose(setting, f"cockpit measures by steps and not by {said}; give training.eval_steps")


def checkpointing_arguments(ledger: Ledger, setting: Setting) -> None:
    """gradient_checkpointing_kwargs: reentrant or not."""
    value = setting.value
    if not isinstance(value, dict) or set(value) != {"use_reentrant"}:
        ledger.lose(setting, "only use_reentrant is known of it")
    elif ledger.value("training.gradient_checkpointing") in ("none", "unsloth"):
        ledger.note(setting, "it is for plain checkpointing")
    else:
        reentrant = as_bool(value["use_reentrant"]) is True
        ledger.put(setting, "training.gradient_checkpointing", "reentrant" if reentrant else "non_reentrant")


def starts_as(ledger: Ledger, setting: Setting) -> None:
    """init_lora_weights: PEFT's usual start, or another one."""
    if setting.value is True or str(setting.value).lower() in ("true", "default"):
        ledger.note(setting, "the adapter starts so here too")
    elif setting.value == "loftq":
        ledger.note(setting, "see lora.loftq_config")
    else:
        ledger.put(setting, "lora.init")


def dtype(ledger: Ledger, setting: Setting) -> None:
    """The type of the weights by its name, with torch. before it or not."""
    name = str(setting.value).lower().removeprefix("torch.")
    names: dict[Any, Any] = {"bf16": "bfloat16", "fp16": "float16", "fp32": "float32", "half": "float16"}
    name = names.get(name, name)
    if name in ("none", "auto", "null"):
        ledger.put(setting, "model.dtype", "auto")
    else:
        ledger.put(setting, "model.dtype", name)


def half_precision(name: str) -> Rule:
    """bf16 and fp16: on for the type, off or auto for whatever the machine has."""
    by_itself = note("the type is that of model.dtype: auto takes bfloat16 where the machine has it")
    return when(lambda value: to("model.dtype", lambda _: name) if as_bool(value) is True else by_itself)


STEPS_OF_SAVING = 500
"""transformers' own, where a file says that it saves by steps and not after how many."""
CHECKPOINTING = on(
    to("training.gradient_checkpointing", lambda _: "non_reentrant"),
    to("training.gradient_checkpointing", lambda _: "none"),
)
SAME_ADAM = "cockpit has AdamW's usual betas and epsilon (0.9, 0.999, 1e-8)"
TRAINER: dict[str, Rule] = {
    "per_device_train_batch_size": to("training.per_device_train_batch_size"),
    "per_device_eval_batch_size": to("training.per_device_eval_batch_size"),
    "gradient_accumulation_steps": to("training.gradient_accumulation_steps"),
    "max_steps": max_steps,
    "num_train_epochs": to("training.num_train_epochs"),
    "learning_rate": to("training.learning_rate"),
    "lr_scheduler_type": named(
        "training.lr_scheduler_type",
        {one: one for one in ("linear", "cosine", "cosine_with_restarts", "polynomial", "constant",
                              "constant_with_warmup", "inverse_sqrt", "reduce_lr_on_plateau", "cosine_with_min_lr",
                              "cosine_warmup_with_min_lr", "warmup_stable_decay", "greedy")},
        "cockpit has transformers' schedulers, and none of this name",
    ),
    "lr_scheduler_kwargs": scheduler_settings,
    "warmup_steps": warmup,
    "warmup_ratio": warmup_share,
    "optim": optimizer,
    "optim_args": lost("cockpit gives the optimizer no arguments of its own"),
    "weight_decay": to("training.weight_decay"),
    "max_grad_norm": to("training.max_grad_norm"),
    "neftune_noise_alpha": to("training.neftune_noise_alpha"),
    "adam_beta1": lost_unless((0.9,), SAME_ADAM),
    "adam_beta2": lost_unless((0.999,), SAME_ADAM),
    "adam_epsilon": lost_unless((1e-8,), SAME_ADAM),
    "label_smoothing_factor": lost_unless((0, 0.0), "cockpit does not smooth labels"),
    "group_by_length": to("training.group_by_length"),
    "train_sampling_strategy": named("training.group_by_length", {"group_by_length": True, "random": False},
                                     "cockpit draws rows at random or grouped by length"),
    "length_column_name": note("lengths are counted here"),
    "gradient_checkpointing": CHECKPOINTING,
    "gradient_checkpointing_kwargs": checkpointing_arguments,
    "eval_strategy": eval_strategy,
    "evaluation_strategy": eval_strategy,
    "do_eval": on(note("held-out rows are measured where there are any"), note("as where no rows are held out")),
    "eval_steps": to("training.eval_steps"),
    "eval_on_start": note("held-out rows are measured before the first step and after the last one too"),
    "eval_accumulation_steps": note("only losses are kept of an evaluation, and they take no memory"),
    "eval_delay": lost("cockpit measures from the start"),
    "load_best_model_at_end": to("training.load_best_model_at_end"),
    "metric_for_best_model": to(
        "training.metric_for_best_model", lambda value: value if str(value).startswith("eval_") else f"eval_{value}"
    ),
    "greater_is_better": to("training.greater_is_better"),
    "early_stopping_patience": to("training.early_stopping_patience"),
    "early_stopping_threshold": to("training.early_stopping_threshold"),
    "seed": to("training.seed"),
    "data_seed": note("the order of rows has the seed of training.seed"),
    "dataloader_num_workers": to("training.dataloader_num_workers"),
    "dataloader_pin_memory": note(OF_MACHINE),
    "dataloader_persistent_workers": note(OF_MACHINE),
    "dataloader_prefetch_factor": note(OF_MACHINE),
    "dataloader_drop_last": lost_unless((False,), "cockpit trains the last, smaller batch of an epoch too"),
    "remove_unused_columns": note("only the columns that the recipe names are read"),
    "label_names": note("what is learnt follows from data.train_on"),
    "save_steps": to("output.save_steps"),
    "save_total_limit": to("output.save_total_limit"),
    "save_strategy": save_strategy,
    "save_only_model": on(lost("a checkpoint here can always be resumed, and so holds the optimizer too"),
                          note("a checkpoint can be resumed, as here")),
    "save_safetensors": note("weights are saved as safetensors"),
    "save_on_each_node": note("there is one"),
    "logging_steps": to("output.logging_steps"),
    "logging_first_step": note("every step is in the log"),
    "logging_strategy": note("every step is in the log"),
    "logging_nan_inf_filter": note("a loss that is no number is shown as such"),
    "logging_dir": to("output.logging_dir"),
    "log_level": note("the log has all of it"),
    "disable_tqdm": note("cockpit draws progress itself"),
    "report_to": report_to,
    "run_name": to("output.run_name"),
    "output_dir": note(OWN_FOLDER),
    "overwrite_output_dir": note(OWN_FOLDER),
    "resume_from_checkpoint": on(lost("a run is resumed with cockpit resume RUN"),
                                 when(lambda value: note("nothing is resumed") if as_bool(value) is False
                                      else lost("a run is resumed with cockpit resume RUN"))),
    "push_to_hub": on(HUB, note("nothing is pushed before cockpit export")),
    "hub_model_id": HUB,
    "hub_strategy": HUB,
    "hub_private_repo": HUB,
    "hub_token": note("the token comes from the Hub's own login, and stands in no recipe"),
    "bf16": half_precision("bfloat16"),
    "fp16": half_precision("float16"),
    "tf32": note("the GPU multiplies in 16 bits, where this makes no difference"),
    "torch_compile": to("hardware.compile"),
    "use_cpu": on(to("hardware.gpu", lambda _: "none"), note("a GPU is taken where there is one")),
    "no_cuda": on(to("hardware.gpu", lambda _: "none"), note("a GPU is taken where there is one")),
    "deepspeed": split_model,
    "fsdp": split_model,
    "fsdp_config": split_model,
    "ddp_timeout": note("it is for several GPUs"),
    "ddp_backend": note("it is for several GPUs"),
    "ddp_find_unused_parameters": note("it is for several GPUs"),
    "local_rank": note("it is for several GPUs"),
    "accelerator_config": lost("cockpit leaves accelerate's settings as they are"),
    "include_num_input_tokens_seen": note("tokens are counted at every step"),
    "include_tokens_per_second": note("tokens are counted at every step"),
    "average_tokens_across_devices": note("it is for several GPUs"),
    "do_train": note("that is what a recipe is for"),
    "use_liger_kernel": note("Unsloth has kernels of its own, which compute the same"),
    "torch_empty_cache_steps": note(OF_MACHINE),
    "auto_find_batch_size": lost("cockpit plan tells whether a batch fits, and training.fit: auto fits it"),
    "prediction_loss_only": note("only the loss is kept of an evaluation"),
    "completion_only_loss": named("data.train_on", {True: "answers", False: "all"}, "it is neither true nor false"),
    "assistant_only_loss": on(to("data.train_on", lambda _: "answers"), note("see data.train_on")),
    "packing": to("training.packing"),
    "packing_strategy": note("rows are packed best fit first"),
    "eval_packing": note("held-out rows are not packed"),
    "padding_free": to("training.padding_free"),
    "pad_to_multiple_of": to("training.pad_to_multiple_of"),
    "max_length": to("training.max_length"),
    "max_seq_length": to("training.max_length"),
    "dataset_num_proc": note(OF_MACHINE),
    "dataset_batch_size": note(OF_MACHINE),
    "chat_template_path": lost("give the template's name as data.chat_template"),
    "eos_token": lost("the end of a turn follows from the chat template"),
    "pad_token": note("a token to pad with is found here"),
    "activation_offloading": lost_unless((False,), "cockpit keeps activations on the GPU; see gradient_checkpointing"),
    "loss_type": lost_unless(("nll",), "cockpit has the usual cross-entropy loss alone"),
    "use_mps_device": note("there is none here"),
}  # fmt: skip
