"""`http.request` against a real server on the loopback interface."""

import contextlib
import gzip
import json
import socket
import sys
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import attrs
import pytest
import trio

from trioflow.actions import Registry, call
from trioflow.errors import StepError


@attrs.frozen
class Seen:
    """A request as the server has seen it."""

    method: str
    path: str
    headers: dict
    body: str


class Handler(BaseHTTPRequestHandler):
    def answer(self):
        length = int(self.headers.get("content-length", 0))
        headers = {name.lower(): value for name, value in self.headers.items()}
        seen = Seen(self.command, self.path, headers, self.rfile.read(length).decode())
        self.server.seen.append(seen)
        getattr(self, "do_" + self.path.partition("?")[0].strip("/").partition("/")[0])()

    do_GET = do_POST = do_PUT = do_PATCH = do_DELETE = do_HEAD = answer  # noqa: N815

    def respond(self, status=200, body=b"", *, reason=None, **headers):
        self.send_response(status, reason)
        for name, value in headers.items():
            self.send_header(name.replace("_", "-"), value)
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)

    def do_text(self):
        self.respond(200, "grün".encode("latin-1"), content_type="text/plain; charset=latin-1")

    def do_charset(self):
        self.respond(200, "grün".encode(), content_type="text/plain; charset=klingon")

    def do_json(self):
        self.respond(200, b'{"sku": "tea"}', content_type="application/json", x_shop="tea")

    def do_problem(self):
        self.respond(200, b"[1]", content_type="Application/Problem+JSON; charset=utf-8")

    def do_nan(self):
        self.respond(200, b"[NaN]", content_type="application/json")

    def do_empty(self):
        self.respond(200, content_type="application/json")

    def do_status(self):
        self.respond(int(self.path.partition("?")[0].rpartition("/")[2]), b"the secret of the body")

    def do_unnamed(self):
        self.respond(599, reason="")

    def do_size(self):
        self.respond(200, b"x" * int(self.path.rpartition("/")[2]))

    def do_bomb(self):
        self.respond(200, gzip.compress(b"x" * 5_000_000), content_encoding="gzip")

    def do_gzip(self):
        self.respond(200, gzip.compress(b"tea"), content_encoding="gzip")

    def do_nonsense(self):
        self.respond(200, b"no gzip", content_encoding="gzip")

    def do_compress(self):
        self.respond(200, b"what", content_encoding="compress")

    def do_endless(self):
        """Much more than is allowed, and nobody knows how much beforehand."""
        self.send_response(200)
        self.end_headers()
        self.close_connection = True
        with contextlib.suppress(OSError):
            while True:
                self.wfile.write(b"x" * 65536)

    def do_redirect(self):
        status, _, target = self.path.removeprefix("/redirect/").partition("/")
        self.respond(int(status), location=target)

    def do_loop(self):
        self.respond(302, location="/loop")

    def do_hang(self):
        self.server.hanging.wait(10)

    def do_close(self):
        self.close_connection = True

    def log_message(self, *arguments):
        pass


class Server(ThreadingHTTPServer):
    daemon_threads = True

    def __init__(self):
        super().__init__(("127.0.0.1", 0), Handler)
        self.seen = []
        self.hanging = threading.Event()
        self.url = f"http://127.0.0.1:{self.server_port}"

    def handle_error(self, request, client_address):
        pass


@pytest.fixture(scope="module")
def running_servers():
    servers = Server(), Server()
    threads = [
        threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True)
        for server in servers
    ]
    for thread in threads:
        thread.start()
    yield servers
    for server, thread in zip(servers, threads, strict=True):
        server.hanging.set()
        server.shutdown()
        thread.join()
        server.server_close()


@pytest.fixture
def server(running_servers):
    running_servers[0].seen.clear()
    return running_servers[0]


@pytest.fixture
def other(running_servers):
    running_servers[1].seen.clear()
    return running_servers[1]


@pytest.fixture
def request_(context, limiter, monkeypatch):
    """Call it as the engine does, whatever proxies the environment names."""
    monkeypatch.setenv("NO_PROXY", "*")
    found = Registry().get("http.request")

    async def request(url, **parameters):
        return await call(found, {"url": url, **parameters}, context, limiter=limiter)

    return request


# ---- what is sent ----


