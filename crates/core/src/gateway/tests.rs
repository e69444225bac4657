use super::*;
use crate::fixture::{A, B, C, H, PLAN, RUN, X, Y, data, devices, ms, plans};
use crate::id::ValueId;

/// A gateway over the fixture, with what a driver does around it.
struct Bench {
    plans: Arc<Plans>,
    gateway: Gateway,
    commands: Vec<Command>,
}

impl Bench {
    /// Nobody is there yet.
    fn alone() -> Bench {
        Bench::over(PLAN, GatewayConfig::default())
    }

    fn over(text: &str, config: GatewayConfig) -> Bench {
        let plans = Arc::new(Plans::parse(text).expect("reads"));
        let gateway = Gateway::new(plans.clone(), RUN, config);
        Bench { plans, gateway, commands: Vec::new() }
    }

    /// All three devices have said hello.
    fn ready() -> Bench {
        let mut bench = Bench::alone();
        [A, B, C].iter().for_each(|device| drop(bench.up(0, *device).notices()));
        bench
    }

    fn handle(&mut self, at: u64, event: Event) -> &mut Bench {
        self.gateway.handle(ms(at), event, &mut self.commands);
        self
    }

    fn up(&mut self, at: u64, device: DeviceId) -> &mut Bench {
        let held = self.plans.plans.iter().map(|plan| plan.id).collect();
        self.handle(at, Event::Up(device, held))
    }

    fn beats(&mut self, at: u64, list: &[DeviceId]) -> &mut Bench {
        for device in list {
            self.handle(at, Event::Beat(*device, Heartbeat::default()));
        }
        self
    }

    fn submit(&mut self, at: u64, token: u64) -> &mut Bench {
        self.submit_with(at, token, 10_000)
    }

    fn submit_with(&mut self, at: u64, token: u64, deadline_ms: u64) -> &mut Bench {
        let inputs = vec![Tensor::from_f32(vec![1, 8], &[1.0; 8]).expect("fits")];
        let deadline = Duration::from_millis(deadline_ms);
        self.handle(at, Event::Submit { token, inputs, deadline })
    }

    /// A shard of the result, as the sender of that attempt makes it.
    fn result(&mut self, at: u64, number: u64, shard: usize, sent: &Data) -> &mut Bench {
        let index = self.plans.plans.iter().position(|p| p.id == sent.plan).expect("known");
        let mut data = data(&self.plans, index, number, Y, shard);
        (data.attempt, data.members) = (sent.attempt, sent.members);
        let crate::admit::Peer::Device(from) = crate::fixture::maker(&self.plans, &data) else {
            panic!("a result is made by a device");
        };
        self.handle(at, Event::Data(from, data))
    }

    /// Ends the last glue.
    fn glued(&mut self, at: u64, job: Job) -> &mut Bench {
        let outputs = vec![Tensor::from_f32(vec![1], &[1.0]).expect("fits")];
        self.handle(at, Event::Done(job, Ok(outputs)))
    }

    /// Inputs sent since the last call: to whom, and the frame.
    fn inputs(&mut self) -> Vec<(Vec<DeviceId>, Data)> {
        let mut inputs = Vec::new();
        self.commands.retain(|command| match command {
            Command::Send(to, Frame::Data(data)) => {
                inputs.push((to.clone(), data.clone()));
                false
            }
            _ => true,
        });
        inputs
    }

    fn input(&mut self) -> (Vec<DeviceId>, Data) {
        let mut inputs = self.inputs();
        assert_eq!(inputs.len(), 1);
        inputs.remove(0)
    }

    fn job(&mut self) -> Option<Job> {
        let at = self.commands.iter().position(|c| matches!(c, Command::Run(..)))?;
        let Command::Run(job, _) = self.commands.remove(at) else { return None };
        Some(job)
    }

    fn answers(&mut self) -> Vec<(u64, Provenance)> {
        let answer = |command: &Command| match command {
            Command::Answer(token, _, provenance) => Some((*token, provenance.clone())),
            _ => None,
        };
        let answers = self.commands.iter().filter_map(answer).collect();
        self.commands.retain(|command| answer(command).is_none());
        answers
    }

    fn failures(&mut self) -> Vec<(u64, String)> {
        let failure = |command: &Command| match command {
            Command::Fail(token, error) => Some((*token, error.to_string())),
            _ => None,
        };
        let failures = self.commands.iter().filter_map(failure).collect();
        self.commands.retain(|command| failure(command).is_none());
        failures
    }

