"""Files that cannot be imported: one clear sentence each, with the file, the line where there is one, what is wrong and
what would be right."""

import json
from itertools import pairwise
from pathlib import Path

import pytest

from cockpit.importing.importer import import_file
from cockpit.importing.methods import known_methods
from cockpit.recipe.problem import RecipeError

LF = "model_name_or_path: o/m\n"
TRAINER = "trainer = SFTTrainer(model=model, train_dataset=rows)\n"
FILE = "give a configuration, a notebook or a script"
WHOSE = (
    "give an Unsloth notebook or script, or the configuration of Unsloth's command line, LLaMA-Factory, Axolotl, "
    "torchtune, ms-swift or a PEFT adapter"
)
METHODS = f"it trains by {', '.join(known_methods())}"
REWARDED = (
    "the rewards of {}'s files are not read, and grpo learns from nothing else; "
    "give a Python script or notebook with GRPOTrainer, or write a recipe with grpo.rewards"
)
NO_TRAINER = "it makes no trainer, such as SFTTrainer(...); give the script or notebook that trains the model"
NAMES = "abcdef"
BOMB = "a: &a [x, x, x, x, x, x, x, x, x, x]\n" + "".join(
    f"{new}: &{new} [{', '.join([f'*{old}'] * 10)}]\n" for old, new in pairwise(NAMES)
)


def cells(*code: str) -> str:
    return json.dumps({"nbformat": 4, "cells": [{"cell_type": "code", "source": one} for one in code]})


BAD = {
    "empty.yaml": ("", f": it is empty; {FILE}"),
    "blank.ipynb": (" \n", f": it is empty; {FILE}"),
    "words.yaml": ("just words\n", ":1: it holds no settings; a configuration is lines of name: value"),
    "list.yaml": ("- a\n- b\n", ":1: it holds no settings; a configuration is lines of name: value"),
    "tab.yaml": ("a:\n\tb: 1\n", ":2: a tab stands where YAML wants blanks; indent with blanks"),
    "colon.yaml": ("a: b: c\n", ":1: a colon stands where none may be; put text that holds ': ' in quotes"),
    "open.yaml": ("a: [1, 2\n", ":1: a list is not closed; add the missing ] or comma"),
    "deep.yaml": ("a: " + "[" * 99 + "]" * 99, ":1: it is nested too deep; a configuration has few levels"),
    "bomb.yaml": (BOMB, ": its aliases make it too large; write the values out"),
    "whose.yaml": ("learning_rate: 1\n", f": it is not known whose configuration this is; {WHOSE}"),
    "export.yaml": (
        LF + "template: llama3\nexport_dir: out\n",
        ": export_dir: it exports a model, and trains none; after a run: cockpit export RUN --as merged-16bit",
    ),
    "chat.yaml": (
        LF + "template: llama3\ninfer_backend: vllm\n",
        ": do_train: it trains nothing (do_train is not true); give the file that trains the model",
    ),
    "predict.yaml": (
        LF + "stage: sft\ndo_train: false\n",
        ": do_train: it trains nothing (do_train is not true); give the file that trains the model",
    ),
    "ppo.yaml": (LF + "stage: ppo\n", f":2: stage: cockpit does not train by ppo; {METHODS}"),
    "no-model.yaml": (
        "base_model:\nadapter: lora\n",
        ": this Axolotl file names no model; name the model that is tuned",
    ),
    "rl.yml": ("base_model: o/m\nrl: simpo2\n", f":2: rl: cockpit does not train by simpo2; {METHODS}"),
    "grpo.yml": (
        "base_model: o/m\nadapter: lora\nrl: grpo\ntrl: {reward_funcs: [rewards.right], num_generations: 4}\n",
        f":3: rl: {REWARDED.format('Axolotl')}",
    ),
    "grpo.sh": (
        "swift rlhf --rlhf_type grpo --model o/m --reward_funcs accuracy --dataset o/sums\n",
        f":1: rlhf_type: {REWARDED.format('ms-swift')}",
    ),
    "grpo.json": (
        '{"rlhf_type": "grpo", "model": "o/m", "reward_funcs": ["accuracy"]}',
        f": rlhf_type: {REWARDED.format('ms-swift')}",
    ),
    "grpo.yaml": (LF + "stage: grpo\n", f":2: stage: {REWARDED.format('LLaMA-Factory')}"),
    "export.sh": (
        "swift export --model o/m\n",
        ":1: swift export is no training that cockpit does; give a command of swift sft, pt or rlhf",
    ),
    "megatron.sh": (
        "megatron sft --load x\n",
        ":1: cockpit does not train with Megatron; give a command of swift sft or swift pt",
    ),
    "quotes.sh": ("swift sft --model 'o/m\n", ":1: the command cannot be read (no closing quotation); mend it there"),
    "ls.sh": ("ls -l\n", f": it has no command of swift; {WHOSE}"),
    "generation.yaml": (
        "model: {_component_: torchtune.models.llama2.llama2_7b}\n",
        ": it trains nothing (it has no optimizer); give the file that trains the model",
    ),
    "distillation.yaml": (
        "optimizer: {_component_: torch.optim.AdamW}\nteacher_model: {_component_: x}\n",
        ": teacher_model: cockpit does not distil from another model; give the configuration of a fine-tuning",
    ),
    "ia3.json": (
        '{"peft_type": "IA3", "base_model_name_or_path": "o/m"}',
        ": peft_type: cockpit trains adapters of the kind LORA, and this is IA3; "
        "give a LoRA adapter's adapter_config.json",
    ),
    "no-rows.yaml": (
        "model: o/m\nmodel_class: llm\n",
        ": train_dataset: it trains nothing (it has no train_dataset); give the file that trains the model",
    ),
    "broken.json": (
        '{"a": 1,}',
        ":1: it is not valid JSON (Expecting property name enclosed in double quotes); mend it there",
    ),
    "list.json": ("[1]", f":1: it holds no settings; {WHOSE}"),
    "other.json": ('{"a": 1}', f": it is not known whose configuration this is; {WHOSE}"),
    "no-cells.ipynb": ('{"nbformat": 4}', ": it is no notebook: it has no cells; give a notebook of nbformat 4"),
    "shell.ipynb": (
        cells("%%bash\nls"),
        ": no cell of the notebook holds Python; give a notebook that trains a model",
    ),
    "reads.ipynb": (cells("print(1)"), f": {NO_TRAINER}"),
    "cut.ipynb": ('{"cells": [', ":1: it is not valid JSON (Expecting value); mend it there"),
    "syntax.py": (
        "x = (1\n",
        ":1: it is not valid Python ('(' was never closed); mend it there, or give the notebook itself",
    ),
    "no-trainer.py": ("print(1)\n", f": {NO_TRAINER}"),
    "ppo.py": (
        "trainer = PPOTrainer(model='o/m')\n",
        f":1: PPOTrainer(): cockpit does not train by PPOTrainer; {METHODS}",
    ),
    "no-model.py": (TRAINER, ": this Unsloth file names no model; name the model that is tuned"),
}  # fmt: skip
"""By the file's name: its text, and the sentence behind the name."""


