"""Tasks of SkyPilot and jobs of Kubernetes: checked against what their schemas say of the fields that are used."""

from __future__ import annotations

import shlex
import subprocess
from pathlib import Path
from typing import Any

import jsonschema
import pytest
from ruamel.yaml import YAML
from typer.testing import CliRunner

from cockpit.cli import cockpit
from cockpit.launch.tasks import Task, kubernetes, skypilot
from cockpit.recipe.document import RecipeDocument
from cockpit.recipe.local_paths import local_paths

TEXT: dict[str, Any] = {"type": "string", "minLength": 1}
TEXTS = {"type": "object", "additionalProperties": TEXT}
POSITIVE = {"type": "integer", "minimum": 1}
NAME = {"type": "string", "pattern": "^[a-z]([-a-z0-9]{0,61}[a-z0-9])?$"}
"""Of a Service (RFC 1035); those of other things may begin with a digit too."""


def closed(required: list[str], **properties: Any) -> dict[str, Any]:
    """An object with these fields alone; a trailing underscore in a name is not the field's."""
    named = {name.rstrip("_"): schema for name, schema in properties.items()}
    return {"type": "object", "required": required, "additionalProperties": False, "properties": named}


SKYPILOT = closed(
    ["run"],
    name={"type": "string", "pattern": r"^[a-zA-Z0-9]+(?:[._-]{1,2}[a-zA-Z0-9]+)*$"},
    resources=closed(
        [],
        disk_size=POSITIVE,
        accelerators={"type": "string", "pattern": r"^[\w.-]+:\d+$"},
        image_id={"type": "string", "pattern": "^docker:.+"},
    ),
    num_nodes=POSITIVE,
    file_mounts=TEXTS,
    volumes=TEXTS,
    setup=TEXT,
    run=TEXT,
)
"""Of sky/utils/schemas.py (get_task_schema, get_resources_schema), which takes no other fields either."""
METADATA = closed(["name"], name=NAME)
VOLUME = {
    "oneOf": [
        closed(["name", kind], name=NAME, **{kind: source})
        for kind, source in (
            ("persistentVolumeClaim", closed(["claimName"], claimName=NAME)),
            ("emptyDir", closed([], medium={"enum": ["", "Memory"]})),
            ("configMap", closed(["name"], name=NAME)),
        )
    ]
}
CONTAINER = closed(
    ["name", "image"],
    name=NAME,
    image=TEXT,
    command={"type": "array", "items": TEXT, "minItems": 1},
    env={"type": "array", "items": closed(["name", "value"], name=TEXT, value={"type": "string"})},
    volumeMounts={"type": "array", "items": closed(["name", "mountPath"], name=NAME, mountPath=TEXT)},
    resources=closed([], limits={"type": "object", "additionalProperties": {"type": ["integer", "string"]}}),
)
POD = closed(
    ["containers", "restartPolicy"],
    subdomain=NAME,
    restartPolicy={"enum": ["Never", "OnFailure"]},
    terminationGracePeriodSeconds=POSITIVE,
    containers={"type": "array", "items": CONTAINER, "minItems": 1},
    volumes={"type": "array", "items": VOLUME},
)
CONDITION = closed(["type", "status"], type={"const": "DisruptionTarget"}, status={"const": "True"})
ON_EXIT = closed(
    ["operator", "values"],
    containerName=NAME,
    operator={"enum": ["In", "NotIn"]},
    values={"type": "array", "items": {"type": "integer", "minimum": 1}, "minItems": 1, "uniqueItems": True},
)
ACTION = {"enum": ["FailJob", "FailIndex", "Ignore", "Count"]}
FAILURE_RULE = {
    "oneOf": [
        closed(["action", "onExitCodes"], action=ACTION, onExitCodes=ON_EXIT),
        closed(["action", "onPodConditions"], action=ACTION, onPodConditions={"type": "array", "items": CONDITION}),
    ]
}
KUBERNETES: dict[str, dict[str, Any]] = {
    "ConfigMap": closed(
        ["apiVersion", "kind", "metadata"], apiVersion={"const": "v1"}, kind=TEXT, metadata=METADATA, data=TEXTS
    ),
    "Service": closed(
        ["apiVersion", "kind", "metadata", "spec"],
        apiVersion={"const": "v1"},
        kind=TEXT,
        metadata=METADATA,
        spec=closed(
            ["selector"], clusterIP={"const": "None"}, publishNotReadyAddresses={"type": "boolean"}, selector=TEXTS
        ),
    ),
    "Job": closed(
        ["apiVersion", "kind", "metadata", "spec"],
        apiVersion={"const": "batch/v1"},
        kind=TEXT,
        metadata=METADATA,
        spec=closed(
            ["template"],
            completions=POSITIVE,
            parallelism=POSITIVE,
            completionMode={"enum": ["Indexed", "NonIndexed"]},
            backoffLimit={"type": "integer", "minimum": 0},
            podFailurePolicy=closed(["rules"], rules={"type": "array", "items": FAILURE_RULE, "maxItems": 20}),
            template=closed(["spec"], spec=POD),
        ),
    ),
}
"""Of the API's io.k8s.api.core.v1 and batch.v1, the fields that are used."""


