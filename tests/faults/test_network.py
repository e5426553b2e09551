"""Faults of names and connections, produced for real in a network namespace of the test's own."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.faults import namespace
from tests.faults.kit import Told

pytestmark = pytest.mark.privileged
Results = dict[str, dict[str, Any]]

#: Scenario -> cause, fault, exit code, a word of the message, a word of the action.
ERRORS = {
    "name unknown": ("dns.nxdomain", "network", 4, "data.example", "spelling"),
    "all names unknown": ("dns.unavailable", "network", 4, "no name resolves", "network"),
    "name server fails": ("dns.unavailable", "network", 4, "data.example", "network"),
    "name server refuses": ("dns.unavailable", "network", 4, "data.example", "network"),
    "name server is silent": ("dns.timeout", "network", 4, "in time", "name server"),
    "no name server": ("dns.unavailable", "network", 4, "no name server", "network"),
    "name is blocked": ("dns.blocked", "network", 4, "0.0.0.0", "data.example"),
    "names are blocked": ("dns.blocked", "network", 4, "0.0.0.0", "administrator"),
    "refused": ("connect.refused", "mirror", 5, "192.0.2.2", "port"),
    "all refused": ("connect.refused", "network", 5, "every connection", "proxy"),
    "swallowed": ("connect.timeout", "network", 14, "198.51.100.1", "proxy"),
    "all swallowed": ("connect.timeout", "network", 14, "every host", "proxy"),
    "no route": ("connect.unreachable", "network", 5, "203.0.113.1", "network"),
    "forbidden": ("connect.unreachable", "network", 5, "203.0.113.129", "network"),
    "proxy is swallowed": ("proxy.unreachable", "network", 7, "variable http_proxy", "unset http_proxy"),
}
#: Seconds for all looks of doctor, and what starting and ending a process may take on a busy machine.
LOOKS, PROCESS = 5.0, 1.0


@pytest.fixture(scope="module")
def results(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Results]:
    """Run all scenarios once, in one namespace."""
    if reason := namespace.available():
        pytest.skip(reason)  # .ci/run runs this part as root
    folder: Path = tmp_path_factory.mktemp("namespace")
    yield namespace.run(folder)


@pytest.mark.parametrize(("scenario", "row"), ERRORS.items(), ids=ERRORS.keys())
def test_each_fault_of_names_and_connections_has_its_cause(
    results: Results, scenario: str, row: tuple[str, str, int, str, str]
) -> None:
    cause, fault, code, evidence, word = row
    result = results[scenario]
    error = json.loads(result["stdout"])["error"]
    told = Told(cause=error["cause"], fault=error["fault"], exit=result["code"], message=error["message"],
                hint=error["hint"], attempts=tuple(error["attempts"]))  # fmt: skip
    assert (told.cause, told.fault, told.exit) == (cause, fault, code), told
    assert evidence in told.message and word in told.hint, told.screen


@pytest.mark.parametrize(
    "scenario", ["one is swallowed", "IPv6 is swallowed", "name server fails for a moment"]
)
def test_one_way_that_is_open_is_enough(results: Results, scenario: str) -> None:
    assert results[scenario]["code"] == 0, results[scenario]


@pytest.mark.parametrize(
    "scenario",
    [
        "a machine of two fails",
        "a machine of two is silent",
        "a machine of two has no such file",
        "two machines of three have other files",
    ],
)
def test_another_machine_of_the_same_name_is_asked(results: Results, scenario: str) -> None:
    assert results[scenario]["code"] == 0, results[scenario]


def test_where_no_machine_of_a_name_has_the_file_what_they_say_is_told(results: Results) -> None:
    told = results["no machine has it"]
    causes = {attempt["cause"] for attempt in json.loads(str(told["stdout"]))["error"]["attempts"]}
    assert causes == {"http.not-found", "body.corrupt"}, told


def test_no_machine_that_cannot_be_reached_is_waited_for_in_place_of_one_that_failed_once(
    results: Results,
) -> None:
    result = results["IPv6 is swallowed, and IPv4 fails once"]
    assert result["code"] == 0 and result["seconds"] < 6, result


def test_doctor_tells_that_ipv6_is_broken_and_harms_nothing(results: Results) -> None:
    report = json.loads(results["doctor: IPv6 is swallowed"]["stdout"])
    assert [finding["cause"] for finding in report["findings"]] == ["connect.ipv6-broken"]
    assert results["doctor: IPv6 is swallowed"]["code"] == 0


@pytest.mark.parametrize(
    ("scenario", "cause"),
    [("doctor: all swallowed", "connect.timeout"), ("doctor: names are silent", "dns.timeout")],
)
def test_doctor_tells_silence_within_its_time(results: Results, scenario: str, cause: str) -> None:
    report = json.loads(results[scenario]["stdout"])
    assert (report["findings"][0]["cause"], results[scenario]["code"]) == (cause, 21)
    assert report["facts"]["seconds"] <= LOOKS + PROCESS
    assert "doctor`" not in report["action"], "doctor does not send people to doctor"


@pytest.mark.parametrize("scenario", ["doctor mnist: nothing resolves", "doctor mnist: no name server"])
def test_doctor_without_a_network_is_one_screen_with_one_action(results: Results, scenario: str) -> None:
    result = results[scenario]
    lines = result["stdout"].splitlines()
    assert result["code"] == 21 and "[dns.unavailable]" in lines[0]
    assert len(lines) <= 12 and lines[-1].startswith("->  switch the network on")
