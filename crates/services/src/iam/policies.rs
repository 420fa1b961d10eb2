//! Managed policies: the account's own, and AWS's as far as they can be read.
//!
//! AWS's policies belong to no account: they are found by ARN, listed and counted like own ones, and changed by nobody.
//! A policy stays while something uses it; see [`refs::hold`] for how attaching and deleting meet.

use std::sync::Arc;

use rootward_api::iam as api;
use rootward_managed::ManagedPolicy as AwsPolicy;
use rootward_names::{Arn, EntityKind};
use rootward_pipeline::{Callers, Declaration, Effect, Failure, Handler, Key, OpContext, Rule, always};
use rootward_policy::PolicyKind;
use rootward_state::entities::{Document, ManagedPolicy, Named, PolicyRef, PolicyVersion};
use rootward_state::{AccountState, NameKey, Txn};
use rootward_wire::Empty;

use super::page::Ask;
use super::refs::{self, Policy};
use super::shape::Shape;
use super::{failures, quotas, tags, targets};

pub(super) static OPERATIONS: &[&dyn Handler] = &[
    &CREATE_POLICY,
    &DELETE_POLICY,
    &GET_POLICY,
    &LIST_POLICIES,
    &LIST_POLICY_TAGS,
    &TAG_POLICY,
    &UNTAG_POLICY,
];

const TAG_QUOTA: &str = "TagsPerPolicy";

/// The document of an identity-based policy, checked.
///
/// # Errors
/// `MalformedPolicyDocument`.
pub(super) fn checked(text: &str) -> Result<Document, Failure> {
    match rootward_policy::Policy::parse(text, PolicyKind::Identity) {
        Ok(_) => Ok(Document::new(text)),
        Err(problems) => Err(failures::malformed_policy(problems.aws_message())),
    }
}

/// The document of a managed policy, checked; white space does not count towards its length.
///
/// # Errors
/// `MalformedPolicyDocument`, `LimitExceeded`.
pub(super) fn checked_managed(text: &str) -> Result<Document, Failure> {
    let document = checked(text)?;
    if rootward_policy::Policy::length_without_white_space(text) > quotas::POLICY_CHARS {
        return Err(failures::quota_exceeded("PolicySize", quotas::POLICY_CHARS));
    }
    Ok(document)
}

/// Whether `arn` could be a managed policy's.
///
/// # Errors
/// `ValidationError`.
pub(super) fn check_arn(arn: &str) -> Result<(), Failure> {
    let parsed = Arn::parse(arn).map_err(|_| failures::unparsable_arn())?;
    let is_policy =
        parsed.service == "iam" && parsed.region.is_empty() && parsed.resource.starts_with("policy/");
    if is_policy { Ok(()) } else { Err(failures::invalid_arn(arn)) }
}

/// The managed policy with this ARN, unguarded: to be read.
///
/// # Errors
/// `ValidationError`, `NoSuchEntity`.
pub(super) fn find(ctx: &OpContext<'_>, txn: &Txn, arn: &str) -> Result<Policy, Failure> {
    check_arn(arn)?;
    let state = ctx.view(txn)?;
    refs::by_arn(&state, ctx.partition(), arn).ok_or_else(|| failures::no_such_policy(arn))
}

/// The account's own policy with this ARN, guarded: to be changed.
///
/// # Errors
/// `ValidationError`, `NoSuchEntity`; `AccessDenied` for what AWS or another account manages.
pub(super) fn own(ctx: &OpContext<'_>, txn: &mut Txn, arn: &str) -> Result<Arc<ManagedPolicy>, Failure> {
    check_arn(arn)?;
    if Arn::parse(arn).is_ok_and(|parsed| parsed.account != ctx.account().to_string()) {
        return Err(failures::policy_outside_account());
    }
    let name = arn.rsplit('/').next().unwrap_or_default();
    txn.named::<ManagedPolicy>(ctx.account(), name)
        // Names are found ignoring case and path, ARNs are not equal ignoring them.
        .filter(|policy| ctx.arn(&**policy) == arn)
        .ok_or_else(|| failures::no_such_policy(arn))
}

