//! Questions of the operator about what is in force: may somebody do something, and who may.
//!
//! Answered from one snapshot, with the policies that a request of the principal would be decided by: its own, its boundary, and
//! for actions of STS on a role that is kept here the role's trust policy; for `sts:AssumeRoot` what its operation puts in the place of
//! one. Policies of other resources are not kept here. What a request would say of itself (its address, its session's tags) is unknown;
//! an answer that turns on it says so.
//!
//! Time: linear in the principals that are asked about; `who_can` asks about a bounded number of them at a time.

use std::collections::BTreeSet;
use std::sync::Arc;

use rootward_auth::principal::root_arn;
use rootward_auth::root_task::RootTask;
use rootward_auth::{Identity, Principal, RoleSession, authz};
use rootward_insight::told;
use rootward_names::{AccountId, Arn, Partition, Random, Time, UniqueId};
use rootward_policy::{Context, Effect, Explanation, Layer, Outcome, Outlook};
use rootward_services::{root_trust, standing_remark};
use rootward_state::entities::{AccountStatus, InstanceProfile, ManagedPolicy, Named, Role, Tag, User};
use rootward_state::{AccountState, NameKey, World};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use crate::node::only_account;
use crate::operator::OperatorError;

/// Principals that one portion asks about.
const PRINCIPALS_MAX: usize = 2_000;

/// The session in which a role is asked about: there is none, and `aws:userid`, which would tell its name, is not set.
const SESSION_NAME: &str = "session";

/// What is asked.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Question {
    /// `service:Action`, without wildcards.
    pub action: String,
    /// An ARN, or `*`.
    pub resource: String,
    /// Condition keys with their values; several values make a multivalued key.
    pub context: Vec<(String, Vec<String>)>,
}

/// Where a portion of `who_can` ended: behind this principal.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Place {
    account: AccountId,
    kind: Kind,
    /// The key of the name; empty for root.
    name: String,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
enum Kind {
    Root,
    User,
    Role,
}

/// Whether `principal` may do what is asked, and why: `principal`, `allowed`, `decision`, `layer`, `statement`, `outlook`,
/// `missingKeys`, `refusal` (what no policy can allow), `explanation`, `remarks` (what the operation asks besides, a text each).
///
/// # Errors
/// [`OperatorError::Refused`]: the principal is none, is not there, or not without an account; the question is none.
pub(crate) fn can(
    world: &World,
    principal: &str,
    account: Option<AccountId>,
    question: &Question,
    now: Time,
    random: &mut dyn Random,
) -> Result<Value, OperatorError> {
    question.check()?;
    let principal = find(world, principal, account, now, random)?;
    ask(world, &principal, question, now, |explanation, refusal| {
        let decision = explanation.decision;
        json!({
            "principal": principal_arn(&principal),
            "action": question.action,
            "resource": question.resource,
            "allowed": refusal.is_none() && decision.is_allowed(),
            "decision": refusal.map_or(decision.outcome, |_| Outcome::ImplicitDeny).to_string(),
            "layer": refusal.is_none().then(|| decision.layer.name()),
            "statement": decision.cause.as_ref().filter(|_| refusal.is_none()).map(told::statement),
            "outlook": outlook(refusal.map_or(explanation.outlook, |_| Outlook::Denied)),
            "missingKeys": explanation.missing_keys,
            "refusal": refusal,
            "explanation": refusal.is_none().then(|| {
                let mut told = told::explanation(explanation);
                if let Some(Value::String(text)) = told.get_mut("text") {
                    *text = with_arns(world, principal.partition, text);
                }
                told
            }),
            "remarks": Vec::from_iter(standing_remark(world, principal.account, &question.action)),
        })
    })
}

