//! Versions of managed policies: what a policy says now and said before.
//!
//! At most five are kept, one of them in force. Numbers are never used again, so that an id means one text for ever.
//! AWS's own policies show the version in force only, and change only with a new release of Rootward.

use rootward_api::iam as api;
use rootward_managed::ManagedPolicy as AwsPolicy;
use rootward_pipeline::{Callers, Declaration, Effect, Failure, Handler, OpContext, Rule, always};
use rootward_state::Txn;
use rootward_state::entities::{ManagedPolicy, PolicyVersion};
use rootward_wire::Empty;

use super::page::Ask;
use super::policies::{checked_managed, find, own};
use super::refs::Policy;
use super::{failures, quotas, shape, targets};

pub(super) static OPERATIONS: &[&dyn Handler] = &[
    &CREATE_POLICY_VERSION,
    &DELETE_POLICY_VERSION,
    &GET_POLICY_VERSION,
    &LIST_POLICY_VERSIONS,
    &SET_DEFAULT_POLICY_VERSION,
];

pub(super) static CREATE_POLICY_VERSION: Declaration<api::CreatePolicyVersion> = Declaration {
    effect: Effect::Write,
    callers: Callers::SecondFactor,
    rules: &[Rule {
        action: "iam:CreatePolicyVersion",
        when: always,
        target: |scope, input| targets::policy(scope, &input.policy_arn),
        keys: &[],
    }],
    run: create_policy_version,
};

fn create_policy_version(
    ctx: &OpContext<'_>,
    txn: &mut Txn,
    input: &api::CreatePolicyVersionRequest,
) -> Result<api::CreatePolicyVersionResponse, Failure> {
    let document = checked_managed(&input.policy_document)?;
    let mut policy = ManagedPolicy::clone(&*own(ctx, txn, &input.policy_arn)?);
    if policy.versions.len() >= quotas::POLICY_VERSIONS {
        return Err(failures::too_many_policy_versions());
    }
    let number = policy.next_version;
    let version = PolicyVersion { number, created: ctx.now, document };
    policy.next_version =
        number.checked_add(1).ok_or_else(|| Failure::internal("a policy has used up its version numbers"))?;
    // `UpdateDate` says when the newest version was made, not when another came into force.
    policy.updated = ctx.now;
    if input.set_as_default == Some(true) {
        policy.default_version = number;
    }
    let shown = listed(&policy, &version);
    policy.versions.push(version);
    txn.put_entity(ctx.account(), policy);
    Ok(api::CreatePolicyVersionResponse { policy_version: Some(shown) })
}

pub(super) static GET_POLICY_VERSION: Declaration<api::GetPolicyVersion> = Declaration {
    effect: Effect::Read,
    callers: Callers::SecondFactor,
    rules: &[Rule {
        action: "iam:GetPolicyVersion",
        when: always,
        target: |scope, input| targets::policy(scope, &input.policy_arn),
        keys: &[],
    }],
    run: get_policy_version,
};

fn get_policy_version(
    ctx: &OpContext<'_>,
    txn: &mut Txn,
    input: &api::GetPolicyVersionRequest,
) -> Result<api::GetPolicyVersionResponse, Failure> {
    let policy = find(ctx, txn, &input.policy_arn)?;
    let shown = match &policy {
        Policy::Aws(policy) => aws_version(policy, &input.version_id),
        Policy::Customer(policy) => customer_version(policy, &input.version_id),
    };
    match shown {
        Some(version) => Ok(api::GetPolicyVersionResponse { policy_version: Some(version) }),
        None => Err(failures::no_such_policy_version(&input.policy_arn, &input.version_id)),
    }
}

fn customer_version(policy: &ManagedPolicy, id: &str) -> Option<api::PolicyVersion> {
    let version = policy.version(number(id)?)?;
    Some(api::PolicyVersion {
        document: Some(shape::document(version.document.text())),
        ..listed(policy, version)
    })
}

fn aws_version(policy: &AwsPolicy, id: &str) -> Option<api::PolicyVersion> {
    let version = listed_aws(policy);
    (version.version_id.as_deref() == Some(id))
        .then(|| api::PolicyVersion { document: Some(shape::document(&policy.document())), ..version })
}

pub(super) static LIST_POLICY_VERSIONS: Declaration<api::ListPolicyVersions> = Declaration {
    effect: Effect::Read,
    callers: Callers::SecondFactor,
    rules: &[Rule {
        action: "iam:ListPolicyVersions",
        when: always,
        target: |scope, input| targets::policy(scope, &input.policy_arn),
        keys: &[],
    }],
    run: list_policy_versions,
};

