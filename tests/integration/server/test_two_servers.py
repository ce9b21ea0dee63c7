"""Two Jupyter servers over one PostgreSQL with 64 clients: linearizable against the reference model."""

from __future__ import annotations

import json
import random
import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass, field
from itertools import groupby
from typing import Any

import httpx
import pytest

from tests.engine_harness import Running, differences, document_of, running_on_store, snapshot_of
from tests.reference_model import Answer, Link, Model, ModelResult, NewScene
from tests.server_process import TOKEN, LiveServer, live_server
from workflow_monitor.domain.models import Event
from workflow_monitor.domain.status import Cause, ItemKind, Status
from workflow_monitor.store import open_store

CLIENTS = 64
COMMANDS = 24
AOIS = ("Denmark", "Norge")
PLACES = ("T32UNG", "T33VUE")
RESULTS = [Status.DONE] * 6 + [Status.RETRY] * 2 + [Status.FAILED]


@dataclass
class SharedItems:
    """Scenes and ids that the clients have created, shared by all clients."""

    scenes: dict[str, list[str]] = field(default_factory=lambda: {aoi: [] for aoi in AOIS})
    ids: dict[ItemKind, list[int]] = field(default_factory=lambda: {kind: [] for kind in ItemKind})


@dataclass
class Command:
    """Response to a command of a client, and the same command for the model."""

    response: httpx.Response
    carry_out: Callable[[Model], object]


class Client:
    """Sends random commands to randomly chosen servers."""

    def __init__(self, name: str, servers: list[LiveServer], items: SharedItems) -> None:
        self.chance = random.Random(name)
        self.name = name
        self.servers = servers
        self.items = items
        #: By actor, which is unique for each command.
        self.commands: dict[str, Command] = {}

    def run(self) -> None:
        with httpx.Client(timeout=120, trust_env=False, headers={"Authorization": f"token {TOKEN}"}) as http:
            self.http = http
            for number in range(COMMANDS):
                actor = f"{self.name}.{number}"
                step = self.chance.choice(
                    [self._ingest, self._report, self._report, self._report, self._repair, self._work]
                )
                step(actor)

    def _send(self, actor: str, method: str, path: str, body: object = None) -> httpx.Response:
        url = f"{self.chance.choice(self.servers).url}/{path}"
        response = self.http.request(method, url, json=body, headers={"X-Workflow-Monitor-Actor": actor})
        assert response.status_code < 500, response.text
        return response

    def _item(self) -> tuple[ItemKind, int]:
        kind = self.chance.choice(list(ItemKind))
        ids = self.items.ids[kind]
        # Mostly recent items, so that clients compete for them.
        return kind, self.chance.choice(ids[-30:] if self.chance.random() < 0.7 else ids) if ids else 1

    def _ingest(self, actor: str) -> None:
        aoi = self.chance.choice(AOIS)
        previous = self.chance.choice(self.items.scenes[aoi][-5:] or [""])
        # Some names are used by several clients.
        name = actor if self.chance.random() < 0.8 else f"shared {self.chance.randrange(40)}"
        scene = NewScene(name, 1, {place: (Link(previous, place),) * 2 if previous else None for place in PLACES})
        response = self._send(actor, "POST", f"aoi/{aoi}/scene", document_of(aoi, scene))
        self.commands[actor] = Command(response, lambda model: model.ingest(aoi, [scene]))
        if response.status_code != 200:
            return
        number = response.json()["id"]
        # Every server returns the scene as soon as its id is known.
        for server in self.servers:
            assert self.http.get(f"{server.url}/scene/{number}").json()["source_id"] == name
        tiles = self._send(actor, "GET", f"scene/{number}/tiles").json()
        self.items.ids[ItemKind.SCENE].append(number)
        self.items.ids[ItemKind.TILE] += [tile["id"] for tile in tiles]
        self.items.scenes[aoi].append(name)

    def _report(self, actor: str) -> None:
        results = []
        for _ in range(self.chance.randint(1, 5)):
            kind, number = self._item()
            results.append(ModelResult(kind, number, self.chance.choice(RESULTS), f"reported by {actor}", None))
        self._send_results(actor, results)

    def _send_results(self, actor: str, results: list[ModelResult]) -> None:
        body = [{"type": r.kind, "id": r.id, "status": r.status, "message": r.message} for r in results]
        if results[0].attempt is not None:
            body = [{**one, "attempt": result.attempt} for one, result in zip(body, results, strict=True)]
        self.commands[actor] = Command(self._send(actor, "POST", "results", body), lambda model: model.report(results))

    def _repair(self, actor: str) -> None:
        kind, number = self._item()
        status = self.chance.choice(list(Status))
        verbs: list[tuple[str, Callable[[Model], object]]] = [
            ("retry", lambda model: model.retry(kind, number)),
            ("fail", lambda model: model.fail(kind, number)),
            (f"force/{status}", lambda model: model.force(kind, number, status)),
        ]
        verb, carry_out = self.chance.choice(verbs)
        self.commands[actor] = Command(self._send(actor, "PUT", f"{kind}/{number}/{verb}"), carry_out)

    def _work(self, actor: str) -> None:
        queue, kind = self.chance.choice([("downloader", ItemKind.SCENE), ("processor", ItemKind.TILE)])
        body = {"max": 3, "seconds": 600, "worker": actor}
        jobs = self._send(f"{actor} leases", "POST", f"jobs/{queue}/lease", body).json()["jobs"]
        if jobs:
            results = [ModelResult(kind, job["payload"]["id"], Status.DONE, "", job["attempt"]) for job in jobs]
            self._send_results(actor, results)
            self.leases = [job["lease"] for job in jobs]


