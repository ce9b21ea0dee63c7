"""Scenes and tiles to ingest, and the data that they carry."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator, Mapping
from datetime import datetime
from itertools import islice

import msgspec
from msgspec import UNSET

from workflow_monitor.documents.footprints import FootprintParser, footprint
from workflow_monitor.documents.rfc3339 import ZERO, parse_time
from workflow_monitor.documents.validation import (
    MAX_ERRORS,
    NewSceneFields,
    NewTileFields,
    SceneFields,
    SwathFields,
    TileFields,
    join_path,
    raise_invalid,
    validate,
)
from workflow_monitor.domain.errors import DocumentTooLarge, FieldError, InvalidInput, shorten_for_message
from workflow_monitor.domain.limits import DEFAULTS, Limits
from workflow_monitor.domain.models import Geometry, Link, NewScene, NewTile, SceneData, TileData
from workflow_monitor.domain.toposort import CycleError, topological_sort

_LINK_FIELDS = ("previous_tile_id", "previous_scene_id", "reference_tile_id", "reference_scene_id")
_TILE_FORM = f"for each tile an object of {', '.join(_LINK_FIELDS)} and data"

# 64-bit floats distinguish integers below this
_EXACT = 2**53

_UUID = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}", re.ASCII | re.IGNORECASE)

_text_of = msgspec.json.Encoder().encode


def parse_scene(
    value: object, aoi: str, place: str = "", limits: Limits = DEFAULTS, parser: FootprintParser | None = None
) -> NewScene:
    """The scene of a document as `POST /aoi/{aoi}/scene` takes it.

    `parser` has prepared footprints. Raises InvalidInput, which names the fields that are wrong, below `place`.
    """
    try:
        fields = validate({} if value is None else value, NewSceneFields, place)
    except InvalidInput as error:
        # Scenes as the server lists them have no tiles: that explains more than their other fields do.
        without_tiles = isinstance(value, dict) and value.get("tiles") is None
        raise_invalid([*([_missing_tiles_error(place)] if without_tiles else []), *error.errors])
    return new_scene(fields, aoi, place, limits=limits, parser=parser)


def parse_scene_data(fields: object, place: str = "", limits: Limits = DEFAULTS) -> SceneData:
    """The data of a scene from its decoded fields; null is an empty object. Raises InvalidInput, DocumentTooLarge."""
    return _scene_data(validate({} if fields is None else _as_fields(fields), SceneFields, place), place, limits)


def parse_tile_data(fields: object, place: str = "", limits: Limits = DEFAULTS) -> TileData:
    """The data of a tile from its decoded fields; null is an empty object. Raises InvalidInput, DocumentTooLarge."""
    return TileData(
        _tile_text(validate({} if fields is None else _as_fields(fields), TileFields, place), place, limits)
    )


def new_scene(
    fields: NewSceneFields,
    aoi: str,
    place: str = "",
    catalogue: Geometry | None = None,
    footprints: Mapping[str, Geometry] | None = None,
    limits: Limits = DEFAULTS,
    parser: FootprintParser | None = None,
) -> NewScene:
    """The scene that these fields describe; the footprints of a catalogue are for scenes and tiles without their own."""
    errors = list(islice(_scene_errors(fields, aoi, place, limits), MAX_ERRORS))
    if errors:
        raise_invalid(errors)
    source_id = fields.source_id or ""
    data = _scene_data(fields.data or SceneFields(), join_path(place, "data"), limits, parser)
    return NewScene(
        source_id=source_id,
        aoi=aoi,
        data=data.text,
        date=data.date,
        retry_count=fields.retry_count or 0,
        geometry=footprint(source_id, data.geometry, catalogue),
        tiles=_tiles(source_id, fields.tiles or {}, footprints or {}, join_path(place, "tiles"), limits),
    )


def too_long(name: str, limits: Limits) -> str:
    """Return the error text for a name beyond the limit."""
    return f"has {len(name)} characters; expected at most {limits.max_name_length} (max_name_length)"


def _as_fields(fields: object) -> object:
    return dict(fields) if isinstance(fields, Mapping) else fields


def _missing_tiles_error(place: str) -> FieldError:
    return FieldError(join_path(place, "tiles"), f"is missing; expected {_TILE_FORM}")


def _scene_errors(fields: NewSceneFields, aoi: str, place: str, limits: Limits) -> Iterator[FieldError]:
    if not fields.tiles:
        yield _missing_tiles_error(place)
    if fields.id:
        yield FieldError(join_path(place, "id"), f"expected none or 0, found {fields.id}; the server chooses the id")
    if not fields.source_id:
        yield FieldError(join_path(place, "source_id"), "is missing; expected the name of the product")
    elif len(fields.source_id) > limits.max_name_length:
        yield FieldError(join_path(place, "source_id"), too_long(fields.source_id, limits))
    # A blank at an end is an error here, as on the Geocube's server: this name only confirms that of the path.
    if unicodedata.normalize("NFC", fields.aoi or "") != aoi:
        found = shorten_for_message(fields.aoi) if fields.aoi else "none"
        yield FieldError(join_path(place, "aoi"), f"expected {shorten_for_message(aoi)} as in the path, found {found}")
    if fields.tiles:
        yield from _name_errors(fields.tiles, (fields.data.tiles if fields.data else None) or {}, place)


def _name_errors(tiles: Mapping[str, object], listed: Mapping[str, object], place: str) -> Iterator[FieldError]:
    if "" in tiles:
        yield FieldError(join_path(place, "tiles"), "has a tile without a name")
    for name in tiles:
        if name not in listed:
            path = join_path(join_path(join_path(place, "data"), "tiles"), name)
            yield FieldError(path, "is missing; expected in data.tiles each tile that is in tiles")
    for name in listed:
        if name not in tiles:
            path = join_path(join_path(place, "tiles"), name)
            yield FieldError(path, f"is missing, though data.tiles has it; expected {_TILE_FORM}")


def _scene_data(fields: SceneFields, place: str, limits: Limits, parser: FootprintParser | None = None) -> SceneData:
    """The data, from fields that are brought into the form in which they are written."""
    long = [name for name in fields.tiles or () if len(name) > limits.max_name_length]
    if long:
        raise_invalid(
            [
                FieldError(join_path(join_path(place, "tiles"), name), too_long(name, limits))
                for name in long[:MAX_ERRORS]
            ]
        )
    text, date = _date(fields.date, join_path(place, "date"))
    fields.date = text
    fields.tiles = {name: _swath(swath) for name, swath in fields.tiles.items()} if fields.tiles else UNSET
    fields.graph_name = fields.graph_name or ""
    fields.graph_config = _checked_tags(fields.graph_config)
    fields.record_id = fields.record_id or ""
    fields.instances_id = (_checked_tags(fields.instances_id) if fields.instances_id else None) or UNSET
    if fields.metadata:
        fields.metadata = {key: _as_float(value) for key, value in fields.metadata.items()}
    fields.is_retriable = fields.is_retriable or False
    fields.storage_uri = fields.storage_uri or ""
    fields.uuid = _uuid(fields.uuid, join_path(place, "uuid")) if fields.uuid else UNSET
    fields.tags = UNSET if fields.tags is None else fields.tags
    fields.geometry = UNSET if fields.geometry is None else fields.geometry
    fields.wkt = UNSET if fields.wkt is None else fields.wkt
    geometry = _geometry(fields, place, parser or FootprintParser(limits))
    return SceneData(_stored_text(fields, place, limits), date, geometry)


def _stored_text(fields: SceneFields | TileFields, place: str, limits: Limits) -> str:
    """Return fields as they are stored. Raises DocumentTooLarge."""
    text = _text_of(fields)
    if len(text) > limits.max_data_length:
        raise DocumentTooLarge(place, len(text), limits.max_data_length)
    return text.decode()


def _date(text: str | None, place: str) -> tuple[str, datetime | None]:
    if text is None:
        return ZERO, None
    try:
        return parse_time(text)
    except ValueError as error:
        raise_invalid([FieldError(place, f"found {shorten_for_message(text)}: {error}")])


def _uuid(text: str, place: str) -> str:
    if not _UUID.fullmatch(text):
        raise_invalid(
            [
                FieldError(
                    place,
                    f"expected a UUID such as 4c0e52b5-c96d-5bfc-b0f0-c78ed9c50d48, found {shorten_for_message(text)}",
                )
            ]
        )
    return text


def _swath(swath: SwathFields | None) -> SwathFields:
    return SwathFields(swath.swath_id or "", swath.tile_nr or 0) if swath else SwathFields()


def _checked_tags(values: dict[str, str | None] | None) -> dict[str, str | None] | None:
    return {key: value or "" for key, value in values.items()} if values else values


def _as_float(value: object) -> object:
    """A value of the metadata, with numbers as 64-bit floats hold them, whole ones without a fraction."""
    if isinstance(value, dict):
        return {key: _as_float(member) for key, member in value.items()}
    if isinstance(value, list):
        return [_as_float(member) for member in value]
    if isinstance(value, bool) or not isinstance(value, int | float):
        return value
    number = float(value)
    return int(number) if number.is_integer() and abs(number) < _EXACT else number


def _geometry(fields: SceneFields, place: str, parser: FootprintParser) -> Geometry | None:
    wkt = geometry = None
    if isinstance(fields.wkt, str):
        wkt = parser.wkt(fields.wkt, join_path(place, "wkt"))
    if isinstance(fields.geometry, dict):
        geometry = parser.geojson(fields.geometry, join_path(place, "geometry"))
    return geometry or wkt


def _tile_text(fields: TileFields, place: str, limits: Limits) -> str:
    data = TileFields(fields.swath_id or "", fields.tile_nr or 0, fields.graph_name or "", fields.is_retriable or False)
    return _stored_text(data, place, limits)


def _tiles(
    scene: str,
    tiles: Mapping[str, NewTileFields | None],
    footprints: Mapping[str, Geometry],
    place: str,
    limits: Limits,
) -> tuple[NewTile, ...]:
    read = []
    for name, given in tiles.items():
        fields = given or NewTileFields()
        previous, reference = _links(fields, join_path(place, name))
        data = _tile_text(fields.data or TileFields(), join_path(join_path(place, name), "data"), limits)
        read.append(NewTile(name, data, previous, reference, footprints.get(name)))
    if any(link.scene == scene for tile in read for link in (tile.previous, tile.reference) if link):
        return _in_order(scene, read, place)
    return tuple(read)


def _links(fields: NewTileFields, place: str) -> tuple[Link | None, Link | None]:
    previous_tile, previous_scene = fields.previous_tile_id, fields.previous_scene_id
    reference_tile, reference_scene = fields.reference_tile_id, fields.reference_scene_id
    if not (previous_tile or previous_scene or reference_tile or reference_scene):
        return None, None
    if not (previous_tile and previous_scene and reference_tile and reference_scene):
        named = (previous_tile, previous_scene, reference_tile, reference_scene)
        absent = ", ".join(name for name, value in zip(_LINK_FIELDS, named, strict=True) if not value)
        raise_invalid(
            [FieldError(place, f"half a link: without {absent}; expected all of {', '.join(_LINK_FIELDS)}, or none")]
        )
    return Link(previous_scene, previous_tile), Link(reference_scene, reference_tile)


def _in_order(scene: str, tiles: list[NewTile], place: str) -> tuple[NewTile, ...]:
    """Order tiles of a scene so that a tile comes after the tiles that it links to."""
    numbers = {tile.source_id: number for number, tile in enumerate(tiles)}
    needs: dict[int, set[int]] = {}
    for number, tile in enumerate(tiles):
        for link in (tile.previous, tile.reference):
            if link is None or link.scene != scene:
                continue
            if link.tile not in numbers:
                message = f"leads to the tile {shorten_for_message(link.tile)} of its own scene, which is not there"
                raise_invalid([FieldError(join_path(place, tile.source_id), message)])
            needs.setdefault(number, set()).add(numbers[link.tile])
    try:
        return tuple(tiles[number] for number in topological_sort(len(tiles), needs))
    except CycleError as cycle:
        names = ", ".join(shorten_for_message(tiles[number].source_id) for number in cycle.members)
        raise_invalid([FieldError(place, f"tiles that follow each other in a circle: {names}")])
