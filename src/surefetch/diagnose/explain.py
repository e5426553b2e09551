"""Explain any tool's error text: cause, evidence, one action; or say that the text does not tell. Pure."""

from __future__ import annotations

import re
from collections.abc import Callable
from functools import cache
from typing import Final

import msgspec

from surefetch.causes import cause as row_of
from surefetch.diagnose.codes import STATUS
from surefetch.diagnose.tables import issuers, read
from surefetch.diagnose.texts import Episode, episodes_of, hosts_in, mask, urls_in
from surefetch.model import Struct

UNKNOWN: Final = "this text does not tell why it failed"
ALIEN: Final = "this is not an error of a download, as far as the text tells"


class Explanation(Struct, frozen=True, kw_only=True):
    """What an error text means."""

    cause: str | None  # a code of causes.toml; None: the text does not tell
    verdict: str  # one sentence
    fault: str = ""  # "you" | "network" | "mirror" | "owner"; "" without a cause
    evidence: str = ""  # the line that decided, secrets masked
    action: str = ""  # the one thing to do
    command: str = ""  # the surefetch command that cures or decides it; "" if none fits
    is_sure: bool = True  # False: the text makes it likely and does not prove it
    host: str = ""
    dataset: str = ""
    framework: str = ""


class Rule(Struct, frozen=True, kw_only=True):
    """A row of knowledge.toml."""

    id: str
    match: tuple[str, ...]
    weight: int
    cause: str = ""
    needs: str = ""
    context: str = ""
    unless: str = ""
    host: str = ""
    verdict: str = ""
    action: str = ""
    fault: str = ""
    likely: bool = False


class _Hit(Struct, frozen=True, kw_only=True):
    """A rule that fits, or a status that was found, and where."""

    weight: int
    depth: int  # 0: the root exception
    order: int
    start: int  # where in its message
    cause: str
    line: str
    rule: Rule | None = None

    @property
    def hides_reason(self) -> bool:
        """Whether it is a wrapper that stands for any failure."""
        return not self.cause


class _About(Struct, frozen=True, kw_only=True):
    """What the whole text is about, and how to speak."""

    text: str
    host: str
    dataset: str
    framework: str
    shell: str
    surefetch: str


#: Faults of this machine that another copy of the file cures; the others stay whatever is fetched.
_CURED_BY_FILES: Final = frozenset(("local.foreign-cache-corrupt", "client.layout"))
_FILE_CAUSES: Final = ("body.truncated", "body.corrupt", "local.foreign-cache-corrupt", "client.layout")
_NETWORK_CAUSES: Final = ("dns.", "connect.", "proxy.", "tls.", "http.", "transfer.", "service.")
#: A line in which a test compares values: its numbers are no server's answer.
_CLAIM: Final = re.compile(
    r"^\W*(E\s+)?(assert\b|AssertionError\b|expected\b|\+ +where ).*$", re.MULTILINE | re.IGNORECASE
)
#: What a test wants to hold is no error's word.
_ASSERTED: Final = re.compile(r"^\W*(E\s+)?assert\b.*$", re.MULTILINE)
#: Talk of the web: where a loose number may be a status.
_HTTP: Final = r"https?://|\bHTTP|\burl\b|download|\bserver\b|\bwget\b|\bcurl\b|aria2|errorCode="
#: A pattern that is no more than words.
_PLAIN: Final = re.compile(r"[^\\.^$*+?{}\[\]|()]+")
#: A status in words alone.
_REASONS: Final = (
    (r"(None|error|failed|failure|HTTPError)\W{1,6}(HTTP )?Forbidden\b(?! \w)", 403),
    (r"(None|error|failed|failure|HTTPError)\W{1,6}Not Found\b", 404),
    (r"(None|error|failed|failure|HTTPError)\W{1,6}Unauthorized\b", 401),
    (r"(None|error|failed|failure|HTTPError)\W{1,6}Service (Temporarily )?Unavailable\b", 503),
    (r"(None|error|failed|HTTPError)\W{1,6}(Internal Server Error|Bad Gateway|Gateway Time-?out)\b", 500),
    (r"aria2.{0,400}errorCode=3\b|errorCode=3 .{0,40}Resource not found", 404),
)  # fmt: skip


