"""Responses of every route agree with the served OpenAPI document, field by field and both ways."""

from __future__ import annotations

import copy
import json
from dataclasses import dataclass
from typing import Any

import jsonschema
import pytest

from tests.integration.server.conftest import PREFIX, Fetch, scene
from tests.raw_http import raw_get
from workflow_monitor.documents.problem import error_codes
from workflow_monitor.server.docs_page import docs_page
from workflow_monitor.server.openapi import openapi
from workflow_monitor.server.routes import ROUTES

#: schemas of requests: a client may omit optional fields, and a response embeds them as stored
REQUESTS = {"SceneData", "TileData", "SceneToIngest", "TileToIngest", "Result"}
ITEM_DATA = {"graph_name": "g"}


@dataclass(frozen=True)
class Call:
    """A request of the walk; `{scene}`, `{tile}` and `{lease}` in the path stand for ids of the example."""

    verb: str
    #: path of the OpenAPI document
    route: str
    path: str
    body: object = None


def get(route: str, path: str | None = None) -> Call:
    return Call("get", route, path or route)


#: one call for each verb of each route, ordered so that each succeeds
WALK = [
    Call("post", "/aoi/{aoi}", "/aoi/Fyn"),
    Call("post", "/aoi/{aoi}/scene", "/aoi/Fyn/scene", scene("s1", tiles=("t1", "t2"))),
    Call("post", "/aoi/{aoi}/scenes", "/aoi/Fyn/scenes", [scene("s2", after="s1"), scene("s3", after="s2")]),
    get("/jobs/{queue}", "/jobs/downloader"),
    Call("post", "/jobs/{queue}/lease", "/jobs/downloader/lease", {"max": 1, "seconds": 60, "worker": "w"}),
    Call("put", "/jobs/{queue}/lease/{lease}", "/jobs/downloader/lease/{lease}", {"seconds": 60}),
    Call("put", "/jobs/{queue}/lease", "/jobs/downloader/lease", {"leases": ["x"], "seconds": 60}),
    get("/jobs/{queue}", "/jobs/downloader"),
    Call(
        "post",
        "/results",
        "/results",
        [
            {"type": "scene", "id": 1, "status": "DONE"},
            {"type": "scene", "id": 2, "status": "RETRY", "message": "no space left"},
            {"type": "scene", "id": 2, "status": "RETRY", "message": "no space left"},
            {"type": "tile", "id": 99, "status": "DONE"},
            3,
        ],
    ),
    get("/jobs/{queue}", "/jobs/processor"),
    Call("post", "/jobs/{queue}/lease", "/jobs/processor/lease", {"max": 1, "seconds": 60, "worker": "w"}),
    get("/"),
    get("/healthz"),
    get("/openapi.json"),
    get("/docs"),
    get("/aoi/", "/aoi/"),
    get("/aoi/", "/aoi/?counts=true"),
    get("/aoi/{aoi}", "/aoi/Fyn"),
    get("/aoi/{aoi}", "/aoi/F*"),
    get("/aoi/{aoi}/dot", "/aoi/Fyn/dot"),
    get("/aoi/{aoi}/find", "/aoi/Fyn/find?text=s"),
    get("/aoi/{aoi}/failures", "/aoi/Fyn/failures"),
    get("/aoi/{aoi}/timeline", "/aoi/Fyn/timeline"),
    get("/aoi/{aoi}/footprints", "/aoi/Fyn/footprints"),
    get("/aoi/{aoi}/lanes", "/aoi/Fyn/lanes"),
    get("/aoi/{aoi}/history", "/aoi/Fyn/history"),
    get("/aoi/{aoi}/events", "/aoi/Fyn/events?after=0"),
    get("/events", "/events?after=0"),
    get("/aoi/{aoi}/scenes", "/aoi/Fyn/scenes"),
    get("/aoi/{aoi}/scenes/{status}", "/aoi/Fyn/scenes/RETRY"),
    get("/aoi/{aoi}/tiles", "/aoi/Fyn/tiles"),
    get("/aoi/{aoi}/tiles/{status}", "/aoi/Fyn/tiles/NEW"),
    get("/aoi/{aoi}/roottiles", "/aoi/Fyn/roottiles"),
    get("/aoi/{aoi}/leaftiles", "/aoi/Fyn/leaftiles"),
    *(get(f"/{kind}/{{id}}", f"/{kind}/1") for kind in ("scene", "tile")),
    get("/scene/{id}/tiles", "/scene/1/tiles"),
    *(get(f"/{kind}/{{id}}/consequences", f"/{kind}/3/consequences") for kind in ("scene", "tile")),
    *(get(f"/{kind}/{{id}}/why", f"/{kind}/3/why") for kind in ("scene", "tile")),
    get("/aoi/{aoi}/blockers", "/aoi/Fyn/blockers"),
    *(Call("put", f"/{kind}/{{id}}/data", f"/{kind}/3/data", ITEM_DATA) for kind in ("tile",)),
    Call("put", "/scene/{id}/data", "/scene/3/data", scene("s3")["data"]),
    *(Call("patch", f"/{kind}/{{id}}/data", f"/{kind}/3/data", ITEM_DATA) for kind in ("scene", "tile")),
    *(Call("put", f"/{kind}/{{id}}/force/{{status}}", f"/{kind}/1/force/RETRY") for kind in ("scene", "tile")),
    Call("put", "/scene/{id}/retry", "/scene/1/retry"),
    Call("put", "/scene/{id}/force/{status}", "/scene/1/force/DONE"),
    Call("put", "/tile/{id}/retry", "/tile/1/retry"),
    Call("put", "/tile/{id}/force/{status}", "/tile/2/force/RETRY"),
    Call("put", "/tile/{id}/fail", "/tile/2/fail"),
    Call("put", "/tile/{id}/fail/force", "/tile/3/fail/force"),
    Call("put", "/aoi/{aoi}/retry", "/aoi/Fyn/retry"),
    Call("put", "/aoi/{aoi}/retry/force", "/aoi/Fyn/retry/force"),
    Call("post", "/aoi/{aoi}/scene", "/aoi/Fyn/scene", scene("s4")),
    Call("put", "/scene/{id}/force/{status}", "/scene/4/force/RETRY"),
    Call("put", "/scene/{id}/fail", "/scene/4/fail"),
    Call("post", "/aoi/{aoi}/scene", "/aoi/Fyn/scene", scene("s5")),
    Call("put", "/scene/{id}/fail/force", "/scene/5/fail/force"),
    Call("post", "/backups", "/backups"),
    get("/backups"),
    Call("delete", "/aoi/{aoi}", "/aoi/Fyn"),
]


