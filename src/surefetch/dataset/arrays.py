"""Read-only memory maps of tensors, with an error that helps when somebody writes into them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NoReturn

import numpy as np

READ_ONLY = "this array is a read-only memory map of proven data: work on a copy, `array.copy()`"


class TensorMap(np.memmap):
    """A memory map of a tensor's blob. Results of computations are ordinary arrays (as with `np.memmap`)."""

    def __setitem__(self, key: Any, value: Any) -> None:
        if not self.flags.writeable:
            raise ValueError(READ_ONLY)
        super().__setitem__(key, value)

    def __array_ufunc__(self, ufunc: Any, method: str, *inputs: Any, out: Any = None, **keywords: Any) -> Any:
        for target in out or ():
            if isinstance(target, TensorMap) and not target.flags.writeable:
                raise ValueError(READ_ONLY)
        plain = [item.view(np.ndarray) if isinstance(item, TensorMap) else item for item in inputs]
        if out is not None:
            keywords["out"] = tuple(
                item.view(np.ndarray) if isinstance(item, TensorMap) else item for item in out
            )
        return getattr(ufunc, method)(*plain, **keywords)

    def _refuse(self, *_: Any, **__: Any) -> NoReturn:
        raise ValueError(READ_ONLY)

    def sort(self, *arguments: Any, **keywords: Any) -> None:
        """Sort in place, where that is allowed."""
        if not self.flags.writeable:
            self._refuse()
        super().sort(*arguments, **keywords)

    def fill(self, value: Any) -> None:
        """Fill in place, where that is allowed."""
        if not self.flags.writeable:
            self._refuse()
        super().fill(value)

    def __reduce__(self) -> Any:
        return self.view(np.ndarray).__reduce__()


def map_tensor(record: Mapping[str, Any], *, mode: str = "r") -> np.ndarray[Any, Any]:
    """Map a tensor's blob.

    Args:
        record: `dtype`, `shape` and `path` of the bare little-endian C-order bytes.
        mode: `r` read-only; `c` copy-on-write: writable, and what is written stays in this process.

    Returns:
        An array of the record's dtype and shape.

    Raises:
        FileNotFoundError, ValueError: The blob is gone or short (`surefetch verify` tells more).
    """
    shape = tuple(int(length) for length in record["shape"])
    dtype = np.dtype(record["dtype"]).newbyteorder("<")
    if 0 in shape:  # an empty file cannot be mapped
        empty = np.empty(shape, dtype)
        empty.flags.writeable = mode != "r"
        return empty
    return TensorMap(record["path"], dtype=dtype, mode=mode, shape=shape or (1,)).reshape(shape)  # type: ignore[call-overload,no-any-return] # numpy's stubs want a literal mode
