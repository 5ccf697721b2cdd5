import socket
import threading

import pytest
import requests

from ratchet.training import vllm_requests


@pytest.fixture
def session(monkeypatch):
    monkeypatch.setattr(vllm_requests, "LOOK", 0.05)
    with requests.Session() as session:
        yield session


def listening() -> tuple[socket.socket, str]:
    listener = socket.create_server(("127.0.0.1", 0))
    return listener, f"http://127.0.0.1:{listener.getsockname()[1]}"


def test_a_server_that_closes_its_port_and_never_answers_is_left(session):
    listener, url = listening()
    left = threading.Event()

    def serve() -> None:
        caller, _ = listener.accept()
        listener.close()
        while caller.recv(4096):
            pass
        left.set()

    threading.Thread(target=serve, daemon=True).start()
    vllm_requests.make_all_end(session, url, 600)
    with pytest.raises(OSError):
        session.post(f"{url}/collective_rpc", json={})
    assert left.wait(10)


def test_a_server_that_is_slow_is_waited_for(session):
    listener, url = listening()

    def serve() -> None:
        caller, _ = listener.accept()
        caller.recv(4096)
        for _ in range(4):
            listener.accept()[0].close()
        caller.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok")

    threading.Thread(target=serve, daemon=True).start()
    vllm_requests.make_all_end(session, url, 600)
    assert session.get(url).text == "ok"
    listener.close()


def test_a_server_that_is_silent_is_left_in_time(session):
    listener, url = listening()
    vllm_requests.make_all_end(session, url, 0.3)
    with listener, pytest.raises(requests.ReadTimeout):
        session.get(url)
