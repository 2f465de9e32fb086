//! Host lists as Slurm and ClusterShell write them: `host[1-3]`, `dut[001-500,700]`, `rack[1-2]n[01-16],spare7`.

/// The most names that one list may expand to; a mistyped range should be an error, not a full memory.
pub const EXPANSION_LIMIT: usize = 1_000_000;

/// Digits that a number within brackets may have.
const DIGITS_LIMIT: usize = 18;

/// Why a text is no host list.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum HostListError {
    /// A name is missing: the text is empty, or has a comma too many.
    #[error("a name is missing in host list {list:?}")]
    EmptyName {
        /// The whole text.
        list: String,
    },
    /// `[` without `]`, `]` without `[`, or brackets within brackets.
    #[error("unbalanced brackets in {word:?}")]
    Unbalanced {
        /// The part between two commas.
        word: String,
    },
    /// What stands between brackets is neither a number nor `low-high`.
    #[error("{range:?} in {word:?} is no range: expected a number or low-high, as in host[1-3,7]")]
    BadRange {
        /// The part between two commas.
        word: String,
        /// The part between brackets and commas.
        range: String,
    },
    /// A range runs downwards.
    #[error("range {range:?} in {word:?} runs downwards")]
    Downwards {
        /// The part between two commas.
        word: String,
        /// The range.
        range: String,
    },
    /// White space or control characters within a name.
    #[error("host name {word:?} contains white space")]
    BadName {
        /// The name.
        word: String,
    },
    /// More than [`EXPANSION_LIMIT`] names.
    #[error("host list {list:?} expands to more than {EXPANSION_LIMIT} names")]
    TooMany {
        /// The whole text.
        list: String,
    },
}

/// The names that a host list stands for, in the order in which they are written; the last bracket of a name counts
/// fastest. Zero padding is kept (`[08-10]` is 08, 09, 10); repeats are kept, too, since only the caller knows whether
/// they are wrong.
///
/// # Errors
/// Whatever the text has that is not a host list, and lists of more than [`EXPANSION_LIMIT`] names.
///
/// ```
/// # use yardmaster_sim::host_list::host_list;
/// assert_eq!(host_list("dut[08-10], spare").unwrap(), ["dut08", "dut09", "dut10", "spare"]);
/// ```
pub fn host_list(text: &str) -> Result<Vec<String>, HostListError> {
    let mut names = Vec::new();
    for word in split_outside_brackets(text)? {
        let word = word.trim();
        if word.is_empty() {
            return Err(HostListError::EmptyName { list: text.to_owned() });
        }
        if word.contains(|c: char| c.is_whitespace() || c.is_control()) {
            return Err(HostListError::BadName { word: word.to_owned() });
        }
        let pieces = pieces(word)?;
        let count = pieces.iter().try_fold(1_usize, |count, piece| count.checked_mul(piece.count()));
        match count.and_then(|count| count.checked_add(names.len())) {
            Some(total) if total <= EXPANSION_LIMIT => expand(&pieces, &mut names),
            _ => return Err(HostListError::TooMany { list: text.to_owned() }),
        }
    }
    Ok(names)
}

/// A part of a name: fixed text, or the ranges between two brackets.
enum Piece<'a> {
    Text(&'a str),
    Ranges(Vec<Range>),
}

/// The numbers from `low` to `high`, written with at least `width` digits.
struct Range {
    low: u64,
    high: u64,
    width: usize,
}

impl Piece<'_> {
    /// How many texts it stands for; saturates.
    fn count(&self) -> usize {
        match self {
            Piece::Text(_) => 1,
            Piece::Ranges(ranges) => ranges.iter().fold(0, |count, range| {
                let numbers = usize::try_from(range.high - range.low).unwrap_or(usize::MAX).saturating_add(1);
                numbers.saturating_add(count)
            }),
        }
    }
}

