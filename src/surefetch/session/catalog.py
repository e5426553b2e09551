"""The verbs `catalog add` and `catalog import`: the user's own catalog files."""

from __future__ import annotations

import json
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from surefetch.catalog import Catalog, imports, parse_catalog
from surefetch.catalog.rules import is_dataset_name
from surefetch.errors import CatalogError, UnknownDatasetError, UsageError
from surefetch.model import Artifact, Dataset, Struct
from surefetch.session.learning import describe, learn
from surefetch.session.user_catalogs import own_folder, read_catalogs, unreadable, user_catalog_files
from surefetch.store import files
from surefetch.transfer.urls import mask

if TYPE_CHECKING:
    from surefetch.session.facade import Session

#: What is said wherever digests were learned.
NOTE: Final = (
    "the digests were learned at first sight: they are those of the bytes that came today from these "
    "addresses, and prove only that later copies are the same; compare them with the publisher's, if it "
    "gives any"
)
JOINED: Final = (
    "`{file}` came in several answers, and the server does not say whether the file changed between them: "
    "add it once more with `--force` and see whether the digest stays the same"
)
_HINT: Final = "choose another place with `SUREFETCH_CONFIG=/path/config.toml`"
_LEFT_OUT: Final = "# Left out: "
_READ_BYTES: Final = 64 << 20


class Entry(Struct, frozen=True, kw_only=True):
    """A catalog file that was written."""

    path: str
    dataset: Dataset
    left_out: tuple[str, ...] = ()  # "notes.txt: it has no digest."
    notes: tuple[str, ...] = ()  # what else should be said
    is_learned: bool = False

    def to_json(self) -> dict[str, Any]:
        """Return what `catalog add --json` and `catalog import --json` print (docs/schema)."""
        return {
            "schema_version": 1,
            "ok": True,
            "name": self.dataset.name,
            "version": self.dataset.version,
            "path": self.path,
            "learned": self.is_learned,
            "files": [_row(artifact) for artifact in self.dataset.artifacts],
            "left_out": list(self.left_out),
            "notes": list(self.notes),
        }


class Wanted(Struct, frozen=True, kw_only=True):
    """What an entry is to be called, and whether it may take the place of an older one."""

    name: str
    title: str = ""
    license: str = ""
    version: str = ""  # empty: what the list says, else "1"
    force: bool = False


def add(session: Session, urls: Sequence[str], wanted: Wanted) -> Entry:
    """Fetch URLs once, learn their digests, and write a catalog file of them.

    The bytes stay in the store, so that `get` opens no socket afterwards.

    Args:
        session: Its settings, store and configuration folder.
        urls: Where the files are; those that end in the same name are mirrors of one file.
        wanted: `force` takes a web page for a file, too.

    Raises:
        UsageError: The name cannot be used, or a URL.
        FetchError: A file could not be had, a web page came, or mirrors gave different bytes.
        StoreError: The file cannot be written.
    """
    path = _free_path(session, wanted)
    learned = learn(session, urls, wanted.name, takes_pages=wanted.force)
    dataset = Dataset(
        name=wanted.name,
        version=wanted.version or "1",
        title=wanted.title,
        license=wanted.license,
        artifacts=describe(learned),
    )
    known = {file.name: session.known_file(file.sha256) for file in learned}
    now = datetime.now(UTC).strftime("%Y-%m-%d %H:%M UTC")
    comment = [
        f"Learned at first sight on {now} by `surefetch catalog add`, from",
        *(f"  {x.url}" for x in learned),
    ]
    comment += ["Nobody vouched for these digests: they prove only that later copies are the same."]
    before = _file_names(path)
    entry = _write(path, imports.seal(dataset, "\n".join(comment)))
    _publish(session, entry, before)
    notes = [f"`{name}` is a known file: {what}" for name, what in known.items() if what]
    notes += [JOINED.format(file=file.name) for file in learned if file.is_joined]
    return Entry(path=str(path), dataset=entry, notes=(NOTE, *notes), is_learned=True)


def import_list(
    session: Session,
    source: Path,
    wanted: Wanted,
    *,
    base_url: str = "",
    urls: Path | None = None,
) -> Entry:
    """Write a catalog file from a pooch registry or a Croissant description; nothing is fetched.

    Args:
        session: Its configuration folder.
        source: The list; one that begins with `{` is Croissant.
        wanted: A registry needs the name; a description has one of its own.
        base_url: Where a registry's files lie.
        urls: A file with the URLs of single files: lines of `FILE URL`, or a JSON object.

    Raises:
        UsageError: The name cannot be used, or something is missing.
        CatalogError: The list cannot be read, or nothing of it can be used.
        StoreError: The file cannot be written.
    """
    text = _read(source)
    if text.lstrip("\ufeff \t\r\n").startswith("{"):
        content = imports.import_croissant(text.lstrip("\ufeff"), name=wanted.name)
    else:
        content = _import_registry(text, wanted, base_url, urls)
    dataset = _overridden(parse_catalog(content, str(source)), wanted)
    comment = "\n".join(line.removeprefix("# ") for line in _comment(content))
    path = _free_path(session, Wanted(name=dataset.name, force=wanted.force))
    entry = _write(path, imports.seal(dataset, f"{comment}\nRead from {source.name}."))
    left = tuple(line.removeprefix(_LEFT_OUT) for line in _comment(content) if line.startswith(_LEFT_OUT))
    return Entry(path=str(path), dataset=entry, left_out=left, notes=_weak(entry))


