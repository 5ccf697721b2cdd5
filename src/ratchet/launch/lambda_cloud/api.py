"""Lambda Cloud's REST API (version 1.8): what a launch needs of it, with its errors as sentences."""

import time
from collections.abc import Mapping
from typing import Any

from ratchet.errors import UserError

URL = "https://cloud.lambda.ai"
GONE = ("terminated", "terminating", "preempted")
TRIES, PAUSE = 5, 2.0


class Unanswered(UserError):
    """A request whose outcome is not known: it may have been carried out."""


class Refused(UserError):
    """An answer that says no; ``reason`` is the API's code."""

    def __init__(self, text: str, reason: str):
        super().__init__(text)
        self.reason = reason

    @property
    def unknown(self) -> bool:
        """Whether the API knows nothing of that id."""
        return self.reason.endswith("not-found") or "does-not-exist" in self.reason


class Lambda:
    """One account of Lambda Cloud.

    Args:
        key: of the API; sent as a header, printed nowhere.
    """

    def __init__(self, key: str, url: str = URL, pause: float = PAUSE):
        import requests

        self.url, self.pause = url.rstrip("/"), pause
        self._session = requests.Session()
        self._session.headers["Authorization"] = f"Bearer {key}"

    def types(self) -> Mapping[str, Any]:
        """Instance types by name: price_cents_per_hour, specs, and the regions that have one now."""
        return self._ask("GET", "instance-types")

    def instances(self) -> list[dict[str, Any]]:
        """All that are there, those on their way out among them."""
        return self._ask("GET", "instances")

    def instance(self, number: str) -> dict[str, Any] | None:
        """One of them; None where the API knows none of that id."""
        try:
            return self._ask("GET", f"instances/{number}")
        except Refused as refused:
            if refused.unknown:
                return None
            raise

    def ssh_keys(self) -> list[dict[str, Any]]:
        """The account's public keys."""
        return self._ask("GET", "ssh-keys")

    def file_systems(self) -> list[dict[str, Any]]:
        """The account's file systems, each in one region."""
        return self._ask("GET", "file-systems")

    def launch(self, body: Mapping[str, Any]) -> str:
        """Start an instance; its id. Never asked twice: a lost answer may mean a running machine.

        Raises:
            Refused: with the API's reason.
            Unanswered: where the answer was lost.
        """
        return self._ask("POST", "instance-operations/launch", body, tries=1)["instance_ids"][0]

    def terminate(self, number: str) -> None:
        """Ask for an instance's end; asking again does no harm."""
        try:
            self._ask("POST", "instance-operations/terminate", {"instance_ids": [number]})
        except Refused as refused:
            if not refused.unknown:
                raise

    def _ask(self, method: str, path: str, body: Mapping[str, Any] | None = None, tries: int = TRIES) -> Any:
        import requests

        last = ""
        for attempt in range(tries):
            if attempt:
                time.sleep(self.pause * attempt)
            try:
                answer = self._session.request(method, f"{self.url}/api/v1/{path}", json=body, timeout=(10, 60))
            except requests.RequestException as error:
                last = type(error).__name__
                continue
            if answer.status_code == 429 or answer.status_code >= 500:
                last = f"status {answer.status_code}"
                continue
            return _read(answer, path)
        raise Unanswered(
            f"Lambda's API at {self.url} does not answer {method} {path} ({last}); nothing is known of what it did"
        )


def _read(answer: Any, path: str) -> Any:
    try:
        body = answer.json()
    except ValueError:
        raise Unanswered(f"Lambda's API answers {path} with status {answer.status_code} and no JSON") from None
    if answer.status_code == 200 and isinstance(body, dict) and "data" in body:
        return body["data"]
    error = body.get("error") if isinstance(body, dict) else None
    error = error if isinstance(error, dict) else {}
    said = " ".join(str(error[key]) for key in ("message", "suggestion") if error.get(key))
    code = str(error.get("code") or answer.status_code)
    text = f"Lambda refuses {path}: {said or f'status {answer.status_code}'} ({code})"
    if answer.status_code in (401, 403) and "key" in code:
        text += "; LAMBDA_API_KEY holds no valid key"
    raise Refused(text, code)
