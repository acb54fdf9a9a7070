"""What every store does, and every store exactly alike."""

import math

import attrs
import pytest
import trio
import trio.testing

from trioflow.errors import Conflict, ExecutionNotFound, InvalidRequest, StoreUnusable, TooLarge
from trioflow.kernel._events import CancelRequested, ExecutionFailed, Failure, InputReceived
from trioflow.stores import MAX_EVENT_BYTES, Head, MemoryStore, SqliteStore


@pytest.fixture(params=("memory", "file", "inline"), ids=str)
async def store(request, tmp_path, clock):
    made = {
        "memory": lambda: MemoryStore(clock=clock),
        "file": lambda: SqliteStore(tmp_path / "store.db", clock=clock),
        "inline": lambda: SqliteStore(":memory:", clock=clock),
    }[request.param]()
    async with made:
        yield made


@pytest.fixture
def writing(store, writing_to):
    return writing_to(store)


async def _ids(store, **conditions):
    return [head.id for head in await store.heads(**conditions)]


# ---- commit and read ----


async def test_what_was_committed_is_read(store, writing):
    head = Head(
        id="x",
        workflow="order",
        status="PAUSED",
        seq=2,
        labels={"team": "ä", "tier": "1"},
        due=17.5,
        parent="p",
        owner="me",
        fence=3,
        created=1000.25,
    )
    events = [
        writing.first("x", document={"name": "order", "steps": [{"id": "ship"}]}),
        InputReceived(2, 1001.5, {"card": ["4242", None, 1.5, {"a": True}]}),
    ]

    await store.commit(head, events)

    assert events == await store.read("x")
    assert head == await store.head("x")


async def test_read_after(store, writing):
    head = await writing.start()
    head = await writing.grow(head)
    await writing.grow(head)

    assert [2, 3] == [event.seq for event in await store.read("x", after=1)]
    assert [3] == [event.seq for event in await store.read("x", after=2)]
    assert [] == await store.read("x", after=3)
    assert 3 == len(await store.read("x", after=-1))


async def test_what_is_not_there(store):
    assert [] == await store.read("x")
    assert None is await store.head("x")
    assert [] == await store.heads()


async def test_the_head_is_replaced(store, writing):
    """Of what can change; the rest was said when the execution was created."""
    head = await writing.start(labels={"a": "1"}, due=5.0)
    changed = await writing.grow(head, due=None, labels={"b": "2"}, workflow="other", created=1.0)

    assert attrs.evolve(head, seq=2, due=None) == await store.head("x")

    changed = attrs.evolve(head, seq=3, status="FAILED", ended=1002.0)
    await store.commit(changed, [ExecutionFailed(3, 1.0, (Failure("a", "b"),))])

    assert changed == await store.head("x")


async def test_a_head_without_events(store, writing):
    head = await writing.start(due=5.0)

    await store.commit(attrs.evolve(head, due=7.0), [])

    assert 7.0 == (await store.head("x")).due
    assert 1 == len(await store.read("x"))


async def test_several_events_at_once(store, writing):
    head = await writing.start()
    events = [writing.next(2), writing.next(3), writing.next(4)]

    await store.commit(attrs.evolve(head, seq=4), events)

    assert events == await store.read("x", after=1)


@pytest.mark.parametrize(("seq", "found"), ((1, 2), (2, 2), (4, 2)), ids=str)
async def test_conflict_over_the_seq(store, writing, seq, found):
    head = await writing.grow(await writing.start())

    with pytest.raises(Conflict, match="2 events, not") as caught:
        await store.commit(
            attrs.evolve(head, seq=seq, status="PAUSED"),
            [writing.first("x")] if seq == 1 else [writing.next(seq)],
        )

    assert (seq - 1, found) == (caught.value.expected, caught.value.found)
    assert head == await store.head("x")
    assert 2 == len(await store.read("x"))


async def test_conflict_over_an_unknown_execution(store, writing):
    with pytest.raises(Conflict, match="has 0 events, not 1"):
        await writing.grow(Head("x", "order", "RUNNING", 1))

    assert [] == await store.heads()


