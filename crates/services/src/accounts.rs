//! Opening and closing accounts, and their root users' addresses and access keys on the operator's word.
//!
//! No AWS API opens one; it is for host commands and the sandbox. An account begins with its root user and nothing else: no
//! access key, no alias, no IAM entity, unless an administrator is asked for, which is the way to work without root.
//! Everything is one transaction.
//!
//! Source of the rules on names and e-mail addresses: Organizations API, `CreateAccount`; Account Management API,
//! `StartPrimaryEmailUpdate`.

use std::sync::Arc;

use rootward_api::iam::schema::USER_NAME_TYPE;
use rootward_auth::password::{self, Password, Unacceptable};
use rootward_auth::principal::root_arn;
use rootward_auth::session::SecretAccessKey;
use rootward_names::{AccessKeyId, AccountId, EntityKind, Partition, Random, Time, UniqueId};
use rootward_state::entities::{
    Account, AccountSettings, AccountStatus, CredentialOwner, Grants, Named, Organization, PasswordHash,
    PolicyRef, RootUser, User,
};
use rootward_state::{NameKey, RowKey, Txn};
use rootward_store::vault::Vault;

use crate::iam::{ACCESS_KEYS_PER_USER, Issued, issue};
use crate::root_guard::{self, GuardError};
use crate::session_end::{End, end_all};
use crate::shapes;

const NAME_CHARS_MAX: usize = 50;
const EMAIL_CHARS: std::ops::RangeInclusive<usize> = 6..=64;
/// What the administrator gets.
const ADMINISTRATOR: &str = "AdministratorAccess";
/// How often a random account id may be taken already; a million accounts in 10^12 make even two unlikely.
const ID_ATTEMPTS: usize = 16;

/// What an account is opened with.
#[derive(Debug, Clone)]
pub struct OpenAccount<'a> {
    /// 1–50 printable ASCII characters.
    pub name: &'a str,
    /// The root user's e-mail address; no other account may have it, whatever its case.
    pub email: &'a str,
    /// From [`root_password`]; none for a root user who cannot sign in.
    pub password: Option<PasswordHash>,
    /// Also make an IAM user of this name with `AdministratorAccess` and one access key.
    pub admin: Option<&'a str>,
    /// The family of regions it lives in.
    pub partition: Partition,
    /// The account id, where it is not for chance to choose: the sandbox's.
    pub id: Option<AccountId>,
}

/// An account that is about to exist: what to show when the transaction has committed.
#[derive(Debug)]
pub struct Opened {
    /// Its id.
    pub account: AccountId,
    /// The root user's ARN.
    pub root_arn: String,
    /// The administrator, if one was asked for.
    pub admin: Option<Admin>,
}

/// An administrator and the one access key made with it.
#[derive(Debug)]
pub struct Admin {
    /// As asked for.
    pub user_name: String,
    /// `arn:…:user/…`
    pub arn: String,
    /// What to sign with.
    pub key: AccessKeyPair,
}

/// An access key with its secret, to be shown once.
#[derive(Debug)]
pub struct AccessKeyPair {
    /// `AKIA…`
    pub id: AccessKeyId,
    /// Forty characters.
    pub secret: SecretAccessKey,
}

/// Why an account is not opened, changed or closed, or a root user's key not made.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum AccountError {
    /// The administrator's name is no user name.
    #[error("`{0}` is no name for a user: expected 1-64 letters, digits or any of `_+=,.@-`")]
    AdminName(String),
    /// The account is closed already.
    #[error("account {0} is closed already")]
    Closed(AccountId),
    /// The e-mail address is not of the form that AWS takes.
    #[error("`{email}` is no e-mail address for a root user: {problem}")]
    Email {
        /// As given.
        email: String,
        /// What was expected.
        problem: &'static str,
    },
    /// Another account has the e-mail address.
    #[error("the e-mail address `{0}` belongs to the root user of another account")]
    EmailTaken(String),
    /// The account was closed too long ago.
    #[error("account {0} was closed more than {days} days ago and cannot be opened again", days = AccountStatus::REOPEN_DAYS)]
    Gone(AccountId),
    /// The root user's guard does not let it through.
    #[error(transparent)]
    Guard(#[from] GuardError),
    /// The password cannot be hashed.
    #[error("the password could not be hashed")]
    Hash,
    /// There is an account with this id.
    #[error("account {0} exists already")]
    IdTaken(AccountId),
    /// The account's name is not of the form that AWS takes.
    #[error("`{0}` is no name for an account: expected 1-50 printable ASCII characters")]
    Name(String),
    /// Others are in the organization that the account manages, and in use.
    #[error("account {0} manages an organization: remove or close its other accounts first")]
    Manages(AccountId),
    /// There is no account with this id.
    #[error("there is no account {0}")]
    NoSuchAccount(AccountId),
    /// The account is not closed.
    #[error("account {0} is not closed")]
    NotClosed(AccountId),
    /// No free account id was found.
    #[error("no free account id was found")]
    NoFreeId,
    /// The password breaks the rule for root users.
    #[error(transparent)]
    Password(#[from] Unacceptable),
    /// The root user has two access keys, and inactive ones count.
    #[error(
        "the root user of account {0} has {ACCESS_KEYS_PER_USER} access keys already, which is the most it can have"
    )]
    TooManyKeys(AccountId),
}

