"""Every figure against an independent computation in float64: full logits, eager attention, autograd."""

import copy
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from peft import LoraConfig, get_peft_model
from transformers import AutoModelForCausalLM, AutoTokenizer

HERE, ROOT = Path(__file__).parent, Path(__file__).resolve().parents[2]
TEMPERATURE, ROWS, QUERIES = 0.7, 2, 5
COMMITTED = {
    "Answer: A": "A",
    "So 3 + 4 = 7\nAnswer: B": "B",
    "Answer: C": "C",
    "The answer is D.": "D",
    "1 + 1 = 2\nAnswer: E": "E",
}
CASES = [("qwen3-tied", "full", 1), ("qwen3-untied", "lora", 1), ("nanochat", "full", 1), ("nanochat", "lora", 2)]
CASES += [pytest.param(("qwen3-tied", "full", 2), marks=pytest.mark.slow)]


class Naive:
    """The same three steps, computed the slow way from what the run kept."""

    def __init__(self, folder: Path, lora: bool, processes: int):
        self.lora = lora
        self.tokenizer = AutoTokenizer.from_pretrained(folder / "model")
        self.initial = AutoModelForCausalLM.from_pretrained(
            folder / "model", dtype=torch.float64, attn_implementation="eager"
        ).eval()
        self.ranks = [torch.load(folder / f"rank{i}.pt") for i in range(processes)]
        self.log = [entry for entry in torch.load(folder / "log.pt") if "loss" in entry]

    def model(self, weights):
        model = copy.deepcopy(self.initial)
        if self.lora:
            model = get_peft_model(model, LoraConfig(r=4, target_modules=["q_proj", "v_proj"]))
        model.load_state_dict({name: weight.double() for name, weight in weights.items()}, strict=False)
        return model.eval()

    def batches(self, step):
        return [[kept for kept in rank["kept"] if kept["step"] == step] for rank in self.ranks]

    @staticmethod
    def logits(model, inputs, grad=False):
        """Logits that predict each completion token, (rows, tokens, vocabulary); a row at a time, without padding."""
        rows = []
        with torch.set_grad_enabled(grad):
            for prompt, kept, completion in zip(
                inputs["prompt_ids"], inputs["prompt_mask"], inputs["completion_ids"], strict=True
            ):
                prompt = prompt[kept.bool()]
                found = model(input_ids=torch.cat([prompt, completion]).unsqueeze(0)).logits[0]
                rows.append(found[len(prompt) - 1 : -1])
        return torch.stack(rows)

    @staticmethod
    def logps(logits, inputs):
        found = torch.log_softmax(logits / TEMPERATURE, -1)
        return found, found.gather(-1, inputs["completion_ids"].unsqueeze(-1)).squeeze(-1)

    def letter(self, ids, mask):
        """Index of the token that holds the committed letter, and the ids of the five letters in its form."""
        ids = ids[: int(mask.sum())].tolist()
        text = self.tokenizer.decode(ids, skip_special_tokens=True)
        if text not in COMMITTED:
            return None
        at = text.rindex(COMMITTED[text])
        index = next(
            i for i in range(len(ids)) if len(self.tokenizer.decode(ids[: i + 1], skip_special_tokens=True)) > at
        )
        form = self.tokenizer.convert_ids_to_tokens(ids[index])
        return index, self.tokenizer.convert_tokens_to_ids(
            [form.replace(COMMITTED[text], letter) for letter in "ABCDE"]
        )

    def five(self, logits, inputs):
        """Letter logits of each row, None where no letter is committed."""
        found = []
        for row in range(len(logits)):
            place = self.letter(inputs["completion_ids"][row], inputs["completion_mask"][row])
            found.append(None if place is None else logits[row, place[0]][place[1]])
        return found


@pytest.fixture(scope="module", params=CASES, ids=lambda case: "-".join(map(str, case)))
def run(request, tmp_path_factory):
    kind, mode, processes = request.param
    folder = tmp_path_factory.mktemp("naive")
    start = [sys.executable]
    if processes > 1:
        start += [
            "-m",
            "accelerate.commands.launch",
            "--config_file",
            str(ROOT / "accelerate_configs/cpu2.yaml"),
            "--main_process_port",
            "0",
        ]
    start_worker([*start, str(HERE / "worker.py"), kind, mode, str(folder)])
    return Naive(folder, mode == "lora", processes)


