"""Findings between intervals, the rules of the cleaning, grouping, negatives, taxonomies: by hand."""

from __future__ import annotations

import json
from fractions import Fraction
from pathlib import Path

import pytest
from pydantic import ValidationError

from pipeline.annotations import (
    NEGATIVE,
    STROKES,
    TAXONOMIES,
    Annotation,
    AnnotationOptions,
    Cleaned,
    CleaningParams,
    FileContent,
    NegativeParams,
    Taxonomy,
    VideoFacts,
    canonical,
    clean,
    merge,
    read_annotations,
)

FPS = Fraction(120)
VIDEOS = {"a.mp4": VideoFacts(10_000, FPS, "sha-a"), "b.mp4": VideoFacts(2_000, Fraction(30), "sha-b")}
LOOP, HIT, PUSH = "Offensive Forehand Loop", "Offensive Forehand Hit", "Defensive Backhand Push"


def note(
    begin: int,
    end: int,
    label: str | None = LOOP,
    who: str = "",
    *,
    video: str = "a.mp4",
    file: str = "",
    line: int | None = None,
    player: str = "",
    clip: bool = False,
) -> Annotation:
    line = begin if line is None else line
    return Annotation(video, begin, end, label, who, file or f"{who or 'x'}.xml", line, player, clip)


def run(*notes: Annotation, taxonomy: str = "strokes", **params: object) -> Cleaned:
    return clean(notes, VIDEOS, TAXONOMIES[taxonomy], CleaningParams.model_validate(params))


def counts(*notes: Annotation, **params: float) -> list[int]:
    steps = run(*notes, taxonomy="strokes", **params).waterfall.steps
    return [s.count for s in steps if s.unit != "negatives"]


# findings between the entries of files


def findings(*annotations: Annotation) -> list[tuple[int, str]]:
    return [(i.line, i.kind) for i in merge([FileContent(annotations)], VIDEOS).issues]


def test_reversed_empty_and_out_of_range() -> None:
    assert findings(note(500, 400)) == [(500, "reversed")]
    assert findings(note(500, 500)) == [(500, "reversed")]
    assert findings(note(-5, 100, line=1)) == [(1, "out-of-range")]
    assert findings(note(9_900, 10_000)) == []
    assert findings(note(9_900, 10_001)) == [(9_900, "out-of-range")]


def test_overlap_duplicate_and_unsorted() -> None:
    assert findings(note(100, 200), note(199, 300)) == [(199, "overlap")]
    assert findings(note(100, 200), note(200, 300)) == []
    assert findings(note(300, 400), note(100, 200)) == [(100, "unsorted")]
    twice = (note(100, 200, line=1), note(100, 200, line=2))
    assert findings(*twice) == [(2, "duplicate")]
    # the long one reaches over the one in between
    assert findings(note(100, 900), note(150, 200), note(300, 400)) == [(150, "overlap"), (300, "overlap")]


def test_two_annotators_and_two_players_may_overlap() -> None:
    assert findings(note(100, 200, who="ann"), note(120, 210, who="bob")) == []
    assert findings(note(100, 200, player="left"), note(120, 210, player="right")) == []


def test_duplicates_across_files_need_a_named_annotator() -> None:
    same = [note(100, 200, who=who, file=f"{n}.xml") for who in ("", "ann") for n in (1, 2)]
    contents = [FileContent((a,)) for a in same]
    assert [(i.file, i.kind) for i in merge(contents, VIDEOS).issues] == [("2.xml", "duplicate")]


def test_unknown_video_is_reported_once_a_file() -> None:
    found = merge([FileContent((note(1, 2, video="z"), note(5, 9, video="z")))], VIDEOS).issues
    assert [(i.line, i.kind) for i in found] == [(1, "unknown-video")]
    assert "2 entries, lines 1, 5" in found[0].message


