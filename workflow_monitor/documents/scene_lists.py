"""Parser of many scenes: documents, lists of the server, features of a catalogue, STAC items."""

from __future__ import annotations

from collections import defaultdict, deque
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from io import BytesIO
from itertools import islice
from typing import Literal, NamedTuple

from workflow_monitor.documents.catalogue import parse_catalogue_feature
from workflow_monitor.documents.file_formats import EXPECTED, describe_bytes, describe_json
from workflow_monitor.documents.footprints import FootprintParser
from workflow_monitor.documents.listed_scenes import is_listed_scene, parse_listed_feature, parse_listed_scene
from workflow_monitor.documents.scene_documents import parse_scene
from workflow_monitor.documents.stac import Tiling, is_stac_item, parse_stac_item
from workflow_monitor.documents.strict_json import check_token_count, gc_paused, read_json
from workflow_monitor.documents.validation import MAX_ERRORS, describe_value, join_path, raise_invalid
from workflow_monitor.domain.errors import FieldError, InvalidInput, shorten_for_message
from workflow_monitor.domain.limits import DEFAULTS, Limits
from workflow_monitor.domain.models import Link, NewScene
from workflow_monitor.domain.toposort import CycleError, topological_sort

#: media types of one JSON text a line
LINES = frozenset({"application/x-ndjson", "application/ndjson", "application/jsonlines", "application/jsonl"})

#: the members of a FeatureCollection are features, whatever their type
Form = Literal["document", "feature"]

#: members of a feature of a Geocube catalogue
_CATALOGUE = frozenset({"source_id", "tiles", "Tiles"})


@dataclass(frozen=True, slots=True)
class InvalidScene:
    """A scene of a body that cannot be added; `field` is its place in the body, `source_id` its name, empty if unknown."""

    field: str
    source_id: str
    errors: tuple[FieldError, ...]

    def reason(self) -> str:
        """Return the errors as one text."""
        return "; ".join(f"{error.field}: {error.message}" if error.field else error.message for error in self.errors)

    def field_errors(self) -> Iterator[FieldError]:
        """Yield the errors; those of a scene within a list name the scene."""
        name = f" (scene {shorten_for_message(self.source_id)})" if self.source_id and self.field else ""
        for error in self.errors:
            yield FieldError(error.field, f"{error.message}{name}")


@dataclass(frozen=True, slots=True)
class SceneOptions:
    """Options for scenes of forms that leave something open: the retry count of a catalogue, the tiles of STAC items."""

    retry_count: int = 0
    tiling: Tiling = "scene"
    limits: Limits = DEFAULTS


#: options of a body that leaves nothing open
_PLAIN = SceneOptions()


def parse_scenes(body: bytes, media_type: str, aoi: str, options: SceneOptions = _PLAIN) -> list[NewScene]:
    """Parse the scenes of a body; each comes after the scenes that its tiles link to, otherwise by date, then in input order.

    Features that a catalogue marks as ingested are left out. Raises InvalidInput with the fields of several scenes.
    """
    return _Reader(aoi, options, skip=False).read(body, media_type)


def parse_valid_scenes(
    body: bytes, media_type: str, aoi: str, options: SceneOptions = _PLAIN
) -> tuple[list[NewScene], list[InvalidScene]]:
    """Parse the valid scenes of a body as `parse_scenes` does, and return the invalid ones with their errors.

    A scene whose tiles link to an invalid scene of the body is invalid as well. Raises InvalidInput for a body that is
    no list of scenes.
    """
    reader = _Reader(aoi, options, skip=True)
    return reader.read(body, media_type), reader.invalid


class _Value(NamedTuple):
    """A value of a body and its place; a line of JSON is not decoded yet."""

    value: object
    place: str
    form: Form = "document"


@dataclass(frozen=True, slots=True)
class _Entry:
    """A parsed scene and its place in the body."""

    place: str
    scene: NewScene


