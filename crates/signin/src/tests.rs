//! Signing in, step by step.

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use rootward_auth::password::Password;
use rootward_state::RowKey;
use rootward_state::entities::{
    Account, AccountStatus, CredentialOwner, LoginProfile, PasswordPolicy, Seal, User,
};
use rootward_testkit::SecurityKey;
use serde_json::{Value, json};

use crate::step::STEPS_SECONDS_MAX;
use crate::testing::{ANN, ANN_PASSWORD, Bench, CONSOLE, ROOT, ROOT_PASSWORD, account, id_of};
use crate::{Door, Next, PasskeyOptions, Refused, Visitor};

fn wrong(bench: &Bench, door: &Door<'_>) -> Refused {
    bench.password(door, "not-The+right-1").unwrap_err()
}

/// The text for the next form, whatever it asks for.
fn step(next: Result<Next, Refused>) -> String {
    match next.unwrap() {
        Next::Approval { step, .. }
        | Next::NewPassword { step, .. }
        | Next::Reason { step, .. }
        | Next::SecondFactor { step, .. } => step,
        Next::Rejected { by } => panic!("rejected by {by:?}"),
        Next::Welcome(welcome) => panic!("{welcome:?}"),
    }
}

fn is_welcome(next: &Result<Next, Refused>) -> bool {
    matches!(next, Ok(Next::Welcome(_)))
}

fn set_profile(bench: &Bench, change: impl FnOnce(&mut LoginProfile)) {
    let mut profile = LoginProfile::clone(bench.state().login_profile(id_of("ann")).unwrap());
    change(&mut profile);
    bench.write(|txn| txn.put(RowKey::LoginProfile(account(), id_of("ann")), profile));
}

#[test]
fn user_signs_in_by_account_id_or_alias_in_any_case() {
    let bench = Bench::new();
    for typed in ["111122223333", "1111-2222-3333", " 111122223333 ", "example", "Example"] {
        for name in ["ann", "ANN"] {
            let door = Door::User { account: typed, name };
            let cookie = bench.sign_in(&door, ANN_PASSWORD);
            let live = bench.service.session(&bench.visitor(), &cookie).unwrap();
            assert_eq!(live.acting().arn(), "arn:aws:iam::111122223333:user/ann");
        }
    }
    let login = bench.records_of("ConsoleLogin").remove(0);
    assert_eq!(login["eventSource"], "signin.amazonaws.com");
    assert_eq!(login["eventType"], "AwsConsoleSignIn");
    assert_eq!((&login["requestParameters"], &login["readOnly"]), (&json!(null), &json!(false)));
    assert_eq!(login["responseElements"], json!({ "ConsoleLogin": "Success" }));
    assert_eq!(
        login["additionalEventData"],
        json!({ "LoginTo": "http://localhost:4566/console", "MobileVersion": "No", "MFAUsed": "No" })
    );
    assert_eq!(login["userIdentity"]["userName"], "ann");
    assert_eq!(login["sourceIPAddress"], "192.0.2.7");
}

#[test]
fn who_does_not_exist_is_refused_like_who_does() {
    let bench = Bench::new();
    let doors = [
        (ANN, Some("Failed authentication")),
        (ROOT, Some("Failed authentication")),
        (
            Door::User { account: "111122223333", name: "nobody" },
            Some("No username found in supplied account"),
        ),
        // Bob has no password.
        (Door::User { account: "111122223333", name: "bob" }, Some("Failed authentication")),
        (Door::User { account: "999988887777", name: "ann" }, None),
        (Door::Root { email: "nobody@example.com" }, None),
    ];
    for (door, told) in doors {
        let before = bench.records().len();
        assert_eq!(wrong(&bench, &door), Refused::Wrong, "{door:?}");
        let records = bench.records();
        let record = records.get(before..).unwrap().first();
        assert_eq!(record.and_then(|record| record["errorMessage"].as_str()), told, "{door:?}");
        if let Some(record) = record {
            assert_eq!(record["responseElements"], json!({ "ConsoleLogin": "Failure" }));
            assert!(!record.to_string().contains("nobody"), "{record}");
        }
    }
}

#[test]
fn wrong_guesses_are_slowed_down_before_they_cost_a_hash() {
    let bench = Bench::new();
    for _ in 0..20 {
        assert_eq!(wrong(&bench, &ANN), Refused::Wrong);
    }
    let records = bench.records().len();
    assert!(matches!(bench.password(&ANN, ANN_PASSWORD), Err(Refused::Slow { seconds: 1..=11 })));
    assert_eq!(bench.records().len(), records);
    bench.pass_seconds(10);
    assert!(is_welcome(&bench.password(&ANN, ANN_PASSWORD)));
}

