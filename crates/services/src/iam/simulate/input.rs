//! What a simulation is asked, read and checked: documents, ARNs, condition keys, exclusions.

use rootward_api::iam as api;
use rootward_auth::gather::Gathered;
use rootward_names::{AccountId, Arn, Partition};
use rootward_pipeline::Failure;
use rootward_policy::{
    Attached, Context, Effect, Owner, Policies, Policy, PolicyKind, Principal, PrincipalKind, Program,
    Request, Source, ValueType, decide,
};

use super::given;
use crate::iam::failures;

/// Policies given as text, in order.
#[derive(Debug)]
pub(super) struct Documents {
    programs: Vec<Program>,
}

impl Documents {
    /// Reads the documents of the list that `member` is. The rules are those of session policies where identity policies are
    /// meant: the same, but for documents of the old version, which a simulation takes.
    ///
    /// # Errors
    /// `InvalidInput`, with the document's place in the list.
    pub(super) fn read(member: &str, list: &[String], kind: PolicyKind) -> Result<Self, Failure> {
        let read = |(at, text): (usize, &String)| match Policy::parse(text, kind) {
            Ok(policy) => Ok(Program::compile(policy)),
            Err(problems) => Err(failures::unreadable_input(member, at + 1, problems.aws_message())),
        };
        let programs = list.iter().enumerate().map(read).collect::<Result<_, _>>()?;
        Ok(Self { programs })
    }

    pub(super) fn len(&self) -> usize {
        self.programs.len()
    }

    pub(super) fn programs(&self) -> impl Iterator<Item = &Program> {
        self.programs.iter()
    }

    pub(super) fn attached(&self) -> impl Iterator<Item = Attached<'_>> {
        self.programs.iter().map(given)
    }
}

/// The policy that every simulated resource has.
#[derive(Debug)]
pub(super) struct ResourcePolicy {
    program: Program,
    /// Allows everything on the resources that a statement is about.
    reach: Program,
}

impl ResourcePolicy {
    /// # Errors
    /// `InvalidInput`.
    pub(super) fn read(text: &str) -> Result<Self, Failure> {
        let mut policy = Policy::parse(text, PolicyKind::Resource)
            .map_err(|problems| failures::unreadable_input("resourcePolicy", 1, problems.aws_message()))?;
        let program = Program::compile(policy.clone());
        for statement in &mut policy.statements {
            statement.effect = Effect::Allow;
            statement.principal = None;
            statement.conditions.clear();
            if let Some(action) = &mut statement.action {
                action.not = false;
                action.patterns.iter_mut().for_each(|pattern| pattern.value = "*".into());
            }
        }
        Ok(Self { program, reach: Program::compile(policy) })
    }

    /// Whether each resource could have this policy: some statement is about it. `*` could be any.
    ///
    /// # Errors
    /// `InvalidInput`.
    pub(super) fn check_applies(&self, resources: &[&str], context: &Context) -> Result<(), Failure> {
        let anybody = Principal {
            kind: PrincipalKind::User { arn: "", id: "" },
            account: AccountId::from_number(0),
            management_account: false,
        };
        let reach = [given(&self.reach)];
        let policies = Policies { identity: &reach, ..Policies::default() };
        let applies = |resource: &str| {
            let request = Request {
                principal: &anybody,
                action: "service:Action",
                resource,
                resource_account: None,
                context,
            };
            resource == "*" || decide(&request, &policies).is_allowed()
        };
        match resources.iter().find(|resource| !applies(resource)) {
            Some(resource) => Err(failures::resource_policy_of_others(resource)),
            None => Ok(()),
        }
    }

    pub(super) fn attached(&self) -> Attached<'_> {
        given(&self.program)
    }
}

/// The ARN of a user, group or role; it need not exist.
#[derive(Debug, Clone, Copy)]
pub(super) struct EntityArn<'a> {
    pub(super) text: &'a str,
    pub(super) partition: Partition,
    pub(super) account: AccountId,
    pub(super) kind: EntityKind,
    /// Without its path.
    pub(super) name: &'a str,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum EntityKind {
    Group,
    Role,
    User,
}

impl<'a> EntityArn<'a> {
    /// # Errors
    /// `InvalidInput`: sessions, services and the root user are none of these.
    pub(super) fn parse(text: &'a str) -> Result<Self, Failure> {
        Self::read(text).ok_or_else(|| failures::unclear_entity(text))
    }

    fn read(text: &'a str) -> Option<Self> {
        let arn = Arn::parse(text).ok().filter(|arn| arn.service == "iam" && arn.region.is_empty())?;
        let (kind, path) = arn.resource.split_once('/')?;
        let kind = match kind {
            "group" => EntityKind::Group,
            "role" => EntityKind::Role,
            "user" => EntityKind::User,
            _ => return None,
        };
        let name = path.rsplit('/').next().filter(|name| !name.is_empty())?;
        Some(Self {
            text,
            partition: Partition::of_name(arn.partition)?,
            account: arn.account.parse().ok()?,
            kind,
            name,
        })
    }
}

