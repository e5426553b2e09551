"""Explain other tools' errors: right or silent, never misleading."""

import re
from functools import cache
from pathlib import Path

import pytest

from surefetch.causes import table
from surefetch.diagnose.explain import Explanation, explain, in_english, named, read_loaders, read_rules
from surefetch.diagnose.texts import episodes_of, hosts_in, mask
from surefetch.session.explain import of_text

#: Texts as users paste them, texts that today's libraries printed against broken servers, and families
#: of words: curl's, OpenSSL's, Go's, Rust's, Java's, Node's, aria2's, errno, WinError, statuses, classes.
TEXTS = tuple(Path(__file__).with_name(f"explain_{name}.txt") for name in ("texts", "printed", "families"))
KERAS = """Traceback (most recent call last):
  File "/usr/lib/python3.12/socket.py", line 978, in getaddrinfo
socket.gaierror: [Errno -3] Temporary failure in name resolution

During handling of the above exception, another exception occurred:

Traceback (most recent call last):
  File "train.py", line 4, in <module>
    (x, y), _ = tf.keras.datasets.mnist.load_data()
Exception: URL fetch failure on https://storage.googleapis.com/tensorflow/tf-keras-datasets/mnist.npz: None -- [Errno -3] Temporary failure in name resolution
"""  # noqa: E501 - a text as it is printed


def cases() -> list[tuple[set[str], str | None, str]]:
    """(causes that are right, the host if it is given apart, the text)."""
    found = []
    text = "".join(path.read_text(encoding="utf-8") for path in TEXTS)
    for block in re.split(r"^=== ", text, flags=re.MULTILINE)[1:]:
        head, _, body = block.partition("\n")
        words = head.split()
        host = next((word[5:] for word in words if word.startswith("host=")), None)
        found.append(({word for word in words if not word.startswith("host=")}, host, body))
    return found


@cache
def explained_cases() -> list[tuple[set[str], Explanation, str]]:
    """(causes that are right, what is said, the text)."""
    return [(wanted, explain(body, host), body) for wanted, host, body in cases()]


def test_the_texts_are_explained_rightly_and_never_misleadingly() -> None:
    right = abstained = 0
    misleading = []
    for wanted, explained, body in explained_cases():
        cause = explained.cause or "none"
        right += cause in wanted
        abstained += cause == "none" and cause not in wanted
        if cause != "none" and cause not in wanted:
            misleading.append((wanted, cause, body[-200:]))
    assert misleading == []
    assert right >= 0.95 * len(cases()) and len(cases()) >= 150, (right, abstained)


def test_every_expected_cause_is_in_the_table() -> None:
    assert set().union(*(wanted for wanted, _, _ in cases())) - {"none"} <= set(table())
    assert {rule.cause for rule in read_rules()} - {""} <= set(table())


def test_the_root_exception_decides_and_the_loader_gets_its_cure() -> None:
    explained = explain(KERAS)
    assert explained.cause == "dns.unavailable" and explained.fault == "network"
    assert explained.evidence == "socket.gaierror: [Errno -3] Temporary failure in name resolution"
    assert explained.command == "surefetch install mnist --into keras"
    assert (explained.dataset, explained.framework) == ("mnist", "keras")


def test_commands_are_written_in_the_form_that_was_called() -> None:
    assert explain(KERAS, surefetch="python -m surefetch").command.startswith("python -m surefetch install")


@pytest.mark.parametrize(
    ("text", "command"),
    [
        (
            "torchvision/datasets/mnist.py: class FashionMNIST: HTTP Error 503",
            "install fashion-mnist --into torchvision",
        ),
        ("fetch_openml('mnist_784'): HTTP Error 404: Not Found", "install mnist --into sklearn"),
        ('load_dataset("ylecun/mnist"): Connection refused', "install mnist --into huggingface"),
        ("tfds.load('mnist'): [Errno 101] Network is unreachable", "install mnist --into tfds"),
        ("curl: (22) error: 403 https://x.example/cifar-10-python.tar.gz", "get cifar10"),
        ("wget: unable to resolve host address ‘a.example.org’", "doctor a.example.org"),
        (
            "HTTP Error 404: Not Found https://a.example.org/f.zip?sig=abc",
            "doctor https://a.example.org/f.zip",
        ),
        (
            "[/urllib/request.py](https://localhost:8080/#) HTTP Error 404: Not Found"
            " https://a.example.org/f see https://github.com/a/b/issues/3",
            "doctor https://a.example.org/f",
        ),
        ("OSError: [Errno 28] No space left on device", ""),
    ],
)
def test_the_last_line_is_the_command_that_cures_it(text: str, command: str) -> None:
    assert explain(text).command == (f"surefetch {command}" if command else "")


