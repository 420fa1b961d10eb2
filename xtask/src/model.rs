//! The service models as `models/*.json` holds them: the public form without its documentation, members in their order.
//!
//! Unknown traits are refused, so that a new version of a model cannot bring a meaning that nobody read. Fields that
//! begin with an underscore are known and dropped.

use std::collections::BTreeMap;
use std::fmt;
use std::marker::PhantomData;

use serde::de::{IgnoredAny, MapAccess, Visitor};
use serde::ser::SerializeMap;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// One service.
#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Model {
    /// Package and version it comes from; absent in the public form.
    #[serde(default)]
    pub(crate) source: String,
    pub(crate) metadata: Metadata,
    pub(crate) operations: Ordered<Operation>,
    pub(crate) shapes: Ordered<Shape>,
    /// Of the form of the file.
    #[serde(default, skip_serializing, rename = "version")]
    _version: IgnoredAny,
    #[serde(default, skip_serializing, rename = "documentation")]
    _documentation: IgnoredAny,
}

#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(crate) struct Metadata {
    pub(crate) api_version: String,
    pub(crate) endpoint_prefix: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) json_version: Option<String>,
    pub(crate) protocols: Vec<String>,
    pub(crate) service_id: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) signing_name: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) target_prefix: Option<String>,
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub(crate) xml_namespace: String,
    #[serde(default, skip_serializing, rename = "auth")]
    _auth: IgnoredAny,
    #[serde(default, skip_serializing, rename = "globalEndpoint")]
    _global_endpoint: IgnoredAny,
    /// One of `protocols`.
    #[serde(default, skip_serializing, rename = "protocol")]
    _protocol: IgnoredAny,
    #[serde(default, skip_serializing, rename = "serviceAbbreviation")]
    _service_abbreviation: IgnoredAny,
    #[serde(default, skip_serializing, rename = "serviceFullName")]
    _service_full_name: IgnoredAny,
    #[serde(default, skip_serializing, rename = "signatureVersion")]
    _signature_version: IgnoredAny,
    #[serde(default, skip_serializing, rename = "uid")]
    _uid: IgnoredAny,
}

#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(crate) struct Operation {
    name: String,
    pub(crate) http: Http,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) input: Option<Target>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) output: Option<Target>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(crate) errors: Vec<Target>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) authtype: Option<String>,
    #[serde(default, skip_serializing, rename = "auth")]
    _auth: IgnoredAny,
    #[serde(default, skip_serializing, rename = "documentation")]
    _documentation: IgnoredAny,
    /// For retries of clients.
    #[serde(default, skip_serializing, rename = "idempotent")]
    _idempotent: IgnoredAny,
    /// What it does is for its declaration to say.
    #[serde(default, skip_serializing, rename = "readonly")]
    _readonly: IgnoredAny,
    /// For clients that look for an endpoint.
    #[serde(default, skip_serializing, rename = "staticContextParams")]
    _static_context_params: IgnoredAny,
}

#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(crate) struct Http {
    pub(crate) method: String,
    pub(crate) request_uri: String,
    /// Of success: 200 where the model does not say.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) response_code: Option<u16>,
}

/// A use of a shape: input, output, error, member of a list, key or value of a map.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(crate) struct Target {
    pub(crate) shape: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) result_wrapper: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) location_name: Option<String>,
    #[serde(default, skip_serializing, rename = "documentation")]
    _documentation: IgnoredAny,
}

#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(crate) struct Shape {
    #[serde(rename = "type")]
    pub(crate) kind: Type,
    #[serde(default, skip_serializing_if = "Ordered::is_empty")]
    pub(crate) members: Ordered<Member>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(crate) required: Vec<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) member: Option<Target>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) key: Option<Target>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) value: Option<Target>,
    #[serde(default, skip_serializing_if = "Vec::is_empty", rename = "enum")]
    pub(crate) values: Vec<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) min: Option<i64>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) max: Option<i64>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) pattern: Option<String>,
    #[serde(default, skip_serializing_if = "is_false")]
    pub(crate) sensitive: bool,
    #[serde(default, skip_serializing_if = "is_false")]
    pub(crate) flattened: bool,
    #[serde(default, skip_serializing_if = "is_false")]
    pub(crate) union: bool,
    #[serde(default, skip_serializing_if = "is_false")]
    pub(crate) exception: bool,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) error: Option<ErrorTrait>,
    /// An exception that is not the caller's fault.
    #[serde(default, skip_serializing_if = "is_false")]
    pub(crate) fault: bool,
    /// The member that is the body in the REST protocols.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) payload: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) timestamp_format: Option<String>,
    #[serde(default, skip_serializing, rename = "box")]
    _boxed: IgnoredAny,
    #[serde(default, skip_serializing, rename = "deprecated")]
    _deprecated: IgnoredAny,
    #[serde(default, skip_serializing, rename = "documentation")]
    _documentation: IgnoredAny,
    /// For retries of clients.
    #[serde(default, skip_serializing, rename = "retryable")]
    _retryable: IgnoredAny,
    /// Set by overrides only.
    #[serde(skip)]
    pub(crate) patch: Patch,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Type {
    Blob,
    Boolean,
    Double,
    Float,
    Integer,
    List,
    Long,
    Map,
    String,
    Structure,
    Timestamp,
}

