//! One policy document of an input: compiled, with the problems that kept it from being read.

use rootward_policy::{Attached, Diagnostics, Policy, Program, Source};

use crate::json::{Kind, Unreadable, Value};

/// A policy document.
#[derive(Debug)]
#[non_exhaustive]
pub struct Document {
    /// Where it stands in its case, such as `scps[0][1]`, or the name its corpus gives it.
    pub name: String,
    /// The document, unescaped if it was given as a string.
    pub text: String,
    /// Compiled; denies everything if the document cannot be read.
    pub program: Program,
    /// Why the document cannot be read.
    pub problems: Option<Diagnostics>,
}

impl Document {
    /// Reads an object, or a string that holds one.
    pub(crate) fn read(value: &Value<'_>, name: Option<String>) -> Result<Self, Unreadable> {
        let text = match value.kind() {
            Kind::Object => value.text().to_owned(),
            // A string that is no Unicode is kept as written: it is a document that cannot be read.
            Kind::Text => value.string().unwrap_or_else(|_| value.text().to_owned()),
            _ => return Err(value.fault("must be a policy: an object, or a string that holds one")),
        };
        let (program, problems) = match Policy::read_stored(&text) {
            Ok(policy) => (Program::compile(policy), None),
            Err(problems) => (Program::of_stored(&text), Some(problems)),
        };
        Ok(Self { name: name.unwrap_or_else(|| value.path().to_owned()), text, program, problems })
    }

    /// Explanations then name the document; the engine itself reads nothing into the name.
    pub(crate) fn attached(&self) -> Attached<'_> {
        Attached { program: &self.program, source: Source::Managed { arn: &self.name } }
    }
}
