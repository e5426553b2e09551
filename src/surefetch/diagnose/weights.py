"""Tables for weighing attempts: the most actionable causes, and what it means if all hosts fail alike."""

from __future__ import annotations

import re
from typing import Final

#: The most actionable first: of a mixture the first that occurs names the error. Families end in a dot.
ORDER: Final = (
    "local.disk-full",
    "local.read-only",
    "local.permission",
    "local.",
    "usage.",
    "policy.weak-digest",
    "body.captive-portal",
    "local.clock",
    "tls.not-yet-valid",
    "proxy.malformed",
    "proxy.scheme",
    "proxy.name",
    "proxy.auth-required",
    "proxy.not-a-proxy",
    "proxy.unreachable",
    "tls.no-trust-store",
    "tls.intercepted",
    "proxy.denied",
    "dns.blocked",
    "body.changed-upstream",
    "service.auth",
    "body.login-page",
    "http.unauthorized",
    "tls.unknown-issuer",
    "dns.unavailable",
    "http.blocked-by-waf",
    "body.quota-page",
    "body.wrong-file",
    "body.content-mismatch",
    "body.lfs-pointer",
    "body.decompressed",
    "body.double-encoded",
    "body.unsafe-archive",
    "body.bomb",
    "body.storage-error",
    "body.html",
    "body.corrupt",
    "body.too-large",
    "body.truncated",
    "body.",
    "http.rate-limited",
    "service.rate-limit",
    "tls.",
    "dns.timeout",
    "connect.timeout",
    "connect.reset",
    "connect.unreachable",
    "transfer.deadline",
    "transfer.stalled",
    "transfer.slow",
    "transfer.",
    "http.forbidden",
    "http.legal",
    "policy.",
    "dns.",
    "connect.",
    "http.unavailable",
    "http.server-error",
    "http.",
    "proxy.",
    "service.",
    "client.",
    "source.",
)
#: How an answer ends that was on its way. What the same address says of the file later weighs more.
CUT: Final = {"body.truncated", "connect.reset", "transfer.stalled", "transfer.slow"}
#: What is seen where nobody is there any more.
DOWN: Final = {"connect.refused", "connect.unreachable", "connect.timeout"}
#: What an address says of the file itself, and will say again; or that nobody is there any more.
LAST_WORDS: Final = DOWN | {
    "http.unauthorized",
    "http.forbidden",
    "http.not-found",
    "http.gone",
    "http.legal",
    "http.redirect-dead",
    "http.redirect-loop",
    "http.downgrade",
    "body.storage-error",
}
#: What it means when every host fails in the same way.
ALIKE: Final = {
    "dns.unavailable": "no name resolves here: this machine has no working network",
    "dns.nxdomain": "no name resolves here: no network, or only the proxy may look up names",
    "dns.timeout": "this network's name server answers no question",
    "dns.blocked": "this network's name server blocks every host of it",
    "connect.timeout": "this network silently drops packets to every host: nothing is let out directly",
    "connect.unreachable": "this machine has no route to any host: not connected, or not let out",
    "connect.refused": "something on this machine or network refuses every connection, or all hosts are down",
    "connect.reset": "something on this network cuts every connection",
    "tls.protocol": "something on this network breaks every TLS handshake",
    "tls.not-tls": "something on this network answers every TLS handshake in plain text",
    "proxy.denied": "the proxy allows none of its hosts",
    "transfer.no-first-byte": "every host takes the request and none answers: something here holds them back",
}
_PROXY_NEXT: Final = (
    "ask for your network's proxy, then `{surefetch} config set proxy http://HOST:PORT`;"
    " on a compute node fetch on the login node"
)
#: What to do then, where it is another thing than for a single host.
ALIKE_NEXT: Final = {
    "connect.timeout": _PROXY_NEXT,
    "connect.refused": _PROXY_NEXT,
    "connect.reset": _PROXY_NEXT,
    "transfer.no-first-byte": _PROXY_NEXT,
    "tls.protocol": "tell IT: `{surefetch} doctor --report FILE` writes down what breaks TLS here",
    "tls.not-tls": "open a web site in a browser: you may have to sign in; else check the proxy setting",
    "dns.blocked": "ask IT to allow these hosts: `{surefetch} doctor --report FILE` lists them",
}
#: Causes that point at this side when every host shows them, whatever a single one would mean.
OURS_IF_ALIKE: Final = {
    "connect.refused",
    "tls.protocol",
    "tls.not-tls",
    "transfer.no-first-byte",
    "tls.self-signed",
}
PROXY_WIDE: Final = {
    "proxy.malformed",
    "proxy.scheme",
    "proxy.name",
    "proxy.auth-required",
    "proxy.not-a-proxy",
    "proxy.unreachable",
}
DATES: Final = {"tls.expired", "tls.not-yet-valid", "local.clock"}
#: What silence is called, by how far it let a request come.
SILENT: Final = {"connect.timeout", "transfer.no-first-byte", "proxy.unreachable"}
#: What a host shows that only the proxy is let out to.
NOT_LET_OUT: Final = {
    "connect.timeout", "connect.unreachable", "connect.refused",
    "dns.nxdomain", "dns.unavailable", "dns.timeout",
}  # fmt: skip
WRONG_BYTES: Final = {
    "body.corrupt",
    "body.wrong-file",
    "body.truncated",
    "body.too-large",
    "body.html",
    "body.changed-upstream",
}
#: What a page is that came in the place of an index, by its title.
PAGES: Final = (
    (r"wi-?fi|wlan|hotspot|guest|portal|captive|internet access", "body.captive-portal"),
    (r"log ?-?in|sign ?-?in|log ?on|authenticat|anmeld|connexion", "body.login-page"),
    (r"block|denied|filter|restricted", "proxy.denied"),
)
#: What a host shows that failed on its own side.
OWN_SIDE: Final = {"http.server-error", "http.unavailable"}
#: Of searches that found nothing, the one that says most.
SEARCHES: Final = {"source.not-in-index": 0, "source.no-index": 1, "source.no-copy": 2, "source.no-apt": 3}
#: Faults of a host that nothing here can mend: when all mirrors failed, only another address helps.
ELSEWHERE: Final = {
    "http.not-found",
    "http.gone",
    "http.redirect-loop",
    "http.redirect-dead",
    "http.range-lie",
    "http.range",
    "http.unexpected-status",
    "body.empty",
    "body.too-large",
    "body.corrupt",
    "body.double-encoded",
    "body.decompressed",
    "body.unasked-encoding",
    "body.storage-error",
    "body.lfs-pointer",
    "body.wrong-file",
    "policy.header-size",
    "transfer.no-first-byte",
}
#: Answers to one file as to another: the verdict says for how many.
REFUSED: Final = {"http.forbidden", "http.unauthorized", "body.html", "body.login-page", "body.quota-page"}
#: Faults after which the same command goes on where it ended, if anything was kept.
RESUMED: Final = {"body.truncated", "transfer.stalled"}
#: What to do about a host that gave some bytes before and is down.
DOWN_NEXT: Final = (
    "`{host}` went down in the middle: once it is up, run the command again: it goes on where it ended"
)
AGAIN_FILE: Final = (
    "run the command again: it goes on where it ended; if you know another address of the same file,"
    " put it after this one"
)
ELSEWHERE_DATASET: Final = (
    "nothing on your side can mend it; if you know another address that has its files:"
    " `{surefetch} get {wanted} --mirror URL`"
)
ELSEWHERE_FILE: Final = (
    "nothing on your side can mend it; if you know another address of the same file, put it after this one"
)
#: Causes after which a browser, here or on another machine, would find no more than we did.
NO_BROWSER: Final = {
    "http.not-found",
    "http.gone",
    "http.legal",
    "body.changed-upstream",
    "policy.weak-digest",
}
_SET_PROXY: Final = "`{surefetch} config set proxy http://HOST:PORT`"
_NO_PROXY: Final = "or do without one: `{surefetch} config set proxy direct`"
#: What mends a proxy that no variable names: the setting goes before everything else.
PROXY_NEXT: Final = {
    "proxy.name": f"correct it: {_SET_PROXY}, {_NO_PROXY}",
    "proxy.unreachable": f"start it, name another one: {_SET_PROXY}, {_NO_PROXY}",
    "proxy.auth-required": "put name and password into the setting:"
    " `{surefetch} config set proxy http://NAME:PASSWORD@HOST:PORT`; for NTLM run px or cntlm and name that",
    "proxy.scheme": f"correct it: {_SET_PROXY}",
    "proxy.malformed": f"correct it: {_SET_PROXY}",
    "proxy.not-a-proxy": f"correct its host and port: {_SET_PROXY}, {_NO_PROXY}",
}
#: What to do where nothing but the package index is let out.
CLOSED_NEXT: Final = (
    "ask IT for a proxy, or to allow these hosts:"
    " `{surefetch} doctor --report FILE` writes the request for you"
)
#: Faults of what a proven file holds: the same file from elsewhere holds the same.
CONTENTS: Final = {"body.content-mismatch", "body.unreadable", "body.unsafe-archive", "body.bomb"}
#: What a detail changes about what is to be done: pattern of causes, pattern of the detail, action.
BY_DETAIL: Final = (
    (
        r"http\.(forbidden|unauthorized)|body\.storage-error",
        r"the storage service says .*(expired|time frame|expiry)|the link was signed until",
        "the link was signed for a time that is over: get a fresh one from where you got this one",
    ),
    (
        r"http\.unauthorized",
        r"does not take the login",
        "correct the name and password, or the token, that `{host}` is shown: they stand in its address, in"
        " netrc or in your package client's settings",
    ),
    (
        r"http\.forbidden|body\.storage-error",
        r"the storage service says (SignatureDoesNotMatch|InvalidSignature|AuthenticationFailed)",
        "the link's signature does not fit it: copy the whole link again and put it in quotes, for a shell"
        " ends it at `&`",
    ),
    (
        r"tls\.(expired|not-yet-valid|hostname|incomplete-chain|protocol)",
        r"^the proxy `[^`]*` itself",
        "tell IT what is wrong with the proxy's certificate; if the proxy has another name, write that one"
        " into the setting",
    ),
    (
        r"proxy\.auth-required",
        r"asks for (?!.*\b(Basic|Digest)\b).*\bNegotiate\b",
        "get a Kerberos ticket, which is shown to the proxy by itself: `kinit NAME@REALM`; where there is no"
        " Kerberos run px or cntlm and name that as the proxy",
    ),
    (
        r"proxy\.auth-required",
        r"asks for (?!.*\b(Basic|Digest|Negotiate)\b)NTLM\b",
        "run px or cntlm, which speak NTLM for you, and name that as the proxy:"
        " `{surefetch} config set proxy http://127.0.0.1:3128`",
    ),
    (
        r"proxy\.auth-required",
        r"asks for (?!.*\b(Basic|Digest|Negotiate|NTLM)\b)",
        "ask IT how programs sign in to the proxy: surefetch can show it a name and password or a Kerberos"
        " ticket, and it asks for neither",
    ),
    (
        r"proxy\.unreachable",
        r"says nothing in SOCKS",
        "check that it is a SOCKS proxy: one that is not is named with http:// in the same setting",
    ),
    (
        r"body\.html",
        r"Google Drive's virus scan warning",
        "the file is too large for Google to scan, and its page asks whether you want it: the address of the"
        " file itself is `https://drive.usercontent.google.com/download?id=ID&export=download&confirm=t`",
    ),
    (
        r"body\.html",
        r"a GitHub page that shows the file",
        "ask for the file itself: its address has `/raw/` in place of `/blob/`",
    ),
    (
        r"body\.html",
        r"a Hugging Face page that shows the file",
        "ask for the file itself: its address has `/resolve/` in place of `/blob/`",
    ),
    (
        r"body\.html",
        r"a Dropbox page that shows the file",
        "ask for the file itself: its address ends in `dl=1` in place of `dl=0`",
    ),
    (
        r"http\.unexpected-status",
        r"status 202\b",
        "the server says that the file is not ready yet, and some firewalls say so to programs: come back in"
        " a few minutes, or download it in a browser",
    ),
    (
        r"body\.storage-error",
        r"the storage service says PermanentRedirect: .*\bamazonaws\.com",
        "ask at the host that it names, without the bucket's name in the path: that is the bucket's address",
    ),
    (
        r"body\.lfs-pointer",
        r"Git LFS pointer",
        "ask for the file itself: on GitHub it lies under"
        " `https://media.githubusercontent.com/media/OWNER/REPO/BRANCH/PATH`, on Hugging Face under"
        " `/resolve/` instead of `/raw/`; in your own clone run `git lfs pull`",
    ),
    (
        r"service\.auth",
        r"client certificate",
        "the host wants a client certificate, which surefetch cannot show: fetch it with the program that has"
        " yours, then give the file with `--from`",
    ),
    (
        r"tls\.protocol",
        r"alert (handshake failure|bad certificate)",
        "use another mirror; a host that wants a client certificate says so over TLS 1.2: if this one does,"
        " fetch it with the program that has yours, then give the file with `--from`",
    ),
    (
        r"local\.limit",
        r"ulimit -f",
        "raise the limit for this shell: `ulimit -f unlimited`",
    ),
    (
        r"tls\.protocol",
        r"too weak",
        "the host's owner must have a stronger certificate issued: use another mirror",
    ),
    (
        r"tls\.incomplete-chain",
        r"which can be had at",
        "the host's owner must send that authority's certificate along: use another mirror; if it is your"
        " company's own, trust it: `{surefetch} config set ca_bundle FILE.pem`",
    ),
    (
        r"dns\.nxdomain",
        r"the proxy `[^`]*` says",
        "check the spelling of `{host}`; if it is right, tell IT that the proxy does not resolve it",
    ),
    (
        r"body\.truncated",
        r"the server broke its own framing",
        "the server's answer is broken, and nothing on your side can mend it; if you know another address of"
        " the file, use that one",
    ),
    (
        r"http\.malformed",
        r"content-length|transfer-encoding|chunk|header|version|response code|nghttp2|broke the answer off",
        "the server's answer is broken, and nothing on your side can mend it; if you know another address of"
        " the file, use that one",
    ),
    (
        r"transfer\.no-first-byte",
        r"nothing for \d+ s",
        "if this host is known to take long, give it time: `{surefetch} config set first_byte_timeout 300`;"
        " else use another address of the file",
    ),
    (
        r"http\.forbidden|body\.storage-error",
        r"the storage service says ",
        "only the owner of this storage can let it be read: tell them what it says;"
        " if you know another address of the file, use that one",
    ),
)
#: What mends a file of authorities that cannot be used, by what names it.
TRUST_NEXT: Final = {
    "setting": "name a PEM file that holds them: `{surefetch} config set ca_bundle FILE.pem`",
    "posix": "correct the variable, or take it away: `unset {variable}`",
    "powershell": "correct the variable, or take it away: `Remove-Item Env:{variable}`",
    "cmd": "correct the variable, or take it away: `set {variable}=`",
}
#: Silence of a host behind a proxy that did its part.
PROXIED_NEXT: Final = "tell IT that nothing comes back from `{host}` through the proxy, or use another mirror"
#: Hosts inside a network, by their names: the proxy is for those outside.
INNER: Final = re.compile(
    r"^(10|127|192\.168|172\.(1[6-9]|2\d|3[01]))\.[\d.]+$|^[^.:]+$"
    r"|\.(localhost|local|localdomain|internal|intranet|private|corp|home|lan|home\.arpa)$"
)
#: A proxy that refuses such a host, or does not find it.
INNER_CAUSES: Final = frozenset({"proxy.denied", "proxy.upstream", "connect.timeout"})
INNER_NEXT: Final = (
    "if this machine reaches `{host}` itself, except it from the proxy:"
    " `{surefetch} config set no_proxy {host}`"
)
#: What gives more time, by what decided the deadline.
DEADLINE_NEXT: Final = {
    "argument": "give it longer: `--deadline SECONDS`"
    ' (in Python `sf.Session.from_environment({"deadline": SECONDS})`),'
    " or run it again: it goes on where it ended",
    "variable": "give it longer: `SUREFETCH_DEADLINE=SECONDS`, or run it again: it goes on where it ended",
}
#: Wrong bytes under an address that somebody typed: the digest and size were typed, too.
TYPED: Final = {"body.corrupt", "body.too-large", "body.changed-upstream", "body.wrong-file"}
TYPED_NEXT: Final = (
    "check the digest and size that you gave against the publisher's; if they are right, the file there is"
    " another one by now: if you know another address of it, put it after this one"
)
