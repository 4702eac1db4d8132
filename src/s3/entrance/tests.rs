use s3s::Body;

use super::*;

fn outcome(method: &str, uri: &str, headers: &[(&str, &str)]) -> String {
    let mut request = http::Request::builder().method(method).uri(uri);
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    let prepared = prepared(request.body(Body::empty()).unwrap());
    prepared.err().map(|error| error.code().as_str().to_owned()).unwrap_or_default()
}

#[test]
fn names_of_our_own_are_refused_on_every_verb_and_in_any_case() {
    for method in ["GET", "HEAD", "PUT", "POST", "DELETE"] {
        for uri in ["/b", "/b/k", "/b/k?acl", "/b?lifecycle", "/b/k?uploads"] {
            for name in ["x-amz-meta-sealgate", "X-Amz-Meta-SealGate-Stream", "x-amz-meta-sealgatex"] {
                assert_eq!(outcome(method, uri, &[(name, "x")]), "InvalidArgument", "{method} {uri} {name}");
            }
        }
        assert_eq!(outcome(method, "/b/k?X-Amz-Meta-Sealgate=x", &[]), "InvalidArgument");
        assert_eq!(outcome(method, "/b/k?x-amz-meta-%73ealgate-attrs=x", &[]), "InvalidArgument");
    }
    assert_eq!(outcome("PUT", "/b/k", &[("x-amz-meta-seal", "x"), ("x-amz-meta-a-sealgate", "x")]), "");
}

#[test]
fn a_query_that_could_be_read_in_two_ways_is_refused() {
    for (method, uri, code) in [
        ("PUT", "/b/k?acl=&uploads=", "InvalidRequest"),
        ("PUT", "/b/k?acl&partNumber=1&uploadId=x", "InvalidRequest"),
        ("PUT", "/b?policy&%61cl", "InvalidRequest"),
        ("GET", "/b?lifecycle&object-lock", "InvalidRequest"),
        ("GET", "/b?list-type=2&versions", "InvalidRequest"),
        ("PUT", "/b/k?Acl=", "InvalidArgument"),
        ("PUT", "/b?POLICY", "InvalidArgument"),
        ("PUT", "/b/k?acl=&acl=", "InvalidArgument"),
        ("PUT", "/b/k?acl=&%61cl=", "InvalidArgument"),
        ("GET", "/b/k?versionId=1&versionId=2", "InvalidArgument"),
        ("PUT", "/b/k?partNumber=1&partNumber=2&uploadId=u", "InvalidArgument"),
    ] {
        assert_eq!(outcome(method, uri, &[]), code, "{method} {uri}");
    }
    let many: Vec<_> = (0..65).map(|number| format!("p{number}")).collect();
    assert_eq!(outcome("GET", &format!("/b/k?{}", many.join("&")), &[]), "InvalidArgument");
}

#[test]
fn a_word_goes_with_its_methods_and_its_target_alone() {
    for (method, uri) in [
        ("PUT", "/b/k?policy"),
        ("PUT", "/b/k?website="),
        ("PUT", "/b/k?logging&prefix="),
        ("PUT", "/b/k?uploads"),
        ("PUT", "/b?retention"),
        ("PUT", "/b?uploadId=u&partNumber=1"),
        ("DELETE", "/b?acl"),
        ("DELETE", "/b?versions"),
        ("DELETE", "/b/k?acl"),
        ("DELETE", "/b/?object-lock"),
        ("POST", "/b/k?tagging"),
    ] {
        assert_eq!(outcome(method, uri, &[]), "MethodNotAllowed", "{method} {uri}");
    }
}

#[test]
fn what_clients_ask_passes() {
    for (method, uri) in [
        ("GET", "/"),
        ("GET", "/?prefix=a&max-buckets=10"),
        ("GET", "/b?list-type=2&prefix=acl&delimiter=%2F&start-after=..%2Fx"),
        ("GET", "/b/k?partNumber=1&versionId=3sL4kqtJlcpXroDTDmJ+rmSpXd3dIbrHY"),
        ("HEAD", "/b/k?partNumber=1"),
        ("PUT", "/b/k?partNumber=1&uploadId=2~a.b_c-d&x-id=UploadPart"),
        ("POST", "/b/k?uploadId=VXBsb2FkSWQ"),
        ("POST", "/b?delete="),
        ("PUT", "/b/k?X-Amz-Algorithm=a&X-Amz-Credential=b&X-Amz-SignedHeaders=host&X-Amz-Signature=0"),
        ("GET", "/b/?object-lock"),
        ("PUT", "/b/k?encryption"),
        ("GET", "/b/k?response-content-type=a&response-expires=b"),
    ] {
        assert_eq!(outcome(method, uri, &[]), "", "{method} {uri}");
    }
}

#[test]
fn ids_that_no_store_gave_are_refused_before_a_store_hears_of_them() {
    for id in ["..", "../x", "a/../../b-bucket/k", "a/..%2Fb", "a%5C..%5Cb", "%2e%2e/x", "a%00b", "a%0d%0ab"] {
        assert_eq!(outcome("GET", &format!("/b/k?versionId={id}"), &[]), "InvalidArgument", "{id}");
        assert_eq!(outcome("GET", &format!("/b/k?uploadId={id}"), &[]), "NoSuchUpload", "{id}");
        let markers = format!("/b?versions&key-marker=k&version-id-marker={id}");
        assert_eq!(outcome("GET", &markers, &[]), "InvalidArgument", "{id}");
    }
}