async def test_get(server, request_):
    await request_(f"{server.url}/text?a=1", params={"b": "x y", "c": [1, 2]}, headers={"X-A": "b"})

    (seen,) = server.seen
    assert ("GET", "/text?a=1&b=x+y&c=1&c=2", "") == (seen.method, seen.path, seen.body)
    assert ("b", "trioflow") == (seen.headers["x-a"], seen.headers["user-agent"])
    assert "idempotency-key" not in seen.headers


async def test_json(server, request_):
    await request_(f"{server.url}/text", method="put", json={"sku": "grün"})

    (seen,) = server.seen
    assert "PUT" == seen.method
    assert {"sku": "grün"} == json.loads(seen.body)
    assert "application/json" == seen.headers["content-type"]
    assert "idempotency-key" not in seen.headers


async def test_text(server, request_):
    await request_(f"{server.url}/text", method="PUT", body="grün")
    await request_(
        f"{server.url}/text", method="PUT", body="<a/>", headers={"Content-Type": "text/xml"}
    )

    assert ["grün", "<a/>"] == [seen.body for seen in server.seen]
    assert ["text/plain; charset=utf-8", "text/xml"] == [
        seen.headers["content-type"] for seen in server.seen
    ]


@pytest.mark.parametrize("method", ("POST", "PATCH"))
async def test_what_changes_something_carries_the_key(server, request_, method):
    await request_(f"{server.url}/text", method=method)
    await request_(f"{server.url}/text", method=method, headers={"idempotency-KEY": "mine"})

    assert ["x1:pay", "mine"] == [seen.headers["idempotency-key"] for seen in server.seen]


# ---- what comes back ----


async def test_json_is_parsed(server, request_):
    result = await request_(f"{server.url.replace('//', '//me:secret@')}/json?token=secret#part")

    assert 200 == result["status"]
    assert {"sku": "tea"} == result["body"]
    assert "tea" == result["headers"]["x-shop"]
    assert f"{server.url}/json" == result["url"]
    assert "Basic " == server.seen[0].headers["authorization"][:6]


@pytest.mark.parametrize(
    ("path", "expected"),
    (
        ("problem", [1]),
        ("nan", "[NaN]"),
        ("empty", ""),
        ("gzip", "tea"),
        ("text", "grün"),
        ("charset", "grün"),
        ("status/304", ""),
        ("size/1048576", "x" * 1048576),
    ),
    ids=("problem", "nan", "empty", "gzip", "text", "charset", "not modified", "exactly 1 MiB"),
)
async def test_bodies(server, request_, path, expected):
    assert expected == (await request_(f"{server.url}/{path}"))["body"]


async def test_head(server, request_):
    result = await request_(f"{server.url}/json", method="HEAD")

    assert (200, "") == (result["status"], result["body"])


@pytest.mark.parametrize("path", ("size/1048577", "bomb", "endless"))
async def test_a_body_may_be_too_large(server, request_, path):
    with pytest.raises(StepError, match="answered with more than 1048576 bytes") as caught:
        await request_(f"{server.url}/{path}")

    assert ("result.too_large", False) == (caught.value.code, caught.value.retryable)


# ---- statuses ----


@pytest.mark.parametrize(
    ("status", "phrase", "retryable"),
    (
        (400, "Bad Request", False),
        (404, "Not Found", False),
        (408, "Request Timeout", True),
        (425, "Too Early", True),
        (429, "Too Many Requests", True),
        (500, "Internal Server Error", True),
        (503, "Service Unavailable", True),
    ),
    ids=str,
)
async def test_statuses(server, request_, status, phrase, retryable):
    with pytest.raises(StepError) as caught:
        await request_(f"{server.url}/status/{status}?key=secret")

    message = f"GET request to {server.url} was answered with {status} {phrase}"
    assert (message, f"http.{status}", retryable) == caught.value.args


async def test_a_status_may_have_no_phrase(server, request_):
    with pytest.raises(StepError, match=r"was answered with 599$"):
        await request_(f"{server.url}/unnamed")


# ---- redirects ----

SECRETS = {"Authorization": "Bearer secret", "X-Api-Key": "secret", "Cookie": "a=secret"}


async def test_a_redirect_on_the_same_host_keeps_the_headers(server, request_):
    result = await request_(f"{server.url}/redirect/302//json", headers=SECRETS)

    assert {"sku": "tea"} == result["body"]
    assert f"{server.url}/json" == result["url"]
    assert "secret" == server.seen[1].headers["x-api-key"]
    assert "Bearer secret" == server.seen[1].headers["authorization"]