#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(crate) struct Member {
    pub(crate) shape: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) location: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) location_name: Option<String>,
    #[serde(default, skip_serializing_if = "is_false")]
    pub(crate) flattened: bool,
    #[serde(default, skip_serializing_if = "is_false")]
    pub(crate) idempotency_token: bool,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) timestamp_format: Option<String>,
    #[serde(default, skip_serializing_if = "is_false")]
    pub(crate) xml_attribute: bool,
    #[serde(default, skip_serializing, rename = "box")]
    _boxed: IgnoredAny,
    #[serde(default, skip_serializing, rename = "deprecated")]
    _deprecated: IgnoredAny,
    #[serde(default, skip_serializing, rename = "deprecatedMessage")]
    _deprecated_message: IgnoredAny,
    #[serde(default, skip_serializing, rename = "deprecatedSince")]
    _deprecated_since: IgnoredAny,
    #[serde(default, skip_serializing, rename = "documentation")]
    _documentation: IgnoredAny,
}

#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(crate) struct ErrorTrait {
    /// The name of the shape where the model does not say.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) code: Option<String>,
    pub(crate) http_status_code: u16,
    #[serde(default, skip_serializing_if = "is_false")]
    pub(crate) sender_fault: bool,
}

/// A correction of one shape, from `models/overrides/`.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Override {
    pub(crate) reason: String,
    pub(crate) shape: String,
    pub(crate) set: Patch,
}

/// What a model lacks, from `models/additions/`: operations with their shapes, and members of shapes that are there.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Additions {
    pub(crate) reason: String,
    #[serde(default)]
    pub(crate) operations: Ordered<Operation>,
    #[serde(default)]
    pub(crate) shapes: Ordered<Shape>,
    /// By the name of the shape; behind the members that it has.
    #[serde(default)]
    pub(crate) members: Ordered<Ordered<Member>>,
}

#[derive(Debug, Clone, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Patch {
    /// A refusal quotes the value.
    #[serde(default)]
    pub(crate) quoted: bool,
    /// An equivalent of the pattern that needs no look-ahead.
    pub(crate) expression: Option<String>,
    /// With `expression`: a text that the value must not contain.
    pub(crate) without: Option<String>,
    /// The error trait that the model lacks.
    pub(crate) error: Option<ErrorTrait>,
    /// Secret, which the model does not say.
    #[serde(default)]
    pub(crate) sensitive: bool,
    /// Members that the model calls required and the service leaves out at times.
    #[serde(default)]
    pub(crate) optional: Vec<String>,
    /// Members that the model calls optional and that mean nothing when absent.
    #[serde(default)]
    pub(crate) required: Vec<String>,
    /// Values that the service answers and the enum lacks.
    #[serde(default)]
    pub(crate) values: Vec<String>,
    /// Values outside of the bounds or the enum are refused with an error of the operation's own, so they pass here.
    #[serde(default)]
    pub(crate) own_error: bool,
    /// Of an exception: the service answers broken constraints with it.
    pub(crate) constraints: Option<ConstraintAnswers>,
}

/// How an exception tells which constraint was broken.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct ConstraintAnswers {
    /// The member with the reason, an enum.
    pub(crate) member: String,
    pub(crate) reasons: Vec<Reason>,
}

#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Reason {
    pub(crate) constraint: Constraint,
    /// Only of values of this shape.
    pub(crate) shape: Option<String>,
    pub(crate) value: String,
    pub(crate) message: String,
}

/// As `rootward_wire::Constraint`.
#[derive(Debug, Clone, Copy, Deserialize)]
pub(crate) enum Constraint {
    Entries,
    Enum,
    MaxLength,
    MaxValue,
    Members,
    MinLength,
    MinValue,
    Pattern,
    Required,
    Union,
}

