//! Who signed: keys and sessions that hold, and each way in which one does not.

use http::HeaderMap;
use rootward_auth::authn::{Authority, Unauthenticated};
use rootward_auth::session::{Holder, TOKEN_BYTES_MAX};
use rootward_auth::{Credential, Identity, SignIn};
use rootward_names::{AccessKeyId, AccessKeyKind, Partition, Time};
use rootward_state::RowKey;
use rootward_state::entities::{
    AccountStatus, CredentialOwner, Role, RootGuard, Seal, SessionKind, SignInSession, SignedIn, User,
};

use crate::bench::{ACCOUNT, Bench, ELSEWHERE, NOW, Signer, account, refusal, signed};

const INVALID: (&str, &str) =
    ("InvalidClientTokenId", "The security token included in the request is invalid.");

fn issued() -> Bench {
    Bench::new(Authority::Issued)
}

fn foreign(key: &str) -> Signer {
    Signer { key: key.into(), secret: "test".into(), token: None }
}

#[track_caller]
fn assert_invalid(bench: &Bench, signer: &Signer) {
    let (code, message) = bench.refusal(signer);
    assert_eq!((code, message.as_str()), INVALID);
}

#[test]
fn key_of_a_user_is_the_user_and_a_key_of_the_root_is_the_root() {
    let mut bench = issued();
    let ann = bench.user("ann", |_| {});
    let key = bench.key(CredentialOwner::User(ann.id), true);
    let who = bench.send(&key).unwrap();
    assert_eq!(who.principal.arn(), "arn:aws:iam::111122223333:user/ann");
    assert_eq!((who.principal.access_key_id(), &*who.region), (key.key.clone(), "us-east-1"));
    assert_eq!(who.principal.credential, Credential::LongTerm(key.key.parse().unwrap()));
    let root = bench.key(CredentialOwner::Root, true);
    assert_eq!(bench.send(&root).unwrap().principal.arn(), "arn:aws:iam::111122223333:root");
}

#[test]
fn request_without_a_claim_is_told_that_it_has_none() {
    let (code, message) = refusal(issued().authenticate(&HeaderMap::new(), NOW));
    assert_eq!(
        (code, message.as_str()),
        ("MissingAuthenticationToken", "Request is missing Authentication Token")
    );
}

#[test]
fn unknown_key_is_invalid_whether_or_not_its_account_exists() {
    let bench = issued();
    // Of the account that is there, of one that is not, of none.
    let here = AccessKeyId::random(AccessKeyKind::LongTerm, account(), &mut Zeros);
    let there = AccessKeyId::random(AccessKeyKind::LongTerm, ELSEWHERE.parse().unwrap(), &mut Zeros);
    for key in [here.to_string(), there.to_string(), "AKIDEXAMPLE".into(), ACCOUNT.into()] {
        assert_invalid(&bench, &foreign(&key));
    }
}

struct Zeros;

impl rootward_names::Random for Zeros {
    fn fill(&mut self, bytes: &mut [u8]) {
        bytes.fill(0);
    }
}

#[test]
fn inactive_key_is_invalid_and_active_again_it_holds() {
    let mut bench = issued();
    let ann = bench.user("ann", |_| {});
    let key = bench.key(CredentialOwner::User(ann.id), false);
    assert_invalid(&bench, &key);
    let id: AccessKeyId = key.key.parse().unwrap();
    bench.write(|txn| {
        let mut row = (*txn.access_key(id).unwrap()).clone();
        row.active = true;
        txn.put(RowKey::AccessKey(id), row);
    });
    assert!(bench.send(&key).is_ok());
}

#[test]
fn key_is_invalid_once_it_or_its_owner_is_deleted() {
    let mut bench = issued();
    let (ann, bob) = (bench.user("ann", |_| {}), bench.user("bob", |_| {}));
    let (of_ann, of_bob) =
        (bench.key(CredentialOwner::User(ann.id), true), bench.key(CredentialOwner::User(bob.id), true));
    assert!(bench.send(&of_ann).is_ok() && bench.send(&of_bob).is_ok());
    bench.write(|txn| {
        txn.delete(RowKey::AccessKey(of_ann.key.parse().unwrap()));
        txn.delete_entity::<User>(account(), "bob");
    });
    assert_invalid(&bench, &of_ann);
    assert_invalid(&bench, &of_bob);
    // Another user of the same name is not the one the key was made for.
    bench.user("bob", |_| {});
    assert_invalid(&bench, &of_bob);
}

