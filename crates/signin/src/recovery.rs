//! Recovery of a root user's password, by a link that is sent to its e-mail address.
//!
//! Who asks is answered the same and as fast whether or not the address is anybody's: nothing looks at it before the answer has gone
//! out, and what depends on it is done then, elsewhere ([`SignInService::send_recovery`]). Asking is slowed down by source and by address (`lanes`); past the measure of an address
//! nothing is sent and nobody is told, so that others who ask for it cannot keep its owner from a mail that is there already.
//!
//! Nothing is stored. A link carries a sealed text that says which account it is for and when it was made, and that holds only
//! for the address and the password of that moment: it is used up by the password that it sets, and void after any other change
//! of either. It is not bound to a browser, because mail is read where mail is read. What opens it is the key file and nothing shorter.
//!
//! A recovered password is the first step of a sign-in and no other: second factor, reason and approvals are asked for as ever, and no
//! session begins here. Those that there are end.
//!
//! Source: AWS Sign-In User Guide, "I forgot my root user password".

use rootward_auth::password::{self, Asker, Password, Unacceptable, Who};
use rootward_auth::sealed::Kind;
use rootward_names::{AccountId, Random, Time};
use rootward_pipeline::{Mail, NOTICE_SECONDS};
use rootward_services::root_user;
use rootward_services::session_end::{End, Why};
use rootward_state::entities::{Account, AccountStatus};
use rootward_store::vault::Vault;
use serde::{Deserialize, Serialize};
use subtle::ConstantTimeEq;

use crate::record::Scene;
use crate::visitor::Knock;
use crate::{Door, Refused, SignInService, Visitor};

/// How long a link is good, in seconds.
pub const LINK_SECONDS: i64 = 1_800;
/// The key of what a link holds for.
const DOMAIN: &str = "root password recovery";
const LINK: Kind = Kind { context: b"root password recovery 1", bytes_max: 512 };

/// Somebody has asked, and is to be answered now: nobody has looked yet at the address.
#[derive(Debug)]
#[must_use]
pub struct Asked {
    /// As typed.
    email: Box<str>,
}

/// Why there is no new password.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub enum Unrecovered {
    /// Too many passwords are being hashed.
    #[error("too many people are signing in at the moment: try again in a few seconds")]
    Busy,
    /// The link is too old, was used, or was none.
    #[error("this link is no longer good: ask for another")]
    Link,
    /// It cannot be recorded or written.
    #[error("the change cannot be recorded now, and so is not carried out: try again later")]
    Unavailable,
    /// The password breaks the rule for root users.
    #[error(transparent)]
    Weak(#[from] Unacceptable),
}

/// What a link says.
#[derive(Serialize, Deserialize)]
struct Link {
    account: AccountId,
    made: Time,
    /// Of the address and the password that it holds for.
    holds_for: [u8; 32],
}

impl Link {
    fn new(account: &Account, vault: &Vault, now: Time) -> Option<Self> {
        Some(Self { account: account.id, made: now, holds_for: holds_for(account, vault)? })
    }

    fn seal(&self, vault: &Vault, random: &mut dyn Random) -> String {
        LINK.seal(self, vault, random)
    }

    fn open(vault: &Vault, text: &str, now: Time) -> Option<Self> {
        let link: Self = LINK.open(text, vault)?;
        // A clock that was set back prolongs nothing.
        (link.made..link.made.plus_seconds(LINK_SECONDS)).contains(&now).then_some(link)
    }

    fn is_good(&self, account: &Account, vault: &Vault) -> bool {
        holds_for(account, vault).is_some_and(|now| self.holds_for.ct_eq(&now).into())
    }
}

/// What a link for this account is bound to now; none for a root user that none is sent to: of an account that is not in use,
/// or without a password, which nobody has forgotten, unless it may set a first one.
fn holds_for(account: &Account, vault: &Vault) -> Option<[u8; 32]> {
    let root = Some(&account.root).filter(|_| account.status == AccountStatus::Active)?;
    let password = match (&root.password, root.recoverable) {
        (Some(hash), _) => hash.expose().to_owned(),
        (None, Some(since)) => format!("none since {since}"),
        (None, None) => return None,
    };
    let (id, email) = (account.id.to_string(), account.email.to_ascii_lowercase());
    Some(vault.mac(DOMAIN, [id.as_str(), &email, &password].join("\n").as_bytes()))
}

