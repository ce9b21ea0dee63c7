"""Two Jupyter servers over one PostgreSQL, under 64 clients: as if one of them had done everything, one by one."""

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
from workflow_monitor.domain.status import ItemKind, Status
from workflow_monitor.store import open_store

CLIENTS = 64
COMMANDS = 24
AOIS = ("Denmark", "Norge")
PLACES = ("T32UNG", "T33VUE")
RESULTS = [Status.DONE] * 6 + [Status.RETRY] * 2 + [Status.FAILED]


@dataclass
class Known:
    """What clients have heard of, all of them of the same."""

    scenes: dict[str, list[str]] = field(default_factory=lambda: {aoi: [] for aoi in AOIS})
    ids: dict[ItemKind, list[int]] = field(default_factory=lambda: {kind: [] for kind in ItemKind})


@dataclass
class Command:
    """What a client asked for, what came of it, and how the model does the same."""

    answer: httpx.Response
    carry_out: Callable[[Model], object]


class Client:
    """Asks the servers in turn for whatever comes to its mind."""

    def __init__(self, name: str, servers: list[LiveServer], known: Known) -> None:
        self.chance = random.Random(name)
        self.name = name
        self.servers = servers
        self.known = known
        #: by who asked, which is different each time
        self.commands: dict[str, Command] = {}

    def run(self) -> None:
        with httpx.Client(timeout=120, trust_env=False, headers={"Authorization": f"token {TOKEN}"}) as http:
            self.http = http
            for number in range(COMMANDS):
                who = f"{self.name}.{number}"
                step = self.chance.choice(
                    [self._ingest, self._report, self._report, self._report, self._repair, self._work]
                )
                step(who)

    def _ask(self, who: str, method: str, path: str, body: object = None) -> httpx.Response:
        url = f"{self.chance.choice(self.servers).url}/{path}"
        answer = self.http.request(method, url, json=body, headers={"X-Workflow-Monitor-Actor": who})
        assert answer.status_code < 500, answer.text
        return answer

    def _item(self) -> tuple[ItemKind, int]:
        kind = self.chance.choice(list(ItemKind))
        ids = self.known.ids[kind]
        # mostly what is new, of which most clients think at once
        return kind, self.chance.choice(ids[-30:] if self.chance.random() < 0.7 else ids) if ids else 1

    def _ingest(self, who: str) -> None:
        aoi = self.chance.choice(AOIS)
        before = self.chance.choice(self.known.scenes[aoi][-5:] or [""])
        # some names are wanted by several clients
        name = who if self.chance.random() < 0.8 else f"shared {self.chance.randrange(40)}"
        scene = NewScene(name, 1, {place: (Link(before, place),) * 2 if before else None for place in PLACES})
        answer = self._ask(who, "POST", f"aoi/{aoi}/scene", document_of(aoi, scene))
        self.commands[who] = Command(answer, lambda model: model.ingest(aoi, [scene]))
        if answer.status_code != 200:
            return
        number = answer.json()["id"]
        # whoever was told of it finds it, on any server
        for server in self.servers:
            assert self.http.get(f"{server.url}/scene/{number}").json()["source_id"] == name
        tiles = self._ask(who, "GET", f"scene/{number}/tiles").json()
        self.known.ids[ItemKind.SCENE].append(number)
        self.known.ids[ItemKind.TILE] += [tile["id"] for tile in tiles]
        self.known.scenes[aoi].append(name)

    def _report(self, who: str) -> None:
        results = []
        for _ in range(self.chance.randint(1, 5)):
            kind, number = self._item()
            results.append(ModelResult(kind, number, self.chance.choice(RESULTS), f"{who} says so", None))
        self._send(who, results)

    def _send(self, who: str, results: list[ModelResult]) -> None:
        body = [{"type": r.kind, "id": r.id, "status": r.status, "message": r.message} for r in results]
        if results[0].attempt is not None:
            body = [{**one, "attempt": result.attempt} for one, result in zip(body, results, strict=True)]
        self.commands[who] = Command(self._ask(who, "POST", "results", body), lambda model: model.report(results))

    def _repair(self, who: str) -> None:
        kind, number = self._item()
        status = self.chance.choice(list(Status))
        verbs: list[tuple[str, Callable[[Model], object]]] = [
            ("retry", lambda model: model.retry(kind, number)),
            ("fail", lambda model: model.fail(kind, number)),
            (f"force/{status}", lambda model: model.force(kind, number, status)),
        ]
        verb, carry_out = self.chance.choice(verbs)
        self.commands[who] = Command(self._ask(who, "PUT", f"{kind}/{number}/{verb}"), carry_out)

    def _work(self, who: str) -> None:
        queue, kind = self.chance.choice([("downloader", ItemKind.SCENE), ("processor", ItemKind.TILE)])
        body = {"max": 3, "seconds": 600, "worker": who}
        jobs = self._ask(f"{who} leases", "POST", f"jobs/{queue}/lease", body).json()["jobs"]
        if jobs:
            results = [ModelResult(kind, job["payload"]["id"], Status.DONE, "", job["attempt"]) for job in jobs]
            self._send(who, results)
            self.leases = [job["lease"] for job in jobs]


