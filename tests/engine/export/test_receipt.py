"""Receipts: what is shipped is what was trained, and a template or a scale that was exchanged on the way is told."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

import msgspec
import numpy as np
import pytest
from safetensors.torch import load_file, save_file

from cockpit.engine.errors import RunFailure
from cockpit.engine.export.unfit import CannotRun
from cockpit.engine.export.verify import form_of, gguf_in, mean_kl, verify
from cockpit.runs.folder import RunDir
from cockpit.runs.liveness import EngineIdentity
from cockpit.runs.receipt import RECEIPT, Limits, Receipt, ReplayedPrompt, encoded, limits_of, receipt_in, why_not
from tests.engine import tiny
from tests.engine.conftest import HostedRun, cockpit_home
from tests.engine.export.exporting import export


@pytest.fixture(scope="module")
def run(folder: Path, model: Path, rows: Path) -> Iterator[RunDir]:
    """A run that has learnt to answer, and can be exported."""
    with cockpit_home(folder / "receipt-home"):
        changes = {"training__max_steps": 24, "samples__prompts": ["what is the name of red 3"]}
        text = tiny.recipe_text(model, rows, backend="transformers", **changes)
        hosted = HostedRun(RunDir.create(folder / "receipt-home" / "runs" / "tiny"), text)
        hosted.until_phase("ready")
        hosted.close()
        gone = EngineIdentity.of_this_process("transformers")
        hosted.run.write_identity(msgspec.structs.replace(gone, pid=2**22 + 1))
        yield hosted.run


@pytest.fixture(scope="module")
def merged(run: RunDir, folder: Path) -> Path:
    out = folder / "receipt-merged"
    assert export(run, "merged-16bit", out).reason == ""
    return out


@pytest.fixture
def changed(merged: Path, tmp_path: Path) -> Callable[[], Path]:
    """A copy of the merged model, to be spoiled."""
    return lambda: Path(shutil.copytree(merged, tmp_path / "changed"))


def test_an_adapter_and_a_merged_model_are_what_was_trained(run: RunDir, merged: Path) -> None:
    for artefact, form, program in ((run.adapter, "adapter", "peft "), (merged, "merged-16bit", "transformers ")):
        receipt = verify(run, artefact)
        assert (receipt.why, receipt.form, receipt.run) == ([], form, "tiny")
        assert receipt.program.startswith(program)
        assert (len(receipt.prompts), receipt.equal_prompts, receipt.agreement) == (8, 8, 1.0)
        assert receipt.mean_kl < 1e-3
        ended, of = receipt.ends
        assert ended == of > 0
        assert receipt.prompts[0].prompt == "what is the name of red 3"
        assert receipt.prompts[0].trained_says == receipt.prompts[0].shipped_says != ""
        assert len({one.prompt for one in receipt.prompts}) == 8, "rows of the run fill up"


def test_another_template_is_told(run: RunDir, changed: Callable[[], Path]) -> None:
    folder = changed()
    for path in (folder / "chat_template.jinja", folder / "tokenizer_config.json"):
        if path.is_file():
            text = path.read_text(encoding="utf-8")
            path.write_text(text.replace("<|im_start|>assistant", "<|im_start|>model"), encoding="utf-8")
    receipt = verify(run, folder)
    assert not receipt.passed and receipt.equal_prompts == 0
    assert receipt.why[0].startswith("The prompt 'what is the name of red 3' becomes other tokens: from token ")
    assert "(so do 7 more)." in receipt.why[0]


def test_a_template_that_refuses_is_told(run: RunDir, changed: Callable[[], Path]) -> None:
    folder = changed()
    (folder / "chat_template.jinja").write_text("{{ raise_exception('no roles') }}", encoding="utf-8")
    receipt = verify(run, folder)
    assert "its template refuses it: no roles" in receipt.why[0]


def test_a_merge_with_the_wrong_scale_is_told(run: RunDir, changed: Callable[[], Path], model: Path) -> None:
    folder = changed()
    base, tuned = load_file(model / "model.safetensors"), load_file(folder / "model.safetensors")
    for scale in (0.0, 2.0):
        wrong = {
            name: base.get(name, weight) + scale * (weight - base.get(name, weight)) for name, weight in tuned.items()
        }
        save_file(wrong, folder / "model.safetensors", metadata={"format": "pt"})
        receipt = verify(run, folder)
        assert receipt.equal_prompts == 8, "the prompts are the same"
        assert any(why.startswith("It says other things: ") for why in receipt.why), receipt.lines()
        assert receipt.lines()[0].startswith("It is not what was trained. merged-16bit of tiny, 8 prompts through")


def test_an_adapter_with_the_wrong_scale_is_told(run: RunDir, tmp_path: Path) -> None:
    folder = Path(shutil.copytree(run.adapter, tmp_path / "adapter"))
    config = json.loads((folder / "adapter_config.json").read_text())
    (folder / "adapter_config.json").write_text(json.dumps(config | {"lora_alpha": config["lora_alpha"] * 3}))
    assert not verify(run, folder).passed
    assert verify(run, folder, limits=Limits(99.0, 0.0)).passed, "whoever sets wider limits gets them"


def test_a_run_whose_data_is_gone_is_verified_by_its_own_prompts(
    run: RunDir, merged: Path, tmp_path: Path, rows: Path
) -> None:
    copy = RunDir(Path(shutil.copytree(run.path, tmp_path / "copy")))
    text = copy.recipe.read_text(encoding="utf-8")
    copy.recipe.write_text(text.replace(str(rows), str(tmp_path / "gone.jsonl")), encoding="utf-8")
    told: list[str] = []
    receipt = verify(copy, merged, task=told.append)
    assert [one.prompt for one in receipt.prompts] == ["what is the name of red 3"] and receipt.passed
    assert any("only its own prompts are put" in line for line in told)


def test_llama_cpp_may_abort(run: RunDir, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """As it does on a file whose tokenizer its converter has read as another kind."""
    packages = tmp_path / "packages"
    (packages / "llama_cpp").mkdir(parents=True)
    (packages / "llama_cpp" / "__init__.py").write_text("import os\n\ndef Llama(*a, **k):\n    os.abort()\n")
    info = packages / "llama_cpp_python-9.9.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: llama-cpp-python\nVersion: 9.9\n")
    monkeypatch.syspath_prepend(str(packages))
    monkeypatch.setenv("PYTHONPATH", str(packages))
    file = tmp_path / "tiny-q8_0.gguf"
    file.write_bytes(b"GGUF")
    with pytest.raises(CannotRun, match=r"llama.cpp was ended by signal 6 on tiny-q8_0.gguf"):
        verify(run, file)


def test_what_an_artefact_is(tmp_path: Path) -> None:
    folder = tmp_path / "export"
    folder.mkdir()
    with pytest.raises(RunFailure, match="holds neither an adapter nor a model nor a GGUF file"):
        form_of(folder, gguf_in(folder))
    file = folder / "run-q4_k_m.gguf"
    file.touch()
    assert (gguf_in(folder), form_of(folder, file), gguf_in(file)) == (file, "gguf:q4_k_m", file)
    (folder / "other-f16.gguf").touch()
    with pytest.raises(RunFailure, match="several GGUF files"):
        gguf_in(folder)
    assert limits_of("gguf:q4_k_m") == limits_of("gguf:q4_0") != limits_of("gguf:q8_0")


def test_the_kl_of_known_distributions() -> None:
    before = np.log(np.array([[0.5, 0.25, 0.25], [1 / 3, 1 / 3, 1 / 3]]))
    after = np.log(np.array([[0.25, 0.5, 0.25], [1 / 3, 1 / 3, 1 / 3]]))
    assert mean_kl(before, before + 7) == pytest.approx(0, abs=1e-12)
    expected = (0.5 * np.log(2) + 0.25 * np.log(0.5)) / 2
    assert mean_kl(before, after) == pytest.approx(expected)


def prompt(**changes: object) -> ReplayedPrompt:
    usual = ReplayedPrompt(
        prompt="Hi", prompt_tokens=3, prompt_differs="", trained_says="a", shipped_says="a", tokens=10, agreed=10,
        mean_kl=0.0, trained_ends=True, shipped_ends=True,
    )  # fmt: skip
    return msgspec.structs.replace(usual, **changes)


@pytest.mark.parametrize(
    ("changes", "why"),
    [
        ({}, ""),
        ({"prompt_differs": "it begins with two <s>"}, "The prompt 'Hi' becomes other tokens: it begins with two <s>."),
        ({"mean_kl": 0.5}, "Its words are drawn with other probabilities: the mean KL is 0.5000 nats a token, "
            "above 0.0200."),
        ({"agreed": 8}, ""),  # of so few tokens two may be near-ties
        ({"agreed": 7}, "It says other things: 70 % of the greedy tokens agree, below 94 %."),
        ({"agreed": 2}, "It says other things: 20 % of the greedy tokens agree, below 94 %."),
        ({"shipped_ends": False}, "It does not end its turns: 0 of 1 that the trained model ends."),
    ],
)  # fmt: skip
def test_each_thing_that_does_not_hold_is_a_sentence(changes: dict[str, object], why: str, tmp_path: Path) -> None:
    limits = limits_of("merged-16bit")
    found = why_not([prompt(**changes)], limits)
    assert found == ([why] if why else [])
    receipt = Receipt(
        run="r", form="merged-16bit", path="/x", program="p 1", made_at=1.0, limits=limits, prompts=[prompt(**changes)],
        why=found,
    )  # fmt: skip
    (tmp_path / RECEIPT).write_bytes(encoded(receipt))
    assert receipt_in(tmp_path) == receipt
    assert json.loads((tmp_path / RECEIPT).read_text())["passed"] is (why == "")
    (tmp_path / RECEIPT).write_bytes(b"{")
    assert receipt_in(tmp_path) is None
