"""Every row ends in exactly one outcome, and the counts add up to the rows read (rule O1)."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from typing import Any

import pytest

from nsync.changes import REASON_CODES, WARNING_CODES, OutcomeKind
from nsync.policies import BasicSyncPolicy, OrderedSyncPolicy
from nsync.record.report import Report
from tests.old_policies import OldOrderedPolicy, OldPolicy
from tests.plan.known import link, link_gone
from tests.scenarios import SCENARIOS, Scenario, person
from tests.telling import codes, outcomes
from tests.testapp.models import House, Person

Sync = Callable[..., Report]
STRONGEST_FIRST = [
    "failed",
    "created",
    "deleted",
    "updated",
    "released",
    "linked",
    "unchanged",
    "ambiguous",
    "unmatched",
    "ignored",
]


def test_the_order_of_outcomes_is_that_of_the_rule() -> None:
    """O1: and counts are told in it."""
    assert [kind.value for kind in OutcomeKind] == STRONGEST_FIRST


# --- which one a row with several takes -----------------------------------------------------------------------------

HEADER = "external_key,action_flags,match_on,employee_id,first_name,age\n"


def known() -> None:
    """Make one person that the row's match finds, and nothing else."""
    person("Bruce", "1", age=40)


def known_by_key() -> None:
    person("Bruce", "1", "k", age=40)


def known_twice() -> None:
    person("Bruce", None, age=40)
    person("Bruce", None, age=40)


def stale() -> None:
    known()
    link_gone(Person, "k")


@pytest.mark.parametrize(
    ("arrange", "row", "expected"),
    [
        pytest.param(known, ",cu*,employee_id,2,New,1", "created", id="created, then unchanged: created"),
        pytest.param(known, "k,cu*,employee_id,1,Bruce,41", "updated", id="linked, then updated: updated"),
        pytest.param(known, "k,cu*,employee_id,1,Bruce,40", "linked", id="linked, then unchanged: linked"),
        pytest.param(known, "k,u*,employee_id,1,Bruce,41", "updated", id="updated and linked at once: updated"),
        pytest.param(known, "k,u,employee_id,1,X,41", "linked", id="linked by an update that changes nothing"),
        pytest.param(known, ",cu*,employee_id,1,Bruce,41", "updated", id="unchanged, then updated: updated"),
        pytest.param(known, ",cu,employee_id,1,X,41", "unchanged", id="unchanged twice"),
        pytest.param(known_by_key, "k,cu*,employee_id,1,Bruce,40", "unchanged", id="unchanged by its key"),
        pytest.param(known_twice, ",cu*,first_name,,Bruce,41", "ambiguous", id="ambiguous twice"),
        pytest.param(known_twice, ",d*,first_name,,Bruce,", "ambiguous", id="an ambiguous deletion"),
        pytest.param(known_twice, ",u*,first_name,,Nobody,1", "unmatched", id="an update of nothing"),
        pytest.param(known, ",d*,employee_id,9,,", "unmatched", id="a forced deletion of nothing"),
        pytest.param(known, "k,d,employee_id,1,,", "unmatched", id="an unforced deletion without a mapping"),
        pytest.param(known, ",d,employee_id,1,,", "ignored", id="an unforced deletion without a key"),
        pytest.param(known, ",,employee_id,1,,", "ignored", id="no flags"),
        pytest.param(known_by_key, "k,d,,,,", "deleted", id="deleted, and its mapping with it: deleted"),
        pytest.param(stale, "k,d,employee_id,1,,", "released", id="a stale mapping"),
        pytest.param(stale, "k,d*,employee_id,9,,", "released", id="a stale mapping, and no match: released"),
        pytest.param(stale, "k,d*,employee_id,1,,", "deleted", id="a stale mapping, and a match: deleted"),
        pytest.param(stale, "k,u,employee_id,1,X,1", "linked", id="a stale mapping that is pointed anew"),
        pytest.param(known, ",cu*,employee_id,1,Bruce,old", "failed", id="a bad cell"),
    ],
)
@pytest.mark.parametrize("policy", [BasicSyncPolicy, OrderedSyncPolicy, OldPolicy], ids=["basic", "ordered", "old"])
def test_a_row_takes_the_strongest_of_its_outcomes(
    sync_text: Sync, policy: Any, arrange: Callable[[], None], row: str, expected: str
) -> None:
    """O1: whatever the policy, and a dry run says the same."""
    arrange()

    dry = sync_text(HEADER + row + "\n", policy=policy, dry_run=True)
    report = sync_text(HEADER + row + "\n", policy=policy)

    assert outcomes(report) == outcomes(dry) == {expected: 1}


def test_a_forced_deletion_of_a_stale_mapping_with_several_matches_is_released(sync_text: Sync) -> None:
    """O1, A5: released is stronger than ambiguous; the reasons say both."""
    known_twice()
    link_gone(Person, "k")

    report = sync_text(HEADER + "k,d*,first_name,,Bruce,\n")

    assert outcomes(report) == {"released": 1}
    assert {code for _, code, _ in codes(report)} == {"stale-mapping", "several-matches"}