#[test]
fn wrong_secret_is_a_mismatch_also_after_the_right_one_was_used() {
    let mut bench = issued();
    let key = bench.key(CredentialOwner::Root, true);
    let wrong = Signer { secret: "wrong".into(), ..key.clone() };
    for _ in 0..2 {
        assert_eq!(bench.refusal(&wrong).0, "SignatureDoesNotMatch");
        assert!(bench.send(&key).is_ok());
    }
}

#[test]
fn secret_of_another_key_is_a_mismatch_and_one_sealed_for_another_row_does_not_open() {
    let mut bench = issued();
    let (one, other) = (bench.key(CredentialOwner::Root, true), bench.key(CredentialOwner::Root, true));
    assert_eq!(
        bench.refusal(&Signer { secret: other.secret.clone(), ..one.clone() }).0,
        "SignatureDoesNotMatch"
    );
    bench.write(|txn| {
        let moved = txn.access_key(other.key.parse().unwrap()).unwrap().secret.clone();
        let mut row = (*txn.access_key(one.key.parse().unwrap()).unwrap()).clone();
        row.secret = moved;
        txn.put(RowKey::AccessKey(row.id), row);
    });
    assert_invalid(&bench, &Signer { secret: other.secret, ..one });
}

#[test]
fn key_whose_row_was_replaced_takes_the_new_secret_only() {
    let mut bench = issued();
    let key = bench.key(CredentialOwner::Root, true);
    assert!(bench.send(&key).is_ok());
    let ann = bench.user("ann", |_| {});
    bench.write(|txn| {
        let mut row = (*txn.access_key(key.key.parse().unwrap()).unwrap()).clone();
        row.owner = CredentialOwner::User(ann.id);
        txn.put(RowKey::AccessKey(row.id), row);
    });
    // The derived key that was kept belongs to the old row; the owner is the new one's.
    assert_eq!(bench.send(&key).unwrap().principal.arn(), "arn:aws:iam::111122223333:user/ann");
}

#[test]
fn session_of_a_role_a_user_and_the_root_are_theirs() {
    let mut bench = issued();
    let (ann, role) = (bench.user("ann", |_| {}), bench.role("app", |_| {}));
    let holder = Holder::Role { id: role.id, session_name: "s1".into() };
    let session = bench.session(holder, |claims| {
        claims.tags = vec![("team".into(), "blue".into())];
        claims.transitive = vec!["team".into()];
        claims.source_identity = Some("ann".into());
        claims.policy_arns = vec!["arn:aws:iam::aws:policy/ReadOnlyAccess".into()];
        claims.mfa = Some(NOW);
    });
    let who = bench.send(&session).unwrap().principal;
    assert_eq!(who.arn(), "arn:aws:sts::111122223333:assumed-role/app/s1");
    assert_eq!(who.user_id(), format!("{}:s1", role.id));
    let key = session.key.parse().unwrap();
    assert_eq!(who.credential, Credential::Temporary { key, issued: NOW, mfa: Some(NOW), sign_in: None });
    let Identity::RoleSession(facts) = who.identity else { panic!("a role session") };
    assert_eq!(facts.tags, [("team".into(), "blue".into())]);
    assert_eq!((&*facts.transitive, facts.source_identity.as_deref()), (&["team".into()][..], Some("ann")));
    assert_eq!(&*facts.policies.managed[0], "arn:aws:iam::aws:policy/ReadOnlyAccess");

    let of_user = bench.session(Holder::User(ann.id), |_| {});
    assert_eq!(bench.send(&of_user).unwrap().principal.arn(), "arn:aws:iam::111122223333:user/ann");
    let of_root = bench.session(Holder::Root, |_| {});
    assert_eq!(bench.send(&of_root).unwrap().principal.arn(), "arn:aws:iam::111122223333:root");
}

#[test]
fn session_ends_with_its_role_or_user() {
    let mut bench = issued();
    let (ann, role) = (bench.user("ann", |_| {}), bench.role("app", |_| {}));
    let of_role = bench.session(Holder::Role { id: role.id, session_name: "s1".into() }, |_| {});
    let of_user = bench.session(Holder::User(ann.id), |_| {});
    assert!(bench.send(&of_role).is_ok() && bench.send(&of_user).is_ok());
    bench.write(|txn| {
        txn.delete_entity::<Role>(account(), "app");
        txn.delete_entity::<User>(account(), "ann");
    });
    assert_invalid(&bench, &of_role);
    assert_invalid(&bench, &of_user);
    bench.role("app", |_| {});
    assert_invalid(&bench, &of_role);
}

