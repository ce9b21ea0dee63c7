#!/usr/bin/env python3
"""Replay recorded conversations with a workflow server and report where a server differs.

    replay.py --base-url http://127.0.0.1:8888/workflow --token T traces/*.json

One line is printed per trace ("ok", or the step where the server first differed, with the expected
and the received value), then "N passed, N failed".  The exit status is 1 if a trace failed.

Trace format
------------
A trace is a JSON document:

    {"name": ..., "about": "one line", "quirks": [...], "requires": [...], "steps": [...]}

`quirks` names the entries of PEER-BEHAVIOUR.md that the trace pins down and that another server
may have reasons not to copy (see --skip-quirk).  `requires` names the conditions of the replay: "token"
(the server checks a bearer token and --token gives it).

Each step has one of these forms:

    {"request": {"method", "path", "body"|"text"?, "headers"?, "auth"?},
     "response": {"status", "content_type", "body", "headers"?}}
                    A request and its answer.  `body` in a request is sent as JSON, `text` as is;
                    `auth` "none" or "wrong" replaces the bearer token.  In a response, a string
                    is compared with the text of the answer, anything else with its JSON value,
                    and null means an empty answer.
    {"results": [{"type", "id", "status", "message"}, ...]}
                    Result events, handed to the server in this order.
    {"jobs": {"downloader": [...], "processor": [...]}}
                    The messages published on each queue since the previous jobs step, in any
                    order.
    {"state": {"aois": [...], "scenes": [...], "tiles": [...]}}
                    All the AOIs, scenes and tiles of the trace, read through the API.  Fields
                    that are left out of the expected entries are not compared.
    {"pages": {"path", "limit", "sizes": [...], "items": [...]}}
                    The listing at `path`, fetched page after page: each page has the given size
                    and the pages together hold the items, in any order.

Servers number scenes and tiles as they like, so traces hold names instead of numbers:

    "$scene:NAME"         the id of a scene; NAME is chosen by the trace
    "$tile:SCENE/NAME"    the id of a tile; SCENE is the trace's name of its scene
    "$aoi:NAME"           the name of an AOI: NAME behind a prefix that is unique to the replay, so
                          that traces do not meet each other or older AOIs of the server

As a whole JSON string they stand for the value itself.  Inside a text or a path they are written
{$scene:NAME}, {$tile:SCENE/NAME}, {$aoi:NAME}; in a path the value is percent-encoded.  {$today}
is the current date.  An id is learnt the first time that a response (or a job) shows it.

Where a server differs on purpose
---------------------------------
--deviations FILE (may be repeated) names a JSON list of the ways in which the server under test differs on purpose.
Each entry has a "why" and one of these; with "quirk": ID it holds only for traces with that quirk:

    "skip": true                        the traces with the quirk are not replayed
    "ignore_fields": ["message", ...]   these fields are not compared
    "fill_fields": ["scene", ...]       below these fields, an empty value in the trace ("", null,
                                        false, 0, {}, the year 1) may have any value
    "accept_status": {"403": [409]}     another status passes; the bodies are then not compared
    "ignore_error_bodies": true         bodies of answers from 400 up are not compared
    "ignore_content_type": true         content types are not compared
    "allow_extra_fields": true          answers may have more fields
    "ignore_aoi_status": true           the status of AOIs is not compared
    "append_when_refused": {"path": "/fail", "status": 409, "append": "/force"}
                                        a request whose path ends so, refused with this status
                                        where the trace succeeds, is sent once more with more path

Lists and texts that are not compared literally:

    {"$unordered": [...]}  a list in any order
    {"$aois": [...]}       a list of AOIs, in this order, of which only those of the trace count
    {"$dot": [...]}        the lines of a dot graph, where the lines that belong to one scene may
                           come in any order within a section (scenes, tiles, edges)
    {"$anything": true}    any text
"""

from __future__ import annotations

import argparse
import base64
import datetime
import http.client
import importlib.util
import json
import pathlib
import re
import secrets
import ssl
import sys
import time
import urllib.parse
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field, replace
from typing import Any, Protocol

QUEUES = ("downloader", "processor")


# --------------------------------------------------------------------------------------------
# Symbols: the names that stand for ids in a trace


class UnboundSymbol(Exception):
    """A step uses an id that no earlier response has shown."""


class Symbols:
    """The ids met so far, by name and back, and the prefix of the AOI names."""

    def __init__(self, aoi_prefix: str):
        self.aoi_prefix = aoi_prefix
        self._ids: dict[tuple[str, str], int] = {}
        self._names: dict[tuple[str, int], str] = {}

    def copy(self) -> Symbols:
        duplicate = Symbols(self.aoi_prefix)
        duplicate.adopt(self)
        return duplicate

    def adopt(self, other: Symbols) -> None:
        """Take over all the bindings of `other`."""
        self._ids = dict(other._ids)
        self._names = dict(other._names)

    def bind(self, kind: str, name: str, number: int) -> None:
        self._ids[kind, name] = number
        self._names[kind, number] = name

    def is_bound(self, kind: str, name: str) -> bool:
        return (kind, name) in self._ids

    def number(self, kind: str, name: str) -> int:
        try:
            return self._ids[kind, name]
        except KeyError:
            raise UnboundSymbol(f"the id of ${kind}:{name} is not known at this step") from None

    def name(self, kind: str, number: int) -> str | None:
        return self._names.get((kind, number))

    def aoi(self, name: str) -> str:
        return self.aoi_prefix + name


