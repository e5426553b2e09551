"""Formats: every encoding that tensors are published in, read by recipe. Pure: they open nothing."""

from surefetch.formats.arrays import digest_of
from surefetch.formats.buffers import Buffer
from surefetch.formats.derivation import check_digest, derive

__all__ = ["Buffer", "check_digest", "derive", "digest_of"]
