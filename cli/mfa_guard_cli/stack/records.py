"""Read recorded CloudTrail events from files.

A file holds one document or several, on separate lines or one after the other, with or without gzip. A document is an
EventBridge event, a CloudTrail record, a list of either, a CloudTrail log file (`{"Records": [...]}`), or the output
of `aws cloudtrail lookup-events`.
"""

import gzip
import json
import os
import zlib
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final, TypeAlias

Fields: TypeAlias = Mapping[str, object]

_SUFFIXES: Final = tuple(f".{form}{packed}" for form in ("json", "jsonl", "ndjson") for packed in ("", ".gz"))
_GZIP_MAGIC: Final = b"\x1f\x8b"
_WHITESPACE: Final = " \t\r\n"
_NOTHING: Final = object()

# eventType -> detail-type. https://docs.aws.amazon.com/eventbridge/latest/userguide/eb-service-event-cloudtrail.html
_DETAIL_TYPES: Final[Mapping[object, str]] = {
    "AwsConsoleSignIn": "AWS Console Sign In via CloudTrail",
    "AwsConsoleAction": "AWS Console Action via CloudTrail",
    "AwsServiceEvent": "AWS Service Event via CloudTrail",
    "AwsCloudTrailInsight": "AWS Insight via CloudTrail",
    "AwsVpceEvent": "AWS Network Activity Event via CloudTrail",
}
_API_CALL: Final = "AWS API Call via CloudTrail"


class FileNotRead(ValueError):
    """A file or folder cannot be read as JSON. The sentence begins with its path."""


@dataclass(frozen=True)
class BrokenRecord:
    """A place in a file that should hold a record and does not."""

    reason: str


def find_files(paths: Iterable[Path], report: Callable[[FileNotRead], None]) -> Iterator[Path]:
    """Yield the files, and the JSON files at any depth of the folders, sorted by path.

    Reports and skips a folder that cannot be listed.
    """

    def unlisted(error: OSError) -> None:
        report(FileNotRead(f"{error.filename}: the folder cannot be listed: {error.strerror}."))

    for path in paths:
        if path.is_dir():
            walked = (Path(folder, name) for folder, _, names in os.walk(path, onerror=unlisted) for name in names)
            # Reading a named pipe would wait for a writer.
            yield from sorted(file for file in walked if file.name.lower().endswith(_SUFFIXES) and not file.is_fifo())
        else:
            yield path


def read_records(path: Path) -> Iterator[object]:
    """Yield the records of a file in order. A record is any JSON value, or BrokenRecord.

    Raises FileNotRead, before the first record, if the file as a whole is not JSON.
    """
    for document in _documents(path, _read_text(path)):
        yield from _expand(document)


def envelope_of(record: Fields) -> Fields:
    """Return the record if it is an EventBridge event, otherwise the event that EventBridge would make of it.

    Fields that the record lacks are null.
    """
    if "detail" in record or "detail-type" in record:
        return record
    identity = record.get("userIdentity")
    acting = identity.get("accountId") if isinstance(identity, dict) else None
    event_type = record.get("eventType")
    return {
        "version": "0",
        "id": record.get("eventID"),
        "detail-type": _DETAIL_TYPES.get(event_type, _API_CALL) if isinstance(event_type, str) else _API_CALL,
        "source": _source(record.get("eventSource")),
        "account": record.get("recipientAccountId", acting),
        "time": record.get("eventTime"),
        "region": record.get("awsRegion"),
        "resources": [],
        "detail": record,
    }


def _source(event_source: object) -> str | None:
    if not isinstance(event_source, str):
        return None
    return f"aws.{event_source.removesuffix('.cn').removesuffix('.amazonaws.com')}"


def _read_text(path: Path) -> str:
    try:
        content = path.read_bytes()
        if content.startswith(_GZIP_MAGIC):
            content = gzip.decompress(content)
        return _decoded(content)
    except UnicodeDecodeError as error:
        raise FileNotRead(f"{path}: the file is not JSON: it is not UTF-8 text.") from error
    except (EOFError, zlib.error, gzip.BadGzipFile) as error:
        raise FileNotRead(f"{path}: the file cannot be unpacked: its gzip data is damaged or cut off.") from error
    except OSError as error:
        raise FileNotRead(f"{path}: the file cannot be read: {error.strerror}.") from error