/// Checks a root user's password against the rule and hashes it. Takes some 20 ms: do it once, not in each attempt
/// of the transaction.
///
/// # Errors
/// [`AccountError::Password`] with everything that is wrong with it.
pub fn root_password(
    password: &Password,
    name: &str,
    email: &str,
    random: &mut dyn Random,
) -> Result<PasswordHash, AccountError> {
    password::check_root(password, name, email)?;
    password::hash(password, random).map_err(|_| AccountError::Hash)
}

/// Opens an account.
///
/// # Errors
/// [`AccountError`]: bad name, e-mail address or administrator's name; e-mail address or id taken.
pub fn open(
    txn: &mut Txn,
    request: &OpenAccount<'_>,
    now: Time,
    random: &mut dyn Random,
    vault: &Vault,
) -> Result<Opened, AccountError> {
    check_name(request.name)?;
    check_email(request.email)?;
    let email_key = RowKey::Email(NameKey::new(request.email));
    if txn.owner(email_key.clone()).is_some() {
        return Err(AccountError::EmailTaken(request.email.into()));
    }
    let id = free_id(txn, request.id, random)?;
    let admin = match request.admin {
        Some(name) => Some(open_admin(txn, id, name, request.partition, now, random, vault)?),
        None => None,
    };
    txn.put_owner(email_key, id);
    txn.put(
        RowKey::Account(id),
        Account {
            id,
            name: request.name.into(),
            email: request.email.into(),
            canonical_id: canonical_id(random),
            created: now,
            status: AccountStatus::Active,
            partition: request.partition,
            alias: None,
            root: RootUser {
                password_set: request.password.is_some().then_some(now),
                password: request.password.clone(),
                ..RootUser::default()
            },
        },
    );
    Ok(Opened { account: id, root_arn: root_arn(request.partition, id), admin })
}

fn open_admin(
    txn: &mut Txn,
    account: AccountId,
    name: &str,
    partition: Partition,
    now: Time,
    random: &mut dyn Random,
    vault: &Vault,
) -> Result<Admin, AccountError> {
    if !shapes::fits(&USER_NAME_TYPE, name) {
        return Err(AccountError::AdminName(name.into()));
    }
    let id = UniqueId::random(EntityKind::User, random);
    let Issued { row, secret } = issue(account, partition, CredentialOwner::User(id), now, random, vault);
    let user = User {
        id,
        name: name.into(),
        path: "/".into(),
        created: now,
        tags: Vec::new(),
        grants: Grants { attached: vec![PolicyRef::Aws(ADMINISTRATOR.into())], inline: Vec::new() },
        boundary: None,
        groups: Vec::new(),
        access_keys: vec![row.id],
    };
    let admin = Admin {
        user_name: name.into(),
        arn: user.arn(partition, account),
        key: AccessKeyPair { id: row.id, secret },
    };
    txn.put_entity(account, user);
    txn.put(RowKey::AccessKey(row.id), row);
    Ok(admin)
}

