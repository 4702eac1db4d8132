use super::*;

fn request(method: Method, uri: &str, headers: &[(&str, &str)]) -> Request<()> {
    let mut builder = Request::builder().method(method).uri(uri);
    for (name, value) in headers {
        builder = builder.header(*name, *value);
    }
    builder.body(()).unwrap()
}

/// Why a request is refused before the framework looks at it, where nothing beyond the default is allowed.
fn refused(request: &Request<()>) -> Option<S3Error> {
    refusal(request, Rules::default())
}

#[test]
fn sigv2_is_refused_with_words_that_help() {
    let in_header = request(Method::GET, "/b/k", &[("authorization", "AWS AKIA:c2ln")]);
    let in_query = request(Method::GET, "/b/k?AWSAccessKeyId=AKIA&Signature=c2ln&Expires=1", &[]);
    for signed in [in_header, in_query] {
        let error = refused(&signed).unwrap();
        assert!(error.message().unwrap().contains("s3v4"), "{error:?}");
    }
}

#[test]
fn a_form_must_say_how_long_it_is() {
    let kind = ("content-type", "Multipart/Form-Data; boundary=x");
    let error = refused(&request(Method::POST, "/b", &[kind])).unwrap();
    assert_eq!(error.code().as_str(), "MissingContentLength");
    assert!(refused(&request(Method::POST, "/b", &[kind, ("content-length", "10")])).is_none());
}

#[test]
fn a_region_that_is_none_is_refused_with_the_right_one() {
    let signed =
        |region| format!("AWS4-HMAC-SHA256 Credential=AKIA/20261122/{region}/s3/aws4_request, SignedHeaders=host");
    let error = refused(&request(Method::GET, "/b", &[("authorization", &signed("US"))])).unwrap();
    assert_eq!(error.headers().unwrap()["x-amz-bucket-region"], "us-east-1");
    assert!(refused(&request(Method::GET, "/b", &[("authorization", &signed("eu-west-1"))])).is_none());
}

#[test]
fn other_requests_go_on_to_the_framework() {
    let uri = "/b/k?X-Amz-Signature=00&X-Amz-SignedHeaders=host&prefix=AWSAccessKeyId";
    assert!(refused(&request(Method::GET, uri, &[])).is_none());
    assert!(refused(&request(Method::GET, "/b/k", &[("authorization", "AWS4-HMAC-SHA256 Credential=x")])).is_none());
}

const NOW: u64 = 1_800_000_000;

fn presigned_sigv2(rest: &str) -> Option<S3Error> {
    let url = request(Method::GET, &format!("/b/k?AWSAccessKeyId=AKIA&Signature=c2ln{rest}"), &[]);
    sigv2::refusal(&url, true, SystemTime::UNIX_EPOCH + std::time::Duration::from_secs(NOW))
}

#[test]
fn a_url_of_sigv2_goes_on_to_the_framework_where_it_is_allowed() {
    assert!(presigned_sigv2(&format!("&Expires={}&versionId=v", NOW + 604_800)).is_none());
    let in_header = request(Method::GET, "/b/k", &[("authorization", "AWS AKIA:c2ln")]);
    assert!(sigv2::refusal(&in_header, true, SystemTime::now()).is_some());
}

#[test]
fn a_url_of_sigv2_ends_within_seven_days() {
    assert!(presigned_sigv2(&format!("&Expires={}", NOW + 604_801)).is_some());
    assert!(presigned_sigv2(&format!("&%45xpires={}", NOW + 604_801)).is_some());
}

#[test]
fn a_url_of_sigv2_has_no_parameter_that_was_not_signed() {
    for name in ["retention", "legal-hold", "attributes", "x-id", "%72etention"] {
        assert!(presigned_sigv2(&format!("&Expires={NOW}&{name}")).is_some(), "{name}");
    }
}

#[test]
fn a_signature_that_does_not_cover_the_host_is_refused_wherever_it_stands() {
    for names in ["", "x-amz-date", "hosts;x-amz-date", "x-amz-host", "content-type;x-amz-date"] {
        let header = format!("AWS4-HMAC-SHA256 Credential=a/b/c/s3/aws4_request, SignedHeaders={names}, Signature=0");
        let in_query = format!("/b/k?X-Amz-Algorithm=a&X-Amz-Signature=0&X-Amz-SignedHeaders={names}");
        for signed in [
            request(Method::GET, "/b/k", &[("authorization", &header)]),
            request(Method::GET, &in_query.replace(';', "%3B"), &[]),
            request(Method::GET, "/b/k?X-Amz-Signature=0", &[]),
            request(Method::GET, &in_query.replace("X-Amz-S", "X-Amz-%53").replace(';', "%3b"), &[]),
        ] {
            let error = refused(&signed).unwrap();
            assert_eq!(
                (error.code().as_str(), error.status_code().unwrap().as_u16()),
                ("AccessDenied", 403),
                "{names}"
            );
        }
    }
    for names in ["host", "content-type;host;x-amz-date", "x-amz-date;Host"] {
        let header = format!("AWS4-HMAC-SHA256 Credential=a/b/c/s3/aws4_request,SignedHeaders={names},Signature=0");
        assert!(refused(&request(Method::GET, "/b/k", &[("authorization", &header)])).is_none(), "{names}");
    }
}

#[test]
fn a_request_is_signed_once_and_in_a_known_way() {
    let header = ("authorization", "AWS4-HMAC-SHA256 Credential=a, SignedHeaders=host, Signature=0");
    for (uri, headers) in [
        ("/b/k?X-Amz-Algorithm=AWS4-HMAC-SHA256&X-Amz-SignedHeaders=host&X-Amz-Signature=0", &[header][..]),
        ("/b/k?AWSAccessKeyId=a&Signature=0&Expires=1", &[header]),
        ("/b/k", &[header, header]),
        ("/b/k", &[("authorization", "Bearer token")]),
        ("/b/k", &[("authorization", "")]),
        ("/b/k", &[("authorization", "Basic dTpw")]),
    ] {
        assert_eq!(refused(&request(Method::GET, uri, headers)).unwrap().code().as_str(), "InvalidArgument", "{uri}");
    }
}
