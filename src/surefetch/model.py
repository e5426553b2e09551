"""What datasets are made of: digests, tensors, artifacts, recipes, forms, mirrors. Frozen values only."""

from __future__ import annotations

import math
from functools import cached_property
from typing import Final

import msgspec

#: Size of a piece: a fixed stretch of an artifact with a digest of its own.
PIECE_BYTES: Final = 1 << 20
#: Files up to this size share a connection of a host that multiplexes (HTTP/2). Larger ones would share its
#: losses, too: 40 of 800 KB over 50 ms and 0.5 % loss took 6 to 26 s over one connection, 4 s over several.
SHARED_BYTES: Final = 64 << 10
#: Digest algorithms, the strongest first, with the length of their hexadecimal form.
ALGORITHMS: Final = {"sha256": 64, "sha1": 40, "md5": 32}
#: Where a dataset was described that came from no file of the user's.
BUILT_IN: Final = "built-in"
COMMAND_LINE: Final = "the command line"
_HEXADECIMAL: Final = frozenset("0123456789abcdef")
#: The digests of no bytes at all.
_EMPTY: Final = frozenset(
    {
        "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855",
        "da39a3ee5e6b4b0d3255bfef95601890afd80709",
        "d41d8cd98f00b204e9800998ecf8427e",
    }
)
#: Element sizes of the dtypes that a tensor may have, in bytes.
DTYPES: Final = {
    "bool": 1, "uint8": 1, "int8": 1, "uint16": 2, "int16": 2, "uint32": 4, "int32": 4,
    "uint64": 8, "int64": 8, "float16": 2, "float32": 4, "float64": 8,
}  # fmt: skip


