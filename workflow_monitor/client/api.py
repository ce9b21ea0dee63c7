"""The REST interface, call by call, of this project's server; `geocube.py` has the differences of a Geocube server."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from contextlib import closing
from typing import IO, TYPE_CHECKING, Any, NamedTuple
from urllib.parse import quote

from workflow_monitor.client import columnar, documents
from workflow_monitor.client.added_scenes import AddedScenes, Existing, Invalid
from workflow_monitor.client.errors import (
    InvalidTransition,
    MonitorError,
    NotRetriable,
    UnexpectedResponse,
)
from workflow_monitor.client.failures import failure_group
from workflow_monitor.client.hints import hint
from workflow_monitor.client.http import Params, Response, Transport
from workflow_monitor.client.jobs import HttpJobSource
from workflow_monitor.client.json_values import encode
from workflow_monitor.client.scene_input import SceneBody
from workflow_monitor.documents.aoi_names import normalize_aoi_name
from workflow_monitor.documents.aois import (
    AOIDocument,
    CountsDocument,
    FailureGroupDocument,
    OverviewDocument,
    RetriedDocument,
)
from workflow_monitor.documents.events import EventDocument
from workflow_monitor.documents.items import FeatureGeometry, TileDocument
from workflow_monitor.documents.media_types import ARROW, COLUMNS, EVENTS, GEOJSON, JSON
from workflow_monitor.documents.server import BackupDocument, IngestedDocument, RootDocument
from workflow_monitor.documents.waiting import BlockerDocument, WhyDocument
from workflow_monitor.domain.failures import FailureGroup
from workflow_monitor.domain.glob import is_pattern
from workflow_monitor.domain.models import AOISummary, Backup, Page
from workflow_monitor.domain.status import ItemKind, Status

if TYPE_CHECKING:
    import numpy.typing as npt
    import pyarrow as pa


ROOT_ANSWER = "ingester ok"


class Retried(NamedTuple):
    """Counts of retried scenes and tiles."""

    scenes: int
    tiles: int


class Api:
    """The endpoints of a server as methods. Thread-safe."""

    #: display name of the type of server
    name = "workflow monitor"
    #: whether the server has a history and an event stream
    has_events = True

    def __init__(self, connection: Transport) -> None:
        self.connection = connection

    def instance(self) -> str:
        """Return the id of the running server process; a restart changes it."""
        return documents.read(RootDocument, self.connection.read("", params={"format": "json"}).body).instance

    def back_up(self) -> Backup:
        """Back up the store on the server."""
        answer = self._write("POST", "backups", if_lost="Check the backup folder on the server.")
        found = documents.read(BackupDocument, answer.body)
        return Backup(found.file, found.made, found.bytes)

    def jobs(self, aoi: str | None = None) -> HttpJobSource:
        """Return the job source of all AOIs, or of the AOIs that match a name or pattern."""
        return HttpJobSource(self.connection, aoi)

    # ---- AOIs

    def aoi_name(self, name: str) -> str:
        """Return the form in which the server stores a name."""
        return normalize_aoi_name(name)

    def aois(self, pattern: str | None = None) -> list[tuple[str, Status]]:
        """Return names and statuses of all AOIs, or of the AOIs that match a name or pattern, ordered by name."""
        if pattern and not is_pattern(pattern):
            # The server returns the overview of a plain name.
            pattern = self.aoi_name(pattern)
            return [(name, status) for name, status in self.aois() if name == pattern]
        path = f"aoi/{quote_name(pattern)}" if pattern else "aoi/"
        found = documents.read(list[AOIDocument], self.connection.read(path).body)
        return [(aoi.ID, aoi.status) for aoi in found]

    def summary(self, aoi: str) -> AOISummary:
        """Return the overview of an AOI. Raises AOINotFound."""
        aoi = self.aoi_name(aoi)
        document = documents.read(OverviewDocument, self.connection.read(f"aoi/{quote_name(aoi)}").body)
        counts = _counts(document.scenes), _counts(document.tiles)
        return AOISummary(aoi, document.status, *counts, document.root_tiles, document.first, document.last)

    def create(self, aoi: str) -> None:
        """Create an AOI. Raises AOIExists, InvalidInput."""
        self._write("POST", f"aoi/{quote_name(aoi)}", if_lost=f"Check for it: {hint('aoi exists', aoi=aoi)}")

    def delete(self, aoi: str) -> None:
        """Delete an AOI with its scenes and tiles. Raises AOINotFound."""
        self._write("DELETE", f"aoi/{quote_name(aoi)}", if_lost=f"Check for it: {hint('aoi exists', aoi=aoi)}")

    def retry_aoi(self, aoi: str, *, force: bool) -> Retried:
        """Retry the items of an AOI in RETRY; with `force`, PENDING ones too."""
        path = f"aoi/{quote_name(aoi)}/retry{'/force' if force else ''}"
        answer = self._write("PUT", path, if_lost=f"Check {hint('aoi', aoi=aoi)} before repeating it.")
        return retried(answer)

    def ingest(
        self, aoi: str, body: SceneBody, existing: Existing = "refuse", invalid: Invalid = "refuse"
    ) -> AddedScenes:
        """Add scenes in one transaction and return their ids. Raises SceneExists and InvalidInput unless skipped."""
        path = f"aoi/{quote_name(aoi)}/scenes"
        if_lost = f"Check {hint('scenes', aoi=aoi)}; either all scenes were added or none."
        options = {"existing": existing, "invalid": invalid}
        params = {**body.params, **{name: value for name, value in options.items() if value != "refuse"}}
        response = self._write(
            "POST", path, params=params, body=body.content, media_type=body.media_type, if_lost=if_lost
        )
        document = documents.read(IngestedDocument, response.body)
        skipped = [(scene.source_id or scene.field, scene.reason) for scene in document.invalid or ()]
        return AddedScenes(document.ids, document.existing or {}, skipped)

    def dot(self, aoi: str) -> str:
        """Return the dependency graph in DOT."""
        return self.connection.read(f"aoi/{quote_name(aoi)}/dot", accept="text/vnd.graphviz, text/plain").text

    # ---- scenes and tiles

    def items(self, kind: ItemKind, aoi: str, status: Status | None = None, page: Page | None = None) -> pa.Table:
        """Return the table of scenes or tiles of the AOIs that match a name or pattern, ordered by id."""
        path = f"aoi/{quote_name(aoi)}/{kind}s{f'/{status}' if status else ''}"
        return self.connection.stream(path, accept=ARROW, params=page_params(page), consume=_read_table)

    def tiles_of(self, scene: int) -> pa.Table:
        """Return the table of the tiles of a scene. Raises ItemNotFound."""
        from workflow_monitor.client import arrow  # noqa: PLC0415 - Arrow loads on first use

        self.item(ItemKind.SCENE, scene)
        body = self.connection.read(f"scene/{scene}/tiles").body
        return arrow.tile_table(documents.read(list[TileDocument], body))

    def item(self, kind: ItemKind, number: int) -> dict[str, Any]:
        """Return the document of a scene or tile. Raises ItemNotFound."""
        return documents.read_item(kind, self.connection.read(f"{kind}/{int(number)}").body)

    def geometry(self, kind: ItemKind, number: int) -> str | None:
        """Return the footprint of a scene or tile as GeoJSON text (EPSG:4326), or None."""
        feature = self.connection.read(f"{kind}/{int(number)}", accept=GEOJSON)
        geometry = bytes(documents.read(FeatureGeometry, feature.body).geometry).decode()
        return None if geometry == "null" else geometry

    # ---- actions

    def retry(self, kind: ItemKind, number: int, *, force: bool = False) -> None:
        """Retry an item from RETRY, with `force` from any status. Raises NotRetriable."""
        if force:
            self.force(kind, number, Status.PENDING)
            return
        try:
            self._act(kind, number, "retry")
        except InvalidTransition as error:
            refused = error
        else:
            return
        raise NotRetriable(*refused.args, status=refused.status, code=refused.code)

    def fail(self, kind: ItemKind, number: int, *, force: bool = False) -> None:
        """Fail an item from RETRY, with `force` from any status. Raises InvalidTransition."""
        self._act(kind, number, "fail/force" if force else "fail")

    def force(self, kind: ItemKind, number: int, status: Status) -> None:
        """Set the status of an item. Raises InvalidTransition."""
        self._act(kind, number, f"force/{status}")

    def set_data(self, kind: ItemKind, number: int, data: Mapping[str, Any], *, merge: bool) -> None:
        """Replace the data of an item, or merge a patch into it (RFC 7396). Raises ItemNotFound, InvalidInput."""
        if_lost = f"Check {hint('item', kind=kind, id=number)} before repeating it."
        path = f"{kind}/{int(number)}/data"
        self._write("PATCH" if merge else "PUT", path, body=encode(data), media_type=JSON, if_lost=if_lost)

    def _act(self, kind: ItemKind, number: int, action: str) -> None:
        if_lost = f"Check {hint('item', kind=kind, id=number)} before repeating it."
        self._write("PUT", f"{kind}/{int(number)}/{action}", if_lost=if_lost)

    # ---- drawing

    def columns(self, aoi: str, layer: str) -> tuple[dict[str, Any], dict[str, npt.NDArray[Any]]]:
        """Return metadata and arrays of a layer, `footprints` or `lanes`. Raises UnexpectedResponse."""
        path = f"aoi/{quote_name(aoi)}/{layer}"
        answer = self.connection.read(path, accept=COLUMNS)
        try:
            return columnar.read_columns(answer.body)
        except ValueError as error:
            raise UnexpectedResponse(f"{path}: {error}.") from error

    # ---- failures and events

    def failures(self, aoi: str, limit: int = 0) -> list[FailureGroup]:
        """Return the failures of an AOI in groups; `limit` caps the items read per kind and status, 0 reads all."""
        params = {"limit": limit} if limit else {}
        body = self.connection.read(f"aoi/{quote_name(aoi)}/failures", params=params).body
        return [failure_group(document) for document in documents.read(list[FailureGroupDocument], body)]

    def blockers(self, aoi: str, limit: int) -> list[BlockerDocument]:
        """Return the items of an AOI whose repair lets most tiles start."""
        body = self.connection.read(f"aoi/{quote_name(aoi)}/blockers", params={"limit": limit}).body
        return documents.read(list[BlockerDocument], body)

    def why(self, kind: ItemKind, item_id: int) -> WhyDocument:
        """Return the reasons why an item waits. Raises ItemNotFound."""
        return documents.read(WhyDocument, self.connection.read(f"{kind}/{int(item_id)}/why").body)

    def history(self, aoi: str, filters: Params, page: Page | None = None) -> list[EventDocument]:
        """Return the transitions of an AOI, in order."""
        path = f"aoi/{quote_name(aoi)}/history"
        body = self.connection.read(path, params={**filters, **page_params(page)}).body
        return documents.read(list[EventDocument], body)

    def events(
        self, aoi: str, after: int | None, silence: float, is_over: Callable[[], bool] = lambda: False
    ) -> Iterator[str]:
        """Yield the JSON texts of transitions live, until the stream ends or is silent for `silence` seconds.

        The iterator also ends at the first line, keep-alives included, after `is_over` returns True.
        """
        path = f"aoi/{quote_name(aoi)}/events"
        params = {} if after is None else {"after": after}
        with closing(self.connection.lines(path, accept=EVENTS, params=params, silence=silence)) as lines:
            for line in lines:
                if is_over():
                    return
                if line.startswith("data: {") and line != "data: {}":
                    yield line.removeprefix("data: ")

    # ---- writes

    def _write(
        self,
        method: str,
        path: str,
        *,
        params: Params | None = None,
        body: bytes = b"",
        media_type: str = "",
        if_lost: str = "",
    ) -> Response:
        answer = self.connection.send(method, path, params=params, body=body, media_type=media_type, if_lost=if_lost)
        return self.connection.checked(answer, path)


def _read_table(media_type: str, stream: IO[bytes]) -> pa.Table:
    from workflow_monitor.client import arrow  # noqa: PLC0415 - see tiles_of

    if media_type != ARROW:
        start = stream.read(80).decode("utf-8", errors="replace")
        raise UnexpectedResponse(f"The server answered {media_type or 'nothing known'} instead of Arrow: {start!r}.")
    return arrow.read_arrow(stream)


def quote_name(name: str) -> str:
    """Quote the name of an AOI or a pattern for a path. Raises MonitorError."""
    if not name or name in {".", ".."}:
        raise MonitorError(f"{name!r} is not the name of an AOI.")
    return quote(name, safe="")


def page_params(page: Page | None) -> dict[str, str | int]:
    """Return the query parameters of a page."""
    return {} if page is None else {"page": page.index, "limit": page.limit}


def _counts(document: CountsDocument) -> Counter[Status]:
    return Counter({status: int(getattr(document, status.lower())) for status in Status})


def retried(answer: Response) -> Retried:
    """Parse the response to a retry; an empty body means no items."""
    if not answer.body:
        return Retried(0, 0)
    document = documents.read(RetriedDocument, answer.body)
    return Retried(document.scenes, document.tiles)
