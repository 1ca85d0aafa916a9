"""A template file is read, checked and rendered; what is wrong with it is said in one sentence."""

from pathlib import Path

import pytest

from mfa_guard_cli.stack.template import Stack, TemplateError, load_template

FUNCTION = """
Transform: AWS::Serverless-2016-10-31
Parameters:
  Mode: {Type: String, Default: events, AllowedValues: [audit, events]}
  Mail: {Type: String, Default: '', AllowedPattern: '^$|^[^@]+@[^@]+$'}
  Paths: {Type: CommaDelimitedList, Default: '/a/, /b/'}
Conditions:
  HasMail: !Not [!Equals [!Ref Mail, '']]
Globals:
  Function:
    CodeUri: src/
    Runtime: python3.13
    Handler: app.handler
    Environment: {Variables: {MODE: !Ref Mode, ACCOUNT: !Sub '${AWS::AccountId}', DAYS: 7}}
Resources:
  Worker:
    Type: AWS::Serverless::Function
    DependsOn: Role
    Properties:
      Role: !GetAtt Role.Arn
      Events:
        Off:
          Type: EventBridgeRule
          Properties:
            RuleName: !Sub ${AWS::StackName}-off
            Pattern: {source: [!Sub 'aws.${Mode}']}
        Paused:
          Type: EventBridgeRule
          Properties: {State: DISABLED, Pattern: {source: [aws.iam]}}
        Daily:
          Type: Schedule
          Properties: {Schedule: rate(1 day)}
  Role:
    Type: AWS::IAM::Role
    DeletionPolicy: Retain
    Properties:
      AssumeRolePolicyDocument: {Version: 2012-10-17, Statement: []}
      ManagedPolicyArns: [!Ref Attached]
      Policies:
        - PolicyName: inline
          PolicyDocument: {Version: 2012-10-17, Statement: {Effect: Allow, Action: a:Inline, Resource: '*'}}
  Attached:
    Type: AWS::IAM::ManagedPolicy
    Properties: {PolicyDocument: {Version: 2012-10-17, Statement: [{Effect: Allow, Action: a:Attached, Resource: '*'}]}}
  Attaching:
    Type: AWS::IAM::Policy
    Properties:
      PolicyName: attaching
      Roles: [!Ref Role]
      PolicyDocument: {Version: 2012-10-17, Statement: [{Effect: Allow, Action: a:Attaching, Resource: '*'}]}
  ForOthers:
    Type: AWS::IAM::ManagedPolicy
    Properties: {PolicyDocument: {Version: 2012-10-17, Statement: [{Effect: Allow, Action: a:Other, Resource: '*'}]}}
  Foreign:
    Type: AWS::IAM::Role
    Properties:
      AssumeRolePolicyDocument: {Version: 2012-10-17, Statement: []}
      ManagedPolicyArns: [arn:aws:iam::aws:policy/ReadOnlyAccess]
  Mailbox:
    Type: AWS::SNS::Subscription
    Condition: HasMail
    Properties: {Endpoint: !Ref Mail, Protocol: email, TopicArn: !Ref Topic}
  Topic:
    Type: AWS::SNS::Topic
Outputs:
  TopicArn: {Value: !Ref Topic}
  Address: {Condition: HasMail, Value: !Ref Mail}
"""


def write(folder: Path, text: str) -> Path:
    path = folder / "template.yaml"
    path.write_text(text, "utf-8")
    return path


@pytest.fixture
def stack(tmp_path: Path) -> Stack:
    return load_template(write(tmp_path, FUNCTION)).render(account="012345678901", stack_name="guard")


def test_a_rule_has_its_name_its_pattern_and_its_functions(stack: Stack) -> None:
    off, paused = stack.rules()
    assert (off.logical_id, off.name, off.functions) == ("WorkerOff", "guard-off", ("Worker",))
    assert off.pattern == {"source": ["aws.events"]}
    assert (off.enabled, paused.enabled) == (True, False)
    assert stack.rule("WorkerOff") == off


def test_an_environment_is_text(stack: Stack) -> None:
    assert stack.environment("Worker") == {"MODE": "events", "ACCOUNT": "012345678901", "DAYS": "7"}
    assert stack.resource("Topic").properties == {}


def test_a_role_has_the_statements_of_every_policy_that_it_carries(stack: Stack) -> None:
    assert [each["Action"] for each in stack.role_statements("Role")] == ["a:Inline", "a:Attached", "a:Attaching"]


def test_the_statements_of_a_policy_from_elsewhere_are_not_passed_over(stack: Stack) -> None:
    with pytest.raises(TemplateError, match=r"Foreign has policies that are not in the template: .*ReadOnlyAccess"):
        stack.role_statements("Foreign")


def test_a_version_is_no_date(stack: Stack) -> None:
    assert stack.policy_document("Attached")["Version"] == "2012-10-17"


def test_dependencies_and_deletion_policies_are_kept(stack: Stack) -> None:
    assert stack.resource("Worker").depends_on == ("Role",)
    assert stack.resource("Role").deletion_policy == "Retain"
    assert stack.resource("Topic").deletion_policy == "Delete"


