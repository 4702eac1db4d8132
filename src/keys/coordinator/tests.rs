use super::*;
use crate::keys::coordinator::transport::Answer;
use zeroize::Zeroizing;

fn lines(text: &str) -> Result<Page, CoordinatorError> {
    page::read(&Answer {
        status: StatusCode::OK,
        is_lines: true,
        date: None,
        body: Zeroizing::new(text.as_bytes().to_vec()),
    })
}

fn settings(url: &str) -> CoordinatorSettings {
    CoordinatorSettings { url: url.into(), token_file: None, ca_file: None, cert_file: None, key_file: None }
}

#[test]
fn a_cut_list_of_lines_is_refused() {
    let head = r#"{"epoch":"e","revision":2,"count":2}"#;
    let one = r#"{"id":"a","zero_knowledge":true}"#;
    assert_eq!(lines(&format!("{head}\n{one}\n{one}\n")).unwrap().items.len(), 2);
    let error = lines(&format!("{head}\n{one}\n")).unwrap_err().to_string();
    assert_eq!(error, "the coordinator's answer is not understood: 1 tenants came where 2 were announced");
    assert!(lines("").is_err());
}

#[test]
fn a_line_that_makes_no_sense_is_named_and_not_shown() {
    let head = r#"{"epoch":"e","revision":2,"count":2}"#;
    let page = lines(&format!("{head}\n{{\"id\":\"a\",\"zero_knowledge\":\"secret\"}}\nsecret\n")).unwrap();
    let named: Vec<_> = page.unread.iter().map(|unread| unread.tenant.as_deref()).collect();
    assert_eq!(named, [Some("a"), None]);
    assert!(!format!("{page:?}").contains("secret"));
}

#[test]
fn an_answer_with_an_error_is_told_without_control_characters() {
    let body = br#"{"status":403,"code":"forbidden","title":"Forbidden","detail":"no\u0007 scope"}"#;
    let error = CoordinatorError::refused(403, body).to_string();
    assert_eq!(error, "the coordinator refused: 403 forbidden: Forbidden: no scope");
    assert_eq!(CoordinatorError::refused(502, b"<html>").to_string(), "the coordinator refused: 502 ");
}

#[test]
fn files_that_are_not_there_or_hold_nothing_are_named() {
    let missing = CoordinatorSettings { ca_file: Some("/does/not/exist".into()), ..settings("https://c") };
    assert_eq!(Client::new(&missing).unwrap_err().to_string(), "cannot read /does/not/exist");
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("ca.pem");
    std::fs::write(&file, "no certificate").unwrap();
    let empty = CoordinatorSettings { ca_file: Some(file), ..settings("https://c") };
    assert_eq!(Client::new(&empty).unwrap_err().to_string(), "coordinator.tls.ca: holds no PEM certificate");
}

#[tokio::test]
async fn one_that_nobody_listens_for_cannot_be_asked() {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    drop(listener);
    let error = Client::new(&settings(&url)).unwrap().list(None).await.unwrap_err();
    assert!(matches!(error, CoordinatorError::Transport(_)), "{error:?}");
}
