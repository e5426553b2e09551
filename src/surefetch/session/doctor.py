"""The verb `doctor`: look at what a fetch depends on, judge it, and mend other tools' caches when asked."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

import msgspec

from surefetch import __version__
from surefetch.catalog import Catalog
from surefetch.diagnose.doctor import examine
from surefetch.diagnose.facts import FileFacts, Report
from surefetch.diagnose.report import lines, markdown
from surefetch.diagnose.verdict import ALL
from surefetch.errors import SurefetchError
from surefetch.model import Artifact, Dataset, Struct
from surefetch.probes.hosts import Target
from surefetch.probes.look import SECONDS, Asked, connecting_seconds, look
from surefetch.session.called import program_name, shell_of
from surefetch.session.engine import make_credentials, make_engine, make_resolver, pip_setting
from surefetch.session.planting import move_aside, place
from surefetch.session.supplier import SessionSupplier
from surefetch.session.targets import check_url
from surefetch.session.user_catalogs import own_hosts
from surefetch.settings import Settings
from surefetch.sources.peer import Peer
from surefetch.store import files
from surefetch.transfer import urls
from surefetch.transfer.trust import find_trust

if TYPE_CHECKING:
    from surefetch.session.facade import Session

#: What is looked at where nothing is named.
USUAL = "mnist"
#: Hosts of a dataset that are asked at most, and package indexes as controls.
HOSTS, INDEXES = 6, 2


class Diagnosis(Struct, frozen=True, kw_only=True):
    """What doctor found and did."""

    report: Report
    mended: tuple[str, ...] = ()  # paths of files replaced by proven bytes
    not_mended: tuple[str, ...] = ()  # "PATH: why"

    @property
    def exit_code(self) -> int:
        """0 fine, 20 mended by us, 21 you must act, 22 only the owner can."""
        return self.report.exit

    def __repr__(self) -> str:
        return "\n".join(self.lines())

    def lines(self) -> list[str]:
        """Return what a terminal shows: at most 12 lines when all is well, the one action last."""
        said = lines(self.report)
        told = [f"mended: {path} (the old file is beside it, with `.bad`)" for path in self.mended]
        return [*told, *(f"not mended: {text}" for text in self.not_mended), *said]

    def to_json(self) -> dict[str, Any]:
        """Return what `doctor --json` prints (docs/schema/doctor.schema.json)."""
        content = msgspec.to_builtins(self.report)
        for host in content["facts"]["hosts"]:
            for name in ("first_bytes", "last_bytes"):  # what they are is said; they themselves are bulky
                (host["seen"] or {}).pop(name, None)
        return {
            "schema_version": 1,
            "ok": True,
            "exit": self.exit_code,
            "verdict": content["verdict"],
            "action": content["action"],
            "findings": content["findings"],
            "well": content["well"],
            "mended": list(self.mended),
            "not_mended": list(self.not_mended),
            "facts": content["facts"],
        }

    def page(self) -> str:
        """Return one Markdown page for a help desk."""
        return markdown(self.report)

    def write_page(self, path: str) -> None:
        """Write that page to a file.

        Raises:
            StoreError: It cannot be written.
        """
        with files.told(path, "written", "name another file with `--report`"):
            files.write_small(Path(path).expanduser().absolute(), self.page().encode("utf-8"))


def doctor(
    session: Session, subject: str | None = None, *, repair: bool = False, seconds: float = SECONDS
) -> Diagnosis:
    """Find out why downloads fail here.

    Args:
        session: Its settings, environment and catalog.
        subject: A dataset's name or a URL; None: the mirrors of a usual dataset.
        repair: Replace poisoned files in other tools' caches by proven bytes; the old ones are moved aside.
        seconds: For all looks together.

    Raises:
        UnknownDatasetError: No catalog has the name.
        SettingError: A proxy or trust setting cannot be used.
    """
    asked = _asked(session, subject, seconds)
    report = _looked(session, asked)
    poisoned = [file for file in report.facts.files if file.cause]
    if not repair or not poisoned:
        return Diagnosis(report=report)
    mended, not_mended = _mend(session, poisoned)
    facts = msgspec.structs.replace(report.facts, repaired=tuple(mended), not_repaired=tuple(not_mended))
    told = tuple(f"{path}: {why}" for path, why in not_mended.items())
    return Diagnosis(report=examine(facts), mended=tuple(mended), not_mended=told)


def _looked(session: Session, asked: Asked) -> Report:
    proxies = make_resolver(session)
    named = frozenset(
        host for target in asked.targets if target.may_be_private and (host := urls.named_host(target.url))
    )
    settings, cert = session.settings, pip_setting(session, "cert")
    with find_trust(session.environ, settings.ca_bundle, pip_cert=cert) as trust:
        if session.settings.offline:
            return examine(look(asked, session.environ, engine=None, proxies=proxies, trust=trust))
        credentials, seconds = make_credentials(session), connecting_seconds(asked.seconds)
        with make_engine(session, named, credentials, keeps_log=True, connect_timeout=seconds) as engine:
            return examine(
                look(
                    asked,
                    session.environ,
                    engine=engine,
                    proxies=proxies,
                    trust=trust,
                    lookup=session.known_file,
                )
            )


def _asked(session: Session, subject: str | None, seconds: float) -> Asked:
    settings = session.settings
    targets, dataset, wanted = _targets(session, subject)
    defaults = Settings()
    changed = tuple(
        (decision.name, urls.mask(str(decision.value)), decision.decided_by)
        for decision in session.decisions
        if decision.name != "store" and decision.value != getattr(defaults, decision.name)
    )
    offline = next((d.decided_by for d in session.decisions if d.name == "offline"), "argument")
    return Asked(
        wanted=wanted,
        targets=tuple(targets),
        artifacts=tuple((dataset.name, artifact) for artifact in dataset.artifacts) if dataset else (),
        store=str(session.store.folder),
        needed_bytes=_smallest(dataset) if dataset else 0,
        offline=offline if settings.offline else "",
        settings=changed,
        ca_bundle=settings.ca_bundle,
        shell=shell_of(session.environ),
        surefetch=program_name(),
        version=__version__,
        seconds=seconds,
    )


def _targets(session: Session, subject: str | None) -> tuple[list[Target], Dataset | None, str]:
    """What is asked: the subject's hosts, and the user's package indexes as controls."""
    if subject is not None and "://" in subject:
        check_url(subject)
        found = session.catalog.find_url(subject)
        artifact = found[1] if found and subject in found[1].urls else None
        named = Target(url=subject, role="named", artifact=artifact, may_be_private=True)
        others = _mirrors(session, found[0], {urlsplit(subject).hostname}) if found else []
        dataset = found[0] if found else None
        return [named, *others, *_indexes(session, dataset)], dataset, urls.mask(subject)
    dataset = session.catalog.find(subject or USUAL)
    targets = [*_mirrors(session, dataset, set()), *_indexes(session, dataset)]
    return targets, dataset, dataset.name if subject else ALL


def _mirrors(session: Session, dataset: Dataset, passed_over: set[str | None]) -> list[Target]:
    """One address of each host: the user's own mirrors, then the first forms' hosts."""
    own = own_hosts(session, [dataset])
    hosts: dict[str | None, Target] = {}
    for artifact, url, is_own in (*_own_mirrors(session, dataset), *_published(dataset)):
        host = urlsplit(url).hostname
        if host not in passed_over and len(hosts) < HOSTS:
            hosts.setdefault(host, Target(url=url, artifact=artifact, may_be_private=is_own or host in own))
    return list(hosts.values())


def _own_mirrors(session: Session, dataset: Dataset) -> Iterator[tuple[Artifact, str, bool]]:
    if session.settings.mirror and dataset.artifacts:
        artifact = dataset.artifacts[0]
        for mirror in Peer(session.settings.mirror).mirrors(artifact, {}):
            yield artifact, mirror.url, True


def _published(dataset: Dataset) -> Iterator[tuple[Artifact, str, bool]]:
    for artifact in dataset.artifacts:
        for url in artifact.urls:
            yield artifact, url, False


def _indexes(session: Session, dataset: Dataset | None) -> list[Target]:
    """The pages of the dataset's package on the user's indexes."""
    from surefetch.machine.lookups import Lookups
    from surefetch.sources.package import normalized

    names = [a.package for a in dataset.artifacts if a.package] if dataset else []
    if dataset is None or not names:
        return []
    project = normalized(names[0].partition(":")[2].partition("==")[0])
    lookups = Lookups(session.environ, session.store.private, dataset, session.store.folder)
    pages = [
        f"{index.url.rstrip('/')}/{project}/"
        for index in lookups.package_settings.indexes
        if index.kind == "simple" and index.url.startswith(("https:", "http:"))
    ]
    return [Target(url=page, role="index", may_be_private=True) for page in pages[:INDEXES]]


def _smallest(dataset: Dataset) -> int:
    sizes = [
        sum(artifact.bound for artifact in dataset.artifacts if artifact.form == form.name)
        for form in dataset.forms
    ]
    return min(sizes, default=0) + sum(spec.size for spec in dataset.tensors.values())


def _mend(session: Session, poisoned: list[FileFacts]) -> tuple[list[str], dict[str, str]]:
    """Move each file aside and put proven bytes in its place; path -> why not, of those that stay."""
    supplier, mended, not_mended = SessionSupplier(session), [], {}
    for file in poisoned:
        path = Path(file.path)
        try:
            source = _proven(session.catalog, supplier, file)
            if source is None:
                not_mended[file.path] = "its published bytes could not be had"
                continue
            move_aside(path, path.parent)
            place(source, path)
        except (SurefetchError, OSError) as error:
            not_mended[file.path] = getattr(error, "message", "") or str(error)
            continue
        mended.append(file.path)
    return mended, not_mended


def _proven(catalog: Catalog, supplier: SessionSupplier, file: FileFacts) -> Path | None:
    dataset = catalog.find(file.dataset)
    artifact: Artifact = dataset.artifact(file.artifact)
    return supplier.artifact(dataset, artifact.name)
