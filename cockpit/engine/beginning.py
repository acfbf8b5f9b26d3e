"""What is said of a run at its beginning: RunStarted, with hashes of its data and its base"""

from __future__ import annotations

import hashlib
import threading

from cockpit.disk import open_to_read
from cockpit.engine.errors import RunFailure
from cockpit.engine.journal import Journal
from cockpit.engine.machine import Machine
from cockpit.engine.stack import versions
from cockpit.models.fingerprint import fingerprint
from cockpit.protocol.commands import Train
from cockpit.protocol.events import GpuReading, RunStarted
from cockpit.recipe.recipe import Recipe
from cockpit.runs.folder import RunDir
from cockpit.runs.moved_base import base_folder
from cockpit.text.plain_text import plain_text

DRIVER_WAITS_S = 3.0


class Beginning:
    """Tells RunStarted once, in a thread of its own: large files take a while to hash, and the import goes on beside
    it."""

    def __init__(self, journal: Journal, machine: Machine) -> None:
        self.told = threading.Event()
        """Set once the run was told of, or could not be."""
        self.known_recipe: Recipe | None = None
        """None until it has been read."""
        self.base_sha256: dict[str, str] = {}
        """The base's fingerprint; empty until it is known."""
        self._journal = journal
        self._machine = machine
        self._starting = threading.Lock()
        self._is_written = False
        self._order: tuple[RunDir, Train] | None = None
        self._problem: Exception | None = None

    def tell(self, run: RunDir, train: Train) -> None:
        """Begin to tell of the run; does not wait."""
        self._order = (run, train)
        threading.Thread(target=self._hash_and_tell, args=(run,), name="announcing", daemon=True).start()

    def recipe(self) -> Recipe:
        """The run's recipe, once the run was told of. Raises what stood in the way of that."""
        self.told.wait()
        if self._problem is not None:
            raise self._problem
        assert self.known_recipe is not None
        return self.known_recipe

    def tell_at_last(self) -> None:
        """Before the run's end is told: files may still be hashed, or the disk was full. Raises OSError where the disk
        takes no more."""
        self.told.wait(DRIVER_WAITS_S)
        self._write({}, {}, self._machine.gpus())

    def _hash_and_tell(self, run: RunDir) -> None:
        hashes: dict[str, str] = {}
        try:
            self.known_recipe = recipe_of(run)
            hashes = data_hashes(self.known_recipe)
            self.base_sha256 = base_hashes(self.known_recipe)
        except Exception as error:
            self._problem = error
        gpus = self._machine.gpus(DRIVER_WAITS_S)
        try:
            self._write(hashes, self.base_sha256, gpus)
        except OSError as error:
            self._problem = error
        finally:
            self.told.set()

    def _write(self, hashes: dict[str, str], base: dict[str, str], gpus: list[GpuReading]) -> None:
        """RunStarted, unless it has been told. Raises OSError where the disk takes no more."""
        with self._starting:
            if self._is_written or self._order is None:
                return
            run, order = self._order
            self._journal.emit(
                RunStarted(
                    run_id=run.id,
                    recipe_name=order.recipe_name or run.id,
                    command=order.command,
                    versions=versions(),
                    gpus=[gpu.name for gpu in gpus] * (self.known_recipe.hardware.nodes if self.known_recipe else 1),
                    driver=self._machine.driver,
                    data_sha256=hashes,
                    base_sha256=base,
                    fitted=order.fitted,
                )
            )
            self._is_written = True


def recipe_of(run: RunDir) -> Recipe:
    """The run's recipe. Raises RunFailure."""
    from cockpit.recipe.problem import RecipeError
    from cockpit.runs.origin import recipe_of_run

    try:
        return recipe_of_run(run.path, "recipe.yaml").recipe()
    except RecipeError as error:
        raise RunFailure(str(error.problems[0])) from error
    except OSError as error:
        raise RunFailure(f"The run's recipe.yaml cannot be read: {error.strerror or error}.") from error


def base_hashes(recipe: Recipe) -> dict[str, str]:
    """The fingerprint of the base's weights; empty where they are not on this disk, or cannot be read, which loading
    tells."""
    folder = base_folder(recipe)
    try:
        return fingerprint(folder) if folder is not None else {}
    except OSError:
        return {}


def data_hashes(recipe: Recipe) -> dict[str, str]:
    """SHA-256 of each file of the sources that are on this disk, by the name that the recipe gives it.

    What is fetched from the Hub has its hash in DataPrepared, with all else that is trained on.
    """
    from cockpit.data.files import split_files
    from cockpit.data.inputs import source_path

    hashes = {}
    for _, source in recipe.data.every_source():
        path = source_path(source)
        if not path.exists():
            continue
        try:
            files = split_files(path, source.split)
        except ValueError:
            continue  # told when the data is read
        for file in files:
            with open_to_read(file) as content:
                name = source.name_or_path if file == path else f"{source.name_or_path}: {plain_text(file.name)}"
                hashes[name] = hashlib.file_digest(content, "sha256").hexdigest()
    return hashes
