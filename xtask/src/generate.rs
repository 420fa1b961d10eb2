//! `generate`: writes `crates/api/src/<service>/generated.rs` from `models/<service>.json`, `models/additions/` and
//! `models/overrides/`.
//!
//! The output is a list of names: types through the macros of `rootward_wire`, and beside them the descriptors that the
//! codecs walk. Only shapes that an operation reaches are written, and of exceptions the members besides the message, if
//! there are any. Works offline.

use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::fs;
use std::io::Write as _;
use std::process::{Command, Stdio};

use crate::model::{
    Additions, ConstraintAnswers, Member, Model, Operation, Override, Reason, Shape, Target, Type,
};
use crate::names::{error_name, field_name, static_name, type_name, variant_name};
use crate::pattern::{self, Matcher};
use crate::{SERVICES, Service, root};

/// What to do with the generated text.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Mode {
    /// Compare it with the committed files.
    Check,
    /// Write the files.
    Write,
}

/// Generates every service.
pub(crate) fn generate(mode: Mode) -> Result<(), String> {
    let mut stale = Vec::new();
    for service in SERVICES {
        let path = root().join("crates/api/src").join(service.name).join("generated.rs");
        let text = format_code(&Generator::new(service)?.write()?)?;
        if fs::read_to_string(&path).is_ok_and(|old| old == text) {
            continue;
        }
        match mode {
            Mode::Check => stale.push(format!("{} is not fresh: run `xtask generate`", path.display())),
            Mode::Write => fs::write(&path, text).map_err(|error| format!("{}: {error}", path.display()))?,
        }
    }
    if stale.is_empty() { Ok(()) } else { Err(stale.join("\n")) }
}

/// Reads the model of a service with what it lacks and its overrides.
pub(crate) fn read_model(service: &Service) -> Result<Model, String> {
    let models = root().join("models");
    let mut model: Model = read_json(&models.join(format!("{}.json", service.name)))?;
    let additions = models.join("additions").join(format!("{}.json", service.name));
    if additions.exists() {
        let added = read_json::<Additions>(&additions).and_then(|added| model.add(added));
        added.map_err(|error| format!("{}: {error}", additions.display()))?;
    }
    let overrides = models.join("overrides").join(format!("{}.json", service.name));
    if overrides.exists() {
        model.patch(read_json::<Vec<Override>>(&overrides)?)?;
    }
    model.reduce_exceptions()?;
    if model.metadata.api_version != service.version {
        return Err(format!("{} has version {}", service.name, model.metadata.api_version));
    }
    Ok(model)
}

fn read_json<T: serde::de::DeserializeOwned>(path: &std::path::Path) -> Result<T, String> {
    let text = fs::read_to_string(path).map_err(|error| format!("{}: {error}", path.display()))?;
    serde_json::from_str(&text).map_err(|error| format!("{}: {error}", path.display()))
}

fn format_code(code: &str) -> Result<String, String> {
    let failed = |error: std::io::Error| format!("rustfmt: {error}");
    let mut child = Command::new("rustfmt")
        .args(["--edition", "2024", "--config-path"])
        .arg(root().join("rustfmt.toml"))
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .map_err(failed)?;
    let mut input = child.stdin.take().ok_or("rustfmt has no input")?;
    let code = code.to_owned();
    // From a thread, or both sides would wait on full pipes.
    let writer = std::thread::spawn(move || input.write_all(code.as_bytes()));
    let output = child.wait_with_output().map_err(failed)?;
    writer.join().map_err(|_| "rustfmt: the writer failed")?.map_err(failed)?;
    if !output.status.success() {
        return Err("rustfmt refused the generated code".to_owned());
    }
    String::from_utf8(output.stdout).map_err(|error| error.to_string())
}

struct Generator {
    service: &'static Service,
    model: Model,
    /// The shapes that operations reach, in the order of the model.
    reached: Vec<String>,
    /// Character classes by content, so that equal ones are written once.
    classes: Vec<Vec<(char, char)>>,
    out: String,
}

/// Adds one line of code.
macro_rules! line {
    ($self:ident, $($argument:tt)*) => {
        writeln!($self.out, $($argument)*).map_err(|error| error.to_string())?
    };
}

