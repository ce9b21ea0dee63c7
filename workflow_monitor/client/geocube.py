"""Differences of a Geocube workflow server: no Arrow, events or footprints, and bare status codes."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from datetime import date
from typing import TYPE_CHECKING, Any, NoReturn

import msgspec

from workflow_monitor.client import documents
from workflow_monitor.client.added_scenes import AddedScenes, Existing, Invalid
from workflow_monitor.client.api import Api, Retried, page_params, quote_name, retried
from workflow_monitor.client.errors import (
    AOIExists,
    AOINotFound,
    InvalidInput,
    InvalidTransition,
    ItemNotFound,
    NotFound,
    NotRetriable,
    SceneExists,
    UnexpectedResponse,
)
from workflow_monitor.client.hints import hint
from workflow_monitor.client.http import Params, unsupported
from workflow_monitor.client.jobs import HttpJobSource
from workflow_monitor.client.scene_input import SceneBody
from workflow_monitor.documents.events import EventDocument
from workflow_monitor.documents.items import SceneDocument, TileDocument
from workflow_monitor.documents.media_types import JSON
from workflow_monitor.documents.mgrs import mgrs_cell_of_product
from workflow_monitor.documents.server import IdDocument
from workflow_monitor.documents.validation import thread_safe_struct
from workflow_monitor.documents.waiting import BlockerDocument, WhyDocument
from workflow_monitor.domain import errors
from workflow_monitor.domain.failures import (
    FAILURES,
    FailedItem,
    FailedScene,
    FailureGroup,
    failed_with_scene,
    group_failures,
)
from workflow_monitor.domain.glob import is_pattern
from workflow_monitor.domain.models import AOISummary, Backup, Page
from workflow_monitor.domain.status import ItemKind, Status

if TYPE_CHECKING:
    import pyarrow as pa

_NUMBER = re.compile(r"^  (new|pending|done|retry|failed): +(\d+)$")
_ROOTS = re.compile(r"^Root tiles : (\d+)$", re.MULTILINE)
_ENDS = {end: re.compile(rf"^  {end}: +(\d{{4}}-\d\d-\d\d)$", re.MULTILINE) for end in ("From", "To")}


class GeocubeApi(Api):
    """The endpoints of a Geocube ingester's own workflow server."""

    name = "Geocube workflow server"
    has_events = False

    def back_up(self) -> Backup:
        """Raise NotSupported."""
        raise unsupported("its database is backed up where it is", "pg_dump makes a backup of it.")

    def jobs(self, aoi: str | None = None) -> HttpJobSource:  # noqa: ARG002
        """Raises NotSupported: its jobs go through a message broker."""
        raise unsupported("its jobs go to workers by a message broker")

    def blockers(self, aoi: str, limit: int) -> list[BlockerDocument]:  # noqa: ARG002
        """Raise NotSupported."""
        raise unsupported("it does not list the items that hold back others")

    def why(self, kind: ItemKind, item_id: int) -> WhyDocument:  # noqa: ARG002
        """Raise NotSupported."""
        raise unsupported("it does not explain why items wait")

    # ---- AOIs

    def aoi_name(self, name: str) -> str:
        """Return the name unchanged, as that server compares it."""
        return name

    def summary(self, aoi: str) -> AOISummary:
        """Return the overview of an AOI. Raises AOINotFound, where that server returns an empty overview."""
        status = self._status(aoi)
        text = self.connection.read(f"aoi/{quote_name(aoi)}", accept="text/plain").text
        return read_overview(aoi, status, text)

    def _status(self, aoi: str) -> Status:
        known = dict(self.aois())
        if aoi not in known:
            some = ", ".join(list(known)[:10]) or "none"
            raise AOINotFound(f"There is no AOI {aoi!r}. There are: {some}.", status=404, code="aoi-not-found")
        return known[aoi]

    def create(self, aoi: str) -> None:
        """Create an AOI. Raises AOIExists."""
        path = f"aoi/{quote_name(aoi)}"
        answer = self.connection.send("POST", path, if_lost=f"Check for it: {hint('aoi exists', aoi=aoi)}")
        if answer.status == 409:
            raise AOIExists(f"There is already an AOI {aoi!r}.", status=409, code="aoi-exists")
        self.connection.checked(answer, path)

    def delete(self, aoi: str) -> None:
        """Delete an AOI with its scenes and tiles. Raises AOINotFound."""
        self._status(aoi)
        super().delete(aoi)

    def retry_aoi(self, aoi: str, *, force: bool) -> Retried:
        """Retry the items of an AOI in RETRY. With `force`, raises NotSupported: that server would restart DONE items."""
        if force:
            raise unsupported(
                "its forced retry of an AOI starts everything anew, also what is DONE and FAILED",
                f'To send out again what is PENDING: m[{aoi!r}].scenes("PENDING").pipe(m.retry, force=True), '
                "and the same with tiles.",
            )
        self._status(aoi)
        path = f"aoi/{quote_name(aoi)}/retry"
        answer = self.connection.send("PUT", path, if_lost=f"Check {hint('aoi', aoi=aoi)} before repeating it.")
        if answer.status == 500:
            raise InvalidTransition(
                f"Some of {aoi!r} could not be retried ({answer.text.strip()[:300]}); the others were. "
                f"Check m[{aoi!r}], and retry what is left one by one: .pipe(m.retry) tells what is wrong with each.",
                status=500,
            )
        return retried(self.connection.checked(answer, path))

    def ingest(
        self, aoi: str, body: SceneBody, existing: Existing = "refuse", invalid: Invalid = "refuse"
    ) -> AddedScenes:
        """Add scenes one by one and return their ids. Raises SceneExists unless `existing` is "skip"."""
        if body.media_type != JSON:
            raise unsupported("it takes no lists of a catalogue", "Give add_scenes a list of documents.")
        if invalid != "refuse":
            raise unsupported("it does not list invalid scenes", 'Leave out invalid="skip".')
        self._status(aoi)
        # That server returns the id 0 for an existing scene, so the client compares the source ids.
        stored = {scene.source_id: scene.id for scene in self._scenes(aoi)}
        scenes = {
            str(scene.get("source_id")): scene for scene in msgspec.json.decode(body.content, type=list[dict[str, Any]])
        }
        added = AddedScenes({}, {name: stored[name] for name in scenes if name in stored})
        if added.existing and existing == "refuse":
            detail = errors.SceneExists(aoi, added.existing).detail
            raise SceneExists(detail, status=409, code="scene-exists", ids=added.existing)
        for name, scene in scenes.items():
            if name not in stored:
                added[name] = self._ingest_one(aoi, name, scene, len(added))
        return added

    def _ingest_one(self, aoi: str, name: str, scene: Mapping[str, Any], added: int) -> int:
        path = f"aoi/{quote_name(aoi)}/scene"
        done = f"{added} scenes before it were added."
        if_lost = f"Check for {name} in {hint('scenes', aoi=aoi)}. {done}"
        content = msgspec.json.encode(scene)
        answer = self.connection.send("POST", path, body=content, media_type=JSON, if_lost=if_lost)
        if answer.status in (400, 500):
            why = answer.text.strip()[:500] or "fields that it does not know, or of another type"
            raise InvalidInput(f"The server does not take the scene {name!r}: {why}. {done}", status=answer.status)
        return documents.read(IdDocument, self.connection.checked(answer, path).body).id

    # ---- scenes and tiles

    def items(self, kind: ItemKind, aoi: str, status: Status | None = None, page: Page | None = None) -> pa.Table:
        """Return the table of scenes or tiles of an AOI, ordered by id."""
        from workflow_monitor.client import arrow  # noqa: PLC0415 - Arrow loads on first use

        self._check(aoi)
        if kind is ItemKind.SCENE:
            return arrow.scene_table(self._scenes(aoi, status, page), aoi)
        if page is not None and status is None:
            raise unsupported("it has no list of the tiles in any status", "Name the status of those on the page.")
        found: list[TileDocument] = []
        for one in [status] if status else list(Status):
            path = f"aoi/{quote_name(aoi)}/tiles/{one}"
            found += documents.read(list[TileDocument], self.connection.read(path, params=page_params(page)).body)
        found.sort(key=lambda tile: tile.id)
        scenes = {scene.id: scene for scene in self._scenes(aoi)} if found else {}
        return arrow.tile_table(found, aoi, scenes)

    def _check(self, aoi: str) -> None:
        if is_pattern(aoi):
            raise unsupported("patterns mean different things to it in different places", "Name one AOI.")
        self._status(aoi)

    def _scenes(self, aoi: str, status: Status | None = None, page: Page | None = None) -> list[SceneDocument]:
        path = f"aoi/{quote_name(aoi)}/scenes{f'/{status}' if status else ''}"
        found = documents.read(list[SceneDocument], self.connection.read(path, params=page_params(page)).body)
        return sorted(found, key=lambda scene: scene.id)

    def tiles_of(self, scene: int) -> pa.Table:
        """Return the table of the tiles of a scene."""
        from workflow_monitor.client import arrow  # noqa: PLC0415 - see items

        document = msgspec.convert(self.item(ItemKind.SCENE, scene), _Named)
        owner = SceneDocument(scene, document.source_id, document.aoi, msgspec.Raw(msgspec.json.encode(document.data)))
        body = self.connection.read(f"scene/{int(scene)}/tiles").body
        found = sorted(documents.read(list[TileDocument], body), key=lambda tile: tile.id)
        return arrow.tile_table(found, document.aoi, {scene: owner})

    def item(self, kind: ItemKind, number: int) -> dict[str, Any]:
        """Return the document of a scene or tile. Raises ItemNotFound."""
        try:
            return super().item(kind, number)
        except NotFound:
            pass
        raise ItemNotFound(f"There is no {kind} with the id {number}.", status=404, code=f"{kind}-not-found")

    def geometry(self, kind: ItemKind, number: int) -> str | None:
        """Return the MGRS cell in the name of a Sentinel-2 product; that server stores no footprints."""
        document = self.item(kind, number)
        names = [document["source_id"], (document.get("scene") or {}).get("source_id", "")]
        ring = next(filter(None, map(mgrs_cell_of_product, names)), None)
        polygon = {"type": "Polygon", "coordinates": [ring]}
        return msgspec.json.encode(polygon).decode() if ring else None

    # ---- actions

    def fail(self, kind: ItemKind, number: int, *, force: bool = False) -> None:
        """Fail an item from RETRY or PENDING, with `force` from any status. Raises InvalidTransition."""
        self._act(kind, number, "force/FAILED" if force else "fail")

    def set_data(self, kind: ItemKind, number: int, data: Mapping[str, Any], *, merge: bool) -> None:
        """Replace the data of an item. With `merge`, raises NotSupported."""
        if merge:
            raise unsupported("it merges no data", "Replace all data of the item.")
        super().set_data(kind, number, data, merge=merge)

    def _act(self, kind: ItemKind, number: int, action: str) -> None:
        path = f"{kind}/{int(number)}/{action}"
        answer = self.connection.send(
            "PUT", path, if_lost=f"Check {hint('item', kind=kind, id=number)} before repeating it."
        )
        if answer.status == 403 and not answer.body:
            self._explain(kind, number, action)
        if answer.status == 500:
            why = answer.text.strip()[:300]
            raise InvalidTransition(f"The {kind} {number} cannot be changed so ({action}): {why}.", status=500)
        self.connection.checked(answer, path)

    def _explain(self, kind: ItemKind, number: int, action: str) -> NoReturn:
        """Raise the error behind a bare 403: a missing item or its status."""
        status = self.item(kind, number)["status"]
        error = NotRetriable if action == "retry" else InvalidTransition
        needed = "RETRY" if action == "retry" else "RETRY or PENDING"
        raise error(
            f"The {kind} {number} is {status}; only from {needed} can this be done ({action}). With {hint('force')} it can "
            "be done from any status.",
            status=403,
            code="status-does-not-allow",
        )

    # ---- events

    def failures(self, aoi: str, limit: int = 0) -> list[FailureGroup]:
        """Return the failures of an AOI in groups, from the lists of items in RETRY and FAILED, without times."""
        page = Page(0, limit) if limit else None
        items: list[FailedItem] = []
        scenes: dict[int, FailedScene] = {}
        for kind in ItemKind:
            for status in FAILURES:
                columns = ["id", "message", *(["scene"] if kind is ItemKind.TILE else [])]
                for row in self.items(kind, aoi, status, page).select(columns).to_pylist():
                    item = FailedItem(kind, row["id"], status, row["message"])
                    scene = scenes.get(row.get("scene", 0))
                    if kind is ItemKind.SCENE:
                        scenes[item.id] = FailedScene(item.id, status, item.message)
                    elif scene is not None and failed_with_scene(item, scene, None):
                        item = replace(item, failed_with=scene)
                    items.append(item)
        return group_failures(items)

    def history(
        self,
        aoi: str,
        filters: Params,  # noqa: ARG002 - as in Api
        page: Page | None = None,  # noqa: ARG002
    ) -> list[EventDocument]:
        """Raise NotSupported."""
        raise unsupported(f"it keeps no history of {aoi!r}")

    def events(
        self,
        aoi: str,
        after: int | None,  # noqa: ARG002 - as in Api
        silence: float,  # noqa: ARG002
        is_over: Callable[[], bool] = lambda: False,  # noqa: ARG002
    ) -> Iterator[str]:
        """Raise NotSupported."""
        raise unsupported(f"it does not tell what happens in {aoi!r}", "aoi.watch() asks again and again instead.")


@thread_safe_struct
class _Named(msgspec.Struct):
    source_id: str
    aoi: str
    data: Any


def read_overview(aoi: str, status: Status, text: str) -> AOISummary:
    """Parse the text overview of an AOI. Raises UnexpectedResponse."""
    counts: list[Counter[Status]] = []
    for line in text.splitlines():
        if line in {"Scenes:", "Tiles:"}:
            counts.append(Counter())
        elif counts and (found := _NUMBER.match(line)):
            counts[-1][Status.parse(found[1])] = int(found[2])
    roots = _ROOTS.search(text)
    if len(counts) != 2 or roots is None:
        raise UnexpectedResponse(f"The server answered {text[:80]!r} where the numbers of an AOI were expected.")
    first, last = (_day(text, end) for end in ("From", "To"))
    # Without leaves the end is the year 1, and the start is today.
    return AOISummary(aoi, status, counts[0], counts[1], int(roots[1]), first if last else None, last)


def _day(text: str, end: str) -> date | None:
    """Parse a date of the overview; the year 1 means no date."""
    found = _ENDS[end].search(text)
    return None if found is None or found[1] < "0002" else date.fromisoformat(found[1])
