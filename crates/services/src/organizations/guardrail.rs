//! A ready service control policy put in force, for a host command: made, its type turned on and attached, in one commit.
//!
//! By the functions of the operations, so with their rules. What is there already is left as it is.

use rootward_names::{AccountId, OrganizationId, OrganizationPolicyId, Random, Time};
use rootward_pipeline::Failure;
use rootward_state::entities::{Organization, OrganizationPolicy, OrganizationPolicyType};
use rootward_state::{OrganizationState, Target, Txn, World};

use super::attachments::{self, Place};
use super::policies::New;
use super::{failures, policy_types, standing};

/// What is to be put in force.
#[derive(Debug, Clone, Copy)]
pub struct Guardrail<'a> {
    /// What it is called among those that are ready.
    pub name: &'a str,
    /// The name of the policy: 1–128 characters.
    pub policy_name: &'a str,
    /// What it is for.
    pub description: &'a str,
    /// What it says.
    pub document: &'a str,
}

/// What was done. What was not was so already.
#[derive(Debug)]
pub struct Applied {
    /// In which organization.
    pub organization: OrganizationId,
    /// Whose that is.
    pub management: AccountId,
    /// The policy.
    pub policy: OrganizationPolicy,
    /// Its ARN.
    pub arn: String,
    /// What it is attached to.
    pub target: String,
    /// Whether it was made.
    pub is_new: bool,
    /// Whether its type was put in force.
    pub type_enabled: bool,
    /// Whether it was attached.
    pub is_attached: bool,
}

/// Why it was not.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ApplyError {
    /// It has consolidated billing alone.
    #[error(
        "the organization of account {0} has consolidated billing only, and no policies: enable all of its features first"
    )]
    ConsolidatedBilling(AccountId),
    /// No service control policy binds the target.
    #[error(
        "account {0} manages the organization, so no service control policy binds it; make the document its guard policy: `rootward \
         guardrails show {1} | rootward root guard-policy set - --account {0}`"
    )]
    Management(AccountId, String),
    /// Nothing can be called so.
    #[error("the name of a policy has 1 to 128 characters")]
    Name,
    /// There is another policy of this name.
    #[error(
        "the organization has a service control policy called `{0}` that says something else: give this one another with --name, or \
         rename, change or delete that first"
    )]
    NameTaken(String),
    /// There is no organization.
    #[error("there is no organization yet; `aws organizations create-organization` makes one")]
    NoOrganization,
    /// The account manages no organization.
    #[error("account {0} manages no organization")]
    NotManaging(AccountId),
    /// The target is none of the organization's.
    #[error("the organization has no root, unit or account `{0}`")]
    NoSuchTarget(String),
    /// The target is neither `root` nor an id; with the id of the one that has this name, if only one has.
    #[error("`{0}` is no id of a root, a unit or an account, nor `root`{hint}", hint = called(.1.as_deref()))]
    TargetNoId(String, Option<String>),
    /// There are several organizations.
    #[error(
        "there are several organizations; say which with --account and one of their management accounts: {0}"
    )]
    Several(String),
    /// What an operation refuses, in its words.
    #[error("{0}")]
    Refused(String),
}

impl From<Failure> for ApplyError {
    fn from(failure: Failure) -> Self {
        Self::Refused(failure.message)
    }
}

