"""The options of ``ratchet launch``: those of every place, and those of one."""

from ratchet.cli.verb import Option

PLACES = ("local", "slurm", "lambda", "sky", "hf-jobs")
LOCAL = "--on local, accelerate launch on the GPUs that are here, and vLLM's server beside it with vllm_mode: server"
SLURM = "--on slurm, a job that resumes by itself after a stop"
LAMBDA = "--on lambda, one instance of Lambda Cloud, ended through the API whatever happens"
SKY = "--on sky, a machine of another cloud, through SkyPilot"
HF_JOBS = "--on hf-jobs, a job on the Hub"


def _of(group: str, *options: Option) -> tuple[Option, ...]:
    return tuple(Option(**{**vars(option), "group": group}) for option in options)


COMMON = (
    Option("on", "where the recipe is run", "PLACE", choices=PLACES, says="names the place:", required=True),
    Option("dry-run", "print every file, request and command, and start nothing"),
    Option("config_file", "the accelerate configuration; that of the recipe's header by default", "ACCELERATE.yaml"),
    Option("num_processes", "processes in all, instead of the configuration's", "N", int, least=1),
    Option("nodes", "machines, instead of the configuration's", "N", int, least=1),
    Option("resume", "handed to the training script", "latest|never|hub|STEP|FOLDER"),
    Option("resume-anyway", "handed to the training script"),
)

OPTIONS = (
    *COMMON,
    *_of(
        LOCAL,
        Option("inference-gpus", "the server's GPUs, as 0-5", "GPUS"),
        Option("trainer-gpus", "the trainer's GPUs, as 6,7", "GPUS"),
        Option("server-wait", "until the server must be up (900)", "SECONDS", float),
    ),
    *_of(
        SLURM,
        Option("time", "the job's time limit (24:00:00)", "TIME"),
        Option("partition", "sbatch's", "NAME"),
        Option("account", "sbatch's", "NAME"),
        Option("gpus-per-node", "the processes of each node by default; 0 asks for none", "N", int),
        Option("cpus-per-node", "of each node", "N", int, least=1),
        Option("container", "an image, for pyxis (srun --container-image)", "IMAGE"),
        Option("mounts", "of the container, as pyxis takes them", "LIST"),
        Option("venv", "a virtual environment to activate on each node", "FOLDER"),
        Option("sbatch", 'further options of sbatch, as --sbatch="--qos=high --mem=0"', "OPTIONS"),
        Option("notice", "before the time is up the job is told (180)", "SECONDS", int, least=1),
        Option("seeds", "an array over seeds, as 0-4 or 0,1,7", "LIST"),
        Option("inference-nodes", "nodes for vLLM, beside those that train", "N", int),
        Option("evaluate", "evaluate the trained model by a job that depends on this one"),
        Option("status", "print your runs in the queue (lambda, sky: your machines)"),
        Option("follow", "print what a job writes, until it ends", "RUN|JOB"),
        Option(
            "stop",
            "let a run finish its step, save and end (lambda, sky: end the machine)",
            "RUN|ID",
            needs="--stop names a run, a job or an instance; --status shows them",
        ),
    ),
    *_of(
        LAMBDA,
        Option("max-price", "what an hour may cost; required (sky too)", "USD", float, least=0.001),
        Option("max-hours", "after which the run is ended; required (sky too)", "HOURS", float, least=0.001),
        Option("instance-type", "the cheapest with enough GPUs by default", "TYPE"),
        Option("region", "the instance's", "REGION"),
        Option("ssh-key", "the one key of the account that the instance knows", "NAME"),
        Option("identity", "that key's private half", "FILE"),
        Option("file-system", "mounted, and where outputs go", "NAME"),
        Option("wait-for-capacity", "how long to wait where nothing is to be had", "MINUTES", float),
        Option("boot-minutes", "until it must be up (30)", "MINUTES", float),
        Option("lost-minutes", "without an answer, after which it is ended (15)", "MINUTES", float),
        Option("sync-minutes", "between copies of the outputs (10)", "MINUTES", float),
        Option("list", "print what can be had, and what it costs"),
    ),
    *_of(
        SKY,
        Option("infra", "the clouds, as gcp,lambda or aws/us-east-1; the cheapest is taken; required", "LIST"),
        Option("gpu", "as h100 or l4,a10; by default all on which the run fits", "LIST"),
        Option("spot", "machines that may be taken away, at a lower price"),
        Option("managed", "SkyPilot's jobs controller begins the run again after a lost machine"),
        Option("recoveries", "how often a run that stopped early is begun again (5)", "N", int),
        Option("output-bucket", "gs://NAME or s3://NAME, where outputs go", "BUCKET"),
        Option("data-bucket", "whose files are the task's data", "BUCKET"),
        Option("ends-by-hand", "take a cloud on which nothing ends a machine by itself"),
    ),
    *_of(
        HF_JOBS,
        Option("flavor", "the hardware, as a100-large; required", "FLAVOR"),
        Option("timeout", "how long it may take, as 3h; required", "TIME"),
        Option("image", "the container (python:3.11)", "IMAGE"),
        Option("source", "what pip installs in the job; the recipe's publish.source by default", "PIP_SOURCE"),
        Option("detach", "leave the run alone once it has begun (local, lambda and sky too)"),
    ),
)
