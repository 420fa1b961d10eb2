//! What a principal may do: which policies are gathered, and what they are told about the request.

use std::sync::Arc;

use rootward_auth::authn::Authority;
use rootward_auth::authz::{
    Callers, Check, Question, RequestFacts, authorize, explain, is_denied, is_managed_policy,
    with_resource_policy,
};
use rootward_auth::root_task::RootTask;
use rootward_auth::session::SessionPolicies;
use rootward_auth::{AssumedRoot, Credential, FederatedUser, Identity, Principal, SignIn};
use rootward_names::Partition;
use rootward_policy::{Context, Outcome, Outlook};
use rootward_state::RowKey;
use rootward_state::entities::{
    AccountSettings, Document, Grants, Group, ManagedPolicy, PasswordPolicy, PolicyRef, SessionKind,
};

use crate::bench::{ACCOUNT, Bench, ELSEWHERE, NOW, account, document, inline, principal, role_session, tag};

const ALLOW: &str = r#"{"Effect": "Allow", "Action": "*", "Resource": "*"}"#;
const DENY: &str = r#"{"Effect": "Deny", "Action": "iam:ListUsers", "Resource": "*"}"#;
const RESOURCE: &str = "arn:aws:iam::111122223333:user/";

fn bench() -> Bench {
    Bench::new(Authority::Issued)
}

fn facts() -> RequestFacts<'static> {
    RequestFacts {
        now: NOW,
        region: "eu-west-1",
        source_ip: [192, 0, 2, 7].into(),
        user_agent: None,
        referer: None,
        secure_transport: true,
    }
}

fn check() -> Check<'static> {
    Check {
        action: "iam:ListUsers",
        resource: RESOURCE,
        shown: None,
        resource_account: account(),
        trust: None,
        second_factor: None,
    }
}

/// The text of the denial; none when it is allowed.
fn denial(bench: &Bench, principal: &Principal) -> Option<String> {
    let denied = authorize(&bench.world(), principal, &facts(), &check(), Context::new()).err()?;
    assert_eq!(denied.code, "AccessDenied");
    Some(denied.message)
}

fn user(bench: &mut Bench, grants: Grants) -> Principal {
    principal(Identity::User(bench.user("ann", |user| user.grants = grants)))
}

fn attached(policies: &[PolicyRef]) -> Grants {
    Grants { attached: policies.to_vec(), ..Grants::default() }
}

