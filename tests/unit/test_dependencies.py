"""pyproject.toml declares every package that workflow_monitor imports."""

from __future__ import annotations

import ast
import re
import sys
import tomllib
from importlib.metadata import packages_distributions

from tests.paths import ROOT

#: Packages that only the modules below these folders or files may import, by the extra that brings them.
EXTRA_MODULES = {
    "dask": ("dask/",),
    "hub": ("server/jupyterhub.py",),
    "postgres": ("store/postgres/",),
    "test": ("testing/",),
}


def normalize(name: str) -> str:
    return re.sub(r"[-_.]+", "-", re.split(r"[\[<>=!~; ]", name)[0]).lower()


def imports(text: str) -> set[str]:
    """Top-level names of the third-party imports of a module."""
    names: set[str] = set()
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.Import):
            names.update(alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            names.add(node.module)
    return {name.split(".")[0] for name in names} - sys.stdlib_module_names - {"workflow_monitor"}


def test_every_imported_package_is_declared() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]
    base = {normalize(line) for line in project["dependencies"]}
    extras = {extra: {normalize(line) for line in lines} for extra, lines in project["optional-dependencies"].items()}
    distributions = packages_distributions()
    package = ROOT / "workflow_monitor"
    undeclared = []
    for path in sorted(package.rglob("*.py")):
        relative = path.relative_to(package).as_posix()
        allowed = base.union(*(extras[extra] for extra, paths in EXTRA_MODULES.items() if relative.startswith(paths)))
        undeclared += [
            f"{relative}: {name}"
            for name in sorted(imports(path.read_text("utf-8")))
            if allowed.isdisjoint(normalize(one) for one in distributions.get(name, [name]))
        ]
    assert undeclared == []
