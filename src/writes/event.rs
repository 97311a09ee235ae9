//! What is worth an Event, and its words.

use crate::compile::ObjectRef;
use crate::election::{Free, Loss, Report};
use crate::object::Kind;

/// The object that an Event is about.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct Subject {
    /// `Ingress`, `RouteGroup`, `Lease`, …
    pub kind: String,
    /// `networking.k8s.io/v1`, …
    pub api_version: String,
    /// Its namespace.
    pub namespace: String,
    /// Its name.
    pub name: String,
    /// Its UID; `kubectl describe` shows the Events of this one, not of others that had its name.
    pub uid: String,
}

/// Whether somebody should act.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Severity {
    /// For information.
    Normal,
    /// Somebody should act.
    Warning,
}

/// Something that happened to an object.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Event {
    /// What it happened to.
    pub about: Subject,
    /// How bad it is.
    pub severity: Severity,
    /// One word in CamelCase, for machines.
    pub reason: &'static str,
    /// One sentence, for people.
    pub message: String,
    /// Whether it tells how its object stands now: then it takes the place of such an Event that was not written yet.
    pub is_state: bool,
}

impl Subject {
    /// The object that was read as `object`; none where no kind that is read made it, as a route of the settings.
    pub fn of(object: &ObjectRef, uid: &str) -> Option<Self> {
        let kind = Kind::named(&object.kind)?;
        Some(Self {
            kind: object.kind.clone(),
            api_version: kind.api_version().to_owned(),
            namespace: object.namespace.clone(),
            name: object.name.clone(),
            uid: uid.to_owned(),
        })
    }

    /// A Lease.
    pub fn lease(namespace: &str, name: &str, uid: &str) -> Self {
        Self {
            kind: "Lease".to_owned(),
            api_version: "coordination.k8s.io/v1".to_owned(),
            namespace: namespace.to_owned(),
            name: name.to_owned(),
            uid: uid.to_owned(),
        }
    }
}

impl Severity {
    /// The `type` of the Event.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Normal => "Normal",
            Self::Warning => "Warning",
        }
    }
}

impl Event {
    /// Routes of `object` are left out of the table.
    pub fn quarantined(object: &ObjectRef, uid: &str, reason: &str, hint: &str) -> Option<Self> {
        let message = match hint {
            "" => reason.to_owned(),
            hint => format!("{reason}; {hint}"),
        };
        Some(Self {
            about: Subject::of(object, uid)?,
            severity: Severity::Warning,
            reason: "Quarantined",
            message,
            is_state: true,
        })
    }

    /// All routes of `object` are in the table again.
    pub fn mended(object: &ObjectRef, uid: &str) -> Option<Self> {
        Some(Self {
            about: Subject::of(object, uid)?,
            severity: Severity::Normal,
            reason: "Mended",
            message: "out of quarantine: all routes of this object are published".to_owned(),
            is_state: true,
        })
    }

    /// What `replica`'s election reports of the Lease `about`; none where another report says it too.
    pub fn election(about: Subject, replica: &str, report: &Report) -> Option<Self> {
        let (severity, reason, message) = match report {
            Report::Elected { epoch, why } => {
                let why = match why {
                    Free::Expired => "the leader before was silent for the full lease",
                    Free::Released => "the leader before released the lease",
                    Free::Ours => "it held the lease already",
                    Free::Gone => "the process of the leader before is gone",
                    Free::Refused => "the address of the leader before refuses connections",
                    Free::Unused => "nobody held the lease",
                };
                (Severity::Normal, "LeaderElected", format!("{replica} leads under epoch {epoch}: {why}"))
            }
            Report::Raised { from, to } => {
                let message =
                    format!("{replica} leads under epoch {to}: a replica knew epoch {from} already");
                (Severity::Normal, "EpochRaised", message)
            }
            Report::Repaired { epoch } => {
                let message = format!(
                    "the lease was edited under {replica}, which leads epoch {epoch} and writes it as it was; \
                     use `bellwether` to change what replicas do"
                );
                (Severity::Warning, "LeaseRepaired", message)
            }
            Report::Lost { why: Loss::Released, .. } => return None,
            Report::Lost { epoch, why } => {
                let why = match why {
                    Loss::Expired => "no renewal succeeded in time",
                    Loss::Taken => "the lease names somebody else",
                    Loss::Deleted => "the lease was deleted",
                    Loss::Stalled => "its own work did not move",
                    Loss::CutOff => "no other replica could reach it",
                    Loss::Released => "it was released",
                };
                (Severity::Warning, "LeaderLost", format!("{replica} leads epoch {epoch} no more: {why}"))
            }
            Report::GaveUp { epoch, free: true } => {
                (Severity::Normal, "LeaderReleased", format!("{replica} gave up epoch {epoch}"))
            }
            Report::GaveUp { epoch, free: false } => {
                let message = format!(
                    "{replica} gave up epoch {epoch}, but could not write it: the others wait until the lease expires"
                );
                (Severity::Warning, "LeaderNotReleased", message)
            }
        };
        Some(Self { about, severity, reason, message, is_state: false })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::snapshot::Epoch;

    fn object(kind: &str) -> ObjectRef {
        ObjectRef { kind: kind.to_owned(), namespace: "n".to_owned(), name: "o".to_owned() }
    }

    #[test]
    fn an_object_is_told_of_as_kubernetes_knows_it() {
        let event = Event::quarantined(&object("RouteGroup"), "u", "a bad number", "mend it").unwrap();
        assert_eq!((event.severity, event.reason), (Severity::Warning, "Quarantined"));
        assert_eq!(event.message, "a bad number; mend it");
        assert_eq!((event.about.api_version.as_str(), event.about.uid.as_str()), ("zalando.org/v1", "u"));
        let event = Event::mended(&object("Ingress"), "u").unwrap();
        assert_eq!((event.severity, event.reason), (Severity::Normal, "Mended"));
        assert_eq!(event.about.api_version, "networking.k8s.io/v1");
        let of_settings = ObjectRef::default();
        assert_eq!(Event::quarantined(&of_settings, "", "a bad number", ""), None, "nobody's object");
    }

    #[test]
    fn each_change_of_leadership_is_told_once() {
        let tell = |report| Event::election(Subject::lease("n", "l", "u"), "r0", &report);
        let epoch = Epoch(7);
        let elected = tell(Report::Elected { epoch, why: Free::Expired }).unwrap();
        assert_eq!((elected.severity, elected.reason), (Severity::Normal, "LeaderElected"));
        assert!(elected.message.starts_with("r0 leads under epoch 7: "), "{}", elected.message);
        assert!(!elected.is_state, "a term that was is worth telling after the next one began");
        let lost = tell(Report::Lost { epoch, why: Loss::Expired }).unwrap();
        assert_eq!((lost.severity, lost.reason), (Severity::Warning, "LeaderLost"));
        assert_eq!(tell(Report::Lost { epoch, why: Loss::Released }), None, "what follows says it");
        assert_eq!(tell(Report::GaveUp { epoch, free: true }).unwrap().reason, "LeaderReleased");
        assert_eq!(tell(Report::GaveUp { epoch, free: false }).unwrap().severity, Severity::Warning);
        assert_eq!(tell(Report::Repaired { epoch }).unwrap().reason, "LeaseRepaired");
        assert_eq!(tell(Report::Raised { from: epoch, to: Epoch(8) }).unwrap().reason, "EpochRaised");
    }
}
