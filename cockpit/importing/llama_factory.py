"""LLaMA-Factory's YAML -> a recipe"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from cockpit.importing.convert import as_bool, names_in
from cockpit.importing.gpus import OWN_PROCESSES, processes, split_model
from cockpit.importing.ledger import Ledger
from cockpit.importing.llama_factory_data import DatasetInfo
from cockpit.importing.methods import method, of_method
from cockpit.importing.rules import Rule, apply, apply_by_prefix, lose_the_rest, lost, lost_unless, named, note, on, to
from cockpit.importing.settings import Setting, Settings, refused
from cockpit.importing.templates import chat_template
from cockpit.importing.trainer_rules import FAST_ATTENTION, NO_VARIANT, NOT_LORA, OF_MACHINE, STEPS_OF_SAVING, TRAINER

TOOL = "LLaMA-Factory"
DEFAULTS: dict[str, Any] = {
    "training.per_device_train_batch_size": 8,
    "training.gradient_accumulation_steps": 1,
    "training.num_train_epochs": 3.0,
    "training.learning_rate": 5e-5,
    "training.optim": "adamw_torch_fused",
    "training.weight_decay": 0.0,
    "training.gradient_checkpointing": "non_reentrant",
    "training.seed": 42,
    "model.quantization": "none",
}
TOKENIZED = note("rows are tokenized by as many processes as there are cores, and kept for the next start")
GENERATES = lost("it is for answers after training: cockpit chat and cockpit smoke")
NO_PIXELS = lost("images have the size that the model's processor gives them")
PREFERENCE = lost("cockpit's method has nothing like it")

RULES: dict[str, Rule] = {
    **TRAINER,
    "model_revision": to("model.revision"),
    "trust_remote_code": to("model.trust_remote_code"),
    "infer_dtype": note("replies are drawn in the type of training"),
    "cache_dir": note("the Hub's cache is where HF_HOME says"),
    "use_fast_tokenizer": note("fast tokenizers are used, as they say where tokens stand in the text"),
    "low_cpu_mem_usage": note(OF_MACHINE),
    "hf_hub_token": note("the token comes from the Hub's own login, and stands in no recipe"),
    "flash_attn": note(FAST_ATTENTION),
    "enable_liger_kernel": note("Unsloth has kernels of its own, which compute the same"),
    "use_v1_kernels": note("Unsloth has kernels of its own, which compute the same"),
    "use_unsloth": on(to("backend", lambda _: "unsloth"), to("backend", lambda _: "transformers")),
    "use_unsloth_gc": on(
        to("training.gradient_checkpointing", lambda _: "unsloth"), note("see training.gradient_checkpointing")
    ),
    "disable_gradient_checkpointing": on(
        to("training.gradient_checkpointing", lambda _: "none"),
        to("training.gradient_checkpointing", lambda _: "non_reentrant"),
    ),
    "use_reentrant_gc": on(to("training.gradient_checkpointing", lambda _: "reentrant"),
                           to("training.gradient_checkpointing", lambda _: "non_reentrant")),
    "double_quantization": to("model.bnb_4bit_use_double_quant"),
    "quantization_method": lost_unless(("bnb", "bitsandbytes"), "cockpit quantises by bitsandbytes alone"),
    "quantization_type": lost_unless(("nf4",), "cockpit has nf4 alone among the 4-bit types"),
    "quantization_device_map": note(OF_MACHINE),
    "pure_bf16": on(to("model.dtype", lambda _: "bfloat16"), note("as here")),
    "upcast_layernorm": lost_unless((False,), "cockpit leaves layer norms in the model's type"),
    "upcast_lmhead_output": lost_unless((False,), "cockpit leaves the head's output in the model's type"),
    "add_tokens": to("model.add_tokens"),
    "add_special_tokens": to("model.add_tokens"),
    "resize_vocab": note("the vocabulary grows with model.add_tokens"),
    "lora_rank": to("lora.r"),
    "lora_alpha": to("lora.lora_alpha"),
    "lora_dropout": to("lora.lora_dropout"),
    "use_rslora": to("lora.use_rslora"),
    "use_dora": to("lora.use_dora"),
    "pissa_init": on(to("lora.init", lambda _: "pissa_niter_16"), note("as here")),
    "pissa_iter": note("the singular values are found in 16 rounds, or exactly with pissa as lora.init"),
    "pissa_convert": note("what is saved is right on the base as it is"),
    "additional_target": to("lora.modules_to_save"),
    "create_new_adapter": lost_unless((False,), "cockpit goes on with the adapter that model.adapter names"),
    "adapter_name_or_path": to("model.adapter"),
    "freeze_vision_tower": to("lora.finetune_vision_layers", lambda value: as_bool(value) is False),
    "freeze_language_model": to("lora.finetune_language_layers", lambda value: as_bool(value) is False),
    "freeze_multi_modal_projector": lost_unless((True,), "the projector is trained with the layers that see"),
    "template": chat_template,
    "cutoff_len": to("model.max_seq_length"),
    "max_length": to("training.max_length"),
    "train_on_prompt": named("data.train_on", {True: "all", False: "answers"}, "it is neither true nor false"),
    "mask_history": on(to("data.train_on", lambda _: "last_answer"), note("all answers of a row are learnt, as here")),
    "enable_thinking": lost("whether an answer has its reasoning follows from the rows and the chat template"),
    "default_system": lost("a system's turn stands in the rows (data.sources.columns.system)"),
    "tool_format": note("how tools are written follows from the chat template"),
    "streaming": lost_unless((False,), "rows are read to the end before training, and kept on disk"),
    "buffer_size": note("it is for streaming"),
    "mix_strategy": lost_unless(("concat",), "several sources are put together whole, or by data.sources.ratio"),
    "interleave_probs": lost("shares of sources are given as data.sources.ratio"),
    "overwrite_cache": TOKENIZED,
    "preprocessing_batch_size": TOKENIZED,
    "preprocessing_num_workers": TOKENIZED,
    "tokenized_path": TOKENIZED,
    "data_shared_file_system": note(OF_MACHINE),
    "ignore_pad_token_for_loss": lost_unless((True,), "padding is never learnt"),
    "media_dir": lost("images are looked for beside the file of the rows"),
    "plot_loss": note("cockpit draws the loss, live"),
    "compute_accuracy": note("answers are measured by evaluation"),
    "disable_shuffling": lost_unless((False,), "rows are drawn in random order"),
    "do_predict": GENERATES,
    "predict_with_generate": GENERATES,
    "max_new_tokens": to("chat.presets.0.max_new_tokens"),
    "temperature": to("chat.presets.0.temperature"),
    "top_p": to("chat.presets.0.top_p"),
    "top_k": to("chat.presets.0.top_k"),
    "infer_backend": note("replies are drawn by the backend that trains"),
    "pref_beta": of_method("beta"),
    "pref_loss": of_method("loss_type"),
    "dpo_label_smoothing": of_method("label_smoothing"),
    "ld_alpha": of_method("ld_alpha"),
    "kto_chosen_weight": of_method("desirable_weight"),
    "kto_rejected_weight": of_method("undesirable_weight"),
    "ref_model": note("the model without its adapter is the reference"),
    "rope_scaling": lost("the model's own positions are used"),
    "shift_attn": lost(NO_VARIANT),
    "loraplus_lr_ratio": lost("all weights of the adapter have one learning rate"),
    "loraplus_lr_embedding": lost("all weights of the adapter have one learning rate"),
    "use_badam": lost(NO_VARIANT),
    "fp8": lost("cockpit trains in 16 or 32 bits"),
    "ray_num_workers": processes,
    "use_kt": lost("cockpit trains on the GPU"),
    "print_param_status": note("what is trained stands in the log"),
    "enable_flash_attention_2": note(FAST_ATTENTION),
}  # fmt: skip
BY_PREFIX: dict[str, Rule] = {
    "galore_": lost(NO_VARIANT), "apollo_": lost(NO_VARIANT), "badam_": lost(NO_VARIANT), "freeze_": lost(NOT_LORA),
    "oft_": lost(NOT_LORA), "use_": lost(NO_VARIANT), "fp8_": lost("cockpit trains in 16 or 32 bits"),
    "image_": NO_PIXELS,
    "video_": lost("cockpit trains on text and images"), "audio_": lost("cockpit trains on text and images"),
    "ray_": note(OWN_PROCESSES), "pref_": PREFERENCE, "dpo_": PREFERENCE, "kto_": PREFERENCE,
    "simpo_": PREFERENCE, "vllm_": GENERATES, "sglang_": GENERATES,
    "swanlab_": note("the tracker has its own settings"),
    "fsdp": split_model, "kt_": lost("cockpit trains on the GPU"),
}  # fmt: skip


def is_llama_factory(settings: Settings) -> bool:
    """Whether the settings are LLaMA-Factory's."""
    return "model_name_or_path" in settings and any(
        name in settings for name in ("stage", "finetuning_type", "template", "do_train")
    )


