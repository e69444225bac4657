//! Frames that arrive at nodes.

use quorate_core::admit::Peer;
use quorate_core::frame::{Data, Frame};
use quorate_core::gateway;
use quorate_core::id::DeviceId;
use quorate_core::worker;

use super::Simulation;
use crate::sim::record::ShardArrival;
use crate::sim::shards::Shards;
use crate::sim::world::{Letter, World};

impl<S: Shards, W: World> Simulation<S, W> {
    pub(super) fn arrive(&mut self, letter: Letter) -> Result<(), String> {
        if self.is_lost(&letter) {
            return Ok(());
        }
        let to = letter.to.node;
        if let Some(gateway) = to.checked_sub(self.devices.len()) {
            let front = &self.fronts[gateway];
            let lives = front.up && letter.to.incarnation == front.life();
            return match lives {
                true => self.gateway_frame(gateway, letter.from, letter.frame),
                false => Ok(()),
            };
        }
        let device = &self.devices[to];
        if device.up && device.incarnation == letter.to.incarnation {
            let from = match letter.from.checked_sub(self.devices.len()) {
                Some(gateway) => Peer::Gateway(self.fronts[gateway].run_at(letter.sent_at)),
                None => Peer::Device(DeviceId(letter.from as u8)),
            };
            self.worker_frame(to, from, letter.frame);
        }
        Ok(())
    }

    fn worker_frame(&mut self, device: usize, from: Peer, frame: Option<Frame>) {
        let event = match frame {
            Some(Frame::Data(data)) => worker::Event::Data(from, data),
            Some(Frame::Watermark(mark)) => worker::Event::Watermark(from, mark),
            Some(Frame::Failure(failure)) => worker::Event::Failure(from, failure),
            Some(_) => return,
            None => {
                self.record.refused += 1;
                return;
            }
        };
        self.tell(device, event);
    }

    fn gateway_frame(
        &mut self,
        gateway: usize,
        from: usize,
        frame: Option<Frame>,
    ) -> Result<(), String> {
        let device = DeviceId(from as u8);
        let event = match frame {
            Some(Frame::Data(data)) => {
                self.note(gateway, from, &data);
                gateway::Event::Data(device, data)
            }
            Some(Frame::Heartbeat(beat)) => gateway::Event::Beat(device, beat),
            Some(Frame::Progress(progress)) => gateway::Event::Progress(device, progress),
            Some(Frame::Failure(failure)) => gateway::Event::Failure(device, failure),
            Some(Frame::Report(report)) => gateway::Event::Report(device, report),
            Some(_) => return Ok(()),
            None => {
                self.record.refused += 1;
                return Ok(());
            }
        };
        self.ask(gateway, event)
    }

    /// Notes that a shard of a result has come.
    fn note(&mut self, gateway: usize, device: usize, data: &Data) {
        let front = &self.fronts[gateway];
        let known = front.numbers.get(&data.request.number);
        if let Some(&index) = known.filter(|_| data.request.run == front.run()) {
            let after = self.since(self.now).saturating_sub(self.record.came[index]);
            let arrival = ShardArrival { device, shard: data.shard.into(), after };
            self.record.arrivals[index].push(arrival);
        }
    }
}
