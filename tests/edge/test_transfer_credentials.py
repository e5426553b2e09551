"""What is shown to whom, and that nobody else sees it."""

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from surefetch.events import Finished
from surefetch.transfer import urls
from surefetch.transfer.credentials import Credentials, basic
from tests.fakes.driver import driving, ending
from tests.fakes.faulty_server import FaultyServer, Script, redirect

CONTENT = b"0123456789" * 100
SIZE = len(CONTENT)
HUB = "https://huggingface.co/datasets/x"


@pytest.fixture
def server() -> Iterator[FaultyServer]:
    with FaultyServer() as server:
        yield server


@pytest.fixture
def other() -> Iterator[FaultyServer]:
    with FaultyServer() as server:
        yield server


def write_netrc(home: Path, text: str) -> Credentials:
    (home / ".netrc").write_text(text, encoding="utf-8")
    (home / ".netrc").chmod(0o600)
    return Credentials({}, home=home)


def test_netrc_is_shown_to_its_host(tmp_path: Path, server: FaultyServer) -> None:
    credentials = write_netrc(tmp_path, "machine 127.0.0.1 login ann password geheim\n")
    with driving(credentials=credentials) as driver:
        assert isinstance(ending(driver.fetch(server.serve("/x", CONTENT), SIZE)[0]), Finished)
    assert server.seen[-1].headers["authorization"] == basic("ann", "geheim").partition(": ")[2]


def test_nothing_of_it_crosses_to_another_origin(
    tmp_path: Path, server: FaultyServer, other: FaultyServer
) -> None:
    credentials = Credentials({}, home=tmp_path, given={server.origin: ("ann", "geheim")})
    server.serve("/go", b"", redirect(other.serve("/x", CONTENT)))
    with driving(credentials=credentials, named_hosts=frozenset({"127.0.0.1"})) as driver:
        assert isinstance(ending(driver.fetch(f"{server.origin}/go", SIZE)[0]), Finished)
    assert "authorization" in server.seen[-1].headers
    assert "authorization" not in other.seen[-1].headers


def test_userinfo_of_a_url_stays_with_its_origin(server: FaultyServer, other: FaultyServer) -> None:
    server.serve("/near", b"", redirect("/far"))
    server.serve("/far", b"", redirect(other.serve("/x", CONTENT)))
    url = f"{server.origin}/near".replace("//", "//ann:geh%40im@")
    with driving(named_hosts=frozenset({"127.0.0.1"})) as driver:
        assert isinstance(ending(driver.fetch(url, SIZE)[0]), Finished)
    assert server.seen[0].headers["authorization"] == basic("ann", "geh@im").partition(": ")[2]
    assert "ann" not in server.seen[0].target
    assert "authorization" not in other.seen[-1].headers


def test_netrc_goes_along_no_redirect_to_another_port(
    tmp_path: Path, server: FaultyServer, other: FaultyServer
) -> None:
    credentials = write_netrc(tmp_path, "machine 127.0.0.1 login ann password geheim\n")
    server.serve("/go", b"", redirect(other.serve("/x", CONTENT)))
    with driving(credentials=credentials, named_hosts=frozenset({"127.0.0.1"})) as driver:
        assert isinstance(ending(driver.fetch(f"{server.origin}/go", SIZE)[0]), Finished)
        assert "authorization" in server.seen[-1].headers
        assert "authorization" not in other.seen[-1].headers
        assert isinstance(ending(driver.fetch(f"{other.origin}/x", SIZE)[0]), Finished)
        assert "authorization" in other.seen[-1].headers


def test_netrc_where_a_redirect_leads_is_for_hosts_that_it_names_and_https(tmp_path: Path) -> None:
    text = "machine login.example login ann password geheim\ndefault login a password b\n"
    credentials = write_netrc(tmp_path, text)
    asked = "https://data.example/x"
    assert credentials.headers("https://login.example/sso", asked) == [basic("ann", "geheim")]
    assert credentials.headers("http://login.example/sso", asked) == []
    assert credentials.headers("https://else.example/x", asked) == []
    assert credentials.headers("https://data.example/y", asked) == [basic("a", "b")]
    assert credentials.headers("https://data.example:8443/y", asked) == []
    assert credentials.headers("http://data.example/x", "http://data.example/y") == [basic("a", "b")]
    assert credentials.headers("https://data.example/x", "http://data.example/x") == []


def test_a_host_in_netrc_is_the_same_in_capitals(tmp_path: Path) -> None:
    text = "machine Data.Example login ann password geheim\ndefault login d password p\n"
    credentials = write_netrc(tmp_path, text)
    assert credentials.headers("https://data.EXAMPLE/x") == [basic("ann", "geheim")]
    assert credentials.headers("https://default/x") == [basic("d", "p")]


def test_a_variable_may_name_netrc_as_a_shell_would(tmp_path: Path) -> None:
    write_netrc(tmp_path, "machine h.example login ann password geheim\n")
    credentials = Credentials({"NETRC": "~/.netrc"}, home=tmp_path)
    assert credentials.headers("https://h.example/x") == [basic("ann", "geheim")]


def test_the_same_handle_forgets_it_for_the_next_request(server: FaultyServer, other: FaultyServer) -> None:
    credentials = Credentials({}, home=Path("/nowhere"), given={server.origin: ("ann", "geheim")})
    server.serve("/x", CONTENT)
    other.serve("/x", CONTENT)
    with driving(credentials=credentials) as driver:
        for one in (server, other):
            driver.fetch(f"{one.origin}/x", SIZE)
    assert "authorization" not in other.seen[-1].headers


