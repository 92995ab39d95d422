"""Executing a plan: which jobs there are, when they can be submitted, what becomes of their results.

The number of frames of a video is known only once it is decoded, and where the samples lie only once all
frames are counted. The graph of jobs therefore grows while it runs: a video's later jobs are submitted when
its frames are there, and the jobs that cut samples when the last result that decides samples is. What fails
costs what depends on it, and nothing else. Where a job finds an input damaged, the input is made anew and the
job tried again, each once.

Videos are begun one after the other while no more than :data:`WINDOW` jobs are under way: the graph of ten
thousand videos would take the scheduler's memory, and a video that is finished early is of use early.
"""

from __future__ import annotations

from collections import defaultdict, deque
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace

from pipeline.execution.executor import Executor, Handle
from pipeline.execution.feature_files import input_receipt, is_split, n_rows, part_ranges, video_info
from pipeline.execution.jobs import Job, JobResult, failed, skipped
from pipeline.execution.progress import RunProgress
from pipeline.planning.graph import Node
from pipeline.planning.samples import decides_samples
from pipeline.planning.staleness import Planned
from stages.base import VideoInfo
from store import Store, StoreError

#: jobs under way from which on no further video is begun: enough for a few hundred workers
WINDOW = 2000

#: view of a video → its plan, inputs first; what views share has the same key, and is made once
Plans = Mapping[str, list[Planned]]


def execute(
    plans: Plans,
    plan_again: Callable[[], Plans],
    store: Store,
    executor: Executor,
    progress: RunProgress,
    barred: Mapping[str, str] | None = None,
) -> list[JobResult]:
    """Make everything that is not done.

    Parameters
    ----------
    plans : mapping of str to list of Planned
        What is known now.
    plan_again : callable
        Called when the last result that decides samples is there; returns the plans with the samples.
    store : Store
    executor : Executor
        Started.
    progress : RunProgress
        Told of jobs that end, and of what is to be expected.
    barred : mapping of str to str, optional
        Stages that cannot run at all → why.

    Returns
    -------
    list of JobResult
        One for each result that was to be made, in the order in which they ended; parts are folded into
        their whole.

    Raises
    ------
    UserError
        The executor has stopped working.
    """
    return _Execution(plans, plan_again, store, executor, progress, barred or {}).run()


