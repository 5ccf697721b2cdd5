"""The weights' way to vLLM has one owner, to which timing and retries are added in any order."""

from contextlib import contextmanager
from types import SimpleNamespace

import pytest

from ratchet.training.vllm_server import weight_sync


@pytest.mark.parametrize("first", ["phase", "retry"])
def test_a_phase_surrounds_the_retries_whichever_was_added_first(first):
    calls = []
    generation = SimpleNamespace(sync_weights=lambda: calls.append("sent"))

    @contextmanager
    def phase():
        calls.append("begin")
        yield
        calls.append("end")

    def add_retry():
        sync = weight_sync(generation)
        send = sync.send
        sync.send = lambda: (calls.append("retry"), send())

    steps = {"phase": lambda: weight_sync(generation).phases.append(phase), "retry": add_retry}
    steps.pop(first)()
    next(iter(steps.values()))()
    generation.sync_weights()
    assert calls == ["begin", "retry", "sent", "end"]


def test_a_phase_ends_when_the_weights_could_not_be_sent():
    ended = []

    def fail():
        raise ConnectionError

    @contextmanager
    def phase():
        try:
            yield
        finally:
            ended.append(True)

    generation = SimpleNamespace(sync_weights=fail)
    weight_sync(generation).phases.append(phase)
    with pytest.raises(ConnectionError):
        generation.sync_weights()
    assert ended == [True]
