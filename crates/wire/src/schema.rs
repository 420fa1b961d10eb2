//! What the service models say, as `&'static` data: shapes with their constraints and wire names, operations, errors
//! and services.
//!
//! The descriptors name every trait that one of the AWS protocols needs (query, JSON, REST-JSON, REST-XML), so a codec
//! is one walk over a [`Schema`] beside a [`Value`](crate::Value) or a [`Structure`](crate::Structure), and a new
//! protocol touches no generated shape. Source: the service models, reduced under `models/`.

use crate::Pattern;

/// One shape of a model.
#[derive(Debug)]
pub struct Schema {
    /// The name in the model.
    pub name: &'static str,
    /// Type and constraints.
    pub kind: Kind,
    /// Values never appear in logs, messages or audit records.
    pub sensitive: bool,
}

/// Type of a shape with the constraints that its type can have.
#[derive(Debug)]
pub enum Kind {
    /// Bytes, base64 in text protocols.
    Blob(Range),
    /// `true` or `false`.
    Boolean,
    /// 64-bit floating point.
    Double,
    /// One of these texts.
    Enum(&'static [&'static str]),
    /// 32-bit signed.
    Integer(Range),
    /// A sequence.
    List(List),
    /// 64-bit signed.
    Long(Range),
    /// Texts to values.
    Map(Map),
    /// A text, its length counted in characters.
    String(Range, Option<&'static Pattern>),
    /// Named members.
    Structure(&'static [Member]),
    /// An instant; `None` means the protocol's own format.
    Timestamp(Option<TimestampFormat>),
    /// A structure with exactly one member set.
    Union(&'static [Member]),
}

/// Inclusive bounds of a length or a number.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Range {
    /// Smallest allowed.
    pub min: Option<i64>,
    /// Largest allowed.
    pub max: Option<i64>,
    /// The refusal quotes the value. Set by overrides where the service was seen to do so.
    pub quoted: bool,
}

impl Range {
    /// No bounds.
    pub const ANY: Self = Self { min: None, max: None, quoted: false };

    /// At least `min`.
    pub const fn at_least(min: i64) -> Self {
        Self { min: Some(min), ..Self::ANY }
    }

    /// At most `max`.
    pub const fn at_most(max: i64) -> Self {
        Self { max: Some(max), ..Self::ANY }
    }

    /// From `min` to `max`.
    pub const fn new(min: i64, max: i64) -> Self {
        Self { min: Some(min), max: Some(max), quoted: false }
    }

    /// The same bounds, quoting the value when refused.
    #[must_use]
    pub const fn quoted(self) -> Self {
        Self { quoted: true, ..self }
    }
}

/// A list and how its members are named on the wire.
#[derive(Debug)]
pub struct List {
    /// Shape of the members.
    pub member: &'static Schema,
    /// Name of a member; `member` unless the model says otherwise.
    pub member_name: &'static str,
    /// Members stand in the parent, without an element of the list's own.
    pub flattened: bool,
    /// Bounds of the number of members.
    pub length: Range,
}

/// A map and how its entries are named on the wire.
#[derive(Debug)]
pub struct Map {
    /// Shape of the keys: a text or an enum.
    pub key: &'static Schema,
    /// Shape of the values.
    pub value: &'static Schema,
    /// Name of a key; `key` unless the model says otherwise.
    pub key_name: &'static str,
    /// Name of a value; `value` unless the model says otherwise.
    pub value_name: &'static str,
    /// Entries stand in the parent, without an element of the map's own.
    pub flattened: bool,
    /// Bounds of the number of entries.
    pub length: Range,
}

/// One member of a structure.
#[derive(Debug)]
pub struct Member {
    /// The name in the model.
    pub name: &'static str,
    /// The name on the wire, where it differs from `name`.
    pub location_name: Option<&'static str>,
    /// Where the REST protocols put it.
    pub location: Location,
    /// Its shape.
    pub shape: &'static Schema,
    /// Must be present.
    pub required: bool,
    /// Clients fill it with a random token when absent.
    pub idempotency_token: bool,
    /// Timestamp format of this use of the shape.
    pub timestamp: Option<TimestampFormat>,
    /// Flattened at this use of the shape.
    pub flattened: bool,
    /// An attribute of the parent element in REST-XML.
    pub xml_attribute: bool,
}

impl Member {
    /// An optional member in the body with its model name.
    pub const fn new(name: &'static str, shape: &'static Schema) -> Self {
        Self {
            name,
            location_name: None,
            location: Location::Body,
            shape,
            required: false,
            idempotency_token: false,
            timestamp: None,
            flattened: false,
            xml_attribute: false,
        }
    }

    /// The same member, required.
    #[must_use]
    pub const fn required(self) -> Self {
        Self { required: true, ..self }
    }

    /// The same member under another name on the wire.
    #[must_use]
    pub const fn named(self, name: &'static str) -> Self {
        Self { location_name: Some(name), ..self }
    }

    /// The same member at another place of the request or response.
    #[must_use]
    pub const fn at(self, location: Location) -> Self {
        Self { location, ..self }
    }

    /// The same member, which clients fill with a random token.
    #[must_use]
    pub const fn idempotency_token(self) -> Self {
        Self { idempotency_token: true, ..self }
    }

    /// The same member with a timestamp format of its own.
    #[must_use]
    pub const fn timestamp(self, format: TimestampFormat) -> Self {
        Self { timestamp: Some(format), ..self }
    }

    /// The same member, its list or map flattened.
    #[must_use]
    pub const fn flattened(self) -> Self {
        Self { flattened: true, ..self }
    }

    /// The same member as an attribute.
    #[must_use]
    pub const fn xml_attribute(self) -> Self {
        Self { xml_attribute: true, ..self }
    }

    /// The name on the wire.
    pub fn wire_name(&self) -> &'static str {
        self.location_name.unwrap_or(self.name)
    }
}

