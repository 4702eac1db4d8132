use super::*;

#[test]
fn a_secret_is_not_seen_in_debug_or_json() {
    let secret = SecretText::new("hunter2-hunter2".into());
    assert_eq!(format!("{secret:?}"), "[secret]");
    assert_eq!(serde_json::to_string(&secret).unwrap(), "\"[secret]\"");
    assert_eq!(secret.expose(), "hunter2-hunter2");
}

#[test]
fn secrets_are_equal_when_their_texts_are() {
    let secret = |text: &str| SecretText::new(text.into());
    assert_eq!(secret("abc"), secret("abc"));
    assert_ne!(secret("abc"), secret("abd"));
    assert_ne!(secret("abc"), secret("ab"));
}