WHOLE_SYMBOL = re.compile(r"\$(scene|tile|aoi):(.*)", re.DOTALL)
EMBEDDED_SYMBOL = re.compile(r"\{\$(?:(scene|tile|aoi):([^}]*)|today)\}")


def render_value(value: Any, symbols: Symbols) -> Any:
    """Replace the symbols in a JSON value by their values."""
    if isinstance(value, dict):
        return {key: render_value(item, symbols) for key, item in value.items()}
    if isinstance(value, list):
        return [render_value(item, symbols) for item in value]
    if isinstance(value, str):
        whole = WHOLE_SYMBOL.fullmatch(value)
        if whole:
            kind, name = whole.groups()
            return symbols.aoi(name) if kind == "aoi" else symbols.number(kind, name)
    return value


def render_text(template: str, symbols: Symbols, today: str = "") -> str:
    """Replace the {$...} symbols in a text."""

    def replacement(match: re.Match) -> str:
        kind, name = match.groups()
        if kind is None:
            return today
        return symbols.aoi(name) if kind == "aoi" else str(symbols.number(kind, name))

    return EMBEDDED_SYMBOL.sub(replacement, template)


def render_path(template: str, symbols: Symbols) -> str:
    """Replace the {$...} symbols in a path by percent-encoded values; the rest is kept as is."""

    def replacement(match: re.Match) -> str:
        return urllib.parse.quote(render_text(match.group(0), symbols), safe="")

    return EMBEDDED_SYMBOL.sub(replacement, template)


def dates_of_today() -> list[str]:
    """The dates that a server may call today, also if midnight has just passed."""
    utc = datetime.datetime.now(datetime.UTC)
    local = datetime.datetime.now()
    earlier = datetime.timedelta(minutes=2)
    return sorted({moment.strftime("%Y-%m-%d") for moment in (utc, utc - earlier, local, local - earlier)})


# --------------------------------------------------------------------------------------------
# Dot graphs

DOT_SCENE = re.compile(r's(\d+) \[label="(.*?)\\n\(id=\1\)" shape=box color=(\w*)\];\n', re.DOTALL)
DOT_TILE = re.compile(r't(\d+) \[label="(.*?)\\n\(id=\1\)" color=(\w*)\];\n', re.DOTALL)
DOT_MEMBERSHIP = re.compile(r"s(\d+) -> t(\d+) \[color=gray( style=dotted)?\];\n")
DOT_PREVIOUS = re.compile(r"t(\d+) -> t(\d+)(?: (\[?style=dotted\]?))?;\n")
DOT_NAME = re.compile(r'digraph "(.*)"')
DOT_END = re.compile(r"\}\n")


def canonical_dot(text: str, symbols: Symbols) -> list[str] | None:
    """The lines of a dot graph with symbols for ids, sorted where their order means nothing.

    The graph lists scenes, then tiles, then edges; tiles and edges come scene by scene.  The lines
    of a scene within a section are sorted.  None if the text is not such a graph.
    """

    def scene(number: str) -> str:
        name = symbols.name("scene", int(number))
        return number if name is None else f"{{$scene:{name}}}"

    def tile(number: str) -> str:
        name = symbols.name("tile", int(number))
        return number if name is None else f"{{$tile:{name}}}"

    def scene_of_tile(number: str) -> str:
        name = symbols.name("tile", int(number))
        return "" if name is None else name.partition("/")[0]

    header, newline, rest = text.partition(" {\n")
    if not header.startswith("digraph ") or not newline:
        return None
    name = DOT_NAME.fullmatch(header)  # quotes around the name have no meaning
    lines: list[tuple[tuple[str, str], str]] = [(("header", ""), (f"digraph {name[1]}" if name else header) + " {")]
    position = len(header) + len(newline)
    while position < len(text):
        if match := DOT_SCENE.match(text, position):
            name = scene(match[1])
            line = f's{name} [label="{match[2]}\\n(id={name})" shape=box color={match[3]}];'
            group = ("scenes", name)
        elif match := DOT_TILE.match(text, position):
            name = tile(match[1])
            line = f't{name} [label="{match[2]}\\n(id={name})" color={match[3]}];'
            group = ("tiles", scene_of_tile(match[1]))
        elif match := DOT_MEMBERSHIP.match(text, position):
            line = f"s{scene(match[1])} -> t{tile(match[2])} [color=gray{match[3] or ''}];"
            group = ("edges", scene_of_tile(match[2]))
        elif match := DOT_PREVIOUS.match(text, position):
            dotted = " style=dotted" if match[3] else ""  # [style=dotted] is what Graphviz needs
            line = f"t{tile(match[1])} -> t{tile(match[2])}{dotted};"
            group = ("edges", scene_of_tile(match[2]))
        elif match := DOT_END.match(text, position):
            line, group = "}", ("end", "")
        else:
            return None
        lines.append((group, line))
        position = match.end()
    return list(_sorted_within_runs(lines))


def _sorted_within_runs(lines: Iterable[tuple[tuple[str, str], str]]) -> Iterator[str]:
    """Sort the lines within each run of lines of the same group; the runs stay in order."""
    run: list[str] = []
    current = None
    for group, line in lines:
        if group != current:
            yield from sorted(run)
            run, current = [], group
        run.append(line)
    yield from sorted(run)


# --------------------------------------------------------------------------------------------
# Comparison


