"""Plans: counted against the real models, and answered for every recipe on every accelerate configuration."""

import json
import re
import subprocess
import sys
import time

import pytest
import yaml

from ratchet.errors import UserError
from ratchet.plan.advice import largest_batch
from ratchet.plan.devices import DEVICES, device
from ratchet.plan.measured import length_histogram
from ratchet.plan.memory import GIB, memory
from ratchet.plan.page import page
from ratchet.plan.placement import read_placement
from ratchet.plan.plan import Options, as_dict, plan
from ratchet.plan.shape import FAMILIES, KNOWN, Shape, from_config

SIZES = {
    "hidden_size": 64,
    "intermediate_size": 160,
    "num_hidden_layers": 3,
    "num_attention_heads": 4,
    "num_key_value_heads": 2,
    "vocab_size": 500,
}


@pytest.mark.parametrize("family", FAMILIES)
@pytest.mark.parametrize("tied", [True, False, None])
def test_parameters_are_those_that_transformers_builds(family, tied):
    import torch
    from transformers import AutoConfig, AutoModelForCausalLM

    fields = SIZES if tied is None else {**SIZES, "tie_word_embeddings": tied}
    with torch.device("meta"):
        model = AutoModelForCausalLM.from_config(AutoConfig.for_model(family, pad_token_id=0, **fields))
    fields = {**fields, "head_dim": getattr(model.config, "head_dim", None)}
    assert from_config({"model_type": family, **fields}, "", "").parameters == sum(
        p.numel() for p in model.parameters()
    )


def test_lora_parameters_are_those_that_peft_adds():
    import torch
    from peft import LoraConfig, get_peft_model
    from transformers import AutoConfig, AutoModelForCausalLM

    with torch.device("meta"):
        model = AutoModelForCausalLM.from_config(AutoConfig.for_model("qwen3", head_dim=16, **SIZES))
    shape = from_config({"model_type": "qwen3", "head_dim": 16, **SIZES}, "", "")
    for targets in ("all-linear", ["q_proj", "down_proj"]):
        adapted = get_peft_model(model, LoraConfig(r=8, target_modules=targets))
        trained = sum(p.numel() for p in adapted.parameters() if p.requires_grad)
        assert shape.lora(8, targets) == trained
        model = adapted.unload()


# Published counts of parameters: model cards on the Hub.
PUBLISHED = {
    "Qwen/Qwen3-0.6B": 596_049_920,
    "Qwen/Qwen3-8B": 8_190_735_360,
    "Qwen/Qwen2.5-0.5B": 494_032_768,
    "Qwen/Qwen2.5-7B": 7_615_616_512,
    "meta-llama/Llama-3.2-1B": 1_235_814_400,
    "meta-llama/Llama-3.1-8B": 8_030_261_248,
    "HuggingFaceTB/SmolLM2-135M": 134_515_008,
}


@pytest.mark.parametrize("name", PUBLISHED)
def test_known_models_have_their_published_size(name):
    assert Shape(name, *KNOWN[name]).parameters == PUBLISHED[name]


def _recipes(root):
    return sorted(path for path in (root / "recipes").rglob("*.yaml"))


def test_every_recipe_is_planned_on_every_accelerate_file(root, monkeypatch):
    monkeypatch.chdir(root)
    configurations = sorted((root / "accelerate_configs").glob("*.yaml"))
    for recipe in _recipes(root):
        for configuration in configurations:
            try:
                found = plan(
                    recipe,
                    [("data.source", "generated")] if "dakota" in str(recipe) else [],
                    Options(str(configuration)),
                )
            except UserError as error:
                raise AssertionError(f"{recipe} on {configuration}: {error}") from None
            assert found.memory.peak > 0
            assert found.work.steps
            assert found.hours.high >= found.hours.low > 0


