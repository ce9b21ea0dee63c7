"""Where the state is kept. Stores are plug-ins: entry points of the group `workflow_monitor.stores`, by URL scheme."""

from __future__ import annotations

from importlib.metadata import entry_points

from workflow_monitor.domain.errors import StoreUnavailable
from workflow_monitor.store.interfaces import Store

GROUP = "workflow_monitor.stores"


def open_store(url: str, *, read_only: bool = False) -> Store:
    """The store of a URL such as `duckdb:///path`, open, perhaps only to be read; StoreUnavailable if it cannot be had."""
    scheme = url.partition(":")[0]
    known = entry_points(group=GROUP)
    if scheme not in known.names:
        raise StoreUnavailable(
            f"No store is installed for {scheme}: (store_url); there are {', '.join(sorted(known.names)) or 'none'}."
        )
    try:
        make = known[scheme].load()
    except ModuleNotFoundError as error:
        extras = ",".join(known[scheme].extras)
        advice = f": pip install 'workflow-monitor[{extras}]'." if extras else "."
        raise StoreUnavailable(
            f"The store {scheme}: needs the package {error.name}, which is not installed{advice}"
        ) from error
    store: Store = make(url, read_only=read_only)
    return store
