//! Rows as the API shows them.
//!
//! What AWS leaves out of listings (tags, boundaries, last use) is left out here; the operations that show all of an
//! entity say so by the function they call. Documents are percent-encoded (RFC 3986), as the service does in every answer.

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use rootward_api::iam as api;
use rootward_auth::principal::root_arn;
use rootward_names::{AccountId, Partition, UniqueId};
use rootward_pipeline::OpContext;
use rootward_policy::Policy;
use rootward_state::entities::{
    Grants, Group, InlinePolicy, InstanceProfile, Named, PolicyRef, Role, Usage, User,
};
use rootward_state::{AccountState, World};

use super::{refs, tags};

/// Everything but RFC 3986's unreserved characters.
const ENCODED: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~');

/// Shows the rows of one account to callers in one partition.
#[derive(Clone, Copy)]
pub(crate) struct Shape<'a> {
    world: &'a World,
    pub(crate) state: &'a AccountState,
    pub(crate) partition: Partition,
}

impl<'a> Shape<'a> {
    /// For the caller of `ctx`, whose account is `state`.
    pub(crate) fn new(ctx: &OpContext<'_>, world: &'a World, state: &'a AccountState) -> Self {
        Self { world, state, partition: ctx.partition() }
    }

    fn account(&self) -> AccountId {
        self.state.account().id
    }

    /// The ARN of an entity of the account.
    pub(crate) fn arn<T: Named>(&self, entity: &T) -> String {
        entity.arn(self.partition, self.account())
    }

    /// A user without tags, boundary and last use of its password: in listings.
    pub(crate) fn listed_user(&self, user: &User) -> api::User {
        api::User {
            path: Some(user.path.to_string()),
            user_name: Some(user.name.to_string()),
            user_id: user.id.to_string(),
            arn: self.arn(user),
            create_date: user.created,
            password_last_used: None,
            permissions_boundary: None,
            tags: None,
        }
    }

    /// A user with everything.
    pub(crate) fn user(&self, user: &User) -> api::User {
        api::User {
            permissions_boundary: self.boundary(user.boundary.as_ref()),
            tags: tags::shown(&user.tags),
            ..self.user_with_last_use(user)
        }
    }

    /// The root user, who has neither name nor path.
    pub(crate) fn root_user(&self) -> api::User {
        let account = self.state.account();
        api::User {
            user_id: account.id.to_string(),
            arn: root_arn(self.partition, account.id),
            create_date: account.created,
            password_last_used: account.root.password_used,
            ..api::User::default()
        }
    }

    /// A user without tags and boundary: in the listing of all.
    pub(crate) fn user_with_last_use(&self, user: &User) -> api::User {
        let profile = self.state.login_profile(user.id);
        api::User { password_last_used: profile.and_then(|profile| profile.used), ..self.listed_user(user) }
    }

    /// A group.
    pub(crate) fn group(&self, group: &Group) -> api::Group {
        api::Group {
            path: group.path.to_string(),
            group_name: group.name.to_string(),
            group_id: group.id.to_string(),
            arn: self.arn(group),
            create_date: group.created,
        }
    }

    /// A role without tags, boundary and last use: in listings and instance profiles.
    pub(crate) fn listed_role(&self, role: &Role) -> api::Role {
        api::Role {
            path: role.path.to_string(),
            role_name: role.name.to_string(),
            role_id: role.id.to_string(),
            arn: self.arn(role),
            create_date: role.created,
            assume_role_policy_document: Some(self.trust(role)),
            description: role.description.as_deref().map(str::to_owned),
            max_session_duration: i32::try_from(role.session_seconds_max).ok(),
            permissions_boundary: None,
            tags: None,
            role_last_used: None,
            source_role_template: None,
        }
    }

    /// A role with everything.
    pub(crate) fn role(&self, role: &Role) -> api::Role {
        api::Role {
            permissions_boundary: self.boundary(role.boundary.as_ref()),
            tags: tags::shown(&role.tags),
            role_last_used: Some(self.role_last_used(role.id)),
            ..self.listed_role(role)
        }
    }

    /// An instance profile without tags: in listings.
    pub(crate) fn listed_instance_profile(&self, profile: &InstanceProfile) -> api::InstanceProfile {
        let role = profile.role.and_then(|id| self.state.by_id::<Role>(id));
        api::InstanceProfile {
            path: profile.path.to_string(),
            instance_profile_name: profile.name.to_string(),
            instance_profile_id: profile.id.to_string(),
            arn: self.arn(profile),
            create_date: profile.created,
            roles: role.map(|role| self.listed_role(role)).into_iter().collect(),
            tags: None,
        }
    }

    /// An instance profile with its tags.
    pub(crate) fn instance_profile(&self, profile: &InstanceProfile) -> api::InstanceProfile {
        api::InstanceProfile { tags: tags::shown(&profile.tags), ..self.listed_instance_profile(profile) }
    }

