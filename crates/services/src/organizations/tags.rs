//! Tags of accounts, roots, units and policies, of the resource policy, and of responsibility transfers to the organization.
//!
//! At most 50 each; keys that begin with `aws:` are AWS's. Keys are unique ignoring case and kept as last written.
//!
//! DIFFERENCE: AWS compares keys as they are. Condition keys ignore case, so two tags that differ only by it could answer a condition on
//! either; here there is always one.
//! Source: Organizations API Reference, `TagResource`; User Guide, "Tagging AWS Organizations resources".

use std::sync::Arc;

use rootward_api::organizations as api;
use rootward_api::organizations::{
    ConstraintViolationExceptionReason as Constraint, InvalidInputExceptionReason,
};
use rootward_names::{
    AccountId, NodeId, OrganizationPolicyId, ResourcePolicyId, ResponsibilityTransferId, TagKey,
};
use rootward_pipeline::{
    Callers, Declaration, Effect, Failure, Handler, Key, OpContext, Rule, Scope, Target, always,
};
use rootward_state::entities::{
    Membership, Organization, OrganizationNode, OrganizationPolicy, OrganizationResourcePolicy,
    ResponsibilityTransfer, Tag,
};
use rootward_state::{OrganizationState, RowKey, Txn};
use rootward_wire::Empty;

use super::page::Ask;
use super::transfers::Side;
use super::{failures, keys, policies, quotas, shown, standing, targets, transfers};
use crate::tag_keys::{self, Unfit};

pub(super) static OPERATIONS: &[&dyn Handler] = &[&LIST_TAGS_FOR_RESOURCE, &TAG_RESOURCE, &UNTAG_RESOURCE];

/// The tags of something new.
///
/// # Errors
/// Those of [`set`].
pub(super) fn new(tags: Option<&[api::Tag]>) -> Result<Vec<Tag>, Failure> {
    set(&[], tags.unwrap_or_default())
}

/// `old` with `new` added, or put in place of those with the same keys.
///
/// # Errors
/// `InvalidInputException` for keys that will not do, `ConstraintViolationException` for too many tags.
pub(super) fn set(old: &[Tag], new: &[api::Tag]) -> Result<Vec<Tag>, Failure> {
    tag_keys::check(new.iter().map(|tag| tag.key.as_str())).map_err(failures::unfit_tag_key)?;
    // Before each is held against the others.
    if new.len() > quotas::TAGS_MAX {
        return Err(too_many());
    }
    let mut tags = old.to_vec();
    for tag in new {
        let tag = Tag { key: tag.key.as_str().into(), value: tag.value.as_str().into() };
        match tags.iter_mut().find(|known| TagKey(&known.key) == TagKey(&tag.key)) {
            Some(known) => *known = tag,
            None => tags.push(tag),
        }
    }
    if tags.len() > quotas::TAGS_MAX {
        return Err(too_many());
    }
    Ok(tags)
}

fn too_many() -> Failure {
    let message = "You have exceeded the number of tags allowed on this resource.";
    failures::constraint(Constraint::MaxTagLimitExceeded, message)
}

/// `old` without those called `keys`; keys that are not there are no mistake.
fn remove(old: &[Tag], keys: &[String]) -> Result<Vec<Tag>, Failure> {
    if keys.iter().any(|key| TagKey(key).is_reserved()) {
        return Err(failures::unfit_tag_key(Unfit::Reserved));
    }
    let gone = |tag: &&Tag| keys.iter().any(|key| TagKey(key) == TagKey(&tag.key));
    Ok(old.iter().filter(|tag| !gone(tag)).cloned().collect())
}

/// The tags of a request, for [`Key::RequestTags`].
pub(super) fn requested<'a>(tags: impl IntoIterator<Item = &'a api::Tag>) -> Vec<(&'a str, &'a str)> {
    tags.into_iter().map(|tag| (tag.key.as_str(), tag.value.as_str())).collect()
}

/// Whether a creation tags what it creates, which needs a permission of its own.
pub(super) fn any(tags: &Option<Vec<api::Tag>>) -> bool {
    tags.as_ref().is_some_and(|tags| !tags.is_empty())
}

