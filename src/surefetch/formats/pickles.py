"""Pickles of plain data and NumPy arrays, read by a machine of our own that can call nothing.

Python's Unpickler runs what a pickle names, and a few bytes make it allocate gigabytes (a memo index, an
announced length). This one knows the opcodes that data need (Python 2's too), gives views for byte strings,
and counts what it makes. What a pickle may name stands in one table, GLOBALS. Source: pickletools.
"""

from __future__ import annotations

import codecs
import math
import re
import struct
from collections.abc import Callable
from typing import Any, Final

import numpy as np

from surefetch.errors import DecodeError
from surefetch.formats.buffers import Array, Buffer, bomb, quote, view_of

MAX_OPCODES: Final = 50_000_000
#: An opcode counts as this much: the shortest ones make the smallest lists and numbers.
OPCODE_BYTES: Final = 32
LINE_BYTES: Final = 1 << 16
DTYPE: Final = re.compile(r"[<>|=]?(b1|[iu][1248]|f[248])")


class _Name(str):
    """A global that the allow-list lets a pickle name; REDUCE looks up what stands for it."""


class _Array:
    """An array under construction: `BUILD` gives it its data. `values` is None until then."""

    def __init__(self) -> None:
        self.values: Array | None = None


class _Dtype:
    """A NumPy dtype under construction: `BUILD` gives it its byte order."""

    def __init__(self, code: str) -> None:
        self.code = code


_MARK: Final = object()
_KEYS: Final = (str, bytes, int, float, type(None))
#: (module, name) -> how it is known here.
GLOBALS: Final = {
    ("numpy.core.multiarray", "_reconstruct"): "reconstruct",
    ("numpy._core.multiarray", "_reconstruct"): "reconstruct",
    ("numpy.core.multiarray", "scalar"): "scalar",
    ("numpy._core.multiarray", "scalar"): "scalar",
    ("numpy.core.numeric", "_frombuffer"): "frombuffer",
    ("numpy._core.numeric", "_frombuffer"): "frombuffer",
    ("numpy", "ndarray"): "ndarray",
    ("numpy", "dtype"): "dtype",
    ("_codecs", "encode"): "encode",
    ("collections", "OrderedDict"): "OrderedDict",
    ("__builtin__", "bytes"): "bytes",
    ("builtins", "bytes"): "bytes",
}


def decode(data: Buffer, path: str, limit: int) -> Array:
    """Decode one array, or list of numbers, of a pickle.

    Args:
        data: The pickle.
        path: Keys and indices from its root, joined by dots: `0.0`, `data`; "" for the root itself.
        limit: Bytes at most that all its strings and arrays may take together.

    Raises:
        DecodeError: It is damaged, names code, or holds no numbers there.
    """
    value = load(data, limit)
    for key in path.split(".") if path else []:
        value = _child(value, key)
    return _numbers(value, path)


def load(data: Buffer, limit: int) -> Any:
    """Read a pickle to dict, list, tuple, bytes views, str, int, float, bool, None and NumPy arrays."""
    machine = _Machine(view_of(data), limit)
    return _plain(machine.run())


