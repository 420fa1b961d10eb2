//! `ChangeRootPassword`.
//!
//! By the root user itself, signed in, who knows the old one; whoever has forgotten it asks for another by mail, or the operator of the host. Every other session
//! of the root user ends: one of them may be why it is changed.
//!
//! Source: IAM User Guide, "Change the password for the AWS account root user".

use rootward_api::rootward as api;
use rootward_auth::password::{self, Password, Verified};
use rootward_pipeline::{Callers, Declaration, Effect, Failure, Handler, OpContext, Rule, always};
use rootward_state::entities::{Account, CredentialOwner, PasswordHash};
use rootward_state::{RowKey, Txn};
use rootward_wire::Empty;

use super::{failures, root_user};
use crate::own;
use crate::session_end::{self, Why};

pub(super) static OPERATIONS: &[&dyn Handler] = &[&CHANGE_ROOT_PASSWORD];

pub(super) static CHANGE_ROOT_PASSWORD: Declaration<api::ChangeRootPassword> = Declaration {
    effect: Effect::Write,
    callers: Callers::RootSignedIn("rootward:ChangeRootPassword"),
    rules: &[Rule { action: "rootward:ChangeRootPassword", when: always, target: root_user, keys: &[] }],
    run: change_root_password,
};

fn change_root_password(
    ctx: &OpContext<'_>,
    txn: &mut Txn,
    input: &api::ChangeRootPasswordRequest,
) -> Result<Empty, Failure> {
    let account = own::account(ctx, txn)?;
    let current = account.root.password.as_ref().ok_or_else(failures::no_password)?;
    let [old, new] = [&input.old_password, &input.new_password].map(|text| Password::new(text.expose()));
    password::check_root(&new, &account.name, &account.email)
        .map_err(|error| failures::unacceptable(&error))?;
    let hash = rehashed(ctx, &old, &new, current)?;
    let mut changed = Account::clone(&account);
    changed.root.password = Some(hash);
    changed.root.password_set = Some(ctx.now);
    txn.put(RowKey::Account(account.id), changed);
    session_end::end(ctx, txn, CredentialOwner::Root, session_end::here(ctx), Why::PasswordChanged);
    Ok(Empty)
}

/// The hash of the new password, if the old one is known.
fn rehashed(
    ctx: &OpContext<'_>,
    old: &Password,
    new: &Password,
    current: &PasswordHash,
) -> Result<PasswordHash, Failure> {
    ctx.hashing(|permit, random| {
        ctx.guessing_password(|| match permit.verify(old, Some(current)) {
            Verified::Differs => Err(failures::wrong_password()),
            Verified::Matches { .. } => Ok(()),
        })?;
        permit.hash(new, random).map_err(|_| Failure::internal("the root user's password was not hashed"))
    })?
}

#[cfg(test)]
mod tests {
    use rootward_names::Handle;
    use rootward_state::entities::{SessionKind, SignedIn};
    use rootward_wire::Sensitive;

    use super::*;
    use crate::accounts;
    use crate::testing::Bench;

    const OLD: &str = "quiet-Otter+27-lanterns";
    const NEW: &str = "zebra-Violet+40-crumbs";

    /// An account whose root user has a password and calls signed in.
    fn bench() -> (Bench, Handle) {
        let bench = Bench::new();
        let hash = bench.write_with(|_, _, random, _| {
            accounts::root_password(&Password::new(OLD), "Example Corp", "root@example.com", random)
        });
        let mut account = Account::clone(bench.state().account());
        account.root.password = Some(hash.unwrap());
        bench.write(|txn| txn.put(RowKey::Account(bench.account()), account));
        let session = bench.add_session(SignedIn::Root, SessionKind::Console);
        bench.call_signed_in(session);
        (bench, session)
    }

    fn change(bench: &Bench, old: &str, new: &str) -> Result<Empty, Failure> {
        let [old_password, new_password] = [old, new].map(Sensitive::new);
        bench.run(&CHANGE_ROOT_PASSWORD, api::ChangeRootPasswordRequest { old_password, new_password })
    }

    #[test]
    fn new_password_takes_the_place_of_the_old_one_and_ends_the_other_sessions_of_root() {
        let (bench, own) = bench();
        bench.pass_seconds(60);
        let ann = bench.add_user("ann");
        let anns = bench.add_session(SignedIn::User(ann), SessionKind::Console);
        for kind in [SessionKind::Console, SessionKind::CommandLine] {
            bench.add_session(SignedIn::Root, kind);
        }
        change(&bench, OLD, NEW).unwrap();
        assert_eq!(bench.state().account().root.password_set, Some(bench.now()));
        let mut left: Vec<_> = bench.live_sessions().into_iter().map(|(id, _)| id).collect();
        left.sort();
        let mut expected = vec![own, anns];
        expected.sort();
        assert_eq!(left, expected);
        assert_eq!(change(&bench, OLD, NEW).unwrap_err(), failures::wrong_password());
        change(&bench, NEW, OLD).unwrap();
    }

    #[test]
    fn weak_password_is_refused_with_the_rule_and_the_wrong_old_one_changes_nothing() {
        let (bench, _) = bench();
        let before = bench.state().account().root.password.clone().unwrap();
        let error = change(&bench, OLD, "Root@example.com1").unwrap_err();
        assert_eq!((error.code, error.status), ("ValidationException", 400));
        assert!(error.message.starts_with("The password "), "{error}");
        let error = change(&bench, NEW, NEW).unwrap_err();
        assert_eq!((error.code, error.status), ("AccessDenied", 403));
        assert_eq!(bench.state().account().root.password.as_ref().unwrap().expose(), before.expose());
    }

    #[test]
    fn wrong_old_passwords_are_slowed_down_in_their_session_alone() {
        let (bench, _) = bench();
        let mut wrong = 0;
        while change(&bench, NEW, NEW).unwrap_err().code == "AccessDenied" {
            wrong += 1;
        }
        assert_eq!(wrong, 20);
        assert_eq!(change(&bench, OLD, NEW).unwrap_err(), Failure::throttled());
        // Another sign-in knew the password.
        let other = bench.add_session(SignedIn::Root, SessionKind::Console);
        bench.call_signed_in(other);
        change(&bench, OLD, NEW).unwrap();
        change(&bench, NEW, "amber-Pickle+12-violins").unwrap();
    }

    #[test]
    fn key_is_not_enough_and_others_are_not_root() {
        let (bench, session) = bench();
        bench.call_as_root();
        let error = change(&bench, OLD, NEW).unwrap_err();
        assert!(
            error.message.ends_with("this needs the root user of account 111122223333, signed in"),
            "{error}"
        );
        bench.add_user("ann");
        bench.call_as_user("ann");
        bench.call_signed_in(session);
        let error = change(&bench, OLD, NEW).unwrap_err();
        assert!(error.message.ends_with("this needs the root user of account 111122223333"), "{error}");
    }

    #[test]
    fn root_user_without_a_password_has_none_to_change() {
        let (bench, _) = bench();
        let mut account = Account::clone(bench.state().account());
        account.root.password = None;
        bench.write(|txn| txn.put(RowKey::Account(bench.account()), account));
        assert_eq!(change(&bench, OLD, NEW).unwrap_err(), failures::no_password());
    }
}