def test_a_plan_takes_less_than_two_seconds_and_loads_nothing_heavy(root):
    code = (
        "import sys, time; from ratchet.plan.plan import plan, Options; plan('recipes/aquarat.yaml', [], Options());"
        "print(sorted({'torch', 'trl', 'transformers', 'accelerate', 'peft', 'datasets', 'numpy'} & set(sys.modules)))"
    )
    # Seconds are compared with those of an interpreter that only reads the recipe: a busy machine must not decide.
    bare = "from ratchet.recipe import load_recipe; load_recipe('recipes/aquarat.yaml')"
    times = {bare: [], code: []}
    for text in (bare, code) * 3:
        began = time.perf_counter()
        done = subprocess.run([sys.executable, "-c", text], cwd=root, capture_output=True, text=True, check=True)
        times[text].append(time.perf_counter() - began)
    assert done.stdout.strip() == "[]"
    assert min(times[code]) < 5 * min(times[bare])


def _plan(root, recipe="recipes/aquarat.yaml", *overrides, **options):
    return plan(
        root / recipe,
        list(overrides),
        Options(**{"config_file": str(root / "accelerate_configs/single_gpu.yaml"), **options}),
        {},
    )


MORE = [
    (("per_device_train_batch_size", "64"), 1),
    (("max_completion_length", "1400"), 1),
    (("activation_checkpointing", "false"), 1),
    (("beta", "0.04"), 1),
    (("dtype", "bfloat16"), -1),
    (("vllm_gpu_memory_utilization", "0.5"), 1),
    (("use_peft", "true"), -1),
    (("optim", "adamw_8bit"), -1),
]


@pytest.mark.parametrize(("change", "sign"), MORE)
def test_a_change_moves_the_training_peak_the_way_it_should(root, change, sign):
    def peak(found):
        return sum(found.memory.phases["forward and backward"].values())

    assert sign * (peak(_plan(root, "recipes/aquarat.yaml", change)) - peak(_plan(root))) > 0


def test_a_server_generates_on_its_own_gpus(root):
    served = _plan(root, "recipes/aquarat.yaml", ("vllm_mode", "server")).memory.phases["rollout"]
    assert not {"vLLM", "KV cache"} & set(served)
    assert "vLLM" in _plan(root).memory.phases["rollout"]
    assert "KV cache" in _plan(root, "recipes/aquarat.yaml", ("use_vllm", "false")).memory.phases["rollout"]


def test_rollouts_beside_training_take_no_time_of_their_own(root):
    found = _plan(
        root, "recipes/aquarat/grpo_async.yaml", config_file=str(root / "accelerate_configs/fsdp2.yaml")
    ).work
    longest = max(found.seconds[name].high for name in ("training", "rollout"))
    rest = found.seconds["rest"].high
    assert found.total.high == pytest.approx(
        found.steps * (longest + rest) + found.seconds["start"].high + found.seconds["evaluation"].high
    )


def test_the_stages_of_zero_need_less_and_less(root):
    peaks = [
        _plan(root, config_file=str(root / f"accelerate_configs/{name}.yaml")).memory.phases["optimiser step"]
        for name in ("zero1", "zero2", "zero3")
    ]
    totals = [sum(parts.values()) for parts in peaks]
    assert totals[0] >= totals[1] > totals[2]


def test_what_does_not_fit_comes_with_changes_that_make_it_fit(root):
    change = ("model_name_or_path", "Qwen/Qwen3-8B")
    found = _plan(root, "recipes/aquarat.yaml", change, gpu="h100")
    assert not found.fits
    assert found.remedies
    overrides = [change]
    for text in found.remedies[0].split(" and "):
        key, _, value = text.partition(": ")
        overrides.append((key, value.split(" (")[0]))
        if key == "per_device_train_batch_size":
            overrides.append(("gradient_accumulation_steps", "8"))
        if key == "use_peft":
            overrides += [("lora_r", "32"), ("lora_target_modules", "[all-linear]")]
    assert _plan(root, "recipes/aquarat.yaml", *overrides, gpu="h100").fits


