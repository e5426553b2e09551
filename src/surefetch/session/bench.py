"""The bench of one fetch: parts as they fill, proofs, derivations, and what came of them."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Mapping
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec

from surefetch.buffers import Buffers
from surefetch.errors import IntegrityError, SurefetchError
from surefetch.events import (
    Derive,
    Derived,
    Disproven,
    Event,
    Failed,
    Halted,
    NotDerived,
    Opened,
    PieceJudged,
    Proven,
    Request,
)
from surefetch.model import BUILT_IN, Artifact, Dataset, Digest
from surefetch.plan.artifact import Held
from surefetch.session.inbox import Inbox
from surefetch.store import Part, Prover, Store, files
from surefetch.store.prover import Proof
from surefetch.units import human_size

if TYPE_CHECKING:
    from surefetch.store.ahead import Ahead


class Bench:
    """Mutable: everything of one fetch that has not been told to the store's records yet.

    Attributes:
        files: Artifact name -> path, as text, of its proven (or, where only content proves it, whole) bytes.
        digests: Artifact name -> the digest that it was found to have.
        tensors: Tensor name -> SHA-256, as far as derived.
        forms: Tensor name -> the form it was derived from.
        inbox: Takes what comes of the proofs.
        proving: Names of the artifacts that are being proven.
        buffers: What comes from the network gathers in them, and is hashed there.
        view: Where files are put as they get their names, of a dataset of many.
        notes: What else should be said in the end, of settings that were mended or passed over.
    """

    def __init__(
        self,
        dataset: Dataset,
        store: Store,
        held: Mapping[str, Path],
        known: Callable[[str], str | None] = lambda digest: None,
        *,
        learns: bool = False,
    ) -> None:
        """Take what is worked on.

        Args:
            dataset: Its artifacts and tensors.
            store: Takes what is proven.
            held: Artifacts that the store has already.
            known: Names a known file by any digest of it.
            learns: Artifacts without a digest are published by the one that they are found to have.
        """
        self.dataset, self.store = dataset, store
        self.inbox = Inbox()
        self.files: dict[str, str] = {name: str(path) for name, path in held.items()}
        self.digests: dict[str, Digest] = {}
        self.sha256: dict[str, str] = {}
        self.tensors: dict[str, str] = {}
        self.forms: dict[str, str] = {}
        self.givers: dict[str, list[str]] = {}
        self.seconds: dict[str, float] = {}
        self.notes: list[str] = []
        self._parts: dict[str, Part] = {}
        self._began: dict[str, float] = {}
        self.wrong_digests: list[tuple[str, str]] = []  # (URL, digest) of whole bodies that were wrong
        self.kept_bytes = 0  # of unfinished artifacts, for the next run
        self.resumed = 0  # bytes that were here from earlier runs
        self._known, self._learns = known, learns
        self._validators: dict[str, list[str | None]] = {}  # artifact name -> of each answer that gave bytes
        self._encodings: dict[str, str] = {}  # artifact name -> that an answer said to be in, unasked
        self._private: set[str] = set()  # artifacts that came with a credential
        self.proving: set[str] = set()  # artifacts that are hashed to their end
        self._unproven: list[Part] = []
        self._finished = 0  # bytes of proven artifacts
        self.view: Ahead | None = None
        self.buffers = Buffers()
        self._prover = Prover(self.buffers)

    @property
    def received(self) -> int:
        """Bytes that have arrived so far."""
        return self._finished + sum(part.count for part in list(self._parts.values()))

    def part(self, artifact: Artifact) -> Part:
        """Return the part that an artifact's bytes go into, made when first asked for.

        Raises:
            StoreError: There is no room, or the folder cannot be written.
        """
        if artifact.name not in self._parts:
            # What is to be learned never goes on from an earlier run: nothing would prove the joint.
            key = f"learned/{files.nonce()}" if self._learns else _key(artifact)
            part = self.store.part(key, artifact.size, artifact.bound)
            digest = artifact.digest
            weak = [digest.algorithm] if digest is not None and digest.is_weak else []
            on_piece = partial(self._judged, artifact) if artifact.pieces else None
            self._prover.watch(part, algorithms=weak, pieces=artifact.pieces, on_piece=on_piece)
            self._parts[artifact.name] = part
            self._began.setdefault(artifact.name, time.monotonic())
        return self._parts[artifact.name]

    def take_over(self, artifacts: Iterable[Artifact], mirrors: Iterable[str] = ()) -> dict[str, Held]:
        """Adopt what processes that died left of these artifacts; artifact name -> what is here.

        Args:
            artifacts: What is wanted.
            mirrors: URLs that the user named.
        """
        keys = {_key(artifact): artifact for artifact in artifacts}
        taken = {}
        for key in self.store.unfinished(keys):
            artifact = keys[key]
            part = self.part(artifact)
            validators = part.validators([*artifact.urls, *mirrors])
            ranges = tuple(part.received.as_pairs())
            taken[artifact.name] = Held(ranges=ranges, size=part.size, validators=validators)
        self.resumed = sum(part.count for part in self._parts.values())
        return taken

    def opened(self, request: Request, event: Opened, *, with_credential: bool = False) -> None:
        """Note who gives bytes, its validator for a resume, and whether it was shown who asks."""
        name, url = request.artifact.name, request.mirror.url
        part = self._parts[name]
        if event.size is not None and part.size is None and part.reach <= event.size <= part.bound:
            part.fix_size(event.size)
        part.remember(url, event.validator)
        self._validators.setdefault(name, []).append(event.validator)
        if event.encoding:
            self._encodings[name] = event.encoding
        if with_credential and self.dataset.origin != BUILT_IN:  # what the built-in catalog names is public
            self._private.add(name)
        givers = self.givers.setdefault(name, [])
        is_only_size = request.stop == request.start + 1 != event.size  # one byte tells it
        if url not in givers and not (request.compares or is_only_size):
            givers.append(url)

    def is_joined(self, name: str) -> bool:
        """Whether an artifact came in several answers that nothing says are of one and the same file."""
        validators = self._validators.get(name, [])
        return len(validators) > 1 and (None in validators or len(set(validators)) > 1)

    def release(self, artifact: Artifact) -> None:
        """Close the file of an artifact that nobody gave a byte of, and nobody is asked for any more.

        A host that has none of a thousand files must not end as too many files open.
        """
        part = self._parts.get(artifact.name)
        if part is not None and part.fileno() >= 0 and not part.count:
            del self._parts[artifact.name]
            self._prover.forget(part)
            part.abandon()

    def discard(self, artifact: Artifact, start: int, stop: int) -> None:
        """Forget bytes that are not to be believed."""
        part = self._parts.get(artifact.name)
        if part is None:
            return
        part.discard(start, stop)
        if part.size is None or start < part.size:  # else nobody gave what goes
            self.givers.pop(artifact.name, None)

    def prove(self, artifact: Artifact) -> None:
        """Hash what is left; `Proven`, `Disproven` or `Halted` comes to the inbox.

        Raises:
            StoreError: The part of an empty file, for which nothing was asked, could not be made.
        """
        part = self.part(artifact)
        part.settle()  # the planner may have refused the size that was told

        def conclude(proof: Proof | SurefetchError) -> None:
            try:
                self.inbox.post(self._conclude(artifact, part, proof))
            except SurefetchError as error:
                self.inbox.post(Halted(cause=error.code, detail=error.message))
            except BaseException as error:  # raised in the loop, which would wait for ever
                self.inbox.give_up(error)
            finally:
                self.proving.discard(artifact.name)

        self.proving.add(artifact.name)
        self._prover.finish(part, conclude)

    def derive(self, order: Derive) -> Event:
        """Make a tensor by its recipe, prove its content and publish it.

        Raises:
            StoreError: The store cannot take it.
        """
        from surefetch import formats  # numpy comes with it: a get of plain files does without

        spec = self.dataset.tensors[order.tensor]
        try:
            inputs = {part.input: _mapped(self._file(part.input)) for part in order.recipe}
            array = formats.derive(order.recipe, spec, inputs)
        except SurefetchError as error:
            return NotDerived(tensor=order.tensor, form=order.form, cause=error.code, detail=error.message)
        try:
            sha256, _ = self.store.put_tensor(array.reshape(-1).view("u1").data, spec.sha256)
        except IntegrityError as error:
            return NotDerived(tensor=order.tensor, form=order.form, cause=error.code, detail=error.message)
        self.tensors[order.tensor], self.forms[order.tensor] = sha256, order.form
        return Derived(tensor=order.tensor, form=order.form, sha256=sha256)

    def _file(self, artifact: str) -> Path:
        """The path of an artifact's bytes; a blob of this batch gets its name now if it has none yet."""
        sha256 = self.sha256.get(artifact)
        if sha256 is not None and artifact in self.digests:
            return self.store.find(Digest(algorithm="sha256", hex=sha256)) or Path(self.files[artifact])
        return Path(self.files[artifact])

    def save(self) -> str:
        """Keep what has arrived for the next time; say how much that is."""
        if self._learns:
            return "nothing is kept, because nothing proves a part"
        if not self.received:
            return "nothing had come yet"
        proven = len(self.digests)
        whole = f", {proven} whole file{'s' * (proven > 1)} among them" if proven else ""
        return f"{human_size(self.received)} are kept{whole}"

    def named(self, event: Failed) -> Failed:
        """Say which known file came whole in another's place, if one did."""
        known = self._known(event.wrong_digest) if event.wrong_digest else None
        if known is None or event.cause not in ("body.truncated", "body.too-large", "body.corrupt"):
            return event
        detail = f"these bytes are another known file: {known}"
        return msgspec.structs.replace(event, cause="body.wrong-file", detail=detail)

    def close(self) -> None:
        """Stop hashing; keep unfinished parts for the next time."""
        for part in list(self._parts.values()):  # a proof that just ends takes one out
            self._prover.forget(part)
        self._prover.close()
        for part in self._parts.values():
            if self._learns:
                part.abandon()
            elif not part.is_closed:
                self.kept_bytes += part.count
                part.close()
        for part in self._unproven:
            part.abandon()

    def _judged(self, artifact: Artifact, index: int, is_right: bool) -> None:
        """Tell a piece that is wrong; from the prover's thread. The others go without saying."""
        if not is_right:
            self.inbox.post(PieceJudged(artifact=artifact, index=index, is_right=False))

    def _conclude(self, artifact: Artifact, part: Part, proof: Proof | SurefetchError) -> Event:
        if isinstance(proof, SurefetchError):
            raise proof
        expected = artifact.digest
        if expected is not None and not proof.matches(expected):
            return self._disproven(artifact, part, proof, expected)
        digest = expected or Digest(algorithm="sha256", hex=proof.sha256)
        size = proof.size
        self._prover.forget(part)
        self._parts.pop(artifact.name, None)  # before the store has it: what it takes must stay open
        if (
            expected is None and not self._learns
        ):  # only its content can prove it: it gets no name, and goes when the fetch is over
            part.seal()
            self.files[artifact.name] = part.place
            self._unproven.append(part)
        else:
            is_private = artifact.name in self._private
            on_named = partial(self.view.put, artifact.name) if self.view and not is_private else None
            self.files[artifact.name] = self.store.publish(
                part, proof.sha256, proof.weak, is_private=is_private, on_named=on_named
            )
            self.digests[artifact.name] = digest
        self._finished += size
        self.sha256[artifact.name] = proof.sha256
        self.seconds[artifact.name] = time.monotonic() - self._began[artifact.name]
        return Proven(artifact=artifact, digest=digest)

    def _disproven(self, artifact: Artifact, part: Part, proof: Proof, expected: Digest) -> Disproven:
        actual = proof.sha256 if expected.algorithm == "sha256" else proof.weak[expected.algorithm]
        self.wrong_digests += [(url, proof.sha256) for url in self.givers.get(artifact.name, ())]
        from surefetch.diagnose.bytes import name_bytes  # failures only
        from surefetch.diagnose.findings import Finding

        finding = name_bytes(
            _read(part, 0, min(4096, proof.size)),
            length=proof.size,
            expected=artifact,
            tail=_read(part, max(0, proof.size - 1024), min(1024, proof.size)),
            digest=actual,
            lookup=self._known,
        )
        if finding.cause == "body.corrupt" and (encoding := self._encodings.get(artifact.name)):
            finding = Finding(cause="body.unasked-encoding", detail=f"Content-Encoding: {encoding}")
        elif finding.cause == "body.corrupt" and proof.wrong_pieces == ():
            detail = "each of its pieces is right, so one of the digests in its description is wrong"
            finding = Finding(cause="body.corrupt", detail=detail)
        elif finding.cause == "body.corrupt":
            detail = f"{finding.detail}, their {expected.algorithm} is {actual[:12]}…"
            finding = Finding(cause="body.corrupt", detail=detail)
        return Disproven(
            artifact=artifact,
            actual=Digest(algorithm=expected.algorithm, hex=actual),
            wrong_pieces=proof.wrong_pieces,
            cause=finding.cause,
            detail=finding.detail or f"its {expected.algorithm} is {actual[:12]}…",
        )


def _read(part: Part, start: int, length: int) -> bytes:
    data = bytearray(length)
    part.read_into(memoryview(data), start)
    return bytes(data)


def _key(artifact: Artifact) -> str:
    return str(artifact.digest) if artifact.digest else f"{artifact.form}/{artifact.name}"


def _mapped(path: Path) -> Any:
    """Map a file for reading; an empty one has no map."""
    import mmap

    with path.open("rb") as file:
        if path.stat().st_size == 0:
            return b""
        return mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)
