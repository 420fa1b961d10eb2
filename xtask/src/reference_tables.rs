//! The tables of `crates/reference`: written here, read in `crates/reference/src/tables.rs`, which describes the layout.
//!
//! Everything that the reader takes for granted is checked here: names are ASCII and ordered, whatever a row names
//! exists, numbers fit, formats and templates have a form that the reader can match.

use std::collections::{BTreeMap, BTreeSet};

use crate::service_reference::{Action, Key, Reference, Resource, Service, Type};

/// `RWR` and the version of the layout.
const MAGIC: [u8; 4] = *b"RWR1";
/// Steps of an ARN format that the reader can hold: a character is one, a placeholder two.
const STEPS_MAX: usize = 127;
/// ARN formats of a type; the reader has a pair of bits for each.
const FORMATS_MAX: usize = 4;
const REQUIRED: u16 = 1 << 15;
const GLOBAL: u8 = 1 << 7;
const MANY: u8 = 1 << 3;

/// The two files.
pub(crate) struct Tables {
    pub(crate) tables: Vec<u8>,
    pub(crate) names: String,
}

/// Lays out the reference.
pub(crate) fn tables(reference: &Reference) -> Result<Tables, String> {
    let names = Names::of(reference)?;
    let keys = Keys::of(reference)?;
    let shapes = reference.services.iter().flat_map(|service| &service.types).flat_map(formats).map(shape);
    let shapes = shapes.collect::<Result<BTreeSet<String>, _>>()?;
    let mut sections = Sections::default();
    for service in &reference.services {
        write_service(service, &names, &keys, &shapes, &mut sections)
            .map_err(|error| format!("{}: {error}", service.prefix))?;
    }
    for (key, global) in keys.keys.values() {
        sections.keys.extend(names.short(&key.name)?);
        sections.keys.push(kind(&key.kind)? | if *global { GLOBAL } else { 0 });
        let (before, after) = around_placeholder(&key.name)?.unwrap_or((&key.name, ""));
        sections.keys.extend([before, after].map(|text| u8::try_from(text.len()).unwrap_or(u8::MAX)));
    }
    for (index, (key, _)) in keys.keys.values().enumerate() {
        if around_placeholder(&key.name)?.is_some() {
            sections.templates.extend(number(index)?);
        }
    }
    Ok(Tables { tables: sections.join(names.short(&reference.source)?)?, names: names.text })
}

fn write_service(
    service: &Service,
    names: &Names,
    keys: &Keys,
    shapes: &BTreeSet<String>,
    sections: &mut Sections,
) -> Result<(), String> {
    ordered(service.actions.iter().map(|action| &action.name))?;
    ordered(service.types.iter().map(|kind| &kind.name))?;
    let key_set = |names: &BTreeSet<String>| {
        names.iter().map(|name| keys.index(service, name)).collect::<Result<_, _>>()
    };
    let first_action = sections.actions.len() / ACTION_BYTES;
    let first_type = sections.types.len() / TYPE_BYTES;
    for Action { name, level: access, keys, resources } in &service.actions {
        let mut list = Vec::new();
        for Resource { kind, required, keys } in resources {
            let position = service.types.iter().position(|known| known.name.eq_ignore_ascii_case(kind));
            let position = position.ok_or_else(|| format!("`{name}` names no resource type: `{kind}`"))?;
            let number = u16::try_from(first_type + position).ok().filter(|number| number & REQUIRED == 0);
            let number = number.ok_or("there are too many resource types")?;
            let required = if *required { REQUIRED } else { 0 };
            list.push((number | required, sections.sets.intern(key_set(keys)?)));
        }
        let (set, list) = (sections.sets.intern(key_set(keys)?), sections.lists.intern(list));
        sections.actions.extend(names.short(name)?);
        sections.actions.push(level(access)?);
        sections.actions.extend([number(set)?, number(list)?].concat());
    }
    for kind in &service.types {
        let set = sections.sets.intern(key_set(&kind.keys)?);
        sections.types.extend(names.short(&kind.name)?);
        sections.types.extend(names.long(&kind.arn)?);
        sections.types.extend(number(set)?);
        sections.types.push(separators(kind, shapes)?);
    }
    let own = service.keys.iter().map(|key| keys.index(service, &key.name)).collect::<Result<_, _>>()?;
    sections.services.extend(names.short(&service.prefix)?);
    sections.services.extend(names.short(&service.name)?);
    for bound in [
        first_action,
        first_action + service.actions.len(),
        first_type,
        first_type + service.types.len(),
        sections.sets.intern(own),
    ] {
        sections.services.extend(number(bound)?);
    }
    sections.services.push(u8::from(service.rcp));
    Ok(())
}

