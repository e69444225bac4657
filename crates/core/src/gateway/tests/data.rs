//! Frames that come in.

use super::*;

#[test]
fn lies_to_a_gateway_count_for_nothing() {
    let mut bench = Bench::ready();
    bench.submit(0, 42);
    let (_, sent) = bench.input();
    type Lie = fn(&mut Data);
    let lies: [(Lie, bool); 5] = [
        (|d| d.attempt = 9, false),
        (|d| d.request.run.epoch += 1, false),
        (|d| d.request.number = 7, false),
        (|d| d.value = H, true),
        (|d| d.shard = 2, true),
    ];
    for (lie, refused) in lies {
        let mut frame = data(&bench.plans, 0, 0, Y, 1);
        lie(&mut frame);
        bench.handle(1, Event::Data(B, frame));
        let said = bench.commands.iter().any(|c| matches!(c, Command::Refuse(B, _)));
        assert_eq!(said, refused);
        bench.commands.clear();
    }
    bench.result(2, 0, 0, &sent);
    assert_eq!(bench.job(), None, "none of them was taken");
}
