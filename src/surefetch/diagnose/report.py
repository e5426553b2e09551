"""Write a doctor's report: lines for a terminal, one Markdown page for a help desk. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Final
from urllib.parse import urlsplit

import msgspec

from surefetch.causes import SHELLS
from surefetch.causes import cause as row_of
from surefetch.diagnose.certificates import common_name
from surefetch.diagnose.doctor import rate_of, skew_of
from surefetch.diagnose.facts import Facts, HostFacts, Report
from surefetch.diagnose.pages import SHELL_NAMES
from surefetch.diagnose.words import host_of

#: Lines at most when all is well.
WELL_LINES: Final = 12
_SET: Final = {
    "posix": 'export {name}="{value}"',
    "powershell": '$env:{name} = "{value}"',
    "cmd": "set {name}={value}",
}
#: Which variable tells a client its authorities, where it has one.
_CA_VARIABLES: Final = {
    "requests": "REQUESTS_CA_BUNDLE",
    "urllib": "SSL_CERT_FILE",
    "curl": "CURL_CA_BUNDLE",
    "Keras": "SSL_CERT_FILE",
    "Hugging Face": "SSL_CERT_FILE",
}


def lines(report: Report) -> list[str]:
    """Return the report for a terminal: verdict, what blocks, what is worth knowing, what is well."""
    facts = report.facts
    mark = "ok" if report.exit == 0 else "!!"
    said = [f"{mark}  {report.verdict}"]
    blocking = [finding for finding in report.findings if finding.blocks]
    said += [f"!!  {_subject(f.subject)}{f.detail} [{f.cause}]" for f in blocking[1:]]
    if blocking:
        said[0] += f" [{blocking[0].cause}]"
    said += _host_lines(report)
    hosts = {host_of(host.url) for host in facts.hosts if host.cause}
    known = [f for f in report.findings if not f.blocks and f.subject not in hosts]
    said += [f" -  {_subject(f.subject)}{f.detail} [{f.cause}]" for f in known]
    said += [f"ok  {line}" for line in report.well]
    said += [f" -  {line}" for line in _proxy_lines(report)]
    is_named = any(host.role == "named" for host in facts.hosts)
    said += [f" -  {line}" for line in client_lines(facts)[: len(facts.clients) if is_named else 2]]
    if facts.not_checked:
        said.append(f" ?  not checked: {'; '.join(facts.not_checked)}")
    said.append(f"    {facts.seconds:.1f} s")
    if not blocking:
        said = said[: WELL_LINES - 1] + said[-1:] if len(said) > WELL_LINES else said
    if report.action:
        said.append(f"->  {report.action}")
    return said


def _host_lines(report: Report) -> list[str]:
    """One line for all hosts that fail alike; none where the verdict says the same already."""
    groups: dict[str, list[HostFacts]] = {}
    for host in report.facts.hosts:
        if host.cause:
            groups.setdefault(host.cause, []).append(host)
    first = report.findings[0] if report.findings else None
    if first and first.blocks and list(groups) == [first.cause] and len(groups[first.cause]) == 1:
        return []
    return [f" -  {_alike(cause, hosts)} [{cause}]" for cause, hosts in groups.items()]


def _alike(cause: str, hosts: Sequence[HostFacts]) -> str:
    names = list(dict.fromkeys(host_of(host.url) for host in hosts))
    sentence = row_of(cause).sentence
    if len(names) == 1:
        said = f" ({hosts[0].detail})" if hosts[0].detail else ""
        return f"{names[0]}: {sentence}{said}"
    shown = ", ".join(names[:2]) + (", …" if len(names) > 2 else "")
    return f"{len(names)} hosts: {sentence} ({shown})"


def _proxy_lines(report: Report) -> list[str]:
    """How hosts were asked, and what decided it, where no line of what is well says so."""
    if any(line.startswith("proxy:") for line in report.well):
        return []
    ways = dict.fromkeys((_proxy_of(host), host.proxy_decided_by) for host in report.facts.hosts)
    return [f"proxy: {proxy} ({by})" for proxy, by in ways if by]


def _proxy_of(host: HostFacts) -> str:
    return host.proxy or ("one that cannot be read" if host.has_unreadable_proxy else "none")


def client_lines(facts: Facts) -> list[str]:
    """Tell which other clients would go another way than surefetch, and the line that mends each."""
    ours = next((host.proxy for host in facts.hosts), "") or "direct"
    found: list[str] = []
    if any(host.has_unreadable_proxy for host in facts.hosts):
        return found  # others would go astray, too
    for client in facts.clients:
        if client.proxy != ours:
            name, value = (_variable(facts), ours) if ours != "direct" else ("NO_PROXY", _first_host(facts))
            line = setting(facts.shell, name, value)
            found.append(f"{client.name} would go {_way(client.proxy)}, not {_way(ours)}: {line}")
        elif facts.ca_bundle and facts.ca_bundle not in client.authorities:
            line = setting(facts.shell, _CA_VARIABLES.get(client.name, "SSL_CERT_FILE"), facts.ca_bundle)
            found.append(f"{client.name} would not trust {facts.ca_bundle}: {line}")
    return found


def _variable(facts: Facts) -> str:
    """The variable that names the proxy for what was asked: all clients read `http_proxy` in lower case."""
    is_plain = next((host.url for host in facts.hosts), "").startswith("http:")
    return "http_proxy" if is_plain else "HTTPS_PROXY"


def setting(shell: str, name: str, value: str) -> str:
    """Return the line that sets a variable in a shell: one of `causes.SHELLS`."""
    return _SET[shell].format(name=name, value=value)


def markdown(report: Report) -> str:
    """Return one page for a help desk: what fails, the evidence, what is asked for. Without secrets."""
    facts = report.facts
    day = datetime.fromtimestamp(facts.now, UTC).strftime("%Y-%m-%d %H:%M UTC")
    parts = [
        f"# Network report for {facts.wanted or 'surefetch'}, {day}",
        f"{report.verdict[:1].upper()}{report.verdict[1:]}.",
        _asked_for(report),
        "## Hosts\n\n" + "\n".join(_host_table(facts)),
        "## Other programs on this machine\n\n" + "\n".join(_client_table(facts)),
        "## This machine\n\n" + "\n".join(_machine_list(facts)),
    ]
    if report.findings:
        rows = [f"- {_subject(f.subject)}{f.detail} (`{f.cause}`)" for f in report.findings]
        parts.insert(2, "## What was found\n\n" + "\n".join(rows))
    if facts.not_checked:
        parts.append("## Not checked\n\n" + "\n".join(f"- {text}" for text in facts.not_checked))
    return "\n\n".join(part for part in parts if part) + "\n"


def _asked_for(report: Report) -> str:
    failing = [host for host in report.facts.hosts if host.cause]
    if not failing:
        return ""
    wanted = "\n".join(sorted({_allowed(host) for host in failing}))
    return (
        "## What is asked for\n\nPlease allow this machine to fetch public research data from:\n\n"
        f"{wanted}\n\nor name the proxy and the root certificate to use. Every file is proven by its digest."
    )


def _host_table(facts: Facts) -> list[str]:
    rows = [
        "| host | port | proxy | address | TLS issuer | status | MB/s | result |",
        "|---|---|---|---|---|---|---|---|",
    ]
    for host in facts.hosts:
        seen = host.seen
        chain = seen.chain if seen else ()
        cells = (
            host_of(host.url),
            str(_port(host)),
            f"{_proxy_of(host)} ({host.proxy_decided_by or 'nothing set'})",
            seen.address if seen else "",
            common_name(chain[0].issuer) if chain else "",
            str(seen.status or "") if seen else "",
            f"{rate_of(host) / 1e6:.1f}" if rate_of(host) else "",
            f"{host.cause}: {host.detail}" if host.cause else ("answers" if host.answers else "no answer"),
        )
        rows.append("| " + " | ".join(cell.replace("|", "/") for cell in cells) + " |")
    return rows


def _client_table(facts: Facts) -> list[str]:
    rows = ["| program | proxy | authorities |", "|---|---|---|"]
    rows += [f"| {client.name} | {client.proxy} | {client.authorities} |" for client in facts.clients]
    for shell in SHELLS:
        shown = client_lines(msgspec.structs.replace(facts, shell=shell))
        if shown:
            rows += ["", f"{SHELL_NAMES[shell]}:", "", *(f"- {line}" for line in shown)]
    return rows


def _machine_list(facts: Facts) -> list[str]:
    skew = skew_of(facts)
    rows = [
        f"- system: {facts.platform}; surefetch {facts.version}",
        f"- trust: {facts.trust_problem or facts.trust}",
        f"- store: {facts.store}"
        + (f", {facts.free_bytes / 1e9:.1f} GB free" if facts.free_bytes is not None else ""),
        f"- clock: {'not compared' if skew is None else f'{skew:+.0f} s against the servers'}",
    ]
    rows += [f"- variable {name}={value}" for name, value in facts.variables]
    rows += [f"- setting {name} = {value} ({by})" for name, value, by in facts.settings]
    return rows


def _allowed(host: HostFacts) -> str:
    scheme = urlsplit(host.url).scheme
    return f"- {host_of(host.url)}, port {_port(host)} (TCP, {scheme}, download only)"


def _port(host: HostFacts) -> int:
    parts = urlsplit(host.url)
    return parts.port or (443 if parts.scheme == "https" else 80)


def _first_host(facts: Facts) -> str:
    return host_of(facts.hosts[0].url) if facts.hosts else "*"


def _way(proxy: str) -> str:
    return "directly" if proxy == "direct" else f"through {proxy}"


def _subject(subject: str) -> str:
    return f"{subject}: " if subject else ""
