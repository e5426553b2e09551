"""Formats: every encoding that tensors are published in, read and written. Pure: they open nothing."""

from surefetch.formats.arrays import digest_of
from surefetch.formats.buffers import Buffer
from surefetch.formats.derivation import check_digest, derive
from surefetch.formats.encoders import FORMS, encode

__all__ = ["FORMS", "Buffer", "check_digest", "derive", "digest_of", "encode"]