impl SignInService {
    /// Whether a root user's password can be recovered by mail here.
    pub fn recovers_by_mail(&self) -> bool {
        self.setup.mailer.is_some()
    }

    /// Somebody asks for a link. The same is done for any address.
    ///
    /// # Errors
    /// [`Refused::Slow`]: too many were asked for from this source.
    pub fn ask_recovery(&self, visitor: &Visitor<'_>, email: &str) -> Result<Asked, Refused> {
        self.lanes.ask_for_mail(visitor.address, self.setup.source.machine_now())?;
        Ok(Asked { email: email.into() })
    }

    /// Sends the link that was asked for, if the address is anybody's and has had few mails lately, to the `page` where it is used: an
    /// address of ours, from no request. For when the answer has gone out: it takes longer where there is somebody to send it to.
    pub fn send_recovery(&self, visitor: &Visitor<'_>, asked: &Asked, page: &str) {
        let (world, now) = (self.setup.db.snapshot(), self.setup.source.now());
        let knock = Knock::at(&world, &Door::Root { email: &asked.email });
        if !self.lanes.may_mail(knock.name, self.setup.source.machine_now()) {
            return;
        }
        let Some(state) = knock.account.and_then(|id| world.account(id)) else { return };
        let (Some(mailer), account) = (&self.setup.mailer, state.account()) else { return };
        let Some(link) = Link::new(account, &self.setup.vault, now) else { return };
        let scene = Scene { visitor, state, now };
        if self.send(scene.recovery("PasswordRecoveryRequested", &mut self.draw())).is_err() {
            tracing::warn!(account = %account.id, "a recovery could not be recorded, and no link was sent");
            return;
        }
        let link = link.seal(&self.setup.vault, &mut self.draw());
        mailer.post(Mail {
            share_of: account.id,
            to: account.email.to_string(),
            subject: format!("A new password for the root user of account {}", account.id),
            text: format!(
                "Somebody at {} has asked for a new password of the root user of account {}.\n\n\
                 Choose it here within {} minutes:\n\n{page}?link={link}\n\n\
                 If that was not you, do nothing, and give the link to nobody: the password stays as it is.\n",
                visitor.address,
                account.id,
                LINK_SECONDS / 60
            ),
            seconds: LINK_SECONDS,
        });
    }

    /// Whether a link is still good. Uses nothing up: mail programs look at links, too.
    ///
    /// # Errors
    /// [`Unrecovered::Link`].
    pub fn check_recovery(&self, link: &str) -> Result<(), Unrecovered> {
        self.open_link(link).map(drop)
    }

    /// Uses a link: the new password takes the place of the old one, and every session of the root user ends. Whose password it is,
    /// by e-mail address.
    ///
    /// # Errors
    /// [`Unrecovered`]; the link is still good after all but [`Unrecovered::Link`].
    pub fn recover(
        &self,
        visitor: &Visitor<'_>,
        link: &str,
        password: &Password,
    ) -> Result<Box<str>, Unrecovered> {
        let (link, account) = self.open_link(link)?;
        password::check_root(password, &account.name, &account.email)?;
        let asker = Asker { source: visitor.address, who: Who::Account(link.account) };
        let permit = self.setup.hasher.permit(asker).map_err(|_| Unrecovered::Busy)?;
        let hash = permit.hash(password, &mut self.draw()).map_err(|_| Unrecovered::Unavailable)?;
        drop(permit);
        let recovered = self.act(visitor, link.account, |act| {
            let row = act.txn.account(link.account).ok_or(Refused::BeginAgain)?;
            if !link.is_good(&row, &self.setup.vault) {
                return Err(Refused::BeginAgain);
            }
            let end = End { why: Why::PasswordChanged, source_ip: Some(visitor.address), now: act.now };
            root_user::reset_password(&mut act.txn, link.account, &hash, &end, &mut self.draw())
                .map_err(|_| Refused::BeginAgain)?;
            act.record(|scene, random| scene.recovery("PasswordRecoveryCompleted", random));
            Ok(row.email.clone())
        });
        let email = recovered.map_err(|refused| match refused {
            Refused::BeginAgain => Unrecovered::Link,
            _ => Unrecovered::Unavailable,
        })?;
        if let Some(mailer) = &self.setup.mailer {
            mailer.post(Mail {
                share_of: link.account,
                to: email.to_string(),
                subject: format!("The root user of account {} has another password", link.account),
                text: format!(
                    "The password of the root user of account {} was changed by a link that was sent to this address, from {}. All its \
                     sessions have ended. If that was not you, ask the operator of the host at once.\n",
                    link.account, visitor.address
                ),
                seconds: NOTICE_SECONDS,
            });
        }
        Ok(email)
    }

