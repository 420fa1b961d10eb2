//! Tags of users, roles, policies and instance profiles.
//!
//! At most 50 an entity; keys that begin with `aws:` are reserved. Keys of users and roles are unique ignoring case and
//! kept as last written; those of policies and instance profiles are compared as they are.
//! Source: IAM User Guide, "Tags for AWS Identity and Access Management resources", naming rules.

use rootward_api::iam as api;
use rootward_pipeline::Failure;
use rootward_state::entities::Tag;

use super::page::{Ask, Page};
use super::{failures, quotas};

/// How the keys of a kind of entity are compared.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Keys {
    /// As they are: policies, instance profiles.
    Exact,
    /// Ignoring case: users, roles.
    Folded,
}

impl Keys {
    fn same(self, a: &str, b: &str) -> bool {
        match self {
            Self::Exact => a == b,
            Self::Folded => fold(a) == fold(b),
        }
    }
}

/// Keys may hold any letters, so more than ASCII is folded.
fn fold(key: &str) -> String {
    key.to_lowercase()
}

/// The tags of a new entity. `quota` names the quota on tags of its kind, such as `TagsPerUser`.
pub(crate) fn new(keys: Keys, quota: &str, tags: Option<&[api::Tag]>) -> Result<Vec<Tag>, Failure> {
    set(keys, quota, &[], tags.unwrap_or_default())
}

/// `old` with `new` added, or put in place of those with the same keys.
pub(crate) fn set(keys: Keys, quota: &str, old: &[Tag], new: &[api::Tag]) -> Result<Vec<Tag>, Failure> {
    for (index, tag) in new.iter().enumerate() {
        if tag.key.get(..4).is_some_and(|prefix| prefix.eq_ignore_ascii_case("aws:")) {
            return Err(failures::reserved_tag_key());
        }
        if new.iter().take(index).any(|earlier| keys.same(&earlier.key, &tag.key)) {
            return Err(failures::duplicate_tag_keys());
        }
    }
    let mut tags = old.to_vec();
    for tag in new {
        let tag = Tag { key: tag.key.as_str().into(), value: tag.value.as_str().into() };
        match tags.iter_mut().find(|known| keys.same(&known.key, &tag.key)) {
            Some(known) => *known = tag,
            None => tags.push(tag),
        }
    }
    if tags.len() > quotas::TAGS {
        return Err(failures::quota_exceeded(quota, quotas::TAGS));
    }
    Ok(tags)
}

/// `old` without those called `names`; names that are not there are no mistake.
pub(crate) fn remove(keys: Keys, old: &[Tag], names: &[String]) -> Vec<Tag> {
    let gone = |tag: &&Tag| names.iter().any(|name| keys.same(name, &tag.key));
    old.iter().filter(|tag| !gone(tag)).cloned().collect()
}

/// One page, in key order.
pub(crate) fn page(ask: &Ask, tags: &[Tag]) -> Page<api::Tag> {
    ask.few(tags.iter().map(|tag| (&*tag.key, tag)).collect(), show)
}

/// All tags, for answers that show an entity with its tags; none when it has none.
pub(crate) fn shown(tags: &[Tag]) -> Option<Vec<api::Tag>> {
    (!tags.is_empty()).then(|| tags.iter().map(show).collect())
}

fn show(tag: &Tag) -> api::Tag {
    api::Tag { key: tag.key.to_string(), value: tag.value.to_string() }
}

/// The tags of a request, for [`Key::RequestTags`](rootward_pipeline::Key::RequestTags).
pub(crate) fn requested<'a>(tags: impl IntoIterator<Item = &'a api::Tag>) -> Vec<(&'a str, &'a str)> {
    tags.into_iter().map(|tag| (tag.key.as_str(), tag.value.as_str())).collect()
}

/// The tag keys of a request, for [`Key::TagKeys`](rootward_pipeline::Key::TagKeys).
pub(crate) fn requested_keys(keys: &[String]) -> Vec<&str> {
    keys.iter().map(String::as_str).collect()
}

/// Whether a creation tags what it creates, which needs a permission of its own.
pub(crate) fn any(tags: &Option<Vec<api::Tag>>) -> bool {
    tags.as_ref().is_some_and(|tags| !tags.is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tag(key: &str, value: &str) -> api::Tag {
        api::Tag { key: key.into(), value: value.into() }
    }

    fn keys_of(tags: &[Tag]) -> Vec<&str> {
        tags.iter().map(|tag| &*tag.key).collect()
    }

    #[test]
    fn key_of_another_case_replaces_the_tag_of_a_user_and_not_of_a_policy() {
        let old = new(Keys::Folded, "TagsPerUser", Some(&[tag("Team", "a")])).unwrap();
        assert_eq!(keys_of(&set(Keys::Folded, "TagsPerUser", &old, &[tag("team", "b")]).unwrap()), ["team"]);
        assert_eq!(
            keys_of(&set(Keys::Exact, "TagsPerPolicy", &old, &[tag("team", "b")]).unwrap()),
            ["Team", "team"]
        );
    }

    #[test]
    fn keys_that_differ_by_case_in_one_request_are_duplicates() {
        let error = new(Keys::Folded, "TagsPerUser", Some(&[tag("É", "a"), tag("é", "b")])).unwrap_err();
        assert_eq!(error, failures::duplicate_tag_keys());
    }

    #[test]
    fn reserved_prefix_is_refused_in_any_case() {
        let error = new(Keys::Folded, "TagsPerUser", Some(&[tag("AWS:x", "a")])).unwrap_err();
        assert_eq!(error.code, "InvalidInput");
    }

    #[test]
    fn fifty_first_tag_is_over_the_quota_and_a_replaced_one_is_not() {
        let full: Vec<_> = (0..50).map(|n| tag(&format!("k{n}"), "v")).collect();
        let full = new(Keys::Folded, "TagsPerUser", Some(&full)).unwrap();
        let error = set(Keys::Folded, "TagsPerUser", &full, &[tag("more", "v")]).unwrap_err();
        assert_eq!(error.message, "Cannot exceed quota for TagsPerUser: 50");
        assert_eq!(set(Keys::Folded, "TagsPerUser", &full, &[tag("K1", "w")]).unwrap().len(), 50);
    }

    #[test]
    fn removing_ignores_unknown_keys() {
        let old = new(Keys::Folded, "TagsPerUser", Some(&[tag("a", "1"), tag("b", "2")])).unwrap();
        assert_eq!(keys_of(&remove(Keys::Folded, &old, &["A".into(), "z".into()])), ["b"]);
    }
}
