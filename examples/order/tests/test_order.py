r"""What order.workflow.json does when things go wrong.

Generated; do not edit: change the document, then

    python -m harness generate examples/order/order.workflow.json -o examples/order/tests/ \
        --level smoke

reserve   Take the goods off the shelf, stock.reserve, undone by stock.release
charge    Charge the card, payments.charge, timeout 10s, retry (max_attempts 4, initial_delay
          200ms, jitter none), undone by (payments.refund, retry 3)
approval  Have a large order approved, waits for approval, total timeout 7d
refuse    Refuse the order, and undo what was done for it, fail
ship      Hand it to the carrier, shipping.book
release   Put the goods back, stock.release
notify    Tell the customer, mail.notify
charge -> approval  if reserve.total > 500
charge -> ship  otherwise
approval -> ship  if approval.approved
approval -> refuse  otherwise
charge -> release  on failure

when                                   the order                       after  undone
all goes well                          COMPLETED                       4.6 s  -
reserve fails each time                FAILED: reserve                 1.5 s  -
charge fails each time                 COMPLETED                       9.3 s  -
ship fails each time                   FAILED: ship                    5.6 s  charge, reserve
release fails each time                FAILED: release                 9.0 s  reserve
notify fails each time                 FAILED: notify                  6.6 s  charge, reserve
charge never answers                   COMPLETED                      45.1 s  -
somebody cancels while reserve runs    CANCELLED                       0.7 s  -
somebody cancels while charge runs     CANCELLED                       3.0 s  reserve
somebody cancels while refuse runs     CANCELLED                       5.2 s  charge, reserve
somebody cancels while ship runs       CANCELLED                       5.1 s  charge, reserve
somebody cancels while release runs    CANCELLED                       8.5 s  reserve
somebody cancels while notify runs     CANCELLED                       6.1 s  charge, reserve
somebody cancels while approval waits  CANCELLED                       4.5 s  charge, reserve
approval is reached                    COMPLETED                       4.6 s  -
refuse is reached                      FAILED: refuse order.rejected   5.8 s  charge, reserve
release is reached                     COMPLETED                       9.1 s  -
nobody answers approval                FAILED: approval timeout.step     7 d  charge, reserve
"""

from __future__ import annotations

import pytest
from harness import (
    Cancel,
    During,
    Signal,
    cancelled,
    check,
    completed,
    failed,
    hangs,
    raises,
    returns,
    scenario,
    workflow,
)

ORDER = workflow(
    "../order.workflow.json",
    beside=__file__,
    input={"sku": "sku-1", "quantity": 1, "card": "0000", "email": "a@a"},
    steps={
        "reserve": returns({"reservation": "reservation-1", "total": 1}, after="1.478s"),
        "charge": returns({"receipt": "receipt-1", "amount": 0}, after="1.058s"),
        "refuse": raises(
            "order.rejected",
            after="1.255s",
            error="the workflow says so",
            retryable=False,
        ),
        "ship": returns({"parcel": "parcel-1"}, after="1.052s"),
        "release": returns(after="1.151s"),
        "notify": returns(after="1.05s"),
    },
)


@pytest.mark.harness(family="ok")
@pytest.mark.parametrize(
    "scenario",
    (
        # all goes well: it ends well after 4.638 s
        scenario(
            "ok",
            ORDER,
            expect=completed(
                skipped="approval refuse release",
                after="4.638s",
                output={"order": "x", "total": 1, "receipt": "receipt-1", "parcel": "parcel-1"},
            ),
        ),
    ),
    ids=str,
)
def test_ok(scenario):
    check(scenario)


@pytest.mark.harness(family="fail")
@pytest.mark.parametrize(
    "scenario",
    (
        # reserve fails each time: it fails after 1.478 s
        scenario(
            "fail-reserve",
            ORDER,
            reserve=raises("odd", after="1.478s"),
            expect=failed("reserve", code="odd", after="1.478s"),
        ),
        # charge fails each time: it ends well after 9.311 s
        scenario(
            "fail-charge",
            ORDER,
            charge=raises("odd", after="1.058s"),
            expect=completed(
                failed="charge",
                skipped="approval refuse ship",
                attempts={"charge": 4},
                after="9.311s",
            ),
        ),
        # ship fails each time: it fails after 5.588 s, undone: charge, reserve
        scenario(
            "fail-ship",
            ORDER,
            ship=raises("odd", after="1.052s"),
            expect=failed(
                "ship",
                completed="reserve charge",
                skipped="approval refuse release",
                code="odd",
                undone="charge reserve",
                after="5.588s",
            ),
        ),
        # release fails each time: it fails after 9.029 s, undone: reserve
        scenario(
            "fail-release",
            ORDER,
            charge=raises("odd"),
            release=raises("odd", after="1.151s"),
            expect=failed(
                "charge release",
                completed="reserve",
                skipped="approval refuse ship",
                code="odd",
                undone="reserve",
                attempts={"charge": 4},
                after="9.029s",
            ),
        ),
        # notify fails each time: it fails after 6.638 s, undone: charge, reserve
        scenario(
            "fail-notify",
            ORDER,
            notify=raises("odd", after="1.05s"),
            expect=failed(
                "notify",
                completed="reserve charge ship",
                skipped="approval refuse release",
                code="odd",
                undone="charge reserve",
                after="6.638s",
            ),
        ),
    ),
    ids=str,
)
def test_fail(scenario):
    check(scenario)


