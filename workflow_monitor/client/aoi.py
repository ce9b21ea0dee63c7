"""An AOI: its scenes, tiles, failures and history as frames, and what can be done about them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime
from os import PathLike
from typing import TYPE_CHECKING, Any, Self

from workflow_monitor.client import display
from workflow_monitor.client.api import Api, Retried
from workflow_monitor.client.errors import ConfirmationRequired, MonitorError
from workflow_monitor.client.panels import Panels, load_panel
from workflow_monitor.client.process import ProcessMixin
from workflow_monitor.client.scene_input import parse_scenes
from workflow_monitor.client.watch import ProgressBar, Summary, Watcher, watch, watch_async
from workflow_monitor.domain.failures import FAILURES
from workflow_monitor.domain.models import AOISummary, Page
from workflow_monitor.domain.status import ItemKind, Status

if TYPE_CHECKING:
    from pathlib import Path

    import geopandas as gpd
    import pandas as pd
    import pyarrow as pa

    from workflow_monitor.client.frames import Wanted

#: one status, several, or None for all
Statuses = str | Status | Sequence[str | Status] | None

#: failures of each kind that are looked at to show an AOI, and groups that are shown
LOOKED_AT = 500
SHOWN = 5


class AOI(ProcessMixin):
    """A named ingestion. Its counts are a snapshot; displaying the AOI or calling `refresh` reads them again."""

    def __init__(self, api: Api, overview: AOISummary) -> None:
        self._api = api
        self._overview = overview

    def _scope(self) -> str:
        return self.name

    @property
    def name(self) -> str:
        """Its name.

        >>> m["DenmarkS1"].name
        'DenmarkS1'
        """
        return self._overview.name

    @property
    def status(self) -> Status:
        """Where it stands, derived from all that it owns.

        >>> m["DenmarkS1"].status
        <Status.RETRY: 'RETRY'>
        """
        return self._overview.status

    @property
    def overview(self) -> AOISummary:
        """Counts of scenes and tiles per status, progress (0 to 1), count of root tiles, acquisition dates.

        >>> m["DenmarkS1"].overview.scenes.total()
        4
        >>> round(m["DenmarkS1"].overview.progress, 2)
        0.08
        """
        return self._overview

    def refresh(self) -> Self:
        """The same AOI, with the numbers of now.

        >>> m["DenmarkS1"].refresh()
        <AOI DenmarkS1 RETRY: 4 scenes, 20 tiles (2 done, 1 retry, 11 pending, 10 new)>
        """
        self._overview = self._api.summary(self.name)
        return self

    # ---- frames

    def scenes(
        self,
        status: Statuses = None,
        *,
        tags: Wanted = False,
        data: Wanted = False,
        page: int = 0,
        limit: int | None = None,
    ) -> gpd.GeoDataFrame:
        """The scenes, ordered by id: EPSG:4326, categorical status, dates in UTC.

        `data` in the frame is the JSON text of what came from the catalogue. `tags=True` or `tags=["orbit"]` makes
        columns `tags.orbit` of the product's tags, `data=…` columns `data.graph_name` of the payload's fields;
        that takes a while for hundreds of thousands. Or expand the rows that are left after filtering:
        `from workflow_monitor.client import expand`, `scenes[…].pipe(expand, tags=True)`.

        >>> aoi.scenes("RETRY", tags=["relativeOrbit"])[["id", "status", "tags.relativeOrbit"]]
           id status tags.relativeOrbit
        0   3  RETRY                 44
        """
        from workflow_monitor.client import frames  # noqa: PLC0415 - what needs no frame should not wait for it

        frame = frames.item_frame(self._table(ItemKind.SCENE, status, _page(page, limit)), ItemKind.SCENE)
        return frames.expand(frame, tags=tags, data=data)

    def tiles(
        self,
        status: Statuses = None,
        *,
        tags: Wanted = False,
        data: Wanted = False,
        page: int = 0,
        limit: int | None = None,
    ) -> gpd.GeoDataFrame:
        """The tiles, ordered by id, with their scene, the previous tile and the reference; see `scenes`.

        A tile without a footprint has that of its scene (`geometry_origin` says so); `tags` are those of the
        scene. `previous_status` is unknown where the tile before is not in the list and the server does not tell.

        >>> aoi.tiles()[["id", "status", "scene", "previous", "previous_status"]].tail(2)
            id status  scene  previous previous_status
        18  19    NEW      4         9         PENDING
        19  20    NEW      4        10         PENDING
        """
        from workflow_monitor.client import frames  # noqa: PLC0415 - see scenes

        frame = frames.item_frame(self._table(ItemKind.TILE, status, _page(page, limit)), ItemKind.TILE)
        if tags is not False:
            frame = frames.joined(frame, self.scenes(tags=tags))
        return frames.expand(frame, data=data)

    def _table(self, kind: ItemKind, status: Statuses, page: Page | None) -> pa.Table:
        wanted = _statuses(status)
        if len(wanted) == 1 or not wanted:
            return self._api.items(kind, self.name, wanted[0] if wanted else None, page)
        if page is not None:
            raise MonitorError("Pages are those of one list: name a single status, or none.")
        import pyarrow as pa  # noqa: PLC0415 - see scenes

        tables = [self._api.items(kind, self.name, one) for one in wanted]
        return pa.concat_tables(tables).sort_by("id")

    def failures(self) -> pd.DataFrame:
        """What failed, grouped by the shape of the message: the same words, whatever ids, dates and paths are in them.

        Of each: how many, scenes or tiles, how many of them in RETRY and FAILED, since when and until when they came
        into that status (where the server keeps a history), an example, and the ids. `.pipe(m.retry)` retries them.

        >>> aoi.failures()[["message_template", "count", "kind"]]
                                                       shape  count   kind
        0  ProcessScene.NewStorage: badly formatted stora...      1  scene
        """
        from workflow_monitor.client.failures import failure_frame  # noqa: PLC0415 - see scenes

        return failure_frame(self._api.failures(self.name))

    def history(
        self,
        *,
        since: datetime | str | None = None,
        until: datetime | str | None = None,
        kind: str | None = None,
        id: int | None = None,  # noqa: A002 - as the endpoint calls it
        status: str | Status | None = None,
        page: int = 0,
        limit: int | None = None,
    ) -> pd.DataFrame:
        """Every transition, in order: when, what, from which status to which, why, who, the message.

        `since` (included) and `until` (not included) are times, UTC if they do not say; `kind` is scene, tile or
        aoi, `id` that of a scene or tile; `status` is the one that it led to.

        >>> aoi.history(kind="scene", status="RETRY")[["id", "from", "to", "cause", "who"]]
           id     from     to   cause    who
        0   3  PENDING  RETRY  result  tests
        """
        from workflow_monitor.client import frames  # noqa: PLC0415 - see scenes

        chosen = {
            "since": _moment(since),
            "until": _moment(until),
            "type": kind,
            "id": id,
            "status": None if status is None else str(Status.parse(str(status))),
        }
        given = {name: value for name, value in chosen.items() if value is not None}
        return frames.event_frame(self._api.history(self.name, given, _page(page, limit)))

    def events(self, after: int | None = None) -> Iterator[dict[str, Any]]:
        """The transitions as they happen, one after the other, until the server goes away or you leave the loop.

        `after` is the `seq` of the last one that you know: those since then come first.

        >>> event = next(aoi.events(after=0))
        >>> event["seq"], event["cause"]
        (1, 'create')
        """
        import json  # noqa: PLC0415 - only here

        for text in self._api.events(self.name, after, 60.0):
            yield json.loads(text)

    def dot(self) -> str:
        """The dependency graph as text for Graphviz.

        >>> aoi.dot().splitlines()[0]
        'digraph "DenmarkS1" {'
        """
        return self._api.dot(self.name)

    # ---- actions

    def retry(self, *, force: bool = False) -> Retried:
        """Retry all that is in RETRY, by force also what is PENDING.

        >>> aoi.retry()
        Retried(scenes=1, tiles=0)
        """
        return self._api.retry_aoi(self.name, force=force)

    def add_scenes(
        self, scenes: str | PathLike[str] | Mapping[str, Any] | Sequence[Mapping[str, Any]] | pd.DataFrame
    ) -> dict[str, int]:
        """Add scenes, all or none; the ids that they got, by source id.

        They come as a file (a JSON array, a catalogue's FeatureCollection, lines of JSON in *.ndjson), as a list of
        documents, or as a (Geo)DataFrame: `source_id`, `date`, `geometry`, `tags.…`, `tiles` (lists of names).

        >>> bornholm = m.create("Bornholm")
        >>> list(bornholm.add_scenes([{"source_id": "S2A_1", "data": {"date": "2022-01-04T10:34:31Z",
        ...     "tiles": {"T": {}}}, "tiles": {"T": {"data": {}}}}]))
        ['S2A_1']
        >>> bornholm.delete(confirm="Bornholm")
        """
        ids = dict(self._api.ingest(self.name, *parse_scenes(scenes, self.name)))
        self.refresh()
        return ids

    def delete(self, *, confirm: str = "") -> None:
        """Delete it with its scenes and tiles, which cannot be undone: `confirm` is its name, unless it is empty.

        >>> aoi.delete()
        Traceback (most recent call last):
        workflow_monitor.client.errors.NotConfirmed: This deletes DenmarkS1 with 4 scenes and 20 tiles, ...
        """
        self.refresh()
        scenes, tiles = self.overview.scenes.total(), self.overview.tiles.total()
        if scenes and confirm != self.name:
            raise ConfirmationRequired(
                f"This deletes {self.name} with {scenes:,} scenes and {tiles:,} tiles, and cannot be undone. "
                f"If you mean it: .delete(confirm={self.name!r})"
            )
        self._api.delete(self.name)

    def watch(
        self, *, interval: float = 2.0, timeout: float | None = None, patience: float = 300.0, progress: bool = True
    ) -> Summary:
        """Show a progress bar until nothing is in the hands of a worker; what became of it meanwhile.

        It looks every `interval` seconds, less often while nothing happens. It also ends after `timeout` seconds, or
        when it is interrupted (Ctrl-C, or the stop button). The server may be away for `patience` seconds.

        >>> print(aoi.watch(timeout=0.5, progress=False))
        DenmarkS1: the time is over after ... s; RETRY.
          2 done, 1 retry, 11 pending, 10 new (+0 done, +0 failed)
          1 wait for a person: aoi.failures(), then aoi.retry()
        """
        bar = ProgressBar(self.name, progress)
        try:
            summary = watch(self._watcher(bar, interval, timeout, patience))
        finally:
            bar.close()
        self._overview = summary.after
        return summary

    async def watch_async(
        self,
        *,
        interval: float = 2.0,
        timeout: float | None = None,  # noqa: ASYNC109 - no deadline: what became of it is told
        patience: float = 300.0,
        progress: bool = True,
    ) -> Summary:
        """The same as a coroutine: other coroutines, and the buttons of widgets, go on meanwhile.

        >>> import asyncio
        >>> asyncio.run(aoi.watch_async(timeout=0.2, progress=False)).ended
        'timeout'
        """
        bar = ProgressBar(self.name, progress)
        try:
            summary = await watch_async(self._watcher(bar, interval, timeout, patience))
        finally:
            bar.close()
        self._overview = summary.after
        return summary

    def _watcher(self, bar: ProgressBar, interval: float, timeout: float | None, patience: float) -> Watcher:
        return Watcher(self._api, self.name, interval, timeout, patience, bar.show)

    def to_parquet(self, folder: str | PathLike[str]) -> list[Path]:
        """Write scenes.parquet and tiles.parquet (GeoParquet) and history.parquet into a folder; their paths.

        >>> [path.name for path in aoi.to_parquet(folder)]
        ['scenes.parquet', 'tiles.parquet', 'history.parquet']
        """
        from workflow_monitor.client import export  # noqa: PLC0415 - see scenes

        return export.to_parquet(folder, self.scenes, self.tiles, self.history)

    # ---- panels

    @property
    def panels(self) -> Panels:
        """The panels of this AOI, those of installed packages included.

        >>> aoi.panels.timeline()
        <Timeline DenmarkS1>
        """
        return Panels(self, self._api)

    def map(self, basemap: Any = None) -> Any:  # noqa: ANN401 - a widget
        """Return the map panel; a shortcut for `aoi.panels.map()`.

        >>> aoi.map()
        <Map DenmarkS1>
        """
        return self.panels.map(basemap)

    def graph(self) -> Any:  # noqa: ANN401 - a widget
        """Return the graph panel; a shortcut for `aoi.panels.graph()`.

        >>> aoi.graph()
        <Graph DenmarkS1>
        """
        return self.panels.graph()

    def dashboard(self) -> Any:  # noqa: ANN401 - a widget
        """Return all panels of this AOI in one.

        >>> aoi.dashboard()
        <Dashboard DenmarkS1>
        """
        return load_panel("dashboard")(self, self._api)

    # ---- display

    def __repr__(self) -> str:
        return display.aoi_repr(self._overview)

    def __str__(self) -> str:
        return display.aoi_text(*self._shown())

    def _repr_pretty_(self, printer: Any, cycle: bool) -> None:  # noqa: ANN401 - IPython's own
        printer.text(repr(self) if cycle else str(self))

    def _repr_html_(self) -> str:
        return display.aoi_html(*self._shown())

    def _shown(self) -> tuple[AOISummary, list[display.Group], str]:
        """The numbers of now and the largest groups of failures; the last known ones if the server is away."""
        try:
            self.refresh()
            found = self._api.failures(self.name, LOOKED_AT)
        except MonitorError as error:
            return self._overview, [], f"As it was when it was last asked: {error}"
        cut = any(
            counts[status] > LOOKED_AT
            for status in FAILURES
            for counts in (self._overview.scenes, self._overview.tiles)
        )
        note = f"of the first {LOOKED_AT} of each kind; all: aoi.failures()" if cut else ""
        return self._overview, [(group.message_template, group.count, str(group.kind)) for group in found[:SHOWN]], note


def _statuses(status: Statuses) -> list[Status]:
    if status is None:
        return []
    named = [status] if isinstance(status, str) else list(status)
    wanted = [Status.parse(str(one)) for one in named]
    return list(dict.fromkeys(wanted))


def _page(number: int, limit: int | None) -> Page | None:
    if limit is None:
        if number:
            raise MonitorError("A page has a size: give `limit` too.")
        return None
    if limit < 1 or number < 0:
        raise MonitorError("`limit` counts from 1, `page` from 0.")
    return Page(number, limit)


def _moment(moment: datetime | str | None) -> str | None:
    if moment is None:
        return None
    problem = ""
    try:
        read = datetime.fromisoformat(moment) if isinstance(moment, str) else moment
    except ValueError:
        problem = f"{moment!r} is no time; expected one such as 2022-01-04T10:34:31Z, or a day."
    if problem:
        raise MonitorError(problem)
    aware = read if read.tzinfo else read.replace(tzinfo=UTC)
    return aware.astimezone(UTC).isoformat().replace("+00:00", "Z")