/// The account that owns the resources: its ARN, or its id.
///
/// # Errors
/// `InvalidInput`.
pub(super) fn resource_owner(text: &str) -> Result<AccountId, Failure> {
    let account = match Arn::parse(text) {
        Ok(arn) if arn.service == "iam" && arn.region.is_empty() && arn.resource == "root" => arn.account,
        Ok(_) => "",
        Err(_) => text,
    };
    account.parse().map_err(|_| failures::invalid_resource_owner(text))
}

/// # Errors
/// `InvalidInput`: no service, or a wildcard.
pub(super) fn check_actions(actions: &[String]) -> Result<(), Failure> {
    let is_word = |text: &str| {
        !text.is_empty() && text.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_'))
    };
    let is_action = |action: &str| {
        action.split_once(':').is_some_and(|(service, name)| is_word(service) && is_word(name))
    };
    match actions.iter().find(|action| !is_action(action)) {
        Some(action) => Err(failures::invalid_simulated_action(action)),
        None => Ok(()),
    }
}

/// The resources; `*` if there are none.
///
/// # Errors
/// `InvalidInput`.
pub(super) fn resources(list: &[String]) -> Result<Vec<&str>, Failure> {
    if list.is_empty() {
        return Ok(vec!["*"]);
    }
    let mut resources: Vec<&str> = Vec::with_capacity(list.len());
    for text in list {
        if text != "*" && Arn::parse(text).is_err() {
            return Err(failures::invalid_simulated_resource(text));
        }
        resources.push(text);
    }
    Ok(resources)
}

/// Whether every resource is there that this scenario of EC2 needs.
///
/// # Errors
/// `InvalidInput`.
pub(super) fn check_handling(option: &str, resources: &[&str]) -> Result<(), Failure> {
    let (_, needed) = HANDLING
        .iter()
        .find(|(name, _)| *name == option)
        .ok_or_else(|| failures::invalid_handling_option(option))?;
    let is_there = |kind: &str| {
        resources.iter().filter_map(|resource| Arn::parse(resource).ok()).any(|arn| {
            arn.service == "ec2" && arn.resource.split('/').next().is_some_and(|found| found == kind)
        })
    };
    match needed.iter().find(|kind| !is_there(kind)) {
        Some(missing) => Err(failures::resource_lacking(option, missing)),
        None => Ok(()),
    }
}

/// Source: IAM API Reference, SimulateCustomPolicy, `ResourceHandlingOption`.
const HANDLING: &[(&str, &[&str])] = &[
    ("EC2-VPC-EBS", &["instance", "image", "security-group", "network-interface", "volume"]),
    ("EC2-VPC-EBS-Subnet", &["instance", "image", "security-group", "network-interface", "subnet", "volume"]),
    ("EC2-VPC-InstanceStore", &["instance", "image", "security-group", "network-interface"]),
    ("EC2-VPC-InstanceStore-Subnet", &["instance", "image", "security-group", "network-interface", "subnet"]),
];

/// Sets the condition keys of the request; a key given twice has its last value.
///
/// # Errors
/// `InvalidInput`: no name, a value that is not of the type, or other than one value of a type that is no list.
pub(super) fn fill(entries: &[api::ContextEntry], context: &mut Context) -> Result<(), Failure> {
    for entry in entries {
        let name = entry.context_key_name.as_deref().ok_or_else(failures::unnamed_context_key)?;
        let values = entry.context_key_values.as_deref().unwrap_or_default();
        let (kind, many) = match entry.context_key_type {
            Some(kind) => type_of(kind),
            None => (ValueType::String, values.len() != 1),
        };
        if let Some(value) = values.iter().find(|value| !kind.reads(value)) {
            return Err(failures::invalid_context_value(name, value));
        }
        match values {
            _ if many => context.list(name, values),
            [value] => context.text(name, value),
            _ => return Err(failures::one_context_value(name)),
        };
    }
    Ok(())
}

/// The type of each value, and whether there may be several.
const fn type_of(kind: api::ContextKeyTypeEnum) -> (ValueType, bool) {
    use api::ContextKeyTypeEnum as Kind;
    match kind {
        Kind::Binary => (ValueType::Binary, false),
        Kind::BinaryList => (ValueType::Binary, true),
        Kind::Boolean => (ValueType::Boolean, false),
        Kind::BooleanList => (ValueType::Boolean, true),
        Kind::Date => (ValueType::Date, false),
        Kind::DateList => (ValueType::Date, true),
        Kind::Ip => (ValueType::Ip, false),
        Kind::IpList => (ValueType::Ip, true),
        Kind::Numeric => (ValueType::Numeric, false),
        Kind::NumericList => (ValueType::Numeric, true),
        Kind::String => (ValueType::String, false),
        Kind::StringList => (ValueType::String, true),
    }
}

/// Attached policies that a simulation leaves out.
#[derive(Debug)]
pub(super) struct Exclusions<'a>(Vec<Exclusion<'a>>);