    /// When a role was last used; empty when it never was.
    pub(crate) fn role_last_used(&self, role: UniqueId) -> api::RoleLastUsed {
        let usage: Option<&Usage> = self.state.role_usage(role).map(|usage| &**usage);
        api::RoleLastUsed {
            last_used_date: usage.map(|usage| usage.time),
            region: usage.map(|usage| usage.region.to_string()),
        }
    }

    /// A permissions boundary.
    pub(crate) fn boundary(&self, boundary: Option<&PolicyRef>) -> Option<api::AttachedPermissionsBoundary> {
        let arn = refs::arn_of(self.state, self.partition, boundary?)?;
        Some(api::AttachedPermissionsBoundary {
            permissions_boundary_type: Some(
                api::PermissionsBoundaryAttachmentType::PermissionsBoundaryPolicy,
            ),
            permissions_boundary_arn: Some(arn),
        })
    }

    /// The managed policies attached to an entity, in the order they were attached.
    pub(crate) fn attached(&self, grants: &Grants) -> Vec<api::AttachedPolicy> {
        grants.attached.iter().filter_map(|policy| self.attached_policy(policy)).collect()
    }

    /// One attached policy.
    pub(crate) fn attached_policy(&self, policy: &PolicyRef) -> Option<api::AttachedPolicy> {
        let policy = self.state.policy_by_ref(policy)?;
        Some(api::AttachedPolicy {
            policy_name: Some(policy.name().to_owned()),
            policy_arn: Some(policy.arn(self.partition, self.account())),
        })
    }

    /// A role's trust policy as it is shown: ids of entities that still exist are ARNs again.
    pub(crate) fn trust(&self, role: &Role) -> String {
        document(&Policy::map_principals(role.trust.text(), &mut |principal| self.principal_arn(principal)))
    }

    /// The ARN of the entity whose unique id stands in a trust policy. It may live in another account: its own is looked
    /// at first, then all.
    fn principal_arn(&self, principal: &str) -> Option<String> {
        let id: UniqueId = principal.parse().ok()?;
        let others = self.world.accounts().map(|state| &**state);
        std::iter::once(self.state).chain(others).find_map(|state| {
            let account = state.account().id;
            let user = state.by_id::<User>(id).map(|user| user.arn(self.partition, account));
            user.or_else(|| state.by_id::<Role>(id).map(|role| role.arn(self.partition, account)))
        })
    }
}

/// A document as answers carry it.
pub(crate) fn document(text: &str) -> String {
    utf8_percent_encode(text, ENCODED).to_string()
}

/// Inline policies with their documents.
pub(crate) fn inline_policies(policies: &[InlinePolicy]) -> Vec<api::PolicyDetail> {
    let show = |policy: &InlinePolicy| api::PolicyDetail {
        policy_name: Some(policy.name.to_string()),
        policy_document: Some(document(policy.document.text())),
    };
    policies.iter().map(show).collect()
}

#[cfg(test)]
mod tests {
    use rootward_state::entities::Document as Kept;

    use super::*;
    use crate::accounts::{self, OpenAccount};
    use crate::testing::Bench;

    #[test]
    fn trusted_entity_of_any_account_is_shown_by_arn_and_a_deleted_one_by_id() {
        let bench = Bench::new();
        let other = OpenAccount {
            name: "Other",
            email: "root@example.org",
            password: None,
            admin: Some("boss"),
            partition: Partition::Aws,
            id: "999988887777".parse().ok(),
        };
        bench.write_with(|txn, now, random, vault| accounts::open(txn, &other, now, random, vault)).unwrap();
        let own = bench.add_role("own").id;
        let world = bench.begin().world().clone();
        let boss = world.account(other.id.unwrap()).unwrap().named::<User>("boss").unwrap().id;
        let mut role = bench.add_role("r");
        let text = |principals: [&str; 3]| {
            let [a, b, c] = principals;
            format!(
                r#"{{"Version": "2012-10-17", "Statement": [{{"Effect": "Allow", "Action": "sts:AssumeRole", "Principal": {{"AWS": ["{a}", "{b}", "{c}"]}}}}]}}"#
            )
        };
        let gone = "AIDAAAAAAAAAAAAAAAAAA";
        role.trust = Kept::new(text([&boss.to_string(), &own.to_string(), gone]));
        let state = world.account(bench.account()).unwrap();
        let shape = Shape { world: &world, state, partition: Partition::Aws };
        let shown = ["arn:aws:iam::999988887777:user/boss", "arn:aws:iam::111122223333:role/own", gone];
        assert_eq!(shape.trust(&role), document(&text(shown)));
    }

    #[test]
    fn documents_keep_unreserved_characters_only() {
        assert_eq!(document(r#"{"a": "b-._~é*"}"#), "%7B%22a%22%3A%20%22b-._~%C3%A9%2A%22%7D");
    }
}
