"""One training process whose memory is watched, started by ``benchmarks/memory.py``.

memory_worker.py OUT.json TRAINER RECIPE --key value ...
"""

import gc
import json
import os
import sys
import time
from itertools import accumulate
from pathlib import Path

import torch
from torch.profiler import ProfilerActivity, profile
from transformers import Trainer
from trl import GRPOTrainer

SEEN = {"prompt": 0, "completion": 0, "row": 0}
# Time, and bytes of all tensors: what was allocated where the profiler does not look (loading in threads).
HELD: list[tuple[int, int]] = []


def watch() -> None:
    """Note the lengths of batches, and once what is there before the first step."""
    step, score = Trainer.training_step, GRPOTrainer._generate_and_score_completions

    def training_step(self, model, inputs, *args, **kwargs):
        if not HELD:
            HELD.append((time.time_ns(), held()))
        if isinstance(inputs, dict) and "labels" in inputs:
            SEEN["row"] = max(SEEN["row"], inputs["input_ids"].shape[1])
        return step(self, model, inputs, *args, **kwargs)

    def scored(self, *args, **kwargs):
        found = score(self, *args, **kwargs)
        for key in ("prompt", "completion"):
            SEEN[key] = max(SEEN[key], found[f"{key}_ids"].shape[1])
        return found

    Trainer.training_step, GRPOTrainer._generate_and_score_completions = training_step, scored


def held() -> int:
    """Bytes of the storages of all living tensors."""
    found = {}
    for one in gc.get_objects():
        if isinstance(one, torch.Tensor) and one.device.type == "cpu":
            storage = one.untyped_storage()
            found[storage.data_ptr()] = storage.nbytes()
    return sum(found.values())


def peak_of(watched: profile) -> int:
    """The highest running sum of what the CPU allocator reported, with what it did not see."""
    events = sorted(
        (event.start_ns(), event.nbytes())
        for event in watched.profiler.kineto_results.events()
        if event.name() == "[memory]"
    )
    sums = list(accumulate(size for _, size in events))
    when, total = HELD[0]
    then = next((value for (at, _), value in zip(reversed(events), reversed(sums), strict=True) if at <= when), 0)
    return max(sums) + max(0, total - then)


def main() -> None:
    """Run the recipe; the main process writes its peak and the longest batch."""
    out, trainer = Path(sys.argv[1]), sys.argv[2]
    root = Path(__file__).resolve().parents[1]
    sys.argv = [str(root / f"scripts/{trainer}.py"), *sys.argv[3:]]
    watch()
    from ratchet.cli import main as cli

    watched = (
        None
        if torch.cuda.is_available()
        else profile(activities=[ProfilerActivity.CPU], profile_memory=True, acc_events=False)
    )
    if watched:
        watched.start()
    try:
        getattr(cli, trainer)()
    except SystemExit as end:
        if end.code:
            raise
    if watched:
        watched.stop()
    if os.environ.get("RANK", "0") == "0":
        out.write_text(
            json.dumps({"peak": peak_of(watched) if watched else torch.cuda.max_memory_allocated(), **SEEN})
        )


if __name__ == "__main__":
    main()
