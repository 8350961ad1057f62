"""The thread that works on jobs, one item at a time; each replica has one, and they share the items through the records."""

import logging
import threading
import time
from collections.abc import Callable, Mapping
from typing import Any, Final

from serving.edge import told_error
from serving.records import Item, Job, Records
from sticker_studio.errors import StickerError

log = logging.getLogger(__name__)

LOOK_S: Final = 1.0
"""How often items of other replicas are looked for."""
PURGE_S: Final = 60.0

Work = Callable[[Job, Item, bytes], Mapping[str, Any]]


class JobRunner(threading.Thread):
    """Takes items as long as there are any. `work(job, item, input)` returns the outcome, or raises."""

    def __init__(self, records: Records, work: Work) -> None:
        super().__init__(name="job-runner", daemon=True)
        self._records, self._work = records, work
        self._wake, self._stopped = threading.Event(), False
        self._purged_at = 0.0

    def wake(self) -> None:
        """There is something new."""
        self._wake.set()

    def stop(self) -> None:
        """End after the current item."""
        self._stopped = True
        self._wake.set()

    def run(self) -> None:
        """Work until stopped; a database that is away is tried again."""
        while not self._stopped:
            try:
                self._purge()
                busy = self.step()
            except Exception:
                log.exception("jobs: the records can't be read; trying again in %.0f s", LOOK_S)
                busy = False
            if not busy:
                self._wake.wait(LOOK_S)
                self._wake.clear()

    def step(self) -> bool:
        """Work on one item; whether there was one. One item's failure does not end the others."""
        item = self._records.claim()
        if item is None:
            return False
        try:
            outcome = self._work(self._records.job(item.job_id), item, self._records.input_of(item))
        except StickerError as error:
            self._records.finish(item, "failed", told_error(error))
        except Exception:
            log.exception("job item %s/%s failed", item.job_id[:6], item.number)
            self._records.finish(item, "failed", told_error(StickerError("expected a sticker, got an internal error; see the service's log")))
        else:
            self._records.finish(item, "done", outcome)
        return True

    def _purge(self) -> None:
        if time.monotonic() - self._purged_at > PURGE_S:
            self._purged_at = time.monotonic()
            self._records.purge()
