//! Visitors: who is at the door, before anybody knows who they are.

use std::net::IpAddr;

use rootward_names::AccountId;
use rootward_pipeline::TlsFacts;
use rootward_state::entities::{CredentialOwner, Named, User};
use rootward_state::{AccountState, World};
use sha2::{Digest, Sha256};

use crate::Browser;

/// What a browser's request says of where it comes from.
#[derive(Debug, Clone, Copy)]
pub struct Visitor<'a> {
    /// The peer's address.
    pub address: IpAddr,
    /// `User-Agent`, as sent.
    pub user_agent: Option<&'a str>,
    /// `Host`, as sent.
    pub host: Option<&'a str>,
    /// What protected the connection.
    pub tls: Option<TlsFacts>,
    /// Which browser it is.
    pub browser: &'a Browser,
    /// The address of the page that the sign-in leads to.
    pub login_to: &'a str,
}

/// Which door somebody knocks at, and as whom.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Door<'a> {
    /// The root user, by e-mail address.
    Root {
        /// As typed.
        email: &'a str,
    },
    /// An IAM user.
    User {
        /// Account id or alias, as typed.
        account: &'a str,
        /// User name, as typed.
        name: &'a str,
    },
}

/// Whom a door leads to.
pub(crate) struct Knock {
    /// The account, if what was typed names one.
    pub(crate) account: Option<AccountId>,
    /// Who in it, if there is such a one.
    pub(crate) owner: Option<CredentialOwner>,
    /// A digest of the name, the same for everybody who means the same one, also where there is none.
    pub(crate) name: [u8; 32],
}

impl Knock {
    pub(crate) fn at(world: &World, door: &Door<'_>) -> Self {
        match door {
            Door::Root { email } => {
                let account = world.account_by_email(email.trim());
                let name = digest(&["root", &email.trim().to_ascii_lowercase()]);
                Self { account, owner: account.map(|_| CredentialOwner::Root), name }
            }
            Door::User { account: typed, name } => {
                let account = account(world, typed.trim());
                let user = account.and_then(|id| world.account(id)?.named::<User>(name));
                let known = account.map_or_else(|| typed.trim().to_ascii_lowercase(), |id| id.to_string());
                let digest = digest(&["user", &known, &name.to_ascii_lowercase()]);
                Self { account, owner: user.map(|user| CredentialOwner::User(user.id())), name: digest }
            }
        }
    }
}

/// The account with this id or alias. Digits may come in groups, as people write them down.
pub(crate) fn account(world: &World, typed: &str) -> Option<AccountId> {
    let digits: String = typed.chars().filter(|c| *c != '-' && *c != ' ').collect();
    let by_id = digits.parse().ok().filter(|id| world.account(*id).is_some());
    by_id.or_else(|| world.account_by_alias(&typed.to_ascii_lowercase()))
}

/// The digest of a name that its lane and its browsers know it by.
pub(crate) fn name_of(state: &AccountState, owner: CredentialOwner) -> Option<[u8; 32]> {
    Some(match owner {
        CredentialOwner::Root => digest(&["root", &state.account().email.to_ascii_lowercase()]),
        CredentialOwner::User(id) => {
            let user = state.by_id::<User>(id)?;
            digest(&["user", &state.account().id.to_string(), &user.name.to_ascii_lowercase()])
        }
    })
}

fn digest(parts: &[&str]) -> [u8; 32] {
    let mut hash = Sha256::new();
    for part in parts {
        hash.update((part.len() as u64).to_le_bytes());
        hash.update(part);
    }
    hash.finalize().into()
}