pub(super) static CREATE_POLICY: Declaration<api::CreatePolicy> = Declaration {
    effect: Effect::Write,
    callers: Callers::SecondFactor,
    rules: &[
        Rule {
            action: "iam:CreatePolicy",
            when: always,
            target: |scope, input| targets::new_policy(scope, input.path.as_deref(), &input.policy_name),
            keys: &[Key::RequestTags(|input| tags::requested(input.tags.iter().flatten()))],
        },
        Rule {
            action: "iam:TagPolicy",
            when: |_, input| tags::any(&input.tags),
            target: |scope, input| targets::new_policy(scope, input.path.as_deref(), &input.policy_name),
            keys: &[Key::RequestTags(|input| tags::requested(input.tags.iter().flatten()))],
        },
    ],
    run: create_policy,
};

fn create_policy(
    ctx: &OpContext<'_>,
    txn: &mut Txn,
    input: &api::CreatePolicyRequest,
) -> Result<api::CreatePolicyResponse, Failure> {
    let account = ctx.account();
    let state = ctx.view(txn)?;
    let document = checked_managed(&input.policy_document)?;
    let tags = tags::new(TAG_QUOTA, input.tags.as_deref())?;
    if txn.named::<ManagedPolicy>(account, &input.policy_name).is_some() {
        return Err(failures::policy_exists(&input.policy_name));
    }
    if state.all::<ManagedPolicy>().len() >= quotas::POLICIES {
        return Err(failures::quota_exceeded("PoliciesPerAccount", quotas::POLICIES));
    }
    let policy = ManagedPolicy {
        id: ctx.unique_id(EntityKind::Policy),
        name: input.policy_name.as_str().into(),
        path: input.path.as_deref().unwrap_or("/").into(),
        created: ctx.now,
        updated: ctx.now,
        description: input.description.as_deref().map(Into::into),
        tags,
        versions: vec![PolicyVersion { number: 1, created: ctx.now, document }],
        default_version: 1,
        next_version: 2,
    };
    let shape = Shape::new(ctx, txn.world(), &state);
    let shown = api::Policy { tags: tags::shown(&policy.tags), ..shape.listed_customer_policy(&policy) };
    txn.put_entity(account, policy);
    Ok(api::CreatePolicyResponse { policy: Some(shown) })
}

pub(super) static GET_POLICY: Declaration<api::GetPolicy> = Declaration {
    effect: Effect::Read,
    callers: Callers::SecondFactor,
    rules: &[Rule {
        action: "iam:GetPolicy",
        when: always,
        target: |scope, input| targets::policy(scope, &input.policy_arn),
        keys: &[],
    }],
    run: get_policy,
};

fn get_policy(
    ctx: &OpContext<'_>,
    txn: &mut Txn,
    input: &api::GetPolicyRequest,
) -> Result<api::GetPolicyResponse, Failure> {
    let policy = find(ctx, txn, &input.policy_arn)?;
    let state = ctx.view(txn)?;
    let shown = Shape::new(ctx, txn.world(), &state).policy(&policy);
    Ok(api::GetPolicyResponse { policy: Some(shown) })
}

pub(super) static LIST_POLICIES: Declaration<api::ListPolicies> = Declaration {
    effect: Effect::Read,
    callers: Callers::SecondFactor,
    rules: &[Rule {
        action: "iam:ListPolicies",
        when: always,
        target: |scope, input| targets::policy_path(scope, input.path_prefix.as_deref()),
        keys: &[],
    }],
    run: list_policies,
};

