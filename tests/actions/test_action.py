"""`@action` marks functions; what it notes about them decides how they are called."""

from __future__ import annotations

import functools
import inspect
import math
from typing import Optional

import attrs
import pytest

from trioflow.actions import Action, ActionContext, Parameter, action, action_of
from trioflow.errors import StepError

CONTEXT = ActionContext(execution_id="x1", step="pay", idempotency_key="x1:pay")


def charge(card, amount=1, *, currency="EUR", context):
    """Charge a card.

    And more about it.
    """


def anything(**parameters): ...


def without_address(value):
    """For ids that are the same in every process."""
    return str(value).partition(" at 0x")[0]


def test_the_function_itself_is_returned():
    def plain(x):
        return x

    marked = action("p.plain")(plain)

    assert plain is marked
    assert "p.plain" == action_of(plain).name


def test_bare_decorator_takes_the_name_of_the_function():
    @action
    async def reserve(): ...

    @action()
    async def release(): ...

    assert ("reserve", "async") == (action_of(reserve).name, action_of(reserve).kind)
    assert "release" == action_of(release).name


def test_parameters_without_the_context():
    found = action_of(charge)

    assert (
        Parameter("card", True),
        Parameter("amount", False),
        Parameter("currency", False),
    ) == found.parameters
    assert "context" == found.context_parameter
    assert found.takes_context
    assert not found.takes_any
    assert "Charge a card." == found.description


def test_description_may_be_empty():
    assert "" == action_of(anything).description


def by_class(c: ActionContext): ...


def by_option(c: ActionContext | None = None): ...


def by_text(c): ...


def by_typing(c): ...


def by_dotted_text(c): ...


by_class.__annotations__["c"] = ActionContext
by_option.__annotations__["c"] = ActionContext | None
by_text.__annotations__["c"] = "ActionContext | None"
by_typing.__annotations__["c"] = Optional[ActionContext]  # noqa: UP045
by_dotted_text.__annotations__["c"] = "trioflow.ActionContext"


@pytest.mark.parametrize("function", (by_class, by_option, by_text, by_typing, by_dotted_text))
def test_context_by_annotation(function):
    assert "c" == action_of(function).context_parameter
    assert () == action_of(function).parameters


def test_other_annotations_are_no_context():
    def first(x: int, y: int | str, z: "MyActionContext"): ...  # noqa: F821, UP037

    def second(x, y): ...

    second.__annotations__.update(x=int, y=int | str)

    assert not action_of(first).takes_context
    assert not action_of(second).takes_context


def test_there_is_one_context():
    def two(context, other: ActionContext = CONTEXT): ...

    assert "context" == action_of(two).context_parameter
    assert (Parameter("other", False),) == action_of(two).parameters


@pytest.mark.parametrize(
    ("names", "expected"),
    (
        (["card"], []),
        (["card", "amount", "currency"], []),
        ([], ["action 'charge' lacks its parameter 'card'"]),
        (
            ["crad", "card"],
            ["action 'charge' takes no parameter 'crad'; did you mean 'card'?"],
        ),
        (
            ["zzz", "card"],
            ["action 'charge' takes no parameter 'zzz'; it takes card, amount, currency"],
        ),
        (
            ["card", "context"],
            ["the parameter 'context' of action 'charge' is given by the engine"],
        ),
    ),
    ids=str,
)
def test_check_parameters(names, expected):
    assert expected == action_of(charge).check_parameters(names)


def test_names_that_are_not_all_say_nothing_about_what_lacks():
    found = action_of(charge)

    assert [] == found.check_parameters([], certain=False)
    assert 1 == len(found.check_parameters(["zzz"], certain=False))


def test_double_star_takes_all():
    assert [] == action_of(anything).check_parameters(["a", "context", "not-a-name"])


def test_an_action_may_take_nothing():
    def nothing(): ...

    assert ["action 'nothing' takes no parameter 'x'; it takes none"] == action_of(
        nothing
    ).check_parameters(["x"])


def test_what_is_written_in_c_says_itself_what_it_dislikes():
    def without_signature(): ...

    without_signature.__signature__ = "none"
    with pytest.raises((TypeError, ValueError)):  # the latter since Python 3.12
        inspect.signature(without_signature)

    assert action_of(min).takes_any
    assert [] == action_of(min).check_parameters(["whatever"])


