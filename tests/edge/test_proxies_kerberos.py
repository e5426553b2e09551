"""A proxy that wants Kerberos tickets: squid with Negotiate, and a key distribution centre of our own.

Not in the daily run, for it takes programs that few machines have:

    apt-get install krb5-kdc krb5-admin-server krb5-user squid
    SUREFETCH_TEST_KERBEROS=1 python -m pytest tests/edge/test_proxies_kerberos.py
"""

import os
from collections.abc import Iterator

import pytest

from surefetch.events import Failed, Failure, Finished
from surefetch.transfer.proxies import ProxyResolver
from surefetch.transfer.trust import Trust
from tests.fakes.driver import driving, ending
from tests.fakes.faulty_server import FaultyServer
from tests.fakes.servers import Kerberos, Proxy, TestAuthority, kerberos, squid

pytestmark = [
    pytest.mark.privileged,
    pytest.mark.skipif(
        os.environ.get("SUREFETCH_TEST_KERBEROS") != "1", reason="outside the daily run: see the module"
    ),
]
CONTENT = b"0123456789" * 1000
SIZE = len(CONTENT)


@pytest.fixture(scope="module")
def realm() -> Iterator[Kerberos]:
    with kerberos() as realm:
        realm.add_user("ann", "secret")
        yield realm


@pytest.fixture(scope="module")
def proxy(realm: Kerberos) -> Iterator[Proxy]:
    principal = "HTTP/localhost"
    keytab = realm.keytab(principal)
    with squid("negotiate", keytab=str(keytab), principal=principal, environ=realm.environ) as proxy:
        yield Proxy(proxy.port, proxy.folder, "localhost")


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> TestAuthority:
    return TestAuthority(tmp_path_factory.mktemp("ca"))


def ends(proxy: Proxy, authority: TestAuthority, tls: bool) -> list[Finished | Failed]:
    """Fetch twice through the proxy, the second time with what the first has learned."""
    context = authority.leaf("127.0.0.1").context() if tls else None
    resolver = ProxyResolver({}, proxy=proxy.url())
    with (
        FaultyServer(tls=context) as server,
        driving(proxies=resolver, trust=Trust(system=str(authority.pem))) as driver,
    ):
        url = server.serve("/x", CONTENT)
        return [ending(driver.fetch(url, SIZE)[0]) for _ in range(2)]


@pytest.mark.parametrize("tls", [False, True])
def test_a_ticket_opens_the_proxy(
    realm: Kerberos, proxy: Proxy, authority: TestAuthority, tls: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("KRB5_CONFIG", "KRB5CCNAME"):
        monkeypatch.setenv(name, realm.environ[name])
    realm.log_in("ann", "secret")
    assert [type(end) for end in ends(proxy, authority, tls)] == [Finished, Finished]


@pytest.mark.parametrize("tls", [False, True])
def test_without_a_ticket_the_proxy_stays_closed(
    realm: Kerberos, proxy: Proxy, authority: TestAuthority, tls: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("KRB5_CONFIG", realm.environ["KRB5_CONFIG"])
    monkeypatch.setenv("KRB5CCNAME", f"FILE:{realm.folder}/no-tickets")
    for end in ends(proxy, authority, tls):
        assert isinstance(end, Failed)
        assert (end.failure, end.cause) == (Failure.PROXY, "proxy.auth-required")
