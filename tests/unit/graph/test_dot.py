from __future__ import annotations

import json
import re
import shutil
import subprocess
import sysconfig
import tracemalloc
from collections.abc import Iterator
from itertools import count
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.conformance import replay
from tests.example_graph import CHAIN, Lists, named, shown
from workflow_monitor.domain.status import GRAPHVIZ_COLORS, Status
from workflow_monitor.graph.dot import dot_lines
from workflow_monitor.graph.nodes import SceneNode, TileNode

GRAPHVIZ_PURE = shutil.which("graphviz-pure", path=sysconfig.get_path("scripts")) or "graphviz-pure"
READERS = [GRAPHVIZ_PURE, *filter(None, [shutil.which("dot")])]

#: Names that mean something to dot, to XML or to Python's formatting.
HOSTILE = (
    "",
    " ",
    'Plan "B"',
    "north\\south",
    "ends with \\",
    "ends with \\\\",
    '\\"',
    '\\\\"];\nt9 [label="injected',
    "\\N \\G \\E \\T \\H \\L \\n \\l \\r",
    "two\nlines",
    "\\\ncontinued",
    "\r\n",
    "tab\tstop",
    "\x00\x01\x1b\x7f",
    "\ud800 \ufffe \U0001f6f0",
    "Århus-Ødense 東京",
    "&lt; &amp; &amp;lt; &#0; &#x41; &nosuch; & &; &#; &#x; &amp;#0;",
    "<b>bold</b><script>alert(1)</script>",
    "<<table><tr><td>x</td></tr></table>>",
    "--> ]]> <!-- /* // # {|}",
    "{0} %s %d",
    'URL="javascript:alert(1)"',
    "x" * 5000,
)


def text_of(name: str, source: Lists) -> str:
    return "".join(dot_lines(name, source))


def read(program: str, text: str) -> dict[str, Any]:
    """The graph as Graphviz understands it."""
    done = subprocess.run([program, "-Tdot_json"], input=text.encode(), capture_output=True, check=True, timeout=60)
    graph: dict[str, Any] = json.loads(done.stdout, strict=False)
    return graph


def label(raw: str) -> str:
    """Return a label as Graphviz shows it: without escapes and entities."""
    lines = re.sub(r"\\(.)", lambda escape: "\n" if escape[1] == "n" else escape[1], raw, flags=re.DOTALL)
    return lines.replace("&amp;", "&")


def test_the_example_is_written_to_the_letter() -> None:
    assert (
        text_of("Denmark Demo", CHAIN)
        == r"""digraph "Denmark Demo" {
s1 [label="S1A_20220111\n(id=1)" shape=box color=green];
s2 [label="S1A_20220123\n(id=2)" shape=box color=blue];
s9 [label="S1A_20220204\n(id=9)" shape=box color=red];
t3 [label="A44_IW1_8951\n(id=3)" color=green];
t4 [label="A44_IW1_8979\n(id=4)" color=orange];
t5 [label="A44_IW1_8951\n(id=5)" color=gray];
t6 [label="A44_IW1_8979\n(id=6)" color=green];
s1 -> t3 [color=gray];
s1 -> t4 [color=gray];
s2 -> t5 [color=gray style=dotted];
t3 -> t5 [style=dotted];
s2 -> t6 [color=gray style=dotted];
t4 -> t6;
}
"""
    )


def test_nothing_is_an_empty_graph() -> None:
    assert text_of("empty", Lists()) == 'digraph "empty" {\n}\n'


@pytest.mark.parametrize("status", Status)
def test_each_status_has_its_colour_as_status_or_as_text(status: Status) -> None:
    for given_status in (status, status.value):
        source = Lists([SceneNode(1, "s", given_status)], [TileNode(2, 1, "t", given_status, None, scene_done=False)])
        assert text_of("x", source).count(f"color={GRAPHVIZ_COLORS[status]}]") == 2


def test_plain_tuples_do_as_well() -> None:
    plain = Lists([tuple(node) for node in CHAIN.scene_nodes], [tuple(node) for node in CHAIN.tile_nodes])  # type: ignore[misc]
    assert text_of("x", plain) == text_of("x", CHAIN)


