"""The fake Router in a test's hand."""

from __future__ import annotations

import json
import urllib.error
import urllib.request
from typing import TYPE_CHECKING

import pytest

from pytest_agenttier.fake import FakeRouter, LoggedRequest
from pytest_agenttier.fake.engines.scripted import UnexpectedCommand
from pytest_agenttier.fake.quirks import QUIRKS
from pytest_agenttier.fake.state import AlreadyExists
from pytest_agenttier.fake.wire import Request

if TYPE_CHECKING:
    from collections.abc import Callable


def test_its_caller_is_an_ordinary_user(router: FakeRouter) -> None:
    """Not the dev admin, so that the traps are there."""
    shown = json.loads(router.get("/api/v1/user/me").body)

    assert (shown["sub"], shown["isAdmin"], shown["groups"]) == ("tester", False, None)


def test_it_serves_on_a_loopback_port_once_asked(router: FakeRouter) -> None:
    """The URL stays the same, and speaks HTTP."""
    assert router.url == router.url
    request = urllib.request.Request(
        f"{router.url}/api/v1/sandboxes", headers={"X-API-Key": router.api_key}
    )
    with urllib.request.urlopen(request) as response:
        assert response.read() == b'{"sandboxes":null}\n'


def test_closing_twice_is_fine() -> None:
    """As with files."""
    router = FakeRouter(exec="scripted")
    router.close()
    router.close()


@pytest.mark.parametrize(
    "use",
    [
        lambda router: router.url,
        lambda router: router.transport,
        lambda router: router.get("/healthz"),
        lambda router: router.__enter__(),
    ],
    ids=["url", "transport", "get", "with"],
)
def test_a_closed_router_is_not_reached_any_more(use: Callable[[FakeRouter], object]) -> None:
    """Nothing is started again that nobody would end."""
    with FakeRouter(exec="scripted") as router:
        assert router.url

    with pytest.raises(RuntimeError, match=r"^this FakeRouter is closed: make a new one$"):
        use(router)


def test_an_unknown_release_names_the_known_ones() -> None:
    """The error tells the way out."""
    with pytest.raises(ValueError, match=r"no release '9'; there is 0\.8\.1"):
        FakeRouter(release="9")


def test_an_unknown_engine_is_refused_at_once() -> None:
    """Not when the first command runs."""
    with pytest.raises(ValueError, match="rocket"):
        FakeRouter(exec="rocket")


@pytest.mark.parametrize("engines", ["pod, scripted", " pod,scripted ,", ["pod", "scripted"]])
def test_engines_are_named_with_commas_or_one_by_one(
    monkeypatch: pytest.MonkeyPatch, engines: str | list[str]
) -> None:
    """Blanks do not matter; the first that works here is taken."""
    monkeypatch.setattr("sys.executable", "/nonexistent/python")

    with FakeRouter(exec=engines) as router:
        router.exec.register("make", stdout="built")
        router.create("demo")
        answer = router.post("/api/v1/sandboxes/demo/exec", b'{"command":"make"}')
        with pytest.raises(UnexpectedCommand):
            router.post("/api/v1/sandboxes/demo/exec", b'{"command":"x"}')

    assert answer.body == b'{"stdout":"built","stderr":"","exitCode":0}\n'


@pytest.mark.parametrize("phase", ["", "Creating", "Running", "Stopped"])
def test_a_sandbox_is_made_in_a_phase(router: FakeRouter, phase: str) -> None:
    """Without a look."""
    assert router.create("demo", phase=phase) == "demo"
    assert router.post("/api/v1/sandboxes/demo/exec", b"nope").status == (
        400 if phase == "Running" else 409
    )


def test_an_unknown_phase_lists_those_there_are(router: FakeRouter) -> None:
    """The case matters, as on the wire; nothing is made."""
    with pytest.raises(ValueError, match="no phase") as raised:
        router.create("demo", phase="running")

    assert str(raised.value) == (
        "no phase 'running'; there are '', 'Creating', 'Running', 'Stopped', 'Error'"
    )
    assert router.get("/api/v1/sandboxes/demo").status == 404


