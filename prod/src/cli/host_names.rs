//! Host lists on the command line, both ways.

use std::collections::BTreeSet;
use std::str::FromStr;

use yardmaster_sim::host_list::{HostListError, host_list};

/// A host list, as `dut[001-100],spare7`.
#[derive(Debug, Clone)]
pub(crate) struct HostNames(Vec<String>);

impl FromStr for HostNames {
    type Err = HostListError;

    fn from_str(text: &str) -> Result<HostNames, HostListError> {
        host_list(text).map(HostNames)
    }
}

/// All names of some lists, each once, in the order in which they were written.
pub(crate) fn names_of(lists: &[HostNames]) -> Vec<String> {
    let mut seen = BTreeSet::new();
    let names = lists.iter().flat_map(|list| &list.0);
    names.filter(|name| seen.insert(name.as_str())).cloned().collect()
}

/// The digits that a number in brackets may have, as host lists are read.
const DIGITS_MAX: usize = 18;

/// A hostname, cut at its last number.
#[derive(Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Numbered<'a> {
    before: &'a str,
    after: &'a str,
    number: u64,
    digits: &'a str,
}

fn cut(name: &str) -> Option<Numbered<'_>> {
    let end = name.rfind(|c: char| c.is_ascii_digit())? + 1;
    let start = name[..end]
        .rfind(|c: char| !c.is_ascii_digit())
        .map_or(0, |at| at + name[at..].chars().next().map_or(1, char::len_utf8));
    let digits = &name[start..end];
    let number = (digits.len() <= DIGITS_MAX).then(|| digits.parse().ok())??;
    Some(Numbered { before: &name[..start], after: &name[end..], number, digits })
}

/// The shortest list that stands for these names: `dut[001-003],spare`. Repeats are dropped.
pub(crate) fn compressed(names: &[String]) -> String {
    let unique: BTreeSet<&str> = names.iter().map(String::as_str).collect();
    let (mut numbered, mut words) = (Vec::new(), Vec::new());
    for name in unique {
        match cut(name) {
            Some(cut) if !name.contains(['[', ']', ',']) => numbered.push(cut),
            Some(_) | None => words.push(name.to_owned()),
        }
    }
    numbered.sort();
    let mut rest = numbered.as_slice();
    let mut lists = Vec::new();
    while let Some(first) = rest.first() {
        let same = rest.iter().take_while(|other| (other.before, other.after) == (first.before, first.after)).count();
        let (group, others) = rest.split_at(same);
        let ranges = ranges(group);
        lists.push(match ranges.as_slice() {
            [only] if !only.contains('-') => format!("{}{only}{}", first.before, first.after),
            _ => format!("{}[{}]{}", first.before, ranges.join(","), first.after),
        });
        rest = others;
    }
    lists.extend(words);
    lists.join(",")
}

/// Numbers in ascending order as ranges; a range keeps the width of its first number.
fn ranges(numbers: &[Numbered<'_>]) -> Vec<String> {
    let mut ranges: Vec<(&Numbered<'_>, &Numbered<'_>)> = Vec::new();
    for number in numbers {
        match ranges.last_mut() {
            Some((low, high)) if follows(low, high, number) => *high = number,
            Some(_) | None => ranges.push((number, number)),
        }
    }
    let text = |(low, high): &(&Numbered<'_>, &Numbered<'_>)| match low.number == high.number {
        true => low.digits.to_owned(),
        false => format!("{}-{}", low.digits, high.digits),
    };
    ranges.iter().map(text).collect()
}

fn follows(low: &Numbered<'_>, high: &Numbered<'_>, next: &Numbered<'_>) -> bool {
    let width = low.digits.len();
    next.number == high.number + 1 && next.digits == format!("{:0width$}", next.number)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[track_caller]
    fn check(names: &[&str], expected: &str) {
        let names: Vec<String> = names.iter().map(|name| (*name).to_owned()).collect();
        assert_eq!(compressed(&names), expected);
    }

    #[test]
    fn neighbours_become_ranges() {
        check(&["dut001", "dut002", "dut003"], "dut[001-003]");
        check(&["dut3", "dut1", "dut2", "dut7"], "dut[1-3,7]");
        check(&["dut9", "dut10"], "dut[9-10]");
        check(&["dut09", "dut10", "dut100"], "dut[09-10,100]");
        check(&["dut1", "dut01"], "dut[01,1]");
        check(&["r1n1.lab", "r1n2.lab", "r2n1.lab"], "r1n[1-2].lab,r2n1.lab");
        check(&["spare", "a1"], "a1,spare");
        check(&["a1", "a1"], "a1");
        check(&[], "");
    }

    proptest! {
        #[test]
        fn what_is_compressed_expands_to_the_same_names(names in prop::collection::vec("(dut|n|rack1-|ü)?[0-9]{1,3}(\\.lab)?|[a-z]{1,3}", 1..40)) {
            let list = compressed(&names);
            let expanded: BTreeSet<String> = host_list(&list).expect(&list).into_iter().collect();
            prop_assert_eq!(expanded, names.into_iter().collect::<BTreeSet<String>>());
        }
    }
}
