//! The key file and what it protects: secrets sealed in rows and session tokens, and the audit log's chain.
//!
//! One key of 32 random bytes lives in a file of its own, apart from the data, so that a copy of the data alone gives away
//! no secret. From it come sub-keys, HMAC-SHA256 of a label under the key, one for each purpose: what is sealed for
//! one purpose means nothing for another.
//!
//! Sealed form: version (1 byte), nonce (24 random bytes), XChaCha20-Poly1305 ciphertext and tag; [`OVERHEAD_BYTES`] more
//! than the secret. The context is authenticated with it: a sealed value moved to another row does not open. Nonces of
//! 192 bits may be random for ever.
//!
//! Key file: a line that names the format, then the key in 64 hexadecimal digits; mode 0600.

use std::fmt;
use std::fs::{File, OpenOptions};
use std::io::{self, Read, Write};
use std::os::unix::fs::{OpenOptionsExt, PermissionsExt};
use std::path::Path;

use chacha20poly1305::aead::{Aead, Payload};
use chacha20poly1305::{KeyInit, XChaCha20Poly1305};
use hmac::{Hmac, Mac};
use rootward_names::Random;
use sha2::Sha256;
use zeroize::{Zeroize, Zeroizing};

/// How much longer a sealed value is than its secret, in bytes.
pub const OVERHEAD_BYTES: usize = 1 + NONCE_BYTES + 16;

const HEADER: &str = "rootward key file, version 1";
const NONCE_BYTES: usize = 24;
const VERSION: u8 = 1;

/// A key file is two short lines; more is something else.
const FILE_BYTES_MAX: u64 = 1_024;

/// The key everything sealed depends on.
#[derive(Clone)]
pub struct Key(Zeroizing<[u8; 32]>);

impl Key {
    /// A key that is kept nowhere: for the sandbox and tests.
    pub fn random(random: &mut dyn Random) -> Self {
        let mut key = Zeroizing::new([0; 32]);
        random.fill(&mut *key);
        Self(key)
    }

    fn derive(&self, label: &str) -> Zeroizing<[u8; 32]> {
        Zeroizing::new(mac(&self.0, &[b"rootward/1/", label.as_bytes()]))
    }
}

impl fmt::Debug for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Key(secret)")
    }
}

/// Which key it is, without giving it away: kept with the data, to tell a wrong key file at once.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct KeyId([u8; 16]);

impl KeyId {
    /// The id kept in these bytes.
    pub const fn from_bytes(bytes: [u8; 16]) -> Self {
        Self(bytes)
    }

    /// The id as it is kept.
    pub const fn as_bytes(&self) -> &[u8; 16] {
        &self.0
    }
}

/// 32 hexadecimal digits.
impl fmt::Display for KeyId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

impl fmt::Debug for KeyId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// Why a key file cannot be made or read.
#[derive(Debug, thiserror::Error)]
pub enum KeyFileError {
    /// One is there: it may be the only key to existing data.
    #[error("key file `{0}` exists already and is not replaced")]
    Exists(String),
    /// It is not there.
    #[error(
        "key file `{0}` does not exist: without it the secrets in the data cannot be read, restore it from its backup"
    )]
    Missing(String),
    /// Other users of the machine may read or change it.
    #[error("key file `{path}` is open to other users (mode {mode:04o}): run `chmod 600 {path}`")]
    TooOpen {
        /// The file.
        path: String,
        /// Its permissions.
        mode: u32,
    },
    /// It holds something else, or only a part.
    #[error("`{0}` is no key file: expected the line `{HEADER}` and a line of 64 hexadecimal digits")]
    Malformed(String),
    /// The system says no.
    #[error("key file `{path}`: {error}")]
    Io {
        /// The file.
        path: String,
        /// What the system said.
        #[source]
        error: io::Error,
    },
}

/// The file that keeps a [`Key`].
pub struct KeyFile;

impl KeyFile {
    /// Makes a new key and keeps it at `path`, where nothing may be; durable when this returns.
    ///
    /// # Errors
    /// [`KeyFileError::Exists`], [`KeyFileError::Io`]; no file is left behind then.
    pub fn create(path: &Path, random: &mut dyn Random) -> Result<Key, KeyFileError> {
        let io = |error| io_error(path, error);
        let mut file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(path).map_err(io)?;
        let key = Key::random(random);
        let written = write_key(&mut file, &key).and_then(|()| crate::sync_folder(path));
        if let Err(error) = written {
            // Half a key file would only be in the way of the next attempt.
            let _ = std::fs::remove_file(path);
            return Err(io(error));
        }
        Ok(key)
    }

