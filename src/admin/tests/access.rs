//! Who is told what: with and without a secret, from here and from elsewhere, by a client and in a browser.

use axum::http::header::{LOCATION, SET_COOKIE};

use super::*;

/// Everything but the probes, and a path that may come one day.
const TELLING: [&str; 5] = ["/health", "/metrics", "/v1/status", "/", "/v1/later"];
const GOOD: (&str, &str) = ("authorization", "Bearer open sesame");

impl Running {
    fn with_secret(self, secret: &str) -> Self {
        std::fs::write(self.folder.path().join("secret"), secret).unwrap();
        self
    }

    async fn statuses(&self, peer: &str, headers: &[(&str, &str)]) -> Vec<u16> {
        let mut seen = Vec::new();
        for path in TELLING {
            seen.push(self.ask(Request::get(path), peer, headers, "").await.status().as_u16());
        }
        seen
    }

    async fn sign_in(&self, form: &str) -> Response {
        let kind = [("content-type", "application/x-www-form-urlencoded")];
        self.ask(Request::post("/"), HERE, &kind, form).await
    }
}

fn well() -> Running {
    let running = running();
    running.fake.0.store(true, Ordering::Relaxed);
    running
}

async fn text(answer: Response) -> String {
    String::from_utf8(answer.into_body().collect().await.unwrap().to_bytes().to_vec()).unwrap()
}

#[tokio::test]
async fn with_a_secret_only_who_sends_it_is_told() {
    let running = well().with_secret("open sesame\n");
    for peer in [HERE, ELSEWHERE] {
        for wrong in [
            &[][..],
            &[("authorization", "Bearer open sesam")],
            &[("authorization", "Bearer ")],
            &[("authorization", "open sesame")],
            &[("x-metrics-secret", "")],
            &[("cookie", "sealgate-status=open sesame")],
        ] {
            assert_eq!(running.statuses(peer, wrong).await, [200, 401, 401, 401, 401], "{peer} {wrong:?}");
        }
        for good in [GOOD, ("x-metrics-secret", "open sesame")] {
            assert_eq!(running.statuses(peer, &[good]).await, [200, 200, 200, 200, 404], "{peer} {good:?}");
        }
    }
}

#[tokio::test]
async fn an_empty_or_unreadable_secret_admits_nobody() {
    let running = well().with_secret("");
    assert_eq!(running.statuses(HERE, &[("x-metrics-secret", "")]).await, [200, 401, 401, 401, 401]);
    let secret = running.folder.path().join("secret");
    std::fs::remove_file(&secret).unwrap();
    std::fs::create_dir(&secret).unwrap();
    assert_eq!(running.statuses(HERE, &[("x-metrics-secret", "")]).await, [200, 401, 401, 401, 401]);
    assert_eq!(running.status("/health/live").await, 200, "probes need none");
}

#[tokio::test]
async fn a_new_secret_counts_at_once() {
    let running = well().with_secret("open sesame");
    assert_eq!(running.get("/metrics", &[GOOD]).await.0, 200);
    let running = running.with_secret("close sesame");
    assert_eq!(running.get("/metrics", &[GOOD]).await.0, 401);
}

#[tokio::test]
async fn without_a_secret_tenants_are_told_to_this_machine_alone() {
    let running = well();
    for here in [HERE, "[::1]:5", "[::ffff:127.0.0.1]:5", "127.8.8.8:5"] {
        assert_eq!(running.statuses(here, &[]).await, [200, 200, 200, 200, 404], "{here}");
    }
    assert_eq!(running.statuses(ELSEWHERE, &[]).await, [200, 200, 403, 403, 403]);
    for of_a_proxy in ["x-forwarded-for", "forwarded", "via", "x-real-ip"] {
        let headers = [(of_a_proxy, "192.0.2.9")];
        assert_eq!(running.statuses(HERE, &headers).await, [200, 200, 403, 403, 403], "{of_a_proxy}");
    }
}

