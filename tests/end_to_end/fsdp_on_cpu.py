"""Run a script under FSDP2 on CPU processes, which accelerate does not offer: python fsdp_on_cpu.py sft RECIPE ...

accelerate would quietly fall back to DDP on a CPU; here its choice of backend is replaced, so that the real
accelerate_configs/fsdp2.yaml is what runs. Needs ACCELERATE_TORCH_DEVICE=cpu.
"""


def main() -> None:
    """Replace accelerate's backend and Ratchet's check for a GPU, then be the program."""
    from accelerate.state import DistributedType, PartialState

    import ratchet.runtime
    from ratchet.cli.main import main as ratchet_main

    PartialState._prepare_backend = lambda self, cpu=False, sagemaker_dp=False, backend=None: (
        "gloo",
        DistributedType.MULTI_GPU,
    )
    ratchet.runtime.check_device = lambda recipe: None
    ratchet_main()


if __name__ == "__main__":
    main()
