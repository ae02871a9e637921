"""The document is made once for an address and a language, and not kept where it is somebody's own."""

import asyncio

import httpx
import pytest
from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Route
from starlette.testclient import TestClient

from app import page_cache
from app.page_cache import PageCache


@pytest.fixture
def made():
    return []


@pytest.fixture
def client(made):
    def answer(request: Request) -> Response:
        made.append(request.url)
        status = 503 if len(made) == 1 and request.headers.get("x-test") == "fail" else 200
        return PlainTextResponse(f"{len(made)} for {request.headers['host']}", status)

    routes = [Route(path, answer) for path in ("/", "/config", "/other")]
    return TestClient(Starlette(routes=routes, middleware=[Middleware(PageCache)]))


def test_the_same_page_is_made_once(client, made):
    first = client.get("/")
    again = client.get("/?lab=face&talk=1")
    assert again.content == first.content and again.headers == first.headers
    assert len(made) == 1


@pytest.mark.parametrize(
    "other",
    [
        {"headers": {"host": "lab.example"}},
        {"headers": {"x-forwarded-proto": "https"}},
        {"headers": {"accept-encoding": "br"}},
        {"headers": {"accept-language": "zh-TW"}},
        {"params": {"lang": "zh-CN"}},
    ],
)
def test_what_changes_the_page_makes_another(client, made, other):
    client.get("/")
    for _ in range(2):
        client.get("/", **other)
    assert len(made) == 2


@pytest.mark.parametrize(
    ("path", "other"),
    [
        ("/", {"params": {"deep_link": "abc"}}),
        ("/config", {"params": {"page": "x"}}),
        ("/", {"headers": {"authorization": "Bearer x"}}),
        ("/", {"headers": {"cookie": "access-token-unsecure=x"}}),
        ("/other", {}),
    ],
)
def test_what_is_somebodys_own_is_never_kept(client, made, path, other):
    for _ in range(2):
        client.get(path, **other)
    assert len(made) == 2


def test_a_failure_is_not_kept(client, made):
    assert client.get("/", headers={"x-test": "fail"}).status_code == 503
    assert client.get("/").status_code == 200


def test_made_up_hosts_fill_no_memory(client, made):
    for number in range(page_cache.KEPT + 5):
        client.get("/", headers={"host": f"h{number}"})
    client.get("/", headers={"host": f"h{page_cache.KEPT + 4}"})
    assert len(made) == page_cache.KEPT + 5
    client.get("/", headers={"host": "h0"})
    assert len(made) == page_cache.KEPT + 6


def test_who_asks_while_the_page_is_made_waits_for_it():
    made = []

    async def slow(scope, receive, send):
        made.append(scope["path"])
        await asyncio.sleep(0.05)
        await PlainTextResponse("page")(scope, receive, send)

    async def hall() -> list[int]:
        transport = httpx.ASGITransport(PageCache(slow))
        async with httpx.AsyncClient(transport=transport, base_url="http://lab") as client:
            return [one.status_code for one in await asyncio.gather(*(client.get("/") for _ in range(20)))]

    assert asyncio.run(hall()) == [200] * 20
    assert len(made) == 1
