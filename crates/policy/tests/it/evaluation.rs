//! Rules of evaluation that the worked cases leave out.

use rootward_policy::{Policies, PrincipalKind, ResourceKind, ResourcePolicy};

use crate::world::{Asked, SESSION, USER, of, outcome, program};

const ALLOW: &str = r#"{"Effect":"Allow","Action":"*","Resource":"*"}"#;

/// The outcome of a request with this resource policy and, if asked for, an identity policy that allows everything.
fn by_resource(asked: &Asked<'_>, statements: &str, kind: ResourceKind, identity: bool) -> String {
    let (resource, allow) = (program(statements), program(ALLOW));
    let all = [of(&allow)];
    let policies = Policies {
        identity: if identity { &all } else { &[] },
        resource: Some(ResourcePolicy { attached: of(&resource), kind }),
        ..Policies::default()
    };
    asked.decide(&policies).outcome.to_string()
}

fn trusting(id: &str, kind: PrincipalKind<'_>) -> String {
    let asked = Asked {
        kind,
        action: "sts:AssumeRole",
        resource: "arn:aws:iam::111111111111:role/r",
        ..Asked::default()
    };
    let statement = format!(r#"{{"Effect":"Allow","Principal":{{"AWS":"{id}"}},"Action":"sts:AssumeRole"}}"#);
    by_resource(&asked, &statement, ResourceKind::Trust, false)
}

#[test]
fn stored_unique_ids_name_their_entities() {
    assert_eq!(trusting("AIDA0000000000000ANN", USER), "allowed");
    assert_eq!(trusting("AIDA0000000000000BOB", USER), "implicitDeny");
    assert_eq!(trusting("AROA0000000000000APP", SESSION), "allowed");
    let unknown = PrincipalKind::User { arn: "arn:aws:iam::111111111111:user/ann", id: "" };
    assert_eq!(trusting("", unknown), "implicitDeny");
}

#[test]
fn role_or_key_without_a_policy_is_closed_to_identity_policies() {
    let allow = program(ALLOW);
    let identity = [of(&allow)];
    let policies = Policies { identity: &identity, ..Policies::default() };
    for (action, resource) in [
        ("sts:AssumeRole", "arn:aws:iam::111111111111:role/r"),
        ("kms:Decrypt", "arn:aws:kms:us-east-1:111111111111:key/k"),
    ] {
        let asked = Asked { action, resource, ..Asked::default() };
        assert_eq!(asked.decide(&policies).outcome.to_string(), "implicitDeny", "{action}");
    }
    let asked =
        Asked { action: "iam:PassRole", resource: "arn:aws:iam::111111111111:role/r", ..Asked::default() };
    assert!(asked.decide(&policies).is_allowed());
}

#[test]
fn not_principal_spares_who_is_listed_and_not_their_neighbours() {
    let deny = |listed: &str| {
        let statement =
            format!(r#"{{"Effect":"Deny","NotPrincipal":{{"AWS":{listed}}},"Action":"*","Resource":"*"}}"#);
        by_resource(&Asked::default(), &statement, ResourceKind::Other, true)
    };
    assert_eq!(deny(r#"["arn:aws:iam::111111111111:user/ann","111111111111"]"#), "allowed");
    assert_eq!(deny(r#"["arn:aws:iam::111111111111:user/bob","111111111111"]"#), "explicitDeny");
    assert_eq!(deny(r#""*""#), "allowed");
    // A step on the way from the account to the user is missing.
    assert_eq!(deny(r#""arn:aws:iam::111111111111:user/ann""#), "explicitDeny");
    assert_eq!(deny(r#""111111111111""#), "explicitDeny");
    let root =
        Asked { kind: PrincipalKind::Root { arn: "arn:aws:iam::111111111111:root" }, ..Asked::default() };
    let statement = r#"{"Effect":"Deny","NotPrincipal":{"AWS":"111111111111"},"Action":"*","Resource":"*"}"#;
    assert_eq!(by_resource(&root, statement, ResourceKind::Other, false), "allowed");
}

#[test]
fn not_principal_never_allows() {
    let statement = r#"{"Effect":"Allow","NotPrincipal":{"AWS":"222222222222"},"Action":"*","Resource":"*"}"#;
    assert_eq!(by_resource(&Asked::default(), statement, ResourceKind::Other, false), "implicitDeny");
}

#[test]
fn principal_in_an_identity_policy_grants_nothing() {
    assert_eq!(outcome(r#"{"Effect":"Allow","Principal":"*","Action":"*","Resource":"*"}"#), "implicitDeny");
}

#[test]
fn statement_without_resource_grants_nothing_outside_a_trust_policy() {
    assert_eq!(outcome(r#"{"Effect":"Allow","Action":"*"}"#), "implicitDeny");
}

#[test]
fn root_session_never_does_more_than_its_task_policy() {
    let kind = PrincipalKind::AssumedRoot { arn: "arn:aws:iam::111111111111:root" };
    let asked = Asked { kind, ..Asked::default() };
    let everyone = r#"{"Effect":"Allow","Principal":"*","Action":"*","Resource":"*"}"#;
    assert_eq!(by_resource(&asked, everyone, ResourceKind::Other, false), "implicitDeny");
    let (everyone, task) =
        (program(everyone), program(r#"{"Effect":"Allow","Action":"s3:Get*","Resource":"*"}"#));
    let session = [of(&task)];
    let policies = Policies {
        session: Some(&session),
        resource: Some(ResourcePolicy { attached: of(&everyone), kind: ResourceKind::Other }),
        ..Policies::default()
    };
    assert!(asked.decide(&policies).is_allowed());
}

#[test]
fn short_arns_are_completed_for_identities_only() {
    let allow = |resource: &str, principal: &str| {
        format!(r#"{{"Effect":"Allow",{principal}"Action":"*","Resource":"{resource}"}}"#)
    };
    assert_eq!(outcome(&allow("arn:aws:s3", "")), "allowed");
    assert_eq!(outcome(&allow("arn:aws:sqs", "")), "implicitDeny");
    let everyone = r#""Principal":"*","#;
    let by = |statement: String| by_resource(&Asked::default(), &statement, ResourceKind::Other, false);
    assert_eq!(by(allow("arn:aws:s3", everyone)), "implicitDeny");
    assert_eq!(by(allow("arn:aws:s3*", everyone)), "allowed");
}

#[test]
fn resource_that_is_no_arn_is_covered_by_everything_only() {
    let asked = Asked { resource: "*", ..Asked::default() };
    for (pattern, expected) in
        [("*", "allowed"), ("**", "allowed"), ("arn:*:*:*:*:*", "implicitDeny"), ("?", "implicitDeny")]
    {
        let statement = format!(r#"{{"Effect":"Allow","Action":"*","Resource":"{pattern}"}}"#);
        assert_eq!(asked.by_identity(&statement), expected, "{pattern}");
    }
}

#[test]
fn free_actions_are_denied_to_nobody_but_the_unsigned() {
    let deny = r#"{"Effect":"Deny","Action":"*","Resource":"*"}"#;
    let asked = |kind| Asked { kind, action: "STS:GetCallerIdentity", resource: "*", ..Asked::default() };
    assert_eq!(asked(USER).by_identity(deny), "allowed");
    assert_eq!(asked(PrincipalKind::Anonymous).by_identity(ALLOW), "implicitDeny");
}

#[test]
fn unreadable_policy_of_a_resource_denies_everyone() {
    let broken = rootward_policy::Program::of_stored("{\"Statement\":");
    let allow = program(ALLOW);
    for kind in [ResourceKind::Other, ResourceKind::Trust, ResourceKind::Key] {
        let policies = Policies {
            identity: &[of(&allow)],
            resource: Some(ResourcePolicy { attached: of(&broken), kind }),
            ..Policies::default()
        };
        assert_eq!(Asked::default().decide(&policies).outcome.to_string(), "explicitDeny");
    }
}