#[test]
fn who_signs_in_without_end_by_the_right_password_keeps_nobody_else_out() {
    let bench = Bench::new();
    bench.guard(|guard| guard.seal = Seal::Never);
    let (over, busy) = (AtomicBool::new(false), AtomicUsize::new(0));
    let flood = || {
        while !over.load(Ordering::Relaxed) {
            if matches!(bench.password(&ANN, ANN_PASSWORD), Err(Refused::Busy)) {
                busy.fetch_add(1, Ordering::Relaxed);
                std::thread::yield_now();
            }
        }
    };
    std::thread::scope(|scope| {
        (0..16).for_each(|_| drop(scope.spawn(flood)));
        while busy.load(Ordering::Relaxed) == 0 {
            std::thread::yield_now();
        }
        // From the same address and from another.
        let tries = [7, 8, 7, 8, 7, 8]
            .map(|source| bench.password_from(&bench.visitor_from(source), &ROOT, ROOT_PASSWORD));
        over.store(true, Ordering::Relaxed);
        assert!(tries.iter().all(is_welcome), "{tries:?}");
    });
}

#[test]
fn second_factor_is_asked_for_and_each_code_is_good_once() {
    let bench = Bench::new();
    let seed = bench.add_device("ann", CredentialOwner::User(id_of("ann")));
    let next = bench.password(&ANN, ANN_PASSWORD);
    assert!(matches!(next, Ok(Next::SecondFactor { codes: true, passkeys: false, .. })));
    assert_eq!(bench.records_of("CheckMfa")[0]["additionalEventData"], json!({ "MfaType": "Virtual MFA" }));
    let step = step(next);
    let code = bench.code(&seed);
    for bad in ["", "000000", "abcdef", "1234567"] {
        assert_eq!(bench.service.code(&bench.visitor(), &step, bad).unwrap_err(), Refused::WrongFactor);
    }
    let failed = bench.records_of("ConsoleLogin").pop().unwrap();
    assert_eq!(
        (&failed["errorMessage"], &failed["additionalEventData"]["MFAUsed"]),
        (&json!("Failed authentication"), &json!("Yes"))
    );
    let (front, back) = code.split_at(3);
    let spaced = format!(" {front} {back}");
    let Ok(Next::Welcome(welcome)) = bench.service.code(&bench.visitor(), &step, &spaced) else {
        panic!("a session")
    };
    let live = bench.service.session(&bench.visitor(), &welcome.cookie).unwrap();
    assert_eq!(live.acting().mfa(), Some(bench.now()));
    let login = bench.records_of("ConsoleLogin").remove(0);
    assert_eq!(login["additionalEventData"]["MFAIdentifier"], "arn:aws:iam::111122223333:mfa/ann");
    // The same code again, by the same step and by a new sign-in.
    assert_eq!(bench.service.code(&bench.visitor(), &step, &code).unwrap_err(), Refused::WrongFactor);
    let again = self::step(bench.password(&ANN, ANN_PASSWORD));
    assert_eq!(bench.service.code(&bench.visitor(), &again, &code).unwrap_err(), Refused::WrongFactor);
    bench.pass_seconds(30);
    assert!(is_welcome(&bench.service.code(&bench.visitor(), &again, &bench.code(&seed))));
}

/// Asks for a passkey: the step that goes on, and what the browser is told.
fn ask(bench: &Bench, step: &str) -> (String, String) {
    let PasskeyOptions { step, options } = bench.service.passkey_options(&bench.visitor(), step).unwrap();
    (step, options)
}

#[test]
fn passkey_is_asked_for_and_each_answer_is_good_once() {
    let bench = Bench::new();
    let mut key = SecurityKey::synchronized();
    bench.add_security_key("user/ann/key-A", CredentialOwner::User(id_of("ann")), &mut key);
    let next = bench.password(&ANN, ANN_PASSWORD);
    assert!(matches!(next, Ok(Next::SecondFactor { codes: false, passkeys: true, .. })));
    assert_eq!(bench.records_of("CheckMfa")[0]["additionalEventData"], json!({ "MfaType": "U2F MFA" }));
    let first = step(next);
    // Before the browser was told what to ask for there is nothing to answer.
    assert_eq!(bench.service.passkey(&bench.visitor(), &first, "{}").unwrap_err(), Refused::BeginAgain);
    let (step, options) = ask(&bench, &first);
    assert_eq!(bench.service.passkey(&bench.visitor(), &step, "{}").unwrap_err(), Refused::WrongFactor);
    let answer = key.get(CONSOLE, &options);
    let Ok(Next::Welcome(welcome)) = bench.service.passkey(&bench.visitor(), &step, &answer) else {
        panic!("a session")
    };
    let live = bench.service.session(&bench.visitor(), &welcome.cookie).unwrap();
    assert_eq!(live.acting().mfa(), Some(bench.now()));
    let logins = bench.records_of("ConsoleLogin");
    let data = |n: usize| logins[n]["additionalEventData"].clone();
    assert_eq!(data(0)["MFAIdentifier"], "arn:aws:iam::111122223333:u2f/user/ann/key-A");
    assert_eq!(
        (&data(1)["MFAUsed"], &logins[1]["errorMessage"]),
        (&json!("Yes"), &json!("Failed authentication"))
    );
    // The same answer again, by the same step and by one that was not used.
    assert_eq!(bench.service.passkey(&bench.visitor(), &step, &answer).unwrap_err(), Refused::WrongFactor);
    let (again, _) = ask(&bench, &first);
    assert_eq!(bench.service.passkey(&bench.visitor(), &again, &answer).unwrap_err(), Refused::WrongFactor);
    let (again, options) = ask(&bench, &self::step(bench.password(&ANN, ANN_PASSWORD)));
    let answer = key.get(CONSOLE, &options);
    assert!(is_welcome(&bench.service.passkey(&bench.visitor(), &again, &answer)));
}

