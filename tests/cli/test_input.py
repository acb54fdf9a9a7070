"""The input of an execution, from files and from ``-i``."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click
import pytest

from trioflow.cli._input import parse_json, read_input


@pytest.mark.parametrize(
    ("values", "expected"),
    (
        (["a=1"], {"a": "1"}),
        (["a:=1"], {"a": 1}),
        (["a="], {"a": ""}),
        (["a=b=c"], {"a": "b=c"}),
        (["a.b=x", "a.c:=[1, null]"], {"a": {"b": "x", "c": [1, None]}}),
        (["a:={}", "b.c.d:=true"], {"a": {}, "b": {"c": {"d": True}}}),
        (["url=http://x:=y"], {"url": "http://x:=y"}),
    ),
    ids=str,
)
def test_values(values: list[str], expected: Any) -> None:
    assert expected == read_input(None, values)


@pytest.mark.parametrize(
    ("values", "message"),
    (
        (["a"], "'a' is neither KEY=TEXT nor KEY:=JSON"),
        (["=1"], "'=1' is neither"),
        (["a..b=1"], "neither"),
        (["a:=x"], "-i a:= is no JSON: line 1, column 1: expecting value in 'x'; text is given"),
        (["a:=[1,\n"], "line 2, column 1"),
        (["a=1", "a=2"], "-i a=1 and -i a=2 both set 'a'; give it once"),
        (["a=1", "a.b=2"], "both set 'a'"),
        (["a.b=1", "a=2"], "both set 'a'"),
        (['a:={"x": 1, "x": 2}'], "has the key 'x' twice"),
        (["a:=NaN"], "JSON has no NaN"),
        (["a:=" + "[" * 100_000], "nested too deeply"),
    ),
    ids=lambda value: str(value)[:40],
)
def test_bad_values(values: list[str], message: str) -> None:
    with pytest.raises(click.UsageError) as caught:
        read_input(None, values)

    assert message in caught.value.format_message()


def test_a_file_is_the_base(here: Path) -> None:
    (here / "input.json").write_text('\ufeff{"card": "4242", "to": {"name": "Ann"}}')

    assert {"card": "1", "to": {"name": "Ann", "at": "x"}} == read_input(
        "input.json", ["card=1", "to.at=x"]
    )


@pytest.mark.parametrize(
    ("content", "message"),
    (
        (b"[]", "must hold an object"),
        (b'{\n "a": }', "line 2, column 7: expecting value"),
        (b"\xff{}", "byte 0 is 0xff"),
        (b'{"a": 1, "a": 2}', "the key 'a' twice"),
        (b'{"a": "text"}', "'a' in the input file is no object"),
        (b" " * (16 * 1024 * 1024 + 1), "larger than 16 MiB"),
        (None, "cannot be read: No such file"),
    ),
    ids=lambda value: str(value)[:30],
)
def test_bad_files(here: Path, content: bytes | None, message: str) -> None:
    if content is not None:
        (here / "input.json").write_bytes(content)
    with pytest.raises(click.UsageError) as caught:
        read_input("input.json", ["a.b=1"])

    assert message in caught.value.format_message()


def test_the_input_may_come_from_stdin(do: Any, kitchen: str) -> None:
    arguments = ("run", "tea.json", "--actions", kitchen, "--input", "-")

    assert "Ann" in do(*arguments, input='{"guest": "Ann"}').stdout
    assert "the input on stdin" in do(*arguments, input="nothing", exits=2).stderr


def test_a_payload() -> None:
    with pytest.raises(click.UsageError, match="the payload is no JSON: line 1, column 1"):
        parse_json("x", "the payload")