def test_the_largest_batch_fits_and_the_next_does_not(root):
    found = _plan(root)
    size = found.device_bytes
    best = largest_batch(found.job, size)
    assert memory(found.job.with_batch(best), size).peak <= size < memory(found.job.with_batch(best + 1), size).peak


def test_batches_that_do_not_go_together_are_named_with_the_nearest_that_do(root):
    found = _plan(root, "recipes/aquarat.yaml", ("num_generations", "7"))
    assert any("num_generations: 7" in text and "take per_device_train_batch_size" in text for text in found.errors)


def test_surprises_are_found(root):
    found = _plan(
        root,
        "recipes/aquarat.yaml",
        ("top_p", "0.9"),
        ("push_to_hub", "true"),
        ("report_to", "wandb"),
        ("vllm_gpu_memory_utilization", "0.04"),
        config_file=str(root / "accelerate_configs/zero2_2nodes.yaml"),
        processes=8,
    )
    text = "\n".join(found.warnings)
    for word in (
        "top_p: 0.9",
        "WANDB_API_KEY",
        "do not fit",
        "NCCL_SOCKET_IFNAME",
        "8 need accelerate launch --num_processes 8",
    ):
        assert word in text


def test_an_accelerate_file_that_contradicts_the_recipe_is_an_error(root):
    found = _plan(root, "recipes/demo.yaml", ("use_cpu", "false"))
    assert any("mixed_precision" in text for text in found.errors)


def test_several_machines_need_a_file_that_starts_them(root):
    one, two = (str(root / f"accelerate_configs/{name}.yaml") for name in ("zero2", "zero2_2nodes"))
    assert any("pdsh" in text for text in _plan(root, config_file=one, nodes=2).errors)
    assert _plan(root, config_file=two, nodes=3).errors == []
    assert _plan(root, config_file=two, nodes=3).placement.processes == 24


