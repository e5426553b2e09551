"""Rules of the answer: a broken exchange, a cut body, silence, a login, a status, the wrong bytes."""

from __future__ import annotations

import re

from surefetch.diagnose import bytes as naming
from surefetch.diagnose import codes
from surefetch.diagnose.findings import Finding
from surefetch.diagnose.hops import tunnel
from surefetch.diagnose.words import (
    carries_body,
    clean,
    duration,
    file_name,
    host_of,
    path_of,
    rate,
    retry_after,
)
from surefetch.events import Phase
from surefetch.observation import Observation


def judge_broken(seen: Observation) -> Finding | None:
    """The connection or the protocol broke after the request went out."""
    message = seen.curl_message.lower()
    if seen.curl_code == codes.HEADERS_TOO_LARGE or re.search(
        r"header.*too large|too large.*header", message
    ):
        return Finding(cause="policy.header-size", detail=seen.curl_message)
    if seen.curl_code == codes.TOO_MANY_REDIRECTS:
        way = " → ".join(dict.fromkeys(map(clean, seen.redirects[-3:])))
        return Finding(cause="http.redirect-loop", detail=f"{len(seen.redirects)} redirects: {way}")
    if seen.curl_code == codes.TOO_LARGE:
        return Finding(cause="body.too-large", detail=seen.curl_message)
    if seen.curl_code == codes.BAD_ENCODING:
        return Finding(cause="body.unasked-encoding", detail=seen.curl_message)
    if "http/0.9" in message or seen.curl_code in (codes.WEIRD, codes.UNSUPPORTED):
        is_tls = seen.first_bytes[:2] in (b"\x15\x03", b"\x16\x03")  # a TLS alert or handshake record
        cause = (
            "http.tls-port"
            if is_tls or (seen.port == 443 and seen.url.startswith("http:"))
            else "http.malformed"
        )
        return Finding(cause=cause, detail=seen.curl_message)
    if seen.curl_code == codes.GOT_NOTHING:
        return Finding(cause="connect.reset", detail="the server hung up without an answer")
    return None


def judge_cut(seen: Observation) -> Finding | None:
    """The body began and did not end as promised."""
    if not carries_body(seen):
        return None
    progress = (
        f"after {seen.length_received} of {seen.length_promised or seen.expected_size or 'unknown'} bytes"
    )
    if seen.curl_code == codes.TIMED_OUT:
        slow = "too slow" in seen.curl_message.lower() and seen.length_received > 0
        return Finding(
            cause="transfer.slow" if slow and rate(seen) > 0 else "transfer.stalled",
            detail=f"silence {progress}",
        )
    if seen.curl_code == codes.PARTIAL:
        return Finding(cause="body.truncated", detail=f"the server closed the connection {progress}")
    if seen.curl_code in (codes.RECEIVE, codes.SEND, codes.HTTP2, codes.HTTP2_STREAM, 95, 96):
        is_malformed = "chunk" in seen.curl_message.lower()
        if is_malformed and not seen.length_received:
            return Finding(cause="http.malformed", detail=seen.curl_message)
        if seen.length_received:
            detail = f"the connection broke {progress}"
            if is_malformed:
                detail = f"{progress} the server broke its own framing: {seen.curl_message}"
            return Finding(cause="body.truncated", detail=detail)
        return Finding(cause="connect.reset", detail=f"the connection broke {progress}")
    return None


def judge_silence(seen: Observation) -> Finding | None:
    if seen.curl_code == codes.TIMED_OUT and seen.phase is Phase.QUEUED:
        detail = "others of the same host went before, and its turn did not come in time"
        return Finding(cause="transfer.no-first-byte", detail=detail)
    if seen.curl_code == codes.TIMED_OUT and seen.phase in (Phase.WAIT, Phase.BODY):
        began = seen.length_received > 0
        return Finding(
            cause="transfer.stalled" if began else "transfer.no-first-byte",
            detail="the transfer stopped"
            if began
            else "the request was taken, and no byte of an answer came",
        )
    if seen.curl_code in (codes.RECEIVE, codes.SEND, codes.HTTP2, codes.HTTP2_STREAM, 95, 96):
        by_number = codes.CONNECT_ERRNO.get(seen.os_errno)
        if by_number == "connect.timeout" or (by_number is None and "timed out" in seen.curl_message.lower()):
            return Finding(cause="connect.timeout", detail=seen.curl_message)
        if reset := codes.STREAM_RESET.search(seen.curl_message):  # no box on the way can say that within TLS
            cause = codes.STREAM_ERRORS.get(reset.group(1), "http.server-error")
            return Finding(cause=cause, detail=f"the server broke the answer off: {reset.group(1)}")
        malformed = re.search(
            r"invalid|malformed|illegal|nul|weird|chunk|unsupported http|nghttp2 shuts down",
            seen.curl_message,
            re.I,
        )
        if malformed and by_number is None:
            return Finding(cause="http.malformed", detail=seen.curl_message)
        return Finding(cause="connect.reset", detail=seen.curl_message or "the connection was cut")
    return None


