//! Values beside a schema: the decoded tree ([`Value`]), the borrowed view that encoders read ([`Ref`]), and the trait
//! that ties Rust types to both ([`Shape`]).
//!
//! Decoders produce a `Value`, because constraints are checked on all of it before any typed input exists. Encoders read
//! typed outputs in place, by member index, so nothing is copied and no encoder is generic: the generated code holds data
//! and field lists, all logic is compiled once here.

use std::collections::BTreeMap;
use std::fmt;

use rootward_names::Time;

use crate::{Kind, Schema, Sensitive, SensitiveBlob};

/// A decoded value, in the form that its schema demands.
#[derive(Debug, Clone, PartialEq)]
pub enum Value {
    /// Of a blob.
    Blob(Vec<u8>),
    /// Of a boolean.
    Boolean(bool),
    /// Of a double.
    Double(f64),
    /// Of an integer or a long.
    Integer(i64),
    /// Of a list.
    List(Vec<Option<Value>>),
    /// Of a map, in the order of the request.
    Map(Vec<(String, Option<Value>)>),
    /// Of a sensitive text.
    Secret(Sensitive),
    /// Of a sensitive blob.
    SecretBlob(SensitiveBlob),
    /// Of a text or an enum.
    String(String),
    /// Of a structure or union.
    Structure(Record),
    /// Of a timestamp.
    Timestamp(Time),
}

/// The members of one decoded structure.
#[derive(Clone)]
pub struct Record {
    /// Its shape.
    pub schema: &'static Schema,
    /// One entry for each member of the shape, in the same order.
    pub fields: Vec<Option<Value>>,
}

