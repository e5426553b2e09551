"""Write docs/causes/ from the table of causes and its prose. Run it after a change of either."""

from pathlib import Path

from surefetch.causes import table
from surefetch.diagnose.pages import index, page

FOLDER = Path(__file__).parents[2] / "docs" / "causes"


def main() -> None:
    """Write a page per code and the index; take away pages of codes that are gone."""
    FOLDER.mkdir(parents=True, exist_ok=True)
    for path in FOLDER.glob("*.md"):
        if path.stem not in table() and path.stem != "index":
            path.unlink()
    for code in table():
        (FOLDER / f"{code}.md").write_text(page(code), encoding="utf-8")
    (FOLDER / "index.md").write_text(index(), encoding="utf-8")


if __name__ == "__main__":
    main()
