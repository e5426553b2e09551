"""What is known of each host in this fetch: judged once, for all its artifacts."""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING, Final

from surefetch.events import Failure
from surefetch.plan.pace import Pace
from surefetch.plan.policy import HOST_BUDGET, PATIENCE, Limits, denies, missed_pause
from surefetch.plan.spread import Sharing, Spread

if TYPE_CHECKING:
    from surefetch.plan.artifact import ArtifactPlan

#: The origin of files on this machine.
LOCAL = "file"
#: A host that begins to answer within so many seconds gets small requests before it has a connection free.
QUICK: Final = 0.5
#: Seconds after which more requests at once are tried again that a host refused, or that brought nothing.
TRY_AGAIN: Final = 60.0
#: The same where it did not say that they are too many.
TRY_SOON: Final = 4.0
#: They double each time, so often at most.
TRY_RARELY: Final = 4
#: Seconds between two looks at hosts that are waited for.
LOOK_AGAIN: Final = 0.002
#: A host that has answered so often and fails some requests by chance may fail an artifact so often in a row,
#: at most, unless that is less likely than this.
ANSWERS: Final = 20
IN_ROW: Final = 10
CHANCE: Final = 1e-6
#: A host that gave bytes, and fails so many requests in a row since, is out of order as a whole.
OUT_OF_ORDER: Final = 8
#: Seconds that a gateway is waited for which failed so many at first: as long as a single file is asked for.
AT_FIRST: Final = 4.0
#: A server that counts connections counts one that we have closed for so many seconds, and a round trip.
NOTICED: Final = 0.1
#: Whoever gave so many wrong files in a row is asked only for what nobody else may have.
LIES: Final = 3
#: Whoever refused so many files, here and there among all, and gave none, has none for us. After the first of
#: them those that are tried come from all over those that wait.
REFUSALS: Final = 48
#: Asking again is in vain where so many were refused anew, and more than so many times as many as were given.
IN_VAIN: Final = 8
PAID: Final = 3
FIRST_REFUSALS: Final = 8
#: It takes no more requests at once when it has failed so many, with hardly an answer between them.
CROWD: Final = 3.0
_NO_FAULT_OF_THE_HOST = frozenset({Failure.AUTH, Failure.MISSING, Failure.CORRUPT, Failure.POLICY})


