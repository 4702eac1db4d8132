use futures::channel::oneshot;
use http_body_util::BodyExt as _;

use super::*;

/// Answers with what a function makes of the request.
#[derive(Clone)]
struct Answers<F>(F);

impl<F, A> S3Handler for Answers<F>
where
    F: Fn(HttpRequest) -> A + Clone + Send + Sync + 'static,
    A: Future<Output = HttpResponse> + Send,
{
    async fn handle(&self, request: HttpRequest) -> Result<HttpResponse, HttpError> {
        Ok((self.0)(request).await)
    }
}

fn front<F, A>(answers: F) -> Front<Answers<F>>
where
    F: Fn(HttpRequest) -> A + Clone + Send + Sync + 'static,
    A: Future<Output = HttpResponse> + Send,
{
    Front::new(
        Answers(answers),
        Config { in_flight_requests_max: 1, ..Config::default() },
        super::super::tests::surroundings(),
    )
}

async fn echo_id(request: HttpRequest) -> HttpResponse {
    if let Err(why) = admit(&request) {
        return error_answer(why.error());
    }
    HttpResponse::new(Body::from(request.extensions().get::<RequestId>().unwrap().as_str().to_owned()))
}

async fn refuse(_: HttpRequest) -> HttpResponse {
    error_answer(s3_error!(AccessDenied))
}

fn request(method: Method, uri: &str) -> HttpRequest {
    Request::builder().method(method).uri(uri).body(Body::empty()).unwrap()
}

/// Without a connection.
async fn answer<H: S3Handler>(front: &Front<H>, request: HttpRequest) -> Response<AnswerBody> {
    let caller = Caller { address: ([127, 0, 0, 1], 40_000).into(), tls: None };
    let arrival = front.arrival(request.headers(), caller, Arc::default(), None);
    front.answer(request, arrival).await
}

/// Lets a request in, as authentication does.
fn admit(request: &HttpRequest) -> Result<(), Failure> {
    request.extensions().get::<Share>().unwrap().admit("tenant")
}

async fn text(answer: Response<AnswerBody>) -> String {
    String::from_utf8(answer.into_body().collect().await.unwrap().to_bytes().to_vec()).unwrap()
}

#[tokio::test]
async fn every_answer_names_its_request_and_the_handler_knows_the_name() {
    let front = front(echo_id);
    let answered = answer(&front, request(Method::GET, "/bucket/key")).await;
    let id = answered.headers()["x-amz-request-id"].to_str().unwrap().to_owned();
    assert!(answered.headers().contains_key("x-amz-id-2") && answered.headers()[SERVER] == "sealgate");
    assert_eq!(text(answered).await, id);
}

#[tokio::test]
async fn an_error_body_has_the_id_of_the_header() {
    let front = front(refuse);
    let answered = answer(&front, request(Method::GET, "/bucket/key")).await;
    assert_eq!(answered.status(), StatusCode::FORBIDDEN);
    let id = answered.headers()["x-amz-request-id"].to_str().unwrap().to_owned();
    let body = text(answered).await;
    assert!(
        body.contains(&format!("<RequestId>{id}</RequestId>")) && body.contains("<Resource>/bucket/key</Resource>")
    );
}

#[tokio::test]
async fn a_health_check_needs_no_permit_and_no_signature() {
    let front = front(refuse);
    let only = front.budget.share([127, 0, 0, 1].into());
    only.admit("tenant").unwrap();
    let answered = answer(&front, request(Method::GET, "/_/health")).await;
    assert_eq!(answered.status(), StatusCode::OK);
    assert_eq!(text(answered).await, "ok");
}

#[tokio::test]
async fn only_the_plain_health_request_is_one() {
    let front = front(refuse);
    for (method, uri) in [(Method::PUT, "/_/health"), (Method::GET, "/_/health?acl"), (Method::GET, "/_/health/x")] {
        assert_eq!(answer(&front, request(method, uri)).await.status(), StatusCode::FORBIDDEN);
    }
}

