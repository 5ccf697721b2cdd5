"""Completions from a server that speaks OpenAI's chat API: vLLM, `transformers serve`, a hosted model.

Requests go out many at a time, each tried again with growing pauses (the client's own: refused connections, time-outs, 408, 409,
429 and 5xx). Every answer is kept in a file of JSON lines as it comes, under a hash of the server, the model and all that was asked,
so that an evaluation that was stopped goes on with what is missing.
"""

import hashlib
import json
import os
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from tqdm import tqdm

from ratchet.errors import UserError
from ratchet.inference.completion import Completion, Sampling
from ratchet.tasks.base import Message
from ratchet.tasks.loading import read_lines


@dataclass(frozen=True)
class Server:
    """Where the model is."""

    url: str
    """With the version, as in http://127.0.0.1:8000/v1."""
    model: str
    concurrency: int = 16
    """Requests at a time."""
    timeout: float = 120.0
    """Seconds that one may take."""
    retries: int = 5
    """How often one is tried again."""
    key: str = "OPENAI_API_KEY"
    """The environment variable that holds the key; local servers want none."""


def connect(server: Server) -> Any:
    """The client.

    Raises:
        UserError: for an address that is none.
    """
    from openai import OpenAI

    if not server.url.startswith(("http://", "https://")):
        raise UserError(f"--server: {server.url} is no address; write it as http://127.0.0.1:8000/v1")
    return OpenAI(
        base_url=server.url,
        api_key=os.environ.get(server.key) or "none",
        timeout=server.timeout,
        max_retries=server.retries,
    )


def only_model(server: Server) -> str:
    """The name of the one model that the server has.

    Raises:
        UserError: where it cannot be asked, or has none or several.
    """
    from openai import OpenAIError

    try:
        names = [model.id for model in connect(server).models.list().data]
    except (OpenAIError, TypeError, AttributeError, ValueError) as error:
        raise UserError(
            f"--server: {server.url} does not say which models it has ({_said(error)}); name one with --model"
        ) from None
    if len(names) != 1:
        raise UserError(
            f"--server: {server.url} has {', '.join(names) or 'no model that it names'}; choose with --model NAME"
        )
    return names[0]


class Kept:
    """Answers so far, in a file that only grows."""

    def __init__(self, path: Path):
        self.path = path
        self.found: dict[str, Completion] = {}
        for _, entry in read_lines(path) if path.is_file() else ():
            if (
                isinstance(entry, dict) and {"key", "text", "tokens", "truncated"} <= entry.keys()
            ):  # the last line may be torn
                self.found[entry["key"]] = Completion(entry["text"], entry["tokens"], entry["truncated"])

    def add(self, key: str, completion: Completion) -> None:
        """Keep one."""
        self.found[key] = completion
        self.path.parent.mkdir(parents=True, exist_ok=True)
        with self.path.open("a", encoding="utf-8") as file:
            file.write(json.dumps({"key": key, **asdict(completion)}) + "\n")


def server_generator(server: Server, kept: Kept) -> Callable:
    """What ``evaluation.evaluate`` calls: conversations and a ``Sampling`` to completions, and the seconds it took."""
    client = connect(server)

    def generate(
        conversations: Sequence[Sequence[Message]], sampling: Sampling
    ) -> tuple[list[list[Completion]], float]:
        start = time.perf_counter()
        asked = [
            [_request(server, messages, sampling, i) for i in range(sampling.samples)] for messages in conversations
        ]
        keys = [[_key(server, request) for request in requests] for requests in asked]
        missing = {
            key: request
            for ks, requests in zip(keys, asked, strict=True)
            for key, request in zip(ks, requests, strict=True)
        }
        known = len(missing.keys() & kept.found.keys())
        missing = {key: request for key, request in missing.items() if key not in kept.found}
        if known and missing:
            print(f"{kept.path} has {known} of the answers already; asking for {len(missing)}")
        _ask_all(client, server, missing, kept)
        return [[kept.found[key] for key in ks] for ks in keys], time.perf_counter() - start

    return generate


