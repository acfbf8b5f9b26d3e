"""A training script or notebook of Unsloth, or of transformers with trl -> a recipe"""

from __future__ import annotations

import re
from typing import Any

from cockpit.importing.formatting import formatted
from cockpit.importing.ledger import Ledger
from cockpit.importing.methods import method
from cockpit.importing.program import Program
from cockpit.importing.rules import Rule
from cockpit.importing.script_data import put_rows
from cockpit.importing.script_rewards import put_rewards
from cockpit.importing.script_rules import (
    ADAPTER,
    COLLATORS,
    EARLY,
    HANDED_OVER,
    LOAD,
    QUANTIZE,
    RESPONSES,
    TEMPLATE,
    TRAINER_CALL,
    quantization,
)
from cockpit.importing.script_surroundings import put_replies, put_surroundings
from cockpit.importing.settings import Setting, is_empty, refused
from cockpit.importing.values import Call, Count, Record, Rows, Symbol, Unknown

TRAINERS = {"SFTTrainer": "sft", "UnslothTrainer": "sft", "UnslothSFTTrainer": "sft", "Trainer": "sft",
            "Seq2SeqTrainer": "sft", "DPOTrainer": "dpo", "ORPOTrainer": "orpo", "KTOTrainer": "kto",
            "GRPOTrainer": "grpo", "RewardTrainer": "reward"}  # fmt: skip
OTHER_TRAINERS = re.compile(r"^[A-Z]\w*Trainer$")
LOADERS = re.compile(r"^_?(Fast\w*Model|AutoModel\w*|AutoPeftModel\w*)\.from_pretrained$")
CONFIGS = re.compile(r"^(\w+Config|\w*TrainingArguments)$")
NOT_TRAINING = {"LoraConfig", "BitsAndBytesConfig", "AutoConfig", "GenerationConfig", "PeftConfig"}
BY_UNSLOTH: dict[str, Any] = {
    "training.per_device_train_batch_size": 4,
    "training.gradient_accumulation_steps": 2,
    "training.num_train_epochs": 3.0,
    "training.learning_rate": 5e-5,
    "training.weight_decay": 0.001,
    "training.warmup_ratio": 0.1,
    "training.optim": "adamw_8bit",
    "training.seed": 3407,
}
BY_TRANSFORMERS: dict[str, Any] = {
    "training.per_device_train_batch_size": 8,
    "training.gradient_accumulation_steps": 1,
    "training.num_train_epochs": 3.0,
    "training.learning_rate": 2e-5,
    "training.weight_decay": 0.0,
    "training.optim": "adamw_torch_fused",
    "training.gradient_checkpointing": "non_reentrant",
    "training.seed": 42,
}


def from_program(program: Program, file: str) -> Ledger:
    """What becomes of the calls' arguments. Raises RecipeError where the program trains nothing."""
    loads = [call for call in program.calls if LOADERS.match(call.name)]
    trainers = [call for call in program.calls if _makes_trainer(program, call)]
    if not trainers:
        wrong = "it makes no trainer, such as SFTTrainer(...)"
        raise refused(file, None, "", wrong, "give the script or notebook that trains the model")
    trainer = next((call for call in trainers if trainer_of(program, call.last) in TRAINERS), trainers[0])
    made_of = trainer_of(program, trainer.last)
    is_unsloth = any("Fast" in call.name for call in loads) or not loads
    ledger = Ledger(file, "Unsloth" if is_unsloth else "transformers and trl")
    kind = Setting(f"{trainer.last}()", TRAINERS.get(made_of, trainer.last), trainer.line)
    if made_of != trainer.last and made_of in TRAINERS:
        ledger.lose(Setting(f"class {trainer.last}({made_of})", "", trainer.line), "what it does otherwise is its own")
    trains = method(ledger, kind, reads_rewards=True)
    if trains == "sft" and any("embedding_learning_rate" in call.keywords for call in program.calls):
        trains = "pretraining"
        ledger.put(kind, "method", trains)
    if not is_unsloth:
        ledger.put(kind, "backend", "transformers")
    _put_model(program, loads, ledger, is_unsloth)
    _put_adapter(program, ledger, is_unsloth, loads)
    _put_template(program, ledger)
    _put_data(program, trainer, ledger, trains)
    _put_arguments(program, trainer, ledger)
    if trains == "grpo":
        put_rewards(program, trainer, ledger, is_unsloth=is_unsloth)
    _put_surroundings(program, ledger)
    ledger.default(_defaults(ledger, is_unsloth))
    sources = ledger.value("data.sources") or []
    if own := _made_by_itself(program, trainer):
        ledger.lose(
            own, "the program makes the rows' tokens, and says what of them is learnt: set data.train_on as it does"
        )
    elif trains == "sft" and not all(source.get("format") == "text" for source in sources):
        ledger.default({"data.train_on": "all"})
    return ledger


