"""Valid and invalid requests generated from the OpenAPI document: no server errors, and refused requests change nothing."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import httpx
import jsonschema
import pytest
import requests
import schemathesis
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from schemathesis import GenerationMode
from schemathesis.checks import not_a_server_error
from schemathesis.core.transport import Response
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    response_schema_conformance,
    status_code_conformance,
)

from tests.scale import FACTOR, effort
from tests.server_process import TOKEN, live_server
from tests.store_snapshot import INSIDE, Contents, contents, fill
from workflow_monitor.server.openapi import openapi
from workflow_monitor.server.routes import ROUTES

DOCUMENT = openapi(ROUTES, "/")
SCHEMA = schemathesis.openapi.from_dict(DOCUMENT)
OPERATIONS = {operation.label: operation for operation in (result.ok() for result in SCHEMA.get_all_operations())}  # type: ignore[union-attr]
PARAMETERS = {f"{verb.upper()} {route.path}": route.parameters for route in ROUTES for verb in route.operations}
EXAMPLES = effort(short=6, long=450)
CHECKS = [not_a_server_error, status_code_conformance, content_type_conformance, response_schema_conformance]
HEADERS = {"Authorization": f"token {TOKEN}", "Accept": "application/problem+json"}
#: path parameters of existing items
EXISTING = {"aoi": "Fyn", "id": 1, "queue": "processor", "status": "DONE", "lease": "none"}


class Store:
    """Server with one AOI, and its contents."""

    def __init__(self, url: str, http: httpx.Client, session: requests.Session) -> None:
        self._url = url
        self._http = http
        self._session = session

    def send(self, case: Any) -> Response:
        """Send a generated request."""
        response: Response = case.call(
            base_url=self._url, session=self._session, headers=HEADERS, allow_redirects=False, timeout=300
        )
        return response

    def changed(self) -> Contents:
        """Restore the AOI after an allowed change and return the new contents."""
        fill(self._http)
        return contents(self._http)

    def unchanged(self, before: Contents) -> Contents:
        """Return the contents; fail if they differ from the previous ones by more than expired leases."""
        after = contents(self._http)
        if after != before:
            events = self._http.get("/aoi/Fyn/history").raise_for_status().json()
            causes = {event["cause"] for event in events if before[0] < event["seq"] <= after[0]}
            assert causes == {"lease expired"}, "a refused request or a read has changed the store"
        return after


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Store]:
    # Streams would not end, so the server refuses them after it has parsed the request.
    with (
        live_server(tmp_path_factory.mktemp("generated"), max_streams=0) as server,
        httpx.Client(base_url=server.url, headers=HEADERS, timeout=300, trust_env=False) as http,
        requests.Session() as session,
    ):
        session.trust_env = False
        yield Store(server.url, http, session)


@pytest.mark.torture
@pytest.mark.timeout(3600)
@pytest.mark.parametrize("label", OPERATIONS)
def test_generated_requests_get_documented_responses(label: str, store: Store, record_property: Any) -> None:
    operation = OPERATIONS[label]
    existing = {name: EXISTING[name] for name in PARAMETERS[label]}
    strategies = [
        operation.as_strategy(generation_mode=mode, path_parameters=path)
        for mode in (GenerationMode.POSITIVE, GenerationMode.NEGATIVE)
        for path in ([existing, None] if existing else [None])
    ]
    contents_before = store.changed()
    sent = 0

    @settings(
        max_examples=EXAMPLES,
        deadline=None,
        database=None,
        derandomize=not FACTOR,
        phases=[Phase.generate],
        suppress_health_check=list(HealthCheck),
    )
    @given(case=st.one_of(strategies))
    def check(case: Any) -> None:
        nonlocal sent, contents_before
        sent += 1
        response = store.send(case)
        if response.status_code != 301:
            case.validate_response(response, checks=CHECKS)
        if response.status_code >= 400:
            check_problem(response)
        if operation.method != "get":
            contents_before = store.changed() if response.status_code < 300 else store.unchanged(contents_before)

    check()
    if operation.method == "get":
        store.unchanged(contents_before)
    record_property("requests", sent)


def check_problem(response: Response) -> None:
    """Check that an error is a valid problem document and exposes no internals."""
    assert response.headers["content-type"] == ["application/problem+json"]
    document = response.json()
    jsonschema.validate(document, {"$ref": "#/components/schemas/Problem", "components": DOCUMENT["components"]})
    assert document["status"] == response.status_code
    assert not [sign for sign in INSIDE if sign in response.text]