def test_the_walk_calls_every_verb_of_every_route() -> None:
    assert {(call.route, call.verb) for call in WALK} == {
        (route.path, verb) for route in ROUTES for verb in route.operations
    }


class Contract:
    """The served OpenAPI document; a field that a schema does not list is an error."""

    def __init__(self, document: dict[str, Any]) -> None:
        self.paths = document["paths"]
        self.components = copy.deepcopy(document["components"])
        for name, schema in self.components["schemas"].items():
            if name not in REQUESTS and "properties" in schema and name != "Problem":
                schema["additionalProperties"] = False

    def contents(self, call: Call, status: int) -> dict[str, str]:
        """Return the schema of each documented media type of a response."""
        content = self.paths[call.route][call.verb]["responses"][str(status)].get("content", {})
        return {media_type: body["schema"]["$ref"].rpartition("/")[2] for media_type, body in content.items()}

    def check(self, value: object, schema: str) -> None:
        """Raise jsonschema.ValidationError if a value does not agree with a schema of the document."""
        jsonschema.validate(value, {"$ref": f"#/components/schemas/{schema}", "components": self.components})


async def served_contract(fetch: Fetch) -> Contract:
    return Contract((await fetch("GET", "/openapi.json")).json())


#: schema of each line of an NDJSON list
LINES = {"scenes": "Scene", "tiles": "Tile", "roottiles": "ShortTile", "leaftiles": "ShortTile", "history": "Event"}


async def test_responses_have_the_documented_fields(
    fetch: Fetch, http_server_client: Any, jp_auth_header: dict[str, str]
) -> None:
    contract = await served_contract(fetch)
    lease = "none"
    checked = set()
    for call in WALK:
        path = call.path.replace("{lease}", lease)
        method = call.verb.upper()
        if "EventStream" in contract.contents(call, 200).values() if call.verb == "get" else False:
            async with raw_get(http_server_client.get_http_port(), PREFIX + path, jp_auth_header) as stream:
                (event,) = await stream.events(1)
            contract.check(event.data, "Event")
            checked.add("EventStream")
            continue
        has_variants = call.verb == "get" and "*" not in path  # a list of AOIs is JSON only
        variants = list(contract.contents(call, 200)) if has_variants else ["application/json"]
        for media_type in variants:
            response = await fetch(method, path, call.body, {"Accept": media_type})
            assert 200 <= response.status < 300, (call, response.text)
            contents = contract.contents(call, response.status)
            assert bool(response.body) == bool(contents), call
            if not contents:
                continue
            assert response.headers["Content-Type"].partition(";")[0] == media_type.partition(";")[0], call
            schema = contents[media_type]
            checked.add(schema)
            if schema == "Lines":
                segment = next(part for part in reversed(path.partition("?")[0].split("/")) if part in LINES)
                for line in response.text.splitlines():
                    contract.check(json.loads(line), LINES[segment])
            elif schema not in {"Bytes", "Columns", "Text"}:
                contract.check(response.json(), schema)
            if schema == "LeasedJobs":
                lease = response.json()["jobs"][0]["lease"]
    served = {
        schema
        for route in ROUTES
        for verb, operation in route.operations.items()
        for status, content in operation.responses.items()
        for schema in content.schemas.values()
    }
    assert checked == served


def test_a_field_outside_the_schema_is_an_error() -> None:
    contract = Contract(json.loads(json.dumps(openapi(ROUTES, "/"))))
    contract.check({"id": 1}, "Id")
    for value in ({"id": 1, "more": 2}, {}):
        with pytest.raises(jsonschema.ValidationError):
            contract.check(value, "Id")


@pytest.mark.parametrize(
    ("method", "path", "body", "status"),
    [
        ("GET", "/aoi/Nowhere", None, 404),
        ("GET", "/nothing", None, 404),
        ("GET", "/scene/x", None, 400),
        ("PATCH", "/aoi/Fyn", None, 405),
        ("POST", "/aoi/Fyn/scene", {"source_id": 1}, 400),
        ("POST", "/jobs/painter/lease", {"max": 1, "seconds": 1, "worker": "w"}, 404),
    ],
)
async def test_errors_are_documented_problems(fetch: Fetch, method: str, path: str, body: object, status: int) -> None:
    problem = (await fetch(method, path, body)).problem(status)
    (await served_contract(fetch)).check(problem, "Problem")
    assert problem["code"] in {code.code for code in error_codes()}


def test_the_docs_page_explains_every_error_code() -> None:
    page = docs_page(json.loads(json.dumps(openapi(ROUTES, "/"))))
    assert len(error_codes()) > 30
    assert [code.code for code in error_codes() if f'<tr id="{code.code}">' not in page] == []
