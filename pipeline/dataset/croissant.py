"""Describe a dataset in Croissant 1.0 (JSON-LD), so that other tools can load its table of samples.

The samples are a record set over the CSV beside the HDF5 file, because Croissant cannot read HDF5; the HDF5
file itself is a resource with its size and sha256. The JSON is built here and not with the classes of
mlcroissant, because importing those would cost every export half a second (docs/design.md); the tests
validate it with mlcroissant and compare it with what those classes write.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from pipeline.dataset.sample_table import COLUMNS
from pipeline.dataset.summary import Summary
from store import sha256_file
from store.atomic import read_json, write_json

_INTEGERS = frozenset({"begin", "end", "label", "first", "rows"})
_CONTEXT = {
    "@language": "en",
    "@vocab": "https://schema.org/",
    "citeAs": "cr:citeAs",
    "column": "cr:column",
    "conformsTo": "dct:conformsTo",
    "cr": "http://mlcommons.org/croissant/",
    "rai": "http://mlcommons.org/croissant/RAI/",
    "data": {"@id": "cr:data", "@type": "@json"},
    "dataType": {"@id": "cr:dataType", "@type": "@vocab"},
    "dct": "http://purl.org/dc/terms/",
    "equivalentProperty": "cr:equivalentProperty",
    "examples": {"@id": "cr:examples", "@type": "@json"},
    "extract": "cr:extract",
    "field": "cr:field",
    "fileProperty": "cr:fileProperty",
    "fileObject": "cr:fileObject",
    "fileSet": "cr:fileSet",
    "format": "cr:format",
    "includes": "cr:includes",
    "isLiveDataset": "cr:isLiveDataset",
    "jsonPath": "cr:jsonPath",
    "key": "cr:key",
    "md5": "cr:md5",
    "parentField": "cr:parentField",
    "path": "cr:path",
    "recordSet": "cr:recordSet",
    "references": "cr:references",
    "regex": "cr:regex",
    "repeated": "cr:repeated",
    "replace": "cr:replace",
    "samplingRate": "cr:samplingRate",
    "sc": "https://schema.org/",
    "separator": "cr:separator",
    "source": "cr:source",
    "subField": "cr:subField",
    "transform": "cr:transform",
}


def write_croissant(path: Path, summary: Summary, digest: str, table: Path) -> None:
    """Write the description, with the sizes and digests of the files as they lie there.

    Parameters
    ----------
    path : Path
    summary : Summary
    digest : str
        sha256 of the dataset file.
    table : Path
        The samples as CSV.
    """
    write_json(path, describe(summary, digest, table))


def described_file(path: Path) -> tuple[str, int, str]:
    """Read for which dataset a description was written: its fingerprint, its size in bytes, its sha256.

    Returns
    -------
    (str, int, str)
        ``("", -1, "")`` where there is no description.
    """
    value: Any = read_json(path)
    try:
        (file,) = (f for f in value["distribution"] if f["@id"] == "dataset")
        return str(value["identifier"]), int(file["contentSize"].split()[0]), str(file["sha256"])
    except (TypeError, KeyError, ValueError, IndexError, AttributeError):
        return "", -1, ""


def describe(summary: Summary, digest: str, table: Path) -> dict[str, Any]:
    """Return the description as JSON values."""
    attrs = summary.attrs
    classes, splits = attrs["classes"], attrs["splits"]
    return {
        "@context": _CONTEXT,
        "@type": "sc:Dataset",
        "conformsTo": "http://mlcommons.org/croissant/1.0",
        "name": summary.path.stem,
        "identifier": attrs["fingerprint"],
        "version": "1.0.0",
        "description": (
            f"{len(summary)} annotated strokes and negatives of {len({*summary.videos['sha256']})} videos as "
            f"cuboids ({', '.join(attrs['modalities'])}) around the region of interest, "
            f"{attrs['length']} frames or more each, made by ttprep."
        ),
        "keywords": ["action recognition", "sport", "video", "optical flow", "pose"],
        "isLiveDataset": False,
        "distribution": [
            _file("dataset", summary.path, digest, "application/x-hdf5", "all arrays, for h5py"),
            _file("samples-csv", table, sha256_file(table), "text/csv", "one line per sample"),
            *_shards(summary),
        ],
        "recordSet": [
            {
                "@type": "cr:RecordSet",
                "@id": "samples",
                "name": "samples",
                "description": "One record per sample; first and rows point into /cuboids of the HDF5 file.",
                "key": {"@id": "samples/id"},
                "field": [_field(name, text) for name, text in COLUMNS.items()],
            },
            _listing("classes", classes, "class index and name", "sc:Enumeration"),
            _listing("splits", splits, "split index and name", "cr:Split"),
        ],
    }  # fmt: skip


def _shards(summary: Summary) -> list[dict[str, Any]]:
    """Describe the files that the dataset file shows rows of; it has the sha256 of each."""
    if not summary.shards:
        return []
    return [
        {
            "@type": "cr:FileSet",
            "@id": "shards",
            "name": "shards",
            "description": "pixels, which the dataset shows as its own; those that it lists in /shards",
            "encodingFormat": "application/x-hdf5",
            "includes": f"{summary.attrs['shards']}/*.h5",
        }
    ]


def _file(name: str, path: Path, digest: str, kind: str, description: str) -> dict[str, Any]:
    return {
        "@type": "cr:FileObject",
        "@id": name,
        "name": path.name,
        "description": description,
        "contentUrl": path.name,
        "contentSize": f"{path.stat().st_size} B",
        "encodingFormat": kind,
        "sha256": digest,
    }


def _field(column: str, description: str) -> dict[str, Any]:
    return {
        "@type": "cr:Field",
        "@id": f"samples/{column}",
        "name": column,
        "description": description,
        "dataType": "sc:Integer" if column in _INTEGERS else "sc:Text",
        "source": {"fileObject": {"@id": "samples-csv"}, "extract": {"column": column}},
    }


def _listing(name: str, values: list[str], description: str, kind: str) -> dict[str, Any]:
    columns = {"index": "sc:Integer", "name": "sc:Text"}
    return {
        "@type": "cr:RecordSet",
        "@id": name,
        "name": name,
        "dataType": kind,
        "description": description,
        "key": {"@id": f"{name}/index"},
        "field": [
            {"@type": "cr:Field", "@id": f"{name}/{c}", "name": c, "description": c, "dataType": t}
            for c, t in columns.items()
        ],
        "data": [{f"{name}/index": i, f"{name}/name": v} for i, v in enumerate(values)],
    }
