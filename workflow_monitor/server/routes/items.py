"""Endpoints of scenes and tiles: ingestion, lists, details, repairs."""

from __future__ import annotations

from workflow_monitor.documents import media_types
from workflow_monitor.documents.stac import TILINGS
from workflow_monitor.domain.status import ItemKind
from workflow_monitor.server.handlers import actions, scenes, tiles, waiting
from workflow_monitor.server.operations import Content, Operation, Parameter, Route, json_content
from workflow_monitor.server.routes.parameters import (
    AOI_PATTERN,
    EXISTING,
    LISTED,
    LISTED_OR_ARROW,
    NO_AOI_YET,
    NO_BODY,
    PAGE,
    STATUS,
    WITH_TILES,
    format_parameter,
    list_of,
)

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
    tiles = (WITH_TILES,) if kind is ItemKind.SCENE else ()
    parameters = *tiles, *PAGE, LISTED_OR_ARROW
    operation = Operation(
        f"List the {kind}s",
        list_of(f"{kind}s", item, f"{kind.capitalize()}Features", arrow=True),
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
        f"Return a {kind}", {200: content}, parameters=(format_parameter("json", "geojson"),), errors=(400, 404)
    )
    return Route(f"{kind}s", f"/{kind}/{{id}}", scenes.ItemDetail, {"get": operation}, {"kind": kind})


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


def _end_tiles(end: str) -> Route:
    operation = Operation(
        f"List the {end} tiles",
        list_of("tiles", "ShortTiles", "TileFeatures"),
        parameters=(LISTED,),
        errors=(404,),
        description=NO_AOI_YET,
    )
    return Route("tiles", f"/aoi/{{aoi}}/{end}tiles", tiles.EndTiles, {"get": operation}, {"ends": f"{end}_tiles"})


_TILES = [
    Route(
        "tiles",
        "/scene/{id}/tiles",
        tiles.TilesOfScene,
        {
            "get": Operation(
                "List the tiles of a scene",
                list_of("tiles", "Tiles", "TileFeatures"),
                parameters=(LISTED,),
                errors=(400, 404),
            )
        },
    ),
    _end_tiles("root"),
    _end_tiles("leaf"),
]

ITEMS = [
    *_INGESTION,
    *_listings(ItemKind.SCENE, "Scenes"),
    *_listings(ItemKind.TILE, "Tiles"),
    *_TILES,
    _item(ItemKind.SCENE),
    _item(ItemKind.TILE),
    *_repairs(ItemKind.SCENE),
    *_repairs(ItemKind.TILE),
]
