"""What the commands print fits the terminal: nothing is cut away that tells videos or columns apart."""

from __future__ import annotations

import io
import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.cells import cell_len
from rich.console import Console

from pipeline.cli.output.table import Column, Grid, columns_of, shorten
from pipeline.inputs.manifest import Manifest
from tests.pipeline.cli.conftest import NAMES, Ttprep
from tests.support.projects import manifest_in, write_video


@given(
    st.text(st.characters(exclude_categories=["Cc", "Cs", "Mn", "Me", "Cf"]), max_size=60), st.integers(2, 60)
)
def test_a_path_loses_its_beginning_only(path: str, width: int) -> None:
    shown = shorten(path, width)
    assert cell_len(shown) <= width
    assert shown == path or (shown[0] == "…" and path.endswith(shown[1:]))


def test_a_path_is_cut_at_a_folder() -> None:
    assert shorten("matches/2024/final/left/match1.mp4", 24) == "…/final/left/match1.mp4"


def printed(grid: Grid, width: int) -> list[str]:
    out = io.StringIO()
    grid.print(Console(file=out, width=width))
    return out.getvalue().splitlines()


@given(
    st.lists(st.text("ab/ é", min_size=1, max_size=70), min_size=1, max_size=5, unique=True),
    st.integers(40, 200),
)
def test_no_line_is_wider_than_the_terminal(paths: list[str], width: int) -> None:
    grid = Grid(
        Column("video", "path"),
        *columns_of(["frames", "foreground", "untrimmed"], "state"),
        Column("why", "prose"),
    )
    for path in paths:
        grid.add(path, "done", "missing", "–", "because of this and that " * 4)
    lines = printed(grid, width)
    assert max(map(cell_len, lines)) <= width
    assert "".join(lines).count("done") == len(paths)


def test_paths_that_would_look_alike_are_stacked() -> None:
    grid = Grid(Column("video", "path"), *columns_of(["frames", "foreground", "statistics"], "state"))
    for folder in ("final", "semifinal"):
        grid.add(f"a/long/way/to/the/{folder}/of/the/summer/of/2024/match1.mp4", "done", "done", "failed")
    lines = printed(grid, 60)
    assert lines[0].endswith("/final/of/the/summer/of/2024/match1.mp4")
    assert lines[1:3] == ["  done: frames, foreground", "  failed: statistics"]


def test_the_number_of_cells_is_that_of_the_columns() -> None:
    with pytest.raises(ValueError, match="2 cells in a table of 1 columns"):
        Grid(Column("a")).add("x", "y")


@pytest.mark.parametrize("width", [80, 100, 200])
def test_status_fits(made: Manifest, ttprep: Ttprep, width: int) -> None:
    out = ttprep("status", folder=made.folder, width=width).stdout
    assert max(map(cell_len, out.splitlines())) <= width
    for word in (
        "…" if width < 200 else NAMES[0],
        "b.mp4",
        "statistics",
        "40 frames",
        "120/s",
        "–: not among",
    ):
        assert word in out or (width < 200 and word in ("…", "–: not among"))
    heads = next(line for line in out.splitlines() if "foreground" in line)
    assert heads.count("frames") == 1


def test_status_as_json_says_all(made: Manifest, ttprep: Ttprep) -> None:
    found = json.loads(ttprep("status", "--json", folder=made.folder).stdout)
    by_name = {Path(v["name"]).stem: v for v in found["videos"]}
    assert set(by_name) == set(NAMES)
    video = by_name["b"]
    assert (video["frames"], video["fps"], video["rate"]) == (40, 120.0, "constant")
    assert video["sha256"].startswith(video["id"])
    assert Path(video["path"]).read_bytes()
    for result in video["results"].values():
        assert (result["state"], Path(result["path"]).stat().st_size) == ("done", result["bytes"])


def test_a_run_prints_a_summary_and_what_needs_attention(tmp_path: Path, ttprep: Ttprep) -> None:
    for i in range(3):
        write_video(tmp_path / "videos" / f"good{i}.mp4", 12, i)
    (tmp_path / "videos" / "bad.mp4").write_bytes(b"no video at all")
    manifest_in(tmp_path, annotations=[])
    words = ("run", "--workers", "0", "--stage", "foreground")
    done = ttprep(*words, folder=tmp_path, width=80)
    assert done.exit_code == 3
    assert max(map(cell_len, done.stdout.splitlines())) <= 80 or "bad.mp4: " in done.stdout
    assert "bad.mp4" in done.stdout
    assert "good" not in done.stdout
    frames = next(line for line in done.stdout.splitlines() if "frames" in line and "36" in line)
    assert [c.strip() for c in frames.split("│")[1:-2]] == ["frames", "3", "0", "1", "0", "36"]
    again = ttprep(*words, "--verbose", "--store", "other", folder=tmp_path)
    at = [again.stdout.index(f"good{i}.mp4") for i in range(3)]
    assert at == sorted(at)


def test_quiet_and_verbose(made: Manifest, ttprep: Ttprep) -> None:
    words = ("plan", "--store", "nowhere")
    usual, quiet = (ttprep(*words, *more, folder=made.folder) for more in ((), ("--quiet",)))
    assert "note: " in usual.stderr
    assert "note: " not in quiet.stderr
    assert usual.stdout == quiet.stdout
    both = ttprep(*words, "-q", "-v", folder=made.folder)
    assert (both.exit_code, "exclude each other" in both.stderr) == (2, True)
