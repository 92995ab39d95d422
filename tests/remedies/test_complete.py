"""Whoever adds a message with a remedy adds a test that follows it.

Every message of the packages that names a remedy is found in their sources, and every part of one that a test
follows in the tests.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

from tests.remedies.following import HOLE, as_pattern
from tests.support import ROOT

ROOMS = ("pipeline", "stages", "store", "tttrain", "ttdemo", "ttprep")
#: words that a remedy begins with, in the imperative or as a list of what there is
WORDS = (
    "how they are read stands in|add|annotate|begin|check|choose|confirm|convert|copy|correct|create|delete|"
    "did you mean|every side must be|export|free|give|if that is wrong|if they were|the next|"
    "if the table holds|install|is a quotation mark|"
    "is it|keep one|known|leave|list|look|make|map|mend|merge|mount|move|name|nest|put|remove|rename|"
    "restore|run|save|say|see|set|shorten|split|start|switch|take|the presets are|the stages are|"
    "there are|the video has|train|translate|try|uninstall|unset|update|use|wait|what is read|write|`ttprep|"
    "`tttrain"
)
#: before such a word: the begin of the text, or a mark that ends the reason
REMEDY = re.compile(rf"(?:^|; |: |, or |, and |\. )(?:please )?(?:{WORDS})(?![\w-])", re.IGNORECASE)
#: of help and documents; messages begin in small letters, or with a name
_SENTENCE = re.compile("[A-Z][a-z]")
#: shorter constants are names, not messages
_SHORTEST = 15
#: characters of a part that tell a message from others
_TELLING = 20
#: what looks like a remedy and is none
NO_REMEDIES = (
    "export {}={}",
    "`ttprep ",
    "begin, end or class of a detection",
    "free space",
    "known once the frames are counted",
    "name of the video",
    "of the first convolution; the next have 2 and 4 times as many",
    "per component: leave out maxima below this",
    "remove them?",
    "split index and name",
    "split {} has no sample of taxonomy",
    "start: frame {} ({} s)",
    "train, validation or test",
)
#: what can be done next, said where nothing is wrong
HINTS = (
    "look at the pictures; `tttrain fit {} RUN --model NAME` trains",
    "name your videos (and annotations) in it, then `ttprep plan{}` and `ttprep run{}`",
    "mend what failed and run again; what is done is kept",
    "run again",  # after ^C
    "`tttrain fit {} RUN --model NAME` trains a network",
    "`ttprep preview {} -o preview.png` shows how it went; annotations give samples to train on",
    "annotations: {} findings on other videos are left out; `ttprep annotations` lists them",
    "… and {} more; `ttprep annotations` lists them",
    "… and {} more; `ttprep status --json` has them all",
    "no video matches; `ttprep status` shows what there is",
    "`ttprep status {}` has a row for {}",
    "they are published in {}; `ttprep weights` fetches them",
    "they are published in {}; `ttprep weights pose3d` fetches them",
    "flag: {} samples ({}); `ttprep export --without-flagged` leaves them out",
    "`ttprep run` makes what the other stages give",
    "correct the predictions in Label Studio, CVAT or ELAN and list the corrected file among the",
    "label these stretches, list the corrected files under annotations, and train again",
    "`ttprep plan` says what a run computes again",
)
#: what no test here can follow → why
BEYOND = {
    "; install a build of it that can": "another OpenCV",
    "install PyAV from its wheel: `pip install --force-reinstall av`": "another PyAV",
    "the build for the CPU is far smaller: choose CPU on pytorch.org": "an installation without torch",
    "a replaced file shows its old content; put the store on another disk": "a disk of another kind",
    "format_version {} of {} is not known; update ttprep": "another version of ttprep",
    "{}: cannot be read ({}); name another folder": "a disk that fails",
    "{}: cannot be written ({}); add it yourself: {}": "a disk that fails",
    "a lock keeps nobody out; put the store on another disk": "a disk of another kind",
    "cannot be read ({}); look at the disk and its permissions": "a disk that fails",
    "cannot be read ({}); `ttprep verify` says more": "a disk that fails",
    "this one has {}; run `tttrain detect` on the dataset of this store": "a training, for a line of a page",
    "{}: may not be written to; name another folder": "a user who may not write everywhere",
    "{}: cannot be made ({}); name another folder": "a user who may not write everywhere",
    "; run `pip install -e .` in the source tree": "an installation without the compiled engine",
    "install the same ttprep": "a worker of another version",
    "--cluster needs dask-jobqueue ({}); install it": "an installation without dask-jobqueue",
    "section cluster, or lower its `cores`, and run again": "a machine with little memory",
    "use a folder that all machines share under one path": "a second machine; test_cluster_messages.py hides",
    "give jobs a longer `walltime`, or ": "benchmarks/cluster/jobs.py: a minute of Slurm",
    "{}: cannot be made ({}); name another as `logs`": "a user who may not write everywhere",
    "cannot run ttprep ({}); install this ttprep there too": "a machine without ttprep",
    "does not see the store {}; use a folder that all machines share": "a second machine",
    "--report is Dask's: give --workers 1 or more with it": "ten seconds of processes for a line of the help",
    "compare trains in one process; start it without torchrun": "processes that wait for each other",
    "crossvalidate trains in one process; start it without torchrun": "processes that wait for each other",
    "give each worker more: fewer of them with --workers": "a machine with little memory",
    "use fewer --workers and run again": "a machine with little memory",
    "too little memory, or too small a /dev/shm: use fewer --workers": "a machine with little memory",
    "free some and verify again": "a machine with little memory",
    "cannot be read ({}); mend that and start again": "a disk that fails",
    "{} ends at row {}; export it again": "a file that shrinks while it is read",
    "was not written completely; run the export again": "a disk that loses what is written",
    "the file ends too early; run the export again": "a disk that loses what is written",
    "look whether the file is whole, or leave it out": "another recording",
    "film with more light, or leave it out": "another recording",
    "film with less exposure, or leave it out": "another recording",
    "focus the camera, or leave it out": "another recording",
    "use the file as the camera recorded it": "another recording",
    "put it on a tripod: foreground and flow take what stands still": "another recording",
    "leave it out, or use it for negatives alone": "another recording",
    "film players larger and whole, or set `stages: {pose: {source: original}}`": "another recording",
    "give a `focus`: the ROI follows something else": "people: tests/end_to_end/test_flags.py does",
    "give a `focus`: it follows now one thing, now another": "people: tests/end_to_end/test_flags.py does",
    "give a `focus`: it is now one, now another": "people: tests/end_to_end/test_flags.py does",
    "give a `focus`: it is an umpire or a bystander": "people: tests/end_to_end/test_flags.py does",
    "look whether the `focus` is where the player is": "people",
    "strokes are compared where annotations say that they are, and the manifest lists none; add": "people, "
    "whom no network of random weights finds",
    "its windows differ in size from those of other videos; run": "a result that no version made",
}


def is_followed(text: str, part: str) -> bool:
    """Return whether a text of the sources has a part that is followed, and its remedy in it.

    A short part is a remedy that many messages may have in common: it counts for itself alone.
    """
    if len(part.replace(HOLE, "")) < _TELLING:
        return part.removeprefix("; ") == text
    return is_said(text, part)


def is_said(text: str, part: str) -> bool:
    """Return whether a part, and its remedy, stands in a text of the sources."""
    found, remedy = as_pattern(part).search(text), REMEDY.search(text)
    return found is not None and remedy is not None and found.end() >= remedy.end()


def said(folder: Path) -> dict[str, str]:
    """Return every ``Says("…")`` of the tests in a folder, each with the file where it stands."""
    found: dict[str, str] = {}
    for path in sorted(folder.rglob("*.py")):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "Says":
                (text,) = (ast.literal_eval(part) for part in node.args)
                found[text] = path.relative_to(folder).as_posix()
    return found


def texts() -> dict[str, str]:
    """Return every text of the packages that has a remedy, each with the file and line where it stands.

    Literals, f-strings and sums of them, with ``{}`` for what is filled in; constants in capitals are put in
    their places, and reason and remedy of a ``StageError`` are one text. Docstrings and help are none.
    """
    trees = {
        path: ast.parse(path.read_text(encoding="utf-8"))
        for room in ROOMS
        for path in sorted((ROOT / room).rglob("*.py"))
    }
    known: dict[str, str] = {}
    for tree in trees.values():
        known |= constants_of(tree, known)
    return {
        text: f"{path.relative_to(ROOT)}:{line}"
        for path, tree in trees.items()
        for line, text in _texts_of(tree, known | constants_of(tree, known))
        if REMEDY.search(text) and not _SENTENCE.match(text) and "\n" not in text
    }


def constants_of(tree: ast.Module, known: dict[str, str]) -> dict[str, str]:
    found = {}
    for node in tree.body:
        if isinstance(node, ast.Assign) and isinstance(node.targets[0], ast.Name):
            name, text = node.targets[0].id, _text(node.value, known)
            if name.isupper() and text is not None and len(text) > _SHORTEST:
                found[name] = text
    return found


def _texts_of(tree: ast.Module, known: dict[str, str]) -> Iterator[tuple[int, str]]:
    done: set[int] = set()
    for node in ast.walk(tree):  # from the outside in
        if id(node) in done:
            continue
        text = None
        if isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant):
            done.add(id(node.value))  # a docstring
        elif isinstance(node, ast.Call) and getattr(node.func, "id", "") == "StageError":
            text = "; ".join(_text(part, known) or HOLE for part in node.args)
            if all(isinstance(part, ast.Name | ast.Attribute) for part in node.args):
                text = None
        elif not isinstance(node, ast.Name):
            text = _text(node, known)
        if text is not None:
            done.update(id(inner) for inner in ast.walk(node))
        if text and " " in text:
            yield getattr(node, "lineno", 0), text


def _text(node: ast.AST, known: dict[str, str]) -> str | None:
    """Return the text that an expression makes; None where it is none."""
    if isinstance(node, ast.Constant):
        return node.value if isinstance(node.value, str) else None
    if isinstance(node, ast.Name):
        return known.get(node.id)
    if isinstance(node, ast.JoinedStr):
        return "".join(_text(part, known) or HOLE for part in node.values)
    if isinstance(node, ast.FormattedValue):
        return _text(node.value, known)
    if isinstance(node, ast.BinOp) and isinstance(node.op, ast.Add):
        parts = _text(node.left, known), _text(node.right, known)
        return None if parts == (None, None) else "".join(part or HOLE for part in parts)
    return None


TEXTS = texts()
SAID = said(ROOT / "tests")


def test_every_remedy_is_followed_by_a_test() -> None:
    parts = (*NO_REMEDIES, *HINTS, *BEYOND, *SAID)
    lacking = [
        f"{place}: {text}" for text, place in TEXTS.items() if not any(is_followed(text, p) for p in parts)
    ]
    assert not lacking, "no test follows these (tests/remedies/following.py says how):\n" + "\n".join(lacking)


def test_every_test_follows_what_is_said() -> None:
    parts = {**dict.fromkeys((*NO_REMEDIES, *HINTS, *BEYOND), "here"), **SAID}
    gone = [f"{where}: {p}" for p, where in parts.items() if not any(is_said(t, p) for t in TEXTS)]
    assert not gone, "no message says this any more:\n" + "\n".join(gone)
