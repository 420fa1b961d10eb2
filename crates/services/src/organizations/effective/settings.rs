//! Management policies as they are written: settings, nested by name, each with its operators.
//!
//! `@@assign`, `@@append` and `@@remove` set a value; `@@operators_allowed_for_child_policies` says which of them policies further down may
//! use on the same setting. Values are texts, numbers and booleans, and lists of them; whatever else an object holds is a setting by name.
//!
//! Source: Organizations User Guide, "Inheritance operators".

use std::collections::BTreeMap;
use std::fmt;

use serde::de::{Deserialize, DeserializeSeed, Deserializer, Error, MapAccess, Visitor};
use serde_json::Value;

/// What a policy sets.
#[derive(Debug)]
pub(in super::super) struct Settings(pub(super) Setting);

/// One setting, as one policy writes it.
#[derive(Debug, Default)]
pub(super) struct Setting {
    pub(super) assign: Option<Value>,
    pub(super) append: Option<Vec<Value>>,
    pub(super) remove: Option<Vec<Value>>,
    /// What policies further down may use.
    pub(super) allowed: Operators,
    pub(super) children: BTreeMap<String, Setting>,
}

/// A set of the operators that set values.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Operators(u8);

impl Operators {
    pub(super) const ALL: Self = Self(7);
    pub(super) const APPEND: Self = Self(2);
    pub(super) const ASSIGN: Self = Self(1);
    pub(super) const NONE: Self = Self(0);
    pub(super) const REMOVE: Self = Self(4);

    pub(super) fn has(self, other: Self) -> bool {
        self.0 & other.0 == other.0
    }

    pub(super) fn and(self, other: Self) -> Self {
        Self(self.0 & other.0)
    }

    /// The set that a list of names in a policy means; none when it is no such list.
    fn read(names: &[String]) -> Option<Self> {
        let mut set = Self::NONE;
        for (at, name) in names.iter().enumerate() {
            let one = match name.as_str() {
                "@@all" => Self::ALL,
                "@@append" => Self::APPEND,
                "@@assign" => Self::ASSIGN,
                "@@none" if names.len() == 1 => Self::NONE,
                "@@remove" => Self::REMOVE,
                _ => return None,
            };
            if names.iter().take(at).any(|before| before == name) {
                return None;
            }
            set = Self(set.0 | one.0);
        }
        (!names.is_empty()).then_some(set)
    }
}

/// All, where a policy says nothing.
impl Default for Operators {
    fn default() -> Self {
        Self::ALL
    }
}

impl Settings {
    /// Reads the document of a policy of the type with this name in the API.
    ///
    /// # Errors
    /// What is wrong with it, and at which line and column.
    pub(in super::super) fn read(kind: &str, text: &str) -> Result<Self, String> {
        let mut reader = serde_json::Deserializer::from_str(text);
        let settings = Document { top: top_level(kind) }.deserialize(&mut reader);
        let settings = settings.and_then(|settings| reader.end().map(|()| settings));
        let mut settings = settings.map_err(|error| error.to_string())?;
        if matches!(kind, "BACKUP_POLICY" | "CHATBOT_POLICY" | "TAG_POLICY") {
            settings.0.make_textual();
        }
        if kind == "TAG_POLICY" {
            settings.0.children.values_mut().for_each(Setting::fold_names);
        }
        Ok(settings)
    }
}

/// The name that all settings of a type of policies stand under; none where the documentation does not say.
fn top_level(kind: &str) -> Option<&'static str> {
    Some(match kind {
        "AISERVICES_OPT_OUT_POLICY" => "services",
        "BACKUP_POLICY" => "plans",
        "BEDROCK_POLICY" => "bedrock",
        "CHATBOT_POLICY" => "chatbot",
        "DECLARATIVE_POLICY_EC2" => "ec2_attributes",
        "INSPECTOR_POLICY" => "inspector",
        "NETWORK_SECURITY_DIRECTOR_POLICY" => "network_security_director",
        "S3_POLICY" => "s3_attributes",
        "SECURITYHUB_POLICY" => "securityhub",
        "TAG_POLICY" => "tags",
        "UPGRADE_ROLLOUT_POLICY" => "upgrade_rollout",
        _ => return None,
    })
}

