"""A split as a PyTorch `Dataset`: workers get paths, not pixels, and map the files themselves."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import torch

from surefetch.dataset.arrays import map_tensor

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from surefetch.dataset import Split


def torch_dataset(split: Split, transform: Callable[[Any], Any] | None = None) -> TorchView:
    """Return a view of (input, label) pairs; see `Split.torch_dataset`.

    Raises:
        UsageError: The split has no inputs and labels.
    """
    inputs, label = split.xy_names()
    return TorchView(split.record(inputs), split.record(label), transform)


class TorchView(torch.utils.data.Dataset):  # type: ignore[misc] # torch is not there when types are checked
    """Map-style dataset: `view[i]` is (input, label). Mutable: it maps its files when first asked.

    Each input is a copy of its bytes: a transform may write into it.
    """

    def __init__(
        self,
        inputs: Mapping[str, Any],
        labels: Mapping[str, Any],
        transform: Callable[[Any], Any] | None = None,
    ) -> None:
        """Take the records (dtype, shape, path) of both tensors; `transform` gets each input as an array."""
        self.transform = transform
        self._records = (dict(inputs), dict(labels))
        self._arrays: tuple[Any, Any] | None = None

    def __len__(self) -> int:
        return int(self._records[0]["shape"][0])

    def __getitem__(self, index: int) -> tuple[Any, Any]:
        inputs, labels = self._open()
        value = np.array(inputs[index])
        value = torch.from_numpy(value) if self.transform is None else self.transform(value)
        return value, _label(labels[index])

    def __getitems__(self, indices: Sequence[int]) -> list[tuple[Any, Any]]:
        """Return many at once (the hook that `DataLoader` looks for)."""
        inputs, labels = self._open()
        chosen = inputs[list(indices)]
        values = torch.from_numpy(chosen) if self.transform is None else map(self.transform, chosen)
        return list(zip(values, map(_label, labels[list(indices)])))

    def __getstate__(self) -> dict[str, Any]:
        return {**self.__dict__, "_arrays": None}

    def _open(self) -> tuple[Any, Any]:
        if self._arrays is None:
            inputs, labels = (map_tensor(record).view(np.ndarray) for record in self._records)
            self._arrays = (inputs, labels)
        return self._arrays


def _label(value: Any) -> Any:
    """A number as Python's own, as torchvision's datasets have it; several labels as a tensor."""
    return value.item() if np.ndim(value) == 0 else torch.from_numpy(np.array(value))
