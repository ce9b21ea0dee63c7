"""The OpenAPI document and the page that is rendered from it."""

from __future__ import annotations

import re
from html.parser import HTMLParser
from typing import Any

import jsonschema
import pytest
from openapi_spec_validator import validate

from tests.integration.server.conftest import Fetch
from workflow_monitor.server.docs_page import docs_page
from workflow_monitor.server.openapi import openapi
from workflow_monitor.server.routes import ROUTES

DOCUMENT = openapi(ROUTES, "/")


def test_the_document_is_valid() -> None:
    assert DOCUMENT["openapi"] == "3.1.0"
    validate(DOCUMENT)


def test_the_document_has_every_route_and_verb() -> None:
    described = {(path, verb) for path, item in DOCUMENT["paths"].items() for verb in item if verb != "parameters"}
    assert described == {(route.path, verb) for route in ROUTES for verb in route.handler.verbs}
    ids = [item[verb]["operationId"] for item in DOCUMENT["paths"].values() for verb in item if verb != "parameters"]
    assert len(ids) == len(set(ids))


def test_references_resolve() -> None:
    schemas = set(re.findall(r"'#/components/schemas/(\w+)'", str(DOCUMENT)))
    assert schemas <= set(DOCUMENT["components"]["schemas"])
    responses = set(re.findall(r"'#/components/responses/(\w+)'", str(DOCUMENT)))
    assert responses <= set(DOCUMENT["components"]["responses"])


def test_examples_match_their_schemas() -> None:
    contents = [
        content
        for item in DOCUMENT["paths"].values()
        for verb, operation in item.items()
        if verb != "parameters"
        for message in [operation.get("requestBody", {}), *operation["responses"].values()]
        for content in message.get("content", {}).values()
        if "example" in content
    ]
    assert len(contents) > 5
    for content in contents:
        if content["schema"]["$ref"].rpartition("/")[2] != "LeasedJobs":
            _check(content["example"], content["schema"]["$ref"].rpartition("/")[2])


def _check(value: object, name: str) -> None:
    jsonschema.validate(value, {"$ref": f"#/components/schemas/{name}", "components": DOCUMENT["components"]})


async def test_the_document_is_served_below_the_base_url(fetch: Fetch) -> None:
    response = await fetch("GET", "/openapi.json")
    document = response.json()
    assert response.media_type == "application/json"
    assert document["servers"] == [{"url": "/a%40b/workflow-monitor"}]
    assert document["paths"].keys() == DOCUMENT["paths"].keys()


class Page(HTMLParser):
    """Elements and attributes of a page."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, dict(attrs)))

    def all(self, name: str) -> list[str]:
        return [value for _, attributes in self.elements if (value := attributes.get(name)) is not None]


class TestDocsPage:
    async def test_the_page_loads_no_resources(self, fetch: Fetch) -> None:
        response = await fetch("GET", "/docs")
        assert response.media_type == "text/html"
        policy = response.headers["Content-Security-Policy"]
        assert "default-src 'none'" in policy
        assert "unsafe" not in policy
        page = Page(response.text)
        assert not page.all("src")
        assert all(link.startswith("#") or link == "openapi.json" for link in page.all("href"))
        assert not {"script", "link", "img", "iframe", "object"} & {tag for tag, _ in page.elements}

    def test_the_page_has_every_endpoint(self) -> None:
        page = Page(text := docs_page(DOCUMENT))
        operations = [item[verb] for item in DOCUMENT["paths"].values() for verb in item if verb != "parameters"]
        assert {operation["operationId"] for operation in operations} <= set(page.all("id"))
        for path in DOCUMENT["paths"]:
            assert f">{path}</span>" in text

    def test_links_within_the_page_resolve(self) -> None:
        page = Page(docs_page(DOCUMENT))
        assert {link[1:] for link in page.all("href") if link.startswith("#")} <= set(page.all("id"))

    @pytest.mark.parametrize("hostile", ["<img src=x onerror=alert(1)>", '"><script>alert(1)</script>'])
    def test_markup_is_escaped(self, hostile: str) -> None:
        document: dict[str, Any] = openapi(ROUTES, f"/{hostile}/")
        document["paths"]["/aoi/"]["get"]["summary"] = hostile
        page = Page(docs_page(document))
        assert not {"script", "img"} & {tag for tag, _ in page.elements}
        assert not page.all("onerror")

    async def test_a_problem_links_to_its_explanation(self, fetch: Fetch) -> None:
        problem = (await fetch("GET", "/aoi/Nowhere")).problem(404)
        path, _, anchor = problem["type"].partition("#")
        assert path == "/a%40b/workflow-monitor/docs"
        assert anchor in Page((await fetch("GET", "/docs")).text).all("id")