def test_every_row_of_a_misspelled_video_counts(tmp_path: Path) -> None:
    rows = "a.mp4,1,2,Up\nA_2.mp4,1,2,Up\nnet_1080_aa.mp4,3,4,Up\nnet_1080_aa.mp4,5,6,Down\n"
    (tmp_path / "s.csv").write_text("video,begin,end,label\n" + rows)
    videos = dict.fromkeys(("v/net_1080_a.mp4", "v/a.mp4"), next(iter(VIDEOS.values())))
    seconds = AnnotationOptions.model_validate({"csv": {"unit": "seconds"}})
    found = read_annotations([tmp_path / "s.csv"], videos=videos, options=seconds)
    assert found.counts() == {"unknown-video": 2}
    assert "2 entries, lines 4, 5; much like it: net_1080_a.mp4); add" in found.issues[1].message
    steps = clean(found.annotations, videos, TAXONOMIES["strokes"], unplaced=found.unplaced).waterfall.steps
    assert [(s.count, s.dropped) for s in steps[:2]] == [(4, {}), (1, {"unknown-video": 3})]
    assert steps[0].by_class == {"(Down)": 1, "(Up)": 3}


def test_same_bytes_under_two_names(tmp_path: Path) -> None:
    for name in ("run1/a.xml", "run2/a.xml"):
        (tmp_path / name).parent.mkdir()
        (tmp_path / name).write_text(f'<video><action begin="120" end="220" move="{LOOP}"/></video>')
    found = read_annotations([tmp_path, tmp_path / "run1/a.xml"], videos=VIDEOS)
    assert found.counts() == {"duplicate-file": 1}
    assert len(found.annotations) == 2


# rule by rule


HAND = (
    note(0, 100, who="ann"),  # begins at frame 0
    note(9_950, 10_050, who="ann"),  # ends after the video
    note(10, 90, who="bob", video="nowhere"),  # of an unknown video
    note(300, 371, who="ann"),  # 71 frames: 0.592 s
    note(300, 577, who="bob"),  # 277 frames: 2.308 s
    note(600, 500, who="bob"),  # reversed
    note(1_000, 1_072, who="ann"),  # 0.6 s exactly; one action with the next
    note(1_010, 1_082, who="bob"),
    note(1_500, 1_776, PUSH, who="ann"),  # 2.3 s exactly
    note(2_000, 2_100, LOOP, who="ann"),  # one action, two labels
    note(2_010, 2_110, HIT, who="bob"),
    note(2_500, 2_600, "Drive", who="cy"),  # no such class
)


def test_waterfall_by_hand() -> None:
    result = run(*HAND)
    steps = {s.name: s for s in result.waterfall.steps}
    assert result.waterfall.counts() == {
        "read": 12,
        "of a known video": 11,
        "not at frame 0": 10,
        "inside the video": 9,
        "0.6-2.3 s": 6,
        "grouped into actions": 4,
        "agreed labels": 3,
        "kept": 2,
        "negatives": 0,
    }
    assert steps["not at frame 0"].dropped == {"starts-at-0": 1}
    assert steps["of a known video"].dropped == {"unknown-video": 1}
    assert steps["inside the video"].dropped == {"outside-video": 1}
    assert steps["0.6-2.3 s"].dropped == {"too-long": 1, "too-short": 2}
    assert steps["agreed labels"].dropped == {"labels-disagree": 1}
    assert steps["kept"].dropped == {"unknown-label": 1}
    assert steps["negatives"].dropped == {"in videos with fewer than 11 actions": 3}
    assert steps["read"].by_annotator == {"ann": 6, "bob": 5, "cy": 1}
    assert steps["0.6-2.3 s"].by_annotator == {"ann": 3, "bob": 2, "cy": 1}
    assert steps["grouped into actions"].by_annotator == {"ann": 3, "bob": 2, "cy": 1}
    assert steps["kept"].by_annotator == {"ann": 2, "bob": 1}
    assert steps["read"].by_class == {HIT: 1, LOOP: 9, PUSH: 1, "(Drive)": 1}
    assert steps["grouped into actions"].by_class == {LOOP: 1, PUSH: 1, "(Drive)": 1, "(labels disagree)": 1}
    assert steps["kept"].by_class == {LOOP: 1, PUSH: 1}
    assert [(s.id, s.label, s.annotators) for s in result.samples] == [
        ("sha-a:1005-1077", LOOP, ("ann", "bob")),
        ("sha-a:1500-1776", PUSH, ("ann",)),
    ]
    # every drop can be found, file and line: that of the unknown video where it is read
    assert sorted((i.file, i.line, i.kind) for i in result.issues) == [
        ("ann.xml", 0, "starts-at-0"),
        ("ann.xml", 300, "too-short"),
        ("ann.xml", 2000, "labels-disagree"),
        ("ann.xml", 9950, "outside-video"),
        ("bob.xml", 300, "too-long"),
        ("bob.xml", 600, "too-short"),
        ("cy.xml", 2500, "unknown-label"),
    ]


