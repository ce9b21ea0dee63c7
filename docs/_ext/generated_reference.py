"""Sphinx extension: write the parts of the reference that derive from the code.

A page names a part in a comment of its own line, `<!-- generated: rest -->`; the comment is replaced with Markdown when
Sphinx reads the page. The functions that make the Markdown need the package but not Sphinx, so tests can call them.
"""

from __future__ import annotations

import json
import re
from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping
from typing import Any

Document = dict[str, Any]

MARKER = re.compile(r"^<!-- generated: ([a-z]+) -->$", re.MULTILINE)
#: the base URL of a Jupyter server that the REST page assumes
BASE_URL = "/"
#: types of traits as Python has them
TYPES = {"Bool": "bool", "Dict": "dict", "Float": "float", "Int": "int", "Unicode": "str"}
METHODS = ("get", "post", "put", "patch", "delete")


# ---- REST


def rest() -> str:
    """Return the endpoints as Markdown: a section for each tag, a subsection for each operation, then the schemas."""
    from workflow_monitor.server.openapi import openapi
    from workflow_monitor.server.routes import ROUTES

    document = openapi(ROUTES, BASE_URL)
    operations: defaultdict[str, list[str]] = defaultdict(list)
    for path, item in document["paths"].items():
        shared = item.get("parameters", [])
        for method in METHODS:
            if method in item:
                tag = item[method]["tags"][0]
                operations[tag].append(_operation(path, method, item[method], shared))
    sections = [f"## {tag[0].upper()}{tag[1:]}\n\n" + "\n".join(texts) for tag, texts in operations.items()]
    return "\n".join([*sections, "## Schemas\n", *_schemas(document["components"]["schemas"])])


def _operation(path: str, method: str, operation: Document, shared: list[Document]) -> str:
    lines = [f"### `{method.upper()} {path}`", "", f"{operation['summary']}."]
    if description := operation.get("description"):
        lines += ["", description]
    parameters = [*shared, *operation.get("parameters", [])]
    if parameters:
        rows = [
            [f"`{each['name']}`", each["in"], _type(each["schema"]), _prose(each["description"])] for each in parameters
        ]
        lines += ["", *_table(["parameter", "in", "type", "meaning"], rows)]
    if body := operation.get("requestBody"):
        lines += ["", *_table(["request body", "schema", "meaning"], _contents(body))]
        lines += _examples(body)
    lines += ["", *_responses(operation["responses"])]
    return "\n".join(lines) + "\n"


def _responses(responses: Mapping[str, Document]) -> Iterator[str]:
    """Yield the table of the successful responses and a line with the statuses of the errors."""
    rows = []
    errors = []
    for status, response in responses.items():
        if "$ref" in response:
            errors.append(f"[{status}](errors.md#status-{status})")
            continue
        for media_type, schema, meaning in _contents(response):
            rows.append([status, media_type, schema, meaning])
    yield from _table(["response", "media type", "schema", "meaning"], rows)
    for response in responses.values():
        if "$ref" not in response:
            yield from _examples(response)
    if errors:
        yield ""
        yield f"Errors: {', '.join(errors)}."


def _contents(content: Document) -> list[list[str]]:
    meaning = _prose(content["description"])
    media = content.get("content", {})
    if not media:
        return [["none", "", meaning]]
    return [
        [f"`{media_type}`", _type(described["schema"]), meaning if not position else ""]
        for position, (media_type, described) in enumerate(media.items())
    ]


def _examples(content: Document) -> Iterator[str]:
    for media_type, described in content.get("content", {}).items():
        if "example" not in described:
            continue
        example = described["example"]
        text = example if isinstance(example, str) else json.dumps(example, ensure_ascii=False)
        yield ""
        yield f"```{'json' if 'json' in media_type else 'text'}"
        yield text
        yield "```"


def _schemas(schemas: Mapping[str, Document]) -> Iterator[str]:
    for name, schema in sorted(schemas.items()):
        yield f"(schema-{name.lower()})=\n### {name}\n"
        if description := schema.get("description"):
            yield f"{_prose(description)}\n"
        properties = schema.get("properties")
        if properties:
            required = set(schema.get("required", ()))
            rows = [
                [f"`{field}`", _type(of), "yes" if field in required else "no", _prose(of.get("description", ""))]
                for field, of in properties.items()
            ]
            yield from _table(["field", "type", "always", "meaning"], rows)
            yield ""
        else:
            yield f"{_type(schema)}\n"


def _type(schema: Document) -> str:
    """Return a JSON Schema in a few words; a reference becomes a link to its section."""
    if not schema:
        return "any"
    if "$ref" in schema:
        name = schema["$ref"].rpartition("/")[2]
        return f"[{name}](#schema-{name.lower()})"
    for keyword in ("anyOf", "oneOf"):
        if keyword in schema:
            return " or ".join(_type(each) for each in schema[keyword])
    if "enum" in schema:
        return ", ".join(f"`{value}`" for value in schema["enum"])
    if "const" in schema:
        return f"`{schema['const']}`"
    types = schema.get("type", "any")
    text = " or ".join(types) if isinstance(types, list) else str(types)
    if types == "array" and "items" in schema:
        return f"array of {_type(schema['items'])}"
    if types == "object" and isinstance(schema.get("additionalProperties"), dict):
        return f"object of {_type(schema['additionalProperties'])}"
    if inner := schema.get("properties"):
        return "object with " + ", ".join(f"`{field}`" for field in inner)
    hints = [schema[key] for key in ("format", "contentMediaType") if key in schema]
    hints += [f"{word} {schema[key]:,}" for key, word in (("minimum", "from"), ("maximum", "to")) if key in schema]
    hints += [f"default {schema['default']}" for _ in (0,) if "default" in schema]
    return f"{text} ({', '.join(map(str, hints))})" if hints else text


