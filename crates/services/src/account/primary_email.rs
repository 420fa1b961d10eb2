//! The root user's e-mail address of a member account, for whoever manages its organization.
//!
//! How it changes is [`root_email`]'s to say: the code goes to the new address, and no root user signs in. The root user of an account changes
//! its own address with `rootward:StartRootEmailUpdate`; these never serve that.
//!
//! Source: Account Management API Reference.

use rootward_api::account as api;
use rootward_pipeline::{Callers, Declaration, Effect, Failure, Handler, Key, OpContext, Rule, always};
use rootward_state::Txn;
use rootward_wire::Sensitive;

use super::{failures, whose};
use crate::own;
use crate::root_email::{self, Authority, Refused};

pub(super) static OPERATIONS: &[&dyn Handler] =
    &[&ACCEPT_PRIMARY_EMAIL_UPDATE, &GET_PRIMARY_EMAIL, &START_PRIMARY_EMAIL_UPDATE];

pub(super) static GET_PRIMARY_EMAIL: Declaration<api::GetPrimaryEmail> = Declaration {
    effect: Effect::Read,
    callers: Callers::Anyone,
    rules: &[Rule {
        action: "account:GetPrimaryEmail",
        when: always,
        target: |scope, input| whose::target(scope, Some(&input.account_id)),
        keys: &[],
    }],
    run: get_primary_email,
};

fn get_primary_email(
    ctx: &OpContext<'_>,
    txn: &mut Txn,
    input: &api::GetPrimaryEmailRequest,
) -> Result<api::GetPrimaryEmailResponse, Failure> {
    let id = whose::looked_at(ctx, txn, "account:GetPrimaryEmail", Some(&input.account_id))?;
    let account = own::account_of(txn, id)?;
    Ok(api::GetPrimaryEmailResponse { primary_email: Some(Sensitive::new(&*account.email)) })
}

pub(super) static START_PRIMARY_EMAIL_UPDATE: Declaration<api::StartPrimaryEmailUpdate> = Declaration {
    effect: Effect::Write,
    callers: Callers::Anyone,
    rules: &[Rule {
        action: "account:StartPrimaryEmailUpdate",
        when: always,
        target: |scope, input| whose::target(scope, Some(&input.account_id)),
        keys: &[Key::Text(DOMAIN, |_, input| domain(&input.primary_email))],
    }],
    run: start_primary_email_update,
};

fn start_primary_email_update(
    ctx: &OpContext<'_>,
    txn: &mut Txn,
    input: &api::StartPrimaryEmailUpdateRequest,
) -> Result<api::StartPrimaryEmailUpdateResponse, Failure> {
    let id = whose::changed(ctx, txn, "account:StartPrimaryEmailUpdate", Some(&input.account_id))?;
    let started = root_email::start(ctx, txn, id, input.primary_email.expose(), &Authority::Organization);
    started.map_err(failure)?;
    Ok(api::StartPrimaryEmailUpdateResponse { status: Some(api::PrimaryEmailUpdateStatus::Pending) })
}

pub(super) static ACCEPT_PRIMARY_EMAIL_UPDATE: Declaration<api::AcceptPrimaryEmailUpdate> = Declaration {
    effect: Effect::Write,
    callers: Callers::Anyone,
    rules: &[Rule {
        action: "account:AcceptPrimaryEmailUpdate",
        when: always,
        target: |scope, input| whose::target(scope, Some(&input.account_id)),
        keys: &[Key::Text(DOMAIN, |_, input| domain(&input.primary_email))],
    }],
    run: accept_primary_email_update,
};

fn accept_primary_email_update(
    ctx: &OpContext<'_>,
    txn: &mut Txn,
    input: &api::AcceptPrimaryEmailUpdateRequest,
) -> Result<api::AcceptPrimaryEmailUpdateResponse, Failure> {
    let id = whose::changed(ctx, txn, "account:AcceptPrimaryEmailUpdate", Some(&input.account_id))?;
    let accepted = root_email::accept(ctx, txn, id, input.primary_email.expose(), input.otp.expose());
    accepted.map_err(failure)?;
    Ok(api::AcceptPrimaryEmailUpdateResponse { status: Some(api::PrimaryEmailUpdateStatus::Accepted) })
}

fn failure(refused: Refused) -> Failure {
    match refused {
        Refused::Account(error) => failures::address_refused(&error),
        Refused::CodeSentAlready => failures::code_sent_already(),
        Refused::Internal(failure) => failure,
        Refused::NoCode => failures::no_email_update(),
        Refused::NoMailer => failures::no_mailer(),
        Refused::TooManyCodes => failures::too_many_codes(),
        Refused::SameEmail => failures::same_email(),
        Refused::WrongCode(left) => failures::wrong_code(left).keeping_writes(),
    }
}

const DOMAIN: &str = "account:EmailTargetDomain";

