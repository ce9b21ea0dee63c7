"""Rules of trust in files and addresses."""

from __future__ import annotations

import os
import socket
import stat
from pathlib import Path

import pytest

from workflow_monitor.trust import (
    UntrustedFile,
    create_private,
    file_fault,
    folder_fault,
    is_this_host,
    read_trusted,
)

USER, OTHER, ROOT = 1000, 65534, 0
PRIVATE, SHARED = 1000, 100
FILE, FOLDER = stat.S_IFREG, stat.S_IFDIR


def status(mode: int, user: int = USER, group: int = SHARED) -> os.stat_result:
    return os.stat_result((mode, 0, 0, 1, user, group, 0, 0, 0, 0))


@pytest.mark.parametrize(
    ("found", "fault"),
    [
        (status(FILE | 0o600), ""),
        (status(FILE | 0o644), ""),
        (status(FILE | 0o600, ROOT), ""),
        (status(FILE | 0o664, group=PRIVATE), ""),
        (status(FILE | 0o600, OTHER), "it belongs to user 65534"),
        (status(FILE | 0o664), "the users of group 100 can write it (mode 664)"),
        (status(FILE | 0o602), "all users can write it (mode 602)"),
        (status(FILE | 0o666, ROOT), "all users can write it (mode 666)"),
        (status(stat.S_IFLNK | 0o777), "it is a symbolic link"),
        (status(stat.S_IFIFO | 0o600), "it is not a regular file"),
        (status(FOLDER | 0o700), "it is not a regular file"),
    ],
)
def test_a_trusted_file_is_one_that_only_its_user_and_root_can_write(found: os.stat_result, fault: str) -> None:
    assert file_fault(found, USER, PRIVATE) == fault


@pytest.mark.parametrize(
    ("found", "user", "fault"),
    [
        (status(FOLDER | 0o755), USER, ""),
        (status(FOLDER | 0o755, ROOT), USER, ""),
        (status(FOLDER | 0o1777, ROOT), USER, ""),
        (status(FOLDER | 0o775, group=PRIVATE), USER, ""),
        (status(FOLDER | 0o777), USER, "all users can write it (mode 777)"),
        (status(FOLDER | 0o2775), USER, "the users of group 100 can write it (mode 2775)"),
        (status(FOLDER | 0o755, OTHER), USER, "it belongs to user 65534"),
        (status(FOLDER | 0o1777, OTHER), USER, "it belongs to user 65534"),
        (status(FOLDER | 0o755, OTHER), ROOT, ""),
        (status(FOLDER | 0o777, OTHER), ROOT, "all users can write it (mode 777)"),
    ],
)
def test_other_users_cannot_replace_the_files_of_a_trusted_folder(found: os.stat_result, user: int, fault: str) -> None:
    assert folder_fault(found, user, PRIVATE) == fault


def test_the_reason_to_distrust_a_file_is_in_the_error(tmp_path: Path) -> None:
    file = tmp_path / "file"
    file.write_text("content")
    file.chmod(0o600)
    assert read_trusted(file) == b"content"
    file.chmod(0o666)
    with pytest.raises(UntrustedFile) as error:
        read_trusted(file)
    assert error.value.reason == "all users can write it (mode 666)"
    file.chmod(0o600)
    tmp_path.chmod(0o777)
    with pytest.raises(UntrustedFile) as error:
        read_trusted(file)
    assert error.value.reason == "of its folder, all users can write it (mode 777)"
    tmp_path.chmod(0o1777)
    assert read_trusted(file) == b"content"
    (tmp_path / "link").symlink_to(file)
    with pytest.raises(UntrustedFile) as error:
        read_trusted(tmp_path / "link")
    assert error.value.reason == "it is a symbolic link"


def test_opening_a_pipe_does_not_block(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe", 0o600)
    with pytest.raises(UntrustedFile) as error:
        read_trusted(tmp_path / "pipe")
    assert error.value.reason == "it is not a regular file"


def test_a_private_file_replaces_a_symbolic_link(tmp_path: Path) -> None:
    target, link = tmp_path / "target", tmp_path / "link"
    target.write_text("kept")
    link.symlink_to(target)
    previous = os.umask(0)
    try:
        os.close(create_private(link))
    finally:
        os.umask(previous)
    assert target.read_text() == "kept"
    assert link.lstat().st_mode == FILE | 0o600


@pytest.mark.parametrize(
    "host", ["localhost", "LOCALHOST.", "127.0.0.1", "127.8.9.1", "::1", "::ffff:127.0.0.1", socket.gethostname()]
)
def test_loopback_addresses_and_the_own_name_are_of_this_host(host: str) -> None:
    assert is_this_host(host)


@pytest.mark.parametrize(
    "host",
    [
        *("", "192.0.2.1", "2001:db8::1", "0.0.0.0", "::", "224.0.0.1", "::ffff:192.0.2.1"),  # noqa: S104
        *("example.org", "localhost.example.org", "127.0.0.1.example.org", "2130706433", "127.1", "a\x00b"),
    ],
)
def test_other_addresses_and_names_are_of_other_hosts(host: str) -> None:
    assert not is_this_host(host)
