//! Actions: access level, resource types, condition keys.

use std::fmt;

use crate::tables::{ActionRecord, ResourceRecord};
use crate::{ConditionKey, Reference, ResourceType, Service};

/// An action; shown as its full name.
#[derive(Clone, Copy)]
pub struct Action<'a> {
    service: Service<'a>,
    name: &'a str,
    level: AccessLevel,
    keys: u16,
    resources: u16,
}

/// What an action can do, by AWS's classification; see the IAM User Guide, "Access level in policy summaries".
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum AccessLevel {
    /// Names resources.
    List,
    /// Reads what is in a resource.
    Read,
    /// Creates, changes or deletes a resource. Sensitive actions may be here: `iam:PassRole` is.
    Write,
    /// Changes nothing but tags; AWS counts it as writing too.
    Tagging,
    /// Grants or changes permissions; AWS counts it as writing too.
    PermissionsManagement,
}

/// A resource type in the row of an action.
#[derive(Debug, Clone, Copy)]
pub struct ActionResource<'a> {
    kind: ResourceType<'a>,
    required: bool,
    keys: u16,
}

impl<'a> Action<'a> {
    pub(crate) fn name_of(reference: &Reference<'a>, record: &ActionRecord) -> &'a str {
        let [a, b, c, d, ..] = *record;
        reference.name([a, b, c, d])
    }

    pub(crate) fn read(service: Service<'a>, record: &ActionRecord) -> Option<Self> {
        let [.., level, k0, k1, r0, r1] = *record;
        let level = match level {
            0 => AccessLevel::List,
            1 => AccessLevel::Read,
            2 => AccessLevel::Write,
            3 => AccessLevel::Tagging,
            4 => AccessLevel::PermissionsManagement,
            _ => return None,
        };
        let name = Self::name_of(service.reference, record);
        let (keys, resources) = (u16::from_le_bytes([k0, k1]), u16::from_le_bytes([r0, r1]));
        (!name.is_empty()).then_some(Self { service, name, level, keys, resources })
    }

    /// Whose action it is.
    pub fn service(self) -> Service<'a> {
        self.service
    }

    /// Without the prefix: `GetObject`.
    pub fn name(self) -> &'a str {
        self.name
    }

    /// What it can do.
    pub fn level(self) -> AccessLevel {
        self.level
    }

    /// The resource types that a statement can limit it to, ordered by name. None: the statement's resource has to be `*`.
    pub fn resources(self) -> impl Iterator<Item = ActionResource<'a>> + use<'a> {
        let reference = self.service.reference;
        reference.list(self.resources).iter().filter_map(|record| ActionResource::read(reference, record))
    }

    /// The condition keys of the action whatever its resource, ordered by name.
    pub fn condition_keys(self) -> impl Iterator<Item = ConditionKey<'a>> + use<'a> {
        ConditionKey::of_set(self.service.reference, self.keys)
    }

    /// Whether a request for the action can carry the condition key of this full name: one of the action, of a resource type
    /// in its row, or a global one.
    pub fn accepts_key(self, name: &str) -> bool {
        let reference = self.service.reference;
        let global = || reference.condition_key(name).is_some_and(ConditionKey::is_global);
        let mut own = self.condition_keys();
        let mut of_resources = self
            .resources()
            .flat_map(|resource| resource.condition_keys().chain(resource.kind.condition_keys()));
        own.any(|key| key.is(name)) || of_resources.any(|key| key.is(name)) || global()
    }
}

impl fmt::Debug for Action<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Action({self})")
    }
}

impl fmt::Display for Action<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.service.prefix(), self.name)
    }
}

impl<'a> ActionResource<'a> {
    fn read(reference: &'a Reference<'a>, record: &ResourceRecord) -> Option<Self> {
        let [t0, t1, k0, k1] = *record;
        let number = u16::from_le_bytes([t0, t1]);
        let kind = ResourceType::read(reference, reference.types.get(usize::from(number & !REQUIRED))?)?;
        Some(Self { kind, required: number & REQUIRED != 0, keys: u16::from_le_bytes([k0, k1]) })
    }

    /// The resource type.
    pub fn kind(self) -> ResourceType<'a> {
        self.kind
    }

    /// Whether every request for the action names such a resource. Of several types that stand for each other none is required.
    pub fn is_required(self) -> bool {
        self.required
    }

    /// The condition keys of the action on this type, ordered by name; see [`ResourceType::condition_keys`] for the rest.
    pub fn condition_keys(self) -> impl Iterator<Item = ConditionKey<'a>> + use<'a> {
        ConditionKey::of_set(self.kind.reference, self.keys)
    }
}

const REQUIRED: u16 = 1 << 15;
