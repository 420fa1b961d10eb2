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
    fn depends(&self) -> usize {
        self.total.saturating_sub(self.can + self.cannot)
    }

    /// Of the things asked about, those that it can do, in words.
    fn things(&self) -> String {
        let things = match self.can {
            0 => format!("none of the {} things asked here", self.total),
            can if can == self.total => format!("all of the {can} things asked here"),
            can => format!("{can} of the {} things asked here", self.total),
        };
        match (self.can, self.depends()) {
            (_, 0) => things,
            (0, depends) => format!("{things}, and {depends} as the request may be"),
            (_, depends) => format!("{things}, and {depends} more as the request may be"),
        }
    }

    /// What it comes to. `way_in`: whether the root user has one, if that is known.
    pub(crate) fn summary(&self, way_in: Option<bool>) -> Summary {
        let things = self.things();
        match (way_in, self.cannot < self.total) {
            (Some(true), true) => Summary {
                tone: "warn",
                text: format!("It has a way in, and can do {things}."),
                rest: "Unless it is needed, delete its credentials, or attach a policy that binds it.".into(),
            },
            (Some(true), false) => Summary {
                tone: "good",
                text: format!("It can do {things}."),
                rest: "It has a way in, which leads to none of them.".into(),
            },
            (Some(false), true) => Summary {
                tone: "good",
                text: "It has no way in.".into(),
                rest: format!("With one, it could do {things}."),
            },
            (Some(false), false) => Summary {
                tone: "good",
                text: format!("It has no way in, and could do {things}."),
                rest: String::new(),
            },
            (None, is_able) => Summary {
                tone: if is_able { "warn" } else { "good" },
                text: format!("It can do {things}."),
                rest: String::new(),
            },
        }
    }
}

/// What can be said of a root user in two sentences.
pub(crate) struct Summary {
    /// The class that colours it: one that can do something and may get in needs attention, every other is restrained.
    pub(crate) tone: &'static str,
    pub(crate) text: String,
    /// May be empty.
    pub(crate) rest: String,
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
            // That none binds it is said once, above.
            api::RootVerdictReason::RootUser if levels.is_management() => String::new(),
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

#[cfg(test)]
mod tests {
    use super::*;

    fn summary(can: usize, cannot: usize, way_in: Option<bool>) -> (&'static str, String) {
        let explained = Explained { groups: Vec::new(), own: None, can, cannot, total: 20 };
        let Summary { tone, text, rest } = explained.summary(way_in);
        (tone, format!("{text} {rest}").trim().to_owned())
    }

    #[test]
    fn root_user_that_can_do_something_and_may_get_in_needs_attention_and_no_other() {
        for way_in in [None, Some(true)] {
            assert_eq!((summary(20, 0, way_in).0, summary(1, 19, way_in).0), ("warn", "warn"));
            assert_eq!((summary(0, 19, way_in).0, summary(0, 20, way_in).0), ("warn", "good"));
        }
        for can in [0, 1, 20] {
            assert_eq!(summary(can, 20 - can, Some(false)).0, "good");
        }
    }

    #[test]
    fn words_say_what_the_colour_says() {
        let attention = summary(20, 0, Some(true)).1;
        assert!(attention.starts_with("It has a way in, and can do all of the 20 things asked here. Unless"));
        let no_way_in = "It has no way in. With one, it could do 18 of the 20 things asked here.";
        assert_eq!(summary(18, 2, Some(false)).1, no_way_in);
        let bound =
            "It can do none of the 20 things asked here. It has a way in, which leads to none of them.";
        assert_eq!(summary(0, 20, Some(true)).1, bound);
        let neither = "It has no way in, and could do none of the 20 things asked here.";
        assert_eq!(summary(0, 20, Some(false)).1, neither);
        let turns = "It can do 5 of the 20 things asked here, and 3 more as the request may be.";
        assert_eq!(summary(5, 12, None).1, turns);
    }
}
