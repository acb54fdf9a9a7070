r"""What logs.workflow.json does when things go wrong.

Generated; do not edit: change the document, then

    python -m harness generate examples/logs/logs.workflow.json -o examples/logs/tests/ --level \
        smoke

list    List the log files, logs.list
read_0  Read the first shard, logs.read
read_1  Read the second shard, logs.read
read_2  Read the third shard, logs.read
read_3  Read the fourth shard, logs.read
total   Add up, logs.total
chart   Draw the requests of each hour, logs.chart
data    Write the numbers as JSON, logs.data
report  Write the report, logs.report

when                                the logs        after  undone
all goes well                       COMPLETED       6.4 s  -
list fails each time                FAILED: list    1.3 s  -
read_0 fails each time              FAILED: read_0  2.8 s  -
read_1 fails each time              FAILED: read_1  2.5 s  -
read_2 fails each time              FAILED: read_2  2.7 s  -
read_3 fails each time              FAILED: read_3  2.5 s  -
total fails each time               FAILED: total   4.0 s  -
chart fails each time               FAILED: chart   5.4 s  -
data fails each time                FAILED: data    5.2 s  -
report fails each time              FAILED: report  6.4 s  -
somebody cancels while list runs    CANCELLED       0.7 s  -
somebody cancels while read_0 runs  CANCELLED       2.0 s  -
somebody cancels while read_1 runs  CANCELLED       1.9 s  -
somebody cancels while read_2 runs  CANCELLED       2.0 s  -
somebody cancels while read_3 runs  CANCELLED       1.9 s  -
somebody cancels while total runs   CANCELLED       3.4 s  -
somebody cancels while chart runs   CANCELLED       4.7 s  -
somebody cancels while data runs    CANCELLED       4.6 s  -
somebody cancels while report runs  CANCELLED       5.9 s  -
"""

from __future__ import annotations

import pytest
from harness import (
    Cancel,
    During,
    cancelled,
    check,
    completed,
    failed,
    raises,
    returns,
    scenario,
    workflow,
)

LOGS = workflow(
    "../logs.workflow.json",
    beside=__file__,
    input={"output": "output-1", "folder": "folder-1"},
    steps={
        "list": returns({"files": 1, "shards": [[], [], [], []]}, after="1.314s"),
        "read_0": returns(after="1.444s"),
        "read_1": returns(after="1.149s"),
        "read_2": returns(after="1.378s"),
        "read_3": returns(after="1.137s"),
        "total": returns(
            {
                "requests": 0,
                "bytes": 0,
                "status": {},
                "hours": [
                    None,
                    None,
                    None,
                    None,
                    None,
                    None,
                    None,
                    None,
                    None,
                    None,
                    None,
                    None,
                    None,
                    None,
                    None,
                    None,
                    None,
                    None,
                    None,
                    None,
                    None,
                    None,
                    None,
                    None,
                ],
                "broken": {"count": "count-1"},
                "slowest": None,
            },
            after="1.205s",
        ),
        "chart": returns({"file": "file-1"}, after="1.405s"),
        "data": returns(after="1.205s"),
        "report": returns({"file": "file-1"}, after="1.02s"),
    },
)


