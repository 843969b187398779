"""The flags cell: what its letters ask for, and a feed's own operation codes (rules F1, F2, C2)."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from nsync.actions import Flags, SyncActions
from nsync.decode.flags import check_codes, decode_flags
from nsync.errors import ConfigError, RowError
from nsync.record.report import Report
from tests.telling import codes, outcomes
from tests.testapp.models import Person

CREATE, UPDATE, DELETE = Flags(create=True), Flags(update=True), Flags(delete=True)
HEADER = "action_flags,match_on,first_name,age"


@pytest.mark.parametrize(
    ("text", "flags"),
    [
        ("c", CREATE),
        ("C", CREATE),
        ("u", UPDATE),
        ("d", DELETE),
        ("u*", UPDATE._replace(force=True)),
        ("d*", DELETE._replace(force=True)),
        ("*d", DELETE._replace(force=True)),
        ("c*", CREATE._replace(force=True)),
        ("cu", Flags(create=True, update=True)),
        ("uc", Flags(create=True, update=True)),
        ("cu*", Flags(create=True, update=True, force=True)),
        ("*UC", Flags(create=True, update=True, force=True)),
        (" C\tu  * ", Flags(create=True, update=True, force=True)),
        ("\u00a0cu\u00a0", Flags(create=True, update=True)),
        ("", Flags()),
        (" \t ", Flags()),
    ],
)
def test_letters_count_in_any_case_and_order_and_with_blanks(text: str, flags: Flags) -> None:
    """F1, F2: an empty cell asks for nothing."""
    assert decode_flags(text, {}) == flags


@pytest.mark.parametrize("text", ["cd", "ud*", "d c", "cud", "x", "cx", "create", "c,u", "1", "с", "c+", "*"])
def test_what_is_no_flag_is_an_error_that_names_cell_and_cure(text: str) -> None:
    """F2: the fourth from the right is a Cyrillic letter that looks like c."""
    with pytest.raises(RowError) as caught:
        decode_flags(text, {}, "op")

    (problem,) = caught.value.problems
    assert (problem.code, problem.column, problem.value) == ("bad-flags", "op", text)
    assert "cu*" in problem.message


@pytest.mark.parametrize(
    ("flags", "existing", "outcome", "ages"),
    [
        ("c", False, "created", [41]),
        ("c", True, "unchanged", [40]),
        ("c*", False, "created", [41]),
        ("c*", True, "unchanged", [40]),  # forced or not, a create changes no object
        ("u", False, "unmatched", []),
        ("u", True, "unchanged", [40]),
        ("u*", False, "unmatched", []),
        ("U *", True, "updated", [41]),
        ("cu", False, "created", [41]),
        ("cu", True, "unchanged", [40]),
        ("cu*", False, "created", [41]),
        ("cu*", True, "updated", [41]),
        ("d", True, "ignored", [40]),  # no key
        ("d*", True, "deleted", []),
        ("d*", False, "unmatched", []),
        ("", True, "ignored", [40]),
        ("  ", False, "ignored", []),
        ("cd", True, "failed", [40]),
        ("x", False, "failed", []),
    ],
)
def test_what_each_cell_does_to_an_object(
    sync_text: Callable[..., Report], flags: str, existing: bool, outcome: str, ages: list[int]
) -> None:
    """F1, F2, A1 to A6."""
    if existing:
        Person.objects.create(first_name="Bruce", age=40)

    report = sync_text(f"{HEADER}\n{flags},first_name,Bruce,41\n")

    assert list(Person.objects.values_list("age", flat=True)) == ages
    assert outcomes(report) == {outcome: 1}
    assert codes(report)[:1] == [(2, "bad-flags", "action_flags")] or outcome != "failed"


def test_a_row_that_asks_for_nothing_says_so_and_its_cells_are_not_looked_at(sync_text: Callable[..., Report]) -> None:
    """F2: nothing is asked, so nothing is wrong with the age."""
    report = sync_text(f"{HEADER}\n,nonsense,Bruce,forty\ncu,first_name,Dick,20\n")

    assert outcomes(report) == {"created": 1, "ignored": 1}
    assert codes(report) == [(2, "no-action", "")]


def test_a_row_with_bad_flags_reports_its_other_cells_too(sync_text: Callable[..., Report]) -> None:
    """F2, T4: all that is wrong with a row is said at once."""
    report = sync_text(f"{HEADER}\ncd,first_name,Bruce,forty\n")

    assert codes(report) == [(2, "bad-flags", "action_flags"), (2, "invalid-integer", "age")]


def test_bad_flags_take_part_in_no_phase(sync_text: Callable[..., Report]) -> None:
    """F2, T2: with the ordered policy too, such a row fails once."""
    from nsync.policies import OrderedSyncPolicy

    report = sync_text(f"{HEADER}\nuc*d,first_name,Bruce,41\n", policy=OrderedSyncPolicy)

    assert outcomes(report) == {"failed": 1}
    assert codes(report) == [(2, "bad-flags", "action_flags")]
    assert not Person.objects.exists()


# --- a feed's own codes ---------------------------------------------------------------------------------------------

FEED = {"action_flags_column": "op", "flag_map": (("I", "c"), ("U", "U *"), ("D", "d*"), ("N", ""))}


def test_a_feed_may_have_codes_of_its_own(sync_text: Callable[..., Report]) -> None:
    """C2, F1: --flag-map, --action-flags-column; blanks around a code do not matter."""
    for name in ("Dick", "Alfred"):
        Person.objects.create(first_name=name, age=1)

    report = sync_text(
        "op,first_name,age\nI,Bruce,41\n U ,Dick,20\nD,Alfred,\nN,Selina,30\n,Selina,30\n",
        match_on="first_name",
        **FEED,
    )

    assert outcomes(report) == {"created": 1, "updated": 1, "deleted": 1, "ignored": 2}
    assert set(Person.objects.values_list("first_name", "age")) == {("Bruce", 41), ("Dick", 20)}


@pytest.mark.parametrize("code", ["c", "cu*", "X", "d*", "II"])
def test_with_a_flag_map_every_other_code_is_an_error_that_names_the_known_ones(
    sync_text: Callable[..., Report], code: str
) -> None:
    """C2, F2: the letters of nsync are no codes of the feed."""
    report = sync_text(f"op,first_name\n{code},Bruce\n", match_on="first_name", **FEED)

    assert codes(report) == [(2, "bad-flags", "op")]
    (entry,) = report.details()
    assert "I, U, D" in entry.problems[0].message


def test_a_code_of_the_feed_may_mean_something_else_in_our_letters() -> None:
    """C2: d is the feed's word for what it delivers."""
    assert decode_flags("d", {"d": "cu", "c": "d"}) == Flags(create=True, update=True)
    assert decode_flags("c", {"d": "cu", "c": "d"}) == DELETE


