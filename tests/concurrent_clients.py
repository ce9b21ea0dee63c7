"""Concurrent clients of one server, or of several with a shared store, at all endpoints, and a record of their commands."""

from __future__ import annotations

import http.client
import json
import random
import threading
import time
from collections import Counter, deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Any, NamedTuple
from urllib.parse import quote, urlsplit

from tests.engine_harness import document_of
from tests.reference_model import PENDING, SCENE, TILE, Answer, Key, Link, Model, ModelResult, NewScene
from workflow_monitor.documents.headers import ACTOR_HEADER
from workflow_monitor.domain.status import QUEUE_KINDS, ItemKind, Status
from workflow_monitor.server.routes import ROUTES

#: the first three are permanent, the others are deleted and created again
AOIS = ("Fyn", "Sjælland", "a/b", "with spaces", "Bornholm")
LASTING = 3
PLACES = ("T32UNG", "T33VUC", "A44_IW1_8951")
ENDPOINTS = [(verb.upper(), route.path) for route in ROUTES for verb in route.operations]
READS = [path for verb, path in ENDPOINTS if verb == "GET" and not path.endswith("/events")]
#: required query strings
QUERIES = {"/aoi/{aoi}/find": "?text=s"}
#: conflicts with other clients, or a missing Graphviz
REFUSALS = {400, 404, 409, 422, 429, 501}
END = "end of the run"
#: seconds of leases that expire during the run
SHORT = 2


class Acknowledged(NamedTuple):
    """Successful command, with the equivalent call of the reference model."""

    #: actor of the events of the command
    actor: str
    text: str
    carry_out: Callable[[Model], object]
    answer: object
    #: True if it must have left an event
    leaves_event: bool


@dataclass
class Crowd:
    """Shared state of all clients, and a record of their responses."""

    urls: Sequence[str]
    token: str
    #: source ids of scenes per AOI; some may have failed or been deleted
    scenes: dict[str, deque[str]] = field(default_factory=lambda: {aoi: deque(maxlen=30) for aoi in AOIS})
    #: recently dispatched or added items
    items: deque[Key] = field(default_factory=lambda: deque([Key(SCENE, 1)], maxlen=400))
    acknowledged: list[Acknowledged] = field(default_factory=list)
    #: leased jobs: queue, job id, item id and attempt
    jobs: list[tuple[str, int, int, int]] = field(default_factory=list)
    statuses: Counter[tuple[str, str, int]] = field(default_factory=Counter)
    failures: list[str] = field(default_factory=list)

    def requested(self) -> set[tuple[str, str]]:
        return {(verb, path) for verb, path, _ in self.statuses}

    def succeeded(self) -> set[tuple[str, str]]:
        return {(verb, path) for verb, path, status in self.statuses if status < 300}


class Connection:
    """HTTP connection to a server; each request names its actor."""

    def __init__(self, url: str, token: str) -> None:
        parts = urlsplit(url)
        self._prefix = parts.path.rstrip("/")
        self._token = token
        self._http = http.client.HTTPConnection(str(parts.hostname), parts.port, timeout=300)

    def ask(self, verb: str, path: str, body: object = None, *, who: str = "") -> tuple[int, Any]:
        """Send a request and return the status with the document or text of the response."""
        answer = self.open(verb, path, body, who=who)
        text = answer.read()
        is_json = answer.headers.get_content_type() in {"application/json", "application/problem+json"}
        return answer.status, json.loads(text) if is_json else text

    def open(self, verb: str, path: str, body: object = None, *, who: str = "") -> http.client.HTTPResponse:
        """Send a request and return the response with an unread body."""
        headers = {"Authorization": f"token {self._token}", "Accept": "application/problem+json", ACTOR_HEADER: who}
        content = b"" if body is None else json.dumps(body).encode()
        self._http.request(verb, self._prefix + path, content, headers)
        return self._http.getresponse()

    def close(self) -> None:
        self._http.close()


class Follower(threading.Thread):
    """Reader of all events of a server until the end of the run."""

    def __init__(self, url: str, token: str) -> None:
        super().__init__(daemon=True)
        self.events: list[dict[str, Any]] = []
        self._connection = Connection(url, token)
        self._answer = self._connection.open("GET", "/events?after=0")
        assert self._answer.status == 200, self._answer.read()

    def run(self) -> None:
        for line in self._answer:
            if line.startswith(b"event: resync"):
                return
            if line.startswith(b"data: "):
                self.events.append(json.loads(line[6:]))
                if self.events[-1]["aoi"] == END:
                    break
        self._connection.close()


