"""ms-swift's arguments, as a command in a script, in YAML or in args.json -> a recipe"""

from __future__ import annotations

import math
import re
import shlex
from typing import Any

from cockpit.importing.convert import as_bool
from cockpit.importing.gpus import NOT_SHARED, OWN_PROCESSES, put_gpus, split_model, whole_number
from cockpit.importing.ledger import Ledger
from cockpit.importing.methods import PREFERENCES, method
from cockpit.importing.rules import Rule, apply, apply_by_prefix, lose_the_rest, lost, lost_unless, named, note, on, to
from cockpit.importing.settings import Setting, Settings, refused
from cockpit.importing.templates import chat_template
from cockpit.importing.trainer_rules import (
    FAST_ATTENTION,
    HUB,
    NO_VARIANT,
    NOT_LORA,
    OF_MACHINE,
    OWN_FOLDER,
    STEPS_OF_SAVING,
    TRAINER,
    dtype,
    starts_as,
)

TOOL = "ms-swift"
COMMAND = re.compile(r"\b(?:swift|megatron)\s+(\w+)|swift/cli/(\w+)\.py")
OWN_FILE = re.compile(r"swift/cli/\w+\.py$")
"""What stands between the options of torchrun and those of ms-swift."""
TRAINS = re.compile(r"\bswift\s+(sft|pt|rlhf)\b|swift/cli/(sft|pt|rlhf)\.py")
TRAINING = {"sft": "sft", "pt": "pretraining"}
DEFAULTS: dict[str, Any] = {
    "training.per_device_train_batch_size": 1,
    "training.num_train_epochs": 3.0,
    "training.lr_scheduler_type": "cosine",
    "training.weight_decay": 0.1,
    "training.optim": "adamw_torch_fused",
    "training.gradient_checkpointing": "non_reentrant",
    "training.seed": 42,
    "model.quantization": "none",
    "output.save_steps": STEPS_OF_SAVING,
}
OF_LORA: dict[str, Any] = {
    "lora.r": 8,
    "lora.lora_alpha": 32,
    "lora.lora_dropout": 0.05,
    "lora.target_modules": "all-linear",
    "training.learning_rate": 1e-4,
}
EFFECTIVE_ROWS = 16
"""Rows a step at least, of all processes, where gradient_accumulation_steps is not given."""
FREEZES = "cockpit trains an adapter on the layers that lora names, or every weight"


def _vision(part: str) -> Rule:
    return to(f"lora.{part}", lambda value: as_bool(value) is False)


def _columns(ledger: Ledger, setting: Setting) -> None:
    ledger.lose(setting, "columns of other names are data.sources.columns")


