"""Files and folders written so that a crash leaves the old ones or the new ones, never a part"""

from __future__ import annotations

import errno
import os
import shutil
import stat
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from io import BufferedReader, BufferedWriter
from pathlib import Path


def open_regular(path: Path, flags: int = os.O_RDONLY, *, mode: int = 0o600, follow: bool = True) -> int:
    """A descriptor of a regular file that somebody else may have placed; never waits, as opening a FIFO would.

    Raises OSError where it is a folder, a FIFO, a socket or a device, or, without `follow`, a symbolic link.
    """
    flags |= os.O_CLOEXEC | os.O_NONBLOCK | os.O_NOCTTY | (0 if follow else os.O_NOFOLLOW)
    descriptor = os.open(path, flags, mode)
    kind = os.fstat(descriptor).st_mode
    if stat.S_ISREG(kind):
        return descriptor
    os.close(descriptor)
    if stat.S_ISDIR(kind):
        raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR), str(path))
    raise OSError(errno.EINVAL, "not a regular file", str(path))


def open_to_read(path: Path, *, follow: bool = True) -> BufferedReader:
    """The regular file, to be read; as `open_regular`."""
    return os.fdopen(open_regular(path, follow=follow), "rb")


def open_to_append(path: Path) -> BufferedWriter:
    """The regular file, made where it is absent, to be written at its end; links are not followed. Raises OSError."""
    return os.fdopen(open_regular(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, follow=False), "ab")


def read_regular(path: Path, limit: int, *, follow: bool = True) -> bytes:
    """The content of a regular file of at most `limit` bytes. Raises OSError, also where it is larger."""
    with open_to_read(path, follow=follow) as stream:
        content = stream.read(limit + 1)
    if len(content) > limit:
        raise OSError(errno.EFBIG, os.strerror(errno.EFBIG), str(path))
    return content


def write_atomically(path: Path, content: str | bytes, *, durable: bool = True, mode: int | None = None) -> None:
    """Write a file so that a reader sees the old content or the new one, never a part; `durable`: it outlives a power
    cut too. Its permissions stay as they are, or are `mode` (default 0o644) where it is new. Raises OSError, also where
    it is a device, which root could replace."""
    if os.path.lexists(path) and stat.S_IFMT(path.lstat().st_mode) in (stat.S_IFCHR, stat.S_IFBLK):
        raise OSError(errno.EINVAL, "it is a device", str(path))
    descriptor, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    temporary = Path(name)
    try:
        with os.fdopen(descriptor, "wb") as stream:
            stream.write(content.encode() if isinstance(content, str) else content)
            stream.flush()
            if durable:
                os.fsync(stream.fileno())
        temporary.chmod(mode or (path.stat().st_mode & 0o777 if path.exists() else 0o644))
        temporary.replace(path)
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise
    if durable:
        flush_folder(path.parent)


def write_named(path: Path, content: str | bytes) -> None:
    """Write a file that a person has named, as a shell would: links are followed, and a device or a pipe, such as
    /dev/stdout, is written to and stays what it is. Any other file as `write_atomically`. Raises OSError."""
    path = path.absolute()
    kind = stat.S_IFMT(path.stat().st_mode) if path.exists() else stat.S_IFREG
    if kind not in (stat.S_IFREG, stat.S_IFDIR) or path.parts[1:2] in (("dev",), ("proc",)):
        with path.open("wb") as stream:
            stream.write(content.encode() if isinstance(content, str) else content)
    else:
        write_atomically(path.resolve(), content)


@contextmanager
def new_folder(place: Path, partial: Path) -> Iterator[Path]:
    """A folder that is made in `partial`, on the same disk, and takes the place of `place` once it is complete and
    on the disk; where the body raises, what stood in `place` stays. Raises OSError.

    A process that is killed between the two renames leaves the old folder beside its place: the next call puts it back.
    """
    old = place.with_name(f".{place.name}.old")
    if old.is_dir() and not place.exists():
        old.rename(place)
    shutil.rmtree(partial, ignore_errors=True)
    try:
        yield partial
        flush(partial)
        shutil.rmtree(old, ignore_errors=True)
        if place.exists():
            place.rename(old)
        partial.rename(place)
        flush_folder(place.parent)
        shutil.rmtree(old, ignore_errors=True)
    finally:
        shutil.rmtree(partial, ignore_errors=True)


def flush(folder: Path) -> None:
    """See that all files below `folder` are on the disk, not only on their way to it."""
    for path in folder.rglob("*"):
        if path.is_file():
            descriptor = os.open(path, os.O_RDONLY)
            try:
                os.fsync(descriptor)
            finally:
                os.close(descriptor)
        else:
            flush_folder(path)
    flush_folder(folder)


def flush_folder(folder: Path) -> None:
    """See that the names in `folder` are on the disk."""
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    except OSError:
        pass  # not every file system can do this with folders
    finally:
        os.close(descriptor)


def size_of(folder: Path) -> int:
    """Bytes of all files below `folder`."""
    return sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())


def unwritable(folder: Path) -> str:
    """Why nothing can be made in `folder`, as the end of a sentence that begins with its name; empty where it can."""
    if os.statvfs(folder).f_flag & os.ST_RDONLY:
        return "is on a disk that is mounted read-only"
    if os.access(folder, os.W_OK | os.X_OK):
        return ""
    owner = folder.stat().st_uid
    return "is not writable for you" if owner == os.geteuid() else "belongs to somebody else"


def free_bytes(folder: Path) -> int | None:
    """Of the disk that the folder lies on, or will."""
    for place in (folder, *folder.parents):
        try:
            return shutil.disk_usage(place).free
        except OSError:
            continue
    return None
