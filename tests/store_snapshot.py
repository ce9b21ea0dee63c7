"""Complete contents of a server, for checks that a request has changed nothing."""

from __future__ import annotations

import json

import httpx

from tests.integration.server.conftest import scene

Contents = tuple[int, list[str]]

#: internals that errors must not expose
INSIDE = ("Traceback", 'File "', "SELECT ", "INSERT ", "duckdb.", "site-packages")


def fill(http: httpx.Client) -> None:
    """Create the AOI Fyn with a scene and its tiles, unless it exists."""
    response = http.get("/aoi/Fyn/scenes?limit=1")
    if response.status_code != 200 or response.text == "[]":
        http.post("/aoi/Fyn")
        http.post("/aoi/Fyn/scene", json=scene("s1", tiles=("t1", "t2"))).raise_for_status()


def contents(http: httpx.Client) -> Contents:
    """Return the sequence number of the last event, and all AOIs, scenes and tiles. The AOI Fyn must exist."""
    columns = http.get("/aoi/Fyn/footprints").raise_for_status().content
    head = json.loads(columns[4 : 4 + int.from_bytes(columns[:4], "little")])
    texts = [http.get(path).raise_for_status().text for path in ("/aoi/?counts=true", "/aoi/*/scenes", "/aoi/*/tiles")]
    return head["seq"], texts
