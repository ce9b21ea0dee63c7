"""Responses as the Geocube's catalogue decodes them, which sends no Accept and reads bodies of most statuses."""

from __future__ import annotations

import json
from collections.abc import Awaitable, Callable, Mapping
from pathlib import Path
from typing import Any

import pytest

from tests.integration.server.conftest import PREFIX, Add, Fetch, scene
from tests.raw_http import WholeResponse, raw_request
from tests.server_process import TOKEN, live_server
from workflow_monitor.documents.media_types import PROBLEM
from workflow_monitor.server.routes import GEOCUBE_VERBS, ROUTES

WORKER_TOKEN = "0123456789abcdef-of-workers"
FILLED = {"aoi": "Nowhere", "id": "99", "status": "nonsense", "queue": "painter", "lease": "none"}
Send = Callable[..., Awaitable[WholeResponse]]


class GoUnmarshalError(Exception):
    """`json.Unmarshal` returned an error."""


def unmarshal_id(body: bytes) -> int:
    """Decode a body as Go's `json.Unmarshal` into `struct { ID int `json:"id"` }`: other members are ignored."""
    value = _unmarshal(body)
    if value is None:
        return 0
    if not isinstance(value, dict):
        raise GoUnmarshalError(body)
    ids = [member for name, member in value.items() if name.lower() == "id"] or [0]
    if not isinstance(ids[-1], int) or isinstance(ids[-1], bool):
        raise GoUnmarshalError(body)
    return ids[-1]


def unmarshal_tiles(body: bytes) -> list[Any]:
    """Decode a body as Go's `json.Unmarshal` into `[]common.Tile`."""
    value = _unmarshal(body)
    if value is None:
        return []
    if not isinstance(value, list):
        raise GoUnmarshalError(body)
    return value


def _unmarshal(body: bytes) -> object:
    try:
        value: object = json.loads(body)
    except ValueError as error:
        raise GoUnmarshalError(body) from error
    return value


@pytest.fixture
def traits() -> dict[str, Any]:
    return {"worker_token": WORKER_TOKEN}


@pytest.fixture
def send(http_server_client: Any, jp_auth_header: dict[str, str]) -> Send:
    """Send a request below the prefix as Go does: without Accept unless `headers` has it."""

    async def send_raw(
        method: str, path: str, body: bytes = b"", headers: Mapping[str, str] | None = None, *, authorized: bool = True
    ) -> WholeResponse:
        credentials = jp_auth_header if authorized else {}
        port = http_server_client.get_http_port()
        return await raw_request(port, method, PREFIX + path, {**credentials, **(headers or {})}, body)

    return send_raw


def refused(response: WholeResponse, status: int) -> str:
    """Return the text of an error, after a check that no decoder takes it for a success."""
    assert response.status == status, response.body
    assert response.headers["content-type"] == "text/plain; charset=utf-8"
    for unmarshal in (unmarshal_id, unmarshal_tiles):
        with pytest.raises(GoUnmarshalError):
            unmarshal(response.body)
    return response.body.decode()


def test_the_decoder_takes_a_problem_document_for_a_success() -> None:
    assert unmarshal_id(b'{"status": 404, "detail": "There is no AOI."}') == 0
    assert unmarshal_id(b'{"id": 12}') == 12


def test_the_table_names_existing_endpoints() -> None:
    served = {route.path: set(route.operations) for route in ROUTES}
    assert [path for path, verbs in GEOCUBE_VERBS.items() if not verbs <= served[path]] == []


async def test_a_scene_that_is_not_added_is_an_error(send: Send, add: Add) -> None:
    document = json.dumps(scene("s1", aoi="Nowhere")).encode()
    assert refused(await send("POST", "/aoi/Nowhere/scene", document), 404).startswith("aoi-not-found: ")
    await add("s1")
    assert "tile_nr" in refused(
        await send(
            "POST", "/aoi/Fyn/scene", json.dumps(scene("s2")).replace('"tile_nr": 0', '"tile_nr": "x"').encode()
        ),
        400,
    )
    refused(await send("POST", "/aoi/Fyn/scene", b"{"), 400)
    refused(await send("POST", "/aoi/Fyn/scene", json.dumps(scene("s1")).encode()), 409)
    refused(await send("POST", "/aoi/Fyn/scene", b" " * (9 * 2**20)), 413)
    refused(await send("POST", "/aoi/Fyn/scene", b"{}", {"Content-Encoding": "gzip"}), 415)
    added = await send("POST", "/aoi/Fyn/scene", json.dumps(scene("s2")).encode())
    assert (added.status, unmarshal_id(added.body)) == (200, 2)


