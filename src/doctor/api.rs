//! Whether the API server answers, and gives the rights that the replica needs there.

use std::fmt;

use futures::future::join_all;
use k8s_openapi::api::authorization::v1::{
    ResourceAttributes, SelfSubjectAccessReview, SelfSubjectAccessReviewSpec,
};
use kube::api::PostParams;
use kube::{Api, Client};

use super::{Check, Doctor, in_time};
use crate::flags::{LeaseOptions, SourceOptions};
use crate::source::Access;
use crate::source::kubernetes::connect;

const WHAT: &str = "Kubernetes API";

/// What a replica does at the API: verb, group, resource, the name of one object.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Right {
    verb: &'static str,
    group: &'static str,
    resource: &'static str,
    name: Option<String>,
    namespace: Option<String>,
}

impl fmt::Display for Right {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.verb, self.resource)?;
        self.name.iter().try_for_each(|name| write!(f, " {name}"))?;
        self.namespace.iter().try_for_each(|namespace| write!(f, " in {namespace}"))
    }
}

impl Doctor {
    /// The rights, one check for all that are there, and one for each that is not.
    pub(super) async fn rights(&self) -> Vec<Check> {
        let rights = self.needed();
        if rights.is_empty() {
            return Vec::new();
        }
        in_time(WHAT, async {
            let access = Access::of(&self.options.api, self.in_pod);
            match connect(&access, &self.net).await {
                Ok(client) => asked(client, &rights).await,
                Err(error) => vec![Check::bad(WHAT, error.to_string(), "mend the flag that it names")],
            }
        })
        .await
    }

    fn needed(&self) -> Vec<Right> {
        let right = |verb, group, resource| Right { verb, group, resource, name: None, namespace: None };
        let mut rights = Vec::new();
        if self.options.source == SourceOptions::Kubernetes {
            let ready = if self.options.compile.endpoint_slices {
                right("list", "discovery.k8s.io", "endpointslices")
            } else {
                right("list", "", "endpoints")
            };
            let listed = [
                right("list", "networking.k8s.io", "ingresses"),
                right("list", "zalando.org", "routegroups"),
                right("list", "", "services"),
                ready,
                right("create", "", "events"),
            ];
            let only = Some(self.options.api.namespace.clone()).filter(|only| !only.is_empty());
            rights.extend(listed.map(|right| Right { namespace: only.clone(), ..right }));
        }
        if let LeaseOptions::Kubernetes { name, .. } = &self.options.lease {
            for verb in ["get", "update", "watch", "create"] {
                // A creation has no name yet that could be matched.
                let name = (verb != "create").then(|| name.clone());
                let lease = right(verb, "coordination.k8s.io", "leases");
                rights.push(Right { name, namespace: self.namespace.clone(), ..lease });
            }
        }
        rights
    }
}

async fn asked(client: Client, rights: &[Right]) -> Vec<Check> {
    let reviews: Api<SelfSubjectAccessReview> = Api::all(client);
    let parameters = PostParams::default();
    let answers = join_all(rights.iter().map(|right| {
        let review = review(right);
        let (reviews, parameters) = (&reviews, &parameters);
        async move { reviews.create(parameters, &review).await }
    }));
    let mut checks = Vec::new();
    for (right, answer) in rights.iter().zip(answers.await) {
        match answer {
            Ok(review) if review.status.as_ref().is_some_and(|status| status.allowed) => {}
            Ok(review) => {
                let reason = review.status.and_then(|status| status.reason).filter(|it| !it.is_empty());
                let reason = reason.map(|reason| format!(": {reason}")).unwrap_or_default();
                let hint = "give the ServiceAccount this right: rbac.yaml of the chart has all of them";
                checks.push(Check::bad(format!("may {right}"), format!("it is not allowed{reason}"), hint));
            }
            Err(error) => {
                let hint = "see whether the API server is reachable and takes this ServiceAccount's token";
                return vec![Check::bad(WHAT, error.to_string(), hint)];
            }
        }
    }
    if checks.is_empty() {
        checks.push(Check::good(WHAT, format!("answers, and gives all {} rights", rights.len())));
    } else {
        checks.insert(0, Check::good(WHAT, "answers"));
    }
    checks
}

fn review(right: &Right) -> SelfSubjectAccessReview {
    SelfSubjectAccessReview {
        spec: SelfSubjectAccessReviewSpec {
            resource_attributes: Some(ResourceAttributes {
                verb: Some(right.verb.to_owned()),
                group: Some(right.group.to_owned()),
                resource: Some(right.resource.to_owned()),
                name: right.name.clone(),
                namespace: right.namespace.clone(),
                ..ResourceAttributes::default()
            }),
            ..SelfSubjectAccessReviewSpec::default()
        },
        ..SelfSubjectAccessReview::default()
    }
}