def judge_redirected_to_login(seen: Observation) -> Finding | None:
    """Redirected to where one signs in: a network's portal, or the service's own login."""
    effective = seen.effective_url or (seen.redirects[-1] if seen.redirects else "")
    if not effective or effective == seen.url or seen.curl_code:
        return None
    host, asked, path = host_of(effective), host_of(seen.url), path_of(effective)
    said = f"it redirects to `{clean(effective)}`"
    looks_like_page = "html" in seen.content_type.lower() or naming.kind_of(seen.first_bytes) == "html"
    moved = host != asked
    if moved and looks_like_page and codes.PORTAL_HOST.search(host) and not codes.PORTAL_HOST.search(asked):
        return Finding(cause="body.captive-portal", detail=said)
    if codes.LOGIN_HOST.search(host) or codes.LOGIN_PATH.search(path):
        page = _page_marker(seen)
        if page and page.cause == "body.captive-portal":
            return Finding(cause=page.cause, detail=f"{said}; {page.detail}")
        if looks_like_page or (seen.status or 0) in (401, 403):
            return Finding(cause="body.login-page", detail=said)
    return None


def judge_status(seen: Observation) -> Finding | None:
    """A status that carries no file, and what headers and body add to it."""
    status = seen.status
    if status is None or status in (200, 203, 206):
        return None
    said = f"status {status}"
    if seen.proxy and seen.url.startswith("http:"):  # no tunnel: the proxy itself may have answered so
        said += f" through the proxy `{seen.proxy}`"
    is_redirect = status in (301, 302, 303, 307, 308)
    if is_redirect and not seen.header("location") and not _storage(seen):
        return Finding(cause="http.unexpected-status", detail=f"{said} without a place to go to")
    if is_redirect and seen.header("location"):
        return _refused_redirect(seen)
    if limited := _service_limit(seen):
        return limited
    if storage := _storage(seen):
        return _storage_refusal(status, f"{said}; {storage.detail}", storage.cause)
    if page := _page_marker(seen):
        if _may_override(status, page.cause):
            return Finding(cause=page.cause, detail=f"{said}; {page.detail}")
        said += f"; {page.detail}"
    elif own := _own_words(seen):
        said += f"; it says {own}"
    if status == 202 and seen.header("x-amzn-waf-action"):
        return Finding(cause="http.blocked-by-waf", detail=f"{said} with an AWS WAF challenge")
    if status == 407:
        return tunnel(seen, 407)
    cause = codes.STATUS.get(status) or (
        "http.server-error" if 500 <= status < 600 else "http.unexpected-status"
    )
    if status in (429, 503) and (
        seconds := retry_after(seen.header("retry-after"), seen.header("date"), seen.now)
    ):
        said += f"; it wants to be asked again in {duration(seconds)}"
    if status == 416 and (whole := seen.header("content-range")):
        said += f", and says of its file `{whole}`"
    if words := codes.GATEWAY_WORDS.get(status):
        said += f": {words}"
    if cause == "http.unauthorized" and (asks := seen.header("www-authenticate")):
        said += f", asks for {asks.split()[0]}"
    return Finding(cause=cause, detail=said)


def _refused_redirect(seen: Observation) -> Finding:
    location = seen.header("location")
    if seen.url.startswith("https:") and location.startswith("http:"):
        return Finding(cause="http.downgrade", detail=f"it redirects to `{clean(location)}`")
    return Finding(cause="http.redirect-dead", detail=f"it redirects to `{clean(location)}`")


