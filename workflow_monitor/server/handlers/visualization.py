"""Data for the panels: graph, footprints, lanes, timeline, search."""

from __future__ import annotations

import re
from datetime import UTC, datetime

from workflow_monitor.documents.media_types import COLUMNS, DOT, SVG
from workflow_monitor.domain.errors import FieldError, InvalidInput, shorten_for_message
from workflow_monitor.domain.status import ItemKind
from workflow_monitor.graph.nodes import Subgraph
from workflow_monitor.server.columnar import packed
from workflow_monitor.server.handlers.base import Handler
from workflow_monitor.server.handlers.guards import requires_read
from workflow_monitor.server.handlers.params import parse_datetime
from workflow_monitor.server.negotiation import AS_DOT, AS_SVG
from workflow_monitor.server.serialization import match_document, timeline_document

#: default radius of a part of the graph, in edges
DEFAULT_STEPS = 3
MAX_STEPS = 50
DEFAULT_TIME_STEPS = 120
MAX_TIME_STEPS = 1000
#: maximum number of items in PENDING per timeline
SHOWN_RUNNING = 100
DEFAULT_HITS = 20
MAX_HITS = 1000


class Timeline(Handler):
    """Counts per status over time, and the items in PENDING."""

    _track_activity = False

    @requires_read
    async def get(self, aoi: str) -> None:
        steps = self.int_arg("steps", default=DEFAULT_TIME_STEPS, minimum=1, maximum=MAX_TIME_STEPS)
        since, until = (
            parse_datetime("since", self.str_arg("since")),
            parse_datetime("until", self.str_arg("until")) or datetime.now(UTC),
        )
        if since is not None and since >= until:
            raise InvalidInput("since must be before until.", [FieldError("since", "expected a time before until")])
        queries = await self.queries()
        timeline = await self.backend.run(queries.timeline, aoi, since, until, steps, SHOWN_RUNNING)
        self.write_json(timeline_document(*timeline))


class Footprints(Handler):
    """Footprints of scenes or tiles as columns."""

    _track_activity = False

    @requires_read
    async def get(self, aoi: str) -> None:
        kind = _kind(self.str_arg("of"))
        queries = await self.queries()
        about, columns = await self.backend.run(queries.footprints, kind, aoi)
        self.write_text(await self.backend.run(packed, about, columns), COLUMNS)


class Lanes(Handler):
    """Lanes of the dependency graph as columns."""

    _track_activity = False

    @requires_read
    async def get(self, aoi: str) -> None:
        queries = await self.queries()
        about, columns = await self.backend.run(queries.lanes, aoi)
        self.write_text(await self.backend.run(packed, about, columns), COLUMNS)


class Find(Handler):
    """Search for scenes and tiles by a part of the name, or by id."""

    _track_activity = False

    @requires_read
    async def get(self, aoi: str) -> None:
        text = self.str_arg("text") or ""
        if not text:
            raise InvalidInput("text is missing.", [FieldError("text", "expected a part of a name, or an id")])
        limit = self.int_arg("limit", default=DEFAULT_HITS, minimum=1, maximum=MAX_HITS)
        queries = await self.queries()
        total, items = await self.backend.run(queries.find, aoi, text, limit)
        self.write_json({"total": total, "items": [match_document(item) for item in items]})


def _item(text: str) -> tuple[ItemKind, int]:
    match = re.fullmatch(r"([st])([0-9]{1,18})", text, re.ASCII)
    if match is None:
        raise InvalidInput(
            f"{shorten_for_message(text)} is not a node of the graph.",
            [
                FieldError(
                    "around",
                    f"found {shorten_for_message(text)}, expected s and the id of a scene, or t and the id of a tile",
                )
            ],
        )
    return (ItemKind.SCENE if match[1] == "s" else ItemKind.TILE), int(match[2])


def _kind(text: str | None) -> ItemKind:
    kinds = {f"{kind}s": kind for kind in ItemKind}
    if text is None or text in kinds:
        return kinds.get(text or "scenes", ItemKind.SCENE)
    raise InvalidInput(
        f"{shorten_for_message(text)} have no footprints.",
        [FieldError("of", f"found {shorten_for_message(text)}, expected one of {', '.join(kinds)}")],
    )


class Graph(Handler):
    """Dependency graph as DOT text or SVG."""

    @property
    def content_security_policy(self) -> str:
        """Policy that runs no scripts: the SVG contains names that any user can choose."""
        return "default-src 'none'; style-src 'unsafe-inline'; sandbox"

    def _part(self) -> Subgraph:
        around = self.str_arg("around")
        item = None if around is None else _item(around)
        steps = self.int_arg("steps", default=DEFAULT_STEPS, maximum=MAX_STEPS)
        return Subgraph(item, steps if item else 0, folded=self.bool_arg("fold"))

    @requires_read
    async def get(self, aoi: str) -> None:
        form = self.negotiate(AS_DOT, AS_SVG)
        queries = await self.queries()
        lines = await self.backend.run(queries.dot, aoi, self._part())
        if form is AS_SVG:
            self.write_text(await self.backend.draw(lines), SVG)
        else:
            await self.write_parts((line.encode() for line in lines), DOT)
