r"""The dependency graph as dot text, the language of Graphviz.

```
digraph "AOI" {
s1 [label="SOURCE_ID\n(id=1)" shape=box color=green];     scenes, by id
t1 [label="TILE\n(id=1)" color=blue];                     tiles, scene by scene, by id
s1 -> t1 [color=gray];                                    edges, tile by tile: from its scene, from the tile it follows;
t1 -> t2 [style=dotted];                                  dotted until the scene, or the tile that follows, is DONE
}
```
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from itertools import islice

from workflow_monitor.domain.status import GRAPHVIZ_COLORS, Status
from workflow_monitor.graph.nodes import GraphSource, SceneNode, TileNode

#: Lines in one chunk of text: about 80 kB.
CHUNK_LINES = 1000

#: start of the attributes of a node; unique, because quotes in texts are escaped
NODE_MARK = ' [label="'

#: characters to escape: quotes, backslashes, entities, characters outside XML and UTF-8
_SPECIAL = re.compile('["\\\\&\x00-\x08\n-\x1f\x7f\ud800-\udfff\ufffe\uffff]')

#: backslashes before a quote, a newline or the end, which they would escape; a match starts at the first of a run, which
#: keeps the search linear
_BACKSLASHES_AT_END = re.compile(r'(?<!\\)\\+(?=["\n]|\Z)')

#: Graphviz reads `&lt;` as HTML does, in labels and in names, and trips over `&;` and `&#;`.
_ENTITY = re.compile(r"&(?=#?\w*;)")

#: U+2400 and following are the pictures of the control characters.
_PICTURES = {
    **{code: 0x2400 + code for code in range(0x20) if chr(code) not in "\t\n"},
    0x7F: 0x2421,
    **dict.fromkeys([*range(0xD800, 0xE000), 0xFFFE, 0xFFFF], 0xFFFD),
}

_COLOURS = {str(status): colour for status, colour in GRAPHVIZ_COLORS.items()}


def dot_lines(name: str, source: GraphSource, cut: str = "") -> Iterator[str]:
    """Yield the graph as dot text, in chunks of whole lines; memory does not grow with the graph.

    `name`, of the AOI or a pattern, is the title. `cut` describes a subgraph, and is empty for the whole graph.
    """
    yield f"digraph {quoted_name(name)} {{\n"
    if cut:
        yield f'label="{label_text(cut)}" labelloc=t;\n'
    yield from _chunks(_scene_lines(source.scenes()))
    yield from _chunks(_tile_lines(source.tiles()))
    yield from _chunks(_edge_lines(source.tiles()))
    yield "}\n"


def quoted_name(text: str) -> str:
    r"""A text as the quoted name of a graph.

    Dot has no way to write an odd number of backslashes before a quote, a line end or the end: there, one is added.

    >>> print(quoted_name('Plan "B"'), quoted_name("north\\south"))
    "Plan \"B\"" "north\south"
    """
    if _SPECIAL.search(text) is None:
        return f'"{text}"'
    paired = _BACKSLASHES_AT_END.sub(lambda match: match[0] + "\\" * (len(match[0]) % 2), text)
    escaped = paired.replace('"', '\\"')
    return f'"{_printable(escaped)}"'


def label_text(text: str) -> str:
    r"""A text as it stands within the quotes of a label, so that Graphviz shows it literally.

    A line feed breaks the line; other control characters are shown as their pictures.

    >>> print(label_text('the "A" \\N'))
    the \"A\" \\N
    """
    if _SPECIAL.search(text) is None:
        return text
    return _printable(text.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n"))


def _printable(text: str) -> str:
    return _ENTITY.sub("&amp;", text).translate(_PICTURES)


def _scene_lines(scenes: Iterable[SceneNode]) -> Iterator[str]:
    for number, source_id, status in scenes:
        yield f's{number}{NODE_MARK}{label_text(source_id)}\\n(id={number})" shape=box color={_COLOURS[status]}];\n'


def _tile_lines(tiles: Iterable[TileNode]) -> Iterator[str]:
    for number, _, source_id, status, _, _ in tiles:
        yield f't{number}{NODE_MARK}{label_text(source_id)}\\n(id={number})" color={_COLOURS[status]}];\n'


def _edge_lines(tiles: Iterable[TileNode]) -> Iterator[str]:
    for number, scene, _, status, previous, scene_done in tiles:
        yield f"s{scene} -> t{number} [color=gray{'' if scene_done else ' style=dotted'}];\n"
        if previous is not None:
            yield f"t{previous} -> t{number}{'' if status == Status.DONE else ' [style=dotted]'};\n"


def _chunks(lines: Iterator[str]) -> Iterator[str]:
    while chunk := "".join(islice(lines, CHUNK_LINES)):
        yield chunk