impl Generator {
    fn new(service: &'static Service) -> Result<Self, String> {
        let model = read_model(service)?;
        let mut names = BTreeSet::new();
        for (_, operation) in model.operations.iter() {
            for target in [&operation.input, &operation.output].into_iter().flatten() {
                reach(&model, &target.shape, &mut names)?;
            }
            for error in &operation.errors {
                if !model.shape(&error.shape)?.members.is_empty() {
                    reach(&model, &error.shape, &mut names)?;
                }
            }
        }
        let reached = model.shapes.iter().map(|(name, _)| name.to_owned());
        let reached = reached.filter(|name| names.contains(name)).collect();
        Ok(Self { service, model, reached, classes: Vec::new(), out: String::new() })
    }

    fn write(mut self) -> Result<String, String> {
        self.check_names()?;
        self.check_places()?;
        self.service()?;
        self.errors()?;
        let types = self.types()?;
        self.out.push_str(&types);
        self.operations()?;
        self.schemas()?;
        let name = self.service.name;
        let header = format!(
            "// Generated by `xtask generate` from models/{name}.json ({}). Do not edit.\n{}\n",
            self.model.source,
            imports(&self.out)
        );
        Ok(header + &self.out)
    }

    /// Two names of the model must not become one Rust name.
    fn check_names(&self) -> Result<(), String> {
        let mut types = BTreeSet::new();
        let mut statics = BTreeSet::new();
        for name in &self.reached {
            let shape = self.model.shape(name)?;
            let is_type = shape.kind == Type::Structure || !shape.values.is_empty();
            if (is_type && !types.insert(type_name(name))) || !statics.insert(static_name(name)) {
                return Err(format!("the name of shape `{name}` is taken"));
            }
        }
        match self.model.operations.iter().find(|(name, _)| types.contains(&type_name(name))) {
            Some((name, _)) => Err(format!("operation `{name}` has the name of a shape")),
            None => Ok(()),
        }
    }

    /// Payloads name a member, and the labels of a path are just the members that are in it, whole segments each.
    fn check_places(&self) -> Result<(), String> {
        for name in &self.reached {
            let shape = self.model.shape(name)?;
            if let Some(payload) =
                shape.payload.as_deref().filter(|payload| shape.members.get(payload).is_none())
            {
                return Err(format!("the payload of `{name}`, `{payload}`, is no member"));
            }
        }
        for (name, operation) in self.model.operations.iter() {
            let uri = &operation.http.request_uri;
            let mut labels =
                labels(uri).ok_or_else(|| format!("the path of `{name}` is not understood: {uri}"))?;
            let input = operation.input.as_ref().map(|input| self.model.shape(&input.shape)).transpose()?;
            let members = input.into_iter().flat_map(|shape| shape.members.iter());
            let in_path = members.filter(|(_, member)| member.location.as_deref() == Some("uri"));
            let mut expected: Vec<&str> =
                in_path.map(|(name, member)| member.location_name.as_deref().unwrap_or(name)).collect();
            labels.sort_unstable();
            expected.sort_unstable();
            if labels != expected {
                return Err(format!("the path of `{name}` has other labels than its input: {uri}"));
            }
        }
        Ok(())
    }

    fn service(&mut self) -> Result<(), String> {
        let metadata = &self.model.metadata;
        let protocols =
            metadata.protocols.iter().map(|name| protocol(name)).collect::<Result<Vec<_>, _>>()?;
        let name = metadata.signing_name.as_deref().unwrap_or(&metadata.endpoint_prefix);
        if name != self.service.name {
            return Err(format!("the model of `{}` signs as `{name}`", self.service.name));
        }
        line!(self, "/// What the model says of the service.");
        line!(self, "pub static SERVICE: ServiceSchema = ServiceSchema {{");
        line!(self, "name: {name:?}, id: {:?}, version: {:?},", metadata.service_id, metadata.api_version);
        line!(self, "protocols: &[{}],", protocols.join(", "));
        line!(self, "xml_namespace: {:?},", metadata.xml_namespace);
        line!(self, "target_prefix: {:?},", metadata.target_prefix);
        line!(self, "json_version: {:?},", metadata.json_version.as_deref().unwrap_or("1.1"));
        line!(self, "event_source: {:?},", self.service.event_source);
        let Service { is_global, .. } = self.service;
        line!(self, "is_global: {is_global},");
        let own = self.constraint_error()?;
        let constraint_error = if own.is_some() { "Some(&CONSTRAINT_ERROR)" } else { "None" };
        line!(self, "operations: OPERATIONS, errors: ERRORS, constraint_error: {constraint_error}, }};\n");
        if let Some(own) = own {
            line!(self, "static CONSTRAINT_ERROR: ConstraintError = {own};\n");
        }
        line!(self, "/// Every operation, sorted by name.");
        line!(self, "pub static OPERATIONS: &[&OperationSchema] = &[");
        for name in self.operation_names() {
            line!(self, "&description::{},", static_name(&name));
        }
        line!(self, "];\n");
        Ok(())
    }

