"""The one list of endpoints: the handlers that Tornado gets and the OpenAPI document are both made from it."""

from __future__ import annotations

from workflow_monitor.documents import media_types
from workflow_monitor.domain.status import ItemKind
from workflow_monitor.server import columnar
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
)
from workflow_monitor.server.operations import Content, Operation, Parameter, Route, json_content

NUMBER = {"type": "integer", "minimum": 0}
TEXT = {"type": "string"}
TIME = {"type": "string", "format": "date-time"}
STATUS = {"$ref": "#/components/schemas/Status"}

PAGE = (
    Parameter("page", "Which page, from 0; only with `limit`.", NUMBER),
    Parameter("limit", "How many items to a page; 0, or what is no number, means all.", NUMBER),
)


def _format(*names: str) -> Parameter:
    return Parameter("format", "The form of the answer, if not by `Accept`.", {"type": "string", "enum": list(names)})


LISTED = _format("json", "geojson", "ndjson")
LISTED_OR_ARROW = _format("json", "geojson", "ndjson", "arrow")
NOTHING = Content("Done; there is no body.")
NAMED_AOI = "The name may be a pattern: `*` any text, `?` one character, a suffix `(?i)` ignores case."
_AS_COLUMNS = {columnar.COLUMNS: "Columns"}
_COLUMNS = (
    "A 32-bit length (little-endian), so many bytes of JSON, whose `columnar` tell the type, the first byte and the length "
    "of each array, then the arrays. `seq` is the last event that they know; a status is a position in `statuses`."
)


def _list(kind: str, item: str, features: str, *, arrow: bool = False) -> dict[int, Content]:
    schemas = {media_types.JSON: item, media_types.GEOJSON: features, media_types.NDJSON: "Lines"}
    return {200: Content(f"The {kind}, ordered by id.", schemas | ({media_types.ARROW: "Bytes"} if arrow else {}))}


_INGEST_MANY = Operation(
    "Add many scenes and their tiles to the graph",
    {200: json_content("They were added.", "Ingested", {"scenes": 1, "tiles": 1, "ids": {"S2A_MSIL1C_20220104": 12}})},
    Content(
        "A JSON array, lines, or a catalogue's FeatureCollection; in any order, those that others build on go first.",
        {media_types.JSON: "ScenesToIngest", media_types.NDJSON: "Lines", media_types.GEOJSON: "FeatureCollection"},
    ),
    errors=(400, 404, 409),
    description="All or none.",
)


def _listings(kind: ItemKind, item: str) -> list[Route]:
    parameters = *PAGE, LISTED_OR_ARROW
    operation = Operation(
        f"List the {kind}s",
        _list(f"{kind}s", item, f"{kind.capitalize()}Features", arrow=True),
        parameters=(Parameter("status", "Only those in this status.", STATUS), *parameters),
        errors=(400, 404),
        description=NAMED_AOI,
    )
    by_status = Operation(
        f"List the {kind}s in a status",
        operation.responses,
        parameters=parameters,
        errors=operation.errors,
        description=NAMED_AOI,
    )
    path = f"/aoi/{{aoi}}/{kind}s"
    whole = (
        Route("scenes", path, scenes.Scenes, {"get": operation, "post": _INGEST_MANY}, {"kind": kind})
        if kind is ItemKind.SCENE
        else Route("tiles", path, scenes.ItemList, {"get": operation}, {"kind": kind})
    )
    return [
        whole,
        Route(f"{kind}s", f"{path}/{{status}}", scenes.ItemList, {"get": by_status}, {"kind": kind}),
    ]


def _repairs(kind: ItemKind) -> list[Route]:
    path = f"/{kind}/{{id}}"
    of_kind = {"kind": kind}

    def put(summary: str, *errors: int) -> dict[str, Operation]:
        return {"put": Operation(summary, {200: NOTHING}, errors=(400, *errors))}

    body = json_content(f"The data of the {kind}.", f"{kind.capitalize()}Data", {"graph_name": "CopyProductToStorage"})
    patch = Content(
        "What to change (RFC 7396); null removes.",
        {"application/merge-patch+json": "Object", media_types.JSON: "Object"},
        {"graph_name": "Other"},
    )
    data = {
        "put": Operation(f"Replace the data of a {kind}", {204: NOTHING}, body, errors=(400, 404)),
        "patch": Operation(f"Change fields of the data of a {kind}", {204: NOTHING}, patch, errors=(400, 404)),
    }
    give_up = f"Give up a {kind}"
    return [
        Route("repair", f"{path}/retry", actions.RetryItemHandler, put(f"Retry a {kind} in RETRY", 404, 409), of_kind),
        Route(
            "repair",
            f"{path}/fail",
            actions.FailItemHandler,
            put(f"{give_up} in RETRY", 404, 409),
            of_kind | {"force": False},
        ),
        Route(
            "repair",
            f"{path}/fail/force",
            actions.FailItemHandler,
            put(f"{give_up} in any status", 404, 409),
            of_kind | {"force": True},
        ),
        Route(
            "repair",
            f"{path}/consequences",
            actions.FailPreview,
            {
                "get": Operation(
                    f"Tell what giving up a {kind} by force would do, and do nothing",
                    {200: json_content("What would change, in order; the first 100 are listed.", "Consequences")},
                    errors=(400, 404, 409),
                )
            },
            of_kind,
        ),
        Route(
            "repair",
            f"{path}/force/{{status}}",
            actions.ForceStatusHandler,
            put(f"Set the status of a {kind}", 404, 409),
            of_kind,
        ),
        Route("repair", f"{path}/data", actions.ItemData, data, of_kind),
    ]


