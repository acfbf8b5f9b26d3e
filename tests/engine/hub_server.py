"""A Hub of one model on this machine: the parts of its API that a download uses."""

from __future__ import annotations

import hashlib
import json
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit

COMMIT = "0123456789abcdef0123456789abcdef01234567"
CHUNK = 1 << 14


class HubServer:
    """Serves the files of `folder` as the model tiny/model, revision main. A file of `gates` is sent half, and the rest
    once its gate is opened. `refusals` maps a name to the status and the X-Error-Code that answer for it."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.gates: dict[str, threading.Event] = {}
        self.refusals: dict[str, tuple[int, str]] = {
            "tiny/gated": (403, "GatedRepo"),
            "tiny/broken": (503, ""),
        }
        self.sizes: dict[str, int] = {}
        """Sizes that the listing tells in place of the true ones."""
        self.asked: list[tuple[str, str, str | None]] = []
        """Method, path and token of each request for a model."""
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), type("Handler", (_Handler,), {"hub": self}))
        self._server.daemon_threads = True
        threading.Thread(target=self._server.serve_forever, daemon=True).start()

    @property
    def endpoint(self) -> str:
        """For HF_ENDPOINT."""
        return f"http://127.0.0.1:{self._server.server_address[1]}"

    def close(self) -> None:
        """End serving; gates are opened."""
        for gate in self.gates.values():
            gate.set()
        self._server.shutdown()
        self._server.server_close()


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    hub: HubServer

    def do_HEAD(self) -> None:
        self._answer()

    def do_GET(self) -> None:
        self._answer()

    def log_message(self, format: str, *args: object) -> None: ...

    def _answer(self) -> None:
        path = unquote(urlsplit(self.path).path)
        if "tiny/" in path:
            self.hub.asked.append((self.command, path, self.headers.get("authorization")))
        name = "/".join(path.removeprefix("/api/models").split("/")[1:3])
        if name in self.hub.refusals:
            self._refuse(*self.hub.refusals[name])
        elif name != "tiny/model":
            self._refuse(404, "RepoNotFound")
        elif path.startswith("/api/models/"):
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

    def _list(self) -> None:
        files = [path for path in sorted(self.hub.folder.iterdir()) if path.is_file()]
        siblings: list[dict[str, Any]] = [
            {"rfilename": file.name, "size": self.hub.sizes.get(file.name, file.stat().st_size), "blobId": "0"}
            for file in files
        ]
        content = json.dumps(
            {"id": "tiny/model", "modelId": "tiny/model", "sha": COMMIT, "siblings": siblings}
        ).encode()
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    def _file(self, name: str) -> None:
        file = self.hub.folder / name
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
