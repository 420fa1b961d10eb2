//! The root user's e-mail address: `StartRootEmailUpdate`, `AcceptRootEmailUpdate`.
//!
//! Who owns an address can take a root user over, so a new one is proved first: a code is sent to it, and the address changes when the
//! code comes back. A code is good for 15 minutes, one use and five attempts; another is sent after a minute at the earliest, so that
//! guessing gets nowhere. The address that is to be left hears of it at once, and again when it is.
//!
//! Whether an address is another root user's is told to whoever has the code that was sent to it, and to nobody else: the start is the same
//! for every address.
//!
//! Source: Account Management Reference Guide, "Update the root user email address".

use rootward_api::rootward as api;
use rootward_pipeline::{
    Callers, Declaration, Effect, Failure, Handler, Mail, NOTICE_SECONDS, OpContext, Rule, always,
};
use rootward_state::entities::EmailUpdate;
use rootward_state::{NameKey, Txn};
use rootward_wire::Empty;
use subtle::ConstantTimeEq;

use super::{failures, root_user};
use crate::accounts;
use crate::own;

pub(super) static OPERATIONS: &[&dyn Handler] = &[&ACCEPT_ROOT_EMAIL_UPDATE, &START_ROOT_EMAIL_UPDATE];

/// How long a code is good, in seconds.
const CODE_SECONDS: i64 = 900;
/// How long after a code the next one is sent, in seconds.
const PAUSE_SECONDS: i64 = 60;
/// How many codes may be tried.
const ATTEMPTS: u8 = 5;
/// The key that codes are kept under.
const DOMAIN: &str = "root e-mail code";

pub(super) static START_ROOT_EMAIL_UPDATE: Declaration<api::StartRootEmailUpdate> = Declaration {
    effect: Effect::Write,
    callers: Callers::RootSignedIn("rootward:StartRootEmailUpdate"),
    rules: &[Rule { action: "rootward:StartRootEmailUpdate", when: always, target: root_user, keys: &[] }],
    run: start_root_email_update,
};

/// A new code takes the place of the one before.
fn start_root_email_update(
    ctx: &OpContext<'_>,
    txn: &mut Txn,
    input: &api::StartRootEmailUpdateRequest,
) -> Result<Empty, Failure> {
    let (email, account) = (input.email.expose(), own::account(ctx, txn)?);
    accounts::check_email(email).map_err(|error| failures::account_refused(&error))?;
    if *email == *account.email {
        return Err(failures::same_email());
    }
    let mut settings = own::settings(ctx, txn);
    if let Some(before) = &settings.email_update
        && (before.sent..before.sent.plus_seconds(PAUSE_SECONDS)).contains(&ctx.now)
    {
        return Err(failures::code_sent_already());
    }
    let code = ctx.with_random(|random| format!("{:06}", random.number() % 1_000_000));
    settings.email_update = Some(EmailUpdate {
        email: email.into(),
        code: digest(ctx, email, &code),
        sent: ctx.now,
        expires: ctx.now.plus_seconds(CODE_SECONDS),
        attempts_left: ATTEMPTS,
    });
    own::put_settings(ctx, txn, settings);
    let mail = Mail {
        to: email.into(),
        subject: format!("The code for the root user of account {}", account.id),
        text: format!(
            "Somebody who is signed in as the root user of account {} wants to use this address for it.\n\n\
             The code is {code}. It is good for 15 minutes.\n\n\
             If you do not expect this, do nothing, and give the code to nobody.\n",
            account.id
        ),
        seconds: CODE_SECONDS,
    };
    let warning = Mail {
        to: account.email.to_string(),
        subject: format!("The root user of account {} is to have another address", account.id),
        text: format!(
            "Somebody who is signed in as the root user of account {} wants to use another address for it, to which a code was sent. \
             If that was not you, sign in, end all other sessions and change the password, or ask the operator of the host at once.\n",
            account.id
        ),
        seconds: NOTICE_SECONDS,
    };
    for mail in [mail, warning] {
        ctx.mail(mail).map_err(|_| failures::no_mailer(account.id))?;
    }
    Ok(Empty)
}

pub(super) static ACCEPT_ROOT_EMAIL_UPDATE: Declaration<api::AcceptRootEmailUpdate> = Declaration {
    effect: Effect::Write,
    callers: Callers::RootSignedIn("rootward:AcceptRootEmailUpdate"),
    rules: &[Rule { action: "rootward:AcceptRootEmailUpdate", when: always, target: root_user, keys: &[] }],
    run: accept_root_email_update,
};

