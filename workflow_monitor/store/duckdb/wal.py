"""The write-ahead log beside the DuckDB file: private, and written into the file when that can be done.

DuckDB would write it into the file by itself, as a part of a commit. Where that fails, on a full disk, the whole
instance is lost, and whoever asked for the commit learns of a failure although it is on disk. So we do it: after a
commit, and only if there is room. Without room commits go on into the log until they are refused one by one.
"""

from __future__ import annotations

import logging
import os
from contextlib import suppress
from pathlib import Path

log = logging.getLogger(__name__)

#: with less than this on the disk, beside twice the log, the log stays as it is
RESERVE = 32 * 2**20


class WriteAheadLog:
    """The log of a store; it is due when it has more than `limit` bytes and the disk has room for them."""

    def __init__(self, store: Path, limit: int) -> None:
        self._path = store.with_name(store.name + ".wal")
        self._limit = limit
        self._was_short = False

    @property
    def size(self) -> int:
        """Its bytes, 0 if it is not there."""
        try:
            return self._path.stat().st_size
        except FileNotFoundError:
            return 0

    def keep_private(self) -> None:
        """Let nobody else read the log: DuckDB, left alone, makes it as readable as the umask says."""
        try:
            os.close(os.open(self._path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600))
        except FileExistsError:
            with suppress(OSError):
                self._path.chmod(0o600)
        except OSError as error:
            log.debug("No log could be made in advance: %s", error)

    def is_due(self) -> bool:
        """Whether the log should be written into the file now."""
        try:
            size = self.size
            if size <= self._limit:
                return False
            disk = os.statvfs(self._path.parent)
        except OSError:
            return False
        free = disk.f_bavail * disk.f_frsize
        is_short = free < 2 * size + RESERVE
        if is_short and not self._was_short:
            log.warning("The disk of %s is nearly full (%d MB free): free some space.", self._path, free // 2**20)
        self._was_short = is_short
        return not is_short