#[test]
fn challenge_is_for_one_browser_one_owner_and_five_minutes() {
    let bench = Bench::new();
    let (mut anns, mut roots) = (SecurityKey::synchronized(), SecurityKey::synchronized());
    bench.add_security_key("user/ann/key-A", CredentialOwner::User(id_of("ann")), &mut anns);
    bench.add_security_key("root/key-B", CredentialOwner::Root, &mut roots);
    let (step, options) = ask(&bench, &step(bench.password(&ANN, ANN_PASSWORD)));
    let (of_root, for_root) = ask(&bench, &self::step(bench.password(&ROOT, ROOT_PASSWORD)));
    let (answer, roots) = (anns.get(CONSOLE, &options), roots.get(CONSOLE, &for_root));
    let stranger = bench.service.browser(None);
    let elsewhere = Visitor { browser: &stranger, ..bench.visitor() };
    assert_eq!(bench.service.passkey(&elsewhere, &step, &answer).unwrap_err(), Refused::BeginAgain);
    assert_eq!(bench.service.passkey_options(&elsewhere, &step).unwrap_err(), Refused::BeginAgain);
    assert_eq!(bench.service.passkey(&bench.visitor(), &step, &roots).unwrap_err(), Refused::WrongFactor);
    assert_eq!(bench.service.passkey(&bench.visitor(), &of_root, &answer).unwrap_err(), Refused::WrongFactor);
    bench.pass_seconds(300);
    assert_eq!(bench.service.passkey(&bench.visitor(), &step, &answer).unwrap_err(), Refused::WrongFactor);
    // The step is good for longer, and asks anew.
    let (step, options) = ask(&bench, &step);
    assert!(is_welcome(&bench.service.passkey(&bench.visitor(), &step, &anns.get(CONSOLE, &options))));
}

#[test]
fn code_is_as_good_as_a_passkey_and_the_other_way_round() {
    let bench = Bench::new();
    let ann = CredentialOwner::User(id_of("ann"));
    let (seed, mut key) = (bench.add_device("ann", ann), SecurityKey::counting());
    bench.add_security_key("user/ann/key-A", ann, &mut key);
    let first = step(bench.password(&ANN, ANN_PASSWORD));
    assert_eq!(
        bench.records_of("CheckMfa")[0]["additionalEventData"],
        json!({ "MfaType": "Multiple MFA Devices" })
    );
    let (step, _) = ask(&bench, &first);
    assert!(is_welcome(&bench.service.code(&bench.visitor(), &step, &bench.code(&seed))));
    let (step, options) = ask(&bench, &self::step(bench.password(&ANN, ANN_PASSWORD)));
    assert!(is_welcome(&bench.service.passkey(&bench.visitor(), &step, &key.get(CONSOLE, &options))));
}

#[test]
fn who_has_no_passkey_is_asked_for_none() {
    let bench = Bench::new();
    bench.add_device("ann", CredentialOwner::User(id_of("ann")));
    let step = step(bench.password(&ANN, ANN_PASSWORD));
    let refused = bench.service.passkey_options(&bench.visitor(), &step).unwrap_err();
    assert_eq!(refused, Refused::NoPasskey);
}

#[test]
fn codes_cannot_be_tried_out_by_who_knows_the_password() {
    let bench = Bench::new();
    bench.add_device("ann", CredentialOwner::User(id_of("ann")));
    // From many addresses, each time with another browser.
    let tried = (0..100).filter(|n| {
        let browser = bench.service.browser(None);
        let visitor = Visitor { browser: &browser, ..bench.visitor_from(*n) };
        let step = step(bench.password_from(&visitor, &ANN, ANN_PASSWORD));
        let code = format!("{n:06}");
        bench.service.code(&visitor, &step, &code).unwrap_err() == Refused::WrongFactor
    });
    assert_eq!(tried.count(), 20);
}

