//! The bytes of answers and of audit records.

use std::collections::BTreeMap;

use rootward_api::{account, iam, rootward, signin, sts};
use rootward_names::Time;
use rootward_wire::{
    CommonError, Empty, Operation, Protocol, Secrets, Sensitive, SensitiveBlob, Structure, audit_json,
    failure, success,
};

fn xml<O: Operation>(output: &dyn Structure) -> String {
    let response = success(O::DESCRIPTION, Protocol::Query, output, "id-1").unwrap();
    assert_eq!((response.status, response.content_type), (200, "text/xml"));
    String::from_utf8(response.body).unwrap()
}

fn alice() -> iam::User {
    iam::User {
        path: Some("/".to_owned()),
        user_name: Some("alice".to_owned()),
        user_id: "AIDAAAAAAAAAAAAAAAAAA".to_owned(),
        arn: "arn:aws:iam::123456789012:user/alice".to_owned(),
        create_date: Time::from_seconds(1_704_067_200),
        password_last_used: None,
        permissions_boundary: None,
        tags: Some(vec![iam::Tag { key: "a&b".to_owned(), value: "<c>".to_owned() }]),
    }
}

fn key() -> iam::AccessKey {
    iam::AccessKey {
        user_name: Some("alice".to_owned()),
        access_key_id: "AKIAAAAAAAAAAAAAAAAA".to_owned(),
        status: iam::StatusType::Active,
        secret_access_key: Sensitive::new("geheim"),
        create_date: Some(Time::from_seconds(1_704_067_200)),
    }
}

#[test]
fn output_is_wrapped_in_result_and_response() {
    assert_eq!(
        xml::<iam::CreateUser>(&iam::CreateUserResponse { user: Some(alice()) }),
        "<CreateUserResponse xmlns=\"https://iam.amazonaws.com/doc/2010-05-08/\"><CreateUserResult><User><Path>/</Path>\
         <UserName>alice</UserName><UserId>AIDAAAAAAAAAAAAAAAAAA</UserId>\
         <Arn>arn:aws:iam::123456789012:user/alice</Arn><CreateDate>2024-01-01T00:00:00Z</CreateDate>\
         <Tags><member><Key>a&amp;b</Key><Value>&lt;c&gt;</Value></member></Tags></User></CreateUserResult>\
         <ResponseMetadata><RequestId>id-1</RequestId></ResponseMetadata></CreateUserResponse>"
    );
}

#[test]
fn operation_without_output_has_no_result() {
    assert_eq!(
        xml::<iam::DeleteUser>(&Empty),
        "<DeleteUserResponse xmlns=\"https://iam.amazonaws.com/doc/2010-05-08/\"><ResponseMetadata>\
         <RequestId>id-1</RequestId></ResponseMetadata></DeleteUserResponse>"
    );
}

#[test]
fn identity_of_the_caller() {
    let output = sts::GetCallerIdentityResponse {
        user_id: Some("AIDA".to_owned()),
        account: Some("123456789012".to_owned()),
        arn: Some("arn:aws:iam::123456789012:root".to_owned()),
    };
    assert_eq!(
        xml::<sts::GetCallerIdentity>(&output),
        "<GetCallerIdentityResponse xmlns=\"https://sts.amazonaws.com/doc/2011-06-15/\"><GetCallerIdentityResult>\
         <UserId>AIDA</UserId><Account>123456789012</Account><Arn>arn:aws:iam::123456789012:root</Arn>\
         </GetCallerIdentityResult><ResponseMetadata><RequestId>id-1</RequestId></ResponseMetadata>\
         </GetCallerIdentityResponse>"
    );
}

#[test]
fn map_blob_boolean_number_and_empty_list() {
    let summary = BTreeMap::from([(iam::SummaryKeyType::Users, 3), (iam::SummaryKeyType::UsersQuota, 5000)]);
    let text = xml::<iam::GetAccountSummary>(&iam::GetAccountSummaryResponse { summary_map: Some(summary) });
    assert!(text.contains(
        "<SummaryMap><entry><key>Users</key><value>3</value></entry><entry><key>UsersQuota</key><value>5000</value>\
         </entry></SummaryMap>"
    ));
    let device = iam::VirtualMfaDevice {
        serial_number: "arn".to_owned(),
        base32_string_seed: Some(SensitiveBlob::new(*b"SEED")),
        ..Default::default()
    };
    let text = xml::<iam::CreateVirtualMfaDevice>(&iam::CreateVirtualMfaDeviceResponse {
        virtual_mfa_device: device,
    });
    assert!(text.contains("<Base32StringSeed>U0VFRA==</Base32StringSeed>"));
    let users = iam::ListUsersResponse { users: Vec::new(), is_truncated: Some(false), marker: None };
    assert!(
        xml::<iam::ListUsers>(&users)
            .contains("<ListUsersResult><Users></Users><IsTruncated>false</IsTruncated></ListUsersResult>")
    );
}

