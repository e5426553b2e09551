"""Names of certificates' issuers: codes such as R3 count as words, not as letters of a random one."""

import pytest

from surefetch.diagnose.tables import issuers


@pytest.mark.parametrize(
    "name",
    [
        "CN=R3, O=Let's Encrypt, C=US",
        "CN=E7,O=Let's Encrypt",
        "CN=WE1, O=Google Trust Services",
        "CN=DigiCert Global G2 TLS RSA SHA256 2020 CA1",
        "CN=Sectigo RSA Domain Validation Secure Server CA",
        "CN=Thawte TLS RSA CA G1",
    ],
)
def test_intermediates_are_known_by_their_names(name: str) -> None:
    assert issuers().sounds_intermediate(name)


@pytest.mark.parametrize("token", ["R3-OzksS9_KZVg7S", "OzksS9-e7-ZVg7S", "OzksS9-KZVg7-g4", "x-WE1-y"])
def test_letters_of_a_random_name_are_no_code(token: str) -> None:
    assert not issuers().sounds_intermediate(f"O=Acme, OU=Testing CA #{token}")
