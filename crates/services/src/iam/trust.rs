//! Trust policies as they are kept: principals that are users or roles as unique ids, everything else to the byte.
//!
//! An id names one entity for ever: a user who is deleted and made again under the same name is not trusted again.
//! Ids are ARNs once more when a policy is shown ([`Shape::trust`](super::shape::Shape::trust)).
//!
//! DIFFERENCE: an account that is not kept here is taken as a principal unseen. AWS knows every account there is; a
//! self-hosted directory does not, and an account grants nothing to anybody but itself.
//! Source: IAM User Guide, "AWS JSON policy elements: Principal".

use rootward_names::{AccountId, Arn, Partition, UniqueId};
use rootward_pipeline::Failure;
use rootward_policy::{Policy, PolicyKind, PrincipalType};
use rootward_state::World;
use rootward_state::entities::{Document, Role, User};

use super::{failures, quotas};

/// Checks a trust policy and turns it into what is kept.
///
/// # Errors
/// `MalformedPolicyDocument`, also for principals that do not exist; `LimitExceeded` for its length.
pub(crate) fn stored(world: &World, partition: Partition, text: &str) -> Result<Document, Failure> {
    let policy = Policy::parse(text, PolicyKind::Trust)
        .map_err(|problems| failures::malformed_policy(problems.aws_message()))?;
    if Policy::length_without_white_space(text) > quotas::TRUST_POLICY_CHARS {
        return Err(failures::quota_exceeded("ACLSizePerRole", quotas::TRUST_POLICY_CHARS));
    }
    for principal in policy.principals().filter(|principal| principal.kind == PrincipalType::Aws) {
        if kept(world, partition, &principal.value).is_none() {
            return Err(failures::invalid_principal(&principal.value));
        }
    }
    Ok(Document::new(Policy::map_principals(text, &mut |principal| kept(world, partition, principal))))
}

/// How a principal of type `AWS` is kept; none when it names nobody.
fn kept(world: &World, partition: Partition, principal: &str) -> Option<String> {
    if principal == "*" || principal.parse::<AccountId>().is_ok() {
        return Some(principal.to_owned());
    }
    if let Ok(id) = principal.parse::<UniqueId>() {
        return exists(world, id).then(|| principal.to_owned());
    }
    let arn = Arn::parse(principal).ok().filter(|arn| arn.partition == partition.as_str())?;
    let _: AccountId = arn.account.parse().ok().filter(|_| arn.region.is_empty())?;
    match (arn.service, arn.resource.split('/').next()?) {
        ("iam", "root") if arn.resource == "root" => Some(principal.to_owned()),
        ("iam", "user") => world.by_arn::<User>(partition, principal).map(|(_, user)| user.id.to_string()),
        ("iam", "role") => world.by_arn::<Role>(partition, principal).map(|(_, role)| role.id.to_string()),
        ("sts", "assumed-role" | "federated-user") => Some(principal.to_owned()),
        _ => None,
    }
}

fn exists(world: &World, id: UniqueId) -> bool {
    world.accounts().any(|state| state.by_id::<User>(id).is_some() || state.by_id::<Role>(id).is_some())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::Bench;

    fn trusting(principal: &str) -> String {
        format!(
            r#"{{"Version": "2012-10-17", "Statement": {{"Effect": "Allow", "Principal": {{"AWS": "{principal}"}}, "Action": "sts:AssumeRole"}}}}"#
        )
    }

    fn keep(bench: &Bench, principal: &str) -> Result<String, Failure> {
        let txn = bench.begin();
        stored(txn.world(), Partition::Aws, &trusting(principal)).map(|document| document.text().to_owned())
    }

    #[test]
    fn user_is_kept_as_its_id_and_the_rest_to_the_byte() {
        let bench = Bench::new();
        let id = bench.add_user("ann");
        let arn = format!("arn:aws:iam::{}:user/ann", bench.account());
        assert_eq!(keep(&bench, &arn).unwrap(), trusting(&id.to_string()));
    }

    #[test]
    fn accounts_root_arns_and_everyone_stay_as_written() {
        let bench = Bench::new();
        for principal in ["*", "111122223333", "arn:aws:iam::111122223333:root"] {
            assert_eq!(keep(&bench, principal).unwrap(), trusting(principal));
        }
    }

    #[test]
    fn nobody_of_that_name_path_or_id_is_refused() {
        let bench = Bench::new();
        bench.add_user("ann");
        let account = bench.account();
        for principal in [
            format!("arn:aws:iam::{account}:user/bob"),
            format!("arn:aws:iam::{account}:user/team/ann"),
            format!("arn:aws:iam::{account}:role/ann"),
            format!("arn:aws-cn:iam::{account}:user/ann"),
            "AIDAAAAAAAAAAAAAAAAAA".into(),
            "ann".into(),
        ] {
            let error = keep(&bench, &principal).unwrap_err();
            assert_eq!(error.code, "MalformedPolicyDocument", "{principal}");
        }
    }
}