class Follower:
    """Reads the stream of events of a server from its beginning."""

    def __init__(self, server: LiveServer) -> None:
        self.server = server
        self.events: list[dict[str, Any]] = []
        self.thread = threading.Thread(target=self._run, daemon=True)
        self.thread.start()

    def _run(self) -> None:
        headers = {"Authorization": f"token {TOKEN}", "Last-Event-ID": "0"}
        with httpx.stream("GET", f"{self.server.url}/events", headers=headers, timeout=120, trust_env=False) as answer:
            for line in answer.iter_lines():
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
    """What a third one finds in the database."""
    with running_on_store(open_store(postgres_url)) as engine:
        yield engine


def ask(server: LiveServer, method: str, path: str, who: str) -> None:
    headers = {"Authorization": f"token {TOKEN}", "X-Workflow-Monitor-Actor": who}
    httpx.request(method, f"{server.url}/{path}", headers=headers, timeout=60, trust_env=False).raise_for_status()


def test_64_clients_of_two_servers_have_what_one_server_would_have_done_one_by_one(
    servers: list[LiveServer], engine: Running
) -> None:
    for server, aoi in zip(servers, AOIS, strict=True):
        ask(server, "POST", f"aoi/{aoi}", "the first")
    followers = [Follower(server) for server in servers]
    known = Known()
    clients = [Client(f"c{number}", servers, known) for number in range(CLIENTS)]
    run_all([client.run for client in clients])
    ask(servers[0], "POST", "aoi/Last", "the last")
    commands = {who: command for client in clients for who, command in client.commands.items()}
    events = engine.events()
    check_log(events)
    check_as_one_by_one(engine, events, commands)
    for follower in followers:
        follower.thread.join(60)
        assert [event["seq"] for event in follower.events] == [event.seq for event in events]


def run_all(functions: list[Callable[[], None]]) -> None:
    """All at once; what goes wrong in one of them goes wrong here."""
    errors: list[BaseException] = []

    def run(function: Callable[[], None]) -> None:
        try:
            function()
        except BaseException as error:  # noqa: BLE001 - it is raised below
            errors.append(error)

    threads = [threading.Thread(target=run, args=[function]) for function in functions]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    if errors:
        raise errors[0]


def check_log(events: list[Event]) -> None:
    """No number is missing or given twice; each item goes on from where it was; each command is done in one go."""
    assert [event.seq for event in events] == list(range(1, len(events) + 1))
    last: dict[tuple[str, int], Status | None] = {}
    for event in events:
        assert event.before == last.get((event.type, event.id)), event
        last[event.type, event.id] = event.after
    runs = [who for who, _ in groupby(event.actor for event in events if event.type != "aoi")]
    assert len(runs) == len(set(runs))


def check_as_one_by_one(engine: Running, events: list[Event], commands: dict[str, Command]) -> None:
    """In the order of the log, the model comes to the same answers and to the same end."""
    model = Model()
    for aoi in (*AOIS, "Last"):
        model.create(aoi)
    order = [who for who, _ in groupby(event.actor for event in events if event.type != "aoi")]
    for who in order:
        answer = commands[who].answer
        assert answer.status_code == 200, f"{who}: {answer.text}"
        wanted = commands[who].carry_out(model)
        if isinstance(wanted, list) and wanted and isinstance(wanted[0], Answer):
            told = [(one["outcome"], one["status"]) for one in answer.json()["results"]]
            assert told == [(one.outcome, one.status) for one in wanted], who
        elif isinstance(wanted, list):
            assert answer.json()["id"] == wanted[0], who
    changed = set(order)
    for who, command in commands.items():
        if who not in changed and command.answer.status_code == 200:
            # forced to the status that it has, or results that changed nothing
            assert "applied" not in [one["outcome"] for one in command.answer.json()["results"]], who
    # who has a lease is not told by the log
    states = [state._replace(untaken=set(), leased=set()) for state in (engine.snapshot(), snapshot_of(model))]
    assert differences(*states) == []
    assert len(order) > CLIENTS * COMMANDS / 4
