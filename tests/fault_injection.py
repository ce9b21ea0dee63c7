"""Disk faults for the files below a folder: full, read-only, broken or slow, as set by a test.

A seccomp filter with a listener (Linux 5.5 or newer, without privileges) intercepts each write call of a program and its
child processes. The policy of the test allows the call, delays it, or fails it with an error number. The program runs
unmodified, including DuckDB.

`python tests/fault_injection.py SOCKET PROGRAM …` installs the filter, sends its listener over the socket, and executes the
program.
"""

from __future__ import annotations

import ctypes
import errno
import fcntl
import os
import platform
import select
import socket
import struct
import sys
import threading
import time
from collections import Counter
from collections.abc import Callable, Sequence
from contextlib import suppress
from pathlib import Path
from types import TracebackType
from typing import NamedTuple, Self

#: numbers of the intercepted system calls
CALLS = {
    "x86_64": {
        1: "write",
        18: "pwrite64",
        20: "writev",
        74: "fsync",
        75: "fdatasync",
        77: "ftruncate",
        285: "fallocate",
    },
    "aarch64": {
        64: "write",
        68: "pwrite64",
        66: "writev",
        82: "fsync",
        83: "fdatasync",
        46: "ftruncate",
        47: "fallocate",
    },
}
#: `AUDIT_ARCH_…` and the number of seccomp(2)
MACHINES = {"x86_64": (0xC000003E, 317), "aarch64": (0xC00000B7, 277)}
_RECEIVE, _SEND = 0xC0502100, 0xC0182101
_NOTIFICATION, _RESPONSE, _CONTINUE = struct.Struct("<QIIiIQ6Q"), struct.Struct("<QqiI"), 1


class Write(NamedTuple):
    """Intercepted write or sync."""

    call: str
    path: Path

    @property
    def is_sync(self) -> bool:
        return self.call in {"fsync", "fdatasync"}


#: returns 0 or the error number for a call, and may block
Policy = Callable[[Write], int]


def healthy(_: Write) -> int:
    """Disk without faults."""
    return 0


def full(write: Write) -> int:
    """Disk without free space; the mark is overwritten in place and needs none."""
    return 0 if write.is_sync or write.path.suffix == ".mark" else errno.ENOSPC


def read_only(_: Write) -> int:
    """Read-only file system."""
    return errno.EROFS


def remounted(write: Write) -> int:
    """File system that becomes read-only between a write and its sync."""
    return errno.EROFS if write.is_sync else 0


def broken(write: Write) -> int:
    """Disk that loses written data before the sync."""
    return errno.EIO if write.is_sync else 0


def slow(write: Write) -> int:
    """Disk that needs 50 ms for a sync."""
    if write.is_sync:
        time.sleep(0.05)
    return 0


class FailingDisk:
    """Disk for programs started with `command`; its policy applies to writes below `folder`."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._path = folder / "disk.socket"
        self.policy: Policy = healthy
        self.seen: Counter[str] = Counter()
        self._stop = threading.Event()
        self._server = socket.socket(socket.AF_UNIX)
        self._server.bind(str(self._path))
        self._server.listen()
        self._threads = [threading.Thread(target=self._accept, daemon=True)]
        self._threads[0].start()

    def command(self, program: Sequence[str]) -> list[str]:
        """Return the command line that starts a program on this disk."""
        return [sys.executable, __file__, str(self._path), *program]

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.policy = healthy
        self._stop.set()
        for thread in self._threads:
            thread.join(5)
        self._server.close()
        self._path.unlink()

    def _accept(self) -> None:
        while not self._stop.is_set():
            if not select.select([self._server], [], [], 0.1)[0]:
                continue
            connection, _ = self._server.accept()
            with connection:
                _, (listener, *_), _, _ = socket.recv_fds(connection, 1, 1)
                connection.sendall(b".")
            self._threads.append(threading.Thread(target=self._watch, args=(listener,), daemon=True))
            self._threads[-1].start()

    def _watch(self, listener: int) -> None:
        poll = select.poll()
        poll.register(listener, select.POLLIN)
        try:
            while not self._stop.is_set():
                events = poll.poll(100)
                if any(event & select.POLLHUP for _, event in events):
                    return
                if events:
                    self._handle_one(listener)
        finally:
            os.close(listener)

    def _handle_one(self, listener: int) -> None:
        notification = bytearray(_NOTIFICATION.size)
        try:
            fcntl.ioctl(listener, _RECEIVE, notification)
        except OSError:
            return  # the process was killed
        notification_id, process, _, call, _, _, descriptor, *_ = _NOTIFICATION.unpack(notification)
        path = _path_of(process, descriptor)
        if path is None or self._folder not in path.parents:
            _respond(listener, notification_id, 0)
            return
        write = Write(CALLS[platform.machine()][call], path)
        self.seen[write.call] += 1
        threading.Thread(target=lambda: _respond(listener, notification_id, self.policy(write)), daemon=True).start()


def _path_of(process: int, descriptor: int) -> Path | None:
    try:
        return Path(str(Path(f"/proc/{process}/fd/{descriptor}").readlink()).removesuffix(" (deleted)"))
    except OSError:
        return None


def _respond(listener: int, notification_id: int, error: int) -> None:
    response = _RESPONSE.pack(notification_id, 0, -error, 0 if error else _CONTINUE)
    with suppress(OSError):  # the process was killed
        fcntl.ioctl(listener, _SEND, bytearray(response))


# ---- in the intercepted process


class _Instruction(ctypes.Structure):
    _fields_ = (("code", ctypes.c_ushort), ("yes", ctypes.c_ubyte), ("no", ctypes.c_ubyte), ("value", ctypes.c_uint))


class _Program(ctypes.Structure):
    _fields_ = (("length", ctypes.c_ushort), ("filter", ctypes.POINTER(_Instruction)))


def _filter() -> _Program:
    """Return a filter that notifies the listener of these calls and allows all others."""
    machine, calls = MACHINES[platform.machine()][0], list(CALLS[platform.machine()])
    load, equal, verdict, allow, notify = 0x20, 0x15, 0x06, 0x7FFF0000, 0x7FC00000
    steps = [(load, 0, 0, 4), (equal, 0, len(calls) + 1, machine), (load, 0, 0, 0)]
    steps += [(equal, len(calls) - index, 0, call) for index, call in enumerate(calls)]
    steps += [(verdict, 0, 0, allow), (verdict, 0, 0, notify)]
    return _Program(len(steps), (_Instruction * len(steps))(*[_Instruction(*step) for step in steps]))


def _become(path: str, program: Sequence[str]) -> None:
    libc = ctypes.CDLL(None, use_errno=True)
    assert libc.prctl(38, 1, 0, 0, 0) == 0  # no new privileges
    with socket.socket(socket.AF_UNIX) as connection:
        connection.connect(path)
        rules = _filter()
        listener = libc.syscall(MACHINES[platform.machine()][1], 1, 1 << 3, ctypes.byref(rules))
        assert listener >= 0, os.strerror(ctypes.get_errno())
        socket.send_fds(connection, [b"."], [listener])
        os.close(listener)
        assert connection.recv(1)
    os.execvp(program[0], list(program))  # noqa: S606 - the test chooses the program


if __name__ == "__main__":
    _become(sys.argv[1], sys.argv[2:])
