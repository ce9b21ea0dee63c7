"""Paths and methods outside the list of routes."""

from __future__ import annotations

import re

import pytest

from tests.integration.server.conftest import Add, Fetch
from workflow_monitor.server.routes import ROUTES

FILLED = {"aoi": "Fyn", "id": "1", "status": "DONE", "queue": "processor", "lease": "none"}
ENDPOINTS = [(verb.upper(), route.path.format(**FILLED)) for route in ROUTES for verb in route.operations]


async def test_other_methods_return_405_with_the_allowed_ones(fetch: Fetch) -> None:
    for route in ROUTES:
        path = route.path.format(**FILLED)
        allowed = {verb.upper() for verb in route.operations} | ({"HEAD"} if "get" in route.operations else set())
        for method in {"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "PURGE"} - allowed:
            response = await fetch(method, path)
            assert response.status == 405, (method, path)
            assert set(response.headers["Allow"].split(", ")) == allowed | {"OPTIONS"}
            if method != "HEAD" and path != "/healthz":
                assert response.problem(405)["code"] == "method-not-allowed"


@pytest.mark.parametrize("method", ["GET", "POST", "PUT", "PATCH", "DELETE"])
@pytest.mark.parametrize(
    "path",
    ["/nothing", "/aoi/Fyn/nothing", "/scene", "/scene/", "/AOI/Fyn", "/aoi/Fyn/retry/now", "/aoi/Fyn/retry/now/"],
)
async def test_other_paths_return_404(fetch: Fetch, method: str, path: str) -> None:
    assert (await fetch(method, path)).problem(404)["code"] == "path-not-found"
    assert (await fetch(method, path, authorized=False)).status == 403


@pytest.mark.parametrize(
    ("path", "normalized"),
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
async def test_paths_are_normalized_by_a_redirect(fetch: Fetch, path: str, normalized: str) -> None:
    for method in ("GET", "POST", "DELETE"):
        response = await fetch(method, path)
        assert response.status == 301
        assert response.headers["Location"] == f"/a%40b/workflow-monitor{normalized}"
        assert not response.body


async def test_a_final_slash_is_optional(fetch: Fetch, add: Add) -> None:
    await add()
    for route in ROUTES:
        path = route.path.format(**FILLED).rstrip("/")
        for verb in route.operations:
            method = "HEAD" if path.endswith("/events") else verb.upper()
            response = await fetch(method, f"{path}/")
            assert response.status != 405, path
            assert response.status != 404 or b"path-not-found" not in response.body, path
            if verb == "get" and path != "/docs":
                assert response.status == (await fetch(method, path)).status, path
    assert (await fetch("GET", "/docs/")).headers["Location"] == "/a%40b/workflow-monitor/docs"
    assert (await fetch("GET", "/scene/1/")).json() == (await fetch("GET", "/scene/1")).json()


def test_a_parameter_matches_one_segment() -> None:
    for route in ROUTES:
        path = route.path.format(**FILLED)
        assert re.fullmatch(route.pattern, path)
        if route.parameters:
            assert not re.fullmatch(
                route.pattern, path.replace("/Fyn", "/a/b").replace("/1", "/1/2") + "/more/more/more"
            )
