"""Parser of many scenes: a JSON list, JSON lines, or the features of a catalogue."""

from __future__ import annotations

from collections.abc import Iterator

from workflow_monitor.documents.footprints import parse_geojson, parse_wkt
from workflow_monitor.documents.scene_documents import new_scene, parse_scene
from workflow_monitor.documents.strict_json import check_token_count, gc_paused, read_json
from workflow_monitor.documents.validation import (
    MAX_ERRORS,
    CatalogueFeature,
    CatalogueLink,
    CatalogueScene,
    CatalogueTile,
    NewSceneFields,
    NewTileFields,
    SceneFields,
    SwathFields,
    TileFields,
    describe_value,
    join_path,
    raise_invalid,
    validate,
)
from workflow_monitor.domain.errors import FieldError, InvalidInput, shorten_for_message
from workflow_monitor.domain.limits import DEFAULTS, Limits
from workflow_monitor.domain.models import Geometry, NewScene
from workflow_monitor.domain.toposort import CycleError, topological_sort

#: media types of one JSON text a line
LINES = frozenset({"application/x-ndjson", "application/ndjson", "application/jsonlines", "application/jsonl"})

_EXPECTED = "a JSON list of scenes, one scene a line, or a GeoJSON FeatureCollection of a catalogue"


def parse_scenes(
    body: bytes, media_type: str, aoi: str, retry_count: int = 0, limits: Limits = DEFAULTS
) -> list[NewScene]:
    """Parse the scenes of a body; each comes after the scenes that its tiles link to, otherwise by date, then in input order.

    A catalogue has no retry count: its scenes get `retry_count`. Features marked as ingested are skipped. Raises
    InvalidInput with the fields of several scenes.
    """
    check_token_count(body, limits)
    with gc_paused(len(body)):
        return _ordered(_scenes(body, media_type, aoi, retry_count, limits))


def _scenes(body: bytes, media_type: str, aoi: str, retry_count: int, limits: Limits) -> list[NewScene]:
    if media_type.partition(";")[0].strip().lower() in LINES or _is_lines(body):
        return _read_all(_lines(body, limits), aoi, limits)
    value = read_json(body, limits)
    if isinstance(value, list):
        return _read_all(((scene, f"[{index}]") for index, scene in enumerate(value)), aoi, limits)
    if isinstance(value, dict) and value.get("type") == "FeatureCollection":
        return _read_features(value, aoi, retry_count, limits)
    if isinstance(value, dict) and "source_id" in value:
        return [parse_scene(value, aoi, limits=limits)]
    raise InvalidInput(f"Expected {_EXPECTED}, found {describe_value(value)}.")


def _is_lines(body: bytes) -> bool:
    """Return True if a body looks like JSON lines: an object on the first line, and the start of another after it."""
    first, newline, others = body.lstrip().partition(b"\n")
    return bool(newline) and first.startswith(b"{") and first.rstrip().endswith(b"}") and others.lstrip()[:1] == b"{"


def _lines(body: bytes, limits: Limits) -> Iterator[tuple[object, str]]:
    for number, line in enumerate(body.split(b"\n"), 1):
        if line.strip():
            try:
                yield read_json(line, limits), f"line {number}"
            except InvalidInput as error:
                raise_invalid([FieldError(f"line {number}", error.detail.rstrip("."))])


def _read_all(values: Iterator[tuple[object, str]], aoi: str, limits: Limits) -> list[NewScene]:
    scenes = []
    errors: list[FieldError] = []
    for value, place in values:
        try:
            scenes.append(parse_scene(value, aoi, place, limits))
        except InvalidInput as error:
            errors += error.errors
            if len(errors) >= MAX_ERRORS:
                break
    if errors:
        raise_invalid(errors)
    return scenes


def _read_features(collection: dict[str, object], aoi: str, retry_count: int, limits: Limits) -> list[NewScene]:
    features = collection.get("features")
    if not isinstance(features, list):
        raise_invalid([FieldError("features", f"expected a list of features, found {describe_value(features)}")])
    scenes = []
    errors: list[FieldError] = []
    for index, value in enumerate(features):
        place = f"features[{index}]"
        try:
            feature = validate(value, CatalogueFeature, place)
            if not feature.properties.Ingested:
                scenes.append(_scene_of_feature(feature, aoi, retry_count, place, limits))
        except InvalidInput as error:
            errors += error.errors
            if len(errors) >= MAX_ERRORS:
                break
    if errors:
        raise_invalid(errors)
    return scenes