def test_a_catalog_names_datasets_by_their_address() -> None:
    known = {"https://a.example/x.zip": "demo"}.get
    assert (
        explain("HTTP Error 404 for https://a.example/x.zip.", lookup=known).command == "surefetch get demo"
    )


def test_the_host_is_a_second_input() -> None:
    text = "urllib.error.HTTPError: HTTP Error 403: Forbidden"
    assert explain(text).verdict == table()["http.forbidden"].sentence
    assert "it is not you" in explain(text, "yann.lecun.com").verdict
    assert explain("403 Client Error: Forbidden", "www.kaggle.com").cause == "service.auth"


def test_an_issuer_of_a_known_vendor_is_named() -> None:
    text = (
        "ERROR: cannot verify x.example's certificate, issued by ‘CN=ca.acme.goskope.com,O=Netskope’:\n"
        "  Unable to locally verify the issuer's authority."
    )
    explained = explain(text)
    assert explained.cause == "tls.intercepted" and "Netskope" in explained.verdict and explained.is_sure


def test_what_is_only_likely_is_said_to_be_likely() -> None:
    text = "certificate verify failed: self-signed certificate in certificate chain"
    assert explain(text).verdict.startswith("most likely: ") and not explain(text).is_sure
    assert of_text(text).text.lower().count("most likely") == 1


def test_source_lines_of_frames_are_no_evidence() -> None:
    text = (
        "Traceback (most recent call last):\n"
        '  File "a.py", line 3, in get\n'
        "    except ConnectionRefusedError:  # HTTP Error 404, timed out, No space left on device\n"
        '  File "a.py", line 9, in get\n'
        '    raise KeyError("x")\n'
        "KeyError: 'x'\n"
    )
    assert explain(text).cause is None


def test_a_later_error_of_another_kind_is_not_explained_by_an_earlier_one() -> None:
    text = KERAS + "\nTraceback (most recent call last):\n  File \"b.py\", line 1\nKeyError: 'label'\n"
    assert explain(text).cause is None


@pytest.mark.parametrize(
    ("text", "cause"),
    [
        ("[Errno 32 ] Bağlantı reddedildi", "connect.refused"),
        ("git: Połączenie zerwane przez drugą stronę", "connect.reset"),
        ("FEHLER: Das Zertifikat von »data.example« ist abgelaufen.", "tls.expired"),
        ("WinError: 由于目标计算机积极拒绝，无法连接。", "connect.refused"),
        ("cp: Ikke mere plads på enheden", "local.disk-full"),
    ],
)
def test_what_other_languages_call_an_error_is_read_and_quoted_as_it_stands(text: str, cause: str) -> None:
    explained = explain(f"{text}\nhttps://data.example/x.zip")
    assert explained.cause == cause and explained.evidence == text


def test_a_phrase_keeps_what_stands_inside_it() -> None:
    said = "Erreur de lecture à l’octet 12 (Connexion ré-initialisée par le correspondant)"
    assert in_english(said) == "Read error at byte 12 (Connection reset by peer)"
    assert (
        in_english("Das Zertifikat von a.example ist abgelaufen")
        == "The certificate of a.example has expired"
    )
    assert in_english("ok\nnothing to say") == "ok\nnothing to say"


def test_passwords_that_break_an_address_are_masked() -> None:
    for userinfo in ("ann:pw", "ann:p/w", "ann:p#w", "ann:p?w"):
        assert mask(f"for url: http://{userinfo}@h.example:1/x") == "for url: http://***@h.example:1/x"
    assert mask("proxy ann:pw@proxy:8080") == "proxy ***@proxy:8080"
    assert mask("at http://h.example:80/a@b, 1 of 2") == "at http://h.example:80/a@b, 1 of 2"


def test_secrets_are_masked() -> None:
    text = (
        "ProxyError: https://ann:hunter2@proxy.example:8080 Tunnel connection failed: 407"
        " token=abc hf_abcdefghijklmnopqrst"
    )
    explained = explain(text)
    assert not re.search("hunter2|token=abc|hf_abcdefghijk", str(explained))
    assert (
        mask("https://h.example/x?X-Amz-Signature=123&b=1") == "https://h.example/x?X-Amz-Signature=***&b=1"
    )


def test_actions_are_safe_and_written_for_the_shell() -> None:
    for _, host, body in cases():
        action = explain(body, host, shell="powershell").action
        assert not re.search(
            r"verify=False|--insecure|trusted-host|sudo pip|_create_unverified|\{\w+\}", action
        ), action
    assert "$env:HTTPS_PROXY" in explain("Tunnel connection failed: 407", shell="powershell").action


