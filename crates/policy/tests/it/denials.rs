//! What a denied caller reads, and what an explanation says.

use rootward_policy::{Attached, Owner, Policies, ResourceKind, ResourcePolicy, Source};

use crate::world::{Asked, SESSION, of, program};

const ANN: &str = "arn:aws:iam::111111111111:user/ann";
const ALLOW: &str = r#"{"Effect":"Allow","Action":"*","Resource":"*"}"#;
const ALLOW_EC2: &str = r#"{"Effect":"Allow","Action":"ec2:*","Resource":"*"}"#;
const DENY: &str = r#"{"Effect":"Deny","Action":"*","Resource":"*"}"#;

fn message(policies: &Policies<'_>) -> String {
    Asked::default().decide(policies).denial_message(ANN, "s3:GetObject", Some("arn:aws:s3:::b/k"))
}

const BASE: &str = "User: arn:aws:iam::111111111111:user/ann is not authorized to perform: s3:GetObject on resource: arn:aws:s3:::b/k";

#[test]
fn missing_allow_names_the_kind_of_policy() {
    let (allow, ec2) = (program(ALLOW), program(ALLOW_EC2));
    let identity = [of(&allow)];
    let because = |kind: &str| format!("{BASE} because no {kind} allows the s3:GetObject action");
    assert_eq!(message(&Policies::default()), because("identity-based policy"));
    let policies = Policies { identity: &identity, boundary: Some(of(&ec2)), ..Policies::default() };
    assert_eq!(message(&policies), because("permissions boundary"));
    let ec2s = [of(&ec2)];
    let policies = Policies { identity: &identity, session: Some(&ec2s), ..Policies::default() };
    assert_eq!(message(&policies), because("session policy"));
    let levels: [&[Attached<'_>]; 2] = [&identity, &ec2s];
    let policies = Policies { identity: &identity, scps: Some(&levels), ..Policies::default() };
    assert_eq!(message(&policies), because("service control policy"));
    let policies = Policies { identity: &identity, endpoint: Some(&[]), ..Policies::default() };
    assert_eq!(message(&policies), because("VPC endpoint policy"));
}

#[test]
fn explicit_deny_names_the_managed_policy() {
    let (allow, deny) = (program(ALLOW), program(DENY));
    let arn = "arn:aws:iam::111111111111:policy/stop";
    let managed = Attached { program: &deny, source: Source::Managed { arn } };
    let inline = Source::Inline { owner: Owner::User, owner_name: "ann", policy_name: "p" };
    let inline = Attached { program: &deny, source: inline };
    let with = |kind: &str| format!("{BASE} with an explicit deny in {kind}");
    let policies = Policies { identity: &[of(&allow), managed], ..Policies::default() };
    assert_eq!(message(&policies), with(&format!("an identity-based policy: {arn}")));
    let policies = Policies { identity: &[of(&allow), inline], ..Policies::default() };
    assert_eq!(message(&policies), with("an identity-based policy"));
    let policies = Policies { boundary: Some(managed), ..Policies::default() };
    assert_eq!(message(&policies), with(&format!("a permissions boundary: {arn}")));
    let session = [of(&deny)];
    let policies = Policies { session: Some(&session), ..Policies::default() };
    assert_eq!(message(&policies), with("a session policy"));
}

#[test]
fn several_denies_are_told_in_order() {
    let deny = program(DENY);
    let denies = [of(&deny)];
    let levels: [&[Attached<'_>]; 1] = [&denies];
    let mut policies = Policies {
        identity: &denies,
        boundary: Some(of(&deny)),
        session: Some(&denies),
        scps: Some(&levels),
        ..Policies::default()
    };
    assert!(message(&policies).ends_with("in a service control policy"));
    policies.guard = Some(of(&deny));
    assert!(message(&policies).ends_with("in a guard policy"));
    (policies.guard, policies.scps) = (None, None);
    assert!(message(&policies).ends_with("in an identity-based policy"));
    policies.identity = &[];
    assert!(message(&policies).ends_with("in a permissions boundary"));
}

#[test]
fn guard_policy_takes_away_and_gives_nothing() {
    let (allow, deny) = (program(ALLOW), program(DENY));
    let arn = "arn:aws:rootward::111111111111:guard-policy";
    let guard = Some(Attached { program: &deny, source: Source::Managed { arn } });
    let policies = Policies { guard, identity: &[of(&allow)], ..Policies::default() };
    assert_eq!(message(&policies), format!("{BASE} with an explicit deny in a guard policy: {arn}"));
    let policies = Policies { guard: Some(of(&allow)), ..Policies::default() };
    assert_eq!(
        message(&policies),
        format!("{BASE} because no identity-based policy allows the s3:GetObject action")
    );
}

#[test]
fn stranger_and_untrusted_are_not_told_why() {
    let asked = Asked { owner: "222222222222", ..Asked::default() };
    let decision = asked.decide(&Policies::default());
    assert_eq!(decision.denial_message(ANN, "s3:GetObject", Some("arn:aws:s3:::b/k")), BASE);
    let allow = program(ALLOW);
    let trust = program(r#"{"Effect":"Allow","Principal":{"AWS":"222222222222"},"Action":"sts:AssumeRole"}"#);
    let role = "arn:aws:iam::111111111111:role/r";
    let asked = Asked { action: "sts:AssumeRole", resource: role, ..Asked::default() };
    let policies = Policies {
        identity: &[of(&allow)],
        resource: Some(ResourcePolicy { attached: of(&trust), kind: ResourceKind::Trust }),
        ..Policies::default()
    };
    assert_eq!(
        asked.decide(&policies).denial_message(ANN, "sts:AssumeRole", Some(role)),
        format!("User: {ANN} is not authorized to perform: sts:AssumeRole on resource: {role}")
    );
}

#[test]
fn resource_is_left_out_where_a_service_leaves_it_out() {
    let decision = Asked::default().decide(&Policies::default());
    assert_eq!(
        decision.denial_message("p", "s3:ListAllMyBuckets", None),
        "User: p is not authorized to perform: s3:ListAllMyBuckets because no identity-based policy allows the s3:ListAllMyBuckets action"
    );
}

#[test]
fn deciding_statement_is_named_with_its_place() {
    let program = rootward_policy::Program::of_stored(
        "{\"Version\":\"2012-10-17\",\"Statement\":[\n {\"Effect\":\"Allow\",\"Action\":\"ec2:*\",\"Resource\":\"*\"},\n {\"Sid\":\"Stop\",\"Effect\":\"Deny\",\"Action\":\"s3:*\",\"Resource\":\"*\"}]}",
    );
    let identity = [of(&program)];
    let decision = Asked::default().decide(&Policies { identity: &identity, ..Policies::default() });
    let cause = decision.cause.unwrap();
    assert_eq!((cause.policy, cause.index, cause.sid()), (0, 1, Some("Stop")));
    assert_eq!(
        (cause.place().start.to_string(), cause.place().end.to_string()),
        ("3:2".into(), "3:63".into())
    );
}

#[test]
fn explanation_shows_what_came_near() {
    let team = program(
        r#"{"Sid":"Team","Effect":"Allow","Action":"s3:Get*","Resource":"*","Condition":{"StringEquals":{"aws:PrincipalTag/team":["blue","red"]}}},
           {"Effect":"Allow","Action":"s3:*","Resource":"arn:aws:s3:::other/*"},
           {"Effect":"Allow","Action":"s3:GetObject","Resource":"*","Condition":{"ForAnyValue:StringLike":{"aws:TagKeys":"x*"}}},
           {"Effect":"Allow","Action":"sqs:*","Resource":"*"}"#,
    );
    let identity = [of(&team)];
    let mut asked = Asked { kind: SESSION, ..Asked::default() };
    asked.context.text("aws:PrincipalTag/Team", "green");
    let text = asked.explain(&Policies { identity: &identity, ..Policies::default() });
    assert_eq!(
        text,
        "implicitDeny: arn:aws:sts::111111111111:assumed-role/app/s1 may not perform s3:GetObject on arn:aws:s3:::b/k, \
         because no identity-based policy allows it\n\
         identity-based policy: 3 of 4 statements about this action\n  \
         statement 1 (Team) at 1:38 does not allow it: StringEquals on `aws:PrincipalTag/team` wants `blue` or `red`, the request has `green`\n  \
         statement 2 at 2:12 does not allow it: it is about `arn:aws:s3:::other/*`, the resource is `arn:aws:s3:::b/k`\n  \
         statement 3 at 3:12 does not allow it: ForAnyValue:StringLike on `aws:TagKeys` wants `x*`, the request does not have it\n\
         keys that only a request settles: aws:TagKeys\n\
         this change would allow it:\n  \
         add to an identity-based policy: {\"Effect\":\"Allow\",\"Action\":\"s3:GetObject\",\"Resource\":\"arn:aws:s3:::b/k\"}"
    );
}