fn list_policies(
    ctx: &OpContext<'_>,
    txn: &mut Txn,
    input: &api::ListPoliciesRequest,
) -> Result<api::ListPoliciesResponse, Failure> {
    let ask = Ask::new(input.marker.as_deref(), input.max_items)?;
    let place = ask.after().map(Place::read).transpose()?;
    let state = ctx.view(txn)?;
    let shape = Shape::new(ctx, txn.world(), &state);
    let prefix = input.path_prefix.as_deref().unwrap_or("/");
    let used = Used { only_attached: input.only_attached == Some(true), usage: input.policy_usage_filter };
    let rows = in_scope(&state, input.scope.unwrap_or(api::PolicyScopeType::All), place)
        .filter(|(_, policy)| policy.path().starts_with(prefix))
        .filter(|(_, policy)| used.takes(&state, policy));
    let page = ask.take(rows, |policy| shape.listed_policy(&policy));
    Ok(api::ListPoliciesResponse {
        is_truncated: page.is_truncated(),
        policies: Some(page.items),
        marker: page.marker,
    })
}

/// Where the page before ended. Own policies come first: they are what most callers look for.
enum Place<'a> {
    Aws(&'a str),
    Customer(NameKey),
}

impl<'a> Place<'a> {
    fn read(key: &'a str) -> Result<Self, Failure> {
        match key.split_once('/') {
            Some(("aws", name)) => Ok(Self::Aws(name)),
            Some(("own", name)) => Ok(Self::Customer(NameKey::new(name))),
            _ => Err(failures::invalid_marker()),
        }
    }
}

/// The policies after `place`, each with the key of its place.
fn in_scope<'a>(
    state: &'a AccountState,
    scope: api::PolicyScopeType,
    place: Option<Place<'a>>,
) -> impl Iterator<Item = (String, Policy)> + 'a {
    let (own, aws) = match scope {
        api::PolicyScopeType::All => (true, true),
        api::PolicyScopeType::Aws => (false, true),
        api::PolicyScopeType::Local => (true, false),
    };
    let (own_after, aws_after) = match place {
        None => (Some(None), None),
        Some(Place::Customer(name)) => (Some(Some(name)), None),
        // The own ones are behind us.
        Some(Place::Aws(name)) => (None, Some(name)),
    };
    let own = own_after.filter(|_| own).into_iter().flat_map(move |after| {
        let rows = state.all::<ManagedPolicy>().after(after.as_ref());
        rows.map(|(name, row)| (format!("own/{}", name.as_str()), Policy::Customer(Arc::clone(row))))
    });
    let aws_from =
        aws_after.map_or(0, |after| rootward_managed::all().partition_point(|policy| policy.name <= after));
    let aws = aws.then(|| rootward_managed::iter().skip(aws_from)).into_iter().flatten();
    let aws = aws.map(|policy| (format!("aws/{}", policy.name), Policy::Aws(policy)));
    own.chain(aws)
}

/// Which policies are asked for by what they are used for.
struct Used {
    only_attached: bool,
    usage: Option<api::PolicyUsageType>,
}

impl Used {
    fn takes(&self, state: &AccountState, policy: &Policy) -> bool {
        if !self.only_attached && self.usage.is_none() {
            return true;
        }
        let (attached, bounds) = state.policy_uses(&policy.to_ref());
        match self.usage {
            Some(api::PolicyUsageType::PermissionsBoundary) => bounds > 0,
            Some(api::PolicyUsageType::PermissionsPolicy) | None => attached > 0,
        }
    }
}

pub(super) static DELETE_POLICY: Declaration<api::DeletePolicy> = Declaration {
    effect: Effect::Write,
    callers: Callers::SecondFactor,
    rules: &[Rule {
        action: "iam:DeletePolicy",
        when: always,
        target: |scope, input| targets::policy(scope, &input.policy_arn),
        keys: &[],
    }],
    run: delete_policy,
};

fn delete_policy(
    ctx: &OpContext<'_>,
    txn: &mut Txn,
    input: &api::DeletePolicyRequest,
) -> Result<Empty, Failure> {
    let policy = own(ctx, txn, &input.policy_arn)?;
    let state = ctx.view(txn)?;
    // Unguarded, yet safe: whoever starts to use the policy rewrites its row, which is guarded.
    if state.policy_uses(&PolicyRef::Customer(policy.id)) != (0, 0) {
        return Err(failures::policy_attached());
    }
    if policy.versions.len() > 1 {
        return Err(failures::policy_has_versions());
    }
    txn.delete_entity::<ManagedPolicy>(ctx.account(), policy.name());
    Ok(Empty)
}

