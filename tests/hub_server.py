"""A stand-in for the Hugging Face Hub on 127.0.0.1, which the real client talks to: repositories, LFS, commits, downloads.

``faults`` holds statuses that the next requests which change something get instead of an answer; 0 drops the connection.
"""

import base64
import hashlib
import json
import re
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import unquote, urlsplit


class Hub:
    """One server; ``url`` goes into HF_ENDPOINT."""

    def __init__(self) -> None:
        self.files: dict[str, dict[str, bytes]] = {}
        self.private: dict[str, bool] = {}
        self.commits: list[str] = []
        self.faults: list[int] = []
        self.blobs: dict[str, bytes] = {}
        self.http = ThreadingHTTPServer(("127.0.0.1", 0), _Handler)
        self.http.daemon_threads, self.http.hub = True, self
        self.url = f"http://127.0.0.1:{self.http.server_address[1]}"
        threading.Thread(target=self.http.serve_forever, args=(0.05,), daemon=True).start()

    def environ(self) -> dict[str, str]:
        """For a process that is to use it."""
        return {"HF_ENDPOINT": self.url, "HF_TOKEN": "hf_of_a_test", "HF_HUB_OFFLINE": "0", "HF_HUB_DISABLE_XET": "1"}

    def info(self, name: str) -> dict[str, Any]:
        siblings = [{"rfilename": path, "size": len(data)} for path, data in sorted(self.files[name].items())]
        return {"_id": "0", "id": name, "modelId": name, "sha": _id(name.encode()), "private": self.private[name], "tags": [], "siblings": siblings}

    def create(self, body: dict) -> tuple[int, Any]:
        name = f"{body.get('organization') or 'me'}/{body['name']}"
        known = name in self.files
        self.files.setdefault(name, {".gitattributes": b""})
        self.private.setdefault(name, bool(body.get("private")) or body.get("visibility") == "private")
        return (409, {"error": "You already created this model repo", "url": f"{self.url}/{name}"}) if known else (200, {"url": f"{self.url}/{name}"})

    def commit(self, name: str, lines: bytes) -> dict[str, Any]:
        for line in lines.splitlines():
            entry = json.loads(line)
            value = entry["value"]
            if entry["key"] == "header":
                self.commits.append(value["summary"])
            elif entry["key"] == "file":
                self.files[name][value["path"]] = base64.b64decode(value["content"])
            elif entry["key"] == "lfsFile":
                self.files[name][value["path"]] = self.blobs[value["oid"]]
        oid = _id(lines)
        return {"success": True, "commitOid": oid, "commitUrl": f"{self.url}/{name}/commit/{oid}", "hookOutput": "", "pullRequestUrl": None}

    def tree(self, name: str) -> list[dict[str, Any]]:
        return [{"type": "file", "path": path, "size": len(data), "oid": _id(data)} for path, data in sorted(self.files[name].items())]


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def log_message(self, *args: Any) -> None:
        pass

    def answer(self, body: Any, status: int = 200, **headers: str) -> None:
        data = body if isinstance(body, bytes) else json.dumps(body).encode()
        self.send_response(status)
        for key, value in {"Content-Type": "application/json", "Content-Length": str(len(data)), **headers}.items():
            self.send_header(key.replace("_", "-"), value)
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(data)

    def received(self) -> bytes:
        if self.headers.get("Transfer-Encoding") != "chunked":
            return self.rfile.read(int(self.headers.get("Content-Length") or 0))
        found = b""
        while size := int(self.rfile.readline().split(b";")[0], 16):
            found += self.rfile.read(size)
            self.rfile.readline()
        self.rfile.readline()
        return found

    def handle_any(self) -> None:
        hub, path, body = self.server.hub, unquote(urlsplit(self.path).path), self.received()
        if self.command in ("POST", "PUT") and hub.faults:
            status = hub.faults.pop(0)
            if not status:
                self.close_connection = True
                return self.connection.close()
            return self.answer({"error": "told to"}, status)
        if path == "/api/repos/create":
            status, found = hub.create(json.loads(body))
            return self.answer(found, status)
        if path == "/api/validate-yaml":
            return self.answer({"errors": [], "warnings": []})
        if path == "/api/whoami-v2":
            return self.answer({"type": "user", "name": "me", "orgs": [], "auth": {"accessToken": {"role": "write"}}})
        if path.endswith(".git/info/lfs/objects/batch"):
            actions = {"actions": {"upload": {"href": f"{hub.url}/_lfs", "header": {}}}}
            return self.answer(
                {"transfer": "basic", "objects": [{**entry, "authenticated": True, **actions} for entry in json.loads(body)["objects"]]}
            )
        if path == "/_lfs":
            hub.blobs[hashlib.sha256(body).hexdigest()] = body
            return self.answer({})
        if found := re.fullmatch(r"/api/models/([^/]+/[^/]+)(?:/(\w+).*)?", path):
            return self.of_repository(hub, found[1], found[2], body)
        if (found := re.fullmatch(r"/([^/]+/[^/]+)/resolve/[^/]+/(.+)", path)) and found[2] in hub.files.get(found[1], {}):
            data = hub.files[found[1]][found[2]]
            return self.answer(data, ETag=f'"{_id(data)}"', X_Repo_Commit=_id(found[1].encode()))
        return self.answer({"error": "not found"}, 404, X_Error_Code="RepoNotFound" if "resolve" not in path else "EntryNotFound")

    def of_repository(self, hub: Hub, name: str, verb: str | None, body: bytes) -> None:
        if name not in hub.files:
            return self.answer({"error": "Repository not found"}, 404, X_Error_Code="RepoNotFound")
        if verb == "preupload":
            large = (".safetensors", ".pt", ".pth", ".bin")
            modes = [
                {"path": f["path"], "uploadMode": "lfs" if f["path"].endswith(large) else "regular", "shouldIgnore": False}
                for f in json.loads(body)["files"]
            ]
            return self.answer({"files": modes})
        if verb == "commit":
            return self.answer(hub.commit(name, body))
        return self.answer(hub.tree(name) if verb == "tree" else hub.info(name))

    do_GET = do_POST = do_PUT = do_HEAD = handle_any


def _id(data: bytes) -> str:
    return hashlib.sha1(data).hexdigest()
