//! How an account gets into an organization, whether it is opened there or invited.

use std::sync::Arc;

use rootward_names::AccountId;
use rootward_pipeline::OpContext;
use rootward_state::entities::{Membership, Organization, Tag};
use rootward_state::{OrganizationState, RowKey, Txn};

use super::{events, organization, quotas, service_role, standing};

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
pub(super) fn join(ctx: &OpContext<'_>, txn: &mut Txn, row: &Arc<Organization>, newcomer: Newcomer) {
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
    events::joined(ctx, txn, row, account, invited);
    standing::touch(txn, row);
}

/// Whether no account fits in any more. Closed ones count.
pub(super) fn is_full(state: &OrganizationState) -> bool {
    state.members().len() >= quotas::ACCOUNTS_MAX
}