/// Makes an access key for the root user of `account`, unless it is sealed.
///
/// # Errors
/// [`AccountError::Guard`], [`AccountError::NoSuchAccount`], [`AccountError::TooManyKeys`].
pub fn create_root_access_key(
    txn: &mut Txn,
    account: AccountId,
    now: Time,
    random: &mut dyn Random,
    vault: &Vault,
) -> Result<AccessKeyPair, AccountError> {
    let row = txn.account(account).ok_or(AccountError::NoSuchAccount(account))?;
    root_guard::must_be_open(txn, account, now)?;
    let mut row = Account::clone(&row);
    if row.root.access_keys.len() >= ACCESS_KEYS_PER_USER {
        return Err(AccountError::TooManyKeys(account));
    }
    let Issued { row: key, secret } =
        issue(account, row.partition, CredentialOwner::Root, now, random, vault);
    let id = key.id;
    row.root.access_keys.push(id);
    txn.put(RowKey::Account(account), row);
    txn.put(RowKey::AccessKey(id), key);
    Ok(AccessKeyPair { id, secret })
}

/// Gives the root user of `account` another e-mail address: which one it had. A change that waits for its code is over with it.
///
/// # Errors
/// [`AccountError::Email`], [`AccountError::EmailTaken`], [`AccountError::NoSuchAccount`].
pub fn change_email(txn: &mut Txn, account: AccountId, email: &str) -> Result<Box<str>, AccountError> {
    check_email(email)?;
    let row = txn.account(account).ok_or(AccountError::NoSuchAccount(account))?;
    let key = RowKey::Email(NameKey::new(email));
    if txn.owner(key.clone()).is_some_and(|owner| owner != account) {
        return Err(AccountError::EmailTaken(email.into()));
    }
    // The two keys are one where only the case changes: what is written last counts.
    txn.delete(RowKey::Email(NameKey::new(&row.email)));
    txn.put_owner(key, account);
    txn.put(RowKey::Account(account), Account { email: email.into(), ..Account::clone(&row) });
    if let Some(settings) = txn.get::<AccountSettings>(RowKey::AccountSettings(account))
        && settings.email_update.is_some()
    {
        let settings = AccountSettings { email_update: None, ..AccountSettings::clone(&settings) };
        txn.put(RowKey::AccountSettings(account), settings);
    }
    Ok(row.email.clone())
}

/// Closes `account`: every request of anybody in it is refused from now on, and every sign-in is over. Nothing in it is removed;
/// its id and e-mail address stay taken for ever.
///
/// # Errors
/// [`AccountError::Closed`], [`AccountError::Manages`], [`AccountError::NoSuchAccount`].
pub fn close(
    txn: &mut Txn,
    account: AccountId,
    end: &End,
    random: &mut dyn Random,
) -> Result<(), AccountError> {
    let row = txn.account(account).ok_or(AccountError::NoSuchAccount(account))?;
    match row.status {
        AccountStatus::Active | AccountStatus::Suspended => {}
        AccountStatus::Closed { .. } => return Err(AccountError::Closed(account)),
    }
    if manages_others(txn, account) {
        return Err(AccountError::Manages(account));
    }
    let status = AccountStatus::Closed { at: end.now };
    txn.put(RowKey::Account(account), Account { status, ..Account::clone(&row) });
    end_all(txn, account, end, random, |_, _| true);
    Ok(())
}

/// Whether accounts that are in use would be left in an organization that nobody manages. Whoever joins rewrites the organization's row.
fn manages_others(txn: &mut Txn, account: AccountId) -> bool {
    let world = Arc::clone(txn.world());
    let Some(state) = world.organization_of(account) else { return false };
    let organization = state.organization();
    if organization.management != account {
        return false;
    }
    let _guarded = txn.get::<Organization>(RowKey::Organization(organization.id.clone()));
    let is_closed = |status| matches!(status, AccountStatus::Closed { .. });
    let others = state.members().iter().filter(|(id, _)| **id != account);
    let mut others = others.filter_map(|(id, _)| world.account(*id));
    others.any(|state| !is_closed(state.account().status))
}

/// Opens a closed account again, with everything that was in it.
///
/// # Errors
/// [`AccountError::Gone`], [`AccountError::NotClosed`], [`AccountError::NoSuchAccount`].
pub fn reopen(txn: &mut Txn, account: AccountId, now: Time) -> Result<(), AccountError> {
    let row = txn.account(account).ok_or(AccountError::NoSuchAccount(account))?;
    if row.status.reopenable_until().is_none() {
        return Err(AccountError::NotClosed(account));
    }
    if row.status.is_gone(now) {
        return Err(AccountError::Gone(account));
    }
    txn.put(RowKey::Account(account), Account { status: AccountStatus::Active, ..Account::clone(&row) });
    Ok(())
}