    /// What answers broken constraints, if an override names an exception of the service for it.
    fn constraint_error(&self) -> Result<Option<String>, String> {
        let mut named = self.model.shapes.iter().filter_map(|(name, shape)| {
            shape.patch.constraints.as_ref().map(|answers| (name, shape, answers))
        });
        let Some((name, shape, answers)) = named.next() else { return Ok(None) };
        let ConstraintAnswers { member, reasons } = answers;
        if let Some((other, ..)) = named.next() {
            return Err(format!("both `{name}` and `{other}` answer broken constraints"));
        }
        if !shape.exception {
            return Err(format!("`{name}` answers broken constraints and is no exception"));
        }
        let target = shape.members.get(member).ok_or_else(|| format!("`{name}` has no `{member}`"))?;
        let known = &self.model.shape(&target.shape)?.values;
        let mut out = String::new();
        for Reason { constraint, shape, value, message } in reasons {
            if !known.contains(value) {
                return Err(format!("`{}` has no value `{value}`", target.shape));
            }
            if let Some(shape) = shape {
                self.model.shape(shape)?;
            }
            out.push_str(&format!(
                "Reason {{ constraint: Constraint::{constraint:?}, shape: {shape:?}, value: {value:?}, message: {message:?} }}, "
            ));
        }
        let error = error_name(name);
        Ok(Some(format!(
            "ConstraintError {{ error: ErrorCode::{error}.schema(), member: {member:?}, reasons: &[{out}] }}"
        )))
    }

    fn operation_names(&self) -> Vec<String> {
        let mut names: Vec<String> = self.model.operations.iter().map(|(name, _)| name.to_owned()).collect();
        names.sort();
        names
    }

    fn errors(&mut self) -> Result<(), String> {
        let mut names = Vec::new();
        line!(self, "error_codes! {{");
        for (name, shape) in self.model.shapes.iter().filter(|(_, shape)| shape.exception) {
            // Without a trait, services send the shape's name and status 400.
            let (code, status, sender) = shape.error.as_ref().map_or((name, 400, !shape.fault), |error| {
                (error.code.as_deref().unwrap_or(name), error.http_status_code, error.sender_fault)
            });
            let fault = if sender { "Sender" } else { "Receiver" };
            line!(self, "{} = {code:?}, {status}, {fault};", error_name(name));
            names.push(error_name(name));
        }
        line!(self, "}}\n");
        line!(self, "static ERRORS: &[&ErrorSchema] = &[");
        for name in names {
            line!(self, "ErrorCode::{name}.schema(),");
        }
        line!(self, "];\n");
        Ok(())
    }

    fn types(&self) -> Result<String, String> {
        let mut out = String::new();
        for name in &self.reached {
            let shape = self.model.shape(name)?;
            if !shape.values.is_empty() {
                out.push_str(&enum_type(name, shape)?);
            } else if shape.kind == Type::Structure {
                out.push_str(&self.structure_type(name, shape)?);
            }
        }
        Ok(out)
    }

    fn structure_type(&self, name: &str, shape: &Shape) -> Result<String, String> {
        let mut fields = String::new();
        for (member, target) in shape.members.iter() {
            let inner = self.rust_type(&target.shape)?;
            let required = shape.required.iter().any(|required| required == member);
            let kind = if required { inner } else { format!("Option<{inner}>") };
            fields.push_str(&format!("        pub {}: {kind},\n", field_name(member)));
        }
        let default = if self.has_default(name)? { "    #[derive(Default)]\n" } else { "" };
        Ok(format!(
            "structure! {{\n    schema::{};\n{default}    pub struct {} {{\n{fields}    }}\n}}\n\n",
            static_name(name),
            type_name(name)
        ))
    }

