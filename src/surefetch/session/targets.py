"""What a get is aimed at: a dataset by name, a file that a catalog knows by URL, or any file by digest."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import PurePosixPath
from typing import TYPE_CHECKING
from urllib.parse import unquote, urlsplit

from surefetch.errors import UsageError
from surefetch.model import ALGORITHMS, COMMAND_LINE, Artifact, Dataset, Digest, Struct
from surefetch.transfer import urls

if TYPE_CHECKING:
    from surefetch.catalog import Catalog

#: What the names of Metalink files end in (RFC 5854, 7.1, and the habit of older ones).
METALINKS = (".meta4", ".metalink")
#: The bound of a file whose size nobody told, in bytes.
UNKNOWN_BOUND = 1 << 40
#: Where a bucket's files lie on the web, by the scheme that its own tools use.
BUCKETS = {
    "s3": "https://{bucket}.s3.amazonaws.com/{key}",
    "gs": "https://storage.googleapis.com/{bucket}/{key}",
    "hf": "https://huggingface.co/{bucket}/{key}",
}
ADDRESS = "write it as `https://HOST/FILE`, or `https://HOST:PORT/FILE`"


class Target(Struct, frozen=True, kw_only=True):
    """A dataset and what is wanted of it: its tensors, or named artifacts."""

    dataset: Dataset
    artifacts: frozenset[str] = frozenset()  # empty: the dataset as a whole
    is_single_file: bool = False  # the receipt's path is the file, not a folder
    mirrors: tuple[str, ...] = ()  # URLs that the user named, asked first
    learns: bool = False  # no digest is known: each artifact is published by the one it is found to have


def find_target(
    catalog: Callable[[], Catalog],
    name: str,
    *,
    mirrors: Sequence[str] = (),
    digests: dict[str, str | None] | None = None,
    size: int | None = None,
) -> Target:
    """Decide what is meant.

    Args:
        catalog: Gives what knows names and URLs; not asked for a file whose digest is given.
        name: A dataset's name or alias, a URL, or the path of a Metalink file.
        mirrors: Further URLs of the same file, or base URLs of the dataset's files.
        digests: `sha256`, `sha1`, `md5` of the file behind a URL, as far as known.
        size: Its bytes, if known.

    Raises:
        UnknownDatasetError: No catalog has the name.
        UsageError: A URL that no catalog knows came without a digest, or a digest is malformed.
        CatalogError: The Metalink file cannot be used.
    """
    given = {key: value for key, value in (digests or {}).items() if value}
    for url in mirrors:
        if not set("/:.") & {*name, *url}:
            raise UsageError(
                f"`{url}` is no mirror's address; of datasets one is got at a time",
                hint=f"surefetch get {name} && surefetch get {url}",
            )
        check_url(url)
    if "://" not in name and name.lower().endswith(METALINKS):
        from surefetch.session.metalinks import read_metalink

        if given or size is not None:
            shown = urls.mask(name)
            raise UsageError(
                f"a digest or size belongs to a URL, and `{shown}` tells those of its files itself",
                hint=f"surefetch get {shown}",
            )
        return _described_files(read_metalink(name), tuple(mirrors))
    if "://" not in name:
        shown = urls.mask(name)
        if given and "/" in name and "." in name.partition("/")[0]:
            raise UsageError(f"`{shown}` is no address yet", hint=f"write `https://{shown}`")
        if given or size is not None:
            said, known = ("a digest", "digests") if given else ("a size", "sizes")
            raise UsageError(
                f"{said} belongs to a URL, and `{shown}` is a name: the catalog knows its {known}",
                hint=f"surefetch get {shown}",
            )
        return _whole(catalog().find(name), tuple(mirrors))
    check_url(name)
    if not given:
        return _known(catalog(), name, size, tuple(mirrors))
    read = {key: _digest(key, value) for key, value in given.items()}
    if size is not None and size < 0:
        raise UsageError(f"`{size}` is no number of bytes", hint="leave the size out if you do not know it")
    if size == 0 and (other := next((one for one in read.values() if not one.is_of_nothing), None)):
        raise UsageError(
            f"`{other}` is no digest of 0 bytes", hint="leave `--size` out, or look both up again"
        )
    dataset = described(name, read, size)
    artifact = dataset.artifacts[0].name
    return Target(
        dataset=dataset, artifacts=frozenset({artifact}), is_single_file=True, mirrors=(name, *mirrors)
    )


def described(url: str, digests: dict[str, Digest], size: int | None) -> Dataset:
    """Describe one file by its URL and digests, as a dataset of one artifact; its name has no secrets."""
    artifact = Artifact(
        name=file_name(url),
        form="file",
        size=size,
        max_size=None if size is not None else UNKNOWN_BOUND,
        **{algorithm: digest.hex for algorithm, digest in digests.items()},  # type: ignore[arg-type] # names are ALGORITHMS
    )
    return Dataset(name=urls.mask(url), version="", artifacts=(artifact,), origin=COMMAND_LINE)


def file_name(url: str) -> str:
    """Return the file name at the end of a URL's path, made safe for any file system."""
    name = PurePosixPath(unquote(urlsplit(url).path)).name
    safe = "".join(letter if letter.isalnum() or letter in "-_.+ " else "_" for letter in name).strip(". ")
    return safe[:150] or "file"


