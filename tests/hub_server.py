"""A stand-in for the Hugging Face Hub on 127.0.0.1, which the real client talks to.

It knows repositories, branches, LFS, commits, cards, downloads and jobs. ``faults`` holds what the next requests that
change something get instead of an answer: a status, a (status, message), 0 for a connection that is dropped, or "half"
for one that is dropped in the middle of the upload.
"""

import base64
import hashlib
import json
import re
import threading
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, unquote, urlsplit

import yaml

LARGE = (".safetensors", ".pt", ".pth", ".bin", ".parquet")


class Hub:
    """One server; ``url`` goes into HF_ENDPOINT."""

    def __init__(self) -> None:
        self.branches: dict[str, dict[str, dict[str, bytes]]] = {}
        self.private: dict[str, bool] = {}
        self.commits: list[str] = []
        self.faults: list[Any] = []
        self.blobs: dict[str, bytes] = {}
        self.requests: list[str] = []
        self.jobs: list[dict] = []
        self.carry_out: Callable[[dict], tuple[int, str]] | None = None
        """Does what a job says, and returns its status and its log; without it jobs run forever."""
        self.outcomes: dict[str, tuple[int, str]] = {}
        self.http = ThreadingHTTPServer(("127.0.0.1", 0), _Handler)
        self.http.daemon_threads, self.http.hub = True, self
        self.url = f"http://127.0.0.1:{self.http.server_address[1]}"
        threading.Thread(target=self.http.serve_forever, args=(0.05,), daemon=True).start()

    def environ(self, token: str = "hf_of_a_test") -> dict[str, str]:
        """For a process that is to use it."""
        return {"HF_ENDPOINT": self.url, "HF_TOKEN": token, "HF_HUB_OFFLINE": "0", "HF_HUB_DISABLE_XET": "1"}

    def files(self, name: str, branch: str = "main") -> dict[str, bytes]:
        """The files of a branch, by path."""
        return self.branches[name][branch]

    def create(self, body: dict) -> tuple[int, Any]:
        name = f"{body.get('organization') or 'me'}/{body['name']}"
        if not name.startswith("me/"):
            return 403, {
                "error": f'You don\'t have the rights to create a model under the namespace "{name.split("/")[0]}"'
            }
        known = name in self.branches
        self.branches.setdefault(name, {"main": {".gitattributes": b""}})
        self.private.setdefault(name, bool(body.get("private")) or body.get("visibility") == "private")
        return (
            (409, {"error": "You already created this model repo", "url": f"{self.url}/{name}"})
            if known
            else (200, {"url": f"{self.url}/{name}"})
        )

    def commit(self, name: str, branch: str, lines: bytes) -> dict[str, Any]:
        files = self.branches[name][branch]
        for line in lines.splitlines():
            entry = json.loads(line)
            value = entry["value"]
            if entry["key"] == "header":
                self.commits.append(value["summary"])
            elif entry["key"] == "file":
                files[value["path"]] = base64.b64decode(value["content"])
            elif entry["key"] == "lfsFile":
                files[value["path"]] = self.blobs[value["oid"]]
            elif entry["key"] == "deletedFile":
                files.pop(value["path"], None)
        oid = _id(lines)
        return {
            "success": True,
            "commitOid": oid,
            "commitUrl": f"{self.url}/{name}/commit/{oid}",
            "hookOutput": "",
            "pullRequestUrl": None,
        }


