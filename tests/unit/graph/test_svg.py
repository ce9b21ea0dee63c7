from __future__ import annotations

import os
import shutil
import sysconfig
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from xml.etree import ElementTree as ET

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.example_graph import CHAIN, Lists, named, shown
from tests.unit.graph.test_dot import HOSTILE
from workflow_monitor.domain.errors import StoreUnavailable
from workflow_monitor.graph.dot import dot_lines
from workflow_monitor.graph.svg import (
    ATTRIBUTES,
    ELEMENTS,
    MAX_NODES,
    DrawingFailed,
    GraphTooLarge,
    NoDrawingProgram,
    drawing_program,
    render_svg,
)

SECONDS = 60
NAMESPACE = "{http://www.w3.org/2000/svg}"
#: The search path with a system's Graphviz, if there is one, and without: then graphviz-pure draws.
SEARCH_PATHS = [pytest.param(os.environ["PATH"], id="as-installed"), pytest.param("", id="without-system-graphviz")]


@pytest.fixture(params=SEARCH_PATHS)
def either_program(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", request.param)


@pytest.fixture
def chain() -> str:
    return "".join(dot_lines("Denmark Demo", CHAIN))


def drawn(name: str, source: Lists) -> ET.Element:
    return parsed(render_svg(dot_lines(name, source), SECONDS))


def parsed(picture: bytes) -> ET.Element:
    return ET.fromstring(picture)  # noqa: S314 -- the drawing under test


def groups(picture: ET.Element) -> dict[str, ET.Element]:
    return {group.get("id", ""): group for group in picture.iter(f"{NAMESPACE}g")}


def texts(group: ET.Element) -> list[str]:
    return ["".join(text.itertext()).replace("\xa0", " ") for text in group.iter(f"{NAMESPACE}text")]


def assert_harmless(picture: ET.Element) -> None:
    for element in picture.iter():
        assert element.tag.removeprefix(NAMESPACE) in ELEMENTS
        plain = {name for name in element.attrib if "}" not in name} - {"role"}
        assert plain <= ATTRIBUTES
        assert not any(name.startswith("on") or "href" in name or name == "style" for name in element.attrib)


# --- drawings


def test_the_systems_dot_draws_where_there_is_one_and_graphviz_pure_otherwise(monkeypatch: pytest.MonkeyPatch) -> None:
    assert Path(drawing_program()).name == ("dot" if shutil.which("dot") else "graphviz-pure")
    monkeypatch.setenv("PATH", "")
    assert Path(drawing_program()).name == "graphviz-pure"


@pytest.mark.usefixtures("either_program")
def test_each_scene_tile_and_edge_is_a_group_with_an_id() -> None:
    found = groups(drawn("Denmark Demo", CHAIN))
    assert set(found) - {"graph0"} == (
        {"s1", "s2", "s9", "t3", "t4", "t5", "t6"} | {"s1_t3", "s1_t4", "s2_t5", "s2_t6"} | {"t3_t5", "t4_t6"}
    )
    assert texts(found["t4"]) == ["A44_IW1_8979", "(id=4)"]
    shape = found["t4"].find(f"{NAMESPACE}ellipse")
    assert shape is not None
    assert shape.get("stroke") == "orange"
    dotted = {name for name, group in found.items() if any(part.get("stroke-dasharray") for part in group)}
    assert dotted == {"s2_t5", "s2_t6", "t3_t5"}


@pytest.mark.usefixtures("either_program")
def test_drawing_can_be_embedded_in_html(chain: str) -> None:
    picture = render_svg(chain, SECONDS)
    assert picture.startswith(b"<svg ")
    assert b"<!" not in picture
    assert b"<?" not in picture
    assert b"ns0:" not in picture


@pytest.mark.usefixtures("either_program")
def test_fonts_do_not_depend_on_the_machine() -> None:
    fonts = {text.get("font-family") for text in drawn("x", CHAIN).iter(f"{NAMESPACE}text")}
    assert fonts == {"Helvetica, Arial, sans-serif"}


def test_graphviz_pure_draws_the_same_each_time(chain: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "")
    assert render_svg(chain, SECONDS) == render_svg(chain.splitlines(keepends=True), SECONDS)


@pytest.mark.usefixtures("either_program")
def test_an_empty_graph_is_an_empty_picture() -> None:
    picture = drawn("empty", Lists())
    assert_harmless(picture)
    assert texts(picture) == []


# --- hostile names


def assert_shown(names: list[str]) -> None:
    picture = drawn("x", named(*names))
    assert_harmless(picture)
    found = groups(picture)
    for number, name in enumerate(names, 1):
        lines = [line for line in shown(name).replace("\xa0", " ").split("\n") if line]
        for node in (f"s{number}", f"t{number}"):
            assert [line for line in texts(found[node]) if line] == [*lines, f"(id={number})"]


@pytest.mark.usefixtures("either_program")
def test_hostile_names_are_shown_literally() -> None:
    assert_shown(list(HOSTILE))


@pytest.mark.parametrize("search_path", SEARCH_PATHS)
@settings(max_examples=15, deadline=None)
@given(names=st.lists(st.text() | st.text(alphabet='\\"\n&;#ltx '), max_size=20))
def test_any_name_is_shown_literally(search_path: str, names: list[str]) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PATH", search_path)
        assert_shown(names)


@pytest.mark.usefixtures("either_program")
@pytest.mark.parametrize("name", HOSTILE)
def test_hostile_graph_names_do_no_harm(name: str) -> None:
    picture = drawn(name, CHAIN)
    assert_harmless(picture)
    assert set(groups(picture)) >= {"s1", "t3", "t4_t6"}


# --- errors


def test_too_many_nodes_are_refused_before_anything_runs_or_is_read_to_the_end() -> None:
    taken = 0

    def endless() -> Iterator[str]:
        nonlocal taken
        while True:
            taken += 1
            yield 's1 [label="x"];\n' * 1000

    with pytest.raises(GraphTooLarge) as refused:
        render_svg(endless(), SECONDS)
    assert refused.value.status == 422
    assert refused.value.extra == {"nodes": MAX_NODES + 1000}
    assert "6,000 scenes and tiles" in refused.value.detail
    assert "5,000" in refused.value.detail
    assert "dot text" in refused.value.detail
    assert taken == MAX_NODES // 1000 + 1


def test_the_limit_itself_is_drawn(chain: str) -> None:
    assert render_svg(chain, SECONDS, max_nodes=7)
    with pytest.raises(GraphTooLarge, match="7 scenes and tiles or more; at most 6 are drawn"):
        render_svg(chain, SECONDS, max_nodes=6)


def test_names_are_not_counted_as_nodes(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "")
    assert render_svg(dot_lines(' [label="', named(' [label="' * 50)), SECONDS, max_nodes=2)


def install_dot(folder: Path, monkeypatch: pytest.MonkeyPatch, script: str) -> None:
    """Make a program of this name the system's `dot`."""
    program = folder / "dot"
    program.write_text(f"#!/bin/sh\n{script}\n")
    program.chmod(0o755)
    monkeypatch.setenv("PATH", str(folder))


def test_when_time_is_up_the_program_is_killed(chain: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    install_dot(tmp_path, monkeypatch, f"echo $$ > {tmp_path}/pid; exec /bin/sleep 100")
    started = time.monotonic()
    with pytest.raises(GraphTooLarge, match=r"more than 0\.5 seconds"):
        render_svg(chain, 0.5)
    assert time.monotonic() - started < 30
    with pytest.raises(ProcessLookupError):
        os.kill(int((tmp_path / "pid").read_text()), 0)


@pytest.mark.parametrize(
    "script",
    [
        "echo 'syntax error near: secret' >&2; exit 1",
        "kill -9 $$",
        "echo not xml",
        "echo '<svg xmlns=\"http://www.w3.org/2000/svg\"><script>alert(1)</script></svg>'",
        'echo \'<svg xmlns="http://www.w3.org/2000/svg"><a href="javascript:alert(1)">x</a></svg>\'',
        "echo '<html/>'",
    ],
)
def test_a_program_that_fails_or_draws_anything_else_is_an_error(
    chain: str, script: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    install_dot(tmp_path, monkeypatch, script)
    with pytest.raises(DrawingFailed) as failed:
        render_svg(chain, SECONDS)
    assert failed.value.status == 500
    assert "secret" not in failed.value.detail


def test_a_program_that_does_not_read_its_input_is_an_error(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    install_dot(tmp_path, monkeypatch, "exit 3")
    with pytest.raises(DrawingFailed):
        render_svg(dot_lines("x", named(*["x" * 1000] * 2000)), SECONDS)


def test_a_program_that_cannot_start_is_an_error(chain: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    install_dot(tmp_path, monkeypatch, "")
    (tmp_path / "dot").write_text("#!/no/such/interpreter\n")
    with pytest.raises(DrawingFailed):
        render_svg(chain, SECONDS)


def test_attributes_that_are_not_known_are_left_out(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    drawing = '<svg xmlns="http://www.w3.org/2000/svg" onload="alert(1)"><g id="s1" style="x"/></svg>'
    install_dot(tmp_path, monkeypatch, f"echo '{drawing}'")
    picture = parsed(render_svg("", SECONDS))
    assert_harmless(picture)
    assert set(groups(picture)) == {"s1"}


def test_without_any_program_it_says_what_to_install(
    chain: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", "")
    monkeypatch.setattr(sysconfig, "get_path", lambda _: str(tmp_path))
    with pytest.raises(NoDrawingProgram, match="pip install graphviz-pure") as missing:
        render_svg(chain, SECONDS)
    assert missing.value.status == 501


@pytest.mark.timeout(60)
def test_a_stopped_drawing_kills_the_program(chain: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    install_dot(tmp_path, monkeypatch, f"echo $$ > {tmp_path}/pid; exec /bin/sleep 1000")
    stop = threading.Event()
    with ThreadPoolExecutor(1) as pool:
        drawing = pool.submit(render_svg, chain, 1000, is_stopped=stop.is_set)
        while not (tmp_path / "pid").exists() or not (tmp_path / "pid").read_text().strip():
            time.sleep(0.01)
        stop.set()
        with pytest.raises(StoreUnavailable, match="shutting down"):
            drawing.result()
    with pytest.raises(ProcessLookupError):
        os.kill(int((tmp_path / "pid").read_text()), 0)
