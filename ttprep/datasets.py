"""An opened dataset file: its samples as a table and as arrays that mean what they say."""

from __future__ import annotations

import operator
import os
from collections.abc import Iterator
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self

import numpy as np
from numpy.typing import NDArray

from pipeline.reading.dataset_file import DatasetFile, NoDatasetError
from ttprep.errors import BadIndex, NoSuchFile, UnknownVideo, translated
from ttprep.samples import Sample, Untrimmed

if TYPE_CHECKING:
    import pandas as pd


class Dataset:
    """Look at a dataset file; made by :func:`ttprep.open_dataset`.

    ``d[17]`` is a sample by its row, ``d["<id>"]`` by its id, ``d[3:7]`` a list of them. May be used by
    several threads, after a fork (by the workers of a DataLoader), and pickled.

    Attributes
    ----------
    path : Path
    samples, videos : pandas.DataFrame
    classes, splits, modalities, joints : tuple of str
    taxonomy : str
        Name of the view that ``classes`` are of.
    taxonomies : dict of str to tuple of str
        All views → their classes.
    length : int
        T, the frames that a network sees.
    frame_size, crop, window : (int, int)
        (width, height) of the frames, of what a network sees, and of what is stored, px.
    statistics : dict
        ``flow_mean``, ``flow_std``, ``flow_divisor`` (each x, y; px), ….
    attrs : dict
        All root attributes of the file.

    Examples
    --------
    >>> with ttprep.open_dataset("d.h5") as d:
    ...     len(d), d[17].rgb.shape, d[17].flow.dtype, d[17].class_name
    (19, (5, 76, 76, 3), dtype('float32'), 'Offensive Forehand Hit')
    """

    def __init__(self, file: DatasetFile) -> None:
        self._file = file
        self._ids: dict[str, int] | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Close the file in the calling thread; it opens again when next used."""
        self._file.close()

    @property
    def path(self) -> Path:
        """The file."""
        return self._file.path

    @property
    def attrs(self) -> dict[str, Any]:
        """All root attributes of the file; JSON is decoded."""
        return dict(self._file.tables.attrs)

    @property
    def samples(self) -> pd.DataFrame:
        """All samples, one line each; the index is the number in brackets.

        Columns: ``id``, ``video`` (name), ``begin``, ``end`` (frames; end is the first one after), ``class``
        (NA for none), ``label`` (its index, −1 for none), ``label_name`` (as annotated), ``split``,
        ``player``, ``annotators``, ``rows`` (stored), ``fps`` (1/s).
        """
        import pandas as pd

        tables = self._file.tables
        names = np.asarray(self.classes, object)
        label, video = tables.samples["label"], tables.samples["video"]
        columns: dict[str, Any] = {
            "id": tables.samples["id"],
            "video": tables.videos["name"][video],
            "begin": tables.samples["begin"],
            "end": tables.samples["end"],
            "class": [names[i] if i >= 0 else pd.NA for i in label],
            "label": label,
        }
        for name in ("label_name", "split", "player", "annotators", "rows"):
            if name in tables.samples:
                columns[name] = tables.samples[name]
        columns["fps"] = tables.videos["fps"][video]
        table = pd.DataFrame(columns)
        table.attrs["units"] = {"fps": "1/s"}
        return table

    @property
    def videos(self) -> pd.DataFrame:
        """All videos, one line each: ``name``, ``sha256``, ``frames``, ``fps`` (1/s), ``player``, ….

        ``untrimmed`` says whether :meth:`untrimmed` has it.
        """
        import pandas as pd

        videos = self._file.tables.videos
        columns: dict[str, Any] = {"name": videos["name"], "sha256": videos["sha256"]}
        columns |= {"frames": videos["n_frames"], "fps": videos["fps"]}
        columns |= {name: videos[name] for name in ("rate", "player", "group") if name in videos}
        columns["untrimmed"] = videos["first"] >= 0
        return pd.DataFrame(columns)

    @property
    def classes(self) -> tuple[str, ...]:
        """Names of the classes; a label is the index of one."""
        return self.taxonomies[self.taxonomy]

    @property
    def splits(self) -> tuple[str, ...]:
        """Names of the splits."""
        return tuple(self.attrs["splits"])

    @property
    def modalities(self) -> tuple[str, ...]:
        """Which of rgb, flow and pose the file holds."""
        return tuple(self.attrs["modalities"])

    @property
    def joints(self) -> tuple[str, ...]:
        """Names of the 14 rows of a pose."""
        return tuple(self.attrs["joints"])

    @property
    def taxonomy(self) -> str:
        """Name of the view that :attr:`classes` are of."""
        return str(self.attrs["taxonomy"])

    @property
    def taxonomies(self) -> dict[str, tuple[str, ...]]:
        """Classes of all views of the annotations, by name."""
        return {name: classes for name, (classes, _) in self._file.tables.taxonomies.items()}

    def labels(self, taxonomy: str) -> NDArray[Any]:
        """Return the label of each sample in a view: (samples,) int16, −1 for none.

        Raises
        ------
        BadIndex
            There is no such view.
        """
        found = self._file.tables.taxonomies.get(taxonomy)
        if found is None:
            raise BadIndex(f"{self.path}: no taxonomy {taxonomy!r}; there are {', '.join(self.taxonomies)}")
        return found[1].copy()

    @property
    def length(self) -> int:
        """T, the number of frames that a network sees."""
        return int(self.attrs["length"])

    @property
    def frame_size(self) -> tuple[int, int]:
        """Width and height of the frames that windows were cut from, px."""
        return self._size("frame_size")

    @property
    def crop(self) -> tuple[int, int]:
        """Width and height of what a network sees, px."""
        return self._size("crop")

    @property
    def window(self) -> tuple[int, int]:
        """Width and height of the stored pictures, px."""
        return self._size("window")

    def _size(self, name: str) -> tuple[int, int]:
        width, height = self.attrs[name]
        return int(width), int(height)

    @property
    def statistics(self) -> dict[str, tuple[float, ...]]:
        """``flow_mean``, ``flow_std``, ``flow_divisor``, … (each x, y; px); docs/dataset-format.md."""
        return dict(self._file.tables.statistics)

    def untrimmed(self, video: str) -> Untrimmed:
        """Return a whole video by its name, or by how that ends.

        Raises
        ------
        UnknownVideo
            The file has no such video, several, or not untrimmed.
        """
        videos, wanted = self._file.tables.videos, Path(video).parts
        names = [str(n) for n in videos["name"]]
        held = [n for n, first in zip(names, videos["first"], strict=True) if first >= 0]
        found = [n for n in held if n == video] or [
            n for n in held if Path(n).parts[-len(wanted) :] == wanted
        ]
        if len(found) != 1:
            shown = f"it holds {', '.join(held[:5])}{', …' if len(held) > 5 else ''}"
            hint = shown if held else "set `untrimmed: true` in the manifest, run and export again"
            what = f"{self.path}: holds {len(found) or 'no'} untrimmed videos {video!r}"
            raise UnknownVideo(f"{what}; {hint}", tuple(held))
        row = names.index(found[0])
        first, rows = int(videos["first"][row]), int(videos["rows"][row])
        return Untrimmed(self._file, first, rows, f"untrimmed {found[0]}")

    def __len__(self) -> int:
        return len(self._file.tables.samples["id"])

    def __getitem__(self, key: Any) -> Any:
        """Return a :class:`Sample` by row or id; a list of them for a slice.

        Raises
        ------
        BadIndex
            There is no such sample.
        """
        if isinstance(key, slice):
            return [self[i] for i in range(*key.indices(len(self)))]
        if isinstance(key, str):
            if self._ids is None:
                self._ids = {str(name): i for i, name in enumerate(self._file.tables.samples["id"])}
            if key not in self._ids:
                raise BadIndex(f"{self.path}: there is no sample {key!r}; `samples` lists all {len(self)}")
            return Sample(self._file, self._ids[key], self.classes)
        try:
            index = operator.index(key)
        except TypeError:
            raise BadIndex(f"{key!r} is neither a sample's number nor its id") from None
        if not -len(self) <= index < len(self):
            raise BadIndex(f"{self.path}: there is no sample {index}; it holds {len(self)}")
        return Sample(self._file, index % len(self), self.classes)

    def __iter__(self) -> Iterator[Sample]:
        for index in range(len(self)):
            yield Sample(self._file, index, self.classes)

    def __repr__(self) -> str:
        return f"<ttprep dataset {self.path}: {len(self)} samples, {', '.join(self.modalities)}>"


@translated
def open_dataset(path: str | os.PathLike[str]) -> Dataset:
    """Open a dataset file, after its seal has been compared; torch is not needed.

    Parameters
    ----------
    path : path-like
        What ``ttprep export`` wrote.

    Returns
    -------
    Dataset
        A context manager; closing is no duty.

    Raises
    ------
    NoSuchFile
        There is no such file, or no dataset of ttprep in it.
    Damaged, Unreadable
        It is not what was written, or cannot be read now.

    Examples
    --------
    >>> d = ttprep.open_dataset("d.h5")
    >>> d.samples[["begin", "end", "class", "rows"]].head(1)
       begin  end                   class  rows
    0      2    7  Offensive Forehand Hit     5
    """
    try:
        return Dataset(DatasetFile(Path(path)))
    except NoDatasetError as e:
        raise NoSuchFile(str(e)) from None
