"""cockpit plan: whether a recipe fits, in words and as one JSON document."""

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from cockpit.cli import cockpit
from cockpit.data.row_lengths import KnownRows, RowLengths, what_is_asked
from cockpit.machine import gpu
from cockpit.machine.gpu import GpuReport
from cockpit.preflight.experience import Entry, Experience, work_of
from cockpit.preflight.fitting import with_training
from cockpit.preflight.outlook import fitted_here
from cockpit.preflight.tuned import CHOSEN, remember, way_of
from cockpit.protocol.events import GpuReading, Holder
from cockpit.recipe.library import find_recipe
from cockpit.settings import settings_file

MIB = 1024.0
FULL = GpuReading(index=0, uuid="GPU-0", name="NVIDIA A100", vram_used_mib=36.0 * MIB, vram_total_mib=40.0 * MIB)
HOLDER = Holder(pid=4321, name="python", mib=36.0 * MIB)
BUSY = GpuReport(gpus=[FULL], driver="999.1", holders={"GPU-0": [HOLDER]})
FREE = GpuReading(index=0, uuid="GPU-0", name="NVIDIA A100", vram_used_mib=500.0, vram_total_mib=40.0 * MIB)
IDLE = GpuReport(gpus=[FREE], driver="999.1")


AS_WRITTEN = ("--set", "training.fit=as_written")


def run(*arguments: str) -> Result:
    return CliRunner().invoke(cockpit, ["plan", *arguments])


def machine(monkeypatch: pytest.MonkeyPatch, report: GpuReport) -> None:
    """The machine that the driver tells of."""

    class Probe:
        def wait(self) -> GpuReport:
            return report

    monkeypatch.setattr(gpu, "GpuProbe", Probe)
    monkeypatch.setattr("cockpit.preflight.machine.torch_cuda", lambda: None)
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
    monkeypatch.delenv("HF_HUB_OFFLINE", raising=False)


def test_a_recipe_that_fits(monkeypatch: pytest.MonkeyPatch) -> None:
    machine(monkeypatch, IDLE)
    result = run("llama-3-8b", "--set", "training.max_length=1024", *AS_WRITTEN)
    assert result.exit_code == 0, result.output
    lines = result.stdout.splitlines()
    assert lines[1] == "model    unsloth/llama-3-8b-bnb-4bit, 8.03 B weights as nf4, not on this disk yet"
    assert lines[2] == "trains   an adapter of rank 16: 13.6 M weights, 0.2 %"
    assert lines[3] == "rows     taken to have 1,024 tokens each, as they have not been tokenized here yet"
    assert lines[4] == "steps    60 of 2 x 4 rows, 8,192 tokens at most"
    assert lines[5] == "memory   7.2 GiB at most, while training; the largest part: weights"
    assert any(line.startswith("         weights       5.3 GiB  ▇▇▇▇") for line in lines)
    assert "GPU 0    ✓ fits: NVIDIA A100, 40 GiB of 40 GiB free" in lines


def test_one_that_does_not_says_who_holds_the_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    machine(monkeypatch, BUSY)
    result = run("qwen3-8b")
    assert result.exit_code == 1
    assert "GPU 0    ✗ does not fit: NVIDIA A100, 4.0 GiB of 40 GiB free" in result.stdout
    assert "held by python (4321) 36 GiB; alone it would fit" in result.stdout
    assert "\x1b" not in result.stdout


def test_json_is_one_document(monkeypatch: pytest.MonkeyPatch) -> None:
    machine(monkeypatch, BUSY)
    told = json.loads(run("qwen3-8b", "--json").stdout)
    assert told["trainable_parameters"] == 87_293_952
    assert told["tokens_per_step_at_most"] == 2 * 4 * 512
    assert told["memory"]["phase"] == "step" and told["memory"]["largest"] == "weights"
    parts = told["memory"]["phases"]["step"]["parts"]
    assert sum(parts.values()) == told["memory"]["peak"]
    (only,) = told["gpus"]
    assert (only["fit"], only["chosen"], only["free"]) == ("does not fit", True, 4 << 30)
    assert only["holders"] == [{"pid": 4321, "name": "python", "held": 36 << 30}]
    assert told["disk"]["needed"] == told["disk"]["checkpoint"] + told["disk"]["result"]


def test_without_a_gpu_the_cpu_would_train(monkeypatch: pytest.MonkeyPatch) -> None:
    machine(monkeypatch, GpuReport())
    result = run("demo")
    assert result.exit_code == 0
    assert "memory   the CPU would train, whose memory is not forecast" in result.stdout
    assert "steps    130 of 16 x 1 rows, 8,192 tokens at most; 0.935 epochs over 2,216 rows" in result.stdout


