"""Preflight: what stands in the way of a recipe on this machine is said before anything is loaded."""

from pathlib import Path

import pytest

from cockpit.machine.gpu import GpuReport
from cockpit.preflight.checks import preflight
from cockpit.protocol.events import GpuReading
from cockpit.recipe.document import RecipeDocument
from tests.preflight.preflighting import NO_GPU, document, files, said, write_model
from tests.recipe.sample import SAMPLE

__all__ = ["files"]

SHIPPED = "embedded:demo, embedded:pirate, embedded:preferences and embedded:sums"
ONE_GPU = GpuReport(gpus=[GpuReading(index=0, uuid="GPU-1234", name="Tesla", vram_total_mib=1e4)], driver="580")


def test_sound_recipe_has_nothing_in_its_way() -> None:
    assert said(document()) == []
    assert said(document(hardware__gpu="auto", model__quantization="int8"), ONE_GPU) == []


@pytest.mark.parametrize(
    ("field", "value", "sentence"),
    [
        (
            "output.merged",
            "merged_16bit",
            "a run of this version cannot do merged_16bit; give none, and after the run: cockpit export RUN --as "
            "merged-16bit",
        ),
        (
            "output.push_to_hub",
            "me/mine",
            "a run of this version cannot do 'me/mine'; leave it empty, and after the run: cockpit export RUN --as "
            "adapter --push OWNER/NAME",
        ),
    ],
)
def test_what_this_version_does_not_do_yet(field: str, value: object, sentence: str) -> None:
    assert said(document(**{field.replace(".", "__"): value})) == [f"sample.yaml: {field}: {sentence}"]


def test_lines_are_those_of_the_file() -> None:
    text = SAMPLE.replace("      format: messages", "      split: test").replace("embedded:demo", "./model")
    sample = RecipeDocument.parse(text.replace("embedded:pirate", "rows.jsonl"), "sample.yaml")
    line = text.split("\n").index("      split: test") + 1
    assert said(sample) == [
        f"sample.yaml:{line}: data.sources.0.split: rows.jsonl is a file, which has no splits; leave split as train"
    ]


def test_gpu_that_is_not_there() -> None:
    (problem,) = preflight(document(hardware__gpu="7").recipe(), ONE_GPU, "sample.yaml")
    assert (problem.field, problem.right) == ("hardware.gpu", "")
    assert problem.wrong.startswith("There is no GPU 7 here; there is 0 (Tesla, GPU-1234)")


def test_what_needs_a_gpu() -> None:
    assert said(document(model__quantization="int8")) == [
        "sample.yaml: model.quantization: int8 needs a GPU, and this run has none; give none or nf4"
    ]


FOLDER = "give the folder with config.json, weights and tokenizer"


@pytest.mark.parametrize(
    ("name", "sentence"),
    [
        ("./gone", f"there is no such folder: ./gone; {FOLDER}"),
        ("rows.jsonl", f"this is a file; {FOLDER}"),
        (
            "./m.gguf",
            "there is no such folder: ./m.gguf; GGUF files cannot be trained; give the folder of the model that it was "
            "made from",
        ),
        ("empty", f"the folder has no config.json; {FOLDER}"),
        ("adapter", "the folder holds an adapter, not a model; give the model that the adapter was made for"),
        ("embedded:other", f"cockpit ships no embedded:other; it ships {SHIPPED}"),
        (
            "a b",
            "'a b' is neither a folder here nor a name on the Hub; give a folder, a name as owner/name, or "
            "embedded:demo",
        ),
        (
            "a/b/c",
            "'a/b/c' is neither a folder here nor a name on the Hub; give a folder, a name as owner/name, or "
            "embedded:demo",
        ),
    ],
)
def test_model_that_is_none(name: str, sentence: str) -> None:
    Path("empty").mkdir()
    Path("adapter").mkdir()
    Path("adapter/adapter_config.json").write_text("{}")
    sample = document()
    sample.use_model(name)
    assert said(sample) == [f"sample.yaml: model.name_or_path: {sentence}"]


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        ({"config__json": "{"}, "the folder's config.json cannot be read; copy the model again"),
        ({"config__json": "[]"}, "the folder's config.json cannot be read; copy the model again"),
        (
            {"config__json": '{"architectures": ["BertForMaskedLM"]}'},
            "'BertForMaskedLM' is no model that continues a text; give a causal language model, such as Qwen, Llama, "
            "Gemma or Mistral",
        ),
        (
            {"config__json": '{"architectures": ["T5ForConditionalGeneration"], "is_encoder_decoder": true}'},
            "'T5ForConditionalGeneration' is no model that continues a text; give a causal language model, such as "
            "Qwen, Llama, Gemma or Mistral",
        ),
        ({"model__safetensors": None}, "the folder has no weights (*.safetensors); copy the whole model"),
        ({"tokenizer__json": None}, "the folder has no tokenizer; copy the tokenizer's files beside the weights"),
    ],
)
def test_model_folder_that_is_not_whole(changes: dict[str, str | None], sentence: str) -> None:
    write_model(**changes)
    assert said(document()) == [f"sample.yaml: model.name_or_path: {sentence}"]