fn accept_root_email_update(
    ctx: &OpContext<'_>,
    txn: &mut Txn,
    input: &api::AcceptRootEmailUpdateRequest,
) -> Result<Empty, Failure> {
    let mut settings = own::settings(ctx, txn);
    let update = settings.email_update.as_mut().filter(|update| {
        let is_its = NameKey::new(&update.email) == NameKey::new(input.email.expose());
        is_its && (update.sent..update.expires).contains(&ctx.now) && update.attempts_left > 0
    });
    let update = update.ok_or_else(failures::no_email_update)?;
    if !bool::from(digest(ctx, &update.email, input.otp.expose()).ct_eq(&update.code)) {
        update.attempts_left -= 1;
        let failure = failures::wrong_code(update.attempts_left).keeping_writes();
        own::put_settings(ctx, txn, settings);
        return Err(failure);
    }
    let email = update.email.clone();
    let old = accounts::change_email(txn, ctx.account(), &email)
        .map_err(|error| failures::account_refused(&error))?;
    let notice = Mail {
        to: old.into_string(),
        subject: format!("The root user of account {} has another address", ctx.account()),
        text: format!(
            "The root user of account {} no longer uses this address. If that was not you, ask the operator of the host at once.\n",
            ctx.account()
        ),
        seconds: NOTICE_SECONDS,
    };
    // A node that has lost its mail server since then does not undo what was proved.
    let _ = ctx.mail(notice);
    Ok(Empty)
}

/// What is kept of a code. Under a key: there are few enough codes to try them all on a plain digest.
fn digest(ctx: &OpContext<'_>, email: &str, code: &str) -> [u8; 32] {
    ctx.vault.mac(DOMAIN, EmailUpdate::code_input(ctx.account(), email, code).as_bytes())
}

#[cfg(test)]
mod tests {
    use rootward_state::RowKey;
    use rootward_state::entities::{SessionKind, SignedIn};
    use rootward_wire::Sensitive;

    use super::*;
    use crate::accounts::AccountError;
    use crate::testing::Bench;

    const NEW: &str = "new@example.com";

    fn bench() -> Bench {
        let bench = Bench::new();
        let session = bench.add_session(SignedIn::Root, SessionKind::Console);
        bench.call_signed_in(session);
        bench
    }

    fn start(bench: &Bench, email: &str) -> Result<String, Failure> {
        let input = api::StartRootEmailUpdateRequest { email: Sensitive::new(email) };
        bench.run(&START_ROOT_EMAIL_UPDATE, input)?;
        let [mail, warning] = bench.take_mails().try_into().unwrap();
        assert_eq!((&*mail.to, &*warning.to), (email, &*bench.state().account().email));
        assert!(!warning.text.contains(email));
        let code = mail.text.split("The code is ").nth(1).unwrap().split('.').next().unwrap();
        assert!(!warning.text.contains(code));
        assert!(code.len() == 6 && code.bytes().all(|byte| byte.is_ascii_digit()), "{code}");
        Ok(code.to_owned())
    }

    fn accept(bench: &Bench, email: &str, code: &str) -> Result<Empty, Failure> {
        let [email, otp] = [email, code].map(Sensitive::new);
        bench.run(&ACCEPT_ROOT_EMAIL_UPDATE, api::AcceptRootEmailUpdateRequest { email, otp })
    }

    /// Another code than this one.
    fn wrong(code: &str) -> &str {
        if code == "000000" { "000001" } else { "000000" }
    }

    #[test]
    fn code_that_comes_back_changes_the_address_once_and_the_old_one_is_told() {
        let bench = bench();
        let code = start(&bench, NEW).unwrap();
        assert_eq!(&*bench.state().account().email, "root@example.com");
        accept(&bench, "NEW@example.com", &code).unwrap();
        assert_eq!(&*bench.state().account().email, NEW);
        let world = bench.begin().world().clone();
        assert_eq!(world.account_by_email(NEW), Some(bench.account()));
        assert_eq!(world.account_by_email("root@example.com"), None);
        let [notice] = bench.take_mails().try_into().unwrap();
        assert!(notice.to == "root@example.com" && !notice.text.contains(NEW));
        assert_eq!(accept(&bench, NEW, &code).unwrap_err(), failures::no_email_update());
    }