class _Execution:
    """The state of one run."""

    def __init__(
        self,
        plans: Plans,
        plan_again: Callable[[], Plans],
        store: Store,
        executor: Executor,
        progress: RunProgress,
        barred: Mapping[str, str],
    ) -> None:
        self.plans, self.plan_again, self.store = plans, plan_again, store
        self.executor, self.progress, self.barred = executor, progress, barred
        self.expected: set[str] = set()  # keys of nodes, as in all that follow
        self.handles: dict[str, Handle] = {}
        self.ended: dict[str, JobResult] = {}
        self.parts: dict[str, list[JobResult]] = defaultdict(list)
        self.results: list[JobResult] = []
        self.deciding: set[str] = set()  # have not ended, and decide where samples lie
        self.held = False  # whether jobs that cut samples wait for those
        self.infos: dict[str, VideoInfo] = {}  # by video, once its frames are there
        self.remade: dict[str, Handle] = {}  # found damaged in this run
        self.retried: set[tuple[str, str]] = set()  # a node, and what was damaged
        self.ahead: deque[list[Planned]] = deque()  # plans of videos that are not begun
        self.begun: dict[str, list[list[Planned]]] = {}  # by video, plans that are
        self.under_way = 0

    def run(self) -> list[JobResult]:
        self.plan_all()
        for handle, result in self.executor.completed():
            self.under_way -= 1
            self.take(handle, result)
            self.begin()
        return self.results

    def take(self, handle: Handle, result: JobResult) -> None:
        """Take note of a job that has ended, and submit what that has made possible."""
        job = handle.job
        if job.rows:
            self.parts[job.node.key].append(result)
            return
        result = _fold(result, self.parts.pop(job.node.key, []))
        if self.again(handle, result):
            return
        self.end(job.node, result)
        if job.node.stage.is_root:
            for plan in self.begun.get(job.node.source.sha256, ()):
                self.extend(plan)

    def plan_all(self) -> None:
        """Take the plans as they are now, and begin with them."""
        nodes = [p.node for plan in self.plans.values() for p in plan if p.state != "done"]
        self.deciding = {n.key for n in nodes if decides_samples(n) and n.key not in self.ended}
        self.held = bool(self.deciding)
        for node in nodes:
            self.expect(node)
        self.ahead, self.begun = deque(self.plans.values()), {}
        self.begin()

    def begin(self) -> None:
        """Submit what is possible of further videos, while there is room."""
        while self.ahead and self.under_way < WINDOW:
            plan = self.ahead.popleft()
            self.begun.setdefault(plan[0].node.source.sha256, []).append(plan)
            self.extend(plan)
        self.release_samples()

    def expect(self, node: Node) -> None:
        """Count a result that will be made as soon as that is certain."""
        if node.key not in self.expected and not (node.stage.sampling and self.held):
            self.expected.add(node.key)
            self.progress.expect(node.stage.name, files=1)

    def start(self, job: Job, upstream: Sequence[Handle] = ()) -> Handle:
        """Hand a job to the executor."""
        self.under_way += 1
        return self.executor.submit(job, upstream)

    def release_samples(self) -> None:
        """Plan the samples and submit the jobs that cut them, if they have just become known."""
        if self.held and not self.deciding:
            self.plans = self.plan_again()
            self.plan_all()

    def extend(self, plan: list[Planned]) -> None:
        """Submit what has become possible of one video, and settle what has become impossible."""
        nodes = [p.node for p in plan if p.state != "done"]
        left = [n for n in nodes if n.key not in self.handles and n.key not in self.ended]
        info = self.decoded(plan) if left else None
        for node in left:
            if node.stage.sampling and self.held:
                continue
            self.expect(node)
            job = Job(self.store.root, node)
            lost = [r for u in node.inputs.values() if (r := self.ended.get(u.key)) and r.state != "done"]
            if lost:
                self.end(node, skipped(job, lost[0]))
            elif node.stage.name in self.barred:
                self.end(node, failed(job, self.barred[node.stage.name]))
            elif node.stage.is_root:
                self.handles[node.key] = self.start(job)
            elif info is not None:
                self.submit(node, info)

    def again(self, handle: Handle, result: JobResult) -> bool:
        """Submit a job once more if there is reason to, with what it needs made anew; tell whether."""
        node = handle.job.node
        if result.state == "skipped":  # because of a job that has been submitted again meanwhile
            now = [self.handles.get(u.key) for u in node.inputs.values()]
            if all(h is None or h in _ancestors(handle) for h in now):
                return False
        elif not result.damaged or (node.key, result.damaged) in self.retried:
            return False
        else:
            self.retried.add((node.key, result.damaged))
            if result.damaged != node.key and result.damaged not in self.remade:
                self.remake(next(n for n in _dependencies(node) if n.key == result.damaged))
        self.resubmit(node)
        return True

    def remake(self, node: Node) -> None:
        """Submit the job of a damaged result; whoever asks for it from now on waits for it."""
        self.ended.pop(node.key, None)
        if decides_samples(node):
            self.deciding.add(node.key)
        self.resubmit(node)
        self.remade[node.key] = self.handles[node.key]

    def resubmit(self, node: Node) -> None:
        """Submit the job of a node whose result there must be, and that has not ended."""
        if node.stage.is_root:
            self.progress.expect(node.stage.name, files=1)
            self.handles[node.key] = self.start(Job(self.store.root, node))
            return
        self.submit(node, self.infos[node.source.sha256])

    def decoded(self, plan: list[Planned]) -> VideoInfo | None:
        """Return what later jobs must know of a video; None until its frames are there."""
        frames = next(p for p in plan if p.node.stage.is_root)
        node = frames.node
        ended = self.ended.get(node.key)
        if (ended is None and frames.state != "done") or (ended is not None and ended.state != "done"):
            return None
        if ended is None and node.key in self.handles:  # being made anew
            return None
        reason = "vanished from the store during the run; run again"
        try:
            # a shared disk may show late what a worker of another machine has just published
            receipt = input_receipt(self.store, node.slot) if ended else self.store.receipt(node.slot)
        except StoreError:
            receipt = None
        except OSError as e:
            receipt, reason = None, f"cannot be read ({e.strerror}); mend that and run again"
        if receipt is None:
            job = Job(self.store.root, node)
            self.end(node, failed(job, f"{node.video}: {node.stage.name}: {reason}"))
            return None
        info = self.infos[node.source.sha256] = video_info(receipt)
        return info

    def submit(self, node: Node, info: VideoInfo) -> None:
        """Submit the job of a node whose video is decoded, in parts where it is long."""
        root = self.store.root
        cut = node.stage.sampling
        rows = sum(end - begin for begin, end in node.samples) if cut else n_rows(node, info)
        self.progress.expect(node.stage.name, rows=rows)
        upstream = [self.handles[u.key] for u in node.inputs.values() if u.key in self.handles]
        upstream += [h for n in _dependencies(node) if (h := self.remade.get(n.key)) and h not in upstream]
        if is_split(node, info):
            jobs = [Job(root, node, part) for part in part_ranges(node, info)]
            parts = [self.start(job, upstream) for job in jobs]
            self.handles[node.key] = self.start(Job(root, node, join=True), parts)
        else:
            self.handles[node.key] = self.start(Job(root, node), upstream)

    def end(self, node: Node, result: JobResult) -> None:
        """Take note of what became of a node."""
        self.ended[node.key] = result
        self.deciding.discard(node.key)
        self.results.append(result)
        self.progress.ended(result)


def _fold(whole: JobResult, parts: list[JobResult]) -> JobResult:
    """Return the result of a job with those of its parts in it."""
    bad = [p for p in parts if p.state == "failed"]
    if bad:  # the assembly was skipped because of them: say what happened, once
        return replace(whole, state="failed", reason=bad[0].reason, damaged=bad[0].damaged)
    core = whole.core_s + sum(p.core_s for p in parts)
    return replace(whole, core_s=core, peak_mb=max([whole.peak_mb, *(p.peak_mb for p in parts)]))


def _ancestors(handle: Handle) -> set[Handle]:
    """Return all jobs that a job waited for."""
    found: set[Handle] = set()
    ahead = list(handle.upstream)
    while ahead:
        one = ahead.pop()
        if one not in found:
            found.add(one)
            ahead += one.upstream
    return found


def _dependencies(node: Node) -> list[Node]:
    """Return all nodes that a node depends on, directly or through others."""
    found: dict[str, Node] = {}
    ahead = list(node.inputs.values())
    while ahead:
        one = ahead.pop()
        if one.key not in found:
            found[one.key] = one
            ahead += one.inputs.values()
    return list(found.values())
