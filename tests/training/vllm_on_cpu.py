"""A stand-in for ``vllm serve`` with weight transfer, over real HTTP on 127.0.0.1, for TRL's real client.

``Fake(model)`` serves from a thread: it holds its own copy of the weights, samples from it, and fails on demand.
``install()`` replaces what TRL's client takes from vLLM itself and from NCCL: weights go over a plain socket, on whose
listening side the trainer stands, as NCCL's rendezvous has it. As a script it runs scripts/grpo.py with that in place:

    python vllm_on_cpu.py RECIPE.yaml --key value ...
"""

import contextlib
import io
import json
import socket
import threading
import time
import uuid
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import urlparse

import torch
from transformers import AutoModelForCausalLM


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"  # keep-alive, as uvicorn
    timeout = 60

    def log_message(self, *args):
        pass

    def answer(self, body, status=200):
        data = json.dumps(body).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)

    def do(self):
        fake, path = self.server.fake, urlparse(self.path).path
        length = int(self.headers.get("Content-Length") or 0)
        raw = self.rfile.read(length)
        body = json.loads(raw) if raw else {}
        fake.calls.append((self.command, path, body))
        for fault in list(fake.faults):
            if fault["path"] == path and fault.get("times", 1) > 0:
                if fault.get("skip", 0) > 0:  # so many requests pass first
                    fault["skip"] -= 1
                    continue
                fault["times"] = fault.get("times", 1) - 1
                kind = fault["kind"]
                if kind == "status":
                    return self.answer({"error": "told to"}, fault["status"])
                if kind == "hang":
                    fake.released.wait(fault.get("seconds"))
                if kind in ("hang", "drop"):  # close without an answer
                    self.close_connection = True
                    return self.connection.shutdown(socket.SHUT_RDWR)
                if kind == "die":
                    self.close_connection = True
                    threading.Thread(target=fake.kill, daemon=True).start()
                    return self.connection.shutdown(socket.SHUT_RDWR)
        try:
            route = {
                ("GET", "/health"): lambda b: {},
                ("GET", "/v1/models"): lambda b: {"data": [{"id": fake.name, "max_model_len": 128}]},
                ("POST", "/pause"): lambda b: {},
                ("POST", "/resume"): lambda b: {},
                ("GET", "/server_info"): lambda b: {
                    "vllm_config": {
                        "weight_transfer_config": {"backend": "nccl"},
                        "model_config": {"logprobs_mode": "processed_logprobs", "dtype": "torch.float32"},
                    }
                },
                ("GET", "/get_world_size"): lambda b: {"world_size": 1},
                ("GET", "/weight_info"): lambda b: {"weight_version": fake.weight_version},  # vLLM >= 0.27
                ("POST", "/update_weight_version"): fake.set_version,
                ("POST", "/init_weight_transfer_engine"): fake.join,
                ("POST", "/start_weight_update"): fake.start,
                ("POST", "/update_weights"): fake.update,
                ("POST", "/finish_weight_update"): fake.finish,
                ("POST", "/reset_prefix_cache"): lambda b: {"success": True},
                ("POST", "/v1/completions"): fake.complete,
            }.get((self.command, path))
            if route is None:
                return self.answer({"error": f"no {self.command} {path}"}, 404)
            self.answer(route(body))
        except BrokenPipeError:
            pass
        except Exception as error:  # as vLLM: 500 with the text
            self.answer({"error": f"{type(error).__name__}: {error}"}, 500)

    do_GET = do_POST = do


class Server(ThreadingHTTPServer):
    request_queue_size = 128

    daemon_threads = True
    allow_reuse_address = True

    def __init__(self, *args):
        super().__init__(*args)
        self.open = set()

    def process_request(self, request, address):
        self.open.add(request)
        super().process_request(request, address)

    def shutdown_request(self, request):
        self.open.discard(request)
        super().shutdown_request(request)

    def handle_error(self, request, address):
        pass