    /// Whether every required member has a default: an enum has none.
    fn has_default(&self, name: &str) -> Result<bool, String> {
        let shape = self.model.shape(name)?;
        if !shape.values.is_empty() {
            return Ok(false);
        }
        for required in shape.required.iter().filter_map(|name| shape.members.get(name)) {
            let target = self.model.shape(&required.shape)?;
            let nested = target.kind == Type::Structure || !target.values.is_empty();
            if nested && !self.has_default(&required.shape)? {
                return Ok(false);
            }
        }
        Ok(true)
    }

    fn rust_type(&self, name: &str) -> Result<String, String> {
        let shape = self.model.shape(name)?;
        Ok(match shape.kind {
            Type::Blob if shape.sensitive => "SensitiveBlob".to_owned(),
            Type::Blob => "Vec<u8>".to_owned(),
            Type::Boolean => "bool".to_owned(),
            Type::Double | Type::Float => "f64".to_owned(),
            Type::Integer => "i32".to_owned(),
            Type::List => format!("Vec<{}>", self.rust_type(member_of(name, shape)?)?),
            Type::Long => "i64".to_owned(),
            Type::Map => {
                let (key, value) = entry_of(name, shape)?;
                format!("BTreeMap<{}, {}>", self.rust_type(&key.shape)?, self.rust_type(&value.shape)?)
            }
            Type::String if !shape.values.is_empty() => type_name(name),
            Type::String if shape.sensitive => "Sensitive".to_owned(),
            Type::String => "String".to_owned(),
            Type::Structure => type_name(name),
            Type::Timestamp => "Time".to_owned(),
        })
    }

    fn operations(&mut self) -> Result<(), String> {
        for name in self.operation_names() {
            let operation = self.model.operations.get(&name).ok_or("unknown operation")?;
            let kind = |target: &Option<Target>| {
                target.as_ref().map_or_else(|| "Empty".to_owned(), |target| type_name(&target.shape))
            };
            let (input, output) = (kind(&operation.input), kind(&operation.output));
            let (kind, text) = (type_name(&name), static_name(&name));
            line!(self, "operation! {{ {kind}({input}) -> {output} = description::{text} }}");
        }
        let types: Vec<String> = self.operation_names().iter().map(|name| type_name(name)).collect();
        line!(self, "\n/// Calls the macro `$visit` with the type of every operation.\n#[macro_export]");
        line!(self, "macro_rules! {}_operations {{ ($visit:ident) => {{ $visit! {{", self.service.name);
        line!(self, "    {}\n}} }} }}", types.join(",\n    "));
        line!(self, "\n/// The operations as the codecs see them.");
        line!(self, "pub mod description {{\nuse super::*;\n");
        for name in self.operation_names() {
            let operation = self.model.operations.get(&name).ok_or("unknown operation")?;
            let text = description(&name, operation);
            self.out.push_str(&text);
        }
        line!(self, "}}\n");
        Ok(())
    }

    fn schemas(&mut self) -> Result<(), String> {
        line!(self, "/// The shapes as the codecs see them.\npub mod schema {{\nuse super::*;\n");
        for name in self.reached.clone() {
            let kind = self.kind(&name)?;
            let shape = self.model.shape(&name)?;
            let sensitive = if shape.sensitive { ".sensitive()" } else { "" };
            let target = static_name(&name);
            line!(self, "pub static {target}: Schema = Schema::new({name:?}, {kind}){sensitive};");
        }
        for (index, ranges) in std::mem::take(&mut self.classes).iter().enumerate() {
            line!(
                self,
                "\n#[rustfmt::skip]\nstatic CLASS_{index}: &[(char, char)] = &[\n{}];",
                table(ranges)
            );
        }
        line!(self, "}}");
        Ok(())
    }