    fn notices(&mut self) -> Vec<Notice> {
        let notice = |command: &Command| match command {
            Command::Notice(notice) => Some(notice.clone()),
            _ => None,
        };
        let notices = self.commands.iter().filter_map(notice).collect();
        self.commands.retain(|command| notice(command).is_none());
        notices
    }

    fn marks(&mut self) -> Vec<(u64, Vec<u64>)> {
        let mark = |command: &Command| match command {
            Command::Send(_, Frame::Watermark(mark)) => Some((mark.below, mark.also.clone())),
            _ => None,
        };
        let marks = self.commands.iter().filter_map(mark).collect();
        self.commands.retain(|command| mark(command).is_none());
        marks
    }
}

#[test]
fn a_request_from_submit_to_answer() {
    let mut bench = Bench::ready();
    bench.submit(1, 42);
    let (to, sent) = bench.input();
    assert_eq!(to, [A, B, C]);
    assert_eq!((sent.value, sent.attempt, sent.deadline_left_us), (X, 0, 10_000_000));
    assert_eq!(sent.suspects, DeviceSet::default());
    assert!(bench.plans.admit(Peer::Gateway(RUN), &sent).is_ok());
    bench.result(2, 0, 0, &sent).result(2, 0, 0, &sent);
    assert_eq!(bench.job(), None);
    bench.result(3, 0, 2, &sent);
    let job = bench.job().expect("any two of three");
    bench.result(3, 0, 1, &sent);
    assert_eq!(bench.job(), None, "the last glue runs once");
    bench.glued(4, job).glued(4, job);
    let provenance = Provenance { attempts: 1, plan: 0, decoded: true, accepted: devices(&[A, C]) };
    assert_eq!(bench.answers(), [(42, provenance)]);
    assert_eq!(bench.gateway.pending(), 0);
    assert_eq!(bench.marks(), [(1, vec![])]);
}

#[test]
fn suspects_are_left_out_of_the_roster() {
    let mut bench = Bench::ready();
    bench.handle(1, Event::Down(B)).submit(1, 0);
    let (to, sent) = bench.input();
    assert_eq!(to, [A, B, C], "it may hear all the same");
    assert_eq!(sent.suspects, devices(&[B]));
    assert_eq!(bench.notices(), [Notice::Suspect(B)]);
    bench.up(2, B).submit(2, 1);
    assert_eq!(bench.input().1.suspects, DeviceSet::default());
    assert_eq!(bench.notices(), [Notice::Healthy(B)]);
}

#[test]
fn silence_is_noticed_and_disconnects_only_where_trusted() {
    let config = GatewayConfig { trust_disconnect: false, ..GatewayConfig::default() };
    let mut bench = Bench::over(PLAN, config);
    bench.up(0, A).up(0, B).up(0, C).beats(300, &[A, C]).handle(300, Event::Down(B));
    assert_eq!(bench.gateway.alive_devices(), devices(&[A, B, C]));
    assert_eq!(bench.gateway.wake_at(), Some(ms(500)));
    bench.handle(500, Event::Tick);
    assert_eq!(bench.gateway.alive_devices(), devices(&[A, C]));
    bench.handle(501, Event::SuspectAfter(Duration::from_millis(100))).handle(501, Event::Tick);
    assert!(bench.gateway.alive_devices().is_empty());
}

#[test]
fn too_many_losses_move_a_request_to_a_fallback() {
    let mut bench = Bench::ready();
    bench.submit(1, 42);
    let (_, main) = bench.input();
    bench.handle(2, Event::Down(A));
    assert!(bench.inputs().is_empty(), "one is tolerated");
    bench.handle(3, Event::Down(C));
    let (to, sent) = bench.input();
    assert_eq!((to, sent.members, sent.attempt), (vec![B], devices(&[B]), 1));
    assert_eq!(sent.plan, bench.plans.plans[2].id);
    let notices = bench.notices();
    assert!(notices.contains(&Notice::Plan(2)) && notices.contains(&Notice::Resubmitted(1)));
    // Shards of the first attempt count no more.
    bench.result(4, 0, 1, &main).result(4, 0, 0, &main);
    assert_eq!(bench.job(), None);
    bench.result(5, 0, 0, &sent);
    let job = bench.job().expect("whole");
    assert_eq!(job.attempt, 1);
    bench.glued(6, Job { attempt: 0, ..job });
    assert!(bench.answers().is_empty(), "another attempt's glue");
    bench.glued(6, job);
    let answer = bench.answers().remove(0).1;
    assert_eq!((answer.attempts, answer.plan, answer.accepted), (2, 2, devices(&[B])));
}

