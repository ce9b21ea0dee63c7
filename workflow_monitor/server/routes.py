"""The list of endpoints, the source of Tornado's handlers and of the OpenAPI document."""

from __future__ import annotations

from collections.abc import Mapping

from workflow_monitor.documents import media_types
from workflow_monitor.documents.stac import TILINGS
from workflow_monitor.domain.status import ItemKind
from workflow_monitor.server.handlers import (
    actions,
    aois,
    backups,
    events,
    jobs,
    meta,
    results,
    scenes,
    tiles,
    visualization,
    waiting,
)
from workflow_monitor.server.operations import Content, Operation, Parameter, Route, json_content

NON_NEGATIVE = {"type": "integer", "minimum": 0}
TEXT = {"type": "string"}
TIME = {"type": "string", "format": "date-time"}
STATUS = {"$ref": "#/components/schemas/Status"}

PAGE = (
    Parameter("page", "Page number, from 0; needs `limit`.", NON_NEGATIVE),
    Parameter("limit", "Items per page; 0 or an invalid number returns all.", NON_NEGATIVE),
)


def _format(*names: str) -> Parameter:
    return Parameter("format", "Format of the response; overrides `Accept`.", {"type": "string", "enum": list(names)})


LISTED = _format("json", "geojson", "ndjson")
LISTED_OR_ARROW = _format("json", "geojson", "ndjson", "arrow")
EXISTING = Parameter(
    "existing",
    "For scenes whose source id the AOI already has: `skip` leaves them as they are, adds the others and lists the skipped "
    "ones; `refuse` adds none.",
    {"enum": list(scenes.EXISTING), "default": scenes.EXISTING[0]},
)
_WITH_TILES = Parameter(
    "tiles",
    "`true` adds the tiles with data, links and footprints, so that POST accepts the list in any AOI; not as Arrow.",
    {"type": "boolean"},
)
NO_BODY = Content("Success, without a body.")
AOI_PATTERN = "The name may be a pattern: `*` matches any text, `?` one character; the suffix `(?i)` ignores case."
NO_AOI_YET = (
    "Without the header `Accept`, the list of an AOI that does not exist is empty: the Geocube's catalogue reads it before it "
    "creates the AOI."
)
_AS_COLUMNS = {media_types.COLUMNS: "Columns"}
_COLUMNS = (
    "The body is a 32-bit length (little-endian), a JSON header of that length in bytes, and the columns. `columns` in the "
    "header gives the type, the first byte and the length of each column, `seq` the last event that the columns include. "
    "A status is an index into `statuses`."
)


def _list(kind: str, item: str, features: str, *, arrow: bool = False) -> dict[int, Content]:
    schemas = {media_types.JSON: item, media_types.GEOJSON: features, media_types.NDJSON: "Lines"}
    return {200: Content(f"The {kind}, ordered by id.", schemas | ({media_types.ARROW: "Bytes"} if arrow else {}))}


_INGEST_MANY = Operation(
    "Add scenes with their tiles to the graph",
    {
        200: json_content(
            "Counts and the ids by source id.",
            "Ingested",
            {"scenes": 1, "tiles": 1, "ids": {"S2A_MSIL1C_20220104": 12}},
        )
    },
    Content(
        "A JSON array, JSON lines, the FeatureCollection of a Geocube catalogue or STAC items, in any order: the server sorts "
        "scenes by dependency.",
        {media_types.JSON: "ScenesToIngest", media_types.NDJSON: "Lines", media_types.GEOJSON: "FeatureCollection"},
    ),
    parameters=(
        EXISTING,
        Parameter(
            "invalid",
            "`skip` adds the valid scenes and lists the invalid ones; `refuse` adds none.",
            {"enum": list(scenes.INVALID), "default": scenes.INVALID[0]},
        ),
        Parameter(
            "tiles",
            "The tile of a STAC item: named after the scene, its MGRS square, or its Sentinel-1 burst.",
            {"enum": list(TILINGS), "default": TILINGS[0]},
        ),
    ),
    errors=(400, 404, 409),
    description="Adds all scenes or none.",
)