pub(super) static TAG_POLICY: Declaration<api::TagPolicy> = Declaration {
    effect: Effect::Write,
    callers: Callers::SecondFactor,
    rules: &[Rule {
        action: "iam:TagPolicy",
        when: always,
        target: |scope, input| targets::policy(scope, &input.policy_arn),
        keys: &[Key::RequestTags(|input| tags::requested(&input.tags))],
    }],
    run: tag_policy,
};

fn tag_policy(ctx: &OpContext<'_>, txn: &mut Txn, input: &api::TagPolicyRequest) -> Result<Empty, Failure> {
    let old = own(ctx, txn, &input.policy_arn)?;
    let tags = tags::set(TAG_QUOTA, &old.tags, &input.tags)?;
    txn.put_entity(ctx.account(), ManagedPolicy { tags, ..ManagedPolicy::clone(&old) });
    Ok(Empty)
}

pub(super) static UNTAG_POLICY: Declaration<api::UntagPolicy> = Declaration {
    effect: Effect::Write,
    callers: Callers::SecondFactor,
    rules: &[Rule {
        action: "iam:UntagPolicy",
        when: always,
        target: |scope, input| targets::policy(scope, &input.policy_arn),
        keys: &[Key::TagKeys(|input| tags::requested_keys(&input.tag_keys))],
    }],
    run: untag_policy,
};

fn untag_policy(
    ctx: &OpContext<'_>,
    txn: &mut Txn,
    input: &api::UntagPolicyRequest,
) -> Result<Empty, Failure> {
    let old = own(ctx, txn, &input.policy_arn)?;
    let tags = tags::remove(&old.tags, &input.tag_keys);
    txn.put_entity(ctx.account(), ManagedPolicy { tags, ..ManagedPolicy::clone(&old) });
    Ok(Empty)
}

pub(super) static LIST_POLICY_TAGS: Declaration<api::ListPolicyTags> = Declaration {
    effect: Effect::Read,
    callers: Callers::SecondFactor,
    rules: &[Rule {
        action: "iam:ListPolicyTags",
        when: always,
        target: |scope, input| targets::policy(scope, &input.policy_arn),
        keys: &[],
    }],
    run: list_policy_tags,
};

/// AWS's policies have no tags.
fn list_policy_tags(
    ctx: &OpContext<'_>,
    txn: &mut Txn,
    input: &api::ListPolicyTagsRequest,
) -> Result<api::ListPolicyTagsResponse, Failure> {
    let ask = Ask::new(input.marker.as_deref(), input.max_items)?;
    let page = match find(ctx, txn, &input.policy_arn)? {
        Policy::Aws(_) => tags::page(&ask, &[]),
        Policy::Customer(policy) => tags::page(&ask, &policy.tags),
    };
    Ok(api::ListPolicyTagsResponse {
        is_truncated: page.is_truncated(),
        tags: page.items,
        marker: page.marker,
    })
}

