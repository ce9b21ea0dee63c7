"""The reference model agrees with the recorded conversations on statuses, links, countdowns and jobs.

The traces come from a server from which the model deviates on purpose. The replay therefore undoes these deviations in
the model; every remaining field must match the recording.
"""

from __future__ import annotations

import json
import re
import urllib.parse
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest

from tests.conformance import replay
from tests.conformance.material import trace_paths
from tests.reference_model import (
    DONE,
    PENDING,
    RETRY,
    SCENE,
    TILE,
    Answer,
    Item,
    Key,
    Link,
    Model,
    ModelResult,
    NewScene,
    Refused,
    allow,
)
from workflow_monitor.domain.status import ItemKind, Status

TRACES = trace_paths()

#: fields outside the model, and deliberate differences of errors and AOI statuses
TOLERATED = [
    {"ignore_fields": ["data", "scene", "aoi"], "ignore_aoi_status": True},
    {"ignore_content_type": True, "ignore_error_bodies": True, "accept_status": {"403": [404, 409], "500": [404, 409]}},
]

Payload = dict[str, Any]


class Peer(Model):
    """The model with the deviations undone (names of quirks in the comments)."""

    def delete(self, aoi: str) -> None:
        if aoi in self.aois:  # unknown-aoi-is-200
            super().delete(aoi)

    def ingest(self, aoi: str, scenes: Sequence[NewScene]) -> list[int]:
        if any(scene.name in {s.name for s in self.scenes(aoi)} for scene in scenes):
            return [0]  # duplicate-scene-has-id-0
        return super().ingest(aoi, scenes)

    def _dispatch(self, item: Item, *, with_reference: bool = True) -> None:
        message = item.message
        super()._dispatch(item, with_reference=with_reference)
        item.message = message  # retry-keeps-message

    def _done(self, item: Item) -> None:
        message = item.message
        super()._done(item)
        item.message = message  # retry-keeps-message

    def _hand_over_reference(self, tile: Item, followers: list[Item]) -> None:
        if tile.reference is None and followers:  # failed-reference
            super()._hand_over_reference(tile, followers)
        for follower in followers:
            if self.scene_of(follower).status is DONE:  # started-before-previous
                follower.countdown -= 1  # child-loses-a-retry
                self._dispatch(follower)

    def fail(self, kind: ItemKind, number: int, *, force: bool = False) -> None:
        assert not force
        with self.whole():
            item = self.find(kind, number)
            allow(item.status in (PENDING, RETRY))  # fail-from-pending
            self._failed(item)

    def _result(self, result: ModelResult) -> Answer:
        if result.status is PENDING:  # pending-result-retries
            with suppress(Refused):
                self.retry(result.kind, result.id)
        return super()._result(result)

    def retry_aoi(self, pattern: str, *, force: bool = False) -> tuple[int, int]:
        """Retry the items that allow it, then raise if one did not."""
        aois = self.matching(pattern) if set("*?") & set(pattern) else {pattern}  # unknown-aoi-is-200
        items = [i for i in (*self.scenes(), *self.tiles()) if i.aoi in aois and (i.status is RETRY or force)]
        if force:  # forced-retry-restarts-all
            items = [i for i in items if i.kind is SCENE or self.scene_of(i).status is DONE]
        refused = []
        for item in items:  # retry-of-an-aoi-is-not-atomic
            try:
                self.force(item.kind, item.id, PENDING) if force else self.retry(item.kind, item.id)
            except Refused as error:
                refused.append(error)
        if refused:
            raise refused[0]
        return sum(i.kind is SCENE for i in items), sum(i.kind is TILE for i in items)


STATUS = {"aoi-exists": 409, "status-does-not-allow": 409, "conflict": 409, "invalid-input": 400}


