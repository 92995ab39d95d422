"""What is planned, and the reasons that are given for it."""

from __future__ import annotations

import os
import shutil
from pathlib import Path
from typing import Any

import pytest

from pipeline.errors import UserError
from pipeline.inputs.manifest import Manifest
from pipeline.inputs.sources import Source
from pipeline.planning.graph import build, wanted_stages
from stages.base import upstream_of
from stages.registry import registry
from tests.support.command_line import FAST, as_json, stage_files, ttprep, write_clip, write_manifest

SOURCE = Source(Path("a.mp4"), "a.mp4", "ab" * 32)


#: values other than the default, of a stage that shares names with others
IN_SPACE = {
    "method": "depth", "model": "lite", "crop": "detector", "depth_output": "metric", "depth_input": "unit",
}  # fmt: skip


def keys(manifest: Manifest, **more: Any) -> dict[str, str]:
    names = wanted_stages(manifest, ())
    return {n: node.key for n, node in build(SOURCE, manifest, names, **more).items()}


def downstream(name: str) -> set[str]:
    found = {name}
    for stage in registry().values():
        read = stage.reads(stage.params()) if stage.reads else stage.inputs
        if found & set(upstream_of(read)):
            found.add(stage.name)
    return found


@pytest.mark.parametrize("stage", [s for s in registry() if registry()[s].params.model_fields])
def test_every_parameter_changes_the_keys_downstream_and_no_others(stage: str) -> None:
    samples = ((5, 90),)
    before = keys(Manifest(), samples=samples)
    defaults = registry()[stage].params().model_dump(mode="json")
    other = {
        "method": "dis", "fit": "crop", "damaged": "keep", "smoothing": "siamese", "model": "1.0",
        "fps": 60.0, "weights_sha256": "a" * 64, "stride": 8, "source": "original", "max_poses": 9,
        "learning_rate": 0.5, "rate": "constant", "hand": "left", "motion": "joints",
    }  # fmt: skip
    for name, value in defaults.items():
        step = {bool: 1, float: -0.25 if name == "alpha" and stage == "roi" else 0.05, int: 2}.get(
            type(value), 0
        )
        more = {**other, **IN_SPACE} if stage == "pose3d" else other
        changed = more[name] if name in more else value + step
        manifest = Manifest(stages={stage: {name: changed}})
        after = keys(manifest, samples=samples)
        touched = set() if name in registry()[stage].summary_only else downstream(stage) & set(before)
        assert {s for s in before if before[s] != after[s]} == touched, name


def test_a_parameter_that_the_method_does_not_read_is_no_part_of_the_key() -> None:
    plain = keys(Manifest(stages={"flow": {"method": "dis"}}))
    assert keys(Manifest(stages={"flow": {"method": "dis", "alpha": 0.5, "n_sor": 3}})) == plain
    assert keys(Manifest(stages={"flow": {"method": "dis", "ksize": 5}}))["flow"] != plain["flow"]
    irls = keys(Manifest(stages={"flow": {"alpha": 0.5}}))
    assert irls["flow"] not in (plain["flow"], keys(Manifest())["flow"])


def test_a_stage_brings_its_inputs() -> None:
    assert wanted_stages(Manifest(), ("flow",)) == ["frames", "foreground", "flow"]
    assert "pose" not in wanted_stages(Manifest(modalities=("rgb", "flow")), ())
    assert "pose" in wanted_stages(Manifest(modalities=("rgb",)), ("descriptor",))
    with pytest.raises(UserError, match="no stage 'flows'"):
        wanted_stages(Manifest(), ("flows",))


def test_only_who_is_followed_brings_the_stages_that_follow() -> None:
    """A focus with a place, and none at all, have nothing to do with them."""
    plain = keys(Manifest())
    assert plain.keys() & {"people", "player"} == set()
    for focus, more in (("left", set()), ("auto", {"people", "player"}), ("auto-far", {"people"})):
        followed = keys(Manifest(stages={"roi": {"focus": focus}, "descriptor": {"focus": focus}}))
        assert followed.keys() - plain.keys() == more
        assert {s for s in plain if plain[s] != followed[s]} == {"roi", "descriptor", "quality"}
    assert {"people", "pose"} < set(wanted_stages(Manifest(), ("people",)))


def test_modalities_leave_inputs_out() -> None:
    both = build(
        SOURCE, Manifest(modalities=("rgb", "flow")), ["frames", "foreground", "flow", "roi", "untrimmed"]
    )
    flow = build(SOURCE, Manifest(modalities=("flow",)), ["frames", "foreground", "flow", "roi", "untrimmed"])
    assert "frames.rgb" in both["untrimmed"].arrays
    assert "frames.rgb" not in flow["untrimmed"].arrays
    assert both["roi"].key == flow["roi"].key
    assert both["untrimmed"].key != flow["untrimmed"].key