impl Shape<'_> {
    /// A managed policy with its description and tags.
    fn policy(&self, policy: &Policy) -> api::Policy {
        let (description, tags) = match policy {
            Policy::Aws(_) => (None, None),
            Policy::Customer(policy) => (policy.description.as_deref(), tags::shown(&policy.tags)),
        };
        api::Policy {
            description: description.map(str::to_owned),
            // Also when there are none.
            tags: Some(tags.unwrap_or_default()),
            ..self.listed_policy(policy)
        }
    }

    /// A managed policy without description and tags: in listings.
    fn listed_policy(&self, policy: &Policy) -> api::Policy {
        match policy {
            Policy::Aws(policy) => self.listed_aws_policy(policy),
            Policy::Customer(policy) => self.listed_customer_policy(policy),
        }
    }

    fn listed_customer_policy(&self, policy: &ManagedPolicy) -> api::Policy {
        api::Policy {
            policy_name: Some(policy.name.to_string()),
            policy_id: Some(policy.id.to_string()),
            arn: Some(self.arn(policy)),
            path: Some(policy.path.to_string()),
            default_version_id: Some(format!("v{}", policy.default_version)),
            create_date: Some(policy.created),
            update_date: Some(policy.updated),
            ..self.policy_usage(&PolicyRef::Customer(policy.id))
        }
    }

    fn listed_aws_policy(&self, policy: &AwsPolicy) -> api::Policy {
        api::Policy {
            policy_name: Some(policy.name.to_owned()),
            policy_id: Some(policy.id.to_string()),
            arn: Some(policy.arn(self.partition)),
            path: Some(policy.path.to_owned()),
            default_version_id: Some(policy.default_version.to_string()),
            create_date: Some(policy.created),
            update_date: Some(policy.updated),
            ..self.policy_usage(&PolicyRef::Aws(policy.name.into()))
        }
    }

    fn policy_usage(&self, policy: &PolicyRef) -> api::Policy {
        let number = |count| Some(i32::try_from(count).unwrap_or(i32::MAX));
        let (attached, bounds) = self.state.policy_uses(policy);
        api::Policy {
            attachment_count: number(attached),
            permissions_boundary_usage_count: number(bounds),
            is_attachable: Some(true),
            ..api::Policy::default()
        }
    }
}

#[cfg(test)]
pub(super) mod tests {
    use rootward_state::entities::User;

    use super::*;
    use crate::iam::attachments::ATTACH_USER_POLICY;
    use crate::iam::boundaries::PUT_USER_PERMISSIONS_BOUNDARY;
    use crate::iam::policy_versions::CREATE_POLICY_VERSION;
    use crate::testing::Bench;

    pub(in crate::iam) const ADMINISTRATOR: &str = "arn:aws:iam::aws:policy/AdministratorAccess";
    pub(in crate::iam) const DOCUMENT: &str = r#"{"Version": "2012-10-17", "Statement": {"Effect": "Allow", "Action": "s3:GetObject", "Resource": "arn:aws:s3:::logs/*"}}"#;

    pub(in crate::iam) fn arn(name: &str) -> String {
        format!("arn:aws:iam::111122223333:policy/{name}")
    }

    fn request(name: &str) -> api::CreatePolicyRequest {
        api::CreatePolicyRequest {
            policy_name: name.into(),
            policy_document: DOCUMENT.into(),
            ..Default::default()
        }
    }

    pub(in crate::iam) fn create(bench: &Bench, name: &str) -> api::Policy {
        bench.run(&CREATE_POLICY, request(name)).unwrap().policy.unwrap()
    }

    fn get(bench: &Bench, arn: &str) -> Result<api::Policy, Failure> {
        bench
            .run(&GET_POLICY, api::GetPolicyRequest { policy_arn: arn.into() })
            .map(|answer| answer.policy.unwrap())
    }

    fn attach(bench: &Bench, user: &str, arn: &str) {
        let request = api::AttachUserPolicyRequest { user_name: user.into(), policy_arn: arn.into() };
        bench.run(&ATTACH_USER_POLICY, request).unwrap();
    }

    fn delete(bench: &Bench, arn: &str) -> Result<Empty, Failure> {
        bench.run(&DELETE_POLICY, api::DeletePolicyRequest { policy_arn: arn.into() })
    }

    fn tag(key: &str, value: &str) -> api::Tag {
        api::Tag { key: key.into(), value: value.into() }
    }

    /// The names of all pages, each page as long as asked for but the last.
    fn list(bench: &Bench, request: api::ListPoliciesRequest) -> Vec<String> {
        let mut names = Vec::new();
        let mut marker = None;
        loop {
            let page =
                bench.run(&LIST_POLICIES, api::ListPoliciesRequest { marker, ..request.clone() }).unwrap();
            assert_eq!(page.is_truncated, Some(page.marker.is_some()));
            names.extend(page.policies.unwrap().into_iter().map(|policy| policy.policy_name.unwrap()));
            marker = page.marker;
            if marker.is_none() {
                return names;
            }
        }
    }