#[test]
fn credentials_of_a_sign_in_end_with_its_session() {
    let mut bench = issued();
    let ann = bench.user("ann", |_| {});
    let id = bench.sign_in(SignedIn::User(ann.id), NOW.plus_seconds(1_800));
    let credentials = bench.session(Holder::User(ann.id), |claims| claims.sign_in = Some(id));
    let who = bench.send(&credentials).unwrap().principal;
    assert_eq!(who.sign_in(), Some(SignIn { session: id, kind: SessionKind::CommandLine }));
    assert!(!who.is_user_session());
    let expired = |result| assert_eq!(refusal(result).0, "ExpiredToken");
    expired(bench.send_at(&credentials, NOW.plus_seconds(1_800)));
    bench.write(|txn| txn.delete(RowKey::Session(account(), id)));
    expired(bench.send(&credentials));
}

#[test]
fn credentials_of_a_sign_in_end_with_the_session_that_it_was_allowed_in() {
    let mut bench = issued();
    let ann = bench.user("ann", |_| {});
    let parent = bench.sign_in(SignedIn::User(ann.id), NOW.plus_seconds(1_800));
    let id = bench.sign_in(SignedIn::User(ann.id), NOW.plus_seconds(3_600));
    let put = |bench: &Bench, id, expires, parent| {
        bench.write(|txn| {
            let key = RowKey::Session(account(), id);
            let row = SignInSession::clone(&txn.get::<SignInSession>(key.clone()).unwrap());
            txn.put(key, SignInSession { expires, parent, ..row });
        });
    };
    put(&bench, id, NOW.plus_seconds(3_600), Some(parent));
    let credentials = bench.session(Holder::User(ann.id), |claims| claims.sign_in = Some(id));
    assert!(bench.send(&credentials).is_ok());
    put(&bench, parent, NOW, None);
    assert_eq!(refusal(bench.send(&credentials)).0, "ExpiredToken");
    put(&bench, parent, NOW.plus_seconds(60), None);
    assert!(bench.send(&credentials).is_ok());
    bench.write(|txn| txn.delete(RowKey::Session(account(), parent)));
    assert_eq!(refusal(bench.send(&credentials)).0, "ExpiredToken");
}

#[test]
fn federated_user_ends_with_the_user_who_vouches_for_it() {
    let mut bench = issued();
    let ann = bench.user("ann", |_| {});
    let holder = |by| Holder::FederatedUser { by, name: "bob".into() };
    let (of_ann, of_root) =
        (bench.session(holder(Some(ann.id)), |_| {}), bench.session(holder(None), |_| {}));
    for signer in [&of_ann, &of_root] {
        let who = bench.send(signer).unwrap().principal;
        assert_eq!(who.arn(), "arn:aws:sts::111122223333:federated-user/bob");
        assert_eq!(who.user_id(), "111122223333:bob");
    }
    bench.write(|txn| txn.delete_entity::<User>(account(), "ann"));
    assert_invalid(&bench, &of_ann);
    assert!(bench.send(&of_root).is_ok());
}

fn put_seal(bench: &Bench, seal: Seal) {
    bench.write(|txn| txn.put(RowKey::RootGuard(account()), RootGuard { seal, ..RootGuard::new() }));
}

#[test]
fn sealed_root_user_is_kept_out_with_all_that_its_keys_made_but_not_at_its_sign_in() {
    let mut bench = issued();
    let ann = bench.user("ann", |_| {});
    let federated = |by| Holder::FederatedUser { by, name: "bob".into() };
    let by_key = [
        bench.key(CredentialOwner::Root, true),
        bench.session(Holder::Root, |_| {}),
        bench.session(federated(None), |_| {}),
    ];
    let id = bench.sign_in(SignedIn::Root, NOW.plus_seconds(1_800));
    let others = [
        bench.session(Holder::Root, |claims| claims.sign_in = Some(id)),
        bench.session(federated(Some(ann.id)), |_| {}),
        bench.key(CredentialOwner::User(ann.id), true),
    ];
    put_seal(&bench, Seal::Closed);
    for signer in &by_key {
        let (code, message) = bench.refusal(signer);
        assert_eq!(code, "AccessDenied");
        assert!(message.starts_with("The root user of account 111122223333 is sealed"), "{message}");
        // Who does not have the secret does not learn it.
        assert_eq!(
            bench.refusal(&Signer { secret: "wrong".into(), ..signer.clone() }).0,
            "SignatureDoesNotMatch"
        );
    }
    assert!(others.iter().all(|signer| bench.send(signer).is_ok()));
}

#[test]
fn key_of_the_root_user_is_good_as_long_as_the_seal_is_broken() {
    let mut bench = issued();
    let key = bench.key(CredentialOwner::Root, true);
    let until = NOW.plus_seconds(60);
    put_seal(&bench, Seal::Open { since: NOW, until, reason: "drill".into() });
    assert!(bench.send_at(&key, NOW.plus_seconds(59)).is_ok());
    assert_eq!(refusal(bench.send_at(&key, until)).0, "AccessDenied");
}

