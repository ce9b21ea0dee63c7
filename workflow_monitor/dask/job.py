"""What runs on a worker of the cluster: a job, the function for it, and what it may raise."""

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

#: messages are cut at so many characters
LONGEST_MESSAGE = 2_000


class RetryJob(Exception):
    """Raised by a function whose job failed and may succeed later; the text tells why."""


class FailJob(Exception):
    """Raised by a function whose job can never succeed; the text tells why."""


@dataclass(frozen=True, slots=True)
class JobFailure:
    """What a job that did not succeed leaves behind: it can be pickled, whatever was raised."""

    status: Status
    message: str


@dataclass(frozen=True, slots=True)
class Job:
    """A scene to download or a tile to process.

    `id` is that of the scene or tile, `attempt` counts how often it was handed out, `message` is the whole job message
    as the workflow server hands it out.
    """

    kind: ItemKind
    id: int
    attempt: int
    message: Mapping[str, Any]

    @property
    def source_id(self) -> str:
        """The name of the scene or tile."""
        return str(self.message["source_id"])

    @property
    def data(self) -> Mapping[str, Any]:
        """The data that came with the scene or tile."""
        data: Mapping[str, Any] = self.message["data"]
        return data

    @property
    def scene(self) -> Mapping[str, Any]:
        """The scene: `id`, `source_id`, `aoi` and `data`; of a tile, the one that it belongs to."""
        scene: Mapping[str, Any] = self.message if self.kind is ItemKind.SCENE else self.message["scene"]
        return scene

    @property
    def aoi(self) -> str:
        """The name of the AOI."""
        return str(self.scene["aoi"])

    @property
    def date(self) -> datetime:
        """When the scene was acquired, UTC."""
        return datetime.fromisoformat(self.scene["data"]["date"]).astimezone(UTC)

    @property
    def previous(self) -> Mapping[str, Any] | None:
        """The tile before this one at the same place, which is DONE; None for a scene or the first tile."""
        return self._tile("tile_previous")

    @property
    def reference(self) -> Mapping[str, Any] | None:
        """The tile at the root of the chain; None for a scene or the first tile."""
        return self._tile("tile_reference")

    def _tile(self, name: str) -> Mapping[str, Any] | None:
        tile: Mapping[str, Any] | None = self.message.get(name)
        # The message shows a tile with the id 0 where there is none.
        return tile if tile and tile["id"] else None


def run_job(function: Callable[[Job], object], job: Job) -> JobFailure | None:
    """Do a job; None if it succeeded. What the function returns is dropped.

    Nothing is raised: Dask would say a lot about each error, also about those that were to be expected.
    """
    try:
        function(job)
    except RetryJob as error:
        status, message = Status.RETRY, str(error)
    except FailJob as error:
        status, message = Status.FAILED, str(error)
    except (Exception, SystemExit) as error:  # whatever a function raises is the job's own failure
        log.exception("%s %d failed in its attempt %d", job.kind, job.id, job.attempt)
        status, message = Status.RETRY, _describe_error(error)
    else:
        return None
    return JobFailure(status, message[:LONGEST_MESSAGE])


def _describe_error(error: BaseException) -> str:
    """An error that nobody foresaw: its type, its text and the line that raised it."""
    frames = traceback.extract_tb(error.__traceback__)
    last = frames[-1] if len(frames) > 1 else None
    where = f" ({Path(last.filename).name}:{last.lineno} in {last.name})" if last else ""
    text = f": {error}" if str(error) else ""
    return f"{type(error).__name__}{text}"[: LONGEST_MESSAGE - len(where)] + where
