//! Values of a cron field as a person would list them.

/// The values of a mask in ascending order, three or more neighbours as a range: `1`, `2`, `5-7`.
pub(crate) fn of(mask: u64, name: impl Fn(u32) -> String) -> Vec<String> {
    let is_in = |value: &u32| mask >> value & 1 == 1;
    let mut items = Vec::new();
    let mut value = 0;
    while value < u64::BITS {
        let Some(last) = (value..u64::BITS).take_while(is_in).last() else {
            value += 1;
            continue;
        };
        if last < value + 2 {
            items.extend((value..=last).map(&name));
        } else {
            items.push(format!("{}-{}", name(value), name(last)));
        }
        value = last + 1;
    }
    items
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn three_neighbours_are_a_range() {
        let mask = [0, 15, 30, 31, 32, 62, 63].iter().fold(0, |mask, value| mask | 1 << value);
        assert_eq!(of(mask, |value| value.to_string()).join(","), "0,15,30-32,62,63");
        assert_eq!(of(0, |value| value.to_string()), [""; 0]);
    }
}
