"""What becomes of the arguments of the calls that a training script makes"""

from __future__ import annotations

from typing import Any

from cockpit.importing.convert import as_bool
from cockpit.importing.ledger import Ledger
from cockpit.importing.methods import PREFERENCES, REWARDED, of_method
from cockpit.importing.rules import Rule, lost, lost_unless, named, note, on, to
from cockpit.importing.settings import Setting
from cockpit.importing.templates import chat_template
from cockpit.importing.trainer_rules import FAST_ATTENTION, OF_MACHINE, TRAINER, dtype, starts_as
from cockpit.recipe.recipe import EMBEDDINGS

HANDED_OVER = note("what is handed over stands in fields of its own")
"""Of objects of the program, such as the model: they are no settings, and are not counted."""
VLLM = note("replies are drawn by the backend that trains")
TRAINED_TOKEN = note("the token comes from the Hub's own login, and stands in no recipe")


def checkpointing(ledger: Ledger, setting: Setting) -> None:
    """Unsloth's: its own kind by name, plain where it is true."""
    names = {"unsloth": "unsloth", True: "non_reentrant", "true": "non_reentrant", False: "none", "false": "none"}
    named("training.gradient_checkpointing", names, "cockpit has unsloth, plain checkpointing or none")(ledger, setting)


def loftq(ledger: Ledger, setting: Setting) -> None:
    """LoftQ's settings, where there are any."""
    if isinstance(setting.value, dict):
        ledger.put(setting, "lora.loftq_config")
    else:
        ledger.lose(setting, "LoftQ is switched on by lora.loftq_config")


def text_length(ledger: Ledger, setting: Setting) -> None:
    """The longest row, unless it is the longest that the model is prepared for anyway."""
    if setting.value == ledger.value("model.max_seq_length"):
        ledger.note(setting, "as long as model.max_seq_length, as where training.max_length is empty")
    else:
        ledger.put(setting, "training.max_length")


def text_column(ledger: Ledger, setting: Setting) -> None:
    """The column of plain texts, for sources whose form is not known otherwise."""
    sources = ledger.value("data.sources") or []
    plain = [index for index, source in enumerate(sources) if "format" not in source]
    if not plain or not setting.value:
        ledger.note(setting, "the columns of the rows are known otherwise")
    for index in plain if setting.value else []:
        ledger.put(setting, f"data.sources.{index}.format", "text")
        if setting.value != "text":
            ledger.put(setting, f"data.sources.{index}.columns.text")


def targets(ledger: Ledger, setting: Setting) -> None:
    """The layers; embeddings and head among them are trained whole, as Unsloth does."""
    names = setting.value if isinstance(setting.value, list) else None
    whole = [name for name in names or () if name in EMBEDDINGS]
    ledger.put(setting, "lora.target_modules", [name for name in names if name not in whole] if names else None)
    if whole:
        ledger.put(setting, "lora.modules_to_save", whole)


def completion_length(ledger: Ledger, setting: Setting) -> None:
    """A field of training by rewards; elsewhere prompt and answer have one length together."""
    if ledger.value("method") == "grpo":
        of_method("max_completion_length")(ledger, setting)
    else:
        ledger.note(setting, "a row is as long as training.max_length at most, prompt and answer together")


