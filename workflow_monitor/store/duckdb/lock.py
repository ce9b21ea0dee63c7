"""Lock file beside the store: one process owns the store.

DuckDB's own lock does not protect: POSIX record locks belong to the process, so they are dropped as soon as any part of the
process opens and closes the file. `flock` on a separate file lasts until the process ends. The file names the
owner and, for processes of the same user, its address. A file that another user could have written is a lock only: its
address is not used, and no address is written into it.
"""

from __future__ import annotations

import errno
import fcntl
import json
import logging
import os
import socket
from contextlib import suppress
from pathlib import Path
from typing import Any

from workflow_monitor.domain.errors import StoreInUse
from workflow_monitor.trust import UntrustedFile, fault_of

log = logging.getLogger(__name__)


class OwnerLock:
    """Lock held while the store is open; raise StoreInUse if another process holds it, OSError if the file is not writable."""

    def __init__(self, store: Path) -> None:
        self._path = store.with_name(store.name + ".lock")
        self._descriptor = _open(self._path)
        try:
            #: reason to distrust the file, "" for a safe file
            self._fault = _fault(self._path, self._descriptor)
            fcntl.flock(self._descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            owner = {} if self._fault else self._owner()
            os.close(self._descriptor)
            raise _in_use(store, owner, self._distrust()) from None
        except OSError:
            os.close(self._descriptor)
            raise
        self.announce("")

    def announce(self, contact: str) -> None:
        """Write the address of the owner into the file; empty for none."""
        if self._fault:
            if contact:
                log.warning(
                    "lock_file_untrusted path=%s reason=%s; other servers cannot find this one: remove the file before the next start",
                    self._path, self._fault,
                )  # fmt: skip
            return
        owner = {"pid": os.getpid(), "host": socket.gethostname(), "contact": contact}
        with suppress(OSError):  # the owner's address is optional; a full disk must not stop the store
            os.fchmod(self._descriptor, 0o600)
            os.ftruncate(self._descriptor, os.pwrite(self._descriptor, json.dumps(owner).encode(), 0))

    def _distrust(self) -> str:
        if not self._fault:
            return ""
        return f" Requests are not forwarded to it, because its lock file {self._path} is not trusted: {self._fault}."

    def _owner(self) -> dict[str, Any]:
        try:
            owner = json.loads(os.pread(self._descriptor, 4000, 0))
        except ValueError:
            return {}
        return owner if isinstance(owner, dict) else {}

    def release(self) -> None:
        """Release the lock."""
        os.close(self._descriptor)


def _open(path: Path) -> int:
    """Open or create a lock file; raise UntrustedFile for a symbolic link, which may lead to any file of this user."""
    try:
        return os.open(path, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC, 0o600)
    except OSError as error:
        if error.errno == errno.ELOOP:
            raise UntrustedFile(path, f"{path} is a symbolic link; remove it") from None
        raise


def _fault(path: Path, descriptor: int) -> str:
    status = os.fstat(descriptor)
    # writing to a hard link would overwrite another file of this user
    return "it is a hard link to another file" if status.st_nlink > 1 else fault_of(path, status)


def _in_use(store: Path, owner: dict[str, Any], distrust: str) -> StoreInUse:
    pid, host = owner.get("pid"), owner.get("host")
    owner_text = f" (process {pid} on {host})" if pid and host else ""
    return StoreInUse(
        f"The store {store} belongs to another running server{owner_text}.{distrust} One process owns the file: use that "
        "server, or give this one a store of its own with --WorkflowMonitor.store_url=duckdb:///path.",
        # a loopback address is valid on the owner's machine only
        str(owner.get("contact", "")) if host == socket.gethostname() else "",
    )
