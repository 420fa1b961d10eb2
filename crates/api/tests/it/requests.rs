//! Requests to typed inputs and to the messages that AWS answers with.

use rootward_api::{SERVICES, iam, organizations, sts};
use rootward_wire::{Constraint, Error, Frame, HttpRequest, Kind, Range, Record, Schema, Sensitive};

use crate::values::{Sent, escape};

fn post(body: &str) -> HttpRequest<'_> {
    HttpRequest { method: "POST", body: body.as_bytes(), ..HttpRequest::default() }
}

fn refused(action: &str, parameters: &str) -> Error {
    let version = if iam::SERVICE.operation(action).is_some() { "2010-05-08" } else { "2011-06-15" };
    let body = format!("Action={action}&Version={version}&{parameters}");
    Frame::read(post(&body), SERVICES).unwrap().input().unwrap_err()
}

fn message(action: &str, parameters: &str) -> String {
    let error = refused(action, parameters);
    assert_eq!((error.code.as_ref(), error.status), ("ValidationError", 400), "{error}");
    error.message
}

/// One violation.
fn one(path: &str, constraint: &str) -> String {
    format!("1 validation error detected: Value at '{path}' failed to satisfy constraint: {constraint}")
}

const WORD: &str = r"Member must satisfy regular expression pattern: [\w+=,.@-]+";
const TAG_KEY: &str = r"Member must satisfy regular expression pattern: [\p{L}\p{Z}\p{N}_.:/=+\-@]+";

#[test]
fn recorded_pattern_message() {
    for action in ["ResetServiceSpecificCredential", "DeleteServiceSpecificCredential"] {
        assert_eq!(
            message(action, "ServiceSpecificCredentialId=totally-wrong-credential-id-with-hyphens"),
            one("serviceSpecificCredentialId", r"Member must satisfy regular expression pattern: [\w]+")
        );
    }
}

#[test]
fn recorded_enum_message_names_no_values() {
    let parameters = "ServiceSpecificCredentialId=satisfiesregexbutstillinvalid&Status=Invalid";
    assert_eq!(
        message("UpdateServiceSpecificCredential", parameters),
        one("status", "Member must satisfy enum value set")
    );
}

#[test]
fn recorded_number_message_quotes_the_value() {
    assert_eq!(
        message("UpdateAccountPasswordPolicy", "MinimumPasswordLength=129"),
        "1 validation error detected: Value \"129\" at \"minimumPasswordLength\" failed to satisfy constraint: \
         Member must have value less than or equal to 128"
    );
    assert!(
        message("UpdateAccountPasswordPolicy", "MinimumPasswordLength=129&PasswordReusePrevention=25")
            .starts_with("2 validation errors detected: Value \"129\" at")
    );
}

#[test]
fn missing_member_must_not_be_null() {
    assert_eq!(message("CreateUser", ""), one("userName", "Member must not be null"));
    assert_eq!(
        message("TagUser", "UserName=a&Tags.member.1.Key=novalue"),
        one("tags.1.member.value", "Member must not be null")
    );
    assert_eq!(
        message("TagUser", "UserName=a&Tags.member.1.Key=a&Tags.member.1.Value=1&Tags.member.2.Value=v"),
        one("tags.2.member.key", "Member must not be null")
    );
}

#[test]
fn empty_text_breaks_length_then_pattern() {
    assert_eq!(
        message("CreateUser", "UserName="),
        format!(
            "2 validation errors detected: Value at 'userName' failed to satisfy constraint: Member must have length \
             greater than or equal to 1; Value at 'userName' failed to satisfy constraint: {WORD}"
        )
    );
}

#[test]
fn length_counts_characters() {
    let name = "a".repeat(65);
    assert_eq!(
        message("CreateUser", &format!("UserName={name}")),
        one("userName", "Member must have length less than or equal to 64")
    );
    let long = escape(&"é".repeat(129));
    assert_eq!(
        message("TagUser", &format!("UserName=a&Tags.member.1.Key={long}&Tags.member.1.Value=")),
        one("tags.1.member.key", "Member must have length less than or equal to 128")
    );
    let fits = escape(&"é".repeat(128));
    let body =
        format!("Action=TagUser&Version=2010-05-08&UserName=a&Tags.member.1.Key={fits}&Tags.member.1.Value=");
    assert!(Frame::read(post(&body), SERVICES).unwrap().input().is_ok());
}