/// Puts a guardrail in force in an organization on `target`: `root`, or the id of the root, of a unit or of an account.
///
/// # Errors
/// [`ApplyError`].
pub fn apply(
    txn: &mut Txn,
    organization: &OrganizationId,
    guardrail: &Guardrail<'_>,
    target: &str,
    now: Time,
    random: &mut dyn Random,
) -> Result<Applied, ApplyError> {
    // Guarded: the organization is there when the policy is.
    let mut organization = Organization::clone(&*standing::row(txn, organization)?);
    let state = txn.world().organization(&organization.id).cloned().ok_or_else(failures::not_in_use)?;
    let management = organization.management;
    if !organization.all_features {
        return Err(ApplyError::ConsolidatedBilling(management));
    }
    if guardrail.policy_name.is_empty() || guardrail.policy_name.chars().count() > NAME_CHARS_MAX {
        return Err(ApplyError::Name);
    }
    let target = place(&organization, target)
        .ok_or_else(|| ApplyError::TargetNoId(target.to_owned(), id_of(txn.world(), &state, target)))?;
    if target == Target::Account(management) {
        return Err(ApplyError::Management(management, guardrail.name.to_owned()));
    }
    let place =
        Place::find(txn, &state, &target).map_err(|_| ApplyError::NoSuchTarget(target.to_string()))?;
    let kind = OrganizationPolicyType::ServiceControl;
    let type_enabled = !organization.policy_types.contains(&kind);
    if type_enabled {
        policy_types::put_in_force(txn, &mut organization, kind.clone())?;
    }
    let mut own = state.policies().iter().map(|(_, policy)| policy);
    let standing = own.find(|policy| policy.kind == kind && *policy.name == *guardrail.policy_name);
    let (policy, is_new) = match standing {
        Some(policy) if policy.document.text() == guardrail.document => {
            (OrganizationPolicy::clone(policy), false)
        }
        Some(_) => return Err(ApplyError::NameTaken(guardrail.policy_name.to_owned())),
        None => {
            let new = New {
                id: OrganizationPolicyId::random(random),
                kind,
                name: guardrail.policy_name,
                description: guardrail.description,
                content: guardrail.document,
                tags: None,
                now,
            };
            (new.make(txn, &state)?, true)
        }
    };
    let is_attached = !place.policies().contains(&policy.id);
    if is_attached {
        attachments::attach(txn, &state, &policy, &target)?;
    }
    let arn = policy.arn(organization.partition, &organization.id, management);
    let (organization, target) = (organization.id, target.to_string());
    Ok(Applied { organization, management, policy, arn, target, is_new, type_enabled, is_attached })
}

/// The organization that a host command means: the one that the account it names manages, or the only one there is.
///
/// # Errors
/// [`ApplyError::NotManaging`]; without a name, [`ApplyError::NoOrganization`] and [`ApplyError::Several`].
pub fn meant(world: &World, management: Option<AccountId>) -> Result<&Organization, ApplyError> {
    if let Some(account) = management {
        let state = world.organization_of(account).filter(|state| state.is_management(account));
        return state.map(|state| &**state.organization()).ok_or(ApplyError::NotManaging(account));
    }
    let mut all = world.organizations();
    match (all.next(), all.next()) {
        (None, _) => Err(ApplyError::NoOrganization),
        (Some(only), None) => Ok(only.organization()),
        (Some(_), Some(_)) => {
            let accounts = world.organizations().map(|state| state.organization().management.to_string());
            Err(ApplyError::Several(accounts.take(CHOICES_MAX).collect::<Vec<_>>().join(", ")))
        }
    }
}

/// As the model of `CreatePolicy` has it.
const NAME_CHARS_MAX: usize = 128;
/// Organizations that are named to whoever must choose one.
const CHOICES_MAX: usize = 20;

fn place(organization: &Organization, target: &str) -> Option<Target> {
    if target == "root" {
        return Some(Target::Node(organization.root.clone()));
    }
    attachments::target(target).ok()
}

/// The id of the one unit or account that has this name.
fn id_of(world: &World, state: &OrganizationState, name: &str) -> Option<String> {
    let units = state.nodes().iter().filter(|(_, node)| node.parent.is_some() && *node.name == *name);
    let members = state.members().iter().filter_map(|(id, _)| world.account(*id));
    let accounts = members.map(|member| member.account()).filter(|account| *account.name == *name);
    let mut ids = units.map(|(id, _)| id.to_string()).chain(accounts.map(|account| account.id.to_string()));
    ids.next().filter(|_| ids.next().is_none())
}