async def test_errors_of_every_endpoint_of_the_geocube_are_text(send: Send) -> None:
    for path, verbs in GEOCUBE_VERBS.items():
        filled = path.format(**FILLED)
        for verb in verbs:
            refused(await send(verb.upper(), filled, authorized=False), 403)
            wrong_token = {"Authorization": "token of-nobody"}
            refused(await send(verb.upper(), filled, headers=wrong_token, authorized=False), 403)
            worker = {"Authorization": f"token {WORKER_TOKEN}"}
            assert refused(await send(verb.upper(), filled, headers=worker, authorized=False), 403).startswith(
                "not-for-"
            )
            refused(await send(verb.upper(), filled, headers={"Host": "evil.example"}), 403)
        refused(await send("PATCH" if "data" not in path else "DELETE", filled), 405)
        refused(await send("PURGE", filled), 405)
    for verb in ("GET", "POST", "PUT", "DELETE"):
        refused(await send(verb, "/aoi/Fyn/no/such/path"), 404)


@pytest.mark.parametrize(
    ("accept", "media_type"),
    [
        ("", "text/plain"),
        ("*/*", "text/plain"),
        ("text/html, */*;q=0.8", "text/plain"),
        ("application/json;q=0", "text/plain"),
        ("application/json", PROBLEM),
        (f"application/vnd.apache.arrow.stream, {PROBLEM}", PROBLEM),
        ("application/geo+json", PROBLEM),
        ("application/*", PROBLEM),
    ],
)
async def test_accept_selects_the_form_of_an_error(send: Send, accept: str, media_type: str) -> None:
    headers = {"Accept": accept} if accept else {}
    for path in ("/aoi/Nowhere", "/scene/99", "/no/such/path"):
        response = await send("GET", path, headers=headers)
        assert response.status == 404
        assert response.headers["content-type"].partition(";")[0] == media_type
        assert "Accept" in response.headers["vary"]


async def test_other_endpoints_always_return_problem_documents(send: Send) -> None:
    for method, path in (("POST", "/aoi/Nowhere/scenes"), ("GET", "/aoi/Nowhere/failures"), ("POST", "/results")):
        response = await send(method, path, b"[3, ")
        assert response.headers["content-type"] == PROBLEM, path


@pytest.mark.parametrize("ends", ["roottiles", "leaftiles"])
async def test_a_missing_aoi_has_no_tiles_for_a_client_without_accept(send: Send, add: Add, ends: str) -> None:
    response = await send("GET", f"/aoi/Nowhere/{ends}")
    assert (response.status, unmarshal_tiles(response.body)) == (200, [])
    for accept in ("*/*", "application/json"):
        assert (await send("GET", f"/aoi/Nowhere/{ends}", headers={"Accept": accept})).status == 404
    await add("s1")
    assert len(unmarshal_tiles((await send("GET", f"/aoi/Fyn/{ends}")).body)) == 1


async def test_a_first_ingestion_of_the_catalogue(send: Send, fetch: Fetch) -> None:
    for ends in ("roottiles", "leaftiles"):
        assert unmarshal_tiles((await send("GET", f"/aoi/Fyn/{ends}")).body) == []
    assert (await send("POST", "/aoi/Fyn")).status == 204
    assert refused(await send("POST", "/aoi/Fyn"), 409).startswith("aoi-exists: ")
    added = await send("POST", "/aoi/Fyn/scene", json.dumps(scene("s1")).encode(), {"Content-Type": "application/json"})
    assert unmarshal_id(added.body) == (await fetch("GET", "/aoi/Fyn/scenes")).json()[0]["id"]


async def test_an_unavailable_store_is_an_error(tmp_path: Path) -> None:
    with live_server(tmp_path, store_url="postgresql://nobody@127.0.0.1:9/none", ready="aoi/") as server:
        port = int(server.base_url.rsplit(":", 1)[1].strip("/"))
        credentials = {"Authorization": f"Bearer {TOKEN}"}
        for method, path in (("GET", "/aoi/Fyn/roottiles"), ("POST", "/aoi/Fyn"), ("POST", "/aoi/Fyn/scene")):
            body = json.dumps(scene("s1")).encode()
            response = await raw_request(port, method, f"/workflow-monitor{path}", credentials, body)
            refused(response, 503)


async def test_a_forwarding_server_returns_the_same(tmp_path: Path) -> None:
    with (
        live_server(tmp_path / "shared") as shared,
        live_server(tmp_path / "user", upstream=shared.base_url, upstream_token=TOKEN) as user,
    ):
        for server in (shared, user):
            port = int(server.base_url.rsplit(":", 1)[1].strip("/"))
            credentials = {"Authorization": f"Bearer {TOKEN}"}
            tiles = await raw_request(port, "GET", "/workflow-monitor/aoi/Fyn/roottiles", credentials)
            assert (tiles.status, unmarshal_tiles(tiles.body)) == (200, []), server.url
            body = json.dumps(scene("s1")).encode()
            refused(await raw_request(port, "POST", "/workflow-monitor/aoi/Fyn/scene", credentials, body), 404)
