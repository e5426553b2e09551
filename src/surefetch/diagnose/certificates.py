"""Judge a certificate chain that failed verification: who signed, for whom, until when."""

from __future__ import annotations

import re
from datetime import UTC, datetime
from typing import Final

from surefetch.diagnose.findings import Finding
from surefetch.diagnose.tables import issuers
from surefetch.observation import Certificate, Observation

#: X509_V_ERR_* of OpenSSL (x509_vfy.h) -> what kind of fault it is.
VERIFY: Final = {
    2: "issuer", 20: "issuer", 21: "issuer", 27: "issuer", 24: "issuer", 79: "issuer",
    18: "self-signed", 19: "root",
    9: "early", 11: "early", 13: "early", 10: "late", 12: "late", 14: "late",
    62: "name", 63: "name", 64: "name",
    66: "weak", 67: "weak", 68: "weak",
}  # fmt: skip
#: The same in words, of libcurl with any TLS library.
WORDS: Final = (
    (r"not yet valid", "early"),
    (r"expired", "late"),
    (r"subject name|does not match|hostname mismatch|not valid for|no alternative|CN_NO_MATCH", "name"),
    (r"self[- ]signed certificate in certificate chain|untrusted root", "root"),
    (r"self[- ]signed", "self-signed"),
    (r"local issuer|unknown ca|issuer|unable to verify the first|not trusted|unknown authority", "issuer"),
    (r"too weak|too small|md too", "weak"),
)


def judge_chain(seen: Observation, host: str) -> Finding:
    """Say why a chain was not accepted. A known inspector's name decides first."""
    leaf = seen.chain[0] if seen.chain else None
    kind = _kind(seen)
    if leaf and kind != "name" and (vendor := _inspector(seen)):
        return Finding(cause="tls.intercepted", detail=f"{issuer_words(leaf)}: {vendor} inspects TLS here")
    match kind:
        case "early" | "late":
            return _dates(seen, kind, leaf)
        case "name":
            return _other_name(leaf, host)
        case "self-signed":
            return Finding(cause="tls.self-signed", detail=issuer_words(leaf))
        case "weak":
            return Finding(
                cause="tls.protocol", detail="the certificate's key or digest is too weak to be accepted"
            )
        case _:
            return _unknown_issuer(seen, leaf)


def common_name(name: str) -> str:
    """Return the common name of a subject or issuer, or its organisation, or the whole."""
    for key in ("CN", "O"):
        if match := re.search(rf"(?:^|[,/;\n]\s*){key}\s*=\s*(\"[^\"]*\"|[^,/;\n]*)", name):
            return match.group(1).strip().strip('"')
    return name


def issuer_words(leaf: Certificate | None) -> str:
    """Say who signed: the form that `issuer_of` reads back."""
    return f"issuer “{common_name(leaf.issuer)}”" if leaf else "issuer not seen"


def issuer_of(detail: str) -> str:
    """Return the issuer's name that `issuer_words` wrote into a detail, or ""."""
    match = re.search(r"issuer “([^”]*)”", detail)
    return match.group(1) if match else ""


def _kind(seen: Observation) -> str:
    if kind := VERIFY.get(seen.tls_verify_result or 0):
        return kind
    for pattern, kind in WORDS:
        if re.search(pattern, seen.curl_message, re.IGNORECASE):
            return kind
    return "issuer"


def _inspector(seen: Observation) -> str:
    names = [name for certificate in seen.chain for name in (certificate.issuer,)]
    for name in names:
        if vendor := issuers().inspector(name):
            return vendor
    if any(issuers().is_public(name) for name in names):
        return ""
    if any(issuers().sounds_like_inspection(name) for name in names):
        return "by its name, something on this network"
    return ""


def _dates(seen: Observation, kind: str, leaf: Certificate | None) -> Finding:
    now = seen.now
    if kind == "early":
        since = (
            f"valid from {_day(leaf.not_before)}" if leaf and leaf.not_before is not None else "not valid yet"
        )
        clock = f", this machine's clock says {_day(now)}" if now is not None else ""
        return Finding(cause="tls.not-yet-valid", detail=since + clock)
    expired = [c for c in seen.chain if now is not None and c.not_after is not None and c.not_after < now]
    late = expired[0] if expired else leaf
    until = f"valid until {_day(late.not_after)}" if late and late.not_after is not None else "out of date"
    return Finding(
        cause="tls.expired", detail=f"“{common_name(late.subject)}” was {until}" if late else until
    )


def _other_name(leaf: Certificate | None, host: str) -> Finding:
    names = (leaf.san or (common_name(leaf.subject),)) if leaf else ()
    shown = ", ".join(names[:3]) + (" …" if len(names) > 3 else "")
    if shown:
        return Finding(
            cause="tls.hostname", detail=f"it is for {shown}, not for {host}; {issuer_words(leaf)}"
        )
    return Finding(cause="tls.hostname", detail=f"it is not for {host}")


def _unknown_issuer(seen: Observation, leaf: Certificate | None) -> Finding:
    """Tell a missing intermediate, a machine without authorities and a private authority apart."""
    if leaf is None:
        return Finding(cause="tls.unknown-issuer", detail=seen.curl_message or "issuer not seen")
    table, said = issuers(), issuer_words(leaf)
    alone = len(seen.chain) == 1 and leaf.issuer != leaf.subject
    if len(seen.chain) == 1 and leaf.issuer == leaf.subject:
        return Finding(cause="tls.self-signed", detail=said)
    if alone and (table.is_public(leaf.issuer) or table.sounds_intermediate(leaf.issuer)):
        return Finding(cause="tls.incomplete-chain", detail=f"only one certificate was sent; {said}")
    if alone and leaf.issuer_url and not re.search(r"\broot\b", common_name(leaf.issuer), re.IGNORECASE):
        detail = f"only one certificate was sent; {said}, which can be had at {leaf.issuer_url}"
        return Finding(cause="tls.incomplete-chain", detail=detail)
    if table.is_public(seen.chain[-1].issuer):
        return Finding(
            cause="tls.no-trust-store", detail=f"{said}, a public authority that this machine does not know"
        )
    if seen.proxy:
        return Finding(cause="tls.intercepted", detail=f"{said}, seen through the proxy `{seen.proxy}`")
    return Finding(cause="tls.unknown-issuer", detail=said)


def _day(moment: float | None) -> str:
    return (
        datetime.fromtimestamp(moment, UTC).strftime("%d %b %Y") if moment is not None else "an unknown date"
    )
