"""A split as a PyTorch `Dataset`: workers get paths, not pixels, and map the files themselves."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import torch

from surefetch.dataset.arrays import map_tensor

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from surefetch.dataset import Split


def torch_dataset(split: Split, transform: Callable[[Any], Any] | None = None) -> TorchView:
    """Return a view of (input, label) pairs.

    Raises:
        KeyError: The split has no inputs and labels.
    """
    split.xy()
    label = next(name for name in split if split[name] is split.xy()[1])
    inputs = next(name for name in split if split[name] is split.xy()[0])
    return TorchView(split.record(inputs), split.record(label), transform)


class TorchView(torch.utils.data.Dataset):  # type: ignore[misc] # torch is not there when types are checked
    """Map-style dataset: `view[i]` is (input tensor, label). Mutable: it maps its files when first asked."""

    def __init__(
        self,
        inputs: Mapping[str, Any],
        labels: Mapping[str, Any],
        transform: Callable[[Any], Any] | None = None,
    ) -> None:
        """Take the records (dtype, shape, path) of both tensors; `transform` gets each input."""
        self.transform = transform
        self._records = (dict(inputs), dict(labels))
        self._arrays: tuple[Any, Any] | None = None

    def __len__(self) -> int:
        return int(self._records[0]["shape"][0])

    def __getitem__(self, index: int) -> tuple[Any, Any]:
        inputs, labels = self._open()
        value = inputs[index]
        label = labels[index]
        return (
            self.transform(value) if self.transform else value,
            int(label) if label.ndim == 0 else label,
        )

    def __getitems__(self, indices: list[int]) -> list[tuple[Any, Any]]:
        """Return many at once (the hook that `DataLoader` looks for)."""
        return [self[index] for index in indices]

    def __getstate__(self) -> dict[str, Any]:
        return {**self.__dict__, "_arrays": None}

    def _open(self) -> tuple[Any, Any]:
        if self._arrays is None:
            inputs, labels = (torch.from_numpy(map_tensor(record, mode="c")) for record in self._records)
            self._arrays = (inputs, labels)
        return self._arrays