fn check_name(name: &str) -> Result<(), AccountError> {
    let printable = name.bytes().all(|byte| (b' '..=b'~').contains(&byte));
    if printable && (1..=NAME_CHARS_MAX).contains(&name.len()) && !name.trim().is_empty() {
        Ok(())
    } else {
        Err(AccountError::Name(name.into()))
    }
}

pub(crate) fn check_email(email: &str) -> Result<(), AccountError> {
    match email_problem(email) {
        None => Ok(()),
        Some(problem) => Err(AccountError::Email { email: email.into(), problem }),
    }
}

fn email_problem(email: &str) -> Option<&'static str> {
    if !EMAIL_CHARS.contains(&email.len()) || !email.is_ascii() {
        return Some("expected 6-64 ASCII characters");
    }
    let Some((local, domain)) = email.split_once('@').filter(|(_, domain)| !domain.contains('@')) else {
        return Some("expected exactly one `@`");
    };
    let local_is_good = !local.is_empty()
        && !local.starts_with('.')
        && local.bytes().all(|byte| byte.is_ascii_graphic() && !br#""'()<>[]:;,\|%&"#.contains(&byte));
    if !local_is_good {
        return Some(
            r#"before the `@`, expected printable characters without blanks and `"'()<>[]:;,\|%&`, and no `.` first"#,
        );
    }
    let edge = |byte: Option<&u8>| byte.is_none_or(|byte| matches!(byte, b'-' | b'.'));
    let bytes = domain.as_bytes();
    let domain_is_good = domain.contains('.')
        && !edge(bytes.first())
        && !edge(bytes.last())
        && bytes.iter().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.'));
    if domain_is_good { None } else { Some("after the `@`, expected a domain such as `example.com`") }
}

fn free_id(
    txn: &mut Txn,
    wanted: Option<AccountId>,
    random: &mut dyn Random,
) -> Result<AccountId, AccountError> {
    if let Some(id) = wanted {
        return if txn.account(id).is_none() { Ok(id) } else { Err(AccountError::IdTaken(id)) };
    }
    // Twelve digits without a leading zero: ids pass through spreadsheets.
    let draws = (0..ID_ATTEMPTS).map(|_| 100_000_000_000 + random.number() % 900_000_000_000);
    let mut ids = draws.filter_map(AccountId::from_number);
    ids.find(|id| txn.account(*id).is_none()).ok_or(AccountError::NoFreeId)
}

/// 64 lower-case hex digits.
fn canonical_id(random: &mut dyn Random) -> Box<str> {
    let mut bytes = [0; 32];
    random.fill(&mut bytes);
    bytes.iter().map(|byte| format!("{byte:02x}")).collect::<String>().into()
}

#[cfg(test)]
mod tests {
    use rootward_state::entities::{EmailUpdate, SessionKind, SignedIn};

    use super::*;
    use crate::session_end::Why;
    use crate::testing::Bench;

    fn request<'a>(name: &'a str, email: &'a str) -> OpenAccount<'a> {
        let partition = Partition::Aws;
        OpenAccount { name, email, password: None, admin: None, partition, id: None }
    }

    fn attempt(bench: &Bench, request: &OpenAccount<'_>) -> Result<Opened, AccountError> {
        bench.write_with(|txn, now, random, vault| open(txn, request, now, random, vault))
    }

    #[test]
    fn new_account_has_a_root_user_and_nothing_else() {
        let bench = Bench::new();
        let opened = attempt(&bench, &request("Two", "two@example.com")).unwrap();
        assert_eq!(opened.root_arn, format!("arn:aws:iam::{}:root", opened.account));
        let world = bench.begin().world().clone();
        let state = world.account(opened.account).unwrap();
        assert!(state.all::<User>().is_empty() && state.account().root.access_keys.is_empty());
        assert_eq!((state.account().canonical_id.len(), state.account().alias.as_ref()), (64, None));
        assert_eq!(world.account_by_email("TWO@example.com"), Some(opened.account));
    }

