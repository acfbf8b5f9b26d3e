"""The part of the script that loads the model and puts the adapter on it"""

from __future__ import annotations

from collections.abc import Mapping

from cockpit.ejecting.layout import Argument, call, literal
from cockpit.models.published import described
from cockpit.paths import located
from cockpit.recipe.recipe import Recipe

AUTO = "torch.bfloat16 if torch.cuda.is_bf16_supported() else torch.float16"


def model_lines(recipe: Recipe, reasons: Mapping[str, str]) -> list[str]:
    """From the model's name to a model that can be trained, and its tokenizer."""
    lines = _by_unsloth(recipe, reasons) if recipe.backend == "unsloth" else _by_transformers(recipe, reasons)
    lines += ["", "if tokenizer.pad_token_id is None:", "    tokenizer.pad_token = tokenizer.eos_token"]
    return [*lines, 'tokenizer.padding_side = "right"']


def is_vision(recipe: Recipe) -> bool:
    """Whether the model is known to see: what Unsloth loads by another class."""
    found = described(recipe.model.name_or_path)
    return found is not None and found.is_vision


def class_name(recipe: Recipe) -> str:
    """Unsloth's entry for the model. FastModel takes every model; the other one is for text."""
    return "FastModel" if is_vision(recipe) else "FastLanguageModel"


def model_place(recipe: Recipe) -> str:
    """The model's name on the Hub, or its folder here."""
    path = located(recipe.model.name_or_path)
    return recipe.model.name_or_path if path is None else str(path)


def _by_unsloth(recipe: Recipe, reasons: Mapping[str, str]) -> list[str]:
    model, full = recipe.model, recipe.finetuning_type == "full"
    name, mode = class_name(recipe), recipe.training.gradient_checkpointing
    checkpointing = '"unsloth"' if mode == "unsloth" else literal(mode != "none")
    dtype = "None" if model.dtype == "auto" else f"torch.{model.dtype}"
    arguments = [
        Argument("model_name", literal(model_place(recipe)), "model.name_or_path"),
        Argument("max_seq_length", literal(model.max_seq_length), "model.max_seq_length"),
        Argument("dtype", dtype, "model.dtype"),
        Argument("load_in_4bit", literal(model.quantization == "nf4"), "model.quantization"),
        Argument("load_in_8bit", literal(model.quantization == "int8")),
        Argument("load_in_16bit", literal(model.quantization == "none" and not full)),
        *([Argument("full_finetuning", "True", "finetuning_type")] if full else []),
        *([Argument("revision", literal(model.revision), "model.revision")] if model.revision else []),
        *([Argument("trust_remote_code", "True", "model.trust_remote_code")] if model.trust_remote_code else []),
        Argument("use_gradient_checkpointing", checkpointing, "training.gradient_checkpointing"),
        Argument("random_state", literal(recipe.lora.random_state), "lora.random_state"),
        Argument("use_exact_model_name", "True"),
    ]
    lines = call(f"model, tokenizer = {name}.from_pretrained(", arguments, reasons)
    if is_vision(recipe):
        lines.append('tokenizer = getattr(tokenizer, "tokenizer", tokenizer)  # texts alone need no processor')
    if recipe.data.chat_template != "model":
        template = Argument("chat_template", literal(recipe.data.chat_template), "data.chat_template")
        lines += call("tokenizer = get_chat_template(", [Argument("", "tokenizer"), template], reasons)
    if full:
        return lines
    arguments = [
        Argument("", "model"),
        *_lora_arguments(recipe),
        *_switches(recipe),
        Argument("use_gradient_checkpointing", checkpointing),
        Argument("random_state", literal(recipe.lora.random_state)),
    ]
    return [*lines, *call(f"model = {name}.get_peft_model(", arguments, reasons)]


def _switches(recipe: Recipe) -> list[Argument]:
    lora = recipe.lora
    names = ("finetune_vision_layers", "finetune_language_layers", "finetune_attention_modules", "finetune_mlp_modules")
    if not is_vision(recipe):
        return []
    return [Argument(name, literal(getattr(lora, name)), f"lora.{name}") for name in names]