/// Shows wrong codes, each in a new browser, until that is slowed down.
fn exhaust_codes(bench: &Bench) {
    let browser = bench.service.browser(None);
    let visitor = Visitor { browser: &browser, ..bench.visitor() };
    let step = step(bench.password_from(&visitor, &ANN, ANN_PASSWORD));
    let refused = || bench.service.code(&visitor, &step, "000000").unwrap_err();
    let wrong = (0..100).find(|_| matches!(refused(), Refused::Slow { .. }));
    assert_eq!(wrong, Some(20));
}

#[test]
fn who_knows_the_password_does_not_keep_the_owner_out_of_browsers_that_were_signed_in_before() {
    let bench = Bench::new();
    let seed = bench.add_device("ann", CredentialOwner::User(id_of("ann")));
    let first = step(bench.password(&ANN, ANN_PASSWORD));
    let Ok(Next::Welcome(welcome)) = bench.service.code(&bench.visitor(), &first, &bench.code(&seed)) else {
        panic!("a session")
    };
    exhaust_codes(&bench);
    bench.pass_seconds(30);
    let known = bench.service.browser(Some(&welcome.browser));
    let visitor = Visitor { browser: &known, ..bench.visitor() };
    let step = || step(bench.password_from(&visitor, &ANN, ANN_PASSWORD));
    assert!(is_welcome(&bench.service.code(&visitor, &step(), &bench.code(&seed))));
    // All those browsers have so many wrong codes together.
    let tried = (0..100).filter(|n| {
        let again = bench.service.browser(Some(&welcome.browser));
        let visitor = Visitor { browser: &again, ..bench.visitor_from(*n) };
        bench.service.code(&visitor, &step(), "000000").unwrap_err() == Refused::WrongFactor
    });
    assert_eq!(tried.count(), 20);
}

#[test]
fn right_answer_of_a_security_key_is_never_slowed_down_and_wrong_ones_are_recorded_so_often() {
    let bench = Bench::new();
    let (ann, mut key) = (CredentialOwner::User(id_of("ann")), SecurityKey::synchronized());
    bench.add_device("ann", ann);
    bench.add_security_key("user/ann/key-A", ann, &mut key);
    exhaust_codes(&bench);
    let (step, options) = ask(&bench, &step(bench.password(&ANN, ANN_PASSWORD)));
    let before = bench.records_of("ConsoleLogin").len();
    let wrong = || bench.service.passkey(&bench.visitor(), &step, "{}").unwrap_err();
    assert_eq!((0..100).filter(|_| wrong() == Refused::WrongFactor).count(), 20);
    assert!(matches!(wrong(), Refused::Slow { .. }));
    assert_eq!(bench.records_of("ConsoleLogin").len() - before, 20);
    assert!(is_welcome(&bench.service.passkey(&bench.visitor(), &step, &key.get(CONSOLE, &options))));
}

#[test]
fn password_is_changed_by_nobody_who_has_not_shown_everything_else_or_need_not_change_it() {
    let bench = Bench::new();
    let who = |step: &str| bench.service.who_changes_password(&bench.visitor(), step).map(drop);
    let seed = bench.add_device("ann", CredentialOwner::User(id_of("ann")));
    set_profile(&bench, |profile| profile.reset_required = true);
    let first = step(bench.password(&ANN, ANN_PASSWORD));
    assert_eq!(who(&first), Err(Refused::BeginAgain));
    let shown = step(bench.service.code(&bench.visitor(), &first, &bench.code(&seed)));
    assert_eq!(who(&shown), Ok(()));
    set_profile(&bench, |profile| profile.reset_required = false);
    assert_eq!(who(&shown), Err(Refused::BeginAgain));
    let policy = PasswordPolicy { max_age_days: Some(1), hard_expiry: true, ..PasswordPolicy::default() };
    bench.write(|txn| txn.put(RowKey::PasswordPolicy(account()), policy));
    set_profile(&bench, |profile| profile.set = profile.set.plus_seconds(-90_000));
    let first = step(bench.password(&ANN, ANN_PASSWORD));
    assert_eq!(who(&first), Err(Refused::BeginAgain));
}

