"""Recorded events are read in every form in which people have them, in order, and what is no record is named."""

import errno
import gzip
import json
import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from mfa_guard_cli.stack.records import BrokenRecord, FileNotRead, envelope_of, find_files, read_records
from support.factories import detail, envelope

ONE, TWO = detail("CreateUser"), detail("CreateAccessKey")
S3_NAME = "111122223333_CloudTrail_us-east-1_20260101T0000Z_abcDEF123.json.gz"


def read(folder: Path, content: bytes | str, name: str = "file.json") -> list[object]:
    path = folder / name
    path.write_bytes(content.encode() if isinstance(content, str) else content)
    return list(read_records(path))


FORMS: dict[str, str] = {
    "log file": json.dumps({"Records": [ONE, TWO]}),
    "log file, printed": json.dumps({"Records": [ONE, TWO]}, indent=2),
    "list": json.dumps([ONE, TWO]),
    "list of log files": json.dumps([{"Records": [ONE]}, {"Records": [TWO]}]),
    "lines": f"{json.dumps(ONE)}\n{json.dumps(TWO)}\n",
    "lines, with windows' ends and blank ones": f"\r\n{json.dumps(ONE)}\r\n\r\n{json.dumps(TWO)}\r\n",
    "lines of log files": f"{json.dumps({'Records': [ONE]})}\n{json.dumps({'Records': [TWO]})}",
    "lines of lists": f"{json.dumps([ONE])}\n{json.dumps([TWO])}",
    "printed, one after the other": f"{json.dumps(ONE, indent=2)}\n{json.dumps(TWO, indent=2)}",
    "without anything between": json.dumps(ONE) + json.dumps(TWO),
    "looked up": json.dumps({"Events": [{"CloudTrailEvent": json.dumps(each)} for each in (ONE, TWO)]}),
}


@pytest.mark.parametrize("form", FORMS)
def test_a_file_is_read_whatever_its_form(tmp_path: Path, form: str) -> None:
    assert read(tmp_path, FORMS[form]) == [ONE, TWO]
    assert read(tmp_path, "\ufeff" + FORMS[form]) == [ONE, TWO]


@pytest.mark.parametrize("name", [S3_NAME, "unpacked-name.json"])
def test_a_compressed_file_is_known_by_its_content(tmp_path: Path, name: str) -> None:
    assert read(tmp_path, gzip.compress(FORMS["log file"].encode()), name) == [ONE, TWO]


def test_a_downloaded_file_that_is_unpacked_already_is_read(tmp_path: Path) -> None:
    assert read(tmp_path, FORMS["log file"], S3_NAME) == [ONE, TWO]


def test_an_envelope_is_one_record(tmp_path: Path) -> None:
    event = envelope(ONE)
    assert read(tmp_path, json.dumps(event, indent=2)) == [event]


@pytest.mark.parametrize("content", ['{"Records": []}', "[]", '{"Events": []}'])
def test_a_file_may_hold_no_record(tmp_path: Path, content: str) -> None:
    assert read(tmp_path, content) == []


def test_cloudtrails_digest_files_hold_no_records(tmp_path: Path) -> None:
    digest = {"awsAccountId": "111122223333", "digestS3Object": "AWSLogs/...", "logFiles": [{"hashValue": "00"}]}
    assert read(tmp_path, json.dumps(digest)) == []


def test_what_is_no_object_is_handed_on_for_a_line_of_its_own(tmp_path: Path) -> None:
    odd = [5, "text", None, True, [1], {}]
    assert read(tmp_path, json.dumps({"Records": odd})) == odd
    assert read(tmp_path, json.dumps(odd)) == odd
    assert read(tmp_path, "\n".join(map(json.dumps, odd))) == odd
    assert read(tmp_path, "5") == [5]


def test_records_that_are_no_list_are_a_broken_record(tmp_path: Path) -> None:
    assert read(tmp_path, '{"Records": 5}') == [{"Records": 5}]