/// A host list for these names, in their order: neighbours that differ only in a number that counts up share brackets.
///
/// ```
/// # use yardmaster_sim::host_list::host_list_of;
/// assert_eq!(host_list_of(&["dut08", "dut09", "dut10", "dut12", "spare"]), "dut[08-10,12],spare");
/// ```
pub fn host_list_of(names: &[&str]) -> String {
    let mut words: Vec<String> = Vec::new();
    let mut rest = names;
    while let Some((first, _)) = rest.split_first() {
        let alike = numbered(first).map_or(1, |(stem, width, _)| {
            rest.iter().take_while(|name| numbered(name).is_some_and(|(s, w, _)| (s, w) == (stem, width))).count()
        });
        let (these, others) = rest.split_at(alike.max(1));
        rest = others;
        match numbered(first) {
            Some((stem, width, _)) if alike > 1 => {
                let numbers = these.iter().filter_map(|name| numbered(name)).map(|(_, _, number)| number);
                words.push(format!("{stem}[{}]", ranges(numbers, width)));
            }
            _ => words.push((*first).to_owned()),
        }
    }
    words.join(",")
}

/// A name's stem, how many digits it ends in, and the number that they make.
fn numbered(name: &str) -> Option<(&str, usize, u64)> {
    let stem = name.trim_end_matches(|c: char| c.is_ascii_digit());
    let digits = &name[stem.len()..];
    (1..=DIGITS_LIMIT).contains(&digits.len()).then_some(())?;
    Some((stem, digits.len(), digits.parse().ok()?))
}

/// Numbers of one width as `01-03,07`.
fn ranges(numbers: impl Iterator<Item = u64>, width: usize) -> String {
    let mut ranges: Vec<(u64, u64)> = Vec::new();
    for number in numbers {
        match ranges.last_mut() {
            Some((_, last)) if *last + 1 == number => *last = number,
            _ => ranges.push((number, number)),
        }
    }
    let text = |(low, high): &(u64, u64)| {
        if low == high { format!("{low:0width$}") } else { format!("{low:0width$}-{high:0width$}") }
    };
    ranges.iter().map(text).collect::<Vec<_>>().join(",")
}

fn split_outside_brackets(text: &str) -> Result<Vec<&str>, HostListError> {
    let (mut words, mut start, mut within) = (Vec::new(), 0, false);
    for (at, c) in text.char_indices() {
        match c {
            '[' | ']' if within == (c == '[') => {
                return Err(HostListError::Unbalanced { word: text[start..].trim().to_owned() });
            }
            '[' => within = true,
            ']' => within = false,
            ',' if !within => {
                words.push(&text[start..at]);
                start = at + 1;
            }
            _ => {}
        }
    }
    if within {
        return Err(HostListError::Unbalanced { word: text[start..].trim().to_owned() });
    }
    words.push(&text[start..]);
    Ok(words)
}

/// Cuts a word, whose brackets are known to balance, into its pieces.
fn pieces(word: &str) -> Result<Vec<Piece<'_>>, HostListError> {
    let mut pieces = Vec::new();
    let mut rest = word;
    while let Some((text, after)) = rest.split_once('[') {
        let (ranges, tail) =
            after.split_once(']').ok_or_else(|| HostListError::Unbalanced { word: word.to_owned() })?;
        pieces.push(Piece::Text(text));
        pieces.push(Piece::Ranges(ranges.split(',').map(|text| range(word, text)).collect::<Result<_, _>>()?));
        rest = tail;
    }
    pieces.push(Piece::Text(rest));
    Ok(pieces)
}

fn range(word: &str, text: &str) -> Result<Range, HostListError> {
    let bad = || HostListError::BadRange { word: word.to_owned(), range: text.to_owned() };
    let number = |digits: &str| {
        let plain = (1..=DIGITS_LIMIT).contains(&digits.len()) && digits.bytes().all(|b| b.is_ascii_digit());
        plain.then(|| digits.parse::<u64>().ok()).flatten().ok_or_else(bad)
    };
    let (low, high) = text.split_once('-').unwrap_or((text, text));
    let range = Range { low: number(low)?, high: number(high)?, width: low.len() };
    // `[08-9]` could mean 08, 09 or 08, 9; nobody writes it on purpose.
    if low.starts_with('0') && low.len() > 1 && high.len() < low.len() {
        return Err(bad());
    }
    if range.low > range.high {
        return Err(HostListError::Downwards { word: word.to_owned(), range: text.to_owned() });
    }
    Ok(range)
}