@dataclass(frozen=True)
class Difference:
    """First place where a response differs from the trace."""

    where: str
    expected: Any
    actual: Any

    def __str__(self) -> str:
        return f"{self.where}: expected {_shown(self.expected)}, got {_shown(self.actual)}"


class Absent:
    """Shown where a value is missing."""

    def __init__(self, text: str = "nothing"):
        self.text = text

    def __repr__(self) -> str:
        return self.text


def _shown(value: Any, limit: int = 300) -> str:
    text = repr(value) if isinstance(value, Absent) else json.dumps(value, ensure_ascii=False)
    return text if len(text) <= limit else text[:limit] + "..."


EMPTY = ("", None, False, 0, {}, [], "0001-01-01T00:00:00Z")


@dataclass(frozen=True)
class Rules:
    """Differences that a comparison ignores."""

    partial: bool = False  # fields that the trace does not mention may be there
    ignore_fields: frozenset[str] = frozenset()
    fill_fields: frozenset[str] = frozenset()
    ignore_aoi_status: bool = False
    filled: bool = False  # below one of fill_fields an empty value in the trace matches any value

    def but_partial(self) -> Rules:
        return replace(self, partial=True)

    def below(self, key: str) -> Rules:
        return replace(self, filled=True) if key in self.fill_fields else self


def difference(expected: Any, actual: Any, symbols: Symbols, rules: Rules, where: str) -> Difference | None:
    """Compare a JSON value with the expectation of a trace; bind the ids that appear first here."""
    if rules.filled and any(type(expected) is type(empty) and expected == empty for empty in EMPTY):
        return None
    if isinstance(expected, dict):
        if "$unordered" in expected:
            return _difference_unordered(expected["$unordered"], actual, symbols, rules, where)
        if "$aois" in expected:
            return _difference_aois(expected["$aois"], actual, symbols, rules, where)
        return _difference_objects(expected, actual, symbols, rules, where)
    if isinstance(expected, list):
        return _difference_lists(expected, actual, symbols, rules, where)
    if isinstance(expected, str):
        whole = WHOLE_SYMBOL.fullmatch(expected)
        if whole:
            return _difference_symbol(*whole.groups(), actual, symbols, where)
    if type(expected) is not type(actual) and bool in (type(expected), type(actual)):
        return Difference(where, expected, actual)
    return None if expected == actual else Difference(where, expected, actual)


def _difference_symbol(kind: str, name: str, actual: Any, symbols: Symbols, where: str) -> Difference | None:
    if kind == "aoi":
        wanted = symbols.aoi(name)
        return None if actual == wanted else Difference(where, wanted, actual)
    if not isinstance(actual, int) or isinstance(actual, bool):
        return Difference(where, f"${kind}:{name}", actual)
    if not symbols.is_bound(kind, name):
        known_as = symbols.name(kind, actual)
        if known_as is not None:
            return Difference(where, f"${kind}:{name}", f"${kind}:{known_as}")
        if actual <= 0:
            return Difference(where, f"${kind}:{name}", actual)
        symbols.bind(kind, name, actual)
        return None
    if actual == symbols.number(kind, name):
        return None
    known_as = symbols.name(kind, actual)
    return Difference(where, f"${kind}:{name}", actual if known_as is None else f"${kind}:{known_as}")


def _difference_objects(expected: dict, actual: Any, symbols: Symbols, rules: Rules, where: str) -> Difference | None:
    if not isinstance(actual, dict):
        return Difference(where, expected, actual)
    for key, value in expected.items():
        if key in rules.ignore_fields:
            continue
        if key not in actual:
            return Difference(f"{where}.{key}", value, Absent())
        found = difference(value, actual[key], symbols, rules.below(key), f"{where}.{key}")
        if found:
            return found
    if not rules.partial and not rules.filled:
        for key, value in actual.items():
            if key not in expected:
                return Difference(f"{where}.{key}", Absent(), value)
    return None


def _difference_lists(expected: list, actual: Any, symbols: Symbols, rules: Rules, where: str) -> Difference | None:
    if not isinstance(actual, list):
        return Difference(where, expected, actual)
    for index, value in enumerate(expected):
        if index >= len(actual):
            return Difference(f"{where}[{index}]", value, Absent())
        found = difference(value, actual[index], symbols, rules, f"{where}[{index}]")
        if found:
            return found
    if len(actual) > len(expected):
        return Difference(f"{where}[{len(expected)}]", Absent(), actual[len(expected)])
    return None


def _difference_unordered(expected: list, actual: Any, symbols: Symbols, rules: Rules, where: str) -> Difference | None:
    if not isinstance(actual, list):
        return Difference(where, expected, actual)
    remaining = list(actual)
    for item in expected:
        match = _index_of_equal(item, remaining, symbols, rules)
        if match is None:
            return _closest_difference(item, remaining, symbols, rules, where)
        del remaining[match]
    if remaining:
        return Difference(f"{where}[{_label(remaining[0])}]", Absent("nothing more"), remaining[0])
    return None


def _index_of_equal(item: Any, candidates: list, symbols: Symbols, rules: Rules) -> int | None:
    """Return the first candidate that equals the item, and bind its ids."""
    for index, candidate in enumerate(candidates):
        if _label(candidate) != _label(item):
            continue
        trial = symbols.copy()
        if difference(item, candidate, trial, rules, "") is None:
            symbols.adopt(trial)
            return index
    return None


