"""Everything that a server holds, to tell whether something has changed it."""

from __future__ import annotations

import json

import httpx

from tests.integration.server.conftest import scene

Contents = tuple[int, list[str]]

#: what an error must not tell
INSIDE = ("Traceback", 'File "', "SELECT ", "INSERT ", "duckdb.", "site-packages")


def fill(http: httpx.Client) -> None:
    """See to it that the AOI Fyn is there with a scene and its tiles."""
    found = http.get("/aoi/Fyn/scenes?limit=1")
    if found.status_code != 200 or found.text == "[]":
        http.post("/aoi/Fyn")
        http.post("/aoi/Fyn/scene", json=scene("s1", tiles=("t1", "t2"))).raise_for_status()


def contents(http: httpx.Client) -> Contents:
    """The number of the last event, and all AOIs, scenes, and tiles; there has to be an AOI Fyn."""
    columns = http.get("/aoi/Fyn/footprints").raise_for_status().content
    head = json.loads(columns[4 : 4 + int.from_bytes(columns[:4], "little")])
    texts = [http.get(path).raise_for_status().text for path in ("/aoi/?counts=true", "/aoi/*/scenes", "/aoi/*/tiles")]
    return head["seq"], texts
