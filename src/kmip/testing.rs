//! What the tests of this module share: the recorded messages of `testdata/kmip`, and answers made up to order.

use std::fs;

use super::{
    config::{Config, PrivateKeyPem, TIMEOUT_DEFAULT, TlsConfig},
    fields::{
        ATTRIBUTE, ATTRIBUTE_NAME, ATTRIBUTE_VALUE, BATCH_ITEM, KEY_BLOCK, KEY_FORMAT_TYPE, KEY_MATERIAL, KEY_VALUE,
        NAME_VALUE, OBJECT_TYPE, OPERATION, PROTOCOL_VERSION, RESPONSE_HEADER, RESPONSE_MESSAGE, RESPONSE_PAYLOAD,
        RESULT_REASON, RESULT_STATUS, SECRET_DATA, UNIQUE_IDENTIFIER, VERSION_MAJOR, VERSION_MINOR,
    },
    messages::Operation,
    ttlv::{Item, Value, Writer},
};

/// One recorded question with its answer.
pub(super) struct Case {
    pub(super) name: String,
    pub(super) request: Vec<u8>,
    pub(super) answer: Option<Vec<u8>>,
    /// What must be read from the answer, in the words of `testdata/kmip/README.md`.
    pub(super) outcome: Option<String>,
}

/// Every case of every recorded server.
pub(super) fn cases() -> Vec<Case> {
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/testdata/kmip");
    let mut cases: Vec<Case> = Vec::new();
    for server in ["pykmip", "cosmian", "oasis"] {
        let text = fs::read_to_string(format!("{folder}/{server}.txt")).unwrap();
        for line in text.lines() {
            let (mark, rest) = line.split_at(2);
            match mark {
                "# " => cases.push(Case {
                    name: format!("{server} {rest}"),
                    request: Vec::new(),
                    answer: None,
                    outcome: None,
                }),
                "> " => cases.last_mut().unwrap().request = unhex(rest),
                "< " => cases.last_mut().unwrap().answer = Some(unhex(rest)),
                "= " => cases.last_mut().unwrap().outcome = Some(rest.to_owned()),
                _ => panic!("line of unknown kind: {line}"),
            }
        }
    }
    cases
}

/// The one case whose name starts so.
pub(super) fn case(name: &str) -> Case {
    let found = cases().into_iter().find(|case| case.name.starts_with(name));
    found.unwrap_or_else(|| panic!("no case {name}"))
}

/// The answer of the one case whose name starts so.
pub(super) fn answer(name: &str) -> Vec<u8> {
    case(name).answer.unwrap()
}

pub(super) fn unhex(text: &str) -> Vec<u8> {
    assert!(text.len().is_multiple_of(2));
    (0..text.len()).step_by(2).map(|at| u8::from_str_radix(&text[at..at + 2], 16).unwrap()).collect()
}

/// A response message of version 1.4 with one batch item.
pub(super) fn message(item: impl FnOnce(&mut Writer)) -> Vec<u8> {
    Writer::message(RESPONSE_MESSAGE.tag, |message| {
        RESPONSE_HEADER.put_structure(message, |header| {
            PROTOCOL_VERSION.put_structure(header, |version| {
                VERSION_MAJOR.put_integer(version, 1);
                VERSION_MINOR.put_integer(version, 4);
            });
        });
        BATCH_ITEM.put_structure(message, item);
    })
}

/// A success of this operation with this payload.
pub(super) fn success(operation: Operation, payload: impl FnOnce(&mut Writer)) -> Vec<u8> {
    message(|item| {
        OPERATION.put_enumeration(item, operation as u32);
        RESULT_STATUS.put_enumeration(item, 0);
        RESPONSE_PAYLOAD.put_structure(item, payload);
    })
}

/// A failure for this reason.
pub(super) fn refused(operation: Operation, reason: u32) -> Vec<u8> {
    message(|item| {
        OPERATION.put_enumeration(item, operation as u32);
        RESULT_STATUS.put_enumeration(item, 1);
        RESULT_REASON.put_enumeration(item, reason);
    })
}

/// Locate found these.
pub(super) fn located(ids: &[&str]) -> Vec<u8> {
    success(Operation::Locate, |payload| ids.iter().for_each(|id| UNIQUE_IDENTIFIER.put_text(payload, id)))
}

/// The object bears this name and is in this state.
pub(super) fn attributes(id: &str, name: &str, state: u32) -> Vec<u8> {
    success(Operation::GetAttributes, |payload| {
        UNIQUE_IDENTIFIER.put_text(payload, id);
        ATTRIBUTE.put_structure(payload, |attribute| {
            ATTRIBUTE_NAME.put_text(attribute, "State");
            ATTRIBUTE_VALUE.put_enumeration(attribute, state);
        });
        ATTRIBUTE.put_structure(payload, |attribute| {
            ATTRIBUTE_NAME.put_text(attribute, "Name");
            ATTRIBUTE_VALUE.put_structure(attribute, |value| NAME_VALUE.put_text(value, name));
        });
    })
}

/// The Secret Data object with this Key Block.
pub(super) fn secret(id: &str, block: impl FnOnce(&mut Writer)) -> Vec<u8> {
    success(Operation::Get, |payload| {
        OBJECT_TYPE.put_enumeration(payload, 7);
        UNIQUE_IDENTIFIER.put_text(payload, id);
        SECRET_DATA.put_structure(payload, |secret| KEY_BLOCK.put_structure(secret, block));
    })
}

/// The Secret Data object with this Key Material in the format Raw.
pub(super) fn key(id: &str, material: &[u8]) -> Vec<u8> {
    secret(id, |block| {
        KEY_FORMAT_TYPE.put_enumeration(block, 1);
        key_value(block, material);
    })
}

/// A Key Value with this Key Material.
pub(super) fn key_value(block: &mut Writer, material: &[u8]) {
    KEY_VALUE.put_structure(block, |value| {
        value.item(&Item { tag: KEY_MATERIAL.tag, value: Value::ByteString(material) });
    });
}

/// A KMS at these addresses, asked with a client certificate that our test authority signed.
pub(super) fn config(addresses: &str) -> Config {
    let tls = TlsConfig {
        key: PrivateKeyPem::new(pki("client-p256.pkcs8.key")),
        cert: pki("client-p256.crt"),
        ca: Some(pki("ca.crt")),
        server_name: None,
        cipher_suites: Vec::new(),
        insecure_skip_verify: false,
    };
    Config { addresses: addresses.parse().unwrap(), timeout: TIMEOUT_DEFAULT, verify_name: true, tls }
}

/// A certificate or key of `testdata/kmip/pki`, in PEM.
pub(super) fn pki(name: &str) -> String {
    fs::read_to_string(format!("{}/testdata/kmip/pki/{name}", env!("CARGO_MANIFEST_DIR"))).unwrap()
}