    /// A link that is good, and the account it is for as it is now.
    fn open_link(&self, text: &str) -> Result<(Link, Account), Unrecovered> {
        let (world, vault) = (self.setup.db.snapshot(), &self.setup.vault);
        let link = Link::open(vault, text, self.setup.source.now()).ok_or(Unrecovered::Link)?;
        let account = world.account(link.account).map(|state| state.account());
        let account = account.filter(|account| link.is_good(account, vault)).ok_or(Unrecovered::Link)?;
        Ok((link, Account::clone(account)))
    }
}

#[cfg(test)]
mod tests {
    use rootward_names::AccountId;
    use rootward_state::entities::{CredentialOwner, Seal};
    use rootward_state::{NameKey, RowKey};

    use super::*;
    use crate::testing::{Bench, ROOT, ROOT_PASSWORD, account};
    use crate::{Next, Visitor};

    const PAGE: &str = "https://iam.example.com/console/recover/password";
    const NEW: &str = "amber-Pickle+12-violins";

    fn ask(bench: &Bench, visitor: &Visitor<'_>, email: &str) {
        let asked = bench.service.ask_recovery(visitor, email).unwrap();
        bench.service.send_recovery(visitor, &asked, PAGE);
    }

    /// The link in the last mail, which must have come.
    fn link(bench: &Bench) -> String {
        ask(bench, &bench.visitor(), " Root@Example.com ");
        let [mail] = bench.take_mails().try_into().unwrap();
        assert_eq!(mail.to, "root@example.com");
        link_in(&mail)
    }

    fn link_in(mail: &Mail) -> String {
        let line = mail.text.lines().find_map(|line| line.strip_prefix(PAGE)).unwrap();
        line.strip_prefix("?link=").unwrap().to_owned()
    }

    fn recover(bench: &Bench, link: &str) -> Result<Box<str>, Unrecovered> {
        bench.service.recover(&bench.visitor(), link, &Password::new(NEW))
    }

    fn change_account(bench: &Bench, change: impl Fn(&mut Account)) {
        let mut row = Account::clone(bench.state().account());
        change(&mut row);
        bench.write(|txn| txn.put(RowKey::Account(account()), row));
    }

    #[test]
    fn link_sets_a_password_once_and_ends_the_root_users_sessions() {
        let bench = Bench::new();
        bench.guard(|guard| guard.seal = Seal::Never);
        let cookie = bench.sign_in(&ROOT, ROOT_PASSWORD);
        let link = link(&bench);
        bench.pass_seconds(1);
        bench.service.check_recovery(&link).unwrap();
        assert_eq!(recover(&bench, &link).as_deref(), Ok("root@example.com"));
        assert!(bench.service.session(&bench.visitor(), &cookie).is_none());
        assert!(bench.password(&ROOT, ROOT_PASSWORD).is_err());
        bench.sign_in(&ROOT, NEW);
        assert_eq!(recover(&bench, &link), Err(Unrecovered::Link));
        assert_eq!(bench.service.check_recovery(&link), Err(Unrecovered::Link));
        let [notice] = bench.take_mails().try_into().unwrap();
        assert!(notice.to == "root@example.com" && notice.text.contains("192.0.2.7"));
        for name in ["PasswordRecoveryRequested", "PasswordRecoveryCompleted"] {
            let [record] = bench.records_of(name).try_into().unwrap();
            assert_eq!(record["eventSource"], "signin.amazonaws.com");
            assert_eq!(record["eventType"], "AwsConsoleSignIn");
            assert_eq!(record["userIdentity"]["type"], "Root");
            assert_eq!(record["responseElements"][name], "Success");
            assert!(!record.to_string().contains(&link));
        }
    }

