"""What the short commands cost: `surefetch list` beside `import click`, a warm `get --quiet` beside `list`.

    surefetch get mnist
    python benchmarks/imports.py
    python benchmarks/imports.py --profile        the dearest imports of each

Bars: `list` at most 1.25 times `python -c "import click"`; a warm `get mnist --quiet` at most 10 ms more.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))

from processes import environment, judge_ratio, middle, print_times, race

#: What pip writes as the `surefetch` command.
SCRIPT = (
    "import sys; sys.argv = ['surefetch', *{words!r}]; from surefetch.__main__ import main; sys.exit(main())"
)
COMMANDS = {"list": ["list"], "get": ["get", "mnist", "--quiet"], "version": ["--version"]}


def main() -> int:
    """Run; 1 if a bar is missed."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=25)
    parser.add_argument("--profile", action="store_true", help="show the dearest imports and stop")
    arguments = parser.parse_args()
    programs = {
        "python": (sys.executable, "-c", "pass"),
        "import click": (sys.executable, "-c", "import click"),
        **{name: (sys.executable, "-c", SCRIPT.format(words=words)) for name, words in COMMANDS.items()},
    }
    if arguments.profile:
        return profile({name: programs[name] for name in ("list", "get")})
    times = race(programs, arguments.rounds, environment())
    print_times(times)
    holds = judge_ratio("list over import click", times["list"], times["import click"], 1.25)
    more = (middle(times["get"]).wall - middle(times["list"]).wall) * 1e3
    print(f"  {'ok  ' if more <= 10 else 'MISS'}  get over list: {more:.1f} ms more, at most 10")
    return 0 if holds and more <= 10 else 1


def profile(programs: dict[str, tuple[str, ...]]) -> int:
    """Print imports that cost more than 0.3 ms by themselves."""
    for name, (python, *words) in programs.items():
        result = subprocess.run(
            [python, "-X", "importtime", *words],
            env=environment(),
            capture_output=True,
            text=True,
            check=True,
        )
        rows = [line.split("|") for line in result.stderr.splitlines() if line.count("|") == 2]
        dear = sorted((int(row[0].split(":")[1]), row[2].strip()) for row in rows if "[us]" not in row[0])
        print(name)
        for microseconds, module in reversed([row for row in dear if row[0] > 300]):
            print(f"  {microseconds / 1e3:6.1f} ms  {module}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
