//! Python's `random.Random`, as far as the generator of the peers' benchmark draws from it.
//!
//! Source: CPython 3.11, `Lib/random.py` (`_randbelow_with_getrandbits`, `randrange`, `choice`) and
//! `Modules/_randommodule.c` (`random`, `getrandbits`, seeding by `init_by_array`).

use rand_mt::Mt;

/// 2^26 and 2^53: 27 + 26 random bits make the 53 of a double.
const LOW_BITS: f64 = 67_108_864.0;
const ALL_BITS: f64 = 9_007_199_254_740_992.0;

pub(super) struct PythonRandom(Mt);

impl PythonRandom {
    /// `random.Random(seed)` for a seed below 2^32.
    pub(super) fn new(seed: u32) -> Self {
        Self(Mt::new_with_key([seed]))
    }

    /// `random()`: at least 0 and below 1.
    pub(super) fn random(&mut self) -> f64 {
        let high = f64::from(self.0.next_u32() >> 5);
        let low = f64::from(self.0.next_u32() >> 6);
        (high * LOW_BITS + low) / ALL_BITS
    }

    /// `randrange(end)`: at least 0 and below `end`, which is not 0.
    pub(super) fn below(&mut self, end: u64) -> u64 {
        let bits = u64::BITS - end.leading_zeros();
        loop {
            let drawn = self.bits(bits);
            if drawn < end {
                return drawn;
            }
        }
    }

    /// `randrange(start, end)`.
    pub(super) fn between(&mut self, start: u64, end: u64) -> u64 {
        start + self.below(end - start)
    }

    /// `choice(list)`; the list is not empty.
    pub(super) fn choice<'a, T: ?Sized>(&mut self, list: &[&'a T]) -> &'a T {
        let drawn = self.below(list.len() as u64);
        usize::try_from(drawn).map_or(list[0], |index| list[index])
    }

    /// `getrandbits(bits)`, 1 to 64: the low word first, the last one cut from above.
    fn bits(&mut self, bits: u32) -> u64 {
        let low = u64::from(self.0.next_u32());
        match bits {
            0..=32 => low >> (32 - bits),
            _ => low | u64::from(self.0.next_u32() >> (64 - bits)) << 32,
        }
    }
}
