"""The second question to the resolver: a refusal and silence are told apart by how long they took."""

import socket
import threading
import time

import pytest

from surefetch.transfer import names
from surefetch.transfer.names import NameCheck


@pytest.fixture(autouse=True)
def soon(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(names, "_AGAIN", 0.01)


def said(monkeypatch: pytest.MonkeyPatch, seconds: float, *codes: int, times: int = 1) -> str:
    """Ask a resolver that says these, the last one again and again, each after so long; 0: it works."""
    left = list(codes)

    def getaddrinfo(*_: object, **__: object) -> None:
        time.sleep(seconds)
        if code := left.pop(0) if len(left) > 1 else left[0]:
            raise socket.gaierror(code, "as told")

    monkeypatch.setattr(socket, "getaddrinfo", getaddrinfo)
    answered = threading.Event()
    check = NameCheck(answered.set)
    for _ in range(times):
        answered.clear()
        check.ask("data.example", 0.0)
        assert answered.wait(10)
        [(host, words)] = check.answers(0.0)
        assert host == "data.example"
    return words


def test_try_again_at_once_is_an_answer(monkeypatch: pytest.MonkeyPatch) -> None:
    assert said(monkeypatch, 0.0, socket.EAI_AGAIN) == "EAI_AGAIN"


def test_try_again_after_a_second_is_silence(monkeypatch: pytest.MonkeyPatch) -> None:
    assert said(monkeypatch, 1.0, socket.EAI_AGAIN) == "timeout"


def test_a_resolver_that_works_again_is_told_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """Else a name that libcurl alone cannot resolve would be asked for without an end."""
    assert said(monkeypatch, 0.0, socket.EAI_AGAIN, 0) == ""
    assert said(monkeypatch, 0.0, 0) == ""
    assert said(monkeypatch, 0.0, 0, times=2) == "EAI_AGAIN"


def test_no_such_name_stays_that_however_long_it_took(monkeypatch: pytest.MonkeyPatch) -> None:
    assert said(monkeypatch, 1.0, socket.EAI_NONAME) == "EAI_NONAME"


def test_a_resolver_that_says_nothing_is_silent() -> None:
    check = NameCheck(lambda: None)
    check._due["data.example"] = 5.0
    assert check.answers(4.0) == []
    assert check.answers(5.0) == [("data.example", "timeout")]
