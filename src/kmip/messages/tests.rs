use base64::{Engine, engine::general_purpose::STANDARD};

use super::*;
use crate::kmip::testing::{answer, case, cases, key, key_value, located, secret, success};

fn id(text: &str) -> UniqueId {
    UniqueId(text.to_owned())
}

/// The operation of a request, if it has just one and it is one of ours.
fn only_operation(request: &[u8]) -> Option<Operation> {
    let Value::Structure(message) = ttlv::decode(request, &ANSWER_LIMITS).ok()?.value else { return None };
    match OPERATION.enumeration(BATCH_ITEM.structure(message).ok()?).ok()? {
        8 => Some(Operation::Locate),
        10 => Some(Operation::Get),
        11 => Some(Operation::GetAttributes),
        _ => None,
    }
}

/// What was read from an answer, in the words of the recorded outcomes.
fn outcome<T>(read: Result<T, KmsError>, success: impl FnOnce(T) -> String) -> String {
    match read {
        Ok(read) => success(read),
        Err(KmsError::Refused(refusal)) => format!("refused {:#04x}", refusal.reason().unwrap()),
        Err(KmsError::UnsupportedVersion { version, .. }) => format!("version {version}"),
        Err(KmsError::Payload(_)) => "no seed".to_owned(),
        Err(error) => format!("{error:?}"),
    }
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::new(), |text, byte| text + &format!("{byte:02x}"))
}

#[test]
fn recorded_answers_are_read_as_another_decoder_reads_them() {
    let mut read = 0;
    for case in cases() {
        let (Some(answer), Some(expected)) = (&case.answer, &case.outcome) else { continue };
        let of = |skip| id(expected.split(' ').nth(skip).unwrap_or_default());
        let found = match only_operation(&case.request) {
            // the one request that cannot be read was a Locate before it was corrupted on purpose
            None | Some(Operation::Locate) => outcome(read_locate(answer), |ids| {
                ids.iter().fold("ids".to_owned(), |text, id| format!("{text} {}", id.0))
            }),
            Some(Operation::GetAttributes) => outcome(read_attributes(answer, &of(2)), |_| expected.clone()),
            Some(Operation::Get) if expected.starts_with("no seed in") => {
                outcome(read_get(answer, &of(3)), |_| "a seed".to_owned()) + &format!(" in {}", of(3).0)
            }
            Some(Operation::Get) => {
                outcome(read_get(answer, &of(2)), |seed| format!("seed of {} {}", of(2).0, hex(seed.expose())))
            }
        };
        assert_eq!(&found, expected, "{}", case.name);
        read += 1;
    }
    assert_eq!(read, 119);
}

#[test]
fn requests_are_byte_for_byte_those_that_real_servers_answered() {
    assert_eq!(locate("67f1adf3-08e5-4eea-94e3-e611f263c87b", 2), case("pykmip 12-").request);
    assert_eq!(get(&id("1")), case("pykmip 13-").request);
    assert_eq!(get_attributes(&id("7")), case("pykmip 42-").request);
}

#[test]
fn state_and_every_name_are_read_from_attributes() {
    for name in ["pykmip 42-", "cosmian 42-"] {
        let case = case(name);
        let of = case.outcome.unwrap().rsplit(' ').next().unwrap().to_owned();
        let attributes = read_attributes(&case.answer.unwrap(), &id(&of)).unwrap();
        assert_eq!(attributes.names, ["00000004-0000-4000-8000-000000000000"]);
        assert_eq!(attributes.lifecycle, Lifecycle::Compromised);
    }
}

#[test]
fn an_object_with_another_identifier_is_a_mismatch() {
    let error = read_get(&answer("pykmip 13-"), &id("2")).unwrap_err();
    assert!(matches!(error, KmsError::Mismatch { what: "unique identifier" }), "{error:?}");
    assert!(error.is_security_event());
    let error = read_attributes(&answer("pykmip 42-"), &id("8")).unwrap_err();
    assert!(matches!(error, KmsError::Mismatch { what: "unique identifier" }), "{error:?}");
}

#[test]
fn an_answer_to_another_operation_is_refused() {
    let error = read_locate(&answer("pykmip 13-")).unwrap_err();
    assert!(matches!(error, KmsError::Decode(DecodeError::OtherOperation)), "{error:?}");
}

#[test]
fn an_answer_to_several_requests_is_refused() {
    let error = read_locate(&answer("pykmip 51-batch-two-locates")).unwrap_err();
    assert_eq!(error.to_string(), "error decoding kms response");
    assert!(matches!(error, KmsError::Decode(DecodeError::Field(_))), "{error:?}");
}

#[test]
fn bytes_that_are_no_kmip_are_an_error_of_decoding() {
    for bytes in [&b""[..], b"HTTP/1.1 400 Bad Request\r\n\r\n", &case("pykmip 13-").request] {
        let error = read_locate(bytes).unwrap_err();
        assert_eq!(error.to_string(), "error decoding kms response");
    }
}

fn payload_error(answer: &[u8]) -> PayloadError {
    let error = read_get(answer, &id("1")).unwrap_err();
    let KmsError::Payload(error) = error else { panic!("{error:?}") };
    error
}