#[test]
fn sandbox_takes_foreign_keys_of_a_sealed_root_user_at_their_word_and_its_issued_ones_not() {
    let mut bench = Bench::new(Authority::Sandbox);
    let key = bench.key(CredentialOwner::Root, true);
    put_seal(&bench, Seal::Closed);
    assert!(bench.send(&foreign(ACCOUNT)).is_ok());
    assert_eq!(bench.refusal(&key).0, "AccessDenied");
}

#[test]
fn session_expires_at_its_end() {
    let mut bench = issued();
    let session = bench.session(Holder::Root, |claims| claims.expires = NOW.plus_seconds(60));
    assert!(bench.send_at(&session, NOW.plus_seconds(59)).is_ok());
    let (code, message) = refusal(bench.send_at(&session, NOW.plus_seconds(60)));
    assert_eq!(
        (code, message.as_str()),
        ("ExpiredToken", "The security token included in the request is expired")
    );
}

#[test]
fn key_and_token_that_do_not_belong_together_are_invalid() {
    let mut bench = issued();
    let (one, other) = (bench.session(Holder::Root, |_| {}), bench.session(Holder::Root, |_| {}));
    let long_term = bench.key(CredentialOwner::Root, true);
    for signer in [
        Signer { token: other.token.clone(), ..one.clone() },
        Signer { token: None, ..one.clone() },
        Signer { token: one.token.clone(), ..long_term.clone() },
        Signer { key: long_term.key.clone(), ..one.clone() },
        Signer { token: Some("AAAA".into()), ..one.clone() },
        Signer { token: Some("é".into()), ..one.clone() },
        Signer { token: Some("A".repeat(TOKEN_BYTES_MAX + 4)), ..one.clone() },
    ] {
        assert_invalid(&bench, &signer);
    }
    assert!(bench.send(&one).is_ok());
}

#[test]
fn token_of_another_key_file_is_invalid_and_so_is_a_changed_one() {
    let (mut bench, mut other) = (issued(), Bench::seeded(Authority::Issued, 2));
    let foreign = other.session(Holder::Root, |_| {});
    assert!(other.send(&foreign).is_ok());
    assert_invalid(&bench, &foreign);
    let session = bench.session(Holder::Root, |_| {});
    assert!(bench.send(&session).is_ok());
    let mut changed = session.token.clone().unwrap().into_bytes();
    changed[40] = if changed[40] == b'A' { b'B' } else { b'A' };
    assert_invalid(&bench, &Signer { token: String::from_utf8(changed).ok(), ..session });
}

#[test]
fn session_of_an_account_that_is_not_there_is_invalid() {
    let mut bench = issued();
    let session = bench.session(Holder::Root, |claims| claims.account = ELSEWHERE.parse().unwrap());
    assert_invalid(&bench, &session);
}

#[test]
fn suspended_or_closed_account_refuses_keys_and_sessions_before_it_looks_at_signatures() {
    let mut bench = issued();
    let (key, session) = (bench.key(CredentialOwner::Root, true), bench.session(Holder::Root, |_| {}));
    for status in [AccountStatus::Suspended, AccountStatus::Closed { at: Time::from_seconds(1) }] {
        bench.open_account(ACCOUNT, status);
        for signer in [&key, &session, &Signer { secret: "wrong".into(), ..key.clone() }] {
            assert_eq!(bench.refusal(signer).0, "OptInRequired");
        }
    }
    bench.open_account(ACCOUNT, AccountStatus::Active);
    assert!(bench.send(&key).is_ok() && bench.send(&session).is_ok());
}

#[test]
fn late_and_early_signatures_are_refused() {
    let mut bench = issued();
    let key = bench.key(CredentialOwner::Root, true);
    let headers = signed(&key, "us-east-1", NOW);
    assert!(bench.authenticate(&headers, NOW.plus_seconds(900)).is_ok());
    for seconds in [901, -901] {
        let (code, message) = refusal(bench.authenticate(&headers, NOW.plus_seconds(seconds)));
        assert_eq!(code, "SignatureDoesNotMatch", "{message}");
    }
}