    fn local() -> api::ListPoliciesRequest {
        api::ListPoliciesRequest { scope: Some(api::PolicyScopeType::Local), ..Default::default() }
    }

    #[test]
    fn new_policy_is_shown_as_recorded() {
        let bench = Bench::new();
        let shown = create(&bench, "read");
        assert!(shown.policy_id.as_deref().unwrap().starts_with("ANPA"));
        let expected = api::Policy {
            policy_name: Some("read".into()),
            policy_id: shown.policy_id.clone(),
            arn: Some(arn("read")),
            path: Some("/".into()),
            default_version_id: Some("v1".into()),
            attachment_count: Some(0),
            permissions_boundary_usage_count: Some(0),
            is_attachable: Some(true),
            description: None,
            create_date: Some(bench.now()),
            update_date: Some(bench.now()),
            tags: None,
        };
        assert_eq!(shown, expected);
        let read = get(&bench, &arn("read")).unwrap();
        assert_eq!(read, api::Policy { tags: Some(Vec::new()), ..expected });
    }

    #[test]
    fn description_and_tags_are_shown_when_one_policy_is_asked_for() {
        let bench = Bench::new();
        let request = api::CreatePolicyRequest {
            path: Some("/team/".into()),
            description: Some("reads".into()),
            tags: Some(vec![tag("team", "a"), tag("cost", "b")]),
            ..request("read")
        };
        let created = bench.run(&CREATE_POLICY, request).unwrap().policy.unwrap();
        assert_eq!(created.tags.unwrap().len(), 2);
        let read = get(&bench, &arn("team/read")).unwrap();
        assert_eq!((read.description.as_deref(), read.tags.unwrap().len()), (Some("reads"), 2));
        let listed = bench.run(&LIST_POLICIES, local()).unwrap().policies.unwrap().remove(0);
        assert_eq!((listed.description, listed.tags), (None, None));
    }

    #[test]
    fn tagging_while_creating_needs_a_permission_of_its_own() {
        let bench = Bench::new();
        let plain = bench.targets(&CREATE_POLICY, &request("read"));
        assert_eq!(plain.len(), 1);
        assert_eq!((plain[0].0, plain[0].1.arn.as_str()), ("iam:CreatePolicy", arn("read").as_str()));
        let tagged = api::CreatePolicyRequest { tags: Some(vec![tag("a", "b")]), ..request("read") };
        let actions: Vec<_> =
            bench.targets(&CREATE_POLICY, &tagged).into_iter().map(|(action, _)| action).collect();
        assert_eq!(actions, ["iam:CreatePolicy", "iam:TagPolicy"]);
    }

    #[test]
    fn name_is_taken_whatever_its_case_and_path() {
        let bench = Bench::new();
        create(&bench, "read");
        let again = api::CreatePolicyRequest { path: Some("/team/".into()), ..request("READ") };
        let error = bench.run(&CREATE_POLICY, again).unwrap_err();
        assert_eq!((error.code, error.status), ("EntityAlreadyExists", 409));
        assert_eq!(error.message, "A policy called READ already exists. Duplicate names are not allowed.");
    }

