"""Unmodified programs under `surefetch run`, and armed after their imports, while no host can be reached."""

from __future__ import annotations

import sys
import textwrap
from pathlib import Path

import pytest

from tests.frameworks.kit import LOADS, SOURCE, User, expected, program, told

pytestmark = [pytest.mark.frameworks, pytest.mark.privileged]

PICKLE = """
    import gzip, pickle, requests
    url = "https://github.com/pytorch/examples/raw/master/mnist/data/mnist.pkl.gz"
    answer = requests.get(url, stream=True, proxies={"https": "http://127.0.0.1:9"})
    answer.raise_for_status()
    train, valid, test = pickle.loads(gzip.decompress(answer.content), encoding="latin1")
    import numpy
    a = numpy.rint(numpy.concatenate([train[0], valid[0]]) * 256)
    b, c, d = numpy.concatenate([train[1], valid[1]]), numpy.rint(test[0] * 256), test[1]
"""
#: The snippets that must work unmodified, and the environment of each.
SNIPPETS = {
    "keras": "main",
    "tf_keras": "tensorflow",
    "sklearn": "main",
    "pickle": "main",
    "torchvision": "main",
    "tfds": "tensorflow",
    "huggingface": "main",
}
#: Something that fails without a network, before the hook is there.
FAILURE = """
import urllib.request
try:
    urllib.request.urlopen("https://storage.googleapis.com/tensorflow/tf-keras-datasets/mnist.npz", timeout=5)
    raise SystemExit("there is a network")
except OSError:
    pass
"""
IMPORTS = {
    "keras": "import keras",
    "tf_keras": "import tf_keras",
    "sklearn": "import sklearn.datasets",
    "pickle": "import requests",
    "torchvision": LOADS["torchvision"].partition("train =")[0],
    "tfds": "import tensorflow_datasets",
    "huggingface": "import datasets, httpx2",
}
RUN = """
    import sys
    from surefetch.session.facade import Session
    from surefetch.session.run import run_for
    sys.exit(run_for(Session(), sys.argv[2:], python=sys.argv[1]))
"""


@pytest.fixture
def user(tmp_path: Path, snippet: str) -> User:
    user = User(tmp_path / "home", SNIPPETS[snippet])
    del user.environ["HF_HUB_OFFLINE"]
    return user


def text_of(snippet: str) -> str:
    if snippet != "pickle":
        return program(snippet, "mnist")
    tell = program("keras", "mnist").partition("import hashlib")[2]
    return textwrap.dedent(PICKLE) + "import hashlib" + tell


@pytest.mark.parametrize("snippet", SNIPPETS)
def test_the_program_runs_unmodified(user: User, snippet: str) -> None:
    tool = sys.executable
    ran = user.run(tool, "-c", textwrap.dedent(RUN), str(user.python), user.script(text_of(snippet)))
    assert told(ran) == expected(snippet, user, "mnist"), ran.errors[-2000:]
    assert "armed" in ran.errors


@pytest.mark.parametrize("snippet", SNIPPETS)
def test_it_helps_when_armed_after_imports_and_a_failure(user: User, snippet: str) -> None:
    text = textwrap.dedent(IMPORTS[snippet]) + FAILURE + "import surefetch.auto\n" + text_of(snippet)
    ran = user.run(str(user.python), user.script(text), PYTHONPATH=SOURCE)
    assert told(ran) == expected(snippet, user, "mnist"), ran.errors[-2000:]


@pytest.mark.parametrize("snippet", ["keras"])
def test_a_python_of_another_version_is_armed_too(user: User, snippet: str) -> None:
    text = """
        import platform, sys
        from urllib.request import urlretrieve
        url = "https://storage.googleapis.com/tensorflow/tf-keras-datasets/mnist.npz"
        path, headers = urlretrieve(url, "mnist.npz")
        print(platform.python_implementation(), sys.version_info[:2] < (3, 11), headers["Content-Length"])
    """
    tool = sys.executable
    ran = user.run(tool, "-c", textwrap.dedent(RUN), "pypy3", user.script(text))
    assert ran.output.split() == ["PyPy", "True", "11490434"], ran.errors[-2000:]


@pytest.mark.parametrize("snippet", ["torchvision"])
def test_a_data_loaders_workers_are_answered(user: User, snippet: str) -> None:
    text = """
        import torch

        class Remote(torch.utils.data.Dataset):
            def __len__(self):
                return 4

            def __getitem__(self, index):
                import requests
                return len(requests.get("https://storage.googleapis.com/tensorflow/tf-keras-datasets/mnist.npz").content)

        if __name__ == "__main__":
            sizes = []
            for method in ("fork", "spawn"):
                loader = torch.utils.data.DataLoader(Remote(), num_workers=2, multiprocessing_context=method)
                sizes += [int(size) for size in loader]
            print("SIZES", set(sizes))
    """
    tool = sys.executable
    ran = user.run(tool, "-c", textwrap.dedent(RUN), str(user.python), user.script(text))
    assert "SIZES {11490434}" in ran.output, ran.errors[-2000:]


@pytest.mark.parametrize("snippet", ["keras"])
def test_a_notebook_loads_it_as_an_extension(user: User, snippet: str) -> None:
    text = """
        from IPython.core.interactiveshell import InteractiveShell
        shell = InteractiveShell.instance()
        shell.run_line_magic("load_ext", "surefetch.auto")
        shell.run_cell("import urllib.request")
        shell.run_cell(
            "print('SIZE', len(urllib.request.urlopen("
            "'https://storage.googleapis.com/tensorflow/tf-keras-datasets/mnist.npz').read()))"
        )
        shell.run_line_magic("unload_ext", "surefetch.auto")
        shell.run_cell("urllib.request.urlopen('https://storage.googleapis.com/x')")
    """
    ran = user.run(str(user.python), user.script(text), PYTHONPATH=SOURCE)
    assert "SIZE 11490434" in ran.output, ran.errors[-2000:]
    assert "URLError" in ran.output