@dataclass
class Client:
    """Client that sends random requests over its own connection."""

    crowd: Crowd
    number: int
    chance: random.Random
    done: int = 0

    def __post_init__(self) -> None:
        self.url = self.crowd.urls[self.number % len(self.crowd.urls)]
        self.connection = Connection(self.url, self.crowd.token)
        self.leased: deque[tuple[str, dict[str, Any]]] = deque(maxlen=20)
        self.sent: deque[list[dict[str, Any]]] = deque(maxlen=5)
        self.reads = self.chance.sample(READS, len(READS))

    def run(self, until: float) -> None:
        actions: list[tuple[int, Callable[[], None]]] = [
            (30, self._read),
            (1, self._peek),
            (2, self._create),
            (1, self._delete),
            (6, self._ingest),
            (2, self._ingest_many),
            (20, self._lease),
            (3, self._renew),
            (2, self._renew_many),
            (20, self._report),
            (4, self._report_again),
            (8, self._repair),
            (3, self._set_data),
            (2, self._retry_all),
        ]
        try:
            while time.monotonic() < until or self.done < len(READS):
                self.done += 1
                self.chance.choices([action for _, action in actions], [weight for weight, _ in actions])[0]()
        except Exception as error:  # noqa: BLE001 - the test reports the errors of all threads
            self.crowd.failures.append(f"client {self.number}: {error!r}")
        finally:
            self.connection.close()

    # ---- requests

    def _actor(self) -> str:
        return f"{self.number}-{self.done}"

    def _ask(self, verb: str, path: str, body: object = None, /, **values: object) -> tuple[int, Any]:
        filled = path.format(**{name: quote(str(value), safe="") for name, value in values.items()})
        filled += QUERIES.get(path, "") if verb == "GET" else ""
        status, answer = self.connection.ask(verb, filled, body, who=self._actor())
        self.crowd.statuses[verb, path, status] += 1
        if status >= 300 and status not in REFUSALS:
            self.crowd.failures.append(f"{verb} {filled}: {status} {answer!r}")
        return status, answer

    def _record(
        self, text: str, carry_out: Callable[[Model], object], answer: object = None, *, leaves_event: bool = True
    ) -> None:
        self.crowd.acknowledged.append(Acknowledged(self._actor(), text, carry_out, answer, leaves_event))

    def _aoi(self) -> str:
        return self.chance.choice(AOIS)

    def _item(self, kind: ItemKind | None = None) -> Key:
        keys = [key for key in list(self.crowd.items) if kind in (None, key.kind)]
        return self.chance.choice(keys or [Key(kind or SCENE, 1)])

    # ---- reads

    def _read(self) -> None:
        path = self.reads[self.done % len(self.reads)]
        kind = TILE if path.startswith("/tile") else SCENE
        values = {
            "aoi": self.chance.choice([*AOIS[:LASTING], AOIS[-1], "*"]),
            "id": self._item(kind).id,
            "status": self.chance.choice(list(Status)),
            "queue": self.chance.choice(list(QUEUE_KINDS)),
        }
        parameters = {name: value for name, value in values.items() if f"{{{name}}}" in path}
        self._ask("GET", path, **parameters)

    def _peek(self) -> None:
        """Open an event stream and read its first bytes."""
        path, aoi = self.chance.choice([("/events", ""), ("/aoi/{aoi}/events", AOIS[0])])
        connection = Connection(self.url, self.crowd.token)
        answer = connection.open("GET", path.format(aoi=aoi) + "?after=0")
        self.crowd.statuses["GET", path, answer.status] += 1
        answer.read(10)
        connection.close()

    # ---- AOIs and scenes

    def _create(self) -> None:
        aoi = self._aoi()
        status, _ = self._ask("POST", "/aoi/{aoi}", aoi=aoi)
        if status == 204:
            self._record(f"create {aoi}", partial(Model.create, aoi=aoi))

    def _delete(self) -> None:
        aoi = self.chance.choice(AOIS[LASTING:])
        status, _ = self._ask("DELETE", "/aoi/{aoi}", aoi=aoi)
        if status == 204:
            self._record(f"delete {aoi}", partial(Model.delete, aoi=aoi))

    def _new_scene(self, aoi: str, name: str, before: str | None) -> NewScene:
        places = PLACES[: self.chance.randint(1, len(PLACES))]
        links = {place: None if before is None else (Link(before, place),) * 2 for place in places}
        return NewScene(name, self.chance.choice([0, 1, 2]), links)

    def _before(self, aoi: str) -> str | None:
        names = list(self.crowd.scenes[aoi])
        return self.chance.choice(names[-3:]) if names and self.chance.random() < 0.8 else None

    def _name(self) -> str:
        """Return a source id; three of ten may collide with another client."""
        return f"s{self.chance.randint(1, 500)}" if self.chance.random() < 0.3 else f"S2A_{self._actor()}"

    def _ingest(self) -> None:
        aoi = self._aoi()
        scene = self._new_scene(aoi, self._name(), self._before(aoi))
        status, answer = self._ask("POST", "/aoi/{aoi}/scene", document_of(aoi, scene), aoi=aoi)
        if status == 200:
            self._record(f"ingest {scene}", partial(Model.ingest, aoi=aoi, scenes=[scene]), [answer["id"]])
            self._record_scenes(aoi, [scene], [answer["id"]])

    def _ingest_many(self) -> None:
        """Ingest a chain of scenes in one batch."""
        aoi, before = self._aoi(), self._before(self._aoi())
        scenes: list[NewScene] = []
        for index in range(self.chance.randint(2, 5)):
            scenes.append(self._new_scene(aoi, f"S2B_{self._actor()}_{index}", before))
            before = scenes[-1].name if len(scenes[-1].tiles) == len(PLACES) else None
        status, answer = self._ask("POST", "/aoi/{aoi}/scenes", [document_of(aoi, s) for s in scenes], aoi=aoi)
        if status == 200:
            ids = [answer["ids"][scene.name] for scene in scenes]
            self._record(f"ingest {scenes}", partial(Model.ingest, aoi=aoi, scenes=scenes), ids)
            self._record_scenes(aoi, scenes, ids)

    def _record_scenes(self, aoi: str, scenes: Sequence[NewScene], ids: Sequence[int]) -> None:
        for scene, scene_id in zip(scenes, ids, strict=True):
            self.crowd.items.append(Key(SCENE, scene_id))
            if len(scene.tiles) == len(PLACES):
                self.crowd.scenes[aoi].append(scene.name)

    # ---- jobs

    def _lease(self) -> None:
        queue = self.chance.choice(list(QUEUE_KINDS))
        request = {
            "max": self.chance.randint(1, 5),
            "seconds": self.chance.choice([1, SHORT, 36_000]),
            "worker": self._actor(),
        }
        status, answer = self._ask("POST", "/jobs/{queue}/lease", request, queue=queue)
        for job in answer["jobs"] if status == 200 else ():
            self.leased.append((queue, job))
            self.crowd.items.append(Key(QUEUE_KINDS[queue], job["payload"]["id"]))
            self.crowd.jobs.append((queue, job["id"], job["payload"]["id"], job["attempt"]))

    def _renew(self) -> None:
        queue, lease = "processor", "none"
        if self.leased:
            queue, lease = self.leased[-1][0], self.leased[-1][1]["lease"]
        self._ask("PUT", "/jobs/{queue}/lease/{lease}", {"seconds": 1}, queue=queue, lease=lease)

    def _renew_many(self) -> None:
        """Renew all own leases of a queue."""
        queue = self.chance.choice(list(QUEUE_KINDS))
        leases = [job["lease"] for of, job in self.leased if of == queue]
        self._ask("PUT", "/jobs/{queue}/lease", {"leases": leases, "seconds": 1}, queue=queue)

    def _result(self) -> dict[str, Any]:
        """Return a result for a leased job, or for a random item that may be leased by another client."""
        status = self.chance.choice(["DONE"] * 6 + ["RETRY"] * 2 + ["FAILED"])
        if self.leased and self.chance.random() < 0.9:
            queue, job = self.leased.popleft() if self.chance.random() < 0.5 else self.leased.pop()
            key, attempt = Key(QUEUE_KINDS[queue], job["payload"]["id"]), job["attempt"]
        else:
            key, attempt = self._item(), None
        result = {"type": key.kind, "id": key.id, "status": status, "message": f'{status} by "{self._actor()}"\n'}
        return result if attempt is None else result | {"attempt": attempt}

    def _report(self) -> None:
        self._send([self._result() for _ in range(self.chance.randint(1, 4))])

    def _report_again(self) -> None:
        """Repeat an earlier report; other clients may have leased the items since."""
        if self.sent:
            self._send(self.chance.choice(self.sent))

    def _send(self, results: list[dict[str, Any]]) -> None:
        self.sent.append(results)
        status, answer = self._ask("POST", "/results", results)
        if status == 200:
            reported = [
                ModelResult(ItemKind(r["type"]), r["id"], Status(r["status"]), r["message"], r.get("attempt"))
                for r in results
            ]
            outcomes = [Answer(r["outcome"], Status(r["status"]) if r["status"] else None) for r in answer["results"]]
            changes = any(one.outcome == "applied" for one in outcomes)
            self._record(f"report {reported}", partial(Model.report, results=reported), outcomes, leaves_event=changes)

    # ---- repairs

    def _repair(self) -> None:
        kind, item_id = self._item()
        verb = self.chance.choice(["retry", "retry", "fail", "fail/force", "force/{status}", "force/{status}"])
        target = self.chance.choice([s for s in Status if s is not PENDING or self.chance.random() < 0.5])
        values: dict[str, object] = {"status": target} if "{" in verb else {}
        status, _ = self._ask("PUT", f"/{kind}/{{id}}/{verb}", id=item_id, **values)
        carry_out: Callable[[Model], object]
        if verb == "retry":
            carry_out = partial(Model.retry, kind=kind, item_id=item_id)
        elif values:
            carry_out = partial(Model.force, kind=kind, item_id=item_id, status=target)
        else:
            carry_out = partial(Model.fail, kind=kind, item_id=item_id, force=verb == "fail/force")
        if status < 300:
            # Forcing the current status leaves no event.
            self._record(f"{verb} {values} {kind} {item_id}", carry_out, leaves_event=verb in {"retry", "fail"})

    def _set_data(self) -> None:
        kind, item_id = self._item(self.chance.choice(list(ItemKind)))
        verb, body = self.chance.choice(["PUT", "PATCH"]), {"graph_name": self._actor()}
        if kind is SCENE and verb == "PUT":
            status, scene = self._ask("GET", "/scene/{id}", id=item_id)
            body = scene["data"] if status == 200 else body
        status, _ = self._ask(verb, f"/{kind}/{{id}}/data", body, id=item_id)
        if status < 300:
            self._record(f"data of {kind} {item_id}", lambda _: None)

    def _retry_all(self) -> None:
        aoi, force = self.chance.choice([*AOIS, "*o*"]), self.chance.random() < 0.2
        status, answer = self._ask("PUT", f"/aoi/{{aoi}}/retry{'/force' if force else ''}", aoi=aoi)
        if status == 200:
            counts = answer["Scenes"], answer["Tiles"]
            self._record(f"retry all of {aoi}", partial(Model.retry_aoi, pattern=aoi, force=force), counts)


