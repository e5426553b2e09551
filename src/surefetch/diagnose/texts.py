"""Take an error text apart: episodes, chained exceptions, messages without source lines, hosts."""

from __future__ import annotations

import re
from typing import Final

from surefetch.model import Struct

#: Characters looked at: of a text and a message the ends, where the error stands; of a line its start.
MAX_TEXT: Final = 100_000
MAX_MESSAGE: Final = 20_000
MAX_LINE: Final = 2_000
#: Tracebacks that are looked at: the last ones.
MAX_EPISODES: Final = 8
_ANSI: Final = re.compile(r"\x1b\[[0-9;?]*[A-Za-z]|\x1b\][^\x07]*\x07")
_PREFIX: Final = re.compile(
    r"^(\[(rank|default)?(?![45]\d\d\])\d+\]:? ?"  # [404] is a status, no rank
    r"|\(\w+ pid=\d+[^)]*\)\s?|E +(?=\S)|\[stderr\]\s?|(> ?)+(?!>))",
    re.MULTILINE,
)
#: What logs put before each line: when, from whom, how grave. A bare "ERROR 404" is wget's own.
_STAMP: Final = re.compile(
    r"^\[?\d{4}-\d\d-\d\d[T ]\d\d:\d\d:\d\d(?:[.,]\d+)?(?:Z|[+-]\d\d:?\d\d)?\]?:?(?=\s)"
    r"(?:[ \t]*(?:[-|:]|\[)?[ \t]*(?:ERROR|WARN(?:ING)?|INFO|DEBUG|CRITICAL)\]?[ \t]*[-|:][ \t]?)?[ ]?",
    re.MULTILINE,
)
_TRACEBACK: Final = re.compile(r"^.*Traceback \(most recent call last\).*$", re.MULTILINE)
_CHAIN: Final = re.compile(
    r"^.*(The above exception was the direct cause of the following exception"
    r"|During handling of the above exception, another exception occurred).*$",
    re.MULTILINE,
)
#: A line of a frame: where, or the source that stands there. Source code is no evidence.
_FRAME: Final = re.compile(
    r"^\s*(File \"|File [^\n]{1,200}(:\d+| in )|-+>\s*\d+ |\d+ {2,}\S|\d+\s*$|[~^ ]+$|\s{4,}\S"
    r"|[\w/\\.:<>-]+\.py[:(]\d+)"
)
_NAME: Final = r"([\w-]+(?:\.[\w-]+)+)"  # a host's name with a dot
#: The type of an exception at the start of its last line.
_TYPE: Final = re.compile(
    r"([\w.]*(?:Error|Exception|Interrupt|Exit|Warning|Timeout|NotFound)\b|[a-z_]+\.[\w.]+)(:|\s*$)"
)
_URL: Final = re.compile(r"https?://(?:[^\s/@'\"<>]*@)?(\[[0-9a-fA-F:]+\]|[\w.-]+)")
_HOSTS: Final = (
    re.compile(r"HTTPS?ConnectionPool\(host='([^']+)'"),
    re.compile(
        rf"(?:resolve|lookup) (?:the )?(?:host(?:name)?|name|proxy)?(?: address)?:? *\W?{_NAME}", re.I
    ),
    re.compile(rf"Failed to connect to {_NAME}", re.I),
    re.compile(rf"connect(?:ing)? to (?:host |server )?\W?{_NAME}", re.I),
    re.compile(r"certificate is not valid for '([^']+)'"),
    re.compile(rf"cannot verify {_NAME}'s certificate"),
)
#: Addresses in texts that only point to documents.
_DOCUMENTS: Final = re.compile(
    r"^(www\.|docs\.)?(curl\.se|[\w-]+\.readthedocs\.io|docs\.python\.org|stackoverflow\.com|pytorch\.org|bit\.ly"
    r"|aka\.ms|developer\.mozilla\.org|packaging\.python\.org|localhost|127\.0\.0\.1|scikit-learn\.org|tensorflow\.org|keras\.io|errors\.pydantic\.dev|conda\.io|pip\.pypa\.io)$"
)
#: Paths of pages that only explain or report.
_DOCUMENT_PATHS: Final = re.compile(
    r"^https?://[^/]+/(docs?/|[\w.-]+/[\w.-]+/(issues|wiki|discussions|pull)\b|wkentaro/gdown\b)"
)
_SECRETS: Final = (
    (re.compile(r"(//)[^\s/@'\"<>]+@"), r"\1***@"),
    # A password with a `/`, `?` or `#` that should be escaped: what follows the name is no port.
    (re.compile(r"(//)[^\s/?#@:\['\"<>]*:(?!\d*(?:[/?#\s'\"<>`]|$))[^\n@'\"<>`]*@(?=[\w\[])"), r"\1***@"),
    (re.compile(r"(?<![^\s`'\"=(])[^\s/@:`'\"=(]+:[^\s/?#@]+@(?=[\w.\[\]-]+:\d)"), "***@"),
    (
        re.compile(r"(?i)\b([\w-]*(?:token|sig|signature|key|password|passwd|secret|credential))=[^&\s'\"]+"),
        r"\1=***",
    ),
    (re.compile(r"\bhf_[A-Za-z0-9]{16,}"), "hf_***"),
    (re.compile(r"(?i)(authorization: *\w+ )\S+"), r"\1***"),
)