def _lora_arguments(recipe: Recipe) -> list[Argument]:
    lora = recipe.lora
    fields = ["r", "lora_alpha", "lora_dropout", "bias", "use_rslora"]
    found = [Argument(name, literal(getattr(lora, name)), f"lora.{name}") for name in fields]
    if not is_vision(recipe) or recipe.backend == "transformers":
        found.insert(0, Argument("target_modules", _targets(recipe), "lora.target_modules"))
    if lora.use_dora:
        found.append(Argument("use_dora", "True", "lora.use_dora"))
    if lora.modules_to_save:
        found.append(Argument("modules_to_save", literal(list(lora.modules_to_save)), "lora.modules_to_save"))
    return found


def _targets(recipe: Recipe) -> str:
    """The layers, less the kinds that the switches leave out."""
    lora = recipe.lora
    if lora.target_modules == "all-linear" or (lora.finetune_attention_modules and lora.finetune_mlp_modules):
        return literal(lora.target_modules)
    feed_forward = ("gate_proj", "up_proj", "down_proj", "gate_up_proj", "fc1", "fc2")
    wanted = [name for name in lora.target_modules if (name in feed_forward) == lora.finetune_mlp_modules]
    return literal(wanted)


def _by_transformers(recipe: Recipe, reasons: Mapping[str, str]) -> list[str]:
    model, full = recipe.model, recipe.finetuning_type == "full"
    on_cpu = recipe.hardware.gpu == "none"
    dtype = f"torch.{model.dtype}" if model.dtype != "auto" else "torch.float32" if on_cpu else AUTO
    lines = [f"dtype = {dtype}", f"name = {literal(model_place(recipe))}"]
    arguments = [
        Argument("", "name"),
        Argument("dtype", "dtype", "model.dtype"),
        Argument("device_map", literal("cpu") if on_cpu else literal({"": 0}), "hardware.gpu"),
        *([Argument("revision", literal(model.revision), "model.revision")] if model.revision else []),
        *([Argument("trust_remote_code", "True", "model.trust_remote_code")] if model.trust_remote_code else []),
        *_quantization(recipe),
    ]
    lines += call("model = AutoModelForCausalLM.from_pretrained(", arguments, reasons)
    lines.append('tokenizer = AutoTokenizer.from_pretrained(name, padding_side="right")')
    if full:
        return [*lines, "model.requires_grad_(True)"]
    mode = recipe.training.gradient_checkpointing
    if model.quantization != "none":
        reentrant = literal({"use_reentrant": mode == "reentrant"})
        on = literal(mode != "none")
        lines += call(
            "model = prepare_model_for_kbit_training(",
            [
                Argument("", "model"),
                Argument("use_gradient_checkpointing", on),
                Argument("gradient_checkpointing_kwargs", reentrant),
            ],
            reasons,
        )
    elif mode == "reentrant":
        lines.append("model.enable_input_require_grads()  # or no gradient would reach what is computed again")
    lines.append(f"torch.manual_seed({recipe.lora.random_state})  # the adapter's first weights")
    arguments = [*_lora_arguments(recipe), Argument("task_type", literal("CAUSAL_LM"))]
    lines += call("adapter = LoraConfig(", arguments, reasons)
    lines.append("model = get_peft_model(model, adapter)")
    if not on_cpu:
        lines += [
            "for parameter in model.parameters():  # a gradient scaler takes no weights in 16 bits",
            "    if parameter.requires_grad and parameter.dtype == torch.float16:",
            "        parameter.data = parameter.data.float()",
        ]
    return lines


def _quantization(recipe: Recipe) -> list[Argument]:
    model = recipe.model
    if model.quantization == "none":
        return []
    if model.quantization == "int8":
        code = "BitsAndBytesConfig(load_in_8bit=True)"
    else:
        compute = "dtype" if model.bnb_4bit_compute_dtype == "auto" else f"torch.{model.bnb_4bit_compute_dtype}"
        code = (
            'BitsAndBytesConfig(load_in_4bit=True, bnb_4bit_quant_type="nf4", '
            f"bnb_4bit_use_double_quant={model.bnb_4bit_use_double_quant}, bnb_4bit_compute_dtype={compute})"
        )
    return [Argument("quantization_config", code, "model.quantization")]
