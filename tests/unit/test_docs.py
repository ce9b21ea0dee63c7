"""The documents name existing routes, traits, statuses, error codes, make targets, tests and code, and omit none."""

from __future__ import annotations

import ast
import importlib
import importlib.util
import json
import pkgutil
import re
from collections.abc import Iterator
from dataclasses import fields
from functools import cache
from pathlib import Path
from types import ModuleType

import pytest

import workflow_monitor
from tests.paths import ROOT
from workflow_monitor.domain.errors import ItemNotFound, WorkflowError
from workflow_monitor.domain.status import Cause, ItemKind, Status

DOCS = ROOT / "docs"
TOP = [ROOT / f"{name}.md" for name in ("README", "CONTRIBUTING", "SECURITY", "CHANGELOG")]
PAGES = [*TOP, *(page for page in sorted(DOCS.rglob("*.md")) if "_build" not in page.parts)]
FENCE = re.compile(r"^(`{3,}).*?^\1$", re.MULTILINE | re.DOTALL)


def text(name: str) -> str:
    return (ROOT / name).read_text(encoding="utf-8")


def page_id(page: Path) -> str:
    return page.relative_to(ROOT).as_posix()


@cache
def reference() -> ModuleType:
    """Return the Sphinx extension that writes the generated pages."""
    spec = importlib.util.spec_from_file_location("generated_reference", DOCS / "_ext" / "generated_reference.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def filled(name: str) -> str:
    """Return a page of the reference with its generated parts."""
    page: str = reference().fill(text(f"docs/reference/{name}.md"))
    assert "<!-- generated" not in page
    return page


def normal(path: str) -> str:
    """Return a path with unnamed parameters and without the final slash."""
    return re.sub(r"\{[^}]*\}", "{}", path).rstrip("/") or "/"


def served() -> set[tuple[str, str]]:
    from workflow_monitor.server.routes import ROUTES

    return {(verb.upper(), normal(route.path)) for route in ROUTES for verb in route.operations}


def routes_in(page: str) -> set[tuple[str, str]]:
    rows = re.findall(r"`(GET|POST|PUT|PATCH|DELETE) (/[^`?…]*?)(?:\?[^`]*)?`", page)
    return {(verb, normal(path)) for verb, path in rows}


# ---- reference


def test_the_reference_describes_every_route_and_its_parameters_and_responses() -> None:
    from workflow_monitor.server.openapi import openapi
    from workflow_monitor.server.routes import ROUTES

    page = filled("rest")
    headings = "\n".join(re.findall(r"^### (.*)$", page, flags=re.MULTILINE))
    assert routes_in(headings) == served()
    sections = dict(re.findall(r"^### `([^\n]*)`\n(.*?)(?=^#|\Z)", page, re.MULTILINE | re.DOTALL))
    document = openapi(ROUTES, "/")
    for path, item in document["paths"].items():
        for verb in set(item) - {"parameters"}:
            section, operation = sections[f"{verb.upper()} {path}"], item[verb]
            assert operation["summary"] in section
            parameters = [*item.get("parameters", []), *operation.get("parameters", [])]
            assert [each["name"] for each in parameters if f"| `{each['name']}` |" not in section] == []
            assert [status for status in operation["responses"] if status not in section] == []


def test_every_link_of_the_rest_reference_has_a_target() -> None:
    page = filled("rest")
    targets = set(re.findall(r"^\((schema-\w+)\)=$", page, flags=re.MULTILINE))
    assert set(re.findall(r"\(#(schema-\w+)\)", page)) <= targets
    statuses = set(re.findall(r"errors\.md#status-(\d+)", page))
    assert statuses <= set(re.findall(r"^## Status (\d+)$", text("docs/reference/errors.md"), flags=re.MULTILINE))


def test_the_reference_has_every_trait_with_its_help() -> None:
    from workflow_monitor.server.extension import WorkflowMonitor

    traits = WorkflowMonitor.class_own_traits(config=True)
    rows = dict(re.findall(r"^\| `(\w+)` \| \w+ \| .*? \| (.*) \|$", filled("configuration"), flags=re.MULTILINE))
    assert set(rows) == set(traits)
    assert [name for name, trait in traits.items() if not trait.help or not rows[name]] == []


def test_the_reference_has_every_command_with_its_options() -> None:
    import typer

    from workflow_monitor.cli import app

    page = filled("cli")
    group = typer.main.get_command(app)
    assert re.findall(r"^## `([\w-]+)`$", page, flags=re.MULTILINE) == [*group.commands]  # type: ignore[attr-defined]
    options = {
        option
        for command in group.commands.values()  # type: ignore[attr-defined]
        for parameter in command.params
        if parameter.param_type_name == "option" and parameter.name != "help"
        for option in parameter.opts
    }
    assert [option for option in options if f"`{option}`" not in page] == []


def error_codes() -> dict[str, int]:
    """Return the status of each code of an error class anywhere in the package."""
    for module in pkgutil.walk_packages(workflow_monitor.__path__, "workflow_monitor."):
        if module.name.split(".")[1] in {"server", "graph", "domain", "documents", "store", "engine", "queues"}:
            importlib.import_module(module.name)
    codes = {error.code: error.status for error in subclasses(WorkflowError) if "code" in vars(error)}
    return codes | {ItemNotFound(kind, 1).code: ItemNotFound.status for kind in ItemKind}


def subclasses(of: type[WorkflowError]) -> Iterator[type[WorkflowError]]:
    yield of
    for each in of.__subclasses__():
        yield from subclasses(each)


def test_the_page_of_errors_has_every_code_with_its_status() -> None:
    page = text("docs/reference/errors.md")
    written: dict[str, int] = {}
    status = 0
    for level, heading in re.findall(r"^(##|###) (?:Status )?`?([\w-]+)`?$", page, flags=re.MULTILINE):
        if level == "##":
            status = int(heading)
        else:
            written[heading] = status
    assert written == error_codes()


@pytest.mark.parametrize("status", Status)
def test_every_status_is_explained(status: Status) -> None:
    for name in ("docs/reference/vocabulary.md", "docs/state-machine.md"):
        assert re.search(rf"^\| `{status.value}` \| \w", text(name), flags=re.MULTILINE)


def test_every_cause_of_an_event_is_explained() -> None:
    section = text("docs/reference/vocabulary.md").partition("## Causes of events")[2]
    assert set(re.findall(r"`([a-z -]+)`(?=[, `a-z-]* \|)", section)) == set(map(str, Cause))


def test_every_option_of_pgqueue_is_in_its_table_with_its_default() -> None:
    from workflow_monitor.queues.pgqueue import Options

    written = dict(
        re.findall(r"^\| `(\w+)` \| `?([^`|]+?)`? \|", text("docs/how-to/postgresql.md"), flags=re.MULTILINE)
    )
    assert written == {each.name: str(each.default) for each in fields(Options)}


# ---- all pages


@pytest.mark.parametrize("page", PAGES, ids=page_id)
def test_a_page_names_existing_routes(page: Path) -> None:
    assert routes_in(FENCE.sub("", page.read_text(encoding="utf-8"))) <= served()


@pytest.mark.parametrize("page", PAGES, ids=page_id)
def test_a_page_names_existing_make_targets(page: Path) -> None:
    targets = set(re.findall(r"^([a-z-]+):", text("Makefile"), flags=re.MULTILINE))
    assert set(re.findall(r"(?:`|^)make ([a-z-]+)", page.read_text(encoding="utf-8"), flags=re.MULTILINE)) <= targets


def test_the_readme_names_the_first_targets() -> None:
    assert {"demo", "test", "test-unit", "docs", "torture"} <= set(
        re.findall(r"^make ([a-z-]+)", text("README.md"), re.MULTILINE)
    )


@pytest.mark.parametrize("page", PAGES, ids=page_id)
def test_a_page_names_existing_tests_and_benchmarks(page: Path) -> None:
    content = page.read_text(encoding="utf-8")
    files = set(re.findall(r"\b(tests/[\w/]+\.py)\b", content))
    files |= {f"{name.replace('.', '/')}" for name in re.findall(r"-m (benchmarks\.\w+)", content)}
    assert [name for name in files if not ((ROOT / name).exists() or (ROOT / f"{name}.py").exists())] == []


@cache
def functions_of_tests() -> str:
    """Return the names of all test functions, one per line."""
    texts = [file.read_text(encoding="utf-8") for file in (ROOT / "tests").rglob("test_*.py")]
    return "\n".join(name for text in texts for name in re.findall(r"def (test_\w+)", text)) + "\n"


@pytest.mark.parametrize("page", PAGES, ids=page_id)
def test_a_page_names_existing_test_functions(page: Path) -> None:
    """A name may be cut: `test_readers_…`."""
    names = re.findall(r"`(test_\w+)(…?)`", page.read_text(encoding="utf-8"))
    assert [name for name, cut in names if (name if cut else f"{name}\n") not in functions_of_tests()] == []


def slugs(page: Path) -> set[str]:
    """Return the anchors of the headings of a page."""
    content = reference().fill(page.read_text(encoding="utf-8"))
    heads = re.findall(r"^#+ (.+)$", FENCE.sub("", content), flags=re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", head.lower()).strip().replace(" ", "-") for head in heads}


@pytest.mark.parametrize("page", PAGES, ids=page_id)
def test_every_link_leads_somewhere(page: Path) -> None:
    content = re.sub(r"`[^`\n]*`", "", FENCE.sub("", page.read_text(encoding="utf-8")))
    dead = []
    for link in re.findall(r"\]\(([^)\s]+)\)", content):
        file, _, anchor = link.partition("#")
        if "://" in link:
            continue
        target = (page.parent / file).resolve() if file else page
        if not target.exists() or (anchor and target.suffix == ".md" and anchor not in slugs(target)):
            dead.append(link)
    assert dead == []


@pytest.mark.parametrize("page", PAGES, ids=page_id)
def test_every_python_example_parses(page: Path) -> None:
    for example in re.findall(r"^```python\n(.*?)^```$", page.read_text(encoding="utf-8"), re.MULTILINE | re.DOTALL):
        ast.parse(example)


def test_every_page_is_in_a_table_of_contents() -> None:
    listed = {DOCS / "index.md"}
    for page in DOCS.rglob("*.md"):
        for body in re.findall(
            r"^```\{toctree\}\n(.*?)^```$", page.read_text(encoding="utf-8"), re.MULTILINE | re.DOTALL
        ):
            names = [line for line in body.splitlines() if line and not line.startswith(":")]
            listed |= {
                (DOCS / name[1:] if name.startswith("/") else page.parent / name).with_suffix(".md") for name in names
            }
    assert listed == {page for page in PAGES if page not in TOP}


# ---- code


@cache
def definitions(file: Path) -> set[str]:
    """Return the names defined in a module, methods and attributes as `Class.name`."""
    names: set[str] = set()
    for node in ast.parse(file.read_text(encoding="utf-8")).body:
        names |= set(_names(node))
        if isinstance(node, ast.ClassDef):
            names |= {f"{node.name}.{name}" for child in node.body for name in _names(child)}
    return names


def _names(node: ast.stmt) -> list[str]:
    match node:
        case ast.FunctionDef(name=name) | ast.AsyncFunctionDef(name=name) | ast.ClassDef(name=name):
            return [name]
        case ast.Assign(targets=targets):
            return [target.id for target in targets if isinstance(target, ast.Name)]
        case ast.AnnAssign(target=ast.Name(id=name)):
            return [name]
    return []


@pytest.mark.parametrize("page", PAGES, ids=page_id)
def test_a_page_names_existing_code(page: Path) -> None:
    """Code is named as `server/routes/__init__.py: ROUTES`, relative to the package."""
    missing = []
    for path, name in re.findall(r"`([\w/]+\.py): ([\w.]+)`", page.read_text(encoding="utf-8")):
        file = ROOT / "workflow_monitor" / path
        if not file.exists() or name not in definitions(file):
            missing.append(f"{path}: {name}")
    assert missing == []


def test_the_architecture_page_walks_through_three_requests() -> None:
    page = text("docs/architecture.md")
    walks = re.findall(r"^## .*?`(\w+ /\S+)`\n(.*?)(?=^## |\Z)", page, re.MULTILINE | re.DOTALL)
    assert [walk for walk, _ in walks] == ["POST /results", "GET /tile/{id}", "PUT /aoi/{aoi}/retry"]
    for _, steps in walks:
        layers = {path.partition("/")[0] for path in re.findall(r"`([\w/]+\.py): ", steps)}
        assert {"server", "engine", "store"} <= layers


@pytest.mark.parametrize("name", ["docs/reference/vocabulary.md", "docs/how-to/rest.md"])
def test_the_example_of_scenes_is_accepted(name: str) -> None:
    from workflow_monitor.documents.scene_documents import parse_scene

    (example,) = re.findall(
        r"(?:^```json\n|-d ')([\[{]\s*\{?\s*\"source_id\".*?)(?:^```$|'$)", text(name), re.MULTILINE | re.DOTALL
    )
    scenes = json.loads(example)
    for scene in scenes if isinstance(scenes, list) else [scenes]:
        assert parse_scene(scene, "Quickstart").source_id == scene["source_id"]


def test_the_contract_page_names_every_method_of_the_harness() -> None:
    from workflow_monitor.testing import QueueHarness

    page = text("docs/how-to/contract-suites.md")
    assert [
        name
        for name in re.findall(r"also implements `(\w+)`.*`(\w+)`", page)[0]
        if f"def {name}(" not in text("workflow_monitor/queues/interfaces.py")
    ] == []
    assert [name for name in QueueHarness.__abstractmethods__ if f"    def {name}(" not in page] == []


# ---- changelog


def test_the_changelog_begins_with_unreleased_and_then_this_version() -> None:
    first, *released = re.findall(r"^## \[([^]]+)\]", text("CHANGELOG.md"), flags=re.MULTILINE)
    assert first == "Unreleased"
    assert released[:1] in ([], [workflow_monitor.__version__])
