"""Real servers for tests, on loopback: nginx, squid, microsocks, a Kerberos KDC; and a certificate authority.

Debian's packages for all of them: nginx-light squid microsocks; for Kerberos krb5-kdc krb5-user. A program
that is missing skips the tests that need it and says so.
"""

from __future__ import annotations

import contextlib
import datetime
import ipaddress
import secrets
import shutil
import socket
import ssl
import subprocess
import tempfile
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from hashlib import md5
from pathlib import Path

import pytest
import trustme

from tests.fakes.ports import free_port

_START_SECONDS = 20.0
_SQUID_HELPERS = (Path("/usr/lib/squid"), Path("/usr/lib64/squid"), Path("/usr/libexec/squid"))
_DAY = datetime.timedelta(days=1)


def program(name: str) -> str:
    """Return a program's path, or skip the test that needs it."""
    found = shutil.which(name, path="/usr/sbin:/usr/local/sbin:/usr/bin:/bin:/usr/local/bin")
    if found is None:
        pytest.skip(f"`{name}` is not installed here")  # .ci/run installs it from Debian
    return found


# --- certificates -------------------------------------------------------------------------------------------


class TestAuthority:
    """An authority of our own. `pem` is the file to trust."""

    __test__ = False

    def __init__(self, folder: Path, name: str = "surefetch test authority") -> None:
        # A unit in digits: random letters may read as a public authority's name ("DFN").
        self.ca = trustme.CA(
            organization_name=name, organization_unit_name=f"unit {secrets.randbelow(1 << 64)}"
        )
        self._folder, self._issued = folder, 0
        folder.mkdir(parents=True, exist_ok=True)
        self.pem = folder / "authority.pem"
        self.ca.cert_pem.write_to_path(str(self.pem))

    def leaf(
        self, *names: str, expired: bool = False, not_yet: bool = False, by: trustme.CA | None = None
    ) -> Leaf:
        """Issue a certificate for hosts or addresses."""
        now = datetime.datetime.now(datetime.UTC)
        begin, end = now - 2 * _DAY, now + 30 * _DAY
        if expired:
            begin, end = now - 60 * _DAY, now - 30 * _DAY
        if not_yet:
            begin, end = now + 30 * _DAY, now + 60 * _DAY
        return self._write((by or self.ca).issue_cert(*names, not_before=begin, not_after=end))

    def beneath_intermediate(self, *names: str, complete: bool = True) -> Leaf:
        """Issue a certificate by an intermediate authority, which the server sends along or forgets."""
        leaf = self.ca.create_child_ca().issue_cert(*names)
        return self._write(leaf, chain=leaf.cert_chain_pems if complete else leaf.cert_chain_pems[:1])

    def beneath_forgotten(self, host: str, issuer: str, at: str) -> Leaf:
        """Issue a certificate by an authority that is not sent, and that can be had at an address."""
        from cryptography import x509
        from cryptography.hazmat.primitives import hashes, serialization
        from cryptography.hazmat.primitives.asymmetric import ec
        from cryptography.x509.oid import AuthorityInformationAccessOID, NameOID

        now = datetime.datetime.now(datetime.UTC)
        own, theirs = ec.generate_private_key(ec.SECP256R1()), ec.generate_private_key(ec.SECP256R1())
        place = x509.AccessDescription(
            AuthorityInformationAccessOID.CA_ISSUERS, x509.UniformResourceIdentifier(at)
        )
        name = x509.IPAddress(ipaddress.ip_address(host)) if host[0].isdigit() else x509.DNSName(host)
        certificate = (
            x509.CertificateBuilder()
            .subject_name(x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, host)]))
            .issuer_name(x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, issuer)]))
            .public_key(own.public_key())
            .serial_number(x509.random_serial_number())
            .not_valid_before(now - _DAY)
            .not_valid_after(now + 30 * _DAY)
            .add_extension(x509.SubjectAlternativeName([name]), critical=False)
            .add_extension(x509.AuthorityInformationAccess([place]), critical=False)
            .sign(theirs, hashes.SHA256())
        )
        self._issued += 1
        path, key = self._folder / f"{self._issued}.pem", self._folder / f"{self._issued}.key"
        path.write_bytes(certificate.public_bytes(serialization.Encoding.PEM))
        key.write_bytes(
            own.private_bytes(
                serialization.Encoding.PEM,
                serialization.PrivateFormat.PKCS8,
                serialization.NoEncryption(),
            )
        )
        return Leaf(path, key)

    def self_signed(self, *names: str) -> Leaf:
        """Make a certificate that only vouches for itself."""
        self._issued += 1
        certificate, key = (
            self._folder / f"self-{self._issued}.pem",
            self._folder / f"self-{self._issued}.key",
        )
        alternatives = ",".join(f"IP:{n}" if n[0].isdigit() else f"DNS:{n}" for n in names)
        subprocess.run(
            [program("openssl"), "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256",
             "-nodes", "-keyout", key, "-out", certificate, "-days", "30", "-subj", f"/CN={names[0]}",
             "-addext", f"subjectAltName={alternatives}"],
            check=True, capture_output=True, timeout=60,
        )  # fmt: skip
        return Leaf(certificate, key)

    def _write(self, cert: trustme.LeafCert, chain: Sequence[trustme.Blob] | None = None) -> Leaf:
        self._issued += 1
        certificate = self._folder / f"{self._issued}.pem"
        key = self._folder / f"{self._issued}.key"
        certificate.write_bytes(b"".join(blob.bytes() for blob in chain or cert.cert_chain_pems))
        cert.private_key_pem.write_to_path(str(key))
        return Leaf(certificate, key)


