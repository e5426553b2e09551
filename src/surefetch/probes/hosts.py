"""Look at hosts through the transfer engine: the same proxies, trust and addresses as a fetch has."""

from __future__ import annotations

import time
from collections.abc import Sequence
from typing import Final

import msgspec

from surefetch.diagnose.attempts import judge
from surefetch.diagnose.facts import HostFacts
from surefetch.errors import SettingError
from surefetch.events import Answered, Cancelled, Failed, Finished, LookupFailed, Opened, Request
from surefetch.model import Artifact, Lookup, Mirror
from surefetch.observation import Observation
from surefetch.transfer import urls
from surefetch.transfer.engine import Engine
from surefetch.transfer.proxies import ProxyResolver

#: Bytes of a file that are asked for: enough to see who answers and how fast.
SAMPLE_BYTES: Final = 512 << 10
#: Seconds after which a sample is long enough.
SAMPLE_SECONDS: Final = 1.0
#: CURLE_OPERATION_TIMEDOUT: what an unfinished look is judged as.
_TIMED_OUT: Final = 28


class Target(msgspec.Struct, frozen=True, kw_only=True):
    """One address to look at."""

    url: str
    role: str = "mirror"  # "mirror" | "index" | "named"
    artifact: Artifact | None = None  # that lies there, if it is known
    may_be_private: bool = False


class _Sample:
    """Counts what came, and forgets it."""

    def __init__(self) -> None:
        self.bytes, self.began, self.ended = 0, 0.0, 0.0

    def write(self, start: int, data: bytes | bytearray | memoryview) -> None:
        """Count bytes."""
        now = time.monotonic()
        self.began = self.began or now
        self.bytes, self.ended = self.bytes + len(data), now


class HostLooks:
    """Looks at hosts, all at once. Mutable: follows what the engine tells until a moment."""

    def __init__(self, engine: Engine, proxies: ProxyResolver, targets: Sequence[Target]) -> None:
        """Begin all looks.

        Raises:
            ValueError: The engine does not keep its exchanges, so what went well could not be told.
        """
        if engine.log is None:
            raise ValueError("doctor needs an engine that keeps its exchanges (Options.keep_exchanges)")
        self._engine, self._proxies = engine, proxies
        self._facts = [self._begin_facts(target) for target in targets]
        self._samples = [_Sample() for _ in targets]
        self._lookups: dict[Lookup, int] = {}
        self._open: set[int] = set()
        for number, target in enumerate(targets):
            if not self._facts[number].cause:
                self._begin(number, target)

    def run(self, until: float) -> tuple[HostFacts, ...]:
        """Follow all looks until they have ended, at most until a moment of `time.monotonic()`."""
        while self._open and time.monotonic() < until:
            for event in self._engine.poll(min(0.1, max(0.0, until - time.monotonic()))):
                self._on_event(event)
            self._end_long_samples()
        for number in sorted(self._open):
            self._leave(number)
        return tuple(self._with_sample(number) for number in range(len(self._facts)))

    def _begin_facts(self, target: Target) -> HostFacts:
        facts = HostFacts(url=urls.mask(target.url), role=target.role)
        try:
            decision = self._proxies.resolve(target.url)
        except SettingError as error:
            named_by = error.message.partition(" names the proxy ")[0]
            return msgspec.structs.replace(
                facts, proxy_decided_by=named_by, cause=error.code, detail=error.message
            )
        return msgspec.structs.replace(
            facts,
            proxy=decision.proxy or "",
            proxy_decided_by=decision.decided_by,
            proxy_repaired=decision.repaired,
        )

    def _begin(self, number: int, target: Target) -> None:
        self._open.add(number)
        if target.role == "index":
            lookup = Lookup(source="doctor", kind="index", target=target.url)
            self._lookups[lookup] = number
            self._engine.fetch_page(lookup, target.url, may_be_private=target.may_be_private)
            return
        artifact = target.artifact or Artifact(name="", form="", max_size=1 << 50)
        stop = min(artifact.size, SAMPLE_BYTES) if artifact.size else None
        mirror = Mirror(url=target.url, source="user", may_be_private=target.may_be_private)
        request = Request(id=number, artifact=artifact, mirror=mirror, start=0, stop=stop)
        self._engine.begin(request, self._samples[number])

    def _on_event(self, event: object) -> None:
        match event:
            case Opened(id=number, takes_ranges=takes_ranges):
                self._set(number, answers=True, takes_ranges=takes_ranges)
            case Finished(id=number) | Cancelled(id=number):
                self._set(number, seen=self._engine.observation(number))
                self._open.discard(number)
            case Failed(id=number, cause=cause, detail=detail):
                seen = self._engine.observation(number)
                is_sampled = self._facts[number].answers and self._samples[number].bytes >= SAMPLE_BYTES
                self._set(number, seen=seen, cause="" if is_sampled else cause, detail=detail)
                self._open.discard(number)
            case Answered(lookup=lookup):
                seen = self._engine.page_observation(lookup)
                self._set(self._lookups[lookup], answers=True, lists_it=True, seen=seen)
                self._open.discard(self._lookups[lookup])
            case LookupFailed(lookup=lookup, cause=cause, detail=detail):
                self._on_page_failed(self._lookups[lookup], lookup, cause, detail)
            case _:
                pass

    def _on_page_failed(self, number: int, lookup: Lookup, cause: str, detail: str) -> None:
        """An index that says 404 of one page is there all the same."""
        is_there = cause == "http.not-found"
        seen = self._engine.page_observation(lookup)
        cause, lists_it = ("", False) if is_there else (cause, None)
        self._set(number, answers=is_there, lists_it=lists_it, cause=cause, detail=detail, seen=seen)
        self._open.discard(number)

    def _end_long_samples(self) -> None:
        for number in tuple(self._open):
            sample = self._samples[number]
            is_long = sample.began and time.monotonic() - sample.began > SAMPLE_SECONDS
            if sample.bytes >= SAMPLE_BYTES or is_long:
                self._engine.cancel(number)  # ends in `Cancelled`, which takes it off

    def _leave(self, number: int) -> None:
        """The time is over: what was reached tells where it hangs."""
        facts = self._facts[number]
        seen = self._engine.observation(number) if facts.role != "index" else None
        self._engine.cancel(number)
        if facts.answers:
            self._set(number, seen=seen)
            return
        if seen is None:
            return
        judged = judge(msgspec.structs.replace(seen, curl_code=_TIMED_OUT))
        self._set(number, seen=seen, cause=judged.cause, detail=f"{judged.detail}, within doctor's time")

    def _with_sample(self, number: int) -> HostFacts:
        sample = self._samples[number]
        return msgspec.structs.replace(
            self._facts[number], sample_bytes=sample.bytes, sample_seconds=sample.ended - sample.began
        )

    def _set(self, number: int, **changes: bool | str | Observation | None) -> None:
        self._facts[number] = msgspec.structs.replace(self._facts[number], **changes)