const SERVICE_BYTES: usize = 19;
const ACTION_BYTES: usize = 9;
const TYPE_BYTES: usize = 12;

struct Sections {
    services: Vec<u8>,
    actions: Vec<u8>,
    types: Vec<u8>,
    keys: Vec<u8>,
    templates: Vec<u8>,
    sets: Lists<usize>,
    lists: Lists<(u16, usize)>,
}

impl Default for Sections {
    fn default() -> Self {
        let bytes = Vec::new;
        let (sets, lists) = (Lists::default(), Lists::default());
        Self {
            services: bytes(),
            actions: bytes(),
            types: bytes(),
            keys: bytes(),
            templates: bytes(),
            sets,
            lists,
        }
    }
}

impl Sections {
    fn join(self, source: [u8; 4]) -> Result<Vec<u8>, String> {
        let mut out = [MAGIC, source].concat();
        let mut section = |record: usize, bytes: &[u8]| {
            let count = u32::try_from(bytes.len() / record).map_err(|error| error.to_string())?;
            out.extend(count.to_le_bytes());
            out.extend(bytes);
            Ok::<_, String>(())
        };
        section(SERVICE_BYTES, &self.services)?;
        section(ACTION_BYTES, &self.actions)?;
        section(TYPE_BYTES, &self.types)?;
        section(7, &self.keys)?;
        section(2, &self.templates)?;
        let (bounds, members) = self.sets.write(|index| number(*index).map(Vec::from))?;
        section(4, &bounds)?;
        section(2, &members)?;
        let resource = |(kind, set): &(u16, usize)| Ok([kind.to_le_bytes(), number(*set)?].concat());
        let (bounds, members) = self.lists.write(resource)?;
        section(4, &bounds)?;
        section(4, &members)?;
        Ok(out)
    }
}

/// Lists that occur many times and are written once. The empty one is number 0.
struct Lists<T> {
    numbers: BTreeMap<Vec<T>, usize>,
    lists: Vec<Vec<T>>,
}

impl<T: Clone + Ord> Default for Lists<T> {
    fn default() -> Self {
        let mut new = Self { numbers: BTreeMap::new(), lists: Vec::new() };
        new.intern(Vec::new());
        new
    }
}

impl<T: Clone + Ord> Lists<T> {
    fn intern(&mut self, mut list: Vec<T>) -> usize {
        list.sort();
        if let Some(number) = self.numbers.get(&list) {
            return *number;
        }
        self.numbers.insert(list.clone(), self.lists.len());
        self.lists.push(list);
        self.lists.len() - 1
    }

    /// Start and end of each list, and the members of all.
    fn write(&self, member: impl Fn(&T) -> Result<Vec<u8>, String>) -> Result<(Vec<u8>, Vec<u8>), String> {
        let (mut bounds, mut members, mut count) = (Vec::new(), Vec::new(), 0);
        for list in &self.lists {
            bounds.extend([number(count)?, number(count + list.len())?].concat());
            count += list.len();
            for one in list {
                members.extend(member(one)?);
            }
        }
        Ok((bounds, members))
    }
}

/// Every text, a line each, ordered; one that begins another is not written again.
struct Names {
    text: String,
    places: BTreeMap<String, usize>,
}

