"""The transfer engine of a session: proxies, trust and credentials as settings and the machine have them."""

from __future__ import annotations

import math
from collections.abc import Sequence
from functools import partial
from typing import TYPE_CHECKING, Final

from surefetch import __version__
from surefetch.events import Failure
from surefetch.observation import Observation
from surefetch.session.limits import limits_of
from surefetch.sources.urls import split_userinfo
from surefetch.transfer import urls
from surefetch.transfer.credentials import Credentials
from surefetch.transfer.engine import Engine
from surefetch.transfer.options import Options
from surefetch.transfer.proxies import ProxyResolver, pac_from_pypac, system_settings

if TYPE_CHECKING:
    from surefetch.buffers import Buffers
    from surefetch.session.facade import Session
    from surefetch.transfer.trust import Trust

#: A connection that was silent for this share of what a request is waited for is dead when that is given up.
_DEAD: Final = 0.75
#: From this rate on, in bytes per second, a limit is none: no process takes in so much, and the system
#: counts what it may take in ahead in 31 bits.
NO_LIMIT = 1 << 31


def make_engine(
    session: Session,
    named_hosts: frozenset[str],
    credentials: Credentials,
    *,
    buffers: Buffers | None = None,
    proxies: ProxyResolver | None = None,
    keeps_log: bool = False,
    connect_timeout: float = math.inf,
) -> Engine:
    """Make the engine; it opens no connection before the first request.

    Args:
        session: Its settings and environment decide.
        named_hosts: Hosts that the user, a setting or a mirror rule named: they may be private.
        credentials: What is shown to whom.
        buffers: What bodies gather in.
        proxies: What decides how a URL is reached; None: what the settings say.
        keeps_log: Gather every exchange in `Engine.log`.
        connect_timeout: Seconds until a connection must stand, if that is sooner than the setting says.

    Raises:
        SettingError: A proxy or trust setting cannot be used.
    """
    settings = session.settings
    find = partial(_find_trust, session)
    return Engine(
        Options(
            connections=limits_of(session).wire,
            connect_timeout=min(settings.connect_timeout, connect_timeout),
            limit_rate=settings.limit_rate if settings.limit_rate < NO_LIMIT else 0,
            dead_after=_DEAD * min(settings.first_byte_timeout, settings.stall_timeout),
            keep_exchanges=keeps_log or bool(settings.trace),
        ),
        proxies=proxies or make_resolver(session),
        trust=find() if settings.ca_bundle else find,  # without one nothing can be wrong, and http needs none
        credentials=credentials,
        named_hosts=named_hosts,
        user_agent=user_agent(settings.contact),
        buffers=buffers,
        judge=_judge,
    )


def _judge(seen: Observation) -> tuple[Failure, str, str]:
    """Let `diagnose` say why an attempt failed."""
    from surefetch.diagnose.attempts import judge  # failures only: most fetches do without

    verdict = judge(seen)
    return verdict.failure, verdict.cause, verdict.detail


def _find_trust(session: Session) -> Trust:
    from surefetch.transfer.trust import find_trust  # plain http does without

    return find_trust(session.environ, session.settings.ca_bundle, pip_cert=pip_setting(session, "cert"))


def pip_setting(session: Session, name: str) -> str:
    """Return a setting of pip's, `cert` or `proxy`, or "": a last resort, and said where it decides."""
    from surefetch.machine.client_settings import Place, read_pip  # seldom asked

    found = read_pip(Place.here(session.environ), (name,))
    return found[name].value if name in found else ""


def make_credentials(session: Session, named: Sequence[str] = ()) -> Credentials:
    """Make what knows credentials: netrc, tokens, and those that stand in URLs that the user wrote.

    Those of package indexes come with the first index.

    Args:
        session: Its settings and environment.
        named: URLs of this very call.
    """
    settings = session.settings
    given: dict[str, tuple[str, str]] = {}
    for url in (*named, *settings.mirror, *settings.rewrite.values()):
        _, userinfo = split_userinfo(url)
        if userinfo is not None:
            given.setdefault(urls.base(url), userinfo)  # of two for one host the first
    return Credentials(session.environ, given=given)


def make_resolver(session: Session) -> ProxyResolver:
    """Make what decides which proxy a URL goes through (docs/network.md)."""
    system, bypass = system_settings()
    return ProxyResolver(
        session.environ,
        proxy=session.settings.proxy,
        no_proxy=session.settings.no_proxy,
        system=system,
        bypass=bypass,
        pip_proxy=partial(pip_setting, session, "proxy"),
        pac=pac_from_pypac(),
    )


def user_agent(contact: str = "") -> str:
    """Return an honest User-Agent, with the user's contact if one is set (some hosts ask for it)."""
    extra = f"; {contact}" if contact else ""
    return f"surefetch/{__version__} (+https://github.com/surefetch/surefetch{extra})"
