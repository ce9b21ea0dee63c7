from __future__ import annotations

import subprocess
import sys

#: msgspec inspects a struct by functions of its module _utils; see `validation.thread_safe_struct`
FIRST_LOOKS = """
import sys

import msgspec
import workflow_monitor.server.extension

looks = []


def watch(frame, event, _):
    if event == "call" and frame.f_code.co_filename.endswith("msgspec/_utils.py"):
        looks.append(kind.__name__)


kinds = [kind for kind in msgspec.Struct.__subclasses__() if kind.__module__.startswith("workflow_monitor.")]
for kind in kinds:
    sys.setprofile(watch)
    try:
        msgspec.convert({}, kind)
    except msgspec.ValidationError:
        pass
    finally:
        sys.setprofile(None)
print(len(kinds) > 5, sorted(set(looks)))
"""


def test_no_thread_is_the_first_to_have_msgspec_look_into_a_class() -> None:
    program = subprocess.run([sys.executable, "-c", FIRST_LOOKS], capture_output=True, text=True, check=True)
    assert program.stdout == "True []\n"
