"""python -m cockpit.engine.export.verify RUN ARTEFACT: a run's prompts through what is shipped and what was trained"""

from __future__ import annotations

import argparse
import gc
import json
import os
import re
import subprocess
import sys
import tempfile
import time
import traceback
from collections.abc import Callable
from importlib import metadata
from pathlib import Path
from typing import Any

import numpy as np

from cockpit.disk import write_atomically
from cockpit.engine.errors import RunFailure, classify_error
from cockpit.engine.export.unfit import CANNOT_RUN, CannotRun
from cockpit.launch.export_form import CONVERTED, QUANTIZED
from cockpit.machine.child_environment import child_environment, python_command
from cockpit.models.folder import ModelFolder
from cockpit.recipe.recipe import Recipe
from cockpit.runs.folder import RunDir
from cockpit.runs.moved_base import with_base
from cockpit.runs.origin import recipe_of_run
from cockpit.runs.receipt import Limits, Receipt, ReplayedPrompt, encoded, limits_of, why_not
from cockpit.text.streams import hide_logins

Task = Callable[[str], None]


def verify(
    run: RunDir,
    artefact: Path,
    *,
    base: str | None = None,
    limits: Limits | None = None,
    shown: Path | None = None,
    task: Task = lambda words: None,
) -> Receipt:
    """Replay the run's prompts through both. `base`: where the run's base is, in place of the recipe's model. `shown`:
    what the artefact's path will be. Raises RunFailure where one of the two cannot be loaded."""
    from cockpit.engine.export.replay import Trained, questions_of

    recipe = with_base(recipe_of_run(run.path, "recipe.yaml").recipe(), base)
    file = gguf_in(artefact)
    form = form_of(artefact, file)
    task("loading what was trained")
    trained = Trained(run, recipe, task)
    questions = questions_of(recipe, task)
    task(f"answering {len(questions)} prompts as trained")
    replays = [trained.replay(question) for question in questions]
    tokenizer = trained.tokenizer
    del trained
    gc.collect()
    task(f"answering them by {artefact.name}")
    if file is not None:
        shipped, texts, refusals, program = _by_llama_cpp(file, questions, replays, recipe)
    else:
        shipped, texts, refusals, program = _by_transformers(artefact, base, questions, replays, recipe)
    prompts = []
    for at, (question, before) in enumerate(zip(questions, replays, strict=True)):
        after = shipped[at]
        shared = min(before.logits.shape[-1], after.logits.shape[-1]) if after is not None else 0
        differs = _differs(before.prompt_ids, after.prompt_ids, tokenizer) if after is not None else ""
        prompts.append(
            ReplayedPrompt(
                prompt=str(question[-1]["content"])[:2000],
                prompt_tokens=len(before.prompt_ids),
                prompt_differs=refusals[at] or differs,
                trained_says=tokenizer.decode(before.reply_ids, skip_special_tokens=True),
                shipped_says=texts[at],
                tokens=len(before.reply_ids),
                agreed=_agreeing(before.reply_ids, after.logits) if after else 0,
                mean_kl=mean_kl(before.logits[:, :shared], after.logits[:, :shared]) if after else 0.0,
                trained_ends=before.ends,
                shipped_ends=after.ends if after else False,
            )
        )
    kept = limits or limits_of(form)
    return Receipt(
        run=run.id,
        form=form,
        path=str(shown or artefact),
        program=program,
        made_at=time.time(),
        limits=kept,
        prompts=prompts,
        why=why_not(prompts, kept),
    )


def form_of(artefact: Path, file: Path | None) -> str:
    """As an export's form is called. Raises RunFailure where it is none."""
    if file is not None:
        kinds = "|".join(sorted([*CONVERTED, *QUANTIZED], key=len, reverse=True))
        found = re.search(rf"({kinds})\.gguf$", file.name.lower())
        return f"gguf:{found[1]}" if found else "gguf"
    if (artefact / "adapter_config.json").is_file():
        return "adapter"
    if (artefact / "config.json").is_file():
        wholes = {"": "merged-16bit", "compressed-tensors": "merged-fp8"}
        return wholes.get(ModelFolder.at(artefact).quantized, "merged-4bit")
    raise RunFailure(f"{artefact} holds neither an adapter nor a model nor a GGUF file.", "Name what was exported.")


def gguf_in(artefact: Path) -> Path | None:
    """The GGUF file that it is, or that it holds; None where it is something else. Raises RunFailure for several."""
    if artefact.is_file() and artefact.suffix.lower() == ".gguf":
        return artefact
    files = (
        [path for path in artefact.glob("*.gguf") if not path.name.startswith("mmproj-")] if artefact.is_dir() else []
    )
    if len(files) > 1:
        raise RunFailure(f"{artefact} holds several GGUF files.", "Name the one that is meant.")
    return files[0] if files else None


def mean_kl(trained: np.ndarray[Any, Any], shipped: np.ndarray[Any, Any]) -> float:
    """KL of the trained model's distribution to the other's, in nats, the mean over places of [places, words]."""
    before, after = _log_softmax(trained), _log_softmax(shipped)
    return float(np.maximum((np.exp(before) * (before - after)).sum(-1), 0.0).mean())