/// What has tags, by its id.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Tagged {
    Account(AccountId),
    Node(NodeId),
    Policy(OrganizationPolicyId),
    ResourcePolicy(ResourcePolicyId),
    Transfer(ResponsibilityTransferId),
}

impl Tagged {
    fn of(id: &str) -> Option<Self> {
        let account = || id.parse().map(Self::Account).ok();
        let policy = || id.parse().map(Self::Policy).ok();
        let resource_policy = || id.parse().map(Self::ResourcePolicy).ok();
        let transfer = || id.parse().map(Self::Transfer).ok();
        let node = id.parse().map(Self::Node).ok();
        node.or_else(account).or_else(policy).or_else(resource_policy).or_else(transfer)
    }
}

/// What is tagged, as rules see it.
fn target(scope: &Scope<'_>, id: &str) -> Target {
    let (Some(state), Some(tagged)) = (standing::in_scope(scope), Tagged::of(id)) else {
        return Target::any();
    };
    let organization = state.organization();
    match tagged {
        Tagged::Account(_) | Tagged::Node(_) => targets::by_id(scope, id),
        Tagged::Policy(policy) => state.policy(&policy).map_or_else(Target::any, |policy| Target {
            tags: policy.tags.clone(),
            ..Target::arn(policy.arn(organization.partition, &organization.id, organization.management))
        }),
        Tagged::ResourcePolicy(policy) => {
            let found = organization.resource_policy.as_ref().filter(|row| row.id == policy);
            let tags = found.map(|row| row.tags.clone()).unwrap_or_default();
            let arn = shown::arn(organization, "resourcepolicy", policy.as_str());
            Target { tags, ..Target::arn(arn) }
        }
        Tagged::Transfer(transfer) => {
            let tags = state.transfers().get(&transfer).map(|row| row.tags.clone()).unwrap_or_default();
            let arn = transfers::arn(organization, Side::Target, transfer.as_str());
            Target { tags, ..Target::arn(arn) }
        }
    }
}

/// A row that has tags, guarded.
enum Row {
    Account(Arc<Membership>),
    Node(Arc<OrganizationNode>),
    Policy(Arc<OrganizationPolicy>),
    ResourcePolicy(Arc<Organization>, OrganizationResourcePolicy),
    Transfer(Arc<ResponsibilityTransfer>),
}

impl Row {
    /// # Errors
    /// `TargetNotFoundException`; `InvalidInputException` for a policy that AWS attaches.
    fn get(txn: &mut Txn, state: &OrganizationState, id: &str) -> Result<Self, Failure> {
        let organization = &state.organization().id;
        let row = match Tagged::of(id).ok_or_else(failures::target_not_found)? {
            Tagged::Account(account) => {
                let member = txn.get::<Membership>(RowKey::Membership(account));
                member.filter(|member| member.organization == *organization).map(Self::Account)
            }
            Tagged::Node(node) => {
                txn.get(RowKey::OrganizationNode(organization.clone(), node)).map(Self::Node)
            }
            Tagged::Policy(policy) => {
                if state.policy(&policy).is_some_and(OrganizationPolicy::is_of_aws) {
                    let message = "You specified a policy that is managed by AWS and can't be modified.";
                    return Err(failures::invalid_input(
                        InvalidInputExceptionReason::ImmutablePolicy,
                        message,
                    ));
                }
                txn.get(RowKey::OrganizationPolicy(organization.clone(), policy)).map(Self::Policy)
            }
            Tagged::ResourcePolicy(policy) => {
                let row = standing::row(txn, organization)?;
                let found = row.resource_policy.clone().filter(|found| found.id == policy);
                found.map(|found| Self::ResourcePolicy(row, found))
            }
            Tagged::Transfer(transfer) => {
                txn.get(RowKey::ResponsibilityTransfer(organization.clone(), transfer)).map(Self::Transfer)
            }
        };
        row.ok_or_else(failures::target_not_found)
    }

