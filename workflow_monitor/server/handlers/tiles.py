"""Tiles: lists per scene, root tiles, leaf tiles."""

from __future__ import annotations

from typing import Literal

from workflow_monitor.domain.errors import AOINotFound
from workflow_monitor.domain.status import ItemKind
from workflow_monitor.server.handlers.base import Handler
from workflow_monitor.server.handlers.guards import requires_read
from workflow_monitor.server.handlers.params import parse_item_id
from workflow_monitor.server.negotiation import AS_GEOJSON, AS_JSON, AS_NDJSON


class TilesOfScene(Handler):
    """List of the tiles of a scene."""

    @requires_read
    async def get(self, id: str) -> None:  # noqa: A002 - as the path has it
        scene_id = parse_item_id(id, ItemKind.SCENE)
        form = self.negotiate(AS_JSON, AS_GEOJSON, AS_NDJSON)
        queries = await self.queries()
        shape = "feature" if form is AS_GEOJSON else "document"
        await self.write_list(await self.backend.run(queries.tiles_of_scene, scene_id, shape), form)


class EndTiles(Handler):
    """List of the tiles at one end of the chains of an AOI."""

    #: name of the method of Queries
    ends: Literal["root_tiles", "leaf_tiles"]

    @requires_read
    async def get(self, aoi: str) -> None:
        form = self.negotiate(AS_JSON, AS_GEOJSON, AS_NDJSON)
        queries = await self.queries()
        shape = "feature" if form is AS_GEOJSON else "short"
        try:
            tiles = await self.backend.run(getattr(queries, self.ends), aoi, shape)
        except AOINotFound:
            # The Geocube's catalogue sends no Accept, and reads both lists before it creates the AOI.
            if "Accept" in self.request.headers:
                raise
            tiles = iter(())
        await self.write_list(tiles, form)
