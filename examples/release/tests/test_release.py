r"""What release.workflow.json does when things go wrong.

Generated; do not edit: change the document, then

    python -m harness generate examples/release/release.workflow.json -o examples/release/tests/ \
        --level smoke

snapshot  Copy the sources, so that what is tested is what is built, release.snapshot
lint      process.run, timeout 2m
types     process.run, timeout 2m
tests     process.run, timeout 10m
sdist     process.run, timeout 2m
wheel     process.run, timeout 2m
smoke     Import the package from its wheel, process.run, timeout 2m
hashes    Hash what was built, release.hashes
manifest  Publish the manifest, release.manifest

when                                  the release                     after  undone
all goes well                         COMPLETED                       5.0 s  -
snapshot fails each time              FAILED: snapshot                1.4 s  -
lint fails each time                  FAILED: lint                    2.6 s  -
types fails each time                 FAILED: types                   2.9 s  -
tests fails each time                 FAILED: tests                   2.7 s  -
sdist fails each time                 FAILED: sdist                   2.4 s  -
wheel fails each time                 FAILED: wheel                   2.9 s  -
smoke fails each time                 FAILED: smoke                   3.9 s  -
hashes fails each time                FAILED: hashes                  3.9 s  -
manifest fails each time              FAILED: manifest                5.0 s  -
lint never answers                    FAILED: lint timeout.attempt    2 min  -
types never answers                   FAILED: types timeout.attempt   2 min  -
tests never answers                   FAILED: tests timeout.attempt  10 min  -
sdist never answers                   FAILED: sdist timeout.attempt   2 min  -
wheel never answers                   FAILED: wheel timeout.attempt   2 min  -
smoke never answers                   FAILED: smoke timeout.attempt   2 min  -
somebody cancels while snapshot runs  CANCELLED                       0.7 s  -
somebody cancels while lint runs      CANCELLED                       2.0 s  -
somebody cancels while types runs     CANCELLED                       2.1 s  -
somebody cancels while tests runs     CANCELLED                       2.0 s  -
somebody cancels while sdist runs     CANCELLED                       1.9 s  -
somebody cancels while wheel runs     CANCELLED                       2.1 s  -
somebody cancels while smoke runs     CANCELLED                       3.4 s  -
somebody cancels while hashes runs    CANCELLED                       3.4 s  -
somebody cancels while manifest runs  CANCELLED                       4.5 s  -
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
    hangs,
    raises,
    returns,
    scenario,
    workflow,
)

RELEASE = workflow(
    "../release.workflow.json",
    beside=__file__,
    input={"output": "output-1", "package": "package-1"},
    steps={
        "snapshot": returns(
            {
                "name": "name-1",
                "version": "version-1",
                "source": "",
                "wheel": "",
                "sdist": "",
                "output": "",
                "python": "",
                "tools": "",
            },
            after="1.384s",
        ),
        "lint": returns(after="1.208s"),
        "types": returns(after="1.485s"),
        "tests": returns(after="1.287s"),
        "sdist": returns(after="1.058s"),
        "wheel": returns(after="1.468s"),
        "smoke": returns(after="1.02s"),
        "hashes": returns(
            {
                "files": [
                    {"sha256": "a" * 64, "file": None, "bytes": None},
                    {"sha256": "a" * 64, "file": None, "bytes": None},
                ],
            },
            after="1.062s",
        ),
        "manifest": returns({"file": "file-1"}, after="1.12s"),
    },
)


@pytest.mark.harness(family="ok")
@pytest.mark.parametrize(
    "scenario",
    (
        # all goes well: it ends well after 5.034 s
        scenario(
            "ok",
            RELEASE,
            expect=completed(
                after="5.034s",
                output={
                    "name": "name-1",
                    "version": "version-1",
                    "manifest": "file-1",
                    "files": [
                        {"sha256": "a" * 64, "file": None, "bytes": None},
                        {"sha256": "a" * 64, "file": None, "bytes": None},
                    ],
                },
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
        # snapshot fails each time: it fails after 1.384 s
        scenario(
            "fail-snapshot",
            RELEASE,
            snapshot=raises("odd", after="1.384s"),
            expect=failed("snapshot", code="odd", after="1.384s"),
        ),
        # lint fails each time: it fails after 2.592 s
        scenario(
            "fail-lint",
            RELEASE,
            lint=raises("odd", after="1.208s"),
            expect=failed("lint", completed="snapshot sdist", code="odd", after="2.592s"),
        ),
        # types fails each time: it fails after 2.869 s
        scenario(
            "fail-types",
            RELEASE,
            types=raises("odd", after="1.485s"),
            expect=failed(
                "types",
                completed="snapshot lint tests sdist wheel",
                code="odd",
                after="2.869s",
            ),
        ),
        # tests fails each time: it fails after 2.671 s
        scenario(
            "fail-tests",
            RELEASE,
            tests=raises("odd", after="1.287s"),
            expect=failed("tests", completed="snapshot lint sdist", code="odd", after="2.671s"),
        ),
        # sdist fails each time: it fails after 2.442 s
        scenario(
            "fail-sdist",
            RELEASE,
            sdist=raises("odd", after="1.058s"),
            expect=failed("sdist", completed="snapshot", code="odd", after="2.442s"),
        ),
        # wheel fails each time: it fails after 2.852 s
        scenario(
            "fail-wheel",
            RELEASE,
            wheel=raises("odd", after="1.468s"),
            expect=failed(
                "wheel",
                completed="snapshot lint tests sdist",
                code="odd",
                after="2.852s",
            ),
        ),
        # smoke fails each time: it fails after 3.872 s
        scenario(
            "fail-smoke",
            RELEASE,
            smoke=raises("odd", after="1.02s"),
            expect=failed(
                "smoke",
                completed="snapshot lint types tests sdist wheel",
                code="odd",
                after="3.872s",
            ),
        ),
        # hashes fails each time: it fails after 3.914 s
        scenario(
            "fail-hashes",
            RELEASE,
            hashes=raises("odd", after="1.062s"),
            expect=failed(
                "hashes",
                completed="snapshot lint types tests sdist wheel smoke",
                code="odd",
                after="3.914s",
            ),
        ),
        # manifest fails each time: it fails after 5.034 s
        scenario(
            "fail-manifest",
            RELEASE,
            manifest=raises("odd", after="1.12s"),
            expect=failed(
                "manifest",
                completed="snapshot lint types tests sdist wheel smoke hashes",
                code="odd",
                after="5.034s",
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
        # lint never answers: 1 attempt of 2 min: it fails after 2 min
        scenario(
            "timeout-lint-hangs",
            RELEASE,
            lint=hangs(),
            expect=failed(
                "lint",
                completed="snapshot types tests sdist wheel smoke hashes",
                code="timeout.attempt",
                after="121.384s",
            ),
        ),
        # types never answers: 1 attempt of 2 min: it fails after 2 min
        scenario(
            "timeout-types-hangs",
            RELEASE,
            types=hangs(),
            expect=failed(
                "types",
                completed="snapshot lint tests sdist wheel smoke hashes",
                code="timeout.attempt",
                after="121.384s",
            ),
        ),
        # tests never answers: 1 attempt of 10 min: it fails after 10 min
        scenario(
            "timeout-tests-hangs",
            RELEASE,
            tests=hangs(),
            expect=failed(
                "tests",
                completed="snapshot lint types sdist wheel smoke hashes",
                code="timeout.attempt",
                after="601.384s",
            ),
        ),
        # sdist never answers: 1 attempt of 2 min: it fails after 2 min
        scenario(
            "timeout-sdist-hangs",
            RELEASE,
            sdist=hangs(),
            expect=failed(
                "sdist",
                completed="snapshot lint types tests wheel smoke",
                code="timeout.attempt",
                after="121.384s",
            ),
        ),
        # wheel never answers: 1 attempt of 2 min: it fails after 2 min
        scenario(
            "timeout-wheel-hangs",
            RELEASE,
            wheel=hangs(),
            expect=failed(
                "wheel",
                completed="snapshot lint types tests sdist",
                code="timeout.attempt",
                after="121.384s",
            ),
        ),
        # smoke never answers: 1 attempt of 2 min: it fails after 2 min
        scenario(
            "timeout-smoke-hangs",
            RELEASE,
            smoke=hangs(),
            expect=failed(
                "smoke",
                completed="snapshot lint types tests sdist wheel hashes",
                code="timeout.attempt",
                after="122.852s",
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
        # somebody cancels while snapshot runs: it is cancelled after 0.692 s
        scenario(
            "cancel-snapshot",
            RELEASE,
            does=Cancel(moment=During("snapshot")),
            expect=cancelled(after="0.692s"),
        ),
        # somebody cancels while lint runs: it is cancelled after 1.988 s
        scenario(
            "cancel-lint",
            RELEASE,
            does=Cancel(moment=During("lint")),
            expect=cancelled(completed="snapshot", after="1.988s"),
        ),
        # somebody cancels while types runs: it is cancelled after 2.1265 s
        scenario(
            "cancel-types",
            RELEASE,
            does=Cancel(moment=During("types")),
            expect=cancelled(completed="snapshot", after="2.1265s"),
        ),
        # somebody cancels while tests runs: it is cancelled after 2.0275 s
        scenario(
            "cancel-tests",
            RELEASE,
            does=Cancel(moment=During("tests")),
            expect=cancelled(completed="snapshot", after="2.0275s"),
        ),
        # somebody cancels while sdist runs: it is cancelled after 1.913 s
        scenario(
            "cancel-sdist",
            RELEASE,
            does=Cancel(moment=During("sdist")),
            expect=cancelled(completed="snapshot", after="1.913s"),
        ),
        # somebody cancels while wheel runs: it is cancelled after 2.118 s
        scenario(
            "cancel-wheel",
            RELEASE,
            does=Cancel(moment=During("wheel")),
            expect=cancelled(completed="snapshot", after="2.118s"),
        ),
        # somebody cancels while smoke runs: it is cancelled after 3.362 s
        scenario(
            "cancel-smoke",
            RELEASE,
            does=Cancel(moment=During("smoke")),
            expect=cancelled(completed="snapshot lint types tests sdist wheel", after="3.362s"),
        ),
        # somebody cancels while hashes runs: it is cancelled after 3.383 s
        scenario(
            "cancel-hashes",
            RELEASE,
            does=Cancel(moment=During("hashes")),
            expect=cancelled(completed="snapshot lint types tests sdist wheel", after="3.383s"),
        ),
        # somebody cancels while manifest runs: it is cancelled after 4.474 s
        scenario(
            "cancel-manifest",
            RELEASE,
            does=Cancel(moment=During("manifest")),
            expect=cancelled(
                completed="snapshot lint types tests sdist wheel smoke hashes",
                after="4.474s",
            ),
        ),
    ),
    ids=str,
)
def test_cancel(scenario):
    check(scenario)
