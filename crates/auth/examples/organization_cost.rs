//! What an organization costs a decision: 10,000 accounts in 1,000 units, five levels deep, five service control policies a level.
//!
//! `cargo run --release -p rootward-auth --example organization_cost [ROUNDS]` prints as JSON what an authorization takes in a lone
//! account and in a member, in nanoseconds (medians of the rounds, which take turns), how long a policy that is attached above 5,000 accounts takes to bind
//! them, in milliseconds, and how many bytes an idle member takes.

use std::error::Error;
use std::hint::black_box;
use std::sync::Arc;
use std::time::Instant;

use rootward_auth::authz::{Check, RequestFacts, authorize};
use rootward_auth::{Credential, Identity, Principal};
use rootward_names::{
    AccountId, EntityKind, NodeId, OrganizationId, OrganizationPolicyId, Partition, Random, Time, UniqueId,
};
use rootward_policy::Context;
use rootward_state::entities::{
    Account, AccountStatus, CentralRootAccess, Document, Grants, InlinePolicy, Membership, Organization,
    OrganizationNode, OrganizationPolicy, OrganizationPolicyType, RootUser, User,
};
use rootward_state::{Db, RowKey, World};
use rootward_store::Memory;

/// The server's.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

const ACCOUNTS: u64 = 10_000;
const UNITS: u64 = 1_000;
const LEVELS: u64 = 5;
const LONE: u64 = 900_000_000_000;
const NOW: Time = Time::from_seconds(1_700_000_000);

/// Guardrails as people write them, four beside AWS's own policy.
const GUARDRAILS: [&str; 4] = [
    r#"{"Effect":"Deny","Action":"organizations:LeaveOrganization","Resource":"*"}"#,
    r#"{"Effect":"Deny","Action":"*","Resource":"*","Condition":{"ArnLike":{"aws:PrincipalArn":"arn:aws:iam::*:root"},"Null":{"aws:AssumedRoot":"true"}}}"#,
    r#"{"Effect":"Deny","Action":["cloudtrail:StopLogging","cloudtrail:DeleteTrail","cloudtrail:UpdateTrail"],"Resource":"*"}"#,
    r#"{"Effect":"Deny","NotAction":["iam:*","organizations:*","sts:*","support:*"],"Resource":"*","Condition":{"StringNotEquals":{"aws:RequestedRegion":["eu-west-1","eu-central-1"]}}}"#,
];

fn main() -> Result<(), Box<dyn Error>> {
    let rounds: usize = std::env::args().nth(1).map_or(Ok(21), |text| text.parse())?;
    let db = Db::open(Arc::new(Memory::new()?))?.db;
    let organization: OrganizationId = "o-exampleorg".parse()?;
    let before = resident()?;
    let units = build(&db, &organization)?;
    let each = resident()?.saturating_sub(before) / ACCOUNTS;
    let deepest = db.snapshot();
    let member = (1..=ACCOUNTS).rev().find_map(|number| {
        let account = AccountId::from_number(number)?;
        let levels = deepest.organization_of(account)?.place(account)?.levels()?.count();
        let has_user = deepest.account(account)?.named::<User>("ann").is_some();
        (has_user && levels as u64 == LEVELS + 2).then_some(account)
    });
    let member = member.ok_or("no account is at the deepest level")?;
    let lone = AccountId::from_number(LONE).ok_or("no account")?;
    let (mut alone, mut bound) = (Vec::new(), Vec::new());
    for _ in 0..rounds {
        alone.push(cost(&deepest, lone, 20_000)?);
        bound.push(cost(&deepest, member, 20_000)?);
    }
    let [alone, bound] = [alone, bound].map(|mut costs| {
        costs.sort_unstable();
        costs.get(costs.len() / 2).copied().unwrap_or_default()
    });

    // Every second account is somewhere under the first unit: what is attached there binds them.
    let key = RowKey::OrganizationNode(organization.clone(), units.first().ok_or("no unit")?.clone());
    let begun = Instant::now();
    let mut txn = db.begin();
    let node = txn.get::<OrganizationNode>(key.clone()).ok_or("no unit")?;
    txn.put(
        key,
        OrganizationNode {
            policies: node.policies.iter().take(1).cloned().collect(),
            ..OrganizationNode::clone(&node)
        },
    );
    db.commit_wait(txn)?;
    cost(&db.snapshot(), member, 1)?;
    let effect = begun.elapsed();
    println!(
        "{{\"alone_ns\": {alone}, \"member_ns\": {bound}, \"ratio\": {:.2}, \"effect_ms\": {:.2}, \"bytes_each\": {each}}}",
        bound as f64 / alone as f64,
        effect.as_secs_f64() * 1e3
    );
    Ok(())
}

/// Nanoseconds of one of `count` authorizations.
fn cost(world: &World, account: AccountId, count: u32) -> Result<u64, Box<dyn Error>> {
    let state = world.account(account).ok_or("no account")?;
    let user = state.named::<User>("ann").ok_or("no user")?;
    let principal = Principal {
        account,
        partition: Partition::Aws,
        identity: Identity::User(Arc::clone(user)),
        credential: Credential::Foreign("AKIAIOSFODNN7EXAMPLE".into()),
    };
    let facts = RequestFacts {
        now: NOW,
        region: "eu-west-1",
        source_ip: [192, 0, 2, 7].into(),
        user_agent: Some("bench"),
        referer: None,
        secure_transport: true,
    };
    let arn = format!("arn:aws:iam::{account}:user/ann");
    let check = Check {
        action: "iam:GetUser",
        resource: &arn,
        shown: None,
        resource_account: account,
        trust: None,
        second_factor: None,
    };
    let begun = Instant::now();
    for _ in 0..count {
        black_box(authorize(world, &principal, &facts, &check, Context::new()))
            .map_err(|denied| denied.message)?;
    }
    Ok(u64::try_from((begun.elapsed() / count).as_nanos())?)
}