@dataclass(frozen=True)
class Leaf:
    """A server's certificate chain and key, as files."""

    certificate: Path
    key: Path

    def context(self, newest: ssl.TLSVersion | None = None) -> ssl.SSLContext:
        """Return a server's context with it; `newest` bounds the TLS version."""
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        if newest:
            context.maximum_version = newest
        context.load_cert_chain(self.certificate, self.key)
        return context


# --- processes ----------------------------------------------------------------------------------------------


@contextmanager
def running(
    command: Sequence[str | Path], port: int, environ: Mapping[str, str] | None = None
) -> Iterator[int]:
    """Run a server until the block ends; give its process id once its port accepts connections."""
    process = subprocess.Popen(
        [str(part) for part in command],
        stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
        env=dict(environ) if environ else None,
    )  # fmt: skip
    try:
        _await_port(process, port)
        yield process.pid
    finally:
        process.terminate()
        try:
            process.communicate(timeout=10)
        except subprocess.TimeoutExpired:
            process.kill()
            process.communicate(timeout=10)


def _succeed(command: Sequence[str], environ: Mapping[str, str], text: str = "") -> None:
    done = subprocess.run(
        command, env=dict(environ), input=text, capture_output=True, text=True, check=False, timeout=120
    )
    if done.returncode:
        raise RuntimeError(f"{command} ended with {done.returncode}: {done.stdout} {done.stderr}")


def _await_port(process: subprocess.Popen[bytes], port: int) -> None:
    limit = time.monotonic() + _START_SECONDS
    while time.monotonic() < limit:
        if process.poll() is not None:
            output = process.stdout.read() if process.stdout else b""
            raise RuntimeError(f"{process.args!r} ended: {output.decode(errors='replace')}")
        with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), timeout=1):
            return
        time.sleep(0.05)
    raise RuntimeError(f"{process.args!r} does not listen on {port}")


# --- nginx --------------------------------------------------------------------------------------------------

