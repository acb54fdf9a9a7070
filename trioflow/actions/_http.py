"""`http.request`: talk to a service over HTTP, with the package httpx2."""

from __future__ import annotations

import functools
import json as json_module
import math
import re
import zlib
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, NoReturn

import trio

from trioflow.actions._action import action
from trioflow.actions._context import ActionContext
from trioflow.errors import StepError

if TYPE_CHECKING:
    import ssl

    import httpx2

# What an output may have at most; a larger body would be refused after it was read.
_MAX_BODY = 1024 * 1024
_MAX_REDIRECTS = 5
# These mean "not now"; any other 4xx says the same again.
_RETRYABLE = frozenset({408, 425, 429})
# What another host may be told when it is redirected to. Which other headers carry secrets we
# cannot know: not only Authorization does.
_HARMLESS = frozenset(
    {
        "accept",
        "accept-encoding",
        "accept-language",
        "connection",
        "content-length",
        "content-type",
        "host",
        "idempotency-key",
        "transfer-encoding",
        "user-agent",
    }
)
_TOKEN = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")
_HEADER_VALUE = re.compile(r"[\t\x20-\x7e]*")


@action("http.request")
async def http_request(
    context: ActionContext,
    url: str,
    method: str = "GET",
    headers: Mapping[str, str] | None = None,
    params: Mapping[str, Any] | None = None,
    json: Any = None,
    body: str | None = None,
    timeout: float | None = 60.0,  # noqa: ASYNC109 - the document's word, and a code of its own
) -> dict[str, Any]:
    """Send a request and return ``status``, ``headers``, ``body`` and the final ``url``.

    `params` are added to the query; `json` or `body` (a text) is sent. The body that comes back
    is parsed if it says that it is JSON, else it is a text. `timeout` limits all of it, in
    seconds; None leaves that to the step. POST and PATCH carry the attempt's idempotency key as
    ``Idempotency-Key``, unless the header is given. At most 5 redirects are followed, to another
    host without the headers that might be secret.

    Raises `StepError`. Codes: ``http.<status>`` from 400 on, ``http.connect``, ``http.timeout``,
    ``http.broken`` (the connection, or the answer), ``http.redirects``, ``result.too_large``
    (over 1 MiB), ``action.parameters``. No message contains more of the URL than its host, nor
    anything of headers or bodies: they may hold secrets, and messages are kept in the history.
    """
    client_module = _import_httpx2()
    arguments = _arguments(context, method, headers, json, body)
    target = _target(client_module, url, params)
    where = f"{arguments['method']} request to {_origin(target)}"
    limit = _limit(timeout)
    with trio.move_on_after(limit):
        try:
            async with client_module.AsyncClient(timeout=None, verify=_ssl_context()) as client:
                return await _exchange(client, client.build_request(url=target, **arguments), where)
        except client_module.HTTPError as error:
            _raise_as_step_error(client_module, error, where)
    raise StepError(f"{where}: no answer within {limit:g} s", "http.timeout", retryable=True)


# ---- what the document says ----


def _refusal(message: str) -> StepError:
    return StepError(f"http.request: {message}", "action.parameters", retryable=False)


def _arguments(
    context: ActionContext, method: Any, headers: Any, json: Any, body: Any
) -> dict[str, Any]:
    if not isinstance(method, str) or not _TOKEN.fullmatch(method):
        raise _refusal("method must be a word like GET")
    method = method.upper()
    if json is not None and body is not None:
        raise _refusal("give json or body, not both")
    if not isinstance(body, str | None):
        raise _refusal("body must be a text; for other values there is json")
    sent = {"user-agent": "trioflow", "accept-encoding": "gzip", **_headers(headers)}
    if method in ("POST", "PATCH"):
        sent.setdefault("idempotency-key", context.idempotency_key)
    if body is not None:
        sent.setdefault("content-type", "text/plain; charset=utf-8")
    return {"method": method, "headers": sent, "json": json, "content": body}


def _headers(headers: Any) -> dict[str, str]:
    if headers is None:
        return {}
    if not isinstance(headers, Mapping):
        raise _refusal("headers must be an object")
    checked: dict[str, str] = {}
    for name, value in headers.items():
        if not isinstance(name, str) or not _TOKEN.fullmatch(name):
            raise _refusal(f"{name!r} is no name for a header")
        if not isinstance(value, str) or not _HEADER_VALUE.fullmatch(value):
            raise _refusal(f"the value of header {name!r} must be a text of one line, in ASCII")
        checked[name.lower()] = value
    return checked


def _target(client_module: Any, url: Any, params: Any) -> httpx2.URL:
    if not isinstance(url, str):
        raise _refusal("url must be a text")
    if not isinstance(params, Mapping | None):
        raise _refusal("params must be an object")
    try:
        target: httpx2.URL = client_module.URL(url)
    except client_module.InvalidURL:
        raise _refusal("url cannot be parsed") from None
    if target.scheme not in ("http", "https") or not target.host:
        raise _refusal("url must begin with http:// or https:// and a host")
    return target.copy_merge_params(params) if params else target