def test_duration_follows_the_frame_rate() -> None:
    # 30 fps: 18 to 69 frames
    lasting = [(17, 0), (18, 1), (69, 1), (70, 0)]
    for frames, kept in lasting:
        assert counts(note(100, 100 + frames, video="b.mp4"))[-1] == kept
    ntsc = {"c": VideoFacts(1_000, Fraction(30_000, 1_001))}
    # 18 frames of 29.97 fps last 0.6006 s, 17 0.567 s
    result = clean([note(10, 28, video="c"), note(100, 117, video="c")], ntsc, TAXONOMIES["strokes"])
    assert [s.begin for s in result.samples] == [10]


def test_limits_are_parameters() -> None:
    assert counts(note(100, 160), min_seconds=0.5) == [1] * 7
    assert counts(note(100, 200), max_seconds=0.7)[3:] == [0] * 4
    with pytest.raises(ValidationError, match="no stroke would be kept"):
        CleaningParams(min_seconds=3)


# grouping


def groups(*annotations: Annotation) -> list[tuple[int, int, int]]:
    return [(a.begin, a.end, len(a.members)) for a in run(*annotations).actions]


def test_overlap_of_a_quarter_of_the_shorter_is_two_actions_and_more_is_one() -> None:
    # the shorter lasts 80 frames: a quarter is 20
    assert groups(note(100, 180), note(160, 280)) == [(100, 180, 1), (160, 280, 1)]
    assert groups(note(100, 180), note(159, 280)) == [(129, 230, 2)]


def test_action_takes_the_median_limits() -> None:
    assert groups(note(100, 200), note(104, 206), note(160, 236)) == [(104, 206, 3)]
    assert groups(note(100, 200), note(105, 206)) == [(102, 203, 2)]


def test_chain_is_one_action_and_reported() -> None:
    chain = (note(100, 200), note(150, 250), note(200, 300))
    result = run(*chain)
    assert [len(a.members) for a in result.actions] == [3]
    assert [i.kind for i in result.issues] == ["chained"]


def test_named_players_are_two_actions_unless_equal() -> None:
    left, right = note(100, 200, player="left"), note(120, 220, HIT, player="right")
    assert groups(left, right) == [(100, 200, 1), (120, 220, 1)]
    assert groups(left, note(120, 220, HIT)) == [(110, 210, 2)]
    assert groups(left, note(100, 200, HIT, player="right")) == [(100, 200, 2)]
    assert [s.player for s in run(left, right).samples] == ["left", "right"]


def test_two_actions_of_one_median_interval_leave_one_sample() -> None:
    result = run(note(100, 200, player="left"), note(104, 204, player="left"), note(102, 202, player="right"))
    assert len(result.actions) == 2
    assert [s.id for s in result.samples] == ["sha-a:102-202"]
    assert [i.kind for i in result.issues] == ["duplicate"]


def test_labels_agree_where_nobody_contradicts() -> None:
    assert [s.label for s in run(note(100, 200), note(105, 200, None)).samples] == [LOOP]
    assert run(note(100, 200), note(105, 200, HIT)).samples == ()
    unnamed = run(note(100, 200, None), note(105, 200, None), taxonomy="detection")
    assert [s.label for s in unnamed.samples] == [None]


def test_one_content_under_two_names_is_one_video() -> None:
    videos = {"x/copy.mp4": VIDEOS["a.mp4"], **VIDEOS}
    copies = [note(100, 200), note(104, 204, video="x/copy.mp4")]
    result = clean(copies, videos, TAXONOMIES["strokes"])
    assert [(s.video, s.id) for s in result.samples] == [("a.mp4", "sha-a:102-202")]


def test_clips_begin_at_0_but_are_held_to_the_duration() -> None:
    videos = {"k.mp4": VideoFacts(150, FPS), "l.mp4": VideoFacts(900, FPS)}
    clips = [
        note(0, 150, video="k.mp4", clip=True),
        note(0, 900, video="l.mp4", clip=True),
        note(0, 900, NEGATIVE, video="l.mp4", clip=True),
    ]
    result = clean(clips[:2], videos, TAXONOMIES["strokes"])
    assert [s.video for s in result.samples] == ["k.mp4"]
    assert [i.kind for i in result.issues] == ["too-long"]
    assert [s.label for s in clean(clips[2:], videos, TAXONOMIES["strokes"]).samples] == [NEGATIVE]


