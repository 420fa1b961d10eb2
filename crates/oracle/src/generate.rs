//! Bytes → world. Everything is drawn from small alphabets, so that policies are about the request more often than not.
//!
//! Every choice takes one byte, and a stream that has ended goes on with zeros; the first alternative of every choice is
//! the simplest one, so fewer and smaller bytes make a simpler world.

use std::collections::BTreeMap;

use serde_json::{Map, Value, json};

use crate::world::{Asked, Caller, CallerKind, World};

const HERE: &str = "111111111111";
const THERE: &str = "222222222222";

/// The world that these bytes stand for.
pub fn generate(bytes: &[u8]) -> World {
    let mut choices = Choices { bytes: bytes.iter() };
    choices.world()
}

struct Choices<'a> {
    bytes: std::slice::Iter<'a, u8>,
}

/// What a policy is attached to, as far as its grammar depends on it.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Kind {
    Endpoint,
    Identity,
    Rcp,
    Resource,
    Trust,
}

/// The kinds of values conditions compare, each with its operators, keys and values, some of them unreadable.
struct Family {
    operators: &'static [&'static str],
    keys: &'static [&'static str],
    values: &'static [&'static str],
}

const FAMILIES: &[Family] = &[
    Family {
        operators: &[
            "StringEquals",
            "StringNotEquals",
            "StringLike",
            "StringNotLike",
            "StringEqualsIgnoreCase",
            "StringNotEqualsIgnoreCase",
        ],
        keys: &[
            "aws:PrincipalTag/Team",
            "aws:username",
            "s3:prefix",
            "aws:RequestTag/Équipe",
            "aws:PrincipalType",
        ],
        values: &[
            "a",
            "b",
            "A",
            "",
            "*",
            "a*",
            "?",
            "ann",
            "Anna",
            "É",
            "é",
            "${aws:username}",
            "${AWS:principaltag/team}",
            "${aws:RequestTag/Équipe, 'a'}",
            "${*}",
            "${?}${$}",
            "a${s3:prefix}*",
            "${aws:TagKeys}",
            "${aws:TagKeys, 'a'}",
            "${none}",
            "${none, 'a*'}",
            "${none, ''}",
            "a${*}b",
            "a*b",
            "$",
            "User",
            "Account",
        ],
    },
    Family {
        operators: &[
            "NumericEquals",
            "NumericNotEquals",
            "NumericLessThan",
            "NumericLessThanEquals",
            "NumericGreaterThan",
            "NumericGreaterThanEquals",
        ],
        keys: &["s3:max-keys", "aws:MultiFactorAuthAge", "aws:EpochTime"],
        values: &[
            "10",
            "9",
            "10.0",
            "9.5",
            "-1",
            "0",
            "-0",
            "0.10",
            "0.1",
            "010",
            "9007199254740993",
            "9007199254740992",
            "123456789012345678901234567890",
            "abc",
            "",
            "1,5",
            "1.2.3",
            "1767225600",
        ],
    },
    Family {
        operators: &[
            "DateEquals",
            "DateNotEquals",
            "DateLessThan",
            "DateLessThanEquals",
            "DateGreaterThan",
            "DateGreaterThanEquals",
        ],
        keys: &["aws:CurrentTime", "aws:TokenIssueTime", "aws:EpochTime"],
        values: &[
            "2026-01-01T00:00:00Z",
            "2026-01-01T01:00:00+01:00",
            "2025-12-31T23:00:00-01:00",
            "2026-01-01",
            "2026-01",
            "1767225600",
            "2026-01-01T00:00Z",
            "2026-01-01T00:00:00.5Z",
            "2025-12-31T23:59:59.999999999Z",
            "2024-02-29T12:00:00Z",
            "1969-12-31T23:59:59Z",
            "0",
            "2026",
            "-1",
            "2026-02-30",
            "12345-06-07T08:09:10.123+11:30",
            "9223372036854775807",
            "9223372036854775808",
            "0.5",
            "yesterday",
            "2026-13-01",
            "2026-01-01T24:30:00Z",
            "",
        ],
    },
    Family {
        operators: &["Bool"],
        keys: &["aws:SecureTransport", "aws:MultiFactorAuthPresent", "aws:PrincipalIsAWSService"],
        values: &["true", "false", "TRUE", "False", "yes", "", "${aws:SecureTransport}", "${none}"],
    },
    Family {
        operators: &["IpAddress", "NotIpAddress"],
        keys: &["aws:SourceIp", "aws:VpcSourceIp"],
        values: &[
            "203.0.113.7",
            "203.0.113.0/24",
            "203.0.113.99/24",
            "0.0.0.0/0",
            "198.51.100.1/32",
            "2001:db8::7",
            "2001:DB8:0::/32",
            "::/0",
            "::ffff:203.0.113.7",
            "::ffff:203.0.113.0/120",
            "203.0.113.0/33",
            "203.0.113",
            "a",
            "",
        ],
    },
    Family {
        operators: &["ArnEquals", "ArnLike", "ArnNotEquals", "ArnNotLike"],
        keys: &["aws:PrincipalArn", "aws:SourceArn"],
        values: &[
            "arn:aws:iam::111111111111:user/ann",
            "arn:aws:iam::111111111111:role/team/app",
            "arn:aws:iam::111111111111:root",
            "arn:aws:iam::*:*",
            "arn:aws:iam::111111111111:user/*",
            "arn:aws:iam::111111111111:user/${aws:username}",
            "${aws:PrincipalArn}",
            "${aws:SourceArn}",
            "${aws:PrincipalArn}*",
            "arn:aws:iam::${aws:PrincipalAccount}:user/ann",
            "arn:aws:iam::${aws:PrincipalTag/Team}:user/ann",
            "arn:aws:sns:*:111111111111:t*",
            "arn:aws:sns:us-east-1:222222222222:x:111111111111:t",
            "arn:*:*:*:*:*",
            "*",
            "arn:aws:iam",
            "a",
            "",
            "ARN:aws:iam::111111111111:user/ann",
            "arn:aws:iam::111111111111:USER/ann",
        ],
    },
    Family {
        operators: &["BinaryEquals"],
        keys: &["x:Blob"],
        values: &["YQ==", "YWI=", "YWJj", "", "!", "YQ", "a", "YQ===", "YR=="],
    },
    Family { operators: &["Null"], keys: &["aws:TokenIssueTime"], values: &["true", "false", "False", "no"] },
];

