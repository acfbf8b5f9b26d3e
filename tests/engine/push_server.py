"""A Hub on this machine that takes repositories and commits: the parts of its API that a push uses."""

from __future__ import annotations

import base64
import json
import re
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import unquote, urlsplit


class PushServer:
    """Refuses model cards as the real one does: what they name as base must be called owner/name."""

    def __init__(self) -> None:
        self.created: dict[str, str | None] = {}
        """The visibility that was asked for of each repository."""
        self.pushed: dict[str, bytes] = {}
        """Files of the last commit by name."""
        self.tokens: set[str | None] = set()
        """With which tokens it was asked for a repository, or given something."""
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), type("Handler", (_Handler,), {"hub": self}))
        self._server.daemon_threads = True
        threading.Thread(target=self._server.serve_forever, daemon=True).start()

    @property
    def endpoint(self) -> str:
        """For HF_ENDPOINT."""
        return f"http://127.0.0.1:{self._server.server_address[1]}"

    def close(self) -> None:
        """End serving."""
        self._server.shutdown()
        self._server.server_close()


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    hub: PushServer

    def log_message(self, format: str, *args: object) -> None: ...

    def do_GET(self) -> None:
        """A repository that was created."""
        name = urlsplit(self.path).path.removeprefix("/api/models/")
        if name in self.hub.created:  # the Hub's library asks of itself too, as nobody
            self.hub.tokens.add(self.headers.get("authorization"))
        is_there = name in self.hub.created
        private = self.hub.created.get(name) == "private"
        self._send(200 if is_there else 404, {"id": name, "modelId": name, "private": private, "siblings": []})

    def do_POST(self) -> None:
        """A repository made, a model card looked at, and a commit whose files all come with it."""
        self.hub.tokens.add(self.headers.get("authorization"))
        path, body = unquote(urlsplit(self.path).path), self._body()
        if path == "/api/repos/create":
            asked = json.loads(body)
            name = f"{asked['organization']}/{asked['name']}"
            self.hub.created[name] = asked.get("visibility")
            self._send(200, {"url": f"{self.hub.endpoint}/{name}"})
        elif path == "/api/validate-yaml":
            named = re.findall(r"^base_model: (.*)$", json.loads(body)["content"], re.MULTILINE)
            errors = [{"message": f"{name} is not valid."} for name in named if not re.fullmatch(r"\w+/[\w.-]+", name)]
            self._send(400 if errors else 200, {"errors": errors, "warnings": []})
        elif path.endswith("/preupload/main"):
            files = [one["path"] for one in json.loads(body)["files"]]
            plan = [{"path": file, "uploadMode": "regular", "shouldIgnore": False} for file in files]
            self._send(200, {"files": plan})
        else:
            told = [json.loads(line) for line in body.splitlines() if line]
            files = [one["value"] for one in told if one["key"] == "file"]
            self.hub.pushed = {file["path"]: base64.b64decode(file["content"]) for file in files}
            name = path.removeprefix("/api/models/").removesuffix("/commit/main")
            self._send(200, {"commitUrl": f"{self.hub.endpoint}/{name}/commit/1", "commitOid": "1"})

    def _body(self) -> bytes:
        if "Content-Length" in self.headers:
            return self.rfile.read(int(self.headers["Content-Length"]))
        parts = []
        while size := int(self.rfile.readline(), 16):
            parts.append(self.rfile.read(size))
            self.rfile.readline()
        self.rfile.readline()
        return b"".join(parts)

    def _send(self, status: int, told: dict[str, Any]) -> None:
        content = json.dumps(told).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)