/// An Allow under one condition, as the only policy of a user.
fn allow_if(condition: &str) -> Grants {
    inline(&format!(r#"{{"Effect": "Allow", "Action": "*", "Resource": "*", "Condition": {{{condition}}}}}"#))
}

fn because(reason: &str) -> Option<String> {
    Some(format!(
        "User: arn:aws:iam::111122223333:user/ann is not authorized to perform: iam:ListUsers on resource: {RESOURCE}{reason}"
    ))
}

const NO_IDENTITY: &str = " because no identity-based policy allows the iam:ListUsers action";
const NO_BOUNDARY: &str = " because no permissions boundary allows the iam:ListUsers action";
const NO_SESSION: &str = " because no session policy allows the iam:ListUsers action";
const SESSION_DENY: &str = " with an explicit deny in a session policy";

fn because_session(reason: &str) -> Option<String> {
    because(reason)
        .map(|text| text.replace("iam::111122223333:user/ann", "sts::111122223333:assumed-role/app/s1"))
}

#[test]
fn user_without_policies_may_nothing_and_the_root_may_everything() {
    let mut bench = bench();
    let ann = user(&mut bench, Grants::default());
    assert_eq!(denial(&bench, &ann), because(NO_IDENTITY));
    assert_eq!(denial(&bench, &principal(Identity::Root)), None);
}

#[test]
fn resource_is_shown_as_the_service_names_it() {
    let mut bench = bench();
    let ann = user(&mut bench, Grants::default());
    let check = Check { shown: Some("user/*"), ..check() };
    let denied = authorize(&bench.world(), &ann, &facts(), &check, Context::new()).unwrap_err();
    assert!(denied.message.contains("on resource: user/* because"), "{}", denied.message);
}

#[test]
fn inline_customer_and_aws_policies_grant() {
    let mut bench = bench();
    let customer = bench.policy("all", ALLOW);
    for grants in
        [inline(ALLOW), attached(&[customer]), attached(&[PolicyRef::Aws("IAMReadOnlyAccess".into())])]
    {
        let ann = user(&mut bench, grants);
        assert_eq!(denial(&bench, &ann), None);
    }
}

#[test]
fn deny_is_told_with_the_policy_that_has_a_name() {
    let mut bench = bench();
    let deny = bench.policy("no-list", DENY);
    let grants = Grants { attached: vec![deny], ..inline(ALLOW) };
    let ann = user(&mut bench, grants);
    let arn = "arn:aws:iam::111122223333:policy/no-list";
    let named = format!(" with an explicit deny in an identity-based policy: {arn}");
    assert_eq!(denial(&bench, &ann), because(&named));
    let ann = user(&mut bench, inline(DENY));
    assert_eq!(denial(&bench, &ann), because(" with an explicit deny in an identity-based policy"));
}

#[test]
fn what_nobody_allows_is_not_what_a_policy_denies() {
    let mut bench = bench();
    let denied =
        |bench: &Bench, principal: &Principal| is_denied(&bench.world(), principal, &facts(), &check());
    let nothing = user(&mut bench, Grants::default());
    assert!(denial(&bench, &nothing).is_some() && !denied(&bench, &nothing));
    let both = user(&mut bench, inline(DENY));
    assert!(denied(&bench, &both));
    let gone = Principal { account: ELSEWHERE.parse().unwrap(), ..both };
    assert!(denied(&bench, &gone));
}

#[test]
fn groups_grant_and_deny_to_their_members_while_they_exist() {
    let mut bench = bench();
    let (allowing, denying) = (bench.group("allow", inline(ALLOW)), bench.group("deny", inline(DENY)));
    let member = principal(Identity::User(bench.user("ann", |user| user.groups = vec![allowing])));
    assert_eq!(denial(&bench, &member), None);
    let both = principal(Identity::User(bench.user("ann", |user| user.groups = vec![allowing, denying])));
    assert_eq!(denial(&bench, &both), because(" with an explicit deny in an identity-based policy"));
    bench.write(|txn| {
        txn.delete_entity::<Group>(account(), "allow");
        txn.delete_entity::<Group>(account(), "deny");
    });
    assert_eq!(denial(&bench, &both), because(NO_IDENTITY));
}

#[test]
fn change_of_a_managed_policy_counts_for_the_next_request() {
    let mut bench = bench();
    let policy = bench.policy("p", ALLOW);
    let ann = user(&mut bench, attached(&[policy]));
    assert_eq!(denial(&bench, &ann), None);
    bench.write(|txn| {
        let mut row = (*txn.named::<ManagedPolicy>(account(), "p").unwrap()).clone();
        row.versions[0].document = document(DENY);
        txn.put_entity(account(), row);
    });
    let arn = "arn:aws:iam::111122223333:policy/p";
    assert_eq!(
        denial(&bench, &ann),
        because(&format!(" with an explicit deny in an identity-based policy: {arn}"))
    );
}

#[test]
fn policy_that_is_gone_grants_nothing_and_a_boundary_that_is_gone_allows_nothing() {
    let mut bench = bench();
    let policy = bench.policy("p", ALLOW);
    let ann = user(&mut bench, attached(std::slice::from_ref(&policy)));
    let bounded = principal(Identity::User(bench.user("ann", |user| {
        user.grants = inline(ALLOW);
        user.boundary = Some(policy.clone());
    })));
    assert_eq!((denial(&bench, &ann), denial(&bench, &bounded)), (None, None));
    bench.write(|txn| txn.delete_entity::<ManagedPolicy>(account(), "p"));
    assert_eq!(denial(&bench, &ann), because(NO_IDENTITY));
    assert_eq!(denial(&bench, &bounded), because(" with an explicit deny in a permissions boundary"));
    let unknown = user(&mut bench, attached(&[PolicyRef::Aws("NoSuchPolicyOfAws".into())]));
    assert_eq!(denial(&bench, &unknown), because(NO_IDENTITY));
}

#[test]
fn boundary_cuts_and_does_not_grant() {
    let mut bench = bench();
    let other = bench.policy("s3", r#"{"Effect": "Allow", "Action": "s3:*", "Resource": "*"}"#);
    let all = bench.policy("all", ALLOW);
    let mut bounded = |grants: Grants, boundary: &PolicyRef| {
        let ann = bench.user("ann", |user| {
            user.grants = grants;
            user.boundary = Some(boundary.clone());
        });
        denial(&bench, &principal(Identity::User(ann)))
    };
    assert_eq!(bounded(inline(ALLOW), &all), None);
    assert_eq!(bounded(inline(ALLOW), &other), because(NO_BOUNDARY));
    assert_eq!(bounded(Grants::default(), &all), because(NO_IDENTITY));
    assert_eq!(bounded(inline(ALLOW), &PolicyRef::Aws("IAMReadOnlyAccess".into())), None);
}

#[test]
fn unreadable_document_denies_everything() {
    let mut bench = bench();
    let mut grants = inline(ALLOW);
    let mut broken = grants.inline[0].clone();
    broken.name = "broken".into();
    broken.document = Document::new("{");
    grants.inline.push(broken);
    let ann = user(&mut bench, grants);
    assert_eq!(denial(&bench, &ann), because(" with an explicit deny in an identity-based policy"));
}

#[test]
fn session_policies_cut_what_the_role_may() {
    let mut bench = bench();
    let policy = bench.policy("all", ALLOW);
    let role = bench.role("app", |role| role.grants = inline(ALLOW));
    let with = |inline: Option<&str>, managed: &[&str]| {
        let policies = SessionPolicies {
            inline: inline.map(document),
            managed: managed.iter().map(|&arn| arn.into()).collect(),
        };
        denial(&bench, &role_session(&role, |session| session.policies = Arc::new(policies)))
    };
    let (all, read) = ("arn:aws:iam::111122223333:policy/all", "arn:aws:iam::aws:policy/IAMReadOnlyAccess");
    let s3 = r#"{"Effect": "Allow", "Action": "s3:*", "Resource": "*"}"#;
    assert_eq!(with(None, &[]), None);
    assert_eq!(with(Some(ALLOW), &[]), None);
    assert_eq!(with(None, &[all]), None);
    assert_eq!(with(None, &[read]), None);
    // One that allows is enough, one that denies too.
    assert_eq!(with(Some(s3), &[all]), None);
    assert_eq!(with(Some(s3), &[]), because_session(NO_SESSION));
    assert_eq!(with(Some(DENY), &[all]), because_session(SESSION_DENY));
    drop(policy);
}

#[test]
fn session_policy_that_leads_nowhere_denies_everything() {
    let mut bench = bench();
    bench.policy("all", ALLOW);
    let role = bench.role("app", |role| role.grants = inline(ALLOW));
    for arn in [
        "arn:aws:iam::111122223333:policy/gone",
        "arn:aws:iam::111122223333:policy/path/all",
        "arn:aws:iam::444455556666:policy/all",
        "arn:aws:iam::aws:policy/all",
        "arn:aws-cn:iam::111122223333:policy/all",
        "all",
        "",
    ] {
        let policies = SessionPolicies { inline: None, managed: vec![arn.into()] };
        let session = role_session(&role, |session| session.policies = Arc::new(policies));
        assert_eq!(denial(&bench, &session), because_session(SESSION_DENY), "{arn}");
        assert!(!is_managed_policy(&bench.world(), Partition::Aws, account(), arn));
    }
    let policies =
        SessionPolicies { inline: None, managed: vec!["arn:aws:iam::111122223333:policy/all".into()] };
    let session = role_session(&role, |session| session.policies = Arc::new(policies));
    assert_eq!(denial(&bench, &session), None);
    bench.write(|txn| txn.delete_entity::<ManagedPolicy>(account(), "all"));
    assert_eq!(denial(&bench, &session), because_session(SESSION_DENY));
}

#[test]
fn session_policy_and_boundary_grant_nothing_to_a_role_without_policies() {
    let mut bench = bench();
    let all = bench.policy("all", ALLOW);
    let role = bench.role("app", |role| role.boundary = Some(all));
    let policies = SessionPolicies { inline: Some(document(ALLOW)), managed: Vec::new() };
    let session = role_session(&role, |session| session.policies = Arc::new(policies));
    assert_eq!(denial(&bench, &session), because_session(NO_IDENTITY));
}

#[test]
fn session_tags_win_over_the_tags_of_the_role() {
    let mut bench = bench();
    let grants =
        allow_if(r#""StringEquals": {"aws:PrincipalTag/Team": "blue", "aws:PrincipalTag/Cost": "7"}"#);
    let role = bench.role("app", |role| {
        role.grants = grants;
        role.tags = vec![tag("team", "red"), tag("cost", "7")];
    });
    assert_eq!(denial(&bench, &role_session(&role, |_| {})), because_session(NO_IDENTITY));
    let session = role_session(&role, |session| session.tags = vec![("TEAM".into(), "blue".into())]);
    assert_eq!(denial(&bench, &session), None);
}

#[test]
fn keys_of_the_request_are_there_and_those_it_lacks_are_absent() {
    let mut bench = bench();
    let full = RequestFacts { user_agent: Some("aws-cli/2"), referer: Some("https://r"), ..facts() };
    for (condition, alone, with_headers) in [
        (r#""IpAddress": {"aws:SourceIp": "192.0.2.0/24"}"#, true, true),
        (r#""Bool": {"aws:SecureTransport": "true"}"#, true, true),
        (r#""Bool": {"aws:ViaAWSService": "false"}"#, true, true),
        (r#""StringEquals": {"aws:RequestedRegion": "eu-west-1"}"#, true, true),
        (r#""StringEquals": {"aws:ResourceAccount": "111122223333"}"#, true, true),
        (r#""StringEquals": {"aws:PrincipalAccount": "111122223333"}"#, true, true),
        (r#""StringEquals": {"aws:username": "ann"}"#, true, true),
        (r#""ArnEquals": {"aws:PrincipalArn": "arn:aws:iam::111122223333:user/ann"}"#, true, true),
        (r#""DateEquals": {"aws:CurrentTime": "2023-11-14T22:13:20Z"}"#, true, true),
        (r#""NumericEquals": {"aws:EpochTime": "1700000000"}"#, true, true),
        (r#""StringLike": {"aws:UserAgent": "aws-cli/*"}"#, false, true),
        (r#""Null": {"aws:UserAgent": "true"}"#, true, false),
        (r#""StringEquals": {"aws:referer": "https://r"}"#, false, true),
        // Absent with a long-term key, not false.
        (r#""Bool": {"aws:MultiFactorAuthPresent": "false"}"#, false, false),
        (r#""BoolIfExists": {"aws:MultiFactorAuthPresent": "true"}"#, true, true),
        (r#""Null": {"aws:TokenIssueTime": "true"}"#, true, true),
        (r#""Null": {"aws:SourceIdentity": "true"}"#, true, true),
        (r#""Null": {"aws:PrincipalTag/team": "true"}"#, true, true),
    ] {
        let ann = user(&mut bench, allow_if(condition));
        for (facts, wanted) in [(facts(), alone), (full, with_headers)] {
            let allowed = authorize(&bench.world(), &ann, &facts, &check(), Context::new()).is_ok();
            assert_eq!(allowed, wanted, "{condition}");
        }
    }
}

#[test]
fn keys_of_the_session_are_there_with_temporary_credentials() {
    let mut bench = bench();
    for (condition, without, with_mfa) in [
        (r#""Bool": {"aws:MultiFactorAuthPresent": "true"}"#, false, true),
        (r#""Bool": {"aws:MultiFactorAuthPresent": "false"}"#, true, false),
        (r#""DateLessThanEquals": {"aws:TokenIssueTime": "2023-11-14T22:13:20Z"}"#, true, true),
        (r#""DateLessThan": {"aws:TokenIssueTime": "2023-11-14T22:13:20Z"}"#, false, false),
        (r#""StringEquals": {"aws:SourceIdentity": "ann"}"#, true, true),
        (r#""StringLike": {"aws:userid": "AROA*:s1"}"#, true, true),
        (r#""Null": {"aws:username": "true"}"#, true, true),
        (r#""ArnEquals": {"aws:PrincipalArn": "arn:aws:iam::111122223333:role/team/app"}"#, true, true),
    ] {
        let role = bench.role("app", |role| role.grants = allow_if(condition));
        for (mfa, wanted) in [(None, without), (Some(NOW), with_mfa)] {
            let mut session = role_session(&role, |session| session.source_identity = Some("ann".into()));
            let key = "ASIAY34FZKBOKMUTVV7A".parse().unwrap();
            session.credential = Credential::Temporary { key, issued: NOW, mfa, sign_in: None };
            assert_eq!(denial(&bench, &session).is_none(), wanted, "{condition} {mfa:?}");
        }
    }
}

#[test]
fn age_of_the_second_factor_is_told_in_seconds_and_only_with_one() {
    let mut bench = bench();
    for (condition, at_once, later, without) in [
        (r#""NumericLessThan": {"aws:MultiFactorAuthAge": "60"}"#, true, false, false),
        (r#""NumericEquals": {"aws:MultiFactorAuthAge": "300"}"#, false, true, false),
        (r#""Null": {"aws:MultiFactorAuthAge": "true"}"#, false, false, true),
    ] {
        let mut ann = user(&mut bench, allow_if(condition));
        let key = "ASIAY34FZKBOKMUTVV7A".parse().unwrap();
        for (mfa, now, wanted) in
            [(Some(NOW), NOW, at_once), (Some(NOW), NOW.plus_seconds(300), later), (None, NOW, without)]
        {
            ann.credential = Credential::Temporary { key, issued: NOW, mfa, sign_in: None };
            let facts = RequestFacts { now, ..facts() };
            let allowed = authorize(&bench.world(), &ann, &facts, &check(), Context::new()).is_ok();
            assert_eq!(allowed, wanted, "{condition} {mfa:?} {now:?}");
        }
    }
}

#[test]
fn second_factor_shown_with_the_request_counts_for_every_credential_and_before_that_of_the_session() {
    let mut bench = bench();
    let earlier = NOW.plus_seconds(-300);
    let key = "ASIAY34FZKBOKMUTVV7A".parse().unwrap();
    let temporary = |mfa| Some(Credential::Temporary { key, issued: NOW, mfa, sign_in: None });
    for (condition, with_request) in [
        (r#""Bool": {"aws:MultiFactorAuthPresent": "true"}"#, true),
        (r#""NumericEquals": {"aws:MultiFactorAuthAge": "0"}"#, true),
        (r#""Null": {"aws:MultiFactorAuthPresent": "true"}"#, false),
        (r#""Null": {"aws:MultiFactorAuthAge": "true"}"#, false),
    ] {
        let mut ann = user(&mut bench, allow_if(condition));
        for credential in [None, temporary(None), temporary(Some(earlier))] {
            ann.credential = credential.unwrap_or(ann.credential);
            let check = Check { second_factor: Some(NOW), ..check() };
            let allowed = authorize(&bench.world(), &ann, &facts(), &check, Context::new()).is_ok();
            assert_eq!(allowed, with_request, "{condition} {:?}", ann.credential);
        }
    }
}

#[test]
fn federated_user_may_do_what_both_its_maker_and_its_session_policy_allow() {
    let mut bench = bench();
    let ann = bench.user("ann", |user| user.grants = inline(ALLOW));
    let bob = bench.user("bob", |_| {});
    let allowing = SessionPolicies { inline: Some(document(ALLOW)), managed: Vec::new() };
    for (by, policies, allowed) in [
        (Some(&ann), &allowing, true),
        (Some(&ann), &SessionPolicies::default(), false),
        (Some(&bob), &allowing, false),
        (None, &allowing, true),
        (None, &SessionPolicies::default(), false),
    ] {
        let who = principal(Identity::FederatedUser(Box::new(FederatedUser {
            by: by.cloned(),
            name: "guest".into(),
            tags: Vec::new(),
            policies: Arc::new(policies.clone()),
        })));
        assert_eq!(denial(&bench, &who).is_none(), allowed, "{by:?} {policies:?}");
    }
}

/// Lets users change their own password, or does not, by the account's password policy.
fn let_users_change_their_password(bench: &Bench, allow_users_to_change: bool) {
    let policy = PasswordPolicy { allow_users_to_change, ..PasswordPolicy::default() };
    bench.write(|txn| txn.put(RowKey::PasswordPolicy(account()), policy));
}

/// Whether `principal` may change the password of the user with this path and name, and read the account's password policy.
fn password_rights(bench: &Bench, principal: &Principal, user: &str) -> [bool; 2] {
    let resource = format!("arn:aws:iam::111122223333:user/{user}");
    [("iam:ChangePassword", resource.as_str()), ("iam:GetAccountPasswordPolicy", "*")].map(
        |(action, resource)| {
            let check = Check { action, resource, ..check() };
            authorize(&bench.world(), principal, &facts(), &check, Context::new()).is_ok()
        },
    )
}

#[test]
fn password_policy_lets_every_user_change_its_own_password_and_no_other() {
    let mut bench = bench();
    let ann = user(&mut bench, Grants::default());
    let bob = principal(Identity::User(bench.user("bob", |user| user.path = "/team/red/".into())));
    for allowed in [false, true, false] {
        let_users_change_their_password(&bench, allowed);
        assert_eq!(password_rights(&bench, &ann, "ann"), [allowed; 2]);
        assert_eq!(password_rights(&bench, &bob, "team/red/bob"), [allowed; 2]);
    }
    let_users_change_their_password(&bench, true);
    for other in ["bob", "joann", "Ann", "ann/bob", "team/red/bob"] {
        assert_eq!(password_rights(&bench, &ann, other), [false, true], "{other}");
    }
    assert_eq!(denial(&bench, &ann), because(NO_IDENTITY));
    bench.write(|txn| txn.delete(RowKey::PasswordPolicy(account())));
    assert_eq!(password_rights(&bench, &ann, "ann"), [false; 2]);
}

#[test]
fn deny_and_boundary_win_over_what_the_password_policy_grants() {
    let mut bench = bench();
    let_users_change_their_password(&bench, true);
    let deny = inline(r#"{"Effect": "Deny", "Action": "iam:ChangePassword", "Resource": "*"}"#);
    let ann = user(&mut bench, deny);
    assert_eq!(password_rights(&bench, &ann, "ann"), [false, true]);
    let boundary =
        bench.policy("boundary", r#"{"Effect": "Allow", "Action": "iam:ChangePassword", "Resource": "*"}"#);
    let ann = principal(Identity::User(bench.user("ann", |user| user.boundary = Some(boundary))));
    assert_eq!(password_rights(&bench, &ann, "ann"), [true, false]);
}

#[test]
fn password_policy_grants_nothing_to_roles_and_a_federated_user_has_no_password() {
    let mut bench = bench();
    let_users_change_their_password(&bench, true);
    let role = bench.role("ann", |_| {});
    assert_eq!(password_rights(&bench, &role_session(&role, |_| {}), "ann"), [false; 2]);
    let policies = SessionPolicies { inline: Some(document(ALLOW)), managed: Vec::new() };
    let federated = principal(Identity::FederatedUser(Box::new(FederatedUser {
        by: Some(bench.user("ann", |_| {})),
        name: "ann".into(),
        tags: Vec::new(),
        policies: Arc::new(policies),
    })));
    assert_eq!(password_rights(&bench, &federated, "ann"), [false, true]);
}

#[test]
fn grant_of_the_password_policy_is_told_by_its_setting() {
    let mut bench = bench();
    let_users_change_their_password(&bench, true);
    let ann = user(&mut bench, Grants::default());
    let question = Question {
        action: "iam:ChangePassword",
        resource: "arn:aws:iam::111122223333:user/ann",
        resource_account: account(),
        trust: None,
        now: NOW,
    };
    let told = explain(&bench.world(), &ann, &question, &Context::new(), |told| told.to_string()).unwrap();
    let setting = "statement 1 of the account's setting `AllowUsersToChangePassword`";
    assert!(told.contains(setting), "{told}");
}

fn may_list_users() -> Question<'static> {
    Question {
        action: "iam:ListUsers",
        resource: RESOURCE,
        resource_account: account(),
        trust: None,
        now: NOW,
    }
}

#[test]
fn question_turns_on_no_key_that_the_principal_never_has() {
    let mut bench = bench();
    let tests = [
        "aws:AssumedRoot",
        "aws:principaltag/Team",
        "aws:PrincipalOrgID",
        "aws:SourceIdentity",
        "aws:SourceVpc",
    ];
    let tests: Vec<_> = tests.iter().map(|key| format!(r#""{key}": "false""#)).collect();
    let grants = allow_if(&format!(r#""Null": {{{}}}"#, tests.join(", ")));
    let asked = |bench: &Bench, principal: &Principal, given: &Context| {
        explain(&bench.world(), principal, &may_list_users(), given, |told| {
            (told.outlook, told.missing_keys.join(" "))
        })
        .unwrap()
    };
    let ann = user(&mut bench, grants.clone());
    let nothing = Context::new();
    assert_eq!(asked(&bench, &ann, &nothing), (Outlook::Denied, "aws:SourceVpc".into()));
    let app = bench.role("app", |role| role.grants = grants);
    let app = role_session(&app, |_| ());
    let (_, missing) = asked(&bench, &app, &nothing);
    assert_eq!(missing, "aws:principaltag/Team aws:SourceIdentity aws:SourceVpc");
    let mut given = Context::new();
    for key in ["aws:AssumedRoot", "aws:PrincipalTag/Team", "aws:PrincipalOrgID", "aws:SourceIdentity"] {
        given.text(key, "x");
    }
    assert_eq!(asked(&bench, &ann, &given), (Outlook::Depends, "aws:SourceVpc".into()));
}

#[test]
fn question_about_a_role_turns_on_tags_that_a_session_may_have_otherwise() {
    let mut bench = bench();
    let grants = allow_if(r#""StringEquals": {"aws:PrincipalTag/team": "blue"}"#);
    let mut asked = |name: &str, action: &str, given: &Context| {
        let trust = format!(
            r#"{{"Version": "2012-10-17", "Statement": {{"Effect": "Allow", "Action": {action}, "Principal": "*"}}}}"#
        );
        let role = bench.role(name, |role| {
            role.grants = grants.clone();
            role.trust = Document::new(trust);
            role.tags = vec![tag("Team", "red")];
        });
        explain(&bench.world(), &role_session(&role, |_| ()), &may_list_users(), given, |told| {
            (told.outlook, told.missing_keys.join(" "))
        })
        .unwrap()
    };
    let nothing = Context::new();
    for (name, action) in [("a", r#"["sts:AssumeRole", "sts:tagsession"]"#), ("b", r#""sts:*""#)] {
        let depends = (Outlook::Depends, "aws:PrincipalTag/team".into());
        assert_eq!(asked(name, action, &nothing), depends, "{action}");
    }
    assert_eq!(asked("c", r#""sts:AssumeRole""#, &nothing), (Outlook::Denied, String::new()));
    let mut given = Context::new();
    given.text("aws:PrincipalTag/TEAM", "blue");
    assert_eq!(asked("d", r#""sts:*""#, &given), (Outlook::Allowed, String::new()));
}

#[test]
fn callers_own_keys_cannot_be_set_by_an_operation() {
    let mut bench = bench();
    let ann = user(&mut bench, allow_if(r#""StringEquals": {"aws:username": "bob"}"#));
    let mut context = Context::new();
    context.text("aws:username", "bob").text("aws:SourceIp", "10.0.0.1");
    assert!(authorize(&bench.world(), &ann, &facts(), &check(), context).is_err());
}

#[test]
fn trust_policy_alone_lets_in_whom_it_names_and_others_need_both() {
    let mut bench = bench();
    let role = "arn:aws:iam::111122223333:role/team/app";
    let named = |principal: &str| {
        document(&format!(
            r#"{{"Effect": "Allow", "Action": "sts:AssumeRole", "Principal": {{"AWS": "{principal}"}}}}"#
        ))
    };
    let nobody = user(&mut bench, Grants::default());
    let Identity::User(ann) = &nobody.identity else { panic!("a user") };
    let (by_id, by_account) = (named(&ann.id.to_string()), named(ACCOUNT));
    let assume = |bench: &Bench, who: &Principal, trust: &Document| {
        let check = Check { action: "sts:AssumeRole", resource: role, trust: Some(trust), ..check() };
        authorize(&bench.world(), who, &facts(), &check, Context::new()).err().map(|denied| denied.message)
    };
    assert_eq!(assume(&bench, &nobody, &by_id), None);
    // The account is trusted: its own policies decide, and the reason is told.
    let told = assume(&bench, &nobody, &by_account).unwrap();
    assert!(told.ends_with("because no identity-based policy allows the sts:AssumeRole action"), "{told}");
    let allowed = user(&mut bench, inline(ALLOW));
    assert_eq!(assume(&bench, &allowed, &by_account), None);
    // Who is not trusted is told nothing.
    let told = assume(&bench, &allowed, &named(ELSEWHERE)).unwrap();
    assert!(told.ends_with(&format!("sts:AssumeRole on resource: {role}")), "{told}");
}

#[test]
fn what_a_kind_of_credential_is_good_for() {
    let mut bench = bench();
    let ann = Identity::User(bench.user("ann", |_| {}));
    let role = bench.role("app", |_| {});
    let key = "ASIAY34FZKBOKMUTVV7A".parse().unwrap();
    let temporary = |mut principal: Principal, mfa| {
        principal.credential = Credential::Temporary { key, issued: NOW, mfa, sign_in: None };
        principal
    };
    let user = principal(ann.clone());
    let user_session = temporary(principal(ann.clone()), None);
    let mfa_session = temporary(principal(ann), Some(NOW));
    let of_role = temporary(role_session(&role, |_| {}), None);
    let root = principal(Identity::Root);
    let code = |who: &Principal, callers: Callers| callers.check(who, "Op").err().map(|denied| denied.code);
    for who in [&user, &user_session, &mfa_session, &of_role, &root] {
        assert_eq!(code(who, Callers::Anyone), None);
    }
    for (who, assume, token, info, list) in [
        (&user, None, None, None, None),
        (
            &user_session,
            None,
            Some("AccessDenied"),
            Some("InvalidClientTokenId"),
            Some("InvalidClientTokenId"),
        ),
        (&mfa_session, None, Some("AccessDenied"), Some("InvalidClientTokenId"), None),
        (&of_role, None, Some("AccessDenied"), None, None),
        (&root, Some("AccessDenied"), None, None, None),
    ] {
        assert_eq!(code(who, Callers::NotRoot), assume, "{who:?}");
        assert_eq!(code(who, Callers::LongTerm), token, "{who:?}");
        assert_eq!(code(who, Callers::NotUserSession), info, "{who:?}");
        assert_eq!(code(who, Callers::SecondFactor), list, "{who:?}");
    }
}

#[test]
fn what_is_the_root_users_is_refused_to_all_others_with_the_reason() {
    let mut bench = bench();
    let administrator = user(&mut bench, inline(ALLOW));
    let by_key = principal(Identity::Root);
    let (key, mut signed_in) = ("ASIAY34FZKBOKMUTVV7A".parse().unwrap(), by_key.clone());
    let session = SignIn { session: "0".repeat(32).parse().unwrap(), kind: SessionKind::Console };
    signed_in.credential = Credential::Temporary { key, issued: NOW, mfa: None, sign_in: Some(session) };
    let told =
        |who: &Principal, callers: Callers| callers.check(who, "Op").err().map(|denied| denied.message);
    let (root, at_sign_in) = (Callers::Root("account:CloseAccount"), Callers::RootSignedIn("x:Op"));
    assert_eq!((root.root_action(), Callers::Anyone.root_action()), (Some("account:CloseAccount"), None));
    let ann = "User: arn:aws:iam::111122223333:user/ann is not authorized to perform";
    let needed = "this needs the root user of account 111122223333";
    assert_eq!(told(&administrator, root), Some(format!("{ann}: account:CloseAccount: {needed}")));
    assert_eq!(told(&administrator, at_sign_in), Some(format!("{ann}: x:Op: {needed}")));
    let root_arn = "User: arn:aws:iam::111122223333:root is not authorized to perform";
    assert_eq!(told(&by_key, at_sign_in), Some(format!("{root_arn}: x:Op: {needed}, signed in")));
    for (who, callers) in [(&by_key, root), (&signed_in, root), (&signed_in, at_sign_in)] {
        assert_eq!(told(who, callers), None);
    }
}

#[test]
fn command_line_of_a_sign_in_is_told_by_its_session() {
    let mut bench = bench();
    let condition = r#""ArnLike": {"aws:SignInSessionArn": "arn:aws:signin:*:111122223333:session/*"}"#;
    let mut who = user(&mut bench, allow_if(condition));
    let world = bench.world();
    let mut allowed = |kind: Option<SessionKind>| {
        let (key, session) = ("ASIAY34FZKBOKMUTVV7A".parse().unwrap(), "0".repeat(32).parse().unwrap());
        let sign_in = kind.map(|kind| SignIn { session, kind });
        who.credential = Credential::Temporary { key, issued: NOW, mfa: None, sign_in };
        authorize(&world, &who, &facts(), &check(), Context::new()).is_ok()
    };
    assert!(allowed(Some(SessionKind::CommandLine)));
    assert!(!allowed(Some(SessionKind::Console)) && !allowed(None));
}

#[test]
fn billing_is_the_root_users_alone_until_it_is_opened_to_iam() {
    let mut bench = bench();
    let (root, nobody) = (principal(Identity::Root), user(&mut bench, Grants::default()));
    let administrator = user(&mut bench, inline(ALLOW));
    let ask = |bench: &Bench, who: &Principal, action: &'static str| {
        let check = Check { action, resource: "*", ..check() };
        authorize(&bench.world(), who, &facts(), &check, Context::new()).err().map(|denied| denied.message)
    };
    for action in
        ["billing:GetBillingPreferences", "BILLING:x", "tax:GetTaxInterview", "aws-portal:viewbilling"]
    {
        assert_eq!(
            ask(&bench, &administrator, action),
            Some(format!(
                "User: arn:aws:iam::111122223333:user/ann is not authorized to perform: {action}: access of IAM users and \
                 roles to billing is off; the root user of account 111122223333 can turn it on"
            ))
        );
        assert_eq!(ask(&bench, &root, action), None);
    }
    for action in ["aws-portal:ViewAccount", "account:GetContactInformation", "billingx:y", "billing"] {
        assert_eq!(ask(&bench, &administrator, action), None, "{action}");
    }
    let on = AccountSettings { iam_billing_access: true, ..AccountSettings::new() };
    bench.write(|txn| txn.put(RowKey::AccountSettings(account()), on));
    assert_eq!(ask(&bench, &administrator, "billing:GetBillingPreferences"), None);
    let told = ask(&bench, &nobody, "billing:GetBillingPreferences").unwrap();
    assert!(
        told.ends_with("because no identity-based policy allows the billing:GetBillingPreferences action")
    );
}

#[test]
fn account_that_is_gone_leaves_no_standing() {
    let bench = bench();
    let mut stranger = principal(Identity::Root);
    stranger.account = ELSEWHERE.parse().unwrap();
    let denied = authorize(&bench.world(), &stranger, &facts(), &check(), Context::new()).unwrap_err();
    assert_eq!(denied.code, "InvalidClientTokenId");
}

#[test]
fn root_of_another_account_is_denied_without_a_reason() {
    let bench = bench();
    bench.open_account(ELSEWHERE, rootward_state::entities::AccountStatus::Active);
    let mut stranger = principal(Identity::Root);
    stranger.account = ELSEWHERE.parse().unwrap();
    let text =
        "User: arn:aws:iam::444455556666:root is not authorized to perform: iam:ListUsers on resource: ";
    assert_eq!(denial(&bench, &stranger), Some(format!("{text}{RESOURCE}")));
}

fn assumed(task: RootTask) -> Principal {
    principal(Identity::AssumedRoot(Box::new(AssumedRoot { task, source_identity: None })))
}

/// Why an assumed root user may not do this to that in its account; none when it may.
fn denial_of_task(task: RootTask, action: &'static str, resource: &str) -> Option<String> {
    let bench = bench();
    let check = Check { action, resource, ..check() };
    let denied = authorize(&bench.world(), &assumed(task), &facts(), &check, Context::new()).err();
    denied.map(|denied| denied.message)
}

#[test]
fn assumed_root_user_may_do_its_task_and_nothing_else() {
    const ROOT: &str = "arn:aws:iam::111122223333:root";
    const ANN: &str = "arn:aws:iam::111122223333:user/ann";
    let bucket = "arn:aws:s3:::docs";
    for (task, action, resource, may) in [
        (RootTask::AuditCredentials, "iam:ListAccessKeys", ROOT, true),
        (RootTask::AuditCredentials, "iam:GetAccountSummary", "*", true),
        (RootTask::AuditCredentials, "iam:ListAccessKeys", ANN, false),
        (RootTask::AuditCredentials, "iam:DeleteAccessKey", ROOT, false),
        (RootTask::CreatePassword, "iam:CreateLoginProfile", ROOT, true),
        (RootTask::CreatePassword, "iam:CreateLoginProfile", ANN, false),
        (RootTask::CreatePassword, "iam:DeleteLoginProfile", ROOT, false),
        (RootTask::DeleteCredentials, "iam:DeleteAccessKey", ROOT, true),
        (RootTask::DeleteCredentials, "iam:DeactivateMFADevice", ROOT, true),
        (RootTask::DeleteCredentials, "iam:CreateAccessKey", ROOT, false),
        (RootTask::DeleteCredentials, "iam:DeleteLoginProfile", ANN, false),
        (RootTask::UnlockBucketPolicy, "s3:DeleteBucketPolicy", bucket, true),
        (RootTask::UnlockBucketPolicy, "s3:GetObject", "arn:aws:s3:::docs/a", false),
        (RootTask::UnlockQueuePolicy, "sqs:SetQueueAttributes", "arn:aws:sqs:eu-west-1:111122223333:q", true),
        (RootTask::UnlockQueuePolicy, "iam:ListUsers", RESOURCE, false),
        (RootTask::UnlockQueuePolicy, "sts:AssumeRole", "*", false),
    ] {
        let reason = format!("with an explicit deny in a session policy: {}", task.arn(Partition::Aws));
        let denial = denial_of_task(task, action, resource);
        assert_eq!(denial.is_none(), may, "{task:?} {action} {resource}");
        assert!(denial.is_none_or(|message| message.ends_with(&reason)), "{task:?} {action} {resource}");
    }
}

#[test]
fn assumed_root_user_is_not_the_root_user_where_it_alone_is_let_in() {
    for task in RootTask::ALL {
        let mut who = assumed(task);
        let (key, session) = ("ASIAY34FZKBOKMUTVV7A".parse().unwrap(), "0".repeat(32).parse().unwrap());
        for sign_in in [None, Some(SignIn { session, kind: SessionKind::Console })] {
            who.credential = Credential::Temporary { key, issued: NOW, mfa: Some(NOW), sign_in };
            for callers in
                [Callers::Root("x:Op"), Callers::RootSignedIn("x:Op"), Callers::NotRoot, Callers::LongTerm]
            {
                assert!(callers.check(&who, "Op").is_err(), "{callers:?}");
            }
        }
        assert!(!who.is_root() && !who.is_user_session());
        assert_eq!((who.arn(), who.user_id()), ("arn:aws:iam::111122223333:root".into(), ACCOUNT.into()));
        assert_eq!(RootTask::of_arn(Partition::Aws, &task.arn(Partition::Aws)), Some(task));
    }
}

#[test]
fn task_for_another_partition_denies_everything() {
    let bench = bench();
    let who = Principal { partition: Partition::AwsCn, ..assumed(RootTask::AuditCredentials) };
    let check =
        Check { action: "iam:ListAccessKeys", resource: "arn:aws-cn:iam::111122223333:root", ..check() };
    assert!(authorize(&bench.world(), &who, &facts(), &check, Context::new()).is_err());
}

#[test]
fn resource_of_another_account_is_granted_by_its_policy_and_the_callers_own_together() {
    let mut bench = bench();
    let check = Check { resource_account: ELSEWHERE.parse().unwrap(), ..check() };
    let policy = |effect: &str, principal: &str| {
        document(&format!(
            r#"{{"Effect": "{effect}", "Principal": {{"AWS": "{principal}"}}, "Action": "iam:ListUsers", "Resource": "*"}}"#
        ))
    };
    let who = user(&mut bench, inline(ALLOW));
    let world = bench.world();
    let outcome =
        |policy: &Document| with_resource_policy(&world, &who, &facts(), &check, policy, Context::new());
    assert_eq!(outcome(&policy("Allow", ACCOUNT)), Outcome::Allowed);
    assert_eq!(outcome(&policy("Allow", ELSEWHERE)), Outcome::ImplicitDeny);
    assert_eq!(outcome(&policy("Deny", ACCOUNT)), Outcome::ExplicitDeny);
    let nobody = user(&mut bench, Grants::default());
    let (world, allow) = (bench.world(), policy("Allow", ACCOUNT));
    let outcome = with_resource_policy(&world, &nobody, &facts(), &check, &allow, Context::new());
    assert_eq!(outcome, Outcome::ImplicitDeny);
}
