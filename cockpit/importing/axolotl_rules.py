"""What becomes of the settings that Axolotl's YAML has"""

from __future__ import annotations

from cockpit.importing.gpus import NOT_SHARED, OWN_PROCESSES, split_model
from cockpit.importing.ledger import Ledger
from cockpit.importing.methods import of_method
from cockpit.importing.rules import Rule, lost, lost_unless, named, note, on, to
from cockpit.importing.settings import Setting
from cockpit.importing.templates import chat_template
from cockpit.importing.trainer_rules import (
    CHECKPOINTING,
    FAST_ATTENTION,
    HUB,
    NO_VARIANT,
    OF_MACHINE,
    SAME_ADAM,
    TRAINER,
    half_precision,
    optimizer,
    starts_as,
)

SCHEDULERS = ("linear", "cosine", "cosine_with_restarts", "polynomial", "constant", "constant_with_warmup",
              "inverse_sqrt", "reduce_lr_on_plateau", "warmup_stable_decay")  # fmt: skip
PER_EPOCH = "cockpit counts steps: {} says after how many"
KERNELS = note("Unsloth has kernels of its own, which compute the same")
TRACKER = note("the tracker takes its settings from the environment, such as WANDB_PROJECT")
TOKENS = note("tokens that begin, end and pad are those of the tokenizer and of its chat template")


def _checkpointing(ledger: Ledger, setting: Setting) -> None:
    if setting.value in ("unsloth", "offload"):
        ledger.put(setting, "training.gradient_checkpointing", "unsloth")
    else:
        CHECKPOINTING(ledger, setting)


def _min_lr(ledger: Ledger, setting: Setting) -> None:
    if ledger.put(setting, "training.lr_scheduler_kwargs.min_lr_rate"):
        ledger.put(setting, "training.lr_scheduler_type", "cosine_with_min_lr")


def _bnb(ledger: Ledger, setting: Setting) -> None:
    if isinstance(setting.value, dict) and set(setting.value) == {"bnb_4bit_use_double_quant"}:
        ledger.put(setting, "model.bnb_4bit_use_double_quant", setting.value["bnb_4bit_use_double_quant"])
    else:
        ledger.lose(setting, "of these cockpit has bnb_4bit_use_double_quant and bnb_4bit_compute_dtype")


def _peft(ledger: Ledger, setting: Setting) -> None:
    loftq = setting.value.get("loftq_config") if isinstance(setting.value, dict) else None
    if isinstance(loftq, dict) and set(setting.value) == {"loftq_config"}:
        ledger.put(setting, "lora.loftq_config", loftq)
    else:
        ledger.lose(setting, "of these cockpit has loftq_config")


def _tokens(ledger: Ledger, setting: Setting) -> None:
    if isinstance(setting.value, list):
        ledger.put(setting, "model.add_tokens")
    else:
        TOKENS(ledger, setting)


def _plugins(ledger: Ledger, setting: Setting) -> None:
    names = [str(name) for name in setting.value] if isinstance(setting.value, list) else [str(setting.value)]
    faster = ("CutCrossEntropy", "Liger", "Kernels")
    if all(any(one in name for one in faster) for name in names):
        KERNELS(ledger, setting)
    else:
        ledger.lose(setting, "plugins of Axolotl are not run")


def _put_tracker(ledger: Ledger, setting: Setting, name: str) -> None:
    known = ledger.value("output.report_to") or []
    ledger.put(setting, "output.report_to", list(dict.fromkeys([*known, name])))


def _tracker(name: str) -> Rule:
    return lambda ledger, setting: _put_tracker(ledger, setting, name)


