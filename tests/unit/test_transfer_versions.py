"""Which version of HTTP an origin is asked in, by how it has answered."""

import pycurl

from surefetch.model import Artifact
from surefetch.transfer import urls
from surefetch.transfer.answers import Wanted
from surefetch.transfer.transfers import Transfer
from surefetch.transfer.versions import Versions

URL = "https://data.example/data.bin"
FILE = Artifact(name="data.bin", form="files", size=10_000_000, sha256="a" * 64)
WANTED = Wanted(artifact=FILE, start=0, stop=None, has_range=False)
CUT = (pycurl.E_RECV_ERROR, "Connection reset by peer")


def asked(versions: Versions) -> Transfer:
    transfer = Transfer(1, URL, WANTED, False, 0.0, None)
    transfer.shares = versions.shares(transfer, urls.origin(URL))
    return transfer


def test_a_server_that_has_answered_over_http2_alone_is_asked_so_after_a_cut_too() -> None:
    versions = Versions()
    assert versions.is_to_be_turned(asked(versions), *CUT)
    versions.answered(asked(versions))
    assert not versions.is_to_be_turned(asked(versions), *CUT)
    assert asked(versions).shares


def test_a_server_that_hangs_up_on_both_versions_is_asked_as_at_first() -> None:
    versions = Versions()
    assert versions.is_to_be_turned(asked(versions), *CUT)
    assert not versions.is_to_be_turned(asked(versions), *CUT)
    assert not asked(versions).shares
