"""python -m cockpit.engine.export.gguf_replay FILE IN OUT: prompts through llama.cpp, in a process that it may abort"""

from __future__ import annotations

import json
import sys
from pathlib import Path

import numpy as np

from cockpit.engine.errors import RunFailure
from cockpit.engine.model.gguf_model import GgufModel


def main(file: str, asked: str, out: str) -> int:
    """Replay what the JSON file `asked` holds, and write the answers to `out` with -N.npy beside it for the logits."""
    questions = json.loads(Path(asked).read_text(encoding="utf-8"))
    longest = max(len(one["prompt_ids"]) + len(one["reply_ids"]) for one in questions["prompts"])
    try:
        model = GgufModel(Path(file), 2 * longest + questions["new_tokens"] + 8, all_logits=True)
    except RunFailure as failure:
        print(f"{failure} {failure.advice}", file=sys.stderr)
        return 1
    answers = []
    for number, one in enumerate(questions["prompts"]):
        refusal, ids = "", []
        try:
            ids = model.prompt_ids(one["messages"], enable_thinking=questions["thinks"])
        except Exception as error:
            refusal = f"its template refuses it: {' '.join(str(error).split())[:200]}"
        said: list[int] = []
        ends = False
        for token in model.draw(ids, temp=0.0) if ids else ():
            said.append(token)
            ends = model.ends(token)
            if ends or len(said) >= questions["new_tokens"]:
                break
        whole = [*one["prompt_ids"], *one["reply_ids"]]
        np.save(f"{out}-{number}.npy", model.logits(whole)[len(one["prompt_ids"]) - 1 : -1])
        text = model.decode(said, skip_special_tokens=True)
        answers.append({"prompt_ids": ids, "reply_ids": said, "ends": ends, "refusal": refusal, "text": text})
    Path(out).write_text(json.dumps(answers), encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:4]))
