"""A recipe as a task of SkyPilot, or as a job of Kubernetes: YAML that a person would have written"""

from __future__ import annotations

import io
import re
import shlex
from dataclasses import dataclass
from typing import Any

from cockpit.launch.meeting import PORT

HOME = "/cockpit"
"""Where the disk lies that outlives the machines: COCKPIT_HOME."""
FOLDER = "/recipe"
"""Where the recipe's file lies, and the code beside it."""
RECIPE = f"{FOLDER}/recipe.yaml"
DISK_GB = 256
TRIES = 20
"""How often Kubernetes begins a pod anew that has ended with another status than 0; each goes on from a checkpoint."""
ENDS_S = 60
"""Seconds beyond the recipe's grace that a machine has to save when it is told to end."""
CONTAINER = "cockpit"
WRONG, STOPPED = 2, 130
"""Statuses of cockpit train: the recipe or a setting is wrong; it was stopped."""
LONGEST_NAME = 50
_accelerator = re.compile(r"[A-Za-z][\w.-]*")


@dataclass(frozen=True)
class Task:
    """What is to run. `command` is a cockpit train that goes on with its run where it has one; its recipe is a name, or
    RECIPE where it is the file `recipe_file` of this machine, with `recipe_text` in it. `files`: other paths of this
    machine that are read. `code`: Python files of this machine that are looked for in the working folder, each with its
    text."""

    name: str
    command: tuple[str, ...]
    gpus: int
    nodes: int = 1
    accelerator: str = ""
    image: str = ""
    volume: str = ""
    install: str = ""
    recipe_file: str = ""
    recipe_text: str = ""
    files: tuple[str, ...] = ()
    code: tuple[tuple[str, str], ...] = ()
    grace_s: int = 30

    def __post_init__(self) -> None:
        """Raises ValueError with a sentence."""
        if self.accelerator and not _accelerator.fullmatch(self.accelerator):
            raise ValueError(
                f"--accelerator {self.accelerator}: this is no kind of GPU; write it as H100 or A100-80GB."
            )
        if self.nodes > 1 and not self.volume:
            raise ValueError(
                f"--nodes {self.nodes}: the machines need a disk that all of them share; give its name as --volume."
            )


def skypilot(task: Task) -> str:
    """The text of a task file for `sky launch` or `sky jobs launch`. Raises ValueError with a sentence."""
    if task.gpus and not task.accelerator:
        raise ValueError("--accelerator: SkyPilot must be told which GPUs to look for; give one, such as H100.")
    found: dict[str, Any] = {"name": task.name, "resources": {"disk_size": DISK_GB}}
    if task.gpus:
        found["resources"]["accelerators"] = f"{task.accelerator}:{task.gpus}"
    if task.image:
        found["resources"]["image_id"] = f"docker:{task.image}"
    if task.nodes > 1:
        found["num_nodes"] = task.nodes
    mounts = {path: path for path in task.files} | ({RECIPE: task.recipe_file} if task.recipe_file else {})
    mounts |= {f"{FOLDER}/{_name(path)}": path for path, _ in task.code}
    if mounts:
        found["file_mounts"] = mounts
    if task.volume:
        found["volumes"] = {HOME: task.volume}
    lines = [f"export COCKPIT_HOME={HOME}" if task.volume else 'export COCKPIT_HOME="$HOME/cockpit"']
    if task.nodes > 1:
        lines.append('first=$(echo "$SKYPILOT_NODE_IPS" | head -n 1)')
    found["setup"] = _block(task.install)
    found["run"] = _block("\n".join([*lines, *_start(task)]))
    return _yaml(found)