/// What follows the `@`, in lower case: a condition on it is a text, and domains have no case.
fn domain(email: &Sensitive) -> Option<String> {
    email.expose().split_once('@').map(|(_, domain)| domain.to_ascii_lowercase())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::organizations::testing::organization;
    use crate::testing::Bench;

    const MEMBER: &str = "222233334444";
    const OLD: &str = "222233334444@example.com";
    const NEW: &str = "new@example.com";

    fn managing() -> Bench {
        let bench = Bench::new();
        organization(&bench, &[MEMBER], &["account.amazonaws.com"]);
        bench
    }

    fn email(bench: &Bench) -> String {
        let input = api::GetPrimaryEmailRequest { account_id: MEMBER.into() };
        bench.run(&GET_PRIMARY_EMAIL, input).unwrap().primary_email.unwrap().expose().to_owned()
    }

    /// The code that was sent.
    fn start(bench: &Bench, email: &str) -> Result<String, Failure> {
        let (account_id, primary_email) = (MEMBER.into(), Sensitive::new(email));
        let input = api::StartPrimaryEmailUpdateRequest { account_id, primary_email };
        let started = bench.run(&START_PRIMARY_EMAIL_UPDATE, input)?;
        assert_eq!(started.status, Some(api::PrimaryEmailUpdateStatus::Pending));
        let [mail, warning] = bench.take_mails().try_into().unwrap();
        assert_eq!((&*mail.to, &*warning.to), (email, OLD));
        assert!(warning.text.contains("manages the organization") && !warning.text.contains(email));
        let code = mail.text.split("The code is ").nth(1).unwrap().split('.').next();
        Ok(code.unwrap().to_owned())
    }

    fn accept(bench: &Bench, email: &str, otp: &str) -> Result<(), Failure> {
        let [primary_email, otp] = [email, otp].map(Sensitive::new);
        let input = api::AcceptPrimaryEmailUpdateRequest { account_id: MEMBER.into(), primary_email, otp };
        let accepted = bench.run(&ACCEPT_PRIMARY_EMAIL_UPDATE, input)?;
        assert_eq!(accepted.status, Some(api::PrimaryEmailUpdateStatus::Accepted));
        Ok(())
    }

    #[test]
    fn address_of_a_member_changes_when_the_code_comes_back_from_the_new_one() {
        let bench = managing();
        let code = start(&bench, NEW).unwrap();
        assert_eq!(email(&bench), OLD);
        assert_eq!(accept(&bench, NEW, "nocode").unwrap_err().code, "ValidationException");
        assert_eq!(accept(&bench, "other@example.com", &code).unwrap_err(), failures::no_email_update());
        accept(&bench, NEW, &code).unwrap();
        assert_eq!(email(&bench), NEW);
        assert_eq!(&*bench.state().account().email, "root@example.com");
        let [notice] = bench.take_mails().try_into().unwrap();
        assert!(notice.to == OLD && !notice.text.contains(NEW));
        assert_eq!(accept(&bench, NEW, &code).unwrap_err(), failures::no_email_update());
    }

    #[test]
    fn five_wrong_codes_end_it() {
        let bench = managing();
        let code = start(&bench, NEW).unwrap();
        for left in (0..5).rev() {
            let refused = accept(&bench, NEW, "nocode").unwrap_err();
            assert_eq!(refused, failures::wrong_code(left).keeping_writes());
        }
        assert_eq!(accept(&bench, NEW, &code).unwrap_err(), failures::no_email_update());
        assert_eq!(start(&bench, NEW).unwrap_err().code, "TooManyRequestsException");
        assert_eq!(email(&bench), OLD);
    }

    #[test]
    fn what_is_no_address_taken_or_the_present_one_is_refused() {
        let bench = managing();
        assert_eq!(start(&bench, "a%b@example.com").unwrap_err().code, "ValidationException");
        assert_eq!(start(&bench, OLD).unwrap_err(), failures::same_email());
        let code = start(&bench, "root@example.com").unwrap();
        assert_eq!(accept(&bench, "root@example.com", &code).unwrap_err().code, "ConflictException");
        bench.pass_seconds(60);
        bench.remove_mailer();
        assert_eq!(start(&bench, NEW).unwrap_err(), failures::no_mailer());
    }

    #[test]
    fn address_of_an_account_without_an_organization_is_nobody_elses_matter() {
        let bench = Bench::new();
        let (own, other) = (bench.account().to_string(), "444455556666".to_owned());
        for account_id in [own, other] {
            let get = api::GetPrimaryEmailRequest { account_id: account_id.clone() };
            let primary_email = Sensitive::new("new@example.com");
            let start = api::StartPrimaryEmailUpdateRequest {
                account_id: account_id.clone(),
                primary_email: primary_email.clone(),
            };
            let otp = Sensitive::new("123456");
            let accept = api::AcceptPrimaryEmailUpdateRequest { account_id, primary_email, otp };
            for error in [
                bench.run(&GET_PRIMARY_EMAIL, get).unwrap_err(),
                bench.run(&START_PRIMARY_EMAIL_UPDATE, start).unwrap_err(),
                bench.run(&ACCEPT_PRIMARY_EMAIL_UPDATE, accept).unwrap_err(),
            ] {
                assert_eq!((error.code, error.status), ("AccessDenied", 403));
            }
        }
        assert_eq!(&*bench.state().account().email, "root@example.com");
        assert!(bench.take_mails().is_empty());
    }

    #[test]
    fn policies_may_look_at_the_domain() {
        assert_eq!(domain(&Sensitive::new("a@example.com")).as_deref(), Some("example.com"));
        assert_eq!(domain(&Sensitive::new("none")), None);
    }
}
