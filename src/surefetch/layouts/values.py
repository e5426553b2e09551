"""What a framework's loader looks for: files below a root, what each holds, and what the loader checks."""

from __future__ import annotations

from enum import Enum

from surefetch.model import Struct


class Check(Enum):
    """What a loader checks of a file before it uses it."""

    EXISTENCE = "existence"  # anything under this name is believed
    DIGEST = "digest"  # only the published bytes will do
    FORMAT = "format"  # it must parse, and agree with the files beside it


class Published(Struct, frozen=True, kw_only=True):
    """An artifact's published bytes."""

    artifact: str


class Member(Struct, frozen=True, kw_only=True):
    """A file inside an artifact that is a tar archive."""

    artifact: str
    member: str


class Idx(Struct, frozen=True, kw_only=True):
    """A tensor as a raw IDX file, the very bytes of the published one unwrapped."""

    tensor: str


class Arff(Struct, frozen=True, kw_only=True):
    """Splits one below the other as a gzip'd ARFF file: numbered pixels and a class in each row."""

    relation: str
    images: tuple[str, ...]  # tensors, joined along the first axis
    labels: tuple[str, ...]


class Literal(Struct, frozen=True, kw_only=True):
    """Text of our own. `{md5}` in it stands for the MD5 of the unzipped file `md5_of`."""

    text: str
    is_gzipped: bool = False
    md5_of: str = ""  # path of another plant


class Arrow(Struct, frozen=True, kw_only=True):
    """A folder that `datasets` has prepared: made by that package itself, in the user's Python."""

    repository: str  # "ylecun/mnist"
    config: str
    image: str  # name of the column
    label: str
    classes: tuple[str, ...]
    splits: dict[str, tuple[str, str]]  # split -> its image tensor and label tensor


Content = Published | Member | Idx | Arff | Literal | Arrow


class Plant(Struct, frozen=True, kw_only=True):
    """One file, or one prepared folder, to be put where a loader looks."""

    path: str  # below the root, with `/`
    content: Content
    check: Check
    equal_to: str = ""  # tensor: a gzip'd or raw IDX file with its content is as good, whatever its bytes
    is_optional: bool = False  # the loader does without it: left out if its content cannot be had


class Shadow(Struct, frozen=True, kw_only=True):
    """Files that win over the planted ones if all of them are there. Moved aside when they are wrong."""

    paths: tuple[str, ...]  # below the root; the last part may hold `*`
    why: str  # for people


class Loader(Struct, frozen=True, kw_only=True):
    """How the framework itself is made to load what was planted, as proof."""

    name: str  # a function of `session/guest/prove.py`
    arguments: dict[str, str] = {}
    tensors: dict[str, str] = {}  # what it calls an array -> tensor of the dataset


class Layout(Struct, frozen=True, kw_only=True):
    """All that one version of a framework looks for when it loads one dataset."""

    framework: str  # "keras", "torchvision", "sklearn", "tfds", "huggingface"
    package: str  # as the package index calls it
    version: str
    root: str  # absolute
    plants: tuple[Plant, ...]
    shadows: tuple[Shadow, ...] = ()
    makes: tuple[str, ...] = ()  # folders below the root in which the loader itself leaves files
    loader: Loader | None = None  # None: the bytes are proven, and the framework is not run
    usage: str = ""  # the line of code that works now
    variables: dict[str, str] = {}  # what makes another root known to the framework
    notes: tuple[str, ...] = ()  # traps that the user should know of


class Machine(Struct, frozen=True, kw_only=True):
    """What a layout depends on outside the dataset. Paths are absolute."""

    home: str  # the user's home folder
    environ: dict[str, str] = {}
    packages: dict[str, str] = {}  # installed package -> version
    root: str = ""  # torchvision's `root=`
    shared: str = ""  # plant below this folder instead, for many users
    unwritable: tuple[str, ...] = ()  # folders that this user cannot write


def fold(name: str) -> str:
    """Fold a dataset's name to compare it with a framework's: `Fashion-MNIST` and `fashion_mnist` are one."""
    return "".join(letter for letter in name.lower() if letter.isalnum())


def version_of(text: str) -> tuple[int, ...]:
    """Return the leading numbers of a version: `3.15.1rc2` gives (3, 15, 1)."""
    numbers = []
    for part in text.split("."):
        digits = part[: len(part) - len(part.lstrip("0123456789"))]
        if not digits:
            break
        numbers.append(int(digits))
        if digits != part:
            break
    return tuple(numbers)


def has_artifact(dataset_artifacts: tuple[str, ...], content: Content) -> bool:
    """Whether a dataset with these artifacts can give the content (tensors are taken for granted)."""
    return not isinstance(content, Published | Member) or content.artifact in dataset_artifacts