def from_llama_factory(settings: Settings, path: Path) -> Ledger:
    """What becomes of the file's settings. Raises RecipeError where it is no configuration of a training."""
    ledger = Ledger(settings.file, TOOL)
    _refuse_other_work(settings)
    if model := settings.get("model_name_or_path"):
        ledger.put(model, "model.name_or_path")
    trains = _method(settings, ledger)
    _type(settings, ledger)
    _quantization(settings, ledger)
    _data(settings, ledger, path, trains)
    _target(settings, ledger)
    apply(RULES, settings, ledger)
    apply_by_prefix(BY_PREFIX, settings, ledger)
    lose_the_rest(settings, ledger)
    _defaults(ledger)
    return ledger


def _refuse_other_work(settings: Settings) -> None:
    if "export_dir" in settings and "stage" not in settings:
        wrong, right = "it exports a model, and trains none", "after a run: cockpit export RUN --as merged-16bit"
        raise refused(settings.file, None, "export_dir", wrong, right)
    trains = as_bool(settings.peek("do_train", "stage" in settings or "dataset" in settings))
    if trains is not True:
        wrong, right = "it trains nothing (do_train is not true)", "give the file that trains the model"
        raise refused(settings.file, None, "do_train", wrong, right)


def _method(settings: Settings, ledger: Ledger) -> str:
    stage = settings.get("stage") or Setting("stage", "sft")
    if stage.value == "dpo" and settings.peek("pref_loss") in ("orpo", "simpo"):
        own = settings.get("pref_loss")
        ledger.note(stage, "see pref_loss")
        return method(ledger, own or stage)
    return method(ledger, stage)