def test_a_broken_line_is_named_and_the_others_are_read(tmp_path: Path) -> None:
    lines = [json.dumps(ONE), '{"eventName": "Crea', "nonsense", json.dumps(TWO), '{"cut']
    assert read(tmp_path, "\n".join(lines)) == [
        ONE,
        BrokenRecord("Line 2 of file.json is not JSON."),
        BrokenRecord("Line 3 of file.json is not JSON."),
        TWO,
        BrokenRecord("Line 5 of file.json is not JSON."),
    ]


def test_a_line_that_is_no_utf_8_is_named_and_the_others_are_read(tmp_path: Path) -> None:
    lines = [json.dumps(ONE).encode(), b'{"eventName": "\xff"}', json.dumps(TWO).encode()]
    assert read(tmp_path, b"\n".join(lines)) == [ONE, BrokenRecord("Line 2 of file.json is not JSON."), TWO]


def test_a_number_of_any_length_hides_no_record(tmp_path: Path) -> None:
    long = {**ONE, "additionalEventData": 0}
    content = json.dumps({"Records": [long, TWO]}).replace(
        '"additionalEventData": 0', f'"additionalEventData": {"1" * 5000}'
    )
    assert read(tmp_path, content) == [{**long, "additionalEventData": "1" * 5000}, TWO]


def test_the_first_line_may_be_the_broken_one(tmp_path: Path) -> None:
    for line in ('{"eventName"', '"eventName": 1}', "1 2 3", "]"):
        assert read(tmp_path, f"{line}\n{json.dumps(TWO)}\n") == [BrokenRecord("Line 1 of file.json is not JSON."), TWO]


def test_a_looked_up_event_that_is_broken_is_named(tmp_path: Path) -> None:
    events = [{"CloudTrailEvent": "{"}, {"CloudTrailEvent": None}, 5]
    assert read(tmp_path, json.dumps({"Events": events})) == [
        BrokenRecord("The CloudTrailEvent of the looked-up event is not JSON."),
        {"CloudTrailEvent": None},
        5,
    ]


PRINTED = json.dumps({"Records": [{**ONE, "resources": ["x", {}]}, TWO]}, indent=2)


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b" \n",
        b"not JSON",
        b"a,b\n1,2\n",
        b"# A title\n\n- a list\n",
        b'{"Records": [',
        b"\xff\xfe",
        b'{"a": "\xe9"}',
        b"[" * 100_000,
        json.dumps({"Records": [ONE, TWO]})[:-2].encode(),
        *(PRINTED[: PRINTED.index(mark) + len(mark)].encode() for mark in ('"x",', "{}", "userAgent")),
    ],
)
def test_a_file_that_is_not_json_is_refused_as_a_whole(tmp_path: Path, content: bytes) -> None:
    with pytest.raises(FileNotRead) as error:
        read(tmp_path, content)
    assert str(error.value).startswith(f"{tmp_path / 'file.json'}: the file is not JSON")
    assert str(error.value).count(".") == str(tmp_path).count(".") + 2


@pytest.mark.parametrize("cut", [1, 8, 20, -1, -5])
def test_a_compressed_file_that_is_cut_off_is_refused(tmp_path: Path, cut: int) -> None:
    whole = gzip.compress(FORMS["log file"].encode())
    with pytest.raises(FileNotRead, match=r"cannot be unpacked|not JSON"):
        read(tmp_path, whole[:cut], S3_NAME)


