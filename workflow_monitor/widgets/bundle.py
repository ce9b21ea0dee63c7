"""Bundling of ES modules: anywidget accepts one module per widget."""

from __future__ import annotations

import re
from functools import cache
from pathlib import Path

HERE = Path(__file__).parent
_IMPORT = re.compile(r'^import \{[^}]*\} from "\./([a-z_-]+\.js)";\n', re.MULTILINE)
_BLOCK_COMMENT = re.compile(r"^ */\*\*.*?\*/\n", re.MULTILINE | re.DOTALL)
_EXPORT = re.compile(r"^export (?=(?:async )?(?:function|class|const)\b)", re.MULTILINE)


@cache
def bundle(name: str) -> str:
    """Return a module preceded by its imports, in one scope: top-level names must be unique among the modules.

    Block comments are removed, because each panel sends its bundle to the front end. Only `import { … } from
    "./other.js";` and `export` in front of a declaration are supported.
    """
    return "\n".join(_as_script(module) for module in _in_import_order(name, []))


def _in_import_order(name: str, modules: list[str]) -> list[str]:
    if name in modules:
        return modules
    for imported in _IMPORT.findall((HERE / name).read_text(encoding="utf-8")):
        _in_import_order(imported, modules)
    modules.append(name)
    return modules


def _as_script(name: str) -> str:
    text = (HERE / name).read_text(encoding="utf-8")
    for pattern in (_IMPORT, _BLOCK_COMMENT, _EXPORT):
        text = pattern.sub("", text)
    return f"// {name}\n{text}"