def _limit(timeout: Any) -> float:
    if timeout is None:
        return math.inf
    if not isinstance(timeout, (int, float)) or not timeout > 0:
        raise _refusal("timeout must be a number of seconds above 0")
    return timeout


def _import_httpx2() -> Any:
    try:
        import httpx2
    except ImportError:
        raise StepError(
            "http.request needs the package httpx2: pip install httpx2",
            retryable=False,
        ) from None
    return httpx2


@functools.cache
def _ssl_context() -> ssl.SSLContext:
    # Reading all certificates takes some 10 ms, in which nothing else runs: once is enough.
    context: ssl.SSLContext = _import_httpx2().create_ssl_context()
    return context


# ---- request and response ----


async def _exchange(
    client: httpx2.AsyncClient, request: httpx2.Request, where: str
) -> dict[str, Any]:
    for _ in range(1 + _MAX_REDIRECTS):
        response = await client.send(request, stream=True)
        try:
            if response.next_request is None:
                return await _read(response, where)
        finally:
            await response.aclose()
        request = _redirected(request, response.next_request, where)
    raise StepError(
        f"{where}: redirected more than {_MAX_REDIRECTS} times", "http.redirects", retryable=False
    )


def _redirected(previous: httpx2.Request, following: httpx2.Request, where: str) -> httpx2.Request:
    if following.url.scheme not in ("http", "https"):
        raise StepError(
            f"{where}: redirected to something that is not http", "http.redirects", retryable=False
        )
    if _origin(previous.url) != _origin(following.url):
        for name in set(following.headers) - _HARMLESS:
            del following.headers[name]
    return following


async def _read(response: httpx2.Response, where: str) -> dict[str, Any]:
    status = response.status_code
    if status >= 400:
        # Its body might explain it, but would have to be shown somewhere.
        phrase = f" {response.reason_phrase}" if response.reason_phrase else ""
        raise StepError(
            f"{where} was answered with {status}{phrase}",
            f"http.{status}",
            retryable=status >= 500 or status in _RETRYABLE,
        )
    content = _decoded(await _content(response), response, where)
    if len(content) > _MAX_BODY:
        raise StepError(
            f"{where} was answered with more than {_MAX_BODY} bytes",
            "result.too_large",
            retryable=False,
        )
    return {
        "status": status,
        "headers": dict(response.headers),
        "body": _body(content, response),
        "url": str(response.url.copy_with(userinfo=b"", query=None, fragment=None)),
    }


async def _content(response: httpx2.Response) -> bytes:
    """Return what comes over the wire, or a little more than is allowed of it."""
    content = bytearray()
    # What iterates here is an async generator inside of others. Leaving the loop, or an exception
    # in one of the outer ones, would leave the inner ones to the garbage collector. Cancelled
    # comes out of the innermost, and takes all of them down. (That is also why the decoding is
    # done here and not by httpx2, besides that it knows no limit.)
    with trio.CancelScope() as reading:
        async for chunk in response.aiter_raw():
            content += chunk
            if len(content) > _MAX_BODY:
                reading.cancel()
    return bytes(content)


def _decoded(content: bytes, response: httpx2.Response, where: str) -> bytes:
    encoding = response.headers.get("content-encoding", "identity").strip().lower()
    if encoding in ("identity", "") or not content:
        return content
    try:
        if encoding not in ("gzip", "x-gzip"):
            raise ValueError("only gzip was asked for")
        return zlib.decompressobj(wbits=16 + zlib.MAX_WBITS).decompress(content, _MAX_BODY + 1)
    except (ValueError, zlib.error) as error:
        raise StepError(
            f"{where} was answered in the encoding {encoding!r}, which cannot be read: {error}",
            "http.broken",
        ) from None


def _body(content: bytes, response: httpx2.Response) -> Any:
    media_type = response.headers.get("content-type", "").partition(";")[0].strip().lower()
    if media_type == "application/json" or media_type.endswith("+json"):
        try:
            # Python would read NaN, which is no JSON and could not be an output.
            return json_module.loads(content, parse_constant=_no_constant)
        except ValueError:
            pass
    try:
        return content.decode(response.charset_encoding or "utf-8", errors="replace")
    except LookupError:  # a charset that nobody knows
        return content.decode(errors="replace")


def _no_constant(name: str) -> NoReturn:
    raise ValueError(name)


def _origin(url: httpx2.URL) -> str:
    port = "" if url.port is None else f":{url.port}"
    return f"{url.scheme}://{url.host}{port}"


# ---- what goes wrong ----


def _raise_as_step_error(client_module: Any, error: Exception, where: str) -> NoReturn:
    if isinstance(error, client_module.LocalProtocolError):
        # Its message may quote a header.
        raise _refusal("method, headers and body do not make a request together") from None
    if isinstance(error, client_module.TimeoutException):
        code, retryable = "http.timeout", True
    elif isinstance(error, client_module.ConnectError | client_module.ProxyError):
        code, retryable = "http.connect", True
    else:
        # The request may have had its effect, so it is up to the lists of the step.
        code, retryable = "http.broken", None
    raise StepError(f"{where}: {str(error) or type(error).__name__}", code, retryable) from error
