"""The framework tests have a session of their own: `SUREFETCH_FRAMEWORKS` names what `setup.sh` made."""

import os

#: Without it nothing here is collected: the light session has none of these packages.
collect_ignore_glob = [] if "SUREFETCH_FRAMEWORKS" in os.environ else ["test_*.py"]
