"""Look at what other clients here would do: their proxy and their authorities, by their own rules."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from surefetch.diagnose.facts import ClientFacts
from surefetch.transfer import urls
from surefetch.transfer.proxies import others_decide

#: client -> (whose rules for proxies, variables that name authorities in order, what it trusts without them).
CLIENTS: Final = {
    "requests": ("requests", ("REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE"), "its own list (certifi)"),
    "urllib": ("urllib", ("SSL_CERT_FILE", "SSL_CERT_DIR"), "OpenSSL's default file"),
    "curl": ("curl", ("CURL_CA_BUNDLE", "SSL_CERT_FILE", "SSL_CERT_DIR"), "the system's"),
    "Keras": ("urllib", ("SSL_CERT_FILE", "SSL_CERT_DIR"), "OpenSSL's default file"),
    "Hugging Face": ("httpx", ("SSL_CERT_FILE", "SSL_CERT_DIR"), "its own list (certifi)"),
}
#: Variables that play a part in reaching hosts and trusting them .
VARIABLES: Final = (
    "HTTP_PROXY", "http_proxy", "HTTPS_PROXY", "https_proxy", "ALL_PROXY", "all_proxy", "NO_PROXY",
    "no_proxy",
    "SSL_CERT_FILE", "SSL_CERT_DIR", "REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE", "NIX_SSL_CERT_FILE", "PIP_CERT",
    "SSLKEYLOGFILE", "HF_ENDPOINT", "HF_HUB_OFFLINE", "HF_DATASETS_OFFLINE", "HF_HOME", "KERAS_HOME",
    "TORCH_HOME",
    "SCIKIT_LEARN_DATA", "TFDS_DATA_DIR", "PIP_INDEX_URL", "UV_DEFAULT_INDEX", "UV_OFFLINE", "REQUEST_METHOD",
)  # fmt: skip


def look_at_clients(url: str, environ: Mapping[str, str]) -> tuple[ClientFacts, ...]:
    """Tell for each client which proxy and authorities it would use for a URL by this environment."""
    proxies = others_decide(url, environ)
    found = []
    for name, (rules, variables, default) in CLIENTS.items():
        named = next((variable for variable in variables if environ.get(variable)), "")
        authorities = f"{environ[named]} (variable {named})" if named else default
        found.append(ClientFacts(name=name, proxy=proxies[rules], authorities=authorities))
    return tuple(found)


def variables_in_play(environ: Mapping[str, str]) -> tuple[tuple[str, str], ...]:
    """Return the variables that play a part, userinfo masked, and our own."""
    own = sorted(name for name in environ if name.startswith("SUREFETCH_"))
    return tuple((name, urls.mask(environ[name])) for name in (*VARIABLES, *own) if environ.get(name))