def _listings(kind: ItemKind, item: str) -> list[Route]:
    tiles = (_WITH_TILES,) if kind is ItemKind.SCENE else ()
    parameters = *tiles, *PAGE, LISTED_OR_ARROW
    operation = Operation(
        f"List the {kind}s",
        _list(f"{kind}s", item, f"{kind.capitalize()}Features", arrow=True),
        parameters=(Parameter("status", "Only items in this status.", STATUS), *parameters),
        errors=(400, 404),
        description=AOI_PATTERN,
    )
    by_status = Operation(
        f"List the {kind}s in a status",
        operation.responses,
        parameters=parameters,
        errors=operation.errors,
        description=AOI_PATTERN,
    )
    path = f"/aoi/{{aoi}}/{kind}s"
    listing = (
        Route("scenes", path, scenes.Scenes, {"get": operation, "post": _INGEST_MANY}, {"kind": kind})
        if kind is ItemKind.SCENE
        else Route("tiles", path, scenes.ItemList, {"get": operation}, {"kind": kind})
    )
    return [
        listing,
        Route(f"{kind}s", f"{path}/{{status}}", scenes.ItemList, {"get": by_status}, {"kind": kind}),
    ]


def _repairs(kind: ItemKind) -> list[Route]:
    path = f"/{kind}/{{id}}"
    arguments = {"kind": kind}

    def put(summary: str, *errors: int) -> dict[str, Operation]:
        return {"put": Operation(summary, {200: NO_BODY}, errors=(400, *errors))}

    body = json_content(f"The data of the {kind}.", f"{kind.capitalize()}Data", {"graph_name": "CopyProductToStorage"})
    patch = Content(
        "The fields to change (RFC 7396); null removes a field.",
        {"application/merge-patch+json": "Object", media_types.JSON: "Object"},
        {"graph_name": "Other"},
    )
    data = {
        "put": Operation(f"Replace the data of a {kind}", {204: NO_BODY}, body, errors=(400, 404)),
        "patch": Operation(f"Change fields of the data of a {kind}", {204: NO_BODY}, patch, errors=(400, 404)),
    }
    return [
        Route(
            "repair", f"{path}/retry", actions.RetryItemHandler, put(f"Retry a {kind} in RETRY", 404, 409), arguments
        ),
        Route(
            "repair",
            f"{path}/fail",
            actions.FailItemHandler,
            put(f"Fail a {kind} in RETRY", 404, 409),
            arguments | {"force": False},
        ),
        Route(
            "repair",
            f"{path}/fail/force",
            actions.FailItemHandler,
            put(f"Fail a {kind} in any status", 404, 409),
            arguments | {"force": True},
        ),
        Route(
            "repair",
            f"{path}/consequences",
            actions.FailPreview,
            {
                "get": Operation(
                    f"Preview the changes of failing a {kind} by force",
                    {200: json_content("The changes in order; at most 100 are listed.", "Consequences")},
                    errors=(400, 404, 409),
                )
            },
            arguments,
        ),
        Route(
            "repair",
            f"{path}/why",
            waiting.Why,
            {
                "get": Operation(
                    f"Explain why a {kind} waits",
                    {200: json_content("The steps from the item to the causes.", "Why")},
                    errors=(400, 404),
                )
            },
            arguments,
        ),
        Route(
            "repair",
            f"{path}/force/{{status}}",
            actions.ForceStatusHandler,
            put(f"Force the status of a {kind}", 404, 409),
            arguments,
        ),
        Route("repair", f"{path}/data", actions.ItemData, data, arguments),
    ]


def _item(kind: ItemKind) -> Route:
    name = kind.capitalize()
    content = Content(f"The {kind}.", {media_types.JSON: name, media_types.GEOJSON: f"{name}Feature"})
    operation = Operation(
        f"Return a {kind}", {200: content}, parameters=(_format("json", "geojson"),), errors=(400, 404)
    )
    return Route(f"{kind}s", f"/{kind}/{{id}}", scenes.ItemDetail, {"get": operation}, {"kind": kind})


def _retries(word: str, *, force: bool) -> Route:
    counts = json_content("Counts of retried scenes and tiles.", "Retried", {"Scenes": 1, "Tiles": 4})
    operation = Operation(
        f"Retry all scenes and tiles in {'RETRY or PENDING' if force else 'RETRY'}",
        {200: counts, 204: Content("No item to retry.")},
        errors=(404, 409),
        description=f"Retries all items or none. {AOI_PATTERN}",
    )
    return Route("repair", f"/aoi/{{aoi}}/retry{word}", aois.RetryAll, {"put": operation}, {"force": force})


