"""Several machines that train one run: where they meet, and how the others learn which run it is"""

from __future__ import annotations

import re
import socket
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import msgspec

from cockpit.disk import read_regular, write_atomically
from cockpit.paths import home, runs_folder
from cockpit.protocol.event_log import newest_attempt
from cockpit.protocol.values import UNREADABLE
from cockpit.runs.folder import RunDir
from cockpit.runs.status import is_active
from cockpit.runs.summary import RunSummary

PORT = 29500
"""Where machines meet that are told of no port; torchrun's own."""
NUMBERS = ("SLURM_NODEID", "SKYPILOT_NODE_RANK", "JOB_COMPLETION_INDEX")
"""Where Slurm, SkyPilot and an indexed job of Kubernetes tell a machine which one it is."""
LONGEST = 1 << 12
LOOK_EVERY_S = 0.5
_place = re.compile(r"(?P<host>[\w.-]+|\[[0-9a-fA-F:]+\])(:(?P<port>\d{1,5}))?")


class _Announced(msgspec.Struct, frozen=True, kw_only=True):
    run: str
    attempt: int


@dataclass(frozen=True)
class Meeting:
    """`nodes` machines of which this is number `node`, from 0; they meet at `place`, HOST:PORT of the first."""

    nodes: int
    node: int
    place: str

    @classmethod
    def of(
        cls, nodes: int | None, node: int | None, rdzv: str | None, environment: Mapping[str, str]
    ) -> Meeting | None:
        """As the command line says; None for one machine. A scheduler may tell which of them this is. Raises ValueError
        with a sentence."""
        if nodes == 1:  # a template for any number of machines may give place and number of this one too
            if node:
                raise ValueError(f"--node-rank {node}: there is one machine, number 0.")
            return None
        if nodes is None:
            for option, value in (("--node-rank", node), ("--rdzv", rdzv)):
                if value is not None:
                    raise ValueError(f"{option} {value}: it is for several machines; give --nodes too.")
            return None
        if rdzv is None:
            raise ValueError(f"--nodes {nodes}: nobody knows where they meet; give --rdzv HOST:PORT of the first.")
        found = _place.fullmatch(rdzv)
        if found is None or not 0 < int(found["port"] or PORT) < 1 << 16:
            raise ValueError(f"--rdzv {rdzv}: this is no place to meet; write it as HOST:PORT, such as node1:{PORT}.")
        if node is None:
            node = next((int(told) for name in NUMBERS if (told := environment.get(name, "")).isdecimal()), None)
        if node is None:
            raise ValueError(f"--nodes {nodes}: which of them is this? Give --node-rank 0 on the first, 1 on the next.")
        if not 0 <= node < nodes:
            raise ValueError(f"--node-rank {node}: there are {nodes} machines, from 0 to {nodes - 1}.")
        return cls(nodes, node, f"{found['host']}:{found['port'] or PORT}")

    @property
    def is_first(self) -> bool:
        """Whether this machine has the run: rank 0 is here, and writes its events."""
        return self.node == 0

    def options(self) -> tuple[str, ...]:
        """Of python -m cockpit.engine.torchrun."""
        return ("--nodes", str(self.nodes), "--node-rank", str(self.node), "--rdzv", self.place)

    def why_not_here(self) -> str:
        """On the first machine: why the others cannot meet it there, in a sentence; empty where they can."""
        with socket.socket() as place:
            place.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                place.bind(("", self.port))
            except OSError as error:
                return f"--rdzv {self.place}: port {self.port} is not free here ({error.strerror}); give another one."
        return ""

    @property
    def port(self) -> int:
        """Of the first machine."""
        return int(self.place.rpartition(":")[2])

    def announce(self, run: RunDir, attempt: int = 1) -> None:
        """On the first machine: say to the others which run is trained, and that this is so many a time. Raises
        OSError."""
        self._file.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        write_atomically(self._file, msgspec.json.encode(_Announced(run=run.id, attempt=attempt)), durable=False)

    def announced(self) -> RunDir | None:
        """The run that the first machine trains; None before it has said so, and once that attempt is over."""
        try:
            told = msgspec.json.decode(read_regular(self._file, LONGEST), type=_Announced)
        except (OSError, *UNREADABLE):
            return None
        run = RunDir(runs_folder() / Path(told.run).name)
        if run.liveness() not in ("alive", "starting"):
            return None
        has_begun = newest_attempt(run.events) >= told.attempt
        return run if not has_begun or is_active(RunSummary.of(run).state) else None

    def wait(self, seconds: float) -> RunDir | None:
        """As `announced`, once it is; None where nothing comes for so long."""
        deadline = time.monotonic() + seconds
        while (run := self.announced()) is None and time.monotonic() < deadline:
            time.sleep(LOOK_EVERY_S)
        return run

    @property
    def _file(self) -> Path:
        """In COCKPIT_HOME, which the machines share."""
        name = re.sub(r"[^\w.-]", "-", self.place)
        return home() / "meetings" / f"{name}.json"
