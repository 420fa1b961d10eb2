//! Merging: the levels of an organization's policies as few programs, which come to the same outcome.
//!
//! The programs know nothing of the policies that their statements came from: they say whether, and the levels say why. What the causes
//! of their decisions point at is in no one document.
//!
//! Guarantee, held over the oracle's worlds (`crates/oracle/tests/it/twin.rs`): merged levels come to the outcome of the levels, and name
//! the same layer.

use std::collections::HashSet;
use std::sync::Arc;

use crate::policy::Effect;
use crate::program::{Program, Statement};

/// Merges levels of service control policies, from the root down, each with its policies. Each program that comes out of it is a level.
///
/// A level that allows everything only denies, so those that follow one another are one program: a statement that allows, and each
/// that denies, once. Any other level is a program of its own.
///
/// ```
/// use rootward_policy::{Program, merged_scps};
/// let program = |statement| Program::of_stored(&format!(r#"{{"Version": "2012-10-17", "Statement": {statement}}}"#));
/// let all = program(r#"{"Effect": "Allow", "Action": "*", "Resource": "*"}"#);
/// let deny = program(r#"{"Effect": "Deny", "Action": "s3:*", "Resource": "*"}"#);
/// let some = program(r#"{"Effect": "Allow", "Action": "s3:*", "Resource": "*"}"#);
/// assert_eq!(merged_scps([vec![&all, &deny], vec![&all]]).len(), 1);
/// assert_eq!(merged_scps([vec![&all, &deny], vec![&some], vec![&all]]).len(), 2);
/// assert_eq!(merged_scps([vec![&all]]).len(), 0);
/// ```
pub fn merged_scps<'a, P>(levels: impl IntoIterator<Item = P>) -> Box<[Program]>
where
    P: IntoIterator<Item = &'a Program>,
{
    let (mut programs, mut run) = (Vec::new(), Run::default());
    for level in levels {
        let statements: Vec<_> = level.into_iter().flat_map(|program| &program.statements).collect();
        match statements.iter().find(|statement| statement.allows_every_caller()) {
            Some(allow) => {
                if run.statements.is_empty() {
                    run.statements.push(Arc::clone(allow));
                }
                run.deny(statements);
            }
            None => {
                programs.extend(std::mem::take(&mut run).end());
                programs.push(Program::of(statements.into_iter().cloned().collect()));
            }
        }
    }
    programs.extend(run.end());
    programs.into()
}

/// Merges levels of resource control policies. No level of these needs an Allow (`RCPFullAWSAccess` is on all of them), so each statement
/// that denies is in one program, once.
pub fn merged_rcps<'a>(
    levels: impl IntoIterator<Item = impl IntoIterator<Item = &'a Program>>,
) -> Box<[Program]> {
    let mut run = Run::default();
    levels.into_iter().for_each(|level| run.deny(level.into_iter().flat_map(|program| &program.statements)));
    run.end().into_iter().collect()
}

/// Levels that only deny.
#[derive(Default)]
struct Run {
    statements: Vec<Arc<Statement>>,
    /// Those that deny: what is attached on several levels does it once.
    known: HashSet<*const Statement>,
}

impl Run {
    fn deny<'a>(&mut self, statements: impl IntoIterator<Item = &'a Arc<Statement>>) {
        let denies = statements.into_iter().filter(|statement| statement.effect == Effect::Deny);
        let new = denies.filter(|statement| self.known.insert(Arc::as_ptr(statement)));
        self.statements.extend(new.map(Arc::clone));
    }

    /// None that denies nothing: no level is as good as one that allows everything.
    fn end(self) -> Option<Program> {
        (!self.known.is_empty()).then(|| Program::of(self.statements.into()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Attached, Context, Policies, Principal, PrincipalKind, Request, Source, decide};

    fn program(statement: &str) -> Program {
        Program::of_stored(&format!(r#"{{"Version":"2012-10-17","Statement":[{statement}]}}"#))
    }

    /// Whether a user who may everything may do something under these levels.
    fn allows(levels: &[&[Attached<'_>]]) -> bool {
        let all = program(ALL);
        let context = Context::new();
        let request = Request {
            principal: &Principal {
                kind: PrincipalKind::User { arn: "arn:aws:iam::111122223333:user/ann", id: "" },
                account: "111122223333".parse().ok(),
                management_account: false,
            },
            action: "s3:GetObject",
            resource: "arn:aws:s3:::b/k",
            resource_account: None,
            context: &context,
        };
        let identity = [attached(&all)];
        let policies = Policies { identity: &identity, scps: Some(levels), ..Policies::default() };
        decide(&request, &policies).is_allowed()
    }

    fn attached(program: &Program) -> Attached<'_> {
        Attached { program, source: Source::Unnamed }
    }

    const ALL: &str = r#"{"Effect":"Allow","Action":"*","Resource":"*"}"#;
    const DENY: &str = r#"{"Effect":"Deny","Action":"iam:*","Resource":"*"}"#;

    /// `CreatePolicy` takes no such statements, but a document may come from elsewhere.
    #[test]
    fn level_whose_allow_means_nothing_for_a_caller_stays_a_level() {
        for odd in [
            r#"{"Effect":"Allow","Principal":"*","Action":"*","Resource":"*"}"#,
            r#"{"Effect":"Allow","Action":"*"}"#,
            r#"{"Effect":"Allow","Action":"*","Resource":"*","Condition":{"Bool":{"aws:SecureTransport":"true"}}}"#,
        ] {
            let (all, deny, odd) = (program(ALL), program(DENY), program(odd));
            for levels in [vec![vec![&odd]], vec![vec![&all], vec![&odd, &deny], vec![&all]]] {
                let each: Vec<Vec<_>> = levels
                    .iter()
                    .map(|level| level.iter().map(|program| attached(program)).collect())
                    .collect();
                assert!(!allows(&each.iter().map(Vec::as_slice).collect::<Vec<_>>()));
                let merged = merged_scps(levels);
                let each: Vec<[_; 1]> = merged.iter().map(|program| [attached(program)]).collect();
                assert!(!allows(&each.iter().map(<[_; 1]>::as_slice).collect::<Vec<_>>()));
            }
        }
    }

    #[test]
    fn resource_control_policies_are_one_program_that_denies() {
        let (all, deny) = (program(ALL), program(DENY));
        let merged = merged_rcps([vec![&all, &deny], vec![&deny], vec![&program(DENY)]]);
        assert_eq!(merged.iter().map(|program| program.statements.len()).collect::<Vec<_>>(), [2]);
        assert!(merged_rcps([[&all]]).is_empty());
    }
}