class _Reader:
    """Reader of a body. Invalid scenes are collected with `skip`, otherwise they raise InvalidInput."""

    def __init__(self, aoi: str, options: SceneOptions, *, skip: bool) -> None:
        self._aoi = aoi
        self._options = options
        self._limits = options.limits
        self._parser = FootprintParser(options.limits)
        self._skip = skip
        self.invalid: list[InvalidScene] = []

    def read(self, body: bytes, media_type: str) -> list[NewScene]:
        check_token_count(body, self._limits)
        with gc_paused(len(body)):
            values = self._values(body, media_type)
            if isinstance(values, list):
                self._parser.prepare(value.value for value in values)
            entries = self._parse_all(values)
            self._check()
            return self._ordered(self._linked(self._unique(entries)))

    # ---- forms of a body

    def _values(self, body: bytes, media_type: str) -> Iterable[_Value]:
        if media_type.partition(";")[0].strip().lower() in LINES or _is_lines(body):
            # A split would hold all lines in memory, and a list entry for each blank one.
            lines = enumerate(BytesIO(body), 1)
            return (_Value(line.rstrip(b"\n"), f"line {index}") for index, line in lines if line.strip())
        if (description := describe_bytes(body)) is not None:
            raise InvalidInput(f"The body is not UTF-8 JSON. {description}.")
        return list(self._members(read_json(body, self._limits), ""))

    def _members(self, value: object, place: str) -> Iterator[_Value]:
        if isinstance(value, list):
            return (_Value(member, f"{place}[{index}]") for index, member in enumerate(value))
        if isinstance(value, dict):
            if value.keys() == {"Scenes"}:
                return self._members(value["Scenes"], "Scenes")
            if value.get("type") == "FeatureCollection":
                return _features(value, place)
            if "source_id" in value or (value.get("type") == "Feature" and _is_scene_feature(value)):
                return iter([_Value(value, place)])
        description = describe_json(value) or f"Expected {EXPECTED}, found {describe_value(value)}{_names(value)}"
        raise InvalidInput(f"{description}.")

    # ---- scenes

    def _parse_all(self, values: Iterable[_Value]) -> list[_Entry]:
        entries = []
        for value, place, form in values:
            document = value
            try:
                document = self._decoded(value, place)
                scene = self._parse(document, place, form)
            except InvalidInput as error:
                errors = tuple(error.errors) or (FieldError(place, error.detail.rstrip(".")),)
                self.invalid.append(InvalidScene(place, _source_id(document), errors))
                if not self._skip and len(self.invalid) >= MAX_ERRORS:
                    break
            else:
                if scene is not None:
                    entries.append(_Entry(place, scene))
        return entries

    def _decoded(self, value: object, place: str) -> object:
        if not isinstance(value, bytes):
            return value
        try:
            return read_json(value, self._limits)
        except InvalidInput as error:
            raise_invalid([FieldError(place, error.detail.rstrip("."))])

    def _parse(self, value: object, place: str, form: Form) -> NewScene | None:
        if form == "feature" or (isinstance(value, dict) and value.get("type") == "Feature"):
            return self._parse_feature(value, place)
        if isinstance(value, dict) and is_listed_scene(value):
            return parse_listed_scene(value, self._aoi, place, self._limits, self._parser)
        return parse_scene(value, self._aoi, place, self._limits, self._parser)

    def _parse_feature(self, value: object, place: str) -> NewScene | None:
        if is_stac_item(value):
            return parse_stac_item(value, self._aoi, place, self._options.tiling, self._limits, self._parser)
        properties = value.get("properties") if isinstance(value, dict) else None
        if isinstance(value, dict) and isinstance(properties, dict):
            if is_listed_scene(properties):
                return parse_listed_feature(value, self._aoi, place, self._limits, self._parser)
            if _CATALOGUE.isdisjoint(properties):
                raise_invalid([FieldError(place, describe_json(value) or f"expected {EXPECTED}")])
        return parse_catalogue_feature(value, self._aoi, place, self._options.retry_count, self._limits, self._parser)

    # ---- links between the scenes of a body

    def _unique(self, entries: list[_Entry]) -> list[_Entry]:
        first: dict[str, int] = {}
        unique = []
        for index, entry in enumerate(entries):
            name = entry.scene.source_id
            if first.setdefault(name, index) == index:
                unique.append(entry)
                continue
            message = f"{shorten_for_message(name)} occurs twice: as scene {first[name] + 1} and {index + 1}"
            self._reject(entry, FieldError(join_path(entry.place, "source_id"), message))
        self._check()
        return unique

    def _linked(self, entries: list[_Entry]) -> list[_Entry]:
        """Return the scenes without those that link to a tile that another scene lacks, or to a rejected scene."""
        tiles = {entry.scene.source_id: {tile.source_id for tile in entry.scene.tiles} for entry in entries}
        followers: defaultdict[str, list[tuple[_Entry, str]]] = defaultdict(list)
        rejected = {scene.source_id for scene in self.invalid if scene.source_id} - tiles.keys()
        for entry in entries:
            for tile, link in _links(entry.scene):
                followers[link.scene].append((entry, tile))
                if link.tile not in tiles.get(link.scene, {link.tile}) and entry.scene.source_id not in rejected:
                    message = (
                        f"leads to {shorten_for_message(link.tile)}, which {shorten_for_message(link.scene)} lacks"
                    )
                    self._reject(entry, FieldError(_tile_path(entry, tile), message))
                    rejected.add(entry.scene.source_id)
        self._check()
        self._reject_followers(rejected, followers)
        return [entry for entry in entries if entry.scene.source_id not in rejected]

    def _reject_followers(self, rejected: set[str], followers: Mapping[str, list[tuple[_Entry, str]]]) -> None:
        names = deque(rejected)
        while names:
            name = names.popleft()
            for entry, tile in followers.get(name, ()):
                if entry.scene.source_id not in rejected:
                    message = f"leads to the scene {shorten_for_message(name)}, which is invalid"
                    self._reject(entry, FieldError(_tile_path(entry, tile), message))
                    rejected.add(entry.scene.source_id)
                    names.append(entry.scene.source_id)

    def _ordered(self, entries: list[_Entry]) -> list[NewScene]:
        while True:
            scenes = [entry.scene for entry in entries]
            dates = [scene.date.timestamp() if scene.date else float("-inf") for scene in scenes]
            try:
                return [scenes[index] for index in topological_sort(len(scenes), _needs(scenes), dates)]
            except CycleError as cycle:
                members = set(cycle.members)
                names = ", ".join(shorten_for_message(scenes[index].source_id) for index in cycle.members)
            error = FieldError("tiles", f"scenes whose tiles follow each other in a circle: {names}")
            if not self._skip:
                raise_invalid([error])
            for index in sorted(members):
                self._reject(entries[index], error)
            entries = self._linked([entry for index, entry in enumerate(entries) if index not in members])

    # ---- invalid scenes

    def _reject(self, entry: _Entry, error: FieldError) -> None:
        self.invalid.append(InvalidScene(entry.place, entry.scene.source_id, (error,)))

    def _check(self) -> None:
        if self.invalid and not self._skip:
            raise_invalid(error for scene in self.invalid[:MAX_ERRORS] for error in scene.field_errors())