    fn tags(&self) -> &[Tag] {
        match self {
            Self::Account(row) => &row.tags,
            Self::Node(row) => &row.tags,
            Self::Policy(row) => &row.tags,
            Self::ResourcePolicy(_, policy) => &policy.tags,
            Self::Transfer(row) => &row.tags,
        }
    }

    fn put(self, txn: &mut Txn, organization: &Organization, tags: Vec<Tag>) {
        let organization = organization.id.clone();
        match self {
            Self::Account(row) => {
                txn.put(RowKey::Membership(row.account), Membership { tags, ..Arc::unwrap_or_clone(row) });
            }
            Self::Node(row) => {
                let key = RowKey::OrganizationNode(organization, row.id.clone());
                txn.put(key, OrganizationNode { tags, ..Arc::unwrap_or_clone(row) });
            }
            Self::Policy(row) => {
                let key = RowKey::OrganizationPolicy(organization, row.id.clone());
                txn.put(key, OrganizationPolicy { tags, ..Arc::unwrap_or_clone(row) });
            }
            Self::ResourcePolicy(row, policy) => {
                let resource_policy = Some(OrganizationResourcePolicy { tags, ..policy });
                let row = Organization { resource_policy, ..Arc::unwrap_or_clone(row) };
                txn.put(RowKey::Organization(organization), row);
            }
            Self::Transfer(row) => {
                let key = RowKey::ResponsibilityTransfer(organization, row.id.clone());
                txn.put(key, ResponsibilityTransfer { tags, ..Arc::unwrap_or_clone(row) });
            }
        }
    }
}

pub(super) static TAG_RESOURCE: Declaration<api::TagResource> = Declaration {
    effect: Effect::Write,
    callers: Callers::Anyone,
    rules: &[Rule {
        action: "organizations:TagResource",
        when: always,
        target: |scope, input| target(scope, &input.resource_id),
        keys: &[
            Key::RequestTags(|input| requested(&input.tags)),
            Key::Text(keys::POLICY_TYPE, |scope, input| policies::type_of(scope, &input.resource_id)),
            Key::Text(keys::TRANSFER_DIRECTION, |scope, input| {
                transfers::direction(scope, &input.resource_id)
            }),
            Key::Text(keys::TRANSFER_TYPE, |scope, input| transfers::kind(scope, &input.resource_id)),
        ],
    }],
    run: tag_resource,
};

fn tag_resource(
    ctx: &OpContext<'_>,
    txn: &mut Txn,
    input: &api::TagResourceRequest,
) -> Result<Empty, Failure> {
    let state = standing::managed_or_delegated(ctx, txn, &TAG_RESOURCE, input)?;
    let row = Row::get(txn, &state, &input.resource_id)?;
    let tags = set(row.tags(), &input.tags)?;
    row.put(txn, state.organization(), tags);
    Ok(Empty)
}

pub(super) static UNTAG_RESOURCE: Declaration<api::UntagResource> = Declaration {
    effect: Effect::Write,
    callers: Callers::Anyone,
    rules: &[Rule {
        action: "organizations:UntagResource",
        when: always,
        target: |scope, input| target(scope, &input.resource_id),
        keys: &[
            Key::TagKeys(|input| input.tag_keys.iter().map(String::as_str).collect()),
            Key::Text(keys::POLICY_TYPE, |scope, input| policies::type_of(scope, &input.resource_id)),
            Key::Text(keys::TRANSFER_DIRECTION, |scope, input| {
                transfers::direction(scope, &input.resource_id)
            }),
            Key::Text(keys::TRANSFER_TYPE, |scope, input| transfers::kind(scope, &input.resource_id)),
        ],
    }],
    run: untag_resource,
};

fn untag_resource(
    ctx: &OpContext<'_>,
    txn: &mut Txn,
    input: &api::UntagResourceRequest,
) -> Result<Empty, Failure> {
    let state = standing::managed_or_delegated(ctx, txn, &UNTAG_RESOURCE, input)?;
    let row = Row::get(txn, &state, &input.resource_id)?;
    let tags = remove(row.tags(), &input.tag_keys)?;
    row.put(txn, state.organization(), tags);
    Ok(Empty)
}

