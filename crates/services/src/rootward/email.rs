//! The root user's e-mail address: `StartRootEmailUpdate`, `AcceptRootEmailUpdate`.
//!
//! How it changes is [`root_email`]'s to say; these are the root user's own, signed in.
//!
//! Source: Account Management Reference Guide, "Update the root user email address".

use rootward_api::rootward as api;
use rootward_pipeline::{Callers, Declaration, Effect, Failure, Handler, OpContext, Rule, always};
use rootward_state::Txn;
use rootward_wire::Empty;

use super::{failures, root_user};
use crate::root_email::{self, Authority, Refused};

pub(super) static OPERATIONS: &[&dyn Handler] = &[&ACCEPT_ROOT_EMAIL_UPDATE, &START_ROOT_EMAIL_UPDATE];

pub(super) static START_ROOT_EMAIL_UPDATE: Declaration<api::StartRootEmailUpdate> = Declaration {
    effect: Effect::Write,
    callers: Callers::RootSignedIn("rootward:StartRootEmailUpdate"),
    rules: &[Rule { action: "rootward:StartRootEmailUpdate", when: always, target: root_user, keys: &[] }],
    run: start_root_email_update,
};

fn start_root_email_update(
    ctx: &OpContext<'_>,
    txn: &mut Txn,
    input: &api::StartRootEmailUpdateRequest,
) -> Result<Empty, Failure> {
    let started = root_email::start(ctx, txn, ctx.account(), input.email.expose(), &Authority::RootUser);
    started.map(|()| Empty).map_err(|refused| failure(ctx, refused))
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
    let (email, otp) = (input.email.expose(), input.otp.expose());
    let accepted = root_email::accept(ctx, txn, ctx.account(), email, otp);
    accepted.map(|()| Empty).map_err(|refused| failure(ctx, refused))
}

fn failure(ctx: &OpContext<'_>, refused: Refused) -> Failure {
    match refused {
        Refused::Account(error) => failures::account_refused(&error),
        Refused::CodeSentAlready => failures::code_sent_already(),
        Refused::Internal(failure) => failure,
        Refused::NoCode => failures::no_email_update(),
        Refused::NoMailer => failures::no_mailer(ctx.account()),
        Refused::TooManyCodes => failures::too_many_codes(),
        Refused::SameEmail => failures::same_email(),
        Refused::WrongCode(left) => failures::wrong_code(left).keeping_writes(),
    }
}

#[cfg(test)]
mod tests {
    use rootward_state::entities::{SessionKind, SignedIn};
    use rootward_state::{NameKey, RowKey};
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
        assert!(
            code.len() == 6 && code.bytes().all(|byte| byte.is_ascii_uppercase() || byte.is_ascii_digit()),
            "{code}"
        );
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
