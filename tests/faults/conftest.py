"""What the tests of faults share: the tiny dataset and its server."""

from tests.cli.conftest import site

__all__ = ["site"]
