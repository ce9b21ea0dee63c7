"""An AOI: scenes, tiles, failures and history as frames, actions, and panels."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import UTC, datetime
from os import PathLike
from typing import TYPE_CHECKING, Any, Self

from workflow_monitor.client import display
from workflow_monitor.client.added_scenes import AddedScenes, Existing, Invalid, check_option
from workflow_monitor.client.api import Api, Retried
from workflow_monitor.client.errors import ConfirmationRequired, InvalidInput, MonitorError
from workflow_monitor.client.hints import hint
from workflow_monitor.client.panels import Panels, load_panel
from workflow_monitor.client.process import ProcessMixin
from workflow_monitor.client.scene_input import Tiles, parse_scenes
from workflow_monitor.client.watch import ProgressBar, Summary, Watcher, watch, watch_async
from workflow_monitor.documents.rfc3339 import without_leap_second
from workflow_monitor.domain.failures import FAILURES
from workflow_monitor.domain.models import AOISummary, Page
from workflow_monitor.domain.status import ItemKind, Status

if TYPE_CHECKING:
    from pathlib import Path

    import geopandas as gpd
    import pandas as pd
    import pyarrow as pa

    from workflow_monitor.client.frames import Fields

#: one status, several, or None for all
Statuses = str | Status | Sequence[str | Status] | None

#: limit on failures per kind that the display of an AOI reads, and on groups that it lists
DISPLAY_FAILURES = 500
DISPLAY_GROUPS = 5


class AOI(ProcessMixin):
    """A named ingestion. Its counts are a snapshot; displaying the AOI or calling `refresh` reads them again."""

    def __init__(self, api: Api, overview: AOISummary) -> None:
        self._api = api
        self._overview = overview

    def _scope(self) -> str:
        return self.name

    @property
    def name(self) -> str:
        """Name of the AOI.

        >>> m["DenmarkS1"].name
        'DenmarkS1'
        """
        return self._overview.name

    @property
    def status(self) -> Status:
        """Status of the AOI, derived from its scenes and tiles.

        >>> m["DenmarkS1"].status
        <Status.RETRY: 'RETRY'>
        """
        return self._overview.status

    @property
    def overview(self) -> AOISummary:
        """Counts of scenes and tiles per status, progress (0 to 1; None if empty), count of root tiles, acquisition dates.

        >>> m["DenmarkS1"].overview.scenes.total()
        4
        >>> round(m["DenmarkS1"].overview.progress, 2)
        0.08
        """
        return self._overview

    def refresh(self) -> Self:
        """Read the counts and the status again, and return the same AOI. Raises AOINotFound.

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
        tags: Fields = False,
        data: Fields = False,
        page: int = 0,
        limit: int | None = None,
    ) -> gpd.GeoDataFrame:
        """Return a GeoDataFrame of scenes, one row each, ordered by id.

        Footprints are in EPSG:4326, `status` is categorical, `date` (acquisition) is in UTC, and `data` is the JSON
        text of the catalogue's payload. `tags=True` or `tags=["orbit"]` adds columns such as `tags.orbit`, `data=…`
        columns such as `data.graph_name`. Parsing hundreds of thousands of payloads is slow: filter first and call
        `workflow_monitor.client.expand` on the rest, `scenes[…].pipe(expand, tags=True)`. With `limit`, the frame is
        page `page` (from 0) of a list with at most one status. Raises AOINotFound, InvalidInput (a tag that no scene of the
        AOI has).

        >>> aoi.scenes("RETRY", tags=["relativeOrbit"])[["id", "status", "tags.relativeOrbit"]]
           id status tags.relativeOrbit
        0   3  RETRY                 44
        """
        from workflow_monitor.client import frames  # noqa: PLC0415 - pandas loads on first use

        frame = frames.item_frame(self._table(ItemKind.SCENE, status, _page(page, limit)), ItemKind.SCENE)
        return frames.expand(frame, tags=tags, data=data, all_data=self._all_data)

    def _all_data(self) -> list[str]:
        texts: list[str] = self._table(ItemKind.SCENE, None, None)["data"].to_pylist()
        return texts

    def tiles(
        self,
        status: Statuses = None,
        *,
        tags: Fields = False,
        data: Fields = False,
        page: int = 0,
        limit: int | None = None,
    ) -> gpd.GeoDataFrame:
        """Return a GeoDataFrame of tiles with scene, previous tile and reference tile, ordered by id; see `scenes`.

        A tile without a footprint gets the footprint of its scene, marked in `geometry_origin`; `tags` are the tags
        of the scene. `previous_status` is missing if a Geocube server lists the tile without its previous tile.

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
        statuses = _statuses(status)
        if len(statuses) <= 1:
            return self._api.items(kind, self.name, statuses[0] if statuses else None, page)
        if page is not None:
            raise MonitorError("A page belongs to one list: pass a single status, or none.")
        import pyarrow as pa  # noqa: PLC0415 - see scenes

        tables = [self._api.items(kind, self.name, one) for one in statuses]
        return pa.concat_tables(tables).sort_by("id")

    def failures(self) -> pd.DataFrame:
        """Return a DataFrame of failures, one row per group of messages that differ only in ids, dates and paths.

        Columns: `message_template` (the message with placeholders), `count`, `kind`, counts in `retry` and `failed`, `since` and
        `last` (UTC, to the second; missing on a server without a history), `example`. Tiles that failed with their scene
        follow the group of these scenes, as `scene failed: ` and its template. `.pipe(m.retry)` retries the items of the
        rows, and the scenes of such tiles; `attrs["ids"][kind][message_template]` lists the ids.

        >>> aoi.failures()[["message_template", "count", "kind"]]
                                            message_template  count   kind
        0  ProcessScene.NewStorage: badly formatted stora...      1  scene
        """
        from workflow_monitor.client.failures import failure_frame  # noqa: PLC0415 - see scenes

        return failure_frame(self._api.failures(self.name))

    def blockers(self, limit: int = 20) -> pd.DataFrame:
        """Return a DataFrame of the items that hold back most tiles, one row per item that waits for a person.

        Columns: `startable` (tiles that only this item holds back), `blocked` (tiles that wait for it, also through
        others), `kind`, `id`, `status`, `message_template`, `source_id`. `.head(1).pipe(m.retry)` retries the first one.

        >>> aoi.blockers()[["startable", "blocked", "kind", "id", "status"]]
           startable  blocked   kind  id status
        0          5        5  scene   3  RETRY
        """
        from workflow_monitor.client.waiting import blocker_frame  # noqa: PLC0415 - see scenes

        return blocker_frame(self._api.blockers(self.name, limit))

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
        """Return a DataFrame of transitions in order: time, item, statuses `before` and `after`, cause, actor and message.

        `since` (inclusive) and `until` (exclusive) are UTC without an offset; `kind` is "scene", "tile" or "aoi";
        `id` selects a scene or tile; `status` is the status after the transition. Raises NotSupported on a server
        without a history.

        >>> aoi.history(kind="scene", status="RETRY")[["id", "before", "after", "cause", "who"]]
           id   before  after   cause    who
        0   3  PENDING  RETRY  result  tests
        """
        from workflow_monitor.client import frames  # noqa: PLC0415 - see scenes

        filters = {
            "since": _moment(since),
            "until": _moment(until),
            "type": kind,
            "id": id,
            "status": None if status is None else str(Status.parse(str(status))),
        }
        params = {name: value for name, value in filters.items() if value is not None}
        return frames.event_frame(self._api.history(self.name, params, _page(page, limit)))

    def events(self, after: int | None = None) -> Iterator[dict[str, Any]]:
        """Yield transitions live, until the server closes the stream or the loop ends.

        With `after`, the `seq` of an event, the server first replays the events since then.

        >>> event = next(aoi.events(after=0))
        >>> event["seq"], event["cause"]
        (1, 'create')
        """
        import json  # noqa: PLC0415 - only here

        for text in self._api.events(self.name, after, 60.0):
            yield json.loads(text)

    def dot(self) -> str:
        """Return the dependency graph in Graphviz's DOT language.

        >>> aoi.dot().splitlines()[0]
        'digraph "DenmarkS1" {'
        """
        return self._api.dot(self.name)

    # ---- actions

    def retry(self, *, force: bool = False) -> Retried:
        """Retry all scenes and tiles in RETRY; with `force`, PENDING ones too.

        >>> aoi.retry()
        Retried(scenes=1, tiles=0)
        """
        return self._api.retry_aoi(self.name, force=force)

    def add_scenes(
        self,
        scenes: str | PathLike[str] | Mapping[str, Any] | Iterable[Any] | pd.DataFrame,
        *,
        tiles: Tiles = None,
        existing: Existing = "refuse",
        invalid: Invalid = "refuse",
    ) -> AddedScenes:
        """Add scenes in one transaction and return their ids by source id.

        `scenes` is one of:

        - a list of documents, or a file of them (a JSON array, or lines of JSON in *.ndjson);
        - the FeatureCollection of a Geocube catalogue, or its file;
        - STAC items: a pystac ItemCollection, a list of items, their JSON, or a GeoDataFrame or Parquet file of
          stac-geoparquet. `tiles` names the tile of an item after the item ("scene", the default), its MGRS square ("mgrs"),
          or its burst ("burst"); a function of the item, a dict, returns names of tiles or tile documents by name;
        - a (Geo)DataFrame with the columns `source_id`, `date`, `geometry` (converted to EPSG:4326), `tags.…` and `tiles`
          (lists of names);
        - the frame of `scenes()` of any AOI, or the scenes.parquet of `to_parquet`. The tiles come with data, links and
          footprints: from the server, from tiles.parquet beside the file, or from the frame `tiles`.

        Scenes whose source id the AOI already has raise SceneExists, and nothing is added; with `existing="skip"` they stay
        as they are, the others are added, and `.existing` of the result has the ids of the skipped ones. Invalid scenes
        raise InvalidInput; with `invalid="skip"` the valid ones are added, and `.invalid` of the result lists name and
        reason of the others.

        >>> bornholm = m.create("Bornholm")
        >>> list(bornholm.add_scenes([{"source_id": "S2A_1", "data": {"date": "2022-01-04T10:34:31Z",
        ...     "tiles": {"T": {}}}, "tiles": {"T": {"data": {}}}}]))
        ['S2A_1']
        >>> bornholm.add_scenes(bornholm.scenes(), existing="skip").existing.keys()
        dict_keys(['S2A_1'])
        >>> bornholm.delete(confirm="Bornholm")
        """
        check_option("existing", existing)
        check_option("invalid", invalid)
        body = parse_scenes(scenes, self.name, tiles, self._tiles_of)
        try:
            added = self._api.ingest(self.name, body, existing, invalid)
        except InvalidInput as error:
            if not hasattr(scenes, "columns"):
                raise
            from workflow_monitor.client.frame_input import with_row_labels  # noqa: PLC0415 - see scenes

            raise with_row_labels(error, scenes) from None
        self.refresh()
        return added

    def _tiles_of(self, aoi: str) -> gpd.GeoDataFrame:
        from workflow_monitor.client import frames  # noqa: PLC0415 - see scenes

        return frames.item_frame(self._api.items(ItemKind.TILE, aoi), ItemKind.TILE)

    def delete(self, *, confirm: str = "") -> None:
        """Delete the AOI with its scenes and tiles, permanently.

        An AOI with scenes needs its name as `confirm`; otherwise ConfirmationRequired is raised.

        >>> aoi.delete()
        Traceback (most recent call last):
        workflow_monitor.client.errors.ConfirmationRequired: This deletes DenmarkS1 with 4 scenes and 20 tiles, ...
        """
        self.refresh()
        scenes, tiles = self.overview.scenes.total(), self.overview.tiles.total()
        if scenes and self._api.aoi_name(confirm) != self.name:
            raise ConfirmationRequired(
                f"This deletes {self.name} with {scenes:,} scenes and {tiles:,} tiles, and cannot be undone. "
                f"If you mean it: .delete(confirm={self.name!r})"
            )
        self._api.delete(self.name)

    def watch(
        self, *, interval: float = 2.0, timeout: float | None = None, patience: float = 300.0, progress: bool = True
    ) -> Summary:
        """Show a progress bar until no item is PENDING, and return a summary of the changes.

        `watch` polls every `interval` seconds, less often without events. It also returns after `timeout` seconds or
        on an interrupt (Ctrl-C, the stop button). It tolerates an unreachable server for `patience` seconds, then
        raises ServerUnreachable.

        >>> print(aoi.watch(timeout=0.5, progress=False))
        DenmarkS1: timed out after ... s; RETRY.
          2 done, 1 retry, 11 pending, 10 new (+0 done, +0 failed)
          1 need a retry: aoi.failures(), then aoi.retry()
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
        timeout: float | None = None,  # noqa: ASYNC109 - returns a summary at the deadline
        patience: float = 300.0,
        progress: bool = True,
    ) -> Summary:
        """Run `watch` as a coroutine, so that other coroutines and the buttons of widgets keep running.

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
        """Write scenes.parquet and tiles.parquet (GeoParquet, EPSG:4326) and history.parquet; return their paths.

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
        """Return the current overview and the largest groups of failures, or the last overview while the server is down."""
        try:
            self.refresh()
            groups = self._api.failures(self.name, DISPLAY_FAILURES)
        except MonitorError as error:
            return self._overview, [], f"Last known state: {error}"
        cut = any(
            counts[status] > DISPLAY_FAILURES
            for status in FAILURES
            for counts in (self._overview.scenes, self._overview.tiles)
        )
        note = f"of the first {DISPLAY_FAILURES} of each kind; all: {hint('failures', aoi=self.name)}" if cut else ""
        return (
            self._overview,
            [(group.label, group.count, str(group.kind)) for group in groups[:DISPLAY_GROUPS]],
            note,
        )


def _statuses(status: Statuses) -> list[Status]:
    if status is None:
        return []
    names = [status] if isinstance(status, str) else list(status)
    return list(dict.fromkeys(Status.parse(str(name)) for name in names))


def _page(number: int, limit: int | None) -> Page | None:
    if limit is None:
        if number:
            raise MonitorError("A page needs `limit`.")
        return None
    if limit < 1 or number < 0:
        raise MonitorError("`limit` must be at least 1, `page` at least 0.")
    return Page(number, limit)


def _moment(moment: datetime | str | None) -> str | None:
    if moment is None:
        return None
    problem = ""
    moment = without_leap_second(moment) if isinstance(moment, str) else moment
    try:
        read = datetime.fromisoformat(moment) if isinstance(moment, str) else moment
    except ValueError:
        problem = f"{moment!r} is not a time; expected for example 2022-01-04T10:34:31Z, or a day."
    if problem:
        raise MonitorError(problem)
    aware = read if read.tzinfo else read.replace(tzinfo=UTC)
    return aware.astimezone(UTC).isoformat().replace("+00:00", "Z")
