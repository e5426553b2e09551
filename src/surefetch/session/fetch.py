"""The loop between the planner and the edges: carries out orders, brings back events."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING, Any, Protocol

from surefetch.errors import InterruptError, SurefetchError
from surefetch.events import (
    OF_REQUESTS,
    Answered,
    Cancel,
    Cancelled,
    Derive,
    Differed,
    Discard,
    Discarded,
    Disproven,
    Divide,
    Done,
    Event,
    Failed,
    Finished,
    Halted,
    Look,
    OfRequest,
    Opened,
    Order,
    PieceJudged,
    Prove,
    Received,
    Request,
    Shorten,
    Tick,
    Wait,
)
from surefetch.model import Artifact, Lookup
from surefetch.plan.planner import Planner
from surefetch.reporters import Reporter
from surefetch.session.meter import Meter
from surefetch.store.files import most_open

if TYPE_CHECKING:
    from surefetch.session.bench import Bench
    from surefetch.store import Part

#: Threads for lookups, copies from local disks and derivations: a few, because each may wait for a disk.
WORKERS = 4
#: Seconds between two reports of progress.
REPORT_SECONDS = 0.05
#: Seconds to wait at most before looking at the clock again.
HEARTBEAT = 0.5
#: Artifacts that wait at most for their proof while the network has something to say; fewer where this
#: process may have few files open.
UNPROVEN = 64
#: Seconds between two looks at whether fewer are being proven, and how many looks.
PAUSE, PAUSES = 0.001, 2000
#: Seconds of proving between two looks at the network.
PROVE_SECONDS = 0.002
_JUDGED = (PieceJudged, Disproven)


class Network(Protocol):
    """What the loop needs of the transfer engine."""

    def begin(self, request: Request, sink: Any) -> None:
        """Start a request; its bytes go into the sink."""
        ...

    def shorten(self, id: int, stop: int) -> None:  # noqa: A002 - the orders' own word
        """Let a request end at `stop`."""
        ...

    def divide(self, streams: int) -> None:
        """Have a shared connection carry so many requests at most."""
        ...

    def cancel(self, id: int) -> None:  # noqa: A002 - the orders' own word
        """Break a request off."""
        ...

    def poll(self, timeout: float) -> list[Event]:
        """Wait for what happens, `timeout` seconds at most."""
        ...

    def told(self) -> list[Event]:
        """Return what has happened, with every byte that was written told, without waiting."""
        ...

    def wake(self) -> None:
        """Let `poll` return; from any thread."""
        ...

    def close(self) -> None:
        """Close all connections."""
        ...


class Loop:
    """Runs one planner to its end. Mutable: it owns the requests under way, the workers and the inbox."""

    def __init__(
        self,
        planner: Planner,
        bench: Bench,
        *,
        look: Callable[[Lookup], Event],
        index: Callable[[Any, Lookup], None],
        finish_index: Callable[[Any, Answered], Answered],
        network: Callable[[], Any],
        uses_credential: Callable[[str], bool],
        meter: Meter,
        reporter: Reporter,
        total: int | None,
    ) -> None:
        """Take the parts.

        Args:
            planner: Decides.
            bench: Holds the parts, proves and derives.
            look: Carries out a lookup of this machine; called on a worker thread.
            index: Starts the lookup of an index page on the network.
            finish_index: Adds to the page where it came from.
            network: Makes the transfer engine; called at the first request, and never if there is none.
            uses_credential: Whether a URL's origin is shown who asks.
            meter: Notes how each request went.
            reporter: Told of progress.
            total: Bytes expected, for the progress bar; None if unknown.
        """
        self._planner, self._bench, self._look, self._index = planner, bench, look, index
        self._finish_index = finish_index
        self._uses_credential, self._meter = uses_credential, meter
        self._make_network, self._reporter, self._total = network, reporter, total
        self._network: Any = None
        self._inbox = bench.inbox
        self._workers: Any = None  # made with the first job: their module costs 4 ms
        self._reported_at = 0.0
        self._wake_at = float("inf")
        self._requests: dict[int, Request] = {}
        self._stopped: set[int] = set()
        self._unproven: deque[Artifact] = deque()
        self._most_unproven = min(UNPROVEN, most_open() // 8)
        self._ahead: list[Event] = []  # to be told before what comes next

    def run(self) -> Done:
        """Run until the planner is done.

        Raises:
            InterruptError: Ctrl-C; what has arrived is kept for the next time.
        """
        try:
            return self._run()
        except KeyboardInterrupt:
            kept = self._bench.save()
            raise InterruptError(f"interrupted; {kept}") from None
        finally:
            self._stopped.update(self._requests)  # local copies look here
            if self._workers is not None:
                self._workers.shutdown(wait=True, cancel_futures=True)
            if self._network is not None:
                self._network.close()
            self._bench.close()
            self._reporter.end()

    def _run(self) -> Done:
        orders = self._planner.start(time.monotonic())
        while True:
            for order in orders:
                if isinstance(order, Done):
                    return order
                self._carry_out(order)
            orders = self._planner.handle_all(self._next_events(), time.monotonic())

    def _carry_out(self, order: Order) -> None:
        match order:
            case Wait():
                self._wake_at = order.until
            case Request():
                self._begin(order)
            case Shorten() if order.id in self._requests:
                self._engine().shorten(order.id, order.stop)
            case Divide():
                self._engine().divide(order.streams)
            case Cancel() if order.id in self._requests:
                self._cancel(order.id)
            case Look():
                self._begin_lookup(order.lookup)
            case Prove():
                self._unproven.append(order.artifact)  # when the network is quiet: the next requests go first
            case Discard():
                self._discard(order)
            case Derive():
                self._work(self._bench.derive, order)

    def _begin(self, request: Request) -> None:
        self._requests[request.id] = request
        self._meter.begin(request)
        for _ in range(PAUSES):  # the network can wait: each of those that are being proven has a file open
            if len(self._bench.proving) <= self._most_unproven:
                break
            time.sleep(PAUSE)
        try:
            part = self._bench.part(request.artifact)
        except SurefetchError as error:
            self._inbox.post(Halted(cause=error.code, detail=error.message))
            return
        sink = self._sink(request, part)
        if request.mirror.is_local:
            from surefetch.session.copying import copy_local

            is_stopped = partial(self._stopped.__contains__, request.id)
            self._work_freely(copy_local, request, sink, self._inbox.post, is_stopped)
        else:
            self._engine().begin(request, sink)

    def _discard(self, order: Discard) -> None:
        """Discard bytes, and say when, between what was written before and what is written from now on."""
        if self._network is not None:
            self._ahead += map(self._enclosed, self._network.told())
        self._bench.discard(order.artifact, order.start, order.stop)
        self._ahead.append(Discarded(artifact=order.artifact, start=order.start, stop=order.stop))

    def _sink(self, request: Request, part: Part) -> Any:
        """Return where a request's bytes go: into the part, or against it."""
        if not request.compares:
            return part
        from surefetch.session.comparing import Comparison  # seldom needed

        return Comparison(request, part, self._inbox.post)

    def _cancel(self, id: int) -> None:  # noqa: A002 - the orders' own word
        if self._requests[id].mirror.is_local:
            self._stopped.add(id)
        else:
            self._engine().cancel(id)

    def _begin_lookup(self, lookup: Lookup) -> None:
        if lookup.kind == "index" and lookup.target.startswith(("http://", "https://")):
            self._index(self._engine(), lookup)
        else:
            self._work(self._look, lookup)

    def _work(self, function: Callable[[Any], Event], argument: Any) -> None:
        """Run a function on a worker; its event, or what went wrong on this machine, comes to the inbox."""
        self._work_freely(lambda: self._inbox.post(function(argument)))

    def _work_freely(self, function: Callable[..., None], *arguments: Any) -> None:
        """Run a function that posts its own events; what it raises ends the fetch, which would wait."""

        def job() -> None:
            try:
                function(*arguments)
            except SurefetchError as error:
                self._inbox.post(Halted(cause=error.code, detail=error.message))
            except BaseException as error:  # raised in the loop
                self._inbox.give_up(error)

        if self._workers is None:
            from concurrent.futures import ThreadPoolExecutor

            self._workers = ThreadPoolExecutor(WORKERS, thread_name_prefix="surefetch")
        self._workers.submit(job)

    def _engine(self) -> Any:
        if self._network is None:
            self._network = self._make_network()
            self._inbox.wake = self._network.wake
        return self._network

    def _next_events(self) -> list[Event]:
        """Wait for events; a `Tick` when the planner's time has come and nothing else happened."""
        while len(self._unproven) > self._most_unproven:
            self._bench.prove(self._unproven.popleft())
        ahead, self._ahead = self._ahead, []
        timeout = 0.0 if ahead else max(0.0, min(self._wake_at - time.monotonic(), HEARTBEAT))
        if self._network is None:
            self._prove()
            events = self._inbox.take(0.0 if self._unproven else timeout)
        else:
            events = self._from_network(timeout)
        events = ahead + events if ahead else events
        now = time.monotonic()
        if now >= self._wake_at:
            self._wake_at = float("inf")
            events.append(Tick())
        for event in events:
            if isinstance(event, OF_REQUESTS):
                self._notice(event, now)
        return events

    def _from_network(self, timeout: float) -> list[Event]:
        """Wait for events of the network and the workers; give them in the order that planning needs."""
        posted = self._inbox.take()
        polled = self._network.poll(0.0 if posted or self._unproven else timeout)
        if not polled:
            self._prove()
        posted += self._inbox.take()
        if any(isinstance(event, _JUDGED) for event in posted):
            polled += self._network.told()  # what is judged has arrived before
        ahead = [event for event in posted if isinstance(event, Differed)]  # before its request's ending
        if ahead:
            posted = [event for event in posted if not isinstance(event, Differed)]
        return [*ahead, *[self._enclosed(event) for event in polled], *posted]

    def _prove(self) -> None:
        """Prove what has arrived, as much as fits between two looks at the network."""
        until = time.monotonic() + PROVE_SECONDS
        while self._unproven and time.monotonic() < until:
            self._bench.prove(self._unproven.popleft())

    def _enclosed(self, event: Event) -> Event:
        if isinstance(event, Answered):
            return self._finish_index(self._network, event)
        return self._bench.named(event) if isinstance(event, Failed) else event

    def _notice(self, event: OfRequest, now: float) -> None:
        """Keep the bench, the history and the progress bar up to date."""
        self._meter.notice(event, now)
        request = self._requests.get(event.id)
        if request is None:
            return
        match event:
            case Opened():
                mirror = request.mirror
                shown = not mirror.is_local and self._uses_credential(mirror.url)
                self._bench.opened(request, event, with_credential=shown)
            case Received():
                self._report(request, now)
            case Finished():
                self._report(request, now)
                self._ended(event)
            case Failed():
                if event.wrong_digest:
                    self._bench.wrong_digests.append((request.mirror.url, event.wrong_digest))
                self._ended(event)
            case Cancelled():
                self._ended(event)

    def _ended(self, event: Finished | Failed | Cancelled) -> None:
        artifact = self._requests.pop(event.id).artifact
        others = (request.artifact for request in self._requests.values())
        if not isinstance(event, Finished) and not any(other is artifact for other in others):
            self._bench.release(artifact)

    def _report(self, request: Request, now: float) -> None:
        """Tell the progress; not at each of thousands of events, because counting what is here takes time."""
        if now - self._reported_at >= REPORT_SECONDS:
            self._reported_at = now
            received = self._bench.received
            total = self._total or self._planner.told_bytes
            # More may come than the form has that was expected to give it.
            is_known = total is not None and received <= total
            self._reporter.progress(received, total if is_known else None, _place(request))


def _place(request: Request) -> str:
    return "this machine" if request.mirror.is_local else request.mirror.origin.partition("://")[2]