def test_a_model_that_nobody_knows(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    machine(monkeypatch, IDLE)
    result = run("llama-3.2-1b", "--model", "somebody/new")
    assert "memory   – not known" in result.stdout
    assert "GPU 0    – not known: NVIDIA A100" in result.stdout
    assert json.loads(run("llama-3.2-1b", "--model", "somebody/new", "--json").stdout)["memory"] is None


def test_what_stands_in_the_way_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    machine(monkeypatch, IDLE)
    result = run("demo", "--data", "/no/such/file.jsonl")
    assert result.exit_code == 1
    assert "✗ --data: there is no such file: /no/such/file.jsonl" in result.stdout
    assert run("no-such-recipe").exit_code == 2


def test_how_it_is_fitted_to_the_card(monkeypatch: pytest.MonkeyPatch) -> None:
    machine(monkeypatch, IDLE)
    asked = ("llama-3-8b", "--set", "training.max_length=1024")
    lines = run(*asked).stdout.splitlines()
    assert lines[4] == "steps    60 of 4 x 2 rows, 8,192 tokens at most"
    assert lines[5].startswith("fit      here 4 × 2, not checkpointed, rows padded to 256, ")
    assert lines[5].endswith(" GiB of 40 GiB (written 2 × 4)")
    document = json.loads(run(*asked, "--json").stdout)
    assert document["fitted"] == "here 4 × 2, not checkpointed, rows padded to 256 (written 2 × 4)"
    assert (document["gradient_checkpointing"], document["times_as_fast"]) == ("none", None)
    recipe = find_recipe("llama-3-8b")
    recipe.set("training.max_length", 1024)
    fast = {name: getattr(fitted_here(recipe.recipe(), IDLE).recipe.training, name) for name in CHOSEN}
    written = with_training(recipe.recipe(), fit="as_written").training
    remember(recipe.recipe(), "NVIDIA A100", settings=fast, tokens_s=500.0, written=way_of(written),
             written_tokens_s=100.0)  # fmt: skip
    assert ", about 5.0 times as fast, " in run(*asked).stdout.splitlines()[5]
    assert json.loads(run(*asked, "--json").stdout)["times_as_fast"] == 5.0
    assert json.loads(run(*asked, *AS_WRITTEN, "--json").stdout)["fitted"] is None


def test_time_and_cost_where_the_same_work_was_measured_and_a_price_is_set(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    machine(monkeypatch, IDLE)
    found = fitted_here(find_recipe("llama-3-8b").recipe(), IDLE).recipe
    entry = Entry(run="one", gpu="NVIDIA A100", work=work_of(found), step_s=60.0, other_s=0.0)
    monkeypatch.setattr("cockpit.preflight.experience.learned", lambda: Experience([entry]))
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path))
    assert run("llama-3-8b").stdout.splitlines()[-1].startswith("time     about 1 h 00 m, as 1 run of")
    settings_file().parent.mkdir()
    settings_file().write_text("gpu_hour: 2.49 EUR")
    assert run("llama-3-8b").stdout.splitlines()[-1] == "cost     about 2.49 EUR, at 2.49 EUR a GPU-hour"
    assert json.loads(run("llama-3-8b", "--json").stdout)["cost"] == "2.49 EUR"
    settings_file().write_text("gpu_hour: 2.49")
    refused = run("llama-3-8b")
    assert refused.exit_code == 2 and "which is no price with its currency" in refused.stderr


def test_rows_that_were_tokenized_here_are_forecast_as_long_as_they_are(monkeypatch: pytest.MonkeyPatch) -> None:
    machine(monkeypatch, IDLE)
    recipe = find_recipe("llama-3-8b").recipe()
    asked = what_is_asked(recipe)
    assert asked is not None
    before = json.loads(run("llama-3-8b", *AS_WRITTEN, "--json").stdout)
    monkeypatch.setattr(KnownRows, "read", lambda _cache: KnownRows({asked: RowLengths(50, 400, 20, 10_000)}))
    said = "rows     200 tokens on average, 400 at most, as the 50 rows were tokenized here"
    assert said in run("llama-3-8b").stdout.splitlines()
    after = json.loads(run("llama-3-8b", *AS_WRITTEN, "--json").stdout)
    assert (before["row_tokens"], after["row_tokens"]) == (None, {"longest": 400, "mean": 200.0, "rows": 50})
    assert after["tokens_per_step_at_most"] == 2 * 4 * 400 < before["tokens_per_step_at_most"]
    assert after["memory"]["peak"] < before["memory"]["peak"]
