"""Proving beside the transfer: threads that hash a part's bytes right behind its write frontier."""

from __future__ import annotations

import errno
import hashlib
import os
import threading
from _thread import start_new_thread
from collections import deque
from collections.abc import Callable, Sequence
from functools import partial
from typing import TYPE_CHECKING, Final

from surefetch.buffers import Buffers, fresh_memory
from surefetch.errors import StoreError
from surefetch.model import PIECE_BYTES, Digest, Struct
from surefetch.store import files
from surefetch.store.part import Part
from surefetch.store.ranges import Ranges

if TYPE_CHECKING:
    from hashlib import _Hash

#: Up to this size a part is hashed where `finish` is called: handing it to a thread costs more.
INLINE_BYTES: Final = 256 << 10
#: Bytes hashed at most in one call. Each call gives the interpreter's lock away and waits for it afterwards,
#: up to its switch interval while a transfer takes and leaves it for each piece that libcurl hands over.
STRETCH_BYTES: Final = 4 << 20
#: Stretches hashed in one turn, so that several parts advance together.
TURN_STRETCHES: Final = 8
#: Hash states kept to go back to after a discard; beyond that every other one is dropped.
CHECKPOINTS: Final = 64
CHECKPOINT_BYTES: Final = 16 << 20
#: The disk is asked to begin writing every so many bytes, so that the flush at the end is short.
WRITEBACK_BYTES: Final = 4 << 20
#: Bytes are kept in memory until they are hashed if they are at most so far ahead.
KEPT_AHEAD: Final = 16 << 20
#: Parts below this size are flushed at the end only: loading what it takes to ask costs more.
WRITEBACK_FROM: Final = 16 << 20


class Proof(Struct, frozen=True, kw_only=True):
    """What a part's bytes are."""

    sha256: str
    size: int  # bytes
    weak: dict[str, str] = {}  # algorithm -> digest, as far as asked for
    wrong_pieces: tuple[int, ...] | None = None  # indices; None: the digests of the pieces are not known

    def matches(self, digest: Digest) -> bool:
        """Whether these are the bytes that a digest names."""
        actual = self.sha256 if digest.algorithm == "sha256" else self.weak.get(digest.algorithm)
        return actual == digest.hex


OnPiece = Callable[[int, bool], None]
OnProof = Callable[[Proof | StoreError], None]