def test_a_phase_that_cannot_be_reached_says_why(router: FakeRouter) -> None:
    """With what stands in the way."""
    with pytest.raises(ValueError, match=r"cannot become Running: it is Error .*nosuch not found"):
        router.create("demo", template="nosuch")


def test_an_unknown_owner_says_how_to_make_one(router: FakeRouter) -> None:
    """And who is known."""
    with pytest.raises(ValueError, match=r"no user 'bob'; add_user\('bob'\) makes one.*tester"):
        router.create("demo", owner="bob")


def test_a_taken_name_is_an_error_of_the_cluster(router: FakeRouter) -> None:
    """As over HTTP."""
    router.create("demo")
    with pytest.raises(AlreadyExists, match="already exists"):
        router.create("demo")


def test_a_namespace_is_there_once_it_is_added(router: FakeRouter) -> None:
    """On a cluster too somebody has to make it (contract 3.1)."""
    body = b'{"name":"a","namespace":"team","templateRef":{"name":"t"}}'

    before = router.post("/api/v1/sandboxes", body).status
    router.add_namespace("team")
    after = router.post("/api/v1/sandboxes", body).status

    assert (before, after) == (500, 201)


def test_a_malformed_template_is_told_in_the_routers_words(router: FakeRouter) -> None:
    """A spec is decoded as if posted."""
    with pytest.raises(ValueError, match='time: missing unit in duration "10"'):
        router.add_template("t", {"timeout": "10"})


def test_every_request_is_logged_without_secrets(router: FakeRouter) -> None:
    """Who, about which sandbox, how it ended; a token in the query is blanked."""
    router.post("/api/v1/sandboxes", b'{"name":"a","templateRef":{"name":"t"}}')
    router.get("/api/v1/sandboxes/a?token=hunter2&x=1", {"X-Request-ID": "r1"})
    router.handle(Request("GET", "/nope"))

    created, shown, missed = router.requests
    assert created[:3] == ("POST", "/api/v1/sandboxes", 201)
    assert (created.caller, created.sandbox) == ("tester", "a")
    assert shown == LoggedRequest("GET", "/api/v1/sandboxes/a?token=…&x=1", 401, "r1", "", "a")
    assert missed == LoggedRequest("GET", "/nope", 404, "", "", "")
    assert router.api_key not in repr(router.requests)


def test_a_request_that_cannot_be_answered_is_logged_too(router: FakeRouter) -> None:
    """With status 0, which no Router answers."""
    router.create("demo")
    with pytest.raises(UnexpectedCommand):
        router.post(
            "/api/v1/sandboxes/demo/exec",
            b'{"command":"make"}',
            {"X-Request-ID": "r1", "X-API-Key": router.api_key},
        )

    assert list(router.requests) == [
        LoggedRequest("POST", "/api/v1/sandboxes/demo/exec", 0, "r1", "tester", "demo")
    ]


def test_two_routers_may_stand_before_one_cluster(router: FakeRouter, dev: FakeRouter) -> None:
    """The same sandboxes, each its own log."""
    router.create("demo")

    assert dev.get("/api/v1/sandboxes/demo").status == 200
    assert len(router.requests) == 0
    assert len(dev.requests) == 1


QUIRK_ANSWERS = {
    "rejected_create_is_500": (
        "POST /api/v1/sandboxes",
        b'{"name":"demo","templateRef":{"name":"t"}}',
        (500, 409),
    ),
    "empty_lists_are_null": (
        "GET /api/v1/sandboxes?namespace=x",
        b"",
        (b'{"sandboxes":null}\n', b'{"sandboxes":[]}\n'),
    ),
    "key_groups_are_null": ("GET /api/v1/user/me", b"", (b'"groups":null', b'"groups":[]')),
    "ports_are_always_http": (
        "GET /api/v1/sandboxes/demo/ports",
        b"",
        (b'"protocol":"http"', b'"protocol":"grpc"'),
    ),
}