pub(super) static LIST_TAGS_FOR_RESOURCE: Declaration<api::ListTagsForResource> = Declaration {
    effect: Effect::Read,
    callers: Callers::Anyone,
    rules: &[Rule {
        action: "organizations:ListTagsForResource",
        when: always,
        target: |scope, input| target(scope, &input.resource_id),
        keys: &[
            Key::Text(keys::POLICY_TYPE, |scope, input| policies::type_of(scope, &input.resource_id)),
            Key::Text(keys::TRANSFER_DIRECTION, |scope, input| {
                transfers::direction(scope, &input.resource_id)
            }),
            Key::Text(keys::TRANSFER_TYPE, |scope, input| transfers::kind(scope, &input.resource_id)),
        ],
    }],
    run: list_tags_for_resource,
};

/// In the order of keys. A policy that AWS attaches has none.
fn list_tags_for_resource(
    ctx: &OpContext<'_>,
    txn: &mut Txn,
    input: &api::ListTagsForResourceRequest,
) -> Result<api::ListTagsForResourceResponse, Failure> {
    let state = standing::looked_at(ctx, txn, &LIST_TAGS_FOR_RESOURCE, input)?;
    let ask = Ask::new(input.next_token.as_deref(), None)?;
    let mut tags = shown_tags(&state, &input.resource_id).ok_or_else(failures::target_not_found)?.to_vec();
    tags.retain(|tag| ask.after.as_deref().is_none_or(|after| after < &*tag.key));
    tags.sort_by(|a, b| a.key.cmp(&b.key));
    let page = ask.take(
        tags.iter(),
        |tag| tag.key.to_string(),
        |tag| api::Tag { key: tag.key.to_string(), value: tag.value.to_string() },
    );
    Ok(api::ListTagsForResourceResponse { tags: page.items, next_token: page.next_token })
}

fn shown_tags<'s>(state: &'s OrganizationState, id: &str) -> Option<&'s [Tag]> {
    match Tagged::of(id)? {
        Tagged::Account(account) => state.member(account).map(|row| &*row.tags),
        Tagged::Node(node) => state.node(&node).map(|row| &*row.tags),
        Tagged::Policy(policy) => state.policy(&policy).map(|row| &*row.tags),
        Tagged::ResourcePolicy(policy) => {
            let found = state.organization().resource_policy.as_ref();
            found.filter(|row| row.id == policy).map(|row| &*row.tags)
        }
        Tagged::Transfer(transfer) => state.transfers().get(&transfer).map(|row| &*row.tags),
    }
}

#[cfg(test)]
mod tests {
    use rootward_state::entities::{Document, OrganizationPolicyType};

    use super::*;
    use crate::organizations::organization::DELETE_ORGANIZATION;
    use crate::organizations::testing::tree::*;
    use crate::organizations::testing::{reason, state};
    use crate::testing::Bench;

    const POLICY: &str = "p-abcdefgh12";
    const RESOURCE_POLICY: &str = "rp-abcdefgh";

    fn tag(key: &str, value: &str) -> api::Tag {
        api::Tag { key: key.into(), value: value.into() }
    }

    fn with(id: &str, tags: Vec<api::Tag>) -> api::TagResourceRequest {
        api::TagResourceRequest { resource_id: id.into(), tags }
    }

    fn without(id: &str, keys: &[&str]) -> api::UntagResourceRequest {
        let tag_keys = keys.iter().map(|key| (*key).to_owned()).collect();
        api::UntagResourceRequest { resource_id: id.into(), tag_keys }
    }

    fn list(bench: &Bench, id: &str) -> Result<Vec<api::Tag>, Failure> {
        let (mut found, mut next_token) = (Vec::new(), None);
        loop {
            let input = api::ListTagsForResourceRequest { resource_id: id.into(), next_token };
            let page = bench.run(&LIST_TAGS_FOR_RESOURCE, input)?;
            found.extend(page.tags.unwrap());
            next_token = page.next_token;
            if next_token.is_none() {
                return Ok(found);
            }
        }
    }

