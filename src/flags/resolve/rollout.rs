//! The flags of the roll-out.

use std::time::Duration;

use crate::flags::values::Values;
use crate::flags::{FlagError, Note};
use crate::rollout::peer::Peer;
use crate::rollout::{Mode, Options, Rules};

/// What `--rollout…` says.
///
/// # Errors
///
/// Where a URL is none, or the durations do not fit each other.
pub(super) fn options(values: &Values, notes: &mut Vec<Note>) -> Result<Options, FlagError> {
    let mode = match values.text("rollout") {
        "off" => Mode::Off,
        "pre" => Mode::Pre,
        _ => Mode::Exec,
    };
    let peers = values.list("rollout-compare");
    for peer in &peers {
        if let Err(error) = Peer::new(peer, Duration::ZERO) {
            return Err(FlagError::Combination(format!("--rollout-compare: {error}")));
        }
    }
    let duration = |name| Ok::<_, FlagError>(values.duration(name)?.unwrap_or_default());
    let (every, settle) = (duration("rollout-every")?, duration("rollout-settle")?);
    let safe_after = duration("rollout-safe-after")?;
    if every.is_zero() || settle < 4 * every {
        let text = values.text("rollout-settle");
        return Err(FlagError::value("rollout-settle", text, "is less than four looks of --rollout-every"));
    }
    if safe_after < 3 * settle {
        let text = values.text("rollout-safe-after");
        return Err(FlagError::value(
            "rollout-safe-after",
            text,
            "is less than three times --rollout-settle",
        ));
    }
    let text = match (mode, peers.is_empty()) {
        (Mode::Pre, true) => Some("--rollout=pre has nothing to compare with; give --rollout-compare"),
        (Mode::Off | Mode::Exec, false) => Some("--rollout-compare has an effect with --rollout=pre only"),
        _ => None,
    };
    notes.extend(text.map(|text| Note { warning: mode == Mode::Pre, text: text.to_owned() }));
    let safe_changes = u64::try_from(values.integer("rollout-safe-changes")).unwrap_or_default();
    Ok(Options { mode, peers, every, rules: Rules { settle, safe_after, safe_changes } })
}
