//! What is wrong with a document: in our words for its author, in AWS's for API callers.

use rootward_policy::{Policy, PolicyKind};

fn aws(text: &str, kind: PolicyKind) -> String {
    Policy::parse(text, kind)
        .map_or_else(|problems| problems.aws_message().to_owned(), |_| "accepted".to_owned())
}

fn identity(statement: &str) -> String {
    aws(&format!(r#"{{"Version":"2012-10-17","Statement":{statement}}}"#), PolicyKind::Identity)
}

fn trust(statement: &str) -> String {
    aws(&format!(r#"{{"Version":"2012-10-17","Statement":{statement}}}"#), PolicyKind::Trust)
}

/// An otherwise good statement with these elements added or in place of its own.
fn resource(arn: &str) -> String {
    identity(&format!(r#"{{"Effect":"Allow","Action":"s3:Get*","Resource":"{arn}"}}"#))
}

fn action(action: &str) -> String {
    identity(&format!(r#"{{"Effect":"Allow","Action":["s3:Get*","{action}"],"Resource":"*"}}"#))
}

const SYNTAX: &str = "Syntax errors in policy.";
const LEGACY: &str = "The policy failed legacy parsing";
const OK: &str = "accepted";

#[test]
fn documents_that_are_not_in_the_grammar_are_syntax_errors() {
    for text in [
        "",
        "{",
        "[]",
        "\"text\"",
        "{}",
        r#"{"Version":"2012-10-17"}"#,
        r#"{"Version":"2012-10-17","Statement":[]}"#,
        r#"{"Version":"2012-10-17","Statement":["x"]}"#,
        r#"{"Version":"2013-10-17","Statement":{"Effect":"Allow","Action":"*","Resource":"*"}}"#,
        r#"{"Version":"2012-10-17","Extra":1,"Statement":{"Effect":"Allow","Action":"*","Resource":"*"}}"#,
    ] {
        assert_eq!(aws(text, PolicyKind::Identity), SYNTAX, "{text}");
    }
    for statement in [
        r#"{"Action":"*","Resource":"*"}"#,
        r#"{"Effect":"Maybe","Action":"*","Resource":"*"}"#,
        r#"{"Effect":"Allow","Action":"*","NotAction":"*","Resource":"*"}"#,
        r#"{"Effect":"Allow","Action":"*","Resource":"*","NotResource":"*"}"#,
        r#"{"Effect":"Allow","Action":"*","Action":"*","Resource":"*"}"#,
        r#"{"Effect":"Allow","action":"*","Resource":"*"}"#,
        r#"{"Effect":"Allow","Action":{},"Resource":"*"}"#,
        r#"{"Effect":"Allow","Action":"*","Resource":[1]}"#,
        r#"{"Effect":"Allow","Action":"*","Resource":"*","Condition":[]}"#,
        r#"{"Effect":"Allow","Action":"*","Resource":"*","Condition":{"StringEquals":"x"}}"#,
        r#"{"Effect":"Allow","Action":"*","Resource":"*","Condition":{"StringEquals":{"a":null}}}"#,
        r#"{"Effect":"Allow","Action":"*","Resource":"*","Condition":{"stringequals":{"a":"b"}}}"#,
    ] {
        assert_eq!(identity(statement), SYNTAX, "{statement}");
    }
}

#[test]
fn each_fault_has_the_words_of_aws() {
    let missing = "Policy document must be version 2012-10-17 or greater.";
    // The version comes before the effect in the order of checks.
    assert_eq!(
        aws(r#"{"Statement":{"Effect":"allow","Action":"*","Resource":"*"}}"#, PolicyKind::Identity),
        missing
    );
    assert_eq!(
        aws(r#"{"Statement":{"Effect":"Allow","Action":"*","Resource":"*"}}"#, PolicyKind::Identity),
        missing
    );
    assert_eq!(identity(r#"{"Effect":"denY","Action":"*","Resource":"*"}"#), LEGACY);
    assert_eq!(
        identity(
            r#"[{"Sid":"a","Effect":"Deny","Action":"*","Resource":"*"},{"Sid":"a","Effect":"Deny","Action":"*","Resource":"*"}]"#
        ),
        "Statement IDs (SID) in a single policy must be unique."
    );
    assert!(
        identity(r#"{"Sid":"a b","Effect":"Deny","Action":"*","Resource":"*"}"#).contains("alpha-numeric")
    );
    assert_eq!(identity(r#"{"Effect":"Deny","Resource":"*"}"#), "Policy statement must contain actions.");
    assert_eq!(
        identity(r#"{"Effect":"Deny","Action":[],"Resource":"*"}"#),
        "Policy statement must contain actions."
    );
    assert_eq!(identity(r#"{"Effect":"Deny","Action":"*"}"#), "Policy statement must contain resources.");
    assert_eq!(
        identity(r#"{"Effect":"Deny","Action":"*","Resource":"*","Principal":"*"}"#),
        "Policy document should not specify a principal."
    );
}

#[test]
fn actions_need_a_service_and_one_colon() {
    let vendor = "Actions/Conditions must be prefaced by a vendor, e.g., iam, sdb, ec2, etc.";
    assert_eq!(action("GetObject"), vendor);
    assert_eq!(action(""), vendor);
    assert_eq!(action("s3:a:b"), "Actions/Condition can contain only one colon.");
    assert_eq!(action("s_3:Get"), "Vendor s_3 is not valid");
    assert_eq!(action("s3*:Get"), "Vendor s3* is not valid");
    for odd in ["*", "*:*", "s3:Get Object,x", "no-such.service:X", "s3:"] {
        assert_eq!(action(odd), OK, "{odd}");
    }
}

#[test]
fn resources_are_arns_or_everything() {
    assert_eq!(resource("b"), "Resource b must be in ARN format or \"*\".");
    assert_eq!(resource("arn:x:s3:::b"), "Partition \"x\" is not valid for resource \"arn:x:s3:::b\".");
    assert_eq!(resource("arn:x:s3"), "Partition \"x\" is not valid for resource \"arn:x:s3:*:*:*\".");
    assert_eq!(resource("arn:aws"), "Resource vendor must be fully qualified and cannot contain regexes.");
    assert_eq!(resource("arn:aws:s3::b"), LEGACY);
    assert_eq!(resource("arn:aws::::b"), LEGACY);
    assert_eq!(
        resource("arn:aws:iam:us-east-1::user/a"),
        "IAM resource arn:aws:iam:us-east-1::user/a cannot contain region information."
    );
    assert_eq!(
        resource("arn:aws:s3:us-east-1::b"),
        "Resource arn:aws:s3:us-east-1::b can not contain region information."
    );
    assert!(
        resource("arn:aws:iam::111111111111:usr/a")
            .starts_with("IAM resource path must either be \"*\" or start with user/, ")
    );
    for good in [
        "*",
        "arn:aws:s3:::b/${aws:username}/*",
        "arn:aws-cn:iam::111111111111:role/*",
        "arn:aws:iam::111111111111:*",
        "arn:aws:iam::*:root",
        "arn:aws:s3:us-east-1:111111111111:accesspoint/a",
        "arn:aws:s33:::x",
        "arn:aws:fdsasf",
        "arn:*:sqs:*:*:q",
    ] {
        assert_eq!(resource(good), OK, "{good}");
    }
}

#[test]
fn conditions_may_be_empty_or_odd_but_dates_are_dates() {
    let condition = |condition: &str| {
        identity(&format!(r#"{{"Effect":"Allow","Action":"*","Resource":"*","Condition":{condition}}}"#))
    };
    for good in [
        "{}",
        r#"{"DateGreaterThan":{}}"#,
        r#"{"NoSuchOperator":{}}"#,
        r#"{"StringEquals":{"a":[]}}"#,
        r#"{"Bool":{"a":true},"NumericLessThan":{"b":[1,2.5]}}"#,
        r#"{"ForAllValues:StringLikeIfExists":{"a":"b"}}"#,
        r#"{"DateLessThan":{"aws:CurrentTime":["2026-01-01T00:00:00Z","1700000000"]}}"#,
    ] {
        assert_eq!(condition(good), OK, "{good}");
    }
    assert_eq!(condition(r#"{"DateLessThan":{"aws:CurrentTime":"2026-13-01"}}"#), LEGACY);
    assert_eq!(condition(r#"{"DateLessThanIfExists":{"aws:CurrentTime":"soon"}}"#), LEGACY);
}

#[test]
fn trust_policies_take_principals_and_sts_actions_and_no_resource() {
    let good = r#"{"Effect":"Allow","Principal":{"AWS":["111111111111","arn:aws:iam::111111111111:role/a/b"],"Service":"ec2.amazonaws.com","Federated":"accounts.google.com"},"Action":["sts:AssumeRole","sts:TagSession"]}"#;
    assert_eq!(trust(good), OK);
    assert_eq!(aws("{", PolicyKind::Trust), "This policy contains invalid Json");
    assert_eq!(aws(&format!(r#"{{"Version":"2008-10-17","Statement":{good}}}"#), PolicyKind::Trust), OK);
    assert_eq!(
        trust(r#"{"Effect":"Allow","Principal":"*","Action":"sts:AssumeRole","Resource":"*"}"#),
        "Has prohibited field Resource."
    );
    assert_eq!(trust(r#"{"Effect":"Allow","Action":"sts:AssumeRole"}"#), "Missing required field Principal");
    assert_eq!(
        trust(r#"{"Effect":"Allow","Principal":"*","Action":"s3:GetObject"}"#),
        "Trust Policy statement actions can only be sts:AssumeRole, sts:AssumeRoleWithSAML,  and sts:AssumeRoleWithWebIdentity"
    );
    assert_eq!(
        trust(r#"{"Effect":"Allow","Principal":{"AWS":"ann"},"Action":"sts:AssumeRole"}"#),
        "Invalid principal in policy: \"AWS\":\"ann\""
    );
    assert_eq!(trust(r#"{"Effect":"Allow","Principal":"ann","Action":"sts:AssumeRole"}"#), SYNTAX);
    for nobody in
        ["arn:aws:iam::111111111111:user/*", "arn:aws:iam::111111111111:group/g", "arn:aws:iam::1:root"]
    {
        let statement =
            format!(r#"{{"Effect":"Allow","Principal":{{"AWS":"{nobody}"}},"Action":"sts:AssumeRole"}}"#);
        assert!(trust(&statement).starts_with("Invalid principal"), "{nobody}");
    }
}

#[test]
fn rules_of_organization_policies() {
    let rcp = |statement: &str| {
        Policy::parse(&format!(r#"{{"Version":"2012-10-17","Statement":{statement}}}"#), PolicyKind::Rcp)
            .is_ok()
    };
    assert!(rcp(r#"{"Effect":"Deny","Principal":"*","Action":"s3:Get*","NotResource":"arn:aws:s3:::a/*"}"#));
    assert!(!rcp(r#"{"Effect":"Allow","Principal":"*","Action":"s3:*","Resource":"*"}"#));
    assert!(!rcp(r#"{"Effect":"Deny","Principal":"*","Action":"*","Resource":"*"}"#));
    assert!(!rcp(r#"{"Effect":"Deny","Principal":"*","Action":"S3:*","Resource":"*"}"#));
    assert!(!rcp(r#"{"Effect":"Deny","Principal":"*","NotAction":"s3:*","Resource":"*"}"#));
    assert!(!rcp(r#"{"Effect":"Deny","Principal":{"AWS":"111111111111"},"Action":"s3:*","Resource":"*"}"#));
    let scp = |resource: &str| {
        let text = format!(
            r#"{{"Version":"2012-10-17","Statement":{{"Effect":"Allow","NotAction":"s3:*","Resource":"{resource}"}}}}"#
        );
        Policy::parse(&text, PolicyKind::Scp).is_ok()
    };
    assert!(scp("*") && scp("arn:aws:sqs*") && !scp("arn:aws:sqs"));
}

#[test]
fn guard_policy_is_held_to_the_rules_of_scps_and_only_denies() {
    let guard = |statement: &str| {
        Policy::parse(&format!(r#"{{"Version":"2012-10-17","Statement":{statement}}}"#), PolicyKind::Guard)
    };
    let deny = r#"{"Effect":"Deny","NotAction":"iam:Get*","Resource":"arn:aws:sqs*"}"#;
    assert!(guard(deny).is_ok());
    assert!(guard(&deny.replace("sqs*", "sqs")).is_err());
    assert!(guard(r#"{"Effect":"Deny","Principal":"*","Action":"*","Resource":"*"}"#).is_err());
    assert!(Policy::parse(&format!(r#"{{"Statement":{deny}}}"#), PolicyKind::Guard).is_err());
    let allows = r#"[{"Effect":"Deny","Action":"*","Resource":"*"},{"Effect":"Allow","Action":"s3:*","Resource":"*"}]"#;
    assert_eq!(
        guard(allows).unwrap_err().to_string(),
        "1:84: a guard policy only denies, and takes no `Allow`; write what it denies; everything else is for other policies \
         to allow"
    );
}

#[test]
fn every_problem_is_told_at_its_place() {
    let text = "{\n  \"Version\": \"2012-10-17\",\n  \"Statement\": [\n    {\"Effect\": \"allow\", \"Action\": \"s3Get\", \"Resource\": \"*\"},\n    {\"Effect\": \"Deny\", \"Action\": [\"s3:\\u0000x:y\", 7], \"Resource\": \"b\"}\n  ]\n}";
    let problems = Policy::parse(text, PolicyKind::Identity).unwrap_err();
    assert_eq!(
        problems.to_string(),
        "4:16: unknown effect `allow`; write `Allow` or `Deny`, with exactly these letters\n\
         5:35: action `s3:\u{fffd}x:y` has more than one colon; write `service:Name`, or `*` alone for every action\n\
         5:51: `Action` must be a string or a list of strings, found a number; see the grammar of the element\n\
         5:67: resource `b` is not in the form of an ARN; write `arn:partition:service:region:account:resource`, or `*` alone"
    );
    assert_eq!(problems.iter().next().unwrap().place.span.of(text), "\"allow\"");
    assert_eq!(problems.aws_message(), SYNTAX);
}