class _Machine:
    """The pickle machine. State: a stack, a memo, a position, and how many bytes were made so far."""

    def __init__(self, data: memoryview, limit: int) -> None:
        self.data = data
        self.limit = limit
        self.position = 0
        self.made = 0
        self.stack: list[Any] = []
        self.memo: dict[int, Any] = {}

    def run(self) -> Any:
        """Carry out the opcodes up to STOP and return what is left on the stack."""
        opcodes = OPCODES
        for _ in range(min(MAX_OPCODES, self.limit // OPCODE_BYTES)):
            start = self.position
            code = self.take(1)[0]
            if code == 0x2E:  # STOP
                return self.finish()
            action = opcodes.get(code)
            if action is None:
                raise _unsafe(f"opcode `{code:#04x}` is not read from a pickle of data", start)
            try:
                action(self)
            except (IndexError, KeyError, TypeError, ValueError, AttributeError, struct.error) as error:
                raise DecodeError(f"the pickle is damaged at opcode `{code:#04x}`", offset=start) from error
        raise bomb("the pickle", self.limit)

    def finish(self) -> Any:
        """Check that nothing is left over."""
        if len(self.stack) != 1:
            raise DecodeError("the pickle ends with an untidy stack", offset=self.position)
        if self.position != len(self.data):
            raise DecodeError(
                f"after the pickle's end stands {quote(self.data, self.position)}", offset=self.position
            )
        return self.stack[0]

    def take(self, count: int) -> memoryview:
        """Return the next bytes, as a view."""
        block = self.data[self.position : self.position + count]
        if len(block) < count:
            raise DecodeError(
                "the pickle is cut, or announces more than it has",
                offset=self.position,
                code="body.truncated",
            )
        self.position += count
        return block

    def line(self) -> bytes:
        """Return the bytes up to the next line feed."""
        end = _find_line_end(self.data, self.position)
        line = bytes(self.data[self.position : end])
        self.position = end + 1
        return line

    def push(self, value: Any) -> None:
        """Put a value on the stack."""
        self.stack.append(value)

    def pop(self) -> Any:
        """Take a value from the stack; a mark is none."""
        value = self.stack.pop()
        if value is _MARK:
            raise ValueError("a value was expected")
        return value

    def pop_to_mark(self) -> list[Any]:
        """Take all values down to the last mark."""
        stack = self.stack
        for index in range(len(stack) - 1, -1, -1):
            if stack[index] is _MARK:
                values = stack[index + 1 :]
                del stack[index:]
                return values
        raise ValueError("there is no mark")

    def grow(self, count: int) -> None:
        """Count bytes that are about to be made."""
        self.made += count
        if self.made > self.limit:
            raise bomb("the pickle", self.limit)


_Action = Callable[[_Machine], None]


def _sized(width: int, make: Callable[[memoryview], Any]) -> _Action:
    """Build the action of an opcode that is followed by a length and that many bytes."""

    def act(machine: _Machine) -> None:
        length = int.from_bytes(machine.take(width), "little")
        machine.push(make(machine.take(length)))

    return act


def _fixed(width: int, make: Callable[[memoryview], Any]) -> _Action:
    """Build the action of an opcode that is followed by a number of fixed width."""

    def act(machine: _Machine) -> None:
        machine.push(make(machine.take(width)))

    return act


def _constant(make: Callable[[], Any]) -> _Action:
    def act(machine: _Machine) -> None:
        machine.push(make())

    return act


def _unsigned(block: memoryview) -> int:
    return int.from_bytes(block, "little")


def _signed(block: memoryview) -> int:
    return int.from_bytes(block, "little", signed=True)


def _text(block: memoryview) -> str:
    return str(block, "utf-8", "surrogatepass")


def _double(block: memoryview) -> float:
    return float(struct.unpack(">d", block)[0])


def _line_integer(machine: _Machine) -> None:
    line = machine.line()
    if line in (b"00", b"01"):  # protocol 0 and 1 write booleans so
        machine.push(line == b"01")
        return
    if len(line) > 40:
        raise ValueError("a number of that length")
    machine.push(int(line.removesuffix(b"L")))


def _line_float(machine: _Machine) -> None:
    machine.push(float(machine.line()))


def _line_bytes(machine: _Machine) -> None:
    """STRING: Python 2's repr of a byte string, of any length."""
    line = machine.line()
    machine.grow(len(line))
    if len(line) < 2 or line[0] != line[-1] or line[:1] not in (b"'", b'"'):
        raise ValueError("a string without quotes")
    machine.push(codecs.escape_decode(line[1:-1])[0])


def _line_text(machine: _Machine) -> None:
    machine.push(str(machine.line(), "raw-unicode-escape"))


def _find_line_end(data: memoryview, start: int) -> int:
    for place in range(start, len(data), LINE_BYTES):
        end = bytes(data[place : place + LINE_BYTES]).find(b"\n")
        if end >= 0:
            return place + end
    raise DecodeError("a line of the pickle does not end", offset=start, code="body.truncated")


def _protocol(machine: _Machine) -> None:
    version = machine.take(1)[0]
    if version > 5:
        raise DecodeError(f"pickle protocol {version} is not known", offset=machine.position - 1)


def _frame(machine: _Machine) -> None:
    machine.take(8)


def _mark(machine: _Machine) -> None:
    machine.stack.append(_MARK)


def _pop(machine: _Machine) -> None:
    machine.stack.pop()


def _pop_mark(machine: _Machine) -> None:
    machine.pop_to_mark()


def _duplicate(machine: _Machine) -> None:
    machine.push(machine.stack[-1])


def _append(machine: _Machine) -> None:
    value = machine.pop()
    _as_list(machine.stack[-1]).append(value)


def _appends(machine: _Machine) -> None:
    values = machine.pop_to_mark()
    _as_list(machine.stack[-1]).extend(values)


def _set_item(machine: _Machine) -> None:
    value, key = machine.pop(), machine.pop()
    _fill(machine.stack[-1], [key, value])


def _set_items(machine: _Machine) -> None:
    values = machine.pop_to_mark()
    _fill(machine.stack[-1], values)


def _list(machine: _Machine) -> None:
    machine.push(machine.pop_to_mark())


def _dict(machine: _Machine) -> None:
    values = machine.pop_to_mark()
    machine.push(_fill({}, values))


def _tuple(machine: _Machine) -> None:
    machine.push(tuple(machine.pop_to_mark()))


def _tuple_of(count: int) -> _Action:
    def act(machine: _Machine) -> None:
        values = [machine.pop() for _ in range(count)]
        machine.push(tuple(reversed(values)))

    return act


def _put(width: int) -> _Action:
    def act(machine: _Machine) -> None:
        index = _unsigned(machine.take(width)) if width else int(machine.line())
        machine.memo[index] = machine.stack[-1]

    return act


def _get(width: int) -> _Action:
    def act(machine: _Machine) -> None:
        index = _unsigned(machine.take(width)) if width else int(machine.line())
        machine.push(machine.memo[index])

    return act


def _memoize(machine: _Machine) -> None:
    machine.memo[len(machine.memo)] = machine.stack[-1]


def _global(machine: _Machine) -> None:
    start = machine.position
    module, name = machine.line().decode("utf-8"), machine.line().decode("utf-8")
    machine.push(_known(module, name, start))


def _stack_global(machine: _Machine) -> None:
    name, module = machine.pop(), machine.pop()
    if not (isinstance(module, str) and isinstance(name, str)):
        raise TypeError("a global's name is text")
    machine.push(_known(module, name, machine.position - 1))


def _known(module: str, name: str, offset: int) -> _Name:
    known = GLOBALS.get((module, name))
    if not known:
        raise _unsafe(f"the pickle asks for `{module[:60]}.{name[:60]}`, which is not data", offset)
    return _Name(known)


def _reduce(machine: _Machine) -> None:
    arguments, name = machine.pop(), machine.pop()
    if not isinstance(name, _Name) or not isinstance(arguments, tuple):
        raise TypeError("only what the allow-list names can be built")
    machine.push(BUILDERS[name](machine, *arguments))


def _reconstruct(machine: _Machine, kind: Any, shape: Any, code: Any) -> _Array:
    if kind != "ndarray":
        raise TypeError("only arrays are rebuilt")
    return _Array()


def _make_dtype(machine: _Machine, code: Any, *rest: Any) -> _Dtype:
    text = _as_text(code)
    if not DTYPE.fullmatch(text):
        raise _unsafe(
            f"the pickle holds an array of type `{text[:40]}`, not of plain numbers", machine.position
        )
    return _Dtype(text)


def _scalar(machine: _Machine, dtype: Any, data: Any) -> Any:
    number = np.frombuffer(_as_bytes(data), _dtype_of(dtype), count=1)
    return number[0].item()


def _frombuffer(machine: _Machine, data: Any, dtype: Any, shape: Any, order: Any) -> _Array:
    array = _Array()
    array.values = _shaped(_as_bytes(data), _dtype_of(dtype), shape, _as_text(order) == "F")
    return array


def _encode(machine: _Machine, text: Any, encoding: Any) -> bytes:
    """`_codecs.encode(text, "latin1")`: how protocols below 3 write a Python 3 byte string."""
    if not isinstance(text, str) or _as_text(encoding) not in ("latin1", "latin-1"):
        raise TypeError("only latin-1 text becomes bytes")
    machine.grow(len(text))
    return text.encode("latin-1")


def _make_bytes(machine: _Machine, *arguments: Any) -> Any:
    if not arguments:
        return b""
    (data,) = arguments
    return _as_bytes(data)


def _ordered(machine: _Machine, *arguments: Any) -> dict[Any, Any]:
    values: dict[Any, Any] = {}
    for pairs in arguments[:1]:
        for key, value in _as_list(pairs):
            _fill(values, [key, value])
    return values


BUILDERS: Final[dict[str, Callable[..., Any]]] = {
    "reconstruct": _reconstruct,
    "frombuffer": _frombuffer,
    "scalar": _scalar,
    "dtype": _make_dtype,
    "encode": _encode,
    "bytes": _make_bytes,
    "OrderedDict": _ordered,
}


def _build(machine: _Machine) -> None:
    state, target = machine.pop(), machine.stack[-1]
    if isinstance(target, _Dtype):
        order = _as_text(state[1])
        if order not in "<>|=" or len(order) != 1:
            raise ValueError("a byte order is one of <, >, |, =")
        target.code = order + target.code.lstrip("<>|=")
    elif isinstance(target, _Array):
        _, shape, dtype, is_fortran, data = state
        target.values = _shaped(_as_bytes(data), _dtype_of(dtype), shape, bool(is_fortran))
    else:
        raise TypeError("only arrays and dtypes take a state")


def _shaped(data: Any, dtype: np.dtype[Any], shape: Any, is_fortran: bool) -> Array:
    if not isinstance(shape, tuple) or len(shape) > 32 or not all(type(n) is int and n >= 0 for n in shape):
        raise ValueError("a shape is a tuple of lengths")
    if len(data) != math.prod(shape) * dtype.itemsize:
        raise ValueError("the array's data do not fill its shape")
    flat = np.frombuffer(data, dtype) if len(data) else np.empty(0, dtype)
    return flat.reshape(shape[::-1]).T if is_fortran else flat.reshape(shape)


def _dtype_of(dtype: Any) -> np.dtype[Any]:
    if not isinstance(dtype, _Dtype):
        raise TypeError("a dtype was expected")
    return np.dtype(dtype.code)


def _as_bytes(value: Any) -> Any:
    """Return bytes; text is what Python 2 wrote as str and a translator read as latin-1."""
    if isinstance(value, str):
        return value.encode("latin-1")
    if not isinstance(value, bytes | memoryview):
        raise TypeError("bytes were expected")
    return value


def _as_text(value: Any) -> str:
    return value if isinstance(value, str) else str(_as_bytes(value), "latin-1")


def _as_list(value: Any) -> list[Any]:
    if not isinstance(value, list):
        raise TypeError("a list was expected")
    return value


def _fill(target: Any, values: list[Any]) -> dict[Any, Any]:
    if not isinstance(target, dict) or len(values) % 2:
        raise TypeError("a dictionary and pairs were expected")
    for key, value in zip(values[::2], values[1::2]):
        plain = bytes(key) if isinstance(key, memoryview) else key
        if not isinstance(plain, _KEYS):  # the hash of a tuple in a tuple in … overflows the stack
            raise TypeError("keys are text, bytes or numbers")
        target[plain] = value
    return target


def _plain(value: Any) -> Any:
    """Return the root without its scaffold; what it contains is unwrapped where it is looked at."""
    return value.values if isinstance(value, _Array) else value


def _child(value: Any, key: str) -> Any:
    if isinstance(value, dict):
        for name in (key, key.encode("utf-8"), int(key) if key.isdecimal() and len(key) < 19 else None):
            if name in value:
                return _plain(value[name])
        names = ", ".join(f"`{_show(name)}`" for name in list(value)[:8])
        raise DecodeError(f"the pickle has no `{key}`; it has {names}")
    if isinstance(value, list | tuple) and key.isdecimal() and len(key) < 19 and int(key) < len(value):
        return _plain(value[int(key)])
    raise DecodeError(f"the pickle has no `{key}` in a {type(value).__name__}")


def _show(name: Any) -> str:
    text = name.decode("latin-1") if isinstance(name, bytes) else str(name)
    return text[:40]


def _numbers(value: Any, path: str) -> Array:
    if isinstance(value, np.ndarray):
        return value
    if isinstance(value, list | tuple) and all(type(item) is int and abs(item) < 1 << 63 for item in value):
        return np.array(value, np.int64)
    if isinstance(value, list | tuple) and all(type(item) in (int, float) for item in value):
        return np.array([float(item) for item in value], np.float64)
    raise DecodeError(f"the pickle holds no numbers at `{path}`, but {type(value).__name__}")


def _unsafe(message: str, offset: int) -> DecodeError:
    return DecodeError(message, offset=offset, code="body.unsafe-archive")


#: Every opcode that is read. Persistent ids, extensions, instances and out-of-band buffers are not.
OPCODES: Final[dict[int, _Action]] = {
    ord("("): _mark, ord("0"): _pop, ord("1"): _pop_mark, ord("2"): _duplicate,
    ord("N"): _constant(lambda: None), 0x88: _constant(lambda: True), 0x89: _constant(lambda: False),
    ord("I"): _line_integer, ord("L"): _line_integer, ord("F"): _line_float, ord("G"): _fixed(8, _double),
    ord("J"): _fixed(4, _signed), ord("K"): _fixed(1, _unsigned), ord("M"): _fixed(2, _unsigned),
    0x8A: _sized(1, _signed),
    ord("S"): _line_bytes, ord("T"): _sized(4, memoryview), ord("U"): _sized(1, memoryview),
    ord("B"): _sized(4, memoryview), ord("C"): _sized(1, memoryview), 0x8E: _sized(8, memoryview),
    0x96: _sized(8, memoryview),
    ord("V"): _line_text, ord("X"): _sized(4, _text), 0x8C: _sized(1, _text), 0x8D: _sized(8, _text),
    ord("]"): _constant(list), ord("l"): _list, ord("a"): _append, ord("e"): _appends,
    ord("}"): _constant(dict), ord("d"): _dict, ord("s"): _set_item, ord("u"): _set_items,
    ord(")"): _constant(tuple), ord("t"): _tuple, 0x85: _tuple_of(1), 0x86: _tuple_of(2), 0x87: _tuple_of(3),
    ord("p"): _put(0), ord("q"): _put(1), ord("r"): _put(4), 0x94: _memoize,
    ord("g"): _get(0), ord("h"): _get(1), ord("j"): _get(4),
    ord("c"): _global, 0x93: _stack_global, ord("R"): _reduce, ord("b"): _build,
    0x80: _protocol, 0x95: _frame,
}  # fmt: skip