def kubernetes(task: Task) -> str:
    """The text of an indexed job, with the recipe and what its pods find each other by. Raises ValueError with a
    sentence."""
    for option, value, why in (
        ("--image", task.image, "pods start in an image with Python and CUDA"),
        ("--volume", task.volume, "what a pod has written goes with it, and a claim of a volume stays"),
    ):
        if not value:
            raise ValueError(f"{option}: {why}; give one.")
    if task.files:
        raise ValueError(
            f"{task.files[0]} lies on this machine, which a pod does not see; put it on the volume and give its path "
            f"below {HOME}, or a name on the Hub."
        )
    name = kubernetes_name(task.name)
    lines = [task.install, *(["first=" + f"{name}-0.{name}"] if task.nodes > 1 else []), *_start(task)]
    container: dict[str, Any] = {
        "name": CONTAINER,
        "image": task.image,
        "command": ["bash", "-ec", _block("\n".join(filter(None, lines)))],
        "env": [{"name": "COCKPIT_HOME", "value": HOME}],
        "volumeMounts": [{"name": "home", "mountPath": HOME}, {"name": "shm", "mountPath": "/dev/shm"}],
    }
    volumes: list[dict[str, Any]] = [
        {"name": "home", "persistentVolumeClaim": {"claimName": task.volume}},
        {"name": "shm", "emptyDir": {"medium": "Memory"}},  # batches and NCCL go through it
    ]
    if task.gpus:
        container["resources"] = {"limits": {"nvidia.com/gpu": task.gpus}}
    documents: list[dict[str, Any]] = []
    data = {_name(RECIPE): _block(task.recipe_text)} if task.recipe_text else {}
    data |= {_name(path): _block(text) for path, text in task.code}
    if data:
        container["volumeMounts"].append({"name": "recipe", "mountPath": FOLDER})
        volumes.append({"name": "recipe", "configMap": {"name": name}})
        documents.append({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": name}, "data": data})
    pod: dict[str, Any] = {
        "restartPolicy": "Never",
        "terminationGracePeriodSeconds": task.grace_s + ENDS_S,
        "containers": [container],
        "volumes": volumes,
    }
    if task.nodes > 1:
        pod = {"subdomain": name, **pod}
        by_job = {"batch.kubernetes.io/job-name": name}
        service = {"clusterIP": "None", "publishNotReadyAddresses": True, "selector": by_job}
        documents.append({"apiVersion": "v1", "kind": "Service", "metadata": {"name": name}, "spec": service})
    job = {
        "completions": task.nodes,
        "parallelism": task.nodes,
        "completionMode": "Indexed",
        "backoffLimit": TRIES,
        "podFailurePolicy": {"rules": _failure_rules(task)},
        "template": {"spec": pod},
    }
    documents.append({"apiVersion": "batch/v1", "kind": "Job", "metadata": {"name": name}, "spec": job})
    return "---\n".join(map(_yaml, documents))


def kubernetes_name(name: str) -> str:
    """`name` made fit for a Job, a ConfigMap and a Service: small letters, digits and hyphens, with a letter first and
    no hyphen last (RFC 1035)."""
    plain = re.sub(r"[^a-z0-9]+", "-", name.lower()).strip("-")
    plain = plain if plain[:1].isalpha() else f"cockpit-{plain}"
    return plain[:LONGEST_NAME].rstrip("-")


def _failure_rules(task: Task) -> list[dict[str, Any]]:
    """What a pod's end means for the job; the first rule that fits holds. A pod whose node was taken away is no failure
    and begins anew, also where it has saved and ended with STOPPED. Where a recipe is wrong, or one pod was stopped by
    hand, the job is over. Of several pods the others end with STOPPED too when the node of one is taken away."""
    over = [WRONG, STOPPED] if task.nodes == 1 else [WRONG]
    return [
        {"action": "Ignore", "onPodConditions": [{"type": "DisruptionTarget", "status": "True"}]},
        {"action": "FailJob", "onExitCodes": {"containerName": CONTAINER, "operator": "In", "values": over}},
    ]


def _start(task: Task) -> list[str]:
    command = shlex.join(task.command) + (f' --nodes {task.nodes} --rdzv "$first:{PORT}"' if task.nodes > 1 else "")
    return [*([f"cd {FOLDER}"] if task.code else []), f"exec {command}"]


def _name(path: str) -> str:
    return path.rpartition("/")[2]


def _block(text: str) -> Any:
    """Text that stands in YAML as it is read."""
    from ruamel.yaml.scalarstring import LiteralScalarString

    return LiteralScalarString(text if text.endswith("\n") else f"{text}\n") if "\n" in text else text


def _yaml(content: dict[str, Any]) -> str:
    from ruamel.yaml import YAML

    writer, stream = YAML(), io.StringIO()
    writer.width = 4096
    writer.indent(mapping=2, sequence=4, offset=2)
    writer.dump(content, stream)
    return stream.getvalue()