class Host:
    """Mutable account of one origin: whether it may be asked, how many requests it has, how fast it is.

    Attributes:
        dropped: The cause for which it is out for this fetch; "" while it is not.
        paused_until: Not asked before.
        open: Requests under way.
        giving: Those of them that have been answered.
        most_giving: As many of them as there were at once.
        sharing: Those among them whose artifacts share a connection where the host multiplexes.
        spread: How many connections it may have while many small artifacts wait for it.
        most: Requests at once that it was seen to take, None while nothing is known.
        more_at: When it is given more than those.
        first_byte: Seconds from an order to its first byte, 0 while unknown.
        round_trip: Seconds of a round trip, the shortest seen; 0 while unknown.
        rate: Bytes per second of one connection, 0 while unknown.
        lanes: Requests at once for one artifact that have paid.
        last_byte: When it last gave a byte.
        cut_at: When it last broke a request off.
        was_asked: Whether it ever had a request.
        shared_until: When one of those that share a connection last ended while others were under way.
        crowded_until: When one of its requests last ended while another one waited for a connection.
        in_row: Failures since it gave its last byte that speak of the host.
        is_away: It gave bytes, and cannot be reached since; it may come back.
        waiting: Artifacts that would ask it if it had room for one more connection.
        sharers: Likewise, for one more request over the connection that they share.
        plans: Artifacts that have a mirror here.
        is_mute: It was waited for as the only one that has a file, in vain.
        pace: How many requests a second it takes, once it has refused some.
        lies: Whole files that it gave wrong, since it gave a right one.
        is_moody: It fails requests however few it has: that is no matter of others beside them.
        refused: Files that it refused, or gave a page for.
        relented: Times that it gave what it had refused before.
        gave_asked_at: When the latest of the requests was made that it answered.
    """

    def __init__(self, origin: str) -> None:
        self.origin = origin
        self.dropped = ""
        self.paused_until = 0.0
        self.open = self.giving = self.most_giving = self.sharing = 0
        self.spread = Spread()
        self._sharing = Sharing()
        self.most: int | None = None
        self.more_at = float("inf")
        self.is_multiplexed = False
        local = origin == LOCAL
        self.first_byte = 0.001 if local else 0.0
        self.round_trip = 0.0
        self.rate = 1e9 if local else 0.0
        self.lanes = 1
        self.last_byte = self.cut_at = float("-inf")
        self.was_asked = False
        self.shared_until = self.crowded_until = float("-inf")
        self.waiting: deque[ArtifactPlan] = deque()
        self.sharers: deque[ArtifactPlan] = deque()
        self.plans: list[ArtifactPlan] = []
        self.in_row = 0
        self.is_away = self.is_mute = False
        self.lies = 0
        self.pace = Pace()
        self._closing: list[float] = []  # when it will have noticed that a connection was closed
        self._refusals = 0  # of one request more
        self._limited_at = float("-inf")
        self._passed_over = 0  # requests, in the latest such incident
        self._taken = 1  # connections that it went on with then
        self._looked_at = 0  # connections that have given an answer
        self._failed_at = float("-inf")
        self._failed = self._worked = 0
        self._failures_of_all = 0  # since its last answer
        self._failing_since = 0.0  # when the first of them came
        self.is_moody = False  # fails now and then, however few it has
        self.refused = self.relented = self._in_vain = 0
        self.gave_asked_at = float("-inf")
        self._is_guess = False  # the number of requests that it takes: it did not say that they are too many
        self._alone = 0  # failures of the only request that it had, before it ever answered
        self._crowd = 0.0  # refusals beside others, less by half with each answer

    def room(self, limits: Limits, *, shares: bool = False) -> int:
        """How many more requests it may be given. One that failed gets one at a time until it works again.

        Args:
            limits: The planner's.
            shares: They are for artifacts that share a connection where the host multiplexes.
        """
        if self.dropped:
            return 0
        if self.in_row:
            room = 1 - self.open
        elif shares and self.is_multiplexed:
            room = min(limits.streams, self.most or limits.streams) - self.sharing
        else:
            room = self.connections(limits)
            if self.most is not None:
                room = min(room, self.most) - len(self._closing)
            room -= self.open - self.sharing if self.is_multiplexed else self.open
        return min(room, int(self.pace.room)) if self.pace.is_on else room

    @property
    def is_liar(self) -> bool:
        """Whether what it gives is wrong, one file like the other."""
        return self.lies >= LIES and self.origin != LOCAL

    @property
    def own(self) -> int:
        """Requests under way that have a connection of their own, or wait for one."""
        return self.open - self.sharing if self.is_multiplexed else self.open

    def connections(self, limits: Limits) -> int:
        """How many it may have."""
        return self.spread.connections or limits.connections

    def queue(self, limits: Limits, *, shares: bool) -> int:
        """How many more small requests it may be given, those counted that wait until a connection is free.

        They go out as soon as it is, not when the end of the one before has been taken in. As many as it has
        connections may wait, and only where that will not be for long and it has all that there are.
        """
        queue = self.room(limits, shares=shares)
        if not 0 < self.first_byte <= QUICK or self.in_row or self.most is not None or self.dropped:
            return queue
        if (shares and self.is_multiplexed) or self.connections(limits) < limits.wire:
            return queue
        queue += limits.wire
        return min(queue, int(self.pace.room)) if self.pace.is_on else queue

    def asked(self, *, shares: bool) -> None:
        """Note a request."""
        self.open += 1
        self.sharing += shares
        self.was_asked = True
        self.pace.took()

    def released(self, now: float, limits: Limits, *, shares: bool, is_closed: bool) -> None:
        """Note the end of a request, and whether its connection was closed amid an answer."""
        if is_closed and self.most is not None and not self.is_multiplexed:
            self._closing.append(now + NOTICED + self.round_trip)
        if self.is_crowded(limits):
            self.crowded_until = now
        if shares and self.is_shared:
            self.shared_until = now
        self.open -= 1
        self.sharing -= shares

    @property
    def is_shared(self) -> bool:
        """Whether several requests share a connection: others' bytes may be before those of each."""
        return self.is_multiplexed and self.sharing > 1

    def multiplexes(self) -> None:
        """Note that it takes many requests over one connection."""
        self.is_multiplexed = True
        parked, self.waiting = self.waiting, deque()
        for plan in parked:
            (self.sharers if plan.shares else self.waiting).append(plan)

    def is_crowded(self, limits: Limits) -> bool:
        """Whether some of its requests wait until a connection is free."""
        return self.own > limits.wire

    def came_shared(self, count: int, size: int, now: float) -> bool:
        """Note bytes over a shared connection; return whether more of them are needed from now on.

        Args:
            count: Bytes that came.
            size: Bytes of their artifact at most: others that wait have as many, by guess.
            now: The time.
        """
        is_free = self.most is None and not (self.in_row or self.pace.is_on)
        return is_free and self._sharing.came(count, size * (len(self.sharers) + self.sharing), now)

    def answered_small(self, now: float, limits: Limits) -> bool:
        """Note an answer to a small request; return whether it may have more connections from now on."""
        has = self.connections(limits)
        is_free = self.most is None and not (self.in_row or self.pace.is_on)
        return is_free and has < limits.wire and self.spread.answered(has, len(self.waiting), now, limits)

    def limit(self, began: float, now: float, *, is_said: bool = True) -> None:
        """Note that it takes no more requests at once beside those it has: it refused one that began then.

        Args:
            began: When the request began that it refused.
            now: The time.
            is_said: By what it answered. Otherwise it may have failed by chance: more are tried again soon.
        """
        self.most = max(1, min(self.open, self.most or self.open))
        self._is_guess = not is_said
        if began >= self._limited_at:  # the others are of the same incident
            self.more_at = next_try(self._refusals, now, TRY_AGAIN if is_said else TRY_SOON)
            self._refusals += 1
        self._limited_at = now

    @property
    def noticed_at(self) -> float:
        """When it will have noticed that the first of the connections was closed that we have closed."""
        return min(self._closing, default=float("-inf"))

    @property
    def passes_over(self) -> bool:
        """Whether it gives nobody anything, and most requests wait on connections that never gave an answer.

        Small servers keep to as many connections as they have threads, also where those are idle. One that
        needs long for some files has answered on most connections.
        """
        return not self.giving and 0 < 2 * self._looked_at <= self.open

    def passed_over(self, began: float, now: float, limits: Limits, *, is_part: bool) -> None:
        """Note that it left a request that began then waiting, on a connection that it did not look at.

        It takes as many as it has looked at, or one less each time that those were too many: of requests that
        wait in libcurl nothing is known. Of a large file it gave as many parts at once as it takes.
        """
        if began >= self._limited_at:  # the others are of the same incident
            self._passed_over = 0
            seen = self.most_giving if is_part else self._looked_at
            self._taken = max(1, min(seen, (self.most or limits.wire) - 1))
        self._passed_over += 1
        self.limit(began, now, is_said=False)
        self.most = max(self._taken, min(self.most or 1, self.connections(limits) - self._passed_over))

    def unlimit(self) -> None:
        """Note that the number of its requests is not what it minds."""
        self.most, self.more_at = None, float("inf")
        self._closing = []

    def loosen(self, now: float, limits: Limits) -> bool:
        """Let it have more requests if the time has come; return whether it has."""
        before, self._closing = self._closing, [time for time in self._closing if time > now]
        if self.most is None or now < self.more_at:
            return len(self._closing) < len(before)
        self.most, self.more_at = 2 * self.most, now + TRY_AGAIN
        if self.most >= self.connections(limits):
            self.unlimit()
        return True

    @property
    def distance(self) -> float:
        """Seconds to the first byte over a new connection if the host took no time to answer; 0: unknown."""
        return min(self.first_byte, 2 * self.round_trip) if self.round_trip else self.first_byte

    def worked(self, seconds: float, now: float, round_trip: float = 0.0) -> None:
        """Note that an answer began `seconds` after the order: earlier failures in a row are forgotten."""
        if round_trip:
            self.round_trip = min(round_trip, self.round_trip or round_trip)
            self._looked_at += 1
        if self._is_guess and (self.is_away or (self._alone and not self._worked)):
            self.unlimit()  # it failed everything, its only request, too
        self.in_row, self.is_away = 0, False
        self._failures_of_all = 0
        self._crowd /= 2
        self.pace.answered(now)
        self._worked += 1
        self.first_byte = seconds if not self.first_byte else 0.7 * self.first_byte + 0.3 * seconds

    def failed(self, failure: Failure, cause: str, began: float, now: float) -> bool:
        """Note a failed request; return whether it is the one for which the host is dropped.

        Requests that were under way when another one failed tell nothing new: it is the same incident.
        """
        if self.dropped or self.origin == LOCAL:
            return False
        if denies(failure, cause):
            self.refused += 1
            if self.refused >= REFUSALS and self.gives_nobody:
                self.dropped = cause
                return True
        if failure in _NO_FAULT_OF_THE_HOST:
            return False
        patience = PATIENCE[failure]
        if not patience.spoils_host or began >= self._failed_at or self.pace.is_by_chance:
            self._failed += 1
        if patience.spoils_host and began >= self._failed_at:
            self.in_row += 1
            self._failed_at = now
        is_spoiled = patience.spoils_host and self.in_row > patience.host_retries
        if is_spoiled or self._failed > HOST_BUDGET + self._worked:
            self.dropped = cause
        return bool(self.dropped)

    def explains(self, failures: int) -> bool:
        """Whether so many failures of one artifact in a row are no wonder: it fails others as often."""
        others = self._failed - failures
        if self._worked < ANSWERS or others <= 0 or failures >= IN_ROW:
            return False
        return (others / (others + self._worked)) ** failures > CHANCE

    def is_out_of_order(
        self, failure: Failure, cause: str, now: float, *, is_empty: bool, is_news: bool
    ) -> bool:
        """Note a failure; return whether it is one of many in a row that may be of all it has to do with.

        Args:
            failure: Its class.
            cause: What it is.
            now: The time.
            is_empty: No byte of the file came.
            is_news: It says something of the host.
        """
        is_general = failure in (Failure.SERVER, Failure.GATEWAY) or denies(failure, cause)
        is_general |= failure is Failure.CUT and is_empty
        if is_general and not self._failures_of_all:
            self._failing_since = now
        self._failures_of_all += is_general and is_news
        if denies(failure, cause) and (self.means_it or self._is_choosy):
            return False
        return is_general and self._failures_of_all >= OUT_OF_ORDER

    @property
    def _is_choosy(self) -> bool:
        """Whether it refuses so large a share of all files that as many in a row as now are no wonder."""
        others = 1 + max(0, self.refused - self._failures_of_all)
        return (others / (others + self._worked)) ** self._failures_of_all > CHANCE

    def gave(self, began: float, *, had_refused: bool) -> None:
        """Note an answer to a request that was made then, and whether it had refused the file before."""
        self.gave_asked_at = max(began, self.gave_asked_at)
        self.relented += had_refused

    def refused_again(self, excused_at: float) -> None:
        """Note that it refused again what it had refused then: it means that if it gave others since."""
        meant = self.means_it
        self._in_vain += self.gave_asked_at > excused_at
        if self.means_it and not meant and self._is_guess:
            self.unlimit()

    @property
    def means_it(self) -> bool:
        """Whether files that it refused are refused again, while it gives others."""
        return self._in_vain >= IN_VAIN and self._in_vain > PAID * self.relented

    @property
    def gives_nobody(self) -> bool:
        """Whether it never gave a byte, and refused several files."""
        return self.last_byte < 0 and self.refused >= FIRST_REFUSALS

    @property
    def gave_many(self) -> bool:
        """Whether it has answered many requests."""
        return self._worked >= ANSWERS

    def refused_beside(self) -> bool:
        """Note that it failed a request while it gave others; return whether it does so again and again."""
        self._crowd += 1.0
        return not self.is_moody and (self._crowd >= CROWD or self._refusals > 0)

    def failed_alone(self) -> None:
        """Note that it failed the only request it had: what it failed beside others was no matter of them."""
        self._alone += not self._worked
        if (
            self.most is not None
            and self._is_guess
            and (self.last_byte > self._limited_at or self._alone > 1)
        ):
            self.is_moody = True
            self.unlimit()

    def is_missed(self, failure: Failure, now: float, limits: Limits) -> bool:
        """Whether it gave a byte a moment ago, or is a gateway that may only begin: it is waited for."""
        if failure is Failure.GATEWAY and self.last_byte < 0 and self._failures_of_all >= OUT_OF_ORDER:
            return now < self._failing_since + AT_FIRST
        return now < self.last_byte + limits.missed

    def missed(self, began: float, now: float, jitter: float) -> None:
        """Note that a request found it away; the others that were under way are of the same incident."""
        self.is_away = True
        if self._limited_at >= self.last_byte:  # that was the beginning of it
            self.unlimit()
        if began >= self._failed_at:
            self.in_row += 1
            self._failed_at = now
            self.leave(now + missed_pause(self.in_row, jitter))

    def leave(self, until: float) -> None:
        """Leave it alone until then."""
        self.paused_until = max(until, self.paused_until)


