"""Requests that are made up from the description of the endpoints, valid and not: none breaks the server, and those that are
refused change nothing.
"""

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
OPERATIONS = {one.label: one for one in (found.ok() for found in SCHEMA.get_all_operations())}  # type: ignore[union-attr]
PARAMETERS = {f"{verb.upper()} {route.path}": route.parameters for route in ROUTES for verb in route.operations}
EXAMPLES = effort(short=6, long=450)
CHECKS = [not_a_server_error, status_code_conformance, content_type_conformance, response_schema_conformance]
HEADERS = {"Authorization": f"token {TOKEN}"}
#: what is there, so that not every request is about nothing
THERE = {"aoi": "Fyn", "id": 1, "queue": "processor", "status": "DONE", "lease": "none"}


class Store:
    """A server with an AOI, and all that it holds."""

    def __init__(self, url: str, http: httpx.Client, session: requests.Session) -> None:
        self._url = url
        self._http = http
        self._session = session

    def answer(self, case: Any) -> Response:
        """What a request that was made up is answered."""
        found: Response = case.call(
            base_url=self._url, session=self._session, headers=HEADERS, allow_redirects=False, timeout=60
        )
        return found

    def changed(self) -> Contents:
        """What there is after something was allowed to change, once it is filled again."""
        fill(self._http)
        return contents(self._http)

    def unchanged(self, known: Contents) -> Contents:
        """What there is now: the same as before, but that leases may have run out."""
        found = contents(self._http)
        if found != known:
            events = self._http.get("/aoi/Fyn/history").raise_for_status().json()
            causes = {event["cause"] for event in events if known[0] < event["seq"] <= found[0]}
            assert causes == {"lease expired"}, "what was refused, or only reads, has changed something"
        return found


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Store]:
    # Without streams: they would not end. What is asked of them is read all the same.
    with (
        live_server(tmp_path_factory.mktemp("generated"), max_streams=0) as server,
        httpx.Client(base_url=server.url, headers=HEADERS, timeout=60, trust_env=False) as http,
        requests.Session() as session,
    ):
        session.trust_env = False
        yield Store(server.url, http, session)


@pytest.mark.torture
@pytest.mark.timeout(3600)
@pytest.mark.parametrize("label", OPERATIONS)
def test_what_is_made_up_is_answered_well(label: str, store: Store, record_property: Any) -> None:
    operation = OPERATIONS[label]
    there = {name: THERE[name] for name in PARAMETERS[label]}
    strategies = [
        operation.as_strategy(generation_mode=mode, path_parameters=path)
        for mode in (GenerationMode.POSITIVE, GenerationMode.NEGATIVE)
        for path in ([there, None] if there else [None])
    ]
    known = store.changed()
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
    def ask(case: Any) -> None:
        nonlocal sent, known
        sent += 1
        answer = store.answer(case)
        if answer.status_code != 301:
            case.validate_response(answer, checks=CHECKS)
        if answer.status_code >= 400:
            check_problem(answer)
        if operation.method != "get":
            known = store.changed() if answer.status_code < 300 else store.unchanged(known)

    ask()
    if operation.method == "get":
        store.unchanged(known)
    record_property("requests", sent)


def check_problem(answer: Response) -> None:
    """What must be true of every error."""
    assert answer.headers["content-type"] == ["application/problem+json"]
    document = answer.json()
    jsonschema.validate(document, {"$ref": "#/components/schemas/Problem", "components": DOCUMENT["components"]})
    assert document["status"] == answer.status_code
    assert not [sign for sign in INSIDE if sign in answer.text]
