"""What an instance starts with: cloud-init without secrets, and the watchdog that holds its deadline."""

INDENT = "      "

WATCHDOG = """#!/bin/bash
# Ends this instance at its deadline, whatever became of the machine that started it. \
Shutting down does not end the billing, so the API is
# asked, with what was put into memory over ssh; only where that never arrived the machine is shut down.
deadline=$1
keys=$2
while [ "$(date +%s)" -lt "$deadline" ]; do sleep "${3:-15}"; done
echo "the deadline has come"
for try in $(seq 1 "${4:-40}"); do
    if [ -r "$keys" ]; then
        . "$keys"
        curl --silent --show-error --fail --max-time 60 \
-H "Authorization: Bearer $LAMBDA_API_KEY" -H "Content-Type: application/json" \\
            -d "{\\"instance_ids\\": [\\"$INSTANCE_ID\\"]}" \
"$LAMBDA_API_URL/api/v1/instance-operations/terminate" && exit 0
    fi
    sleep "${3:-15}"
done
"${5:-poweroff}"
"""


def keys_file(name: str) -> str:
    """The file there, in memory, that holds what the watchdog needs to end the instance."""
    return f"/dev/shm/ratchet-{name}/keys"


def user_data(name: str, deadline: float) -> str:
    """cloud-init: the watchdog, as a service of the system. Instance metadata can be read by others: no secret."""
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


def outputs_of(file_system: str | None) -> str | None:
    """The folder for outputs on a mounted file system, which outlives the instance."""
    return f"/lambda/nfs/{file_system}/ratchet" if file_system else None
