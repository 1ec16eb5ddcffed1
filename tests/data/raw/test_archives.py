"""Archives: read as folders, and refused before a byte is written if they cheat."""

import io
import tarfile
import zipfile

import pytest

from tfgenai.core.errors import DataError, StorageError
from tfgenai.data.raw import archives, open_raw

GOOD = {"a/1.txt": b"one", "b/2.txt": b"two"}


def read(source):
    return {e.id: e for chunk in source.chunks() for e in source.read(chunk)}


def make_zip(path, files, links=()):
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, data in files:
            archive.writestr(name, data)
        for name in links:
            info = zipfile.ZipInfo(name)
            info.external_attr = 0o120777 << 16
            archive.writestr(info, "/etc/passwd")


def make_tar(path, files, kind=tarfile.REGTYPE):
    with tarfile.open(path, "w:gz") as archive:
        for name, data in files:
            info = tarfile.TarInfo(name)
            info.size, info.type = len(data), kind
            info.linkname = "/etc/passwd"
            archive.addfile(info, io.BytesIO(data))


@pytest.mark.parametrize(
    ("make", "name"), [(make_zip, "x.zip"), (make_tar, "x.tar.gz")]
)
def test_an_archive_is_the_folder_in_it(tmp_path, make, name):
    make(tmp_path / name, [(f"set/{n}", d) for n, d in GOOD.items()])
    source = open_raw(tmp_path / name)
    found = read(source)
    assert {n: (e.content, e.label) for n, e in found.items()} == {
        "a/1.txt": ("one", "a"),
        "b/2.txt": ("two", "b"),
    }
    assert open_raw(tmp_path / name).fingerprint() == source.fingerprint()
    make(tmp_path / name, [("a/1.txt", b"other"), ("a/3.txt", b"three")])
    assert set(read(open_raw(tmp_path / name))) == {"1.txt", "3.txt"}


@pytest.mark.parametrize(
    "name", ["../up.txt", "/root.txt", "a/../../up.txt", "..\\up.txt", "C:\\x.txt"]
)
@pytest.mark.parametrize(("make", "ending"), [(make_zip, "zip"), (make_tar, "tar")])
def test_names_that_lead_out_are_refused(tmp_path, make, ending, name):
    inner = tmp_path / "inner"
    inner.mkdir()
    make(inner / f"x.{ending}", [*GOOD.items(), (name, b"evil")])
    with pytest.raises(DataError, match="leads out"):
        open_raw(inner / f"x.{ending}")
    assert [p.name for p in tmp_path.rglob("*")] == ["inner", f"x.{ending}"]


def test_links_and_devices_are_refused(tmp_path):
    make_zip(tmp_path / "x.zip", GOOD.items(), links=["l.txt"])
    with pytest.raises(DataError, match="is a link"):
        open_raw(tmp_path / "x.zip")
    for kind in (tarfile.SYMTYPE, tarfile.LNKTYPE, tarfile.CHRTYPE, tarfile.FIFOTYPE):
        make_tar(tmp_path / "x.tar", [("l.txt", b"")], kind)
        with pytest.raises(DataError, match="a link or a device"):
            open_raw(tmp_path / "x.tar")


def test_bombs_are_refused(tmp_path, monkeypatch):
    make_zip(tmp_path / "x.zip", [("a.txt", b"\0" * (2**26 + 1))])
    with pytest.raises(DataError, match="unpacks from"):
        open_raw(tmp_path / "x.zip")
    monkeypatch.setattr(archives, "MAX_MEMBERS", 3)
    make_tar(tmp_path / "x.tar", [(f"{i}.txt", b"") for i in range(9)])
    with pytest.raises(DataError, match="more than 3 members"):
        open_raw(tmp_path / "x.tar")


@pytest.mark.filterwarnings("ignore:Duplicate name")
def test_two_of_one_name_and_cut_archives_are_refused(tmp_path):
    make_zip(tmp_path / "x.zip", [("a.txt", b"1"), ("a.txt", b"2")])
    with pytest.raises(DataError, match="there twice"):
        open_raw(tmp_path / "x.zip")
    make_tar(tmp_path / "x.tar.gz", [(f"{i}.txt", b"x" * 999) for i in range(9)])
    data = (tmp_path / "x.tar.gz").read_bytes()
    (tmp_path / "x.tar.gz").write_bytes(data[: len(data) // 2])
    with pytest.raises(DataError, match="whole archive"):
        open_raw(tmp_path / "x.tar.gz")
    assert not (tmp_path / ".x.tar.gz.unpacked").exists()


def test_what_is_in_the_way_is_not_lost(tmp_path):
    make_zip(tmp_path / "x.zip", GOOD.items())
    precious = tmp_path / "precious"
    precious.mkdir()
    (precious / "thesis.txt").write_text("years")
    with pytest.raises(StorageError, match="unpack_to"):
        open_raw(tmp_path / "x.zip", unpack_to=str(precious))
    assert (precious / "thesis.txt").read_text() == "years"


def flag(data, place, value):
    """Sets a byte of the only member's header, and of its copy in the directory."""
    data[place] = value
    data[data.find(b"PK\x01\x02") + place + 2] = value


@pytest.mark.parametrize("what", ["password", "compression", "content"])
def test_zip_files_that_cannot_be_read_are_refused(tmp_path, what):
    path = tmp_path / "x.zip"
    make_zip(path, [("a.txt", bytes(range(256)) * 40)])
    data = bytearray(path.read_bytes())
    if what == "password":
        flag(data, 6, 1)
    elif what == "compression":
        flag(data, 8, 99)
    else:
        data[40:60] = b"\xff" * 20
    path.write_bytes(bytes(data))
    with pytest.raises(DataError, match="whole archive"):
        open_raw(path)
    assert not (tmp_path / ".x.zip.unpacked").exists()


@pytest.mark.parametrize("place", [-8, -3])
def test_the_checksum_of_a_compressed_tar_counts(tmp_path, place):
    path = tmp_path / "x.tar.gz"
    make_tar(path, GOOD.items())
    data = bytearray(path.read_bytes())
    data[place] ^= 1  # gzip ends with the checksum and the length of what is in it
    path.write_bytes(bytes(data))
    with pytest.raises(DataError, match="whole archive"):
        open_raw(path)