def _makes_trainer(program: Program, call: Call) -> bool:
    return bool(OTHER_TRAINERS.match(call.last)) or trainer_of(program, call.last) in TRAINERS


def _made_by_itself(program: Program, trainer: Call) -> Setting | None:
    """What says that the rows come to the trainer as tokens; None where that, or a collator, makes tokens of them."""
    if "data_collator" in trainer.keywords:
        return None
    for call in program.calls:
        options = call.keywords.get("dataset_kwargs")
        if isinstance(options, dict) and options.get("skip_prepare_dataset") is True:
            return Setting(f"{call.last}(dataset_kwargs)", plain(options), call.line)
    return None


def trainer_of(program: Program, name: str) -> str:
    """The trainer of a library that a class of the program is made of; the name itself where it is none of these."""
    seen, ahead = set[str](), [name]
    while ahead:
        one = ahead.pop()
        if one in TRAINERS:
            return one
        if one not in seen:
            seen.add(one)
            ahead += program.bases.get(one, [])
    return name


def take(ledger: Ledger, call: Call, rules: dict[str, Rule], names: tuple[str, ...] = ()) -> None:
    """Let the rules say what becomes of the call's arguments; `names` are those of the arguments without a name."""
    given = {**dict(zip(names, call.args, strict=False)), **call.keywords}
    # Checkpointing says whether at all before its arguments say how.
    for name in sorted(given, key=lambda one: one.endswith("_kwargs")):
        value = given[name]
        setting = Setting(f"{call.last}({name})", shown(value), call.line)
        rule = rules.get(name)
        if is_empty(value) or rule is HANDED_OVER:
            continue
        if rule is None:
            ledger.lose(setting, "cockpit has no such setting")
        elif needs_run(value) and not _is_told_apart(rule, value):
            ledger.lose(setting, "the program works its value out")
        else:
            rule(ledger, Setting(setting.name, plain(value), setting.line))


def _is_told_apart(rule: Rule, value: Any) -> bool:
    """Whether the rule needs no value: what is handed over, and types that depend on the machine."""
    return rule.__qualname__.startswith("note.") or "bf" in str(value).lower()


def needs_run(value: Any) -> bool:
    """Whether only the running program has the value."""
    return isinstance(value, Unknown | Rows | Count | Record) or (
        isinstance(value, list | tuple) and any(isinstance(one, Unknown | Rows) for one in value)
    )


def plain(value: Any) -> Any:
    """The value as a rule takes it."""
    if isinstance(value, Symbol):
        return "auto" if "is_bf" in value.name else value.name
    if isinstance(value, tuple | list):
        return [plain(one) for one in value]
    if isinstance(value, dict):
        return {key: plain(one) for key, one in value.items()}
    return value


def shown(value: Any) -> Any:
    """The value for a comment."""
    if isinstance(value, Rows):
        return ", ".join(str(source.fields.get("name_or_path")) for source in value.sources)
    if isinstance(value, Count | Record):
        return "a value of the program"
    return value if isinstance(value, int | float | str | bool) else str(plain(value))


def _first(program: Program, *names: str) -> Call | None:
    return next((call for call in program.calls if call.last in names), None)


def _put_model(program: Program, loads: list[Call], ledger: Ledger, is_unsloth: bool) -> None:
    if not loads:
        _put_by_name(program, ledger)
        return
    load = loads[0]
    take(ledger, load, LOAD, ("model_name",))
    said = dict(load.keywords)
    setting = Setting(f"{load.last}(load_in_4bit)", said.get("load_in_4bit", is_unsloth), load.line)
    if (bits := _first(program, "BitsAndBytesConfig")) is not None:
        take(ledger, bits, QUANTIZE)
        said.update(bits.keywords)
        setting = Setting(f"{bits.last}(load_in_4bit)", said.get("load_in_4bit", False), bits.line)
    found = quantization(said, unless_said=is_unsloth)
    for name in ("load_in_8bit", "load_in_16bit"):
        if said.get(name) is True:
            setting = Setting(f"{setting.name.partition('(')[0]}({name})", True, setting.line)
    if any(name in said for name in ("load_in_4bit", "load_in_8bit", "load_in_16bit")):
        ledger.put(setting, "model.quantization", found)
    else:
        ledger.default({"model.quantization": found})


