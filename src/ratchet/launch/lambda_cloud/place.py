"""Lambda Cloud as a place to launch."""

from collections.abc import Mapping

from ratchet.errors import UserError
from ratchet.launch.lambda_cloud import command, session
from ratchet.launch.lambda_cloud.api import PAUSE, URL, Lambda
from ratchet.launch.lambda_cloud.finding import Options
from ratchet.launch.place import Place
from ratchet.launch.request import Launch, LaunchRequest, masked

STOP_PAUSE = 2.0  # seconds between looks at an instance that is being ended


class LambdaCloud(Place[Options]):
    """One instance for one run."""

    name = "lambda"
    takes = (
        *("max_price", "max_hours", "instance_type", "region", "ssh_key", "identity", "file_system"),
        *("wait_for_capacity", "boot_minutes", "lost_minutes", "sync_minutes", "detach", "list", "status", "stop"),
    )
    flags = frozenset({"detach", "list", "status"})

    def manage(self, request: LaunchRequest, environ: Mapping[str, str]) -> int | None:
        """Show what can be had or is running, or end it."""
        if not any(request.given(name) for name in ("list", "status", "stop")):
            return None
        api = _api(environ)
        wanted = request.text("stop")
        if wanted == "true":  # the option without a value
            raise UserError("--stop names a run or an instance; --status shows them")
        if wanted is not None:
            return command.stop(api, wanted, float(environ.get("LAMBDA_PAUSE") or STOP_PAUSE))
        print(masked(command.listing(api) if request.given("list") else command.status(api), environ))
        return 0

    def read(self, request: LaunchRequest, environ: Mapping[str, str]) -> Options:
        """The two limits, which have no default on purpose, and everything else."""
        request.require(
            max_price="what an hour may cost (USD)",
            max_hours="after how many hours the instance is ended at the latest",
        )
        minutes = ("wait_for_capacity", "boot_minutes", "lost_minutes", "sync_minutes")
        names = ("instance_type", "region", "ssh_key", "identity", "file_system")
        return Options(
            **{name: request.number(name, getattr(Options, name)) for name in minutes},
            **{name: request.text(name) for name in names},
            **{name: request.number(name, 0.0, 0.001) for name in ("max_price", "max_hours")},
            detach=request.given("detach"),
            pause=float(environ.get("LAMBDA_PAUSE") or Options.pause),
            user=environ.get("LAMBDA_USER") or Options.user,
        )

    def check(self, launch: Launch, options: Options, environ: Mapping[str, str]) -> None:
        """An instance is one machine."""
        if launch.placement.machines > 1 or launch.served:
            raise UserError(
                "--on lambda starts one machine, on which vLLM shares the GPUs: "
                "use a configuration of one node, and vllm_mode: colocate"
            )

    def render(self, launch: Launch, options: Options, environ: Mapping[str, str]) -> str:
        """Every request, file and command; with a key, the API is asked what there is."""
        api = _api(environ) if environ.get("LAMBDA_API_KEY") else None
        return command.dry_run(launch, options, api, environ)

    def start(self, launch: Launch, options: Options, environ: Mapping[str, str]) -> int:
        """The whole life of an instance."""
        return session.run(launch, options, _api(environ), environ)


def _api(environ: Mapping[str, str]) -> Lambda:
    key = environ.get("LAMBDA_API_KEY")
    if not key:
        raise UserError(
            "LAMBDA_API_KEY is not set: put it into .env (LAMBDA_API_KEY=...) or the environment; "
            "it is never an option"
        )
    return Lambda(key, environ.get("LAMBDA_API_URL") or URL, float(environ.get("LAMBDA_PAUSE") or PAUSE))
