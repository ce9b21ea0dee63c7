"""README says what is there, all of it, and nothing else."""

from __future__ import annotations

import re
from dataclasses import fields

import pytest

from tests.paths import ROOT
from workflow_monitor import __version__
from workflow_monitor.domain.status import Status

README = (ROOT / "README.md").read_text(encoding="utf-8")


def normal(path: str) -> str:
    """A path with its parameters unnamed, and without the slash at the end."""
    return re.sub(r"\{[^}]*\}", "{}", path).rstrip("/") or "/"


def test_the_table_of_routes_is_the_routes() -> None:
    from workflow_monitor.server.routes import ROUTES

    served = {(verb.upper(), normal(route.path)) for route in ROUTES for verb in route.operations}
    rows = re.findall(r"`(GET|POST|PUT|PATCH|DELETE) (/[^`?]*?)(?:\?[^`]*)?`", README)
    written = {(verb, normal(path)) for verb, path in rows}
    assert written == served


def test_every_trait_is_in_the_table_of_traits_with_its_help() -> None:
    from workflow_monitor.server.extension import WorkflowMonitor

    traits = WorkflowMonitor.class_own_traits(config=True)
    written = set(re.findall(r"^\| `(\w+)` \|", README, flags=re.MULTILINE))
    assert set(traits) <= written, "traits that README does not tell of"
    assert [name for name, trait in traits.items() if not trait.help] == [], "traits without help"


def test_every_option_of_pgqueue_is_in_its_table_with_what_it_is_without() -> None:
    from workflow_monitor.queues.pgqueue import Options

    page = (ROOT / "docs" / "postgresql.md").read_text(encoding="utf-8")
    written = dict(re.findall(r"^\| `(\w+)` \| `?([^`|]+?)`? \|", page, flags=re.MULTILINE))
    assert written == {each.name: str(each.default) for each in fields(Options)}


@pytest.mark.parametrize("status", Status)
def test_every_status_is_explained(status: Status) -> None:
    assert f"`{status.value}`" in README


def test_every_make_target_that_is_named_exists() -> None:
    targets = set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(encoding="utf-8"), flags=re.MULTILINE))
    named = set(re.findall(r"(?:`|^)make ([a-z-]+)", README, flags=re.MULTILINE))
    assert {"demo", "test"} <= named <= targets


def test_every_link_into_the_repository_leads_somewhere() -> None:
    links = [link for link in re.findall(r"\]\(([^)#]+)[^)]*\)", README) if "://" not in link]
    assert [link for link in links if not (ROOT / link).exists()] == []


def test_the_changelog_begins_with_what_is_unreleased_and_then_this_version() -> None:
    changelog = (ROOT / "CHANGELOG.md").read_text(encoding="utf-8")
    first, *released = re.findall(r"^## \[([^]]+)\]", changelog, flags=re.MULTILINE)
    assert first == "Unreleased"
    assert released[:1] in ([], [__version__])