async def test_a_redirect_to_another_host_loses_what_may_be_secret(server, other, request_):
    await request_(
        f"{server.url}/redirect/307/{other.url}/json", method="POST", json=1, headers=SECRETS
    )

    (seen,) = other.seen
    assert ("POST", "1") == (seen.method, seen.body)
    assert "secret" not in str(seen.headers)
    assert "x1:pay" == seen.headers["idempotency-key"]
    assert other.url == f"http://{seen.headers['host']}"


async def test_redirects_come_to_an_end(server, request_):
    with pytest.raises(StepError, match="redirected more than 5 times") as caught:
        await request_(f"{server.url}/loop")

    assert ("http.redirects", False) == (caught.value.code, caught.value.retryable)
    assert 6 == len(server.seen)


async def test_redirects_stay_on_http(server, request_):
    with pytest.raises(StepError, match="redirected to something that is not http") as caught:
        await request_(f"{server.url}/redirect/302/file:///etc/passwd")

    assert "http.redirects" == caught.value.code


# ---- what goes wrong ----


async def test_nobody_listens(request_):
    with socket.socket() as reserved:
        reserved.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{reserved.getsockname()[1]}"
        with pytest.raises(StepError, match=f"GET request to {url}: ") as caught:
            await request_(f"{url}/secret")

    assert ("http.connect", True) == (caught.value.code, caught.value.retryable)
    assert "secret" not in str(caught.value)


async def test_no_answer_in_time(server, request_):
    with pytest.raises(StepError, match=r"no answer within 0\.05 s") as caught:
        await request_(f"{server.url}/hang", timeout=0.05)

    assert ("http.timeout", True) == (caught.value.code, caught.value.retryable)


async def test_the_timeout_of_the_step_is_a_cancellation(server, request_):
    with trio.move_on_after(0.05) as scope:
        await request_(f"{server.url}/hang", timeout=None)

    assert scope.cancelled_caught


@pytest.mark.parametrize("path", ("close", "nonsense", "compress"))
async def test_the_answer_breaks_off_or_makes_no_sense(server, request_, path):
    with pytest.raises(StepError, match="GET request to http://127") as caught:
        await request_(f"{server.url}/{path}")

    assert ("http.broken", None) == (caught.value.code, caught.value.retryable)


@pytest.mark.parametrize(
    ("parameters", "message"),
    (
        ({"method": "GET /"}, "method must be a word"),
        ({"method": None}, "method must be a word"),
        ({"url": None}, "url must be a text"),
        ({"url": "/secret"}, "url must begin with http:// or https:// and a"),
        ({"url": "http:///secret"}, "url must begin with"),
        ({"url": "ftp://h/secret"}, "url must begin with"),
        ({"url": "http://h:secret/"}, "url cannot be parsed"),
        ({"params": "a=secret"}, "params must be an object"),
        ({"headers": ["secret"]}, "headers must be an object"),
        ({"headers": {"a b": "secret"}}, "'a b' is no name for a header"),
        ({"headers": {"a": "secret\r\nb: c"}}, "the value of header 'a' must be a text"),
        ({"headers": {"a": "secrét"}}, "the value of header 'a' must be a text"),
        ({"headers": {"a": 1}}, "the value of header 'a' must be a text"),
        ({"headers": {"content-length": "9secret"}}, "do not make a request together"),
        ({"body": {"a": "secret"}}, "body must be a text; for other values there is json"),
        ({"body": "secret", "json": 1}, "give json or body, not both"),
        ({"timeout": 0}, "timeout must be a number of seconds above 0"),
        ({"timeout": "1s"}, "timeout must be"),
    ),
    ids=str,
)
async def test_parameters_that_make_no_sense(server, request_, parameters, message):
    with pytest.raises(StepError, match=message) as caught:
        await request_(**{"url": f"{server.url}/text", **parameters})

    assert ("action.parameters", False) == (caught.value.code, caught.value.retryable)
    assert "secret" not in str(caught.value)
    assert [] == server.seen


async def test_the_package_may_be_missing(server, request_, monkeypatch):
    monkeypatch.setitem(sys.modules, "httpx2", None)

    with pytest.raises(StepError, match=r": pip install httpx2$") as caught:
        await request_(f"{server.url}/text")

    assert caught.value.retryable is False