def test_every_explanation_of_a_cause_has_evidence_that_stands_in_the_text() -> None:
    for _, explained, body in explained_cases():
        if explained.cause:
            assert explained.action and explained.verdict
            assert explained.evidence.strip("…") in mask(body), explained.evidence


def test_prefixes_colours_and_progress_do_not_hide_the_error() -> None:
    ranks = "".join(f"[rank{n}]: OSError: [Errno 28] No space left on device\n" for n in range(3))
    assert explain(ranks).cause == "local.disk-full"
    assert (
        explain("\x1b[31mE   urllib.error.HTTPError: HTTP Error 404: Not Found\x1b[0m").cause
        == "http.not-found"
    )
    assert (
        explain("10%|#  | 1/10\r20%|## | 2/10\rcurl: (52) Empty reply from server").cause == "connect.reset"
    )


@pytest.mark.parametrize(
    "prefix",
    [
        "> ",
        "    ",
        "E       ",
        "[rank0]: ",
        "2026-02-03 10:11:12,345 - ERROR - ",
        "2026-02-03T10:11:12.1234567Z ",
    ],
)
def test_what_reports_and_logs_put_before_each_line_changes_no_verdict(prefix: str) -> None:
    for wanted, host, body in cases():
        text = "".join(prefix + line for line in body.splitlines(keepends=True))
        if episodes_of(text) == episodes_of(body):  # `explain` reads nothing else: it says the same
            continue
        assert (explain(text, host).cause or "none") in {*wanted, "none"}, body[-300:]


def test_a_wrapper_leaves_the_word_to_what_was_logged_before_it() -> None:
    text = (
        "'[Errno 111] Connection refused' thrown while requesting HEAD https://huggingface.co/api/x\n"
        "Traceback (most recent call last):\n"
        "ConnectionError: Couldn't reach 'acme/x' on the Hub (LocalEntryNotFoundError)\n"
    )
    assert explain(text).cause == "connect.refused"


@pytest.mark.parametrize(
    "text",
    [
        "torchvision.datasets.CIFAR10: OSError: [Errno 28] No space left on device",
        "keras.datasets.imdb: ValueError: Object arrays cannot be loaded when allow_pickle=False",
    ],
)
def test_no_install_is_offered_where_another_copy_of_the_file_cures_nothing(text: str) -> None:
    assert explain(text).action and not explain(text).command


def test_a_name_that_does_not_exist_is_no_fault_of_the_server() -> None:
    mistyped = explain(
        "DatasetNotFoundError: Dataset 'acme/x' doesn't exist on the Hub or cannot be accessed."
    )
    removed = explain("urllib.error.HTTPError: HTTP Error 404: Not Found")
    assert mistyped.cause == removed.cause == "http.not-found"
    assert (mistyped.fault, removed.fault) == ("you", "mirror")


def test_in_a_log_the_first_failure_explains_the_bad_file_below_it() -> None:
    text = (
        "ERROR: cannot verify a.example.edu's certificate, issued by ‘CN=Some CA’:\n"
        "  Self-signed certificate encountered.\n"
        "unzip:  End-of-central-directory signature not found.  a.zip\n"
    )
    assert explain(text).cause == "tls.self-signed"


def test_hosts_are_found_and_documents_left_out() -> None:
    text = "HTTPSConnectionPool(host='zenodo.org', port=443) see https://curl.se/docs and https://download.pytorch.org/x"
    assert hosts_in(text) == ["zenodo.org", "download.pytorch.org"]


def test_chains_are_taken_apart_with_the_root_first() -> None:
    episode = episodes_of(KERAS)[-1]
    assert [message.split(":")[0] for message in episode.messages] == ["socket.gaierror", "Exception"]
    assert episode.last_exception == "Exception"


@pytest.mark.parametrize(
    "text", ["", "\n\n", "ok", "é" * 1000, "(" * 5000, "Traceback (most recent call last):\n"]
)
def test_any_text_gives_an_explanation(text: str) -> None:
    assert isinstance(explain(text), Explanation) and explain(text).cause is None


def test_long_logs_are_read_from_their_end() -> None:
    assert explain("epoch 1 loss 0.3\n" * 60_000 + "HTTP Error 404: Not Found").cause == "http.not-found"


def test_datasets_and_frameworks_have_names_of_the_catalog() -> None:
    catalogs = Path(__file__).parents[2] / "src" / "surefetch" / "catalogs"
    assert all((catalogs / f"{row['name']}.toml").exists() for row in read_loaders()["dataset"])
    assert named("~/.keras/datasets/fashion-mnist/train-images-idx3-ubyte.gz") == ("keras", "fashion-mnist")
