"""Views of a video: which focus and samples each has, what they share, and how their keys follow."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import pytest

from pipeline.errors import UserError
from pipeline.inputs.manifest import Manifest
from pipeline.planning.request import Request
from pipeline.planning.survey import Overview, survey
from store import Store
from tests.support.projects import QUIET, TINY, manifest_in, run_here, write_video

HEAD = "video,begin,end,label,player,focus\n"
PLAYERS = {"anna": "left", "ben": "right"}
FOLLOWED = ("people", "player")


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for seed, name in enumerate(("a", "deep/b")):
        write_video(tmp_path / f"videos/{name}.mp4", 30, seed)
    return tmp_path


def table(folder: Path, *lines: str) -> None:
    (folder / "annotations").mkdir(exist_ok=True)
    (folder / "annotations" / "x.csv").write_text(HEAD + "".join(f"{line}\n" for line in lines))


def planned(manifest: Manifest) -> Overview:
    root = manifest.resolve(manifest.store)
    return survey(Request(manifest, root), Store.open(root) if root.exists() else None, QUIET)


def frames_of(manifest: Manifest) -> None:
    """Count the frames; nothing else."""
    from pipeline.planning.request import Where
    from pipeline.run import run

    request = Request(manifest, manifest.resolve(manifest.store), stages=("frames",), where=Where(workers=0))
    assert run(request, QUIET).code == 0


def views(overview: Overview) -> dict[str, Any]:
    """Name of a view below the folder of videos → its focus, as JSON values."""
    return {
        s.name.rpartition("/")[2]: s.focus and s.focus.model_dump(mode="json", exclude_defaults=True)
        for s in overview.sources
    }


LEFT, RIGHT = "left", "right"


def test_the_nearest_entry_says_the_focus_and_everything_else(folder: Path) -> None:
    entries = [
        {"path": "videos", "focus": "left", "player": "carl", "fps": 30},
        {"path": "videos/deep/b.mp4", "focus": None},
    ]
    overview = planned(manifest_in(folder, videos=entries, focus="right"))
    assert views(overview) == {"a.mp4": LEFT, "b.mp4": None}
    assert {s.path.name: (s.player, s.fps) for s in overview.sources} == {
        "a.mp4": ("carl", 30), "b.mp4": ("", None),
    }  # fmt: skip
    assert views(planned(manifest_in(folder, focus="right"))) == {"a.mp4": RIGHT, "b.mp4": RIGHT}


def test_copies_with_another_focus_are_told(folder: Path) -> None:
    shutil.copy(folder / "videos/a.mp4", folder / "videos/deep/a2.mp4")
    entries = [{"path": "videos", "focus": "left"}, {"path": "videos/deep", "focus": "right"}]
    overview = planned(manifest_in(folder, videos=entries))
    assert views(overview) == {"a.mp4": RIGHT, "b.mp4": RIGHT}
    assert [n for n in overview.notes if "deep/a2.mp4 have the same content, but another focus" in n]


def test_clips_take_the_focus_of_their_line_before_that_of_their_source(folder: Path) -> None:
    (folder / "labels.csv").write_text('file,label,focus\na,Up,"[0, 0, 0.25, 1]"\nb,Down,\n')
    source = {"kind": "clips", "path": "videos", "labels": "labels.csv", "focus": "right"}
    overview = planned(manifest_in(folder, videos=[], annotations=[], sources=[source]))
    assert views(overview) == {"a.mp4": [0.0, 0.0, 0.25, 1.0], "b.mp4": RIGHT}
    (folder / "labels.csv").write_text("file,label,focus\na,Up,middle\nb,Down,\n")
    with pytest.raises(UserError, match=r"labels\.csv:2: focus: give left, right, near, .*, not 'middle'"):
        planned(manifest_in(folder, videos=[], annotations=[], sources=[source]))


def test_views_share_what_no_focus_changes(folder: Path) -> None:
    overview = planned(manifest_in(folder, videos=[{"path": "videos/a.mp4", "focus": PLAYERS}]))
    anna, ben = ({p.node.stage.name: p.node for p in plan} for plan in overview.plans.values())
    assert {name for name in anna if anna[name].key == ben[name].key} == {
        "frames", "foreground", "flow", "statistics",
    }  # fmt: skip
    assert anna["roi"].key != ben["roi"].key
    assert (anna["flow"].video[-5:], anna["roi"].video[-12:]) == ("a.mp4", "a.mp4 (anna)")
    assert len(overview.results) == len(anna) + len(ben) - 4


def test_without_a_focus_keys_are_what_they_were(folder: Path) -> None:
    """And with one only those of the ROI and of what reads it are others."""
    plain, left = (
        {p.node.stage.name: p.node.key for p in planned(manifest_in(folder, **more)).results}
        for more in ({}, {"focus": "left"})
    )
    assert {name for name in plain if plain[name] != left[name]} == {"roi", "quality"}


def test_people_are_followed_only_where_a_focus_says_so(folder: Path) -> None:
    entries = ["videos/a.mp4", {"path": "videos/deep/b.mp4", "focus": "auto-near"}]
    overview = planned(manifest_in(folder, videos=entries))
    a, b = ([p.node.stage.name for p in plan] for plan in overview.plans.values())
    assert "people" not in a
    assert {"pose", "people"} <= set(b)
    assert {"pose", "people"} <= set(overview.names)
    assert not set(FOLLOWED) & set(planned(manifest_in(folder)).names)


def test_each_view_has_the_strokes_of_its_player(folder: Path) -> None:
    table(
        folder,
        "a.mp4,2,20,Up,Anna,",
        "a.mp4,2,20,Down,,ben",  # the very interval, another label: nobody disagrees
        "a.mp4,4,22,Down,ben,",
    )
    manifest = manifest_in(folder, videos=[{"path": "videos/a.mp4", "focus": PLAYERS}])
    frames_of(manifest)
    overview = planned(manifest)
    table_ = overview.samples
    assert not [n for n in table_.notes if ": overlap: " not in n]  # of the two by Ben
    found = {
        v.rpartition("/")[2]: [(s.begin, s.end, s.label, s.player, s.view) for s in samples]
        for v, samples in table_.by_view.items()
    }
    assert found == {"anna": [(2, 20, "Up", "anna", "anna")], "ben": [(3, 21, "Down", "ben", "ben")]}
    ids = [s.id for samples in table_.by_view.values() for s in samples]
    sha = overview.sources[0].sha256[:16]
    assert ids == [f"{sha}/anna:2-20", f"{sha}/ben:3-21"]
    assert {s.footage for samples in table_.by_view.values() for s in samples} == {sha}
    assert table_.warnings == ()


def test_a_word_for_the_player_says_whom_to_follow(folder: Path) -> None:
    lines = ("a.mp4,2,18,Up,left,", "a.mp4,3,19,Up,Near,", "a.mp4,20,29,Down,carl,", "a.mp4,4,21,Down,,far")
    table(folder, *lines)
    none = {**TINY["cleaning"], "negatives": {"enabled": False}}
    manifest = manifest_in(folder, videos=[{"path": "videos/a.mp4", "focus": "auto"}], cleaning=none)
    frames_of(manifest)
    overview = planned(manifest)
    assert views(overview) == {
        "a.mp4": "auto",
        "a.mp4 (auto-left)": "auto-left",
        "a.mp4 (auto-near)": "auto-near",
        "a.mp4 (auto-far)": "auto-far",
    }
    nodes = [p.node for p in overview.results]
    cut = {n.source.view: n.samples for n in nodes if n.stage.name == "cuboids"}
    assert cut == {"": ((20, 29),), "auto-left": ((2, 18),), "auto-near": ((3, 19),), "auto-far": ((4, 21),)}
    sha = overview.sources[0].sha256[:16]
    assert all(s.id.startswith(f"{sha}:") for own in overview.samples.by_view.values() for s in own)


def test_without_auto_a_player_called_left_is_a_name(folder: Path) -> None:
    table(folder, "a.mp4,2,18,Up,left,", "a.mp4,20,29,Up,right,")
    focuses: tuple[Any, ...] = ({}, "right", [0.4, 0, 1, 1])
    for focus in focuses:
        manifest = manifest_in(folder, videos=[{"path": "videos/a.mp4", "focus": focus}])
        frames_of(manifest)
        assert list(views(planned(manifest))) == ["a.mp4"]


def test_a_stroke_with_a_focus_of_its_own_has_a_view(folder: Path) -> None:
    table(folder, "a.mp4,2,18,Up,,right", "a.mp4,20,29,Up,,", 'a.mp4,3,19,Down,,"[0, 0, 0.25, 1]"')
    manifest = manifest_in(folder, videos=["videos/a.mp4"])
    frames_of(manifest)
    overview = planned(manifest)
    assert views(overview) == {
        "a.mp4": None,
        "a.mp4 (right)": RIGHT,
        "a.mp4 ([0, 0, 0.25, 1])": [0.0, 0.0, 0.25, 1.0],
    }
    assert run_here(manifest).code == 0
    assert not planned(manifest).to_do()
    table(folder, "a.mp4,20,29,Up,,")
    assert list(views(planned(manifest))) == ["a.mp4"]


def test_annotators_who_look_elsewhere_are_a_finding(folder: Path) -> None:
    table(folder, "a.mp4,2,18,Up,,right", "a.mp4,2,18,Up,,left")
    manifest = manifest_in(folder, videos=["videos/a.mp4"])
    frames_of(manifest)
    overview = planned(manifest)
    assert [n for n in overview.findings if "focus-differs: left / right (line 2, line 3)" in n]
    assert list(views(overview)) == ["a.mp4"]


def test_one_player_with_a_name_is_the_only_view(folder: Path) -> None:
    table(folder, "a.mp4,2,18,Up,,", "a.mp4,20,29,Up,ben,")
    manifest = manifest_in(folder, videos=[{"path": "videos/a.mp4", "focus": {"anna": "left"}}])
    frames_of(manifest)
    overview = planned(manifest)
    assert list(views(overview)) == ["a.mp4 (anna)"]
    assert [n for n in overview.findings if "x.csv:3: unknown-player: " in n]
    assert len(overview.samples.by_view[overview.sources[0].view_id]) == 1


@pytest.mark.parametrize(
    ("value", "says"),
    [
        ("middle", "focus: give left, right, near, far, auto, .*, not 'middle'"),
        ("5", "focus: give left, .*, not '5'"),
        ("[0, 0, 2, 1]", r"focus: give \[left, top, right, bottom\] in 0 to 1; .*, not \[0, 0, 2, 1\]"),
        ("{anna: left, ben: middle}", "focus: ben: give left, .*, not 'middle'"),
        ("{anna: left, Anna: right}", "focus: two players are called 'Anna'; rename one"),
        ("{anna: {of: left}}", "focus: anna: extra inputs are not permitted, not "),
        ("[[0, 0], [1, 1]]", "focus: tuple should have at least 3 items"),
    ],
)
def test_a_bad_focus_is_an_error_with_its_line(folder: Path, value: str, says: str) -> None:
    from pipeline.inputs.manifest import read_manifest

    path = folder / "m.yaml"
    for text, name in (
        (f"\nfocus: {value}\n", ""),
        (f"videos:\n- {{path: a, focus: {value}}}\n", r"videos\.0\."),
    ):
        path.write_text(text)
        with pytest.raises(UserError, match=rf"m\.yaml:2: {name}{says}"):
            read_manifest(path)
    path.write_text("stages: {roi: {focus: left}}\n")
    with pytest.raises(UserError, match=r"m\.yaml:1: roi\.focus is of videos, not of stages; set"):
        read_manifest(path)
