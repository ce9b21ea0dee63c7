"""Limit of the open connections of a server, so that clients without a token cannot use up its file descriptors."""

from __future__ import annotations

import logging
import resource

from tornado.httpserver import HTTPServer
from tornado.iostream import IOStream

log = logging.getLogger(__name__)

#: minimum count of descriptors for the store, its backups and the log
RESERVED = 64


def max_connections() -> int:
    """Return three quarters of the descriptors that this process may open, without RESERVED ones if they are few."""
    limit = resource.getrlimit(resource.RLIMIT_NOFILE)[0]
    return max(1, min(limit * 3 // 4, limit - RESERVED))


def limit_connections(server: HTTPServer, maximum: int, idle: float) -> None:
    """Close connections beyond a maximum, and those on which no request begins within `idle` seconds."""
    serve = server.handle_stream
    is_full = False

    def serve_or_close(stream: IOStream, address: tuple[object, ...]) -> None:
        nonlocal is_full
        if len(server._connections) < maximum:  # noqa: SLF001 - Tornado has no public count
            is_full = False
            serve(stream, address)
            return
        if not is_full:
            log.warning("connections_refused maximum=%d", maximum)
        is_full = True
        stream.close()

    server.handle_stream = serve_or_close  # type: ignore[method-assign]
    server.conn_params.header_timeout = idle
