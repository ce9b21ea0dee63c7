"""One process owns the store: a lock file of our own beside it.

DuckDB's own lock goes as soon as anything in this process opens and closes the file (POSIX record locks are
the process's, not the descriptor's), so it alone does not protect. The lock is `flock` on a separate file, that
goes with the process however it ends; the file tells who holds it.
"""

from __future__ import annotations

import fcntl
import json
import os
import socket
from contextlib import suppress
from pathlib import Path

from workflow_monitor.domain.errors import StoreUnavailable


class OwnerLock:
    """Held as long as the store is open; StoreUnavailable if another process holds it, OSError if it cannot be had."""

    def __init__(self, store: Path) -> None:
        self._path = store.with_name(store.name + ".lock")
        self._descriptor = os.open(self._path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(self._descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            owner = self._owner()
            os.close(self._descriptor)
            raise StoreUnavailable(
                f"The store {store} belongs to another running server{owner}. One process owns the file: use "
                "that server, or give this one a store of its own with --WorkflowMonitor.store_url=duckdb:///path."
            ) from None
        except OSError:
            os.close(self._descriptor)
            raise
        with suppress(OSError):  # who owns it is good to know; on a full disk it has to do without
            os.ftruncate(self._descriptor, 0)
            os.pwrite(self._descriptor, json.dumps({"pid": os.getpid(), "host": socket.gethostname()}).encode(), 0)

    def _owner(self) -> str:
        try:
            owner = json.loads(os.pread(self._descriptor, 1000, 0))
            return f" (process {owner['pid']} on {owner['host']})"
        except (ValueError, KeyError, TypeError):
            return ""

    def release(self) -> None:
        """Let others have the store."""
        os.close(self._descriptor)