def test_a_compressed_file_that_is_damaged_is_refused(tmp_path: Path) -> None:
    whole = bytearray(gzip.compress(FORMS["log file"].encode()))
    whole[len(whole) // 2] ^= 0xFF
    with pytest.raises(FileNotRead, match="cannot be unpacked"):
        read(tmp_path, bytes(whole), S3_NAME)


def test_a_file_that_went_away_is_refused(tmp_path: Path) -> None:
    with pytest.raises(FileNotRead, match="cannot be read: No such file"):
        list(read_records(tmp_path / "gone.json"))


def never(error: FileNotRead) -> None:
    raise error


def test_a_folder_is_read_to_any_depth_and_in_order(tmp_path: Path) -> None:
    for name in ("b.json", "a/2.jsonl", f"a/1/{S3_NAME}", "c.JSON", "README.md", "a/notes.txt", "d.ndjson.gz"):
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()
    found = [str(each.relative_to(tmp_path)) for each in find_files([tmp_path], never)]
    assert found == [f"a/1/{S3_NAME}", "a/2.jsonl", "b.json", "c.JSON", "d.ndjson.gz"]


def test_paths_keep_the_order_given_and_a_file_may_have_any_name(tmp_path: Path) -> None:
    folder = tmp_path / "folder"
    folder.mkdir()
    (folder / "in.json").touch()
    (tmp_path / "events.txt").touch()
    assert list(find_files([tmp_path / "events.txt", folder], never)) == [tmp_path / "events.txt", folder / "in.json"]


def test_a_pipe_in_a_folder_is_passed_over(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe.json")
    assert list(find_files([tmp_path], never)) == []


def test_a_folder_that_cannot_be_listed_is_reported(tmp_path: Path) -> None:
    def refused(path: str) -> Iterator[os.DirEntry[str]]:
        raise PermissionError(errno.EACCES, os.strerror(errno.EACCES), path)

    reported: list[FileNotRead] = []
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(os, "scandir", refused)
        assert list(find_files([tmp_path], reported.append)) == []
    assert [str(each) for each in reported] == [f"{tmp_path}: the folder cannot be listed: Permission denied."]


def test_the_envelope_is_the_one_eventbridge_makes() -> None:
    assert envelope_of(ONE) == {
        "version": "0",
        "id": ONE["eventID"],
        "detail-type": "AWS API Call via CloudTrail",
        "source": "aws.iam",
        "account": "111122223333",
        "time": ONE["eventTime"],
        "region": "us-east-1",
        "resources": [],
        "detail": ONE,
    }


@pytest.mark.parametrize(
    ("event_source", "source"),
    [
        ("signin.amazonaws.com", "aws.signin"),
        ("monitoring.amazonaws.com", "aws.monitoring"),
        ("iam.amazonaws.com.cn", "aws.iam"),
        (5, None),
        (None, None),
    ],
)
def test_the_source_follows_from_the_event_source(event_source: object, source: str | None) -> None:
    assert envelope_of(detail("Any", eventSource=event_source))["source"] == source


@pytest.mark.parametrize(
    ("event_type", "detail_type"),
    [
        ("AwsApiCall", "AWS API Call via CloudTrail"),
        ("AwsConsoleSignIn", "AWS Console Sign In via CloudTrail"),
        ("AwsServiceEvent", "AWS Service Event via CloudTrail"),
        (None, "AWS API Call via CloudTrail"),
        ([], "AWS API Call via CloudTrail"),
    ],
)
def test_the_detail_type_follows_from_the_event_type(event_type: object, detail_type: str) -> None:
    assert envelope_of(detail("Any", eventType=event_type))["detail-type"] == detail_type


def test_an_old_record_belongs_to_the_caller_s_account() -> None:
    record = detail("CreateUser", userIdentity={"accountId": "444455556666"})
    del record["recipientAccountId"]
    assert envelope_of(record)["account"] == "444455556666"


@pytest.mark.parametrize("broken", [{"detail": 5}, {"detail-type": "Scheduled Event"}])
def test_a_broken_envelope_stays_one(broken: dict[str, object]) -> None:
    assert envelope_of(broken) is broken


def test_reading_starts_before_the_end_of_the_file_is_understood(tmp_path: Path) -> None:
    # What is held back would grow with the file.
    path = tmp_path / "lines.jsonl"
    path.write_text(f"{json.dumps(ONE)}\nnonsense\n", "utf-8")
    records = read_records(path)
    assert next(records) == ONE
