//! Sessions that began with a sign-in, where what their owner signs in with changes.
//!
//! INVARIANT: whoever has a second factor has no session that began without one. Else a thief who came in by the password alone
//! would stay, and take the factor away again.

use rootward_names::Handle;
use rootward_pipeline::{Failure, OpContext};
use rootward_state::entities::{CredentialOwner, SignInSession, SignedIn};
use rootward_state::{RowKey, Txn};

/// Ends the sessions of `owner`, but for one that is to stay. A sign-in that is under way reads its owner's password, guarded,
/// and loses.
pub(crate) fn end(
    ctx: &OpContext<'_>,
    txn: &mut Txn,
    owner: CredentialOwner,
    stays: Option<Handle>,
) -> Result<(), Failure> {
    for (id, _) in of(ctx, txn, owner)? {
        if Some(id) != stays {
            txn.delete(RowKey::Session(ctx.account(), id));
        }
    }
    Ok(())
}

/// A second factor of `owner` was just proved and bound: the session that it was proved in has shown it, all others that have
/// shown none end.
pub(crate) fn factor_bound(
    ctx: &OpContext<'_>,
    txn: &mut Txn,
    owner: CredentialOwner,
) -> Result<(), Failure> {
    let here = ctx.principal.sign_in().map(|sign_in| sign_in.session);
    for (id, session) in of(ctx, txn, owner)? {
        let key = RowKey::Session(ctx.account(), id);
        match session.mfa {
            None if Some(id) == here => {
                txn.put(key, SignInSession { mfa: Some(ctx.now), restricted: false, ..session });
            }
            None => txn.delete(key),
            Some(_) => {}
        }
    }
    Ok(())
}

fn of(
    ctx: &OpContext<'_>,
    txn: &Txn,
    owner: CredentialOwner,
) -> Result<Vec<(Handle, SignInSession)>, Failure> {
    let holder = match owner {
        CredentialOwner::Root => SignedIn::Root,
        CredentialOwner::User(user) => SignedIn::User(user),
    };
    let state = ctx.view(txn)?;
    let held = state.sessions().iter().filter(|(_, session)| session.holder == holder);
    Ok(held.map(|(id, session)| (*id, SignInSession::clone(session))).collect())
}
