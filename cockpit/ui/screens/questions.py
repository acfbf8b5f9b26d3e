"""What the app asks before it does something that cannot be taken back; Enter takes the answer that stands first."""

from __future__ import annotations

from collections.abc import Sequence

from textual.content import Content

from cockpit.protocol.events import WatchdogFired
from cockpit.runs.stopping import Stopping
from cockpit.text.numbers import count, learning_rate, size
from cockpit.text.plain_text import plain_line
from cockpit.ui.screens.dialog import Answer, Dialog
from cockpit.ui.widgets.alarm_bar import alarm_name
from cockpit.ui.widgets.glyphs import glyphs
from cockpit.ui.widgets.state_signs import alarm_level

AT = "at"
"""Begins the answer that names a host."""
GO_ON = Answer("no", "go on", "Change nothing")
FACTORS = {"half": 0.5, "tenth": 0.1, "double": 2.0}
"""Of the learning rate, by what a dialog answers."""
MORE = "more-"


def start_beside(run_id: str) -> Dialog:
    """Another run beside one that trains: `beside` or not."""
    answers = [
        Answer("back", "not now", "Change nothing"),
        Answer("beside", "start beside it", "Start a second run on this machine"),
    ]
    text = f"{run_id} is still training. Two runs share memory and processor."
    return Dialog("another run?", text, answers)


def remove_run(run_id: str, taken: int, kept: str) -> Dialog:
    """Whether a run is to be removed for good: `remove` or not."""
    answers = [
        Answer("keep", "keep it", "Change nothing"),
        Answer("remove", "remove for good", "No way back"),
    ]
    text = f"{plain_line(run_id)} takes {size(taken)}{f', with {kept}' if kept else ''}. All of it is removed for good."
    return Dialog("remove?", text, answers)


def remove_far_run(run_id: str) -> Dialog:
    """Whether a run is to be removed for good on its host: `remove` or not."""
    answers = [
        Answer("keep", "keep it", "Change nothing"),
        Answer("remove", "remove for good", "No way back"),
    ]
    return Dialog("remove?", f"All of {plain_line(run_id)} is removed for good there, and its copy here.", answers)


def not_started(reasons: Sequence[str], *, can_edit: bool) -> Dialog:
    """Why a run was not started; `edit` to open the recipe, where that is offered."""
    answers = [Answer("close", "close", "Back to where you were")]
    if can_edit:
        answers.append(Answer("edit", "edit the recipe", "Open the recipe in the editor"))
    return Dialog("not started", "\n".join(reasons), answers)


def stop_run(stopping: Stopping) -> Dialog:
    """Whether a run is to end, with what was trained saved: `yes` or `no`."""
    return Dialog("stop?", stopping.sentence, [Answer("yes", _stop_label(stopping), "End the run"), GO_ON])


def _stop_label(stopping: Stopping) -> str:
    return "stop and save" if stopping.saves else "stop"


def drop(under_way: str) -> Dialog:
    """Whether a run is to end in the middle of what is `under_way`: `yes` or `no`."""
    text = f"The {under_way} is dropped and nothing is saved. Checkpoints that were saved stay."
    return Dialog(
        "stop without saving?", text, [Answer("yes", f"drop the {under_way}", "End at once and save nothing"), GO_ON]
    )


def scale_rate(rate: float | None) -> Dialog:
    """Which factor the learning rate is to be taken times: a key of FACTORS, or `no`."""
    text = f"The last step took {learning_rate(rate)}. From the next one on, the planned curve is taken times:"
    answers = [
        Answer("half", "0.5", "Half of it"),
        Answer("tenth", "0.1", "A tenth of it"),
        Answer("double", "2", "Twice as much"),
        GO_ON,
    ]
    return Dialog("learning rate", text, answers)


