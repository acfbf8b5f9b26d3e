"""Frames as they come over a line: in pieces, behind what a login shell prints, damaged."""

import pytest

from cockpit.remote.frames import MARK, Beat, Ended, FrameReader, Piece, encode

FRAMES = [
    Piece(run="a", name="events.jsonl", offset=3, data=b"\0\xff"),
    Beat(runs={"a": ("alive", 0.5)}),
    Ended(why="x"),
]


def test_frames_come_in_pieces_of_any_size_behind_a_banner() -> None:
    content = b"Welcome to gpu1!\n" + MARK + b"".join(map(encode, FRAMES))
    for size in (1, 3, 1000):
        reader = FrameReader(after_mark=True)
        found = [frame for at in range(0, len(content), size) for frame in reader.feed(content[at : at + size])]
        assert found == FRAMES


@pytest.mark.parametrize("damage", [b"\xff\xff\xff\xff", b"\0\0\0\3abc"])
def test_what_is_no_frame_is_refused(damage: bytes) -> None:
    with pytest.raises(ValueError):
        FrameReader(after_mark=False).feed(damage)