def test_conversations_need_a_chat_template() -> None:
    write_model(tokenizer_config__json="{}")
    template = (
        "sample.yaml:30: data.chat_template: the model's tokenizer has no chat template, and the data holds "
        "conversations; give chatml"
    )
    assert said(document()) == [template]
    assert said(document(backend="transformers")) == [template]
    assert said(document(data__chat_template="chatml")) == []
    Path("rows.txt").write_text("just text\n")
    assert said(document(data__sources__0__name_or_path="rows.txt")) == []
    write_model(tokenizer_config__json="{}", chat_template__jinja="{{ messages }}")
    assert said(document()) == []


def test_hub_dataset_is_left_to_the_hub_unless_it_is_forbidden(files: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    sample = document(data__sources__0__name_or_path="owner/rows", data__sources__0__split="test")
    assert said(sample) == []
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    assert said(sample) == [
        "sample.yaml: data.sources.0.name_or_path: the dataset owner/rows is not in the cache here, and HF_HUB_OFFLINE "
        "disables downloading; give a file that is on this disk"
    ]
    (files / "hub" / "datasets--owner--rows").mkdir(parents=True)
    assert said(sample) == []


def test_template_that_unsloth_does_not_have() -> None:
    assert said(document(data__chat_template="gemma-33")) == [
        "sample.yaml: data.chat_template: 'gemma-33' is no template of Unsloth's; give model, or gemma-3, gemma-3n, "
        "gemma3"
    ]
    assert said(document(data__chat_template="llama-3.3", backend="transformers")) == []


def test_what_only_the_hub_has_is_not_ignored_on_this_disk() -> None:
    assert said(document(model__revision="v1", data__sources__0__file="a.jsonl")) == [
        "sample.yaml: model.revision: a model on this disk has no revisions; leave it empty",
        "sample.yaml: data.sources.0.file: it names a file of a repository on the Hub, and the data is on this disk; "
        "leave it empty, and name the file itself in name_or_path",
    ]


def test_a_file_has_no_subsets() -> None:
    found = said(document(data__sources__0__subset="main"))
    assert found == ["sample.yaml: data.sources.0.subset: data on this disk has no subsets; leave it empty"]


def test_hub_name_is_left_to_the_hub_unless_it_is_forbidden(files: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    sample = document()
    sample.use_model("owner/name")
    assert said(sample) == []
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    assert said(sample) == [
        "sample.yaml: model.name_or_path: it is not in the Hub's cache here, and HF_HUB_OFFLINE disables downloading; "
        "give a model that is on this disk, or embedded:demo"
    ]
    cached = files / "hub" / "models--owner--name" / "snapshots" / "0123"
    cached.parent.mkdir(parents=True)
    write_model(str(cached))
    assert said(sample) == []


ENDINGS = "give a file that ends in .json, .jsonl, .ndjson, .csv, .tsv, .parquet, .txt"


@pytest.mark.parametrize(
    ("name", "sentence"),
    [
        ("gone.jsonl", f"there is no such file: gone.jsonl; {ENDINGS}"),
        ("./gone", f"there is no such file: ./gone; {ENDINGS}"),
        ("model", "model has no split called train; it has config, tokenizer, tokenizer_config"),
        ("a b", "'a b' is neither a file here nor a name on the Hub; give a file, or a dataset as owner/name"),
        ("rows.xlsx", "rows.xlsx has an ending that is not read; " + ENDINGS),
        ("none.jsonl", "none.jsonl has no rows"),
        ("embedded:rows", f"cockpit ships no embedded:rows; it ships {SHIPPED}"),
    ],
)
def test_data_that_is_none(name: str, sentence: str) -> None:
    Path("rows.xlsx").write_text("PK")
    Path("none.jsonl").write_text("")
    sample = document()
    sample.use_data(name)
    assert said(sample) == [f"sample.yaml: data.sources.0.name_or_path: {sentence}"]


def test_reporters_must_be_installed() -> None:
    sample = document(output__report_to=["neptune"])
    assert said(sample) == [
        "sample.yaml: output.report_to.0: the package neptune is not installed here; "
        "install it (pip install neptune), or leave it out"
    ]


def test_reporters_are_not_all_called_as_their_packages(monkeypatch: pytest.MonkeyPatch) -> None:
    sample = document(output__report_to=["azure_ml", "flyte", "dagshub", "kubeflow"])
    missing = [problem.wrong + " / " + problem.right for problem in preflight(sample.recipe(), NO_GPU, "x")]
    assert missing == [
        "the package azureml-core is not installed here / install it (pip install azureml-core), or leave it out",
        "the package flytekit is not installed here / install it (pip install flytekit), or leave it out",
        "the package dagshub is not installed here / install it (pip install dagshub mlflow), or leave it out",
        "this is no Kubeflow TrainJob: KUBEFLOW_TRAINER_SERVER_URL is not set / leave it out",
    ]
    for name in ("azureml/core/run", "flytekit", "dagshub", "mlflow"):
        for folder in [Path("site", name), *Path("site", name).parents][:-2]:
            folder.mkdir(parents=True, exist_ok=True)
            (folder / "__init__.py").touch()
    monkeypatch.syspath_prepend(str(Path("site").absolute()))
    monkeypatch.setenv("KUBEFLOW_TRAINER_SERVER_URL", "https://controller")
    assert said(sample) == []


def test_all_is_said_at_once() -> None:
    sample = document(hardware__gpu="3", output__merged="merged_16bit")
    sample.use_model("./gone")
    sample.use_data("gone.jsonl")
    fields = [problem.field for problem in preflight(sample.recipe(), NO_GPU, "sample.yaml")]
    assert fields == ["output.merged", "hardware.gpu", "model.name_or_path", "data.sources.0.name_or_path"]
