"""The high-water mark: how far the store has come, kept beside the file.

A bit that flips in the log can make DuckDB open the file without the last transactions and say nothing; so can a log
that somebody removed, or an older copy of the file. So each transaction has a number, in the file and, once it is
committed and before it is acknowledged, in the mark. A file that is behind its mark has lost what was acknowledged.

The mark survives the end of the process however it comes; it is put on disk once a second. After a loss of power it may be
behind the file, never ahead of it.
"""

from __future__ import annotations

import json
import os
import time
import zlib
from pathlib import Path
from typing import NamedTuple

from workflow_monitor.domain.errors import StoreUnavailable

#: bytes of the mark, always: it is written over in place, which needs no space
SIZE = 256
#: seconds after which it is put on disk again
SYNC_SECONDS = 1.0


class Progress(NamedTuple):
    """How far a store has come."""

    store: str
    transactions: int
    token: int


class HighWaterMark:
    """The mark beside a store; OSError if it cannot be written."""

    def __init__(self, store: Path) -> None:
        self.path = store.with_name(store.name + ".mark")
        self._descriptor: int | None = None
        self._synced = 0.0

    def read(self) -> Progress | None:
        """What it says; None if there is none. StoreUnavailable if it cannot be understood."""
        try:
            text, _, checksum = self.path.read_bytes().rstrip().rpartition(b" ")
        except FileNotFoundError:
            return None
        if checksum != _checksum(text):
            raise StoreUnavailable(f"{self.path}, which tells how far the store has come, is damaged.")
        return Progress(*json.loads(text))

    def create(self, progress: Progress) -> None:
        """Put a mark there that is whole whatever happens, and keep it open."""
        self.close()
        new = self.path.with_name(self.path.name + ".new")
        descriptor = os.open(new, os.O_RDWR | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o600)
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
        """Move the mark on, which has been there before."""
        if self._descriptor is None:
            self._descriptor = os.open(self.path, os.O_RDWR | os.O_CLOEXEC)
        os.pwrite(self._descriptor, _line(progress), 0)
        if time.monotonic() - self._synced > SYNC_SECONDS:
            os.fdatasync(self._descriptor)
            self._synced = time.monotonic()

    def close(self) -> None:
        """Leave it as it is."""
        if self._descriptor is not None:
            os.close(self._descriptor)
            self._descriptor = None


def sync_folder(folder: Path) -> None:
    """Put the names of files in a folder on disk."""
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


def describe_loss(found: Progress, mark: Progress | None, *, complete: bool) -> str:
    """What a store lacks of what its mark tells; empty if that is nothing.

    >>> describe_loss(Progress("a", 7, 1), Progress("a", 9, 3), complete=False)
    'the last 2 of 9 transactions that were acknowledged are not in it'
    >>> describe_loss(Progress("a", 9, 3), Progress("a", 9, 3), complete=False)
    ''
    """
    if mark is None:
        # the file of a server that was stopped may be moved without its mark
        is_known = complete or not found.transactions
        return "" if is_known else "it was not closed, and the mark that tells how far it had come is missing"
    if mark.store != found.store:
        return "another store was here before" if mark.transactions else ""
    if mark.transactions > found.transactions:
        missing = mark.transactions - found.transactions
        return f"the last {missing} of {mark.transactions} transactions that were acknowledged are not in it"
    if mark.transactions == found.transactions and mark.token != found.token:
        return f"its transaction {found.transactions} is not the one that was acknowledged"
    return ""
