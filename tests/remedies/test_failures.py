"""What is said about a run that meets trouble, followed as it is written: the next run ends well."""

from __future__ import annotations

import errno
import os
import shutil
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from pipeline.cli.main import main
from pipeline.errors import OK, UserError
from pipeline.execution import cluster, feature_files
from pipeline.execution.executor import Handle
from pipeline.execution.in_process import InProcess
from pipeline.execution.jobs import Job, JobResult
from pipeline.inputs.manifest import read_manifest
from pipeline.planning.request import Request, Where
from pipeline.run import Result, run
from stages.flow.engine import ISA_VARIABLE, chosen_variant
from tests.remedies.following import Case, Says, call, check, manifest, nothing
from tests.support.projects import QUIET, TINY

RUN = ("run", "--workers", "0", "--stage", "frames", "videos/clip.mp4")
FLOW = ("run", "--workers", "0", "--stage", "foreground", "videos/clip.mp4")


class Between(InProcess):
    """Does something once the first job is done."""

    def __init__(self, trouble: Callable[[], object]) -> None:
        super().__init__()
        self.trouble: Callable[[], object] | None = trouble

    def completed(self) -> Iterator[tuple[Handle, JobResult]]:
        for done in super().completed():
            if self.trouble is not None:
                self.trouble()
                self.trouble = None
            yield done


@pytest.fixture(autouse=True)
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    """No other machine shares the disk."""
    monkeypatch.setattr(feature_files, "VISIBLE_WITHIN_S", 0.1)


def run_with(trouble: Callable[[], object], executor: InProcess | None = None) -> Result:
    manifest(**{**TINY, "videos": ["videos/clip.mp4"], "annotations": []})
    read = read_manifest(Path("data_manifest.yaml"))
    request = Request(read, read.resolve(read.store), stages=("foreground",), where=Where(workers=0))
    return run(request, QUIET, executor or Between(trouble))


def again() -> None:
    code, text = call(main, "run", "--workers", "0", "--stage", "foreground")
    assert code == OK, text


def reasons(result: Result) -> str:
    assert result.code != OK
    return "\n".join(job.reason for job in result.jobs)


def within(pattern: str) -> Path:
    (path,) = Path("store").rglob(pattern)
    return path


def test_the_store_vanishes(here: Path) -> None:
    with pytest.raises(UserError) as caught:
        run_with(lambda: shutil.rmtree("store"))
    Says("the store vanished during the run; run again").of(str(caught.value))
    again()


def test_a_result_vanishes(here: Path) -> None:
    result = run_with(lambda: within("frames-*.h5").unlink())
    Says("vanished from the store during the run; run again").of(reasons(result))
    again()


class Forgetful(InProcess):
    """Loses the frames of a video before another job reads them."""

    def submit(self, job: Job, upstream: Sequence[Handle] = ()) -> Handle:
        if job.node.stage.name == "foreground":
            within("frames-*.json").unlink()
        return super().submit(job, upstream)


def test_an_input_vanishes(here: Path) -> None:
    result = run_with(nothing, Forgetful())
    Says("{}: {}; run again to make it anew").of(reasons(result))
    again()


def test_a_receipt_that_cannot_be_read(here: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    real = os.open

    def refuse(what: Any, *args: Any, **kwargs: Any) -> int:
        if Path(os.fspath(what)).match("frames-????????????????.json"):
            raise OSError(errno.ESTALE, os.strerror(errno.ESTALE), what)
        return real(what, *args, **kwargs)

    result = run_with(lambda: monkeypatch.setattr(os, "open", refuse))
    Says("cannot be read ({}); mend that and run again").of(reasons(result))
    code, text = call(main, "run", "--workers", "0", "--stage", "foreground")
    assert code != OK
    Says("mend that and run again").of(text)
    monkeypatch.undo()
    monkeypatch.chdir(here)
    again()


def test_a_disk_that_refuses(here: Path) -> None:
    def block() -> None:
        """Put a file in the place of the folder of the video's results."""
        assert call(main, *RUN)[0] == OK
        (folder,) = Path("ttprep-store/videos").iterdir()
        shutil.rmtree(folder)
        folder.write_text("")

    says = Says("{}: {} ({}); mend that and run again")
    check(
        main,
        Case(
            RUN, says, follow=lambda *_: next(Path("ttprep-store/videos").iterdir()).unlink(), prepare=block
        ),
    )


@pytest.mark.parametrize("name", [False, True])
def test_an_instruction_set_that_is_not_there(monkeypatch: pytest.MonkeyPatch, name: bool) -> None:
    monkeypatch.setenv(ISA_VARIABLE, "mmx")
    with pytest.raises(ValueError, match="mmx") as caught:
        chosen_variant()
    (names,) = Says("this processor runs {}; unset it or name one").of(str(caught.value))
    if name:
        monkeypatch.setenv(ISA_VARIABLE, names.split(", ")[-1])
    else:
        monkeypatch.delenv(ISA_VARIABLE)
    assert chosen_variant() in names


def test_a_scheduler_that_is_not_there(here: Path) -> None:
    words = ("run", "--stage", "frames", "videos/clip.mp4")
    says = Says(
        "no Dask scheduler answers at {} ({}); start one with `dask scheduler`, or leave --scheduler out"
    )
    check(main, Case((*words, "--scheduler", "nowhere://x"), says, (*words, "--workers", "0")))


def test_a_scheduler_without_workers(here: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from distributed import LocalCluster

    monkeypatch.setattr(cluster, "WORKERS_WITHIN_S", 0.5)
    with closing(LocalCluster(n_workers=0, processes=False, protocol="tcp", dashboard_address=None)) as there:
        words = ("run", "--stage", "frames", "videos/clip.mp4", "--scheduler", there.scheduler_address)
        says = Says("the scheduler at {} has no workers; start some with `dask worker`")
        check(main, Case(words, says, follow=lambda _: there.scale(1)))
        os.mkdir("folder")
        report = (*words[:-2], "--stage", "foreground", *words[-2:], "--report")
        says = Says("the report cannot be written ({}); give another {}")
        check(main, Case((*report, "folder"), says, lambda _, option: (*report[:-1], option, "report.html")))
        assert Path("report.html").stat().st_size > 1000
