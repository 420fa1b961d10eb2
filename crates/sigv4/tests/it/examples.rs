//! Signatures printed in AWS's documentation.

use http::{HeaderMap, HeaderName};
use rootward_names::Time;
use rootward_sigv4::{Claim, Form, Parts, Refusal, SecretKey, SigningKey};

const SECRET: &str = "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY";

/// The method, path, query and headers of an example.
struct Example<'a>(&'a str, &'a str, &'a str, &'a [(&'static str, &'a str)]);

impl Example<'_> {
    fn verify(&self, body: &[u8], service: &str, secret: &str, now: &str) -> Result<(String, Form), Refusal> {
        let &Self(method, path, query, list) = self;
        let headers: HeaderMap = list
            .iter()
            .map(|(name, value)| (HeaderName::from_static(name), value.parse().unwrap()))
            .collect();
        let parts = Parts { method, path, query, authority: None, headers: &headers };
        let claim = Claim::read(&parts, Time::parse(now).unwrap())?.expect("signed");
        let scoped = claim.for_service(service, |region| region == "us-east-1")?;
        let key = SigningKey::derive(&SecretKey::new(secret), scoped.claim().scope());
        let verified = scoped.verify(body, &key)?;
        Ok((verified.claim().access_key_id().to_owned(), verified.claim().form()))
    }
}

/// IAM User Guide, "Create a signed AWS API request": ListUsers in the header form.
const LIST_USERS: Example<'_> = Example(
    "GET",
    "/",
    "Action=ListUsers&Version=2010-05-08",
    &[
        ("content-type", "application/x-www-form-urlencoded; charset=utf-8"),
        ("host", "iam.amazonaws.com"),
        ("x-amz-date", "20150830T123600Z"),
        (
            "authorization",
            "AWS4-HMAC-SHA256 Credential=AKIDEXAMPLE/20150830/us-east-1/iam/aws4_request, \
             SignedHeaders=content-type;host;x-amz-date, \
             Signature=5d672d79c15b13162d9279b0855cfba6789a8edb4c82c400e06b5924a6f2b5d7",
        ),
    ],
);

#[test]
fn example_list_users() {
    let verified = LIST_USERS.verify(b"", "iam", SECRET, "2015-08-30T12:36:00Z");
    assert_eq!(verified, Ok(("AKIDEXAMPLE".to_owned(), Form::Header)));
}

#[test]
fn example_list_users_with_other_secret_shows_what_was_signed() {
    let refusal = LIST_USERS.verify(b"", "iam", "other", "2015-08-30T12:36:00Z").unwrap_err();
    let Refusal::Mismatch(mismatch) = refusal else { panic!("{refusal:?}") };
    assert_eq!(
        mismatch.canonical_request(),
        "GET\n/\nAction=ListUsers&Version=2010-05-08\n\
         content-type:application/x-www-form-urlencoded; charset=utf-8\nhost:iam.amazonaws.com\n\
         x-amz-date:20150830T123600Z\n\ncontent-type;host;x-amz-date\n\
         e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"
    );
    assert_eq!(
        mismatch.string_to_sign(),
        "AWS4-HMAC-SHA256\n20150830T123600Z\n20150830/us-east-1/iam/aws4_request\n\
         f536975d06c0309214f805bb90ccff089219ecd68b2577efef23edd43b7e1a59"
    );
}

/// S3 API Reference, "Examples: Signature Calculations" and "Authenticating Requests: Using Query
/// Parameters".
mod s3 {
    use super::*;

    const SECRET: &str = "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY";
    const EMPTY: &str = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";
    const HOST: (&str, &str) = ("host", "examplebucket.s3.amazonaws.com");
    const DATE: (&str, &str) = ("x-amz-date", "20130524T000000Z");
    const KEY: &str = "AWS4-HMAC-SHA256 Credential=AKIAIOSFODNN7EXAMPLE/20130524/us-east-1/s3/aws4_request,";

    fn verify(example: &Example<'_>, body: &[u8], now: &str) -> Result<Form, Refusal> {
        example.verify(body, "s3", SECRET, now).map(|(_, form)| form)
    }

    #[test]
    fn example_get_object() {
        let authorization = format!(
            "{KEY}SignedHeaders=host;range;x-amz-content-sha256;x-amz-date,\
             Signature=f0e8bdb87c964420e857bd35b5d6ed310bd44f0170aba48dd91039c6036bdb41"
        );
        let headers = [
            HOST,
            DATE,
            ("range", "bytes=0-9"),
            ("x-amz-content-sha256", EMPTY),
            ("authorization", &authorization),
        ];
        let example = Example("GET", "/test.txt", "", &headers);
        assert_eq!(verify(&example, b"", "2013-05-24T00:15:00Z"), Ok(Form::Header));
        assert_eq!(verify(&example, b"", "2013-05-24T00:15:01Z"), Err(Refusal::TimeTooSkewed));
        assert_eq!(verify(&example, b"", "2013-05-23T23:44:59Z"), Err(Refusal::TimeTooSkewed));
        assert_eq!(verify(&example, b"x", "2013-05-24T00:00:00Z"), Err(Refusal::PayloadMismatch));
    }

    #[test]
    fn example_put_object_with_a_path_that_is_escaped_once() {
        let authorization = format!(
            "{KEY}SignedHeaders=date;host;x-amz-content-sha256;x-amz-date;x-amz-storage-class,\
             Signature=98ad721746da40c64f1a55b78f14c238d841ea1380cd77a1b5971af0ece108bd"
        );
        let headers = [
            HOST,
            DATE,
            ("date", "Fri, 24 May 2013 00:00:00 GMT"),
            ("x-amz-storage-class", "REDUCED_REDUNDANCY"),
            ("x-amz-content-sha256", "44ce7dd67c959e0d3524ffac1771dfbba87d2b6b4b4e99e42034a8b803f8b072"),
            ("authorization", &authorization),
        ];
        let example = Example("PUT", "/test%24file.text", "", &headers);
        assert_eq!(verify(&example, b"Welcome to Amazon S3.", "2013-05-24T00:00:00Z"), Ok(Form::Header));
    }

    #[test]
    fn example_get_bucket_lifecycle_with_a_parameter_without_value() {
        let authorization = format!(
            "{KEY}SignedHeaders=host;x-amz-content-sha256;x-amz-date,\
             Signature=fea454ca298b7da1c68078a5d1bdbfbbe0d65c699e0f91ac7a200a0136783543"
        );
        let headers = [HOST, DATE, ("x-amz-content-sha256", EMPTY), ("authorization", &authorization)];
        let example = Example("GET", "/", "lifecycle", &headers);
        assert_eq!(verify(&example, b"", "2013-05-24T00:00:00Z"), Ok(Form::Header));
    }

    #[test]
    fn example_presigned_url_lives_as_long_as_it_says() {
        let query = "X-Amz-Algorithm=AWS4-HMAC-SHA256&X-Amz-Credential=AKIAIOSFODNN7EXAMPLE%2F20130524%2Fus-east-1%2Fs3%2F\
                     aws4_request&X-Amz-Date=20130524T000000Z&X-Amz-Expires=86400&X-Amz-SignedHeaders=host&X-Amz-Signature=\
                     aeeed9bbccd4d02ee5c0109b86d86835f995330da4c265957d157751f604d404";
        let example = Example("GET", "/test.txt", query, &[HOST]);
        assert_eq!(verify(&example, b"", "2013-05-25T00:00:00Z"), Ok(Form::Presigned));
        assert_eq!(verify(&example, b"", "2013-05-25T00:00:01Z"), Err(Refusal::PresignedExpired));
    }
}