    #[test]
    fn administrator_can_do_everything_with_one_key() {
        let bench = Bench::new();
        let request = OpenAccount { admin: Some("boss"), ..request("Two", "two@example.com") };
        let opened = attempt(&bench, &request).unwrap();
        let admin = opened.admin.unwrap();
        assert_eq!(admin.arn, format!("arn:aws:iam::{}:user/boss", opened.account));
        let world = bench.begin().world().clone();
        let state = world.account(opened.account).unwrap();
        let user = state.named::<User>("boss").unwrap();
        assert_eq!(user.grants.attached, [PolicyRef::Aws(ADMINISTRATOR.into())]);
        assert!(rootward_managed::get(ADMINISTRATOR).is_some());
        let row = state.access_key(admin.key.id).unwrap();
        assert_eq!((row.owner, &user.access_keys), (CredentialOwner::User(user.id), &vec![row.id]));
        assert_eq!(bench.open_secret(row), admin.key.secret.expose());
    }

    #[test]
    fn e_mail_address_of_another_account_is_refused_in_any_case() {
        let error = attempt(&Bench::new(), &request("Two", "ROOT@Example.com")).unwrap_err();
        assert_eq!(error, AccountError::EmailTaken("ROOT@Example.com".into()));
    }

    #[test]
    fn account_id_is_not_given_twice() {
        let bench = Bench::new();
        let request = OpenAccount { id: Some(bench.account()), ..request("Two", "two@example.com") };
        assert_eq!(attempt(&bench, &request).unwrap_err(), AccountError::IdTaken(bench.account()));
    }

    #[test]
    fn names_and_addresses_follow_the_rules() {
        for name in ["", "   ", "tab\there", "é", &"x".repeat(51)] {
            assert!(matches!(check_name(name), Err(AccountError::Name(_))), "{name}");
        }
        assert_eq!(check_name("Example (Corp) & Sons ~"), Ok(()));
        for email in ["a@b.c", "a+b@ex-ample.com", "A.B_c/d=e?f@x.y.z0"] {
            let short = email.len() < 6;
            assert_eq!(email_problem(email).is_some(), short, "{email}");
        }
        for email in [
            "",
            "plain",
            "a@b@c.de",
            ".a@b.com",
            "a b@c.com",
            "a\"@c.com",
            "a|b@c.com",
            "a%b@c.com",
            "a@localhost",
            "a@-b.com",
            "a@b.com.",
            "a@b_c.com",
            "é@b.com",
            "@bbb.com",
            &format!("{}@b.com", "x".repeat(60)),
        ] {
            assert!(email_problem(email).is_some(), "{email}");
        }
    }

    fn with<T>(
        bench: &Bench,
        write: impl FnOnce(&mut Txn, Time) -> Result<T, AccountError>,
    ) -> Result<T, AccountError> {
        bench.write_with(|txn, now, _, _| write(txn, now))
    }

    #[test]
    fn address_moves_and_the_old_one_becomes_free() {
        let bench = Bench::new();
        let account = bench.account();
        let change = |email: &str| with(&bench, |txn, _| change_email(txn, account, email));
        let update = EmailUpdate {
            email: "attacker@example.com".into(),
            code: [1; 32],
            sent: bench.now(),
            expires: bench.now().plus_seconds(900),
            attempts_left: 5,
        };
        let settings = AccountSettings { email_update: Some(update), ..AccountSettings::new() };
        bench.write(|txn| txn.put(RowKey::AccountSettings(account), settings));
        assert_eq!(change("new@example.com").as_deref(), Ok("root@example.com"));
        assert_eq!(bench.state().settings().email_update, None);
        let world = bench.begin().world().clone();
        assert_eq!(world.account_by_email("root@example.com"), None);
        assert_eq!(world.account_by_email("new@example.com"), Some(account));
        assert_eq!(change("New@Example.com").as_deref(), Ok("new@example.com"));
        assert_eq!(bench.begin().world().account_by_email("new@example.com"), Some(account));
        assert_eq!(&*bench.state().account().email, "New@Example.com");
        attempt(&bench, &request("Two", "root@example.com")).unwrap();
        assert_eq!(change("ROOT@example.com"), Err(AccountError::EmailTaken("ROOT@example.com".into())));
        assert!(matches!(change("none"), Err(AccountError::Email { .. })));
    }

    fn close_now(bench: &Bench, account: AccountId) -> Result<(), AccountError> {
        bench.write_with(|txn, now, random, _| {
            let end = End { why: Why::AccountClosed, source_ip: None, now };
            close(txn, account, &end, random)
        })
    }

