use proptest::prelude::*;

use super::*;
use crate::arbitrary::{self, ZONES};
use crate::{Days, Move, Slots};

fn find(name: &str) -> Option<Arc<Zone>> {
    ZONES.iter().find(|zone| zone.name() == name).cloned()
}

fn read(form: &str) -> Option<StoredTiming> {
    StoredTiming::read(form, &find)
}

fn first_slots(slots: Slots<'_>, after: UnixMs) -> Vec<UnixMs> {
    std::iter::successors(slots.next(after), |slot| slots.next(*slot)).take(30).collect()
}

proptest! {
    #[test]
    fn a_form_that_is_read_back_has_the_same_slots(
        timing in arbitrary::timing(), zone in arbitrary::zone(),
        bounds in prop::option::of(arbitrary::bounds()), after in arbitrary::instant(),
    ) {
        let bounds = bounds.map(|bounds| arbitrary::bounds_of(&timing, bounds));
        let slots = Slots::new(&timing, &zone, bounds.as_ref());
        let stored = read(&slots.canonical()).expect("the form is understood");
        let (bounds, is_whole) = stored.bounds_with(bounds.as_ref().map(|bounds| &*bounds.except));
        prop_assert!(is_whole);
        let again = Slots::new(&stored.timing, &stored.zone, bounds.as_deref());
        prop_assert_eq!(again.canonical(), slots.canonical());
        for after in [after, UnixMs::MIN] {
            prop_assert_eq!(first_slots(again, after), first_slots(slots, after));
        }
    }

    #[test]
    fn a_form_that_was_tampered_with_is_refused_or_has_slots(
        timing in arbitrary::timing(), zone in arbitrary::zone(),
        bounds in prop::option::of(arbitrary::bounds()),
        at in 0.0..1.0, with in "[ -~]{0,3}", after in arbitrary::instant(),
    ) {
        let form = Slots::new(&timing, &zone, bounds.as_ref()).canonical();
        let at = (form.len() as f64 * at) as usize;
        let form = format!("{}{with}{}", &form[..at], &form[at..][1.min(form.len() - at)..]);
        if let Some(stored) = read(&form) {
            let (bounds, _) = stored.bounds_with(None);
            let slots = Slots::new(&stored.timing, &stored.zone, bounds.as_deref());
            prop_assert!(first_slots(slots, after).is_sorted_by(|one, two| one < two));
            let _ = slots.last_between(UnixMs::MIN, after);
        }
    }
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
        "1 every 60000+0 move next",
        "1 every 60000+0 except 004a0092-a1d8-5764-81b1-14ad0c6fde4f UTC move on",
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
        "1 solar sunset 0 0 0",
        "1 solar sunset 0 0 86400000",
        "1 union 1 cron 1 8 fffffffe 1ffe 7f and fixed UTC",
        "1 union 2 cron 1 8 fffffffe 1ffe 7f and fixed cron 1 8 fffffffe 1ffe 7f and fixed UTC",
        "1 union 101 cron 1 8 fffffffe 1ffe 7f and fixed UTC",
        "1 cron 1 8 0 1ffe 7f and fixed 0 0:0:0:0:0:0 80000000:0 UTC",
        "1 rrule DAILY 0 1 0 - 1ffe fffffffe/0 7f   0/0/1 1 1 1  - + UTC",
    ] {
        assert_eq!(read(form), None, "{form}");
    }
}

#[test]
fn days_that_are_left_out_are_known_by_their_hash_only() {
    let days = |weekdays| [Arc::new([Days::Weekdays(weekdays)].into_iter().collect())];
    let (weekend, monday): ([Arc<Except>; 1], [Arc<Except>; 1]) = (days(0b100_0001), days(0b10));
    let form = format!("1 every 60000+0 except {} UTC", Except::hash_of(&weekend));
    let stored = read(&form).unwrap();
    assert_eq!(stored.bounds_with(None), (None, false));
    assert_eq!(stored.bounds_with(Some(&monday)), (None, false));
    let (bounds, is_whole) = stored.bounds_with(Some(&weekend));
    assert!(is_whole);
    assert_eq!(bounds.unwrap().except, weekend);
    let moved = read(&(form + " move previous")).unwrap();
    let (bounds, _) = moved.bounds_with(Some(&weekend));
    assert_eq!(bounds.unwrap().move_to, Some(Move::Previous));
    assert_eq!(moved.bounds_with(None), (None, false));
}
