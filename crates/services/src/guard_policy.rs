//! The guard policy of an account: what binds all of its principals, the root user included, where no service control policy can.
//!
//! The rules, over a transaction, for host commands and operations. Whoever changes it reads its row guarded: of two who do at once, one
//! loses the commit and sees what the other has made. An account joins an organization only without one, and sets none while it is a member;
//! each of the two reads guarded what the other writes.

use std::sync::Arc;

use rootward_names::{AccountId, Time};
use rootward_policy::PolicyKind;
use rootward_state::entities::{Document, GuardPolicy, Membership, Purpose};
use rootward_state::{RowKey, Txn};
use sha2::{Digest, Sha256};

use crate::control_policies::{SCP_CHARS_MAX, is_too_long, problems};
use crate::root_guard::{self, GuardError, Wish};

/// A document as it may be set: in the language and the length of a service control policy, with nothing but Deny.
///
/// # Errors
/// [`GuardError::Document`] says what is wrong with it.
pub fn checked(text: &str) -> Result<Document, GuardError> {
    match fault(text) {
        Some(fault) => Err(GuardError::Document(fault)),
        None => Ok(Document::new(text)),
    }
}

/// What is wrong with a document, without a final stop.
fn fault(text: &str) -> Option<String> {
    if is_too_long(text, SCP_CHARS_MAX) {
        return Some(format!("it has more than {SCP_CHARS_MAX} characters"));
    }
    // Approvers read it: what it says is what they see. An escape shows another text than it stands for, and a blank in front of a quotation mark
    // is seen by nobody.
    if text.chars().any(|c| !matches!(c, ' '..='~' | '\n' | '\r' | '\t')) || text.contains('\\') {
        return Some("it may have printable ASCII characters alone, and no escapes".into());
    }
    problems(text, PolicyKind::Guard).map(|found| found.trim_end_matches('.').to_owned())
}

/// The guard policy of an account; guarded in the transaction.
pub fn read(txn: &mut Txn, account: AccountId) -> Option<Arc<GuardPolicy>> {
    txn.get(RowKey::GuardPolicy(account))
}

/// Sets the guard policy.
///
/// # Errors
/// [`GuardError::NoSuchAccount`], [`GuardError::Member`].
pub fn put(
    txn: &mut Txn,
    account: AccountId,
    document: Document,
    now: Time,
) -> Result<Arc<GuardPolicy>, GuardError> {
    check_put(txn, account)?;
    let policy = Arc::new(GuardPolicy { document, set: now });
    txn.put::<GuardPolicy>(RowKey::GuardPolicy(account), Arc::clone(&policy));
    Ok(policy)
}

/// Removes the guard policy.
///
/// # Errors
/// [`GuardError::NoSuchAccount`], [`GuardError::NoGuardPolicy`].
pub fn remove(txn: &mut Txn, account: AccountId) -> Result<(), GuardError> {
    present(txn, account)?;
    txn.delete(RowKey::GuardPolicy(account));
    Ok(())
}

/// The wish to set it to this document, in place of what stands now.
///
/// # Errors
/// As [`put`]; [`GuardError::NobodyAgrees`].
pub fn wish_to_put(txn: &mut Txn, account: AccountId, document: &Document) -> Result<Wish, GuardError> {
    check_put(txn, account)?;
    must_ask(txn, account)?;
    let standing = read(txn, account);
    let digest = Sha256::new()
        .chain_update([b'p', u8::from(standing.is_some())])
        .chain_update(standing.as_ref().map_or(0, |policy| policy.set.millis()).to_be_bytes())
        .chain_update(hash(standing.as_ref().map_or("", |policy| policy.document.text())))
        .chain_update(hash(document.text()));
    let does = if standing.is_some() { "replace the guard policy by" } else { "set" };
    let reason = format!("{does} this guard policy, SHA-256 {}", hex(document));
    Ok(Wish::new(Purpose::PutGuardPolicy(document.clone()), reason, digest.finalize().into()))
}

