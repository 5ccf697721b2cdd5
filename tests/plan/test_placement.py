"""Accelerate configurations, read without accelerate."""

import pytest

from ratchet.errors import UserError
from ratchet.plan.placement import Placement, read_placement


def _write(tmp_path, text):
    path = tmp_path / "a.yaml"
    path.write_text(text)
    return path


@pytest.mark.parametrize(
    ("text", "kind", "stage"),
    [
        ('distributed_type: "NO"', "one", 0),
        ("distributed_type: MULTI_GPU", "ddp", 0),
        ("distributed_type: DEEPSPEED\ndeepspeed_config: {zero_stage: 2}", "zero", 2),
        ("distributed_type: FSDP\nfsdp_config: {}", "fsdp", 3),
        ("distributed_type: FSDP\nfsdp_config: {fsdp_reshard_after_forward: false}", "fsdp", 2),
    ],
)
def test_the_kind_and_the_stage_are_read(tmp_path, text, kind, stage):
    found = read_placement(_write(tmp_path, text))
    assert (found.kind, found.stage) == (kind, stage)


def test_offloading_is_read_from_either_kind(tmp_path):
    zero = "distributed_type: DEEPSPEED\ndeepspeed_config: {zero_stage: 3, offload_optimizer_device: cpu}"
    found = read_placement(_write(tmp_path, zero))
    assert (found.offload_optimizer, found.offload_parameters) == (True, False)
    found = read_placement(_write(tmp_path, "distributed_type: FSDP\nfsdp_config: {fsdp_offload_params: true}"))
    assert (found.offload_optimizer, found.offload_parameters) == (True, True)


def test_machines_alone_keep_the_processes_of_each():
    sized = Placement("f", "zero", 16, 2, "bf16").sized(None, 4)
    assert (sized.processes, sized.machines, sized.per_machine) == (32, 4, 8)


def test_several_processes_of_one_are_ddp():
    assert Placement("f", "one", 1, 1, "no").sized(2, None).kind == "ddp"


def test_processes_are_spread_evenly_or_not_at_all():
    with pytest.raises(UserError, match="7 processes cannot be spread evenly over 2 machines"):
        Placement("f", "ddp", 8, 2, "no").sized(7, None)


def test_a_file_that_is_not_there_is_answered_with_its_neighbours(tmp_path):
    _write(tmp_path, "")
    with pytest.raises(UserError, match=r"b\.yaml; .* has a\.yaml"):
        read_placement(tmp_path / "b.yaml")


def test_a_file_that_would_start_one_process_a_machine_is_refused(tmp_path):
    path = tmp_path / "cpu.yaml"
    path.write_text("distributed_type: MULTI_CPU\nnum_processes: 2\nuse_cpu: true\n")
    with pytest.raises(UserError, match="starts a single process on each machine for MULTI_CPU"):
        read_placement(path)
    path.write_text("distributed_type: MULTI_CPU\nnum_processes: 1\nuse_cpu: true\n")
    assert read_placement(path).processes == 1
