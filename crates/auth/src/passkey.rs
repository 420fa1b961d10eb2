//! Security keys and passkeys (FIDO2): how one is registered, and how it proves itself as a second factor.
//!
//! ```text
//! registration:  RelyingParty::start_registration ─▶ options, Registration ─ navigator.credentials.create ─▶ finish ─▶ Passkey
//! sign-in:       RelyingParty::start_assertion    ─▶ options, Challenge    ─ navigator.credentials.get    ─▶ take   ─▶ device
//! ```
//!
//! The options are JSON for the browser (`PublicKeyCredential.parseCreationOptionsFromJSON`, `parseRequestOptionsFromJSON`),
//! what comes back is the JSON of the credential it makes (`toJSON`).
//!
//! **Nothing is stored between the halves of a ceremony**, as nothing is while a sign-in is under way. What must be known then
//! travels in a sealed token, which nobody else can read or make: [`Registration`] seals itself, [`Challenge`] is part of the
//! sign-in's step. A token is for one account, one owner, whoever asked for it (a registration: the caller; a challenge: the
//! browser of the step), and [`SECONDS_MAX`]. Nothing else is lost by not keeping it here, but that a challenge is good once:
//!
//! - Each assertion that is taken counts [`Passkey::uses`] up, in the transaction that the assertion lets in. A challenge names
//!   the uses of all passkeys of its owner, and is void once they differ: the second of two that show the same assertion, at once
//!   or later, finds the row changed. This holds also where the authenticator's own counter stands still, as it does with all
//!   passkeys that are synchronized. Two sign-ins of one user under way at once void each other; the page asks for new options.
//! - A registration is refused while its credential is registered. Should the key be removed within those minutes, the same
//!   caller may register the same key again, which could as well be asked for anew.
//!
//! What is checked is the library's (`webauthn-rs-core`, W3C Web Authentication, section 7): challenge, origin, relying party,
//! presence, signature, and a counter that did not go up refuses what may be a clone. Its core, not the wrapper over it: the
//! wrapper holds an assertion against credentials as they stood when it began, where here the row that the transaction guards
//! counts; and it can prefer verification for keys that are plugged in only. Challenges are drawn by the library, from the
//! system's randomness; it reads the system's clock for certificates of makers only, none of which is trusted here.
//!
//! - The root user must be verified (PIN or biometric), with every key, each time. Others are when the key can; a key that
//!   verified them when it was registered must go on to.
//! - The attestation is asked for, checked and kept with the credential, so that a list of trusted makers can be held against it
//!   later. Nothing depends on it: there is no such list, and a key that shows none is as good.
//! - A credential is looked for among its owner's only. That ids are unique in the account keeps people from confusing keys.
//!
//! Left to callers: how often assertions may be tried, names and number of devices.

use std::sync::Arc;
use std::time::Duration;

use rootward_names::{AccountId, Random, Time};
use rootward_state::entities::{CredentialOwner, Factor, MfaDevice, Passkey, User};
use rootward_state::{AccountState, RowKey, Txn};
use rootward_store::vault::Vault;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use url::{Host, Url};
use webauthn_rs_core::WebauthnCore;
use webauthn_rs_core::error::WebauthnError;
use webauthn_rs_core::proto::{
    AttestationConveyancePreference, AuthenticationResult, AuthenticationState, Credential,
    PublicKeyCredential, PublicKeyCredentialDescriptor, RegisterPublicKeyCredential, RegistrationState,
    UserVerificationPolicy,
};

use crate::sealed::Kind;

/// How long either ceremony may take, in seconds.
pub const SECONDS_MAX: i64 = 300;

/// The longest credential that is looked at, as JSON.
pub const CREDENTIAL_BYTES_MAX: usize = 65_536;

const REGISTRATION: Kind = Kind { context: b"passkey registration 1", bytes_max: 8_192 };

/// Us, as authenticators know us: keys are made for one relying party, and show themselves to no other.
#[derive(Debug, Clone)]
pub struct RelyingParty(Option<WebauthnCore>);

/// An id and origins that no browser would let go together.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error(
    "expected origins as `https://host` (`http` for localhost only), under the domain that passkeys are for"
)]
pub struct InvalidRelyingParty;

