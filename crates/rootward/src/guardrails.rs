//! `rootward guardrails`: ready service control policies, listed and shown.

use clap::{Args, Subcommand, ValueEnum};
use rootward_guardrails::{Guardrail, Region, all, get};
use serde_json::json;

use crate::{Answer, Failure, Outcome, text};

#[derive(Subcommand)]
pub(crate) enum Guardrails {
    /// List them: name and purpose.
    List(List),
    /// Print the document of one, as `aws organizations create-policy --content` takes it.
    ///
    /// What the guardrail leaves open is said on standard error.
    Show(Show),
}

#[derive(Args)]
pub(crate) struct List {
    /// How to print them.
    #[arg(long, value_enum, default_value_t = Format::Text)]
    format: Format,
}

#[derive(Clone, Copy, ValueEnum)]
enum Format {
    /// With what each leaves open, and whether it needs regions.
    Json,
    Text,
}

#[derive(Args)]
pub(crate) struct Show {
    /// Which one.
    #[arg(value_parser = named)]
    name: &'static Guardrail,
    /// The regions that stay open, for the guardrail that needs them, such as eu-central-1,eu-west-1.
    #[arg(long, value_name = "REGION", value_delimiter = ',')]
    regions: Vec<Region>,
}

fn named(name: &str) -> Result<&'static Guardrail, &'static str> {
    get(name).ok_or("`rootward guardrails list` lists those there are")
}

pub(crate) fn run(command: Guardrails) -> Outcome {
    match command {
        Guardrails::List(List { format }) => {
            list(format);
            Ok(Answer::Yes)
        }
        Guardrails::Show(Show { name, regions }) => show(name, &regions),
    }
}

fn list(format: Format) {
    match format {
        Format::Json => {
            let rows: Vec<_> = all()
                .iter()
                .map(|guardrail| {
                    json!({
                        "name": guardrail.name,
                        "purpose": guardrail.purpose,
                        "takesRegions": guardrail.takes_regions(),
                        "leaves": guardrail.leaves,
                    })
                })
                .collect();
            text::line(serde_json::Value::from(rows));
        }
        Format::Text => {
            text::lines(all().iter().map(|guardrail| format!("{}\t{}", guardrail.name, guardrail.purpose)));
        }
    }
}

fn show(guardrail: &Guardrail, regions: &[Region]) -> Outcome {
    let document = guardrail.document(regions);
    let document =
        document.map_err(|error| Failure::Wrong(format!("{}: {error} (--regions)", guardrail.name)))?;
    text::line(document.trim_end());
    for left in guardrail.leaves {
        text::aside(format_args!("note: {left}"));
    }
    Ok(Answer::Yes)
}
