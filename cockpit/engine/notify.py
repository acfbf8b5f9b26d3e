"""Telling whoever is elsewhere through apprise: ntfy, Slack, Telegram, mail ..., at the addresses of settings.yaml

The engine tells, as it outlives every terminal. Nothing that goes wrong here holds a run up.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable

from cockpit.protocol.event_log import EventReader
from cockpit.protocol.events import AnyEvent
from cockpit.runs.folder import RunDir
from cockpit.runs.message import Told, message_of
from cockpit.runs.state import RunState
from cockpit.settings import Settings
from cockpit.text.plain_text import plain_line

LOOK_EVERY_S = 2.0
SENDS_WITHIN_S = 15.0
"""For what is under way when the engine's process ends."""
KINDS = {"good": "success", "warning": "warning", "bad": "failure"}
NOT_INSTALLED = (
    "settings.yaml names notify, and the package apprise is not installed; "
    "pip install 'finetune-cockpit[notify]' puts it there."
)

Say = Callable[[str], None]


class Notifier:
    """Reads the run's log in a thread of its own, and tells what is worth telling from now on."""

    def __init__(self, run: RunDir, settings: Settings, attempt: int, say: Say) -> None:
        """`say` takes a sentence about what could not be told. Events before `attempt` are old news."""
        self._run, self._settings, self._attempt, self._say = run, settings, attempt, say
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._work, name="notifying", daemon=True)

    @classmethod
    def for_run(cls, run: RunDir, attempt: int, say: Say) -> Notifier | None:
        """Begun; None where the settings name nobody, or cannot be read, which is said."""
        try:
            settings = Settings.read()
        except ValueError as error:
            say(str(error))
            return None
        if not settings.notify:
            return None
        notifier = cls(run, settings, attempt, say)
        notifier._thread.start()
        return notifier

    def close(self) -> None:
        """Tell what is left to tell, for SENDS_WITHIN_S at most."""
        self._over.set()
        self._thread.join(SENDS_WITHIN_S)

    def _work(self) -> None:
        reader, state = EventReader(self._run.events), RunState()
        while True:
            is_last = self._over.is_set()
            while batch := reader.poll():
                for event in batch:
                    state.apply(event)
                    self._tell(event, state)
            if is_last:
                reader.close()
                return
            self._over.wait(LOOK_EVERY_S)

    def _tell(self, event: AnyEvent, state: RunState) -> None:
        if event.attempt < self._attempt:
            return
        told = message_of(event, self._run.id, state, self._settings.gpu_hour)
        if told is None:
            return
        began = time.monotonic()
        try:
            failed = send(told, self._settings.notify)
        except ImportError:
            failed = NOT_INSTALLED
        except Exception as error:  # whatever a service's client raises
            failed = f"Nobody could be told: {plain_line(str(error))[:200]}"
        if failed:
            self._say(f"{failed} (after {time.monotonic() - began:.0f} s)" if failed != NOT_INSTALLED else failed)


def send(told: Told, addresses: tuple[str, ...]) -> str:
    """Send to all addresses. Which could not be told, in a sentence without the secrets in them; empty where all were.

    Raises ImportError where apprise is not installed.
    """
    import apprise

    failed = []
    for number, address in enumerate(addresses, 1):
        service = apprise.Apprise()
        scheme = address.partition(":")[0]
        if not service.add(address):
            failed.append(f"notify {number} ({scheme}) is no address that apprise knows")
        elif not service.notify(title=told.title, body=told.body, notify_type=KINDS[told.kind]):
            failed.append(f"notify {number} ({scheme}) did not take it")
    return f"Of settings.yaml, {'; '.join(failed)}." if failed else ""