# --- names and places -------------------------------------------------------------------------------------


def _free_path(session: Session, wanted: Wanted) -> Path:
    """Return where the entry goes.

    Raises:
        UsageError: The name is none, or somebody has it.
    """
    if not is_dataset_name(wanted.name):
        raise UsageError(
            f"`{wanted.name}` cannot name a dataset: lower-case letters, digits, `-`, `_` and `.`",
            hint=f"--name {imports.slug(wanted.name) or 'my-data'}",
        )
    path = Path(own_folder(session.environ)) / f"{wanted.name}.toml"
    if path.exists() and not wanted.force:
        raise UsageError(f"`{path}` is there already", hint="`--force` replaces it")
    others = [x for x in user_catalog_files(session.environ, session.settings.catalogs) if Path(x) != path]
    try:
        known = Catalog(read_catalogs(others)).find(wanted.name)
    except UnknownDatasetError:
        return path
    raise UsageError(
        f"`{wanted.name}` is a dataset already, `{known.name}` of `{known.origin}`",
        hint=f"choose another name: --name my-{wanted.name}",
    )


def _write(path: Path, text: str) -> Dataset:
    files.make_folder(path.parent)
    with files.told(path, "written", _HINT):
        files.write_small(path, text.encode("utf-8"), durable=True)
    return parse_catalog(text, str(path))


def _file_names(path: Path) -> set[str]:
    """The files of the entry that stands there now."""
    try:
        return {artifact.name for artifact in parse_catalog(_read(path), str(path)).artifacts}
    except CatalogError:  # there is none, or it was broken and is replaced
        return set()


def _publish(session: Session, entry: Dataset, before: set[str]) -> None:
    """Give the files their readable folder and their record; all bytes are here."""
    from surefetch.session.facade import Session

    receipt = Session(session.settings, session.reporter, environ=session.environ).get(entry.name)
    for name in before - {artifact.name for artifact in entry.artifacts}:  # of an entry that was replaced
        files.remove(Path(receipt.path) / name)


# --- lists ------------------------------------------------------------------------------------------------


def _import_registry(text: str, wanted: Wanted, base_url: str, urls: Path | None) -> str:
    if not wanted.name:
        raise UsageError("a registry does not say what its files are called", hint="add `--name NAME`")
    given = _url_table(urls) if urls is not None else {}
    if not base_url and not given and "://" not in text:
        raise UsageError(
            "a registry does not say where its files are",
            hint="add `--base-url URL`, as in the program that uses the registry, or `--urls FILE`",
        )
    return imports.import_pooch_registry(
        text, name=wanted.name, base_url=base_url, version=wanted.version or "1", urls=given
    )


def _url_table(path: Path) -> dict[str, str]:
    text = _read(path)
    if text.lstrip().startswith("{"):
        rows = _json_object(text, path)
        return {str(name): str(url) for name, url in rows.items()}
    lines = [line.split() for line in text.splitlines() if line.strip() and not line.lstrip().startswith("#")]
    if wrong := next((words for words in lines if len(words) != 2), None):
        raise _url_error(path, f"`{' '.join(wrong)[:80]}` is not `FILE URL`")
    return dict(lines)


def _json_object(text: str, path: Path) -> dict[str, Any]:
    try:
        rows = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise _url_error(path, str(error)) from error
    return dict(rows)


def _url_error(path: Path, why: str) -> CatalogError:
    return CatalogError(
        f"list of URLs `{path}` cannot be read: {why}",
        file=str(path),
        key="",
        expected="lines of `FILE URL`, or a JSON object of them",
    )


def _overridden(dataset: Dataset, wanted: Wanted) -> Dataset:
    """Let what the user says go before what the list says."""
    import msgspec

    given = {key: getattr(wanted, key) for key in ("title", "license", "version")}
    return msgspec.structs.replace(dataset, **{key: value for key, value in given.items() if value})


def _comment(content: str) -> list[str]:
    return [line for line in content.splitlines() if line.startswith("# ")]


def _weak(dataset: Dataset) -> tuple[str, ...]:
    weak = [x.name for x in dataset.artifacts if x.digest is not None and x.digest.is_weak]
    if not weak:
        return ()
    return (f"{len(weak)} of the files have a weak digest only (md5, sha1): {', '.join(weak[:3])}",)


def _read(path: Path) -> str:
    try:
        with path.expanduser().open(encoding="utf-8") as file:
            return file.read(_READ_BYTES)
    except (OSError, UnicodeDecodeError) as error:
        raise unreadable(f"`{path}`", str(path), error) from error


def _row(artifact: Artifact) -> dict[str, Any]:
    digest = artifact.digest
    assert digest is not None, "entries are made of files with digests"
    return {
        "name": artifact.name,
        "size": artifact.size,
        "algorithm": digest.algorithm,
        "digest": digest.hex,
        "urls": [mask(url) for url in artifact.urls],
    }
