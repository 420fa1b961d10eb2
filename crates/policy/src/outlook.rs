//! The outlook: whether condition keys that a request does not have could change the decision on it.
//!
//! A question that is asked before there is a request (may she do this at all?) lacks what only requests have: an address, a
//! time, a session. A key that whoever asks knows to stay absent is not missing; one that may have another value then is. A statement
//! about the action, the resource and the principal is *open* when whether it matches turns on such a key. Decided twice, once with the
//! open statements as favourable as could be and once as unfavourable, the request is allowed whatever the keys, denied whatever they
//! are, or it depends.
//!
//! Guarantee, held by a property over the oracle's worlds (`crates/oracle/tests/it/twin.rs`): [`Outlook::Allowed`] and
//! [`Outlook::Denied`] hold whatever values the missing keys take. `Depends` may be too much:
//! open statements are taken one by one, though no request may make all of them match, or only some of their conditions may be
//! about missing keys.

use crate::condition::Condition;
use crate::decide::{Facts, Grants, Request};
use crate::explain::{LayerTrace, StatementTrace, Verdict};
use crate::pattern::Key;
use crate::policy::Effect;
use crate::principal::Named;
use crate::program::{Miss, Statement};

/// What missing condition keys leave of a decision.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Outlook {
    /// Allowed, whatever the missing keys are.
    Allowed,
    /// Denied, whatever the missing keys are.
    Denied,
    /// It depends on them.
    Depends,
}

pub(crate) fn outlook(request: &Request<'_>, facts: &Facts, layers: &[LayerTrace<'_>]) -> Outlook {
    let decided = |favourable| allowed(request, facts, layers, favourable);
    match (decided(false), decided(true)) {
        (true, _) => Outlook::Allowed,
        (false, true) => Outlook::Depends,
        (false, false) => Outlook::Denied,
    }
}

fn allowed(request: &Request<'_>, facts: &Facts, layers: &[LayerTrace<'_>], favourable: bool) -> bool {
    let mut grants = Grants::before(request.principal);
    for trace in layers {
        let taken = |statement: &&StatementTrace<'_>| match (statement.open, statement.effect) {
            (true, Effect::Allow) => favourable,
            (true, Effect::Deny) => !favourable,
            (false, _) => statement.verdict == Verdict::Matched,
        };
        let mut taken = trace.statements.iter().filter(taken);
        if taken.clone().any(|statement| statement.effect == Effect::Deny) && !facts.passes_over(trace.layer)
        {
            return false;
        }
        // What did not match has not been asked how closely it names the caller: as closely as could be.
        let named = |statement: &StatementTrace<'_>| match statement.named {
            Named::No => Named::Directly,
            named => named,
        };
        let best = taken
            .by_ref()
            .map(|statement| (named(statement), statement.cause))
            .max_by_key(|(named, _)| *named);
        grants.note(trace.layer, best);
    }
    grants.combine(request.principal, facts).is_ok()
}

/// Whether a missing key could make a statement match that missed like this, or not match.
pub(crate) fn is_open(statement: &Statement, miss: Option<Miss>, is_missing: &dyn Fn(&Key) -> bool) -> bool {
    match miss {
        None => statement.keys().any(is_missing),
        Some(Miss::Condition(at)) => statement.conditions.get(at).is_some_and(|it| keys(it).any(is_missing)),
        // A variable may have been what did not fit. Those of resources come first.
        Some(Miss::Resource) => {
            let others = statement.conditions.iter().flat_map(keys).count();
            let count = statement.keys().count() - others;
            statement.keys().take(count).any(is_missing)
        }
        Some(Miss::Action | Miss::Principal) => false,
    }
}

fn keys(condition: &Condition) -> impl Iterator<Item = &Key> {
    std::iter::once(&condition.key).chain(condition.variables())
}

#[cfg(test)]
mod tests {
    use crate::{
        Attached, Context, Policies, Principal, PrincipalKind, Program, Request, Source, explain_knowing,
    };

    use super::*;

    fn outlook_of(statements: &str, context: &Context) -> Outlook {
        explained(statements, context, |_, is_present| is_present).0
    }