impl RelyingParty {
    /// The relying party called `name`, whose pages are at `origins` (`https://host:port`), in the domain `id` or below it.
    /// Passkeys are tied to `id`: when it changes, all are worth nothing.
    ///
    /// # Errors
    /// [`InvalidRelyingParty`]: no origins, one that is no secure context, or one outside `id`.
    pub fn new(id: &str, origins: &[&str], name: &str) -> Result<Self, InvalidRelyingParty> {
        let origins: Vec<_> = origins
            .iter()
            .map(|origin| parse_origin(origin, id))
            .collect::<Option<_>>()
            .ok_or(InvalidRelyingParty)?;
        if origins.is_empty() {
            return Err(InvalidRelyingParty);
        }
        let timeout = Duration::from_secs(SECONDS_MAX.unsigned_abs());
        // What its name warns of is in the module's documentation: the wrapper that is meant to be used instead.
        let core =
            WebauthnCore::new_unsafe_experts_only(name, id, origins, timeout, Some(false), Some(false));
        Ok(Self(Some(core)))
    }

    /// None at all: browsers have no passkeys for where our pages are. Nothing starts.
    pub const fn none() -> Self {
        Self(None)
    }

    /// The relying party whose pages are all at one origin, and whose passkeys are for its host alone.
    ///
    /// # Errors
    /// [`InvalidRelyingParty`].
    pub fn at(origin: &str, name: &str) -> Result<Self, InvalidRelyingParty> {
        let url = Url::parse(origin).map_err(|_| InvalidRelyingParty)?;
        Self::new(url.domain().ok_or(InvalidRelyingParty)?, &[origin], name)
    }

    /// Starts to register a passkey: the options for the browser, and what the second half needs. `now` is the one that
    /// [`Registration::open`] is given.
    ///
    /// `None`: the account has no such owner, or there are no passkeys here.
    pub fn start_registration(
        &self,
        state: &AccountState,
        wanted: &Wanted<'_>,
        now: Time,
    ) -> Option<(String, Registration)> {
        let (core, account) = (self.0.as_ref()?, state.account().id);
        let name = match wanted.owner {
            CredentialOwner::Root => "root",
            CredentialOwner::User(id) => &state.by_id::<User>(id)?.name,
        };
        let label = format!("{name}@{account}");
        let builder =
            core.new_challenge_register_builder(&handle(account, wanted.owner), &label, name).ok()?;
        let builder = builder
            .attestation(AttestationConveyancePreference::Direct)
            .user_verification_policy(verification(wanted.owner));
        let (mut options, ceremony) = core.generate_challenge_register(builder).ok()?;
        // Beside the ceremony's state, where eight long ids would not fit: that they are not registered is checked by us.
        let known = passkeys(state.mfa_devices_of(wanted.owner));
        let known = known.map(|(_, passkey)| PublicKeyCredentialDescriptor {
            type_: "public-key".into(),
            id: passkey.credential_id.to_vec(),
            transports: None,
        });
        options.public_key.exclude_credentials = Some(known.collect());
        let registration = Registration {
            account,
            owner: wanted.owner,
            device: wanted.device.into(),
            by: wanted.by.into(),
            began: now,
            ceremony: json(&ceremony)?,
        };
        Some((json(&options)?.into(), registration))
    }

    /// Starts to ask for any passkey of an owner: the options for the browser, and what [`take`] needs. `now` is the one that
    /// [`take`] is given.
    ///
    /// `None`: the owner has none, or there are none here.
    pub fn start_assertion(
        &self,
        state: &AccountState,
        owner: CredentialOwner,
        now: Time,
    ) -> Option<(String, Challenge)> {
        let core = self.0.as_ref()?;
        let devices: Vec<_> = state.mfa_devices_of(owner).cloned().collect();
        let credentials: Vec<Credential> =
            passkeys(&devices).filter_map(|(_, passkey)| parse(&passkey.credential)).collect();
        if credentials.is_empty() {
            return None;
        }
        let builder = core.new_challenge_authenticate_builder(credentials, Some(verification(owner))).ok()?;
        // A passkey may come to be synchronized; that one which was is no more cannot be, and is refused.
        let builder = builder.allow_backup_eligible_upgrade(true);
        let (options, mut ceremony) = core.generate_challenge_authenticate(builder).ok()?;
        // What counts is how they stand when the assertion comes back.
        ceremony.set_allowed_credentials(Vec::new());
        let challenge = Challenge { began: now, uses: uses(&devices), ceremony: json(&ceremony)? };
        Some((json(&options)?.into(), challenge))
    }
}

/// A passkey that somebody wants to have registered.
#[derive(Debug, Clone, Copy)]
pub struct Wanted<'a> {
    /// Whose it will be.
    pub owner: CredentialOwner,
    /// What the device will be called.
    pub device: &'a str,
    /// Who asks: the second half must be of the same.
    pub by: &'a str,
}

/// A registration under way.
#[derive(Clone, Serialize, Deserialize)]
pub struct Registration {
    account: AccountId,
    owner: CredentialOwner,
    device: Box<str>,
    by: Box<str>,
    began: Time,
    /// The library's state, in JSON: its form is not ours to know.
    ceremony: Box<str>,
}

