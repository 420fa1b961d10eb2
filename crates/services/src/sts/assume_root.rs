//! `AssumeRoot`: a session of a member's root user, for one task.
//!
//! A root user has no trust policy; who may assume it follows from its organization, as [`central_root`] says, and is put to the policy
//! engine as if it were one, so that the caller's own policies must allow it too. What the session may do is its task's.
//!
//! DIFFERENCE: at AWS the global endpoint refuses this operation. Here all endpoints are one.
//!
//! Source: STS API Reference, AssumeRoot.

use rootward_api::sts as api;
use rootward_auth::Identity;
use rootward_auth::principal::root_arn;
use rootward_auth::root_task::RootTask;
use rootward_auth::session::{Claims, Holder, SecretAccessKey};
use rootward_names::{AccessKeyKind, AccountId, Partition};
use rootward_pipeline::{Callers, Declaration, Effect, Failure, Key, OpContext, Rule, Scope, Target, always};
use rootward_state::Txn;
use rootward_state::entities::Document;

use super::assume_role::TRUSTS_NOBODY;
use super::{failures, session};
use crate::central_root;

/// As long as a session lasts at most, too.
const SECONDS_DEFAULT: i64 = 900;

pub(super) static ASSUME_ROOT: Declaration<api::AssumeRoot> = Declaration {
    effect: Effect::Issue,
    callers: Callers::NotRoot,
    rules: &[Rule {
        action: "sts:AssumeRoot",
        when: always,
        target,
        keys: &[Key::Text("sts:TaskPolicyArn", |_, input| input.task_policy_arn.arn.clone().into())],
    }],
    run: assume_root,
};

/// The root user of the account; one that the caller's cannot assume trusts nobody.
fn target(scope: &Scope<'_>, input: &api::AssumeRootRequest) -> Target {
    let (partition, account) = (scope.ctx.partition(), scope.ctx.account());
    let Some(member) = account_of(partition, &input.target_principal) else {
        // Refused by the operation.
        return Target::arn(input.target_principal.as_str());
    };
    let task = RootTask::of_arn(partition, &input.task_policy_arn.arn);
    let trust = central_root::root_trust(scope.world, partition, account, member, task)
        .unwrap_or_else(|| Document::new(TRUSTS_NOBODY));
    Target { account: Some(member), trust: Some(trust), ..Target::arn(root_arn(partition, member)) }
}

/// Whose root user is meant: an account by id, or its root user by ARN.
fn account_of(partition: Partition, principal: &str) -> Option<AccountId> {
    let id = principal.strip_prefix(&format!("arn:{partition}:iam::")).map(|rest| rest.strip_suffix(":root"));
    id.unwrap_or(Some(principal))?.parse().ok()
}

fn assume_root(
    ctx: &OpContext<'_>,
    txn: &mut Txn,
    input: &api::AssumeRootRequest,
) -> Result<api::AssumeRootResponse, Failure> {
    let partition = ctx.partition();
    let account = account_of(partition, &input.target_principal)
        .ok_or_else(|| failures::no_root_principal(&input.target_principal))?;
    let arn = &input.task_policy_arn.arn;
    let task = RootTask::of_arn(partition, arn).ok_or_else(|| failures::no_task_policy(arn))?;
    // Authorization has seen that it may be: it may not only where that has changed in between.
    if !central_root::may_assume(txn.world(), ctx.account(), account, Some(task)) {
        return Err(failures::root_not_assumed(&ctx.principal.arn(), &root_arn(partition, account)));
    }
    let source_identity = match &ctx.principal.identity {
        Identity::RoleSession(session) => session.source_identity.clone(),
        Identity::AssumedRoot(_) | Identity::FederatedUser(_) | Identity::Root | Identity::User(_) => None,
    };
    let claims = Claims {
        key: ctx.access_key_id(AccessKeyKind::Temporary, account),
        secret: ctx.with_random(SecretAccessKey::random),
        account,
        partition,
        holder: Holder::AssumedRoot(task),
        issued: ctx.now,
        expires: ctx.now.plus_seconds(input.duration_seconds.map_or(SECONDS_DEFAULT, i64::from)),
        // Whoever has shown a second factor is not the root user.
        mfa: None,
        chained: ctx.principal.issued().is_some(),
        sign_in: None,
        tags: Vec::new(),
        transitive: Vec::new(),
        source_identity,
        policy: None,
        policy_arns: Vec::new(),
    };
    Ok(api::AssumeRootResponse {
        credentials: Some(session::credentials(ctx, &claims, input.minimum_session_token_size)),
        source_identity: claims.source_identity.as_deref().map(str::to_owned),
        ..api::AssumeRootResponse::default()
    })
}

