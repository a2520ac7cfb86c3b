//! Durations and sizes as people write them: `"1h30m"`, `"64MiB"`.

use std::time::Duration;

/// The units of a duration, longest name first, in milliseconds.
const DURATION_UNITS: [(&str, u64); 5] =
    [("ms", 1), ("s", 1_000), ("m", 60_000), ("h", 3_600_000), ("d", 86_400_000)];

/// The units of a size, in bytes.
const SIZE_UNITS: [(&str, u64); 4] =
    [("KiB", 1 << 10), ("MiB", 1 << 20), ("GiB", 1 << 30), ("B", 1)];

/// A duration of one or more whole numbers, each with its unit (`ms`, `s`, `m`, `h`, `d`), such as
/// `1h30m`.
///
/// Nothing when a unit is missing or unknown, or when the sum does not fit in 64 bits of
/// milliseconds.
pub(crate) fn parse_duration(text: &str) -> Option<Duration> {
    let mut rest = text.trim();
    let mut total_millis = 0_u64;
    if rest.is_empty() {
        return None;
    }
    while !rest.is_empty() {
        let (number, after_number) = number(rest)?;
        let unit_end =
            after_number.find(|c: char| c.is_ascii_digit()).unwrap_or(after_number.len());
        let (unit, after_unit) = after_number.split_at(unit_end);
        let (_, millis) = DURATION_UNITS.into_iter().find(|(name, _)| *name == unit)?;
        total_millis = total_millis.checked_add(number.checked_mul(millis)?)?;
        rest = after_unit;
    }
    Some(Duration::from_millis(total_millis))
}

/// A size in bytes: a whole number, alone or with `B`, `KiB`, `MiB` or `GiB`.
pub(crate) fn parse_size(text: &str) -> Option<u64> {
    let (number, unit) = number(text.trim())?;
    let unit = unit.trim_start();
    if unit.is_empty() {
        return Some(number);
    }
    let (_, bytes) = SIZE_UNITS.into_iter().find(|(name, _)| *name == unit)?;
    number.checked_mul(bytes)
}

/// A whole number without unit; `_` may separate its digits.
pub(crate) fn parse_count(text: &str) -> Option<u64> {
    match number(text.trim())? {
        (count, "") => Some(count),
        _ => None,
    }
}

/// The number `text` starts with, and what follows it.
fn number(text: &str) -> Option<(u64, &str)> {
    if !text.starts_with(|c: char| c.is_ascii_digit()) {
        return None;
    }
    let end = text.find(|c: char| !c.is_ascii_digit() && c != '_').unwrap_or(text.len());
    let (digits, rest) = text.split_at(end);
    Some((digits.replace('_', "").parse().ok()?, rest))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_need_a_unit_and_may_be_summed() {
        let good = [
            ("250ms", 250),
            ("15s", 15_000),
            ("10m", 600_000),
            ("1h30m", 5_400_000),
            ("2d", 172_800_000),
            ("0s", 0),
            (" 1_000ms ", 1_000),
            ("1m1ms", 60_001),
        ];
        for (text, millis) in good {
            assert_eq!(parse_duration(text), Some(Duration::from_millis(millis)), "{text:?}");
        }
        for text in [
            "",
            "15",
            "s",
            "1.5h",
            "-1s",
            "1 s",
            "1w",
            "1s2",
            "é",
            "99999999999999999999s",
            "999999999999999999d",
        ] {
            assert_eq!(parse_duration(text), None, "{text:?}");
        }
    }

    #[test]
    fn sizes_are_bytes_or_carry_a_binary_unit() {
        let good = [
            ("0", 0),
            ("1_024", 1_024),
            ("5B", 5),
            ("16KiB", 16_384),
            ("64 MiB", 67_108_864),
            ("1GiB", 1_073_741_824),
        ];
        for (text, bytes) in good {
            assert_eq!(parse_size(text), Some(bytes), "{text:?}");
        }
        for text in ["", "MiB", "1MB", "1mib", "1.5MiB", "-1", "99999999999GiB"] {
            assert_eq!(parse_size(text), None, "{text:?}");
        }
    }
}