#[test]
fn reason_is_kept_of_a_sealed_root_user_alone() {
    let bench = Bench::new();
    let seed = bench.add_device("ann", CredentialOwner::User(id_of("ann")));
    let first = step(bench.password(&ANN, ANN_PASSWORD));
    let first = step(bench.service.reason(&bench.visitor(), &first, "drill"));
    let Ok(Next::Welcome(welcome)) = bench.service.code(&bench.visitor(), &first, &bench.code(&seed)) else {
        panic!("a session")
    };
    let live = bench.service.session(&bench.visitor(), &welcome.cookie).unwrap();
    assert!(live.row.reason.is_none());
    bench.service.sign_out(&bench.visitor(), &live).unwrap();
    assert!(bench.records_of("RootSessionEnded").is_empty());
}

#[test]
fn requests_for_root_access_are_bounded_and_outlive_no_change_of_the_guard() {
    let (bench, waits) = waiting();
    let ask = |source: u8| {
        let first = step(bench.password(&ROOT, ROOT_PASSWORD));
        bench.service.reason(&bench.visitor_from(source), &first, "again")
    };
    (0..2).for_each(|_| drop(step(ask(7))));
    assert_eq!(ask(7).unwrap_err(), Refused::TooManyRequests);
    (0..7).for_each(|source| drop(step(ask(10 + source))));
    assert_eq!(ask(20).unwrap_err(), Refused::TooManyRequests);
    // Whoever waits does not get in because nobody would be asked any more.
    bench.guard(|guard| guard.seal = Seal::Never);
    assert!(matches!(look(&bench, &waits), Ok(Next::Approval { approved: 0, required: 2, .. })));
    bench.pass_seconds(3_600 + 900);
    assert_eq!(look(&bench, &waits).unwrap_err(), Refused::BeginAgain);
}

#[test]
fn step_is_worth_nothing_in_another_browser_or_after_a_change_of_the_password() {
    let bench = Bench::new();
    let seed = bench.add_device("ann", CredentialOwner::User(id_of("ann")));
    let step = step(bench.password(&ANN, ANN_PASSWORD));
    let stranger = bench.service.browser(None);
    let elsewhere = Visitor { browser: &stranger, ..bench.visitor() };
    let code = bench.code(&seed);
    assert_eq!(bench.service.code(&elsewhere, &step, &code).unwrap_err(), Refused::BeginAgain);
    set_profile(&bench, |profile| profile.set = profile.set.plus_seconds(1));
    assert_eq!(bench.service.code(&bench.visitor(), &step, &code).unwrap_err(), Refused::BeginAgain);
    // What was refused has used nothing up.
    set_profile(&bench, |profile| profile.set = profile.set.plus_seconds(-1));
    assert!(is_welcome(&bench.service.code(&bench.visitor(), &step, &code)));
}

#[test]
fn password_that_must_be_changed_opens_nothing_before_it_is() {
    let bench = Bench::new();
    set_profile(&bench, |profile| profile.reset_required = true);
    let next = bench.password(&ANN, ANN_PASSWORD);
    assert!(matches!(next, Ok(Next::NewPassword { expired: false, .. })));
    let step = step(next);
    let who = bench.service.who_changes_password(&bench.visitor(), &step).unwrap();
    assert_eq!((who.arn(), who.is_user_session()), ("arn:aws:iam::111122223333:user/ann".into(), false));
    let changed = |password: &str| bench.service.changed(&bench.visitor(), &step, &Password::new(password));
    assert!(matches!(changed(ANN_PASSWORD), Ok(Next::NewPassword { .. })));
    set_profile(&bench, |profile| profile.reset_required = false);
    assert!(is_welcome(&changed(ANN_PASSWORD)));
    assert_eq!(changed("another").unwrap_err(), Refused::BeginAgain);
}

#[test]
fn expired_password_is_changed_or_given_anew_as_the_policy_says() {
    let bench = Bench::new();
    let policy = PasswordPolicy { max_age_days: Some(90), ..PasswordPolicy::default() };
    let set = |policy: &PasswordPolicy| {
        bench.write(|txn| txn.put(RowKey::PasswordPolicy(account()), policy.clone()));
    };
    set(&policy);
    assert!(is_welcome(&bench.password(&ANN, ANN_PASSWORD)));
    bench.pass_seconds(90 * 86_400);
    assert!(matches!(bench.password(&ANN, ANN_PASSWORD), Ok(Next::NewPassword { expired: true, .. })));
    set(&PasswordPolicy { hard_expiry: true, ..policy });
    assert_eq!(bench.password(&ANN, ANN_PASSWORD).unwrap_err(), Refused::Expired);
}