/// Who may do what is asked, of the principals behind `after`: `found`, each with `principal`, `outlook`, `because` and
/// `missingKeys`; `next`, where the next portion begins, null if this was the last; and `remarks` on accounts of those found.
///
/// # Errors
/// [`OperatorError::Refused`]: the question is none, or there is no such account.
pub(crate) fn who_can(
    world: &World,
    account: Option<AccountId>,
    question: &Question,
    after: Option<&Place>,
    now: Time,
    random: &mut dyn Random,
) -> Result<Value, OperatorError> {
    question.check()?;
    if let Some(id) = account {
        state(world, id)?;
    }
    let (mut found, mut last, mut count) = (Vec::new(), None, 0);
    let mut accounts = BTreeSet::new();
    let mut principals = principals(world, account, after).peekable();
    while let Some((place, state, identity)) = principals.next() {
        let principal = principal(state, identity, now, random);
        found.extend(ask(world, &principal, question, now, |explanation, refusal| {
            let may = refusal.is_none() && explanation.outlook != Outlook::Denied;
            may.then(|| {
                accounts.insert(principal.account);
                entry(&principal, explanation)
            })
        })?);
        count += 1;
        if count == PRINCIPALS_MAX {
            last = principals.peek().map(|_| place);
            break;
        }
    }
    let remarks: Vec<_> =
        accounts.into_iter().filter_map(|id| standing_remark(world, id, &question.action)).collect();
    Ok(json!({ "found": found, "next": last, "remarks": remarks }))
}

fn entry(principal: &Principal, explanation: &Explanation<'_>) -> Value {
    let open = explanation.outlook == Outlook::Depends;
    json!({
        "principal": principal_arn(principal),
        "outlook": outlook(explanation.outlook),
        "because": because(explanation),
        "missingKeys": if open { explanation.missing_keys.clone() } else { Vec::new() },
    })
}

/// The statement that allows, or would with other keys; or why none is needed.
fn because(explanation: &Explanation<'_>) -> String {
    let decision = explanation.decision;
    match (decision.is_allowed(), decision.cause, decision.layer) {
        (true, Some(cause), _) => cause.to_string(),
        (true, None, Layer::Root) => "the root user may do everything in its account".to_owned(),
        (true, None, _) => "everyone may".to_owned(),
        (false, ..) => {
            let statements = explanation.layers.iter().flat_map(|trace| &trace.statements);
            let mut open = statements.filter(|statement| statement.open);
            // Without one that could allow, one that might not deny.
            let first =
                open.clone().find(|statement| statement.effect == Effect::Allow).or_else(|| open.next());
            first.map_or_else(String::new, |statement| statement.cause.to_string())
        }
    }
}

const fn outlook(outlook: Outlook) -> &'static str {
    match outlook {
        Outlook::Allowed => "allowed",
        Outlook::Denied => "denied",
        Outlook::Depends => "depends",
    }
}

impl Question {
    fn check(&self) -> Result<(), OperatorError> {
        let is_word = |text: &str| {
            !text.is_empty() && !text.contains(['*', '?', ':']) && !text.contains(char::is_whitespace)
        };
        if !self.action.split_once(':').is_some_and(|(service, name)| is_word(service) && is_word(name)) {
            return Err(refused(format!(
                "`{}` is no action: expected SERVICE:NAME without wildcards",
                self.action
            )));
        }
        if self.resource != "*" && Arn::parse(&self.resource).is_err() {
            return Err(refused(format!("`{}` is no resource: expected an ARN or *", self.resource)));
        }
        Ok(())
    }

    /// The task of a session of a root user that is asked about, if it is said.
    fn root_task(&self, partition: Partition) -> Option<RootTask> {
        let (_, values) =
            self.context.iter().find(|(key, _)| key.eq_ignore_ascii_case("sts:TaskPolicyArn"))?;
        RootTask::of_arn(partition, values.first()?)
    }

    /// What the question and the resource's tags say.
    fn context(&self, tags: &[Tag]) -> Context {
        let mut context = Context::new();
        for tag in tags {
            context.text(&format!("aws:ResourceTag/{}", tag.key), &tag.value);
            context.text(&format!("iam:ResourceTag/{}", tag.key), &tag.value);
        }
        for (key, values) in &self.context {
            match &**values {
                [value] => context.text(key, value),
                values => context.list(key, values),
            };
        }
        context
    }
}