def alarms_on(alarms: Sequence[WatchdogFired], can: Sequence[str]) -> Dialog:
    """What watchdogs have found, by which rule, and what may help; the answer is one of the actions that `can` be asked
    for now."""
    ways = {
        "pause": Answer("pause", "pause", "Wait after the step in hand"),
        "unpause": Answer("unpause", "go on", "Go on with the training"),
        "scale_rate": Answer("scale_rate", "change the rate", "Take a factor of the learning rate"),
        "stop": Answer("stop", "stop and save", "End the run with what was trained saved"),
    }
    told = [
        Content.assemble(
            (f"{glyphs().warn} {alarm_name(alarm)}", f"bold ${alarm_level({alarm.watchdog: alarm})}"),
            (f" after step {count(alarm.step)}\n", "$foreground-muted"),
            f"{plain_line(alarm.finding)}\n",
            ("rule  ", "$foreground-muted"),
            f"{plain_line(alarm.rule)}\n" if alarm.rule else "–\n",
            ("try   ", "$foreground-muted"),
            plain_line(alarm.advice) or "–",
        )
        for alarm in alarms
    ]
    answers = [Answer("close", "close", "Back to the run"), *(ways[action] for action in can if action in ways)]
    return Dialog("watchdogs", Content("\n\n").join(told), answers)


def add_steps(total: int) -> Dialog:
    """How many steps are to be added to `total`: MORE and their number, or `no`."""
    numbers = dict.fromkeys(max(1, total * share // 100) for share in (10, 50, 100))
    answers = [Answer(f"{MORE}{steps}", f"{count(steps)} more", f"{count(total + steps)} in all") for steps in numbers]
    text = f"{count(total)} steps are planned. The schedule is that of the longer run from the next step on."
    return Dialog("more steps", text, [*answers, GO_ON])


def end_engine(why: str) -> Dialog:
    """Whether the engine of a run that does not end, and `why`, is to be killed: `no` or `yes`."""
    text = f"{why} Ending the engine's process ends the run now; nothing more is saved. Checkpoints stay."
    answers = [Answer("no", "wait", "Change nothing"), Answer("yes", "end the engine", "End its process now")]
    return Dialog("end the engine?", text, answers)


def take_up(why: str) -> Dialog:
    """A run whose engine is out of sight and silent: `resume` it, or `wait`."""
    answers = [
        Answer("wait", "wait", "Change nothing"),
        Answer("resume", "resume it here", "Start another engine for it on this machine"),
    ]
    return Dialog("resume?", why, answers)


def which_host(names: Sequence[str]) -> Dialog:
    """On which host a run is to start: AT and its index in `names`, or `stay`."""
    answers = [Answer(f"{AT}{at}", plain_line(name), "Start it there") for at, name in enumerate(names)]
    stay = Answer("stay", "cancel", "Start nothing")
    return Dialog("start where?", "Each host has its own data, models and GPUs.", [*answers, stay])


def end_export(run_id: str) -> Dialog:
    """What becomes of an export that is under way: `wait` for it, or `end` it."""
    answers = [
        Answer("wait", "let it go on", "The log tells how it goes"),
        Answer("end", "end the export", "Nothing of it is left behind"),
    ]
    return Dialog("exporting", f"An export of {run_id} is under way.", answers)


def leave_run(run_id: str, stopping: Stopping) -> Dialog:
    """What becomes of a run that trains when the app ends: `leave`, `stop`, or `stay` in the app."""
    answers = [
        Answer("leave", "leave it running", "The run goes on; cockpit attach shows it again"),
        Answer("stop", _stop_label(stopping), stopping.sentence),
        Answer("stay", "cancel", "Stay here"),
    ]
    return Dialog("quit?", f"{run_id} is still training. It needs no app to go on.", answers)


def drop_changes(changes: int, *, quits: bool) -> Dialog:
    """Edits that would be lost: `drop` them, or `stay`."""
    answers = [
        Answer("stay", "keep editing", "Stay in the editor"),
        Answer("drop", "drop the changes", "The recipe stays as it was"),
    ]
    text = f"{changes} change{'s' * (changes != 1)} not saved. Ctrl+S would keep the recipe as one of your own."
    return Dialog("quit?" if quits else "leave the editor?", text, answers)
