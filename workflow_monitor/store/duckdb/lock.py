"""One process owns the store: a lock file of our own beside it.

DuckDB's own lock goes as soon as anything in this process opens and closes the file (POSIX record locks are
the process's, not the descriptor's), so it alone does not protect. The lock is `flock` on a separate file, that
goes with the process however it ends; the file tells who holds it, and
to the same user how to reach who holds it.
"""

from __future__ import annotations

import fcntl
import json
import os
import socket
from contextlib import suppress
from pathlib import Path
from typing import Any

from workflow_monitor.domain.errors import StoreInUse


class OwnerLock:
    """Held as long as the store is open; StoreInUse if another process holds it, OSError if it cannot be had."""

    def __init__(self, store: Path) -> None:
        self._path = store.with_name(store.name + ".lock")
        self._descriptor = os.open(self._path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(self._descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            owner = self._owner()
            os.close(self._descriptor)
            raise _in_use(store, owner) from None
        except OSError:
            os.close(self._descriptor)
            raise
        self.announce("")

    def announce(self, contact: str) -> None:
        """Tell those of this user who want the store how to reach who has it; empty for no way."""
        owner = {"pid": os.getpid(), "host": socket.gethostname(), "contact": contact}
        with suppress(OSError):  # who owns it is good to know; on a full disk it has to do without
            os.fchmod(self._descriptor, 0o600)
            os.ftruncate(self._descriptor, os.pwrite(self._descriptor, json.dumps(owner).encode(), 0))

    def _owner(self) -> dict[str, Any]:
        try:
            owner = json.loads(os.pread(self._descriptor, 4000, 0))
        except ValueError:
            return {}
        return owner if isinstance(owner, dict) else {}

    def release(self) -> None:
        """Let others have the store."""
        os.close(self._descriptor)


def _in_use(store: Path, owner: dict[str, Any]) -> StoreInUse:
    pid, host = owner.get("pid"), owner.get("host")
    who = f" (process {pid} on {host})" if pid and host else ""
    return StoreInUse(
        f"The store {store} belongs to another running server{who}. One process owns the file: use that server, or "
        "give this one a store of its own with --WorkflowMonitor.store_url=duckdb:///path.",
        # Elsewhere, the addresses of this machine lead to others.
        str(owner.get("contact", "")) if host == socket.gethostname() else "",
    )