def explain(
    text: str,
    host: str | None = None,
    *,
    shell: str = "posix",
    surefetch: str = "surefetch",
    lookup: Callable[[str], str | None] | None = None,
) -> Explanation:
    """Explain an error text of any tool.

    Args:
        text: A traceback, a notebook's output, a tool's messages.
        host: The host that failed, where the text does not name it.
        shell: Which shell's action is wanted: one of `causes.SHELLS`.
        surefetch: How this program was called; stands in commands.
        lookup: Gives the dataset's name for an address that a catalog knows.
    """
    episodes = episodes_of(text)
    whole = "\n".join(episode.text for episode in episodes)
    framework, dataset = named(whole, lookup)
    about = _About(
        text=whole, host=host or "", dataset=dataset, framework=framework, shell=shell, surefetch=surefetch
    )
    wrapped = None  # what the last of them says that hides its reason: an earlier one may have told it
    for episode in reversed(episodes):
        here = msgspec.structs.replace(about, host=about.host or _failing_host(episode))
        if hit := _decide(episode, whole, here.host):
            if hit.hides_reason:
                wrapped = wrapped or _explanation(hit, here)
                continue
            return _explanation(hit, here)
        if _is_alien(episode):
            return wrapped or Explanation(
                cause=None, verdict=ALIEN, evidence=mask(_last_line(episode)), is_sure=False
            )
    if wrapped:
        return wrapped
    return Explanation(
        cause=None,
        verdict=UNKNOWN,
        evidence=mask(_last_line(episodes[-1])),
        command=_command(about, ""),
        is_sure=False,
        dataset=dataset,
        framework=framework,
    )


def in_english(text: str) -> str:
    """Put what other languages call an error into the words that the rules know; lines stay lines."""
    lowered = text.lower()
    for parts, english in read_phrases():
        if all(part in lowered for part in parts):
            pattern = "(.{1,120}?)".join(re.escape(part) for part in parts)
            text = re.sub(pattern, english, text, flags=re.IGNORECASE)
    return text


def named(text: str, lookup: Callable[[str], str | None] | None = None) -> tuple[str, str]:
    """Return the framework and the dataset that a text names, each "" if it names none."""
    tables = read_loaders()
    framework = next((row["into"] for row in tables["framework"] if _search(row["match"], text)), "")
    for url in urls_in(text) if lookup else ():
        if name := lookup(url) if lookup else None:
            return framework, name
    return framework, next((row["name"] for row in tables["dataset"] if _search(row["match"], text)), "")


@cache
def read_rules() -> tuple[Rule, ...]:
    """Return the table of knowledge, in the file's order."""
    return tuple(msgspec.convert(row, Rule) for row in read("knowledge.toml")["rule"])


@cache
def read_words(name: str) -> str:
    """Return a list of the words' table as one pattern."""
    return "|".join(read("knowledge.toml")["words"][name])


@cache
def read_phrases() -> tuple[tuple[tuple[str, ...], str], ...]:
    """Return (parts of a foreign phrase in lower case, its English); "…" stands for any words."""
    return tuple(
        (tuple(phrase.lower().split("…")), _template(english))
        for english, phrases in read("phrases.toml").items()
        for phrase in phrases
    )


def _template(english: str) -> str:
    """The replacement that puts what each "…" stood for back into its place."""
    head, *rest = english.split("…")
    return head + "".join(f"\\{number}{part}" for number, part in enumerate(rest, start=1))


@cache
def read_lists() -> frozenset[str]:
    """Return the names of the words' lists."""
    return frozenset(read("knowledge.toml")["words"])


@cache
def read_notes() -> tuple[tuple[str, str], ...]:
    """Return (pattern of the host, verdict) of hosts that are known to fail."""
    return tuple((row["host"], row["verdict"]) for row in read("knowledge.toml")["note"])


@cache
def read_loaders() -> dict[str, list[dict[str, str]]]:
    """Return the tables of frameworks and datasets."""
    return read("loaders.toml")


def _failing_host(episode: Episode) -> str:
    return next(iter((*hosts_in("\n".join(episode.messages)), *hosts_in(episode.text))), "")


def _decide(episode: Episode, whole: str, host: str) -> _Hit | None:
    """Take the hit of the highest weight; among equals the root exception's, then the table's order."""
    if _search(read_words("foreign"), episode.text) and not _search(read_words("loader"), episode.text):
        return None
    if _search(read_words("upload"), episode.text):
        return None
    hits = [
        hit for depth, message in enumerate(episode.messages) for hit in _hits(message, depth, whole, host)
    ]
    if not hits:
        return None
    best = min(hits, key=lambda hit: (-hit.weight, hit.depth, hit.order))
    is_weak = best.weight <= 1 and not (best.rule and best.rule.cause)
    is_last = best.depth == len(episode.messages) - 1
    if _is_alien(episode) and (is_weak or (is_last and best.weight < 5)):
        return None
    if best.cause == "dns.nxdomain" and len(_unresolved(episode)) >= 2:
        return msgspec.structs.replace(best, cause="dns.unavailable", rule=None)
    return best if episode.is_traceback else _first_failure(best, hits, episode.text)