def card_errors(text: str) -> list[str]:
    """What the Hub refuses in a card's metadata."""
    found = re.match(r"---\n(.*?)\n---\n", text, re.DOTALL)
    data = yaml.safe_load(found[1]) if found else None
    if not isinstance(data, dict):
        return ["the card has no metadata"]
    errors = [
        f'"{key}" must be a string'
        for key in ("library_name", "pipeline_tag")
        if not isinstance(data.get(key, ""), str)
    ]
    for model in data.get("model-index") or []:
        if not model.get("name"):
            errors.append('"model-index[0].name" is required')
        for result in model.get("results") or [{}]:
            if not result.get("task", {}).get("type") or not {"name", "type"} <= set(result.get("dataset", {})):
                errors.append('"model-index[0].results" needs task.type, dataset.type and dataset.name')
            if not all({"type", "value"} <= set(metric) for metric in result.get("metrics") or [{}]):
                errors.append('"model-index[0].results.metrics" needs type and value')
    return errors


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
        hub, path = self.server.hub, unquote(urlsplit(self.path).path)
        hub.requests.append(f"{self.command} {path}")
        fault = hub.faults.pop(0) if self.command in ("POST", "PUT") and hub.faults else None
        if fault == "half":
            self.rfile.read(int(self.headers.get("Content-Length") or 2) // 2)
            fault = 0
        body = self.received() if fault != 0 else b""
        if fault == 0:
            self.close_connection = True
            return self.connection.close()
        if fault is not None:
            status, said = fault if isinstance(fault, tuple) else (fault, "told to")
            return self.answer({"error": said}, status)
        if path == "/api/repos/create":
            status, found = hub.create(json.loads(body))
            return self.answer(found, status)
        if path == "/api/validate-yaml":
            errors = card_errors(json.loads(body)["content"])
            return self.answer(
                {"errors": [{"message": error} for error in errors], "warnings": []}, 400 if errors else 200
            )
        if path == "/api/models":
            owner = parse_qs(urlsplit(self.path).query).get("author", [""])[0]
            names = [name for name in hub.branches if name.startswith(f"{owner}/")]
            return self.answer([{"_id": "0", "id": name, "modelId": name, "tags": []} for name in names])
        if path == "/api/jobs/me":
            return self.start_job(json.loads(body))
        if found := re.fullmatch(r"/api/jobs/me/(\d+)(/logs)?", path):
            return self.of_job(found[1], logs=bool(found[2]))
        if path == "/api/whoami-v2":
            return self.answer({"type": "user", "name": "me", "orgs": [], "auth": {"accessToken": {"role": "write"}}})
        if path.endswith(".git/info/lfs/objects/batch"):
            actions = {"actions": {"upload": {"href": f"{hub.url}/_lfs", "header": {}}}}
            objects = [
                {**entry, "authenticated": True, **({} if entry["oid"] in hub.blobs else actions)}
                for entry in json.loads(body)["objects"]
            ]
            return self.answer({"transfer": "basic", "objects": objects})
        if path == "/_lfs":
            hub.blobs[hashlib.sha256(body).hexdigest()] = body
            return self.answer({})
        if found := re.fullmatch(r"/api/models/([^/]+/[^/]+)(?:/(\w+)(?:/([^/]+))?.*)?", path):
            return self.of_repository(found[1], found[2], found[3] or "main", body)
        if found := re.fullmatch(r"/([^/]+/[^/]+)/resolve/([^/]+)/(.+)", path):
            return self.resolved(*found.groups())
        return self.answer({"error": "not found"}, 404, X_Error_Code="RepoNotFound")

    def start_job(self, job: dict) -> None:
        hub = self.server.hub
        hub.jobs.append(job)
        number = str(len(hub.jobs))
        if hub.carry_out is not None:
            hub.outcomes[number] = hub.carry_out(job)
        self.answer(_job(number, job, {"stage": "RUNNING"}))

    def of_job(self, number: str, logs: bool) -> None:
        hub = self.server.hub
        status, log = hub.outcomes[number]
        if logs:
            events = [{"timestamp": str(i), "data": line} for i, line in enumerate(log.splitlines())]
            stream = "".join(f"data: {json.dumps(event)}\n\n" for event in events)
            return self.answer(stream.encode(), Content_Type="text/event-stream")
        stage = "ERROR" if status else "COMPLETED"
        return self.answer(_job(number, hub.jobs[int(number) - 1], {"stage": stage, "message": None}))

    def resolved(self, name: str, branch: str, path: str) -> None:
        branches = self.server.hub.branches.get(name)
        if branches is None:
            return self.answer({"error": "not found"}, 404, X_Error_Code="RepoNotFound")
        branch = next((known for known in branches if branch in (known, _id(f"{name}{known}".encode()))), None)
        if branch is None:
            return self.answer({"error": "not found"}, 404, X_Error_Code="RevisionNotFound")
        if path not in branches[branch]:
            return self.answer({"error": "not found"}, 404, X_Error_Code="EntryNotFound")
        data = branches[branch][path]
        return self.answer(data, ETag=f'"{_id(data)}"', X_Repo_Commit=_id(f"{name}{branch}".encode()))

    def of_repository(self, name: str, verb: str | None, branch: str, body: bytes) -> None:
        hub = self.server.hub
        if name not in hub.branches:
            return self.answer({"error": "Repository not found"}, 404, X_Error_Code="RepoNotFound")
        branches = hub.branches[name]
        if verb == "branch":
            known = branch in branches
            branches.setdefault(branch, dict(branches["main"]))
            return self.answer({"error": "Reference already exists"} if known else {}, 409 if known else 200)
        branch = next((known for known in branches if branch in (known, _id(f"{name}{known}".encode()))), None)
        if branch is None:
            return self.answer({"error": "Invalid rev id"}, 404, X_Error_Code="RevisionNotFound")
        files = branches[branch]
        if verb == "preupload":
            modes = [
                {
                    "path": f["path"],
                    "uploadMode": "lfs" if f["path"].endswith(LARGE) else "regular",
                    "shouldIgnore": False,
                }
                for f in json.loads(body)["files"]
            ]
            return self.answer({"files": modes})
        if verb == "commit":
            return self.answer(hub.commit(name, branch, body))
        if verb == "refs":
            return self.answer(
                {
                    "branches": [
                        {"name": b, "ref": f"refs/heads/{b}", "targetCommit": _id(b.encode())} for b in branches
                    ],
                    "tags": [],
                    "converts": [],
                }
            )
        if verb == "tree":
            return self.answer(
                [
                    {"type": "file", "path": path, "size": len(data), "oid": _id(data)}
                    for path, data in sorted(files.items())
                ]
            )
        siblings = [{"rfilename": path, "size": len(data)} for path, data in sorted(files.items())]
        commit = _id(f"{name}{branch}".encode())
        return self.answer(
            {
                "_id": "0",
                "id": name,
                "modelId": name,
                "sha": commit,
                "private": hub.private[name],
                "tags": [],
                "siblings": siblings,
            }
        )

    do_GET = do_POST = do_PUT = do_HEAD = handle_any


def _job(number: str, job: dict, status: dict) -> dict[str, Any]:
    owner = {"id": "1", "name": "me", "type": "user"}
    made = {"id": number, "createdAt": "2026-01-01T00:00:00.000Z", "owner": owner, "status": status}
    return {**made, **job, "environment": {}, "secrets": {}}


def _id(data: bytes) -> str:
    return hashlib.sha1(data).hexdigest()
