"""Structs of incoming documents, and the validation that names every invalid field.

Absent and null both mean the zero value of nearly every field.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from itertools import islice
from typing import Annotated, Never, TypeVar

import msgspec
from msgspec import UNSET, Meta, UnsetType, inspect

from workflow_monitor.domain.errors import QUOTED_LENGTH, FieldError, InvalidInput, shorten_for_message

#: maximum errors in a response
MAX_ERRORS = 20

Int32 = Annotated[int, Meta(ge=-(2**31), le=2**31 - 1)]
Int64 = Annotated[int, Meta(ge=-(2**63), le=2**63 - 1)]
Tag = str | int | float | bool | None


Fields = TypeVar("Fields", bound=msgspec.Struct)


def thread_safe_struct(fields: type[Fields]) -> type[Fields]:
    """Let msgspec inspect a struct at import: msgspec crashes if several threads inspect a struct first."""
    msgspec.json.Decoder(fields)
    return fields


class SwathFields(msgspec.Struct, forbid_unknown_fields=True):
    """An entry of the `tiles` of a scene's data."""

    swath_id: str | None = ""
    tile_nr: Int64 | None = 0


@thread_safe_struct
class SceneFields(msgspec.Struct, forbid_unknown_fields=True):
    """The data of a scene, in the order in which they are written."""

    uuid: str | UnsetType | None = UNSET
    date: str | None = None
    tiles: dict[str, SwathFields | None] | UnsetType | None = UNSET
    graph_name: str | None = ""
    graph_config: dict[str, str | None] | None = None
    record_id: str | None = ""
    instances_id: dict[str, str | None] | UnsetType | None = UNSET
    metadata: dict[str, object] | None = None
    is_retriable: bool | None = False
    storage_uri: str | None = ""
    tags: dict[str, Tag] | UnsetType | None = UNSET
    geometry: dict[str, object] | UnsetType | None = UNSET
    wkt: str | UnsetType | None = UNSET


@thread_safe_struct
class TileFields(msgspec.Struct, forbid_unknown_fields=True):
    """The data of a tile, in the order in which they are written."""

    swath_id: str | None = ""
    tile_nr: Int64 | None = 0
    graph_name: str | None = ""
    is_retriable: bool | None = False


class NewTileFields(msgspec.Struct, forbid_unknown_fields=True):
    """A tile of a scene to ingest; the links are source ids."""

    previous_tile_id: str | None = ""
    previous_scene_id: str | None = ""
    reference_tile_id: str | None = ""
    reference_scene_id: str | None = ""
    data: TileFields | None = None


@thread_safe_struct
class NewSceneFields(msgspec.Struct, forbid_unknown_fields=True):
    """A scene to ingest."""

    id: Int64 | None = 0
    source_id: str | None = ""
    aoi: str | None = ""
    data: SceneFields | None = None
    tiles: dict[str, NewTileFields | None] | None = None
    retry_count: Int32 | None = 0


class CatalogueLink(msgspec.Struct):
    """Link of a tile in a catalogue."""

    SceneID: str | None = ""
    SourceID: str | None = ""


class CatalogueTile(msgspec.Struct):
    """Tile of a catalogue, in the names of both generations; further fields are ignored."""

    SourceID: str | None = ""
    data: TileFields | None = None
    previous: CatalogueLink | None = None
    reference: CatalogueLink | None = None
    wkt: str | None = None
    Data: TileFields | None = None
    Previous: CatalogueLink | None = None
    Reference: CatalogueLink | None = None
    GeometryWKT: str | None = None


class CatalogueScene(msgspec.Struct):
    """Properties of a feature of a catalogue, in the names of both generations; further fields are ignored."""

    source_id: str | None = ""
    aoi: str | None = ""
    data: SceneFields | None = None
    tags: dict[str, Tag] | None = None
    tiles: list[CatalogueTile] | None = None
    wkt: str | None = None
    Tags: dict[str, Tag] | None = None
    Tiles: list[CatalogueTile] | None = None
    GeometryWKT: str | None = None
    Ingested: bool | None = False


@thread_safe_struct
class CatalogueFeature(msgspec.Struct):
    """A feature of a catalogue."""

    properties: CatalogueScene
    geometry: dict[str, object] | None = None


def validate(value: object, fields: type[Fields], place: str = "") -> Fields:
    """Convert a value to a struct. Raises InvalidInput with the invalid fields below `place`."""
    try:
        return msgspec.convert(value, fields, strict=True)
    except msgspec.ValidationError as error:
        errors = list(islice(_iter_errors(value, inspect.type_info(fields), place), MAX_ERRORS))
        raise_invalid(errors or [FieldError(place, str(error))])