/// Asks about one principal; `run` is also told what no policy can allow.
fn ask<R>(
    world: &World,
    principal: &Principal,
    question: &Question,
    now: Time,
    run: impl FnOnce(&Explanation<'_>, Option<&str>) -> R,
) -> Result<R, OperatorError> {
    let Question { action, resource, .. } = question;
    let partition = principal.partition;
    let owner = Arn::parse(resource).ok().and_then(|arn| arn.account.parse().ok());
    let is_sts = action.get(..4).is_some_and(|service| service.eq_ignore_ascii_case("sts:"));
    let role = world.by_arn::<Role>(partition, resource).filter(|_| is_sts);
    let is_assume_root = action.eq_ignore_ascii_case("sts:AssumeRoot");
    let root = owner.filter(|id| is_assume_root && *resource == root_arn(partition, *id));
    let root_trust = root.map(|member| {
        root_trust(world, partition, principal.account, member, question.root_task(partition))
            .ok_or_else(|| root_not_assumed(principal.account, member))
    });
    let asked = authz::Question {
        action,
        resource,
        resource_account: owner.unwrap_or(principal.account),
        trust: role.map(|(_, role)| &role.trust).or_else(|| root_trust.as_ref()?.as_ref().ok()),
        now,
    };
    let refusal = suspension(world, principal)
        .or_else(|| refusal(principal, action))
        .or_else(|| switched_off(world, principal, action))
        .or_else(|| root_trust.as_ref()?.as_ref().err().cloned());
    let context = question.context(&resource_tags(world, partition, resource));
    authz::explain(world, principal, &asked, &context, |explanation| run(explanation, refusal.as_deref()))
        .ok_or_else(|| OperatorError::Failed("the account is gone".into()))
}

/// The text with an ARN for each quoted id of a user or role that exists: trust policies keep ids, which nobody knows by heart.
fn with_arns(world: &World, partition: Partition, text: &str) -> String {
    let of = |state: &AccountState, id: UniqueId| {
        let account = state.account().id;
        let user = || state.by_id::<User>(id).map(|user| user.arn(partition, account));
        state.by_id::<Role>(id).map(|role| role.arn(partition, account)).or_else(user)
    };
    let named = |quoted: &str| {
        let id = quoted.parse().ok()?;
        world.accounts().find_map(|state| of(state, id))
    };
    let parts: Vec<String> =
        text.split('`').map(|part| named(part).unwrap_or_else(|| part.to_owned())).collect();
    parts.join("`")
}

/// Nobody of a suspended account is let in.
fn suspension(world: &World, principal: &Principal) -> Option<String> {
    match world.account(principal.account)?.account().status {
        AccountStatus::Active => None,
        AccountStatus::Suspended => Some("The account is suspended.".to_owned()),
        AccountStatus::Closed { .. } => Some("The account is closed.".to_owned()),
    }
}

/// What an operation says to this kind of credentials whatever the policies.
fn refusal(principal: &Principal, action: &str) -> Option<String> {
    let mut handlers = rootward_services::operations();
    let handler = handlers.find(|handler| {
        let schema = handler.schema();
        let named = action.split_once(':');
        let is_roots = handler.callers().root_action().is_some_and(|own| own.eq_ignore_ascii_case(action));
        is_roots
            || named.is_some_and(|(service, name)| {
                service.eq_ignore_ascii_case(schema.service.name) && name.eq_ignore_ascii_case(schema.name)
            })
    })?;
    handler.callers().check(principal, handler.schema().name).err().map(|denied| denied.message)
}

fn root_not_assumed(account: AccountId, member: AccountId) -> String {
    format!(
        "Principals of account {account} cannot assume the root user of account {member}. Those can that are of the management account \
         of its organization or of a member that administers IAM for it, as far as root access is managed centrally."
    )
}

/// What the account's switch for billing says whatever the policies.
fn switched_off(world: &World, principal: &Principal, action: &str) -> Option<String> {
    let state = world.account(principal.account)?;
    authz::billing_switch(state, principal, action).err().map(|denied| denied.message)
}

/// The tags of a resource that is kept here.
fn resource_tags(world: &World, partition: Partition, arn: &str) -> Vec<Tag> {
    let user = || world.by_arn::<User>(partition, arn).map(|(_, user)| user.tags.clone());
    let role = || world.by_arn::<Role>(partition, arn).map(|(_, role)| role.tags.clone());
    let policy = || world.by_arn::<ManagedPolicy>(partition, arn).map(|(_, policy)| policy.tags.clone());
    let profile = || world.by_arn::<InstanceProfile>(partition, arn).map(|(_, profile)| profile.tags.clone());
    user().or_else(role).or_else(policy).or_else(profile).unwrap_or_default()
}

/// The principal that `text` names: an ARN of a user, a role or root, or `user/NAME`, `role/NAME`, `root`.
fn find(
    world: &World,
    text: &str,
    account: Option<AccountId>,
    now: Time,
    random: &mut dyn Random,
) -> Result<Principal, OperatorError> {
    let (said, name) = match Arn::parse(text) {
        Ok(arn) if arn.service == "iam" && arn.region.is_empty() => {
            let said = arn.account.parse().map_err(|_| not_a_principal(text))?;
            if account.is_some_and(|account| account != said) {
                return Err(refused(format!("{text} is not of the account that --account names")));
            }
            (Some(said), arn.resource)
        }
        Ok(arn) if arn.service == "sts" => {
            return Err(refused(format!(
                "`{text}` is a session: ask about its role or user, such as role/NAME"
            )));
        }
        Ok(_) => return Err(not_a_principal(text)),
        Err(_) => (account, text),
    };
    let state = match said {
        Some(id) => state(world, id)?,
        None => only_account(world)?,
    };
    let partition = state.account().partition;
    if Arn::parse(text).is_ok_and(|arn| arn.partition != partition.as_str()) {
        return Err(missing(text));
    }
    let identity = match name.split_once('/') {
        None if name == "root" => Identity::Root,
        Some(("user", path)) => Identity::User(named::<User>(state, path).ok_or_else(|| missing(text))?),
        Some(("role", path)) => session(named::<Role>(state, path).ok_or_else(|| missing(text))?),
        _ => return Err(not_a_principal(text)),
    };
    Ok(principal(state, identity, now, random))
}

/// The entity of this name; with a path, which then must be its own.
fn named<T: rootward_state::Tabled>(state: &AccountState, path: &str) -> Option<Arc<T>> {
    let (path, name) = path.rsplit_once('/').map_or((None, path), |(path, name)| (Some(path), name));
    let found = state.named::<T>(name)?;
    let is_right = path.is_none_or(|path| found.path() == format!("/{path}/"));
    is_right.then(|| Arc::clone(found))
}

fn state(world: &World, id: AccountId) -> Result<&Arc<AccountState>, OperatorError> {
    world.account(id).ok_or_else(|| refused(format!("there is no account {id}")))
}

fn principal(state: &AccountState, identity: Identity, now: Time, random: &mut dyn Random) -> Principal {
    let account = state.account();
    Principal::in_question(account.id, account.partition, identity, now, random)
}

fn session(role: Arc<Role>) -> Identity {
    Identity::RoleSession(Box::new(RoleSession {
        role,
        name: SESSION_NAME.into(),
        tags: Vec::new(),
        transitive: Vec::new(),
        source_identity: None,
        policies: Arc::default(),
    }))
}

/// The ARN by which the operator names a principal: a role's own, not a session's.
fn principal_arn(principal: &Principal) -> String {
    match &principal.identity {
        Identity::RoleSession(session) => session.role.arn(principal.partition, principal.account),
        Identity::AssumedRoot(_) | Identity::FederatedUser(_) | Identity::Root | Identity::User(_) => {
            principal.arn()
        }
    }
}

/// Every principal behind `after`: account by account root, users and roles, each by name.
fn principals<'a>(
    world: &'a World,
    account: Option<AccountId>,
    after: Option<&'a Place>,
) -> impl Iterator<Item = (Place, &'a Arc<AccountState>, Identity)> {
    let accounts = world.accounts().filter(move |state| account.is_none_or(|id| state.account().id == id));
    let accounts =
        accounts.filter(move |state| after.is_none_or(|place| state.account().id >= place.account));
    accounts.flat_map(move |state| {
        let id = state.account().id;
        let after = after.filter(|place| place.account == id);
        let begun = after.map(|place| place.kind);
        let key = move |kind| after.filter(|place| place.kind == kind).map(|place| NameKey::new(&place.name));
        let place = move |kind, name: &str| Place { account: id, kind, name: name.to_owned() };
        let root = begun.is_none().then(|| (place(Kind::Root, ""), state, Identity::Root));
        let users = (begun <= Some(Kind::User)).then(|| state.all::<User>().after(key(Kind::User).as_ref()));
        let users = users.into_iter().flatten().map(move |(name, user)| {
            (place(Kind::User, name.as_str()), state, Identity::User(Arc::clone(user)))
        });
        let roles = state.all::<Role>().after(key(Kind::Role).as_ref());
        let roles = roles
            .map(move |(name, role)| (place(Kind::Role, name.as_str()), state, session(Arc::clone(role))));
        root.into_iter().chain(users).chain(roles)
    })
}