#[test]
fn word_characters_are_ascii() {
    assert_eq!(message("CreateUser", &format!("UserName={}", escape("josé"))), one("userName", WORD));
}

#[test]
fn tag_outside_the_pattern_names_its_place() {
    assert_eq!(
        message("TagUser", "UserName=a&Tags.member.1.Key=bad%23key&Tags.member.1.Value=v"),
        one("tags.1.member.key", TAG_KEY)
    );
}

#[test]
fn list_of_texts_is_one_violation_with_all_constraints() {
    let constraint = format!(
        "Member must satisfy constraint: [Member must have length less than or equal to 128, Member must have length \
         greater than or equal to 1, {TAG_KEY}, Member must not be null]"
    );
    for keys in ["TagKeys.member.1=bad%23", "TagKeys.member.1=", "TagKeys.member.1=%23&TagKeys.member.2=%2A"]
    {
        assert_eq!(
            message("UntagUser", &format!("UserName=a&{keys}")),
            one("tagKeys", &constraint),
            "{keys}"
        );
    }
}

#[test]
fn list_too_long_comes_before_its_members() {
    let tags: String =
        (1..=51).map(|at| format!("&Tags.member.{at}.Key=k{at}&Tags.member.{at}.Value=")).collect();
    let tags = tags.replace("Key=k51&", "Key=bad%23&");
    assert_eq!(
        message("TagUser", &format!("UserName=a{tags}")),
        format!(
            "2 validation errors detected: Value at 'tags' failed to satisfy constraint: Member must have length less \
             than or equal to 50; Value at 'tags.51.member.key' failed to satisfy constraint: {TAG_KEY}"
        )
    );
}

#[test]
fn number_out_of_range_is_a_violation() {
    assert_eq!(
        message("ListUsers", "MaxItems=0"),
        one("maxItems", "Member must have value greater than or equal to 1")
    );
    assert_eq!(
        message(
            "AssumeRole",
            "RoleArn=arn:aws:iam::123456789012:role/a&RoleSessionName=ab&DurationSeconds=899"
        ),
        one("durationSeconds", "Member must have value greater than or equal to 900")
    );
}

#[test]
fn violations_come_in_the_order_of_the_model() {
    assert_eq!(
        message("CreateRole", "Path=x"),
        "3 validation errors detected: Value at 'path' failed to satisfy constraint: Member must satisfy regular \
         expression pattern: (\\u002F)|(\\u002F[\\u0021-\\u007E]+\\u002F); Value at 'roleName' failed to satisfy \
         constraint: Member must not be null; Value at 'assumeRolePolicyDocument' failed to satisfy constraint: Member \
         must not be null"
    );
}

#[test]
fn account_alias_with_two_hyphens_is_refused_with_the_pattern_of_the_model() {
    assert_eq!(
        message("CreateAccountAlias", "AccountAlias=a--b"),
        one(
            "accountAlias",
            "Member must satisfy regular expression pattern: ^[a-z0-9]([a-z0-9]|-(?!-)){1,61}[a-z0-9]$"
        )
    );
    let body = "Action=CreateAccountAlias&Version=2010-05-08&AccountAlias=my-company-1";
    assert!(Frame::read(post(body), SERVICES).unwrap().input().is_ok());
}

#[test]
fn secret_stays_out_of_the_message() {
    let error = message("CreateLoginProfile", &format!("Password={}", escape("geheim\u{2603}")));
    assert!(error.contains("'password'") && !error.contains("geheim"), "{error}");
}

