"""The files of docs/deploy are consistent: their options, traits, variables, ports and volumes exist and match.

tests/server/test_hub.py runs a JupyterHub with the configuration of docs/deploy.
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
from workflow_monitor.connection import environment
from workflow_monitor.server import extension

DEPLOY = ROOT / "docs" / "deploy"
PAGES = [ROOT / "docs" / "how-to" / name for name in ("scaling.md", "proxy.md")]
VARIABLES = {
    *(environment.URL, environment.TOKEN, extension.UPSTREAM_VARIABLE, extension.UPSTREAM_TOKEN_VARIABLE),
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
    [command] = re.findall(r"^CMD (\[.*\])$", (DEPLOY / "Dockerfile").read_text(), flags=re.MULTILINE)
    yield yaml.safe_load(command)
    for page in PAGES:
        for line in re.findall(r"^workflow-monitor serve.*$", page.read_text(), flags=re.MULTILINE):
            yield line.partition(" #")[0].split()


@pytest.mark.parametrize("command", [*commands()], ids=" ".join)
def test_commands_have_existing_options_and_traits(command: list[str], tmp_path: Path) -> None:
    assert command[:2] == ["workflow-monitor", "serve"]
    token = tmp_path / "token"
    token.touch()
    arguments = [re.sub(r"^(--token-file=)?/run/secrets/.*", rf"\g<1>{token}", part) for part in command[2:]]
    serve = typer.main.get_command(app).commands["serve"]  # type: ignore[attr-defined]
    with serve.make_context("serve", arguments) as context:
        for argument in context.args:
            match = re.fullmatch(r"--WorkflowMonitor\.(\w+)=.+", argument)
            assert match, argument
            assert match[1] in extension.WorkflowMonitor.class_own_traits(config=True)
        assert context.params["port"] in {None, 8080}


@pytest.mark.parametrize("file", [*DEPLOY.iterdir(), *PAGES], ids=lambda file: file.name)
def test_variables_exist(file: Path) -> None:
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
