"""What is drawn of an AOI and looked for in it: the graph, footprints, lanes, the timeline, items by name."""

from __future__ import annotations

import re
from datetime import UTC, datetime

from workflow_monitor.domain.errors import FieldError, InvalidInput, quoted
from workflow_monitor.graph.nodes import GraphPart
from workflow_monitor.domain.status import Kind
from workflow_monitor.graph.svg import render_svg
from workflow_monitor.server.columnar import COLUMNS, packed
from workflow_monitor.server.handlers.base import Handler, reads
from workflow_monitor.server.handlers.params import moment
from workflow_monitor.server.representations import (
    AS_DOT,
    AS_SVG,
    DOT,
    SVG,
    found_item,
    timeline_json,
)

#: edges that a part of the graph reaches from where it is asked for
DEFAULT_STEPS = 3
MOST_STEPS = 50
DEFAULT_TIME_STEPS = 120
MOST_TIME_STEPS = 1000
#: of what is PENDING
SHOWN_RUNNING = 100
DEFAULT_FOUND = 20
MOST_FOUND = 1000


class Timeline(Handler):
    """Numbers per status over time, and what is PENDING now."""

    _track_activity = False

    @reads
    async def get(self, aoi: str) -> None:
        steps = self.number("steps", DEFAULT_TIME_STEPS, MOST_TIME_STEPS, least=1)
        since, until = moment("since", self.text("since")), moment("until", self.text("until")) or datetime.now(UTC)
        if since is not None and since >= until:
            raise InvalidInput("since is not before until.", [FieldError("since", "expected a time before until")])
        queries = await self.queries()
        found = await self.backend.run(queries.timeline, aoi, since, until, steps, SHOWN_RUNNING)
        self.answer_json(timeline_json(*found))


class Footprints(Handler):
    """The footprints of scenes or tiles, for those who draw them."""

    _track_activity = False

    @reads
    async def get(self, aoi: str) -> None:
        kind = _kind(self.text("of"))
        queries = await self.queries()
        about, columns = await self.backend.run(queries.footprints, kind, aoi)
        self.answer_text(await self.backend.run(packed, about, columns), COLUMNS)


class Lanes(Handler):
    """The dependency graph as lanes, for those who draw it."""

    _track_activity = False

    @reads
    async def get(self, aoi: str) -> None:
        queries = await self.queries()
        about, columns = await self.backend.run(queries.lanes, aoi)
        self.answer_text(await self.backend.run(packed, about, columns), COLUMNS)


class Find(Handler):
    """Scenes and tiles by a part of their name, or by id."""

    _track_activity = False

    @reads
    async def get(self, aoi: str) -> None:
        text = self.text("text") or ""
        if not text:
            raise InvalidInput("text is missing.", [FieldError("text", "expected a part of a name, or an id")])
        limit = self.number("limit", DEFAULT_FOUND, MOST_FOUND, least=1)
        queries = await self.queries()
        total, items = await self.backend.run(queries.find, aoi, text, limit)
        self.answer_json({"total": total, "items": [found_item(item) for item in items]})


def _item(text: str) -> tuple[Kind, int]:
    found = re.fullmatch(r"([st])([0-9]{1,18})", text, re.ASCII)
    if found is None:
        raise InvalidInput(
            f"{quoted(text)} is no node of the graph.",
            [FieldError("around", f"found {quoted(text)}, expected s and the id of a scene, or t and that of a tile")],
        )
    return (Kind.SCENE if found[1] == "s" else Kind.TILE), int(found[2])


def _kind(text: str | None) -> Kind:
    kinds = {f"{kind}s": kind for kind in Kind}
    if text is None or text in kinds:
        return kinds.get(text or "scenes", Kind.SCENE)
    raise InvalidInput(
        f"There are no footprints of {quoted(text)}.",
        [FieldError("of", f"found {quoted(text)}, expected one of {', '.join(kinds)}")],
    )


class Graph(Handler):
    """The dependency graph."""

    @property
    def content_security_policy(self) -> str:
        """A picture that was made of names which anybody may have chosen can run nothing."""
        return "default-src 'none'; style-src 'unsafe-inline'; sandbox"

    def _part(self) -> GraphPart:
        around = self.text("around")
        item = None if around is None else _item(around)
        steps = self.number("steps", DEFAULT_STEPS, MOST_STEPS)
        return GraphPart(item, steps if item else 0, folded=self.flag("fold"))

    @reads
    async def get(self, aoi: str) -> None:
        form = self.form(AS_DOT, AS_SVG)
        queries = await self.queries()
        lines = await self.backend.run(queries.dot, aoi, self._part())
        if form is AS_SVG:
            picture = await self.backend.run(render_svg, lines, self.backend.limits.drawing)
            self.answer_text(picture, SVG)
        else:
            await self.answer_parts((line.encode() for line in lines), DOT)