/// Appends every name that the pieces stand for. The caller has checked that they are few enough.
fn expand(pieces: &[Piece<'_>], names: &mut Vec<String>) {
    let mut partial = vec![String::new()];
    for piece in pieces {
        match piece {
            Piece::Text(text) => partial.iter_mut().for_each(|name| name.push_str(text)),
            Piece::Ranges(ranges) => {
                partial = partial
                    .iter()
                    .flat_map(|name| {
                        ranges.iter().flat_map(move |range| {
                            let width = range.width;
                            (range.low..=range.high).map(move |number| format!("{name}{number:0width$}"))
                        })
                    })
                    .collect();
            }
        }
    }
    names.append(&mut partial);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(text: &str, expected: &[&str]) {
        assert_eq!(host_list(text).as_deref(), Ok(&expected.iter().map(|s| (*s).to_owned()).collect::<Vec<_>>()[..]));
    }

    #[track_caller]
    fn check_error(text: &str, expected: &str) {
        let message = host_list(text).expect_err(text).to_string();
        assert!(message.contains(expected), "{message:?} does not say {expected:?}");
    }

    #[test]
    fn lists_expand_in_written_order() {
        check("host", &["host"]);
        check("host[1-3]", &["host1", "host2", "host3"]);
        check("host[3,1]", &["host3", "host1"]);
        check("b, a", &["b", "a"]);
        check("dut[1-2,7],spare", &["dut1", "dut2", "dut7", "spare"]);
        check("a[1-2]b[1-2]", &["a1b1", "a1b2", "a2b1", "a2b2"]);
        check("a[1-2].lab.example", &["a1.lab.example", "a2.lab.example"]);
        check("[1-2]", &["1", "2"]);
        check("a[1][2]", &["a12"]);
        check("a1,a1", &["a1", "a1"]);
        check("prüf[1-2]", &["prüf1", "prüf2"]);
    }

    #[test]
    fn padding_is_kept() {
        check("n[01-03]", &["n01", "n02", "n03"]);
        check("n[08-11]", &["n08", "n09", "n10", "n11"]);
        check("n[8-11]", &["n8", "n9", "n10", "n11"]);
        check("n[099-101]", &["n099", "n100", "n101"]);
        check("n[0-2]", &["n0", "n1", "n2"]);
        check("n[00-01]", &["n00", "n01"]);
    }

    #[test]
    fn mistakes_are_named() {
        check_error("", "a name is missing");
        check_error("a,,b", "a name is missing");
        check_error("a,", "a name is missing");
        check_error("a[1-2", "unbalanced");
        check_error("a1]", "unbalanced");
        check_error("a[[1]]", "unbalanced");
        check_error("a[]", "is no range");
        check_error("a[1,]", "is no range");
        check_error("a[x]", "\"x\" in \"a[x]\" is no range");
        check_error("a[1-]", "is no range");
        check_error("a[-1]", "is no range");
        check_error("a[1-2-3]", "is no range");
        check_error("a[+1]", "is no range");
        check_error("a[08-9]", "is no range");
        check_error("a[1111111111111111111]", "is no range");
        check_error("a[3-1]", "runs downwards");
        check_error("a b", "white space");
        check_error("a[1-1000001]", "more than 1000000");
        check_error("a[1-1000]b[1-1001]", "more than 1000000");
        check_error("a[0-999999999999999999]b[0-999999999999999999]", "more than");
        check_error("a[1-1000000],b", "more than");
    }

    #[test]
    fn the_limit_itself_is_allowed() {
        assert_eq!(host_list("a[1-1000]b[1-1000]").map(|names| names.len()), Ok(EXPANSION_LIMIT));
    }
}