/// Why a passkey is not registered.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum NotRegistered {
    /// It is no answer to this registration's challenge, or not from a page of ours.
    #[error("the security key's answer does not belong to this registration")]
    Mismatched,
    /// It is a second factor in this account already.
    #[error("the security key is registered already")]
    Taken,
    /// The root user's must verify.
    #[error("the root user's security key must ask for a PIN or biometric")]
    Unverified,
}

impl Registration {
    /// The text that the caller keeps until it comes back with the credential.
    pub fn seal(&self, vault: &Vault, random: &mut dyn Random) -> String {
        REGISTRATION.seal(self, vault, random)
    }

    /// Reads the text; none if it is not ours, of another account, of somebody else who asked, or too old.
    pub fn open(vault: &Vault, text: &str, account: AccountId, by: &str, now: Time) -> Option<Self> {
        let this: Self = REGISTRATION.open(text, vault)?;
        (this.account == account && *this.by == *by && is_in_time(this.began, now)).then_some(this)
    }

    /// Whose the passkey will be.
    pub fn owner(&self) -> CredentialOwner {
        self.owner
    }

    /// What the device will be called.
    pub fn device(&self) -> &str {
        &self.device
    }

    /// The passkey that the browser made. `credential` is its JSON; `state` is the account's, unguarded.
    ///
    /// # Errors
    /// [`NotRegistered`].
    pub fn finish(
        &self,
        party: &RelyingParty,
        state: &AccountState,
        credential: &str,
    ) -> Result<Passkey, NotRegistered> {
        let made: RegisterPublicKeyCredential = parse_sent(credential).ok_or(NotRegistered::Mismatched)?;
        let ceremony: RegistrationState = parse(&self.ceremony).ok_or(NotRegistered::Mismatched)?;
        let core = party.0.as_ref().ok_or(NotRegistered::Mismatched)?;
        let made = core.register_credential(&made, &ceremony, None).map_err(|error| match error {
            WebauthnError::UserNotVerified => NotRegistered::Unverified,
            _ => NotRegistered::Mismatched,
        })?;
        let mut known = passkeys(state.mfa_devices().iter().map(|(_, device)| device));
        if known.any(|(_, passkey)| *passkey.credential_id == *made.cred_id) {
            return Err(NotRegistered::Taken);
        }
        let credential = json(&made).ok_or(NotRegistered::Mismatched)?;
        Ok(Passkey { credential_id: made.cred_id.into(), credential, uses: 0 })
    }
}

impl std::fmt::Debug for Registration {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self { owner, device, began, .. } = self;
        write!(f, "Registration {{ {owner:?}, {device:?}, {began:?}, … }}")
    }
}

/// A challenge to show a passkey. Whoever keeps it for the browser seals it, with the account, the owner and the browser that
/// it is for.
#[derive(Clone, Serialize, Deserialize)]
pub struct Challenge {
    began: Time,
    /// How often the owner's passkeys were used when it was made.
    uses: [u8; 32],
    /// The library's state, in JSON.
    ceremony: Box<str>,
}

impl std::fmt::Debug for Challenge {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Challenge {{ {:?}, … }}", self.began)
    }
}

/// An assertion that somebody shows.
#[derive(Clone, Copy)]
pub struct Shown<'a> {
    /// The account of the owner.
    pub account: AccountId,
    /// Whose passkey must have made it.
    pub owner: CredentialOwner,
    /// What it must be an answer to; made for this owner.
    pub challenge: &'a Challenge,
    /// The credential, in JSON.
    pub credential: &'a str,
}

/// No passkey of this owner made the assertion for this challenge; or it was shown before.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("no passkey of this owner made this assertion for this challenge, or it was shown before")]
pub struct Refused;

