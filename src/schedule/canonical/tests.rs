use proptest::prelude::*;

use super::*;
use crate::schedule::entry::{Entry, Guards};
use crate::schedule::sample::any::{self, ZONES};

fn find(name: &str) -> Option<Arc<Zone>> {
    ZONES.iter().find(|zone| zone.name() == name).cloned()
}

fn read(form: &str) -> Option<FormerTiming> {
    FormerTiming::read(form, &find)
}

/// The entry as read from its form, but with the excluded days.
fn read_back(entry: &Entry) -> Entry {
    let former = read(&entry.canonical_timing()).expect("the form is understood");
    let days = entry.bounds.as_ref().map(|bounds| &*bounds.except);
    let (bounds, is_whole) = former.bounds_with(days);
    assert!(is_whole);
    let (timing, zone) = (former.timing, former.zone);
    let guards = Guards { limit: former.limit, ..Guards::default() };
    Entry { timing, zone, bounds, guards, ..entry.clone() }
}

fn slots(entry: &Entry, after: UnixMs) -> Vec<UnixMs> {
    let next = |slot: &UnixMs| entry.next_slot(*slot);
    std::iter::successors(entry.next_slot(after), next).take(30).collect()
}

proptest! {
    #[test]
    fn a_form_that_is_read_back_has_the_same_slots(
        entry in any::entry(), limit in any_limit(), after in any::instant(),
    ) {
        let entry = Entry { guards: Guards { limit, ..Guards::default() }, ..entry };
        let again = read_back(&entry);
        prop_assert_eq!(again.canonical_timing(), entry.canonical_timing());
        prop_assert_eq!(again.guards.limit, limit);
        for after in [after, UnixMs::MIN] {
            prop_assert_eq!(slots(&again, after), slots(&entry, after));
        }
    }

    #[test]
    fn a_form_that_was_tampered_with_is_refused_or_has_slots(
        entry in any::entry(), at in 0.0..1.0, with in "[ -~]{0,3}", after in any::instant(),
    ) {
        let form = entry.canonical_timing();
        let at = (form.len() as f64 * at) as usize;
        let form = format!("{}{with}{}", &form[..at], &form[at..][1.min(form.len() - at)..]);
        if let Some(former) = read(&form) {
            let (bounds, _) = former.bounds_with(None);
            let (timing, zone) = (former.timing, former.zone);
            let entry = Entry { timing, zone, bounds, ..entry };
            prop_assert!(slots(&entry, after).is_sorted_by(|one, two| one < two));
            let _ = entry.last_slot(UnixMs::MIN, after);
        }
    }
}

fn any_limit() -> impl Strategy<Value = Option<NonZeroU32>> {
    prop::option::of(1..100_u32).prop_map(|limit| limit.and_then(NonZeroU32::new))
}

#[test]
fn what_is_not_wholly_understood_is_not_read() {
    assert!(read("1 every 60000+0").is_some());
    for form in [
        "",
        "1",
        "-",
        "2 every 60000+0",
        "1 every 60000",
        "1 every 60000+60000",
        "1 every 0+0",
        "1 every 60000+0 soon",
        "1 every 60000+0 limit 0",
        "1 every 60000+0 from 1e3",
        "1 every 60000+0 except 1 UTC",
        "1 at",
        "1 at 2 1",
        "1 at 99999999999999999",
        "1 cron 1 8 fffffffe 1ffe 3e and fixed Mars/Olympus",
        "1 cron 0 8 fffffffe 1ffe 3e and fixed UTC",
        "1 cron 1 1000000 fffffffe 1ffe 3e and fixed UTC",
        // The 30th of February.
        "1 cron 1 8 40000000 4 7f and fixed UTC",
        "1 cron 1 8 fffffffe 1ffe 3e and fixed 0 1:2:3 UTC",
        "1 quartz 1 1969 cron 1 8 fffffffe 1ffe 3e and fixed UTC",
        "1 solar moonrise 0 0",
        "1 solar sunset 90000001 0",
        "1 rrule DAILY 0 1 0 - 1ffe fffffffe/0 7f   0/0/1 1 1 1  - + UTC",
    ] {
        assert_eq!(read(form), None, "{form}");
    }
}

#[test]
fn days_that_are_left_out_are_known_by_their_hash_only() {
    let days = |weekdays| {
        [Arc::new([crate::schedule::except::Days::Weekdays(weekdays)].into_iter().collect())]
    };
    let (weekend, monday): ([Arc<Except>; 1], [Arc<Except>; 1]) = (days(0b100_0001), days(0b10));
    let form = format!("1 every 60000+0 except {} UTC", Except::hash_of(&weekend));
    let former = read(&form).unwrap();
    assert_eq!(former.bounds_with(None), (None, false));
    assert_eq!(former.bounds_with(Some(&monday)), (None, false));
    let (bounds, is_whole) = former.bounds_with(Some(&weekend));
    assert!(is_whole);
    assert_eq!(bounds.unwrap().except, weekend);
}
