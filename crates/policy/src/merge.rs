//! Merging: the levels of an organization's policies as few programs, which come to the same outcome.
//!
//! A level that allows everything only denies, so those that follow one another are one program: a statement that allows, and each
//! that denies, once. Any other level is a program of its own. The programs know nothing of the policies that their statements came
//! from: they say whether, and the levels say why.

use std::collections::HashSet;
use std::sync::Arc;

use crate::policy::Effect;
use crate::program::{Program, Statement};

/// Merges levels, each with its policies; each program that comes out of it is a level.
///
/// ```
/// use rootward_policy::{Program, merged};
/// let program = |statement| Program::of_stored(&format!(r#"{{"Version": "2012-10-17", "Statement": {statement}}}"#));
/// let all = program(r#"{"Effect": "Allow", "Action": "*", "Resource": "*"}"#);
/// let deny = program(r#"{"Effect": "Deny", "Action": "s3:*", "Resource": "*"}"#);
/// let some = program(r#"{"Effect": "Allow", "Action": "s3:*", "Resource": "*"}"#);
/// assert_eq!(merged([vec![&all, &deny], vec![&all]]).len(), 1);
/// assert_eq!(merged([vec![&all, &deny], vec![&some], vec![&all]]).len(), 2);
/// assert_eq!(merged([vec![&all]]).len(), 0);
/// ```
pub fn merged<'a, P>(levels: impl IntoIterator<Item = P>) -> Box<[Program]>
where
    P: IntoIterator<Item = &'a Program>,
{
    let (mut programs, mut run, mut known) = (Vec::new(), Vec::new(), HashSet::new());
    for level in levels {
        let statements: Vec<_> = level.into_iter().flat_map(|program| &program.statements).collect();
        let Some(allow) = statements.iter().find(|statement| statement.allows_everything()) else {
            end(&mut programs, &mut run);
            known.clear();
            programs.push(Program::of(statements.into_iter().cloned().collect()));
            continue;
        };
        if run.is_empty() {
            run.push(Arc::clone(allow));
        }
        // What is attached on several levels denies once.
        let denies = statements.iter().filter(|statement| statement.effect == Effect::Deny);
        run.extend(denies.filter(|deny| known.insert(Arc::as_ptr(deny))).map(|deny| Arc::clone(deny)));
    }
    end(&mut programs, &mut run);
    programs.into()
}

/// Ends a run. One that denies nothing is none: no level is as good as one that allows everything.
fn end(programs: &mut Vec<Program>, run: &mut Vec<Arc<Statement>>) {
    let run = std::mem::take(run);
    if run.len() > 1 {
        programs.push(Program::of(run.into()));
    }
}
