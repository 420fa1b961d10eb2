//! Credential reports: one line of CSV for the root user and each user, with their passwords, keys and second factors.
//!
//! A report is generated at once, kept as a row, and shown as it was until it expires, however much has changed since: clients
//! generate, ask until it is complete, and get. Lines follow the snapshot, so a report is of one moment.
//!
//! Limit: it is kept compressed in one row, which seven thousand users with passwords and two keys each fill, or seventeen
//! thousand with neither; of more there is no report. Writing one ends where that is known.
//! DIFFERENCE: when a key's status was changed is not kept; `access_key_N_last_rotated` is when it was made.
//!
//! Source: IAM User Guide, "Generate credential reports for your AWS account"; order, sentinels and line ends as in reports that
//! AWS made.

use std::borrow::Cow;
use std::io::{self, Read, Write};
use std::iter;

use flate2::Compression;
use flate2::read::DeflateDecoder;
use flate2::write::DeflateEncoder;
use rootward_api::iam as api;
use rootward_auth::principal::root_arn;
use rootward_names::{AccessKeyId, Partition, Time};
use rootward_pipeline::{Callers, Declaration, Effect, Failure, Handler, OpContext, Rule, Target, always};
use rootward_state::entities::{CredentialOwner, CredentialReport, Named, User};
use rootward_state::{AccountState, RowKey, Txn};
use rootward_store::VALUE_BYTES_MAX;
use rootward_wire::Empty;

use super::failures;

pub(super) static OPERATIONS: &[&dyn Handler] = &[&GENERATE_CREDENTIAL_REPORT, &GET_CREDENTIAL_REPORT];

pub(super) static GENERATE_CREDENTIAL_REPORT: Declaration<api::GenerateCredentialReport> = Declaration {
    effect: Effect::Write,
    callers: Callers::SecondFactor,
    rules: &[Rule {
        action: "iam:GenerateCredentialReport",
        when: always,
        target: |_, _| Target::any(),
        keys: &[],
    }],
    run: generate_credential_report,
};

fn generate_credential_report(
    ctx: &OpContext<'_>,
    txn: &mut Txn,
    _: &Empty,
) -> Result<api::GenerateCredentialReportResponse, Failure> {
    let key = RowKey::CredentialReport(ctx.account());
    let old = txn.get::<CredentialReport>(key.clone());
    if old.is_some_and(|report| !is_expired(&report, ctx.now)) {
        return Ok(api::GenerateCredentialReportResponse {
            state: Some(api::ReportStateType::Complete),
            description: None,
        });
    }
    let state = ctx.view(txn)?;
    let content = content(&state, ctx.partition())
        .map_err(|_| Failure::internal("a credential report cannot be compressed"))?
        .ok_or_else(|| failures::report_too_large(state.all::<User>().len()))?;
    txn.put(key, CredentialReport { generated: ctx.now, content: content.into() });
    Ok(api::GenerateCredentialReportResponse {
        state: Some(api::ReportStateType::Started),
        description: Some("No report exists. Starting a new report generation task".into()),
    })
}

pub(super) static GET_CREDENTIAL_REPORT: Declaration<api::GetCredentialReport> = Declaration {
    effect: Effect::Read,
    callers: Callers::SecondFactor,
    rules: &[Rule {
        action: "iam:GetCredentialReport",
        when: always,
        target: |_, _| Target::any(),
        keys: &[],
    }],
    run: get_credential_report,
};

fn get_credential_report(
    ctx: &OpContext<'_>,
    txn: &mut Txn,
    _: &Empty,
) -> Result<api::GetCredentialReportResponse, Failure> {
    let report = txn.get::<CredentialReport>(RowKey::CredentialReport(ctx.account()));
    let report = report.ok_or_else(failures::no_report)?;
    if is_expired(&report, ctx.now) {
        return Err(failures::report_expired());
    }
    let mut content = Vec::new();
    DeflateDecoder::new(&*report.content)
        .read_to_end(&mut content)
        .map_err(|_| Failure::internal("a credential report cannot be decompressed"))?;
    Ok(api::GetCredentialReportResponse {
        content: Some(content),
        report_format: Some(api::ReportFormatType::TextCsv),
        generated_time: Some(report.generated),
    })
}

