"""Which proxy a URL goes through: one rule for all (docs/network.md), and what others would decide. Pure.

Only the system's settings on macOS and Windows and a PAC script are asked outside, through arguments.
"""

from __future__ import annotations

import ipaddress
import sys
from collections.abc import Callable, Mapping, Sequence
from typing import Final
from urllib.parse import unquote, urlsplit

from surefetch.errors import SettingError
from surefetch.model import Struct
from surefetch.transfer import addresses, urls

#: Schemes that a proxy's address may have, with the port that is meant when none is said.
SCHEMES: Final = {"http": 80, "https": 443, "socks4": 1080, "socks4a": 1080, "socks5": 1080, "socks5h": 1080}
#: What people write for them.
_SPELLINGS: Final = {"socks": "socks5h"}
DIRECT: Final = "direct"


class Decision(Struct, frozen=True, kw_only=True):
    """How one URL is reached, and what decided it."""

    proxy: str | None  # scheme://host:port, without userinfo; None: directly
    decided_by: str  # "setting proxy", "variable HTTPS_PROXY", "the system's settings", "nothing set", …
    repaired: str = ""  # what was mended in the value, for people
    user: str | None = None
    password: str | None = None

    def __repr__(self) -> str:
        """Without the password."""
        return f"Decision(proxy={self.proxy!r}, decided_by={self.decided_by!r}, repaired={self.repaired!r})"


class System(Struct, frozen=True, kw_only=True):
    """What the operating system's own settings say."""

    proxies: dict[str, str] = {}  # scheme -> proxy, as urllib.request.getproxies gives it
    name: str = "the system's settings"


class ProxyResolver:
    """Mutable: decides by settings, variables, the system and, last, what pip is told.

    Remembers in `repairs` what it mended, each once, to be said.
    """

    def __init__(
        self,
        environ: Mapping[str, str],
        *,
        proxy: str = "",
        no_proxy: str = "",
        system: System | None = None,
        bypass: Callable[[str], bool] | None = None,
        pip_proxy: str | Callable[[], str] = "",
        pac: Callable[[str], str | None] | None = None,
    ) -> None:
        """Take everything that may decide.

        Args:
            environ: The environment.
            proxy: The setting: a proxy for everything, `direct` for none, "" for what follows.
            no_proxy: The setting, added to the variable.
            system: The operating system's settings, where it has any.
            bypass: Whether the operating system reaches a host directly.
            pip_proxy: What pip's own configuration names, or what reads it; asked last.
            pac: Gives a PAC script's answer for a URL, such as `PROXY host:8080; DIRECT`.
        """
        self._environ, self._proxy, self._no_proxy = environ, proxy, no_proxy
        self._system, self._bypass, self._pip_proxy, self._pac = system, bypass, pip_proxy, pac
        self.repairs: list[str] = []

    def resolve(self, url: str) -> Decision:
        """Decide how a URL is reached.

        Raises:
            SettingError: The value that decides is no proxy's address (`proxy.malformed`, `proxy.scheme`).
        """
        if is_direct(self._proxy):
            return Decision(proxy=None, decided_by="setting proxy")
        if decided := self._excepted(url):
            return decided
        for decide in (self._by_setting, self._by_variable, self._by_pac, self._by_system, self._by_pip):
            if decided := decide(url):
                self._note(decided)
                return decided
        return Decision(proxy=None, decided_by="nothing set")

    def _note(self, decided: Decision) -> None:
        said = f"{decided.decided_by}: {decided.repaired}"
        if decided.repaired and said not in self.repairs:
            self.repairs.append(said)

    def _excepted(self, url: str) -> Decision | None:
        host, port = _host_and_port(url)
        name, value = _first_set(self._environ, ("no_proxy", "NO_PROXY"))
        for exceptions, decided_by in ((self._no_proxy, "setting no_proxy"), (value, f"variable {name}")):
            if exceptions and (entry := matches(host, port, exceptions)):
                return Decision(proxy=None, decided_by=f"{decided_by} ({entry})")
        return None

    def _by_setting(self, url: str) -> Decision | None:
        return read_proxy(self._proxy, "setting proxy") if self._proxy else None

    def _by_variable(self, url: str) -> Decision | None:
        name, value = variable(self._environ, urlsplit(url).scheme)
        return read_proxy(value, f"variable {name}") if value else None

    def _by_pac(self, url: str) -> Decision | None:
        answer = self._pac(url) if self._pac else None
        if not answer:
            return None
        proxy = read_pac(answer)
        name = "the PAC script"
        return read_proxy(proxy, name) if proxy else Decision(proxy=None, decided_by=name)

    def _by_system(self, url: str) -> Decision | None:
        if not self._system or (self._bypass and self._bypass(urls.host(url))):
            return None
        proxies = self._system.proxies
        value = proxies.get(urlsplit(url).scheme) or proxies.get("all", "")
        return read_proxy(value, self._system.name) if value else None

    def _by_pip(self, url: str) -> Decision | None:
        if _is_this_machine(urls.host(url)):  # it has no proxy but one that a variable names
            return None
        proxy = self._pip_proxy() if callable(self._pip_proxy) else self._pip_proxy
        return read_proxy(proxy, "pip's configuration") if proxy else None