_NGINX = """
daemon off;
master_process off;
pid {folder}/nginx.pid;
error_log {folder}/error.log;
events {{ worker_connections 1024; }}
http {{
  access_log off;
  sendfile on;
  types {{ application/octet-stream bin gz; text/html html; }}
  default_type application/octet-stream;
  client_body_temp_path {folder}/t1; proxy_temp_path {folder}/t2; fastcgi_temp_path {folder}/t3;
  uwsgi_temp_path {folder}/t4; scgi_temp_path {folder}/t5;
  keepalive_requests 100000;
  http2_max_requests 100000;
  {more}
  server {{ listen 127.0.0.1:{plain}; root {root}; }}
  server {{ listen 127.0.0.1:{throttled}; root {root}; limit_rate {rate}; }}
  {secure}
}}
"""
_NGINX_TLS = """
  server {{
    listen 127.0.0.1:{tls} ssl http2; root {root};
    ssl_certificate {certificate}; ssl_certificate_key {key};
  }}
  server {{
    listen 127.0.0.1:{tls1} ssl; root {root};
    ssl_certificate {certificate}; ssl_certificate_key {key};
  }}
"""


@dataclass(frozen=True)
class Nginx:
    """A running nginx: origins of its virtual hosts, and the folder that they all serve."""

    root: Path
    plain: str
    throttled: str  # `rate` bytes a second on each connection
    h2: str  # https, HTTP/2 or 1.1
    h1: str  # https, HTTP/1.1


@contextmanager
def nginx(folder: Path, leaf: Leaf | None = None, rate: int = 1 << 19, more: str = "") -> Iterator[Nginx]:
    """Run nginx over `folder`/root; `more`: directives for all its hosts."""
    root = folder / "root"
    root.mkdir(parents=True, exist_ok=True)
    ports = {name: free_port() for name in ("plain", "throttled", "tls", "tls1")}
    secure = ""
    if leaf:
        secure = _NGINX_TLS.format(root=root, certificate=leaf.certificate, key=leaf.key, **ports)
    configuration = folder / "nginx.conf"
    text = _NGINX.format(folder=folder, root=root, rate=rate, secure=secure, more=more, **ports)
    configuration.write_text(text, encoding="utf-8")
    command = [program("nginx"), "-c", configuration, "-e", folder / "error.log"]
    for path in (folder, root):
        path.chmod(0o755)
    with running(command, ports["plain"]):
        yield Nginx(
            root=root,
            plain=f"http://127.0.0.1:{ports['plain']}",
            throttled=f"http://127.0.0.1:{ports['throttled']}",
            h2=f"https://localhost:{ports['tls']}",
            h1=f"https://localhost:{ports['tls1']}",
        )


# --- squid --------------------------------------------------------------------------------------------------

_SQUID = """
http_port 127.0.0.1:{port}
pid_filename none
{cache}
cache_log {folder}/cache.log
access_log stdio:{folder}/access.log
coredump_dir {folder}
shutdown_lifetime 0 seconds
visible_hostname proxy.test
forwarded_for delete
acl blocked dstdomain blocked.test 127.0.0.9
http_access deny blocked
{auth}
http_access {rule}
http_access deny all
"""
_SQUID_CACHE = "cache_mem 16 MB\nmaximum_object_size_in_memory 4 MB"
_SQUID_AUTH = {
    "": "",
    "basic": "auth_param basic program {helpers}/basic_ncsa_auth {folder}/users\n"
    "auth_param basic realm test\nacl known proxy_auth REQUIRED",
    "digest": "auth_param digest program {helpers}/digest_file_auth -c {folder}/digests\n"
    "auth_param digest realm test\nacl known proxy_auth REQUIRED",
    "negotiate": "auth_param negotiate program {helpers}/negotiate_kerberos_auth -k {keytab} -s {principal}\n"
    "auth_param negotiate children 2\nacl known proxy_auth REQUIRED",
}


@dataclass(frozen=True)
class Proxy:
    """A running proxy."""

    port: int
    folder: Path
    host: str = "127.0.0.1"

    def url(self, userinfo: str = "", scheme: str = "http") -> str:
        """Return its address."""
        return f"{scheme}://{userinfo}{'@' if userinfo else ''}{self.host}:{self.port}"

    def log(self) -> str:
        """Return its access log."""
        path = self.folder / "access.log"
        return path.read_text(encoding="utf-8") if path.exists() else ""


