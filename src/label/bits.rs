//! Duty: sets of small dense numbers as words of bits.
//! Promises: up to [`INLINE`] × 64 numbers live inside the value: making and comparing such a set
//! allocates nothing. A set of more numbers is legal and costs one allocation.

/// Words inside the value: 512 numbers, which is more than published policies have categories.
const INLINE: usize = 8;

/// A set of dense numbers.
#[derive(Clone, Debug, Default)]
pub(super) struct Bits {
    inline: [u64; INLINE],
    more: Vec<u64>,
}

impl Bits {
    pub(super) fn insert(&mut self, number: usize) {
        let (at, bit) = split(number);
        if let Some(word) = self.inline.get_mut(at) {
            *word |= bit;
            return;
        }
        let at = at.saturating_sub(INLINE);
        if self.more.len() <= at {
            self.more.resize(at.saturating_add(1), 0);
        }
        if let Some(word) = self.more.get_mut(at) {
            *word |= bit;
        }
    }

    pub(super) fn contains(&self, number: usize) -> bool {
        let (at, bit) = split(number);
        self.word(at) & bit != 0
    }

    #[inline]
    pub(super) fn word(&self, at: usize) -> u64 {
        match self.inline.get(at) {
            Some(word) => *word,
            None => self
                .more
                .get(at.saturating_sub(INLINE))
                .copied()
                .unwrap_or_default(),
        }
    }

    /// Every word that may have a bit, in order.
    fn words(&self) -> impl Iterator<Item = u64> + '_ {
        self.inline.iter().chain(&self.more).copied()
    }

    pub(super) fn is_disjoint(&self, other: &Bits) -> bool {
        self.words()
            .enumerate()
            .all(|(at, word)| word & other.word(at) == 0)
    }

    /// True when every number of `self` that is in `mask` is also in `other`.
    #[inline]
    pub(super) fn is_within(&self, other: &Bits, mask: &Bits) -> bool {
        let inline = self
            .inline
            .iter()
            .zip(&other.inline)
            .zip(&mask.inline)
            .fold(0, |missing, ((own, held), mask)| {
                missing | (own & mask & !held)
            });
        inline == 0
            && (self.more.is_empty()
                || self.more.iter().enumerate().all(|(at, own)| {
                    let at = at.saturating_add(INLINE);
                    own & mask.word(at) & !other.word(at) == 0
                }))
    }

    pub(super) fn is_empty(&self) -> bool {
        self.words().all(|word| word == 0)
    }

    /// The numbers in ascending order.
    pub(super) fn iter(&self) -> impl Iterator<Item = usize> + '_ {
        self.words().enumerate().flat_map(|(at, word)| {
            let mut left = word;
            std::iter::from_fn(move || {
                let bit = usize::try_from(left.trailing_zeros()).ok()?;
                if left == 0 {
                    return None;
                }
                left &= left.wrapping_sub(1);
                Some(at.saturating_mul(64).saturating_add(bit))
            })
        })
    }
}

impl FromIterator<usize> for Bits {
    fn from_iter<I: IntoIterator<Item = usize>>(numbers: I) -> Self {
        let mut bits = Self::default();
        for number in numbers {
            bits.insert(number);
        }
        bits
    }
}

/// The part of a set that can have members: the words of one tag of a policy.
#[derive(Clone, Debug, Default)]
pub(super) struct Span {
    first: usize,
    words: Vec<u64>,
}

impl Span {
    pub(super) fn of(members: &Bits) -> Self {
        let words: Vec<u64> = members.words().collect();
        let first = words.iter().take_while(|word| **word == 0).count();
        let end = words
            .iter()
            .rposition(|word| *word != 0)
            .map_or(first, |last| last.saturating_add(1));
        Self {
            first,
            words: words.get(first..end).unwrap_or_default().to_vec(),
        }
    }

    /// Which of the members `asked` has, and whether `held` has one of them.
    #[inline]
    pub(super) fn meets(&self, asked: &Bits, held: &Bits) -> Meeting {
        let (mut any, mut common) = (0, 0);
        for (offset, mask) in self.words.iter().enumerate() {
            let at = self.first.saturating_add(offset);
            let own = asked.word(at) & mask;
            any |= own;
            common |= own & held.word(at);
        }
        match (any, common) {
            (0, _) => Meeting::NotAsked,
            (_, 0) => Meeting::Apart,
            _ => Meeting::Met,
        }
    }

    /// How many of the members the set has.
    pub(super) fn count(&self, set: &Bits) -> u64 {
        let of_word = |(offset, mask): (usize, &u64)| {
            u64::from((set.word(self.first.saturating_add(offset)) & mask).count_ones())
        };
        self.words.iter().enumerate().map(of_word).sum()
    }
}

/// How what is asked and what is held stand to one group.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Meeting {
    /// Something is asked, none of it is held.
    Apart,
    /// At least one value that is asked is held.
    Met,
    /// The group does not occur.
    NotAsked,
}

#[inline]
fn split(number: usize) -> (usize, u64) {
    let bit = u32::try_from(number & 63).unwrap_or_default();
    (number >> 6, 1u64.wrapping_shl(bit))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_inside_and_beyond_the_inline_words() {
        let set: Bits = [0, 63, 64, 511, 512, 5000].into_iter().collect();
        assert_eq!(set.iter().collect::<Vec<_>>(), [0, 63, 64, 511, 512, 5000]);
        assert!(set.contains(5000) && !set.contains(4999));
        let other: Bits = [0, 63, 64, 511, 512].into_iter().collect();
        let all: Bits = (0..6000).collect();
        assert!(other.is_within(&set, &all) && !set.is_within(&other, &all));
        let low: Bits = (0..600).collect();
        assert!(set.is_within(&other, &low));
        assert!(!set.is_disjoint(&other));
        assert!(set.is_disjoint(&[1, 4999].into_iter().collect()));
        assert!(Bits::default().is_empty() && !set.is_empty());
    }

    #[test]
    fn spans_meet() {
        let span = Span::of(&[700, 701].into_iter().collect());
        let one: Bits = [700, 3].into_iter().collect();
        let two: Bits = [701, 3].into_iter().collect();
        assert_eq!(span.meets(&one, &two), Meeting::Apart);
        assert_eq!(span.meets(&one, &one), Meeting::Met);
        assert_eq!(
            span.meets(&[3].into_iter().collect(), &one),
            Meeting::NotAsked
        );
        assert_eq!(span.count(&(0..1000).collect()), 2);
        assert_eq!(Span::of(&Bits::default()).count(&one), 0);
    }
}
