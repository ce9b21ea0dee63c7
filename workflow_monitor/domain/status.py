"""The words of the state machine: statuses, what has them, and why they change."""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum

from workflow_monitor.domain.errors import UnknownStatus


class ItemKind(StrEnum):
    """What has a status and is worked on."""

    SCENE = "scene"
    TILE = "tile"


#: The queues, by the workers that they are for, and what their jobs are about.
QUEUE_KINDS: Mapping[str, ItemKind] = {"downloader": ItemKind.SCENE, "processor": ItemKind.TILE}


class Status(StrEnum):
    """Where a scene or tile stands."""

    #: waits for other items
    NEW = "NEW"
    #: handed to a worker
    PENDING = "PENDING"
    #: finished well
    DONE = "DONE"
    #: failed, may be tried again
    RETRY = "RETRY"
    #: given up; the graph closes over it
    FAILED = "FAILED"

    @classmethod
    def parse(cls, text: str) -> Status:
        """The status of this name, in any case.

        Raises UnknownStatus for any other text.

        >>> Status.parse("Done")
        <Status.DONE: 'DONE'>
        """
        try:
            return cls(text.upper())
        except ValueError:
            raise UnknownStatus(text, tuple(cls)) from None


#: How a status is drawn, in Graphviz' colour names.
GRAPHVIZ_COLORS: Mapping[Status, str] = {
    Status.NEW: "gray",
    Status.PENDING: "blue",
    Status.DONE: "green",
    Status.RETRY: "orange",
    Status.FAILED: "red",
}

#: Of several statuses the first of these is the one of the whole.
PRECEDENCE = (Status.RETRY, Status.PENDING, Status.NEW, Status.DONE, Status.FAILED)


class Cause(StrEnum):
    """Why something changed, as events tell it."""

    #: it was added to the graph
    INGEST = "ingest"
    #: a worker reported
    RESULT = "result"
    #: a worker reported RETRY and retries were left
    AUTOMATIC_RETRY = "automatic retry"
    #: what it waited for is DONE
    READY = "ready"
    #: a person or script asked for a retry
    RETRY = "retry"
    #: a person or script gave it up
    FAIL = "fail"
    #: a person or script set the status
    FORCE = "force"
    #: a person or script changed its data
    DATA = "data"
    #: the scene that it belongs to failed
    SCENE_FAILED = "scene failed"
    #: the tile that it followed or referred to failed
    #: the tile that it followed or referred to failed
    RELINKED = "relinked"
    #: nobody answered for the job in time
    LEASE_EXPIRED = "lease expired"
    #: an AOI was created
    CREATE = "create"
    #: an AOI was deleted
    DELETE = "delete"


def worst_status(counts: Mapping[Status, int]) -> Status | None:
    """The first status of PRECEDENCE that anything has; None if nothing has any.

    >>> worst_status({Status.DONE: 3, Status.NEW: 1})
    <Status.NEW: 'NEW'>
    """
    return next((status for status in PRECEDENCE if counts.get(status)), None)


def aoi_status(
    scenes: Mapping[Status, int], tiles: Mapping[Status, int], tiles_of_done_scenes: Mapping[Status, int]
) -> Status:
    """The status of an AOI, derived from the number of its scenes and tiles in each status.

    RETRY as long as anything is in RETRY. Otherwise that of its scenes; when these are DONE
    (FAILED ones aside), that of the tiles of its DONE scenes. An AOI without scenes is NEW.
    """
    if scenes.get(Status.RETRY) or tiles.get(Status.RETRY):
        return Status.RETRY
    of_scenes = worst_status(scenes)
    if of_scenes is Status.DONE:
        return worst_status(tiles_of_done_scenes) or Status.DONE
    return of_scenes or Status.NEW