@contextmanager
def squid(
    auth: str = "",
    user: str = "ann",
    password: str = "se:c ret",
    keytab: str = "",
    principal: str = "",
    environ: Mapping[str, str] | None = None,
    *,
    caches: bool = False,
) -> Iterator[Proxy]:
    """Run squid; `auth` is "", "basic", "digest" or "negotiate". It refuses 127.0.0.9 and blocked.test."""
    folder = Path(tempfile.mkdtemp(prefix="squid-"))
    folder.chmod(0o777)  # squid gives root up, and pytest's folders are closed to others
    port = free_port()
    helpers = next((path for path in _SQUID_HELPERS if path.is_dir()), _SQUID_HELPERS[0])
    hashed = subprocess.run(
        [program("openssl"), "passwd", "-apr1", password],
        check=True,
        capture_output=True,
        text=True,
        timeout=30,
    )
    (folder / "users").write_text(f"{user}:{hashed.stdout.strip()}\n", encoding="utf-8")
    digest = md5(f"{user}:test:{password}".encode()).hexdigest()
    (folder / "digests").write_text(f"{user}:test:{digest}\n", encoding="utf-8")
    rule = _SQUID_AUTH[auth].format(helpers=helpers, folder=folder, keytab=keytab, principal=principal)
    rights, cache = "allow known" if auth else "allow all", _SQUID_CACHE if caches else "cache deny all"
    text = _SQUID.format(port=port, folder=folder, auth=rule, rule=rights, cache=cache)
    configuration = folder / "squid.conf"
    configuration.write_text(text, encoding="utf-8")
    try:
        # By a name of its own: squids of one name share memory, and trip over what a dead one left of it.
        name = f"surefetch{port}"
        with running([program("squid"), "-N", "-n", name, "-f", configuration], port, environ):
            yield Proxy(port, folder)
    finally:
        shutil.rmtree(folder)


@contextmanager
def socks(user: str = "", password: str = "") -> Iterator[Proxy]:
    """Run microsocks, a SOCKS5 proxy."""
    port = free_port()
    auth = ["-u", user, "-P", password] if user else []
    with running([program("microsocks"), "-i", "127.0.0.1", "-p", str(port), *auth], port):
        yield Proxy(port, Path())


# --- Kerberos ---------------------------------------------------------------------------------------------

_KRB5 = """
[libdefaults]
  default_realm = {realm}
  dns_lookup_realm = false
  dns_lookup_kdc = false
  dns_canonicalize_hostname = false
  rdns = false
  udp_preference_limit = 1
[realms]
  {realm} = {{
    kdc = 127.0.0.1:{port}
  }}
"""
_KDC = """
[kdcdefaults]
  kdc_listen = 127.0.0.1:{port}
  kdc_tcp_listen = 127.0.0.1:{port}
[realms]
  {realm} = {{
    database_module = here
    key_stash_file = {folder}/stash
    acl_file = {folder}/acl
  }}
[dbmodules]
  here = {{
    db_library = db2
    database_name = {folder}/principal
  }}
"""


@dataclass(frozen=True)
class Kerberos:
    """A running key distribution centre; `environ` makes programs use it."""

    realm: str
    folder: Path
    environ: Mapping[str, str]

    def keytab(self, principal: str) -> Path:
        """Add a service and return the file with its key."""
        path = self.folder / f"{principal.replace('/', '-')}.keytab"
        self._admin(f"addprinc -randkey {principal}")
        self._admin(f"ktadd -k {path} {principal}")
        path.chmod(0o644)  # squid's helper runs as another user
        return path

    def add_user(self, name: str, password: str) -> None:
        """Add somebody who can log in."""
        self._admin(f"addprinc -pw {password} {name}")

    def log_in(self, name: str, password: str) -> None:
        """Get a ticket, as `kinit` does."""
        self._run([program("kinit"), name], f"{password}\n")

    def _admin(self, query: str) -> None:
        self._run([program("kadmin.local"), "-r", self.realm, "-q", query])

    def _run(self, command: Sequence[str], text: str = "") -> None:
        _succeed(command, self.environ, text)