fn is_false(flag: &bool) -> bool {
    !flag
}

impl Model {
    /// The shape of this name.
    pub(crate) fn shape(&self, name: &str) -> Result<&Shape, String> {
        self.shapes.get(name).ok_or_else(|| format!("no shape `{name}`"))
    }

    /// Adds what the model lacks. What it has must be corrected instead.
    pub(crate) fn add(&mut self, additions: Additions) -> Result<(), String> {
        let Additions { reason, operations, shapes, members } = additions;
        if reason.trim().is_empty() {
            return Err("the additions give no reason".to_owned());
        }
        self.operations.add(operations)?;
        // In the order of the generated lists, whoever an operation comes from.
        self.operations = {
            let mut entries = std::mem::take(&mut self.operations).entries;
            entries.sort_by(|(a, _), (b, _)| a.cmp(b));
            entries.into_iter().collect()
        };
        self.shapes.add(shapes)?;
        for (name, added) in members.entries {
            let shape = self.shapes.get_mut(&name).ok_or_else(|| format!("no shape `{name}` to add to"))?;
            shape.members.add(added)?;
        }
        Ok(())
    }

    /// Applies `overrides`, each of which must name a shape and give a reason.
    pub(crate) fn patch(&mut self, overrides: Vec<Override>) -> Result<(), String> {
        for Override { reason, shape: name, set } in overrides {
            if reason.trim().is_empty() {
                return Err(format!("the override of `{name}` gives no reason"));
            }
            let shape =
                self.shapes.get_mut(&name).ok_or_else(|| format!("override of unknown shape `{name}`"))?;
            if let Some(error) = &set.error {
                shape.error = Some(error.clone());
            }
            shape.sensitive |= set.sensitive;
            for member in &set.optional {
                let at = shape.required.iter().position(|required| required == member);
                let at = at.ok_or_else(|| format!("`{name}` does not require `{member}`"))?;
                shape.required.remove(at);
            }
            shape.values.extend(set.values.iter().cloned());
            if set.own_error {
                (shape.min, shape.max) = (None, None);
                shape.values.clear();
            }
            for member in &set.required {
                if shape.required.contains(member) {
                    return Err(format!("`{name}` requires `{member}` already"));
                }
                shape.required.push(member.clone());
            }
            shape.patch = set;
        }
        Ok(())
    }

    /// Leaves of each exception the members that it has besides what every error has: the message, and the header with the
    /// code. Fails for members at other places, which errors have no way to carry.
    pub(crate) fn reduce_exceptions(&mut self) -> Result<(), String> {
        for (name, shape) in self.shapes.entries.iter_mut().filter(|(_, shape)| shape.exception) {
            let is_code = |member: &Member| {
                member
                    .location_name
                    .as_deref()
                    .is_some_and(|name| name.eq_ignore_ascii_case("x-amzn-errortype"))
            };
            let members = std::mem::take(&mut shape.members).entries;
            let members =
                members.into_iter().filter(|(member, target)| member != "message" && !is_code(target));
            shape.members = members.collect();
            shape.required.retain(|member| shape.members.get(member).is_some());
            if let Some((member, _)) = shape.members.iter().find(|(_, target)| target.location.is_some()) {
                return Err(format!("exception `{name}` has `{member}` outside of the body"));
            }
        }
        Ok(())
    }
}

/// A JSON object in its own order. The order of members is that of messages and of elements.
#[derive(Debug)]
pub(crate) struct Ordered<T> {
    pub(crate) entries: Vec<(String, T)>,
    index: BTreeMap<String, usize>,
}

impl<T> Ordered<T> {
    pub(crate) fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = (&str, &T)> {
        self.entries.iter().map(|(name, value)| (name.as_str(), value))
    }

    pub(crate) fn get(&self, name: &str) -> Option<&T> {
        self.index.get(name).and_then(|at| self.entries.get(*at)).map(|(_, value)| value)
    }

    fn get_mut(&mut self, name: &str) -> Option<&mut T> {
        self.index.get(name).and_then(|at| self.entries.get_mut(*at)).map(|(_, value)| value)
    }

    /// Appends, unless one of them is there already.
    fn add(&mut self, others: Self) -> Result<(), String> {
        for (name, value) in others.entries {
            if self.index.insert(name.clone(), self.entries.len()).is_some() {
                return Err(format!("`{name}` is in the model already"));
            }
            self.entries.push((name, value));
        }
        Ok(())
    }
}

