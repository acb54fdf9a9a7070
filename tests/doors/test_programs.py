"""Whole programs that are not on trio take the order example through the doors."""

from __future__ import annotations

import importlib.util
import json
import sqlite3
import subprocess
import sys
import threading
import urllib.request
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, closing, contextmanager
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

import trioflow
import trioflow.aio
import trioflow.blocking

ORDER = Path(__file__).resolve().parents[2] / "examples" / "order"


@pytest.fixture
def actions(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> ModuleType:
    monkeypatch.setenv("SHOP_DB", str(tmp_path / "shop.db"))
    specification = importlib.util.spec_from_file_location("order_actions", ORDER / "actions.py")
    assert specification is not None
    assert specification.loader is not None
    module = importlib.util.module_from_spec(specification)
    specification.loader.exec_module(module)
    return module


@pytest.fixture
def order() -> dict[str, Any]:
    document: dict[str, Any] = json.loads((ORDER / "order.workflow.json").read_text())
    for node in document["nodes"]:
        if "retry" in node["config"]:
            # The delays of the example are real, and nothing here is about them.
            node["config"]["retry"]["initial_delay"] = "1ms"
    return document


INPUT = json.loads((ORDER / "input.json").read_text())


def post(port: int, execution_id: str) -> dict[str, Any]:
    request = urllib.request.Request(
        f"http://127.0.0.1:{port}/orders/{execution_id}",
        data=json.dumps(INPUT).encode(),
        headers={"Content-Type": "application/json"},
    )
    with urllib.request.urlopen(request, timeout=20) as response:
        found: dict[str, Any] = json.load(response)
    return found


def parcels(folder: Path) -> int:
    with closing(sqlite3.connect(folder / "shop.db")) as shop:
        count: int = shop.execute("SELECT count(*) FROM parcels").fetchone()[0]
    return count


def test_an_asgi_program(actions: ModuleType, order: dict[str, Any], tmp_path: Path) -> None:
    import uvicorn
    from starlette.applications import Starlette
    from starlette.requests import Request
    from starlette.responses import JSONResponse
    from starlette.routing import Route

    @asynccontextmanager
    async def lifespan(app: Starlette) -> AsyncIterator[dict[str, Any]]:
        store = f"sqlite:{tmp_path}/orders.db"
        async with trioflow.aio.open_engine(store, actions=actions) as engine:
            yield {"engine": engine}

    async def place_order(request: Request) -> JSONResponse:
        output = await request.state.engine.run(
            order, await request.json(), execution_id=request.path_params["id"]
        )
        return JSONResponse(output)

    app = Starlette(
        lifespan=lifespan, routes=[Route("/orders/{id}", place_order, methods=["POST"])]
    )
    server = uvicorn.Server(
        uvicorn.Config(app, port=0, log_level="error", lifespan="on", ws="none")
    )
    ready = threading.Event()
    startup = server.startup

    async def announced(*args: Any, **kwargs: Any) -> None:
        await startup(*args, **kwargs)
        ready.set()

    server.startup = announced  # type: ignore[method-assign]
    thread = threading.Thread(target=server.run)
    thread.start()
    try:
        assert ready.wait(20)
        port = server.servers[0].sockets[0].getsockname()[1]
        outputs = [post(port, "a"), post(port, "a"), post(port, "b")]
    finally:
        server.should_exit = True
        thread.join(20)

    assert [90, 90, 90] == [output["total"] for output in outputs]
    assert outputs[0] == outputs[1]
    assert 2 == parcels(tmp_path)


@contextmanager
def serving(app: Any) -> Iterator[int]:
    from werkzeug.serving import make_server

    server = make_server("127.0.0.1", 0, app, threaded=True)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        yield server.server_port
    finally:
        server.shutdown()
        thread.join(20)
        server.server_close()


def test_a_threaded_program(actions: ModuleType, order: dict[str, Any], tmp_path: Path) -> None:
    from flask import Flask, jsonify, request

    app = Flask("orders")
    with trioflow.blocking.open_engine(f"sqlite:{tmp_path}/orders.db", actions=actions) as engine:

        @app.post("/orders/<execution_id>")
        def place_order(execution_id: str) -> Any:
            return jsonify(engine.run(order, request.get_json(), execution_id=execution_id))

        with serving(app) as port:
            outputs: list[dict[str, Any]] = []
            threads = [
                threading.Thread(target=lambda n=n: outputs.append(post(port, f"x{n % 3}")))
                for n in range(6)
            ]
            for thread in threads:
                thread.start()
            for thread in threads:
                thread.join(20)

    assert [90] * 6 == [output["total"] for output in outputs]
    assert 3 == parcels(tmp_path)


def test_a_plain_script(tmp_path: Path) -> None:
    script = tmp_path / "script.py"
    script.write_text(
        "import importlib.util, json, pathlib, sys, trioflow\n"
        f"folder = pathlib.Path({str(ORDER)!r})\n"
        "sys.path.insert(0, str(folder))\n"
        "import actions\n"
        "given = json.loads((folder / 'input.json').read_text())\n"
        "print(trioflow.run(folder / 'order.workflow.json', given, actions=actions)['total'])\n"
    )
    done = subprocess.run(
        [sys.executable, script],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=30,
        check=False,
    )

    assert ("90\n", 0) == (done.stdout, done.returncode), done.stderr
    assert 1 == parcels(tmp_path)
