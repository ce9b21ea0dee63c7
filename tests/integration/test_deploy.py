"""What docs/deploy gives to readers is what is there: its files are read, and what they name exists.

tests/server/test_hub.py runs a JupyterHub with the configuration that stands there.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import typer
import yaml

from tests.paths import ROOT
from workflow_monitor.cli import app
from workflow_monitor.client import discovery
from workflow_monitor.server import extension

DEPLOY = ROOT / "docs" / "deploy"
VARIABLES = {
    *(discovery.URL, discovery.TOKEN, extension.UPSTREAM_VARIABLE, extension.UPSTREAM_TOKEN_VARIABLE),
    *(extension.WORKER_TOKEN_VARIABLE,),
}


def parts(name: str) -> list[dict[str, Any]]:
    return [part for part in yaml.safe_load_all((DEPLOY / name).read_text()) if part]


COMPOSE = parts("compose.yaml")[0]
STATEFUL, SERVICE = parts("kubernetes.yaml")
[CONTAINER] = STATEFUL["spec"]["template"]["spec"]["containers"]


def commands() -> Iterator[list[str]]:
    yield COMPOSE["services"]["workflow"]["command"]
    yield CONTAINER["command"]
    [told] = re.findall(r"^CMD (\[.*\])$", (DEPLOY / "Dockerfile").read_text(), flags=re.MULTILINE)
    yield yaml.safe_load(told)
    pages = (ROOT / "README.md", ROOT / "docs" / "scaling.md")
    for page in pages:
        for line in re.findall(r"^workflow-monitor serve.*$", page.read_text(), flags=re.MULTILINE):
            yield line.partition(" #")[0].split()


@pytest.mark.parametrize("command", [*commands()], ids=" ".join)
def test_commands_have_options_and_traits_that_there_are(command: list[str], tmp_path: Path) -> None:
    assert command[:2] == ["workflow-monitor", "serve"]
    token = tmp_path / "token"
    token.touch()
    arguments = [re.sub(r"^(--token-file=)?/run/secrets/.*", rf"\g<1>{token}", part) for part in command[2:]]
    serve = typer.main.get_command(app).commands["serve"]  # type: ignore[attr-defined]
    with serve.make_context("serve", arguments) as context:
        for further in context.args:
            found = re.fullmatch(r"--WorkflowMonitor\.(\w+)=.+", further)
            assert found, further
            assert found[1] in extension.WorkflowMonitor.class_own_traits(config=True)
        assert context.params["port"] in {None, 8080}


@pytest.mark.parametrize("file", [*DEPLOY.iterdir(), ROOT / "docs" / "scaling.md"], ids=lambda file: file.name)
def test_variables_are_those_that_are_read(file: Path) -> None:
    assert set(re.findall(r"WORKFLOW_MONITOR_[A-Z_]+", file.read_text())) <= VARIABLES


def test_ports_names_and_disks_belong_together() -> None:
    assert SERVICE["spec"]["selector"] == STATEFUL["spec"]["template"]["metadata"]["labels"]
    assert SERVICE["metadata"]["name"] == STATEFUL["spec"]["serviceName"]
    [port] = CONTAINER["ports"]
    assert SERVICE["spec"]["ports"] == [{"name": "http", "port": 8080, "targetPort": port["name"]}]
    [claim] = STATEFUL["spec"]["volumeClaimTemplates"]
    [mount] = CONTAINER["volumeMounts"]
    assert claim["metadata"]["name"] == mount["name"]
    store = next(part for part in CONTAINER["command"] if part.startswith("--store="))
    assert store.startswith(f"--store=duckdb:///{mount['mountPath']}/")
    # The file has one owner.
    assert STATEFUL["spec"]["replicas"] == 1


def test_services_of_the_compose_file_belong_together() -> None:
    workflow, jupyter = (COMPOSE["services"][name] for name in ("workflow", "jupyter"))
    assert jupyter["environment"]["WORKFLOW_MONITOR_UPSTREAM"] == "http://workflow:8080/"
    assert workflow["expose"] == ["8080"]
    assert set(jupyter["depends_on"]) == {"workflow"}
    assert set(workflow["secrets"]) == set(jupyter["secrets"]) == set(COMPOSE["secrets"])
    assert {volume.partition(":")[0] for volume in workflow["volumes"]} == set(COMPOSE["volumes"])
    for service in (workflow, jupyter):
        assert (DEPLOY / service["build"]["context"]).resolve() == ROOT
        assert (ROOT / service["build"]["dockerfile"]).exists()


def test_every_link_of_the_page_leads_somewhere() -> None:
    page = (ROOT / "docs" / "scaling.md").read_text()
    links = re.findall(r"\]\(([^)]+)\)", page)
    assert [
        link for link in links if "://" not in link and "#" not in link and not (ROOT / "docs" / link).exists()
    ] == []
    heads = {
        re.sub(r"[^a-z -]", "", head.lower()).replace(" ", "-") for head in re.findall(r"^#+ (.+)$", page, re.MULTILINE)
    }
    assert {link.removeprefix("#") for link in links if link.startswith("#")} <= heads
