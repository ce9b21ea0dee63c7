"""Templates of messages: the constant text of a worker's message, with placeholders for its variable parts.

Two messages have one template if they differ only in dates, ids, names of products and hosts, paths, addresses, sizes
and durations. Codes stay: the HTTP status, the exit code, the signal and errno distinguish causes.

A message is text of a client, so the work is bounded for any text: each token starts where the one before it ended, the
patterns have possessive or bounded repetitions, and the count of tokens is limited.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Iterator
from functools import lru_cache
from string import ascii_letters

from workflow_monitor.domain.message_codes import is_code

NO_MESSAGE = "(no message)"

#: longest template, in characters: of a longer one, the start and the end, which names the error of a traceback
MAX_LENGTH = 500
_HEAD = 300
_TAIL = MAX_LENGTH - _HEAD - 1
#: characters of the message from which the start and the end of a long template are made
_MAX_HEAD_INPUT = 20_000
_MAX_TAIL_INPUT = 800
_MAX_TOKENS = 500
#: a longer run without spaces is data rather than a name
_MAX_NAME = 256

# ---- tokens

_MONTH = (
    "(?:(?i:jan(?:uary)?|feb(?:ruary)?|mar(?:ch)?|apr(?:il)?|june?|july?|aug(?:ust)?|sept?(?:ember)?|oct(?:ober)?"
    "|nov(?:ember)?|dec(?:ember)?)|May|MAY)"
)
_WEEKDAY = "(?i:mon|tue|tues|wed|thu|thur|thurs|fri|sat|sun)(?i:day|nesday|sday|rsday|urday)?"
_TIME = r"\d{1,2}:\d\d(?::\d\d(?:[.,]\d{1,9})?)?(?: ?[AaPp][Mm])?"
_DAY = (
    r"(?:\d{4}[-/.]\d{1,2}[-/.]\d{1,2}|\d{1,2}[-/.]\d{1,2}[-/.]\d{4}|\d{1,2}/\d{1,2}/\d\d|\d{4}-\d{3}"
    rf"|\d{{1,2}}(?:st|nd|rd|th)?[- /.]{{0,2}}{_MONTH}[- /.,]{{0,2}}\d{{2,4}}"
    rf"|{_MONTH}[-. ]{{1,2}}\d{{1,2}}(?:,? \d{{4}}(?!:))?)"
)
_ZONE = r" ?(?:Z|UTC|GMT|CES?T|[ECMP][SD]T|[-+]\d\d:?\d\d)"
_DATE = (
    rf"(?:(?:{_WEEKDAY}[,.]? )?{_DAY}(?:(?:[Tt_:]|,? |-| at ){_TIME}(?:{_ZONE})?(?: \d{{4}})?)?"
    rf"|\d{{8}}[T_-]\d{{6}}(?:[.]\d{{1,9}})?Z?|\d{{1,2}}:\d\d:\d\d(?:[.,]\d{{1,9}})?(?:{_ZONE})?)(?!\w)"
)
_UUID = r"[0-9a-fA-F]{8}-(?:[0-9a-fA-F]{4}-){3}[0-9a-fA-F]{12}(?![\w-])"
_IPV4 = r"\d{1,3}(?:\.\d{1,3}){3}(?::\d{1,5})?(?:/\d{1,2})?(?!\.?\w)"
_H = "[0-9a-fA-F]{1,4}"
_IPV6 = (
    rf"\[?(?:{_H}(?::{_H}){{0,6}}::(?:{_H}(?::{_H}){{0,6}})?|::{_H}(?::{_H}){{0,6}}|{_H}(?::{_H}){{3,7}})"
    r"(?:%\w{1,15})?(?:/\d{1,3})?(?:\](?::\d{1,5})?)?(?!\w)"
)
_URL = (
    r"(?:/vsi[a-z0-9_]{1,20}/)?[A-Za-z][A-Za-z0-9+.-]*+://"
    r"(?:[^\s'\"`<>()\[\]{}|,;]++|\([^\s()]{0,200}\)|\[[0-9A-Fa-f:.%]{2,45}\]|[,;](?=[\w%&=]))*+"
)
_PATH = (
    r"(?:[A-Za-z]:(?=[\\/])|\.{1,2}(?=[\\/])|~(?=/))?[\\/](?=[\w.$~%@+-])"
    r"(?:[^\s:'\"`<>()\[\]{}|,;]++|\([^\s()]{1,80}\))*+"
)
_NUMBER = r"[-+]?(?:\d{1,18}(?:[.,]\d{1,18}){0,4}|\.\d{1,18})(?:[eE][-+]?\d{1,3})?"
_SIZE = r" ?(?:[kKMGTP]i?[Bb](?:/s|ps)?|[Bb]ytes?|[KMGT]i|B|(?:kilo|mega|giga)bytes?)(?![\w-])"
_PERIOD = (
    r"(?:\d{1,12}(?:[.,]\d{1,9})?(?:h|ms|us|µs|ns|m|s|d)){1,6}(?![\w-])"
    r"|\d{1,12}(?:[.,]\d{1,9})? ?"
    r"(?:hours?|hrs?|minutes?|mins?|seconds?|secs?|milliseconds?|msecs?|days?|h|ms|us|µs|ns|s)(?![\w-])"
)

#: kinds of tokens in the order of matching; a kind in angle brackets is a placeholder
_KINDS = {
    "words": rf"(?:(?!{_MONTH}\b|{_WEEKDAY}\b|[A-Z]{{12}})[A-Za-z]++ )++",
    "space": r"\s++",
    "escape": r"\x1b?\[\d{1,3}(?:;\d{1,3}){0,4}m|\x1b(?:\[[0-?]{0,20}[ -/]{0,4}[@-~]|\][^\x07\x1b]{0,200}[\x07\x1b])",
    "url": _URL,
    "date": _DATE,
    "uuid": _UUID,
    "address": rf"{_IPV4}|{_IPV6}",
    "path": _PATH,
    "size": rf"{_NUMBER}\.?{_SIZE}",
    "duration": _PERIOD,
    "n": rf"{_NUMBER} ?%|[-+]?\d{{1,3}}(?:,\d{{3}}){{1,4}}(?![\w,]|\.\d)",
    # nodes of a Slurm job: node[0123-0126]
    "nodes": r"[a-z][a-z0-9_.-]{0,60}\[(?:0\d{1,12}|\d{1,12}[-,]\d{1,12})[\d,-]{0,300}\]",
    "comma": r"[,;]\s*+",
    "chunk": r"[A-Za-z0-9_.@#~%+$^\\/-]++(?:={1,2}(?![^\s,;)\]}'\"]))?",
    "other": r"[^\x00-\x7f]++|.",
}
_TOKEN = re.compile("|".join(f"(?P<{kind}>{pattern})" for kind, pattern in _KINDS.items()), re.ASCII | re.DOTALL)
_PLACEHOLDERS = {kind: f"<{kind}>" for kind in ("date", "uuid", "address", "size", "duration", "n")}

# ---- names

_NUMBER_ALONE = re.compile(
    r"[-+]?(?:\d+(?:[._]\d+)*|\.\d+)(?:[eE][-+]?\d+)?(?:st|nd|rd|th)?|\d+(?:[xX]\d+)+|v\d+(?:\.\d+)*"
)
_HEX = re.compile(r"0[xX][0-9a-fA-F]+|(?=[a-fA-F]*\d)(?=\d*[a-fA-F])[0-9a-fA-F]{7,}")
#: terms with digits that are not variable
_TERMS = re.compile(
    r"(?i:HTTP/?[123](?:\.\d)?|utf-?(?:8|16|32)|iso-?8859-\d+|cp125\d|latin-?1|ascii|u?int(?:8|16|32|64)|c?float(?:16|32|64)"
    r"|complex\d+|sha-?\d+|md5|crc32c?|base64|ipv[46]|tls(?:v?1(?:\.\d)?)?|sslv?3|x86(?:_64)?|amd64|arm64|i686|win32"
    r"|k8s|s3|ec2|hdf[-_]?(?:eos)?[45]|h5py?|netcdf[34]|jp2|jpeg2000|python[23]?|urllib[23]|boto3?|log4j2?|proj[4-9]?|gdal[23]?"
    r"|sentinel-?\d[a-d]?|landsat-?\d|s[1-6][a-d]?|l[0-4][a-c]?)"
)
_ERROR_CODE = re.compile(
    r"(?i:(?:[a-z]+[-_])*(?:ora|tns|pls|err|error|http|errno|code|status|signal|exit|sqlcode|rc)[-_]?\d{1,5})"
)
_GRANULE = re.compile(r"[A-Z][A-Z0-9_]{2,15}\.A?\d{7}\.")
_MGRS = re.compile(r"T?\d{1,2}[C-HJ-NP-X][A-HJ-NP-Z][A-HJ-NP-V]")
#: suffixes of Kubernetes have no vowels
_POD = re.compile(
    r"[a-z0-9][a-z0-9.-]*-(?:(?=[a-z]*\d)[a-f0-9]{6,10}-|[bcdfghjklmnpqrstvwxz2456789]{6,10}-)?[bcdfghjklmnpqrstvwxz2456789]{5}"
)
_TEMPORARY = re.compile(r"tmp[a-z0-9_]{6,10}")
_HOST = re.compile(
    r"(?:[A-Za-z0-9_-]++\.)+(?:com|org|net|edu|gov|mil|int|eu|de|fr|it|es|nl|at|ch|uk|us|cloud|local|internal|cluster|svc|lan|localdomain)"
)
_PIECE = re.compile(r"[A-Za-z0-9]+")
_DIGITS = re.compile(r"\d+")
#: words before the name of a machine
_MACHINES = frozenset(["pod", "pods", "container", "node", "nodes", "host", "hostname", "nodename", "worker"])
#: words before a random text
_SECRETS = frozenset(["token", "signature", "secret"])
_TRAILING = ".-+#@~%$^/\\"


def message_template(message: str) -> str:
    """Return a message with placeholders for its variable parts, as one line of at most `MAX_LENGTH` characters.

    >>> message_template("open /tmp/2f1a-77/S1A_IW_SLC__1SDV_20220111T170124.dim: no such file or directory")
    'open <path>: no such file or directory'
    >>> message_template("Get https://archive.example.org/p(12)/$value: status 503 Service Unavailable")
    'Get <url>: status 503 Service Unavailable'
    >>> message_template("tile 12 waited 10m0s since 2022-01-04T10:34:31Z")
    'tile <n> waited <duration> since <date>'
    >>> message_template("MOD09GA.A2020001.h18v04.061.2020312345678.hdf: HDF5 error")
    '<name>: HDF5 error'
    """
    text = message.strip()
    head, is_complete = _fold(text[:_MAX_HEAD_INPUT], MAX_LENGTH, _MAX_TOKENS)
    if is_complete and len(text) <= _MAX_HEAD_INPUT and len(head) <= MAX_LENGTH:
        return head or NO_MESSAGE
    tail, _ = _fold(text[-_MAX_TAIL_INPUT:], sys.maxsize, sys.maxsize)
    return f"{head[:_HEAD]}…{tail[-_TAIL:]}"


def _fold(text: str, max_length: int, max_tokens: int) -> tuple[str, bool]:
    """Return the template of a text, and False if it stops early, beyond `max_length` characters or `max_tokens` tokens."""
    parts: list[str] = []
    length = 0
    for count, part in enumerate(_fold_tokens(text)):
        if count > max_tokens or length > max_length:
            return "".join(parts), False
        if _continues_list(parts, part):
            length -= len(parts.pop())
        elif part and not (part == " " and parts and parts[-1].endswith(" ")):
            parts.append(part)
            length += len(part)
    return "".join(parts).strip(), True


def _continues_list(parts: list[str], part: str) -> bool:
    """Return True if a placeholder repeats the one before the last separator, as in `3, 5, 7`."""
    return (
        len(parts) > 1 and part.endswith(">") and part[0] == "<" and parts[-2] == part and parts[-1] in (" ", ", ", ",")
    )


def _fold_tokens(text: str) -> Iterator[str]:
    for token in _TOKEN.finditer(text):
        kind, value = str(token.lastgroup), token[0]
        if kind in _PLACEHOLDERS:
            yield _PLACEHOLDERS[kind]
        elif kind == "space":
            yield " "
        elif kind == "comma":
            yield value[0] + " " * (len(value) > 1)
        elif kind in ("url", "path"):
            kept = len(value.rstrip(".:!?"))
            yield f"<{kind}>{value[kept:]}"
        elif kind == "nodes":
            yield _fold_piece(value[: value.index("[")] + "0")
        elif kind == "chunk":
            yield _fold_chunk(text, token.start(), value)
        else:
            yield "" if kind == "escape" else value


def _fold_chunk(text: str, start: int, chunk: str) -> str:
    if len(chunk) > _MAX_NAME:
        return "<name>"
    has_digit = _DIGITS.search(chunk) is not None
    core = chunk.rstrip(_TRAILING)
    if core.isalpha() and not core.isupper():
        return chunk
    if has_digit and is_code(text, start, core):
        return chunk
    is_id = has_digit or "-" in core or (core.isupper() and len(core) > 7)
    if is_id and (placeholder := _placeholder_after_word(text, start, core)):
        return placeholder + chunk[len(core) :].replace("=", "")
    return _fold_name(core) + chunk[len(core) :]


def _placeholder_after_word(text: str, start: int, core: str) -> str:
    """Return the placeholder of a value whose announcing word makes it an id or the name of a machine; empty if none does."""
    before = text[max(0, start - 40) : start].rstrip(" :=#'\"([\t\r\n")
    word = before[len(before.rstrip(ascii_letters)) :]
    if word.endswith(("Id", "ID")) or word in ("id", "jobid", "pid", "tid", "requestid", "stepid"):
        return "<n>"
    if word.lower() in _SECRETS and len(core) > 15:
        return "<n>"
    if word.lower() in _MACHINES and not _NUMBER_ALONE.fullmatch(core):
        return "<name>"
    return ""


@lru_cache(4096)
def _fold_name(core: str) -> str:
    """Return a name with placeholders for its variable parts. The patterns backtrack over `_MAX_NAME` characters at most."""
    if _TERMS.fullmatch(core) or _ERROR_CODE.fullmatch(core):
        return core
    if _NUMBER_ALONE.fullmatch(core) or _HEX.fullmatch(core):
        return "<n>"
    if "/" in core or "\\" in core:
        return _fold_slashes(core)
    if "@" in core[1:]:
        return "<address>"
    if _HOST.fullmatch(core):
        return "<host>"
    if _POD.fullmatch(core):
        return "<name>"
    digits = sum(map(str.isdigit, core))
    if not digits or core.endswith(("Exception", "Error")):
        return core
    pieces = [piece for piece in _PIECE.findall(core) if _DIGITS.search(piece)]
    if all(map(_TERMS.fullmatch, pieces)):
        return core
    is_composite = len(pieces) > 1 and digits >= 8
    if is_composite or "_" in core or _GRANULE.match(core) or _MGRS.fullmatch(core) or _TEMPORARY.fullmatch(core):
        return "<name>"
    return _PIECE.sub(lambda piece: _fold_piece(piece[0]), core)


def _fold_slashes(core: str) -> str:
    parts = re.split(r"[\\/]", core)
    if len(parts) == 2 and all(part.isdigit() or part.isalpha() for part in parts):
        return _DIGITS.sub("<n>", core)
    return "<path>"


def _fold_piece(piece: str) -> str:
    if _HEX.fullmatch(piece):
        return "<n>"
    kinds = "".join("0" if character.isdigit() else "a" for character in piece)
    switches = kinds.count("0a") + kinds.count("a0")
    if switches > 2 or (switches == 2 and len(piece) > 5):
        return "<n>"
    return _DIGITS.sub("<n>", piece)
