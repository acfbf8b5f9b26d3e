"""A Hub on this machine that takes repositories and commits: the parts of its API that a push uses."""

from __future__ import annotations

import base64
import json
import re
from urllib.parse import unquote, urlsplit

from tests.engine.local_server import JsonHandler, LocalServer


class PushServer(LocalServer):
    """Refuses model cards as the real one does: what they name as base must be called owner/name."""

    def __init__(self) -> None:
        self.created: dict[str, str | None] = {}
        """The visibility that was asked for of each repository."""
        self.pushed: dict[str, bytes] = {}
        """Files of the last commit by name."""
        self.tokens: set[str | None] = set()
        """With which tokens it was asked for a repository, or given something."""
        super().__init__(_Handler)


class _Handler(JsonHandler):
    hub: PushServer

    def do_GET(self) -> None:
        """A repository that was created."""
        name = urlsplit(self.path).path.removeprefix("/api/models/")
        if name in self.hub.created:  # the Hub's library asks of itself too, as nobody
            self.hub.tokens.add(self.headers.get("authorization"))
        is_there = name in self.hub.created
        private = self.hub.created.get(name) == "private"
        self.send(200 if is_there else 404, {"id": name, "modelId": name, "private": private, "siblings": []})

    def do_POST(self) -> None:
        """A repository made, a model card looked at, and a commit whose files all come with it."""
        self.hub.tokens.add(self.headers.get("authorization"))
        path, body = unquote(urlsplit(self.path).path), self._body()
        if path == "/api/repos/create":
            asked = json.loads(body)
            name = f"{asked['organization']}/{asked['name']}"
            self.hub.created[name] = asked.get("visibility")
            self.send(200, {"url": f"{self.hub.endpoint}/{name}"})
        elif path == "/api/validate-yaml":
            named = re.findall(r"^base_model: (.*)$", json.loads(body)["content"], re.MULTILINE)
            errors = [{"message": f"{name} is not valid."} for name in named if not re.fullmatch(r"\w+/[\w.-]+", name)]
            self.send(400 if errors else 200, {"errors": errors, "warnings": []})
        elif path.endswith("/preupload/main"):
            files = [one["path"] for one in json.loads(body)["files"]]
            plan = [{"path": file, "uploadMode": "regular", "shouldIgnore": False} for file in files]
            self.send(200, {"files": plan})
        else:
            told = [json.loads(line) for line in body.splitlines() if line]
            files = [one["value"] for one in told if one["key"] == "file"]
            self.hub.pushed = {file["path"]: base64.b64decode(file["content"]) for file in files}
            name = path.removeprefix("/api/models/").removesuffix("/commit/main")
            self.send(200, {"commitUrl": f"{self.hub.endpoint}/{name}/commit/1", "commitOid": "1"})

    def _body(self) -> bytes:
        if "Content-Length" in self.headers:
            return self.rfile.read(int(self.headers["Content-Length"]))
        parts = []
        while size := int(self.rfile.readline(), 16):
            parts.append(self.rfile.read(size))
            self.rfile.readline()
        self.rfile.readline()
        return b"".join(parts)
