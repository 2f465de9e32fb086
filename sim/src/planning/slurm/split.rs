//! Replications are dealt out to the elements of a job array.

use std::collections::BTreeSet;
use std::fmt;

use serde::{Deserialize, Serialize};

use crate::planning::{Part, Point};

/// What an element simulates of one plan.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Share {
    /// The plan.
    pub(super) point: Point,
    /// Which of its replications.
    pub(super) replications: Vec<u32>,
}

impl Share {
    pub(super) fn parts(&self) -> impl Iterator<Item = Part> {
        self.replications.iter().map(|replication| Part { point: self.point.clone(), replication: *replication })
    }
}

/// Deals out parts to so many elements, or to one for each part if there are fewer. Their lengths differ by one part at most, and
/// as each gets parts that follow one another, it has few scenarios to read.
pub(super) fn split(parts: &BTreeSet<Part>, elements: u32) -> Vec<Vec<Share>> {
    let count = parts.len().min(elements as usize);
    let mut parts = parts.iter();
    let length =
        |element: usize| parts_before(element + 1, parts.len(), count) - parts_before(element, parts.len(), count);
    let lengths: Vec<usize> = (0..count).map(length).collect();
    lengths.into_iter().map(|length| shares(parts.by_ref().take(length))).collect()
}

fn parts_before(element: usize, parts: usize, elements: usize) -> usize {
    element * parts / elements
}

fn shares<'a>(parts: impl Iterator<Item = &'a Part>) -> Vec<Share> {
    let mut shares: Vec<Share> = Vec::new();
    for part in parts {
        match shares.last_mut() {
            Some(share) if share.point == part.point => share.replications.push(part.replication),
            Some(_) | None => {
                shares.push(Share { point: part.point.clone(), replications: vec![part.replication] });
            }
        }
    }
    shares
}

/// Elements of a job array as Slurm writes them: `0,3,7-9`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ArraySpecification(BTreeSet<u32>);

impl ArraySpecification {
    /// How many elements.
    pub fn count(&self) -> usize {
        self.0.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

impl FromIterator<u32> for ArraySpecification {
    fn from_iter<I: IntoIterator<Item = u32>>(elements: I) -> ArraySpecification {
        ArraySpecification(elements.into_iter().collect())
    }
}

impl fmt::Display for ArraySpecification {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut ranges: Vec<(u32, u32)> = Vec::new();
        for element in &self.0 {
            match ranges.last_mut() {
                Some((_, last)) if *last + 1 == *element => *last = *element,
                Some(_) | None => ranges.push((*element, *element)),
            }
        }
        for (index, (first, last)) in ranges.into_iter().enumerate() {
            let comma = if index > 0 { "," } else { "" };
            if first == last {
                write!(f, "{comma}{first}")?;
            } else {
                write!(f, "{comma}{first}-{last}")?;
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn specification(elements: &[u32]) -> String {
        elements.iter().copied().collect::<ArraySpecification>().to_string()
    }

    #[test]
    fn elements_as_slurm_writes_them() {
        assert_eq!(specification(&[]), "");
        assert_eq!(specification(&[0]), "0");
        assert_eq!(specification(&[9, 3, 8, 7]), "3,7-9");
        assert_eq!(specification(&[0, 1, 3, 5, 6, u32::MAX]), "0-1,3,5-6,4294967295");
    }

    #[test]
    fn an_element_has_parts_that_follow_one_another() {
        let part = |level, replication| Part { point: Point(vec![level]), replication };
        let parts = [part(0, 0), part(0, 1), part(1, 0), part(1, 1), part(1, 2)].into();
        let share =
            |level, replications: &[u32]| Share { point: Point(vec![level]), replications: replications.to_vec() };
        assert_eq!(split(&parts, 2), [vec![share(0, &[0, 1])], vec![share(1, &[0, 1, 2])]]);
        assert_eq!(split(&parts, 1), [vec![share(0, &[0, 1]), share(1, &[0, 1, 2])]]);
    }

    proptest! {
        #[test]
        fn nothing_is_lost_or_done_twice_and_all_are_about_equally_long(
            points in 1..20_usize, replications in 1..9_u32, elements in 1..200_u32,
        ) {
            let all = (0..points).flat_map(|point| (0..replications).map(move |replication| (point, replication)));
            let parts: BTreeSet<Part> =
                all.map(|(point, replication)| Part { point: Point(vec![point, 0]), replication }).collect();
            let dealt = split(&parts, elements);
            prop_assert_eq!(dealt.len(), parts.len().min(elements as usize));
            let each: Vec<Part> = dealt.iter().flatten().flat_map(Share::parts).collect();
            prop_assert_eq!(each, parts.into_iter().collect::<Vec<_>>());
            let length = |shares: &Vec<Share>| shares.iter().map(|share| share.replications.len()).sum::<usize>();
            let lengths: Vec<usize> = dealt.iter().map(length).collect();
            prop_assert!(lengths.iter().max().unwrap() - lengths.iter().min().unwrap() <= 1);
        }

        #[test]
        fn a_specification_names_each_element_once(elements in proptest::collection::btree_set(0..60_u32, 0..40)) {
            let text = elements.iter().copied().collect::<ArraySpecification>().to_string();
            let mut named = Vec::new();
            for range in text.split(',').filter(|range| !range.is_empty()) {
                let (first, last) = range.split_once('-').unwrap_or((range, range));
                named.extend(first.parse::<u32>().unwrap()..=last.parse().unwrap());
            }
            prop_assert_eq!(named, elements.into_iter().collect::<Vec<_>>());
        }
    }
}