#[cfg(test)]
mod tests {
    use rootward_names::{OrganizationId, Time};
    use rootward_state::RowKey;
    use rootward_state::entities::{Account, AccountStatus, CentralRootAccess, Organization};

    use super::*;
    use crate::organizations::testing::{delegate, organization};
    use crate::testing::{Bench, principal};

    const MEMBER: &str = "222233334444";
    const ROOT: &str = "arn:aws:iam::222233334444:root";
    const BOTH: CentralRootAccess = CentralRootAccess { credentials: true, sessions: true };

    /// An organization with one member and both features, and ann of its management account, who calls.
    fn bench() -> (Bench, OrganizationId) {
        let bench = Bench::new();
        let id = organization(&bench, &[MEMBER], &["iam.amazonaws.com"]);
        change(&bench, &id, |row| row.root_access = BOTH);
        bench.add_user("ann");
        bench.call_as_user("ann");
        (bench, id)
    }

    fn change(bench: &Bench, id: &OrganizationId, change: impl FnOnce(&mut Organization)) {
        bench.write(|txn| {
            let key = RowKey::Organization(id.clone());
            let mut row = Organization::clone(&*txn.get::<Organization>(key.clone()).unwrap());
            change(&mut row);
            txn.put(key, row);
        });
    }

    fn request(principal: &str, task: RootTask) -> api::AssumeRootRequest {
        api::AssumeRootRequest {
            target_principal: principal.into(),
            task_policy_arn: api::PolicyDescriptorType { arn: task.arn(Partition::Aws) },
            ..Default::default()
        }
    }

    fn assume(
        bench: &Bench,
        input: api::AssumeRootRequest,
    ) -> Result<(api::AssumeRootResponse, Claims), Failure> {
        let output = bench.run(&ASSUME_ROOT, input)?;
        let claims = bench.open_token(&output.credentials.as_ref().unwrap().session_token);
        Ok((output, claims))
    }

    /// Whether the caller can be allowed this.
    fn is_trusted(bench: &Bench, input: &api::AssumeRootRequest) -> bool {
        let (_, target) = bench.targets(&ASSUME_ROOT, input).remove(0);
        target.trust.unwrap() != Document::new(TRUSTS_NOBODY)
    }

    #[test]
    fn session_is_of_the_members_root_user_and_lasts_a_quarter_of_an_hour_at_most() {
        let (bench, _) = bench();
        for (principal, seconds) in [(MEMBER, None), (ROOT, Some(900)), (ROOT, Some(60))] {
            let input = request(principal, RootTask::AuditCredentials);
            let (output, claims) =
                assume(&bench, api::AssumeRootRequest { duration_seconds: seconds, ..input }).unwrap();
            assert_eq!(claims.holder, Holder::AssumedRoot(RootTask::AuditCredentials));
            assert_eq!(claims.account.to_string(), MEMBER);
            assert_eq!((claims.mfa, claims.source_identity), (None, None));
            let ends: Time = bench.now().plus_seconds(seconds.unwrap_or(900).into());
            assert_eq!((claims.expires, output.credentials.unwrap().expiration), (ends, ends));
        }
    }

    #[test]
    fn source_identity_of_a_role_goes_with_it() {
        let (bench, _) = bench();
        bench.add_role("ops");
        let source_identity = Some("ann".into());
        bench.call_as_session(rootward_auth::RoleSession { source_identity, ..bench.session("ops") });
        let (output, claims) = assume(&bench, request(MEMBER, RootTask::AuditCredentials)).unwrap();
        assert_eq!(output.source_identity.as_deref(), Some("ann"));
        assert_eq!(claims.source_identity.as_deref(), Some("ann"));
    }

    #[test]
    fn root_users_and_those_that_were_assumed_assume_none() {
        let (bench, _) = bench();
        let input = || request(MEMBER, RootTask::AuditCredentials);
        bench.call_as_root();
        assert_eq!(
            assume(&bench, input()).unwrap_err().to_string(),
            "AccessDenied: Roles may not be assumed by root accounts."
        );
        let assumed = rootward_auth::AssumedRoot { task: RootTask::AuditCredentials, source_identity: None };
        bench.call_as(principal(bench.account(), Identity::AssumedRoot(Box::new(assumed))));
        assert_eq!(assume(&bench, input()).unwrap_err().code, "AccessDenied");
    }