def _closest_difference(item: Any, candidates: list, symbols: Symbols, rules: Rules, where: str) -> Difference:
    """Describe why no candidate equals the item: by the most similar one, if there is any."""
    where = f"{where}[{_title(item)}]"
    best: tuple[int, Difference] | None = None
    for candidate in candidates:
        if _label(candidate) != _label(item):
            continue
        found = difference(item, candidate, symbols.copy(), rules, where)
        if found is None:
            continue
        agreement = (
            sum(difference(value, candidate.get(key), symbols.copy(), rules, "") is None for key, value in item.items())
            if isinstance(item, dict) and isinstance(candidate, dict)
            else 0
        )
        if best is None or agreement > best[0]:
            best = agreement, found
    return best[1] if best else Difference(where, item, Absent(f"no such element among {len(candidates)}"))


def _label(item: Any) -> str:
    """Key of an element of an unordered list."""
    return str(item.get("source_id", item.get("ID", ""))) if isinstance(item, dict) else str(item)


def _title(item: Any) -> str:
    """Name of an expected list element in a message."""
    return item["id"] if isinstance(item, dict) and isinstance(item.get("id"), str) else _label(item)


def _difference_aois(expected: list, actual: Any, symbols: Symbols, rules: Rules, where: str) -> Difference | None:
    if not isinstance(actual, list):
        return Difference(where, expected, actual)
    if rules.ignore_aoi_status:
        rules = replace(rules, ignore_fields=rules.ignore_fields | {"status"})
    return _difference_lists(expected, aois_of_trace(actual, symbols), symbols, rules, where)


def aois_of_trace(aois: list, symbols: Symbols) -> list:
    """Return the AOIs whose name has the prefix of this replay."""
    return [aoi for aoi in aois if isinstance(aoi, dict) and str(aoi.get("ID")).startswith(symbols.aoi_prefix)]


def difference_text(expected: str, actual: str, symbols: Symbols, where: str) -> Difference | None:
    """Compare a text with a template."""
    wanted = [render_text(expected, symbols, today) for today in dates_of_today()]
    return None if actual in wanted else Difference(where, wanted[-1], actual)


def difference_dot(expected: list, actual: str, symbols: Symbols, where: str) -> Difference | None:
    """Compare a dot graph with the lines that a trace expects."""
    lines = canonical_dot(actual, symbols)
    if lines is None:
        return Difference(where, {"$dot": expected}, actual)
    wanted = [render_text(expected[0], symbols)] + expected[1:]
    return _difference_lists(wanted, lines, symbols, Rules(), f"{where}.dot")


# --------------------------------------------------------------------------------------------
# The server under test


@dataclass(frozen=True)
class Answer:
    """A response of the server."""

    status: int
    content_type: str | None
    text: str
    headers: dict[str, str] = field(default_factory=dict)

    def json(self) -> Any:
        """The JSON value of the body, or None if it is not JSON."""
        try:
            return json.loads(self.text)
        except ValueError:
            return None


class HttpClient:
    """Sends requests below a base URL, exactly as written, without following redirects."""

    def __init__(self, base_url: str, token: str | None = None, timeout: float = 30):
        parts = urllib.parse.urlsplit(base_url)
        if parts.scheme not in ("http", "https") or not parts.hostname:
            raise ValueError(f"not an http(s) URL: {base_url!r}")
        self._scheme, self._host, self._port = parts.scheme, parts.hostname, parts.port
        self._prefix = parts.path.rstrip("/")
        self._token = token
        self._timeout = timeout
        self._connection: http.client.HTTPConnection | None = None

    def request(
        self,
        method: str,
        path: str,
        body: bytes | None = None,
        headers: dict[str, str] | None = None,
        auth: str | None = None,
    ) -> Answer:
        """Send a request; `auth` is None (the token, if there is one), "none" or "wrong"."""
        all_headers = {"Accept": "*/*"}
        if body is not None:
            all_headers["Content-Type"] = "application/json"
        token = {None: self._token, "none": None, "wrong": f"not-{self._token}"}[auth]
        if token is not None:
            all_headers["Authorization"] = f"Bearer {token}"
        all_headers.update(headers or {})
        connection_was_kept = self._connection is not None
        try:
            return self._send(method, path, body, all_headers)
        except (http.client.RemoteDisconnected, ConnectionError):
            self.close()
            if not connection_was_kept:
                raise
            return self._send(method, path, body, all_headers)  # the server had closed it meanwhile

    def _send(self, method: str, path: str, body: bytes | None, headers: dict[str, str]) -> Answer:
        if self._connection is None:
            self._connection = self._connect()
        self._connection.request(method, self._prefix + path, body=body, headers=headers)
        response = self._connection.getresponse()
        text = response.read().decode("utf-8", errors="replace")
        names = {name.lower(): value for name, value in response.getheaders()}
        return Answer(response.status, names.get("content-type"), text, names)

    def _connect(self) -> http.client.HTTPConnection:
        if self._scheme == "https":
            context = ssl.create_default_context()
            return http.client.HTTPSConnection(self._host, self._port, timeout=self._timeout, context=context)
        return http.client.HTTPConnection(self._host, self._port, timeout=self._timeout)

    def close(self) -> None:
        if self._connection is not None:
            self._connection.close()
            self._connection = None


class UnusableAnswer(Exception):
    """The server answered a request of the replay itself in a way that does not let it go on."""


class AdapterError(Exception):
    """Result events could not be handed over, or jobs not be read."""