    /// The `Kind` of a shape. Patterns stand beside it as statics of their own.
    fn kind(&mut self, name: &str) -> Result<String, String> {
        let pattern = self.pattern(name)?;
        let shape = self.model.shape(name)?;
        let range = range(shape);
        Ok(match shape.kind {
            Type::Blob => format!("Kind::Blob({range})"),
            Type::Boolean => "Kind::Boolean".to_owned(),
            Type::Double | Type::Float => "Kind::Double".to_owned(),
            Type::Integer => format!("Kind::Integer({range})"),
            Type::List => self.list_kind(name, shape, &range)?,
            Type::Long => format!("Kind::Long({range})"),
            Type::Map => self.map_kind(name, shape, &range)?,
            Type::String if !shape.values.is_empty() => format!("Kind::Enum(&{:?})", shape.values),
            Type::String => format!("Kind::String({range}, {pattern})"),
            Type::Structure => {
                let kind = if shape.union { "Union" } else { "Structure" };
                let members =
                    shape.members.iter().map(|(member, target)| self::member(shape, member, target));
                let members = members.collect::<Result<Vec<_>, _>>()?;
                format!("Kind::{kind}(&[{}])", members.join(", "))
            }
            Type::Timestamp => {
                let format = shape.timestamp_format.as_deref().map(timestamp).transpose()?;
                format!(
                    "Kind::Timestamp({})",
                    format.map_or("None".to_owned(), |format| format!("Some({format})"))
                )
            }
        })
    }

    fn list_kind(&self, name: &str, shape: &Shape, range: &str) -> Result<String, String> {
        let member = shape.member.as_ref().ok_or_else(|| format!("list `{name}` has no member"))?;
        Ok(format!(
            "Kind::List(List {{ member: &{}, member_name: {:?}, flattened: {}, length: {range} }})",
            static_name(&member.shape),
            member.location_name.as_deref().unwrap_or("member"),
            shape.flattened
        ))
    }

    fn map_kind(&self, name: &str, shape: &Shape, range: &str) -> Result<String, String> {
        let (key, value) = entry_of(name, shape)?;
        Ok(format!(
            "Kind::Map(Map {{ key: &{}, value: &{}, key_name: {:?}, value_name: {:?}, flattened: {}, length: {range} }})",
            static_name(&key.shape),
            static_name(&value.shape),
            key.location_name.as_deref().unwrap_or("key"),
            value.location_name.as_deref().unwrap_or("value"),
            shape.flattened
        ))
    }

    /// Writes the pattern of a shape as a static and returns the expression that refers to it.
    fn pattern(&mut self, name: &str) -> Result<String, String> {
        let shape = self.model.shape(name)?;
        let Some(text) = shape.pattern.clone() else { return Ok("None".to_owned()) };
        let patch = shape.patch.clone();
        let matcher = pattern::read(patch.expression.as_ref().unwrap_or(&text))?;
        let value = match matcher {
            Matcher::Class { ranges, min } => {
                format!("Pattern::class({}, CLASS_{}, {min})", raw(&text), self.class(ranges))
            }
            Matcher::Expression(source) => {
                format!("Pattern::expression({}, {}, {:?})", raw(&text), raw(&source), patch.without)
            }
        };
        let target = format!("{}_PATTERN", static_name(name));
        line!(self, "static {target}: Pattern = {value};");
        Ok(format!("Some(&{target})"))
    }

    fn class(&mut self, ranges: Vec<(char, char)>) -> usize {
        let known = self.classes.iter().position(|class| *class == ranges);
        known.unwrap_or_else(|| {
            self.classes.push(ranges);
            self.classes.len() - 1
        })
    }
}

/// Collects the shapes that `name` reaches, itself included.
fn reach(model: &Model, name: &str, names: &mut BTreeSet<String>) -> Result<(), String> {
    if !names.insert(name.to_owned()) {
        return Ok(());
    }
    let shape = model.shape(name)?;
    for (_, member) in shape.members.iter() {
        reach(model, &member.shape, names)?;
    }
    for target in [&shape.member, &shape.key, &shape.value].into_iter().flatten() {
        reach(model, &target.shape, names)?;
    }
    Ok(())
}

fn member_of<'a>(name: &str, shape: &'a Shape) -> Result<&'a str, String> {
    let member = shape.member.as_ref().ok_or_else(|| format!("list `{name}` has no member"))?;
    Ok(&member.shape)
}

