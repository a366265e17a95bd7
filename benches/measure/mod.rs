//! How long one piece of work takes.

use std::time::{Duration, Instant};

/// The best of several rounds, in nanoseconds: the figure with the least of everything else in it.
pub fn measure(mut work: impl FnMut()) -> f64 {
    let mut count = 1u32;
    loop {
        let start = Instant::now();
        for _ in 0..count {
            work();
        }
        if start.elapsed() > Duration::from_millis(20) {
            break;
        }
        count *= 2;
    }
    let mut best = f64::MAX;
    for _ in 0..9 {
        let start = Instant::now();
        for _ in 0..count {
            work();
        }
        best = best.min(start.elapsed().as_secs_f64() * 1e9 / f64::from(count));
    }
    best
}