class Adapter(Protocol):
    """Channel that sends result events to the server and reads the published jobs."""

    def begin(self) -> None:
        """A trace starts: jobs published before do not count."""

    def post_results(self, results: list[dict]) -> None:
        """Hand over result events, in order, and wait until the server has dealt with them."""

    def new_jobs(self, queue: str) -> list[Any]:
        """The messages published on a queue since the previous call (or since begin)."""


class HttpAdapter:
    """Result events are posted to, and jobs read from, endpoints of the server itself.

    Results: POST {results_path} with the JSON list of results.  The response is not compared (the
    steps that follow show the effect of the results), unless the endpoint does not exist.

    Jobs: GET {jobs_path}, where {queue} is replaced.  The answer is a list, or an object that
    holds it under `items_key`.  Each job has an id under `id_key`, which identifies jobs of
    earlier steps, and the message under `payload_key` (JSON, or JSON as text or in base64).  If
    `payload_key` is empty, the element is the message.
    """

    NO_SUCH_ENDPOINT = (401, 403, 404, 405, 501)

    def __init__(
        self,
        client: HttpClient,
        results_path: str = "/results",
        jobs_path: str = "/jobs/{queue}?state=queued",
        items_key: str = "",
        id_key: str = "id",
        payload_key: str = "payload",
        settle_seconds: float = 0,
        read_jobs: bool = True,
    ):
        self._client = client
        self._results_path = results_path
        self._jobs_path = jobs_path
        self._items_key = items_key
        self._id_key = id_key
        self._payload_key = payload_key
        self._settle_seconds = settle_seconds
        self._read_jobs = read_jobs
        self._seen: dict[str, set] = {queue: set() for queue in QUEUES}

    def begin(self) -> None:
        if self._read_jobs:
            for queue in QUEUES:
                self.new_jobs(queue)

    def post_results(self, results: list[dict]) -> None:
        answer = self._client.request("POST", self._results_path, json.dumps(results).encode())
        if answer.status in self.NO_SUCH_ENDPOINT:
            raise AdapterError(f"POST {self._results_path} answered {answer.status}: {answer.text[:200]}")
        if self._settle_seconds:
            time.sleep(self._settle_seconds)

    def new_jobs(self, queue: str) -> list[Any]:
        path = self._jobs_path.replace("{queue}", queue)
        answer = self._client.request("GET", path)
        jobs = answer.json()
        if isinstance(jobs, dict):
            jobs = next((jobs[key] for key in (self._items_key, "jobs", "items") if key in jobs), None)
        if answer.status != 200 or not isinstance(jobs, list):
            raise AdapterError(f"GET {path} answered {answer.status}: {answer.text[:200]}")
        fresh = [job for job in jobs if self._identity(job) not in self._seen[queue]]
        self._seen[queue].update(self._identity(job) for job in fresh)
        return [self._message(job) for job in fresh]

    def _identity(self, job: Any) -> Any:
        if not isinstance(job, dict) or self._id_key not in job:
            raise AdapterError(f"a job has no {self._id_key!r}: {json.dumps(job)[:200]}")
        return job[self._id_key]

    def _message(self, job: dict) -> Any:
        message = job.get(self._payload_key) if self._payload_key else job
        if not isinstance(message, str):
            return message
        try:
            return json.loads(message)
        except ValueError:
            pass
        try:
            return json.loads(base64.b64decode(message))
        except ValueError:
            raise AdapterError(f"the message of a job is not JSON: {message[:200]}") from None


def load_adapter(spec: str, options: dict[str, str]) -> Adapter:
    """Make an adapter from FILE.py:CLASS, passing the options to the class by keyword."""
    file_name, _, class_name = spec.rpartition(":")
    module_spec = importlib.util.spec_from_file_location(pathlib.Path(file_name).stem, file_name)
    if module_spec is None or module_spec.loader is None:
        raise ValueError(f"not FILE.py:CLASS: {spec!r}")
    module = importlib.util.module_from_spec(module_spec)
    module_spec.loader.exec_module(module)
    return getattr(module, class_name)(**options)


# --------------------------------------------------------------------------------------------
# Reading the state through the API


def read_state(client: HttpClient, aois: list[str], symbols: Symbols) -> dict[str, list]:
    """Return all AOIs of the trace, and the scenes and tiles of the named ones."""
    listed = _listing(client, "/aoi/")
    scenes: list[dict] = []
    tiles: list[dict] = []
    for aoi in aois:
        scenes += _listing(client, "/aoi/" + urllib.parse.quote(symbols.aoi(aoi), safe="") + "/scenes")
    for scene in scenes:
        tiles += _listing(client, f"/scene/{scene.get('id')}/tiles")
    return {"aois": aois_of_trace(listed, symbols), "scenes": scenes, "tiles": tiles}


def _listing(client: HttpClient, path: str) -> list[dict]:
    """Return the list of objects of a GET response."""
    answer = client.request("GET", path)
    items = answer.json()
    if answer.status != 200 or not isinstance(items, list) or not all(isinstance(item, dict) for item in items):
        raise UnusableAnswer(f"GET {path} answered {answer.status}, no list of objects: {answer.text[:200]}")
    return items


# --------------------------------------------------------------------------------------------
# Replaying


FLAGS = ("ignore_content_type", "ignore_error_bodies", "allow_extra_fields", "ignore_aoi_status")


@dataclass(frozen=True)
class Refusal:
    """A request that the server wants with more path where the trace has it without."""

    path: str
    status: int
    append: str