/// Reads an object with one setting, by its name.
struct Document {
    top: Option<&'static str>,
}

impl<'de> DeserializeSeed<'de> for Document {
    type Value = Settings;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Settings, D::Error> {
        deserializer.deserialize_map(self)
    }
}

impl<'de> Visitor<'de> for Document {
    type Value = Settings;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.top {
            Some(top) => write!(f, "an object with `{top}`"),
            None => f.write_str("an object with one setting"),
        }
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Settings, A::Error> {
        let mut document = Setting::default();
        while let Some(name) = map.next_key::<String>()? {
            let is_it = self.top.is_none_or(|top| name == top) && !name.starts_with("@@");
            if !is_it || !document.children.is_empty() {
                return Err(A::Error::custom(format_args!("{name:?} has no place here")));
            }
            document.children.insert(name, map.next_value()?);
        }
        if document.children.is_empty() {
            return Err(A::Error::invalid_length(0, &self));
        }
        Ok(Settings(document))
    }
}

impl<'de> Deserialize<'de> for Setting {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_map(Whole)
    }
}

struct Whole;

impl<'de> Visitor<'de> for Whole {
    type Value = Setting;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object with operators or further settings")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Setting, A::Error> {
        let mut setting = Setting::default();
        let mut allowed = None;
        while let Some(name) = map.next_key::<String>()? {
            let repeated = match name.as_str() {
                "@@append" => setting.append.replace(list(&mut map)?).is_some(),
                "@@assign" => setting.assign.replace(value(&mut map)?).is_some(),
                "@@operators_allowed_for_child_policies" => allowed.replace(operators(&mut map)?).is_some(),
                "@@remove" => setting.remove.replace(list(&mut map)?).is_some(),
                unknown if unknown.starts_with("@@") => {
                    return Err(A::Error::custom(format_args!("unknown operator {unknown:?}")));
                }
                _ => setting.children.insert(name.clone(), map.next_value()?).is_some(),
            };
            if repeated {
                return Err(A::Error::custom(format_args!("{name:?} occurs twice in one object")));
            }
        }
        setting.allowed = allowed.unwrap_or_default();
        if !setting.children.is_empty() && setting.sets_a_value() {
            return Err(A::Error::custom("a setting has a value or further settings, not both"));
        }
        Ok(setting)
    }
}

impl Setting {
    /// Numbers and the like as texts: services that take texts alone take those for them.
    fn make_textual(&mut self) {
        let lists = self.append.iter_mut().chain(&mut self.remove).flatten();
        let assigned = self.assign.iter_mut().flat_map(|value| match value {
            Value::Array(items) => items.iter_mut().collect(),
            one => vec![one],
        });
        for value in lists.chain(assigned).filter(|value| !value.is_string()) {
            *value = Value::String(value.to_string());
        }
        self.children.values_mut().for_each(Self::make_textual);
    }

    /// Settings by names that are the same ignoring case.
    fn fold_names(&mut self) {
        let children = std::mem::take(&mut self.children);
        self.children = children.into_iter().map(|(name, child)| (name.to_lowercase(), child)).collect();
    }

    fn sets_a_value(&self) -> bool {
        self.assign.is_some() || self.append.is_some() || self.remove.is_some()
    }
}

fn value<'de, A: MapAccess<'de>>(map: &mut A) -> Result<Value, A::Error> {
    let value: Value = map.next_value()?;
    let fits = match &value {
        Value::Array(items) => items.iter().all(is_plain),
        other => is_plain(other) && !other.is_null(),
    };
    if fits { Ok(value) } else { Err(no_value()) }
}

fn list<'de, A: MapAccess<'de>>(map: &mut A) -> Result<Vec<Value>, A::Error> {
    let items: Vec<Value> = map.next_value()?;
    if items.iter().all(is_plain) { Ok(items) } else { Err(no_value()) }
}

