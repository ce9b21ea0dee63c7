"""The code that runs on a worker of the cluster: the job, the call of its function, and its exceptions."""

from __future__ import annotations

import logging
import traceback
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from workflow_monitor.domain.status import ItemKind, Status

log = logging.getLogger(__name__)

#: longest message, in characters
LONGEST_MESSAGE = 2_000


class RetryJob(Exception):
    """Raised by a job's function after a temporary failure; the text is the message of the item."""


class FailJob(Exception):
    """Raised by a job's function after a permanent failure; the text is the message of the item."""


@dataclass(frozen=True, slots=True)
class JobFailure:
    """Status and message of a failed job; can be pickled, unlike an arbitrary exception."""

    status: Status
    message: str


@dataclass(frozen=True, slots=True)
class Job:
    """A scene to download or a tile to process.

    `id` is the id of the scene or tile, `attempt` counts its dispatches, `message` is the complete job message of the
    workflow server.
    """

    kind: ItemKind
    id: int
    attempt: int
    message: Mapping[str, Any]

    @property
    def source_id(self) -> str:
        """Source id of the scene or tile."""
        return str(self.message["source_id"])

    @property
    def data(self) -> Mapping[str, Any]:
        """Data of the scene or tile."""
        data: Mapping[str, Any] = self.message["data"]
        return data

    @property
    def scene(self) -> Mapping[str, Any]:
        """The scene, or the scene of the tile: `id`, `source_id`, `aoi` and `data`."""
        scene: Mapping[str, Any] = self.message if self.kind is ItemKind.SCENE else self.message["scene"]
        return scene

    @property
    def aoi(self) -> str:
        """Name of the AOI."""
        return str(self.scene["aoi"])

    @property
    def date(self) -> datetime:
        """Acquisition date of the scene, UTC."""
        return datetime.fromisoformat(self.scene["data"]["date"]).astimezone(UTC)

    @property
    def previous(self) -> Mapping[str, Any] | None:
        """The previous tile at the same place, which is DONE; None for a scene or the first tile."""
        return self._tile("tile_previous")

    @property
    def reference(self) -> Mapping[str, Any] | None:
        """The reference tile, at the root of the chain; None for a scene or the first tile."""
        return self._tile("tile_reference")

    def _tile(self, name: str) -> Mapping[str, Any] | None:
        tile: Mapping[str, Any] | None = self.message.get(name)
        # a tile with the id 0 stands for none
        return tile if tile and tile["id"] else None


def run_job(function: Callable[[Job], object], job: Job) -> JobFailure | None:
    """Call the function with a job; return None on success. The function's value is dropped.

    No exception propagates: Dask would log each one at length, expected ones too.
    """
    try:
        function(job)
    except RetryJob as error:
        status, message = Status.RETRY, str(error)
    except FailJob as error:
        status, message = Status.FAILED, str(error)
    except (Exception, SystemExit) as error:  # any exception of the function fails the job, not the worker
        log.exception("job_failed kind=%s id=%d attempt=%d", job.kind, job.id, job.attempt)
        status, message = Status.RETRY, _describe_error(error)
    else:
        return None
    return JobFailure(status, message[:LONGEST_MESSAGE])


def _describe_error(error: BaseException) -> str:
    """Describe an unexpected error: type, text and the line that raised it."""
    frames = traceback.extract_tb(error.__traceback__)
    last = frames[-1] if len(frames) > 1 else None
    where = f" ({Path(last.filename).name}:{last.lineno} in {last.name})" if last else ""
    text = f": {error}" if str(error) else ""
    return f"{type(error).__name__}{text}"[: LONGEST_MESSAGE - len(where)] + where
