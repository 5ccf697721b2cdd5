"""Whether weights move is measured on what has a gradient, and each way of standing still is seen."""

from types import SimpleNamespace

import pytest
import torch

from ratchet.audit.alarms import AlarmMonitor
from ratchet.training.callbacks.movement import FIGURE, Movement


def stepped(model, rate, steps=6, dtype=torch.float32, loss=lambda model, x: model(x).square().mean()):
    """A callback that saw some steps of AdamW."""
    torch.manual_seed(0)
    model = model.to(dtype)
    trainer = SimpleNamespace(model=model, is_deepspeed_enabled=False, state=SimpleNamespace(global_step=0))
    movement = Movement(trainer)
    trained = [weight for weight in model.parameters() if weight.requires_grad]
    optimizer = torch.optim.AdamW(trained, lr=rate, weight_decay=0.0)
    for _ in range(steps):
        loss(model, torch.randn(8, 16, dtype=dtype)).backward()
        movement.on_pre_optimizer_step(None, None, None)
        optimizer.step()
        movement.on_optimizer_step(None, None, None)
        optimizer.zero_grad()
        trainer.state.global_step += 1
    return movement


def net():
    return torch.nn.Sequential(torch.nn.Linear(16, 32), torch.nn.ReLU(), torch.nn.Linear(32, 4))


def test_float32_weights_move():
    assert stepped(net(), 1e-6).figures()[FIGURE] > 0.9


def test_sixteen_bit_weights_hardly_move_at_the_rates_of_fine_tuning():
    assert stepped(net(), 1e-6, dtype=torch.bfloat16).figures()[FIGURE] < 0.2


def test_a_rate_of_zero_moves_nothing():
    assert stepped(net(), 0.0).figures()[FIGURE] == 0.0


def test_rows_of_an_embedding_that_did_not_occur_are_not_counted():
    embedding = torch.nn.Embedding(1000, 16)
    movement = stepped(embedding, 1e-3, loss=lambda model, x: model(torch.arange(8)).square().mean())
    assert movement.figures()[FIGURE] == 1.0


def test_an_adapter_without_a_gradient_is_still():
    model = net()
    model.adapter = torch.nn.Parameter(torch.zeros(4))
    for name, weight in model.named_parameters():
        weight.requires_grad = name == "adapter"
    movement = stepped(model, 1e-3, loss=lambda model, x: torch.zeros((), requires_grad=True))
    assert movement.figures()[FIGURE] == 0.0


def test_steps_without_any_advantage_tell_nothing():
    movement = stepped(net(), 1e-3, loss=lambda model, x: 0.0 * model(x).mean())
    assert movement.figures() == {}


@pytest.mark.parametrize(("share", "step", "raised"), [(0.01, 5, True), (0.01, 2, False), (0.9, 5, False)])
def test_the_alarm_waits_for_a_warmup_and_then_speaks(share, step, raised):
    watch = AlarmMonitor()
    assert bool(watch.logged(step, {"loss": 1.0, FIGURE: share})) == raised
    assert ("weights-do-not-move" in watch.raised) == raised