def is_direct(setting: str) -> bool:
    """Whether the setting `proxy` says that there is none."""
    return setting.strip().lower() in (DIRECT, "none", "direct://")


def variable(environ: Mapping[str, str], scheme: str) -> tuple[str, str]:
    """Return the variable that names the proxy of a scheme, and its value; lower case wins.

    HTTP_PROXY is passed over where REQUEST_METHOD is set: in a CGI program it is the client's header.
    """
    names = [f"{scheme}_proxy", f"{scheme.upper()}_PROXY", "all_proxy", "ALL_PROXY"]
    if "REQUEST_METHOD" in environ:
        names.remove("HTTP_PROXY") if "HTTP_PROXY" in names else None
    return _first_set(environ, names)


def matches(host: str, port: int, exceptions: str) -> str:
    """Return the entry of a NO_PROXY list that a host falls under, or "".

    Entries, split at commas and spaces: `*`, a host (with its subdomains), `.suffix` and `*.suffix`
    (subdomains alone), an address, a CIDR range, each with `:port` if only that port is meant.
    """
    host = host.strip("[]").rstrip(".").lower()
    for entry in exceptions.replace(",", " ").split():
        name, entry_port = _split_port(entry.lower())
        name = name.rstrip(".")  # a whole name, as name servers write it; curl takes it so, too
        if entry_port is not None and entry_port != port:
            continue
        if name == "*" or _matches_address(host, name) or _matches_name(host, name):
            return entry
    return ""


def read_proxy(value: str, decided_by: str, ports: Mapping[str, int] = SCHEMES) -> Decision:
    """Read a proxy's address; a missing scheme is taken as http, a password as it stands, and that is said.

    Args:
        value: As somebody wrote it.
        decided_by: What named it.
        ports: What is meant where no port is said, by scheme.

    Raises:
        SettingError: It has another scheme than a proxy can have, or no host, or a port that is none.
    """
    text, repaired = value.strip().strip("'\""), ""
    if "://" not in text:
        text = f"http://{text}"
        repaired = f"`{_shown(text).partition('://')[2]}` has no scheme: taken as http://"
    scheme, _, rest = text.partition("://")
    scheme = _SPELLINGS.get(scheme.lower(), scheme.lower())
    if scheme not in SCHEMES:
        raise SettingError(
            f"{decided_by} names the proxy `{_shown(text)}`, and `{scheme}` is no proxy's scheme",
            code="proxy.scheme",
            hint=f"write it as http://HOST:PORT; the schemes are {', '.join(SCHEMES)}",
        )
    userinfo, at, place = rest.rpartition("@")
    user, colon, password = userinfo.partition(":")
    if set(userinfo) & set("/?#"):
        repaired = f"`{_shown(text)}` has a password with characters that are to be escaped: taken as it is"
    number = ports[scheme]
    return Decision(
        proxy=f"{scheme}://{_authority(place.partition('/')[0], number, decided_by, _shown(text))}",
        decided_by=decided_by,
        repaired=repaired,
        user=unquote(user) if at else None,
        password=unquote(password) if colon else None,
    )


def _is_this_machine(host: str) -> bool:
    return host == "localhost" or host.endswith(".localhost") or addresses.is_nowhere(host)


def read_pac(answer: str) -> str:
    """Return the first way that a PAC script's answer names, as a proxy's address; "" for DIRECT."""
    kinds = {"PROXY": "http", "HTTP": "http", "HTTPS": "https", "SOCKS": "socks5h", "SOCKS5": "socks5h"}
    kind, _, address = answer.split(";")[0].strip().partition(" ")
    kinds["SOCKS4"] = "socks4a"
    return f"{kinds[kind.upper()]}://{address.strip()}" if kind.upper() in kinds and address else ""


def system_settings(platform: str = sys.platform) -> tuple[System | None, Callable[[str], bool] | None]:
    """Ask macOS or Windows for their settings; (None, None) elsewhere, where there are only variables."""
    if platform not in ("darwin", "win32"):
        return None, None
    import urllib.request as request

    name = "getproxies_macosx_sysconf" if platform == "darwin" else "getproxies_registry"
    bypass = "proxy_bypass_macosx_sysconf" if platform == "darwin" else "proxy_bypass_registry"
    read = getattr(request, name, dict)
    return System(proxies=dict(read())), getattr(request, bypass, None)


def pac_from_pypac(platform: str = sys.platform) -> Callable[[str], str | None] | None:
    """Return what asks the system's PAC script, with the extra `pac`, on macOS and Windows.

    A script is taken from the system's settings alone: to look for one by name (WPAD) invites strangers.
    """
    if platform not in ("darwin", "win32"):
        return None
    try:
        from pypac import get_pac
    except ImportError:
        return None
    script = get_pac(from_dns=False)
    if script is None:
        return None
    return lambda url: str(script.find_proxy_for_url(url, urls.host(url)))


