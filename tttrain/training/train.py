"""The training loop: epochs of steps, validation, the schedule's moves, checkpoints.

A run is resumed by starting it again. Everything random is drawn from the seed, the epoch and the
sample, or restored from the checkpoint; so on the CPU an interrupted run ends with the same weights,
to the bit, as one that was not.
"""

from __future__ import annotations

import math
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import torch
from torch import Tensor, nn

from tttrain.data.cache import Cache, choose_cache
from tttrain.data.dataset_file import DatasetInfo
from tttrain.data.frame_windows import FrameDataset
from tttrain.data.prepare import Inputs, Preparer
from tttrain.data.samples import Clip, Mode, StrokeDataset, merged
from tttrain.errors import TrainError
from tttrain.feeding.feed import Feed
from tttrain.feeding.loader import EpochBatches
from tttrain.models.initial_weights import Initial, load_initial
from tttrain.training.checkpoint import OVER, Checkpoints, random_state, restore, restore_random_state
from tttrain.training.device import World, autocast, place, set_precision
from tttrain.training.loss import loss_and_hits, step_loss
from tttrain.training.lr_schedule import Point
from tttrain.training.memory import is_out_of_memory, largest_batch
from tttrain.training.optimizer import make_optimizer, set_rates, take_step
from tttrain.training.run_folder import RunRecord, make_model, view_of, write_history
from tttrain.training.step_graph import StepGraph
from tttrain.training.waiting import Waiting

#: a run's folder takes no other settings
ANEW = "begin in another folder, or anew with --force"


@dataclass(frozen=True)
class Runtime:
    """How a run is carried out; none of it changes the result on the CPU.

    Attributes
    ----------
    workers : int
        Number of processes that read data.
    compile : bool
        Use ``torch.compile``.
    save_every : int
        Epochs between checkpoints.
    initial : Path, optional
        The file behind ``RunConfig.initial``.
    cache : {"auto", "gpu", "memory", "none"}
        Where the windows are kept; see :func:`tttrain.data.cache.choose_cache`.
    cache_limit : int, optional
        Bytes that they may take.
    """

    workers: int = 0
    compile: bool = False
    save_every: int = 1
    initial: Path | None = None
    cache: Cache = "auto"
    cache_limit: int | None = None


class Listener(Protocol):
    """Follows the progress of a run."""

    def begin(self, done: int, epochs: int) -> None:
        """Note that the run starts; ``done`` of its epochs are there already."""

    def keep(self, done: int, needed: int, place: str) -> None:
        """Note that so many of the bytes that are kept in ``place`` (gpu, memory) have been read."""

    def step(self, epoch: int, done: int, steps: int) -> None:
        """Note that a step of an epoch is done."""

    def end_of_epoch(self, history: list[dict[str, Any]]) -> None:
        """Note that an epoch is done and recorded."""