def refusal(path: Path) -> str:
    with pytest.raises(RecipeError) as refused:
        import_file(path, path.name)
    assert len(refused.value.problems) == 1
    return str(refused.value)


@pytest.mark.parametrize("name", BAD)
def test_one_sentence_says_what_is_wrong(tmp_path: Path, name: str) -> None:
    text, sentence = BAD[name]
    (tmp_path / name).write_text(text)
    assert refusal(tmp_path / name) == name + sentence


def test_files_that_cannot_be_read(tmp_path: Path) -> None:
    assert refusal(tmp_path / "none.yaml") == f"none.yaml: there is no such file; {FILE}"
    assert refusal(tmp_path) == f"{tmp_path.name}: this is a folder; give the file in it, such as adapter_config.json"
    (tmp_path / "latin.yaml").write_bytes("a: ä\n".encode("latin-1"))
    assert refusal(tmp_path / "latin.yaml") == f"latin.yaml:1: it is not UTF-8 text; {FILE}"


def test_a_broken_list_of_datasets_is_named_itself(tmp_path: Path) -> None:
    (tmp_path / "dataset_info.json").write_text("{")
    (tmp_path / "a.yaml").write_text(LF + "stage: sft\ndataset: x\n")
    assert refusal(tmp_path / "a.yaml").startswith(f"{tmp_path}/dataset_info.json:1: it is not valid JSON (")
    (tmp_path / "dataset_info.json").write_text("[]")
    assert ':1: it registers no datasets; write it as {"name": {"file_name": "rows.json"}}' in refusal(
        tmp_path / "a.yaml"
    )


def test_programs_that_never_end_are_read_all_the_same(tmp_path: Path) -> None:
    loops = "def f(x):\n    return f(x)\nwhile True:\n    f(1)\nn = 9 ** 9 ** 9\ns = 'x' * 10 ** 11\n"
    (tmp_path / "loops.py").write_text(loops)
    assert refusal(tmp_path / "loops.py") == f"loops.py: {NO_TRAINER}"
    (tmp_path / "long.py").write_text(f"x = {'+'.join('1' * 700)}\ny = {'-' * 80}1\n")
    assert refusal(tmp_path / "long.py") == f"long.py: {NO_TRAINER}"
    (tmp_path / "nested.py").write_text(f"x = {'f(' * 400}1{')' * 400}\n")
    assert refusal(tmp_path / "nested.py").startswith(
        "nested.py:1: it is not valid Python (too many nested parentheses)"
    )
