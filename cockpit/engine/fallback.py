"""A run that was fitted to its GPU too boldly goes on as it was written, by itself"""

from __future__ import annotations

from cockpit.disk import write_atomically
from cockpit.engine.journal import Journal
from cockpit.preflight.memory import CONTEXT
from cockpit.preflight.tuned import remember_too_much
from cockpit.protocol.commands import Train
from cockpit.protocol.events import RunEnded
from cockpit.recipe.document import RecipeDocument
from cockpit.runs.checkpoint import newest_complete
from cockpit.runs.folder import RunDir
from cockpit.runs.link import new_command_id

ANY = 1 << 50
"""More bytes than any GPU has: what does not work at all does so with no memory."""


def fall_back(run: RunDir, order: Train, journal: Journal, ending: RunEnded, gpu: str) -> bool:
    """Make ready to go on as written after an `ending` that being fitted may have brought: the recipe as it was, and
    the order to resume, from the newest checkpoint or from the beginning. False where the run was trained as written
    already. The next fit on a `gpu` of that name does not try the same again.

    Raises OSError where the folder cannot be written.
    """
    if not run.written_recipe.exists():
        return False
    _learn(run, ending, gpu)
    newest, _ = newest_complete(run.checkpoints)
    step = newest.step if newest is not None else 0
    write_atomically(run.path / f"recipe.attempt-{journal.attempt}.yaml", run.recipe.read_text(encoding="utf-8"))
    run.written_recipe.replace(run.recipe)
    whence = f"after step {step:,}" if step else "from its beginning"
    journal.log("warning", f"{ending.reason} It was {order.fitted}; it goes on as written, {whence}.")
    run.send(
        Train(
            id=new_command_id(),
            run_id=run.id,
            command=order.command,
            recipe_name=order.recipe_name,
            resume=True,
            from_step=step,
            folder=order.folder,
        )
    )
    return True


def _learn(run: RunDir, ending: RunEnded, gpu: str) -> None:
    memory, available = ending.memory, ANY
    if memory is not None and memory.total_bytes:
        available = memory.total_bytes - memory.others_bytes + CONTEXT["compiled"]  # this process's counts as others'
    elif ending.outcome == "out_of_memory":
        return  # nobody knows of how much
    if gpu:
        remember_too_much(RecipeDocument.load(run.recipe).recipe(), gpu, available)
