"""From where a run resumes and how far, the same for the app and the command."""

import pytest

from cockpit.paths import runs_folder
from cockpit.recipe.document import RecipeDocument
from cockpit.recipe.recipe import Recipe
from cockpit.runs.folder import RunDir
from cockpit.runs.resumable import ResumePoint
from tests.recording import Ending, record
from tests.runs.complete_checkpoint import write_checkpoint


def ended(ending: Ending, *checkpoints: int) -> tuple[RunDir, RecipeDocument]:
    run = record(runs_folder(), run_id="demo-1", ending=ending)
    for step in checkpoints:
        write_checkpoint(run.checkpoints, step)
    return run, RecipeDocument.load(run.recipe)


def changed(document: RecipeDocument, *settings: str) -> Recipe:
    document = document.copy()
    for setting in settings:
        document.set_from_text(setting)
    return document.recipe()


@pytest.mark.parametrize(
    ("ending", "settings", "wrong"),
    [
        ("completed", (), "300 steps are done; give more."),
        ("completed", ("training.max_steps=301",), ""),
        ("failed", (), ""),  # its result is in the checkpoint alone
        ("failed", ("training.max_steps=299",), "300 steps are done; give more."),
    ],
)
def test_how_many_steps_a_run_may_have(ending: Ending, settings: tuple[str, ...], wrong: str) -> None:
    run, document = ended(ending, 300)
    point = ResumePoint.of(run, document.recipe())
    after = changed(document, *settings)
    assert point.why_not(after) == wrong
    assert after.training.max_steps is not None
    assert point.why_not_steps(after.training.max_steps) == wrong


def test_epochs_that_are_raised_leave_the_number_of_steps_to_the_rows() -> None:
    run, document = ended("completed", 300)
    document.set_from_text("training.max_steps=null")
    point = ResumePoint.of(run, document.recipe())
    assert point.total_steps == 300
    assert point.why_not(document.recipe()) == "300 steps are done; give more."
    assert point.why_not(changed(document, "training.num_train_epochs=9")) == ""


def test_the_checkpoint_is_the_newest_complete_one_or_the_one_asked_for() -> None:
    run, document = ended("stopped", 50, 100)
    (run.checkpoints / "checkpoint-100" / "optimizer.pt").write_bytes(b"truncated")
    point = ResumePoint.of(run, document.recipe())
    assert (point.step, point.least_steps) == (50, 51)
    assert point.passed == ("checkpoint-100 cannot be resumed from: optimizer.pt is truncated.",)
    assert ResumePoint.of(run, document.recipe(), 50).step == 50
    with pytest.raises(ValueError, match="no checkpoint after step 100 that loads; there are: 50"):
        ResumePoint.of(run, document.recipe(), 100)


@pytest.mark.parametrize(
    ("ending", "why"), [("going", "still going; there is nothing to resume"), ("stopped", "no checkpoint to resume")]
)
def test_why_a_run_cannot_resume(ending: Ending, why: str) -> None:
    run, document = ended(ending)
    with pytest.raises(ValueError, match=f"The run demo-1 (is|has) {why}"):
        ResumePoint.of(run, document.recipe())
