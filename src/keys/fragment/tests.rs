use super::*;

const VALUE: &str = "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=";

fn file(entries: &str) -> String {
    format!("{{\"customer_fragments\": [{entries}]}}")
}

fn entry(id: &str, value: &str) -> String {
    format!(r#"{{"id": "{id}", "value": "{value}", "description": "MyFirstCF", "name": "CF"}}"#)
}

fn fragments(text: &str) -> Result<Fragments, FragmentsError> {
    Fragments::parse("customer_fragments.json", text)
}

#[test]
fn a_file_of_the_documented_shape_is_read() {
    let text = format!(
        "{{\n\"customer_fragments\": [\n{{\n\"id\": \"cf-xyzxyzxyzxyzxyzxyz\",\n\"value\": \"{VALUE}\",\n\
         \"description\": \"MyFirstCF\",\n\"name\": \"<CF-Name>\"\n}}\n]\n}}"
    );
    let read = fragments(&text).unwrap();
    let fragment = read.find("cf-xyzxyzxyzxyzxyzxyz").unwrap();
    assert_eq!(fragment.name(), "<CF-Name>");
    assert_eq!(fragment.expose(), (0..32).collect::<Vec<u8>>());
}

#[test]
fn fields_of_others_are_left_alone() {
    let text = r#"{"customer_fragments": [{"id": "cf-1", "value": "AAECAwQFBgcICQoLDA0ODw==", "kind": "x"}], "v": 2}"#;
    assert!(fragments(text).unwrap().find("cf-1").is_some());
}

#[test]
fn a_generated_fragment_is_printed_in_the_documented_shape_and_reads_back() {
    let made = Fragment::generate("CF", "MyFirstCF").unwrap();
    let text = made.to_file();
    let order: Vec<usize> =
        ["\"id\"", "\"value\"", "\"description\"", "\"name\""].iter().map(|key| text.find(key).unwrap()).collect();
    assert!(order.is_sorted(), "{}", order.len());
    let read = fragments(&text).unwrap();
    assert_eq!(read.find(made.id()).unwrap().expose(), made.expose());
    assert_eq!(made.expose().len(), 32);
    assert!(made.id().starts_with("cf-") && made.id().len() == 21);
}

#[test]
fn two_fragments_are_never_generated_alike() {
    let (a, b) = (Fragment::generate("a", "").unwrap(), Fragment::generate("a", "").unwrap());
    assert_ne!(a.id(), b.id());
    assert_ne!(a.expose(), b.expose());
}

#[test]
fn two_fragments_of_one_id_are_refused_by_name() {
    let text = file(&[entry("cf-1", VALUE), entry("cf-1", VALUE)].join(","));
    assert_eq!(fragments(&text).unwrap_err().to_string(), "customer fragment `cf-1` is given twice");
    let mut one = fragments(&file(&entry("cf-1", VALUE))).unwrap();
    let two = fragments(&file(&entry("cf-1", VALUE))).unwrap();
    assert_eq!(one.join(two), Err(FragmentsError::Repeated { id: "cf-1".into() }));
}

#[test]
fn errors_name_the_id_and_never_the_value() {
    let cases = [
        ("!!SECRETVALUE!!", "customer fragment `cf-1`: the value is not base64"),
        ("U0VDUkVUVkFMVUU=", "customer fragment `cf-1`: the value has 11 bytes, at least 16 are required"),
    ];
    for (value, message) in cases {
        assert_eq!(fragments(&file(&entry("cf-1", value))).unwrap_err().to_string(), message);
    }
    let error = fragments(r#"{"customer_fragments": "SECRETVALUE"}"#).unwrap_err().to_string();
    assert!(error.starts_with("customer_fragments.json:1:") && !error.contains("SECRETVALUE"), "{error}");
}

#[test]
fn a_fingerprint_is_the_start_of_the_hash_of_the_value() {
    let read = fragments(&file(&entry("cf-1", VALUE))).unwrap();
    // SHA-256 of the bytes 0 to 31
    assert_eq!(read.find("cf-1").unwrap().fingerprint(), "630dcd2966c43366");
}

#[test]
fn debug_output_shows_fingerprints_only() {
    let text = format!("{:?}", fragments(&file(&entry("cf-1", VALUE))).unwrap());
    assert!(text.contains("630dcd2966c43366"));
    assert!(!text.contains(VALUE) && !text.contains("[0, 1, 2"));
}

#[test]
fn a_copy_is_compared_id_by_id() {
    let other = "HBscHRwbHB0cGxwdHBscHRwbHB0cGxwdHBscHRwbHB0=";
    let mine = fragments(&file(&[entry("a", VALUE), entry("b", VALUE), entry("c", VALUE)].join(","))).unwrap();
    let copy = fragments(&file(&[entry("a", VALUE), entry("b", other), entry("d", VALUE)].join(","))).unwrap();
    let id = |id: &str| id.to_owned();
    let expected = [
        FragmentDifference::Other { id: id("b") },
        FragmentDifference::Missing { id: id("c") },
        FragmentDifference::Surplus { id: id("d") },
    ];
    assert_eq!(mine.differences(&copy), expected);
    assert!(mine.differences(&mine).is_empty());
}
