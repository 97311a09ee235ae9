//! The flags of the guard.

use crate::flags::FlagError;
use crate::flags::values::Values;
use crate::guard::Thresholds;

/// What `--guard-…` says.
///
/// # Errors
///
/// Where a share is above 100 percent, or no poll would have to confirm anything.
pub(super) fn thresholds(values: &Values) -> Result<Thresholds, FlagError> {
    Ok(Thresholds {
        drop_percent: within(values, "guard-drop-percent", 0, 100)?,
        drop_least: within(values, "guard-drop-least", 0, u32::MAX)?,
        address_drop_percent: within(values, "guard-address-drop-percent", 0, 100)?,
        equal_polls: within(values, "guard-equal-polls", 1, u32::MAX)?,
        zero_polls: within(values, "guard-zero-polls", 1, u32::MAX)?,
    })
}

fn within<T: From<u32>>(values: &Values, name: &'static str, least: u32, most: u32) -> Result<T, FlagError> {
    match u32::try_from(values.integer(name)) {
        Ok(number) if (least..=most).contains(&number) => Ok(number.into()),
        _ => Err(FlagError::value(name, values.text(name), format!("is not within {least} and {most}"))),
    }
}