    #[test]
    fn closed_account_keeps_everything_but_sessions_and_can_be_opened_again_in_time() {
        let bench = Bench::new();
        let account = bench.account();
        bench.add_user("ann");
        bench.add_session(SignedIn::Root, SessionKind::Console);
        let close = || close_now(&bench, account);
        let reopen = || with(&bench, |txn, now| reopen(txn, account, now));
        assert_eq!(reopen(), Err(AccountError::NotClosed(account)));
        close().unwrap();
        assert_eq!(close(), Err(AccountError::Closed(account)));
        assert_eq!(bench.state().account().status, AccountStatus::Closed { at: bench.now() });
        assert!(bench.live_sessions().is_empty() && bench.row::<User>("ann").is_some());
        bench.pass_seconds(90 * 86_400 - 1);
        reopen().unwrap();
        assert_eq!(bench.state().account().status, AccountStatus::Active);
        close().unwrap();
        bench.pass_seconds(90 * 86_400);
        assert_eq!(reopen(), Err(AccountError::Gone(account)));
        // For ever.
        let again = attempt(&bench, &request("Two", "root@example.com")).unwrap_err();
        assert_eq!(again, AccountError::EmailTaken("root@example.com".into()));
    }

    #[test]
    fn account_that_does_not_exist_is_not_changed() {
        let bench = Bench::new();
        let nobody = "999999999999".parse().unwrap();
        let expected = Err(AccountError::NoSuchAccount(nobody));
        assert_eq!(close_now(&bench, nobody), expected);
        assert_eq!(with(&bench, |txn, now| reopen(txn, nobody, now)), expected);
        assert_eq!(with(&bench, |txn, _| change_email(txn, nobody, "a@example.com")).map(drop), expected);
    }

    #[test]
    fn administrator_must_be_a_user_name() {
        let bench = Bench::new();
        for admin in ["", "a b", "a/b", &"x".repeat(65)] {
            let request = OpenAccount { admin: Some(admin), ..request("Two", "two@example.com") };
            assert_eq!(attempt(&bench, &request).unwrap_err(), AccountError::AdminName(admin.into()));
        }
    }

    #[test]
    fn root_user_has_two_keys_at_most() {
        let bench = Bench::new();
        let create = |account| {
            bench.write_with(|txn, now, random, vault| {
                create_root_access_key(txn, account, now, random, vault)
            })
        };
        let key = create(bench.account()).unwrap();
        assert_eq!(bench.state().access_key(key.id).unwrap().owner, CredentialOwner::Root);
        create(bench.account()).unwrap();
        assert_eq!(create(bench.account()).unwrap_err(), AccountError::TooManyKeys(bench.account()));
        let other = "999988887777".parse().unwrap();
        assert_eq!(create(other).unwrap_err(), AccountError::NoSuchAccount(other));
    }

    #[test]
    fn no_key_is_made_for_a_sealed_root_user_and_how_to_go_on_is_said() {
        let bench = Bench::new();
        let account = bench.account();
        bench.write(|txn| drop(root_guard::seal(txn, account).unwrap()));
        let create = || {
            bench.write_with(|txn, now, random, vault| {
                create_root_access_key(txn, account, now, random, vault)
            })
        };
        let error = create().unwrap_err();
        assert_eq!(error, AccountError::Guard(GuardError::Sealed(account)));
        assert!(error.to_string().contains("rootward root unseal --account 111122223333 --reason TEXT"));
        bench.write(|txn| drop(root_guard::unseal(txn, account, "drill", 1, bench.now()).unwrap()));
        create().unwrap();
        bench.pass_seconds(60);
        assert_eq!(create().unwrap_err(), error);
    }

    #[test]
    fn account_is_opened_sealed() {
        let bench = Bench::new();
        let opened = attempt(&bench, &request("Two", "two@example.com")).unwrap();
        let world = bench.begin().world().clone();
        assert!(world.account(opened.account).unwrap().root_guard().is_sealed(bench.now()));
    }

    #[test]
    fn weak_password_is_refused_with_the_rule() {
        let bench = Bench::new();
        let weak = Password::new("password");
        let result =
            bench.write_with(|_, _, random, _| root_password(&weak, "Two", "two@example.com", random));
        assert!(matches!(result, Err(AccountError::Password(_))));
    }
}
