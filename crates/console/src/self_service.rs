//! What lets users look after their own password and second factors: a customer managed policy, one an account, that the console
//! makes when it is first needed and attaches to users whom it gives a password. It can be seen, changed and detached like any other.
//!
//! None of AWS's managed policies for everyday work lets users register a second factor, and without one the console would ask
//! people for what they may not do.
//!
//! Source: IAM User Guide, "Allows users to manage their own credentials".

use rootward_api::iam;
use rootward_auth::Principal;
use rootward_state::entities::ManagedPolicy;
use rootward_wire::{Error, Fault};
use serde_json::{Value, json};

use crate::grants::decoded;
use crate::visit::SignedIn;

/// The policy's name.
pub(crate) const NAME: &str = "ManageOwnPasswordAndMfa";

const DESCRIPTION: &str = "Lets users change their own password and register their own second factors.";

/// The policy's ARN in the account of whoever acts.
pub(crate) fn arn(acting: &Principal) -> String {
    format!("arn:{}:iam::{}:policy/{NAME}", acting.partition, acting.account)
}

/// What the policy says. A second factor is taken away only by who has shown one: a password that leaks must not be enough to
/// be rid of it.
fn document(acting: &Principal) -> Value {
    let arn = |resource: &str| format!("arn:{}:iam::{}:{resource}", acting.partition, acting.account);
    // Names have no slash: behind a path stands the same user, and no other.
    let user = [arn("user/${aws:username}"), arn("user/*/${aws:username}")];
    let device = [arn("mfa/${aws:username}"), arn("mfa/${aws:username}-*")];
    json!({
        "Version": "2012-10-17",
        "Statement": [
            { "Sid": "ReadPasswordPolicy", "Effect": "Allow", "Action": "iam:GetAccountPasswordPolicy", "Resource": "*" },
            {
                "Sid": "OwnPasswordAndMfa",
                "Effect": "Allow",
                "Action": [
                    "iam:ChangePassword", "iam:EnableMFADevice", "iam:GetUser", "iam:ListMFADevices", "iam:ResyncMFADevice"
                ],
                "Resource": user,
            },
            {
                "Sid": "OwnVirtualMfa",
                "Effect": "Allow",
                "Action": ["iam:CreateVirtualMFADevice", "iam:DeleteVirtualMFADevice"],
                "Resource": device,
            },
            {
                "Sid": "RemoveOwnMfaWithMfa",
                "Effect": "Allow",
                "Action": "iam:DeactivateMFADevice",
                "Resource": user,
                "Condition": { "Bool": { "aws:MultiFactorAuthPresent": "true" } },
            },
        ],
    })
}

/// Lets a user manage their own password and second factors.
///
/// # Errors
/// The policy may not be made or attached; or there is one of its name that says something else: whoever may write policies must
/// not decide by that what others hand out.
pub(crate) async fn allow(signed_in: &SignedIn, user_name: &str) -> Result<(), Error> {
    let policy_arn = arn(signed_in.live.acting());
    ensure(signed_in, &policy_arn).await?;
    let input = iam::AttachUserPolicyRequest { user_name: user_name.to_owned(), policy_arn };
    signed_in.call::<iam::AttachUserPolicy>(&input).await.map(drop)
}

/// Takes it back.
///
/// # Errors
/// It is not attached, or may not be detached.
pub(crate) async fn take_back(signed_in: &SignedIn, user_name: &str) -> Result<(), Error> {
    let policy_arn = arn(signed_in.live.acting());
    let input = iam::DetachUserPolicyRequest { user_name: user_name.to_owned(), policy_arn };
    signed_in.call::<iam::DetachUserPolicy>(&input).await.map(drop)
}

/// Makes the policy if it is not there. Whether it is is not asked by a call, which would be on record as one that failed.
async fn ensure(signed_in: &SignedIn, policy_arn: &str) -> Result<(), Error> {
    let acting = signed_in.live.acting();
    let document = document(acting);
    let world = signed_in.visit.house.db.snapshot();
    if world.by_arn::<ManagedPolicy>(acting.partition, policy_arn).is_none() {
        let input = iam::CreatePolicyRequest {
            policy_name: NAME.into(),
            policy_document: document.to_string(),
            description: Some(DESCRIPTION.into()),
            path: None,
            tags: None,
        };
        return signed_in.call::<iam::CreatePolicy>(&input).await.map(drop);
    }
    let input = iam::GetPolicyRequest { policy_arn: policy_arn.to_owned() };
    let found = signed_in.call::<iam::GetPolicy>(&input).await?.policy;
    let version_id = found.and_then(|policy| policy.default_version_id).unwrap_or_default();
    let input = iam::GetPolicyVersionRequest { policy_arn: policy_arn.to_owned(), version_id };
    let found = signed_in.call::<iam::GetPolicyVersion>(&input).await?.policy_version;
    let text = found.and_then(|version| version.document).unwrap_or_default();
    let is_same = serde_json::from_str::<Value>(&decoded(&text)).is_ok_and(|found| found == document);
    if is_same { Ok(()) } else { Err(changed()) }
}

fn changed() -> Error {
    Error {
        code: "EntityAlreadyExists".into(),
        status: 409,
        fault: Fault::Sender,
        message: format!(
            "A policy {NAME} of this account says something else than the console would write. Look at it under Policies, and attach \
             it there if it is right."
        ),
        members: rootward_wire::Members::default(),
        cause: None,
    }
}
