"""The second question to the resolver: a refusal and silence are told apart by how long they took."""

import socket
import threading
import time

import pytest

from surefetch.transfer import names
from surefetch.transfer.names import RESOLVES, NameCheck


@pytest.fixture(autouse=True)
def _no_pause(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(names, "_PAUSE", 0.0)


def said(monkeypatch: pytest.MonkeyPatch, seconds: float, *codes: int) -> str:
    """Ask a resolver that says `codes`, one a question, each after so many seconds, and then an address."""
    told = iter(codes)

    def getaddrinfo(*_: object, **__: object) -> None:
        time.sleep(seconds)
        if code := next(told, 0):
            raise socket.gaierror(code, "as told")

    monkeypatch.setattr(socket, "getaddrinfo", getaddrinfo)
    answered = threading.Event()
    check = NameCheck(answered.set)
    check.ask("data.example", 0.0)
    assert answered.wait(10)
    [(host, words)] = check.answers(0.0)
    assert host == "data.example"
    return words


def test_try_again_at_once_is_an_answer(monkeypatch: pytest.MonkeyPatch) -> None:
    assert said(monkeypatch, 0.0, socket.EAI_AGAIN, socket.EAI_AGAIN) == "EAI_AGAIN"


def test_try_again_is_tried_again(monkeypatch: pytest.MonkeyPatch) -> None:
    assert said(monkeypatch, 0.0, socket.EAI_AGAIN) == RESOLVES
    assert said(monkeypatch, 0.0, socket.EAI_AGAIN, socket.EAI_NONAME) == "EAI_NONAME"


def test_a_name_that_resolves_for_others_alone_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(socket, "getaddrinfo", lambda *_, **__: [])
    answered = threading.Event()
    check, words = NameCheck(answered.set), []
    for _ in range(4):
        answered.clear()
        check.ask("data.example", 0.0)
        assert answered.wait(10)
        words += check.answers(0.0)
    assert words == [("data.example", RESOLVES)] * 3 + [("data.example", "EAI_AGAIN")]


def test_try_again_after_a_second_is_silence(monkeypatch: pytest.MonkeyPatch) -> None:
    assert said(monkeypatch, 1.0, socket.EAI_AGAIN) == "timeout"


def test_no_such_name_stays_that_however_long_it_took(monkeypatch: pytest.MonkeyPatch) -> None:
    assert said(monkeypatch, 1.0, socket.EAI_NONAME) == "EAI_NONAME"


def test_a_resolver_that_says_nothing_is_silent() -> None:
    check = NameCheck(lambda: None)
    check._due["data.example"] = 5.0
    assert check.answers(4.0) == []
    assert check.answers(5.0) == [("data.example", "timeout")]