#[test]
fn any_region_is_taken_and_a_text_that_is_none_is_not() {
    let mut bench = issued();
    let key = bench.key(CredentialOwner::Root, true);
    for region in ["us-east-1", "eu-central-2", "local", "cn-north-1"] {
        let who = bench.authenticate(&signed(&key, region, NOW), NOW).unwrap();
        // The partition is the account's, whatever region is asked for.
        assert_eq!((&*who.region, who.principal.partition), (region, Partition::Aws));
    }
    for region in ["us--east", "-us", "US-EAST-1", "us_east", &"a".repeat(65)] {
        let (code, _) = refusal(bench.authenticate(&signed(&key, region, NOW), NOW));
        assert_eq!(code, "SignatureDoesNotMatch", "{region}");
    }
}

#[test]
fn sandbox_takes_a_foreign_key_as_the_root_of_its_account() {
    let bench = Bench::new(Authority::Sandbox);
    // The account must be opened first.
    for (key, wanted) in
        [("test", "123456789012"), ("444455556666", ELSEWHERE), ("AKIDEXAMPLE", "123456789012")]
    {
        match bench.send(&foreign(key)) {
            Err(Unauthenticated::SandboxAccount(account)) => assert_eq!(account.to_string(), wanted),
            other => panic!("{other:?}"),
        }
        assert_invalid(&bench, &foreign(key));
    }
    bench.open_account("123456789012", AccountStatus::Active);
    bench.open_account(ELSEWHERE, AccountStatus::Active);
    for (key, wanted) in [("test", "123456789012"), ("444455556666", ELSEWHERE)] {
        let who = bench.send(&foreign(key)).unwrap().principal;
        assert_eq!(who.arn(), format!("arn:aws:iam::{wanted}:root"));
        assert_eq!((who.access_key_id(), who.issued()), (key.to_owned(), None));
    }
    bench.open_account(ELSEWHERE, AccountStatus::Closed { at: NOW });
    assert_eq!(bench.refusal(&foreign("444455556666")).0, "OptInRequired");
    assert!(bench.send(&foreign("test")).is_ok());
}

#[test]
fn sandbox_follows_the_region_into_its_partition() {
    let bench = Bench::new(Authority::Sandbox);
    let who = bench.authenticate(&signed(&foreign(ACCOUNT), "cn-north-1", NOW), NOW).unwrap();
    assert_eq!(who.principal.arn(), format!("arn:aws-cn:iam::{ACCOUNT}:root"));
}

#[test]
fn sandbox_knows_an_issued_key_in_the_partition_it_was_made_in() {
    let mut bench = Bench::new(Authority::Sandbox);
    let ann = bench.user("ann", |_| {});
    let key = bench.key(CredentialOwner::User(ann.id), true);
    let (here, there) = (
        bench.session(Holder::User(ann.id), |_| {}),
        bench.session(Holder::User(ann.id), |claims| claims.partition = Partition::AwsCn),
    );
    let arn = |signer, region| {
        let who = bench.authenticate(&signed(signer, region, NOW), NOW);
        who.map(|who| who.principal.arn()).map_err(|refused| refused.answer().0)
    };
    for signer in [&key, &here] {
        assert_eq!(arn(signer, "eu-west-1").unwrap(), "arn:aws:iam::111122223333:user/ann");
        for region in ["cn-north-1", "us-gov-west-1"] {
            assert_eq!(arn(signer, region), Err("InvalidClientTokenId"));
        }
    }
    assert_eq!(arn(&there, "cn-northwest-1").unwrap(), "arn:aws-cn:iam::111122223333:user/ann");
    assert_eq!(arn(&there, "us-east-1"), Err("InvalidClientTokenId"));
}

#[test]
fn sandbox_verifies_keys_that_it_issued_live_inactive_or_deleted() {
    let mut bench = Bench::new(Authority::Sandbox);
    let ann = bench.user("ann", |_| {});
    let (live, inactive) =
        (bench.key(CredentialOwner::User(ann.id), true), bench.key(CredentialOwner::User(ann.id), false));
    assert_eq!(bench.send(&live).unwrap().principal.arn(), "arn:aws:iam::111122223333:user/ann");
    assert_eq!(bench.refusal(&Signer { secret: "wrong".into(), ..live.clone() }).0, "SignatureDoesNotMatch");
    assert_invalid(&bench, &inactive);
    bench.write(|txn| txn.delete(RowKey::AccessKey(live.key.parse().unwrap())));
    assert_invalid(&bench, &live);
    let session = bench.session(Holder::User(ann.id), |_| {});
    assert!(bench.send(&session).is_ok());
    assert_invalid(&bench, &Signer { token: None, ..session });
}

#[test]
fn sandbox_still_wants_a_signature() {
    let bench = Bench::new(Authority::Sandbox);
    assert_eq!(refusal(bench.authenticate(&HeaderMap::new(), NOW)).0, "MissingAuthenticationToken");
}