    /// An organization with one of everything that has tags: their ids.
    fn everything(bench: &Bench) -> [String; 5] {
        let root = organize(bench);
        let (member, unit) = (add_member(bench, 444_455_556_666), add_unit(bench, &root, "unit"));
        let mut organization = Organization::clone(state(bench).organization());
        organization.resource_policy = Some(OrganizationResourcePolicy {
            id: RESOURCE_POLICY.parse().unwrap(),
            document: Document::new("{}"),
            tags: Vec::new(),
        });
        let policy = OrganizationPolicy {
            id: POLICY.parse().unwrap(),
            kind: OrganizationPolicyType::ServiceControl,
            name: "policy".into(),
            description: "".into(),
            document: Document::new("{}"),
            updated: bench.now(),
            tags: Vec::new(),
        };
        bench.write(|txn| {
            txn.put(RowKey::OrganizationPolicy(organization.id.clone(), policy.id.clone()), policy);
            txn.put(RowKey::Organization(organization.id.clone()), organization);
        });
        [root, unit, member.to_string(), POLICY.into(), RESOURCE_POLICY.into()]
    }

    #[test]
    fn very_many_tags_are_refused_before_each_is_held_against_the_others() {
        let many = |count: usize| -> Vec<_> {
            (0..count).map(|n| api::Tag { key: n.to_string(), value: String::new() }).collect()
        };
        assert_eq!(new(Some(&many(30_000))).unwrap_err().code, "ConstraintViolationException");
        assert_eq!(new(Some(&many(50))).unwrap().len(), 50);
    }

    #[test]
    fn everything_that_has_tags_is_tagged_and_untagged() {
        let bench = Bench::new();
        for id in everything(&bench) {
            bench.run(&TAG_RESOURCE, with(&id, vec![tag("b", "1"), tag("a", "2")])).unwrap();
            bench.run(&TAG_RESOURCE, with(&id, vec![tag("B", "3")])).unwrap();
            assert_eq!(list(&bench, &id).unwrap(), [tag("B", "3"), tag("a", "2")], "{id}");
            bench.run(&UNTAG_RESOURCE, without(&id, &["b", "none"])).unwrap();
            assert_eq!(list(&bench, &id).unwrap(), [tag("a", "2")], "{id}");
        }
    }

    #[test]
    fn what_is_not_there_has_no_tags() {
        let bench = Bench::new();
        organize(&bench);
        let ghosts = ["r-none", "ou-abcd-12345678", "777788889999", POLICY, RESOURCE_POLICY, "rt-abcdefgh12"];
        for ghost in ghosts {
            let results = [
                bench.run(&TAG_RESOURCE, with(ghost, vec![tag("a", "1")])).map(drop),
                bench.run(&UNTAG_RESOURCE, without(ghost, &["a"])).map(drop),
                list(&bench, ghost).map(drop),
            ];
            for result in results {
                assert_eq!(result.unwrap_err(), failures::target_not_found(), "{ghost}");
            }
        }
    }

    #[test]
    fn policies_that_aws_attaches_keep_to_no_tags() {
        let bench = Bench::new();
        organize(&bench);
        let error = bench.run(&TAG_RESOURCE, with("p-FullAWSAccess", vec![tag("a", "1")])).unwrap_err();
        assert_eq!(reason(&error), "IMMUTABLE_POLICY", "{error:?}");
        assert!(list(&bench, "p-FullAWSAccess").unwrap().is_empty());
    }

    #[test]
    fn keys_are_distinct_in_any_case_and_not_those_of_aws() {
        let bench = Bench::new();
        let root = organize(&bench);
        let refused = |tags| bench.run(&TAG_RESOURCE, with(&root, tags)).unwrap_err();
        assert_eq!(reason(&refused(vec![tag("a", "1"), tag("A", "2")])), "DUPLICATE_TAG_KEY");
        assert_eq!(reason(&refused(vec![tag("Aws:x", "1")])), "INVALID_SYSTEM_TAGS_PARAMETER");
        let error = bench.run(&UNTAG_RESOURCE, without(&root, &["aws:x"])).unwrap_err();
        assert_eq!(reason(&error), "INVALID_SYSTEM_TAGS_PARAMETER");
        assert!(list(&bench, &root).unwrap().is_empty());
    }

