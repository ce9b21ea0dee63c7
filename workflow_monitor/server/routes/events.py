"""Endpoints of events: streams and the history."""

from __future__ import annotations

from workflow_monitor.documents import media_types
from workflow_monitor.domain.status import ItemKind
from workflow_monitor.server.handlers import events
from workflow_monitor.server.operations import Content, Operation, Parameter, Route
from workflow_monitor.server.routes.parameters import NON_NEGATIVE, PAGE, STATUS, TIME, format_parameter

_RESUME = (
    Parameter(
        "Last-Event-ID", "Resume after this event; browsers set the header on reconnection.", NON_NEGATIVE, "header"
    ),
    Parameter("after", "As `Last-Event-ID`, for clients that cannot set headers.", NON_NEGATIVE),
)
_STREAM = {
    200: Content("Events of type `transition`, with the sequence number as id.", {media_types.EVENTS: "EventStream"})
}

EVENTS = [
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
                    format_parameter("json", "ndjson"),
                ),
                errors=(400, 404),
            )
        },
    ),
]
