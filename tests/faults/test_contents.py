"""Faults of what whole and proven files hold, and of what policy and services refuse, produced for real."""

from __future__ import annotations

import gzip
import os
import pickle

import pytest

from tests.cli.conftest import LABELS, Site, idx, sha256
from tests.cli.test_get import named
from tests.conftest import Run
from tests.fakes.faulty_server import FaultyServer, Script, redirect
from tests.faults.kit import BIG, any_file, failed


class _Command:
    """What a pickle that asks for code looks like."""

    def __reduce__(self) -> tuple[object, tuple[str]]:
        return os.system, ("true",)


def described(site: Site, content: bytes, recipe: str) -> tuple[str, ...]:
    """A catalog whose one file has the right digest, and holds something else than its tensor."""
    url = site.server.serve("/data.bin", content)
    tensor, digest = sha256(LABELS.tobytes()), sha256(content)
    site.catalog.write_text(
        'name = "odd"\nversion = "1"\ntitle = "Odd"\nlicense = "CC0-1.0"\n[tensors]\n'
        f'"train/label" = {{ dtype = "uint8", shape = [5], sha256 = "{tensor}" }}\n'
        f'[[artifact]]\nform = "one"\nname = "data.bin"\nsize = {len(content)}\nsha256 = "{digest}"\n'
        f'urls = ["{url}"]\ngives = {{ "train/label" = "{recipe}" }}\n',
        encoding="utf-8",
    )
    return "get", "odd", *named(site)


#: What a file holds -> its bytes, the recipe, the cause and the exit code.
CONTENTS = {
    "other labels": (gzip.compress(idx(LABELS[::-1].copy())), "gzip > idx", "body.content-mismatch", 10),
    "no IDX": (gzip.compress(b"not an IDX file at all"), "gzip > idx", "body.unreadable", 10),
    "no gzip": (b"neither gzip nor anything", "gzip > idx", "body.unreadable", 10),
    "too much": (gzip.compress(bytes(200_000_000)), "gzip > idx", "body.bomb", 13),
    "a command": (pickle.dumps(_Command()), "pickle:data", "body.unsafe-archive", 13),
}


@pytest.mark.parametrize("row", CONTENTS.values(), ids=CONTENTS.keys())
def test_each_fault_of_a_files_content_has_its_cause(
    surefetch: Run, site: Site, row: tuple[bytes, str, str, int]
) -> None:
    content, recipe, cause, code = row
    error = failed(surefetch, *described(site, content, recipe))
    assert (error.cause, error.fault, error.exit) == (cause, "mirror", code), error


def test_a_link_local_address_that_only_a_file_names_is_refused(surefetch: Run, site: Site) -> None:
    text = site.catalog.read_text(encoding="utf-8")
    site.catalog.write_text(text.replace(site.server.origin, "http://169.254.169.254"), encoding="utf-8")
    error = failed(surefetch, "get", "tiny", "--catalog", str(site.catalog))
    assert (error.cause, error.fault, error.exit) == ("policy.private-address", "mirror", 13), error
    assert "--mirror" in error.hint


def test_a_link_local_address_that_a_host_of_this_network_leads_to_is_refused(surefetch: Run) -> None:
    with FaultyServer() as server:
        words = any_file(server.serve("/big.bin", b"", redirect("http://169.254.169.254/latest")))
        error = failed(surefetch, *words)
    assert (error.cause, error.exit) == ("policy.private-address", 13), error


#: What a service answers -> cause, fault, exit code.
SERVICES = {
    "used up": (
        Script(status=403, headers=(("X-RateLimit-Remaining", "0"),)),
        "service.rate-limit", "mirror", 9,
    ),
    "gated": (
        Script(status=403, headers=(("X-Error-Code", "GatedRepo"), ("X-Error-Message", "accept the terms"))),
        "service.auth", "you", 8,
    ),
}  # fmt: skip


@pytest.mark.parametrize("row", SERVICES.values(), ids=SERVICES.keys())
def test_each_refusal_of_a_service_has_its_cause(
    surefetch: Run, site: Site, row: tuple[Script, str, str, int]
) -> None:
    script, cause, fault, code = row
    error = failed(surefetch, *any_file(site.server.serve("/big.bin", BIG, script)))
    assert (error.cause, error.fault, error.exit) == (cause, fault, code), error


def test_a_redirect_to_a_host_that_is_down_is_the_redirecting_hosts_fault(surefetch: Run, site: Site) -> None:
    with FaultyServer("127.0.0.2") as other:
        gone = other.origin
    error = failed(surefetch, *any_file(site.server.serve("/moved", b"", redirect(f"{gone}/x"))))
    assert (error.cause, error.fault, error.exit) == ("http.redirect-dead", "mirror", 3), error


def test_a_dataset_that_no_place_has_is_told(surefetch: Run, site: Site) -> None:
    text = site.catalog.read_text(encoding="utf-8")
    lines = [line for line in text.splitlines() if not line.startswith("urls")]
    site.catalog.write_text("\n".join(lines) + "\n", encoding="utf-8")
    error = failed(surefetch, "get", "tiny", "--catalog", str(site.catalog))
    assert (error.cause, error.fault, error.exit) == ("source.no-copy", "you", 3), error
    assert "get tiny --from" in error.hint