def _scene_of_feature(feature: CatalogueFeature, aoi: str, retry_count: int, place: str, limits: Limits) -> NewScene:
    scene, inside = feature.properties, join_path(place, "properties")
    if not scene.Tiles:
        expected = "for each tile SourceID, Data, Previous and Reference, as a catalogue's search for tiles adds them"
        raise_invalid([FieldError(join_path(inside, "Tiles"), f"is missing; expected {expected}")])
    data = scene.data or SceneFields()
    if scene.Tags and not data.tags:
        data.tags = scene.Tags
    tiles: dict[str, NewTileFields | None] = {}
    swaths: dict[str, SwathFields | None] = {}
    footprints: dict[str, Geometry] = {}
    for index, tile in enumerate(scene.Tiles):
        at = f"{join_path(inside, 'Tiles')}[{index}]"
        name = tile.SourceID or ""
        if not name or name in tiles:
            raise_invalid([FieldError(f"{at}.SourceID", "occurs twice" if name else "is missing; expected a name")])
        tiles[name] = NewTileFields(*_link_texts(tile, at), data=tile.Data)
        swath = tile.Data or TileFields()
        swaths[name] = SwathFields(swath.swath_id, swath.tile_nr)
        if tile.GeometryWKT:
            footprints[name] = parse_wkt(tile.GeometryWKT, f"{at}.GeometryWKT", "catalogue", limits)
    data.tiles = data.tiles or swaths
    fields = NewSceneFields(
        source_id=scene.source_id, aoi=scene.aoi or aoi, data=data, tiles=tiles, retry_count=retry_count
    )
    return new_scene(fields, aoi, inside, _footprint(feature, place, limits), footprints, limits)


def _footprint(feature: CatalogueFeature, place: str, limits: Limits) -> Geometry | None:
    # The geometry of a feature is that of its scene and of its tiles together; the scene's own is the text.
    scene: CatalogueScene = feature.properties
    if scene.GeometryWKT:
        return parse_wkt(scene.GeometryWKT, f"{place}.properties.GeometryWKT", "catalogue", limits)
    if feature.geometry:
        return parse_geojson(feature.geometry, f"{place}.geometry", "catalogue", limits)
    return None


def _link_texts(tile: CatalogueTile, place: str) -> tuple[str, str, str, str]:
    previous, reference = tile.Previous or CatalogueLink(), tile.Reference or CatalogueLink()
    texts = (
        previous.SourceID or "",
        previous.SceneID or "",
        reference.SourceID or "",
        reference.SceneID or "",
    )
    if any(texts) and not all(texts):
        message = "half a link; expected SceneID and SourceID in both Previous and Reference, or both null"
        raise_invalid([FieldError(place, message)])
    return texts


def _ordered(scenes: list[NewScene]) -> list[NewScene]:
    numbers: dict[str, int] = {}
    for number, scene in enumerate(scenes):
        if numbers.setdefault(scene.source_id, number) != number:
            message = f"{shorten_for_message(scene.source_id)} occurs twice: as scene {numbers[scene.source_id] + 1} and {number + 1}"
            raise_invalid([FieldError("source_id", message)])
    needs = _needs(scenes, numbers)
    dates = [scene.date.timestamp() if scene.date else float("-inf") for scene in scenes]
    try:
        return [scenes[number] for number in topological_sort(len(scenes), needs, dates)]
    except CycleError as cycle:
        names = ", ".join(shorten_for_message(scenes[number].source_id) for number in cycle.members)
        raise_invalid([FieldError("tiles", f"scenes whose tiles follow each other in a circle: {names}")])


def _needs(scenes: list[NewScene], numbers: dict[str, int]) -> dict[int, set[int]]:
    """The other scenes of the same body that the tiles of each scene link to."""
    tiles = [{tile.source_id for tile in scene.tiles} for scene in scenes]
    needs: dict[int, set[int]] = {}
    for number, scene in enumerate(scenes):
        for tile in scene.tiles:
            for link in (tile.previous, tile.reference):
                other = None if link is None else numbers.get(link.scene)
                if link is None or other is None or other == number:
                    continue
                if link.tile not in tiles[other]:
                    message = f"of {shorten_for_message(scene.source_id)} leads to {shorten_for_message(link.tile)}, which {shorten_for_message(link.scene)} lacks"
                    raise_invalid([FieldError(join_path("tiles", tile.source_id), message)])
                needs.setdefault(number, set()).add(other)
    return needs
