//! Session tokens: no text opens but the ones that were issued, to the bit.
#![no_main]

use arbitrary::Arbitrary;
use libfuzzer_sys::fuzz_target;
use rootward_auth::session::{Claims, Holder, SecretAccessKey, Tokens};
use rootward_names::{AccessKeyId, AccessKeyKind, AccountId, EntityKind, Partition, Random, Time, UniqueId};
use rootward_state::entities::Document;
use rootward_store::vault::{Key, Vault};
use std::sync::Arc;

#[derive(Debug, Arbitrary)]
struct Input<'a> {
    /// Tried as it is.
    text: &'a str,
    /// What a real token says.
    session_name: &'a str,
    tags: Vec<(&'a str, &'a str)>,
    policy: Option<&'a str>,
    /// What is done to it.
    edits: Vec<Edit>,
    /// Draws keys, nonces and secrets.
    seed: u8,
}

#[derive(Debug, Arbitrary)]
enum Edit {
    Cut(u16),
    Flip(u16, u8),
    Insert(u16, char),
    Repeat,
    Swap(u16, u16),
}

fuzz_target!(|input: Input<'_>| {
    let random = &mut Counter(input.seed);
    let tokens = tokens(random);
    assert!(tokens.open(input.text).is_err(), "a text that nobody issued opens");

    let claims = claims(&input, random);
    let token = tokens.issue(&claims, 0, random);
    let mut edited: Vec<char> = token.chars().collect();
    for edit in &input.edits {
        edit.apply(&mut edited);
    }
    let edited: String = edited.into_iter().collect();
    // Before the real one is opened: opened tokens are kept, and that must not help a similar one.
    for _ in 0..2 {
        assert_eq!(tokens.open(&edited).is_ok(), edited == token, "{edited}");
        let session = tokens.open(&token).expect("what was issued opens");
        assert_eq!(format!("{:?}", session.claims), format!("{claims:?}"));
        assert_eq!(session.claims.secret, claims.secret);
    }
    assert!(self::tokens(random).open(&token).is_err(), "opens under another key file");
});

fn tokens(random: &mut Counter) -> Tokens {
    Tokens::new(Arc::new(Vault::new(&Key::random(random))))
}

fn claims(input: &Input<'_>, random: &mut Counter) -> Claims {
    let account = AccountId::from_number(123_456_789_012).expect("twelve digits");
    Claims {
        key: AccessKeyId::random(AccessKeyKind::Temporary, account, random),
        secret: SecretAccessKey::random(random),
        account,
        partition: Partition::default(),
        holder: Holder::Role {
            id: UniqueId::random(EntityKind::Role, random),
            session_name: input.session_name.into(),
        },
        issued: Time::from_seconds(0),
        expires: Time::from_seconds(i64::from(input.seed)),
        mfa: None,
        chained: false,
        sign_in: None,
        tags: input.tags.iter().map(|&(key, value)| (key.into(), value.into())).collect(),
        transitive: input.tags.iter().map(|&(key, _)| key.into()).collect(),
        source_identity: None,
        policy: input.policy.map(Document::new),
        policy_arns: Vec::new(),
    }
}

impl Edit {
    fn apply(&self, token: &mut Vec<char>) {
        let len = token.len();
        if len == 0 {
            return;
        }
        match *self {
            Self::Cut(at) => token.truncate(usize::from(at) % len),
            Self::Flip(at, bits) => {
                let place = &mut token[usize::from(at) % len];
                *place = u8::try_from(*place).map_or('A', |byte| char::from((byte ^ bits) & 0x7f));
            }
            Self::Insert(at, char) => token.insert(usize::from(at) % len, char),
            Self::Repeat if len <= 64 * 1024 => token.extend_from_within(..),
            Self::Repeat => {}
            Self::Swap(a, b) => token.swap(usize::from(a) % len, usize::from(b) % len),
        }
    }
}

/// Bytes that never come again within one input.
struct Counter(u8);

impl Random for Counter {
    fn fill(&mut self, bytes: &mut [u8]) {
        for byte in bytes {
            self.0 = self.0.wrapping_mul(5).wrapping_add(37);
            *byte = self.0;
        }
    }
}