def _item(kind: ItemKind) -> Route:
    name = kind.capitalize()
    answer = Content(f"The {kind}.", {media_types.JSON: name, media_types.GEOJSON: f"{name}Feature"})
    operation = Operation(f"Show a {kind}", {200: answer}, parameters=(_format("json", "geojson"),), errors=(400, 404))
    return Route(f"{kind}s", f"/{kind}/{{id}}", scenes.ItemDetail, {"get": operation}, {"kind": kind})


def _retries(word: str, *, force: bool) -> Route:
    numbers = json_content("How many were retried.", "Retried", {"Scenes": 1, "Tiles": 4})
    operation = Operation(
        f"Retry all scenes and tiles in {'RETRY or PENDING' if force else 'RETRY'}",
        {200: numbers, 204: Content("There was nothing to retry.")},
        errors=(404, 409),
        description=f"All or none. {NAMED_AOI}",
    )
    return Route("repair", f"/aoi/{{aoi}}/retry{word}", aois.RetryAll, {"put": operation}, {"force": force})


_SERVER = [
    Route(
        "server",
        "/",
        meta.Root,
        {
            "get": Operation(
                "Say whether the server works",
                {200: Content("It does.", {media_types.TEXT: "Text", media_types.JSON: "Root"}, "ingester ok")},
                parameters=(_format("text", "json"),),
            )
        },
    ),
    Route(
        "server",
        "/openapi.json",
        meta.OpenAPI,
        {"get": Operation("Describe the endpoints for programs", {200: json_content("OpenAPI 3.1.", "Object")})},
    ),
    Route(
        "server",
        "/docs",
        meta.Docs,
        {"get": Operation("Describe the endpoints for people", {200: Content("A page.", {"text/html": "Text"})})},
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
                {200: json_content("By name.", "AOIs", [{"ID": "DenmarkDemoS2", "status": "PENDING"}])},
                parameters=(
                    Parameter("counts", "With the numbers of scenes and tiles in each status.", {"type": "boolean"}),
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
                "Show the workload of an AOI",
                {200: Content("The workload.", {media_types.TEXT: "Text", media_types.JSON: "OverviewOrAOIs"})},
                parameters=(_format("text", "json"),),
                errors=(404,),
                description=f"{NAMED_AOI} It then lists the AOIs that match, as JSON.",
            ),
            "post": Operation("Create an AOI", {204: NOTHING}, errors=(400, 409), description="The body is not read."),
            "delete": Operation(
                "Delete an AOI with its scenes and tiles", {204: NOTHING}, errors=(404,), description="No patterns."
            ),
        },
    ),
    Route(
        "AOIs",
        "/aoi/{aoi}/dot",
        visualization.Graph,
        {
            "get": Operation(
                "Show the dependency graph",
                {200: Content("The graph.", {media_types.DOT: "Text", media_types.SVG: "Text"})},
                parameters=(
                    Parameter("around", "Only what is near a scene (`s12`) or tile (`t12`).", TEXT),
                    Parameter("steps", "How many edges away at most.", NUMBER | {"maximum": 50, "default": 3}),
                    Parameter("fold", "Only what is not DONE, with its neighbours.", {"type": "boolean"}),
                    _format("dot", "svg"),
                ),
                errors=(400, 404, 422, 501),
                description=f"{NAMED_AOI} Dot text is always whole; SVG has a limit of size and time.",
            )
        },
    ),
    Route(
        "AOIs",
        "/aoi/{aoi}/find",
        visualization.Find,
        {
            "get": Operation(
                "Find scenes and tiles of an AOI by a part of their names, or by id",
                {200: json_content("How many there are, and the first.", "Search")},
                parameters=(
                    Parameter("text", "Part of a name in any case, or an id: `12`, `s12`, `t12`.", TEXT),
                    Parameter("limit", "How many are listed.", NUMBER | {"minimum": 1, "maximum": 1000, "default": 20}),
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
                "Group what failed in an AOI by the shape of the message",
                {200: json_content("The most frequent first.", "Failures")},
                parameters=(Parameter("limit", "How many of each kind and status to look at; 0 means all.", NUMBER),),
                errors=(404,),
                description="Messages that differ in nothing but ids, dates and paths have the same shape.",
            )
        },
    ),
    Route(
        "events",
        "/aoi/{aoi}/timeline",
        visualization.Timeline,
        {
            "get": Operation(
                "Tell how many scenes and tiles were in each status over time, and what is running",
                {200: json_content("Numbers at the end of each step; the first 100 of what is PENDING.", "Timeline")},
                parameters=(
                    Parameter("since", "From this time on; otherwise from the first event that is kept.", TIME),
                    Parameter("until", "Before this time; otherwise until now.", TIME),
                    Parameter(
                        "steps", "In so many steps.", {"type": "integer", "minimum": 1, "maximum": 1000, "default": 120}
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
                "Give the footprints of an AOI to those who draw them",
                {200: Content(f"id, status, day, first_ring, first_position and positions. {_COLUMNS}", _AS_COLUMNS)},
                parameters=(Parameter("of", "Of what.", {"enum": ["scenes", "tiles"], "default": "scenes"}),),
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
                "Give the tiles of an AOI, a track for each place and a row for each date, to those who draw them",
                {
                    200: Content(
                        "id, scene, status, track, previous (position + 1, 0 for none), first (of each row), by_id; "
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
                {200: json_content("It was added.", "Id", {"id": 12})},
                json_content("The scene.", "SceneToIngest"),
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
        tiles.RootTiles,
        {
            "get": Operation(
                "List the root tiles", _list("tiles", "ShortTiles", "TileFeatures"), parameters=(LISTED,), errors=(404,)
            )
        },
    ),
    Route(
        "tiles",
        "/aoi/{aoi}/leaftiles",
        tiles.LeafTiles,
        {
            "get": Operation(
                "List the leaf tiles", _list("tiles", "ShortTiles", "TileFeatures"), parameters=(LISTED,), errors=(404,)
            )
        },
    ),
]

_LEASED = {"id": 812, "payload": {"id": 12, "source_id": "S2A_MSIL1C_20220104"}, "attempt": 1, "lease": "wX7…"}

_RENEWED = {"leases": ["wX7…", "kP2…"], "seconds": 300}

_ASKED = {"max": 10, "seconds": 300, "worker": "downloader-1"}

_WORK = [
    Route(
        "work",
        "/results",
        results.Results,
        {
            "post": Operation(
                "Report results",
                {200: json_content("What became of each, in order.", "Outcomes")},
                json_content(
                    "Applied in order; one that cannot be does not disturb the others.",
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
                "Show a queue",
                {200: json_content("The backlog, and the jobs.", "Queue")},
                parameters=(
                    Parameter("state", "Only those that wait, or are leased.", {"enum": list(jobs.STATES)}),
                    Parameter("item", "Only those of the scene or tile of this id.", NUMBER),
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
                "Take jobs",
                {200: json_content("Up to `max` jobs, the oldest first.", "LeasedJobs", {"jobs": [_LEASED]})},
                json_content("How many, for how long, and who.", "LeaseRequest", _ASKED),
                errors=(400, 404),
                description="Report the result before the lease runs out, or renew it; otherwise others get the job. "
                "With `aoi`, a name or a pattern, only jobs of these AOIs are taken.",
            ),
            "put": Operation(
                "Renew many leases",
                {200: json_content("How many were renewed, and those that are not in force.", "RenewedMany")},
                json_content("Which, and for how long from now.", "RenewManyRequest", _RENEWED),
                errors=(400, 404),
                description="Stop the work on the jobs whose leases are not in force.",
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
                {200: json_content("When it runs out now.", "Renewed")},
                json_content("For how long, from now.", "RenewRequest", {"seconds": 300}),
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
            "get": Operation("List the backups", {200: json_content("The last first.", "Backups", [_BACKUP])}),
            "post": Operation(
                "Make a backup",
                {201: json_content("It was made, and read again.", "Backup", _BACKUP)},
                errors=(409,),
                description="Of one moment, while everything goes on. The oldest are forgotten, beyond `keep_backups`.",
            ),
        },
    ),
]

_RESUME = (
    Parameter("Last-Event-ID", "Go on after this event; browsers send it by themselves.", NUMBER, "header"),
    Parameter("after", "The same, for those who cannot send headers.", NUMBER),
)
_STREAM = {
    200: Content("Events `transition` with the sequence number as their id.", {media_types.EVENTS: "EventStream"})
}

_EVENTS = [
    Route(
        "events",
        "/events",
        events.Events,
        {"get": Operation("Follow what happens", _STREAM, parameters=_RESUME, errors=(400, 429))},
    ),
    Route(
        "events",
        "/aoi/{aoi}/events",
        events.Events,
        {"get": Operation("Follow what happens in an AOI", _STREAM, parameters=_RESUME, errors=(400, 404, 429))},
    ),
    Route(
        "events",
        "/aoi/{aoi}/history",
        events.History,
        {
            "get": Operation(
                "List what happened in an AOI",
                {200: Content("Events in order.", {media_types.JSON: "Events", media_types.NDJSON: "Lines"})},
                parameters=(
                    Parameter("since", "From this time on.", TIME),
                    Parameter("until", "Before this time.", TIME),
                    Parameter("type", "Only of these items.", {"enum": ["aoi", *ItemKind]}),
                    Parameter("id", "Only of this scene or tile; with `type`.", NUMBER),
                    Parameter("status", "Only those that led to this status.", STATUS),
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
