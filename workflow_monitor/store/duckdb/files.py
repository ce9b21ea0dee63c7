"""The files of a DuckDB store: path, lock, completeness, and errors of opening them."""

from __future__ import annotations

import logging
import os
import re
import shlex
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import duckdb

from workflow_monitor.domain.errors import StoreUnavailable, shorten_for_message
from workflow_monitor.store.duckdb.backups import restore_hint
from workflow_monitor.store.duckdb.connection import FAILING_DISK, first_line, is_failing, is_full
from workflow_monitor.store.duckdb.lock import OwnerLock
from workflow_monitor.trust import fault_of, fault_of_file

log = logging.getLogger(__name__)

#: path of an in-memory store, in URLs and in messages
MEMORY = ":memory:"
#: file system types of the mount table whose locks are unreliable
_NETWORK_FILE_SYSTEMS = frozenset({"nfs", "nfs4", "cifs", "smb3", "smbfs", "lustre", "afs", "ceph", "fuse.sshfs"})
#: escape of a space, tab, line end or backslash in the mount table
_OCTAL = re.compile(r"\\([0-7]{3})")


def path_of_url(url: str) -> str:
    """Return the absolute path of a store URL with three or four slashes, symbolic links resolved.

    >>> path_of_url("duckdb:///ingestion/workflow.duckdb")
    '/ingestion/workflow.duckdb'
    """
    path = url.removeprefix("duckdb:///")
    if path == MEMORY:
        return MEMORY
    if path == url or not path.strip("/"):
        raise StoreUnavailable(
            f"No store can be found by {shorten_for_message(url)} (store_url); expected duckdb:///absolute/path or duckdb:///:memory:."
        )
    return os.path.realpath("/" + path.lstrip("/"))


def acquire_lock(path: Path) -> OwnerLock:
    """Lock the store at a path and create its folder; raise StoreUnavailable if the folder is not writable."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        system = _file_system(path.parent)
        if system in _NETWORK_FILE_SYSTEMS:
            log.warning(
                "The store %s is on a network file system (%s), whose locks cannot be relied on; set store_url to "
                "a file on a local disk.", path, system,
            )  # fmt: skip
        return OwnerLock(path)
    except OSError as error:
        raise StoreUnavailable(
            f"The store {path} cannot be opened: {error.strerror or error}. Make the folder {path.parent} writable, "
            "or choose another file by store_url."
        ) from error


def _file_system(folder: Path, mounts: str | None = None) -> str:
    """Return the file system type of a folder from the Linux mount table; empty on other systems."""
    if mounts is None:
        try:
            mounts = Path("/proc/self/mounts").read_text(encoding="utf-8", errors="surrogateescape")
        except OSError:
            return ""
    real, best, file_system = os.path.realpath(folder), "", ""
    for line in mounts.splitlines():
        escaped, system = line.split(" ")[1:3]
        point = _OCTAL.sub(lambda code: chr(int(code[1], 8)), escaped)
        if os.path.commonpath([real, point]) == point and len(point) >= len(best):
            best, file_system = point, system
    return file_system


def log_of(store: Path) -> Path:
    """Return the path of the write-ahead log of a store."""
    return store.with_name(store.name + ".wal")


@contextmanager
def private_umask() -> Iterator[None]:
    """Create files for their owner only within the context.

    The umask belongs to the process: files that other threads create meanwhile are private, too.
    """
    previous = os.umask(0o077)
    try:
        yield
    finally:
        os.umask(previous)


def check_trust(store: Path) -> None:
    """Raise StoreUnavailable for the log of another user, whose transactions DuckDB would replay into the store.

    A store that other users can write is opened, because the configuration names the file; its fault is logged.
    """
    if store.exists():
        if fault := fault_of(store):
            log.warning("store_writable_by_others path=%s reason=%s", store, fault)
        if fault_of_file(store):
            return
    if log_of(store).exists() and (fault := fault_of_file(log_of(store))):
        raise StoreUnavailable(
            f"The store {store} cannot be opened: another user may have written its log {log_of(store)}: {fault}. "
            f"Remove the log, or correct its owner and its mode. {restore_hint(store)}"
        )


def file_size(file: Path) -> int:
    """Return the size of a file in bytes, 0 if it does not exist."""
    return file.stat().st_size if file.exists() else 0


def check_complete(store: Path, instance: duckdb.DuckDBPyConnection) -> None:
    """Raise OSError if the file is shorter than its used blocks: DuckDB notices missing blocks only when it reads them.

    Free blocks at the end do not count, because DuckDB does not always write them.
    """
    block_size, blocks = instance.execute("SELECT block_size, used_blocks FROM pragma_database_size()").fetchall()[0]
    actual, expected = store.stat().st_size, block_size * blocks
    if actual < expected:
        raise OSError(f"the file has {actual} bytes of at least {expected}")


def as_is_hint(store: Path) -> str:
    """Return the advice for a store that lost transactions: restore a backup, or continue without them."""
    return f"{restore_hint(store)} To continue with the data in the file: workflow-monitor restore {shlex.quote(str(store))} --as-is"


def remove_files(store: Path) -> None:
    """Delete an incomplete new file and its log."""
    for path in (store, log_of(store)):
        with suppress(OSError):
            path.unlink(missing_ok=True)


def open_error(path: str, error: BaseException) -> StoreUnavailable:
    """Return the error of a store that cannot be opened, with the cause and the remedy."""
    text = first_line(error)
    if is_full(error):
        advice = "The disk is full: free some space, or choose another file by store_url."
    elif "could not set lock" in text.lower():
        advice = "Another process has the file open: close it there."
    elif "version number" in text:
        advice = "A newer DuckDB wrote it: upgrade the package duckdb."
    elif is_failing(error):
        advice = FAILING_DISK
    elif Path(path).is_dir():
        advice = "It is a folder: choose a file by store_url."
    elif Path(path).exists() and not os.access(path, os.R_OK | os.W_OK):
        advice = "Make the file writable, or choose another one by store_url."
    elif Path(path).exists():
        advice = "The file, or the log beside it, is damaged or no DuckDB file. It was left as it is. " + restore_hint(
            Path(path)
        )
    else:
        advice = "Check its folder, or choose another file by store_url."
    return StoreUnavailable(f"The store {path} cannot be opened: {text} {advice}")