fn missing(text: &str) -> OperatorError {
    refused(format!("there is no `{text}`"))
}

fn not_a_principal(text: &str) -> OperatorError {
    refused(format!(
        "`{text}` is no principal: expected the ARN of a user, a role or root, or user/NAME, role/NAME, root"
    ))
}

fn refused(text: String) -> OperatorError {
    OperatorError::Refused(text)
}

#[cfg(test)]
mod tests {
    use rootward_names::{EntityKind, UniqueId};
    use rootward_pipeline::Draw;
    use rootward_services::accounts::{self, OpenAccount};
    use rootward_state::entities::{Account, Document, Grants, InlinePolicy};
    use rootward_state::{Db, RowKey};
    use rootward_store::Memory;
    use rootward_store::vault::{Key, Vault};

    use super::*;
    use crate::source::Source;

    const NOW: Time = Time::from_seconds(1_700_000_000);

    /// Two accounts, each with an administrator, three users and a role.
    fn world() -> Arc<World> {
        let source = Source::seeded(1);
        let mut random = Draw(&source);
        let vault = Vault::new(&Key::random(&mut random));
        let db = Db::open(Arc::new(Memory::new().unwrap())).unwrap().db;
        for id in ["111111111111", "222222222222"].map(|id| id.parse::<AccountId>().unwrap()) {
            let mut txn = db.begin();
            let (name, email) = (format!("n{id}"), format!("{id}@example.com"));
            let request = OpenAccount {
                name: &name,
                email: &email,
                password: None,
                admin: Some("ada"),
                partition: Partition::Aws,
                id: Some(id),
            };
            accounts::open(&mut txn, &request, NOW, &mut random, &vault).unwrap();
            db.commit_wait(txn).unwrap();
            let mut txn = db.begin();
            let ada = txn.named::<User>(id, "ada").unwrap();
            for name in ["bob", "Cleo", "dan"] {
                let id_of_user = UniqueId::random(EntityKind::User, &mut random);
                let plain = User {
                    id: id_of_user,
                    name: name.into(),
                    grants: Grants::default(),
                    access_keys: Vec::new(),
                    ..User::clone(&ada)
                };
                txn.put_entity(id, plain);
            }
            txn.put_entity(id, Role {
                id: UniqueId::random(EntityKind::Role, &mut random),
                name: "app".into(),
                path: "/".into(),
                created: NOW,
                description: None,
                trust: Document::new("{}"),
                session_seconds_max: 3_600,
                tags: Vec::new(),
                grants: Grants {
                    inline: vec![InlinePolicy {
                        name: "own".into(),
                        document: Document::new(
                            r#"{"Version":"2012-10-17","Statement":{"Effect":"Allow","Action":"s3:*","Resource":"*"}}"#,
                        ),
                    }],
                    ..Grants::default()
                },
                boundary: None,
            });
            db.commit_wait(txn).unwrap();
        }
        let mut txn = db.begin();
        let suspended: AccountId = "222222222222".parse().unwrap();
        let row = txn.account(suspended).unwrap();
        txn.put(
            RowKey::Account(suspended),
            Account { status: AccountStatus::Suspended, ..Account::clone(&row) },
        );
        db.commit_wait(txn).unwrap();
        db.snapshot()
    }

