"""One rank of the test whether ranks reach each other, for torchrun: prints ``reach BACKEND RANKS GB/s``."""

import os
import time
from datetime import timedelta

import torch
import torch.distributed as dist

ELEMENTS = 2**20


def reach(backend: str) -> None:
    """Add a tensor up over all ranks, check the sum, and say how fast it was."""
    rank, world = int(os.environ["RANK"]), int(os.environ["WORLD_SIZE"])
    device = torch.device("cuda", int(os.environ["LOCAL_RANK"])) if backend == "nccl" else torch.device("cpu")
    if backend == "nccl":
        torch.cuda.set_device(device)
    group = dist.new_group(backend=backend, timeout=timedelta(seconds=60))
    values = torch.full((ELEMENTS,), float(rank + 1), device=device)
    dist.all_reduce(values.clone(), group=group)  # the first sum builds the connections, and is not timed
    began = time.perf_counter()
    dist.all_reduce(values, group=group)
    if backend == "nccl":
        torch.cuda.synchronize()
    seconds = time.perf_counter() - began
    if values[0].item() != world * (world + 1) / 2 or values[-1].item() != values[0].item():
        raise RuntimeError(f"{backend}: the ranks' sum is wrong")
    if rank == 0:
        print(f"reach {backend} {world} {ELEMENTS * 4 / seconds / 1e9:.2f}", flush=True)


def main() -> None:
    """gloo, and NCCL where every rank has a GPU of its own."""
    dist.init_process_group("gloo", timeout=timedelta(seconds=60))
    reach("gloo")
    if torch.cuda.is_available() and torch.cuda.device_count() >= int(os.environ["LOCAL_WORLD_SIZE"]):
        reach("nccl")
    dist.destroy_process_group()


if __name__ == "__main__":
    main()