class Fake:
    """One life of a server: weights from the disk, no weight-transfer group."""

    def __init__(self, model, port=0, seed=0):
        self.path, self.name, self.id = model, "fake", uuid.uuid4().hex
        self.model = AutoModelForCausalLM.from_pretrained(model, dtype=torch.float32).eval()
        self.random = torch.Generator().manual_seed(seed)
        self.calls, self.faults, self.released = [], [], threading.Event()
        self.weight_version, self.updates, self.active, self.group = "default", 0, False, None
        self.lock = threading.Lock()
        self.http = Server(("127.0.0.1", port), Handler)
        self.http.fake = self
        self.port = self.http.server_address[1]
        self.url = f"http://127.0.0.1:{self.port}"
        threading.Thread(target=self.http.serve_forever, args=(0.05,), daemon=True).start()

    def kill(self):
        """As SIGKILL: every connection is cut, the port refuses."""
        self.http.shutdown()
        self.http.server_close()
        for connection in list(self.http.open):
            with contextlib.suppress(OSError):
                connection.shutdown(socket.SHUT_RDWR)
        self.released.set()
        if self.group is not None:
            self.group.close()

    def restarted(self):
        """A fresh one on the same port, with the initial weights."""
        return Fake(self.path, self.port)

    # Weights.

    def join(self, body):
        info = body["init_info"]
        until = time.monotonic() + 30
        while True:
            try:
                self.group = socket.create_connection((info["master_address"], info["master_port"]), 5)
                return {"message": "Weight transfer initialized"}
            except OSError:
                if time.monotonic() > until:
                    raise
                time.sleep(0.02)

    def start(self, body):
        if self.active:
            raise RuntimeError(
                "start_weight_update called while a weight update is already active. Call finish_weight_update first."
            )
        self.active = True
        return {"message": "Weight update started"}

    def update(self, body):
        if not self.active:
            raise RuntimeError("start_weight_update must be called before update_weights.")
        if self.group is None:
            raise RuntimeError("Weight transfer not initialized.")
        names = body["update_info"]["names"]
        own = dict(self.model.named_parameters())
        file = self.group.makefile("rb")
        for expected in names:
            size = int.from_bytes(file.read(8), "big")
            name, tensor = torch.load(io.BytesIO(file.read(size)))
            assert name == expected, (name, expected)
            with self.lock, torch.no_grad():
                own[name].copy_(tensor)
        self.updates += 1
        return {"message": "Weights updated"}

    def finish(self, body):
        if not self.active:
            raise RuntimeError("finish_weight_update without a matching start")
        self.active = False
        if body.get("weight_version") is not None:
            self.weight_version = body["weight_version"]
        return {"message": "Weight update finished"}

    def set_version(self, body):
        self.weight_version = body["new_version"]
        return {"success": True}

    # Generation.

    @torch.no_grad()
    def complete(self, body):
        n, temperature = body["n"], body["temperature"]
        asked = [body["prompt"]] if isinstance(body["prompt"][0], int) else body["prompt"]
        prompts = [p for p in asked for _ in range(n)]
        width, eos = max(map(len, prompts)), self.model.config.eos_token_id
        ids = torch.tensor([[0] * (width - len(p)) + p for p in prompts])
        mask = torch.tensor([[0] * (width - len(p)) + [1] * len(p) for p in prompts])
        done = torch.zeros(len(prompts), dtype=torch.bool)
        choices = [
            {
                "prompt_token_ids": p,
                "token_ids": [],
                "logprobs": {"tokens": [], "token_logprobs": [], "top_logprobs": []},
            }
            for p in prompts
        ]
        past = None
        with self.lock:
            step, positions = ids, (mask.cumsum(1) - 1).clamp(min=0)
            for _ in range(body["max_tokens"]):
                out = self.model(
                    input_ids=step, attention_mask=mask, position_ids=positions, past_key_values=past, use_cache=True
                )
                past = out.past_key_values
                logps = (out.logits[:, -1].float() / temperature).log_softmax(-1)
                chosen = torch.multinomial(logps.exp(), 1, generator=self.random)
                for i, choice in enumerate(choices):
                    if done[i]:
                        continue
                    token, logp = chosen[i].item(), logps[i, chosen[i]].item()
                    choice["token_ids"].append(token)
                    choice["logprobs"]["tokens"].append(f"token_id:{token}")
                    choice["logprobs"]["token_logprobs"].append(logp)
                    choice["logprobs"]["top_logprobs"].append({f"token_id:{token}": logp})
                done |= chosen[:, 0] == eos
                if done.all():
                    break
                step, mask = chosen, torch.cat([mask, mask.new_ones(len(prompts), 1)], 1)
                positions = mask.sum(1, keepdim=True) - 1
        return {"choices": choices}


class Group:
    """Stands for vLLM's NCCL communicator: what the client closes, and the socket."""

    def __init__(self, listener, connection):
        self.group = self
        self.store, self.socket = listener, connection
        self.connection = connection

    def __setattr__(self, name, value):
        if value is None and name in ("store", "socket"):
            getattr(self, name).close()
        object.__setattr__(self, name, value)


def open_trainer_endpoint(init_info, timeout=30):
    """The trainer's side of the rendezvous: blocks until the server has joined."""
    listener = socket.socket()
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    listener.bind((init_info["master_address"], init_info["master_port"]))
    listener.listen(1)
    listener.settimeout(timeout)
    connection, _ = listener.accept()
    return Group(listener, connection)


def broadcast(iterator, group, src, post_iter_func):
    """Consume the parameters lazily and send them."""
    for item in iterator:
        buffer = io.BytesIO()
        torch.save((item[0], post_iter_func(item).detach().clone()), buffer)
        data = buffer.getvalue()
        group.connection.sendall(len(data).to_bytes(8, "big") + data)


def install():
    """Let TRL's client run without vLLM and without a GPU."""
    from trl.generation import vllm_client, vllm_generation

    def installed(min_version=None):
        return True

    vllm_client.is_vllm_available = vllm_generation.is_vllm_available = installed
    vllm_client.get_ip = lambda: "127.0.0.1"
    vllm_client._HAS_STATEFUL_TRAINER_ENGINE = vllm_client._HAS_RESET_PREFIX_CACHE_SUCCESS = True
    vllm_client.open_trainer_endpoint = open_trainer_endpoint
    vllm_client.packed_nccl_broadcast_producer = broadcast
    init = vllm_client.VLLMClient.init_communicator
    # It refuses any device but cuda; without an index none is set, and no GPU is asked for.
    vllm_client.VLLMClient.init_communicator = lambda self, device=0: init(self, device="cuda")


def over_nccl():
    """On a CPU weights would go through files, by vLLM for CPUs."""
    from ratchet import runtime
    from ratchet.training.trainers import grpo

    runtime._check_vllm_for_cpus = lambda recipe: None
    grpo.weights_through_files = lambda recipe: contextlib.nullcontext()


if __name__ == "__main__":
    from ratchet.cli.main import grpo

    install()
    over_nccl()
    grpo()