def _service_limit(seen: Observation) -> Finding | None:
    remaining = seen.header("x-ratelimit-remaining") or seen.header("ratelimit-remaining")
    reset = seen.limit_reset()
    body = (naming.text_of(seen.first_bytes) or "").lower()
    if seen.status in (403, 429) and (remaining == "0" or reset is not None or "rate limit exceeded" in body):
        said = f"status {seen.status}, and the limit of requests from here is used up"
        if reset is not None:
            said += f"; it counts anew in {duration(reset)}"
        return Finding(cause="service.rate-limit" if seen.status == 403 else "http.rate-limited", detail=said)
    if (code := seen.header("x-error-code")) in (
        "GatedRepo",
        "RepoNotFound",
    ):  # the Hugging Face Hub's own header
        # Without a token the Hub says 401 of what does not exist and of what is private, alike.
        is_shut = code == "GatedRepo" or seen.status == 401
        said = f"status {seen.status}: {seen.header('x-error-message') or code}"
        if code == "RepoNotFound" and is_shut:
            return Finding(cause="service.auth", detail=f"{said}: it is private, or its name is another one")
        return Finding(cause="service.auth" if is_shut else "http.not-found", detail=said)
    return None


def _may_override(status: int, cause: str) -> bool:
    """Whether a page's wording says more than the status that it came with."""
    if cause in ("body.html", "body.login-page"):
        return cause == "body.login-page" and status in (200, 202, 203)
    if cause == "http.rate-limited":
        return status in (200, 403, 503)
    if cause.startswith("http.") and cause not in ("http.blocked-by-waf", "http.tls-port"):
        return False
    if cause == "http.blocked-by-waf":
        return status not in (404, 410, 401, 407, 451, 500, 502, 504) and status < 520
    if cause == "service.auth":
        return status in (200, 400, 401, 403, 495, 496)
    return not (cause == "service.rate-limit" and status == 429)


def _page_marker(seen: Observation) -> Finding | None:
    text = naming.text_of(seen.first_bytes) or ""
    headers = "\n".join(f"{name}: {value}" for name, value in seen.headers)
    for line in headers.splitlines():
        if marker := naming.find_marker("", headers=line):
            return Finding(cause=marker.cause, detail=naming.came(marker.name))
    # A login form on an error page is part of its menu: only wording and titles count here, not addresses.
    marker = naming.find_marker(text, headers=headers) if text.strip() else None
    if marker is None:
        return None
    words = (naming.came(marker.name), naming.said_in(text))
    return Finding(cause=marker.cause, detail=": ".join(filter(None, words)))


def _own_words(seen: Observation) -> str:
    """What a service's message or a page's title says, if it is more than the status."""
    if naming.kind_of(seen.first_bytes) not in ("json", "html"):
        return ""
    words = naming.said_in(naming.text_of(seen.first_bytes) or "")
    return "" if str(seen.status) in words else words


def _storage(seen: Observation) -> Finding | None:
    """What a storage service says in the place of the file, if one says something."""
    return naming.find_storage_error(naming.text_of(seen.first_bytes) or "")


def _storage_refusal(status: int, said: str, cause: str) -> Finding:
    """Take the status for the cause where it has a name; else what the service says names it."""
    if cause == "body.storage-error":
        by_status = codes.STATUS.get(status) or ("http.server-error" if status >= 500 else cause)
        cause = cause if by_status == "http.unexpected-status" else by_status
    return Finding(cause=cause, detail=said)


def judge_body(seen: Observation) -> Finding | None:
    """A status that carries a file, and the wrong bytes."""
    if seen.status not in (200, 203, 206, None):
        return None
    if seen.curl_code not in (0, codes.PARTIAL, codes.WRITE_ERROR):
        return None
    if seen.header("x-amzn-waf-action") or seen.header("cf-mitigated"):
        return _page_marker(seen)
    encoding = seen.header("content-encoding").strip().lower()
    length = seen.length_received or (
        0 if seen.length_promised in (0, None) and not seen.first_bytes else len(seen.first_bytes)
    )
    headers = "\n".join(f"{name}: {value}" for name, value in seen.headers)
    sample = naming.Sample(
        head=seen.first_bytes,
        tail=seen.last_bytes,
        length=length,
        name=seen.artifact or file_name(seen.url),
        size=seen.expected_size,
        content_type=seen.content_type,
        url=seen.effective_url or seen.url,
        headers=headers,
    )
    finding = naming.name_sample(sample)
    if encoding not in ("", "identity") and finding.cause in (
        "body.corrupt",
        "body.truncated",
        "body.too-large",
    ):
        return Finding(cause="body.unasked-encoding", detail=f"Content-Encoding: {encoding}")
    promised = seen.length_promised
    if promised is not None and length < promised and finding.cause == "body.corrupt":
        return Finding(cause="body.truncated", detail=f"{length} of {promised} promised bytes came")
    return finding
