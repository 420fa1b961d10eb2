//! What the root user of an account can do: the tasks that matter, put to the decision engine.

use rootward_api::rootward as api;
use rootward_names::{AccountId, Partition};
use rootward_wire::Error;

use super::{Levels, policy_address, short};
use crate::visit::SignedIn;

/// Something that a root user may want to do.
struct Task {
    what: &'static str,
    action: &'static str,
    /// With `{partition}` and `{account}` where they go.
    resource: &'static str,
}

const fn task(what: &'static str, action: &'static str, resource: &'static str) -> Task {
    Task { what, action, resource }
}

const ROOT: &str = "arn:{partition}:iam::{account}:root";
const USER: &str = "arn:{partition}:iam::{account}:user/any";
const ROLE: &str = "arn:{partition}:iam::{account}:role/any";
const TRAIL: &str = "arn:{partition}:cloudtrail:*:{account}:trail/any";
const BUCKET: &str = "arn:{partition}:s3:::any";

const TASKS: &[(&str, &[Task])] = &[
    (
        "Its own credentials",
        &[
            task("Make access keys for itself", "iam:CreateAccessKey", ROOT),
            task("Remove a second factor", "iam:DeactivateMFADevice", ROOT),
            task("Change its password", "rootward:ChangeRootPassword", ROOT),
            task("Change its e-mail address", "rootward:StartRootEmailUpdate", ROOT),
        ],
    ),
    (
        "The account",
        &[
            task("Close the account", "account:CloseAccount", "arn:{partition}:account::{account}:account"),
            task("Leave the organization", "organizations:LeaveOrganization", "*"),
            task("Open billing to users", "billing:UpdateIAMAccessPreference", "*"),
            task("Change the support plan", "supportplans:StartSupportPlanUpdate", "*"),
        ],
    ),
    (
        "Users and permissions",
        &[
            task("Create users", "iam:CreateUser", USER),
            task("Give a user permissions", "iam:AttachUserPolicy", USER),
            task("Change who may assume a role", "iam:UpdateAssumeRolePolicy", ROLE),
        ],
    ),
    (
        "What watches over it",
        &[
            task("Stop the audit trail", "cloudtrail:StopLogging", TRAIL),
            task("Delete the audit trail", "cloudtrail:DeleteTrail", TRAIL),
            task("Turn threat detection off", "guardduty:DeleteDetector", "*"),
        ],
    ),
    (
        "Data and machines",
        &[
            task("Read what is in a bucket", "s3:GetObject", "arn:{partition}:s3:::any/object"),
            task("Delete a bucket", "s3:DeleteBucket", BUCKET),
            task("Change who may read a bucket", "s3:PutBucketPolicy", BUCKET),
            task("Delete a database", "rds:DeleteDBInstance", "arn:{partition}:rds:*:{account}:db:any"),
            task("Have a key destroyed", "kms:ScheduleKeyDeletion", "*"),
            task("Start machines", "ec2:RunInstances", "*"),
        ],
    ),
];

/// Tasks of one kind with what is decided on each.
pub(crate) struct Group {
    pub(crate) name: &'static str,
    pub(crate) answers: Vec<Answer>,
}

/// What is decided.
pub(crate) struct Answer {
    pub(crate) what: String,
    pub(crate) action: String,
    pub(crate) resource: String,
    pub(crate) verdict: api::RootVerdictType,
    /// The policies that decide.
    pub(crate) policies: Vec<Deciding>,
    /// What else there is to say.
    pub(crate) remark: String,
}

/// A policy that decides.
pub(crate) struct Deciding {
    pub(crate) name: String,
    pub(crate) address: String,
    pub(crate) kind: &'static str,
    /// Where it is attached, by name.
    pub(crate) at: String,
}

/// What is decided on everything that is asked about.
pub(crate) struct Explained {
    pub(crate) groups: Vec<Group>,
    /// On what somebody has asked about beside that.
    pub(crate) own: Option<Answer>,
    pub(crate) can: usize,
    pub(crate) cannot: usize,
    pub(crate) total: usize,
}

impl Explained {
    /// How much of it turns on what a request says.
    pub(crate) fn depends(&self) -> usize {
        self.total.saturating_sub(self.can + self.cannot)
    }
}

