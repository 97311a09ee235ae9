//! What every conversion of an object may ask: the settings, ready for use, and the cluster.

use std::collections::HashMap;

use crate::eskip::{self, Filter, Url};
use crate::object::Objects;
use crate::re2::Regexp;

use super::cluster::Cluster;
use super::{Diagnostics, ObjectRef, Settings};

/// What is the same for all objects of one compilation.
#[derive(Debug)]
pub(super) struct Context<'a> {
    pub(super) settings: &'a Settings,
    pub(super) cluster: Cluster<'a>,
    /// Which classes of Ingresses are ours.
    pub(super) ingress_class: Regexp,
    /// Which classes of RouteGroups are ours.
    pub(super) route_group_class: Regexp,
    /// None where every external name is allowed.
    allowed_names: Option<Vec<Regexp>>,
    /// By `<service>.<namespace>`.
    default_filters: HashMap<&'a str, Result<Vec<Filter>, String>>,
}

/// The class that both kinds have where the settings name none.
const DEFAULT_CLASS: &str = "skipper";

impl<'a> Context<'a> {
    /// Makes `settings` ready, and indexes `objects`.
    pub(super) fn new(objects: &'a Objects, settings: &'a Settings, diagnostics: &mut Diagnostics) -> Self {
        let names = settings.allowed_external_names.iter();
        let allowed_names = settings
            .only_allowed_external_names
            .then(|| names.filter_map(|pattern| regexp(pattern, diagnostics)).collect());
        let default_filters = objects.default_filters.iter().map(|(service, text)| {
            (service.as_str(), eskip::parse_filters(text).map_err(|error| error.to_string()))
        });
        Self {
            default_filters: default_filters.collect(),
            settings,
            cluster: Cluster::new(objects, settings, diagnostics),
            ingress_class: class(&settings.ingress_class, diagnostics),
            route_group_class: class(&settings.route_group_class, diagnostics),
            allowed_names,
        }
    }

    /// Whether routes may lead to the external `name`.
    pub(super) fn allows_name(&self, name: &str) -> bool {
        self.allowed_names.as_ref().is_none_or(|allowed| allowed.iter().any(|pattern| pattern.is_match(name)))
    }

    /// Whether routes may lead to the host of `address`; never to what is no URL.
    pub(super) fn allows_address(&self, address: &str) -> bool {
        Url::parse(address).is_ok_and(|url| self.allows_name(&url.hostname()))
    }

    /// Says that the certificates that `object` names are not used, where someone may expect that they are.
    pub(super) fn say_certificates(
        &self,
        names_some: bool,
        object: &ObjectRef,
        diagnostics: &mut Diagnostics,
    ) {
        if names_some && self.settings.tls {
            diagnostics.add(
                object,
                "the certificates of spec.tls are not used: a route server hands out none",
                "give -kubernetes-enable-tls to the Skippers that terminate TLS, not to the route server",
            );
        }
    }

    /// The default filters of a service. Where they do not parse there are none, as for the peer, and `object`, whose
    /// routes go without them, says so.
    pub(super) fn default_filters(
        &self,
        namespace: &str,
        service: &str,
        object: &ObjectRef,
        diagnostics: &mut Diagnostics,
    ) -> &[Filter] {
        if self.default_filters.is_empty() {
            return &[];
        }
        match self.default_filters.get(format!("{service}.{namespace}").as_str()) {
            None => &[],
            Some(Ok(filters)) => filters,
            Some(Err(error)) => {
                diagnostics.add(
                    object,
                    format!("the default filters of service {namespace}/{service} do not parse: {error}"),
                    "the routes of this object go without them",
                );
                &[]
            }
        }
    }
}

fn class(pattern: &str, diagnostics: &mut Diagnostics) -> Regexp {
    let pattern = if pattern.is_empty() { DEFAULT_CLASS } else { pattern };
    regexp(pattern, diagnostics)
        .unwrap_or_else(|| Regexp::new(DEFAULT_CLASS).expect("letters are a regular expression"))
}

/// The command line refuses what is no regular expression; whoever makes settings otherwise is told.
fn regexp(pattern: &str, diagnostics: &mut Diagnostics) -> Option<Regexp> {
    Regexp::new(pattern)
        .map_err(|error| diagnostics.add_general(error.to_string(), "this setting is ignored"))
        .ok()
}