def test_displaced_objects_are_counted_beside_the_outcomes(sync_text: Sync) -> None:
    """O1, A4: what goes along with them is not."""
    known_by_key()
    other = person("Other", "2")
    House.objects.create(address="of the other", owner=other)

    report = sync_text(HEADER + "k,u*,employee_id,2,Bruce,40\n")

    assert outcomes(report) == {"updated": 1}
    assert report.displaced == 1


# --- counts add up --------------------------------------------------------------------------------------------------

RUNS: dict[str, dict[str, Any]] = {
    "as it is": {},
    "skip": {"on_error": "skip"},
    "stop": {"on_error": "stop"},
    "one error": {"max_errors": 1},
    "two errors, skip": {"on_error": "skip", "max_errors": 2},
    "batches of one": {"as_transaction": False, "batch_size": 1},
    "batches of two, skip": {"as_transaction": False, "batch_size": 2, "on_error": "skip"},
    "dry run": {"dry_run": True},
    "all that can be an error is": {"on_missing_reference": "error", "on_displaced": "error"},
}


@pytest.mark.parametrize("scenario", SCENARIOS.values(), ids=SCENARIOS)
@pytest.mark.parametrize("options", RUNS.values(), ids=RUNS)
@pytest.mark.parametrize("policy", [BasicSyncPolicy, OrderedSyncPolicy], ids=["basic", "ordered"])
def test_the_counts_add_up_to_the_rows_read(
    sync_texts: Sync, policy: Any, options: dict[str, Any], scenario: Scenario
) -> None:
    """O1: of the run and of each source; all rows are read unless an error ends the run early."""
    scenario.arrange()

    report = sync_texts(*scenario.inputs, policy=policy, **scenario.chosen(**options))

    assert sum(report.counts.values()) == report.rows
    for source in report.sources:
        assert sum(source.outcomes.values()) == source.rows
    if not report.error and not (report.failed and not scenario.chosen(**options).get("as_transaction", True)):
        assert report.rows == scenario.lines
    assert_told_once(report)


def assert_told_once(report: Report) -> None:
    """Each failed row has an error, and no row has a warning twice for one column."""
    entries = list(report.details())
    assert len({(entry.source, entry.ordinal) for entry in entries}) == len(entries)
    for entry in entries:
        repeated = Counter((problem.code, problem.column) for problem in entry.problems)
        hints = {code for code, _ in repeated if code in WARNING_CODES or code in REASON_CODES}
        if report.outcome(entry) is not OutcomeKind.FAILED:
            assert set(repeated.values()) == {1}
            assert {code for code, _ in repeated} == hints
    told = [entry for entry in entries if report.outcome(entry) is OutcomeKind.FAILED]
    assert len(told) == report.failed
    assert all(entry.line > 1 for entry in entries)


# --- warnings once per row and column -------------------------------------------------------------------------------


@pytest.mark.parametrize("policy", [BasicSyncPolicy, OrderedSyncPolicy, OldOrderedPolicy])
def test_a_warning_stands_once_per_row_and_column(sync_text: Sync, policy: Any) -> None:
    """O1, V3, R5: the row creates and updates, in two phases maybe; columns and rows count apart."""
    person("Old", "9", "old")

    report = sync_text(
        "external_key,action_flags,match_on,employee_id,hair_colour,active,manager=>first_name,company=>name,first_name\n"
        "1,cu*,employee_id,1,,,nobody,nowhere,A\n2,cu*,employee_id,2,,yes,nobody,,B\nold,u*,employee_id,9,red,,nobody,,Old\n",
        policy=policy,
    )

    missing = [entry for entry in codes(report) if entry[1] == "missing-reference"]
    assert sorted(missing) == [
        (2, "missing-reference", "company=>name"),
        (2, "missing-reference", "manager=>first_name"),
        (3, "missing-reference", "manager=>first_name"),
        (4, "missing-reference", "manager=>first_name"),
    ]
    kept = [entry for entry in codes(report) if entry[1] == "empty-kept"]
    assert len(kept) == len(set(kept))
    assert (4, "empty-kept", "active") in kept
    assert report.warnings["missing-reference"] == 4


def test_several_errors_of_a_row_are_all_told(sync_text: Sync) -> None:
    """T4, O2: each cell's, but the row counts once."""
    report = sync_text("action_flags,match_on,first_name,age,salary,birthday\nc,first_name,A,old,much,then\n")

    assert outcomes(report) == {"failed": 1}
    assert {column for _, _, column in codes(report)} == {"age", "salary", "birthday"}


def test_a_row_that_failed_has_no_warnings_of_what_was_not_applied(sync_text: Sync) -> None:
    """O1: what is told of a failed row is why it failed."""
    link(person("Taken", "1"), "t")

    report = sync_text(
        "action_flags,match_on,first_name,employee_id,manager=>first_name\ncu*,first_name,A,1,nobody\n", on_error="skip"
    )

    assert codes(report) == [(2, "unique", "employee_id")]
