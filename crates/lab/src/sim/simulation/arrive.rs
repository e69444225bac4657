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
        let (to, gateway) = (letter.to.node, self.devices.len());
        if to == gateway {
            let lives = self.front.up && letter.to.incarnation == self.front.life();
            return if lives { self.gateway_frame(letter.from, letter.frame) } else { Ok(()) };
        }
        let device = &self.devices[to];
        if device.up && device.incarnation == letter.to.incarnation {
            let from = match letter.from {
                node if node == gateway => Peer::Gateway(self.front.run_at(letter.sent_at)),
                device => Peer::Device(DeviceId(device as u8)),
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

    fn gateway_frame(&mut self, from: usize, frame: Option<Frame>) -> Result<(), String> {
        let device = DeviceId(from as u8);
        match frame {
            Some(Frame::Data(data)) => {
                self.note(from, &data);
                self.ask(gateway::Event::Data(device, data))
            }
            Some(Frame::Heartbeat(beat)) => self.ask(gateway::Event::Beat(device, beat)),
            Some(Frame::Progress(progress)) => self.ask(gateway::Event::Progress(device, progress)),
            Some(Frame::Failure(failure)) => self.ask(gateway::Event::Failure(device, failure)),
            Some(Frame::Report(report)) => self.ask(gateway::Event::Report(device, report)),
            Some(_) => Ok(()),
            None => {
                self.record.refused += 1;
                Ok(())
            }
        }
    }

    /// Notes that a shard of a result has come.
    fn note(&mut self, device: usize, data: &Data) {
        let known = self.front.numbers.get(&data.request.number);
        if let Some(&index) = known.filter(|_| data.request.run == self.front.run()) {
            let after = self.since(self.now).saturating_sub(self.record.came[index]);
            let arrival = ShardArrival { device, shard: data.shard.into(), after };
            self.record.arrivals[index].push(arrival);
        }
    }
}