# negatives


def rally(n: int = 11, step: int = 300, length: int = 100, label: str = LOOP) -> list[Annotation]:
    return [note(100 + i * step, 100 + i * step + length, label) for i in range(n)]


def negatives(notes: list[Annotation], **params: object) -> list[tuple[int, int]]:
    result = run(*notes, negatives=NegativeParams.model_validate(params))
    return [(s.begin, s.end) for s in result.samples if s.label == NEGATIVE]


def test_negatives_fill_the_gaps_with_ten_frames_of_either_neighbour() -> None:
    expected = [(190 + i * 300, 410 + i * 300) for i in range(10)]
    assert negatives(rally()) == expected
    assert negatives(rally(), overlap=0) == [(b + 10, e - 10) for b, e in expected]


def test_ten_actions_are_too_few() -> None:
    assert negatives(rally(10)) == []
    assert len(negatives(rally(10), min_actions=10)) == 9


def test_gap_of_80_frames_is_long_enough_and_79_is_not() -> None:
    assert len(negatives(rally(step=180))) == 10
    assert negatives(rally(step=179)) == []
    assert len(negatives(rally(step=179), min_frames=99)) == 10


def test_action_whose_labels_disagree_still_bounds_gaps() -> None:
    rows = [*rally(), note(250, 350, HIT), note(250, 350, PUSH)]
    # 200-250 and 350-400 are too short now: 70 frames with the neighbours' ten each
    assert negatives(rows) == [(190 + i * 300, 410 + i * 300) for i in range(1, 10)]


def test_gap_begins_where_the_last_of_two_players_ends() -> None:
    rows = [*rally(), note(120, 195, player="right"), note(400, 500, player="right")]
    rows[0] = note(100, 260, player="left")
    rows[1] = note(400, 500, player="left")
    assert negatives(rows)[0] == (250, 410)


def test_cap_is_twice_the_mean_class_size() -> None:
    # 11 loops and 4 pushes: mean 7.5, cap 15 of 14 gaps; 12 + 1 + 1: mean 14/3, cap 10 of 13 gaps
    assert (
        len(negatives([*rally(11), *(note(3_400 + i * 300, 3_500 + i * 300, PUSH) for i in range(4))])) == 14
    )
    rows = [*rally(12), note(3_700, 3_800, PUSH), note(4_000, 4_100, HIT)]
    capped = negatives(rows)
    assert len(capped) == 10
    everything = negatives(rows, cap=None)
    assert len(everything) == 13
    assert set(capped) < set(everything)
    assert negatives(rows, seed=1) != capped
    assert negatives(rows, cap=0) == []
    step = run(*rows).waterfall.steps[-1]
    assert (step.count, step.dropped) == (10, {"over the cap of 10": 3})


def test_negative_classes_of_the_paper() -> None:
    # 1048 actions of 20 classes: the mean is 52.4, rounded up 53
    video = {"v": VideoFacts(400_000, FPS)}
    rows = [note(100 + i * 300, 200 + i * 300, STROKES[i % 20], video="v") for i in range(1_048)]
    steps = clean(rows, video, TAXONOMIES["strokes"]).waterfall.counts()
    assert (steps["kept"], steps["negatives"]) == (1_048, 106)


def test_annotated_negatives_count_and_replace_the_gap() -> None:
    rows = [*rally(), note(195, 405, NEGATIVE)]
    result = run(*rows)
    found = [(s.begin, s.end) for s in result.samples if s.label == NEGATIVE]
    assert found == [(195, 405)] + [(190 + i * 300, 410 + i * 300) for i in range(1, 10)]
    assert result.waterfall.steps[-1].dropped == {"annotated as negative": 1}


def test_negatives_can_be_cleared_by_hand_and_cut() -> None:
    assert (190, 410) not in negatives(rally(), cleared=("sha-a:190-410",))
    assert negatives(rally(), max_frames=100)[0] == (250, 350)
    assert negatives(rally(), enabled=False) == []