    fn places(world: &World, account: Option<AccountId>, after: Option<&Place>) -> Vec<Place> {
        principals(world, account, after).map(|(place, ..)| place).collect()
    }

    #[test]
    fn portions_hold_every_principal_once_wherever_they_end() {
        let world = world();
        let every = places(&world, None, None);
        assert_eq!(every.len(), 12);
        assert!(every.is_sorted());
        for (at, place) in every.iter().enumerate() {
            let sent: Place = serde_json::from_value(json!(place)).unwrap();
            assert_eq!(places(&world, None, Some(&sent)), every[at + 1..]);
        }
        assert_eq!(places(&world, "222222222222".parse().ok(), None), every[6..]);
    }

    #[test]
    fn nobody_of_a_suspended_account_may_do_anything() {
        let (world, source) = (world(), Source::seeded(2));
        let question = Question { action: "s3:GetObject".into(), resource: "*".into(), context: Vec::new() };
        let found = who_can(&world, None, &question, None, NOW, &mut Draw(&source)).unwrap();
        let arns: Vec<_> = found["found"].as_array().unwrap().iter().map(|row| &row["principal"]).collect();
        let arn = |resource: &str| format!("arn:aws:iam::111111111111:{resource}");
        assert_eq!(arns, [&arn("root"), &arn("user/ada"), &arn("role/app")]);
        assert_eq!(found["next"], Value::Null);
        let root = "arn:aws:iam::222222222222:root";
        let told = can(&world, root, None, &question, NOW, &mut Draw(&source)).unwrap();
        assert_eq!(
            (&told["allowed"], &told["refusal"]),
            (&json!(false), &json!("The account is suspended."))
        );
    }

