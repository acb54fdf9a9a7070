"""A registry finds actions by name: given ones, built-in ones, those of entry points."""

import importlib
import logging
import sys
import types

import pytest

from trioflow import actions
from trioflow.actions import Registry, action, action_of
from trioflow.errors import InvalidRequest, UnknownAction

BUILT_IN = ("fail", "http.request", "log", "set")


@action("shop.charge")
async def charge(): ...


@action("shop.ship")
async def ship(): ...


def plain(): ...


class Shop:
    """Nobody means that a step makes one of these."""

    def refund(self): ...


def test_built_in_actions_are_always_known():
    assert BUILT_IN == Registry().names


def test_functions_and_nested_lists_of_them():
    registry = Registry([charge, (plain, [ship])])

    assert (
        (
            "fail",
            "http.request",
            "log",
            "plain",
            "set",
            "shop.charge",
            "shop.ship",
        )
    ) == registry.names
    assert charge is registry.get("shop.charge").function


def test_one_function_without_a_list():
    assert "plain" in Registry(plain)


def test_of_a_module_all_that_is_public_and_marked():
    module = types.ModuleType("acme")
    module.charge = charge
    module.again = charge
    module.plain = plain
    module._ship = ship
    module.number = 3

    registry = Registry([module])

    assert (*BUILT_IN, "shop.charge") == registry.names


def test_a_module_without_actions():
    with pytest.raises(InvalidRequest, match="module 'math' has no action"):
        Registry([importlib.import_module("math")])


@pytest.mark.parametrize(
    ("wrong", "message"),
    (
        (["shop.charge"], "'shop.charge' is no action: give a function"),
        ([3], "3 is no action"),
        ([b"x"], "b'x' is no action"),
        ([lambda: None], "has no name of its own"),
        ([divmod], "positional-only"),
        ([Shop], r"^Shop is a class, and a class is no action: give a function"),
        (dict, "dict is a class"),
    ),
    ids=("text", "number", "bytes", "lambda", "positional", "class", "type"),
)
def test_what_is_no_action(wrong, message):
    with pytest.raises(InvalidRequest, match=message):
        Registry(wrong)


def test_a_method_and_a_class_that_is_marked():
    @action("shop.parcel")
    class Parcel(dict): ...

    registry = Registry([Shop().refund, Parcel])

    assert "refund" in registry
    assert Parcel is registry.get("shop.parcel").function


def test_two_functions_with_one_name():
    @action("shop.charge")
    async def other(): ...

    with pytest.raises(InvalidRequest, match=r"there are two actions 'shop\.charge'") as caught:
        Registry([charge, other])

    assert "test_registry.charge and " in str(caught.value)
    assert "<locals>.other" in str(caught.value)


def test_the_same_function_twice_is_one():
    registry = Registry([charge, charge])
    registry.add(charge)

    assert charge is registry.get("shop.charge").function


def test_more_can_be_added():
    registry = Registry()
    assert ("shop.ship", "nothing") == registry.missing(["log", "shop.ship", "nothing"])

    registry.add([ship])

    assert ("nothing",) == registry.missing(["log", "shop.ship", "nothing"])


def test_a_given_action_hides_a_built_in_one():
    @action("log")
    async def other(): ...

    assert other is Registry([other]).get("log").function


def test_unknown_actions_come_with_a_guess():
    registry = Registry([charge])

    with pytest.raises(UnknownAction) as caught:
        registry.get("shop.chrage")
    assert "unknown action 'shop.chrage'; did you mean 'shop.charge'?" == str(caught.value)
    assert ("shop.chrage",) == caught.value.missing

    with pytest.raises(UnknownAction) as caught:
        registry.get("zzzzz")
    assert "unknown action 'zzzzz'" == str(caught.value)


def test_only_texts_are_names():
    assert 3 not in Registry()


# ---- what is only known on request ----


def test_process_run_is_not_known():
    registry = Registry()

    assert "process.run" not in registry
    with pytest.raises(UnknownAction, match="built in, but only known where it is allowed"):
        registry.get("process.run")


def test_process_run_is_known_when_allowed_or_given():
    allowed = Registry(allow=("process.run",))
    alone = Registry(allow="process.run")
    given = Registry([actions.process_run])

    assert actions.process_run is allowed.get("process.run").function
    assert allowed.get("process.run") == given.get("process.run")
    assert allowed.names == alone.names


def test_nothing_else_can_be_allowed():
    with pytest.raises(InvalidRequest, match=r"'log'; what needs it is process\.run"):
        Registry(allow=["log"])


@pytest.mark.parametrize("wrong", (5, [["log"]], [None]), ids=str)
def test_what_is_no_name_cannot_be_allowed(wrong):
    with pytest.raises(InvalidRequest, match="there is nothing to allow about"):
        Registry(allow=wrong)


# ---- entry points ----


@pytest.fixture
def installed(tmp_path, monkeypatch):
    """A distribution with three entry points: a module, a function, and one that is broken."""
    info = tmp_path / "acme_shop-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: acme-shop\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text(
        "[trioflow.actions]\n"
        "all = acme_shop_actions\n"
        "broken = acme_shop_broken\n"
        "one = acme_shop_actions:refund\n"
    )
    (tmp_path / "acme_shop_actions.py").write_text(
        "from trioflow.actions import action\n"
        "@action('acme.refund')\n"
        "async def refund(): ...\n"
        "@action('log')\n"
        "async def log(): ...\n"
    )
    (tmp_path / "acme_shop_broken.py").write_text("raise RuntimeError('no licence')\n")
    monkeypatch.syspath_prepend(tmp_path)
    yield
    sys.modules.pop("acme_shop_actions", None)


def test_entry_points_are_loaded_when_a_name_is_not_found_otherwise(installed):
    registry = Registry([charge])
    assert "log" in registry
    assert "shop.charge" in registry
    assert "acme_shop_actions" not in sys.modules

    found = registry.get("acme.refund")

    assert "acme_shop_actions" == found.function.__module__
    assert "acme.refund" in registry.names


def test_an_entry_point_hides_nothing(installed):
    registry = Registry().with_entry_points()

    assert action_of(actions.log) == registry.get("log")


def test_an_entry_point_that_cannot_be_loaded_is_named(installed, caplog):
    registry = Registry()

    with caplog.at_level(logging.WARNING), pytest.raises(UnknownAction) as caught:
        registry.get("acme.charge")
    registry.with_entry_points()

    problem = (
        "the entry point 'broken' of distribution 'acme-shop' could not be loaded "
        "(RuntimeError: no licence)"
    )
    assert (problem,) == registry.entry_point_problems
    assert [problem] == caplog.messages
    assert problem in str(caught.value)


def test_entry_points_can_be_left_out(installed):
    assert "acme.refund" not in Registry(entry_points=False)
    assert "acme_shop_actions" not in sys.modules
