//! Another e-mail address for a root user, whoever may give it one.
//!
//! Who owns an address can take a root user over, so a new one is proved first: a code is sent to it, and the address changes when the
//! code comes back. A code is good for 15 minutes, one use and five attempts; another is sent after a minute at the earliest. An organization
//! has many accounts to try one address with, and could fill its mailbox and everybody's queue: codes are long enough for that, and few are
//! under way for one organization. The address that is to be left hears of it at once, and again when it is.
//!
//! Whether an address is another root user's is told to whoever has the code that was sent to it, and to nobody else: the start is the same
//! for every address.
//!
//! Source: Account Management Reference Guide, "Update the root user email address".

use rootward_names::AccountId;
use rootward_pipeline::{Failure, Mail, NOTICE_SECONDS, OpContext};
use rootward_state::entities::EmailUpdate;
use rootward_state::{NameKey, Txn};
use subtle::ConstantTimeEq;

use crate::accounts::{self, AccountError};
use crate::own;

/// How long a code is good, in seconds.
const CODE_SECONDS: i64 = 900;
/// How long after a code the next one is sent, in seconds.
const PAUSE_SECONDS: i64 = 60;
/// For how many members of one organization codes are under way at once.
const UNDER_WAY_MAX: usize = 20;
/// What a code is made of: thirty bits of letters and digits that look like no other.
const ALPHABET: &[u8; 32] = b"ABCDEFGHJKLMNPQRSTUVWXYZ23456789";
/// How long a code is.
const CODE_CHARS: usize = 6;
/// How many codes may be tried.
const ATTEMPTS: u8 = 5;
/// The key that codes are kept under.
const DOMAIN: &str = "root e-mail code";

/// On whose authority the address changes.
pub(crate) enum Authority {
    /// The root user's own.
    RootUser,
    /// That of whoever manages the organization.
    Organization,
}

/// Why nothing is sent, or changes.
pub(crate) enum Refused {
    /// The rules of accounts are against it.
    Account(AccountError),
    /// A code was sent less than a minute ago.
    CodeSentAlready,
    /// Something of ours is broken.
    Internal(Failure),
    /// No code waits for this address: none was asked for, it was used, tried too often, or is too old.
    NoCode,
    /// Nothing can be sent from here.
    NoMailer,
    /// The address is the root user's already.
    SameEmail,
    /// Codes are under way for as many members of the organization as may be.
    TooManyCodes,
    /// This is not the code. So many attempts are left, which has been written.
    WrongCode(u8),
}

/// Sends a code to the address. It takes the place of the one before.
///
/// # Errors
/// [`Refused`], but for a code.
pub(crate) fn start(
    ctx: &OpContext<'_>,
    txn: &mut Txn,
    account: AccountId,
    email: &str,
    authority: &Authority,
) -> Result<(), Refused> {
    let row = own::account_of(txn, account).map_err(Refused::Internal)?;
    accounts::check_email(email).map_err(Refused::Account)?;
    if *email == *row.email {
        return Err(Refused::SameEmail);
    }
    let mut settings = own::settings_of(txn, account);
    if let Some(before) = &settings.email_update
        && (before.sent..before.sent.plus_seconds(PAUSE_SECONDS)).contains(&ctx.now)
    {
        return Err(Refused::CodeSentAlready);
    }
    if matches!(authority, Authority::Organization) && under_way(ctx, txn, account) >= UNDER_WAY_MAX {
        return Err(Refused::TooManyCodes);
    }
    let code = code(ctx);
    settings.email_update = Some(EmailUpdate {
        email: email.into(),
        code: digest(ctx, account, email, &code),
        sent: ctx.now,
        expires: ctx.now.plus_seconds(CODE_SECONDS),
        attempts_left: ATTEMPTS,
    });
    own::put_settings_of(txn, account, settings);
    // An organization that manages many members takes no more than its own share.
    let share_of = ctx.account();
    for mail in [
        code_mail(share_of, account, email, &code, authority),
        warning(share_of, account, &row.email, authority),
    ] {
        ctx.mail(mail).map_err(|_| Refused::NoMailer)?;
    }
    Ok(())
}