@pytest.mark.harness(family="ok")
@pytest.mark.parametrize(
    "scenario",
    (
        # all goes well: it ends well after 6.388 s
        scenario(
            "ok",
            LOGS,
            expect=completed(
                after="6.388s",
                output={"report": "file-1", "files": 1, "requests": 0, "broken_lines": "count-1"},
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
        # list fails each time: it fails after 1.314 s
        scenario(
            "fail-list",
            LOGS,
            list=raises("odd", after="1.314s"),
            expect=failed("list", code="odd", after="1.314s"),
        ),
        # read_0 fails each time: it fails after 2.758 s
        scenario(
            "fail-read_0",
            LOGS,
            read_0=raises("odd", after="1.444s"),
            expect=failed(
                "read_0",
                completed="list read_1 read_2 read_3",
                code="odd",
                after="2.758s",
            ),
        ),
        # read_1 fails each time: it fails after 2.463 s
        scenario(
            "fail-read_1",
            LOGS,
            read_1=raises("odd", after="1.149s"),
            expect=failed("read_1", completed="list read_3", code="odd", after="2.463s"),
        ),
        # read_2 fails each time: it fails after 2.692 s
        scenario(
            "fail-read_2",
            LOGS,
            read_2=raises("odd", after="1.378s"),
            expect=failed("read_2", completed="list read_1 read_3", code="odd", after="2.692s"),
        ),
        # read_3 fails each time: it fails after 2.451 s
        scenario(
            "fail-read_3",
            LOGS,
            read_3=raises("odd", after="1.137s"),
            expect=failed("read_3", completed="list", code="odd", after="2.451s"),
        ),
        # total fails each time: it fails after 3.963 s
        scenario(
            "fail-total",
            LOGS,
            total=raises("odd", after="1.205s"),
            expect=failed(
                "total",
                completed="list read_0 read_1 read_2 read_3",
                code="odd",
                after="3.963s",
            ),
        ),
        # chart fails each time: it fails after 5.368 s
        scenario(
            "fail-chart",
            LOGS,
            chart=raises("odd", after="1.405s"),
            expect=failed(
                "chart",
                completed="list read_0 read_1 read_2 read_3 total data",
                code="odd",
                after="5.368s",
            ),
        ),
        # data fails each time: it fails after 5.168 s
        scenario(
            "fail-data",
            LOGS,
            data=raises("odd", after="1.205s"),
            expect=failed(
                "data",
                completed="list read_0 read_1 read_2 read_3 total",
                code="odd",
                after="5.168s",
            ),
        ),
        # report fails each time: it fails after 6.388 s
        scenario(
            "fail-report",
            LOGS,
            report=raises("odd", after="1.02s"),
            expect=failed(
                "report",
                completed="list read_0 read_1 read_2 read_3 total chart data",
                code="odd",
                after="6.388s",
            ),
        ),
    ),
    ids=str,
)
def test_fail(scenario):
    check(scenario)


@pytest.mark.harness(family="cancel")
@pytest.mark.parametrize(
    "scenario",
    (
        # somebody cancels while list runs: it is cancelled after 0.657 s
        scenario(
            "cancel-list",
            LOGS,
            does=Cancel(moment=During("list")),
            expect=cancelled(after="0.657s"),
        ),
        # somebody cancels while read_0 runs: it is cancelled after 2.036 s
        scenario(
            "cancel-read_0",
            LOGS,
            does=Cancel(moment=During("read_0")),
            expect=cancelled(completed="list", after="2.036s"),
        ),
        # somebody cancels while read_1 runs: it is cancelled after 1.8885 s
        scenario(
            "cancel-read_1",
            LOGS,
            does=Cancel(moment=During("read_1")),
            expect=cancelled(completed="list", after="1.8885s"),
        ),
        # somebody cancels while read_2 runs: it is cancelled after 2.003 s
        scenario(
            "cancel-read_2",
            LOGS,
            does=Cancel(moment=During("read_2")),
            expect=cancelled(completed="list", after="2.003s"),
        ),
        # somebody cancels while read_3 runs: it is cancelled after 1.8825 s
        scenario(
            "cancel-read_3",
            LOGS,
            does=Cancel(moment=During("read_3")),
            expect=cancelled(completed="list", after="1.8825s"),
        ),
        # somebody cancels while total runs: it is cancelled after 3.3605 s
        scenario(
            "cancel-total",
            LOGS,
            does=Cancel(moment=During("total")),
            expect=cancelled(completed="list read_0 read_1 read_2 read_3", after="3.3605s"),
        ),
        # somebody cancels while chart runs: it is cancelled after 4.6655 s
        scenario(
            "cancel-chart",
            LOGS,
            does=Cancel(moment=During("chart")),
            expect=cancelled(completed="list read_0 read_1 read_2 read_3 total", after="4.6655s"),
        ),
        # somebody cancels while data runs: it is cancelled after 4.5655 s
        scenario(
            "cancel-data",
            LOGS,
            does=Cancel(moment=During("data")),
            expect=cancelled(completed="list read_0 read_1 read_2 read_3 total", after="4.5655s"),
        ),
        # somebody cancels while report runs: it is cancelled after 5.878 s
        scenario(
            "cancel-report",
            LOGS,
            does=Cancel(moment=During("report")),
            expect=cancelled(
                completed="list read_0 read_1 read_2 read_3 total chart data",
                after="5.878s",
            ),
        ),
    ),
    ids=str,
)
def test_cancel(scenario):
    check(scenario)