fn is_expired(report: &CredentialReport, now: Time) -> bool {
    report.generated.plus_seconds(LIFETIME_SECONDS) <= now
}

/// The report of an account, compressed; none if it does not fit in a row.
fn content(state: &AccountState, partition: Partition) -> io::Result<Option<Vec<u8>>> {
    let users = state.all::<User>().iter().map(|(_, user)| Line::of_user(state, partition, user));
    let mut compressor = DeflateEncoder::new(Vec::new(), Compression::best());
    compressor.write_all(COLUMNS.join(",").as_bytes())?;
    for line in iter::once(Line::of_root(state, partition)).chain(users) {
        let fields = line.fields(state).map(|field| quoted(&field).into_owned());
        write!(compressor, "\n{}", fields.join(","))?;
        if compressor.get_ref().len() > CONTENT_BYTES_MAX {
            return Ok(None);
        }
    }
    Ok(Some(compressor.finish()?).filter(|content| content.len() <= CONTENT_BYTES_MAX))
}

/// A field as CSV has it (RFC 4180): names may contain commas, and regions are what clients signed for.
fn quoted(field: &str) -> Cow<'_, str> {
    if field.contains([',', '"', '\n', '\r']) {
        format!("\"{}\"", field.replace('"', "\"\"")).into()
    } else {
        field.into()
    }
}

/// What a line says of the root user or of a user.
struct Line<'a> {
    user: &'a str,
    arn: String,
    created: Time,
    password: Option<Password>,
    password_next_rotation: Field,
    owner: CredentialOwner,
    access_keys: &'a [AccessKeyId],
}

struct Password {
    set: Option<Time>,
    used: Option<Time>,
}

type Field = Cow<'static, str>;

impl<'a> Line<'a> {
    fn of_root(state: &'a AccountState, partition: Partition) -> Self {
        let account = state.account();
        let root = &account.root;
        Self {
            user: "<root_account>",
            arn: root_arn(partition, account.id),
            created: account.created,
            password: root
                .password
                .as_ref()
                .map(|_| Password { set: root.password_set, used: root.password_used }),
            password_next_rotation: "not_supported".into(),
            owner: CredentialOwner::Root,
            access_keys: &root.access_keys,
        }
    }

    fn of_user(state: &'a AccountState, partition: Partition, user: &'a User) -> Self {
        let profile = state.login_profile(user.id);
        let expires = profile.and_then(|profile| state.password_policy()?.expires(profile.set));
        Self {
            user: &user.name,
            arn: user.arn(partition, state.account().id),
            created: user.created,
            password: profile.map(|profile| Password { set: Some(profile.set), used: profile.used }),
            password_next_rotation: expires.map_or(NONE, time),
            owner: CredentialOwner::User(user.id),
            access_keys: &user.access_keys,
        }
    }

    /// One for each of [`COLUMNS`].
    fn fields(self, state: &AccountState) -> [Field; COLUMNS.len()] {
        let (enabled, used, set) = match &self.password {
            Some(password) => {
                let used = password.used.map_or(Cow::Borrowed("no_information"), time);
                (true, used, password.set.map_or(NONE, time))
            }
            None => (false, NONE, NONE),
        };
        let mfa = state.mfa_devices_of(self.owner).next().is_some();
        let mut keys = self.access_keys.iter();
        let [active_1, made_1, used_1, region_1, service_1] = access_key(state, keys.next());
        let [active_2, made_2, used_2, region_2, service_2] = access_key(state, keys.next());
        [
            self.user.to_owned().into(),
            self.arn.into(),
            time(self.created),
            flag(enabled),
            used,
            set,
            self.password_next_rotation,
            flag(mfa),
            active_1,
            made_1,
            used_1,
            region_1,
            service_1,
            active_2,
            made_2,
            used_2,
            region_2,
            service_2,
            // Nobody has a signing certificate.
            flag(false),
            NONE,
            flag(false),
            NONE,
        ]
    }
}

