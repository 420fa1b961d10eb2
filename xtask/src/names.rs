//! Names of the models as Rust names.

use heck::{ToShoutySnakeCase, ToSnakeCase, ToUpperCamelCase};

/// The name of a type: `statusType` → `StatusType`.
pub(crate) fn type_name(name: &str) -> String {
    name.to_upper_camel_case()
}

/// The name of a static: `statusType` → `STATUS_TYPE`.
pub(crate) fn static_name(name: &str) -> String {
    name.to_shouty_snake_case()
}

/// The name of a field: `SSHPublicKeyId` → `ssh_public_key_id`, `Type` → `r#type`.
pub(crate) fn field_name(name: &str) -> String {
    let snake = name.to_snake_case();
    if KEYWORDS.contains(&snake.as_str()) { format!("r#{snake}") } else { snake }
}

/// The name of an enum variant: `ssh-rsa` → `SshRsa`, `1.0` → `V1_0`.
pub(crate) fn variant_name(value: &str) -> String {
    // All capitals (`POLICY_GRANTS`) would otherwise stay one word.
    let words: String = value.chars().map(|c| if c.is_ascii_alphanumeric() { c } else { '_' }).collect();
    let name = words.to_upper_camel_case();
    if name.starts_with(|c: char| c.is_ascii_digit()) { format!("V{name}") } else { name }
}

/// The name of an error: `NoSuchEntityException` → `NoSuchEntity`.
pub(crate) fn error_name(shape: &str) -> String {
    type_name(shape.strip_suffix("Exception").unwrap_or(shape))
}

const KEYWORDS: &[&str] = &[
    "as", "async", "await", "break", "const", "continue", "default", "dyn", "else", "enum", "extern",
    "false", "fn", "for", "gen", "if", "impl", "in", "let", "loop", "match", "mod", "move", "mut", "pub",
    "ref", "return", "static", "struct", "trait", "true", "type", "unsafe", "use", "where", "while", "yield",
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn acronyms_are_words() {
        assert_eq!(field_name("SSHPublicKeyId"), "ssh_public_key_id");
        assert_eq!(field_name("MFADevices"), "mfa_devices");
        assert_eq!(field_name("PolicyArn"), "policy_arn");
        assert_eq!(field_name("Type"), "r#type");
        assert_eq!(variant_name("POLICY_GRANTS"), "PolicyGrants");
        assert_eq!(error_name("DuplicateSSHPublicKeyException"), "DuplicateSshPublicKey");
        assert_eq!(static_name("arnType"), "ARN_TYPE");
    }
}