/// Fills the store; the units, from the top.
fn build(db: &Db, organization: &OrganizationId) -> Result<Vec<NodeId>, Box<dyn Error>> {
    let management = AccountId::from_number(0).ok_or("no account")?;
    let root: NodeId = "r-exam".parse()?;
    let full: OrganizationPolicyId = "p-FullAWSAccess".parse()?;
    let mut txn = db.begin();
    txn.put(
        RowKey::Organization(organization.clone()),
        Organization {
            id: organization.clone(),
            management,
            partition: Partition::Aws,
            created: NOW,
            all_features: true,
            root: root.clone(),
            policy_types: vec![OrganizationPolicyType::ServiceControl],
            trusted: vec![],
            resource_policy: None,
            root_access: CentralRootAccess::default(),
        },
    );
    // Other policies on each level.
    let mut attached = vec![vec![full]; usize::try_from(LEVELS)? + 2];
    for (number, (level, statement)) in
        (0..attached.len()).flat_map(|level| GUARDRAILS.iter().map(move |text| (level, text))).enumerate()
    {
        let id: OrganizationPolicyId = format!("p-guardrail{number}").parse()?;
        attached.get_mut(level).ok_or("no level")?.push(id.clone());
        let policy = OrganizationPolicy {
            id: id.clone(),
            kind: OrganizationPolicyType::ServiceControl,
            name: format!("guardrail {number}").into(),
            description: "".into(),
            document: Document::new(format!(r#"{{"Version":"2012-10-17","Statement":[{statement}]}}"#)),
            updated: NOW,
            tags: vec![],
        };
        txn.put(RowKey::OrganizationPolicy(organization.clone(), id), policy);
    }
    let of_level = |level: u64| attached.get(usize::try_from(level).ok()?).cloned();
    let node = |id: &NodeId, parent: Option<NodeId>, level: u64| OrganizationNode {
        id: id.clone(),
        parent,
        name: id.as_str().into(),
        policies: of_level(level).unwrap_or_default(),
        tags: vec![],
    };
    txn.put(RowKey::OrganizationNode(organization.clone(), root.clone()), node(&root, None, 0));
    // Two units at the top, and under each a tree of four children a unit, five levels deep.
    let (mut units, mut depth) = (Vec::new(), Vec::new());
    for number in 0..UNITS {
        let id: NodeId = format!("ou-exam-{number:08}").parse()?;
        let (parent, level) = match number.checked_sub(2) {
            None => (root.clone(), 1),
            Some(rest) => {
                let at = usize::try_from(rest / 4)?;
                let above: Option<(&NodeId, &u64)> = units.get(at).zip(depth.get(at));
                match above {
                    Some((above, level)) if *level < LEVELS => (above.clone(), level + 1),
                    _ => (root.clone(), 1),
                }
            }
        };
        txn.put(RowKey::OrganizationNode(organization.clone(), id.clone()), node(&id, Some(parent), level));
        units.push(id);
        depth.push(level);
    }
    db.commit_wait(txn)?;
    let mut random = Counter(1);
    let mut numbers: Vec<u64> = (0..=ACCOUNTS).collect();
    numbers.push(LONE);
    for chunk in numbers.chunks(500) {
        let mut txn = db.begin();
        for &number in chunk {
            let id = AccountId::from_number(number).ok_or("no account")?;
            txn.put(RowKey::Account(id), account(id));
            if number == LONE || number % 500 == 250 {
                txn.put_entity(id, user(&mut random));
            }
            if number != LONE {
                let unit = units.get(usize::try_from(number % UNITS)?).ok_or("no unit")?;
                let membership = Membership {
                    account: id,
                    organization: organization.clone(),
                    parent: unit.clone(),
                    joined: NOW,
                    invited: false,
                    policies: of_level(LEVELS + 1).unwrap_or_default(),
                    tags: vec![],
                    delegated: vec![],
                };
                txn.put(RowKey::Membership(id), membership);
            }
        }
        db.commit_wait(txn)?;
    }
    Ok(units)
}

fn account(id: AccountId) -> Account {
    Account {
        id,
        name: format!("account {id}").into(),
        email: format!("{id}@example.com").into(),
        canonical_id: "0".repeat(64).into(),
        created: NOW,
        status: AccountStatus::Active,
        partition: Partition::Aws,
        alias: None,
        root: RootUser::default(),
    }
}

fn user(random: &mut dyn Random) -> User {
    let document = r#"{"Version":"2012-10-17","Statement":{"Effect":"Allow","Action":"*","Resource":"*"}}"#;
    let inline = InlinePolicy { name: "all".into(), document: Document::new(document) };
    User {
        id: UniqueId::random(EntityKind::User, random),
        name: "ann".into(),
        path: "/".into(),
        created: NOW,
        tags: vec![],
        grants: Grants { inline: vec![inline], ..Grants::default() },
        boundary: None,
        groups: vec![],
        access_keys: vec![],
    }
}

/// Memory of this process, in bytes.
fn resident() -> Result<u64, Box<dyn Error>> {
    let pages: u64 =
        std::fs::read_to_string("/proc/self/statm")?.split(' ').nth(1).unwrap_or_default().parse()?;
    Ok(pages * 4096)
}

struct Counter(u8);

impl Random for Counter {
    fn fill(&mut self, bytes: &mut [u8]) {
        for byte in bytes {
            self.0 = self.0.wrapping_mul(29).wrapping_add(7);
            *byte = self.0;
        }
    }
}
