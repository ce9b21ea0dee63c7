"""Read-only Geocube workflow server that replays recorded conversations."""

from __future__ import annotations

import json
import re
import threading
from collections import Counter
from collections.abc import Iterator, Mapping
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from itertools import count
from pathlib import Path
from types import TracebackType
from typing import Any, Self
from urllib.parse import quote, unquote, urlsplit

from workflow_monitor.domain.models import AOISummary
from workflow_monitor.domain.status import ItemKind, Status
from workflow_monitor.server.serialization import overview_text

TOKEN = "recorded"
TEXT = "text/plain; charset=utf-8"
EMPTY_DATA = {
    "date": "0001-01-01T00:00:00Z",
    "graph_name": "",
    "graph_config": None,
    "record_id": "",
    "metadata": None,
    "is_retriable": False,
    "storage_uri": "",
}
#: high surrogate without its low surrogate
_HALF = re.compile(r"\\u[dD][89aAbB][0-9a-fA-F]{2}(?!\\u[dD][c-fC-F])")
_SYMBOL = re.compile(r"\{?\$(aoi|scene|tile):((?:[^{}]|\{[^{}]*\})*)\}")


class Trace:
    """Recorded conversation with names replaced by ids."""

    def __init__(self, path: Path) -> None:
        self.name = path.stem
        self._ids: dict[str, int] = {}
        self._next = count(1)
        self.steps = [self._resolved(step) for step in json.loads(path.read_text(encoding="utf-8"))["steps"]]

    def _resolved(self, value: Any) -> Any:
        if isinstance(value, dict):
            for wrapper in ("$unordered", "$aois"):
                if set(value) == {wrapper}:
                    return self._resolved(value[wrapper])
            resolved = {self._resolved(key): self._resolved(inner) for key, inner in value.items()}
            if {"method", "path"} <= set(value):
                # The trace has unencoded names in its paths.
                resolved["path"] = _SYMBOL.sub(
                    lambda match: quote(self._substitute(match[1], match[2]), safe=""), value["path"]
                )
            return resolved
        if isinstance(value, list):
            return [self._resolved(inner) for inner in value]
        if isinstance(value, str):
            return self._text(value)
        return value

    def _text(self, text: str) -> Any:
        if text.startswith("$aoi:"):
            return text[5:]
        if text.startswith(("$scene:", "$tile:")):
            return self._id(text[1:])
        return _SYMBOL.sub(lambda match: self._substitute(match[1], match[2]), text)

    def _substitute(self, kind: str, name: str) -> str:
        return name if kind == "aoi" else str(self._id(f"{kind}:{name}"))

    def _id(self, symbol: str) -> int:
        if symbol not in self._ids:
            self._ids[symbol] = next(self._next)
        return self._ids[symbol]