/// Uses an assertion up and returns the device that made it, as it stands then. It counts once the transaction has committed.
///
/// # Errors
/// [`Refused`]; nothing is written then.
pub fn take(
    txn: &mut Txn,
    shown: &Shown<'_>,
    party: &RelyingParty,
    now: Time,
) -> Result<Arc<MfaDevice>, Refused> {
    let Shown { account, owner, challenge, .. } = *shown;
    let response: PublicKeyCredential = parse_sent(shown.credential).ok_or(Refused)?;
    let devices = devices_of(txn, account, owner);
    if !is_in_time(challenge.began, now) || uses(&devices) != challenge.uses {
        return Err(Refused);
    }
    let made_by = passkeys(&devices).find(|(_, passkey)| *passkey.credential_id == *response.raw_id);
    let (device, passkey) = made_by.ok_or(Refused)?;
    let ceremony: AuthenticationState = parse(&challenge.ceremony).ok_or(Refused)?;
    let credential: Credential = parse(&passkey.credential).ok_or(Refused)?;
    let core = party.0.as_ref().ok_or(Refused)?;
    let result = core.authenticate_single_credential(&response, &ceremony, &credential);
    let result = result.map_err(|_| Refused)?;
    let used = Passkey {
        credential: json(&after(credential, &result)).ok_or(Refused)?,
        uses: passkey.uses.saturating_add(1),
        credential_id: passkey.credential_id.clone(),
    };
    let device = Arc::new(MfaDevice { factor: Factor::Passkey(used), ..MfaDevice::clone(device) });
    txn.put::<MfaDevice>(RowKey::MfaDevice(account, device.id.clone()), Arc::clone(&device));
    Ok(device)
}

/// The devices of an owner, guarded and as this transaction has left them.
fn devices_of(txn: &mut Txn, account: AccountId, owner: CredentialOwner) -> Vec<Arc<MfaDevice>> {
    let Some(state) = txn.view(account) else { return Vec::new() };
    let seen = state.mfa_devices_of(owner);
    let rows = seen.filter_map(|seen| txn.get::<MfaDevice>(RowKey::MfaDevice(account, seen.id.clone())));
    rows.filter(|device| device.owner() == Some(owner)).collect()
}

fn passkeys<'a>(
    devices: impl IntoIterator<Item = &'a Arc<MfaDevice>>,
) -> impl Iterator<Item = (&'a MfaDevice, &'a Passkey)> {
    devices.into_iter().filter_map(|device| match &device.factor {
        Factor::Passkey(passkey) => Some((&**device, passkey)),
        Factor::Totp(_) => None,
    })
}

/// A digest of how often each passkey was used. No two states of an owner have the same: uses only go up, and a device's id,
/// part of which is random, does not come again.
fn uses(devices: &[Arc<MfaDevice>]) -> [u8; 32] {
    let mut hash = Sha256::new();
    for (device, passkey) in passkeys(devices) {
        hash.update((device.id.len() as u64).to_le_bytes());
        hash.update(device.id.as_bytes());
        hash.update(passkey.uses.to_le_bytes());
    }
    hash.finalize().into()
}

/// The credential after an assertion.
fn after(credential: Credential, result: &AuthenticationResult) -> Credential {
    Credential {
        counter: result.counter(),
        backup_state: result.backup_state(),
        backup_eligible: result.backup_eligible(),
        ..credential
    }
}

/// Whether the user must be verified.
fn verification(owner: CredentialOwner) -> UserVerificationPolicy {
    match owner {
        CredentialOwner::Root => UserVerificationPolicy::Required,
        CredentialOwner::User(_) => UserVerificationPolicy::Preferred,
    }
}

/// What authenticators know the owner by: always the same, and says nothing about who it is.
fn handle(account: AccountId, owner: CredentialOwner) -> [u8; 32] {
    let owner = match owner {
        CredentialOwner::Root => "root".to_owned(),
        CredentialOwner::User(id) => id.to_string(),
    };
    Sha256::digest(format!("passkey of {owner} in {account}")).into()
}

/// A clock that was set back prolongs nothing.
fn is_in_time(began: Time, now: Time) -> bool {
    (0..SECONDS_MAX).contains(&(now.seconds() - began.seconds()))
}

/// Nothing but scheme, host and port; a secure context; in the domain `id` or below it.
fn parse_origin(origin: &str, id: &str) -> Option<Url> {
    let url = Url::parse(origin).ok()?;
    let Some(Host::Domain(host)) = url.host() else { return None };
    let is_local = host == "localhost" || host.ends_with(".localhost");
    let is_secure = url.scheme() == "https" || (url.scheme() == "http" && is_local);
    let is_in_domain = host.strip_suffix(id).is_some_and(|rest| rest.is_empty() || rest.ends_with('.'));
    let is_bare = url.origin().ascii_serialization() == origin.trim_end_matches('/');
    (is_secure && is_in_domain && is_bare && !id.is_empty()).then_some(url)
}

/// What a browser sends.
fn parse_sent<T: DeserializeOwned>(text: &str) -> Option<T> {
    if text.len() > CREDENTIAL_BYTES_MAX { None } else { parse(text) }
}

fn parse<T: DeserializeOwned>(text: &str) -> Option<T> {
    serde_json::from_str(text).ok()
}

fn json<T: Serialize>(value: &T) -> Option<Box<str>> {
    serde_json::to_string(value).ok().map(String::into_boxed_str)
}
