"""Open files of a store for a dataset, compared with their receipts."""

from __future__ import annotations

from contextlib import ExitStack

from pipeline.planning.graph import Node
from store import DamagedError, FeatureReader, Store
from store.receipt import check_file


class VerifiedReaders:
    """Readers of a store's files, each of which is compared with its receipt when it is opened.

    Parameters
    ----------
    store : Store
    stack : ExitStack
        Closes the readers.
    verified : set of str, optional
        Keys of results that were compared already, of which nothing more is asked; grows.
    """

    def __init__(self, store: Store, stack: ExitStack, verified: set[str] | None = None) -> None:
        self._store, self._stack = store, stack
        self._verified = set() if verified is None else verified

    def open(self, node: Node, *, whole: bool = True) -> FeatureReader:
        """Open a result after comparing the file with its receipt.

        Parameters
        ----------
        node : Node
        whole : bool
            Hash every byte: chunks are copied unseen. Else the header, and the chunks that are read by the
            checksum of each.

        Raises
        ------
        DamagedError
            The file is not what was published. It is marked as damaged, so that the next run makes it again.
        """
        if whole and node.key not in self._verified:
            self._require(node)
            self._verified.add(node.key)
        return self._stack.enter_context(self._store.reader(node.slot))

    def _require(self, node: Node) -> None:
        receipt = self._store.receipt(node.slot)
        problem = (
            check_file(self._store.path(node.slot), receipt, read_data=True)
            if receipt
            else self._store.damage(node.slot) or "it is not there"
        )
        if problem:
            self._store.mark_damaged(node.slot, problem)
            path = self._store.path(node.slot)
            raise DamagedError(f"{path}: {problem}; run `ttprep run` to make it again, then export again")