def test_plan_names_what_a_change_touches_and_nothing_for_a_touch_or_a_new_name(tmp_path: Path) -> None:
    clip = write_clip(tmp_path / "videos" / "a clip ü.mp4")
    manifest = write_manifest(tmp_path)
    common = ("--store", "store", "--manifest", manifest, "videos")
    first = ttprep("plan", *common, cwd=tmp_path)
    assert first.returncode == 4
    assert "never computed" in first.stdout
    assert not (tmp_path / "store").exists()  # planning changes nothing
    assert ttprep("run", *common, cwd=tmp_path).returncode == 0
    assert ttprep("plan", *common, cwd=tmp_path).returncode == 0

    os.utime(clip)
    assert ttprep("plan", *common, cwd=tmp_path).returncode == 0
    (tmp_path / "videos" / "deep").mkdir()
    shutil.move(clip, tmp_path / "videos" / "deep" / "renamed.mp4")
    done = ttprep("plan", *common, cwd=tmp_path)
    assert (done.returncode, done.stdout) == (0, "")

    manifest.write_text(FAST.replace("alpha: 0.012", "alpha: 0.02"))
    plan = as_json(ttprep("plan", *common, "--json", cwd=tmp_path))
    assert {p["stage"] for p in plan["to_do"]} == {"flow", "roi", "statistics", "quality"}
    flow = next(p for p in plan["to_do"] if p["stage"] == "flow")
    assert [(r["kind"], r["name"], r["old"], r["new"]) for r in flow["reasons"]] == [
        ("parameter", "flow.alpha", 0.012, 0.02)
    ]
    text = ttprep("plan", "--verbose", *common, cwd=tmp_path).stdout
    *text_lines, expected = text.splitlines()
    assert expected.startswith("expected: ")
    assert all("flow.alpha: 0.012 → 0.02" in line for line in text_lines)

    files = stage_files(tmp_path / "store")
    assert ttprep("run", *common, cwd=tmp_path).returncode == 0
    manifest.write_text(FAST)  # and back: the old results are still there
    assert ttprep("plan", *common, cwd=tmp_path).returncode == 0
    assert files.items() <= stage_files(tmp_path / "store").items()

    dry = as_json(ttprep("gc", *common, "--dry-run", "--json", cwd=tmp_path))
    assert len([f for f in dry["files"] if f["path"].endswith(".h5")]) == 4
    assert ttprep("gc", *common, "--yes", cwd=tmp_path).returncode == 0
    assert stage_files(tmp_path / "store") == files


def test_new_content_under_an_old_name_is_a_new_video(tmp_path: Path) -> None:
    clip = write_clip(tmp_path / "a.mp4", 6)
    manifest = write_manifest(tmp_path)
    run = ("run", "--stage", "frames", "--store", "store", "--manifest", manifest, "a.mp4")
    assert ttprep(*run, cwd=tmp_path).returncode == 0
    write_clip(clip, 6, seed=3)
    plan = ttprep("plan", "--stage", "frames", *run[3:], cwd=tmp_path)
    assert plan.returncode == 4
    assert ttprep(*run, cwd=tmp_path).returncode == 0
    assert len(stage_files(tmp_path / "store")) == 2


def test_a_node_made_from_another_has_the_key_of_its_own_parameters() -> None:
    from dataclasses import replace

    node, other = (
        build(SOURCE, Manifest(stages={"frames": {"width": width}}), ["frames"])["frames"]
        for width in (320, 160)
    )
    assert replace(node, params=other.params).key == other.key != node.key


def test_a_raised_version_is_a_reason(tmp_path: Path) -> None:
    from dataclasses import replace

    from pipeline.planning.graph import Node
    from pipeline.planning.staleness import plan_nodes
    from store import Slot, Store

    store = Store.create(tmp_path / "store")
    node = build(SOURCE, Manifest(), ["frames"])["frames"]
    with store.writing(node.slot, (), {"key": node.key}) as writer:
        writer.close()
    store.seal(node.slot, node.stage.version, node.parts(), {}, {}, {})
    newer = Node(SOURCE, replace(node.stage, version=7), node.params, {}, node.arrays)
    (planned,) = plan_nodes([newer], store)
    assert planned.state == "stale"
    assert [(r.kind, r.old, r.new) for r in planned.reasons] == [("version", node.stage.version, 7)]
    store.set_failure(Slot(SOURCE.sha256, "frames", newer.key), "the disk is full")
    assert [str(r) for r in plan_nodes([newer], store)[0].reasons] == ["failed before: the disk is full"]
