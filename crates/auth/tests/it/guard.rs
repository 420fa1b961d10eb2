//! Approvals: whose count, and until when.

use rootward_auth::authn::Authority;
use rootward_auth::guard::{Verdict, awaited_of, standing};
use rootward_names::{Time, UniqueId};
use rootward_state::RowKey;
use rootward_state::entities::{
    Bound, CredentialOwner, Decision, Factor, MfaDevice, Purpose, RootAccess, RootGuard, Totp, User,
};

use crate::bench::{Bench, NOW, account};

/// An account whose root user needs two of these three.
fn bench() -> (Bench, [UniqueId; 3]) {
    let mut bench = Bench::new(Authority::Issued);
    let users = ["ann", "bob", "cleo"].map(|name| bench.user(name, |_| {}).id);
    for user in users {
        bind(&bench, user, true);
    }
    guard(&bench, 2, &users);
    (bench, users)
}

fn bind(bench: &Bench, user: UniqueId, bound: bool) {
    let id: Box<str> = format!("mfa/{user}").into();
    let device = MfaDevice {
        id: id.clone(),
        created: NOW,
        tags: Vec::new(),
        bound: bound.then_some(Bound { owner: CredentialOwner::User(user), at: NOW }),
        factor: Factor::Totp(Totp { hardware: false, seed: [0; 8].into(), position: None }),
    };
    bench.write(|txn| txn.put(RowKey::MfaDevice(account(), id), device));
}

fn guard(bench: &Bench, approvals_required: u8, approvers: &[UniqueId]) {
    let row = RootGuard { approvals_required, approvers: approvers.to_vec(), ..RootGuard::new() };
    bench.write(|txn| txn.put(RowKey::RootGuard(account()), row));
}

fn asked(decisions: &[(UniqueId, bool)]) -> RootAccess {
    let decision = |&(user, approved): &(UniqueId, bool)| Decision { user, at: NOW, approved };
    RootAccess {
        purpose: Purpose::SignIn,
        reason: "drill".into(),
        digest: [0; 32],
        source_ip: "192.0.2.7".into(),
        requested: NOW,
        expires: NOW.plus_seconds(900),
        decisions: decisions.iter().map(decision).collect(),
        used: None,
    }
}

fn verdict(bench: &Bench, access: &RootAccess, now: Time) -> Verdict {
    standing(bench.world().account(account()).unwrap(), access, now).verdict
}

#[test]
fn two_of_three_are_needed_and_nobody_counts_twice() {
    let (bench, [ann, bob, _]) = bench();
    for (decisions, wanted) in [
        (&[][..], Verdict::Pending),
        (&[(ann, true)], Verdict::Pending),
        (&[(ann, true), (ann, true)], Verdict::Pending),
        (&[(ann, true), (bob, true)], Verdict::Granted),
        (&[(ann, true), (bob, true), (ann, false)], Verdict::Rejected),
        (&[(bob, false)], Verdict::Rejected),
    ] {
        assert_eq!(verdict(&bench, &asked(decisions), NOW), wanted, "{decisions:?}");
    }
}

#[test]
fn approval_counts_as_long_as_its_giver_is_an_approver_with_a_second_factor() {
    let (bench, [ann, bob, cleo]) = bench();
    let agreed = asked(&[(ann, true), (bob, true)]);
    assert_eq!(verdict(&bench, &agreed, NOW), Verdict::Granted);
    bind(&bench, bob, false);
    assert_eq!(verdict(&bench, &agreed, NOW), Verdict::Pending);
    bind(&bench, bob, true);
    guard(&bench, 2, &[ann, cleo]);
    assert_eq!(verdict(&bench, &agreed, NOW), Verdict::Pending);
    guard(&bench, 2, &[ann, bob, cleo]);
    bench.write(|txn| txn.delete_entity::<User>(account(), "ann"));
    assert_eq!(verdict(&bench, &agreed, NOW), Verdict::Pending);
}

#[test]
fn rejected_request_stays_rejected_and_one_that_waits_is_not_granted_by_asking_fewer() {
    let (bench, [ann, bob, cleo]) = bench();
    let rejected = asked(&[(ann, true), (cleo, false)]);
    for (required, approvers) in [(0, &[][..]), (1, &[ann][..]), (1, &[ann, bob][..])] {
        guard(&bench, required, approvers);
        assert_eq!(verdict(&bench, &rejected, NOW), Verdict::Rejected, "{required}");
    }
    guard(&bench, 0, &[ann]);
    assert_eq!(verdict(&bench, &asked(&[]), NOW), Verdict::Pending);
    assert_eq!(verdict(&bench, &asked(&[(bob, true)]), NOW), Verdict::Pending);
    assert_eq!(verdict(&bench, &asked(&[(ann, true)]), NOW), Verdict::Granted);
    bench.write(|txn| txn.delete_entity::<User>(account(), "cleo"));
    assert_eq!(verdict(&bench, &rejected, NOW), Verdict::Rejected);
}

#[test]
fn approver_is_awaited_until_they_have_decided() {
    let (bench, [ann, bob, _]) = bench();
    let awaited = |user| awaited_of(bench.world().account(account()).unwrap(), user, NOW);
    assert_eq!(awaited(ann), 0);
    let id = "0".repeat(32).parse().unwrap();
    let put = |access: RootAccess| bench.write(|txn| txn.put(RowKey::RootAccess(account(), id), access));
    put(asked(&[(ann, true)]));
    assert_eq!((awaited(ann), awaited(bob)), (0, 1));
    put(asked(&[(ann, false)]));
    assert_eq!(awaited(bob), 0);
    put(asked(&[]));
    guard(&bench, 2, &[ann]);
    assert_eq!((awaited(ann), awaited(bob)), (1, 0));
}

#[test]
fn request_is_good_once_and_for_its_time() {
    let (bench, [ann, bob, _]) = bench();
    let agreed = asked(&[(ann, true), (bob, true)]);
    assert_eq!(verdict(&bench, &agreed, NOW.plus_seconds(899)), Verdict::Granted);
    assert_eq!(verdict(&bench, &agreed, NOW.plus_seconds(900)), Verdict::Expired);
    // A clock that was set back opens nothing.
    assert_eq!(verdict(&bench, &agreed, NOW.plus_seconds(-1)), Verdict::Expired);
    let used = RootAccess { used: Some(NOW), ..agreed };
    assert_eq!(verdict(&bench, &used, NOW), Verdict::Used);
    guard(&bench, 3, &[ann, bob]);
    let agreed = asked(&[(ann, true), (bob, true)]);
    assert_eq!(verdict(&bench, &agreed, NOW), Verdict::Pending);
}