    #[test]
    fn document_with_a_principal_or_old_version_is_malformed() {
        let bench = Bench::new();
        for (from, to, message) in [
            (r#""Version": "2012-10-17", "#, "", "Policy document must be version 2012-10-17 or greater."),
            (
                r#""Action""#,
                r#""Principal": "*", "Action""#,
                "Policy document should not specify a principal.",
            ),
            ("}}", "}", "Syntax errors in policy."),
        ] {
            let request =
                api::CreatePolicyRequest { policy_document: DOCUMENT.replace(from, to), ..request("read") };
            let error = bench.run(&CREATE_POLICY, request).unwrap_err();
            assert_eq!(
                (error.code, error.status, error.message.as_str()),
                ("MalformedPolicyDocument", 400, message)
            );
        }
    }

    #[test]
    fn only_characters_that_are_not_white_space_count() {
        let bench = Bench::new();
        let padding = "l".repeat(6_144 - DOCUMENT.replace(' ', "").len());
        let longest = DOCUMENT.replace("logs", &format!("logs{padding}")).replace(' ', "\n    ");
        let create = |name: &str, text: &str| api::CreatePolicyRequest {
            policy_document: text.into(),
            ..request(name)
        };
        bench.run(&CREATE_POLICY, create("fits", &longest)).unwrap();
        let error = bench.run(&CREATE_POLICY, create("over", &longest.replace("logs", "logs-"))).unwrap_err();
        assert_eq!(
            (error.code, error.message.as_str()),
            ("LimitExceeded", "Cannot exceed quota for PolicySize: 6144")
        );
    }

    #[test]
    fn arn_that_is_none_or_no_policys_or_unknown_is_refused_each_in_its_way() {
        let bench = Bench::new();
        create(&bench, "read");
        assert_eq!(get(&bench, "longer-than-twenty-characters").unwrap_err(), failures::unparsable_arn());
        assert_eq!(get(&bench, "arn:aws:iam::111122223333:user/ann").unwrap_err().code, "ValidationError");
        for other in [arn("none"), arn("Read"), arn("team/read"), arn("read").replace("1111", "4444")] {
            let error = get(&bench, &other).unwrap_err();
            assert_eq!(
                (error.code, error.message),
                ("NoSuchEntity", format!("Policy {other} was not found."))
            );
        }
    }

    #[test]
    fn policy_in_use_or_with_versions_is_not_deleted() {
        let bench = Bench::new();
        bench.add_user("ann");
        create(&bench, "read");
        attach(&bench, "ann", &arn("read"));
        assert_eq!(delete(&bench, &arn("read")).unwrap_err(), failures::policy_attached());
        create(&bench, "write");
        let version = api::CreatePolicyVersionRequest {
            policy_arn: arn("write"),
            policy_document: DOCUMENT.into(),
            set_as_default: Some(true),
        };
        bench.run(&CREATE_POLICY_VERSION, version).unwrap();
        assert_eq!(delete(&bench, &arn("write")).unwrap_err(), failures::policy_has_versions());
        create(&bench, "spare");
        delete(&bench, &arn("spare")).unwrap();
        assert_eq!(delete(&bench, &arn("spare")).unwrap_err(), failures::no_such_policy(&arn("spare")));
    }

    #[test]
    fn policy_of_aws_or_another_account_is_not_changed() {
        let bench = Bench::new();
        for arn in [ADMINISTRATOR, "arn:aws:iam::444455556666:policy/read"] {
            let error = delete(&bench, arn).unwrap_err();
            assert_eq!((error.code, error.status), ("AccessDenied", 403));
            let request = api::TagPolicyRequest { policy_arn: arn.into(), tags: vec![tag("a", "b")] };
            assert_eq!(bench.run(&TAG_POLICY, request).unwrap_err(), error);
        }
    }

    #[test]
    fn policy_of_aws_is_shown_with_the_accounts_own_counts() {
        let bench = Bench::new();
        bench.add_user("ann");
        attach(&bench, "ann", ADMINISTRATOR);
        let policy = get(&bench, ADMINISTRATOR).unwrap();
        assert_eq!(policy.arn.as_deref(), Some(ADMINISTRATOR));
        assert_eq!((policy.attachment_count, policy.permissions_boundary_usage_count), (Some(1), Some(0)));
        assert_eq!(
            get(&bench, "arn:aws-cn:iam::aws:policy/AdministratorAccess").unwrap_err().code,
            "NoSuchEntity"
        );
    }

    #[test]
    fn listing_pages_over_own_policies_then_those_of_aws() {
        let bench = Bench::new();
        for name in ["b", "A", "c"] {
            create(&bench, name);
        }
        let aws = rootward_managed::iter().count();
        let all = list(&bench, api::ListPoliciesRequest { max_items: Some(7), ..Default::default() });
        assert_eq!(all.len(), 3 + aws);
        assert_eq!(all[..3], ["A", "b", "c"]);
        assert!(all.contains(&"AdministratorAccess".to_owned()));
        let scope = |scope| api::ListPoliciesRequest {
            scope: Some(scope),
            max_items: Some(1000),
            ..Default::default()
        };
        assert_eq!(list(&bench, scope(api::PolicyScopeType::Aws)).len(), aws);
        assert_eq!(list(&bench, scope(api::PolicyScopeType::Local)).len(), 3);
    }

    #[test]
    fn listing_is_filtered_by_path_and_use() {
        let bench = Bench::new();
        bench.add_user("ann");
        for name in ["attached", "bound", "spare"] {
            create(&bench, name);
        }
        bench
            .run(&CREATE_POLICY, api::CreatePolicyRequest { path: Some("/team/".into()), ..request("team") })
            .unwrap();
        attach(&bench, "ann", &arn("attached"));
        attach(&bench, "ann", ADMINISTRATOR);
        let put = api::PutUserPermissionsBoundaryRequest {
            user_name: "ann".into(),
            permissions_boundary: arn("bound"),
        };
        bench.run(&PUT_USER_PERMISSIONS_BOUNDARY, put).unwrap();
        let attached = api::ListPoliciesRequest { only_attached: Some(true), ..Default::default() };
        assert_eq!(list(&bench, attached.clone()), ["attached", "AdministratorAccess"]);
        let bounds = api::ListPoliciesRequest {
            policy_usage_filter: Some(api::PolicyUsageType::PermissionsBoundary),
            ..Default::default()
        };
        assert_eq!(list(&bench, bounds), ["bound"]);
        assert_eq!(
            list(&bench, api::ListPoliciesRequest { path_prefix: Some("/te".into()), ..local() }),
            ["team"]
        );
        let foreign = api::ListPoliciesRequest { marker: Some("MXg".into()), ..Default::default() };
        assert_eq!(bench.run(&LIST_POLICIES, foreign).unwrap_err().code, "ValidationError");
    }

    #[test]
    fn tags_are_set_listed_and_removed() {
        let bench = Bench::new();
        create(&bench, "read");
        let tags = vec![tag("b", "1"), tag("a", "2")];
        bench.run(&TAG_POLICY, api::TagPolicyRequest { policy_arn: arn("read"), tags }).unwrap();
        let untag =
            api::UntagPolicyRequest { policy_arn: arn("read"), tag_keys: vec!["b".into(), "none".into()] };
        let list = api::ListPolicyTagsRequest { policy_arn: arn("read"), ..Default::default() };
        assert_eq!(bench.run(&LIST_POLICY_TAGS, list.clone()).unwrap().tags, [tag("a", "2"), tag("b", "1")]);
        bench.run(&UNTAG_POLICY, untag).unwrap();
        assert_eq!(bench.run(&LIST_POLICY_TAGS, list.clone()).unwrap().tags, [tag("a", "2")]);
        let target = bench.targets(&LIST_POLICY_TAGS, &list).remove(0).1;
        assert_eq!(&*target.tags[0].key, "a");
    }

    #[test]
    fn policy_deleted_while_it_is_attached_loses() {
        let bench = Bench::new();
        bench.add_user("ann");
        create(&bench, "read");
        let attach = api::AttachUserPolicyRequest { user_name: "ann".into(), policy_arn: arn("read") };
        let (_, attach) = bench.run_uncommitted(&ATTACH_USER_POLICY, &attach).unwrap();
        let delete = api::DeletePolicyRequest { policy_arn: arn("read") };
        let (_, delete) = bench.run_uncommitted(&DELETE_POLICY, &delete).unwrap();
        assert!(bench.second_loses(attach, delete));
        assert_eq!(bench.row::<User>("ann").unwrap().grants.attached.len(), 1);
    }
}
