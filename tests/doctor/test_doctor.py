"""The doctor's findings, each against something that is really so: a program on the path, a server, a port."""

import http.server
import json
import socket
import threading

import pytest

from ratchet.doctor import machine, network


def test_this_machine_is_looked_at_and_every_fault_has_a_remedy(script, tmp_path):
    done = script("ratchet", "doctor", "--json", "findings.json")
    found = json.loads((tmp_path / "findings.json").read_text())
    assert {"python", "packages", "memory", "ranks (gloo)", "Hub"} <= {one["what"] for one in found}
    assert all(one["remedy"] for one in found if one["state"] in ("warning", "error"))
    assert "errors" in done.stdout


def _smi(tmp_path, monkeypatch, text):
    program = tmp_path / "nvidia-smi"
    program.write_text(f"#!/bin/sh\ncat <<'END'\n{text}\nEND\n")
    program.chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path), prepend=":")


def test_a_driver_without_a_torch_that_uses_it_is_an_error(tmp_path, monkeypatch):
    _smi(tmp_path, monkeypatch, "NVIDIA H100 80GB HBM3, 470.82.01, 81559, 70000, P0")
    found = {one.what: one for one in machine.gpus()}
    assert found["GPU"].state == "warning"  # somebody holds its memory
    assert found["driver"].state == "error"
    assert found["torch"].state == "error"
    assert "no GPU will be used" in found["torch"].text


def test_ranks_that_cannot_meet_are_an_error(monkeypatch):
    monkeypatch.setenv("GLOO_SOCKET_IFNAME", "nothing0")
    (found,) = network.ranks(2, seconds=90)
    assert found.state == "error"
    assert "NCCL_DEBUG" in found.remedy


def test_a_missing_package_and_a_wrong_version_are_found(monkeypatch):
    monkeypatch.setattr(
        machine,
        "requires",
        lambda name: ["nothing-like-this==1.0", "pyyaml<1", "trl==1.16.0", "no-such-extra>=0.45; extra == 'q'"],
    )
    found = {one.what: one for one in machine.packages()}
    assert found["nothing-like-this"].state == "error"
    assert found["pyyaml"].remedy == 'pip install "pyyaml<1"'
    assert "1 of the supported set" in found["packages"].text


class Vllm(http.server.BaseHTTPRequestHandler):
    answers: dict = {}

    def do_GET(self):
        self.rfile.read(int(self.headers.get("Content-Length") or 0))
        status, body = self.answers.get(self.path, (404, {}))
        data = json.dumps(body).encode()
        self.send_response(status)
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)

    do_POST = do_GET

    def log_message(self, *args):
        pass


@pytest.fixture
def vllm():
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Vllm)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()


GOOD = {
    "/health": (200, {}),
    "/version": (200, {"version": "0.30.0"}),
    "/v1/models": (200, {"data": [{"id": "Qwen/Qwen3-0.6B"}]}),
    "/v1/completions": (200, {}),
    "/weight_info": (200, {}),
}


@pytest.mark.parametrize(
    ("change", "state", "said"),
    [
        ({}, "ok", "Qwen/Qwen3-0.6B"),
        ({"/health": (503, {})}, "error", "answers 503"),
        ({"/version": (200, {"version": "0.33.1"})}, "error", "0.33.1 is not one"),
        ({"/version": (404, {})}, "warning", "says no version"),
        ({"/weight_info": (404, {})}, "warning", "takes no weights"),
        ({"/v1/completions": (500, {})}, "error", "makes no token within 20 s (status 500), although"),
    ],
)
def test_a_vllm_server_is_looked_at(vllm, change, state, said):
    Vllm.answers = {**GOOD, **change}
    found = list(network.vllm_server(f"{vllm}/v1"))
    assert any(one.state == state and said in one.text for one in found)
    assert state != "ok" or all(one.state == "ok" for one in found)


def test_no_server_is_an_error_with_the_command_that_starts_one():
    (found,) = network.vllm_server("http://127.0.0.1:9")
    assert found.state == "error"
    assert "ratchet launch" in found.remedy


def test_a_port_that_is_taken_is_a_warning():
    with socket.socket() as taken:
        taken.bind(("", 0))
        taken.listen()
        assert network.port(taken.getsockname()[1]).state == "warning"


def test_logins_are_named_and_never_shown(monkeypatch):
    monkeypatch.setenv("HF_TOKEN", "hf_secret-secret")
    monkeypatch.setattr(
        "huggingface_hub.HfApi.whoami", lambda self: (_ for _ in ()).throw(ConnectionError("hf_secret-secret"))
    )
    text = "\n".join(map(str, network.logins({"WANDB_API_KEY": "also-secret"})))
    assert "a key is there" in text
    assert "secret-secret" not in text
