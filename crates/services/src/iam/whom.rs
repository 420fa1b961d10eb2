//! Operations with an optional user name: without one they are about the caller.

use std::sync::Arc;

use rootward_auth::Identity;
use rootward_names::AccountId;
use rootward_pipeline::{Failure, OpContext};
use rootward_state::entities::{Account, CredentialOwner, User};
use rootward_state::{RowKey, Txn};

use super::failures;

/// Whom such a call is about; the row is guarded.
#[derive(Debug)]
pub(crate) enum Whom {
    /// The root user, and only when the root user calls.
    Root(Arc<Account>),
    /// A user of the caller's account.
    User(Arc<User>),
}

impl Whom {
    /// The user's name; the root user has none.
    pub(crate) fn name(&self) -> Option<String> {
        match self {
            Self::Root(_) => None,
            Self::User(user) => Some(user.name.to_string()),
        }
    }

    /// Whom credentials are kept as belonging to.
    pub(crate) fn owner(&self) -> CredentialOwner {
        match self {
            Self::Root(_) => CredentialOwner::Root,
            Self::User(user) => CredentialOwner::User(user.id),
        }
    }

    /// Rewrites the row: deleting the user at the same time then loses, and so does whoever else counts what it has.
    pub(crate) fn hold(&self, txn: &mut Txn, account: AccountId) {
        match self {
            Self::Root(row) => txn.put::<Account>(RowKey::Account(account), Arc::clone(row)),
            Self::User(user) => txn.put_entity::<User>(account, Arc::clone(user)),
        }
    }
}

/// Whom a call with this user name is about.
///
/// # Errors
/// `NoSuchEntity`; `ValidationError` when a role calls without a name.
pub(crate) fn whom(ctx: &OpContext<'_>, txn: &mut Txn, name: Option<&str>) -> Result<Whom, Failure> {
    match (name, &ctx.principal.identity) {
        (Some(name), _) => user(ctx, txn, name).map(Whom::User),
        (None, Identity::Root) => own_account(ctx, txn).map(Whom::Root),
        (None, Identity::User(caller)) => {
            // By id: the caller may have been renamed since the request was authenticated.
            let now = txn.view(ctx.account()).and_then(|state| state.by_id::<User>(caller.id).cloned());
            let name = now.map_or_else(|| caller.name.clone(), |user| user.name.clone());
            user(ctx, txn, &name).map(Whom::User)
        }
        (None, Identity::FederatedUser(_) | Identity::RoleSession(_)) => Err(failures::user_name_needed()),
    }
}

/// The caller's own account, guarded.
///
/// # Errors
/// An internal one when it is not there: the caller was authenticated as somebody of it.
pub(crate) fn own_account(ctx: &OpContext<'_>, txn: &mut Txn) -> Result<Arc<Account>, Failure> {
    txn.account(ctx.account()).ok_or_else(|| Failure::internal("the caller's account has no row"))
}

/// The user called `name` in the caller's account, guarded.
///
/// # Errors
/// `NoSuchEntity`.
pub(crate) fn user(ctx: &OpContext<'_>, txn: &mut Txn, name: &str) -> Result<Arc<User>, Failure> {
    txn.named::<User>(ctx.account(), name).ok_or_else(|| failures::no_such_user(name))
}