/// A value inside a typed structure or a [`Value`].
#[derive(Clone, Copy)]
pub enum Ref<'a> {
    /// Of a blob.
    Blob(&'a [u8]),
    /// Of a boolean.
    Boolean(bool),
    /// Of a double.
    Double(f64),
    /// Of an integer or a long.
    Integer(i64),
    /// Of a list.
    List(&'a dyn Items),
    /// Of a map.
    Map(&'a dyn Entries),
    /// Of a text or an enum.
    String(&'a str),
    /// Of a structure or union.
    Structure(&'a dyn Structure),
    /// Of a timestamp.
    Timestamp(Time),
}

/// A structure, read by member index.
pub trait Structure {
    /// Its shape.
    fn schema(&self) -> &'static Schema;
    /// The member at `index` of the shape, if set.
    fn field(&self, index: usize) -> Option<Ref<'_>>;
}

/// The members of a list.
pub trait Items {
    /// How many there are.
    fn count(&self) -> usize;
    /// The one at `index`.
    fn item(&self, index: usize) -> Option<Ref<'_>>;
}

/// The entries of a map.
pub trait Entries {
    /// Calls `visit` with every key and value, in order.
    fn each(&self, visit: &mut dyn FnMut(&str, Ref<'_>));
    /// Whether there are none.
    fn is_none(&self) -> bool;
}

/// A Rust type that stands for a shape.
pub trait Shape: Sized {
    /// Builds the type from a decoded and validated value.
    ///
    /// # Errors
    /// [`Mismatch`] when the value is not of this type. Validated values always are, so this is our bug.
    fn from_value(value: Option<Value>) -> Result<Self, Mismatch>;
    /// The value as encoders see it; `None` when it is absent.
    fn to_ref(&self) -> Option<Ref<'_>>;
}

/// A Rust type that stands for a map key: a text or an enum.
pub trait Key: Sized + Ord {
    /// Reads the key.
    ///
    /// # Errors
    /// [`Mismatch`] when the text is no value of the enum.
    fn from_key(text: String) -> Result<Self, Mismatch>;
    /// The key as a text.
    fn as_key(&self) -> &str;
}

/// A value did not have the type that its schema promised.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a validated value has not the type of its shape")]
pub struct Mismatch;

impl Record {
    /// A record of `schema` with no member set.
    pub fn empty(schema: &'static Schema) -> Self {
        Self { schema, fields: vec![None; schema.members().len()] }
    }

    /// The members of a decoded structure, for the generated constructors.
    ///
    /// # Errors
    /// [`Mismatch`] when `value` is anything but a structure.
    pub fn of(value: Option<Value>) -> Result<Self, Mismatch> {
        match value {
            Some(Value::Structure(record)) => Ok(record),
            _ => Err(Mismatch),
        }
    }

    /// The members of a typed structure as a decoder would have given them: what is called from inside is checked like
    /// everything else.
    ///
    /// # Errors
    /// [`Mismatch`] when the structure does not fit its schema, which is our bug.
    pub fn copy(structure: &dyn Structure) -> Result<Self, Mismatch> {
        let schema = structure.schema();
        let members = schema.members().iter().enumerate();
        let fields = members.map(|(index, member)| {
            structure.field(index).map(|value| copied(member.shape, value)).transpose()
        });
        Ok(Self { schema, fields: fields.collect::<Result<_, _>>()? })
    }
}

fn copied(schema: &Schema, value: Ref<'_>) -> Result<Value, Mismatch> {
    Ok(match (value, &schema.kind) {
        (Ref::Blob(bytes), _) => Value::blob(schema, bytes.to_vec()),
        (Ref::Boolean(flag), _) => Value::Boolean(flag),
        (Ref::Double(number), _) => Value::Double(number),
        (Ref::Integer(number), _) => Value::Integer(number),
        (Ref::List(items), Kind::List(list)) => {
            let members = (0..items.count()).map(|index| items.item(index));
            let copies = members.map(|item| item.map(|item| copied(list.member, item)).transpose());
            Value::List(copies.collect::<Result<_, _>>()?)
        }
        (Ref::Map(entries), Kind::Map(map)) => {
            let mut copies = Vec::new();
            entries.each(&mut |key, value| copies.push((key.to_owned(), copied(map.value, value))));
            let copies = copies.into_iter().map(|(key, value)| Ok((key, Some(value?))));
            Value::Map(copies.collect::<Result<_, _>>()?)
        }
        (Ref::String(text), _) => Value::text(schema, text.to_owned()),
        (Ref::Structure(structure), _) => Value::Structure(Record::copy(structure)?),
        (Ref::Timestamp(time), _) => Value::Timestamp(time),
        (Ref::List(_) | Ref::Map(_), _) => return Err(Mismatch),
    })
}

impl PartialEq for Record {
    fn eq(&self, other: &Self) -> bool {
        std::ptr::eq(self.schema, other.schema) && self.fields == other.fields
    }
}

impl fmt::Debug for Record {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.schema.sensitive {
            return write!(f, "{}(..)", self.schema.name);
        }
        let mut shown = f.debug_struct(self.schema.name);
        for (member, value) in self.schema.members().iter().zip(&self.fields) {
            if let Some(value) = value {
                shown.field(member.name, value);
            }
        }
        shown.finish()
    }
}

impl Structure for Record {
    fn schema(&self) -> &'static Schema {
        self.schema
    }

    fn field(&self, index: usize) -> Option<Ref<'_>> {
        self.fields.get(index)?.as_ref().map(Value::as_ref)
    }
}

impl Value {
    /// The value as encoders see it.
    pub fn as_ref(&self) -> Ref<'_> {
        match self {
            Self::Blob(bytes) => Ref::Blob(bytes),
            Self::Boolean(flag) => Ref::Boolean(*flag),
            Self::Double(number) => Ref::Double(*number),
            Self::Integer(number) => Ref::Integer(*number),
            Self::List(items) => Ref::List(items),
            Self::Map(entries) => Ref::Map(entries),
            Self::Secret(text) => Ref::String(text.expose()),
            Self::SecretBlob(bytes) => Ref::Blob(bytes.expose()),
            Self::String(text) => Ref::String(text),
            Self::Structure(record) => Ref::Structure(record),
            Self::Timestamp(time) => Ref::Timestamp(*time),
        }
    }

    /// A text as `schema` wants it kept.
    pub(crate) fn text(schema: &Schema, text: String) -> Self {
        if schema.sensitive && !matches!(schema.kind, Kind::Enum(_)) {
            Self::Secret(Sensitive::new(text))
        } else {
            Self::String(text)
        }
    }

    /// Bytes as `schema` wants them kept.
    pub(crate) fn blob(schema: &Schema, bytes: Vec<u8>) -> Self {
        if schema.sensitive { Self::SecretBlob(SensitiveBlob::new(bytes)) } else { Self::Blob(bytes) }
    }
}

impl Items for Vec<Option<Value>> {
    fn count(&self) -> usize {
        self.len()
    }

    fn item(&self, index: usize) -> Option<Ref<'_>> {
        self.get(index)?.as_ref().map(Value::as_ref)
    }
}

impl Entries for Vec<(String, Option<Value>)> {
    fn each(&self, visit: &mut dyn FnMut(&str, Ref<'_>)) {
        for (key, value) in self {
            if let Some(value) = value {
                visit(key, value.as_ref());
            }
        }
    }

    fn is_none(&self) -> bool {
        self.is_empty()
    }
}

impl<T: Shape> Items for Vec<T> {
    fn count(&self) -> usize {
        self.len()
    }

    fn item(&self, index: usize) -> Option<Ref<'_>> {
        self.get(index)?.to_ref()
    }
}

impl<K: Key, V: Shape> Entries for BTreeMap<K, V> {
    fn each(&self, visit: &mut dyn FnMut(&str, Ref<'_>)) {
        for (key, value) in self {
            if let Some(value) = value.to_ref() {
                visit(key.as_key(), value);
            }
        }
    }

    fn is_none(&self) -> bool {
        self.is_empty()
    }
}

impl<T: Shape> Shape for Option<T> {
    fn from_value(value: Option<Value>) -> Result<Self, Mismatch> {
        value.map(|value| T::from_value(Some(value))).transpose()
    }

    fn to_ref(&self) -> Option<Ref<'_>> {
        self.as_ref()?.to_ref()
    }
}

impl<T: Shape> Shape for Vec<T> {
    fn from_value(value: Option<Value>) -> Result<Self, Mismatch> {
        match value {
            Some(Value::List(items)) => items.into_iter().map(T::from_value).collect(),
            _ => Err(Mismatch),
        }
    }

    fn to_ref(&self) -> Option<Ref<'_>> {
        Some(Ref::List(self))
    }
}