@dataclass(frozen=True)
class Tolerance:
    """Deviations of a server that do not fail a trace."""

    ignore_content_type: bool = False
    ignore_error_bodies: bool = False
    exact_errors: bool = False  # compare the text of 5xx answers
    allow_extra_fields: bool = False
    check_jobs: bool = True
    equivalent_status: dict[int, frozenset[int]] = field(default_factory=dict)
    ignore_aoi_status: bool = False
    ignore_fields: frozenset[str] = frozenset()
    fill_fields: frozenset[str] = frozenset()
    refusals: tuple[Refusal, ...] = ()

    def accepts_status(self, expected: int, actual: int) -> bool:
        return actual == expected or actual in self.equivalent_status.get(expected, ())

    def ignores_body(self, status: int) -> bool:
        return status >= 400 and (self.ignore_error_bodies or (status >= 500 and not self.exact_errors))

    def rules(self) -> Rules:
        return Rules(self.allow_extra_fields, self.ignore_fields, self.fill_fields, self.ignore_aoi_status)

    def widened_by(self, deviations: list[dict]) -> Tolerance:
        """This tolerance with the deviations (entries of --deviations) added."""
        wider = self
        for deviation in deviations:
            flags = {flag: True for flag in FLAGS if deviation.get(flag)}
            status = dict(wider.equivalent_status)
            for expected, others in deviation.get("accept_status", {}).items():
                status[int(expected)] = status.get(int(expected), frozenset()) | frozenset(others)
            refusal = deviation.get("append_when_refused")
            wider = replace(
                wider,
                equivalent_status=status,
                ignore_fields=wider.ignore_fields | frozenset(deviation.get("ignore_fields", ())),
                fill_fields=wider.fill_fields | frozenset(deviation.get("fill_fields", ())),
                refusals=wider.refusals + ((Refusal(**refusal),) if refusal else ()),
                **flags,
            )
        return wider


@dataclass(frozen=True)
class Outcome:
    """Outcome of the replay of a trace."""

    name: str
    steps: int
    failure: str | None = None
    skipped: str | None = None


class Replayer:
    """Replays traces against one server."""

    def __init__(self, client: HttpClient, adapter: Adapter, tolerance: Tolerance, keep_aois: bool = False):
        self._client = client
        self._adapter = adapter
        self._tolerance = tolerance
        self._rules = tolerance.rules()
        self._keep_aois = keep_aois

    def tolerating(self, tolerance: Tolerance) -> Replayer:
        """A replayer on the same server that lets other differences pass."""
        return Replayer(self._client, self._adapter, tolerance, self._keep_aois)

    def replay(self, trace: dict, aoi_prefix: str) -> Outcome:
        """Replay a trace up to the first difference."""
        symbols = Symbols(aoi_prefix)
        steps = trace["steps"]
        number, step = 0, {}
        try:
            self._adapter.begin()
            for number, step in enumerate(steps, start=1):
                found = self._replay_step(step, symbols)
                if found:
                    failure = f"step {number}, {describe_step(step)}: {found}"
                    return Outcome(trace["name"], len(steps), failure)
        except (UnboundSymbol, UnusableAnswer, AdapterError, OSError, http.client.HTTPException) as error:
            failure = f"step {number}, {describe_step(step)}: {type(error).__name__}: {error}"
            return Outcome(trace["name"], len(steps), failure)
        finally:
            if not self._keep_aois:
                self._delete_aois(trace, symbols)
        return Outcome(trace["name"], len(steps))

    def _replay_step(self, step: dict, symbols: Symbols) -> Difference | None:
        if "request" in step:
            return self._replay_request(step["request"], step["response"], symbols)
        if "results" in step:
            self._adapter.post_results(render_value(step["results"], symbols))
            return None
        if "jobs" in step:
            return self._replay_jobs(step["jobs"], symbols)
        if "state" in step:
            return self._replay_state(step["state"], symbols)
        if "pages" in step:
            return self._replay_pages(step["pages"], symbols)
        raise AdapterError(f"unknown kind of step: {sorted(step)}")

    def _replay_request(self, request: dict, expected: dict, symbols: Symbols) -> Difference | None:
        answer = self._answer(request, expected["status"], symbols)
        tolerance = self._tolerance
        if not tolerance.accepts_status(expected["status"], answer.status):
            return Difference("status", expected["status"], Absent(f"{answer.status} {answer.text[:200]!r}"))
        if answer.status != expected["status"]:
            return None
        if 300 <= answer.status < 400 or tolerance.ignores_body(answer.status):
            return None
        for name, value in expected.get("headers", {}).items():
            if answer.headers.get(name.lower()) != value:
                return Difference(f"header {name}", value, answer.headers.get(name.lower()))
        if not tolerance.ignore_content_type:
            wanted, got = _media_type(expected["content_type"]), _media_type(answer.content_type)
            if wanted != got:
                return Difference("content type", wanted, got)
        return self._compare_body(expected["body"], answer, symbols)

    def _answer(self, request: dict, expected_status: int, symbols: Symbols) -> Answer:
        """Send a request; repeat it with a longer path if a deviation asks for that."""
        path = render_path(request["path"], symbols)
        rest = encode_body(request, symbols), request.get("headers"), request.get("auth")
        answer = self._client.request(request["method"], path, *rest)
        for refusal in self._tolerance.refusals:
            if expected_status < 400 and answer.status == refusal.status and path.endswith(refusal.path):
                return self._client.request(request["method"], path + refusal.append, *rest)
        return answer

    def _compare_body(self, expected: Any, answer: Answer, symbols: Symbols) -> Difference | None:
        if expected is None:
            return Difference("body", Absent("an empty body"), answer.text) if answer.text else None
        if isinstance(expected, dict) and "$anything" in expected:
            return None
        if isinstance(expected, str):
            return difference_text(expected, answer.text, symbols, "body")
        if isinstance(expected, dict) and "$dot" in expected:
            return difference_dot(expected["$dot"], answer.text, symbols, "body")
        value = answer.json()
        if value is None:
            return Difference("body", expected, answer.text)
        return difference(expected, value, symbols, self._rules, "body")

    def _replay_jobs(self, expected: dict[str, list], symbols: Symbols) -> Difference | None:
        if not self._tolerance.check_jobs:
            return None
        for queue, messages in expected.items():
            actual = self._adapter.new_jobs(queue)
            found = difference({"$unordered": messages}, actual, symbols, self._rules, queue)
            if found:
                return found
        return None

    def _replay_state(self, expected: dict[str, list], symbols: Symbols) -> Difference | None:
        names = [WHOLE_SYMBOL.fullmatch(aoi["ID"])[2] for aoi in expected["aois"]]
        actual = read_state(self._client, names, symbols)
        for part, matcher in (("aois", "$aois"), ("scenes", "$unordered"), ("tiles", "$unordered")):
            wanted = {matcher: expected[part]}
            found = difference(wanted, actual[part], symbols, self._rules.but_partial(), part)
            if found:
                return found
        return None

    def _replay_pages(self, expected: dict, symbols: Symbols) -> Difference | None:
        path = render_path(expected["path"], symbols)
        items: list = []
        for page, size in enumerate(expected["sizes"]):
            listed = _listing(self._client, f"{path}?page={page}&limit={expected['limit']}")
            if len(listed) != size:
                return Difference(f"length of page {page}", size, len(listed))
            items += listed
        return difference({"$unordered": expected["items"]}, items, symbols, self._rules, "pages")

    def _delete_aois(self, trace: dict, symbols: Symbols) -> None:
        """Remove the data of the trace from the server, as far as possible."""
        for name in sorted(aois_created(trace)):
            try:
                self._client.request("DELETE", "/aoi/" + urllib.parse.quote(symbols.aoi(name), safe=""))
            except (OSError, http.client.HTTPException):
                return