/// The other members of the account's organization to whose new addresses codes are on their way.
fn under_way(ctx: &OpContext<'_>, txn: &Txn, account: AccountId) -> usize {
    let world = txn.world();
    let members = world.organization_of(account).into_iter().flat_map(|state| state.members().iter());
    let updates = members
        .filter(|(member, _)| **member != account)
        .filter_map(|(member, _)| world.account(*member)?.settings().email_update.as_ref());
    updates.filter(|update| (update.sent..update.sent.plus_seconds(CODE_SECONDS)).contains(&ctx.now)).count()
}

fn code(ctx: &OpContext<'_>) -> String {
    let mut bits = ctx.with_random(|random| random.number());
    let letters = (0..CODE_CHARS).filter_map(|_| {
        let letter = ALPHABET.get((bits % 32) as usize);
        bits /= 32;
        letter.map(|letter| char::from(*letter))
    });
    letters.collect()
}

fn code_mail(share_of: AccountId, account: AccountId, to: &str, code: &str, authority: &Authority) -> Mail {
    let who = who(account, authority);
    Mail {
        share_of,
        to: to.into(),
        subject: format!("The code for the root user of account {account}"),
        text: format!(
            "{who} wants to use this address for it.\n\n\
             The code is {code}. It is good for 15 minutes.\n\n\
             If you do not expect this, do nothing, and give the code to nobody.\n",
        ),
        seconds: CODE_SECONDS,
    }
}

fn warning(share_of: AccountId, account: AccountId, to: &str, authority: &Authority) -> Mail {
    let who = who(account, authority);
    let otherwise = match authority {
        Authority::RootUser => {
            "If that was not you, sign in, end all other sessions and change the password, or ask the operator of the host at once."
        }
        Authority::Organization => {
            "If you do not expect this, ask whoever manages the organization, or the operator of the host, at once."
        }
    };
    Mail {
        share_of,
        to: to.into(),
        subject: format!("The root user of account {account} is to have another address"),
        text: format!("{who} wants to use another address for it, to which a code was sent. {otherwise}\n"),
        seconds: NOTICE_SECONDS,
    }
}

fn who(account: AccountId, authority: &Authority) -> String {
    match authority {
        Authority::RootUser => format!("Somebody who is signed in as the root user of account {account}"),
        Authority::Organization => {
            format!("Somebody who manages the organization of account {account}, and so its root user,")
        }
    }
}

/// Changes the address, when the code comes back that was sent to it.
///
/// # Errors
/// [`Refused::Account`], [`Refused::NoCode`], [`Refused::WrongCode`].
pub(crate) fn accept(
    ctx: &OpContext<'_>,
    txn: &mut Txn,
    account: AccountId,
    email: &str,
    code: &str,
) -> Result<(), Refused> {
    let mut settings = own::settings_of(txn, account);
    let update = settings.email_update.as_mut().filter(|update| {
        let is_its = NameKey::new(&update.email) == NameKey::new(email);
        is_its && (update.sent..update.expires).contains(&ctx.now) && update.attempts_left > 0
    });
    let update = update.ok_or(Refused::NoCode)?;
    if !bool::from(digest(ctx, account, &update.email, code).ct_eq(&update.code)) {
        update.attempts_left -= 1;
        let left = update.attempts_left;
        own::put_settings_of(txn, account, settings);
        return Err(Refused::WrongCode(left));
    }
    let email = update.email.clone();
    let old = accounts::change_email(txn, account, &email).map_err(Refused::Account)?;
    let notice = Mail {
        share_of: account,
        to: old.into_string(),
        subject: format!("The root user of account {account} has another address"),
        text: format!(
            "The root user of account {account} no longer uses this address. If that was not you, ask the operator of the host at once.\n",
        ),
        seconds: NOTICE_SECONDS,
    };
    // A node that has lost its mail server since then does not undo what was proved.
    let _ = ctx.mail(notice);
    Ok(())
}

/// What is kept of a code. Under a key: there are few enough codes to try them all on a plain digest.
fn digest(ctx: &OpContext<'_>, account: AccountId, email: &str, code: &str) -> [u8; 32] {
    ctx.vault.mac(DOMAIN, EmailUpdate::code_input(account, email, &code.to_ascii_uppercase()).as_bytes())
}
