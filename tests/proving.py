"""Whether rows that change nothing are passed over, and only those: engines compared where a proof is really used."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any
from unittest import mock

from nsync.plan.proving import Proof, Prover
from tests.agreeing import Example, File, Run, Stale, Thing, Variant, check
from tests.many import rows

SIZES = {"basic": 2, "ordered": 3}  # of batches; sources of more rows are proved
ANY = -1  # it does not matter how many rows are passed over
_LETTERS = "ABCDEFGHIJKLMNOPQRSTUVWXYZABCDEFGH"


@contextmanager
def proofs() -> Iterator[list[Proof | None]]:
    """Collect what each try to prove a source came to; None: it was given up."""
    found: list[Proof | None] = []
    prove = Prover.prove

    def spy(self: Prover, *args: Any) -> Proof | None:
        found.append(None)  # stays, if it raises
        found[-1] = prove(self, *args)
        return found[-1]

    with mock.patch.object(Prover, "prove", spy):
        yield found


def passed_over(proof: Proof | None) -> int | None:
    """Give the number of rows that are not looked at; None without a proof."""
    return None if proof is None else proof.unproved.count(0)


@dataclass(frozen=True)
class Case:
    """One run, and how many rows of its first proof are passed over; None: nothing is proved."""

    start: Sequence[Thing | Stale]
    files: tuple[File, ...]
    passed: int | None
    options: Mapping[str, Any]
    policy: str = "basic"

    def check(self, models: Collection[str], *, listens: bool = False) -> None:
        """Compare engines from the same start."""
        example = Example(tuple(self.start), (Run(self.files, self.options, self.policy),))
        with proofs() as found:
            check(example, models, [Variant("auto", SIZES[self.policy])], listens=listens)
        counts = [passed_over(proof) for proof in found]
        is_right = self.passed == ANY or (counts[0] if counts else None) == self.passed
        assert is_right, f"{example}\n\npassed over {counts}, not {self.passed}"


def case(
    start: Sequence[Thing | Stale],
    *texts: str | bytes | File,
    passed: int | None,
    policy: str = "basic",
    **options: Any,
) -> Case:
    """Give a case; a text alone is a file of parcels. Failed rows are skipped unless options say so."""
    files = tuple(text if isinstance(text, File) else File("Parcel", text) for text in texts)
    return Case(start, files, passed, {"on_error": "skip", **options}, policy)


def parcels(count: int, *, own_labels: bool = False, **values: Any) -> list[Thing]:
    """Give parcels with the codes 1, 2 …, the label A or labels A, B …, and the keys k1, k2 … of HR."""
    return [
        Thing(
            "Parcel",
            {"code": str(n), "label": _LETTERS[n - 1] if own_labels else "A", **values},
            (("HR", f"k{n}"),),
        )
        for n in range(1, count + 1)
    ]


CROWD = ("Depot", "Parcel", "Shelf")
SIX = parcels(6)
HEAD = "external_key,action_flags,match_on,code,label\n"
SAME = rows({"external_key": "k{}", "action_flags": "cu*", "match_on": "code", "code": "{}", "label": "A"}, range(1, 7))
BARE_SAME = rows({"external_key": "k{}", "code": "{}", "label": "A"}, range(1, 7))
BY_OPTIONS: dict[str, Any] = {"action_flags": "cu*", "match_on": "code"}
BY_LABEL: dict[str, Any] = {"action_flags": "cu*", "match_on": "label"}
BY_KEY: dict[str, Any] = {"action_flags": "cu*", "match_on": ""}
LABELLED = parcels(6, own_labels=True)
PIECES = BARE_SAME.replace("label", "pieces").replace(",A", ",")
LABELS = "external_key,label,code\n" + "".join(f"k{n},{label},{n}\n" for n, label in enumerate("ABCDEF", 1))


def first(text: str, row: str) -> str:
    """Put a row before the others."""
    header, rest = text.split("\n", 1)
    return f"{header}\n{row}\n{rest}"


def cells(column: str, *texts: str) -> str:
    """Write a file of parcels with one more column."""
    return f"external_key,code,{column}\n" + "".join(f"k{n},{n},{text}\n" for n, text in enumerate(texts, 1))


def both(text: str, row: str) -> tuple[str, str]:
    """Put a row before the others, and after them."""
    return first(text, row), f"{text}{row}\n"