    #[test]
    fn recovered_password_opens_no_seal_and_spares_no_second_factor() {
        let bench = Bench::new();
        bench.add_device("phone", CredentialOwner::Root);
        recover(&bench, &link(&bench)).unwrap();
        assert!(matches!(bench.password(&ROOT, NEW), Ok(Next::SecondFactor { .. })));
        assert!(bench.records_of("ConsoleLogin").is_empty());
        let bench = Bench::new();
        bench.guard(|guard| guard.approvals_required = 1);
        recover(&bench, &link(&bench)).unwrap();
        assert!(matches!(bench.password(&ROOT, NEW), Ok(Next::Reason { approvals: 1, .. })));
        assert_eq!(bench.state().sessions().len(), 0);
    }

    #[test]
    fn link_is_good_for_half_an_hour() {
        let bench = Bench::new();
        let link = link(&bench);
        bench.pass_seconds(LINK_SECONDS);
        assert_eq!(recover(&bench, &link), Err(Unrecovered::Link));
        bench.pass_seconds(-LINK_SECONDS - 1);
        assert_eq!(recover(&bench, &link), Err(Unrecovered::Link));
        bench.pass_seconds(LINK_SECONDS);
        recover(&bench, &link).unwrap();
    }

    #[test]
    fn link_is_void_when_password_or_address_change_or_the_account_is_closed() {
        for change in [
            (|row| row.email = "new@example.com".into()) as fn(&mut Account),
            |row| row.root.password = None,
            |row| row.status = AccountStatus::Suspended,
        ] {
            let bench = Bench::new();
            let link = link(&bench);
            change_account(&bench, change);
            assert_eq!(recover(&bench, &link), Err(Unrecovered::Link));
        }
        let bench = Bench::new();
        let (first, second) = (link(&bench), link(&bench));
        recover(&bench, &first).unwrap();
        assert_eq!(recover(&bench, &second), Err(Unrecovered::Link));
    }

    #[test]
    fn link_of_one_account_changes_no_other() {
        let bench = Bench::new();
        let other: AccountId = "444455556666".parse().unwrap();
        let row = Account {
            id: other,
            email: "other@example.com".into(),
            ..Account::clone(bench.state().account())
        };
        let before = row.root.password.clone().unwrap();
        bench.write(|txn| {
            txn.put(RowKey::Account(other), row.clone());
            txn.put_owner(RowKey::Email(NameKey::new("other@example.com")), other);
        });
        recover(&bench, &link(&bench)).unwrap();
        let kept = bench.account_row(other).root.password.clone().unwrap();
        assert_eq!(kept.expose(), before.expose());
        // What holds for one account does not for the other, also with the same password.
        let vault = bench.vault();
        let mine = Link { account: account(), ..Link::new(&row, vault, bench.now()).unwrap() };
        let forged = mine.seal(vault, &mut rootward_testkit::Seeded::new(1));
        assert_eq!(recover(&bench, &forged), Err(Unrecovered::Link));
    }

    #[test]
    fn what_is_no_link_opens_nothing() {
        let bench = Bench::new();
        let link = link(&bench);
        let (end, cut) = (link.split_at(link.len() - 2), link.split_at(1).1);
        let flipped = format!("{}{}", end.0, if end.1 == "AA" { "BB" } else { "AA" });
        for text in ["", "AAAA", "é", &flipped, cut, &"A".repeat(LINK.bytes_max + 1)] {
            assert_eq!(recover(&bench, text), Err(Unrecovered::Link), "{text}");
        }
        recover(&bench, &link).unwrap();
    }