LOAD: dict[str, Rule] = {
    "model_name": to("model.name_or_path"),
    "pretrained_model_name_or_path": to("model.name_or_path"),
    "max_seq_length": to("model.max_seq_length"),
    "dtype": dtype,
    "torch_dtype": dtype,
    "load_in_4bit": note("see model.quantization"),
    "load_in_8bit": note("see model.quantization"),
    "load_in_16bit": note("see model.quantization"),
    "load_in_fp8": lost_unless((False,), "cockpit trains in 16 or 32 bits"),
    "full_finetuning": on(to("finetuning_type", lambda _: "full"), to("finetuning_type", lambda _: "lora")),
    "token": TRAINED_TOKEN,
    "use_auth_token": TRAINED_TOKEN,
    "device_map": note(OF_MACHINE),
    "max_memory": note(OF_MACHINE),
    "low_cpu_mem_usage": note(OF_MACHINE),
    "trust_remote_code": to("model.trust_remote_code"),
    "revision": to("model.revision"),
    "use_gradient_checkpointing": checkpointing,
    "use_cache": note("no cache is kept while it trains"),
    "attn_implementation": note(FAST_ATTENTION),
    "fast_inference": VLLM,
    "gpu_memory_utilization": VLLM,
    "max_lora_rank": VLLM,
    "float8_kv_cache": VLLM,
    "use_exact_model_name": note("the very model that is named is taken"),
    "fix_tokenizer": note("the tokenizer is checked before the start"),
    "random_state": note("see lora.random_state"),
    "rope_scaling": lost("the model's own positions are used"),
    "quantization_config": HANDED_OVER,
    "auto_model": note("the class follows from the model's configuration"),
    "unsloth_tiled_mlp": note(OF_MACHINE),
    "offload_embedding": note(OF_MACHINE),
    "return_logits": note("see the call that trains"),
    "cache_dir": note("the Hub's cache is where HF_HOME says"),
    "whisper_language": lost("cockpit trains on text and images"),
    "whisper_task": lost("cockpit trains on text and images"),
}
QUANTIZE: dict[str, Rule] = {
    "load_in_4bit": note("see model.quantization"),
    "load_in_8bit": note("see model.quantization"),
    "bnb_4bit_quant_type": lost_unless(("nf4",), "cockpit has nf4 alone among the 4-bit types"),
    "bnb_4bit_use_double_quant": to("model.bnb_4bit_use_double_quant"),
    "bnb_4bit_compute_dtype": to("model.bnb_4bit_compute_dtype", lambda value: str(value).removeprefix("torch.")),
    "llm_int8_skip_modules": note("layers that are trained whole are not quantised"),
}
ADAPTER: dict[str, Rule] = {
    "r": to("lora.r"),
    "lora_alpha": to("lora.lora_alpha"),
    "lora_dropout": to("lora.lora_dropout"),
    "bias": to("lora.bias"),
    "target_modules": targets,
    "modules_to_save": to("lora.modules_to_save"),
    "use_rslora": to("lora.use_rslora"),
    "use_dora": to("lora.use_dora"),
    "loftq_config": loftq,
    "init_lora_weights": starts_as,
    "random_state": to("lora.random_state"),
    "use_gradient_checkpointing": checkpointing,
    "finetune_vision_layers": to("lora.finetune_vision_layers"),
    "finetune_language_layers": to("lora.finetune_language_layers"),
    "finetune_attention_modules": to("lora.finetune_attention_modules"),
    "finetune_mlp_modules": to("lora.finetune_mlp_modules"),
    "max_seq_length": note("see model.max_seq_length"),
    "layers_to_transform": lost("cockpit adapts all layers of the names"),
    "layers_pattern": lost("cockpit adapts all layers of the names"),
    "rank_pattern": lost("all layers have one rank"),
    "alpha_pattern": lost("all layers have one alpha"),
    "task_type": note("it follows from the model"),
    "inference_mode": note("an adapter that is trained is not for inference alone"),
    "fan_in_fan_out": note("PEFT finds that out"),
    "peft_config": HANDED_OVER,
    "model": HANDED_OVER,
    "target_parameters": lost("cockpit adapts layers by their names; experts that are one tensor by Unsloth"),
    "ensure_weight_tying": note("a head that is the embeddings too is trained as one"),
    "qat_scheme": lost("cockpit has no such variant of training"),
    "temporary_location": note(OF_MACHINE),
}
TEMPLATE: dict[str, Rule] = {
    "chat_template": chat_template,
    "tokenizer": HANDED_OVER,
    "mapping": note("turns are read by role and content, and by from and value"),
    "map_eos_token": note("the end of a turn follows from the chat template"),
    "system_message": lost("a system's turn stands in the rows (data.sources.columns.system)"),
}
RESPONSES: dict[str, Rule] = {
    "instruction_part": to("data.instruction_part"),
    "response_part": to("data.response_part"),
    "trainer": HANDED_OVER,
    "force_match": note("markers are found in the tokens of each row"),
    "num_proc": note(OF_MACHINE),
    "last_response_only": on(to("data.train_on", lambda _: "last_answer"), note("all answers are learnt")),
    "tokenizer": HANDED_OVER,
}
TRAINER_CALL: dict[str, Rule] = {
    **TRAINER,
    **PREFERENCES,
    **REWARDED,
    "model": HANDED_OVER,
    "args": HANDED_OVER,
    "tokenizer": HANDED_OVER,
    "processing_class": HANDED_OVER,
    "peft_config": HANDED_OVER,
    "data_collator": HANDED_OVER,
    "formatting_func": HANDED_OVER,
    "ref_model": note("the model without its adapter is the reference"),
    "callbacks": HANDED_OVER,
    "max_seq_length": text_length,
    "max_length": text_length,
    "dataset_text_field": text_column,
    "compute_metrics": lost("answers are measured by evaluation, losses always"),
    "preprocess_logits_for_metrics": lost("answers are measured by evaluation, losses always"),
    "optimizers": lost("the optimizer is one of training.optim"),
    "neftune_noise_alpha": to("training.neftune_noise_alpha"),
    "embedding_learning_rate": of_method("embedding_learning_rate"),
    "max_prompt_length": note("a row is as long as training.max_length at most, prompt and answer together"),
    "precompute_ref_log_probs": note("the reference is worked out with each step"),
    "generate_during_eval": note("samples.prompts are answered while it trains"),
    "dataset_kwargs": note("rows are prepared here"),
    "unsloth_num_chunks": note(OF_MACHINE),
    "add_special_tokens": note("a text begins and ends with the tokenizer's special tokens"),
    "tools": lost("tools that a model may call stand in a column of the rows (data.sources.columns.tools)"),
    "max_completion_length": completion_length,
    "reward_funcs": HANDED_OVER,  # see script_rewards.py, and the weights too
    "reward_weights": HANDED_OVER,
    "vllm_mode": note("vLLM draws completions in the process that trains"),
    "vllm_sampling_params": lost("completions are drawn by grpo.temperature, top_p, top_k and min_p"),
    "log_completions": note("completions are shown with their rewards"),
    "model_init": lost("the model is loaded once"),
}
SAMPLING = ("max_new_tokens", "temperature", "top_p", "top_k", "min_p", "repetition_penalty", "do_sample")
EARLY: dict[str, Rule] = {
    "early_stopping_patience": to("training.early_stopping_patience"),
    "early_stopping_threshold": to("training.early_stopping_threshold"),
}
COLLATORS: dict[str, dict[str, Rule]] = {
    "DataCollatorForCompletionOnlyLM": {
        "response_template": to("data.response_part"),
        "instruction_template": to("data.instruction_part"),
        "tokenizer": HANDED_OVER,
        "mlm": note("words are not masked"),
    },
    "UnslothVisionDataCollator": {
        "model": HANDED_OVER,
        "processor": HANDED_OVER,
        "tokenizer": HANDED_OVER,
        "max_seq_length": text_length,
        "train_on_responses_only": on(to("data.train_on", lambda _: "answers"), to("data.train_on", lambda _: "all")),
        "instruction_part": to("data.instruction_part"),
        "response_part": to("data.response_part"),
        "resize": note("images are made as the model's processor makes them"),
        "formatting_func": HANDED_OVER,
        "force_match": note("markers are found in the tokens of each row"),
        "pad_to_multiple_of": to("training.pad_to_multiple_of"),
    },
}


def quantization(arguments: dict[str, Any], *, unless_said: bool) -> str:
    """What the switches for 4 and 8 bits come to; `unless_said`: what 4 bits are where they are not given."""
    if as_bool(arguments.get("load_in_8bit")) is True:
        return "int8"
    if as_bool(arguments.get("load_in_16bit")) is True or as_bool(arguments.get("full_finetuning")) is True:
        return "none"
    return "nf4" if as_bool(arguments.get("load_in_4bit", unless_said)) is True else "none"
