//! What a case may leave out, what it must not, and what happens to what cannot be read.

use rootward_insight::{Input, ask};
use serde_json::{Value, json};

use crate::{decisions, faults};

fn allow_all() -> Value {
    json!({"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": "*", "Resource": "*"}]})
}

fn deny_all() -> Value {
    json!({"Version": "2012-10-17", "Statement": [{"Effect": "Deny", "Action": "*", "Resource": "*"}]})
}

/// Policy of a resource that lets one kind of principal in.
fn letting_in(principal: &Value) -> Value {
    json!({"Version": "2012-10-17", "Statement":
        [{"Effect": "Allow", "Principal": principal, "Action": "*", "Resource": "*"}]})
}

/// A user who may do everything, asking for an object of its own account.
fn case() -> Value {
    json!({
        "id": "T1",
        "principal": {"type": "user", "arn": "arn:aws:iam::111111111111:user/ann", "account": "111111111111"},
        "identity_policies": [allow_all()],
        "request": {"action": "s3:GetObject", "resource": "arn:aws:s3:::b/k"},
    })
}

/// The case with other members; a path such as `request.context` reaches into objects.
fn with(mut case: Value, changes: &[(&str, Value)]) -> String {
    for (path, value) in changes {
        let mut place = &mut case;
        for name in path.split('.') {
            place = &mut place[name];
        }
        *place = value.clone();
    }
    case.to_string()
}

fn decision(changes: &[(&str, Value)]) -> String {
    decisions(&with(case(), changes)).concat()
}

fn fault(changes: &[(&str, Value)]) -> String {
    faults(&with(case(), changes)).concat()
}

#[test]
fn members_that_may_be_absent_may_be_null() {
    assert_eq!(decision(&[]), "allowed");
    for name in [
        "boundary",
        "guard_policy",
        "session_policies",
        "scps",
        "rcps",
        "vpce_policies",
        "resource_policy",
        "expected",
    ] {
        assert_eq!(decision(&[(name, Value::Null)]), "allowed", "{name}");
    }
    for name in ["context", "principal_account", "resource_account", "principal_in_management_account"] {
        assert_eq!(decision(&[(&format!("request.{name}"), Value::Null)]), "allowed", "{name}");
    }
    assert_eq!(decision(&[("identity_policies", Value::Null)]), "implicitDeny");
}

#[test]
fn empty_lists_mean_what_the_table_says() {
    assert_eq!(decision(&[("identity_policies", json!([]))]), "implicitDeny");
    assert_eq!(decision(&[("session_policies", json!([]))]), "implicitDeny");
    assert_eq!(decision(&[("vpce_policies", json!([]))]), "implicitDeny");
    assert_eq!(decision(&[("scps", json!([]))]), "allowed");
    assert_eq!(decision(&[("scps", json!([[]]))]), "implicitDeny");
    assert_eq!(decision(&[("rcps", json!([[], []]))]), "allowed");
}

#[test]
fn documents_may_be_strings_of_json() {
    let text = Value::String(allow_all().to_string());
    assert_eq!(decision(&[("identity_policies", json!([text])), ("boundary", text.clone())]), "allowed");
    let text = Value::String(deny_all().to_string());
    assert_eq!(decision(&[("boundary", text)]), "explicitDeny");
}

#[test]
fn document_that_cannot_be_read_denies_and_says_why() {
    let documents = [
        json!("{"),
        json!(""),
        json!("42"),
        json!({"Version": "2012-10-17"}),
        json!({"Version": "2012-10-17", "Statement": [{"Effect": "allow", "Action": "*", "Resource": "*"}]}),
    ];
    for document in documents {
        for member in ["boundary", "resource_policy"] {
            let text = with(case(), &[(member, document.clone())]);
            assert_eq!(decisions(&text), ["explicitDeny"], "{text}");
            ask(&Input::read(&text).scenarios, |asked| {
                let unreadable: Vec<_> = asked[0].unreadable().map(|document| &*document.name).collect();
                assert_eq!(unreadable, [member]);
            });
        }
    }
}

