//! Sealed texts: what somebody keeps for us and gives back, and nobody but us can read, change or make.
//!
//! ```text
//! content ─▶ Kind::seal ─▶ text, in a page, a cookie, a link or a client's hands ─▶ Kind::open ─▶ content
//! ```
//!
//! They stand where else a row would be kept for somebody who has not come in yet. A text says nothing about itself: how long it is good,
//! for whom, and how often, is in its content and up to whoever opens it.

use base64::Engine;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;
use rootward_names::Random;
use rootward_store::vault::Vault;
use serde::Serialize;
use serde::de::DeserializeOwned;
use zeroize::Zeroizing;

/// What texts of one kind have in common.
#[derive(Debug, Clone, Copy)]
pub struct Kind {
    /// Separates them from everything else that is sealed, and versions their form.
    pub context: &'static [u8],
    /// Longer ones are not looked at.
    pub bytes_max: usize,
}

impl Kind {
    /// The text: base64url, without padding.
    pub fn seal(&self, content: &impl Serialize, vault: &Vault, random: &mut dyn Random) -> String {
        // Serializing to memory fails for no field; an empty text would simply never open.
        let plain = Zeroizing::new(postcard::to_stdvec(content).unwrap_or_default());
        BASE64_URL_SAFE_NO_PAD.encode(vault.seal_token(self.context, &plain, random))
    }

    /// Reads the text; none if it is too long, not ours, or of another kind.
    pub fn open<T: DeserializeOwned>(&self, text: &str, vault: &Vault) -> Option<T> {
        if text.len() > self.bytes_max {
            return None;
        }
        let sealed = BASE64_URL_SAFE_NO_PAD.decode(text).ok()?;
        postcard::from_bytes(&vault.open_token(self.context, &sealed).ok()?).ok()
    }
}

#[cfg(test)]
mod tests {
    use rootward_store::vault::Key;
    use rootward_testkit::Seeded;

    use super::*;

    const KIND: Kind = Kind { context: b"test 1", bytes_max: 200 };

    #[test]
    fn text_opens_with_its_key_and_as_its_kind_only() {
        let random = &mut Seeded::new(1);
        let (ours, other) = (Vault::new(&Key::random(random)), Vault::new(&Key::random(random)));
        let text = KIND.seal(&"content", &ours, random);
        assert_eq!(KIND.open::<String>(&text, &ours).as_deref(), Some("content"));
        assert_eq!(KIND.open::<String>(&text, &other), None);
        assert_eq!(Kind { context: b"test 2", ..KIND }.open::<String>(&text, &ours), None);
        assert_eq!(Kind { bytes_max: text.len() - 1, ..KIND }.open::<String>(&text, &ours), None);
    }
}
