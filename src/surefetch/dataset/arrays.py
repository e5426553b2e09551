"""Read-only memory maps of tensors, with an error that helps when somebody writes into them."""

from __future__ import annotations

import mmap
from collections.abc import Callable, Mapping
from functools import wraps
from typing import Any, Final, NoReturn

import numpy as np

READ_ONLY: Final = "this array is a read-only memory map of proven data: work on a copy, `array.copy()`"
#: What NumPy says when somebody writes into a read-only array.
_REFUSALS: Final = ("read-only", "WRITEABLE")
#: Methods that change an array in place.
_IN_PLACE: Final = ("byteswap", "fill", "partition", "put", "setfield", "setflags", "sort")
#: Methods whose result is usually the caller's own: an ordinary array.
_FRESH: Final = ("__copy__", "__deepcopy__", "astype", "copy", "flatten", "repeat", "take")
_get_item: Final = np.ndarray.__getitem__


class TensorMap(np.memmap):
    """A memory map of a tensor's blob. What is computed from it is an ordinary array.

    Slices stay maps; unlike `np.memmap`, they cost no search for the memory that they share.
    """

    __array_finalize__: Any = np.ndarray.__array_finalize__  # which does nothing
    _mmap: Any = None  # of a view, as what follows; the map itself has its own
    filename: Any = None
    offset: Any = None
    mode: Any = None

    def __getitem__(self, key: Any) -> Any:
        item = _get_item(self, key)
        return item if type(item) is not TensorMap or type(item.base) is TensorMap else item.view(np.ndarray)

    def __setitem__(self, key: Any, value: Any) -> None:
        try:
            np.ndarray.__setitem__(self, key, value)
        except ValueError as error:
            _explain(error)

    def __array_ufunc__(self, ufunc: Any, method: str, *inputs: Any, out: Any = None, **keywords: Any) -> Any:
        if out is not None:
            keywords["out"] = tuple(map(_plain, out))
        try:
            result = getattr(ufunc, method)(*map(_plain, inputs), **keywords)
        except ValueError as error:
            _explain(error)
        return out[0] if out is not None and len(out) == 1 else result

    def __array_function__(self, function: Any, types: Any, arguments: Any, keywords: Any) -> Any:
        try:
            return _own(super().__array_function__(function, types, arguments, keywords))
        except ValueError as error:
            _explain(error)

    def __dlpack__(self, **keywords: Any) -> Any:
        """Export without a copy; what the taker writes stays in this process.

        DLPack before 1.0 cannot say "read-only", and most that take it would write into the map and crash.
        """
        twin = self if self.flags.writeable else _private(self)
        return np.ndarray.__dlpack__(_plain(twin), **keywords)

    def __reduce__(self) -> Any:
        return _plain(self).__reduce__()

    def __repr__(self) -> str:
        return repr(_plain(self))


def map_tensor(record: Mapping[str, Any], *, mode: str = "r") -> np.ndarray[Any, Any]:
    """Map a tensor's blob.

    Args:
        record: `dtype`, `shape` and `path` of the bare little-endian C-order bytes.
        mode: `r` read-only; `c` copy-on-write: writable, and what is written stays in this process.

    Returns:
        An array of the record's dtype and shape.

    Raises:
        StoreError: The blob is gone or short.
    """
    shape = tuple(int(length) for length in record["shape"])
    dtype = np.dtype(record["dtype"]).newbyteorder("<")
    if 0 in shape:  # an empty file cannot be mapped
        empty = np.empty(shape, dtype)
        empty.flags.writeable = mode != "r"
        return empty
    try:
        array = TensorMap(record["path"], dtype=dtype, mode=mode, shape=shape or (1,))  # type: ignore[call-overload] # numpy's stubs want a literal mode
    except (OSError, ValueError) as error:
        _fail(record["path"], error)
    return array if shape else array.reshape(())  # type: ignore[no-any-return] # by numpy's stubs it is Any


def _fail(path: str, error: Exception) -> NoReturn:
    from surefetch.errors import StoreError

    message = f"`{path}` is in the store's records, and cannot be mapped: {error}"
    raise StoreError(message, code="local.cache-corrupt", hint="surefetch verify") from error


def _explain(error: ValueError) -> NoReturn:
    if any(word in str(error) for word in _REFUSALS):
        raise ValueError(READ_ONLY) from error
    raise error


def _plain(value: Any) -> Any:
    return value.view(np.ndarray) if isinstance(value, TensorMap) else value


def _own(value: Any) -> Any:
    """Return an array that shares nothing as an ordinary one."""
    is_shared = not isinstance(value, TensorMap) or isinstance(value.base, TensorMap | mmap.mmap)
    return value if is_shared else value.view(np.ndarray)


def _private(array: TensorMap) -> Any:
    """Map the same bytes once more, copy-on-write, and look at them as the given view does."""
    root: Any = array
    while isinstance(root.base, TensorMap):
        root = root.base
    if root.filename is None:
        return array
    twin = np.memmap(root.filename, dtype=root.dtype, mode="c", shape=root.shape)
    offset = array.__array_interface__["data"][0] - root.__array_interface__["data"][0]
    return np.ndarray(array.shape, array.dtype, buffer=twin, offset=offset, strides=array.strides)


def _helpful(method: Callable[..., Any]) -> Callable[..., Any]:
    @wraps(method)
    def call(self: TensorMap, *arguments: Any, **keywords: Any) -> Any:
        try:
            return _own(method(self, *arguments, **keywords))
        except ValueError as error:
            _explain(error)

    return call


for _name in (*_IN_PLACE, *_FRESH):
    setattr(TensorMap, _name, _helpful(getattr(np.ndarray, _name)))