impl Schema {
    /// A shape without the sensitive mark.
    pub const fn new(name: &'static str, kind: Kind) -> Self {
        Self { name, kind, sensitive: false }
    }

    /// The same shape, sensitive.
    #[must_use]
    pub const fn sensitive(self) -> Self {
        Self { sensitive: true, ..self }
    }

    /// The members of a structure or union; none for every other shape.
    pub fn members(&self) -> &'static [Member] {
        match self.kind {
            Kind::Structure(members) | Kind::Union(members) => members,
            _ => &[],
        }
    }
}

/// Where the REST protocols put a member. The query and JSON protocols put all of them in the body.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Location {
    /// In the body document.
    Body,
    /// In one header.
    Header,
    /// In all headers with the wire name as their prefix.
    Headers,
    /// The body itself.
    Payload,
    /// In the query string.
    QueryString,
    /// The HTTP status of the response.
    StatusCode,
    /// In the path.
    Uri,
}

/// How an instant is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TimestampFormat {
    /// Seconds since 1970 as a number.
    EpochSeconds,
    /// `Mon, 01 Jan 2024 00:00:00 GMT`.
    HttpDate,
    /// `2024-01-01T00:00:00Z`.
    Iso8601,
}

/// An AWS protocol.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Protocol {
    /// JSON 1.0 or 1.1 with `X-Amz-Target`.
    Json,
    /// Form parameters in, XML out.
    Query,
    /// REST with JSON bodies.
    RestJson,
    /// REST with XML bodies.
    RestXml,
}

/// Who is to blame for an error.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fault {
    /// The service.
    Receiver,
    /// The caller.
    Sender,
}

/// One error that a service declares.
#[derive(Debug)]
pub struct ErrorSchema {
    /// The code on the wire.
    pub code: &'static str,
    /// The HTTP status.
    pub status: u16,
    /// Who is to blame.
    pub fault: Fault,
}

/// What a model can demand of a value.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Constraint {
    /// The entries of a map, keys or values.
    Entries,
    /// One of a set of texts.
    Enum,
    /// The largest length.
    MaxLength,
    /// The largest number.
    MaxValue,
    /// The members of a list of scalars.
    Members,
    /// The smallest length.
    MinLength,
    /// The smallest number.
    MinValue,
    /// A pattern.
    Pattern,
    /// That there is a value.
    Required,
    /// Exactly one member of a union.
    Union,
}

/// The error with which a service answers broken constraints, where that is not the `ValidationError` of most services.
/// Set by overrides: the models do not say it.
#[derive(Debug)]
pub struct ConstraintError {
    /// The error.
    pub error: &'static ErrorSchema,
    /// Its member that holds the reason.
    pub member: &'static str,
    /// The first that fits counts. What none fits is a `ValidationError`.
    pub reasons: &'static [Reason],
}

/// How an error puts a broken constraint.
#[derive(Debug)]
pub struct Reason {
    /// What is broken.
    pub constraint: Constraint,
    /// Name of the shape that this is about; all if none.
    pub shape: Option<&'static str>,
    /// The reason.
    pub value: &'static str,
    /// The message that goes with it.
    pub message: &'static str,
}

/// One operation of a service.
#[derive(Debug)]
pub struct OperationSchema {
    /// The name, which is the `Action` of the query protocol.
    pub name: &'static str,
    /// The service that offers it.
    pub service: &'static ServiceSchema,
    /// Method and path template of the REST protocols.
    pub http: (&'static str, &'static str),
    /// HTTP status of success.
    pub status: u16,
    /// Shape of the input; without members when there is none.
    pub input: &'static Schema,
    /// Shape of the output; without members when there is none.
    pub output: &'static Schema,
    /// Element around the output members in the query protocol.
    pub result_wrapper: Option<&'static str>,
    /// The errors it declares.
    pub errors: &'static [&'static ErrorSchema],
    /// Needs no signature, as `AssumeRoleWithSAML`.
    pub anonymous: bool,
}

/// One service.
#[derive(Debug)]
pub struct ServiceSchema {
    /// Short name, also that of the IAM action prefix and of the signing scope: `iam`.
    pub name: &'static str,
    /// Service id: `IAM`.
    pub id: &'static str,
    /// Version of its interface: `2010-05-08`.
    pub version: &'static str,
    /// Protocols it speaks, the preferred one first.
    pub protocols: &'static [Protocol],
    /// XML namespace of responses.
    pub xml_namespace: &'static str,
    /// `X-Amz-Target` prefix of the JSON protocols.
    pub target_prefix: Option<&'static str>,
    /// `1.0` or `1.1` in the content type of the JSON protocols.
    pub json_version: &'static str,
    /// `eventSource` of audit records.
    pub event_source: &'static str,
    /// One for all regions of a partition.
    pub is_global: bool,
    /// Its operations, sorted by name.
    pub operations: &'static [&'static OperationSchema],
    /// Every error it declares.
    pub errors: &'static [&'static ErrorSchema],
    /// What it answers broken constraints with; none for `ValidationError`.
    pub constraint_error: Option<&'static ConstraintError>,
}

impl ServiceSchema {
    /// The operation of this name.
    pub fn operation(&self, name: &str) -> Option<&'static OperationSchema> {
        let index = self.operations.binary_search_by(|operation| operation.name.cmp(name)).ok()?;
        self.operations.get(index).copied()
    }
}