RULES: dict[str, Rule] = {
    **TRAINER,
    "base_model_config": note("the model's own configuration is taken"),
    "base_model_ignore_patterns": note("the model's own files are taken"),
    "revision_of_model": to("model.revision"),
    "model_type": note("the class follows from the model's configuration"),
    "cls_model_config": note("the class follows from the model's configuration"),
    "tokenizer_type": note("the class follows from the model's configuration"),
    "tokenizer_config": note("the model's own tokenizer is taken"),
    "tokenizer_use_fast": note("fast tokenizers are used, as they say where tokens stand in the text"),
    "tokenizer_legacy": note("the tokenizer is taken as it is saved"),
    "tokenizer_use_mistral_common": lost("the tokenizer is transformers' own"),
    "processor_type": note("the class follows from the model's configuration"),
    "is_llama_derived_model": note("the class follows from the model's configuration"),
    "trust_remote_code": to("model.trust_remote_code"),
    "quantize_moe_experts": note("the backend quantises what it can"),
    "strict": note("files that are incomplete are refused"),
    "hf_use_auth_token": note("the token comes from the Hub's own login"),
    "sequence_len": to("model.max_seq_length"),
    "eval_sample_packing": note("held-out rows are not packed"),
    "sample_packing_eff_est": note("rows are packed best fit first"),
    "sample_packing_seq_len_multiplier": note("rows are packed best fit first"),
    "sample_packing_bin_size": note("rows are packed best fit first"),
    "sample_packing_group_size": note("rows are packed best fit first"),
    "sample_packing_sequentially": lost_unless((False,), "rows are packed best fit first, and come in random order"),
    "pretrain_multipack_attn": note("packed rows do not see each other"),
    "multipack_real_batches": note("rows are packed best fit first"),
    "total_num_tokens": note("tokens are counted before the start"),
    "max_packed_sequence_len": to("training.packing", lambda _: True),
    "lora_r": to("lora.r"),
    "lora_alpha": to("lora.lora_alpha"),
    "lora_dropout": to("lora.lora_dropout"),
    "lora_modules_to_save": to("lora.modules_to_save"),
    "lora_fan_in_fan_out": note("PEFT finds that out"),
    "peft_use_rslora": to("lora.use_rslora"),
    "peft_use_dora": to("lora.use_dora"),
    "peft_layers_to_transform": lost("cockpit adapts all layers of the names"),
    "peft_init_lora_weights": starts_as,
    "lora_target_parameters": lost("cockpit adapts layers by their names; experts that are one tensor by Unsloth"),
    "lora_model_dir": to("model.adapter"),
    "lora_mlp_kernel": KERNELS,
    "lora_qkv_kernel": KERNELS,
    "lora_o_kernel": KERNELS,
    "lora_embedding_kernel": KERNELS,
    "loraplus_lr_ratio": lost("all weights of the adapter have one learning rate"),
    "loraplus_lr_embedding": lost("all weights of the adapter have one learning rate"),
    "bnb_config_kwargs": _bnb,
    "freeze_mm_modules": on(to("lora.finetune_vision_layers", lambda _: False), note("as here")),
    "unfrozen_parameters": lost("cockpit trains an adapter, or every weight; whole layers by lora.modules_to_save"),
    "micro_batch_size": to("training.per_device_train_batch_size"),
    "eval_batch_size": to("training.per_device_eval_batch_size"),
    "num_epochs": to("training.num_train_epochs"),
    "optimizer": optimizer,
    "lr_scheduler": named("training.lr_scheduler_type", {one: one for one in SCHEDULERS},
                          "cockpit has transformers' schedulers, and none of this name"),
    "cosine_min_lr_ratio": _min_lr,
    "cosine_constant_lr_ratio": lost_unless((0, 0.0), "the cosine falls to the end"),
    "lr_quadratic_warmup": lost_unless((False,), "the warm-up rises in a line"),
    "adam_eps": lost_unless((1e-8,), SAME_ADAM),
    "eta_min": to("training.lr_scheduler_kwargs.min_lr"),
    "bfloat16": half_precision("bfloat16"),
    "float16": half_precision("float16"),
    "gradient_checkpointing": _checkpointing,
    "evals_per_epoch": note(PER_EPOCH.format("training.eval_steps")),
    "saves_per_epoch": note(PER_EPOCH.format("output.save_steps")),
    "eval_table_size": note("samples.prompts are answered while it trains, evaluation.rows too"),
    "eval_max_new_tokens": to("evaluation.max_new_tokens"),
    "do_causal_lm_eval": note("held-out rows are measured by their loss, and answers by evaluation"),
    "eval_causal_lm_metrics": note("held-out rows are measured by their loss, and answers by evaluation"),
    "do_bench_eval": lost("cockpit measures held-out rows and the recipe's suite"),
    "noisy_embedding_alpha": to("training.neftune_noise_alpha"),
    "chat_template": chat_template,
    "chat_template_jinja": lost("the template must be the model's own, or one of Unsloth's by name"),
    "chat_template_kwargs": lost("the template is given no arguments but the tools and the switch for thinking"),
    "default_system_message": lost("a system's turn stands in the rows (data.sources.columns.system)"),
    "eot_tokens": note("the end of a turn follows from the chat template"),
    "train_on_inputs": named("data.train_on", {True: "all", False: "answers"}, "it is neither true nor false"),
    "dataset_exact_deduplication": on(to("data.duplicates", lambda _: "drop"), to("data.duplicates", lambda _: "keep")),
    "shuffle_merged_datasets": lost_unless((True,), "the rows of several sources are mixed"),
    "shuffle_before_merging_datasets": note("the rows of several sources are mixed"),
    "dataset_prepared_path": note("tokenized rows are kept for the next start, in cockpit's cache"),
    "dataset_processes": note(OF_MACHINE),
    "dataset_keep_in_memory": note(OF_MACHINE),
    "dataset_shard_num": lost("see data.sources.max_rows"),
    "skip_prepare_dataset": note("rows with images are prepared as they are drawn"),
    "push_dataset_to_hub": HUB,
    "min_sample_len": lost("rows are left out by their greatest length alone (data.long_rows)"),
    "excess_length_strategy": named("data.long_rows", {"drop": "drop", "truncate": "truncate"},
                                    "long rows are truncated, split or dropped"),
    "streaming": lost_unless((False,), "rows are read to the end before training, and kept on disk"),
    "streaming_multipack_buffer_size": note("it is for streaming"),
    "curriculum_sampling": lost_unless((False,), "rows are drawn in random order"),
    "tokens": _tokens,
    "added_tokens_overrides": lost("new tokens are model.add_tokens"),
    "resize_token_embeddings_to_32x": note("the embeddings grow as far as model.add_tokens needs"),
    "plugins": _plugins,
    "cut_cross_entropy": KERNELS,
    "use_kernels": KERNELS,
    "fused_attn_kernel": KERNELS,
    "attn_implementation": note(FAST_ATTENTION),
    "flash_attention": note(FAST_ATTENTION),
    "flash_optimum": note(FAST_ATTENTION),
    "sdp_attention": note(FAST_ATTENTION),
    "xformers_attention": note(FAST_ATTENTION),
    "flex_attention": note(FAST_ATTENTION),
    "s2_attention": lost(NO_VARIANT),
    "eager_attention": note(FAST_ATTENTION),
    "experts_implementation": KERNELS,
    "torch_compile_mode": note("how it is compiled is the backend's own affair"),
    "torch_compile_backend": note("how it is compiled is the backend's own affair"),
    "device_map": note(OF_MACHINE),
    "low_cpu_mem_usage": note(OF_MACHINE),
    "experimental_skip_move_to_device": note(OF_MACHINE),
    "gpu_memory_limit": note(OF_MACHINE),
    "torch_dtype": to("model.dtype", lambda value: str(value).removeprefix("torch.")),
    "torchdistx_path": note(OF_MACHINE),
    "ddp": note("it is for several GPUs"),
    "context_parallel_size": lost_unless((1,), NOT_SHARED),
    "tensor_parallel_size": lost_unless((1,), NOT_SHARED),
    "expert_parallel_size": lost_unless((1,), NOT_SHARED),
    "fsdp_version": split_model,
    "auto_resume_from_checkpoints": note("a run is resumed with cockpit resume RUN"),
    "save_strategy": TRAINER["save_strategy"],
    "use_tensorboard": on(_tracker("tensorboard"), note("none is used")),
    "use_wandb": on(_tracker("wandb"), note("none is used")),
    "use_mlflow": on(_tracker("mlflow"), note("none is used")),
    "use_comet": on(_tracker("comet_ml"), note("none is used")),
    "use_swanlab": on(_tracker("swanlab"), note("none is used")),
    "use_trackio": on(_tracker("trackio"), note("none is used")),
    "wandb_project": _tracker("wandb"),
    "trackio_project_name": _tracker("trackio"),
    "mlflow_tracking_uri": _tracker("mlflow"),
    "wandb_name": to("output.run_name"),
    "loss_watchdog_threshold": note("watchdogs look at the loss by themselves (watchdogs.loss_diverging)"),
    "loss_watchdog_patience": note("watchdogs look at the loss by themselves (watchdogs.loss_diverging)"),
    "debug": note("cockpit data RECIPE shows the rows as they are learnt"),
    "gptq": lost_unless((False,), "cockpit quantises by bitsandbytes alone"),
    "fp8": lost_unless((False,), "cockpit trains in 16 or 32 bits"),
    "lisa_n_layers": lost(NO_VARIANT),
    "relora": lost(NO_VARIANT),
    "qat": lost(NO_VARIANT),
    "rl_beta": of_method("beta"),
    "dpo_beta": of_method("beta"),
    "dpo_label_smoothing": of_method("label_smoothing"),
    "dpo_use_weighting": of_method("use_weighting"),
    "rpo_alpha": of_method("rpo_alpha"),
    "orpo_alpha": of_method("beta"),
    "kto_desirable_weight": of_method("desirable_weight"),
    "kto_undesirable_weight": of_method("undesirable_weight"),
    "center_rewards_coefficient": of_method("center_rewards_coefficient"),
    "model_config": lost("the model's own configuration is taken"),
    "overrides_of_model_config": lost("the model's own configuration is taken"),
    "model_quantization_config": note("files that are quantised already are read as they are"),
    "model_quantization_config_kwargs": note("files that are quantised already are read as they are"),
    "activation_offloading": lost_unless((False,), "cockpit keeps activations on the GPU; see gradient_checkpointing"),
    "special_tokens": TOKENS,
    "peft": _peft,
}  # fmt: skip
BY_PREFIX: dict[str, Rule] = {
    "wandb_": TRACKER, "mlflow_": TRACKER, "comet_": TRACKER, "swanlab_": TRACKER, "trackio_": TRACKER,
    "otel_": TRACKER, "use_otel": TRACKER, "liger_": KERNELS, "flash_attn_": KERNELS, "flex_attn_": KERNELS,
    "lisa_": lost(NO_VARIANT), "gptq_": lost("cockpit quantises by bitsandbytes alone"), "fsdp": split_model,
    "relora_": lost(NO_VARIANT),
    "jagged_": lost(NO_VARIANT), "fp8_": lost("cockpit trains in 16 or 32 bits"),
    "ray_": note(OWN_PROCESSES), "use_ray": note(OWN_PROCESSES), "hub_": HUB, "eaft_": lost(NO_VARIANT),
    "expert_parallel_": lost(NOT_SHARED), "use_": lost("it is an implementation of Axolotl's own"),
}  # fmt: skip
