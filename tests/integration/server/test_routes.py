"""Every path and method, from the list of routes: what is there, and what is said where nothing is."""

from __future__ import annotations

import re

import pytest

from tests.integration.server.conftest import Fetch
from workflow_monitor.server.routes import ROUTES

FILLED = {"aoi": "Fyn", "id": "1", "status": "DONE", "queue": "processor", "lease": "none"}
ENDPOINTS = [(verb.upper(), route.path.format(**FILLED)) for route in ROUTES for verb in route.operations]
STREAMS = {("GET", "/events"), ("GET", "/aoi/Fyn/events")}


async def test_other_methods_are_405_with_those_that_are_allowed(fetch: Fetch) -> None:
    for route in ROUTES:
        path = route.path.format(**FILLED)
        known = {verb.upper() for verb in route.operations}
        for method in {"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "PURGE"} - known:
            if route.path == "/openapi.json" or (method, path) in STREAMS:
                continue
            answer = await fetch(method, path)
            assert answer.status == 405, (method, path)
            assert set(answer.headers["Allow"].split(", ")) == known | {"OPTIONS"}
            if method != "HEAD":
                assert answer.problem(405)["code"] == "method-not-allowed"


@pytest.mark.parametrize("method", ["GET", "POST", "PUT", "PATCH", "DELETE"])
@pytest.mark.parametrize(
    "path", ["/nothing", "/aoi/Fyn/", "/aoi/Fyn/nothing", "/scene", "/scene/1/", "/AOI/Fyn", "/aoi/Fyn/retry/now"]
)
async def test_other_paths_are_404(fetch: Fetch, method: str, path: str) -> None:
    assert (await fetch(method, path)).problem(404)["code"] == "path-not-found"
    assert (await fetch(method, path, authorized=False)).status == 403


@pytest.mark.parametrize(
    ("path", "clean"),
    [
        ("//aoi/", "/aoi/"),
        ("/aoi//", "/aoi/"),
        ("/aoi//Fyn?limit=3", "/aoi/Fyn?limit=3"),
        ("/aoi/./Fyn", "/aoi/Fyn"),
        ("/aoi/..", "/"),
        ("/aoi/%2E%2e", "/"),
        ("/scene/../aoi/", "/aoi/"),
        ("/../../../etc", "/etc"),
        ("//evil.example/aoi", "/evil.example/aoi"),
    ],
)
async def test_odd_paths_lead_to_the_clean_ones(fetch: Fetch, path: str, clean: str) -> None:
    for method in ("GET", "POST", "DELETE"):
        answer = await fetch(method, path)
        assert answer.status == 301
        assert answer.headers["Location"] == f"/a%40b/workflow-monitor{clean}"
        assert not answer.body


def test_patterns_match_one_segment_to_a_parameter() -> None:
    for route in ROUTES:
        path = route.path.format(**FILLED)
        assert re.fullmatch(route.pattern, path)
        if route.parameters:
            assert not re.fullmatch(
                route.pattern, path.replace("/Fyn", "/a/b").replace("/1", "/1/2") + "/more/more/more"
            )