def encode_body(request: dict, symbols: Symbols) -> bytes | None:
    """The bytes to send with a request."""
    if "body" in request:
        return json.dumps(render_value(request["body"], symbols), ensure_ascii=False).encode("utf-8", "surrogatepass")
    if "text" in request:
        return render_text(request["text"], symbols).encode("utf-8", "surrogatepass")
    return None


def aois_created(trace: dict) -> set[str]:
    """The names of the AOIs that a trace creates."""
    created = set()
    for step in trace["steps"]:
        request = step.get("request", {})
        path = re.fullmatch(r"/aoi/\{\$aoi:([^}]*)\}", request.get("path", ""))
        if path and request["method"] == "POST":
            created.add(path[1])
    return created


def describe_step(step: dict) -> str:
    """A step in a few words."""
    if "request" in step:
        return f"{step['request']['method']} {step['request']['path']}"
    if "pages" in step:
        return f"pages of {step['pages']['path']}"
    return next(iter(step), "start")


def _media_type(content_type: str | None) -> str | None:
    return None if content_type is None else re.sub(r"\s", "", content_type).lower()


# --------------------------------------------------------------------------------------------
# Command line


def parse_arguments(arguments: list[str] | None = None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description="Replay recorded conversations with a workflow server and report where a server differs."
    )
    parser.add_argument("traces", nargs="+", type=pathlib.Path, metavar="TRACE.json")
    parser.add_argument("--base-url", required=True, help="where the server's API starts")
    parser.add_argument("--token", help="bearer token sent with every request")
    parser.add_argument("--timeout", type=float, default=30, help="seconds to wait for an answer (30)")

    adapters = parser.add_argument_group("result events and jobs")
    adapters.add_argument("--results-path", default="/results", help="where results are posted (/results)")
    adapters.add_argument(
        "--jobs-path", default="/jobs/{queue}?state=queued", help="where jobs are listed (/jobs/{queue}?state=queued)"
    )
    adapters.add_argument("--jobs-items-key", default="", help="key of the list of jobs, if the answer is an object")
    adapters.add_argument("--jobs-id-key", default="id", help="key of a job's id (id)")
    adapters.add_argument("--jobs-payload-key", default="payload", help="key of a job's message (payload)")
    adapters.add_argument("--settle", type=float, default=0, help="seconds to wait after results were posted (0)")
    adapters.add_argument("--no-jobs", action="store_true", help="do not check the published jobs")
    adapters.add_argument("--adapter", metavar="FILE.py:CLASS", help="other means of posting results and reading jobs")
    adapters.add_argument(
        "--adapter-option", action="append", default=[], metavar="KEY=VALUE", help="argument for the adapter class"
    )

    leniency = parser.add_argument_group("what to compare")
    leniency.add_argument("--ignore-content-type", action="store_true", help="do not compare content types")
    leniency.add_argument("--exact-errors", action="store_true", help="also compare the text of 5xx answers")
    leniency.add_argument("--allow-extra-fields", action="store_true", help="let answers have more fields")
    leniency.add_argument(
        "--accept-status",
        action="append",
        default=[],
        metavar="EXPECTED:OTHER,...",
        help="let another status pass where the trace has this one, e.g. 500:400,404,422",
    )
    leniency.add_argument(
        "--deviations",
        action="append",
        default=[],
        type=pathlib.Path,
        metavar="FILE.json",
        help="where the server differs on purpose; may be repeated",
    )
    leniency.add_argument("--skip-quirk", action="append", default=[], metavar="ID", help="skip traces with this quirk")

    parser.add_argument("--aoi-prefix", help="prefix of AOI names (random for each trace)")
    parser.add_argument("--keep", action="store_true", help="do not delete the AOIs of a trace after its replay")
    parser.add_argument("--quiet", action="store_true", help="only print failures and the total")
    return parser.parse_args(arguments)


