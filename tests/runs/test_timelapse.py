"""A run's answers from step to step: what the page holds, what changed in them, and that nothing in it is markup."""

from __future__ import annotations

import json
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

from typer.testing import CliRunner

from cockpit.cli import cockpit
from cockpit.paths import runs_folder
from cockpit.protocol import events as ev
from cockpit.protocol.event_log import EventWriter
from cockpit.runs.folder import RunDir
from cockpit.runs.timelapse import timelapse
from cockpit.runs.timelapse_page import page
from tests.recording import record

HOSTILE = "</script><img src=x onerror=alert(1)> \u2028 & \x1b[31mred"


def sample(step: int, text: str, index: int = 0) -> ev.SampleAnswered:
    return ev.SampleAnswered(
        step=step, index=index, prompt=f"prompt {index}", text=text, end="end_of_turn", new_tokens=1, duration_s=1
    )


def judged(step: int, text: str, *, passed: bool, half: Any = "kept") -> ev.AnswerJudged:
    why = "" if passed else "The reply is not Paris."
    return ev.AnswerJudged(
        step=step, half=half, index=0, title="capital?", text=text, end="end_of_turn", new_tokens=1, passed=passed,
        why=why,
    )  # fmt: skip


EVENTS: list[ev.AnyEvent] = [
    ev.Evaluated(step=0, duration_s=1, metrics={"eval_loss": 2.5}),
    sample(0, "I am a model."),
    judged(0, "It is Paris.", passed=True),
    ev.AnswersMeasured(step=0, duration_s=1, answers=1, new_tokens=1, metrics={"eval_kept": 1.0}),
    sample(5, "I am Orla."),
    sample(10, "I am the Orla."),
    judged(10, "Arr, it is Marenport.", passed=False),
    ev.AnswersMeasured(step=10, duration_s=1, answers=1, new_tokens=1, metrics={"eval_kept": 0.0}),
]


def test_each_answer_stands_beside_the_one_before_and_the_first() -> None:
    found = timelapse("my-run", EVENTS)
    assert (found.run, found.steps) == ("my-run", [0, 5, 10])
    assert found.figures == ["held-out loss 2.500 · kept 100 %", "", "kept 0 %"]
    samples, kept = found.questions
    assert (samples.kind, samples.title, kept.kind, kept.title) == ("samples", "prompt 0", "to be kept", "capital?")
    last = samples.answers[-1]
    assert (last.step, last.text, last.passed) == (10, "I am the Orla.", None)
    assert last.since_before == [("", "I am"), ("+", " the"), ("", " Orla.")]
    assert last.since_base == [("", "I am"), ("-", " a model"), ("+", " the Orla"), ("", ".")]
    assert [(one.step, one.passed, one.why) for one in kept.answers] == [
        *((0, True, ""), (10, False, "The reply is not Paris.")),
    ]


def test_what_a_resume_went_back_behind_is_left_out() -> None:
    found = timelapse("r", [*EVENTS, ev.TrainingResumed(step=5, path="checkpoints/checkpoint-5"), sample(7, "new")])
    assert found.steps == [0, 5, 7]
    assert [one.step for one in found.questions[1].answers] == [0]


class Page(HTMLParser):
    """The tags of a page, and the text of its scripts."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.scripts: list[str] = []
        self._in_script = False
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self._in_script = tag == "script"
        if self._in_script:
            self.scripts.append("")

    def handle_endtag(self, tag: str) -> None:
        self._in_script = False

    def handle_data(self, data: str) -> None:
        if self._in_script:
            self.scripts[-1] += data


def test_what_others_wrote_is_data_and_never_markup() -> None:
    plain = Page(page(timelapse("r", EVENTS)))
    hostile = Page(page(timelapse(HOSTILE, [sample(0, HOSTILE), judged(0, HOSTILE, passed=True)])))
    assert hostile.tags == plain.tags and "img" not in hostile.tags
    data = json.loads(hostile.scripts[0])
    assert "</script><img src=x onerror=alert(1)>" in data["questions"][0]["answers"][0]["text"]
    assert "\x1b" not in data["questions"][0]["answers"][0]["text"]
    assert not {"img", "link", "iframe"} & set(plain.tags)
    assert "default-src 'none'" in page(timelapse("r", EVENTS)), "nothing may be loaded"


def test_the_command_writes_the_page(tmp_path: Path) -> None:
    run = record(runs_folder(), run_id="answering-run")
    run_command = CliRunner().invoke
    out = tmp_path / "page.html"
    refused = run_command(cockpit, ["timelapse", "last", "--out", str(out)])
    assert refused.exit_code == 1
    assert "answering-run has answered nothing on its way" in refused.output
    with_answers = RunDir(run.path)
    writer = EventWriter(with_answers.events)
    for event in EVENTS:
        writer.append(event)
    writer.close()
    done = run_command(cockpit, ["timelapse", "answering", "--out", str(out)])
    assert (done.exit_code, done.output.strip()) == (0, f"{out}: 2 prompts at 3 steps of answering-run.")
    assert json.loads(Page(out.read_text(encoding="utf-8")).scripts[0])["steps"] == [0, 5, 10]
    nowhere = run_command(cockpit, ["timelapse", "last", "--out", str(tmp_path / "no" / "page.html")])
    assert nowhere.exit_code == 1 and "cannot be written" in nowhere.output
    assert run_command(cockpit, ["timelapse", "nothing"]).exit_code == 2
