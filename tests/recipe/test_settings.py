"""`--set`: what it means for each kind of field, and what is said of a wrong one."""

from pathlib import Path

import pytest
from typer.testing import CliRunner

from cockpit.cli import cockpit
from cockpit.recipe.document import RecipeDocument
from cockpit.recipe.methods.registry import METHODS
from cockpit.recipe.problem import RecipeError
from tests.recipe.sample import SAMPLE

RANK = "give a whole number from 1 to 1024"
BAD = {
    "lora.r=0": f"lora.r: 0 is below the smallest value; {RANK}",
    "lora.r=1025": f"lora.r: 1025 is above the largest value; {RANK}",
    "lora.r=8.5": f"lora.r: 8.5 is not a whole number; {RANK}",
    "lora.r=eight": f"lora.r: 'eight' is text, not a number; {RANK}",
    "lora.r=": f"lora.r: is empty; {RANK}",
    "lora.r=1e2": "lora.r: 100 is written with a point or an exponent; write 100",
    "lora.r": "lora.r: this sets nothing; write it as lora.r=32",
    "": "this sets nothing; write it as lora.r=32",
    "=3": "a recipe has no such field; 'cockpit recipes schema' lists all",
    "lora.rank=3": "lora.rank: lora has no such field; 'cockpit recipes schema' lists all",
    "lora.lora_alfa=3": "lora.lora_alfa: lora has no such field; did you mean lora_alpha?",
    "lorra.r=3": "lorra.r: a recipe has no such field; did you mean lora?",
    "r=3": "r: a recipe has no such field; it stands at lora.r",
    "lora=3": "lora: 3 is not a section; give a section with fields of its own",
    "lora.r.x=3": "lora.r.x: lora.r has no fields of its own; write lora.r",
    "training.learning_rate=-1": "training.learning_rate: -1 is below the smallest value; "
    "give a number above 0 and up to 1",
    "training.learning_rate=.nan": "training.learning_rate: nan is not a finite number; "
    "give a number above 0 and up to 1",
    "training.packing=maybe": "training.packing: 'maybe' is neither true nor false; give true or false",
    "training.packing=on": "training.packing: 'on' is text; write true, without quotes",
    "data.sources=x": "data.sources: 'x' is not a list; give a list of sections",
    "data.sources.x.split=y": "data.sources.x.split: data.sources is a list; "
    "write data.sources.0 for its first element",
    "data.sources.7.split=x": "data.sources.7.split: there is no element 7; data.sources has 1, counted from 0; "
    "1 would add one",
    "data.sources.0.ratio=2000": "data.sources.0.ratio: 2000 is above the largest value; "
    "give a number above 0 and up to 1000, or leave it empty",
    "lora.target_modules=": "lora.target_modules: the list is empty; give 'all-linear' or a list of texts",
    "output.report_to=wandb, tensorbord": "output.report_to.1: 'tensorbord' is not one of the choices; "
    "did you mean tensorboard? Give one of: tensorboard, wandb, mlflow, trackio, swanlab, comet_ml, clearml, "
    "codecarbon, dvclive, neptune, azure_ml, dagshub, flyte, kubeflow",
    "lora.target_modules=[q_proj": "lora.target_modules: a list is not closed; add the missing ] or comma",
    "model.name_or_path=": "model.name_or_path: is empty text; write something",
    "lora.loftq_config={loftq_bits: 3}": "lora.loftq_config.loftq_bits: 3 is not one of the choices; give one of: 4, 8",
    "data.roles=ai": "data.roles: 'ai' is not a mapping; give a mapping of names, each to one of: system, user, "
    "assistant, tool",
    "data.roles=ai: assistent": "data.roles.ai: 'assistent' is not one of the choices; did you mean assistant? "
    "Give one of: system, user, assistant, tool",
    "data.roles.ai=robot": "data.roles.ai: 'robot' is not one of the choices; "
    "give one of: system, user, assistant, tool",
    "method=other": f"method: 'other' is not one of the choices; give one of: {', '.join(METHODS)}",
    "\x1b[31mlora.[red]r=3": "lora.[red]r: a recipe has no such field; did you mean lora?",
}


def test_a_choice_of_more_digits_than_python_reads_is_refused() -> None:
    document = RecipeDocument.parse(SAMPLE, "sample.yaml")
    with pytest.raises(RecipeError, match="1…' is not one of the choices; give one of: 4, 8"):
        document.set_from_text(f"lora.loftq_config.loftq_bits={'1' * 5000}")


@pytest.mark.parametrize("setting", BAD)
def test_bad_setting_ends_the_command_with_its_message(setting: str, tmp_path: Path) -> None:
    file = tmp_path / "sample.yaml"
    file.write_text(SAMPLE)
    result = CliRunner().invoke(cockpit, ["train", str(file), "--set", setting])
    assert result.exit_code == 2
    assert result.stderr == f"--set: {BAD[setting]}\n"
    assert result.stdout == ""


def test_combination_made_by_a_setting_is_told_of_the_setting(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    Path("sample.yaml").write_text(SAMPLE)
    result = CliRunner().invoke(cockpit, ["train", "sample.yaml", "--set", "training.warmup_ratio=0.1"])
    assert result.exit_code == 2
    assert result.stderr == "--set: training.warmup_ratio: warmup_steps is set too; keep one of the two\n"


GOOD = {
    "lora.r=32": ("lora.r", 32),
    "training.learning_rate=2e-4": ("training.learning_rate", 2e-4),
    "training.max_steps=": ("training.max_steps", None),
    "training.max_steps=null": ("training.max_steps", None),
    "training.packing=true": ("training.packing", True),
    "lora.target_modules=all-linear": ("lora.target_modules", "all-linear"),
    "lora.target_modules=q_proj, v_proj": ("lora.target_modules", ["q_proj", "v_proj"]),
    "lora.target_modules=[a, b]": ("lora.target_modules", ["a", "b"]),
    "lora.target_modules.1=o_proj": ("lora.target_modules", ["q_proj", "o_proj"]),
    "lora.modules_to_save=": ("lora.modules_to_save", []),
    "lora.loftq_config={loftq_bits: 8}": ("lora.loftq_config", {"loftq_bits": 8}),
    "lora.loftq_config.loftq_bits=4": ("lora.loftq_config", {"loftq_bits": 4}),
    "lora.loftq_config.loftq_bits=8": ("lora.loftq_config", {"loftq_bits": 8}),
    "hardware.gpu=0": ("hardware.gpu", "0"),
    "model.revision=1.0": ("model.revision", "1.0"),
    "data.response_part=<bot>\n": ("data.response_part", "<bot>\n"),
    'samples.prompts=["a, b", c]': ("samples.prompts", ["a, b", "c"]),
    "data.sources.1.name_or_path=b.json": ("data.sources.1.name_or_path", "b.json"),
    "data.roles=ai: assistant, me: user": ("data.roles", {"ai": "assistant", "me": "user"}),
    "data.roles={ai: assistant}": ("data.roles", {"ai": "assistant"}),
    "data.roles.ai=assistant": ("data.roles", {"ai": "assistant"}),
    "data.roles=": ("data.roles", {}),
    "chat.presets.0.temperature=1": ("chat.presets.0.temperature", 1),
}


@pytest.mark.parametrize("setting", GOOD)
def test_setting_sets_its_field(setting: str) -> None:
    document = RecipeDocument.parse(SAMPLE, "sample.yaml")
    document.set_from_text(setting)
    field, value = GOOD[setting]
    assert document.value(field) == value
    assert RecipeDocument.parse(document.to_yaml(), "again").value(field) == value
