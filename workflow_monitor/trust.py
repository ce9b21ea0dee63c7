"""Trust in files beside a store and in Jupyter's runtime directory, and in the addresses that such files contain.

In a folder that other users can write, any user can create a file with the expected name. A file is trusted only if this
user or root owns it, and only they can write it or replace it.
"""

from __future__ import annotations

import errno
import grp
import ipaddress
import os
import pwd
import socket
import stat
from pathlib import Path

ROOT = 0


class UntrustedFile(PermissionError):
    """A file or folder that another user owns or can write."""

    def __init__(self, path: Path, reason: str) -> None:
        self.reason = reason
        super().__init__(errno.EPERM, reason, str(path))


def file_fault(status: os.stat_result, user: int, private_group: int | None) -> str:
    """Return the reason to distrust a file; "" if only `user` and root can write it.

    `private_group` is a group without other members, which may write; see `private_group_of`.
    """
    if stat.S_ISLNK(status.st_mode):
        return "it is a symbolic link"
    if not stat.S_ISREG(status.st_mode):
        return "it is not a regular file"
    return _owner_fault(status, user) or _mode_fault(status, private_group)


def folder_fault(status: os.stat_result, user: int, private_group: int | None) -> str:
    """Return the reason to distrust the files of a folder; "" if other users cannot replace files of `user`.

    In a folder with the sticky bit, only the owner of a file can replace it. Root may use the folders of all users, where
    the owner of the folder cannot create files of root.
    """
    fault = _owner_fault(status, user) if user != ROOT else ""
    return fault or ("" if status.st_mode & stat.S_ISVTX else _mode_fault(status, private_group))


def _owner_fault(status: os.stat_result, user: int) -> str:
    return "" if status.st_uid in {user, ROOT} else f"it belongs to user {status.st_uid}"


def _mode_fault(status: os.stat_result, private_group: int | None) -> str:
    mode = f"(mode {stat.S_IMODE(status.st_mode):o})"
    if status.st_mode & stat.S_IWOTH:
        return f"all users can write it {mode}"
    if status.st_mode & stat.S_IWGRP and status.st_gid != private_group:
        return f"the users of group {status.st_gid} can write it {mode}"
    return ""


def private_group_of(user: int) -> int | None:
    """Return the primary group of a user if it has the name of the user and no other members."""
    try:
        account = pwd.getpwuid(user)
        group = grp.getgrgid(account.pw_gid)
    except KeyError:
        return None
    is_private = group.gr_name == account.pw_name and not set(group.gr_mem) - {account.pw_name}
    return group.gr_gid if is_private else None


def fault_of_folder(folder: Path) -> str:
    """Return the reason to distrust the files of an existing folder, "" for a safe one. Follow symbolic links.

    Raise OSError if the folder cannot be read.
    """
    user = os.geteuid()
    link = folder.lstat()
    reason = _owner_fault(link, user) if stat.S_ISLNK(link.st_mode) else ""
    return reason or folder_fault(folder.stat(), user, private_group_of(user))


def fault_of_file(path: Path, status: os.stat_result | None = None) -> str:
    """Return the reason to distrust an existing file in a safe folder; see `fault_of`."""
    user = os.geteuid()
    return file_fault(status or path.lstat(), user, private_group_of(user))


def fault_of(path: Path, status: os.stat_result | None = None) -> str:
    """Return the reason to distrust an existing file, "" for a safe one; raise OSError if its status cannot be read.

    `status` is the status of the file if it is open already.
    """
    if fault := fault_of_file(path, status):
        return fault
    fault = fault_of_folder(path.parent)
    return f"of its folder, {fault}" if fault else ""


def open_trusted(path: Path, flags: int) -> int:
    """Open an existing file and return its descriptor; raise UntrustedFile with the reason, or OSError."""
    try:
        # without O_NONBLOCK, opening a pipe would block
        descriptor = os.open(path, flags | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    except OSError as error:
        if error.errno == errno.ELOOP:
            raise UntrustedFile(path, "it is a symbolic link") from None
        raise
    try:
        fault = fault_of(path, os.fstat(descriptor))
    except OSError:
        os.close(descriptor)
        raise
    if fault:
        os.close(descriptor)
        raise UntrustedFile(path, fault)
    return descriptor


def read_trusted(path: Path) -> bytes:
    """Return the contents of a file; raise UntrustedFile with the reason, or OSError."""
    with os.fdopen(open_trusted(path, os.O_RDONLY), "rb") as file:
        return file.read()


def create_private(path: Path) -> int:
    """Replace a file by an empty one that only its owner can read, and return its descriptor. Follow no symbolic link."""
    path.unlink(missing_ok=True)
    return os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)


def is_this_host(host: str) -> bool:
    """Return True for a loopback address, the name of this machine, or an address of one of its interfaces.

    Other names are not resolved: another party may change their addresses.
    """
    host = host.rstrip(".").casefold()
    if host in {"localhost", socket.gethostname().rstrip(".").casefold()}:
        return True
    try:
        address = ipaddress.ip_address(host)
    except ValueError:
        return False
    return address.is_loopback or _is_local(address)


def _is_local(address: ipaddress.IPv4Address | ipaddress.IPv6Address) -> bool:
    """Return True if a socket can be bound to an address, which must be one of this machine."""
    if address.is_unspecified or address.is_multicast:
        return False
    family = socket.AF_INET6 if address.version == 6 else socket.AF_INET
    try:
        with socket.socket(family, socket.SOCK_DGRAM) as probe:
            probe.bind((str(address), 0))
    except OSError:
        return False
    return True
