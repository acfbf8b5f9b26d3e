"""Bad recipes: unknown and missing fields, wrong types and values. Each gives its whole message and exit status 2."""

from pathlib import Path

import pytest

from cockpit.recipe.methods.registry import METHODS
from tests.recipe.sample import Bad, checked

BAD = [
    Bad(
        "unknown key",
        {"lora_alpha: 32": "lora_alfa: 32"},
        ["25: lora.lora_alfa: lora has no such field; did you mean lora_alpha?"],
    ),
    Bad(
        "key of another section",
        {"max_steps: 60": "max_seq_length: 60"},
        ["37: training.max_seq_length: training has no such field; it stands at model.max_seq_length"],
    ),
    Bad(
        "unknown section",
        {"lora:\n": "peft:\n"},
        ["23: peft: a recipe has no such field; 'cockpit recipes schema' lists all"],
    ),
    Bad(
        "key like no other",
        {"gpu: none": "colour: red"},
        [
            "20: hardware.colour: hardware has no such field; it has gpu, devices, nodes, parallel, compile, "
            "dynamo_cache_size_limit, dynamo_accumulated_cache_size_limit",
        ],
    ),
    Bad(
        "unknown key in a list",
        {"format: messages": "fromat: messages"},
        ["33: data.sources.0.fromat: data.sources.0 has no such field; did you mean format?"],
    ),
    Bad(
        "markup and escapes in a key",
        {"max_steps: 60": '"[red]\\e[31mx": 60'},
        ["37: training.[red]x: training has no such field; 'cockpit recipes schema' lists all"],
    ),
    Bad(
        "missing section",
        {"model:\n  name_or_path: embedded:demo  # ours\n  max_seq_length: 256\n  quantization: none\n": ""},
        [" model: is missing; give a section with name_or_path: Which model is tuned, and how it is loaded"],
    ),
    Bad(
        "missing field",
        {"  name_or_path: embedded:demo  # ours\n": ""},
        [
            "15: model.name_or_path: is missing; give text: A Hub name such as unsloth/gemma-3-4b-it, a local "
            "folder, or embedded:demo, the model that cockpit ships"
        ],
    ),
    Bad(
        "missing name in a source",
        {"- name_or_path: embedded:pirate\n      format": "- format"},
        [
            "32: data.sources.0.name_or_path: is missing; give text: A file (JSON, JSONL, CSV, Parquet, "
            "text), a folder of them, a dataset's name on the Hub, or embedded:pirate",
        ],
    ),
    Bad(
        "section is empty",
        {"hardware:\n  gpu: none\n": "hardware:\n"},
        ["19: hardware: is empty; give a section with fields of its own, or remove the line"],
    ),
    Bad(
        "section is a number",
        {"hardware:\n  gpu: none\n": "hardware: 3\n"},
        ["19: hardware: 3 is not a section; give a section with fields of its own"],
    ),
    Bad(
        "sources are no list",
        {"sources:\n    - name_or_path: embedded:pirate\n      format: messages": "sources: embedded:pirate"},
        ["31: data.sources: 'embedded:pirate' is not a list; give a list of sections"],
    ),
    Bad(
        "text for a whole number",
        {"r: 16": 'r: "16"'},
        ["24: lora.r: '16' is text, not a number; give a whole number from 1 to 1024, without quotes"],
    ),
    Bad(
        "word for a whole number",
        {"r: 16": "r: many"},
        ["24: lora.r: 'many' is text, not a number; give a whole number from 1 to 1024"],
    ),
    Bad(
        "fraction for a whole number",
        {"r: 16": "r: 16.5"},
        ["24: lora.r: 16.5 is not a whole number; give a whole number from 1 to 1024"],
    ),
    Bad(
        "true for a whole number",
        {"r: 16": "r: true"},
        ["24: lora.r: true is not a number; give a whole number from 1 to 1024"],
    ),
    Bad(
        "underscore in a number",
        {"max_steps: 60": "max_steps: 1_000"},
        [
            "37: training.max_steps: '1_000' is text, not a number; give a whole number from 1 to "
            "10000000, or leave it empty",
        ],
    ),
    Bad("nothing for a whole number", {"r: 16": "r:"}, ["24: lora.r: is empty; give a whole number from 1 to 1024"]),
    Bad(
        "list for a number",
        {"r: 16": "r: [16]"},
        ["24: lora.r: a list is not a number; give a whole number from 1 to 1024"],
    ),
    Bad("number for text", {"gpu: none": "gpu: 0"}, ['20: hardware.gpu: 0 is not text; put it in quotes: "0"']),
    Bad(
        "yes for true",
        {"quantization: none": "trust_remote_code: yes"},
        ["18: model.trust_remote_code: 'yes' is text; write true, without quotes"],
    ),
    Bad(
        "number for true",
        {"quantization: none": "trust_remote_code: 1"},
        ["18: model.trust_remote_code: 1 is a number; give true or false"],
    ),
    Bad(
        "text for a list",
        {"target_modules:\n    - q_proj  # query\n    - v_proj": "target_modules: q_proj"},
        ["26: lora.target_modules: 'q_proj' is not a list; give 'all-linear' or a list of texts"],
    ),
    Bad("number in a list", {"- v_proj": "- 3"}, ['28: lora.target_modules.1: 3 is not text; put it in quotes: "3"']),
    Bad(
        "empty list",
        {"target_modules:\n    - q_proj  # query\n    - v_proj": "target_modules: []"},
        ["26: lora.target_modules: the list is empty; give 'all-linear' or a list of texts"],
    ),
    Bad("below", {"r: 16": "r: 0"}, ["24: lora.r: 0 is below the smallest value; give a whole number from 1 to 1024"]),
    Bad(
        "above",
        {"r: 16": "r: 2000"},
        ["24: lora.r: 2000 is above the largest value; give a whole number from 1 to 1024"],
    ),
    Bad(
        "negative learning rate",
        {"learning_rate: 2e-3": "learning_rate: -2e-3"},
        ["38: training.learning_rate: -0.002 is below the smallest value; give a number above 0 and up to 1"],
    ),
    Bad(
        "learning rate of zero",
        {"learning_rate: 2e-3": "learning_rate: 0"},
        ["38: training.learning_rate: 0 is too small; give a number above 0 and up to 1"],
    ),
    Bad(
        "dropout of one",
        {"lora_alpha: 32": "lora_dropout: 1.0"},
        ["25: lora.lora_dropout: 1 is too large; give a number from 0 to below 1"],
    ),
    Bad(
        "not a number",
        {"lora_alpha: 32": "lora_alpha: .nan"},
        ["25: lora.lora_alpha: nan is not a finite number; give a number above 0 and up to 4096"],
    ),
    Bad(
        "infinite",
        {"lora_alpha: 32": "lora_alpha: .inf"},
        ["25: lora.lora_alpha: inf is not a finite number; give a number above 0 and up to 4096"],
    ),
    Bad(
        "overflow",
        {"lora_alpha: 32": "lora_alpha: 1e999"},
        ["25: lora.lora_alpha: inf is not a finite number; give a number above 0 and up to 4096"],
    ),
    Bad(
        "very long number",
        {"r: 16": "r: 999999999999999999999999999999"},
        ["24: lora.r: 999999999999999999999999999999 is above the largest value; give a whole number from 1 to 1024"],
    ),
    Bad(
        "batch of zero",
        {"max_steps: 60": "per_device_train_batch_size: 0"},
        ["37: training.per_device_train_batch_size: 0 is below the smallest value; give a whole number from 1 to 4096"],
    ),
    Bad(
        "title too long",
        {
            "title: A sample": "title: long long long long long long long long long long long long long "
            "long long long long long long long ",
        },
        ["7: about.title: 'long long long long long long long long…' is too long; shorten it"],
    ),
    Bad(
        "empty path",
        {"name_or_path: embedded:demo  # ours": 'name_or_path: ""'},
        ["16: model.name_or_path: is empty text; write something"],
    ),
    Bad("newer schema", {"schema: 1": "schema: 2"}, ["3: schema: 2 is above the largest value; give 1"]),
    Bad("schema is true", {"schema: 1": "schema: true"}, ["3: schema: true is not a number; give 1"]),
    Bad(
        "almost a choice",
        {"quantization: none": "quantization: nf5"},
        ["18: model.quantization: 'nf5' is not one of the choices; did you mean nf4? Give one of: none, nf4, int8"],
    ),
    Bad(
        "other method",
        {"method: sft": "method: other"},
        [f"4: method: 'other' is not one of the choices; give one of: {', '.join(METHODS)}"],
    ),
    Bad(
        "optimizer of another stack",
        {"max_steps: 60": "optim: lion"},
        [
            "37: training.optim: 'lion' is not one of the choices; give one of: adamw_torch, "
            "adamw_torch_fused, adamw_8bit, paged_adamw_8bit, adafactor, sgd",
        ],
    ),
    Bad(
        "reporter",
        {"training:\n": "output:\n  report_to: [tensorbord]\ntraining:\n"},
        [
            "37: output.report_to.0: 'tensorbord' is not one of the choices; did you mean tensorboard? "
            "Give one of: tensorboard, wandb, mlflow, trackio, swanlab, comet_ml, clearml, codecarbon, "
            "dvclive, neptune, azure_ml, dagshub, flyte, kubeflow",
        ],
    ),
    Bad(
        "bits",
        {"- v_proj": "- v_proj\n  loftq_config: {loftq_bits: 3}"},
        ["29: lora.loftq_config.loftq_bits: 3 is not one of the choices; give one of: 4, 8"],
    ),
]


@pytest.mark.parametrize("bad", BAD, ids=lambda bad: bad.name)
def test_message(bad: Bad, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert checked(bad, tmp_path, monkeypatch) == bad.says