    /// Reads the key kept at `path`.
    ///
    /// # Errors
    /// [`KeyFileError::Missing`], [`KeyFileError::TooOpen`], [`KeyFileError::Malformed`], [`KeyFileError::Io`].
    pub fn read(path: &Path) -> Result<Key, KeyFileError> {
        let io = |error| io_error(path, error);
        let file = File::open(path).map_err(io)?;
        // Of the open file, so that it cannot be exchanged between the check and the reading.
        let metadata = file.metadata().map_err(io)?;
        let mode = metadata.permissions().mode() & 0o7777;
        if !metadata.is_file() {
            return Err(KeyFileError::Malformed(shown(path)));
        }
        if mode & 0o077 != 0 {
            return Err(KeyFileError::TooOpen { path: shown(path), mode });
        }
        // Reserved at once: a growing buffer would leave copies of the key behind.
        let mut text = Zeroizing::new(Vec::with_capacity(FILE_BYTES_MAX as usize));
        file.take(FILE_BYTES_MAX).read_to_end(&mut text).map_err(io)?;
        parse_key(&text).ok_or_else(|| KeyFileError::Malformed(shown(path)))
    }
}

fn shown(path: &Path) -> String {
    path.display().to_string()
}

fn io_error(path: &Path, error: io::Error) -> KeyFileError {
    match error.kind() {
        io::ErrorKind::AlreadyExists => KeyFileError::Exists(shown(path)),
        io::ErrorKind::NotFound
            if path.parent().is_none_or(|folder| folder == Path::new("") || folder.exists()) =>
        {
            KeyFileError::Missing(shown(path))
        }
        _ => KeyFileError::Io { path: shown(path), error },
    }
}

fn write_key(file: &mut File, key: &Key) -> io::Result<()> {
    let mut text = Zeroizing::new(String::with_capacity(HEADER.len() + 2 + 64));
    text.push_str(HEADER);
    text.push('\n');
    for byte in key.0.iter() {
        for digit in [byte >> 4, byte & 15] {
            text.extend(char::from_digit(u32::from(digit), 16));
        }
    }
    text.push('\n');
    file.write_all(text.as_bytes())?;
    file.sync_all()
}

fn parse_key(text: &[u8]) -> Option<Key> {
    let rest = text.strip_prefix(HEADER.as_bytes())?;
    let (digits, []) = rest.trim_ascii().as_chunks::<2>() else { return None };
    // The header has a line of its own.
    if !rest.starts_with(b"\n") && !rest.starts_with(b"\r\n") || digits.len() != 32 {
        return None;
    }
    let mut key = Zeroizing::new([0; 32]);
    for (byte, [high, low]) in key.iter_mut().zip(digits) {
        let digit = |digit: &u8| char::from(*digit).to_digit(16).and_then(|value| u8::try_from(value).ok());
        *byte = digit(high)? << 4 | digit(low)?;
    }
    Some(Key(key))
}

/// A sealed value that does not open.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum OpenError {
    /// A newer version sealed it.
    #[error("sealed in form {0}, this version knows form {VERSION}")]
    Form(u8),
    /// Damaged, sealed with another key, for another purpose or in another context: which one, nobody can tell.
    #[error("a sealed value does not open")]
    Refused,
}

/// Seals and opens with the sub-keys of one key.
#[derive(Clone)]
pub struct Vault {
    key_id: KeyId,
    rows: Zeroizing<[u8; 32]>,
    tokens: Zeroizing<[u8; 32]>,
    macs: Key,
}

impl fmt::Debug for Vault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Vault({})", self.key_id)
    }
}

impl Vault {
    /// The vault of `key`.
    pub fn new(key: &Key) -> Self {
        let mut id = [0; 16];
        for (byte, derived) in id.iter_mut().zip(key.derive("key id").iter()) {
            *byte = *derived;
        }
        Self {
            key_id: KeyId(id),
            rows: key.derive("rows"),
            tokens: key.derive("session tokens"),
            macs: Key(key.derive("macs")),
        }
    }

    /// Which key this is.
    pub const fn key_id(&self) -> KeyId {
        self.key_id
    }

    /// Seals `secret` for a row. `context` says what and whose it is; the same is needed to open it.
    pub fn seal(&self, context: &[u8], secret: &[u8], random: &mut dyn Random) -> Vec<u8> {
        seal(&self.rows, context, secret, random)
    }

    /// Opens what [`Vault::seal`] sealed with this context.
    ///
    /// # Errors
    /// [`OpenError`].
    pub fn open(&self, context: &[u8], sealed: &[u8]) -> Result<Zeroizing<Vec<u8>>, OpenError> {
        open(&self.rows, context, sealed)
    }

