"""What readers have asked of the worker thread, in a form that it can look at between micro-steps."""

from __future__ import annotations

import contextlib
import math
import queue
import threading
import time
from collections.abc import Callable
from typing import Literal

from cockpit.engine.errors import Stopped
from cockpit.protocol.commands import (
    AddSteps,
    Chat,
    ChatBoth,
    Control,
    Pause,
    Question,
    ScaleLearningRate,
    Train,
    Unpause,
)
from cockpit.recipe.scheduler import MAX_STEPS
from cockpit.text.numbers import count

LOOK_EVERY_S = 1.0
"""How long a training that waits does not look at what it is asked for; it is woken besides."""


class Controls:
    """Given by the engine's main thread, looked at by its worker."""

    def __init__(self) -> None:
        self.stop: Literal["save", "drop"] | None = None
        """Finish the step and save, or drop it."""
        self.why = ""
        """Why the engine is to end, in a sentence; empty where a reader has asked for the stop."""
        self._hurry_until: float | None = None
        self.paused = False
        """Whether training is to wait."""
        self.work: queue.Queue[Train | Question | None] = queue.Queue()
        """What to do next; None ends the worker."""
        self._lock = threading.Lock()
        self._changed = threading.Event()
        self._asked: list[Control] = []
        self._questions: list[Chat | ChatBoth] = []
        self.examine: Callable[[Control], str] = lambda control: ""
        """Says in a sentence why the training in hand cannot do what is asked; empty where it can."""
        self._over = ""
        self._stopped_replies: set[str] = set()
        self._leaving = False

    # Training

    def ask_stop(self, save: bool) -> bool:
        """Stop training; a later `save=False` overrules an earlier `save=True`, never the other way round. Whether this
        is more than was asked for before."""
        before = self.stop
        if self.stop != "drop":
            self.stop = "save" if save else "drop"
        self._changed.set()
        return self.stop != before

    def hurry(self, until: float) -> None:
        """All is to be saved by then, in time.monotonic(); the earliest of several counts."""
        self._hurry_until = until if self._hurry_until is None else min(until, self._hurry_until)

    def has_time_for(self, seconds: float) -> bool:
        """Whether so many seconds are left."""
        return self._hurry_until is None or time.monotonic() + seconds <= self._hurry_until

    def stop_if_asked(self) -> None:
        """Raises Stopped where a Stop was asked for."""
        if self.stop is not None:
            raise Stopped

    def ask(self, control: Control) -> str:
        """Have this done between two steps, or say in a sentence why it cannot be."""
        with self._lock:
            why_not = self._over or self._why_not(control) or self.examine(control)
            if why_not:
                return why_not
            if isinstance(control, Pause | Unpause):
                self.paused = isinstance(control, Pause)
            else:
                self._asked.append(control)
        self._changed.set()
        return ""

    def _why_not(self, control: Control) -> str:
        if self.stop is not None:
            return "The run is about to stop."
        match control:
            case Pause() if self.paused:
                return "Training waits already, or will after its step."
            case Unpause() if not self.paused:
                return "Training does not wait."
            case ScaleLearningRate(factor=factor) if not (math.isfinite(factor) and 1e-6 <= factor <= 1e6):
                return "The factor of the learning rate is to lie between 0.000001 and 1,000,000."
            case AddSteps(steps=steps) if not 1 <= steps <= MAX_STEPS:
                return f"Between 1 and {count(MAX_STEPS)} steps can be added; a stop makes a run shorter."
            case _ if any(type(one) is type(control) for one in self._asked):
                if not isinstance(control, ScaleLearningRate | AddSteps):
                    return "That was asked for already, and is done after the step in hand."
        return ""

    def ask_between(self, question: Chat | ChatBoth) -> str:
        """Have this answered between two steps; or say in a sentence why it cannot be."""
        with self._lock:
            if self._over or self.stop is not None:
                return self._over or "The run is about to stop."
            self._questions.append(question)
        self._changed.set()
        return ""

    def take_question(self) -> Chat | ChatBoth | None:
        """The oldest that was asked and not taken; None where there is none."""
        if not self._questions:
            return None
        with self._lock:
            return self._questions.pop(0)

    @property
    def has_asked(self) -> bool:
        """Whether there is anything to do or to answer."""
        return bool(self._asked or self._questions)

    def agree(self) -> None:
        """Where several ranks train, all of them know from here on what was asked for. One knows it already."""

    def examine_by(self, why_not: Callable[[Control], str]) -> None:
        """Ask this before something is taken up: why the training in hand cannot do it, empty where it can."""
        self.examine = why_not

    def take(self) -> list[Control]:
        """What was asked for since the last call, oldest first."""
        if not self._asked:  # looked at after each step
            return []
        with self._lock:
            taken, self._asked = self._asked, []
        return taken

    def end_training(self, why: str) -> list[Control]:
        """Refuse all controls from now on, for the reason of the sentence `why`; those that were left undone."""
        with self._lock:
            self._over = why
            left, self._asked, self.paused = self._asked, [], False
            for question in self._questions:  # the model answers them once it is trained
                self.work.put(question)
            self._questions = []
        return left

    def wait(self) -> None:
        """Until something is asked for, for a moment at most."""
        self._changed.wait(LOOK_EVERY_S)
        self._changed.clear()

    # Replies

    def unanswered(self) -> list[Question]:
        """What was asked for that the worker, which has ended, has left unanswered; each is given out once."""
        left: list[Question] = []
        with contextlib.suppress(queue.Empty):
            while True:
                job = self.work.get_nowait()
                left += [job] if isinstance(job, Question) else []
        return left

    def end_reply(self, chat_id: str) -> None:
        """End the reply to this question, begun or not."""
        with self._lock:
            self._stopped_replies.add(chat_id)

    def is_reply_ended(self, chat_id: str) -> bool:
        """Whether the reply to this question is to end where it stands."""
        with self._lock:
            return self._leaving or chat_id in self._stopped_replies

    # The end

    def leave(self) -> None:
        """End the worker once it has nothing left to finish; a reply in the making is ended."""
        self._leaving = True
        self._changed.set()
        self.work.put(None)

    @property
    def leaving(self) -> bool:
        """Whether the worker is to end."""
        return self._leaving