def _first_failure(best: _Hit, hits: list[_Hit], text: str) -> _Hit:
    """In a log, what the network did explains the bad file that is complained of below it."""
    if not best.cause.startswith(_FILE_CAUSES) or _search(r"trying next|retry", text):
        return best
    earlier = [
        hit
        for hit in hits
        if hit.cause.startswith(_NETWORK_CAUSES) and hit.weight >= 2 and hit.start < best.start
    ]
    return min(earlier, key=lambda hit: (-hit.weight, hit.order), default=best)


def _hits(message: str, depth: int, whole: str, host: str) -> list[_Hit]:
    found = []
    english = _ASSERTED.sub("", in_english(message))
    lowered = english.lower()
    for order, rule in enumerate(read_rules()):
        start = _first(rule.match, english, lowered)
        if start >= 0 and _applies(rule, whole, host):
            line = _said_at(message, english, start)
            found.append(
                _Hit(
                    weight=rule.weight,
                    depth=depth,
                    order=order,
                    start=start,
                    cause=rule.cause,
                    line=line,
                    rule=rule,
                )
            )
    if status := _status_in(message):
        found.append(
            _Hit(
                weight=2,
                depth=depth,
                order=len(read_rules()),
                start=status[2],
                cause=status[0],
                line=status[1],
            )
        )
    return found


def _first(patterns: tuple[str, ...], text: str, lowered: str) -> int:
    """Where the first of the patterns that is found stands, or -1; plain words need no pattern compiled."""
    for pattern in patterns:
        if _PLAIN.fullmatch(pattern) and len(lowered) == len(text):
            start = lowered.find(pattern.lower())
        else:
            match = _match(pattern, text)
            start = match.start() if match else -1
        if start >= 0:
            return start
    return -1


def _applies(rule: Rule, whole: str, host: str) -> bool:
    """Whether a rule's conditions beside its own patterns hold."""
    if rule.host and not (host and _search(rule.host, host)):
        return False
    if (rule.needs and not _holds(rule.needs, whole)) or (rule.unless and _holds(rule.unless, whole)):
        return False
    return not rule.context or _is_bare(whole) or _holds(rule.context, whole)


def _holds(condition: str, whole: str) -> bool:
    """Whether a condition, a pattern or the name of a list of words, is found in the text."""
    return _search(read_words(condition) if condition in read_lists() else condition, whole)


def _is_bare(whole: str) -> bool:
    """Whether it is a line or two, cut out of whatever stood around it."""
    return len(whole.strip().splitlines()) <= 2


def _status_in(message: str) -> tuple[str, str, int] | None:
    """The last status that a message tells, as a cause, its line and place; a test's own claims tell none."""
    message = _CLAIM.sub("", message)
    is_of_web = _search(_HTTP, message)
    loose = "|" + read_words("status_loose") if is_of_web else ""
    found = [
        (next(filter(None, m.groups())), m.start())
        for m in re.finditer(read_words("status") + loose, message, re.MULTILINE)
    ]
    found = [(number, start) for number, start in found if 400 <= int(number) <= 599]
    if found:
        number, start = found[-1]
        return _status_cause(int(number)), _line_of(message, start), start
    for pattern, status in _REASONS if is_of_web else ():
        if match := _match(pattern, message):
            return _status_cause(status), _line_of(message, match.start()), match.start()
    return None


def _status_cause(status: int) -> str:
    return STATUS.get(status) or ("http.server-error" if status >= 500 else "http.unexpected-status")


def _is_alien(episode: Episode) -> bool:
    last = episode.last_exception
    if _search(
        r"^TypeError: (fetch failed|Failed to fetch|NetworkError)", episode.text
    ):  # JavaScript's words
        return False
    is_known = last.rpartition(".")[2] in read_words("alien").split("|")
    if not episode.is_traceback:
        pattern = r"CUDA out of memory|Segmentation fault|SyntaxError:|KeyError:"
        return is_known or bool(re.search(pattern, episode.text[-2000:]))
    return is_known or "CUDA" in (episode.messages[-1] if episode.messages else "")


