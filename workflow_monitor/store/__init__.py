"""Where the state is kept. Stores are plug-ins: entry points of the group `workflow_monitor.stores`, by URL scheme."""

from __future__ import annotations

from importlib.metadata import entry_points

from workflow_monitor.domain.errors import StoreUnavailable
from workflow_monitor.store.protocol import Store

GROUP = "workflow_monitor.stores"


def open_store(url: str) -> Store:
    """The store of a URL such as `duckdb:///path`, open; StoreUnavailable if it cannot be had."""
    scheme = url.partition(":")[0]
    known = entry_points(group=GROUP)
    if scheme not in known.names:
        raise StoreUnavailable(
            f"No store is installed for {scheme}: (store_url); there are {', '.join(sorted(known.names)) or 'none'}."
        )
    store: Store = known[scheme].load()(url)
    return store
