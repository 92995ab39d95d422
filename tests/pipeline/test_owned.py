"""Only what was written here, and is as it was written, is written over."""

from __future__ import annotations

from pathlib import Path

import pytest

from pipeline import owned
from pipeline.errors import UserError
from tests.remedies.following import Says


def test_ones_own_file_is_replaced_and_another_is_not(tmp_path: Path) -> None:
    path = tmp_path / "new" / "a.csv"
    owned.write(path, b"1")
    owned.write(path, b"2")
    assert path.read_bytes() == b"2"
    path.write_bytes(b"mine")
    with pytest.raises(UserError, match="changed since, and is not replaced"):
        owned.write(path, b"3")
    assert path.read_bytes() == b"mine"
    path.unlink()
    owned.write(path, b"3")
    assert path.read_bytes() == b"3"


def test_a_process_killed_between_account_and_file_keeps_its_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "a.csv"
    owned.write(path, b"1")

    def die(*_: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patched:
        patched.setattr(owned, "write_bytes", die)
        with pytest.raises(KeyboardInterrupt):
            owned.write(path, b"2")
    assert path.read_bytes() == b"1"
    owned.write(path, b"3")
    assert path.read_bytes() == b"3"


@pytest.mark.parametrize("account", [b"", b"{", b"[]", b'{"format": "ttprep files", "files": 3}', b"\xff"])
def test_a_damaged_account_makes_every_file_the_users(tmp_path: Path, account: bytes) -> None:
    path = tmp_path / "a.csv"
    owned.write(path, b"1")
    (tmp_path / owned.ACCOUNT).write_bytes(account)
    with pytest.raises(UserError, match="is not replaced"):
        owned.write(path, b"2")


def test_links_and_folders_stay(tmp_path: Path) -> None:
    target = tmp_path / "target"
    target.write_bytes(b"mine")
    (tmp_path / "link.csv").symlink_to(target)
    (tmp_path / "folder.csv").mkdir()
    for name in ("link.csv", "folder.csv"):
        with pytest.raises(UserError, match="is not replaced"):
            owned.write(tmp_path / name, b"1")
    with pytest.raises(UserError) as raised:
        owned.write(target / "a.csv", b"1")
    assert target.read_bytes() == b"mine"
    Says("is no folder; move it elsewhere, or name another folder").of(str(raised.value))
    owned.write(tmp_path / "other" / "a.csv", b"1")
    target.rename(tmp_path / "moved")
    owned.write(target / "a.csv", b"1")
