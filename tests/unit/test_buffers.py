"""Buffers: what is kept is never filled again before it is given back."""

import errno
import random

import pytest

from surefetch import buffers as memory
from surefetch.buffers import Buffers


def test_a_buffer_that_nobody_keeps_is_filled_again() -> None:
    buffers = Buffers(64)
    assert buffers.next() is buffers.next()


def test_a_kept_buffer_is_left_alone_until_it_is_given_back() -> None:
    buffers = Buffers(64)
    first = buffers.next()
    view = memoryview(first)[:40]
    assert buffers.keep(view)
    second = buffers.next()
    assert second is not first
    buffers.drop(view)
    assert buffers.next() is second  # nobody keeps that one
    assert buffers.keep(memoryview(second))
    assert buffers.next() is first


def test_a_buffer_given_back_before_the_next_is_asked_for_is_filled_again() -> None:
    buffers = Buffers(64)
    view = memoryview(buffers.next())
    assert buffers.keep(view)
    buffers.drop(view)
    only = buffers.next()
    assert only is view.obj
    assert buffers.keep(memoryview(only))
    assert buffers.next() is not only  # it was not free and being filled at once


def test_two_keepers_of_one_buffer_both_give_it_back() -> None:
    buffers = Buffers(64)
    buffer = buffers.next()
    halves = memoryview(buffer)[:32], memoryview(buffer)[32:]
    assert all(buffers.keep(half) for half in halves)
    other = buffers.next()
    buffers.drop(halves[0])
    assert buffers.keep(memoryview(other))
    assert buffers.next() is not buffer
    buffers.drop(halves[1])
    assert buffers.kept == 1


def test_one_buffer_always_stays_free() -> None:
    buffers = Buffers(64, most=3)
    kept = [buffers.keep(memoryview(buffers.next())) for _ in range(5)]
    assert kept == [True, True, False, False, False]


def test_nothing_is_kept_where_no_memory_is_left_for_another(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(size: int) -> None:
        raise OSError(errno.ENOMEM, "Cannot allocate memory")

    buffers = Buffers(64)
    only = buffers.next()
    monkeypatch.setattr(memory, "fresh_memory", refuse)
    assert not buffers.keep(memoryview(only))
    assert buffers.next() is only


def test_other_memory_and_small_parts_are_not_kept() -> None:
    buffers = Buffers(64)
    assert not buffers.keep(memoryview(bytearray(64)))
    assert not buffers.keep(memoryview(b"x" * 64))
    assert not buffers.keep(memoryview(buffers.next())[:31])
    assert not buffers.keep(memoryview(Buffers(64).next()))
    assert buffers.kept == 0


def test_nobody_ever_sees_a_buffer_filled_while_it_is_kept() -> None:
    chance = random.Random(7)
    buffers = Buffers(8, most=6)
    kept: list[tuple[memoryview, bytes]] = []
    for _ in range(5000):
        buffer = buffers.next()
        buffer[:] = content = chance.randbytes(8)
        view = memoryview(buffer)[: chance.randrange(2, 9)]
        if buffers.keep(view):
            kept.append((view, content[: len(view)]))
        while kept and chance.random() < 0.5:
            view, content = kept.pop(chance.randrange(len(kept)))
            assert view == content
            buffers.drop(view)
        assert all(view == content for view, content in kept)
