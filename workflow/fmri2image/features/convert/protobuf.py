"""The wire format of protocol buffers: tags, varints and lengths, read in place without any schema.

https://protobuf.dev/programming-guides/encoding/ : a message is a sequence of (field number, wire type, content).
"""

from collections.abc import Iterator
from dataclasses import dataclass
from mmap import mmap

from fmri2image.core.errors import DataError

VARINT, FIXED64, BYTES, FIXED32 = 0, 1, 2, 5
GROUPS = (3, 4)
LONGEST_VARINT = 10  # bytes; 64 bits in groups of 7
LARGEST_FIELD = 2**29 - 1


@dataclass(frozen=True)
class Field:
    """One field of a message.

    Parameters
    ----------
    number, wire_type : int
    start, end : int
        Where the content lies in the buffer: the bytes of a length-delimited or fixed field.
    value : int
        Of a varint; 0 otherwise.
    """

    number: int
    wire_type: int
    start: int
    end: int
    value: int = 0


class Message:
    """A stretch of a buffer that is one message.

    Parameters
    ----------
    buffer : mmap or bytes
    start, end : int
    what : str
        What messages of errors call it, for example the path of the file.
    """

    def __init__(self, buffer: mmap | bytes, start: int, end: int, what: str) -> None:
        self.buffer, self.start, self.end, self.what = buffer, start, end, what

    def fields(self, start: int | None = None) -> Iterator[Field]:
        """Yield the fields in the order of the file, from `start` or the beginning.

        Raises
        ------
        DataError
            If the bytes are no message: cut, or not of this format at all.
        """
        at = self.start if start is None else start
        while at < self.end:
            tag, at = self.varint(at)
            number, wire_type = tag >> 3, tag & 7
            if not 0 < number <= LARGEST_FIELD:
                raise self.broken(f"a field has the number {number}", at)
            if wire_type == VARINT:
                value, end = self.varint(at)
                yield Field(number, wire_type, at, end, value)
            elif wire_type in (FIXED64, FIXED32):
                end = at + (8 if wire_type == FIXED64 else 4)
                self._inside(end, at)
                yield Field(number, wire_type, at, end)
            elif wire_type == BYTES:
                length, at = self.varint(at)
                end = at + length
                self._inside(end, at)
                yield Field(number, wire_type, at, end)
            else:
                kind = "a group" if wire_type in GROUPS else f"of wire type {wire_type}"
                raise self.broken(f"field {number} is {kind}", at)
            at = end

    def varint(self, at: int) -> tuple[int, int]:
        """Return the number at `at`, which ends at its first byte below 128, and the position after it."""
        value = 0
        for position in range(at, min(at + LONGEST_VARINT, self.end)):
            byte = self.buffer[position]
            value |= (byte & 0x7F) << (7 * (position - at))
            if byte < 0x80:
                return value, position + 1
        if at + LONGEST_VARINT > self.end:
            raise self.broken("it ends inside a number", at)
        raise self.broken(f"a number has more than {LONGEST_VARINT} bytes", at)

    def inner(self, field: Field, what: str = "") -> "Message":
        """Return the message that a field holds.

        Raises
        ------
        DataError
            If the field is no length-delimited one.
        """
        self.want(field, BYTES)
        return Message(self.buffer, field.start, field.end, what or self.what)

    def text(self, field: Field) -> str:
        """Return a field as text; bytes that are no UTF-8 are shown as such.

        Raises
        ------
        DataError
            If the field is no length-delimited one.
        """
        self.want(field, BYTES)
        return bytes(self.buffer[field.start : field.end]).decode("utf-8", "backslashreplace")

    def want(self, field: Field, wire_type: int) -> None:
        """Raise DataError unless a field has the wire type its meaning asks for."""
        if field.wire_type != wire_type:
            raise self.broken(
                f"field {field.number} has wire type {field.wire_type} instead of {wire_type}", field.start
            )

    def broken(self, why: str, at: int) -> DataError:
        """Return the error for bytes that are no message."""
        return DataError(
            f"{self.what} is cut, damaged or no protobuf file of this kind ({why}, at byte {at:,}); fetch it again."
        )

    def _inside(self, end: int, at: int) -> None:
        if end > self.end:
            raise self.broken(f"a field needs {end - at:,} bytes and {self.end - at:,} are left", at)