def test_parameters_that_only_positions_reach():
    def with_default(a=1, /, *rest, b): ...

    assert (Parameter("b", True),) == action_of(with_default).parameters
    with pytest.raises(TypeError, match="its parameter 'x' is positional-only"):
        action_of(math.sqrt)


def test_bind():
    found = action_of(charge)

    assert {"card": "4242", "context": CONTEXT} == found.bind({"card": "4242"}, CONTEXT)
    assert {"x": 1} == action_of(anything).bind({"x": 1}, CONTEXT)


def test_bind_refuses_what_does_not_fit():
    with pytest.raises(StepError) as caught:
        action_of(charge).bind({"amuont": 1}, CONTEXT)

    assert "action.parameters" == caught.value.code
    assert caught.value.retryable is False
    assert "did you mean 'amount'?; action 'charge' lacks" in str(caught.value)


# ---- kinds ----


async def asynchronous(): ...


class AsyncCallable:
    async def __call__(self): ...


@pytest.mark.parametrize(
    ("function", "options", "kind"),
    (
        (asynchronous, {}, "async"),
        (functools.partial(asynchronous), {}, "async"),
        (AsyncCallable(), {}, "async"),
        (charge, {}, "sync"),
        (functools.partial(charge, card=1), {}, "sync"),
        (charge, {"isolation": "process"}, "process"),
        (asynchronous, {"loop": "asyncio"}, "asyncio"),
    ),
    ids=without_address,
)
def test_kinds(function, options, kind):
    wrapped = functools.wraps(function, assigned=(), updated=())(function)
    try:
        assert kind == action_of(action("it", **options)(wrapped)).kind
    finally:
        del wrapped.__trioflow_action__


async def agenerator():
    yield


def generator():
    yield


def _closure():
    def inner(): ...

    return inner


@pytest.mark.parametrize(
    ("function", "options", "message"),
    (
        (lambda: None, {}, "has no name of its own"),
        (functools.partial(charge), {}, r'write action\("name"\)'),
        (charge, {"name": " "}, "a text that is not empty"),
        (charge, {"name": 3}, "a text that is not empty, not 3"),
        (charge, {"isolation": "thread"}, "\"process\" or None, not 'thread'"),
        (charge, {"loop": "curio"}, "\"asyncio\" or None, not 'curio'"),
        (generator, {}, "is a generator; return a list"),
        (agenerator, {}, "is a generator; return a list"),
        (charge, {"loop": "asyncio"}, "is for an `async def` without isolation"),
        (asynchronous, {"loop": "asyncio", "isolation": "process"}, "without isolation"),
        (asynchronous, {"isolation": "process"}, "for a plain `def`, not an `async def`"),
        (lambda: None, {"isolation": "process", "name": "x"}, "lambda.* is not a `def` at the top"),
        (
            _closure(),
            {"isolation": "process"},
            r"_closure\.<locals>\.inner.* is not a `def` at",
        ),
        (
            functools.partial(charge),
            {"isolation": "process", "name": "x"},
            "partial.* is not a `def` at the top",
        ),
    ),
    ids=without_address,
)
def test_what_cannot_be_called_is_refused_when_it_is_marked(function, options, message):
    with pytest.raises(TypeError, match=message):
        action(**options)(function)


# ---- marks that somebody else has inherited ----


def test_a_wrapper_keeps_the_name_and_is_what_gets_called():
    def doubled(function):
        @functools.wraps(function)
        def wrapper(*args, **kwargs):
            return 2 * function(*args, **kwargs)

        return wrapper

    @doubled
    @action("shop.price")
    def price(sku):
        return 21

    found = action_of(price)

    assert "shop.price" == found.name
    assert 42 == found.function(sku="tea")
    assert (Parameter("sku", True),) == found.parameters


def test_a_bound_method_is_called_with_its_object():
    @attrs.frozen
    class Shop:
        name: str

        @action("shop.name")
        def say(self, greeting):
            return f"{greeting} {self.name}"

    found = action_of(Shop("tea").say)

    assert "shop.name" == found.name
    assert "hello tea" == found.function(greeting="hello")
    assert (Parameter("greeting", True),) == found.parameters


def test_an_attribute_that_only_looks_like_a_mark_is_none():
    def marked_by_others(): ...

    marked_by_others.__trioflow_action__ = "others"

    assert "marked_by_others" == action_of(marked_by_others).name


def test_actions_compare_by_what_they_are():
    assert action_of(charge) == action_of(charge)
    assert "function" not in repr(action_of(charge))
    assert isinstance(action_of(charge), Action)