fn entry_of<'a>(name: &str, shape: &'a Shape) -> Result<(&'a Target, &'a Target), String> {
    match (&shape.key, &shape.value) {
        (Some(key), Some(value)) => Ok((key, value)),
        _ => Err(format!("map `{name}` has no key or value")),
    }
}

fn enum_type(name: &str, shape: &Shape) -> Result<String, String> {
    let mut taken = BTreeSet::new();
    let mut variants = String::new();
    for value in &shape.values {
        let mut variant = variant_name(value);
        // `INVALID_REQUEST` and `invalid_request` are two values.
        if taken.contains(&variant) && !value.contains(char::is_uppercase) {
            variant.push_str("Lower");
        }
        if !taken.insert(variant.clone()) {
            return Err(format!("enum `{name}` has two variants `{variant}`"));
        }
        variants.push_str(&format!("        {variant} = {value:?},\n"));
    }
    Ok(format!("string_enum! {{\n    pub enum {} {{\n{variants}    }}\n}}\n\n", type_name(name)))
}

fn member(shape: &Shape, name: &str, member: &Member) -> Result<String, String> {
    let mut out = format!("Member::new({name:?}, &{})", static_name(&member.shape));
    if shape.required.iter().any(|required| required == name) {
        out.push_str(".required()");
    }
    if let Some(wire) = member.location_name.as_deref().filter(|wire| *wire != name) {
        out.push_str(&format!(".named({wire:?})"));
    }
    match &member.location {
        Some(place) => out.push_str(&format!(".at({})", location(place)?)),
        None if shape.payload.as_deref() == Some(name) => out.push_str(".at(Location::Payload)"),
        None => {}
    }
    if let Some(format) = &member.timestamp_format {
        out.push_str(&format!(".timestamp({})", timestamp(format)?));
    }
    for (set, call) in [
        (member.flattened, ".flattened()"),
        (member.idempotency_token, ".idempotency_token()"),
        (member.xml_attribute, ".xml_attribute()"),
    ] {
        out.push_str(if set { call } else { "" });
    }
    Ok(out)
}

fn description(name: &str, operation: &Operation) -> String {
    let schema = |target: &Option<Target>| {
        target.as_ref().map_or_else(
            || "rootward_wire::EMPTY".to_owned(),
            |target| format!("schema::{}", static_name(&target.shape)),
        )
    };
    let wrapper = operation.output.as_ref().and_then(|output| output.result_wrapper.as_deref());
    let errors = operation.errors.iter();
    let errors: Vec<String> =
        errors.map(|error| format!("ErrorCode::{}.schema()", error_name(&error.shape))).collect();
    format!(
        "pub static {}: OperationSchema = OperationSchema {{ name: {name:?}, service: &SERVICE, http: ({:?}, {:?}), \
         status: {}, input: &{}, output: &{}, result_wrapper: {wrapper:?}, errors: &[{}], anonymous: {} }};\n",
        static_name(name),
        operation.http.method,
        operation.http.request_uri,
        operation.http.response_code.unwrap_or(200),
        schema(&operation.input),
        schema(&operation.output),
        errors.join(", "),
        operation.authtype.as_deref() == Some("none"),
    )
}

/// The names of the labels in a path; none if one is only a part of a segment or stands in the parameters.
fn labels(uri: &str) -> Option<Vec<&str>> {
    let (path, parameters) = uri.split_once('?').unwrap_or((uri, ""));
    let mut found = Vec::new();
    for segment in path.split('/') {
        match segment.strip_prefix('{').and_then(|inner| inner.strip_suffix('}')) {
            Some(label) => found.push(label.strip_suffix('+').unwrap_or(label)),
            None if segment.contains(['{', '}']) => return None,
            None => {}
        }
    }
    (!parameters.contains(['{', '}'])).then_some(found)
}

fn range(shape: &Shape) -> String {
    let bounds = match (shape.min, shape.max) {
        (None, None) => "Range::ANY".to_owned(),
        (Some(min), None) => format!("Range::at_least({min})"),
        (None, Some(max)) => format!("Range::at_most({max})"),
        (Some(min), Some(max)) => format!("Range::new({min}, {max})"),
    };
    if shape.patch.quoted { bounds + ".quoted()" } else { bounds }
}