/// Whether a key is active, since when it is there, and its last use.
fn access_key(state: &AccountState, id: Option<&AccessKeyId>) -> [Field; 5] {
    let Some(key) = id.and_then(|id| state.access_key(*id)) else {
        return [flag(false), NONE, NONE, NONE, NONE];
    };
    let usage = state.key_usage(key.id);
    [
        flag(key.active),
        time(key.created),
        usage.map_or(NONE, |usage| time(usage.time)),
        usage.map_or(NONE, |usage| usage.region.to_string().into()),
        usage.map_or(NONE, |usage| usage.service.to_string().into()),
    ]
}

fn flag(value: bool) -> Field {
    if value { "true" } else { "false" }.into()
}

/// With an offset and not `Z`: what readers of older reports expect, and ones of newer take.
fn time(time: Time) -> Field {
    time.to_string().replace('Z', "+00:00").into()
}

const NONE: Field = Cow::Borrowed("N/A");

const LIFETIME_SECONDS: i64 = 4 * 3_600;

/// A row has a time and a length besides.
const CONTENT_BYTES_MAX: usize = VALUE_BYTES_MAX - 64;

const COLUMNS: [&str; 22] = [
    "user",
    "arn",
    "user_creation_time",
    "password_enabled",
    "password_last_used",
    "password_last_changed",
    "password_next_rotation",
    "mfa_active",
    "access_key_1_active",
    "access_key_1_last_rotated",
    "access_key_1_last_used_date",
    "access_key_1_last_used_region",
    "access_key_1_last_used_service",
    "access_key_2_active",
    "access_key_2_last_rotated",
    "access_key_2_last_used_date",
    "access_key_2_last_used_region",
    "access_key_2_last_used_service",
    "cert_1_active",
    "cert_1_last_rotated",
    "cert_2_active",
    "cert_2_last_rotated",
];

#[cfg(test)]
mod tests {
    use rootward_names::{AccessKeyKind, EntityKind, Random, UniqueId};
    use rootward_state::entities::{
        AccessKey, Account, Grants, LoginProfile, PasswordHash, PasswordPolicy, Usage,
    };
    use rootward_testkit::Seeded;

    use super::*;
    use crate::testing::Bench;

    const HEADER: &str = "user,arn,user_creation_time,password_enabled,password_last_used,password_last_changed,\
        password_next_rotation,mfa_active,access_key_1_active,access_key_1_last_rotated,access_key_1_last_used_date,\
        access_key_1_last_used_region,access_key_1_last_used_service,access_key_2_active,access_key_2_last_rotated,\
        access_key_2_last_used_date,access_key_2_last_used_region,access_key_2_last_used_service,cert_1_active,\
        cert_1_last_rotated,cert_2_active,cert_2_last_rotated";
    const NO_KEY: &str = "false,N/A,N/A,N/A,N/A";
    const NO_CERTIFICATES: &str = "false,N/A,false,N/A";

    fn generate(bench: &Bench) -> (api::ReportStateType, Option<String>) {
        let output = bench.run(&GENERATE_CREDENTIAL_REPORT, Empty).unwrap();
        (output.state.unwrap(), output.description)
    }

    fn get(bench: &Bench) -> Result<String, Failure> {
        let output = bench.run(&GET_CREDENTIAL_REPORT, Empty)?;
        assert_eq!(output.report_format, Some(api::ReportFormatType::TextCsv));
        Ok(String::from_utf8(output.content.unwrap()).unwrap())
    }

    /// A report as it would be now.
    fn report(bench: &Bench) -> String {
        bench.write(|txn| txn.delete(RowKey::CredentialReport(bench.account())));
        assert_eq!(generate(bench).0, api::ReportStateType::Started);
        get(bench).unwrap()
    }