#[derive(Debug)]
enum Exclusion<'a> {
    /// What stands before the policy's path and name, and a wildcard for these.
    Arn(&'a str, Wildcard<'a>),
    Inline {
        owner: Owner,
        owner_name: Wildcard<'a>,
        policy_name: &'a str,
    },
    Kind(api::PolicyIdentifierPolicyType),
}

impl<'a> Exclusions<'a> {
    /// # Errors
    /// `InvalidInput`: an identifier says nothing, or says it in two ways; its ARN is no managed policy's; a wildcard stands where
    /// none may, or two `*` do.
    pub(super) fn read(list: &'a [api::PolicyIdentifier]) -> Result<Self, Failure> {
        let read = |identifier| Exclusion::read(identifier).ok_or_else(failures::invalid_policy_identifier);
        list.iter().map(read).collect::<Result<_, _>>().map(Self)
    }

    /// Takes the policies out. What matches none is ignored.
    pub(super) fn apply(&self, gathered: &mut Gathered<'_>) {
        use api::PolicyIdentifierPolicyType::PermissionBoundary;
        gathered.identity.retain(|found| !self.0.iter().any(|exclusion| exclusion.takes(&found.source())));
        let is_boundary =
            |exclusion: &Exclusion<'_>| matches!(exclusion, Exclusion::Kind(PermissionBoundary));
        if self.0.iter().any(is_boundary) {
            gathered.boundary = None;
        }
    }
}

impl Exclusions<'_> {
    /// Whether the service control policies of the account's organization are left out. Resource control policies never take part.
    pub(super) fn take_scps(&self) -> bool {
        use api::PolicyIdentifierPolicyType::Scp;
        self.0.iter().any(|exclusion| matches!(exclusion, Exclusion::Kind(Scp)))
    }
}

impl<'a> Exclusion<'a> {
    fn read(identifier: &'a api::PolicyIdentifier) -> Option<Self> {
        match (&identifier.policy_type, &identifier.policy_arn, &identifier.inline_policy_identifier) {
            (Some(kind), None, None) => Some(Self::Kind(*kind)),
            (None, Some(arn), None) => {
                let parsed = Arn::parse(arn).ok().filter(|arn| arn.service == "iam")?;
                let name = parsed.resource.strip_prefix("policy/").filter(|name| !name.is_empty())?;
                let before = arn.strip_suffix(name).filter(|before| !before.contains(['*', '?']))?;
                Some(Self::Arn(before, Wildcard::read(name)?))
            }
            (None, None, Some(inline)) => Some(Self::Inline {
                owner: match inline.attachment_type {
                    api::AttachmentType::Group => Owner::Group,
                    api::AttachmentType::Role => Owner::Role,
                    api::AttachmentType::User => Owner::User,
                },
                owner_name: Wildcard::read(&inline.attachment_name)?,
                policy_name: &inline.policy_name,
            }),
            _ => None,
        }
    }

    fn takes(&self, source: &Source<'_>) -> bool {
        use api::PolicyIdentifierPolicyType as Kind;
        match (self, *source) {
            (Self::Arn(before, name), Source::Managed { arn }) => {
                arn.strip_prefix(before).is_some_and(|rest| name.matches(rest))
            }
            (
                Self::Inline { owner, owner_name, policy_name },
                Source::Inline { owner: found, owner_name: found_owner, policy_name: found_name },
            ) => {
                // Names are unique ignoring case; with wildcards they are compared as written.
                *owner == found
                    && (owner_name.matches(found_owner) || owner_name.text.eq_ignore_ascii_case(found_owner))
                    && policy_name.eq_ignore_ascii_case(found_name)
            }
            (Self::Kind(Kind::Inline), Source::Inline { .. }) => true,
            (Self::Kind(Kind::AwsManaged), Source::Managed { arn }) => is_aws_managed(arn),
            (Self::Kind(Kind::UserManaged), Source::Managed { arn }) => !is_aws_managed(arn),
            (Self::Arn(..) | Self::Inline { .. } | Self::Kind(_), _) => false,
        }
    }
}

fn is_aws_managed(arn: &str) -> bool {
    Arn::parse(arn).is_ok_and(|arn| arn.account == "aws")
}

/// A name in which `?` is any one character and `*`, at most one, any run of them.
#[derive(Debug, Clone, Copy)]
struct Wildcard<'a> {
    text: &'a str,
}

impl<'a> Wildcard<'a> {
    fn read(text: &'a str) -> Option<Self> {
        (text.matches('*').count() <= 1).then_some(Self { text })
    }

    /// ARNs and names of IAM are ASCII: bytes are characters.
    fn matches(self, name: &str) -> bool {
        let fits = |pattern: &str, part: &[u8]| {
            pattern.len() == part.len() && pattern.bytes().zip(part).all(|(p, b)| p == b'?' || p == *b)
        };
        let name = name.as_bytes();
        match self.text.split_once('*') {
            None => fits(self.text, name),
            Some((start, end)) => {
                let run = name.len().checked_sub(start.len() + end.len());
                let parts =
                    run.and_then(|run| Some((name.get(..start.len())?, name.get(start.len() + run..)?)));
                parts.is_some_and(|(first, last)| fits(start, first) && fits(end, last))
            }
        }
    }
}
