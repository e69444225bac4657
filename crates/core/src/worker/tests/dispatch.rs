//! Which tasks run, and when.

use super::*;
use crate::audit::Checks;

/// The fixture's main plan with a third layer, whose output is the result.
fn three_layers() -> Arc<Plans> {
    let end = PLAN.match_indices("[[plan]]").nth(1).expect("a fallback").0;
    let (head, main) = PLAN[..end].split_at(PLAN.find("[[plan]]").expect("a plan"));
    let value = "[[value]]\nname = \"z\"\ndtype = \"f32\"\nshape = [1, 4]\naxis = 1\n\n";
    let last = &main[main.rfind("[[plan.stage]]").expect("a stage")..];
    let last = last.replace("\"y\"", "\"z\"").replace("\"h\"", "\"y\"").replace("fc2", "fc3");
    let last = last.replace("[3, 2]", "[2, 2]");
    let main = main.replace("result = [\"y\"]", "result = [\"z\"]");
    Arc::new(Plans::parse(&[head, value, &main, &last].concat()).expect("reads"))
}

#[test]
fn a_superseded_task_is_skipped() {
    // Shards of y, which the last layer reads, that are here before this
    // device has begun its own shard of h; how many tasks are skipped.
    // Where shards are held against each other all are wanted.
    let cases: [(&[usize], bool, u64); 4] =
        [(&[], false, 0), (&[0], false, 0), (&[0, 1], false, 1), (&[0, 1], true, 0)];
    for (shards, audit, skipped) in cases {
        let plans = three_layers();
        let mut bench = Bench::over(plans, C, WorkerConfig::default());
        let checks = Checks { audit, strict: audit, prompt: audit, lenient: false };
        let frame = |bench: &mut Bench, at, number, value, shard| {
            let data = data(&bench.plans, 0, number, value, shard);
            bench.frame(at, Data { checks, ..data });
        };
        frame(&mut bench, 0, 0, X, 0);
        frame(&mut bench, 0, 1, X, 0);
        let busy = bench.job();
        for shard in shards {
            frame(&mut bench, 1, 1, Y, *shard);
        }
        bench.done(2, busy);
        let next = stages(&bench.jobs());
        let stage = if skipped == 0 { 0 } else { 2 };
        assert_eq!(next, [(1, stage, 2)], "{shards:?}");
        assert_eq!(bench.worker.counters().skipped, skipped, "{shards:?}");
    }
}

/// Who has the part that it reads knows nothing of the others.
#[test]
fn a_part_supersedes_nothing() {
    let text = three_layers().to_toml();
    let (head, main) = text.split_at(text.find("[[plan]]").expect("a plan"));
    let stage = |from: &str, to: &str, method: &str| {
        let start = main.find(&format!("layer = \"{from}\"")).expect("the layer");
        let end = main[start..].find("[[plan.stage]]").map_or(main.len(), |at| start + at);
        (main[start..end].to_owned(), format!("layer = \"{from}\"\n{method}{to}\n"))
    };
    let (y, uncoded) = stage(
        "fc2",
        "reads = [\"h\"]\nvalue = \"y\"\nrows = [3, 2]\ncode = \"none\"\ndata = [\"a\", \"b\"]\n",
        "method = \"output\"\n",
    );
    let (z, terms) = stage(
        "fc3",
        "reads = [\"y\"]\nvalue = \"z\"\ncolumns = [2, 2, 1]\n\
         parts = [[[0, 1], [0, 2]], [[0, 1], [2, 4]], [[0, 1], [4, 5]]]\n\
         code = \"none\"\ndata = [\"a\", \"b\", \"c\"]\n",
        "method = \"input\"\n",
    );
    let text = head.to_owned() + &main.replace(&y, &uncoded).replace(&z, &terms);
    let plans = Arc::new(Plans::parse(&text).expect("reads"));
    let mut bench = Bench::over(plans, C, WorkerConfig::default());
    bench.shard(0, 0, X, 0).shard(0, 1, X, 0);
    let busy = bench.job();
    let mut part = data(&bench.plans, 0, 1, Y, 1);
    let shard = shard_tensor(&bench.plans, bench.plans.main(), Y, 1);
    let last = crop(&shard, &vec![0..1, 3..5], &vec![0..1, 4..5]).expect("a part");
    (part.shape, part.payload) = (vec![1, 1], last.data().clone().into());
    bench.frame(1, part);
    bench.done(2, busy);
    assert_eq!(stages(&bench.jobs()), [(1, 0, 2)], "others wait for this shard of h");
    assert_eq!(bench.worker.counters().skipped, 0);
}

#[test]
fn oldest_request_first() {
    let mut bench = Bench::of(A);
    for number in [5, 3, 4] {
        bench.shard(0, number, X, 0);
    }
    let mut order = Vec::new();
    while let Some(job) = bench.jobs().first().copied() {
        order.push(job.request.number);
        bench.done(1, job);
    }
    assert_eq!(order, [5, 3, 4]);
}

/// A request that goes out again stays before those that came after it.
#[test]
fn a_further_attempt_keeps_its_place() {
    let mut bench = Bench::of(A);
    bench.shard(0, 9, X, 0);
    let busy = bench.job();
    bench.shard(1, 0, X, 0).shard(2, 1, X, 0).attempt(3, 1);
    bench.done(4, busy);
    let next = bench.job();
    assert_eq!((next.request.number, next.attempt), (0, 1));
}
