"""JSON schemas of the documents by name, generated from the structs."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import msgspec

from workflow_monitor.documents import aois, events, items, jobs, media_types, problem, server, waiting
from workflow_monitor.documents.document import SCHEMA_REF, Document
from workflow_monitor.documents.validation import NewSceneFields, SceneFields, TileFields

Schema = dict[str, Any]

_SUFFIX = "Document"
#: schema names of structs that are not called by them
_NAMES: Mapping[str, str] = {
    SceneFields.__name__: "SceneData",
    TileFields.__name__: "TileData",
    NewSceneFields.__name__: "SceneToIngest",
    jobs.ResultRequest.__name__: "Result",
}
_STRUCTS: tuple[type[msgspec.Struct], ...] = (
    *(SceneFields, TileFields, NewSceneFields),
    *(items.SceneWithTiles, items.SceneWithTilesFeature, items.TileOfScene),
    *(items.SceneDocument, items.SceneFeatures, items.TileDocument, items.TileFeatures, items.TileMessage),
    *(aois.AOIDocument, aois.OverviewDocument, aois.RetriedDocument, aois.FailureGroupDocument),
    *(aois.TimelineDocument, aois.SearchDocument, aois.ConsequencesDocument),
    *(jobs.LeaseRequest, jobs.RenewRequest, jobs.RenewManyRequest, jobs.ResultRequest),
    *(jobs.LeasedJobsDocument, jobs.RenewedDocument, jobs.RenewedManyDocument, jobs.QueueDocument),
    *(jobs.OutcomesDocument, events.EventDocument, problem.ProblemDocument),
    *(waiting.WhyDocument, waiting.BlockerDocument),
    *(server.RootDocument, server.BackupDocument, server.IdDocument, server.IngestedDocument),
)


def _ref(name: str) -> Schema:
    return {"$ref": SCHEMA_REF.format(name=name)}


def _list_of(name: str) -> Schema:
    return {"type": "array", "items": _ref(name)}


#: schemas of bodies that are not one struct: lists, texts, binary streams
_BODIES: Mapping[str, Schema] = {
    "Text": {"type": "string"},
    "Lines": {"type": "string", "description": "One JSON document per line."},
    "EventStream": {"type": "string", "description": "Server-sent events; `data` is an Event."},
    "Bytes": {"type": "string", "contentMediaType": media_types.ARROW},
    "Columns": {"type": "string", "contentMediaType": media_types.COLUMNS},
    "Object": {"type": "object"},
    "FeatureCollection": {
        "type": "object",
        "description": "A GeoJSON catalogue of scenes.",
        "properties": {
            "type": {"const": "FeatureCollection"},
            "features": {"type": "array", "items": {"type": "object"}},
        },
        "required": ["type", "features"],
    },
    "AOIs": _list_of("AOI"),
    "OverviewOrAOIs": {"oneOf": [_ref("Overview"), _ref("AOIs")]},
    "Scenes": _list_of("Scene"),
    "ScenesToIngest": _list_of("SceneToIngest"),
    "Tiles": _list_of("Tile"),
    "ShortTiles": _list_of("ShortTile"),
    "Failures": _list_of("FailureGroup"),
    "Blockers": _list_of("Blocker"),
    "Events": _list_of("Event"),
    "Results": _list_of("Result"),
    "Backups": _list_of("Backup"),
}


def document_schemas() -> dict[str, Schema]:
    """Return the JSON schema of each request and response body, by name."""
    _, components = msgspec.json.schema_components(_STRUCTS, schema_hook=_any_json, ref_template=SCHEMA_REF)
    required = {struct.__name__: _required(struct) for struct in _subclasses(Document)}
    for name, schema in components.items():
        if name in required:
            schema["required"] = required[name]
            for field in schema["properties"].values():
                field.pop("default", None)
    return {_schema_name(name): _renamed(schema) for name, schema in components.items()} | dict(_BODIES)


def _subclasses(struct: type[msgspec.Struct]) -> list[type[msgspec.Struct]]:
    direct = struct.__subclasses__()
    return [*direct, *(further for subclass in direct for further in _subclasses(subclass))]


def _required(struct: type[msgspec.Struct]) -> list[str]:
    """The fields that the server always sends."""
    fields = msgspec.structs.fields(struct)
    return [field.encode_name for field in fields if field.default is not msgspec.UNSET]


def _any_json(_: type) -> Schema:
    return {"description": "Any JSON value."}


def _schema_name(name: str) -> str:
    return _NAMES.get(name) or name.removesuffix(_SUFFIX)


def _renamed(schema: Any) -> Any:  # noqa: ANN401 - a schema is JSON
    """A schema that refers to structs by their schema names."""
    if isinstance(schema, list):
        return [_renamed(part) for part in schema]
    if not isinstance(schema, dict):
        return schema
    renamed = {key: _renamed(part) for key, part in schema.items()}
    for key in ("$ref", "title"):
        if isinstance(text := renamed.get(key), str):
            lead, slash, name = text.rpartition("/")
            renamed[key] = f"{lead}{slash}{_schema_name(name)}"
    return renamed