    /// And the keys that are missing.
    fn explained(
        statements: &str,
        context: &Context,
        is_settled: impl Fn(&str, bool) -> bool,
    ) -> (Outlook, Vec<String>) {
        let program =
            Program::of_stored(&format!(r#"{{"Version":"2012-10-17","Statement":[{statements}]}}"#));
        let identity = [Attached { program: &program, source: Source::Unnamed }];
        let kind = PrincipalKind::User { arn: "arn:aws:iam::111111111111:user/ann", id: "" };
        let account = "111111111111".parse().ok();
        let principal = Principal { kind, account, management_account: false };
        let request = Request {
            principal: &principal,
            action: "s3:GetObject",
            resource: "arn:aws:s3:::b/k",
            resource_account: None,
            context,
        };
        let policies = Policies { identity: &identity, ..Policies::default() };
        let explanation = explain_knowing(&request, &policies, is_settled);
        let missing = explanation.missing_keys.iter().map(|&key| key.to_owned());
        (explanation.outlook, missing.collect())
    }

    const ALLOW: &str = r#"{"Effect":"Allow","Action":"s3:*","Resource":"*"}"#;
    const ALLOW_HOME: &str = r#"{"Effect":"Allow","Action":"s3:*","Resource":"*",
        "Condition":{"IpAddress":{"aws:SourceIp":"10.0.0.0/8"}}}"#;
    const DENY_AWAY: &str = r#"{"Effect":"Deny","Action":"s3:*","Resource":"*",
        "Condition":{"NotIpAddress":{"aws:SourceIp":"10.0.0.0/8"}}}"#;

    #[test]
    fn missing_key_leaves_open_what_turns_on_it_alone() {
        let none = Context::new();
        assert_eq!(outlook_of(ALLOW, &none), Outlook::Allowed);
        assert_eq!(outlook_of(ALLOW_HOME, &none), Outlook::Depends);
        assert_eq!(outlook_of(&format!("{ALLOW},{ALLOW_HOME}"), &none), Outlook::Allowed);
        assert_eq!(outlook_of(&format!("{ALLOW},{DENY_AWAY}"), &none), Outlook::Depends);
        assert_eq!(outlook_of(DENY_AWAY, &none), Outlook::Denied);
        let own = r#"{"Effect":"Allow","Action":"s3:*","Resource":"arn:aws:s3:::b/${aws:PrincipalTag/k}"}"#;
        assert_eq!(outlook_of(own, &none), Outlook::Depends);
        let other = r#"{"Effect":"Allow","Action":"s3:*","Resource":"arn:aws:s3:::c",
            "Condition":{"IpAddress":{"aws:SourceIp":"10.0.0.0/8"}}}"#;
        assert_eq!(outlook_of(other, &none), Outlook::Denied);
        let mut team = Context::new();
        team.text("aws:RequestTag/Team", "red");
        let variable = r#"{"Effect":"Allow","Action":"s3:*","Resource":"*",
            "Condition":{"StringEquals":{"aws:RequestTag/Team":"${aws:PrincipalTag/Team}"}}}"#;
        assert_eq!(outlook_of(variable, &team), Outlook::Depends);
    }

    #[test]
    fn key_that_is_known_to_be_absent_leaves_nothing_open() {
        let deny_unless = |key: &str| {
            format!(
                r#"{ALLOW},{{"Effect":"Deny","Action":"s3:*","Resource":"*","Condition":{{"Null":{{"{key}":"true"}}}}}}"#
            )
        };
        let known =
            |statements: &str| explained(statements, &Context::new(), |key, _| key == "aws:AssumedRoot");
        assert_eq!(known(&deny_unless("aws:AssumedRoot")), (Outlook::Denied, vec![]));
        let other = deny_unless("aws:SourceVpc");
        assert_eq!(known(&other), (Outlook::Depends, vec!["aws:SourceVpc".to_owned()]));
        let mut context = Context::new();
        context.bool("aws:AssumedRoot", true);
        let given = explained(&deny_unless("aws:AssumedRoot"), &context, |_, _| true);
        assert_eq!(given, (Outlook::Allowed, vec![]));
        // And one that is there now may be another then.
        let open = explained(&deny_unless("aws:AssumedRoot"), &context, |_, _| false);
        assert_eq!(open, (Outlook::Depends, vec!["aws:AssumedRoot".to_owned()]));
    }

    #[test]
    fn given_keys_leave_nothing_open() {
        let mut context = Context::new();
        context.text("aws:SourceIp", "10.1.2.3");
        assert_eq!(outlook_of(ALLOW_HOME, &context), Outlook::Allowed);
        context.text("aws:SourceIp", "192.0.2.1");
        assert_eq!(outlook_of(&format!("{ALLOW},{DENY_AWAY}"), &context), Outlook::Denied);
        assert_eq!(outlook_of(ALLOW_HOME, &context), Outlook::Denied);
    }
}