def task(**changes: Any) -> Task:
    values: dict[str, Any] = {
        "name": "My run", "command": ("cockpit", "train", "demo", "--set", "about.title=it's"), "gpus": 8,
        "accelerator": "H100", "image": "nvcr.io/nvidia/pytorch:26.01", "volume": "runs", "install": "pip install x",
    }  # fmt: skip
    return Task(**(values | changes))


def read(text: str) -> list[dict[str, Any]]:
    return list(YAML(typ="safe").load_all(text))


def runs_in_bash(script: str) -> bool:
    return subprocess.run(["bash", "-n"], input=script, text=True, check=False).returncode == 0


@pytest.mark.parametrize("nodes", [1, 2])
def test_a_task_of_skypilot_has_the_form_of_its_schema(nodes: int) -> None:
    made = task(name="my-run", nodes=nodes, files=("/data/rows.jsonl",), recipe_file="/here/my.yaml")
    (found,) = read(skypilot(made))
    jsonschema.validate(found, SKYPILOT)
    assert found["resources"]["accelerators"] == "H100:8" and found.get("num_nodes", 1) == nodes
    assert found["file_mounts"] == {"/data/rows.jsonl": "/data/rows.jsonl", "/recipe/recipe.yaml": "/here/my.yaml"}
    assert runs_in_bash(found["run"]) and found["run"].startswith("export COCKPIT_HOME=/cockpit\n")
    meets = ' --nodes 2 --rdzv "$first:29500"\n'
    assert found["run"].endswith("'about.title=it'\"'\"'s'" + (meets if nodes > 1 else "\n"))


@pytest.mark.parametrize("nodes", [1, 2])
def test_a_job_of_kubernetes_has_the_form_of_its_schema(nodes: int) -> None:
    made = task(nodes=nodes, recipe_text="schema: 1\nmethod: sft  # as 'ever'\n", grace_s=120)
    found = read(kubernetes(made))
    for one in found:
        jsonschema.validate(one, KUBERNETES[one["kind"]])
    assert [one["kind"] for one in found] == ["ConfigMap", *["Service"] * (nodes > 1), "Job"]
    assert {one["metadata"]["name"] for one in found} == {"my-run"}
    assert found[0]["data"] == {"recipe.yaml": "schema: 1\nmethod: sft  # as 'ever'\n"}
    spec = found[-1]["spec"]
    pod = spec["template"]["spec"]
    assert (spec["completions"], spec["parallelism"], spec["completionMode"]) == (nodes, nodes, "Indexed")
    assert pod["terminationGracePeriodSeconds"] == 180 and pod.get("subdomain") == ("my-run" if nodes > 1 else None)
    (container,) = pod["containers"]
    script = container["command"][-1]
    assert runs_in_bash(script) and ("first=my-run-0.my-run\n" in script) == (nodes > 1)
    assert container["resources"] == {"limits": {"nvidia.com/gpu": 8}}
    assert {one["name"] for one in container["volumeMounts"]} == {one["name"] for one in pod["volumes"]}