impl Names {
    fn of(reference: &Reference) -> Result<Self, String> {
        let mut all: BTreeSet<&str> = BTreeSet::from([reference.source.as_str()]);
        all.extend(reference.globals.iter().map(|key| key.name.as_str()));
        for service in &reference.services {
            all.extend([service.prefix.as_str(), &service.name]);
            all.extend(service.keys.iter().map(|key| key.name.as_str()));
            all.extend(service.types.iter().flat_map(|kind| [kind.name.as_str(), &kind.arn]));
            all.extend(service.actions.iter().map(|action| action.name.as_str()));
        }
        if let Some(text) = all.iter().find(|text| !text.bytes().all(|byte| (b' '..=b'~').contains(&byte))) {
            return Err(format!("`{text}` is not plain ASCII"));
        }
        let source = &reference.source;
        let mut text = format!(
            "Generated by `xtask service-reference` from crates/reference/data/reference.jsonl ({source}). Do not edit.\n"
        );
        let (mut places, mut pending) = (BTreeMap::new(), Vec::new());
        let mut all = all.into_iter().peekable();
        while let Some(name) = all.next() {
            pending.push(name);
            // In this order a text that begins others stands right before the first of them.
            if !all.peek().is_some_and(|next| next.starts_with(name)) {
                places.extend(pending.drain(..).map(|name| (name.to_owned(), text.len())));
                text += name;
                text.push('\n');
            }
        }
        Ok(Self { text, places })
    }

    fn place(&self, name: &str) -> Result<[u8; 3], String> {
        let place = self.places.get(name).and_then(|place| u32::try_from(*place).ok());
        match place.map(u32::to_le_bytes) {
            Some([a, b, c, 0]) => Ok([a, b, c]),
            _ => Err(format!("`{name}` has no place")),
        }
    }

    /// Place and length of a text of at most 255 bytes.
    fn short(&self, name: &str) -> Result<[u8; 4], String> {
        let [a, b, c] = self.place(name)?;
        Ok([a, b, c, u8::try_from(name.len()).map_err(|_| format!("`{name}` is too long"))?])
    }

    /// Place and length of a text of at most 65,535 bytes.
    fn long(&self, name: &str) -> Result<Vec<u8>, String> {
        Ok([self.place(name)?.as_slice(), &number(name.len())?].concat())
    }
}