#[test]
fn element_that_occurs_twice_is_not_read_as_its_last_value() {
    let text = case().to_string().replace(r#""Effect":"Allow""#, r#""Effect":"Deny","Effect":"Allow""#);
    assert_eq!(decisions(&text), ["explicitDeny"]);
}

#[test]
fn lone_surrogate_in_a_document_denies() {
    let text = case().to_string().replace(r#""Action":"*""#, r#""Action":"*\ud800""#);
    assert_eq!(decisions(&text), ["explicitDeny"]);
    let text = with(case(), &[("boundary", json!("X"))]).replace("\"X\"", r#""\ud800""#);
    assert_eq!(decisions(&text), ["explicitDeny"]);
}

#[test]
fn every_type_of_principal_is_known() {
    let resource_side = |kind: &str, name: &str, key: &str| {
        let principal = json!({"type": kind, "arn": name, "account": null});
        let policy = letting_in(&json!({key: name}));
        [("principal", principal), ("resource_policy", policy), ("identity_policies", json!([]))]
    };
    assert_eq!(decision(&resource_side("service", "cloudtrail.amazonaws.com", "Service")), "allowed");
    assert_eq!(decision(&resource_side("web_identity", "accounts.google.com", "Federated")), "allowed");
    let provider = "arn:aws:iam::111111111111:saml-provider/idp";
    assert_eq!(decision(&resource_side("saml", provider, "Federated")), "allowed");
    let anonymous =
        [("principal", json!({"type": "anonymous"})), ("resource_policy", letting_in(&json!("*")))];
    assert_eq!(decision(&anonymous), "allowed");

    let own = |principal: Value| decision(&[("principal", principal)]);
    let account = "111111111111";
    assert_eq!(
        own(json!({"type": "role_session", "arn": "arn:aws:sts::111111111111:assumed-role/r/s",
                   "role_arn": "arn:aws:iam::111111111111:role/r", "account": account})),
        "allowed"
    );
    let federated = json!({"type": "federated_user", "arn": "arn:aws:sts::111111111111:federated-user/f",
                           "user_arn": "arn:aws:iam::111111111111:user/ann", "account": account});
    assert_eq!(own(federated.clone()), "implicitDeny");
    assert_eq!(decision(&[("principal", federated), ("session_policies", json!([allow_all()]))]), "allowed");
    let root = json!({"type": "root", "arn": "arn:aws:iam::111111111111:root", "account": account});
    assert_eq!(decision(&[("principal", root), ("identity_policies", json!([]))]), "allowed");
    let assumed =
        json!({"type": "assumed_root", "arn": "arn:aws:sts::111111111111:assumed-root", "account": account});
    assert_eq!(decision(&[("principal", assumed), ("session_policies", json!([allow_all()]))]), "allowed");
}

#[test]
fn account_comes_from_either_place_or_the_arn() {
    let elsewhere = ("request.resource_account", json!("222222222222"));
    assert_eq!(decision(std::slice::from_ref(&elsewhere)), "implicitDeny");
    let principal = json!({"type": "user", "arn": "arn:aws:iam::222222222222:user/ann"});
    assert_eq!(decision(&[elsewhere.clone(), ("principal", principal.clone())]), "allowed");
    let said = ("request.principal_account", json!("222222222222"));
    assert_eq!(decision(&[elsewhere, ("principal", principal), said.clone()]), "allowed");
    assert_eq!(
        fault(&[said]),
        "line 1: case `T1`: `request.principal_account` is not what `principal.account` says"
    );
}

#[test]
fn policy_of_a_role_is_a_trust_policy_when_it_is_assumed() {
    let trust = json!({"Version": "2012-10-17", "Statement":
        [{"Effect": "Allow", "Principal": {"AWS": "111111111111"}, "Action": "sts:AssumeRole"}]});
    let role = ("request.resource", json!("arn:aws:iam::111111111111:role/r"));
    let policy = ("resource_policy", trust);
    let action = |action| ("request.action", json!(action));
    assert_eq!(decision(&[role.clone(), action("sts:AssumeRole")]), "implicitDeny");
    assert_eq!(decision(&[role.clone(), action("sts:AssumeRole"), policy.clone()]), "allowed");
    assert_eq!(decision(&[role, action("iam:GetRole"), policy]), "allowed");
}

#[test]
fn service_linked_is_said_by_the_path_or_by_the_case() {
    let session = json!({"type": "role_session", "arn": "arn:aws:sts::111111111111:assumed-role/r/s",
                         "role_arn": "arn:aws:iam::111111111111:role/r", "service_linked": true});
    let guard = ("guard_policy", deny_all());
    assert_eq!(decision(&[("principal", session.clone()), guard.clone()]), "allowed");
    let managing = ("request.principal_in_management_account", json!(true));
    assert_eq!(decision(&[guard, managing]), "explicitDeny");
    let scps = ("scps", json!([[deny_all()]]));
    assert_eq!(decision(&[("principal", session), scps.clone()]), "allowed");
    assert_eq!(
        decision(&[scps.clone(), ("request.principal_in_management_account", json!(true))]),
        "allowed"
    );
    assert_eq!(decision(&[scps]), "explicitDeny");
}

#[test]
fn context_takes_strings_numbers_booleans_and_lists() {
    let policy = json!({"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": "*", "Resource": "*", "Condition": {
        "StringEquals": {"aws:A": "x"}, "NumericEquals": {"aws:N": "10"}, "Bool": {"aws:B": "true"},
        "ForAllValues:StringEquals": {"aws:L": ["a", "1"]}, "Null": {"aws:L": "false"}}}]});
    let policy = ("identity_policies", json!([policy]));
    let context = json!({"aws:A": "x", "aws:N": 10, "aws:B": true, "aws:L": ["a", 1]});
    assert_eq!(decision(&[policy.clone(), ("request.context", context)]), "allowed");
    assert_eq!(decision(&[policy]), "implicitDeny");
    for value in [Value::Null, json!({}), json!([null]), json!([["a"]])] {
        let fault = fault(&[("request.context", json!({"aws:A": value}))]);
        assert!(fault.contains("`request.context.aws:A"), "{fault}");
        assert!(fault.contains("must be a string, number or boolean, found"), "{fault}");
    }
}

#[test]
fn key_of_the_context_overrides_what_follows_from_the_principal() {
    let policy = json!([{"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": "*", "Resource": "*",
        "Condition": {"StringEquals": {"aws:username": "bob"}}}]}]);
    assert_eq!(decision(&[("identity_policies", policy.clone())]), "implicitDeny");
    let context = ("request.context", json!({"AWS:UserName": "bob"}));
    assert_eq!(decision(&[("identity_policies", policy), context]), "allowed");
}

