use super::*;

fn request(method: Method, uri: &str, headers: &[(&str, &str)]) -> Request<()> {
    let mut builder = Request::builder().method(method).uri(uri);
    for (name, value) in headers {
        builder = builder.header(*name, *value);
    }
    builder.body(()).unwrap()
}

#[test]
fn sigv2_is_refused_with_words_that_help() {
    let in_header = request(Method::GET, "/b/k", &[("authorization", "AWS AKIA:c2ln")]);
    let in_query = request(Method::GET, "/b/k?AWSAccessKeyId=AKIA&Signature=c2ln&Expires=1", &[]);
    for refused in [in_header, in_query] {
        let error = refusal(&refused).unwrap();
        assert!(error.message().unwrap().contains("s3v4"), "{error:?}");
    }
}

#[test]
fn a_form_must_say_how_long_it_is() {
    let kind = ("content-type", "Multipart/Form-Data; boundary=x");
    let error = refusal(&request(Method::POST, "/b", &[kind])).unwrap();
    assert_eq!(error.code().as_str(), "MissingContentLength");
    assert!(refusal(&request(Method::POST, "/b", &[kind, ("content-length", "10")])).is_none());
}

#[test]
fn a_region_that_is_none_is_refused_with_the_right_one() {
    let signed =
        |region| format!("AWS4-HMAC-SHA256 Credential=AKIA/20261122/{region}/s3/aws4_request, SignedHeaders=host");
    let error = refusal(&request(Method::GET, "/b", &[("authorization", &signed("US"))])).unwrap();
    assert_eq!(error.headers().unwrap()["x-amz-bucket-region"], "us-east-1");
    assert!(refusal(&request(Method::GET, "/b", &[("authorization", &signed("eu-west-1"))])).is_none());
}

#[test]
fn other_requests_go_on_to_the_framework() {
    let uri = "/b/k?X-Amz-Signature=00&prefix=AWSAccessKeyId";
    assert!(refusal(&request(Method::GET, uri, &[("authorization", "AWS4-HMAC-SHA256 Credential=x")])).is_none());
}