def test_an_observation_has_no_secret(server: FaultyServer) -> None:
    url = server.serve("/x", CONTENT, Script(status=403, headers=(("Set-Cookie", "session=geheim"),)))
    url = url.replace("//", "//ann:geheim@") + "?X-Amz-Signature=geheim&part=1&access_token=geheim"
    with driving() as driver:
        end = ending(driver.fetch(url, SIZE)[0])
        seen = driver.engine.observation(end.id)
    assert "geheim" not in repr(seen)
    assert "geheim" not in repr(end)
    assert seen is not None
    assert "part=1" in seen.url


MASKED = [
    ("https://ann:pw@h/x", "https://***@h/x"),
    ("https://h/x?token=abc&a=1", "https://h/x?token=***&a=1"),
    ("https://h/x?a=1&sig=abc#f", "https://h/x?a=1&sig=***#f"),
    ("https://h/x?X-Amz-Credential=a&X-Amz-Date=d", "https://h/x?X-Amz-Credential=***&X-Amz-Date=***"),
    ("https://h/x?design=1&monkey=2", "https://h/x?design=1&monkey=2"),
    ("see http://a:b@h:1/ and https://c@d/", "see http://***@h:1/ and https://***@d/"),
    ("ann:pw@proxy:8080", "***@proxy:8080"),
    ("https://h/a@b/c", "https://h/a@b/c"),
    ("http://h:8080/a@b/c and http://[::1]:80/a@b", "http://h:8080/a@b/c and http://[::1]:80/a@b"),
    ("http://ann:p/w@h/x", "http://***@h/x"),
    ("http://ann:p#w@h:1/x", "http://***@h:1/x"),
    ("http://ann:p w?@[::1]:1/x", "http://***@[::1]:1/x"),
    ("//ann:pw@h/x", "//***@h/x"),
    ("ann:pw@proxy", "***@proxy"),
    ("ann:pw@h.example/x", "***@h.example/x"),
]


@pytest.mark.parametrize(("text", "masked"), MASKED)
def test_what_is_secret_in_a_url_is_masked(text: str, masked: str) -> None:
    assert urls.mask(text) == masked


# --- tokens -------------------------------------------------------------------------------------------------


def test_a_hub_token_goes_to_the_hub_over_https_alone(tmp_path: Path) -> None:
    credentials = Credentials({"HF_TOKEN": "hf_x"}, home=tmp_path)
    assert credentials.headers(HUB) == ["Authorization: Bearer hf_x"]
    assert credentials.headers(HUB.replace("https", "http")) == []
    assert credentials.headers("https://cdn.huggingface.co/x") == []
    assert credentials.headers("https://huggingface.co.evil.example/x") == []


def test_a_line_break_in_a_token_begins_no_other_header(tmp_path: Path) -> None:
    found = Credentials({"HF_TOKEN": " hf_to\r\nken\n"}, home=tmp_path)
    assert found.headers("https://huggingface.co/x") == ["Authorization: Bearer hf_token"]


def test_the_hubs_endpoint_can_be_another(tmp_path: Path) -> None:
    credentials = Credentials({"HF_TOKEN": "hf_x", "HF_ENDPOINT": "https://hub.corp"}, home=tmp_path)
    assert credentials.headers("https://hub.corp/x") == ["Authorization: Bearer hf_x"]
    assert credentials.headers(HUB) == []


def test_the_hubs_token_file(tmp_path: Path) -> None:
    folder = tmp_path / ".cache" / "huggingface"
    folder.mkdir(parents=True)
    (folder / "token").write_text("hf_file\n")
    assert Credentials({}, home=tmp_path).headers(HUB) == ["Authorization: Bearer hf_file"]
    assert Credentials({"HF_HUB_DISABLE_IMPLICIT_TOKEN": "1"}, home=tmp_path).headers(HUB) == []
    (tmp_path / "t").write_text("hf_other")
    environ = {"HF_TOKEN_PATH": str(tmp_path / "t")}
    assert Credentials(environ, home=tmp_path).headers(HUB) == ["Authorization: Bearer hf_other"]


def test_kaggle(tmp_path: Path) -> None:
    url = "https://www.kaggle.com/api/v1/x"
    assert Credentials({"KAGGLE_USERNAME": "ann", "KAGGLE_KEY": "k"}, home=tmp_path).headers(url) == [
        basic("ann", "k")
    ]
    assert Credentials({"KAGGLE_API_TOKEN": "t"}, home=tmp_path).headers(url) == ["Authorization: Bearer t"]
    (tmp_path / ".kaggle").mkdir()
    (tmp_path / ".kaggle" / "kaggle.json").write_text(json.dumps({"username": "bo", "key": "k"}))
    assert Credentials({}, home=tmp_path).headers(url) == [basic("bo", "k")]
    (tmp_path / ".kaggle" / "kaggle.json").write_text("{")
    broken = Credentials({}, home=tmp_path)
    assert broken.headers(url) == []
    assert "kaggle.json" in broken.warnings[0]


def test_a_netrc_that_cannot_be_read_is_said_and_passed_over(tmp_path: Path) -> None:
    credentials = write_netrc(tmp_path, "machine x login ann password geheim extra words\n")
    assert credentials.headers("https://x/") == []
    assert "geheim" not in repr(credentials.warnings)
    assert credentials.warnings


def test_netrc_of_the_variable_and_the_default_entry(tmp_path: Path) -> None:
    path = tmp_path / "mine"
    path.write_text("default login d password p\n")
    path.chmod(0o600)
    assert Credentials({"NETRC": str(path)}, home=tmp_path).headers("https://any/") == [basic("d", "p")]
    assert Credentials({"NETRC": str(tmp_path / "gone")}, home=tmp_path).headers("https://any/") == []