/// Long enough for the engine to search it in another way.
const LONG: &str = "arn:aws:s3:::b1/aéaaaabaaaaaaaaaaaaaaaaaaaabaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaabab";

const MULTIVALUED: &[&str] = &["aws:TagKeys", "aws:PrincipalOrgPaths", "aws:PrincipalServiceNamesList"];

impl Choices<'_> {
    fn byte(&mut self) -> usize {
        self.bytes.next().map_or(0, |byte| usize::from(*byte))
    }

    #[expect(clippy::expect_used, reason = "a remainder is within bounds, and no list is empty")]
    fn of<T: Copy>(&mut self, alternatives: &[T]) -> T {
        let at = self.byte() % alternatives.len();
        *alternatives.get(at).expect("one of them")
    }

    /// True in so many of 256 cases.
    fn rarely(&mut self, of_256: usize) -> bool {
        self.byte() >= 256 - of_256
    }

    fn list<T>(&mut self, sizes: &[usize], mut one: impl FnMut(&mut Self) -> T) -> Vec<T> {
        (0..self.of(sizes)).map(|_| one(self)).collect()
    }

    fn world(&mut self) -> World {
        let principal = self.caller();
        let (action, resource, owner) = self.asked();
        let has_account = principal.account.is_some();
        let theirs = owner.map(str::to_owned).or_else(|| (!has_account).then(|| HERE.to_owned()));
        let mut world = World {
            principal,
            identity_policies: vec![],
            boundary: None,
            guard_policy: None,
            session_policies: None,
            scps: None,
            rcps: None,
            vpce_policies: None,
            resource_policy: None,
            request: Asked {
                action,
                resource,
                context: self.context(),
                resource_account: theirs,
                principal_in_management_account: has_account && self.rarely(16),
            },
        };
        world.identity_policies = self.list(&[1, 1, 1, 0, 2], |c| c.policy(Kind::Identity, &world));
        if world.is_trust() || world.is_key() || self.rarely(140) {
            let kind = if world.is_trust() { Kind::Trust } else { Kind::Resource };
            let has = world.request.resource != "*" && !self.rarely(24);
            world.resource_policy = has.then(|| self.policy(kind, &world));
        }
        world.boundary = self.rarely(80).then(|| self.policy(Kind::Identity, &world));
        world.session_policies = self.session(&world);
        world.scps = self.rarely(90).then(|| self.levels(Kind::Identity, &world));
        world.rcps = self.rarely(70).then(|| self.levels(Kind::Rcp, &world));
        world.vpce_policies =
            self.rarely(40).then(|| self.list(&[1, 1, 1, 2, 0], |c| c.policy(Kind::Endpoint, &world)));
        world.guard_policy = self.rarely(50).then(|| self.policy(Kind::Identity, &world));
        world
    }

    fn caller(&mut self) -> Caller {
        use CallerKind::{
            Anonymous, AssumedRoot, FederatedUser, RoleSession, Root, Saml, Service, User, WebIdentity,
        };
        let kind = self.of(&[
            User,
            User,
            User,
            User,
            RoleSession,
            RoleSession,
            RoleSession,
            RoleSession,
            FederatedUser,
            FederatedUser,
            Root,
            AssumedRoot,
            Service,
            Anonymous,
            WebIdentity,
            Saml,
        ]);
        let account = match kind {
            Anonymous | Saml | Service | WebIdentity => None,
            _ => Some(HERE.to_owned()),
        };
        let user = || "arn:aws:iam::111111111111:user/ann".to_owned();
        let (session, role) = if kind == RoleSession && self.rarely(32) {
            (
                "arn:aws:sts::111111111111:assumed-role/AWSServiceRoleForX/s1",
                "arn:aws:iam::111111111111:role/aws-service-role/x.amazonaws.com/AWSServiceRoleForX",
            )
        } else {
            ("arn:aws:sts::111111111111:assumed-role/app/s1", "arn:aws:iam::111111111111:role/team/app")
        };
        let arn = match kind {
            Anonymous => None,
            AssumedRoot | Root => Some("arn:aws:iam::111111111111:root".to_owned()),
            FederatedUser => Some("arn:aws:sts::111111111111:federated-user/fay".to_owned()),
            RoleSession => Some(session.to_owned()),
            Saml => Some("arn:aws:iam::111111111111:saml-provider/idp".to_owned()),
            Service => Some("s3.amazonaws.com".to_owned()),
            User => Some(user()),
            WebIdentity => Some("accounts.google.com".to_owned()),
        };
        Caller {
            kind,
            arn,
            account,
            role_arn: (kind == RoleSession).then(|| role.to_owned()),
            user_arn: (kind == FederatedUser).then(user),
            id: match kind {
                User | FederatedUser => Some("AIDA0000000000000ANN".to_owned()),
                RoleSession => Some("AROA0000000000000APP".to_owned()),
                _ => None,
            },
        }
    }

    /// Action, resource, and its owner.
    fn asked(&mut self) -> (String, String, Option<&'static str>) {
        let (action, resource) = self.of(&[
            ("s3:GetObject", "arn:aws:s3:::b1/ann/x"),
            ("s3:GetObject", "arn:aws:s3:::b1/a*b"),
            ("s3:PutObject", "arn:aws:s3:::b1/É/a"),
            ("s3:DeleteBucketPolicy", "arn:aws:s3:::b1"),
            ("s3:ListAllMyBuckets", "*"),
            ("sqs:SendMessage", "arn:aws:sqs:us-east-1:OWNER:q1"),
            ("sns:Publish", "arn:aws:sns:us-east-1:OWNER:x:111111111111:t"),
            ("iam:CreateUser", "arn:aws:iam::OWNER:user/ann"),
            ("sts:AssumeRole", "arn:aws:iam::OWNER:role/target"),
            ("sts:AssumeRole", "arn:aws:iam::OWNER:role/target"),
            ("STS:assumeRoleWithWebIdentity", "arn:aws:iam::OWNER:role/target"),
            ("kms:Decrypt", "arn:aws:kms:us-east-1:OWNER:key/k1"),
            ("kms:Decrypt", "arn:aws:kms:us-east-1:OWNER:key/k1"),
            ("kms:RetireGrant", "arn:aws:kms:us-east-1:OWNER:key/k1"),
            ("ec2:RunInstances", "arn:aws:ec2:us-east-1:OWNER:instance/i-1"),
            ("S3:getobject", "arn:aws:s3:::b1/ann/x"),
            ("s3:GetObject", LONG),
        ]);
        let free =
            self.rarely(6).then(|| self.of(&[("sts:GetCallerIdentity", "*"), ("sts:getSessionToken", "*")]));
        let (action, resource) = free.unwrap_or((action, resource));
        // Half of the time it is not said and thus the caller's.
        let owner = self.of(&[None, Some(HERE), Some(THERE), Some(HERE)]);
        let owner = if resource == "*" { None } else { owner };
        (action.to_owned(), resource.replace("OWNER", owner.unwrap_or(HERE)), owner)
    }

    fn context(&mut self) -> BTreeMap<String, Value> {
        let mut context = BTreeMap::new();
        for family in FAMILIES {
            for key in family.keys {
                if self.rarely(150) {
                    // Half of the keys that follow from the caller are left to follow.
                    if !key.starts_with("aws:Principal") && *key != "aws:username"
                        || self.rarely(64)
                        || key.contains('/')
                    {
                        let value = self.value(family);
                        context.insert((*key).to_owned(), json!(value));
                    }
                }
            }
        }
        for key in MULTIVALUED {
            if self.rarely(128) {
                let family = self.family();
                context.insert((*key).to_owned(), json!(self.list(&[1, 2, 0, 3], |c| c.value(family))));
            }
        }
        context
    }

    #[expect(clippy::expect_used, reason = "the numbers are those of the list")]
    fn family(&mut self) -> &'static Family {
        let at = self.of(&[0, 0, 0, 1, 2, 3, 4, 5, 5, 6, 7]);
        FAMILIES.get(at).expect("a number of the list")
    }

    /// Mostly one that can be read.
    fn value(&mut self, family: &Family) -> &'static str {
        if self.rarely(8) {
            let other = self.family();
            return self.of(other.values);
        }
        let simple = &family.values.get(..4).unwrap_or(family.values);
        if self.rarely(150) { self.of(family.values) } else { self.of(simple) }
    }

    fn levels(&mut self, kind: Kind, world: &World) -> Vec<Vec<Value>> {
        self.list(&[1, 1, 2, 3], |c| {
            let full = json!({"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": "*", "Resource": "*"}]});
            // It looks like the other, and means nothing for a caller.
            let odd = json!({"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Principal": "*", "Action": "*", "Resource": "*"}]});
            let mut level = c.list(&[1, 0, 0, 0, 2], |c| c.policy(kind, world));
            if kind == Kind::Identity && !c.rarely(40) {
                level.insert(0, if c.rarely(6) { odd } else { full });
            }
            level
        })
    }

    fn session(&mut self, world: &World) -> Option<Vec<Value>> {
        match world.principal.kind {
            CallerKind::AssumedRoot => Some(vec![self.policy(Kind::Identity, world)]),
            CallerKind::FederatedUser if self.rarely(220) => {
                Some(self.list(&[1, 1, 1, 2, 0], |c| c.policy(Kind::Identity, world)))
            }
            CallerKind::RoleSession if self.rarely(100) => {
                Some(self.list(&[1, 1, 2], |c| c.policy(Kind::Identity, world)))
            }
            _ => None,
        }
    }

    fn policy(&mut self, kind: Kind, world: &World) -> Value {
        if self.rarely(1) {
            return json!({"Version": "2012-10-17", "Statement": "unreadable"});
        }
        let mut policy = Map::new();
        match self.byte() {
            0..=215 => drop(policy.insert("Version".to_owned(), json!("2012-10-17"))),
            216..=235 => drop(policy.insert("Version".to_owned(), json!("2008-10-17"))),
            _ => {}
        }
        policy.insert(
            "Statement".to_owned(),
            json!(self.list(&[1, 1, 1, 2, 2, 3], |c| c.statement(kind, world))),
        );
        Value::Object(policy)
    }

    fn statement(&mut self, kind: Kind, world: &World) -> Value {
        let mut statement = Map::new();
        let deny = kind == Kind::Rcp || self.rarely(64);
        statement.insert("Effect".to_owned(), json!(if deny { "Deny" } else { "Allow" }));
        match kind {
            Kind::Identity if self.rarely(1) => drop(statement.insert("Principal".to_owned(), json!("*"))),
            Kind::Identity => {}
            Kind::Rcp => drop(statement.insert("Principal".to_owned(), json!("*"))),
            Kind::Endpoint | Kind::Resource | Kind::Trust if self.rarely(3) => {}
            Kind::Endpoint | Kind::Resource | Kind::Trust => {
                let not = deny && self.rarely(80) || self.rarely(4);
                let principal = self.principal(not, kind, world);
                statement.insert(if not { "NotPrincipal" } else { "Principal" }.to_owned(), principal);
            }
        }
        let not = self.rarely(24);
        let actions = self.list(&[1, 1, 1, 1, 2], |c| c.action(&world.request.action));
        statement.insert(if not { "NotAction" } else { "Action" }.to_owned(), unbracketed(actions));
        if kind != Kind::Trust {
            let not = self.rarely(24);
            let resources = self.list(&[1, 1, 1, 1, 2], |c| c.resource(&world.request.resource));
            statement.insert(if not { "NotResource" } else { "Resource" }.to_owned(), unbracketed(resources));
        }
        if self.rarely(if deny { 160 } else { 90 }) {
            statement.insert("Condition".to_owned(), self.condition());
        }
        Value::Object(statement)
    }

    fn principal(&mut self, not: bool, kind: Kind, world: &World) -> Value {
        let caller = &world.principal;
        if !not && self.rarely(90) {
            // The very caller, by its name or the one behind it.
            let name = caller.role_arn.as_ref().or(caller.user_arn.as_ref()).filter(|_| self.rarely(100));
            let key = match caller.kind {
                CallerKind::Service => "Service",
                CallerKind::Saml | CallerKind::WebIdentity => "Federated",
                _ => "AWS",
            };
            return json!({key: name.or(caller.arn.as_ref()).map_or("*", String::as_str)});
        }
        if !not && self.rarely(if kind == Kind::Endpoint { 200 } else { 30 }) {
            return json!("*");
        }
        let listed = self.list(if not { &[2, 3, 1, 4] } else { &[1, 1, 1, 2] }, |c| {
            c.of(&[
                ("AWS", "arn:aws:iam::111111111111:user/ann"),
                ("AWS", "arn:aws:iam::111111111111:root"),
                ("AWS", "arn:aws:iam::111111111111:role/team/app"),
                ("AWS", "arn:aws:sts::111111111111:assumed-role/app/s1"),
                ("AWS", "111111111111"),
                ("AWS", "arn:aws:sts::111111111111:federated-user/fay"),
                ("AWS", "*"),
                ("Service", "s3.amazonaws.com"),
                ("Federated", "accounts.google.com"),
                ("Federated", "arn:aws:iam::111111111111:saml-provider/idp"),
                ("AWS", "AIDA0000000000000ANN"),
                ("AWS", "AROA0000000000000APP"),
                ("AWS", "AIDA0000000000000OLD"),
                ("AWS", "arn:aws:iam::222222222222:root"),
                ("AWS", "arn:aws:iam::111111111111:user/Ann"),
                ("AWS", "arn:aws:iam::111111111111:role/app"),
                ("AWS", "arn:aws:sts::111111111111:assumed-role/app/*"),
                ("AWS", "arn:aws:iam::111111111111:role/aws-service-role/x.amazonaws.com/AWSServiceRoleForX"),
                ("Service", "ec2.amazonaws.com"),
                ("CanonicalUser", "79a59df900b949e5"),
            ])
        });
        let mut map = BTreeMap::<&str, Vec<&str>>::new();
        for (key, value) in listed {
            map.entry(key).or_default().push(value);
        }
        json!(map)
    }

    fn action(&mut self, asked: &str) -> String {
        let (service, name) = asked.split_once(':').unwrap_or((asked, ""));
        let initial: String = name.chars().take(3).collect();
        let rest: String = name.chars().skip(1).collect();
        match self.byte() % 12 {
            0..=2 => "*".to_owned(),
            3 | 4 => asked.to_owned(),
            5 => format!("{service}:*"),
            6 => asked.to_uppercase(),
            7 => format!("{service}:{initial}*"),
            8 => format!("{service}:?{rest}"),
            9 => format!("{service}:*{rest}?"),
            10 => format!("{service}:*{rest}"),
            _ => self
                .of(&["iam:*", "s3:GetObject", "sts:AssumeRole*", "s3:*Object", "s3:Get *", "s3"])
                .to_owned(),
        }
    }

    fn resource(&mut self, asked: &str) -> String {
        let parts: Vec<&str> = asked.splitn(6, ':').collect();
        let [_, _, service, region, account, last] = parts[..] else {
            return self.of(&["*", "*", "arn:aws:s3:::*", "arn:aws:s3:::b1", "arn:*:*:*:*:*"]).to_owned();
        };
        let initial: String = last.chars().take(2).collect();
        match self.byte() % 16 {
            0..=4 => "*".to_owned(),
            5 | 6 => asked.to_owned(),
            7 => format!("arn:aws:{service}:{region}:{account}:{initial}*"),
            8 => format!("arn:aws:{service}:*:*:*"),
            9 => format!("arn:*:{service}:{region}:{account}:*{last}"),
            10 => format!("arn:aws:{service}:{region}:{account}:b1/${{aws:username}}/*"),
            11 => format!("arn:aws:{service}:{region}:{account}:*${{aws:PrincipalTag/Team, 'x'}}"),
            12 => format!("arn:aws:{service}:{region}:{account}:*/a${{*}}b"),
            13 => {
                format!("arn:aws:{service}:{region}:{account}:?{}", last.chars().skip(1).collect::<String>())
            }
            14 => format!("arn:aws:{service}:{region}:${{aws:PrincipalAccount}}:{last}"),
            _ => self
                .of(&[
                    "arn:aws:s3:::b1/*/x",
                    "arn:aws:s3:::B1/ANN/x",
                    "arn:aws:s3",
                    "arn:aws:s3:*",
                    "arn:aws:sns:*:111111111111:t",
                    "arn:aws:s3::*:b1/*",
                    "arn:aws:s3:::b1/${none}",
                    "arn:aws:s3:::${none, 'b1/*'}",
                    "arn:aws:s3:::b1/a${*}b",
                    "arn:aws:s3:::b1/a?b",
                    "arn:aws:*",
                    "arn:aws:iam::*:role/t*",
                    "arn:aws:s3:::*a?a?aaaaaaaaaaaaaaa?aaaaaaaaaaaaaaaaaaaaaaaa?aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa?aaaa?*b*",
                    "arn:aws:s3:::*a?a?aaaaaaaaaaaaaaa?aaaaaaaaaaaaaaaaaaaaaaaa?aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa?aaaa?b?a*?b",
                    "arn:aws:s3:::b1/a?*a*?a*b??*",
                ])
                .to_owned(),
        }
    }

    fn condition(&mut self) -> Value {
        let mut condition = Map::new();
        for _ in 0..self.of(&[1, 1, 1, 2]) {
            let mut block = Map::new();
            let family = self.family();
            let operator = self.of(family.operators);
            let quantifier = match self.byte() {
                _ if operator == "Null" => "",
                0..=150 => "",
                151..=200 => "ForAllValues:",
                _ => "ForAnyValue:",
            };
            let suffix = if operator != "Null" && self.rarely(50) { "IfExists" } else { "" };
            for _ in 0..self.of(&[1, 1, 1, 2]) {
                let key = self.key(family, quantifier);
                // Booleans and numbers may stand without quotes.
                let values = self.list(&[1, 1, 1, 2, 3, 0], |c| match c.value(family) {
                    "true" if c.rarely(60) => json!(true),
                    "10" if c.rarely(60) => json!(10),
                    value => json!(value),
                });
                block.insert(key, unbracketed(values));
            }
            condition.insert(format!("{quantifier}{operator}{suffix}"), Value::Object(block));
        }
        Value::Object(condition)
    }

    fn key(&mut self, family: &Family, quantifier: &str) -> String {
        let key = if !quantifier.is_empty() && !self.rarely(60) || self.rarely(10) {
            self.of(MULTIVALUED)
        } else if self.rarely(16) {
            let other = self.family();
            self.of(other.keys)
        } else {
            self.of(family.keys)
        };
        match self.byte() {
            0..=200 => key.to_owned(),
            201..=230 => key.to_lowercase(),
            _ => key.to_uppercase(),
        }
    }
}

/// A list of one is written without brackets: both forms mean the same.
fn unbracketed<T: Into<Value>>(values: Vec<T>) -> Value {
    let mut values: Vec<Value> = values.into_iter().map(Into::into).collect();
    if values.len() == 1 { values.pop().unwrap_or_default() } else { Value::Array(values) }
}
