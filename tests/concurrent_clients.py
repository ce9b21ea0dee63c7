"""Clients who use a server, or several that share a store, all at once and in every way, and what came of it."""

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

#: the first are there all the time; the last come and go
AOIS = ("Fyn", "Sjælland", "a/b", "come and go", "Bornholm")
LASTING = 3
PLACES = ("T32UNG", "T33VUC", "A44_IW1_8951")
ENDPOINTS = [(verb.upper(), route.path) for route in ROUTES for verb in route.operations]
READS = [path for verb, path in ENDPOINTS if verb == "GET" and not path.endswith("/events")]
#: what a path needs so that there is something to answer
QUERIES = {"/aoi/{aoi}/find": "?text=s"}
#: refused because of what others did meanwhile, or for want of Graphviz
REFUSALS = {400, 404, 409, 422, 429, 501}
END = "all have gone"
#: seconds of leases that run out while others go on
SHORT = 2


class Acknowledged(NamedTuple):
    """A command that was answered with success: what the model has to make of it."""

    who: str
    text: str
    carry_out: Callable[[Model], object]
    answer: object
    #: whether it must have changed something
    leaves_event: bool


@dataclass
class Crowd:
    """What all the clients know and were told."""

    urls: Sequence[str]
    token: str
    #: scenes in AOIs, with their places; some may have failed or gone
    scenes: dict[str, deque[str]] = field(default_factory=lambda: {aoi: deque(maxlen=30) for aoi in AOIS})
    #: what was handed out or added last
    items: deque[Key] = field(default_factory=lambda: deque([Key(SCENE, 1)], maxlen=400))
    acknowledged: list[Acknowledged] = field(default_factory=list)
    #: the jobs that were taken: their numbers, and what they are about
    jobs: list[tuple[str, int, int, int]] = field(default_factory=list)
    statuses: Counter[tuple[str, str, int]] = field(default_factory=Counter)
    failures: list[str] = field(default_factory=list)

    def asked(self) -> set[tuple[str, str]]:
        return {(verb, path) for verb, path, _ in self.statuses}

    def succeeded(self) -> set[tuple[str, str]]:
        return {(verb, path) for verb, path, status in self.statuses if status < 300}


class Connection:
    """One to a server; whoever uses it says who it is."""

    def __init__(self, url: str, token: str) -> None:
        parts = urlsplit(url)
        self._prefix = parts.path.rstrip("/")
        self._token = token
        self._http = http.client.HTTPConnection(str(parts.hostname), parts.port, timeout=120)

    def ask(self, verb: str, path: str, body: object = None, *, who: str = "") -> tuple[int, Any]:
        """The status and the document, or text, that is answered."""
        answer = self.open(verb, path, body, who=who)
        text = answer.read()
        is_json = answer.headers.get_content_type() in {"application/json", "application/problem+json"}
        return answer.status, json.loads(text) if is_json else text

    def open(self, verb: str, path: str, body: object = None, *, who: str = "") -> http.client.HTTPResponse:
        """The answer, of which only the head has been read."""
        headers = {"Authorization": f"token {self._token}", ACTOR_HEADER: who}
        content = b"" if body is None else json.dumps(body).encode()
        self._http.request(verb, self._prefix + path, content, headers)
        return self._http.getresponse()

    def close(self) -> None:
        self._http.close()


