"""Plays recorded exchanges (tests/golden/README.md) against a fake Router and compares."""

from __future__ import annotations

import base64
import json
import re
import socket
from dataclasses import dataclass, field
from http import HTTPStatus
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol
from urllib.parse import urlsplit

from pytest_agenttier.fake import FakeRouter
from pytest_agenttier.fake.engines import EngineUnavailable
from pytest_agenttier.fake.wire import Request

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

GOLDEN = Path(__file__).parent.parent / "golden"
PATIENCE = 60
PAUSE = 0.5

Line = dict[str, Any]
Headers = list[tuple[str, str]]


@dataclass(frozen=True)
class Scenario:
    """A run of recorded lines, played in order from an empty server."""

    area: str
    name: str
    lines: tuple[Line, ...]

    @property
    def runs_commands(self) -> bool:
        """Whether a command is really run in it."""
        return any(
            line.get("request", {}).get("target", "").endswith("/exec")
            and line["response"].get("status") == 200
            for line in self.lines
        )


def scenarios(profile: str) -> Iterator[Scenario]:
    """Every scenario recorded from a profile."""
    for path in sorted(GOLDEN.glob(f"{profile}-*.jsonl")):
        runs: dict[str, list[Line]] = {}
        for text in path.read_text().splitlines():
            line = json.loads(text)
            runs.setdefault(line["scenario"], []).append(line)
        for name, lines in runs.items():
            yield Scenario(path.stem.removeprefix(f"{profile}-"), name, tuple(lines[1:]))


@dataclass
class Answer:
    """What came back, as the recordings write it."""

    status: int
    reason: str
    headers: Headers
    body: bytes


class Mount(Protocol):
    """A way to a Router."""

    def send(self, router: FakeRouter, request: Line, body: bytes | None) -> Answer:
        """Send a request as recorded."""
        ...


class OverSocket:
    """Bytes through the loopback server, a connection each."""

    def send(self, router: FakeRouter, request: Line, body: bytes | None) -> Answer:
        """Send a request as recorded."""
        where = urlsplit(router.url)
        lines = [f"{request['method']} {request['target']} HTTP/1.1"]
        lines += [f"{name}: {value}" for name, value in request["headers"]]
        if request.get("chunked"):
            lines.append("Transfer-Encoding: chunked")
            body = b"%x\r\n%s\r\n0\r\n\r\n" % (len(body or b""), body or b"")
        elif body is not None:
            lines.append(f"Content-Length: {len(body)}")
        head = "\r\n".join([*lines, "", ""]).replace("<<host>>", where.netloc)
        assert where.hostname is not None
        with socket.create_connection((where.hostname, where.port or 80), timeout=30) as wire:
            wire.sendall(head.encode() + (body or b""))
            with wire.makefile("rb") as reader:
                _, status, reason = reader.readline().decode("latin-1").rstrip("\r\n").split(" ", 2)
                headers = []
                while line := reader.readline().rstrip(b"\r\n").decode("latin-1"):
                    name, _, value = line.partition(": ")
                    headers.append((name, value))
                answer = Answer(int(status), reason, headers, b"")
                if request["method"] != "HEAD":
                    answer.body = _read_body(reader, answer)
        return answer


def _read_body(reader: Any, answer: Answer) -> bytes:
    framing = dict(answer.headers)
    if framing.get("Transfer-Encoding") == "chunked":
        parts = []
        while size := int(reader.readline(), 16):
            parts.append(reader.read(size))
            assert reader.read(2) == b"\r\n"
        assert reader.readline() == b"\r\n"
        return b"".join(parts)
    if "Content-Length" in framing:
        return reader.read(int(framing["Content-Length"]))
    return b"" if answer.status == 204 else reader.read()


class InProcess:
    """Straight into ``handle``; what a server adds for the connection is added here."""

    def send(self, router: FakeRouter, request: Line, body: bytes | None) -> Answer:
        """Send a request as recorded."""
        # As a server hands them on: bytes as Latin-1, without the space around them.
        headers = [
            (name, value.encode().decode("latin-1").strip()) for name, value in request["headers"]
        ]
        if body is not None and not request.get("chunked"):
            headers.append(("Content-Length", str(len(body))))
        answer = router.handle(
            Request(request["method"], request["target"], tuple(headers), body or b"")
        )
        content = answer.body if isinstance(answer.body, bytes) else b"".join(answer.body)
        headers = list(answer.headers)
        names = {name for name, _ in headers}
        if answer.status != 204 and request["method"] != "HEAD" and "Content-Length" not in names:
            headers.append(("Transfer-Encoding", "chunked"))
        return Answer(answer.status, HTTPStatus(answer.status).phrase, headers, content)


