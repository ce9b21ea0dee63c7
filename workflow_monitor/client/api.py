"""The REST interface, call by call, as this project's server has it; `geocube.py` tells what a Geocube server differs in."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from contextlib import closing
from datetime import date
from typing import IO, TYPE_CHECKING, Any, NamedTuple
from urllib.parse import quote

from workflow_monitor.client import columnar, documents
from workflow_monitor.client.errors import (
    InvalidTransition,
    MonitorError,
    NotRetriable,
    UnexpectedResponse,
)
from workflow_monitor.client.http import ARROW, Params, Response, Transport
from workflow_monitor.client.jobs import HttpJobSource
from workflow_monitor.domain.failures import FailureGroup
from workflow_monitor.domain.models import AOISummary, Backup, Page
from workflow_monitor.domain.status import ItemKind, Status

if TYPE_CHECKING:
    import numpy.typing as npt
    import pyarrow as pa


ROOT_ANSWER = "ingester ok"
EVENTS = "text/event-stream"


class Retried(NamedTuple):
    """How many scenes and tiles were sent to the workers again."""

    scenes: int
    tiles: int


class Api:
    """The endpoints of a server, as functions. Any thread may use it."""

    #: what people call such a server
    name = "workflow monitor"
    #: whether it tells what happened, and what happens
    has_events = True

    def __init__(self, connection: Transport) -> None:
        self.connection = connection

    def instance(self) -> str:
        """Which server this is: another one, or the same after it was started anew, tells another name."""
        return documents.read(documents.RootDocument, self.connection.read("", params={"format": "json"}).body).instance

    def back_up(self) -> Backup:
        """Have a backup of the store made."""
        answer = self._write("POST", "backups", check="Look at the folder of the backups on the server.")
        found = documents.read(documents.BackupDocument, answer.body)
        return Backup(found.file, found.made, found.bytes)

    def jobs(self, aoi: str | None = None) -> HttpJobSource:
        """Its queues, as a dispatcher takes jobs from them: those of all AOIs, or of those of a name or pattern."""
        return HttpJobSource(self.connection, aoi)

    # ---- AOIs

    def aois(self, pattern: str | None = None) -> list[tuple[str, Status]]:
        """The AOIs, or those that match a pattern, by name."""
        path = f"aoi/{quote_name(pattern)}" if pattern else "aoi/"
        found = documents.read(list[documents.AOIDocument], self.connection.read(path).body)
        return [(aoi.ID, Status.parse(aoi.status)) for aoi in found]

    def summary(self, aoi: str) -> AOISummary:
        """The workload of an AOI. Raises AOINotFound."""
        document = documents.read(documents.OverviewDocument, self.connection.read(f"aoi/{quote_name(aoi)}").body)
        first, last = (date.fromisoformat(day) if day else None for day in (document.first, document.last))
        counts = _counts(document.scenes), _counts(document.tiles)
        return AOISummary(aoi, Status.parse(document.status), *counts, document.root_tiles, first, last)

    def create(self, aoi: str) -> None:
        """Create an AOI. Raises AOIExists, InvalidInput."""
        self._write("POST", f"aoi/{quote_name(aoi)}", check=f"Look whether it is there: {aoi!r} in m")

    def delete(self, aoi: str) -> None:
        """Delete an AOI with all that it owns. Raises AOINotFound."""
        self._write("DELETE", f"aoi/{quote_name(aoi)}", check=f"Look whether it is gone: {aoi!r} in m")

    def retry_aoi(self, aoi: str, *, force: bool) -> Retried:
        """Retry all of an AOI that is in RETRY, by force also what is PENDING."""
        path = f"aoi/{quote_name(aoi)}/retry{'/force' if force else ''}"
        answer = self._write("PUT", path, check=f"Look at m[{aoi!r}] before you do it again.")
        return retried(answer)

    def ingest(self, aoi: str, body: bytes, media_type: str) -> Mapping[str, int]:
        """Add scenes, all or none; their ids by source id."""
        path = f"aoi/{quote_name(aoi)}/scenes"
        check = f"Look for them in m[{aoi!r}].scenes(); if they are there, all are."
        answer = self._write("POST", path, body=body, media_type=media_type, check=check)
        return documents.read(documents.IngestedDocument, answer.body).ids

    def dot(self, aoi: str) -> str:
        """The dependency graph, as dot."""
        return self.connection.read(f"aoi/{quote_name(aoi)}/dot", accept="text/vnd.graphviz, text/plain").text

    # ---- scenes and tiles

    def items(self, kind: ItemKind, aoi: str, status: Status | None = None, page: Page | None = None) -> pa.Table:
        """The table of the scenes or tiles of an AOI, or of those that match a pattern, ordered by id."""
        path = f"aoi/{quote_name(aoi)}/{kind}s{f'/{status}' if status else ''}"
        return self.connection.stream(path, accept=ARROW, params=page_params(page), take=_read_table)

    def tiles_of(self, scene: int) -> pa.Table:
        """The table of the tiles of a scene."""
        from workflow_monitor.client import arrow  # noqa: PLC0415 - what needs no table should not wait for Arrow

        self.item(ItemKind.SCENE, scene)
        body = self.connection.read(f"scene/{scene}/tiles").body
        return arrow.tile_table(documents.read(list[documents.TileDocument], body))

    def item(self, kind: ItemKind, number: int) -> dict[str, Any]:
        """The document of a scene or tile. Raises ItemNotFound."""
        return documents.read_item(kind, self.connection.read(f"{kind}/{int(number)}").body)

    def geometry(self, kind: ItemKind, number: int) -> str | None:
        """The footprint of a scene or tile as GeoJSON text."""
        feature = self.connection.read(f"{kind}/{int(number)}", accept="application/geo+json")
        geometry = bytes(documents.read(documents.FeatureDocument, feature.body).geometry).decode()
        return None if geometry == "null" else geometry

    # ---- repairs

    def retry(self, kind: ItemKind, number: int, *, force: bool = False) -> None:
        """Send an item to the workers again: from RETRY, by force from any status. Raises NotRetriable."""
        if force:
            self.force(kind, number, Status.PENDING)
            return
        try:
            self._repair(kind, number, "retry")
        except InvalidTransition as error:
            refused = error
        else:
            return
        raise NotRetriable(*refused.args, status=refused.status, code=refused.code)

    def fail(self, kind: ItemKind, number: int, *, force: bool = False) -> None:
        """Give an item up: from RETRY, by force from any status. Raises StatusConflict."""
        self._repair(kind, number, "fail/force" if force else "fail")

    def force(self, kind: ItemKind, number: int, status: Status) -> None:
        """Set the status of an item. Raises StatusConflict."""
        self._repair(kind, number, f"force/{status}")

    def _repair(self, kind: ItemKind, number: int, action: str) -> None:
        check = f"Look at m.{kind}({number}) before you do it again."
        self._write("PUT", f"{kind}/{int(number)}/{action}", check=check)

    # ---- what is drawn

    def columns(self, aoi: str, what: str) -> tuple[dict[str, Any], dict[str, npt.NDArray[Any]]]:
        """The columns that are drawn of an AOI, `footprints` or `lanes`; see `read_columns`."""
        path = f"aoi/{quote_name(aoi)}/{what}"
        answer = self.connection.read(path, accept=columnar.MEDIA_TYPE)
        try:
            return columnar.read_columns(answer.body)
        except ValueError as error:
            raise UnexpectedResponse(f"{path}: {error}.") from error

    # ---- failures and events

    def failures(self, aoi: str, limit: int = 0) -> list[FailureGroup]:
        """The failures in an AOI by shape; `limit` is how many of each kind and status are looked at, 0 for all."""
        params = {"limit": limit} if limit else {}
        body = self.connection.read(f"aoi/{quote_name(aoi)}/failures", params=params).body
        return documents.read(list[FailureGroup], body)

    def history(self, aoi: str, chosen: Params, page: Page | None = None) -> list[documents.EventDocument]:
        """The transitions in an AOI, in order."""
        path = f"aoi/{quote_name(aoi)}/history"
        body = self.connection.read(path, params={**chosen, **page_params(page)}).body
        return documents.read(list[documents.EventDocument], body)

    def events(
        self, aoi: str, after: int | None, silence: float, is_over: Callable[[], bool] = lambda: False
    ) -> Iterator[str]:
        """The JSON texts of transitions as they happen; ends with the server, or after a silence (seconds).

        Also ends when it `is_over`, as soon as the server says something again: it does so now and then.
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

    def _write(self, method: str, path: str, *, body: bytes = b"", media_type: str = "", check: str = "") -> Response:
        answer = self.connection.send(method, path, body=body, media_type=media_type, check=check)
        return self.connection.checked(answer, path)


def _read_table(media_type: str, stream: IO[bytes]) -> pa.Table:
    from workflow_monitor.client import arrow  # noqa: PLC0415 - see tiles_of

    if media_type != ARROW:
        start = stream.read(80).decode("utf-8", errors="replace")
        raise UnexpectedResponse(f"The server answered {media_type or 'nothing known'} instead of Arrow: {start!r}.")
    return arrow.read_arrow(stream)


def quote_name(name: str) -> str:
    """The name of an AOI, or a pattern, as part of a path."""
    if not name or name in {".", ".."}:
        raise MonitorError(f"{name!r} is not the name of an AOI.")
    return quote(name, safe="")


def page_params(page: Page | None) -> dict[str, str | int]:
    """The parameters that ask for a page."""
    return {} if page is None else {"page": page.index, "limit": page.limit}


def _counts(document: documents.CountsDocument) -> Counter[Status]:
    return Counter({status: int(getattr(document, status.lower())) for status in Status})


def retried(answer: Response) -> Retried:
    """The numbers in the answer to a retry; an empty one means none."""
    if not answer.body:
        return Retried(0, 0)
    document = documents.read(documents.RetriedDocument, answer.body)
    return Retried(document.scenes, document.tiles)