MACHINES = lost_unless((1, "1"), "cockpit trains on one machine; with several a step has as many times more rows there")
PROCESSES = ("NPROC_PER_NODE", "nproc_per_node", "num_processes")
"""What the environment, torchrun and accelerate call the number of processes of a machine."""
RULES: dict[str, Rule] = {
    **TRAINER,
    **PREFERENCES,
    "data_flatten": to("training.padding_free"),
    "model_type": note("the class follows from the model's configuration"),
    "model_revision": to("model.revision"),
    "use_hf": note("models and data are taken from the Hub"),
    "torch_dtype": dtype,
    "dtype": dtype,
    "attn_impl": note(FAST_ATTENTION),
    "use_flash_attn": note(FAST_ATTENTION),
    "device_map": note(OF_MACHINE),
    "max_memory": note(OF_MACHINE),
    "lora_rank": to("lora.r"),
    "lora_alpha": to("lora.lora_alpha"),
    "lora_dropout": to("lora.lora_dropout"),
    "lora_dropout_p": to("lora.lora_dropout"),
    "lora_bias": to("lora.bias"),
    "lora_dtype": note("the adapter's weights are in float32, or as Unsloth has them"),
    "use_rslora": to("lora.use_rslora"),
    "use_dora": to("lora.use_dora"),
    "modules_to_save": to("lora.modules_to_save"),
    "init_weights": starts_as,
    "init_lora_weights": starts_as,
    "target_regex": lost("cockpit names layers by the ends of their names, and by no pattern"),
    "adapters": to("model.adapter"),
    "resume_only_model": lost("a checkpoint's weights are gone on with by model.adapter"),
    "freeze_vit": _vision("finetune_vision_layers"),
    "freeze_llm": _vision("finetune_language_layers"),
    "freeze_aligner": lost_unless((True,), "the projector is trained with the layers that see"),
    "vit_lr": lost("all weights have one learning rate"),
    "aligner_lr": lost("all weights have one learning rate"),
    "lorap_lr_ratio": lost("all weights of the adapter have one learning rate"),
    "max_length": to("model.max_seq_length"),
    "truncation_strategy": named("data.long_rows", {"delete": "drop", "left": "truncate", "right": "truncate",
                                                    "split": "split"}, "long rows are truncated, split or dropped"),
    "template": chat_template,
    "template_type": chat_template,
    "system": lost("a system's turn stands in the rows (data.sources.columns.system)"),
    "agent_template": note("how tools are written follows from the chat template"),
    "loss_scale": named("data.train_on", {"default": "answers", "last_round": "last_answer", "all": "all"},
                        "the loss is taken on answers, on the last one, or on all"),
    "columns": _columns,
    "dataset_shuffle": lost_unless((True,), "rows are drawn in random order"),
    "train_dataloader_shuffle": lost_unless((True,), "rows are drawn in random order"),
    "streaming": lost_unless((False,), "rows are read to the end before training, and kept on disk"),
    "shuffle_buffer_size": note("it is for streaming"),
    "interleave_prob": lost("shares of sources are given as data.sources.ratio"),
    "strict": named("data.on_bad_row", {True: "fail", False: "skip"}, "it is neither true nor false"),
    "lazy_tokenize": note("rows are tokenized before the start, and kept for the next one"),
    "load_from_cache_file": note("tokenized rows are kept for the next start"),
    "check_model": note("the model is checked before the start"),
    "check_dataset_strategy": note("rows are checked before the start"),
    "gradient_checkpointing": on(to("training.gradient_checkpointing", lambda _: "non_reentrant"),
                                 to("training.gradient_checkpointing", lambda _: "none")),
    "vit_gradient_checkpointing": note("see training.gradient_checkpointing"),
    "batch_size": to("training.per_device_train_batch_size"),
    "eval_batch_size": to("training.per_device_eval_batch_size"),
    "padding_free": to("training.padding_free"),
    "packing_length": note("as long as model.max_seq_length"),
    "packing_num_proc": note(OF_MACHINE),
    "sequence_parallel_size": lost_unless((1, "1"), NOT_SHARED),
    "bnb_4bit_compute_dtype": to("model.bnb_4bit_compute_dtype", lambda value: str(value).removeprefix("torch.")),
    "bnb_4bit_quant_type": lost_unless(("nf4",), "cockpit has nf4 alone among the 4-bit types"),
    "bnb_4bit_use_double_quant": to("model.bnb_4bit_use_double_quant"),
    "quant_method": lost_unless(("bnb",), "cockpit quantises by bitsandbytes alone"),
    "add_version": note(OWN_FOLDER),
    "create_checkpoint_symlink": note(OWN_FOLDER),
    "logging_dir": to("output.logging_dir"),
    "ddp_find_unused_parameters": note("it is for several GPUs"),
    "new_special_tokens": to("model.add_tokens"),
    "early_stop_interval": to("training.early_stopping_patience"),
    "acc_strategy": note("the share of right tokens is not measured"),
    "predict_with_generate": lost("held-out rows are answered where evaluation.rows says so"),
    "max_new_tokens": to("chat.presets.0.max_new_tokens"),
    "temperature": to("chat.presets.0.temperature"),
    "use_liger_kernel": note("Unsloth has kernels of its own, which compute the same"),
    "use_cce": note("Unsloth has kernels of its own, which compute the same"),
    "use_logits_to_keep": note("Unsloth has kernels of its own, which compute the same"),
    "use_swift_lora": note("the adapter is PEFT's"),
    "tuner_backend": named("backend", {"peft": "transformers", "unsloth": "unsloth"}, "cockpit has Unsloth and PEFT"),
    "model_author": lost("the rows of swift/self-cognition are filled in with it there; see docs/identity.md"),
    "model_name": lost("the rows of swift/self-cognition are filled in with it there; see docs/identity.md"),
    "external_plugins": lost("plugins of ms-swift are not run"),
    "custom_register_path": lost("plugins of ms-swift are not run"),
    "use_galore": lost(NO_VARIANT),
    "lisa_activated_layers": lost(NO_VARIANT),
    "enable_dft_loss": lost(NO_VARIANT),
    "enable_channel_loss": lost(NO_VARIANT),
    "cached_dataset": lost("tokenized rows of ms-swift are not read; name the dataset"),
    "freeze_parameters_ratio": lost(FREEZES),
    "freeze_parameters": lost(FREEZES),
    "trainable_parameters": lost(FREEZES),
    "NNODES": MACHINES,
    "nnodes": MACHINES,
    "num_machines": MACHINES,
    "NODE_RANK": note(OWN_PROCESSES),
    "node_rank": note(OWN_PROCESSES),
    "PYTORCH_CUDA_ALLOC_CONF": note("a recipe sets no environment: set it where cockpit is started"),
    "OMP_NUM_THREADS": note("a recipe sets no environment: set it where cockpit is started"),
}  # fmt: skip
BY_PREFIX: dict[str, Rule] = {
    "MAX_PIXELS": lost("images have the size that the model's processor gives them"),
    "VIDEO_": lost("cockpit trains on text and images"), "FPS": lost("cockpit trains on text and images"),
    "hub_": HUB, "push_to_hub": HUB, "galore_": lost(NO_VARIANT), "lisa_": lost(NO_VARIANT),
    "vllm_": lost("it is for training by rewards"), "deepspeed": split_model, "fsdp": split_model,
    "MASTER_": note(OWN_PROCESSES), "master_": note(OWN_PROCESSES),
    "swanlab_": note("the tracker takes its settings from the environment"),
    "eval_": lost("answers are measured by evaluation and by the suite"),
}  # fmt: skip