@pytest.mark.harness(family="timeout")
@pytest.mark.parametrize(
    "scenario",
    (
        # charge never answers: 4 attempts of 10 s: it ends well after 45.079 s
        scenario(
            "timeout-charge-hangs",
            ORDER,
            charge=hangs(),
            expect=completed(
                failed="charge",
                skipped="approval refuse ship",
                attempts={"charge": 4},
                after="45.079s",
            ),
        ),
    ),
    ids=str,
)
def test_timeout(scenario):
    check(scenario)


@pytest.mark.harness(family="cancel")
@pytest.mark.parametrize(
    "scenario",
    (
        # somebody cancels while reserve runs: it is cancelled after 0.739 s
        scenario(
            "cancel-reserve",
            ORDER,
            does=Cancel(moment=During("reserve")),
            expect=cancelled(after="0.739s"),
        ),
        # somebody cancels while charge runs: it is cancelled after 3.007 s, undone: reserve
        scenario(
            "cancel-charge",
            ORDER,
            does=Cancel(moment=During("charge")),
            expect=cancelled(completed="reserve", undone="reserve", after="3.007s"),
        ),
        # somebody cancels while refuse runs: it is cancelled after 5.1635 s, undone: charge,
        # reserve
        scenario(
            "cancel-refuse",
            ORDER,
            reserve=returns({"reservation": "reservation-1", "total": 501}, after="1.478s"),
            does=[
                Signal("approval", payload={"approved": False, "by": "by-1"}),
                Cancel(moment=During("refuse")),
            ],
            expect=cancelled(
                completed="reserve charge approval",
                skipped="ship release notify",
                undone="charge reserve",
                after="5.1635s",
            ),
        ),
        # somebody cancels while ship runs: it is cancelled after 5.062 s, undone: charge, reserve
        scenario(
            "cancel-ship",
            ORDER,
            does=Cancel(moment=During("ship")),
            expect=cancelled(
                completed="reserve charge",
                skipped="approval refuse release",
                undone="charge reserve",
                after="5.062s",
            ),
        ),
        # somebody cancels while release runs: it is cancelled after 8.4535 s, undone: reserve
        scenario(
            "cancel-release",
            ORDER,
            charge=raises("odd"),
            does=Cancel(moment=During("release")),
            expect=cancelled(
                completed="reserve",
                failed="charge",
                skipped="approval refuse ship",
                undone="reserve",
                attempts={"charge": 4},
                after="8.4535s",
            ),
        ),
        # somebody cancels while notify runs: it is cancelled after 6.113 s, undone: charge, reserve
        scenario(
            "cancel-notify",
            ORDER,
            does=Cancel(moment=During("notify")),
            expect=cancelled(
                completed="reserve charge ship",
                skipped="approval refuse release",
                undone="charge reserve",
                after="6.113s",
            ),
        ),
        # somebody cancels while approval waits: it is cancelled after 4.536 s, undone: charge,
        # reserve
        scenario(
            "cancel-approval",
            ORDER,
            reserve=returns({"reservation": "reservation-1", "total": 501}, after="1.478s"),
            does=Cancel(),
            expect=cancelled(
                completed="reserve charge",
                skipped="release",
                undone="charge reserve",
                after="4.536s",
            ),
        ),
    ),
    ids=str,
)
def test_cancel(scenario):
    check(scenario)


@pytest.mark.harness(family="reach")
@pytest.mark.parametrize(
    "scenario",
    (
        # approval is reached: it ends well after 4.638 s
        scenario(
            "reach-approval",
            ORDER,
            reserve=returns({"reservation": "reservation-1", "total": 501}, after="1.478s"),
            does=Signal("approval", payload={"approved": True, "by": "by-1"}),
            expect=completed(
                skipped="refuse release",
                after="4.638s",
                output={"order": "x", "total": 501, "receipt": "receipt-1", "parcel": "parcel-1"},
            ),
        ),
        # refuse is reached: it fails after 5.791 s, undone: charge, reserve
        scenario(
            "reach-refuse",
            ORDER,
            reserve=returns({"reservation": "reservation-1", "total": 501}, after="1.478s"),
            does=Signal("approval", payload={"approved": False, "by": "by-1"}),
            expect=failed(
                "refuse",
                completed="reserve charge approval",
                skipped="ship release notify",
                code="order.rejected",
                undone="charge reserve",
                after="5.791s",
            ),
        ),
        # release is reached: it ends well after 9.079 s
        scenario(
            "reach-release",
            ORDER,
            charge=raises("odd"),
            expect=completed(
                failed="charge",
                skipped="approval refuse ship",
                attempts={"charge": 4},
                after="9.079s",
                output={"order": "x", "total": 1, "receipt": None, "parcel": None},
            ),
        ),
    ),
    ids=str,
)
def test_reach(scenario):
    check(scenario)


@pytest.mark.harness(family="wait")
@pytest.mark.parametrize(
    "scenario",
    (
        # nobody answers approval: it fails after 7 d, undone: charge, reserve
        scenario(
            "wait-approval-never",
            ORDER,
            reserve=returns({"reservation": "reservation-1", "total": 501}, after="1.478s"),
            expect=failed(
                "approval",
                completed="reserve charge",
                skipped="release",
                code="timeout.step",
                undone="charge reserve",
                after="604804.536s",
            ),
        ),
    ),
    ids=str,
)
def test_wait(scenario):
    check(scenario)
