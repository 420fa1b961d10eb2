//! AWS query, the way in: parameters to a value tree, guided by the schema of the input.
//!
//! Rules, as AWS documents the protocol and as its clients use it: members are `Name`, structures nest with dots, lists
//! are `Name.member.N` (`Name.N` when flattened), maps are `Name.entry.N.key` and `.value`, an empty list is `Name=`,
//! blobs are base64, timestamps ISO 8601. Unknown parameters are ignored. Constraints are not looked at here.
//!
//! DIFFERENCE: the text of `MalformedInput` is ours; AWS publishes only the code.

use crate::error::Error;
use crate::params::{Node, Params};
use crate::{Kind, List, Map, Record, Schema, Value, scalar};

/// Decodes the input `schema` from `params`.
pub(crate) fn decode(schema: &'static Schema, params: &Params<'_>) -> Result<Record, Error> {
    structure(schema, params.root())
}

fn structure(schema: &'static Schema, node: Node<'_>) -> Result<Record, Error> {
    let mut fields = Vec::with_capacity(schema.members().len());
    for member in schema.members() {
        let child = node.child(member.wire_name());
        fields.push(if child.is_empty() {
            None
        } else {
            value(member.shape, member.flattened, child, member.name)?
        });
    }
    Ok(Record { schema, fields })
}

/// The value below `node`, which is not empty. `name` is the member that messages name.
fn value(
    schema: &'static Schema,
    flattened: bool,
    node: Node<'_>,
    name: &str,
) -> Result<Option<Value>, Error> {
    match &schema.kind {
        Kind::List(shape) => list(shape, flattened, node, name),
        Kind::Map(shape) => map(shape, flattened, node, name),
        Kind::Structure(_) | Kind::Union(_) => Ok(Some(Value::Structure(structure(schema, node)?))),
        _ => node.text().map(|text| scalar(schema, text, name)).transpose(),
    }
}

fn list(shape: &List, flattened: bool, node: Node<'_>, name: &str) -> Result<Option<Value>, Error> {
    let flattened = flattened || shape.flattened;
    let items = if flattened { node } else { node.child(shape.member_name) };
    let items: Vec<_> = items
        .numbered()?
        .into_iter()
        .map(|item| value(shape.member, false, item, name))
        .collect::<Result<_, _>>()?;
    Ok(present(node, name, items.is_empty())?.then_some(Value::List(items)))
}

fn map(shape: &Map, flattened: bool, node: Node<'_>, name: &str) -> Result<Option<Value>, Error> {
    let flattened = flattened || shape.flattened;
    let entries = if flattened { node } else { node.child("entry") };
    let mut found = Vec::new();
    for entry in entries.numbered()? {
        let key = entry.child(shape.key_name).text();
        let key = key.ok_or_else(|| Error::malformed(format!("An entry of {name} has no key.")))?;
        let target = entry.child(shape.value_name);
        found.push((
            key.to_owned(),
            if target.is_empty() { None } else { value(shape.value, false, target, name)? },
        ));
    }
    Ok(present(node, name, found.is_empty())?.then_some(Value::Map(found)))
}

/// Whether a list or map is there at all: `Name=` says an empty one, unknown parameters below it say nothing.
fn present(node: Node<'_>, name: &str, is_empty: bool) -> Result<bool, Error> {
    match node.text() {
        Some("") => Ok(true),
        Some(_) => Err(Error::malformed(format!("{name} is a list and not a text."))),
        None => Ok(!is_empty),
    }
}

fn scalar(schema: &Schema, text: &str, name: &str) -> Result<Value, Error> {
    scalar::read(schema, text)
        .map_err(|expected| Error::malformed(format!("The value of {name} is not {expected}.")))
}
