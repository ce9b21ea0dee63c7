"""The documentation page of the endpoints: self-contained HTML, generated from the OpenAPI document."""

from __future__ import annotations

import base64
import hashlib
import json
from collections import defaultdict
from collections.abc import Iterable, Iterator
from html import escape
from importlib.resources import files
from typing import Any

from workflow_monitor.documents.problem import error_codes

Document = dict[str, Any]

STYLE = files("workflow_monitor.server").joinpath("docs.css").read_text(encoding="utf-8")
_HASH = base64.b64encode(hashlib.sha256(STYLE.encode()).digest()).decode()
CONTENT_SECURITY_POLICY = f"default-src 'none'; style-src 'sha256-{_HASH}'; frame-ancestors 'self'; base-uri 'none'"

FIRST_STEP = """curl -H "Authorization: token $TOKEN" http://HOST{base}/aoi/"""


def docs_page(document: Document) -> str:
    """Render an OpenAPI document as an HTML page."""
    base = document["servers"][0]["url"]
    by_tag: defaultdict[str, list[tuple[str, str, Document]]] = defaultdict(list)
    for path, operations in document["paths"].items():
        for verb, operation in operations.items():
            if verb != "parameters":
                all_parameters = [*operations.get("parameters", ()), *operation.get("parameters", ())]
                by_tag[operation["tags"][0]].append((path, verb, operation | {"parameters": all_parameters}))
    parts = [
        '<!doctype html><html lang="en"><head><meta charset="utf-8">',
        '<meta name="viewport" content="width=device-width, initial-scale=1">',
        f"<title>{escape(document['info']['title'])}</title><style>{STYLE}</style></head><body>",
        *_heading(document, base, by_tag),
        "<main>",
        *(part for tag, operations in by_tag.items() for part in _section(tag, operations)),
        *_errors(),
        "</main></body></html>",
    ]
    return "\n".join(parts)


def _heading(document: Document, base: str, tags: Iterable[str]) -> Iterator[str]:
    info = document["info"]
    yield f"<header><h1>{escape(info['title'])} <small>{escape(info['version'])}</small></h1>"
    yield f"<p>{escape(info['summary'])} All paths are below <code>{escape(base)}</code>.</p>"
    yield f"<pre>{escape(FIRST_STEP.format(base=base))}</pre>"
    yield '<p>OpenAPI document: <a href="openapi.json">openapi.json</a>.</p><nav>'
    yield from (f'<a href="#{escape(tag)}">{escape(tag)}</a>' for tag in tags)
    yield '<a href="#errors">Errors</a></nav></header>'


def _section(tag: str, operations: Iterable[tuple[str, str, Document]]) -> Iterator[str]:
    yield f'<section><h2 id="{escape(tag)}">{escape(tag)}</h2>'
    for path, verb, operation in operations:
        yield f'<details id="{escape(operation["operationId"])}"><summary><span class="verb {escape(verb)}">'
        yield f'{escape(verb.upper())}</span> <span class="path">{escape(path)}</span>'
        yield f'<span class="what">{escape(operation["summary"])}</span></summary><div>'
        yield f"<p>{_prose(str(operation.get('description', operation['summary'])))}</p>"
        yield from _parameters(operation["parameters"])
        yield from _contents(operation)
        yield "</div></details>"
    yield "</section>"


def _parameters(parameters: Iterable[Document]) -> Iterator[str]:
    rows = [
        f"<tr><td><code>{escape(parameter['name'])}</code></td><td>{escape(parameter['in'])}</td>"
        f"<td>{_prose(parameter['description'])}{_choices(parameter['schema'])}</td></tr>"
        for parameter in parameters
    ]
    if rows:
        yield f"<table><caption>Parameters</caption>{''.join(rows)}</table>"


def _choices(schema: Document) -> str:
    return f" One of {', '.join(escape(str(choice)) for choice in schema['enum'])}." if "enum" in schema else ""


def _contents(operation: Document) -> Iterator[str]:
    rows = []
    if body := operation.get("requestBody"):
        rows.append(_row("body", body))
    for status, response in operation["responses"].items():
        if "$ref" in response:
            rows.append(f'<tr><td>{escape(status)}</td><td><a href="#errors">a problem document</a></td></tr>')
        else:
            rows.append(_row(status, response))
    yield f"<table><caption>Body and responses</caption>{''.join(rows)}</table>"


def _row(name: str, content: Document) -> str:
    media = content.get("content", {})
    types = ", ".join(f"<code>{escape(media_type)}</code>" for media_type in media)
    examples = (entry["example"] for entry in media.values() if "example" in entry)
    shown = "".join(f"<pre>{escape(_example(example))}</pre>" for example in examples)
    return f"<tr><td>{escape(name)}</td><td>{_prose(content['description'])} {types}{shown}</td></tr>"


def _example(example: object) -> str:
    return example if isinstance(example, str) else json.dumps(example, ensure_ascii=False)


def _errors() -> Iterator[str]:
    yield '<section><h2 id="errors">Errors</h2><p>Errors are <code>application/problem+json</code> documents (RFC 9457): '
    yield "<code>detail</code> describes the error and its remedy, <code>errors</code> lists the fields. Programs should "
    yield "check <code>code</code>.</p><table>"
    for code in error_codes():
        yield f'<tr id="{escape(code.code)}"><td><code>{escape(code.code)}</code></td><td>{code.status}</td>'
        yield f"<td>{_prose(code.explanation)}</td></tr>"
    yield "</table></section>"


def _prose(text: str) -> str:
    """Render a text as HTML; backquotes mark code."""
    parts = escape(text).split("`")
    return "".join(f"<code>{part}</code>" if index % 2 else part for index, part in enumerate(parts))
