"""Output folders as trainers leave them: event files by TensorBoard's own classes, the others as they were recorded."""

import gzip
import shutil
import struct
from pathlib import Path

from tensorboard.compat.proto.event_pb2 import Event
from tensorboard.compat.proto.summary_pb2 import Summary
from tensorboard.compat.proto.tensor_pb2 import TensorProto
from tensorboard.summary.writer.record_writer import RecordWriter

from cockpit.watching.wandb_file import FULL, HISTORY, ITEM, KEY, VALUE_JSON
from cockpit.watching.wire import BYTES

RECORDED = Path(__file__).parent / "recorded"
BEGAN = 1_796_000_000.0


def printed(folder: Path, name: str = "printed.log") -> Path:
    """What a trainer has printed."""
    folder.mkdir(parents=True, exist_ok=True)
    return Path(shutil.copy(RECORDED / name, folder / name))


def checkpoint(folder: Path) -> Path:
    """The checkpoint after step 8 of 12, with a file of 1,000 bytes beside its state."""
    path = folder / "checkpoint-8"
    path.mkdir(parents=True)
    shutil.copy(RECORDED / "trainer_state.json", path)
    (path / "adapter.safetensors").write_bytes(bytes(1000))
    return path


def wandb_file(folder: Path) -> Path:
    """The file of a run of 14 steps that ended with exit status 1."""
    path = folder / "wandb" / "offline-run-1" / "run-1.wandb"
    path.parent.mkdir(parents=True)
    path.write_bytes(gzip.decompress((RECORDED / "run.wandb.gz").read_bytes()))
    return path


def wandb_history(folder: Path, *logged: dict[str, str]) -> Path:
    """A file of W&B's with a record of its history for each, whose values are JSON."""

    def varint(number: int) -> bytes:
        low, rest = number & 0x7F, number >> 7
        return bytes([low | 0x80]) + varint(rest) if rest else bytes([low])

    def field(number: int, content: bytes) -> bytes:
        return varint(number << 3 | BYTES) + varint(len(content)) + content

    written = b":W&B" + bytes(3)
    for figures in logged:
        pairs = [field(KEY, key.encode()) + field(VALUE_JSON, value.encode()) for key, value in figures.items()]
        record = field(HISTORY, b"".join(field(ITEM, pair) for pair in pairs))
        written += bytes(4) + struct.pack("<HB", len(record), FULL) + record
    path = folder / "run-2.wandb"
    path.write_bytes(written)
    return path


class EventWriter:
    """Appends what a trainer logs to an event file, each figure a record as transformers does it."""

    def __init__(self, path: Path) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        self._file = path.open("ab", buffering=0)
        self._records = RecordWriter(self._file)
        self._write(Event(wall_time=BEGAN, file_version="brain.Event:2"))

    def log(self, step: int, after_s: float, figures: dict[str, float]) -> None:
        """`after_s` seconds after it began."""
        for tag, value in figures.items():
            summary = Summary(value=[Summary.Value(tag=tag, simple_value=value)])
            self._write(Event(wall_time=BEGAN + after_s, step=step, summary=summary))

    def settings(self, json_text: str) -> None:
        """The trainer's arguments."""
        tensor = TensorProto(dtype=7, string_val=[json_text.encode()])
        self._write(
            Event(wall_time=BEGAN, summary=Summary(value=[Summary.Value(tag="args/text_summary", tensor=tensor)]))
        )

    def _write(self, event: Event) -> None:
        self._records.write(event.SerializeToString())
        self._records.flush()