def test_a_condition_decides_about_resources_and_outputs(tmp_path: Path) -> None:
    template = load_template(write(tmp_path, FUNCTION))
    without, with_mail = template.render(), template.render(parameters={"Mail": "a@example.com"})
    assert "Mailbox" not in without.resources
    assert with_mail.resources["Mailbox"].properties["Endpoint"] == "a@example.com"
    assert without.outputs().keys() == {"TopicArn"}
    assert with_mail.outputs()["Address"] == "a@example.com"
    with pytest.raises(TemplateError, match="no resource Mailbox"):
        without.resource("Mailbox")


def test_a_list_parameter_is_a_list(stack: Stack) -> None:
    assert stack.resolve({"Ref": "Paths"}) == ["/a/", "/b/"]


def test_made_up_names_differ_by_account_region_and_stack(tmp_path: Path) -> None:
    template = load_template(write(tmp_path, FUNCTION))
    stacks = [
        template.render(),
        template.render(account="444455556666"),
        template.render(region="us-gov-west-1"),
        template.render(stack_name="other"),
    ]
    assert len({each.physical_id("Topic") for each in stacks}) == 4
    assert template.render().physical_id("Topic") == stacks[0].physical_id("Topic")


@pytest.mark.parametrize(
    ("parameters", "sentence"),
    [
        ({"Mod": "audit"}, "The template has no parameter Mod."),
        ({"Mode": "loud"}, "The parameter Mode allows audit, events, but not 'loud'."),
        ({"Mail": "elsewhere"}, "The parameter Mail does not allow 'elsewhere'"),
    ],
)
def test_a_wrong_parameter_is_refused(tmp_path: Path, parameters: dict[str, str], sentence: str) -> None:
    with pytest.raises(TemplateError) as error:
        load_template(write(tmp_path, FUNCTION)).render(parameters=parameters)
    assert str(error.value).startswith(sentence)


def test_a_parameter_without_default_needs_a_value(tmp_path: Path) -> None:
    path = write(tmp_path, "Parameters: {Name: {Type: String}}\nResources: {T: {Type: AWS::SNS::Topic}}")
    with pytest.raises(TemplateError, match="The parameter Name needs a value"):
        load_template(path).render()
    assert load_template(path).render(parameters={"Name": "x"}).resolve({"Ref": "Name"}) == "x"


@pytest.mark.parametrize("account", ["", "11112222333", "1111222233334", "11112222333x", "١١١١٢٢٢٢٣٣٣٣"])
def test_an_account_id_has_twelve_digits(tmp_path: Path, account: str) -> None:
    with pytest.raises(TemplateError, match="twelve digits"):
        load_template(write(tmp_path, FUNCTION)).render(account=account)


RULES = """
Rules:
  Home:
    RuleCondition: !Not [!Equals [!Ref AWS::AccountId, '444455556666']]
    Assertions:
      - {Assert: !Equals [!Ref AWS::Region, us-east-1], AssertDescription: Only in us-east-1.}
      - {Assert: !Equals [!Ref AWS::StackName, mfa-guard]}
Resources: {T: {Type: AWS::SNS::Topic}}
"""


def test_the_templates_own_rules_refuse_in_their_own_words(tmp_path: Path) -> None:
    template = load_template(write(tmp_path, RULES))
    template.render()
    template.render(region="eu-west-1", account="444455556666")
    with pytest.raises(TemplateError, match=r"^Only in us-east-1\.$"):
        template.render(region="eu-west-1")
    with pytest.raises(TemplateError, match="rule Home fails"):
        template.render(stack_name="other")


def test_short_forms_are_read_like_long_ones(tmp_path: Path) -> None:
    text = """
Conditions:
  C: !Condition D
  D: !Equals [a, a]
Resources:
  T:
    Type: AWS::SNS::Topic
    Properties:
      TopicName: !Join ['-', [!Select [0, [Off]], !Sub ['${X}', {X: yes}], on]]
      DisplayName: !GetAtt T.TopicName
      Fifo: true
      Days: 7
"""
    properties = load_template(write(tmp_path, text)).render().resource("T").properties
    assert properties == {"TopicName": "Off-yes-on", "DisplayName": "Off-yes-on", "Fifo": True, "Days": 7}


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("a: [", "cannot be read"),
        ("just text", "has no resources"),
        ("Resources: []", "has no resources"),
        ("Resources: {T: topic}", "Expected an object, not topic"),
        ("Transform: AWS::Serverless-2016-10-31\nResources: {F: {Type: AWS::Serverless::Function}}", "SAM refuses"),
    ],
)
def test_a_file_that_is_no_template_is_refused(tmp_path: Path, text: str, sentence: str) -> None:
    with pytest.raises(TemplateError, match=sentence) as error:
        load_template(write(tmp_path, text))
    assert "\n" not in str(error.value)


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(TemplateError, match=r"nowhere\.yaml cannot be read"):
        load_template(tmp_path / "nowhere.yaml")


def test_a_file_that_is_no_text_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "template.yaml"
    path.write_bytes(b"\xff\xfe\x00")
    with pytest.raises(TemplateError, match="cannot be read"):
        load_template(path)


def test_the_caller_s_aws_configuration_is_not_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_PROFILE", "a-profile-that-does-not-exist")
    monkeypatch.setenv("AWS_DEFAULT_REGION", "cn-north-1")
    stack = load_template(write(tmp_path, FUNCTION)).render()
    assert stack.partition == "aws"
