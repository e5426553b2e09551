"""`get --dry-run`: what would be fetched, from where, and whether there is room. Opens no socket."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from surefetch.model import Artifact, Dataset, Struct
from surefetch.session.sources import make_sources
from surefetch.session.targets import Target, find_target
from surefetch.transfer import urls
from surefetch.units import human_size

if TYPE_CHECKING:
    from surefetch.session.facade import Session


class PlannedFile(Struct, frozen=True, kw_only=True):
    """One file that a get would fetch."""

    name: str
    size: int | None  # bytes
    mirrors: tuple[str, ...]  # passwords and tokens masked
    is_here: bool


class FetchPlan(Struct, frozen=True, kw_only=True):
    """What a get would do."""

    name: str
    store: str
    form: str
    files: tuple[PlannedFile, ...]
    disk_needed: int  # bytes, decoded tensors included
    disk_free: int | None  # bytes

    @property
    def bytes(self) -> int:
        """Bytes to fetch."""
        return sum(file.size or 0 for file in self.files if not file.is_here)

    def lines(self) -> list[str]:
        """Say it for people."""
        rows = [
            f"{'here' if file.is_here else human_size(file.size):>12}  {file.name}"
            + ("" if file.is_here else f"  from {', '.join(file.mirrors) or 'a package index'}")
            for file in self.files
        ]
        free = f" of {human_size(self.disk_free)} free" if self.disk_free is not None else ""
        return [*rows, f"to fetch: {human_size(self.bytes)}; disk: {human_size(self.disk_needed)}{free}"]

    def to_json(self) -> dict[str, Any]:
        """Return what `get --dry-run --json` prints (docs/schema/dry-run.schema.json)."""
        return {
            "schema_version": 1,
            "ok": True,
            "dataset": self.name,
            "path": self.store,
            "here": all(file.is_here for file in self.files),
            "form": self.form,
            "files": [
                {"name": file.name, "size": file.size, "mirrors": list(file.mirrors), "here": file.is_here}
                for file in self.files
            ],
            "bytes": self.bytes,
            "disk_needed": self.disk_needed,
            "disk_free": self.disk_free,
        }


def plan(session: Session, name: str, **options: Any) -> FetchPlan:
    """Say what `get` would do with these arguments; the first form that the planner would try is told.

    Raises:
        UnknownDatasetError, UsageError: As `get`.
    """
    digests = {key: options.get(key) for key in ("sha256", "sha1", "md5")}
    target = find_target(
        lambda: session.catalog,
        name,
        mirrors=options.get("mirrors", ()),
        digests=digests,
        size=options.get("size"),
    )
    if options.get("form"):
        from surefetch.session.encode import check_form

        check_form(target.dataset, options["form"], options.get("output") or ".")
    form, artifacts = _first_form(target)
    sources = make_sources(session, target, options.get("local", ()))
    files = tuple(_planned(session, artifact, sources) for artifact in artifacts)
    fetched = sum(file.size or 0 for file in files if not file.is_here)
    tensors = sum(spec.size for spec in target.dataset.tensors.values()) if form else 0
    is_here = all(file.is_here for file in files)
    return FetchPlan(
        name=target.dataset.name,
        store=str(session.store.folder),
        form=form,
        files=files,
        disk_needed=0 if is_here else fetched + tensors,
        disk_free=session.store.free(),
    )


def _first_form(target: Target) -> tuple[str, list[Artifact]]:
    dataset = target.dataset
    if target.artifacts or not dataset.forms:
        return "", [artifact for artifact in dataset.artifacts if artifact.name in target.artifacts]
    form = dataset.forms[0]
    return form.name, _artifacts(dataset, form.artifacts)


def _artifacts(dataset: Dataset, names: tuple[str, ...]) -> list[Artifact]:
    return [dataset.artifact(name) for name in names]


def _planned(session: Session, artifact: Artifact, sources: list[Any]) -> PlannedFile:
    is_here = artifact.digest is not None and session.store.find(artifact.digest, artifact.size) is not None
    mirrors = [urls.mask(mirror.url) for source in sources for mirror in source.mirrors(artifact, {})]
    return PlannedFile(name=artifact.name, size=artifact.size, mirrors=tuple(mirrors), is_here=is_here)
