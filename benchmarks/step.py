"""What a GRPO step costs, TRL alone and with lean steps, on the same made-up completions: `python benchmarks/step.py`.

    python benchmarks/step.py [--processes 1 2] [--steps 4] [--rounds 3] [--scale 0.25] [--device cpu|cuda]

Lengths of completions: all equal; lognormal with a mean of 397 tokens, capped at 2,048 (what 5,071 real completions to
AQuA-RAT questions look like); equal with one that is as long as the cap. Prompts have 80 to 260 tokens. Everything is
scaled, so that a CPU ends in minutes. A share of the groups has no spread: all their rewards are equal, and no row of
theirs has an advantage. Both trainers take the same batches, round by round in turn; a ratio is that of one step of
both, and the interval is that of the median by order statistics (95 %). Seconds are those of all forward and backward
passes; generation, rewards and the optimiser are not in them.
"""

import argparse
import json
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
ROWS, GROUP, MICRO, VOCABULARY = 32, 8, 4, 4096
LENGTHS = ("equal", "lognormal", "one outlier")
FLAT = (0.0, 0.3, 0.6)


def worker(folder: Path, steps: int, rounds: int, scale: float, device: str) -> None:
    """Measure every kind of batch in this process, or in each of several; the main one prints a JSON line each."""
    import torch
    from accelerate import PartialState
    from datasets import Dataset
    from tokenizers import Tokenizer
    from tokenizers.models import WordLevel
    from transformers import PreTrainedTokenizerFast, Qwen3Config, Qwen3ForCausalLM
    from trl import GRPOConfig

    from ratchet.recipe.groups import Lean
    from ratchet.training.trainers.grpo import RecipeGRPOTrainer

    class Measured(RecipeGRPOTrainer):
        kind, flat = "", 0.0

        def training_step(self, *args: Any, **kwargs: Any) -> Any:
            began, self.making = now(), 0.0
            loss = super().training_step(*args, **kwargs)
            self.seconds[-1] += now() - began - self.making
            return loss

        def _generate_and_score_completions(self, inputs: Any) -> dict[str, Any]:
            began = now()
            self.seconds.append(0.0)
            batch = made_up(self, len(inputs), scale)
            self.making = now() - began
            return batch

    def now() -> float:
        if device == "cuda":
            torch.cuda.synchronize()
        return time.perf_counter()

    torch.set_num_threads(1 if PartialState(cpu=device == "cpu").num_processes > 1 else 2)
    state = PartialState()
    config = Qwen3Config(
        vocab_size=VOCABULARY,
        hidden_size=256,
        intermediate_size=768,
        num_hidden_layers=4,
        num_attention_heads=4,
        num_key_value_heads=2,
        head_dim=64,
        max_position_embeddings=4096,
    )
    words = Tokenizer(WordLevel({"<pad>": 0, "<eos>": 1, "w": 2}, unk_token="<pad>"))
    tokenizer = PreTrainedTokenizerFast(tokenizer_object=words, pad_token="<pad>", eos_token="<eos>")

    def run(kind: str, flat: float, lean: Lean | None) -> tuple[list[float], list[dict[str, float]]]:
        torch.manual_seed(0)
        arguments = GRPOConfig(
            output_dir=str(folder),
            per_device_train_batch_size=MICRO,
            gradient_accumulation_steps=ROWS // MICRO,
            num_generations=GROUP,
            max_completion_length=4096,
            max_steps=steps,
            logging_steps=1,
            beta=0.0,
            bf16=device == "cuda",
            use_cpu=device == "cpu",
            gradient_checkpointing=False,
            report_to="none",
            save_strategy="no",
            disable_tqdm=True,
            ddp_find_unused_parameters=False,
        )
        trainer = Measured(
            model=Qwen3ForCausalLM(config),
            args=arguments,
            reward_funcs=lambda completions, **given: [0.0] * len(completions),
            train_dataset=Dataset.from_dict({"prompt": ["w"] * 4096}),
            processing_class=tokenizer,
            lean=lean,
        )
        trainer.kind, trainer.flat, trainer.seconds = kind, flat, []
        torch.manual_seed(1)
        trainer.train()
        return trainer.seconds, [entry for entry in trainer.state.log_history if "loss" in entry]

    run("equal", 0.0, Lean())  # the first passes of a process are slower
    for kind in LENGTHS:
        for flat in FLAT:
            ratios, apart, plain_seconds, lean_seconds, logs = [], [], [], [], []
            for turn in range(rounds):
                both = {}
                for lean in (None, Lean())[:: 1 if turn % 2 else -1]:
                    both[lean is None] = run(kind, flat, lean)
                (plain, plain_logs), (ours, logs) = both[True], both[False]
                plain_seconds += plain
                lean_seconds += ours
                ratios += [one / other for one, other in zip(plain, ours, strict=True)]
                apart += [abs(a["loss"] - b["loss"]) for a, b in zip(plain_logs, logs, strict=True)]
            if state.is_main_process:
                found = {
                    "lengths": kind,
                    "flat": flat,
                    "processes": state.num_processes,
                    "plain": median(plain_seconds),
                    "lean": median(lean_seconds),
                    "ratio": interval(ratios),
                    "apart": max(apart),
                }
                for name in ("computed_share", "computed_over_needed", "rows_left_out", "imbalance"):
                    values = [entry[f"lean/{name}"] for entry in logs if f"lean/{name}" in entry]
                    found[name] = sum(values) / len(values)
                print(json.dumps(found), flush=True)