def _decoded(content: bytes) -> str:
    """Return the text. A line that is not UTF-8 becomes a line that is not JSON, if at least one line is UTF-8."""
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError:
        lines = content.split(b"\n")
        if not any(map(_is_text, filter(None, lines))):
            raise
        return "\n".join(line.decode("utf-8-sig") if _is_text(line) else _NO_TEXT for line in lines)


def _is_text(line: bytes) -> bool:
    try:
        line.decode("utf-8-sig")
    except UnicodeDecodeError:
        return False
    return True


# Replaces a line that is not UTF-8. It is not JSON either.
_NO_TEXT: Final = "\N{REPLACEMENT CHARACTER}"


def _integer(digits: str) -> int | str:
    try:
        return int(digits)
    except ValueError:
        # More digits than Python converts. No field that this program uses is such a number.
        return digits


@dataclass(frozen=True)
class _Document:
    """A JSON value in a text, or BrokenRecord, and its place."""

    value: object
    alone: bool
    in_first_column: bool

    @property
    def is_structured(self) -> bool:
        return isinstance(self.value, dict | list)


def _documents(path: Path, text: str) -> Iterator[_Document]:
    """Yield the documents of a text. A line that is not JSON is a BrokenRecord.

    Raises FileNotRead if the text as a whole is not JSON: it is empty, or something is broken and no object or array
    stands before that or begins in the first column of a line. (Of a document that was printed with indentation and
    cut off, some lines are JSON too, but none that begins in the first column.)
    """
    held: list[_Document] = []
    is_json = any_broken = False
    for document in _scan(text, path.name):
        any_broken = any_broken or isinstance(document.value, BrokenRecord)
        is_json = is_json or (document.is_structured and (document.in_first_column or not any_broken))
        held.append(document)
        if is_json:
            yield from held
            held.clear()
    if any_broken and not is_json:
        raise FileNotRead(f"{path}: the file is not JSON.")
    if not is_json and not held:
        raise FileNotRead(f"{path}: the file is not JSON: it is empty.")
    yield from held


def _scan(text: str, name: str) -> Iterator[_Document]:
    decode = json.JSONDecoder(parse_int=_integer).raw_decode
    first = position = _skip_whitespace(text, 0)
    line, counted = 1, 0
    while position < len(text):
        start = position
        value: object
        end_of_line = text.find("\n", start) % (len(text) + 1)
        try:
            value, position = decode(text, start)
        except (ValueError, RecursionError):
            value = _NOTHING
        # Two values on one line are two documents only if they are objects or arrays.
        if value is _NOTHING or (not isinstance(value, dict | list) and text[position:end_of_line].strip(_WHITESPACE)):
            line, counted = line + text.count("\n", counted, start), start
            value, position = BrokenRecord(f"Line {line} of {name} is not JSON."), end_of_line
        position = _skip_whitespace(text, position)
        yield _Document(
            value,
            alone=start == first and position == len(text),
            in_first_column=start == 0 or text[start - 1] == "\n",
        )


def _skip_whitespace(text: str, position: int) -> int:
    while position < len(text) and text[position] in _WHITESPACE:
        position += 1
    return position


def _expand(document: _Document) -> Iterator[object]:
    value = document.value
    if not isinstance(value, list):
        yield from _expand_object(value)
    elif document.alone or (value and all(isinstance(each, dict) for each in value)):
        for each in value:
            yield from _expand_object(each)
    else:
        # Among other documents, an array is a broken record.
        yield value


def _expand_object(value: object) -> Iterator[object]:
    if not isinstance(value, dict) or "eventName" in value:
        yield value
    elif isinstance(value.get("Records"), list):
        yield from value["Records"]
    elif isinstance(value.get("Events"), list):
        yield from map(_looked_up, value["Events"])
    # CloudTrail stores digest files, which hold no records, beside its log files.
    elif "digestS3Object" not in value:
        yield value


def _looked_up(event: object) -> object:
    text = event.get("CloudTrailEvent") if isinstance(event, dict) else None
    if not isinstance(text, str):
        return event
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        return BrokenRecord("The CloudTrailEvent of the looked-up event is not JSON.")