def test_a_measured_run_takes_the_place_of_assumptions(root, demo):
    assumed = _plan(root, "recipes/demo.yaml", config_file=str(root / "accelerate_configs/cpu.yaml"))
    measured = _plan(
        root, "recipes/demo.yaml", config_file=str(root / "accelerate_configs/cpu.yaml"), measured=demo.folder
    )
    log = [json.loads(line) for line in (demo.folder / "diagnostics/log.jsonl").read_text().splitlines()]
    step = sorted(entry["time/step"] for entry in log if "time/step" in entry)
    middle = step[len(step) // 2]
    found = [measured.work.seconds[name] for name in ("training", "rollout", "rest")]
    assert 0.6 * middle < sum(one.low for one in found) < sum(one.high for one in found) < 1.7 * middle
    assert measured.hours.high - measured.hours.low < assumed.hours.high - assumed.hours.low


def test_prices_and_devices_are_the_users(tmp_path, root):
    table = tmp_path / "devices.yaml"
    mine = {"memory_gib": 30, "bandwidth": 900, "tflops": 100, "watts": 300, "price": 0.5}
    table.write_text(yaml.safe_dump({"h100": {"price": 1.5}, "mine": mine}))
    assert device("h100", table).price == 1.5
    assert device("h100", table).tflops == DEVICES["h100"].tflops
    assert device("mine", table).memory_gib == 30
    found = _plan(root, devices=table, gpu="h100")
    assert found.cost.high == pytest.approx(found.hours.high * 1.5)


BAD = [
    ("devices", "h100: {prize: 2}", "there are memory_gib"),
    ("devices", "h100: 2", "is a mapping"),
    ("devices", "new: {price: 2}", "needs memory_gib"),
    ("devices", "h100: {price: -1}", "above 0"),
    ("config", "distributed_type: TPU", "should be one of"),
    ("config", "[", "cannot be read"),
    (
        "config",
        "distributed_type: DEEPSPEED\ndeepspeed_config: {deepspeed_config_file: x.json}",
        "take deepspeed_config_file apart",
    ),
]


@pytest.mark.parametrize(("what", "text", "said"), BAD)
def test_a_wrong_file_ends_in_a_sentence(tmp_path, what, text, said):
    path = tmp_path / "file.yaml"
    path.write_text(text)
    with pytest.raises(UserError, match=said):
        device("h100", path) if what == "devices" else read_placement(path)


def test_the_command_prints_a_page_and_json(script):
    done = script("ratchet", "plan", "recipes/aquarat/grpo_lora_1gpu.yaml", "--gpu", "a10", "--json", "plan.json")
    for word in ("memory per GPU", "each step", "time:", "USD", "disk:", "largest per_device_train_batch_size"):
        assert word in done.stdout
    again = script("ratchet", "plan", "recipes/aquarat/grpo_lora_1gpu.yaml", "--gpu", "a10", "--json", "-")
    found = json.loads(again.stdout)
    assert found["memory"]["fits"]
    assert found["memory"]["available"] == DEVICES["a10"].memory_gib * GIB


@pytest.mark.parametrize(
    ("words", "code", "said"),
    [
        (("recipes/nothing.yaml",), 2, "there is no recipe"),
        (("recipes/aquarat.yaml", "--gpu", "b1"), 2, "there is no b1"),
        (("recipes/aquarat.yaml", "--nodes", "none"), 2, "takes a number"),
        (("recipes/aquarat.yaml", "--gpus", "h100"), 2, "did you mean --gpu?"),
        (("recipes/aquarat.yaml", "--json", "."), 2, "--json: . is a folder"),
        (("recipes/aquarat.yaml", "--measured", "nowhere"), 2, "holds no run"),
        (("recipes/aquarat.yaml", "--config_file", "nothing.yaml"), 2, "there is no accelerate configuration"),
        (("recipes/aquarat.yaml", "--gpu", "a10", "--model_name_or_path", "Qwen/Qwen3-8B"), 1, "DOES NOT FIT"),
        (("recipes/aquarat.yaml", "--model_name_or_path", "somebody/unknown"), 2, "--shape_of"),
        ((), 2, "name a recipe"),
    ],
)
def test_the_command_says_what_is_wrong(script, words, code, said):
    done = script("ratchet", "plan", *words, code=code)
    assert said in done.stdout + done.stderr
    assert "Traceback" not in done.stderr


def test_a_schedule_is_simulated_where_it_is_asked_for(root):
    assert _plan(root).schedule == [] and "colocated" not in page(_plan(root))
    found = _plan(root, schedule=True, site_link=0.125)
    assert page(found).count(" s (") == 20 and len(as_dict(found)["schedule"]) == 31


def test_a_schedule_is_about_rollouts(root):
    with pytest.raises(UserError, match="this recipe makes none"):
        _plan(root, "recipes/aquarat/sft.yaml", schedule=True)


def test_a_schedule_takes_the_lengths_of_an_earlier_run(root, tmp_path):
    (tmp_path / "diagnostics").mkdir()
    lines = [{"step": 1, "name": "rollout/length", "counts": [2, 0, 1], "edges": [0.0, 4.0, 8.0, 12.0]}]
    lines += [{"step": 1, "name": "rollout/reward", "counts": [3], "edges": [0.0, 1.0]}]
    (tmp_path / "diagnostics/histograms.jsonl").write_text("\n".join(map(json.dumps, lines)))
    assert length_histogram(tmp_path) == [(0.0, 4.0, 2), (8.0, 12.0, 1)]


def test_the_schedule_in_the_documentation_is_what_is_printed(root):
    found = _plan(root, config_file=str(root / "accelerate_configs/zero2.yaml"), gpu="h100", schedule=True)
    shown = re.findall(r"^    (.*\d+(?:\.\d+)? s, \d+%.*)$", (root / "docs/plan.md").read_text(encoding="utf-8"), re.M)
    assert len(shown) == 3 and all(line.strip() in page(found) for line in shown)