def _described_files(dataset: Dataset, mirrors: tuple[str, ...]) -> Target:
    names = frozenset(artifact.name for artifact in dataset.artifacts)
    return Target(dataset=dataset, artifacts=names, is_single_file=len(names) == 1, mirrors=mirrors)


def _whole(dataset: Dataset, mirrors: tuple[str, ...]) -> Target:
    if dataset.tensors:
        return Target(dataset=dataset, mirrors=mirrors)
    names = frozenset(artifact.name for artifact in dataset.artifacts if not artifact.is_carrier)
    return Target(dataset=dataset, artifacts=names, mirrors=mirrors)


def _known(catalog: Catalog, url: str, size: int | None, mirrors: tuple[str, ...]) -> Target:
    found = catalog.find_url(url)
    if found is None:
        raise UsageError(
            f"nothing tells what the right bytes of `{urls.mask(url)}` are, so nothing is fetched",
            code="usage.no-digest",
            hint=f"surefetch get {urls.mask(url)} --sha256 HEX\n"
            "      (the publisher's page has it; `--md5` or `--sha1` if there is no better one;\n"
            "      `surefetch catalog add URL --name NAME` learns it at first sight, and says so)",
        )
    dataset, artifact = found
    if size is not None and size != artifact.size and artifact.size is not None:
        raise UsageError(
            f"the catalog knows this file: it has {artifact.size:,} bytes, not {size:,}",
            hint=f"surefetch get {urls.mask(url)}",
        )
    return Target(dataset=dataset, artifacts=frozenset({artifact.name}), is_single_file=True, mirrors=mirrors)


def check_url(url: str) -> None:
    """Refuse what is no web address.

    Raises:
        UsageError: Its scheme is neither https nor http, or it names no host.
    """
    scheme = url.partition("://")[0].strip().lower() if "://" in url else ""
    if scheme not in ("https", "http"):
        raise UsageError(
            f"`{urls.mask(url)}` is no https or http address",
            code="policy.scheme",
            hint=_written(url, scheme),
        )
    try:
        host = urls.host(urls.spelled(url)) if urlsplit(url).hostname else ""
    except ValueError as error:
        raise _unreadable(url, error) from error
    if not host:
        raise UsageError(f"`{urls.mask(url)}` names no host", hint=ADDRESS)
    labels = host.rstrip(".").split(".")
    if ":" not in host and any(not 0 < len(label) < 64 for label in labels):  # RFC 1035, 2.3.4
        raise UsageError(
            f"`{host}` can be no host's name: a part between its dots is empty or too long", hint=ADDRESS
        )


def _unreadable(url: str, error: ValueError) -> UsageError:
    """Say why an address cannot be read; the standard library's words may quote the password."""
    shown = urls.mask(url)
    if "@" not in url:
        return UsageError(f"`{shown}` cannot be read: {error}", hint=ADDRESS)
    hint = "escape what is special in the name and password: `/` is %2F, `?` is %3F, `#` is %23, `@` is %40"
    return UsageError(f"`{shown}` cannot be read", hint=hint)


def _written(url: str, scheme: str) -> str:
    """Say how an address of another scheme is written for https, or what is meant."""
    bucket, _, key = url.partition("://")[2].partition("/")
    if scheme in BUCKETS and bucket:
        return f"write it as `{BUCKETS[scheme].format(bucket=bucket, key=key)}`"
    if scheme == "file":
        return "a file of your own goes in by `surefetch get NAME --from PATH`"
    if not scheme or "." in scheme:
        return f"a mirror is the address of a web server: `https://{url}`" if "." in url else ADDRESS
    return f"only https and http are spoken: {ADDRESS}"


def _digest(algorithm: str, value: str) -> Digest:
    first = (str(value).split() or [""])[0]  # of a line of `sha256sum`
    text = first.lower().removeprefix(f"{algorithm}:")
    try:
        return Digest(algorithm=algorithm, hex=text)
    except ValueError as error:
        near = next((name for name, length in ALGORITHMS.items() if length == len(text)), None)
        hint = f"it has the length of {near}: `--{near} {text}`" if near and near != algorithm else ""
        raise UsageError(f"`{value}` is no {algorithm} digest: {error}", hint=hint) from error