def test_the_option_is_in_our_letters_even_with_a_flag_map(sync_text: Callable[..., Report]) -> None:
    """C2: a row whose flags cell is absent takes --action-flags."""
    report = sync_text("first_name,op\nBruce\nDick,N\n", match_on="first_name", action_flags="cu", **FEED)

    assert outcomes(report) == {"created": 1, "ignored": 1}


@pytest.mark.parametrize("letters", ["x", "cd", "*"])
def test_a_flag_map_to_what_is_no_flag_is_refused(letters: str) -> None:
    """C2, C6."""
    with pytest.raises(ConfigError, match=r"--flag-map"):
        check_codes({"I": letters})


@pytest.mark.parametrize("flags", ["x", "cd", "*"])
def test_action_flags_that_are_no_flags_are_refused_before_the_first_row(
    sync_text: Callable[..., Report], flags: str
) -> None:
    """C2, C6: what the command line shows is an error before anything is written."""
    with pytest.raises(ConfigError, match="--action-flags"):
        sync_text("first_name\nBruce\n", action_flags=flags, match_on="first_name")
    assert not Person.objects.exists()


def test_flags_in_code_follow_the_same_rule() -> None:
    """P2, F2: a delete cannot go with create or update."""
    assert SyncActions(create=True, force=True) == Flags(create=True, force=True)
    with pytest.raises(ValueError, match="delete"):
        SyncActions(update=True, delete=True)
