"""Pages of another origin read every response, errors included."""

from __future__ import annotations

import pytest
from traitlets.config import Config

from tests.integration.server.conftest import Add, Fetch

ORIGIN = "https://dashboard.example"
#: a request of each status
ERRORS: list[tuple[str, str, object, int]] = [
    ("GET", "/scene/x", None, 400),
    ("GET", "/aoi/Nowhere", None, 404),
    ("GET", "/nothing", None, 404),
    ("PATCH", "/aoi/Fyn", {}, 405),
    ("POST", "/aoi/Fyn", None, 409),
    ("PUT", "/scene/1/retry", None, 409),
    ("POST", "/results", " " * (9 * 2**20), 413),
    ("GET", "/events", None, 429),
]


@pytest.fixture
def traits() -> dict[str, object]:
    return {"max_streams": 0}


async def test_errors_keep_the_origin_of_a_request_with_a_token(fetch: Fetch, add: Add) -> None:
    await add()
    for method, path, body, status in ERRORS:
        response = await fetch(method, path, body, {"Origin": ORIGIN})
        assert response.status == status, path
        assert response.headers["Access-Control-Allow-Origin"] == ORIGIN, path


class TestAllowedOrigin:
    @pytest.fixture
    def jp_server_config(self, jp_server_config: Config) -> Config:
        jp_server_config.ServerApp.allow_origin = ORIGIN
        jp_server_config.ServerApp.allow_credentials = True
        jp_server_config.ServerApp.tornado_settings = {"headers": {"X-Site": "Fyn"}}
        return jp_server_config

    async def test_errors_have_the_headers_of_successes(self, fetch: Fetch, add: Add) -> None:
        await add()
        success = await fetch("GET", "/aoi/Fyn", headers={"Origin": ORIGIN})
        names = ("Access-Control-Allow-Origin", "Access-Control-Allow-Credentials", "X-Site", "X-Content-Type-Options")
        expected = [success.headers[name] for name in names]
        assert expected[:3] == [ORIGIN, "true", "Fyn"]
        for method, path, body, status in [*ERRORS, ("PURGE", "/aoi/Fyn", None, 405)]:
            response = await fetch(method, path, body, {"Origin": ORIGIN})
            assert response.status == status, path
            assert [response.headers.get(name) for name in names] == expected, path

    async def test_a_page_can_read_that_its_token_is_wrong(self, fetch: Fetch) -> None:
        headers = {"Origin": ORIGIN, "Authorization": "token of-nobody"}
        response = await fetch("GET", "/aoi/Fyn", headers=headers, authorized=False)
        assert response.status == 403
        assert response.headers["Access-Control-Allow-Origin"] == ORIGIN

    async def test_a_request_to_another_host_name_is_refused_readably(self, fetch: Fetch) -> None:
        response = await fetch("GET", "/aoi/Fyn", headers={"Origin": ORIGIN, "Host": "evil.example"})
        assert response.status == 403
        assert response.headers["Access-Control-Allow-Origin"] == ORIGIN

    async def test_the_preflight_permits_the_headers_of_the_interface(self, fetch: Fetch) -> None:
        headers = {
            "Origin": ORIGIN,
            "Access-Control-Request-Method": "PUT",
            "Access-Control-Request-Headers": "authorization, x-workflow-monitor-actor",
        }
        response = await fetch("OPTIONS", "/aoi/Fyn/retry", headers=headers, authorized=False)
        assert response.status == 200
        assert response.headers["Access-Control-Allow-Origin"] == ORIGIN
        permitted = {name.strip().lower() for name in response.headers["Access-Control-Allow-Headers"].split(",")}
        assert {"authorization", "content-type", "last-event-id", "x-workflow-monitor-actor"} <= permitted
