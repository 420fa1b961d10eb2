//! What an operation is given besides its input and its transaction.

use std::cell::{Cell, RefCell};
use std::net::{IpAddr, Ipv4Addr};
use std::sync::Arc;

use rootward_audit::{Page, Query};
use rootward_auth::authz::RequestFacts;
use rootward_auth::passkey::RelyingParty;
use rootward_auth::password::{Asker, Busy, Hasher, Permit, Who};
use rootward_auth::second_factor::{Guesses, Refused, TooMany};
use rootward_auth::session::Tokens;
use rootward_auth::{Identity, Principal};
use rootward_names::{AccessKeyId, AccessKeyKind, AccountId, EntityKind, Partition, Random, Time, UniqueId};
use rootward_state::entities::{CredentialOwner, Named};
use rootward_state::{AccountState, Txn, World};
use rootward_store::vault::Vault;

use crate::Failure;
use crate::declaration::Scope;
use crate::mail::{Mail, Mailer, NoMailer};
use crate::path::may_block;
use crate::records::{Records, Unread};

/// What seals, issues, hashes, counts, sends and remembers.
#[derive(Clone, Copy)]
pub struct Tools<'r> {
    /// Seals what must be recovered later.
    pub vault: &'r Vault,
    /// Issues session tokens.
    pub tokens: &'r Tokens,
    /// Hands out places to hash passwords.
    pub hasher: &'r Hasher,
    /// Counts wrong codes of second factors.
    pub guesses: &'r Guesses,
    /// Us, as passkeys know us.
    pub relying_party: &'r RelyingParty,
    /// Sends mail, if a mail server is configured.
    pub mailer: Option<&'r dyn Mailer>,
    /// How long a root user may sign in without a second factor, in days from the first time on.
    pub mfa_grace_days: u32,
    /// The audit log.
    pub records: &'r dyn Records,
}

/// The circumstances of one call. Operations read no clock and no randomness but these.
pub struct OpContext<'r> {
    /// When the request arrived.
    pub now: Time,
    /// The same by the machine's clock: what codes by time are held against. Differs in a seeded sandbox only.
    pub machine_now: Time,
    /// From where.
    pub source_ip: IpAddr,
    /// With what, as the client says.
    pub user_agent: Option<&'r str>,
    /// `Referer`, as sent.
    pub referer: Option<&'r str>,
    /// Whether TLS protected the request.
    pub secure_transport: bool,
    /// Who calls.
    pub principal: &'r Principal,
    /// The region of the credential scope.
    pub region: &'r str,
    /// Seals what must be recovered later.
    pub vault: &'r Vault,
    /// Issues session tokens.
    pub tokens: &'r Tokens,
    /// Us, as passkeys know us.
    pub relying_party: &'r RelyingParty,
    /// How long a root user may sign in without a second factor, in days from the first time on.
    pub mfa_grace_days: u32,
    pub(crate) hasher: &'r Hasher,
    pub(crate) guesses: &'r Guesses,
    pub(crate) mailer: Option<&'r dyn Mailer>,
    pub(crate) records: &'r dyn Records,
    pub(crate) mails: RefCell<Vec<Mail>>,
    pub(crate) concerned: Cell<Option<AccountId>>,
    pub(crate) random: RefCell<&'r mut dyn Random>,
}

/// For whom randomness is none of theirs.
struct Nothing;

impl Random for Nothing {
    fn fill(&mut self, bytes: &mut [u8]) {
        bytes.fill(0);
    }
}

impl<'r> OpContext<'r> {
    /// The circumstances of one call on this machine, at `now` by every clock.
    pub fn new(
        now: Time,
        principal: &'r Principal,
        region: &'r str,
        tools: &Tools<'r>,
        random: &'r mut dyn Random,
    ) -> Self {
        let Tools { vault, tokens, hasher, guesses, relying_party, mailer, mfa_grace_days, records } = *tools;
        Self {
            now,
            machine_now: now,
            source_ip: IpAddr::V4(Ipv4Addr::LOCALHOST),
            user_agent: None,
            referer: None,
            secure_transport: false,
            principal,
            region,
            vault,
            tokens,
            relying_party,
            mfa_grace_days,
            hasher,
            guesses,
            mailer,
            records,
            mails: RefCell::default(),
            concerned: Cell::default(),
            random: RefCell::new(random),
        }
    }

