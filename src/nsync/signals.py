"""
Signals of a run. Receivers run in the run's process, and inside its transaction where one is open.

``run_started``: ``inputs`` (what is synced), ``options``. Before anything is read past the headers.
``batch_applied``: ``source`` (its name), ``rows`` (read so far from it), ``phase`` (0-based).
``run_finished``: ``report``. After the transaction has ended, whatever the end was.
"""

from django.dispatch import Signal

run_started = Signal()
batch_applied = Signal()
run_finished = Signal()