def test_choice_does_not_depend_on_the_view() -> None:
    rows = [*rally(12), *(note(3_700 + i * 300, 3_800 + i * 300, "Drive") for i in range(3))]
    found = {
        name: [s.id for s in run(*rows, taxonomy=name).samples if s.label == NEGATIVE] for name in TAXONOMIES
    }
    assert len(set(map(tuple, found.values()))) == 1


# taxonomies


def test_the_21_classes_in_the_order_of_the_paper() -> None:
    names = TAXONOMIES["strokes"].names
    assert names[:8] == tuple(
        f"Serve {hand} {spin}"
        for hand in ("Forehand", "Backhand")
        for spin in ("Backspin", "Loop", "Sidespin", "Topspin")
    )
    assert names[8:14] == tuple(
        f"Offensive {h} {s}" for h in ("Forehand", "Backhand") for s in ("Hit", "Loop", "Flip")
    )
    assert names[14:20] == tuple(
        f"Defensive {h} {s}" for h in ("Forehand", "Backhand") for s in ("Push", "Block", "Backspin")
    )
    assert names[20:] == (NEGATIVE,)


@pytest.mark.parametrize("name", TAXONOMIES)
def test_every_view_has_a_class_for_every_label(name: str) -> None:
    view = TAXONOMIES[name]
    assert {view.class_of(label) for label in (*STROKES, NEGATIVE)} == set(view.names)
    assert view.class_of("negative") == NEGATIVE


def test_views_of_one_label() -> None:
    classes = {name: view.class_of("serve_backhand_sidespin") for name, view in TAXONOMIES.items()}
    assert classes == {
        "strokes": "Serve Backhand Sidespin",
        "families": "Serve",
        "hands": "Backhand",
        "families-hands": "Serve Backhand",
        "detection": "Stroke",
    }
    assert TAXONOMIES["detection"].class_of(None) == "Stroke"
    assert TAXONOMIES["strokes"].class_of(None) is None
    assert TAXONOMIES["families"].class_of("Serve Forehand") == "Serve"
    assert TAXONOMIES["strokes"].class_of("Serve Forehand") is None


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("Serve_Forehand_Backspin", "Serve Forehand Backspin"),
        ("  offensive   BACKHAND-flip ", "Offensive Backhand Flip"),
        ("de\u0301fensif", "Défensif"),
        ("__", ""),
    ],
)
def test_canonical(text: str, expected: str) -> None:
    assert canonical(text) == expected


def test_user_taxonomy() -> None:
    view = Taxonomy.model_validate(
        {
            "name": "mine",
            "classes": {"Spin": ["*loop", "* topspin"], "Flat [x]": "flat [x]"},
            "unlabelled": "Spin",
        }
    )
    assert [view.class_of(t) for t in ("Offensive Forehand Loop", "flat [X]", "flat x", None)] == [
        "Spin",
        "Flat [x]",
        None,
        "Spin",
    ]
    assert Taxonomy.model_validate({"name": "n", "classes": ["A", "B b"]}).class_of("b_B") == "B b"
    with pytest.raises(ValidationError, match="none of its classes"):
        Taxonomy.model_validate({"name": "n", "classes": ["A"], "unlabelled": "B"})
    # no negative class: no negatives are made
    assert "negatives" not in clean(rally(), VIDEOS, view).waterfall.counts()


# report


def test_report_is_json() -> None:
    report = run(*HAND).waterfall.to_json()
    assert json.loads(json.dumps(report)) == report
    assert [s["count"] for s in report["steps"]] == [12, 11, 10, 9, 6, 4, 3, 2, 0]
    assert report["parameters"]["same_action"] == 0.25
    assert report["taxonomy"] == "strokes"


def test_the_name_of_a_class_belongs_to_it() -> None:
    """What a network of a coarse taxonomy predicts has a class there when it is read back."""
    for taxonomy in TAXONOMIES.values():
        assert [taxonomy.class_of(name) for name in taxonomy.names] == list(taxonomy.names)
    assert TAXONOMIES["families"].class_of("serve") == "Serve"
    odd = Taxonomy(name="odd", classes={"A": ("B",), "B": ("c*",)})
    assert [odd.class_of(label) for label in ("a", "b", "c", "d")] == ["A", "A", "B", None]