    #[test]
    fn fifty_first_tag_is_refused_and_a_replaced_one_is_not() {
        let bench = Bench::new();
        let root = organize(&bench);
        let full: Vec<_> = (0..50).map(|number| tag(&format!("k{number:02}"), "v")).collect();
        bench.run(&TAG_RESOURCE, with(&root, full.clone())).unwrap();
        assert_eq!(list(&bench, &root).unwrap(), full);
        let error = bench.run(&TAG_RESOURCE, with(&root, vec![tag("more", "v")])).unwrap_err();
        assert_eq!(reason(&error), "MAX_TAG_LIMIT_EXCEEDED", "{error:?}");
        bench.run(&TAG_RESOURCE, with(&root, vec![tag("K01", "w")])).unwrap();
    }

    #[test]
    fn tags_are_the_management_accounts_to_change() {
        let bench = Bench::new();
        let [_, _, member, ..] = everything(&bench);
        bench.call_as_root_of(member.parse().unwrap());
        let results = [
            bench.run(&TAG_RESOURCE, with(&member, vec![tag("a", "1")])).map(drop),
            bench.run(&UNTAG_RESOURCE, without(&member, &["a"])).map(drop),
            list(&bench, &member).map(drop),
        ];
        for result in results {
            assert_eq!(result.unwrap_err(), failures::not_management());
        }
    }

    #[test]
    fn of_two_that_tag_at_once_the_second_looks_again() {
        let bench = Bench::new();
        for id in everything(&bench) {
            let one = with(&id, vec![tag("a", "1")]);
            let (_, first) = bench.run_uncommitted(&TAG_RESOURCE, &one).unwrap();
            let (_, second) = bench.run_uncommitted(&TAG_RESOURCE, &with(&id, vec![tag("b", "2")])).unwrap();
            assert!(bench.second_loses(first, second), "{id}");
        }
    }

    #[test]
    fn tags_do_not_outlive_an_organization_that_goes_meanwhile() {
        let bench = Bench::new();
        let root = organize(&bench);
        let (_, tagging) = bench.run_uncommitted(&TAG_RESOURCE, &with(&root, vec![tag("a", "1")])).unwrap();
        let (_, gone) = bench.run_uncommitted(&DELETE_ORGANIZATION, &Empty).unwrap();
        assert!(bench.second_loses(gone, tagging));
    }

    #[test]
    fn tagging_is_authorized_on_what_is_tagged() {
        let bench = Bench::new();
        let ids = everything(&bench);
        let organization = state(&bench).organization().id.clone();
        let arns = ids.each_ref().map(|id| {
            bench.run(&TAG_RESOURCE, with(id, vec![tag("team", "red")])).unwrap();
            let mut targets = bench.targets(&TAG_RESOURCE, &with(id, vec![tag("a", "1")]));
            assert_eq!(targets.len(), 1);
            let (action, target) = targets.remove(0);
            assert_eq!((action, &*target.tags[0].value), ("organizations:TagResource", "red"));
            target.arn
        });
        let kinds = ["root", "ou", "account", "policy", "resourcepolicy"];
        let expected = ids.iter().zip(kinds).map(|(id, kind)| {
            let id = if kind == "policy" { format!("service_control_policy/{id}") } else { id.clone() };
            format!("arn:aws:organizations::111122223333:{kind}/{organization}/{id}")
        });
        assert_eq!(arns.to_vec(), expected.collect::<Vec<_>>());
        bench.in_scope(|scope| {
            assert_eq!(policies::type_of(scope, POLICY).as_deref(), Some("SERVICE_CONTROL_POLICY"));
            assert_eq!(policies::type_of(scope, &ids[0]), None);
        });
    }
}