def _ask_all(client: Any, server: Server, missing: dict[str, dict[str, Any]], kept: Kept) -> None:
    with ThreadPoolExecutor(server.concurrency) as pool:
        waiting = {pool.submit(_ask, client, server, request): key for key, request in missing.items()}
        try:
            for done in tqdm(
                as_completed(waiting),
                total=len(waiting),
                desc=f"asking {server.model}",
                disable=len(waiting) < 2,
                leave=False,
            ):
                kept.add(waiting[done], done.result())
        except BaseException as error:
            pool.shutdown(cancel_futures=True)
            for done, key in waiting.items():  # those that were under way
                if key not in kept.found and done.done() and not done.cancelled() and done.exception() is None:
                    kept.add(key, done.result())
            told = f"{len(kept.found)} answers are kept in {kept.path}; the same command goes on with them"
            if isinstance(error, UserError) and kept.found:
                raise UserError(f"{error}\n{told}") from None
            if isinstance(error, KeyboardInterrupt) and kept.found:
                print(f"\n{told}", file=sys.stderr)
            raise


def _request(server: Server, messages: Sequence[Message], sampling: Sampling, number: int) -> dict[str, Any]:
    drawn = (
        {"temperature": sampling.temperature, "top_p": sampling.top_p, "seed": sampling.seed + number}
        if sampling.temperature
        else {"temperature": 0.0}
    )
    return {"model": server.model, "messages": list(messages), "max_tokens": sampling.max_new_tokens, **drawn}


def _key(server: Server, request: dict[str, Any]) -> str:
    return hashlib.sha256(json.dumps([server.url, request], sort_keys=True).encode()).hexdigest()[:32]


def _ask(client: Any, server: Server, request: dict[str, Any]) -> Completion:
    """Ask once, with the client's retries; an answer that is none is asked for again as often."""
    from openai import APIConnectionError, APIStatusError, APITimeoutError, OpenAIError

    said = ""
    for pause in (*_pauses(server.retries), None):
        try:
            return _completion(client.chat.completions.create(**request))
        except APITimeoutError:
            raise UserError(
                f"{server.url} did not answer within {server.timeout:g} s ({server.retries + 1} times); raise --timeout or lower --concurrency"
            ) from None
        except APIConnectionError as error:
            raise UserError(
                f"{server.url} cannot be reached ({_said(error.__cause__ or error)}); is the server up, and is the address right?"
            ) from None
        except APIStatusError as error:
            raise UserError(_refused(server, error)) from None
        except (
            OpenAIError,
            ValueError,
            TypeError,
            AttributeError,
            LookupError,
        ) as error:  # an answer of another shape
            said = _said(error)
        if pause is not None:
            time.sleep(pause)
    raise UserError(
        f"{server.url} answers what is no chat completion ({said}); is it a server with OpenAI's API, and does the address end in /v1?"
    )


def _completion(answer: Any) -> Completion:
    choice = answer.choices[0]
    text, tokens = choice.message.content or "", getattr(answer.usage, "completion_tokens", None)
    if not isinstance(text, str):
        raise TypeError(f"the content is a {type(text).__name__}")
    return Completion(text, tokens if isinstance(tokens, int) else 0, truncated=choice.finish_reason == "length")


def _refused(server: Server, error: Any) -> str:
    status, said = error.status_code, " ".join(error.response.text.split())[:240]
    if status in (401, 403):
        return f"{server.url} refuses the key in {server.key} ({status}); set the right one (or --key-variable NAME). {said}"
    if status == 404:
        return f"{server.url} has no model {server.model} under this name, or is no chat API (404): check --model, and that the address ends in /v1. {said}"
    if status == 429 or status >= 500:
        return f"{server.url} still answers {status} after {server.retries + 1} tries; lower --concurrency, or try later. {said}"
    return f"{server.url} refuses the request ({status}; is --model spelled as the server was given it?): {said}"


def _pauses(count: int) -> Iterator[float]:
    return (min(8.0, 0.5 * 2**i) for i in range(count))


def _said(error: BaseException) -> str:
    return " ".join(f"{type(error).__name__}: {error}".split())[:240]