impl<T> FromIterator<(String, T)> for Ordered<T> {
    fn from_iter<I: IntoIterator<Item = (String, T)>>(entries: I) -> Self {
        let entries: Vec<(String, T)> = entries.into_iter().collect();
        let index = entries.iter().enumerate().map(|(at, (name, _))| (name.clone(), at)).collect();
        Self { entries, index }
    }
}

impl<T> Default for Ordered<T> {
    fn default() -> Self {
        Self { entries: Vec::new(), index: BTreeMap::new() }
    }
}

impl<T: Serialize> Serialize for Ordered<T> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(Some(self.entries.len()))?;
        for (name, value) in &self.entries {
            map.serialize_entry(name, value)?;
        }
        map.end()
    }
}

impl<'de, T: Deserialize<'de>> Deserialize<'de> for Ordered<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_map(InOrder(PhantomData))
    }
}

struct InOrder<T>(PhantomData<T>);

impl<'de, T: Deserialize<'de>> Visitor<'de> for InOrder<T> {
    type Value = Ordered<T>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Ordered<T>, A::Error> {
        let mut ordered = Ordered::default();
        while let Some((name, value)) = map.next_entry::<String, T>()? {
            ordered.index.insert(name.clone(), ordered.entries.len());
            ordered.entries.push((name, value));
        }
        Ok(ordered)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn model(shapes: &str) -> Result<Model, String> {
        let metadata = r#"{"apiVersion":"1","endpointPrefix":"x","protocols":["rest-json"],"serviceId":"X"}"#;
        let text = format!(r#"{{"metadata":{metadata},"operations":{{}},"shapes":{shapes}}}"#);
        serde_json::from_str(&text).map_err(|error| error.to_string())
    }

    #[test]
    fn trait_that_nobody_read_is_refused() {
        for shapes in [
            r#"{"A":{"type":"string","fresh":true}}"#,
            r#"{"A":{"type":"structure","members":{"B":{"shape":"A","fresh":true}}}}"#,
            r#"{"A":{"type":"structure","error":{"httpStatusCode":400,"fresh":true}}}"#,
        ] {
            assert!(model(shapes).unwrap_err().contains("unknown field `fresh`"), "{shapes}");
        }
    }

    #[test]
    fn addition_changes_nothing_that_is_there() {
        let added = |text: &str| {
            let mut model = model(r#"{"A":{"type":"structure","members":{"B":{"shape":"A"}}}}"#).unwrap();
            model.add(serde_json::from_str(text).unwrap()).map(|()| model)
        };
        let members = r#"{"reason":"r","members":{"A":{"C":{"shape":"A"}}}}"#;
        let model = added(members).unwrap();
        let names: Vec<_> = model.shapes.get("A").unwrap().members.iter().map(|(name, _)| name).collect();
        assert_eq!(names, ["B", "C"]);
        for (text, problem) in [
            (r#"{"reason":" ","shapes":{}}"#, "the additions give no reason"),
            (r#"{"reason":"r","shapes":{"A":{"type":"string"}}}"#, "`A` is in the model already"),
            (r#"{"reason":"r","members":{"A":{"B":{"shape":"A"}}}}"#, "`B` is in the model already"),
            (r#"{"reason":"r","members":{"Z":{}}}"#, "no shape `Z` to add to"),
        ] {
            assert_eq!(added(text).unwrap_err(), problem);
        }
    }

    #[test]
    fn exception_keeps_what_not_every_error_has() {
        let members = r#""message":{"shape":"A"},"reason":{"shape":"A"},"errorType":{"shape":"A","location":"header","locationName":"x-amzn-ErrorType"}"#;
        let shapes = format!(
            r#"{{"E":{{"type":"structure","exception":true,"required":["message","reason"],"members":{{{members}}}}}}}"#
        );
        let mut model = model(&shapes).unwrap();
        model.reduce_exceptions().unwrap();
        let shape = model.shape("E").unwrap();
        assert_eq!(shape.members.iter().map(|(name, _)| name).collect::<Vec<_>>(), ["reason"]);
        assert_eq!(shape.required, ["reason"]);
        assert!(shape.members.get("reason").is_some() && shape.members.get("message").is_none());
    }

    #[test]
    fn exception_with_a_member_outside_of_the_body_is_refused() {
        let member = r#"{"shape":"A","location":"header","locationName":"Retry-After"}"#;
        let shapes =
            format!(r#"{{"E":{{"type":"structure","exception":true,"members":{{"wait":{member}}}}}}}"#);
        assert!(model(&shapes).unwrap().reduce_exceptions().unwrap_err().contains("`wait` outside"));
    }
}