    #[test]
    fn weak_password_is_refused_and_the_link_stays_good() {
        let bench = Bench::new();
        let link = link(&bench);
        let weak = bench.service.recover(&bench.visitor(), &link, &Password::new("password"));
        assert!(matches!(weak, Err(Unrecovered::Weak(_))));
        recover(&bench, &link).unwrap();
    }

    #[test]
    fn nothing_is_sent_to_whom_nothing_belongs_and_nobody_can_tell() {
        let bench = Bench::new();
        for email in ["nobody@example.com", "", "root", "x\r\nBcc: a@example.com"] {
            ask(&bench, &bench.visitor(), email);
        }
        for change in [(|row| row.root.password = None) as fn(&mut Account), |row| {
            row.status = AccountStatus::Suspended
        }] {
            change_account(&bench, change);
            ask(&bench, &bench.visitor(), "root@example.com");
        }
        assert!(bench.take_mails().is_empty() && bench.records_of("PasswordRecoveryRequested").is_empty());
    }

    #[test]
    fn one_source_asks_so_often_whoever_it_asks_for() {
        for email in ["root@example.com", "nobody@example.com"] {
            let bench = Bench::new();
            let asked = (0..11).map(|_| bench.service.ask_recovery(&bench.visitor(), email).map(drop));
            let asked: Vec<_> = asked.collect();
            assert!(asked[..10].iter().all(Result::is_ok));
            assert!(matches!(asked[10], Err(Refused::Slow { .. })));
            bench.pass_seconds(60);
            assert!(bench.service.ask_recovery(&bench.visitor(), email).is_ok());
        }
    }

    #[test]
    fn address_is_not_looked_at_before_the_answer() {
        let bench = Bench::new();
        let early = bench.service.ask_recovery(&bench.visitor(), "new@example.com").unwrap();
        // Who only asks takes up nothing of the address, and whose it is counts when the mail is sent.
        (0..5).for_each(|_| drop(bench.service.ask_recovery(&bench.visitor(), "new@example.com").unwrap()));
        bench.write(|txn| txn.put_owner(RowKey::Email(NameKey::new("new@example.com")), account()));
        bench.service.send_recovery(&bench.visitor(), &early, PAGE);
        assert_eq!(bench.take_mails().len(), 1);
    }

    #[test]
    fn one_address_gets_so_many_mails_wherever_they_are_asked_for() {
        let bench = Bench::new();
        for source in 0..20 {
            ask(&bench, &bench.visitor_from(source), "root@example.com");
        }
        let mails = bench.take_mails();
        assert_eq!(mails.len(), 3);
        // Whoever has asked: the owner can use what came.
        recover(&bench, &link_in(&mails[2])).unwrap();
        bench.take_mails();
        bench.pass_seconds(600);
        ask(&bench, &bench.visitor_from(30), "root@example.com");
        assert_eq!(bench.take_mails().len(), 1);
    }

    #[test]
    fn root_user_without_a_password_sets_a_first_one_only_while_it_may() {
        let bench = Bench::new();
        change_account(&bench, |row| row.root.password = None);
        ask(&bench, &bench.visitor(), "root@example.com");
        assert!(bench.take_mails().is_empty());
        let since = bench.now();
        change_account(&bench, |row| row.root.recoverable = Some(since));
        let taken_back = link(&bench);
        change_account(&bench, |row| row.root.recoverable = None);
        assert_eq!(recover(&bench, &taken_back), Err(Unrecovered::Link));
        change_account(&bench, |row| row.root.recoverable = Some(since));
        let link = link(&bench);
        assert_eq!(recover(&bench, &link).as_deref(), Ok("root@example.com"));
        let state = bench.state();
        assert!(state.account().root.password.is_some() && state.account().root.recoverable.is_none());
        assert_eq!(recover(&bench, &link), Err(Unrecovered::Link));
    }
}
