"""Pack: a folder with a recipe, what it names, wheels, and how it is used, checked by SHA256SUMS"""

from __future__ import annotations

import platform
import shutil
import sys
import tarfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from importlib.metadata import version
from pathlib import Path

from cockpit.disk import flush_folder, new_folder
from cockpit.offline.wheels import PACKAGE, REQUIREMENTS, fetch_wheels, installed_versions, write_own_wheel
from cockpit.recipe.document import RecipeDocument
from cockpit.runs.checksums import write_checksums

RECIPE, INSTALL, TRAIN = "recipe.yaml", "install.sh", "train.sh"
INSTALL_TEXT = """\
#!/bin/sh
# Makes .venv beside this file, of the wheels beside it. Asks no network.
set -e
cd "$(dirname "$0")"
python=${{PYTHON:-python{python}}}
found=$("$python" -c 'import sys; print("%d.%d" % sys.version_info[:2])')
if [ "$found" != {python} ]; then
    echo "These wheels are for Python {python}, and $python is $found; give another one as PYTHON=/path/to/python." >&2
    exit 2
fi
"$python" -m venv .venv
export PIP_CONFIG_FILE=/dev/null
.venv/bin/python -m pip --isolated install --no-index --no-deps --find-links wheels --requirement requirements.txt
"""
TRAIN_TEXT = """\
#!/bin/sh
# Trains the recipe beside this file, from the files beside it. Takes the options of: cockpit train RECIPE
cd "$(dirname "$0")"
export HF_HUB_OFFLINE=1
cockpit=.venv/bin/cockpit
[ -x "$cockpit" ] || cockpit=cockpit
exec "$cockpit" train recipe.yaml "$@"
"""
README_TEXT = """\
# {name}, packed for a machine without a network

    sha256sum --quiet -c SHA256SUMS   # every file has come as it was packed
{install}    sh train.sh                       # trains; with --detach it goes on by itself

`recipe.yaml` is the recipe; it names the model and the rows that lie here, and may be changed. Other commands, such as
`chat last`, are those of `{command}`.
"""
WHEELS_TEXT = """
The wheels are for Python {python} on {system} {machine}, in the versions that were installed where this was packed; pip
fetched them there, with the settings of whoever packed it. A GPU's driver, and a C compiler where Unsloth or torch
compile, are the machine's own.
"""


class Pack:
    """A folder that becomes one."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def add_wheels(self, say: Callable[[str], None]) -> None:
        """Of all that trains here. Raises ConnectionError with a sentence, FileNotFoundError, OSError."""
        wheels = self.folder / "wheels"
        wheels.mkdir()
        versions = installed_versions()
        requirements = self.folder / REQUIREMENTS
        requirements.write_text("".join(f"{name}=={one}\n" for name, one in versions.items()), encoding="utf-8")
        say(f"{len(versions)} wheels, as pip is configured here")
        fetch_wheels(requirements, wheels)
        write_own_wheel(wheels)
        with requirements.open("a", encoding="utf-8") as more:
            more.write(f"{PACKAGE}=={version(PACKAGE)}\n")
        self._write(INSTALL, INSTALL_TEXT.format(python=_python()), mode=0o755)

    def finish(self, document: RecipeDocument, name: str) -> None:
        """Write the recipe, how the pack is used, and the checksums. Raises OSError."""
        has_wheels = (self.folder / INSTALL).exists()
        self._write(RECIPE, document.to_yaml())
        self._write(TRAIN, TRAIN_TEXT, mode=0o755)
        install = "    sh install.sh                     # makes .venv of the wheels\n" if has_wheels else ""
        text = README_TEXT.format(name=name, install=install, command=".venv/bin/cockpit" if has_wheels else "cockpit")
        if has_wheels:
            text += WHEELS_TEXT.format(python=_python(), system=platform.system(), machine=platform.machine())
        self._write("README.md", text)
        write_checksums(self.folder)

    def _write(self, name: str, text: str, mode: int = 0o644) -> None:
        path = self.folder / name
        path.write_text(text, encoding="utf-8")
        path.chmod(mode)


@contextmanager
def new_pack(place: Path) -> Iterator[Pack]:
    """A pack that takes its place, a folder or a .tar file, once it is whole. Raises OSError."""
    partial = place.with_name(f".{place.name}.part")
    if place.suffix != ".tar":
        with new_folder(place, partial) as folder:
            folder.mkdir()
            yield Pack(folder)
        return
    folder = partial.with_name(f"{partial.name}.folder")
    with new_folder(folder, partial) as made:
        made.mkdir()
        yield Pack(made)
    _to_tar(folder, place)


def _to_tar(folder: Path, place: Path) -> None:
    """Each file leaves the folder once it is in the archive, so that the disk need not hold all of it twice."""
    written = place.with_name(f".{place.name}")
    try:
        with tarfile.open(written, "w") as archive:
            for path in sorted(path for path in folder.rglob("*") if path.is_file()):
                archive.add(path, f"{place.stem}/{path.relative_to(folder)}")
                path.unlink()
        written.replace(place)
        flush_folder(place.parent)
    finally:
        written.unlink(missing_ok=True)
        shutil.rmtree(folder, ignore_errors=True)


def _python() -> str:
    return f"{sys.version_info.major}.{sys.version_info.minor}"
