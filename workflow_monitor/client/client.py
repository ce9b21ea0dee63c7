"""`Monitor`, the entry point of the client."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from difflib import get_close_matches
from typing import TYPE_CHECKING, Any, Self

from workflow_monitor.client import bulk, discovery, display
from workflow_monitor.client.aoi import AOI
from workflow_monitor.client.api import Api
from workflow_monitor.client.errors import AOINotFound, InvalidInput, MonitorError, NotFound
from workflow_monitor.client.hints import hint
from workflow_monitor.client.http import RetryPolicy, Transport
from workflow_monitor.client.items import Scene, Tile
from workflow_monitor.client.panels import load_panel
from workflow_monitor.client.process import ProcessMixin
from workflow_monitor.connection.addresses import split_address
from workflow_monitor.connection.environment import TOKEN, URL, Environment
from workflow_monitor.connection.secret import Secret
from workflow_monitor.documents.aoi_names import normalize_aoi_name
from workflow_monitor.domain.glob import is_pattern
from workflow_monitor.domain.models import AOISummary, Backup
from workflow_monitor.domain.status import ItemKind, Status

if TYPE_CHECKING:
    import pandas as pd

#: limit on AOIs in the display of a Monitor
SHOWN = 12


class Monitor(ProcessMixin):
    """Client of a workflow server: a Jupyter server with the extension, or the server of a Geocube ingester.

    `Monitor()` finds the server of this kernel. `Monitor(url)` accepts the base URL of a Jupyter server, the root of
    a bare workflow server, or the address in a browser, from which it extracts a token. Without `token`, the client
    uses WORKFLOW_MONITOR_TOKEN, or the token of a running Jupyter server or of JupyterHub; it sends a token only to
    the server that issued it.

    `actor` is recorded in the history, by default the user name of the hub or of this machine. `timeout` (seconds)
    limits each wait for data. Reads are repeated up to `retries` times while the server is unavailable; writes are
    sent once. `verify` is False or the path of a certificate bundle, as in httpx. Raises ServerNotFound,
    ServerUnreachable, AccessDenied.

    A Monitor is thread-safe. In coroutines run it in a thread, `await asyncio.to_thread(aoi.scenes)`, to keep the
    event loop free; long waits have coroutines, `await aoi.watch_async()`.

    >>> Monitor(url, token=token, actor="eva")
    Monitor('http://127.0.0.1:.../user/eva/workflow-monitor/')
    """

    def __init__(
        self,
        url: str | None = None,
        *,
        token: str | None = None,
        actor: str | None = None,
        timeout: float = 60.0,
        retries: int = 4,
        verify: bool | str = True,
    ) -> None:
        # Verbose tracebacks show the variables of each frame.
        secret, token = Secret(token) if token else None, None
        environment = Environment()
        self.actor = environment.actor() if actor is None else actor

        def connect(root: str, known: Secret | None) -> Transport:
            patience = RetryPolicy(retries)
            return Transport(root, known, actor=self.actor, timeout=timeout, patience=patience, verify=verify)

        if url is None and secret is not None:
            raise MonitorError('A token needs the URL of its server: Monitor("https://host/…/", token="…").')
        if url is None:
            self._api: Api = discovery.find(connect, environment)
        else:
            base, inside = split_address(url)
            del url
            self._api = discovery.open_api(connect, base, secret or inside or environment.token_for(base))

    @property
    def url(self) -> str:
        """URL of the endpoints.

        >>> m.url
        'http://127.0.0.1:.../user/eva/workflow-monitor/'
        """
        return self._api.connection.url

    @property
    def kind(self) -> str:
        """Type of the server: "workflow monitor" or "Geocube workflow server".

        >>> m.kind
        'workflow monitor'
        """
        return self._api.name

    def close(self) -> None:
        """Close the connections. `with Monitor() as m:` closes them at the end.

        >>> with Monitor(url, token=token) as other:
        ...     "DenmarkS1" in other
        True
        """
        self._api.connection.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    # ---- AOIs

    def names(self, pattern: str | None = None) -> list[str]:
        """Return the names of all AOIs, or of the AOIs that match a pattern (`*` any text, `?` one character).

        >>> m.names("Denmark*")
        ['DenmarkS1', 'DenmarkS2']
        """
        return [name for name, _ in self._api.aois(pattern)]

    def __iter__(self) -> Iterator[str]:
        return iter(self.names())

    def __contains__(self, name: object) -> bool:
        return isinstance(name, str) and self._api.aoi_name(name) in self.names()

    def __getitem__(self, name: str) -> AOI:
        """Return an AOI by name. Raises AOINotFound.

        >>> m["DenmarkS2"]
        <AOI DenmarkS2 PENDING: 6 scenes, 6 tiles (6 pending, 6 new)>
        """
        if is_pattern(name):
            raise MonitorError(
                f"{name!r} is a pattern and may match several AOIs: {hint('matching aois', pattern=name)} lists them."
            )
        try:
            return AOI(self._api, self._api.summary(name))
        except AOINotFound as error:
            not_found = AOINotFound(
                f"There is no AOI {name!r}. {_alike(name, self.names())}", status=error.status, code=error.code
            )
        raise not_found

    def _ipython_key_completions_(self) -> list[str]:
        return self.names()

    def summaries(self, pattern: str | None = None) -> list[AOISummary]:
        """Return the overviews of AOIs, without pandas.

        >>> [(summary.name, summary.status.value, summary.count()) for summary in m.summaries()]
        [('DenmarkS1', 'RETRY', 24), ('DenmarkS2', 'PENDING', 12)]
        """
        return self._summaries(self.names(pattern))

    def _summaries(self, names: Sequence[str]) -> list[AOISummary]:
        with ThreadPoolExecutor(bulk.MAX_CONCURRENCY, thread_name_prefix="workflow-monitor-client") as pool:
            return [summary for summary in pool.map(self._summary_or_none, names) if summary is not None]

    def _summary_or_none(self, name: str) -> AOISummary | None:
        try:
            return self._api.summary(name)
        except NotFound:
            # deleted since it was listed
            return None

    def aois(self, pattern: str | None = None) -> pd.DataFrame:
        """Return a DataFrame of AOIs: name, status, counts per status, progress (0 to 1; NaN for an empty AOI), acquisition
        dates (UTC).

        >>> m.aois()[["name", "status", "scenes", "tiles", "scenes_retry"]]
                name   status  scenes  tiles  scenes_retry
        0  DenmarkS1    RETRY       4     20             1
        1  DenmarkS2  PENDING       6      6             0
        """
        import pandas as pd  # noqa: PLC0415 - pandas loads on first use

        rows = [_row(summary) for summary in self.summaries(pattern)]
        frame = pd.DataFrame(rows, columns=list(_COLUMNS))
        frame["status"] = pd.Categorical(frame["status"], categories=list(map(str, Status)))
        for end in ("first", "last"):
            frame[end] = pd.to_datetime(frame[end], utc=True).dt.as_unit("us")
        return frame.astype(dict.fromkeys(_COLUMNS[2:14], "int64") | {"progress": "float64"})

    def environment(self) -> dict[str, str]:
        """Return environment variables that point another process to this server. They include the token.

        >>> sorted(m.environment())
        ['WORKFLOW_MONITOR_TOKEN', 'WORKFLOW_MONITOR_URL']
        """
        secret = self._api.connection.token
        return {URL: self.url} | ({TOKEN: secret.reveal()} if secret else {})

    def dashboard(self) -> Any:  # noqa: ANN401 - a widget
        """Return a dashboard with a list of all AOIs and the panels of the selected one.

        >>> m.dashboard()
        <Dashboard DenmarkS1>
        """
        first = next(iter(self.names()), None)
        return load_panel("dashboard")(self[first] if first is not None else None, self._api, has_aoi_list=True)

    def create(self, name: str) -> AOI:
        """Create an AOI and return it. White space around the name is removed. Raises AOIExists, InvalidInput.

        >>> m.create("Bornholm")
        <AOI Bornholm NEW: 0 scenes, 0 tiles>
        >>> m["Bornholm"].delete()
        """
        name = normalize_aoi_name(name)
        if not name:
            raise InvalidInput("An AOI needs a name that is not blank.")
        self._api.create(name)
        return self[name]

    def backup(self) -> Backup:
        """Back up the store while the server keeps running; the path in the result is on the server's machine.

        >>> m.backup()
        Backup(file='....duckdb', made=datetime.datetime(...), bytes=...)
        """
        return self._api.back_up()

    # ---- scenes and tiles

    def scene(self, id: int) -> Scene:  # noqa: A002 - the field's name
        """Return a scene by id. Raises ItemNotFound.

        >>> m.scene(3)
        <Scene 3 RETRY S1A_IW_SLC__1SDV_...>
        """
        return Scene(self._api, self._api.item(ItemKind.SCENE, id))

    def tile(self, id: int) -> Tile:  # noqa: A002 - the field's name
        """Return a tile by id. Raises ItemNotFound.

        >>> m.tile(1)
        <Tile 1 PENDING A44_IW1_8951>
        """
        return Tile(self._api, self._api.item(ItemKind.TILE, id))

    def retry(self, items: Any, *, force: bool = False, kind: str | None = None) -> pd.DataFrame:  # noqa: ANN401
        """Retry many scenes and tiles: a frame of scenes, tiles or failures or a row of it, items, or ids with their `kind`.

        Returns a DataFrame with a row per item: `outcome` is done, refused, unknown (no such item), lost (no
        response) or unreachable, with a `reason`. One failed request does not stop the others.

        >>> m["DenmarkS1"].scenes("RETRY").pipe(m.retry)[["kind", "id", "outcome"]]
            kind  id outcome
        0  scene   3    done
        """
        return bulk.apply_to_items(
            bulk.resolve_items(items, kind), lambda of, item_id: self._api.retry(of, item_id, force=force)
        )

    def fail(self, items: Any, *, force: bool = False, kind: str | None = None) -> pd.DataFrame:  # noqa: ANN401
        """Fail many scenes and tiles; see `retry`.

        >>> m.fail([3, 999], kind="scene")["outcome"].tolist()
        ['done', 'unknown']
        """
        return bulk.apply_to_items(
            bulk.resolve_items(items, kind), lambda of, item_id: self._api.fail(of, item_id, force=force)
        )

    def force(self, items: Any, status: str | Status, *, kind: str | None = None) -> pd.DataFrame:  # noqa: ANN401
        """Set the status of many scenes and tiles; see `retry`.

        >>> m.force([1, 2], "RETRY", kind="tile")["outcome"].tolist()
        ['done', 'done']
        """
        target = Status.parse(str(status))
        return bulk.apply_to_items(
            bulk.resolve_items(items, kind), lambda of, item_id: self._api.force(of, item_id, target)
        )

    # ---- display

    def __repr__(self) -> str:
        # Tracebacks show a Monitor whose __init__ failed.
        return f"Monitor({self.url!r})" if hasattr(self, "_api") else "Monitor()"

    def __str__(self) -> str:
        return display.monitor_text(self.url, self.kind, *self._shown())

    def _repr_pretty_(self, printer: Any, cycle: bool) -> None:  # noqa: ANN401 - IPython's own
        printer.text(repr(self) if cycle else str(self))

    def _repr_html_(self) -> str:
        return display.monitor_html(self.url, self.kind, *self._shown())

    def _shown(self) -> tuple[list[AOISummary], int, str]:
        try:
            names = self.names()
            return self._summaries(names[:SHOWN]), max(0, len(names) - SHOWN), ""
        except MonitorError as error:
            return [], 0, str(error)


def _alike(name: str, known: Sequence[str]) -> str:
    """Return a hint with similar names."""
    by_letters = {one.casefold(): one for one in known}
    meant = [by_letters[found] for found in get_close_matches(name.casefold(), by_letters, SHOWN)] or known[:SHOWN]
    return (
        f"There are: {', '.join(map(repr, meant))}. All: {hint('aois')}"
        if known
        else f"There are none; {hint('create')} creates one."
    )


_COLUMNS: tuple[str, ...] = (
    *("name", "status", "scenes", "tiles"),
    *(f"{of}_{status.lower()}" for of in ("scenes", "tiles") for status in Status),
    *("progress", "root_tiles", "first", "last"),
)


def _row(summary: AOISummary) -> Iterable[object]:
    counts = [by_status[status] for by_status in (summary.scenes, summary.tiles) for status in Status]
    totals = summary.scenes.total(), summary.tiles.total()
    return [
        summary.name,
        str(summary.status),
        *totals,
        *counts,
        summary.progress,
        summary.root_tiles,
        summary.first,
        summary.last,
    ]
