"""The network of one fetch: engine, proxies, trust and credentials, made when the first socket is needed."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable
from contextlib import AbstractContextManager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from surefetch import __version__
from surefetch.events import Answered, Event
from surefetch.model import Lookup
from surefetch.plan.planner import Goal
from surefetch.session.targets import Target
from surefetch.session.user_catalogs import own_hosts
from surefetch.store import files
from surefetch.transfer import urls

if TYPE_CHECKING:
    from surefetch.buffers import Buffers
    from surefetch.machine.lookups import Lookups
    from surefetch.observation import Observation
    from surefetch.session.facade import Session
    from surefetch.transfer.har import NetworkLog

#: Exchanges kept of the last transfer.
KEPT = 60
#: What an index page is asked for with: JSON (PEP 691), else HTML (PEP 503); pip's own header.
ACCEPT_INDEX = (
    "Accept: application/vnd.pypi.simple.v1+json, application/vnd.pypi.simple.v1+html;q=0.1, text/html;q=0.01"
)


class NetworkMaker:
    """Mutable: remembers the lookups of this machine, whose package settings the engine needs."""

    def __init__(self, session: Session, target: Target, buffers: Buffers) -> None:
        self._session, self._target, self._buffers = session, target, buffers
        self._lookups: Lookups | None = None
        self._making = threading.Lock()
        self._credentials: Any = None
        self._proxies: Any = None
        self._has_given = False  # the indexes' credentials to the engine
        self._engine: Any = None

    def make(self) -> Any:
        """Make the transfer engine.

        Raises:
            SettingError: A proxy or trust setting cannot be used.
        """
        from surefetch.session.engine import make_credentials, make_engine, make_resolver

        self._proxies = make_resolver(self._session)
        self._credentials = make_credentials(self._session, self._target.mirrors)
        self._engine = make_engine(
            self._session,
            self._named_hosts(),
            self._credentials,
            buffers=self._buffers,
            proxies=self._proxies,
        )
        return self._engine

    def check_trace(self) -> None:
        """See to it that the network log can be written, before anything is fetched.

        Raises:
            StoreError: It cannot be written.
        """
        if not self._session.settings.trace:
            return
        path = Path(self._session.settings.trace).expanduser()
        with _told(path):
            if path.is_file() or path.is_dir() or not path.exists():  # a pipe would take it for the log
                os.close(os.open(path, os.O_WRONLY | os.O_CREAT, 0o600))

    def write_trace(self) -> None:
        """Write the network log to the file that the settings name.

        Raises:
            StoreError: It cannot be written.
        """
        if self._session.settings.trace:
            path = Path(self._session.settings.trace).expanduser()
            with _told(path):
                self._network_log().write(path)

    def log(self) -> dict[str, Any]:
        """Return what is kept of the last transfer: HAR, of the failures alone without `--trace`."""
        engine = self._engine
        if engine is None or (engine.log is None and not engine.failures()):
            return {}
        document: dict[str, Any] = self._network_log().document()
        document["log"]["entries"] = document["log"]["entries"][-KEPT:]
        return document

    def failures(self) -> list[Observation]:
        """Return what was seen of the last requests that failed, oldest first."""
        return list(self._engine.failures()) if self._engine is not None else []

    def _network_log(self) -> NetworkLog:
        from surefetch.transfer.har import NetworkLog

        if self._engine is not None and self._engine.log is not None:
            kept: NetworkLog = self._engine.log
            return kept
        log = NetworkLog(f"surefetch/{__version__}")
        for seen in self.failures():
            log.add(seen, seen.now or 0.0)
        return log

    def look(self, goal: Goal) -> Callable[[Lookup], Event]:
        """Return what carries out lookups of this machine for a goal."""

        def carry_out(lookup: Lookup) -> Event:
            return self._machine(goal).carry_out(lookup)

        return carry_out

    def index(self, engine: Any, lookup: Lookup) -> None:
        """Start the lookup of an index page; the user's package client named its host."""
        if self._lookups is not None and not self._has_given:
            self._has_given = True
            self._credentials.give(self._lookups.index_credentials())
        engine.fetch_page(lookup, lookup.target, (ACCEPT_INDEX,), may_be_private=True)

    def notes(self) -> list[str]:
        """Say which settings of this machine were mended or passed over for the requests that went out."""
        if self._engine is None:
            return []
        return [*self._proxies.repairs, *self._credentials.warnings]

    def uses_credential(self, url: str) -> bool:
        """Whether the origin of a URL is shown who asks."""
        return bool(self._credentials is not None and self._credentials.headers(urls.spelled(url)))

    def enclosed(self, engine: Any, event: Answered) -> Answered:
        """Say with an index page where it came from: its links are relative to that, and as private."""
        from surefetch.sources.pages import enclose

        url, is_private = engine.page_place(event.lookup)
        return Answered(lookup=event.lookup, answer=enclose(event.answer, url, is_private=is_private))

    def _machine(self, goal: Goal) -> Lookups:
        """Make what looks at this machine when the first lookup wants it; workers may come at once."""
        from surefetch.machine.lookups import Lookups

        with self._making:
            if self._lookups is None:
                session = self._session
                self._lookups = Lookups(
                    session.environ, session.store.private, goal.dataset, session.store.folder
                )
            return self._lookups

    def _named_hosts(self) -> frozenset[str]:
        settings = self._session.settings
        named = [*self._target.mirrors, *settings.mirror, *settings.rewrite.values()]
        own = own_hosts(self._session, [self._target.dataset])
        return own | frozenset(host for url in named if (host := urls.named_host(url)))


def _told(path: Path) -> AbstractContextManager[None]:
    return files.told(path, "written", "name another file with `--trace`")
