"""What every source promises. Subclass `SourceTests`; give it a source and a world that has the file."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from urllib.parse import urlsplit

import pytest

from surefetch.model import Artifact, Lookup, Mirror
from surefetch.sources import Source, TellsMisses

#: More lookups than any source may need one after the other.
MANY = 100
GARBAGE = [
    b"",
    b"\x00\xff\xfe",
    b"<html><a href='",
    b'{"files": [1, {"url": 5}]}',
    b"[[[[",
    b"null",
    b"[1, 2]",
]

Answer = Callable[[Lookup], bytes | None]


def ask(source: Source, artifact: Artifact, answer: Answer) -> dict[Lookup, bytes | None]:
    """Answer all that a source looks for, one lookup after the other, as the planner would."""
    answers: dict[Lookup, bytes | None] = {}
    for _ in range(MANY):
        named = source.lookups(artifact, answers)
        if not named:
            return answers
        assert not set(named) & set(answers), "a lookup that was answered is named again"
        answers.update({lookup: answer(lookup) for lookup in named})
    raise AssertionError("it asks without end")


class SourceTests:
    """The contract. `make`, `artifact`, `world` and `expected` describe a source that finds its file."""

    def make(self) -> Source:
        raise NotImplementedError("a subclass makes its source here")

    @property
    def artifact(self) -> Artifact:
        raise NotImplementedError("a subclass names an artifact that its world has")

    @property
    def world(self) -> Mapping[str, bytes]:
        """Target of a lookup -> its answer; a lookup of another target fails."""
        return {}

    @property
    def expected(self) -> list[str]:
        """URLs or paths of the mirrors that it finds, in order."""
        raise NotImplementedError("a subclass says what is to be found")

    def found(self) -> list[Mirror]:
        source = self.make()
        answers = ask(source, self.artifact, lambda lookup: self.world.get(lookup.target))
        return source.mirrors(self.artifact, answers)

    def test_it_has_a_name(self) -> None:
        assert self.make().name.isidentifier()

    def test_it_finds_the_file(self) -> None:
        assert [mirror.url for mirror in self.found()] == self.expected

    def test_mirrors_are_fetched_by_https_or_http_or_are_absolute_paths(self) -> None:
        for mirror in self.found():
            if mirror.is_local:
                assert mirror.url.startswith(("/", "C:/"))
            else:
                assert urlsplit(mirror.url).scheme in ("https", "http")

    def test_no_mirror_is_named_twice(self) -> None:
        found = [mirror.url for mirror in self.found()]
        assert len(found) == len(set(found))

    def test_no_mirror_or_lookup_holds_a_password(self) -> None:
        source = self.make()
        answers = ask(source, self.artifact, lambda lookup: self.world.get(lookup.target))
        texts = [lookup.target for lookup in answers]
        texts += [mirror.url for mirror in source.mirrors(self.artifact, answers)]
        assert not [text for text in texts if "@" in urlsplit(text).netloc]

    def test_failed_lookups_are_not_repeated_and_leave_no_mirror_behind_them(self) -> None:
        source = self.make()
        before = source.mirrors(self.artifact, {})
        answers = ask(source, self.artifact, lambda lookup: None)
        assert source.mirrors(self.artifact, answers) == before

    @pytest.mark.parametrize("garbage", GARBAGE)
    @pytest.mark.parametrize("well_answered", ["settings", "nothing"])
    def test_a_malformed_answer_names_nothing(self, garbage: bytes, well_answered: str) -> None:
        source = self.make()
        before = source.mirrors(self.artifact, {})

        def answer(lookup: Lookup) -> bytes | None:
            return self.world.get(lookup.target) if lookup.kind == well_answered else garbage

        assert source.mirrors(self.artifact, ask(source, self.artifact, answer)) == before

    def test_the_same_answers_give_the_same_mirrors_and_lookups(self) -> None:
        first, second = self.make(), self.make()
        answers = ask(first, self.artifact, lambda lookup: self.world.get(lookup.target))
        partial: dict[Lookup, bytes | None] = {}
        for lookup, answer in answers.items():
            assert first.lookups(self.artifact, partial) == second.lookups(self.artifact, partial)
            partial[lookup] = answer
        assert first.mirrors(self.artifact, answers) == second.mirrors(self.artifact, answers)

    def test_a_miss_names_its_cause(self) -> None:
        source = self.make()
        if isinstance(source, TellsMisses):
            answers = ask(source, self.artifact, lambda lookup: b"[]" if lookup.kind != "settings" else None)
            for attempt in source.misses(self.artifact, answers):
                assert attempt.cause.startswith("source.")
                assert attempt.artifact == self.artifact.name