    #[test]
    fn free_actions_are_everyones_and_what_root_cannot_do_is_told() {
        let (world, source) = (world(), Source::seeded(2));
        let account = "111111111111".parse().ok();
        let ask = |action: &str| {
            let question = Question { action: action.into(), resource: "*".into(), context: Vec::new() };
            let found = who_can(&world, account, &question, None, NOW, &mut Draw(&source)).unwrap();
            found["found"].as_array().unwrap().len()
        };
        assert_eq!(ask("sts:GetCallerIdentity"), 6);
        // Roles' sessions get none.
        assert_eq!(ask("STS:getsessiontoken"), 5);
        assert_eq!(ask("sts:AssumeRole"), 1);
    }

    #[test]
    fn what_only_the_root_user_does_and_what_it_has_switched_off_is_told() {
        let (world, source) = (world(), Source::seeded(2));
        let ask = |who: &str, action: &str| {
            let question = Question { action: action.into(), resource: "*".into(), context: Vec::new() };
            let who = format!("arn:aws:iam::111111111111:{who}");
            can(&world, &who, None, &question, NOW, &mut Draw(&source)).unwrap()
        };
        for (action, reason) in [
            ("account:CloseAccount", "this needs the root user of account 111111111111"),
            ("billing:UpdateIAMAccessPreference", "this needs the root user of account 111111111111"),
            ("billing:GetBillingPreferences", "the root user of account 111111111111 can turn it on"),
        ] {
            let told = ask("user/ada", action);
            assert_eq!(told["allowed"], json!(false), "{action}");
            assert!(told["refusal"].as_str().unwrap().ends_with(reason), "{told}");
            assert_eq!(ask("root", action)["allowed"], json!(true), "{action}");
        }
    }
}