#[test]
fn remarks_pass_and_policies_under_wrong_names_do_not() {
    let remarks = [
        ("sketch", json!("a {word} in braces")),
        ("tricky", json!(true)),
        ("tags", json!(["a", "b"])),
        ("resource_account_scps_must_be_ignored", json!([[deny_all()]])),
        ("principal_account_rcps_must_be_ignored", json!([[deny_all()]])),
    ];
    assert_eq!(decision(&remarks), "allowed");
    for policy in [deny_all(), json!([deny_all()]), json!(deny_all().to_string())] {
        assert_eq!(fault(&[("boundry", policy)]), "line 1: case `T1`: `boundry` is no member of the format");
    }
}

#[test]
fn fault_names_case_member_and_line() {
    let said = |path: &str, value: Value| fault(&[(path, value)]);
    assert_eq!(
        said("principal.type", json!("usr")),
        "line 1: case `T1`: `principal.type` must be anonymous, assumed_root, federated_user, role_session, root, saml, \
         service, user or web_identity"
    );
    assert_eq!(
        said("request.action", Value::Null),
        "line 1: case `T1`: `request.action` must be a string, found null"
    );
    assert_eq!(
        said("request", json!({"resource": "*"})),
        "line 1: case `T1`: `request` has no member `action`"
    );
    assert_eq!(
        said("expected", json!("Allowed")),
        "line 1: case `T1`: `expected` must be allowed, explicitDeny or implicitDeny"
    );
    assert_eq!(
        said("scps", json!([allow_all()])),
        "line 1: case `T1`: `scps[0]` must be a list, found an object"
    );
    assert_eq!(
        said("identity_policies", json!([7])),
        "line 1: case `T1`: `identity_policies[0]` must be a policy: an object, or a string that holds one"
    );
    assert_eq!(
        said("request.resource_account", json!("12")),
        "line 1: case `T1`: `request.resource_account` must be an account id, twelve digits"
    );
    assert_eq!(
        said("principal", json!({"type": "user"})),
        "line 1: case `T1`: `principal` has no member `arn`"
    );
    let text =
        "[\n{\"id\":\"A\"},\n\n{\"principal\":1},\n {\"id\":\"B\",\"principal\":\n{},\n\"request\":{}}]";
    assert_eq!(
        faults(text),
        [
            "line 2: case `A`: no member `principal`",
            "line 4: case number 2: no member `id`",
            "line 6: case `B`: `principal` has no member `type`"
        ]
    );
}

#[test]
fn case_that_cannot_be_read_does_not_hide_the_others() {
    let text = format!("[{}, {{\"id\": \"bad\"}}, {}]", case(), case());
    let input = Input::read(&text);
    assert_eq!((input.scenarios.len(), input.unreadable.len()), (2, 1));
}

#[test]
fn one_case_or_several_one_after_another_are_read_too() {
    assert_eq!(decisions(&format!("\u{feff}{}\n{}", case(), case())), ["allowed", "allowed"]);
    assert_eq!(decisions("[]"), [""; 0]);
    assert_eq!(faults("  \n"), ["line 1: the text is empty"]);
    assert_eq!(faults("\n42"), ["line 2: case number 1: it must be an object, found a number"]);
    assert_eq!(faults("[\n1,"), ["line 2: EOF while parsing a value"]);
}

#[test]
fn member_that_occurs_twice_is_a_fault() {
    let text = case().to_string().replacen(r#""id":"T1""#, r#""id":"T1","boundary":null,"boundary":null"#, 1);
    assert_eq!(faults(&text), ["line 1: case number 1: cannot be read: member `boundary` occurs twice"]);
}

#[test]
fn nesting_of_any_depth_is_read_without_recursion() {
    let deep = format!("{}{}", "[".repeat(200_000), "]".repeat(200_000));
    assert_eq!(faults(&deep), ["line 1: case number 1: it must be an object, found a list"]);
    let document = format!("{{\"Statement\":{deep}}}");
    let text = with(case(), &[("boundary", json!("X"))]).replace("\"X\"", &document);
    assert_eq!(decisions(&text), ["explicitDeny"]);
}
