//! Streams of random numbers, each named by the question that it answers.
//!
//! A stream is ChaCha8 under a key made from the seed, the name of a concern and a few numbers (as: the job and the
//! attempt). Nothing is ever drawn from a shared generator, so the answer to one question does not depend on which
//! questions were asked before it, and two runs with one seed meet the same luck wherever they ask the same things.
//! Things are known in questions by what they are (a host by its name), not by their place in a list: what is added to a
//! lab changes nothing about the luck of what was there.

use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::{Rng, SeedableRng};

/// What a stream of random numbers is for.
#[derive(Debug, Clone)]
pub struct Concern {
    key: [u8; blake3::KEY_LEN],
}

impl Concern {
    /// The concern called `name` under this seed.
    pub fn new(seed: u64, name: &str) -> Concern {
        let mut hasher = blake3::Hasher::new_derive_key("yardmaster-sim random stream v1");
        hasher.update(&seed.to_le_bytes());
        hasher.update(name.as_bytes());
        Concern { key: *hasher.finalize().as_bytes() }
    }

    /// The stream that answers the question with these numbers. Costs about 0.2 µs.
    pub fn stream(&self, numbers: [u64; 3]) -> Stream {
        let mut bytes = [0; 24];
        for (place, number) in bytes.chunks_exact_mut(8).zip(numbers) {
            place.copy_from_slice(&number.to_le_bytes());
        }
        Stream(ChaCha8Rng::from_seed(*blake3::keyed_hash(&self.key, &bytes).as_bytes()))
    }
}

/// The number by which questions know the thing of this name.
pub(super) fn number_of(name: &str) -> u64 {
    let hash = blake3::hash(name.as_bytes());
    u64::from_le_bytes(*hash.as_bytes().first_chunk().expect("a hash has 32 bytes"))
}

/// A stream of random numbers; the same on every machine.
#[derive(Debug, Clone)]
pub struct Stream(ChaCha8Rng);

impl Stream {
    /// 64 random bits.
    pub fn bits(&mut self) -> u64 {
        self.0.next_u64()
    }

    /// A number within (0, 1), both ends excluded: the middle of one of 2⁵² equal intervals.
    pub fn unit(&mut self) -> f64 {
        ((self.bits() >> 12) as f64 + 0.5) * (1.0 / (1_u64 << 52) as f64)
    }

    /// Whether something of this chance happens. Chances ≤ 0 and ≥ 1 are certain.
    pub fn chance(&mut self, probability: f64) -> bool {
        self.unit() < probability
    }

    /// A number below `count`, all equally likely up to 2⁻⁶⁴·count; 0 where `count` is 0.
    pub fn below(&mut self, count: usize) -> usize {
        // The high word of the product is below `count`, so it fits.
        ((u128::from(self.bits()) * count as u128) >> 64) as usize
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Golden vectors: should one of these change, every seed in every report would mean something else.
    #[test]
    fn streams_never_change() {
        let bits = |seed, name, numbers| {
            let mut stream = Concern::new(seed, name).stream(numbers);
            [stream.bits(), stream.bits()]
        };
        assert_eq!(bits(1, "runtime", [0, 0, 0]), [10384750001536474505, 1586853203638072512]);
        assert_eq!(bits(1, "runtime", [0, 0, 1]), [1512952588807014032, 10667576159698307553]);
        assert_eq!(bits(1, "failure", [0, 0, 0]), [8428366912864540202, 10933120814457870788]);
        assert_eq!(bits(u64::MAX, "runtime", [7, 8, 9]), [10894069998954937466, 5582123857030920117]);
        assert_eq!(number_of("dut01"), 16678823402055304549);
    }

    #[test]
    fn units_stay_within_their_interval() {
        let mut stream = Concern::new(3, "unit").stream([0; 3]);
        let mean = (0..10_000).map(|_| stream.unit()).inspect(|u| assert!(*u > 0.0 && *u < 1.0)).sum::<f64>() / 1e4;
        assert!((mean - 0.5).abs() < 0.01, "{mean}");
        assert_eq!((0..100).map(|_| stream.below(3)).max(), Some(2));
        assert_eq!(stream.below(0), 0);
        assert!(!stream.chance(0.0) && stream.chance(1.0));
    }
}
