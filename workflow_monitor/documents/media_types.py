"""Media types of the REST interface."""

from __future__ import annotations

JSON = "application/json"
TEXT = "text/plain; charset=utf-8"
HTML = "text/html; charset=utf-8"
GEOJSON = "application/geo+json"
NDJSON = "application/x-ndjson"
ARROW = "application/vnd.apache.arrow.stream"
DOT = "text/vnd.graphviz; charset=utf-8"
SVG = "image/svg+xml"
EVENTS = "text/event-stream"
PROBLEM = "application/problem+json"
#: binary columns of numbers; see `server.columnar`
COLUMNS = "application/vnd.workflow-monitor.columns"