@pytest.mark.parametrize(
    "held", ({"owner": "you"}, {"owner": None}, {"fence": 2}, {"fence": 0}), ids=str
)
@pytest.mark.parametrize("status", ("RUNNING", "COMPLETED"))
async def test_conflict_over_the_lease(store, writing, held, status):
    head = await writing.start()

    with pytest.raises(Conflict, match="belongs to another engine"):
        await writing.grow(attrs.evolve(head, **held), status=status)

    assert head == await store.head("x")
    assert 1 == len(await store.read("x"))


@pytest.mark.parametrize(
    ("stored", "wanted", "expected"),
    ((None, None, None), (5.0, None, 5.0), (None, 7.0, 7.0), (5.0, 7.0, 5.0), (7.0, 5.0, 5.0)),
    ids=str,
)
async def test_a_request_keeps_owner_and_fence(store, writing, stored, wanted, expected):
    head = await writing.start(due=stored)
    request = attrs.evolve(head, seq=2, due=wanted, owner=None, fence=0)

    await store.commit(request, [CancelRequested(2, 1.0, "enough")], owned=False)

    assert attrs.evolve(head, seq=2, due=expected) == await store.head("x")
    assert CancelRequested(2, 1.0, "enough") == (await store.read("x"))[1]


async def test_a_request_needs_the_seq(store, writing):
    head = await writing.start()
    await writing.grow(head)

    with pytest.raises(Conflict, match="2 events, not 1"):
        await writing.grow(head, owned=False)


async def test_requests_are_told_of_until_they_are_seen(store, writing):
    """Not those of executions that have ended, and not what the owner writes."""
    first, second = await writing.start("x"), await writing.start("y")
    first = await writing.grow(first, owned=False)
    await writing.grow(second)

    assert {"x": 2} == await store.requested({})

    first = await writing.grow(first, owned=False)

    assert {"x": 3} == await store.requested({"x": 2})

    third = await writing.grow(await writing.start("z"), owned=False)
    await writing.grow(first, status="COMPLETED", ended=1.0)

    assert {"z": 2} == await store.requested({})

    with trio.move_on_after(0.01) as scope:
        await store.requested({"z": 2})

    assert scope.cancelled_caught

    await writing.grow(third, status="COMPLETED", ended=1.0)
    await store.delete("z")
    with trio.move_on_after(0.01) as scope:
        await store.requested({})

    assert scope.cancelled_caught


async def test_a_request_wakes_who_waits_for_one(store, writing, nursery):
    head = await writing.start("x")
    told, is_told = [], trio.Event()

    async def wait():
        told.append(await store.requested({}))
        is_told.set()

    nursery.start_soon(wait)
    await trio.testing.wait_all_tasks_blocked(0.01)
    await writing.grow(head, owned=False)
    with trio.fail_after(5):
        await is_told.wait()

    assert [{"x": 2}] == told


async def test_a_request_can_create_what_nobody_owns(store, writing):
    head = Head("x", "order", "PENDING", 1, due=1.0, owner="me", fence=4)

    await store.commit(head, [writing.first("x")], owned=False)

    assert attrs.evolve(head, owner=None, fence=0) == await store.head("x")