def made_up(trainer: Any, rows: int, scale: float) -> dict[str, Any]:
    """A generation of this process: (rows, longest) tokens, with advantages in all groups but those without spread."""
    import torch

    draw = torch.Generator().manual_seed(1000 * trainer._step + trainer.accelerator.process_index)
    prompts = (torch.rand(rows // GROUP, generator=draw) * 180 + 80).mul(scale).long().clamp(min=2)
    prompts = prompts.repeat_interleave(GROUP)
    cap = max(4, int(2048 * scale))
    lengths = torch.full((rows,), int(397 * scale))
    if trainer.kind == "lognormal":
        lengths = torch.randn(rows, generator=draw).mul(0.75).add(5.7).exp().mul(scale).long().clamp(2, cap)
    elif trainer.kind == "one outlier":
        lengths[int(torch.randint(rows, (1,), generator=draw))] = cap
    p, c = int(prompts.max()), int(lengths.max())
    prompt_mask = (torch.arange(p) >= p - prompts[:, None]).long()
    mask = (torch.arange(c) < lengths[:, None]).long()
    asked = torch.randint(2, VOCABULARY, (rows // GROUP, p), generator=draw).repeat_interleave(GROUP, 0)
    advantages = torch.randn(rows, generator=draw)
    groups = rows // GROUP
    # As many groups as the share says, on average over steps.
    flat = torch.rand(groups, generator=draw).argsort() < int(trainer.flat * groups + torch.rand(1, generator=draw))
    advantages[flat.repeat_interleave(GROUP)] = 0.0
    batch = {
        "prompt_ids": asked * prompt_mask,
        "prompt_mask": prompt_mask,
        "completion_ids": torch.randint(2, VOCABULARY, (rows, c), generator=draw) * mask,
        "completion_mask": mask,
        "advantages": advantages,
    }
    batch = {name: value.to(trainer.accelerator.device) for name, value in batch.items()}
    batch["num_items_in_batch"] = trainer.accelerator.gather(batch["completion_mask"].sum().reshape(1)).sum()
    return batch


def median(values: list[float]) -> float:
    """The middle value."""
    return sorted(values)[len(values) // 2]


def interval(values: list[float]) -> tuple[float, float, float]:
    """The median and its 95 % interval by order statistics, which assumes nothing of the distribution."""
    ordered, reach = sorted(values), 0.98 * len(values) ** 0.5
    low, high = (min(len(ordered) - 1, max(0, round(len(ordered) / 2 + end))) for end in (-reach, reach))
    return median(values), ordered[low], ordered[high]


def launched(processes: int, given: argparse.Namespace, folder: str) -> list[str]:
    """The command that measures on so many processes."""
    words = [sys.executable, __file__, "--worker", folder, "--steps", str(given.steps), "--rounds", str(given.rounds)]
    words += ["--scale", str(given.scale), "--device", given.device]
    if processes == 1:
        return words
    name = "ddp" if given.device == "cuda" else "cpu2"
    launch = [sys.executable, "-m", "accelerate.commands.launch", "--main_process_port", "0"]
    launch += ["--num_processes", str(processes), "--config_file", str(ROOT / f"accelerate_configs/{name}.yaml")]
    return [*launch, *words[1:]]


def main() -> None:
    """Measure, and print a table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--processes", type=int, nargs="+", default=[1, 2])
    parser.add_argument("--steps", type=int, default=4)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--scale", type=float, default=0.25)
    parser.add_argument("--device", choices=("cpu", "cuda"), default="cpu")
    parser.add_argument("--worker", help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.worker:
        worker(Path(given.worker), given.steps, given.rounds, given.scale, given.device)
        return
    print("| lengths | no spread | processes | times as fast | computed / needed | imbalance | losses apart |")
    print("|---|---|---|---|---|---|---|", flush=True)
    for processes in given.processes:
        with tempfile.TemporaryDirectory() as folder:
            command = launched(processes, given, folder)
            with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True) as measuring:
                for line in measuring.stdout or ():
                    if line.startswith('{"lengths"'):
                        print(as_row(json.loads(line)), flush=True)
            if measuring.returncode:
                raise SystemExit(f"{' '.join(command)} ended with {measuring.returncode}")


def as_row(found: dict[str, Any]) -> str:
    """A line of the table."""
    middle, low, high = found["ratio"]
    return (
        f"| {found['lengths']} | {found['flat']:.0%} | {found['processes']} | {middle:.2f} [{low:.2f}, {high:.2f}] "
        f"| {found['computed_over_needed']:.2f} | {found['imbalance']:.1%} | {found['apart']:.1e} |"
    )


if __name__ == "__main__":
    main()
