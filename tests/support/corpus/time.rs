//! Times as Windows and collectors write them.

/// Milliseconds since 1970 as `2026-03-02T08:00:00.000Z`.
pub(super) fn iso(millis: i64) -> String {
    let (year, month, day, hour, minute, second, milli) = parts(millis);
    format!("{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}.{milli:03}Z")
}

/// As Sysmon writes its `UtcTime`.
pub(super) fn sysmon(millis: i64) -> String {
    let (year, month, day, hour, minute, second, milli) = parts(millis);
    format!("{year:04}-{month:02}-{day:02} {hour:02}:{minute:02}:{second:02}.{milli:03}")
}

fn parts(millis: i64) -> (i64, i64, i64, i64, i64, i64, i64) {
    let (days, of_day) = (millis.div_euclid(86_400_000), millis.rem_euclid(86_400_000));
    let (year, month, day) = date(days);
    let (hour, minute) = (of_day / 3_600_000, of_day / 60_000 % 60);
    (year, month, day, hour, minute, of_day / 1_000 % 60, of_day % 1_000)
}

/// Days since 1970 as a date: H. Hinnant's `civil_from_days`, for years after 0.
fn date(days: i64) -> (i64, i64, i64) {
    let days = days + 719_468;
    let (era, of_era) = (days / 146_097, days % 146_097);
    let year_of_era = (of_era - of_era / 1_460 + of_era / 36_524 - of_era / 146_096) / 365;
    let of_year = of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let shifted = (5 * of_year + 2) / 153;
    let day = of_year - (153 * shifted + 2) / 5 + 1;
    let month = if shifted < 10 { shifted + 3 } else { shifted - 9 };
    (year_of_era + era * 400 + i64::from(month <= 2), month, day)
}
