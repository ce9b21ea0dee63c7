"""The high-water mark: the count of acknowledged transactions, in a file beside the store.

A flipped bit in the log can make DuckDB open the file silently without the last transactions; so can a deleted log or
an older copy of the file. Therefore each transaction has a count, stored in the file and, after the commit and
before the acknowledgement, in the mark. A file behind its mark has lost acknowledged transactions.

The mark survives any end of the process. It is synced once a second: after a power failure it may be behind the file,
never ahead of it. A mark that another user could have written does not count.
"""

from __future__ import annotations

import json
import logging
import os
import time
import zlib
from pathlib import Path
from typing import NamedTuple

from workflow_monitor.domain.errors import StoreUnavailable
from workflow_monitor.trust import UntrustedFile, create_private, open_trusted, read_trusted

log = logging.getLogger(__name__)

#: size of the mark in bytes; constant, so that an update in place needs no disk space
SIZE = 256
#: seconds between two syncs of the mark
SYNC_SECONDS = 1.0


class Progress(NamedTuple):
    """Id of a store, count of its transactions, and a random token of the last one."""

    store: str
    transactions: int
    token: int


class HighWaterMark:
    """The mark of a store; methods raise OSError if the file cannot be written."""

    def __init__(self, store: Path) -> None:
        self.path = store.with_name(store.name + ".mark")
        #: reason to distrust the file, "" for a safe file
        self.fault = ""
        self._descriptor: int | None = None
        self._synced = 0.0

    def read(self) -> Progress | None:
        """Return the progress, None without a trusted file; raise StoreUnavailable for a damaged file.

        `fault` is the reason if the file is not trusted.
        """
        self.fault = ""
        try:
            text, _, checksum = read_trusted(self.path).rstrip().rpartition(b" ")
        except FileNotFoundError:
            return None
        except UntrustedFile as error:
            self.fault = error.reason
            log.warning("high_water_mark_untrusted path=%s reason=%s", self.path, self.fault)
            return None
        if checksum != _checksum(text):
            raise StoreUnavailable(f"The high-water mark {self.path} is damaged.")
        return Progress(*json.loads(text))

    def create(self, progress: Progress) -> None:
        """Replace the mark atomically, and keep it open."""
        self.close()
        new = self.path.with_name(self.path.name + ".new")
        descriptor = create_private(new)
        try:
            os.pwrite(descriptor, _line(progress), 0)
            os.fsync(descriptor)
            new.replace(self.path)
            sync_folder(self.path.parent)
        except BaseException:
            os.close(descriptor)
            raise
        self._descriptor = descriptor

    def write(self, progress: Progress) -> None:
        """Advance an existing mark."""
        if self._descriptor is None:
            self._descriptor = open_trusted(self.path, os.O_RDWR)
        os.pwrite(self._descriptor, _line(progress), 0)
        if time.monotonic() - self._synced > SYNC_SECONDS:
            os.fdatasync(self._descriptor)
            self._synced = time.monotonic()

    def close(self) -> None:
        """Close the file."""
        if self._descriptor is not None:
            os.close(self._descriptor)
            self._descriptor = None


def sync_folder(folder: Path) -> None:
    """Sync a folder, so that renames in it are durable."""
    descriptor = os.open(folder, os.O_RDONLY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _checksum(text: bytes) -> bytes:
    return f"{zlib.crc32(text):08x}".encode()


def _line(progress: Progress) -> bytes:
    text = json.dumps(progress).encode()
    return (text + b" " + _checksum(text)).ljust(SIZE - 1) + b"\n"


def describe_loss(stored: Progress, mark: Progress | None, *, complete: bool) -> str:
    """Describe the loss of a store compared to its mark; return "" if nothing is lost.

    >>> describe_loss(Progress("a", 7, 1), Progress("a", 9, 3), complete=False)
    'the last 2 of 9 acknowledged transactions are missing'
    >>> describe_loss(Progress("a", 9, 3), Progress("a", 9, 3), complete=False)
    ''
    """
    if mark is None:
        # the file of a stopped server may be moved without its mark
        is_complete = complete or not stored.transactions
        return "" if is_complete else "it was not closed properly, and its high-water mark is missing"
    if mark.store != stored.store:
        return "the high-water mark belongs to another store" if mark.transactions else ""
    if mark.transactions > stored.transactions:
        missing = mark.transactions - stored.transactions
        return f"the last {missing} of {mark.transactions} acknowledged transactions are missing"
    if mark.transactions == stored.transactions and mark.token != stored.token:
        return f"its transaction {stored.transactions} is not the one that was acknowledged"
    return ""