#[test]
fn new_requests_follow_who_is_there() {
    let mut bench = Bench::ready();
    // What happens, the plan of the next request and its members.
    let cases: [(Event, usize, &[DeviceId]); 5] = [
        (Event::Down(A), 0, &[A, B, C]),
        (Event::Down(B), 2, &[C]),
        (Event::Beat(A, Heartbeat::default()), 0, &[A, B, C]),
        (Event::Down(C), 2, &[A]),
        (Event::Beat(B, Heartbeat::default()), 0, &[A, B, C]),
    ];
    for (step, (event, plan, members)) in cases.into_iter().enumerate() {
        let at = step as u64;
        bench.handle(at, event);
        bench.inputs();
        bench.submit(at, at);
        let (_, sent) = bench.input();
        assert_eq!(sent.plan, bench.plans.plans[plan].id, "step {step}");
        assert_eq!(sent.members, devices(members), "step {step}");
    }
    assert_eq!(bench.gateway.pending(), 5);
}

#[test]
fn nobody_is_there_yet() {
    let mut bench = Bench::alone();
    assert!(!bench.gateway.is_quorate());
    bench.submit(0, 42);
    assert!(bench.inputs().iter().all(|(to, _)| to.is_empty()));
    bench.up(100, C).handle(149, Event::Tick);
    assert!(bench.inputs().is_empty(), "others may come");
    bench.handle(150, Event::Tick);
    let (to, sent) = bench.input();
    assert_eq!((to, sent.plan), (vec![C], bench.plans.plans[2].id));
    bench.result(151, 0, 0, &sent);
    assert!(bench.job().is_some());
}

/// Without fallbacks a request waits for enough devices, and then goes out.
#[test]
fn a_request_waits_for_enough_devices() {
    let end = PLAN.match_indices("[[plan]]").nth(1).expect("a fallback").0;
    let mut bench = Bench::over(&PLAN[..end], GatewayConfig::default());
    bench.submit(0, 42).up(50, A);
    bench.handle(2000, Event::Tick).beats(2500, &[A]);
    assert!(bench.inputs().iter().all(|(to, _)| to.is_empty()));
    bench.up(2600, B).handle(2650, Event::Tick);
    assert_eq!(bench.input().0, [A, B, C]);
}

#[test]
fn who_comes_anew_has_forgotten() {
    let mut bench = Bench::ready();
    bench.submit(1, 42);
    bench.inputs();
    bench.handle(2, Event::Down(A)).up(3, A).handle(4, Event::Down(B));
    let (to, sent) = bench.input();
    assert_eq!(to, [A, B, C], "A is there, but no longer knows of the first attempt");
    assert_eq!((sent.attempt, sent.suspects), (1, devices(&[B])));
}

#[test]
fn time_outs_take_fewer_devices_each() {
    let mut bench = Bench::ready();
    bench.submit_with(0, 42, 100_000);
    let mut sent = vec![bench.input().1];
    let mut times = Vec::new();
    for at in (0..40_000).step_by(100) {
        bench.beats(at, &[A, B, C]).handle(at, Event::Tick);
        for (_, data) in bench.inputs() {
            times.push(at);
            sent.push(data);
        }
    }
    assert_eq!(times, [2000, 6000, 14_000, 30_000], "twice as long each time");
    let plan = |data: &Data| bench.plans.plans.iter().position(|p| p.id == data.plan);
    let plans: Vec<_> = sent.iter().map(|data| plan(data).expect("known")).collect();
    assert_eq!(plans, [0, 0, 2, 2, 2]);
    let alone: Vec<_> = sent[2..].iter().map(|data| data.members).collect();
    let alike = alone.iter().filter(|m| **m == alone[0]).count();
    assert_eq!(alike, 1, "another device each time: {alone:?}");
    assert!(bench.failures().is_empty());
}

#[test]
fn suspicions_that_flap_leave_an_attempt_its_time() {
    let mut bench = Bench::ready();
    bench.submit(0, 42);
    let mut attempts = bench.inputs().len();
    for at in 1..1000 {
        let event = |device| match at % 2 {
            0 => Event::Beat(device, Heartbeat::default()),
            _ => Event::Down(device),
        };
        bench.handle(at, event(A)).handle(at, event(B)).handle(at, event(C));
        bench.handle(at, Event::Tick);
        attempts += bench.inputs().len();
    }
    assert!(attempts < 10, "{attempts} attempts in a second");
}