    /// Seals the content of a session token.
    pub fn seal_token(&self, context: &[u8], content: &[u8], random: &mut dyn Random) -> Vec<u8> {
        seal(&self.tokens, context, content, random)
    }

    /// Opens what [`Vault::seal_token`] sealed with this context.
    ///
    /// # Errors
    /// [`OpenError`].
    pub fn open_token(&self, context: &[u8], sealed: &[u8]) -> Result<Zeroizing<Vec<u8>>, OpenError> {
        open(&self.tokens, context, sealed)
    }

    /// HMAC-SHA256 of `bytes` under a key of `domain`'s own, such as `audit log`.
    pub fn mac(&self, domain: &str, bytes: &[u8]) -> [u8; 32] {
        mac(&self.macs.derive(domain), &[bytes])
    }
}

#[expect(clippy::expect_used, reason = "HMAC takes keys of any length")]
fn mac(key: &[u8; 32], parts: &[&[u8]]) -> [u8; 32] {
    let mut mac = Hmac::<Sha256>::new_from_slice(key).expect("HMAC takes keys of any length");
    for part in parts {
        mac.update(part);
    }
    mac.finalize().into_bytes().into()
}

#[expect(clippy::expect_used, reason = "only content beyond 256 GiB, which no memory holds, is refused")]
fn seal(key: &[u8; 32], context: &[u8], secret: &[u8], random: &mut dyn Random) -> Vec<u8> {
    let mut nonce = [0; NONCE_BYTES];
    random.fill(&mut nonce);
    let context = bound_context(context);
    let sealed = cipher(key)
        .encrypt(&nonce.into(), Payload { msg: secret, aad: &context })
        .expect("content is shorter than 256 GiB");
    [&[VERSION], nonce.as_slice(), &sealed].concat()
}

fn open(key: &[u8; 32], context: &[u8], sealed: &[u8]) -> Result<Zeroizing<Vec<u8>>, OpenError> {
    let (version, rest) = sealed.split_first().ok_or(OpenError::Refused)?;
    if *version != VERSION {
        return Err(OpenError::Form(*version));
    }
    let (nonce, ciphertext) = rest.split_first_chunk::<NONCE_BYTES>().ok_or(OpenError::Refused)?;
    let context = bound_context(context);
    cipher(key)
        .decrypt(&(*nonce).into(), Payload { msg: ciphertext, aad: &context })
        .map(Zeroizing::new)
        .map_err(|_| OpenError::Refused)
}

/// The context with the version, so that a later form cannot be passed off as this one.
fn bound_context(context: &[u8]) -> Vec<u8> {
    [&[VERSION], context].concat()
}

fn cipher(key: &[u8; 32]) -> XChaCha20Poly1305 {
    let mut copy = (*key).into();
    let cipher = XChaCha20Poly1305::new(&copy);
    copy.zeroize();
    cipher
}

#[cfg(test)]
mod tests {
    use std::fs::Permissions;

    use proptest::prelude::*;

    use super::*;

    struct Counter(u64);
    impl Random for Counter {
        fn fill(&mut self, bytes: &mut [u8]) {
            for byte in bytes {
                self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
                *byte = (self.0 >> 56) as u8;
            }
        }
    }

    fn vault(seed: u64) -> Vault {
        Vault::new(&Key::random(&mut Counter(seed)))
    }

    proptest! {
        #[test]
        fn sealed_opens_in_its_context_only(secret: Vec<u8>, context: Vec<u8>, other: Vec<u8>, seed: u64) {
            let sealed = vault(1).seal(&context, &secret, &mut Counter(seed));
            prop_assert_eq!(sealed.len(), secret.len() + OVERHEAD_BYTES);
            let opened = vault(1).open(&context, &sealed);
            prop_assert_eq!(opened.as_deref(), Ok(&secret));
            prop_assume!(other != context);
            prop_assert_eq!(vault(1).open(&other, &sealed), Err(OpenError::Refused));
        }

        #[test]
        fn any_changed_bit_is_refused(secret in prop::collection::vec(any::<u8>(), 0..40), at: prop::sample::Index, bit in 0..8u8) {
            let mut sealed = vault(1).seal(b"row", &secret, &mut Counter(2));
            let at = at.index(sealed.len());
            sealed[at] ^= 1u8 << bit;
            prop_assert!(vault(1).open(b"row", &sealed).is_err());
            prop_assert!(vault(1).open(b"row", &sealed[..at]).is_err());
        }
    }