#[test]
fn error_has_type_code_message_and_request_id() {
    let error = iam::ErrorCode::NoSuchEntity.with("The user with name <bob> cannot be found.");
    let response = failure(&iam::SERVICE, Protocol::Query, &error, "id-2");
    assert_eq!((response.status, response.content_type), (404, "text/xml"));
    assert_eq!(
        String::from_utf8(response.body).unwrap(),
        "<ErrorResponse xmlns=\"https://iam.amazonaws.com/doc/2010-05-08/\"><Error><Type>Sender</Type>\
         <Code>NoSuchEntity</Code><Message>The user with name &lt;bob&gt; cannot be found.</Message></Error>\
         <RequestId>id-2</RequestId></ErrorResponse>"
    );
}

#[test]
fn our_fault_is_the_receivers() {
    let error = CommonError::NotImplemented.with("CreateSAMLProvider is not implemented.");
    let body = String::from_utf8(failure(&iam::SERVICE, Protocol::Query, &error, "id").body).unwrap();
    assert!(body.contains("<Type>Receiver</Type><Code>NotImplemented</Code>"));
}

#[test]
fn json_error_has_type_and_message() {
    let error = CommonError::ValidationError.with("no");
    let response = failure(&iam::SERVICE, Protocol::Json, &error, "id");
    assert_eq!(response.content_type, "application/x-amz-json-1.1");
    assert_eq!(String::from_utf8(response.body).unwrap(), r#"{"__type":"ValidationError","message":"no"}"#);
}

#[test]
fn json_output_has_model_names_and_seconds() {
    let output = iam::CreateAccessKeyResponse { access_key: key() };
    let body = success(iam::CreateAccessKey::DESCRIPTION, Protocol::Json, &output, "id").unwrap().body;
    assert_eq!(
        String::from_utf8(body).unwrap(),
        r#"{"AccessKey":{"UserName":"alice","AccessKeyId":"AKIAAAAAAAAAAAAAAAAA","Status":"Active","SecretAccessKey":"geheim","CreateDate":1704067200}}"#
    );
}

#[test]
fn audit_record_omits_or_hides_secrets() {
    let output = iam::CreateAccessKeyResponse { access_key: key() };
    assert_eq!(
        audit_json(&output, Secrets::Omitted).unwrap(),
        r#"{"accessKey":{"userName":"alice","accessKeyId":"AKIAAAAAAAAAAAAAAAAA","status":"Active","createDate":"Jan 1, 2024 12:00:00 AM"}}"#
    );
    let input =
        iam::ChangePasswordRequest { old_password: Sensitive::new("a"), new_password: Sensitive::new("b") };
    assert_eq!(
        audit_json(&input, Secrets::Hidden).unwrap(),
        r#"{"oldPassword":"HIDDEN_DUE_TO_SECURITY_REASONS","newPassword":"HIDDEN_DUE_TO_SECURITY_REASONS"}"#
    );
}

#[test]
fn audit_record_lowers_the_first_letter_only() {
    let input =
        iam::UploadSshPublicKeyRequest { user_name: "a".to_owned(), ssh_public_key_body: "b".to_owned() };
    assert_eq!(audit_json(&input, Secrets::Omitted).unwrap(), r#"{"userName":"a","sSHPublicKeyBody":"b"}"#);
}

fn rest<O: Operation>(output: &dyn Structure) -> String {
    let response = success(O::DESCRIPTION, Protocol::RestJson, output, "id").unwrap();
    assert_eq!((response.status, response.content_type), (200, "application/json"));
    assert!(response.headers.is_empty());
    String::from_utf8(response.body).unwrap()
}

#[test]
fn rest_output_is_the_body_with_timestamps_as_the_model_says() {
    let output = account::GetAccountInformationResponse {
        account_id: Some("123456789012".to_owned()),
        account_name: Some(Sensitive::new("Example")),
        account_created_date: Some(Time::from_seconds(1_704_067_200)),
        account_state: Some(account::AccountState::Active),
    };
    assert_eq!(
        rest::<account::GetAccountInformation>(&output),
        r#"{"AccountId":"123456789012","AccountName":"Example","AccountCreatedDate":"2024-01-01T00:00:00Z","AccountState":"ACTIVE"}"#
    );
    let output = account::GetPrimaryEmailUpdateStatusResponse {
        status: account::PrimaryEmailUpdateStatus::Pending,
        updated_at: Some(Time::from_seconds(1_704_067_200)),
    };
    let text = rest::<account::GetPrimaryEmailUpdateStatus>(&output);
    assert_eq!(text, r#"{"Status":"PENDING","UpdatedAt":1704067200}"#);
}

#[test]
fn rest_operation_without_output_has_no_body_and_one_with_an_empty_output_has_an_object() {
    assert_eq!(rest::<account::DeleteAlternateContact>(&Empty), "");
    let none = account::GetAlternateContactResponse { alternate_contact: None };
    assert_eq!(rest::<account::GetAlternateContact>(&none), "{}");
}

fn token() -> signin::CreateOAuth2TokenResponse {
    signin::CreateOAuth2TokenResponse {
        token_output: signin::CreateOAuth2TokenResponseBody {
            access_token: signin::AccessToken {
                access_key_id: "ASIA".to_owned(),
                secret_access_key: "geheim".to_owned(),
                session_token: "geheimer".to_owned(),
            },
            token_type: "aws_sigv4".to_owned(),
            expires_in: 900,
            refresh_token: Sensitive::new("r"),
            id_token: None,
        },
    }
}

#[test]
fn rest_payload_is_the_body() {
    assert_eq!(
        rest::<signin::CreateOAuth2Token>(&token()),
        r#"{"accessToken":{"accessKeyId":"ASIA","secretAccessKey":"geheim","sessionToken":"geheimer"},"tokenType":"aws_sigv4","expiresIn":900,"refreshToken":"r"}"#
    );
}

#[test]
fn nothing_of_a_sensitive_structure_is_shown() {
    let debug = format!("{:?}", token());
    assert!(debug.contains("AccessToken(..)") && !debug.contains("geheim"), "{debug}");
    let audit = audit_json(&token(), Secrets::Omitted).unwrap();
    assert_eq!(audit, r#"{"tokenOutput":{"tokenType":"aws_sigv4","expiresIn":900}}"#);
}

#[test]
fn rest_error_has_its_code_in_a_header_and_its_members_in_the_body() {
    let fields = account::ValidationException {
        reason: Some(account::ValidationExceptionReason::InvalidRegionOptTarget),
        field_list: None,
    };
    let error = account::ErrorCode::Validation.with("no").with_members(&fields).unwrap();
    let response = failure(&account::SERVICE, Protocol::RestJson, &error, "id");
    assert_eq!((response.status, response.content_type), (400, "application/json"));
    assert_eq!(response.headers.get("x-amzn-errortype").unwrap(), "ValidationException");
    assert_eq!(
        String::from_utf8(response.body).unwrap(),
        r#"{"message":"no","reason":"invalidRegionOptTarget"}"#
    );
    let fault = signin::InternalServerException { error: signin::OAuth2ErrorCode::ServerError };
    let error = signin::ErrorCode::InternalServer.with("we").with_members(&fault).unwrap();
    let response = failure(&signin::SERVICE, Protocol::RestJson, &error, "id");
    assert_eq!(response.status, 500);
    assert_eq!(String::from_utf8(response.body).unwrap(), r#"{"error":"server_error","message":"we"}"#);
}

#[test]
fn json_error_has_the_members_of_its_shape_too() {
    let fields = account::ValidationException { reason: None, field_list: Some(Vec::new()) };
    let error = rootward::ErrorCode::Validation.with("no").with_members(&fields).unwrap();
    let response = failure(&rootward::SERVICE, Protocol::Json, &error, "id");
    assert_eq!(
        String::from_utf8(response.body).unwrap(),
        r#"{"__type":"ValidationException","fieldList":[],"message":"no"}"#
    );
}

#[test]
fn codes_and_statuses_of_errors_are_those_of_the_models() {
    let of = |service: &rootward_wire::ServiceSchema| {
        service.errors.iter().map(|error| (error.code, error.status)).collect::<Vec<_>>()
    };
    assert!(of(&account::SERVICE).contains(&("ResourceUnavailableException", 424)));
    assert!(of(&signin::SERVICE).contains(&("ServiceQuotaExceededException", 402)));
    // Without a trait.
    assert!(of(&signin::SERVICE).contains(&("AccessDeniedException", 400)));
    assert_eq!(
        of(&rootward::SERVICE),
        [
            ("ConflictException", 409),
            ("LimitExceededException", 409),
            ("ResourceNotFoundException", 404),
            ("ValidationException", 400)
        ]
    );
}
