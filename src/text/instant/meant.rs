//! Dates and times as other tools write them: `2026-12-24`, `20261224T180000Z`, `2026/12/24 18:00`.

use jiff::Timestamp;

use super::wall_end;

/// No date and time is longer.
const MAX_TEXT: usize = 64;

/// The instant that a text means to another tool, as it is written here.
pub(super) fn meant(text: &str) -> Option<String> {
    let text = text.trim();
    if text.len() > MAX_TEXT || !text.starts_with(|c: char| c.is_ascii_digit()) {
        return None;
    }
    let ours = unix(text).or_else(|| compact(text)).unwrap_or_else(|| separated(text));
    wall_end(&ours).map(|_| ours)
}

/// Seconds (10 digits) or milliseconds (13 digits) since 1970: from 2001 to 2286.
fn unix(text: &str) -> Option<String> {
    let number: i64 = text.parse().ok()?;
    let instant = match text.len() {
        10 => Timestamp::from_second(number),
        13 => Timestamp::from_millisecond(number),
        _ => return None,
    };
    instant.ok().map(|at| at.to_string())
}

/// `20261224T180000Z`, as iCalendar writes it.
fn compact(text: &str) -> Option<String> {
    let (date, rest) = text.split_once('T')?;
    let zulu = if rest.ends_with('Z') { "Z" } else { "" };
    let time = rest.trim_end_matches('Z');
    let all_digits = |part: &str| part.bytes().all(|byte| byte.is_ascii_digit());
    if date.len() != 8 || time.len() != 6 || !all_digits(date) || !all_digits(time) {
        return None;
    }
    let (year, month, day) = (&date[..4], &date[4..6], &date[6..]);
    let (hour, minute, second) = (&time[..2], &time[2..4], &time[4..]);
    Some(format!("{year}-{month}-{day}T{hour}:{minute}:{second}{zulu}"))
}

/// A date alone, with slashes, or with a zone in another form.
fn separated(text: &str) -> String {
    let mut ours = text.split('[').next().unwrap_or_default().trim_end().replace('/', "-");
    for utc in [" UTC", " GMT", " Z", "UTC"] {
        if let Some(wall) = ours.strip_suffix(utc) {
            ours = format!("{wall}Z");
        }
    }
    if ours.len() == 10 {
        return ours + " 00:00";
    }
    let offset = ours.len().checked_sub(5).and_then(|at| ours.get(at..));
    let is_short = |offset: &str| {
        offset.starts_with(['+', '-']) && offset[1..].bytes().all(|byte| byte.is_ascii_digit())
    };
    if ours.len() > 16 && offset.is_some_and(is_short) {
        ours.insert(ours.len() - 2, ':');
        return ours.replace(" +", "+").replace(" -", "-");
    }
    ours
}

#[cfg(test)]
mod tests {
    use super::meant;

    #[test]
    fn dates_and_times_of_other_tools_are_understood() {
        for (text, ours) in [
            ("2026-12-24", "2026-12-24 00:00"),
            ("2026/12/24 18:00:00", "2026-12-24 18:00:00"),
            ("2026-12-24 18:00 UTC", "2026-12-24 18:00Z"),
            ("2026-12-24 18:00:00 +0000", "2026-12-24 18:00:00+00:00"),
            ("2026-12-24T18:00:00+0900", "2026-12-24T18:00:00+09:00"),
            ("2026-12-24T18:00:00+09:00[Asia/Seoul]", "2026-12-24T18:00:00+09:00"),
            ("20261224T180000Z", "2026-12-24T18:00:00Z"),
            ("1798135200", "2026-12-24T18:00:00Z"),
            ("1798135200000", "2026-12-24T18:00:00Z"),
        ] {
            assert_eq!(meant(text).as_deref(), Some(ours), "{text}");
        }
        for text in ["", "tomorrow", "10:30", "5", "24.12.2026", "2026-12", &"1".repeat(1000)] {
            assert_eq!(meant(text), None, "{text}");
        }
    }
}