/// Newest first, without their documents.
fn list_policy_versions(
    ctx: &OpContext<'_>,
    txn: &mut Txn,
    input: &api::ListPolicyVersionsRequest,
) -> Result<api::ListPolicyVersionsResponse, Failure> {
    let ask = Ask::new(input.marker.as_deref(), input.max_items)?;
    let keyed = match &find(ctx, txn, &input.policy_arn)? {
        Policy::Aws(policy) => vec![(newest_first(1), listed_aws(policy))],
        Policy::Customer(policy) => {
            let versions = policy.versions.iter();
            versions.map(|version| (newest_first(version.number), listed(policy, version))).collect()
        }
    };
    let page = ask.few(keyed, |version| version);
    Ok(api::ListPolicyVersionsResponse {
        is_truncated: page.is_truncated(),
        versions: Some(page.items),
        marker: page.marker,
    })
}

/// A key that sorts higher numbers first.
fn newest_first(number: u32) -> String {
    format!("{:010}", u32::MAX - number)
}

pub(super) static DELETE_POLICY_VERSION: Declaration<api::DeletePolicyVersion> = Declaration {
    effect: Effect::Write,
    callers: Callers::SecondFactor,
    rules: &[Rule {
        action: "iam:DeletePolicyVersion",
        when: always,
        target: |scope, input| targets::policy(scope, &input.policy_arn),
        keys: &[],
    }],
    run: delete_policy_version,
};

fn delete_policy_version(
    ctx: &OpContext<'_>,
    txn: &mut Txn,
    input: &api::DeletePolicyVersionRequest,
) -> Result<Empty, Failure> {
    let mut policy = ManagedPolicy::clone(&*own(ctx, txn, &input.policy_arn)?);
    let number = existing(&policy, &input.policy_arn, &input.version_id)?;
    if number == policy.default_version {
        return Err(failures::default_policy_version());
    }
    policy.versions.retain(|version| version.number != number);
    txn.put_entity(ctx.account(), policy);
    Ok(Empty)
}

pub(super) static SET_DEFAULT_POLICY_VERSION: Declaration<api::SetDefaultPolicyVersion> = Declaration {
    effect: Effect::Write,
    callers: Callers::SecondFactor,
    rules: &[Rule {
        action: "iam:SetDefaultPolicyVersion",
        when: always,
        target: |scope, input| targets::policy(scope, &input.policy_arn),
        keys: &[],
    }],
    run: set_default_policy_version,
};

fn set_default_policy_version(
    ctx: &OpContext<'_>,
    txn: &mut Txn,
    input: &api::SetDefaultPolicyVersionRequest,
) -> Result<Empty, Failure> {
    let mut policy = ManagedPolicy::clone(&*own(ctx, txn, &input.policy_arn)?);
    policy.default_version = existing(&policy, &input.policy_arn, &input.version_id)?;
    txn.put_entity(ctx.account(), policy);
    Ok(Empty)
}

/// The number of a version that the policy has.
fn existing(policy: &ManagedPolicy, arn: &str, id: &str) -> Result<u32, Failure> {
    number(id)
        .filter(|number| policy.version(*number).is_some())
        .ok_or_else(|| failures::no_such_policy_version(arn, id))
}

/// `v3` → 3.
fn number(id: &str) -> Option<u32> {
    id.strip_prefix('v')?.parse().ok()
}

/// A version without its document.
fn listed(policy: &ManagedPolicy, version: &PolicyVersion) -> api::PolicyVersion {
    api::PolicyVersion {
        document: None,
        version_id: Some(format!("v{}", version.number)),
        is_default_version: Some(version.number == policy.default_version),
        create_date: Some(version.created),
    }
}

