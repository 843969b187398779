"""``--notify``: the admins get a mail when a command fails, and only then."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable
from pathlib import Path
from typing import Any

import django
import pytest
from django.core.mail import EmailMessage
from django.core.mail.backends.base import BaseEmailBackend
from django.db import connection

from nsync.models import Run
from tests.commands.conftest import Project, Ran
from tests.commands.test_exit_codes import BAD, GOOD, _wait_for
from tests.test_locks import held
from tests.testapp.models import House, Person

Command = Callable[..., Ran]
SYNC = ("syncfile", "HR", "testapp", "Person", "persons.csv", "--notify", "-v", "0")
BREAKS = "tests.commands.policies.BreaksItsBoundary"
# Django 6.0 has begun to take addresses alone; before, names had to go with them.
ADMINS: list[Any] = ["us@example.com"] if django.VERSION >= (6, 0) else [("Night watch", "us@example.com")]

# From Django 6.1 on MAILERS says what EMAIL_BACKEND did, and still does with a warning.
OLD_SETTING = pytest.mark.filterwarnings("ignore:.*(MAILERS|EMAIL_BACKEND|EMAIL_):")
pytestmark = OLD_SETTING


@pytest.fixture(autouse=True)
def admins(settings: Any, in_folder: Path) -> None:
    settings.ADMINS = ADMINS
    settings.NSYNC = {}
    (in_folder / "persons.csv").write_text(BAD)
    (in_folder / "good.csv").write_text(GOOD)


class Broken(BaseEmailBackend):
    """A mail server that does not answer."""

    def send_messages(self, email_messages: Any) -> int:
        raise ConnectionRefusedError("no mail today")


def the_mail(outbox: list[EmailMessage]) -> tuple[str, str]:
    """Give subject and body of the only mail."""
    (mail,) = outbox
    assert mail.to == ["us@example.com"]
    return mail.subject.removeprefix("[Django] "), str(mail.body)


def test_a_run_that_fails_is_told_with_its_summary_and_its_bad_rows(
    command: Command, mailoutbox: list[EmailMessage]
) -> None:
    ran = command(*SYNC)

    run = Run.objects.latest("pk").pk
    subject, body = the_mail(mailoutbox)
    assert ran.code == 1
    assert subject == "syncfile HR testapp.Person: rolled back (exit code 1)"
    assert "ended with exit code 1: rolled back.\n" in body
    assert f"It is run {run}: manage.py syncruns {run} tells all that is kept of it.\n" in body
    assert "\nNothing was committed: 1 of 2 rows failed.\n" in body
    assert "\nThe first rows that failed\n  persons.csv:3 invalid-integer: [age] not a whole number" in body
    assert "Homer" not in body


@pytest.mark.parametrize(
    ("arguments", "code", "subject", "said"),
    [
        (("--on-error", "skip"), 3, "applied with rejects", "Applied, but 1 of 2 rows failed and were left out."),
        (("--max-errors", "1"), 1, "failed", "stopped after 1 row errors"),
        (("--dry-run",), 1, "dry run", "Nothing was written (dry run); 1 of 2 rows failed."),
        (("--strict", "--map", "age=aeg"), 1, "stopped by an error", "did you mean age?"),
        (("--format", "cvs"), 1, "stopped by an error", "did you mean csv?"),
        (("--check",), 2, "the command line cannot be understood", "--check goes with --dry-run"),
    ],
)
def test_every_way_to_fail_is_told(
    command: Command, mailoutbox: list[EmailMessage], arguments: tuple[str, ...], code: int, subject: str, said: str
) -> None:
    """T7."""
    assert command(*SYNC, *arguments).code == code

    found, body = the_mail(mailoutbox)
    assert found == f"syncfile HR testapp.Person: {subject} (exit code {code})"
    assert said in body


def test_a_file_that_is_not_there_is_told(command: Command, in_folder: Path, mailoutbox: list[EmailMessage]) -> None:
    (in_folder / "persons.csv").unlink()

    assert command(*SYNC).code == 1

    _, body = the_mail(mailoutbox)
    assert "persons.csv" in body
    assert "It is run" not in body


def test_a_file_that_ends_too_early_is_told(command: Command, in_folder: Path, mailoutbox: list[EmailMessage]) -> None:
    (in_folder / "persons.csv").write_text(GOOD + '2,c,"')

    assert command(*SYNC).code == 1

    subject, body = the_mail(mailoutbox)
    assert subject == "syncfile HR testapp.Person: failed (exit code 1)"
    assert "a quote that opens in this record is never closed" in body


def test_files_are_told_by_their_systems_and_models(
    command: Command, in_folder: Path, mailoutbox: list[EmailMessage]
) -> None:
    (in_folder / "HR_testapp_Person.csv").write_text(BAD)
    (in_folder / "CRM_testapp_House.csv").write_text("action_flags,match_on,address\nc,address,Manor\n")

    command("syncfiles", "HR_testapp_Person.csv", "CRM_testapp_House.csv", "--notify")
    command("syncfiles", "what.csv", "--notify")

    first, second = mailoutbox
    assert "syncfiles HR testapp.Person, CRM testapp.House: rolled back (exit code 1)" in first.subject
    assert "syncfiles: stopped by an error (exit code 1)" in second.subject


def test_what_the_project_raises_is_told_and_still_raised(command: Command, mailoutbox: list[EmailMessage]) -> None:
    with pytest.raises(ZeroDivisionError):
        command(*SYNC, "--policy", BREAKS)

    subject, body = the_mail(mailoutbox)
    assert subject == "syncfile HR testapp.Person: stopped by an error (exit code 1)"
    assert "ZeroDivisionError: 39 by 0" in body
    assert f"syncruns {Run.objects.latest('pk').pk} tells" in body


def test_a_mistake_in_the_settings_of_the_project_is_told(
    command: Command, settings: Any, mailoutbox: list[EmailMessage]
) -> None:
    """System checks come before the command itself."""
    settings.NSYNC = {"NEVER_WRIT": []}

    assert command(*SYNC, skip_checks=False).code == 1

    assert "Did you mean 'NEVER_WRITE'?" in the_mail(mailoutbox)[1]


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs /dev/full")
def test_a_report_that_cannot_be_written_is_told(
    command: Command, in_folder: Path, mailoutbox: list[EmailMessage]
) -> None:
    (in_folder / "report.json").symlink_to("/dev/full")

    ran = command("syncfile", "HR", "testapp", "Person", "good.csv", "--notify", "--report", "report.json")

    assert ran.code == 3
    subject, body = the_mail(mailoutbox)
    assert subject == "syncfile HR testapp.Person: applied (exit code 3)"
    assert "cannot write report.json: No space left on device" in body


@pytest.mark.parametrize(
    "arguments",
    [
        ("good.csv", "--notify"),
        ("good.csv", "--notify", "--dry-run", "--check"),  # exit code 5 is what was asked for
        ("persons.csv",),
        ("persons.csv", "--no-notify"),
    ],
)
def test_nothing_else_is_told(
    command: Command, in_folder: Path, mailoutbox: list[EmailMessage], arguments: tuple[str, ...]
) -> None:
    command("syncfile", "HR", "testapp", "Person", *arguments)

    assert mailoutbox == []


def test_values_that_are_not_to_be_kept_are_in_no_mail(
    command: Command, in_folder: Path, settings: Any, mailoutbox: list[EmailMessage]
) -> None:
    settings.NSYNC = {"REDACT": ["testapp.Person.age", "testapp.Person.employee_id"]}
    Person.objects.create(first_name="Homer", employee_id="Secret1", age=38)
    text = BAD.replace("forty", "Secret2") + "4,c,,Ned,Secret1,3\n5,c,,Ned,E5,3,Shown\n"
    (in_folder / "persons.csv").write_text(text.replace("E1", "Secret1").replace("39", "4711"))

    command(*SYNC)
    command(*SYNC, "--dry-run")

    assert len(mailoutbox) == 2
    for mail in mailoutbox:
        assert "persons.csv:3 invalid-integer: [age]" in mail.body
        assert "persons.csv:4" in mail.body
        assert "Secret" not in mail.body
        assert "4711" not in mail.body


def test_nor_is_what_a_snapshot_was_to_set(command: Command, settings: Any, mailoutbox: list[EmailMessage]) -> None:
    settings.NSYNC = {"REDACT": ["testapp.Person.age"]}

    assert command(*SYNC, "--snapshot", "--snapshot-action", "set:age=Secret").code == 1

    body = the_mail(mailoutbox)[1]
    assert "--snapshot-action set:age=(not kept): " in body
    assert "Secret" not in body


@pytest.mark.parametrize("is_redacted", [True, False])
def test_words_that_are_not_ours_may_hold_such_values(
    command: Command, settings: Any, mailoutbox: list[EmailMessage], is_redacted: bool
) -> None:
    settings.NSYNC = {"REDACT": ["testapp.Person.age"]} if is_redacted else {}

    with pytest.raises(ZeroDivisionError):
        command(*SYNC, "--policy", BREAKS)

    assert ("39 by 0" in the_mail(mailoutbox)[1]) is not is_redacted


def test_without_admins_it_says_so_at_once(command: Command, settings: Any, mailoutbox: list[EmailMessage]) -> None:
    settings.ADMINS = []

    ran = command("syncfile", "HR", "testapp", "Person", "good.csv", "--notify")

    assert (ran.code, mailoutbox) == (0, [])
    assert ran.err == "--notify: ADMINS is empty in the settings of the project, so nobody gets a mail\n"
    assert command("syncfile", "HR", "testapp", "Person", "good.csv").err == ""


def test_a_mail_that_cannot_be_sent_does_not_change_the_exit_code(command: Command, settings: Any) -> None:
    settings.EMAIL_BACKEND = "tests.commands.test_notify.Broken"

    ran = command(*SYNC, "--on-error", "skip")

    assert ran.code == 3
    assert "--notify: no mail could be sent: ConnectionRefusedError: no mail today\n" in ran.err


@pytest.mark.django_db(transaction=True)
@pytest.mark.database("postgresql", "mariadb")
def test_a_model_that_another_run_has_is_told(command: Command, mailoutbox: list[EmailMessage]) -> None:
    """T7."""
    with held([Person], "default"):
        assert command(*SYNC).code == 6

    subject, body = the_mail(mailoutbox)
    assert subject == "syncfile HR testapp.Person: another run is at one of the models (exit code 6)"
    assert "testapp.Person is being synced by" in body
    assert f"syncruns {Run.objects.latest('pk').pk} tells" in body


# --- an undo ------------------------------------------------------------------------------------------------------


def test_an_undo_that_leaves_something_is_told(
    command: Command, settings: Any, in_folder: Path, mailoutbox: list[EmailMessage]
) -> None:
    (in_folder / "houses.csv").write_text("action_flags,match_on,address,floors\ncu*,address,Manor,2\n")
    House.objects.create(address="Manor", floors=1)
    command("syncfile", "HR", "testapp", "House", "houses.csv")
    run = Run.objects.latest("pk")
    House.objects.update(floors=4711)

    assert command("syncundo", str(run.pk), "--notify").code == 3
    settings.NSYNC = {"REDACT": ["testapp.House.floors"]}
    assert command("syncundo", str(run.pk), "--notify").code == 3

    first, second = mailoutbox
    assert first.subject == f"[Django] syncundo {run.pk}: something was left (exit code 3)"
    assert f"It is run {run.pk + 1}: manage.py syncruns {run.pk + 1} tells" in first.body
    assert "Left as it is: 1" in first.body
    assert "floors: is 4711 now, not 2" in first.body
    assert "floors: it was changed since" in second.body
    assert "4711" not in second.body


def test_an_undo_that_cannot_be_is_told(command: Command, mailoutbox: list[EmailMessage]) -> None:
    assert command("syncundo", "4711", "--notify").code == 1

    subject, body = the_mail(mailoutbox)
    assert subject == "syncundo 4711: stopped by an error (exit code 1)"
    assert "there is no run 4711" in body


@pytest.mark.parametrize(("sent", "code"), [(signal.SIGTERM, 143), (signal.SIGINT, 130)])
def test_a_signal_takes_an_undo_back_and_is_told(
    command: Command, mailoutbox: list[EmailMessage], sent: signal.Signals, code: int
) -> None:
    """T7."""
    command("syncfile", "HR", "testapp", "Person", "good.csv")
    run = Run.objects.latest("pk").pk

    def send(execute: Callable[..., object], sql: str, *others: object) -> object:
        if sql.startswith("DELETE FROM") and "testapp_person" in sql:
            os.kill(os.getpid(), sent)
        return execute(sql, *others)

    with connection.execute_wrapper(send):
        try:
            ran = command("syncundo", str(run), "--notify")
        except KeyboardInterrupt:  # which code that calls the command catches by itself
            ran = Ran(130, "", "")

    undone = Run.objects.latest("pk")
    subject, body = the_mail(mailoutbox)
    assert ran.code == code
    assert Person.objects.count() == 1
    assert (undone.undoes_id, undone.status) == (run, "failed")
    assert subject == f"syncundo {run}: ended by {'SIGTERM' if code == 143 else 'Ctrl-C'} (exit code {code})"
    assert f"syncruns {undone.pk} tells" in body


# --- a process of its own -----------------------------------------------------------------------------------------


@pytest.mark.database("sqlite")
def test_sigterm_is_told(project: Project) -> None:
    """T7."""
    paused, mails = project.folder / "paused", project.folder / "mails"
    settings = project.folder / "project_settings.py"
    backend = "django.core.mail.backends.filebased.EmailBackend"
    settings.write_text(
        f"{settings.read_text()}\nADMINS = {ADMINS!r}\nEMAIL_BACKEND, EMAIL_FILE_PATH = {backend!r}, {str(mails)!r}\n"
    )
    policy = ("--policy", "tests.commands.policies.PausesAfterEach")

    with project.start(*SYNC, *policy, NSYNC_TEST_PAUSED=str(paused)) as process:
        _wait_for(paused)
        process.send_signal(signal.SIGTERM)
        _, err = process.communicate(timeout=30)

    (mail,) = mails.iterdir()
    text = mail.read_text()
    assert process.returncode == 143
    assert err == "ended by SIGTERM; what was not committed yet was rolled back; syncruns 1 tells what is kept of it\n"
    assert "Subject: [Django] syncfile HR testapp.Person: ended by SIGTERM (exit code 143)" in text
    assert "syncruns 1 tells" in text
    assert "--notify" in text  # the command line