def _first_set(environ: Mapping[str, str], names: Sequence[str]) -> tuple[str, str]:
    for name in names:
        if value := environ.get(name, "").strip():
            return name, value
    return names[0], ""


def _matches_address(host: str, name: str) -> bool:
    try:
        network = ipaddress.ip_network(name.strip("[]"), strict=False)
        return ipaddress.ip_address(host.partition("%")[0]) in network
    except (ValueError, TypeError):
        return False


def _matches_name(host: str, name: str) -> bool:
    suffix = name.removeprefix("*")
    if suffix.startswith("."):
        return host.endswith(suffix)
    return host == name or host.endswith(f".{name}")


def _split_port(entry: str) -> tuple[str, int | None]:
    """Split `host:8080`, `[::1]:8080`; a bare IPv6 address has no port."""
    name, colon, port = entry.rpartition(":")
    if not colon or not port.isdigit() or (":" in name and not name.endswith("]")):
        return entry, None
    return name, int(port)


def _host_and_port(url: str) -> tuple[str, int]:
    parts = urlsplit(url)
    return parts.hostname or "", urls.port(parts)


def _shown(address: str) -> str:
    """A proxy's address without userinfo, whatever it holds: there is no path that could hold an `@`."""
    scheme, _, rest = address.partition("://")
    _, at, place = rest.rpartition("@")
    return f"{scheme}://{urls.MASK}@{place}" if at else address


def _authority(authority: str, usual_port: int, decided_by: str, shown: str) -> str:
    try:
        parts = urlsplit(f"//{authority}")
        host, port = parts.hostname, parts.port
    except ValueError:
        host, port = None, None
    if not host or any(character.isspace() for character in host):
        raise SettingError(
            f"{decided_by} names the proxy `{shown}`, which cannot be read",
            code="proxy.malformed",
            hint="write it as http://HOST:PORT",
        )
    name = f"[{host}]" if ":" in host else host
    return f"{name}:{port or usual_port}"


def others_decide(url: str, environ: Mapping[str, str]) -> dict[str, str]:
    """Tell which proxy others would use for a URL by the variables, as their current versions do.

    Measured with each of them, not read in their documents (docs/network.md has the table).

    Returns:
        For requests, urllib, curl and httpx: the proxy without userinfo, its port said; or `direct`.
    """
    return {name: _as(client, url, environ) for name, client in OTHERS.items()}


class _Client(Struct, frozen=True, kw_only=True):
    """How another client reads the variables."""

    reads_upper_http: bool = True  # HTTP_PROXY outside of CGI
    reads_all: bool = True  # ALL_PROXY
    has_cidr: bool = False
    has_port: bool = False
    has_star_suffix: bool = False  # `*.example.org`
    bare_suffix_covers: bool = True  # `example.org` covers its subdomains
    splits_at_spaces: bool = False
    port: int = SCHEMES["http"]  # of a proxy whose port is not said


OTHERS: Final = {
    "requests": _Client(has_cidr=True),
    "urllib": _Client(reads_all=False, has_port=True),
    "curl": _Client(reads_upper_http=False, has_cidr=True, port=1080),
    "httpx": _Client(bare_suffix_covers=False),
}


def _as(client: _Client, url: str, environ: Mapping[str, str]) -> str:
    scheme = urlsplit(url).scheme
    names = [f"{scheme}_proxy", f"{scheme.upper()}_PROXY"]
    if not client.reads_upper_http or "REQUEST_METHOD" in environ:
        names = [name for name in names if name != "HTTP_PROXY"]
    names += ["all_proxy", "ALL_PROXY"] if client.reads_all else []
    _, value = _first_set(environ, names)
    _, exceptions = _first_set(environ, ("no_proxy", "NO_PROXY"))
    if not value or _is_excepted(client, url, exceptions):
        return DIRECT
    try:
        return read_proxy(value, "", {**SCHEMES, "http": client.port}).proxy or DIRECT
    except SettingError:
        return _shown(value if "://" in value else f"http://{value}")


def _is_excepted(client: _Client, url: str, exceptions: str) -> bool:
    host, port = _host_and_port(url)
    if exceptions.strip() == "*":
        return True
    entries = exceptions.replace(" ", "," if client.splits_at_spaces else " ").split(",")
    return any(_falls_under(client, host, port, entry.strip()) for entry in entries if entry.strip())


def _falls_under(client: _Client, host: str, port: int, entry: str) -> bool:
    if " " in entry:
        return False
    name, entry_port = _split_port(entry.lower())
    if entry_port is not None and not (client.has_port and entry_port == port):
        return False
    if "/" in name and not client.has_cidr:
        return False
    if name.startswith("*.") and not client.has_star_suffix:
        return False
    if name == "*":
        return True
    if not name.startswith(".") and not client.bare_suffix_covers:
        return host == name
    return _matches_address(host, name) or _matches_name(host, name)
