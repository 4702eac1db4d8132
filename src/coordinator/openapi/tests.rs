use std::collections::BTreeSet;

use super::*;

#[test]
fn the_published_document_is_what_the_code_has() {
    assert!(PUBLISHED == generated(), "run `sealgate coordinator openapi > src/coordinator/openapi.json`");
}

#[test]
fn every_call_is_described_once() {
    let document: Value = serde_json::from_str(&generated()).unwrap();
    let described: Vec<_> = document["paths"]
        .as_object()
        .unwrap()
        .iter()
        .flat_map(|(path, methods)| {
            methods.as_object().unwrap().keys().map(move |method| (path.clone(), method.clone()))
        })
        .collect();
    let there: Vec<_> = routes().iter().map(|route| (route.path.to_owned(), route.method.to_owned())).collect();
    assert_eq!(described.iter().collect::<BTreeSet<_>>(), there.iter().collect::<BTreeSet<_>>());
    assert_eq!(described.len(), there.len());
}

#[test]
fn every_reference_leads_to_a_schema() {
    let document: Value = serde_json::from_str(&generated()).unwrap();
    let text = document.to_string();
    let references: BTreeSet<_> =
        text.split("\"$ref\":\"#").skip(1).map(|rest| rest.split('"').next().unwrap()).collect();
    assert!(references.len() >= 10, "{references:?}");
    for reference in references {
        assert!(document.pointer(reference).is_some(), "{reference}");
    }
}
