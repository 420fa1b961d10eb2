//! `rootward operations`: which operations of which service are implemented, and who can be allowed to call them.

use clap::{Args, ValueEnum};
use rootward_server::Who;

use crate::{Answer, Outcome, text};

#[derive(Args)]
pub(crate) struct Operations {
    /// How to print them.
    #[arg(long, value_enum, default_value_t = Format::Text)]
    format: Format,
}

#[derive(Clone, Copy, ValueEnum)]
enum Format {
    Json,
    Text,
}

pub(crate) fn run(args: &Operations) -> Outcome {
    let operations = rootward_server::operations();
    match args.format {
        Format::Text => {
            operations.iter().for_each(|(service, name, _)| text::line(format_args!("{service}\t{name}")))
        }
        Format::Json => {
            let rows: Vec<_> = operations
                .iter()
                .map(|(service, name, who)| {
                    serde_json::json!({"service": service, "operation": name, "callers": shown(*who)})
                })
                .collect();
            text::line(serde_json::Value::from(rows));
        }
    }
    Ok(Answer::Yes)
}

fn shown(who: Who) -> &'static str {
    match who {
        Who::Anyone => "anyone",
        Who::Root => "root",
        Who::RootOrOrganization => "root-or-organization",
    }
}