class Trainer:
    """Trains one run.

    Parameters
    ----------
    record : RunRecord
    info : DatasetInfo
    folder : Path
        Run folder.
    device : torch.device
    runtime : Runtime
    world : World

    Attributes
    ----------
    initial : Initial or None
        The layers that start from a file, if one was given.

    Raises
    ------
    TrainError
        Data and settings do not fit together.
    """

    def __init__(
        self,
        record: RunRecord,
        info: DatasetInfo,
        folder: Path,
        device: torch.device,
        runtime: Runtime | None = None,
        world: World | None = None,
    ) -> None:
        self.record, self.config, self.info, self.folder = record, record.config, info, folder
        self.device, self.runtime, self.world = device, runtime or Runtime(), world or World()
        self.view = view_of(record, info)
        set_precision(device, self.config.precision)
        torch.manual_seed(self.config.seed)
        network = make_model(record, self.view)
        self.initial: Initial | None = None
        if self.runtime.initial is not None:
            self.initial = load_initial(network, self.runtime.initial)
        self.network = place(network, device)
        self.model = self._wrap(self.network)
        self.optimizer = make_optimizer(self.config, self.network.parameters())
        graphs = device.type == "cuda" and self.world.size == 1 and not self.runtime.compile
        self.graph = StepGraph(self._gradients) if graphs else None
        self.prepare = Preparer(
            info, self.view, device, window=info.crop if self.config.sampling == "frames" else None,
            flow_divisor=record.data.flow_divisor, pixels=self.config.pixels,
            joints=self.config.joints,
        )  # fmt: skip
        self.schedule = self.config.make_schedule()
        self.checkpoints = Checkpoints(folder, write=self.world.main)
        self.history: list[dict[str, Any]] = []
        self._choose_data()

    def _wrap(self, network: nn.Module) -> nn.Module:
        model = network
        if self.world.size > 1:
            if self.device.type == "cuda":
                model = nn.SyncBatchNorm.convert_sync_batchnorm(model)  # type: ignore[no-untyped-call]
            ids = [self.device.index] if self.device.type == "cuda" else None
            model = nn.parallel.DistributedDataParallel(model, device_ids=ids)
        return torch.compile(model) if self.runtime.compile else model  # type: ignore[return-value]

    def _of_frames(self) -> tuple[FrameDataset, FrameDataset]:
        """Make the data sets of frames: for training, and this process's share of those for validation."""
        c, world, args = self.config, self.world, (self.view, self.record.inputs)
        train = FrameDataset(
            self.info, c.train_split, *args, drawn=True, augment=c.augment, flip=c.flip,
            seed=c.seed,
        )  # fmt: skip
        validation = FrameDataset(self.info, c.validation_split if c.validates else c.train_split, *args)
        every = validation.pieces if c.validates else []
        validation.pieces, self.n_validation = every[world.rank :: world.size], len(every)
        return train, validation

    def _of_samples(self) -> tuple[StrokeDataset, StrokeDataset]:
        """Make the data sets of samples: for training, and this process's share of those for validation."""
        c, world, inputs = self.config, self.world, self.record.inputs
        rows = self.info.rows_of(c.train_split)
        mode: Mode = "train" if c.augment or c.method else "centre"
        train = StrokeDataset(
            self.info, rows, self.view, inputs, mode, sampling=c.sampling, seed=c.seed,
            augmentation=c.augmentation if c.augment else None, flip=c.flip,
        )  # fmt: skip
        every = self.info.rows_of(c.validation_split) if c.validates else rows[:0]
        self.n_validation = len(every)
        return train, StrokeDataset(self.info, every[world.rank :: world.size], self.view, inputs, "tests")

    def _choose_data(self) -> None:
        c, world = self.config, self.world
        self.train_data: FrameDataset | StrokeDataset
        self.validation_data: FrameDataset | StrokeDataset
        frames = c.sampling == "frames"
        self.train_data, self.validation_data = self._of_frames() if frames else self._of_samples()
        self.batches = EpochBatches(
            len(self.train_data), c.batch,
            accumulate=c.accumulate, seed=c.seed, rank=world.rank, world=world.size,
        )  # fmt: skip
        self._needed = self.train_data.bytes + self.validation_data.bytes
        self.cache = choose_cache(
            self.runtime.cache, self._needed, self.device, self.runtime.cache_limit, world.size
        )

    def _feed(self, listener: Listener) -> None:
        """Read what is kept, and make what brings the batches."""
        done = 0

        def progress(size: int) -> None:
            nonlocal done
            done += size
            listener.keep(done, self._needed, self.cache)

        for data in (self.train_data, self.validation_data) if self.cache != "none" else ():
            if not data.kept:
                data.keep(self.cache, self.device, progress)  # type: ignore[arg-type]
        workers = self.runtime.workers
        self.train_feed = Feed(self.train_data, self.batches, self.device, workers=workers)
        # validation samples are dealt out once; their order plays no part
        windows = len(self.view.method.tests) if self.view.method else 1
        fixed = EpochBatches(len(self.validation_data), max(1, self.config.batch // windows))
        self.validation_feed = Feed(self.validation_data, fixed, self.device, workers=min(workers, 2))

    def resume(self) -> int:
        """Go back to the last checkpoint, if there is one.

        Returns
        -------
        int
            Number of epochs done.
        """
        if "last" in self.checkpoints.names:
            state = self.checkpoints.load("last", self.device)
            self._restore(state)
            try:
                self.history = list(state["history"])
                for record in self.history:
                    move = self.schedule.step(_point(record))
                    set_rates(self.optimizer, move)
                restore_random_state(state["random"])
            except (KeyError, TypeError, ValueError, AttributeError, RuntimeError) as error:
                raise TrainError(f"{self.folder}: its last checkpoint is damaged ({error}); {OVER}") from None
            if self.world.main:  # the file is for people; whatever happened to it, this is the true one
                write_history(self.folder, self.history)
        return len(self.history)

    def run(self, listener: Listener) -> list[dict[str, Any]]:
        """Train until the configured number of epochs is reached.

        Returns
        -------
        list of dict
            One record per epoch.

        Raises
        ------
        TrainError
            The data cannot be read, memory does not suffice, or the loss is not a number any more.
        """
        done = self.resume()
        listener.begin(done, self.config.epochs)
        if done < self.config.epochs:
            self._feed(listener)
        for epoch in range(done, self.config.epochs):
            began = time.perf_counter()
            group = self.optimizer.param_groups[0]
            record: dict[str, Any] = {"epoch": epoch + 1, "lr": group["lr"]}
            record["momentum"] = group.get("momentum", 0.0)
            record |= self._train_epoch(epoch, listener)
            record |= self._validate()
            if not math.isfinite(record["train_loss"] + (record["validation_loss"] or 0)):
                raise TrainError(
                    f"epoch {epoch + 1}: the loss is not a number any more; take a smaller --lr; {ANEW}"
                )
            move = self.schedule.step(_point(record))
            due = (epoch + 1) % self.runtime.save_every == 0 or epoch + 1 == self.config.epochs
            if move.improved and (due or self.config.validates):
                self.checkpoints.save_best(self._state(epoch), epoch + 1)
            if move.reload:
                self.world.wait()
                self._restore(self.checkpoints.load("best", self.device))
            set_rates(self.optimizer, move)
            record |= {"improved": move.improved, "reload": move.reload, "note": move.why}
            record["seconds"] = round(time.perf_counter() - began, 3)
            self.history.append(record)
            if due:
                state = {"history": self.history, "random": random_state()}
                self.checkpoints.commit(self._state(epoch) | state, epoch + 1)
            if self.world.main:
                write_history(self.folder, self.history)
            listener.end_of_epoch(self.history)
        return self.history

    def _state(self, epoch: int) -> dict[str, Any]:
        return {
            "epoch": epoch + 1,
            "model": self.network.state_dict(),
            "optimizer": self.optimizer.state_dict(),
        }

    def _restore(self, state: dict[str, Any]) -> None:
        restore(self.network, state, str(self.folder))
        try:
            self.optimizer.load_state_dict(state["optimizer"])
        except (KeyError, RuntimeError, TypeError, AttributeError, ValueError) as error:
            raise TrainError(f"{self.folder}: its last checkpoint is damaged ({error}); {OVER}") from None

    def _train_epoch(self, epoch: int, listener: Listener) -> dict[str, float]:
        """Pass once over the training samples; return mean loss, accuracy, share of time spent waiting."""
        self.model.train()
        self.batches.epoch = epoch
        steps = self.batches.steps()
        # summed on the device: fetching the loss of each step would make the GPU wait for the CPU
        totals = torch.zeros(2, dtype=torch.float64, device=self.device)
        source = iter(self.train_feed)
        waiting, began = Waiting(self.device), time.perf_counter()
        for number, (parts, size) in enumerate(steps):
            self.optimizer.zero_grad(set_to_none=self.graph is None)
            for i in range(len(parts)):
                with waiting.fetching():
                    clip = next(source)
                totals += self._backward(clip, size, last=i == len(parts) - 1)
            take_step(self.optimizer, self.config.clip)
            listener.step(epoch, number + 1, len(steps))
        for _ in source:  # let the loader finish its epoch
            pass
        loss, right = (self._summed(totals) / sum(size for _, size in steps)).tolist()
        spent = time.perf_counter() - began
        share = round(waiting.seconds() / spent, 4)
        return {"train_loss": loss, "train_accuracy": right, "waiting": share}

    def _backward(self, clip: Clip, size: int, *, last: bool) -> Tensor:
        """Add the gradients of a micro-batch of a step of ``size`` samples; return its loss sum and hits."""
        synced = self.world.size == 1 or last
        sums: Tensor | None = None
        try:
            if synced:
                sums = self._forward_backward(clip, size)
            else:
                with self.model.no_sync():  # type: ignore[operator]
                    sums = self._forward_backward(clip, size)
        except RuntimeError as error:
            if not is_out_of_memory(error):
                raise
        if sums is None:  # here, not in the handler: the traceback would hold the memory
            raise self._too_large(clip)
        return sums

    def _forward_backward(self, clip: Clip, size: int) -> Tensor:
        labels = clip["label"].to(self.device, non_blocking=True)
        return (self.graph or self._gradients)(self.prepare(clip), labels, size)

    def _gradients(self, inputs: Inputs, labels: Tensor, size: int) -> Tensor:
        with autocast(self.device, self.config.precision):
            logits = self.model(inputs)
        loss, hits = loss_and_hits(logits, labels, kind=self.config.loss)
        step_loss(loss, size, self.world.size).backward()  # type: ignore[no-untyped-call]
        return torch.stack([loss.detach(), hits]).to(torch.float64)

    def _too_large(self, clip: Clip) -> TrainError:
        batch = len(clip["label"])

        def attempt(size: int) -> None:
            self.optimizer.zero_grad(set_to_none=True)
            part = {name: values[:size] for name, values in clip.items()}
            self._gradients(self.prepare(part), part["label"].to(self.device), size)

        self.optimizer.zero_grad(set_to_none=True)
        fits = largest_batch(attempt, batch)
        where = torch.cuda.get_device_name(self.device) if self.device.type == "cuda" else str(self.device)
        if not fits:
            return TrainError(
                f"{where}: out of memory with a single sample; take a smaller model, --size or --length, "
                f"or --precision bf16; {ANEW}"
            )
        times = -(-batch * self.config.accumulate // fits)
        return TrainError(
            f"{where}: out of memory with batch {batch}; batch {fits} fits: --batch {fits} "
            f"--accumulate {times} makes steps of {fits * times} samples; {ANEW}"
        )

    @torch.no_grad()
    def _validate(self) -> dict[str, float | None]:
        """Measure loss and accuracy on the validation samples: centre windows, or means over test samples."""
        if not self.config.validates:
            return {"validation_loss": None, "validation_accuracy": None}
        self.model.eval()
        totals = torch.zeros(2, dtype=torch.float64, device=self.device)
        for clip in self.validation_feed:
            flat, n = merged(clip)
            labels = clip["label"].to(self.device)
            with autocast(self.device, self.config.precision):
                logits = self.network(self.prepare(flat))
            totals += torch.stack(loss_and_hits(logits, labels, n, self.config.loss)).to(torch.float64)
        loss, right = (self._summed(totals) / self.n_validation).tolist()
        return {"validation_loss": loss, "validation_accuracy": right}

    def _summed(self, totals: Tensor) -> Tensor:
        return self.world.sum(totals).cpu()


def _point(record: dict[str, Any]) -> Point:
    figures = (record[k] for k in ("train_loss", "validation_loss", "validation_accuracy"))
    return Point(*(math.nan if value is None else value for value in figures))