/// The wish to remove it as it stands.
///
/// # Errors
/// As [`remove`]; [`GuardError::NobodyAgrees`].
pub fn wish_to_remove(txn: &mut Txn, account: AccountId) -> Result<Wish, GuardError> {
    let policy = present(txn, account)?;
    let (document, set) = (policy.document.clone(), policy.set);
    must_ask(txn, account)?;
    // With the time: a consent to remove it is void once another has stood in between.
    let digest = Sha256::new()
        .chain_update(b"d")
        .chain_update(set.millis().to_be_bytes())
        .chain_update(hash(document.text()))
        .finalize();
    let reason = format!("remove this guard policy, SHA-256 {}", hex(&document));
    Ok(Wish::new(Purpose::DeleteGuardPolicy(document), reason, digest.into()))
}

fn check_put(txn: &mut Txn, account: AccountId) -> Result<(), GuardError> {
    if txn.view(account).is_none() {
        return Err(GuardError::NoSuchAccount(account));
    }
    // Guarded: of setting it and joining an organization at once, one loses.
    let _ = txn.get::<Membership>(RowKey::Membership(account));
    if txn.world().is_member(account) { Err(GuardError::Member(account)) } else { Ok(()) }
}

fn present(txn: &mut Txn, account: AccountId) -> Result<Arc<GuardPolicy>, GuardError> {
    if txn.view(account).is_none() {
        return Err(GuardError::NoSuchAccount(account));
    }
    read(txn, account).ok_or(GuardError::NoGuardPolicy(account))
}

/// Elsewhere nobody is asked where nobody is named. What the root user could take away alone would not bind it.
fn must_ask(txn: &mut Txn, account: AccountId) -> Result<(), GuardError> {
    if root_guard::read(txn, account)?.approvals_required == 0 {
        return Err(GuardError::NobodyAgrees(account));
    }
    Ok(())
}

fn hash(text: &str) -> [u8; 32] {
    Sha256::digest(text).into()
}

/// For approvers who compare it with a file.
fn hex(document: &Document) -> String {
    hash(document.text()).iter().map(|byte| format!("{byte:02x}")).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::organizations::testing::organization;
    use crate::testing::Bench;

    const DENY: &str =
        r#"{"Version":"2012-10-17","Statement":[{"Effect":"Deny","Action":"s3:*","Resource":"*"}]}"#;

    #[test]
    fn document_is_held_to_the_length_of_scps_and_must_not_allow() {
        assert!(checked(DENY).is_ok());
        let long = |count: usize| format!("{DENY}{}", " ".repeat(count - DENY.len()));
        assert!(checked(&long(10_240)).is_ok());
        let refused = |text: &str| checked(text).unwrap_err().to_string();
        assert!(refused(&long(10_241)).ends_with("it has more than 10240 characters"));
        assert!(
            refused(&DENY.replace("Deny", "Allow"))
                .contains("a guard policy only denies, and takes no `Allow` at line 1")
        );
        assert!(refused("{").contains("at line 1 column"));
        for unseen in ["\u{ad}", "\u{9b}", "\u{7f}", "\u{a0}", "\u{430}", "\\u0061"] {
            assert!(
                refused(&DENY.replace("s3:", &format!("s3:{unseen}")))
                    .ends_with("it may have printable ASCII characters alone, and no escapes")
            );
        }
    }

    #[test]
    fn policy_is_set_where_no_scp_binds_and_removed_anywhere() {
        let bench = Bench::new();
        let account = bench.account();
        let put =
            || bench.write_with(|txn, now, _, _| put(txn, account, checked(DENY).unwrap(), now).map(drop));
        assert_eq!(put(), Ok(()));
        assert_eq!(bench.state().guard_policy().unwrap().document.text(), DENY);
        organization(&bench, &[], &[]);
        assert_eq!(put(), Ok(()));
        // A member sets none, and may give up one that it has by whatever way.
        let (bench, account) = (Bench::new(), bench.account());
        bench.write(|txn| drop(super::put(txn, account, checked(DENY).unwrap(), bench.now()).unwrap()));
        bench.bind(DENY);
        let put = super::put(&mut bench.begin(), account, checked(DENY).unwrap(), bench.now());
        assert_eq!(put, Err(GuardError::Member(account)));
        bench.write(|txn| remove(txn, account).unwrap());
        assert!(bench.state().guard_policy().is_none());
        let mut txn = bench.begin();
        assert_eq!(remove(&mut txn, account), Err(GuardError::NoGuardPolicy(account)));
        let nobody = "999999999999".parse().unwrap();
        assert_eq!(remove(&mut txn, nobody), Err(GuardError::NoSuchAccount(nobody)));
    }
}