class Episode(Struct, frozen=True, kw_only=True):
    """One traceback with its chain, or a whole text without one."""

    messages: tuple[str, ...]  # what each exception says, the root first
    is_traceback: bool
    text: str  # all of it, frames too

    @property
    def last_exception(self) -> str:
        """The type of the exception that ended it, or ""."""
        lines = [line for line in self.messages[-1].splitlines() if line.strip()] if self.messages else []
        for line in reversed(lines):
            if match := _TYPE.match(line):
                return match.group(1)
        return ""


def episodes_of(text: str) -> list[Episode]:
    """Take a text apart, in its order. A text without tracebacks is one episode."""
    text = clean(text)
    starts = [match.start() for match in _TRACEBACK.finditer(text)]
    if not starts:
        return [Episode(messages=_without_frames(text, keep_indented=True), is_traceback=False, text=text)]
    episodes: list[list[str]] = [[text[: starts[0]]]] if text[: starts[0]].strip() else []
    for start, stop in zip(starts, [*starts[1:], len(text)]):
        previous = episodes[-1][-1] if episodes else ""
        block = text[start:stop]
        if episodes and _CHAIN.search(previous[-400:]):
            episodes[-1].append(block)
        else:
            episodes.append([block])
    return [_episode(blocks, has_traceback="Traceback" in blocks[0]) for blocks in episodes[-MAX_EPISODES:]]


def clean(text: str) -> str:
    """Remove colours, carriage returns' overwritten progress, prefixes of ranks and of pytest."""
    text = _ANSI.sub("", text[-MAX_TEXT:]).replace("\r\n", "\n").replace("\r", "\n")
    return _PREFIX.sub("", _STAMP.sub("", text))


def mask(text: str) -> str:
    """Mask userinfo, tokens and signatures."""
    for pattern, replacement in _SECRETS:
        text = pattern.sub(replacement, text)
    return text


def hosts_in(text: str) -> list[str]:
    """Return the hosts that a text names as asked for, the most telling first, documents' left out."""
    found: list[str] = []
    for pattern in (*_HOSTS, _URL):
        found += [match.group(1).strip("[]").rstrip(".").lower() for match in pattern.finditer(text)]
    return [host for host in dict.fromkeys(found) if "." in host and not _DOCUMENTS.search(host)]


def urls_in(text: str) -> list[str]:
    """Return the addresses in a text without trailing punctuation, in order, each once."""
    found = re.findall(r"https?://[^\s'\"<>\\`]+", text)
    urls = [url.rstrip(").,:;]}…") for url in found]
    return [url for url in dict.fromkeys(urls) if not _is_document(url)]


def _is_document(url: str) -> bool:
    return bool(_DOCUMENT_PATHS.match(url)) or any(_DOCUMENTS.search(host) for host in _URL.findall(url))


def _episode(blocks: list[str], *, has_traceback: bool) -> Episode:
    messages = [
        message for block in blocks for message in _without_frames(block, keep_indented=not has_traceback)
    ]
    return Episode(messages=tuple(messages), is_traceback=has_traceback, text="\n".join(blocks))


def _without_frames(block: str, *, keep_indented: bool) -> tuple[str, ...]:
    lines = block.splitlines()
    if not keep_indented:
        # A report may show the traceback indented: what stands as far in as its head is not a source line.
        margin = len(lines[0]) - len(lines[0].lstrip()) if lines else 0
        lines = [line[margin:] if line[:margin].isspace() else line for line in lines]
        lines = [line for line in lines if not any(p.match(line) for p in (_FRAME, _TRACEBACK, _CHAIN))]
    # A line that comes again says nothing new: ranks and retries print one error many times.
    last = dict.fromkeys(line[:MAX_LINE] for line in reversed(lines) if line.strip())
    return ("\n".join(reversed(last))[-MAX_MESSAGE:],)
