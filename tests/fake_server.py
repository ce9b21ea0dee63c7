"""Server with scripted responses, byte by byte, and scripted disconnects."""

from __future__ import annotations

import socket
import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from types import TracebackType
from typing import Self

Reply = bytes | None


@dataclass(frozen=True)
class Request:
    """A received request."""

    method: str
    path: str
    headers: Mapping[str, str]
    body: bytes


def response(
    body: bytes | str = b"", status: int = 200, media_type: str = "application/json", **headers: object
) -> bytes:
    """Return a complete response that closes the connection."""
    content = body.encode() if isinstance(body, str) else body
    lines = [f"HTTP/1.1 {status} Whatever", f"Content-Length: {len(content)}", "Connection: close"]
    lines += [f"Content-Type: {media_type}"] if media_type else []
    lines += [f"{name.replace('_', '-')}: {value}" for name, value in headers.items()]
    return "\r\n".join([*lines, "", ""]).encode() + content


@dataclass
class ScriptedServer:
    """Server that sends the response of `script` to each request; None closes the connection without a body.

    If `script` returns an empty string, the root and the OpenAPI document identify a workflow monitor, and other paths return 404.
    """

    script: Callable[[Request], Reply | str]
    requests: list[Request] = field(default_factory=list)

    def __enter__(self) -> Self:
        self._socket = socket.create_server(("127.0.0.1", 0))
        self.url = f"http://127.0.0.1:{self._socket.getsockname()[1]}/"
        self._thread = threading.Thread(target=self._serve, daemon=True)
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        # close() does not interrupt accept().
        self._socket.shutdown(socket.SHUT_RDWR)
        self._socket.close()
        self._thread.join(10)

    def _serve(self) -> None:
        while True:
            try:
                connection, _ = self._socket.accept()
            except OSError:
                return
            threading.Thread(target=self._handle, args=(connection,), daemon=True).start()

    def _handle(self, connection: socket.socket) -> None:
        with connection, connection.makefile("rb") as lines:
            first = lines.readline().decode().split()
            if len(first) < 2:
                return
            headers = {}
            while (line := lines.readline().strip()) != b"":
                name, _, value = line.decode("latin-1").partition(":")
                headers[name.lower()] = value.strip()
            body = lines.read(int(headers.get("content-length", 0)))
            request = Request(first[0], first[1], headers, body)
            self.requests.append(request)
            reply = self.script(request)
            if reply == "":
                reply = self._default(request)
            if isinstance(reply, str):
                reply = response(reply)
            if reply:
                connection.sendall(reply)

    @staticmethod
    def _default(request: Request) -> bytes:
        if request.path == "/workflow-monitor/":
            return response("ingester ok", media_type="text/plain")
        if request.path == "/workflow-monitor/openapi.json":
            return response('{"openapi": "3.1.0"}')
        return response("{}", 404)

    def count_of(self, method: str, end: str) -> int:
        """Return the count of requests with this method to paths with this end."""
        return sum(1 for one in self.requests if one.method == method and one.path.partition("?")[0].endswith(end))