@contextmanager
def kerberos(realm: str = "TEST.EXAMPLE") -> Iterator[Kerberos]:
    """Run a KDC of our own on loopback."""
    port = free_port()
    folder = Path(tempfile.mkdtemp(prefix="kdc-"))
    folder.chmod(0o755)
    values = {"realm": realm, "port": port, "folder": folder}
    (folder / "krb5.conf").write_text(_KRB5.format(**values), encoding="utf-8")
    (folder / "kdc.conf").write_text(_KDC.format(**values), encoding="utf-8")
    environ = {
        "PATH": "/usr/sbin:/usr/bin:/sbin:/bin",
        "KRB5_CONFIG": str(folder / "krb5.conf"),
        "KRB5_KDC_PROFILE": str(folder / "kdc.conf"),
        "KRB5CCNAME": f"FILE:{folder}/tickets",
        "KRB5RCACHENAME": "none:",  # the helper may not write where we may
    }
    create = [program("kdb5_util"), "create", "-s", "-r", realm, "-P", "master"]
    try:
        _succeed(create, environ)
        with running([program("krb5kdc"), "-n", "-r", realm], port, environ):
            yield Kerberos(realm, folder, environ)
    finally:
        shutil.rmtree(folder)


# --- small things in front --------------------------------------------------------------------------------


@dataclass
class TlsFront:
    """Speaks TLS in front of a server that does not: makes an https proxy of an http proxy."""

    port_behind: int
    context: ssl.SSLContext
    only: str = ""  # the one protocol that it speaks (RFC 7301), e.g. `h2`
    breaks: bytes = b""  # the frame that it answers each HTTP/2 request with, `STREAM` being its number
    _sockets: list[socket.socket] = field(default_factory=list)

    def __enter__(self) -> TlsFront:
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port = int(self._listener.getsockname()[1])
        self._thread = threading.Thread(target=self._accept, daemon=True)
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        with contextlib.suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        for one in self._sockets:
            with contextlib.suppress(OSError):
                one.shutdown(socket.SHUT_RDWR)
            one.close()
        self._thread.join(5)

    def _accept(self) -> None:
        while True:
            try:
                plain, _ = self._listener.accept()
            except OSError:
                return
            threading.Thread(target=self._join, args=(plain,), daemon=True).start()

    def _join(self, plain: socket.socket) -> None:
        self._sockets.append(plain)
        try:
            front = self.context.wrap_socket(plain, server_side=True)
            if self.breaks and front.selected_alpn_protocol() == "h2":
                self._sockets.append(front)
                _break_streams(front, self.breaks)
                return
            if self.only and front.selected_alpn_protocol() != self.only:
                front.close()
                return
            behind = socket.create_connection(("127.0.0.1", self.port_behind))
        except OSError:
            plain.close()
            return
        self._sockets += [front, behind]
        back = threading.Thread(target=_pump, args=(behind, front), daemon=True)
        back.start()
        _pump(front, behind)
        back.join(10)


def _break_streams(front: socket.socket, frame: bytes) -> None:
    """Answer each request of an HTTP/2 connection with a frame (RFC 9113, 4.1)."""
    received = front.makefile("rb")
    received.read(24)  # the preface
    front.sendall(bytes(3) + b"\x04" + bytes(5))  # no settings
    with contextlib.suppress(OSError, ValueError):
        while head := received.read(9):
            received.read(int.from_bytes(head[:3], "big"))
            if head[3] == 1:  # HEADERS
                front.sendall(frame.replace(b"STREAM", head[5:9]))


def _pump(source: socket.socket, target: socket.socket) -> None:
    try:
        while data := source.recv(65536):
            target.sendall(data)
    except (OSError, ValueError):
        pass  # one of them has gone
    with contextlib.suppress(OSError):
        target.shutdown(socket.SHUT_WR)