def next_try(times: int, now: float, first: float = TRY_AGAIN) -> float:
    """When to try again what brought nothing so many times before."""
    return now + first * 2.0 ** min(times, TRY_RARELY)


class Hosts:
    """Mutable ledger of origins."""

    def __init__(self) -> None:
        self.freed: list[Host] = []  # have room again, since somebody looked
        self.dropped: list[Host] = []  # likewise: are out
        self.paced: dict[Host, None] = {}  # are asked for so many requests a second
        self.limited: dict[Host, None] = {}  # are given fewer requests at once than they may have
        self.requests = self.races = 0
        self._hosts: dict[str, Host] = {}

    @property
    def may_race(self) -> bool:
        """Whether one more request for bytes that are on their way is within the budget."""
        return self.races < 8 + self.requests / 20

    def look(self, now: float, limits: Limits) -> None:
        """Note as freed who may be asked again by the time: a pause is over, or a paced one has room."""
        for host in list(self.limited):
            if host.loosen(now, limits):
                self.freed.append(host)
            if host.most is None:
                del self.limited[host]
        for host in list(self.paced):
            host.pace.fill(now)
            if not host.pace.is_on:
                del self.paced[host]
        self.freed += [host for host in self._awaited() if self._next_time(host, now) <= now]

    def next_time(self, now: float) -> float | None:
        """When one of those that somebody waits for may be asked again; None where their requests tell it."""
        times = [max(now + LOOK_AGAIN, self._next_time(host, now)) for host in self._awaited()]
        return min(times, default=None)

    def _awaited(self) -> list[Host]:
        """Hosts that artifacts are parked at and of which no event will tell that they have room."""
        hosts = self._hosts.values()
        return [h for h in hosts if (h.waiting or h.sharers) and (not h.open or h.pace.is_on)]

    def _next_time(self, host: Host, now: float) -> float:
        paced = host.pace.next_at(now) if host.pace.is_on else now
        return max(host.paused_until, host.noticed_at, paced)

    def of(self, origin: str) -> Host:
        """Return the account of an origin."""
        host = self._hosts.get(origin)
        if host is None:
            host = self._hosts[origin] = Host(origin)
        return host