#[test]
fn text_that_is_no_number_boolean_or_list_is_malformed() {
    for (action, parameters) in [
        ("ListUsers", "MaxItems=abc"),
        ("ListUsers", "MaxItems=99999999999"),
        ("ListUsers", "MaxItems="),
        ("CreateLoginProfile", "PasswordResetRequired=perhaps"),
        ("TagUser", "Tags=abc"),
        ("TagUser", "Tags.member.x.Key=a"),
        ("SimulateCustomPolicy", "ContextEntries.member.0.ContextKeyName=a"),
    ] {
        let error = refused(action, parameters);
        assert_eq!((error.code.as_ref(), error.status), ("MalformedInput", 400), "{action} {parameters}");
    }
}

#[test]
fn unknown_parameter_is_ignored() {
    let body =
        "Action=CreateUser&Version=2010-05-08&UserName=a&Nonsense=1&UserName.x=2&Tags.foo=3&X-Amz-Date=4";
    let input = Frame::read(post(body), SERVICES).unwrap().decode::<iam::CreateUser>().unwrap();
    assert_eq!(input, iam::CreateUserRequest { user_name: "a".to_owned(), ..Default::default() });
}

#[test]
fn input_becomes_its_type() {
    let body = "Action=CreateUser&Version=2010-05-08&UserName=alice%40example.com&Path=%2Fdev%2F\
                &Tags.member.2.Key=b&Tags.member.2.Value=&Tags.member.1.Key=a&Tags.member.1.Value=x+y";
    let input = Frame::read(post(body), SERVICES).unwrap().decode::<iam::CreateUser>().unwrap();
    let tag = |key: &str, value: &str| iam::Tag { key: key.to_owned(), value: value.to_owned() };
    assert_eq!(
        input,
        iam::CreateUserRequest {
            path: Some("/dev/".to_owned()),
            user_name: "alice@example.com".to_owned(),
            permissions_boundary: None,
            tags: Some(vec![tag("a", "x y"), tag("b", "")]),
        }
    );
}

#[test]
fn empty_list_is_not_an_absent_one() {
    let body = "Action=CreateUser&Version=2010-05-08&UserName=a&Tags=";
    let input = Frame::read(post(body), SERVICES).unwrap().decode::<iam::CreateUser>().unwrap();
    assert_eq!(input.tags, Some(Vec::new()));
}

#[test]
fn password_is_sensitive_from_the_first_value_on() {
    let body = "Action=CreateLoginProfile&Version=2010-05-08&UserName=a&Password=geheim";
    let frame = Frame::read(post(body), SERVICES).unwrap();
    assert!(!format!("{:?}", frame.input().unwrap()).contains("geheim"));
    let input = frame.decode::<iam::CreateLoginProfile>().unwrap();
    assert_eq!(input.password, Some(Sensitive::new("geheim")));
    assert!(!format!("{input:?}").contains("geheim"));
}

#[test]
fn input_of_another_operation_is_our_error_and_not_a_panic() {
    let body = "Action=GetUser&Version=2010-05-08";
    let error = Frame::read(post(body), SERVICES).unwrap().decode::<iam::GetRole>().unwrap_err();
    assert_eq!((error.code.as_ref(), error.status), ("InternalFailure", 500));
}

#[test]
fn every_operation_refuses_an_empty_request_for_each_required_member() {
    for service in SERVICES {
        for operation in service.operations {
            let sent = Sent::new(operation, &Record::empty(operation.input));
            let answer = Frame::read(sent.request(), &[service]).unwrap().input();
            let required = operation.input.members().iter().filter(|member| member.required);
            let names: Vec<_> = required.map(|member| member.name).collect();
            let Err(error) = answer else {
                assert!(names.is_empty(), "{}", operation.name);
                continue;
            };
            if let Some(own) = service.constraint_error {
                assert_eq!(error.code, own.error.code);
                assert_eq!(error.members[own.member], "INPUT_REQUIRED", "{}", operation.name);
                continue;
            }
            let plural = if names.len() == 1 { "" } else { "s" };
            assert!(
                error.message.starts_with(&format!("{} validation error{plural} detected: ", names.len()))
            );
            for name in names {
                let path = name[..1].to_ascii_lowercase() + &name[1..];
                assert!(error.message.contains(&format!("Value at '{path}' failed")), "{}", operation.name);
            }
        }
    }
}

