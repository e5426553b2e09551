"""Whom TLS trusts: this system's store, with a company's authorities added. It is never switched off."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Final

import pycurl

from surefetch.errors import SettingError

#: Where systems keep their authorities, in one file (the first that exists) or in a folder.
SYSTEM_FILES: Final = (
    "/etc/ssl/certs/ca-certificates.crt",  # Debian, Ubuntu, Arch, Gentoo
    "/etc/pki/tls/certs/ca-bundle.crt",  # Fedora, RHEL
    "/etc/pki/ca-trust/extracted/pem/tls-ca-bundle.pem",  # RHEL 7 and later
    "/etc/ssl/ca-bundle.pem",  # SUSE
    "/etc/ssl/cert.pem",  # Alpine, the BSDs, macOS
    "/usr/local/share/certs/ca-root-nss.crt",  # FreeBSD
    "/usr/share/ssl/certs/ca-bundle.crt",
    "/var/lib/ca-certificates/ca-bundle.pem",  # openSUSE
)
#: Variables that name authorities, the first that is set counts (ECOSYSTEM of the docs: network.md).
FILE_VARIABLES: Final = ("SSL_CERT_FILE", "REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE")
#: Variables that are read by others and only reported.
OTHER_VARIABLES: Final = (
    "NIX_SSL_CERT_FILE",
    "AWS_CA_BUNDLE",
    "PIP_CERT",
    "GIT_SSL_CAINFO",
    "NODE_EXTRA_CA_CERTS",
)
_BEGIN: Final = b"-----BEGIN CERTIFICATE-----"
_BEGIN_TRUSTED: Final = b"-----BEGIN TRUSTED CERTIFICATE-----"
_MAX_BYTES: Final = 16 << 20


class Trust:
    """Where authorities come from. Owns a temporary file while several stores are joined; close it."""

    def __init__(
        self,
        *,
        system: str | None,
        added: tuple[tuple[str, str], ...] = (),
        uses_native: bool = False,
        problem: str = "",
        owns_system: bool = False,
    ) -> None:
        """Take the system's file and what is added to it.

        Args:
            system: Path of the system's authorities; None: there are none, or the platform keeps them itself.
            added: (path, what named it) of files or folders to trust too.
            uses_native: The platform's own store is asked (macOS, Windows).
            problem: Why https cannot work, if it cannot.
            owns_system: The system's file is a temporary one, removed on closing.
        """
        self.system, self.added, self.uses_native, self.problem = system, added, uses_native, problem
        self._joined: Path | None = None
        self._owned = [Path(system)] if system and owns_system else []

    def __enter__(self) -> Trust:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Remove the temporary files, if there are any."""
        for path in self._owned:
            path.unlink(missing_ok=True)
        self._owned.clear()
        self._joined = None

    def apply(self, curl: Any) -> None:
        """Tell a libcurl handle whom to trust, for hosts and for https proxies."""
        for option in (pycurl.SSL_VERIFYPEER, pycurl.PROXY_SSL_VERIFYPEER):
            curl.setopt(option, 1)
        for option in (pycurl.SSL_VERIFYHOST, pycurl.PROXY_SSL_VERIFYHOST):
            curl.setopt(option, 2)
        if self.uses_native:
            curl.setopt(pycurl.SSL_OPTIONS, pycurl.SSLOPT_NATIVE_CA)
            curl.setopt(pycurl.PROXY_SSL_OPTIONS, pycurl.SSLOPT_NATIVE_CA)
        if path := self.file():
            curl.setopt(pycurl.CAINFO, os.fsencode(path))
            curl.setopt(pycurl.PROXY_CAINFO, os.fsencode(path))
            curl.unsetopt(pycurl.CAPATH)

    def file(self) -> str | None:
        """Return the one file of authorities to use; several are joined in a temporary one.

        One file, because libcurl keeps the parsed store between connections only then.
        """
        if not self.added:
            return self.system
        if self._joined is None:
            self._joined = _join([path for path in (self.system, *(path for path, _ in self.added)) if path])
            self._owned.append(self._joined)
        return str(self._joined)

    def describe(self) -> str:
        """Say in one line which stores are used and what named them."""
        if self.problem:
            return self.problem
        own = "the system's own store" if self.uses_native else f"the system's file {self.system}"
        parts = [own] if self.uses_native or self.system else []
        named: dict[str, list[str]] = {}
        for path, named_by in self.added:
            named.setdefault(path, []).append(named_by)
        return ", and ".join([*parts, *(f"{path} ({', '.join(names)})" for path, names in named.items())])


def find_trust(
    environ: Mapping[str, str], ca_bundle: str = "", platform: str = sys.platform, *, pip_cert: str = ""
) -> Trust:
    """Find whom to trust: the system's store and, added to it, the first of setting and variables.

    Args:
        environ: The environment.
        ca_bundle: The setting of that name.
        platform: As `sys.platform`.
        pip_cert: The file that pip's own configuration names; asked where the setting is not set.

    Raises:
        SettingError: The file that the setting names cannot be used.
    """
    added = tuple(_added(environ, ca_bundle, "" if ca_bundle else pip_cert))
    if platform == "win32" and added:  # Schannel takes either a file or its own store: hand it both in one
        return Trust(system=_exported_windows_store(), added=added, owns_system=True)
    if platform in ("win32", "darwin"):
        return Trust(system=None, added=added, uses_native=True)
    system = next((path for path in SYSTEM_FILES if _has_certificate(Path(path))), None)
    added = tuple(item for item in added if system is None or not _is_same(item[0], system))
    problem = "" if system or added else f"no file of authorities in {', '.join(SYSTEM_FILES)}"
    return Trust(system=system, added=added, problem=problem)