impl<K: Key, V: Shape> Shape for BTreeMap<K, V> {
    fn from_value(value: Option<Value>) -> Result<Self, Mismatch> {
        match value {
            Some(Value::Map(entries)) => entries
                .into_iter()
                .map(|(key, value)| Ok((K::from_key(key)?, V::from_value(value)?)))
                .collect(),
            _ => Err(Mismatch),
        }
    }

    fn to_ref(&self) -> Option<Ref<'_>> {
        Some(Ref::Map(self))
    }
}

impl Key for String {
    fn from_key(text: String) -> Result<Self, Mismatch> {
        Ok(text)
    }

    fn as_key(&self) -> &str {
        self
    }
}

/// Implements [`Shape`] for a type that one variant of [`Value`] holds.
macro_rules! scalar {
    ($($type:ty: $variant:ident($held:ident) => $built:expr, $this:ident => $seen:expr;)*) => {$(
        impl Shape for $type {
            fn from_value(value: Option<Value>) -> Result<Self, Mismatch> {
                match value {
                    Some(Value::$variant($held)) => $built,
                    _ => Err(Mismatch),
                }
            }

            fn to_ref(&self) -> Option<Ref<'_>> {
                let $this = self;
                Some($seen)
            }
        }
    )*};
}

scalar! {
    bool: Boolean(flag) => Ok(flag), this => Ref::Boolean(*this);
    f64: Double(number) => Ok(number), this => Ref::Double(*this);
    i32: Integer(number) => number.try_into().map_err(|_| Mismatch), this => Ref::Integer((*this).into());
    i64: Integer(number) => Ok(number), this => Ref::Integer(*this);
    Sensitive: Secret(text) => Ok(text), this => Ref::String(this.expose());
    SensitiveBlob: SecretBlob(bytes) => Ok(bytes), this => Ref::Blob(this.expose());
    String: String(text) => Ok(text), this => Ref::String(this);
    Time: Timestamp(time) => Ok(time), this => Ref::Timestamp(*this);
    Vec<u8>: Blob(bytes) => Ok(bytes), this => Ref::Blob(this);
}

/// The input of operations that take none and the output of those that return none.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Empty;

/// The shape of [`Empty`].
pub static EMPTY: Schema = Schema::new("Unit", Kind::Structure(&[]));

impl Structure for Empty {
    fn schema(&self) -> &'static Schema {
        &EMPTY
    }

    fn field(&self, _: usize) -> Option<Ref<'_>> {
        None
    }
}

impl Shape for Empty {
    fn from_value(value: Option<Value>) -> Result<Self, Mismatch> {
        Record::of(value).map(|_| Self)
    }

    fn to_ref(&self) -> Option<Ref<'_>> {
        Some(Ref::Structure(self))
    }
}
