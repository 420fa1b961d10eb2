//! How an account gets into an organization, whether it is opened there or invited.

use rootward_api::organizations as api;
use rootward_names::AccountId;
use rootward_pipeline::{Failure, OpContext};
use rootward_state::entities::{Membership, Organization, Tag};
use rootward_state::{OrganizationState, RowKey, Txn};

use super::{failures, organization, quotas, service_role};
use crate::tag_keys::{self, Unfit};

/// Who joins.
pub(super) struct Newcomer {
    /// Which account.
    pub(super) account: AccountId,
    /// Whether it was there before.
    pub(super) invited: bool,
    /// What the management account tags it with.
    pub(super) tags: Vec<Tag>,
}

/// Puts an account into the root, with the policies of AWS. The organization's row, which the caller has read guarded, is written anew:
/// nobody deletes it or counts its members meanwhile.
pub(super) fn join(ctx: &OpContext<'_>, txn: &mut Txn, row: &Organization, newcomer: Newcomer) {
    let Newcomer { account, invited, tags } = newcomer;
    let membership = Membership {
        account,
        organization: row.id.clone(),
        parent: row.root.clone(),
        joined: ctx.now,
        invited,
        policies: organization::attached_at_first(),
        tags,
        delegated: Vec::new(),
    };
    if row.all_features {
        service_role::make(ctx, txn, account);
    }
    txn.put(RowKey::Membership(account), membership);
    touch(txn, row);
}

/// Writes the organization's row as it is, so that one of two changes that must not both happen loses.
pub(super) fn touch(txn: &mut Txn, row: &Organization) {
    txn.put::<Organization>(RowKey::Organization(row.id.clone()), row.clone());
}

/// Whether no account fits in any more. Closed ones count.
pub(super) fn is_full(state: &OrganizationState) -> bool {
    state.members().len() >= quotas::ACCOUNTS_MAX
}

/// The tags of a request for a member, checked.
///
/// # Errors
/// `InvalidInputException` for keys that will not do, `ConstraintViolationException` for too many.
pub(super) fn tags(tags: Option<&[api::Tag]>) -> Result<Vec<Tag>, Failure> {
    let tags = tags.unwrap_or_default();
    tag_keys::check(tags.iter().map(|tag| tag.key.as_str())).map_err(|unfit| match unfit {
        Unfit::Duplicate => failures::duplicate_tag_key(unfit.message()),
        Unfit::Reserved => failures::reserved_tag_key(unfit.message()),
    })?;
    if tags.len() > quotas::ACCOUNT_TAGS {
        return Err(failures::too_many_account_tags());
    }
    Ok(tags
        .iter()
        .map(|tag| Tag { key: tag.key.as_str().into(), value: tag.value.as_str().into() })
        .collect())
}

/// The tags of a request, for its condition keys.
pub(super) fn requested(tags: &Option<Vec<api::Tag>>) -> Vec<(&str, &str)> {
    tags.iter().flatten().map(|tag| (tag.key.as_str(), tag.value.as_str())).collect()
}

/// Whether a request tags whom it lets in, which needs a permission of its own.
pub(super) fn any(tags: &Option<Vec<api::Tag>>) -> bool {
    tags.as_ref().is_some_and(|tags| !tags.is_empty())
}