def _unresolved(episode: Episode) -> set[str]:
    text = "\n".join(episode.messages)
    said = "could not resolve host|unable to resolve host address|failed to resolve"
    pattern = rf"(?:{said})\W{{0,4}}([\w-]+(?:\.[\w-]+)+)"
    names = {name.lower() for name in re.findall(pattern, text, re.IGNORECASE)}
    return {name.rsplit(".", 2)[-2] for name in names}


def _explanation(hit: _Hit, about: _About) -> Explanation:
    rule, code = hit.rule, hit.cause
    verdict = rule.verdict if rule else ""
    is_sure = bool(code) and not (rule and rule.likely)
    if code in ("tls.unknown-issuer", "tls.intercepted") and (vendor := _vendor(about.text)):
        code, verdict, is_sure = "tls.intercepted", f"{vendor} re-signs TLS here, and is not trusted", True
    if code.startswith(("http.", "transfer.")) and not verdict:
        notes = (note for pattern, note in read_notes() if about.host and _search(pattern, about.host))
        verdict = next(notes, "")
    if not code:
        action = (rule.action if rule else "") or _look_closer(about)
        return _filled(about, hit, cause=None, verdict=verdict or UNKNOWN, action=action, is_sure=False)
    row = row_of(code)
    words = {"host": about.host, "dataset": about.dataset, "surefetch": about.surefetch}
    action = (rule.action if rule else "") or row.action(about.shell, **words)
    sentence = verdict or row.sentence
    verdict = sentence if is_sure else f"most likely: {sentence}"
    return _filled(about, hit, cause=code, verdict=verdict, action=action, is_sure=is_sure)


def _filled(
    about: _About, hit: _Hit, *, cause: str | None, verdict: str, action: str, is_sure: bool
) -> Explanation:
    if about.dataset:
        action = re.sub(r"(install|get) NAME\b", rf"\1 {about.dataset}", action)
    return Explanation(
        cause=cause,
        verdict=verdict,
        fault=(hit.rule.fault if hit.rule else "") or (row_of(cause).fault if cause else ""),
        evidence=mask(hit.line),
        action=action,
        command=_command(about, cause or ""),
        is_sure=is_sure,
        host=about.host,
        dataset=about.dataset,
        framework=about.framework,
    )


def _command(about: _About, code: str) -> str:
    """The command that cures it, for a known dataset; else the one that looks closer."""
    if code.startswith(("local.", "client.", "usage.")) and code not in _CURED_BY_FILES:
        return ""
    if about.dataset and about.framework:
        return f"{about.surefetch} install {about.dataset} --into {about.framework}"
    if about.dataset:
        return f"{about.surefetch} get {about.dataset}"
    if code in _CURED_BY_FILES:
        return ""
    urls = [url.partition("?")[0] for url in urls_in(about.text)]
    asked = [url for url in urls if about.host and about.host in hosts_in(url)] or urls
    target = mask(asked[0]) if asked else about.host
    return f"{about.surefetch} doctor {target}" if target else ""


def _look_closer(about: _About) -> str:
    target = f" https://{about.host}/" if about.host else ""
    command = f"{about.surefetch} doctor{target}"
    return f"run `{command}`, or paste the whole traceback: the reason stands above these lines"


def _vendor(text: str) -> str:
    match = re.search(r"issue[rd][^\n]{0,160}", text, re.IGNORECASE)
    return issuers().inspector(match.group()) if match else ""


def _last_line(episode: Episode) -> str:
    lines = [line.strip() for message in episode.messages for line in message.splitlines() if line.strip()]
    return lines[-1][:300] if lines else ""


def _line_of(text: str, position: int) -> str:
    start = text.rfind("\n", 0, position) + 1
    stop = text.find("\n", position)
    line = text[start : stop if stop >= 0 else len(text)].strip()
    return line if len(line) <= 300 else f"…{text[max(start, position - 120) : position + 160].strip()}…"


def _said_at(message: str, english: str, position: int) -> str:
    """The line of the message itself, for a place in its English."""
    if english == message:
        return _line_of(message, position)
    return message.split("\n")[english.count("\n", 0, position)].strip()[:300]


@cache
def _compiled(pattern: str) -> re.Pattern[str]:
    return re.compile(pattern, re.IGNORECASE | re.MULTILINE)


def _match(pattern: str, text: str) -> re.Match[str] | None:
    return _compiled(pattern).search(text)


def _search(pattern: str, text: str) -> bool:
    return _compiled(pattern).search(text) is not None
