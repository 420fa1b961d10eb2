//! Scalars as texts: form parameters, path labels, query parameters and headers.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;

use crate::{Kind, Ref, Schema, TimestampFormat, Value, timestamp};

/// The value that `text` stands for.
///
/// # Errors
/// What it should have been, as in "is not an integer". Lists, maps and structures are no scalars: callers take them apart.
pub(crate) fn read(schema: &Schema, text: &str) -> Result<Value, &'static str> {
    Ok(match schema.kind {
        Kind::Blob(_) => Value::blob(schema, STANDARD.decode(text).map_err(|_| "base64")?),
        Kind::Boolean => match text {
            "true" => Value::Boolean(true),
            "false" => Value::Boolean(false),
            _ => return Err("a boolean"),
        },
        Kind::Double => Value::Double(text.parse().map_err(|_| "a number")?),
        Kind::Integer(_) => Value::Integer(text.parse::<i32>().map_err(|_| "an integer")?.into()),
        Kind::Long(_) => Value::Integer(text.parse().map_err(|_| "an integer")?),
        Kind::Timestamp(_) => Value::Timestamp(timestamp::parse(text).ok_or("a timestamp")?),
        Kind::Enum(_) | Kind::String(..) => Value::text(schema, text.to_owned()),
        Kind::List(_) | Kind::Map(_) | Kind::Structure(_) | Kind::Union(_) => return Err("a text"),
    })
}

/// The text of `value`; instants in `format`. `None` for what is no scalar.
pub(crate) fn write(value: Ref<'_>, format: TimestampFormat) -> Option<String> {
    Some(match value {
        Ref::Blob(bytes) => STANDARD.encode(bytes),
        Ref::Boolean(flag) => flag.to_string(),
        Ref::Double(number) => number.to_string(),
        Ref::Integer(number) => number.to_string(),
        Ref::String(text) => text.to_owned(),
        Ref::Timestamp(time) => timestamp::text(time, format),
        Ref::List(_) | Ref::Map(_) | Ref::Structure(_) => return None,
    })
}
