"""AOIs: list, create, delete, overview, failures, retry of all items."""

from __future__ import annotations

from workflow_monitor.documents.aoi_names import check_aoi_name
from workflow_monitor.documents.media_types import TEXT
from workflow_monitor.domain.commands import CreateAOI, DeleteAOI, RetryAOI
from workflow_monitor.domain.glob import is_pattern
from workflow_monitor.server.handlers.base import Handler
from workflow_monitor.server.handlers.guards import requires_read, requires_write
from workflow_monitor.server.negotiation import AS_JSON, AS_TEXT
from workflow_monitor.server.serialization import aoi_document, failure_group_document, overview_document, overview_text


class AOIs(Handler):
    """List of all AOIs."""

    @requires_read
    async def get(self) -> None:
        with_counts = self.bool_arg("counts")
        queries = await self.queries()
        workloads = await self.backend.run(queries.workloads)
        self.write_json([aoi_document(workload, with_counts=with_counts) for workload in workloads])


class AOI(Handler):
    """One AOI, or the list of AOIs that match a pattern."""

    @requires_read
    async def get(self, aoi: str) -> None:
        queries = await self.queries()
        if is_pattern(aoi):
            matches = await self.backend.run(queries.aois, aoi)
            self.write_json([{"ID": name, "status": status} for name, status in matches])
            return
        form = self.negotiate(AS_TEXT, AS_JSON)
        summary = await self.backend.run(queries.overview, aoi)
        if form is AS_JSON:
            self.write_json(overview_document(summary))
        else:
            self.write_text(overview_text(summary), TEXT)

    @requires_write
    async def post(self, aoi: str) -> None:
        check_aoi_name(aoi, self.backend.limits.documents)
        await self.submit(CreateAOI(aoi))
        self.write_empty()

    @requires_write
    async def delete(self, aoi: str) -> None:
        await self.submit(DeleteAOI(aoi))
        self.write_empty()


class RetryAll(Handler):
    """Retries all scenes and tiles in RETRY, with `force` also those in PENDING."""

    force: bool

    @requires_write
    async def put(self, aoi: str) -> None:
        scenes, tiles = await self.submit(RetryAOI(aoi, force=self.force))
        if scenes or tiles:
            self.write_json({"Scenes": scenes, "Tiles": tiles})
        else:
            self.write_empty()


class Failures(Handler):
    """Failed items, grouped by the pattern of their message."""

    _track_activity = False

    @requires_read
    async def get(self, aoi: str) -> None:
        page = self.page()
        queries = await self.queries()
        groups = await self.backend.run(queries.failures, aoi, page.limit if page else None)
        self.write_json([failure_group_document(group) for group in groups])