@pytest.mark.parametrize("program", READERS)
def test_graphviz_reads_nodes_edges_and_styles(program: str) -> None:
    graph = read(program, text_of("Denmark Demo", CHAIN))
    nodes = {node["_gvid"]: node["name"] for node in graph["objects"]}
    edges = {(nodes[edge["tail"]], nodes[edge["head"]]): edge.get("style") for edge in graph["edges"]}
    assert graph["name"] == "Denmark Demo"
    assert sorted(nodes.values()) == ["s1", "s2", "s9", "t3", "t4", "t5", "t6"]
    assert edges == {
        ("s1", "t3"): None,
        ("s1", "t4"): None,
        ("s2", "t5"): "dotted",
        ("s2", "t6"): "dotted",
        ("t3", "t5"): "dotted",
        ("t4", "t6"): None,
    }


def assert_read_back(program: str, graph_name: str, names: list[str]) -> None:
    graph = read(program, text_of(graph_name, named(*names)))
    nodes = graph.get("objects", [])
    assert len(nodes) == 2 * len(names)
    assert len(graph.get("edges", [])) == len(names)
    found = {node["name"]: label(node["label"]) for node in nodes}
    for number, name in enumerate(names, 1):
        assert found[f"s{number}"] == found[f"t{number}"] == f"{shown(name)}\n(id={number})"


@pytest.mark.parametrize("program", READERS)
def test_hostile_labels_are_only_labels(program: str) -> None:
    assert_read_back(program, "x", list(HOSTILE))


@pytest.mark.parametrize("program", READERS)
@settings(max_examples=25, deadline=None)
@given(names=st.lists(st.text(), max_size=40))
def test_any_label_is_read_back(program: str, names: list[str]) -> None:
    assert_read_back(program, "x", names)


@pytest.mark.parametrize("program", READERS)
@settings(max_examples=25, deadline=None)
@given(names=st.lists(st.text(alphabet='\\"\n&;#ltx'), max_size=40))
def test_any_mixture_of_what_dot_escapes_is_read_back(program: str, names: list[str]) -> None:
    assert_read_back(program, "x", names)


@pytest.mark.parametrize("program", READERS)
@pytest.mark.parametrize("name", [*HOSTILE, "node", "digraph", "42", "-dash", "_"])
def test_any_graph_name_is_read_back(program: str, name: str) -> None:
    found = read(program, text_of(name, CHAIN))
    assert len(found["objects"]) == 7
    one_more = re.sub(r"\\+(?=[\"\n]|\Z)", lambda run: run[0] + "\\" * (len(run[0]) % 2), name)
    assert found["name"] == re.sub(r"&(#?\w*;)", r"&amp;\1", shown(one_more))


def test_chunks_are_whole_lines_and_not_too_many() -> None:
    chunks = list(dot_lines("x", named(*map(str, range(5000)))))
    assert all(chunk.endswith("\n") for chunk in chunks)
    assert len(chunks) < 30


class Endless:
    """Endless source that counts its consumed items."""

    def __init__(self) -> None:
        self.taken = 0

    def scenes(self) -> Iterator[SceneNode]:
        for number in count():
            self.taken += 1
            yield SceneNode(number, "name", "NEW")

    def tiles(self) -> Iterator[TileNode]:
        raise AssertionError("never reached")


def test_no_more_is_read_than_is_written() -> None:
    source = Endless()
    lines = dot_lines("x", source)
    next(lines)
    next(lines)
    assert source.taken <= 1000


class Many:
    """A chain of a hundred thousand tiles, made as they are asked for."""

    def scenes(self) -> Iterator[SceneNode]:
        return iter([SceneNode(1, "scene", "DONE")])

    def tiles(self) -> Iterator[TileNode]:
        for number in range(100_000):
            yield TileNode(number, 1, "A44_IW1_8951", "NEW", number - 1 if number else None, scene_done=True)


def test_memory_stays_flat_however_large_the_graph() -> None:
    tracemalloc.start()
    try:
        lines = sum(chunk.count("\n") for chunk in dot_lines("x", Many()))
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert lines == 2 + 1 + 100_000 + 100_000 + 99_999
    assert peak < 2_000_000


def test_the_conformance_replayer_reads_it() -> None:
    symbols = replay.Symbols("")
    lines = replay.canonical_dot(text_of("DenmarkDemo", CHAIN), symbols)
    assert lines is not None
    assert lines[0] == "digraph DenmarkDemo {"
    assert len(lines) == 15
