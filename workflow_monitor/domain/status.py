"""Statuses, kinds of items and causes of the state machine."""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum

from workflow_monitor.domain.errors import UnknownStatus


class ItemKind(StrEnum):
    """Kind of an item."""

    SCENE = "scene"
    TILE = "tile"


#: kind of the items of each queue; queues have the names of their workers
QUEUE_KINDS: Mapping[str, ItemKind] = {"downloader": ItemKind.SCENE, "processor": ItemKind.TILE}


class Status(StrEnum):
    """Status of a scene or tile."""

    #: waits for other items
    NEW = "NEW"
    #: handed to a worker
    PENDING = "PENDING"
    #: finished well
    DONE = "DONE"
    #: failed, may be tried again
    RETRY = "RETRY"
    #: final; the graph closes over the item
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

#: the status of a group is the first of these that one of its items has
PRECEDENCE = (Status.RETRY, Status.PENDING, Status.NEW, Status.DONE, Status.FAILED)


class Cause(StrEnum):
    """Cause of a change, as events show it."""

    #: it was added to the graph
    INGEST = "ingest"
    #: a worker reported
    RESULT = "result"
    #: a worker reported RETRY and retries were left
    AUTOMATIC_RETRY = "automatic retry"
    #: the scene or the previous tile became DONE
    READY = "ready"
    #: a person or script asked for a retry
    RETRY = "retry"
    #: a person or script failed it
    FAIL = "fail"
    #: a person or script set the status
    FORCE = "force"
    #: a person or script changed its data
    DATA = "data"
    #: the scene that it belongs to failed
    SCENE_FAILED = "scene failed"
    #: the previous or the reference tile failed
    RELINKED = "relinked"
    #: a worker leased the job; the status stays PENDING
    LEASED = "leased"
    #: the lease of the job expired
    LEASE_EXPIRED = "lease expired"
    #: an AOI was created
    CREATE = "create"
    #: an AOI was deleted
    DELETE = "delete"


def worst_status(counts: Mapping[Status, int]) -> Status | None:
    """Return the first status of PRECEDENCE with a count; None without items.

    >>> worst_status({Status.DONE: 3, Status.NEW: 1})
    <Status.NEW: 'NEW'>
    """
    return next((status for status in PRECEDENCE if counts.get(status)), None)


def aoi_status(
    scenes: Mapping[Status, int], tiles: Mapping[Status, int], tiles_of_done_scenes: Mapping[Status, int]
) -> Status:
    """Return the status of an AOI, derived from the counts of its scenes and tiles in each status.

    RETRY while any item is in RETRY. Otherwise the status of the scenes; if these are DONE (FAILED ones aside), the
    status of the tiles of DONE scenes. An AOI without scenes is NEW.
    """
    if scenes.get(Status.RETRY) or tiles.get(Status.RETRY):
        return Status.RETRY
    of_scenes = worst_status(scenes)
    if of_scenes is Status.DONE:
        return worst_status(tiles_of_done_scenes) or Status.DONE
    return of_scenes or Status.NEW
