"""What kind of picture a file is, told by its first bytes."""

from pathlib import Path

from depthmask.pictures.tiff import RAW_STARTS

SUFFIXES = {  # of what is meant as a picture, whatever it holds
    *(".png", ".webp", ".jpg", ".jpeg", ".jfif", ".jpe", ".tif", ".tiff", ".bmp", ".gif"),
    *(".avif", ".heic", ".heif", ".ppm"),
}
# of cameras' raw files, most of which are a TIFF with a thumbnail as its first picture
RAW_SUFFIXES = {
    *(".nef", ".nrw", ".cr2", ".arw", ".sr2", ".srf", ".dng", ".orf", ".rw2", ".pef"),
    *(".srw", ".3fr", ".fff", ".iiq", ".erf", ".mef", ".mos", ".kdc", ".dcr", ".rwl"),
}
_HEAD_BYTES = 64
_HEIF_BRANDS = {b"heic", b"heix", b"heim", b"heis", b"hevc", b"hevx", b"mif1", b"msf1"}
_AVIF_BRANDS = {b"avif", b"avis"}
_STARTS = (  # of formats that begin with the same bytes always; TIFF has two orders and two sizes
    *(b"\xff\xd8\xff", b"\x89PNG\r\n\x1a\n", b"GIF8"),
    *(b"II*\0", b"MM\0*", b"II+\0", b"MM\0+"),
)


def is_picture(path: Path) -> bool:
    """Tells from its first bytes, or else by its ending, whether a file is meant as a picture."""
    try:
        if not path.is_file():  # opening a pipe would wait for ever
            return False
        with path.open("rb") as file:
            head = file.read(_HEAD_BYTES)
    except OSError:
        head = b""
    return _starts_a_picture(head) or path.suffix.lower() in SUFFIXES


def is_heif(head: bytes) -> bool:
    """Tells HEIC from AVIF, which shares its container, by the brands that the file claims."""
    brands = _brands(head)
    return not brands.isdisjoint(_HEIF_BRANDS) and brands.isdisjoint(_AVIF_BRANDS)


def _starts_a_picture(head: bytes) -> bool:
    return (
        head.startswith(_STARTS + RAW_STARTS)
        or (head[:4] == b"RIFF" and head[8:12] == b"WEBP")
        or (head[:2] == b"BM" and head[6:10] == bytes(4))
        or (head[:1] == b"P" and head[1:2] in b"123456f" and head[2:3] in b" \t\r\n#")
        or not _brands(head).isdisjoint(_HEIF_BRANDS | _AVIF_BRANDS)
    )


def _brands(head: bytes) -> set[bytes]:
    size = int.from_bytes(head[:4], "big")
    places = (8, *range(16, min(size, len(head)) - 3, 4)) if head[4:8] == b"ftyp" else ()
    return {head[at : at + 4] for at in places}
