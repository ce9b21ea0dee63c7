"""Endpoints of AOIs: counts, drawings, failures, retries."""

from __future__ import annotations

from workflow_monitor.documents import media_types
from workflow_monitor.server.handlers import aois, visualization, waiting
from workflow_monitor.server.operations import Content, Operation, Parameter, Route, json_content
from workflow_monitor.server.routes.parameters import (
    AOI_PATTERN,
    AS_COLUMNS,
    COLUMNS_BODY,
    NO_BODY,
    NON_NEGATIVE,
    TEXT,
    TIME,
    format_parameter,
    limit_parameter,
)


def _retries(word: str, *, force: bool) -> Route:
    counts = json_content("Counts of retried scenes and tiles.", "Retried", {"Scenes": 1, "Tiles": 4})
    operation = Operation(
        f"Retry all scenes and tiles in {'RETRY or PENDING' if force else 'RETRY'}",
        {200: counts, 204: Content("No item to retry.")},
        errors=(404, 409),
        description=f"Retries all items or none. {AOI_PATTERN}",
    )
    return Route("repair", f"/aoi/{{aoi}}/retry{word}", aois.RetryAll, {"put": operation}, {"force": force})


AOIS = [
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
                parameters=(format_parameter("text", "json"),),
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
                    format_parameter("dot", "svg"),
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
                    limit_parameter("Maximum number of items in the response."),
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
                parameters=(limit_parameter("Maximum number of blockers."),),
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
                        f"Columns id, status, day, first_ring, first_position and positions. {COLUMNS_BODY}", AS_COLUMNS
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
                        f"scene_id, scene_status, scene_row. {COLUMNS_BODY}",
                        AS_COLUMNS,
                    )
                },
                errors=(404,),
            )
        },
    ),
    _retries("", force=False),
    _retries("/force", force=True),
]