#[tokio::test]
async fn a_cors_preflight_is_refused_as_by_a_bucket_without_cors() {
    let front = front(echo_id);
    let answered = answer(&front, request(Method::OPTIONS, "/bucket/key")).await;
    assert_eq!(answered.status(), StatusCode::FORBIDDEN);
    assert!(text(answered).await.contains("<Code>AccessForbidden</Code>"));
}

#[tokio::test]
async fn a_request_too_many_is_told_to_slow_down_until_an_earlier_answer_has_ended() {
    let front = front(echo_id);
    let first = answer(&front, request(Method::GET, "/bucket")).await;
    let second = answer(&front, request(Method::GET, "/bucket")).await;
    assert_eq!(second.status(), StatusCode::SERVICE_UNAVAILABLE);
    assert!(text(second).await.contains("<Code>SlowDown</Code>"));
    drop(first);
    assert_eq!(answer(&front, request(Method::GET, "/bucket")).await.status(), StatusCode::OK);
}

#[tokio::test]
async fn a_request_whose_client_went_away_gives_its_permit_back() {
    let (entered, at_work) = oneshot::channel::<()>();
    let entered = Arc::new(std::sync::Mutex::new(Some(entered)));
    let front = front(move |request| {
        let entered = entered.lock().unwrap().take();
        admit(&request).unwrap();
        async move {
            if let Some(entered) = entered {
                entered.send(()).unwrap();
                std::future::pending::<()>().await;
            }
            HttpResponse::new(Body::empty())
        }
    });
    let mut stuck = Box::pin(answer(&front, request(Method::GET, "/")));
    tokio::select! { _ = &mut stuck => panic!("it never answers"), entered = at_work => entered.unwrap() }
    assert!(front.budget.share([127, 0, 0, 1].into()).admit("other").is_err());
    drop(stuck);
    assert_eq!(answer(&front, request(Method::GET, "/")).await.status(), StatusCode::OK);
}

#[test]
fn the_access_key_is_found_where_signatures_name_it() {
    let header = |text: &str| {
        let mut headers = HeaderMap::new();
        headers.insert(http::header::AUTHORIZATION, HeaderValue::from_str(text).unwrap());
        headers
    };
    let none = Uri::from_static("/");
    let signed = header("AWS4-HMAC-SHA256 Credential=AKID-1/20260101/us-east-1/s3/aws4_request, Signature=0");
    assert_eq!(access_key_id(&signed, &none), Some("AKID-1"));
    let presigned = Uri::from_static("/b/k?X-Amz-Signature=0&X-Amz-Credential=AKID%2F20260101%2Fus-east-1");
    assert_eq!(access_key_id(&HeaderMap::new(), &presigned), Some("AKID"));
    assert_eq!(access_key_id(&header("AWS4-HMAC-SHA256 Credential=a\"b/x"), &none), None);
    assert_eq!(access_key_id(&HeaderMap::new(), &none), None);
}

#[tokio::test]
async fn what_a_request_came_to_is_counted_once_its_answer_has_ended() {
    let front = front(|request: HttpRequest| async move {
        request.extensions().get::<Facts>().unwrap().set_operation("GetObject");
        HttpResponse::new(Body::from("12345".to_owned()))
    });
    let metrics = Arc::clone(&front.telemetry.metrics);
    let answered = answer(&front, request(Method::GET, "/b/k")).await;
    assert_eq!(metrics.in_flight.get(), 1);
    assert_eq!(text(answered).await, "12345");
    let left = answer(&front, request(Method::GET, "/b/k")).await;
    drop(left);
    let text = metrics.text(&[]);
    assert!(text.contains("sealgate_http_requests_total{operation=\"GetObject\",code_class=\"2xx\"} 2"), "{text}");
    assert_eq!((metrics.in_flight.get(), metrics.sent.get(), metrics.cancelled.get()), (0, 5, 1));
}

#[tokio::test]
async fn health_says_no_before_and_after() {
    let front = front(refuse);
    front.readiness.advance(Phase::Draining);
    let answered = answer(&front, request(Method::GET, "/_/health")).await;
    assert_eq!((answered.status(), text(answered).await.as_str()), (StatusCode::SERVICE_UNAVAILABLE, "draining"));
}
