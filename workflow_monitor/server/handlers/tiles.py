"""Tiles: of a scene, and where the chains begin and end."""

from __future__ import annotations

from workflow_monitor.domain.status import Kind
from workflow_monitor.server.handlers.base import Handler, reads
from workflow_monitor.server.handlers.params import item_id
from workflow_monitor.server.representations import AS_GEOJSON, AS_JSON, AS_NDJSON


class TilesOfScene(Handler):
    """The tiles of a scene."""

    @reads
    async def get(self, id: str) -> None:  # noqa: A002 - as the path has it
        number = item_id(id, Kind.SCENE)
        form = self.form(AS_JSON, AS_GEOJSON, AS_NDJSON)
        queries = await self.queries()
        shape = "feature" if form is AS_GEOJSON else "document"
        await self.answer_list(await self.backend.run(queries.tiles_of_scene, number, shape), form)


class RootTiles(Handler):
    """The tiles with which the chains begin."""

    @reads
    async def get(self, aoi: str) -> None:
        form = self.form(AS_JSON, AS_GEOJSON, AS_NDJSON)
        queries = await self.queries()
        shape = "feature" if form is AS_GEOJSON else "short"
        await self.answer_list(await self.backend.run(queries.root_tiles, aoi, shape), form)


class LeafTiles(Handler):
    """The tiles with which the chains end."""

    @reads
    async def get(self, aoi: str) -> None:
        form = self.form(AS_JSON, AS_GEOJSON, AS_NDJSON)
        queries = await self.queries()
        shape = "feature" if form is AS_GEOJSON else "short"
        await self.answer_list(await self.backend.run(queries.leaf_tiles, aoi, shape), form)