def _type(settings: Settings, ledger: Ledger) -> None:
    kind = settings.get("finetuning_type") or Setting("finetuning_type", "lora")
    if kind.value in ("lora", "full"):
        ledger.put(kind, "finetuning_type")
    else:
        ledger.lose(kind, NOT_LORA)


def _quantization(settings: Settings, ledger: Ledger) -> None:
    bits = settings.get("quantization_bit")
    if bits is None:
        return
    names = {4: "nf4", 8: "int8"}
    named("model.quantization", names, "cockpit holds weights in 16, 8 or 4 bits")(ledger, bits)


def _data(settings: Settings, ledger: Ledger, path: Path, trains: str) -> None:
    folder = settings.get("dataset_dir")
    if folder is not None:
        ledger.note(folder, "the datasets that it registers are named by their files")
    info = DatasetInfo.find(path, None if folder is None else str(folder.value))
    names, shown = settings.get("dataset"), settings.get("max_samples")
    if names is None and shown is not None:
        ledger.lose(shown, "the file names no dataset to train on")
    if names is not None:
        listed = names.value if isinstance(names.value, list) else names_in(str(names.value))
        for index, name in enumerate(listed):
            info.put(ledger, names, f"data.sources.{index}", str(name))
            if shown is not None and ledger.value(f"data.sources.{index}.max_rows") is None:
                ledger.put(shown, f"data.sources.{index}.max_rows")
            if trains == "pretraining":
                ledger.default({f"data.sources.{index}.format": "text"})
    _held_out(settings, ledger, info)


def _held_out(settings: Settings, ledger: Ledger, info: DatasetInfo) -> None:
    if (share := settings.get("val_size")) is not None:
        is_share = isinstance(share.value, float) and 0 < share.value < 1
        if share.value in (0, 0.0):
            ledger.note(share, "no rows are held out, as here")
        else:
            ledger.put(share, "data.eval_share" if is_share else "data.eval_rows")
    if (measured := settings.get("eval_dataset")) is None:
        return
    names = names_in(str(measured.value)) if not isinstance(measured.value, list) else measured.value
    if len(names) == 1:
        info.put(ledger, measured, "data.validation", str(names[0]))
    else:
        ledger.lose(measured, "cockpit measures on one dataset (data.validation), or on rows held out (data.eval_rows)")


def _target(settings: Settings, ledger: Ledger) -> None:
    target = settings.get("lora_target") or Setting("lora_target", "all")
    if ledger.value("finetuning_type") == "full":
        if "lora_target" in settings:
            ledger.note(target, "every weight is trained")
    elif "lora_target" in settings:
        to("lora.target_modules", lambda value: "all-linear" if value == "all" else value)(ledger, target)
    else:
        ledger.default({"lora.target_modules": "all-linear"})


def _defaults(ledger: Ledger) -> None:
    rank = ledger.value("lora.r") or 8
    ledger.default(DEFAULTS)
    ledger.default({"output.save_steps": STEPS_OF_SAVING})
    if ledger.value("finetuning_type") == "lora" and ledger.value("model.adapter") is None:
        ledger.default({"lora.r": rank, "lora.lora_alpha": float(rank * 2), "lora.lora_dropout": 0.0})