#[tokio::test]
async fn a_stranger_learns_whether_it_is_well_and_not_what_is_checked() {
    for (running, peer) in [(well().with_secret("s"), HERE), (well(), ELSEWHERE)] {
        let told = text(running.ask(Request::get("/health"), peer, &[], "").await).await;
        assert_eq!(told, r#"{"status":"ok","checks":[]}"#);
        running.fake.0.store(false, Ordering::Relaxed);
        let failing = running.ask(Request::get("/health"), peer, &[], "").await;
        assert_eq!((failing.status().as_u16(), text(failing).await.contains("keys")), (503, false));
    }
    assert!(running().get("/health", &[]).await.2.contains("\"keys\""));
}

#[tokio::test]
async fn a_name_of_somebody_else_is_refused_but_for_probes() {
    for running in [well(), well().with_secret("open sesame")] {
        for host in ["evil.example", "evil.example:8001", "127.0.0.1.evil.example"] {
            assert_eq!(running.statuses(HERE, &[("host", host), GOOD]).await, [403; 5], "{host}");
            for probe in ["/health/live", "/health/startup", "/health/ready"] {
                let status = running.ask(Request::get(probe), ELSEWHERE, &[("host", host)], "").await.status().as_u16();
                assert!(status == 200 || status == 503, "{probe} {host}: {status}");
            }
        }
        for host in ["10.0.0.7:8001", "localhost", "sealgate-admin:8001", "status.example.com"] {
            assert_eq!(running.statuses(HERE, &[("host", host), GOOD]).await, [200, 200, 200, 200, 404], "{host}");
        }
    }
}

#[tokio::test]
async fn a_browser_is_asked_for_the_secret_once() {
    let running = well().with_secret("open & sesame");
    let asked = running.ask(Request::get("/"), ELSEWHERE, &[], "").await;
    assert_eq!(asked.status().as_u16(), 401);
    assert!(asked.headers()["content-security-policy"].to_str().unwrap().contains("form-action 'self'"));
    let page = text(asked).await;
    assert!(page.contains("<form method=\"post\"") && page.contains("class=\"bad\" hidden"), "{page}");
    let wrong = running.sign_in("secret=open+sesame").await;
    assert!(wrong.status().as_u16() == 401 && !wrong.headers().contains_key(SET_COOKIE));
    assert!(!text(wrong).await.contains("class=\"bad\" hidden"), "it says that this is not the secret");
    let good = running.sign_in("secret=open+%26+sesame").await;
    assert_eq!((good.status().as_u16(), good.headers()[LOCATION].to_str().unwrap()), (303, "./"));
    let cookie = good.headers()[SET_COOKIE].to_str().unwrap().split(';').next().unwrap().to_owned();
    let session = [("cookie", cookie.as_str())];
    assert_eq!(running.statuses(ELSEWHERE, &session).await, [200, 200, 200, 200, 404]);
    let running = running.with_secret("another");
    assert_eq!(running.statuses(ELSEWHERE, &session).await, [200, 401, 401, 401, 401], "a new secret ends it");
}

#[tokio::test]
async fn a_form_that_is_none_or_too_long_is_refused() {
    let running = well().with_secret("open sesame");
    let json = running.ask(Request::post("/"), HERE, &[("content-type", "application/json")], "{}").await;
    assert_eq!(json.status().as_u16(), 415);
    assert_eq!(running.sign_in("other=open+sesame").await.status().as_u16(), 400);
    assert_eq!(running.sign_in(&format!("secret={}", "x".repeat(20_000))).await.status().as_u16(), 413);
    assert_eq!(
        well().sign_in("secret=").await.status().as_u16(),
        405,
        "without a secret there is nothing to sign in to"
    );
    assert_eq!(running.with_secret("").sign_in("secret=").await.status().as_u16(), 401);
}

#[tokio::test]
async fn nothing_but_reading_is_answered() {
    let running = well().with_secret("open sesame");
    for method in ["POST", "PUT", "DELETE", "PATCH", "OPTIONS", "TRACE"] {
        for path in ["/health/live", "/health/ready", "/health", "/metrics", "/v1/status", "/"] {
            let request = Request::builder().method(method).uri(path);
            let status = running.ask(request, HERE, &[GOOD], "").await.status().as_u16();
            assert_eq!(status, 405, "{method} {path}");
        }
    }
}