fn protocol(name: &str) -> Result<String, String> {
    let variant = match name {
        "json" => "Json",
        "query" => "Query",
        "rest-json" => "RestJson",
        "rest-xml" => "RestXml",
        _ => return Err(format!("unknown protocol `{name}`")),
    };
    Ok(format!("Protocol::{variant}"))
}

fn location(name: &str) -> Result<&'static str, String> {
    match name {
        "header" => Ok("Location::Header"),
        "headers" => Ok("Location::Headers"),
        "querystring" => Ok("Location::QueryString"),
        "statusCode" => Ok("Location::StatusCode"),
        "uri" => Ok("Location::Uri"),
        _ => Err(format!("unknown location `{name}`")),
    }
}

fn timestamp(name: &str) -> Result<&'static str, String> {
    match name {
        "iso8601" => Ok("TimestampFormat::Iso8601"),
        "rfc822" => Ok("TimestampFormat::HttpDate"),
        "unixTimestamp" => Ok("TimestampFormat::EpochSeconds"),
        _ => Err(format!("unknown timestamp format `{name}`")),
    }
}

/// The `use` lines for the names that `code` uses.
fn imports(code: &str) -> String {
    // A member may be called like one of them: that is a text.
    let used = |name: &&&str| {
        let words = code.split(|c: char| !c.is_alphanumeric() && c != '_').filter(|word| word == *name);
        words.count() > code.matches(&format!("\"{name}\"")).count()
    };
    let wire: Vec<&str> = WIRE.iter().filter(used).copied().collect();
    let mut out = String::new();
    if used(&&"BTreeMap") {
        out.push_str("use std::collections::BTreeMap;\n\n");
    }
    if used(&&"Time") {
        out.push_str("use rootward_names::Time;\n");
    }
    out.push_str(&format!("use rootward_wire::{{{}}};\n", wire.join(", ")));
    out
}

const WIRE: &[&str] = &[
    "Constraint",
    "ConstraintError",
    "Empty",
    "ErrorSchema",
    "Kind",
    "List",
    "Location",
    "Map",
    "Member",
    "OperationSchema",
    "Pattern",
    "Protocol",
    "Range",
    "Reason",
    "Schema",
    "Sensitive",
    "SensitiveBlob",
    "ServiceSchema",
    "TimestampFormat",
    "error_codes",
    "operation",
    "string_enum",
    "structure",
];

/// A raw string literal, which keeps patterns readable.
fn raw(text: &str) -> String {
    if text.contains('"') { format!("{text:?}") } else { format!("r\"{text}\"") }
}

/// The ranges of a class, as many on a line as fit.
fn table(ranges: &[(char, char)]) -> String {
    let mut out = String::new();
    let mut line = String::new();
    for (low, high) in ranges {
        let entry = format!("({}, {}),", literal(*low), literal(*high));
        if line.len() + entry.len() > 105 {
            out.push_str(&format!("    {}\n", line.trim_end()));
            line.clear();
        }
        line.push_str(&entry);
        line.push(' ');
    }
    out.push_str(&format!("    {}\n", line.trim_end()));
    out
}

fn literal(c: char) -> String {
    if c.is_ascii_graphic() { format!("{c:?}") } else { format!("'\\u{{{:x}}}'", u32::from(c)) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn label_is_a_whole_segment() {
        assert_eq!(labels("/a/{Id}/{Key+}?list-type=2").unwrap(), ["Id", "Key"]);
        assert_eq!(labels("/").unwrap(), [""; 0]);
        for uri in ["/a{Id}", "/{Id}.json", "/a?x={Id}"] {
            assert_eq!(labels(uri), None, "{uri}");
        }
    }

    #[test]
    fn values_that_differ_by_case_are_two_variants() {
        let shape = r#"{"type":"string","enum":["INVALID_REQUEST","invalid_request"]}"#;
        let code = enum_type("Code", &serde_json::from_str(shape).unwrap()).unwrap();
        assert!(code.contains("InvalidRequest = \"INVALID_REQUEST\""), "{code}");
        assert!(code.contains("InvalidRequestLower = \"invalid_request\""), "{code}");
        let shape = r#"{"type":"string","enum":["a-b","A_b"]}"#;
        assert!(enum_type("Code", &serde_json::from_str(shape).unwrap()).is_err());
    }
}