    /// Gives a key to the user; it was last used or it never was.
    fn add_key(bench: &Bench, user: &str, active: bool, usage: Option<Usage>) {
        let mut row = User::clone(&bench.row::<User>(user).unwrap());
        let seed = 7 + row.access_keys.len() as u64;
        let id = AccessKeyId::random(AccessKeyKind::LongTerm, bench.account(), &mut Seeded::new(seed));
        row.access_keys.push(id);
        let key = AccessKey {
            id,
            account: bench.account(),
            owner: CredentialOwner::User(row.id),
            active,
            created: bench.now(),
            secret: [].into(),
            partition: Partition::Aws,
        };
        bench.write(|txn| {
            txn.put_entity(bench.account(), row);
            txn.put(RowKey::AccessKey(id), key);
            if let Some(usage) = usage {
                txn.put(RowKey::KeyUsage(id), usage);
            }
        });
    }

    fn set_password(bench: &Bench, user: UniqueId, used: Option<Time>) {
        let profile = LoginProfile {
            created: bench.now(),
            password: PasswordHash::new("hash"),
            set: bench.now(),
            used,
            reset_required: false,
            previous: Vec::new(),
        };
        bench.write(|txn| txn.put(RowKey::LoginProfile(bench.account(), user), profile));
    }

    #[test]
    fn report_of_a_new_account_is_the_header_and_the_root_user() {
        let bench = Bench::new();
        assert_eq!(
            report(&bench),
            format!(
                "{HEADER}\n<root_account>,arn:aws:iam::111122223333:root,2023-11-14T22:13:20+00:00,false,N/A,N/A,\
                 not_supported,false,{NO_KEY},{NO_KEY},{NO_CERTIFICATES}"
            )
        );
    }

    #[test]
    fn root_user_is_told_with_password_second_factor_and_keys() {
        let bench = Bench::new();
        let mut account = Account::clone(bench.state().account());
        account.root.password = Some(PasswordHash::new("hash"));
        account.root.password_set = Some(bench.now());
        bench.write(|txn| txn.put(RowKey::Account(bench.account()), account.clone()));
        let now = "2023-11-14T22:13:20+00:00";
        let begin = format!("<root_account>,arn:aws:iam::111122223333:root,{now},true");
        assert!(report(&bench).ends_with(&format!(
            "{begin},no_information,{now},not_supported,false,{NO_KEY},{NO_KEY},{NO_CERTIFICATES}"
        )));
        account.root.password_used = Some(bench.now());
        bench.write(|txn| txn.put(RowKey::Account(bench.account()), account));
        bench.add_mfa_device("root-account-mfa-device", CredentialOwner::Root);
        let policy = PasswordPolicy { max_age_days: Some(1), ..PasswordPolicy::default() };
        bench.write(|txn| txn.put(RowKey::PasswordPolicy(bench.account()), policy));
        let told = report(&bench);
        assert!(told.ends_with(&format!(
            "{begin},{now},{now},not_supported,true,{NO_KEY},{NO_KEY},{NO_CERTIFICATES}"
        )));
    }

    #[test]
    fn user_is_told_with_everything() {
        let bench = Bench::new();
        let ann = bench.add_user("ann");
        bench.pass_seconds(60);
        set_password(&bench, ann, Some(bench.now().plus_seconds(1)));
        let usage =
            Usage { time: bench.now().plus_seconds(2), service: "iam".into(), region: "eu-west-1".into() };
        add_key(&bench, "ann", true, Some(usage));
        bench.pass_seconds(60);
        add_key(&bench, "ann", false, None);
        bench.add_mfa_device("ann", CredentialOwner::User(ann));
        let policy = PasswordPolicy { max_age_days: Some(90), ..PasswordPolicy::default() };
        bench.write(|txn| txn.put(RowKey::PasswordPolicy(bench.account()), policy));
        let told = report(&bench);
        assert_eq!(
            told.lines().nth(2).unwrap(),
            "ann,arn:aws:iam::111122223333:user/ann,2023-11-14T22:13:20+00:00,true,2023-11-14T22:14:21+00:00,\
             2023-11-14T22:14:20+00:00,2024-02-12T22:14:20+00:00,true,\
             true,2023-11-14T22:14:20+00:00,2023-11-14T22:14:22+00:00,eu-west-1,iam,\
             false,2023-11-14T22:15:20+00:00,N/A,N/A,N/A,false,N/A,false,N/A"
        );
        assert_eq!(told.lines().count(), 3);
    }