_SERVER = [
    Route(
        "server",
        "/",
        meta.Root,
        {
            "get": Operation(
                "Check the state of the server",
                {
                    200: Content(
                        "The server and its store are available.",
                        {media_types.TEXT: "Text", media_types.JSON: "Root"},
                        "ingester ok",
                    )
                },
                parameters=(_format("text", "json"),),
            )
        },
    ),
    Route(
        "server",
        "/healthz",
        meta.Health,
        {
            "get": Operation(
                "Check the health of the server",
                {200: Content("The server and its store are available.")},
                description="Needs no token. The response has no body; 503 means that the server cannot reach its store.",
            )
        },
    ),
    Route(
        "server",
        "/openapi.json",
        meta.OpenAPI,
        {"get": Operation("Return the OpenAPI document", {200: json_content("OpenAPI 3.1.", "Object")})},
    ),
    Route(
        "server",
        "/docs",
        meta.Docs,
        {"get": Operation("Show the documentation page", {200: Content("An HTML page.", {"text/html": "Text"})})},
    ),
]

_AOIS = [
    Route(
        "AOIs",
        "/aoi/",
        aois.AOIs,
        {
            "get": Operation(
                "List the AOIs",
                {
                    200: json_content(
                        "The AOIs, ordered by name.", "AOIs", [{"ID": "DenmarkDemoS2", "status": "PENDING"}]
                    )
                },
                parameters=(
                    Parameter("counts", "Include the counts of scenes and tiles per status.", {"type": "boolean"}),
                ),
                errors=(400,),
            )
        },
    ),
    Route(
        "AOIs",
        "/aoi/{aoi}",
        aois.AOI,
        {
            "get": Operation(
                "Return the workload of an AOI",
                {200: Content("The workload.", {media_types.TEXT: "Text", media_types.JSON: "OverviewOrAOIs"})},
                parameters=(_format("text", "json"),),
                errors=(404,),
                description=f"{AOI_PATTERN} A pattern returns the list of the matching AOIs as JSON.",
            ),
            "post": Operation("Create an AOI", {204: NO_BODY}, errors=(400, 409), description="The body is ignored."),
            "delete": Operation(
                "Delete an AOI with its scenes and tiles",
                {204: NO_BODY},
                errors=(404,),
                description="The name cannot be a pattern.",
            ),
        },
    ),
    Route(
        "AOIs",
        "/aoi/{aoi}/dot",
        visualization.Graph,
        {
            "get": Operation(
                "Return the dependency graph",
                {200: Content("The graph.", {media_types.DOT: "Text", media_types.SVG: "Text"})},
                parameters=(
                    Parameter("around", "Only the neighbourhood of a scene (`s12`) or tile (`t12`).", TEXT),
                    Parameter(
                        "steps",
                        "Maximum distance from `around`, in edges.",
                        NON_NEGATIVE | {"maximum": 50, "default": 3},
                    ),
                    Parameter("fold", "Omit items in DONE, except neighbours of other items.", {"type": "boolean"}),
                    _format("dot", "svg"),
                ),
                errors=(400, 404, 422, 429, 501),
                description=f"{AOI_PATTERN} DOT text has no limit; SVG is limited in size and in rendering time.",
            )
        },
    ),
    Route(
        "AOIs",
        "/aoi/{aoi}/find",
        visualization.Find,
        {
            "get": Operation(
                "Find scenes and tiles of an AOI by a part of the name, or by id",
                {200: json_content("The count of matches, and the first ones.", "Search")},
                parameters=(
                    Parameter("text", "Part of a name, case-insensitive, or an id: `12`, `s12`, `t12`.", TEXT),
                    Parameter(
                        "limit",
                        "Maximum number of items in the response.",
                        NON_NEGATIVE | {"minimum": 1, "maximum": 1000, "default": 20},
                    ),
                ),
                errors=(400, 404),
            )
        },
    ),
    Route(
        "AOIs",
        "/aoi/{aoi}/failures",
        aois.Failures,
        {
            "get": Operation(
                "Group the failed items of an AOI by the pattern of their message",
                {200: json_content("The groups, the most frequent first.", "Failures")},
                parameters=(
                    Parameter("limit", "Maximum number of items read per kind and status; 0 reads all.", NON_NEGATIVE),
                ),
                errors=(404,),
                description="Messages that differ only in ids, dates and paths have the same pattern.",
            )
        },
    ),
    Route(
        "repair",
        "/aoi/{aoi}/blockers",
        waiting.Blockers,
        {
            "get": Operation(
                "List the items of an AOI that hold back most tiles",
                {200: json_content("The blockers; the repair of the first one lets most tiles start.", "Blockers")},
                parameters=(
                    Parameter(
                        "limit",
                        "Maximum number of blockers.",
                        NON_NEGATIVE | {"minimum": 1, "maximum": 1000, "default": 20},
                    ),
                ),
                errors=(400, 404),
                description="A blocker waits for a person: in RETRY or FAILED, or reset to NEW by force.",
            )
        },
    ),
    Route(
        "events",
        "/aoi/{aoi}/timeline",
        visualization.Timeline,
        {
            "get": Operation(
                "Return the counts of scenes and tiles per status over time, and the running items",
                {200: json_content("Counts at the end of each step, and at most 100 items in PENDING.", "Timeline")},
                parameters=(
                    Parameter("since", "Start time, inclusive; default: the first stored event.", TIME),
                    Parameter("until", "End time, exclusive; default: now.", TIME),
                    Parameter(
                        "steps",
                        "Number of time steps.",
                        {"type": "integer", "minimum": 1, "maximum": 1000, "default": 120},
                    ),
                ),
                errors=(400, 404),
            )
        },
    ),
    Route(
        "drawing",
        "/aoi/{aoi}/footprints",
        visualization.Footprints,
        {
            "get": Operation(
                "Return the footprints of an AOI as columns",
                {
                    200: Content(
                        f"Columns id, status, day, first_ring, first_position and positions. {_COLUMNS}", _AS_COLUMNS
                    )
                },
                parameters=(Parameter("of", "Kind of the items.", {"enum": ["scenes", "tiles"], "default": "scenes"}),),
                errors=(400, 404),
            )
        },
    ),
    Route(
        "drawing",
        "/aoi/{aoi}/lanes",
        visualization.Lanes,
        {
            "get": Operation(
                "Return the tiles of an AOI as columns, with a track per location and a row per date",
                {
                    200: Content(
                        "Columns id, scene, status, track, previous (position + 1, 0 for none), first (of each row), by_id; "
                        f"scene_id, scene_status, scene_row. {_COLUMNS}",
                        _AS_COLUMNS,
                    )
                },
                errors=(404,),
            )
        },
    ),
    _retries("", force=False),
    _retries("/force", force=True),
]

