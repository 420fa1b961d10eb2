//! The corpus format.

use rootward_insight::{Input, ask};

use crate::{decisions, faults};

const CORPUS: &str = r#"{"format": 1, "name": "tiny", "seed": 7,
 "principal": {"arn": "arn:aws:iam::111111111111:user/ann", "account": "111111111111", "name": "ann", "organization": "o-1"},
 "identity_policies": [{"name": "p0", "document": {"Version": "2012-10-17", "Statement":
   [{"Sid": "Read", "Effect": "Allow", "Action": "s3:Get*", "Resource": "*"}]}}],
 "permissions_boundary": null, "session_policy": null, "rcps": [],
 "scps": [{"level": "root", "policies": [{"name": "full", "document": {"Version": "2012-10-17", "Statement":
   [{"Effect": "Allow", "Action": "*", "Resource": "*"}]}}]}],
 "resource_policies": [{"name": "bucket", "attached_to": "arn:aws:s3:::b", "document": {"Version": "2012-10-17", "Statement":
   [{"Effect": "Deny", "Principal": "*", "Action": "*", "Resource": "arn:aws:s3:::b/secret"}]}}],
 "actions": ["s3:GetObject"],
 "requests": [
  {"id": 0, "action": "s3:GetObject", "resource": "arn:aws:s3:::a/x", "resource_account": "111111111111", "resource_policy": null,
   "context": {"aws:SourceIp": "10.0.0.1"}},
  {"id": 1, "action": "s3:GetObject", "resource": "arn:aws:s3:::b/secret", "resource_account": "111111111111", "resource_policy": 0,
   "context": {}},
  {"id": 2, "action": "s3:PutObject", "resource": "arn:aws:s3:::a/x", "resource_account": "111111111111", "resource_policy": null,
   "context": {}}]}"#;

#[test]
fn every_request_is_a_question_to_the_same_policies() {
    assert_eq!(decisions(CORPUS), ["allowed", "explicitDeny", "implicitDeny"]);
    let input = Input::read(CORPUS);
    assert_eq!(input.name.as_deref(), Some("tiny"));
    ask(&input.scenarios, |asked| {
        let cause = asked[0].decide().cause.unwrap();
        assert_eq!(cause.to_string(), "p0, statement 1 (Read) at 2:5");
    });
}

#[test]
fn another_format_is_refused() {
    assert_eq!(faults(&CORPUS.replace("\"format\": 1", "\"format\": 2")), ["line 1: `format` must be 1"]);
}

#[test]
fn resource_policy_that_is_not_there_is_named() {
    let text = CORPUS.replace("\"resource_policy\": 0", "\"resource_policy\": 1");
    assert_eq!(
        faults(&text),
        ["line 14: `requests[1].resource_policy` must be the number of one of 1 resource policies, from 0"]
    );
}