#[test]
fn session_is_for_the_browser_it_was_given_to_and_ends_with_its_row_time_or_user() {
    let bench = Bench::new();
    let cookie = bench.sign_in(&ANN, ANN_PASSWORD);
    let visitor = bench.visitor();
    let is_in = |visitor: &Visitor<'_>, cookie: &str| bench.service.session(visitor, cookie).is_some();
    assert!(is_in(&visitor, &cookie) && is_in(&bench.visitor_from(9), &cookie));
    assert!(!is_in(&Visitor { user_agent: Some("curl"), ..visitor }, &cookie));
    assert!(!is_in(&Visitor { user_agent: None, ..visitor }, &cookie));
    for broken in [
        "",
        "..",
        cookie.strip_prefix(|_: char| true).unwrap(),
        cookie.strip_suffix(|_: char| true).unwrap(),
        &format!("{cookie}.x"),
        &cookie.replace("1111", "2222"),
    ] {
        assert!(!is_in(&visitor, broken), "{broken}");
    }
    let live = bench.service.session(&visitor, &cookie).unwrap();
    bench.service.sign_out(&visitor, &live).unwrap();
    assert!(!is_in(&visitor, &cookie));

    let cookie = bench.sign_in(&ANN, ANN_PASSWORD);
    bench.pass_seconds(-1);
    assert!(!is_in(&visitor, &cookie), "a clock that was set back prolongs nothing");
    bench.pass_seconds(43_200);
    assert!(is_in(&visitor, &cookie));
    bench.pass_seconds(1);
    assert!(!is_in(&visitor, &cookie));

    let cookie = bench.sign_in(&ANN, ANN_PASSWORD);
    bench.write(|txn| {
        let row = Account { status: AccountStatus::Suspended, ..Account::clone(bench.state().account()) };
        txn.put(RowKey::Account(account()), row);
    });
    assert!(!is_in(&visitor, &cookie));
    assert_eq!(bench.password(&ANN, ANN_PASSWORD).unwrap_err(), Refused::Suspended);
    bench.write(|txn| {
        let row = Account { status: AccountStatus::Active, ..Account::clone(bench.state().account()) };
        txn.put(RowKey::Account(account()), row);
        txn.delete_entity::<User>(account(), "ann");
    });
    assert!(!is_in(&visitor, &cookie));
}

#[test]
fn secret_of_a_session_is_replaced_and_the_old_one_is_good_for_a_moment() {
    let bench = Bench::new();
    let first = bench.sign_in(&ANN, ANN_PASSWORD);
    let visitor = bench.visitor();
    let live = |cookie: &str| bench.service.session(&visitor, cookie);
    assert!(bench.service.touch(&live(&first).unwrap()).is_none());
    bench.pass_seconds(3_600);
    let stale = live(&first).unwrap();
    let second = bench.service.touch(&stale).unwrap();
    assert_ne!(first, second);
    // A second request with the old secret replaces nothing again, and forms that are being filled in stay good.
    assert!(bench.service.touch(&stale).is_none());
    let (vault, renewed) = (bench.vault(), live(&second).unwrap());
    assert_eq!(stale.csrf(vault), renewed.csrf(vault));
    bench.pass_seconds(59);
    assert!(live(&first).is_some() && live(&second).is_some());
    bench.pass_seconds(1);
    assert!(live(&first).is_none() && live(&second).is_some());
}

#[test]
fn sealed_root_user_says_why_and_is_in_for_its_time_only() {
    let bench = Bench::new();
    bench.guard(|guard| guard.session_minutes = 30);
    let next = bench.password(&ROOT, ROOT_PASSWORD);
    assert!(matches!(next, Ok(Next::Reason { approvals: 0, minutes: 30, .. })));
    let step = step(next);
    let long = "x".repeat(257);
    for reason in ["", "   ", "a\nb", &long] {
        assert_eq!(bench.service.reason(&bench.visitor(), &step, reason).unwrap_err(), Refused::NoReason);
    }
    assert!(bench.records_of("ConsoleLogin").is_empty());
    let Ok(Next::Welcome(welcome)) = bench.service.reason(&bench.visitor(), &step, " close the old account ")
    else {
        panic!("a session")
    };
    assert_eq!(welcome.expires, bench.now().plus_seconds(1_800));
    let started = bench.records_of("RootSessionStarted").remove(0);
    assert_eq!(started["requestParameters"]["reason"], "close the old account");
    assert_eq!(started["userIdentity"]["type"], "Root");
    let names = bench.records().into_iter().map(|record| record["eventName"].as_str().unwrap().to_owned());
    assert_eq!(names.collect::<Vec<_>>(), ["ConsoleLogin", "RootSessionStarted"]);
    assert_eq!(bench.records_of("ConsoleLogin")[0]["userIdentity"]["arn"], "arn:aws:iam::111122223333:root");
    // Worth more than a user's: from another address it is none.
    assert!(bench.service.session(&bench.visitor_from(9), &welcome.cookie).is_none());
    let live = bench.service.session(&bench.visitor(), &welcome.cookie).unwrap();
    assert!(live.acting().is_root());
    bench.pass_seconds(1_800);
    assert!(bench.service.session(&bench.visitor(), &welcome.cookie).is_none());
    bench.service.sweep();
    bench.pass_seconds(STEPS_SECONDS_MAX);
    bench.service.sweep();
    assert_eq!(bench.state().sessions().len(), 0);
    let ended = bench.records_of("RootSessionEnded");
    assert_eq!(ended.len(), 1);
    assert_eq!(ended[0]["requestParameters"]["reason"], "expired");
}