_INGESTION = [
    Route(
        "scenes",
        "/aoi/{aoi}/scene",
        scenes.IngestScene,
        {
            "post": Operation(
                "Add a scene and its tiles to the graph",
                {200: json_content("The id of the scene.", "Id", {"id": 12})},
                json_content("The scene.", "SceneToIngest"),
                parameters=(EXISTING,),
                errors=(400, 404, 409),
            )
        },
    ),
]

_TILES = [
    Route(
        "tiles",
        "/scene/{id}/tiles",
        tiles.TilesOfScene,
        {
            "get": Operation(
                "List the tiles of a scene",
                _list("tiles", "Tiles", "TileFeatures"),
                parameters=(LISTED,),
                errors=(400, 404),
            )
        },
    ),
    Route(
        "tiles",
        "/aoi/{aoi}/roottiles",
        tiles.EndTiles,
        {
            "get": Operation(
                "List the root tiles",
                _list("tiles", "ShortTiles", "TileFeatures"),
                parameters=(LISTED,),
                errors=(404,),
                description=NO_AOI_YET,
            )
        },
        {"ends": "root_tiles"},
    ),
    Route(
        "tiles",
        "/aoi/{aoi}/leaftiles",
        tiles.EndTiles,
        {
            "get": Operation(
                "List the leaf tiles",
                _list("tiles", "ShortTiles", "TileFeatures"),
                parameters=(LISTED,),
                errors=(404,),
                description=NO_AOI_YET,
            )
        },
        {"ends": "leaf_tiles"},
    ),
]

_LEASED = {"id": 812, "payload": {"id": 12, "source_id": "S2A_MSIL1C_20220104"}, "attempt": 1, "lease": "wX7…"}

_RENEWED = {"leases": ["wX7…", "kP2…"], "seconds": 300}

_LEASE_REQUEST = {"max": 10, "seconds": 300, "worker": "downloader-1"}