@pytest.mark.parametrize("name", QUIRK_ANSWERS)
def test_a_quirk_is_on_until_it_is_switched_off(router: FakeRouter, name: str) -> None:
    """And on again afterwards."""
    router.create("demo")
    router.post("/api/v1/sandboxes/demo/ports", b'{"port":80,"protocol":"grpc"}')
    line, body, (odd, plain) = QUIRK_ANSWERS[name]
    method, target = line.split(" ")

    def answer() -> tuple[int, object]:
        response = router.handle(Request(method, target, (("X-API-Key", router.api_key),), body))
        return response.status, response.body

    def shows(wanted: object) -> bool:
        status, text = answer()
        return status == wanted if isinstance(wanted, int) else wanted in text

    assert shows(odd)
    with router.quirks.off(name):
        assert shows(plain)
    assert shows(odd)


def test_a_kind_that_is_omitted_is_the_clusters_without_the_quirk(router: FakeRouter) -> None:
    """The trap of 3.1, switched off."""
    with router.quirks.off("omitted_kind_is_namespaced"):
        router.post("/api/v1/sandboxes", b'{"name":"a","templateRef":{"name":"general-coding"}}')
    for _ in range(4):
        shown = json.loads(router.get("/api/v1/sandboxes/a").body)

    assert shown["status"] == "Running"


def test_an_unknown_quirk_lists_those_there_are(router: FakeRouter) -> None:
    """A typo must not go unnoticed."""
    with pytest.raises(ValueError, match="no quirk nope; there are empty_lists_are_null, "):
        router.quirks.off("nope").__enter__()


def test_every_quirk_names_its_section() -> None:
    """So that it can be looked up."""
    assert {quirk.section for quirk in QUIRKS.values()} == {"3.1", "3.2", "3.8", "3.11"}


def fail(router: FakeRouter) -> None:
    """Let a command fail over loopback."""
    request = urllib.request.Request(
        f"{router.url}/api/v1/sandboxes/demo/exec",
        b'{"command":"make"}',
        {"X-API-Key": router.api_key},
    )
    with pytest.raises(urllib.error.HTTPError, match="500") as raised:
        urllib.request.urlopen(request)
    raised.value.close()


def test_what_a_test_bends_is_lifted_at_once(router: FakeRouter, dev: FakeRouter) -> None:
    """Answers, quirks that nobody switches on again, and what was noted."""
    router.create("demo")
    router.exec.register("other")
    router.quirks.off("empty_lists_are_null").__enter__()
    dev.get("/api/v1/governance/policies/ns")
    fail(router)

    for each in (router, dev):
        each.reset_overlay()

    assert (router.exec.unused(), router.exec.unexpected(), router.errors) == ([], [], [])
    assert (list(router.requests), dev.not_built) == ([], set())
    assert router.quirks["empty_lists_are_null"]


def test_what_stands_on_the_cluster_outlives_what_a_test_bends(router: FakeRouter) -> None:
    """Sandboxes, templates, users and the time."""
    router.create("demo", owner="tester")
    router.add_template("own", {"image": {"repository": "own"}})
    key = router.add_user("bob")
    router.clock.advance(60.0)
    before = router.clock.now()

    router.reset_overlay()

    assert router.get("/api/v1/sandboxes/demo").status == 200
    assert router.get("/api/v1/templates/own").status == 200
    assert router.get("/api/v1/user/me", {"X-API-Key": key}).status == 200
    assert router.clock.now() >= before


def test_a_quirk_left_late_stays_on(router: FakeRouter) -> None:
    """Who leaves after the overlay was lifted changes nothing."""
    with router.quirks.off("empty_lists_are_null"):
        router.reset_overlay()
        inside = router.quirks["empty_lists_are_null"]

    assert (inside, router.quirks["empty_lists_are_null"]) == (True, True)