def command_in(text: str, file: str) -> Settings | None:
    """The arguments of the first swift command of a shell script, and the variables set before it; None where there is
    none. Raises RecipeError where the shell could not read it."""
    lines = [line for line in text.split("\n") if not line.lstrip().startswith("#")]
    joined = re.sub(r"\\\s*\n", " ", "\n".join(lines))
    commands = [one for one in joined.split("\n") if COMMAND.search(one)]
    if not commands:
        return None
    line = next((one for one in commands if TRAINS.search(one)), commands[0])
    found = COMMAND.search(line)
    assert found is not None
    at = 1 + next((number for number, one in enumerate(text.split("\n")) if found[0] in one), 0)
    try:
        words = shlex.split(re.sub(r"\s#.*", "", _worked_out(line, _own_variables(joined))))
    except ValueError as error:
        raise refused(file, at, "", f"the command cannot be read ({str(error).lower()})", "mend it there") from None
    if "megatron" in found[0]:
        right = "give a command of swift sft or swift pt"
        raise refused(file, at, "", "cockpit does not train with Megatron", right)
    name = found[1] or found[2]
    settings = [Setting("swift", name, at), *_variables(joined, line, at), *_options(words, at)]
    return Settings(file, settings)


def _own_variables(text: str) -> dict[str, str]:
    """The variables that the script sets on lines of their own."""
    return dict(re.findall(r"^\s*(?:export )?(\w+)=([^\s$]+)\s*$", text, flags=re.MULTILINE))