def _names(value: object) -> str:
    """Return the first members of an object, for a message."""
    names = list(islice(value, 5)) if isinstance(value, dict) else []
    return f" of {', '.join(map(shorten_for_message, names))}" if names else ""


def _is_lines(body: bytes) -> bool:
    """Return True if a body looks like JSON lines: an object on the first line, and the start of another after it."""
    first, newline, others = body.lstrip().partition(b"\n")
    return bool(newline) and first.startswith(b"{") and first.rstrip().endswith(b"}") and others.lstrip()[:1] == b"{"


def _features(collection: Mapping[str, object], place: str) -> Iterator[_Value]:
    features, field = collection.get("features"), join_path(place, "features")
    if not isinstance(features, list):
        raise_invalid([FieldError(field, f"expected a list of features, found {describe_value(features)}")])
    first = features[0] if features else None
    if isinstance(first, dict) and isinstance(first.get("properties"), dict) and not _is_scene_feature(first):
        raise InvalidInput(f"{describe_json(collection)}.")
    return (_Value(feature, f"{field}[{index}]", "feature") for index, feature in enumerate(features))


def _is_scene_feature(feature: Mapping[str, object]) -> bool:
    properties = feature.get("properties")
    return is_stac_item(feature) or (isinstance(properties, dict) and not _CATALOGUE.isdisjoint(properties))


def _source_id(value: object) -> str:
    """Return the name of a scene in any form, empty without one."""
    if not isinstance(value, Mapping):
        return ""
    properties = value.get("properties")
    names = (
        value.get("source_id"),
        properties.get("source_id") if isinstance(properties, Mapping) else None,
        value.get("id"),
    )
    return next((name for name in names if isinstance(name, str)), "")


def _links(scene: NewScene) -> Iterator[tuple[str, Link]]:
    """Yield the links of the tiles of a scene to other scenes."""
    for tile in scene.tiles:
        for link in (tile.previous, tile.reference):
            if link is not None and link.scene != scene.source_id:
                yield tile.source_id, link


def _tile_path(entry: _Entry, tile: str) -> str:
    return join_path(join_path(entry.place, "tiles"), tile)


def _needs(scenes: list[NewScene]) -> dict[int, set[int]]:
    """Return the indexes of the other scenes that the tiles of each scene link to."""
    indexes = {scene.source_id: index for index, scene in enumerate(scenes)}
    needs: dict[int, set[int]] = {}
    for index, scene in enumerate(scenes):
        for _, link in _links(scene):
            if (other := indexes.get(link.scene)) is not None:
                needs.setdefault(index, set()).add(other)
    return needs
