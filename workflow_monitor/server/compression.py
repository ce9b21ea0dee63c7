"""Compression of responses with gzip."""

from __future__ import annotations

import zlib

#: bytes; shorter bodies are sent as they are
MIN_LENGTH = 1024
#: the fastest level, at which lists of scenes already shrink to a tenth
LEVEL = 1
_GZIP_FORMAT = 16 + zlib.MAX_WBITS


def accepts_gzip(accept_encoding: str) -> bool:
    """Return True if an Accept-Encoding header permits gzip.

    >>> accepts_gzip("br, gzip;q=0.8"), accepts_gzip("gzip;q=0, *"), accepts_gzip("*"), accepts_gzip("")
    (True, False, True, False)
    """
    weights = {}
    for part in accept_encoding[:2000].lower().split(","):
        coding, _, weight = part.partition(";")
        weights[coding.strip()] = weight.replace(" ", "").removeprefix("q=").strip("0.") != "" or not weight
    return weights.get("gzip", weights.get("*", False))


def gzipped(body: bytes) -> bytes:
    """Return a complete body, compressed."""
    return GzipStream().finish(body)


class GzipStream:
    """Compresses the parts of one response."""

    def __init__(self) -> None:
        self._compressor = zlib.compressobj(LEVEL, zlib.DEFLATED, _GZIP_FORMAT)

    def compress(self, part: bytes) -> bytes:
        """Return compressed bytes that are ready to be sent; may be empty."""
        return self._compressor.compress(part)

    def finish(self, part: bytes) -> bytes:
        """Return the compressed last part."""
        return self._compressor.compress(part) + self._compressor.flush()