    #[test]
    fn one_purpose_or_key_does_not_open_for_another() {
        let sealed = vault(1).seal(b"x", b"secret", &mut Counter(2));
        assert_eq!(vault(1).open_token(b"x", &sealed), Err(OpenError::Refused));
        assert_eq!(vault(3).open(b"x", &sealed), Err(OpenError::Refused));
        let token = vault(1).seal_token(b"x", b"secret", &mut Counter(2));
        assert_eq!(vault(1).open(b"x", &token), Err(OpenError::Refused));
        assert_eq!(vault(1).open_token(b"x", &token).as_deref(), Ok(&b"secret".to_vec()));
    }

    #[test]
    fn later_form_is_named() {
        assert_eq!(vault(1).open(b"x", &[9; 60]), Err(OpenError::Form(9)));
        assert_eq!(vault(1).open(b"x", &[]), Err(OpenError::Refused));
    }

    #[test]
    fn mac_depends_on_key_domain_and_bytes() {
        let tag = vault(1).mac("audit log", b"record");
        assert_eq!(vault(1).mac("audit log", b"record"), tag);
        assert_ne!(vault(1).mac("audit log", b"recorD"), tag);
        assert_ne!(vault(1).mac("audit", b" logrecord"), tag);
        assert_ne!(vault(2).mac("audit log", b"record"), tag);
    }

    /// The sealed form and the sub-keys are kept on disks: they never change under version 1.
    #[test]
    fn form_is_stable() {
        let sealed = vault(1).seal(b"context", b"secret", &mut Counter(2));
        let digits: String = sealed.iter().map(|byte| format!("{byte:02x}")).collect();
        assert_eq!(vault(1).key_id().to_string(), "336675bf8ca4c827d77f68a44f71eff9");
        assert_eq!(
            digits,
            "01b029d6c299111405062ca5e02ce152185da6de0b9ee506359e41dac85bbb3a4dad2872e9b6aaf99ca75382cfe857"
        );
    }

    #[test]
    fn debug_shows_no_key() {
        assert_eq!(format!("{:?}", Key::random(&mut Counter(1))), "Key(secret)");
        assert_eq!(format!("{:?}", vault(1)), format!("Vault({})", vault(1).key_id()));
    }

    #[test]
    fn created_key_file_reads_back_and_is_private() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("key");
        let created = Vault::new(&KeyFile::create(&path, &mut Counter(1)).unwrap());
        assert_eq!(std::fs::metadata(&path).unwrap().permissions().mode() & 0o7777, 0o600);
        assert_eq!(Vault::new(&KeyFile::read(&path).unwrap()).key_id(), created.key_id());
    }

    #[test]
    fn existing_key_file_is_not_replaced() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("key");
        KeyFile::create(&path, &mut Counter(1)).unwrap();
        let before = std::fs::read(&path).unwrap();
        assert!(matches!(KeyFile::create(&path, &mut Counter(2)), Err(KeyFileError::Exists(_))));
        assert_eq!(std::fs::read(&path).unwrap(), before);
    }

    #[test]
    fn key_file_open_to_others_is_refused_with_the_remedy() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("key");
        KeyFile::create(&path, &mut Counter(1)).unwrap();
        for mode in [0o640, 0o604, 0o620, 0o644] {
            std::fs::set_permissions(&path, Permissions::from_mode(mode)).unwrap();
            let text = KeyFile::read(&path).unwrap_err().to_string();
            assert!(text.contains(&format!("mode {mode:04o}")) && text.contains("chmod 600"), "{text}");
        }
        std::fs::set_permissions(&path, Permissions::from_mode(0o400)).unwrap();
        KeyFile::read(&path).unwrap();
    }

    #[test]
    fn missing_or_malformed_key_file_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("key");
        assert!(matches!(KeyFile::read(&path), Err(KeyFileError::Missing(_))));
        assert!(matches!(KeyFile::create(&path.join("deep"), &mut Counter(1)), Err(KeyFileError::Io { .. })));
        assert!(matches!(KeyFile::read(folder.path()), Err(KeyFileError::Malformed(_))));
        KeyFile::create(&path, &mut Counter(1)).unwrap();
        let whole = std::fs::read_to_string(&path).unwrap();
        let (header, digits) = whole.split_once('\n').unwrap();
        let wrong = [
            String::new(),
            header.to_owned(),
            whole.trim_end().strip_suffix(|_: char| true).unwrap().to_owned(),
            format!("{header}{digits}"),
            whole.replace("version 1", "version 2"),
            format!("{header}\n{:z>64}\n", digits.trim_end().split_at(62).0),
            format!("{whole}00\n"),
        ];
        for text in wrong {
            std::fs::write(&path, &text).unwrap();
            assert!(matches!(KeyFile::read(&path), Err(KeyFileError::Malformed(_))), "{text}");
        }
        std::fs::write(&path, whole.replace('\n', "\r\n")).unwrap();
        KeyFile::read(&path).unwrap();
    }
}
