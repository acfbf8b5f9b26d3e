"""python -m cockpit.engine.export: adapter, merged model, GGUF, Hub, in a process of its own"""

from __future__ import annotations

import argparse
import fcntl
import os
import shutil
import signal
import subprocess
import sys
import traceback
from pathlib import Path
from types import FrameType

from cockpit.disk import flush, flush_folder, open_regular, size_of
from cockpit.engine.errors import MAKE_ROOM, RunFailure, classify_error
from cockpit.engine.export.card import write_card
from cockpit.engine.export.unfit import CANNOT_RUN
from cockpit.launch.export_form import ExportForm, temporary_paths
from cockpit.machine.child_environment import child_environment, python_command
from cockpit.protocol.event_log import EventWriter
from cockpit.protocol.events import ExportEnded, ExportProgressed, ExportStarted, LogWritten
from cockpit.recipe.recipe import Recipe
from cockpit.runs.checksums import damage, write_checksums
from cockpit.runs.folder import RunDir
from cockpit.runs.moved_base import with_base
from cockpit.runs.origin import recipe_of_run
from cockpit.runs.receipt import RECEIPT, receipt_in
from cockpit.text.plain_text import plain_line
from cockpit.text.streams import hide_logins


class Exporter:
    """One export of one run: written to a temporary path, and renamed to its place when it is whole."""

    def __init__(
        self,
        run: RunDir,
        form: ExportForm,
        out: Path,
        export_id: str,
        base: str | None = None,
        *,
        with_receipt: bool = False,
    ) -> None:
        """`base`: where the base is, in place of the recipe's model. `with_receipt`: it is compared with what was
        trained. Raises OSError where the run's folder cannot be written."""
        self.run, self.form, self.out, self.id = run, form, out, export_id
        self.partial, self._merged = temporary_paths(out)
        self._base, self._with_receipt = base, with_receipt
        self._log = EventWriter(run.export)

    def export(self, push: str | None, private: bool) -> bool:
        """Do all of it and tell how it ended. Whether it is there now."""
        self._log.append(ExportStarted(export_id=self.id, form=self.form.name, path=str(self.out)))
        recipe, unlike = None, ""
        try:
            recipe = with_base(recipe_of_run(self.run.path, "recipe.yaml").recipe(), self._base)
            token = _token() if push else None
            shutil.rmtree(self.partial, ignore_errors=True)
            self.partial.mkdir(parents=True)
            self.task("checking what the run has saved")
            self._refuse_links()
            self._refuse_damage()
            self._write(recipe)
            if self._with_receipt:
                unlike = self._verify()
            write_card(self.partial, self.run, recipe)
            write_checksums(self.partial)
            self.task("writing it to the disk")
            flush(self.partial)
            self.out.parent.mkdir(parents=True, exist_ok=True)
            if self.out.is_dir():
                self.out.rmdir()  # it is empty; one that has been filled meanwhile stays
            self.partial.rename(self.out)
            flush_folder(self.out.parent)
            if push and token:
                self.task(f"pushing it to {push}")
                self._push(push, private, token)
        except BaseException as error:
            traceback.print_exc()
            self.fail(error, recipe)
            return False
        finally:
            shutil.rmtree(self.partial, ignore_errors=True)
            shutil.rmtree(self._merged, ignore_errors=True)
        self._log.append(
            ExportEnded(
                export_id=self.id,
                form=self.form.name,
                path=str(self.out),
                size_bytes=size_of(self.out),
                repository=push or "",
                unlike=unlike,
            )
        )
        return True

    def task(self, words: str) -> None:
        """Tell what is done now."""
        self._log.append(ExportProgressed(export_id=self.id, task=words))

    def say(self, text: str) -> None:
        """A line for the log."""
        self._log.append(LogWritten(level="info", text=plain_line(text)))

    def _refuse_links(self) -> None:
        """What a link of a run from elsewhere leads to, a key say, is not to be exported."""
        if wrong := self.run.why_linked():
            raise RunFailure(wrong)

    def _refuse_damage(self) -> None:
        result = self.run.result
        if result is not None and (wrong := damage(result)):
            raise RunFailure(f"The {result.name} cannot be trusted: {wrong}.", "Resume the run to save it anew.")

    def _write(self, recipe: Recipe) -> None:
        from cockpit.engine.export import gguf, merging
        from cockpit.engine.model.saved_files import finish_saved, name_base

        kind = self.form.kind
        if kind == "adapter":
            self.task("copying the adapter")
            shutil.copytree(self.run.adapter, self.partial, dirs_exist_ok=True)
            if self._base:
                name_base(self.partial, self._base)
            finish_saved(self.partial)  # an older run's files may not be in their final form
        elif kind == "gguf":
            gguf.check_tokenizer(self.run, recipe, self.task)
            shutil.rmtree(self._merged, ignore_errors=True)
            merging.merge(self.run, recipe, self._merged, "merged-16bit", self.task, self.say)
            gguf.convert(self._merged, self.partial, self.run.id, self.form.gguf_type, recipe, self.task, self.say)
        else:
            merging.merge(self.run, recipe, self.partial, kind, self.task, self.say)

    def _verify(self) -> str:
        """Write the receipt beside it; why it is not what was trained, in sentences. Where it cannot be compared, as
        llama-cpp-python is not installed say, that is told."""
        self.task("comparing it with what was trained")
        receipt = self.partial / RECEIPT
        options = ["--out", str(receipt), "--shown", str(self.out), *(["--model", self._base] if self._base else [])]
        done = subprocess.run(
            python_command("cockpit.engine.export.verify", str(self.run.path), str(self.partial), *options),
            env=child_environment(), stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=sys.stderr, text=True,
            errors="replace", check=False,
        )  # fmt: skip
        found = receipt_in(self.partial)
        if found is None:
            said = [line for line in done.stdout.splitlines() if line.strip()] or ["see export.log"]
            if done.returncode == CANNOT_RUN:
                return plain_line(said[-1])
            self.say(f"It was not compared with what was trained: {plain_line(said[-1])}")
            return ""
        for line in found.lines():
            self.say(line)
        return " ".join(found.why)

    def _push(self, repository: str, private: bool, token: str) -> None:
        import httpx
        from huggingface_hub import HfApi
        from huggingface_hub.errors import HfHubHTTPError

        stands = f"It stands in {self.out}."
        try:
            api = HfApi(token=token)
            api.create_repo(repository, private=private, exist_ok=True)
            if private and not api.model_info(repository).private:
                raise RunFailure(
                    f"Nothing was pushed: {repository} is there already, and everybody can read it.",
                    f"{stands} Name another repository, or leave --private out.",
                )
            api.upload_folder(folder_path=str(self.out), repo_id=repository)
        except (HfHubHTTPError, httpx.TransportError, OSError, ValueError) as error:
            raise RunFailure(
                f"It could not be pushed to {repository}: {type(error).__name__}.",
                f"{stands} Look at the token's rights and at the network.",
            ) from error

    def fail(self, error: BaseException, recipe: Recipe | None) -> None:
        """Tell the run's log why there is no export."""
        if isinstance(error, KeyboardInterrupt | SystemExit):
            error = RunFailure("It was ended before it was done.")
        ending = classify_error(error, recipe, 0)
        advice = ending.advice.replace("the run's engine.log", f"{self.run.path / 'export.log'}")
        if ending.outcome == "out_of_memory":
            advice = "Let go of what else holds it, such as the chat with this run, and export again."
        elif advice == MAKE_ROOM:
            advice = "Make room, or name a folder on another disk."
        self._log.append(
            ExportEnded(export_id=self.id, form=self.form.name, path=str(self.out), reason=ending.reason, advice=advice)
        )


