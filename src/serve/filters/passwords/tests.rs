use http::HeaderValue;

use super::*;

fn hash(password: &str) -> String {
    bcrypt::hash(password, 4).expect("the cost is allowed")
}

fn showing(user: &str, password: &str) -> HeaderMap {
    let encoded = STANDARD.encode(format!("{user}:{password}"));
    let value = HeaderValue::try_from(format!("Basic {encoded}")).expect("base64 is header text");
    HeaderMap::from_iter([(AUTHORIZATION, value)])
}

fn at(secs: u64) -> Moment {
    Moment::from_nanos(secs * 1_000_000_000)
}

fn write(path: &std::path::Path, text: &str, age_secs: u64) {
    fs::write(path, text).expect("the folder is ours");
    let then = SystemTime::now() - Duration::from_secs(age_secs);
    fs::File::options().write(true).open(path).and_then(|file| file.set_modified(then)).expect("it is ours");
}

#[tokio::test]
async fn only_who_knows_the_password_is_let_in() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("users");
    write(&path, &format!("# the fleet\n\nskipper:{}\n", hash("right:with a colon")), 0);
    let passwords = Arc::new(Passwords::load(path).unwrap());
    for second in 0..3 {
        let asked = showing("skipper", "right:with a colon");
        assert!(Passwords::admit(&passwords, &asked, at(second)).await);
        for wrong in [showing("skipper", "wrong"), showing("other", "right:with a colon"), HeaderMap::new()] {
            assert!(!Passwords::admit(&passwords, &wrong, at(second)).await, "{wrong:?}");
        }
    }
    assert_eq!(passwords.state.lock().known.len(), 1);
}

#[tokio::test]
async fn a_file_that_changes_is_taken_up_and_a_broken_one_is_not() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("users");
    write(&path, &format!("a:{}", hash("one")), 30);
    let passwords = Arc::new(Passwords::load(path.clone()).unwrap());
    assert!(Passwords::admit(&passwords, &showing("a", "one"), at(0)).await);

    write(&path, "a:plain text", 20);
    assert!(Passwords::admit(&passwords, &showing("a", "one"), at(2)).await);
    write(&path, &format!("a:{}", hash("two")), 10);
    assert!(!Passwords::admit(&passwords, &showing("a", "one"), at(4)).await);
    assert!(Passwords::admit(&passwords, &showing("a", "two"), at(4)).await);
}

#[test]
fn what_is_no_file_of_passwords_is_refused_by_its_line() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("users");
    let refusal = |text: &str| {
        fs::write(&path, text).unwrap();
        Passwords::load(path.clone()).unwrap_err().to_string()
    };
    assert!(refusal(&format!("a:{}\nb:{{SHA}}x", hash("one"))).contains("users:2 is not USER:HASH"));
    assert!(refusal("a").contains("users:1"));
    assert!(refusal("# nobody\n").contains("names no user"));
    assert!(Passwords::load(folder.path().join("none")).unwrap_err().to_string().contains("cannot be read"));
}

#[test]
fn credentials_are_read_as_strictly_as_by_the_peer() {
    let read = |text: &str| {
        let headers = HeaderMap::from_iter([(AUTHORIZATION, HeaderValue::try_from(text).unwrap())]);
        Credentials::of(&headers).map(|it| (it.user, String::from_utf8(it.password).unwrap()))
    };
    assert_eq!(read("Basic YTpi"), Some(("a".to_owned(), "b".to_owned())));
    assert_eq!(read("Basic YTo="), Some(("a".to_owned(), String::new())));
    for odd in
        ["basic YTpi", "Basic  YTpi", "Basic YTpi ", "Bearer YTpi", "Basic YWI=", "Basic OmI=", "Basic"]
    {
        assert_eq!(read(odd), None, "{odd}");
    }
}