class ModelServer:
    """Workflow server made of the model: responds to requests and applies results."""

    def __init__(self) -> None:
        self.model = Peer()
        self.names: dict[Key, str] = {}
        self.seen = 0

    # --- the client of the replayer

    def request(self, method: str, path: str, body: bytes | None = None, *_: object) -> Any:
        try:
            status, answer = self.answer(method, path, body)
        except Refused as refused:
            status, answer = max(STATUS.get(code, 404) for code in refused.codes), None
        return replay.Answer(status, "application/json", "" if answer is None else json.dumps(answer))

    def answer(self, method: str, path: str, body: bytes | None) -> tuple[int, object]:
        parts = [urllib.parse.unquote(part) for part in path.partition("?")[0].strip("/").split("/")]
        match method, *parts:
            case "GET", "aoi":
                return 200, [{"ID": a, "status": self.model.status(a)} for a in sorted(self.model.aois)]
            case "POST", "aoi", name:
                self.model.create(name)
                return 204, None
            case "DELETE", "aoi", name:
                self.model.delete(name)
                return 204, None
            case "POST", "aoi", name, "scene":
                number = self.model.ingest(name, [new_scene(json.loads(body or b""))])[0]
                self.names |= {key: item.name for key, item in self.model.items.items()}
                return 200, {"id": number}
            case "GET", "aoi", name, "scenes":
                return 200, [document(s) for s in self.model.scenes(name)]
            case "PUT", "aoi", name, "retry", *word:
                return self.retry(name, force=word == ["force"])
            case "GET", "scene", number, "tiles":
                return 200, [document(t) for t in self.model.tiles() if t.scene == int(number)]
            case "GET", kind, number:
                return 200, document(self.model.find(ItemKind(kind), int(number)))
            case "PUT", kind, number, *action:
                self.act(ItemKind(kind), int(number), action)
                return 200, None
        raise AssertionError((method, path))

    def retry(self, name: str, *, force: bool) -> tuple[int, object]:
        scenes, tiles = self.model.retry_aoi(name, force=force)
        return (200, {"Scenes": scenes, "Tiles": tiles}) if scenes or tiles else (204, None)

    def act(self, kind: ItemKind, number: int, action: list[str]) -> None:
        match action:
            case ["retry"]:
                self.model.retry(kind, number)
            case ["fail"]:
                self.model.fail(kind, number)
            case ["force", status]:
                self.model.force(kind, number, Status(status.upper()))

    # --- the adapter of the replayer

    def begin(self) -> None:
        pass

    def post_results(self, results: list[Payload]) -> None:
        self.model.report([r for result in results if (r := understood(result))])

    def new_jobs(self, queue: str) -> list[Payload]:
        kind = {"downloader": ItemKind.SCENE, "processor": ItemKind.TILE}[queue]
        published = [job for job in self.model.jobs[self.seen :] if job.kind is kind]
        if kind is ItemKind.TILE:  # the second queue that is asked for
            self.seen = len(self.model.jobs)
        messages = [{"id": j.item, "source_id": self.name(kind, j.item)} for j in published]
        if kind is ItemKind.TILE:
            for message, job in zip(messages, published, strict=True):
                for field in ("previous", "reference"):
                    tile = getattr(job, field)
                    message[f"tile_{field}"] = {"id": tile or 0, "source_id": self.name(kind, tile) if tile else ""}
        return messages

    def name(self, kind: ItemKind, number: int) -> str:
        return self.names[Key(kind, number)]


def new_scene(body: Payload) -> NewScene:
    body = json.loads(
        json.dumps(body, ensure_ascii=False).encode("utf-16", "surrogatepass").decode("utf-16", "replace")
    )
    tiles: dict[str, tuple[Link, Link] | None] = {}
    for name, tile in (body["tiles"] or {}).items():
        given = {key: value or "" for key, value in (tile or {}).items()}
        previous, reference = (
            Link(given.get(f"{end}_scene_id", ""), given.get(f"{end}_tile_id", "")) for end in ("previous", "reference")
        )
        tiles[name] = (previous, reference) if previous.tile and reference.tile else None
    return NewScene(body["source_id"], body.get("retry_count") or 0, tiles)


def document(item: Item) -> Payload:
    fields = {"id": item.id, "source_id": item.name, "status": item.status, "message": item.message}
    links = {} if item.scene is None else {"PreviousID": item.previous, "ReferenceID": item.reference}
    return {**fields, **links, "RetryCountDown": item.countdown}


def understood(result: Payload) -> ModelResult | None:
    """A result as the model takes it; None if it is none."""
    kind, number, status, message = (result.get(key) for key in ("type", "id", "status", "message"))
    if kind not in list(ItemKind) or not isinstance(number, int) or not isinstance(status, str):
        return None
    if status.upper() not in list(Status) or not isinstance(message, str | None):
        return None
    return ModelResult(ItemKind(kind), number, Status(status.upper()), message or "")


AOI, ID = r"\{\$aoi:[^}]*\}", r"(\{\$(scene|tile):[^}]*\}|\d+)"
TRANSLATABLE = [
    (re.compile(rf"(POST|DELETE) /aoi/{AOI}"), (204, 409)),
    (re.compile(rf"POST /aoi/{AOI}/scene"), (200,)),
    (re.compile(r"PUT /aoi/[^/]*/retry(/\w+)?"), (200, 204, 500)),
    (re.compile(r"GET /aoi/\{\$aoi:[^}*?]*\}/scenes"), (200,)),
    (re.compile(rf"GET /scene/{ID}(/tiles)?"), (200,)),
    (re.compile(rf"GET /tile/{ID}"), (200,)),
    (re.compile(rf"PUT /(scene|tile)/{ID}/(retry|fail)"), (200, 403, 500)),
    (re.compile(rf"PUT /(scene|tile)/{ID}/force/(?i:NEW|PENDING|RETRY|DONE|FAILED)(\?.*)?"), (200, 403, 500)),
]


def is_translatable(step: Payload) -> bool:
    """Return True if the model can respond to this step."""
    if "request" not in step:
        return "pages" not in step
    request, status = step["request"], step["response"]["status"]
    line = f"{request['method']} {request['path']}"
    return any(pattern.fullmatch(line) and status in statuses for pattern, statuses in TRANSLATABLE)


@pytest.mark.parametrize("path", TRACES, ids=lambda path: path.stem)
def test_model_behaves_as_recorded(path: Path) -> None:
    trace = json.loads(path.read_text(encoding="utf-8"))
    tolerance = replay.Tolerance().widened_by(TOLERATED)
    server = ModelServer()
    trace["steps"] = [step for step in trace["steps"] if is_translatable(step)]
    outcome = replay.Replayer(server, server, tolerance).replay(trace, "p")  # type: ignore[arg-type]
    assert outcome.failure is None
