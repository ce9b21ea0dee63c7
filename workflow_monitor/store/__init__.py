"""Stores of the state. Plug-ins register a store by URL scheme as an entry point of `workflow_monitor.stores`."""

from __future__ import annotations

from importlib.metadata import entry_points

from workflow_monitor.domain.errors import StoreUnavailable
from workflow_monitor.store.interfaces import Store

GROUP = "workflow_monitor.stores"


def open_store(url: str, *, read_only: bool = False) -> Store:
    """Open the store of a URL such as `duckdb:///path`; raise StoreUnavailable if that fails."""
    scheme = url.partition(":")[0]
    registered = entry_points(group=GROUP)
    if scheme not in registered.names:
        raise StoreUnavailable(
            f"No store is installed for {scheme}: (store_url). Installed: {', '.join(sorted(registered.names)) or 'none'}."
        )
    try:
        make = registered[scheme].load()
    except ModuleNotFoundError as error:
        extras = ",".join(registered[scheme].extras)
        advice = f": pip install 'workflow-monitor[{extras}]'." if extras else "."
        raise StoreUnavailable(
            f"The store {scheme}: needs the package {error.name}, which is not installed{advice}"
        ) from error
    store: Store = make(url, read_only=read_only)
    return store
