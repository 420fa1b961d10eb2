//! `rootward operations`: which operations of which service are implemented.

use clap::{Args, ValueEnum};

use crate::Outcome;

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
        Format::Text => operations.iter().for_each(|(service, name)| println!("{service}\t{name}")),
        Format::Json => {
            let rows: Vec<_> = operations
                .iter()
                .map(|(service, name)| serde_json::json!({"service": service, "operation": name}))
                .collect();
            println!("{}", serde_json::Value::from(rows));
        }
    }
    Outcome::Fine
}
