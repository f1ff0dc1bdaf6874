//! Names meant by a pattern: `*` stands for any letters, also for none. Knows nothing of what is named.

/// Whether the whole of a name is what the pattern says. `*` stands for any run of letters; every other letter for
/// itself, large or small as it is. Costs at most the lengths' product.
pub fn matches(pattern: &str, name: &str) -> bool {
    let (pattern, name): (Vec<char>, Vec<char>) =
        (pattern.chars().collect(), name.chars().collect());
    let (mut at, mut place) = (0, 0);
    // The last `*`, and how far in the name what it stands for reaches.
    let mut star: Option<(usize, usize)> = None;
    while place < name.len() {
        match pattern.get(at) {
            Some('*') => {
                star = Some((at, place));
                at += 1;
            }
            Some(letter) if *letter == name[place] => (at, place) = (at + 1, place + 1),
            _ => {
                let Some((from, reach)) = star else { return false };
                star = Some((from, reach + 1));
                (at, place) = (from + 1, reach + 1);
            }
        }
    }
    pattern[at..].iter().all(|letter| *letter == '*')
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// The definition, letter by letter.
    fn plainly(pattern: &[char], name: &[char]) -> bool {
        match (pattern, name) {
            ([], []) => true,
            (['*', rest @ ..], _) => {
                plainly(rest, name) || (!name.is_empty() && plainly(pattern, &name[1..]))
            }
            ([a, pattern @ ..], [b, name @ ..]) => a == b && plainly(pattern, name),
            _ => false,
        }
    }

    #[test]
    fn patterns_mean_names() {
        let check = |pattern: &str, name: &str, expected: bool| {
            assert_eq!(matches(pattern, name), expected, "{pattern} {name}");
        };
        check("recency_days(*)", "recency_days(purchase)", true);
        check("*, 30d)", "sum(purchase.amount, 30d)", true);
        check("*, 30d)", "sum(purchase.amount, 90d)", false);
        check("*group=a*b*", "count(group=ab, 7d)", true);
        check("", "", true);
        check("**", "", true);
        check("tenure", "tenures", false);
        check("Größe*", "Größen", true);
    }

    proptest! {
        #[test]
        fn matching_is_as_defined(pattern in "[ab*]{0,8}", name in "[ab]{0,10}") {
            let letters = |text: &str| text.chars().collect::<Vec<char>>();
            prop_assert_eq!(matches(&pattern, &name), plainly(&letters(&pattern), &letters(&name)));
        }
    }
}
