"""The list of endpoints, the source of Tornado's handlers and of the OpenAPI document."""

from __future__ import annotations

from collections.abc import Mapping

from workflow_monitor.domain.status import ItemKind
from workflow_monitor.server.operations import Route
from workflow_monitor.server.routes.aois import AOIS
from workflow_monitor.server.routes.events import EVENTS
from workflow_monitor.server.routes.items import ITEMS
from workflow_monitor.server.routes.service import BACKUPS, SERVER
from workflow_monitor.server.routes.work import WORK

ROUTES: tuple[Route, ...] = (*SERVER, *BACKUPS, *AOIS, *ITEMS, *WORK, *EVENTS)

#: endpoints that the Geocube's workflow server has, too, with their methods
GEOCUBE_VERBS: Mapping[str, frozenset[str]] = {
    path: frozenset(verbs)
    for path, *verbs in (
        ("/", "get"),
        ("/aoi/", "get"),
        ("/aoi/{aoi}", "get", "post", "delete"),
        ("/aoi/{aoi}/dot", "get"),
        ("/aoi/{aoi}/scene", "post"),
        ("/aoi/{aoi}/scenes", "get"),
        ("/aoi/{aoi}/scenes/{status}", "get"),
        ("/aoi/{aoi}/tiles/{status}", "get"),
        ("/aoi/{aoi}/roottiles", "get"),
        ("/aoi/{aoi}/leaftiles", "get"),
        ("/aoi/{aoi}/retry", "put"),
        ("/aoi/{aoi}/retry/force", "put"),
        ("/scene/{id}", "get"),
        ("/scene/{id}/tiles", "get"),
        ("/tile/{id}", "get"),
        *(
            (f"/{kind}/{{id}}/{action}", "put")
            for kind in ItemKind
            for action in ("data", "retry", "fail", "force/{status}")
        ),
    )
}
