"""Scenes: ingestion, lists, details."""

from __future__ import annotations

from typing import Literal

from workflow_monitor.documents.media_types import ARROW, GEOJSON, JSON
from workflow_monitor.documents.scene_documents import parse_scene
from workflow_monitor.documents.scene_lists import InvalidScene, SceneOptions, parse_scenes, parse_valid_scenes
from workflow_monitor.documents.stac import TILINGS
from workflow_monitor.domain.commands import Ingest
from workflow_monitor.domain.errors import InvalidInput
from workflow_monitor.domain.models import IngestOutcome, NewScene
from workflow_monitor.domain.status import ItemKind
from workflow_monitor.server.handlers.base import Handler
from workflow_monitor.server.handlers.guards import requires_read, requires_write
from workflow_monitor.server.handlers.params import parse_item_id, parse_status
from workflow_monitor.server.negotiation import AS_ARROW, AS_GEOJSON, AS_JSON, AS_NDJSON
from workflow_monitor.server.serialization import arrow_stream, json_text

#: values of `?existing=`
EXISTING: tuple[Literal["refuse", "skip"], ...] = ("refuse", "skip")
#: values of `?invalid=`
INVALID: tuple[Literal["refuse", "skip"], ...] = ("refuse", "skip")


class ItemList(Handler):
    """List of the scenes or tiles of an AOI, or of all AOIs that match a pattern."""

    kind: ItemKind

    @requires_read
    async def get(self, aoi: str, status: str | None = None) -> None:
        parsed_status, page = parse_status(self.str_arg("status") if status is None else status), self.page()
        form = self.negotiate(AS_JSON, AS_GEOJSON, AS_NDJSON, AS_ARROW)
        with_tiles = self.kind is ItemKind.SCENE and self.bool_arg("tiles")
        queries = await self.queries()
        if form is AS_ARROW:
            if with_tiles:
                raise InvalidInput("tiles=true has no Arrow form; use format=json, geojson or ndjson.")
            batches = await self.backend.run(queries.arrow, self.kind, aoi, parsed_status, page)
            await self.write_parts(arrow_stream(batches), ARROW)
            return
        items = queries.scenes if self.kind is ItemKind.SCENE else queries.tiles
        shape = ("feature" if form is AS_GEOJSON else "document") + ("_with_tiles" if with_tiles else "")
        await self.write_list(await self.backend.run(items, aoi, parsed_status, page, shape), form)


class ItemDetail(Handler):
    """A scene, or a tile with its scene."""

    kind: ItemKind

    @requires_read
    async def get(self, id: str) -> None:  # noqa: A002 - as the path has it
        item_id = parse_item_id(id, self.kind)
        if self.negotiate(AS_JSON, AS_GEOJSON) is AS_JSON:
            self.write_text(await self.backend.item(self.kind, item_id), JSON)
            return
        queries = await self.queries()
        self.write_text(await self.backend.run(queries.feature, self.kind, item_id), GEOJSON)


class IngestScene(Handler):
    """Adds a scene and its tiles to the graph."""

    @requires_write
    async def post(self, aoi: str) -> None:
        skip_existing = self.choice_arg("existing", EXISTING) == "skip"
        scene = await self.read_body(
            lambda body: parse_scene(self.json(body), aoi, limits=self.backend.limits.documents)
        )
        outcome = await self.submit(Ingest(aoi, [scene], skip_existing=skip_existing))
        (scene_id,) = (outcome.added | outcome.existing).values()
        existing = {"existing": outcome.existing} if skip_existing else {}
        self.write_json({"id": scene_id, **existing})


class Scenes(ItemList):
    """List of the scenes of an AOI; POST adds scenes to its graph, all or none."""

    @property
    def body_limit(self) -> tuple[int, str]:
        """Maximum size of the body in bytes, and the trait that sets it."""
        return self.backend.limits.max_ingest, "max_ingest_mib"

    @requires_write
    async def post(self, aoi: str) -> None:
        skip_existing = self.choice_arg("existing", EXISTING) == "skip"
        skip_invalid = self.choice_arg("invalid", INVALID) == "skip"
        media_type = self.media_type
        options = SceneOptions(tiling=self.choice_arg("tiles", TILINGS), limits=self.backend.limits.documents)
        scenes: list[NewScene]
        invalid: list[InvalidScene] | None = None
        if skip_invalid:
            scenes, invalid = await self.read_body(lambda body: parse_valid_scenes(body, media_type, aoi, options))
        else:
            scenes = await self.read_body(lambda body: parse_scenes(body, media_type, aoi, options))
        outcome = await self.submit(Ingest(aoi, scenes, skip_existing=skip_existing))
        self.write_text(await self.backend.run(_ingested, outcome, skip_existing, invalid), JSON)


def _ingested(outcome: IngestOutcome, lists_existing: bool, invalid: list[InvalidScene] | None) -> str:
    document: dict[str, object] = {"scenes": len(outcome.added), "tiles": outcome.tiles, "ids": outcome.added}
    if lists_existing:
        document["existing"] = outcome.existing
    if invalid is not None:
        document["invalid"] = [
            {"source_id": scene.source_id, "field": scene.field, "reason": scene.reason()} for scene in invalid
        ]
    return json_text(document)
