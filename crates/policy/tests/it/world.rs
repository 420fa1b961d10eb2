//! A world of one account, `111111111111`, in which a test says only what matters to it.

use rootward_policy::{
    Attached, Context, Decision, Policies, Principal, PrincipalKind, Program, Request, Source, decide,
    explain,
};

pub(crate) const USER: PrincipalKind<'static> =
    PrincipalKind::User { arn: "arn:aws:iam::111111111111:user/ann", id: "AIDA0000000000000ANN" };
pub(crate) const SESSION: PrincipalKind<'static> = PrincipalKind::RoleSession {
    session_arn: "arn:aws:sts::111111111111:assumed-role/app/s1",
    role_arn: "arn:aws:iam::111111111111:role/team/app",
    role_id: "AROA0000000000000APP",
};
pub(crate) const BUCKET_OBJECT: &str = "arn:aws:s3:::b/k";

/// A stored document with these statements.
pub(crate) fn program(statements: &str) -> Program {
    let program = Program::of_stored(&format!(r#"{{"Version":"2012-10-17","Statement":[{statements}]}}"#));
    assert!(program.is_readable(), "{statements}");
    program
}

pub(crate) fn of(program: &Program) -> Attached<'_> {
    Attached { program, source: Source::Unnamed }
}

/// What is asked, with the usual answers to what a test does not care about.
pub(crate) struct Asked<'a> {
    pub(crate) kind: PrincipalKind<'a>,
    pub(crate) action: &'a str,
    pub(crate) resource: &'a str,
    pub(crate) owner: &'a str,
    pub(crate) context: Context,
}

impl Default for Asked<'_> {
    fn default() -> Self {
        Self {
            kind: USER,
            action: "s3:GetObject",
            resource: BUCKET_OBJECT,
            owner: "111111111111",
            context: Context::new(),
        }
    }
}

impl Asked<'_> {
    fn with<R>(&self, run: impl FnOnce(&Request<'_>) -> R) -> R {
        let foreign = matches!(self.kind, PrincipalKind::Anonymous | PrincipalKind::Service { .. });
        let account = (!foreign).then(|| "111111111111".parse().unwrap());
        let principal = Principal { kind: self.kind, account, management_account: false };
        run(&Request {
            principal: &principal,
            action: self.action,
            resource: self.resource,
            resource_account: self.owner.parse().ok(),
            context: &self.context,
        })
    }

    pub(crate) fn decide<'p>(&self, policies: &Policies<'p>) -> Decision<'p> {
        self.with(|request| decide(request, policies))
    }

    pub(crate) fn explain(&self, policies: &Policies<'_>) -> String {
        self.with(|request| explain(request, policies).to_string())
    }

    /// The outcome with these statements as the only identity policy.
    pub(crate) fn by_identity(&self, statements: &str) -> String {
        let program = program(statements);
        self.decide(&Policies { identity: &[of(&program)], ..Policies::default() }).outcome.to_string()
    }
}

/// The outcome for a user asking for an object, with these statements as the only identity policy.
pub(crate) fn outcome(statements: &str) -> String {
    Asked::default().by_identity(statements)
}