_WORK = [
    Route(
        "work",
        "/results",
        results.Results,
        {
            "post": Operation(
                "Report results",
                {200: json_content("The outcome of each result, in order.", "Outcomes")},
                json_content(
                    "Results to apply in order; a rejected result does not affect the others.",
                    "Results",
                    [{"type": "tile", "id": 12, "status": "DONE", "message": "", "attempt": 1}],
                ),
                errors=(400,),
            )
        },
    ),
    Route(
        "work",
        "/jobs/{queue}",
        jobs.Jobs,
        {
            "get": Operation(
                "Return the jobs of a queue",
                {200: json_content("The backlog and the jobs.", "Queue")},
                parameters=(
                    Parameter("state", "Only jobs in this state: waiting or leased.", {"enum": list(jobs.STATES)}),
                    Parameter("item", "Only jobs of the scene or tile with this id.", NON_NEGATIVE),
                    *PAGE,
                ),
                errors=(400, 404),
            )
        },
    ),
    Route(
        "work",
        "/jobs/{queue}/lease",
        jobs.LeaseJobsHandler,
        {
            "post": Operation(
                "Lease jobs",
                {200: json_content("Up to `max` jobs, the oldest first.", "LeasedJobs", {"jobs": [_LEASED]})},
                json_content(
                    "The maximum number of jobs, the duration of the lease in seconds and the name of the worker.",
                    "LeaseRequest",
                    _LEASE_REQUEST,
                ),
                errors=(400, 404),
                description="Report the result or renew the lease before it expires; otherwise another worker receives the job. "
                "`aoi`, a name or a pattern, restricts the jobs to the matching AOIs.",
            ),
            "put": Operation(
                "Renew several leases",
                {200: json_content("The count of renewed leases, and the leases that are not valid.", "RenewedMany")},
                json_content("The leases, and their new duration from now in seconds.", "RenewManyRequest", _RENEWED),
                errors=(400, 404),
                description="Stop work on jobs without a valid lease.",
            ),
        },
    ),
    Route(
        "work",
        "/jobs/{queue}/lease/{lease}",
        jobs.RenewJob,
        {
            "put": Operation(
                "Renew a lease",
                {200: json_content("The new time of expiry.", "Renewed")},
                json_content("The new duration from now, in seconds.", "RenewRequest", {"seconds": 300}),
                errors=(400, 404),
            )
        },
    ),
]

_BACKUP = {
    "file": "/srv/workflow.duckdb.backups/20220104T103431Z.duckdb",
    "made": "2022-01-04T10:34:31Z",
    "bytes": 3420160,
}

_BACKUPS = [
    Route(
        "server",
        "/backups",
        backups.Backups,
        {
            "get": Operation(
                "List the backups", {200: json_content("The backups, the newest first.", "Backups", [_BACKUP])}
            ),
            "post": Operation(
                "Create a backup",
                {201: json_content("The backup, which has been verified.", "Backup", _BACKUP)},
                errors=(409,),
                description="A consistent snapshot; the server continues to work meanwhile. Removes the oldest backups beyond `keep_backups`.",
            ),
        },
    ),
]

_RESUME = (
    Parameter(
        "Last-Event-ID", "Resume after this event; browsers set the header on reconnection.", NON_NEGATIVE, "header"
    ),
    Parameter("after", "As `Last-Event-ID`, for clients that cannot set headers.", NON_NEGATIVE),
)
_STREAM = {
    200: Content("Events of type `transition`, with the sequence number as id.", {media_types.EVENTS: "EventStream"})
}

_EVENTS = [
    Route(
        "events",
        "/events",
        events.Events,
        {"get": Operation("Stream the events of all AOIs", _STREAM, parameters=_RESUME, errors=(400, 429))},
    ),
    Route(
        "events",
        "/aoi/{aoi}/events",
        events.Events,
        {"get": Operation("Stream the events of an AOI", _STREAM, parameters=_RESUME, errors=(400, 404, 429))},
    ),
    Route(
        "events",
        "/aoi/{aoi}/history",
        events.History,
        {
            "get": Operation(
                "List the past events of an AOI",
                {200: Content("The events in order.", {media_types.JSON: "Events", media_types.NDJSON: "Lines"})},
                parameters=(
                    Parameter("since", "Start time, inclusive.", TIME),
                    Parameter("until", "End time, exclusive.", TIME),
                    Parameter("type", "Only events of this type of item.", {"enum": ["aoi", *ItemKind]}),
                    Parameter("id", "Only events of the scene or tile with this id; needs `type`.", NON_NEGATIVE),
                    Parameter("status", "Only transitions to this status.", STATUS),
                    *PAGE,
                    _format("json", "ndjson"),
                ),
                errors=(400, 404),
            )
        },
    ),
]

ROUTES: tuple[Route, ...] = (
    *_SERVER,
    *_BACKUPS,
    *_AOIS,
    *_INGESTION,
    *_listings(ItemKind.SCENE, "Scenes"),
    *_listings(ItemKind.TILE, "Tiles"),
    *_TILES,
    _item(ItemKind.SCENE),
    _item(ItemKind.TILE),
    *_repairs(ItemKind.SCENE),
    *_repairs(ItemKind.TILE),
    *_WORK,
    *_EVENTS,
)

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