def parse_equivalent_status(options: list[str]) -> dict[int, frozenset[int]]:
    """From ["500:400,404"] to {500: {400, 404}}."""
    equivalent: dict[int, frozenset[int]] = {}
    for option in options:
        expected, _, others = option.partition(":")
        equivalent[int(expected)] = frozenset(int(other) for other in others.split(","))
    return equivalent


DEVIATION_KEYS = {
    "why",
    "quirk",
    "skip",
    "ignore_fields",
    "fill_fields",
    "accept_status",
    "append_when_refused",
    *FLAGS,
}


def load_deviations(paths: list[pathlib.Path]) -> list[dict]:
    """Read the files of --deviations, and refuse an entry without a reason or with an unknown key."""
    deviations = [entry for path in paths for entry in json.loads(path.read_text(encoding="utf-8"))]
    for deviation in deviations:
        unknown = set(deviation) - DEVIATION_KEYS
        if unknown or not deviation.get("why") or (deviation.get("skip") and "quirk" not in deviation):
            raise ValueError(f"not a deviation: {deviation} (unknown keys: {sorted(unknown)})")
    return deviations


def deviations_of(trace: dict, deviations: list[dict]) -> list[dict]:
    """Return the deviations that apply to a trace."""
    quirks = trace.get("quirks", [])
    return [deviation for deviation in deviations if deviation.get("quirk") in (None, *quirks)]


def reason_to_skip(trace: dict, options: argparse.Namespace, deviations: list[dict]) -> str | None:
    """Why a trace cannot, or shall not, be replayed."""
    if "token" in trace.get("requires", []) and not options.token:
        return "needs --token"
    skipped = set(trace.get("quirks", [])) & set(options.skip_quirk)
    skipped |= {deviation["quirk"] for deviation in deviations if deviation.get("skip")}
    return f"quirk {', '.join(sorted(skipped))}" if skipped else None


def make_adapter(options: argparse.Namespace, client: HttpClient) -> Adapter:
    if options.adapter:
        return load_adapter(options.adapter, dict(option.split("=", 1) for option in options.adapter_option))
    return HttpAdapter(
        client,
        results_path=options.results_path,
        jobs_path=options.jobs_path,
        items_key=options.jobs_items_key,
        id_key=options.jobs_id_key,
        payload_key=options.jobs_payload_key,
        settle_seconds=options.settle,
        read_jobs=not options.no_jobs,
    )


def report(outcome: Outcome, trace: dict, quiet: bool) -> None:
    if outcome.failure:
        quirks = f" [quirks: {', '.join(trace['quirks'])}]" if trace.get("quirks") else ""
        print(f"FAIL {outcome.name}{quirks}: {outcome.failure}", flush=True)
    elif not quiet:
        detail = f"skipped: {outcome.skipped}" if outcome.skipped else f"{outcome.steps} steps"
        print(f"{'skip' if outcome.skipped else 'ok  '} {outcome.name} ({detail})", flush=True)


def main(arguments: list[str] | None = None) -> int:
    options = parse_arguments(arguments)
    client = HttpClient(options.base_url, options.token, options.timeout)
    tolerance = Tolerance(
        ignore_content_type=options.ignore_content_type,
        exact_errors=options.exact_errors,
        allow_extra_fields=options.allow_extra_fields,
        check_jobs=not options.no_jobs,
        equivalent_status=parse_equivalent_status(options.accept_status),
    )
    replayer = Replayer(client, make_adapter(options, client), tolerance, keep_aois=options.keep)
    deviations = load_deviations(options.deviations)
    passed = failed = 0
    for path in options.traces:
        trace = json.loads(path.read_text(encoding="utf-8"))
        differs = deviations_of(trace, deviations)
        skip = reason_to_skip(trace, options, differs)
        if skip:
            report(Outcome(trace["name"], len(trace["steps"]), skipped=skip), trace, options.quiet)
            continue
        prefix = options.aoi_prefix if options.aoi_prefix is not None else new_aoi_prefix()
        outcome = replayer.tolerating(tolerance.widened_by(differs)).replay(trace, prefix)
        report(outcome, trace, options.quiet)
        passed, failed = passed + (outcome.failure is None), failed + (outcome.failure is not None)
    client.close()
    print(f"{passed} passed, {failed} failed")
    return 1 if failed else 0


def new_aoi_prefix() -> str:
    """A prefix for AOI names: letters and digits, so that it means nothing in a name pattern."""
    return f"t{secrets.token_hex(4)}x"


if __name__ == "__main__":
    sys.exit(main())
