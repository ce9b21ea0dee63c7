"""Tiles: lists per scene, root tiles, leaf tiles."""

from __future__ import annotations

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


class RootTiles(Handler):
    """List of the tiles without a predecessor."""

    @requires_read
    async def get(self, aoi: str) -> None:
        form = self.negotiate(AS_JSON, AS_GEOJSON, AS_NDJSON)
        queries = await self.queries()
        shape = "feature" if form is AS_GEOJSON else "short"
        await self.write_list(await self.backend.run(queries.root_tiles, aoi, shape), form)


class LeafTiles(Handler):
    """List of the tiles without a successor."""

    @requires_read
    async def get(self, aoi: str) -> None:
        form = self.negotiate(AS_JSON, AS_GEOJSON, AS_NDJSON)
        queries = await self.queries()
        shape = "feature" if form is AS_GEOJSON else "short"
        await self.write_list(await self.backend.run(queries.leaf_tiles, aoi, shape), form)
