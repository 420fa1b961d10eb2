//! Tags of users, roles, policies and instance profiles.
//!
//! At most 50 an entity; keys that begin with `aws:` are reserved. Keys are unique ignoring case and kept as last written.
//!
//! DIFFERENCE: AWS compares the keys of managed policies and instance profiles as they are. Condition keys ignore case, so two
//! tags that differ only by it could answer a condition on either; here there is always one.
//! Source: IAM User Guide, "Tags for AWS Identity and Access Management resources", naming rules.

use rootward_api::iam as api;
use rootward_names::TagKey;
use rootward_pipeline::Failure;
use rootward_state::entities::Tag;

use super::page::{Ask, Page};
use super::{failures, quotas};
use crate::tag_keys;

/// The tags of a new entity. `quota` names the quota on tags of its kind, such as `TagsPerUser`.
pub(crate) fn new(quota: &str, tags: Option<&[api::Tag]>) -> Result<Vec<Tag>, Failure> {
    set(quota, &[], tags.unwrap_or_default())
}

/// `old` with `new` added, or put in place of those with the same keys.
pub(crate) fn set(quota: &str, old: &[Tag], new: &[api::Tag]) -> Result<Vec<Tag>, Failure> {
    tag_keys::check(new.iter().map(|tag| tag.key.as_str())).map_err(failures::unfit_tag_key)?;
    let mut tags = old.to_vec();
    for tag in new {
        let tag = Tag { key: tag.key.as_str().into(), value: tag.value.as_str().into() };
        match tags.iter_mut().find(|known| TagKey(&known.key) == TagKey(&tag.key)) {
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
pub(crate) fn remove(old: &[Tag], names: &[String]) -> Vec<Tag> {
    let gone = |tag: &&Tag| names.iter().any(|name| TagKey(name) == TagKey(&tag.key));
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
    fn key_of_another_case_replaces_the_tag() {
        let old = new("TagsPerUser", Some(&[tag("Team", "a")])).unwrap();
        assert_eq!(keys_of(&set("TagsPerUser", &old, &[tag("team", "b")]).unwrap()), ["team"]);
    }

    #[test]
    fn keys_that_differ_by_case_in_one_request_are_duplicates() {
        let error = new("TagsPerUser", Some(&[tag("É", "a"), tag("é", "b")])).unwrap_err();
        assert_eq!(error, failures::unfit_tag_key(tag_keys::Unfit::Duplicate));
    }

    #[test]
    fn reserved_prefix_is_refused_in_any_case() {
        let error = new("TagsPerUser", Some(&[tag("AWS:x", "a")])).unwrap_err();
        assert_eq!(error.code, "InvalidInput");
    }

    #[test]
    fn fifty_first_tag_is_over_the_quota_and_a_replaced_one_is_not() {
        let full: Vec<_> = (0..50).map(|n| tag(&format!("k{n}"), "v")).collect();
        let full = new("TagsPerUser", Some(&full)).unwrap();
        let error = set("TagsPerUser", &full, &[tag("more", "v")]).unwrap_err();
        assert_eq!(error.message, "Cannot exceed quota for TagsPerUser: 50");
        assert_eq!(set("TagsPerUser", &full, &[tag("K1", "w")]).unwrap().len(), 50);
    }

    #[test]
    fn removing_ignores_unknown_keys() {
        let old = new("TagsPerUser", Some(&[tag("a", "1"), tag("b", "2")])).unwrap();
        assert_eq!(keys_of(&remove(&old, &["A".into(), "z".into()])), ["b"]);
    }
}