    #[test]
    fn wrong_codes_are_counted_and_after_five_the_right_one_does_not_help() {
        let bench = bench();
        let code = start(&bench, NEW).unwrap();
        for left in (0..5).rev() {
            assert_eq!(
                accept(&bench, NEW, wrong(&code)).unwrap_err(),
                failures::wrong_code(left).keeping_writes()
            );
        }
        assert_eq!(accept(&bench, NEW, &code).unwrap_err(), failures::no_email_update());
        assert_eq!(&*bench.state().account().email, "root@example.com");
        // Asking again does not give five more at once.
        assert_eq!(start(&bench, NEW).unwrap_err(), failures::code_sent_already());
        bench.pass_seconds(60);
        let code = start(&bench, NEW).unwrap();
        accept(&bench, NEW, &code).unwrap();
    }

    #[test]
    fn code_is_for_its_address_and_its_time() {
        let bench = bench();
        let code = start(&bench, NEW).unwrap();
        assert_eq!(accept(&bench, "other@example.com", &code).unwrap_err(), failures::no_email_update());
        bench.pass_seconds(900);
        assert_eq!(accept(&bench, NEW, &code).unwrap_err(), failures::no_email_update());
        bench.pass_seconds(-1);
        accept(&bench, NEW, &code).unwrap();
    }

    #[test]
    fn later_code_takes_the_place_of_the_one_before() {
        let bench = bench();
        let first = start(&bench, NEW).unwrap();
        bench.pass_seconds(60);
        let second = start(&bench, "newer@example.com").unwrap();
        assert_eq!(accept(&bench, NEW, &first).unwrap_err(), failures::no_email_update());
        accept(&bench, "newer@example.com", &second).unwrap();
    }

    #[test]
    fn address_of_another_account_is_refused_to_who_reads_its_mail_and_told_to_nobody_else() {
        let bench = bench();
        let taken = failures::account_refused(&AccountError::EmailTaken(NEW.into()));
        let other = "444455556666".parse().unwrap();
        bench.write(|txn| txn.put_owner(RowKey::Email(NameKey::new(NEW)), other));
        let code = start(&bench, NEW).unwrap();
        assert_eq!(start(&bench, NEW).unwrap_err(), failures::code_sent_already());
        assert_eq!(accept(&bench, NEW, wrong(&code)).unwrap_err(), failures::wrong_code(4).keeping_writes());
        assert_eq!(accept(&bench, NEW, &code).unwrap_err(), taken);
        assert_eq!((taken.code, taken.status), ("ConflictException", 409));
        assert_eq!(bench.begin().world().account_by_email(NEW), Some(other));
    }

    #[test]
    fn what_is_no_address_or_the_present_one_is_refused() {
        let bench = bench();
        assert_eq!(start(&bench, "root@example.com").unwrap_err(), failures::same_email());
        assert_eq!(start(&bench, "a%b@example.com").unwrap_err().code, "ValidationException");
        let code = start(&bench, "Root@Example.com").unwrap();
        accept(&bench, "Root@Example.com", &code).unwrap();
        assert_eq!(&*bench.state().account().email, "Root@Example.com");
    }

    #[test]
    fn without_a_mail_server_the_command_of_the_host_is_told_and_nothing_is_kept() {
        let bench = bench();
        bench.remove_mailer();
        let error = start(&bench, NEW).unwrap_err();
        assert_eq!((error.code, error.status), ("ConflictException", 409));
        let command = "rootward account change-email --account 111122223333";
        assert!(error.message.contains(command) && !error.message.contains(NEW), "{error}");
        assert_eq!(bench.state().settings().email_update, None);
    }

    #[test]
    fn what_is_kept_of_a_code_is_not_the_code() {
        let bench = bench();
        let code = start(&bench, NEW).unwrap();
        let update = bench.state().settings().email_update.clone().unwrap();
        assert_eq!(update.attempts_left, 5);
        assert!(!format!("{update:?}").contains(NEW));
        assert!(!update.code.windows(6).any(|bytes| bytes == code.as_bytes()));
    }

    #[test]
    fn key_is_not_enough() {
        let bench = bench();
        bench.call_as_root();
        assert_eq!(start(&bench, NEW).unwrap_err().status, 403);
        assert_eq!(accept(&bench, NEW, "000000").unwrap_err().status, 403);
    }
}
