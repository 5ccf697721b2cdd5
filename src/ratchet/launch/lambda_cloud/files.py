"""What a Lambda instance is given: cloud-init without secrets, the watchdog that holds its deadline, and the script of the run."""

import shlex
from pathlib import Path

from ratchet.launch.request import Launch

CODE, HOME = "~/ratchet/code", "~/ratchet"
INDENT = "      "

WATCHDOG = """#!/bin/bash
# Ends this instance at its deadline, whatever became of the machine that started it. Shutting down does not end the billing, so the API is
# asked, with what was put into memory over ssh; only where that never arrived the machine is shut down.
deadline=$1
keys=$2
while [ "$(date +%s)" -lt "$deadline" ]; do sleep "${3:-15}"; done
echo "the deadline has come"
for try in $(seq 1 "${4:-40}"); do
    if [ -r "$keys" ]; then
        . "$keys"
        curl --silent --show-error --fail --max-time 60 -H "Authorization: Bearer $LAMBDA_API_KEY" -H "Content-Type: application/json" \\
            -d "{\\"instance_ids\\": [\\"$INSTANCE_ID\\"]}" "$LAMBDA_API_URL/api/v1/instance-operations/terminate" && exit 0
    fi
    sleep "${3:-15}"
done
"${5:-poweroff}"
"""


def keys_file(name: str) -> str:
    """Where the instance keeps, in memory, what the watchdog needs."""
    return f"/dev/shm/ratchet-{name}/keys"


def secrets_file(name: str) -> str:
    """Where it keeps, in memory, what the run needs."""
    return f"/dev/shm/ratchet-{name}/env"


def user_data(name: str, deadline: float) -> str:
    """cloud-init: the watchdog, as a service of the system. It can be read by whoever can read the instance's metadata: no secret is in it."""
    body = "".join(f"{INDENT}{line}\n" if line else "\n" for line in WATCHDOG.splitlines())
    return (
        "#cloud-config\n"
        "write_files:\n"
        "  - path: /opt/ratchet/watchdog.sh\n"
        '    permissions: "0755"\n'
        "    content: |\n"
        f"{body}"
        "runcmd:\n"
        f"  - [systemd-run, --unit=ratchet-watchdog, /opt/ratchet/watchdog.sh, '{int(deadline)}', {keys_file(name)}]\n"
    )


def run_script(launch: Launch, outputs: str | None) -> str:
    """The run on the instance: install, train, leave the exit status."""
    words = launch.accelerate_elsewhere(launch.script)
    link = (
        [f"mkdir -p {shlex.quote(outputs)}", f"[ -e outputs ] || ln -s {shlex.quote(outputs)} outputs"]
        if outputs
        else []
    )
    return "\n".join(
        [
            "#!/bin/bash",
            "# Started once by ratchet launch; its output is run.log, its exit status goes to the file exit.",
            f"cd {CODE}",
            f"set -a; . {secrets_file(launch.name)}; set +a",
            *link,
            "train() {",
            "    set -e",
            "    if [ ! -x .venv/bin/accelerate ]; then",
            "        if command -v python3.11 > /dev/null; then python3.11 -m venv .venv",
            "        else curl -LsSf https://astral.sh/uv/install.sh | sh && ~/.local/bin/uv venv --seed --python 3.11 .venv; fi",
            '        .venv/bin/pip install --quiet -e ".[deepspeed,vllm,tracking]"',
            "    fi",
            '    export PATH="$PWD/.venv/bin:$PATH"',
            f"    {shlex.join(words)}",
            "}",
            "(train)",
            "echo $? > ../exit.part && mv ../exit.part ../exit",
            "",
        ]
    )


def tracked(root: Path) -> list[Path]:
    """The repository's files that git knows; without git, what it is known to hold."""
    import subprocess

    try:
        done = subprocess.run(["git", "-C", str(root), "ls-files", "-z"], capture_output=True, check=True)
        found = [root / name for name in done.stdout.decode().split("\0") if name]
    except (OSError, subprocess.SubprocessError):
        found = []
    if not found:
        names = (
            "setup.cfg",
            "pyproject.toml",
            "README.md",
            "LICENSE",
            "src",
            "scripts",
            "recipes",
            "accelerate_configs",
        )
        found = [
            file
            for name in names
            for file in ([root / name] if (root / name).is_file() else sorted((root / name).rglob("*")))
        ]
    return [file for file in found if file.is_file() and "__pycache__" not in file.parts]


def outputs_of(file_system: str | None) -> str | None:
    """Where outputs go on a mounted file system, which outlives the instance."""
    return f"/lambda/nfs/{file_system}/ratchet" if file_system else None