def start_worker(words):
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "HF_HUB_OFFLINE": "1", "CUDA_VISIBLE_DEVICES": ""}
    done = subprocess.run(words, env=environment, capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stderr[-4000:]


def close(found, expected, tolerance=2e-4):
    assert found == pytest.approx(float(torch.as_tensor(expected).detach()), rel=tolerance, abs=tolerance)


def mean_and_std(entry, key, values):
    values = torch.stack(values)
    close(entry[f"{key}_mean"], values.mean())
    close(entry[f"{key}_std"], values.std(unbiased=False))


def test_letter_margins_and_counts_are_those_of_full_logits(run):
    for step, entry in enumerate(run.log):
        logits, rows = [], 0
        for rank in run.batches(step):
            for kept in rank:
                found = run.five(run.logits(run.model(kept["weights"]), kept["inputs"]), kept["inputs"])
                rows += len(found)
                logits += [row for row in found if row is not None]
        best = [row.topk(2).values for row in logits]
        mean_and_std(entry, "rl/letter_margin", [pair[0] - pair[1] for pair in best])
        close(entry["rl/letter_found_frac"], len(logits) / rows)
        assert 0 < len(logits) < rows
        for i, letter in enumerate("ABCDE"):
            assert entry[f"rl/letter_pred_counts/{letter}"] == sum(int(row.argmax()) == i for row in logits)


def test_the_distance_from_the_initial_model_is_that_of_two_full_forward_passes(run):
    for step, entry in enumerate(run.log):
        letter, sequence = [], []
        for rank in run.batches(step):
            inputs = {key: value[:ROWS] if value.ndim else value for key, value in rank[0]["inputs"].items()}
            now, then = run.logits(run.model(rank[0]["weights"]), inputs), run.logits(run.initial, inputs)
            mask = inputs["completion_mask"]
            sequence += [*(((run.logps(now, inputs)[1] - run.logps(then, inputs)[1]) * mask).sum(1) / mask.sum(1))]
            for p, q in zip(run.five(now, inputs), run.five(then, inputs), strict=True):
                if p is not None:
                    letter.append((p.softmax(-1) * (p.log_softmax(-1) - q.log_softmax(-1))).sum())
        mean_and_std(entry, "rl/kl_sequence", sequence)
        if letter:
            mean_and_std(entry, "rl/kl_letter", letter)
        assert abs(entry["rl/kl_sequence_mean"]) > 1e-3 or step == 0
    assert sum("rl/kl_letter_mean" in entry for entry in run.log) > 1


def test_token_figures_are_those_of_full_logits(run):
    for step, entry in enumerate(run.log):
        logps, entropies = [], []
        for rank in run.batches(step):
            for kept in rank:
                all_, own = run.logps(run.logits(run.model(kept["weights"]), kept["inputs"]), kept["inputs"])
                mask = kept["inputs"]["completion_mask"].bool()
                logps.append(own[mask])
                entropies.append(-(all_.exp() * all_).sum(-1)[mask])
        close(entry["tokens/mean_logprob"], torch.cat(logps).mean())
        close(entry["tokens/mean_entropy"], torch.cat(entropies).mean())
        assert entry["policy/entropy"] == entry["tokens/mean_entropy"]


def test_attention_entropy_is_that_of_eager_attention(run):
    for step, entry in enumerate(run.log):
        weights = run.batches(step)[0][0]["weights"]
        model, layers = run.model(weights), {}
        processes = len(run.ranks)
        for rank in range(processes):
            rows = [run.ranks[rank]["probe"][(rank + i * processes) % 4] for i in range(ROWS)]
            found = []
            for row in rows:
                attentions = model(input_ids=torch.tensor([row]), output_attentions=True).attentions
                found.append(
                    torch.stack(
                        [
                            -(a[0, :, -QUERIES:] * a[0, :, -QUERIES:].clamp(min=1e-300).log()).sum(-1).mean()
                            for a in attentions
                        ]
                    )
                )
            layers[rank] = torch.stack(found).mean(0)
        expected = torch.stack([*layers.values()]).mean(0)
        for i, value in enumerate(expected):
            close(entry[f"attn/entropy_layer/{i}"], value)
        close(entry["attn/entropy_mean"], expected.mean())


def test_gradient_norms_are_those_of_autograd_before_clipping(run):
    for step, entry in enumerate(run.log):
        ranks = run.batches(step)
        model = run.model(ranks[0][0]["weights"])
        for name, parameter in model.named_parameters():
            parameter.requires_grad_(not run.lora or "lora_" in name)
        tokens = sum(int(kept["inputs"]["completion_mask"].sum()) for rank in ranks for kept in rank)
        loss = 0.0
        for rank in ranks:
            for kept in rank:
                inputs = kept["inputs"]
                _, own = run.logps(run.logits(model, inputs, grad=True), inputs)
                loss = (
                    loss
                    - (inputs["advantages"].double().unsqueeze(1) * own * inputs["completion_mask"]).sum() / tokens
                )
        loss.backward()
        groups = {}
        for name, parameter in model.named_parameters():
            if parameter.grad is not None:
                layer = next((f"grad/layer/{i}" for i in range(3) if f"layers.{i}." in name), "grad/other")
                groups[layer] = groups.get(layer, 0.0) + parameter.grad.square().sum()
        for name, square in groups.items():
            close(entry[name], square.sqrt(), 5e-4)
        whole = sum(groups.values()).sqrt()
        close(entry["grad_norm"], whole, 5e-4)
        assert whole > 0.01  # the recipe's max_grad_norm, so that clipping happened


def test_rewards_advantages_and_lengths_are_those_of_all_processes(run):
    for step, entry in enumerate(run.log):
        inputs = [kept["inputs"] for rank in run.batches(step) for kept in rank]
        advantages = torch.cat([batch["advantages"] for batch in inputs])
        lengths = torch.cat([batch["completion_mask"].sum(1) for batch in inputs]).double()
        close(entry["advantages/mean"], advantages.mean())
        close(entry["advantages/std"], advantages.std(unbiased=False))
        close(entry["rollout/mean_length"], lengths.mean())
        assert (
            entry["rl/acc"]
            == entry["rl/mean_reward"]
            == entry["rollout/mean_reward"]
            == pytest.approx(entry["reward"])
        )
        assert (entry["rollout/min_reward"], entry["rollout/max_reward"]) == (0.0, 1.0)
        close(entry["advantages/frac_zero_spread"], entry["frac_reward_zero_std"])
        assert entry["distributed/world_size"] == len(run.ranks)


def test_the_slowest_process_shows(run):
    for entry in run.log:
        for phase in ("rollout", "reward", "training"):
            assert 0 < entry[f"time/{phase}_min"] <= entry[f"time/{phase}"] <= entry[f"time/{phase}_max"]
        assert entry["time/step"] == pytest.approx(
            sum(entry[f"time/{p}"] for p in ("rollout", "weight_sync", "reward", "training", "diagnostics", "logging"))
        )


def test_nothing_is_left_out_where_everything_can_be_had(run):
    assert all(rank["notes"] == [] for rank in run.ranks)
    json.dumps(run.log)


def test_completions_that_are_used_twice_or_masked_are_counted_once_and_in_full(tmp_path):
    settings = {"num_iterations": 2, "mask_truncated_completions": True}
    start_worker([sys.executable, str(HERE / "worker.py"), "qwen3-tied", "full", str(tmp_path), json.dumps(settings)])
    run = Naive(tmp_path, False, 1)
    for name in ("rl/letter_margin_mean", "rl/letter_pred_counts/A", "rl/letter_found_frac", "rollout/mean_length"):
        assert [name in entry for entry in run.log] == [True, False, True]
    assert ["rl/kl_sequence_mean" in entry for entry in run.log] == [
        True,
        False,
        True,
    ]  # a stale policy's samples tell no distance
    for step in (0, 2):
        inputs = [kept["inputs"] for kept in run.batches(step)[0]]
        ids = torch.cat(
            [
                torch.nn.functional.pad(
                    batch["completion_ids"],
                    (0, 32 - batch["completion_ids"].shape[1]),
                    value=run.tokenizer.pad_token_id,
                )
                for batch in inputs
            ]
        )
        lengths = (ids != run.tokenizer.pad_token_id).sum(1).double()
        masked = torch.cat([batch["completion_mask"].sum(1) for batch in inputs])
        assert (masked == 0).any()
        close(run.log[step]["rollout/mean_length"], lengths.mean())
        close(run.log[step]["rollout/mean_length"], run.log[step]["completions/mean_length"])
        counted = sum(run.log[step][f"rl/letter_pred_counts/{letter}"] for letter in "ABCDE")
        assert counted == run.log[step]["rl/letter_found_frac"] * 16