def _token() -> str:
    """The token of the environment or of the Hub's login; it is written nowhere. Raises RunFailure where is none."""
    from huggingface_hub import get_token

    token = get_token()
    if not token:
        raise RunFailure("There is no token for the Hub.", "Log in with 'hf auth login', or set HF_TOKEN.")
    return token


def _end(signum: int, frame: FrameType | None) -> None:
    raise SystemExit(128 + signum)


def main() -> int:
    """Export; 0 where it stands, 1 where it does not."""
    parser = argparse.ArgumentParser(prog="python -m cockpit.engine.export")
    parser.add_argument("folder", type=Path)
    parser.add_argument("--as", dest="form", type=ExportForm.parse, required=True)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--push")
    parser.add_argument("--model", help="where the base is, in place of the recipe's model")
    parser.add_argument("--private", action="store_true")
    parser.add_argument("--no-receipt", action="store_true", help="do not compare it with what was trained")
    parser.add_argument("--id", default="export")
    options = parser.parse_args()
    hide_logins()
    for name in ("HF_HUB_DISABLE_PROGRESS_BARS", "TQDM_DISABLE"):
        os.environ.setdefault(name, "1")
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, _end)
    signal.signal(signal.SIGHUP, signal.SIG_IGN)
    run = RunDir(options.folder.absolute())
    lock = open_regular(run.path / "export.lock", os.O_RDWR | os.O_CREAT, follow=False)
    exporter = Exporter(
        run, options.form, options.out.absolute(), options.id, options.model, with_receipt=not options.no_receipt
    )
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        exporter.fail(RunFailure("Another export of this run is going on.", "Wait for it."), None)
        return 1
    return 0 if exporter.export(options.push, options.private) else 1


if __name__ == "__main__":
    status = main()
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(status)  # threads of the stack are not waited for