@pytest.mark.parametrize("character", ("x", "ä", "\ud800"), ids=ascii)
async def test_too_large(store, writing, character):
    """The limit is for one event, in bytes; a commit may be larger."""
    head = await writing.start()
    size = len(character.encode("utf-8", "surrogatepass"))
    size = 6 if character == "\ud800" else size
    output = character * (MAX_EVENT_BYTES // size)

    with pytest.raises(TooLarge) as caught:
        await store.commit(attrs.evolve(head, seq=2), [writing.next(2, output)])

    assert MAX_EVENT_BYTES == caught.value.limit < caught.value.size
    assert head == await store.head("x")

    fits = output[: -200 // size]
    await store.commit(attrs.evolve(head, seq=3), [writing.next(2, fits), writing.next(3, fits)])

    assert [fits, fits] == [event.output for event in await store.read("x", after=1)]


async def test_a_large_document_is_fine(store, writing):
    document = {"name": "x" * 2 * MAX_EVENT_BYTES}

    await writing.start(document=document)

    assert document == (await store.read("x"))[0].document


@pytest.mark.parametrize("value", (math.nan, math.inf, object()), ids=("nan", "inf", "object"))
async def test_what_is_no_json(store, writing, value):
    head = await writing.start()

    with pytest.raises((ValueError, TypeError)):
        await store.commit(attrs.evolve(head, seq=2), [writing.next(2, [value])])
    with pytest.raises((ValueError, TypeError)):
        await writing.start("y", digest="d2", document={"a": value})

    assert head == await store.head("x")
    assert ["x"] == await _ids(store)


async def test_json_is_all_that_survives(store, writing):
    output = {"list": [1]}
    head = await writing.start()
    await store.commit(attrs.evolve(head, seq=2), [writing.next(2, output)])
    output["list"].append(2)
    (read,) = await store.read("x", after=1)
    read.output["list"].append(3)

    assert {"list": [1]} == (await store.read("x", after=1))[0].output


async def test_lone_surrogates_survive(store, writing):
    """They are legal JSON, and no legal UTF-8."""
    odd = "ä \ud800 \x00 \\ \U0001f375"

    await writing.start(document={"name": odd}, labels={odd: odd})
    await store.commit(
        Head("x", "order", "RUNNING", 2, owner="me", fence=1), [writing.next(2, odd)]
    )

    first, second = await store.read("x")
    assert ({"name": odd}, odd) == (first.document, second.output)
    assert {odd: odd} == (await store.head("x")).labels


@pytest.mark.parametrize(
    ("seq", "seqs"), ((3, (2,)), (3, (2, 4)), (3, (3, 2)), (0, ()), (1, (1, 2))), ids=str
)
async def test_events_continue_the_history(store, writing, seq, seqs):
    head = await writing.start()

    with pytest.raises(ValueError, match="can't"):
        await store.commit(attrs.evolve(head, seq=seq), [writing.next(seq) for seq in seqs])

    assert head == await store.head("x")


async def test_an_execution_starts_once(store, writing):
    head = await writing.start()

    with pytest.raises(ValueError, match="ExecutionStarted with seq 2"):
        await store.commit(attrs.evolve(head, seq=2), [attrs.evolve(writing.first("x"), seq=2)])


async def test_a_history_may_begin_otherwise(store, writing):
    """A store does not judge histories."""
    await store.commit(Head("x", "order", "RUNNING", 1), [writing.next(1)])

    assert [writing.next(1)] == await store.read("x")


async def test_equal_documents_are_kept_once(store, writing):
    """They are told by their digest, so the second text is not even looked at."""
    await writing.start("x", document={"name": "first"})
    await writing.start("y", document={"name": "not looked at"})

    assert {"name": "first"} == (await store.read("y"))[0].document


async def test_many_at_once(store, writing):
    async def live(execution_id):
        head = await writing.start(execution_id)
        for _ in range(5):
            head = await writing.grow(head)
        await writing.end(head)

    async with trio.open_nursery() as nursery:
        for number in range(20):
            nursery.start_soon(live, f"x{number}")

    for number in range(20):
        assert [1, 2, 3, 4, 5, 6, 7] == [event.seq for event in await store.read(f"x{number}")]
    assert 20 == len(await store.heads(status="COMPLETED"))


async def test_of_many_for_one_place_one_gets_it(store, writing):
    head = await writing.start()
    outcomes = []

    async def compete():
        try:
            await writing.grow(head)
            outcomes.append("written")
        except Conflict:
            outcomes.append("conflict")

    async with trio.open_nursery() as nursery:
        for _ in range(10):
            nursery.start_soon(compete)

    assert 1 == outcomes.count("written")
    assert 2 == len(await store.read("x"))


async def test_a_bad_neighbour_hurts_nobody(store, writing):
    """Neither what is refused nor what the database itself cannot take."""
    outcomes = {}

    async def run(name, coroutine):
        try:
            await coroutine
            outcomes[name] = None
        except Exception as error:  # noqa: BLE001 - it is looked at below
            outcomes[name] = type(error)

    head = await writing.start("old")
    async with trio.open_nursery() as nursery:
        for number in range(5):
            start = writing.start(f"x{number}", digest=f"x{number}")
            nursery.start_soon(run, number, start)
        nursery.start_soon(run, "conflict", writing.grow(attrs.evolve(head, fence=7)))
        nursery.start_soon(run, "nan", writing.start("nan", digest="nan", document={"a": math.nan}))
        for number in range(5, 10):
            nursery.start_soon(run, number, writing.start(f"x{number}"))

    assert {
        **dict.fromkeys(range(10)),
        "conflict": Conflict,
        "nan": ValueError,
    } == outcomes
    assert 11 == len(await store.heads())
    for number in range(10):
        assert {"name": "order"} == (await store.read(f"x{number}"))[0].document


# ---- cancelling ----


async def test_cancelled_before_is_not_written(store, writing):
    head = await writing.start()

    with trio.CancelScope() as scope:
        scope.cancel()
        await writing.grow(head)

    assert scope.cancelled_caught
    assert head == await store.head("x")


async def test_cancelled_is_either_written_or_cancelled(store, writing):
    """Whatever the instant: a commit that raises Cancelled has not happened."""
    heads = [await writing.start(f"x{number}") for number in range(20)]
    written = set()

    async def commit(head, scope):
        with scope:
            await writing.grow(head)
            written.add(head.id)

    async with trio.open_nursery() as nursery:
        scopes = [trio.CancelScope() for _ in heads]
        for head, scope in zip(heads, scopes, strict=True):
            nursery.start_soon(commit, head, scope)
        for rounds in range(4):
            await trio.lowlevel.checkpoint()
            for scope in scopes[rounds::4]:
                scope.cancel()

    for head in heads:
        seq = (await store.head(head.id)).seq
        assert (2 if head.id in written else 1) == seq
        assert seq == len(await store.read(head.id))


@pytest.mark.parametrize(
    "name", ("commit", "read", "head", "heads", "claim", "renew", "changed", "delete")
)
async def test_every_method_is_a_checkpoint(store, writing, name):
    head = await writing.start()
    call = {
        "commit": lambda: store.commit(attrs.evolve(head, seq=2), [writing.next(2)]),
        "read": lambda: store.read("x"),
        "head": lambda: store.head("x"),
        "heads": store.heads,
        "claim": lambda: store.claim("me", ttl=1),
        "renew": lambda: store.renew("me", ttl=1),
        "changed": lambda: store.changed("x", 0),
        "delete": lambda: store.delete("y"),
    }[name]

    with trio.testing.assert_checkpoints():
        await call()


# ---- listing ----


async def test_heads_come_newest_first_in_pages(store, writing):
    for name in "abcde":
        await writing.start(name)

    assert ["e", "d"] == await _ids(store, limit=2)
    assert ["c", "b"] == await _ids(store, limit=2, before="d")
    assert ["a"] == await _ids(store, limit=2, before="b")
    assert [] == await _ids(store, before="a")
    assert [] == await _ids(store, limit=0)


async def test_heads_by_status_and_workflow(store, writing):
    await writing.start("a", workflow="order")
    await writing.start("b", workflow="report")
    await writing.start("c", status="PAUSED", workflow="order")
    await writing.start("d", workflow="order")
    await writing.end(await writing.start("e", workflow="order"))

    assert ["d", "b", "a"] == await _ids(store, status="RUNNING")
    assert ["d", "c", "b", "a"] == await _ids(store, status=["PAUSED", "RUNNING"])
    assert ["d", "c"] == await _ids(store, status={"PAUSED", "RUNNING"}, limit=2)
    assert ["b", "a"] == await _ids(store, status={"PAUSED", "RUNNING"}, before="c")
    assert ["d", "a"] == await _ids(store, status="RUNNING", workflow="order")
    assert ["e", "d", "c", "a"] == await _ids(store, workflow="order")
    assert ["a"] == await _ids(store, workflow="order", before="c")
    assert [] == await _ids(store, status=())
    assert [] == await _ids(store, status="FAILED")
    assert [] == await _ids(store, workflow="nothing")


async def test_a_page_after_one_that_has_gone(store, writing):
    await writing.start("a")

    with pytest.raises(ExecutionNotFound, match="'b'"):
        await store.heads(before="b")
    with pytest.raises(ExecutionNotFound, match="'b'"):
        await store.heads(before="b", status="RUNNING")


async def test_what_ended_first(store, writing):
    """In the order of their ends, without the children."""
    for number, execution_id in enumerate("abcdef"):
        parent = "a" if execution_id == "b" else None
        head = await writing.start(execution_id, parent=parent)
        status = "FAILED" if execution_id == "c" else "COMPLETED"
        if execution_id != "d":
            await writing.grow(head, status=status, due=None, ended=2000.0 - number)

    assert ["f", "e", "a"] == [head.id for head in await store.ended("COMPLETED")]
    assert ["f", "e"] == [head.id for head in await store.ended("COMPLETED", limit=2)]
    assert [await store.head("c")] == await store.ended("FAILED")
    assert [] == await store.ended("CANCELLED")

    await store.delete("f")

    assert ["e", "a"] == [head.id for head in await store.ended("COMPLETED")]


# ---- claiming ----


async def test_claim_takes_what_is_due_and_unowned(store, writing, clock):
    unowned = {"owner": None, "fence": 0}
    due = await writing.start("due", due=clock.now, **unowned)
    await writing.start("later", due=clock.now + 1, **unowned)
    await writing.start("waits", due=None, **unowned)
    await writing.end(await writing.start("ended", due=1.0, **unowned))
    overdue = await writing.start("overdue", due=1.0, status="PAUSED", **unowned)

    claimed = await store.claim("me", ttl=10)

    assert [attrs.evolve(head, owner="me", fence=1) for head in (due, overdue)] == claimed
    assert claimed == [await store.head("due"), await store.head("overdue")]
    assert [] == await store.claim("me", ttl=10)
    assert [] == await store.claim("you", ttl=10)


async def test_the_fence_shuts_out_who_was_there_before(store, writing, clock):
    await store.renew("old", ttl=10)
    head = await writing.start(owner="old", due=1.0)
    clock.now += 10
    (claimed,) = await store.claim("new", ttl=10)

    with pytest.raises(Conflict, match="another engine"):
        await writing.grow(head)
    await writing.grow(claimed)

    assert ("new", 2) == (claimed.owner, claimed.fence)


async def test_a_lease_holds_as_long_as_it_was_said(store, writing, clock):
    await store.renew("old", ttl=10)
    await writing.start(owner="old", due=1.0)
    clock.now += 9.5

    assert [] == await store.claim("new", ttl=10)

    await store.renew("old", ttl=10)
    clock.now += 9.5

    assert [] == await store.claim("new", ttl=10)

    clock.now += 0.5

    assert ["x"] == [head.id for head in await store.claim("new", ttl=10)]


async def test_claiming_is_a_sign_of_life(store, writing, clock):
    await writing.start("a", owner=None, due=1.0)
    await store.claim("me", ttl=10)
    clock.now += 9.5

    assert [] == await store.claim("you", ttl=10)


async def test_who_has_never_been_heard_of_holds_nothing(store, writing):
    await writing.start(owner="somebody", due=1.0)

    assert ["x"] == [head.id for head in await store.claim("me", ttl=10)]


async def test_renewing_for_no_time_lets_go(store, writing):
    await store.renew("old", ttl=10)
    await writing.start(owner="old", due=1.0)

    await store.renew("old", ttl=0)

    assert ["x"] == [head.id for head in await store.claim("new", ttl=10)]


async def test_an_owner_that_lapsed_can_claim_its_own_again(store, writing, clock):
    await store.renew("me", ttl=10)
    await writing.start(due=1.0)
    clock.now += 10

    (head,) = await store.claim("me", ttl=10)

    assert ("me", 2) == (head.owner, head.fence)


async def test_claim_by_ids(store, writing, clock):
    """Due or not, but open, and held by nobody."""
    for name in "abc":
        await writing.start(name, owner=None, due=1.0)
    await writing.start("waits", owner=None, due=None)
    await writing.end(await writing.start("ended", owner=None))
    await store.renew("alive", ttl=10)
    await writing.start("held", owner="alive")

    claimed = await store.claim("me", ttl=10, ids={"waits", "b", "ended", "held", "unknown"})

    assert ["b", "waits"] == [head.id for head in claimed]
    assert [] == await store.claim("me", ttl=10, ids=())


async def test_claim_has_a_limit(store, writing):
    for name in "abcd":
        await writing.start(name, owner=None, due=1.0)

    assert ["a", "b"] == [head.id for head in await store.claim("me", ttl=10, limit=2)]
    assert ["c", "d"] == [head.id for head in await store.claim("me", ttl=10, limit=3)]


async def _family(writing, **fields):
    """A root with a child and a grandchild, an ended child, and a stranger."""
    await writing.start("root", **fields)
    await writing.start("child", parent="root", **fields)
    await writing.start("grandchild", parent="child", **fields)
    await writing.end(await writing.start("ended", parent="root", **fields))
    await writing.start("stranger", parent="gone", **fields)


@pytest.mark.parametrize("wanted", ("root", "child", "grandchild"))
async def test_a_family_is_claimed_together(store, writing, wanted):
    await _family(writing, owner=None, due=None)

    claimed = await store.claim("me", ttl=10, ids=[wanted])

    assert ["root", "child", "grandchild"] == [head.id for head in claimed]
    assert {"me"} == {head.owner for head in claimed}


async def test_a_child_that_is_due_brings_its_family(store, writing):
    await writing.start("root", owner=None)
    await writing.start("child", parent="root", owner=None, due=1.0)
    await writing.start("sibling", parent="root", owner=None, due=1.0)
    await writing.start("other", owner=None, due=1.0)

    claimed = await store.claim("me", ttl=10, limit=1)

    assert ["root", "child", "sibling"] == [head.id for head in claimed]


async def test_a_child_without_its_parent_is_a_root(store, writing):
    await _family(writing, owner=None, due=1.0)

    claimed = await store.claim("me", ttl=10, ids=["stranger"])

    assert ["stranger"] == [head.id for head in claimed]


# ---- waiting for changes ----


async def test_changed_returns_at_once_if_there_is_more(store, writing):
    await writing.grow(await writing.start())

    await store.changed("x", 0)
    await store.changed("x", 1)


async def test_changed_waits_for_a_commit(store, writing):
    head = await writing.start()
    seen = []

    async def wait(seq):
        await store.changed("x", seq)
        seen.append(seq)

    async with trio.open_nursery() as nursery:
        for seq in (1, 1, 2):
            nursery.start_soon(wait, seq)
        await trio.testing.wait_all_tasks_blocked(0.01)

        assert [] == seen

        head = await writing.grow(head)
        with trio.fail_after(5):
            while len(seen) < 2:
                await trio.lowlevel.checkpoint()

        assert [1, 1] == seen

        await writing.grow(head)

    assert [1, 1, 2] == seen


async def test_changed_waits_for_what_is_not_there_yet(store, writing):
    async with trio.open_nursery() as nursery:
        nursery.start_soon(store.changed, "x", 0)
        await trio.testing.wait_all_tasks_blocked(0.01)
        await writing.start("y")
        await writing.start("x")


async def test_one_who_stops_waiting_leaves_the_others(store, writing):
    head = await writing.start()

    async with trio.open_nursery() as nursery:
        scopes = [trio.CancelScope() for _ in range(3)]

        async def wait(scope):
            with scope:
                await store.changed("x", 1)

        for scope in scopes:
            nursery.start_soon(wait, scope)
        await trio.testing.wait_all_tasks_blocked(0.01)
        scopes[0].cancel()
        await trio.testing.wait_all_tasks_blocked(0.01)
        await writing.grow(head)

    assert [True, False, False] == [scope.cancelled_caught for scope in scopes]


async def test_one_who_stops_while_all_are_looking(store, writing):
    head = await writing.start()
    for rounds in range(10):
        with trio.fail_after(5):
            async with trio.open_nursery() as nursery:
                scope = trio.CancelScope()

                async def wait(scope, seq):
                    with scope:
                        await store.changed("x", seq)

                nursery.start_soon(wait, scope, head.seq)
                for _ in range(3):
                    nursery.start_soon(wait, trio.CancelScope(), head.seq)
                for _ in range(rounds):
                    await trio.lowlevel.checkpoint()
                scope.cancel()
                head = await writing.grow(head)


# ---- deleting ----


async def test_delete(store, writing):
    await writing.end(await writing.start("x"))
    await writing.start("y")

    await store.delete("x")

    assert None is await store.head("x")
    assert [] == await store.read("x")
    assert ["y"] == await _ids(store)


async def test_what_was_deleted_can_come_again(store, writing):
    await writing.end(await writing.start("x", document={"name": "old"}))
    await store.delete("x")
    await store.delete("x")
    await writing.start("y", digest="d2")

    head = await writing.start("x", document={"name": "new"})

    assert [writing.first("x", document={"name": "new"})] == await store.read("x")
    assert ["x", "y"] == await _ids(store)

    head = await writing.grow(head)

    assert head == await store.head("x")
    assert 2 == len(await store.read("x"))


async def test_a_document_stays_while_somebody_has_it(store, writing):
    await writing.end(await writing.start("x"))
    await writing.start("y")

    await store.delete("x")

    assert {"name": "order"} == (await store.read("y"))[0].document


@pytest.mark.parametrize("status", ("PENDING", "RUNNING", "PAUSED"))
async def test_an_open_execution_is_not_deleted(store, writing, status):
    head = await writing.start(status=status)

    with pytest.raises(InvalidRequest, match=f"can't delete execution 'x': it is {status}"):
        await store.delete("x")

    assert head == await store.head("x")


async def test_children_go_with_their_root(store, writing):
    for name, parent in (("root", None), ("child", "root"), ("grandchild", "child")):
        await writing.end(await writing.start(name, parent=parent))
    await writing.end(await writing.start("other"))

    await store.delete("root")

    assert ["other"] == await _ids(store)
    assert [] == await store.read("grandchild")


async def test_nothing_goes_while_a_child_is_open(store, writing):
    await writing.end(await writing.start("root"))
    await writing.start("child", parent="root")

    with pytest.raises(InvalidRequest, match="'child'"):
        await store.delete("root")

    assert ["child", "root"] == await _ids(store)


# ---- opening and closing ----


async def test_it_may_be_entered_again(store, writing):
    async with store, store:
        await writing.start("a")
    await writing.start("b")

    assert ["b", "a"] == await _ids(store)


async def test_a_memory_store_keeps_what_it_has(writing_to):
    store = MemoryStore()
    async with store:
        await writing_to(store).start()
    async with store:
        assert ["x"] == await _ids(store)


@pytest.mark.parametrize("place", ("file", ":memory:"))
async def test_a_closed_store_says_so(tmp_path, place):
    store = SqliteStore(tmp_path / "store.db" if place == "file" else place)
    async with store:
        pass

    with pytest.raises(StoreUnusable, match="not open"):
        await store.head("x")
    with pytest.raises(StoreUnusable, match="not open"):
        await store.commit(Head("x", "order", "RUNNING", 1), [])
    with pytest.raises(StoreUnusable, match="not open"):
        await store.claim("me", ttl=1)
