"""The packages of a training environment as wheels: those that are installed here, in the very same versions

They are fetched by pip, or by uv's pip where there is none, with the user's own settings: pip.conf and PIP_*, and where
pip is told no index, uv's UV_DEFAULT_INDEX, UV_INDEX_URL, UV_INDEX and UV_EXTRA_INDEX_URL. cockpit itself comes from
where it runs.
"""

from __future__ import annotations

import base64
import hashlib
import importlib.util
import os
import shutil
import subprocess
import sys
import zipfile
from collections.abc import Iterator
from importlib.metadata import PackageNotFoundError, distribution
from pathlib import Path

from cockpit.machine.child_environment import python_command
from cockpit.paths import shipped_recipes_folder

PACKAGE, EXTRA = "finetune-cockpit", "train"
REQUIREMENTS = "requirements.txt"
INDEXES = {
    "PIP_INDEX_URL": ("UV_DEFAULT_INDEX", "UV_INDEX_URL"),
    "PIP_EXTRA_INDEX_URL": ("UV_INDEX", "UV_EXTRA_INDEX_URL"),
}
"""pip's variables, and uv's that say the same."""
SAID_LINES = 3


def installed_versions(package: str = PACKAGE, extra: str = EXTRA) -> dict[str, str]:
    """The version of each package that `package` with its `extra` needs here, itself left out, by name, sorted. What is
    not installed is not needed on this machine."""
    from packaging.requirements import Requirement
    from packaging.utils import canonicalize_name

    found: dict[str, str] = {}
    seen: set[tuple[str, str]] = set()
    waiting = [(package, extra), (package, "")]
    while waiting:
        name, extra = waiting.pop()
        key = (canonicalize_name(name), extra)
        if key in seen:
            continue
        seen.add(key)
        try:
            installed = distribution(name)
        except PackageNotFoundError:
            continue
        found[key[0]] = installed.version
        for line in installed.requires or ():
            needed = Requirement(line)
            if needed.marker is None or needed.marker.evaluate({"extra": extra}):
                waiting += [(needed.name, one) for one in ("", *sorted(needed.extras))]
    found.pop(canonicalize_name(package), None)
    return dict(sorted(found.items()))


def fetch_wheels(requirements: Path, folder: Path) -> None:
    """Bring the wheel of each line into `folder`, whatever versions pip is configured to prefer; what is only to be had
    as source is built here. Raises
    ConnectionError with a sentence where the installer cannot, FileNotFoundError where there is no installer."""
    command = [*_pip(), "wheel", "--no-deps", "--wheel-dir", str(folder), "--requirement", str(requirements)]
    done = subprocess.run(
        command, stdin=subprocess.DEVNULL, stdout=sys.stderr, stderr=subprocess.PIPE, text=True, check=False,
        errors="replace", env=index_environment(dict(os.environ)) | {"PIP_CONSTRAINT": os.devnull},
    )  # fmt: skip
    if done.returncode:
        said = [line.strip() for line in done.stderr.splitlines() if line.strip()]
        errors = [line for line in said if line.startswith("ERROR")] or said or [f"status {done.returncode}"]
        raise ConnectionError("The wheels cannot be had:\n" + "\n".join(errors[-SAID_LINES:]))


def index_environment(environment: dict[str, str]) -> dict[str, str]:
    """With uv's package indexes told to pip, where pip is told none."""
    for pip, uvs in INDEXES.items():
        given = next(filter(None, (environment.get(uv) for uv in uvs)), None)
        if given and not environment.get(pip):  # uv may call an index by a name: NAME=URL
            environment[pip] = " ".join(one.rpartition("=")[2] if "=http" in one else one for one in given.split())
    return environment


def _pip() -> list[str]:
    if importlib.util.find_spec("pip") is not None:
        return python_command("pip")
    uv = shutil.which("uv")
    if uv is None:
        raise FileNotFoundError("There is neither pip nor uv here to fetch wheels with; install one of them.")
    return [uv, "tool", "run", "--python", sys.executable, "pip"]


def write_own_wheel(folder: Path) -> Path:
    """A wheel of cockpit as it runs here, with its recipes. Raises OSError."""
    own = distribution(PACKAGE)
    stem = f"{PACKAGE.replace('-', '_')}-{own.version}"
    info = f"{stem}.dist-info"
    wheel = folder / f"{stem}-py3-none-any.whl"
    records = []
    with zipfile.ZipFile(wheel, "w", zipfile.ZIP_DEFLATED) as archive:

        def put(name: str, content: bytes) -> None:
            digest = base64.urlsafe_b64encode(hashlib.sha256(content).digest()).rstrip(b"=").decode()
            records.append(f'"{name}",sha256={digest},{len(content)}')
            archive.writestr(name, content)

        for name, path in _own_files():
            put(name, path.read_bytes())
        put(f"{info}/METADATA", (own.read_text("METADATA") or "").encode())
        put(f"{info}/WHEEL", b"Wheel-Version: 1.0\nGenerator: cockpit\nRoot-Is-Purelib: true\nTag: py3-none-any\n")
        put(f"{info}/entry_points.txt", (own.read_text("entry_points.txt") or "").encode())
        archive.writestr(f"{info}/RECORD", "\n".join([*records, f'"{info}/RECORD",,', ""]))
    return wheel


def _own_files() -> Iterator[tuple[str, Path]]:
    package, recipes = Path(__file__).resolve().parents[1], shipped_recipes_folder()
    for root, prefix in ((package, "cockpit"), (recipes, "cockpit/recipes_shipped")):
        for path in sorted(root.rglob("*")):
            is_recipe = root == package and path.is_relative_to(recipes)
            if path.is_file() and "__pycache__" not in path.parts and not is_recipe:
                yield f"{prefix}/{path.relative_to(root)}", path