    #[test]
    fn users_come_after_the_root_user_in_the_order_of_their_names_ignoring_case() {
        let bench = Bench::new();
        for name in ["bob", "Carl", "ann", "Bea", "b,c"] {
            bench.add_user(name);
        }
        let told = report(&bench);
        let begins = told.lines().skip(1).map(|line| line.split("arn:").next().unwrap());
        assert_eq!(
            begins.collect::<Vec<_>>(),
            ["<root_account>,", "ann,", "\"b,c\",\"", "Bea,", "bob,", "Carl,"]
        );
    }

    #[test]
    fn field_with_a_comma_or_a_quote_is_quoted() {
        assert_eq!(quoted("a,b"), "\"a,b\"");
        assert_eq!(quoted("a\"\n"), "\"a\"\"\n\"");
        assert_eq!(quoted("=a+b@c-d"), "=a+b@c-d");
    }

    #[test]
    fn report_is_shown_as_it_was_until_it_expires() {
        let bench = Bench::new();
        assert_eq!(get(&bench).unwrap_err(), failures::no_report());
        assert_eq!((failures::no_report().code, failures::no_report().status), ("ReportNotPresent", 410));
        let started = "No report exists. Starting a new report generation task".to_owned();
        assert_eq!(generate(&bench), (api::ReportStateType::Started, Some(started.clone())));
        let first = get(&bench).unwrap();
        bench.add_user("ann");
        bench.pass_seconds(4 * 3_600 - 1);
        assert_eq!(generate(&bench), (api::ReportStateType::Complete, None));
        assert_eq!(get(&bench).unwrap(), first);
        bench.pass_seconds(1);
        let error = get(&bench).unwrap_err();
        assert_eq!((error.code, error.status), ("ReportExpired", 410));
        assert_eq!(generate(&bench), (api::ReportStateType::Started, Some(started)));
        assert!(get(&bench).unwrap().contains("\nann,"));
        let output = bench.run(&GET_CREDENTIAL_REPORT, Empty).unwrap();
        assert_eq!(output.generated_time, Some(bench.now()));
    }

    #[test]
    fn reports_generated_at_once_are_one() {
        let bench = Bench::new();
        let (_, first) = bench.run_uncommitted(&GENERATE_CREDENTIAL_REPORT, &Empty).unwrap();
        let (_, second) = bench.run_uncommitted(&GENERATE_CREDENTIAL_REPORT, &Empty).unwrap();
        assert!(bench.second_loses(first, second));
    }

    /// Adds users with names that nothing compresses.
    fn add_users(bench: &Bench, count: i64, random: &mut Seeded) {
        bench.write(|txn| {
            for number in 0..count {
                let mut drawn = [0; 24];
                random.fill(&mut drawn);
                let name: String = drawn.iter().map(|byte| char::from(b'a' + byte % 26)).collect();
                let user = User {
                    id: UniqueId::random(EntityKind::User, random),
                    name: name.into(),
                    path: "/".into(),
                    created: Time::from_seconds(number * 7_919),
                    tags: Vec::new(),
                    grants: Grants::default(),
                    boundary: None,
                    groups: Vec::new(),
                    access_keys: Vec::new(),
                };
                txn.put_entity(bench.account(), user);
            }
        });
    }

    #[test]
    fn report_that_fits_in_no_row_is_refused() {
        let bench = Bench::new();
        let mut random = Seeded::new(3);
        add_users(&bench, 10_000, &mut random);
        assert!(report(&bench).len() > 1 << 20, "megabytes fit");
        add_users(&bench, 10_000, &mut random);
        bench.pass_seconds(LIFETIME_SECONDS);
        let error = bench.run(&GENERATE_CREDENTIAL_REPORT, Empty).unwrap_err();
        assert_eq!((error.code, error.status), ("ServiceFailure", 500));
        assert_eq!(error.message, "A credential report of 20000 users is too large to be kept.");
        assert_eq!(get(&bench).unwrap_err(), failures::report_expired());
    }
}
