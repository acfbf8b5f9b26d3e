"""QueueRunner: works through the queue: each recipe begins when a GPU has had room for it for a while, several at once
where they fit, and what fails holds nobody up"""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

import msgspec

from cockpit.preflight.memory import SPARE
from cockpit.runs.queue import Queue, Waiting
from cockpit.runs.status import MOST_TRIES, State, is_active
from cockpit.runs.summary import Summaries
from cockpit.text.numbers import size
from cockpit.text.plain_text import plain_line

if TYPE_CHECKING:
    from cockpit.machine.gpu import GpuReport
    from cockpit.preflight.fitting import Fitted
    from cockpit.preflight.room import GpuRoom
    from cockpit.recipe.recipe import Recipe

FREE_FOR_S = 60.0
"""How long a GPU has to have the room before a run begins: others may be about to start there."""
LOOK_EVERY_S = 2.0


@dataclass(frozen=True)
class Room:
    """Whether a recipe may begin now: `why_not` says for what it waits, empty where it may. `needed` are the bytes that
    it takes of each GPU, by its UUID."""

    needed: dict[str, int]
    why_not: str = ""


class QueueRunner:
    """`step` does what is due, and waits for nothing."""

    def __init__(
        self,
        queue: Queue,
        say: Callable[[str], None],
        *,
        together: int | None = None,
        free_for_s: float = FREE_FOR_S,
        probe: Callable[[], GpuReport] | None = None,
        tells_ends: bool = True,
    ) -> None:
        """At most `together` at once; None: as many as fit. `tells_ends`: how runs have ended is said too."""
        self._tells_ends = tells_ends
        self.queue, self._say, self._together, self._free_for_s = queue, say, together, free_for_s
        self._probe = probe or _probe
        self._had_room: tuple[str, float] | None = None
        """The entry that has room, and since when."""
        self._said = ""
        self._needs: dict[str, dict[str, int]] = {}
        """Of entries that run: bytes that the forecast gives them of each GPU, by its UUID."""
        self._told: set[str] = set()
        self._summaries = Summaries()

    def going(self) -> list[Waiting]:
        """Those whose run is not over."""
        return [one for one in self.queue.entries() if one.run and is_active(self._state(one))]

    def failed(self) -> list[Waiting]:
        """Those that could not be started, or whose run has not completed."""
        ended = [one for one in self.queue.entries() if one.why or (one.run and not is_active(self._state(one)))]
        return [one for one in ended if one.why or self._state(one) != "completed"]

    def step(self) -> bool:
        """Look after those that have begun, begin the next one if it may. Whether anything is left to be done."""
        self.look_after()
        entries = self.queue.entries()
        going = [one for one in entries if one.run and is_active(self._state(one))]
        waiting = [one for one in entries if one.is_waiting]
        if waiting and (self._together is None or len(going) < self._together):
            self._begin_if_due(waiting[0], going)
        return any(one.is_waiting or (one.run and is_active(self._state(one))) for one in self.queue.entries())

    def _state(self, entry: Waiting) -> State:
        return self._summaries.of(entry.run_dir).state

    def look_after(self) -> None:
        """Tell of those that have ended, have their engines let go of their models, take up those that were lost."""
        for entry in self.queue.entries():
            if entry.run:
                self._look_after(entry)

    def _look_after(self, entry: Waiting) -> None:
        state, is_lost = self._state(entry), self._summaries.of(entry.run_dir).is_lost
        if is_lost and entry.run_dir.liveness() in ("alive", "silent"):
            return  # it was taken up, and its engine has written nothing yet
        if is_lost and entry.tries < MOST_TRIES:
            self._take_up(entry)
        elif not is_active(state) and entry.id not in self._told:
            self._told.add(entry.id)
            self._needs.pop(entry.id, None)
            if self._tells_ends:
                self._say(f"{plain_line(entry.run)}: {state.replace('_', ' ')}.")
            self._let_go(entry)

    def _take_up(self, entry: Waiting) -> None:
        from cockpit.cli.taking_up import take_up

        self.queue.write(msgspec.structs.replace(entry, tries=entry.tries + 1))
        try:
            take_up(entry.run_dir, entry.folder)
            self._say(f"{plain_line(entry.run)} was lost, and goes on.")
        except (OSError, ValueError) as error:
            self._say(f"{plain_line(entry.run)} was lost, and cannot go on: {plain_line(str(error))}")

    def _let_go(self, entry: Waiting) -> None:
        """Of the model that its engine still holds for a chat: the next one needs the room."""
        from cockpit.protocol.commands import Unload
        from cockpit.runs.link import new_command_id

        run = entry.run_dir
        if run.liveness() == "alive":
            identity = run.identity()
            with contextlib.suppress(OSError):
                run.send(Unload(id=new_command_id(), pid=identity.pid if identity is not None else None))

    def _begin_if_due(self, entry: Waiting, going: list[Waiting]) -> None:
        from cockpit.preflight.checks import preflight
        from cockpit.preflight.outlook import fitted_here, settle
        from cockpit.recipe.document import RecipeDocument
        from cockpit.recipe.problem import RecipeError

        report = self._probe()
        try:
            recipe = settle(RecipeDocument.parse(entry.recipe, entry.name), report)
            if problems := preflight(recipe, report, entry.name):
                raise RecipeError(problems)
        except RecipeError as error:
            self._refuse(entry, str(error))
            return
        found = fitted_here(recipe, report)
        room = self._room(found.recipe, report, going)
        if room.why_not:
            self._had_room = None
            if room.why_not != self._said:
                self._said = room.why_not
                self._say(f"{plain_line(entry.name)} waits: {room.why_not}")
            return
        now = time.monotonic()
        if self._had_room is None or self._had_room[0] != entry.id:
            self._had_room = (entry.id, now)
        if room.needed and now - self._had_room[1] < self._free_for_s:
            return
        self._had_room, self._said = None, ""
        self._begin(entry, found, report, room)

    def _room(self, recipe: Recipe, report: GpuReport, going: list[Waiting]) -> Room:
        """On the CPU one run goes at a time. On a GPU, what runs of the queue will still take is not free."""
        from cockpit.data.inputs import trains_images
        from cockpit.models.published import described
        from cockpit.preflight.experience import learned
        from cockpit.preflight.room import gpu_rooms, trains_on

        if not trains_on(recipe, report):
            return Room({}, f"{plain_line(going[0].run)} trains on the CPU." if going else "")
        rooms = gpu_rooms(
            recipe, described(recipe.model.name_or_path), report, images=trains_images(recipe), experience=learned()
        )
        chosen = [one for one in rooms if one.chosen]
        if any(one.forecast is None or one.free is None for one in chosen) or not chosen:
            why = f"what it takes is not known, and {plain_line(going[0].run)} is still going." if going else ""
            return Room({}, why)
        needed = {one.reading.uuid: one.forecast.peak.total for one in chosen if one.forecast is not None}
        return Room(needed, next(filter(None, (self._why_no_room(one, going) for one in chosen)), ""))

    def _why_no_room(self, one: GpuRoom, going: list[Waiting]) -> str:
        """Why a recipe may not begin on a GPU that it would take; empty where it may."""
        if one.forecast is None or one.free is None:
            return ""
        needed, uuid = one.forecast.peak.total, one.reading.uuid
        promised = sum(max(0, self._needs.get(other.id, {}).get(uuid, 0) - _held(other, uuid)) for other in going)
        free = one.free - promised
        if needed * SPARE <= free:
            return ""
        if not going and not one.holders and needed > (one.total or 0):
            return ""  # it will never fit better; its own forecast may be wrong
        held = ", ".join(f"{plain_line(who.name) or who.pid} {size((who.mib or 0) * 2**20)}" for who in one.holders)
        by = f"; held by {held}" if held else ""
        promise = f" beside {size(promised)} that others of the queue will take" if promised else ""
        needs = f"it needs {size(needed * SPARE)} with a little to spare"
        return f"{needs}, and GPU {one.reading.index} has {size(free)} free{promise}{by}."

    def _begin(self, entry: Waiting, found: Fitted, report: GpuReport, room: Room) -> None:
        from cockpit.launch.engines import EngineKey, start_engine
        from cockpit.recipe.document import resolved_yaml
        from cockpit.runs.starting_adapter import with_starting_adapter

        try:
            started = start_engine(EngineKey.of(found.recipe, report), entry.name)
            written = entry.recipe if found.differs else None
            resolved = resolved_yaml(with_starting_adapter(found.recipe))
            command = ["cockpit", "queue", "run"]
            run = started.train(resolved, entry.name, command, written=written, fitted=found.told, folder=entry.folder)
        except (OSError, ValueError) as error:
            self._refuse(entry, f"It could not be started: {error}")
            return
        started.link.close()
        self._needs[entry.id] = room.needed
        self.queue.write(msgspec.structs.replace(entry, run=run.id))
        self._say(f"{plain_line(run.id)} has begun; watch it with: cockpit attach {plain_line(run.id)}")

    def _refuse(self, entry: Waiting, why: str) -> None:
        self.queue.write(msgspec.structs.replace(entry, why=plain_line(why)))
        self._say(f"{plain_line(entry.name)} is passed over: {plain_line(why)}")


def _held(entry: Waiting, uuid: str) -> int:
    """Bytes of a GPU that its run holds by now, as its newest reading says."""
    from cockpit.protocol.event_log import newest_event
    from cockpit.protocol.events import MachineRead

    newest = newest_event(entry.run_dir.gpu)
    gpus = newest.gpus if isinstance(newest, MachineRead) else []
    return round(max((gpu.vram_this_run_mib or 0.0 for gpu in gpus if gpu.uuid == uuid), default=0.0) * 2**20)


def _probe() -> GpuReport:
    from cockpit.machine.gpu import GpuProbe

    return GpuProbe().wait()
