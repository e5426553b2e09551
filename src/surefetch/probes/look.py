"""Look at everything that a fetch depends on, side by side, within a few seconds."""

from __future__ import annotations

import platform
import time
from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path
from typing import Any, Final
from urllib.parse import urlsplit

import msgspec

from surefetch.diagnose.doctor import NOBODY
from surefetch.diagnose.facts import Facts, HostFacts
from surefetch.model import Artifact, Struct
from surefetch.paths import home_folder
from surefetch.probes.clients import look_at_clients, variables_in_play
from surefetch.probes.dials import dial
from surefetch.probes.disk import StoreLook, look_at_files
from surefetch.probes.hosts import HostLooks, Target
from surefetch.probes.race import Race
from surefetch.transfer.engine import Engine
from surefetch.transfer.proxies import ProxyResolver
from surefetch.transfer.trust import Trust, unusable

#: Seconds for everything.
SECONDS: Final = 5.0
#: Seconds kept for collecting what came.
_MARGIN: Final = 0.4
#: Share of the time after which a connection must stand: libcurl then says where it hangs.
_CONNECTING: Final = 0.9
#: Hosts that are dialled by both address families.
_DIALLED: Final = 4


class Asked(Struct, frozen=True, kw_only=True):
    """What doctor is asked to look at. `settings` are those that differ from their defaults."""

    wanted: str = ""
    targets: tuple[Target, ...] = ()
    artifacts: tuple[tuple[str, Artifact], ...] = ()  # (dataset, artifact) to look for in other tools' caches
    store: str = ""
    needed_bytes: int = 0
    offline: str = ""  # what decided that offline is set
    settings: tuple[tuple[str, str, str], ...] = ()  # (name, value, what decided it), secrets masked
    ca_bundle: str = ""
    shell: str = "posix"
    surefetch: str = "surefetch"
    version: str = ""
    seconds: float = SECONDS


def look(
    asked: Asked,
    environ: Mapping[str, str],
    *,
    engine: Engine | None,
    proxies: ProxyResolver,
    trust: Trust,
    lookup: Callable[[str], str | None] | None = None,
) -> Facts:
    """Look at everything and return the facts. Nothing is changed; no host is asked that was not named.

    Args:
        asked: What to look at.
        environ: The environment.
        engine: For the hosts, with `keep_exchanges`; None when offline: then no socket is opened. The
            caller closes it.
        proxies: What decides how a URL is reached.
        trust: Whom TLS trusts.
        lookup: Gives the name of a known file for a digest.
    """
    started = time.monotonic()
    until = started + _looking_seconds(asked.seconds)
    home = home_folder()
    looks: dict[str, Callable[[], Any]] = {
        "store": partial(StoreLook, Path(asked.store)),
        "other tools' caches": partial(look_at_files, asked.artifacts, environ, home, until, lookup),
    }
    dialled = _dialled(asked, proxies) if engine else {}
    looks |= {f"connections to {host}": partial(dial, host, port) for host, port in dialled.items()}
    race = Race(looks)
    hosts = HostLooks(engine, proxies, asked.targets).run(until) if engine else ()
    found, late = race.collect(until + _MARGIN / 2)
    files, has_seen_all = found.get("other tools' caches", ((), True))
    store: StoreLook | None = found.get("store")
    first = next((target.url for target in asked.targets), "https://example.org/")
    return Facts(
        wanted=asked.wanted,
        platform=f"{platform.system()} {platform.release()}, Python {platform.python_version()}",
        shell=asked.shell,
        surefetch=asked.surefetch,
        version=asked.version,
        now=time.time(),
        seconds=time.monotonic() - started,
        offline=asked.offline,
        variables=variables_in_play(environ),
        settings=asked.settings,
        store=asked.store,
        store_cause=store.cause if store else "",
        store_detail=store.detail if store else "",
        free_bytes=store.free_bytes if store else None,
        needed_bytes=asked.needed_bytes,
        trust=trust.describe(),
        trust_problem=trust.problem,
        unusable_trust=unusable(environ, asked.ca_bundle),
        ca_bundle=asked.ca_bundle,
        hosts=tuple(_with_dials(host, found) for host in hosts),
        files=files,
        clients=look_at_clients(first, environ),
        not_checked=_not_checked(asked, hosts, late, has_seen_all=has_seen_all),
    )


def connecting_seconds(seconds: float) -> float:
    """Return the seconds after which a connection must stand, of those for all looks."""
    return _looking_seconds(seconds) * _CONNECTING


def _looking_seconds(seconds: float) -> float:
    return max(0.5, seconds - _MARGIN)


def _dialled(asked: Asked, proxies: ProxyResolver) -> dict[str, int]:
    """Hosts that are reached directly: behind a proxy a connection of our own would say nothing."""
    found: dict[str, int] = {}
    for target in asked.targets:
        parts = urlsplit(target.url)
        if parts.hostname and len(found) < _DIALLED and _is_direct(proxies, target.url):
            found.setdefault(parts.hostname, parts.port or (443 if parts.scheme == "https" else 80))
    return found


def _is_direct(proxies: ProxyResolver, url: str) -> bool:
    from surefetch.errors import SettingError

    try:
        return proxies.resolve(url).proxy is None
    except SettingError:  # the look at the host itself tells what is wrong with the setting
        return False


def _with_dials(host: HostFacts, found: Mapping[str, Any]) -> HostFacts:
    dials = found.get(f"connections to {urlsplit(host.url).hostname}", ())
    return msgspec.structs.replace(host, dials=dials)


def _not_checked(
    asked: Asked, hosts: tuple[HostFacts, ...], late: tuple[str, ...], *, has_seen_all: bool
) -> tuple[str, ...]:
    found = [f"{name} (not done in time)" for name in late]
    if asked.offline:
        found.append("hosts (offline is set)")
    elif not asked.targets:
        found.append(NOBODY)
    if any(host.proxy for host in hosts):
        found.append("IPv4 and IPv6 apart (a proxy is used)")
    if not has_seen_all:
        found.append("some files of other tools' caches (not done in time)")
    return tuple(found)