def _log_softmax(logits: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
    shifted = logits.astype(np.float64) - logits.max(-1, keepdims=True)
    return np.asarray(shifted - np.log(np.exp(shifted).sum(-1, keepdims=True)))


def _differs(trained: list[int], shipped: list[int], tokenizer: Any) -> str:
    """Where the tokens are not the same, as a clause; empty where they are."""
    if trained == shipped:
        return ""
    bos = tokenizer.bos_token_id
    if bos is not None and shipped[:2] == [bos, bos] and trained[:2] != [bos, bos]:
        return f"it begins with two {tokenizer.bos_token}"
    at = _agreed(trained, shipped)
    ours, theirs = (tokenizer.decode(ids[at : at + 4], skip_special_tokens=False) for ids in (trained, shipped))
    return f"from token {at + 1} on it is {theirs!r} in place of {ours!r}"


def _agreeing(reply: list[int], logits: np.ndarray[Any, Any]) -> int:
    """At how many tokens of the reply the likeliest one is the same."""
    return int((logits.argmax(-1) == np.array(reply)).sum())


def _agreed(one: list[int], other: list[int]) -> int:
    return next((at for at, (a, b) in enumerate(zip(one, other, strict=False)) if a != b), min(len(one), len(other)))


def _by_transformers(
    artefact: Path, base: str | None, questions: Any, replays: Any, recipe: Recipe
) -> tuple[list[Any], list[str], list[str], str]:
    from cockpit.engine.export.replay import Shipped

    model = Shipped(artefact, base, recipe)
    shipped: list[Any] = []
    texts, refusals = [], []
    for question, before in zip(questions, replays, strict=True):
        try:
            after = model.replay(question, before)
        except Exception as error:  # a template may raise whatever it likes
            shipped.append(None)
            texts.append("")
            refusals.append(f"its template refuses it: {' '.join(str(error).split())[:200]}")
            continue
        shipped.append(after)
        texts.append(model.tokenizer.decode(after.reply_ids, skip_special_tokens=True))
        refusals.append("")
    package = "peft" if (artefact / "adapter_config.json").is_file() else "transformers"
    return shipped, texts, refusals, f"{package} {metadata.version(package)}"


def _by_llama_cpp(
    file: Path, questions: Any, replays: Any, recipe: Recipe
) -> tuple[list[Any], list[str], list[str], str]:
    from cockpit.engine.export.replay import NEW_TOKENS, Replay

    try:
        version = metadata.version("llama-cpp-python")
    except metadata.PackageNotFoundError:
        raise RunFailure(
            "A GGUF file is verified by llama.cpp through llama-cpp-python, which is not installed.",
            "pip install llama-cpp-python",
        ) from None
    asked = [
        {"messages": question, "prompt_ids": before.prompt_ids, "reply_ids": before.reply_ids}
        for question, before in zip(questions, replays, strict=True)
    ]
    document = {"prompts": asked, "new_tokens": NEW_TOKENS, "thinks": recipe.chat.presets[0].enable_thinking}
    with tempfile.TemporaryDirectory() as name:
        there, back = Path(name) / "asked.json", Path(name) / "answers.json"
        there.write_text(json.dumps(document), encoding="utf-8")
        done = subprocess.run(
            python_command("cockpit.engine.export.gguf_replay", str(file), str(there), str(back)),
            env=child_environment(), stdin=subprocess.DEVNULL, stdout=sys.stderr, stderr=subprocess.PIPE, text=True,
            errors="replace", check=False,
        )  # fmt: skip
        if done.returncode or not back.is_file():
            said = [line.strip() for line in done.stderr.splitlines() if line.strip()]
            what = next((line for line in reversed(said) if "what():" in line), said[-1] if said else "")
            how = f"was ended by signal {-done.returncode}" if done.returncode < 0 else "failed"
            raise CannotRun(f"llama.cpp {how} on {file.name}: {what.removeprefix('what():').strip()[:300]}")
        answers = json.loads(back.read_text(encoding="utf-8"))
        shipped = [
            None
            if one["refusal"]
            else Replay(one["prompt_ids"], one["reply_ids"], one["ends"], np.load(f"{back}-{at}.npy"))
            for at, one in enumerate(answers)
        ]
    return shipped, [one["text"] for one in answers], [one["refusal"] for one in answers], f"llama-cpp-python {version}"


def main() -> int:
    """Verify, and write the receipt; 0 where it passes, 1 where it does not, CANNOT_RUN where no program can run it, 3
    where it could not be made."""
    parser = argparse.ArgumentParser(prog="python -m cockpit.engine.export.verify")
    parser.add_argument("run", type=Path)
    parser.add_argument("artefact", type=Path)
    parser.add_argument("--out", type=Path, required=True, help="the receipt")
    parser.add_argument("--shown", type=Path, help="where the artefact will be")
    parser.add_argument("--model", help="where the base is, in place of the recipe's model")
    parser.add_argument("--max-kl", type=float)
    parser.add_argument("--min-agreement", type=float)
    options = parser.parse_args()
    hide_logins()
    for name in ("HF_HUB_DISABLE_PROGRESS_BARS", "TQDM_DISABLE"):
        os.environ.setdefault(name, "1")
    os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")

    def task(words: str) -> None:
        print(words, flush=True)

    try:
        limits = None
        if options.max_kl is not None or options.min_agreement is not None:
            usual = limits_of(form_of(options.artefact, gguf_in(options.artefact)))
            limits = Limits(
                usual.mean_kl if options.max_kl is None else options.max_kl,
                usual.agreement if options.min_agreement is None else options.min_agreement,
            )
        task("importing the training stack")
        run = RunDir(options.run.absolute())
        receipt = verify(run, options.artefact, base=options.model, limits=limits, shown=options.shown, task=task)
        write_atomically(options.out, encoded(receipt))
    except CannotRun as error:
        print(str(error), flush=True)
        return CANNOT_RUN
    except BaseException as error:
        traceback.print_exc()
        ending = classify_error(error, None, 0)
        print(f"{ending.reason} {ending.advice}".strip(), flush=True)
        return 3
    return 0 if receipt.passed else 1


if __name__ == "__main__":
    status = main()
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(status)  # threads of the stack are not waited for