fn operators<'de, A: MapAccess<'de>>(map: &mut A) -> Result<Operators, A::Error> {
    let names: Vec<String> = map.next_value()?;
    Operators::read(&names).ok_or_else(|| {
        A::Error::custom(
            "child policies are allowed `@@all`, `@@none`, or some of `@@assign`, `@@append` and `@@remove`, each once",
        )
    })
}

fn no_value<E: Error>() -> E {
    E::custom("a value is a text, a number, a boolean, or a list of them")
}

fn is_plain(value: &Value) -> bool {
    !value.is_object() && !value.is_array()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fault(text: &str) -> String {
        Settings::read("TAG_POLICY", text).unwrap_err()
    }

    /// The fault of a document with this setting of the tag `key`.
    fn fault_of(setting: &str) -> String {
        fault(&format!(r#"{{"tags":{{"key":{setting}}}}}"#))
    }

    #[test]
    fn every_operator_is_read() {
        let text = r#"{"tags":{"key":{"tag_value":{"@@assign":["a",1,true,null],"@@append":["b"],"@@remove":["c"],
            "@@operators_allowed_for_child_policies":["@@append","@@remove"]}}}}"#;
        let Settings(document) = Settings::read("TAG_POLICY", text).unwrap();
        let setting = &document.children["tags"].children["key"].children["tag_value"];
        assert_eq!(setting.assign, Some(serde_json::json!(["a", "1", "true", "null"])));
        assert_eq!(setting.append.as_deref().unwrap(), ["b"]);
        assert_eq!(setting.remove.as_deref().unwrap(), ["c"]);
        assert!(!setting.allowed.has(Operators::ASSIGN) && setting.allowed.has(Operators::REMOVE));
    }

    #[test]
    fn settings_that_none_are_refused_with_their_place() {
        for (setting, part) in [
            (r#"{"tag_key":"key"}"#, "expected an object with operators or further settings at line 1"),
            (r#"{"tag_key":{"@@set":"key"}}"#, "unknown operator \"@@set\" at line 1 column"),
            (r#"{"tag_key":{"@@append":"key"}}"#, "expected a sequence"),
            (r#"{"tag_key":{"@@assign":null}}"#, "a value is a text"),
            (r#"{"tag_value":{"@@assign":[{"x":"y"}]}}"#, "a value is a text"),
            (r#"{"tag_value":{"@@append":[[]]}}"#, "a value is a text"),
            (r#"{"tag_value":{"@@assign":[],"@@assign":[]}}"#, "\"@@assign\" occurs twice"),
            (r#"{"tag_value":{},"tag_value":{}}"#, "\"tag_value\" occurs twice"),
            (r#"{"tag_value":{"@@assign":[],"further":{}}}"#, "not both"),
        ] {
            let fault = fault_of(setting);
            assert!(fault.contains(part) && fault.contains(" column "), "{setting}: {fault}");
        }
    }

    #[test]
    fn operators_for_children_are_some_or_all_or_none() {
        let of = |list: &str| fault_of(&format!(r#"{{"@@operators_allowed_for_child_policies":{list}}}"#));
        for list in ["[]", r#"["@@none","@@remove"]"#, r#"["@@assign","@@assign"]"#, r#"["@@wrong"]"#] {
            assert!(of(list).contains("each once"), "{list}");
        }
        let text = r#"{"tags":{"@@operators_allowed_for_child_policies":["@@all","@@assign"]}}"#;
        assert!(Settings::read("TAG_POLICY", text).is_ok());
    }

    #[test]
    fn values_stay_as_they_are_where_a_service_takes_numbers() {
        let text = r#"{"ec2_attributes":{"hops":{"@@assign":4}}}"#;
        let Settings(document) = Settings::read("DECLARATIVE_POLICY_EC2", text).unwrap();
        assert_eq!(document.children["ec2_attributes"].children["hops"].assign, Some(4.into()));
    }

    #[test]
    fn document_that_nests_without_end_is_refused() {
        let text = format!("{{\"tags\":{}", "{\"a\":".repeat(3_000));
        assert!(fault(&text).contains("recursion limit"));
    }
}