class Struct(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Base of all values: immutable, named fields only, unknown fields refused."""


class Digest(Struct, frozen=True, kw_only=True):
    """A digest of some bytes. Written `sha256:440fcabf…`."""

    algorithm: str  # a key of ALGORITHMS
    hex: str  # lower case

    def __post_init__(self) -> None:
        length = ALGORITHMS.get(self.algorithm)
        if length is None:
            raise ValueError(f"`{self.algorithm}` is not one of {', '.join(ALGORITHMS)}")
        if len(self.hex) != length or not _HEXADECIMAL.issuperset(self.hex):
            raise ValueError(f"a {self.algorithm} digest is {length} lower-case hexadecimal digits")

    @property
    def is_of_nothing(self) -> bool:
        """Whether it is the digest of no bytes at all."""
        return self.hex in _EMPTY

    @property
    def is_weak(self) -> bool:
        """Whether others can make a second file with this digest (md5, sha1)."""
        return self.algorithm != "sha256"

    def __str__(self) -> str:
        return f"{self.algorithm}:{self.hex}"


class TensorSpec(Struct, frozen=True, kw_only=True):
    """A tensor's promise: dtype, shape and the SHA-256 of its C-order little-endian bytes."""

    dtype: str  # a key of DTYPES
    shape: tuple[int, ...]
    sha256: str | None = None  # None: the artifact's digest is the only proof

    def __post_init__(self) -> None:
        if self.dtype not in DTYPES:
            raise ValueError(f"`{self.dtype}` is not one of {', '.join(DTYPES)}")
        if any(length < 0 for length in self.shape):
            raise ValueError("a shape has no negative lengths")
        if self.sha256 is not None:
            Digest(algorithm="sha256", hex=self.sha256)

    @property
    def size(self) -> int:
        """Bytes of the whole tensor."""
        return math.prod(self.shape) * DTYPES[self.dtype]


class Step(Struct, frozen=True, kw_only=True):
    """One pure function of a recipe, e.g. `gzip` or `npz:x_train`."""

    name: str
    argument: str = ""

    def __str__(self) -> str:
        return f"{self.name}:{self.argument}" if self.argument else self.name


class Part(Struct, frozen=True, kw_only=True):
    """One input and the steps it goes through. A recipe is a tuple of parts, joined along the first axis."""

    input: str  # an artifact's name, or a tensor's
    steps: tuple[Step, ...]

    def __str__(self) -> str:
        return f"{self.input}: {' > '.join(map(str, self.steps))}"


Recipe = tuple[Part, ...]


class Artifact(Struct, frozen=True, kw_only=True, dict=True):
    """One immutable file, known by digest and size.

    An artifact without any digest is `unproven`: only the tensors made of it prove it.
    """

    name: str  # the published file name
    form: str
    size: int | None = None  # bytes
    max_size: int | None = None  # bytes; the bound where the size is unknown
    sha256: str | None = None
    sha1: str | None = None
    md5: str | None = None
    urls: tuple[str, ...] = ()
    package: str | None = None  # "pypi:NAME==VERSION"
    deb: str | None = None  # "NAME=VERSION", a Debian package
    unproven: bool = False
    is_carrier: bool = False  # an archive to read members from, never handed out
    pieces: tuple[str, ...] = ()  # SHA-256 of each PIECE_BYTES, in order
    encoding: str = ""  # what the bytes look like, for people: "IDX, gzip"
    known_as: tuple[str, ...] = ()  # dead or doubtful URLs of this very file: answered, never contacted

    @cached_property  # asked for nine times in a fetch
    def digest(self) -> Digest | None:
        """The strongest digest there is; None for an unproven artifact."""
        for algorithm in ALGORITHMS:
            if value := getattr(self, algorithm):
                return Digest(algorithm=algorithm, hex=value)
        return None

    @property
    def is_empty(self) -> bool:
        """Whether its digest says that it has no bytes: nobody need be asked for them."""
        return self.digest is not None and self.digest.is_of_nothing

    @property
    def bound(self) -> int:
        """Bytes at most: the size, or `max_size`. The catalog sees to it that one of them is there."""
        return self.size if self.size is not None else self.max_size or 0

    @property
    def may_share(self) -> bool:
        """Whether it shares a connection of a host that multiplexes."""
        return 0 < self.bound <= SHARED_BYTES


class Form(Struct, frozen=True, kw_only=True):
    """A set of artifacts that gives tensors, and how."""

    name: str
    gives: dict[str, Recipe]  # tensor name -> recipe over artifacts of this form

    @property
    def artifacts(self) -> tuple[str, ...]:
        """Names of the artifacts its recipes read, in order of first use."""
        return tuple(dict.fromkeys(part.input for recipe in self.gives.values() for part in recipe))


class Dataset(Struct, frozen=True, kw_only=True, dict=True):
    """A named, versioned set of tensors and files."""

    name: str
    version: str
    title: str = ""
    aliases: tuple[str, ...] = ()
    task: str = ""  # what it is used for: "image classification, 10 classes"
    description: str = ""
    homepage: str = ""
    license: str = ""
    citation: str = ""  # BibTeX or plain
    known_as: tuple[str, ...] = ()  # URLs that circulate: answered, never contacted
    tensors: dict[str, TensorSpec] = {}
    artifacts: tuple[Artifact, ...] = ()
    forms: tuple[Form, ...] = ()
    made: dict[str, Recipe] = {}  # artifact name -> how it can be made from tensors or other artifacts
    classes: tuple[str, ...] = ()  # names of the labels, by number
    origin: str = BUILT_IN  # the catalog file it came from

    def artifact(self, name: str) -> Artifact:
        """Return an artifact by its file name.

        Raises:
            KeyError: The dataset has no such artifact.
        """
        return self._by_name[name]

    @cached_property
    def _by_name(self) -> dict[str, Artifact]:
        return {artifact.name: artifact for artifact in reversed(self.artifacts)}  # the first of a name wins

    def form(self, name: str) -> Form:
        """Return a form by name.

        Raises:
            KeyError: The dataset has no such form.
        """
        for form in self.forms:
            if form.name == name:
                return form
        raise KeyError(name)


class Lookup(Struct, frozen=True, kw_only=True):
    """What a source must see before it can name mirrors. Hashable: answers are kept by it.

    `kind` is one of: `settings` (what package clients are set to), `index` (a package index page; target =
    its URL), `listing` (a folder; target = its path), `command` (a row of machine's fixed table; target = row
    and argument), `places` (exact paths that layouts predict), `scan` (files of a wanted size in folders).
    """

    source: str
    kind: str
    target: str


class Mirror(Struct, frozen=True, kw_only=True, dict=True):
    """One place expected to give an artifact's bytes: a URL, or a path on this machine."""

    url: str  # https, http, or a file's absolute path
    source: str  # which source named it: "http", "package", "deb", "caches", "peer", "user"
    is_local: bool = False  # url is a path
    may_be_private: bool = False  # the user, a setting or their package client named the host

    @cached_property
    def origin(self) -> str:
        """Scheme, host and port: what is judged once for all artifacts. `file` for a local path."""
        if self.is_local:
            return "file"
        scheme, _, rest = self.url.partition("://")
        authority = rest.partition("/")[0].partition("?")[0].partition("#")[0]
        return f"{scheme}://{authority.rpartition('@')[2]}".lower()