class Follower:
    """Thread that reads the stream of events of a server from its beginning."""

    def __init__(self, server: LiveServer) -> None:
        self.server = server
        self.events: list[dict[str, Any]] = []
        self.thread = threading.Thread(target=self._run, daemon=True)
        self.thread.start()

    def _run(self) -> None:
        headers = {"Authorization": f"token {TOKEN}", "Last-Event-ID": "0"}
        with httpx.stream(
            "GET", f"{self.server.url}/events", headers=headers, timeout=120, trust_env=False
        ) as response:
            for line in response.iter_lines():
                if line.startswith("data: "):
                    self.events.append(json.loads(line[6:]))
                    if self.events[-1].get("who") == "the last":
                        return


@pytest.fixture
def servers(postgres_url: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[list[LiveServer]]:
    with ExitStack() as stack:
        folders = [tmp_path_factory.mktemp("server") for _ in range(2)]
        yield [stack.enter_context(live_server(folder, store_url=postgres_url)) for folder in folders]


@pytest.fixture
def engine(postgres_url: str) -> Iterator[Running]:
    """A third engine over the same database."""
    with running_on_store(open_store(postgres_url)) as engine:
        yield engine


def send(server: LiveServer, method: str, path: str, actor: str) -> None:
    headers = {"Authorization": f"token {TOKEN}", "X-Workflow-Monitor-Actor": actor}
    httpx.request(method, f"{server.url}/{path}", headers=headers, timeout=60, trust_env=False).raise_for_status()


def test_concurrent_commands_are_equivalent_to_a_sequence(servers: list[LiveServer], engine: Running) -> None:
    for server, aoi in zip(servers, AOIS, strict=True):
        send(server, "POST", f"aoi/{aoi}", "the first")
    followers = [Follower(server) for server in servers]
    items = SharedItems()
    clients = [Client(f"c{number}", servers, items) for number in range(CLIENTS)]
    run_all([client.run for client in clients])
    send(servers[0], "POST", "aoi/Last", "the last")
    commands = {actor: command for client in clients for actor, command in client.commands.items()}
    events = engine.events()
    check_log(events)
    check_against_model(engine, events, commands)
    for follower in followers:
        follower.thread.join(60)
        assert [event["seq"] for event in follower.events] == [event.seq for event in events]


def run_all(functions: list[Callable[[], None]]) -> None:
    """Run the functions concurrently, and raise the first error."""
    errors: list[BaseException] = []

    def run(function: Callable[[], None]) -> None:
        try:
            function()
        except BaseException as error:  # noqa: BLE001 - raised below
            errors.append(error)

    threads = [threading.Thread(target=run, args=[function]) for function in functions]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    if errors:
        raise errors[0]


def check_log(events: list[Event]) -> None:
    """Check that sequence numbers are complete, transitions continue from the last status, and commands are atomic."""
    assert [event.seq for event in events] == list(range(1, len(events) + 1))
    last: dict[tuple[str, int], Status | None] = {}
    for event in events:
        assert event.before == last.get((event.type, event.id)), event
        last[event.type, event.id] = event.after
    runs = [actor for actor, _ in groupby(event.actor for event in events if event.type != "aoi")]
    assert len(runs) == len(set(runs))


def check_against_model(engine: Running, events: list[Event], commands: dict[str, Command]) -> None:
    """Check that the model, in the order of the log, returns the same responses and ends in the same state."""
    model = Model()
    for aoi in (*AOIS, "Last"):
        model.create(aoi)
    # the model has no leases, which change no state
    changes = [event for event in events if event.type != "aoi" and event.cause is not Cause.LEASED]
    order = [actor for actor, _ in groupby(event.actor for event in changes)]
    for actor in order:
        response = commands[actor].response
        assert response.status_code == 200, f"{actor}: {response.text}"
        expected = commands[actor].carry_out(model)
        if isinstance(expected, list) and expected and isinstance(expected[0], Answer):
            outcomes = [(result["outcome"], result["status"]) for result in response.json()["results"]]
            assert outcomes == [(result.outcome, result.status) for result in expected], actor
        elif isinstance(expected, list):
            assert response.json()["id"] == expected[0], actor
    changed = set(order)
    for actor, command in commands.items():
        if actor not in changed and command.response.status_code == 200:
            # Items forced to their current status, and results without an effect, log no event.
            assert "applied" not in [result["outcome"] for result in command.response.json()["results"]], actor
    # The log does not contain leases.
    states = [state._replace(untaken=set(), leased=set()) for state in (engine.snapshot(), snapshot_of(model))]
    assert differences(*states) == []
    assert len(order) > CLIENTS * COMMANDS / 4