def _added(environ: Mapping[str, str], ca_bundle: str, pip_cert: str) -> Iterator[tuple[str, str]]:
    """Yield what is trusted beside the system; a variable that names nothing usable is passed over."""
    if ca_bundle:
        path = Path(ca_bundle).expanduser()
        if not any(True for _ in _certificates(path)):
            raise SettingError(
                f"setting `ca_bundle` names `{ca_bundle}`, which {_problem(path)}",
                code="tls.no-trust-store",
                hint="name a file with the company's authority: `surefetch config set ca_bundle FILE`",
            )
        yield str(path), "setting ca_bundle"
    for variable in FILE_VARIABLES:
        value = environ.get(variable)
        if value and any(True for _ in _certificates(Path(value))):
            yield value, f"variable {variable}"
            break
    if pip_cert and any(True for _ in _certificates(Path(pip_cert).expanduser())):
        yield str(Path(pip_cert).expanduser()), "pip's cert"
    if folders := environ.get("SSL_CERT_DIR"):
        for folder in folders.split(os.pathsep):
            if folder and any(True for _ in _certificates(Path(folder))):
                yield folder, "variable SSL_CERT_DIR"


def unusable(environ: Mapping[str, str], ca_bundle: str = "") -> str:
    """Say what is wrong with the files that the setting and the variables name; "" if they can be used.

    Asked after verification has failed: a variable that names nothing usable is passed over until then.
    """
    named = [("setting ca_bundle", ca_bundle)] if ca_bundle else []
    named += [(f"variable {name}", environ[name]) for name in FILE_VARIABLES if environ.get(name)]
    named += [("variable SSL_CERT_DIR", str(path)) for path in _in_folders(environ)]
    problems = [(who, value, _problem(Path(value).expanduser())) for who, value in named]
    return "; ".join(f"{who} names `{value}`, which {problem}" for who, value, problem in problems if problem)


def _in_folders(environ: Mapping[str, str]) -> Iterator[Path]:
    """Yield the files with certificates in the folders of SSL_CERT_DIR, but for the system's own."""
    for folder in environ.get("SSL_CERT_DIR", "").split(os.pathsep):
        is_system = any(_is_same(folder, system) for system in SYSTEM_FILES)
        if folder and Path(folder).is_dir() and not is_system:
            yield from filter(_has_certificate, _entries(Path(folder)))


def _problem(path: Path) -> str:
    """What makes a file or folder no store of authorities, or ""."""
    if not path.exists():
        return "does not exist"
    contents = list(_certificates(path))
    if not contents:
        return "holds no certificate in PEM form"
    import ssl  # failures only

    try:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        context.load_verify_locations(cadata=b"\n".join(contents).decode("ascii", "replace"))
    except (ssl.SSLError, ValueError) as error:
        return f"holds a certificate that cannot be read ({error})"
    return ""


def _is_same(path: str, system: str) -> bool:
    """Whether a path is the system's file, or the folder that this file is the sum of."""
    real, file = os.path.realpath(path), os.path.realpath(system)
    return real == file or (os.path.isdir(real) and real in (os.path.dirname(file), os.path.dirname(system)))  # noqa: PTH112, PTH120 - as text, next to realpath


def _join(paths: list[str]) -> Path:
    import tempfile  # most machines have one store, and nothing to join

    descriptor, name = tempfile.mkstemp(prefix="surefetch-authorities-", suffix=".pem")
    seen: set[bytes] = set()
    with os.fdopen(descriptor, "wb") as file:
        for path in paths:
            for content in _certificates(Path(path)):
                if content not in seen:
                    seen.add(content)
                    file.write(content.rstrip() + b"\n")
    return Path(name)


def _certificates(path: Path) -> Iterator[bytes]:
    """Yield the content of each file with certificates: the file itself, or those of a folder."""
    if path.is_dir():
        for entry in _entries(path):
            yield from _certificates(entry)
    elif _has_certificate(path):
        yield path.read_bytes()


def _entries(folder: Path) -> list[Path]:
    """Return the files of a folder."""
    return sorted(entry for entry in folder.iterdir() if entry.is_file())


def _has_certificate(path: Path) -> bool:
    try:
        if not path.is_file() or path.stat().st_size > _MAX_BYTES:
            return False
        content = path.read_bytes()
    except OSError:
        return False
    return _BEGIN in content or _BEGIN_TRUSTED in content


def _exported_windows_store() -> str | None:
    """Write the roots that Windows trusts to a file, to be joined with a company's."""
    import ssl

    enumerate_store = getattr(ssl, "enum_certificates", None)
    if enumerate_store is None:
        return None
    import tempfile  # Windows alone

    descriptor, name = tempfile.mkstemp(prefix="surefetch-roots-", suffix=".pem")
    with os.fdopen(descriptor, "w", encoding="ascii") as file:
        for store in ("ROOT", "CA"):
            for certificate, encoding, _ in enumerate_store(store):
                if encoding == "x509_asn":
                    file.write(ssl.DER_cert_to_PEM_cert(certificate))
    return name