#[test]
fn root_user_without_a_seal_just_signs_in() {
    let bench = Bench::new();
    bench.guard(|guard| guard.seal = Seal::Never);
    assert!(is_welcome(&bench.password(&Door::Root { email: " ROOT@example.com " }, ROOT_PASSWORD)));
    assert!(bench.records_of("RootSessionStarted").is_empty());
}

/// A sealed root user who needs two of three to agree, each with a second factor; the step that waits for them.
fn waiting() -> (Bench, String) {
    let bench = Bench::new();
    for name in ["ann", "bob", "cleo"] {
        bench.add_device(name, CredentialOwner::User(id_of(name)));
    }
    bench.guard(|guard| {
        guard.approvals_required = 2;
        guard.approvers = ["ann", "bob", "cleo"].map(id_of).to_vec();
    });
    let step = self::step(bench.password(&ROOT, ROOT_PASSWORD));
    let next = bench.service.reason(&bench.visitor(), &step, "drill");
    assert!(matches!(next, Ok(Next::Approval { approved: 0, required: 2, .. })));
    let step = self::step(next);
    (bench, step)
}

#[test]
fn one_sign_in_is_one_request_that_waits_and_nobody_agrees_to_a_reason_they_have_not_read() {
    let (bench, _) = waiting();
    let first = step(bench.password(&ROOT, ROOT_PASSWORD));
    let ask = |reason: &str| bench.service.reason(&bench.visitor(), &first, reason);
    let request = |next| match next {
        Ok(Next::Approval { request, step, .. }) => (request, step),
        other => panic!("{other:?}"),
    };
    let (before, old) = request(ask("close the account"));
    assert_eq!(request(ask("close the account")).0, before, "asked already");
    std::thread::scope(|scope| {
        (0..8).for_each(|n| drop(scope.spawn(move || ask(&format!("other {n}")))));
    });
    let (after, new) = request(ask("close the other account"));
    assert_ne!(before, after);
    let records = bench.records_of("RootAccessRequested");
    let replaced =
        |request: &Value| records.iter().any(|record| record["requestParameters"]["replaces"] == *request);
    assert!(replaced(&json!(before.to_string())) && !replaced(&json!(after.to_string())));
    let state = bench.state();
    let reasons: Vec<_> = state.root_accesses().iter().map(|(_, access)| &*access.reason).collect();
    assert_eq!(reasons.len(), 2, "{reasons:?}");
    assert!(reasons.contains(&"drill") && reasons.contains(&"close the other account"));
    assert_eq!(look(&bench, &old).unwrap_err(), Refused::RequestExpired);
    assert!(matches!(look(&bench, &new), Ok(Next::Approval { approved: 0, .. })));
}

fn look(bench: &Bench, step: &str) -> Result<Next, Refused> {
    bench.service.look_again(&bench.visitor(), step)
}

#[test]
fn one_approval_of_two_is_not_enough_and_two_are() {
    let (bench, step) = waiting();
    assert_eq!(bench.records_of("RootAccessRequested")[0]["requestParameters"]["reason"], "drill");
    for _ in 0..2 {
        bench.decide("ann", true);
        assert!(matches!(look(&bench, &step), Ok(Next::Approval { approved: 1, required: 2, .. })));
    }
    bench.decide("bob", true);
    assert!(is_welcome(&look(&bench, &step)));
    // Used up.
    assert_eq!(look(&bench, &step).unwrap_err(), Refused::BeginAgain);
}

#[test]
fn approval_of_who_is_gone_does_not_count() {
    let (bench, step) = waiting();
    bench.decide("ann", true);
    bench.decide("bob", true);
    bench.write(|txn| txn.delete_entity::<User>(account(), "bob"));
    assert!(matches!(look(&bench, &step), Ok(Next::Approval { approved: 1, required: 2, .. })));
    bench.decide("cleo", true);
    assert!(is_welcome(&look(&bench, &step)));
}

#[test]
fn request_that_is_rejected_or_too_old_opens_nothing() {
    let (bench, step) = waiting();
    ["ann", "bob"].iter().for_each(|name| bench.decide(name, true));
    bench.decide("cleo", false);
    let Ok(Next::Rejected { by }) = look(&bench, &step) else { panic!("rejected") };
    assert_eq!(by.as_deref(), Some("cleo"));

    let (bench, step) = waiting();
    ["ann", "bob"].iter().for_each(|name| bench.decide(name, true));
    bench.pass_seconds(3_600);
    assert_eq!(look(&bench, &step).unwrap_err(), Refused::RequestExpired);
    bench.pass_seconds(86_400);
    bench.service.sweep();
    assert!(bench.state().root_accesses().is_empty());
}