def _worked_out(line: str, variables: dict[str, str]) -> str:
    """The line with the script's variables filled in, and quotients of whole numbers worked out."""
    filled = re.sub(r"\$\{?(\w+)\}?", lambda one: variables.get(one[1], one[0]), line)
    quotient = re.compile(r"\$\((?:expr (\d+) / (\d+)|\((\d+) */ *(\d+)\))\)")

    def result(found: re.Match[str]) -> str:
        one, other = [int(part) for part in found.groups() if part is not None]
        return str(one // other) if other else found[0]

    return quotient.sub(result, filled)


def _variables(text: str, line: str, at: int) -> list[Setting]:
    """Variables of the environment, on the command's line or exported before it."""
    before = text.partition(line)[0] + line.partition(" --")[0]
    found = re.findall(r"(?:^|\s|export )([A-Z][A-Z0-9_]+)=('[^']*'|\"[^\"]*\"|\S+)", before)
    own = _own_variables(text)
    return [Setting(name, _worked_out(value.strip("'\""), own), at) for name, value in dict(found).items()]


def _options(words: list[str], at: int) -> list[Setting]:
    found: dict[str, list[str]] = {}
    name = ""
    for word in words:
        if word.startswith("--"):
            name, equals, value = word.removeprefix("--").partition("=")
            name = name.replace("-", "_")
            found[name] = [value] if equals else []
        elif OWN_FILE.search(word):
            name = ""
        elif name:
            found[name].append(word)
    values = {key: several[0] if len(several) == 1 else several or "true" for key, several in found.items()}
    return [Setting(key, value, at) for key, value in values.items()]


def is_ms_swift(settings: Settings) -> bool:
    """Whether the settings are ms-swift's."""
    if "swift" in settings:
        return True
    tuner = any(name in settings for name in ("train_type", "tuner_type", "sft_type", "rlhf_type", "swift_version"))
    return tuner and ("model" in settings or "model_id_or_path" in settings or "model_type" in settings)


def from_ms_swift(settings: Settings) -> Ledger:
    """What becomes of the arguments. Raises RecipeError where they train nothing that cockpit trains."""
    ledger = Ledger(settings.file, TOOL)
    trains = _method(settings, ledger)
    for name in ("model", "model_id_or_path"):
        if (model := settings.get(name)) is not None:
            ledger.put(model, "model.name_or_path")
    kind = settings.get("tuner_type") or settings.get("train_type") or settings.get("sft_type")
    kind = kind or Setting("tuner_type", "lora")
    if kind.value in ("lora", "full"):
        ledger.put(kind, "finetuning_type")
    else:
        ledger.lose(kind, NOT_LORA)
    _quantization(settings, ledger)
    _data(settings, ledger, trains)
    _targets(settings, ledger)
    _gpus(settings, ledger)
    apply(RULES, settings, ledger)
    apply_by_prefix(BY_PREFIX, settings, ledger)
    lose_the_rest(settings, ledger)
    if ledger.value("training.gradient_accumulation_steps") is None:
        batch = ledger.value("training.per_device_train_batch_size") or 1
        rows = batch * _processes_there(settings)
        ledger.default({"training.gradient_accumulation_steps": math.ceil(EFFECTIVE_ROWS / rows)})
    ledger.default(DEFAULTS)
    is_full = ledger.value("finetuning_type") == "full"
    ledger.default({"training.learning_rate": 1e-5} if is_full else OF_LORA)
    return ledger


def _gpus(settings: Settings, ledger: Ledger) -> None:
    several = [one for one in map(settings.get, PROCESSES) if one is not None]
    shared = whole_number(settings.peek("sequence_parallel_size", 1)) or 1
    put_gpus(ledger, settings.get("CUDA_VISIBLE_DEVICES"), several[0] if several else None, shared=shared)


def _processes_there(settings: Settings) -> int:
    """All processes of all machines, by which ms-swift divides; those that share rows too."""
    of_machine, machines = (
        next((count for name in names if (count := whole_number(settings.peek(name)))), 1)
        for names in (PROCESSES, ("NNODES", "nnodes"))
    )
    return of_machine * machines


def _method(settings: Settings, ledger: Ledger) -> str:
    command, kind = settings.get("swift"), settings.get("rlhf_type")
    if kind is not None:
        return method(ledger, kind)
    if command is None:
        return "sft"
    name = str(command.value)
    if name == "rlhf":
        return method(ledger, Setting("rlhf_type", "dpo", command.line))
    if name not in TRAINING:
        wrong = f"swift {name} is no training that cockpit does"
        raise refused(settings.file, command.line, "", wrong, "give a command of swift sft, pt or rlhf")
    return method(ledger, Setting("swift", name, command.line))


def _quantization(settings: Settings, ledger: Ledger) -> None:
    bits = settings.get("quant_bits") or settings.get("quantization_bit")
    if bits is not None:
        text = str(bits.value)
        named("model.quantization", {"4": "nf4", "8": "int8", "0": "none"}, "cockpit holds weights in 16, 8 or 4 bits")(
            ledger, Setting(bits.name, text, bits.line)
        )


def _data(settings: Settings, ledger: Ledger, trains: str) -> None:
    named_rows = settings.get("dataset")
    several = (
        [] if named_rows is None else named_rows.value if isinstance(named_rows.value, list) else [named_rows.value]
    )
    for index, one in enumerate(several):
        assert named_rows is not None
        _source(ledger, named_rows, str(one), f"data.sources.{index}")
        if trains == "pretraining":
            ledger.default({f"data.sources.{index}.format": "text"})
    if (share := settings.get("split_dataset_ratio")) is not None:
        if str(share.value) in ("0", "0.0"):
            ledger.note(share, "no rows are held out, as here")
        else:
            ledger.put(share, "data.eval_share")
    if (measured := settings.get("val_dataset")) is not None:
        values = measured.value if isinstance(measured.value, list) else [measured.value]
        if len(values) == 1:
            _source(ledger, measured, str(values[0]), "data.validation")
        else:
            ledger.lose(measured, "cockpit measures on one dataset (data.validation)")


def _source(ledger: Ledger, setting: Setting, value: str, field: str) -> None:
    """A dataset as HF::owner/name:subset#500: its hub, its parts and how many rows are taken."""
    place, _, count = value.partition("#")
    place = place.removeprefix("HF::").removeprefix("MS::")
    place, _, subset = place.partition(":") if not re.match(r"^[A-Za-z]:[\\/]", place) else (place, "", "")
    ledger.put(setting, f"{field}.name_or_path", place)
    if count.isdigit():
        ledger.put(setting, f"{field}.max_rows", int(count))
    if subset and "/" not in subset:
        ledger.put(setting, f"{field}.subset", subset)


def _targets(settings: Settings, ledger: Ledger) -> None:
    names = settings.get("target_modules") or settings.get("lora_target_modules")
    if names is None:
        return
    value = names.value
    if str(value).lower() in ("all-linear", "all", "auto", "default"):
        ledger.put(names, "lora.target_modules", "all-linear")
    elif isinstance(value, list) and "all-linear" in value:
        more = [one for one in value if one != "all-linear"]
        ledger.put(names, "lora.target_modules", "all-linear")
        lost_names = Setting(f"{names.name} {', '.join(more)}", more, names.line)
        ledger.lose(lost_names, "all-linear stands alone; layers trained whole are lora.modules_to_save")
    else:
        ledger.put(names, "lora.target_modules")
