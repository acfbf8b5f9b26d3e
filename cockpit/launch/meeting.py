"""Several machines that train one run: where they meet, and how the others learn which run it is"""

from __future__ import annotations

import re
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import msgspec

from cockpit.disk import read_regular, write_atomically
from cockpit.paths import home, runs_folder
from cockpit.protocol.values import UNREADABLE
from cockpit.runs.folder import RunDir
from cockpit.runs.status import is_active
from cockpit.runs.summary import RunSummary

PORT = 29500
"""Where machines meet that are told of no port; torchrun's own."""
LONGEST = 1 << 12
LOOK_EVERY_S = 0.5
_place = re.compile(r"(?P<host>[\w.-]+|\[[0-9a-fA-F:]+\])(:(?P<port>\d{1,5}))?")


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
        """As the command line says; None for one machine. In a job of Slurm the number of this machine is the job's.
        Raises ValueError with a sentence."""
        if nodes is None or nodes == 1:
            for option, value in (("--node-rank", node), ("--rdzv", rdzv)):
                if value is not None:
                    raise ValueError(f"{option} {value}: it is for several machines; give --nodes too.")
            return None
        if rdzv is None:
            raise ValueError(f"--nodes {nodes}: nobody knows where they meet; give --rdzv HOST:PORT of the first.")
        found = _place.fullmatch(rdzv)
        if found is None or not 0 < int(found["port"] or PORT) < 1 << 16:
            raise ValueError(f"--rdzv {rdzv}: this is no place to meet; write it as HOST:PORT, such as node1:{PORT}.")
        if node is None and environment.get("SLURM_NODEID", "").isdecimal():
            node = int(environment["SLURM_NODEID"])
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

    def announce(self, run: RunDir) -> None:
        """On the first machine: say to the others which run is trained. Raises OSError."""
        self._file.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        write_atomically(self._file, msgspec.json.encode(run.id), durable=False)

    def announced(self) -> RunDir | None:
        """The run that the first machine trains; None before it has said so. One that is over is an older one."""
        try:
            name = msgspec.json.decode(read_regular(self._file, LONGEST), type=str)
        except (OSError, *UNREADABLE):
            return None
        run = RunDir(runs_folder() / Path(name).name)
        if run.liveness() not in ("alive", "starting"):
            return None
        return run if is_active(RunSummary.of(run).state) else None

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