def raise_invalid(errors: Iterable[FieldError]) -> Never:
    """Raise InvalidInput with all errors; its message has the first one and the count of the others."""
    listed = list(errors)
    first = listed[0]
    others = f" ({len(listed) - 1} more fields are listed in errors.)" if len(listed) > 1 else ""
    subject = f"{first.field}: " if first.field else ""
    raise InvalidInput(f"{subject}{first.message}.{others}", listed)


def join_path(place: str, key: str) -> str:
    """Return the path of a member of the value at `place`.

    >>> join_path("tiles", "A44_IW1_8951")
    'tiles.A44_IW1_8951'
    """
    short = key if len(key) <= QUOTED_LENGTH else key[: QUOTED_LENGTH - 1] + "…"
    return f"{place}.{short}" if place else short


def describe_value(value: object) -> str:
    """Return a value in the short form of error messages."""
    if isinstance(value, dict):
        return "an object"
    if isinstance(value, list):
        return f"a list of {len(value)}"
    return "null" if value is None else str(value).lower() if isinstance(value, bool) else shorten_for_message(value)


def _choices(expected: inspect.Type) -> tuple[inspect.Type, ...]:
    """Return the alternatives of a type, without their descriptions."""
    if isinstance(expected, inspect.Metadata):
        return _choices(expected.type)
    if isinstance(expected, inspect.UnionType):
        return tuple(choice for part in expected.types for choice in _choices(part))
    return (expected,)


def _iter_errors(value: object, expected: inspect.Type, place: str) -> Iterator[FieldError]:
    """Yield the errors of a value, field by field."""
    choices = _choices(expected)
    if _fits(value, choices):
        return
    inner = [
        choice for choice in choices if isinstance(choice, inspect.StructType | inspect.DictType | inspect.ListType)
    ]
    if inner and isinstance(value, dict) and isinstance(inner[0], inspect.StructType):
        yield from _iter_struct_errors(value, inner[0], place)
    elif inner and isinstance(value, dict) and isinstance(inner[0], inspect.DictType):
        for key, member in value.items():
            yield from _iter_errors(member, inner[0].value_type, join_path(place, key))
    elif inner and isinstance(value, list) and isinstance(inner[0], inspect.ListType):
        for index, member in enumerate(value):
            yield from _iter_errors(member, inner[0].item_type, f"{place}[{index}]")
    else:
        yield FieldError(place, f"expected {_described(choices)}, found {describe_value(value)}")


def _iter_struct_errors(value: dict[str, object], expected: inspect.StructType, place: str) -> Iterator[FieldError]:
    fields = {field.encode_name: field for field in expected.fields}
    for key, field in fields.items():
        if key in value:
            yield from _iter_errors(value[key], field.type, join_path(place, key))
        elif field.required:
            yield FieldError(join_path(place, key), f"is missing; expected {_described(_choices(field.type))}")
    if expected.forbid_unknown_fields:
        for key in value:
            if key not in fields:
                yield FieldError(join_path(place, key), f"is not a field here; expected only {', '.join(fields)}")


def _fits(value: object, choices: Iterable[inspect.Type]) -> bool:
    for choice in choices:
        match choice:
            case inspect.AnyType() | inspect.CustomType():  # msgspec inspects `object` as a custom type
                return True
            case inspect.NoneType() if value is None:
                return True
            case inspect.StrType() if isinstance(value, str):
                return True
            case inspect.BoolType() if isinstance(value, bool):
                return True
            case inspect.IntType() if type(value) is int and _is_within(choice, value):
                return True
            case inspect.FloatType() if type(value) in (int, float):
                return True
            case _:
                pass
    return False


def _is_within(choice: inspect.IntType, value: int) -> bool:
    return (choice.ge is None or choice.ge <= value) and (choice.le is None or value <= choice.le)


def _described(choices: Iterable[inspect.Type]) -> str:
    words = []
    for choice in choices:
        match choice:
            case inspect.StrType():
                words.append("a text")
            case inspect.BoolType():
                words.append("true or false")
            case inspect.IntType():
                bounded = choice.ge is not None and choice.le is not None
                words.append(f"an integer from {choice.ge} to {choice.le}" if bounded else "an integer")
            case inspect.FloatType():
                words.append("a number")
            case inspect.StructType() | inspect.DictType():
                words.append("an object")
            case inspect.ListType():
                words.append("a list")
            case _:
                pass
    return " or ".join(words)