/// A question of who looks at the page.
pub(crate) struct Own<'a> {
    pub(crate) action: &'a str,
    /// `*` if it is empty.
    pub(crate) resource: &'a str,
}

pub(crate) async fn explain(
    signed_in: &SignedIn,
    account: &str,
    levels: &Levels,
    own: Option<Own<'_>>,
) -> Result<Explained, Error> {
    let partition = signed_in.live.acting().partition;
    let question = |action: &str, resource: &str| api::RootQuestion {
        action: action.to_owned(),
        resource_arn: Some(resource.to_owned()).filter(|resource| !resource.is_empty()),
    };
    let tasks = || TASKS.iter().flat_map(|(_, tasks)| *tasks);
    let mut questions: Vec<_> =
        tasks().map(|task| question(task.action, &filled(task.resource, partition, account))).collect();
    questions.extend(own.as_ref().map(|own| question(own.action, own.resource)));
    let input = api::ExplainMemberRootRequest { account_id: account.to_owned(), questions };
    let mut verdicts = signed_in.call::<api::ExplainMemberRoot>(&input).await?.verdicts.into_iter();
    let mut groups = Vec::new();
    for (name, tasks) in TASKS {
        let answers = tasks.iter().zip(verdicts.by_ref());
        let answers = answers.map(|(task, verdict)| Answer::of(task.what, verdict, levels)).collect();
        groups.push(Group { name, answers });
    }
    let own = verdicts.next().map(|verdict| Answer::of(&verdict.action.clone(), verdict, levels));
    let count = |wanted| {
        let answers = groups.iter().flat_map(|group| &group.answers);
        answers.filter(|answer| answer.verdict == wanted).count()
    };
    Ok(Explained {
        can: count(api::RootVerdictType::Allowed),
        cannot: count(api::RootVerdictType::Denied),
        total: tasks().count(),
        groups,
        own,
    })
}

fn filled(resource: &str, partition: Partition, account: &str) -> String {
    resource.replace("{partition}", &partition.to_string()).replace("{account}", account)
}

/// Whether this is an account's id.
pub(crate) fn is_account(id: &str) -> bool {
    id.parse::<AccountId>().is_ok()
}

impl Answer {
    fn of(what: &str, verdict: api::RootVerdict, levels: &Levels) -> Self {
        let mut policies: Vec<Deciding> = Vec::new();
        for policy in &verdict.policies {
            let at = levels.name_of(&policy.target_id);
            if !policies.iter().any(|known| known.name == policy.policy_name && known.at == at) {
                policies.push(Deciding {
                    name: policy.policy_name.clone(),
                    address: policy_address(&policy.policy_id),
                    kind: short(policy.policy_type),
                    at,
                });
            }
        }
        let remark = match verdict.reason {
            api::RootVerdictReason::AccountState => {
                "The account is not active: nobody of it is let in.".into()
            }
            api::RootVerdictReason::Condition => {
                format!("Turns on what the request says: {}.", verdict.missing_keys.join(", "))
            }
            api::RootVerdictReason::ExplicitDeny => String::new(),
            api::RootVerdictReason::GuardPolicy => "A guard policy of the account.".into(),
            api::RootVerdictReason::NoAllow => match &verdict.target_id {
                Some(target) => format!("No policy at {} allows it.", levels.name_of(target)),
                None => "Nothing allows it.".into(),
            },
            api::RootVerdictReason::RootUser if levels.is_management() => {
                "No policy of the organization binds the account that manages it.".into()
            }
            api::RootVerdictReason::RootUser => "No policy of the organization denies it.".into(),
        };
        Self {
            what: what.to_owned(),
            action: verdict.action,
            resource: verdict.resource_arn,
            verdict: verdict.verdict,
            policies,
            remark,
        }
    }

    /// The class of its badge: what a root user cannot do is good.
    pub(crate) fn class(&self) -> &'static str {
        match self.verdict {
            api::RootVerdictType::Allowed => "warn",
            api::RootVerdictType::Denied => "good",
            api::RootVerdictType::Depends => "",
        }
    }

    pub(crate) fn word(&self) -> &'static str {
        match self.verdict {
            api::RootVerdictType::Allowed => "can",
            api::RootVerdictType::Denied => "cannot",
            api::RootVerdictType::Depends => "depends",
        }
    }
}
