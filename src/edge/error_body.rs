//! Error bodies: the framework writes `Code` and `Message`; S3 also gives `Resource`, `RequestId` and `HostId`
//! (<https://docs.aws.amazon.com/AmazonS3/latest/API/ErrorResponses.html>). They are put in here, so that they are there
//! whoever made the error: a verb, access control, or the framework while it read the request. An answer that names the
//! right region in `x-amz-bucket-region` names it in its body too (`Region`), where s3cmd looks for it.

use bytes::Bytes;
use http::header::{CONTENT_LENGTH, CONTENT_TYPE};
use http::{HeaderMap, HeaderValue};
use s3s::{Body, HttpResponse};

/// Completes the body of an answer if it is a whole XML error in memory; every other answer stays as it is.
pub(super) fn complete(mut answer: HttpResponse, path: &str, request_id: &str, host_id: &str) -> HttpResponse {
    if answer.status().is_success() || !is_xml(answer.headers()) {
        return answer;
    }
    let region = answer.headers().get(REGION).and_then(|region| region.to_str().ok());
    let elements =
        [("Region", region), ("Resource", Some(path)), ("RequestId", Some(request_id)), ("HostId", Some(host_id))];
    let Some(body) = answer.body().bytes().and_then(|body| completed(&body, &elements)) else {
        return answer;
    };
    if answer.headers().contains_key(CONTENT_LENGTH) {
        answer.headers_mut().insert(CONTENT_LENGTH, HeaderValue::from(body.len()));
    }
    *answer.body_mut() = Body::from(body);
    answer
}

/// The code of an answer that is an error in memory.
pub(super) fn code(answer: &HttpResponse) -> Option<String> {
    if answer.status().is_success() || !is_xml(answer.headers()) {
        return None;
    }
    let body = answer.body().bytes()?;
    let (_, after) = std::str::from_utf8(&body).ok()?.split_once("<Code>")?;
    after.split_once("</Code>").map(|(code, _)| code.to_owned())
}

fn is_xml(headers: &HeaderMap) -> bool {
    headers.get(CONTENT_TYPE).is_some_and(|value| value.as_bytes().starts_with(b"application/xml"))
}

fn completed(body: &Bytes, elements: &[(&str, Option<&str>)]) -> Option<String> {
    let text = std::str::from_utf8(body).ok()?;
    let inside = text.strip_suffix(END)?;
    let mut completed = inside.to_owned();
    for (name, value) in elements {
        if let Some(value) = value
            && !inside.contains(&format!("<{name}>"))
        {
            completed.extend(["<", name, ">", &escaped(value), "</", name, ">"]);
        }
    }
    completed.push_str(END);
    Some(completed)
}

fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;")
}

const END: &str = "</Error>";
const REGION: &str = "x-amz-bucket-region";

#[cfg(test)]
mod tests {
    use s3s::s3_error;

    use super::*;

    fn text(answer: &HttpResponse) -> String {
        String::from_utf8(answer.body().bytes().unwrap().to_vec()).unwrap()
    }

    #[test]
    fn an_error_gets_resource_request_id_and_host_id_once() {
        let error = s3_error!(NoSuchKey).to_http_response().unwrap();
        let once = complete(error, "/bucket/a&b", "ID", "HOST");
        let body = text(&once);
        assert!(
            body.ends_with(
                "<Resource>/bucket/a&amp;b</Resource><RequestId>ID</RequestId><HostId>HOST</HostId></Error>"
            )
        );
        assert!(body.contains("<Code>NoSuchKey</Code>"));
        assert_eq!(text(&complete(once, "/other", "OTHER", "OTHER")), body);
    }

    #[test]
    fn a_request_id_that_is_already_there_stays() {
        let mut error = s3_error!(NoSuchKey);
        error.set_request_id("FIRST");
        let body = text(&complete(error.to_http_response().unwrap(), "/", "SECOND", "HOST"));
        assert!(body.contains("<RequestId>FIRST</RequestId>") && !body.contains("SECOND"));
    }

    #[test]
    fn the_right_region_is_told_in_the_body() {
        let mut error = s3_error!(AuthorizationHeaderMalformed).to_http_response().unwrap();
        error.headers_mut().insert(REGION, HeaderValue::from_static("us-east-1"));
        assert!(text(&complete(error, "/", "ID", "HOST")).contains("<Region>us-east-1</Region>"));
    }

    #[test]
    fn an_answer_that_is_no_error_is_left_alone() {
        let mut ok = HttpResponse::new(Body::from("<a></Error>".to_owned()));
        ok.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("application/xml"));
        assert_eq!(text(&complete(ok, "/", "ID", "HOST")), "<a></Error>");
    }

    #[test]
    fn an_error_without_a_body_stays_without() {
        let mut error = s3_error!(NoSuchKey).to_http_response().unwrap();
        *error.body_mut() = Body::empty();
        assert_eq!(text(&complete(error, "/", "ID", "HOST")), "");
    }
}
