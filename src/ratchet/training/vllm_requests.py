"""Requests to a vLLM server that all end: after a time, and when the server is on its way out.

vLLM (0.30) does not answer a call of its engine, such as that for new weights, if the engine dies meanwhile: it closes
its port and waits for the caller, who waits for it. Neither would end before the request's time limit.
"""

import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Any
from weakref import WeakSet

from requests import Session
from requests.adapters import HTTPAdapter
from urllib3.util import parse_url

CONNECT = 10.0
LOOK = 2.0


def make_all_end(session: Session, url: str, seconds: float) -> None:
    """Let every request of a session end, with an answer or an ``OSError``.

    There are no hidden retries from then on: they would multiply the limit, and take a new server for the old one.

    Args:
        session: of requests to one server; changed in place.
        url: of the server.
        seconds: that a request may wait for a part of its answer.
    """
    adapter = _Adapter(max_retries=0, pool_maxsize=64)
    for prefix in ("http://", "https://"):
        session.mount(prefix, adapter)
    plain, (host, port) = session.request, (parse_url(url).host, parse_url(url).port)

    def request(*args: Any, **kwargs: Any) -> Any:
        with _closed_when_refused(adapter, host, port):
            return plain(*args, **{"timeout": (CONNECT, seconds), **kwargs})

    session.request = request


class _Adapter(HTTPAdapter):
    """Knows its connections, those in use too, which urllib3's pools do not."""

    def init_poolmanager(self, *args: Any, **kwargs: Any) -> None:
        super().init_poolmanager(*args, **kwargs)
        self.connections = connections = WeakSet()

        def knowing(pool: type) -> type:
            class Connection(pool.ConnectionCls):
                def connect(self) -> None:
                    super().connect()
                    connections.add(self)

            return type(pool.__name__, (pool,), {"ConnectionCls": Connection})

        known = self.poolmanager.pool_classes_by_scheme
        self.poolmanager.pool_classes_by_scheme = {scheme: knowing(pool) for scheme, pool in known.items()}

    def shut(self) -> None:
        for connection in list(self.connections):
            with suppress(OSError, AttributeError):  # closed meanwhile
                connection.sock.shutdown(socket.SHUT_RDWR)


@contextmanager
def _closed_when_refused(adapter: _Adapter, host: str, port: int | None) -> Iterator[None]:
    """Close the connections as soon as the server's port refuses new ones."""
    over = threading.Event()

    def look() -> None:
        while not over.wait(LOOK):
            try:
                socket.create_connection((host, port), timeout=CONNECT).close()
            except ConnectionRefusedError:
                adapter.shut()
            except OSError:  # too busy to say
                pass

    watch = threading.Thread(target=look, daemon=True)
    if port is not None:
        watch.start()
    try:
        yield
    finally:
        over.set()
