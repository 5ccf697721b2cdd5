"""What an observer reports, without a run."""

import time
from types import SimpleNamespace

import pytest
import torch

from ratchet.diagnostics.observer import Observer, _projected
from ratchet.recipe.groups import Diagnostics
from ratchet.training.vllm_server import time_weight_sync


def test_the_seconds_of_a_weight_sync_are_counted_apart_from_the_rollout():
    def slow():
        time.sleep(0.05)

    vllm = SimpleNamespace(sync_weights=slow)
    model = torch.nn.Linear(2, 2)
    accelerator = SimpleNamespace(unwrap_model=lambda model, **_: model)
    trainer = SimpleNamespace(accelerator=accelerator, model=model, is_deepspeed_enabled=False, vllm_generation=vllm)
    observer = Observer(trainer, Diagnostics(), [])
    time_weight_sync(trainer, observer.clock)
    start = time.perf_counter()
    with observer.clock.phase("rollout"):
        vllm.sync_weights()
    found, whole = observer.clock.take(), time.perf_counter() - start
    assert found["weight_sync"] >= 0.05 and found["weight_sync"] + found["rollout"] <= whole


class Accelerator:
    """As much of accelerate as an observer asks of one process on a CPU."""

    device, num_processes, process_index, is_main_process = torch.device("cpu"), 1, 0, True
    distributed_type, scaler = "NO", None

    def __init__(self):
        self.printed = []

    def unwrap_model(self, model, **_):
        return model

    def print(self, text, **_):
        self.printed.append(text)


def observer_of(model=None, deepspeed=False, scaler=None, **settings):
    accelerator = Accelerator()
    accelerator.scaler = scaler
    trainer = SimpleNamespace(
        accelerator=accelerator, model=model or torch.nn.Linear(2, 2), is_deepspeed_enabled=deepspeed
    )
    return Observer(trainer, Diagnostics(attention=False, **settings), [])


@pytest.mark.parametrize("where", [{"deepspeed": True}, {"scaler": object()}], ids=["deepspeed", "fp16"])
def test_gradients_that_cannot_be_read_are_left_out_and_named_once(where):
    observer = observer_of(**where)
    assert not observer.settings.gradients and len(observer.notes) == len(observer.accelerator.printed) == 1
    observer.leave_out(observer.notes[0])
    assert len(observer.accelerator.printed) == 1


def test_gradients_are_norms_by_layer_and_of_the_rest():
    model = torch.nn.Module()
    model.layers = torch.nn.ModuleList([torch.nn.Linear(2, 2, bias=False), torch.nn.Linear(2, 2)])
    model.head = torch.nn.Linear(2, 1, bias=False)
    wrapped = torch.nn.Module()
    wrapped.model = model
    for name, parameter in wrapped.named_parameters():
        parameter.grad = None if name.endswith("bias") else torch.full_like(parameter, 2.0)
    observer = observer_of(wrapped)
    observer.gradients(wrapped)
    figures = observer.close({"loss": 1.0}, None)
    assert {name: figures[name] for name in figures if name.startswith("grad/")} == {
        "grad/layer/0": 4.0,
        "grad/layer/1": 4.0,
        "grad/other": pytest.approx(8**0.5),
    }


def test_seconds_are_by_step_and_make_up_the_whole():
    observer = observer_of()
    observer.clock.seconds.update({"rollout": 6.0, "training": 2.0})
    for _ in range(4):
        observer.step_ends()
    figures = observer.close({"loss": 1.0}, None)
    assert (figures["time/rollout"], figures["time/training"], figures["time/step"]) == (1.5, 0.5, 2.0)
    assert figures["time/rollout_min"] == figures["time/rollout_max"] == 1.5
    assert observer.close({"loss": 1.0}, None)["time/step"] == 0.0


def test_tokens_per_second_are_since_the_last_count():
    observer = observer_of()
    observer.begin(1000.0)
    speeds = []
    for tokens in (None, 1300.0, 1300.0):
        observer.clock.seconds.update({"training": 1.5})
        speeds.append(observer.close({"loss": 1.0}, tokens).get("time/tokens_per_second"))
    assert speeds == [None, pytest.approx(100.0), 0.0]


def test_a_probe_is_due_at_the_first_step_every_so_many_and_the_last():
    due = []
    observer = observer_of(every=4)
    for step in range(10):
        observer.pending = False
        observer.step_begins(step, 10)
        due += [step] if observer.pending else []
    assert due == [0, 4, 8, 9]


def test_a_restored_observer_has_what_had_gathered():
    first, second = observer_of(), observer_of()
    first.metrics.add_sum("rl/acc", 3.0, 4)
    first.artifacts.samples.append({"id": 1})
    first.pending = True
    second.load_state_dict(first.state_dict())
    assert second.pending and second.take_artifacts().samples == [{"id": 1}] and second.take_artifacts().samples == []
    assert second.close({"loss": 1.0}, None)["rl/acc"] == 0.75


def test_wide_hidden_states_are_projected_alike_at_every_probe():
    wide = torch.randn(2, 1000, generator=torch.Generator().manual_seed(0))
    first = _projected(wide)
    assert first == _projected(wide) and len(first[0]) == 256
    apart = (torch.tensor(first[0]) - torch.tensor(first[1])).norm() / (wide[0] - wide[1]).norm()
    assert apart.item() == pytest.approx(1.0, abs=0.15)


def test_narrow_hidden_states_are_kept_as_they_are():
    assert _projected(torch.tensor([[1.0, -0.25]])) == [[1.0, -0.25]]
