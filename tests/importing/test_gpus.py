"""Files that train on several GPUs: how many they are here, and that a step keeps its rows or its change is said."""

from pathlib import Path

import pytest

from cockpit.importing.gpus import AS_STARTED, NOT_SHARED, ONE_EACH, WHOLE_MODEL
from cockpit.recipe.schedule import effective_batch
from tests.importing.made import imported, lost, recipe_of

SWIFT = "swift sft --model o/m --dataset o/rows --per_device_train_batch_size 2"
ACCUMULATED = f"{SWIFT} --gradient_accumulation_steps 3"
OTHERS = "CUDA_VISIBLE_DEVICES (the others)"
COMMANDS = {
    "named": (f"CUDA_VISIBLE_DEVICES=0,2 NPROC_PER_NODE=2 {ACCUMULATED}", "0,2", 2, 12, {}),
    "counted": (f"export NPROC_PER_NODE=4\n{ACCUMULATED}", "auto", 4, 24, {}),
    "worked out": (f"gpus=4\nNPROC_PER_NODE=$gpus {ACCUMULATED}", "auto", 4, 24, {}),
    "by torchrun": (f"torchrun --nproc_per_node 4 swift/cli/sft.py{ACCUMULATED[9:]}", "auto", 4, 24, {}),
    "one alone": (f"CUDA_VISIBLE_DEVICES=3 {ACCUMULATED}", "3", 1, 6, {}),
    "none": (f"CUDA_VISIBLE_DEVICES=-1 {ACCUMULATED}", "none", 1, 6, {}),
    "rows by the tool": (f"NPROC_PER_NODE=4 {SWIFT}", "auto", 4, 16, {}),
    "rows by the tool, rounded up": (f"NPROC_PER_NODE=3 {SWIFT}", "auto", 3, 18, {}),
    "rows by the tool, which are split": (
        f"NPROC_PER_NODE=4 {SWIFT} --sequence_parallel_size 2", "auto", 2, 8, {"sequence_parallel_size": NOT_SHARED},
    ),
    "layers are spread": (f"CUDA_VISIBLE_DEVICES=0,1 {ACCUMULATED}", "0", 1, 6, {OTHERS: ONE_EACH}),
    "two for each": (
        f"CUDA_VISIBLE_DEVICES=0,1,2,3 NPROC_PER_NODE=2 {ACCUMULATED}", "0,1", 2, 12, {OTHERS: ONE_EACH},
    ),
    "rows are split": (
        f"CUDA_VISIBLE_DEVICES=0,1,2,3 NPROC_PER_NODE=4 {ACCUMULATED} --sequence_parallel_size 2",
        "0,1", 2, 12, {OTHERS: ONE_EACH, "sequence_parallel_size": NOT_SHARED},
    ),
    "the model is split": (
        f"NPROC_PER_NODE=2 {ACCUMULATED} --deepspeed zero3", "auto", 2, 12, {"deepspeed": WHOLE_MODEL},
    ),
    "too many": (
        f"NPROC_PER_NODE=32 {ACCUMULATED}", "auto", 1, 6,
        {"NPROC_PER_NODE": "a run here takes 1 to 16 GPUs; a step there has the rows of 32"},
    ),
    "unknown": (
        f"NPROC_PER_NODE=$(nvidia-smi) {ACCUMULATED}", "auto", 1, 6,
        {"NPROC_PER_NODE": "it is no number; give hardware.devices, and a step has rows of as many GPUs"},
    ),
    "too few": (
        f"CUDA_VISIBLE_DEVICES=0 NPROC_PER_NODE=2 {ACCUMULATED}", "auto", 2, 12,
        {"CUDA_VISIBLE_DEVICES": "it names 1, and 2 train together"},
    ),
    "several machines": (
        f"NNODES=2 NPROC_PER_NODE=2 {ACCUMULATED}", "auto", 2, 12,
        {"NNODES": "cockpit trains on one machine; with several a step has as many times more rows there"},
    ),
}  # fmt: skip
"""By what they show: the script, the GPUs here, how many, the rows of a step, what is not carried over and why."""


@pytest.mark.parametrize("name", COMMANDS)
def test_ms_swift(tmp_path: Path, name: str) -> None:
    text, gpu, devices, rows, gone = COMMANDS[name]
    made = imported(tmp_path, "s.sh", text + "\n")
    recipe = recipe_of(made)
    assert (recipe.hardware.gpu, recipe.hardware.devices, effective_batch(recipe)) == (gpu, devices, rows)
    assert lost(made) == gone


