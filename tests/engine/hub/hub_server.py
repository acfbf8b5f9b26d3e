"""A Hub of one model and one dataset on this machine: the parts of its API that a download uses."""

from __future__ import annotations

import hashlib
import os
import threading
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, unquote, urlsplit

from tests.engine.local_server import JsonHandler, LocalServer

COMMIT = "0123456789abcdef0123456789abcdef01234567"
TOKEN = "hf_secretsecretsecretsecretsecret"


class HubServer(LocalServer):
    """Serves the files of `model` as the model tiny/model and those of `rows` as the dataset tiny/rows, revision main.
    A file of `gates` is sent half, and the rest once its gate is opened. `refusals` maps a name to the status and the
    X-Error-Code that answer for it."""

    def __init__(self, model: Path, rows: Path | None = None) -> None:
        self.model, self.rows = model, rows
        self.gates: dict[str, threading.Event] = {}
        self.refusals: dict[str, tuple[int, str]] = {
            "tiny/gated": (403, "GatedRepo"),
            "tiny/broken": (503, ""),
        }
        self.sizes: dict[str, int] = {}
        """Sizes that the listing tells in place of the true ones."""
        self.asked: list[tuple[str, str, str | None]] = []
        """Method, path and token of each request for a repository."""
        super().__init__(_Handler)

    def environment(self, home: Path) -> dict[str, str]:
        """Of a process that knows this Hub alone, has a token for it, and keeps what it fetches in `home`."""
        place = {
            "HF_ENDPOINT": self.endpoint,
            "HF_HOME": str(home),
            "HF_TOKEN": TOKEN,
            "HF_HUB_ETAG_TIMEOUT": "5",
        }
        unset = ("HF_HUB_OFFLINE", "HF_HUB_CACHE", "HUGGINGFACE_HUB_CACHE", "HF_DATASETS_CACHE", "HF_DATASETS_OFFLINE")
        return {name: value for name, value in os.environ.items() if name not in unset} | place

    def folder_of(self, name: str, *, is_dataset: bool) -> Path | None:
        """The files of that repository, None where there is none of this name and kind."""
        return {("tiny/model", False): self.model, ("tiny/rows", True): self.rows}.get((name, is_dataset))

    def forget(self) -> None:
        """Nothing has been asked, everything is sent at once and in its true size."""
        self.gates.clear()
        self.sizes.clear()
        self.asked.clear()

    def close(self) -> None:
        """End serving; gates are opened."""
        for gate in self.gates.values():
            gate.set()
        super().close()


class _Handler(JsonHandler):
    hub: HubServer
    name = ""
    folder = Path()
    """Of the repository that is asked for."""

    def do_HEAD(self) -> None:
        self._answer()

    def do_GET(self) -> None:
        self._answer()

    def do_POST(self) -> None:
        """What paths-info asks is a form; `paths` are those that are wanted."""
        asked = parse_qs(self.rfile.read(int(self.headers["Content-Length"])).decode())
        self._find(unquote(urlsplit(self.path).path))
        self.send(200, self._paths(asked.get("paths", [])))

    def _find(self, path: str) -> str:
        """The rest of the path, after the repository's kind."""
        rest = path.removeprefix("/api/models").removeprefix("/api")
        is_dataset = rest.startswith("/datasets")
        rest = rest.removeprefix("/datasets")
        self.name = "/".join(rest.split("/")[1:3])
        self.folder = self.hub.folder_of(self.name, is_dataset=is_dataset) or Path()
        return rest

    def _answer(self) -> None:
        hub, path = self.hub, unquote(urlsplit(self.path).path)
        if "tiny/" in path:
            hub.asked.append((self.command, path, self.headers.get("authorization")))
        rest = self._find(path)
        if self.name in hub.refusals:
            self._refuse(*hub.refusals[self.name])
        elif self.folder == Path():
            self._refuse(404, "RepoNotFound")
        elif "/tree/" in rest:
            self.send(200, self._paths([file.name for file in self._files()]))
        elif path.startswith("/api/"):
            revision = path.partition("/revision/")[2] or "main"
            self._list() if revision in ("main", COMMIT) else self._refuse(404, "RevisionNotFound")
        else:
            self._file(path.partition("/resolve/")[2].partition("/")[2])

    def _refuse(self, status: int, code: str) -> None:
        self.send_response(status)
        if code:
            self.send_header("X-Error-Code", code)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def _files(self) -> list[Path]:
        return [path for path in sorted(self.folder.iterdir()) if path.is_file()]

    def _size(self, file: Path) -> int:
        return self.hub.sizes.get(file.name, file.stat().st_size)

    def _paths(self, wanted: list[str]) -> list[dict[str, Any]]:
        files = [file for file in self._files() if file.name in wanted]
        return [{"type": "file", "path": file.name, "size": self._size(file), "oid": "0"} for file in files]

    def _list(self) -> None:
        siblings: list[dict[str, Any]] = [
            {"rfilename": file.name, "size": self._size(file), "blobId": "0"} for file in self._files()
        ]
        self.send(200, {"id": self.name, "modelId": self.name, "sha": COMMIT, "siblings": siblings, "tags": []})

    def _file(self, name: str) -> None:
        file = self.folder / name
        if not file.is_file():
            self._refuse(404, "EntryNotFound")
            return
        content = file.read_bytes()
        begin = 0
        if (asked := self.headers.get("Range", "")).startswith("bytes="):
            begin = int(asked[6:].split("-")[0])
        self.send_response(206 if begin else 200)
        self.send_header("X-Repo-Commit", COMMIT)
        self.send_header("ETag", f'"{hashlib.sha256(content).hexdigest()}"')
        self.send_header("Content-Length", str(len(content) - begin))
        if begin:
            self.send_header("Content-Range", f"bytes {begin}-{len(content) - 1}/{len(content)}")
        self.end_headers()
        if self.command == "HEAD":
            return
        half = (begin + len(content)) // 2
        self.wfile.write(content[begin:half])
        if gate := self.hub.gates.get(name):
            self.wfile.flush()
            gate.wait()
        try:
            self.wfile.write(content[half:])
        except OSError:
            self.close_connection = True  # who asked has gone
