"""The template's intrinsic functions become placeholders."""

from pathlib import Path

import pytest

import deployed_content
from deployed_content import with_placeholders
from mfa_guard_cli.stack.template import TemplateError


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ({"Ref": "Topic"}, "${Topic}"),
        ({"Fn::GetAtt": ["Role", "Arn"]}, "${Role.Arn}"),
        ({"Fn::GetAtt": "Role.Arn"}, "${Role.Arn}"),
        ({"Fn::Sub": "a-${B}-${!c}"}, "a-${B}-${!c}"),
        ("user/${aws:username}", "user/${!aws:username}"),
        ({"Ref": "AWS::NoValue"}, {"Ref": "AWS::NoValue"}),
        (
            [{"Fn::If": ["C", {"Ref": "A"}, {"Ref": "AWS::NoValue"}]}],
            [{"Fn::If": ["C", "${A}", {"Ref": "AWS::NoValue"}]}],
        ),
        ({"a": [1, True, None, {"b": {"Ref": "C"}}]}, {"a": [1, True, None, {"b": "${C}"}]}),
        ({}, {}),
    ],
)
def test_each_function_has_a_form(value: object, expected: object) -> None:
    assert with_placeholders(value) == expected


@pytest.mark.parametrize("value", [{"Fn::Join": ["", []]}, {"Fn::Sub": ["${A}", {"A": "b"}]}, {"Fn::ImportValue": "x"}])
def test_a_function_without_a_placeholder_is_refused_by_name(value: dict[str, object]) -> None:
    [name] = value
    with pytest.raises(TemplateError, match=name):
        with_placeholders({"a": [value]})


def test_the_program_writes_the_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = tmp_path / "content.json"
    monkeypatch.setattr(deployed_content, "FILE", file)
    assert deployed_content.main() == 0
    assert file.read_text("utf-8") == deployed_content.content()