AXOLOTL = "base_model: o/m\nadapter: lora\nmicro_batch_size: 2\ngradient_accumulation_steps: 3\n"
TUNE = (
    "model: {_component_: torchtune.models.llama3.lora_llama3_8b}\nbatch_size: 2\ngradient_accumulation_steps: 3\n"
    "checkpointer: {checkpoint_dir: o/m}\noptimizer: {_component_: torch.optim.AdamW}\n"
)
FACTORY = (
    "model_name_or_path: o/m\nstage: sft\nper_device_train_batch_size: 2\ngradient_accumulation_steps: 3\n"
    "dataset: o/rows\n"
)
FILES = {
    "fsdp.yml": (AXOLOTL + "fsdp_version: 2\n", 1, 6, {"fsdp_version": AS_STARTED}),
    "shards.yml": (
        AXOLOTL + "fsdp_version: 2\ndp_shard_size: 2\ndp_replicate_size: 2\n", 4, 24, {"fsdp_version": WHOLE_MODEL},
    ),
    "copies.yml": (AXOLOTL + "dp_replicate_size: 2\n", 1, 6, {"dp_replicate_size": AS_STARTED}),
    "one.yml": (AXOLOTL + "dp_shard_size: 1\ncontext_parallel_size: 2\n", 1, 6, {"context_parallel_size": NOT_SHARED}),
    "ray.yml": (AXOLOTL + "use_ray: true\nray_num_workers: 4\n", 4, 24, {}),
    "no-ray.yml": (AXOLOTL + "ray_num_workers: 4\n", 1, 6, {}),
    "tune.yaml": (
        TUNE + "data_parallel_shard_dim: 2\ntensor_parallel_dim: 2\n", 2, 12, {"tensor_parallel_dim": NOT_SHARED},
    ),
    "all.yaml": (TUNE + "data_parallel_shard_dim: -1\n", 1, 6, {"data_parallel_shard_dim": AS_STARTED}),
    "ray.yaml": (FACTORY + "ray_num_workers: 4\nray_run_name: a\n", 4, 24, {}),
    "zero.yaml": (FACTORY + "deepspeed: ds_z3.json\n", 1, 6, {"deepspeed": AS_STARTED}),
    "second.yaml": (
        "model: o/m\nmodel_class: llm\ntrain_dataset: o/rows\nmicro_batch_size: 2\nglobal_batch_size: 8\n"
        "dist_config: {name: fsdp2}\n", 1, 8, {"dist_config.name": WHOLE_MODEL},
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", FILES)
def test_configurations(tmp_path: Path, name: str) -> None:
    text, devices, rows, gone = FILES[name]
    made = imported(tmp_path, name, text)
    recipe = recipe_of(made)
    assert (recipe.hardware.gpu, recipe.hardware.devices, effective_batch(recipe)) == ("auto", devices, rows)
    assert lost(made) == gone


SCRIPT = """
import os
os.environ["CUDA_VISIBLE_DEVICES"] = "0,1"
model = LOADER.from_pretrained("o/m"SPREAD)
trainer = KINDTrainer(model=model, train_dataset=load_dataset("o/rows", split="train"), MORE
                      args=KINDConfig(per_device_train_batch_size=4, gradient_accumulation_steps=2))
"""


def script(loader: str, kind: str = "SFT", spread: str = "", more: str = "") -> str:
    text = SCRIPT.replace("LOADER", loader).replace("KIND", kind).replace("SPREAD", spread)
    return text.replace("MORE", more)


@pytest.mark.parametrize(
    ("text", "gpu", "rows", "why"),
    [
        (script("AutoModelForCausalLM"), "0,1", 16, ""),
        (script("AutoModelForCausalLM", spread=", device_map='auto'"), "0", 8, ONE_EACH),
        (script("FastModel"), "0", 8, "one process of Unsloth trains on the first; see hardware.devices"),
        (
            script("AutoModelForCausalLM", "GRPO", more="reward_funcs=right,"), "0", 8,
            "grpo takes one GPU here; a step there has 2 times as many rows",
        ),
    ],
)  # fmt: skip
def test_scripts(tmp_path: Path, text: str, gpu: str, rows: int, why: str) -> None:
    made = imported(tmp_path, "train.py", text)
    recipe = recipe_of(made)
    assert (recipe.hardware.gpu, recipe.hardware.devices) == (gpu, gpu.count(",") + 1)
    assert effective_batch(recipe) == rows
    assert [reason for name, reason in lost(made).items() if "the others" in name] == ([why] if why else [])
