//! A gateway with what a driver does around it. One file a handler.

mod audits;
mod cancel;
mod data;
mod devices;
mod done;
mod failures;
mod progress;
mod submit;
mod tick;

use super::*;
use crate::fixture::{A, B, C, H, PLAN, RUN, X, Y, data, devices, ms, plans};
use crate::id::ValueId;

/// A gateway over the fixture, with what a driver does around it.
struct Bench {
    plans: Arc<Plans>,
    gateway: Gateway,
    commands: Vec<Command>,
}

/// The fixture without plans for fewer devices.
fn without_fallbacks() -> &'static str {
    &PLAN[..PLAN.match_indices("[[plan]]").nth(1).expect("a fallback").0]
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
        Bench::ready_over(PLAN, GatewayConfig::default())
    }

    /// The same over another plan.
    fn ready_over(text: &str, config: GatewayConfig) -> Bench {
        let mut bench = Bench::over(text, config);
        [A, B, C].iter().for_each(|device| drop(bench.up(0, *device).notices()));
        bench
    }

    /// Hands over an event, and tells of the time if something is due.
    fn handle(&mut self, at: u64, event: Event) -> &mut Bench {
        self.gateway.handle(ms(at), event, &mut self.commands);
        if self.gateway.wake_at().is_some_and(|due| due <= ms(at)) {
            self.gateway.handle(ms(at), Event::Tick, &mut self.commands);
        }
        self
    }

    /// Tells of the time whenever something is due before `at`.
    fn until(&mut self, at: u64) -> &mut Bench {
        while let Some(due) = self.gateway.wake_at().filter(|due| *due < ms(at)) {
            self.gateway.handle(due, Event::Tick, &mut self.commands);
        }
        self
    }

    fn up(&mut self, at: u64, device: DeviceId) -> &mut Bench {
        let held = self.plans.all().iter().map(|plan| plan.id()).collect();
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
        self.handle(at, Event::Submit { token, inputs, deadline, verify: Verify::Off })
    }

    /// A shard of the result, as the sender of that attempt makes it.
    fn result(&mut self, at: u64, number: u64, shard: usize, sent: &Data) -> &mut Bench {
        let index = self.plans.all().iter().position(|p| p.id() == sent.plan).expect("known");
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

    /// Takes out the commands of which `pick` makes something.
    fn taken<T>(&mut self, pick: impl Fn(&Command) -> Option<T>) -> Vec<T> {
        let taken = self.commands.iter().filter_map(&pick).collect();
        self.commands.retain(|command| pick(command).is_none());
        taken
    }

    /// Inputs sent since the last call: to whom, and the frame.
    fn inputs(&mut self) -> Vec<(Vec<DeviceId>, Data)> {
        self.taken(|command| match command {
            Command::Send(to, Frame::Data(data)) => Some((to.clone(), data.clone())),
            _ => None,
        })
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
        self.taken(|command| match command {
            Command::Answer(token, _, provenance) => Some((*token, provenance.clone())),
            _ => None,
        })
    }

    fn failures(&mut self) -> Vec<(u64, String)> {
        self.taken(|command| match command {
            Command::Fail(token, error) => Some((*token, error.to_string())),
            _ => None,
        })
    }

    fn notices(&mut self) -> Vec<Notice> {
        self.taken(|command| match command {
            Command::Notice(notice) => Some(notice.clone()),
            _ => None,
        })
    }

    fn marks(&mut self) -> Vec<(u64, Vec<u64>)> {
        self.taken(|command| match command {
            Command::Send(_, Frame::Watermark(mark)) => Some((mark.below, mark.also.clone())),
            _ => None,
        })
    }
}