    /// What the request tells policies about itself, for what an operation has to decide on its own.
    pub fn facts(&self) -> RequestFacts<'_> {
        RequestFacts {
            now: self.now,
            region: self.region,
            source_ip: self.source_ip,
            user_agent: self.user_agent,
            referer: self.referer,
            secure_transport: self.secure_transport,
        }
    }

    /// What rules would see of this call on `world`. They draw nothing at random.
    pub fn in_scope<R>(&self, world: &World, look: impl FnOnce(&Scope<'_>) -> R) -> R {
        let mut nothing = Nothing;
        // A context is good for as long as its randomness is lent, and no shorter: rules get one of their own.
        let ctx = OpContext {
            mails: RefCell::default(),
            concerned: Cell::default(),
            random: RefCell::new(&mut nothing),
            ..*self
        };
        look(&Scope { ctx: &ctx, world })
    }

    /// The caller's account.
    pub fn account(&self) -> AccountId {
        self.principal.account
    }

    /// The caller's account in the transaction's snapshot, unguarded: to list, to count, to follow references.
    ///
    /// # Errors
    /// An internal one when it is not there: the caller was authenticated as somebody of it.
    pub fn view(&self, txn: &Txn) -> Result<Arc<AccountState>, Failure> {
        txn.view(self.account())
            .ok_or_else(|| Failure::internal("the caller's account is not in the snapshot"))
    }

    /// The partition that ARNs are written in.
    pub fn partition(&self) -> Partition {
        self.principal.partition
    }

    /// The ARN of an entity of the caller's account.
    pub fn arn<T: Named>(&self, entity: &T) -> String {
        entity.arn(self.partition(), self.account())
    }

    /// A fresh unique id.
    pub fn unique_id(&self, kind: EntityKind) -> UniqueId {
        self.with_random(|random| UniqueId::random(kind, random))
    }

    /// A fresh access key id in the caller's account.
    pub fn access_key_id(&self, kind: AccessKeyKind, account: AccountId) -> AccessKeyId {
        self.with_random(|random| AccessKeyId::random(kind, account, random))
    }

    /// Runs hashes of passwords, when a place is free for them; holds up no other request meanwhile.
    ///
    /// # Errors
    /// `Throttling` when too many wait, and too many of them from the same source or in the same account.
    pub fn hashing<R>(&self, hash: impl FnOnce(&Permit, &mut dyn Random) -> R) -> Result<R, Failure> {
        let run = || {
            let asker = Asker { source: self.source_ip, who: Who::Account(self.account()) };
            let permit = self.hasher.permit(asker).map_err(|Busy| Failure::throttled())?;
            Ok(self.with_random(|random| hash(&permit, random)))
        };
        blocking(run)
    }

    /// Looks up in the audit log, see [`Records::look_up`]; holds up no other request meanwhile.
    ///
    /// # Errors
    /// `Throttling` when too many look-ups are under way; an internal one when the log cannot be read.
    pub fn look_up(&self, query: &Query<'_>, count: usize, before: Option<u64>) -> Result<Page, Failure> {
        blocking(|| self.records.look_up(query, count, before)).map_err(|unread| match unread {
            Unread::Busy => Failure::throttled(),
            Unread::Failed(error) => Failure::internal(error.to_string()),
        })
    }

    /// Tries a code of a second factor of somebody in the caller's account.
    ///
    /// # Errors
    /// `Throttling` when too many of this owner's were wrong lately.
    pub fn guessing<R>(
        &self,
        owner: CredentialOwner,
        guess: impl FnOnce() -> Result<R, Refused>,
    ) -> Result<Result<R, Refused>, Failure> {
        let guessed = self.guesses.guess(self.account(), owner, self.machine_now, guess);
        guessed.map_err(|TooMany| Failure::throttled())
    }

    /// Tries the caller's own password, where it is shown to set another.
    ///
    /// # Errors
    /// What `guess` says; `Throttling` when too many were wrong lately. Of callers who are neither a user nor the root user it is
    /// nobody's password: an internal one.
    pub fn guessing_password<R>(&self, guess: impl FnOnce() -> Result<R, Failure>) -> Result<R, Failure> {
        let owner = match &self.principal.identity {
            Identity::Root => CredentialOwner::Root,
            Identity::User(user) => CredentialOwner::User(user.id),
            Identity::AssumedRoot(_) | Identity::FederatedUser(_) | Identity::RoleSession(_) => {
                return Err(Failure::internal("a password was tried of somebody who has none"));
            }
        };
        let session = self.principal.sign_in().map(|sign_in| sign_in.session);
        let guessed = self.guesses.guess_password(self.account(), owner, session, self.machine_now, guess);
        guessed.map_err(|TooMany| Failure::throttled())?
    }

    /// Leaves a mail to be posted when what the call writes is durable.
    ///
    /// # Errors
    /// [`NoMailer`]: it would never be.
    pub fn mail(&self, mail: Mail) -> Result<(), NoMailer> {
        self.mailer.ok_or(NoMailer)?;
        self.mails.borrow_mut().push(mail);
        Ok(())
    }

    /// Whether this node sends mail: whether what [`mail`](Self::mail) is given is taken.
    pub fn sends_mail(&self) -> bool {
        self.mailer.is_some()
    }

    /// Takes the mail that was left.
    pub fn take_mails(&self) -> Vec<Mail> {
        self.mails.take()
    }

    /// Puts a copy of the call's record into the log of another account, which it is about although the resource that was authorized is
    /// not that account's. For a call that succeeds.
    pub fn concerns(&self, account: AccountId) {
        self.concerned.set(Some(account).filter(|account| *account != self.account()));
    }

    /// Lends the random source.
    pub fn with_random<R>(&self, draw: impl FnOnce(&mut dyn Random) -> R) -> R {
        draw(&mut **self.random.borrow_mut())
    }
}

/// Runs what takes some time without holding up the executor's other tasks.
fn blocking<R>(run: impl FnOnce() -> R) -> R {
    if may_block() { tokio::task::block_in_place(run) } else { run() }
}