#[test]
fn nobody_can_leave_the_reason_or_the_request_out() {
    let (bench, _) = waiting();
    let step = self::step(bench.password(&ROOT, ROOT_PASSWORD));
    // Looking again without having asked.
    assert!(matches!(look(&bench, &step), Ok(Next::Reason { .. })));
    // The guard was raised after the password was shown.
    let bench = Bench::new();
    let before = self::step(bench.password(&ROOT, ROOT_PASSWORD));
    bench.guard(|guard| guard.approvals_required = 1);
    assert!(matches!(
        bench.service.reason(&bench.visitor(), &before, "drill"),
        Ok(Next::Approval { required: 1, .. })
    ));
}

#[test]
fn root_user_without_a_second_factor_may_register_one_and_nothing_else_when_the_grace_is_over() {
    let bench = Bench::new();
    bench.guard(|guard| guard.seal = Seal::Never);
    let restricted = || {
        let cookie = bench.sign_in(&ROOT, ROOT_PASSWORD);
        bench.service.session(&bench.visitor(), &cookie).unwrap().row.restricted
    };
    assert!(!restricted());
    let since = bench.state().root_guard().mfa_missing_since.unwrap();
    bench.pass_seconds(35 * 86_400 - 1);
    assert!(!restricted());
    bench.pass_seconds(1);
    assert!(restricted());
    assert_eq!(bench.state().root_guard().mfa_missing_since, Some(since));
    let seed = bench.add_device("root", CredentialOwner::Root);
    let step = step(bench.password(&ROOT, ROOT_PASSWORD));
    let Ok(Next::Welcome(welcome)) = bench.service.code(&bench.visitor(), &step, &bench.code(&seed)) else {
        panic!("a session")
    };
    let live = bench.service.session(&bench.visitor(), &welcome.cookie).unwrap();
    assert!(!live.row.restricted && bench.state().root_guard().mfa_missing_since.is_none());
}

#[test]
fn last_use_of_a_password_is_kept_to_five_minutes() {
    let bench = Bench::new();
    bench.guard(|guard| guard.seal = Seal::Never);
    let used = || {
        let state = bench.state();
        (state.login_profile(id_of("ann")).unwrap().used, state.account().root.password_used)
    };
    let begin = bench.now();
    for (seconds, wanted) in [(0, 0), (299, 0), (1, 300)] {
        bench.pass_seconds(seconds);
        bench.sign_in(&ANN, ANN_PASSWORD);
        bench.sign_in(&ROOT, ROOT_PASSWORD);
        let wanted = Some(begin.plus_seconds(wanted));
        assert_eq!(used(), (wanted, wanted));
    }
}

#[test]
fn seal_that_was_broken_closes_by_time_and_is_told_once() {
    let bench = Bench::new();
    let (since, until) = (bench.now(), bench.now().plus_seconds(60));
    bench.guard(|guard| guard.seal = Seal::Open { since, until, reason: "drill".into() });
    bench.pass_seconds(59);
    bench.service.sweep();
    assert!(bench.records_of("RootResealed").is_empty());
    bench.pass_seconds(1);
    bench.service.sweep();
    bench.service.sweep();
    let records = bench.records_of("RootResealed");
    let [record] = &*records else { panic!("{records:?}") };
    assert_eq!(bench.state().root_guard().seal, Seal::Closed);
    assert_eq!(
        (&record["eventSource"], &record["eventType"]),
        (&json!("rootward"), &json!("AwsServiceEvent"))
    );
    assert_eq!(record["recipientAccountId"], "111122223333");
    assert_eq!(
        record["requestParameters"],
        json!({ "unsealedSince": since.to_string(), "unsealedUntil": until.to_string(), "reason": "drill" })
    );
}

#[test]
fn second_factor_that_is_taken_away_after_it_was_shown_proves_nothing() {
    let bench = Bench::new();
    let seed = bench.add_device("phone", CredentialOwner::Root);
    let shown = step(bench.password(&ROOT, ROOT_PASSWORD));
    let next = step(bench.service.code(&bench.visitor(), &shown, &bench.code(&seed)));
    bench.write(|txn| txn.delete(RowKey::MfaDevice(account(), "mfa/phone".into())));
    let refused = bench.service.reason(&bench.visitor(), &next, "drill").unwrap_err();
    assert_eq!(refused, Refused::BeginAgain);
}
