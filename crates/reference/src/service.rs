//! Services: found by prefix, and what they have found by name.

use std::fmt;

use crate::glob::{compare, glob, has_wildcard};
use crate::tables::{ActionRecord, ServiceRecord, TypeRecord, range};
use crate::{Action, ConditionKey, Reference, ResourceType};

/// A service; shown as its prefix.
#[derive(Clone, Copy)]
pub struct Service<'a> {
    pub(crate) reference: &'a Reference<'a>,
    prefix: &'a str,
    name: &'a str,
    actions: &'a [ActionRecord],
    types: &'a [TypeRecord],
    keys: u16,
    rcp: bool,
}

impl<'a> Reference<'a> {
    /// The service with this prefix, in any letter case.
    pub fn service(&'a self, prefix: &str) -> Option<Service<'a>> {
        Service::read(self, self.services.get(self.service_index(prefix)?)?)
    }

    /// Every service, ordered by prefix.
    pub fn services(&'a self) -> impl Iterator<Item = Service<'a>> {
        self.services.iter().filter_map(|record| Service::read(self, record))
    }

    /// The action of this full name, such as `s3:GetObject`, in any letter case.
    pub fn action(&'a self, name: &str) -> Option<Action<'a>> {
        let (prefix, name) = name.split_once(':')?;
        self.service(prefix)?.action(name)
    }

    /// The actions that an `Action` element of a policy stands for, such as `s3:Get*`, one by one. `*` is any run of
    /// characters, `?` any one, both in the service's prefix too, where AWS itself takes only a lone `*`.
    pub fn actions_matching<'p>(
        &'a self,
        pattern: &'p str,
    ) -> impl Iterator<Item = Action<'a>> + use<'a, 'p> {
        // A full name has one colon, so the one of the pattern stands for it. Without one, a wildcard has to.
        let parts = pattern.split_once(':');
        let services = match parts {
            Some((prefix, _)) if !has_wildcard(prefix) => {
                let index = self.service_index(prefix);
                index.and_then(|index| self.services.get(index..=index)).unwrap_or_default()
            }
            _ => self.services,
        };
        let services = services.iter().filter_map(move |record| Service::read(self, record));
        let services = services
            .filter(move |service| parts.is_none_or(|(prefix, _)| glob(prefix, service.prefix.bytes())));
        services.flat_map(Service::actions).filter(move |action| match parts {
            Some((_, name)) => glob(name, action.name().bytes()),
            None => glob(pattern, action.service().prefix.bytes().chain([b':']).chain(action.name().bytes())),
        })
    }

    fn service_index(&self, prefix: &str) -> Option<usize> {
        let order = |record: &ServiceRecord| {
            let [a, b, c, d, ..] = *record;
            compare(self.name([a, b, c, d]), prefix)
        };
        self.services.binary_search_by(order).ok()
    }
}

impl<'a> Service<'a> {
    fn read(reference: &'a Reference<'a>, record: &ServiceRecord) -> Option<Self> {
        let [p0, p1, p2, p3, n0, n1, n2, n3, a0, a1, a2, a3, t0, t1, t2, t3, k0, k1, rcp] = *record;
        let service = Self {
            reference,
            prefix: reference.name([p0, p1, p2, p3]),
            name: reference.name([n0, n1, n2, n3]),
            actions: range(reference.actions, [a0, a1], [a2, a3]),
            types: range(reference.types, [t0, t1], [t2, t3]),
            keys: u16::from_le_bytes([k0, k1]),
            rcp: rcp != 0,
        };
        (!service.prefix.is_empty()).then_some(service)
    }

    /// As in the names of its actions: `s3`.
    pub fn prefix(self) -> &'a str {
        self.prefix
    }

    /// As in AWS's documentation: `Amazon S3`.
    pub fn name(self) -> &'a str {
        self.name
    }

    /// Whether resource control policies apply to it, as far as the data says.
    pub fn supports_rcps(self) -> bool {
        self.rcp
    }

    /// The action of this name, without prefix, in any letter case.
    pub fn action(self, name: &str) -> Option<Action<'a>> {
        let order = |record: &ActionRecord| compare(Action::name_of(self.reference, record), name);
        let index = self.actions.binary_search_by(order).ok()?;
        Action::read(self, self.actions.get(index)?)
    }

    /// Its actions, ordered by name ignoring case.
    pub fn actions(self) -> impl Iterator<Item = Action<'a>> + use<'a> {
        self.actions.iter().filter_map(move |record| Action::read(self, record))
    }

    /// The resource type of this name, in any letter case.
    pub fn resource_type(self, name: &str) -> Option<ResourceType<'a>> {
        let order = |record: &TypeRecord| compare(ResourceType::name_of(self.reference, record), name);
        let index = self.types.binary_search_by(order).ok()?;
        ResourceType::read(self.reference, self.types.get(index)?)
    }

    /// Its resource types, ordered by name ignoring case. Some are of other services: `sts` has IAM's role.
    pub fn resource_types(self) -> impl Iterator<Item = ResourceType<'a>> + use<'a> {
        self.types.iter().filter_map(move |record| ResourceType::read(self.reference, record))
    }

    /// Every condition key that its pages list, ordered by name ignoring case; some have another prefix.
    pub fn condition_keys(self) -> impl Iterator<Item = ConditionKey<'a>> + use<'a> {
        ConditionKey::of_set(self.reference, self.keys)
    }
}

impl fmt::Debug for Service<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Service({})", self.prefix)
    }
}

impl fmt::Display for Service<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.prefix)
    }
}
