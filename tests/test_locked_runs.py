"""One run at a time per model: what a run, an undo and the commands do where another run has the model (rule T7)."""

from __future__ import annotations

import io
from typing import Any

import pytest
from django.core.management import call_command
from django.core.management.base import CommandError

from nsync import SyncOptions, sync
from nsync.locks import DEAD, Locked
from nsync.models import Run as RunRecord
from nsync.undo import undo
from tests.test_locks import held
from tests.testapp.models import House, Person

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.database("postgresql", "mariadb")]
TEXT = "external_key,action_flags,match_on,address\nk1,cu*,address,Manor\n"


def run(**options: Any) -> Any:
    return sync(io.StringIO(TEXT), House, system="HR", options=SyncOptions(record="changes", **options))


@pytest.mark.parametrize("as_transaction", [True, False])
def test_a_second_run_is_refused_and_says_which_run_has_the_model(as_transaction: bool) -> None:
    first = RunRecord.objects.create(model="testapp.House", user="bruce", host="cave")
    with held([House], "default", run=first.pk), pytest.raises(Locked, match=rf"run {first.pk} \(bruce@cave"):
        run(as_transaction=as_transaction)
    assert not House.objects.exists()
    refused = RunRecord.objects.latest("pk")
    assert (refused.status, refused.pk) == ("failed", first.pk + 1)
    assert f"run {first.pk}" in refused.error
    first.refresh_from_db()
    assert first.status == "running"  # nobody marks it while it lives
    run(as_transaction=as_transaction)
    first.refresh_from_db()
    assert (first.status, first.error, House.objects.count()) == ("failed", DEAD, 1)


def test_a_run_at_another_model_is_not_kept_out() -> None:
    with held([Person], "default"):
        assert run().committed


def test_a_dry_run_waits_for_its_turn_too() -> None:
    with held([House], "default"), pytest.raises(Locked, match=r"waited 0\.2 s in vain"):
        run(dry_run=True, wait=0.2)


def test_an_undo_is_refused_as_well() -> None:
    run()
    number = RunRecord.objects.latest("pk").pk
    with held([House], "default"), pytest.raises(Locked):
        undo(number)
    assert House.objects.count() == 1
    undo(number)
    assert not House.objects.exists()


def test_the_commands_end_with_6(tmp_path: Any) -> None:
    run()
    path = tmp_path / "houses.csv"
    path.write_text(TEXT)
    for command in (("syncfile", "HR", "testapp", "House", str(path)), ("syncundo", "1")):
        name, *given = command
        if name == "syncundo":
            given = [str(RunRecord.objects.filter(status="applied").latest("pk").pk)]
        with held([House], "default"), pytest.raises(CommandError, match="is being synced by") as ended:
            call_command(name, *given)
        assert ended.value.returncode == 6


def test_runs_that_were_killed_are_marked_when_runs_are_listed(capsys: pytest.CaptureFixture[str]) -> None:
    dead = RunRecord.objects.create(model="testapp.House")
    call_command("syncruns")
    dead.refresh_from_db()
    assert (dead.status, dead.error) == ("failed", DEAD)
    assert "failed" in capsys.readouterr().out