class ReplayServer:
    """Server that replays the recorded responses of a trace and derives other responses from the state."""

    def __init__(self) -> None:
        self.reset()
        replay = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"
            disable_nagle_algorithm = True

            def do_GET(self) -> None:
                self._respond()

            do_POST = do_PUT = do_DELETE = do_GET  # noqa: N815 - names of http.server

            def _respond(self) -> None:
                self.rfile.read(int(self.headers.get("Content-Length") or 0))
                token = self.headers.get("Authorization", "").removeprefix("Bearer ")
                status, kind, body = replay.response(self.command, unquote(urlsplit(self.path).path), token)
                self.send_response(status)
                if kind:
                    self.send_header("Content-Type", kind)
                if status != 204:
                    self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *_: object) -> None:
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self._server.server_port}/"

    def __enter__(self) -> Self:
        threading.Thread(target=self._server.serve_forever, args=(0.02,), daemon=True).start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._server.shutdown()
        self._server.server_close()

    def reset(self) -> None:
        """Clear the state for the next conversation."""
        self.responses: dict[tuple[str, str], tuple[int, str, bytes]] = {}
        self.aois: dict[str, str] = {}
        self.scenes: dict[int, dict[str, Any]] = {}
        self.tiles: dict[int, dict[str, Any]] = {}

    # ---- recorded state

    def play(self, step: Mapping[str, Any]) -> None:
        """Apply a step of the trace."""
        if "state" in step:
            # Later responses derive from the state; earlier recordings are stale.
            self.responses.clear()
            self._record_state(step["state"])
        elif "response" in step:
            self._record_response(step["request"], step["response"])

    def _record_state(self, state: Mapping[str, Any]) -> None:
        self.aois = {one["ID"]: one["status"] for one in state["aois"]}
        for kind, items in (("scenes", self.scenes), ("tiles", self.tiles)):
            fresh = {one["id"]: {**items.get(one["id"], {}), **one} for one in state[kind]}
            items.clear()
            items.update(fresh)

    def _record_response(self, request: Mapping[str, Any], response: Mapping[str, Any]) -> None:
        path = unquote(urlsplit(request["path"]).path)
        key = (request["method"], path)
        self.responses[key] = (response["status"], response["content_type"] or "", _bytes(response["body"]))
        match = re.fullmatch(r"/aoi/([^/]*)", path)
        if request["method"] == "POST" and match and response["status"] == 204:
            self.aois[match[1]] = "NEW"
        if re.fullmatch(r"/aoi/[^/]+/scene", path) and response["status"] == 200 and response["body"]["id"]:
            # The Geocube server parses JSON leniently.
            sent = request.get("body") or json.JSONDecoder().raw_decode(_HALF.sub("\ufffd", request["text"]))[0]
            sent = {name: value for name, value in sent.items() if value is not None}
            sent = {"aoi": path.split("/")[2], "source_id": "", "data": EMPTY_DATA} | sent
            self.scenes[response["body"]["id"]] = {**sent, "id": response["body"]["id"], "status": "PENDING"}
        if request["method"] == "GET" and response["status"] == 200:
            if re.fullmatch(r"/scene/\d+", path):
                self.scenes[response["body"]["id"]] = response["body"]
            if re.fullmatch(r"/tile/\d+", path):
                self.tiles[response["body"]["id"]] = response["body"]

    # ---- responses

    def response(self, method: str, path: str, token: str) -> tuple[int, str, bytes]:
        if path == "/":
            return 200, TEXT, b"ingester ok"
        if token != TOKEN:
            return 403, TEXT, b'"invalid token"' if token else b'"token not found"'
        if (method, path) in self.responses:
            return self.responses[method, path]
        body = self._derived(path) if method == "GET" else None
        if body is None:
            return (404, TEXT, b"404 page not found\n") if method == "GET" else (405, "", b"")
        return 200, TEXT, body

    def _derived(self, path: str) -> bytes | None:
        parts = path.strip("/").split("/")
        if parts == ["aoi"]:
            return _bytes([{"ID": name, "status": status} for name, status in sorted(self.aois.items())])
        if parts[0] in {"scene", "tile"} and len(parts) == 2 and parts[1].isdecimal():
            by_id = self.scenes if parts[0] == "scene" else self.tiles
            item = by_id.get(int(parts[1]))
            return None if item is None else _bytes(self._complete(parts[0], item))
        if parts[0] == "aoi" and len(parts) == 2 and parts[1] in self.aois:
            return overview_text(self._overview(parts[1])).encode()
        if parts[0] == "aoi" and len(parts) in (3, 4) and parts[2] in {"scenes", "tiles"}:
            kind = parts[2][:-1]
            if kind == "tile" and len(parts) == 3:
                return None
            items = [self._complete(kind, item) for item in self._items_of(kind, parts[1])]
            return _bytes([item for item in items if len(parts) == 3 or item["status"] == parts[3]])
        return None

    def _overview(self, aoi: str) -> AOISummary:
        scenes, tiles = (
            Counter(Status(self._complete(kind, item)["status"]) for item in self._items_of(kind, aoi))
            for kind in ItemKind
        )
        return AOISummary(aoi, Status.NEW, scenes, tiles)

    def _items_of(self, kind: str, aoi: str) -> Iterator[dict[str, Any]]:
        for item in (self.scenes if kind == "scene" else self.tiles).values():
            scene = item if kind == "scene" else self.scenes.get(item["scene"]["id"], {})
            if scene.get("aoi") == aoi:
                yield item

    def _complete(self, kind: str, item: dict[str, Any]) -> dict[str, Any]:
        """Return a document with all fields, in the form of the lists of the Geocube server."""
        state = {"status": "PENDING", "message": "", "RetryCountDown": item.get("retry_count", 0), **item}
        if kind == "scene":
            names = ("id", "source_id", "aoi", "data", "status", "message", "RetryCountDown")
            return {"data": EMPTY_DATA} | {name: state[name] for name in names if name in state}
        scene = {"id": item["scene"]["id"], "source_id": "", "aoi": "", "data": EMPTY_DATA}
        data = {"swath_id": "", "tile_nr": 0, "graph_name": "", "is_retriable": False}
        return {"PreviousID": None, "ReferenceID": None, "data": data} | state | {"scene": scene}


def _bytes(body: Any) -> bytes:
    if body is None:
        return b""
    return body.encode() if isinstance(body, str) else json.dumps(body).encode()
