//! Work on many items in a few threads.

use std::ops::Range;
use std::thread;

/// Most threads.
const LANES_MAX: usize = 2;

/// Does `work` on consecutive ranges that cover `0..count`, each in a thread of
/// its own, and gives what came of them in that order.
pub(crate) fn in_lanes<T: Send>(
    count: usize,
    work: impl Fn(Range<usize>) -> anyhow::Result<T> + Sync,
) -> anyhow::Result<Vec<T>> {
    let lanes = thread::available_parallelism().map_or(1, usize::from).min(LANES_MAX);
    let border = |lane: usize| count * lane / lanes;
    thread::scope(|scope| {
        let range = |lane: usize| border(lane)..border(lane + 1);
        let threads: Vec<_> = (0..lanes)
            .map(|lane| {
                let (work, range) = (&work, range(lane));
                scope.spawn(move || work(range))
            })
            .collect();
        let joined = threads.into_iter().map(|thread| match thread.join() {
            Ok(made) => made,
            Err(panic) => std::panic::resume_unwind(panic),
        });
        joined.collect()
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ranges_cover_all_items_in_order() {
        for count in [0, 1, 2, 7] {
            let lanes = in_lanes(count, |range| Ok(range.collect::<Vec<_>>())).unwrap();
            assert_eq!(lanes.concat(), (0..count).collect::<Vec<_>>());
        }
        let failed = in_lanes(3, |range| {
            anyhow::ensure!(!range.contains(&2), "no luck");
            Ok(())
        });
        assert_eq!(failed.unwrap_err().to_string(), "no luck");
    }
}