def _put_by_name(program: Program, ledger: Ledger) -> None:
    """trl's trainer is given a model's name, too."""
    call = next(call for call in program.calls if _makes_trainer(program, call))
    name = call.keywords.get("model", call.args[0] if call.args else None)
    if isinstance(name, str):
        ledger.put(Setting(f"{call.last}(model)", name, call.line), "model.name_or_path")


def _put_adapter(program: Program, ledger: Ledger, is_unsloth: bool, loads: list[Call]) -> None:
    made = [call for call in program.calls if call.last in ("get_peft_model", "LoraConfig")]
    calls = [call for call in made if "r" in call.keywords or call.last == "LoraConfig"] or made
    if not calls:
        if not is_unsloth and ledger.value("finetuning_type") is None:
            ledger.default({"finetuning_type": "full"})
        return
    take(ledger, calls[0], ADAPTER, ("model", "r") if calls[0].last == "get_peft_model" else ())
    if calls[0].last == "LoraConfig":
        ledger.default({"lora.r": 8, "lora.lora_alpha": 8.0})
    elif loads and not loads[0].name.lstrip("_").startswith("FastLanguageModel"):
        ledger.default({"lora.finetune_vision_layers": True})


def _put_template(program: Program, ledger: Ledger) -> None:
    if (call := _first(program, "get_chat_template")) is not None:
        take(ledger, call, TEMPLATE, ("tokenizer", "chat_template"))


def _put_data(program: Program, trainer: Call, ledger: Ledger, trains: str) -> None:
    for name in ("train_dataset", "eval_dataset"):
        value = trainer.keywords.get(name)
        if value is None:
            continue
        setting = Setting(f"{trainer.last}({name})", shown(value), trainer.line)
        if not isinstance(value, Rows):
            ledger.lose(setting, "the rows are made by the program; write them to a file, and name it as a source")
            continue
        function = trainer.keywords.get("formatting_func")
        if isinstance(function, Symbol) and (own := program.function(function.name)) is not None:
            value = formatted(value, own, program, trainer.line) or value
        put_rows(ledger, setting, value, is_held_out=name == "eval_dataset")
    answers = _first(program, "train_on_responses_only")
    if answers is not None:
        ledger.put(Setting("train_on_responses_only()", "answers", answers.line), "data.train_on", "answers")
        take(ledger, answers, RESPONSES, ("trainer",))
    for name, rules in COLLATORS.items():
        if (collator := _first(program, name)) is not None:
            take(ledger, collator, rules, ("model", "processor"))
            if name == "DataCollatorForCompletionOnlyLM":
                ledger.put(Setting(f"{name}()", "answers", collator.line), "data.train_on", "answers")


def _put_arguments(program: Program, trainer: Call, ledger: Ledger) -> None:
    configs = [call for call in program.calls if CONFIGS.match(call.last) and call.last not in NOT_TRAINING]
    before = [call for call in configs if call.line <= trainer.line + 200]
    rules = TRAINER_CALL
    for call in before[-1:]:
        take(ledger, call, rules)
    dropped = ("train_dataset", "eval_dataset")
    kept = {name: value for name, value in trainer.keywords.items() if name not in dropped}
    take(ledger, Call(trainer.name, trainer.line, (), kept), rules)
    if (early := _first(program, "EarlyStoppingCallback")) is not None:
        take(ledger, early, EARLY, ("early_stopping_patience", "early_stopping_threshold"))


def _put_surroundings(program: Program, ledger: Ledger) -> None:
    put_surroundings(program, ledger)
    put_replies(program, ledger)


def _defaults(ledger: Ledger, is_unsloth: bool) -> dict[str, Any]:
    found = dict(BY_UNSLOTH if is_unsloth else BY_TRANSFORMERS)
    warms = any(ledger.value(f"training.{name}") is not None for name in ("warmup_steps", "warmup_ratio"))
    if warms:
        found.pop("training.warmup_ratio", None)
    if ledger.value("training.max_steps") is not None:
        found.pop("training.num_train_epochs", None)
    return found
