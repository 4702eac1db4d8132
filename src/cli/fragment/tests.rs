use super::*;

fn verify(file: &Path, copy: Option<&Path>) -> anyhow::Result<()> {
    Verify { file: file.to_owned(), copy: copy.map(Path::to_owned), json: true }.run()
}

#[test]
fn a_copy_is_as_good_as_the_file_only_if_it_holds_the_same_values() {
    let folder = tempfile::tempdir().unwrap();
    let [file, copy, other] = ["file", "copy", "other"].map(|name| folder.path().join(name));
    let made = Fragment::generate("eu", "of the tests").unwrap();
    for path in [&file, &copy] {
        std::fs::write(path, made.to_file().as_str()).unwrap();
    }
    std::fs::write(&other, Fragment::generate("us", "").unwrap().to_file().as_str()).unwrap();
    verify(&file, None).unwrap();
    verify(&file, Some(&copy)).unwrap();
    let refused = verify(&file, Some(&other)).unwrap_err().to_string();
    assert!(refused.contains("cannot replace"), "{refused}");
}

#[test]
fn a_file_of_another_shape_is_refused_by_name() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("fragments.json");
    std::fs::write(&file, "{}").unwrap();
    assert!(verify(&file, None).unwrap_err().to_string().contains("fragments.json"));
}