class Follower(threading.Thread):
    """Follows all events of a server until the crowd has gone."""

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
    """One of the crowd, which does what chance tells it, over a connection of its own."""

    crowd: Crowd
    number: int
    chance: random.Random
    done: int = 0

    def __post_init__(self) -> None:
        self.url = self.crowd.urls[self.number % len(self.crowd.urls)]
        self.connection = Connection(self.url, self.crowd.token)
        self.hands: deque[tuple[str, dict[str, Any]]] = deque(maxlen=20)
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
        except Exception as error:  # noqa: BLE001 - whatever it is, the test has to tell
            self.crowd.failures.append(f"client {self.number}: {error!r}")
        finally:
            self.connection.close()

    # ---- asking

    def _who(self) -> str:
        return f"{self.number}-{self.done}"

    def _ask(self, verb: str, path: str, body: object = None, /, **values: object) -> tuple[int, Any]:
        filled = path.format(**{name: quote(str(value), safe="") for name, value in values.items()})
        filled += QUERIES.get(path, "") if verb == "GET" else ""
        status, answer = self.connection.ask(verb, filled, body, who=self._who())
        self.crowd.statuses[verb, path, status] += 1
        if status >= 300 and status not in REFUSALS:
            self.crowd.failures.append(f"{verb} {filled}: {status} {answer!r}")
        return status, answer

    def _note(
        self, text: str, carry_out: Callable[[Model], object], answer: object = None, *, leaves_event: bool = True
    ) -> None:
        self.crowd.acknowledged.append(Acknowledged(self._who(), text, carry_out, answer, leaves_event))

    def _aoi(self) -> str:
        return self.chance.choice(AOIS)

    def _item(self, kind: ItemKind | None = None) -> Key:
        known = [key for key in list(self.crowd.items) if kind in (None, key.kind)]
        return self.chance.choice(known or [Key(kind or SCENE, 1)])

    # ---- looking

    def _read(self) -> None:
        path = self.reads[self.done % len(self.reads)]
        kind = TILE if path.startswith("/tile") else SCENE
        values = {
            "aoi": self.chance.choice([*AOIS[:LASTING], AOIS[-1], "*"]),
            "id": self._item(kind).id,
            "status": self.chance.choice(list(Status)),
            "queue": self.chance.choice(list(QUEUE_KINDS)),
        }
        wanted = {name: value for name, value in values.items() if f"{{{name}}}" in path}
        self._ask("GET", path, **wanted)

    def _peek(self) -> None:
        """The beginning of a stream of events."""
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
            self._note(f"create {aoi}", partial(Model.create, aoi=aoi))

    def _delete(self) -> None:
        aoi = self.chance.choice(AOIS[LASTING:])
        status, _ = self._ask("DELETE", "/aoi/{aoi}", aoi=aoi)
        if status == 204:
            self._note(f"delete {aoi}", partial(Model.delete, aoi=aoi))

    def _new_scene(self, aoi: str, name: str, before: str | None) -> NewScene:
        places = PLACES[: self.chance.randint(1, len(PLACES))]
        links = {place: None if before is None else (Link(before, place),) * 2 for place in places}
        return NewScene(name, self.chance.choice([0, 1, 2]), links)

    def _before(self, aoi: str) -> str | None:
        known = list(self.crowd.scenes[aoi])
        return self.chance.choice(known[-3:]) if known and self.chance.random() < 0.8 else None

    def _name(self) -> str:
        """Others may have the same."""
        return f"s{self.chance.randint(1, 500)}" if self.chance.random() < 0.3 else f"S2A_{self._who()}"

    def _ingest(self) -> None:
        aoi = self._aoi()
        scene = self._new_scene(aoi, self._name(), self._before(aoi))
        status, answer = self._ask("POST", "/aoi/{aoi}/scene", document_of(aoi, scene), aoi=aoi)
        if status == 200:
            self._note(f"ingest {scene}", partial(Model.ingest, aoi=aoi, scenes=[scene]), [answer["id"]])
            self._have_added(aoi, [scene], [answer["id"]])

    def _ingest_many(self) -> None:
        """A chain."""
        aoi, before = self._aoi(), self._before(self._aoi())
        scenes: list[NewScene] = []
        for index in range(self.chance.randint(2, 5)):
            scenes.append(self._new_scene(aoi, f"S2B_{self._who()}_{index}", before))
            before = scenes[-1].name if len(scenes[-1].tiles) == len(PLACES) else None
        status, answer = self._ask("POST", "/aoi/{aoi}/scenes", [document_of(aoi, s) for s in scenes], aoi=aoi)
        if status == 200:
            ids = [answer["ids"][scene.name] for scene in scenes]
            self._note(f"ingest {scenes}", partial(Model.ingest, aoi=aoi, scenes=scenes), ids)
            self._have_added(aoi, scenes, ids)

    def _have_added(self, aoi: str, scenes: Sequence[NewScene], ids: Sequence[int]) -> None:
        for scene, number in zip(scenes, ids, strict=True):
            self.crowd.items.append(Key(SCENE, number))
            if len(scene.tiles) == len(PLACES):
                self.crowd.scenes[aoi].append(scene.name)

    # ---- work

    def _lease(self) -> None:
        queue = self.chance.choice(list(QUEUE_KINDS))
        wanted = {
            "max": self.chance.randint(1, 5),
            "seconds": self.chance.choice([1, SHORT, 36_000]),
            "worker": self._who(),
        }
        status, answer = self._ask("POST", "/jobs/{queue}/lease", wanted, queue=queue)
        for job in answer["jobs"] if status == 200 else ():
            self.hands.append((queue, job))
            self.crowd.items.append(Key(QUEUE_KINDS[queue], job["payload"]["id"]))
            self.crowd.jobs.append((queue, job["id"], job["payload"]["id"], job["attempt"]))

    def _renew(self) -> None:
        queue, lease = "processor", "none"
        if self.hands:
            queue, lease = self.hands[-1][0], self.hands[-1][1]["lease"]
        self._ask("PUT", "/jobs/{queue}/lease/{lease}", {"seconds": 1}, queue=queue, lease=lease)

    def _renew_many(self) -> None:
        """All that it has in its hands of a queue."""
        queue = self.chance.choice(list(QUEUE_KINDS))
        leases = [job["lease"] for of, job in self.hands if of == queue]
        self._ask("PUT", "/jobs/{queue}/lease", {"leases": leases, "seconds": 1}, queue=queue)

    def _result(self) -> dict[str, Any]:
        """Of what it has taken, or of what somebody else may work on."""
        status = self.chance.choice(["DONE"] * 6 + ["RETRY"] * 2 + ["FAILED"])
        if self.hands and self.chance.random() < 0.9:
            queue, job = self.hands.popleft() if self.chance.random() < 0.5 else self.hands.pop()
            key, attempt = Key(QUEUE_KINDS[queue], job["payload"]["id"]), job["attempt"]
        else:
            key, attempt = self._item(), None
        told = {"type": key.kind, "id": key.id, "status": status, "message": f'{status} by "{self._who()}"\n'}
        return told if attempt is None else told | {"attempt": attempt}

    def _report(self) -> None:
        self._send([self._result() for _ in range(self.chance.randint(1, 4))])

    def _report_again(self) -> None:
        """What was sent before, be it that others have it in their hands now."""
        if self.sent:
            self._send(self.chance.choice(self.sent))

    def _send(self, results: list[dict[str, Any]]) -> None:
        self.sent.append(results)
        status, answer = self._ask("POST", "/results", results)
        if status == 200:
            told = [
                ModelResult(ItemKind(r["type"]), r["id"], Status(r["status"]), r["message"], r.get("attempt"))
                for r in results
            ]
            found = [Answer(r["outcome"], Status(r["status"]) if r["status"] else None) for r in answer["results"]]
            changes = any(one.outcome == "applied" for one in found)
            self._note(f"report {told}", partial(Model.report, results=told), found, leaves_event=changes)

    # ---- repairing

    def _repair(self) -> None:
        kind, number = self._item()
        verb = self.chance.choice(["retry", "retry", "fail", "fail/force", "force/{status}", "force/{status}"])
        wanted = self.chance.choice([s for s in Status if s is not PENDING or self.chance.random() < 0.5])
        values: dict[str, object] = {"status": wanted} if "{" in verb else {}
        status, _ = self._ask("PUT", f"/{kind}/{{id}}/{verb}", id=number, **values)
        carry_out: Callable[[Model], object]
        if verb == "retry":
            carry_out = partial(Model.retry, kind=kind, number=number)
        elif values:
            carry_out = partial(Model.force, kind=kind, number=number, status=wanted)
        else:
            carry_out = partial(Model.fail, kind=kind, number=number, force=verb == "fail/force")
        if status < 300:
            # what is forced into the status that it has may change nothing
            self._note(f"{verb} {values} {kind} {number}", carry_out, leaves_event=verb in {"retry", "fail"})

    def _set_data(self) -> None:
        kind, number = self._item(self.chance.choice(list(ItemKind)))
        verb, body = self.chance.choice(["PUT", "PATCH"]), {"graph_name": self._who()}
        if kind is SCENE and verb == "PUT":
            status, scene = self._ask("GET", "/scene/{id}", id=number)
            body = scene["data"] if status == 200 else body
        status, _ = self._ask(verb, f"/{kind}/{{id}}/data", body, id=number)
        if status < 300:
            self._note(f"data of {kind} {number}", lambda _: None)

    def _retry_all(self) -> None:
        aoi, force = self.chance.choice([*AOIS, "*o*"]), self.chance.random() < 0.2
        status, answer = self._ask("PUT", f"/aoi/{{aoi}}/retry{'/force' if force else ''}", aoi=aoi)
        if status == 200:
            numbers = answer["Scenes"], answer["Tiles"]
            self._note(f"retry all of {aoi}", partial(Model.retry_aoi, pattern=aoi, force=force), numbers)