/// Every condition key once, with whether it is global.
///
/// A key that services give different types is there once for each: first the type of the service whose prefix it has.
struct Keys<'a> {
    keys: BTreeMap<KeyOrder, (&'a Key, bool)>,
    indexes: BTreeMap<(String, &'a str), usize>,
}

/// Name, whether foreign, type.
type KeyOrder = (String, bool, String);

impl<'a> Keys<'a> {
    fn of(reference: &'a Reference) -> Result<Self, String> {
        let mut keys: BTreeMap<KeyOrder, (&Key, bool)> = BTreeMap::new();
        let mut own = BTreeSet::new();
        for service in &reference.services {
            for key in &service.keys {
                let lower = key.name.to_ascii_lowercase();
                if lower.split_once(':').is_some_and(|(prefix, _)| prefix == service.prefix) {
                    own.insert((lower, key.kind.as_str()));
                }
            }
        }
        let services = reference.services.iter().flat_map(|service| &service.keys).map(|key| (key, false));
        for (key, global) in services.chain(reference.globals.iter().map(|key| (key, true))) {
            let lower = key.name.to_ascii_lowercase();
            let foreign = !own.contains(&(lower.clone(), key.kind.as_str()));
            let known = keys.entry((lower, foreign, key.kind.clone())).or_insert((key, false));
            known.1 |= global;
        }
        let index = |(index, ((name, _, _), (key, _))): (usize, (&KeyOrder, &(&'a Key, bool)))| {
            ((name.clone(), key.kind.as_str()), index)
        };
        let indexes: BTreeMap<_, _> = keys.iter().enumerate().map(index).collect();
        if indexes.len() == keys.len() {
            Ok(Self { keys, indexes })
        } else {
            Err("a key is there twice".to_owned())
        }
    }

    fn index(&self, service: &Service, name: &str) -> Result<usize, String> {
        let key = service.keys.iter().find(|key| key.name.eq_ignore_ascii_case(name));
        let key = key.ok_or_else(|| format!("`{name}` is no condition key"))?;
        let found = self.indexes.get(&(name.to_ascii_lowercase(), key.kind.as_str()));
        found.copied().ok_or_else(|| format!("`{name}` is no condition key"))
    }
}

/// What is before and after the placeholder of a key, if it has one: the reader puts anything in its place.
fn around_placeholder(name: &str) -> Result<Option<(&str, &str)>, String> {
    let opened = name.split_once("${").or_else(|| name.split_once('<'));
    let around = opened.and_then(|(before, rest)| Some((before, rest.split_once(['}', '>'])?.1)));
    let (before, after) = around.unwrap_or((name, ""));
    if [before, after].iter().any(|text| text.contains(['$', '{', '}', '<', '>'])) {
        return Err(format!("`{name}` is no key with at most one placeholder"));
    }
    Ok(around)
}

/// The level as the reader numbers it.
fn level(text: &str) -> Result<u8, String> {
    match text {
        "List" => Ok(0),
        "Read" => Ok(1),
        "Write" => Ok(2),
        "Tagging, Write" => Ok(3),
        "Permissions management, Write" => Ok(4),
        _ => Err(format!("`{text}` is no known access level")),
    }
}

/// The type of a key as the reader numbers it.
fn kind(text: &str) -> Result<u8, String> {
    let (many, of) = text.strip_prefix("ArrayOf").map_or((0, text), |of| (MANY, of));
    match of {
        "ARN" => Ok(many),
        "Bool" => Ok(many | 1),
        "Date" => Ok(many | 2),
        "IPAddress" => Ok(many | 3),
        "Numeric" => Ok(many | 4),
        "String" => Ok(many | 5),
        _ => Err(format!("`{text}` is no known type of condition keys")),
    }
}

fn formats(kind: &Type) -> impl Iterator<Item = &str> {
    kind.arn.split(", ")
}

/// What a last placeholder may not hold: a pair of bits for each format of the type, `/` and `:`.
///
/// That is what follows it in a longer format, of any service: a bucket's name holds no slash because objects have
/// `${BucketName}/${ObjectName}`, and a secret's name may hold one because nothing begins with a secret.
fn separators(kind: &Type, shapes: &BTreeSet<String>) -> Result<u8, String> {
    let mut bits = 0;
    for (at, format) in formats(kind).enumerate() {
        if at >= FORMATS_MAX {
            return Err(format!("`{}` has too many ARN formats", kind.name));
        }
        let shape = shape(format)?;
        let followed = |by| {
            let longer = format!("{shape}{by}");
            shape.ends_with(HOLE)
                && shapes.range(longer.clone()..).next().is_some_and(|next| next.starts_with(&longer))
        };
        bits |= (u8::from(followed('/')) | u8::from(followed(':')) << 1) << (2 * at);
    }
    Ok(bits)
}

const HOLE: &str = "\0\0";

/// The format with every placeholder as two zeros: a character a step.
fn shape(format: &str) -> Result<String, String> {
    let mut shape = String::new();
    let mut rest = format;
    while let Some((literal, hole)) = rest.split_once("${") {
        shape += literal;
        shape += HOLE;
        rest = hole.split_once('}').ok_or_else(|| format!("`{format}` has an open placeholder"))?.1;
    }
    shape += rest;
    let parts = shape.split(':').count();
    let foreign = shape.contains(['{', '}', ' ', ',']) || shape.contains("**");
    if parts < 6 || !shape.starts_with("arn:") || foreign || shape.len() > STEPS_MAX {
        return Err(format!("`{format}` is no ARN format that can be matched"));
    }
    Ok(shape)
}

/// Fails unless the names are in strict order ignoring case.
fn ordered<'a>(names: impl Iterator<Item = &'a String>) -> Result<(), String> {
    let lower: Vec<String> = names.map(|name| name.to_ascii_lowercase()).collect();
    match lower.windows(2).find(|pair| pair.first() >= pair.last()) {
        Some(pair) => Err(format!("out of order: {pair:?}")),
        None => Ok(()),
    }
}

fn number(value: usize) -> Result<[u8; 2], String> {
    u16::try_from(value).map(u16::to_le_bytes).map_err(|_| format!("{value} does not fit 16 bits"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn kind_of(arn: &str) -> Type {
        Type { name: "t".to_owned(), arn: arn.to_owned(), keys: BTreeSet::new() }
    }

    #[test]
    fn last_placeholder_may_not_hold_what_follows_it_elsewhere() {
        let all = ["arn:${P}:s:::${B}", "arn:${P}:s:::${B}/${Object}", "arn:${P}:l:::f:${F}:${V}"];
        let shapes = all.iter().map(|format| shape(format).unwrap()).collect();
        let bits = |format| separators(&kind_of(format), &shapes);
        assert_eq!(bits("arn:${P}:s:::${Bucket}"), Ok(1));
        assert_eq!(bits("arn:${P}:s:::${B}/${Object}"), Ok(0));
        assert_eq!(bits("arn:${P}:l:::f:${F}"), Ok(2));
        assert_eq!(bits("arn:${P}:q:::x, arn:${P}:s:::${A}"), Ok(1 << 2));
    }

    #[test]
    fn format_that_cannot_be_matched_is_refused() {
        for format in
            ["arn:${P}:s::x", "arn:${P:s:::x", "arn:${P}:s:::{x}", "arn:${P}:s:::**", "", "urn:a:b:c:d:e"]
        {
            assert!(shape(format).is_err(), "{format}");
        }
        assert!(shape(&format!("arn:aws:s:::{}", "x".repeat(STEPS_MAX))).is_err());
    }

    #[test]
    fn text_that_begins_another_shares_its_place() {
        let action = |name: &str| Action {
            name: name.to_owned(),
            level: "Read".to_owned(),
            keys: BTreeSet::new(),
            resources: Vec::new(),
        };
        let service = Service {
            prefix: "s".to_owned(),
            name: "S".to_owned(),
            rcp: false,
            keys: Vec::new(),
            types: Vec::new(),
            actions: vec![action("Get"), action("GetAcl")],
        };
        let reference = Reference { source: "p 1".to_owned(), globals: Vec::new(), services: vec![service] };
        let names = Names::of(&reference).unwrap();
        assert_eq!(names.place("Get"), names.place("GetAcl"));
        assert_eq!(names.text.lines().skip(1).collect::<Vec<_>>(), ["GetAcl", "S", "p 1", "s"]);
        assert!(names.short("Put").is_err());
        assert!(tables(&reference).is_ok());
    }

    #[test]
    fn unknown_type_level_or_second_placeholder_is_refused() {
        assert_eq!((kind("ArrayOfARN"), kind("String")), (Ok(8), Ok(5)));
        assert!(kind("Binary").is_err());
        assert!(level("Admin").is_err());
        assert!(around_placeholder("a:${B}/${C}").is_err() && around_placeholder("a:}${B").is_err());
        assert_eq!(around_placeholder("s3:Tag/<key>"), Ok(Some(("s3:Tag/", ""))));
        assert_eq!(around_placeholder("a:${B}/c"), Ok(Some(("a:", "/c"))));
        assert_eq!(around_placeholder("a:b"), Ok(None));
    }

    #[test]
    fn names_out_of_order_or_twice_are_refused() {
        let check =
            |names: &[&str]| ordered(names.iter().map(|name| (*name).to_owned()).collect::<Vec<_>>().iter());
        assert_eq!(check(&["a", "B", "c"]), Ok(()));
        assert!(check(&["a", "A"]).is_err() && check(&["b", "A"]).is_err());
    }
}
