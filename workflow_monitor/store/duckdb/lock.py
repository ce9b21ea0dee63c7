"""Lock file beside the store: one process owns the store.

DuckDB's own lock does not protect: POSIX record locks belong to the process, so they are dropped as soon as any part of the
process opens and closes the file. `flock` on a separate file lasts until the process ends. The file names the
owner and, for processes of the same user, its address.
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
    """Lock held while the store is open; raise StoreInUse if another process holds it, OSError if the file is not writable."""

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
        """Write the address of the owner into the file; empty for none."""
        owner = {"pid": os.getpid(), "host": socket.gethostname(), "contact": contact}
        with suppress(OSError):  # the owner's address is optional; a full disk must not stop the store
            os.fchmod(self._descriptor, 0o600)
            os.ftruncate(self._descriptor, os.pwrite(self._descriptor, json.dumps(owner).encode(), 0))

    def _owner(self) -> dict[str, Any]:
        try:
            owner = json.loads(os.pread(self._descriptor, 4000, 0))
        except ValueError:
            return {}
        return owner if isinstance(owner, dict) else {}

    def release(self) -> None:
        """Release the lock."""
        os.close(self._descriptor)


def _in_use(store: Path, owner: dict[str, Any]) -> StoreInUse:
    pid, host = owner.get("pid"), owner.get("host")
    owner_text = f" (process {pid} on {host})" if pid and host else ""
    return StoreInUse(
        f"The store {store} belongs to another running server{owner_text}. One process owns the file: use that server, or "
        "give this one a store of its own with --WorkflowMonitor.store_url=duckdb:///path.",
        # a loopback address is valid on the owner's machine only
        str(owner.get("contact", "")) if host == socket.gethostname() else "",
    )