fn called(id: Option<&str>) -> String {
    id.map(|id| format!("; {id} has this name")).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use rootward_api::organizations::OrganizationFeatureSet;

    use super::super::testing::{member, organized, organized_as};
    use super::*;
    use crate::testing::Bench;

    const DENY: &str =
        r#"{"Version":"2012-10-17","Statement":[{"Effect":"Deny","Action":"s3:*","Resource":"*"}]}"#;
    const RAIL: Guardrail<'_> =
        Guardrail { name: "no-s3", policy_name: "no-s3", description: "No S3.", document: DENY };

    /// What was done: made, put in force, attached.
    fn applied(bench: &Bench, guardrail: &Guardrail<'_>, target: &str) -> Result<[bool; 3], ApplyError> {
        let mut result = Err(ApplyError::NoOrganization);
        let mut txn = bench.begin();
        let id = meant(txn.world(), None)?.id.clone();
        let random = &mut rootward_testkit::Seeded::new(3);
        let done = apply(&mut txn, &id, guardrail, target, bench.now(), random);
        if let Ok(done) = &done
            && (done.is_new || done.type_enabled || done.is_attached)
        {
            bench
                .write_with(|txn, now, random, _| {
                    result = apply(txn, &id, guardrail, target, now, random)
                        .map(|done| [done.is_new, done.type_enabled, done.is_attached]);
                    Ok::<_, ApplyError>(())
                })
                .unwrap();
            return result;
        }
        done.map(|done| [done.is_new, done.type_enabled, done.is_attached])
    }

    #[test]
    fn guardrail_is_made_put_in_force_and_attached_once() {
        let bench = organized();
        let account = member(&bench, "w@example.com").to_string();
        assert_eq!(applied(&bench, &RAIL, "root"), Ok([true, true, true]));
        assert_eq!(applied(&bench, &RAIL, "root"), Ok([false, false, false]));
        assert_eq!(applied(&bench, &RAIL, &account), Ok([false, false, true]));
        let world = bench.begin().world().clone();
        let state = world.organization_of(bench.account()).unwrap();
        let [(_, policy)] = &*state.policies().iter().collect::<Vec<_>>() else { panic!() };
        assert_eq!((&*policy.name, &*policy.description, policy.document.text()), ("no-s3", "No S3.", DENY));
        assert_eq!(state.targets_after(&policy.id, None).count(), 2);
    }

    #[test]
    fn what_stands_in_the_way_is_said() {
        let bench = Bench::new();
        let refused = |bench: &Bench, target: &str| applied(bench, &RAIL, target).unwrap_err();
        assert_eq!(refused(&bench, "root"), ApplyError::NoOrganization);
        let billing = organized_as(OrganizationFeatureSet::ConsolidatedBilling);
        assert_eq!(refused(&billing, "root"), ApplyError::ConsolidatedBilling(billing.account()));
        let bench = organized();
        let account = bench.account();
        assert!(matches!(refused(&bench, &account.to_string()), ApplyError::Management(..)));
        for target in ["999999999999", "ou-abcd-12345678"] {
            assert_eq!(refused(&bench, target), ApplyError::NoSuchTarget(target.into()));
        }
        assert_eq!(refused(&bench, "nowhere"), ApplyError::TargetNoId("nowhere".into(), None));
        let member = member(&bench, "w@example.com");
        let named = ApplyError::TargetNoId("Workload".into(), Some(member.to_string()));
        assert_eq!(refused(&bench, "Workload"), named);
        assert!(named.to_string().ends_with(&format!("; {member} has this name")));
        super::super::testing::member(&bench, "w2@example.com");
        assert_eq!(refused(&bench, "Workload"), ApplyError::TargetNoId("Workload".into(), None));
        let other = DENY.replace("s3", "sqs");
        assert_eq!(applied(&bench, &RAIL, "root"), Ok([true, true, true]));
        let changed = applied(&bench, &Guardrail { document: &other, ..RAIL }, "root");
        assert_eq!(changed, Err(ApplyError::NameTaken("no-s3".into())));
        for name in [String::new(), "é".repeat(129)] {
            let named = applied(&bench, &Guardrail { policy_name: &name, ..RAIL }, "root");
            assert_eq!(named, Err(ApplyError::Name));
        }
        let longest = "é".repeat(128);
        let named = applied(&bench, &Guardrail { policy_name: &longest, document: &other, ..RAIL }, "root");
        assert_eq!(named, Ok([true, false, true]));
        let stranger = "999999999999".parse().unwrap();
        let txn = bench.begin();
        assert_eq!(meant(txn.world(), Some(stranger)).unwrap_err(), ApplyError::NotManaging(stranger));
        assert_eq!(meant(txn.world(), Some(account)).unwrap().management, account);
    }

    #[test]
    fn no_more_are_attached_than_may_be() {
        let bench = organized();
        for number in 0..9 {
            let name = format!("rail-{number}");
            assert!(applied(&bench, &Guardrail { policy_name: &name, ..RAIL }, "root").is_ok(), "{number}");
        }
        let refused = applied(&bench, &RAIL, "root").unwrap_err();
        assert_eq!(refused, ApplyError::from(failures::too_many_attached()));
    }
}
