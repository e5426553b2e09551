"""The engine: a loop without opinions around one wire; one thread drives it."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable, Sequence
from functools import cached_property, partial
from hashlib import sha256
from typing import TYPE_CHECKING, Any, Final

import pycurl

from surefetch.buffers import Buffers
from surefetch.errors import SurefetchError
from surefetch.events import (
    Answered,
    Cancelled,
    Event,
    Failed,
    Failure,
    Finished,
    Halted,
    LookupFailed,
    Phase,
    Request,
)
from surefetch.model import Lookup
from surefetch.transfer import answers, policy, urls
from surefetch.transfer.addresses import Reach
from surefetch.transfer.answers import Refused
from surefetch.transfer.channel import Channel, Staging
from surefetch.transfer.credentials import basic
from surefetch.transfer.disorder import Lookout
from surefetch.transfer.intake import TELL_SECONDS, Intake
from surefetch.transfer.machines import Machines
from surefetch.transfer.names import RESOLVES, NameCheck
from surefetch.transfer.options import Authority, Options, Route, Router, Sink
from surefetch.transfer.throttle import Throttle
from surefetch.transfer.transfers import Download, Outcome, Page, Stage, Transfer
from surefetch.transfer.versions import Versions
from surefetch.transfer.wire import Wire

if TYPE_CHECKING:
    from surefetch.observation import Observation
    from surefetch.transfer.har import NetworkLog
    from surefetch.transfer.sightings import Judge, Sightings
    from surefetch.transfer.trust import Trust

_POOL: Final = 256
_E_PROXY: Final = 97  # CURLE_PROXY, which pycurl does not name


class Engine:
    """Carries out requests; what happens comes back as events from `poll`. Not thread-safe but for `wake`."""

    def __init__(
        self,
        options: Options,
        *,
        proxies: Router,
        trust: Trust | Callable[[], Trust],
        credentials: Authority,
        named_hosts: frozenset[str] = frozenset(),
        user_agent: str = "surefetch",
        buffers: Buffers | None = None,
        judge: Judge | None = None,
    ) -> None:
        """Make an engine; it opens no connection before the first request.

        Args:
            options: Limits.
            proxies: Says how a URL is reached.
            trust: Whom TLS trusts, or what finds it at the first https URL; closed with the engine.
            credentials: Says what to show an origin.
            named_hosts: Hosts that may be private, because the user or a setting named them.
            user_agent: Sent with each request.
            buffers: What bodies gather in; the sinks may keep them.
            judge: Names the cause of a failure before the engine's own judge does; it may return None.
        """
        self._options, self._router = options, proxies
        self._find_trust = trust if callable(trust) else lambda: trust
        self._credentials, self._named_hosts = credentials, named_hosts
        self._user_agent, self._judge = user_agent, judge
        self.log = _new_log(user_agent) if options.keep_exchanges else None
        self._active: dict[int, Transfer] = {}
        self._by_curl: dict[Any, Transfer] = {}
        self._pool: list[Channel] = []
        self._events: deque[Event] = deque()
        self._lookout = Lookout(self._events)
        self._throttle = Throttle(options.limit_rate)
        self._versions, self._machines = Versions(), Machines(self._active)
        self._intake = Intake(options, self._events, self._opened)
        self._staging = Staging(buffers or Buffers(), self._throttle)
        self._seen: Sightings | None = None  # nothing has failed yet
        self._routes: dict[str, Route] = {}
        self._pages: dict[Lookup, tuple[str, bool]] = {}  # where found, and whether inside this network
        self._carried: set[tuple[str, str]] = set()  # proxies and the hosts that they let through to
        self._negotiating: set[str] = set()  # proxies that want Kerberos tickets
        self._next_page = -1
        self._wire = Wire(options.connections, options.dead_after)
        self._names = NameCheck(self.wake)

    def __enter__(self) -> Engine:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    # --- orders ---------------------------------------------------------------------------------------------

    def begin(self, request: Request, sink: Sink) -> None:
        """Begin a request; what arrives is written to the sink at its offset in the file."""
        download = Download(request, request.mirror.url, sink, time.monotonic())
        self._active[download.id] = download
        if download.stop is not None and download.stop <= request.start:
            self._end(download, Finished(id=download.id, stop=request.start))
            return
        self._ask(download)

    def shorten(self, request_id: int, stop: int) -> None:
        """Let a request end at `stop`; one that is past it ends with its next byte.

        One that goes on may be let go further again, as far as it was asked for, or its answer goes.
        """
        download = self._active.get(request_id)
        if download is None:
            return
        is_earlier = download.stop is None or stop < download.stop
        may_go_on = not download.is_complete and stop <= max(download.wanted.stop or 0, download.reach)
        if is_earlier or may_go_on:
            download.stop = stop
            if download.is_complete:
                self._finish(download)

    def divide(self, streams: int) -> None:
        """Have a connection that requests share carry so many at once; further ones get more connections."""
        self._wire.divide(streams)

    def cancel(self, request_id: int) -> None:
        """Break a request off; one that has ended already is passed over."""
        transfer = self._active.get(request_id)
        if transfer is not None:
            phase = self._phase(transfer)
            self._intake.tell(transfer, is_last=True)
            self._remember(transfer)
            if transfer.shares and transfer.channel:
                self._wire.hang_up(transfer.channel.info(pycurl.ACTIVESOCKET))
            self._end(transfer, Cancelled(id=request_id, phase=phase))

    def fetch_page(
        self,
        lookup: Lookup,
        url: str,
        headers: Sequence[str] = (),
        limit_bytes: int = 64 << 20,
        may_be_private: bool = False,
    ) -> None:
        """Get a page into memory; ends in `Answered` or `LookupFailed`.

        Args:
            lookup: What it is for.
            url: Where it is.
            headers: Header lines to send, such as `Accept: …`.
            limit_bytes: What it may have at most.
            may_be_private: The user, a setting or their package client named the host.
        """
        page = Page(
            self._next_page, lookup, url, tuple(headers), limit_bytes, may_be_private, time.monotonic()
        )
        self._next_page -= 1
        self._active[page.id] = page
        self._ask(page)

    # --- what happens ---------------------------------------------------------------------------------------

    def poll(self, timeout: float) -> list[Event]:
        """Work until something has happened, for at most `timeout` seconds or until `wake`.

        Returns:
            Events in the order in which they happened; empty when nothing did.
        """
        until = time.monotonic() + timeout
        for transfer in [transfer for transfer in self._active.values() if transfer.is_held]:
            self._let_go(transfer)
        is_awake = False
        while not self._events and not is_awake:
            now = time.monotonic()
            is_awake = self._turn(max(0.0, min(until, self._next_deadline(now)) - now))
            if time.monotonic() >= until:
                break
        return self._take_events()

    def told(self) -> list[Event]:
        """Return what has happened, with every byte that was written told; waits for nothing."""
        self._intake.tell_all()
        return self._take_events()

    def wake(self) -> None:
        """Make a `poll` under way return. May be called from any thread."""
        self._wire.wake()

    def observation(self, request_id: int) -> Observation | None:
        """Return what was seen of a request: of one under way, or of one of the last that failed."""
        transfer = self._active.get(request_id)
        if transfer is not None:
            return self._sightings().look(transfer)
        return self._seen.of_request(request_id) if self._seen else None

    def page_observation(self, lookup: Lookup) -> Observation | None:
        """Return what was seen of a lookup's page that failed."""
        return self._seen.of_page(lookup) if self._seen else None

    def page_place(self, lookup: Lookup) -> tuple[str, bool]:
        """Return the URL that a page came from, after redirects, and whether its host is inside this network.

        Raises:
            KeyError: The lookup was not answered.
        """
        return self._pages[lookup]

    def failures(self) -> list[Observation]:
        """Return what was seen of the last requests and pages that failed, oldest first."""
        return self._seen.all() if self._seen else []

    @property
    def is_idle(self) -> bool:
        """Whether nothing is under way."""
        return not self._active and not self._events

    def close(self) -> None:
        """Drop everything under way and close all connections."""
        for transfer in list(self._active.values()):
            self._release(transfer)
        self._active.clear()
        for channel in self._pool:
            channel.close()
        self._pool.clear()
        self._names.close()
        self._wire.close()
        if "_trust" in self.__dict__:
            self._trust.close()

    @cached_property
    def _trust(self) -> Trust:
        return self._find_trust()

    # --- the loop -------------------------------------------------------------------------------------------

    def _take_events(self) -> list[Event]:
        events = list(self._events)
        self._events.clear()
        return events

    def _turn(self, wait: float) -> bool:
        """Let libcurl work once; return whether somebody called `wake`."""
        is_awake = self._wire.turn(wait)
        self._staging.go_on()
        self._staging.pass_on()
        self._carry_out()
        self._take_endings()
        self._check_deadlines()
        return is_awake

    def _opened(self, download: Download) -> None:
        if download.proxy:
            self._carried.add((download.proxy, urls.base(download.url)))
        self._versions.answered(download)
        self._lookout.expect(download)

    def _carry_out(self) -> None:
        """End what the intake has found an outcome for."""
        due, self._intake.due[:] = list(self._intake.due), []
        for transfer in due:
            self._leave_wire(transfer)
            match transfer.outcome:
                case Outcome.FINISH:
                    self._finish(transfer)
                case Outcome.FOLLOW:
                    self._follow(transfer)
                case Outcome.HALT:
                    self._halt(transfer)
                case Outcome.FAIL:
                    self._fail(transfer, 0, "")

    def _take_endings(self) -> None:
        for curl, code, message in self._wire.endings():
            if (transfer := self._by_curl.get(curl)) is not None:
                self._ended(transfer, code, message)

    def _check_deadlines(self) -> None:
        now = time.monotonic()
        for transfer in list(self._active.values()):
            if transfer.deadline is not None and now >= transfer.deadline:
                self._overdue(transfer)
            elif transfer.position > transfer.told:
                self._intake.tell(transfer)
            elif transfer.stage is Stage.ASKED and transfer.channel:
                self._intake.look_at_head(transfer)
        self._lookout.look(now)
        for host, said in self._names.answers(now):
            for transfer in [t for t in self._active.values() if t.stage is Stage.LEFT]:
                if urls.host(transfer.url) == host and said == RESOLVES:
                    self._ask_again(transfer)
                elif urls.host(transfer.url) == host:
                    self._fail(transfer, pycurl.E_COULDNT_RESOLVE_HOST, "", resolver=said)

    def _next_deadline(self, now: float) -> float:
        soonest = now + 3600.0
        for transfer in self._active.values():  # at each turn: no lists are made
            if transfer.deadline is not None and transfer.deadline < soonest:
                soonest = transfer.deadline
            if transfer.position > transfer.told and transfer.told_at + TELL_SECONDS < soonest:
                soonest = transfer.told_at + TELL_SECONDS
        others = (self._wire.due, self._names.due, self._lookout.due, self._staging.due(now))
        return min([soonest, *(time for time in others if time is not None)])

    # --- asking ---------------------------------------------------------------------------------------------

    def _ask(self, transfer: Transfer) -> None:
        """Put the request for the transfer's current URL on the wire."""
        url, _, _ = urls.split_userinfo(transfer.url)
        reach = policy.reach(url, transfer, self._named_hosts)
        if refused := self._refuse(url, reach):
            transfer.refused = refused
            self._fail(transfer, 0, "")
            return
        try:
            route = self._route(url)
            transfer.shares = self._versions.shares(transfer, urls.origin(url))
            headers = [*transfer.headers, *self._authorization(transfer, url)]
            transfer.has_negotiated |= route.user is None and route.proxy in self._negotiating
            transfer.proxy = route.proxy or ""
            channel = transfer.channel = transfer.channel or self._channel()
            channel.prepare(
                url,
                route=route,
                headers=headers,
                byte_range=transfer.wanted.byte_range,
                multiplex=transfer.shares,
                reach=reach,
                negotiate=transfer.has_negotiated,
                is_anew=transfer.is_anew,
                avoided=self._machines.avoided(transfer),
            )
        except (SurefetchError, ValueError, pycurl.error) as error:
            transfer.refused = policy.refuse_text(url, error)
            self._fail(transfer, 0, "")
            return
        if isinstance(transfer, Page) and transfer.deadline is None:
            transfer.deadline = transfer.began + self._options.page_timeout
        transfer.asked_at = time.monotonic()
        self._by_curl[channel.curl] = transfer
        channel.take = partial(self._intake.take, transfer)
        self._wire.add(channel.curl)

    def _refuse(self, url: str, reach: Reach) -> Refused | None:
        if refused := policy.refuse_url(url, is_named=reach is not Reach.PUBLIC):
            return refused
        if url[:6].lower() == "https:" and self._trust.problem:
            return Refused(cause="tls.no-trust-store", detail=self._trust.problem)
        return None

    def _route(self, url: str) -> Route:
        origin = urls.origin(url)
        if origin not in self._routes:
            self._routes[origin] = self._router.resolve(url)
        return self._routes[origin]

    def _authorization(self, transfer: Transfer, url: str) -> list[str]:
        _, user, password = urls.split_userinfo(transfer.url)
        if user is not None:
            return [basic(user, password or "")]
        return list(self._credentials.headers(url, transfer.asked_url if transfer.hops else ""))

    def _channel(self) -> Channel:
        if self._pool:
            return self._pool.pop()
        return Channel(self._options, lambda: self._trust, self._user_agent, self._staging, self._throttle)

    def _let_go(self, transfer: Transfer) -> None:
        """Go on with an answer that begins elsewhere: the owner knows and has not cancelled."""
        transfer.is_held = False
        self._intake.write(transfer, b"")
        self._carry_out()
        if transfer.held_ending and transfer.id in self._active:
            self._ended_body(transfer, *transfer.held_ending)

    def _halt(self, transfer: Transfer) -> None:
        self._intake.tell(transfer, is_last=True)
        cause, detail = self._sightings().blame_disk(transfer)
        self._end(transfer, Failed(id=transfer.id, failure=Failure.LOCAL, cause=cause, detail=detail))
        self._events.append(Halted(cause=cause, detail=detail))

    # --- endings --------------------------------------------------------------------------------------------

    def _ended(self, transfer: Transfer, code: int, message: str) -> None:
        """libcurl is through with a transfer."""
        self._leave_wire(transfer)
        self._intake.conclude(transfer, is_whole=code == 0)
        self._carry_out()
        if transfer.id not in self._active:
            return
        match transfer.stage:
            case Stage.REDIRECTED:
                self._follow(transfer)
            case Stage.ACCEPTED if transfer.is_held:
                transfer.held_ending = (code, message)
            case Stage.ACCEPTED if transfer.id in self._active:
                self._ended_body(transfer, code, message)
            case Stage.REFUSED:
                if not (transfer.head and transfer.head.status == 407 and self._negotiate(transfer)):
                    self._fail(transfer, 0, "", is_whole=code == 0)
            case Stage.ASKED:
                self._failed_on_the_way(transfer, code, message)

    def _ended_body(self, transfer: Transfer, code: int, message: str) -> None:
        assert transfer.accepted
        end = transfer.stop if transfer.stop is not None else transfer.accepted.stop
        is_whole = end is None or transfer.position >= end or transfer.has_kept_its_word
        if transfer.is_complete or (code == 0 and is_whole):
            self._finish(transfer)
            return
        if code == 0:
            missing = f"{transfer.position:,} of {end:,} bytes came"
            transfer.refused = Refused(cause="body.truncated", detail=missing)
        self._fail(transfer, code, message)

    def _failed_on_the_way(self, transfer: Transfer, code: int, message: str) -> None:
        channel = transfer.channel
        assert channel
        if channel.has_no_socket:
            transfer.refused = policy.NO_SOCKET
        elif address := channel.refused_address:
            transfer.refused = policy.refused_address(transfer, address)
        elif code == pycurl.E_COULDNT_RESOLVE_HOST and transfer.stage is not Stage.LEFT:
            transfer.stage = Stage.LEFT
            self._names.ask(urls.host(transfer.url), time.monotonic())
            return
        elif channel.info(pycurl.HTTP_CONNECTCODE) == 407 and self._negotiate(transfer):
            return
        elif (
            self._versions.is_to_be_turned(transfer, code, message)
            or channel.was_queued(code, message, transfer.asked_at)
            or self._machines.has_no_other(transfer)
        ):
            self._ask_again(transfer)
            return
        elif code == _E_PROXY:
            transfer.refused = self._sightings().refused_by_socks(channel, message)
        self._fail(transfer, code, message)

    def _negotiate(self, transfer: Transfer) -> bool:
        """Ask once more with Kerberos, if that is what the proxy wants and no password is known."""
        route = self._route(urls.split_userinfo(transfer.url)[0])
        assert transfer.channel
        offered = transfer.channel.info(pycurl.PROXYAUTH_AVAIL) & pycurl.HTTPAUTH_NEGOTIATE
        if not offered or transfer.has_negotiated or route.user is not None or route.proxy is None:
            return False
        transfer.has_negotiated = True
        self._negotiating.add(route.proxy)
        self._leave_wire(transfer)
        self._ask_again(transfer)
        return True

    def _ask_again(self, transfer: Transfer) -> None:
        transfer.restart(transfer.url)
        self._ask(transfer)

    def _follow(self, transfer: Transfer) -> None:
        """Go where a redirect leads, if that is allowed."""
        assert transfer.redirected
        here = urls.split_userinfo(transfer.url)[0]
        there = urls.follow(here, transfer.redirected.location)
        asked, most = (transfer.asked_url, *transfer.hops), self._options.redirects
        transfer.refused = policy.refuse_hop(here, there, asked, most, may_return=transfer.has_cookie)
        if self.log and not transfer.refused:
            self._remember(transfer)
        transfer.hops.append(there)
        if transfer.refused:
            self._fail(transfer, 0, "")
            return
        if urls.base(there).lower() != urls.base(here).lower():
            transfer.may_be_private = policy.leads_within(transfer, self._named_hosts)
        transfer.restart(there)
        self._ask(transfer)

    def _overdue(self, transfer: Transfer) -> None:
        transfer.deadline = None
        if transfer.is_complete:
            self._finish(transfer)
        elif transfer.stage is Stage.REDIRECTED:
            self._leave_wire(transfer)
            self._follow(transfer)
        elif transfer.stage is Stage.REFUSED:
            self._fail(transfer, 0, "")
        else:
            self._fail(transfer, pycurl.E_OPERATION_TIMEDOUT, "the time for it is used up")

    def _finish(self, transfer: Transfer) -> None:
        if self.log:
            self._remember(transfer)
        if isinstance(transfer, Page):
            self._pages[transfer.lookup] = (urls.split_userinfo(transfer.url)[0], transfer.is_inside)
            self._end(transfer, Answered(lookup=transfer.lookup, answer=bytes(transfer.content)))
        else:
            self._end(transfer, Finished(id=transfer.id, stop=transfer.position))

    def _fail(
        self, transfer: Transfer, code: int, message: str, *, is_whole: bool = False, resolver: str = ""
    ) -> None:
        self._intake.tell(transfer, is_last=True)
        seen = self._remember(transfer, code, message, resolver)
        has_passed = (transfer.proxy, urls.base(transfer.url)) in self._carried
        failure, cause, detail = self._sightings().judge(transfer, seen, has_passed=has_passed)
        if isinstance(transfer, Page):
            seconds = time.monotonic() - transfer.began
            self._end(
                transfer,
                LookupFailed(
                    lookup=transfer.lookup, failure=failure, cause=cause, detail=detail, seconds=seconds
                ),
            )
            return
        asked = seen.header("retry-after")  # a proxy's, too
        pause = answers.retry_after(asked, seen.header("date"), time.time()) if asked else seen.limit_reset()
        is_other_file = is_whole and seen.status in (200, 203) and bool(transfer.kept)
        self._end(
            transfer,
            Failed(
                id=transfer.id,
                failure=failure,
                cause=cause,
                detail=detail,
                retry_after=pause,
                wrong_digest=sha256(transfer.kept).hexdigest() if is_other_file else None,
                size=answers.size_beyond(seen.status, seen.header("content-range")),
                is_stored=transfer.may_be_stored,
                is_alone=transfer.is_alone,
            ),
        )

    def _remember(
        self, transfer: Transfer, code: int = 0, message: str = "", resolver: str = ""
    ) -> Observation:
        seen = self._sightings().remember(transfer, code, message, resolver)
        if self.log:
            self.log.add(seen, time.time() - (time.monotonic() - transfer.asked_at))
        return seen

    def _sightings(self) -> Sightings:
        if self._seen is None:
            from surefetch.transfer.sightings import Sightings  # most fetches see no failure

            self._seen = Sightings(self._judge)
        return self._seen

    def _phase(self, transfer: Transfer) -> Phase:
        from surefetch.transfer.observe import phase_of  # of what is broken off only

        phase = phase_of(transfer)
        if phase not in (Phase.QUEUED, Phase.RESOLVE):
            return phase
        # It waits for a connection: one that others of its host use, or one that another is making.
        way = transfer.proxy or urls.origin(transfer.url)
        others = {phase_of(t) for t in self._by_curl.values() if way == (t.proxy or urls.origin(t.url))}
        if Phase.WAIT in others or Phase.BODY in others:
            return Phase.QUEUED
        return next((other for other in (Phase.CONNECT, Phase.TLS, Phase.RESOLVE) if other in others), phase)

    def _end(self, transfer: Transfer, event: Event) -> None:
        self._machines.ended(transfer, event)
        self._intake.forget(transfer)
        self._release(transfer)
        del self._active[transfer.id]
        self._events.append(event)

    def _release(self, transfer: Transfer) -> None:
        self._leave_wire(transfer)
        if transfer.channel is None:
            return
        transfer.channel.forget()
        if len(self._pool) < _POOL:
            self._pool.append(transfer.channel)
        else:
            transfer.channel.close()
        transfer.channel = None

    def _leave_wire(self, transfer: Transfer) -> None:
        if transfer.channel and self._by_curl.pop(transfer.channel.curl, None):
            self._wire.remove(transfer.channel.curl)
            self._staging.forget(transfer.channel)
            self._lookout.forget(transfer)


def _new_log(user_agent: str) -> NetworkLog:
    from surefetch.transfer.har import NetworkLog  # most fetches keep no log

    return NetworkLog(user_agent)
