"""Run a script under FSDP2 on CPU processes, which accelerate does not offer: python fsdp_on_cpu.py sft RECIPE ...

accelerate would quietly fall back to DDP on a CPU; here its choice of backend is replaced, so that the real
accelerate_configs/fsdp2.yaml is what runs. Needs ACCELERATE_TORCH_DEVICE=cpu.
"""

import sys

from accelerate.state import DistributedType, PartialState

PartialState._prepare_backend = lambda self, cpu=False, sagemaker_dp=False, backend=None: ("gloo", DistributedType.MULTI_GPU)

import ratchet.runtime  # noqa: E402

ratchet.runtime.check_device = lambda recipe: None

from ratchet import commands  # noqa: E402

name = sys.argv.pop(1)
getattr(commands, name)()
