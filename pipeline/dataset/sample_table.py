"""Write the samples as CSV, for spreadsheets and tools that cannot read HDF5."""

from __future__ import annotations

import csv
import io
from pathlib import Path

from pipeline.dataset.summary import Summary
from store.atomic import write_bytes

#: column → what it means
COLUMNS = {
    "id": "identity of the sample, stable over exports",
    "video": "name of the video",
    "video_sha256": "sha256 of the video's file",
    "begin": "first frame of the stroke, from 0",
    "end": "first frame after the stroke",
    "class": "class name in the file's taxonomy, empty for none",
    "label": "index of the class, -1 for none",
    "label_name": "the stroke as annotated",
    "split": "train, validation or test",
    "annotators": "who agreed on it, separated by semicolons",
    "player": "who plays it, empty where unknown",
    "first": "its first row in /cuboids of the HDF5 file",
    "rows": "its rows there",
}


def write_table(path: Path, summary: Summary) -> None:
    """Write one line per sample, in the order of ``/samples``."""
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow(COLUMNS)
    samples, videos, classes = summary.samples, summary.videos, summary.attrs["classes"]
    columns = {
        **samples,
        "split": summary.splits,
        "video": [videos["name"][v] for v in samples["video"]],
        "video_sha256": [videos["sha256"][v] for v in samples["video"]],
        "class": [classes[i] if i >= 0 else "" for i in samples["label"]],
    }
    writer.writerows(zip(*(columns[name] for name in COLUMNS), strict=True))
    write_bytes(path, out.getvalue().encode())