@pytest.mark.parametrize(
    ("make", "changes", "says"),
    [
        (skypilot, {"accelerator": ""},
         "--accelerator: SkyPilot must be told which GPUs to look for; give one, such as H100."),
        (skypilot, {"accelerator": "8 H100"},
         "--accelerator 8 H100: this is no kind of GPU; write it as H100 or A100-80GB."),
        (skypilot, {"volume": "", "nodes": 2},
         "--nodes 2: the machines need a disk that all of them share; give its name as --volume."),
        (kubernetes, {"image": ""}, "--image: pods start in an image with Python and CUDA; give one."),
        (kubernetes, {"volume": ""},
         "--volume: what a pod has written goes with it, and a claim of a volume stays; give one."),
        (kubernetes, {"files": ("/x/rows.jsonl",)},
         "/x/rows.jsonl lies on this machine, which a pod does not see; put it on the volume and give its path below "
         "/cockpit, or a name on the Hub."),
    ],
    ids=lambda _: "",
)  # fmt: skip
def test_what_is_missing_has_its_sentence(make: Any, changes: dict[str, Any], says: str) -> None:
    with pytest.raises(ValueError) as refused:
        make(task(**changes))
    assert str(refused.value) == says


@pytest.mark.parametrize(("nodes", "over"), [(1, [2, 130]), (2, [2])])
def test_a_pod_that_was_stopped_by_hand_or_is_wrong_does_not_begin_anew(nodes: int, over: list[int]) -> None:
    """One whose node was taken away does, though it ends with 130 too: that rule is the first that fits."""
    spec = read(kubernetes(task(nodes=nodes)))[-1]["spec"]
    (container,) = spec["template"]["spec"]["containers"]
    assert spec["template"]["spec"]["restartPolicy"] == "Never", "the API takes no rules with another policy"
    assert spec["podFailurePolicy"]["rules"] == [
        {"action": "Ignore", "onPodConditions": [{"type": "DisruptionTarget", "status": "True"}]},
        {"action": "FailJob",
         "onExitCodes": {"containerName": container["name"], "operator": "In", "values": over}},
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("name", "made"),
    [
        ("My run", "my-run"),
        ("7b run", "cockpit-7b-run"),
        (f"b7-{'a' * 46}-tail", f"b7-{'a' * 46}"),
        (f"7b-{'a' * 38}-tail", f"cockpit-7b-{'a' * 38}"),
        ("Über_größe", "ber-gr-e"),
        ("走", "cockpit"),
    ],
)
def test_names_are_such_as_kubernetes_takes(name: str, made: str) -> None:
    found = read(kubernetes(task(name=name, nodes=2, recipe_text="schema: 1\n")))
    for one in found:
        jsonschema.validate(one, KUBERNETES[one["kind"]])
        assert one["metadata"]["name"] == made


def printed(*arguments: str) -> tuple[int, str]:
    ran = CliRunner().invoke(cockpit, ["task", *arguments])
    return ran.exit_code, ran.stdout or ran.stderr


def test_the_command_takes_names_files_and_what_is_set(tmp_path: Path) -> None:
    status, said = printed("demo", "--for", "skypilot", "--set", "training.max_steps=3")
    assert status == 0 and "exec cockpit train demo --set training.max_steps=3 --resume-or-start\n" in said
    own = tmp_path / "mine.yaml"
    own.write_text("model:\n  name_or_path: org/model\ndata:\n  sources:\n    - name_or_path: org/rows\n")
    more = ("--image", "i", "--volume", "v", "--gpus", "2", "--data", "org/others")
    status, said = printed(str(own), "--for", "k8s", *more)
    assert (
        status == 0
        and "cockpit train /recipe/recipe.yaml --gpus 2 --set data.sources.0.name_or_path=org/others" in said
    )
    assert read(said)[0]["data"]["recipe.yaml"] == own.read_text()
    status, said = printed("demo", "--for", "k8s", "--gpus", "2", "--image", "i", "--volume", "v")
    assert (status, said) == (2, "--gpus 2: hardware.gpu is none, and it trains on the CPU; leave --gpus out.\n")