    #[test]
    fn root_users_are_assumed_only_for_tasks_of_features_that_are_on() {
        let (bench, id) = bench();
        for task in RootTask::ALL {
            for (credentials, sessions) in [(true, false), (false, true), (false, false)] {
                change(&bench, &id, |row| row.root_access = CentralRootAccess { credentials, sessions });
                let is_on = if task.is_of_credentials() { credentials } else { sessions };
                assert_eq!(is_trusted(&bench, &request(MEMBER, task)), is_on, "{task:?}");
                let refused = assume(&bench, request(MEMBER, task)).err().map(|failure| failure.to_string());
                let expected = format!(
                    "AccessDenied: User: arn:aws:iam::111122223333:user/ann is not authorized to perform: sts:AssumeRoot on \
                     resource: {ROOT}"
                );
                assert_eq!(refused, (!is_on).then_some(expected), "{task:?}");
            }
        }
    }

    #[test]
    fn trust_in_iam_and_all_features_are_needed() {
        let (bench, id) = bench();
        let input = request(MEMBER, RootTask::AuditCredentials);
        assert!(is_trusted(&bench, &input));
        change(&bench, &id, |row| row.all_features = false);
        assert!(!is_trusted(&bench, &input));
        change(&bench, &id, |row| (row.all_features, row.trusted) = (true, Vec::new()));
        assert!(!is_trusted(&bench, &input));
        assert_eq!(assume(&bench, input).unwrap_err().code, "AccessDenied");
    }

    #[test]
    fn only_members_of_the_same_organization_are_assumed() {
        let (bench, _) = bench();
        for other in ["111122223333", "999988887777", "arn:aws:iam::111122223333:root"] {
            let input = request(other, RootTask::AuditCredentials);
            assert!(!is_trusted(&bench, &input), "{other}");
            assert_eq!(assume(&bench, input).unwrap_err().code, "AccessDenied", "{other}");
        }
    }

    #[test]
    fn root_user_of_a_member_that_is_not_open_is_not_assumed() {
        let (bench, _) = bench();
        let member = MEMBER.parse().unwrap();
        bench.write(|txn| {
            let row =
                Account { status: AccountStatus::Suspended, ..Account::clone(&txn.account(member).unwrap()) };
            txn.put(RowKey::Account(member), row);
        });
        let input = request(MEMBER, RootTask::AuditCredentials);
        assert!(!is_trusted(&bench, &input));
        assert_eq!(assume(&bench, input).unwrap_err().code, "AccessDenied");
    }

    #[test]
    fn members_assume_only_where_they_administer_iam() {
        let (bench, id) = bench();
        crate::organizations::testing::join(&bench, &id, "333344445555");
        let user = bench.add_user_of(MEMBER.parse().unwrap(), "eve");
        bench.call_as(principal(MEMBER.parse().unwrap(), Identity::User(user)));
        let input = || request("333344445555", RootTask::AuditCredentials);
        assert!(!is_trusted(&bench, &input()));
        assert_eq!(assume(&bench, input()).unwrap_err().code, "AccessDenied");
        delegate(&bench, MEMBER, "iam.amazonaws.com");
        assert!(is_trusted(&bench, &input()));
        assume(&bench, input()).unwrap();
    }

    #[test]
    fn what_is_no_root_user_and_no_task_is_refused() {
        let (bench, _) = bench();
        for principal in
            ["arn:aws:iam::222233334444:user/ann", "arn:aws-cn:iam::222233334444:root", "22223333444x"]
        {
            let refused = assume(&bench, request(principal, RootTask::AuditCredentials)).unwrap_err();
            assert_eq!(refused.code, "ValidationError", "{principal}");
        }
        for arn in [
            "arn:aws:iam::aws:policy/AdministratorAccess",
            "arn:aws:iam::aws:policy/IAMAuditRootUserCredentials",
        ] {
            let task_policy_arn = api::PolicyDescriptorType { arn: arn.into() };
            let input = request(MEMBER, RootTask::AuditCredentials);
            let refused = assume(&bench, api::AssumeRootRequest { task_policy_arn, ..input }).unwrap_err();
            assert_eq!(refused.code, "ValidationError", "{arn}");
        }
    }

    #[test]
    fn target_is_the_root_user_of_the_member_and_trusts_the_callers_account() {
        let (bench, _) = bench();
        let (action, target) =
            bench.targets(&ASSUME_ROOT, &request(MEMBER, RootTask::AuditCredentials)).remove(0);
        assert_eq!((action, target.arn.as_str()), ("sts:AssumeRoot", ROOT));
        assert_eq!(target.account, Some(MEMBER.parse().unwrap()));
        let trust = target.trust.unwrap();
        assert!(trust.text().contains("arn:aws:iam::111122223333:root") && trust.program().is_readable());
    }
}
