"""A stand-in for Lambda Cloud's API over HTTP; requests and answers are checked against the published description."""

import json
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

KEY = "secret_ratchet-test_0123456789"
REGION = {"name": "us-west-1", "description": "California, USA"}
ACTION = {"available": True}


def kind(name: str, gpus: int, cents: int) -> dict:
    specs = {"vcpus": 30, "memory_gib": 200, "storage_gib": 1400, "gpus": gpus}
    return {
        "name": name,
        "description": f"{gpus}x",
        "gpu_description": "A10 (24 GB)",
        "price_cents_per_hour": cents,
        "specs": specs,
    }


class Cloud:
    """One account.

    ``faults``: (method and path's end) -> what the next requests meet: a status, "drop", or "lose" (done, unanswered).
    """

    def __init__(self, description: Path):
        self.spec = json.loads(description.read_text())
        self.types = {
            name: kind(name, gpus, cents)
            for name, gpus, cents in (("gpu_1x_a10", 1, 75), ("gpu_1x_h100", 1, 329), ("gpu_8x_h100", 8, 2392))
        }
        self.capacity = {name: ["us-west-1"] for name in self.types}
        self.instances: dict[str, dict] = {}
        self.calls: list[tuple[str, str, dict]] = []
        self.faults: dict[str, list] = {}
        self.wrong: list[str] = []
        self.boot = 0.3
        self.status_after_boot = "active"
        self._booted: dict[str, float] = {}
        self.server = ThreadingHTTPServer(("127.0.0.1", 0), _handler(self))
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server.server_port}"

    @property
    def launches(self) -> list[dict]:
        return [body for method, path, body in self.calls if path.endswith("/launch")]

    def alive(self) -> list[str]:
        return [
            number for number, one in self.instances.items() if one["status"] in ("booting", "active", "unhealthy")
        ]

    def check(self, path: str, method: str, part: str, value) -> None:
        import jsonschema

        template = next(
            p
            for p in self.spec["paths"]
            if len(p.split("/")) == len(path.split("/"))
            and all(a == b or a.startswith("{") for a, b in zip(p.split("/"), path.split("/"), strict=True))
        )
        operation = self.spec["paths"][template][method.lower()]
        described = operation["requestBody"] if part == "request" else operation["responses"][part]
        schema = {**described["content"]["application/json"]["schema"], "components": self.spec["components"]}
        try:
            jsonschema.Draft202012Validator(schema).validate(value)
        except jsonschema.ValidationError as error:
            self.wrong.append(f"{method} {path} {part}: {error.message}")

    def answer(self, method: str, path: str, body: dict) -> tuple[int, dict]:
        name = path.removeprefix("/api/v1/")
        if name == "instance-types":
            regions = {n: [{"name": r, "description": "x"} for r in self.capacity[n]] for n in self.types}
            return 200, {
                n: {"instance_type": t, "regions_with_capacity_available": regions[n]} for n, t in self.types.items()
            }
        if name == "ssh-keys":
            return 200, [{"id": "k1", "name": "mine", "public_key": "ssh-ed25519 AAAA"}]
        if name == "file-systems":
            system = {
                "id": "f1",
                "name": "shared",
                "mount_point": "/lambda/nfs/shared",
                "created": "2026-01-01T00:00:00.000Z",
                "region": REGION,
                "is_in_use": False,
            }
            return 200, [{**system, "created_by": {"id": "u", "email": "a@b.c", "status": "active"}}]
        if name == "instances":
            return 200, [self._now(number) for number in self.instances if self._now(number)["status"] != "terminated"]
        if name.startswith("instances/"):
            number = name.split("/")[1]
            if number not in self.instances:
                return 404, {
                    "code": "global/object-does-not-exist",
                    "message": "Specified instance does not exist.",
                    "suggestion": "",
                }
            return 200, self._now(number)
        if name == "instance-operations/launch":
            return self._launch(body)
        assert name == "instance-operations/terminate"
        for number in body["instance_ids"]:
            if number not in self.instances:
                return 404, {"code": "global/object-does-not-exist", "message": "no such", "suggestion": ""}
            self.instances[number]["status"] = "terminating"
        return 200, {"terminated_instances": [self._now(number) for number in body["instance_ids"]]}

    def _launch(self, body: dict) -> tuple[int, dict]:
        if body["region_name"] not in self.capacity[body["instance_type_name"]]:
            return 400, {
                "code": "instance-operations/launch/insufficient-capacity",
                "message": "Not enough capacity to fulfill launch request.",
            }
        number = f"i{len(self.instances) + 1:031d}"
        actions = dict.fromkeys(("migrate", "rebuild", "restart", "cold_reboot", "terminate"), ACTION)
        self.instances[number] = {
            **{
                "id": number,
                "name": body["name"],
                "status": "booting",
                "ssh_key_names": body["ssh_key_names"],
                "region": REGION,
                "tags": body["tags"],
            },
            **{
                "file_system_names": body.get("file_system_names", []),
                "instance_type": self.types[body["instance_type_name"]],
                "actions": actions,
            },
        }
        self._booted[number] = time.monotonic() + self.boot
        return 200, {"instance_ids": [number]}

    def _now(self, number: str) -> dict:
        one = self.instances[number]
        if one["status"] == "booting" and time.monotonic() > self._booted[number]:
            one |= {"status": self.status_after_boot, "ip": "127.0.0.1"}
        return one


def _handler(cloud: Cloud):
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def log_message(self, *args):
            pass

        def do(self):
            length = int(self.headers.get("Content-Length") or 0)
            body = json.loads(self.rfile.read(length) or b"{}")
            cloud.calls.append((self.command, self.path, body))
            if self.headers.get("Authorization") != f"Bearer {KEY}":
                error = {
                    "code": "global/invalid-api-key",
                    "message": "API key was invalid, expired, or deleted.",
                    "suggestion": "Check your API key or create a new one, then try again.",
                }
                return self.reply(401, error)
            if length:
                cloud.check(self.path, self.command, "request", body)
            fault = next(
                (
                    faults.pop(0)
                    for end, faults in cloud.faults.items()
                    if f"{self.command} {self.path}".endswith(end) and faults
                ),
                None,
            )
            if isinstance(fault, int):
                self.send_response(fault)
                self.send_header("Content-Length", "0")
                self.end_headers()
                return None
            if fault == "drop":
                return self.close()
            status, found = cloud.answer(self.command, self.path, body)
            if fault == "lose":
                return self.close()
            return self.reply(status, found)

        def close(self):
            self.close_connection = True
            self.connection.shutdown(2)

        def reply(self, status, found):
            answer = {"data": found} if status == 200 else {"error": found}
            cloud.check(self.path, self.command, str(status), answer)
            data = json.dumps(answer).encode()
            self.send_response(status)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(data)))
            self.end_headers()
            self.wfile.write(data)

        do_GET = do_POST = do

    return Handler
