"""The setting `weak_digests`: whether what only md5 or sha1 would prove is accepted."""

from __future__ import annotations

from surefetch.errors import IntegrityError
from surefetch.model import Artifact, Dataset, Form
from surefetch.plan.planner import Goal


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


def _weak_files(dataset: Dataset, form: Form, tensor: str) -> list[str]:
    inputs = dict.fromkeys(part.input for part in form.gives[tensor])
    return [name for name in inputs if _is_weak(dataset.artifact(name))]


def _is_weak(artifact: Artifact) -> bool:
    return artifact.digest is not None and artifact.digest.is_weak
