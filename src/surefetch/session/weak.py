"""Weak digests: whether what only they would prove is accepted, and what they say beside a strong one."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING

from surefetch.errors import IntegrityError
from surefetch.model import ALGORITHMS, Artifact, Dataset, Form
from surefetch.plan.planner import Goal
from surefetch.session.targets import Target

if TYPE_CHECKING:
    from surefetch.session.facade import Session


def refuse_weak(goal: Goal) -> None:
    """Refuse a goal that nothing but a weak digest would prove.

    Raises:
        IntegrityError: `policy.weak-digest`; the message names the files.
    """
    dataset = goal.dataset
    weak = {name for name in goal.artifacts if _is_weak(dataset.artifact(name))}
    for tensor in goal.tensors:
        if dataset.tensors[tensor].sha256 is None:  # else its content is proven, whatever it came in
            forms = [form for form in dataset.forms if tensor in form.gives]
            if all(_weak_files(dataset, form, tensor) for form in forms):
                weak |= {name for form in forms for name in _weak_files(dataset, form, tensor)}
    if weak:
        named = ", ".join(sorted(weak)[:3])
        raise IntegrityError(
            f"`{dataset.name}` has a weak digest only ({named}), and the settings ask for a strong one",
            code="policy.weak-digest",
            hint="surefetch config set weak_digests 1",
        )


def check_others(session: Session, target: Target) -> None:
    """Hold the proven bytes of a file against the further digests that the user gave beside its URL.

    Raises:
        IntegrityError: One of them is of other bytes.
    """
    artifact = target.dataset.artifacts[0]
    digest = artifact.digest
    others = [name for name in ALGORITHMS if getattr(artifact, name) and digest and name != digest.algorithm]
    path = session.store.find(digest, artifact.size) if digest and others else None
    if digest is None or path is None:
        return
    for name in others:
        with path.open("rb") as file:
            actual = hashlib.file_digest(file, name).hexdigest()
        if actual != getattr(artifact, name):
            raise IntegrityError(
                f"`{target.dataset.name}` has the {digest.algorithm} that you gave, and another {name}: "
                f"`{actual}`, not `{getattr(artifact, name)}`",
                code="body.corrupt",
                hint=f"look both digests up again: they are of different files; leave `--{name}` out if "
                f"the {digest.algorithm} is right",
                fault="you",
            )


def _weak_files(dataset: Dataset, form: Form, tensor: str) -> list[str]:
    inputs = dict.fromkeys(part.input for part in form.gives[tensor])
    return [name for name in inputs if _is_weak(dataset.artifact(name))]


def _is_weak(artifact: Artifact) -> bool:
    return artifact.digest is not None and artifact.digest.is_weak