#[test]
fn organizations_has_a_reason_for_every_constraint_of_its_inputs() {
    fn walk(schema: &'static Schema, seen: &mut Vec<*const Schema>) {
        if seen.contains(&std::ptr::from_ref(schema)) {
            return;
        }
        seen.push(schema);
        let has = |constraint| {
            let own = organizations::SERVICE.constraint_error.unwrap();
            let all = own.reasons.iter().filter(|reason| reason.constraint == constraint);
            assert!(all.clone().any(|reason| reason.shape.is_none()), "{}: {constraint:?}", schema.name);
        };
        match &schema.kind {
            Kind::Enum(_) => has(Constraint::Enum),
            Kind::Integer(_) | Kind::Long(_) => {
                [Constraint::MinValue, Constraint::MaxValue].into_iter().for_each(has)
            }
            Kind::String(_, pattern) => {
                [Constraint::MinLength, Constraint::MaxLength].into_iter().for_each(has);
                pattern.iter().for_each(|_| has(Constraint::Pattern));
            }
            Kind::List(list) => {
                // The texts for lengths speak of strings.
                assert_eq!(list.length, Range::ANY, "{}", schema.name);
                has(Constraint::Members);
                walk(list.member, seen);
            }
            Kind::Map(_) | Kind::Union(_) => panic!("{} needs a reason of its own", schema.name),
            Kind::Structure(members) => members.iter().for_each(|member| {
                has(Constraint::Required);
                walk(member.shape, seen);
            }),
            Kind::Blob(_) | Kind::Boolean | Kind::Double | Kind::Timestamp(_) => {}
        }
    }
    let mut seen = Vec::new();
    organizations::SERVICE.operations.iter().for_each(|operation| walk(operation.input, &mut seen));
}

#[test]
fn every_pattern_compiles() {
    fn walk(schema: &'static Schema, seen: &mut Vec<*const Schema>) {
        if seen.contains(&std::ptr::from_ref(schema)) {
            return;
        }
        seen.push(schema);
        match &schema.kind {
            Kind::List(list) => walk(list.member, seen),
            Kind::Map(map) => [map.key, map.value].iter().for_each(|schema| walk(schema, seen)),
            Kind::String(_, Some(pattern)) => assert!(pattern.compiles(), "{}", pattern.text),
            _ => schema.members().iter().for_each(|member| walk(member.shape, seen)),
        }
    }
    let mut seen = Vec::new();
    for operation in SERVICES.iter().flat_map(|service| service.operations) {
        walk(operation.input, &mut seen);
        walk(operation.output, &mut seen);
    }
    assert!(seen.len() > 500);
}

#[test]
fn session_parameters_of_sts_decode() {
    let body = "Action=AssumeRole&Version=2011-06-15&RoleArn=arn%3Aaws%3Aiam%3A%3A123456789012%3Arole%2Fa\
                &RoleSessionName=s1&PolicyArns.member.1.arn=arn%3Aaws%3Aiam%3A%3Aaws%3Apolicy%2FReadOnlyAccess\
                &TransitiveTagKeys.member.1=k&DurationSeconds=900";
    let input = Frame::read(post(body), SERVICES).unwrap().decode::<sts::AssumeRole>().unwrap();
    assert_eq!(input.role_session_name, "s1");
    assert_eq!(input.duration_seconds, Some(900));
    assert_eq!(input.transitive_tag_keys, Some(vec!["k".to_owned()]));
    let arns = input.policy_arns.unwrap();
    assert_eq!(arns[0].arn, "arn:aws:iam::aws:policy/ReadOnlyAccess");
}

/// Left out, the session would have every permission of its role.
#[test]
fn managed_session_policy_without_arn_is_refused() {
    for member in ["PolicyArns.member.1.Arn=x", "PolicyArns.member.1=x", "PolicyArns.member.1.name=x"] {
        let parameters = format!("RoleArn=arn%3Aaws%3Aiam%3A%3A1%3Arole%2Fa&RoleSessionName=s1&{member}");
        assert_eq!(
            message("AssumeRole", &parameters),
            one("policyArns.1.member.arn", "Member must not be null")
        );
    }
}