#[test]
fn the_seed_is_what_the_base64_text_says() {
    let bytes = [7; 48];
    let text = STANDARD.encode(bytes);
    for end in ["", "\n", "\r\n"] {
        let seed = read_get(&key("1", format!("{text}{end}").as_bytes()), &id("1")).unwrap();
        assert_eq!(seed.expose(), bytes, "{end:?}");
    }
}

#[test]
fn nothing_but_one_trailing_line_break_is_trimmed() {
    let text = STANDARD.encode([7; 48]);
    for (start, end) in [("", "\n\n"), ("", " "), ("", " \n"), (" ", ""), ("\n", ""), ("", "\0")] {
        let error = payload_error(&key("1", format!("{start}{text}{end}").as_bytes()));
        assert!(
            matches!(error, PayloadError::NotBase64Text { .. } | PayloadError::Seed(_)),
            "{start:?} {end:?}: {error:?}"
        );
    }
}

#[test]
fn a_seed_under_32_bytes_is_refused_and_not_shown() {
    let text = STANDARD.encode([7; 31]);
    let error = payload_error(&key("1", text.as_bytes()));
    assert!(matches!(error, PayloadError::Seed(_)), "{error:?}");
    assert!(!format!("{error:?} {error}").contains(&text[..8]));
}

#[test]
fn raw_bytes_instead_of_base64_are_refused_with_advice() {
    let error = payload_error(&key("1", &[0x91; 48]));
    assert_eq!(error.to_string(), "the key value is not base64 text (48 bytes): store the base64 string itself");
}

#[test]
fn a_wrapped_key_is_refused() {
    let answer = secret("1", |block| {
        KEY_FORMAT_TYPE.put_enumeration(block, RAW);
        key_value(block, STANDARD.encode([7; 48]).as_bytes());
        KEY_WRAPPING_DATA.put_structure(block, |_| {});
    });
    assert_eq!(payload_error(&answer), PayloadError::Wrapped);
}

#[test]
fn a_compressed_key_is_refused() {
    let answer = secret("1", |block| {
        KEY_FORMAT_TYPE.put_enumeration(block, RAW);
        KEY_COMPRESSION_TYPE.put_enumeration(block, 2);
        key_value(block, STANDARD.encode([7; 48]).as_bytes());
    });
    assert_eq!(payload_error(&answer), PayloadError::Compressed);
}

#[test]
fn a_key_in_another_format_is_refused() {
    let answer = secret("1", |block| {
        KEY_FORMAT_TYPE.put_enumeration(block, 4);
        key_value(block, STANDARD.encode([7; 48]).as_bytes());
    });
    assert_eq!(payload_error(&answer), PayloadError::Format(4));
}

#[test]
fn a_field_that_is_given_twice_is_refused() {
    let answer = secret("1", |block| {
        KEY_FORMAT_TYPE.put_enumeration(block, RAW);
        key_value(block, STANDARD.encode([7; 48]).as_bytes());
        key_value(block, STANDARD.encode([8; 48]).as_bytes());
    });
    assert_eq!(payload_error(&answer), PayloadError::Field(KEY_VALUE.wrong()));
}

#[test]
fn an_object_of_another_type_is_a_mismatch() {
    let answer = success(Operation::Get, |payload| {
        OBJECT_TYPE.put_enumeration(payload, 2);
        UNIQUE_IDENTIFIER.put_text(payload, "1");
    });
    let error = read_get(&answer, &id("1")).unwrap_err();
    assert!(matches!(error, KmsError::Mismatch { what: "object type" }), "{error:?}");
}

#[test]
fn a_server_that_speaks_another_version_is_told_apart_from_one_that_refuses_the_client() {
    let error = read_locate(&answer("pykmip 59-version-1-5")).unwrap_err();
    let text = error.to_string();
    assert!(text.starts_with("unsupported KMIP version, use 1.4: the server answered 1.0 (Error parsing"), "{text}");
    let error = read_locate(&answer("pykmip conn-01")).unwrap_err();
    let text = error.to_string();
    assert!(text.starts_with("kms refused Locate: Authentication Not Successful"), "{text}");
}

#[test]
fn what_a_server_writes_is_shown_without_control_characters_and_cut() {
    let text = format!("\u{1b}[31mred\r\n{}", "y".repeat(300));
    let shown = Refusal::new(Operation::Get, 1, Some(0x100), &text).to_string();
    assert!(!shown.contains(char::is_control), "{shown:?}");
    assert_eq!(shown.chars().filter(|c| *c == 'y').count(), 200 - "[31mred".len());
}

#[test]
fn a_refused_get_attributes_names_the_permission() {
    let shown = Refusal::new(Operation::GetAttributes, 1, Some(0x0C), "").to_string();
    assert_eq!(
        shown,
        "Get Attributes: Permission Denied (0x0c); the client needs the permission Get Attributes, or kmip.verify_name \
         must be false"
    );
}

#[test]
fn an_empty_identifier_is_never_asked_for() {
    let error = read_locate(&located(&["1", ""])).unwrap_err();
    assert!(matches!(error, KmsError::Payload(PayloadError::EmptyIdentifier)), "{error:?}");
}
