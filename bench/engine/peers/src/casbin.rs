//! casbin: one row for each pattern of the identity policies; it has no layers, and conditions are a function of ours.

use std::collections::{BTreeMap, BTreeSet};
use std::net::Ipv4Addr;
use std::sync::OnceLock;

use anyhow::{Result, anyhow};
use casbin::function_map::{OperatorFunction, dynamic_to_str};
use casbin::{CoreApi, DefaultModel, Enforcer, MemoryAdapter, MgmtApi};

use crate::Engine;
use crate::corpus::{Answer, Corpus, Effect, Statement, like};

const MODEL: &str = "\
[request_definition]
r = sub, act, obj, ctx
[policy_definition]
p = sub, act, obj, eft, cond
[policy_effect]
e = some(where (p.eft == allow)) && !some(where (p.eft == deny))
[matchers]
m = r.sub == p.sub && awsLike(r.act, p.act) && awsLike(r.obj, p.obj) && holds(p.cond, r.ctx)
";

/// What `holds` looks at; its kind of function takes no state along. Statements and requests go by their numbers.
static TABLES: OnceLock<Tables> = OnceLock::new();

struct Tables {
    statements: Vec<Statement>,
    contexts: Vec<BTreeMap<String, String>>,
}

pub(crate) fn engine(corpus: &Corpus) -> Result<Engine> {
    let statements = corpus.layers.identity.statements.clone();
    let rows = rows(corpus, &statements);
    let contexts = corpus.requests.iter().map(|request| request.context.clone()).collect();
    TABLES.set(Tables { statements, contexts }).map_err(|_| anyhow!("one corpus a process"))?;
    let runtime = tokio::runtime::Builder::new_current_thread().build()?;
    let mut enforcer = runtime.block_on(async {
        let mut enforcer =
            Enforcer::new(DefaultModel::from_str(MODEL).await?, MemoryAdapter::default()).await?;
        enforcer.add_policies(rows).await?;
        Ok::<_, casbin::Error>(enforcer)
    })?;
    enforcer.add_function(
        "awsLike",
        OperatorFunction::Arg2(|text, pattern| {
            like(&dynamic_to_str(&pattern), &dynamic_to_str(&text)).into()
        }),
    );
    enforcer.add_function(
        "holds",
        OperatorFunction::Arg2(|statement, request| {
            holds(&dynamic_to_str(&statement), &dynamic_to_str(&request)).unwrap_or(false).into()
        }),
    );
    let of = |(at, request): (usize, &crate::corpus::Request)| {
        [corpus.principal.clone(), request.action.clone(), request.resource.clone(), format!("n{at}")]
    };
    let requests: Vec<[String; 4]> = corpus.requests.iter().enumerate().map(of).collect();
    Ok(Box::new(move |at| {
        let Some([subject, action, object, context]) = requests.get(at) else { return Answer::Failed };
        match enforcer.enforce((&**subject, &**action, &**object, &**context)) {
            Ok(true) => Answer::Allowed,
            Ok(false) => Answer::Denied,
            Err(_) => Answer::Failed,
        }
    }))
}

fn rows(corpus: &Corpus, statements: &[Statement]) -> Vec<Vec<String>> {
    let mut rows = BTreeSet::new();
    for (at, statement) in statements.iter().enumerate() {
        let effect = if statement.effect == Effect::Allow { "allow" } else { "deny" };
        let condition = statement.conditions().next().map_or("always".to_owned(), |_| format!("n{at}"));
        for action in statement.actions().1 {
            for resource in statement.resources() {
                let row = [&corpus.principal, action, resource, effect, &condition];
                rows.insert(row.map(str::to_owned).to_vec());
            }
        }
    }
    rows.into_iter().collect()
}

fn holds(statement: &str, request: &str) -> Option<bool> {
    if statement == "always" {
        return Some(true);
    }
    let number = |text: &str| text.strip_prefix('n')?.parse::<usize>().ok();
    let tables = TABLES.get()?;
    let (statement, context) =
        (tables.statements.get(number(statement)?)?, tables.contexts.get(number(request)?)?);
    Some(statement.conditions().all(|condition| {
        let any = |fits: &dyn Fn(&str, &str) -> bool| {
            context
                .get(condition.key)
                .is_some_and(|has| condition.values.iter().any(|wanted| fits(wanted, has)))
        };
        match condition.operator {
            "Bool" | "StringEquals" => any(&|wanted, has| wanted == has),
            "DateLessThan" => any(&|wanted, has| has < wanted),
            "IpAddress" => any(&|wanted, has| covers(wanted, has) == Some(true)),
            "StringLike" => any(&like),
            _ => false,
        }
    }))
}

fn covers(network: &str, address: &str) -> Option<bool> {
    let (base, bits) = network.split_once('/')?;
    let shift = 32_u32.checked_sub(bits.parse().ok()?)?;
    let of = |text: &str| Some(u32::from(text.parse::<Ipv4Addr>().ok()?).checked_shr(shift).unwrap_or(0));
    Some(of(base)? == of(address)?)
}