#[test]
fn a_deadline_says_what_is_missing() {
    let shared = "no answer within 10000 ms and 1 attempts: result y has 1 of 2 shards under plan \
                  main";
    let cases: [(&[DeviceId], String); 2] = [
        (&[A, B, C], format!("{shared}, all devices answer")),
        (&[A, C], format!("{shared}, not heard from b")),
    ];
    for (alive, words) in cases {
        let config =
            GatewayConfig { resubmit_after: Duration::from_secs(60), ..GatewayConfig::default() };
        let mut bench = Bench::over(PLAN, config);
        [A, B, C].iter().for_each(|device| drop(bench.up(0, *device).notices()));
        bench.submit(0, 42);
        let (_, sent) = bench.input();
        bench.result(1, 0, 0, &sent);
        (0..10_000).step_by(100).for_each(|at| drop(bench.beats(at, alive).notices()));
        bench.handle(10_000, Event::Tick);
        assert_eq!(bench.failures(), [(42, words)]);
        assert_eq!(bench.marks(), [(1, vec![])], "the devices may forget it");
        bench.result(10_001, 0, 1, &sent).handle(20_000, Event::Tick);
        assert!(bench.job().is_none() && bench.failures().is_empty());
    }
    let mut bench = Bench::alone();
    bench.submit(0, 42).handle(10_000, Event::Tick);
    let (_, words) = bench.failures().remove(0);
    assert!(words.ends_with(", not heard from a, b, c, which layer fc1 needs"), "{words}");
}

#[test]
fn wrong_requests_fail_at_once() {
    let config = GatewayConfig { pending_max: 1, ..GatewayConfig::default() };
    let mut bench = Bench::over(PLAN, config);
    let tensor = |shape: &[usize]| {
        let count = shape.iter().product();
        Tensor::from_f32(shape.to_vec(), &vec![0.0; count]).expect("fits")
    };
    let cases: [(Vec<Tensor>, &str); 4] = [
        (vec![], "model has 1 inputs, request 0"),
        (vec![tensor(&[8, 1])], "input x is f32 [8, 1], model takes f32 [1, 8]"),
        (vec![tensor(&[1, 8])], ""),
        (vec![tensor(&[1, 8])], "1 requests under way, limit 1"),
    ];
    for (token, (inputs, words)) in cases.into_iter().enumerate() {
        let (token, deadline) = (token as u64, Duration::from_secs(1));
        bench.handle(0, Event::Submit { token, inputs, deadline });
        let expected = (!words.is_empty()).then(|| (token, words.to_owned()));
        assert_eq!(bench.failures(), Vec::from_iter(expected));
    }
    assert_eq!(bench.gateway.watermark().below, 0, "those that failed took no number");
}

#[test]
fn a_glue_that_fails_ends_the_request() {
    let mut bench = Bench::ready();
    bench.submit(0, 42);
    let (_, sent) = bench.input();
    bench.result(1, 0, 0, &sent).result(1, 0, 1, &sent);
    let job = bench.job().expect("gathered");
    bench.handle(2, Event::Done(job, Err("no memory".to_owned())));
    assert_eq!(bench.failures(), [(42, "last glue: no memory".to_owned())]);
}

#[test]
fn a_cancelled_request_is_forgotten() {
    let config = GatewayConfig { pending_max: 2, ..GatewayConfig::default() };
    let mut bench = Bench::over(PLAN, config);
    [A, B, C].iter().for_each(|device| drop(bench.up(0, *device).notices()));
    bench.submit(0, 42).submit(0, 43);
    let sent = bench.inputs();
    bench.result(1, 0, 0, &sent[0].1).result(1, 0, 1, &sent[0].1);
    let job = bench.job().expect("gathered");
    bench.handle(2, Event::Cancel(42));
    assert_eq!(bench.marks(), [(1, vec![])], "the devices may forget it");
    // Its last glue, another cancel and one of an unknown token come too late.
    bench.glued(3, job).handle(3, Event::Cancel(42)).handle(3, Event::Cancel(7));
    bench.handle(20_000, Event::Tick);
    assert!(bench.answers().is_empty());
    assert_eq!(bench.failures().len(), 1, "the other one is not cancelled");
    bench.submit(20_000, 44).submit(20_000, 45);
    assert_eq!((bench.gateway.pending(), bench.failures()), (2, vec![]), "its place is free");
}