fn listed_aws(policy: &AwsPolicy) -> api::PolicyVersion {
    api::PolicyVersion {
        document: None,
        version_id: Some(policy.default_version.to_string()),
        is_default_version: Some(true),
        create_date: Some(policy.updated),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::iam::policies::GET_POLICY;
    use crate::iam::policies::tests::{ADMINISTRATOR, DOCUMENT, arn, create};
    use crate::testing::Bench;

    fn add(bench: &Bench, default: Option<bool>) -> Result<api::PolicyVersion, Failure> {
        let request = api::CreatePolicyVersionRequest {
            policy_arn: arn("read"),
            policy_document: DOCUMENT.into(),
            set_as_default: default,
        };
        bench.run(&CREATE_POLICY_VERSION, request).map(|answer| answer.policy_version.unwrap())
    }

    fn remove(bench: &Bench, version: &str) -> Result<Empty, Failure> {
        let request = api::DeletePolicyVersionRequest { policy_arn: arn("read"), version_id: version.into() };
        bench.run(&DELETE_POLICY_VERSION, request)
    }

    fn list(bench: &Bench, policy_arn: &str) -> Vec<(String, bool)> {
        let request = api::ListPolicyVersionsRequest { policy_arn: policy_arn.into(), ..Default::default() };
        let versions = bench.run(&LIST_POLICY_VERSIONS, request).unwrap().versions.unwrap();
        let id =
            |version: api::PolicyVersion| (version.version_id.unwrap(), version.is_default_version.unwrap());
        versions.into_iter().map(id).collect()
    }

    fn bench() -> Bench {
        let bench = Bench::new();
        create(&bench, "read");
        bench
    }

    #[test]
    fn new_version_is_in_force_only_when_asked() {
        let bench = bench();
        let second = add(&bench, None).unwrap();
        assert_eq!((second.version_id.as_deref(), second.is_default_version), (Some("v2"), Some(false)));
        assert_eq!(second.document, None);
        assert_eq!(add(&bench, Some(true)).unwrap().is_default_version, Some(true));
        assert_eq!(
            list(&bench, &arn("read")),
            [("v3".to_owned(), true), ("v2".to_owned(), false), ("v1".to_owned(), false)]
        );
        let policy = bench
            .run(&GET_POLICY, api::GetPolicyRequest { policy_arn: arn("read") })
            .unwrap()
            .policy
            .unwrap();
        assert_eq!(policy.default_version_id.as_deref(), Some("v3"));
    }

    #[test]
    fn sixth_version_is_refused_and_numbers_are_not_used_again() {
        let bench = bench();
        for _ in 0..4 {
            add(&bench, None).unwrap();
        }
        let error = add(&bench, None).unwrap_err();
        assert_eq!((error.code, error.status), ("LimitExceeded", 409));
        remove(&bench, "v5").unwrap();
        assert_eq!(add(&bench, None).unwrap().version_id.as_deref(), Some("v6"));
    }

    #[test]
    fn version_in_force_and_unknown_version_are_not_deleted() {
        let bench = bench();
        let error = remove(&bench, "v1").unwrap_err();
        assert_eq!((error.code, error.status), ("DeleteConflict", 409));
        let error = remove(&bench, "v9").unwrap_err();
        assert_eq!((error.code, error.status), ("NoSuchEntity", 404));
    }

    #[test]
    fn other_version_comes_into_force() {
        let bench = bench();
        add(&bench, Some(true)).unwrap();
        let set = |version: &str| api::SetDefaultPolicyVersionRequest {
            policy_arn: arn("read"),
            version_id: version.into(),
        };
        bench.run(&SET_DEFAULT_POLICY_VERSION, set("v1")).unwrap();
        assert_eq!(list(&bench, &arn("read")), [("v2".to_owned(), false), ("v1".to_owned(), true)]);
        assert_eq!(bench.run(&SET_DEFAULT_POLICY_VERSION, set("v3")).unwrap_err().code, "NoSuchEntity");
    }

    #[test]
    fn document_is_shown_percent_encoded() {
        let bench = bench();
        let request = |version: &str| api::GetPolicyVersionRequest {
            policy_arn: arn("read"),
            version_id: version.into(),
        };
        let version = bench.run(&GET_POLICY_VERSION, request("v1")).unwrap().policy_version.unwrap();
        assert_eq!(version.document.unwrap(), shape::document(DOCUMENT));
        let error = bench.run(&GET_POLICY_VERSION, request("v2")).unwrap_err();
        assert_eq!(error, failures::no_such_policy_version(&arn("read"), "v2"));
    }

    #[test]
    fn too_long_or_malformed_document_makes_no_version() {
        let bench = bench();
        let request = |document: String| {
            let request = api::CreatePolicyVersionRequest {
                policy_arn: arn("read"),
                policy_document: document,
                set_as_default: None,
            };
            bench.run(&CREATE_POLICY_VERSION, request)
        };
        let long = DOCUMENT.replace("logs", &"l".repeat(6_144));
        assert_eq!(request(long).unwrap_err().message, "Cannot exceed quota for PolicySize: 6144");
        assert_eq!(request("{}".into()).unwrap_err().code, "MalformedPolicyDocument");
        assert!(request(DOCUMENT.replace("\":", &format!("\":{}", " ".repeat(2_000)))).is_ok());
    }

    #[test]
    fn policy_of_aws_shows_one_version_and_takes_none() {
        let bench = bench();
        assert_eq!(list(&bench, ADMINISTRATOR), [("v1".to_owned(), true)]);
        let request =
            api::GetPolicyVersionRequest { policy_arn: ADMINISTRATOR.into(), version_id: "v1".into() };
        assert!(bench.run(&GET_POLICY_VERSION, request).unwrap().policy_version.unwrap().document.is_some());
        let request = api::CreatePolicyVersionRequest {
            policy_arn: ADMINISTRATOR.into(),
            policy_document: DOCUMENT.into(),
            set_as_default: None,
        };
        let error = bench.run(&CREATE_POLICY_VERSION, request).unwrap_err();
        assert_eq!(
            (error.code, error.message.as_str()),
            ("AccessDenied", "Policy is outside your own account.")
        );
    }

    #[test]
    fn two_versions_made_at_once_do_not_share_a_number() {
        let bench = bench();
        let request = api::CreatePolicyVersionRequest {
            policy_arn: arn("read"),
            policy_document: DOCUMENT.into(),
            set_as_default: None,
        };
        let (_, first) = bench.run_uncommitted(&CREATE_POLICY_VERSION, &request).unwrap();
        let (_, second) = bench.run_uncommitted(&CREATE_POLICY_VERSION, &request).unwrap();
        assert!(bench.second_loses(first, second));
    }
}