def run_clients(
    urls: Sequence[str], token: str, *, clients: int, seconds: float, seed: str
) -> tuple[Crowd, list[Follower]]:
    """Run `clients` clients for `seconds` seconds, spread over the servers, and one follower of the events of each server.

    Return the record of the clients, and the followers with all events.
    """
    crowd = Crowd(urls, token)
    followers = [Follower(url, token) for url in urls]
    until = time.monotonic() + seconds
    members = [Client(crowd, number, random.Random(f"{seed}.{number}")) for number in range(clients)]
    threads = [*followers, *(threading.Thread(target=one.run, args=(until,), daemon=True) for one in members)]
    for thread in threads:
        thread.start()
    for thread in threads[len(followers) :]:
        thread.join(seconds + 600)
        assert not thread.is_alive(), "a client waits for a response"
    time.sleep(SHORT + 1)  # until the short leases have expired
    last = Connection(urls[0], token)
    status, backup = last.ask("POST", "/backups")
    crowd.statuses["POST", "/backups", status] += 1
    assert status in {201, 409}, backup
    assert last.ask("POST", f"/aoi/{quote(END)}", who="last")[0] == 204
    last.close()
    crowd.acknowledged.append(Acknowledged("last", "end", partial(Model.create, aoi=END), None, leaves_event=True))
    for follower in followers:
        follower.join(300)
        assert not follower.is_alive(), "an event did not arrive"
    return crowd, followers