def gather(urls: Sequence[str], token: str, *, clients: int, seconds: float, seed: str) -> tuple[Crowd, list[Follower]]:
    """Let so many clients use the servers for a time, and others follow what happens at each."""
    crowd = Crowd(urls, token)
    followers = [Follower(url, token) for url in urls]
    until = time.monotonic() + seconds
    ones = [Client(crowd, number, random.Random(f"{seed}.{number}")) for number in range(clients)]
    threads = [*followers, *(threading.Thread(target=one.run, args=(until,), daemon=True) for one in ones)]
    for thread in threads:
        thread.start()
    for thread in threads[len(followers) :]:
        thread.join(seconds + 240)
        assert not thread.is_alive(), "a client waits for an answer"
    time.sleep(SHORT + 1)  # until no lease is going to run out
    last = Connection(urls[0], token)
    status, backup = last.ask("POST", "/backups")
    crowd.statuses["POST", "/backups", status] += 1
    assert status in {201, 409}, backup
    assert last.ask("POST", f"/aoi/{quote(END)}", who="last")[0] == 204
    last.close()
    crowd.acknowledged.append(Acknowledged("last", "end", partial(Model.create, aoi=END), None, leaves_event=True))
    for follower in followers:
        follower.join(60)
        assert not follower.is_alive(), "an event did not arrive"
    return crowd, followers