# ---- configuration


def configuration() -> str:
    """Return the traits of the extension as a table in the order of the source: name, type, default, help."""
    from workflow_monitor.server.extension import WorkflowMonitor

    traits = WorkflowMonitor.class_own_traits(config=True)
    rows = [
        [
            f"`{name}`",
            TYPES[type(traits[name]).__name__],
            _default(traits[name].default_value),
            _prose(traits[name].help),
        ]
        for name in vars(WorkflowMonitor)
        if name in traits
    ]
    return "\n".join(_table(["trait", "type", "default", "meaning"], rows))


def _default(value: object) -> str:
    if isinstance(value, str):
        return f"`{value}`" if value else "empty"
    if isinstance(value, int) and not isinstance(value, bool):
        return f"{value:,}"
    return f"`{value}`" if isinstance(value, bool | float) or value is None else "`{}`"


# ---- command line


def cli() -> str:
    """Return the commands of `workflow-monitor` as Markdown, a section for each."""
    import typer

    from workflow_monitor.cli import app

    group: Any = typer.main.get_command(app)
    sections = []
    for name, command in group.commands.items():
        usage = " ".join(["workflow-monitor", name, *_usage(command)])
        lines = [f"## `{name}`", "", "```text", usage, "```", "", _paragraphs(command.help or "")]
        rows = [
            [
                " ".join(f"`{option}`" for option in [*each.opts, *each.secondary_opts])
                if each.param_type_name == "option"
                else f"`{_metavar(each)}`",
                _prose(_shown_default(each)),
                _prose(each.help or ""),
            ]
            for each in command.params
            if each.name != "help"
        ]
        if rows:
            lines += ["", *_table(["argument", "default", "meaning"], rows)]
        sections.append("\n".join(lines) + "\n")
    return "\n".join(sections)


def _usage(command: Any) -> Iterator[str]:
    if any(each.param_type_name == "option" for each in command.params):
        yield "[OPTIONS]"
    for each in command.params:
        if each.param_type_name == "argument":
            name = _metavar(each)
            yield name if each.required or name.startswith("[") else f"[{name}]"


def _metavar(parameter: Any) -> str:
    return str(parameter.metavar or parameter.name.upper())


def _shown_default(parameter: Any) -> str:
    if isinstance(parameter.show_default, str):
        return str(parameter.show_default)
    value = parameter.default
    if value is None or value is False or parameter.show_default is False or callable(value):
        return ""
    return "" if repr(value) in {"''", "[]", "()"} or "UNSET" in repr(value).upper() else f"`{value}`"


# ---- Markdown


def _table(heads: list[str], rows: list[list[str]]) -> list[str]:
    lines = [f"| {' | '.join(heads)} |", f"| {' | '.join('---' for _ in heads)} |"]
    return lines + [f"| {' | '.join(cell.replace('|', chr(92) + '|') for cell in row)} |" for row in rows]


def _prose(text: str) -> str:
    """Return a text on one line in which nothing outside backquotes is taken for markup."""
    parts = " ".join(text.split()).split("`")
    return "`".join(part if index % 2 else re.sub(r"([*<\[_])", r"\\\1", part) for index, part in enumerate(parts))


def _paragraphs(text: str) -> str:
    return "\n\n".join(_prose(paragraph) for paragraph in text.split("\n\n"))


PARTS: Mapping[str, Callable[[], str]] = {"rest": rest, "configuration": configuration, "cli": cli}


def fill(text: str) -> str:
    """Return the text of a page with each `<!-- generated: … -->` comment replaced.

    Raises KeyError for a part that does not exist.
    """
    return MARKER.sub(lambda match: PARTS[match[1]](), text)


# ---- Sphinx


def _source_read(_: Any, __: str, content: list[str]) -> None:
    content[0] = fill(content[0])


def _always_read(_: Any, env: Any, added: Any, changed: Any, removed: Any) -> list[str]:  # noqa: ARG001 - Sphinx's
    """Return the pages with generated parts: they change with the code, which Sphinx does not watch."""
    return [name for name in env.found_docs if MARKER.search(env.doc2path(name).read_text(encoding="utf-8"))]


def _as_rst(_: Any, __: str, ___: str, ____: Any, _____: Any, lines: list[str]) -> None:
    """Turn the Markdown of docstrings into reStructuredText: code in single backquotes, and asterisks as they are."""
    lines[:] = [line if line.lstrip().startswith((">>>", "...")) else _line_as_rst(line) for line in lines]


def _line_as_rst(line: str) -> str:
    if "``" in line or re.search(r":\w+:`", line):
        return line
    parts = line.split("`")
    if len(parts) % 2 == 0:
        return line
    return "``".join(
        part if index % 2 else re.sub(r"([*|]|(?<=\w)_(?!\w))", r"\\\1", part) for index, part in enumerate(parts)
    )


def setup(app: Any) -> dict[str, object]:
    """Connect the extension to Sphinx."""
    app.connect("source-read", _source_read)
    app.connect("env-get-outdated", _always_read)
    app.connect("autodoc-process-docstring", _as_rst)
    return {"version": "1", "parallel_read_safe": True, "parallel_write_safe": True}
