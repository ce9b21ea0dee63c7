"""JSON schemas of what goes over the wire, by name, for the OpenAPI document."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import msgspec

from workflow_monitor.documents.validation import NewSceneFields, SceneFields, TileFields
from workflow_monitor.domain.status import Cause, ItemKind, Status
from workflow_monitor.server.columnar import COLUMNS
from workflow_monitor.server.handlers.jobs import LeaseFields, RenewFields, RenewManyFields

Schema = dict[str, Any]

INTEGER: Schema = {"type": "integer"}
TEXT: Schema = {"type": "string"}
TIME: Schema = {"type": "string", "format": "date-time"}
DAY: Schema = {"type": ["string", "null"], "format": "date"}


def _ref(name: str) -> Schema:
    return {"$ref": f"#/components/schemas/{name}"}


def _object(**properties: Schema) -> Schema:
    return {"type": "object", "properties": properties, "required": list(properties)}


def _partly(optional: Mapping[str, Schema], **required: Schema) -> Schema:
    return {"type": "object", "properties": {**required, **optional}, "required": list(required)}


def _list(name: str) -> Schema:
    return {"type": "array", "items": _ref(name)}


def _or_null(schema: Schema) -> Schema:
    return {"anyOf": [schema, {"type": "null"}]}


STATUS = _ref("Status")
MAYBE_TIME: Schema = {"type": ["string", "null"], "format": "date-time"}
LINK: Schema = {"type": ["integer", "null"]}

_COUNTS = _object(**dict.fromkeys(("new", "pending", "done", "retry", "failed", "total"), INTEGER))

_NUMBERS: Schema = {"type": "array", "items": INTEGER}
_SERIES = _object(**dict.fromkeys(("new", "pending", "done", "retry", "failed"), _NUMBERS))
_SHORT_SCENE = _object(id=INTEGER, source_id=TEXT, aoi=TEXT, data=_ref("SceneData"))

_OUTCOME = _object(
    type={"type": ["string", "null"]},
    id={"type": ["integer", "null"]},
    outcome={"enum": ["applied", "unchanged", "refused", "stale", "unknown"]},
    status=_or_null(STATUS),
    reason=TEXT,
)

_JOB = _partly(
    {"lease": TEXT, "expires": TIME},
    id=INTEGER,
    attempt=INTEGER,
    state={"enum": ["queued", "leased", "withdrawn"]},
    published=TIME,
    worker={"type": ["string", "null"]},
    payload=_ref("Object"),
)

_EVENT = _object(
    seq=INTEGER,
    time=TIME,
    aoi=TEXT,
    type={"enum": ["aoi", *ItemKind]},
    id=INTEGER,
    **{"from": _or_null(STATUS), "to": _or_null(STATUS)},
    cause={"enum": list(Cause)},
    who=TEXT,
    message=TEXT,
    attempt=INTEGER,
    RetryCountDown=INTEGER,
    PreviousID=LINK,
    ReferenceID=LINK,
)

_RESULT = _partly(
    {"message": {"type": ["string", "null"]}, "attempt": {"type": ["integer", "null"]}},
    type={"enum": list(ItemKind)},
    id=INTEGER,
    status={"enum": [Status.DONE, Status.RETRY, Status.FAILED]},
)

_FEATURE = _object(
    type={"const": "Feature"},
    geometry={"type": ["object", "null"]},
    properties={"type": ["object", "null"]},
)

_PROBLEM = _partly(
    {"errors": {"type": "array", "items": _object(field=TEXT, message=TEXT)}},
    type={"type": "string", "format": "uri-reference"},
    title=TEXT,
    status=INTEGER,
    detail=TEXT,
    code=TEXT,
)

_OWN: dict[str, Schema] = {
    "Text": TEXT,
    "Lines": {"type": "string", "description": "One JSON document to a line."},
    "EventStream": {"type": "string", "description": "Server-sent events; `data` is an Event."},
    "Bytes": {"type": "string", "contentMediaType": "application/vnd.apache.arrow.stream"},
    "Columns": {"type": "string", "contentMediaType": COLUMNS},
    "Object": {"type": "object"},
    "Status": {"type": "string", "enum": list(Status)},
    "Problem": _PROBLEM,
    "Backup": _object(file=TEXT, made=TIME, bytes=INTEGER),
    "Backups": _list("Backup"),
    "Id": _object(id=INTEGER),
    "Ingested": _object(scenes=INTEGER, tiles=INTEGER, ids={"type": "object", "additionalProperties": INTEGER}),
    "ScenesToIngest": _list("SceneToIngest"),
    "AOIs": {"type": "array", "items": _partly({"scenes": _COUNTS, "tiles": _COUNTS}, ID=TEXT, status=STATUS)},
    "Overview": _object(
        aoi=TEXT, status=STATUS, scenes=_COUNTS, tiles=_COUNTS, root_tiles=INTEGER, **{"from": DAY, "to": DAY}
    ),
    "Root": _object(state=TEXT, instance=TEXT),
    "OverviewOrAOIs": {"oneOf": [_ref("Overview"), _ref("AOIs")]},
    "Retried": _object(Scenes=INTEGER, Tiles=INTEGER),
    "Scene": _object(
        id=INTEGER,
        source_id=TEXT,
        aoi=TEXT,
        data=_ref("SceneData"),
        status=STATUS,
        message=TEXT,
        RetryCountDown=INTEGER,
    ),
    "Scenes": _list("Scene"),
    "Tile": _object(
        id=INTEGER,
        source_id=TEXT,
        scene=_SHORT_SCENE,
        data=_ref("TileData"),
        status=STATUS,
        message=TEXT,
        PreviousID=LINK,
        ReferenceID=LINK,
        RetryCountDown=INTEGER,
    ),
    "Tiles": _list("Tile"),
    "ShortTile": _object(id=INTEGER, source_id=TEXT, scene=_SHORT_SCENE, data=_ref("TileData")),
    "ShortTiles": _list("ShortTile"),
    "Feature": _FEATURE,
    "FeatureCollection": _object(type={"const": "FeatureCollection"}, features=_list("Feature")),
    "Result": _RESULT,
    "Results": _list("Result"),
    "Outcomes": _object(applied=INTEGER, results={"type": "array", "items": _OUTCOME}),
    "Queue": _object(queued=INTEGER, leased=INTEGER, jobs={"type": "array", "items": _JOB}),
    "LeasedJobs": _object(
        jobs={
            "type": "array",
            "items": _object(id=INTEGER, payload=_ref("Object"), attempt=INTEGER, lease=TEXT, expires=TIME),
        }
    ),
    "Renewed": _object(lease=TEXT, expires=TIME),
    "RenewedMany": _object(renewed=INTEGER, lost={"type": "array", "items": TEXT}),
    "Failures": {
        "type": "array",
        "items": _object(
            message_template=TEXT,
            kind={"enum": [*ItemKind]},
            count=INTEGER,
            retry=INTEGER,
            failed=INTEGER,
            since=MAYBE_TIME,
            last=MAYBE_TIME,
            example=TEXT,
            ids={"type": "array", "items": INTEGER},
            first_acquired=DAY,
            last_acquired=DAY,
            orbits={"type": "object", "additionalProperties": INTEGER},
        ),
    },
    "Timeline": _object(
        since=TIME,
        until=TIME,
        seconds={"type": "number"},
        scenes=_SERIES,
        tiles=_SERIES,
        finished=_object(scenes=_NUMBERS, tiles=_NUMBERS),
        running=_object(
            total=INTEGER,
            jobs={
                "type": "array",
                "items": _object(
                    type={"enum": [*ItemKind]},
                    id=INTEGER,
                    source_id=TEXT,
                    attempt=INTEGER,
                    since=TIME,
                    leased={"type": "boolean"},
                    worker={"type": ["string", "null"]},
                ),
            },
        ),
    ),
    "Found": _object(
        total=INTEGER,
        items={
            "type": "array",
            "items": _object(
                type={"enum": [*ItemKind]},
                id=INTEGER,
                source_id=TEXT,
                scene_source_id={"type": ["string", "null"]},
                date=MAYBE_TIME,
                status=STATUS,
            ),
        },
    ),
    "Consequences": _object(
        total=INTEGER,
        counts=_object(failed=INTEGER, pending=INTEGER, relinked=INTEGER),
        changes={
            "type": "array",
            "items": _object(
                type={"enum": [*ItemKind]},
                id=INTEGER,
                source_id=TEXT,
                to=STATUS,
                cause={"enum": [*Cause]},
                PreviousID=LINK,
                ReferenceID=LINK,
                **{"from": STATUS},
            ),
        },
    ),
    "Event": _EVENT,
    "Events": _list("Event"),
}

#: What comes in is described by what reads it.
_READ = {
    "SceneData": SceneFields,
    "TileData": TileFields,
    "SceneToIngest": NewSceneFields,
    "LeaseRequest": LeaseFields,
    "RenewRequest": RenewFields,
    "RenewManyRequest": RenewManyFields,
}


def schemas() -> dict[str, Schema]:
    """All the schemas."""
    _, components = msgspec.json.schema_components(
        _READ.values(), schema_hook=_any_json, ref_template="#/components/schemas/{name}"
    )
    renamed = {fields.__name__: name for name, fields in _READ.items()}
    found = {renamed.get(name, name): _with_names(schema, renamed) for name, schema in components.items()}
    return found | _OWN


def _any_json(_: type) -> Schema:
    return {"description": "Any JSON value."}


def _with_names(schema: Any, renamed: Mapping[str, str]) -> Any:  # noqa: ANN401 - a schema is JSON
    """A schema with the names of this interface for those of the classes that read it."""
    if isinstance(schema, list):
        return [_with_names(part, renamed) for part in schema]
    if not isinstance(schema, dict):
        return schema
    changed = {key: _with_names(part, renamed) for key, part in schema.items()}
    for key in ("$ref", "title"):
        if isinstance(text := changed.get(key), str):
            lead, slash, name = text.rpartition("/")
            changed[key] = f"{lead}{slash}{renamed.get(name, name)}"
    return changed
