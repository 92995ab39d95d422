"""The device, its precision, and training on several devices."""

from __future__ import annotations

import os
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from pathlib import Path

import torch
import torch.distributed as dist
from torch import Tensor, nn

from tttrain.errors import USAGE, TrainError


@dataclass(frozen=True)
class World:
    """The processes that train together, one per GPU, as ``torchrun`` starts them.

    Attributes
    ----------
    rank, size, local_rank : int
        Number of this process; number of processes; number of this process on its machine.
    """

    rank: int = 0
    size: int = 1
    local_rank: int = 0

    @property
    def main(self) -> bool:
        """Whether this process writes files and messages."""
        return self.rank == 0

    def sum(self, values: Tensor) -> Tensor:
        """Sum over all processes, in place."""
        if self.size > 1:
            dist.all_reduce(values)
        return values

    def wait(self) -> None:
        """Wait until every process is here.

        Raises
        ------
        TrainError
            One of them has ended.
        """
        if self.size > 1:
            try:
                dist.barrier()
            except RuntimeError:
                raise TrainError(f"process {self.rank}: another one ended; its message says why") from None


def join_world(device: torch.device) -> World:
    """Join the processes that ``torchrun`` describes in the environment; without it, work alone."""
    if "RANK" not in os.environ or "WORLD_SIZE" not in os.environ:
        return World()
    world = World(*(int(os.environ.get(k, 0)) for k in ("RANK", "WORLD_SIZE", "LOCAL_RANK")))
    if world.size > 1 and not dist.is_initialized():
        dist.init_process_group("nccl" if device.type == "cuda" else "gloo")
    return world


def choose_device(name: str | None) -> torch.device:
    """Return the named device; by default this process's GPU where there is one, otherwise the CPU.

    Raises
    ------
    TrainError
        There is no such device here.
    """
    if name is None:
        name = f"cuda:{os.environ.get('LOCAL_RANK', 0)}" if torch.cuda.is_available() else "cpu"
    try:
        device = torch.device(name)
        torch.empty(0, device=device)
    except (RuntimeError, AssertionError) as error:
        first = str(error).splitlines()[0]
        raise TrainError(f"device {name!r} cannot be used here ({first}); try --device cpu", USAGE) from None
    if device.type == "cuda":
        if ":" not in str(device):
            device = torch.device("cuda", int(os.environ.get("LOCAL_RANK", 0)))
        torch.cuda.set_device(device)
    return device


def set_threads(threads: int | None) -> None:
    """Set how many threads torch computes with on the CPU.

    Parameters
    ----------
    threads : int or None
        None: as torch would, but no more than a container's share of the machine, which torch does not know.
    """
    if threads is not None:
        torch.set_num_threads(threads)
        return
    share = cpu_quota()
    if share is not None and share < torch.get_num_threads():
        torch.set_num_threads(share)


def cpu_quota(path: Path = Path("/sys/fs/cgroup/cpu.max")) -> int | None:
    """Return the cores that this control group may use, rounded up; None where nothing limits them."""
    try:
        limit, period = path.read_text().split()
        return max(1, -(-int(limit) // int(period)))
    except (OSError, ValueError):  # no such file, or "max"
        return None


def choose_precision(device: torch.device, wanted: str) -> str:
    """Choose the arithmetic of convolutions and products: ``fp32``, ``tf32`` or ``bf16``.

    Parameters
    ----------
    device : torch.device
    wanted : {"auto", "fp32", "tf32", "bf16"}
        auto: bf16 on a GPU that supports it, TF32 on other GPUs, fp32 on the CPU.

    Raises
    ------
    TrainError
        Reduced precision was asked of the CPU.
    """
    if device.type != "cuda":
        # bf16 gradients of channels-last 3D convolutions come out as NaN at times on the CPU (torch 2.13)
        if wanted in ("tf32", "bf16"):
            raise TrainError(f"--precision {wanted} needs a GPU; leave it out, or give fp32", USAGE)
        return "fp32"
    if wanted != "auto":
        return wanted
    return "bf16" if torch.cuda.is_bf16_supported(including_emulation=False) else "tf32"


def set_precision(device: torch.device, precision: str) -> None:
    """Allow or forbid TF32; with bf16 it is allowed for what stays in float32."""
    if device.type == "cuda":
        allowed = precision != "fp32"
        torch.backends.cuda.matmul.allow_tf32 = allowed
        torch.backends.cudnn.allow_tf32 = allowed
        torch.backends.cudnn.benchmark = True


def autocast(device: torch.device, precision: str) -> AbstractContextManager[None]:
    """Return the context in which a model is evaluated; on the CPU always float32."""
    if precision != "bf16" or device.type != "cuda":
        return nullcontext()
    return torch.autocast(device.type, torch.bfloat16)


def place(model: nn.Module, device: torch.device) -> nn.Module:
    """Move a model to a device, with channels-last weights: faster on GPU and CPU."""
    volumes = any(p.dim() == 5 for p in model.parameters())
    order = torch.channels_last_3d if volumes else torch.channels_last
    moved: nn.Module = model.to(device).to(memory_format=order)  # type: ignore[call-overload]
    return moved
