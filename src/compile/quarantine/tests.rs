use std::sync::Arc;

use super::*;
use crate::eskip::{Arg, Endpoint, Filter, Route, parse};

struct Sifted {
    text: String,
    left_out: Vec<String>,
    remarks: usize,
}

fn sift_routes(routes: impl IntoIterator<Item = Route>) -> Sifted {
    let object = Arc::new(ObjectRef { name: "culprit".to_owned(), ..ObjectRef::default() });
    let sourced = |route| SourcedRoute { route, object: Some(Arc::clone(&object)) };
    let mut routes: Vec<_> = routes.into_iter().map(sourced).collect();
    let (mut quarantined, mut diagnostics) = (Vec::new(), Diagnostics::default());
    let text = sift(&mut routes, &Words::default(), &mut quarantined, &mut diagnostics, &Limits::default());
    assert_eq!(text.count(), routes.len());
    assert!(quarantined.iter().all(|left_out| left_out.object == *object && !left_out.reason.is_empty()));
    Sifted {
        text: text.as_str().to_owned(),
        left_out: quarantined.into_iter().map(|left_out| left_out.route).collect(),
        remarks: diagnostics.into_vec().len(),
    }
}

fn to(id: &str, address: &str) -> Route {
    Route { id: id.to_owned(), backend: Backend::Network(address.to_owned()), ..Route::default() }
}

#[test]
fn sound_routes_are_printed_a_line_each() {
    let sifted = sift_routes([to("a", "http://10.0.0.1:80"), to("b", "http://10.0.0.2:80")]);
    assert_eq!(sifted.text, "a: * -> \"http://10.0.0.1:80\";\nb: * -> \"http://10.0.0.2:80\";");
    assert_eq!((sifted.left_out.len(), sifted.remarks), (0, 0));
}

#[test]
fn number_that_prints_with_an_exponent_is_left_out_and_the_rest_is_not() {
    let tiny = Filter::new("f", [Arg::Number(0.00001)]);
    let poison = Route { filters: vec![tiny], ..to("poison", "http://10.0.0.1:80") };
    let sifted = sift_routes([to("a", "http://a"), poison, to("z", "http://z")]);
    assert_eq!(sifted.left_out, ["poison"]);
    assert_eq!(sifted.text, "a: * -> \"http://a\";\nz: * -> \"http://z\";");
}

#[test]
fn nothing_can_be_smuggled_through_an_address() {
    let smuggled = [
        "http://a\"; evil: * -> \"http://evil",
        "http://a\";\nevil: * -> \"http://evil",
        "http://a\" // ",
        "http://a\"; // ",
        "http://a\" -> <shunt>; //",
        "http://a\\",
        "http://a\"",
    ];
    for address in smuggled {
        let endpoints = [Endpoint { address: address.to_owned(), zone: String::new() }].into();
        let balanced = Backend::LoadBalanced { algorithm: String::new(), endpoints };
        for backend in [Backend::Network(address.to_owned()), balanced] {
            let poison = Route { id: "m".to_owned(), backend, ..Route::default() };
            let sifted = sift_routes([to("a", "http://a"), poison, to("z", "http://z")]);
            assert_eq!(sifted.left_out, ["m"], "{address}");
            assert_eq!(parse(&sifted.text).unwrap(), [to("a", "http://a"), to("z", "http://z")]);
        }
    }
}

#[test]
fn first_route_leaves_no_line_behind() {
    let sifted = sift_routes([to("a", "http://a\""), to("z", "http://z")]);
    assert_eq!(sifted.text, "z: * -> \"http://z\";");
}

#[test]
fn backend_without_an_address_is_left_out() {
    assert_eq!(sift_routes([to("forward", "")]).left_out, ["forward"]);
}

#[test]
fn route_that_is_read_in_another_sense_is_kept_and_said() {
    let route = Route { path_regexps: vec!["a\nb".to_owned()], ..to("a", "http://a") };
    let sifted = sift_routes([route]);
    assert_eq!((sifted.left_out.len(), sifted.remarks), (0, 1));
    assert_eq!(sifted.text, "a: PathRegexp(/a\\nb/) -> \"http://a\";");
}

#[test]
fn panic_takes_its_object_with_it_and_nothing_else() {
    let object = ObjectRef { name: "culprit".to_owned(), ..ObjectRef::default() };
    let mut quarantined = Vec::new();
    let made: Vec<Route> = guarded(&object, &mut quarantined, || panic!("index {}", 7));
    assert_eq!(made, []);
    assert_eq!((quarantined[0].route.as_str(), &quarantined[0].object), ("", &object));
    assert!(quarantined[0].reason.contains("index 7"), "{}", quarantined[0].reason);
    assert_eq!(guarded(&object, &mut quarantined, || vec![1]), [1]);
    assert_eq!(quarantined.len(), 1);
}