@dataclass
class Player:
    """One scenario on a fresh Router; the dev identity gets a second one on the same cluster."""

    mount: Mount
    engine: str
    names: dict[str, str] = field(default_factory=dict)

    def __enter__(self) -> Player:
        self.router = FakeRouter(exec=self.engine)
        self.dev = FakeRouter(dev_auth=True, cluster=self.router.cluster)
        for sub, groups in (("alice", ()), ("bob", ("devs",)), ("root", ("agenttier-admins",))):
            self.router.add_user(sub, email=f"{sub}@x.io", name=sub.capitalize(), groups=groups)
            self.names[f"key:{sub}"] = self.router.mint_key(sub, label="golden")
            self.names[f"token:{sub}"] = self.router.mint_token(sub)
        return self

    def __exit__(self, *exc: object) -> None:
        self.dev.close()
        self.router.close()

    def play(self, scenario: Scenario) -> dict[str, str]:
        """Play it all; what differed, by exchange."""
        differences: dict[str, str] = {}
        for line in scenario.lines:
            try:
                found = self._play(line)
            except EngineUnavailable as error:
                found = str(error)
            if found:
                differences[line["id"]] = found
        return differences

    def _play(self, line: Line) -> str:
        kind = line["kind"]
        if kind == "pause":
            self.router.clock.advance(line["seconds"])
            return ""
        if kind not in ("exchange", "poll") or "status" not in line["response"]:
            return f"the player knows no {kind} that ends so"
        answer = self._send(line)
        for _ in range(PATIENCE if kind == "poll" else 0):
            if _holds(line["until"], answer):
                break
            self.router.clock.advance(PAUSE)
            answer = self._send(line)
        for name, pattern in line.get("capture", {}).items():
            match = re.search(pattern, answer.body.decode())
            self.names[name] = match[1] if match else ""
        return _difference(line, self._recorded(line["response"]), answer)

    def _send(self, line: Line) -> Answer:
        request = dict(line["request"])
        request["target"] = self._named(request["target"])
        request["headers"] = [(name, self._named(value)) for name, value in request["headers"]]
        body = _body(request)
        if body is not None:
            body = self._named(body.decode("utf-8", "surrogateescape")).encode(
                "utf-8", "surrogateescape"
            )
        router = self.dev if line["as"] == "dev" else self.router
        return self.mount.send(router, request, body)

    def _recorded(self, response: Line) -> Answer:
        body = (_body(response) or b"").decode("utf-8", "surrogateescape")
        return Answer(
            response["status"],
            response["reason"],
            [(name, value) for name, value in response["headers"]],
            self._named(body).encode("utf-8", "surrogateescape"),
        )

    def _named(self, text: str) -> str:
        return re.sub("<<([^>]+)>>", lambda match: self.names.get(match[1], match[0]), text)


def _body(message: Line) -> bytes | None:
    if "body" in message:
        text: str = message["body"]
        return text.encode("utf-8", "surrogateescape")
    if "body_b64" in message:
        return base64.b64decode(message["body_b64"])
    if "body_parts" in message:
        return "".join(text * times for text, times in message["body_parts"]).encode()
    return None


def _holds(until: Line, answer: Answer) -> bool:
    if "status" in until and answer.status != until["status"]:
        return False
    if "json" in until:
        shown = json.loads(answer.body)
        if any(shown.get(key) not in values for key, values in until["json"].items()):
            return False
    return "re" not in until or re.search(until["re"], answer.body.decode()) is not None


_MASKS: Mapping[str, str] = {
    "date": r"[A-Z][a-z]{2}, \d\d [A-Z][a-z]{2} \d{4} \d\d:\d\d:\d\d GMT",
    "request-id": r"(?<=X-Request-Id: )[0-9a-f]{16}",
    "go-time": r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d \+0000 UTC",
    "rfc3339": r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ",
    "rfc3339-nano": r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d{1,9})?Z",
    "resource-version": r'(?<="resourceVersion":")\d+',
    "api-key": r"atk_[A-Za-z0-9_-]{43}",
    "api-key-id": r"agenttier-apikey-[0-9a-f]{40}",
    "pod-ip": r"\d{1,3}\.\d{1,3}\.\d{1,3}\.\d{1,3}",
}


def _difference(line: Line, recorded: Answer, answer: Answer) -> str:
    masks = line["volatile"]
    theirs, ours = _comparable(recorded, masks), _comparable(answer, masks)
    if theirs == ours:
        length = dict(answer.headers).get("Content-Length")
        if length is None or answer.body == b"" or int(length) == len(answer.body):
            return ""
        return f"Content-Length is {length}, the body has {len(answer.body)} bytes"
    return f"recorded:\n{theirs[:2000]}\nanswered:\n{ours[:2000]}"


def _comparable(answer: Answer, masks: list[Any]) -> str:
    """An answer as text, all that may differ made alike."""
    partly = "body" in masks or any(isinstance(mask, dict) and "own" in mask for mask in masks)
    lines = [f"{answer.status} {answer.reason}"]
    for name, value in answer.headers:
        if name == "Content-Length" and answer.body:
            value = "<of the body>"
        if partly and name in ("Content-Length", "Transfer-Encoding"):
            name, value = "<framing>", ""
        lines.append(f"{name}: {value}")
    body = "" if "body" in masks else answer.body.decode("utf-8", "surrogateescape")
    for mask in masks:
        if isinstance(mask, dict) and "own" in mask:
            body = _own(body, mask["own"])
    text = "\n".join([*lines, "", body])
    for mask in masks:
        if isinstance(mask, dict):
            if "re" in mask:
                text = re.sub(mask["re"], mask["to"], text)
        elif mask in _MASKS:
            text = re.sub(_MASKS[mask], f"<{mask}>", text)
    return text


def _own(body: str, words: list[str]) -> str:
    """A body whose list keeps only the items that mention a word."""
    start = body.find("[") + 1
    if not start:
        return body
    decoder, at, kept = json.JSONDecoder(), start, []
    while body[at] != "]":
        _, end = decoder.raw_decode(body, at)
        if any(word in body[at:end] for word in words):
            kept.append(body[at:end])
        at = end + 1 if body[end] == "," else end
    return f"{body[:start]}{','.join(kept)}{body[at:]}"
