"""Connections: fewer than the process has descriptors, and none that never says what it wants.

uvicorn takes every connection and waits for its request without end; when descriptors run out, asyncio logs
each failure thousands of times. So a connection has `PATIENCE` seconds for the head of its request, and when
all places are taken the one that has waited longest in silence makes room.
"""

import asyncio
import logging
import resource
import threading
import time
from typing import Any

from gradio import http_server
from uvicorn import config
from uvicorn.protocols.http.h11_impl import H11Protocol

PATIENCE = 15.0  # seconds for the head of a request
RESERVE = 256  # descriptors for files, pipes and libraries
WANTED = 4096  # descriptors, where the system lets a process have them
MESSAGES = 20  # of a logger in a minute

_open: dict["BoundedProtocol", None] = {}  # in the order in which they came


def install() -> None:
    """Let uvicorn speak by `BoundedProtocol`, logs stay readable, and Gradio wait for its server."""
    http_server.Server.run_in_thread = _run_in_thread  # type: ignore[method-assign]
    config.HTTP_PROTOCOLS["auto"] = "app.connections:BoundedProtocol"
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft < WANTED:
        able = WANTED if hard == resource.RLIM_INFINITY else min(WANTED, hard)
        resource.setrlimit(resource.RLIMIT_NOFILE, (max(soft, able), hard))
    for name in ("asyncio", "uvicorn.error"):
        logger = logging.getLogger(name)
        if not any(isinstance(one, Sparing) for one in logger.filters):
            logger.addFilter(Sparing())


def _run_in_thread(server: http_server.Server) -> None:
    """Start a server and wait for it; Gradio waits 5 s, which a busy machine may need for a thread."""
    server.thread = threading.Thread(target=server.run, daemon=True)
    server.thread.start()
    while not server.started:
        if not server.thread.is_alive():  # the port was taken
            raise http_server.ServerFailedToStartError
        time.sleep(0.01)


def most() -> int:
    """How many connections may be open at once."""
    soft, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    return max(64, min(soft, WANTED) - RESERVE)


class Sparing(logging.Filter):
    """Passes at most MESSAGES records a minute."""

    def __init__(self) -> None:
        super().__init__()
        self._minute, self._passed = 0.0, 0

    def filter(self, record: logging.LogRecord) -> bool:
        """Whether the record is logged."""
        now = time.monotonic()
        if now - self._minute > 60:
            self._minute, self._passed = now, 0
        self._passed += 1
        return self._passed <= MESSAGES


class BoundedProtocol(H11Protocol):
    """uvicorn's protocol with a bound on connections and on the wait for a request."""

    _waiting: asyncio.TimerHandle | None = None

    def connection_made(self, transport: Any) -> None:
        """A connection came: it has a place, or takes one from who never asked for anything."""
        super().connection_made(transport)
        if len(_open) >= most():
            silent = next((one for one in _open if one.cycle is None), self)
            silent.transport.abort()
            _open.pop(silent, None)
            if silent is self:
                return
        _open[self] = None
        self._waiting = self.loop.call_later(PATIENCE, self._give_up)

    def connection_lost(self, exc: Exception | None) -> None:
        """A connection ended."""
        _open.pop(self, None)
        if self._waiting is not None:
            self._waiting.cancel()
        super().connection_lost(exc)

    def _give_up(self) -> None:
        if self.cycle is None:
            self.transport.abort()
