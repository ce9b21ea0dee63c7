"""Numbers in messages that distinguish causes: HTTP statuses, exit codes, signals and error codes."""

from __future__ import annotations

import re
from http import HTTPStatus
from string import ascii_letters

#: a number after one of these words is a code
_CODE_WORDS = re.compile(
    "http|https|curl|status|code|exit|exited|errno|signal|sig|rc|returncode|ierr|iostat|hresult"
    "|sqlstate|sqlcode|errcode"
)
_CODE_ENDINGS = ("code", "status", "errno", "signal")
#: a number after one of these words is a code unless it counts the next word
_ERROR_WORDS = re.compile("err|error|errors|exception|ended|finished|terminated|died")
_ERROR_ENDINGS = ("error", "exception")
#: an HTTP status after one of these words is a code unless it counts the next word
_REPLY_WORDS = re.compile(
    "returned|returns|return|response|responded|replied|received|got|answered|failed|failure|rejected"
    "|refused|denied|forbidden|unauthorized|unexpected|get|head|put|post|server|sent"
)
#: a small number at the end of a clause is a code after these
_RETURNS = ("returned", "returns", "return")
#: words between a code and the word that announces it
_LINKS = re.compile("is|was|of|with|by|no|number|value|occurred|said|a|an|the")
#: lower-case words after a code; any other word is counted by the number
_AFTER_CODE = re.compile(
    "for|from|on|in|at|when|while|with|during|by|after|because|returned|received|occurred|was|is|and"
    "|or|but|see|retrying|trying|client|server|not|too|bad|forbidden|unauthorized|internal|service"
    "|gateway|request|gone|conflict"
)
_HTTP_VERSIONS = ("HTTP/1.0", "HTTP/1.1", "HTTP/2", "HTTP/2.0", "HTTP/3")
_PHRASES = {str(status.value): status.phrase.split()[0].lower() for status in HTTPStatus}
_CODE = re.compile(r"-?\d{1,10}|0[xX][0-9a-fA-F]{1,8}", re.ASCII)
_SQLSTATE = re.compile("[0-9A-Z]{5}")
_NEXT_WORD = re.compile(r"[)\]'\"]?[ :,-]{0,2}([A-Za-z]+)")
_CLAUSE_END = re.compile(r"[)\]>'\"]?\s*(?:$|[.:,;!?)\]>-])")
#: characters before and after a number that decide on it
_BEFORE = 60
_AFTER = 24
_MAX_URL = 256


def is_code(text: str, start: int, number: str) -> bool:
    """Return True if the number at this position is a code rather than a count or an id.

    >>> is_code("returned 403", 9, "403"), is_code("returned 403 features", 9, "403"), is_code("exit code: -9", 11, "-9")
    (True, False, True)
    """
    code = number.lstrip("#+")
    if not _CODE.fullmatch(code):
        return _SQLSTATE.fullmatch(code) is not None and _announcing_word(text, start).lower() == "sqlstate"
    if code not in _PHRASES and _continues_list(text, start):
        return False
    following = text[start + len(number) : start + len(number) + _AFTER]
    match = _NEXT_WORD.match(following)
    next_word = match[1] if match else ""
    if code in _PHRASES and next_word.lower() in (_PHRASES[code], "client", "server"):
        return True
    word = _announcing_word(text, start)
    if _CODE_WORDS.fullmatch(word.lower()) or word.lower().endswith(_CODE_ENDINGS) or word.startswith("SIG"):
        return True
    if not code.lstrip("-").isdigit():
        return False
    is_count = following[:1] == " " and next_word.islower() and not _AFTER_CODE.fullmatch(next_word)
    return not is_count and _is_announced(word.lower(), text, start, code, following)


def _continues_list(text: str, start: int) -> bool:
    """Return True if a comma or another number stands before a number."""
    before = text[max(0, start - 10) : start].rstrip()
    return before.endswith((",", ";")) or (before[-1:].isdigit() and not before.endswith(_HTTP_VERSIONS))


def _is_announced(word: str, text: str, start: int, code: str, following: str) -> bool:
    """Return True if a number that counts nothing is a code after this word, or an HTTP status at this position."""
    if _ERROR_WORDS.fullmatch(word) or word.endswith(_ERROR_ENDINGS):
        return len(code) <= 6
    ends_clause = _CLAUSE_END.match(following) is not None
    if word in _RETURNS and ends_clause:
        return len(code) <= 4
    if code not in _PHRASES or _REPLY_WORDS.fullmatch(word):
        return code in _PHRASES
    before = text[max(0, start - _MAX_URL) : start].rstrip()
    follows_request = before.endswith((":", ">", "(")) or "://" in before[before.rfind(" ") + 1 :]
    return int(code) >= 400 and (start == 0 or (ends_clause and follows_request))


def _announcing_word(text: str, start: int) -> str:
    """Return the word that a number follows, without the words that link the two: `code` in `code is 404`."""
    before = text[max(0, start - _BEFORE) : start]
    for _ in range(4):
        before = before.rstrip(" :=[(#'\"<*\t\r\n_-")
        if before.endswith(_HTTP_VERSIONS):
            return "HTTP"
        # ExitCode=0:9 of Slurm: exit code and signal
        if text[start - 1 : start] == ":" and before[-1:].isdigit():
            before = before.rstrip("0123456789").rstrip(" :=")
        word = before[len(before.rstrip(ascii_letters)) :]
        if not _LINKS.fullmatch(word.lower()):
            return word
        before = before[: -len(word)]
    return ""