#[test]
fn whether_a_request_could_be_answered_is_told_when_it_changes() {
    let end = PLAN.match_indices("[[plan]]").nth(1).expect("a fallback").0;
    let mut bench = Bench::over(&PLAN[..end], GatewayConfig::default());
    let quorate = |bench: &mut Bench| -> Vec<bool> {
        let told = |notice: Notice| match notice {
            Notice::Quorate(now) => Some(now),
            _ => None,
        };
        bench.notices().into_iter().filter_map(told).collect()
    };
    let cases: [(Event, Vec<bool>); 6] = [
        (Event::Beat(A, Heartbeat::default()), vec![]),
        (Event::Beat(B, Heartbeat::default()), vec![true]),
        (Event::Beat(C, Heartbeat::default()), vec![]),
        (Event::Down(A), vec![]),
        (Event::Down(B), vec![false]),
        (Event::Beat(A, Heartbeat::default()), vec![true]),
    ];
    for (step, (event, expected)) in cases.into_iter().enumerate() {
        bench.handle(step as u64, event);
        assert_eq!(quorate(&mut bench), expected, "step {step}");
        assert_eq!(bench.gateway.is_quorate(), bench.gateway.quorate);
    }
}

#[test]
fn another_bundle_takes_no_part() {
    let mut bench = Bench::ready();
    bench.submit(0, 42);
    bench.inputs();
    let held: Vec<PlanId> = bench.plans.plans[..2].iter().map(|plan| plan.id).collect();
    let lacks = bench.plans.plans[2].id;
    bench.handle(1, Event::Up(B, held.clone()));
    assert_eq!(bench.notices(), [Notice::Mismatch(B, lacks)]);
    assert_eq!(bench.gateway.alive_devices(), devices(&[A, C]));
    bench.beats(2, &[B]);
    assert_eq!(bench.gateway.alive_devices(), devices(&[A, C]), "it lives, but holds another");
    bench.handle(3, Event::Up(A, held)).handle(53, Event::Tick);
    assert_eq!(bench.input().1.members, devices(&[C]), "the request under way moves");
    bench.up(54, B);
    assert_eq!(bench.gateway.alive_devices(), devices(&[B, C]), "until it has this one");
    assert!(bench.notices().contains(&Notice::Match(B)));
}

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

#[test]
fn a_watermark_hides_no_open_request() {
    let mut bench = Bench::ready();
    let mut open = Vec::new();
    for number in 0..600u64 {
        bench.submit_with(0, number, 60_000);
        open.push(number);
    }
    let sent = bench.inputs();
    let finish = |bench: &mut Bench, at: u64, number: u64| {
        let data = &sent[number as usize].1;
        bench.result(at, number, 0, data).result(at, number, 1, data);
        let job = bench.job().expect("gathered");
        bench.glued(at, job);
    };
    // Request 3 stays open for long.
    for (step, number) in (0..600).filter(|n| *n != 3).enumerate() {
        finish(&mut bench, step as u64, number);
        open.retain(|n| *n != number);
        for (below, also) in bench.marks() {
            assert!(open.iter().all(|n| *n >= below && !also.contains(n)));
            assert!(also.len() <= ALSO_MAX);
            assert!(number < 3 || below == 3);
            let newest = also.iter().max().copied();
            assert!(number < 9 || newest >= Some(number - 6), "the newest are announced");
        }
    }
    finish(&mut bench, 700, 3);
    bench.handle(720, Event::Tick);
    assert_eq!(bench.marks().last(), Some(&(600, vec![])));
}

#[test]
fn watermarks_keep_their_distance() {
    let mut bench = Bench::ready();
    (0..4).for_each(|token| drop(bench.submit(0, token).notices()));
    let sent = bench.inputs();
    let mut marks = Vec::new();
    for (at, number) in [(1, 0), (2, 1), (3, 2), (4, 3)] {
        let data = &sent[number as usize].1;
        bench.result(at, number, 0, data).result(at, number, 1, data);
        let job = bench.job().expect("gathered");
        marks.extend(bench.glued(at, job).marks());
    }
    assert_eq!(marks, [(1, vec![])]);
    assert_eq!(bench.gateway.wake_at(), Some(ms(6)));
    assert_eq!(bench.handle(6, Event::Tick).marks(), [(4, vec![])]);
    assert_eq!(bench.plans.main().result, [ValueId(2)]);
    assert_eq!(plans().main().id, bench.plans.main().id);
}

/// A gateway that heard nobody for a while takes nothing for lost.
#[test]
fn a_pause_of_the_gateway_moves_nothing() {
    let mut bench = Bench::ready();
    bench.submit(0, 42).handle(600, Event::Tick);
    bench.inputs();
    assert!(!bench.gateway.is_quorate());
    bench.beats(601, &[C]).beats(620, &[A, B]).handle(700, Event::Tick);
    assert!(bench.inputs().is_empty());
}