def test_what_lies_here_is_found_there_by_the_path_that_it_is_mounted_at(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    for name in ("rows.jsonl", "held.jsonl", "cat.png", "judging.py"):
        (tmp_path / name).write_text("{}\n")
    (tmp_path / "adapter").mkdir()
    own = tmp_path / "mine.yaml"
    own.write_text(
        "model: {name_or_path: org/model, adapter: ./adapter}\n"
        "data: {sources: [{name_or_path: org/rows}], validation: {name_or_path: held.jsonl}}\n"
        "suite: {learned: [{prompt: What?, image: cat.png, checks: {function: 'judging:right'}}]}\n"
    )
    arguments = ["mine.yaml", "--data", "./rows.jsonl"]
    status, said = printed(*arguments, "--for", "skypilot", "--accelerator", "H100", "--gpus", "1")
    assert status == 0, said
    (found,) = read(said)
    jsonschema.validate(found, SKYPILOT)
    files = [str(tmp_path / name) for name in ("adapter", "cat.png", "held.jsonl", "rows.jsonl")]
    assert found["file_mounts"] == {path: path for path in files} | {
        "/recipe/recipe.yaml": str(own), "/recipe/judging.py": str(tmp_path / "judging.py"),
    }  # fmt: skip
    *_, folder, start = found["run"].splitlines()
    words = shlex.split(start)
    settings = dict(words[at + 1].split("=", 1) for at, word in enumerate(words) if word == "--set")
    assert folder == "cd /recipe" and settings == {
        "model.adapter": files[0], "suite.learned.0.image": files[1], "data.validation.name_or_path": files[2],
        "data.sources.0.name_or_path": files[3],
    }  # fmt: skip
    document = RecipeDocument.load(own)
    for field, path in settings.items():
        document.set_from_text(f"{field}={path}")
    assert {str(path) for path in local_paths(document.recipe()).values()} == set(files)

    status, said = printed(*arguments, "--for", "k8s", "--image", "i", "--volume", "v")
    assert status == 2 and f"{files[0]} lies on this machine, which a pod does not see" in said
    (tmp_path / "held.jsonl").unlink()
    status, said = printed(*arguments, "--for", "skypilot", "--accelerator", "H100", "--gpus", "1")
    missing = (
        f"data.validation.name_or_path: {files[2]} is not on this machine; give what is, a path below /cockpit on "
    )
    assert (status, said) == (2, f"{missing}the volume, or a name on the Hub.\n")


def test_code_of_ones_own_comes_to_a_pod_with_the_recipe(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    text = "def right(answer, wanted):\n    return 1.0\n"
    (tmp_path / "judging.py").write_text(text)
    asked = (
        "--set",
        "evaluation.rows=2",
        "--set",
        "evaluation.function=judging:right",
        "--image",
        "i",
        "--volume",
        "v",
    )
    status, said = printed("demo", "--for", "k8s", *asked)
    assert status == 0, said
    config, job = read(said)
    for one in (config, job):
        jsonschema.validate(one, KUBERNETES[one["kind"]])
    (container,) = job["spec"]["template"]["spec"]["containers"]
    assert config["data"] == {"judging.py": text}
    assert {"name": "recipe", "mountPath": "/recipe"} in container["volumeMounts"]
    assert "\ncd /recipe\nexec cockpit train demo " in container["command"][-1]
    (tmp_path / "judging.py").rename(tmp_path / "other")
    (tmp_path / "judging").mkdir()
    status, said = printed("demo", "--for", "k8s", *asked)
    assert (status, said) == (
        2, "The module judging is a folder here; make it one file, or have --install install it there.\n",
    )  # fmt: skip


def test_a_judge_that_lies_here_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "strict.py").write_text("")
    check = "suite.learned=[{prompt: Hi, checks: {judge: [python, ./strict.py]}}]"
    status, said = printed("demo", "--for", "skypilot", "--set", check)
    sentence = "The judge's file strict.py is not brought there; give a command that --install installs there.\n"
    assert (status, said) == (2, sentence)


def test_the_help_says_what_keeps_the_runs() -> None:
    said = " ".join(printed("--help")[1].split())
    assert "goes on with its run when a machine was lost, if a --volume keeps the runs" in said
