//! `rootward guardrails`: ready service control policies, listed, shown and put in force.

use clap::{Args, Subcommand, ValueEnum};
use rootward_guardrails::{Guardrail, Region, all, get};
use rootward_names::AccountId;
use rootward_server::is_known_region;
use rootward_server::operator::Command;
use serde_json::{Value, json};

use crate::text::{self, printable};
use crate::{Answer, Data, Failure, Outcome};

#[derive(Subcommand)]
pub(crate) enum Guardrails {
    /// Put one in force: make the policy, turn its type on and attach it, as far as that is not so already.
    ///
    /// What the guardrail leaves open is said on standard error.
    Apply(Apply),
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
pub(crate) struct Apply {
    #[command(flatten)]
    what: Show,
    /// On what: `root` for the whole organization, or the id of its root, of a unit or of an account.
    #[arg(long, value_name = "TARGET")]
    target: String,
    /// The account that manages the organization; not needed if there is but one.
    #[arg(long, value_name = "ID")]
    account: Option<AccountId>,
    /// What the policy is called [default: as the guardrail].
    #[arg(long = "name", value_name = "POLICY", value_parser = policy_named)]
    policy_name: Option<String>,
    #[command(flatten)]
    data: Data,
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

fn policy_named(name: &str) -> Result<String, &'static str> {
    let is_one = (1..=128).contains(&name.chars().count());
    if is_one { Ok(name.to_owned()) } else { Err("the name of a policy has 1 to 128 characters") }
}

pub(crate) fn run(command: Guardrails) -> Outcome {
    match command {
        Guardrails::Apply(args) => apply(args),
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
            text::line(Value::from(rows));
        }
        Format::Text => {
            text::lines(all().iter().map(|guardrail| format!("{}\t{}", guardrail.name, guardrail.purpose)));
        }
    }
}

fn apply(args: Apply) -> Outcome {
    let Apply { what: Show { name: guardrail, regions }, target, account, policy_name, data } = args;
    let command = Command::ApplyGuardrail {
        account,
        name: guardrail.name.to_owned(),
        policy_name,
        regions: regions.iter().map(Region::to_string).collect(),
        target,
    };
    // What is wrong with the arguments is so in every folder.
    document(guardrail, &regions)?;
    let folder = data.location().shown();
    let answer = data.ask(command).map_err(|failure| match failure {
        Failure::Wrong(reason) => Failure::Wrong(format!("{reason} (data folder `{folder}`)")),
        failure @ Failure::Impossible(_) => failure,
    })?;
    text::line(format_args!("{answer:#}"));
    let told = |what: &str| answer.get(what).and_then(Value::as_str).map(printable).unwrap_or_default();
    text::aside(format_args!(
        "note: `{}` is attached to {} of organization {}, which account {} manages, in the data folder `{folder}`",
        told("PolicyName"),
        told("TargetId"),
        told("OrganizationId"),
        told("ManagementAccountId")
    ));
    let did = |what: &str| answer.get(what).and_then(Value::as_bool) == Some(true);
    if did("PolicyTypeNewlyEnabled") {
        text::aside("note: service control policies were turned on for the organization");
    }
    if !did("NewlyAttached") {
        text::aside("note: it was so already; nothing was done");
    }
    remark(guardrail, &regions);
    Ok(Answer::Yes)
}

fn show(guardrail: &Guardrail, regions: &[Region]) -> Outcome {
    text::line(document(guardrail, regions)?);
    remark(guardrail, regions);
    Ok(Answer::Yes)
}

fn document(guardrail: &Guardrail, regions: &[Region]) -> Result<String, Failure> {
    let document = guardrail.document(regions);
    let document =
        document.map_err(|error| Failure::Wrong(format!("{}: {error} (--regions)", guardrail.name)))?;
    Ok(document.trim_end().to_owned())
}

/// Says on standard error what the guardrail leaves open, and which regions may be mistyped: a server may use any name.
fn remark(guardrail: &Guardrail, regions: &[Region]) {
    for region in regions.iter().map(Region::to_string).filter(|region| !is_known_region(region)) {
        text::aside(format_args!("note: `{region}` is no region that is known; was another meant?"));
    }
    for left in guardrail.leaves {
        text::aside(format_args!("note: {left}"));
    }
}
