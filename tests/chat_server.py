"""A stand-in for a server with OpenAI's chat API on 127.0.0.1.

What it answers is a function of the conversation; the next of ``faults`` comes instead, while there is one: a status,
"garbage", "half" (a connection that is dropped in the middle of the answer), or "hang".
"""

import json
import socket
import threading
import time
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any


class ChatServer:
    """One server; ``url`` is its base."""

    def __init__(self, answer: Callable[[list[dict]], str | None], models: tuple[str, ...] = ("stub",)) -> None:
        self.answer, self.models = answer, models
        self.faults: list[Any] = []
        self.requests: list[dict] = []
        self.keys: set[str] = set()
        self.http = _Http(("127.0.0.1", 0), _Handler)
        self.http.chat = self
        self.url = f"http://127.0.0.1:{self.http.server_address[1]}/v1"
        threading.Thread(target=self.http.serve_forever, args=(0.05,), daemon=True).start()


class _Http(ThreadingHTTPServer):
    daemon_threads, request_queue_size = True, 256  # clients open a hundred connections at once


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def log_message(self, *args: Any) -> None:
        pass

    def send(self, data: bytes, status: int = 200, kind: str = "application/json") -> None:
        self.send_response(status)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)

    def do_GET(self) -> None:
        if self.path != "/v1/models":
            return self.send(b"{}", 404)
        return self.send(
            json.dumps(
                {"object": "list", "data": [{"id": name, "object": "model"} for name in self.server.chat.models]}
            ).encode()
        )

    def do_POST(self) -> None:
        chat = self.server.chat
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        chat.keys.add(self.headers.get("Authorization", ""))
        if self.path != "/v1/chat/completions":
            return self.send(b"{}", 404)
        fault = chat.faults.pop(0) if chat.faults else None
        if isinstance(fault, int):
            return self.send(json.dumps({"error": {"message": "told to"}}).encode(), fault)
        if fault == "garbage":
            return self.send(b"<html>It works!</html>", kind="text/html")
        if fault == "hang":
            time.sleep(5)
        if fault == "half":
            self.send_response(200)
            self.send_header("Content-Length", "1000")
            self.end_headers()
            self.wfile.write(b'{"choices": [')
            self.close_connection = True
            return self.connection.shutdown(socket.SHUT_RDWR)
        if body["model"] not in chat.models:
            return self.send(
                json.dumps({"error": {"message": f"The model `{body['model']}` does not exist."}}).encode(), 404
            )
        chat.requests.append(body)
        text = chat.answer(body["messages"])
        if body.get("stream"):
            return self.send(_streamed(body["model"], text), kind="text/event-stream")
        return self.send(
            json.dumps(_answer(body["model"], {"message": {"role": "assistant", "content": text}})).encode()
        )


def _answer(model: str, choice: dict, kind: str = "chat.completion") -> dict:
    usage = {"prompt_tokens": 5, "completion_tokens": 3, "total_tokens": 8}
    return {
        "id": "1",
        "object": kind,
        "created": 0,
        "model": model,
        "choices": [{"index": 0, "finish_reason": "stop", **choice}],
        "usage": usage,
    }


def _streamed(model: str, text: str | None) -> bytes:
    chunk = "chat.completion.chunk"
    parts = [
        {"delta": {"role": "assistant", "content": text}, "finish_reason": None},
        {"delta": {}, "finish_reason": "stop"},
    ]
    lines = [f"data: {json.dumps(_answer(model, part, chunk))}\n\n" for part in parts]
    return "".join([*lines, "data: [DONE]\n\n"]).encode()
