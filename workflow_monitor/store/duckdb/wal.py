"""The write-ahead log beside the DuckDB file: file mode and checkpoints.

DuckDB would checkpoint as a part of a commit. If that fails on a full disk, the whole instance is lost, and the
committed command is reported as failed. So the store checkpoints itself, after a commit and only with enough
disk space. Without space, commits append to the log until they fail one by one.
"""

from __future__ import annotations

import logging
import os
from contextlib import suppress
from pathlib import Path

log = logging.getLogger(__name__)

#: free disk space in bytes, beside twice the log, below which no checkpoint starts
RESERVE = 32 * 2**20


class WriteAheadLog:
    """The log of a store; due for a checkpoint above `limit` bytes if the disk has enough space."""

    def __init__(self, store: Path, limit: int) -> None:
        self._path = store.with_name(store.name + ".wal")
        self._limit = limit
        self._was_short = False

    @property
    def size(self) -> int:
        """Size in bytes, 0 without a file."""
        try:
            return self._path.stat().st_size
        except FileNotFoundError:
            return 0

    def keep_private(self) -> None:
        """Restrict the log to its owner: DuckDB creates it with the umask of the process."""
        try:
            os.close(os.open(self._path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600))
        except FileExistsError:
            with suppress(OSError):
                self._path.chmod(0o600)
        except OSError as error:
            log.debug("log_create_failed reason=%s", error)

    def is_due(self) -> bool:
        """Return True if the log should be checkpointed now."""
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
            log.warning("disk_nearly_full path=%s free_mb=%d", self._path, free // 2**20)
        self._was_short = is_short
        return not is_short
