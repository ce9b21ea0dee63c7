"""A workflow server, as people type it."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from difflib import get_close_matches
from typing import TYPE_CHECKING, Any, Self

from workflow_monitor.client import bulk, discovery, display
from workflow_monitor.client.aoi import AOI
from workflow_monitor.client.api import AOISummary, Api
from workflow_monitor.client.errors import AOINotFound, MonitorError, NotFound
from workflow_monitor.client.http import RetryPolicy, Transport
from workflow_monitor.client.items import Scene, Tile
from workflow_monitor.client.jobs import ProcessMixin
from workflow_monitor.client.panels import load_panel
from workflow_monitor.client.secret import Secret, split_address
from workflow_monitor.domain.glob import is_pattern
from workflow_monitor.domain.models import Backup
from workflow_monitor.domain.status import ItemKind, Status

if TYPE_CHECKING:
    import pandas as pd

#: AOIs that are shown where a Monitor is
SHOWN = 12


class Monitor(ProcessMixin):
    """A workflow server: this project's, inside Jupyter, or a Geocube ingester's own.

    `Monitor()` finds the server that this kernel belongs to. `Monitor(url)` takes the base URL of a Jupyter
    server, the root of a bare workflow server, or what a browser shows (a token in it is taken out). Without a
    `token` that of WORKFLOW_MONITOR_TOKEN, of a running server of yours, or of JupyterHub is used, and is
    sent to the server that it belongs to only.

    `actor` is who acts, in the history of what happens: by default the user of the hub or of this machine.
    `timeout` is how many seconds the server may be silent. Reads are tried again up to `retries` times while the
    server is away; writes are sent once. `verify` is False, or the path of a certificate bundle, as httpx takes it.

    Any thread may use it. In coroutines call it through a thread, `await asyncio.to_thread(aoi.scenes)`, so that
    the loop goes on; what waits long has a coroutine of its own, `await aoi.watch_async()`.

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
        around = discovery.Environment()
        self.actor = around.actor() if actor is None else actor

        def connect(root: str, known: Secret | None) -> Transport:
            patience = RetryPolicy(retries)
            return Transport(root, known, actor=self.actor, timeout=timeout, patience=patience, verify=verify)

        if url is None and secret is not None:
            raise MonitorError('A token belongs to a server: Monitor("https://host/…/", token="…").')
        if url is None:
            self._api: Api = discovery.find(connect, around)
        else:
            base, inside = split_address(url)
            del url
            self._api = discovery.open_api(connect, base, secret or inside or around.token_for(base))

    @property
    def url(self) -> str:
        """Where the endpoints are.

        >>> m.url
        'http://127.0.0.1:.../user/eva/workflow-monitor/'
        """
        return self._api.connection.url

    @property
    def kind(self) -> str:
        """What sort of server it is.

        >>> m.kind
        'workflow monitor'
        """
        return self._api.name

    def close(self) -> None:
        """Let go of the connection; `with Monitor() as m:` does so by itself.

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
        """The names of the AOIs, or of those that match a pattern (`*` any text, `?` one character).

        >>> m.names("Denmark*")
        ['DenmarkS1', 'DenmarkS2']
        """
        return [name for name, _ in self._api.aois(pattern)]

    def __iter__(self) -> Iterator[str]:
        return iter(self.names())

    def __contains__(self, name: object) -> bool:
        return name in self.names()

    def __getitem__(self, name: str) -> AOI:
        """The AOI of this name. Raises AOINotFound.

        >>> m["DenmarkS2"]
        <AOI DenmarkS2 PENDING: 6 scenes, 6 tiles (6 pending, 6 new)>
        """
        if is_pattern(name):
            raise MonitorError(f"{name!r} is a pattern, which may name several: m.aois({name!r}) lists them.")
        try:
            return AOI(self._api, self._api.summary(name))
        except AOINotFound as error:
            told = AOINotFound(
                f"There is no AOI {name!r}. {_alike(name, self.names())}", status=error.status, code=error.code
            )
        raise told

    def _ipython_key_completions_(self) -> list[str]:
        return self.names()

    def summaries(self, pattern: str | None = None) -> list[AOISummary]:
        """The AOIs with their numbers, without a frame.

        >>> [(one.name, one.status.value, one.number()) for one in m.workloads()]
        [('DenmarkS1', 'RETRY', 24), ('DenmarkS2', 'PENDING', 12)]
        """
        return self._workloads(self.names(pattern))

    def _workloads(self, names: Sequence[str]) -> list[AOISummary]:
        with ThreadPoolExecutor(bulk.AT_ONCE, thread_name_prefix="workflow-monitor-client") as pool:
            return [one for one in pool.map(self._workload, names) if one is not None]

    def _workload(self, name: str) -> AOISummary | None:
        try:
            return self._api.summary(name)
        except NotFound:
            # It was deleted while we looked.
            return None

    def aois(self, pattern: str | None = None) -> pd.DataFrame:
        """The AOIs: name, status, how many scenes and tiles, in which status, progress (0 to 1), dates.

        >>> m.aois()[["name", "status", "scenes", "tiles", "scenes_retry"]]
                name   status  scenes  tiles  scenes_retry
        0  DenmarkS1    RETRY       4     20             1
        1  DenmarkS2  PENDING       6      6             0
        """
        import pandas as pd  # noqa: PLC0415 - what needs no frame should not wait for it

        rows = [_row(one) for one in self.summaries(pattern)]
        frame = pd.DataFrame(rows, columns=list(_COLUMNS))
        frame["status"] = pd.Categorical(frame["status"], categories=list(map(str, Status)))
        for end in ("first", "last"):
            frame[end] = pd.to_datetime(frame[end], utc=True).dt.as_unit("us")
        return frame.astype(dict.fromkeys(_COLUMNS[2:14], "int64") | {"progress": "float64"})

    def environment(self) -> dict[str, str]:
        """The variables by which another process of yours finds this server; the token is among them.

        >>> sorted(m.environment())
        ['WORKFLOW_MONITOR_TOKEN', 'WORKFLOW_MONITOR_URL']
        """
        secret = self._api.connection.token
        return {discovery.URL: self.url} | ({discovery.TOKEN: secret.reveal()} if secret else {})

    def dashboard(self) -> Any:  # noqa: ANN401 - a widget
        """The panels of any AOI, with a list of all to choose from.

        >>> m.dashboard()
        <Dashboard DenmarkS1>
        """
        first = next(iter(self.names()), None)
        return load_panel("dashboard")(self[first] if first is not None else None, self._api, has_aoi_list=True)

    def create(self, name: str) -> AOI:
        """Create an AOI. Raises AOIExists.

        >>> m.create("Bornholm")
        <AOI Bornholm NEW: 0 scenes, 0 tiles>
        >>> m["Bornholm"].delete()
        """
        self._api.create(name)
        return self[name]

    def backup(self) -> Backup:
        """Have the server make a backup of its store while it goes on; answers the file on the server.

        >>> m.backup()
        Backup(file='....duckdb', made=datetime.datetime(...), bytes=...)
        """
        return self._api.back_up()

    # ---- scenes and tiles

    def scene(self, number: int) -> Scene:
        """The scene of this id. Raises ItemNotFound.

        >>> m.scene(3)
        <Scene 3 RETRY S1A_IW_SLC__1SDV_...>
        """
        return Scene(self._api, self._api.item(ItemKind.SCENE, number))

    def tile(self, number: int) -> Tile:
        """The tile of this id. Raises ItemNotFound.

        >>> m.tile(1)
        <Tile 1 PENDING A44_IW1_8951>
        """
        return Tile(self._api, self._api.item(ItemKind.TILE, number))

    def retry(self, items: Any, *, force: bool = False, kind: str | None = None) -> pd.DataFrame:  # noqa: ANN401
        """Retry many: a frame of scenes, tiles or failures, a list of Scenes and Tiles, or of ids with their `kind`.

        Answers what became of each: `outcome` is done, refused, unknown, lost or unreachable, with the reason.

        >>> m["DenmarkS1"].scenes("RETRY").pipe(m.retry)[["kind", "id", "outcome"]]
            kind  id outcome
        0  scene   3    done
        """
        return bulk.apply_to_items(
            bulk.resolve_items(items, kind), lambda of, number: self._api.retry(of, number, force=force)
        )

    def fail(self, items: Any, *, force: bool = False, kind: str | None = None) -> pd.DataFrame:  # noqa: ANN401
        """Give many up; see `retry`.

        >>> m.fail([3, 999], kind="scene")["outcome"].tolist()
        ['done', 'unknown']
        """
        return bulk.apply_to_items(
            bulk.resolve_items(items, kind), lambda of, number: self._api.fail(of, number, force=force)
        )

    def force(self, items: Any, status: str | Status, *, kind: str | None = None) -> pd.DataFrame:  # noqa: ANN401
        """Set the status of many; see `retry`.

        >>> m.force([1, 2], "RETRY", kind="tile")["outcome"].tolist()
        ['done', 'done']
        """
        wanted = Status.parse(str(status))
        return bulk.apply_to_items(
            bulk.resolve_items(items, kind), lambda of, number: self._api.force(of, number, wanted)
        )

    # ---- looks

    def __repr__(self) -> str:
        # A traceback shows it also when no server was found.
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
            return self._workloads(names[:SHOWN]), max(0, len(names) - SHOWN), ""
        except MonitorError as error:
            return [], 0, str(error)


def _alike(name: str, known: Sequence[str]) -> str:
    """The names that may have been meant."""
    by_letters = {one.casefold(): one for one in known}
    meant = [by_letters[found] for found in get_close_matches(name.casefold(), by_letters, SHOWN)] or known[:SHOWN]
    return (
        f"There are: {', '.join(map(repr, meant))}. All: m.aois()"
        if known
        else "There are none; m.create(name) makes one."
    )


_COLUMNS: tuple[str, ...] = (
    *("name", "status", "scenes", "tiles"),
    *(f"{of}_{status.lower()}" for of in ("scenes", "tiles") for status in Status),
    *("progress", "root_tiles", "first", "last"),
)


def _row(one: AOISummary) -> Iterable[object]:
    view = one.overview
    numbers = [counts[status] for counts in (view.scenes, view.tiles) for status in Status]
    totals = view.scenes.total(), view.tiles.total()
    return [one.name, str(one.status), *totals, *numbers, one.progress, view.roots, view.first, view.last]
