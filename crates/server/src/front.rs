//! The front: a node with the console before it, and what only a running server has.

use std::sync::Arc;

use rootward_alerts::MailServer;
use rootward_auth::passkey::RelyingParty;
use rootward_console::{Console, Setup};
use rootward_names::Random;
use rootward_signin::SignInService;

use crate::node::Node;

/// Letters and digits that nobody confuses when typing them: 32 of them, five bits each.
const LETTERS: &[u8; 32] = b"ABCDEFGHJKLMNPQRSTUVWXYZ23456789";

/// What a node is told about itself.
pub(crate) struct Face {
    /// The address that people type, without a slash at its end.
    pub(crate) url: String,
    /// The same, if the operator has said it: others may be good too where nobody has.
    pub(crate) given_url: Option<String>,
    /// How long root users may sign in without a second factor, in days.
    pub(crate) mfa_grace_days: u32,
    /// Us, as passkeys know us.
    pub(crate) relying_party: Arc<RelyingParty>,
    /// Who takes its mail, if anybody does.
    pub(crate) mail_server: Option<Arc<MailServer>>,
}

impl Face {
    /// That of a node at this address, or at its own if none was given.
    pub(crate) fn at(
        given_url: Option<String>,
        own_url: String,
        mfa_grace_days: u32,
        mail_server: Option<MailServer>,
    ) -> Self {
        let url = given_url.clone().unwrap_or(own_url);
        let relying_party = RelyingParty::at(&url, "Rootward").unwrap_or_else(|_| {
            tracing::warn!(
                "no passkeys at {url}: browsers have them for `https` or localhost, and for names only"
            );
            RelyingParty::none()
        });
        let (relying_party, mail_server) = (Arc::new(relying_party), mail_server.map(Arc::new));
        Self { url, given_url, mfa_grace_days, relying_party, mail_server }
    }

    /// That of a node which is opened for a host command, and which nobody else sees.
    pub(crate) fn none() -> Self {
        Self {
            url: String::new(),
            given_url: None,
            mfa_grace_days: 0,
            relying_party: Arc::new(RelyingParty::none()),
            mail_server: None,
        }
    }
}

/// A node and its console.
pub(crate) struct Front {
    pub(crate) node: Arc<Node>,
    pub(crate) console: Console,
    pub(crate) sign_in: Arc<SignInService>,
    /// Opens the first account at the console; none once there is one.
    pub(crate) setup_code: Option<String>,
}

impl Front {
    /// Puts the console before a node.
    pub(crate) fn new(node: Arc<Node>, face: &Face) -> Self {
        let setup_code = (node.accounts() == 0).then(|| code(&mut node.draw()));
        let host = Arc::clone(&node);
        let sign_in = Arc::new(node.sign_in(face.mfa_grace_days));
        let console = Console::new(Setup {
            pipeline: Arc::clone(node.pipeline()),
            signin: Arc::clone(&sign_in),
            db: Arc::clone(node.db()),
            vault: Arc::clone(node.vault()),
            url: face.url.clone(),
            setup_code: setup_code.clone(),
            open_account: Box::new(move |opening| {
                host.open_first_account(opening).map_err(|error| error.to_string())
            }),
        });
        Self { node, console, sign_in, setup_code }
    }
}

/// A hundred random bits as people type them.
fn code(random: &mut dyn Random) -> String {
    let mut bytes = [0; 20];
    random.fill(&mut bytes);
    let letters = bytes.iter().filter_map(|byte| LETTERS.get(usize::from(*byte) % LETTERS.len()));
    let letters: Vec<char> = letters.map(|letter| char::from(*letter)).collect();
    letters.chunks(5).map(|group| group.iter().collect::<String>()).collect::<Vec<_>>().join("-")
}

#[cfg(test)]
mod tests {
    use rootward_testkit::Seeded;

    use super::*;

    #[test]
    fn setup_code_is_four_groups_that_nobody_misreads() {
        let code = code(&mut Seeded::new(0));
        let groups: Vec<_> = code.split('-').collect();
        assert_eq!((groups.len(), code.len()), (4, 23));
        assert!(groups.iter().all(|group| group.bytes().all(|letter| LETTERS.contains(&letter))), "{code}");
    }
}
