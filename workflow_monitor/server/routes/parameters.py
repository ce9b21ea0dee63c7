"""Parameters and responses that several endpoints share."""

from __future__ import annotations

from workflow_monitor.documents import media_types
from workflow_monitor.server.handlers import scenes
from workflow_monitor.server.operations import Content, Parameter

NON_NEGATIVE = {"type": "integer", "minimum": 0}
TEXT = {"type": "string"}
TIME = {"type": "string", "format": "date-time"}
STATUS = {"$ref": "#/components/schemas/Status"}

PAGE = (
    Parameter("page", "Page number, from 0; needs `limit`.", NON_NEGATIVE),
    Parameter("limit", "Items per page; 0 or an invalid number returns all.", NON_NEGATIVE),
)


def format_parameter(*names: str) -> Parameter:
    """Return the query parameter that selects one of some formats."""
    return Parameter("format", "Format of the response; overrides `Accept`.", {"type": "string", "enum": list(names)})


def limit_parameter(description: str) -> Parameter:
    """Return the query parameter that limits a list which has no pages."""
    return Parameter("limit", description, {"type": "integer", "minimum": 1, "maximum": 1000, "default": 20})


LISTED = format_parameter("json", "geojson", "ndjson")
LISTED_OR_ARROW = format_parameter("json", "geojson", "ndjson", "arrow")
EXISTING = Parameter(
    "existing",
    "For scenes whose source id the AOI already has: `skip` leaves them as they are, adds the others and lists the skipped "
    "ones; `refuse` adds none.",
    {"enum": list(scenes.EXISTING), "default": scenes.EXISTING[0]},
)
WITH_TILES = Parameter(
    "tiles",
    "`true` adds the tiles with data, links and footprints, so that POST accepts the list in any AOI; not as Arrow.",
    {"type": "boolean"},
)
NO_BODY = Content("Success, without a body.")
AOI_PATTERN = "The name may be a pattern: `*` matches any text, `?` one character; the suffix `(?i)` ignores case."
NO_AOI_YET = (
    "Without the header `Accept`, the list of an AOI that does not exist is empty: the Geocube's catalogue reads it before it "
    "creates the AOI."
)
AS_COLUMNS = {media_types.COLUMNS: "Columns"}
COLUMNS_BODY = (
    "The body is a 32-bit length (little-endian), a JSON header of that length in bytes, and the columns. `columns` in the "
    "header gives the type, the first byte and the length of each column, `seq` the last event that the columns include. "
    "A status is an index into `statuses`."
)


def list_of(kind: str, item: str, features: str, *, arrow: bool = False) -> dict[int, Content]:
    """Return the response with a list of scenes or tiles in each format."""
    schemas = {media_types.JSON: item, media_types.GEOJSON: features, media_types.NDJSON: "Lines"}
    return {200: Content(f"The {kind}, ordered by id.", schemas | ({media_types.ARROW: "Bytes"} if arrow else {}))}