class Prover:
    """Mutable: the parts being hashed and the threads that do it. Callbacks come from those threads.

    Per part: `watch` once, `finish` when all bytes have arrived; each write is followed. A discard may come
    at any time: the hash goes back to the last state before it.
    """

    def __init__(self, buffers: Buffers | None = None, threads: int | None = None) -> None:
        """Make a prover.

        Args:
            buffers: Where bytes come from: hashed there they need not be read again.
            threads: At most; None: as many as there are processors, up to four.
        """
        self._buffers = buffers or Buffers()
        self._count = threads or max(1, min(4, os.cpu_count() or 1))
        self._tasks: dict[Part, _Task] = {}
        self._queue: deque[_Task] = deque()
        self._changed = threading.Condition()
        self._working = 0  # threads
        self._is_closed = False

    def watch(
        self,
        part: Part,
        *,
        algorithms: Sequence[str] = (),
        pieces: Sequence[str] = (),
        on_piece: OnPiece | None = None,
    ) -> None:
        """Begin with a part.

        Args:
            part: Its bytes; some may be here already.
            algorithms: Weak ones to compute beside SHA-256, e.g. `["md5"]`.
            pieces: SHA-256 of each PIECE_BYTES. The hash of the whole waits before a wrong piece.
            on_piece: Called once for each piece that is complete, with its index and whether it is right.
        """
        self._tasks[part] = _Task(part, self._buffers, algorithms, pieces, on_piece)
        if part.bound <= INLINE_BYTES:  # hashed by `finish`
            return
        part.on_written = partial(self._advance, part)
        with self._changed:
            self._start_thread()  # before the bytes: they come faster than it starts
        if part.frontier(0) > INLINE_BYTES:
            self._enqueue(self._tasks[part])

    def _advance(self, part: Part, start: int, view: memoryview) -> None:
        """Go on behind bytes that have arrived; called at every write."""
        task = self._tasks.get(part)
        if task is None:
            return
        task.keep(start, view)
        worth_waking = min(STRETCH_BYTES, max(files.BLOCK_BYTES, part.written // 4))
        if part.written - task.noticed >= worth_waking:
            task.noticed = part.written
            self._enqueue(task)

    def finish(self, part: Part, on_proof: OnProof) -> None:
        """Hash what is left and call `on_proof` once, with the proof or why the bytes could not be read.

        A small part is done before this returns, on the caller's thread.

        Raises:
            ValueError: Bytes are missing.
        """
        if not part.covers(0, part.end):
            raise ValueError(f"part `{part.key}` is not complete")
        task = self._tasks[part]
        task.on_proof = on_proof
        if part.end <= INLINE_BYTES and not task.is_queued:
            task.hash_at_once()
            task.conclude()
        else:
            self._enqueue(task)

    def forget(self, part: Part) -> None:
        """Stop hashing a part, e.g. to close it; returns when no thread reads it any more."""
        task = self._tasks.pop(part, None)
        if task is None or part.bound <= INLINE_BYTES:  # no thread ever has it
            return
        with self._changed:
            task.is_forgotten = True
            if task in self._queue:
                self._queue.remove(task)
            self._changed.wait_for(lambda: not task.is_running)
        task.drop_kept()

    def close(self) -> None:
        """End the threads; unfinished parts get no proof."""
        with self._changed:
            self._is_closed = True
            self._queue.clear()
            self._changed.notify_all()
            self._changed.wait_for(lambda: not self._working)

    def __enter__(self) -> Prover:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _enqueue(self, task: _Task) -> None:
        with self._changed:
            task.is_due = True
            if task.is_queued or self._is_closed:
                return
            task.is_queued = True
            self._queue.append(task)
            self._start_thread()
            self._changed.notify()

    def _start_thread(self) -> None:
        """Start one more thread if there is work for it; the lock is held."""
        if self._working < min(self._count, len(self._tasks)):
            # `threading` would wait until it runs: 2 ms between a request and its answer.
            start_new_thread(self._work, (memoryview(fresh_memory(STRETCH_BYTES)),))
            self._working += 1

    def _work(self, buffer: memoryview) -> None:
        try:
            while (task := self._next()) is not None:
                has_more = task.turn(buffer)
                if self._put_back(task, has_more):
                    task.conclude()
        finally:
            with self._changed:
                self._working -= 1
                self._changed.notify_all()

    def _next(self) -> _Task | None:
        with self._changed:
            self._changed.wait_for(lambda: self._queue or self._is_closed)
            if self._is_closed:
                return None
            task = self._queue.popleft()
            task.is_running, task.is_due = True, False
            return task

    def _put_back(self, task: _Task, has_more: bool) -> bool:
        """Queue a task again if it has work left; return whether its end is to be told."""
        with self._changed:
            task.is_running = False
            self._changed.notify_all()
            if task.is_forgotten:
                return False
            task.is_queued = not task.is_over and (has_more or task.is_due)
            if task.is_queued:
                self._queue.append(task)
            return task.is_over and task.on_proof is not None


class _Task:
    """Mutable: how far one part is hashed. One thread at a time has a turn."""

    def __init__(
        self,
        part: Part,
        buffers: Buffers,
        algorithms: Sequence[str],
        pieces: Sequence[str],
        on_piece: OnPiece | None,
    ) -> None:
        self.part = part
        self.on_proof: OnProof | None = None
        self.noticed = 0  # `part.written` at the last advance
        self.is_queued = self.is_running = self.is_due = self.is_forgotten = False
        self._error: StoreError | None = None
        self._algorithms = ["sha256", *(name for name in algorithms if name != "sha256")]
        self._pieces = pieces
        self._on_piece = on_piece or (lambda index, is_right: None)
        self._judged, self._right = Ranges(), Ranges()  # in indices of pieces
        self._position = 0
        self._hashes = self._fresh()
        self._checkpoints: list[tuple[int, list[_Hash]]] = []  # beside the beginning
        self._spacing = CHECKPOINT_BYTES
        self._written_back = 0
        self._buffers = buffers
        self._kept: dict[int, memoryview] = {}  # by where their bytes belong

    @property
    def is_over(self) -> bool:
        """Whether the end can be told: everything is hashed as it is now, or cannot be."""
        return self._error is not None or (
            self.on_proof is not None
            and self._position == self.part.end
            and not self.part.is_discarded(0, max(1, self._position))
            and self._next_piece() is None
        )

    def turn(self, buffer: memoryview) -> bool:
        """Hash some stretches; return whether there may be more to do."""
        try:
            for _ in range(TURN_STRETCHES):
                self._go_back(self.part.take_discarded())
                if self._error is not None or not self._step(buffer):
                    return False
        except OSError as error:
            self._error = files.trouble(error, self.part.path, "read")
        return True

    def hash_at_once(self) -> None:
        """Hash a small part here and now."""
        view = self.part.view(0, self.part.end)
        if view is None or self._pieces or self._position:
            self.turn(memoryview(bytearray(self.part.end)))
            return
        for state in self._hashes:
            state.update(view)
        self._position = self.part.end

    def conclude(self) -> None:
        """Tell the end, once."""
        on_proof, self.on_proof = self.on_proof, None
        if on_proof is not None:
            on_proof(self._error or self._proof())

    def keep(self, start: int, view: memoryview) -> None:
        """Keep bytes that were just written, if they are in a buffer and soon to be hashed."""
        ahead = start - self._position
        if 0 <= ahead <= KEPT_AHEAD and start not in self._kept and self._buffers.keep(view):
            self._kept[start] = view

    def drop_kept(self) -> None:
        """Give all buffers back."""
        self._drop_kept(0, self.part.bound)

    def _drop_kept(self, start: int, stop: int) -> None:
        """Give back all buffers with bytes of [start, stop)."""
        for first, view in list(self._kept.items()):
            if first < stop and start < first + len(view):
                del self._kept[first]
                self._buffers.drop(view)

    def _step(self, buffer: memoryview) -> bool:
        if (index := self._next_piece()) is not None:
            self._judge(index, buffer)
            return True
        return self._hash_stretch(buffer)

    def _next_piece(self) -> int | None:
        """Return a piece that is complete and not judged."""
        if not self._pieces:
            return None
        for start, stop in self.part.received.as_pairs():
            first = -(-start // PIECE_BYTES)
            last = len(self._pieces) if stop == self.part.size else stop // PIECE_BYTES
            for index, _ in self._judged.missing(first, min(last, len(self._pieces))):
                return index
        return None

    def _judge(self, index: int, buffer: memoryview) -> None:
        start = index * PIECE_BYTES
        block = self._read(buffer, start, min(start + PIECE_BYTES, self.part.end))
        is_right = hashlib.sha256(block).hexdigest() == self._pieces[index]
        if self.part.is_discarded(start, start + len(block)):
            return  # while it was read, it may have been written anew
        self._judged.add(index, index + 1)
        if is_right:
            self._right.add(index, index + 1)
        self._on_piece(index, is_right)

    def _hash_stretch(self, buffer: memoryview) -> bool:
        start, limit = self._position, self._limit()
        self._drop_kept(0, start)
        kept = self._kept.get(start)
        stop = self._worth_reading(start, limit) if kept is None else start + len(kept)
        if not start < stop <= limit:
            return False
        block = self._read(buffer, start, stop) if kept is None else kept
        for state in self._hashes:
            state.update(block)
        self._position = stop
        self._keep_checkpoint()
        self._write_back()
        return True

    def _worth_reading(self, start: int, limit: int) -> int:
        """Return how far to read: to bytes that are kept, or in whole blocks, or to the end."""
        stop = min([start + STRETCH_BYTES, limit, *(first for first in list(self._kept) if first > start)])
        if stop < limit:
            return stop
        is_last = stop == self.part.end and (self.part.size is not None or self.on_proof is not None)
        return stop if is_last else stop - stop % files.BLOCK_BYTES

    def _limit(self) -> int:
        """Return how far the whole may be hashed: what is here, and before the end only what is right."""
        frontier = self.part.frontier(self._position)
        if not self._pieces or self.on_proof is not None:
            return frontier
        right = self._right.frontier(self._position // PIECE_BYTES)
        return min(frontier, right * PIECE_BYTES)

    def _read(self, buffer: memoryview, start: int, stop: int) -> memoryview:
        if (view := self.part.view(start, stop)) is not None:
            return view
        block = buffer[: stop - start]
        if self.part.read_into(block, start) < len(block):
            raise OSError(errno.EIO, "the file became shorter while it was read")
        return block

    def _keep_checkpoint(self) -> None:
        last = self._checkpoints[-1][0] if self._checkpoints else 0
        if self._position - last < self._spacing:
            return
        self._checkpoints.append((self._position, self._copies()))
        if len(self._checkpoints) > CHECKPOINTS:
            self._spacing *= 2
            del self._checkpoints[::2]

    def _go_back(self, discarded: Ranges) -> None:
        for start, stop in discarded.as_pairs():
            first, last = start // PIECE_BYTES, -(-stop // PIECE_BYTES)
            self._judged.remove(first, last)
            self._right.remove(first, last)
            self._drop_kept(start, stop)
            if start < self._position:
                self._rewind(start)

    def _rewind(self, limit: int) -> None:
        """Take the last hash state that has seen nothing from `limit` on."""
        self._checkpoints = [pair for pair in self._checkpoints if pair[0] <= limit]
        if not self._checkpoints:
            self._position, self._hashes = 0, self._fresh()
            return
        self._position, self._hashes = self._checkpoints[-1]
        self._hashes = self._copies()

    def _fresh(self) -> list[_Hash]:
        return [hashlib.new(name, usedforsecurity=False) for name in self._algorithms]

    def _copies(self) -> list[_Hash]:
        return [state.copy() for state in self._hashes]

    def _write_back(self) -> None:
        if self.part.end >= WRITEBACK_FROM and self._position - self._written_back >= WRITEBACK_BYTES:
            files.start_writeback(self.part.fileno(), self._written_back, self._position - self._written_back)
            self._written_back = self._position

    def _proof(self) -> Proof:
        digests = {
            name: state.hexdigest() for name, state in zip(self._algorithms, self._hashes, strict=True)
        }
        wrong = None
        if self._pieces:
            wrong = tuple(i for i in range(len(self._pieces)) if not self._right.covers(i, i + 1))
        return Proof(sha256=digests.pop("sha256"), size=self._position, weak=digests, wrong_pieces=wrong)
